"""What a large, dirty set of cells leaves open of an area, without the union of everything.

A union of many cells with gaps between them is slow because it drags every gap along as a hole.
Here neighbours are united block by block, the holes of each block are set aside and filled, and
only the filled outlines are united further.
"""

from __future__ import annotations

import numpy as np
import shapely

from gridmap.coverage.edges import Geometries, Index
from gridmap.coverage.patches import areal_parts, inner_points

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
