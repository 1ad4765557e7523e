"""From blocks, cuts and parcels to units: one last noding, and the table of what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, Objects
from gridmap._checks import named
from gridmap.contiguity import Contacts, contacts, pair_up, shared_edges
from gridmap.coverage.point_tree import PolygonTree
from gridmap.coverage.prove import prove
from gridmap.errors import CoverageError
from gridmap.language import Message
from gridmap.units.blocks import DEDICATED, LAND, Blocks, inside
from gridmap.units.households import Homes
from gridmap.units.jurisdictions import Areas, Jurisdictions
from gridmap.units.noding import (
    faces_of,
    inner_points,
    linework,
    merge,
    nearest_or_containing,
    outlines,
)
from gridmap.units.split_blocks import Pieces, settle
from gridmap.units.tiling import AREA, WIDTH, absorb

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class Woven:
    """Units as arrays: an exact coverage of the jurisdictions.

    Attributes
    ----------
    polygons : ndarray of Polygon
        The units.
    source : ndarray of int
        The block, as `make_blocks` numbered it, that each unit is of.
    block : ndarray of int
        Blocks of units, from 0: connected.
    path : ndarray of str
        Place in the block's tree of cuts.
    of_home : ndarray of int
        Unit of each home, -1 outside.
    """

    polygons: Geometries
    source: Ints
    block: Ints
    path: Objects
    of_home: Ints


def weave(blocks: Blocks, pieces: Pieces, homes: Homes, home_piece: Ints) -> Woven:
    """Node blocks, cuts and the shapes they must not cut, and gather the faces to units."""
    around = _crossed(blocks, pieces, homes, home_piece)
    shapes = np.empty(0, dtype=object) if homes.shapes is None else homes.shapes[around]
    faces = faces_of(np.concatenate([linework(blocks.polygons), pieces.cuts, outlines(shapes)]))
    points = inner_points(faces)
    label = nearest_or_containing(points, pieces.polygons)
    faces, points, label = faces[label >= 0], points[label >= 0], label[label >= 0]
    owner = blocks.owner[pieces.block]
    label = _led_round(points, label, shapes, home_piece[around], owner)
    polygons, label = merge(faces, label)
    polygons, label = _without_crumbs(polygons, label, blocks, pieces, homes)
    order = np.lexsort((pieces.path[label].astype(str), pieces.block[label], owner[label]))
    polygons, label = polygons[order], label[order]
    block, path = settle(pieces.block[label], pieces.path[label], contacts(polygons))
    final = np.lexsort((path.astype(str), block))
    polygons, label = polygons[final], label[final]
    return Woven(
        polygons,
        pieces.block[label],
        block[final],
        path[final],
        homes_in(polygons, homes.xy),
    )


def homes_in(polygons: Geometries, xy: Floats) -> Ints:
    """Return the polygon of each point, exactly one also on borders; -1 outside.

    A point on a shared border belongs to the polygon east of it, one on the outer rim to the
    polygon it touches.
    """
    if not len(polygons):
        return np.full(len(xy), -1, dtype=np.int64)
    return PolygonTree(polygons).relate(xy[:, 0], xy[:, 1])[0].astype(np.int64) - 1


def _crossed(blocks: Blocks, pieces: Pieces, homes: Homes, home_piece: Ints) -> Ints:
    """Return the homes whose shape a border would cut, although it need not.

    A shape without households that a barrier crosses is a street or a park as a parcel: it may be
    cut by barriers, and then by other lines as well.
    """
    if homes.shapes is None:
        return np.empty(0, dtype=np.int64)
    whole = np.zeros(len(homes.shapes), dtype=bool)
    whole[shapely.STRtree(blocks.polygons).query(homes.shapes, predicate="covered_by")[0]] = True
    hit = np.zeros(len(homes.shapes), dtype=bool)
    if len(pieces.cuts):
        shape, cut = shapely.STRtree(pieces.cuts).query(homes.shapes, predicate="intersects")
        hit[shape[~shapely.touches(homes.shapes[shape], pieces.cuts[cut])]] = True
    return np.flatnonzero((home_piece >= 0) & np.where(whole, hit, homes.count > 0))


def _led_round(
    points: Geometries, label: Ints, shapes: Geometries, of_shape: Ints, owner: Ints
) -> Ints:
    """Give faces inside a shape to the piece that holds the shape, unless a jurisdiction ends."""
    if not len(shapes):
        return label
    point, shape = shapely.STRtree(shapes).query(points, predicate="within")
    same = owner[label[point]] == owner[of_shape[shape]]
    point, shape = point[same], shape[same]
    order = np.lexsort((-shape, point))
    result = label.copy()
    result[point[order]] = of_shape[shape[order]]  # the first is written last
    return result


def _without_crumbs(
    polygons: Geometries, label: Ints, blocks: Blocks, pieces: Pieces, homes: Homes
) -> tuple[Geometries, Ints]:
    """Join slivers without households with a neighbour, rather of their own block and branch."""
    where = homes_in(polygons, homes.xy)
    found = where >= 0
    count = np.bincount(where[found], weights=homes.count[found], minlength=len(polygons))
    block = pieces.block[label]
    area = shapely.area(polygons)
    edges = inside(shared_edges(polygons), blocks.owner[block])
    touch = pair_up(edges.i, edges.j, edges.length, len(polygons))
    width = 2 * area / shapely.length(polygons)
    crumb = (count == 0) & ((area < AREA) | (width < WIDTH))
    near = crumb[touch.i] | crumb[touch.j]
    touch = Contacts(touch.i[near], touch.j[near], touch.length[near])
    rank = _kinship(label[touch.i], label[touch.j], blocks, pieces)
    group = absorb(
        area,
        shapely.length(polygons),
        touch,
        rank=rank,
        fixed=(count > 0) | _largest_special(area, block, blocks),
    )
    order = np.lexsort((-np.arange(len(area)), area, count > 0))
    largest = np.empty(len(area), dtype=np.int64)
    largest[group[order]] = order  # the largest that bears households is written last
    merged, keep = merge(polygons, largest[group])
    return merged, label[keep]


def _kinship(a: Ints, b: Ints, blocks: Blocks, pieces: Pieces) -> Ints:
    """Rank contacts: the same block by common branches, then the same side, then land."""
    first, second = pieces.block[a], pieces.block[b]
    rank = np.where(blocks.side[first] == blocks.side[second], 2, 0)
    rank -= (blocks.use[first] == DEDICATED) | (blocks.use[second] == DEDICATED)
    for k in np.flatnonzero(first == second):
        rank[k] = 3 + _common(pieces.path[a[k]], pieces.path[b[k]])
    return rank


def _common(one: str, other: str) -> int:
    """Return how many digits two paths have in common."""
    short = min(len(one), len(other))
    return next((k for k in range(short) if one[k] != other[k]), short)


def _largest_special(area: Floats, block: Ints, blocks: Blocks) -> Bools:
    """Tell which polygons are the main piece of water, a dedicated area or a compound."""
    order = np.lexsort((area, block))
    last = np.r_[block[order][1:] != block[order][:-1], True]
    result = np.zeros(len(area), dtype=bool)
    result[order[last]] = blocks.use[block[order[last]]] != LAND
    return result


def tiled_outlines(polygons: Geometries, owner: Ints, n: int) -> Geometries:
    """Return the union of the polygons of each of `n` owners; empty where there are none."""
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(n + 1))
    unions = [
        shapely.coverage_union_all(polygons[order[starts[k] : starts[k + 1]]]) for k in range(n)
    ]
    return np.array(unions, dtype=object)


def check_tiling(polygons: Geometries, owner: Ints, codes: Sequence[str]) -> Geometries:
    """Prove that polygons tile each owner exactly, and return the outlines that they tile.

    Raises
    ------
    CoverageError
        When they do not, which would be an error of ours: nothing is handed on unproved.
    """
    tiled = tiled_outlines(polygons, owner, len(codes))
    used = np.unique(owner)
    import geopandas as gpd

    parents = gpd.GeoSeries(tiled[used], index=[codes[k] for k in used.tolist()])
    boundary = shapely.coverage_union_all(tiled[used])
    proof = prove(polygons, boundary, parents, [codes[k] for k in owner.tolist()])
    if proof.verdict != "exact":
        wrong = [parent.parent for parent in proof.parents if parent.verdict != "exact"]
        raise CoverageError(
            "The units do not tile {wrong} exactly ({leftover} {leftover:edge is|edges "
            "are} left over). Please report this with the input.",
            wrong=", ".join(wrong[:3]) or "the boundary",
            leftover=proof.leftover,
        )
    return tiled


def outline_shifts(given: Geometries, tiled: Geometries) -> Floats:
    """Return how far apart each given outline and the tiled one lie at most, in metres.

    Both ways: from every vertex of one to the nearest point of the other.
    """
    shifts = np.zeros(len(given))
    for one, other in ((given, tiled), (tiled, given)):
        lines = shapely.boundary(other)
        shapely.prepare(lines)
        xy, row = shapely.get_coordinates(shapely.boundary(one), return_index=True)
        apart = shapely.distance(shapely.points(xy), lines[row])
        np.maximum.at(shifts, row, np.nan_to_num(apart))
    return shifts


def difference_shares(given: Geometries, tiled: Geometries) -> Floats:
    """Return the area in one outline but not the other, as a share of the given area."""
    apart = shapely.area(shapely.symmetric_difference(given, tiled, grid_size=2.0**-10))
    return np.asarray(apart / np.maximum(shapely.area(given), 1e-9), dtype=np.float64)


def as_plain(value: Any) -> Any:
    """Return a label as what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (int, float, str)) else str(value)


