"""Areas and widths in metres, whatever the units of the coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.edges import Geometries

Floats = NDArray[np.float64]


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
