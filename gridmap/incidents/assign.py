"""Assignment: every incident gets exactly one cell, or a plain reason why not."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, overload

import numpy as np

from gridmap._checks import takes_layers
from gridmap.errors import InputError, UnassignedWarning
from gridmap.grid.grid import check_grid
from gridmap.grid.locator import Placement
from gridmap.incidents.points import SUSPICIOUS, Positions, alarm_of, nowhere
from gridmap.incidents.result import accounts as accounts
from gridmap.incidents.result import labelled, place

if TYPE_CHECKING:
    import dask.dataframe as dd
    import geopandas as gpd
    import pandas as pd

    from gridmap.grid.grid import Grid


@overload
def assign(
    points: pd.DataFrame | gpd.GeoSeries,
    grid: Grid,
    *,
    max_distance: float | None = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> pd.DataFrame: ...
@overload
def assign(
    points: dd.DataFrame,
    grid: Grid,
    *,
    max_distance: float | None = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> dd.DataFrame: ...
@takes_layers("points")
def assign(
    points: pd.DataFrame | gpd.GeoSeries | dd.DataFrame,
    grid: Grid,
    *,
    max_distance: float | None = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> pd.DataFrame | dd.DataFrame:
    """Give every incident exactly one cell.

    A point belongs to the cell that contains p + (δ, δ²) in the grid's CRS: from a shared edge
    it goes east, from a horizontal one north, whatever the order of the cells. On the outer
    border where that step leads outside, it goes to the touching cell, the lowest code if there
    are several.

    Parameters
    ----------
    points : GeoSeries, GeoDataFrame or DataFrame
        The incidents: points, or columns of coordinates. A Dask frame comes back as one.
    grid : Grid
        The cells.
    max_distance : float, optional
        How far from the grid, in metres, a point outside is still given its nearest cell;
        any distance by default.
    datum : str, optional
        What the coordinates are in: ``wgs84``, ``cgcs2000``, ``gcj02``, ``bd09`` or ``EPSG:n``.
        Without it, the CRS of the points; that of the grid for columns of coordinates.
    x, y : str, optional
        Columns of the coordinates; by default the geometry, or columns named x and y.

    Returns
    -------
    DataFrame
        On the index of the points: ``code``; ``status``, one of inside, boundary (a shared
        edge), rim (the outer border), outside or invalid (no finite position); ``nearest_code``
        and ``distance_m`` for points outside; then the incidents' own columns. An own column of
        one of these names becomes ``incident_<name>``.

    Raises
    ------
    InputError
        When a column is missing or a geometry is no point.
    CRSError
        When points have no CRS and no datum is declared.

    Warns
    -----
    UnassignedWarning
        When many points lie outside and would not under another datum.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> import gridmap as gm
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = gm.adopt(cells, cells.union_all("coverage"), code="id")
    >>> assign(gpd.GeoSeries.from_xy([1, 5, 10, 13], [1, 2, 2, 1], crs=4547), grid)
      code    status nearest_code  distance_m
    0    a    inside          NaN         NaN
    1    b  boundary          NaN         NaN
    2    b       rim          NaN         NaN
    3  NaN   outside            b         3.0
    """
    check_grid("grid", grid, points)
    if max_distance is not None and not max_distance >= 0:
        raise InputError(
            "`max_distance` is {max_distance}; give metres from 0.", max_distance=max_distance
        )
    if hasattr(points, "map_partitions"):
        from gridmap.incidents.dask import assign_partitions

        lazy: dd.DataFrame = assign_partitions(
            points, grid, max_distance=max_distance, datum=datum, x=x, y=y
        )
        return lazy
    where, placement = place(points, grid.locator, max_distance, datum, x, y)
    _warn(where, placement, grid)
    return labelled(placement, grid.locator.names, points)


def _warn(where: Positions, placement: Placement, grid: Grid) -> None:
    placed = int(np.count_nonzero(placement.cell))
    if len(where.x) - placed <= SUSPICIOUS * len(where.x):
        return
    if placed == 0:
        if len(where.x):
            told = nowhere(where.given_x, where.given_y, where.datum, len(where.x), grid)
            warnings.warn(UnassignedWarning(told, all_lost=True), stacklevel=3)
        return
    lost = where.given - placed
    doubt = alarm_of(where.given_x, where.given_y, where.datum, lost, len(where.x), grid)
    if doubt is not None:
        warnings.warn(UnassignedWarning(doubt.message()), stacklevel=3)
