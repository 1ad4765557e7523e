"""The edges of a coverage, each once, with the polygon on its left and on its right."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gridmap.coverage.edges import directed_edges
from gridmap.errors import CoverageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93],
    dtype=np.uint64,
)


class Sides(NamedTuple):
    """Edges that run upwards (a horizontal one eastwards), with the cell on each side.

    Cell k is the polygon at k - 1; 0 is the outside.
    """

    ax: Floats
    ay: Floats
    bx: Floats
    by: Floats
    left: Ints
    right: Ints

    def take(self, order: npt.NDArray[Any]) -> Sides:
        """Return the edges at some positions."""
        return Sides(*(np.ascontiguousarray(column[order]) for column in self))


def paired_edges(polygons: npt.NDArray[Any]) -> Sides:
    """Return each edge of the polygons once, with what lies on its sides.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        A coverage: edge-matched and without overlap.

    Raises
    ------
    CoverageError
        When two polygons lie on one side of an edge.
    """
    ends, owner = directed_edges(polygons)
    if not len(ends):
        raise CoverageError("`polygons` have no edges: there is nothing to index.")
    ax, ay, bx, by = (np.ascontiguousarray(column) for column in ends.T)
    cell = (owner + 1).astype(np.int32)
    up = (by > ay) | ((by == ay) & (bx > ax))
    ax, bx = np.where(up, ax, bx), np.where(up, bx, ax)
    ay, by = np.where(up, ay, by), np.where(up, by, ay)
    order = _grouping(ax, ay, bx, by)
    ax, ay, bx, by = ax[order], ay[order], bx[order], by[order]
    cell, up = cell[order], up[order]
    same = (ax[1:] == ax[:-1]) & (ay[1:] == ay[:-1]) & (bx[1:] == bx[:-1]) & (by[1:] == by[:-1])
    if (same & (up[1:] == up[:-1])).any() or (same[1:] & same[:-1]).any():
        where = int(np.flatnonzero(same & (up[1:] == up[:-1]))[0])
        raise CoverageError(
            f"`polygons` at {cell[where] - 1} and {cell[where + 1] - 1} overlap: both lie on one "
            f"side of the edge at ({ax[where]:.12g}, {ay[where]:.12g}). Prove the coverage first."
        )
    first = np.flatnonzero(np.r_[True, ~same])
    left = np.add.reduceat(np.where(up, cell, 0), first).astype(np.int32)
    right = np.add.reduceat(np.where(up, 0, cell), first).astype(np.int32)
    return Sides(ax[first], ay[first], bx[first], by[first], left, right)


def _grouping(ax: Floats, ay: Floats, bx: Floats, by: Floats) -> npt.NDArray[np.intp]:
    """Return an order in which equal edges stand together."""
    key = np.zeros(len(ax), dtype=np.uint64)
    for column, multiplier in zip((ax, ay, bx, by), _MULTIPLIERS, strict=True):
        key ^= column.view(np.uint64) * multiplier
        key ^= key >> np.uint64(29)
        key *= _MULTIPLIERS[0]
    order = np.argsort(key)
    key = key[order]
    twins = np.flatnonzero(key[1:] == key[:-1])
    here, there = order[twins], order[twins + 1]
    if all((column[here] == column[there]).all() for column in (ax, ay, bx, by)):
        return order
    return np.lexsort((by, bx, ay, ax))  # two edges share a hash
