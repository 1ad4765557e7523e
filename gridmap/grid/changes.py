"""What moved between an old grid and new cells: defined here once, told by `compare` and `keep`.

A household has moved when the code of its cell is another one, or when only one of the grids holds
its ground. Nothing says where in a unit its households live, so a unit that lies in several old
cells is spread over them by area. A cell is unchanged when it has its code and its ground still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Ints, Objects
from gridmap.grid.grid import Grid


class Pairs(NamedTuple):
    """Positions of polygons that overlap, with the square metres they share."""

    i: Ints
    j: Ints
    area: Floats


def twins(left: Any, right: Any) -> Ints:
    """Return for each left polygon the position of the equal right one, -1 when there is none."""
    place = {key: j for j, key in enumerate(_keys(right))}
    return np.array([place.get(key, -1) for key in _keys(left)], dtype=np.int64)


def overlaps(left: Any, right: Any) -> Pairs:
    """Measure the overlap of each left with each right polygon.

    Equal polygons of two coverages overlap nothing else, so only the others are intersected.
    """
    left, right = np.asarray(left, dtype=object), np.asarray(right, dtype=object)
    twin = twins(left, right)
    same = np.flatnonzero(twin >= 0)
    rest_left = np.flatnonzero(twin < 0)
    rest_right = np.setdiff1d(np.arange(len(right)), twin[same])
    i, j = shapely.STRtree(right[rest_right]).query(left[rest_left], predicate="intersects")
    i, j = rest_left[i], rest_right[j]
    area = shapely.area(shapely.intersection(left[i], right[j]))
    thick = area > 1e-6
    i = np.r_[same, i[thick]].astype(np.int64)
    j = np.r_[twin[same], j[thick]].astype(np.int64)
    order = np.lexsort((j, i))
    return Pairs(i[order], j[order], np.r_[shapely.area(left[same]), area[thick]][order])


def holders(polygons: Any, x: Floats, y: Floats) -> Ints:
    """Return for each point the position of the polygon that holds it, -1 outside.

    Of several polygons the first is taken, so that no point is counted twice.
    """
    found = np.full(len(x), -1, dtype=np.int64)
    point, polygon = shapely.STRtree(polygons).query(shapely.points(x, y), predicate="intersects")
    order = np.lexsort((polygon, point))[::-1]
    found[point[order]] = polygon[order]
    return found


def _keys(polygons: Any) -> list[bytes]:
    keys: list[bytes] = shapely.to_wkb(shapely.normalize(polygons)).tolist()
    return keys


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


def codes_at(frame: gpd.GeoDataFrame, position: Ints) -> Objects:
    """Name cells by position; -1 is outside, which has the empty name."""
    return np.append(frame.index.to_numpy(dtype=object), "")[position]


def with_pieces(cells: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return cells with their number of ``pieces``, where any has several."""
    pieces = shapely.get_num_geometries(cells.geometry.to_numpy())
    return cells.assign(pieces=pieces) if "pieces" in cells or (pieces > 1).any() else cells


def with_retired(
    grid: Grid, codes: Sequence[str], day: str, reason: str | Sequence[str]
) -> pd.DataFrame:
    """Return the retired codes of a grid and some of its own that end on a day.

    One reason holds for all of them, or there is one for each.

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
