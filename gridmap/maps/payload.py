"""Pack a coverage into the shared arcs that the browser paints.

Neighbours share their border once, as an *arc*: the run of vertices between two junctions.
Coordinates are rounded in EPSG:3857 vertex by vertex, so two cells that shared a vertex still
share it, and whatever the rounding does to a shape, no false gap can open between two cells.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints
from gridmap._checks import label
from gridmap.crs.project import transformer
from gridmap.errors import InputError

FINE, COARSE = 0.25, 1.0  # metres of EPSG:3857 that one step of the payload stands for
MANY_VERTICES = 150_000
WORLD = 1e8
"""Metres from its middle that EPSG:3857 nowhere reaches, close as it goes to a pole."""


class Arcs(NamedTuple):
    """Shared arcs and the rings made of them, all as flat arrays."""

    x: Ints
    y: Ints
    arc_start: Ints
    ring_start: Ints
    ring_owner: Ints
    uses: Ints  # 2 * arc + (1 if walked backwards), ring after ring


def web_mercator(geometries: npt.ArrayLike, crs: Any) -> Geometries:
    """Move geometries to EPSG:3857 vertex by vertex, so that shared vertices stay shared.

    Raises
    ------
    InputError
        When a vertex lies nowhere on the map, as with the CRS of another zone.
    """
    shapes = np.asarray(geometries, dtype=object)
    same = pyproj.CRS(crs) == pyproj.CRS(3857)
    move = transformer(crs, 3857).transform

    def moved(xy: Floats) -> Floats:
        places = xy if same else np.column_stack(move(xy[:, 0], xy[:, 1]))
        off = np.flatnonzero(~(np.abs(places) < WORLD).all(axis=1))
        if len(off):
            x, y = xy[off[0]].tolist()
            raise InputError(
                "The place {x:.12g} {y:.12g} in {crs} lies nowhere on a map. Declare the CRS that "
                "the coordinates are in (`set_crs`, --crs), or leave the map out.",
                x=x,
                y=y,
                crs=label(pyproj.CRS(crs)),
            )
        return places

    result: Geometries = shapely.transform(shapes, moved)
    return result


def payload(mercator: npt.ArrayLike, *, quantum: float | None = None) -> dict[str, Any]:
    """Pack polygons in EPSG:3857 into a JSON-able payload of shared arcs.

    Parameters
    ----------
    mercator
        Polygons or multipolygons in EPSG:3857, one a cell.
    quantum
        Metres of EPSG:3857 that coordinates are rounded to; by default a quarter of a metre,
        or one metre when there are many vertices.

    Examples
    --------
    >>> packed = payload(shapely.box([0, 6], 0, [6, 9], 4), quantum=1.0)
    >>> packed["cells"], packed["arcs"]
    (2, 3)
    """
    shapes = shapely.orient_polygons(shapely.force_2d(np.asarray(mercator, dtype=object)))
    if quantum is None:
        quantum = COARSE if shapely.get_num_coordinates(shapes).sum() > MANY_VERTICES else FINE
    some = bool((~shapely.is_empty(shapes)).any())
    origin = np.floor(shapely.total_bounds(shapes)[:2]) if some else np.zeros(2)
    arcs = cut(shapes, origin, quantum)
    return {
        "cells": len(shapes),
        "arcs": len(arcs.arc_start) - 1,
        "origin": [float(origin[0]), float(origin[1])],
        "quantum": quantum,
        "parts": [base64.b64encode(part).decode() for part in _encode(arcs, len(shapes))],
    }


def cut(shapes: Geometries, origin: Floats, quantum: float) -> Arcs:
    """Round the rings of polygons and cut them into arcs where more than two borders meet."""
    rings, owner = _rings(shapes)
    xy, ring_of = shapely.get_coordinates(rings, return_index=True)
    steps = np.rint((xy - origin) / quantum).astype(np.int64)
    x, y, starts, alive = _without_repeats(steps, ring_of, len(rings))
    owner = owner[alive]
    if not len(owner):
        none, zero = np.zeros(0, np.int64), np.zeros(1, np.int64)
        return Arcs(none, none, zero, zero, none, none)
    vertex = _vertex_ids(x, y)
    following = _following(starts)
    edge, forward = _edge_ids(vertex, vertex[following])
    junction = _junctions(vertex, edge, starts)
    return _arcs(x, y, starts, owner, edge, forward, junction)


def _rings(shapes: Geometries) -> tuple[Geometries, Ints]:
    parts, part_owner = shapely.get_parts(shapes, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    return rings, np.asarray(part_owner, dtype=np.int64)[ring_part]


def _without_repeats(steps: Ints, ring_of: Ints, count: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Drop closing and repeated vertices, and rings that rounding left without an area."""
    last, same = np.ones(len(steps), bool), np.zeros(len(steps), bool)
    last[:-1] = ring_of[1:] != ring_of[:-1]
    same[:-1] = (steps[1:] == steps[:-1]).all(axis=1)
    keep = ~last & ~same  # the closing vertex repeats the first one
    ring_of, steps = ring_of[keep], steps[keep]
    size = np.bincount(ring_of, minlength=count)
    alive = np.flatnonzero(size >= 3)
    steps = steps[size[ring_of] >= 3]
    starts = np.concatenate([[0], np.cumsum(size[alive])]).astype(np.int64)
    return steps[:, 0], steps[:, 1], starts, alive


