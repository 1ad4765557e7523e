"""Hotspots: cells scored above chance together with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from gridmap._arrays import Array, Bools, Floats, Ints, Ints8
from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.hotspot_analysis import method_text, significance
from gridmap.hotspot_analysis.cube import Stack, exposure_of, stack
from gridmap.hotspot_analysis.getis_ord import CURB, gi_star, overall, relieved, skewness
from gridmap.hotspot_analysis.method_text import P_VALUES
from gridmap.hotspot_analysis.rates import cautious, fit, lower, standard, standardised, upper
from gridmap.hotspot_analysis.significance import corrected_p
from gridmap.hotspot_analysis.weights import Windows, weights_between, windows

if TYPE_CHECKING:
    import networkx as nx

    from gridmap._arrays import SparseArray
    from gridmap.grid.grid import Grid

GATES = ["", "no base", "too few", "constant"]
NO_BASE, TOO_FEW, CONSTANT = 1, 2, 3


@dataclass(frozen=True)
class Base:
    """Hold the denominator of every cell, 0 where there is none, and its name."""

    values: Floats
    name: str | None

    @property
    def keep(self) -> Ints:
        """Give the rows of the cells that take part."""
        return np.flatnonzero(self.values > 0)

    @property
    def gate(self) -> Ints8:
        """Gate the cells that take no part."""
        return np.where(self.values > 0, 0, NO_BASE).astype(np.int8)

    def left_out(self, counts: Ints) -> dict[str, Any]:
        """Count the cells that take no part, and the incidents in them.

        Parameters
        ----------
        counts
            A row a cell.
        """
        none = self.values <= 0
        return {"no_base": int(none.sum()), "incidents_no_base": int(counts[none].sum())}


def base_of(grid: Grid, exposure: str | pd.Series | None) -> Base:
    """Take the denominator of every cell.

    Parameters
    ----------
    grid, exposure
        As for :func:`gridmap.hotspot_analysis.cube.exposure_of`, which raises what is to be raised.
    """
    return Base(*exposure_of(grid, exposure))


Chance = Literal["skew", "pearson", "normal", "permutation"]
# a batch of maps is scored at a time, so that a long series does not fill the memory
_BATCH = 4_000_000


@dataclass(frozen=True)
class Scores:
    """Hold scores of cells (rows) on maps (columns), as arrays."""

    z: Floats
    p: Floats
    expected: Floats
    window_expected: Floats
    constant: Bools
    curbed: Ints
    cell_p: Floats
    above: Bools
    dispersion: Floats


def score(
    counts: Ints,
    exposure: Floats | None,
    within: Windows,
    *,
    p: Chance = "skew",
    curb: float | None = CURB,
    permutations: int = 9999,
    rng: np.random.Generator | None = None,
) -> Scores:
    """Score cells, alone by their own count and by Gi* with their neighbours, map by map.

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
        spread = np.zeros(maps)
        scores = (nothing, nothing, nothing, nothing, constant, curbs)
        return Scores(*scores, nothing, nothing > 0, spread)
    base = np.ones(len(counts)) if exposure is None else exposure
    alone = by_own_count(counts, base)
    if p == "skew":
        raw = alone.standard
    else:
        raw = counts.astype(float) if exposure is None else standardised(counts, base)
    values = raw if exposure is None else relieved(raw, within, curb)
    z = gi_star(values, within)
    if p == "skew":
        placed = corrected_p(z, skewness(values, within), within.equal_sizes, values)
        chance = np.maximum(placed, _by_own_moments(alone, z, within))
    else:
        chance = _placed_p(p, z, values, within, permutations, rng)
    around = within.members @ alone.expected
    # equal rates, standardised, differ by rounding only
    constant = np.ptp(values, axis=0) <= 1e-9
    curbs = (values != raw).sum(axis=0)
    own = (alone.p, alone.above, alone.dispersion)
    return Scores(z, chance, alone.expected, around, constant, curbs, *own)


@dataclass(frozen=True)
class Alone:
    """Hold exact tests of cells (rows) on maps (columns), each by its own count.

    ``p`` is the chance of a count so far out on its side, ``above`` tells which; ``standard`` are
    the counts standardised by their own distribution and ``skew`` its skewness. ``dispersion`` is
    the estimated 1/k of each map.
    """

    p: Floats
    above: Bools
    expected: Floats
    standard: Floats
    skew: Floats
    dispersion: Floats


