"""What edges that do not cancel enclose: each face of their arrangement, and what it is.

Where the edges of cells cancel to those of the outline nothing is amiss, so nothing but the edges
that are left is looked at. A point is covered once more than it should be for each time that the
leftover edges wind around it. Faces too thin for a point of doubles are told by that number, all
others by the cells that contain a point of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.components import components
from gridmap.coverage.edges import Edges, Geometries, Index, Leftover
from gridmap.coverage.geometry_defects import Faults, faults_of, joined, resolution
from gridmap.coverage.patches import areal_parts, inner_points, local_origin, shift

THIN = 16.0
"""Widths, in units of the resolution, below which a point does not tell what a face is."""


@dataclass(frozen=True)
class Clusters:
    """Leftover edges in groups that do not come near each other, each in coordinates of its own.

    Attributes
    ----------
    label : ndarray of int
        Group of each edge.
    origin : ndarray of float, shape (groups, 2)
        A point near each group; coordinates minus it are exact and short.
    lines : array of LineString
        The edges where they are.
    local : ndarray of float, shape (n, 4)
        The edges in the coordinates of their group.
    """

    label: Index
    origin: Edges
    lines: Geometries
    local: Edges


@dataclass(frozen=True)
class Told:
    """What faces are: a cell that covers each, how many do, and whether the outline wants it.

    Attributes
    ----------
    pairs : list of (face, cell, cell)
        Each two cells that both cover a face.
    """

    cell: Index
    covers: Index
    inside: NDArray[np.bool_]
    pairs: list[tuple[int, int, int]]


def _arranged(left: Leftover) -> tuple[Clusters, Geometries, Index]:
    """Group leftover edges, and return the faces of each group and their groups.

    Groups are edges whose boxes meet; a group inside a face of another one is joined to it.
    """
    lines = shapely.linestrings(left.edges.reshape(-1, 2, 2))
    near = 4 * resolution(left.edges)
    west, south, east, north = shapely.bounds(lines).T
    one, two = shapely.STRtree(lines).query(
        shapely.box(west - near, south - near, east + near, north + near)
    )
    label = components(len(lines), one, two)
    while True:
        clusters = _framed(left, lines, label)
        faces, group = _faces(clusters)
        _, first = np.unique(label, return_index=True)
        spots = shapely.points(left.edges[first, :2])
        placed = shift(faces, clusters.origin[group])
        inner, face = shapely.STRtree(placed).query(spots, predicate="within")
        nested = inner != group[face]
        if not nested.any():
            return clusters, faces, group
        label = components(len(first), inner[nested], group[face[nested]])[label]


def _framed(left: Leftover, lines: Geometries, label: Index) -> Clusters:
    """Return the groups in coordinates of their own."""
    groups = int(label.max()) + 1
    low, high = np.full((groups, 2), np.inf), np.full((groups, 2), -np.inf)
    for ends in (left.edges[:, :2], left.edges[:, 2:]):
        np.minimum.at(low, label, ends)
        np.maximum.at(high, label, ends)
    origin = np.array([local_origin(box) for box in np.hstack([low, high])]).reshape(-1, 2)
    return Clusters(label, origin, lines, left.edges - np.tile(origin[label], 2))


def enclosed(
    left: Leftover,
    whose: Index,
    sound: Edges,
    polygons: Geometries,
    outline: shapely.Geometry,
) -> tuple[Faults, Index, Index]:
    """Return the gaps, overlaps and stick-outs that leftover edges enclose.

    Parameters
    ----------
    left : Leftover
        What is left of cells against their outline, T-junctions aside.
    whose : ndarray of int
        Cell of each leftover edge, -1 for the outline.
    sound : ndarray of float, shape (n, 4)
        The edges that cancel.
    polygons : array of polygons
        All cells, valid.
    outline : Polygon or MultiPolygon
        What they should fill.

    Returns
    -------
    faults : Faults
        One row a gap and a stick-out; one a pair of cells that overlap, wherever they do.
    bare : ndarray of int
        Positions of leftover edges of groups that enclose nothing.
    label : ndarray of int
        Group of each leftover edge.
    """
    clusters, faces, group = _arranged(left)
    fine = resolution(left.edges)
    told = _told_by_points(faces, group, clusters, polygons, outline)
    faces, group = _split_by_cells(faces, group, told, clusters, sound, fine)
    facts, thin = faults_of("", faces), np.zeros(len(faces), dtype=bool)
    thin[facts.width < THIN * fine] = True
    told = _told_by_points(faces, group, clusters, polygons, outline)
    points = inner_points(faces[thin])
    excess = _winding(points, group[thin], clusters, left.count)
    placed = shift(faces, clusters.origin[group])
    _told_by_edges(np.flatnonzero(thin), excess, placed, clusters, whose, fine, told)
    blank, out, twice = told.covers == 0, ~told.inside, told.covers > 1
    nobody = np.full(len(faces), -1)
    found = joined(
        [
            _merged("gap", blank & told.inside, faces, nobody, clusters, group),
            _merged("outside", ~blank & out, faces, told.cell, clusters, group),
            _overlaps(told, placed, facts, polygons),
        ]
    )
    seen = np.zeros(len(clusters.origin), dtype=bool)
    seen[group[(blank & told.inside) | (~blank & out) | twice]] = True
    return found, np.flatnonzero(~seen[clusters.label]), clusters.label


def _split_by_cells(
    faces: Geometries,
    group: Index,
    told: Told,
    clusters: Clusters,
    sound: Edges,
    fine: float,
) -> tuple[Geometries, Index]:
    """Split faces that are covered too often by the borders of cells that run through them.

    Such a border cancels, so that the arrangement of leftover edges does not know it.
    """
    rows = np.flatnonzero(told.covers - told.inside > 0)
    if len(rows) == 0:
        return faces, group
    placed = shift(faces[rows], clusters.origin[group[rows]])
    low, high = np.minimum(sound[:, :2], sound[:, 2:]), np.maximum(sound[:, :2], sound[:, 2:])
    box = shapely.total_bounds(placed)
    near = np.flatnonzero(((low <= box[2:]) & (high >= box[:2])).all(axis=1))
    lines = shapely.linestrings(sound[near].reshape(-1, 2, 2))
    line, face = shapely.STRtree(placed).query(lines, predicate="intersects")
    local = shift(lines[line], -clusters.origin[group[rows[face]]])
    common = shapely.length(shapely.intersection(local, faces[rows[face]]))
    # however long a border is, it crosses a thin face over no more than the face's width
    through = np.flatnonzero(common > fine)
    if len(through) == 0:
        return faces, group
    cut = np.unique(face[through])
    out, of = [np.delete(faces, rows[cut])], [np.delete(group, rows[cut])]
    for k in cut.tolist():
        whole = faces[rows[k]]
        bundle = [shapely.boundary(whole), *local[through[face[through] == k]]]
        parts, _ = areal_parts(np.array([shapely.polygonize([shapely.union_all(bundle)])]))
        mine = parts[shapely.intersects(whole, inner_points(parts))]
        out.append(mine)
        of.append(np.full(len(mine), group[rows[k]]))
    return np.concatenate(out), np.concatenate(of)


def _faces(clusters: Clusters) -> tuple[Geometries, Index]:
    """Return the faces of each group's arrangement in its own coordinates, and the group."""
    order = np.argsort(clusters.label, kind="stable")
    lines = shapely.linestrings(clusters.local[order].reshape(-1, 2, 2))
    bundles = shapely.multilinestrings(lines, indices=clusters.label[order])
    noded = shapely.union_all(bundles[:, None], axis=1)
    return areal_parts(shapely.polygonize(noded[:, None]))


