"""A grid larger than memory: district by district, each proved against its outline.

Inputs go by reference: whoever works on a district reads its part of the files. A district is made
twice. First it is cut alone; then the corners that its neighbours put on the common border are put
into it too, so that the outlines match vertex by vertex and prove together what none proves alone.
Everything is written as soon as it is proved, and what is written is not done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Geometries, Ints, as_points, hand_back
from gridmap._checks import Each, Progress, here, silent
from gridmap._version import __version__
from gridmap.coverage.prove import dissolved
from gridmap.crs.project import reproject
from gridmap.errors import CoverageError, InputError, PartitionError
from gridmap.grid.grid import Grid
from gridmap.io import inputs
from gridmap.io.address import cluster, on_cluster
from gridmap.io.atomic import replacing
from gridmap.io.gridfile import (
    MICRO,
    WHOLE,
    check_folder,
    district_folder,
    read_grid,
    write_grid_dataset,
)
from gridmap.io.slices import Slices
from gridmap.language import Lang, Message
from gridmap.partitioning.parallel import BrokenWorkerError, in_processes, warm
from gridmap.partitioning.partition import band_in, micro_band_in, micro_cells, partition
from gridmap.partitioning.report import report
from gridmap.units.attach import attach
from gridmap.units.build_units import homes_in
from gridmap.units.households import working_crs
from gridmap.units.jurisdictions import hierarchy
from gridmap.units.subdivide import subdivide
from gridmap.units.tiling import tiles

ASIDE = 1e-4
"""Metres that a new corner may lie beside a side of a neighbour; noding moves it by a millionth."""
AROUND = 2_000.0
"""Metres beyond a district in which places of another datum are looked for."""
RUN, DRAFTS, PARTS = "run.json", "drafts", "parts"
Ends = tuple[int | str, int | str]
"""The least and the most households: numbers, or columns of the jurisdictions."""


@dataclass(frozen=True)
class Inputs:
    """The files of all districts, by name, and their columns; `by` names the district."""

    jurisdictions: str
    by: str
    households: str | None = None
    units: str | None = None
    barriers: tuple[str, ...] = ()
    dedicated: str | None = None
    whole: str | None = None
    levels: tuple[str, ...] = ()
    code: str | None = None
    count: str | None = None
    weight: str | None = None
    x: str | None = None
    y: str | None = None
    datum: str | None = None
    crs: str | None = None

    def files(self) -> list[str]:
        """Return all files."""
        named = (self.jurisdictions, self.households, self.units, self.dedicated, self.whole)
        return [name for name in (*named, *self.barriers) if name is not None]


@dataclass(frozen=True)
class District:
    """One district: its rows, its outline as given, and what lies beside it."""

    key: str
    rows: Ints
    unit_rows: Ints
    outline: Any
    beside: tuple[str, ...] = ()
    near: tuple[Any, ...] = ()


class Task(NamedTuple):
    """What holds for every district of a run."""

    given: Inputs
    crs: str
    folder: str
    options: dict[str, Any]
    lang: Lang
    micro: Ends | None = None


def partition_districts(
    given: Inputs,
    folder: str | os.PathLike[str],
    *,
    workers: int = 1,
    dask: str | None = None,
    overwrite: bool = False,
    micro: Ends | None = None,
    lang: Lang = "zh",
    progress: Progress | None = None,
    **options: Any,
) -> Counter[str]:
    """Cut jurisdictions into a dataset of proved cells, a district at a time.

    No process holds more than one district and its neighbours' outlines. Each district is proved
    against its outline, and the outlines against that of the whole: both together say that the
    cells tile the whole. A run that was ended goes on where it stopped, if inputs and options are
    the same to the last byte.

    Parameters
    ----------
    given : Inputs
        The files, and the column that names the districts.
    folder : path
        The dataset to make; it appears when the whole is proved.
    workers, dask
        Processes, or a scheduler whose workers know the same paths; the bytes are the same.
    micro
        The band of micro-cells: each cell is cut into some of its own, which make a dataset by
        district in the folder ``micro`` of the dataset. Where both ends are columns of the
        jurisdictions that say nothing, cells stay whole.
    **options
        As `partition` takes them; the band may be columns of the jurisdictions.

    Returns
    -------
    Counter
        Cells, districts, exceptions and so on; districts that were done before.

    Raises
    ------
    InputError
        When inputs cannot be used, or the outlines of the districts do not match as given.
    PartitionError
        When outlines do not match as made, or a process was killed; what is done stays.
    """
    progress = progress or silent
    folder = Path(folder)
    check_folder(folder, overwrite=overwrite)
    given = _absolute(given)
    work = folder.absolute().with_name(f".gridmap-{folder.name}")  # for workers elsewhere
    districts, crs, levels = survey(given, progress)
    given = replace(given, levels=levels)
    task = Task(given, crs, str(work), options, lang, micro)
    done_before = _begin(work, fingerprint(task))
    hand_back()  # before processes are forked, which begin with what this one has
    with pool(workers, dask, GOES_ON) as each:
        _run(each, cut, task, districts, DRAFTS, progress)
        _run(each, match, task, districts, PARTS, progress)
        if micro is not None:
            _run(each, split, task, districts, MICRO, progress)
    found = _composed(task, districts, PARTS)
    if micro is not None:
        found.update({f"micro_{k}": n for k, n in _composed(task, districts, MICRO).items()})
    found["done_before"] = done_before
    if given.households is not None:
        found["rows_read"] = Slices(given.households).count
    _install(work, folder)
    return found


def _absolute(given: Inputs) -> Inputs:
    """Return inputs as workers elsewhere find them, each of which can be read by district."""
    for name in given.files():
        Slices(name)
    names = ("jurisdictions", "households", "units", "dedicated", "whole")
    told = {name: getattr(given, name) for name in names}
    paths: dict[str, Any] = {name: os.path.abspath(path) for name, path in told.items() if path}
    return replace(given, **paths, barriers=tuple(map(os.path.abspath, given.barriers)))


def survey(
    given: Inputs, progress: Progress = silent
) -> tuple[list[District], str, tuple[str, ...]]:
    """Find the districts, whose outlines must match, the metric CRS, and the levels of all."""
    layer = Slices(given.jurisdictions)
    rows = layer.groups(given.by)
    mine = {} if given.units is None else Slices(given.units).groups(given.by)
    if mine and (strange := sorted({*mine} ^ {*rows})):
        raise InputError(
            "`units` and `jurisdictions` name different districts in {by!r}: {key!r} stands in "
            "one of them only. Mend the column.",
            by=given.by,
            key=strange[0],
        )
    outlines: dict[str, Any] = {}
    crs: Any = None
    levels = given.levels
    read = partial(inputs.read_jurisdictions, crs=given.crs, code=given.code, levels=levels)
    for number, (key, chosen) in enumerate(sorted(rows.items())):
        progress("survey", number, len(rows))
        areas, _ = layer.through(read, rows=chosen)
        if (code := _code_in(given, areas)) is not None:
            told = hierarchy(areas, list(given.levels) or None, code)[1]
            levels = max(levels, tuple(map(str, told.columns)), key=len)
        if crs is None:
            extent = [shapely.box(*(layer.bounds or areas.total_bounds))]
            whole = gpd.GeoDataFrame(geometry=extent, crs=areas.crs)
            crs = working_crs("jurisdictions", whole)[0]
        outlines[key] = dissolved(reproject(areas.geometry, crs).to_numpy())
    shapes = np.array(list(outlines.values()), dtype=object)
    if len(shapes) > 1 and not tiles(shapes):
        raise InputError(
            "The districts of `{name}` by {by!r} do not match vertex by vertex, or leave slivers. "
            "Mend the jurisdictions first: `gridmap repair --boundary outline`.",
            name=given.jurisdictions,
            by=given.by,
        )
    progress("survey", len(rows), len(rows))
    return _neighbours(outlines, rows, mine), crs.to_wkt(), levels


def _neighbours(
    outlines: dict[str, Any], rows: Mapping[str, Ints], mine: Mapping[str, Ints]
) -> list[District]:
    keys, shapes = list(outlines), np.array(list(outlines.values()), dtype=object)
    i, j = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    found = []
    for number, key in enumerate(keys):
        near = np.sort(j[(i == number) & (j != number)])
        found.append(
            District(
                key,
                rows[key],
                mine.get(key, np.empty(0, dtype=np.int64)),
                shapes[number],
                tuple(keys[k] for k in near),
                tuple(shapes[k] for k in near),
            )
        )
    return found


def fingerprint(task: Task) -> str:
    """Return a hash of all that decides the bytes of a run: inputs, options and version."""
    digest = hashlib.sha256()
    given = asdict(task.given)
    for name in task.given.files():
        place = Slices(name).source.path
        for path in [place] if place.is_file() else sorted(place.iterdir()):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    facts = [__version__, given, task.crs, task.options, task.lang, task.micro]
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _begin(work: Path, run: str) -> int:
    """Make the folder of a run, or go on with the one of the same inputs; count what is done."""
    try:
        same = json.loads((work / RUN).read_text(encoding="utf-8"))["run"] == run
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        shutil.rmtree(work, ignore_errors=True)
        for name in (DRAFTS, PARTS, MICRO):
            (work / name).mkdir(parents=True)
        with replacing(work / RUN) as part:
            part.write_text(json.dumps({"run": run}), encoding="utf-8")
    return len(list((work / DRAFTS).glob("*.json")))


GOES_ON = Message("The districts that are done stay: the same command goes on with the rest.")


@contextmanager
def pool(workers: int, dask: str | None, cure: Message) -> Iterator[Each]:
    """Yield what calls a function many times: here, in processes, or on a cluster."""
    if dask is not None:
        with cluster(dask, cure) as client:
            yield lambda function, calls: on_cluster(function, calls, client)
    elif workers > 1:
        warm()  # before the processes are forked
        try:
            yield lambda function, calls: in_processes(function, calls, workers)
        except BrokenWorkerError as error:
            raise PartitionError(
                "A worker process was killed, most likely for want of memory (fewer --workers "
                "need less). {cure}",
                cure=cure,
            ) from error
    else:
        yield here


def _run(
    each: Each,
    function: Callable[[Task, District], None],
    task: Task,
    districts: list[District],
    stage: str,
    progress: Progress,
) -> None:
    """Do one stage for all districts in which it is not done, the largest first."""
    missing = [one for one in districts if not _facts_path(task, stage, one.key).is_file()]
    missing.sort(key=lambda one: (-len(one.rows), one.key))
    done = len(districts) - len(missing)
    progress(stage, done, len(districts))
    for _ in each(function, [(task, one) for one in missing]):
        done += 1
        progress(stage, done, len(districts))


def _facts_path(task: Task, stage: str, key: str) -> Path:
    """Return the file that tells, by being there, that a district is done."""
    return Path(task.folder, stage, district_folder(task.given.by, key) + ".json")


def _part_path(task: Task, stage: str, key: str) -> Path:
    return _facts_path(task, stage, key).with_suffix("")


def _keep(task: Task, stage: str, key: str, grid: Grid, facts: Mapping[str, Any]) -> None:
    """Write one district whole, then what tells that it is there."""
    target = _part_path(task, stage, key)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".gridmap-") as name:
        fresh = Path(name, target.name)
        write_grid_dataset(grid, fresh, plain=stage != DRAFTS)
        shutil.rmtree(target, ignore_errors=True)  # of somebody who was killed before the facts
        os.replace(fresh, target)
    _note(task, stage, key, facts)


def _note(task: Task, stage: str, key: str, facts: Mapping[str, Any]) -> None:
    with replacing(_facts_path(task, stage, key), overwrite=True) as part:
        part.write_text(json.dumps(facts, sort_keys=True, ensure_ascii=False), encoding="utf-8")


def cut(task: Task, district: District) -> None:
    """Cut one district into cells, alone, and keep it as a draft."""
    try:
        areas, keys = _areas(task.given, district)
        low, high = task.options["households"]
        band = band_in(areas, keys, low, high, None)
        if task.micro is not None:
            micro_band_in(areas, keys, *task.micro)
        units, homes = _units(task.given, district, task.crs, areas)
        grid = partition(units, **task.options | {"households": band}, workers=1, lang=task.lang)
    except (InputError, CoverageError, PartitionError) as error:
        raise PartitionError(
            "District {key!r}: {error}", key=district.key, error=" ".join(str(error).split())
        ) from error
    facts = _counted(grid) | {"rows": 0 if homes is None else len(homes)}
    if homes is not None:
        grid = grid.with_buildings(homes)
    _keep(task, DRAFTS, district.key, grid, facts)


def _counted(grid: Grid) -> dict[str, int]:
    """Return what is told of a grid, to be added up over districts."""
    made = report(grid)
    told = made.as_dict()
    return {
        "cells": len(grid),
        "jurisdictions": len(grid.jurisdictions),
        "residential": told["residential"],
        "in_band": told["in_band"],
        "exceptions": len(grid.exceptions),
        "unexplained": len(made.unexplained),
        "households": int(grid.cells["households"].sum()),
    }


def _areas(given: Inputs, district: District) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Read the jurisdictions of one district, and the code of each."""
    read = partial(inputs.read_jurisdictions, crs=given.crs, code=given.code)
    areas, _ = Slices(given.jurisdictions).through(read, rows=district.rows)
    code = _code_in(given, areas)
    if given.levels and given.levels[-1] not in areas:
        areas = areas.assign(**{given.levels[-1]: areas[code]})
    return areas, hierarchy(areas, list(given.levels) or None, code)[0]


