"""A second opinion: local Moran's I on the same rates, through the same gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from gridmap._arrays import Array, Floats, Ints8
from gridmap.hotspot_analysis import method_text, significance
from gridmap.hotspot_analysis.cube import stack
from gridmap.hotspot_analysis.getis_ord import gi, quotient, relieved
from gridmap.hotspot_analysis.hotspots import CONSTANT, GATES, LEAST_EXPECTED, TOO_FEW, base_of
from gridmap.hotspot_analysis.rates import overall_rate, standardised
from gridmap.hotspot_analysis.significance import corrected_p
from gridmap.hotspot_analysis.weights import weights_between, windows

if TYPE_CHECKING:
    import networkx as nx

    from gridmap._arrays import SparseArray
    from gridmap.grid.grid import Grid

QUADRANTS = ["", "high-high", "low-low", "high-low", "low-high"]


@dataclass(frozen=True)
class LocalMoran:
    """Hold local Moran's I with its score under two nulls.

    ``total`` places all values at random (Anselin 1995), ``conditional`` all but the cell's own:
    that is the score of the neighbours alone, signed by the cell, with its skewness.
    """

    statistic: Floats
    total: Floats
    conditional: Floats
    skew: Floats
    quadrant: Ints8


def local_moran(values: Floats, neighbours: sparse.csr_array) -> LocalMoran:
    """Compute local Moran's I with the variance over n.

    Parameters
    ----------
    values
        A row a cell, a column a map.
    neighbours
        Weights with an empty diagonal.
    """
    columns = np.atleast_2d(values.T).T
    if not len(columns):
        nothing = np.zeros(values.shape)
        return LocalMoran(nothing, nothing, nothing, nothing, nothing.astype(np.int8))
    away = columns - columns.mean(axis=0)
    lag = neighbours @ away
    statistic = quotient(away * lag, np.square(away).mean(axis=0))
    around = gi(columns, neighbours)
    side = np.sign(away)
    skew = side * _skew_of_neighbours(away, neighbours)
    shape = values.shape
    return LocalMoran(
        statistic.reshape(shape),
        _total(statistic, away, neighbours).reshape(shape),
        (around * side).reshape(shape),
        skew.reshape(shape),
        _quadrant(away, around).reshape(shape),
    )


def _total(statistic: Floats, away: Floats, neighbours: sparse.csr_array) -> Floats:
    n = len(away)
    if n < 3:
        return np.zeros(away.shape)
    peak = quotient(np.power(away, 4).mean(axis=0), np.square(np.square(away).mean(axis=0)))
    first = np.asarray(neighbours.sum(axis=1), float)[:, None]
    second = np.asarray(neighbours.power(2).sum(axis=1), float)[:, None]
    expected = -first / (n - 1)
    variance = (
        second * (n - peak) / (n - 1)
        + (first**2 - second) * (2 * peak - n) / ((n - 1) * (n - 2))
        - expected**2
    )
    # without spread there is no peak either, and the variance would be that of nothing
    variance = np.where(peak > 0, np.maximum(variance, 0.0), 0.0)
    return quotient(statistic - expected, np.sqrt(variance))


def _skew_of_neighbours(away: Floats, neighbours: sparse.csr_array) -> Floats:
    """Give the skewness of each sum of neighbours drawn from all cells but the cell itself."""
    others = len(away) - 1
    if others < 3:
        return np.zeros(away.shape)
    mean = -away / others
    square = (np.square(away).sum(axis=0) - np.square(away)) / others
    cube = (np.power(away, 3).sum(axis=0) - np.power(away, 3)) / others
    variance = np.maximum(square - mean**2, 0.0)
    third = cube - 3.0 * mean * square + 2.0 * mean**3
    sums = (np.asarray(neighbours.power(k).sum(axis=1), float)[:, None] for k in (1, 2, 3))
    first, second, cubed = sums
    spread = np.maximum(second - first**2 / others, 0.0)
    lean = cubed - 3.0 * first * second / others + 2.0 * first**3 / others**2
    scale = np.sqrt(others * (others - 1.0)) / (others - 2.0)
    leaning: Floats = quotient(third, variance**1.5) * quotient(lean, spread**1.5)
    skew: Floats = leaning * scale
    return skew


def _quadrant(away: Floats, around: Floats) -> Ints8:
    high, high_around = away > 0, around > 0
    low, low_around = away < 0, around < 0
    cases = [high & high_around, low & low_around, high & low_around, low & high_around]
    return np.select(cases, [1, 2, 3, 4], 0).astype(np.int8)


RATE = 0.10


def second_opinion(
    table: pd.DataFrame,
    grid: Grid,
    *,
    exposure: str | pd.Series | None = "households",
    weights: nx.Graph[str] | SparseArray | None = None,
) -> pd.DataFrame:
    """Ask local Moran's I whether each cell and its neighbours are alike, or one stands out.

    `hotspots` asks whether a cell and its neighbours together are high. Here the cell is held
    against its neighbours without it: **high-high** is the inside of a hotspot, **high-low** a
    single cell that stands out, **low-high** a quiet cell beside a hotspot. The score is that of
    the neighbours under random placing of all values but the cell's own, corrected for skew.

    Parameters
    ----------
    table, grid, exposure, weights
        As for `hotspots`.

    Returns
    -------
    DataFrame
        On the index of `table`: ``moran`` (local I), ``z``, ``p``, ``q`` (over each map),
        ``quadrant`` ("high-high", "low-low", "high-low", "low-high", or "" where q > 0.10) and
        ``gate``. Nothing is missing. ``attrs["method"]`` bears the facts and the sentences.

    Raises
    ------
    InputError
        As `hotspots` does.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.grid.grid import Grid
    >>> x, y = np.divmod(np.arange(100), 10)
    >>> squares = gpd.GeoDataFrame({"code": [f"c{k:02}" for k in range(100)], "households": 400},
    ...     geometry=shapely.box(x, y, x + 1, y + 1), crs=4547)
    >>> grid = Grid(squares, squares.union_all("coverage"))
    >>> table = pd.DataFrame({"incidents": 4}, index=grid.cells.index)
    >>> block = [f"c{row}{column}" for row in "345" for column in "345"]
    >>> table.loc[block, "incidents"] = 20
    >>> second_opinion(table, grid).loc["c44", "quadrant"]
    'high-high'
    """
    maps = stack(table, grid)
    base = base_of(grid, exposure)
    keep = base.keep
    between = weights_between(weights, grid)[keep][:, keep]
    within = windows(between)
    around = windows(between, itself=0.0)
    counts, behind = maps.counts[keep], base.values[keep]
    values = counts.astype(float)
    if base.name is not None and len(keep):
        values = relieved(standardised(counts, behind), within)
    found = local_moran(values, around.matrix)
    # the score is signed by the cell; what is drawn are its neighbours
    side = np.sign(values - values.mean(axis=0)) if len(values) else values
    p = corrected_p(found.conditional * side, found.skew * side, around.equal_sizes, values)
    expected = (within.members @ behind[:, None]) * overall_rate(counts, behind)
    alike = np.ptp(values, axis=0) == 0 if len(values) else np.ones(counts.shape[1], bool)
    gate = np.where(expected < LEAST_EXPECTED, TOO_FEW, np.where(alike, CONSTANT, 0))
    # an island has no neighbours to be held against
    q = significance.benjamini_hochberg(p, (gate == 0) & (within.sizes[:, None] > 1))
    quadrant = np.where(q <= RATE, found.quadrant, 0)

    def spread(part: Array, missing: Any) -> Array:
        return maps.spread(part, keep, missing)

    result = pd.DataFrame(
        {
            "moran": spread(found.statistic, 0.0),
            "z": spread(found.conditional, 0.0),
            "p": spread(p, 1.0),
            "q": spread(q, 1.0),
            "quadrant": pd.Categorical.from_codes(
                spread(quadrant.astype(np.int8), 0), pd.Index(QUADRANTS)
            ),
            "gate": pd.Categorical.from_codes(
                spread(gate.astype(np.int8), base.gate[:, None]), pd.Index(GATES)
            ),
        },
        index=table.index,
    )
    result.attrs["method"] = method_text.opinion_method(
        **base.left_out(maps.counts),
        exposure=base.name,
        cells=len(base.values),
        incidents=int(maps.counts.sum()),
        maps=maps.counts.shape[1],
        period=maps.span(),
        filled=maps.filled,
        found={name: int((result["quadrant"] == name).sum()) for name in QUADRANTS[1:]},
    )
    return result
