"""Where a coverage is broken: the cells at fault, the area they should fill, in local frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from gridmap.coverage.edges import (
    Edges,
    Geometries,
    Index,
    Leftover,
    directed_edges,
    residual,
    reverse,
)
from gridmap.coverage.t_junctions import as_points, rows_of, split


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

    cells: Index
    cell_group: Index
    faces: Geometries
    face_group: Index
    origin: Edges


def find_patches(polygons: Geometries, rest: Leftover, owner: Index, at_fault: Index) -> Patches:
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
    at_fault : ndarray of int
        Cells to count in whatever their edges say, as their rings are not valid.
    """
    lines = shapely.linestrings(rest.edges.reshape(-1, 2, 2))
    usable = polygons.copy()
    usable[at_fault] = None
    _, hit = shapely.STRtree(usable).query(lines, predicate="intersects")
    broken = at_fault[~shapely.is_missing(polygons[at_fault])]
    cells = np.unique(np.concatenate([hit, owner[owner >= 0], broken])).astype(np.int64)
    faces = open_faces(polygons[cells], rest)
    return _grouped(polygons, cells, faces, lines)


def everything(polygons: Geometries, outline: shapely.Geometry) -> Patches:
    """Return all cells and the whole boundary as one patch, for coverages that are no such."""
    cells = np.flatnonzero(~(shapely.is_missing(polygons) | shapely.is_empty(polygons)))
    faces = shapely.get_parts(np.array([outline], dtype=object))
    origin = local_origin(shapely.total_bounds(np.append(polygons[cells], faces)))
    return Patches(
        cells.astype(np.int64),
        np.zeros(len(cells), dtype=np.int64),
        faces,
        np.zeros(len(faces), dtype=np.int64),
        origin[None, :],
    )


def open_faces(at_fault: Geometries, rest: Leftover) -> Geometries:
    """Return the areas that the cells not at fault leave open."""
    mine, _ = directed_edges(at_fault)
    count = np.concatenate([np.ones(len(mine), dtype=np.int64), rest.count])
    chain = residual(np.concatenate([mine, reverse(rest.edges)]), weight=count)
    outline = split(chain).left.edges
    if len(outline) == 0:
        return np.empty(0, dtype=object)
    faces = shapely.get_parts(shapely.polygonize(shapely.linestrings(outline.reshape(-1, 2, 2))))
    return np.asarray(faces[_on_the_left(faces, outline)], dtype=object)


def _on_the_left(faces: Geometries, outline: Edges) -> NDArray[np.bool_]:
    """Tell which faces lie on the left of the directed edges that bound them."""
    edges, owner = directed_edges(faces)
    inside = np.isin(rows_of(edges), rows_of(outline))
    return np.bincount(owner, inside, minlength=len(faces)) > 0


def _grouped(polygons: Geometries, cells: Index, faces: Geometries, lines: Geometries) -> Patches:
    """Group cells and faces that are linked by a leftover edge or by touching."""
    count = len(cells)
    chosen = shapely.make_valid(polygons[cells])
    tree = shapely.STRtree(chosen)
    face, cell = tree.query(faces, predicate="intersects")
    line, lined = tree.query(lines, predicate="intersects")
    nodes = count + len(faces) + len(lines)
    a = np.concatenate([face + count, line + count + len(faces)])
    b = np.concatenate([cell, lined])
    links = coo_matrix((np.ones(len(a), dtype=bool), (a, b)), shape=(nodes, nodes))
    _, label = connected_components(links, directed=False)
    _, label = np.unique(label[: count + len(faces)], return_inverse=True)
    boxes = shapely.bounds(np.concatenate([chosen, faces]))
    groups = int(label.max()) + 1 if len(label) else 0
    low, high = np.full((groups, 2), np.inf), np.full((groups, 2), -np.inf)
    np.minimum.at(low, label, boxes[:, :2])
    np.maximum.at(high, label, boxes[:, 2:])
    origin = np.array([local_origin(box) for box in np.hstack([low, high])]).reshape(-1, 2)
    label = label.astype(np.int64)
    return Patches(cells, label[:count], faces, label[count:], origin)


def local_origin(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
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


def shift(geometries: Geometries, by: NDArray[np.float64]) -> Geometries:
    """Return geometries moved by one vector each."""
    moved = np.array(geometries, dtype=object, copy=True)
    counts = shapely.get_num_coordinates(moved)
    xy = shapely.get_coordinates(moved) + np.repeat(by, counts, axis=0)
    return np.asarray(shapely.set_coordinates(moved, xy), dtype=object)


def areal_parts(geometries: Geometries) -> tuple[Geometries, Index]:
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
        parts, _ = areal_parts(np.array([shapely.make_valid(out[k])], dtype=object))
        out[k] = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
    return out


def known_vertices(geometries: Geometries, xy: Edges) -> NDArray[np.bool_]:
    """Tell of each geometry whether all its vertices are among given ones."""
    own, source = shapely.get_coordinates(geometries, return_index=True)
    strange = ~np.isin(as_points(own + 0.0), as_points(xy + 0.0))
    return np.asarray(np.bincount(source, strange, minlength=len(geometries)) == 0)


def inner_points(polygons: Geometries) -> Geometries:
    """Return a point inside each polygon, also of slivers: a centroid of its largest triangle."""
    points = shapely.point_on_surface(polygons)
    triangles, source = shapely.get_parts(
        shapely.constrained_delaunay_triangles(polygons), return_index=True
    )
    order = np.lexsort((-shapely.area(triangles), source))
    if len(order):
        first = order[np.concatenate([[True], np.diff(source[order]) > 0])]
        points[source[first]] = shapely.centroid(triangles[first])
    return np.asarray(points, dtype=object)
