"""A grid of equal squares, proved like any other, for tests of statistics."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap import Grid

SIDE = 100.0


def lattice(rows: int, columns: int, households: Any = 400) -> Grid:
    """Make squares of 100 m, coded r00c00 from the south-west."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    codes = [f"r{r:02}c{c:02}" for r, c in zip(row, column, strict=True)]
    squares = gpd.GeoDataFrame(
        {"code": codes, "households": households},
        geometry=shapely.box(column * SIDE, row * SIDE, (column + 1) * SIDE, (row + 1) * SIDE),
        crs=4547,
    )
    return Grid(squares, squares.union_all("coverage"))


def table_of(grid: Grid, counts: Any, **by: Any) -> pd.DataFrame:
    """Make a tally: counts run over the cells first, then over each of `by`."""
    index = grid.cells.index
    if by:
        index = pd.MultiIndex.from_product([index, *by.values()], names=["code", *by])
    return pd.DataFrame({"incidents": np.asarray(counts).ravel()}, index=index)