def _code_in(given: Inputs, areas: gpd.GeoDataFrame) -> str | None:
    return given.code or ("code" if "code" in areas else None)


def _units(
    given: Inputs, district: District, crs: str, areas: gpd.GeoDataFrame
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame | None]:
    """Read what lies in one district, and make units of it."""
    box = gpd.GeoSeries([district.outline], crs=crs)

    def within(spec: str, reader: Callable[..., Any]) -> gpd.GeoDataFrame | None:
        found = Slices(spec).through(partial(reader, crs=given.crs), box=box)
        return None if found is None else found[0]

    lines = [within(spec, inputs.read_barriers) for spec in given.barriers]
    special = {
        name: None if spec is None else within(spec, inputs.read_dedicated)
        for name, spec in (("whole", given.whole), ("dedicated", given.dedicated))
    }
    shared: dict[str, Any] = {
        "barriers": [line for line in lines if line is not None] or None,
        **special,
        "levels": list(given.levels) or None,
        "code": _code_in(given, areas),
        "count": "households",
        "weight": given.weight,
        "crs": crs,
        "within": district.outline,
    }
    if given.units is not None:
        read = partial(inputs.read_units, crs=given.crs, count=given.count)
        units, _ = Slices(given.units).through(read, rows=district.unit_rows)
        return attach(units, areas, **shared), None
    homes = _homes(given, district, box)
    return subdivide(areas, homes, **shared), homes


