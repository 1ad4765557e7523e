"""Sums of values drawn at random: their whole distribution, by Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from gridmap.hotspot_analysis.significance import skewed_p

_BINS = 1024
# sums that are equal must count as equal, though binning moves them a little
_SLACK = 2.0


def corrected_p(
    z: NDArray[np.float64],
    skew: NDArray[np.float64],
    sizes: NDArray[np.int64] | None,
    values: NDArray[np.float64],
    back: int = 0,
) -> NDArray[np.float64]:
    """Correct p for skew: by Pearson III where the skew stretches, else by the draws themselves.

    Parameters
    ----------
    z, skew
        Score of each window's sum on each map, and the skewness of the sum.
    sizes
        Cells in each window; None for windows of unequal weights, which get the normal p on the
        side where Pearson III ends.
    values
        What was summed: a column a map.
    back
        How many maps before were added to each.
    """
    p = skewed_p(z, skew)
    if sizes is None:
        return p
    short = z * skew < 0
    for column in range(z.shape[1]):
        mine = short[:, column]
        drawn = values[:, max(column - back, 0) : column + 1]
        p[mine, column] = np.minimum(2.0 * drawn_tails(z[mine, column], sizes[mine], drawn), 1.0)
    return p


def drawn_tails(
    z: NDArray[np.float64], sizes: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the chance that as many values drawn at random score as far out on the same side.

    The distribution of a sum of K draws is the K-th power of the values' own in the Fourier
    domain; that of several maps together is their product. Draws are made with replacement and
    the score takes care of the difference: it was standardised without. A window of more than half
    of all cells is judged by the others.

    Parameters
    ----------
    z, sizes
        Score of each window, and the cells in it.
    values
        All values of a map; a column a map where the same cells of several maps are summed.

    Examples
    --------
    >>> dice = np.arange(1.0, 7.0)
    >>> two = -5.0 / np.sqrt(2.0 * dice.var())
    >>> drawn_tails(np.array([two]), np.array([2]), dice).round(3).tolist()
    [0.028]
    """
    tails = np.ones(len(z))
    columns = np.atleast_2d(values.T).T
    step = float(np.ptp(columns, axis=0).max()) / _BINS if len(columns) else 0.0
    if not len(z) or step <= 0:
        return tails
    most = 2 * sizes > len(columns)
    z, sizes = np.where(most, -z, z), np.where(most, len(columns) - sizes, sizes)
    place = (columns - columns.min(axis=0)) / step
    length = fft.next_fast_len(int(sizes.max()) * _BINS * columns.shape[1] + 1, True)
    spectrum = np.prod([_spectrum(own, length) for own in place.T], axis=0)
    centre, spread = float(place.mean(axis=0).sum()), float(np.sqrt(place.var(axis=0).sum()))
    for count in np.unique(sizes):
        mine = np.flatnonzero(sizes == count)
        below = np.cumsum(np.maximum(fft.irfft(spectrum**count, length), 0.0))
        at = count * centre + z[mine] * spread * np.sqrt(count)
        under = np.clip(np.floor(at + _SLACK), 0, length - 1).astype(np.int64)
        over = np.clip(np.ceil(at - _SLACK), 1, length).astype(np.int64)
        tails[mine] = np.where(z[mine] < 0, below[under], below[-1] - below[over - 1])
    return np.clip(tails, 0.0, 1.0)


def _spectrum(place: NDArray[np.float64], length: int) -> NDArray[np.complex128]:
    """Share each value among the two nearest bins, and transform their distribution."""
    low = np.minimum(place.astype(np.int64), _BINS - 1)
    share = place - low
    size = _BINS + 1
    chance = np.bincount(low, 1.0 - share, size) + np.bincount(low + 1, share, size)
    spectrum: NDArray[np.complex128] = fft.rfft(chance / len(place), length)
    return spectrum
