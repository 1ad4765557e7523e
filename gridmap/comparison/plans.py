"""Alternatives for one city side by side: balance, shape, streets, and what each would move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gridmap._checks import label
from gridmap.contiguity import contacts
from gridmap.errors import CRSError, InputError
from gridmap.grid.changes import moves_of_units
from gridmap.grid.grid import Grid

FIGURES = [
    "cells", "in_band", "households", "smallest", "largest", "spread",
    "compactness", "border_m", "on_streets", "moved", "moved_share",
]  # fmt: skip


def plans(grids: Mapping[str, Grid], *, present: Grid | None = None) -> pd.DataFrame:
    """Set alternatives side by side, over all and in each jurisdiction.

    Parameters
    ----------
    grids : mapping of str to Grid
        The alternatives, by what they are called.
    present : Grid, optional
        The grid in force, against which households move; the first alternative by default.

    Returns
    -------
    DataFrame
        One row an area and alternative, indexed by ``area`` (code of the jurisdiction, empty over
        all) and ``plan``. Of residential cells: ``cells``, ``in_band``, ``households``,
        ``smallest``, ``largest``, ``spread`` (coefficient of variation of the households) and
        ``compactness`` (mean Polsby-Popper). Of all cells: ``border_m``, the border between cells
        of one jurisdiction, and the share of it ``on_streets`` (missing where the units do not
        know their blocks), ``moved``, the households whose cell has another code than at present,
        and ``moved_share``.

    Raises
    ------
    InputError
        When there is no alternative.
    CRSError
        When two grids differ in their CRS.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> squares = gpd.GeoDataFrame({"code": ["A1", "A2"], "households": [310, 420]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = Grid(squares, squares.union_all("coverage"))
    >>> plans({"A": grid})[["cells", "in_band", "border_m", "moved"]].iloc[0].tolist()
    [2.0, 2.0, 5.0, 0.0]
    """
    if not grids:
        raise InputError("`grids` is empty; give at least one alternative.")
    base = next(iter(grids.values())) if present is None else present
    tables = []
    for name, grid in grids.items():
        if grid.crs != base.crs:
            raise CRSError(
                "Plan {name} is in {theirs}, and another in {ours}. Compare plans in one CRS.",
                name=name,
                theirs=label(grid.crs),
                ours=label(base.crs),
            )
        tables.append(_figures(grid, base).assign(plan=name))
    whole = pd.concat(tables).rename_axis("area").reset_index()
    order = {name: at for at, name in enumerate(grids)}
    whole["_order"] = whole["plan"].map(order)
    whole = whole.sort_values(["area", "_order"], kind="stable").drop(columns="_order")
    return whole.set_index(["area", "plan"])[FIGURES]


def _figures(grid: Grid, base: Grid) -> pd.DataFrame:
    """Return the figures of one alternative, by jurisdiction and over all."""
    cells = _cells(grid)
    border = _borders(grid)
    moves = moves_of_units(base.cells, grid.units)  # households by cell at present and in the plan
    moves = moves.assign(parent=grid.cells["parent"].reindex(moves["after"]).to_numpy())
    areas = list(dict.fromkeys(["", *grid.jurisdictions.index]))  # one may have no code
    rows = []
    for area in areas:
        mine, inner, moved = (
            frame if area == "" else frame[frame["parent"] == area]
            for frame in (cells, border, moves)
        )
        homes = mine["households"]
        length = float(inner["length"].sum())
        other = float(moved.loc[moved["before"] != moved["after"], "households"].sum())
        rows.append(
            {
                "cells": len(mine),
                "in_band": int(grid.in_band[mine.index].sum()),
                "households": round(float(moved["households"].sum())),
                "smallest": homes.min(),
                "largest": homes.max(),
                "spread": homes.std(ddof=0) / homes.mean() if homes.sum() else np.nan,
                "compactness": mine["compactness"].mean(),
                "border_m": length,
                "on_streets": inner["street"].sum(min_count=1) / length if length else np.nan,
                "moved": other,
                "moved_share": other / max(float(moved["households"].sum()), 1.0),
            }
        )
    return pd.DataFrame(rows, index=areas)


def _cells(grid: Grid) -> pd.DataFrame:
    """Return the residential cells with their compactness."""
    cells = grid.cells
    cells = cells[cells["kind"] == "residential"]
    shape = 4 * np.pi * cells.area / cells.length**2
    return pd.DataFrame(cells[["parent", "households"]]).assign(compactness=shape)


def _borders(grid: Grid) -> pd.DataFrame:
    """Return the borders between cells of one jurisdiction, and their length on streets."""
    units = grid.units
    parent = grid.cells["parent"].reindex(units["code"]).to_numpy(dtype=object)
    code = units["code"].to_numpy(dtype=object)
    found = contacts(units.geometry.to_numpy())
    inner = (parent[found.i] == parent[found.j]) & (code[found.i] != code[found.j])
    i, j, length = found.i[inner], found.j[inner], found.length[inner]
    known = "block" in units and bool(units["block"].duplicated().any())
    if known:
        block = units["block"].to_numpy()
        street = np.where(block[i] != block[j], length, 0.0)
    else:
        street = np.full(len(length), np.nan)
    return pd.DataFrame({"parent": parent[i], "length": length, "street": street})
