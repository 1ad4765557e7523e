"""Rates: incidents against what a denominator lets one expect, with their uncertainty.

Counts of alike places vary more than a Poisson number does: variance μ + μ²/k instead of μ, the
dispersion being 1/k. What stands out must stand out from that. So that a few places which do stand
out do not hide behind the variance they make, counts in the upper tail are taken as "at least so
many" only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from gridmap._arrays import Floats, Ints
from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.hotspot_analysis import method_text
from gridmap.hotspot_analysis.cube import exposure_of, stack
from gridmap.hotspot_analysis.method_text import MOST_SPREAD
from gridmap.hotspot_analysis.weights import Windows, contiguous, windows
from gridmap.intervals import poisson_interval

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

# counts beyond this share of their distribution are known to be beyond it, and no more
_TAIL = 0.05
_ROUNDS, _STEPS, _ZOOMS, _FINE = 2, 3, 2, 7
# dispersions that are tried first, and around the best so far
_COARSE = np.concatenate([[0.0], np.geomspace(1e-4, MOST_SPREAD, 12)])
_WITHIN = 1.92
_CAUTION = 0.4
# share by which the variance must be wider than Poisson for the difference to matter
_SMALL = 0.02
_AROUND = np.array([0.3, 0.6, 0.8, 1.0, 1.25, 1.6, 2.5, 5.0])


def overall_rate(counts: Ints | Floats, exposure: Floats) -> Floats:
    """Divide all incidents of each map by all exposure; 0 where there is none.

    Parameters
    ----------
    counts
        A row a cell, a column a map.
    exposure
        One number a cell.
    """
    total = exposure.sum()
    sums = counts.sum(axis=0, dtype=float)
    return np.asarray(sums / total if total > 0 else np.zeros_like(sums))


def standardised(counts: Ints | Floats, exposure: Floats) -> Floats:
    """Standardise rates so that few households do not make large scores.

    (O/h − r)/√v with v = s² − r/h̄ + r/h, or r/h where that is negative (Assunção and Reis 1999).

    Parameters
    ----------
    counts
        A row a cell, a column a map.
    exposure
        One number above 0 a cell.
    """
    columns = np.atleast_2d(counts.T).T.astype(float)
    rate, spread, prior = _moments(columns, exposure)
    chance = rate / exposure[:, None]
    variance = prior + chance
    variance = np.where(variance < 0, chance, variance)
    deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
    return np.asarray((spread / deviation).reshape(counts.shape))


def smoothed(counts: Ints | Floats, exposure: Floats) -> Floats:
    """Pull rates towards the overall rate, the more the fewer households stand behind them.

    Marshall's (1991) global empirical Bayes estimate, its prior variance clipped at 0. For
    display: smoothed rates are not tested.

    Parameters
    ----------
    counts
        A row a cell, a column a map.
    exposure
        One number above 0 a cell.
    """
    columns = np.atleast_2d(counts.T).T.astype(float)
    rate, spread, prior = _moments(columns, exposure)
    prior = np.maximum(prior, 0.0)
    noise = prior + rate / exposure[:, None]
    pull = np.divide(prior, noise, out=np.zeros(noise.shape), where=noise > 0)
    return np.asarray((rate + pull * spread).reshape(counts.shape))


def smoothed_locally(
    counts: Ints | Floats,
    exposure: Floats,
    within: Windows,
) -> Floats:
    """Pull rates towards that of their own window instead of the overall one.

    Marshall's (1991) local empirical Bayes estimate: each cell's distance is taken from the rate
    of its own window, and the prior variance, clipped at 0, is that of the distances in a window.

    Parameters
    ----------
    counts
        A row a cell, a column a map.
    exposure
        One number above 0 a cell.
    within
        Windows of the same cells.
    """
    columns = np.atleast_2d(counts.T).T.astype(float)
    base = exposure[:, None]
    members = within.members
    around = members @ base
    rate = (members @ columns) / around
    spread = columns / base - rate
    variance = (members @ (base * np.square(spread))) / around
    prior = np.maximum(variance - rate * within.sizes[:, None] / around, 0.0)
    noise = prior + rate / base
    pull = np.divide(prior, noise, out=np.zeros(noise.shape), where=noise > 0)
    return np.asarray((rate + pull * spread).reshape(counts.shape))


def poisson_chance(counts: Ints, expected: Floats) -> Floats:
    """Give the chance of a count at least as far from the expected one, on its own side.

    Choynowski's (1959) probability map. Where nothing is expected it is 1.

    Parameters
    ----------
    counts, expected
        Of one shape.

    Examples
    --------
    >>> poisson_chance(np.array([9, 1]), np.array([4.0, 4.0])).round(3).tolist()
    [0.021, 0.092]
    """
    chance = np.where(counts > expected, upper(counts, expected, 0.0), lower(counts, expected, 0.0))
    return np.where(expected > 0, chance, 1.0)


def rates(
    table: pd.DataFrame,
    grid: Grid,
    *,
    exposure: str | pd.Series = "households",
    confidence: float = 0.95,
    smooth: Literal["all", "neighbours"] = "all",
) -> pd.DataFrame:
    """Compare the incidents of every cell with what its exposure lets one expect.

    **Expected** is the overall rate of the same map (category and period) times the cell's own
    exposure; **ratio** is incidents over expected. A cell without exposure has no rate: its row
    says so in ``gate`` and its incidents are counted in ``attrs["method"]``.

    Parameters
    ----------
    table
        What `tally` gives: index ``code`` or (``code``, …), column ``incidents``.
    grid
        Whose cells were tallied.
    exposure
        Denominator: a column of `grid.cells` ("households", "area_m2", …) or a Series by code,
        of street length, say.
    confidence
        Of the exact Poisson intervals.
    smooth
        Whether smoothed rates are pulled towards the rate of "all" cells or of the "neighbours".

    Returns
    -------
    DataFrame
        On the index of `table`: ``incidents``, ``exposure``, ``expected``, ``ratio`` with
        ``ratio_low`` and ``ratio_high``, ``rate`` (per 1,000 of the exposure, per km² of area)
        with ``rate_low`` and ``rate_high``, ``smoothed`` (empirical Bayes, for display),
        ``chance`` (of a count as far out on its side, were there no more to it than what is
        expected: Choynowski 1959; each cell alone, not corrected for the number of cells) and
        ``gate``: "no base" where there is no exposure, so that rates are missing, "no incidents"
        where the whole map has none, so that ratios are missing; else "".

    Raises
    ------
    InputError
        If the table does not fit the grid, or the exposure is unknown or negative.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.grid.grid import Grid
    >>> squares = gpd.GeoDataFrame({"code": ["a", "b"], "households": [300, 600]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = Grid(squares, squares.union_all("coverage"))
    >>> table = pd.DataFrame({"incidents": [6, 3]}, index=grid.cells.index)
    >>> rates(table, grid)[["incidents", "expected", "ratio", "rate"]].reset_index()
      code  incidents  expected  ratio  rate
    0    a          6       3.0    2.0  20.0
    1    b          3       6.0    0.5   5.0
    """
    if not 0 < confidence < 1:
        raise InputError(
            "`confidence` is {confidence}; give a share between 0 and 1, as 0.95.",
            confidence=confidence,
        )
    check_choice("smooth", smooth, ("all", "neighbours"))
    maps = stack(table, grid)
    base, name = exposure_of(grid, exposure)
    has_base = base > 0
    per = 1e6 if name == "area_m2" else 1e3
    counts, behind = maps.counts[has_base], base[has_base]
    expected = np.zeros(maps.counts.shape)
    expected[has_base] = overall_rate(counts, behind) * behind[:, None]
    steadied = np.full(maps.counts.shape, np.nan)
    if has_base.any() and smooth == "all":
        steadied[has_base] = smoothed(counts, behind) * per
    elif has_base.any():
        between = contiguous(grid)[has_base][:, has_base]
        steadied[has_base] = smoothed_locally(counts, behind, windows(between)) * per

    flat_counts, flat_base = maps.flat(maps.counts), maps.flat(base[:, None])
    flat_expected = maps.flat(expected)
    low, high = poisson_interval(flat_counts, confidence)
    result = pd.DataFrame(
        {"incidents": flat_counts, "exposure": flat_base, "expected": flat_expected},
        index=table.index,
    )
    for column, bound in (("ratio", flat_counts), ("ratio_low", low), ("ratio_high", high)):
        result[column] = _over(bound, flat_expected)
    for column, bound in (("rate", flat_counts), ("rate_low", low), ("rate_high", high)):
        result[column] = _over(bound, flat_base) * per
    result["smoothed"] = maps.flat(steadied)
    result["chance"] = poisson_chance(flat_counts, flat_expected)
    gates = np.where(result["exposure"] > 0, np.where(flat_expected > 0, 0, 2), 1).astype(np.int8)
    result["gate"] = pd.Categorical.from_codes(gates, pd.Index(["", "no base", "no incidents"]))
    result.attrs["method"] = method_text.rates_method(
        exposure=str(name),
        per=per,
        confidence=confidence,
        smooth=smooth,
        cells=len(base),
        no_base=int((~has_base).sum()),
        incidents=int(maps.counts.sum()),
        incidents_no_base=int(maps.counts[~has_base].sum()),
        maps=maps.counts.shape[1],
        period=maps.span(),
        filled=maps.filled,
    )
    return result


def _moments(columns: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the overall rate, each rate's distance from it, and the prior variance s² − r/h̄."""
    base = exposure[:, None]
    rate = overall_rate(columns, exposure)
    spread = columns / base - rate
    # equal rates differ by rounding only; they must not be standardised into a pattern
    spread = np.where(np.abs(spread) <= 1e-12 * rate, 0.0, spread)
    total = exposure.sum() if len(exposure) else 1.0
    variance = (base * np.square(spread)).sum(axis=0) / total
    prior = variance - rate * (len(exposure) / total)
    return rate, spread, prior


def _over(above: Floats, below: Floats) -> Floats:
    """Divide; nothing over nothing is missing, not zero."""
    share: Floats = np.full(below.shape, np.nan)
    return np.divide(above, below, out=share, where=below > 0)


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
        points = np.minimum(np.concatenate([[0.0], near * _AROUND]), MOST_SPREAD)
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
