"""Over-full blocks split by straight lines between buildings, all blocks level by level.

Each piece over the cap is cut in two across or along its main axis, where the gap between
buildings is wide and the households on both sides are nearly even. A cut never passes through a
point; where it passes through a footprint or a parcel, the border is led round it afterwards.

The tree of cuts of each block, kept such that every branch is one connected piece.

A path names the way from the block down to a unit, a digit a cut. Cutting the path short at any
length gives a larger piece of the same block; where leading a border round a parcel has broken
such a piece, its parts become branches of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from gridmap._arrays import (
    Bools,
    Floats,
    Geometries,
    Ints,
    Objects,
    components,
    connected_parts,
    in_order,
    segments,
)
from gridmap.contiguity import Contacts
from gridmap.units.noding import LATTICE, containing

GAP = 0.1
"""Metres that a cut needs between two places it separates."""
THIN = 10.0
"""Metres that should stay on both sides of a cut, up to the outline of the piece."""
CLEAR = 1e-6
"""Metres within which a vertex lies on a cut."""
ALONG, WIDE, ROUND, SHAVED = 0.35, 0.3, 0.4, 0.8
"""Weights: cutting across the long axis; a wide gap; having to lead the border round a parcel;
shaving off a strip thinner than that."""


@dataclass(frozen=True)
class Items:
    """Places that are kept on one side of every cut.

    Attributes
    ----------
    xy : ndarray of float, shape (n, 2)
        A point of each.
    count : ndarray of int
        Households.
    piece : ndarray of int
        The polygon that holds it.
    corners, item : ndarray
        Corners of footprints, parcels or compounds, and the item of each. Items with none are
        points. Sorted by item.
    firm : ndarray of bool
        Items that a cut may not pass through at all.
    """

    xy: Floats
    count: Ints
    piece: Ints
    corners: Floats
    item: Ints
    firm: Bools


@dataclass(frozen=True)
class Cuts:
    """One cut a piece: the items on its near side, and the line n·x = c."""

    piece: Ints
    normal: Floats
    offset: Floats
    near: Bools  # of each item handed in
    has: Bools  # items whose piece is cut


def choose_cuts(polygons: Geometries, items: Items, chosen: Ints, piece: Ints) -> Cuts:
    """Return the best cut of each piece along either of its axes."""
    pieces, local = np.unique(piece, return_inverse=True)
    corners, corner_of = shapely.get_coordinates(polygons[pieces], return_index=True)
    first = np.searchsorted(corner_of, np.arange(len(pieces)))
    xy = items.xy[chosen]
    middle, angle = _axes(xy, local, len(pieces))
    best = np.full(len(pieces), -np.inf)
    normal, offset = np.zeros((len(pieces), 2)), np.zeros(len(pieces))
    last_near = np.full(len(pieces), -np.inf)
    position = np.zeros(len(chosen))
    for turn, bonus in ((0.0, ALONG), (np.pi / 2, 0.0)):
        n = np.c_[np.cos(angle + turn), np.sin(angle + turn)]
        at = ((xy - middle[local]) * n[local]).sum(axis=1)
        low, high = _extents(items, chosen, local, middle, n, at)
        reach = ((corners - middle[corner_of]) * n[corner_of]).sum(axis=1)
        outline = np.minimum.reduceat(reach, first), np.maximum.reduceat(reach, first)
        firm, count = items.firm[chosen], items.count[chosen]
        score, where, near = _score(at, low, high, firm, count, local, outline)
        better = score + bonus > best
        best = np.where(better, score + bonus, best)
        normal[better] = n[better]
        offset[better] = where[better] + (n * middle).sum(axis=1)[better]
        last_near[better] = near[better]
        position = np.where(better[local], at, position)
    ok = np.isfinite(best)
    return Cuts(pieces[ok], normal[ok], offset[ok], position <= last_near[local], ok[local])


def _axes(xy: Floats, local: Ints, n: int) -> tuple[Floats, Floats]:
    """Return the middle and the direction of the main axis of each group of points."""
    size = np.bincount(local, minlength=n)
    middle = np.c_[
        np.bincount(local, weights=xy[:, 0], minlength=n) / size,
        np.bincount(local, weights=xy[:, 1], minlength=n) / size,
    ]
    d = xy - middle[local]
    xx = np.bincount(local, weights=d[:, 0] ** 2, minlength=n)
    yy = np.bincount(local, weights=d[:, 1] ** 2, minlength=n)
    cross = np.bincount(local, weights=d[:, 0] * d[:, 1], minlength=n)
    return middle, 0.5 * np.arctan2(2 * cross, xx - yy)


def _extents(
    items: Items, chosen: Ints, local: Ints, middle: Floats, normal: Floats, at: Floats
) -> tuple[Floats, Floats]:
    """Return the lowest and highest position of each item along the normal of its piece."""
    low, high = at.copy(), at.copy()
    first = np.searchsorted(items.item, chosen, side="left")
    size = np.searchsorted(items.item, chosen, side="right") - first
    has = np.flatnonzero(size)
    if len(has):
        owner = np.repeat(has, size[has])
        start = np.cumsum(size[has]) - size[has]
        row = np.arange(len(owner)) - np.repeat(start - first[has], size[has])
        piece = local[owner]
        position = ((items.corners[row] - middle[piece]) * normal[piece]).sum(axis=1)
        low[has] = np.minimum(low[has], np.minimum.reduceat(position, start))
        high[has] = np.maximum(high[has], np.maximum.reduceat(position, start))
    return low, high


def _score(
    at: Floats,
    low: Floats,
    high: Floats,
    firm: Bools,
    count: Ints,
    local: Ints,
    outline: tuple[Floats, Floats],
) -> tuple[Floats, Floats, Floats]:
    """Return for each piece the best score, where to cut, and the last item before the cut."""
    n = int(local.max()) + 1
    order = np.lexsort((at, local))
    piece, at, low, high = local[order], at[order], low[order], high[order]
    firm, weight = firm[order], np.cumsum(count[order].astype(np.float64))
    starts = np.searchsorted(piece, np.arange(n))
    total = np.bincount(piece, weights=count[order], minlength=n)
    before = np.where(starts > 0, weight[starts - 1], 0.0)
    share = (weight - before[piece]) / np.maximum(total[piece], 1.0)
    reach = (np.maximum.reduceat(high, starts) - np.minimum.reduceat(low, starts))[piece]
    left, right = _hulls(low, high, piece, reach)
    firm_left, firm_right = _hulls(np.where(firm, low, at), np.where(firm, high, at), piece, reach)
    gap, room = right - left, firm_right - firm_left
    score = 1 - 2 * np.abs(share - 0.5) + WIDE * np.maximum(gap, 0.0) / np.maximum(reach, 1e-9)
    score -= np.where(gap < -GAP, ROUND, 0.0)
    middle = (left + right) / 2
    left_over = np.minimum(middle - outline[0][piece], outline[1][piece] - middle)
    score -= SHAVED * np.clip(1 - left_over / THIN, 0.0, 1.0)
    last = np.r_[piece[1:] != piece[:-1], True]
    score[last | (room < GAP)] = -np.inf
    best = np.lexsort((np.arange(len(piece)), -score, piece))[starts]
    where = np.clip(middle[best], firm_left[best] + GAP / 4, firm_right[best] - GAP / 4)
    return score[best], where, at[best]


def _hulls(low: Floats, high: Floats, piece: Ints, reach: Floats) -> tuple[Floats, Floats]:
    """Return, after each item, how far those before it reach and where those behind it begin."""
    step = 2 * reach.max() + 1.0
    shift = piece * step  # keeps the running extremes of a piece apart from the next piece's
    left = np.maximum.accumulate(high + shift) - shift
    right = np.minimum.accumulate((low + shift)[::-1])[::-1] - shift
    return left, np.r_[right[1:], right[-1:]]


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Pieces:
    """What splitting left.

    Attributes
    ----------
    polygons : ndarray of Polygon
        Pieces of the blocks.
    block : ndarray of int
        Position of the block of each.
    path : ndarray of str
        Place in the block's tree of cuts: a digit a level, "" for a block left whole.
    of_item : ndarray of int
        Piece of each item.
    cuts : ndarray of LineString
        The lines cut along, a little longer than needed.
    """

    polygons: Geometries
    block: Ints
    path: Objects
    of_item: Ints
    cuts: Geometries


def split(polygons: Geometries, items: Items, cap: int, may: Bools) -> Pieces:
    """Split polygons until none has more than `cap` households, or only one item.

    Parameters
    ----------
    polygons : array of Polygon
        Blocks.
    items : Items
        What lives in them.
    cap : int
        Most households of a piece.
    may : ndarray of bool
        Which polygons may be split.
    """
    polygons = polygons.copy()
    block = np.arange(len(polygons))
    path = np.full(len(polygons), "", dtype=object)
    open_ = may.copy()
    of_item = items.piece.copy()
    cuts: list[Geometries] = []
    while True:
        weight = np.bincount(of_item, weights=items.count, minlength=len(polygons))
        places = np.bincount(of_item, minlength=len(polygons))
        open_ &= (weight > cap) & (places > 1)
        if not open_.any():
            return Pieces(
                polygons, block, path, of_item, np.concatenate([*cuts, []]).astype(object)
            )
        chosen = np.flatnonzero(open_[of_item])
        found = choose_cuts(polygons, items, chosen, of_item[chosen])
        done = _cut(polygons, found, items.xy[chosen], of_item[chosen])
        open_[np.setdiff1d(np.flatnonzero(open_), done.parent)] = False
        if not len(done.parent):
            continue
        cuts.append(done.lines)
        first = len(polygons)
        of_item[chosen[done.moved]] = first + done.child
        polygons = np.concatenate([polygons, done.parts])
        block = np.concatenate([block, block[done.parent]])
        path = np.concatenate([path, path[done.parent] + done.digit])
        open_ = np.concatenate([open_, np.ones(len(done.parts), dtype=bool)])
        polygons, block, path, open_, of_item = _drop(
            np.unique(done.parent), polygons, block, path, open_, of_item
        )


@dataclass(frozen=True)
class _Done:
    """Pieces that were cut, with parts, and items with their part."""

    parent: Ints
    parts: Geometries
    digit: Any
    lines: Geometries
    moved: Ints
    child: Ints


def _cut(polygons: Geometries, cuts: Cuts, xy: Floats, piece: Ints) -> _Done:
    """Cut polygons in two or more connected parts and hand out the items."""
    whole = polygons[cuts.piece]
    near, far, chord = _halves(whole, cuts.normal, cuts.offset)
    parts, source, far_side = _parts(near, far)
    sides = np.zeros((len(whole), 2), dtype=np.int64)
    np.add.at(sides, (source, far_side.astype(np.int64)), 1)
    good = (sides > 0).all(axis=1) & (sides.sum(axis=1) <= len(DIGITS))
    keep = good[source]
    parts, source, far_side = parts[keep], source[keep], far_side[keep]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    moved = np.flatnonzero(cuts.has)
    place = np.searchsorted(cuts.piece, piece[moved])
    moved, place = moved[good[place]], place[good[place]]
    child = _hand_out(parts, source, far_side, xy[moved], place, ~cuts.near[moved])
    lines = _chords(chord[good])
    digit = np.array(list(DIGITS), dtype=object)[rank]
    return _Done(cuts.piece[source], parts, digit, lines, moved, child)


def _halves(
    polygons: Geometries, normal: Floats, offset: Floats
) -> tuple[Geometries, Geometries, Geometries]:
    """Return what of the polygons lies on both sides of n·x = c, and of the line inside them."""
    near, far, chord = (np.empty(len(polygons), dtype=object) for _ in range(3))
    plain, ring, corner, beyond, cut, crossing = _crossed_twice(polygons, normal, offset)
    chord[plain] = segments(crossing[cut].reshape(-1, 4))
    both = np.stack([corner, crossing], axis=1).reshape(-1, 2)
    for out, side in ((near, ~beyond), (far, beyond)):
        mine = np.stack([side, cut], axis=1).ravel()
        rings = shapely.linearrings(both[mine], indices=np.repeat(ring, 2)[mine])
        out[plain] = shapely.polygons(rings)
    rest = ~plain
    whole, n, c = polygons[rest], normal[rest], offset[rest]
    box = shapely.bounds(whole)
    reach = np.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])[:, None] + 1.0
    centre = (box[:, :2] + box[:, 2:]) / 2
    foot = centre + (c - (centre * n).sum(axis=1))[:, None] * n
    along, away = np.c_[-n[:, 1], n[:, 0]] * reach, n * 2 * reach
    a, b = foot - along, foot + along
    for out, other in ((near, -away), (far, away)):
        half = shapely.polygons(np.stack([a, b, b + other, a + other], axis=1))
        out[rest] = shapely.intersection(whole, half)
    chord[rest] = shapely.intersection(segments(np.hstack([a, b])), whole)
    return near, far, chord


def _crossed_twice(
    polygons: Geometries, normal: Floats, offset: Floats
) -> tuple[Bools, Ints, Floats, Bools, Bools, Floats]:
    """Tell which polygons a line leaves in two, as most are: no hole, and two crossings.

    Then for each edge of these: the polygon, from 0; where it starts, and whether beyond the
    line; whether and where it crosses the line.
    """
    xy, ring = shapely.get_coordinates(shapely.get_exterior_ring(polygons), return_index=True)
    first = xy[np.flatnonzero(np.diff(ring, prepend=-1))]  # with it the numbers are short
    height = ((xy - first[ring]) * normal[ring]).sum(axis=1)
    height -= (offset - (first * normal).sum(axis=1))[ring]
    start = np.flatnonzero(np.diff(ring, append=-1) == 0)
    one, other = height[start], height[start + 1]
    cut = (one > 0) != (other > 0)
    clear = np.bincount(ring[start], weights=cut, minlength=len(polygons)) == 2
    clear &= shapely.get_num_interior_rings(polygons) == 0
    clear[ring[np.abs(height) < CLEAR]] = False
    kept = clear[ring[start]]
    start, one, other, cut = start[kept], one[kept], other[kept], cut[kept]
    share = (one / np.where(cut, one - other, 1.0))[:, None]
    crossing = xy[start] + share * (xy[start + 1] - xy[start])
    number = (np.cumsum(clear) - 1)[ring[start]]
    return clear, number, xy[start], one > 0, cut, crossing


def _parts(near: Geometries, far: Geometries) -> tuple[Geometries, Ints, Bools]:
    """Return the polygons of both halves, sorted by source, the near half first."""
    both = np.concatenate([near, far])
    parts, source = shapely.get_parts(both, return_index=True)
    real = (shapely.get_type_id(parts) == 3) & (shapely.area(parts) > LATTICE)
    parts, source = parts[real], source[real]
    far_side = source >= len(near)
    source = source % max(len(near), 1)
    order = np.lexsort((far_side, source))
    return parts[order], source[order], far_side[order]


def _hand_out(
    parts: Geometries, source: Ints, far_side: Bools, xy: Floats, place: Ints, far: Bools
) -> Ints:
    """Return the part of each item: the only one on its side, else the one that holds it."""
    key, wanted = source * 2 + far_side, place * 2 + far
    first = np.searchsorted(key, wanted, side="left")
    several = np.searchsorted(key, wanted, side="right") - first > 1
    child = first.copy()
    if several.any():
        rows = np.flatnonzero(several)
        point, part = containing(shapely.points(xy[rows]), parts)
        own = key[part] == wanted[rows[point]]
        child[rows[point[own]]] = part[own]
    return np.asarray(child, dtype=np.int64)


def _chords(lines: Geometries) -> Geometries:
    """Return lines inside polygons, longer by a few steps of the lattice at both ends."""
    chords = shapely.get_parts(lines)
    chords = chords[(shapely.get_type_id(chords) == 1) & (shapely.length(chords) > LATTICE)]
    ends = shapely.get_coordinates(
        np.concatenate([shapely.get_point(chords, 0), shapely.get_point(chords, -1)])
    )
    start, end = ends[: len(chords)], ends[len(chords) :]
    step = end - start
    step *= 4 * LATTICE / np.maximum(np.hypot(step[:, 0], step[:, 1]), LATTICE)[:, None]
    return np.asarray(
        shapely.linestrings(np.stack([start - step, end + step], axis=1)), dtype=object
    )


def _drop(
    gone: Ints,
    polygons: Geometries,
    block: Ints,
    path: Any,
    open_: Bools,
    of_item: Ints,
) -> tuple[Geometries, Ints, Any, Bools, Ints]:
    """Forget pieces that were cut."""
    keep = np.ones(len(polygons), dtype=bool)
    keep[gone] = False
    new = np.cumsum(keep) - 1
    return polygons[keep], block[keep], path[keep], open_[keep], new[of_item]


def settle(block: Ints, path: Objects, contacts: Contacts) -> tuple[Ints, Objects]:
    """Return blocks and paths with which every branch is connected, and each leaf is one unit.

    Parameters
    ----------
    block : ndarray of int
        Block of each unit.
    path : ndarray of str
        Its place in the block's tree of cuts.
    contacts : Contacts
        Between the units; those too short to make neighbours do not connect.

    Returns
    -------
    block : ndarray of int
        Numbered from 0 by first unit; a block in several parts has become several.
    path : ndarray of str
        Unchanged in blocks that were in order.
    """
    broken = np.flatnonzero(_broken(block, path, contacts)[block])
    if not len(broken):
        return in_order(block), path
    neighbours = _neighbours(len(block), contacts)
    new_block, new_path = block.copy(), path.copy()
    number = int(block.max()) + 1
    broken = broken[np.argsort(block[broken], kind="stable")]
    for members in np.split(broken, np.flatnonzero(np.diff(block[broken])) + 1):
        for part in connected_parts(members.tolist(), neighbours):
            new_block[part] = number
            number += 1
            _grow(part, path, 0, "", new_path, neighbours)
    return in_order(new_block), new_path


def _broken(block: Ints, path: Objects, contacts: Contacts) -> Bools:
    """Tell which blocks have a branch in several parts, or two units in one place."""
    n, long = len(block), contacts.neighbours
    i, j = contacts.i[long], contacts.j[long]
    text = path.astype(str)
    digits = np.ascontiguousarray(text).view(np.uint32).reshape(n, -1).astype(np.int64)
    result = np.zeros(int(block.max()) + 1, dtype=bool)
    key = block.astype(np.int64)
    for depth in range(digits.shape[1] + 1):
        same = key[i] == key[j]
        part = components(n, i[same], j[same])
        _, first = np.unique(part, return_index=True)
        branch, times = np.unique(key[first], return_counts=True)
        result[block[np.isin(key, branch[times > 1])]] = True
        if depth < digits.shape[1]:
            step = key * (int(digits.max()) + 1) + digits[:, depth]
            key = np.unique(step, return_inverse=True)[1]
    _, place, times = np.unique(key, return_inverse=True, return_counts=True)
    result[block[times[place] > 1]] = True
    return result


def _grow(
    members: list[int],
    path: Objects,
    depth: int,
    prefix: str,
    new_path: Objects,
    neighbours: list[list[int]],
) -> None:
    """Give a connected branch its paths, going down until its units are alone."""
    while len(members) > 1:
        branches = _branches(members, path, depth, neighbours)
        if len(branches) > 1:
            more = (chr(0xC0 + k) for k in range(len(branches)))  # accented, beyond the 62 digits
            for digit, branch in zip([*DIGITS, *more], branches, strict=False):
                _grow(branch, path, depth + 1, prefix + digit, new_path, neighbours)
            return
        depth += 1
    new_path[members[0]] = prefix


def _branches(
    members: list[int], path: Objects, depth: int, neighbours: list[list[int]]
) -> list[list[int]]:
    """Return the connected parts of each branch below; units that end here stand alone."""
    below: dict[str, list[int]] = {}
    ended = []
    for unit in members:
        digit = path[unit][depth : depth + 1]
        if digit:
            below.setdefault(digit, []).append(unit)
        else:
            ended.append([unit])
    parts = [part for digit in sorted(below) for part in connected_parts(below[digit], neighbours)]
    return ended + parts


def _neighbours(n: int, contacts: Contacts) -> list[list[int]]:
    """Return the neighbours of each unit."""
    long = contacts.neighbours
    result: list[list[int]] = [[] for _ in range(n)]
    for i, j in zip(contacts.i[long].tolist(), contacts.j[long].tolist(), strict=True):
        result[i].append(j)
        result[j].append(i)
    return result