def unit_frame(
    place: Jurisdictions, owner: Ints, columns: dict[str, Any], polygons: Any
) -> gpd.GeoDataFrame:
    """Return units with the code and the levels of their jurisdiction first."""
    import geopandas as gpd

    table = place.table.iloc[owner].reset_index(drop=True)
    table.insert(0, "parent", [place.codes[k] for k in owner.tolist()])
    for column, values in columns.items():
        table[column] = values
    for column in ("parent", *place.levels, "kind", "path", "name"):
        table[column] = table[column].astype("str")
    table.index = pd.RangeIndex(len(table), name="unit")
    return gpd.GeoDataFrame(table, geometry=polygons, crs=place.crs)


def facts(
    place: Jurisdictions, homes: Homes, of_home: Ints, notes: list[Message], deviation: float
) -> dict[str, Any]:
    """Return what was counted, left out and mended, as plain data."""
    outside = of_home < 0
    labels = [homes.labels[k] for k in np.flatnonzero(outside)]
    households = int(homes.count[outside].sum())
    if labels:
        notes = [*notes, _about_outside(named(homes.labels, outside), households)]
    notes = [*notes, *about_repairs(place.repaired)]
    return {
        "levels": list(place.levels),
        "households_in": int(homes.count[~outside].sum()),
        "households_outside": households,
        "outside": [as_plain(label) for label in labels],
        "repaired": place.repaired,
        "notes": notes,
        "deviation_m": deviation,
    }


