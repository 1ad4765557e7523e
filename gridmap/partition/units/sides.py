"""Sides: the regions that rivers, railways and motorways leave inside each jurisdiction."""

from __future__ import annotations

import numpy as np
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridmap.contiguity import Contacts, SharedEdges, pair_up, shortest_contact
from gridmap.units.barriers import along, pieces_of
from gridmap.units.inputs import Bools
from gridmap.units.noding import Geometries, Ints


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
    side = _components(len(water), touch.i[dry], touch.j[dry])
    wet = water.copy()
    while wet.any():  # water that touches water only follows it
        bank = _banks(touch, wet)
        found = np.flatnonzero(bank >= 0)
        if not len(found):
            break
        side[found] = side[bank[found]]
        wet[found] = False
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
    while empty.any():
        bank = _banks(border, empty)
        found = np.flatnonzero(bank >= 0)
        if not len(found):
            break
        group[found] = group[bank[found]]
        empty[found] = False
    _, first, number = np.unique(group[side], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number].astype(np.int64)


def _banks(touch: Contacts, wet: Bools) -> Ints:
    """Return for each wet polygon the dry neighbour with the longest border, or -1."""
    shore = wet[touch.i] != wet[touch.j]
    water = np.where(wet[touch.i], touch.i, touch.j)[shore]
    land = np.where(wet[touch.i], touch.j, touch.i)[shore]
    order = np.lexsort((-land, touch.length[shore], water))
    bank = np.full(len(wet), -1, dtype=np.int64)
    bank[water[order]] = land[order]  # the longest is written last
    return bank


def _components(n: int, i: Ints, j: Ints) -> Ints:
    """Return the connected component of each of `n` polygons."""
    links = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
