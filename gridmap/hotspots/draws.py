"""Sums of values drawn at random: their whole distribution, by Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

_BINS = 1024
# sums that are equal must count as equal, though binning moves them a little
_SLACK = 2.0


def drawn_tails(
    z: NDArray[np.float64], sizes: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the chance that as many values drawn at random score as far out on the same side.

    The distribution of a sum of K draws is the K-th power of the values' own in the Fourier
    domain. Draws are made with replacement and the score takes care of the difference: it was
    standardised without. A window of more than half of all cells is judged by the others.

    Parameters
    ----------
    z, sizes
        Score of each window, and the cells in it.
    values
        All values of the map.

    Examples
    --------
    >>> dice = np.arange(1.0, 7.0)
    >>> two = -5.0 / np.sqrt(2.0 * dice.var())
    >>> drawn_tails(np.array([two]), np.array([2]), dice).round(3).tolist()
    [0.028]
    """
    tails = np.ones(len(z))
    most = 2 * sizes > len(values)
    z, sizes = np.where(most, -z, z), np.where(most, len(values) - sizes, sizes)
    step = float(np.ptp(values)) / _BINS
    if not len(z) or step <= 0:
        return tails
    place = (values - values.min()) / step
    low = np.minimum(place.astype(np.int64), _BINS - 1)
    share = place - low
    size = _BINS + 1
    chance = np.bincount(low, 1.0 - share, size) + np.bincount(low + 1, share, size)
    length = fft.next_fast_len(int(sizes.max()) * _BINS + 1, True)
    spectrum = fft.rfft(chance / len(values), length)
    centre, spread = float(place.mean()), float(place.std())
    for count in np.unique(sizes):
        mine = np.flatnonzero(sizes == count)
        below = np.cumsum(np.maximum(fft.irfft(spectrum**count, length), 0.0))
        at = count * centre + z[mine] * spread * np.sqrt(count)
        under = np.clip(np.floor(at + _SLACK), 0, length - 1).astype(np.int64)
        over = np.clip(np.ceil(at - _SLACK), 1, length).astype(np.int64)
        tails[mine] = np.where(z[mine] < 0, below[under], below[-1] - below[over - 1])
    return np.clip(tails, 0.0, 1.0)
