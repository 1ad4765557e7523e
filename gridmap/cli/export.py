"""gridmap export and share: file a grid, or make a table that may leave the house."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap.grid.grid import Grid


_SHAPED = (".geojson", ".shp", ".fgb", ".kml", ".gpkg", ".parquet")


@_shell.command(name="export")
@click.argument("grid", metavar="GRID")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(folder=True), metavar="OUT",
              help=".xlsx (a sheet for each level) or .csv; .gpkg for a grid file of its own; "
              ".geojson, .shp, .fgb, .kml or .parquet for the cells.")  # fmt: skip
@click.option("--of", metavar="CODE", help="Only this area: its code, its name or its digits.")
@click.option("--datum", metavar="NAME",
              help="Coordinates of the cells: gcj02 for maps on phones, bd09, wgs84, cgcs2000 or "
              "EPSG:n.")  # fmt: skip
@click.option("--on", metavar="DAY",
              help="Only the cells whose codes were valid on this day; in .csv or .xlsx all such "
              "codes, those retired since as well.")  # fmt: skip
@click.option(
    "--column", "columns", multiple=True, metavar="COL", help="One more column of the cells."
)
@click.option("--audience", type=click.Choice(["internal", "public"]), default="internal",
              help="public hides counts under 5.")  # fmt: skip
@_shell.overwrite_option
@click.pass_obj
def export_command(
    shell: _shell.Shell, /, grid: str, output: Path, of: str | None, on: str | None, **how: Any
) -> None:
    """File GRID as planners do, or share the cells of one area, in the datum of a phone's map.

    A .gpkg without --datum is a grid file that proves itself; a name without ending becomes a
    folder of GeoParquet with the same content.
    """
    from gridmap.crs.datum import check_datum
    from gridmap.io import read_grid
    from gridmap.io.atomic import check_writable
    from gridmap.operations.rollout import part_of

    if output.suffix or on is not None:
        check_writable(output, overwrite=how["overwrite"])
    if how["datum"] is not None:
        check_datum(how["datum"])
    how["lang"] = shell.lang
    proved = read_grid(grid)
    proved = proved if of is None else part_of(proved, of)
    how["columns"] = [_options.of_cells(proved, name) for name in how["columns"]]
    if on is not None:
        _write_codes(shell, proved, on, output, how)
        return
    known = _written(proved, output, **how)
    shell.answer(tr("{output}: {proved:,} {proved:cell|cells}", output=output, proved=len(proved)))
    if known in ("gcj02", "bd09"):
        shell.say(
            tr("Coordinates are in {datum}, which no CRS describes: for maps that are in it, not "
               "for measuring.", datum=known)
        )  # fmt: skip


def _write_codes(
    shell: _shell.Shell, grid: Grid, day: str, output: Path, how: dict[str, Any]
) -> None:
    """Write what was valid on a day: the codes, or the cells of today that bore them."""
    from gridmap.io import write_table
    from gridmap.operations.rollout import codes_on

    table = codes_on(grid, day)
    lost = list(table.loc[table["state"] == "unknown", "code"])
    if lost:
        shell.say(
            tr(
                "{n:,} {n:code was|codes were} retired on a day that is not recorded, so that "
                "nothing tells whether {n:it was|they were} valid on {day}: {codes}",
                n=len(lost),
                day=day,
                codes=lost,
            )
        )
    if output.suffix.lower() not in _SHAPED:
        write_table(table, output, overwrite=how["overwrite"])
        n = len(table) - len(lost)
        shell.answer(
            tr("{output}: {n:,} {n:code|codes} valid on {day}", output=output, n=n, day=day)
        )
        return
    _write_cells_of(shell, grid, day, table, output, how)


def _write_cells_of(
    shell: _shell.Shell,
    grid: Grid,
    day: str,
    table: pd.DataFrame,
    output: Path,
    how: dict[str, Any],
) -> None:
    """Write the cells that were valid on a day, in the shapes of today; tell what is not known."""
    from gridmap.errors import InputError
    from gridmap.io.export import export_cells

    codes = list(table.loc[table["state"] == "cell", "code"])
    if not codes:
        raise InputError(
            "No cell of the grid was valid on {day} already; --on writes the codes of that day "
            "into .csv or .xlsx.",
            day=day,
        )
    export_cells(grid, output, codes=codes, **how)
    shell.answer(
        tr(
            "{output}: {n:,} {n:cell|cells} valid on {day}, drawn as today",
            output=output,
            n=len(codes),
            day=day,
        )
    )
    gone = list(table.loc[table["state"] == "retired", "code"])
    if gone:
        shell.say(
            tr(
                "Blank there: {n:,} {n:code|codes} retired since, of which no shape is kept: "
                "{codes}",
                n=len(gone),
                codes=gone,
            )
        )
    shell.say(
        tr(
            "A cell that was redrawn since under its code had another shape then; for the shapes "
            "of {day} take the grid file of that time.",
            day=day,
        )
    )


def _written(grid: Grid, output: Path, *, datum: str | None, **how: Any) -> str:
    """Write what the name of the file asks for; return what its coordinates are in."""
    from gridmap.io import write_grid
    from gridmap.io.export import export_cells, export_grid
    from gridmap.io.gridfile import write_grid_dataset

    suffix = output.suffix.lower()
    if not suffix and datum is None and str(output) != "-":
        write_grid_dataset(grid, output, overwrite=how["overwrite"])
        return ""
    if suffix == ".gpkg" and datum is None:
        write_grid(grid, output, overwrite=how["overwrite"])
        return ""
    if datum is not None or suffix in _SHAPED:
        return export_cells(grid, output, datum=datum, **how)
    export_grid(grid, output, **how)
    return ""


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
@click.option("--audience", type=click.Choice(["internal", "public"]), default="public",
              help="internal lets small counts stand.")  # fmt: skip
@_shell.overwrite_option
@click.pass_obj
def share_command(
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
    from gridmap.io.columns import heading_for
    from gridmap.io.export import share

    if hashed_columns and key is None:
        raise click.UsageError(tr("Give --key FILE for --hash."))
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
