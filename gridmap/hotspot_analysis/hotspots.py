"""Hotspots: cells scored above chance together with their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.hotspot_analysis import method_text, multiple_testing, significance
from gridmap.hotspot_analysis.cube import Stack, exposure_of, stack
from gridmap.hotspot_analysis.getis_ord import gi_star, overall, skewness
from gridmap.hotspot_analysis.method_text import P_VALUES
from gridmap.hotspot_analysis.outliers import CURB, relieved
from gridmap.hotspot_analysis.rates import overall_rate, standardised
from gridmap.hotspot_analysis.significance import corrected_p
from gridmap.hotspot_analysis.weights import Windows, weights_between, windows

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

GATES = ["", "no base", "too few", "constant"]
NO_BASE, TOO_FEW, CONSTANT = 1, 2, 3


@dataclass(frozen=True)
class Base:
    """Hold the denominator of every cell, 0 where there is none, and its name."""

    values: NDArray[np.float64]
    name: str | None

    @property
    def keep(self) -> NDArray[np.int64]:
        """Give the rows of the cells that take part."""
        return np.flatnonzero(self.values > 0)

    @property
    def gate(self) -> NDArray[np.int8]:
        """Gate the cells that take no part."""
        return np.where(self.values > 0, 0, NO_BASE).astype(np.int8)

    def left_out(self, counts: NDArray[np.int64]) -> dict[str, Any]:
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
    correction: multiple_testing.Correction = "bh",
    weights: nx.Graph | sparse.sparray | None = None,
    family: Literal["map", "table"] = "map",
    curb: float | None = CURB,
    permutations: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Find the cells with more incidents than chance explains, and those with fewer.

    Each cell is scored by Gi* together with the cells it shares a line with, on rates that are
    standardised for how many households stand behind them (Assunção and Reis 1999); p-values are
    two-sided and corrected for skew; the false discovery rate is held over all cells of a map
    (Benjamini and Hochberg 1995). A **map** is one category in one period, or whatever `table`
    was split by; all maps are scored in one call.

    Gates keep it from crying wolf. A cell without exposure has "no base" and takes no part. A
    window with fewer than 5 expected incidents has "too few" and is not tested. On a map where
    all cells are alike ("constant") nothing is found. A cold spot needs 30 expected incidents.

    Pearson III gives the p on the side that the skew stretches, which is the hot one nearly
    always. On the other side it ends too early and would call the whole surroundings of a strong
    hotspot cold, so there the sums of random draws are worked out themselves.

    Parameters
    ----------
    table
        What `tally` gives: index ``code`` or (``code``, …), column ``incidents``.
    grid
        Whose cells were tallied.
    exposure
        Denominator: a column of `grid.cells`, a Series by code, or None for raw counts.
    p
        "skew", "pearson" (Pearson III on both sides), "normal" (what ArcGIS does) or
        "permutation" (at most 500 cells).
    correction
        For many tests: "bh" and "by" (Benjamini–Yekutieli) hold the false discovery rate, "holm"
        and "bonferroni" the chance of any false call.
    weights
        Graph on codes or matrix in the order of the cells, in place of contiguity.
    family
        Whether the tests of each "map" are a family, or those of the whole "table".
    curb
        On a map whose rates are so skewed by a few odd cells that nothing else could be seen,
        they are cut at so many standard deviations; None never cuts. The method counts them.
    permutations, seed
        For ``p="permutation"``.

    Returns
    -------
    DataFrame
        On the index of `table`: ``incidents``, ``exposure``, ``expected``, ``n`` (cells compared),
        ``window`` (cells looked at together), ``window_expected``, ``z``, ``p``, ``q``, ``bin``
        (−3 … 3: cold to hot at q ≤ 0.01, 0.05, 0.10), ``gate`` and ``caveat``. Nothing is missing:
        a gated cell has q = 1 and bin 0. ``attrs["method"]`` bears the facts, with
        Moran's I when there is one map, and the sentences.

    Raises
    ------
    InputError
        If the table does not fit the grid, an option is unknown, or permutations are asked of
        more than 500 cells.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.grid import Grid
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
    check_choice("correction", correction, multiple_testing.CORRECTIONS)
    if curb is not None and not curb > 0:
        raise InputError(
            "`curb` is {curb}; give standard deviations above 0, as 4, or None.", curb=curb
        )
    maps = stack(table, grid)
    base = base_of(grid, exposure)
    keep = base.keep
    if p == "permutation":
        _check_permutations(len(keep), permutations)
    between = weights_between(weights, grid.contiguity, grid.cells.index)
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


@dataclass(frozen=True)
class Judged:
    """Hold what the scores lead to: gates first, then bins."""

    gate: NDArray[np.int8]
    q: NDArray[np.float64]
    bin: NDArray[np.int8]
    cold_untestable: NDArray[np.bool_]


def _judge(scores: Scores, family: str, correction: str) -> Judged:
    too_few = scores.window_expected < LEAST_EXPECTED
    gate = np.where(too_few, TOO_FEW, np.where(scores.constant, CONSTANT, 0)).astype(np.int8)
    shape = (-1, 1) if family == "table" else gate.shape
    q = multiple_testing.CORRECTIONS[correction](
        scores.p.reshape(shape), (gate == 0).reshape(shape)
    )
    q = q.reshape(gate.shape)
    found = multiple_testing.bins(scores.z, q)
    few_for_cold = scores.window_expected < LEAST_EXPECTED_COLD
    found[few_for_cold & (found < 0)] = 0
    return Judged(gate, q, found, (gate == 0) & few_for_cold)


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

    def spread(values: NDArray[Any], missing: Any) -> NDArray[Any]:
        whole = np.empty(maps.counts.shape, values.dtype)
        whole[:] = missing
        whole[keep] = values
        return maps.flat(whole)

    sizes = within.sizes[:, None]
    caveat = np.where(sizes == 1, 1, np.where(judged.cold_untestable, 2, 0)).astype(np.int8)
    result = pd.DataFrame(
        {
            "incidents": maps.flat(maps.counts),
            "exposure": maps.flat(base.values[:, None]),
            "expected": spread(scores.expected, 0.0),
            "n": len(keep),
            "window": spread(np.broadcast_to(sizes, scores.z.shape), 0),
            "window_expected": spread(scores.window_expected, 0.0),
            "z": spread(scores.z, 0.0),
            "p": spread(scores.p, 1.0),
            "q": spread(judged.q, 1.0),
            "bin": spread(judged.bin, 0),
            "gate": pd.Categorical.from_codes(spread(judged.gate, base.gate[:, None]), GATES),
            "caveat": pd.Categorical.from_codes(spread(caveat, 0), CAVEATS),
        },
        index=index,
    )
    result.attrs["method"] = method_text.hotspots_method(
        **facts,
        **base.left_out(maps.counts),
        cells=len(base.values),
        compared=len(keep),
        tested=int((judged.gate == 0).sum()),
        incidents=int(maps.counts.sum()),
        maps=maps.counts.shape[1],
        period=maps.span(),
        filled=maps.filled,
        too_few=int((judged.gate == TOO_FEW).sum()),
        least_expected=LEAST_EXPECTED,
        cold_untestable=int(judged.cold_untestable.sum()),
        least_expected_cold=LEAST_EXPECTED_COLD,
        constant=int((judged.gate == CONSTANT).all(axis=0).sum()) if len(keep) else 0,
        curbed=int(scores.curbed.sum()),
        islands=int((within.sizes == 1).sum()),
        hot=[int((judged.bin >= depth).sum()) for depth in (1, 2, 3)],
        cold=[int((judged.bin <= -depth).sum()) for depth in (1, 2, 3)],
    )
    return result


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