def _vertex_ids(x: Ints, y: Ints) -> Ints:
    if not len(x):
        return np.zeros(0, np.int64)
    key = (x - x.min()) * (int(y.max() - y.min()) + 1) + (y - y.min())
    return np.unique(key, return_inverse=True)[1].astype(np.int64)


def _following(starts: Ints) -> Ints:
    following = np.arange(1, starts[-1] + 1, dtype=np.int64)
    following[starts[1:] - 1] = starts[:-1]
    return following


def _edge_ids(a: Ints, b: Ints) -> tuple[Ints, Bools]:
    low, high = np.minimum(a, b), np.maximum(a, b)
    key = low * (int(high.max(initial=0)) + 1) + high
    return np.unique(key, return_inverse=True)[1].astype(np.int64), a < b


def _junctions(vertex: Ints, edge: Ints, starts: Ints) -> Bools:
    """Tell which vertices end an arc.

    Those where other than two borders meet or one turns back, and one on each loop.
    """
    following = _following(starts)
    _, first = np.unique(edge, return_index=True)
    degree = np.bincount(vertex[first], minlength=vertex.max(initial=-1) + 1)
    degree += np.bincount(vertex[following[first]], minlength=len(degree))
    ends = degree != 2
    ends[vertex[following[edge == edge[following]]]] = True  # where rounding made a ring turn back
    if len(starts) > 1:
        free = ~np.logical_or.reduceat(ends[vertex], starts[:-1])
        ends[np.minimum.reduceat(vertex, starts[:-1])[free]] = True
    junction: Bools = ends[vertex]
    return junction


def _arcs(
    x: Ints, y: Ints, starts: Ints, owner: Ints, edge: Ints, forward: Bools, junction: Bools
) -> Arcs:
    ring = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = _turned_to_junction(starts, ring, junction)
    begin = np.flatnonzero(junction[order])
    stop = np.append(begin[1:], len(order))
    key, walked = _smallest_edge(edge[order], forward[order], begin)
    _, original, arc = np.unique(key, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(original, kind="stable"), kind="stable")
    backwards = walked != walked[original][arc]
    chosen = np.sort(original)
    px, py, arc_start = _arc_vertices(x, y, order, begin, stop, ring, starts, chosen)
    uses = 2 * rank[arc] + backwards
    per_ring = np.bincount(ring[order[begin]], minlength=len(starts) - 1)
    ring_start = np.concatenate([[0], np.cumsum(per_ring)]).astype(np.int64)
    return Arcs(px, py, arc_start, ring_start, owner, uses.astype(np.int64))


def _turned_to_junction(starts: Ints, ring: Ints, junction: Bools) -> Ints:
    """Order the vertices of each ring so that it starts at its first junction."""
    size = np.diff(starts)
    place = np.arange(starts[-1]) - starts[:-1][ring]
    first = np.minimum.reduceat(np.where(junction, place, starts[-1]), starts[:-1])
    order = starts[:-1][ring] + (place + first[ring]) % size[ring]
    return order.astype(np.int64)


def _smallest_edge(edge: Ints, forward: Bools, begin: Ints) -> tuple[Ints, Bools]:
    """Name each arc by its smallest edge, and tell in which direction that edge is walked."""
    smallest = np.minimum.reduceat(edge, begin)
    arc = np.repeat(np.arange(len(begin)), np.diff(np.append(begin, len(edge))))
    at = np.flatnonzero(edge == smallest[arc])
    _, once = np.unique(arc[at], return_index=True)
    return smallest, forward[at[once]]


