"""Patches built anew: the cells at fault share out the area that the sound ones leave open.

The outline of a patch is taken from the sound neighbours and the boundary vertex by vertex, so
that nothing outside of it changes. Inside, the lines of the cells at fault cut it into faces, and
each face goes to one cell. Whatever the choice, the faces tile the patch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.chain import Edges, Geometries, Index, directed_edges, residual, reverse
from gridmap.coverage.orient import orientation
from gridmap.coverage.patches import Patches, areal_parts, inner_points, made_valid, shift

Node = tuple[float, float]
FREE = -1


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
    local = made_valid(_moved(polygons[cells], -origin))
    wanted = _moved(faces, -origin)
    pieces, cover = _pieces(local, wanted, _lattice(polygons[cells], faces, wanted))
    pieces = _keep_outline(pieces, wanted)
    owner = _shared_out(pieces, cover, local, cells, rules)
    owners = np.unique(owner[owner != FREE])
    shapes = np.concatenate([_united(pieces[owner == k]) for k in owners])
    drawn = [local[k] if k < len(cells) else None for k in owners.tolist()]
    shapes = _moved(without_idle_vertices(shapes, drawn), origin)
    for k, cell in enumerate(cells):
        if k not in owners:
            out.polygons[cell] = shapely.Polygon()
            out.absorbed[int(cell)] = _heir(k, cells, cover, owner)
    for k, shape in zip(owners.tolist(), shapes, strict=True):
        if k < len(cells):
            out.polygons[cells[k]] = shape
        else:
            out.created.append(shape)


def _moved(geometries: Geometries, by: NDArray[np.float64]) -> Geometries:
    return shift(geometries, np.tile(by, (len(geometries), 1)))


def _united(pieces: Geometries) -> Geometries:
    union = shapely.coverage_union_all(pieces)
    parts, _ = areal_parts(np.array([union], dtype=object))
    return parts if len(parts) == 1 else np.array([shapely.multipolygons(parts)], dtype=object)


def _lattice(cells: Geometries, faces: Geometries, wanted: Geometries) -> float:
    """Return the spacing of the doubles that the input is written in, a power of two.

    New nodes are rounded to it, so that they can be written in the same coordinates, and old ones
    stay bit for bit.
    """
    xy = np.abs(shapely.get_coordinates(np.concatenate([cells, faces])))
    extent = float(np.abs(shapely.get_coordinates(wanted)).max(initial=1.0))
    smallest = float(xy[xy > 0].min(initial=extent))
    coarse = 2.0 ** (np.ceil(np.log2(extent)) - 50)
    return float(max(2.0 ** np.floor(np.log2(np.spacing(smallest))), coarse))


def _pieces(
    cells: Geometries, wanted: Geometries, lattice: float
) -> tuple[Geometries, list[list[int]]]:
    """Cut the patch along all lines; return the pieces and which cells cover each."""
    lines = shapely.boundary(np.concatenate([cells, wanted]))
    noded = shapely.union_all(lines, grid_size=lattice)
    pieces = shapely.get_parts(shapely.polygonize([noded]))
    point = inner_points(pieces)
    inside = np.unique(shapely.STRtree(wanted).query(point, predicate="within")[0])
    pieces, point = pieces[inside], point[inside]
    cover: list[list[int]] = [[] for _ in pieces]
    for p, c in zip(*shapely.STRtree(cells).query(point, predicate="within").tolist(), strict=True):
        cover[p].append(c)
    return np.asarray(pieces, dtype=object), [sorted(c) for c in cover]


def _keep_outline(pieces: Geometries, wanted: Geometries) -> Geometries:
    """Move nodes that the lines put on sides of the outline to the nearer end of the side.

    The neighbours and the boundary do not know these nodes and are not to change.
    """
    edges, _ = directed_edges(pieces)
    outline, _ = directed_edges(wanted)
    left = residual(np.concatenate([edges, reverse(outline)]))
    if len(left) == 0:
        return pieces
    steps: dict[Node, list[Node]] = defaultdict(list)
    sides: list[tuple[Node, Node]] = []
    own = {tuple(e) for e in reverse(outline).tolist()}
    for edge in left.edges.tolist():
        a, b = (edge[0], edge[1]), (edge[2], edge[3])
        if tuple(edge) in own:
            sides.append((b, a))
        else:
            steps[a].append(b)
    moves: dict[Node, Node] = {}
    for start, end in sides:
        for node in _between(start, end, steps):
            moves[node] = min(start, end, key=lambda corner: _distance(corner, node))
    return _substituted(pieces, moves)


def _between(start: Node, end: Node, steps: dict[Node, list[Node]]) -> list[Node]:
    """Return the nodes on the way from one end of a side to the other."""
    found: list[Node] = []
    at, limit = start, _distance(start, end) * (1 + 1e-9)
    while at != end:
        ways = [n for n in steps.get(at, []) if _distance(n, end) < limit and n not in found]
        if not ways:
            return found
        at = min(ways, key=lambda n: abs(_offset(start, end, n)))
        limit = _distance(at, end)
        if at != end:
            found.append(at)
    return found


def _distance(a: Node, b: Node) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _offset(a: Node, b: Node, p: Node) -> float:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def _substituted(pieces: Geometries, moves: dict[Node, Node]) -> Geometries:
    """Return the pieces with some nodes moved; pieces that collapse are dropped."""
    if not moves:
        return pieces
    xy = shapely.get_coordinates(pieces)
    for k, node in enumerate(map(tuple, xy.tolist())):
        if node in moves:
            xy[k] = moves[node]
    moved = shapely.set_coordinates(pieces.copy(), xy)
    return np.asarray(np.where(shapely.area(moved) > 0, moved, pieces), dtype=object)


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
    """Drop vertices on a straight line between two cells neither of which had them before.

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
    idle: dict[Node, int] = Counter()
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
        if node not in before[owner[k]]:
            idle[node] += 1
    gone = {node for node, count in idle.items() if count == seen[node] == 2}
    if not gone:
        return shapes
    return np.array([_without(shape, gone) for shape in shapes], dtype=object)


def _without(polygon: shapely.Geometry, gone: set[Node]) -> shapely.Geometry:
    parts = []
    for part in shapely.get_parts(polygon):
        rings = [
            [node for node in map(tuple, ring.coords) if node not in gone]
            for ring in (part.exterior, *part.interiors)
        ]
        rings = [ring if ring[0] == ring[-1] else [*ring, ring[0]] for ring in rings]
        parts.append(shapely.Polygon(rings[0], rings[1:]))
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


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
