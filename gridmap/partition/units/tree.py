"""The tree of cuts of each block, kept such that every branch is one connected piece.

A path names the way from the block down to a unit, a digit a cut. Cutting the path short at any
length gives a larger piece of the same block; where leading a border round a parcel has broken
such a piece, its parts become branches of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridmap.contiguity import Contacts
from gridmap.units.noding import Ints
from gridmap.units.split_blocks import DIGITS

Paths = np.typing.NDArray[np.object_]


def settle(block: Ints, path: Paths, contacts: Contacts) -> tuple[Ints, Paths]:
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
        return _by_first(block), path
    neighbours = _neighbours(len(block), contacts)
    new_block, new_path = block.copy(), path.copy()
    number = int(block.max()) + 1
    broken = broken[np.argsort(block[broken], kind="stable")]
    for members in np.split(broken, np.flatnonzero(np.diff(block[broken])) + 1):
        for part in _parts(members.tolist(), neighbours):
            new_block[part] = number
            number += 1
            _grow(part, path, 0, "", new_path, neighbours)
    return _by_first(new_block), new_path


def _broken(block: Ints, path: Paths, contacts: Contacts) -> np.typing.NDArray[np.bool_]:
    """Tell which blocks have a branch in several parts, or two units in one place."""
    n, long = len(block), contacts.neighbours
    i, j = contacts.i[long], contacts.j[long]
    text = path.astype(str)
    digits = np.ascontiguousarray(text).view(np.uint32).reshape(n, -1).astype(np.int64)
    result = np.zeros(int(block.max()) + 1, dtype=bool)
    key = block.astype(np.int64)
    for depth in range(digits.shape[1] + 1):
        same = key[i] == key[j]
        links = coo_array((np.ones(same.sum(), dtype=np.int8), (i[same], j[same])), shape=(n, n))
        _, part = connected_components(links, directed=False)
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
    path: Paths,
    depth: int,
    prefix: str,
    new_path: Paths,
    neighbours: list[list[int]],
) -> None:
    """Give a connected branch its paths, going down until its units are alone."""
    while len(members) > 1:
        branches = _branches(members, path, depth, neighbours)
        if len(branches) > 1:
            for digit, branch in zip(_digits(len(branches)), branches, strict=True):
                _grow(branch, path, depth + 1, prefix + digit, new_path, neighbours)
            return
        depth += 1
    new_path[members[0]] = prefix


def _branches(
    members: list[int], path: Paths, depth: int, neighbours: list[list[int]]
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
    parts = [part for digit in sorted(below) for part in _parts(below[digit], neighbours)]
    return ended + parts


def _digits(count: int) -> Sequence[str]:
    """Return one character for each branch, accented letters beyond the 62 digits."""
    return DIGITS[:count] + "".join(chr(0xC0 + k) for k in range(count - len(DIGITS)))


def _parts(members: list[int], neighbours: list[list[int]]) -> list[list[int]]:
    """Return the connected parts of some units, by their first unit."""
    if len(members) == 1:
        return [members]
    left = set(members)
    parts = []
    for seed in members:
        if seed not in left:
            continue
        left.remove(seed)
        part, stack = [seed], [seed]
        while stack:
            for other in neighbours[stack.pop()]:
                if other in left:
                    left.remove(other)
                    part.append(other)
                    stack.append(other)
        parts.append(sorted(part))
    return parts


def _neighbours(n: int, contacts: Contacts) -> list[list[int]]:
    """Return the neighbours of each unit."""
    long = contacts.neighbours
    result: list[list[int]] = [[] for _ in range(n)]
    for i, j in zip(contacts.i[long].tolist(), contacts.j[long].tolist(), strict=True):
        result[i].append(j)
        result[j].append(i)
    return result


def _by_first(block: Ints) -> Ints:
    """Number blocks by their first unit."""
    _, first, inverse = np.unique(block, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
