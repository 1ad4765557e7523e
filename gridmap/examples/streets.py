"""Streets, river, railway and buildings of the made-up city; edges meet only in their ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from gridmap._arrays import Bools, Floats, Geometries, Ints, geometries, summed

RIVER, RAILWAY, SHORE = -1, -2, 99
CORE_BLOCK_M2, EDGE_BLOCK_M2 = 0.9e4, 6e4
ARTERIAL_SPACING_M = 700.0
VERTEX_SPACING_M = 45.0


@dataclass(frozen=True)
class Network:
    """Noded edges with the line each is part of and the rank of that line.

    `rank` is 0 for the frame, grows with every halving of the land, and is RIVER, RAILWAY or
    SHORE for what is no street; `line` numbers the road that an edge belongs to.
    """

    edges: Geometries
    rank: Ints
    line: Ints
    lakes: Geometries
    arterial_rank: int


def halve(polygon: Floats, normal: Floats, offset: float) -> tuple[Floats, Floats, list[Floats]]:
    """Cut a convex polygon by a line and return both sides and the two crossing points."""
    distance = polygon @ normal - offset
    left, right, crossings = [], [], []
    for i, here in enumerate(polygon):
        j = (i + 1) % len(polygon)
        if distance[i] <= 0:
            left.append(here)
        if distance[i] >= 0:
            right.append(here)
        if distance[i] * distance[j] < 0:
            share = distance[i] / (distance[i] - distance[j])
            point = here + share * (polygon[j] - here)
            left.append(point)
            right.append(point)
            crossings.append(point)
    return np.array(left), np.array(right), crossings


def _cut_direction(polygon: Floats, rng: np.random.Generator) -> Floats:
    """Return a unit normal across the longer extent, turned a little so that nothing is square."""
    sides = np.roll(polygon, -1, 0) - polygon
    lengths = np.hypot(*sides.T)
    along = sides[np.argmax(lengths)] / lengths.max()
    across = np.array([-along[1], along[0]])
    normal = along if np.ptp(polygon @ along) >= np.ptp(polygon @ across) else across
    angle = rng.normal(0, 0.10)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    direction: Floats = turn @ normal
    return direction


def _area(polygon: Floats) -> float:
    x, y = polygon.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def street_lines(length: float, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Halve a square of land again and again, finer towards the centre.

    Returns the cuts as an array (n, 2, 2) of end points and the rank of each.
    """
    square = np.array([[0, 0], [length, 0], [length, length], [0, length]], dtype=float)
    cuts = [np.array([square[i], square[(i + 1) % 4]]) for i in range(4)]
    ranks = [0] * 4
    waiting = [(square, 0)]
    while waiting:
        land, rank = waiting.pop()
        remoteness = np.hypot(*(land.mean(0) - length / 2)) / (length * 0.7)
        wanted = CORE_BLOCK_M2 + (EDGE_BLOCK_M2 - CORE_BLOCK_M2) * remoteness
        if _area(land) < 1.8 * wanted * np.exp(rng.normal(0, 0.45)):
            continue
        normal = _cut_direction(land, rng)
        reach = land @ normal
        offset = reach.min() + np.ptp(reach) * np.clip(rng.normal(0.5, 0.08), 0.3, 0.7)
        left, right, crossings = halve(land, normal, offset)
        if len(crossings) != 2 or len(left) < 3 or len(right) < 3:
            continue
        cuts.append(np.array(crossings))
        ranks.append(rank + 1)
        waiting += [(left, rank + 1), (right, rank + 1)]
    return np.array(cuts), np.array(ranks, dtype=np.int64)


def river_line(length: float, rng: np.random.Generator) -> shapely.LineString:
    """Return a river that winds from the west side to the east side."""
    t = np.linspace(0, length, 200)
    phase = rng.uniform(0, 2 * np.pi, 2)
    bends = 0.07 * np.sin(8 * t / length + phase[0]) + 0.015 * np.sin(31 * t / length + phase[1])
    return shapely.linestrings(np.c_[t, length * (0.30 + bends)])


def railway_line(length: float, rng: np.random.Generator) -> shapely.LineString:
    """Return a railway that runs in one wide curve from south to north."""
    t = np.linspace(0, length, 60)
    sway = 0.05 * np.sin(3.0 * t / length + rng.uniform(0, 2 * np.pi))
    return shapely.linestrings(np.c_[length * (0.70 + sway), t])


