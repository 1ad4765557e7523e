"""gridmap validate: prove that cells tile their boundary, or show every defect."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.coverage.defect_names import KINDS
from gridmap.errors import InputError
from gridmap.language import Lang, Message, tr

if TYPE_CHECKING:
    import geopandas as gpd

FINDINGS, UNPROVABLE = 1, 2


@dataclass
class _Given:
    """The layers to validate, and the columns that say what is what."""

    cells: gpd.GeoDataFrame
    boundary: Any = None
    parents: Any = None
    parent_column: str | None = None
    code: str | None = None
    count: str | None = None
    low: Any = None
    high: Any = None
    exceptions: list[str] = field(default_factory=list)


@_shell.command(name="validate")
@click.argument("cells", metavar="CELLS")
@_options.boundary_option(required=False)
@click.option("--parents", metavar="FILE", help="Areas that no cell may cross.")
@click.option("--parent-column", metavar="COL", help="Column of the cells that names the parent.")
@_options.exclude_option
@click.option("--accept", "accepted", multiple=True, metavar="ID",
              help="Id of a gap that was looked at and accepted.")  # fmt: skip
@_options.code_option
@_options.count_option
@click.option("--min", "low", type=click.IntRange(min=1), help="Least households of a cell.")
@click.option("--max", "high", type=click.IntRange(min=1), help="Most households of a cell.")
@click.option("--tolerance", type=click.FloatRange(min=0), default=0.0,
              help="Width in metres up to which a defect is a sliver.")  # fmt: skip
@click.option("--fail-on", metavar="KIND,...", help="Exit with 1 for exactly these kinds.")
@click.option("--defects", "layer", type=_shell.Output(), metavar="OUT.gpkg|.geojson",
              help="Every defect with its kind, size and culprits.")  # fmt: skip
@click.option("--map", "page", type=_shell.PageOutput(), metavar="OUT.html",
              help="A map that opens offline, with a list to click.")  # fmt: skip
@click.option("--junit", "tests", type=_shell.FileOutput(), metavar="OUT.xml",
              help="Test report for CI.")  # fmt: skip
@click.option("--sarif", type=_shell.FileOutput(), metavar="OUT.sarif",
              help="Annotations for code review, at the features of a GeoJSON file.")  # fmt: skip
@click.option("--code-quality", "quality", type=_shell.FileOutput(), metavar="OUT.json",
              help="The same for GitLab.")  # fmt: skip
@click.option("--badge", type=_shell.FileOutput(), metavar="OUT.json",
              help="The verdict as a badge.")  # fmt: skip
@click.option("--dask", metavar="ADDRESS",
              help="Prove the districts of a dataset on a Dask cluster.")  # fmt: skip
@_shell.crs_option
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def validate_command(
    shell: _shell.Shell,
    cells: str,
    boundary: str | None,
    parents: str | None,
    parent_column: str | None,
    exclude: str | None,
    accepted: tuple[str, ...],
    code: str | None,
    count: str | None,
    low: int | None,
    high: int | None,
    tolerance: float,
    fail_on: str | None,
    layer: Path | None,
    page: Path | None,
    tests: Path | None,
    sarif: Path | None,
    quality: Path | None,
    badge: Path | None,
    dask: str | None,
    crs: str | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Prove that CELLS tile their boundary exactly, or show every defect.

    A grid file brings its own boundary, parents and household band. Exit codes: 0 proved, 1 there
    are findings, 2 nothing can be proved (no boundary, say).
    """
    from gridmap.coverage.report import describe, document
    from gridmap.coverage.validate import validate
    from gridmap.io import read_layer
    from gridmap.io.atomic import together
    from gridmap.io.columns import called
    from gridmap.io.gridfile import is_by_district

    kinds = _kinds(fail_on)
    if is_by_district(cells):
        _only_proof(boundary, parents, exclude, layer, page, tests, sarif, quality, badge)
        return _districts(shell, cells, dask, as_json)
    if dask is not None:
        raise click.UsageError(tr("--dask goes with a dataset by district, whose parts it shares."))
    reports = {"junit": tests, "sarif": sarif, "code-quality": quality, "badge": badge}
    given = _read(cells, boundary, parents, crs, code, count)
    columns = [str(column) for column in given.cells]
    given.code = called(code, columns) if code else given.code
    given.parent_column = called(parent_column, columns) if parent_column else given.parent_column
    given.count = called(count, columns) if count else given.count
    given.low = given.low if low is None else low
    given.high = given.high if high is None else high
    lang = shell.lang
    found = validate(
        given.cells,
        given.boundary,
        parents=given.parents,
        parent_column=given.parent_column,
        exclude=None if exclude is None else read_layer(exclude, crs=crs),
        tolerance=tolerance,
        households=_band(given),
        code=given.code,
        count=given.count,
        accepted=accepted,
        exceptions=given.exceptions,
        lang=lang,
    )
    for one in sorted({*accepted} - {*found["id"]}):
        shell.say(Message("`--accept {id}`: nothing found has this id.", id=one))
    with together():
        _write(found, given, lang, layer, page, overwrite)
        _report(found, given, cells, lang, reports, overwrite)
    if as_json:
        shell.emit_json(document(found))
    else:
        shell.answer(describe(found, lang))
    return _exit_code(found, kinds)


