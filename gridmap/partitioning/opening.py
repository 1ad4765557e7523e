"""Open cells that enclose others, where holes are unwanted."""

from __future__ import annotations

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.community import Flags
from gridmap.partitioning.cutting import COLD, FIRST_TRIES, HOT, annealed, region_task, start
from gridmap.partitioning.holes import enclosing_cells
from gridmap.partitioning.labels import neighbouring_cells, replace, rings
from gridmap.partitioning.problem import Task

RINGS = (0, 1, 2, 9)  # of neighbours that are cut anew too; the last takes the whole part
TRIES = 8  # cuts of each
ROUNDS = 16  # of annealing, each taken back where it closes a ring of cells


def opened(task: Task, bonds: Flags, label: Ints) -> Ints:
    """Cut cells that enclose others anew together with those, where holes are unwanted."""
    found = enclosing_cells(task.piece, label) if task.wishes.no_holes else {}
    while found:
        fresh = _fewer(task, bonds, label, found)
        if fresh is None:
            break
        label = fresh
        found = enclosing_cells(task.piece, label)
    return label


def _fewer(task: Task, bonds: Flags, label: Ints, found: dict[int, set[int]]) -> Ints | None:
    """Return labels with fewer cells that enclose others; None when none are found."""
    pairs = neighbouring_cells(task.piece, bonds, label)
    for ring in RINGS:
        for cell, inside in found.items():
            cells = np.union1d(rings(pairs, cell, ring), [*inside])
            members = np.flatnonzero(np.isin(label, cells))
            for attempt in range(TRIES):
                part = region_task(task, bonds, members, task.cells and len(cells), attempt)
                cut = _cut_open(part)
                if cut is None:
                    continue
                fresh = replace(label, members, cut)
                if len(enclosing_cells(task.piece, fresh)) < len(found):
                    return fresh
    return None


def _cut_open(part: Task) -> Ints | None:
    """Cut a tree so that no cell encloses another, and anneal as long as that stays so."""
    label, parts = start(part, FIRST_TRIES, 1)
    if parts == 0 or enclosing_cells(part.piece, label):
        return None
    for done in range(ROUNDS):
        hot, cold = (HOT * (COLD / HOT) ** (at / ROUNDS) for at in (done, done + 1))
        trial = annealed(part, label, None, hot, cold, ROUNDS)
        fits = part.wishes.fits(trial, part.piece.households)
        if fits and not enclosing_cells(part.piece, trial):
            label = trial
    return label