def lake_shores(
    length: float, count: int, keep_clear: shapely.Geometry, rng: np.random.Generator
) -> list[shapely.Polygon]:
    """Lay `count` rounded lakes apart from each other, from river and railway and from the rim."""
    radius = min(85.0, 0.045 * length)
    clearance = 3.2 * radius
    lakes: list[shapely.Polygon] = []
    turns = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    for _ in range(4000):
        if len(lakes) == count:
            break
        centre = rng.uniform(0.22 * length, 0.78 * length, 2)
        phase, tilt = rng.uniform(0, 2 * np.pi, 2)
        wobble = radius * (1 + 0.15 * np.sin(3 * turns + phase))
        shore = np.c_[1.15 * wobble * np.cos(turns), 0.8 * wobble * np.sin(turns)]
        turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        lake = shapely.polygons(shore @ turn.T + centre)
        clear = shapely.distance(lake, keep_clear) > clearance
        if clear and all(shapely.distance(lake, other) > 2 * clearance for other in lakes):
            lakes.append(lake)
    return lakes


class Warp:
    """A smooth bend of the plane that makes straight cuts look grown."""

    def __init__(self, length: float, origin: tuple[float, float], rng: np.random.Generator):
        scales = [(1.1 * length, 0.03 * length), (2500.0, 110.0), (900.0, 32.0), (450.0, 11.0)]
        self.origin = np.array(origin) - length / 2
        self.waves = []
        for wavelength, height in scales:
            height = min(height, 0.07 * wavelength, 0.03 * length)
            for _ in range(3):
                heading = rng.uniform(0, 2 * np.pi)
                number = 2 * np.pi / (wavelength * rng.uniform(0.8, 1.2))
                wave = number * np.array([np.cos(heading), np.sin(heading)])
                self.waves.append((wave, rng.uniform(0, 2 * np.pi), height * rng.normal(0, 0.6, 2)))

    def __call__(self, xy: Floats) -> Floats:
        """Bend coordinates and round them to the centimetre."""
        bent = xy + self.origin
        for wave, phase, height in self.waves:
            bent = bent + np.sin(xy @ wave + phase)[:, None] * height
        return np.round(bent, 2)


def make_network(
    length: float, lakes: int, origin: tuple[float, float], rng: np.random.Generator
) -> Network:
    """Draw streets, river, railway and lake shores, and cut them where they meet."""
    cuts, ranks = street_lines(length, rng)
    streets = geometries(shapely.linestrings(cuts))
    river, railway = river_line(length, rng), railway_line(length, rng)
    ponds = lake_shores(length, lakes, shapely.union(river, railway), rng)
    shores = [pond.exterior for pond in ponds]
    everything = geometries([*streets, river, railway, *shores])
    rank = np.concatenate([ranks, [RIVER, RAILWAY], np.full(len(shores), SHORE)])
    noded, line = _noded(everything)
    warp = Warp(length, origin, rng)
    bent = shapely.transform(shapely.segmentize(noded, VERTEX_SPACING_M), warp)
    edges, edge = _noded(bent)  # rounding may have pushed a vertex across a line
    return Network(
        edges=edges,
        rank=rank[line[edge]],
        line=line[edge],
        lakes=shapely.transform(shapely.segmentize(np.array(ponds), VERTEX_SPACING_M), warp),
        arterial_rank=max(1, round(2 * np.log2(length / ARTERIAL_SPACING_M))),
    )


def _noded(lines: Geometries) -> tuple[Geometries, Ints]:
    """Cut lines where they meet, on a grid of centimetres; return the line of each piece."""
    pieces = shapely.get_parts(shapely.union_all(lines, grid_size=0.01))
    middle = shapely.line_interpolate_point(pieces, 0.5, normalized=True)
    piece, nearest = shapely.STRtree(lines).query_nearest(middle, all_matches=False)
    origin = np.zeros(len(pieces), dtype=np.int64)
    origin[piece] = nearest
    return pieces, origin


MIN_BLOCK_M2 = 700.0
MIN_WIDTH_M = 7.0


