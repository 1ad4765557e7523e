"""Polygons as chains of directed edges, and what is left when chains cancel.

The boundary of a polygon, walked with the inside on the left, is a sum of directed edges, and two
edges of opposite direction cancel. The edges of cells that tile an area cancel to the outline of
the area; edges that are left show where they do not. Coordinates are only ever compared with `==`.

Hashes of vertices, edges and whole coverages that do not depend on their order.

The fingerprint of a coverage is the SHA-256 of the sorted 128-bit sums that its polygons give, each
the sum over its directed edges. It does not change when cells are reordered or rings start
elsewhere, and it does when a coordinate changes by one bit. It guards against accident; against
forgery the proof itself is there to be checked again.

Orientation of a point to an edge, exact for any doubles.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import shapely

from gridmap._arrays import (
    Array,
    Bools,
    Floats,
    Geometries,
    Ints,
    Ints8,
    Ints32,
    Rows,
    Words,
    geometries,
)
from gridmap.errors import CoverageError

# splitmix64 (Steele, Lea & Flood 2014)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_X, _Y = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_LANE = np.uint64(0x165667B19E3779F9)


def bits(values: Floats) -> Words:
    """Return the bits of doubles as whole numbers."""
    return np.ascontiguousarray(values).view(np.uint64)


def mix(words: Words) -> Words:
    """Scatter the bits of each word."""
    z = (words ^ (words >> np.uint64(30))) * _M1
    z = (z ^ (z >> np.uint64(27))) * _M2
    return z ^ (z >> np.uint64(31))


def vertex_hashes(xy: Floats) -> Words:
    """Return one word a vertex, from the bits of its coordinates."""
    x, y = bits(xy[:, 0]), bits(xy[:, 1])
    return mix(mix(x + _X) + y * _Y)


def edge_keys(start: Words, end: Words) -> Words:
    """Return one word an edge that does not depend on its direction."""
    return start + end


def ring_sums(edges: Floats, owner: Ints, polygons: int) -> Words:
    """Return two words a polygon: sums over its directed edges."""
    return _sums(vertex_hashes(edges[:, :2]), vertex_hashes(edges[:, 2:]), owner, polygons)


def sums_of(rings: Rings, polygons: int) -> Words:
    """Return the same from rings, each vertex hashed once."""
    words, (start, end, owner) = vertex_hashes(rings.xy), _steps(rings)
    return _sums(words[start], words[end], owner, polygons)


def _sums(start: Words, end: Words, owner: Ints, polygons: int) -> Words:
    word = mix(start * _X + end)
    sums = np.zeros((polygons, 2), dtype=np.uint64)
    if len(word):
        heads = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
        sums[owner[heads], 0] = np.add.reduceat(word, heads)
        sums[owner[heads], 1] = np.add.reduceat(mix(word ^ _LANE), heads)
    return sums


def fingerprint(sums: Words) -> str:
    """Return one name for a set of polygons, whatever their order."""
    order = np.lexsort((sums[:, 1], sums[:, 0]))
    return hashlib.sha256(sums[order].astype(">u8").tobytes()).hexdigest()


# From this many edges on compiled code repays its import; once it is there, from a tenth of them.
COMPILED_FROM = 1_000_000
AT_ONCE = 1 << 17  # edges that are compared together: an even number


def compiles(edges: int) -> bool:
    """Tell whether so many edges are for the compiled kernels."""
    ready = "gridmap.coverage.kernels" in sys.modules
    return edges >= (COMPILED_FROM // 10 if ready else COMPILED_FROM)


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

    xy: Floats
    starts: Ints
    owner: Ints
    turn: Ints8

    @property
    def edges(self) -> int:
        """Number of vertex-to-vertex steps, zero-length ones included."""
        return len(self.xy) - len(self.owner)

    def of(self, rows: Ints) -> Rings:
        """Return some of the rings."""
        sizes = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        at = np.repeat(self.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1])
        return Rings(self.xy[at], starts, self.owner[rows], self.turn[rows])


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

    edges: Floats
    count: Ints
    members: Ints
    runs: Ints

    def __len__(self) -> int:
        return len(self.edges)

    @property
    def source(self) -> Ints:
        """Position of the leftover edge for each member."""
        return np.repeat(np.arange(len(self)), np.diff(self.runs))


def rings_of(geometries: Geometries) -> Rings:
    """Return the rings of polygons and multipolygons; empty and missing ones have none.

    Polygons without holes take the short way, which is ten times faster.
    """
    geometries = np.asarray(geometries, dtype=object)
    plain = (
        (shapely.get_type_id(geometries) == shapely.GeometryType.POLYGON)
        & (shapely.get_num_interior_rings(geometries) == 0)
        & ~shapely.is_empty(geometries)
    )
    rest = np.flatnonzero(~plain)
    rings, ring_of, shell = _all_rings(geometries[rest])
    owner = np.concatenate([np.flatnonzero(plain), rest[ring_of]]).astype(np.int64)
    order = np.argsort(owner, kind="stable")
    rings = np.concatenate([geometries[plain], rings])[order]
    shell = np.concatenate([np.ones(len(order) - len(shell), dtype=bool), shell])[order]
    starts = np.concatenate([[0], np.cumsum(shapely.get_num_coordinates(rings))]).astype(np.int64)
    xy = shapely.get_coordinates(rings)
    xy += 0.0  # turns -0.0 into 0.0
    return Rings(xy, starts, owner[order], _turns(xy, starts, shell))


def directed_edges(geometries: Geometries) -> tuple[Floats, Ints]:
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


def _steps(rings: Rings) -> tuple[Ints, Ints, Ints]:
    """Return the vertices that each directed edge leads from and to, and its owner."""
    first = np.ones(len(rings.xy), dtype=bool)
    first[rings.starts[1:] - 1] = False
    at = np.flatnonzero(first)
    steps = np.diff(rings.starts) - 1
    x, y = rings.xy.T
    real = (x[at] != x[at + 1]) | (y[at] != y[at + 1])
    back = np.repeat(rings.turn < 0, steps)
    start, owner = at + back, np.repeat(rings.owner, steps)
    end = at + ~back
    return (start, end, owner) if real.all() else (start[real], end[real], owner[real])


def edges_of(rings: Rings) -> tuple[Floats, Ints, Ints]:
    """Return directed edges, their owners, and the vertex each starts from as stored."""
    start, end, owner = _steps(rings)
    return np.hstack([rings.xy[start], rings.xy[end]]), owner, np.minimum(start, end)


def reverse(edges: Floats) -> Floats:
    """Return the edges walked the other way."""
    return edges[:, [2, 3, 0, 1]]


def residual(edges: Floats, group: Ints | None = None, weight: Ints | None = None) -> Leftover:
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
    if compiles(len(edges)) and group is None and weight is None:
        from gridmap.coverage import kernels

        return _leftover(edges, *kernels.uncancelled(np.ascontiguousarray(edges)))
    order, heads = equal_edges(edges, group)
    forward = np.where(ascending(edges), 1, -1)
    signed = (forward if weight is None else forward * weight)[order]
    net = np.add.reduceat(signed, heads) if len(heads) else np.empty(0, dtype=np.int64)
    open_ = np.flatnonzero(net)
    ends = np.append(heads[1:], len(order))
    sizes = (ends - heads)[open_]
    runs = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    places = np.repeat(heads[open_] - runs[:-1], sizes) + np.arange(runs[-1])
    return _leftover(edges, order[places], runs, net[open_])


def pairs_off(rings: Rings) -> bool:
    """Tell whether the edges of rings are pairs of opposite ones, each with one owner.

    Then all of them cancel. Where they do not pair off nothing is told: four may cancel, too.
    """
    start, end, owner = _steps(rings)
    if len(start) % 2:
        return False
    words = vertex_hashes(rings.xy)
    salt = mix(np.arange(owner.max(initial=0) + 1, dtype=np.uint64))
    order = np.argsort(edge_keys(words[start], words[end]) ^ salt[owner])
    place = rings.xy.view(np.complex128).ravel()  # equal where both coordinates are

    def opposite(one: Ints, other: Ints) -> bool:
        there, back = place[start[one]], place[end[one]]
        pairs = (there == place[end[other]]) & (back == place[start[other]])
        return bool((pairs & (owner[one] == owner[other])).all())

    few = (order[k : k + AT_ONCE] for k in range(0, len(order), AT_ONCE))
    return all(opposite(some[::2], some[1::2]) for some in few)


def _leftover(edges: Floats, members: Ints, runs: Ints, net: Ints) -> Leftover:
    """Return net edges in the direction that is left over."""
    found = edges[members[runs[:-1]]]
    wrong_way = ascending(found) != (net > 0)
    found = np.where(wrong_way[:, None], reverse(found), found)
    return Leftover(found, np.abs(net), members, runs)


def paths(edges: Floats, label: Ints | None = None) -> tuple[Geometries, Ints]:
    """Return edges as lines, those that follow each other where no other edge ends as one.

    Long lines are noded and made polygons of faster than their single sides.

    Parameters
    ----------
    label : ndarray of int, optional
        Edges follow each other only where they have the same one.

    Returns
    -------
    lines : array of LineString
    first : ndarray of int
        Position of the first edge of each line.

    Examples
    --------
    >>> edges, _ = directed_edges([shapely.box(0, 0, 2, 1)])
    >>> list(map(str, paths(np.vstack([edges, [[0, 0, 5, 5]]]))[0]))
    ['LINESTRING (2 0, 2 1, 0 1, 0 0)', 'LINESTRING (0 0, 2 0)', 'LINESTRING (0 0, 5 5)']
    """
    ends = np.ascontiguousarray(edges + 0.0).view(np.complex128).reshape(-1, 2)
    _, node, uses = np.unique(ends, return_inverse=True, return_counts=True)
    start, end = node.reshape(-1, 2).T
    head = np.ones(len(edges), dtype=bool)
    head[1:] = (start[1:] != end[:-1]) | (uses[start[1:]] != 2)
    if label is not None:
        head[1:] |= label[1:] != label[:-1]
    line = np.cumsum(head) - 1
    everything = np.append(line[head], line)
    order = np.argsort(everything, kind="stable")
    xy = np.concatenate([edges[head, :2], edges[:, 2:]])[order]
    lines = geometries(shapely.linestrings(xy, indices=everything[order]))
    return lines, np.flatnonzero(head)


def ascending(edges: Floats) -> Bools:
    """Tell which edges go from the lesser to the greater end, by x and then y."""
    less = edges[:, 0] < edges[:, 2]
    tie = edges[:, 0] == edges[:, 2]
    return np.asarray(less | (tie & (edges[:, 1] < edges[:, 3])))


def equal_edges(edges: Floats, group: Ints | None = None) -> tuple[Ints, Ints]:
    """Order edges so that equal ones of a group stand together, whatever their direction.

    Returns
    -------
    order, heads : ndarray of int
        The order, and where in it each run of equal edges begins.
    """
    n = len(edges)
    if n == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    ends = np.where(ascending(edges)[:, None], edges, reverse(edges))
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


def _all_rings(geometries: Geometries) -> tuple[Geometries, Ints, Bools]:
    """Return rings of polygons with holes or several parts, their owners, and which are shells."""
    parts, part_of = shapely.get_parts(geometries, return_index=True)
    areal = (shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & ~shapely.is_empty(parts)
    parts, part_of = parts[areal], part_of[areal]
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    shell = np.ones(len(rings), dtype=bool)
    shell[1:] = ring_of[1:] != ring_of[:-1]
    filled = ~shapely.is_empty(rings)
    return rings[filled], part_of[ring_of[filled]], shell[filled]


def _turns(xy: Floats, starts: Ints, shell: Bools) -> Ints8:
    """Return 1 for rings to walk as they are and -1 for rings to walk back."""
    if len(shell) == 0:
        return np.empty(0, dtype=np.int8)
    if compiles(len(xy)):
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


def _signed_areas(xy: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """Return twice the signed area of each ring, and the sum of the sizes of its terms."""
    local = xy - np.repeat(xy[starts[:-1]], np.diff(starts), axis=0)
    cross = np.zeros(len(xy))
    with np.errstate(over="ignore", invalid="ignore"):
        cross[:-1] = local[:-1, 0] * local[1:, 1] - local[1:, 0] * local[:-1, 1]
    cross[starts[1:] - 1] = 0.0
    return np.add.reduceat(cross, starts[:-1]), np.add.reduceat(np.abs(cross), starts[:-1])


RASTER = 1024
"""Pixels along each side of the raster by which far edges are left out."""


def boxes_near(edges: Floats, boxes: Floats) -> Ints:
    """Return the edges whose box shares a pixel with one of some boxes.

    Examples
    --------
    >>> boxes = np.array([[0.0, 0, 2, 2], [98, 98, 100, 100]])
    >>> boxes_near(np.array([[0.0, 0, 1, 1], [50, 50, 51, 51]]), boxes)
    array([0])
    """
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    origin = boxes[:, :2].min(axis=0)
    size = np.maximum((boxes[:, 2:].max(axis=0) - origin) / RASTER, np.finfo(float).tiny)

    def pixels(xy: Floats) -> Ints:
        return np.asarray(np.clip(np.floor((xy - origin) / size), 0, RASTER), dtype=np.int64)

    # a box adds one to all pixels from its lower left corner on; the other corners take it back
    taken = np.zeros((RASTER + 2, RASTER + 2), dtype=np.int64)
    west, south, east, north = np.hstack([pixels(boxes[:, :2]), pixels(boxes[:, 2:]) + 1]).T
    for x, y, sign in ((west, south, 1), (east, south, -1), (west, north, -1), (east, north, 1)):
        np.add.at(taken, (x, y), sign)
    before = np.zeros((RASTER + 3, RASTER + 3), dtype=np.int64)
    before[1:, 1:] = taken.cumsum(axis=0).cumsum(axis=1).cumsum(axis=0).cumsum(axis=1)
    west, south, east, north = np.hstack([pixels(low), pixels(high) + 1]).T
    count: Ints = (
        before[east, north] - before[west, north] - before[east, south] + before[west, south]
    )
    return np.flatnonzero(count > 0).astype(np.int64)


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
    left: Ints32
    right: Ints32

    def take(self, order: Array) -> Sides:
        """Return the edges at some positions."""
        return Sides._make(np.ascontiguousarray(column[order]) for column in self)


def paired_edges(polygons: Array) -> Sides:
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
            "`polygons` at {cell} and {cell_2} overlap: both lie on one side of the edge "
            "at ({ax:.12g}, {ay:.12g}). Prove the coverage first.",
            cell=cell[where] - 1,
            cell_2=cell[where + 1] - 1,
            ax=ax[where],
            ay=ay[where],
        )
    first = np.flatnonzero(np.r_[True, ~same])
    left = np.add.reduceat(np.where(up, cell, 0), first).astype(np.int32)
    right = np.add.reduceat(np.where(up, 0, cell), first).astype(np.int32)
    return Sides(ax[first], ay[first], bx[first], by[first], left, right)


def _grouping(ax: Floats, ay: Floats, bx: Floats, by: Floats) -> Rows:
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


# Shewchuk (1997), Adaptive precision floating-point arithmetic: the bound of the plain determinant.
_PLAIN_BOUND = (3.0 + 16.0 * 2.0**-53) * 2.0**-53
_SPLITTER = 2.0**27 + 1.0
_TINY, _HUGE = 1e-280, 1e280


def orientation(ax: Any, ay: Any, bx: Any, by: Any, px: Any, py: Any) -> Ints8:
    """Return on which side of the line a → b each point p lies, without any rounding.

    A floating-point determinant decides the clear cases, an exact product of doubles the close
    ones, and fractions what is left.

    Parameters
    ----------
    ax, ay, bx, by, px, py : array_like of float
        Coordinates, broadcast against each other.

    Returns
    -------
    ndarray of int8
        1 where p lies left of the line, -1 right of it, 0 on it.

    Examples
    --------
    >>> orientation(0, 0, 1, 1, [0, 1, 0.5], [1, 0, 0.5]).tolist()
    [1, -1, 0]
    """
    given = (np.asarray(v, dtype=np.float64) for v in (ax, ay, bx, by, px, py))
    arrays = np.broadcast_arrays(*given)
    flat = [a.ravel() for a in arrays]
    with np.errstate(over="ignore", invalid="ignore"):
        sign, unsure = _plain(*flat)
        close = np.flatnonzero(unsure)
        if len(close):
            sign[close], open_ = _by_products(*(v[close] for v in flat))
            for k in close[open_]:
                sign[k] = _by_fractions(*(float(v[k]) for v in flat))
    return sign.reshape(arrays[0].shape)


def _plain(
    ax: Floats, ay: Floats, bx: Floats, by: Floats, px: Floats, py: Floats
) -> tuple[Ints8, Bools]:
    """Return the signs of rounded determinants, and where the rounding may decide them."""
    left = (bx - ax) * (py - ay)
    right = (by - ay) * (px - ax)
    determinant = left - right
    size = np.abs(left) + np.abs(right)
    unsure = ~(np.abs(determinant) > _PLAIN_BOUND * size + _TINY)
    return np.sign(np.where(unsure, 0.0, determinant)).astype(np.int8), unsure


def _by_products(
    ax: Floats, ay: Floats, bx: Floats, by: Floats, px: Floats, py: Floats
) -> tuple[Ints8, Bools]:
    """Return signs from exact products, and where even they cannot tell."""
    factors, tails = zip(
        *(_difference(p, q) for p, q in ((bx, ax), (py, ay), (by, ay), (px, ax))), strict=True
    )
    exact = ~np.any([t != 0 for t in tails], axis=0)
    left, left_tail = _product(factors[0], factors[1])
    right, right_tail = _product(factors[2], factors[3])
    high, rest = _difference(left, right)
    low, dust = _difference(left_tail, right_tail)
    total, error = _difference(high, -low)
    slack = np.abs(error) + np.abs(dust) + np.abs(rest)
    sizes = np.abs([f for f in factors if f.size] + [left, right])
    in_range = np.all((sizes == 0) | ((sizes > _TINY) & (sizes < _HUGE)), axis=0)
    sure = exact & in_range & ((np.abs(total) > 2 * slack) | ((total == 0) & (slack == 0)))
    return np.sign(np.where(sure, total, 0.0)).astype(np.int8), ~sure


def _difference(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Return p - q rounded, and what the rounding lost (Knuth's two-sum)."""
    d = p - q
    back = d - p
    return d, (p - (d - back)) - (q + back)


def _product(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Return p · q rounded, and what the rounding lost (Dekker's two-product)."""
    product = p * q
    p_high, p_low = _split(p)
    q_high, q_low = _split(q)
    return product, ((p_high * q_high - product) + p_high * q_low + p_low * q_high) + p_low * q_low


def _split(p: Floats) -> tuple[Floats, Floats]:
    """Return the upper and the lower half of the bits of p."""
    scaled = _SPLITTER * p
    high = scaled - (scaled - p)
    return high, p - high


def _by_fractions(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> int:
    """Return the sign in rational arithmetic."""
    x, y = Fraction(ax), Fraction(ay)
    value = (Fraction(bx) - x) * (Fraction(py) - y) - (Fraction(by) - y) * (Fraction(px) - x)
    return (value > 0) - (value < 0)
