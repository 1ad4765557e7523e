"""Attach: units that are given, such as census areas, matched to their jurisdictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from gridmap._arrays import Geometries, Ints, valid_polygons
from gridmap._checks import check_crs, named
from gridmap.contiguity import contacts
from gridmap.crs.project import reproject
from gridmap.errors import CoverageError, InputError
from gridmap.grid.grid import check_cells
from gridmap.language import Message
from gridmap.units.barriers import Barriers, inhabited, read_barriers, regions
from gridmap.units.build_units import (
    about_dedicated,
    about_repairs,
    about_shift,
    as_plain,
    check_tiling,
    difference_shares,
    homes_in,
    outline_shifts,
    tiled_outlines,
    unit_frame,
)
from gridmap.units.households import check_frame, check_polygons, counts_of, loads_of, moved
from gridmap.units.jurisdictions import (
    TOO_MUCH,
    Areas,
    Jurisdictions,
    defects,
    described,
    read_areas,
    read_jurisdictions,
)
from gridmap.units.noding import faces_of, first_containing, inner_points, merge, outlines
from gridmap.units.tiling import Mend, Tiling, overlap_shares, tile, tiles

if TYPE_CHECKING:
    import geopandas as gpd

    from gridmap.grid.grid import Grid


@dataclass(frozen=True)
class Given:
    """Given units as an exact coverage of connected polygons.

    Attributes
    ----------
    polygons : ndarray of Polygon
        Parts of units.
    row : ndarray of int
        Row of the unit of each part.
    households : ndarray of int
        Those of the unit on its largest part, 0 on the others.
    labels : list
        What the caller's index calls each row.
    mends : list of Mend
        What was repaired.
    notes : list
        What the planner should know.
    """

    polygons: Geometries
    row: Ints
    households: Ints
    labels: list[Any]
    mends: list[Mend]
    notes: list[Message]


def read_units(
    units: gpd.GeoDataFrame,
    crs: Any,
    count: str | None,
    repair: bool,
    within: shapely.Geometry | None = None,
) -> Given:
    """Check given units and make them an exact coverage of connected polygons."""
    check_frame("units", units)
    labels = list(units.index)
    counts, notes = counts_of("units", units, count)
    geometry, said = moved("units", units, crs)
    check_polygons("units", geometry, labels)
    valid, _ = valid_polygons(geometry)
    if tiles(valid):
        polygons, row = shapely.get_parts(valid, return_index=True)
        mends: list[Mend] = []
    else:
        tiling = tile(valid, within)
        _refuse_overlaps(tiling, valid, labels, crs)
        polygons, row, mends = tiling.polygons, tiling.owner, tiling.mends
    slivers = [mend for mend in mends if mend.given_to >= 0]
    if slivers and not repair:
        raise CoverageError(
            "`units` leave slivers and overlaps: {slivers} ({slivers_2:,.1f} m²). Repair "
            "them with `gridmap repair`, or leave `repair` on.",
            slivers=len(slivers),
            slivers_2=sum(mend.area for mend in slivers),
            defects=defects(mends, [str(label) for label in labels], crs),
        )
    largest = _largest_parts(polygons, row, len(units))
    lost = np.flatnonzero((largest < 0) & (counts > 0))
    if len(lost):
        raise InputError(
            "`units` has {labels!r} wholly inside other units, so its {counts:,} "
            "{counts:household has|households have} no area of their own. Merge units "
            "that repeat.",
            labels=labels[lost[0]],
            counts=counts[lost[0]],
        )
    households = np.zeros(len(polygons), dtype=np.int64)
    households[largest[largest >= 0]] = counts[largest >= 0]
    notes = [*notes, *said, *_about_parts(len(polygons) - len(np.unique(row)))]
    return Given(np.asarray(polygons, dtype=object), row, households, labels, mends, notes)


def _refuse_overlaps(tiling: Tiling, given: Geometries, labels: list[Any], crs: Any) -> None:
    """Refuse units that share more ground than slivers: households are counted there twice."""
    shares = overlap_shares(tiling, given)
    pairs = sorted((p for p in shares if shares[p] > TOO_MUCH), key=lambda p: (-shares[p], p))
    if not pairs:
        return
    where = ", ".join(f"{labels[a]!r} and {labels[b]!r} {shares[a, b]:.0%}" for a, b in pairs[:3])
    deep = [m for m in tiling.mends if not set(pairs).isdisjoint(combinations(m.members, 2))]
    x, y = max(deep, key=lambda mend: mend.area).geometry.representative_point().coords[0]
    raise CoverageError(
        "`units` overlap in {pairs:,} {pairs:pair|pairs} by more than {too_much:.0%} "
        "of the smaller one ({where}{value}; {deep:,.0f} m² in all, most at {x:.1f}, "
        "{y:.1f}). Merge those that repeat, or mend them with `gridmap repair`; give "
        "buildings as households: `subdivide`, `--households`.",
        pairs=len(pairs),
        too_much=TOO_MUCH,
        where=where,
        value=", …" if len(pairs) > 3 else "",
        deep=sum(mend.area for mend in deep),
        x=x,
        y=y,
        defects=defects(deep, [str(label) for label in labels], crs),
    )


def _largest_parts(polygons: Geometries, row: Ints, n: int) -> Ints:
    """Return the largest part of each of `n` units, -1 where none is left."""
    order = np.lexsort((-np.arange(len(row)), shapely.area(polygons), row))
    result = np.full(n, -1, dtype=np.int64)
    result[row[order]] = order
    return result


def _about_parts(parted: int) -> list[Message]:
    """Say how many further parts units have."""
    if not parted:
        return []
    return [
        Message(
            "Unconnected parts of units, now units without households beside the largest "
            "part: {parted}.",
            parted=parted,
        )
    ]


def attach(
    units: gpd.GeoDataFrame,
    jurisdictions: gpd.GeoDataFrame,
    *,
    barriers: gpd.GeoDataFrame | Iterable[gpd.GeoDataFrame] | None = None,
    whole: gpd.GeoDataFrame | None = None,
    dedicated: gpd.GeoDataFrame | None = None,
    levels: Sequence[str] | None = None,
    code: str | None = None,
    count: str | None = None,
    weight: str | None = None,
    repair: bool = True,
    crs: Any = None,
    within: shapely.Geometry | None = None,
) -> gpd.GeoDataFrame:
    """Use given polygons as units, each in the jurisdiction that holds most of it.

    The units are not cut. The boundary is their union, and so is each jurisdiction: how far
    these differ from the outlines given is said, for each, in ``attrs["jurisdictions"]``. Units
    that do not tile are repaired, and each place is listed.

    Parameters
    ----------
    units : GeoDataFrame
        Polygons with a column of households.
    jurisdictions : GeoDataFrame
        The areas that no cell may cross.
    barriers : GeoDataFrame or list of GeoDataFrame, optional
        Rivers, railways and motorways among them tell on which side a unit lies.
    whole : GeoDataFrame, optional
        Compounds; units inside one are united.
    dedicated : GeoDataFrame, optional
        Areas whose units are of kind "dedicated".
    levels, code, count, weight, repair, crs, within
        As in `subdivide`.

    Returns
    -------
    GeoDataFrame
        As `subdivide` returns it.

    Raises
    ------
    InputError
        When counts, codes or geometries are not what is needed, or no unit lies in a jurisdiction.
    CoverageError
        When the units overlap in earnest, or leave slivers and `repair` is off.

    Examples
    --------
    >>> import geopandas as gpd
    >>> atoms = gpd.GeoDataFrame(
    ...     {"households": [70, 80]}, geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> town = gpd.GeoDataFrame({"town": ["A"]}, geometry=[shapely.box(0, 0, 9, 5)], crs=4547)
    >>> attach(atoms, town, levels=["town"])["households"].tolist()
    [70, 80]
    """
    load = None if weight is None else loads_of("units", units, weight)
    place = read_jurisdictions(
        jurisdictions, levels=levels, code=code, repair=repair, crs=crs, within=within
    )
    given = read_units(units, place.crs, count, repair, within)
    lines = read_barriers(barriers, place.crs, shapely.total_bounds(given.polygons))
    reserved = read_areas("dedicated", dedicated, place.crs)
    compounds = read_areas("whole", whole, place.crs)
    owner = largest_overlap(given.polygons, place)
    if (owner < 0).all():
        raise InputError(
            "`units` lie outside every jurisdiction. Check the CRS of both, and `.total_bounds`."
        )
    without = _without_units(given, owner, place)
    result = _gather(given, owner, place, lines, reserved, compounds)
    if weight is not None and load is not None:
        points = inner_points(reproject(units.geometry, check_crs("units", result)).to_numpy())
        where = homes_in(result.geometry.to_numpy(), shapely.get_coordinates(points))
        result[weight] = np.bincount(where[where >= 0], load[where >= 0], len(result))
    positions = {code: k for k, code in enumerate(place.codes)}
    of = np.array([positions[parent] for parent in result["parent"]], dtype=np.int64)
    tiled = check_tiling(result.geometry.to_numpy(), of, place.codes)
    said = [*place.notes, *given.notes, *lines.notes, *reserved.notes, *compounds.notes]
    said += about_dedicated(result) + _about_without(without)
    result.attrs.update(_facts(given, owner, place, tiled, said) | {"without_units": without})
    result.attrs |= {} if within is None else {"within": True}
    return result


def largest_overlap(polygons: Geometries, place: Jurisdictions) -> Ints:
    """Return the jurisdiction that holds most of each polygon, or -1."""
    owner = np.full(len(polygons), -1, dtype=np.int64)
    tree = shapely.STRtree(place.pieces)
    unit, piece = tree.query(polygons, predicate="covered_by")
    owner[unit] = place.owner[piece]
    rest = np.flatnonzero(owner < 0)
    unit, piece = tree.query(polygons[rest], predicate="intersects")
    n = np.int64(len(place.codes))
    area = shapely.area(shapely.intersection(polygons[rest[unit]], place.pieces[piece]))
    pair, group = np.unique(unit * n + place.owner[piece], return_inverse=True)
    total = np.bincount(group, weights=area, minlength=len(pair))
    order = np.lexsort((-pair, total, pair // n))
    order = order[total[order] > 0]
    owner[rest[pair[order] // n]] = pair[order] % n  # the largest is written last
    return owner


def _without_units(given: Given, owner: Ints, place: Jurisdictions) -> list[str]:
    """Return the jurisdictions whose ground belongs to units of others; refuse bare ones."""
    empty = np.setdiff1d(np.arange(len(place.codes)), owner)
    pieces = np.flatnonzero(np.isin(place.owner, empty))
    unit, piece = shapely.STRtree(given.polygons).query(
        place.pieces[pieces], predicate="intersects"
    )[::-1]
    shared = shapely.area(shapely.intersection(given.polygons[unit], place.pieces[pieces[piece]]))
    n = len(place.codes)
    covered = np.bincount(place.owner[pieces[piece]], weights=shared, minlength=n)
    size = np.bincount(place.owner, weights=shapely.area(place.pieces), minlength=n)
    bare = np.isin(np.arange(n), empty) & (covered < size / 2)
    if bare.any():
        raise InputError(
            "`units` leave jurisdictions bare, which would be a gap: {codes}. Add the "
            "units that are missing there, or leave these jurisdictions out.",
            codes=named(place.codes, bare),
        )
    return [place.codes[k] for k in empty.tolist()]


def _gather(
    given: Given,
    owner: Ints,
    place: Jurisdictions,
    lines: Barriers,
    reserved: Areas,
    compounds: Areas,
) -> gpd.GeoDataFrame:
    """Return the units inside jurisdictions as a frame, those of one compound united."""
    inside = owner >= 0
    polygons, count, owner = given.polygons[inside], given.households[inside], owner[inside]
    points = inner_points(polygons)
    special = first_containing(points, reserved.polygons)
    compound = np.where(special < 0, first_containing(points, compounds.polygons), -1)
    alone = np.where(compound < 0, np.arange(len(polygons)), -1)
    _, first, group = np.unique(
        np.c_[owner, compound, alone], axis=0, return_index=True, return_inverse=True
    )
    merged, keep = merge(polygons, first[group.reshape(-1)])
    order = np.lexsort((keep, owner[keep]))
    merged, keep = merged[order], keep[order]
    where = homes_in(merged, shapely.get_coordinates(points))
    households = np.zeros(len(merged), dtype=np.int64)
    np.add.at(households, where, count)
    special, compound = special[keep], compound[keep]
    name = np.array([*reserved.names, ""], dtype=object)[special]
    name = np.where(compound >= 0, np.array([*compounds.names, ""], dtype=object)[compound], name)
    ids = np.array(
        [label if isinstance(label, str) else "" for label in given.labels], dtype=object
    )
    name = np.where(name == "", ids[given.row[inside][keep]], name)
    columns = {
        "households": households,
        "kind": np.where(special >= 0, "dedicated", "residential"),
        "block": np.arange(len(merged)),
        "path": np.full(len(merged), "", dtype=object),
        "side": _sides(merged, owner[keep], households, lines),
        "name": name,
    }
    return unit_frame(place, owner[keep], columns, merged)


def _sides(polygons: Geometries, owner: Ints, households: Ints, lines: Barriers) -> Ints:
    """Number the regions between hard barriers by the region of a point inside each unit."""
    hard = lines.lines[lines.hard]
    if not len(hard):
        return np.zeros(len(polygons), dtype=np.int64)
    around = tiled_outlines(polygons, owner, int(owner.max()) + 1)
    between = faces_of(np.concatenate([outlines(around), hard]))
    points = inner_points(polygons)
    region = first_containing(points, between)
    water = first_containing(points, lines.water) >= 0
    touch = contacts(polygons)
    soft = touch.neighbours & (region[touch.i] == region[touch.j])
    soft &= owner[touch.i] == owner[touch.j]
    return inhabited(regions(water, owner, touch, soft), owner, households, touch)


def _facts(
    given: Given, owner: Ints, place: Jurisdictions, tiled: Geometries, notes: list[Message]
) -> dict[str, Any]:
    """Return what was counted, left out, mended and moved, as plain data."""
    lost = owner < 0
    shifts, shares = outline_shifts(place.given, tiled), difference_shares(place.given, tiled)
    outside = np.unique(given.row[lost & (given.households > 0)]).tolist()
    notes = [*notes, _about_match(), *about_shift(shifts, place), *_about_shares(shares, place)]
    mended = [described(mend, given.labels) for mend in given.mends if mend.given_to >= 0]
    notes += about_repairs(place.repaired) + about_repairs(mended, "Units")
    if lost.any():
        notes.append(_about_lost(int(lost.sum()), int(given.households[lost].sum())))
    return {
        "levels": list(place.levels),
        "households_in": int(given.households[~lost].sum()),
        "households_outside": int(given.households[lost].sum()),
        "outside": [as_plain(given.labels[k]) for k in outside],
        "repaired": place.repaired + mended,
        "notes": notes,
        "deviation_m": float(shifts.max()),
        "jurisdictions": {
            code: {"area_share": round(float(share), 6), "deviation_m": round(float(shift), 3)}
            for code, share, shift in zip(place.codes, shares, shifts, strict=True)
        },
    }


def _about_match() -> Message:
    """Say how units were matched to jurisdictions."""
    return Message(
        "Units were used as given, each in the jurisdiction of its largest overlap; "
        "the boundary is their union."
    )


def _about_shares(shares: Any, place: Jurisdictions) -> list[Message]:
    """Say how much the area of the jurisdictions deviates."""
    median, worst = float(np.median(shares)), int(np.argmax(shares))
    if shares[worst] < 0.0005:  # told as 0.0%
        return []
    return [
        Message(
            "Between the units of a jurisdiction and its outline lies {median:.1%} of its "
            "area in the median, at most {shares:.1%} ({codes}).",
            median=median,
            shares=shares[worst],
            codes=place.codes[worst],
        )
    ]


def _about_without(codes: list[str]) -> list[Message]:
    """Say which jurisdictions have no unit of their own."""
    if not codes:
        return []
    called = ", ".join(codes[:5]) + (", …" if len(codes) > 5 else "")
    return [
        Message(
            "Jurisdictions without a unit of their own, whose ground belongs to units of "
            "their neighbours and which get no cell: {codes} ({called}).",
            codes=len(codes),
            called=called,
        )
    ]


def _about_lost(units: int, households: int) -> Message:
    """Say how many units lie outside."""
    return Message(
        "Units outside every jurisdiction: {unit_s:,}, with {households:,} "
        "{households:household|households}; left out.",
        unit_s=units,
        households=households,
    )


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
    >>> import geopandas as gpd, shapely
    >>> from gridmap.grid.grid import Grid
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
    check_cells(grid, chosen)
    if level in grid.levels:
        raise InputError(
            "The grid has a level {level!r} already; name the new one otherwise.", level=level
        )
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
