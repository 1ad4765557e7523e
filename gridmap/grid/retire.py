"""Codes that end: from which day to which they were valid, and why they are not given again."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from gridmap.grid.grid import Grid


def with_retired(grid: Grid, codes: Sequence[str], day: str, reason: str) -> pd.DataFrame:
    """Return the retired codes of a grid and some of its own that end on a day.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> cells = gpd.GeoDataFrame({"code": ["A1"], "valid_from": ["2025-01-01"]},
    ...     geometry=[shapely.box(0, 0, 5, 5)], crs=4547)
    >>> with_retired(Grid(cells, cells.geometry[0]), ["A1"], "2026-07-01", "merged")
      code  valid_from    valid_to  reason
    0   A1  2025-01-01  2026-07-01  merged
    """
    if not codes:
        return grid.retired
    start = grid.cells.get("valid_from", pd.Series("", grid.cells.index)).loc[list(codes)]
    ended = {"code": list(codes), "valid_from": start.to_numpy(), "valid_to": day, "reason": reason}
    return pd.concat([grid.retired, pd.DataFrame(ended, dtype=object)], ignore_index=True)
