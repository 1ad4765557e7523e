"""The outer border of a coverage, to find the nearest cell of points outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from gridmap.coverage.point_index import CoverageIndex, lowest_ranked

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


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
        segments, corners = ends.reshape(-1, 2), corners.reshape(-1, 2)
        if move is not None:
            segments, corners = (np.column_stack(move(*xy.T)) for xy in (segments, corners))
        shapes = np.concatenate(
            [shapely.linestrings(segments.reshape(-1, 2, 2)), shapely.points(corners)]
        )
        self._tree = shapely.STRtree(shapes)
        self._cell = np.concatenate([cell, corner_cell])
        self._ranks = index.ranks
        self._move = move

    def nearest(
        self, x: Floats, y: Floats, max_distance: float | None = None
    ) -> tuple[Ints, Floats]:
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
        (point, shape), far = self._tree.query_nearest(
            shapely.points(x[known], y[known]),
            max_distance=max_distance,
            return_distance=True,
            all_matches=True,
        )
        who, lowest = lowest_ranked(point, self._cell[shape], self._ranks)
        cell[known[who]] = lowest
        distance[known[point]] = far
        return cell[which], distance[which]


def _distinct(x: Floats, y: Floats) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Return each position once, and where each of the given ones went."""
    order = np.lexsort((y, x))
    a, b = x[order], y[order]
    new = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1])]
    which = np.empty(len(x), dtype=np.intp)
    which[order] = np.cumsum(new) - 1
    return a[new], b[new], which
