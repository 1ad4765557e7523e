"""What assignment needs of a grid, as arrays: where points lie, and what is nearest."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Array, Floats, Ints8, Ints32, Rows
from gridmap._checks import is_private
from gridmap.coverage.point_index import OUTSIDE, CoverageIndex, Labels
from gridmap.coverage.point_tree import Border, PolygonTree
from gridmap.coverage.prove import metres_per_unit
from gridmap.crs.project import metric_crs, mover

INVALID = 4  # after the places OUTSIDE, INSIDE, BOUNDARY and RIM of the coverage index
_SO_FEW = 20_000  # points for which not even a file is worth reading
_FEW_OUTSIDE = 500  # points for which the border need not be built
_EDGES_PER_POINT = 4  # building the index costs as much as so many edges per point
_FORMAT = 1  # of the file; another number makes older files unknown
_WORTHWHILE = 100_000  # coordinates, below which building is as quick as reading
_KEPT = 8  # files


class Placement(NamedTuple):
    """Where points lie: cell k is the one at k - 1, 0 is none.

    ``place`` is OUTSIDE, INSIDE, BOUNDARY, RIM or INVALID; ``nearest`` and ``distance`` (metres)
    are given for points outside that have a cell within reach.
    """

    cell: Ints32
    place: Ints8
    outside: Rows
    nearest: Ints32
    distance: Floats


class Locator:
    """Place points in the cells of one coverage: picklable, and knowing no frames.

    A few points in many cells are placed through a tree of bounding boxes, many through the
    coverage index; the answers are the same.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        The proved cells.
    codes : sequence of str
        Their codes.
    crs : CRS
        Their CRS.
    """

    def __init__(self, polygons: Array, codes: Array, crs: Any) -> None:
        self._polygons = polygons
        self.codes = codes
        self.crs = crs

    @cached_property
    def index(self) -> CoverageIndex:
        """The coverage index, built or read from disk when it is first asked for."""
        return cached_index(self._polygons, self.codes)

    @cached_property
    def names(self) -> pd.CategoricalDtype:
        """The codes as a type of columns."""
        return pd.CategoricalDtype(pd.Index(self.codes))

    @cached_property
    def _tree(self) -> PolygonTree:
        return PolygonTree(self._polygons, self.codes)

    @cached_property
    def _coordinates(self) -> int:
        return int(shapely.get_num_coordinates(self._polygons).sum())

    @cached_property
    def _border(self) -> Border:
        return Border(self.index, self._measure)

    @cached_property
    def _measure(self) -> Any:
        """How to come to coordinates in which to measure; None where they are measurable."""
        if self.crs is None or self.crs.is_projected:
            return None
        to_degrees = mover(self.crs, 4326)
        bounds = shapely.total_bounds(self._polygons)
        west, south = to_degrees(bounds[[0]], bounds[[1]])
        east, north = to_degrees(bounds[[2]], bounds[[3]])
        target = metric_crs((west[0], south[0], east[0], north[0]))
        return mover(self.crs, target)

    @cached_property
    def _metres(self) -> float:
        """Metres in one unit of the coordinates in which is measured."""
        return metres_per_unit(self.crs) if self._measure is None else 1.0

    def prepare(self, points: int) -> None:
        """Build the index at once where so many points will come, in however small batches."""
        if not self._few(points):
            _ = self.index

    def rest(self) -> None:
        """Let go of what takes memory; it is made again, or read, when points come."""
        for name in ("index", "_tree", "_border"):
            self.__dict__.pop(name, None)

    def relate(self, x: Floats, y: Floats) -> tuple[Ints32, Ints8]:
        """Return the cell of each point, and its place."""
        if self._few(len(x)):
            return self._tree.relate(x, y)
        return self.index.relate(x, y)

    def place(self, x: Floats, y: Floats, max_distance: float | None = None) -> Placement:
        """Place points, in the CRS of the cells; what is not finite is invalid."""
        cell, place = self.relate(x, y)
        lost = np.flatnonzero(place == OUTSIDE)
        finite = np.isfinite(x[lost]) & np.isfinite(y[lost])
        place[lost[~finite]] = INVALID
        outside = lost[finite]
        if not len(outside) or max_distance == 0:
            none = np.zeros(len(outside), dtype=np.int32)
            return Placement(cell, place, outside, none, np.full(len(outside), np.nan))
        reach = None if max_distance is None else max_distance / self._metres
        nearest, distance = self._nearest(x[outside], y[outside], reach)
        return Placement(cell, place, outside, nearest, distance * self._metres)

    def _nearest(self, x: Floats, y: Floats, reach: float | None) -> tuple[Ints32, Floats]:
        """Return the nearest cells of points outside, and their distances."""
        if self._few(len(x)) and len(x) <= _FEW_OUTSIDE and self._measure is None:
            return self._tree.nearest(x, y, reach)
        return self._border.nearest(x, y, reach)

    def _few(self, points: int) -> bool:
        """Tell whether so few points do not repay an index."""
        if "index" in self.__dict__ or points * _EDGES_PER_POINT > self._coordinates:
            return False
        return points < _SO_FEW or not is_cached(self._polygons, self.codes)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the index in its compact form, and nothing that can be made again."""
        crs = None if self.crs is None else self.crs.to_json()
        return {"codes": self.codes, "crs": crs, "index": self.index}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back without polygons: the index is all that is needed."""
        import pyproj

        crs = state["crs"]
        self.codes = state["codes"]
        self.crs = None if crs is None else pyproj.CRS.from_json(crs)
        self.index = state["index"]


def cached_index(polygons: Array, labels: Labels) -> CoverageIndex:
    """Return the index of a coverage, from disk where it was built before.

    The environment variable ``GRIDMAP_CACHE`` names the folder, ``off`` keeps nothing; without
    it the user's cache folder is used. A folder that cannot be written is passed over.

    Parameters
    ----------
    polygons, labels
        As of `CoverageIndex`.
    """
    path = _path(polygons, labels)
    if path is None:
        return CoverageIndex(polygons, labels)
    found = _read(path)
    if found is None:
        found = CoverageIndex(polygons, labels)
        _keep(path, found)
    return found


def is_cached(polygons: Array, labels: Labels) -> bool:
    """Tell whether the index of a coverage lies on disk."""
    path = _path(polygons, labels)
    return path is not None and path.is_file()


def cache_folder() -> Path | None:
    """Return the folder of indexes, None when nothing is to be kept."""
    told = os.environ.get("GRIDMAP_CACHE", "")
    if told.lower() in {"off", "0", "none", "no"}:
        return None
    if told:
        return Path(told)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / "gridmap" if base else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "gridmap"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "gridmap"


def _path(polygons: Array, labels: Labels) -> Path | None:
    folder = cache_folder()
    counts = shapely.get_num_coordinates(polygons)
    if folder is None or counts.sum() < _WORTHWHILE:
        return None
    digest = hashlib.blake2b(digest_size=20)
    for array in (counts, shapely.get_coordinates(polygons)):
        digest.update(np.ascontiguousarray(array).data)
    digest.update(repr([str(label) for label in labels]).encode())
    return folder / f"index-{_FORMAT}-{digest.hexdigest()}.npz"


def _read(path: Path) -> CoverageIndex | None:
    """Return the index of a file of the user's own; None when there is none that can be read."""
    if not is_private(path.parent) or (path.exists() and not is_private(path)):
        return None
    try:
        with path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            return CoverageIndex.from_arrays(dict(file))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(path: Path, index: CoverageIndex) -> None:
    """Write an index beside the others and drop the oldest; a full disk is no failure."""
    if not is_private(path.parent):
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".index-")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **index.to_arrays())
        os.replace(name, path)
        kept = sorted(path.parent.glob("index-*.npz"), key=lambda file: file.stat().st_mtime)
        for old in kept[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        Path(name).unlink(missing_ok=True)
