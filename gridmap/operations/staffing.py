"""Staffing: which cells lack a leader, how charged posts are, and who answers for a place."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import pandas as pd

from gridmap.errors import InputError
from gridmap.grid.grid import Grid, check_grid

_SEVERAL = re.compile(r"[;；,，、|/\s]+")
_SHOWN = 3


@cache
def roles() -> dict[str, dict[str, Any]]:
    """Return the roles of the 1+X+Y rule: role → group (1, X or Y), zh, en, words."""
    text = files("gridmap").joinpath("tables/roles.csv").read_text("utf-8")
    return {
        row["role"]: {**row, "words": row["words"].lower().split("|")}
        for row in csv.DictReader(text.splitlines())
    }


def postings(roster: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Tell which post works in which cell.

    A roster names cells or jurisdictions. The posts of a jurisdiction are shared out to its cells
    in the order of the codes, role by role, residential cells first, so that each cell gets its
    first leader before any gets a second.

    Parameters
    ----------
    roster : DataFrame
        Columns ``code`` (of a cell or jurisdiction; several are parted by ; or 、) and ``role``,
        and ``post`` or ``person_id`` to tell posts apart. Without ``code`` the names in
        ``cell_name``, or in a column of the finest level, are looked up; without ``role`` a
        ``post`` that holds roles serves. Other columns are not looked at.
    grid : Grid
        The cells.

    Returns
    -------
    DataFrame
        One row a post and cell: post, role, group (1, X or Y), code, in the order of the cells.

    Raises
    ------
    InputError
        When a column is missing; a role or a code is unknown; a leader has no cell; a row stands
        twice.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"], "households": [400, 500]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = Grid(cells, cells.union_all("coverage"))
    >>> roster = pd.DataFrame({"post": ["p1", "p2"], "role": ["网格长", "保安"],
    ...     "code": ["A1；A2", "A2"]})
    >>> postings(roster, grid).values.tolist()
    [['p1', 'leader', '1', 'A1'], ['p1', 'leader', '1', 'A2'], ['p2', 'volunteer', 'Y', 'A2']]
    """
    roster = _completed(roster, grid)
    for column in ("code", "role"):
        if column not in roster:
            raise InputError(
                f"`roster` has no column `{column}`; it has {', '.join(map(str, roster.columns))}."
            )
    table = pd.DataFrame(
        {"post": _posts(roster), "role": _roles(roster["role"]), "code": _codes(roster["code"])}
    )
    idle = table[(table["role"] == "leader") & (table["code"].str.len() == 0)]
    if len(idle):
        raise InputError(
            f"The leader {idle['post'].iloc[0]!r} in `roster` has no cell "
            f"({len(idle)} in all). Give each leader a cell code."
        )
    table = table.explode("code").dropna(subset="code")
    _check_known(table["code"], grid)
    table = _shared_out(table, grid)
    twice = table[table.duplicated(["post", "code"])]
    if len(twice):
        raise InputError(
            f"`roster` posts {twice['post'].iloc[0]!r} to cell {twice['code'].iloc[0]!r} twice. "
            "Remove the repeated rows, or give each post its own number."
        )
    table["group"] = table["role"].map({role: row["group"] for role, row in roles().items()})
    order = {code: place for place, code in enumerate(grid.cells.index)}
    table = table.sort_values("code", key=lambda codes: codes.map(order), kind="stable")
    return table[["post", "role", "group", "code"]].reset_index(drop=True)


def _completed(roster: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Find codes by the names of cells or jurisdictions, and roles where posts hold them."""
    if "role" not in roster and "post" in roster:
        words = {word for row in roles().values() for word in row["words"]}
        if roster["post"].astype("string").str.strip().str.lower().isin(words).all():
            roster = roster.rename(columns={"post": "role"})
    if "code" in roster:
        return roster
    cells, places = grid.cells, grid.jurisdictions
    named = {"cell_name": pd.Series(cells.index, index=cells["name"])}
    for level in grid.levels[-1:]:
        named |= dict.fromkeys((level, "community"), pd.Series(places.index, index=places[level]))
    for column, codes in named.items():
        if column in roster:
            return roster.assign(code=_looked_up(roster[column], codes, column))
    return roster


def _looked_up(names: pd.Series, codes: pd.Series, column: str) -> pd.Series:
    """Return the codes of names; refuse a name that no place has, or several."""
    given = names.astype("string").str.strip()
    known = given.isna() | given.isin(codes.index[~codes.index.duplicated(keep=False)])
    if not known.all():
        raise InputError(
            f"`roster` names {given[~known].iloc[0]!r} in `{column}`, which is not the name of "
            f"just one place of the grid ({int((~known).sum())} rows). Give a column `code`."
        )
    return given.map(codes[~codes.index.duplicated()].to_dict())


def _posts(roster: pd.DataFrame) -> pd.Series:
    """Name the posts: by their number, or by their place in the roster."""
    words = {word for row in roles().values() for word in row["words"]}
    for column in ("person_id", "post"):
        if column in roster and roster[column].notna().all():
            names = roster[column].astype(str).str.strip()
            if not names.str.lower().isin(words).any():  # 岗位 often holds the role
                return names
    return pd.Series([f"#{k}" for k in range(1, len(roster) + 1)], index=roster.index)


def _roles(given: pd.Series) -> pd.Series:
    words = {word: role for role, row in roles().items() for word in row["words"]}
    text = given.astype("string").str.strip().str.lower()
    blank = int((text.isna() | text.eq("")).sum())
    if blank:
        raise InputError(
            f"`roster` has {blank:,} rows without a role. Fill the column, or drop the rows."
        )
    found = text.map(words)
    if found.isna().any():
        unknown = given[found.isna()]
        raise InputError(
            f"`roster` has the role {unknown.iloc[0]!r} ({len(unknown)} rows), which "
            f"tables/roles.csv does not know. Use {', '.join(roles())}, or their Chinese words."
        )
    return found.astype(str)


def _codes(given: pd.Series) -> pd.Series:
    """Split the codes of each row."""
    text = given.astype("string").fillna("").str.strip()
    return pd.Series(
        [[code for code in _SEVERAL.split(row) if code] for row in text], index=given.index
    )


def _check_known(codes: pd.Series, grid: Grid) -> None:
    known = grid.cells.index.union(grid.jurisdictions.index)
    unknown = codes[~codes.isin(known)].drop_duplicates()
    if len(unknown):
        shown = ", ".join(unknown.iloc[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise InputError(
            f"`roster` names cells that the grid does not have: {shown}{more}. "
            "Check the codes, or use the grid they belong to."
        )


def _shared_out(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Replace codes of jurisdictions by those of their cells, in turns."""
    cells = grid.cells
    cells = cells.assign(later=cells["kind"] != "residential").sort_values("later", kind="stable")
    of_parent = {parent: list(rows.index) for parent, rows in cells.groupby("parent")}
    known = set(cells.index)
    turn: dict[tuple[str, str], int] = {}
    codes = []
    for row in table.itertuples():
        code = str(row.code)
        if code not in known:
            own, key = of_parent[code], (code, str(row.role))
            code, turn[key] = own[turn.get(key, 0) % len(own)], turn.get(key, 0) + 1
        codes.append(code)
    return table.assign(code=codes)


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
