"""Where a coverage is broken: the cells at fault, the area they should fill, in local frames.

Patches built anew: the cells at fault share out the area that the sound ones leave open.

The outline of a patch is taken from the sound neighbours and the boundary vertex by vertex, so
that nothing outside of it changes. Inside, the lines of the cells at fault cut it into faces, and
each face goes to one cell. Whatever the choice, the faces tile the patch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import shapely

from gridmap._arrays import (
    Bools,
    Floats,
    Geometries,
    Ints,
    as_points,
    components,
    connected_parts,
    segments,
)
from gridmap.coverage.edges import (
    Leftover,
    ascending,
    directed_edges,
    equal_edges,
    paths,
    residual,
    reverse,
)
from gridmap.coverage.prove import rows_of, split
from gridmap.coverage.snapping import keep_corners, keep_outline, without_idle_vertices


@dataclass(frozen=True)
class Patches:
    """The cells at fault and the areas to fill, in groups that do not touch each other.

    Attributes
    ----------
    cells : ndarray of int
        Positions of the cells at fault.
    cell_group : ndarray of int
        Group of each.
    faces : ndarray of Polygon
        Parts of the boundary's interior that no sound cell covers.
    face_group : ndarray of int
        Group of each.
    origin : ndarray of float, shape (groups, 2)
        A point near each group; coordinates minus it are exact and short.
    """

    cells: Ints
    cell_group: Ints
    faces: Geometries
    face_group: Ints
    origin: Floats


def find_patches(polygons: Geometries, rest: Leftover, owner: Ints) -> Patches:
    """Find the cells that touch leftover edges, and the area that all other cells leave open.

    With S the sum of the edges of all cells, J the outline and L = S - J what is left, the area
    that the sound cells leave open has the outline J - (S - F) = F - L, where F are the edges of
    the cells at fault. So nothing but the surroundings of the defects is looked at.

    Parameters
    ----------
    polygons : array of polygons
        All cells.
    rest : Leftover
        What is left of them against the outline, T-junctions aside.
    owner : ndarray of int
        Cells that own leftover edges.
    """
    lines = segments(rest.edges)
    _, hit = shapely.STRtree(polygons).query(lines, predicate="intersects")
    cells = np.unique(np.concatenate([hit, owner[owner >= 0]])).astype(np.int64)
    faces = open_faces(polygons[cells], rest)
    return _grouped(polygons, cells, faces, lines)


def open_faces(at_fault: Geometries, rest: Leftover) -> Geometries:
    """Return the areas that the cells not at fault leave open."""
    mine, _ = directed_edges(at_fault)
    count = np.concatenate([np.ones(len(mine), dtype=np.int64), rest.count])
    chain = residual(np.concatenate([mine, reverse(rest.edges)]), weight=count)
    parts = split(chain)
    left = parts.left
    if len(left) == 0:
        return np.empty(0, dtype=object)
    edge = parts.piece_of[left.members[left.runs[:-1]]]
    outline = left.edges[np.argsort(chain.members[chain.runs[edge]], kind="stable")]
    faces = shapely.get_parts(shapely.polygonize(paths(outline)[0]))
    return np.asarray(faces[_on_the_left(faces, outline)], dtype=object)


def _on_the_left(faces: Geometries, outline: Floats) -> Bools:
    """Tell which faces lie on the left of the directed edges that bound them."""
    edges, owner = directed_edges(faces)
    inside = np.isin(rows_of(edges), rows_of(outline))
    return np.bincount(owner, inside, minlength=len(faces)) > 0


def _grouped(polygons: Geometries, cells: Ints, faces: Geometries, lines: Geometries) -> Patches:
    """Group cells and faces that are linked by a leftover edge or by touching."""
    count = len(cells)
    chosen = shapely.make_valid(polygons[cells])
    tree = shapely.STRtree(chosen)
    face, cell = tree.query(faces, predicate="intersects")
    line, lined = tree.query(lines, predicate="intersects")
    nodes = count + len(faces) + len(lines)
    a = np.concatenate([face + count, line + count + len(faces)])
    b = np.concatenate([cell, lined])
    label = components(nodes, a, b)
    _, label = np.unique(label[: count + len(faces)], return_inverse=True)
    boxes = shapely.bounds(np.concatenate([chosen, faces]))
    groups = int(label.max()) + 1 if len(label) else 0
    low, high = np.full((groups, 2), np.inf), np.full((groups, 2), -np.inf)
    np.minimum.at(low, label, boxes[:, :2])
    np.maximum.at(high, label, boxes[:, 2:])
    origin = np.array([local_origin(box) for box in np.hstack([low, high])]).reshape(-1, 2)
    label = label.astype(np.int64)
    return Patches(cells, label[:count], faces, label[count:], origin)


def local_origin(bounds: Floats) -> Floats:
    """Return a point near a box from which coordinates can be measured without rounding.

    It is a multiple of a power of two at least the size of the box, and not further from zero
    than the box, so that every difference is a double.
    """
    low, high = np.asarray(bounds[:2]), np.asarray(bounds[2:])
    if not np.isfinite(bounds).all():
        return np.zeros(2)
    size = max(float((high - low).max()), np.spacing(float(np.abs(bounds).max())) * 2.0**20)
    step = 2.0 ** np.ceil(np.log2(size)) if size > 0 else 1.0
    down, up = np.floor(low / step) * step, np.ceil(high / step) * step
    return np.where(low >= 0, down, np.where(high <= 0, up, 0.0)) + 0.0


def shift(geometries: Geometries, by: Floats) -> Geometries:
    """Return geometries moved by one vector each, or all by the same."""
    moved = np.array(geometries, dtype=object, copy=True)
    counts = shapely.get_num_coordinates(moved)
    vectors = np.broadcast_to(by, (len(moved), 2))
    xy = shapely.get_coordinates(moved) + np.repeat(vectors, counts, axis=0)
    return np.asarray(shapely.set_coordinates(moved, xy), dtype=object)


def areal_parts(geometries: Geometries) -> tuple[Geometries, Ints]:
    """Return the polygons in geometries of any kind, and which each comes from."""
    parts, source = shapely.get_parts(geometries, return_index=True)
    inner, again = shapely.get_parts(parts, return_index=True)
    polygon = (shapely.get_type_id(inner) == 3) & ~shapely.is_empty(inner)
    return inner[polygon], source[again[polygon]].astype(np.int64)


def made_valid(geometries: Geometries) -> Geometries:
    """Return areas with their self-crossings resolved; valid ones are untouched."""
    out = np.array(geometries, dtype=object, copy=True)
    bad = np.flatnonzero(~shapely.is_valid(out) & ~shapely.is_missing(out))
    for k in bad:
        valid = shapely.make_valid(out[k], method="structure", keep_collapsed=False)
        parts, _ = areal_parts(np.array([valid], dtype=object))
        out[k] = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
    return out


def known_vertices(geometries: Geometries, xy: Floats) -> Bools:
    """Tell of each geometry whether all its vertices are among given ones."""
    own, source = shapely.get_coordinates(geometries, return_index=True)
    strange = ~np.isin(as_points(own + 0.0), as_points(xy + 0.0))
    return np.asarray(np.bincount(source, strange, minlength=len(geometries)) == 0)


CLEAR = 0.1
"""Share of a polygon's width that a point must keep from its border to be clearly inside."""


