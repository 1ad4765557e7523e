"""A second opinion: local Moran's I on the same rates, through the same gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from gridmap.hotspot_analysis import method_text, multiple_testing
from gridmap.hotspot_analysis.base import CONSTANT, GATES, TOO_FEW, base_of
from gridmap.hotspot_analysis.cube import stack
from gridmap.hotspot_analysis.draws import corrected_p
from gridmap.hotspot_analysis.hotspots import LEAST_EXPECTED
from gridmap.hotspot_analysis.moran import QUADRANTS, local_moran
from gridmap.hotspot_analysis.outliers import relieved
from gridmap.hotspot_analysis.rates import overall_rate, standardised
from gridmap.hotspot_analysis.weights import weights_between, windows

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

RATE = 0.10


def second_opinion(
    table: pd.DataFrame,
    grid: Grid,
    *,
    exposure: str | pd.Series | None = "households",
    weights: nx.Graph | sparse.sparray | None = None,
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
    >>> from gridmap.grid import Grid
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
    between = weights_between(weights, grid.contiguity, grid.cells.index)[keep][:, keep]
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
    q = multiple_testing.benjamini_hochberg(p, (gate == 0) & (within.sizes[:, None] > 1))
    quadrant = np.where(q <= RATE, found.quadrant, 0)

    def spread(part: NDArray[Any], missing: Any) -> NDArray[Any]:
        whole = np.empty(maps.counts.shape, part.dtype)
        whole[:] = missing
        whole[keep] = part
        return maps.flat(whole)

    result = pd.DataFrame(
        {
            "moran": spread(found.statistic, 0.0),
            "z": spread(found.conditional, 0.0),
            "p": spread(p, 1.0),
            "q": spread(q, 1.0),
            "quadrant": pd.Categorical.from_codes(spread(quadrant.astype(np.int8), 0), QUADRANTS),
            "gate": pd.Categorical.from_codes(
                spread(gate.astype(np.int8), base.gate[:, None]), GATES
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
