"""Mend cells outside the band where they are: cut them anew together with their neighbours."""

from __future__ import annotations

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.community import Community, Flags, in_order


def bad_cells(label: Ints, households: Ints, low: int, high: int) -> Ints:
    """Return the cells outside the band."""
    total = np.bincount(label, households)
    return np.flatnonzero(((total < low) | (total > high)) & (np.bincount(label) > 0))


def neighbouring_cells(community: Community, bonds: Flags, label: Ints) -> Ints:
    """Return the pairs of cells that touch, both ways round."""
    a, b = label[community.i[bonds]], label[community.j[bonds]]
    pairs = np.unique(np.column_stack([a, b])[a != b], axis=0)
    return np.concatenate([pairs, pairs[:, ::-1]])


def rings(pairs: Ints, cell: int, count: int) -> Ints:
    """Return a cell with all cells at most so many steps away.

    Examples
    --------
    >>> rings(np.array([[0, 1], [1, 0], [1, 2], [2, 1]]), 0, 1).tolist()
    [0, 1]
    """
    region = np.array([cell])
    for _ in range(count):
        region = np.union1d(region, pairs[np.isin(pairs[:, 0], region), 1])
    return region


def replace(label: Ints, members: Ints, part: Ints) -> Ints:
    """Return labels with those of some units given anew; cells elsewhere keep their order.

    Examples
    --------
    >>> replace(np.array([0, 0, 1, 1, 2]), np.array([2, 3]), np.array([0, 1])).tolist()
    [0, 0, 1, 2, 3]
    """
    fresh = label.copy()
    fresh[members] = int(label.max()) + 1 + part
    return in_order(fresh)


def set_in(label: Ints, members: Ints, part: Ints) -> Ints:
    """Return labels with those of a region given anew; its cells keep the names they had."""
    start = in_order(label[members])
    names = label[members][np.unique(start, return_index=True)[1]]
    spare = int(label.max()) + 1 + np.arange(int(part.max()) + 1)
    fresh = label.copy()
    fresh[members] = np.concatenate([names, spare])[part]
    return fresh