def inner_points(polygons: Geometries) -> Geometries:
    """Return a point inside each polygon, also of slivers: a centroid of its largest triangle."""
    points = np.asarray(shapely.point_on_surface(polygons), dtype=object)
    area, perimeter = shapely.area(polygons), shapely.length(polygons)
    width = np.divide(2 * area, perimeter, out=np.zeros(len(points)), where=perimeter > 0)
    # not so near its border that a rounding may carry the point over it
    near = np.flatnonzero(~(shapely.distance(points, shapely.boundary(polygons)) > CLEAR * width))
    triangles, of = largest_triangles(polygons[near])
    points[near[of]] = shapely.centroid(triangles)
    return points


def largest_triangles(polygons: Geometries) -> tuple[Geometries, Ints]:
    """Return the largest triangle of each polygon that has one, and the polygon of each."""
    triangles, source = shapely.get_parts(
        shapely.constrained_delaunay_triangles(polygons), return_index=True
    )
    order = np.lexsort((-shapely.area(triangles), source))
    first = order[np.diff(source[order], prepend=-1) > 0]
    return triangles[first], source[first]


@dataclass(frozen=True)
class Frame:
    """Local coordinates in which the doubles of the input are one square lattice.

    New nodes are rounded to the lattice, so that they can be written in the coordinates of the
    input, and old ones stay bit for bit. All numbers are powers of two or multiples of them.
    """

    origin: Floats
    stretch: float
    lattice: float

    def to(self, geometries: Geometries) -> Geometries:
        """Return geometries in the frame."""
        near = shift(geometries, -self.origin)
        return _scaled(near, self.stretch)

    def back(self, geometries: Geometries) -> Geometries:
        """Return geometries in the coordinates of the input."""
        near = _scaled(geometries, 1 / self.stretch)
        return shift(near, self.origin)


