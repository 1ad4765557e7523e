"""What moved between an old grid and new cells: defined here once, told by `compare` and `keep`.

A household has moved when the code of its cell is another one, or when only one of the grids holds
its ground. Nothing says where in a unit its households live, so a unit that lies in several old
cells is spread over them by area. A cell is unchanged when it has its code and its ground still.
"""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridmap.grid.overlay import overlaps

STATUSES = ("unchanged", "recoded", "changed", "born", "retired")
SAME = 1e-6
"""Share of a polygon that may differ before it is another one: less than a building covers."""


def moves_of_units(before: gpd.GeoDataFrame, units: gpd.GeoDataFrame) -> pd.DataFrame:
    """Count the households of units by the code of their old cell and of their new one.

    Parameters
    ----------
    before : GeoDataFrame
        The old cells, indexed by code.
    units : GeoDataFrame
        What the new cells are made of: ``code`` and ``households``.

    Returns
    -------
    DataFrame
        Columns before (empty outside the old cells), after, households (not always whole).
    """
    whole = units.geometry.area.to_numpy()
    pairs = overlaps(units.geometry.to_numpy(), before.geometry.to_numpy())
    meant = pairs.area > SAME * whole[pairs.i]
    i, j, area = pairs.i[meant], pairs.j[meant], pairs.area[meant]
    met = np.bincount(i, weights=area, minlength=len(units))
    outside = np.flatnonzero(met < whole * (1 - SAME))
    unit, cell = np.r_[i, outside], np.r_[j, np.full(len(outside), -1)]
    area = np.r_[area, (whole - met)[outside]]
    total = np.bincount(unit, weights=area, minlength=len(units))[unit]
    table = pd.DataFrame(
        {
            "before": codes_at(before, cell),
            "after": units["code"].to_numpy(dtype=object)[unit],
            "households": units["households"].to_numpy(dtype=float)[unit] * area / total,
        }
    )
    return table.groupby(["before", "after"], as_index=False, sort=True).sum()


def statuses(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> pd.Series:
    """Say of each code of either frame what became of its cell.

    Returns
    -------
    Series
        By code, those of `after` first: unchanged, recoded (the ground of an old cell under
        another code), changed, born, retired.
    """
    pairs = overlaps(after.geometry.to_numpy(), before.geometry.to_numpy())
    larger = np.maximum(after.area.to_numpy()[pairs.i], before.area.to_numpy()[pairs.j])
    same = pairs.area >= (1 - SAME) * larger
    twin = np.full(len(after), -1, dtype=np.int64)
    twin[pairs.i[same]] = pairs.j[same]
    forebear = codes_at(before, twin)
    status = np.select(
        [forebear == after.index, forebear != "", after.index.isin(before.index)],
        ["unchanged", "recoded", "changed"],
        "born",
    )
    retired = before.index.difference(after.index)
    return pd.Series([*status, *["retired"] * len(retired)], index=after.index.append(retired))


def moved(moves: pd.DataFrame) -> int:
    """Return the households whose cell has another code."""
    return round(float(moves.loc[moves["before"] != moves["after"], "households"].sum()))


def change(
    before: gpd.GeoDataFrame, after: gpd.GeoDataFrame, units: gpd.GeoDataFrame
) -> dict[str, Any]:
    """Return the ledger of a change: cells unchanged, redrawn, new and retired, and who moved."""
    found = statuses(before, after).value_counts()
    households = moved(moves_of_units(before, units))
    return {
        "unchanged": int(found.get("unchanged", 0)),
        "redrawn": int(found.get("changed", 0)),
        "new": int(found.get("born", 0) + found.get("recoded", 0)),
        "retired": int(found.get("retired", 0)),
        "households_moved": households,
        "share_moved": round(households / max(int(units["households"].sum()), 1), 6),
    }


def codes_at(frame: gpd.GeoDataFrame, position: NDArray[np.int64]) -> NDArray[np.object_]:
    """Name cells by position; -1 is outside, which has the empty name."""
    return np.append(frame.index.to_numpy(dtype=object), "")[position]