def _only_proof(*asked: object) -> None:
    """Refuse options that need all cells at once."""
    if any(one is not None for one in asked):
        raise click.UsageError(
            tr(
                "A dataset by district is proved part by part, against its own outlines; other "
                "options go with one part: gridmap validate GRID/DISTRICT."
            )
        )


def _districts(shell: _shell.Shell, path: str, dask: str | None, as_json: bool) -> int:
    """Prove a dataset by district, and say what was found."""
    from gridmap.io.verify import prove_districts

    with _options.spread(dask) as each:
        proved = prove_districts(os.path.abspath(path), shell.progress(), each)
    verdict = "failed" if proved.found else "exact"
    if as_json:
        shell.emit_json(
            {
                "schema": "gridmap.dataset/1",
                "verdict": verdict,
                "districts": proved.districts,
                "cells": proved.cells,
                "micro_cells": proved.micro,
                "split_cells": proved.split,
                "edges": proved.edges,
                "content_hash": proved.content_hash,
                "findings": {key: str(said) for key, said in proved.found.items()},
            }
        )
        return FINDINGS if proved.found else 0
    if not proved.found:
        shell.answer(str(districts_filled(proved.cells, proved.districts)))
        if proved.micro:
            shell.answer(str(micro_filled(proved.micro, proved.split)))
        return 0
    shell.answer(
        tr(
            "not proved: {wrong:,} of {n:,} {n:district|districts}",
            wrong=len(proved.found),
            n=proved.districts,
        )
    )
    for key, found in list(proved.found.items())[:MOST_TOLD]:
        shell.answer(f"  {key}: {found}")
    return FINDINGS


def districts_filled(cells: int, districts: int) -> Message:
    """Return what is proved of a dataset."""
    return Message(
        "no gaps, no overlaps: {cells:,} {cells:cell tiles|cells tile} {n:,} "
        "{n:district|districts} exactly, and these the whole",
        cells=cells,
        n=districts,
    )


def micro_filled(small: int, cells: int) -> Message:
    """Return what is proved of the micro-cells of a dataset."""
    return Message(
        "micro-cells: {n:,} in {cells:,} {cells:cell|cells}, no gaps, no overlaps, each in its own",
        n=small,
        cells=cells,
    )


MOST_TOLD = 20


def _kinds(fail_on: str | None) -> set[str] | None:
    """Return the kinds to fail on; None for the usual ones."""
    if fail_on is None:
        return None
    kinds = {kind.strip() for kind in fail_on.split(",") if kind.strip()}
    unknown = sorted(kinds - set(KINDS))
    if unknown:
        raise InputError(
            "`--fail-on` names {unknown!r}; kinds are {kinds}.", unknown=unknown[0], kinds=[*KINDS]
        )
    return kinds


def _band(given: _Given) -> tuple[Any, Any] | None:
    """Return the household band, by parent where it differs, if households were asked about."""
    if given.low is None and given.high is None and given.count is None:
        return None
    low = 300 if given.low is None else given.low
    return low, max(600, given.low or 0) if given.high is None else given.high


