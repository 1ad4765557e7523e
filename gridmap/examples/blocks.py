"""Blocks of the made-up city: the faces between streets, and who touches whom across what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from gridmap.examples.streets import RAILWAY, RIVER, Floats, Integers, Network

MIN_BLOCK_M2 = 700.0
MIN_WIDTH_M = 7.0


@dataclass(frozen=True)
class Contacts:
    """Pairs of neighbours (i < j), the metres they share, and those across river or railway."""

    i: Integers
    j: Integers
    length: Floats
    hard: Floats

    def matrix(self, count: int, *, across: bool = True) -> csr_array:
        """Return the symmetric matrix of shared lengths; without hard contacts if not `across`."""
        use = np.ones(len(self.i), bool) if across else self.hard < 0.5 * self.length
        i, j, length = self.i[use], self.j[use], self.length[use]
        pairs = (np.r_[i, j], np.r_[j, i])
        return coo_array((np.r_[length, length], pairs), shape=(count, count)).tocsr()

    def merged(self, label: Integers) -> Contacts:
        """Return the contacts between groups of the things in contact."""
        i, j = label[self.i], label[self.j]
        apart = i != j
        return _collect(i[apart], j[apart], self.length[apart], self.hard[apart])


@dataclass(frozen=True)
class Blocks:
    """Polygons that tile the city, the contacts between them, and the edges that bound them.

    `edge_blocks` names the blocks on the two sides of each edge of the network: -1 is outside.
    """

    polygons: NDArray[np.object_]
    contacts: Contacts
    edge_blocks: Integers
    by_lake: NDArray[np.int64]

    @property
    def outline(self) -> shapely.Geometry:
        """The city's outer border with its lakes left out."""
        return shapely.coverage_union_all(self.polygons)


@dataclass(frozen=True)
class _Sides:
    """The faces left and right of each straight segment, and the network edge it belongs to."""

    edge: Integers
    faces: Integers
    length: Floats


def make_blocks(network: Network, rng: np.random.Generator) -> Blocks:
    """Find the faces between the edges, trim the city's outline and mend crumbs."""
    faces = shapely.get_parts(shapely.polygonize(network.edges))
    faces = faces[_inside_outline(faces, network.lakes, rng)]
    faces = faces[_largest_part(_contacts(_sides(faces, network), network), len(faces))]
    sides = _sides(faces, network)
    group = _absorb_crumbs(faces, _contacts(sides, network))
    polygons = union_by(faces, group)
    blocks_of = np.where(sides.faces >= 0, group[sides.faces], -1)
    edge_blocks = np.full((len(network.edges), 2), -1)
    edge_blocks[sides.edge] = blocks_of
    sides = _Sides(sides.edge, blocks_of, sides.length)
    return Blocks(polygons, _contacts(sides, network), edge_blocks, _lake_of(polygons, network))


def union_by(polygons: NDArray[np.object_], label: Integers) -> NDArray[np.object_]:
    """Unite the polygons of one coverage by label 0..n-1, keeping every shared vertex."""
    order = np.argsort(label, kind="stable")
    groups = np.split(polygons[order], np.cumsum(np.bincount(label))[:-1])
    return np.array(
        [g[0] if len(g) == 1 else shapely.coverage_union_all(g) for g in groups], dtype=object
    )


