"""Emerging hotspots: what each cell's history says about its being hot or cold now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from gridmap._arrays import Array, Bools, Floats, Ints, Ints8
from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.hotspot_analysis import method_text, significance
from gridmap.hotspot_analysis.cube import Stack, by_period, stack
from gridmap.hotspot_analysis.getis_ord import Moments, moments, quotient, relieved
from gridmap.hotspot_analysis.hotspots import (
    CONSTANT,
    GATES,
    LEAST_EXPECTED,
    LEAST_EXPECTED_COLD,
    TOO_FEW,
    Base,
    base_of,
)
from gridmap.hotspot_analysis.rates import cautious, fit, standard
from gridmap.hotspot_analysis.significance import corrected_p, pearson_p
from gridmap.hotspot_analysis.weights import Windows, weights_between, windows

if TYPE_CHECKING:
    import networkx as nx

    from gridmap._arrays import SparseArray
    from gridmap.grid.grid import Grid

_BATCH = 256


@dataclass(frozen=True)
class Trend:
    """Hold the Mann–Kendall S of each series, its variance, score and Kendall's τ-b with time."""

    s: Ints
    variance: Floats
    z: Floats
    tau: Floats


def mann_kendall(series: Floats) -> Trend:
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


def sen_slope(series: Floats) -> Floats:
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


def _ties(steps: Floats) -> tuple[Floats, Floats]:
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


PATTERNS = [
    "none", "new", "consecutive", "intensifying", "persistent", "diminishing", "sporadic",
    "oscillating", "historical",
]  # fmt: skip
NAMED = PATTERNS[1:]
SIDES = ["", "hot", "cold"]
Baseline = Literal["step", "whole", "previous"]
RATE = 0.10
# counts that the dispersion is estimated from
_SAMPLE = 50_000
MOSTLY = 0.9
TRENDING = 1.959963984540054


@dataclass(frozen=True)
class Cube:
    """Hold the tests of cells (rows) at steps (columns).

    ``ratio`` is the incidents of the window over the expected ones, at each step by itself: the
    series that trends are read from, as scores of overlapping steps would not be independent.
    """

    z: Floats
    q: Floats
    tested: Bools
    window_expected: Floats
    ratio: Floats


def cube(
    counts: Ints,
    exposure: Floats,
    within: Windows,
    *,
    back: int = 1,
    baseline: Baseline = "step",
) -> Cube:
    """Test every cell at every step, together with its neighbours and the steps before.

    Each step is measured against its own level, so that a busy season is not a hotspot everywhere;
    or against that of the whole cube, or of the steps before it. The false discovery rate is held
    over the whole cube. Where steps have their own level, p is the larger of that under random
    placing within each and that by the moments of the very cells.

    Parameters
    ----------
    counts
        A row a cell, a column a step.
    exposure
        One number above 0 a cell.
    within
        Windows of the same cells.
    back
        How many earlier steps are looked at together with each.
    baseline
        "step", "whole" or "previous".
    """
    if not len(counts):
        nothing = np.zeros(counts.shape)
        return Cube(nothing, nothing, nothing > 0, nothing, nothing)
    mean, blur = _expected(counts, exposure, baseline, 0.0)
    dispersion = _dispersion(counts, mean)
    if dispersion > 0:
        mean, blur = _expected(counts, exposure, baseline, dispersion)
        dispersion = _dispersion(counts, mean)
    values, skew = standard(counts, np.maximum(mean, 1e-12), dispersion)
    values, skew = np.where(mean > 0, values, 0.0), np.where(mean > 0, skew, 0.0)
    # an error of the level moves all cells of a window the same way
    moved = within.matrix @ np.sqrt(mean / (1.0 + dispersion * mean)) * np.sqrt(blur)
    alone = _with_earlier(np.repeat(within.second, counts.shape[1], axis=1), back)
    width = np.sqrt(alone + np.square(_with_earlier(moved, back)))
    z = _with_earlier(within.matrix @ values, back) / width
    lean = _with_earlier(within.matrix.power(3) @ skew, back) / width**3
    p = pearson_p(z, lean)
    expected = within.members @ mean
    window_expected = _with_earlier(expected, back)
    tested = window_expected >= LEAST_EXPECTED
    if baseline == "step":
        calm = relieved(values, within)
        own = moments(calm, within)
        joined = Moments(*(_with_earlier(part, back) for part in vars(own).values()))
        placed = corrected_p(joined.z, joined.skew, within.equal_sizes, calm, back)
        p = np.where(joined.z * z > 0, np.maximum(p, placed), 1.0)
        z, tested = joined.z, tested & (joined.variance > 0)
    q = significance.benjamini_hochberg(p.reshape(-1, 1), tested.reshape(-1, 1))
    seen = (within.members @ counts).astype(float)
    ratio = np.divide(seen, expected, out=np.ones(seen.shape), where=expected > 0)
    return Cube(z, q.reshape(p.shape), tested, window_expected, ratio)


