"""Cells against their parents: what crosses a parent, and what a parent misses."""

from __future__ import annotations

import numpy as np
import shapely

from gridmap.coverage.edges import Geometries, Index, edges_of, residual, reverse, rings_of
from gridmap.coverage.geometry_defects import Faults, faults_of, joined, resolution
from gridmap.coverage.patches import areal_parts, known_vertices, local_origin, made_valid, shift


def nesting_faults(
    polygons: Geometries, areas: Geometries, place: Index, gaps: Geometries
) -> tuple[Faults, Index]:
    """Find what of cells lies outside of their parent, and what parents miss.

    Parameters
    ----------
    polygons, areas : arrays of polygons
        Cells and parents.
    place : ndarray of int
        Position of each cell's parent, -1 where it is not known.
    gaps : array of Polygon
        Areas that no cell covers at all; they are not reported again.

    Returns
    -------
    faults : Faults
        ``crosses-parent`` with the cell, ``parent-gap`` without.
    parent : ndarray of int
        Position of the parent that each fault concerns.
    """
    cells, parents = _suspects(polygons, areas, place)
    crossing, of_crossing = _crossing(polygons, areas, place, cells)
    missing, of_missing = _missing(polygons, areas, place, parents, gaps)
    return joined([crossing, missing]), np.concatenate([of_crossing, of_missing])


def _suspects(polygons: Geometries, areas: Geometries, place: Index) -> tuple[Index, Index]:
    """Return the cells and the parents with edges left over when each parent is proved."""
    edges, owner, _ = edges_of(rings_of(polygons))
    outer, parent, _ = edges_of(rings_of(areas))
    known = place[owner] >= 0
    group = np.concatenate([place[owner][known], parent])
    owner = np.concatenate([owner[known], np.full(len(outer), -1)])
    left = residual(np.concatenate([edges[known], reverse(outer)]), group)
    cells = np.unique(owner[left.members])
    return cells[cells >= 0].astype(np.int64), np.unique(group[left.members])


def _crossing(
    polygons: Geometries, areas: Geometries, place: Index, cells: Index
) -> tuple[Faults, Index]:
    if len(cells) == 0:
        return joined([]), np.empty(0, dtype=np.int64)
    origin = np.array([local_origin(box) for box in shapely.bounds(polygons[cells])])
    cell = made_valid(shift(polygons[cells], -origin))
    parent = made_valid(shift(areas[place[cells]], -origin))
    parts, source = areal_parts(shapely.difference(cell, parent))
    corners = shapely.get_coordinates(np.concatenate([cell, parent]))
    keep = _real(parts, corners)
    parts, source = parts[keep], source[keep]
    culprits = np.column_stack([cells[source], np.full(len(source), -1)])
    faults = faults_of("crosses-parent", parts, culprits)
    return _moved(faults, shift(parts, origin[source])), place[cells[source]]


def _missing(
    polygons: Geometries, areas: Geometries, place: Index, parents: Index, gaps: Geometries
) -> tuple[Faults, Index]:
    tree = shapely.STRtree(gaps)
    found, of = [joined([])], [np.empty(0, dtype=np.int64)]
    for p in parents:
        origin = local_origin(shapely.bounds(areas[p]))
        own = made_valid(shift(polygons[place == p], -np.tile(origin, ((place == p).sum(), 1))))
        near = gaps[tree.query(areas[p], predicate="intersects")]
        blank = shift(near, -np.tile(origin, (len(near), 1)))
        area = made_valid(shift(areas[p : p + 1], -origin[None, :]))
        rest = shapely.difference(area[0], shapely.union_all(np.concatenate([own, blank])))
        parts, _ = areal_parts(np.array([rest], dtype=object))
        parts = parts[_real(parts, shapely.get_coordinates(np.concatenate([own, blank, area])))]
        faults = faults_of("parent-gap", parts)
        found.append(_moved(faults, shift(parts, np.tile(origin, (len(parts), 1)))))
        of.append(np.full(len(parts), p))
    return joined(found), np.concatenate(of)


def _real(parts: Geometries, corners: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Index:
    """Return positions of parts that the overlay's rounding cannot have made."""
    faults = faults_of("", parts)
    thin = faults.width < resolution(corners)
    return np.flatnonzero((faults.area > 0) & (~thin | known_vertices(parts, corners)))


def _moved(faults: Faults, geometry: Geometries) -> Faults:
    return Faults(faults.kind, faults.qualifier, faults.cells, geometry, faults.area, faults.width)
