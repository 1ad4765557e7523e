"""Which cell a point belongs to, without an index: for a few points in many cells."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal

import numpy as np
import shapely

from gridmap._arrays import Array, Bools, Floats, Ints8, Ints32, Rows, geometries, segments
from gridmap.coverage.edges import compiles, directed_edges
from gridmap.coverage.point_index import (
    BOUNDARY,
    INSIDE,
    RIM,
    CoverageIndex,
    Labels,
    lowest_ranked,
    ranks_of,
    turn_of,
)

Relation = Literal["within", "contains", "intersects"]
_CHUNK = 1 << 13
_FEW = 64  # points for which it does not pay to build a tree
_EDGES_A_POINT = 15  # of a proof: as dear as to find the nearest edge of a point


class PolygonTree:
    """Find the cells of a few points as `CoverageIndex` does, from a tree of bounding boxes.

    Parameters
    ----------
    polygons, labels
        As of `CoverageIndex`.

    Examples
    --------
    >>> tree = PolygonTree(shapely.box([0, 5], 0, [5, 10], 5))
    >>> tree.relate(np.array([1.0, 5.0, 11.0]), np.array([1.0, 2.0, 2.0]))[0].tolist()
    [1, 2, 0]
    """

    def __init__(self, polygons: Array, labels: Labels | None = None) -> None:
        self._polygons = polygons
        self._ranks = ranks_of(labels, len(polygons))
        self._boxes = shapely.bounds(polygons)
        west, south, east, north = self._boxes.T
        self._bounds = np.array(
            [np.nanmin(west), np.nanmin(south), np.nanmax(east), np.nanmax(north)]
        )

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self._polygons)

    def relate(self, x: Floats, y: Floats) -> tuple[Ints32, Ints8]:
        """Return the cell of each point and its place, as `CoverageIndex.relate`."""
        cell = np.zeros(len(x), dtype=np.int32)
        place = np.zeros(len(x), dtype=np.int8)
        west, south, east, north = self._bounds
        known = np.flatnonzero((x >= west) & (x <= east) & (y >= south) & (y <= north))
        if _is_exact_in_geos(self._bounds):
            points = geometries(shapely.points(x[known], y[known]))
            point, within = self._meeting(points, "within", "contains")
            cell[known[point]] = within + 1
            place[known[point]] = INSIDE
            rest = np.flatnonzero(cell[known] == 0)
            # those that touch nothing are outside, and never held against thousands of edges
            touching, _ = self._meeting(points[rest], "intersects", "intersects")
            known = known[rest[np.unique(touching)]]
        for start in range(0, len(known), _CHUNK):
            self._relate_exactly(x, y, known[start : start + _CHUNK], cell, place)
        return cell, place

    def nearest(
        self, x: Floats, y: Floats, max_distance: float | None = None
    ) -> tuple[Ints32, Floats]:
        """Return the nearest cell of points outside and its distance, as `Border.nearest`."""
        cell = np.zeros(len(x), dtype=np.int32)
        distance = np.full(len(x), np.nan)
        points = geometries(shapely.points(x, y))
        (point, _), far = self._tree.query_nearest(
            points, max_distance=max_distance, return_distance=True, all_matches=False
        )
        if not len(point):
            return cell, distance
        reach = far * (1 + 1e-9) + 1e-300
        near, candidate = self._tree.query(points[point], predicate="dwithin", distance=reach)
        point = point[near]
        pair, edges = self._edges(candidate)
        to_edge = shapely.distance(segments(upwards(edges)[0]), points[point][pair])
        to_cell = np.full(len(point), np.inf)
        np.minimum.at(to_cell, pair, to_edge)
        np.fmin.at(distance, point, to_cell)
        tied = to_cell == distance[point]
        owner = (candidate + 1).astype(np.int32)
        who, lowest = lowest_ranked(point[tied], owner[tied], self._ranks)
        cell[who] = lowest
        return cell, distance

    def _meeting(self, points: Array, how: Relation, conversely: Relation) -> tuple[Rows, Rows]:
        """Return the points that lie so to a polygon, and which."""
        if 2 * len(points) < len(self._polygons):
            point, within = self._tree.query(points, predicate=how)
        else:  # then each polygon is prepared once for all its points
            within, point = shapely.STRtree(points).query(self._polygons, predicate=conversely)
        return point, within

    def _candidates(self, x: Floats, y: Floats) -> tuple[Rows, Rows]:
        """Return the points in the bounding box of a polygon, and which."""
        if len(x) > _FEW:
            point, candidate = self._tree.query(shapely.points(x, y))
            return point, candidate
        west, south, east, north = self._boxes.T
        x, y = x[:, None], y[:, None]
        point, candidate = np.nonzero((west <= x) & (x <= east) & (south <= y) & (y <= north))
        return point, candidate

    def _edges(self, candidate: Rows) -> tuple[Rows, Floats]:
        """Return all edges of the candidates, one after the other, and whose they are."""
        used, number = np.unique(candidate, return_inverse=True)
        edges, owner = directed_edges(self._polygons[used])
        starts = np.searchsorted(owner, np.arange(len(used) + 1))
        count = starts[number + 1] - starts[number]
        begins = np.cumsum(count) - count
        pair = np.repeat(np.arange(len(count)), count)
        return pair, edges[np.arange(len(pair)) + np.repeat(starts[number] - begins, count)]

    def _relate_exactly(
        self, x: Floats, y: Floats, known: Rows, cell: Ints32, place: Ints8
    ) -> None:
        """Fill in the cell and place of some points by exact crossings."""
        point, candidate = self._candidates(x[known], y[known])
        if not len(point):
            return
        point = known[point]
        pair, edges = self._edges(candidate)
        px, py = x[point][pair], y[point][pair]
        low, high = np.minimum(edges[:, 1], edges[:, 3]), np.maximum(edges[:, 1], edges[:, 3])
        level = np.flatnonzero((low <= py) & (py <= high))
        pair, px, py = pair[level], px[level], py[level]
        ends, up = upwards(edges[level])
        ax, ay, bx, by = ends.T
        turn = turn_of(ax, ay, bx, by, px, py, True)
        crossed = (turn <= 0) & (py < by)
        winding = np.zeros(len(point), dtype=np.int64)
        np.add.at(winding, pair[crossed], np.where(up[crossed], -1, 1))
        holds = np.flatnonzero(winding)
        cell[point[holds]] = candidate[holds] + 1
        place[point[holds]] = INSIDE
        on = (turn == 0) & (np.minimum(ax, bx) <= px) & (px <= np.maximum(ax, bx))
        if on.any():
            owner = (candidate[pair[on]] + 1).astype(np.int32)
            self._settle(point[pair[on]], ends[on], owner, cell, place)

    def _settle(self, point: Rows, ends: Floats, owner: Ints32, cell: Ints32, place: Ints8) -> None:
        """Mark points on edges: an edge that only one polygon has is of the outer border."""
        table = np.column_stack([point, ends])
        _, group, times = np.unique(table, axis=0, return_inverse=True, return_counts=True)
        kind = np.where(times[group.ravel()] == 1, RIM, BOUNDARY).astype(np.int8)
        np.maximum.at(place, point, kind)
        homeless = np.flatnonzero(cell[point] == 0)
        if len(homeless):
            who, lowest = lowest_ranked(point[homeless], owner[homeless], self._ranks)
            cell[who] = lowest


def upwards(edges: Floats) -> tuple[Floats, Bools]:
    """Return edges turned upwards (level ones eastwards), and which ran so already."""
    ax, ay, bx, by = edges.T
    up = (by > ay) | ((by == ay) & (bx > ax))
    return np.where(up[:, None], edges, edges[:, [2, 3, 0, 1]]), up


def _is_exact_in_geos(bounds: Floats) -> bool:
    """Tell whether GEOS cannot err on which side of an edge a point within bounds lies.

    It computes the determinant in double-double arithmetic: exactly, where differences of
    coordinates are doubles themselves.
    """
    for low, high in (bounds[[0, 2]], bounds[[1, 3]]):
        if low <= 0 <= high or high - low > 2**52 * np.spacing(min(abs(low), abs(high))):
            return False
    return True


class Border:
    """Find the cell nearest to points outside, and how far it is.

    Parameters
    ----------
    index : CoverageIndex
        Of the cells.
    move : callable, optional
        From the coordinates of the cells to those in which to measure.

    Examples
    --------
    >>> border = Border(CoverageIndex(shapely.box([0, 5], 0, [5, 10], 5)))
    >>> cell, distance = border.nearest(np.array([5.0, 12.0]), np.array([6.0, 1.0]))
    >>> cell.tolist(), distance.tolist()
    ([1, 2], [1.0, 2.0])
    """

    def __init__(self, index: CoverageIndex, move: Any = None) -> None:
        ends, cell = index.outer_edges()
        corners, corner_cell = index.outer_corners()
        sides, corners = ends.reshape(-1, 2), corners.reshape(-1, 2)
        if move is not None:
            sides, corners = (np.column_stack(move(*xy.T)) for xy in (sides, corners))
        ends = np.concatenate([sides.reshape(-1, 4), np.tile(corners, 2)])
        self._size = max(1, math.isqrt(len(ends)))  # about as many tiles as edges in a tile
        order = _in_tiles(ends, self._size)
        self._ends, self._cell = ends[order], np.concatenate([cell, corner_cell])[order]
        self._ranks = index.ranks
        self._move = move
        self._asked = 0

    def nearest(
        self, x: Floats, y: Floats, max_distance: float | None = None
    ) -> tuple[Ints32, Floats]:
        """Return the nearest cell of each point and its distance; 0 and NaN beyond reach.

        Of cells equally near the one of lowest rank is returned.

        Parameters
        ----------
        x, y : float arrays, shape (n,)
            Points outside, in the coordinates of the cells.
        max_distance : float, optional
            How far to look, in the units in which is measured.
        """
        if not len(x):
            return np.zeros(0, dtype=np.int32), np.zeros(0)
        if self._move is not None:
            x, y = self._move(x, y)
        x, y, which = _distinct(x, y)
        cell = np.zeros(len(x), dtype=np.int32)
        distance = np.full(len(x), np.nan)
        known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        self._asked += len(known)  # so that many small batches repay it too
        edge, far = (self._compiled if compiles(_EDGES_A_POINT * self._asked) else self._by_tree)(
            x[known], y[known], max_distance
        )
        near = edge >= 0
        cell[known[near]], distance[known] = self._cell[edge[near]], far
        return cell[which], distance[which]

    @cached_property
    def _tree(self) -> shapely.STRtree:
        level = (self._ends[:, :2] == self._ends[:, 2:]).all(axis=1)
        shapes = segments(self._ends)
        shapes[level] = shapely.points(self._ends[level, :2])
        return shapely.STRtree(shapes, node_capacity=2)  # the nearest is found in half the time

    def _by_tree(self, x: Floats, y: Floats, reach: float | None) -> tuple[Rows, Floats]:
        """Return the nearest edge of each point, -1 and NaN beyond reach."""
        (point, edge), apart = self._tree.query_nearest(
            shapely.points(x, y), max_distance=reach, return_distance=True, all_matches=True
        )
        order = np.lexsort((self._ranks[self._cell[edge]], point))[::-1]
        found, far = np.full(len(x), -1, dtype=np.intp), np.full(len(x), np.nan)
        found[point[order]], far[point] = edge[order], apart  # the lowest is written last
        return found, far

    def _compiled(self, x: Floats, y: Floats, reach: float | None) -> tuple[Rows, Floats]:
        """Return the same, quicker for many points."""
        from gridmap.coverage.kernels import nearest_segments

        starts = np.arange(0, len(self._ends), self._size)
        low = np.minimum(self._ends[:, :2], self._ends[:, 2:])
        high = np.maximum(self._ends[:, :2], self._ends[:, 2:])
        boxes = np.c_[np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)]
        ranks = self._ranks[self._cell].astype(np.int32)
        reach = np.inf if reach is None else reach
        return nearest_segments(x, y, self._ends, boxes, self._size, ranks, reach)


def _in_tiles(ends: Floats, size: int) -> Rows:
    """Return an order of edges in which each so many are compact: in strips by x, then by y."""
    x, y = (ends[:, :2] + ends[:, 2:]).T
    strip = size * max(1, math.isqrt(-(-len(ends) // size)))
    return np.lexsort((y, np.argsort(np.argsort(x, kind="stable")) // strip))


def _distinct(x: Floats, y: Floats) -> tuple[Floats, Floats, Rows]:
    """Return each position once, and where each of the given ones went."""
    order = np.lexsort((y, x))
    a, b = x[order], y[order]
    new = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1])]
    which = np.empty(len(x), dtype=np.intp)
    which[order] = np.cumsum(new) - 1
    return a[new], b[new], which
