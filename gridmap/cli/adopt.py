"""gridmap adopt and repair: take over cells that somebody else drew, mended or as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from gridmap.cli import _options, _shell
from gridmap.language import Lang, Message, tr

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from gridmap.grid.grid import Grid
    from gridmap.grid.redrawn import HomeComing


@_shell.command(name="adopt")
@click.argument("cells", metavar="CELLS")
@_options.boundary_option(required=False)
@click.option("-o", "--output", required=True, type=_shell.GridOutput(), metavar="GRID.gpkg",
              help="Grid file to write.")  # fmt: skip
@click.option(
    "--repair", "mend", is_flag=True, help="Mend the defects first, and list the changes."
)
@click.option("--from", "origin", metavar="OLD.gpkg",
              help="The grid that the cells were drawn over: its codes, exceptions, retired codes, "
              "levels and names live on, and households are counted again.")  # fmt: skip
@click.option("--households", metavar="FILE",
              help="With --from: buildings to count by.")  # fmt: skip
@click.option("--on", default="", show_default=False, metavar="DAY",
              help="With --from: day from which it holds.")  # fmt: skip
@_options.code_option
@_options.count_option
@click.option("--level", "levels", multiple=True, metavar="COLUMN",
              help="Columns of the hierarchy, coarse to fine.")  # fmt: skip
@_options.exclude_option
@click.option("--min", "low", type=click.IntRange(min=1), help="300, or the old grid's.")
@click.option("--max", "high", type=click.IntRange(min=1), help="600, or the old grid's.")
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def adopt_command(
    shell: _shell.Shell,
    cells: str,
    boundary: str | None,
    output: Path,
    mend: bool,
    origin: str | None,
    households: str | None,
    on: str,
    code: str | None,
    count: str | None,
    levels: tuple[str, ...],
    exclude: str | None,
    low: int | None,
    high: int | None,
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a grid of cells that somebody else drew, proved or not at all.

    Exit code 1 when they do not tile the boundary: `gridmap validate` shows every defect. With
    --from OLD.gpkg cells that were drawn over in QGIS or ArcGIS come home.
    """
    if origin is not None:
        if boundary or mend or levels or exclude:
            raise click.UsageError(
                tr(
                    "--from takes boundary and levels from the old grid, and mends. Leave "
                    "--boundary, --repair, --level and --exclude out."
                )
            )
        home = come_home_from(shell, cells, origin, households, code, (low, high), on, crs)
        tell_home(shell, home, output, overwrite=overwrite, as_json=as_json)
        return
    if boundary is None or households or on:
        raise click.UsageError(
            tr(
                "Name the outline with --boundary FILE, or the grid that the cells were drawn "
                "over with --from OLD.gpkg (--households and --on go with that)."
            )
        )
    band = (low or 300, high or 600)
    read = {"crs": crs, "code": code, "count": count}
    grid = _adopted(shell, (cells, boundary, exclude), mend, levels, band, read)
    _tell_adopted(shell, grid, output, overwrite=overwrite, as_json=as_json)


def _adopted(
    shell: _shell.Shell,
    files: tuple[str, str, str | None],
    mend: bool,
    levels: tuple[str, ...],
    households: tuple[int, int],
    read: dict[str, Any],
) -> Grid:
    """Read cells and what they must fill, and make a grid of them or say why not."""
    from gridmap.coverage.repair import outline_to_fill
    from gridmap.coverage.report import sentence
    from gridmap.errors import CoverageError
    from gridmap.grid.adopt import adopt
    from gridmap.io import read_layer
    from gridmap.io.columns import called
    from gridmap.io.inputs import read_cells

    cells, boundary, exclude = files
    drawn, known = read_cells(cells, **read)
    for line in known.sentences(shell.lang):
        shell.say(line)
    excluded = None if exclude is None else read_layer(exclude, crs=read["crs"])
    given: Any = boundary if boundary == "outline" else read_layer(boundary, crs=read["crs"])
    try:
        if mend:
            drawn, outline = _mended(shell, drawn, given, excluded)
        else:
            outline = outline_to_fill(drawn, given, excluded)
        named = [called(level, drawn.columns) for level in levels]
        return adopt(drawn, outline, levels=named, households=households)
    except CoverageError as error:
        if error.defects is None:
            raise
        shell.answer(sentence(error.defects, shell.lang))
        raise click.exceptions.Exit(1) from error


