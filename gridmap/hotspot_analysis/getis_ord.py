"""Getis–Ord statistics on arrays, and how a few odd cells are kept from hiding all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gridmap._arrays import Floats
from gridmap.hotspot_analysis.weights import Windows


def gi_star(values: Floats, windows: Windows) -> Floats:
    """Score every window by Gi*: its sum, standardised under random placing of the values.

    Ord and Getis (1995), with the cell in its own window and the variance over n. Where a score
    means nothing (all values equal, or a window of all cells) it is 0.

    Parameters
    ----------
    values
        One column a map, one row a cell.
    windows
        Windows of the same cells.
    """
    columns = np.atleast_2d(values.T).T
    n = len(columns)
    mean = columns.mean(axis=0)
    deviation = columns.std(axis=0)
    # equal values differ from their mean by rounding only
    deviation = np.where(deviation <= 1e-13 * np.abs(mean), 0.0, deviation)
    surplus = windows.matrix @ columns - windows.first * mean
    spread = np.sqrt(windows.spread * (n / max(n - 1, 1)))
    return quotient(surplus, deviation * spread).reshape(values.shape)


@dataclass(frozen=True)
class Moments:
    """Hold what a window's sum exceeds its mean by, and the moments of that under the null.

    All three may be added up over independent maps, of successive steps, say.
    """

    surplus: Floats
    variance: Floats
    third: Floats

    @property
    def z(self) -> Floats:
        """Standardise the surplus."""
        return quotient(self.surplus, np.sqrt(self.variance))

    @property
    def skew(self) -> Floats:
        """Standardise the third moment."""
        return quotient(self.third, np.power(self.variance, 1.5))


def moments(values: Floats, windows: Windows) -> Moments:
    """Compute each window's surplus with the variance and third moment chance gives it.

    Parameters
    ----------
    values
        One column a map, one row a cell.
    windows
        Windows of the same cells.
    """
    n = len(values)
    away = values - values.mean(axis=0)
    second, third = np.square(away).sum(axis=0), np.power(away, 3).sum(axis=0)
    return Moments(
        windows.matrix @ away,
        windows.spread * (second / max(n - 1, 1)),
        windows.third_moment * (third * (n / max((n - 1.0) * (n - 2.0), 1.0))),
    )


def gi(values: Floats, neighbours: sparse.csr_array) -> Floats:
    """Score the surroundings of every cell by Gi: the cell itself stays out of it.

    Mean and variance are those of the other cells (Ord and Getis 1995, formula for j ≠ i).

    Parameters
    ----------
    values
        One column a map, one row a cell.
    neighbours
        Weights with an empty diagonal.
    """
    columns = np.atleast_2d(values.T).T
    others = max(len(columns) - 1, 1)
    mean = (columns.sum(axis=0) - columns) / others
    variance = (np.square(columns).sum(axis=0) - np.square(columns)) / others - np.square(mean)
    first = np.asarray(neighbours.sum(axis=1), float)[:, None]
    second = np.asarray(neighbours.power(2).sum(axis=1), float)[:, None]
    spread = np.maximum(others * second - np.square(first), 0.0) / max(others - 1, 1)
    surplus = neighbours @ columns - first * mean
    below = np.sqrt(np.maximum(variance, 0.0) * spread)
    return quotient(surplus, below).reshape(values.shape)


def skewness(values: Floats, windows: Windows) -> Floats:
    """Compute the skewness of every window's sum under random placing of the values.

    The third central moment of Σ wⱼ x_π(j) is n A₃ B₃ / ((n − 1)(n − 2)), where A₃ and B₃ are the
    sums of cubed deviations of weights and values. For windows of K equal weights this is
    γ₁ (n − 2K) √(n − 1) / ((n − 2) √(K (n − K))).

    Parameters
    ----------
    values, windows
        As for :func:`gi_star`.
    """
    columns = np.atleast_2d(values.T).T
    n = len(columns)
    if n < 3:
        return np.zeros(values.shape)
    away = columns - columns.mean(axis=0)
    square = away * away
    spread = np.sqrt(square.mean(axis=0))
    cubed = quotient((square * away).mean(axis=0), spread**3) * (np.sqrt(n * (n - 1.0)) / (n - 2.0))
    skew: Floats = cubed * windows.lean
    return skew.reshape(values.shape)


def quotient(above: Floats, below: Floats) -> Floats:
    """Divide, and answer 0 where there is nothing to divide by."""
    below = np.broadcast_to(below, np.broadcast_shapes(above.shape, below.shape))
    share: Floats = np.zeros(below.shape)
    return np.divide(above, below, out=share, where=below > 0)


@dataclass(frozen=True)
class Overall:
    """Hold global statistics of one map.

    ``moran`` is Moran's I with its score under random placing, ``geary`` is Geary's C, and
    ``general_g`` is Getis and Ord's G with its score; G means something for values of 0 or more.
    """

    moran: float
    moran_variance: float
    moran_z: float
    geary: float
    general_g: float
    general_g_z: float


def overall(values: Floats, neighbours: sparse.csr_array) -> Overall:
    """Compute the global statistics of one map; what has no answer is 0.

    Moments are those under random placing (Cliff and Ord 1981; Getis and Ord 1992).

    Parameters
    ----------
    values
        One number a cell.
    neighbours
        Weights with an empty diagonal.
    """
    away = values - values.mean()
    squares = float(away @ away)
    s0 = float(neighbours.sum())
    n = len(values)
    if squares <= 0 or s0 <= 0 or n < 4:
        return Overall(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    both = neighbours + neighbours.T
    s1 = float(both.power(2).sum()) / 2.0
    ends = np.asarray(neighbours.sum(axis=1) + neighbours.sum(axis=0), float)
    s2 = float(ends @ ends)
    moran = n * float(away @ (neighbours @ away)) / (s0 * squares)
    variance = _moran_variance(n, away, (s0, s1, s2))
    edges = sparse.coo_array(neighbours)
    apart = np.square(values[edges.row] - values[edges.col])
    geary = (n - 1) * float(edges.data @ apart) / (2.0 * s0 * squares)
    general, general_z = _general_g(values, neighbours, (s0, s1, s2))
    z = (moran + 1.0 / (n - 1)) / np.sqrt(variance) if variance > 0 else 0.0
    return Overall(moran, variance, float(z), geary, general, general_z)


Sums = tuple[float, float, float]


def _moran_variance(n: int, away: Floats, sums: Sums) -> float:
    s0, s1, s2 = sums
    peak = float(np.mean(away**4) / np.mean(away**2) ** 2)
    first = n * ((n * n - 3 * n + 3) * s1 - n * s2 + 3 * s0 * s0)
    second = peak * ((n * n - n) * s1 - 2 * n * s2 + 6 * s0 * s0)
    below = (n - 1) * (n - 2) * (n - 3) * s0 * s0
    return float((first - second) / below - 1.0 / (n - 1) ** 2)


def _general_g(values: Floats, neighbours: sparse.csr_array, sums: Sums) -> tuple[float, float]:
    s0, s1, s2 = sums
    n = len(values)
    m1, m2, m3, m4 = (float(np.sum(values**k)) for k in (1, 2, 3, 4))
    pairs = m1 * m1 - m2
    if pairs <= 0:
        return 0.0, 0.0
    general = float(values @ (neighbours @ values)) / pairs
    b0 = (n * n - 3 * n + 3) * s1 - n * s2 + 3 * s0 * s0
    b1 = -((n * n - n) * s1 - 2 * n * s2 + 6 * s0 * s0)
    b2 = -(2 * n * s1 - (n + 3) * s2 + 6 * s0 * s0)
    b3 = 4 * (n - 1) * s1 - 2 * (n + 1) * s2 + 8 * s0 * s0
    b4 = s1 - s2 + s0 * s0
    square = b0 * m2**2 + b1 * m4 + b2 * m1**2 * m2 + b3 * m1 * m3 + b4 * m1**4
    expected = s0 / (n * (n - 1))
    variance = square / (pairs**2 * n * (n - 1) * (n - 2) * (n - 3)) - expected**2
    return general, float((general - expected) / np.sqrt(variance)) if variance > 0 else 0.0


CURB = 4.0
# that of an exponential distribution: what is more skewed no Gi* can be read from
MOST_SKEW = 2.0
_ROUNDS = 30


def curbed(values: Floats, at: float = CURB) -> Floats:
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


def relieved(values: Floats, within: Windows, at: float | None = CURB) -> Floats:
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
