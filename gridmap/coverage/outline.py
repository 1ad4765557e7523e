"""The outline that cells fill by themselves, and what lies inside of areas."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from gridmap.coverage.edges import Geometries
from gridmap.coverage.geometry_defects import faults_of, resolution
from gridmap.coverage.given import polygons_of
from gridmap.coverage.patches import areal_parts, made_valid
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
    exact = len(sound) == len(polygons) and shapely.coverage_is_valid(sound)
    union = shapely.coverage_union_all(sound) if exact else shapely.union_all(sound)
    parts, _ = areal_parts(np.array([union], dtype=object))
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
