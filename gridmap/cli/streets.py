"""gridmap streets: one responsible post for each piece of street or river (街长、河长)."""

from __future__ import annotations

from pathlib import Path

import click

from gridmap.cli import _options, _shell
from gridmap.language import tr

_HEADINGS = {"name": "道路名称"}


@_shell.command(name="streets")
@click.argument("grid", metavar="GRID")
@click.argument("streets", metavar="STREETS")
@click.argument("roster", metavar="ROSTER")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The pieces: .gpkg, .geojson, .csv or .xlsx.")  # fmt: skip
@click.option("--kind", "kinds", multiple=True, metavar="WORD",
              help="Only lines of this kind, as river; all by default.")  # fmt: skip
@_options.words_options("roles")
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    streets: str,
    roster: str,
    output: Path | None,
    kinds: tuple[str, ...],
    words: dict[str, str | None],
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Cut STREETS (or rivers) by the cells of GRID, and give each piece the post in charge of it.

    A chief of the street whose name the ROSTER gives comes first, then the leader of the cell, then
    those of its community. Names and telephones in the roster are not looked at and not written.
    """
    from gridmap.io import read_grid, write_layer, write_table
    from gridmap.operations.patrol import street_posts

    if output is not None:
        _shell.check_output(output, overwrite=overwrite)
    proved = read_grid(grid)
    lines = _options.read_lines(streets, proved.crs, kinds, crs=crs)
    table = street_posts(proved, lines, _options.read_roster(shell, roster, words["roles"]))
    if output is not None and _options.is_layer(output):
        write_layer(table, output, overwrite=overwrite)
    elif output is not None:
        plain = table.drop(columns="geometry")
        headings = _options.headings(plain.columns, _HEADINGS) if shell.lang == "zh" else None
        write_table(plain, output, overwrite=overwrite, headings=headings)
    whole = float(table["length_m"].sum())
    held = float(table.loc[table["post"] != "", "length_m"].sum())
    by_chief = float(table.loc[table["level"] == "street", "length_m"].sum())
    if as_json:
        document = {"pieces": len(table), "km": round(whole / 1000, 3)}
        document |= {
            "with_post_km": round(held / 1000, 3),
            "by_chief_km": round(by_chief / 1000, 3),
        }
        shell.emit_json({"schema": "gridmap.streets/1", **document})
        return
    shell.answer(
        tr(
            "{table:,} {table:piece|pieces}, {whole:,.1f} km; {held:,.1f} km have a post, "
            "{by_chief:,.1f} of them a chief of their own",
            table=len(table),
            whole=whole / 1000,
            held=held / 1000,
            by_chief=by_chief / 1000,
        )
    )
