"""gridmap share: make a table that may leave the house."""

from __future__ import annotations

from pathlib import Path

import click

from gridmap.cli import _shell
from gridmap.language import tr


@_shell.command(name="share")
@click.argument("table", metavar="TABLE")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(), metavar="OUT",
              help=".csv, .xlsx or .parquet.")  # fmt: skip
@click.option("--column", "columns", multiple=True, required=True, metavar="COL",
              help="A column that may be shown; all others stay behind.")  # fmt: skip
@click.option("--count", "counts", multiple=True, metavar="COL",
              help="A column of counts, in which the public sees no 1 to 4.")  # fmt: skip
@click.option("--hash", "hashed_columns", multiple=True, metavar="COL",
              help="A column of ids to replace by keyed hashes.")  # fmt: skip
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Secret key for --hash; made when it is not there.")  # fmt: skip
@click.option("--audience", type=click.Choice(["internal", "public"]), default="public")
@_shell.overwrite_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    table: str,
    output: Path,
    columns: tuple[str, ...],
    counts: tuple[str, ...],
    hashed_columns: tuple[str, ...],
    key: Path | None,
    audience: str,
    overwrite: bool,
) -> None:
    """Write of TABLE only the columns on the list; one that looks personal is refused by name.

    A column is named as in the file (总户数), or by what it is understood as (households).
    """
    from gridmap.io import read_table
    from gridmap.io.atomic import check_writable
    from gridmap.io.columns import heading_for
    from gridmap.io.export import share

    if hashed_columns and key is None:
        raise click.UsageError(tr("Give --key FILE for --hash."))
    check_writable(output, overwrite=overwrite)
    frame = read_table(table)

    def named(wanted: tuple[str, ...]) -> list[str]:
        return [heading_for(name, [str(column) for column in frame.columns]) for name in wanted]

    rows = share(
        frame,
        output,
        named(columns),
        counts=named(counts),
        hashed_columns=named(hashed_columns),
        key=key,
        lang=shell.lang,
        audience=audience,  # type: ignore[arg-type]
        overwrite=overwrite,
    )
    shell.answer(tr("{output}: {rows:,} {rows:row|rows}", output=output, rows=rows))
