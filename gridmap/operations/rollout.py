"""Levels below and parts of a grid: micro-cells inside its cells, jurisdictions for a roll-out."""

from __future__ import annotations

from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import shapely

from gridmap.errors import InputError
from gridmap.grid.check import check_grid
from gridmap.grid.grid import Grid


def units_within(
    grid: Grid, codes: Iterable[str] | None = None, *, level: str = "cell"
) -> gpd.GeoDataFrame:
    """Return the units of a grid as units of its cells, to be cut into micro-cells.

    Handed to `partition` with another band, they give micro-cells that nest exactly in the cells
    and whose codes extend the cells' codes.

    Parameters
    ----------
    grid : Grid
        A grid that knows its units.
    codes : iterable of str, optional
        The cells to cut; all residential ones by default.
    level : str
        Name of the new level column, which holds the cells' names.

    Returns
    -------
    GeoDataFrame
        Units whose ``parent`` is the code of their cell.

    Raises
    ------
    InputError
        When a cell is not there, the level exists already, or no cell is chosen.

    Examples
    --------
    >>> import shapely
    >>> units = gpd.GeoDataFrame({"code": "A1", "households": [200, 220]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> cells = gpd.GeoDataFrame({"code": ["A1"], "households": [420]},
    ...     geometry=[units.union_all("coverage")], crs=4547)
    >>> grid = Grid(cells, units.union_all("coverage"), units=units.assign(parent=""))
    >>> units_within(grid)[["parent", "cell", "households"]].values.tolist()
    [['A1', 'A1', 200], ['A1', 'A1', 220]]
    """
    cells = grid.cells
    chosen = list(cells.index[cells["kind"] == "residential"] if codes is None else codes)
    unknown = [code for code in chosen if code not in cells.index]
    if unknown:
        raise InputError(f"The grid has no cell {unknown[0]!r}; see `grid.cells`.")
    if level in grid.levels:
        raise InputError(f"The grid has a level {level!r} already; name the new one otherwise.")
    if not chosen:
        raise InputError("`codes` is empty; name at least one cell.")
    units = grid.units
    units = units[units["code"].isin(chosen)].reset_index(drop=True)
    units.index.name = "unit"
    for name in grid.levels:
        units[name] = cells[name].reindex(units["code"]).to_numpy()
    units[level] = cells["name"].reindex(units["code"]).to_numpy()
    units["parent"] = units["code"]
    units = units.drop(columns="code")
    units.attrs = {"levels": [*grid.levels, level]}
    return units


def rollout(grid: Grid, areas: Iterable[str], *, level: str | None = None) -> Grid:
    """Take chosen jurisdictions out of a grid as a proved grid of their own.

    Parameters
    ----------
    grid : Grid
        The whole plan.
    areas : iterable of str
        Codes of jurisdictions, or names at `level`.
    level : str, optional
        A level of the grid.

    Returns
    -------
    Grid
        Its boundary is the union of the chosen jurisdictions.

    Raises
    ------
    InputError
        When an area or the level is not there, or none is chosen.
    """
    check_grid("grid", grid)
    places = grid.jurisdictions
    if level is not None and level not in grid.levels:
        raise InputError(f"`level` is {level!r}; the grid has {', '.join(grid.levels)}.")
    names = places.index if level is None else places[level]
    chosen = list(dict.fromkeys(areas))
    unknown = [area for area in chosen if area not in set(names)]
    if unknown or not chosen:
        raise InputError(
            f"`areas` names {unknown[0]!r}, which the grid does not have."
            if unknown
            else "`areas` is empty; name at least one."
        )
    kept = places[np.asarray(names.isin(chosen))]
    cells, units = grid.cells, grid.units
    codes = cells.index[cells["parent"].isin(kept.index)]
    return Grid(
        cells.loc[codes],
        shapely.coverage_union_all(kept.geometry.to_numpy()),
        grid.levels,
        jurisdictions=kept,
        units=units[units["code"].isin(codes)],
        exceptions=grid.exceptions[grid.exceptions["parent"].isin(kept.index)],
        retired=grid.retired,
        parameters=grid.parameters,
    )
