"""Patrol: a round through each cell, which hours were covered, and who has which street."""

from __future__ import annotations

import math
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gridmap._checks import Progress, check_same_crs, silent
from gridmap.coverage.point_index import CoverageIndex
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, check_grid
from gridmap.operations.route import Ways, closed_walk, segments, street_graph
from gridmap.operations.staffing import postings


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
        See `gridmap._checks`.

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
    check_grid("grid", grid, streets)
    if not speed_kmh > 0:
        raise InputError(f"`speed_kmh` is {speed_kmh}; give kilometres an hour above 0.")
    tell = progress or silent
    pieces = segments(streets, grid)
    network = street_graph(pieces)
    ways = Ways(network)
    streets_of = {key: (u, v, key, data) for u, v, key, data in network.edges(keys=True, data=True)}
    by_cell = pieces.groupby("code")["segment"].agg(list).to_dict()
    rows = []
    for done, code in enumerate(grid.cells.index, start=1):
        own = nx.MultiGraph()
        own.add_edges_from(streets_of[key] for key in by_cell.get(code, ()))
        rows.append(_round(own, network, ways) if own.size() else _nothing())
        tell("patrol", done, len(grid))
    table = gpd.GeoDataFrame(rows, index=grid.cells.index, geometry="geometry", crs=grid.crs)
    table.insert(5, "minutes", table["length_m"] / (speed_kmh * 1000 / 60))
    return table


def _nothing() -> dict[str, Any]:
    names = ("streets_m", "length_m", "repeated_m", "elsewhere_m", "off_street_m")
    return {**dict.fromkeys(names, 0.0), "geometry": shapely.LineString()}


def _round(own: nx.MultiGraph, network: nx.MultiGraph, ways: Ways) -> dict[str, Any]:
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


def _directed(line: shapely.LineString, start: tuple[float, float]) -> NDArray[np.float64]:
    """Return the vertices of a line, turned so that it begins at a node."""
    xy: NDArray[np.float64] = shapely.get_coordinates(line)
    return xy if math.dist(xy[0], start) <= math.dist(xy[-1], start) else xy[::-1]


def patrol_hours(log: gpd.GeoDataFrame, grid: Grid) -> pd.DataFrame:
    """Count the patrol's signs of life by cell and hour of the day.

    Parameters
    ----------
    log : GeoDataFrame
        Points with ``time``.
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
    check_same_crs("log", log, "grid", grid.cells)
    if "time" not in log:
        raise InputError("`log` has no column `time`.")
    cells = grid.cells
    index = CoverageIndex(cells.geometry.to_numpy(), cells.index)
    cell = index.locate(log.geometry.x.to_numpy(), log.geometry.y.to_numpy()).astype(np.int64) - 1
    hour = pd.to_datetime(log["time"]).dt.hour.to_numpy()
    known = (cell >= 0) & ~np.isnan(hour.astype(float))
    flat = cell[known] * 24 + hour[known].astype(np.int64)
    counts = np.bincount(flat, minlength=len(cells) * 24).reshape(-1, 24)
    table = pd.DataFrame(counts, index=cells.index, columns=range(24))
    table.attrs.update(
        read=len(log), outside=int((cell < 0).sum()), never=list(cells.index[counts.sum(1) == 0])
    )
    return table


def street_posts(
    grid: Grid, streets: gpd.GeoDataFrame | gpd.GeoSeries, roster: pd.DataFrame
) -> gpd.GeoDataFrame:
    """Give each piece of street one responsible post (街长): the leader of its cell.

    A piece along a border goes to the cell with fewer metres of street so far, so that both
    sides carry alike.

    Parameters
    ----------
    grid : Grid
        The cells.
    streets : GeoDataFrame or GeoSeries
        Lines, with ``name`` if they have names.
    roster : DataFrame
        As for `postings`.

    Returns
    -------
    GeoDataFrame
        A row a piece: segment, name, code, post (empty where the cell has no leader), length_m.
    """
    pieces = segments(streets, grid)
    placed = postings(roster, grid)
    leaders = placed[placed["role"] == "leader"].drop_duplicates("code").set_index("code")["post"]
    own = pieces[~pieces["shared"]]
    carried = own.groupby("code")["length_m"].sum().to_dict()
    chosen = list(own.index)
    for _, sides in pieces[pieces["shared"]].groupby("segment", sort=True):
        row = min(sides.itertuples(), key=lambda side: (carried.get(side.code, 0.0), side.code))
        carried[row.code] = carried.get(row.code, 0.0) + row.length_m
        chosen.append(row.Index)
    table = pieces.loc[sorted(chosen)].reset_index(drop=True)
    table.insert(3, "post", table["code"].map(leaders).fillna("").astype(str))
    return table.drop(columns="shared")
