"""Bring a kept division to a wanted number of cells, and change as little as that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.community import in_order
from gridmap.partitioning.labels import neighbouring_cells, rings, set_in

if TYPE_CHECKING:
    from gridmap.partitioning.rebalance import Region

RINGS = (1, 2, 3)


def counted(region: Region, label: Ints, cells: int) -> Ints:
    """Split or merge cells until there are so many, as far as the band lets that be done.

    The largest cell that its neighbours can make up for is split, the smallest that they have room
    for is merged.
    """
    while (made := len(np.unique(label))) != cells:
        if made < cells:
            fresh = _recut(region, label, -1, lambda part, start, cell: part.splits(start, cell))
        else:
            fresh = _recut(region, label, 1, lambda part, start, cell: part.merges(start, cell))
        if fresh is None:
            break
        label = fresh
    return label


def _recut(
    region: Region,
    label: Ints,
    sign: int,
    trials: Callable[[Region, Ints, int], Iterator[tuple[Ints, Ints]]],
) -> Ints | None:
    """Change the number of cells in the smallest region in which the band allows it."""
    town = region.piece.community
    total = np.bincount(label, town.households)
    pairs = neighbouring_cells(town, region.piece.bonds, label)
    order = [c for c in np.argsort(sign * total, kind="stable") if (label == c).any()]
    for ring in RINGS:
        for cell in order:
            cells = region.free(label, rings(pairs, int(cell), ring))
            if cell not in cells or not _room(total[cells], region, -sign):
                continue
            members = np.flatnonzero(np.isin(label, cells))
            part, start = region.part(members), in_order(label[members])
            number = int(start[label[members] == cell][0])
            found = part.best(trials(part, start, number), 1)
            if found is not None:
                return set_in(label, members, found)
    return None


def _room(total: Ints, region: Region, more: int) -> bool:
    """Tell whether the households of some cells fit into one cell more, or fewer."""
    cells = len(total) + more
    low, high = region.wishes.low, region.wishes.high
    return bool(cells * low <= total.sum() <= cells * high)