def _arc_vertices(
    x: Ints, y: Ints, order: Ints, begin: Ints, stop: Ints, ring: Ints, starts: Ints, chosen: Ints
) -> tuple[Ints, Ints, Ints]:
    """Gather the vertices of the chosen arcs, each with the junction it ends at."""
    length = stop[chosen] - begin[chosen] + 1
    arc_start = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    within = np.arange(arc_start[-1]) - np.repeat(arc_start[:-1], length)
    place = np.repeat(begin[chosen], length) + within
    ring_of = np.repeat(ring[order[begin[chosen]]], length)
    wrapped = np.where(place < starts[1:][ring_of], place, starts[:-1][ring_of])
    at = order[wrapped]
    return x[at], y[at], arc_start


def _encode(arcs: Arcs, cells: int) -> list[bytes]:
    """Write arcs as variable-length integers: arc lengths, steps, ring counts, uses."""
    flat = np.column_stack([arcs.x, arcs.y])
    steps = np.diff(flat, axis=0, prepend=np.zeros((1, 2), np.int64)).ravel()
    rings = np.bincount(arcs.ring_owner, minlength=cells)
    sizes = np.diff(arcs.ring_start)
    uses = np.diff(arcs.uses, prepend=np.int64(0))
    return [
        _varints(np.diff(arcs.arc_start)),
        _varints(_zigzag(steps)),
        _varints(rings),
        _varints(sizes),
        _varints(_zigzag(uses)),
    ]


def packed(values: Sequence[Any], digits: int = 0) -> dict[str, Any] | list[Any]:
    """Write numbers of so many decimals, or none, in few bytes; anything else stays as it is.

    Examples
    --------
    >>> packed([3, 3, 3, 3, None])
    {'digits': 0, 'runs': 'BwQAAQ=='}
    >>> packed(["a", "b"])
    ['a', 'b']
    """
    known = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in known) or not known:
        return list(values)
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    held = np.isfinite(numbers)
    if (np.abs(numbers[held]) > 2**45 / 10**digits).any():
        return list(values)
    steps = np.rint(np.where(held, numbers, 0) * 10**digits).astype(np.int64)
    written = np.where(held, _zigzag(steps) + 1, 0)
    starts = np.flatnonzero(np.diff(written, prepend=-1))
    lengths = np.diff(np.append(starts, len(written)))
    runs = _varints(np.column_stack([written[starts], lengths]).ravel())
    each = _varints(written)
    kind, text = ("runs", runs) if len(runs) < len(each) else ("each", each)
    return {"digits": digits, kind: base64.b64encode(text).decode()}


def rice(rising: Ints) -> dict[str, Any]:
    """Write whole numbers that never fall by their gaps, each in about as many bits as it needs.

    A gap is its upper bits as so many noughts and a one, then its lower ``bits`` bits (Rice 1979).

    Examples
    --------
    >>> rice(np.array([2, 2, 9]))
    {'count': 3, 'bits': 1, 'text': 'CgM='}
    """
    gaps = np.diff(rising, prepend=np.int64(0))
    mean = float(gaps.mean()) if len(gaps) else 0.0
    bits = max(0, int(np.log2(max(0.69 * mean, 1.0))))
    upper = gaps >> bits
    start = np.concatenate([[0], np.cumsum(upper + 1 + bits)])
    sheet = np.zeros(start[-1], np.uint8)
    sheet[start[:-1] + upper] = 1
    for bit in range(bits):
        sheet[start[:-1] + upper + 1 + bit] = (gaps >> bit) & 1
    text = base64.b64encode(np.packbits(sheet, bitorder="little").tobytes()).decode()
    return {"count": len(gaps), "bits": bits, "text": text}


def _zigzag(values: Ints) -> Ints:
    return (values << 1) ^ (values >> 63)


def _varints(values: Ints) -> bytes:
    """Write non-negative integers seven bits a byte, low bits first, as protocol buffers do."""
    values = np.asarray(values, dtype=np.int64)
    if not len(values):
        return b""
    width = np.ones(len(values), np.int64)
    for bits in range(7, 63, 7):
        width += values >= (1 << bits)
    ends = np.cumsum(width)
    out = np.zeros(ends[-1], np.uint8)
    for byte in range(int(width.max())):
        has = width > byte
        more = np.where(width[has] > byte + 1, 128, 0)
        out[(ends - width)[has] + byte] = ((values[has] >> (7 * byte)) & 127) | more
    return out.tobytes()
