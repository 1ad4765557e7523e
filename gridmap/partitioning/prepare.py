"""From units to arrays, and back: communities one by one, and a proved Grid of their cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Ints, components, geometries
from gridmap._checks import (
    Bands,
    as_numbers,
    check_band,
    check_crs,
    check_layer,
    is_nothing,
    whole_counts,
)
from gridmap.codes import DEFAULT_SCHEME, called, cell_name, number_polygons, sequence_of
from gridmap.contiguity import SharedEdges, contacts, pair_up, shared_edges, shortest_contact
from gridmap.coverage.prove import areas_m2, metres_per_unit, polygons_of
from gridmap.coverage.snapping import first_misfit, matched
from gridmap.crs.project import reproject
from gridmap.errors import CRSError, InputError
from gridmap.grid.changes import change, with_retired
from gridmap.grid.grid import Grid
from gridmap.language import Lang, Message
from gridmap.partitioning.problem import Community

SAME, SLIT = 1e-6, 1.0  # metres: corners that are one; slits that nobody means
NEAR = 10.0  # metres from a barrier within which a border runs along it


def check_units(units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return units with every column that the search needs, or refuse them.

    Parameters
    ----------
    units : GeoDataFrame
        As `subdivide` makes them, or given: ``parent``, ``households`` and polygons are needed.

    Raises
    ------
    InputError
        When there are none, a column is missing, or households are not whole numbers from 0.
    """
    check_layer("units", units)
    crs = check_crs("units", units)
    if crs.is_geographic:
        raise CRSError(
            "`units` are in degrees, and cells are measured in metres. Transform them: "
            "`units.to_crs(gm.metric_crs(units))`."
        )
    if units.empty:
        raise InputError("`units` is empty; hand in at least one polygon.")
    missing = [column for column in ("parent", "households") if column not in units]
    if missing:
        raise InputError(
            "`units` lacks {missing}; it has {columns}. Make units with `subdivide`, or "
            "name the columns so.",
            missing=[*missing],
            columns=[*units.columns],
        )
    _check_parents_named(units)
    frame = units.copy(deep=False)
    frame["households"] = whole_counts("units", units)
    frame["parent"] = units["parent"].astype(str)
    defaults: dict[str, Any] = {
        "block": range(len(units)),
        "path": "",
        "side": 0,
        "kind": "residential",
        "name": "",
    }
    for column, value in defaults.items():
        if column not in frame:
            frame[column] = value
    _check_shapes(frame)
    frame = _matched(frame, metres_per_unit(crs))
    return frame.reset_index(drop=True).rename_axis("unit")


Bound: TypeAlias = int | str | pd.Series
"""An end of the band: a number, or one a jurisdiction: by its code, or in a column of the units."""


def bands_of(households: tuple[Bound, Bound], units: pd.DataFrame) -> Bands:
    """Return the band of each jurisdiction of some units, or refuse it.

    Raises
    ------
    InputError
        When a column is missing, an end is no whole number from 1 in some jurisdiction or two
        different ones, or min is over max.
    """
    pair = isinstance(households, tuple | list) and len(households) == 2
    if not pair or not any(isinstance(end, str | pd.Series) for end in households):
        return Bands(*check_band(households))
    keys = sorted(units["parent"].astype(str).unique())
    low, high = (
        _ends(name, end, units, keys) for name, end in zip(("min", "max"), households, strict=True)
    )
    for key in keys:
        if low[key] > high[key]:
            raise InputError(
                "The band of jurisdiction {key!r} has min {low} over max {high}; mend one of them.",
                key=key,
                low=low[key],
                high=high[key],
            )
    return Bands.by_area({key: (low[key], high[key]) for key in keys})


