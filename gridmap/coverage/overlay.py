"""The explanation of a failed proof: each gap, overlap, stick-out and T-junction with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from gridmap._arrays import Floats, Geometries, Ints, geometries
from gridmap.coverage.arrangement import enclosed
from gridmap.coverage.edges import Leftover, Rings, rings_of
from gridmap.coverage.geometry_defects import Faults, cross, faults_of, joined, resolution
from gridmap.coverage.patches import (
    areal_parts,
    made_valid,
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
        holes = geometries(shapely.polygons(rings[inner]))
        declared = inside(holes, polygons_of("exclude", exclude))
        inner = inner[declared]
    else:
        inner = inner[:0]
    shells = [
        shapely.Polygon(shell.exterior, list(rings[inner[part[inner] == k]]))
        for k, shell in enumerate(parts)
    ]
    return shells[0] if len(shells) == 1 else shapely.union_all(shells)


def inside(polygons: Geometries, areas: Geometries) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which polygons lie in one of some areas, but for what doubles cannot tell.

    A needle that lies elsewhere, thin as it is, is left over whole.
    """
    if len(areas) == 0 or len(polygons) == 0:
        return np.zeros(len(polygons), dtype=bool)
    rest = shapely.difference(polygons, shapely.union_all(made_valid(areas)))
    faults = faults_of("", rest)
    fine = 4 * resolution(shapely.get_coordinates(polygons))
    mostly = 2 * shapely.area(rest) < shapely.area(polygons)
    return np.asarray(shapely.is_empty(rest) | (mostly & (faults.width < fine)))


MISSING_CELL = 0.25
"""Share of the median cell from which a gap is taken for a cell that is missing."""


@dataclass(frozen=True)
class Explanation:
    """Why a proof failed.

    Attributes
    ----------
    faults : Faults
        Every defect of geometry.
    rest : Leftover
        Edges left over once T-junctions are set aside.
    """

    faults: Faults
    rest: Leftover


def explain(
    polygons: Geometries, outline: shapely.Geometry, rings: Rings, invalid: Ints
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
    parts = split(left)
    if len(parts.left) == 0:
        return Explanation(_junctions(parts, left, owner), parts.left)
    piece = parts.piece_of[parts.left.members[parts.left.runs[:-1]]]
    whose = owner[left.members[left.runs[piece]]]
    sound = np.concatenate(
        [np.delete(edges, left.members, 0), np.delete(parts.pieces, parts.left.members, 0)]
    )
    found, bare, label = enclosed(parts.left, whose, sound, polygons, outline)
    unseen = _unseen(parts.left, whose, bare, label)
    junctions = _unexplained(_junctions(parts, left, owner), found)
    return Explanation(joined([found, unseen, junctions]), parts.left)


def _junctions(parts: Split, left: Leftover, owner: Ints) -> Faults:
    """Return T-junctions as points, with a cell whose side is split and one that splits it."""
    rows = parts.junctions
    points = parts.vertices[rows]
    points, first = np.unique(points, axis=0, return_index=True)
    edge = parts.edge[rows][first]
    side = owner[left.members[left.runs[edge]]]
    culprits = np.column_stack([side, np.full(len(side), -1)])
    # edges with a corner at the point; the first other cell of them splits the side
    corners = as_points(left.edges.reshape(-1, 2))
    order = np.argsort(corners, kind="stable")
    low, high = (
        np.searchsorted(corners[order], as_points(points), way) for way in ("left", "right")
    )
    for row in range(len(points)):
        near = np.unique(order[low[row] : high[row]] // 2)
        cells = {int(c) for k in near for c in _owners(left, owner, k)}
        culprits[row, 1] = min(cells - {-1, int(side[row])}, default=-1)
    return faults_of("t-junction", geometries(shapely.points(points)), culprits)


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


def _owners(left: Leftover, owner: Ints, edge: int) -> Ints:
    return owner[left.members[left.runs[edge] : left.runs[edge + 1]]]


def _unseen(rest: Leftover, whose: Ints, bare: Ints, label: Ints) -> Faults:
    """Return as lines the groups of leftover edges that enclose nothing, being too thin."""
    rows = []
    for group in np.unique(label[bare]):
        mine = bare[label[bare] == group]
        cells = np.unique(whose[mine])
        rows.append(_sub_resolution(rest.edges[mine], rest.count[mine], cells[cells >= 0]))
    return joined(rows)


def _sub_resolution(edges: Floats, count: Ints, cells: Ints) -> Faults:
    """Return one leftover cluster as a fault whose sign of area tells gap from overlap."""
    # in fractions: doubles cancel to nothing, and the sign is the answer
    crosses = (n * cross(edge) for n, edge in zip(count.tolist(), edges.tolist(), strict=True))
    signed = float(sum(crosses) / 2)
    lines = geometries(shapely.multilinestrings([list(edges.reshape(-1, 2, 2))]))
    kind = "gap" if signed <= 0 else "overlap" if len(cells) > 1 else "outside"
    fault = faults_of(kind, lines)
    culprits = np.full((1, 2), -1, dtype=np.int64)
    if signed > 0:
        culprits[0, : min(2, len(cells))] = cells[:2]
    area = np.array([abs(signed)])
    width = 2 * area / shapely.length(lines)
    return Faults(fault.kind, fault.qualifier, culprits, fault.geometry, area, width)
