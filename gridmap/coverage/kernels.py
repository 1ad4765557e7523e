"""The kernels of the proof for large input, compiled: orient rings, cancel edges, hash, test.

Each has a twin in NumPy or shapely that gives the same answer; this module is imported only when
the input is large enough to repay it.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

from gridmap._arrays import Array, Bools, Floats, Ints, Ints8, Ints32, Words
from gridmap._checks import is_private

F = TypeVar("F", bound=Callable[..., Any])

_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_X, _Y = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_LANE = np.uint64(0x165667B19E3779F9)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)
_ERROR = (3.0 + 16.0 * 2.0**-53) * 2.0**-53
_ALL_PAIRS_UP_TO = 256
_ROUNDED = 1.0 + 2.0**-40  # a square beside the square of a rounded root


def compiled(function: F) -> F:
    """Compile a kernel; keep the machine code on disk only where nobody else could put some."""
    return _compile(function)


def bare(function: F) -> F:
    """Compile a kernel that makes no arrays and returns none, so that nobody counts their users.

    Counting takes more than half of a long loop over arrays that stand in a named tuple.
    """
    return _compile(function, counting=False)


def inlined(function: F) -> F:
    """Compile a small kernel, bare as above, into those that call it."""
    return _compile(function, counting=False, within=True)


def _compile(function: F, *, counting: bool = True, within: bool = False) -> F:
    flags: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    flags |= {"forceinline": within, "_nrt": counting}
    kept_on_disk, at_once = (numba.njit(cache=keep, **flags) for keep in (True, False))
    try:
        kernel = kept_on_disk(function)
        kept = Path(kernel.stats.cache_path)
        if all(map(is_private, [kept, *kept.glob(f"*.{function.__name__}-*")])):
            _forget_what_is_strange(kernel)
            return cast(F, kernel)
    except (RuntimeError, OSError, TypeError):  # no folder for the cache, or none to write into
        pass
    return cast(F, at_once(function))


def _forget_what_is_strange(kernel: Any) -> None:
    """Empty a cache that cannot be read: cut short, or naming types that another version had.

    numba looks only afterwards whether the cache belongs to the source.
    """
    try:
        kernel._cache._cache_file._load_index()
    except (ImportError, AttributeError, EOFError, pickle.UnpicklingError):
        kernel._cache.flush()


@inlined
def mix(z: Any) -> Any:
    """Return a word that depends on every bit of another (Steele, Lea and Flood 2014)."""
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@compiled
def signed_areas(xy: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """Return twice the signed area of each ring, and the sum of the sizes of its terms."""
    rings = len(starts) - 1
    twice, size = np.zeros(rings), np.zeros(rings)
    for r in range(rings):
        x0, y0 = xy[starts[r], 0], xy[starts[r], 1]
        for i in range(starts[r], starts[r + 1] - 1):
            cross = (xy[i, 0] - x0) * (xy[i + 1, 1] - y0) - (xy[i + 1, 0] - x0) * (xy[i, 1] - y0)
            twice[r] += cross
            size[r] += abs(cross)
    return twice, size


@compiled
def _same_edge(xy: Floats, i: int, j: int) -> int:
    """Return 1 for equal edges, -1 for opposite ones, 0 for different ones."""
    if (
        xy[i, 0] == xy[j, 0]
        and xy[i, 1] == xy[j, 1]
        and xy[i + 1, 0] == xy[j + 1, 0]
        and xy[i + 1, 1] == xy[j + 1, 1]
    ):
        return 1
    if (
        xy[i, 0] == xy[j + 1, 0]
        and xy[i, 1] == xy[j + 1, 1]
        and xy[i + 1, 0] == xy[j, 0]
        and xy[i + 1, 1] == xy[j, 1]
    ):
        return -1
    return 0


@compiled
def _vertex_words(raw: Words) -> Words:
    words = np.empty(len(raw), dtype=np.uint64)
    for i in range(len(raw)):
        words[i] = mix(mix(raw[i, 0] + _X) + raw[i, 1] * _Y)
    return words


@compiled
def _table(
    xy: Floats,
    words: Words,
    starts: Ints,
    turn: Ints8,
    group: Ints,
    slot_of: Ints32,
    first: Array,
) -> Ints32:
    """Put every edge into a hash table; return the net count of each slot.

    `first` receives the first vertex of each slot. `slot_of` receives the slot of each edge, by its
    first vertex, unless it is empty.
    """
    capacity = len(first)
    mask = np.uint64(capacity - 1)
    net = np.zeros(capacity, dtype=np.int32)
    grouped = len(group) > 0
    slot_group = np.zeros(capacity if grouped else 1, dtype=np.int64)
    for r in range(len(turn)):
        salt = mix(np.uint64(group[r] + 1)) if grouped else np.uint64(0)
        for i in range(starts[r], starts[r + 1] - 1):
            if xy[i, 0] == xy[i + 1, 0] and xy[i, 1] == xy[i + 1, 1]:
                continue
            slot = mix((words[i] + words[i + 1]) ^ salt) & mask
            while True:
                j = first[slot]
                if j < 0:
                    first[slot] = i
                    net[slot] = turn[r]
                    if grouped:
                        slot_group[slot] = group[r]
                    break
                if not grouped or slot_group[slot] == group[r]:
                    same = _same_edge(xy, i, j)
                    if same != 0:
                        net[slot] += same * turn[r]
                        break
                slot = (slot + np.uint64(1)) & mask
            if len(slot_of) > 0:
                slot_of[i] = slot
    return net


def _free_slots(vertices: int) -> Array:
    """Return slots for the edges between so many vertices, in integers no wider than needed."""
    capacity = 16
    while 3 * capacity < 4 * vertices:
        capacity *= 2
    return np.full(capacity, -1, dtype=np.int32 if vertices < 2**31 else np.int64)


@compiled
def _open_count(net: Ints32) -> int:
    count = 0
    for k in range(len(net)):
        count += net[k] != 0
    return count


def leftover_count(
    xy: Floats,
    words: Words,
    starts: Ints,
    turn: Ints8,
    group: Ints,
) -> int:
    """Return how many different edges do not cancel; no group is an empty array."""
    unasked = np.empty(0, dtype=np.int32)
    net = _table(xy, words, starts, turn, group, unasked, _free_slots(len(xy)))
    return int(_open_count(net))


def vertex_words(xy: Floats) -> Words:
    """Return the hash of each vertex."""
    return _vertex_words(xy.view(np.uint64))


def uncancelled(
    edges: Floats,
) -> tuple[Ints, Ints, Ints]:
    """Return the members of each edge that does not cancel, where its run begins, and its net."""
    xy = edges.reshape(-1, 2)
    starts = np.arange(0, len(xy) + 1, 2, dtype=np.int64)
    slot_of = np.full(len(xy), -1, dtype=np.int32)
    turn = np.ones(len(edges), dtype=np.int8)
    none = np.empty(0, dtype=np.int64)
    first = _free_slots(len(xy))
    net = _table(xy, vertex_words(xy), starts, turn, none, slot_of, first)
    slots = slot_of[::2].astype(np.int64)
    members = np.flatnonzero((slots >= 0) & (net[slots] != 0))
    members = members[np.argsort(slots[members], kind="stable")]
    run = slots[members]
    heads = np.flatnonzero(np.concatenate([[True], run[1:] != run[:-1]])) if len(run) else none
    runs = np.append(heads, len(members)).astype(np.int64)
    oriented = edges[first[run[heads]] // 2] if len(heads) else edges[:0]
    up = (oriented[:, 0] < oriented[:, 2]) | (
        (oriented[:, 0] == oriented[:, 2]) & (oriented[:, 1] < oriented[:, 3])
    )
    return members, runs, np.where(up, 1, -1) * net[run[heads]].astype(np.int64)


@compiled
def ring_sums(
    xy: Floats,
    words: Words,
    starts: Ints,
    turn: Ints8,
    owner: Ints,
    polygons: int,
) -> Words:
    """Return two words a polygon: sums over its directed edges."""
    sums = np.zeros((polygons, 2), dtype=np.uint64)
    for r in range(len(turn)):
        low, high = np.uint64(0), np.uint64(0)
        for i in range(starts[r], starts[r + 1] - 1):
            if xy[i, 0] == xy[i + 1, 0] and xy[i, 1] == xy[i + 1, 1]:
                continue
            a, b = words[i], words[i + 1]
            if turn[r] < 0:
                a, b = b, a
            word = mix(a * _X + b)
            low += word
            high += mix(word ^ _LANE)
        sums[owner[r], 0] += low
        sums[owner[r], 1] += high
    return sums


@compiled
def _side(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> int:
    """Return 1 or -1 where rounding cannot change the side, 0 where it might."""
    left = (bx - ax) * (py - ay)
    right = (by - ay) * (px - ax)
    determinant = left - right
    bound = _ERROR * (abs(left) + abs(right)) + 1e-280
    if determinant > bound:
        return 1
    if determinant < -bound:
        return -1
    return 0


@compiled
def _apart(xy: Floats, i: int, j: int) -> bool:
    """Tell that two steps of a ring surely do not meet."""
    ax, ay, bx, by = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
    cx, cy, dx, dy = xy[j, 0], xy[j, 1], xy[j + 1, 0], xy[j + 1, 1]
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx):
        return True
    if max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return True
    if _side(ax, ay, bx, by, cx, cy) * _side(ax, ay, bx, by, dx, dy) > 0:
        return True
    return bool(_side(cx, cy, dx, dy, ax, ay) * _side(cx, cy, dx, dy, bx, by) > 0)


@compiled
def _goes_on(xy: Floats, i: int, j: int) -> bool:
    """Tell that step j, which follows step i, surely does not fold back onto it."""
    ax, ay, bx, by = xy[i, 0], xy[i, 1], xy[i + 1, 0], xy[i + 1, 1]
    cx, cy = xy[j + 1, 0], xy[j + 1, 1]
    if _side(ax, ay, bx, by, cx, cy) != 0:
        return True
    return bool((bx - ax) * (cx - bx) + (by - ay) * (cy - by) > 0)


@compiled
def _surely_simple_swept(
    xy: Floats,
    first: int,
    steps: int,
    low: Floats,
    high: Floats,
) -> bool:
    """Tell the same for a long ring, by a sweep from west to east."""
    order = np.argsort(low[:steps])
    for k in range(steps):
        i = order[k]
        for m in range(k + 1, steps):
            j = order[m]
            if low[j] > high[i]:
                break
            gap = abs(i - j)
            if gap > 1 and gap < steps - 1 and not _apart(xy, first + i, first + j):
                return False
    return True


@compiled
def _surely_simple(xy: Floats, first: int, last: int, box: Floats) -> bool:
    """Tell that no two steps of the ring first..last meet except where they follow each other."""
    steps = last - first
    if steps < 3:
        return False
    for i in range(first, last):
        if not _goes_on(xy, i, i + 1 if i + 1 < last else first):
            return False
    low_x, high_x, low_y, high_y = box[0], box[1], box[2], box[3]
    for k in range(steps):
        i = first + k
        low_x[k], high_x[k] = min(xy[i, 0], xy[i + 1, 0]), max(xy[i, 0], xy[i + 1, 0])
        low_y[k], high_y[k] = min(xy[i, 1], xy[i + 1, 1]), max(xy[i, 1], xy[i + 1, 1])
    if steps > _ALL_PAIRS_UP_TO:
        return bool(_surely_simple_swept(xy, first, steps, low_x, high_x))
    for i in range(steps - 2):
        stop = steps - 1 if i == 0 else steps
        x0, x1, y0, y1 = low_x[i], high_x[i], low_y[i], high_y[i]
        near = np.int64(0)
        for j in range(i + 2, stop):  # without a branch, so that it runs on vectors
            near += (
                np.int64(low_x[j] <= x1)
                & np.int64(high_x[j] >= x0)
                & np.int64(low_y[j] <= y1)
                & np.int64(high_y[j] >= y0)
            )
        if near > 0:
            for j in range(i + 2, stop):
                if not _apart(xy, first + i, first + j):
                    return False
    return True


@compiled
def surely_simple(xy: Floats, starts: Ints) -> Bools:
    """Tell which rings surely do not touch or cross themselves; the others need a closer look."""
    sure, longest = np.zeros(len(starts) - 1, dtype=np.bool_), np.int64(0)
    for r in range(len(sure)):
        longest = max(longest, starts[r + 1] - starts[r])
    box = np.empty((4, longest))
    for r in range(len(starts) - 1):
        sure[r] = _surely_simple(xy, starts[r], starts[r + 1] - 1, box)
    return sure


@compiled
def nearest_segments(
    x: Floats, y: Floats, ends: Floats, boxes: Floats, size: int, rank: Ints32, reach: float
) -> tuple[Ints, Floats]:
    """Return the nearest segment of each point, of equally near ones that of lowest rank.

    Block k of `size` segments lies in box k. Distances are computed as GEOS does. Beyond reach
    the segment is -1 and the distance NaN.
    """
    found, far = np.full(len(x), -1, dtype=np.int64), np.full(len(x), np.nan)
    apart = np.empty(len(boxes))
    for p in range(len(x)):
        px, py = x[p], y[p]
        first = 0
        for k in range(len(boxes)):
            dx = max(boxes[k, 0] - px, px - boxes[k, 2], 0.0)
            dy = max(boxes[k, 1] - py, py - boxes[k, 3], 0.0)
            apart[k] = dx * dx + dy * dy
            if apart[k] < apart[first]:
                first = k
        best, limit = reach, reach * reach * _ROUNDED
        for turn in range(len(boxes) + 1):  # the nearest box, then all others
            k = first if turn == 0 else turn - 1
            if apart[k] > limit or (turn > 0 and k == first):
                continue
            for e in range(k * size, min((k + 1) * size, len(ends))):
                d = _distance(px, py, ends[e, 0], ends[e, 1], ends[e, 2], ends[e, 3])
                if d < best or (d == best and (found[p] < 0 or rank[e] < rank[found[p]])):
                    found[p], best, limit = e, d, d * d * _ROUNDED
        if found[p] >= 0:
            far[p] = best
    return found, far


@inlined
def _distance(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Return how far a point is from a segment."""
    length = (bx - ax) * (bx - ax) + (by - ay) * (by - ay)
    along = (px - ax) * (bx - ax) + (py - ay) * (by - ay)
    if length == 0.0 or along <= 0.0:
        return math.sqrt((px - ax) * (px - ax) + (py - ay) * (py - ay))
    if along >= length:
        return math.sqrt((px - bx) * (px - bx) + (py - by) * (py - by))
    return abs(((ay - py) * (bx - ax) - (ax - px) * (by - ay)) / length) * math.sqrt(length)
