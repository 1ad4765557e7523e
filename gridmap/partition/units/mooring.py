"""Borders that end between two vertices of a line that may get no other: moved to one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from gridmap.units.barriers import pieces_of
from gridmap.units.inputs import Bools
from gridmap.units.noding import LATTICE, Geometries, Ints, outlines

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
            edges.append((start, end, sorted(between, key=lambda place: _apart(start, place))))
        return cls(polygons.copy(), owner, near, np.ones(len(polygons), dtype=bool), edges)

    def settle(self, most: float) -> Place | None:
        """Clear every edge of corners; return a corner of several owners that cannot go.

        Corners where owners meet move by no more than `most`.
        """
        for start, end, between in self.edges:
            while between:
                first = _apart(start, between[0]) <= _apart(between[-1], end)
                place = between.pop(0 if first else -1)
                users = self._users(place)
                ends = [start if first else end]
                if not between:
                    ends.append(end if first else start)
                if len(np.unique(self.owner[users])) > 1:
                    ends = [other for other in ends if _apart(place, other) <= most]
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


def _apart(one: Place, other: Place) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


def _moved(polygons: Geometries, place: Place, end: Place) -> Geometries:
    """Return polygons with one corner moved to an end."""
    xy = shapely.get_coordinates(polygons)
    xy[(xy == place).all(axis=1)] = end
    return np.asarray(
        shapely.remove_repeated_points(shapely.set_coordinates(polygons.copy(), xy), 0.0),
        dtype=object,
    )


def _without(polygon: shapely.Polygon, place: Place) -> shapely.Polygon:
    """Return a polygon without one of its corners."""
    rings = []
    for ring in shapely.get_rings(polygon):
        xy = shapely.get_coordinates(ring)
        open_ring = xy[:-1][(xy[:-1] != place).any(axis=1)]
        rings.append(np.r_[open_ring, open_ring[:1]])
    return shapely.Polygon(rings[0], rings[1:])
