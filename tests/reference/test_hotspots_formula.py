"""The default against its published formulas, written out cell by cell with scipy's Pearson III."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gridmap import Grid, hotspots
from gridmap.hotspot_analysis.rates import cautious, fit
from tests.lattice import lattice, table_of


def by_the_formulas(counts: np.ndarray, grid: Grid, *, own_moments: bool = False) -> pd.DataFrame:
    """Standardise rates (Assunção–Reis), sum over windows (Gi*), judge by Pearson III and BH.

    Expected counts are by the robust rate. With `own_moments` counts are standardised by a
    negative binomial of that rate, and p is the larger of two: with the skewness of all cells and
    with variance and skewness of the window's own.
    """
    households = grid.cells["households"].to_numpy(float)
    robust = fit(counts, households)
    usual, wide = robust.rate * households, cautious(robust, households)
    rate = counts.sum() / households.sum()
    spread = (households * (counts / households - rate) ** 2).sum() / households.sum()
    prior = spread - rate / households.mean()
    noise = [rate / h for h in households]
    variance = np.array([prior + v if prior + v >= 0 else v for v in noise])
    x = (counts / households - rate) / np.sqrt(variance)
    spreads = np.sqrt(usual + wide * usual**2)
    if own_moments:
        x = (counts - usual) / spreads
    leans = (1 + 2 * wide * usual) / spreads
    n, mean, deviation = len(x), x.mean(), np.sqrt(((x - x.mean()) ** 2).mean())
    lean = ((x - mean) ** 3).mean() / deviation**3
    place = {code: k for k, code in enumerate(grid.cells.index)}
    rows = []
    for code in grid.cells.index:
        window = [place[code], *(place[other] for other in grid.contiguity[code])]
        k = len(window)
        z = (x[window].sum() - k * mean) / (deviation * np.sqrt(k * (n - k) / (n - 1)))
        skew = lean * (n - 2 * k) * np.sqrt(n - 1) / ((n - 2) * np.sqrt(k * (n - k)))
        upper = stats.pearson3.sf(z, skew)
        p = min(1.0, 2 * min(upper, stats.pearson3.cdf(z, skew)))
        own = x[window].sum() / np.sqrt(k)
        if own_moments and own * z > 0:
            lean_own = leans[window].sum() / k**1.5
            tail = min(stats.pearson3.sf(own, lean_own), stats.pearson3.cdf(own, lean_own))
            p = max(p, min(1.0, 2 * tail))
        rows.append((usual[window].sum(), z, skew, p))
    found = pd.DataFrame(rows, grid.cells.index, ["window_expected", "z", "skew", "p"])
    tested = found["window_expected"] >= 5
    q = pd.Series(1.0, found.index)
    q[tested] = stats.false_discovery_control(found.loc[tested, "p"])
    depth = (q <= 0.10).astype(int) + (q <= 0.05) + (q <= 0.01)
    cold = (found["z"] < 0) & (found["window_expected"] >= 30)
    return found.assign(q=q, bin=np.where(found["z"] > 0, depth, np.where(cold, -depth, 0)))


@pytest.mark.parametrize("level", [1, 4, 30])
def test_pearson_on_both_sides_is_the_formula(level: int) -> None:
    rng = np.random.default_rng(level)
    grid = lattice(18, 18, rng.integers(40, 900, 324))
    risk = np.ones((18, 18))
    risk[3:6, 3:6], risk[10:14, 9:13] = 4.0, 0.2
    counts = rng.poisson(level * grid.cells["households"] / 400 * risk.ravel())
    own = hotspots(table_of(grid, counts), grid, p="pearson", curb=None)
    formula = by_the_formulas(counts, grid)
    for name in ("window_expected", "z", "p", "q"):
        np.testing.assert_allclose(own[name], formula[name], rtol=1e-8, atol=1e-10)
    assert own["bin"].tolist() == formula["bin"].tolist()
    assert (own["bin"] > 0).any()


def test_the_default_is_the_formula_where_pearson_can_be_trusted() -> None:
    rng = np.random.default_rng(8)
    grid = lattice(18, 18, rng.integers(250, 700, 324))
    risk = np.ones((18, 18))
    risk[3:6, 3:6] = 3.0
    counts = rng.poisson(20 * grid.cells["households"] / 400 * risk.ravel())
    own = hotspots(table_of(grid, counts), grid)
    formula = by_the_formulas(counts, grid, own_moments=True)
    np.testing.assert_allclose(own["z"], formula["z"], rtol=1e-10, atol=1e-10)
    stretched = formula["z"] * formula["skew"] > 0
    np.testing.assert_allclose(own["p"][stretched], formula["p"][stretched], rtol=1e-8, atol=1e-10)
    hot = formula["bin"] > 0
    assert own.index[own["bin"] > 0].tolist() == formula.index[hot].tolist()
    # beside a hotspot Pearson III of the plain rates calls the usual cold
    plain = by_the_formulas(counts, grid)
    assert (plain["bin"] < 0).sum() > 3 * (own["bin"] < 0).sum()
