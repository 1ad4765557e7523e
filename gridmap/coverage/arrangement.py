"""What edges that do not cancel enclose: each face of their arrangement, and what it is.

Where the edges of cells cancel to those of the outline nothing is amiss, so nothing but the edges
that are left is looked at. A point is covered once more than it should be for each time that the
leftover edges wind around it. Faces too thin for a point of doubles are told by that number, all
others by the cells that contain a point of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import shapely

from gridmap._arrays import (
    Bools,
    Floats,
    Geometries,
    Ints,
    Objects,
    components,
    geometries,
    segments,
)
from gridmap.coverage.defects import Faults, faults_of, joined, resolution, widened
from gridmap.coverage.edges import Leftover, boxes_near, directed_edges, equal_edges, paths
from gridmap.coverage.patches import (
    areal_parts,
    inner_points,
    largest_triangles,
    local_origin,
    shift,
)
from gridmap.coverage.prove import Pairs

THIN = 16.0
"""Widths, in units of the resolution, below which a point does not tell what a face is."""
ASKEW = np.array([0.541, 0.287, 0.172])
"""Shares of the corners of a triangle that lie on no line of symmetry."""


@dataclass(frozen=True)
class Clusters:
    """Leftover edges in groups that do not come near each other, each in coordinates of its own.

    Attributes
    ----------
    label : ndarray of int
        Group of each edge.
    origin : ndarray of float, shape (groups, 2)
        A point near each group; coordinates minus it are exact and short.
    edges : ndarray of float, shape (n, 4)
        The edges where they are.
    local : ndarray of float, shape (n, 4)
        The edges in the coordinates of their group.
    """

    label: Ints
    origin: Floats
    edges: Floats
    local: Floats


@dataclass(frozen=True)
class Told:
    """What faces are.

    Attributes
    ----------
    cells : ndarray of int, shape (faces, most)
        The cells that cover each face in order, then -1.
    inside : ndarray of bool
        Whether the outline wants it.
    """

    cells: Ints
    inside: Bools

    @property
    def covers(self) -> Ints:
        """How many cells cover each face."""
        return np.asarray((self.cells >= 0).sum(axis=1), dtype=np.int64)


def _arranged(left: Leftover, beside: Pairs, order: Ints) -> tuple[Clusters, Geometries, Ints]:
    """Group leftover edges, and return the faces of each group and their groups.

    Groups are edges whose boxes meet; a group inside a face of another one is joined to it.
    """
    label = components(len(left), *beside)
    while True:
        clusters = _framed(left, label)
        faces, group = _faces(clusters, order)
        _, first = np.unique(label, return_index=True)
        spots = shapely.points(left.edges[first, :2])
        placed = shift(faces, clusters.origin[group])
        inner, face = shapely.STRtree(placed).query(spots, predicate="within")
        nested = inner != group[face]
        if not nested.any():
            return clusters, faces, group
        label = components(len(first), inner[nested], group[face[nested]])[label]


def _framed(left: Leftover, label: Ints) -> Clusters:
    """Return the groups in coordinates of their own."""
    groups = int(label.max()) + 1
    low, high = np.full((groups, 2), np.inf), np.full((groups, 2), -np.inf)
    for ends in (left.edges[:, :2], left.edges[:, 2:]):
        np.minimum.at(low, label, ends)
        np.maximum.at(high, label, ends)
    origin = np.array([local_origin(box) for box in np.hstack([low, high])]).reshape(-1, 2)
    return Clusters(label, origin, left.edges, left.edges - np.tile(origin[label], 2))


def _faces(clusters: Clusters, order: Ints) -> tuple[Geometries, Ints]:
    """Return the areas that the edges of each group enclose, and the group of each."""
    order = order[np.argsort(clusters.label[order], kind="stable")]
    label = clusters.label[order]
    lines, first = paths(clusters.local[order], label)
    return _polygonized(geometries(shapely.multilinestrings(lines, indices=label[first])))


def enclosed(
    left: Leftover,
    beside: Pairs,
    place: Ints,
    whose: Ints,
    sound: Floats,
    polygons: Geometries,
    outline: shapely.Geometry,
) -> tuple[Faults, Ints, Ints]:
    """Return the gaps, overlaps and stick-outs that leftover edges enclose.

    Parameters
    ----------
    left : Leftover
        What is left of cells against their outline, T-junctions aside.
    beside : tuple of two ndarrays of int
        Pairs of leftover edges that come near each other.
    place : ndarray of int
        Where each leftover edge stands along the rings.
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
    clusters, faces, group = _arranged(left, beside, np.argsort(place, kind="stable"))
    fine = resolution(left.edges)
    spots = _spots(faces, group, clusters, sound, fine)
    told = _told_by_points(spots, polygons, outline)
    whole, pieces, of = _split_by_cells(faces, group, told, clusters, sound, fine)
    if len(pieces):
        spots = _spots(pieces, of, clusters, sound, fine)
        again = _told_by_points(spots, polygons, outline)
        told = _both(Told(told.cells[whole], told.inside[whole]), again)
        faces, group = np.concatenate([faces[whole], pieces]), np.append(group[whole], of)
    facts = faults_of("", faces)
    thin = np.flatnonzero(facts.width < THIN * fine)
    excess = _winding(inner_points(faces[thin]), group[thin], clusters, left.count)
    placed = shift(faces, clusters.origin[group])
    _told_by_edges(thin, excess, placed, clusters, whose, fine, told)
    blank, out = told.covers == 0, ~told.inside
    nobody = np.full(len(faces), -1)
    found = joined(
        [
            _merged("gap", blank & told.inside, faces, nobody, clusters, group),
            _merged("outside", ~blank & out, faces, told.cells[:, 0], clusters, group),
            _overlaps(told, placed, facts, polygons),
        ]
    )
    seen = np.zeros(len(clusters.origin), dtype=bool)
    seen[group[(blank & told.inside) | (~blank & out) | (told.covers > 1)]] = True
    return found, np.flatnonzero(~seen[clusters.label]), clusters.label


