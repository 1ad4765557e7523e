"""Units as arrays: what a frame of units must hold, and its communities one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_crs, check_layer
from gridmap.contiguity import SharedEdges, pair_up, shared_edges, shortest_contact
from gridmap.coverage.mend import first_misfit, matched
from gridmap.coverage.prove import polygons_of
from gridmap.errors import CRSError, InputError
from gridmap.language import Message
from gridmap.partitioning.arrays import Floats, Ints
from gridmap.partitioning.community import Community

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
    bare = units["parent"].isna()
    if bare.any():
        raise InputError(
            "`parent` is missing in {bare:,} {bare:unit|units}, first in unit {index!r}; name the "
            "jurisdiction of each.",
            bare=int(bare.sum()),
            index=units.index[int(bare.argmax())],
        )
    frame = units.copy(deep=False)
    frame["households"] = whole_households(units["households"])
    frame["parent"] = units["parent"].astype(str)
    defaults = {
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
    frame = _matched(frame, float(crs.axis_info[0].unit_conversion_factor))
    return frame.reset_index(drop=True).rename_axis("unit")


def whole_households(values: pd.Series) -> pd.Series:
    """Return households as whole numbers, or name what is wrong with them."""
    numbers = pd.to_numeric(values, errors="coerce")
    checks = {
        Message("missing or not a number"): numbers.isna() | np.isinf(numbers),
        Message("negative"): numbers < 0,
        Message("fractional"): numbers % 1 != 0,
    }
    for wrong, found in checks.items():
        if found.any():
            place = found.to_numpy().argmax()
            raise InputError(
                "`households` is {wrong} in {found} {found:unit|units}, first in unit "
                "{index!r} ({values!r}); give whole numbers from 0.",
                wrong=wrong,
                found=int(found.sum()),
                index=values.index[place],
                values=values.iloc[place],
            )
    return numbers.astype(np.int64)


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


def _matched(units: gpd.GeoDataFrame, metre: float) -> gpd.GeoDataFrame:
    """Return units that match vertex by vertex; refuse those that overlap or leave slits.

    Neighbours that do not match would pass for strangers, and a community for one in pieces.
    """
    shapes = units.geometry.to_numpy()
    mended, changed = matched(shapes, SAME / metre)
    misfit = first_misfit(mended, SLIT / metre)
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
    """Yield the residential units of each parent as arrays, in the order of their codes."""
    shapes = units.geometry.to_numpy()
    edges = shared_edges(shapes)
    found = pair_up(edges.i, edges.j, edges.length, len(shapes))
    parent, keys = pd.factorize(units["parent"], sort=True)
    homes = (units["kind"] != "dedicated").to_numpy()
    kept = (parent[found.i] == parent[found.j]) & homes[found.i] & homes[found.j]
    i, j, length = found.i[kept], found.j[kept], found.length[kept]
    block, side = pd.factorize(units["block"])[0], units["side"].to_numpy()
    if barriers is None:
        road = np.where(_blocks_are_known(units) & (block[found.i] != block[found.j]), 1.0, 0.0)
        road = road * found.length
    else:
        road = _along(barriers, units, edges)
    centre = shapely.get_coordinates(shapely.centroid(shapes))
    whole = Community(
        key="",
        place=np.arange(len(units)),
        households=units["households"].to_numpy(np.int64),
        load=_loads(units, weight),
        area=shapely.area(shapes),
        perimeter=shapely.length(shapes),
        x=centre[:, 0],
        y=centre[:, 1],
        block=block.astype(np.int64),
        path=units["path"].to_numpy(object),
        i=i,
        j=j,
        length=length,
        road=road[kept],
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
    lines = barriers.to_crs(units.crs) if check_crs("barriers", barriers) != units.crs else barriers
    tree = shapely.STRtree(lines.geometry.to_numpy())
    middle = shapely.points(edges.midpoints)
    near = np.zeros(len(middle), bool)
    near[tree.query(middle, predicate="dwithin", distance=NEAR)[0]] = True
    return pair_up(edges.i, edges.j, np.where(near, edges.length, 0.0), len(units)).length


def _blocks_are_known(units: gpd.GeoDataFrame) -> bool:
    """Tell whether blocks come from barriers: units given without them are blocks each."""
    return bool(units["block"].duplicated().any() or (units["side"] != units["side"].iloc[0]).any())


def _loads(units: gpd.GeoDataFrame, weight: str | None) -> Floats:
    """Return what is balanced between cells: households, or the column of workload."""
    if weight is None:
        return np.asarray(units["households"], dtype=np.float64)
    if weight not in units:
        raise InputError(
            "`weight` names the column {weight!r}, which the units lack.", weight=weight
        )
    load: Floats = np.asarray(pd.to_numeric(units[weight], errors="coerce"), dtype=np.float64)
    if not np.isfinite(load).all() or (load < 0).any():
        raise InputError(
            "`weight` column {weight!r} must hold numbers from 0 in every unit.", weight=weight
        )
    return load


@dataclass(frozen=True)
class Caller:
    """Calls a unit of a community by its name, or by its place in the table."""

    units: gpd.GeoDataFrame
    community: Community

    def __call__(self, unit: int) -> str:
        """Return what a unit is called."""
        place = int(self.community.place[unit])
        return str(self.units["name"].iloc[place] or self.units.index[place])

    def placed(self, said: Message, unit: int) -> Message:
        """Return a sentence about a unit with the coordinates of its middle."""
        x, y = float(self.community.x[unit]), float(self.community.y[unit])
        return Message("{said} Place: x {x:.0f}, y {y:.0f}.")(said=said, x=x, y=y)
