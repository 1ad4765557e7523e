"""Vertices brought together, added to sides, or dropped, so that neighbours match.

Two layers that were reprojected apart, or a plan that was rotated, differ from each other by less
than a micrometre. Corners that close become one; a corner that close to a side is added to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely

from gridmap._arrays import Floats, Geometries, Ints, components, geometries, segments
from gridmap.coverage.edges import Leftover, boxes_near, directed_edges, residual, reverse, rings_of
from gridmap.coverage.predicates import orientation
from gridmap.coverage.prove import remainder
from gridmap.coverage.t_junctions import as_points

Node = tuple[float, float]
Sides = dict[tuple[float, ...], Floats]
"""For a side (x0, y0, x1, y1) the vertices between, in order from its first end."""

STRAY = 8
"""Steps of the lattice that a node may have moved away from a corner."""


def keep_outline(shapes: Geometries, wanted: Geometries) -> Geometries:
    """Drop nodes that the lines of one cell alone put on sides of the outline.

    The neighbours and the boundary need not know these. Where two cells meet the node stays.
    """
    dropped = _nodes_on_outline(shapes, wanted)
    return _renoded(shapes, dropped, {}) if dropped else shapes


def keep_corners(shapes: Geometries, wanted: Geometries, lattice: float) -> Geometries:
    """Put corners of the outline back that a node beside them has taken the place of."""
    nodes = np.unique(shapely.get_coordinates(shapes), axis=0)
    corners = np.unique(shapely.get_coordinates(wanted), axis=0)
    lost = corners[~np.isin(as_points(corners), as_points(nodes))]
    spare = nodes[~np.isin(as_points(nodes), as_points(corners))]
    if len(lost) == 0 or len(spare) == 0:
        return shapes
    tree = shapely.STRtree(geometries(shapely.points(spare)))
    corner, near = tree.query_nearest(
        shapely.points(lost), max_distance=STRAY * lattice, all_matches=False
    )
    moves = {
        (float(spare[n, 0]), float(spare[n, 1])): (float(lost[c, 0]), float(lost[c, 1]))
        for c, n in zip(corner.tolist(), near.tolist(), strict=True)
    }
    return _renoded(shapes, set(), moves)


def without_idle_vertices(shapes: Geometries, drawn: list[shapely.Geometry | None]) -> Geometries:
    """Drop vertices on a straight line between two cells unless both had them before.

    Parameters
    ----------
    shapes : array of polygons
        A coverage.
    drawn : list of geometry or None
        What each was before.
    """
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    before = [
        set() if g is None else set(map(tuple, shapely.get_coordinates(g).tolist())) for g in drawn
    ]
    straight_in: Counter[Node] = Counter()
    new_to_one: set[Node] = set()
    rings = shapely.get_rings(shapely.get_parts(shapes))
    ring_of = np.repeat(np.arange(len(rings)), shapely.get_num_coordinates(rings))
    first = np.flatnonzero(np.diff(ring_of, prepend=-1))
    last = np.append(first[1:], len(ring_of)) - 1
    previous = np.arange(len(xy)) - 1
    previous[first] = last - 1
    at = np.setdiff1d(np.arange(len(xy)), last)
    straight = orientation(*xy[previous[at]].T, *xy[at + 1].T, *xy[at].T) == 0
    seen: Counter[Node] = Counter(map(tuple, xy[at].tolist()))
    for k in at[straight].tolist():
        node = (float(xy[k, 0]), float(xy[k, 1]))
        straight_in[node] += 1
        if node not in before[owner[k]]:
            new_to_one.add(node)
    gone = {node for node in new_to_one if straight_in[node] == seen[node] == 2}
    if not gone:
        return shapes
    return _renoded(shapes, gone, {})


def with_vertices(
    polygon: shapely.Geometry, extra: dict[tuple[float, ...], Floats]
) -> shapely.Geometry:
    """Return a polygon with vertices added on some of its sides.

    Parameters
    ----------
    polygon : Polygon or MultiPolygon
    extra : dict
        For a side (x0, y0, x1, y1) the vertices between, in order from its first end.
    """
    parts = [
        shapely.Polygon(
            _with_vertices(p.exterior, extra), [_with_vertices(r, extra) for r in p.interiors]
        )
        for p in shapely.get_parts(polygon)
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _nodes_on_outline(shapes: Geometries, wanted: Geometries) -> set[Node]:
    """Return the nodes on sides that belong to one cell alone."""
    edges, owner = directed_edges(shapes)
    outline, _ = directed_edges(wanted)
    left = residual(np.concatenate([edges, reverse(outline)]))
    steps: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
    sides: list[tuple[Node, Node]] = []
    for edge, member in zip(
        left.edges.tolist(), left.members[left.runs[:-1]].tolist(), strict=True
    ):
        a, b = (edge[0], edge[1]), (edge[2], edge[3])
        if member < len(edges):
            steps[a].append((b, int(owner[member])))
        else:
            sides.append((b, a))
    uses = Counter(map(tuple, edges[:, :2].tolist())) if sides else Counter[tuple[float, ...]]()
    return {
        node
        for start, end in sides
        for node, same in _between(start, end, steps)
        if same and uses[node] == 1
    }


def _between(
    start: Node, end: Node, steps: dict[Node, list[tuple[Node, int]]]
) -> list[tuple[Node, bool]]:
    """Return the nodes on the way along a side, and whether one cell has both sides of each."""
    found: list[tuple[Node, int]] = []
    at, limit = start, _distance(start, end) * (1 + 1e-9)
    while at != end:
        ways = [w for w in steps.get(at, []) if _distance(w[0], end) < limit]
        if not ways:
            break
        at, whose = min(ways, key=lambda w: abs(_offset(start, end, w[0])))
        limit = _distance(at, end)
        found.append((at, whose))
    return [(node, whose == after) for (node, whose), (_, after) in pairwise(found) if node != end]


def _renoded(shapes: Geometries, dropped: set[Node], moves: dict[Node, Node]) -> Geometries:
    """Return shapes without some nodes and with some moved."""
    touched = dropped | moves.keys()
    out = shapes.copy()
    for k, shape in enumerate(shapes):
        nodes = set(map(tuple, shapely.get_coordinates(shape).tolist()))
        if nodes & touched:
            out[k] = _redrawn(shape, dropped, moves)
    return out


def _redrawn(
    polygon: shapely.Geometry, dropped: set[Node], moves: dict[Node, Node]
) -> shapely.Geometry:
    """Return a polygon with nodes dropped and moved; rings that collapse are left out."""
    parts = []
    for part in shapely.get_parts(polygon):
        rings = []
        for ring in (part.exterior, *part.interiors):
            nodes = [moves.get(n, n) for n in map(tuple, ring.coords[:-1]) if n not in dropped]
            nodes = [
                n for n, before in zip(nodes, [nodes[-1:][0], *nodes], strict=False) if n != before
            ]
            rings.append(nodes if len(nodes) >= 3 else [])
        if rings[0]:
            parts.append(shapely.Polygon(rings[0], [r for r in rings[1:] if r]))
    if not parts:
        return shapely.Polygon()
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _with_vertices(ring: shapely.LinearRing, extra: dict[tuple[float, ...], Floats]) -> Floats:
    xy = shapely.get_coordinates(ring)
    out = [xy[:1]]
    for a, b in zip(xy[:-1] + 0.0, xy[1:] + 0.0, strict=True):
        forward, back = extra.get((*a, *b)), extra.get((*b, *a))
        if forward is not None:
            out.append(forward)
        elif back is not None:
            out.append(back[::-1])
        out.append(b[None, :])
    return np.concatenate(out)


def _distance(a: Node, b: Node) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _offset(a: Node, b: Node, p: Node) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


@dataclass(frozen=True)
class Chains:
    """Vertices to add to sides that others follow, and how far the farthest lies beside."""

    of_cells: dict[int, Sides]
    of_rim: Sides
    beside: float


def near_chains(left: Leftover, owner: Ints, limit: float, *, rows: Ints | None = None) -> Chains:
    """Find sides that other leftover edges follow from end to end, and the vertices between.

    Parameters
    ----------
    left : Leftover
        What is left of cells against their outline.
    owner : ndarray of int
        Cell of each edge that went in, -1 for the outline.
    limit : float
        How far beside a side a vertex may lie.
    rows : ndarray of int, optional
        The leftover edges to look at: then vertices are added to sides of the outline only, and
        only such where two cells meet.
    """
    meetings = rows is not None
    rows = np.arange(len(left)) if rows is None else rows
    first = owner[left.members[left.runs[:-1]]][rows]
    edges = left.edges[rows].tolist()
    steps: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
    for (ax, ay, bx, by), whose in zip(edges, first.tolist(), strict=True):
        steps[ax, ay].append(((bx, by), whose))
    of_cells: dict[int, Sides] = defaultdict(dict)
    of_rim: Sides = {}
    farthest = 0.0
    for (ax, ay, bx, by), whose in zip(edges, first.tolist(), strict=True):
        if meetings and whose >= 0:
            continue
        found = _followed((bx, by), (ax, ay), whose, steps, limit, meetings)
        if found is None:
            continue
        nodes, beside = found
        farthest = max(farthest, beside)
        # leftover edges of the outline are walked backwards
        side = (ax, ay, bx, by) if whose >= 0 else (bx, by, ax, ay)
        path = np.array(nodes if whose < 0 else nodes[::-1])
        (of_rim if whose < 0 else of_cells[whose])[side] = path
    return Chains(dict(of_cells), of_rim, farthest)


def _followed(
    start: Node,
    end: Node,
    mine: int,
    steps: dict[Node, list[tuple[Node, int]]],
    limit: float,
    meetings: bool,
) -> tuple[list[Node], float] | None:
    """Return the vertices of others on the way from start to end, and the farthest beside it."""
    nodes: list[Node] = []
    at, along, before, farthest = start, 0.0, -2, 0.0
    while True:
        ways = []
        for to, whose in steps.get(at, ()):
            if whose == mine:
                continue
            place, beside = _place(start, end, to)
            if along < place <= 1 and beside <= limit:
                ways.append((beside, to, whose, place))
        if not ways:
            return None
        beside, to, whose, place = min(ways)
        if meetings and nodes and whose == before and _place(start, end, at)[1] > 0:
            return None
        if to == end:
            return (nodes, farthest) if nodes else None
        nodes.append(to)
        farthest = max(farthest, beside)
        at, along, before = to, place, whose


def _place(a: Node, b: Node, p: Node) -> tuple[float, float]:
    """Return how far along a side a point lies, from 0 to 1, and how far beside."""
    if p == b:
        return 1.0, 0.0
    x, y, u, v = b[0] - a[0], b[1] - a[1], p[0] - a[0], p[1] - a[1]
    squared = x * x + y * y
    if squared == 0:
        return 0.0, float("inf")
    return (u * x + v * y) / squared, abs(x * v - y * u) / squared**0.5


def matched_rim(
    outline: shapely.Geometry, polygons: Geometries, limit: float
) -> tuple[shapely.Geometry, Floats, float]:
    """Add to an outline the corners where cells meet on its sides, or beside them up to a limit.

    Returns
    -------
    outline : geometry
    vertices : ndarray of float, shape (n, 2)
        What was added.
    beside : float
        How far the farthest of them lies beside its side.
    """
    rim = rings_of(np.array([outline], dtype=object))
    _, owner, left = remainder(rings_of(polygons), rim)
    rows = _along_rim(left, owner, limit)
    chains = near_chains(left, owner, limit, rows=rows)
    nothing = np.empty((0, 2))
    if not chains.of_rim:
        return outline, nothing, 0.0
    added = with_vertices(outline, chains.of_rim)
    if not shapely.is_valid(added):
        return outline, nothing, 0.0
    return added, np.concatenate(list(chains.of_rim.values())), chains.beside


def _along_rim(left: Leftover, owner: Ints, limit: float) -> Ints:
    """Return the leftover edges of the outline, and those of cells that run along them."""
    whose = owner[left.members[left.runs[:-1]]]
    rim, cells = np.flatnonzero(whose < 0), np.flatnonzero(whose >= 0)
    if len(rim) == 0 or len(cells) == 0:
        return np.empty(0, dtype=np.int64)
    sides = segments(left.edges[rim])
    around = shapely.bounds(sides) + limit * np.array([-1, -1, 1, 1])
    cells = cells[boxes_near(left.edges[cells], around)]
    lines = segments(left.edges[cells])
    near, _ = shapely.STRtree(sides).query(lines, predicate="dwithin", distance=limit)
    return np.concatenate([rim, cells[np.unique(near)]])


def welded(
    polygons: Geometries, left: Leftover, owner: Ints, limit: float
) -> tuple[Geometries, Ints, float]:
    """Make corners of leftover edges that lie within a limit of each other one.

    Corners of the outline stay; of other corners the first in order of coordinates does.

    Returns
    -------
    polygons : array
    changed : ndarray of int
        Positions of those that changed.
    moved : float
        How far the farthest corner was moved.
    """
    ends = left.edges.reshape(-1, 2)
    nodes, inverse = np.unique(as_points(ends), return_inverse=True)
    xy = np.column_stack([nodes.real, nodes.imag])
    from scipy.spatial import cKDTree

    pairs = cKDTree(xy).query_pairs(limit, output_type="ndarray")
    if len(pairs) == 0:
        return polygons, np.empty(0, dtype=np.int64), 0.0
    cluster = components(len(xy), *pairs.T)
    of_rim = np.zeros(len(xy), dtype=bool)
    whose = owner[left.members[left.runs[:-1]]]
    of_rim[inverse.reshape(-1, 2)[whose < 0].ravel()] = True
    order = np.lexsort((np.arange(len(xy)), ~of_rim, cluster))
    heads = np.concatenate([[True], np.diff(cluster[order]) > 0])
    leader = order[heads][cluster]
    moving = np.flatnonzero((leader != np.arange(len(xy))) & ~of_rim)
    if len(moving) == 0:
        return polygons, np.empty(0, dtype=np.int64), 0.0
    moves = {tuple(xy[k].tolist()): tuple(xy[leader[k]].tolist()) for k in moving.tolist()}
    tree = shapely.STRtree(polygons)
    near = tree.query(shapely.points(xy[moving]), predicate="dwithin", distance=limit)[1]
    cells = np.unique(near)
    out = polygons.copy()
    for k in cells.tolist():
        out[k] = _moved(polygons[k], moves)
    bad = cells[~shapely.is_valid(out[cells]) | shapely.is_empty(out[cells])]
    out[bad] = polygons[bad]
    changed = np.array([k for k in cells.tolist() if out[k] is not polygons[k]], dtype=np.int64)
    distance = np.hypot(*(xy[moving] - xy[leader[moving]]).T).max() if len(changed) else 0.0
    return out, changed, float(distance)


def _moved(shape: shapely.Geometry, moves: dict[Node, Node]) -> shapely.Geometry:
    """Return a polygon with some corners moved, without the steps that became none."""
    xy = shapely.get_coordinates(shape)
    fresh = np.array([moves.get(node, node) for node in map(tuple, (xy + 0.0).tolist())])
    if (fresh == xy).all():
        return shape
    moved = shapely.set_coordinates(shapely.from_wkb(shapely.to_wkb(shape)), fresh)
    return shapely.remove_repeated_points(moved)
