"""Local Moran's I on arrays: a second opinion that looks at a cell against its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gridmap.hotspot_analysis.getis_ord import gi, quotient

QUADRANTS = ["", "high-high", "low-low", "high-low", "low-high"]


@dataclass(frozen=True)
class LocalMoran:
    """Hold local Moran's I with its score under two nulls.

    ``total`` places all values at random (Anselin 1995), ``conditional`` all but the cell's own:
    that is the score of the neighbours alone, signed by the cell, with its skewness.
    """

    statistic: NDArray[np.float64]
    total: NDArray[np.float64]
    conditional: NDArray[np.float64]
    skew: NDArray[np.float64]
    quadrant: NDArray[np.int8]


def local_moran(values: NDArray[np.float64], neighbours: sparse.csr_array) -> LocalMoran:
    """Compute local Moran's I with the variance over n.

    Parameters
    ----------
    values
        A row a cell, a column a map.
    neighbours
        Weights with an empty diagonal.
    """
    columns = np.atleast_2d(values.T).T
    if not len(columns):
        nothing = np.zeros(values.shape)
        return LocalMoran(nothing, nothing, nothing, nothing, nothing.astype(np.int8))
    away = columns - columns.mean(axis=0)
    lag = neighbours @ away
    statistic = quotient(away * lag, np.square(away).mean(axis=0))
    around = gi(columns, neighbours)
    side = np.sign(away)
    skew = side * _skew_of_neighbours(away, neighbours)
    shape = values.shape
    return LocalMoran(
        statistic.reshape(shape),
        _total(statistic, away, neighbours).reshape(shape),
        (around * side).reshape(shape),
        skew.reshape(shape),
        _quadrant(away, around).reshape(shape),
    )


def _total(
    statistic: NDArray[np.float64], away: NDArray[np.float64], neighbours: sparse.csr_array
) -> NDArray[np.float64]:
    n = len(away)
    if n < 3:
        return np.zeros(away.shape)
    peak = quotient(np.power(away, 4).mean(axis=0), np.square(np.square(away).mean(axis=0)))
    first = np.asarray(neighbours.sum(axis=1), float)[:, None]
    second = np.asarray(neighbours.power(2).sum(axis=1), float)[:, None]
    expected = -first / (n - 1)
    variance = (
        second * (n - peak) / (n - 1)
        + (first**2 - second) * (2 * peak - n) / ((n - 1) * (n - 2))
        - expected**2
    )
    # without spread there is no peak either, and the variance would be that of nothing
    variance = np.where(peak > 0, np.maximum(variance, 0.0), 0.0)
    return quotient(statistic - expected, np.sqrt(variance))


def _skew_of_neighbours(
    away: NDArray[np.float64], neighbours: sparse.csr_array
) -> NDArray[np.float64]:
    """Give the skewness of each sum of neighbours drawn from all cells but the cell itself."""
    others = len(away) - 1
    if others < 3:
        return np.zeros(away.shape)
    mean = -away / others
    square = (np.square(away).sum(axis=0) - np.square(away)) / others
    cube = (np.power(away, 3).sum(axis=0) - np.power(away, 3)) / others
    variance = np.maximum(square - mean**2, 0.0)
    third = cube - 3.0 * mean * square + 2.0 * mean**3
    sums = (np.asarray(neighbours.power(k).sum(axis=1), float)[:, None] for k in (1, 2, 3))
    first, second, cubed = sums
    spread = np.maximum(second - first**2 / others, 0.0)
    lean = cubed - 3.0 * first * second / others + 2.0 * first**3 / others**2
    scale = np.sqrt(others * (others - 1.0)) / (others - 2.0)
    leaning: NDArray[np.float64] = quotient(third, variance**1.5) * quotient(lean, spread**1.5)
    skew: NDArray[np.float64] = leaning * scale
    return skew


def _quadrant(away: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.int8]:
    high, high_around = away > 0, around > 0
    low, low_around = away < 0, around < 0
    cases = [high & high_around, low & low_around, high & low_around, low & high_around]
    return np.select(cases, [1, 2, 3, 4], 0).astype(np.int8)
