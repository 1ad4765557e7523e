"""From a cell number on each unit to a proved Grid with codes, names and exceptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gridmap.codes import DEFAULT_SCHEME, cell_name, number_cells, sequence_of
from gridmap.contiguity import contacts
from gridmap.grid.changes import change, with_retired
from gridmap.grid.grid import Grid
from gridmap.language import Lang
from gridmap.partitioning.arrays import Ints

DEDICATED = "dedicated"
VACANT = "vacant"  # land in which nobody lives, and that touches no other of its jurisdiction


def dedicate(units: gpd.GeoDataFrame, label: Ints) -> Ints:
    """Number the cells of dedicated areas: connected units of one parent and one name."""
    rows = np.flatnonzero((units["kind"] == DEDICATED).to_numpy())
    if len(rows) == 0:
        return label
    part = units.iloc[rows]
    found = contacts(part.geometry.to_numpy())
    names, parents = part["name"].to_numpy(), part["parent"].to_numpy()
    same = found.neighbours & (parents[found.i] == parents[found.j])
    same &= (names[found.i] == names[found.j]) & (names[found.i] != "")
    matrix = csr_array((same[same], (found.i[same], found.j[same])), shape=(len(rows),) * 2)
    whole = label.copy()
    whole[rows] = connected_components(matrix, directed=False)[1] + int(label.max(initial=-1)) + 1
    return whole


def dissolve(shapes: np.ndarray, label: Ints) -> np.ndarray:
    """Unite the polygons of each label 0 … n - 1; vertices stay what they are."""
    order = np.argsort(label, kind="stable")
    ends = np.searchsorted(label[order], np.arange(int(label.max(initial=-1)) + 2))
    united = np.empty(len(ends) - 1, dtype=object)
    for number in range(len(united)):
        rows = order[ends[number] : ends[number + 1]]
        united[number] = (
            shapes[rows[0]] if len(rows) == 1 else shapely.coverage_union_all(shapes[rows])
        )
    return united


def assemble(
    units: gpd.GeoDataFrame,
    label: Ints,
    exceptions: pd.DataFrame,
    parameters: Mapping[str, Any],
    *,
    scheme: str = DEFAULT_SCHEME,
    kept: Mapping[int, str] | None = None,
    old: Grid | None = None,
    on: str = "",
    lang: Lang = "zh",
) -> Grid:
    """Dissolve units into cells, give codes and names, and prove the whole.

    `exceptions` has a column ``cell``, the number of the cell it speaks of, and so have the
    parameters under ``enclosing``. `kept` are the codes of cells that continue one of the `old`
    grid; its other codes are retired, and the parameters tell what changed. `on` is the day.
    """
    levels = [level for level in units.attrs.get("levels", []) if level in units]
    cells = _cells(units, label, levels)
    point = shapely.get_coordinates(shapely.point_on_surface(cells.geometry.to_numpy()))
    codes = number_cells(
        cells["parent"].tolist(),
        point[:, 0],
        point[:, 1],
        cells.area.to_numpy(),
        scheme=scheme,
        kept=kept,
        used=[] if old is None else [*old.cells.index, *old.retired["code"]],
    )
    jurisdictions = _jurisdictions(units, levels)
    cells["code"] = codes
    named = cells["name"] != ""
    names = pd.Series(_names(cells, levels, lang), index=cells.index)
    if old is not None:
        names = cells["code"].map(old.cells["name"]).fillna(names)
    cells["name"] = cells["name"].where(named, names)
    made = units.copy(deep=False)
    made["code"] = np.asarray(codes, dtype=object)[label]
    cells = cells.set_index("code").sort_index()
    if old is not None:
        cells = _as_they_were(cells, old)
        parameters = {**parameters, "change": change(old.cells, cells, made)}
        if former := _former_parents(old, cells):
            parameters["former_parents"] = former
    cells = _dated(cells, old, on)
    if "enclosing" in parameters:
        enclosing = sorted(codes[number] for number in parameters["enclosing"])
        parameters = {**parameters, "enclosing": enclosing}
    if "attached" in parameters:
        rows = [row | {"cell": codes[row["cell"]]} for row in parameters["attached"]]
        parameters = {**parameters, "attached": sorted(rows, key=lambda row: row["cell"])}
    exceptions = exceptions.copy()
    exceptions["code"] = [codes[number] for number in exceptions.pop("cell")]
    return Grid(
        cells,
        shapely.coverage_union_all(jurisdictions.geometry.to_numpy()),
        levels,
        jurisdictions=jurisdictions,
        units=made,
        exceptions=exceptions.sort_values("code", ignore_index=True),
        retired=None if old is None else _retired(old, set(codes), on),
        parameters=parameters,
    )


def _former_parents(old: Grid, cells: gpd.GeoDataFrame) -> dict[str, str]:
    """Return the cells whose code another jurisdiction gave, with that jurisdiction."""
    codes = cells.index.intersection(old.cells.index)
    origin = old.cells["parent"].to_dict() | old.former_parents
    now = cells["parent"].to_dict()
    return {str(code): origin[code] for code in codes if origin[code] != now[code]}


def _dated(cells: gpd.GeoDataFrame, old: Grid | None, on: str) -> gpd.GeoDataFrame:
    """Return cells with the day from which each holds, where any day is known."""
    before = None if old is None else old.cells.get("valid_from")
    if before is None and not on:
        return cells
    known = pd.Series(on, cells.index, dtype=object)
    if old is not None:
        kept = cells.index.intersection(old.cells.index)
        known[kept] = "" if before is None else before[kept]
    return cells.assign(valid_from=known)


def _as_they_were(cells: gpd.GeoDataFrame, old: Grid) -> gpd.GeoDataFrame:
    """Return cells with the very rings they had where nothing but their start is another."""
    codes = cells.index.intersection(old.cells.index)
    now, then = (frame.geometry[codes].to_numpy() for frame in (cells, old.cells))
    same = shapely.equals_exact(shapely.normalize(now), shapely.normalize(then), 0.0)
    cells = cells.copy()
    cells.loc[codes[same], "geometry"] = then[same]
    return cells


def _retired(old: Grid, living: set[str], on: str) -> pd.DataFrame:
    """Return the codes that are never given again, those of the old grid's past included."""
    gone = [code for code in old.cells.index if code not in living]
    return with_retired(old, gone, on, "partition keep")


