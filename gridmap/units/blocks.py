"""Blocks: what jurisdictions, barriers, dedicated areas and compounds leave when overlaid.

A block is bounded by barriers and jurisdictions. Slivers join a neighbour inside the same
jurisdiction, strips between parallel tracks too; ponds inside one block join it, and wider water
takes the side of the bank that it touches most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, segments
from gridmap.contiguity import SharedEdges, pair_up, shared_edges
from gridmap.units.barriers import Barriers, along, pieces_of, sides
from gridmap.units.jurisdictions import Areas, Jurisdictions
from gridmap.units.noding import (
    faces_of,
    first_containing,
    inner_points,
    linework,
    merge,
    outlines,
    widths,
)
from gridmap.units.tiling import AREA, WIDTH, absorb

LAND, WATER, DEDICATED, COMPOUND = range(4)
STRIP = 20.0
"""Metres of mean width under which a strip between parallel tracks is part of the barrier."""
TRACK_SHARE = 0.6
"""Share of the outline along tracks from which a narrow block is such a strip."""


@dataclass(frozen=True)
class Blocks:
    """Blocks as a coverage of the jurisdictions.

    Attributes
    ----------
    polygons : ndarray of Polygon
        Connected.
    owner : ndarray of int
        Position of the jurisdiction of each.
    use : ndarray of int
        LAND, WATER, DEDICATED or COMPOUND.
    area : ndarray of int
        Position among the dedicated areas or compounds, else -1.
    side : ndarray of int
        Region between hard barriers, inside the jurisdiction.
    slivers : int
        How many pieces of the overlay were too small to be a block and joined another.
    """

    polygons: Geometries
    owner: Ints
    use: Ints
    area: Ints
    side: Ints
    slivers: int

    def __len__(self) -> int:
        return len(self.polygons)


def make_blocks(
    jurisdictions: Jurisdictions, barriers: Barriers, dedicated: Areas, compounds: Areas
) -> Blocks:
    """Overlay everything that bounds a block, and clear what is too small to be one."""
    polygons, owner, use, area = _overlay(jurisdictions, barriers, dedicated, compounds)
    edges = inside(shared_edges(polygons), owner)
    strip = _strips(polygons, use, edges, barriers)
    ties = strip[edges.i] & strip[edges.j]  # strips of either bank meet there, the banks do not
    hard = np.concatenate([barriers.lines[barriers.hard], segments(edges.ends[ties])])
    joined = _without_slivers(polygons, use, area, strip, edges, barriers)
    slivers = len(joined) - len(np.unique(joined))
    polygons, keep = merge(polygons, joined)
    owner, use, area = owner[keep], use[keep], area[keep]
    edges = inside(shared_edges(polygons), owner)
    polygons, keep = merge(polygons, _without_ponds(len(polygons), use, edges))
    owner, use, area = owner[keep], use[keep], area[keep]
    edges = inside(shared_edges(polygons), owner)
    side = sides(polygons, use == WATER, owner, edges, hard)
    return Blocks(polygons, owner, use, area, side, slivers)


def inside(edges: SharedEdges, owner: Ints) -> SharedEdges:
    """Keep the edges whose two polygons have one owner."""
    same = owner[edges.i] == owner[edges.j]
    return SharedEdges(edges.i[same], edges.j[same], edges.ends[same])


def _overlay(
    jurisdictions: Jurisdictions, barriers: Barriers, dedicated: Areas, compounds: Areas
) -> tuple[Geometries, Ints, Ints, Ints]:
    """Return the faces of the overlay, with owner, use and named area."""
    lines = [
        linework(jurisdictions.pieces),
        barriers.lines,
        outlines(dedicated.polygons),
        outlines(compounds.polygons),
    ]
    faces = faces_of(np.concatenate(lines))
    points = inner_points(faces)
    place = first_containing(points, jurisdictions.pieces)
    faces, points, place = faces[place >= 0], points[place >= 0], place[place >= 0]
    owner = jurisdictions.owner[place]
    reserved = first_containing(points, dedicated.polygons)
    compound = np.where(reserved < 0, first_containing(points, compounds.polygons), -1)
    wet = first_containing(points, barriers.water) >= 0
    use = np.where(wet, WATER, LAND)
    use = np.where(reserved >= 0, DEDICATED, np.where(compound >= 0, COMPOUND, use))
    area = np.maximum(reserved, compound)
    return _whole_areas(faces, owner, use, area)


def _whole_areas(
    faces: Geometries, owner: Ints, use: Ints, area: Ints
) -> tuple[Geometries, Ints, Ints, Ints]:
    """Unite the faces of each named area inside one jurisdiction."""
    alone = np.where(area < 0, np.arange(len(faces)), -1)
    key = np.c_[owner, use, area, alone]
    _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
    polygons, keep = merge(faces, first[group.reshape(-1)])
    return polygons, owner[keep], use[keep], area[keep]


def _without_slivers(
    polygons: Geometries,
    use: Ints,
    area: Ints,
    strip: Bools,
    edges: SharedEdges,
    barriers: Barriers,
) -> Ints:
    """Group slivers with the neighbour they join: rather not across a barrier, and no hard one.

    Strips between tracks join a bank rather than the next strip along the tracks.
    """
    size = shapely.area(polygons)
    narrow = np.where(strip, STRIP, WIDTH)
    sliver = (size < AREA) | (widths(polygons) < narrow)
    near = sliver[edges.i] | sliver[edges.j]
    crossing = np.zeros(len(near), dtype=np.int64)
    points = shapely.points(edges.midpoints[near])
    crossing[near] += along(points, pieces_of(barriers.lines))
    crossing[near] += along(points, pieces_of(barriers.lines[barriers.hard]))
    contacts = pair_up(edges.i, edges.j, edges.length, len(polygons))
    crossed = pair_up(edges.i, edges.j, edges.length * crossing, len(polygons))
    rank = -np.rint(crossed.length / np.maximum(contacts.length, 1e-9)).astype(np.int64)
    rank[strip[contacts.i] & strip[contacts.j]] = -9
    joined = absorb(
        size,
        shapely.length(polygons),
        contacts,
        rank=rank,
        narrow=narrow,
        fixed=_main_pieces(size, use, area),
    )
    return _by_largest(joined, size)


def _main_pieces(size: Floats, use: Ints, area: Ints) -> Bools:
    """Tell which pieces are the largest of their named area, which never are slivers."""
    result = np.zeros(len(size), dtype=bool)
    special = np.flatnonzero(area >= 0)
    order = special[np.lexsort((size[special], area[special], use[special]))]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (area[order[1:]] != area[order[:-1]]) | (use[order[1:]] != use[order[:-1]])
    result[order[last]] = True
    return result


def _strips(polygons: Geometries, use: Ints, edges: SharedEdges, barriers: Barriers) -> Bools:
    """Tell which polygons are narrow strips between parallel tracks."""
    candidate = (widths(polygons) < STRIP) & (use == LAND)
    if not (candidate.any() and barriers.tracks.any()):
        return np.zeros(len(polygons), dtype=bool)
    near = candidate[edges.i] | candidate[edges.j]
    on_track = along(
        shapely.points(edges.midpoints[near]), pieces_of(barriers.lines[barriers.tracks])
    )
    length = edges.length[near] * on_track
    track = np.bincount(edges.i[near], weights=length, minlength=len(polygons))
    track += np.bincount(edges.j[near], weights=length, minlength=len(polygons))
    return np.asarray(candidate & (track >= TRACK_SHARE * shapely.length(polygons)))


def _without_ponds(n: int, use: Ints, edges: SharedEdges) -> Ints:
    """Group water that only one block touches with that block."""
    wet = use == WATER
    group = np.arange(n)
    touch = pair_up(edges.i, edges.j, edges.length, n)
    shore = wet[touch.i] != wet[touch.j]
    pond = np.where(wet[touch.i], touch.i, touch.j)[shore]
    bank = np.where(wet[touch.i], touch.j, touch.i)[shore]
    linked = np.zeros(n, dtype=bool)
    both = wet[touch.i] & wet[touch.j]
    linked[touch.i[both]] = linked[touch.j[both]] = True
    single = (np.bincount(pond, minlength=n) == 1) & ~linked
    alone = single[pond] & (use[bank] == LAND)
    group[pond[alone]] = bank[alone]
    return group


def _by_largest(group: Ints, size: Floats) -> Ints:
    """Renumber groups by their largest member, whose use and owner they take."""
    order = np.lexsort((-np.arange(len(size)), size))
    largest = np.empty(len(size), dtype=np.int64)
    largest[group[order]] = order
    return largest[group]
