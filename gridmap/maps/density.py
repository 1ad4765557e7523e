"""Where incidents crowd, as an image: the points themselves never leave."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely

if TYPE_CHECKING:
    from gridmap.grid import Grid

Floats = npt.NDArray[np.float64]
PIXELS = 480  # on the longer side
QUANTILES = (0.55, 0.75, 0.87, 0.95, 0.985)
RAMP = [
    (0, 0, 0, 0),
    (254, 224, 139, 110),
    (253, 174, 97, 160),
    (244, 109, 67, 195),
    (215, 48, 39, 215),
    (128, 0, 38, 230),
]


def heat_image(
    incidents: pd.DataFrame, grid: Grid, *, bandwidth: float = 250.0
) -> dict[str, Any] | None:
    """Draw the density of incidents as a picture in EPSG:3857, None when there are no points.

    Parameters
    ----------
    incidents
        A frame with point geometry, or with columns ``x`` and ``y`` in the grid's CRS.
    grid
        Tells the extent and the CRS.
    bandwidth
        Standard deviation of the Gaussian kernel in metres.
    """
    x, y = points_of(incidents, grid)
    west, south, east, north = _extent(grid)
    inside = (x >= west) & (x <= east) & (y >= south) & (y <= north)
    if not inside.any():
        return None
    pixel = max(east - west, north - south) / PIXELS
    shape = (max(1, round((north - south) / pixel)), max(1, round((east - west) / pixel)))
    counts, _, _ = np.histogram2d(
        north - y[inside],
        x[inside] - west,
        bins=shape,
        range=[[0, north - south], [0, east - west]],
    )
    stretch = np.cosh((south + north) / 2 / 6378137.0)  # Mercator metres in a metre
    smooth = _smoothed(counts, min(bandwidth * stretch / pixel, min(shape) / 3))
    return {
        "png": _png(_levels(smooth)),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
    }


def points_of(incidents: pd.DataFrame, grid: Grid) -> tuple[Floats, Floats]:
    """Return finite coordinates of incidents in EPSG:3857."""
    if "geometry" in incidents and hasattr(incidents, "crs") and incidents.crs is not None:
        shapes = incidents.geometry.to_numpy()
        x, y, crs = shapely.get_x(shapes), shapely.get_y(shapes), incidents.crs
    else:
        x = pd.to_numeric(incidents["x"], errors="coerce").to_numpy(dtype=float)
        y = pd.to_numeric(incidents["y"], errors="coerce").to_numpy(dtype=float)
        crs = grid.crs
    known = np.isfinite(x) & np.isfinite(y)
    moved = pyproj.Transformer.from_crs(crs, 3857, always_xy=True).transform(x[known], y[known])
    return np.asarray(moved[0]), np.asarray(moved[1])


def _extent(grid: Grid) -> tuple[float, float, float, float]:
    box = shapely.box(*grid.cells.total_bounds)
    outline = shapely.get_coordinates(shapely.segmentize(box, box.length / 40))
    move = pyproj.Transformer.from_crs(grid.crs, 3857, always_xy=True).transform
    x, y = move(outline[:, 0], outline[:, 1])
    return float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y))


def _smoothed(counts: Floats, sigma: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    smooth: Floats = gaussian_filter(counts.astype(float), max(sigma, 0.8), mode="constant")
    return smooth


def _levels(density: Floats) -> npt.NDArray[np.uint8]:
    shown = density[density > density.max() * 0.01]
    edges = np.unique(np.quantile(shown, QUANTILES)) if len(shown) else np.ones(1)
    return np.digitize(density, edges).astype(np.uint8)


def _png(levels: npt.NDArray[np.uint8]) -> str:
    from PIL import Image

    picture = Image.fromarray(levels).convert("P")
    picture.putpalette([value for color in RAMP for value in color[:3]])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes(color[3] for color in RAMP), optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
