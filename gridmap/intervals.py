"""Intervals of shares, counts and changes: what chance alone could have made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, gammaincinv, ndtri

from gridmap._arrays import Floats


def wilson(hits: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return the Wilson (1927) interval of a share.

    Parameters
    ----------
    hits, trials : array-like of int
        Successes, and how often was tried; 0 of 0 gives NaN.
    confidence : float
        Of the two-sided interval.

    Returns
    -------
    low, high : ndarray

    Examples
    --------
    >>> low, high = wilson(71, 71)
    >>> round(float(low), 4), float(high)
    (0.9487, 1.0)
    """
    k, n = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    z = float(ndtri(0.5 + confidence / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = k / n
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
    return np.where(k == 0, np.minimum(low, 0.0), low), np.where(k == n, np.maximum(high, 1), high)


def poisson_interval(counts: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return the exact (Garwood 1936) interval of the mean behind a count.

    Examples
    --------
    >>> low, high = poisson_interval([0, 10])
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.0, 4.8], [3.69, 18.39])
    """
    seen = np.asarray(counts, dtype=float)
    tail = (1 - confidence) / 2
    low = np.where(seen > 0, gammaincinv(np.maximum(seen, 1), tail), 0.0)
    return low, np.asarray(gammaincinv(seen + 1.0, 1.0 - tail), dtype=np.float64)


@dataclass(frozen=True)
class Change:
    """How a count changed against an earlier one.

    Attributes
    ----------
    now, before : int
        The counts.
    change : float or None
        Relative change; None where there was nothing before.
    low, high : float
        Its interval; high is infinite where there was nothing before.
    """

    now: int
    before: int
    change: float | None
    low: float
    high: float

    @property
    def chance(self) -> bool:
        """Whether the two counts may differ by chance alone."""
        return self.low <= 0 <= self.high


def count_change(now: int, before: int, *, scale: float = 1.0) -> Change:
    """Compare two counts: given their sum, the later one is binomial (Przyborowski–Wilenski 1940).

    Parameters
    ----------
    now, before : int
        Counts of two periods.
    scale : float
        How much longer the later period is than the earlier.

    Returns
    -------
    Change

    Examples
    --------
    >>> found = count_change(28, 12)
    >>> f"{found.change:+.1%} ({found.low:+.1%} to {found.high:+.1%})", found.chance
    ('+133.3% (+14.9% to +403.8%)', False)
    >>> count_change(12, 10).chance, count_change(3, 0).change
    (True, None)
    """
    least, most = odds_interval(now, before)
    change = now / before / scale - 1 if before else None
    return Change(now, before, change, least / scale - 1, most / scale - 1)


def odds_interval(hits: float, misses: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact (Clopper and Pearson 1934) interval of the odds behind hits and misses."""
    tail = (1 - confidence) / 2
    least = _odds(float(betaincinv(hits, misses + 1, tail))) if hits else 0.0
    most = _odds(float(betaincinv(hits + 1, misses, 1 - tail))) if misses else float("inf")
    return least, most


def _odds(share: float) -> float:
    return float(share / (1 - share)) if share < 1 else float("inf")
