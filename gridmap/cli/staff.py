"""gridmap staff and account: the roster against the cells, and every household in one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import Message, tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.operations.households import Account
    from gridmap.operations.staffing import Staffing


_HEADINGS = {"x": "专职及下沉", "y": "志愿者", "load": "每人户数", "status": "配备情况"}
_STATUSES = {
    "staffed": "已配齐",
    "no leader": "未配网格长",
    "several leaders": "多名网格长",
    "unstaffed": "无人员",
    "not covered": "名册未具体到网格",
}
_PROBLEMS = {
    "unknown role": Message("unknown role"),
    "unknown place": Message("unknown place"),
    "ambiguous place": Message("several places of this name; give the code:"),
    "no place": Message("no place"),
    "named twice": Message("named twice"),
}
_LISTED = 20


@_shell.command(name="staff")
@click.argument("grid", metavar="GRID")
@click.argument("roster", metavar="ROSTER")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The cells with their posts: .csv, .xlsx or .parquet.")  # fmt: skip
@click.option("--level", metavar="NAME", help="Ratios by the areas of one level.")
@click.option("--limit", type=click.FloatRange(0, min_open=True), metavar="N",
              help="Households a worker from which a cell is over-charged.")  # fmt: skip
@_options.words_options("roles")
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def staff_command(
    shell: _shell.Shell,
    grid: str,
    roster: str,
    output: Path | None,
    level: str | None,
    limit: float | None,
    words: dict[str, str | None],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Tell who is missing at the levels that ROSTER speaks of, and the ratios of 1+X+Y.

    A row that cannot be used is listed, and the rest goes on. Names and telephones in the roster
    are not looked at and not written.
    """
    from gridmap.io import read_grid
    from gridmap.operations.staffing import staffing

    table = _options.read_roster(shell, roster, words["roles"])
    proved = read_grid(grid, whole=False)
    level = _options.of_cells(proved, level)
    found = staffing(table, proved, limit=limit)
    ratios = found.ratios(level)
    if output is not None:
        cells = found.cells
        if shell.lang == "zh":
            cells = cells.assign(status=cells["status"].map(_STATUSES))
        _options.write_filed(shell, cells, output, _HEADINGS, overwrite=overwrite)
    if as_json:
        shell.emit_json(_document(found, ratios))
        return
    shell.answer(found.sentence(shell.lang))
    for line in [*_ratios(ratios, level), *_vacancies(found), *_bad(found)]:
        shell.answer(line)


def _document(found: Staffing, ratios: pd.DataFrame) -> dict[str, Any]:
    rows = ratios.reset_index().astype(object)
    vacant = found.vacancies
    return {
        "schema": "gridmap.staff/1",
        "ratios": rows.where(rows.notna(), None).to_dict("records"),
        "without_leader": vacant.loc[vacant["level"] == "cell", "code"].tolist(),
        "vacancies": vacant.to_dict("records"),
        "overcharged": list(found.cells.index[found.cells["overcharged"]]),
        "not_covered": int((found.cells["status"] == "not covered").sum()),
        "problems": found.problems.to_dict("records"),
    }


def _ratios(ratios: pd.DataFrame, level: str | None) -> list[str]:
    """Tell the ratios in all, or by the areas of a level."""
    lines = []
    for row in ratios.itertuples():
        each = tr(
            "{workers_per_cell:.2f} workers a cell, {x_per_leader:.1f} staff and "
            "{y_per_leader:.1f} volunteers a leader",
            workers_per_cell=row.workers_per_cell,
            x_per_leader=row.x_per_leader,
            y_per_leader=row.y_per_leader,
        )
        each = each.replace("nan", "–")
        place = tr("{index}  {cells:,} {cells:cell|cells}  ", index=row.Index, cells=row.cells)
        lines.append(place + each if level is not None else each)
    return lines


def _vacancies(found: Staffing) -> list[str]:
    """Name the places without a leader, level by level."""
    lines = []
    for level, rows in found.vacancies.groupby("level", sort=False):
        named = [*rows["code"].head(_LISTED), *(["…"] if len(rows) > _LISTED else [])]
        where = tr("cells") if level == "cell" else str(level)
        lines.append(
            tr("Without leader ({where}, {n:,}): {named}", where=where, n=len(rows), named=named)
        )
    return lines


def _bad(found: Staffing) -> list[str]:
    """List the rows that could not be used as they are."""
    rows = found.problems
    lines = [
        tr(
            "row {row:,}: {problem} {value}",
            row=row["row"],
            problem=_PROBLEMS[row["problem"]],
            value=row["value"],
        ).rstrip()
        for row in rows.head(_LISTED).to_dict("records")
    ]
    more = len(rows) - _LISTED
    return [*lines, tr("{more:,} more rows", more=more)] if more > 0 else lines


@_shell.command(name="account")
@click.argument("grid", metavar="GRID")
@click.argument("buildings", metavar="BUILDINGS")
@_options.count_option
@_options.place_options
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The cells recounted: .csv, .xlsx or .parquet.")  # fmt: skip
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def account_command(
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
    from gridmap.io import read_grid
    from gridmap.io.inputs import read_households
    from gridmap.operations.households import account

    frame, known = read_households(buildings, crs=crs, count=count, **where)
    _options.tell(shell, known)
    found = account(frame, read_grid(grid, whole=False))
    if output is not None:
        table = found.cells.reset_index()
        _options.write_filed(shell, table, output, {}, overwrite=overwrite)
    if as_json:
        shell.emit_json(_account_document(found))
    else:
        shell.answer(found.sentence(shell.lang))
        for line in _lines(found):
            shell.answer(line)
    return 0 if found.complete else 1


def _account_document(found: Account) -> dict[str, Any]:
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


def _lines(found: Account) -> list[str]:
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
