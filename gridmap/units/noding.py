"""Lines to faces: noding on a lattice, so that every face matches its neighbours exactly.

Everything that may become a border is rounded and noded at once on a lattice of 2⁻²⁰ m, about a
micrometre. Faces of noded lines use each line from both sides, so they are a coverage by
construction: no later step needs a tolerance. The lattice is dyadic: its coordinates are exact.
A vertex that was given then gets its own coordinates back, the same in every face that has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, as_points

LATTICE = 2.0**-20
COMPILED_FROM = 40_000
"""Vertices from which compiled code of our own repays its loading."""


def faces_of(lines: Any) -> Geometries:
    """Return the faces that lines enclose, after noding them on the lattice.

    Ends that lead nowhere (culs-de-sac, overshoots) and lines that enclose nothing are dropped.

    Parameters
    ----------
    lines : array of LineString or MultiLineString
        They may cross, overlap and overshoot.

    Returns
    -------
    ndarray of Polygon
        An exact coverage.

    Examples
    --------
    >>> cross = shapely.linestrings([[(0, 2), (9, 2)], [(3, -1), (3, 5)]])
    >>> len(faces_of([shapely.box(0, 0, 6, 4).exterior, *cross]))
    4
    """
    lines = np.asarray(lines, dtype=object)
    if len(lines) == 0:
        return np.empty(0, dtype=object)
    given = shapely.get_coordinates(lines)
    if len(given) < COMPILED_FROM:
        noded = shapely.get_parts(shapely.union_all(lines, grid_size=LATTICE))
        faces = np.asarray(shapely.get_parts(shapely.polygonize(noded)), dtype=object)
    else:
        from gridmap.units import snap_rounding

        nodes, edges = snap_rounding.noded(shapely.get_parts(lines), LATTICE)
        faces = snap_rounding.faces(nodes, edges, LATTICE)
    return _restored(faces, given)


def _restored(faces: Geometries, given: Floats) -> Geometries:
    """Return the faces with each given vertex, which noding rounded, back in its place.

    Where several vertices fell on one lattice point, or a face would break or turn over, the point
    stays: faces that share their vertices and keep their turn keep tiling.
    """
    exact = np.unique(as_points(given + 0.0))
    rounded = LATTICE * (
        np.floor(exact.real / LATTICE + 0.5) + 1j * np.floor(exact.imag / LATTICE + 0.5)
    )
    place, first, count = np.unique(rounded, return_index=True, return_counts=True)
    place, exact = place[count == 1], exact[first[count == 1]]
    here = as_points(shapely.get_coordinates(faces) + 0.0)
    owner = np.repeat(np.arange(len(faces)), shapely.get_num_coordinates(faces))
    at = np.searchsorted(place, here) % max(len(place), 1)
    moves = place[at] == here if len(place) else np.zeros(len(here), dtype=bool)
    turn = _turn(faces)
    while moves.any():
        there = np.where(moves, exact[at], here)
        moved: Geometries = shapely.set_coordinates(faces.copy(), np.c_[there.real, there.imag])
        whole = shapely.is_valid(moved) & (_turn(moved) == turn)
        breaking = ~whole[owner] & moves
        if not breaking.any():
            return moved
        moves &= ~np.isin(here, here[breaking])
    return faces


def _turn(faces: Geometries) -> Bools:
    """Tell which faces are walked against the clock."""
    return np.asarray(shapely.is_ccw(shapely.get_exterior_ring(faces)), dtype=bool)


def outlines(polygons: Any) -> Geometries:
    """Return the rings of polygons and multipolygons as lines."""
    return np.asarray(shapely.get_rings(shapely.get_parts(polygons)), dtype=object)


def linework(polygons: Geometries) -> Geometries:
    """Return the outlines of a coverage as lines, each shared segment only once."""
    rings = outlines(polygons)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    joined = np.flatnonzero(ring[1:] == ring[:-1])
    place = as_points(xy + 0.0)
    one, other = place[joined], place[joined + 1]
    swap = (one.real > other.real) | ((one.real == other.real) & (one.imag > other.imag))
    ends = np.c_[np.where(swap, other, one), np.where(swap, one, other)]
    order = np.lexsort((joined, ends[:, 1], ends[:, 0]))
    again = (ends[order[1:]] == ends[order[:-1]]).all(axis=1)
    keep = np.ones(len(joined), dtype=bool)
    keep[order[1:][again]] = False
    start = joined[keep]
    last = np.diff(start, append=-1) != 1  # of a run of segments that follow each other
    run = np.cumsum(last) - last
    rows = np.insert(start, np.flatnonzero(last) + 1, start[last] + 1)
    line = np.insert(run, np.flatnonzero(last) + 1, run[last])
    return np.asarray(shapely.linestrings(xy[rows], indices=line), dtype=object)


def inner_points(polygons: Any) -> Geometries:
    """Return a point well inside each polygon."""
    return np.asarray(shapely.point_on_surface(polygons), dtype=object)


def widths(polygons: Any) -> Floats:
    """Return the mean width of polygons, 2A/P in metres."""
    return np.asarray(2 * shapely.area(polygons) / shapely.length(polygons), dtype=np.float64)


def containing(points: Any, polygons: Any) -> tuple[Ints, Ints]:
    """Return each pair (point, polygon) where the polygon holds the point inside it."""
    pairs = shapely.STRtree(polygons).query(points, predicate="within")
    order = np.lexsort((pairs[1], pairs[0]))
    return pairs[0][order].astype(np.int64), pairs[1][order].astype(np.int64)


def first_containing(points: Any, polygons: Any) -> Ints:
    """Return for each point the first polygon that holds it, or -1."""
    result = np.full(len(points), -1, dtype=np.int64)
    if len(polygons) == 0 or len(points) == 0:
        return result
    point, polygon = containing(points, polygons)
    result[point[::-1]] = polygon[::-1]  # the first is written last
    return result


def nearest_or_containing(points: Any, polygons: Any) -> Ints:
    """Return the polygon that holds each point, or is within rounding of it, or -1."""
    result = first_containing(points, polygons)
    missed = np.flatnonzero(result < 0)
    if len(missed) and len(polygons):
        near = shapely.STRtree(polygons).query(
            points[missed], predicate="dwithin", distance=2 * LATTICE
        )
        order = np.lexsort((-near[1], near[0]))
        result[missed[near[0][order]]] = near[1][order]  # the first is written last
    return result


def merge(faces: Geometries, group: Ints) -> tuple[Geometries, Ints]:
    """Unite the faces of each group of a coverage into connected polygons.

    Parameters
    ----------
    faces : array of Polygon
        A coverage.
    group : ndarray of int
        Group of each face; those below 0 are left out.

    Returns
    -------
    polygons : ndarray of Polygon
        Sorted by group; several where a group is not connected.
    group : ndarray of int
        Group of each polygon.
    """
    faces, group = faces[group >= 0], group[group >= 0]
    order = np.argsort(group, kind="stable")
    faces, group = faces[order], group[order]
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]) if len(group) else group
    ends = np.r_[starts[1:], len(group)]
    united = faces[starts].copy() if len(group) else faces
    for k in np.flatnonzero(ends - starts > 1):
        united[k] = shapely.coverage_union_all(faces[starts[k] : ends[k]])
    parts, source = shapely.get_parts(united, return_index=True)
    return np.asarray(parts, dtype=object), group[starts][source]