def _inside_outline(
    faces: NDArray[np.object_], lakes: NDArray[np.object_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Keep the faces in an uneven round, without the lakes and without dust."""
    xmin, ymin, xmax, ymax = shapely.total_bounds(faces)
    x, y = shapely.get_coordinates(shapely.point_on_surface(faces)).T
    dx, dy = (x - (xmin + xmax) / 2) / (xmax - xmin), (y - (ymin + ymax) / 2) / (ymax - ymin)
    angle, phase = np.arctan2(dy, dx), rng.uniform(0, 2 * np.pi, 3)
    reach = 0.50 + sum(0.018 * np.sin(k * angle + phase[k - 2]) for k in (2, 3, 4))
    keep = (np.hypot(dx, dy) < reach) & (shapely.area(faces) > 0)
    water = shapely.union_all(lakes)
    shapely.prepare(water)
    dry: NDArray[np.bool_] = keep & ~shapely.contains_xy(water, x, y)
    return dry


def _sides(faces: NDArray[np.object_], network: Network) -> _Sides:
    """Match the straight segments of the faces with those of the network, on exact coordinates."""
    rings, ring_face = shapely.get_rings(faces, return_index=True)
    a, b, ring = _segments(rings)
    c, d, edge = _segments(network.edges)
    points, number = np.unique(np.concatenate([a, b, c, d]), axis=0, return_inverse=True)
    ends = np.sort(_pairs(number, len(a), len(c)), axis=0)
    key = ends[0] * len(points) + ends[1]
    keys, where = np.unique(key, return_inverse=True)
    pair = np.full((len(keys), 2), -1)
    of_faces, face = where[: len(a)], ring_face[ring]
    order = np.argsort(of_faces, kind="stable")
    slot = of_faces[order]
    second = np.r_[False, slot[1:] == slot[:-1]]
    pair[slot[~second], 0] = face[order][~second]
    pair[slot[second], 1] = face[order][second]
    of_edges = where[len(a) :]
    used = pair[of_edges, 0] >= 0
    length = np.hypot(*(d - c).T)
    return _Sides(edge[used], pair[of_edges][used], length[used])


def _pairs(number: Integers, faces: int, edges: int) -> Integers:
    """Put start and end numbers of the segments of faces and edges into two rows."""
    a, b, c, d = np.split(number.ravel(), np.cumsum([faces, faces, edges]))
    return np.array([np.r_[a, c], np.r_[b, d]])


def _segments(lines: NDArray[np.object_]) -> tuple[Floats, Floats, Integers]:
    xy, line = shapely.get_coordinates(lines, return_index=True)
    joined = line[1:] == line[:-1]
    return xy[:-1][joined], xy[1:][joined], line[:-1][joined]


def _contacts(sides: _Sides, network: Network) -> Contacts:
    i, j = sides.faces.T
    two = (i >= 0) & (j >= 0) & (i != j)
    hard = np.isin(network.rank[sides.edge], [RIVER, RAILWAY])
    length = sides.length
    return _collect(i[two], j[two], length[two], (length * hard)[two])


def _collect(i: Integers, j: Integers, length: Floats, hard: Floats) -> Contacts:
    """Add up the lengths of equal pairs."""
    if not len(i):
        return Contacts(i, j, length, hard)
    low, high = np.minimum(i, j), np.maximum(i, j)
    size = int(high.max()) + 1
    keys, where = np.unique(low * size + high, return_inverse=True)
    return Contacts(keys // size, keys % size, sums(where, length), sums(where, hard))


def sums(label: Integers, weight: Floats, count: int = 0) -> Floats:
    """Add up weights by label."""
    return np.bincount(label, weights=weight, minlength=count).astype(np.float64)


def _largest_part(contacts: Contacts, count: int) -> NDArray[np.bool_]:
    _, part = connected_components(contacts.matrix(count), directed=False)
    largest: NDArray[np.bool_] = part == np.argmax(np.bincount(part))
    return largest


def _absorb_crumbs(faces: NDArray[np.object_], contacts: Contacts) -> Integers:
    """Join what is too small or too narrow for a block to its longest neighbour, by group."""
    group = np.arange(len(faces))
    area = shapely.area(faces)
    width = 2 * area / shapely.length(faces)
    crumb = (area < MIN_BLOCK_M2) | (width < MIN_WIDTH_M)
    shared = contacts.matrix(len(faces), across=False)
    for face in np.flatnonzero(crumb)[np.argsort(area[crumb], kind="stable")]:
        row = slice(shared.indptr[face], shared.indptr[face + 1])
        owners, metres = group[shared.indices[row]], shared.data[row]
        other = owners != group[face]
        if other.any():
            totals = np.bincount(owners[other], weights=metres[other])
            group[group == group[face]] = int(np.argmax(totals))
    _, group = np.unique(group, return_inverse=True)
    return group


def _lake_of(polygons: NDArray[np.object_], network: Network) -> Integers:
    """Number the lake that each block touches, -1 for none."""
    lake = np.full(len(polygons), -1)
    if len(network.lakes):
        which, block = shapely.STRtree(polygons).query(
            network.lakes, predicate="dwithin", distance=0.1
        )
        lake[block] = which
    return lake