def _tell_adopted(
    shell: _shell.Shell, grid: Grid, output: Path, *, overwrite: bool, as_json: bool
) -> None:
    """Write an adopted grid, and tell its proof."""
    from gridmap.coverage.report import sentence
    from gridmap.coverage.validate import validate
    from gridmap.io import write_grid

    write_grid(grid, output, overwrite=overwrite)
    _options.tell_stretch(shell, grid.cells)
    if as_json:
        document = {"schema": "gridmap.adopt/1", "cells": len(grid), "proof": grid.proof.as_dict()}
        shell.emit_json(document)
    else:
        checked = validate(grid.cells, grid.boundary, parents=grid.jurisdictions)
        shell.answer(sentence(checked, shell.lang))


def _mended(shell: _shell.Shell, cells: Any, outline: Any, exclude: Any) -> tuple[Any, Any]:
    """Return the cells mended, and the boundary with the vertices that this added."""
    from gridmap.coverage.repair import exchange_sentence, repair

    mended, log = repair(cells, outline, exclude=exclude)
    shell.say(tr("repaired: {log:,} {log:change|changes}", log=len(log)))
    if len(log):
        shell.say(exchange_sentence(log))
        _tell_wide(shell, log)
    return mended, log.attrs["boundary"]


def come_home_from(
    shell: _shell.Shell,
    cells: str,
    origin: str,
    households: str | None,
    code: str | None,
    band: tuple[int | None, int | None],
    on: str,
    crs: str | None,
) -> HomeComing:
    """Read the drawn cells and the old grid, and bring the cells home."""
    from gridmap.grid.redrawn import come_home
    from gridmap.io.gridfile import read_grid
    from gridmap.io.inputs import read_cells, read_households

    old = read_grid(origin)
    drawn, known = read_cells(cells, crs=crs, code=code)
    for line in known.sentences(shell.lang):
        shell.say(line)
    homes = None if households is None else read_households(households, crs=crs)[0]
    low, high = (own or given for own, given in zip(band, old.band, strict=True))
    asked = (low, high) if any(band) else None
    return come_home(drawn, old, households=homes, band=asked, on=on, lang=shell.lang)


def tell_home(
    shell: _shell.Shell, home: HomeComing, output: Path, *, overwrite: bool, as_json: bool
) -> None:
    """Write the grid that came home, and say what changed and that nobody was lost."""
    from gridmap.io.gridfile import write_grid

    write_grid(home.grid, output, overwrite=overwrite)
    if as_json:
        document = {
            "schema": "gridmap.adopt/1",
            "cells": len(home.grid),
            "proof": home.grid.proof.as_dict(),
            "households_in": home.households_in,
            "households_out": home.households_out,
            "counted_by": home.counted_by,
            "redrawn": list(home.redrawn),
            "new": list(home.new),
            "retired": list(home.retired),
            "mended_m2": round(home.moved_m2, 3),
        }
        shell.emit_json(document)
        return
    by = {"buildings": tr("buildings"), "units": tr("units")}
    for heading, figure in (
        (tr("households: in = out"), f"{home.households_in:,} = {home.households_out:,}"),
        (tr("counted by"), by[home.counted_by]),
        (tr("households of units under a border"), f"{home.divided:,}"),
        (tr("redrawn cells"), f"{len(home.redrawn):,}"),
        (tr("new cells"), f"{len(home.new):,} {', '.join(home.new)}".strip()),
        (tr("retired codes"), f"{len(home.retired):,} {', '.join(home.retired)}".strip()),
        (tr("mended (m²)"), f"{home.moved_m2:,.1f}"),
    ):
        shell.answer(f"  {heading}: {figure}")


_CHANGES = {
    "rebuilt": Message("rebuilt"),
    "ring-repaired": Message("ring-repaired"),
    "vertex-added": Message("vertex-added"),
    "absorbed": Message("absorbed"),
    "dropped": Message("dropped"),
    "new": Message("new"),
}

_MEASURES = ("changed_hands_m2", "filled_m2", "filled_wide_m2", "moved_m", "beside_m",
             "boundary_vertices")  # fmt: skip


@_shell.command(name="repair")
@click.argument("cells", metavar="CELLS")
@_options.boundary_option(required=True)
@click.option("-o", "--output", type=_shell.Output(), metavar="OUT",
              help="The mended cells; the extension tells the format.")  # fmt: skip
@click.option(
    "--policy",
    type=click.Choice(["longest-border", "fewest-households", "priority"]),
    default="longest-border",
    help="Who gets an overlap.",
)
@click.option("--priority", metavar="COLUMN", help="Column for --policy priority: highest wins.")
@click.option(
    "--nested",
    type=click.Choice(["punch", "absorb", "refuse"]),
    default="punch",
    help="What becomes of a cell inside another one.",
)
@_options.exclude_option
@_options.code_option
@_options.count_option
@click.option("--log", "log_file", type=_shell.FileOutput(), metavar="OUT.csv",
              help="Every changed cell, with area and households before and after.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would change; write no cells.")
