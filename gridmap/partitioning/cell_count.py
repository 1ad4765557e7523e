"""Bring a division to a wanted number of cells: cells are split and merged, then shifted."""

from __future__ import annotations

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.certificates import certify, settle
from gridmap.partitioning.community import Community, Flags, in_order
from gridmap.partitioning.cutting import annealed
from gridmap.partitioning.labels import neighbouring_cells
from gridmap.partitioning.problem import Task, Wishes

ATTEMPTS = 6
TREES = 9  # trees drawn to split a cell
HOT, COLD = 8.0, 0.1  # hot enough for cells to pass through what lies outside the band
LIGHT = 0.1  # what shape and border weigh while households are shifted


def counted(task: Task, bonds: Flags, label: Ints) -> Ints | None:
    """Return a division into the wanted number of cells, all within the band; None if not found."""
    fits = task.wishes.fits
    if int(label.max()) + 1 == task.cells and fits(label, task.piece.households):
        return label
    shape, border = LIGHT * task.rules.shape, LIGHT * task.rules.border
    rules = task.rules._replace(shape=shape, border=border, balance=0.0)
    for _ in range(ATTEMPTS):
        trial = with_count(task, bonds, label)
        if trial is None:
            return None
        label = annealed(task, trial, rules, HOT, COLD)
        if fits(label, task.piece.households):
            return annealed(task, label)
    return None


def with_count(task: Task, bonds: Flags, label: Ints) -> Ints | None:
    """Split the largest cells, or merge the smallest with a neighbour, until there are enough."""
    while (cells := int(label.max()) + 1) != task.cells:
        total = np.bincount(label, task.piece.households)
        if cells > task.cells:
            pairs = neighbouring_cells(task.piece, bonds, label)
            a, b = pairs[np.argmin(total[pairs].sum(axis=1))]
            label = in_order(np.where(label == a, b, label))
            continue
        halves = (split(task, bonds, label, int(cell)) for cell in np.argsort(-total))
        fresh = next((half for half in halves if half is not None), None)
        if fresh is None:
            return None
        label = fresh
    return label


def split(task: Task, bonds: Flags, label: Ints, cell: int) -> Ints | None:
    """Cut a cell in two parts, as even as a few trees allow; None where it holds no two."""
    from gridmap.partitioning import spanning_tree

    members = np.flatnonzero(label == cell)
    inside = label == cell
    inner = bonds[inside[task.piece.i] & inside[task.piece.j]]
    part = Task.of(task.piece.subset(members), inner, task.wishes, 2, "split", *members)
    rules = part.rules._replace(low=1, high=max(part.piece.total, 1))
    best, half = spanning_tree.NEVER, None
    for tree in range(TREES):
        contact, order = spanning_tree.draw(part.net, part.dice, tree % 3)
        found, parts, cost = spanning_tree.cut(part.net, contact, order, rules, 2, False)
        if parts and cost < best:
            best, half = cost, found
    if half is None:
        return None
    fresh = label.copy()
    fresh[members[half == 1]] = int(label.max()) + 1
    return fresh


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
