"""Over-full blocks split by straight lines between buildings, all blocks level by level.

Each piece over the cap is cut in two across or along its main axis, where the gap between
buildings is wide and the households on both sides are nearly even. A cut never passes through a
point; where it passes through a footprint or a parcel, the border is led round it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from gridmap.partition.units.cuts import Cuts, Items, choose_cuts
from gridmap.units.inputs import Bools
from gridmap.units.noding import LATTICE, Floats, Geometries, Ints, containing

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
    path: np.typing.NDArray[np.object_]
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
    near, far, line = _halves(whole, cuts.normal, cuts.offset)
    parts, source, far_side = _parts(
        shapely.intersection(whole, near), shapely.intersection(whole, far)
    )
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
    lines = _chords(line[good], whole[good])
    digit = np.array(list(DIGITS), dtype=object)[rank]
    return _Done(cuts.piece[source], parts, digit, lines, moved, child)


def _halves(
    polygons: Geometries, normal: Floats, offset: Floats
) -> tuple[Geometries, Geometries, Geometries]:
    """Return rectangles on both sides of n·x = c that cover the polygons, and the line."""
    box = shapely.bounds(polygons)
    reach = np.hypot(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])[:, None] + 1.0
    centre = (box[:, :2] + box[:, 2:]) / 2
    foot = centre + (offset - (centre * normal).sum(axis=1))[:, None] * normal
    along = np.c_[-normal[:, 1], normal[:, 0]] * reach
    away = normal * 2 * reach
    a, b = foot - along, foot + along
    near = shapely.polygons(np.stack([a, b, b - away, a - away], axis=1))
    far = shapely.polygons(np.stack([a, b, b + away, a + away], axis=1))
    return near, far, shapely.linestrings(np.stack([a, b], axis=1))


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


def _chords(lines: Geometries, polygons: Geometries) -> Geometries:
    """Return the lines inside the polygons, longer by a few steps of the lattice at both ends."""
    chords = shapely.get_parts(shapely.intersection(lines, polygons))
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