def by_own_count(counts: Ints, base: Floats) -> Alone:
    """Test the count of every cell against what its base lets one expect.

    Counts are Poisson or, where they vary more than that, negative binomial; rate and dispersion
    are fitted so that a few cells that stand out do not hide themselves.

    Parameters
    ----------
    counts
        A row a cell, a column a map.
    base
        One number above 0 a cell.
    """
    p, expected, z, skew = (np.ones(counts.shape) for _ in range(4))
    above = np.zeros(counts.shape, bool)
    spread = np.zeros(counts.shape[1])
    for column, seen in enumerate(counts.T):
        found = fit(seen, base)
        wide = cautious(found, base)
        mean = found.rate * base
        expected[:, column], spread[column] = mean, found.dispersion
        if found.rate <= 0:
            z[:, column] = 0.0
            continue
        more, fewer = upper(seen, mean, wide), lower(seen, mean, wide)
        above[:, column] = more < fewer
        p[:, column] = np.minimum(more, fewer)
        z[:, column], skew[:, column] = standard(seen, mean, wide)
    return Alone(p, above, expected, z, skew, spread)


def _by_own_moments(alone: Alone, z: Floats, within: Windows) -> Floats:
    """Give the two-sided p of windows by the variance and skewness of their own cells.

    Random placing takes both from all cells, as if any could lie anywhere. Where some have far
    more households than others that is not so: a sum of small ones is skewed, of large ones not.
    """
    spread = np.sqrt(within.second)
    own = (within.matrix @ alone.standard) / spread
    skew = (within.matrix.power(3) @ alone.skew) / spread**3
    return np.where(own * z > 0, significance.pearson_p(own, skew), 1.0)