def frame_of(cells: Geometries, faces: Geometries, origin: Floats) -> Frame:
    """Return the frame of a patch: its lattice is the spacing of the doubles on either axis."""
    xy = np.abs(shapely.get_coordinates(np.concatenate([cells, faces])))
    extent = float(np.abs(shapely.get_coordinates(faces) - origin).max(initial=1e-9))
    smallest = [float(axis[axis > 0].min(initial=np.inf)) for axis in xy.T]
    finest = 2.0 ** (np.ceil(np.log2(extent)) - 50)
    step_x, step_y = (
        max(2.0 ** np.floor(np.log2(np.spacing(min(value, 1e300)))), finest) for value in smallest
    )
    return Frame(origin, float(step_y / step_x), float(step_y))


def _scaled(geometries: Geometries, stretch: float) -> Geometries:
    """Return geometries with eastings scaled."""
    if stretch == 1.0:
        return geometries
    out = geometries.copy()
    xy = shapely.get_coordinates(out) * np.array([stretch, 1.0])
    return np.asarray(shapely.set_coordinates(out, xy), dtype=object)


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

    rank: Floats | None
    absorb: bool
    new_cell_area: float

    def stretched(self, factor: float) -> Rules:
        """Return rules with areas as they are where eastings are stretched."""
        return replace(self, new_cell_area=self.new_cell_area * factor)


def shared_out(
    pieces: Geometries, cover: list[list[int]], local: Geometries, cells: Ints, rules: Rules
) -> Ints:
    """Give every piece to a cell; numbers from the count of cells on are new cells."""
    border = _borders(pieces)
    area = shapely.area(pieces)
    owner = np.array([c[0] if len(c) == 1 else FREE for c in cover], dtype=np.int64)
    order = [int(k) for k in np.argsort(-area, kind="stable") if owner[k] == FREE]
    # cells that have no piece of their own lie inside others
    nested = set(range(len(local))) - set(owner[owner != FREE].tolist())
    for k in order:
        if len(cover[k]) > 1:
            owner[k] = _winner(cover[k], border[k], owner, nested, local, cells, rules)
    created = 0
    for k in order:
        if not cover[k] and area[k] >= rules.new_cell_area:
            owner[k] = len(local) + created
            created += 1
    _grow(owner, border, [k for k in order if owner[k] == FREE])
    _reunite(owner, border, area, local, cover)
    return owner


def _borders(pieces: Geometries) -> list[dict[int, float]]:
    """Return the length of the common border of each piece with each other one."""
    edges, owner = directed_edges(pieces)
    order, heads = equal_edges(edges)
    twice = heads[np.diff(heads, append=len(order)) == 2]
    other = owner.copy()
    one, two = order[twice], order[twice + 1]
    other[one], other[two] = owner[two], owner[one]
    shared = np.flatnonzero(other != owner)
    length = np.hypot(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1])[shared]
    pair = owner[shared] * len(pieces) + other[shared]
    pairs, first, number = np.unique(pair, return_index=True, return_inverse=True)
    total = np.bincount(number, length)
    border: list[dict[int, float]] = [{} for _ in pieces]
    for k in np.argsort(first).tolist():  # as they come along the edges
        border[pairs[k] // len(pieces)][int(pairs[k] % len(pieces))] = float(total[k])
    return border


def _winner(
    covering: list[int],
    border: dict[int, float],
    owner: Ints,
    nested: set[int],
    local: Geometries,
    cells: Ints,
    rules: Rules,
) -> int:
    """Choose which of the covering cells gets an overlap."""
    inner = [c for c in covering if c in nested]
    outer = [c for c in covering if c not in nested]
    choice = covering if not inner else outer if outer and rules.absorb else inner
    if rules.rank is not None:
        return max(choice, key=lambda c: (rules.rank[cells[c]], -c))  # type: ignore[index]
    if inner and choice is inner:  # the innermost; of duplicates the first
        sign = -1.0 if rules.absorb else 1.0
        return min(choice, key=lambda c: (sign * shapely.area(local[c]), c))
    length: Counter[int] = Counter()
    for piece, size in border.items():
        if owner[piece] in choice:
            length[int(owner[piece])] += size  # type: ignore[assignment]
    return max(choice, key=lambda c: (length[c], -c))


def _grow(owner: Ints, border: list[dict[int, float]], left: list[int]) -> None:
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
    owner: Ints,
    border: list[dict[int, float]],
    area: Floats,
    local: Geometries,
    cover: list[list[int]],
) -> None:
    """Give parts cut off from a cell to the neighbour of the longest border.

    What lay in the cell alone stays in it, also when it is cut off.
    """
    for cell in range(len(local)):
        if shapely.get_num_geometries(local[cell]) > 1:
            continue
        parts = connected_parts(np.flatnonzero(owner == cell).tolist(), border)
        parts.sort(key=lambda p: -float(area[p].sum()))
        for part in parts[1:]:
            if any(cover[k] == [cell] for k in part):
                continue
            length: Counter[int] = Counter()
            for k in part:
                for piece, size in border[k].items():
                    if owner[piece] not in (cell, FREE):
                        length[int(owner[piece])] += size  # type: ignore[assignment]
            if length:
                owner[part] = max(length, key=lambda c: (length[c], -c))