def _both(one: Told, two: Told) -> Told:
    """Return what is told of some faces and of others."""
    most = max(one.cells.shape[1], two.cells.shape[1])
    cells = np.concatenate([widened(told.cells, most) for told in (one, two)])
    return Told(cells, np.append(one.inside, two.inside))


def _split_by_cells(
    faces: Geometries,
    group: Ints,
    told: Told,
    clusters: Clusters,
    sound: Floats,
    fine: float,
) -> tuple[Ints, Geometries, Ints]:
    """Split faces that are covered too often by the borders of cells that run through them.

    Such a border cancels, so that the arrangement of leftover edges does not know it.

    Returns
    -------
    whole : ndarray of int
        Positions of the faces that no border runs through.
    pieces : array of Polygon
        Those of the others.
    of : ndarray of int
        Group of each piece.
    """
    whole = np.arange(len(faces))
    rows = np.flatnonzero(told.covers - told.inside > 0)
    if len(rows) == 0:
        return whole, faces[:0], group[:0]
    placed = shift(faces[rows], clusters.origin[group[rows]])
    near = boxes_near(sound, shapely.bounds(placed))
    lines = segments(sound[near])
    line, face = shapely.STRtree(placed).query(lines, predicate="intersects")
    local = shift(lines[line], -clusters.origin[group[rows[face]]])
    common = shapely.length(shapely.intersection(local, faces[rows[face]]))
    # however long a border is, it crosses a thin face over no more than the face's width
    through = np.flatnonzero(common > fine)
    cut, of = np.unique(face[through], return_inverse=True)
    rings, ring_of = shapely.get_rings(faces[rows[cut]], return_index=True)
    pieces, source = areas_between(
        np.concatenate([rings, local[through]]), np.concatenate([ring_of, of])
    )
    mine = shapely.intersects(faces[rows[cut[source]]], inner_points(pieces))
    return np.delete(whole, rows[cut]), pieces[mine], group[rows[cut[source[mine]]]]


