"""gridmap repair: mend the defects and touch nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from gridmap.cli import _options, _shell
from gridmap.language import Lang, Message, tr

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

_CHANGES = {
    "rebuilt": Message("rebuilt"),
    "ring-repaired": Message("ring-repaired"),
    "vertex-added": Message("vertex-added"),
    "absorbed": Message("absorbed"),
    "dropped": Message("dropped"),
    "new": Message("new"),
}

_MEASURES = ("changed_hands_m2", "filled_m2", "moved_m", "beside_m", "boundary_vertices")


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
@click.option("--map", "page", type=_shell.FileOutput(), metavar="OUT.html",
              help="Before and after: the defects, and the cells that change.")  # fmt: skip
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    cells: str,
    boundary: str,
    output: Path | None,
    policy: str,
    priority: str | None,
    nested: str,
    exclude: str | None,
    code: str | None,
    count: str | None,
    log_file: Path | None,
    dry_run: bool,
    page: Path | None,
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Mend gaps, overlaps and unmatched vertices of CELLS, and touch nothing else.

    The result is proved before anything is written. Exit code 1 when some place cannot be mended.
    """
    from gridmap.coverage.repair import repair
    from gridmap.coverage.report import describe
    from gridmap.errors import CoverageError
    from gridmap.io import read_layer, write_layer, write_table
    from gridmap.io.columns import understand

    if output is None and not dry_run:
        raise click.UsageError(tr("Missing option '-o' / '--output' (or --dry-run)."))
    for path in filter(None, (None if dry_run else output, log_file, page)):
        _shell.check_output(path, overwrite=overwrite)
    lang = shell.lang
    drawn = read_layer(cells, crs=crs)
    known = understand(drawn, "cell", choose={"code": code, "households": count}, convert=False)[1]
    code, count = known.columns.get("code", code), known.columns.get("households", count)
    outline: Any = boundary if boundary == "outline" else read_layer(boundary, crs=crs)
    excluded = None if exclude is None else read_layer(exclude, crs=crs)
    try:
        mended, log = repair(
            drawn,
            outline,
            policy=cast(Any, policy),
            priority=priority,
            nested=cast(Any, nested),
            exclude=excluded,
            code=code,
            count=count,
            lang=lang,
        )
    except CoverageError as error:
        shell.warn(str(error))
        shell.answer(describe(cast("gpd.GeoDataFrame", error.defects), lang))
        return 1
    if page is not None:
        _draw(drawn, mended, outline, excluded, code, lang, page, overwrite)
    if log_file is not None:
        write_table(log, log_file, overwrite=overwrite)
    if output is not None and not dry_run:
        write_layer(mended, output, overwrite=overwrite)
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
    from gridmap.io.atomic import replacing
    from gridmap.maps.defect_map import defect_map

    found = validate(cells, outline, exclude=excluded, code=code, lang=lang)
    edge = None if isinstance(outline, str) else outline
    drawn = defect_map(cells, found, edge, lang=lang, mended=mended)
    with replacing(page, overwrite=overwrite) as temporary:
        drawn.save(os.fspath(temporary))


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
