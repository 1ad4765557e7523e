"""Polygons as chains of directed edges, and what is left when chains cancel.

The boundary of a polygon, walked with the inside on the left, is a sum of directed edges, and two
edges of opposite direction cancel. The edges of cells that tile an area cancel to the outline of
the area; edges that are left show where they do not. Coordinates are only ever compared with `==`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.fingerprint import edge_keys, vertex_hashes

Geometries = NDArray[np.object_]
Edges = NDArray[np.float64]
Index = NDArray[np.int64]

# From this many edges on, compiled code repays its import.
COMPILED_FROM = 100_000


@dataclass(frozen=True)
class Rings:
    """Rings of polygons: coordinates, first vertices, owners, and which way to walk each.

    Attributes
    ----------
    xy : ndarray of float, shape (vertices, 2)
        Closed rings, one after the other, without negative zeros.
    starts : ndarray of int, shape (rings + 1,)
        First vertex of each ring.
    owner : ndarray of int
        Position of the polygon that each ring belongs to, not decreasing.
    turn : ndarray of int8
        1 where the ring as given has the inside on its left, -1 where it must be walked back.
    """

    xy: Edges
    starts: Index
    owner: Index
    turn: NDArray[np.int8]

    @property
    def edges(self) -> int:
        """Number of vertex-to-vertex steps, zero-length ones included."""
        return len(self.xy) - len(self.owner)


@dataclass(frozen=True)
class Leftover:
    """Edges that do not cancel, and which edges of the input they come from.

    Attributes
    ----------
    edges : ndarray of float, shape (n, 4)
        Directed: from x, y to x, y.
    count : ndarray of int
        How many times each is left, at least once.
    members : ndarray of int
        Positions in the input, run after run.
    runs : ndarray of int, shape (n + 1,)
        First member of each edge.
    """

    edges: Edges
    count: Index
    members: Index
    runs: Index

    def __len__(self) -> int:
        return len(self.edges)

    @property
    def source(self) -> Index:
        """Position of the leftover edge for each member."""
        return np.repeat(np.arange(len(self)), np.diff(self.runs))


def rings_of(geometries: Geometries) -> Rings:
    """Return the rings of polygons and multipolygons; empty and missing ones have none.

    Polygons without holes take the short way, which is ten times faster.
    """
    geometries = np.asarray(geometries, dtype=object)
    plain = np.flatnonzero(
        (shapely.get_type_id(geometries) == shapely.GeometryType.POLYGON)
        & (shapely.get_num_interior_rings(geometries) == 0)
        & ~shapely.is_empty(geometries)
    )
    if len(plain) == len(geometries):
        xy, sizes, owner = _exteriors(geometries)
        shell = np.ones(len(owner), dtype=bool)
    else:
        xy, sizes, owner, shell = _all_rings(geometries)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    xy += 0.0  # turns -0.0 into 0.0
    return Rings(xy, starts, owner, _turns(xy, starts, shell))


def directed_edges(geometries: Geometries) -> tuple[Edges, Index]:
    """Return the edges of polygons, each with the inside on its left, and their owners.

    Shells run counter-clockwise and holes clockwise whatever the input; zero-length edges are
    dropped and -0.0 is 0.0.

    Parameters
    ----------
    geometries : array of Polygon or MultiPolygon
        Valid rings. Empty and missing geometries have no edges.

    Returns
    -------
    edges : ndarray of float, shape (n, 4)
        From x, y to x, y.
    owner : ndarray of int
        Position of the polygon of each edge.

    Examples
    --------
    >>> edges, owner = directed_edges([shapely.box(0, 0, 2, 1)])
    >>> len(edges), owner.tolist()
    (4, [0, 0, 0, 0])
    """
    edges, owner, _ = edges_of(rings_of(np.asarray(geometries, dtype=object)))
    return edges, owner


def edges_of(rings: Rings) -> tuple[Edges, Index, Index]:
    """Return directed edges, their owners, and the vertex each starts from as stored."""
    first = np.ones(len(rings.xy), dtype=bool)
    first[rings.starts[1:] - 1] = False
    at = np.flatnonzero(first)
    steps = np.diff(rings.starts) - 1
    back = np.repeat(rings.turn < 0, steps)
    a, b = rings.xy[at], rings.xy[at + 1]
    edges = np.empty((len(at), 4))
    edges[:, :2] = np.where(back[:, None], b, a)
    edges[:, 2:] = np.where(back[:, None], a, b)
    owner = np.repeat(rings.owner, steps)
    real = (a != b).any(axis=1)
    if real.all():
        return edges, owner, at
    return edges[real], owner[real], at[real]


def reverse(edges: Edges) -> Edges:
    """Return the edges walked the other way."""
    return edges[:, [2, 3, 0, 1]]


def residual(edges: Edges, group: Index | None = None, weight: Index | None = None) -> Leftover:
    """Cancel edges of opposite direction and return what is left.

    Parameters
    ----------
    edges : ndarray of float, shape (n, 4)
        Directed edges.
    group : ndarray of int, optional
        Edges cancel only inside their group.
    weight : ndarray of int, optional
        How many times each edge counts; once by default.

    Examples
    --------
    >>> edges, _ = directed_edges(shapely.box([0, 1], 0, [1, 2], 1))
    >>> len(residual(edges))  # the shared side is gone
    6
    """
    edges = np.asarray(edges, dtype=np.float64).reshape(-1, 4)
    if len(edges) >= COMPILED_FROM and group is None and weight is None:
        from gridmap.coverage import kernels

        return _leftover(edges, *kernels.uncancelled(np.ascontiguousarray(edges)))
    order, heads = _runs(edges, group)
    forward = np.where(_ascending(edges), 1, -1)
    signed = (forward if weight is None else forward * weight)[order]
    net = np.add.reduceat(signed, heads) if len(heads) else np.empty(0, dtype=np.int64)
    open_ = np.flatnonzero(net)
    ends = np.append(heads[1:], len(order))
    sizes = (ends - heads)[open_]
    runs = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    places = np.repeat(heads[open_] - runs[:-1], sizes) + np.arange(runs[-1])
    return _leftover(edges, order[places], runs, net[open_])


def _leftover(edges: Edges, members: Index, runs: Index, net: Index) -> Leftover:
    """Return net edges in the direction that is left over."""
    found = edges[members[runs[:-1]]]
    wrong_way = _ascending(found) != (net > 0)
    found = np.where(wrong_way[:, None], reverse(found), found)
    return Leftover(found, np.abs(net), members, runs)


def _ascending(edges: Edges) -> NDArray[np.bool_]:
    """Tell which edges go from the lesser to the greater end, by x and then y."""
    less = edges[:, 0] < edges[:, 2]
    tie = edges[:, 0] == edges[:, 2]
    return np.asarray(less | (tie & (edges[:, 1] < edges[:, 3])))


def _runs(edges: Edges, group: Index | None) -> tuple[Index, Index]:
    """Order edges so that equal ones stand together; return the order and where runs begin."""
    n = len(edges)
    if n == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    ends = np.where(_ascending(edges)[:, None], edges, reverse(edges))
    keys = edge_keys(vertex_hashes(edges[:, :2]), vertex_hashes(edges[:, 2:]))
    if group is not None:
        keys = keys ^ vertex_hashes(np.column_stack([group, group]).astype(np.float64))
    order = np.argsort(keys)
    same_key = keys[order][1:] == keys[order][:-1]
    equal = (ends[order][1:] == ends[order][:-1]).all(axis=1)
    if group is not None:
        equal &= group[order][1:] == group[order][:-1]
    if (same_key & ~equal).any():  # two edges share a key: sort by the coordinates themselves
        columns = tuple(ends.T[::-1]) if group is None else (*ends.T[::-1], group)
        order = np.lexsort(columns)
        equal = (ends[order][1:] == ends[order][:-1]).all(axis=1)
        if group is not None:
            equal &= group[order][1:] == group[order][:-1]
    heads = np.flatnonzero(np.concatenate([[True], ~equal]))
    return order.astype(np.int64), heads.astype(np.int64)


def _exteriors(polygons: Geometries) -> tuple[Edges, Index, Index]:
    sizes = shapely.get_num_coordinates(polygons).astype(np.int64)
    return shapely.get_coordinates(polygons), sizes, np.arange(len(polygons), dtype=np.int64)


def _all_rings(geometries: Geometries) -> tuple[Edges, Index, Index, NDArray[np.bool_]]:
    """Return rings of polygons with holes or several parts, and which rings are shells."""
    parts, part_of = shapely.get_parts(geometries, return_index=True)
    areal = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)
    parts, part_of = parts[areal], part_of[areal]
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    filled = ~shapely.is_empty(rings)
    shell = np.ones(len(rings), dtype=bool)
    shell[1:] = ring_of[1:] != ring_of[:-1]
    rings, ring_of, shell = rings[filled], ring_of[filled], shell[filled]
    sizes = shapely.get_num_coordinates(rings).astype(np.int64)
    return shapely.get_coordinates(rings), sizes, part_of[ring_of].astype(np.int64), shell


def _turns(xy: Edges, starts: Index, shell: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return 1 for rings to walk as they are and -1 for rings to walk back."""
    if len(shell) == 0:
        return np.empty(0, dtype=np.int8)
    if len(xy) >= COMPILED_FROM:
        from gridmap.coverage import kernels

        twice, size = kernels.signed_areas(xy, starts)
    else:
        twice, size = _signed_areas(xy, starts)
    counter_clockwise = twice > 0
    for r in np.flatnonzero(~(np.abs(twice) > 1e-12 * size)):
        if starts[r + 1] - starts[r] >= 4 and np.isfinite(xy[starts[r] : starts[r + 1]]).all():
            ring = shapely.linearrings(xy[starts[r] : starts[r + 1]])
            counter_clockwise[r] = shapely.is_ccw(ring)
    return np.where(counter_clockwise == shell, 1, -1).astype(np.int8)


def _signed_areas(xy: Edges, starts: Index) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return twice the signed area of each ring, and the sum of the sizes of its terms."""
    local = xy - np.repeat(xy[starts[:-1]], np.diff(starts), axis=0)
    cross = np.zeros(len(xy))
    cross[:-1] = local[:-1, 0] * local[1:, 1] - local[1:, 0] * local[:-1, 1]
    cross[starts[1:] - 1] = 0.0
    return np.add.reduceat(cross, starts[:-1]), np.add.reduceat(np.abs(cross), starts[:-1])
