"""No household left out (组不漏户): every building in exactly one cell, and the counts agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_crs
from gridmap.crs import reproject
from gridmap.errors import InputError

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

Lang = Literal["zh", "en"]


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
        total, homes = len(self.buildings), int(self.buildings["households"].sum())
        lost, lost_homes = len(self.left_out), int(self.left_out["households"].sum())
        uneven, twice = int((self.cells["difference"] != 0).sum()), len(self.repeated)
        if lang == "zh":
            if self.complete:
                return f"不漏一户：{total:,} 栋、{homes:,} 户都恰好在一个网格内，户数一致。"
            return (
                f"{total:,} 栋、{homes:,} 户中，{lost:,} 栋（{lost_homes:,} 户）不在任何网格内，"
                f"{twice:,} 行编号重复，{uneven:,} 个网格户数不一致。"
            )
        if self.complete:
            return (
                f"Nobody left out: {total:,} buildings with {homes:,} households lie in exactly "
                "one cell each, and the counts agree."
            )
        return (
            f"Of {total:,} buildings with {homes:,} households, {lost:,} ({lost_homes:,} "
            f"households) lie in no cell, {twice:,} rows repeat an id, and {uneven:,} cells have "
            "another count."
        )


def account(buildings: gpd.GeoDataFrame, grid: Grid) -> Account:
    """Put every building into exactly one cell, and recount the households of each cell.

    A building counts where a point inside it lies, so one that straddles a border counts once.

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
    >>> import gridmap as gm
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"], "households": [3, 4]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = gm.adopt(cells, cells.union_all("coverage"), code="id", count="households")
    >>> homes = gpd.GeoDataFrame({"households": [3, 3, 1]},
    ...     geometry=gpd.points_from_xy([1, 6, 20], [1, 1, 1]), crs=4547)
    >>> print(account(homes, grid).sentence("en"))
    Of 3 buildings with 7 households, 1 (1 households) lie in no cell, 0 rows repeat an id, and \
1 cells have another count.
    """
    from gridmap.coverage.point_index import CoverageIndex

    check_crs("buildings", buildings)
    counts = _counts(buildings)
    x, y = _places(reproject(buildings, grid.crs).geometry.to_numpy())
    where = CoverageIndex(grid.cells.geometry.to_numpy()).locate(x, y)
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


def _counts(buildings: gpd.GeoDataFrame) -> Any:
    if "households" not in buildings:
        raise InputError(
            "`buildings` has no column `households`. Rename yours, or read the file with "
            "`gridmap.io.inputs.read_households`."
        )
    counts = pd.to_numeric(buildings["households"], errors="coerce").to_numpy(float)
    bad = ~(np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts)))
    if bad.any():
        raise InputError(
            f"`buildings` has no whole number of households in {bad.sum():,} rows (the first is "
            f"{buildings.index[bad.argmax()]!r}). Fill in the count, or 0."
        )
    return counts.astype(np.int64)


def _places(geometry: Any) -> tuple[Any, Any]:
    """Return a point inside each building, NaN where there is none."""
    kinds = shapely.get_type_id(geometry)
    inside = np.where(kinds == 0, geometry, shapely.point_on_surface(geometry))
    return shapely.get_x(inside), shapely.get_y(inside)
