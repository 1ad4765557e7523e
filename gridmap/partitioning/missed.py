"""Numbers of cells that were wanted and not made: whether that is proved impossible."""

from __future__ import annotations

import numpy as np

from gridmap.partitioning.certificates import certify, settle
from gridmap.partitioning.community import Community
from gridmap.partitioning.problem import Wishes


def proved_impossible(community: Community, wishes: Wishes, cells: int) -> bool:
    """Tell whether no division into a number of cells within the band is proved to exist.

    The parts that do not touch each allow so many cells at least and at most. In a community of
    one part the number narrows the band, which certificates or a search of every division then
    show to be impossible. False says only that neither did.
    """
    bonds = community.bonds(hard=True)
    total = np.bincount(community.parts(bonds), community.households).astype(np.int64)
    least = np.maximum(-(-total // wishes.high), 1).sum()
    most = np.maximum(total // wishes.low, 1).sum()
    if not least <= cells <= most:
        return True
    if len(total) > 1:
        return False
    i, j = community.i[bonds], community.j[bonds]
    band = wishes.narrowed(community.total, cells)
    known = certify(community.households, i, j, band.low, band.high)
    if known is None:
        known, _ = settle(community.households, i, j, band.low, band.high)
    return known is not None