def _homes(given: Inputs, district: District, box: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """Return the households of one district: those on a common border belong to one side alone."""
    places = {name: getattr(given, name) for name in ("count", "x", "y", "datum")}
    reader = partial(inputs.read_households, crs=given.crs, **places)
    around = AROUND if given.datum is not None else 0.0
    found = Slices(given.households or "").through(reader, box=box, around=around)
    bare = InputError("no households lie in it. Join it with another district.")
    if found is None:
        raise bare
    homes: gpd.GeoDataFrame = found[0]
    names = [district.key, *district.beside]
    order = np.argsort(names)  # one order of all, whoever asks
    shapes = np.array([district.outline, *district.near], dtype=object)[order]
    points = reproject(homes.geometry, box.crs).representative_point()
    owner = homes_in(shapes, shapely.get_coordinates(points.to_numpy()))
    mine: gpd.GeoDataFrame = homes[owner == int(np.flatnonzero(order == 0)[0])]
    if not len(mine):
        raise bare
    return mine.reset_index(drop=True)


def match(task: Task, district: District) -> None:
    """Put the corners of the neighbours into the borders of one district, and prove it again."""
    draft = _part_path(task, DRAFTS, district.key)
    grid = read_grid(draft)
    steps: dict[complex, dict[complex, list[complex]]] = {}
    for key in district.beside:
        other = gpd.read_parquet(_part_path(task, DRAFTS, key) / "boundary.parquet")
        for (start, end), between in corners(grid.boundary, other.geometry.iloc[0]).items():
            steps.setdefault(start, {})[end] = between
    if steps:
        grid = _with_corners(grid, steps)
    facts = json.loads(_facts_path(task, DRAFTS, district.key).read_text(encoding="utf-8"))
    facts["content_hash"] = grid.content_hash
    _keep(task, PARTS, district.key, grid, facts)


def split(task: Task, district: District) -> None:
    """Cut the cells of one district into micro-cells, and keep these as a grid of their own."""
    assert task.micro is not None
    band = micro_band_in(*_areas(task.given, district), *task.micro)
    grid = read_grid(_part_path(task, PARTS, district.key))
    asked = {"lang": task.lang, "workers": 1, "progress": silent} | task.options
    small = micro_cells(grid, band, asked)
    if small is None:
        _note(task, MICRO, district.key, {"cells": 0})
        return
    facts = _counted(small) | {"content_hash": small.content_hash}
    _keep(task, MICRO, district.key, small, facts)


def _with_corners(grid: Grid, steps: dict[complex, dict[complex, list[complex]]]) -> Grid:
    """Return a grid with more corners on its border; it is proved again."""
    cells, areas, units = grid.cells, grid.jurisdictions, grid.units
    cells, areas, made = (
        frame.set_geometry(stitched(frame.geometry.to_numpy(), steps), crs=grid.crs)
        for frame in (cells, areas, units)
    )
    made.attrs = units.attrs
    return Grid(
        cells,
        stitched(np.array([grid.boundary], dtype=object), steps)[0],
        grid.levels,
        jurisdictions=areas,
        units=made,
        exceptions=grid.exceptions,
        retired=grid.retired,
        parameters=grid.parameters,
        buildings=grid.buildings,
    )


def corners(
    mine: shapely.Geometry, theirs: shapely.Geometry
) -> dict[tuple[complex, complex], list[complex]]:
    """Return the corners that a neighbour has on the common border and an outline has not.

    Between two corners that both have, each side may have put others of its own on the same line.
    Those of both are sorted along it, the same from either side.

    What to put between is given by the two ends of a side of `mine`, in both directions.

    Examples
    --------
    >>> left = shapely.Polygon([(0, 0), (5, 0), (5, 4), (5, 9), (0, 9)])
    >>> right = shapely.Polygon([(5, 0), (9, 0), (9, 9), (5, 9), (5, 6), (5, 3)])
    >>> corners(left, right)[5 + 0j, 5 + 4j]
    [(5+3j)]
    """
    rings, others = _rings(mine), _rings(theirs)
    common = np.intersect1d(np.concatenate(rings), np.concatenate(others))
    if len(common) < 2:
        return {}
    found: dict[tuple[complex, complex], list[complex]] = {}
    known = _runs(others, common)
    for ends, runs in _runs(rings, common).items():
        first, last = ends
        theirs_ = [p for run in known.get(ends, ()) if _straight(run, ends) for p in run]
        for run in runs:
            if not theirs_ or not _straight(run, ends):
                continue
            line = sorted({*run, *theirs_}, key=lambda p: _along(p, first, last))
            own = [first, *sorted(run, key=lambda p: _along(p, first, last)), last]
            place = {p: k for k, p in enumerate([first, *line, last])}
            for a, b in pairwise(own):
                between = line[place[a] : place[b] - 1]
                if between:
                    found[a, b], found[b, a] = between, between[::-1]
    return found


def _rings(shape: shapely.Geometry) -> list[Any]:
    rings = shapely.get_rings(shapely.get_parts(shape))
    return [as_points(shapely.get_coordinates(ring) + 0.0) for ring in rings]


def _runs(rings: list[Any], common: Any) -> dict[tuple[complex, complex], list[list[complex]]]:
    """Return what lies between common corners, from the lower end to the higher, by both ends."""
    found: dict[tuple[complex, complex], list[list[complex]]] = {}
    for ring in rings:
        at = np.flatnonzero(np.isin(ring[:-1], common))
        walk = ring[:-1]
        for k, start in enumerate(at):
            stop = at[(k + 1) % len(at)]
            run = walk[start + 1 : stop] if stop > start else np.r_[walk[start + 1 :], walk[:stop]]
            ends = complex(walk[start]), complex(walk[stop])
            if _order(ends[0]) > _order(ends[1]):
                ends, run = ends[::-1], run[::-1]
            if ends[0] != ends[1]:
                found.setdefault(ends, []).append([complex(p) for p in run])
    return found


def _order(p: complex) -> tuple[float, float]:
    return p.real, p.imag


def _along(p: complex, first: complex, last: complex) -> tuple[float, float, float]:
    """Return how far along a line a point lies; ties by its coordinates."""
    step = last - first
    return ((p - first) * step.conjugate()).real, p.real, p.imag


def _straight(run: list[complex], ends: tuple[complex, complex]) -> bool:
    """Tell whether all points lie on the line between two ends, but for the noding."""
    first, last = ends
    step = last - first
    size = abs(step)
    for p in run:
        turned = (p - first) * step.conjugate() / size
        if abs(turned.imag) > ASIDE or not -ASIDE <= turned.real <= size + ASIDE:
            return False
    return True


def stitched(
    shapes: Geometries, steps: Mapping[complex, Mapping[complex, list[complex]]]
) -> Geometries:
    """Return polygons with corners put between the ends of some of their sides.

    Examples
    --------
    >>> square = np.array([shapely.box(0, 0, 2, 2)], dtype=object)
    >>> shapely.get_coordinates(stitched(square, {2 + 0j: {2 + 2j: [2 + 1j]}})).tolist()
    [[2.0, 0.0], [2.0, 1.0], [2.0, 2.0], [0.0, 2.0], [0.0, 0.0], [2.0, 0.0]]
    """
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    hit = np.unique(owner[np.isin(as_points(xy + 0.0), np.array(list(steps)))])
    result = shapes.copy()
    for k in hit.tolist():
        polygons = []
        for polygon in shapely.get_parts(shapes[k]):
            shell, *holes = (
                _walked(as_points(shapely.get_coordinates(ring) + 0.0), steps)
                for ring in shapely.get_rings(polygon)
            )
            polygons.append(shapely.Polygon(shell, holes))
        multi = shapely.get_type_id(shapes[k]) == shapely.GeometryType.MULTIPOLYGON
        result[k] = shapely.MultiPolygon(polygons) if multi else polygons[0]
    return result


def _walked(ring: Any, steps: Mapping[complex, Mapping[complex, list[complex]]]) -> Any:
    """Return the coordinates of a ring, new corners included."""
    walk: list[complex] = []
    for a, b in zip(ring[:-1].tolist(), ring[1:].tolist(), strict=True):
        walk += [a, *steps.get(a, {}).get(b, ())]
    walk.append(walk[0])
    line = np.array(walk)
    return np.c_[line.real, line.imag]


def _composed(task: Task, districts: list[District], stage: str) -> Counter[str]:
    """Prove the outlines against that of the whole, and write them as the grid of the districts."""
    found: Counter[str] = Counter()
    rows, parts, outlines = [], {}, []
    for one in districts:
        facts = json.loads(_facts_path(task, stage, one.key).read_text(encoding="utf-8"))
        if not facts["cells"]:
            continue
        found.update({name: n for name, n in facts.items() if isinstance(n, int)}, districts=1)
        folder = _part_path(task, stage, one.key)
        outlines.append(gpd.read_parquet(folder / "boundary.parquet").geometry.iloc[0])
        rows.append({"code": one.key, "name": one.key, "households": facts["households"]})
        parts[one.key] = {
            "folder": folder.name,
            "content_hash": facts["content_hash"],
            "cells": facts["cells"],
        }
    if not parts:
        return found
    shapes = np.array(outlines, dtype=object)
    if stage == PARTS and len(shapes) > 1 and not tiles(shapes):
        raise PartitionError(
            "The outlines of the districts do not match as they were cut. Where `--units` are "
            "given, see that units of neighbouring districts match vertex by vertex, as "
            "`gridmap repair` makes them; else please report this with the input."
        )
    cells = gpd.GeoDataFrame(pd.DataFrame(rows), geometry=shapes, crs=task.crs)
    cells["parent"] = WHOLE
    told = {"by": task.given.by, "parts": parts}
    grid = Grid(cells, dissolved(shapes), parameters=told)
    write_grid_dataset(grid, Path(task.folder, stage, WHOLE), overwrite=True, plain=True)
    return found


def _install(work: Path, folder: Path) -> None:
    """Let the dataset appear under its name, and drop what it was made of."""
    for stage in (PARTS, MICRO):
        for note in (work / stage).glob("*.json"):
            note.unlink()
    if (work / MICRO / WHOLE).is_dir():
        os.replace(work / MICRO, work / PARTS / MICRO)
    if folder.exists():
        os.replace(folder, work / "old")
    os.replace(work / PARTS, folder)
    shutil.rmtree(work, ignore_errors=True)
