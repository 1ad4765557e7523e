"""Staffing: which cells lack a leader, how charged posts are, and who answers for a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from gridmap.errors import InputError
from gridmap.grid.check import check_grid
from gridmap.grid.grid import Grid
from gridmap.organisation.roster import postings

Lang = Literal["zh", "en"]


@dataclass(frozen=True)
class Staffing:
    """How a grid is staffed.

    Attributes
    ----------
    cells : DataFrame
        By code: parent, level columns, households, ``leaders``, ``x`` (assistants, patrol,
        departments' staff), ``y`` (volunteers), ``workers`` (leaders and X, a post in two cells
        counting half in each), ``load`` (households a worker), ``status`` (staffed, no leader,
        several leaders, unstaffed) and ``overcharged``.
    posts : DataFrame
        By post: role, cells, households.
    postings : DataFrame
        One row a post and cell.
    limit : float
        Households a worker from which a cell is over-charged.
    """

    cells: pd.DataFrame
    posts: pd.DataFrame
    postings: pd.DataFrame
    limit: float

    def ratios(self, level: str | None = None) -> pd.DataFrame:
        """Return cells, posts and their ratios, in all or by a level.

        Parameters
        ----------
        level : str, optional
            A level column; a row "all" when not given.

        Returns
        -------
        DataFrame
            cells, leaders, x, y, workers, workers_per_cell, x_per_leader, y_per_leader,
            households_per_worker, without_leader, overcharged.
        """
        if level is not None and level not in self.cells:
            raise InputError(f"`level` is {level!r}, which the grid does not have.")
        area = self.cells[level] if level else pd.Series("all", self.cells.index)
        groups = self.cells.groupby(area.rename(level or "area"))
        table = groups.agg(
            cells=("households", "size"),
            households=("households", "sum"),
            without_leader=("leaders", lambda n: int((n == 0).sum())),
            overcharged=("overcharged", "sum"),
        )
        # a post that works in two areas is counted in both, but once in each
        placed = self.postings.assign(area=area.reindex(self.postings["code"]).to_numpy())
        distinct = placed.drop_duplicates(["area", "post"])
        counts = distinct.groupby(["area", "group"]).size().unstack(fill_value=0)
        counts = counts.reindex(table.index, fill_value=0)
        for name, group in (("leaders", "1"), ("x", "X"), ("y", "Y")):
            table[name] = counts.get(group, 0)
        table["workers"] = table["leaders"] + table["x"]
        table["workers_per_cell"] = table["workers"] / table["cells"]
        some = table["leaders"].where(table["leaders"] > 0)
        table["x_per_leader"] = table["x"] / some
        table["y_per_leader"] = table["y"] / some
        table["households_per_worker"] = table["households"] / table["workers"].where(
            table["workers"] > 0
        )
        return table

    def sentence(self, lang: Lang = "zh") -> str:
        """Tell the staffing in a sentence."""
        row = self.ratios().iloc[0]
        cells, without, over = (int(row[k]) for k in ("cells", "without_leader", "overcharged"))
        workers, volunteers = int(row["workers"]), int(row["y"])
        if lang == "zh":
            return (
                f"{cells:,} 个网格，专职 {workers:,} 人（每格 {row['workers_per_cell']:.2f} 人），"
                f"志愿者 {volunteers:,} 人；{without:,} 个网格没有网格长，"
                f"{over:,} 个网格每名专职人员超过 {self.limit:g} 户"
            )
        return (
            f"{cells:,} cells, {workers:,} workers ({row['workers_per_cell']:.2f} a cell), "
            f"{volunteers:,} volunteers; {without:,} cells have no leader, "
            f"in {over:,} a worker has more than {self.limit:g} households"
        )


def staffing(roster: pd.DataFrame, grid: Grid, *, limit: float | None = None) -> Staffing:
    """Match the roster to the cells.

    Parameters
    ----------
    roster : DataFrame
        As for `postings`: code, role, and post or person_id.
    grid : Grid
        The cells.
    limit : float, optional
        Households a worker from which a cell is over-charged; the most that a cell may have.

    Returns
    -------
    Staffing

    Raises
    ------
    InputError
        When the roster names what the grid does not have; see `postings`.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"], "households": [400, 500]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = Grid(cells, cells.union_all("coverage"))
    >>> roster = pd.DataFrame({"post": ["p1", "p2"], "role": ["leader", "volunteer"],
    ...     "code": ["A1", "A2"]})
    >>> staffing(roster, grid).cells["status"].to_dict()
    {'A1': 'staffed', 'A2': 'no leader'}
    """
    check_grid("grid", grid, roster)
    placed = postings(roster, grid)
    limit = float(grid.band[1] if limit is None else limit)
    cells = pd.DataFrame(grid.cells.drop(columns="geometry"))
    cells = cells[["name", "kind", "parent", *grid.levels, "households"]].copy()
    counts = placed.groupby(["code", "group"]).size().unstack(fill_value=0)
    counts = counts.reindex(index=cells.index, columns=["1", "X", "Y"], fill_value=0)
    cells["leaders"], cells["x"], cells["y"] = counts["1"], counts["X"], counts["Y"]
    part = 1 / placed.groupby("post")["code"].transform("size")
    paid = placed["group"] != "Y"
    cells["workers"] = part[paid].groupby(placed["code"]).sum().reindex(cells.index, fill_value=0.0)
    cells["load"] = cells["households"] / cells["workers"].where(cells["workers"] > 0)
    cells["status"] = [
        _status(*row) for row in cells[["leaders", "x", "y"]].itertuples(index=False)
    ]
    cells["overcharged"] = (cells["load"] > limit) | (
        (cells["workers"] == 0) & (cells["households"] > 0)
    )
    return Staffing(cells, _by_post(placed, cells), placed, limit)


def who(grid: Grid, roster: pd.DataFrame, x: float, y: float) -> pd.DataFrame:
    """Tell which posts answer for a place.

    Parameters
    ----------
    grid : Grid
        The cells.
    roster : DataFrame
        As for `postings`.
    x, y : float
        Coordinates in the grid's CRS.

    Returns
    -------
    DataFrame
        post, role, group and code; the leader first; empty outside the grid.
    """
    check_grid("grid", grid, roster)
    code = grid.locate(x, y)
    placed = postings(roster, grid)
    found = placed[placed["code"] == code]
    return found.sort_values("group", kind="stable", ignore_index=True)


def _status(leaders: int, x: int, y: int) -> str:
    if leaders > 1:
        return "several leaders"
    if leaders == 1:
        return "staffed"
    return "no leader" if x + y else "unstaffed"


def _by_post(placed: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Add up what each post has to answer for."""
    homes: Any = cells["households"].reindex(placed["code"]).to_numpy()
    return (
        placed.assign(households=homes)
        .groupby("post", sort=False)
        .agg(role=("role", "first"), cells=("code", "size"), households=("households", "sum"))
    )