def heir_of(k: int, cells: Ints, cover: list[list[int]], owner: Ints) -> int:
    """Return the cell that got most pieces of a cell that vanished."""
    got = Counter(
        int(owner[p]) for p, c in enumerate(cover) if k in c and owner[p] not in (FREE, k)
    )
    heirs = [c for c, _ in got.most_common() if c < len(cells)]
    return int(cells[heirs[0]]) if heirs else FREE


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
    cells: Ints,
    faces: Geometries,
    origin: Floats,
    rules: Rules,
) -> None:
    """Share out one group of patches among its cells."""
    frame = frame_of(polygons[cells], faces, origin)
    local, wanted = made_valid(frame.to(polygons[cells])), frame.to(faces)
    pieces, cover = _pieces(local, wanted, frame.lattice)
    owner = shared_out(pieces, cover, local, cells, rules.stretched(frame.stretch))
    owners = np.unique(owner[owner != FREE])
    united = [_united(pieces[owner == k]) for k in owners]
    shapes = np.concatenate([np.empty(0, dtype=object), *united])
    drawn = [local[k] if k < len(cells) else None for k in owners.tolist()]
    shapes = keep_outline(keep_corners(shapes, wanted, frame.lattice), wanted)
    shapes = without_idle_vertices(shapes, drawn)
    left = ~shapely.is_empty(shapes)
    shapes, owners = shapes[left], owners[left]
    shapes = frame.back(shapes)
    for k, cell in enumerate(cells):
        if k not in owners:
            out.polygons[cell] = shapely.Polygon()
            out.absorbed[int(cell)] = heir_of(k, cells, cover, owner)
    for k, shape in zip(owners.tolist(), shapes, strict=True):
        if k < len(cells):
            out.polygons[cells[k]] = shape
        else:
            out.created.append(shape)


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
    edges, _ = directed_edges(np.concatenate([cells, wanted]))
    order, heads = equal_edges(edges)
    once = np.sort(np.minimum.reduceat(order, heads))
    noded = shapely.union_all(paths(edges[once])[0], grid_size=lattice)
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


def _sides_of_outline(pieces: Geometries, wanted: Geometries) -> Ints:
    """Tell from shared edges which pieces lie inside (1) or outside (-1); 0 shares none.

    A point of a needle may round to the wrong side; its edges cannot.
    """
    edges, owner = directed_edges(pieces)
    outline, _ = directed_edges(wanted)
    everything = np.concatenate([edges, outline])
    order, heads = equal_edges(everything)
    run = np.empty(len(order), dtype=np.int64)
    run[order] = np.repeat(np.arange(len(heads)), np.diff(heads, append=len(order)))
    up = ascending(everything)
    known = np.zeros((2, len(heads)), dtype=bool)  # of the outline, downwards and upwards
    known[up[len(edges) :].astype(np.int64), run[len(edges) :]] = True
    way, at = up[: len(edges)].astype(np.int64), run[: len(edges)]
    votes = known[way, at].astype(np.float64) - known[1 - way, at]
    return np.sign(np.bincount(owner, votes, minlength=len(pieces))).astype(np.int64)
