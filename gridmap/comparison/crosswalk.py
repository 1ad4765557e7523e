"""The cells of one department in the cells of another, by area, households and incidents."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridmap._checks import check_same_crs
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.grid.overlay import holders, overlaps

COLUMNS = ["left", "right", "area_m2", "households", "incidents"]


def crosswalk(
    left: Grid | gpd.GeoDataFrame,
    right: Grid | gpd.GeoDataFrame,
    *,
    buildings: gpd.GeoDataFrame | None = None,
    incidents: gpd.GeoDataFrame | None = None,
    tolerance: float = 0.02,
) -> pd.DataFrame:
    """Tell how the cells of one grid lie in the cells of another.

    Parameters
    ----------
    left, right : Grid or GeoDataFrame
        Cells; a frame needs no proof, its index (or column ``code``) names the cells.
    buildings : GeoDataFrame, optional
        Points with ``households``. Without them the left households are spread by area.
    incidents : GeoDataFrame, optional
        Points to weigh by.
    tolerance : float
        Share of a cell's weight that may lie elsewhere before two cells conflict.

    Returns
    -------
    DataFrame
        One row a pair: left, right (empty where the other grid has nothing), area_m2, households,
        incidents, ``left_share`` and ``right_share`` (of the households, or of the area where a
        cell has none), and ``relation``: same, within, contains or crosses. The pairs that cross
        are the conflicts.

    Raises
    ------
    InputError
        When buildings bear no households.
    CRSError
        When two frames differ in their CRS.

    Examples
    --------
    >>> import shapely
    >>> police = gpd.GeoDataFrame({"code": ["P1", "P2"], "households": [400, 400]},
    ...     geometry=shapely.box([0, 4], 0, [4, 8], 4), crs=4547)
    >>> civil = gpd.GeoDataFrame({"code": ["C1", "C2"], "households": [200, 600]},
    ...     geometry=shapely.box([0, 2], 0, [2, 8], 4), crs=4547)
    >>> crosswalk(police, civil)[["left", "right", "households", "relation"]]
      left right  households  relation
    0   P1    C1       200.0  contains
    1   P1    C2       200.0   crosses
    2   P2    C2       400.0    within
    """
    here, there = _cells(left), _cells(right)
    check_same_crs("left", here, "right", there)
    table = _areas(here, there)
    if buildings is not None:
        check_same_crs("left", here, "buildings", buildings)
        if "households" not in buildings:
            raise InputError("`buildings` has no column `households`; name the counts so.")
        table = _with_points(table, here, there, buildings, "households")
    else:
        whole = here["households"].reindex(table["left"]).to_numpy(dtype=float)
        share = table["area_m2"] / here.area.reindex(table["left"]).to_numpy()
        table["households"] = np.nan_to_num(share * whole)
    if incidents is not None:
        check_same_crs("left", here, "incidents", incidents)
        table = _with_points(table, here, there, incidents, "incidents")
    else:
        table["incidents"] = 0.0
    table = table[COLUMNS].sort_values(["left", "right"], ignore_index=True)
    return _related(table, tolerance)


def _cells(cells: Grid | gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return cells indexed by code, with households."""
    if isinstance(cells, Grid):
        return cells.cells
    frame = cells.set_index("code") if "code" in cells else cells.copy()
    frame.index = frame.index.astype(str)
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        raise InputError(f"The code {twice!r} stands twice; codes must be unique.")
    if "households" not in frame:
        frame["households"] = 0
    return frame


def _areas(left: gpd.GeoDataFrame, right: gpd.GeoDataFrame) -> pd.DataFrame:
    """List overlapping pairs with their area, and what lies in one grid only."""
    pairs = overlaps(left.geometry.to_numpy(), right.geometry.to_numpy())
    table = pd.DataFrame(
        {
            "left": left.index.to_numpy()[pairs.i],
            "right": right.index.to_numpy()[pairs.j],
            "area_m2": pairs.area,
        }
    )
    rest = [table]
    for side, other, frame in (("left", "right", left), ("right", "left", right)):
        met = table.groupby(side)["area_m2"].sum().reindex(frame.index, fill_value=0.0)
        alone = frame.area - met
        alone = alone[alone > 1e-4 * frame.area]
        rest.append(pd.DataFrame({side: alone.index, other: "", "area_m2": alone.to_numpy()}))
    return pd.concat([part for part in rest if len(part)], ignore_index=True)


def _with_points(
    table: pd.DataFrame,
    left: gpd.GeoDataFrame,
    right: gpd.GeoDataFrame,
    points: gpd.GeoDataFrame,
    column: str,
) -> pd.DataFrame:
    """Add up points by the pair of cells that holds them; `column` is their weight or name."""
    place = points.geometry.representative_point()
    x, y = place.x.to_numpy(), place.y.to_numpy()
    weight = points[column] if column in points else pd.Series(1.0, index=points.index)
    found = pd.DataFrame(
        {
            "left": _names(left, holders(left.geometry.to_numpy(), x, y)),
            "right": _names(right, holders(right.geometry.to_numpy(), x, y)),
            column: pd.to_numeric(weight).to_numpy(dtype=float),
        }
    )
    found = found[(found["left"] != "") | (found["right"] != "")]
    sums = found.groupby(["left", "right"], as_index=False)[column].sum()
    merged = table.merge(sums, on=["left", "right"], how="outer")
    return merged.fillna({"area_m2": 0.0, "households": 0.0, column: 0.0})


def _names(frame: gpd.GeoDataFrame, position: NDArray[np.int64]) -> Any:
    return np.append(frame.index.to_numpy(dtype=object), "")[position]


def _related(table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """Add what share of each cell the pair is, and how the two lie to each other."""
    for side in ("left", "right"):
        total = table.groupby(side)[["households", "area_m2"]].transform("sum")
        lived_in = total["households"] > 0
        weight = table["households"].where(lived_in, table["area_m2"])
        table[f"{side}_share"] = weight / total["households"].where(lived_in, total["area_m2"])
    inside = table["left_share"] >= 1 - tolerance
    around = table["right_share"] >= 1 - tolerance
    alone = (table["left"] == "") | (table["right"] == "")
    slight = (table["left_share"] < tolerance) & (table["right_share"] < tolerance)
    table["relation"] = np.select(
        [alone, inside & around, inside, around, slight],
        ["alone", "same", "within", "contains", "touches"],
        "crosses",
    )
    return table
