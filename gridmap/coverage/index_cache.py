"""Coverage indexes kept on disk, so that a large grid is indexed once."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from gridmap._checks import is_private
from gridmap.coverage.point_index import CoverageIndex, Labels

_FORMAT = 1  # of the file; another number makes older files unknown
_WORTHWHILE = 100_000  # coordinates, below which building is as quick as reading
_KEPT = 8  # files


def cached_index(polygons: npt.NDArray[Any], labels: Labels) -> CoverageIndex:
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


def is_cached(polygons: npt.NDArray[Any], labels: Labels) -> bool:
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


def _path(polygons: npt.NDArray[Any], labels: Labels) -> Path | None:
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