def _ends(name: str, end: Bound, units: pd.DataFrame, keys: list[str]) -> dict[str, int]:
    """Return one end of the band of each jurisdiction."""
    if isinstance(end, str):
        if end not in units:
            raise InputError(
                "`households` names the column {column!r}, which the units lack; name one of "
                "theirs, or give two whole numbers from 1, as (300, 600).",
                column=end,
            )
        end = pd.Series(units[end].to_numpy(), units["parent"], name=end)
    if not isinstance(end, pd.Series):
        return dict.fromkeys(keys, check_band((end, end))[0])
    rows = pd.DataFrame({"key": end.index.astype(str), "given": end.to_numpy()}).drop_duplicates()
    rows = pd.DataFrame({"key": keys}).merge(rows, on="key", how="left")
    number = pd.to_numeric(rows["given"], errors="coerce")
    bad = ~(number >= 1) | (number % 1 != 0)
    if bad.any():
        row = rows[bad].iloc[0]
        raise InputError(
            "The {name} of the band is {value} in jurisdiction {key!r}; give a whole number "
            "from 1.",
            name=name,
            value=_told(row["given"]),
            key=row["key"],
        )
    twice = rows["key"].duplicated(keep=False)
    if twice.any():
        key = rows.loc[twice, "key"].iloc[0]
        raise InputError(
            "Jurisdiction {key!r} has several values as {name} of the band: {values}. Give one.",
            key=key,
            name=name,
            values=[str(value) for value in rows.loc[rows["key"] == key, "given"]],
        )
    return dict(zip(rows["key"], number.astype(int), strict=True))


def _told(value: object) -> object:
    """Return a value as it stands in a table."""
    if is_nothing(value):
        return Message("empty")
    return repr(value) if isinstance(value, str) else str(value)


def _check_shapes(units: gpd.GeoDataFrame) -> None:
    """Refuse units without an area."""
    shapes = units.geometry.to_numpy()
    bad = shapely.is_missing(shapes) | ~np.isin(shapely.get_type_id(shapes), (3, 6))
    bad |= shapely.is_empty(shapes)
    if bad.any():
        raise InputError(
            "`units` holds {bad} that are no polygons, first unit {index!r}; drop or mend them.",
            bad=int(bad.sum()),
            index=units.index[int(bad.argmax())],
        )
    polygons_of("units", units)


def _check_parents_named(units: gpd.GeoDataFrame) -> None:
    bare = units["parent"].map(is_nothing).astype(bool)
    if bare.any():
        raise InputError(
            "`parent` is missing in {bare:,} {bare:unit|units}, first in unit {index!r}; name the "
            "jurisdiction of each.",
            bare=int(bare.sum()),
            index=units.index[int(bare.argmax())],
        )


def _matched(units: gpd.GeoDataFrame, metre: float) -> gpd.GeoDataFrame:
    """Return units that match vertex by vertex; refuse those that overlap or leave slits.

    Neighbours that do not match would pass for strangers, and a community for one in pieces.
    """
    shapes = units.geometry.to_numpy()
    mended, changed = matched(shapes, SAME / metre)
    # within an outline that is known, a slit is the ground of others
    misfit = first_misfit(mended, 0.0 if units.attrs.get("within") else SLIT / metre)
    if misfit is not None:
        one, two, gap = misfit
        told = Message("overlap")
        if gap > 0:
            told = Message("lie {gap:.1g} m apart without touching", gap=gap * metre)
        raise InputError(
            "`units` do not match: {one!r} and {two!r} {told}. Mend them with `gm.attach(units, "
            "jurisdictions)`, or `gridmap repair`.",
            one=units.index[one],
            two=units.index[two],
            told=told,
        )
    if len(changed) == 0:
        return units
    frame = units.set_geometry(gpd.GeoSeries(mended, index=units.index, crs=units.crs))
    note = Message("{n:,} {n:unit|units} got the corners of their neighbours", n=len(changed))
    frame.attrs = {**units.attrs, "notes": [*units.attrs.get("notes", []), note]}
    return frame