def in_batches(
    counts: Ints, exposure: Floats | None, within: Windows, options: dict[str, Any]
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


def _placed_p(
    p: Chance,
    z: Floats,
    values: Floats,
    within: Windows,
    permutations: int,
    rng: np.random.Generator | None,
) -> Floats:
    """Return the p of Gi* under random placing alone."""
    if p == "normal":
        return significance.normal_p(z)
    if p == "pearson":
        return significance.pearson_p(z, skewness(values, within))
    return significance.permuted_p(
        within.matrix @ values,
        values,
        within.sizes,
        permutations=permutations,
        rng=np.random.default_rng() if rng is None else rng,
    )


LEAST_EXPECTED = 5.0
LEAST_EXPECTED_COLD = 30.0
MOST_CELLS_PERMUTED = 500
CAVEATS = ["", "island", "cold untestable"]


def hotspots(
    table: pd.DataFrame,
    grid: Grid,
    *,
    exposure: str | pd.Series | None = "households",
    p: Chance = "skew",
    correction: significance.Correction = "bh",
    weights: nx.Graph[str] | SparseArray | None = None,
    family: Literal["map", "table"] = "map",
    curb: float | None = CURB,
    permutations: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Find the cells with more incidents than chance explains, and those with fewer.

    Two questions are answered, each with its own columns. **Cells**: is this cell's own count more
    than chance? An exact test, Poisson or negative binomial where counts vary more than that; the
    dispersion is estimated and told. **Neighbourhoods**: is the cell together with those it shares
    a line with? Gi*, the sum of standardised counts over the window (Ord and Getis 1995), whose p
    is the larger of two, both corrected for skew: under random placing of all cells, and by the
    moments of these very cells. (The third question, whether there is a **cluster** anywhere, is
    `clusters`.) The false discovery rate is held over all
    cells of a map (Benjamini and Hochberg 1995). A **map** is one category in one period, or
    whatever `table` was split by; all maps are scored in one call.

    Gates keep it from crying wolf. A cell without exposure has "no base" and takes no part. A
    window with fewer than 5 expected incidents has "too few" and is not tested. On a map where
    all cells are alike ("constant") nothing is found. A cold neighbourhood needs 30 expected
    incidents.

    Under random placing Pearson III gives the p on the side that the skew stretches, which is the
    hot one nearly always. On the other side it ends too early and would call the whole
    surroundings of a strong hotspot cold, so there the sums of random draws are worked out
    themselves. The other choices of `p` rest on random placing alone, of rates standardised after
    Assunção and Reis (1999), as ArcGIS and GeoDa do: they cry wolf where exposures differ much.

    Parameters
    ----------
    table
        What `tally` gives: index ``code`` or (``code``, …), column ``incidents``.
    grid
        Whose cells were tallied.
    exposure
        Denominator: a column of `grid.cells`, a Series by code, or None for raw counts.
    p
        How neighbourhoods are judged: "skew", "pearson" (Pearson III on both sides), "normal"
        (what ArcGIS does) or "permutation" (at most 500 cells).
    correction
        For many tests: "bh" and "by" (Benjamini–Yekutieli) hold the false discovery rate, "holm"
        and "bonferroni" the chance of any false call.
    weights
        Graph on codes or matrix in the order of the cells, in place of contiguity.
    family
        Whether the tests of each "map" are a family, or those of the whole "table".
    curb
        On a map whose rates are so skewed by a few odd cells that no neighbourhood could be seen,
        they are cut at so many standard deviations; None never cuts. The method counts them.
    permutations, seed
        For ``p="permutation"``.

    Returns
    -------
    DataFrame
        On the index of `table`: ``incidents``, ``exposure``, ``expected``; of the cell alone
        ``cell_p`` (on its own side), ``cell_q`` and ``cell_bin`` (−3 … 3: fewer to more than
        chance at q ≤ 0.01, 0.05, 0.10); ``n`` (cells compared); of the neighbourhood ``window``
        (cells in it), ``window_incidents``, ``window_expected``, ``z``, ``p``, ``q``, ``bin`` (as
        ``cell_bin``), ``gate`` and ``caveat``. Nothing is missing: a gated cell has q = 1 and
        bin 0. ``attrs["method"]`` bears the facts, with Moran's I when there is one map, and the
        sentences.

    Raises
    ------
    InputError
        If the table does not fit the grid, an option is unknown, or permutations are asked of
        more than 500 cells.

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
    >>> found = hotspots(table, grid)
    >>> found.index[found["bin"] >= 2].tolist()
    ['c44', 'c45', 'c54', 'c55']
    """
    check_choice("p", p, P_VALUES)
    check_choice("family", family, ("map", "table"))
    check_choice("correction", correction, significance.CORRECTIONS)
    if curb is not None and not curb > 0:
        raise InputError(
            "`curb` is {curb}; give standard deviations above 0, as 4, or None.", curb=curb
        )
    maps = stack(table, grid)
    base = base_of(grid, exposure)
    keep = base.keep
    if p == "permutation":
        _check_permutations(len(keep), permutations)
    between = weights_between(weights, grid)
    within = windows(between[keep][:, keep])
    if p == "permutation" and (within.matrix.data != 1.0).any():
        raise InputError("`p` is 'permutation', which needs weights of 0 and 1. Use 'skew'.")
    rng = np.random.default_rng(seed)
    options = {"p": p, "curb": curb, "permutations": permutations, "rng": rng}
    behind = None if base.name is None else base.values[keep]
    scores = in_batches(maps.counts[keep], behind, within, options)
    judged = _judge(scores, family, correction)
    pattern = None
    if maps.counts.shape[1] == 1 and len(keep):
        standard = relieved(standardised(maps.counts[keep], base.values[keep]), within, curb)
        pattern = overall(standard[:, 0], between[keep][:, keep])
    facts = {
        "exposure": base.name,
        "moran": None if pattern is None else pattern.moran,
        "moran_z": None if pattern is None else pattern.moran_z,
        "weights": "contiguity" if weights is None else "given",
        "p": p,
        "correction": correction,
        "family": family,
        "curb": curb,
        "permutations": permutations if p == "permutation" else None,
    }
    return _result(table.index, maps, base, within, scores, judged, facts)


def called(counts: Ints, base: Base, between: sparse.csr_array) -> tuple[Ints8, Ints8]:
    """Judge one map as `hotspots` does and give its bins: of cells alone, and with neighbours.

    Parameters
    ----------
    counts
        One number a cell.
    base
        The denominator.
    between
        Who touches whom.
    """
    keep = base.keep
    alone, around = np.zeros((2, len(counts)), np.int8)
    behind = None if base.name is None else base.values[keep]
    scores = score(counts[keep, None], behind, windows(between[keep][:, keep]))
    judged = _judge(scores, "map", "bh")
    alone[keep], around[keep] = judged.cell_bin[:, 0], judged.bin[:, 0]
    return alone, around


@dataclass(frozen=True)
class Judged:
    """Hold what the scores lead to: gates first, then bins."""

    gate: Ints8
    q: Floats
    bin: Ints8
    cold_untestable: Bools
    cell_q: Floats
    cell_bin: Ints8


def _judge(scores: Scores, family: str, correction: str) -> Judged:
    too_few = scores.window_expected < LEAST_EXPECTED
    gate = np.where(too_few, TOO_FEW, np.where(scores.constant, CONSTANT, 0)).astype(np.int8)
    adjusted = _adjusted(scores.p, gate == 0, family, correction)
    found = significance.bins(scores.z, adjusted)
    few_for_cold = scores.window_expected < LEAST_EXPECTED_COLD
    found[few_for_cold & (found < 0)] = 0
    # more and fewer are families of their own: the one is looked for, the other is not its price
    sides = (np.where(scores.above == side, scores.cell_p, 1.0) for side in (True, False))
    every = np.ones(gate.shape, bool)
    more, fewer = (_adjusted(side, every, family, correction) for side in sides)
    cell_q = np.where(scores.above, more, fewer)
    cell_bin = significance.bins(np.where(scores.above, 1.0, -1.0), cell_q)
    return Judged(gate, adjusted, found, (gate == 0) & few_for_cold, cell_q, cell_bin)


def _adjusted(p: Floats, tested: Bools, family: str, correction: str) -> Floats:
    shape = (-1, 1) if family == "table" else p.shape
    adjusted = significance.CORRECTIONS[correction](p.reshape(shape), tested.reshape(shape))
    return adjusted.reshape(p.shape)


def _result(
    index: pd.Index,
    maps: Stack,
    base: Base,
    within: Windows,
    scores: Scores,
    judged: Judged,
    facts: dict[str, Any],
) -> pd.DataFrame:
    keep = base.keep

    def spread(values: Array, missing: Any) -> Array:
        return maps.spread(values, keep, missing)

    sizes = within.sizes[:, None]
    caveat = np.where(sizes == 1, 1, np.where(judged.cold_untestable, 2, 0)).astype(np.int8)
    result = pd.DataFrame(
        {
            "incidents": maps.flat(maps.counts),
            "exposure": maps.flat(base.values[:, None]),
            "expected": spread(scores.expected, 0.0),
            "cell_p": spread(scores.cell_p, 1.0),
            "cell_q": spread(judged.cell_q, 1.0),
            "cell_bin": spread(judged.cell_bin, 0),
            "n": len(keep),
            "window": spread(np.broadcast_to(sizes, scores.z.shape), 0),
            "window_incidents": spread(within.members @ maps.counts[keep], 0),
            "window_expected": spread(scores.window_expected, 0.0),
            "z": spread(scores.z, 0.0),
            "p": spread(scores.p, 1.0),
            "q": spread(judged.q, 1.0),
            "bin": spread(judged.bin, 0),
            "gate": pd.Categorical.from_codes(
                spread(judged.gate, base.gate[:, None]), pd.Index(GATES)
            ),
            "caveat": pd.Categorical.from_codes(spread(caveat, 0), pd.Index(CAVEATS)),
        },
        index=index,
    )
    result.attrs["method"] = method_text.hotspots_method(
        **facts,
        **base.left_out(maps.counts),
        **_judgements(judged),
        cells=len(base.values),
        compared=len(keep),
        incidents=int(maps.counts.sum()),
        maps=maps.counts.shape[1],
        period=maps.span(),
        filled=maps.filled,
        constant=int((judged.gate == CONSTANT).any(axis=0).sum()),
        curbed=int(scores.curbed.sum()),
        islands=int((within.sizes == 1).sum()),
        dispersion=float(scores.dispersion.max()) if len(scores.dispersion) else 0.0,
    )
    return result


def _judgements(judged: Judged) -> dict[str, Any]:
    """Count what was found, and what could not be judged."""
    return {
        "tested": int((judged.gate == 0).sum()),
        "too_few": int((judged.gate == TOO_FEW).sum()),
        "least_expected": LEAST_EXPECTED,
        "cold_untestable": int(judged.cold_untestable.sum()),
        "least_expected_cold": LEAST_EXPECTED_COLD,
        "hot": [int((judged.bin >= depth).sum()) for depth in (1, 2, 3)],
        "cold": [int((judged.bin <= -depth).sum()) for depth in (1, 2, 3)],
        "cells_above": [int((judged.cell_bin >= depth).sum()) for depth in (1, 2, 3)],
        "cells_below": [int((judged.cell_bin <= -depth).sum()) for depth in (1, 2, 3)],
    }


def _check_permutations(cells: int, permutations: int) -> None:
    if cells > MOST_CELLS_PERMUTED:
        raise InputError(
            "`p` is 'permutation' for {cells} {cells:cell|cells}, where the smallest p it "
            "can give is too large to survive the correction. Use 'skew', or at most "
            "{most_cells_permuted} {most_cells_permuted:cell|cells}.",
            cells=cells,
            most_cells_permuted=MOST_CELLS_PERMUTED,
        )
    if permutations < 99:
        raise InputError(
            "`permutations` is {permutations}; give 99 or more, as 9999.", permutations=permutations
        )
