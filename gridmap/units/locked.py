"""Cells of an old grid that stay to the last coordinate: carved out first, put back last.

New borders may end on such a cell only where it has a vertex already, as another vertex would
change it. An end that falls between two vertices moves to the nearer one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from gridmap._arrays import Bools, Geometries, Ints, distance
from gridmap._checks import check_same_crs
from gridmap.contiguity import contacts
from gridmap.errors import InputError
from gridmap.language import Message
from gridmap.units.barriers import pieces_of
from gridmap.units.blocks import LAND, Blocks
from gridmap.units.build_units import Woven, homes_in
from gridmap.units.households import Homes
from gridmap.units.jurisdictions import Jurisdictions
from gridmap.units.noding import (
    LATTICE,
    faces_of,
    first_containing,
    inner_points,
    linework,
    merge,
    outlines,
)

if TYPE_CHECKING:
    import geopandas as gpd

SNAP = 1e-3
"""Metres that borders of jurisdictions may lie beside those of the cells and mean the same."""


@dataclass(frozen=True)
class Fixed:
    """What stays: the units of the cells, and their jurisdiction once they are carved out."""

    polygons: Geometries
    codes: list[str]
    names: list[str]
    kinds: list[str]
    owner: Ints

    def __len__(self) -> int:
        return len(self.polygons)


def read_fixed(frame: gpd.GeoDataFrame | None, place: Jurisdictions) -> Fixed:
    """Return the units of cells that stay, in the CRS of the jurisdictions."""
    if frame is None or len(frame) == 0:
        return Fixed(np.empty(0, dtype=object), [], [], [], np.empty(0, dtype=np.int64))
    import geopandas as gpd

    check_same_crs("locked", frame, "jurisdictions", gpd.GeoSeries(place.pieces, crs=place.crs))
    size = len(frame)
    return Fixed(
        np.asarray(frame.geometry.to_numpy(), dtype=object),
        [str(code) for code in frame["code"]],
        [str(name) for name in frame.get("name", [""] * size)],
        [str(kind) for kind in frame.get("kind", ["residential"] * size)],
        np.full(size, -1, dtype=np.int64),
    )


def carve(place: Jurisdictions, fixed: Fixed) -> tuple[Jurisdictions, Fixed]:
    """Take the ground of the cells that stay out of the jurisdictions that hold them.

    Raises
    ------
    InputError
        When a cell does not lie in one jurisdiction.
    """
    if not len(fixed):
        return place, fixed
    corners = shapely.multipoints(shapely.get_coordinates(fixed.polygons))
    lines = shapely.snap(linework(place.pieces), corners, SNAP)
    faces = faces_of(np.concatenate([lines, linework(fixed.polygons)]))
    points = inner_points(faces)
    piece = first_containing(points, place.pieces)
    owner = np.where(piece >= 0, place.owner[piece], len(place.codes))
    unit = first_containing(points, fixed.polygons)
    of_cell = _owners(faces, owner, unit, fixed, place)
    pieces, left = merge(faces, np.where((unit < 0) & (piece >= 0), owner, -1))
    if not len(pieces):
        raise InputError("`locked` names every cell, so nothing is left to divide. Unlock some.")
    return replace(place, pieces=pieces, owner=left), replace(fixed, owner=of_cell)


def _owners(faces: Geometries, owner: Ints, unit: Ints, fixed: Fixed, place: Jurisdictions) -> Ints:
    """Return the one jurisdiction of each unit that stays, that of its cell."""
    codes, cell = np.unique(fixed.codes, return_inverse=True)
    held = unit >= 0
    area = np.zeros((len(codes), len(place.codes) + 1))
    np.add.at(area, (cell[unit[held]], owner[held]), shapely.area(faces[held]))
    best = area[:, :-1].argmax(axis=1)
    for number, code in enumerate(codes.tolist()):
        shape = shapely.coverage_union_all(fixed.polygons[cell == number])
        elsewhere = area[number].sum() - area[number, best[number]]
        if elsewhere > SNAP * shape.length:
            beyond = Message("{area:,.1f} m² of it lie beyond {place}")
            raise _cannot_stay(code, beyond(area=elsewhere, place=place.codes[best[number]]))
    return np.asarray(best[cell], dtype=np.int64)


def _cannot_stay(code: str, why: Message) -> InputError:
    return InputError(
        "`locked` cell {code!r} cannot stay: the new jurisdictions cut it ({why}). Unlock it.",
        code=code,
        why=why,
    )


def moored(woven: Woven, owner: Ints, fixed: Fixed) -> Woven:
    """Let borders of units end on vertices of the cells that stay, and nowhere between them.

    Where moving an end would turn a unit over, the units that meet there become one.
    """
    if not len(fixed):
        return woven

    quay = Quay.of(woven.polygons, owner, fixed.polygons)
    if (meeting := quay.settle(SNAP)) is not None:
        near = shapely.distance(fixed.polygons, shapely.Point(meeting)).argmin()
        where = Message("they meet on its border at {x:.1f}, {y:.1f}")
        raise _cannot_stay(fixed.codes[near], where(x=meeting[0], y=meeting[1]))
    left = quay.left
    return replace(
        woven,
        polygons=quay.polygons[left],
        source=woven.source[left],
        block=woven.block[left],
        path=woven.path[left],
    )


def put_back(woven: Woven, blocks: Blocks, homes: Homes, fixed: Fixed) -> tuple[Woven, Blocks]:
    """Return units and blocks with the cells that stay behind them, each unit a block."""
    if not len(fixed):
        return woven, blocks
    polygons = np.concatenate([woven.polygons, fixed.polygons])
    owner = np.r_[blocks.owner[woven.source], fixed.owner]
    count = len(fixed)
    first = int(woven.block.max(initial=-1)) + 1
    return (
        Woven(
            polygons,
            np.r_[woven.source, len(blocks) + np.arange(count)],
            np.r_[woven.block, first + np.arange(count)],
            np.r_[woven.path, np.full(count, "", dtype=woven.path.dtype)],
            homes_in(polygons, homes.xy),
        ),
        replace(
            blocks,
            polygons=np.concatenate([blocks.polygons, fixed.polygons]),
            owner=np.r_[blocks.owner, fixed.owner],
            use=np.r_[blocks.use, np.full(count, LAND)],
            area=np.r_[blocks.area, np.full(count, -1)],
            side=np.r_[blocks.side, _sides(polygons, owner, blocks.side[woven.source], fixed)],
        ),
    )


def _sides(polygons: Geometries, owner: Ints, side: Ints, fixed: Fixed) -> Ints:
    """Return the side of each unit that stays: that of the neighbour its cell touches most."""
    codes, cell = np.unique(fixed.codes, return_inverse=True)
    touch = contacts(polygons)
    size = len(side)
    out, back = np.minimum(touch.i, touch.j), np.maximum(touch.i, touch.j)
    near = (out < size) & (back >= size) & (owner[touch.i] == owner[touch.j])
    shared = np.zeros((len(codes), int(side.max(initial=-1)) + 1 + len(codes)))
    shared[np.arange(len(codes)), -1 - np.arange(len(codes))] = 1e-9  # a side of its own
    np.add.at(shared, (cell[back[near] - size], side[out[near]]), touch.length[near])
    return np.asarray(shared.argmax(axis=1)[cell], dtype=np.int64)


Place = tuple[float, float]
NEAR = 4 * LATTICE


@dataclass
class Quay:
    """Polygons of a coverage that touch a line, and their corners between its vertices.

    Attributes
    ----------
    polygons : ndarray of Polygon
        All of the coverage; those near the line change.
    owner : ndarray of int
        Polygons of different owners are never united.
    near : ndarray of int
        Positions of the polygons that touch the line.
    left : ndarray of bool
        Those that were not united with another.
    edges : list
        The ends of an edge of the line, and the corners between them in order.
    """

    polygons: Geometries
    owner: Ints
    near: Ints
    left: Bools
    edges: list[tuple[Place, Place, list[Place]]]

    @classmethod
    def of(cls, polygons: Geometries, owner: Ints, fixed: Geometries) -> Quay:
        """Find the corners that polygons have on the outline of what stays, between its own."""
        lines = pieces_of(outlines([shapely.coverage_union_all(fixed)]))
        near = np.unique(
            shapely.STRtree(lines).query(polygons, predicate="dwithin", distance=NEAR)[0]
        )
        own = set(map(tuple, shapely.get_coordinates(fixed).tolist()))
        corners = set(map(tuple, shapely.get_coordinates(polygons[near]).tolist())) - own
        fresh = np.array(sorted(corners)).reshape(-1, 2)
        corner, line = shapely.STRtree(lines).query(
            shapely.points(fresh), predicate="dwithin", distance=NEAR
        )
        corner, first = np.unique(corner, return_index=True)
        edges = []
        for at in np.unique(line[first]).tolist():
            start, end = map(tuple, shapely.get_coordinates(lines[at]).tolist())
            between = map(tuple, fresh[corner[line[first] == at]].tolist())
            edges.append((start, end, sorted(between, key=lambda place: distance(start, place))))
        return cls(polygons.copy(), owner, near, np.ones(len(polygons), dtype=bool), edges)

    def settle(self, most: float) -> Place | None:
        """Clear every edge of corners; return a corner of several owners that cannot go.

        Corners where owners meet move by no more than `most`.
        """
        for start, end, between in self.edges:
            while between:
                first = distance(start, between[0]) <= distance(between[-1], end)
                place = between.pop(0 if first else -1)
                users = self._users(place)
                ends = [start if first else end]
                if not between:
                    ends.append(end if first else start)
                if len(np.unique(self.owner[users])) > 1:
                    ends = [other for other in ends if distance(place, other) <= most]
                if self._cleared(users, place, ends):
                    continue
                if len(np.unique(self.owner[users])) > 1:
                    return place
                self._unite(users, place)
        return None

    def _users(self, place: Place) -> Ints:
        """Return the polygons with a corner at a place."""
        rows = self.near[self.left[self.near]]
        xy, row = shapely.get_coordinates(self.polygons[rows], return_index=True)
        return np.asarray(rows[np.unique(row[(xy == place).all(axis=1)])], dtype=np.int64)

    def _cleared(self, users: Ints, place: Place, ends: list[Place]) -> bool:
        """Move a corner to the first end that breaks no polygon; drop it if only one has it."""
        if len(users) == 1:
            self.polygons[users[0]] = _without(self.polygons[users[0]], place)
            return True
        for end in ends:
            moved = _moved(self.polygons[users], place, end)
            if bool((shapely.is_valid(moved) & (shapely.area(moved) > 0)).all()):
                self.polygons[users] = moved
                return True
        return False

    def _unite(self, users: Ints, place: Place) -> None:
        """Unite polygons that meet at a corner; the largest stands for all."""
        largest = users[np.argmax(shapely.area(self.polygons[users]))]
        united = shapely.coverage_union_all(self.polygons[users])
        self.polygons[largest] = _without(united, place)
        self.left[users] = False
        self.left[largest] = True


def _moved(polygons: Geometries, place: Place, end: Place) -> Geometries:
    """Return polygons with one corner moved to an end."""
    xy = shapely.get_coordinates(polygons)
    xy[(xy == place).all(axis=1)] = end
    return np.asarray(
        shapely.remove_repeated_points(shapely.set_coordinates(polygons.copy(), xy), 0.0),
        dtype=object,
    )


def _without(polygon: shapely.Geometry, place: Place) -> shapely.Polygon:
    """Return a polygon without one of its corners."""
    rings = []
    for ring in shapely.get_rings(polygon):
        xy = shapely.get_coordinates(ring)
        open_ring = xy[:-1][(xy[:-1] != place).any(axis=1)]
        rings.append(np.r_[open_ring, open_ring[:1]])
    return shapely.Polygon(rings[0], rings[1:])
