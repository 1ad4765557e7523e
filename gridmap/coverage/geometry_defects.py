"""Defects of geometry in arrays, with area and width as exact as they must be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, Objects
from gridmap.coverage.edges import directed_edges

THIN = 1e-6
"""Share of the squared perimeter below which an area is computed in fractions."""


@dataclass(frozen=True)
class Faults:
    """Defects of geometry, one row each, in units of the coordinates.

    Attributes
    ----------
    kind, qualifier : ndarray of str
    cells : ndarray of int, shape (n, 2 or more)
        The cells that overlap or stick out, -1 where there are no more.
    geometry : ndarray of geometries
    area, width : ndarray of float
        Width is 2 · area / perimeter, which is the width of something long.
    """

    kind: Objects
    qualifier: Objects
    cells: Ints
    geometry: Geometries
    area: Floats
    width: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: Bools | Ints) -> Faults:
        """Return some of the rows."""
        return Faults(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def faults_of(
    kind: str, geometry: Geometries, cells: Ints | None = None, qualifier: str = ""
) -> Faults:
    """Return one fault a geometry."""
    count = len(geometry)
    area = precise_areas(geometry)
    perimeter = shapely.length(geometry)
    width = np.divide(2 * area, perimeter, out=np.zeros(count), where=perimeter > 0)
    cells = np.full((count, 2), -1) if cells is None else cells.reshape(count, 2)
    return Faults(
        np.full(count, kind, dtype=object),
        np.full(count, qualifier, dtype=object),
        cells.astype(np.int64),
        geometry,
        area,
        width,
    )


def joined(faults: list[Faults]) -> Faults:
    """Return all rows of several tables."""
    if not faults:
        return faults_of("gap", np.empty(0, dtype=object))
    most = max(f.cells.shape[1] for f in faults)
    faults = [replace(f, cells=widened(f.cells, most)) for f in faults]
    names = Faults.__dataclass_fields__
    return Faults(*(np.concatenate([getattr(f, name) for f in faults]) for name in names))


def widened(cells: Ints, most: int) -> Ints:
    """Return a table of cells with as many columns, -1 in the new ones."""
    more = ((0, 0), (0, most - cells.shape[1]))
    return np.pad(cells, more, constant_values=-1)


def resolution(*bounds: Floats) -> float:
    """Return the width below which doubles of this size cannot tell a shape from a line."""
    finite = [np.abs(b[np.isfinite(b)]).max(initial=0.0) for b in bounds]
    return 4.0 * float(np.spacing(max(finite)))


def precise_areas(polygons: Geometries) -> Floats:
    """Return areas, those of very thin polygons in rational arithmetic, where doubles cancel."""
    area, perimeter = shapely.area(polygons), shapely.length(polygons)
    for k in np.flatnonzero((area > 0) & (area < THIN * perimeter**2)):
        edges, _ = directed_edges(polygons[k : k + 1])
        area[k] = float(sum(cross(edge) for edge in edges.tolist()) / 2)
    return np.asarray(area, dtype=np.float64)


def cross(edge: list[float]) -> Fraction:
    a, b, c, d = map(Fraction, edge)
    return a * d - c * b


def in_metres(geometry: Geometries, area: Floats, width: Floats, crs: Any) -> tuple[Floats, Floats]:
    """Return areas in square metres and widths in metres.

    Feet are converted; degrees are scaled by the curvature of the ellipsoid at each geometry, as
    defects are small. Without a CRS the units are taken for metres.
    """
    if crs is None:
        return area, width
    if not crs.is_geographic:
        unit = float(crs.axis_info[0].unit_conversion_factor)
        return area * unit**2, width * unit
    east, north = _metres_per_degree(geometry, crs)
    square_metres = area * east * north
    perimeter = _perimeter(geometry, east, north)
    return square_metres, np.divide(
        2 * square_metres, perimeter, out=np.zeros_like(area), where=perimeter > 0
    )


def metres_per_unit(crs: Any) -> float:
    """Return the metres of a unit of a CRS, of a degree along the equator; 1 without a CRS."""
    if crs is None:
        return 1.0
    factor = float(crs.axis_info[0].unit_conversion_factor)
    return factor * crs.ellipsoid.semi_major_metre if crs.is_geographic else factor


def _metres_per_degree(geometry: Geometries, crs: Any) -> tuple[Floats, Floats]:
    """Return the metres of a degree eastward and northward at each geometry."""
    bounds = shapely.bounds(geometry)
    latitude = np.radians(np.nan_to_num((bounds[:, 1] + bounds[:, 3]) / 2))
    ellipsoid = crs.ellipsoid
    a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    squared = 1 - (b / a) ** 2
    root = np.sqrt(1 - squared * np.sin(latitude) ** 2)
    north = a * (1 - squared) / root**3
    east = a / root * np.cos(latitude)
    return east * np.pi / 180, north * np.pi / 180


def _perimeter(geometry: Geometries, east: Floats, north: Floats) -> Floats:
    xy, source = shapely.get_coordinates(geometry, return_index=True)
    scaled = xy * np.column_stack([east, north])[source]
    return np.asarray(shapely.length(shapely.set_coordinates(geometry.copy(), scaled)))