def _winding(points: Geometries, group: Index, clusters: Clusters, count: Index) -> Index:
    """Return how often, with sign, the edges of its group wind around each point."""
    if len(points) == 0:
        return np.empty(0, dtype=np.int64)
    # groups side by side in a frame of their own, so that one tree finds the edges east of a point
    size = 4 * np.abs(clusters.local).max() + 1
    lift = np.arange(len(clusters.origin)) * 2.0 * size
    x, y = shapely.get_coordinates(points).T
    low, high = (
        np.minimum(clusters.local[:, 1], clusters.local[:, 3]),
        np.maximum(clusters.local[:, 1], clusters.local[:, 3]),
    )
    east = np.maximum(clusters.local[:, 0], clusters.local[:, 2])
    up = lift[clusters.label]
    boxes = shapely.box(-size, low + up - 1e-9 * size, east + 1e-9 * size, high + up + 1e-9 * size)
    at, edge = shapely.STRtree(boxes).query(shapely.points(x, y + lift[group]))
    same = clusters.label[edge] == group[at]
    at, edge = at[same], edge[same]
    ax, ay, bx, by = clusters.local[edge].T
    px, py = x[at], y[at]
    upward, downward = (ay <= py) & (by > py), (by <= py) & (ay > py)
    left_of = (bx - ax) * (py - ay) - (px - ax) * (by - ay)
    step = np.where(upward & (left_of > 0), 1, np.where(downward & (left_of < 0), -1, 0))
    return np.bincount(at, step * count[edge], minlength=len(points)).round().astype(np.int64)


