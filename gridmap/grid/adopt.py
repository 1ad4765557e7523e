"""Somebody else's cells, made a Grid."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import pandas as pd
import shapely

from gridmap._checks import check_band, check_layer
from gridmap.coverage.defects import resolution
from gridmap.coverage.prove import dissolved, polygons_of
from gridmap.coverage.repair import matched_boundary
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, one_geometry


def adopt(
    cells: gpd.GeoDataFrame,
    boundary: shapely.Geometry | gpd.GeoSeries | gpd.GeoDataFrame | Grid,
    *,
    code: str | None = None,
    count: str | None = None,
    levels: Sequence[str] = (),
    households: tuple[int, int] = (300, 600),
) -> Grid:
    """Make a Grid of cells that somebody else drew.

    Parameters
    ----------
    cells : GeoDataFrame
        One row a cell.
    boundary : Polygon, MultiPolygon, GeoSeries or Grid
        The outline that the cells must fill; corners of cells on its sides are added to it, as
        near to them as a double can lie. Or the grid that the cells were drawn over, whose codes
        and history live on (`gridmap.grid.redrawn.come_home` takes more options).
    code, count : str, optional
        Columns of the code and of the households; without `code` the index is the code.
    levels : sequence of str
        Columns of the hierarchy, coarse to fine; the finest jurisdictions are then the unions
        of the cells that agree in them.
    households : (int, int)
        The band the grid is held against.

    Returns
    -------
    Grid

    Raises
    ------
    CoverageError
        When the cells do not tile the boundary exactly; ``.defects`` shows where.
    InputError
        When a column is missing, codes repeat, or the band is none.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> len(adopt(cells, shapely.box(0, 0, 10, 5), code="id"))
    2
    """
    check_layer("cells", cells)
    if isinstance(boundary, Grid):
        from gridmap.grid.redrawn import come_home

        return come_home(cells, boundary).grid
    polygons_of("cells", cells)
    low, high = check_band(households)
    levels = [levels] if isinstance(levels, str) else levels
    frame = cells.drop(columns="parent", errors="ignore")
    for name, column in (("code", code), ("count", count)):
        if column is not None and column not in frame:
            raise InputError(
                "`{name}` names the column {column!r}, which the cells lack; they have {columns}.",
                name=name,
                column=column,
                columns=[*frame.columns],
            )
    for column in levels:
        if column not in frame:
            raise InputError("The cells have no level column {column!r}.", column=column)
    if code is not None:
        frame.index = pd.Index(frame[code].astype(str), name="code")
        frame = frame.drop(columns=code) if code not in levels else frame
    if count is not None:
        frame = frame.rename(columns={count: "households"})
    jurisdictions = None
    if levels:
        frame["parent"] = frame[list(levels)].astype(str).agg("/".join, axis=1)
        jurisdictions = _unions(frame, list(levels))
    outline = one_geometry(boundary, frame)
    beside = resolution(shapely.get_coordinates(frame.geometry))  # of the doubles on slanting sides
    return Grid(
        frame,
        matched_boundary(outline, frame.geometry, beside),
        levels,
        jurisdictions=jurisdictions,
        parameters={"min": low, "max": high, "adopted": True},
    )


def _unions(cells: gpd.GeoDataFrame, levels: list[str]) -> gpd.GeoDataFrame:
    groups = cells.groupby("parent", sort=True)
    table = groups[levels].first()
    geometry = [dissolved(cells.geometry.to_numpy()[rows]) for rows in groups.indices.values()]
    return gpd.GeoDataFrame(table, geometry=geometry, crs=cells.crs)
