"""Density: how thick incidents lie, and how thick for the households that live there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy import fft

from gridmap._arrays import Bools, Floats, Ints32
from gridmap._checks import check_same_crs
from gridmap.errors import InputError
from gridmap.hotspot_analysis import method_text
from gridmap.hotspot_analysis.hotspots import LEAST_EXPECTED, base_of

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

# beyond six bandwidths a Gaussian holds less than 1e-8 of its weight
_REACH = 6.0


def bin_points(
    x: Floats,
    y: Floats,
    *,
    west: float,
    north: float,
    pixel: float,
    shape: tuple[int, int],
    weights: Floats | None = None,
) -> Floats:
    """Share each point among the four nearest pixel centres, the nearer the more.

    Parameters
    ----------
    x, y
        Positions; what lies outside the raster is left out.
    west, north, pixel
        Upper left corner of the raster and side of its pixels.
    shape
        Rows, from the north, and columns.
    weights
        One number a point; 1 by default.

    Returns
    -------
    ndarray
        With a rim of one pixel around the raster, for what points near its edge give away.
    """
    rows, columns = shape
    across = (x - west) / pixel + 0.5
    down = (north - y) / pixel + 0.5
    within = (across >= 0.5) & (across <= columns + 0.5) & (down >= 0.5) & (down <= rows + 0.5)
    if not within.all():
        across, down = across[within], down[within]
        weights = None if weights is None else weights[within]
    i, j = down.astype(np.int64), across.astype(np.int64)
    width = columns + 2
    corner = i * width + j
    down -= i
    across -= j
    whole, both = 1.0 if weights is None else weights, down * across
    if weights is not None:
        down, across, both = down * weights, across * weights, both * weights
    size = (rows + 3) * width
    total = np.zeros(size)
    first = whole - down - across + both
    for shift, part in ((0, first), (1, across - both), (width, down - both), (width + 1, both)):
        total += np.bincount(corner + shift, part, minlength=size)[:size]
    return total[: (rows + 2) * width].reshape(rows + 2, width)


def smooth(binned: Floats, *, pixel: float, bandwidth: float) -> Floats:
    """Spread binned points by a Gaussian and give their density per unit of area.

    Linear binning already spreads a point with variance pixel²/6 in each direction, so the
    Gaussian takes only what is left of bandwidth².

    Parameters
    ----------
    binned
        What :func:`bin_points` gives, with its rim.
    pixel, bandwidth
        In units of length; the bandwidth is the standard deviation.

    Returns
    -------
    ndarray
        Without the rim.
    """
    rows, columns = binned.shape
    reach = int(np.ceil(_REACH * bandwidth / pixel))
    size = (fft.next_fast_len(rows + reach, True), fft.next_fast_len(columns + reach, True))
    left = (bandwidth / pixel) ** 2 - 1.0 / 6.0
    damp = -2.0 * np.pi**2 * left
    spectrum = fft.rfft2(binned, size, overwrite_x=False)
    spectrum *= np.exp(damp * np.square(fft.fftfreq(size[0])))[:, None]
    spectrum *= np.exp(damp * np.square(fft.rfftfreq(size[1])))
    density: Floats = fft.irfft2(spectrum, size, overwrite_x=True)
    inner = density[1 : rows - 1, 1 : columns - 1]
    # rounding of the transform leaves traces below 0
    return np.maximum(inner, 0.0) / pixel**2


_PIXELS_A_BANDWIDTH = 8.0
_MOST_PIXELS = 16_000_000


@dataclass(frozen=True)
class Density:
    """Hold a raster of densities with its place on the ground; no point can be read from it.

    Attributes
    ----------
    values
        Rows from the north. With an exposure the ratio of incidents to what the exposure lets
        one expect (1 is usual); without, incidents per km². 0 where nothing is shown.
    shown
        Where a value means something: inside the boundary, and with an exposure enough of it.
    west, north, pixel
        Upper left corner and side of a pixel, in metres.
    crs
        Of the corner.
    bandwidth
        Standard deviation of the kernel in metres.
    method
        Facts and sentences, ready for JSON.
    """

    values: Floats
    shown: Bools
    west: float
    north: float
    pixel: float
    crs: Any
    bandwidth: float
    method: dict[str, Any]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Give west, south, east and north of the raster."""
        rows, columns = self.values.shape
        return (
            self.west,
            self.north - rows * self.pixel,
            self.west + columns * self.pixel,
            self.north,
        )

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Give the affine transform (a, b, c, d, e, f) from columns and rows to x and y."""
        return (self.pixel, 0.0, self.west, 0.0, -self.pixel, self.north)


def density(
    points: gpd.GeoDataFrame | gpd.GeoSeries | pd.DataFrame,
    grid: Grid,
    *,
    bandwidth: float = 250.0,
    exposure: str | pd.Series | None = "households",
    pixel: float | None = None,
) -> Density:
    """Spread incidents over a raster by a Gaussian kernel, relative to the households there.

    A raw heatmap redraws where people live. So the density of incidents is divided by that of
    the exposure, spread evenly over each cell and smoothed by the same kernel, times the overall
    rate. Where the kernel expects fewer than 5 incidents nothing is shown.

    Parameters
    ----------
    points
        Incidents in the CRS of the grid: geometry, or columns ``x`` and ``y``. Points that lie
        in no cell, or in a cell without exposure, are left out and counted.
    grid
        Where it happened.
    bandwidth
        Standard deviation of the kernel in metres.
    exposure
        Denominator: a column of `grid.cells`, a Series by code, or None for plain density.
    pixel
        Side of a pixel in metres, at most half the bandwidth; an eighth of it by default.

    Raises
    ------
    InputError
        If bandwidth or pixel are not lengths, or the raster would be too large.
    CRSError
        If the points are in another CRS.

    Examples
    --------
    >>> from gridmap.grid.grid import Grid
    >>> squares = gpd.GeoDataFrame({"code": ["a", "b"], "households": [300, 600]},
    ...     geometry=shapely.box([0, 500], 0, [500, 1000], 500), crs=4547)
    >>> grid = Grid(squares, squares.union_all("coverage"))
    >>> x, y = np.meshgrid(np.arange(25, 1000, 50), np.arange(25, 500, 50))
    >>> even = pd.DataFrame({"x": x.ravel(), "y": y.ravel()})
    >>> found = density(even, grid, bandwidth=100)
    >>> bool(found.values[:, 5].min() > 1.3 > 0.9 > found.values[:, -5].max())
    True
    """
    pixel = _check_lengths(bandwidth, pixel)
    x, y = _positions(points, grid)
    west, south, east, north = shapely.bounds(grid.boundary)
    shape = (int(np.ceil((north - south) / pixel)) or 1, int(np.ceil((east - west) / pixel)) or 1)
    if shape[0] * shape[1] > _MOST_PIXELS:
        raise InputError(
            "`pixel` {pixel:g} m makes a raster of {shape:,} × {shape_2:,}. Give a larger "
            "`pixel` or `bandwidth`.",
            pixel=pixel,
            shape=shape[0],
            shape_2=shape[1],
        )
    raster = {"west": west, "north": north, "pixel": pixel, "shape": shape}
    found = base_of(grid, exposure)
    name, base = found.name, np.where(found.gate == 0, found.values, 0.0)
    known = np.isfinite(x) & np.isfinite(y)
    cell = np.zeros(len(x), np.int32)
    cell[known] = grid.locator.relate(x[known], y[known])[0]
    counted = np.append(0.0, base)[cell] > 0
    x, y = x[counted], y[counted]
    incidents = smooth(bin_points(x, y, **raster), pixel=pixel, bandwidth=bandwidth)
    where = grid.locator.relate(*_centres(**raster))[0].reshape(shape)
    facts = {
        "exposure": name,
        "bandwidth": float(bandwidth),
        "pixel": float(pixel),
        "incidents": int(counted.sum()),
        "outside": int((cell == 0).sum()),
        **found.left_out(np.bincount(cell, minlength=len(base) + 1)[1:]),
        "filled": 0,
        "least_expected": LEAST_EXPECTED,
    }
    if name is None:
        values, shown = incidents * 1e6, where > 0
    else:
        expected = _expected(base, grid, where, int(counted.sum()), pixel, bandwidth)
        enough = expected * (4.0 * np.pi * bandwidth**2) >= LEAST_EXPECTED
        shown = enough & (np.append(0.0, base)[where] > 0)
        values = np.divide(incidents, expected, out=np.zeros(shape), where=shown)
    values = np.where(shown, values, 0.0)
    place = (float(west), float(north), float(pixel), grid.crs, float(bandwidth))
    return Density(values, shown, *place, method_text.density_method(**facts))


def _expected(
    base: Floats,
    grid: Grid,
    where: Ints32,
    incidents: int,
    pixel: float,
    bandwidth: float,
) -> Floats:
    """Spread as many incidents over the raster as there were, after the exposure."""
    pixels = np.bincount(where.ravel(), minlength=len(base) + 1)[1:]
    share = base / base.sum() if base.sum() > 0 else base
    # a cell smaller than a pixel may own no pixel centre: its exposure goes to the nearest one
    each = np.append(0.0, np.divide(share, pixels, out=np.zeros(len(base)), where=pixels > 0))
    rim = np.pad(each[where] * incidents, 1)
    missed = np.flatnonzero((pixels == 0) & (share > 0))
    if len(missed):
        inside = shapely.point_on_surface(grid.cells.geometry.to_numpy()[missed])
        west, _, _, north = shapely.bounds(grid.boundary)
        rim += bin_points(
            shapely.get_x(inside),
            shapely.get_y(inside),
            west=west,
            north=north,
            pixel=pixel,
            shape=(where.shape[0], where.shape[1]),
            weights=share[missed] * incidents,
        )
    return smooth(rim, pixel=pixel, bandwidth=bandwidth)


def _centres(
    west: float, north: float, pixel: float, shape: tuple[int, int]
) -> tuple[Floats, Floats]:
    rows, columns = shape
    across = west + (np.arange(columns) + 0.5) * pixel
    down = north - (np.arange(rows) + 0.5) * pixel
    return np.tile(across, rows), np.repeat(down, columns)


def _positions(
    points: gpd.GeoDataFrame | gpd.GeoSeries | pd.DataFrame, grid: Grid
) -> tuple[Floats, Floats]:
    if isinstance(points, gpd.GeoDataFrame | gpd.GeoSeries):
        check_same_crs("points", points, "grid", grid)
        shapes = points.geometry.to_numpy()
        x, y = shapely.get_x(shapes), shapely.get_y(shapes)
    elif "x" in points and "y" in points:
        x, y = (points[axis].to_numpy(dtype=float, na_value=np.nan) for axis in "xy")
    else:
        raise InputError("`points` has neither geometry nor columns `x` and `y` in metres.")
    return np.asarray(x, float), np.asarray(y, float)


def _check_lengths(bandwidth: float, pixel: float | None) -> float:
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise InputError(
            "`bandwidth` is {bandwidth}; give metres above 0, as 250.", bandwidth=bandwidth
        )
    side = bandwidth / _PIXELS_A_BANDWIDTH if pixel is None else pixel
    if not 0 < side <= bandwidth / 2:
        raise InputError(
            "`pixel` is {side:g} m for a bandwidth of {bandwidth:g} m; give at most half of it.",
            side=side,
            bandwidth=bandwidth,
        )
    return side