def communities(
    units: gpd.GeoDataFrame,
    weight: str | None = None,
    barriers: gpd.GeoDataFrame | None = None,
) -> Iterator[Community]:
    """Yield the residential units of each parent as arrays, in the order of their codes.

    Lengths and areas are in metres, whatever the unit of the coordinates.
    """
    shapes = units.geometry.to_numpy()
    metre = metres_per_unit(units.crs)
    edges = shared_edges(shapes)
    found = pair_up(edges.i, edges.j, edges.length, len(shapes))
    parent, keys = pd.factorize(units["parent"], sort=True)
    homes = (units["kind"] != "dedicated").to_numpy()
    kept = (parent[found.i] == parent[found.j]) & homes[found.i] & homes[found.j]
    i, j, length = found.i[kept], found.j[kept], found.length[kept]
    block, side = pd.factorize(units["block"])[0], units["side"].to_numpy()
    if barriers is None:
        known = units["block"].duplicated().any() or (side != side[0]).any()  # else blocks each
        road = np.where(known & (block[found.i] != block[found.j]), 1.0, 0.0)
        road = road * found.length
    else:
        road = _along(barriers, units, edges)
    centre = shapely.get_coordinates(shapely.centroid(shapes))
    whole = Community(
        key="",
        place=np.arange(len(units)),
        households=units["households"].to_numpy(np.int64),
        load=_loads(units, weight),
        area=areas_m2(shapes, units.crs),
        perimeter=shapely.length(shapes) * metre,
        x=centre[:, 0],
        y=centre[:, 1],
        block=block.astype(np.int64),
        path=units["path"].to_numpy(object),
        i=i,
        j=j,
        length=length * metre,
        road=road[kept] * metre,
        hard=side[i] != side[j],
    )
    yield from _by_parent(whole, parent, [str(key) for key in keys], homes)


def _by_parent(
    whole: Community, parent: Ints, keys: list[str], homes: np.ndarray
) -> Iterator[Community]:
    """Yield each parent's units with the contacts between them."""
    rows = np.flatnonzero(homes)
    rows = rows[np.argsort(parent[rows], kind="stable")]
    edges = np.argsort(parent[whole.i], kind="stable")
    row_at = np.searchsorted(parent[rows], np.arange(len(keys) + 1))
    edge_at = np.searchsorted(parent[whole.i[edges]], np.arange(len(keys) + 1))
    local = np.full(len(parent), -1, np.int64)
    for number, key in enumerate(keys):
        mine = rows[row_at[number] : row_at[number + 1]]
        if len(mine) == 0:
            continue
        local[mine] = np.arange(len(mine))
        cut = edges[edge_at[number] : edge_at[number + 1]]
        columns = ("place", "households", "load", "area", "perimeter", "x", "y", "block", "path")
        yield Community(
            key,
            **{name: getattr(whole, name)[mine] for name in columns},
            i=local[whole.i[cut]],
            j=local[whole.j[cut]],
            length=whole.length[cut],
            road=whole.road[cut],
            hard=whole.hard[cut],
            shortest=shortest_contact(whole.area[mine], whole.perimeter[mine]),
        )


def _along(barriers: gpd.GeoDataFrame, units: gpd.GeoDataFrame, edges: SharedEdges) -> Floats:
    """Return how much of each contact runs along a barrier."""
    check_crs("barriers", barriers)
    lines = reproject(barriers, check_crs("units", units))
    tree = shapely.STRtree(lines.geometry.to_numpy())
    middle = geometries(shapely.points(edges.midpoints))
    met = tree.query(middle, predicate="dwithin", distance=NEAR / metres_per_unit(units.crs))[0]
    near = np.isin(np.arange(len(middle)), met)
    return pair_up(edges.i, edges.j, np.where(near, edges.length, 0.0), len(units)).length