def _expected(
    counts: Ints, exposure: Floats, baseline: Baseline, dispersion: float
) -> tuple[Floats, Floats]:
    """Give what each cell and step lets one expect, and the squared relative error of each step.

    Where counts vary more than Poisson numbers, a huge cell says little more of the level than a
    large one does, and weighs little more.
    """
    share = exposure / exposure.sum()
    weight = 1.0 / (1.0 + dispersion * share * counts.sum() / counts.shape[1])
    total = weight @ counts
    before = np.concatenate([[0.0], np.cumsum(total)[:-1]])
    level = {
        "step": total,
        "whole": np.full(len(total), total.mean()),
        "previous": before / np.maximum(np.arange(len(total)), 1),
    }[baseline]
    blur = 1.0 / np.maximum(before, 1.0) if baseline == "previous" else np.zeros(len(total))
    return np.outer(share, level / (weight @ share)), blur


def _dispersion(counts: Ints, mean: Floats) -> float:
    """Estimate how much counts vary beyond chance, from some of them where there are many."""
    some = np.flatnonzero(mean.ravel() > 0)
    if len(some) > _SAMPLE:
        some = np.random.default_rng(0).choice(some, _SAMPLE, replace=False)
    if not len(some):
        return 0.0
    seen, hoped = counts.ravel()[some], mean.ravel()[some]
    return cautious(fit(seen, hoped, fixed_rate=True), hoped)


def classify(hot: Bools, cold: Bools, trend: Floats) -> tuple[Ints8, Ints8]:
    """Name the history of each cell: its side (0 none, 1 hot, 2 cold) and its pattern.

    What is hot at the last step is hot: **intensifying**, **diminishing** or **persistent** when
    it was so at nine steps in ten, by its trend; else **oscillating** when it was ever cold,
    **new** when it was never hot before, **consecutive** when it has been hot without a break
    since it first was, and **sporadic** otherwise. What is not hot at the last step but was at
    nine in ten is **historical**. Cold likewise.

    Parameters
    ----------
    hot, cold
        A row a cell, a column a step.
    trend
        Mann–Kendall score of each cell.
    """
    side = np.zeros(len(hot), np.int8)
    pattern = np.zeros(len(hot), np.int8)
    sides = ((1, hot, cold, trend), (2, cold, hot, -trend))
    for number, own, other, growth in sides:
        now = own[:, -1]
        pattern[now] = _current(own, other, growth)[now]
        side[now] = number
    for number, own, _, _ in sides:
        past = (side == 0) & (own.mean(axis=1) >= MOSTLY)
        pattern[past] = PATTERNS.index("historical")
        side[past] = number
    return side, pattern


def emerging(
    table: pd.DataFrame,
    grid: Grid,
    *,
    exposure: str | pd.Series | None = "households",
    back: int = 1,
    baseline: Baseline = "step",
    weights: nx.Graph[str] | SparseArray | None = None,
) -> pd.DataFrame:
    """Tell new, persistent, fading and other hotspots apart by their history.

    Every cell is tested at every period together with its neighbours and the `back` periods
    before, on the same standardised rates as `hotspots`; each period is measured against its own
    level, and the false discovery rate is held at 10 % over all cells and periods. Trends are
    Mann–Kendall scores of the ratio of incidents to expected ones, period by period.

    Parameters
    ----------
    table
        What `tally` gives with one period among `by`; periods missing in between count as 0.
    grid
        Whose cells were tallied.
    exposure
        Denominator: a column of `grid.cells`, a Series by code, or None for raw counts.
    back
        How many earlier periods are looked at together with each; 0 for none.
    baseline
        What each period is measured against: its own level ("step"), so that a busy season is no
        hotspot everywhere; that of the "whole" time, as ArcGIS does; or that of all periods
        before it ("previous"), so that what grows everywhere is seen.
    weights
        Graph on codes or matrix in the order of the cells, in place of contiguity.

    Returns
    -------
    DataFrame
        A row a cell (and category, …): ``side`` ("hot", "cold" or ""), ``pattern`` (new,
        consecutive, intensifying, persistent, diminishing, sporadic, oscillating, historical or
        none), ``incidents``, ``periods``, ``tested`` (periods with enough expected incidents),
        ``hot`` and ``cold`` (periods), ``z`` (last period), ``trend`` (Mann–Kendall score),
        ``tau``, ``slope`` (Sen's: what the ratio to the expected grows by in a period) and
        ``gate``. ``attrs["method"]`` bears the facts and the sentences.

    Raises
    ------
    InputError
        If the table has no periods, or fewer than two.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.grid.grid import Grid
    >>> x, y = np.divmod(np.arange(100), 10)
    >>> squares = gpd.GeoDataFrame({"code": [f"c{k:02}" for k in range(100)], "households": 400},
    ...     geometry=shapely.box(x, y, x + 1, y + 1), crs=4547)
    >>> grid = Grid(squares, squares.union_all("coverage"))
    >>> months = pd.period_range("2025-01", periods=12, freq="M", name="month")
    >>> rows = pd.MultiIndex.from_product([grid.cells.index, months])
    >>> table = pd.DataFrame({"incidents": 4}, index=rows)
    >>> table.loc[(["c44", "c45", "c54", "c55"], months[-1]), "incidents"] = 40
    >>> emerging(table, grid).loc["c44", ["side", "pattern"]].tolist()
    ['hot', 'new']
    """
    maps = stack(table, grid)
    cubes, periods, undated = by_period(maps)
    if not isinstance(back, int | np.integer) or back < 0:
        raise InputError(
            "`back` is {back!r}; give a whole number of periods, 0 or more.", back=back
        )
    check_choice("baseline", baseline, get_args(Baseline))
    base = base_of(grid, exposure)
    keep = base.keep
    between = weights_between(weights, grid)
    within = windows(between[keep][:, keep])
    frames = [
        _frame(counts, base, within, grid.cells.index, int(back), baseline)
        for counts in cubes.values()
    ]
    result = _joined(frames, list(cubes), maps, grid.cells.index)
    result.attrs["method"] = method_text.emerging_method(
        **base.left_out(np.hstack(list(cubes.values()))),
        exposure=base.name,
        back=int(back),
        baseline=baseline,
        cells=len(base.values),
        incidents=int(maps.counts.sum()) - undated,
        undated=undated,
        maps=len(cubes),
        period=[str(periods[0]), str(periods[-1])],
        periods=len(periods),
        filled=maps.filled,
        too_few=int((result["gate"] == "too few").sum()),
        least_expected=LEAST_EXPECTED,
        least_expected_cold=LEAST_EXPECTED_COLD,
        hot={k: int(((result["side"] == "hot") & (result["pattern"] == k)).sum()) for k in NAMED},
        cold={k: int(((result["side"] == "cold") & (result["pattern"] == k)).sum()) for k in NAMED},
    )
    return result