@dataclass(frozen=True)
class Contacts:
    """Pairs of neighbours (i < j), the metres they share, and those across river or railway."""

    i: Ints
    j: Ints
    length: Floats
    hard: Floats

    def matrix(self, count: int, *, across: bool = True) -> csr_array:
        """Return the symmetric matrix of shared lengths; without hard contacts if not `across`."""
        use = np.ones(len(self.i), bool) if across else self.hard < 0.5 * self.length
        i, j, length = self.i[use], self.j[use], self.length[use]
        pairs = (np.r_[i, j], np.r_[j, i])
        return coo_array((np.r_[length, length], pairs), shape=(count, count)).tocsr()

    def merged(self, label: Ints) -> Contacts:
        """Return the contacts between groups of the things in contact."""
        i, j = label[self.i], label[self.j]
        apart = i != j
        return _collect(i[apart], j[apart], self.length[apart], self.hard[apart])


@dataclass(frozen=True)
class Blocks:
    """Polygons that tile the city, the contacts between them, and the edges that bound them.

    `edge_blocks` names the blocks on the two sides of each edge of the network: -1 is outside.
    """

    polygons: Geometries
    contacts: Contacts
    edge_blocks: Ints
    by_lake: Ints

    @property
    def outline(self) -> shapely.Geometry:
        """The city's outer border with its lakes left out."""
        return shapely.coverage_union_all(self.polygons)


@dataclass(frozen=True)
class _Sides:
    """The faces left and right of each straight segment, and the network edge it belongs to."""

    edge: Ints
    faces: Ints
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


def union_by(polygons: Geometries, label: Ints) -> Geometries:
    """Unite the polygons of one coverage by label 0..n-1, keeping every shared vertex."""
    order = np.argsort(label, kind="stable")
    groups = np.split(polygons[order], np.cumsum(np.bincount(label))[:-1])
    return np.array(
        [g[0] if len(g) == 1 else shapely.coverage_union_all(g) for g in groups], dtype=object
    )


def _inside_outline(faces: Geometries, lakes: Geometries, rng: np.random.Generator) -> Bools:
    """Keep the faces in an uneven round, without the lakes and without dust."""
    xmin, ymin, xmax, ymax = shapely.total_bounds(faces)
    x, y = shapely.get_coordinates(shapely.point_on_surface(faces)).T
    dx, dy = (x - (xmin + xmax) / 2) / (xmax - xmin), (y - (ymin + ymax) / 2) / (ymax - ymin)
    angle, phase = np.arctan2(dy, dx), rng.uniform(0, 2 * np.pi, 3)
    reach = 0.50 + sum(0.018 * np.sin(k * angle + phase[k - 2]) for k in (2, 3, 4))
    keep = (np.hypot(dx, dy) < reach) & (shapely.area(faces) > 0)
    water = shapely.union_all(lakes)
    shapely.prepare(water)
    dry: Bools = keep & ~shapely.contains_xy(water, x, y)
    return dry


def _sides(faces: Geometries, network: Network) -> _Sides:
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


def _pairs(number: Ints, faces: int, edges: int) -> Ints:
    """Put start and end numbers of the segments of faces and edges into two rows."""
    a, b, c, d = np.split(number.ravel(), np.cumsum([faces, faces, edges]))
    return np.array([np.r_[a, c], np.r_[b, d]])


def _segments(lines: Geometries) -> tuple[Floats, Floats, Ints]:
    xy, line = shapely.get_coordinates(lines, return_index=True)
    joined = line[1:] == line[:-1]
    return xy[:-1][joined], xy[1:][joined], line[:-1][joined]


def _contacts(sides: _Sides, network: Network) -> Contacts:
    i, j = sides.faces.T
    two = (i >= 0) & (j >= 0) & (i != j)
    hard = np.isin(network.rank[sides.edge], [RIVER, RAILWAY])
    length = sides.length
    return _collect(i[two], j[two], length[two], (length * hard)[two])


