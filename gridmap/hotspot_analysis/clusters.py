"""Clusters: the places, and the weeks, that hold more than chance puts there, wherever they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import shapely
from scipy import sparse

from gridmap._arrays import Bools, Floats, Ints, Ints32, geometries
from gridmap._checks import Each, Progress, check_choice, here, silent
from gridmap.errors import InputError
from gridmap.hotspot_analysis.cube import by_period, stack
from gridmap.hotspot_analysis.hotspots import Base, base_of
from gridmap.hotspot_analysis.method_text import clusters_method
from gridmap.hotspot_analysis.rates import cautious, fit
from gridmap.hotspot_analysis.scan import Chance, Found, Look, gumbel_p
from gridmap.hotspot_analysis.weights import weights_between
from gridmap.hotspot_analysis.zones import Zones, zones
from gridmap.intervals import odds_interval

if TYPE_CHECKING:
    import networkx as nx

    from gridmap._arrays import SparseArray
    from gridmap.grid.grid import Grid

Adjust = Literal["period", "weekday", "trend", "weekday and trend", "none"]

LEVEL = 0.10
# how likely a cell must be to belong to the place for it to be named a member
BELONGS = 0.6
ADJUSTS = ("period", "weekday", "trend", "weekday and trend", "none")
SIDES = ("hot", "cold", "both")
# among so many nearest cells all connected shapes are looked at; no zone has more cells
NEAREST_SHAPED, MOST_CELLS = 9, 250
# a zone of a few cells is always looked at, however small the map
_FEW_CELLS = 9
_LEAST_INCIDENTS = 10
_PIECES = 16  # tasks that maps drawn without risk are shared out in, on a cluster
# with so many draws above it a score is judged by its rank, with fewer by their tail as well
_RANKED = 10
# counts that the dispersion is estimated from
_SAMPLE = 50_000


@dataclass(frozen=True)
class Plan:
    """Hold what is asked for, checked."""

    when: str
    baseline: str
    adjust: str
    shape: str
    sides: tuple[str, ...]
    largest: float
    longest: int | None
    replicates: int
    dispersion: float | None
    seed: int
    # whether to stop drawing once it is certain that nothing will be called
    hurried: bool = False


def clusters(
    table: pd.DataFrame,
    grid: Grid,
    *,
    exposure: str | pd.Series | None = "households",
    baseline: Literal["exposure", "history"] | None = None,
    when: Literal["latest", "any"] = "latest",
    shape: Literal["circular", "flexible"] = "circular",
    side: Literal["hot", "cold", "both"] = "hot",
    adjust: Adjust = "period",
    largest: float = 0.1,
    longest: int | None = None,
    dispersion: float | None = None,
    replicates: int = 999,
    weights: nx.Graph[str] | SparseArray | None = None,
    seed: int = 0,
    progress: Progress = silent,
    each: Each = here,
) -> pd.DataFrame:
    """Find the places, and the periods, with more incidents than chance explains anywhere.

    Kulldorff's scan statistic (1997): zones of one cell, two, three … up to `largest` are grown
    from every cell over the contiguity, with every span of periods; each is scored by the
    likelihood ratio of two rates against one, and the best score of the map is held against the
    best scores of `replicates` maps drawn without risk. So one p-value answers for all zones
    together. Further clusters overlap none before them and are judged by the same draws.

    With periods, ``when="latest"`` asks what is alive in the last one (Kulldorff 2001), "any"
    what there ever was. The ``baseline`` says what is expected: "exposure" shares the incidents
    out by the denominator, "history" by each cell's own incidents, so that only what has changed
    stands out and no denominator is needed (Kulldorff et al. 2005). Where counts vary more than
    Poisson numbers do, the dispersion is estimated, incidents weigh less, and maps are drawn from
    the negative binomial distribution.

    Members of a cluster are those cells in and about its zone that belong to the place with a
    likelihood of 60 % or more: as the zones that score nearly as much hold them, which may have
    ragged edges, and as their own counts tell.

    Parameters
    ----------
    table
        What `tally` gives, by a period or not.
    grid
        Whose cells were tallied.
    exposure
        Denominator: a column of `grid.cells`, a Series by code, or None.
    baseline
        What is expected; by default "exposure", or "history" where there is none but periods.
    when
        Whether clusters must reach the last period.
    shape
        "circular" zones, or "flexible" for all connected sets of the 9 nearest cells as well.
    side
        More than expected ("hot"), less ("cold"), or both.
    adjust
        What the baseline follows in time: the level of each "period", of the "weekday", a
        log-linear "trend", both of these, or "none". History follows the periods.
    largest
        Share of the exposure that a zone may hold; a zone of 9 cells may always be looked at.
    longest
        Most periods in a span; half of all by default.
    dispersion
        1/k of the negative binomial, 0 for Poisson; None estimates it.
    replicates
        Maps drawn without risk.
    weights
        Graph on codes or matrix in the order of the cells, in place of contiguity.
    seed
        Of the draws.
    progress
        Called with the stage, the maps drawn and those in all.
    each
        Calls a function many times elsewhere, as on a cluster: there the maps are scanned.

    Returns
    -------
    DataFrame
        A row a cluster with p ≤ 0.10 (by category, …), strongest first: ``side``, ``members``
        (codes; each likely to belong, some perhaps beside the zone) and, of the zone that was
        tested, ``cells`` (how many), ``zone`` (codes), ``since`` and ``until`` (with periods),
        ``incidents``, ``expected``, ``risk`` (inside over outside) with ``risk_low`` and
        ``risk_high`` (95 %, exact, not widened for having been chosen), ``score`` (log likelihood
        ratio) and ``p``. Empty where there is none. ``attrs["method"]`` bears the facts, with the
        strongest that was found, and the sentences.

    Raises
    ------
    InputError
        If the table does not fit the grid or an option is unknown.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.grid.grid import Grid
    >>> x, y = np.divmod(np.arange(100), 10)
    >>> squares = gpd.GeoDataFrame({"code": [f"c{k:02}" for k in range(100)], "households": 400},
    ...     geometry=shapely.box(x, y, x + 1, y + 1), crs=4547)
    >>> grid = Grid(squares, squares.union_all("coverage"))
    >>> table = pd.DataFrame({"incidents": 4}, index=grid.cells.index)
    >>> table.loc[["c44", "c45", "c54", "c55"], "incidents"] = 20
    >>> found = clusters(table, grid, shape="flexible", replicates=99)
    >>> found["members"].tolist(), found["incidents"].tolist()
    ([('c44', 'c45', 'c54', 'c55')], [80])
    """
    check_choice("when", when, ("latest", "any"))
    check_choice("shape", shape, ("circular", "flexible"))
    check_choice("side", side, SIDES)
    check_choice("adjust", adjust, ADJUSTS)
    check_choice("baseline", baseline or "exposure", ("exposure", "history"))
    _check_numbers(largest, longest, dispersion, replicates)
    maps = stack(table, grid)
    timed = maps.period_level is not None
    chosen = baseline or ("history" if exposure is None and timed else "exposure")
    if chosen == "history" and not timed:
        raise InputError(
            "`baseline` is 'history', but `table` has no periods. Tally by one: "
            "`tally(placed, grid, by=['week'])`."
        )
    sides = ("hot", "cold") if side == "both" else (side,)
    plan = Plan(when, chosen, adjust, shape, sides, largest, longest, replicates, dispersion, seed)
    base = base_of(grid, exposure)
    between = weights_between(weights, grid)
    periods: pd.Index | None = None
    if timed:
        cubes, periods, undated = by_period(maps)
        levels = [name for k, name in enumerate(maps.maps.names) if k != maps.period_level]
    else:
        keys = [None] if maps.counts.shape[1] == 1 and table.index.nlevels == 1 else [*maps.maps]
        cubes = {key: maps.counts[:, [k]] for k, key in enumerate(keys)}
        undated, levels = 0, list(maps.maps.names)
    zoned = _zones_of(grid, base, between, plan)
    frames, facts = {}, {}
    for key, counts in cubes.items():
        found = Search(counts, base, zoned, periods, plan).run(progress, each)
        frames[key] = _frame(found, grid.cells.index[base.keep], periods)
        facts[str(key)] = found.facts()
    result = frames[None] if [*frames] == [None] else pd.concat(frames, names=[*levels, "cluster"])
    result.attrs["method"] = clusters_method(
        **base.left_out(np.hstack([*cubes.values()])),
        exposure=base.name,
        baseline=chosen,
        when=when if timed else None,
        shape=shape,
        side=side,
        adjust=adjust if timed and chosen == "exposure" else None,
        largest=largest,
        longest=None if periods is None else _longest(len(periods), plan),
        periods=None if periods is None else len(periods),
        period=maps.span() if periods is None else [str(periods[0]), str(periods[-1])],
        replicates=replicates,
        level=LEVEL,
        least_incidents=_LEAST_INCIDENTS,
        cells=len(base.values),
        zones=0 if zoned is None else len(zoned.node),
        incidents=int(maps.counts.sum()) - undated,
        undated=undated,
        filled=maps.filled,
        maps=len(cubes),
        found=facts,
    )
    return result


def _check_numbers(
    largest: float, longest: int | None, dispersion: float | None, replicates: int
) -> None:
    if not 0 < largest <= 0.5:
        raise InputError(
            "`largest` is {share}; give a share above 0 and up to 0.5, as 0.1.", share=largest
        )
    if longest is not None and (not isinstance(longest, int | np.integer) or longest < 1):
        raise InputError(
            "`longest` is {longest!r}; give a whole number of periods, 1 or more.", longest=longest
        )
    if dispersion is not None and not 0 <= dispersion < np.inf:
        raise InputError(
            "`dispersion` is {dispersion}; give 0 for Poisson, or more.", dispersion=dispersion
        )
    if not isinstance(replicates, int | np.integer) or replicates < 19:
        raise InputError(
            "`replicates` is {replicates!r}; give 19 or more, as 999.", replicates=replicates
        )


def _longest(periods: int, plan: Plan) -> int:
    half = max(periods // 2, 1)
    return half if plan.longest is None else min(plan.longest, periods - 1)


def _zones_of(grid: Grid, base: Base, between: sparse.csr_array, plan: Plan) -> Zones | None:
    """Grow the zones of the cells that take part."""
    keep = base.keep
    if not len(keep):
        return None
    inner = shapely.point_on_surface(geometries(grid.cells.geometry)[keep])
    exposure = base.values[keep]
    near = sparse.csr_array(between[keep][:, keep])
    few = np.sort(exposure)[-_FEW_CELLS:].sum() if len(keep) <= 10 * _FEW_CELLS else 0.0
    total = exposure.sum()
    return zones(
        shapely.get_x(inner),
        shapely.get_y(inner),
        exposure,
        near.indptr.astype(np.int64),
        near.indices.astype(np.int64),
        largest=min(max(plan.largest * total, few), total / 2),
        most=MOST_CELLS,
        shaped=NEAREST_SHAPED if plan.shape == "flexible" else 0,
    )


@dataclass(frozen=True)
class _Answer:
    """Hold the clusters of one map that do not overlap, strongest first, and what judged them."""

    rows: list[dict[str, Any]]
    dispersion: float
    dispersion_used: float
    judged: bool

    def facts(self) -> dict[str, Any]:
        """Give what the sentences are made of."""
        called = [row for row in self.rows if row["p"] <= LEVEL]
        strongest = None
        if self.rows:
            strongest = {k: v for k, v in self.rows[0].items() if k != "zone"}
            strongest["members"] = len(strongest["members"])
        return {
            "judged": self.judged,
            "dispersion": self.dispersion,
            "dispersion_used": self.dispersion_used,
            "hot": sum(row["side"] == "hot" for row in called),
            "cold": sum(row["side"] == "cold" for row in called),
            "strongest": strongest,
        }


@dataclass(frozen=True)
class Drawn:
    """Maps without risk, in an order that the seed decides, and where to look on them."""

    looks: dict[str, Look]
    chance: Chance
    seed: int
    incidents: int
    unit: float
    total: float

    def scores(self, live: Collection[str], start: int, stop: int) -> Iterator[dict[str, float]]:
        """Yield the largest score of each side that is still `live`, map by map."""
        rng = np.random.default_rng(self.seed)
        listeners = {side: look.listener() for side, look in self.looks.items()}
        for drawn in islice(self.chance.draws(rng, self.incidents), start, stop):
            scored = self.chance.scored(drawn, self.unit, self.total)
            # a map of more incidents, scaled down, scores as much less
            scale = 1.0
            if self.chance.dispersion > 0:
                scale = float((drawn * self.chance.weight).sum()) / self.total
            yield {side: listeners[side](scored) * scale for side in [*live]}


def _scanned(task: Drawn, start: int, stop: int) -> tuple[int, list[dict[str, float]]]:
    """Return the scores of some maps, and the number of the first."""
    return start, [*task.scores(task.looks, start, stop)]


class Search:
    """Look through one map, or one map in time."""

    def __init__(
        self,
        counts: Ints,
        base: Base,
        zoned: Zones | None,
        periods: pd.Index | None,
        plan: Plan,
    ) -> None:
        self.counts = counts[base.keep]
        self.exposure = base.values[base.keep]
        self.zoned, self.periods, self.plan = zoned, periods, plan
        self.estimated = plan.dispersion or 0.0

    def run(self, progress: Progress, each: Each = here) -> _Answer:
        """Find the clusters and judge them."""
        incidents = int(self.counts.sum())
        if self.zoned is None or incidents < _LEAST_INCIDENTS or len(self.exposure) < 3:
            return _Answer([], 0.0, 0.0, False)
        chance = self._chance()
        unit = 1.0 if chance.dispersion <= 0 else 256.0
        scored = chance.scored(self.counts, unit)
        total = float(scored.sum())
        expected = chance.mean * chance.weight
        expected *= total / expected.sum()
        steps = self.counts.shape[1]
        longest = 1 if steps == 1 else _longest(steps, self.plan)
        latest = steps == 1 or self.plan.when == "latest"
        looks = {
            side: Look(self.zoned, expected, longest, latest, 1 if side == "hot" else -1, unit)
            for side in self.plan.sides
        }
        found = {side: look.scan(scored) for side, look in looks.items()}
        strongest = {side: float(seen.score.max()) for side, seen in found.items()}
        task = Drawn(looks, chance, self.plan.seed, int(self.counts.sum()), unit, total / unit)
        if each is here or self.plan.hurried:
            maxima = self._maxima(task, strongest, progress)
        else:
            maxima = self._shared_out(task, each, progress)
        rows = []
        for side, seen in found.items():
            rows += self._picked(looks[side], seen, maxima[side], scored, chance.mean)
        rows.sort(key=lambda row: (row["p"], -row["score"]))
        return _Answer(rows, self.estimated, chance.dispersion, True)

    def _chance(self) -> Chance:
        """Say what is expected, and how much counts vary about it."""
        incidents = self.counts.sum()
        in_time = self.counts.sum(axis=0) / incidents
        history = self.plan.baseline == "history"
        if history:
            share = self.counts.sum(axis=1) / incidents
        else:
            share = self.exposure / self.exposure.sum()
            in_time = adjusted(in_time * incidents, self.periods, self.plan.adjust)
        mean = np.outer(share, in_time) * incidents
        dispersion = self.plan.dispersion
        if dispersion is None:
            seen, hoped = self.counts.ravel(), mean.ravel()
            some = np.flatnonzero(hoped > 0)
            if len(some) > _SAMPLE:
                some = np.random.default_rng(0).choice(some, _SAMPLE, replace=False)
            spread = fit(seen[some], hoped[some], fixed_rate=history)
            dispersion = cautious(spread, hoped[some])
            self.estimated = spread.dispersion
            if dispersion > 0:
                # the rate of the many, which a few huge cells do not make alone
                mean *= spread.rate
        mean = np.maximum(mean, 1e-12 * incidents)
        shuffled = None
        if history and dispersion <= 0:
            cell, step = np.nonzero(self.counts)
            times = self.counts[cell, step]
            shuffled = (np.repeat(cell, times), np.repeat(step, times))
        return Chance(mean, dispersion, shuffled)

    def _maxima(
        self, task: Drawn, strongest: dict[str, float], progress: Progress
    ) -> dict[str, Floats]:
        """Give, by side, the largest scores of maps drawn without risk."""
        live = dict.fromkeys(task.looks)
        maxima: dict[str, list[float]] = {side: [] for side in live}
        for number, scores in enumerate(task.scores(live, 0, self.plan.replicates), start=1):
            for side, score in scores.items():
                maxima[side].append(score)
                if self.plan.hurried and self._hopeless(strongest[side], maxima[side]):
                    del live[side]
            if not live:
                break
            progress("replicates", number, self.plan.replicates)
        return {side: np.array(largest) for side, largest in maxima.items()}

    def _shared_out(self, task: Drawn, each: Each, progress: Progress) -> dict[str, Floats]:
        """Give the same from as many calls, all of which draw all maps and scan some of them."""
        ends = np.linspace(0, self.plan.replicates, min(_PIECES, self.plan.replicates) + 1)
        parts, done = {}, 0
        for start, scores in each(
            _scanned, [(task, a, b) for a, b in pairwise(ends.astype(int).tolist())]
        ):
            parts[start], done = scores, done + len(scores)
            progress("replicates", done, self.plan.replicates)
        rows = [row for start in sorted(parts) for row in parts[start]]
        return {side: np.array([row[side] for row in rows]) for side in task.looks}

    def _hopeless(self, score: float, maxima: list[float]) -> bool:
        """Tell whether so many draws lie above that the rank alone is beyond the level."""
        above = _above(score, np.array(maxima))
        return above >= _RANKED and (above + 1.0) / (self.plan.replicates + 1.0) > LEVEL

    def _picked(
        self, look: Look, found: Found, maxima: Floats, scored: Ints32, mean: Floats
    ) -> list[dict[str, Any]]:
        """Take the best zone, then the best that shares no cell with those taken, and so on."""
        taken = np.zeros(len(self.exposure), bool)
        rows: list[dict[str, Any]] = []
        total = float(scored.sum()) / look.unit
        for zone in np.argsort(-found.score, kind="stable"):
            score = float(found.score[zone])
            p = _p(score, maxima)
            if score <= 0 or (rows and p > LEVEL):
                break
            if taken[look.zones.members(int(zone))].any():
                continue
            members = belonging(*look.belonging(found, int(zone), scored), taken)
            cells = np.sort(look.zones.members(int(zone)))
            taken[cells] = taken[members] = True
            first, stop = int(found.start[zone]), int(found.stop[zone])
            inside, behind = float(found.inside[zone]), float(found.expected[zone])
            low, high = risk_interval(inside, behind, total)
            rows.append(
                {
                    "side": "hot" if look.side > 0 else "cold",
                    "zone": cells,
                    "members": members,
                    "cells": len(cells),
                    "first": first,
                    "last": stop - 1,
                    "incidents": int(self.counts[cells, first:stop].sum()),
                    "expected": float(mean[cells, first:stop].sum()),
                    "risk": relative_risk(inside, behind, total),
                    "risk_low": low,
                    "risk_high": high,
                    "score": score,
                    "p": p,
                }
            )
        return rows


def belonging(cells: Ints, likely: Floats, taken: Bools) -> Ints:
    """Choose the cells that are likely enough to belong to a place, the surest in any case.

    Parameters
    ----------
    cells
        Of a map.
    likely
        How likely each of them is to belong.
    taken
        Whether each cell of the map belongs to another place.

    Examples
    --------
    >>> belonging(np.array([2, 4, 5, 7]), np.array([0.99, 0.4, 0.8, 0.7]), np.arange(9) > 6)
    array([2, 5])
    """
    cells, likely = cells[~taken[cells]], likely[~taken[cells]]
    members: Ints = cells[likely >= min(BELONGS, likely.max())]
    return members


def _p(score: float, maxima: Floats) -> float:
    """Give the rank among the maxima, refined by their extreme-value tail where it is coarse."""
    above = _above(score, maxima)
    rank = (above + 1.0) / (len(maxima) + 1.0)
    if above >= _RANKED:
        return rank
    return min(rank, float(gumbel_p(np.array(score), maxima)))


def _above(score: float, maxima: Floats) -> int:
    return int((maxima >= score * (1.0 - 1e-12)).sum())


def adjusted(seen: Floats, periods: pd.Index | None, adjust: str) -> Floats:
    """Share the incidents out over the periods as the baseline is to follow them.

    Parameters
    ----------
    seen
        Incidents of each period.
    periods
        The periods.
    adjust
        As for `clusters`.
    """
    if periods is None or adjust == "period" or len(seen) < 3:
        return np.asarray(seen / seen.sum())
    columns = [np.ones(len(seen))]
    if "trend" in adjust:
        columns.append(np.linspace(-1.0, 1.0, len(seen)))
    if "weekday" in adjust:
        if not isinstance(periods, pd.PeriodIndex) or periods.freqstr != "D":
            raise InputError(
                "`adjust` is {adjust!r}, which needs days. Tally by day.", adjust=adjust
            )
        day = periods.day_of_week.to_numpy()
        columns += [(day == number).astype(float) for number in range(1, 7)]
    design = np.column_stack(columns)
    level = np.full(len(seen), max(seen.mean(), 1e-9))
    for _ in range(50):
        working = np.log(level) + (seen - level) / level
        root = np.sqrt(level)
        effects = np.linalg.lstsq(design * root[:, None], working * root, rcond=None)[0]
        after = np.exp(np.clip(design @ effects, -30.0, 30.0))
        if np.allclose(after, level, rtol=1e-10):
            break
        level = after
    return np.asarray(after / after.sum())


def relative_risk(inside: float, expected: float, total: float) -> float:
    """Divide the rate inside by the rate outside; infinite where nothing is outside.

    Parameters
    ----------
    inside, expected, total
        Incidents in the zone, what is expected there, and incidents in all.
    """
    outside = (total - inside) / (total - expected)
    return inside / expected / outside if outside > 0 else np.inf


def risk_interval(inside: float, expected: float, total: float) -> tuple[float, float]:
    """Bound the relative risk exactly, given the total (Clopper and Pearson 1934).

    Parameters
    ----------
    inside, expected, total
        As for `relative_risk`.

    Examples
    --------
    >>> low, high = risk_interval(38.0, 17.788, 552.0)
    >>> round(low, 2), round(high, 2)
    (1.55, 3.09)
    """
    low, high = odds_interval(inside, total - inside)
    odds = (total - expected) / expected
    return low * odds, high * odds if np.isfinite(high) else np.inf


def _frame(found: _Answer, codes: pd.Index, periods: pd.Index | None) -> pd.DataFrame:
    columns = ["side", "cells", "members", "zone", "since", "until", "incidents", "expected",
               "risk", "risk_low", "risk_high", "score", "p"]  # fmt: skip
    rows = [row for row in found.rows if row["p"] <= LEVEL]
    frame = pd.DataFrame(rows, columns=[*columns, "first", "last"])
    for name in ("members", "zone"):
        frame[name] = [tuple(codes[row[name]]) for row in rows]
    if periods is None:
        columns = [name for name in columns if name not in ("since", "until")]
    else:
        frame["since"] = [periods[row["first"]] for row in rows]
        frame["until"] = [periods[row["last"]] for row in rows]
    frame.index = pd.RangeIndex(1, len(rows) + 1, name="cluster")
    return frame[columns].astype({"cells": np.int64, "incidents": np.int64})
