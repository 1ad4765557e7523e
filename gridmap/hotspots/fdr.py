"""False discovery rates: what is left of many p-values when each cell was a test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.10, 0.05, 0.01)


def benjamini_hochberg(
    p: NDArray[np.float64], tested: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Turn p-values into q-values, each column a family of its own.

    The q-value of a test is the smallest false discovery rate at which it would be called
    (Benjamini and Hochberg 1995). What was not tested belongs to no family and gets q = 1.

    Parameters
    ----------
    p
        p-values, one column a family; a single family may be one-dimensional.
    tested
        Which of them count as tests; all by default.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.04, 0.04]
    """
    return _step_up(p, tested, np.ones(len(p) + 1))


def benjamini_yekutieli(
    p: NDArray[np.float64], tested: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Turn p-values into q-values that hold under any dependence between the tests.

    The price is a factor of about ln(n) (Benjamini and Yekutieli 2001): stricter than is needed
    for the positive dependence of overlapping windows.

    Parameters
    ----------
    p, tested
        As for :func:`benjamini_hochberg`.

    Examples
    --------
    >>> benjamini_yekutieli(np.array([0.01, 0.5])).round(3).tolist()
    [0.03, 0.75]
    """
    harmonic = np.cumsum(1.0 / np.arange(1, len(p) + 1))
    return _step_up(p, tested, np.concatenate([[1.0], harmonic]))


def bins(z: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.int8]:
    """Sort scores into bins −3 … 3: cold to hot at q ≤ 0.01, 0.05, 0.10, else 0.

    Parameters
    ----------
    z, q
        Scores, of which only the sign is used, and their q-values.

    Examples
    --------
    >>> bins(np.array([3.0, -4.0, 0.5]), np.array([0.04, 0.001, 0.6])).tolist()
    [2, -3, 0]
    """
    depth = np.zeros(q.shape, np.int8)
    for level in LEVELS:
        depth += q <= level
    return np.where(z < 0, -depth, depth).astype(np.int8)


def _step_up(
    p: NDArray[np.float64], tested: NDArray[np.bool_] | None, penalty: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Step up through the sorted p-values; ``penalty[k]`` multiplies a family of k tests."""
    columns = np.atleast_2d(p.T).T
    judged = np.ones(columns.shape, bool) if tested is None else tested.reshape(columns.shape)
    tests = judged.sum(axis=0)
    filled = np.where(judged, columns, np.inf)
    order = np.argsort(filled, axis=0)
    factor = tests * penalty[tests] / np.arange(1, len(columns) + 1, dtype=float)[:, None]
    # a family without tests has the factor 0, and 0 · inf is no number
    scaled = np.take_along_axis(filled, order, axis=0) * np.where(factor > 0, factor, 1.0)
    falling = np.minimum.accumulate(scaled[::-1], axis=0)[::-1]
    q = np.empty(columns.shape)
    np.put_along_axis(q, order, np.minimum(falling, 1.0), axis=0)
    return q.reshape(p.shape)
