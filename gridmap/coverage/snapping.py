"""Nodes of a rebuilt patch dropped, moved or added, so that its outline stays as it was."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import shapely

from gridmap.coverage.edges import Edges, Geometries, directed_edges, residual, reverse
from gridmap.coverage.predicates import orientation
from gridmap.coverage.t_junctions import as_points

Node = tuple[float, float]
STRAY = 8
"""Steps of the lattice that a node may have moved away from a corner."""


def keep_outline(shapes: Geometries, wanted: Geometries) -> Geometries:
    """Take nodes away that the lines put on sides of the outline.

    The neighbours and the boundary do not know these nodes and are not to change. A node inside
    the side of one cell is dropped; one where two cells meet moves to an end of the side.
    """
    dropped, moves = _nodes_on_outline(shapes, wanted)
    if not dropped and not moves:
        return shapes
    nearest = {node: min(ends, key=lambda e: _distance(e, node)) for node, ends in moves.items()}
    first = _renoded(shapes, dropped, nearest)
    if shapely.is_valid(first).all():
        return first
    furthest = {node: max(ends, key=lambda e: _distance(e, node)) for node, ends in moves.items()}
    second = _renoded(shapes, dropped, furthest)
    return second if shapely.is_valid(second).all() else first


def keep_corners(shapes: Geometries, wanted: Geometries, lattice: float) -> Geometries:
    """Put corners of the outline back that a node beside them has taken the place of."""
    nodes = np.unique(shapely.get_coordinates(shapes), axis=0)
    corners = np.unique(shapely.get_coordinates(wanted), axis=0)
    lost = corners[~np.isin(as_points(corners), as_points(nodes))]
    spare = nodes[~np.isin(as_points(nodes), as_points(corners))]
    if len(lost) == 0 or len(spare) == 0:
        return shapes
    tree = shapely.STRtree(shapely.points(spare))
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
    polygon: shapely.Geometry, extra: dict[tuple[float, ...], Edges]
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


def _nodes_on_outline(
    shapes: Geometries, wanted: Geometries
) -> tuple[set[Node], dict[Node, tuple[Node, Node]]]:
    """Return the nodes on sides to drop, and those to move with the ends of their side."""
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
    dropped: set[Node] = set()
    moves: dict[Node, tuple[Node, Node]] = {}
    for start, end in sides:
        for node, same in _between(start, end, steps):
            if same and uses[node] == 1:
                dropped.add(node)
            else:
                moves[node] = (start, end)
    return dropped, moves


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


def _with_vertices(ring: shapely.LinearRing, extra: dict[tuple[float, ...], Edges]) -> Edges:
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
