"""A new proved Grid in which some cells consist of other units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import networkx as nx
import pandas as pd
import shapely

from gridmap.codes import DEFAULT_SCHEME, cell_name, number_cells, sequence_of
from gridmap.contiguity import graph
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.grid.retire import with_retired

NEW = "\0"
"""Begins the names of cells that have no code yet."""


def rebuilt(
    grid: Grid,
    label: pd.Series,
    touched: Sequence[str],
    approve: str,
    on: str,
    lang: str,
    *,
    retire: str = "",
    origin: Mapping[str, str] | None = None,
) -> Grid:
    """Make a grid in which the touched cells consist of other units.

    Parameters
    ----------
    grid : Grid
        The grid to change.
    label : Series
        For each unit its cell; names that begin with `NEW` stand for cells to be made.
    touched : sequence of str
        The cells that change; all others keep every coordinate.
    approve : str
        Why cells outside the band are accepted; refused without a reason.
    on : str
        Day from which the change holds.
    lang : {"zh", "en"}
        Language of new names.
    retire : str
        Why codes are retired; without a reason no cell may vanish.
    origin : mapping, optional
        For each new cell the one it comes from.
    """
    units, old = grid.units, grid.cells
    like = {code: code for code in touched if code in old.index} | dict(origin or {})
    made = _dissolved(units, label, like, old, may_vanish=bool(retire))
    gone = [code for code in touched if code in old.index and code not in made.index]
    codes = _new_codes(grid, made)
    label = label.map(lambda code: codes.get(code, code))
    made = made.rename(index=codes)
    _rename_new(made, list(codes.values()), grid, lang)
    if on:
        old, made = _dated(old, ""), _dated(made, "")
        made.loc[list(codes.values()), "valid_from"] = on
    exceptions = _exceptions(grid, made, [*touched, *codes.values()], approve)
    cells = pd.concat([old.drop(index=[c for c in touched if c in old.index]), made]).sort_index()
    return Grid(
        cells,
        grid.boundary,
        grid.levels,
        jurisdictions=grid.jurisdictions,
        units=units.assign(code=label),
        exceptions=exceptions,
        retired=with_retired(grid, gone, on, retire),
        parameters=grid.parameters,
    )


def _dissolved(
    units: gpd.GeoDataFrame,
    label: pd.Series,
    like: Mapping[str, str],
    old: gpd.GeoDataFrame,
    *,
    may_vanish: bool,
) -> gpd.GeoDataFrame:
    """Dissolve the units of the touched cells, each of which must be one piece."""
    members = units.groupby(label).indices
    empty = [code for code in like if code not in members]
    if empty and not may_vanish:
        raise InputError(f"Cell {empty[0]} would be empty; merge it instead.")
    codes = [code for code in like if code in members]
    shapes, homes = units.geometry.to_numpy(), units["households"].to_numpy()
    for code in codes:
        if not nx.is_connected(graph(shapes[members[code]])):
            raise InputError(f"Cell {like[code]} would be in several pieces; choose other units.")
    table = pd.DataFrame(old.drop(columns="geometry").loc[[like[code] for code in codes]])
    table["households"] = [int(homes[members[code]].sum()) for code in codes]
    geometry = [shapely.coverage_union_all(shapes[members[code]]) for code in codes]
    index = pd.Index(codes, name="code")
    return gpd.GeoDataFrame(table.set_axis(index), geometry=geometry, crs=old.crs)


def _new_codes(grid: Grid, made: gpd.GeoDataFrame) -> dict[str, str]:
    """Give new cells codes that were never given, in reading order."""
    point = shapely.get_coordinates(shapely.point_on_surface(made.geometry.to_numpy()))
    kept = {k: code for k, code in enumerate(made.index) if not code.startswith(NEW)}
    used = [*grid.cells.index, *grid.retired["code"]]
    codes = number_cells(
        made["parent"].tolist(),
        point[:, 0],
        point[:, 1],
        made.area.to_numpy(),
        scheme=str(grid.parameters.get("scheme", DEFAULT_SCHEME)),
        kept=kept,
        used=used,
    )
    return {old: new for old, new in zip(made.index, codes, strict=True) if old != new}


def _rename_new(made: gpd.GeoDataFrame, fresh: Sequence[str], grid: Grid, lang: str) -> None:
    """Name new cells after their jurisdiction and number; the frame is our own."""
    for code in fresh:
        parent = str(made.at[code, "parent"])
        owner = str(made.at[code, grid.levels[-1]]) if grid.levels else parent
        made.loc[code, "name"] = cell_name(owner, sequence_of(code, parent), lang)


def _dated(cells: gpd.GeoDataFrame, day: str) -> gpd.GeoDataFrame:
    """Return cells with a column ``valid_from``."""
    return cells if "valid_from" in cells else cells.assign(valid_from=day)


def _exceptions(
    grid: Grid, made: gpd.GeoDataFrame, touched: Sequence[str], approve: str
) -> pd.DataFrame:
    """Drop what was said of the touched cells, and record those now outside the band."""
    low, high = grid.band
    homes = made.loc[made["kind"] == "residential", "households"]
    outside = homes[(homes < low) | (homes > high)]
    before = grid.cells["households"].reindex(outside.index)
    new = outside[before.to_numpy() != outside.to_numpy()]
    if len(new) and not approve:
        raise InputError(
            f"Cell {new.index[0]} would have {new.iloc[0]} households, outside {low}-{high}. "
            'Choose other units, or approve it with a reason: `approve="…"`.'
        )
    kept = grid.exceptions[~grid.exceptions["code"].isin([*touched, *made.index])]
    rows: list[dict[str, Any]] = [
        {
            "parent": str(made.at[code, "parent"]),
            "code": code,
            "households": int(count),
            "reason": approve,
            "certificate": "",
            "options": "",
            "approved": True,
        }
        for code, count in outside.items()
    ]
    if not rows:
        return kept
    frame = pd.DataFrame(rows)
    return frame if kept.empty else pd.concat([kept, frame], ignore_index=True)