def _loads(units: gpd.GeoDataFrame, weight: str | None) -> Floats:
    """Return what is balanced between cells: households, or the column of workload."""
    if weight is None:
        return np.asarray(units["households"], dtype=np.float64)
    if weight not in units:
        raise InputError(
            "`weight` names the column {weight!r}, which the units lack.", weight=weight
        )
    load: Floats = np.asarray(as_numbers(units[weight]), dtype=np.float64)
    if not np.isfinite(load).all() or (load < 0).any():
        raise InputError(
            "`weight` column {weight!r} must hold numbers from 0 in every unit.", weight=weight
        )
    return load


def levels_of(units: gpd.GeoDataFrame) -> list[str]:
    """Return the columns of the hierarchy that some units have, coarse to fine."""
    return [level for level in units.attrs.get("levels", []) if level in units]


@dataclass(frozen=True)
class Caller:
    """Calls a unit of a community by its name, or by its place in the table."""

    units: gpd.GeoDataFrame
    community: Community

    def __call__(self, unit: int) -> str:
        """Return what a unit is called."""
        place = int(self.community.place[unit])
        return str(self.units["name"].iloc[place] or self.units.index[place])

    def jurisdiction(self, code: str) -> str | Message:
        """Return what a jurisdiction is called, by its name where the units know it."""
        theirs = self.units[self.units["parent"] == code]
        return called(
            str(theirs[levels[-1]].iloc[0]) if (levels := levels_of(theirs)) else "", code
        )

    def placed(self, said: Message, unit: int) -> Message:
        """Return a sentence about a unit with the coordinates of its middle."""
        x, y = float(self.community.x[unit]), float(self.community.y[unit])
        return Message("{said} Place: x {x:.0f}, y {y:.0f}.")(said=said, x=x, y=y)


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
    whole = label.copy()
    piece = components(len(rows), found.i[same], found.j[same])
    whole[rows] = piece + int(label.max(initial=-1)) + 1
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
    levels = levels_of(units)
    cells = _cells(units, label, levels)
    codes = number_polygons(
        cells["parent"].tolist(),
        geometries(cells.geometry),
        scheme=scheme,
        kept=kept,
        used=[] if old is None else [*old.cells.index, *old.retired["code"]],
    )
    jurisdictions = _jurisdictions(units, levels)
    cells["code"] = codes
    named = cells["name"] != ""
    names = pd.Series(automatic_names(cells, levels, lang), index=cells.index)
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
    gone = [] if old is None else [code for code in old.cells.index if code not in set(codes)]
    exceptions = exceptions.copy()
    exceptions["code"] = [codes[number] for number in exceptions.pop("cell")]
    return Grid(
        cells,
        shapely.coverage_union_all(jurisdictions.geometry.to_numpy()),
        levels,
        jurisdictions=jurisdictions,
        units=made,
        exceptions=exceptions.sort_values("code", ignore_index=True),
        retired=None if old is None else with_retired(old, gone, on, "partition keep"),
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
    now, then = (geometries(frame.geometry[codes]) for frame in (cells, old.cells))
    same = shapely.equals_exact(shapely.normalize(now), shapely.normalize(then), 0.0)
    cells = cells.copy()
    cells.loc[codes[same], "geometry"] = then[same]
    return cells


def _cells(units: gpd.GeoDataFrame, label: Ints, levels: Sequence[str]) -> gpd.GeoDataFrame:
    """Return a row a cell: name, kind, households, area, parent and levels."""
    groups = units[["name", "kind", "parent", *levels]].groupby(label, sort=True)
    table = groups.first()
    set_apart = (units["kind"] == DEDICATED).groupby(label, sort=True).any()
    table["kind"] = np.where(set_apart, DEDICATED, "residential")
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


def automatic_names(cells: gpd.GeoDataFrame, levels: Sequence[str], lang: Lang) -> list[str]:
    """Return the automatic name of each cell: its jurisdiction's and its number there."""
    owner = cells[levels[-1]] if levels else cells["parent"]
    return [
        cell_name(str(name), sequence_of(code, parent), lang)
        for name, code, parent in zip(owner, cells["code"], cells["parent"], strict=True)
    ]
