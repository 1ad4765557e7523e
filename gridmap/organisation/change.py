"""Changes by hand: split a cell, merge cells, move a unit; each returns a new proved Grid."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely

from gridmap.codes import DEFAULT_SCHEME, cell_name, number_cells, sequence_of
from gridmap.contiguity import graph
from gridmap.errors import InputError
from gridmap.grid import Grid


def move(grid: Grid, unit: Hashable, to: str, *, approve: str = "", lang: str = "zh") -> Grid:
    """Move a unit from its cell to a neighbouring cell of the same jurisdiction.

    Parameters
    ----------
    grid : Grid
        The grid to change; it stays as it is.
    unit : label
        Index label of the unit in ``grid.units``.
    to : str
        Code of the cell that gets it.
    approve : str
        Why a cell outside the band is accepted; without a reason it is refused.
    lang : {"zh", "en"}
        Language of new names.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        When the unit or cell is not there, the cells are of two jurisdictions, a cell would be
        empty or in two pieces, or would leave the band without `approve`.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"]},
    ...     geometry=shapely.box([0, 4], 0, [4, 8], 4), crs=4547)
    >>> units = gpd.GeoDataFrame({"code": ["A1", "A1", "A2"], "households": [300, 100, 400]},
    ...     geometry=shapely.box([0, 3, 4], 0, [3, 4, 8], 4), crs=4547)
    >>> cells["geometry"] = [units.geometry[:2].union_all("coverage"), units.geometry[2]]
    >>> grid = Grid(cells, units.union_all("coverage"), units=units.assign(parent=""))
    >>> move(grid, 1, "A2").cells["households"].to_dict()
    {'A1': 300, 'A2': 500}
    """
    units = grid.units
    if unit not in units.index:
        raise InputError(f"The grid has no unit {unit!r}; see `grid.units`.")
    _check_codes(grid, [to])
    source = str(units.at[unit, "code"])
    if source == to:
        raise InputError(f"Unit {unit!r} is in cell {to} already.")
    _check_one_parent(grid, [source, to])
    label = units["code"].astype(object)
    label[unit] = to
    return _rebuilt(grid, label, [source, to], approve, lang)


def merge(grid: Grid, codes: Iterable[str], *, approve: str = "", lang: str = "zh") -> Grid:
    """Merge neighbouring cells of one jurisdiction into one.

    The cell with most households keeps its code; the others' codes are retired for good.

    Parameters
    ----------
    grid, approve, lang
        As for `move`.
    codes : iterable of str
        Two cells or more.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        As for `move`.
    """
    chosen = list(dict.fromkeys(codes))
    _check_codes(grid, chosen)
    if len(chosen) < 2:
        raise InputError(f"`codes` names {len(chosen)} cell; give two or more to merge.")
    _check_one_parent(grid, chosen)
    survivor = grid.cells.loc[chosen].sort_values("households", kind="stable").index[-1]
    label = grid.units["code"].astype(object)
    label[label.isin(chosen)] = survivor
    return _rebuilt(grid, label, chosen, approve, lang, f"merged into {survivor}")


def split(
    grid: Grid,
    code: str,
    parts: Sequence[Iterable[Hashable]],
    *,
    approve: str = "",
    lang: str = "zh",
) -> Grid:
    """Split a cell by taking groups of its units out of it.

    What keeps most households keeps the code; the others get codes that were never given.

    Parameters
    ----------
    grid, approve, lang
        As for `move`.
    code : str
        The cell to split.
    parts : sequence of groups of unit labels
        Each group becomes a cell; the units that no group names stay together.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        As for `move`, and when a group names a unit of another cell or names one twice.
    """
    _check_codes(grid, [code])
    units = grid.units
    part = pd.Series(0, index=units.index[units["code"] == code])
    for number, group in enumerate(parts, start=1):
        for unit in group:
            if unit not in part.index:
                raise InputError(f"Unit {unit!r} is not in cell {code}; see `grid.units`.")
            if part[unit]:
                raise InputError(f"Unit {unit!r} stands in two groups of `parts`.")
            part[unit] = number
    if part.nunique() < 2:
        raise InputError(f"`parts` leaves cell {code} whole; name some of its units.")
    weight = units["households"].groupby(part).sum()
    stays = int(weight.idxmax())
    label = units["code"].astype(object)
    fresh = {number: f"\0{number}" for number in weight.index if number != stays}
    label[part.index] = part.map({**fresh, stays: code})
    return _rebuilt(grid, label, [code, *fresh.values()], approve, lang)


def _check_codes(grid: Grid, codes: Sequence[str]) -> None:
    unknown = [code for code in codes if code not in grid.cells.index]
    if unknown:
        raise InputError(f"The grid has no cell {unknown[0]!r}; see `grid.cells`.")


def _check_one_parent(grid: Grid, codes: Sequence[str]) -> None:
    parents = grid.cells.loc[list(codes), "parent"].unique()
    if len(parents) > 1:
        raise InputError(
            f"Cells {', '.join(codes)} lie in {len(parents)} jurisdictions "
            f"({', '.join(map(str, parents))}), and no cell may cross one."
        )


def _rebuilt(
    grid: Grid, label: pd.Series, touched: Sequence[str], approve: str, lang: str, retire: str = ""
) -> Grid:
    """Make a grid in which the touched cells consist of other units.

    Names that begin with NUL stand for new cells. Cells that are not touched keep every
    coordinate.
    """
    units, old = grid.units, grid.cells
    made = _dissolved(units, label, touched, old, may_vanish=bool(retire))
    gone = [code for code in touched if code in old.index and code not in made.index]
    codes = _new_codes(grid, made)
    label = label.map(lambda code: codes.get(code, code))
    made = made.rename(index=codes)
    _rename_new(made, list(codes.values()), grid, lang)
    exceptions = _exceptions(grid, made, [*touched, *codes.values()], approve)
    cells = pd.concat([old.drop(index=[c for c in touched if c in old.index]), made]).sort_index()
    retired = pd.DataFrame({"code": gone, "since": "", "reason": retire})
    return Grid(
        cells,
        grid.boundary,
        grid.levels,
        jurisdictions=grid.jurisdictions,
        units=units.assign(code=label),
        exceptions=exceptions,
        retired=pd.concat([grid.retired, retired], ignore_index=True) if gone else grid.retired,
        parameters=grid.parameters,
    )


def _dissolved(
    units: gpd.GeoDataFrame,
    label: pd.Series,
    touched: Sequence[str],
    old: gpd.GeoDataFrame,
    *,
    may_vanish: bool,
) -> gpd.GeoDataFrame:
    """Dissolve the units of the touched cells, each of which must be one piece."""
    parent = old.at[touched[0], "parent"]
    rows = []
    for code in touched:
        own = units[label == code]
        if own.empty and not may_vanish:
            raise InputError(f"Cell {code} would be empty; merge it instead.")
        if own.empty:
            continue
        shapes = own.geometry.to_numpy()
        if not nx.is_connected(graph(shapes)):
            raise InputError(
                f"Cell {code.strip(chr(0))} would be in several pieces; choose other units."
            )
        like = old.loc[code if code in old.index else touched[0]]
        rows.append(
            {
                **like.drop("geometry"),
                "code": code,
                "households": int(own["households"].sum()),
                "parent": parent,
                "geometry": shapely.coverage_union_all(shapes),
            }
        )
    return gpd.GeoDataFrame(pd.DataFrame(rows), geometry="geometry", crs=old.crs).set_index("code")


def _new_codes(grid: Grid, made: gpd.GeoDataFrame) -> dict[str, str]:
    """Give new cells codes that were never given, in reading order."""
    point = shapely.get_coordinates(shapely.point_on_surface(made.geometry.to_numpy()))
    kept = {k: code for k, code in enumerate(made.index) if not code.startswith("\0")}
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
