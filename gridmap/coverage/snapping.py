"""Vertices brought together, added to sides, or dropped, so that neighbours match.

Two layers that were reprojected apart, or a plan that was rotated, differ from each other by less
than a micrometre. Corners that close become one; a corner that close to a side is added to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from gridmap._arrays import (
    Bools,
    Complexes,
    Floats,
    Geometries,
    Ints,
    as_points,
    components,
    distance,
    geometries,
    segments,
)
from gridmap.coverage.edges import (
    Leftover,
    boxes_near,
    directed_edges,
    orientation,
    residual,
    reverse,
    rings_of,
)
from gridmap.coverage.prove import Split, remainder, split

Node = tuple[float, float]
Sides = dict[tuple[float, ...], Floats]
"""For a side (x0, y0, x1, y1) the vertices between, in order from its first end."""

FACING = 0.9
"""Cosine of the angle to its outward direction at which a side faces another polygon."""
STRAY = 8
"""Steps of the lattice that a node may have moved away from a corner."""


def keep_outline(shapes: Geometries, wanted: Geometries) -> Geometries:
    """Drop nodes that the lines of one cell alone put on sides of the outline.

    The neighbours and the boundary need not know these. Where two cells meet the node stays.
    """
    return _renoded(shapes, _nodes_on_outline(shapes, wanted))


def keep_corners(shapes: Geometries, wanted: Geometries, lattice: float) -> Geometries:
    """Put corners of the outline back that a node beside them has taken the place of."""
    nodes, corners = (np.unique(as_points(shapely.get_coordinates(g))) for g in (shapes, wanted))
    lost, spare = np.setdiff1d(corners, nodes), np.setdiff1d(nodes, corners)
    if len(lost) == 0 or len(spare) == 0:
        return shapes
    tree = shapely.STRtree(geometries(shapely.points(spare.real, spare.imag)))
    corner, near = tree.query_nearest(
        shapely.points(lost.real, lost.imag), max_distance=STRAY * lattice, all_matches=False
    )
    # of several corners that want one node the last gets it
    places, last = np.unique(near[::-1], return_index=True)
    return _renoded(shapes, spare[places], lost[corner[::-1][last]])


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
    if len(xy) == 0:
        return shapes
    rings = shapely.get_rings(shapely.get_parts(shapes))
    ring_of = np.repeat(np.arange(len(rings)), shapely.get_num_coordinates(rings))
    first = np.flatnonzero(np.diff(ring_of, prepend=-1))
    last = np.append(first[1:], len(ring_of)) - 1
    previous = np.arange(len(xy)) - 1
    previous[first] = last - 1
    at = np.delete(np.arange(len(xy)), last)
    straight = at[orientation(*xy[previous[at]].T, *xy[at + 1].T, *xy[at].T) == 0]
    old, of = shapely.get_coordinates(np.array(drawn, dtype=object), return_index=True)
    nodes, place = np.unique(as_points(np.concatenate([xy, old])), return_inverse=True)
    mine, known = place[: len(xy)], place[len(xy) :]
    new = ~np.isin(owner[straight] * len(nodes) + mine[straight], of * len(nodes) + known)
    seen, straight_in, new_to = (
        np.bincount(mine[rows], minlength=len(nodes)) for rows in (at, straight, straight[new])
    )
    return _renoded(shapes, nodes[(new_to > 0) & (straight_in == 2) & (seen == 2)])


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


def _nodes_on_outline(shapes: Geometries, wanted: Geometries) -> Complexes:
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
    found = [n for start, end in sides for n, same in _between(start, end, steps) if same]
    nodes = np.unique(as_points(np.array(found, dtype=np.float64).reshape(-1, 2)))
    starts = as_points(edges[:, :2])
    uses = np.unique(starts[np.isin(starts, nodes)], return_counts=True)[1] if found else 0
    return np.asarray(nodes[uses == 1])


def _between(
    start: Node, end: Node, steps: dict[Node, list[tuple[Node, int]]]
) -> list[tuple[Node, bool]]:
    """Return the nodes on the way along a side, and whether one cell has both sides of each."""
    found: list[tuple[Node, int]] = []
    at, limit = start, distance(start, end) * (1 + 1e-9)
    while at != end:
        ways = [w for w in steps.get(at, []) if distance(w[0], end) < limit]
        if not ways:
            break
        at, whose = min(ways, key=lambda w: abs(_offset(start, end, w[0])))
        limit = distance(at, end)
        found.append((at, whose))
    return [(node, whose == after) for (node, whose), (_, after) in pairwise(found) if node != end]


def _renoded(shapes: Geometries, nodes: Complexes, instead: Complexes | None = None) -> Geometries:
    """Return shapes without some nodes, or with others instead of them.

    Rings that collapse are left out; shapes that have none of the nodes are the same objects.
    """
    if len(nodes) == 0:
        return shapes
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    touched = np.unique(owner[np.isin(as_points(xy), nodes)])
    parts, part_of = shapely.get_parts(shapes[touched], return_index=True)
    rings, ring_of = shapely.get_rings(parts, return_index=True)
    shell = np.diff(ring_of, prepend=-1) > 0
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    open_ = np.diff(ring, append=len(rings)) == 0
    at, ring = as_points(xy[open_]), ring[open_]
    order = np.argsort(nodes)
    place = order[np.searchsorted(nodes, at, sorter=order) % len(nodes)]
    hit = nodes[place] == at
    if instead is None:
        at, ring = at[~hit], ring[~hit]
    else:
        at = np.where(hit, instead[place], at)
    before = np.arange(len(at)) - 1
    first = np.flatnonzero(np.diff(ring, prepend=-1))
    before[first] = np.append(first[1:], len(ring)) - 1
    step = at != at[before]
    at, ring = at[step], ring[step]
    whole = np.bincount(ring, minlength=len(rings)) >= 3
    whole &= whole[np.flatnonzero(shell)[ring_of]]  # no hole without a shell
    kept = whole[ring]
    _, number = np.unique(ring[kept], return_inverse=True)
    xy = np.column_stack([at[kept].real, at[kept].imag])
    out = shapes.copy()
    out[touched] = shapely.Polygon()
    if len(xy):
        polygon, part = np.unique(ring_of[whole], return_inverse=True)
        drawn = geometries(shapely.linearrings(xy, indices=number))
        made = geometries(shapely.polygons(drawn, indices=part))
        _gather(out, made, touched[part_of[polygon]])
    return out


def _gather(out: Geometries, parts: Geometries, owner: Ints) -> None:
    """Put parts in their places, those of one owner as one geometry."""
    heads = np.flatnonzero(np.diff(owner, prepend=-1))
    for own in np.split(np.arange(len(owner)), heads[1:]):
        out[owner[own[0]]] = parts[own[0]] if len(own) == 1 else shapely.MultiPolygon(parts[own])


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
    added = with_vertices(outline, chains.of_rim)
    if not chains.of_rim or not shapely.is_valid(added):
        return outline, np.empty((0, 2)), 0.0
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
    near = shapely.STRtree(polygons).query(
        shapely.points(xy[moving]), predicate="dwithin", distance=limit
    )[1]
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
    """Return a polygon with some corners moved, without the steps that became none.

    It is the same where a ring would vanish.
    """
    xy = shapely.get_coordinates(shape)
    fresh = np.array([moves.get(node, node) for node in map(tuple, (xy + 0.0).tolist())])
    if (fresh == xy).all():
        return shape
    moved = shapely.set_coordinates(shapely.from_wkb(shapely.to_wkb(shape)), fresh)
    try:
        return shapely.remove_repeated_points(moved)
    except shapely.errors.GEOSException:
        return shape


@dataclass
class Work:
    """Cells on the bench, with what happened to each row, and the outline they are to fill.

    Attributes
    ----------
    beside, moved : float
        How far the farthest vertex that was added lies beside its side, and how far the farthest
        corner was moved, in units of the coordinates.
    """

    polygons: Geometries
    outline: shapely.Geometry
    changes: dict[int, str] = field(default_factory=dict)
    absorbed: dict[int, int] = field(default_factory=dict)
    created: list[shapely.Geometry] = field(default_factory=list)
    beside: float = 0.0
    moved: float = 0.0


def matched(polygons: Geometries, limit: float) -> tuple[Geometries, Ints]:
    """Make polygons match vertex by vertex where they differ by rounding, and say which changed.

    Examples
    --------
    >>> parcels = shapely.box([0, 0, 1], [0, 1, 1], [2, 1, 2], [1, 2, 2])
    >>> _, changed = matched(parcels, 1e-6)  # the long side gets the corner in its middle
    >>> changed.tolist()
    [0]
    """
    work = Work(polygons.copy(), shapely.Polygon())
    brought_together(work, limit)
    return work.polygons, np.array(sorted(work.changes), dtype=np.int64)


def first_misfit(polygons: Geometries, slit: float) -> tuple[int, int, float] | None:
    """Find two polygons that overlap, or face each other across a slit and share no border.

    A notch between two that share a border elsewhere makes no strangers of them.

    Returns
    -------
    tuple or None
        Both positions and how far they are apart, negative where they overlap.
    """
    edges, owner = directed_edges(polygons)
    left = residual(edges)
    whose = owner[left.members[left.runs[:-1]]]
    a, b = left.edges[:, :2], left.edges[:, 2:]
    middle = (a + b) / 2
    length = np.hypot(*(b - a).T)
    outward = np.column_stack([b[:, 1] - a[:, 1], a[:, 0] - b[:, 0]]) / length[:, None]
    tree = shapely.STRtree(polygons)
    point, other = tree.query(shapely.points(middle), predicate="dwithin", distance=slit)
    foreign = whose[point] != other
    point, other = point[foreign], other[foreign]
    link = shapely.shortest_line(shapely.points(middle[point]), polygons[other])
    gap = shapely.length(link)
    ends = shapely.get_coordinates(link).reshape(-1, 2, 2)
    straight = ((ends[:, 1] - ends[:, 0]) * outward[point]).sum(axis=1)
    facing = np.flatnonzero((gap > 0) & (straight > FACING * gap))
    shared = shapely.intersection(polygons[whose[point[facing]]], polygons[other[facing]])
    wrong = np.union1d(np.flatnonzero(gap == 0), facing[shapely.length(shared) == 0])
    if len(wrong) == 0:
        return None
    k = wrong[np.argmin(gap[wrong])]
    return int(whose[point[k]]), int(other[k]), float(gap[k])


def brought_together(work: Work, limit: float) -> tuple[Split, Ints]:
    """Add vertices to sides and make close corners one; return what is left, and whose it is."""
    left, owner, parts = _remainder(work)
    if len(left) == 0:
        return parts, owner[:0]
    if _insert(work, left, owner, parts):
        left, owner, parts = _remainder(work)
    if len(parts.left):
        everything, changed, moved = welded(everything_of(work), left, owner, limit)
        if len(changed):
            _put(work, everything, changed, "rebuilt")
            work.moved = max(work.moved, moved)
            left, owner, parts = _remainder(work)
        if _follow_chains(work, left, owner, limit):
            left, owner, parts = _remainder(work)
    if len(left) and _insert(work, left, owner, parts):
        left, owner, parts = _remainder(work)
    mine = np.isin(left.source, parts.piece_of[parts.left.members])
    return parts, owner[left.members[mine]]


def _follow_chains(work: Work, left: Leftover, owner: Ints, limit: float) -> bool:
    """Add vertices where borders run beside each other; tell whether there were any."""
    chains = near_chains(left, owner, limit)
    work.beside = max(work.beside, chains.beside)
    return _add(work, chains.of_cells | ({-1: chains.of_rim} if chains.of_rim else {}))


def _remainder(work: Work) -> tuple[Leftover, Ints, Split]:
    """Return what is left of the cells against their outline, the owners, and it split."""
    rim = rings_of(np.array([work.outline], dtype=object))
    _, owner, left = remainder(rings_of(everything_of(work)), rim)
    return left, owner, split(left)


def _put(work: Work, shapes: Any, cells: Iterable[int], change: str) -> None:
    """Put changed cells back in their place."""
    count = len(work.polygons)
    for k in map(int, cells):
        if k >= count:
            work.created[k - count] = shapes[k]
        else:
            work.polygons[k] = shapes[k]
            work.changes.setdefault(k, change)


def everything_of(work: Work) -> Geometries:
    return np.concatenate([work.polygons, np.array([*work.created, None], dtype=object)[:-1]])


def _insert(work: Work, left: Leftover, owner: Ints, parts: Split) -> bool:
    """Add the vertices that neighbours have exactly on a side; tell whether there were any."""
    side_of = owner[left.members[left.runs[:-1]]]
    extra = {
        cell: extra_vertices(parts, left.edges, side_of == cell)
        for cell in np.unique(side_of).tolist()
    }
    return _add(work, {cell: added for cell, added in extra.items() if added})


def _add(work: Work, extra: Mapping[int, Sides]) -> bool:
    """Add vertices to sides of cells (-1: of the outline); tell whether there are any."""
    for cell, added in extra.items():
        if cell < 0:
            work.outline = with_vertices(work.outline, added)
        else:
            shape = with_vertices(everything_of(work)[cell], added)
            _put(work, {cell: shape}, [cell], "vertex-added")
    return bool(extra)


def extra_vertices(parts: Split, sides: Floats, mine: Bools) -> dict[tuple[float, ...], Floats]:
    """Return, for each of some sides, the T-junctions on it in order."""
    rows = parts.junctions
    rows = rows[mine[parts.edge[rows]]]
    extra = {}
    for edge in np.unique(parts.edge[rows]):
        on = parts.vertices[rows[parts.edge[rows] == edge]]
        along = np.abs(on - sides[edge, :2]).sum(axis=1)
        extra[tuple(sides[edge].tolist())] = on[np.argsort(along)]
    return extra
