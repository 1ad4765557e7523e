"""Gaussian kernel density on a raster: linear binning and one fast Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

# beyond six bandwidths a Gaussian holds less than 1e-8 of its weight
_REACH = 6.0


def bin_points(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    west: float,
    north: float,
    pixel: float,
    shape: tuple[int, int],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
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
    lower, right = down - i, across - j
    if weights is None:
        both = lower * right
        parts = (1.0 - lower - right + both, right - both, lower - both, both)
    else:
        low, both = lower * weights, lower * right * weights
        parts = (weights - low - right * weights + both, right * weights - both, low - both, both)
    width = columns + 2
    corner = i * width + j
    size = (rows + 3) * width
    total = np.zeros(size)
    for shift, part in zip((0, 1, width, width + 1), parts, strict=True):
        total += np.bincount(corner + shift, part, minlength=size)[:size]
    return total[: (rows + 2) * width].reshape(rows + 2, width)


def smooth(binned: NDArray[np.float64], *, pixel: float, bandwidth: float) -> NDArray[np.float64]:
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
    density: NDArray[np.float64] = fft.irfft2(spectrum, size, overwrite_x=True)
    inner = density[1 : rows - 1, 1 : columns - 1]
    # rounding of the transform leaves traces below 0
    return np.maximum(inner, 0.0) / pixel**2
