"""gridmap plans: alternatives side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gridmap.cli import _shell
from gridmap.language import tr


@_shell.command(name="plans")
@click.argument("grids", metavar="A.gpkg B.gpkg …", nargs=-1, required=True)
@click.option("-o", "--output", type=_shell.FileOutput(), metavar="OUT.html|.xlsx|.csv")
@click.option("--present", metavar="GRID", help="The grid in force; the first plan by default.")
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grids: tuple[str, ...],
    output: Path | None,
    present: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Set alternatives side by side: band, spread, compactness, streets, households moved."""
    from gridmap.comparison.plans import plans
    from gridmap.io.atomic import check_writable
    from gridmap.io.gridfile import read_grid

    names = [Path(path).stem for path in grids]
    if len(set(names)) < len(names):
        names = [str(path) for path in grids]
    if len(set(names)) < len(names):
        raise click.UsageError(tr("One plan is named twice. Name each once."))
    if output is not None:
        check_writable(output, overwrite=overwrite)
    drawn = {name: read_grid(path) for name, path in zip(names, grids, strict=True)}
    table = plans(drawn, present=None if present is None else read_grid(present))
    if output is not None:
        write(shell, output, table, drawn, Path(present).stem if present else names[0], overwrite)
    if as_json:
        rows = table.reset_index().astype(object)
        rows = rows.where(rows.notna(), None)
        shell.emit_json({"schema": "gridmap.plans/1", "plans": rows.to_dict("records")})
        return
    say(shell, table.loc[""])


def write(
    shell: _shell.Shell, path: Path, table: Any, grids: Any, present: str, overwrite: bool
) -> None:
    """Write the page, or the table."""
    from gridmap.io.tables import write_table
    from gridmap.maps.offline import write_page
    from gridmap.maps.plans import TITLES, plans_page

    if path.suffix.lower() in (".html", ".htm"):
        page = plans_page(table, grids, present=present, lang=shell.lang)
        write_page(page, path, overwrite=overwrite)
        return
    headings = {figure: title.text(shell.lang) for figure, title in TITLES.items()}
    headings["border_m"] = tr("Internal border (m)")
    headings |= {"area": tr("Jurisdiction", context="plans"), "plan": tr("Plan", context="plans")}
    chosen = headings if shell.lang == "zh" else None
    write_table(table.reset_index(), path, overwrite=overwrite, headings=chosen)


def say(shell: _shell.Shell, table: Any) -> None:
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
