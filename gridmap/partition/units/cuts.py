"""Where to cut an over-full block: between buildings, evenly, and through a wide gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from gridmap.units.inputs import Bools
from gridmap.units.noding import Floats, Geometries, Ints

GAP = 0.1
"""Metres that a cut needs between two places it separates."""
THIN = 10.0
"""Metres that should stay on both sides of a cut, up to the outline of the piece."""
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