@click.option("--map", "page", type=_shell.PageOutput(), metavar="OUT.html",
              help="Before and after: the defects, and the cells that change.")  # fmt: skip
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def repair_command(
    shell: _shell.Shell,
    /,
    cells: str,
    boundary: str,
    output: Path | None,
    exclude: str | None,
    code: str | None,
    count: str | None,
    log_file: Path | None,
    dry_run: bool,
    page: Path | None,
    crs: str | None,
    overwrite: bool,
    as_json: bool,
    **rules: Any,
) -> int:
    """Mend gaps, overlaps and unmatched vertices of CELLS, and touch nothing else.

    The result is proved before anything is written. Exit code 1 when some place cannot be mended.
    """
    from gridmap.coverage.repair import repair
    from gridmap.coverage.report import describe
    from gridmap.errors import CoverageError
    from gridmap.io import read_layer, write_layer, write_table
    from gridmap.io.atomic import together
    from gridmap.io.columns import understand
    from gridmap.io.inputs import counts_as_typed

    if output is None and not dry_run:
        raise click.UsageError(tr("Missing option '-o' / '--output' (or --dry-run)."))
    drawn = read_layer(cells, crs=crs)
    known = understand(drawn, "cell", choose={"code": code, "households": count}, convert=False)[1]
    code, count = known.columns.get("code", code), known.columns.get("households", count)
    if count is not None and count in drawn:
        drawn = drawn.assign(**{count: counts_as_typed(drawn[count])})
    outline: Any = boundary if boundary == "outline" else read_layer(boundary, crs=crs)
    excluded = None if exclude is None else read_layer(exclude, crs=crs)
    try:
        mended, log = repair(
            drawn, outline, exclude=excluded, code=code, count=count, lang=shell.lang, **rules
        )
    except CoverageError as error:
        shell.warn(str(error))
        shell.answer(describe(cast("gpd.GeoDataFrame", error.defects), shell.lang))
        return 1
    with together():
        if page is not None:
            _draw(drawn, mended, outline, excluded, code, shell.lang, page, overwrite)
        if log_file is not None:
            write_table(log, log_file, overwrite=overwrite)
        if output is not None and not dry_run:
            write_layer(mended, output, overwrite=overwrite)
    _options.tell_stretch(shell, mended)
    _report(shell, log, len(mended), dry_run, as_json)
    return 0


def _draw(
    cells: gpd.GeoDataFrame,
    mended: gpd.GeoDataFrame,
    outline: Any,
    excluded: Any,
    code: str | None,
    lang: Lang,
    page: Path,
    overwrite: bool,
) -> None:
    from gridmap.coverage.validate import validate
    from gridmap.maps.defect_map import defect_map

    found = validate(cells, outline, exclude=excluded, code=code, lang=lang)
    edge = None if isinstance(outline, str) else outline
    drawn = defect_map(cells, found, edge, lang=lang, mended=mended)
    drawn.save(page, overwrite=overwrite)


def _report(
    shell: _shell.Shell, log: pd.DataFrame, cells: int, dry_run: bool, as_json: bool
) -> None:
    from gridmap.coverage.repair import exchange_sentence

    counts = {str(change): int(n) for change, n in log["change"].value_counts().items()}
    if as_json:
        shell.emit_json(
            {
                "schema": "gridmap.repair/1",
                "cells": cells,
                "written": not dry_run,
                "changes": counts,
                "log": log.astype(object).where(log.notna(), None).to_dict("records"),
                "proof": log.attrs["proof"],
                **{key: log.attrs[key] for key in _MEASURES},
            }
        )
        return
    if not counts:
        shell.answer(tr("none of {cells:,} {cells:cell|cells} needs mending", cells=cells))
        return
    every = cells + counts.get("absorbed", 0) + counts.get("dropped", 0)
    said = [f"{_CHANGES[change]} {n:,}" for change, n in counts.items()]
    done = Message("mended {changed:,} of {every:,} {every:cell|cells} ({said})")
    if dry_run:
        done = Message("would change {changed:,} of {every:,} {every:cell|cells} ({said})")
    shell.answer(str(done(changed=len(log), every=every, said=said)))
    shell.answer(str(exchange_sentence(log)))
    _tell_wide(shell, log)


def _tell_wide(shell: _shell.Shell, log: pd.DataFrame) -> None:
    """Say how much of what was filled is no slit: only a person can tell a lake from a mistake."""
    from gridmap.coverage.defect_names import square_metres

    if wide := log.attrs["filled_wide_m2"]:
        said = tr("{area} of what was filled is over a metre wide. A lake or an enclave stays open "
                  "when it is declared: `--exclude`.", area=square_metres(wide))  # fmt: skip
        shell.warn(said)
