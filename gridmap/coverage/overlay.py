"""The explanation of a failed proof: each gap, overlap and stick-out as a polygon.

What a large, dirty set of cells leaves open of an area, without the union of everything.

A union of many cells with gaps between them is slow because it drags every gap along as a hole.
Here neighbours are united block by block, the holes of each block are set aside and filled, and
only the filled outlines are united further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.arrangement import enclosed
from gridmap.coverage.edges import Edges, Geometries, Index, Leftover, Rings, rings_of
from gridmap.coverage.geometry_defects import Faults, cross, faults_of, joined, resolution
from gridmap.coverage.patches import (
    Patches,
    areal_parts,
    everything,
    inner_points,
    known_vertices,
    made_valid,
    shift,
)
from gridmap.coverage.prove import dissolved, polygons_of, remainder
from gridmap.coverage.t_junctions import Split, as_points, split
from gridmap.errors import InputError


def outline_of(cells: Any, exclude: Any = None) -> shapely.Geometry:
    """Derive a boundary: the outer rings of the union of cells, filled, without some areas.

    Examples
    --------
    >>> ring = shapely.difference(shapely.box(0, 0, 3, 3), shapely.box(1, 1, 2, 2))
    >>> outline_of([ring]).area
    9.0
    """
    polygons = polygons_of("cells", cells)
    sound = made_valid(polygons[~(shapely.is_missing(polygons) | shapely.is_empty(polygons))])
    if len(sound) == 0:
        raise InputError("`cells` are empty, so no outline can be derived. Hand in a boundary.")
    parts, _ = areal_parts(np.array([dissolved(sound)], dtype=object))
    if len(parts) == 0:
        raise InputError("`cells` have no area, so no outline can be derived. Hand in a boundary.")
    rings, part = shapely.get_rings(parts, return_index=True)
    inner = np.flatnonzero(part[1:] == part[:-1]) + 1
    if exclude is not None and len(inner):
        declared = inside(shapely.polygons(rings[inner]), polygons_of("exclude", exclude))
        inner = inner[declared]
    else:
        inner = inner[:0]
    shells = [
        shapely.Polygon(shell.exterior, list(rings[inner[part[inner] == k]]))
        for k, shell in enumerate(parts)
    ]
    return shells[0] if len(shells) == 1 else shapely.union_all(shells)


def inside(polygons: Geometries, areas: Geometries) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which polygons lie in one of some areas, but for what doubles cannot tell."""
    if len(areas) == 0 or len(polygons) == 0:
        return np.zeros(len(polygons), dtype=bool)
    rest = shapely.difference(polygons, shapely.union_all(made_valid(areas)))
    faults = faults_of("", rest)
    fine = 4 * resolution(shapely.get_coordinates(polygons))
    return np.asarray(shapely.is_empty(rest) | (faults.width < fine))


BLOCK = 16
"""How many neighbours are united at a time."""


def differences(wanted: shapely.Geometry, cells: Geometries) -> tuple[Geometries, Geometries]:
    """Return what cells leave open of an area, and what of them lies outside of it.

    Parameters
    ----------
    wanted : Polygon or MultiPolygon
    cells : array of valid polygons

    Returns
    -------
    gaps, outside : arrays of Polygon
    """
    shells, holes = _filled(cells)
    covered = shapely.union_all(shells)
    rim, _ = areal_parts(np.array([shapely.difference(wanted, covered)], dtype=object))
    sticking, _ = areal_parts(np.array([shapely.difference(covered, wanted)], dtype=object))
    shapely.prepare(wanted)
    within = shapely.covers(wanted, holes)
    clipped, _ = areal_parts(shapely.intersection(holes[~within], wanted))
    outside = _minus(sticking, holes[~within])
    return np.concatenate([rim, holes[within], clipped]), outside


def _filled(cells: Geometries) -> tuple[Geometries, Geometries]:
    """Return the filled outlines of the union of cells, and the holes in it."""
    tree = shapely.STRtree(cells)
    current, label = cells, np.arange(len(cells))
    clean: list[Geometries] = [np.empty(0, dtype=object)]
    shared: list[Geometries] = [np.empty(0, dtype=object)]
    while len(current) > 1:
        united, member = _united(current, _blocks(current))
        rings, part = shapely.get_rings(united, return_index=True)
        outer = np.concatenate([[True], part[1:] != part[:-1]])
        label = member[label]
        holes = shapely.polygons(rings[~outer])
        touched, rest = _not_covered(holes, part[~outer], tree, label)
        clean.append(np.delete(holes, touched))
        shared.append(rest)
        shells = shapely.polygons(rings[outer])
        if len(shells) >= len(current):
            current = shells
            break
        current = shells
    # a hole with foreign cells in it may hold the holes of their block too: count those once
    sound = np.concatenate(clean)
    once, _ = areal_parts(np.array([shapely.union_all(np.concatenate(shared))], dtype=object))
    return current, np.concatenate([sound, _minus(once, sound)])


