"""Mann–Kendall trends of many series at once: up, down, or neither?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridmap.hotspot_analysis.getis_ord import quotient

_BATCH = 256


@dataclass(frozen=True)
class Trend:
    """Hold the Mann–Kendall S of each series, its variance, score and Kendall's τ-b with time."""

    s: NDArray[np.int64]
    variance: NDArray[np.float64]
    z: NDArray[np.float64]
    tau: NDArray[np.float64]


def mann_kendall(series: NDArray[np.float64]) -> Trend:
    """Count for each series how many pairs of steps rise less how many fall.

    The score is corrected for ties and for continuity (Kendall 1975). A series that never changes
    has no trend: score 0.

    Parameters
    ----------
    series
        A row a series, a column a step.

    Examples
    --------
    >>> found = mann_kendall(np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0]]))
    >>> found.s.tolist(), found.tau.tolist(), found.z.round(2).tolist()
    ([6, 0], [1.0, 0.0], [1.7, 0.0])
    """
    steps = np.ascontiguousarray(series.T)
    count = len(steps)
    s = np.zeros(steps.shape[1], np.int64)
    for gap in range(1, count):
        later, earlier = steps[gap:], steps[:-gap]
        s += (later > earlier).sum(axis=0, dtype=np.int32)
        s -= (later < earlier).sum(axis=0, dtype=np.int32)
    tied_pairs, tied_terms = _ties(steps)
    variance = (count * (count - 1.0) * (2.0 * count + 5.0) - tied_terms) / 18.0
    pairs = count * (count - 1.0) / 2.0
    z = quotient((s - np.sign(s)).astype(float), np.sqrt(np.maximum(variance, 0.0)))
    tau = quotient(s.astype(float), np.sqrt(pairs * np.maximum(pairs - tied_pairs, 0.0)))
    return Trend(s, variance, z, tau)


def sen_slope(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the median of the slopes between all pairs of steps of each series (Sen 1968).

    Parameters
    ----------
    series
        A row a series, a column a step.

    Examples
    --------
    >>> sen_slope(np.array([[1.0, 2.0, 3.0, 4.0, 9.0], [2.0, 2.0, 2.0, 2.0, 2.0]])).tolist()
    [1.0, 0.0]
    """
    rows, count = series.shape
    slopes = np.zeros(rows)
    if count < 2:
        return slopes
    pairs = count * (count - 1) // 2
    for start in range(0, rows, _BATCH):
        part = series[start : start + _BATCH]
        each, at = np.empty((len(part), pairs)), 0
        for gap in range(1, count):
            each[:, at : at + count - gap] = (part[:, gap:] - part[:, :-gap]) / gap
            at += count - gap
        slopes[start : start + _BATCH] = np.median(each, axis=1, overwrite_input=True)
    return slopes


def _ties(steps: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum t(t − 1)/2 and t(t − 1)(2t + 5) over the groups of t equal values in each column."""
    if len(steps) == 0:
        nothing = np.zeros(steps.shape[1])
        return nothing, nothing
    ordered = np.sort(steps, axis=0)
    starts = np.ones(steps.shape, bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    step = np.arange(len(steps))[:, None]
    first = np.maximum.accumulate(np.where(starts, step, 0), axis=0)
    # a group of t is summed up one member at a time: the t-th adds the difference of the terms
    member = (step - first + 1).astype(float)
    pairs = (member - 1.0).sum(axis=0)
    terms = (6.0 * (np.square(member) - 1.0)).sum(axis=0)
    return pairs, terms