def _told_by_points(
    faces: Geometries,
    group: Index,
    clusters: Clusters,
    polygons: Geometries,
    outline: shapely.Geometry,
) -> Told:
    """Tell what each face is by the cells and the outline that contain a point of it."""
    spots = shift(inner_points(faces), clusters.origin[group])
    point, cell = shapely.STRtree(polygons).query(spots, predicate="intersects")
    order = np.lexsort((cell, point))
    point, cell = point[order], cell[order]
    covers = np.bincount(point, minlength=len(spots)).astype(np.int64)
    starts = np.cumsum(covers) - covers
    lone = np.append(cell, -1)[np.minimum(starts, len(cell))]
    pairs = [
        (int(f), *two)
        for f in np.flatnonzero(covers > 1)
        for two in combinations(cell[starts[f] : starts[f] + covers[f]].tolist(), 2)
    ]
    shapely.prepare(outline)
    xy = shapely.get_coordinates(spots)
    inside = shapely.intersects_xy(outline, xy[:, 0], xy[:, 1])
    return Told(np.where(covers > 0, lone, -1), covers, inside, pairs)


def _told_by_edges(
    rows: Index,
    excess: Index,
    placed: Geometries,
    clusters: Clusters,
    whose: Index,
    fine: float,
    told: Told,
) -> None:
    """Correct what points told of thin faces by the winding number and the edges along them."""
    tree = shapely.STRtree(clusters.lines)
    face, edge = tree.query(placed[rows], predicate="dwithin", distance=fine)
    beside: list[set[int]] = [set() for _ in rows]
    for k, of in zip(face.tolist(), whose[edge].tolist(), strict=True):
        beside[k].add(of)
    told.pairs[:] = [pair for pair in told.pairs if pair[0] not in set(rows.tolist())]
    for row, times, of in zip(rows.tolist(), excess.tolist(), beside, strict=True):
        cells = sorted(of - {-1})
        told.cell[row], told.covers[row], told.inside[row] = -1, 1, True
        if times < 0:
            told.covers[row] = 0
        elif times > 0 and -1 not in of and len(cells) > 1:
            told.covers[row] = 2
            told.pairs.append((row, cells[0], cells[1]))
        elif times > 0:
            told.cell[row] = cells[0] if cells else -1
            told.inside[row] = False


def _merged(
    kind: str,
    chosen: NDArray[np.bool_],
    faces: Geometries,
    key: Index,
    clusters: Clusters,
    group: Index,
) -> Faults:
    """Return some faces as faults, those of one key in one group that border on each other as one.

    Parameters
    ----------
    key : ndarray of int
        The cell that sticks out, -1 where there is none.
    """
    rows = np.flatnonzero(chosen)
    both = np.column_stack([group[rows], key[rows]])
    kinds, of = np.unique(both, axis=0, return_inverse=True)
    order = np.argsort(of, kind="stable")
    starts = np.searchsorted(of.ravel()[order], np.arange(len(kinds) + 1))
    shapes, names, where = [np.empty(0, dtype=object)], [], []
    for k, (place, name) in enumerate(kinds.tolist()):
        mine = faces[rows[order[starts[k] : starts[k + 1]]]]
        if len(mine) > 1:
            united, _ = areal_parts(np.array([shapely.union_all(mine)]))
            mine = united if len(united) < len(mine) else mine
        shapes.append(mine)
        names += [name] * len(mine)
        where += [place] * len(mine)
    joint = np.concatenate(shapes)
    cells = np.full((len(joint), 2), -1, dtype=np.int64)
    cells[:, 0] = names
    facts = faults_of(kind, joint, cells)
    placed = shift(joint, clusters.origin[np.array(where, dtype=np.int64)])
    found = Faults(facts.kind, facts.qualifier, cells, placed, facts.area, facts.width)
    return found.take(found.area > 0)


def _overlaps(told: Told, placed: Geometries, facts: Faults, polygons: Geometries) -> Faults:
    """Return one row a pair of cells, with all places in which they overlap."""
    if not told.pairs:
        return joined([])
    table = np.array(told.pairs, dtype=np.int64)
    table = table[facts.area[table[:, 0]] > 0]
    pairs, pair = np.unique(table[:, 1:], axis=0, return_inverse=True)
    pair, face = pair.ravel(), table[:, 0]
    area = np.bincount(pair, facts.area[face]).astype(np.float64)
    perimeter = np.bincount(pair, 2 * facts.area[face] / facts.width[face])
    order = np.argsort(pair, kind="stable")
    shapes = shapely.multipolygons(placed[face[order]], indices=pair[order])
    lone = shapely.get_num_geometries(shapes) == 1
    shapes[lone] = shapely.get_geometry(shapes[lone], 0)
    whole = np.abs(shapely.area(polygons[pairs]) - area[:, None]) <= 1e-9 * area[:, None]
    inner = np.where(whole.any(axis=1), "nested", "partial")
    name = np.where(whole.all(axis=1), "duplicate", inner)
    kind = np.full(len(pairs), "overlap", dtype=object)
    return Faults(kind, name.astype(object), pairs, shapes, area, 2 * area / perimeter)
