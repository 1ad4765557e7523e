"""Subdivide: jurisdictions, households and barriers to units that tile exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import shapely

from gridmap._arrays import Ints
from gridmap._checks import Progress, silent
from gridmap.contiguity import contacts
from gridmap.errors import InputError
from gridmap.units.attach import attach
from gridmap.units.barriers import inhabited, read_barriers
from gridmap.units.blocks import COMPOUND, DEDICATED, LAND, WATER, Blocks, make_blocks
from gridmap.units.build_units import (
    Woven,
    about_crossing,
    about_dedicated,
    about_shift,
    about_slivers,
    about_water,
    check_tiling,
    facts,
    homes_in,
    outline_shifts,
    unit_frame,
    weave,
)
from gridmap.units.households import Homes, fill, loads_of, read_homes
from gridmap.units.jurisdictions import Areas, Jurisdictions, read_areas, read_jurisdictions
from gridmap.units.locked import Fixed, carve, moored, put_back, read_fixed
from gridmap.units.split_blocks import Items, split

if TYPE_CHECKING:
    import geopandas as gpd

    from gridmap._arrays import Reference

FILLED = 0.95
"""Share of the jurisdictions that polygons fill if they are units and not buildings."""


def subdivide(
    jurisdictions: gpd.GeoDataFrame,
    households: gpd.GeoDataFrame,
    *,
    barriers: gpd.GeoDataFrame | Iterable[gpd.GeoDataFrame] | None = None,
    whole: gpd.GeoDataFrame | str | None = None,
    dedicated: gpd.GeoDataFrame | None = None,
    levels: Sequence[str] | None = None,
    code: str | None = None,
    count: str | None = None,
    weight: str | None = None,
    repair: bool = True,
    crs: Reference | None = None,
    cap: int = 30,
    locked: gpd.GeoDataFrame | None = None,
    within: shapely.Geometry | None = None,
    progress: Progress | None = None,
) -> gpd.GeoDataFrame:
    """Cut jurisdictions into units: small polygons with households that `partition` can join.

    Barriers and jurisdictions bound blocks. A block with more than `cap` households is split by
    straight lines between its buildings; where footprints or parcels are given, borders are led
    round them. `block` and `path` tell which units were one piece before, so that a block can
    stay whole wherever the band allows it.

    Parameters
    ----------
    jurisdictions : GeoDataFrame
        The areas that no cell may cross, one row each. They need not tile: slivers between them
        are repaired, and each is listed.
    households : GeoDataFrame
        Points, building footprints or parcels, with a column of counts. Polygons that fill the
        jurisdictions and that come without barriers, or bear more than `cap` households on
        average, are units already: they are used as they are, see `attach`.
    barriers : GeoDataFrame or list of GeoDataFrame, optional
        Streets, railways, rivers as lines, or water as polygons. A column `kind` tells which;
        rivers, railways and motorways are hard to cross. Polygons whose kind is a way are its
        ground, which is land.
    whole : GeoDataFrame or str, optional
        Compounds that stay in one piece: polygons, or the column of `households` that names
        the compound of a building (which is then kept together inside its block).
    dedicated : GeoDataFrame, optional
        Schools, markets, parks: areas that become units of kind "dedicated".
    levels : sequence of str, optional
        Columns of the hierarchy, coarse to fine; by default those of `district`, `street` and
        `community` that are there.
    code : str, optional
        Column with the code of a jurisdiction; by default `code`, else the finest level.
    count : str, optional
        Column with the number of households; by default `households`, else one a row.
    weight : str, optional
        Column of `households` with a workload, which is summed into the units under its name.
    repair : bool
        Mend slivers, overlaps and rings of the jurisdictions; otherwise refuse them.
    crs : CRS, optional
        Metric CRS of the units, such as that of a grid that is kept; by default the
        jurisdictions' own, or the one of `metric_crs` where theirs is not in metres.
    cap : int
        Households above which a block is split.
    locked : GeoDataFrame, optional
        Units of cells that stay to the last coordinate, with the column `code` of their cell: of
        an old grid ``old.units[old.units["code"].isin(codes)]``. They are carved out first.
    within : Polygon or MultiPolygon, optional
        The outline of the jurisdictions in `crs`, where others lie around them: no slit outside
        is closed.
    progress : callable, optional
        Called with stage, steps done, steps in all.

    Returns
    -------
    GeoDataFrame
        Units in a metric CRS, index `unit`: `parent`, the levels, `households`, `kind`, `block`,
        `path`, `side`, `name`, geometry. They are proved to tile every jurisdiction exactly.
        `attrs` says what was counted, left out and mended.

    Raises
    ------
    InputError
        When counts, codes or geometries are not what is needed; the message names the cure.
    CoverageError
        When jurisdictions or units overlap in earnest, or leave slivers and `repair` is off.

    Examples
    --------
    >>> import geopandas as gpd
    >>> town = gpd.GeoDataFrame(
    ...     {"community": ["A"]}, geometry=[shapely.box(0, 0, 90, 60)], crs=4547)
    >>> homes = gpd.GeoDataFrame(
    ...     {"households": [20, 25]}, geometry=shapely.points([[20, 30], [70, 30]]), crs=4547)
    >>> units = subdivide(town, homes)
    >>> list(zip(units["parent"], units["households"], units["path"]))
    [('A', 20, '0'), ('A', 25, '1')]
    """
    report = progress or silent
    if not isinstance(cap, (int, np.integer)) or cap < 1:
        raise InputError(
            "`cap` is {cap!r}; give a whole number of households from 1, as 30.", cap=cap
        )
    report("read", 0, 5)
    if weight is not None:
        loads_of("households", households, weight)  # refused before any work
    place = read_jurisdictions(
        jurisdictions, levels=levels, code=code, repair=repair, crs=crs, within=within
    )
    column = whole if isinstance(whole, str) else None
    homes = read_homes(households, place.crs, count=count, compound=column, weight=weight)
    if _are_units(homes, place, cap, barriers is not None):
        return attach(
            households,
            jurisdictions,
            barriers=barriers,
            whole=None if isinstance(whole, str) else whole,
            dedicated=dedicated,
            levels=levels,
            code=code,
            count=count,
            weight=weight,
            repair=repair,
            crs=crs,
            within=within,
        )
    extent = shapely.total_bounds(place.pieces)
    lines = read_barriers(barriers, place.crs, extent)
    reserved = read_areas("dedicated", dedicated, place.crs)
    compounds = read_areas("whole", None if isinstance(whole, str) else whole, place.crs)
    report("blocks", 1, 5)
    around, fixed = carve(place, read_fixed(locked, place))
    blocks = make_blocks(around, lines, reserved, compounds)
    homes = homes.anchored(place.pieces, place.owner)
    report("split", 2, 5)
    block = homes_in(blocks.polygons, homes.xy)
    if (homes_in(place.pieces, homes.xy) < 0).all():
        raise InputError(
            "`households` lie outside every jurisdiction, all of them. Check the CRS and "
            "the datum of both: `.crs`, `.total_bounds`."
        )
    items, item_of = _items(homes, block)
    # water where people live is none, whatever the layer calls it
    may = (blocks.use == LAND) | (blocks.use == WATER)
    pieces = split(blocks.polygons, items, int(cap), may)
    report("weave", 3, 5)
    home_piece = np.where(item_of >= 0, pieces.of_item[item_of], -1)
    woven = weave(blocks, pieces, homes, home_piece)
    woven = moored(woven, blocks.owner[woven.source], fixed)
    report("prove", 4, 5)
    notes = [*place.notes, *homes.notes, *lines.notes, *reserved.notes, *compounds.notes]
    for name, areas, use in (("dedicated", reserved, DEDICATED), ("whole", compounds, COMPOUND)):
        mine = blocks.use == use
        notes += about_crossing(name, areas, blocks.area[mine], blocks.owner[mine])
    notes += about_water(homes.count[(block >= 0) & (blocks.use[block] == WATER)])
    woven, blocks = put_back(woven, blocks, homes, fixed)
    units = _frame(woven, blocks, place, homes, reserved, compounds, fixed)
    if weight is not None and homes.load is not None:
        inside = woven.of_home >= 0
        summed = np.bincount(woven.of_home[inside], homes.load[inside], len(units))
        units[weight] = summed
    tiled = check_tiling(woven.polygons, blocks.owner[woven.source], place.codes)
    shifts = outline_shifts(place.given, tiled)
    notes += about_slivers(blocks.slivers) + about_dedicated(units) + about_shift(shifts, place)
    units.attrs.update(facts(place, homes, woven.of_home, notes, float(shifts.max())))
    units.attrs |= {} if within is None else {"within": True}
    report("prove", 5, 5)
    return units


def _are_units(homes: Homes, place: Jurisdictions, cap: int, barriers: bool) -> bool:
    """Tell units that tile already from buildings and parcels."""
    if barriers and float(homes.count.mean()) <= cap:
        return False
    return fill(homes, place.pieces, FILLED)


def _items(homes: Homes, block: Ints) -> tuple[Items, Ints]:
    """Return what stays on one side of every cut, and the item of each home (-1 outside)."""
    alone = np.where(homes.compound < 0, np.arange(len(block)), -1)
    inside = np.flatnonzero(block >= 0)
    key = np.c_[block, homes.compound, alone][inside]
    _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
    group = group.reshape(-1)
    item_of = np.full(len(block), -1, dtype=np.int64)
    item_of[inside] = group
    if homes.shapes is None:
        corners, home = homes.xy[inside], group
        several = np.bincount(group, minlength=len(first))[group] > 1
        corners, home = corners[several], home[several]
    else:
        corners, row = shapely.get_coordinates(homes.shapes[inside], return_index=True)
        home = group[row]
    order = np.argsort(home, kind="stable")
    count = np.bincount(group, weights=homes.count[inside], minlength=len(first))
    return (
        Items(
            homes.xy[inside][first],
            count.astype(np.int64),
            block[inside][first],
            corners[order],
            home[order],
            homes.compound[inside][first] >= 0,
        ),
        item_of,
    )


def _frame(
    woven: Woven,
    blocks: Blocks,
    place: Jurisdictions,
    homes: Homes,
    reserved: Areas,
    compounds: Areas,
    fixed: Fixed,
) -> gpd.GeoDataFrame:
    """Return the units as a frame with their columns."""
    source, inside = woven.source, woven.of_home >= 0
    count = np.bincount(woven.of_home[inside], weights=homes.count[inside], minlength=len(source))
    households = np.rint(count).astype(np.int64)
    owner, touch = blocks.owner[source], contacts(woven.polygons)
    use, area = blocks.use[source], blocks.area[source]
    name = np.full(len(source), "", dtype=object)
    for kind, areas in ((DEDICATED, reserved), (COMPOUND, compounds)):
        chosen = use == kind
        name[chosen] = np.array([*areas.names, ""], dtype=object)[area[chosen]]
    kinds = np.where(use == DEDICATED, "dedicated", "residential").astype(object)
    kinds[len(kinds) - len(fixed) :] = fixed.kinds
    name[len(name) - len(fixed) :] = fixed.names
    return unit_frame(
        place,
        owner,
        {
            "households": households,
            "kind": kinds,
            "block": woven.block,
            "path": woven.path,
            "side": inhabited(blocks.side[source], owner, households, touch),
            "name": name,
        },
        woven.polygons,
    )