def _read(
    cells: str,
    boundary: str | None,
    parents: str | None,
    crs: str | None,
    code: str | None,
    count: str | None,
) -> _Given:
    """Read the layers; codes and counts are known by their headings where they are not named."""
    from gridmap.io import read_layer
    from gridmap.io.gridfile import is_dataset, is_grid_file, parts_in_database, read_parts
    from gridmap.io.inputs import read_cells
    from gridmap.io.postgis import names_grid
    from gridmap.io.source import find_source
    from gridmap.io.verify import container_faults, read_file_parts

    if is_dataset(Path(cells)):
        given = _given_of(read_parts(Path(cells), whole=True), cells, crs)
    elif (source := find_source(cells)).layer is None and is_grid_file(source):
        parts = read_file_parts(source)
        given = _given_of(parts, cells, crs)
        given.cells.attrs["file_faults"] += container_faults(source, parts)
    elif source.kind == "database" and names_grid(source):
        given = _given_of(parts_in_database(source), source.name, crs)
    else:
        if code is None:
            frame = read_cells(cells, crs=crs, count=count, need_crs=True)[0]
        else:
            frame = read_layer(cells, crs=crs)
        given = _Given(frame, code="code" if "code" in frame else None)
    if boundary is not None:
        given.boundary = boundary if boundary == "outline" else read_layer(boundary, crs=crs)
    if parents is not None:
        given.parents = read_layer(parents, crs=crs)
    return given


def _given_of(parts: dict[str, Any], name: str, crs: str | None) -> _Given:
    """Return the layers of a grid, which may be broken, held against its hashes and its units."""
    from gridmap.io.gridfile import METADATA, check_parts, facts_of
    from gridmap.io.vector import settled
    from gridmap.io.verify import file_faults, unrecorded

    held = {"file_faults": file_faults(parts, name), "unrecorded": unrecorded(parts)}
    check_parts(parts, ("cells", "jurisdictions"), name)
    for part in ("cells", "jurisdictions", *({"boundary"} & {*parts})):
        parts[part] = settled(parts[part], f"{name}:{part}", crs)
    parameters = facts_of(parts[METADATA], name)["parameters"]
    recorded = parts.get("exceptions", {})
    parts["cells"].attrs |= held
    # cells adopted without counts have households that are unknown, not none
    counted = "min" in parameters and bool(parts["cells"]["households"].any())
    low, high = _ends(parameters) if counted else (None, None)
    return _Given(
        parts["cells"],
        parts.get("boundary", parts["jurisdictions"]),
        parts["jurisdictions"],
        parent_column="parent",
        code="code",
        count="households" if counted else None,
        low=low,
        high=high,
        exceptions=[str(code) for code in recorded["code"]] if "code" in recorded else [],
    )


def _ends(parameters: dict[str, Any]) -> tuple[Any, Any]:
    """Return both ends of the band that a grid keeps, by jurisdiction where bands differ."""
    import pandas as pd

    from gridmap._checks import Bands

    bands = Bands.kept(parameters)
    if not bands.own:
        return bands.low, bands.high
    return bands.ends(pd.Series({key: key for key in bands.own}))


def _write(
    found: gpd.GeoDataFrame,
    given: _Given,
    lang: Lang,
    layer: Path | None,
    page: Path | None,
    overwrite: bool,
) -> None:
    from gridmap.coverage.report import exportable
    from gridmap.io import write_layer

    if page is not None:
        from gridmap.maps.defect_map import defect_map

        outline = None if isinstance(given.boundary, str) else given.boundary
        drawn = defect_map(given.cells, found, outline, lang=lang)
        drawn.save(page, overwrite=overwrite)
    if layer is not None:
        write_layer(exportable(found), layer, overwrite=overwrite)


def _report(
    found: gpd.GeoDataFrame,
    given: _Given,
    spec: str,
    lang: Lang,
    paths: dict[str, Path | None],
    overwrite: bool,
) -> None:
    """Write what pipelines read."""
    from gridmap.coverage.annotations import report
    from gridmap.io.source import find_source
    from gridmap.maps.offline import write_text

    codes = given.cells.index if given.code is None else given.cells[given.code]
    for form, path in paths.items():
        if path is not None:
            text = report(form, found, list(codes), find_source(spec).path, lang)
            write_text(text, path, overwrite=overwrite)


def _exit_code(found: gpd.GeoDataFrame, kinds: set[str] | None) -> int:
    if found.attrs["verdict"] == "unprovable":
        return UNPROVABLE
    if kinds is None:
        return FINDINGS if found.attrs["verdict"] == "failed" else 0
    excused = found["qualifier"].str.contains("accepted|recorded", regex=True)
    hit = found["kind"].isin(kinds) & ~excused
    return FINDINGS if hit.any() else 0
