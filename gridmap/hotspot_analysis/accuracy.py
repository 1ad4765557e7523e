"""Accuracy: would last year's hotspots have caught what happened next?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gridmap._arrays import Floats, Ints, row_of
from gridmap.errors import InputError
from gridmap.hotspot_analysis import method_text, significance
from gridmap.hotspot_analysis.cube import by_period, exposure_of, stack
from gridmap.hotspot_analysis.hotspots import LEAST_EXPECTED, base_of, score
from gridmap.hotspot_analysis.rates import smoothed
from gridmap.hotspot_analysis.weights import Windows, weights_between, windows
from gridmap.language import Message

if TYPE_CHECKING:
    import networkx as nx

    from gridmap._arrays import SparseArray
    from gridmap.grid.grid import Grid

METHODS = ["hotspots", "rate", "count", "count per area", "exposure per area"]


def captured(
    score: Floats,
    size: Floats,
    hits: Floats,
    share: Floats,
) -> Floats:
    """Sum up the hits in the best-scored cells that make up a share of all size.

    Cells of one score come in together, in proportion, and the last cell counts in part: so the
    answer depends neither on the order of the cells nor on their size.

    Parameters
    ----------
    score, size, hits
        One number a cell.
    share
        Shares of the total size, 0 to 1.

    Examples
    --------
    >>> found = captured(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([6.0, 1.0, 2.0]),
    ...     np.array([0.5]))
    >>> found.tolist()
    [7.0]
    """
    _, group = np.unique(-score, return_inverse=True)
    sizes = np.cumsum(np.bincount(group, size))
    caught = np.cumsum(np.bincount(group, hits))
    reach = np.concatenate([[0.0], sizes])
    held: Floats = np.interp(share * reach[-1], reach, np.append(0.0, caught))
    return held


def accuracy(
    table: pd.DataFrame,
    grid: Grid,
    *,
    hold_out: int = 1,
    shares: Sequence[float] = (0.01, 0.05, 0.10),
    of: str = "area_m2",
    exposure: str | pd.Series = "households",
    weights: nx.Graph[str] | SparseArray | None = None,
) -> pd.DataFrame:
    """Measure how much of the last periods the hotspots of the periods before would have caught.

    The cells are ranked by what was known before, in five ways: by Gi* of the standardised rate
    ("hotspots"), the empirical Bayes "rate", the plain "count" of a naive map, the "count per
    area" of a heatmap, and the "exposure per area". The best cells that make up a share of all area
    are held against the incidents of the periods held out.

    **PAI** (predictive accuracy index) is the share of incidents caught over the share of area
    (Chainey 2008); **PEI** (predictive efficiency index) is the share caught over the most that
    could have been caught on that area (Hunt 2016). PAI rewards dense places, so a count does
    well by it; measured against households (`of`) it asks for risk.

    Parameters
    ----------
    table
        What `tally` gives with one period among `by`.
    grid
        Whose cells were tallied.
    hold_out
        How many of the last periods are held out.
    shares
        Shares of the total to be looked at; the share that the flagged cells make up is added.
    of
        What the shares are shares of: a column of `grid.cells`.
    exposure
        Denominator of the rates, as for `hotspots`.
    weights
        As for `hotspots`.

    Returns
    -------
    DataFrame
        Indexed by (category, …,) ``method`` and ``share``: ``hits``, ``hit_rate``, ``pai`` and
        ``pei``. ``attrs["method"]`` tells what was held out and the share that was flagged.

    Raises
    ------
    InputError
        If there are no periods to train on or to hold out, or nothing happened in them.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.grid.grid import Grid
    >>> squares = gpd.GeoDataFrame({"code": ["a", "b", "c", "d"], "households": 400},
    ...     geometry=shapely.box([0, 5, 10, 15], 0, [5, 10, 15, 20], 5), crs=4547)
    >>> grid = Grid(squares, squares.union_all("coverage"))
    >>> years = pd.period_range("2024", periods=2, freq="Y", name="year")
    >>> rows = pd.MultiIndex.from_product([grid.cells.index, years])
    >>> table = pd.DataFrame({"incidents": [9, 6, 1, 2, 1, 1, 1, 1]}, index=rows)
    >>> accuracy(table, grid, shares=[0.25]).loc[("count", 0.25), ["hit_rate", "pai", "pei"]]
    hit_rate    0.6
    pai         2.4
    pei         1.0
    Name: (count, 0.25), dtype: float64
    """
    maps = stack(table, grid)
    cubes, periods, undated = by_period(maps)
    asked = _checked(hold_out, len(periods), shares)
    base = base_of(grid, exposure)
    size, size_name = exposure_of(grid, of)
    keep = base.keep[size[base.keep] > 0]
    between = weights_between(weights, grid)
    within = windows(between[keep][:, keep])
    held = {key: _held(key, counts[keep], hold_out) for key, counts in cubes.items()}
    sizes = {"asked": size[keep], "area": grid.cells["area_m2"].to_numpy(float)[keep]}
    parts, flagged = [], {}
    for key, (before, after) in held.items():
        frame, flagged[str(key)] = _compare(before, after, base.values[keep], sizes, within, asked)
        parts.append(frame)
    result = parts[0] if list(cubes) == [None] else pd.concat(dict(zip(cubes, parts, strict=True)))
    levels = [n for k, n in enumerate(maps.maps.names) if k != maps.period_level]
    result.index.names = [*levels, "method", "share"]
    result.attrs["method"] = method_text.accuracy_method(
        **base.left_out(np.hstack(list(cubes.values()))),
        exposure=base.name,
        of=size_name,
        trained=[str(periods[0]), str(periods[-hold_out - 1])],
        held_out=[str(periods[-hold_out]), str(periods[-1])],
        period=[str(periods[0]), str(periods[-1])],
        cells=len(base.values),
        incidents=int(maps.counts.sum()) - undated,
        incidents_held_out=int(sum(after.sum() for _, after in held.values())),
        undated=undated,
        filled=maps.filled,
        flagged_share=flagged,
        best={key: _best(part, asked) for key, part in zip(map(str, cubes), parts, strict=True)},
    )  # fmt: skip
    return result


def _checked(hold_out: int, periods: int, shares: Sequence[float]) -> Floats:
    """Return the shares as an array; refuse what leaves nothing to compare."""
    if not isinstance(hold_out, int | np.integer) or not 1 <= hold_out < periods:
        raise InputError(
            "`hold_out` is {hold_out!r} of {periods} {periods:period|periods}. Hold out "
            "at least one and leave at least one.",
            hold_out=hold_out,
            periods=periods,
        )
    asked = np.asarray(shares, dtype=float)
    if asked.size == 0 or not ((asked > 0) & (asked <= 1)).all():
        raise InputError(
            "`shares` is {shares}; give shares above 0 and up to 1.", shares=list(shares)
        )
    return asked


def _held(key: Any, counts: Ints, hold_out: int) -> tuple[Ints, Ints]:
    before, after = counts[:, :-hold_out].sum(axis=1), counts[:, -hold_out:].sum(axis=1)
    if not after.sum() or not before.sum():
        what = "" if key is None else Message(" of {key!r}", key=key)
        when = Message("held out" if before.sum() else "before those held out")
        raise InputError(
            "`table` has no incidents{what} in the periods {when}, in cells with a "
            "denominator: there is nothing to compare.",
            what=what,
            when=when,
        )
    return before, after


def _compare(
    before: Ints,
    after: Ints,
    base: Floats,
    sizes: dict[str, Floats],
    within: Windows,
    asked: Floats,
) -> tuple[pd.DataFrame, float]:
    size = sizes["asked"]
    found = score(before[:, None], base, within)
    tested = found.window_expected >= LEAST_EXPECTED
    q = significance.benjamini_hochberg(found.p, tested)
    flagged = float(size[(significance.bins(found.z, q) > 0)[:, 0]].sum() / size.sum())
    share = np.unique(np.append(asked, flagged)) if flagged > 0 else np.unique(asked)
    rankings = (
        np.where(tested, found.z, -np.inf)[:, 0],
        smoothed(before, base),
        before.astype(float),
        before / sizes["area"],
        base / sizes["area"],
    )
    scores = dict(zip(METHODS, rankings, strict=True))
    hits = after.astype(float)
    most = captured(hits / size, size, hits, share)
    parts = []
    for method, ranking in scores.items():
        caught = captured(ranking, size, hits, share)
        parts.append(
            pd.DataFrame(
                {
                    "hits": caught,
                    "hit_rate": caught / hits.sum(),
                    "pai": caught / hits.sum() / share,
                    "pei": caught / most,
                },
                index=pd.MultiIndex.from_product([[method], share], names=["method", "share"]),
            )
        )
    return pd.concat(parts), flagged


def _best(part: pd.DataFrame, asked: Floats) -> dict[str, Any]:
    """Tell which method caught most at the middle share that was asked for."""
    share = float(np.sort(asked)[len(asked) // 2])
    alike = part[part.index.get_level_values("share") == share].droplevel("share")
    method = str(alike["hits"].idxmax())
    row = row_of(alike, method)
    return {"share": share, "method": method, "pai": float(row["pai"]), "pei": float(row["pei"])}
