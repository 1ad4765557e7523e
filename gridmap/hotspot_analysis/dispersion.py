"""How much counts vary beyond chance: rate and dispersion of a negative binomial, robustly.

Counts of alike places vary more than a Poisson number does: variance μ + μ²/k instead of μ. What
stands out must stand out from that. So that a few places which do stand out do not hide behind
the variance they make, counts in the upper tail are taken as "at least so many" only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from gridmap._arrays import Floats, Ints

# counts beyond this share of their distribution are known to be beyond it, and no more
_TAIL = 0.05
_ROUNDS, _STEPS, _ZOOMS, _FINE = 2, 3, 2, 7
# what varies more than this is not taken for chance: a few cells that hold everything would be
MOST = 4.0
# dispersions that are tried first, and around the best so far
_COARSE = np.concatenate([[0.0], np.geomspace(1e-4, MOST, 12)])
_WITHIN = 1.92
_CAUTION = 0.4
# share by which the variance must be wider than Poisson for the difference to matter
_SMALL = 0.02
_AROUND = np.array([0.3, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5, 5.0])


class Spread(NamedTuple):
    """Hold what fits the counts of a map: the rate per unit of base and the dispersion 1/k.

    ``low`` and ``high`` bound the dispersion (95 %, profile likelihood); ``blur`` is the squared
    relative error of the rate.
    """

    rate: float
    dispersion: float
    low: float
    high: float
    blur: float


def upper(counts: Ints | Floats, mean: Floats, dispersion: float | Floats) -> Floats:
    """Give the chance of a count so large or larger.

    Parameters
    ----------
    counts, mean
        Of one shape.
    dispersion
        1/k of the negative binomial; 0 for Poisson.

    Examples
    --------
    >>> upper(np.array([9, 9]), np.array([4.0, 4.0]), np.array([0.0, 1.0])).round(4).tolist()
    [0.0214, 0.1342]
    """
    mean, counts, spread = np.broadcast_arrays(mean, np.asarray(counts, float), dispersion)
    chance = special.gammainc(np.maximum(counts, 1e-300), mean)
    wide = spread * mean > 1e-9
    if wide.any():
        size = 1.0 / spread[wide]
        chance[wide] = special.betainc(
            np.maximum(counts[wide], 1e-300), size, mean[wide] / (mean[wide] + size)
        )
    return np.where(counts <= 0, 1.0, chance)


def lower(counts: Ints | Floats, mean: Floats, dispersion: float | Floats) -> Floats:
    """Give the chance of a count so small or smaller.

    Parameters
    ----------
    counts, mean, dispersion
        As for `upper`.

    Examples
    --------
    >>> lower(np.array([0, 0]), np.array([4.0, 4.0]), np.array([0.0, 1.0])).round(4).tolist()
    [0.0183, 0.2]
    """
    mean, counts, spread = np.broadcast_arrays(mean, np.asarray(counts, float), dispersion)
    chance: Floats = np.asarray(special.gammaincc(counts + 1.0, mean), dtype=np.float64)
    wide = spread * mean > 1e-9
    if wide.any():
        size = 1.0 / spread[wide]
        chance[wide] = special.betainc(size, counts[wide] + 1.0, size / (mean[wide] + size))
    return chance


def fit(counts: Ints, base: Floats, *, fixed_rate: bool = False) -> Spread:
    """Fit rate and dispersion to the counts of one map by censored likelihood.

    Parameters
    ----------
    counts, base
        One number a place; the base is what counts are expected to be proportional to.
    fixed_rate
        Whether the base already holds expected counts, so that the rate is 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = fit(rng.negative_binomial(2, 2 / 12, 2000), np.full(2000, 5.0))
    >>> round(found.rate, 1), round(found.dispersion, 1)
    (2.0, 0.5)
    """
    total = float(counts.sum())
    rate = 1.0 if fixed_rate else total / float(base.sum())
    if total <= 0 or len(counts) < 3:
        return Spread(rate, 0.0, 0.0, 0.0, 0.0)
    # sums, and so the answer, must not depend on the order of the places
    order = np.lexsort((base, counts))
    counts, base = counts[order], base[order]
    seen, place = np.unique(counts, return_inverse=True)
    dispersion, points = 0.0, _COARSE
    for _ in range(_ROUNDS):
        ceiling = _ceiling(rate * base, dispersion)
        grid, rates = points, np.full(len(points), rate)
        tried: list[tuple[Floats, Floats]] = []
        for _ in range(_ZOOMS):
            if not fixed_rate:
                rates = _rates(counts, base, ceiling, rates, grid)
            likely = _likelihoods((counts, seen, place), rates, base, ceiling, grid)
            best = int(np.argmax(likely))
            dispersion, rate = float(grid[best]), float(rates[best])
            tried.append((grid, likely))
            grid = np.linspace(grid[max(best - 2, 0)], grid[min(best + 2, len(grid) - 1)], _FINE)
            rates = np.full(_FINE, rate)
        near = dispersion if dispersion > 0 else _SMALL / max(float((rate * base).mean()), 1e-9)
        points = np.minimum(np.concatenate([[0.0], near * _AROUND]), MOST)
    bounds = _bounds(*(np.concatenate(part) for part in zip(*tried, strict=True)))
    mean = rate * base
    blur = 0.0 if fixed_rate else 1.0 / float((mean / (1.0 + dispersion * mean)).sum())
    return Spread(rate, dispersion, bounds[0], bounds[1], blur)


def cautious(spread: Spread, base: Floats) -> float:
    """Give a dispersion somewhat above the most likely one, the more so the less is known of it.

    A test that takes the estimate for the truth calls too much where places are few. What would
    not widen the variance by a fiftieth is none.

    Parameters
    ----------
    spread, base
        What `fit` gave, and what it was given.
    """
    mean = spread.rate * base
    wide = spread.dispersion + _CAUTION * (spread.high - spread.dispersion) + spread.blur
    return wide if wide * float(mean @ mean) > _SMALL * float(mean.sum()) else 0.0


def standard(counts: Ints, mean: Floats, dispersion: float | Floats) -> tuple[Floats, Floats]:
    """Standardise counts by their own distribution; give scores and the skewness of each.

    Parameters
    ----------
    counts, mean, dispersion
        As for `upper`; means are above 0.
    """
    variance = mean * (1.0 + dispersion * mean)
    deviation = np.sqrt(variance)
    return (counts - mean) / deviation, (1.0 + 2.0 * dispersion * mean) / deviation


def _bounds(grid: Floats, likely: Floats) -> tuple[float, float]:
    """Find where the likelihood falls to what a 95 % interval still holds, on both sides."""
    order = np.argsort(grid, kind="stable")
    grid, short = grid[order], likely.max() - likely[order]
    best = int(np.argmin(short))
    low = np.interp(_WITHIN, short[best::-1], grid[best::-1]) if best else 0.0
    high = np.interp(_WITHIN, short[best:], grid[best:])
    return float(0.0 if short[0] < _WITHIN else low), float(high)


def _ceiling(mean: Floats, dispersion: float) -> Floats:
    """Give for each mean the count that is exceeded in a share `_TAIL` of cases or fewer."""
    if dispersion * mean.max() < 1e-9:
        top = special.pdtrik(1.0 - _TAIL, mean)
    else:
        size = 1.0 / dispersion
        top = special.nbdtrik(1.0 - _TAIL, size, size / (size + mean))
    ceiling: Floats = np.ceil(np.nan_to_num(top, nan=1.0, posinf=1e15))
    return ceiling


def _rates(counts: Ints, base: Floats, ceiling: Floats, rates: Floats, grid: Floats) -> Floats:
    """Find the most likely rate under each dispersion of a grid.

    Counts beyond the ceiling are replaced by what they are on average.
    """
    over = np.flatnonzero(counts > ceiling)
    spread, top = grid[:, None], ceiling[over]
    exact = counts.astype(float)
    known = np.ones(len(counts), bool)
    known[over] = False
    for _ in range(_STEPS):
        mean = rates[:, None] * base[over]
        # x f(x) of a negative binomial is μ times that of one with k + 1, a step lower
        share = upper(top, mean * (1.0 + spread), spread / (1.0 + spread))
        beyond = np.maximum(upper(top + 1, mean, spread), 1e-300)
        weight = 1.0 / (1.0 + spread * rates[:, None] * base)
        above = weight[:, known] @ exact[known]
        above += (weight[:, over] * np.maximum(mean * share / beyond, top + 1)).sum(axis=1)
        rates = np.maximum(above / (weight @ base), 1e-300)
    return rates


def _likelihoods(
    counts: tuple[Ints, Ints, Ints],
    rates: Floats,
    base: Floats,
    ceiling: Floats,
    grid: Floats,
) -> Floats:
    """Sum up the log likelihood under each dispersion; factorials are the same for all."""
    x, seen, place = counts
    over = np.flatnonzero(x > ceiling)
    known = np.flatnonzero(x <= ceiling)
    times = np.bincount(place[known], minlength=len(seen)).astype(float)
    likely = np.empty(len(grid))
    for number, (rate, spread) in enumerate(zip(rates, grid, strict=True)):
        mean = rate * base[known]
        if spread <= 0:
            total = special.xlogy(x[known], mean).sum() - mean.sum()
        else:
            k = 1.0 / spread
            grown = np.log1p(mean * spread)
            total = times @ (special.gammaln(seen + k) - special.gammaln(k))
            total += x[known] @ (np.log(mean * spread) - grown) - k * grown.sum()
        tails = upper(ceiling[over] + 1, rate * base[over], spread)
        likely[number] = total + np.log(np.maximum(tails, 1e-300)).sum()
    return likely