def _cells(units: gpd.GeoDataFrame, label: Ints, levels: Sequence[str]) -> gpd.GeoDataFrame:
    """Return a row a cell: name, kind, households, area, parent and levels."""
    groups = units[["name", "kind", "parent", *levels]].groupby(label, sort=True)
    table = groups.first()
    table["kind"] = np.where(
        groups["kind"].agg(lambda k: (k == DEDICATED).any()), DEDICATED, "residential"
    )
    dedicated = units[units["kind"] == DEDICATED]
    given = dedicated["name"].groupby(label[dedicated.index]).first()
    table["name"] = given.reindex(table.index).fillna("").astype(str)
    table.insert(2, "households", np.bincount(label, units["households"]).astype(np.int64))
    geometry = dissolve(units.geometry.to_numpy(), label)
    table.insert(3, "area_m2", shapely.area(geometry))
    pieces = shapely.get_num_geometries(geometry)
    if (pieces > 1).any():
        table["pieces"] = pieces
    empty = (table["households"] == 0) & (table["kind"] != DEDICATED)
    table.loc[empty, "kind"] = VACANT
    return gpd.GeoDataFrame(table, geometry=geometry, crs=units.crs)


def _jurisdictions(units: gpd.GeoDataFrame, levels: Sequence[str]) -> gpd.GeoDataFrame:
    """Return the union of each parent's units, with the levels."""
    number, keys = pd.factorize(units["parent"], sort=True)
    table = units[["parent", *levels]].groupby("parent", sort=True).first()
    table.index = pd.Index([str(key) for key in keys], name="parent")
    geometry = dissolve(units.geometry.to_numpy(), number.astype(np.int64))
    return gpd.GeoDataFrame(table, geometry=geometry, crs=units.crs)


def _names(cells: gpd.GeoDataFrame, levels: Sequence[str], lang: Lang) -> list[str]:
    """Return the automatic name of each cell: its jurisdiction's and its number there."""
    owner = cells[levels[-1]] if levels else cells["parent"]
    return [
        cell_name(str(name), sequence_of(code, parent), lang)
        for name, code, parent in zip(owner, cells["code"], cells["parent"], strict=True)
    ]
