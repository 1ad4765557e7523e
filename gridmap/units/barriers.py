"""Barriers: streets, railways and water, of which some are hard to cross."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, Objects, components, valid_polygons
from gridmap.contiguity import Contacts, SharedEdges, pair_up, shortest_contact
from gridmap.errors import InputError
from gridmap.language import Message
from gridmap.units.households import check_frame, moved, usable
from gridmap.units.noding import LATTICE, outlines

if TYPE_CHECKING:
    import geopandas as gpd

KINDS = ("kind", "class", "barrier", "fclass", "type")
"""Columns that may tell what a barrier is, in this order."""
NETWORKS = ("railway", "waterway", "highway")
"""OpenStreetMap's columns: the barrier is of the kind whose column is filled in."""
HARD = (
    "river", "canal", "rail", "motorway", "expressway", "freeway", "water", "lake",
    "河", "江", "运河", "铁路", "铁道", "高速", "快速路", "水",
)  # fmt: skip
"""Words in a kind that make a barrier hard: nobody walks across it."""
SOFT = ("abandon", "disused", "razed", "proposed", "tram", "light_rail", "停用", "废弃")
"""Words that make it soft all the same."""
WAYS = (
    "street", "road", "arterial", "highway", "motorway", "expressway", "freeway", "rail",
    "pedestrian", "footway", "path", "街", "路", "道", "高速",
)  # fmt: skip
"""Words that tell a polygon is the ground of a way, and no water."""
TRACKS = ("rail", "铁路", "铁道", "motorway", "高速")
"""Kinds drawn as parallel lines: the strips between them are one barrier."""


@dataclass(frozen=True)
class Barriers:
    """Barriers as arrays in the metric CRS.

    Attributes
    ----------
    lines : ndarray of LineString or MultiLineString
        Everything a block may end at, shores included.
    hard : ndarray of bool
        Which of the lines are hard to cross.
    tracks : ndarray of bool
        Which of the lines are drawn as parallel tracks, or are the two sides of a way.
    water : ndarray of Polygon or MultiPolygon
        Water areas.
    notes : list
        What the planner should know.
    """

    lines: Geometries
    hard: Bools
    tracks: Bools
    water: Geometries
    notes: list[Message]


def read_barriers(
    barriers: gpd.GeoDataFrame | Iterable[gpd.GeoDataFrame] | None, crs: Any, extent: Floats
) -> Barriers:
    """Bring one or many layers of barriers into the metric CRS and tell hard from soft.

    Parameters
    ----------
    barriers : GeoDataFrame or list of GeoDataFrame
        Lines, or polygons of water or of the ground of ways. A column `kind` (or `class`,
        `fclass`, `type`, or the columns of OpenStreetMap) says what they are.
    crs : CRS
        Of the jurisdictions, in metres.
    extent : ndarray of float
        Bounds of the jurisdictions; barriers that lie elsewhere are left out.
    """
    layers = _layers(barriers)
    lines: list[Geometries] = []
    water: list[Geometries] = []
    kinds, tracks, notes = [], [], []
    for number, layer in enumerate(layers):
        name = "barriers" if len(layers) == 1 else f"barriers[{number}]"
        check_frame(name, layer)
        geometry, said = moved(name, layer, crs)
        notes += said + _about_unusable(name, geometry)
        near = usable(geometry) & _near(geometry, extent)
        areal = near & (shapely.get_dimensions(geometry) == 2)
        linear = near & (shapely.get_dimensions(geometry) == 1)
        kind = kinds_of(layer)
        way = areal & _has(kind, WAYS)
        lines += [geometry[linear], shapely.boundary(valid_polygons(geometry[way])[0])]
        kinds += [kind[linear], kind[way]]
        tracks += [_has(kind[linear], TRACKS), np.ones(int(way.sum()), dtype=bool)]
        water.append(valid_polygons(geometry[areal & ~way])[0])
    streams, shore = np.concatenate([*lines, []]), outlines(np.concatenate([*water, []]))
    kind = np.concatenate([*kinds, []]).astype(object)
    return Barriers(
        np.concatenate([streams, shore]),
        np.concatenate([_has(kind, HARD) & ~_has(kind, SOFT), np.ones(len(shore), dtype=bool)]),
        np.concatenate([*tracks, np.zeros(len(shore), dtype=bool)]),
        np.concatenate([*water, []]).astype(object),
        notes,
    )


def kinds_of(layer: gpd.GeoDataFrame) -> Objects:
    """Return what each barrier of a layer is, in lower case; "" where nothing tells."""
    networks = [column for column in NETWORKS if column in layer.columns]
    result = pd.Series("", index=range(len(layer)), dtype=object)
    for column in networks:
        value = layer[column].astype(object).reset_index(drop=True)
        known = value.notna() & (result == "")
        result[known] = value[known].astype(str)
    told = next((column for column in KINDS if column in layer.columns), None)
    if told is not None:
        value = layer[told].astype(object).reset_index(drop=True)
        result = result.where(result != "", value.where(value.notna(), "").astype(str))
    return np.asarray(result.str.lower().to_numpy(), dtype=object)


def along(points: Any, lines: Geometries) -> Bools:
    """Tell which points lie on one of the lines, give or take the rounding of noding."""
    result = np.zeros(len(points), dtype=bool)
    if len(points) and len(lines):
        hits = shapely.STRtree(lines).query(points, predicate="dwithin", distance=4 * LATTICE)
        result[hits[0]] = True
    return result


