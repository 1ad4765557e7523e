"""gridmap account: no household left out, building by building."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.cli import _options as _cells
from gridmap.language import Message, tr

if TYPE_CHECKING:
    from gridmap.operations.household_account import Account


@_shell.command(name="account")
@click.argument("grid", metavar="GRID")
@click.argument("buildings", metavar="BUILDINGS")
@_cells.count_option
@_options.place_options
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The cells recounted: .csv, .xlsx or .parquet.")  # fmt: skip
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    buildings: str,
    count: str | None,
    where: dict[str, Any],
    output: Path | None,
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Put every building into exactly one cell of GRID, and recount each cell's households.

    Ends with 1 when a building lies in no cell, stands twice, or a count differs.
    """
    from gridmap.io import read_grid, write_table
    from gridmap.io.export import chinese_headings
    from gridmap.io.inputs import read_households
    from gridmap.operations.household_account import account

    if output is not None:
        _shell.check_output(output, overwrite=overwrite)
    frame, known = read_households(buildings, crs=crs, count=count, **where)
    _options.tell(shell, known)
    found = account(frame, read_grid(grid))
    if output is not None:
        table = found.cells.reset_index()
        headings = chinese_headings(table.columns) if shell.lang == "zh" else None
        write_table(table, output, overwrite=overwrite, headings=headings)
    if as_json:
        shell.emit_json(_document(found))
    else:
        shell.answer(found.sentence(shell.lang))
        for line in _lines(shell, found):
            shell.answer(line)
    return 0 if found.complete else 1


def _document(found: Account) -> dict[str, Any]:
    uneven = found.cells[found.cells["difference"] != 0]
    return {
        "schema": "gridmap.account/1",
        "complete": found.complete,
        "buildings": len(found.buildings),
        "households": int(found.buildings["households"].sum()),
        "left_out": [
            {"building": str(label), **row}
            for label, row in found.left_out[["households", "problem"]].to_dict("index").items()
        ],
        "repeated": sorted(set(found.repeated.get("building_id", []))),
        "uneven": [{"code": str(code), **row} for code, row in uneven.to_dict("index").items()],
    }


def _lines(shell: _shell.Shell, found: Account) -> list[str]:
    """List the first buildings left out and the first cells that differ."""
    problems = {"nowhere": Message("nowhere"), "outside": Message("outside every cell")}
    rows = enumerate(found.buildings.itertuples(), start=1)
    lines = [
        tr(
            "  row {number}: {households:,} {households:household|households}, {problems}",
            number=number,
            households=row.households,
            problems=problems[str(row.problem)],
        )
        for number, row in rows
        if row.problem
    ][:10]
    uneven = found.cells[found.cells["difference"] != 0].head(10)
    return lines + [
        tr(
            "  {code}: {households:,} {households:household|households}, buildings "
            "{households_buildings:,}",
            code=code,
            households=row["households"],
            households_buildings=row["households_buildings"],
        )
        for code, row in uneven.iterrows()
    ]
