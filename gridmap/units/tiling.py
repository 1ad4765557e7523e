"""Polygons that nearly tile an area, made to tile it: slivers closed, overlaps given to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, components, geometries, summed
from gridmap.contiguity import Contacts, contacts, pair_up
from gridmap.units.noding import containing, faces_of, inner_points, merge, outlines, widths

GAP_AREA = 100.0
"""Square metres up to which a hole between polygons was not meant."""
GAP_WIDTH = 1.0
"""Metres of mean width up to which a hole was not meant, however long it is."""


@dataclass(frozen=True)
class Mend:
    """One place where polygons did not tile, and who received it.

    Attributes
    ----------
    kind : str
        "gap", "overlap", or "hole" for one too large to be closed.
    members : tuple of int
        The polygons that overlap, or that touch the gap.
    given_to : int
        The polygon that received the place; -1 for a hole, which stays open.
    geometry : Polygon
        The place.
    """

    kind: str
    members: tuple[int, ...]
    given_to: int
    geometry: Any

    @property
    def area(self) -> float:
        """Area of the place."""
        return float(self.geometry.area)

    @property
    def width(self) -> float:
        """Mean width of the place."""
        return float(widths(self.geometry))


@dataclass(frozen=True)
class Tiling:
    """An exact coverage made from polygons.

    Attributes
    ----------
    polygons : ndarray of Polygon
        Connected pieces, sorted by owner.
    owner : ndarray of int
        Position of the polygon that each piece belongs to.
    mends : list of Mend
        What had to be decided.
    """

    polygons: Geometries
    owner: Ints
    mends: list[Mend]


def tile(polygons: Geometries, within: shapely.Geometry | None = None) -> Tiling:
    """Turn valid polygons into an exact coverage on the lattice.

    An overlap goes to the one of its owners with the longest border to it, a small hole to the
    neighbour with the longest border. Larger holes stay open: they may be lakes or enclaves. A
    slit between polygons that do not touch is closed too, be it open at its ends.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        Valid, in metres.
    within : Polygon or MultiPolygon, optional
        What they tile, where that is known: no slit outside is closed, as somebody else's.

    Examples
    --------
    >>> tiling = tile(shapely.box([0, 9.5], 0, [10, 20], 10))
    >>> [(mend.kind, mend.area, mend.given_to) for mend in tiling.mends]
    [('overlap', 5.0, 0)]
    >>> shapely.area(tiling.polygons).tolist()
    [100.0, 100.0]
    """
    faces = faces_of(np.concatenate([outlines(polygons), _across(polygons)]))
    points = inner_points(faces)
    face, holder = containing(points, polygons)
    if within is not None:
        ours = np.unique(np.r_[face, containing(points, np.array([within]))[0]])
        faces, face = faces[ours], np.searchsorted(ours, face)
    covers = np.bincount(face, minlength=len(faces))
    owner = np.full(len(faces), -1, dtype=np.int64)
    alone = covers[face] == 1
    owner[face[alone]] = holder[alone]
    mends = _decide(faces, owner, _holders(face, holder, covers))
    pieces, owner = merge(faces, owner)
    return Tiling(pieces, owner, mends)


def tiles(polygons: Geometries) -> bool:
    """Tell whether polygons match exactly and leave no hole that was not meant."""
    if not shapely.coverage_is_valid(polygons) or len(_across(polygons)):
        return False
    union = shapely.coverage_union_all(polygons)
    rings = shapely.get_rings(shapely.get_parts(union))
    holes = geometries(shapely.polygons(rings[~shapely.is_ccw(rings)]))
    return not ((shapely.area(holes) <= GAP_AREA) | (widths(holes) <= GAP_WIDTH)).any()


def _slits(polygons: Geometries) -> tuple[Ints, Ints]:
    """Return the pairs of polygons that are apart, but by no more than the width of a slit."""
    i, j = shapely.STRtree(polygons).query(polygons, predicate="dwithin", distance=GAP_WIDTH)
    i, j = i[i < j], j[i < j]
    apart = shapely.distance(polygons[i], polygons[j]) > 0
    return i[apart], j[apart]


def _across(polygons: Geometries) -> Geometries:
    """Return lines across slits, from each vertex to the other side, which cut them to pieces.

    Where another polygon lies between the two, there is no slit.
    """
    i, j = _slits(polygons)
    if not len(i):
        return np.empty(0, dtype=object)
    from_, to = polygons[np.r_[i, j]], polygons[np.r_[j, i]]
    xy, row = shapely.get_coordinates(from_, return_index=True)
    box = shapely.bounds(to)[row]
    near = (xy >= box[:, :2] - GAP_WIDTH).all(axis=1) & (xy <= box[:, 2:] + GAP_WIDTH).all(axis=1)
    corner, to = geometries(shapely.points(xy[near])), to[row[near]]
    near = shapely.dwithin(corner, to, GAP_WIDTH)
    lines = geometries(shapely.shortest_line(corner[near], to[near]))
    middle = shapely.line_interpolate_point(lines, 0.5, normalized=True)
    filled = shapely.STRtree(polygons).query(middle, predicate="intersects")[0]
    return np.delete(lines, filled)


def _holders(face: Ints, holder: Ints, covers: Ints) -> dict[int, tuple[int, ...]]:
    """Return the polygons that hold each face that has not exactly one."""
    result: dict[int, tuple[int, ...]] = {int(k): () for k in np.flatnonzero(covers == 0)}
    crowded = covers[face] > 1
    for k, h in zip(face[crowded].tolist(), holder[crowded].tolist(), strict=True):
        result[k] = (*result.get(k, ()), h)
    return result


def _decide(faces: Geometries, owner: Ints, holders: dict[int, tuple[int, ...]]) -> list[Mend]:
    """Give every disputed or unclaimed face an owner, in place; return what was done."""
    if not holders:
        return []
    borders = _borders(faces, set(holders))
    size = dict(zip(holders, shapely.area(faces[list(holders)]).tolist(), strict=True))
    mends = []
    for k in sorted(holders, key=lambda k: (not holders[k], -size[k], k)):
        claims = _claims(borders[k], owner)
        rivals = holders[k]
        if rivals:
            best = max(rivals, key=lambda r: (claims.get(r, 0.0), -r))
            mends.append(Mend("overlap", rivals, best, faces[k]))
        elif size[k] > GAP_AREA and widths(faces[k]) > GAP_WIDTH:
            mends.append(Mend("hole", tuple(sorted(claims)), -1, faces[k]))
            continue
        elif claims:
            best = max(claims, key=lambda r: (claims[r], -r))
            mends.append(Mend("gap", tuple(sorted(claims)), best, faces[k]))
        else:
            continue
        owner[k] = best
    return mends


def _borders(faces: Geometries, wanted: set[int]) -> dict[int, list[tuple[int, float]]]:
    """Return the neighbours of some faces with the length of the common border."""
    touch = contacts(faces)
    result: dict[int, list[tuple[int, float]]] = {k: [] for k in wanted}
    for i, j, length in zip(touch.i.tolist(), touch.j.tolist(), touch.length.tolist(), strict=True):
        if i in result:
            result[i].append((j, length))
        if j in result:
            result[j].append((i, length))
    return result


def _claims(border: list[tuple[int, float]], owner: Ints) -> dict[int, float]:
    """Return the length of border of each owner around a face."""
    claims: dict[int, float] = {}
    for other, length in border:
        if owner[other] >= 0:
            claims[int(owner[other])] = claims.get(int(owner[other]), 0.0) + length
    return claims


def overlap_shares(tiling: Tiling, polygons: Geometries) -> dict[tuple[int, int], float]:
    """Return for each overlapping pair the share of the smaller polygon that they share."""
    area = shapely.area(polygons)
    shared: dict[tuple[int, int], float] = {}
    for mend in tiling.mends:
        if mend.kind == "overlap":
            for a in mend.members:
                for b in mend.members:
                    if a < b:
                        shared[a, b] = shared.get((a, b), 0.0) + mend.area
    return {pair: part / min(area[pair[0]], area[pair[1]]) for pair, part in shared.items()}


AREA = 200.0
"""Square metres under which a block is a sliver."""
WIDTH = 6.0
"""Metres of mean width, 2A/P, under which a block is a sliver."""


def absorb(
    area: Floats,
    perimeter: Floats,
    contacts: Contacts,
    *,
    rank: Ints | None = None,
    small: Floats | float = AREA,
    narrow: Floats | float = WIDTH,
    fixed: Bools | None = None,
) -> Ints:
    """Join slivers with a neighbour until none is left that has one.

    Parameters
    ----------
    area, perimeter : ndarray of float
        Of each piece.
    contacts : Contacts
        Pairs that may be joined, such as those inside one jurisdiction.
    rank : ndarray of int, optional
        Of each contact: a sliver joins the neighbour of highest rank, and among those the one
        with the longest common border.
    small, narrow : float or ndarray of float
        A piece is a sliver under this area, or under this mean width.
    fixed : ndarray of bool, optional
        Pieces that are never a sliver themselves, whatever their size.

    Returns
    -------
    ndarray of int
        Group of each piece, numbered by the first piece of the group.

    Examples
    --------
    >>> touch = Contacts(np.array([0, 1]), np.array([1, 2]), np.array([9.0, 20.0]))
    >>> absorb(np.array([900.0, 50.0, 900.0]), np.array([120.0, 60.0, 120.0]), touch)
    array([0, 1, 1])
    """
    n = len(area)
    rank = np.zeros(len(contacts), dtype=np.int64) if rank is None else rank
    small, narrow = np.broadcast_to(small, n).copy(), np.broadcast_to(narrow, n).copy()
    if fixed is not None:
        small[fixed], narrow[fixed] = 0.0, 0.0
    group = np.arange(n)
    now = _Pieces(area, perimeter, small, narrow, contacts, rank)
    while True:
        sliver = (now.area < now.small) | (2 * now.area < now.narrow * now.perimeter)
        chosen = _choose(now, sliver)
        if not len(chosen[0]):
            _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
            return np.asarray(first[inverse], dtype=np.int64)  # numbered by their first members
        step = components(len(now.area), *chosen)
        group = step[group]
        now = now.joined(step)


class _Pieces:
    """Pieces as they are joined: sizes, thresholds and the contacts that are left."""

    def __init__(
        self,
        area: Floats,
        perimeter: Floats,
        small: Floats,
        narrow: Floats,
        contacts: Contacts,
        rank: Ints,
    ) -> None:
        self.area, self.perimeter = area, perimeter
        self.small, self.narrow = small, narrow
        self.contacts, self.rank = contacts, rank

    def joined(self, group: Ints) -> _Pieces:
        """Return the pieces after joining: a group has the thresholds of its largest member."""
        n = int(group.max()) + 1
        i, j = group[self.contacts.i], group[self.contacts.j]
        inner = i == j
        lost = summed(i[inner], self.contacts.length[inner], n)
        contacts = pair_up(i[~inner], j[~inner], self.contacts.length[~inner], n)
        rank = _highest(i[~inner], j[~inner], self.rank[~inner], contacts, n)
        largest = np.empty(n, dtype=np.int64)
        order = np.argsort(self.area, kind="stable")
        largest[group[order]] = order
        return _Pieces(
            summed(group, self.area, n),
            summed(group, self.perimeter, n) - 2 * lost,
            self.small[largest],
            self.narrow[largest],
            contacts,
            rank,
        )


def _highest(i: Ints, j: Ints, rank: Ints, contacts: Contacts, n: int) -> Ints:
    """Return the highest rank among the contacts that became one."""
    key = np.minimum(i, j) * np.int64(n) + np.maximum(i, j)
    place = np.searchsorted(contacts.i * np.int64(n) + contacts.j, key)
    result = np.full(len(contacts), np.iinfo(np.int64).min, dtype=np.int64)
    np.maximum.at(result, place, rank)
    return result


def _choose(now: _Pieces, sliver: Bools) -> tuple[Ints, Ints]:
    """Return each sliver that has a neighbour, and the neighbour it joins."""
    i, j = now.contacts.i, now.contacts.j
    source, target = np.r_[i, j], np.r_[j, i]
    length, rank = np.tile(now.contacts.length, 2), np.tile(now.rank, 2)
    own = sliver[source]
    source, target, length, rank = source[own], target[own], length[own], rank[own]
    order = np.lexsort((target, -length, -rank, source))
    source, target = source[order], target[order]
    first = np.r_[True, source[1:] != source[:-1]] if len(source) else np.zeros(0, dtype=bool)
    return source[first], target[first]
