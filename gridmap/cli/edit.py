"""gridmap edit: the page on which a planner redraws cells, as one offline file."""

from __future__ import annotations

from pathlib import Path

import click

from gridmap.cli import _shell
from gridmap.language import tr


@_shell.command(name="edit")
@click.argument("grid", metavar="GRID")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(), metavar="PLAN.html")
@click.option("--of", metavar="CODE", help="Only this jurisdiction, or area of any level.")
@click.option("--compare", "others", multiple=True, metavar="OTHER.gpkg",
              help="An alternative whose borders can be shown.")  # fmt: skip
@click.option("--title", metavar="TEXT", help="Headline of the page.")
@_shell.overwrite_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    output: Path,
    of: str | None,
    others: tuple[str, ...],
    title: str | None,
    overwrite: bool,
) -> None:
    """Write a page to redraw a grid on: it opens offline and saves a change file for `apply`."""
    from gridmap.io.atomic import check_writable
    from gridmap.io.gridfile import read_grid
    from gridmap.maps.edit import edit_page
    from gridmap.maps.offline import check_page, write_page

    check_page(output)
    check_writable(output, overwrite=overwrite)
    plan = read_grid(grid)
    compare = [(Path(other).stem, read_grid(other)) for other in others]
    page = edit_page(plan, of=of, compare=compare, title=title, lang=shell.lang)
    write_page(page, output, overwrite=overwrite)
    size = f"{len(page) / 1e6:.1f} MB"
    shell.answer(tr("Wrote {output} ({size}); it opens offline.", output=output, size=size))
