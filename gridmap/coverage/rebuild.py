"""Patches built anew: the cells at fault share out the area that the sound ones leave open.

The outline of a patch is taken from the sound neighbours and the boundary vertex by vertex, so
that nothing outside of it changes. Inside, the lines of the cells at fault cut it into faces, and
each face goes to one cell. Whatever the choice, the faces tile the patch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.chain import Edges, Geometries, Index, directed_edges, residual, reverse
from gridmap.coverage.junctions import as_points, rows_of
from gridmap.coverage.orient import orientation
from gridmap.coverage.patches import (
    Patches,
    areal_parts,
    inner_points,
    made_valid,
    open_faces,
    shift,
)

Node = tuple[float, float]
FREE = -1
STRAY = 8
"""Steps of the lattice that a node may have moved away from a corner."""


@dataclass(frozen=True)
class Rules:
    """Who gets what.

    Attributes
    ----------
    rank : ndarray of float or None
        The covering cell of the highest rank gets an overlap; without ranks the one with the
        longest border to it.
    absorb : bool
        A cell inside another one is absorbed; else it is punched out of the other.
    new_cell_area : float
        Gaps of at least this area become new cells.
    """

    rank: NDArray[np.float64] | None
    absorb: bool
    new_cell_area: float


@dataclass
class Rebuilt:
    """Cells after their patches were built anew."""

    polygons: Geometries
    created: list[shapely.Geometry] = field(default_factory=list)
    absorbed: dict[int, int] = field(default_factory=dict)


def rebuild(polygons: Geometries, patches: Patches, rules: Rules) -> Rebuilt:
    """Return the cells with every patch shared out anew; sound cells are the same objects."""
    out = Rebuilt(polygons.copy())
    for g in range(len(patches.origin)):
        cells = patches.cells[patches.cell_group == g]
        faces = patches.faces[patches.face_group == g]
        _rebuild_group(out, polygons, cells, faces, patches.origin[g], rules)
    return out


def _rebuild_group(
    out: Rebuilt,
    polygons: Geometries,
    cells: Index,
    faces: Geometries,
    origin: NDArray[np.float64],
    rules: Rules,
) -> None:
    """Share out one group of patches among its cells."""
    frame = _frame_of(polygons[cells], faces, origin)
    local, wanted = made_valid(frame.to(polygons[cells])), frame.to(faces)
    pieces, cover = _pieces(local, wanted, frame.lattice)
    owner = _shared_out(pieces, cover, local, cells, frame.scaled(rules))
    owners = np.unique(owner[owner != FREE])
    united = [_united(pieces[owner == k]) for k in owners]
    shapes = np.concatenate([np.empty(0, dtype=object), *united])
    drawn = [local[k] if k < len(cells) else None for k in owners.tolist()]
    shapes = _keep_outline(_keep_corners(shapes, wanted, frame.lattice), wanted)
    shapes = without_idle_vertices(shapes, drawn)
    left = ~shapely.is_empty(shapes)
    shapes, owners = shapes[left], owners[left]
    shapes = frame.back(shapes)
    for k, cell in enumerate(cells):
        if k not in owners:
            out.polygons[cell] = shapely.Polygon()
            out.absorbed[int(cell)] = _heir(k, cells, cover, owner)
    for k, shape in zip(owners.tolist(), shapes, strict=True):
        if k < len(cells):
            out.polygons[cells[k]] = shape
        else:
            out.created.append(shape)


@dataclass(frozen=True)
class _Frame:
    """Local coordinates in which the doubles of the input are one square lattice.

    New nodes are rounded to the lattice, so that they can be written in the coordinates of the
    input, and old ones stay bit for bit. All numbers are powers of two or multiples of them.
    """

    origin: NDArray[np.float64]
    stretch: float
    lattice: float

    def to(self, geometries: Geometries) -> Geometries:
        """Return geometries in the frame."""
        near = shift(geometries, np.tile(-self.origin, (len(geometries), 1)))
        return _scaled(near, self.stretch)

    def back(self, geometries: Geometries) -> Geometries:
        """Return geometries in the coordinates of the input."""
        near = _scaled(geometries, 1 / self.stretch)
        return shift(near, np.tile(self.origin, (len(near), 1)))

    def scaled(self, rules: Rules) -> Rules:
        """Return rules with areas as they are in the frame."""
        return replace(rules, new_cell_area=rules.new_cell_area * self.stretch)


def _frame_of(cells: Geometries, faces: Geometries, origin: NDArray[np.float64]) -> _Frame:
    """Return the frame of a patch: its lattice is the spacing of the doubles on either axis."""
    xy = np.abs(shapely.get_coordinates(np.concatenate([cells, faces])))
    extent = float(np.abs(shapely.get_coordinates(faces) - origin).max(initial=1e-9))
    smallest = [float(axis[axis > 0].min(initial=np.inf)) for axis in xy.T]
    finest = 2.0 ** (np.ceil(np.log2(extent)) - 50)
    step_x, step_y = (
        max(2.0 ** np.floor(np.log2(np.spacing(min(value, 1e300)))), finest) for value in smallest
    )
    return _Frame(origin, float(step_y / step_x), float(step_y))


def _scaled(geometries: Geometries, stretch: float) -> Geometries:
    """Return geometries with eastings scaled."""
    if stretch == 1.0:
        return geometries
    out = geometries.copy()
    xy = shapely.get_coordinates(out) * np.array([stretch, 1.0])
    return np.asarray(shapely.set_coordinates(out, xy), dtype=object)


def _united(pieces: Geometries) -> Geometries:
    try:
        union = shapely.coverage_union_all(pieces)
        parts, _ = areal_parts(np.array([union], dtype=object))
    except shapely.errors.GEOSException:  # takes some needles for overlaps
        parts = open_faces(pieces, residual(np.empty((0, 4))))
    return parts if len(parts) == 1 else np.array([shapely.multipolygons(parts)], dtype=object)


def _pieces(
    cells: Geometries, wanted: Geometries, lattice: float
) -> tuple[Geometries, list[list[int]]]:
    """Cut the patch along all lines; return the pieces and which cells cover each."""
    lines = shapely.boundary(np.concatenate([cells, wanted]))
    noded = shapely.union_all(lines, grid_size=lattice)
    pieces = shapely.get_parts(shapely.polygonize([noded]))
    point = inner_points(pieces)
    within = np.zeros(len(pieces), dtype=bool)
    within[shapely.STRtree(wanted).query(point, predicate="within")[0]] = True
    side = _sides_of_outline(pieces, wanted)
    inside = np.where(side == 0, within, side > 0)
    pieces, point = pieces[inside], point[inside]
    cover: list[list[int]] = [[] for _ in pieces]
    for p, c in zip(*shapely.STRtree(cells).query(point, predicate="within").tolist(), strict=True):
        cover[p].append(c)
    return np.asarray(pieces, dtype=object), [sorted(c) for c in cover]


def _sides_of_outline(pieces: Geometries, wanted: Geometries) -> Index:
    """Tell from shared edges which pieces lie inside (1) or outside (-1); 0 shares none.

    A point of a needle may round to the wrong side; its edges cannot.
    """
    edges, owner = directed_edges(pieces)
    outline = rows_of(directed_edges(wanted)[0])
    inner, outer = (np.isin(rows_of(e), outline) for e in (edges, reverse(edges)))
    votes = inner.astype(np.float64) - outer
    return np.sign(np.bincount(owner, votes, minlength=len(pieces))).astype(np.int64)


def _keep_outline(shapes: Geometries, wanted: Geometries) -> Geometries:
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


def _keep_corners(shapes: Geometries, wanted: Geometries, lattice: float) -> Geometries:
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


def _distance(a: Node, b: Node) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _offset(a: Node, b: Node, p: Node) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def _borders(pieces: Geometries) -> list[dict[int, float]]:
    """Return the length of the common border of each piece with each other one."""
    edges, owner = directed_edges(pieces)
    at: dict[tuple[float, ...], int] = {}
    for edge, k in zip(edges.tolist(), owner.tolist(), strict=True):
        at[tuple(edge)] = k
    border: list[dict[int, float]] = [{} for _ in pieces]
    length = np.hypot(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1])
    for edge, k, size in zip(reverse(edges).tolist(), owner.tolist(), length.tolist(), strict=True):
        other = at.get(tuple(edge))
        if other is not None and other != k:
            border[k][other] = border[k].get(other, 0.0) + size
    return border


def _shared_out(
    pieces: Geometries, cover: list[list[int]], local: Geometries, cells: Index, rules: Rules
) -> Index:
    """Give every piece to a cell; numbers from the count of cells on are new cells."""
    border = _borders(pieces)
    area = shapely.area(pieces)
    owner = np.array([c[0] if len(c) == 1 else FREE for c in cover], dtype=np.int64)
    order = [int(k) for k in np.argsort(-area, kind="stable") if owner[k] == FREE]
    nested = _nested(cover, owner, len(local))
    for k in order:
        if len(cover[k]) > 1:
            owner[k] = _winner(cover[k], border[k], owner, nested, local, cells, rules)
    created = 0
    for k in order:
        if not cover[k] and area[k] >= rules.new_cell_area:
            owner[k] = len(local) + created
            created += 1
    _grow(owner, border, [k for k in order if owner[k] == FREE])
    _reunite(owner, border, area, local)
    return owner


def _nested(cover: list[list[int]], owner: Index, cells: int) -> set[int]:
    """Return the cells that have no piece of their own: they lie inside others."""
    return set(range(cells)) - set(owner[owner != FREE].tolist())


def _winner(
    covering: list[int],
    border: dict[int, float],
    owner: Index,
    nested: set[int],
    local: Geometries,
    cells: Index,
    rules: Rules,
) -> int:
    """Choose which of the covering cells gets an overlap."""
    inner = [c for c in covering if c in nested]
    outer = [c for c in covering if c not in nested]
    kept = outer if rules.absorb else inner
    choice = kept if inner and outer else covering
    if rules.rank is not None:
        return max(choice, key=lambda c: (rules.rank[cells[c]], -c))  # type: ignore[index]
    if inner and not outer:  # duplicates: the first stays
        return min(choice, key=lambda c: (-shapely.area(local[c]), c))
    length: Counter[int] = Counter()
    for piece, size in border.items():
        if owner[piece] in choice:
            length[int(owner[piece])] += size  # type: ignore[assignment]
    return max(choice, key=lambda c: (length[c], -c))


def _grow(owner: Index, border: list[dict[int, float]], left: list[int]) -> None:
    """Give gaps to the neighbour of the longest border, from the edges inwards."""
    while left:
        later = []
        for k in left:
            length: Counter[int] = Counter()
            for piece, size in border[k].items():
                if owner[piece] != FREE:
                    length[int(owner[piece])] += size  # type: ignore[assignment]
            if length:
                owner[k] = max(length, key=lambda c: (length[c], -c))
            else:
                later.append(k)
        if len(later) == len(left):
            return
        left = later


def _reunite(
    owner: Index, border: list[dict[int, float]], area: NDArray[np.float64], local: Geometries
) -> None:
    """Give parts that were cut off from a cell to the neighbour of the longest border."""
    for cell in range(len(local)):
        if shapely.get_num_geometries(local[cell]) > 1:
            continue
        parts = _parts(np.flatnonzero(owner == cell).tolist(), border)
        parts.sort(key=lambda p: -float(area[p].sum()))
        for part in parts[1:]:
            length: Counter[int] = Counter()
            for k in part:
                for piece, size in border[k].items():
                    if owner[piece] not in (cell, FREE):
                        length[int(owner[piece])] += size  # type: ignore[assignment]
            if length:
                owner[part] = max(length, key=lambda c: (length[c], -c))


def _parts(members: list[int], border: list[dict[int, float]]) -> list[list[int]]:
    """Return the connected parts of a set of pieces."""
    left, parts = set(members), []
    while left:
        stack, part = [left.pop()], []
        while stack:
            k = stack.pop()
            part.append(k)
            near = [n for n in border[k] if n in left]
            left.difference_update(near)
            stack.extend(near)
        parts.append(sorted(part))
    return parts


def _heir(k: int, cells: Index, cover: list[list[int]], owner: Index) -> int:
    """Return the cell that got most pieces of a cell that vanished."""
    got = Counter(
        int(owner[p]) for p, c in enumerate(cover) if k in c and owner[p] not in (FREE, k)
    )
    heirs = [c for c, _ in got.most_common() if c < len(cells)]
    return int(cells[heirs[0]]) if heirs else FREE


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
