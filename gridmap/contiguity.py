"""Who shares a line with whom in a coverage, and how long it is.

Two polygons touch where they hold the same segment, vertex for vertex: nothing is measured with
a tolerance. Contacts shorter than half a metre, or than a fifth of the mean width of polygons
that are themselves so small, do not make neighbours; their length is kept, or the perimeters of
merged polygons would be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, Words

if TYPE_CHECKING:
    import networkx as nx


SHORTEST = 0.5
"""Metres of common border from which two polygons of usual size are neighbours."""
SHARE = 0.2
"""Share of the mean width of polygons from which a common border makes neighbours anyway."""


@dataclass(frozen=True, slots=True)
class SharedEdges:
    """Segments that two polygons have in common, one row each.

    Attributes
    ----------
    i, j : ndarray of int64
        Positions of the two polygons, ``i < j``.
    ends : ndarray of float64, shape (n, 4)
        ``x0, y0, x1, y1``, the lexically smaller end first.
    """

    i: Ints
    j: Ints
    ends: Floats

    @property
    def length(self) -> Floats:
        """Length of each segment."""
        step = self.ends[:, 2:] - self.ends[:, :2]
        return np.asarray(np.hypot(step[:, 0], step[:, 1]), dtype=np.float64)

    @property
    def midpoints(self) -> Floats:
        """Middle of each segment."""
        return (self.ends[:, :2] + self.ends[:, 2:]) / 2


@dataclass(frozen=True, slots=True)
class Contacts:
    """Pairs of polygons with a common border, sorted by ``i`` and then ``j``.

    Attributes
    ----------
    i, j : ndarray of int64
        Positions of the two polygons, ``i < j``.
    length : ndarray of float64
        Length of their common border.
    shortest : float
        Length from which a contact makes two polygons neighbours.
    """

    i: Ints
    j: Ints
    length: Floats
    shortest: float = SHORTEST

    def __len__(self) -> int:
        return len(self.i)

    @property
    def neighbours(self) -> Bools:
        """Which contacts are long enough to make two polygons neighbours."""
        return self.length >= self.shortest


def shortest_contact(area: Floats, perimeter: Floats) -> float:
    """Return the length from which a common border makes neighbours among some polygons.

    It is half a metre, or a fifth of their mean width 2A/P where they are so small that a border
    of half a metre would be a long one.

    Parameters
    ----------
    area, perimeter : ndarray of float64
        Of the polygons: all of a coverage, or all of one jurisdiction.

    Examples
    --------
    >>> shortest_contact(np.full(9, 3600.0), np.full(9, 240.0))
    0.5
    >>> shortest_contact(np.ones(9), np.full(9, 4.0))
    0.1
    """
    border = float(np.sum(perimeter))
    return min(SHORTEST, SHARE * 2 * float(np.sum(area)) / border) if border > 0 else SHORTEST


def shared_edges(polygons: Any) -> SharedEdges:
    """Find the segments that two polygons of a coverage share exactly.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        A coverage. Where three polygons hold one segment they overlap; they are paired in turn.

    Returns
    -------
    SharedEdges
        One row a segment.

    Examples
    --------
    >>> shared_edges(shapely.box([0, 5], 0, [5, 10], 5)).ends
    array([[5., 0., 5., 5.]])
    """
    owner, ends = _segments(np.asarray(polygons, dtype=object))
    order, same = _equal_neighbours(ends)
    first, second = owner[order[:-1][same]], owner[order[1:][same]]
    ends = ends[order[:-1][same]]
    apart = first != second  # a spike of one polygon runs back on itself
    i, j = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
    return SharedEdges(i, j, ends[apart])


def contacts(polygons: Any) -> Contacts:
    """Measure the common border of each two polygons of a coverage.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        A coverage: where two polygons meet, their vertices are identical.

    Returns
    -------
    Contacts
        One row a pair, however short the border; `Contacts.neighbours` tells the long ones.

    Examples
    --------
    >>> found = contacts(shapely.box([0, 5, 5], [0, 0, 3], [5, 10, 10], [5, 3, 5]))
    >>> list(zip(found.i.tolist(), found.j.tolist(), found.length.tolist()))
    [(1, 2, 5.0)]
    """
    polygons = np.asarray(polygons, dtype=object)
    edges = shared_edges(polygons)
    shortest = shortest_contact(shapely.area(polygons), shapely.length(polygons))
    return pair_up(edges.i, edges.j, edges.length, len(polygons), shortest)


def pair_up(
    i: Ints,
    j: Ints,
    length: Floats,
    n: int,
    shortest: float = SHORTEST,
) -> Contacts:
    """Sum lengths over equal pairs of `n` polygons, whichever of the two comes first."""
    low, high = np.minimum(i, j), np.maximum(i, j)
    pairs, group = np.unique(low * np.int64(n) + high, return_inverse=True)
    total = np.zeros(len(pairs), dtype=np.float64)
    np.add.at(total, group, length)
    return Contacts(pairs // max(n, 1), pairs % max(n, 1), total, shortest)


def graph(polygons: Any, labels: Sequence[Any] | None = None) -> nx.Graph[Any]:
    """Build the contiguity graph of a coverage.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        A coverage.
    labels : sequence, optional
        Names of the nodes, by default the positions.

    Returns
    -------
    networkx.Graph
        A node a polygon, with ``short``, the length of its contacts that are too short to make
        neighbours; an edge where two are neighbours (see `shortest_contact`), with ``length``.

    Examples
    --------
    >>> town = graph(shapely.box([0, 5], 0, [5, 10], 5), ["west", "east"])
    >>> town.edges["west", "east"]["length"]
    5.0
    """
    polygons = np.asarray(polygons, dtype=object)
    names = list(range(len(polygons))) if labels is None else list(labels)
    if len(names) != len(polygons):
        raise ValueError(f"`labels` has {len(names)} names for {len(polygons)} polygons.")
    return graph_of(contacts(polygons), names)


def graph_of(found: Contacts, names: Sequence[Any]) -> nx.Graph[Any]:
    """Build the graph of contacts that are known, as `graph` does."""
    import networkx as nx

    long = found.neighbours
    short = np.bincount(found.i[~long], weights=found.length[~long], minlength=len(names))
    short += np.bincount(found.j[~long], weights=found.length[~long], minlength=len(names))
    result: nx.Graph[Any] = nx.Graph()
    result.add_nodes_from((name, {"short": float(x)}) for name, x in zip(names, short, strict=True))
    rows = zip(found.i[long], found.j[long], found.length[long].tolist(), strict=True)
    result.add_edges_from((names[a], names[b], {"length": length}) for a, b, length in rows)
    return result


def _segments(polygons: Geometries) -> tuple[Ints, Floats]:
    """Return every segment's owner and ends, the lexically smaller end first."""
    parts, owner = shapely.get_parts(polygons, return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    xy = xy + 0.0  # -0.0 and 0.0 are the same place
    joined = ring[1:] == ring[:-1]
    place = np.ascontiguousarray(xy).view(np.complex128).ravel()  # ordered by x, then y
    start, end = place[:-1][joined], place[1:][joined]
    swap = start > end
    start, end = np.where(swap, end, start), np.where(swap, start, end)
    long = start != end
    owners = owner[part[ring[:-1][joined]]].astype(np.int64)
    return owners[long], np.column_stack([start, end])[long].view(np.float64)


def _equal_neighbours(
    ends: Floats,
) -> tuple[Ints, Bools]:
    """Order rows so that equal ones are adjacent, and say which row equals the next.

    Rows are sorted by a 64-bit hash; the coordinates are compared afterwards. Where two different
    segments share a hash, those are sorted by their coordinates.
    """
    key = _hash(ends)
    order = np.argsort(key, kind="stable")
    key, ordered = key[order], ends[order]
    same = key[1:] == key[:-1]
    equal = (ordered[1:] == ordered[:-1]).all(axis=1)
    if (same & ~equal).any():
        order = np.lexsort((*ends.T, _hash(ends)))
        equal = (ends[order[1:]] == ends[order[:-1]]).all(axis=1)
    return order, equal


def _hash(ends: Floats) -> Words:
    """Mix the bits of each row into one integer."""
    bits = np.ascontiguousarray(ends).view(np.uint64)
    key = np.zeros(len(bits), dtype=np.uint64)
    for column in range(4):
        key ^= bits[:, column]
        key *= np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key
