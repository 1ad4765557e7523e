"""T-junctions: vertices that lie exactly on an unbroken side of a neighbour."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import shapely

from gridmap._arrays import Floats, Ints, Rows, segments
from gridmap.coverage.edges import Leftover, orientation, residual

Pairs = tuple[Rows, Rows]


@dataclass(frozen=True)
class Split:
    """Leftover edges after they were split where other leftovers touch them exactly.

    Attributes
    ----------
    pieces : ndarray of float, shape (n, 4)
        All leftover edges, split.
    piece_of : ndarray of int
        The leftover edge that each piece is part of.
    left : Leftover
        What is left when the pieces cancel; members are positions in `pieces`.
    vertices : ndarray of float, shape (m, 2)
        Vertices that split an edge.
    edge : ndarray of int
        The leftover edge that each of them splits.
    beside : tuple of two ndarrays of int
        Pairs of edges of `left` that come near each other.
    """

    pieces: Floats
    piece_of: Ints
    left: Leftover
    vertices: Floats
    edge: Ints
    beside: Pairs

    @cached_property
    def junctions(self) -> Ints:
        """Positions of splitting vertices beside which a piece of the edge found its match."""
        matched = np.ones(len(self.pieces), dtype=bool)
        matched[self.left.members] = False
        good = self.pieces[matched]
        whose = self.piece_of[matched].astype(np.float64)
        ends = np.concatenate([good[:, :2], good[:, 2:]])
        beside = np.column_stack([np.concatenate([whose, whose]), ends])
        wanted = np.column_stack([self.edge.astype(np.float64), self.vertices])
        return np.flatnonzero(np.isin(rows_of(wanted), rows_of(beside)))


def split(left: Leftover) -> Split:
    """Split leftover edges at leftover vertices that lie exactly on them, and cancel again.

    What vanishes was only a difference in vertices, not in area.
    """
    beside = _near_pairs(left.edges)
    vertices, edge = _vertices_on_edges(left.edges, *beside)
    if len(edge) == 0:
        own = np.arange(len(left) + 1)
        rest = replace(left, members=own[:-1], runs=own)
        return Split(left.edges, own[:-1], rest, vertices, edge, beside)
    pieces, piece_of = _cut(left.edges, vertices, edge)
    rest = residual(pieces, weight=left.count[piece_of])
    return Split(pieces, piece_of, rest, vertices, edge, _near_pairs(rest.edges))


def surely_open(left: Leftover, samples: int = 16) -> bool:
    """Tell, from a few leftover edges, that they cannot all be T-junctions.

    An edge that no other leftover edge runs along can never cancel, however it is split.
    """
    edges = left.edges
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    for k in np.linspace(0, len(edges) - 1, min(samples, len(edges))).astype(np.int64):
        near = ((low <= high[k]) & (high >= low[k])).all(axis=1)
        near[k] = False
        others = edges[near]
        ax, ay, bx, by = edges[k]
        a = orientation(ax, ay, bx, by, others[:, 0], others[:, 1])
        b = orientation(ax, ay, bx, by, others[:, 2], others[:, 3])
        if not ((a == 0) & (b == 0)).any():
            return True
    return False


def rows_of(table: Floats) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return the rows of a table as one value each, for comparing sets of them."""
    table = np.ascontiguousarray(table + 0.0)
    return table.view(np.dtype((np.void, table.itemsize * table.shape[1]))).ravel()


def as_points(xy: Floats) -> np.ndarray[tuple[int], np.dtype[np.complex128]]:
    """Return coordinates as one complex number each, for comparing sets of them."""
    return np.ascontiguousarray(xy, dtype=np.float64).view(np.complex128).ravel()


def _near_pairs(edges: Floats) -> Pairs:
    """Return each pair of edges once whose boxes come near each other."""
    near = 8 * np.spacing(np.abs(edges).max(initial=0.0))  # twice what tells a shape from a line
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    diagonals = segments(np.hstack([low - near, high + near]))
    one, two = shapely.STRtree(diagonals).query(diagonals)
    once = one < two
    return one[once], two[once]


def _vertices_on_edges(edges: Floats, one: Rows, two: Rows) -> tuple[Floats, Ints]:
    """Return vertices of the edges that lie inside one of the edges, and which.

    Edges that do not cancel form closed chains: each end is the start of another.
    """
    at, edge = np.concatenate([one, two]), np.concatenate([two, one])
    px, py = edges[at, 0], edges[at, 1]
    ax, ay, bx, by = edges[edge].T
    inside = ~(((px == ax) & (py == ay)) | ((px == bx) & (py == by)))
    inside &= (np.minimum(ax, bx) <= px) & (px <= np.maximum(ax, bx))
    inside &= (np.minimum(ay, by) <= py) & (py <= np.maximum(ay, by))
    at, edge = at[inside], edge[inside]
    ax, ay, bx, by = edges[edge].T
    on = orientation(ax, ay, bx, by, *edges[at, :2].T) == 0
    found = np.unique(np.column_stack([edges[at[on], :2], edge[on]]), axis=0)
    return found[:, :2], found[:, 2].astype(np.int64)


def _cut(edges: Floats, vertices: Floats, edge: Ints) -> tuple[Floats, Ints]:
    """Cut each edge at its vertices, in order along it."""
    count = len(edges)
    everything = np.concatenate([edges[:, :2], vertices, edges[:, 2:]])
    whose = np.concatenate([np.arange(count), edge, np.arange(count)])
    along = np.abs(everything - edges[whose, :2]).sum(axis=1)
    rank = np.repeat([0, 1, 2], [count, len(vertices), count])
    order = np.lexsort((along, rank, whose))
    chain, whose = everything[order], whose[order]
    inner = whose[1:] == whose[:-1]
    pieces = np.hstack([chain[:-1][inner], chain[1:][inner]])
    return pieces, whose[:-1][inner].astype(np.int64)
