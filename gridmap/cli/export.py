"""gridmap export: file a grid as a workbook or table."""

from __future__ import annotations

from pathlib import Path

import click

from gridmap.cli import _shell
from gridmap.language import tr


@_shell.command(name="export")
@click.argument("grid", metavar="GRID")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT",
              help=".xlsx (one sheet per level) or .csv (the cells).")  # fmt: skip
@click.option(
    "--column", "columns", multiple=True, metavar="COL", help="One more column of the cells."
)
@click.option("--audience", type=click.Choice(["internal", "public"]), default="internal")
@_shell.overwrite_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    output: Path,
    columns: tuple[str, ...],
    audience: str,
    overwrite: bool,
) -> None:
    """File GRID as planners do: a workbook with one sheet per level, or a table of its cells."""
    from gridmap.io import read_grid
    from gridmap.io.atomic import check_writable
    from gridmap.io.export import export_grid

    check_writable(output, overwrite=overwrite)
    proved = read_grid(grid)
    export_grid(
        proved,
        output,
        columns=columns,
        lang=shell.lang,
        audience=audience,  # type: ignore[arg-type]
        overwrite=overwrite,
    )
    shell.answer(tr("{output}: {proved:,} {proved:cell|cells}", output=output, proved=len(proved)))
