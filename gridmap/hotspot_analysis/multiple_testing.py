"""Many tests at once: what is left of p-values when each cell was one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.10, 0.05, 0.01)
Correction = Literal["bh", "by", "holm", "bonferroni"]


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


def holm(p: NDArray[np.float64], tested: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Adjust p-values so that the chance of any false call is held (Holm 1979).

    Parameters
    ----------
    p, tested
        As for :func:`benjamini_hochberg`.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    filled, order, tests = _sorted(p, tested)
    left = np.maximum(tests - np.arange(len(filled))[:, None], 1)
    rising = np.maximum.accumulate(np.where(np.isfinite(filled), filled * left, 0.0), axis=0)
    return _laid_back(np.where(np.isfinite(filled), rising, 1.0), order, p.shape)


def bonferroni(
    p: NDArray[np.float64], tested: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Multiply p-values by the number of tests, the plainest and strictest of corrections.

    Parameters
    ----------
    p, tested
        As for :func:`benjamini_hochberg`.

    Examples
    --------
    >>> bonferroni(np.array([0.01, 0.04, 0.5])).tolist()
    [0.03, 0.12, 1.0]
    """
    filled, order, tests = _sorted(p, tested)
    return _laid_back(np.where(np.isfinite(filled), filled * tests, 1.0), order, p.shape)


CORRECTIONS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "bh": benjamini_hochberg,
    "by": benjamini_yekutieli,
    "holm": holm,
    "bonferroni": bonferroni,
}


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
    filled, order, tests = _sorted(p, tested)
    factor = tests * penalty[tests] / np.arange(1, len(filled) + 1, dtype=float)[:, None]
    # a family without tests has the factor 0, and 0 · inf is no number
    scaled = filled * np.where(factor > 0, factor, 1.0)
    falling = np.minimum.accumulate(scaled[::-1], axis=0)[::-1]
    return _laid_back(falling, order, p.shape)


def _sorted(
    p: NDArray[np.float64], tested: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Sort each family, untested ones last as infinite; give the order and the tests of each."""
    columns = np.atleast_2d(p.T).T
    judged = np.ones(columns.shape, bool) if tested is None else tested.reshape(columns.shape)
    filled = np.where(judged, columns, np.inf)
    order = np.argsort(filled, axis=0)
    return np.take_along_axis(filled, order, axis=0), order, judged.sum(axis=0)


def _laid_back(
    adjusted: NDArray[np.float64], order: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Put adjusted p-values, at most 1, back in their places."""
    q = np.empty(adjusted.shape)
    np.put_along_axis(q, order, np.minimum(adjusted, 1.0), axis=0)
    return q.reshape(shape)