def _blocks(polygons: Geometries) -> Index:
    """Number blocks of neighbours: columns from west to east, cut from south to north."""
    boxes = shapely.bounds(polygons)
    x, y = boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]
    count = len(polygons)
    columns = int(np.ceil(np.sqrt(np.ceil(count / BLOCK))))
    column = np.empty(count, dtype=np.int64)
    column[np.argsort(x, kind="stable")] = np.arange(count) * columns // count
    order = np.lexsort((y, column))
    place = np.empty(count, dtype=np.int64)
    first = np.searchsorted(column[order], np.arange(columns))
    place[order] = np.arange(count) - first[column[order]]
    _, block = np.unique(np.column_stack([column, place // BLOCK]), axis=0, return_inverse=True)
    return block.ravel().astype(np.int64)


def _united(polygons: Geometries, block: Index) -> tuple[Geometries, Index]:
    """Return the parts of the union of each block, and the part that each polygon went into."""
    order = np.argsort(block, kind="stable")
    starts = np.searchsorted(block[order], np.arange(block.max() + 2))
    unions = np.empty(len(starts) - 1, dtype=object)
    for k in range(len(unions)):
        unions[k] = shapely.union_all(polygons[order[starts[k] : starts[k + 1]]])
    parts, source = areal_parts(unions)
    several = np.bincount(source, minlength=len(unions)) > 1
    first = np.searchsorted(source, np.arange(len(unions)))
    member = first[block].astype(np.int64)
    loose = np.flatnonzero(several[block])
    if len(loose):
        point, part = shapely.STRtree(parts).query(inner_points(polygons[loose]), "intersects")
        own = source[part] == block[loose[point]]
        member[loose[point[own]]] = part[own]
    return parts, member


def _not_covered(
    holes: Geometries, part: Index, tree: shapely.STRtree, label: Index
) -> tuple[Index, Geometries]:
    """Return which holes meet cells of another part, and what those leave of them."""
    hole, cell = tree.query(holes, predicate="intersects")
    foreign = label[cell] != part[hole]
    hole, cell = hole[foreign], cell[foreign]
    touched = np.unique(hole)
    rest = holes[touched]
    for k, h in enumerate(touched):
        others = shapely.union_all(tree.geometries[cell[hole == h]])
        rest[k] = shapely.difference(rest[k], others)
    parts, _ = areal_parts(rest)
    return touched, parts


def _minus(polygons: Geometries, others: Geometries) -> Geometries:
    """Return what of polygons none of the others covers."""
    if len(polygons) == 0 or len(others) == 0:
        return polygons
    i, j = shapely.STRtree(others).query(polygons, predicate="intersects")
    rest = polygons.copy()
    for k in np.unique(i):
        rest[k] = shapely.difference(polygons[k], shapely.union_all(others[j[i == k]]))
    return areal_parts(rest)[0]


MISSING_CELL = 0.25
"""Share of the median cell from which a gap is taken for a cell that is missing."""

FEW = 20_000
"""Leftover edges up to which defects are looked at locally, however dirty the coverage is."""

SPREAD = 0.5
"""Share of leftover edges above which a plain overlay of everything is cheaper."""


MANY = 500
"""Cells in one patch from which their union is made block by block."""


@dataclass(frozen=True)
class Explanation:
    """Why a proof failed.

    Attributes
    ----------
    faults : Faults
        Every defect of geometry.
    rest : Leftover
        Edges left over once T-junctions are set aside.
    local : bool
        False when there was so much amiss that everything was overlaid with everything.
    """

    faults: Faults
    rest: Leftover
    local: bool


def explain(
    polygons: Geometries, outline: shapely.Geometry, rings: Rings, invalid: Index
) -> Explanation:
    """Find every gap, overlap, stick-out and T-junction.

    Parameters
    ----------
    polygons : array of polygons
        The cells.
    outline : Polygon or MultiPolygon
        What they should tile.
    rings : Rings
        Rings of the cells.
    invalid : ndarray of int
        Positions of cells whose rings are not valid.
    """
    if len(invalid):
        polygons = polygons.copy()
        polygons[invalid] = made_valid(polygons[invalid])
        rings = rings_of(polygons)
    edges, owner, left = remainder(rings, rings_of(np.array([outline], dtype=object)))
    if len(left) > max(FEW, SPREAD * len(edges)):
        return Explanation(_overlay(polygons, outline, everything(polygons, outline)), left, False)
    parts = split(left)
    if len(parts.left) == 0:
        return Explanation(_junctions(parts, left, owner), parts.left, True)
    piece = parts.piece_of[parts.left.members[parts.left.runs[:-1]]]
    whose = owner[left.members[left.runs[piece]]]
    sound = np.concatenate(
        [np.delete(edges, left.members, 0), np.delete(parts.pieces, parts.left.members, 0)]
    )
    found, bare, label = enclosed(parts.left, whose, sound, polygons, outline)
    unseen = _unseen(parts.left, whose, bare, label)
    junctions = _unexplained(_junctions(parts, left, owner), found)
    return Explanation(joined([found, unseen, junctions]), parts.left, True)


def _overlay(polygons: Geometries, outline: shapely.Geometry, patches: Patches) -> Faults:
    """Overlay the cells at fault with each other and with the area they should fill."""
    origin = patches.origin[patches.cell_group] if len(patches.cells) else np.empty((0, 2))
    cells = made_valid(shift(polygons[patches.cells], -origin))
    faces = shift(patches.faces, -patches.origin[patches.face_group])
    overlaps = _overlaps(polygons, patches, cells)
    gaps, outside = _differences(patches, cells, faces)
    drawn = np.concatenate([cells, faces])
    dust = resolution(shapely.get_coordinates(drawn))
    found = joined([overlaps, gaps, outside])
    corners = shapely.get_coordinates(np.append(polygons[patches.cells], [outline, *patches.faces]))
    return _without_dust(found, corners, dust)


def _overlaps(polygons: Geometries, patches: Patches, cells: Geometries) -> Faults:
    """Return the common area of each two cells at fault."""
    tree = shapely.STRtree(shift(cells, patches.origin[patches.cell_group]))
    i, j = tree.query(tree.geometries, predicate="intersects")
    once = (i < j) & (patches.cell_group[i] == patches.cell_group[j])  # each pair is found twice
    i, j = i[once], j[once]
    common = shapely.intersection(cells[i], cells[j])
    total = shapely.area(common)
    real = total > 0
    i, j, common, total = i[real], j[real], common[real], total[real]
    parts, pair = areal_parts(common)
    faults = faults_of("overlap", parts, patches.cells[np.column_stack([i[pair], j[pair]])])
    area = shapely.area(cells)
    whole_i = np.abs(area[i] - total) <= 1e-9 * area[i]
    whole_j = np.abs(area[j] - total) <= 1e-9 * area[j]
    name = np.where(
        whole_i & whole_j, "duplicate", np.where(whole_i | whole_j, "nested", "partial")
    )
    back = shift(parts, patches.origin[patches.cell_group[i[pair]]])
    return _dressed(faults, name[pair].astype(object), back)


def _differences(patches: Patches, cells: Geometries, faces: Geometries) -> tuple[Faults, Faults]:
    """Return what the cells leave open of their patch, and what of them sticks out of it."""
    groups = len(patches.origin)
    wanted = _unions(faces, patches.face_group, groups)
    if groups == 1 and len(cells) > MANY:
        gaps, parts = differences(wanted[0], cells)
        gap_at, at = (np.zeros(len(g), dtype=np.int64) for g in (gaps, parts))
    else:
        covered = _unions(cells, patches.cell_group, groups)
        gaps, gap_at = areal_parts(shapely.difference(wanted, covered))
        parts, at = areal_parts(shapely.difference(covered, wanted))
    gap = _dressed(faults_of("gap", gaps), None, shift(gaps, patches.origin[gap_at]))
    tree = shapely.STRtree(cells)
    point, cell = tree.query(inner_points(parts), predicate="within")
    same = patches.cell_group[cell] == at[point]
    point, cell = point[same], cell[same]
    culprits = np.full((len(parts), 2), -1, dtype=np.int64)
    culprits[point[::-1], 0] = patches.cells[cell[::-1]]
    outside = faults_of("outside", parts, culprits)
    return gap, _dressed(outside, None, shift(parts, patches.origin[at]))


def _dressed(faults: Faults, name: NDArray[np.object_] | None, geometry: Geometries) -> Faults:
    """Return faults with other qualifiers and with geometry moved back into place."""
    qualifier = faults.qualifier if name is None else name
    return Faults(faults.kind, qualifier, faults.cells, geometry, faults.area, faults.width)


def _unions(geometries: Geometries, group: Index, groups: int) -> Geometries:
    """Return the union of each group."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(groups + 1))
    ordered = geometries[order]
    unions = np.empty(groups, dtype=object)
    for g in range(groups):
        unions[g] = shapely.union_all(ordered[starts[g] : starts[g + 1]])
    return unions


def _without_dust(faults: Faults, corners: Edges, dust: float) -> Faults:
    """Drop what the overlay's own rounding made: too thin for it, with corners nobody drew."""
    thin = np.flatnonzero((faults.width < dust) | (faults.area <= 0))
    if len(thin) == 0:
        return faults
    known = known_vertices(faults.geometry[thin], corners)
    keep = np.ones(len(faults), dtype=bool)
    keep[thin[~known | (faults.area[thin] <= 0)]] = False
    return faults.take(keep)


def _junctions(parts: Split, left: Leftover, owner: Index) -> Faults:
    """Return T-junctions as points, with a cell whose side is split and one that splits it."""
    rows = parts.junctions
    points = parts.vertices[rows]
    points, first = np.unique(points, axis=0, return_index=True)
    edge = parts.edge[rows][first]
    side = owner[left.members[left.runs[edge]]]
    ends = as_points(left.edges.reshape(-1, 2)).reshape(-1, 2)
    culprits = np.column_stack([side, np.full(len(side), -1)])
    by_corner: dict[complex, list[int]] = {}
    for k, pair in enumerate(ends):
        for corner in pair:
            by_corner.setdefault(complex(corner), []).append(k)
    for row, point in enumerate(as_points(points)):
        cells = {int(c) for k in by_corner[complex(point)] for c in _owners(left, owner, k)}
        others = sorted(c for c in cells if c not in (-1, int(side[row])))
        culprits[row, 1] = others[0] if others else -1
    return faults_of("t-junction", shapely.points(points), culprits)


def _unexplained(junctions: Faults, found: Faults) -> Faults:
    """Drop vertices on sides that another defect explains already.

    At an overlap or a stick-out all sides are split; at a gap only the side of the boundary is.
    """
    if len(junctions) == 0 or len(found) == 0:
        return junctions
    near = resolution(shapely.get_coordinates(junctions.geometry))
    tree = shapely.STRtree(found.geometry)
    at, fault = tree.query(junctions.geometry, predicate="dwithin", distance=near)
    explained = (found.kind[fault] != "gap") | (junctions.cells[at, 0] < 0)
    keep = np.ones(len(junctions), dtype=bool)
    keep[at[explained]] = False
    return junctions.take(keep)


def _owners(left: Leftover, owner: Index, edge: int) -> Index:
    return owner[left.members[left.runs[edge] : left.runs[edge + 1]]]


def _unseen(rest: Leftover, whose: Index, bare: Index, label: Index) -> Faults:
    """Return as lines the groups of leftover edges that enclose nothing, being too thin."""
    rows = []
    for group in np.unique(label[bare]):
        mine = bare[label[bare] == group]
        cells = np.unique(whose[mine])
        rows.append(_sub_resolution(rest.edges[mine], rest.count[mine], cells[cells >= 0]))
    return joined(rows)


def _sub_resolution(edges: Edges, count: Index, cells: Index) -> Faults:
    """Return one leftover cluster as a fault whose sign of area tells gap from overlap."""
    # in fractions: doubles cancel to nothing, and the sign is the answer
    crosses = (n * cross(edge) for n, edge in zip(count.tolist(), edges.tolist(), strict=True))
    signed = float(sum(crosses) / 2)
    lines = shapely.multilinestrings([list(edges.reshape(-1, 2, 2))])
    kind = "gap" if signed <= 0 else "overlap" if len(cells) > 1 else "outside"
    fault = faults_of(kind, lines)
    culprits = np.full((1, 2), -1, dtype=np.int64)
    if signed > 0:
        culprits[0, : min(2, len(cells))] = cells[:2]
    area = np.array([abs(signed)])
    width = 2 * area / shapely.length(lines)
    return Faults(fault.kind, fault.qualifier, culprits, fault.geometry, area, width)
