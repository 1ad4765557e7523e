"""Bring changed cells back into the band, by the search that keeps an old grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gridmap.grid.grid import Grid
from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.change_file import FRESH
from gridmap.partitioning.community import Community
from gridmap.partitioning.prepare import check_units, communities
from gridmap.partitioning.problem import EFFORTS, Wishes
from gridmap.partitioning.rebalance import Old, keep, match


def settled(grid: Grid, label: np.ndarray, locked: Sequence[str]) -> np.ndarray:
    """Move units between changed cells until each is in the band, as far as that can be.

    Parameters
    ----------
    grid : Grid
        The grid before the change.
    label : ndarray of object
        The cell of each unit after it.
    locked : sequence of str
        Cells that must not change.

    Returns
    -------
    ndarray of object
        The cell of each unit; cells that the change did not touch have the units they had.
    """
    units = grid.units
    before = units["code"].to_numpy(dtype=object)
    touched = {*before[label != before], *label[label != before]} - set(locked)
    kind = units.get("kind", pd.Series("residential", units.index))
    free = np.isin(label.astype(str), sorted(touched)) & (kind != "dedicated").to_numpy()
    if not free.any():
        return label
    low, high = grid.band
    target = float(grid.parameters.get("target", (low + high) / 2))
    wishes = Wishes(low, high, target, int(grid.parameters.get("seed", 0)), EFFORTS["default"])
    rows = np.flatnonzero(free)
    part = units.iloc[rows].assign(parent=grid.cells["parent"].reindex(before[rows]).to_numpy())
    result = label.copy()
    emptied = [code for code in sorted(touched) if code not in label and code in grid.cells.index]
    for community in communities(check_units(part)):
        names, home = np.unique(label[rows[community.place]].astype(str), return_inverse=True)
        outcome = keep(community, wishes, Old(home.astype(np.int64), np.empty(0, np.int64)))
        heirs = match(outcome.label, home, community.households)
        lost = np.array([at for at in range(outcome.cells) if at not in heirs], dtype=np.int64)
        called = {cell: str(names[old]) for cell, old in heirs.items()}
        called |= _heirs_of_emptied(
            lost, outcome.label, before[rows[community.place]], emptied, community
        )
        result[rows[community.place]] = [
            called.get(cell, f"{FRESH}{community.key}:{cell}") for cell in outcome.label.tolist()
        ]
    return result


def _heirs_of_emptied(
    cells: Ints, label: Ints, before: np.ndarray, emptied: list[str], community: Community
) -> dict[int, str]:
    """Give cells that continue none an emptied code, where they hold its ground."""
    mine = np.isin(label, cells) & np.isin(before.astype(str), emptied)
    if not mine.any():
        return {}
    home = np.array([emptied.index(code) for code in before[mine]], dtype=np.int64)
    found = match(label[mine], home, community.households[mine])
    return {cell: emptied[old] for cell, old in found.items()}
