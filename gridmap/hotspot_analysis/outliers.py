"""Odd cells: what is done on a map where a few of them would hide all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gridmap.hotspot_analysis.getis_ord import skewness
from gridmap.hotspot_analysis.weights import Windows

CURB = 4.0
# that of an exponential distribution: what is more skewed no Gi* can be read from
MOST_SKEW = 2.0
_ROUNDS = 30


def curbed(values: NDArray[np.float64], at: float = CURB) -> NDArray[np.float64]:
    """Cut values at some standard deviations from their mean.

    Again and again, as every cut moves mean and spread, until nothing is left to cut. All cells
    are treated alike, so a test by random placing stays one.

    Parameters
    ----------
    values
        A row a cell, a column a map.
    at
        Standard deviations.

    Examples
    --------
    >>> curbed(np.array([0.0] * 50 + [1.0] * 49 + [900.0])).max().round(2)
    np.float64(2.69)
    """
    cut = values
    for _ in range(_ROUNDS):
        mean, reach = cut.mean(axis=0), at * cut.std(axis=0)
        # a value may stay a hair beyond the bound that moved when it was cut
        out = np.abs(cut - mean) > reach * (1.0 + 1e-3)
        if not out.any():
            break
        cut = np.where(out, np.clip(cut, mean - reach, mean + reach), cut)
    return cut


def relieved(
    values: NDArray[np.float64], within: Windows, at: float | None = CURB
) -> NDArray[np.float64]:
    """Curb the maps on which a few odd cells would hide the rest, and leave all others alone.

    Twenty flats above a market may have a rate fifty times as far out as any other; the spread
    is then that one cell's, and no other window stands out. Such a map is known by its window
    sums, which even together are more skewed than an exponential distribution (median over the
    windows). A hotspot does not do that, however strong, unless it is the only odd thing on it.

    Parameters
    ----------
    values
        Standardised rates: a row a cell, a column a map.
    within
        Windows of the same cells.
    at
        Standard deviations to cut at; None never cuts.
    """
    if at is None or len(values) == 0:
        return values
    odd = np.median(np.abs(skewness(values, within)), axis=0) > MOST_SKEW
    if not odd.any():
        return values
    calm = values.copy()
    calm[:, odd] = curbed(values[:, odd], at)
    return calm
