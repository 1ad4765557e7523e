"""gridmap compare and plans: what moved between two grids, and alternatives side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import Message, tr

if TYPE_CHECKING:
    from gridmap.comparison.compare import Comparison


_HEADINGS = {"status": "变化", "before": "原网格", "after": "现网格"}
_STATUSES = {"unchanged": "未变", "recoded": "仅改编码", "changed": "调整", "born": "新设",
             "retired": "撤销"}  # fmt: skip
_SHOWN = 20


@_shell.command(name="compare")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The cells with their change: .gpkg, .geojson, .csv or .xlsx.")  # fmt: skip
@click.option("--map", "page", type=_shell.PageOutput(), metavar="OUT.html",
              help="A map that opens offline.")  # fmt: skip
@click.option("--buildings", metavar="FILE", help="Count buildings one by one.")
@_options.basemap_options
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def compare_command(
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
    from gridmap.crs.project import reproject
    from gridmap.io import read_grid
    from gridmap.io.atomic import together
    from gridmap.io.inputs import read_households

    if page is None and ground["basemap"] is not None:
        raise click.UsageError(tr("--basemap is for the page of --map OUT.html. Add that."))
    before, after = read_grid(old), read_grid(new)
    houses = None if buildings is None else reproject(read_households(buildings)[0], after.crs)
    found = compare(before, after, buildings=houses)
    with together():
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
    for line in _moves(found):
        shell.answer(line)


def _moves(found: Comparison) -> list[str]:
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
    from gridmap.io import write_layer

    if _options.is_layer(path):
        write_layer(found.cells, path, overwrite=overwrite)
        return
    table = found.cells
    if shell.lang == "zh":
        table = table.assign(status=table["status"].map(_STATUSES))
    _options.write_filed(shell, table, path, _HEADINGS, overwrite=overwrite)


@_shell.command(name="plans")
@click.argument("grids", metavar="A.gpkg B.gpkg …", nargs=-1, required=True)
@click.option("-o", "--output", type=_shell.FileOutput(), metavar="OUT.html|.xlsx|.csv",
              help="The table, or a page that opens offline.")  # fmt: skip
@click.option("--present", metavar="GRID", help="The grid in force; the first plan by default.")
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def plans_command(
    shell: _shell.Shell,
    grids: tuple[str, ...],
    output: Path | None,
    present: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Set alternatives side by side: band, spread, compactness, streets, households moved."""
    from gridmap.comparison.plans import plans
    from gridmap.io.gridfile import read_grid

    names = [Path(path).stem for path in grids]
    if len(set(names)) < len(names):
        names = [str(path) for path in grids]
    if len(set(names)) < len(names):
        raise click.UsageError(tr("One plan is named twice. Name each once."))
    drawn = {name: read_grid(path) for name, path in zip(names, grids, strict=True)}
    force = None if present is None else read_grid(present)
    table = plans(drawn, present=force)
    if output is not None:
        called = (
            names[0] if present is None else Path(present).stem,
            drawn[names[0]] if force is None else force,
        )
        write_plans(shell, output, table, drawn, called, overwrite)
    if as_json:
        rows = table.reset_index().astype(object)
        rows = rows.where(rows.notna(), None)
        shell.emit_json({"schema": "gridmap.plans/1", "plans": rows.to_dict("records")})
        return
    say_plans(shell, table.loc[""])


def write_plans(
    shell: _shell.Shell,
    path: Path,
    table: Any,
    grids: Any,
    present: tuple[str, Any],
    overwrite: bool,
) -> None:
    """Write the page, or the table."""
    from gridmap.io.tables import write_table
    from gridmap.maps.maps import TITLES, plans_page
    from gridmap.maps.offline import write_page

    if path.suffix.lower() in (".html", ".htm"):
        page = plans_page(table, grids, present=present, lang=shell.lang)
        write_page(page, path, overwrite=overwrite)
        return
    headings = {figure: title.text(shell.lang) for figure, title in TITLES.items()}
    headings["border_m"] = tr("Internal border (m)")
    headings |= {"area": tr("Jurisdiction", context="plans"), "plan": tr("Plan", context="plans")}
    chosen = headings if shell.lang == "zh" else None
    write_table(table.reset_index(), path, overwrite=overwrite, headings=chosen)


def say_plans(shell: _shell.Shell, table: Any) -> None:
    """Print the figures over all, a line a plan."""
    for name, row in table.iterrows():
        shell.answer(
            tr(
                "{plan}: {in_band:,} of {cells:,} {cells:cell|cells} in the band, spread "
                "{spread:.3f}, compactness {compactness:.3f}, border {border:,.1f} km, "
                "{moved:,.0f} {moved:household|households} moved ({share:.1%})",
                plan=name,
                in_band=int(row["in_band"]),
                cells=int(row["cells"]),
                spread=row["spread"],
                compactness=row["compactness"],
                border=row["border_m"] / 1000,
                moved=row["moved"],
                share=row["moved_share"],
            )
        )
