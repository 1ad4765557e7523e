"""Workload: what each cell has to carry, by households alone or with weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gridmap.errors import InputError
from gridmap.grid.grid import Grid, check_grid


def workload(
    grid: Grid,
    measures: pd.DataFrame | None = None,
    *,
    weights: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Weigh the load of each cell against the mean cell.

    Each measure is divided by its mean over the residential cells, and the results are averaged
    with the weights: a load of 1 is the mean cell's, whatever the units of the measures.

    Parameters
    ----------
    grid : Grid
        The cells.
    measures : DataFrame, optional
        By code: incidents, shops, difficulty, … from 0.
    weights : mapping, optional
        How much ``households`` and each measure count; households alone by default.

    Returns
    -------
    DataFrame
        By code of the residential cells: the measures, ``load`` and ``share`` of the whole;
        ``attrs["spread"]`` holds the coefficient of variation, the least and the greatest load.

    Raises
    ------
    InputError
        When a weight names no measure, is negative, or all are 0; when a measure is negative.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"], "households": [400, 400]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = Grid(cells, cells.union_all("coverage"))
    >>> table = pd.DataFrame({"incidents": [30, 10]}, index=["A1", "A2"])
    >>> workload(grid, table, weights={"households": 1, "incidents": 1})["load"].tolist()
    [1.25, 0.75]
    """
    check_grid("grid", grid)
    cells = grid.cells
    homes = cells.loc[cells["kind"] == "residential", ["households"]]
    table = pd.DataFrame(homes)
    if measures is not None:
        own = measures.drop(columns="households", errors="ignore")
        table = table.join(own.reindex(table.index).fillna(0))
    parts = {"households": 1.0} if weights is None else dict(weights)
    unknown = [name for name in parts if name not in table]
    if unknown:
        raise InputError(
            "`weights` names {unknown!r}; there is {table}.", unknown=unknown[0], table=[*table]
        )
    if min(parts.values(), default=0) < 0 or not sum(parts.values()):
        raise InputError("`weights` is {parts}; give numbers from 0, not all 0.", parts=parts)
    chosen = table[list(parts)].astype(float)
    if (chosen < 0).any(axis=None):
        culprit = (chosen < 0).any().idxmax()
        raise InputError(
            "`measures` has negative {culprit}; loads are counted from 0.", culprit=culprit
        )
    mean = chosen.mean().replace(0, np.nan)
    part = pd.Series(parts) / sum(parts.values())
    table["load"] = (chosen / mean).fillna(1.0) @ part
    table["share"] = table["load"] / table["load"].sum()
    table.attrs["spread"] = {
        "cv": float(table["load"].std(ddof=0) / table["load"].mean()),
        "least": float(table["load"].min()),
        "greatest": float(table["load"].max()),
    }
    return table
