"""Streets cut at crossings and at the borders of cells: who has which piece."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_same_crs
from gridmap.errors import InputError
from gridmap.grid.grid import Grid

SHORTEST = 0.05
"""Metres under which a piece is dust from cutting."""

ON_LINE, ON_BORDER = 1e-6, 0.01
"""Metres within which a piece comes from a street, and belongs to a cell."""

DIGITS = 3


def segments(streets: gpd.GeoDataFrame | gpd.GeoSeries, grid: Grid) -> gpd.GeoDataFrame:
    """Cut streets at their crossings and at the borders of cells.

    Parameters
    ----------
    streets : GeoDataFrame or GeoSeries
        Lines, with ``name`` if they have names.
    grid : Grid
        The cells.

    Returns
    -------
    GeoDataFrame
        A row a piece and cell: ``segment``, ``name``, ``code``, ``length_m``, ``shared`` (the piece
        runs along a border, so that two cells have it) and the line. Streets outside the grid are
        left out.

    Raises
    ------
    InputError
        When there are no lines.
    CRSError
        When streets and grid differ in their CRS.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"]},
    ...     geometry=shapely.box([0, 50], 0, [50, 90], 50), crs=4547)
    >>> grid = Grid(cells, cells.union_all("coverage"))
    >>> road = gpd.GeoDataFrame({"name": ["解放路"]},
    ...     geometry=[shapely.LineString([(10, 20), (90, 20)])], crs=4547)
    >>> segments(road, grid)[["name", "code", "length_m"]].values.tolist()
    [['解放路', 'A1', 40.0], ['解放路', 'A2', 40.0]]
    """
    check_same_crs("streets", streets, "grid", grid.cells)
    lines, names = _lines(streets)
    cells = grid.cells
    polygons = cells.geometry.to_numpy()
    parts, line = _cut(lines, shapely.boundary(polygons))
    middle = shapely.line_interpolate_point(parts, 0.5, normalized=True)
    part, cell = shapely.STRtree(polygons).query(middle, predicate="dwithin", distance=ON_BORDER)
    order = np.lexsort((part, cell))
    part, cell = part[order], cell[order]
    table = pd.DataFrame(
        {
            "segment": part,
            "name": names[line[part]],
            "code": cells.index.to_numpy()[cell],
            "length_m": shapely.length(parts[part]),
            "shared": np.bincount(part, minlength=len(parts))[part] > 1,
        }
    )
    return gpd.GeoDataFrame(table, geometry=parts[part], crs=grid.crs)


def _cut(lines: Any, borders: Any) -> tuple[Any, Any]:
    """Cut lines where they cross each other or a border; return the pieces and their lines."""
    noded = shapely.get_parts(shapely.union_all(np.concatenate([lines, borders])))
    middle = shapely.line_interpolate_point(noded, 0.5, normalized=True)
    piece, line = shapely.STRtree(lines).query_nearest(
        middle, max_distance=ON_LINE, all_matches=False
    )
    long = shapely.length(noded[piece]) > SHORTEST
    return noded[piece[long]], line[long]


def street_graph(pieces: gpd.GeoDataFrame) -> nx.MultiGraph:
    """Make a graph of pieces: crossings are nodes, keys are segments, with length and line."""
    graph = nx.MultiGraph()
    once = pieces.drop_duplicates("segment")
    ends = _ends(once.geometry.to_numpy())
    for (u, v), segment, length, line in zip(
        ends, once["segment"].tolist(), once["length_m"].tolist(), once.geometry, strict=True
    ):
        graph.add_edge(u, v, key=segment, length=length, line=line)
    return graph


def _lines(streets: Any) -> tuple[Any, Any]:
    """Return single lines and their names."""
    shapes = streets.geometry.to_numpy()
    if not len(shapes) or not np.isin(shapely.get_type_id(shapes), (1, 2, 5)).all():
        raise InputError("`streets` holds no lines alone; give a layer of streets.")
    lines, row = shapely.get_parts(shapes, return_index=True)
    named = isinstance(streets, gpd.GeoDataFrame) and "name" in streets
    names = streets["name"].fillna("").astype(str).to_numpy() if named else np.full(len(shapes), "")
    return lines, names.astype(object)[row]


def _ends(lines: Any) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    first = np.round(shapely.get_coordinates(shapely.get_point(lines, 0)), DIGITS)
    last = np.round(shapely.get_coordinates(shapely.get_point(lines, -1)), DIGITS)
    return [(tuple(a), tuple(b)) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
