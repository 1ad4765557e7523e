"""Patrol: a round through each cell, which hours were covered, and who has which street."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Ints, positions
from gridmap._checks import Progress, check_same_crs, silent
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.operations.route import Ways, closed_walk, segments, street_graph
from gridmap.operations.staffing import postings, street_chiefs
from gridmap.vocabulary import fold


def patrol(
    grid: Grid,
    streets: gpd.GeoDataFrame | gpd.GeoSeries,
    *,
    speed_kmh: float = 4.0,
    progress: Progress | None = None,
) -> gpd.GeoDataFrame:
    """Route a round through every street of each cell, back to its start.

    The round repeats as little as can be. Streets along a border are walked from both cells.

    Parameters
    ----------
    grid : Grid
        The cells.
    streets : GeoDataFrame or GeoSeries
        Lines to walk along.
    speed_kmh : float
        Of walking.
    progress : callable, optional
        See `gridmap.progress`.

    Returns
    -------
    GeoDataFrame
        By code, every cell: ``streets_m`` (to be walked), ``length_m`` (of the round),
        ``repeated_m``, ``elsewhere_m`` (outside the cell, where its streets do not hang together),
        ``off_street_m`` (no street leads there), ``minutes`` and the line; zeros where a cell has
        no street.

    Raises
    ------
    InputError
        When the speed is not above 0, or there are no lines.
    CRSError
        When streets and grid differ in their CRS.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A1"]}, geometry=[shapely.box(0, 0, 90, 50)], crs=4547)
    >>> road = gpd.GeoSeries([shapely.LineString([(10, 20), (80, 20)])], crs=4547)
    >>> patrol(Grid(cells, cells.geometry[0]), road)[["streets_m", "length_m"]].values.tolist()
    [[70.0, 140.0]]
    """
    if not speed_kmh > 0:
        raise InputError(
            "`speed_kmh` is {speed_kmh}; give kilometres an hour above 0.", speed_kmh=speed_kmh
        )
    tell = progress or silent
    pieces = segments(streets, grid)
    network = street_graph(pieces)
    ways = Ways(network)
    streets_of = {key: (u, v, key, data) for u, v, key, data in network.edges(keys=True, data=True)}
    by_cell = pieces.groupby("code")["segment"].agg(list).to_dict()
    names = ("streets_m", "length_m", "repeated_m", "elsewhere_m", "off_street_m")
    nothing: dict[str, Any] = {**dict.fromkeys(names, 0.0), "geometry": shapely.LineString()}
    rows = []
    for done, code in enumerate(grid.cells.index, start=1):
        own: nx.MultiGraph[Any] = nx.MultiGraph()
        for key in by_cell.get(code, ()):
            u, v, segment, data = streets_of[key]
            own.add_edge(u, v, segment, **data)
        rows.append(_round(own, network, ways) if own.size() else nothing)
        tell("patrol", done, len(grid))
    table = gpd.GeoDataFrame(rows, index=grid.cells.index, geometry="geometry", crs=grid.crs)
    table.insert(5, "minutes", table["length_m"] / (speed_kmh * 1000 / 60))
    return table


def _round(own: nx.MultiGraph[Any], network: nx.MultiGraph[Any], ways: Ways) -> dict[str, Any]:
    """Route the round of one cell along its own streets, and measure it."""
    walk = closed_walk(own, None if nx.is_connected(own) else ways)
    lines, inside, outside, off = [], 0.0, 0.0, 0.0
    for u, v, key in walk:
        if key is None:
            line = np.array([u, v])
            off += math.dist(u, v)
        else:
            data = network.edges[u, v, key]
            line = _directed(data["line"], u)
            inside += data["length"] if own.has_edge(u, v, key) else 0.0
            outside += 0.0 if own.has_edge(u, v, key) else data["length"]
        lines.append(line)
    streets = own.size(weight="length")
    return {
        "streets_m": streets,
        "length_m": inside + outside + off,
        "repeated_m": inside - streets,
        "elsewhere_m": outside,
        "off_street_m": off,
        "geometry": shapely.LineString(np.concatenate(lines)),
    }


def _directed(line: shapely.LineString, start: tuple[float, float]) -> Floats:
    """Return the vertices of a line, turned so that it begins at a node."""
    xy: Floats = shapely.get_coordinates(line)
    return xy if math.dist(xy[0], start) <= math.dist(xy[-1], start) else xy[::-1]


def patrol_hours(log: gpd.GeoDataFrame, grid: Grid) -> pd.DataFrame:
    """Count the patrol's signs of life by cell and hour of the day.

    Parameters
    ----------
    log : GeoDataFrame
        Points with ``time``; or what `assign` gave, with ``code``.
    grid : Grid
        The cells.

    Returns
    -------
    DataFrame
        By code, every cell, a column for each hour 0–23. ``attrs``: ``read``, ``outside``, and
        ``never``, the codes that nobody visited.

    Raises
    ------
    InputError
        When the log has no times.
    """
    cell, time = _visits(log, grid)
    return _counted(cell, time.dt.hour, pd.RangeIndex(24), grid)


def patrol_days(
    log: pd.DataFrame,
    grid: Grid,
    *,
    since: date | str | None = None,
    until: date | str | None = None,
) -> pd.DataFrame:
    """Count the patrol's signs of life by cell and day.

    Parameters
    ----------
    log : DataFrame
        Points with ``time``; or what `assign` gave, with ``code``.
    grid : Grid
        The cells.
    since, until : date, optional
        First and last day; those of the log when not given.

    Returns
    -------
    DataFrame
        By code, every cell, a column for each day. ``attrs`` as of `patrol_hours`, and ``missed``:
        the number of days without a visit, by code.

    Raises
    ------
    InputError
        When the log has no times, or none can be read.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"]},
    ...     geometry=shapely.box([0, 50], 0, [50, 90], 50), crs=4547)
    >>> days = pd.to_datetime(["2026-03-01", "2026-03-03"])
    >>> log = pd.DataFrame({"code": ["A1", "A1"], "time": days})
    >>> patrol_days(log, Grid(cells, cells.union_all("coverage"))).attrs["missed"]
    {'A1': 1, 'A2': 3}
    """
    cell, time = _visits(log, grid)
    first = time.min() if since is None else pd.Timestamp(since)
    last = time.max() if until is None else pd.Timestamp(until)
    if pd.isna(first) or pd.isna(last):
        raise InputError("`log` has no readable time. Check the column `time`.")
    days = pd.date_range(first.normalize(), last.normalize(), freq="D")
    table = _counted(cell, time.dt.normalize(), days, grid)
    table.attrs["missed"] = (table == 0).sum(axis=1).to_dict()
    return table


def _visits(log: pd.DataFrame, grid: Grid) -> tuple[Ints, pd.Series]:
    """Return the number of the cell of each point, -1 outside, and its time."""
    if "time" not in log:
        raise InputError("`log` has no column `time`.")
    cells = grid.cells
    if "code" in log:
        return positions(cells.index, log["code"]), pd.to_datetime(log["time"])
    check_same_crs("log", log, "grid", cells)
    cell, _ = grid.locator.relate(log.geometry.x.to_numpy(), log.geometry.y.to_numpy())
    return cell.astype(np.int64) - 1, pd.to_datetime(log["time"])


def _counted(cell: Ints, when: pd.Series, steps: pd.Index, grid: Grid) -> pd.DataFrame:
    """Count visits by cell and step of time, every cell and step included."""
    step = positions(steps, when)
    known = (cell >= 0) & (step >= 0)
    shape = (len(grid), len(steps))
    flat = np.ravel_multi_index((cell[known], step[known]), shape)
    counts = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)
    table = pd.DataFrame(counts, index=grid.cells.index, columns=steps)
    never = list(table.index[counts.sum(1) == 0])
    table.attrs.update(read=len(cell), outside=int((cell < 0).sum()), never=never)
    return table


def street_posts(
    grid: Grid, streets: gpd.GeoDataFrame | gpd.GeoSeries, roster: pd.DataFrame
) -> gpd.GeoDataFrame:
    """Give each piece of street or river the post that answers for it (街长, 河长).

    The chief whose ``road`` in the roster is the name of the street, and whose place holds the
    piece where one is given, comes first; then the leader of the cell; then the leaders of its
    community, of whom there may be several. A piece along a border goes to the cell with fewer
    metres of street so far, so that both sides carry alike.

    Parameters
    ----------
    grid : Grid
        The cells.
    streets : GeoDataFrame or GeoSeries
        Lines, with ``name`` if they have names.
    roster : DataFrame
        As for `postings`, with ``road`` for chiefs of streets.

    Returns
    -------
    GeoDataFrame
        A row a piece: segment, name, code, post (empty where there is none), level ("street" for
        a chief, "cell" or "parent" for leaders) and length_m.
    """
    table = _one_side(segments(streets, grid))
    placed = postings(roster, grid)
    leaders = placed[placed["role"] == "leader"]
    by_cell = leaders[leaders["level"] == "cell"].drop_duplicates("code").set_index("code")["post"]
    wholes = leaders[leaders["level"] == "parent"]
    by_parent = wholes.groupby("code")["post"].agg("、".join)
    parent = table["code"].map(grid.cells["parent"])
    posts = pd.DataFrame(
        {
            "street": _chiefs(table, roster, grid),
            "cell": table["code"].map(by_cell),
            "parent": parent.map(by_parent),
        }
    )
    table.insert(3, "post", posts.bfill(axis=1)["street"].fillna("").astype(str))
    first = posts.notna().to_numpy()
    level = np.where(first.any(axis=1), posts.columns.to_numpy()[first.argmax(axis=1)], "")
    table.insert(4, "level", level)
    return table


def _one_side(pieces: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give each piece along a border to the cell that carries less so far."""
    own = pieces[~pieces["shared"]]
    carried = own.groupby("code")["length_m"].sum().to_dict()
    chosen = list(own.index)
    for _, sides in pieces[pieces["shared"]].groupby("segment", sort=True):
        row = min(sides.itertuples(), key=lambda side: (carried.get(side.code, 0.0), side.code))
        carried[row.code] = carried.get(row.code, 0.0) + row.length_m
        chosen.append(row.Index)
    return pieces.loc[sorted(chosen)].reset_index(drop=True).drop(columns="shared")


def _chiefs(table: gpd.GeoDataFrame, roster: pd.DataFrame, grid: Grid) -> pd.Series:
    """Return the chief of each piece by the name of its street, missing where there is none."""
    chiefs = street_chiefs(roster, grid)
    found = pd.Series(None, table.index, dtype=object)
    for name, post, cells in chiefs.itertuples(index=False):
        own = table["name"].map(fold) == name
        if cells is not None:
            own &= table["code"].isin(cells)
        found = found.mask(own & found.isna(), post)
    return found
