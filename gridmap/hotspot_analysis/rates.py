"""Rates: incidents against what a denominator lets one expect, with their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import special

from gridmap._arrays import Floats, Ints
from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.hotspot_analysis import method_text
from gridmap.hotspot_analysis.cube import exposure_of, stack
from gridmap.hotspot_analysis.weights import Windows, contiguous, windows
from gridmap.intervals import poisson_interval

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


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
    more = special.gammainc(np.maximum(counts, 1), expected)
    fewer = special.gammaincc(counts + 1.0, expected)
    chance = np.where(counts > expected, more, fewer)
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