def areas_between(lines: Geometries, label: Ints) -> tuple[Geometries, Ints]:
    """Return the areas that lines of each label enclose, and the label of each."""
    order = np.argsort(label, kind="stable")
    bundles = shapely.multilinestrings(lines[order], indices=label[order])
    # long lines are noded faster than their single sides
    return _polygonized(geometries(shapely.line_merge(bundles)))


def _polygonized(bundles: Geometries) -> tuple[Geometries, Ints]:
    """Return the areas that each bundle of lines encloses, and the bundle of each."""
    noded = geometries(shapely.union_all(bundles[:, None], axis=1))
    return areal_parts(geometries(shapely.polygonize(noded[:, None])))


def _winding(points: Geometries, group: Ints, clusters: Clusters, count: Ints) -> Ints:
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


def _spots(
    faces: Geometries, group: Ints, clusters: Clusters, sound: Floats, fine: float
) -> Geometries:
    """Return a point of each face where it is, on none of the borders that run through it.

    A border may cancel, or be lost where two of its lines cross within the last digits.
    """
    spots = shift(inner_points(faces), clusters.origin[group])
    if len(faces) == 0:
        return spots
    edges = np.concatenate([sound, clusters.edges])
    near = boxes_near(edges, shapely.bounds(spots) + fine * np.array([-1, -1, 1, 1]))
    lines = shapely.STRtree(segments(edges[near]))
    on = np.unique(lines.query(spots, predicate="dwithin", distance=fine)[0])
    triangles, of = largest_triangles(faces[on])
    corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
    beside = geometries(shapely.points(np.einsum("nij,i->nj", corners, ASKEW)))
    spots[on[of]] = shift(beside, clusters.origin[group[on[of]]])
    return spots


def _told_by_points(spots: Geometries, polygons: Geometries, outline: shapely.Geometry) -> Told:
    """Tell what each face is by the cells and the outline that contain a point of it."""
    point, cell = shapely.STRtree(polygons).query(spots, predicate="intersects")
    order = np.lexsort((cell, point))
    point, cell = point[order], cell[order]
    covers = np.bincount(point, minlength=len(spots))
    rank = np.arange(len(point)) - np.repeat(np.cumsum(covers) - covers, covers)
    cells = np.full((len(spots), max(2, covers.max(initial=0))), -1, dtype=np.int64)
    cells[point, rank] = cell
    shapely.prepare(outline)
    xy = shapely.get_coordinates(spots)
    return Told(cells, shapely.intersects_xy(outline, xy[:, 0], xy[:, 1]))


def _told_by_edges(
    rows: Ints,
    excess: Ints,
    placed: Geometries,
    clusters: Clusters,
    whose: Ints,
    fine: float,
    told: Told,
) -> None:
    """Correct what points told of thin faces by the winding number and the edges along them.

    What only touches a corner of a face does not bound it: the edges are counted by the length
    of the face's sides that they run along.
    """
    if len(rows) == 0:
        return
    sides, face = directed_edges(placed[rows])
    length = np.hypot(*(sides[:, 2:] - sides[:, :2]).T)
    middles = shapely.points((sides[:, :2] + sides[:, 2:]) / 2)
    around = shapely.bounds(placed[rows]) + fine * np.array([-1, -1, 1, 1])
    close = boxes_near(clusters.edges, around)
    tree = shapely.STRtree(segments(clusters.edges[close]))
    side, edge = tree.query(middles, predicate="dwithin", distance=fine)
    edge = close[edge]
    beside: list[Counter[int]] = [Counter() for _ in rows]
    for k, of in np.unique(np.column_stack([side, whose[edge]]), axis=0).tolist():
        beside[face[k]][of] += length[k]
    told.cells[rows], told.inside[rows] = -1, excess < 0
    for row, times, along in zip(rows.tolist(), excess.tolist(), beside, strict=True):
        if times <= 0:
            continue
        longest = [of for of, _ in along.most_common(min(times + 1, told.cells.shape[1]))]
        cells = sorted(of for of in longest if of >= 0)
        told.inside[row] = -1 not in longest and len(cells) > 1
        cells = cells if told.inside[row] else cells[:1]
        told.cells[row, : len(cells)] = cells


