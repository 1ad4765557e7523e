"""Which cell a point belongs to, without an index: for a few points in many cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from gridmap.coverage.chain import directed_edges
from gridmap.coverage.index import BOUNDARY, INSIDE, RIM, lowest_ranked, turn_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

_CHUNK = 1 << 13


def relate_directly(
    polygons: npt.NDArray[Any], tree: shapely.STRtree, ranks: Ints, x: Floats, y: Floats
) -> tuple[Ints, npt.NDArray[np.int8]]:
    """Return what `CoverageIndex.relate` returns, from a tree of bounding boxes.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        A proved coverage.
    tree : STRtree
        Of the polygons.
    ranks : int32 array
        As of `CoverageIndex`.
    x, y : float arrays, shape (n,)
        Coordinates in the CRS of the polygons.

    Returns
    -------
    cell : int32 array, shape (n,)
    place : int8 array, shape (n,)
    """
    cell = np.zeros(len(x), dtype=np.int32)
    place = np.zeros(len(x), dtype=np.int8)
    west, south, east, north = bounds = shapely.total_bounds(polygons)
    known = np.flatnonzero((x >= west) & (x <= east) & (y >= south) & (y <= north))
    if _is_exact_in_geos(bounds):
        point, within = tree.query(shapely.points(x[known], y[known]), predicate="within")
        cell[known[point]] = within + 1
        place[known[point]] = INSIDE
        known = known[cell[known] == 0]
    point, candidate = tree.query(shapely.points(x[known], y[known]))
    if not len(point):
        return cell, place
    order = np.argsort(point, kind="stable")
    point, candidate = known[point[order]], candidate[order]
    used, number = np.unique(candidate, return_inverse=True)
    edges, owner = directed_edges(polygons[used])
    starts = np.searchsorted(owner, np.arange(len(used) + 1))
    cuts = np.searchsorted(point, known[_CHUNK::_CHUNK])
    for part in np.split(np.arange(len(point)), cuts):
        if len(part):
            _relate(x, y, point[part], used, number[part], edges, starts, ranks, cell, place)
    return cell, place


def _is_exact_in_geos(bounds: npt.NDArray[np.float64]) -> bool:
    """Tell whether GEOS cannot err on which side of an edge a point within bounds lies.

    It computes the determinant in double-double arithmetic: exactly, where differences of
    coordinates are doubles themselves.
    """
    for low, high in (bounds[[0, 2]], bounds[[1, 3]]):
        if low <= 0 <= high or high - low > 2**52 * np.spacing(min(abs(low), abs(high))):
            return False
    return True


def _relate(
    x: Floats,
    y: Floats,
    point: npt.NDArray[np.intp],
    used: npt.NDArray[np.intp],
    number: npt.NDArray[np.intp],
    edges: Floats,
    starts: npt.NDArray[np.intp],
    ranks: Ints,
    cell: Ints,
    place: npt.NDArray[np.int8],
) -> None:
    """Fill in the cell and place of the points of some candidate pairs."""
    count = starts[number + 1] - starts[number]
    ends = np.cumsum(count)
    begins = ends - count
    edge = np.arange(ends[-1]) + np.repeat(starts[number] - begins, count)
    pair = np.repeat(np.arange(len(count)), count)
    px, py = x[point][pair], y[point][pair]
    near = np.flatnonzero(_level(edges[edge], py))
    edge, pair, px, py = edge[near], pair[near], px[near], py[near]
    ends_, up = upwards(edges[edge])
    ax, ay, bx, by = ends_.T
    turn = turn_of(ax, ay, bx, by, px, py, True)
    crossed = (turn <= 0) & (py < by)
    winding = np.zeros(len(count), dtype=np.int64)
    np.add.at(winding, pair[crossed], np.where(up[crossed], -1, 1))
    holds = np.flatnonzero(winding)
    cell[point[holds]] = used[number[holds]] + 1
    place[point[holds]] = INSIDE
    on = (turn == 0) & (np.minimum(ax, bx) <= px) & (px <= np.maximum(ax, bx))
    if on.any():
        _settle(point[pair[on]], ends_[on], used[number[pair[on]]] + 1, ranks, cell, place)


def _level(edges: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    level: npt.NDArray[np.bool_] = (np.minimum(edges[:, 1], edges[:, 3]) <= y) & (
        y <= np.maximum(edges[:, 1], edges[:, 3])
    )
    return level


def upwards(edges: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return edges turned upwards (level ones eastwards), and which ran so already."""
    ax, ay, bx, by = edges.T
    up = (by > ay) | ((by == ay) & (bx > ax))
    return np.where(up[:, None], edges, edges[:, [2, 3, 0, 1]]), up


def _settle(
    point: npt.NDArray[np.intp],
    ends: Floats,
    owner: npt.NDArray[np.intp],
    ranks: Ints,
    cell: Ints,
    place: npt.NDArray[np.int8],
) -> None:
    """Mark points on edges: an edge that only one polygon has is of the outer border."""
    table = np.column_stack([point, ends])
    _, group, times = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    kind = np.where(times[group.ravel()] == 1, RIM, BOUNDARY).astype(np.int8)
    np.maximum.at(place, point, kind)
    homeless = np.flatnonzero(cell[point] == 0)
    if len(homeless):
        who, lowest = lowest_ranked(point[homeless], owner[homeless].astype(np.int32), ranks)
        cell[who] = lowest