def about_repairs(repaired: list[dict[str, Any]], what: str = "Jurisdictions") -> list[Message]:
    """Say in how many places jurisdictions, or units, were mended."""
    if not repaired:
        return []
    count, area = len(repaired), sum(place.get("area_m2", 0.0) for place in repaired)
    said = Message(
        "Units mended in {n:,} {n:place|places} ({area:,.1f} m² in all); the report lists each."
    )
    if what == "Jurisdictions":
        said = Message(
            "Jurisdictions mended in {n:,} {n:place|places} ({area:,.1f} m² in all); the report "
            "lists each."
        )
    return [said(n=count, area=area)]


def _about_outside(rows: Message, households: int) -> Message:
    """Say which rows lie outside the jurisdictions, and how many households they hold."""
    return Message(
        "Outside every jurisdiction: {rows}, with {households:,} "
        "{households:household|households}; not counted.",
        rows=rows,
        households=households,
    )


def about_shift(shifts: Any, place: Jurisdictions) -> list[Message]:
    """Say how far the outlines of the units lie from those given."""
    worst = int(np.argmax(shifts))
    if not shifts[worst]:
        return []
    far = f"{shifts[worst]:,.1f}" if shifts[worst] >= 1 else f"{shifts[worst]:.2g}"
    return [
        Message(
            "Outlines lie within {far} m of the jurisdictions as given (most in {codes}).",
            far=far,
            codes=place.codes[worst],
        )
    ]


def about_dedicated(units: gpd.GeoDataFrame) -> list[Message]:
    """Say how many households live in dedicated areas, which no band binds."""
    living = int(units.loc[units["kind"] == "dedicated", "households"].sum())
    if not living:
        return []
    return [
        Message(
            "Households in dedicated areas, whose cells no band binds: {living:,}.", living=living
        )
    ]


def about_crossing(name: str, areas: Areas, area: Ints, owner: Ints) -> list[Message]:
    """Say which named areas lie in several jurisdictions, and so in several units.

    Parameters
    ----------
    name : str
        What the caller calls the areas.
    areas : Areas
        The areas as given.
    area, owner : ndarray of int
        Area and jurisdiction of each piece of them.
    """
    if not len(area):
        return []
    pairs = np.unique(np.c_[area, owner], axis=0)
    several, times = np.unique(pairs[:, 0], return_counts=True)
    crossing = several[times > 1].tolist()
    if not crossing:
        return []
    called = ", ".join(areas.names[k] or str(k) for k in crossing[:3])
    more = ", …" if len(crossing) > 3 else ""
    return [
        Message(
            "Areas of `{name}` in several jurisdictions, parted at their borders: "
            "{crossing} ({called}{more}).",
            name=name,
            crossing=len(crossing),
            called=called,
            more=more,
        )
    ]


def about_water(households: Ints) -> list[Message]:
    """Say how many households live on what the barriers call water."""
    if not households.any():
        return []
    count = int(households.sum())
    return [
        Message(
            "Households in polygons of `barriers`, which are taken for water: {count:,}. "
            "Check these polygons, or tell by a column `kind` what they are.",
            count=count,
        )
    ]


def about_slivers(slivers: int) -> list[Message]:
    """Say how many pieces were too small to be blocks."""
    if not slivers:
        return []
    return [
        Message(
            "Slivers under {area:.0f} m² or narrower than {width:.0f} m, joined to a "
            "neighbour in their jurisdiction: {slivers:,}.",
            area=AREA,
            width=WIDTH,
            slivers=slivers,
        )
    ]
