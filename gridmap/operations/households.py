"""Households by cell: none left out (组不漏户), the counts agree, and the load of each cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._checks import check_crs, whole_counts
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, places_in
from gridmap.language import Lang, Message


@dataclass(frozen=True)
class Account:
    """Where every building went, and whether the cells' households agree with them.

    Attributes
    ----------
    buildings : DataFrame
        On the buildings' index: ``code`` (NA when left out), ``households`` and ``problem``
        (empty, ``outside`` or ``nowhere``).
    cells : DataFrame
        Indexed by ``code``: ``households`` as the grid has them, ``households_buildings`` summed
        from the buildings, their ``difference`` and the number of ``buildings``.
    left_out : DataFrame
        The buildings without a cell.
    repeated : DataFrame
        Buildings whose ``building_id`` stands more than once.
    """

    buildings: pd.DataFrame
    cells: pd.DataFrame
    left_out: pd.DataFrame
    repeated: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether every building has a cell and every cell's households agree."""
        agree = bool((self.cells["difference"] == 0).all())
        return self.left_out.empty and self.repeated.empty and agree

    def sentence(self, lang: Lang = "zh") -> str:
        """Say in one line whether anybody was left out."""
        said = Message(
            "Of {n:,} {n:building|buildings} with {homes:,} {homes:household|households}, {lost:,} "
            "({lost_homes:,} {lost_homes:household|households}) {lost:lies|lie} in no cell, "
            "{twice:,} {twice:row repeats|rows repeat} an id, and {uneven:,} "
            "{uneven:cell has|cells have} another count."
        )
        if self.complete:
            said = Message(
                "Nobody left out: {n:,} {n:building|buildings} with {homes:,} "
                "{homes:household|households} {n:lies|lie} in exactly one cell each, and the "
                "counts agree."
            )
        return said(
            n=len(self.buildings),
            homes=int(self.buildings["households"].sum()),
            lost=len(self.left_out),
            lost_homes=int(self.left_out["households"].sum()),
            twice=len(self.repeated),
            uneven=int((self.cells["difference"] != 0).sum()),
        ).text(lang)


def account(buildings: gpd.GeoDataFrame, grid: Grid) -> Account:
    """Put every building into exactly one cell, and recount the households of each cell.

    A building counts where a point inside it lies, so one that straddles a border counts once: in
    the jurisdiction that holds most of it.

    Parameters
    ----------
    buildings : GeoDataFrame
        With ``households`` and, where there is one, ``building_id``.
    grid : Grid
        The cells.

    Returns
    -------
    Account

    Raises
    ------
    InputError
        When there is no column of households, or a count is no whole number.

    Examples
    --------
    >>> import shapely
    >>> import gridmap as gm
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"], "households": [3, 4]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = gm.adopt(cells, cells.union_all("coverage"), code="id", count="households")
    >>> homes = gpd.GeoDataFrame({"households": [3, 3, 1]},
    ...     geometry=gpd.points_from_xy([1, 6, 20], [1, 1, 1]), crs=4547)
    >>> print(account(homes, grid).sentence("en"))
    Of 3 buildings with 7 households, 1 (1 household) lies in no cell, 0 rows repeat an id, and \
1 cell has another count.
    """
    check_crs("buildings", buildings)
    counts = whole_counts("buildings", buildings)
    x, y = places_in(grid, buildings).T
    where = grid.locator.relate(x, y)[0]
    codes = pd.Series([*grid.cells.index, None], dtype="str").iloc[where - 1]
    codes.index = buildings.index
    problem = np.where(np.isnan(x), "nowhere", np.where(where == 0, "outside", ""))
    placed = pd.DataFrame(
        {"code": codes, "households": counts, "problem": problem}, index=buildings.index
    )
    repeated = placed.iloc[:0]
    if "building_id" in buildings:
        ids = buildings["building_id"]
        twice = ids.notna() & ids.duplicated(keep=False)
        repeated = placed[twice.to_numpy()].assign(building_id=ids[twice])
    return Account(placed, _recount(placed, grid), placed[placed["problem"] != ""], repeated)


def _recount(placed: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    stated = grid.cells["households"]
    groups = placed[placed["problem"] == ""].groupby("code")["households"]
    recounted = groups.sum().reindex(stated.index, fill_value=0)
    return pd.DataFrame(
        {
            "households": stated,
            "households_buildings": recounted,
            "difference": recounted - stated,
            "buildings": groups.size().reindex(stated.index, fill_value=0),
        }
    )


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
