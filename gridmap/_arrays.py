"""The arrays that the rooms hand each other: their types, and what hangs together in them."""

from __future__ import annotations

import ctypes
import functools
import gc
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import shapely

if TYPE_CHECKING:
    import datetime

    import geopandas as gpd
    import pandas as pd
    import pyproj
    from scipy import sparse

    Frame = gpd.GeoDataFrame | gpd.GeoSeries
    Polygons = Frame | Sequence[shapely.Geometry] | npt.NDArray[np.object_]
    Outline = Frame | shapely.Geometry
    Reference = pyproj.CRS | str | int
    Day = str | datetime.date
    SparseArray = sparse.csr_array | sparse.csc_array | sparse.coo_array

P = ParamSpec("P")
T = TypeVar("T")

Array = npt.NDArray[Any]
"""Of any kind, as a column that is only passed on."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Ints16 = npt.NDArray[np.int16]
Ints8 = npt.NDArray[np.int8]
Rows = npt.NDArray[np.intp]
Words = npt.NDArray[np.uint64]
Dice = Words
"""The state of the random numbers of a compiled kernel."""
Bools = npt.NDArray[np.bool_]
Complexes = npt.NDArray[np.complex128]
Objects = npt.NDArray[np.object_]
Geometries = npt.NDArray[np.object_]
Neighbours = Sequence[Iterable[int]] | Mapping[int, Iterable[int]]


def components(count: int, one: Array, other: Array) -> Ints:
    """Number the connected component of each of `count` things, linked in pairs.

    Examples
    --------
    >>> components(4, np.array([0]), np.array([2])).tolist()
    [0, 1, 0, 2]
    """
    from scipy.sparse import coo_array  # a quarter of the time that `validate` takes to start
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def connected_parts(members: Iterable[int], neighbours: Neighbours) -> list[list[int]]:
    """Return the connected parts of some things, by their first member.

    Examples
    --------
    >>> connected_parts([0, 1, 2], [[2], [], [0]])
    [[0, 2], [1]]
    """
    left = dict.fromkeys(members)
    parts = []
    while left:
        stack, part = [next(iter(left))], []
        del left[stack[0]]
        while stack:
            part.append(stack.pop())
            for other in {*neighbours[part[-1]]} & left.keys():
                del left[other]
                stack.append(other)
        parts.append(sorted(part))
    return parts


def summed(group: Ints, values: Array, n: int = 0) -> Floats:
    """Return the sum of the values of each group 0 … n - 1."""
    return np.bincount(group, values, n).astype(np.float64)


def in_order(label: Array) -> Ints:
    """Number labels afresh in the order in which they first appear.

    Examples
    --------
    >>> in_order(np.array([7, 3, 7, 0]))
    array([0, 1, 0, 2])
    """
    _, first, back = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[back]


def as_points(xy: Floats) -> Complexes:
    """Return coordinates as one complex number each, for comparing sets of them."""
    return np.ascontiguousarray(xy, dtype=np.float64).view(np.complex128).ravel()


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Return how far two places lie apart."""
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def geometries(made: object) -> Geometries:
    """Return as an array what shapely made of arrays, or a column of geometries.

    Examples
    --------
    >>> geometries(shapely.points([[0, 0], [1, 1]])).shape
    (2,)
    """
    return np.asarray(made, dtype=object)


def valid_polygons(shapes: Geometries) -> tuple[Geometries, Ints]:
    """Return polygons with valid rings, and the positions of those that had to be mended."""
    wrong = np.flatnonzero(~shapely.is_valid(shapes))
    result = shapes.copy()
    result[wrong] = shapely.make_valid(shapes[wrong], method="structure", keep_collapsed=False)
    return result, wrong


def uncollected(work: Callable[P, T]) -> Callable[P, T]:
    """Let a function make many geometries without Python looking for circles among them.

    The collector would walk over all that are alive each time that some hundreds more are made,
    which takes longer than making them; they hold no references to each other.
    """

    @functools.wraps(work)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return work(*args, **kwargs)
        finally:
            if enabled:
                gc.enable()

    return called


def hand_back() -> None:
    """Hand free memory back to the system: glibc keeps what lies between memory in use."""
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def segments(edges: Floats) -> Geometries:
    """Return as lines what is given as rows of x, y of one end and x, y of the other."""
    return geometries(shapely.linestrings(edges.reshape(-1, 2, 2)))


def without(shapes: Geometries, gone: Bools) -> Geometries:
    """Return geometries with an empty polygon in place of some."""
    kept = shapes.copy()
    kept[gone] = shapely.Polygon()
    return kept


def positions(index: pd.Index, labels: pd.Series | pd.Index | Array | list[str]) -> Ints:
    """Return where labels stand in an index, -1 where they do not.

    Examples
    --------
    >>> import pandas as pd
    >>> positions(pd.Index(["a", "b"]), ["b", "c"]).tolist()
    [1, -1]
    """
    import pandas as pd

    return index.get_indexer(pd.Index(labels)).astype(np.int64)


def attributes(frame: gpd.GeoDataFrame) -> list[str]:
    """Return the names of the columns of a layer, that of its geometries left out."""
    return [name for name in frame.columns if name != frame.geometry.name]


def row_of(frame: pd.DataFrame, label: str) -> pd.Series:
    """Return the one row that a label names.

    Examples
    --------
    >>> import pandas as pd
    >>> row_of(pd.DataFrame({"n": [1, 2]}, index=["a", "b"]), "b").tolist()
    [2]
    """
    import pandas as pd

    row = frame.loc[label]
    if not isinstance(row, pd.Series):
        raise KeyError(label)
    return row
