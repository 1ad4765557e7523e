"""How two sets of polygons lie over each other, as arrays of pairs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Positions of polygons that overlap, with the square metres they share."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    area: NDArray[np.float64]


def twins(left: Any, right: Any) -> NDArray[np.int64]:
    """Return for each left polygon the position of the equal right one, -1 when there is none."""
    place = {key: j for j, key in enumerate(_keys(right))}
    return np.array([place.get(key, -1) for key in _keys(left)], dtype=np.int64)


def overlaps(left: Any, right: Any) -> Pairs:
    """Measure the overlap of each left with each right polygon.

    Equal polygons of two coverages overlap nothing else, so only the others are intersected.
    """
    left, right = np.asarray(left, dtype=object), np.asarray(right, dtype=object)
    twin = twins(left, right)
    same = np.flatnonzero(twin >= 0)
    rest_left = np.flatnonzero(twin < 0)
    rest_right = np.setdiff1d(np.arange(len(right)), twin[same])
    i, j = shapely.STRtree(right[rest_right]).query(left[rest_left], predicate="intersects")
    i, j = rest_left[i], rest_right[j]
    area = shapely.area(shapely.intersection(left[i], right[j]))
    thick = area > 1e-6
    i = np.r_[same, i[thick]].astype(np.int64)
    j = np.r_[twin[same], j[thick]].astype(np.int64)
    order = np.lexsort((j, i))
    return Pairs(i[order], j[order], np.r_[shapely.area(left[same]), area[thick]][order])


def holders(polygons: Any, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each point the position of the polygon that holds it, -1 outside.

    Of several polygons the first is taken, so that no point is counted twice.
    """
    found = np.full(len(x), -1, dtype=np.int64)
    point, polygon = shapely.STRtree(polygons).query(shapely.points(x, y), predicate="intersects")
    order = np.lexsort((polygon, point))[::-1]
    found[point[order]] = polygon[order]
    return found


def _keys(polygons: Any) -> list[bytes]:
    keys: list[bytes] = shapely.to_wkb(shapely.normalize(polygons)).tolist()
    return keys
