"""From scores to two-sided p-values: normal, corrected for skew, or by permutation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

# below this the Pearson III distribution and the normal one agree to more than 1e-5
_STRAIGHT = 1e-6


def normal_p(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the two-sided p of a score under the normal distribution.

    Examples
    --------
    >>> normal_p(np.array([0.0, 1.959963984540054])).round(3).tolist()
    [1.0, 0.05]
    """
    p: NDArray[np.float64] = 2.0 * special.ndtr(-np.abs(z))
    return p


def upper_tail(z: NDArray[np.float64], skew: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the chance of a larger score under Pearson III with mean 0, variance 1 and a skew.

    Rates of few incidents are skewed, and their sums over a window stay so: the normal
    distribution calls too many of them hot.

    Parameters
    ----------
    z, skew
        Scores and the skewness of each under the null, of one shape.

    Examples
    --------
    >>> upper_tail(np.array([3.0, 3.0]), np.array([0.0, 1.0])).round(4).tolist()
    [0.0013, 0.0103]
    """
    z, skew = np.broadcast_arrays(np.asarray(z, float), np.asarray(skew, float))
    shape, variate = _gamma(np.where(skew < 0, -z, z), np.abs(skew))
    tail = np.where(skew < 0, special.gammainc(shape, variate), special.gammaincc(shape, variate))
    upper: NDArray[np.float64] = np.where(np.abs(skew) < _STRAIGHT, special.ndtr(-z), tail)
    return upper


def skewed_p(z: NDArray[np.float64], skew: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the two-sided p of a score, corrected for skew where that asks for more evidence.

    On the side that the skew stretches, p is twice the Pearson III tail, or the normal p if that
    is larger. On the other side it is the normal p: there Pearson III ends at −2/skew, and one
    strong hotspot, which skews everything, would make its whole surroundings cold for sure.

    Parameters
    ----------
    z, skew
        Scores and the skewness of each under the null, of one shape.

    Examples
    --------
    >>> skewed_p(np.array([3.0, -3.0]), np.array([1.0, 1.0])).round(4).tolist()
    [0.0207, 0.0027]
    """
    z, skew = np.broadcast_arrays(np.asarray(z, float), np.asarray(skew, float))
    p = normal_p(z)
    stretched = (z * skew > 0) & (np.abs(skew) >= _STRAIGHT)
    shape, variate = _gamma(np.abs(z[stretched]), np.abs(skew[stretched]))
    p[stretched] = np.maximum(p[stretched], 2.0 * special.gammaincc(shape, variate))
    return np.minimum(p, 1.0)


def permuted_p(
    sums: NDArray[np.float64],
    values: NDArray[np.float64],
    sizes: NDArray[np.int64],
    *,
    permutations: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Give the two-sided p of window sums against sums of as many cells drawn at random.

    The null is that of Ord and Getis: the window's own cell is drawn as well, so all windows of
    one size share one set of draws. The same draws serve every column.

    Parameters
    ----------
    sums
        Sum of the values in each window, a column a map.
    values
        The values, a column a map.
    sizes
        Cells in each window.
    permutations
        How many draws; no p is below 2 / (permutations + 1).
    rng
        Where chance comes from.
    """
    deepest = int(sizes.max())
    draws = np.argsort(rng.random((permutations, len(values)), dtype=np.float32), axis=1)
    draws = draws[:, :deepest]
    p = np.empty(sums.shape)
    for column in range(values.shape[1]):
        drawn = np.cumsum(values[draws, column], axis=1)
        scale = 1e-9 * max(1.0, float(np.abs(values[:, column]).max()))
        for size in np.unique(sizes):
            null = np.sort(drawn[:, size - 1])
            rows = np.flatnonzero(sizes == size)
            seen = sums[rows, column]
            above = permutations - np.searchsorted(null, seen - scale, side="left")
            below = np.searchsorted(null, seen + scale, side="right")
            p[rows, column] = 2.0 * (np.minimum(above, below) + 1) / (permutations + 1)
    return np.minimum(p, 1.0)


def _gamma(
    towards: NDArray[np.float64], size: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give shape and value of the gamma variate with this skewness, from a score towards it."""
    shape = 4.0 / np.square(np.maximum(size, _STRAIGHT))
    return shape, np.maximum(shape + towards * np.sqrt(shape), 0.0)
