"""gridmap compare: what moved between two grids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import Message, tr

if TYPE_CHECKING:
    from gridmap.comparison.compare import Comparison

_HEADINGS = {
    "code": "网格编码",
    "status": "变化",
    "counterpart": "对应网格",
    "households_before": "原户数",
    "households_after": "现户数",
    "households_kept": "留下户数",
    "before": "原网格",
    "after": "现网格",
    "households": "户数",
    "buildings": "楼栋数",
}
_STATUSES = {
    "unchanged": "未变",
    "recoded": "仅改编码",
    "changed": "调整",
    "born": "新设",
    "retired": "撤销",
}
_SHOWN = 20


@_shell.command(name="compare")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The cells with their change: .gpkg, .geojson, .csv or .xlsx.")  # fmt: skip
@click.option("--map", "page", type=_shell.FileOutput(), metavar="OUT.html",
              help="A map that opens offline.")  # fmt: skip
@click.option("--buildings", metavar="FILE", help="Count buildings one by one.")
@_options.basemap_options
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    old: str,
    new: str,
    output: Path | None,
    page: Path | None,
    buildings: str | None,
    ground: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Tell which cells, households and buildings changed between two grids."""
    from gridmap.comparison.compare import compare
    from gridmap.io import read_grid
    from gridmap.io.inputs import read_households
    from gridmap.maps.offline import check_page

    for path in filter(None, (output, page)):
        _shell.check_output(path, overwrite=overwrite)
    if page is not None:
        check_page(page)
    elif ground["basemap"] is not None:
        raise click.UsageError(tr("--basemap is for the page of --map OUT.html. Add that."))
    before, after = read_grid(old), read_grid(new)
    houses = None if buildings is None else read_households(buildings)[0].to_crs(after.crs)
    found = compare(before, after, buildings=houses)
    if output is not None:
        _write(shell, found, output, overwrite)
    if page is not None:
        from gridmap.maps.defect_map import compare_map

        lang = shell.lang
        drawn = compare_map(before, after, buildings=houses, lang=lang, **ground)
        drawn.save(page, overwrite=overwrite)
    if as_json:
        shell.emit_json({"schema": "gridmap.compare/1", **found.as_dict()})
        return
    shell.answer(found.sentence(shell.lang))
    for line in _moves(shell, found):
        shell.answer(line)


def _moves(shell: _shell.Shell, found: Comparison) -> list[str]:
    """Tell the largest moves, a line each."""
    moves = found.moves[found.moves["before"] != found.moves["after"]]
    moves = moves[moves["households"] > 0].sort_values("households", ascending=False, kind="stable")
    outside = tr("outside")
    moved = Message("{before} → {after}  {n:,.0f} {n:household|households}")
    lines = [
        str(moved(before=row.before or outside, after=row.after or outside, n=row.households))
        for row in moves.head(_SHOWN).itertuples()
    ]
    rest = len(moves) - len(lines)
    more = [tr("and {rest:,} more", rest=rest)] if rest else []
    return lines + more


def _write(shell: _shell.Shell, found: Comparison, path: Path, overwrite: bool) -> None:
    """Write the cells as a layer or a table."""
    from gridmap.io import write_layer, write_table

    if _options.is_layer(path):
        write_layer(found.cells, path, overwrite=overwrite)
        return
    table = found.cells
    if shell.lang == "zh":
        table = table.assign(status=table["status"].map(_STATUSES))
    headings = _HEADINGS if shell.lang == "zh" else None
    write_table(table, path, overwrite=overwrite, headings=headings)
