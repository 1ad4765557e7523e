"""Is there a pattern at all? Global statistics of one map, before looking at single cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


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


def overall(values: NDArray[np.float64], neighbours: sparse.csr_array) -> Overall:
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


def _moran_variance(n: int, away: NDArray[np.float64], sums: Sums) -> float:
    s0, s1, s2 = sums
    peak = float(np.mean(away**4) / np.mean(away**2) ** 2)
    first = n * ((n * n - 3 * n + 3) * s1 - n * s2 + 3 * s0 * s0)
    second = peak * ((n * n - n) * s1 - 2 * n * s2 + 6 * s0 * s0)
    below = (n - 1) * (n - 2) * (n - 3) * s0 * s0
    return float((first - second) / below - 1.0 / (n - 1) ** 2)


def _general_g(
    values: NDArray[np.float64], neighbours: sparse.csr_array, sums: Sums
) -> tuple[float, float]:
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