def _merged(
    kind: str,
    chosen: Bools,
    faces: Geometries,
    key: Ints,
    clusters: Clusters,
    group: Ints,
) -> Faults:
    """Return some faces as faults, those of one key in one group that border on each other as one.

    Parameters
    ----------
    key : ndarray of int
        The cell that sticks out, -1 where there is none.
    """
    rows = np.flatnonzero(chosen)
    part = _bordering(faces[rows], np.column_stack([group[rows], key[rows]]))
    order = np.argsort(part, kind="stable")
    first = np.flatnonzero(np.diff(part[order], prepend=-1))
    size = np.diff(first, append=len(order))
    lone = rows[order[first[size == 1]]]
    shapes, of = [faces[lone]], [lone]
    for k in np.flatnonzero(size > 1):
        mine = rows[order[first[k] : first[k] + size[k]]]
        united, _ = areal_parts(np.array([shapely.union_all(faces[mine])]))
        shapes.append(united if len(united) < len(mine) else faces[mine])
        of.append(np.full(len(shapes[-1]), mine[0]))
    joint, source = np.concatenate(shapes), np.concatenate(of)
    cells = np.column_stack([key[source], np.full(len(source), -1)])
    facts = faults_of(kind, joint, cells)
    placed = shift(joint, clusters.origin[group[source]])
    found = Faults(facts.kind, facts.qualifier, cells, placed, facts.area, facts.width)
    return found.take(found.area > 0)


def _bordering(faces: Geometries, key: Ints) -> Ints:
    """Number faces, those that share a side and have the same key alike."""
    if len(faces) == 0:
        return np.empty(0, dtype=np.int64)
    edges, owner = directed_edges(faces)
    _, kind = np.unique(key, axis=0, return_inverse=True)
    order, heads = equal_edges(edges, kind.ravel()[owner])
    twice = heads[np.diff(heads, append=len(order)) > 1]
    return components(len(faces), owner[order[twice]], owner[order[twice + 1]])


def _overlaps(told: Told, placed: Geometries, facts: Faults, polygons: Geometries) -> Faults:
    """Return one row for each set of cells, with all places in which just these overlap."""
    face = np.flatnonzero((told.covers > 1) & (facts.area > 0))
    if len(face) == 0:
        return joined([])
    sets, of = np.unique(told.cells[face], axis=0, return_inverse=True)
    of = of.ravel()
    area = np.bincount(of, facts.area[face]).astype(np.float64)
    perimeter = np.bincount(of, 2 * facts.area[face] / facts.width[face])
    order = np.argsort(of, kind="stable")
    shapes = geometries(shapely.multipolygons(placed[face[order]], indices=of[order]))
    lone = shapely.get_num_geometries(shapes) == 1
    shapes[lone] = shapely.get_geometry(shapes[lone], 0)
    kind = np.full(len(sets), "overlap", dtype=object)
    name = nested_names(sets, area, polygons)
    return Faults(kind, name, sets, shapes, area, 2 * area / perimeter)


def nested_names(sets: Ints, area: Floats, polygons: Geometries) -> Objects:
    """Tell of overlaps whether they are all of one cell, of each, or only a part.

    Parameters
    ----------
    sets : ndarray of int, shape (n, most)
        The cells of each overlap, -1 where there are no more.
    """
    real = sets >= 0
    shared = _shared_by_all(sets, area)[:, None]
    whole = np.abs(shapely.area(polygons[sets]) - shared) <= 1e-9 * shared
    inner = np.where((whole & real).any(axis=1), "nested", "partial")
    return np.where((whole | ~real).all(axis=1), "duplicate", inner).astype(object)


def _shared_by_all(sets: Ints, area: Floats) -> Floats:
    """Return the area that all cells of each set cover, whoever else does."""
    shared = area.copy()
    more = np.count_nonzero(sets >= 0, axis=1)
    for k in np.flatnonzero(more > 2):
        within = np.isin(sets, sets[k, sets[k] >= 0]).sum(axis=1)
        smaller = np.flatnonzero((within == more) & (more < more[k]))
        shared[smaller] += area[k]
    return shared
