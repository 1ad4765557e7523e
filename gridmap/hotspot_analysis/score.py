"""Scores of cells on maps, as arrays: standardised rates, Gi*, and the chance of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gridmap.hotspot_analysis import significance
from gridmap.hotspot_analysis.draws import corrected_p
from gridmap.hotspot_analysis.getis_ord import gi_star, skewness
from gridmap.hotspot_analysis.outliers import CURB, relieved
from gridmap.hotspot_analysis.rates import overall_rate, standardised
from gridmap.hotspot_analysis.weights import Windows

Chance = Literal["skew", "pearson", "normal", "permutation"]
# a batch of maps is scored at a time, so that a long series does not fill the memory
_BATCH = 4_000_000


@dataclass(frozen=True)
class Scores:
    """Hold scores of cells (rows) on maps (columns), as arrays."""

    z: NDArray[np.float64]
    p: NDArray[np.float64]
    expected: NDArray[np.float64]
    window_expected: NDArray[np.float64]
    constant: NDArray[np.bool_]
    curbed: NDArray[np.int64]


def score(
    counts: NDArray[np.int64],
    exposure: NDArray[np.float64] | None,
    within: Windows,
    *,
    p: Chance = "skew",
    curb: float | None = CURB,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
) -> Scores:
    """Score cells by Gi* of their standardised rates, every map in one call.

    Parameters
    ----------
    counts
        A row a cell, a column a map.
    exposure
        One number above 0 a cell; None scores the counts as they are.
    within
        Windows of the same cells.
    p
        How the two-sided p is found.
    curb
        Where odd cells are cut, in standard deviations.
    permutations, rng
        For ``p="permutation"``.
    """
    if not len(counts):
        nothing = np.zeros(counts.shape)
        maps = counts.shape[1]
        constant, curbs = np.ones(maps, bool), np.zeros(maps, np.int64)
        return Scores(nothing, nothing, nothing, nothing, constant, curbs)
    base = np.ones(len(counts)) if exposure is None else exposure
    raw = counts.astype(float) if exposure is None else standardised(counts, base)
    values = raw if exposure is None else relieved(raw, within, curb)
    z = gi_star(values, within)
    if p == "normal":
        chance = significance.normal_p(z)
    elif p == "pearson":
        chance = significance.pearson_p(z, skewness(values, within))
    elif p == "skew":
        chance = corrected_p(z, skewness(values, within), within.equal_sizes, values)
    else:
        chance = significance.permuted_p(
            within.matrix @ values,
            values,
            within.sizes,
            permutations=permutations,
            rng=np.random.default_rng() if rng is None else rng,
        )
    rate = overall_rate(counts, base)
    around = within.members @ base[:, None]
    constant = np.ptp(values, axis=0) == 0
    curbs = (values != raw).sum(axis=0)
    return Scores(z, chance, base[:, None] * rate, around * rate, constant, curbs)


def in_batches(
    counts: NDArray[np.int64],
    exposure: NDArray[np.float64] | None,
    within: Windows,
    options: dict[str, Any],
) -> Scores:
    """Score many maps, some at a time.

    Parameters
    ----------
    counts, exposure, within
        As for :func:`score`.
    options
        What else :func:`score` is to be given.
    """
    width = max(1, _BATCH // max(1, len(counts)))
    parts = [
        score(counts[:, start : start + width], exposure, within, **options)
        for start in range(0, counts.shape[1], width)
    ]
    if len(parts) == 1:
        return parts[0]
    joined = (
        np.concatenate([getattr(part, name) for part in parts], axis=-1)
        for name in Scores.__dataclass_fields__
    )
    return Scores(*joined)