def _with_earlier(part: Floats, back: int) -> Floats:
    total = part.copy()
    for gap in range(1, min(back, part.shape[1] - 1) + 1):
        total[:, gap:] += part[:, :-gap]
    return total


def _current(own: Bools, other: Bools, growth: Floats) -> Ints8:
    """Give the pattern of every cell as if it were significant at the last step."""
    times = own.sum(axis=1)
    run = np.cumprod(own[:, ::-1], axis=1, dtype=np.int64).sum(axis=1)
    mostly = own.mean(axis=1) >= MOSTLY
    cases = {
        "intensifying": mostly & (growth > TRENDING),
        "diminishing": mostly & (growth < -TRENDING),
        "persistent": mostly,
        "oscillating": other.any(axis=1),
        "new": times == 1,
        "consecutive": times == run,
    }
    numbers = [PATTERNS.index(name) for name in cases]
    return np.select(list(cases.values()), numbers, PATTERNS.index("sporadic")).astype(np.int8)


def _frame(
    counts: Ints,
    base: Base,
    within: Windows,
    codes: pd.Index,
    back: int,
    baseline: Baseline,
) -> pd.DataFrame:
    keep = base.keep
    found = cube(counts[keep], base.values[keep], within, back=back, baseline=baseline)
    hit = (found.q <= RATE) & found.tested
    hot = hit & (found.z > 0)
    cold = hit & (found.z < 0) & (found.window_expected >= LEAST_EXPECTED_COLD)
    trend = mann_kendall(found.ratio)
    side, pattern = classify(hot, cold, trend.z)
    enough = (found.window_expected >= LEAST_EXPECTED).any(axis=1)
    untested = np.where(enough, CONSTANT, TOO_FEW)
    gate = np.where(found.tested.any(axis=1), 0, untested).astype(np.int8)

    def whole(values: Array, missing: Any = 0) -> Array:
        laid = np.empty(len(codes), values.dtype)
        laid[:] = missing
        laid[keep] = values
        return laid

    return pd.DataFrame(
        {
            "side": pd.Categorical.from_codes(whole(side), pd.Index(SIDES)),
            "pattern": pd.Categorical.from_codes(whole(pattern), pd.Index(PATTERNS)),
            "incidents": counts.sum(axis=1),
            "periods": counts.shape[1],
            "tested": whole(found.tested.sum(axis=1)),
            "hot": whole(hot.sum(axis=1)),
            "cold": whole(cold.sum(axis=1)),
            "z": whole(found.z[:, -1]),
            "trend": whole(trend.z),
            "tau": whole(trend.tau),
            "slope": whole(sen_slope(found.ratio)),
            "gate": pd.Categorical.from_codes(whole(gate, base.gate), pd.Index(GATES)),
        },
        index=codes,
    )


def _joined(
    frames: list[pd.DataFrame], names: list[Any], maps: Stack, codes: pd.Index
) -> pd.DataFrame:
    if maps.maps.nlevels == 1:
        return frames[0]
    level = maps.period_level
    labels = [name for number, name in enumerate(maps.maps.names) if number != level]
    keys = [name if isinstance(name, tuple) else (name,) for name in names]
    joined = pd.concat(frames, ignore_index=True)
    joined.index = pd.MultiIndex.from_tuples(
        [(code, *key) for key in keys for code in codes], names=[codes.name, *labels]
    )
    return joined.sort_index(kind="stable")