def pieces_of(lines: Geometries) -> Geometries:
    """Cut lines into their segments, which an index searches faster than long lines."""
    xy, line = shapely.get_coordinates(shapely.get_parts(lines), return_index=True)
    joined = line[1:] == line[:-1]
    return np.asarray(
        shapely.linestrings(np.stack([xy[:-1][joined], xy[1:][joined]], axis=1)), dtype=object
    )


def _layers(barriers: Any) -> list[gpd.GeoDataFrame]:
    """Return barriers as a list of the layers that hold something."""
    if barriers is None:
        return []
    layers = [barriers] if hasattr(barriers, "geometry") else list(barriers)
    for layer in layers:
        if not hasattr(layer, "geometry"):
            raise InputError(
                "`barriers` holds a {type}; give a GeoDataFrame, or a list of them.",
                type=type(layer).__name__,
            )
    return [layer for layer in layers if len(layer)]


def _near(geometry: Geometries, extent: Floats) -> Bools:
    """Tell which geometries have a bounding box that meets the extent."""
    box = shapely.bounds(geometry)
    return np.asarray(
        (box[:, 0] <= extent[2])
        & (box[:, 2] >= extent[0])
        & (box[:, 1] <= extent[3])
        & (box[:, 3] >= extent[1])
    )


def _about_unusable(name: str, geometry: Geometries) -> list[Message]:
    """Say how many barriers have no geometry to use."""
    bad = int((~usable(geometry)).sum() + (shapely.get_dimensions(geometry) == 0).sum())
    if not bad:
        return []
    return [
        Message(
            "Rows of `{name}` that are neither lines nor polygons, left out: {bad:,}.",
            name=name,
            bad=bad,
        )
    ]


def _has(kinds: Objects, words: tuple[str, ...]) -> Bools:
    """Tell which kinds hold a word: Latin ones at their beginning, or a trail is a rail."""
    latin = "|".join(word for word in words if word.isascii())
    other = "|".join(word for word in words if not word.isascii())
    pattern = re.compile(rf"(?:^|[^a-z])(?:{latin})|{other}")
    unique, place = np.unique(kinds.astype(str), return_inverse=True)
    return np.array([pattern.search(kind) is not None for kind in unique], dtype=bool)[place]


def sides(
    polygons: Geometries, water: Bools, owner: Ints, edges: SharedEdges, hard: Geometries
) -> Ints:
    """Number the regions that hard barriers leave inside each jurisdiction.

    Two polygons are on one side if they touch along a border that is mostly not hard. Water
    belongs to the bank with the longest border.

    Parameters
    ----------
    polygons : array of Polygon
        A coverage.
    water : ndarray of bool
        Which polygons are water.
    owner : ndarray of int
        Jurisdiction of each.
    edges : SharedEdges
        Between polygons of one jurisdiction.
    hard : array of LineString
        Hard barriers.
    """
    length = edges.length
    blocked = along(shapely.points(edges.midpoints), pieces_of(hard))
    n = len(polygons)
    shortest = shortest_contact(shapely.area(polygons), shapely.length(polygons))
    touch = pair_up(edges.i, edges.j, length, n, shortest)
    across = pair_up(edges.i, edges.j, np.where(blocked, length, 0.0), n)
    soft = touch.neighbours & (across.length < touch.length / 2)
    return regions(water, owner, touch, soft)


def regions(water: Bools, owner: Ints, touch: Contacts, soft: Bools) -> Ints:
    """Number what soft contacts connect; water follows the bank with the longest border."""
    dry = soft & ~water[touch.i] & ~water[touch.j]
    side = components(len(water), touch.i[dry], touch.j[dry])
    _follow_banks(side, water.copy(), touch)
    key = np.c_[owner, side]
    return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def inhabited(side: Ints, owner: Ints, households: Ints, touch: Contacts) -> Ints:
    """Give sides where nobody lives, such as islands, to the neighbour they touch most.

    Parameters
    ----------
    side, owner, households : ndarray of int
        Of each unit.
    touch : Contacts
        Between the units.

    Returns
    -------
    ndarray of int
        Numbered from 0 in the order of the units.
    """
    n = int(side.max()) + 1
    group = np.arange(n)
    empty = np.bincount(side, weights=households, minlength=n) == 0
    near = (owner[touch.i] == owner[touch.j]) & (side[touch.i] != side[touch.j])
    border = pair_up(side[touch.i[near]], side[touch.j[near]], touch.length[near], n)
    _follow_banks(group, empty, border)
    _, first, number = np.unique(group[side], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number].astype(np.int64)


def _follow_banks(side: Ints, wet: Bools, touch: Contacts) -> None:
    """Give the wet the side of their banks, from the shore on; `side` and `wet` are changed."""
    while wet.any():  # water that touches water only follows it
        bank = _banks(touch, wet)
        found = np.flatnonzero(bank >= 0)
        if not len(found):
            break
        side[found] = side[bank[found]]
        wet[found] = False


def _banks(touch: Contacts, wet: Bools) -> Ints:
    """Return for each wet polygon the dry neighbour with the longest border, or -1."""
    shore = wet[touch.i] != wet[touch.j]
    water = np.where(wet[touch.i], touch.i, touch.j)[shore]
    land = np.where(wet[touch.i], touch.j, touch.i)[shore]
    order = np.lexsort((-land, touch.length[shore], water))
    bank = np.full(len(wet), -1, dtype=np.int64)
    bank[water[order]] = land[order]  # the longest is written last
    return bank