def _collect(i: Ints, j: Ints, length: Floats, hard: Floats) -> Contacts:
    """Add up the lengths of equal pairs."""
    if not len(i):
        return Contacts(i, j, length, hard)
    low, high = np.minimum(i, j), np.maximum(i, j)
    size = int(high.max()) + 1
    keys, where = np.unique(low * size + high, return_inverse=True)
    return Contacts(keys // size, keys % size, summed(where, length), summed(where, hard))


def _largest_part(contacts: Contacts, count: int) -> Bools:
    _, part = connected_components(contacts.matrix(count), directed=False)
    largest: Bools = part == np.argmax(np.bincount(part))
    return largest


def _absorb_crumbs(faces: Geometries, contacts: Contacts) -> Ints:
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


def _lake_of(polygons: Geometries, network: Network) -> Ints:
    """Number the lake that each block touches, -1 for none."""
    lake = np.full(len(polygons), -1)
    if len(network.lakes):
        which, block = shapely.STRtree(polygons).query(
            network.lakes, predicate="dwithin", distance=0.1
        )
        lake[block] = which
    return lake


HIGHRISE, WALKUP, VILLAGE, MIXED, INDUSTRY, PARK = range(6)
SHARES = [0.22, 0.28, 0.16, 0.14, 0.11, 0.09]
LOT_M2 = [5000.0, 1900.0, 380.0, 4200.0, 12000.0, 60000.0]
SETBACK_M = 5.0


@dataclass(frozen=True)
class Houses:
    """Buildings as arrays: place, households, floors, and the block each stands in."""

    x: Floats
    y: Floats
    households: Ints
    floors: Ints
    block: Ints


def land_use(blocks: Blocks, rng: np.random.Generator) -> Ints:
    """Draw what each block is used for."""
    return rng.choice(6, size=len(blocks.polygons), p=SHARES)


def build(blocks: Blocks, use: Ints, rng: np.random.Generator) -> Houses:
    """Put buildings on the blocks, in rows that face south, and fill them with households."""
    density = 1.25 - 0.5 * remoteness(blocks)
    plots = shapely.buffer(blocks.polygons, -SETBACK_M, quad_segs=1)
    shapely.prepare(plots)
    places = [
        _rows(plot, LOT_M2[kind] / dense, rng)
        for plot, kind, dense in zip(plots, use, density, strict=True)
    ]
    xy = np.round(np.concatenate(places), 2)
    block = np.repeat(np.arange(len(plots)), [len(place) for place in places])
    households = _households(use[block], rng)
    stands = (households > 0) | (rng.random(len(block)) < 0.5)
    (x, y), block, households = xy[stands].T, block[stands], households[stands]
    return Houses(x, y, households, _floors(use[block], households, rng), block)


def remoteness(blocks: Blocks) -> Floats:
    """Return 0 in the city's centre and about 1 at its rim."""
    xy = shapely.get_coordinates(shapely.centroid(blocks.polygons))
    away = np.hypot(*(xy - np.median(xy, axis=0)).T)
    share: Floats = away / away.max()
    return share


def _rows(plot: shapely.Geometry, lot_m2: float, rng: np.random.Generator) -> Floats:
    """Return jittered grid points inside a plot, one a lot."""
    if shapely.is_empty(plot):
        return np.empty((0, 2))
    xmin, ymin, xmax, ymax = shapely.bounds(plot)
    step = np.sqrt(lot_m2)
    x, y = np.meshgrid(
        np.arange(xmin + rng.uniform(0.2, 0.8) * step, xmax, step),
        np.arange(ymin + rng.uniform(0.2, 0.8) * step, ymax, step),
    )
    x = x.ravel() + rng.normal(0, 0.15 * step, x.size)
    y = y.ravel() + rng.normal(0, 0.10 * step, y.size)
    inside = shapely.contains_xy(plot, x, y)
    places: Floats = np.c_[x[inside], y[inside]]
    return places


def _households(use: NDArray[np.integer], rng: np.random.Generator) -> Ints:
    """Draw household counts: log-normal, wide in towers and mixed blocks, few at work places."""
    n = len(use)
    middle = np.array([80.0, 26.0, 4.0, 14.0, 8.0, 2.0])[use]
    spread = np.array([0.45, 0.40, 0.70, 1.10, 1.20, 0.60])[use]
    low = np.array([20, 6, 1, 0, 0, 0])[use]
    high = np.array([420, 90, 30, 220, 60, 5])[use]
    lived_in = rng.random(n) < np.array([1.0, 1.0, 1.0, 0.9, 0.12, 0.3])[use]
    drawn = np.clip(middle * np.exp(spread * rng.normal(size=n)), low, high)
    return np.where(lived_in, np.floor(drawn), 0).astype(np.int64)


def _floors(use: NDArray[np.integer], households: Ints, rng: np.random.Generator) -> Ints:
    """Derive floors from households and land use."""
    per_floor = np.array([4, 4, 2, 4, 6, 2])[use]
    least = np.array([11, 5, 1, 2, 1, 1])[use]
    floors: Ints = np.maximum(-(-households // per_floor), least + rng.integers(0, 2, len(use)))
    return floors
