"""Search one connected part: trees, annealing, certificates, every partition, in this order."""

from __future__ import annotations

from dataclasses import replace as replace_in

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.cell_count import counted
from gridmap.partitioning.certificates import Finding, certify, settle
from gridmap.partitioning.community import Community, Flags, in_order, whole_below
from gridmap.partitioning.cutting import (
    COLD,
    FIRST_TRIES,
    HOT,
    annealed,
    cut_and_anneal,
    cut_region,
    enclosing_cells,
    region_task,
    soft_start,
    start,
)
from gridmap.partitioning.labels import bad_cells, neighbouring_cells, replace, rings
from gridmap.partitioning.problem import Task, Wishes

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


WARM, COOL = 0.06, 0.01  # to straighten borders
STRAIGHT = 0.9  # discount of borders on barriers while they are straightened
MIDDLE = 4  # the middle rung of the ladder holds pieces up to a quarter of the band's maximum


def search(
    piece: Community, bonds: Flags, wishes: Wishes, name: str, known: Finding | None = None
) -> tuple[Ints, Finding | None]:
    """Cut a connected part without giants; return labels, and why they are not all in the band.

    Blocks stay whole where that works; they are split only in a part that needs it. `known` is a
    certificate that speaks already.
    """
    for rung, group in enumerate(_coarse(piece, wishes) if known is None else []):
        coarse = piece.contract(group)
        ties = _tied(piece, bonds, group, coarse)
        task = Task.of(coarse, ties, wishes, 0, name, rung)
        label = cut_and_anneal(task, FIRST_TRIES)
        if wishes.fits(label, coarse.households):
            label = opened(task, ties, label)
            if not (wishes.no_holes and enclosing_cells(coarse, label)):
                return _straightened(piece, bonds, wishes, name, in_order(label[group])), None
    return _finest(piece, bonds, wishes, name, known)


def search_into(
    cells: int, piece: Community, bonds: Flags, wishes: Wishes, name: str
) -> Ints | None:
    """Cut a connected part into a number of cells, all within the band; None if that is not found.

    The number narrows the band: the other cells must have room for what one leaves.
    """
    wishes = wishes.narrowed(piece.total, cells)
    best = None
    for rung, group in enumerate([*_coarse(piece, wishes), np.arange(len(piece))]):
        coarse = piece.contract(group)
        ties = _tied(piece, bonds, group, coarse)
        task = Task.of(coarse, ties, wishes, cells, name, "into", rung)
        found = counted(task, ties, cut_and_anneal(task, FIRST_TRIES))
        if found is None:
            continue
        found = opened(task, ties, found)
        whole = len(coarse) < len(piece)
        best = in_order(found[group])
        best = _straightened(piece, bonds, wishes, name, best) if whole else best
        if not (wishes.no_holes and enclosing_cells(piece, best)):
            break
    return best


def _straightened(piece: Community, bonds: Flags, wishes: Wishes, name: str, label: Ints) -> Ints:
    """Let borders leave the barriers where that makes cells much more compact.

    The cells were made of whole blocks, and stay near to them: a border elsewhere is dear.
    """
    from gridmap.partitioning import annealing as anneal

    cells = int(label.max()) + 1
    if wishes.discount >= 1.0 or cells < 2:
        return label
    near = replace_in(wishes, discount=max(wishes.discount, STRAIGHT))
    task = Task.of(piece, bonds, near, cells, name, "straight")
    found = label.copy()
    home = np.full(len(label), -1, np.int64)
    steps = wishes.effort.sweeps // 4 * len(label)
    anneal.anneal(task.net, found, cells, task.rules, home, task.dice, WARM, COOL, steps)
    if wishes.no_holes and enclosing_cells(piece, found):
        return label
    return in_order(found) if wishes.fits(found, piece.households) else label


def _finest(
    piece: Community, bonds: Flags, wishes: Wishes, name: str, known: Finding | None
) -> tuple[Ints, Finding | None]:
    """Search with single units: trees, mending, certificates, every partition, more trees."""
    task = Task.of(piece, bonds, wishes, 0, name, "units")
    label = cut_and_anneal(task, FIRST_TRIES)
    if known is not None:
        return in_order(label), known
    label = _mend(task, bonds, label)
    if wishes.fits(label, piece.households):
        return in_order(opened(task, bonds, label)), None
    suspects = np.isin(label, bad_cells(label, piece.households, wishes.low, wishes.high))
    i, j = piece.i[bonds], piece.j[bonds]
    known = certify(piece.households, i, j, wishes.low, wishes.high, suspects)
    if known is None:
        known, found = settle(piece.households, i, j, wishes.low, wishes.high)
        if found is not None:
            return in_order(opened(task, bonds, annealed(task, found))), None
    if known is None:
        found = cut_and_anneal(task, wishes.effort.tries)
        if wishes.fits(found, piece.households):
            return in_order(opened(task, bonds, found)), None
    return in_order(label), known


def _mend(task: Task, bonds: Flags, label: Ints) -> Ints:
    """Cut cells outside the band anew together with one to three rings of neighbours."""
    piece, wishes = task.piece, task.wishes
    tried: set[tuple[int, ...]] = set()
    for ring in (1, 2, 3):
        while True:
            pairs = neighbouring_cells(piece, bonds, label)
            for cell in bad_cells(label, piece.households, wishes.low, wishes.high):
                members = np.flatnonzero(np.isin(label, rings(pairs, int(cell), ring)))
                if tuple(members) in tried or len(members) == len(piece):
                    continue
                tried.add(tuple(members))
                part = cut_region(task, bonds, members)
                if part is not None:
                    label = replace(label, members, part)
                    break
            else:
                break
    return label


def _coarse(piece: Community, wishes: Wishes) -> list[Ints]:
    """Return groupings with blocks whole, then their middle pieces; none where nothing is split.

    Whole blocks are too coarse for even loads: they are kept where balance is no wish, or where
    borders are to lie on barriers whatever that costs.
    """
    if not any(piece.path) or (wishes.balance > 0 and wishes.discount < 1.0):
        return []
    rungs: list[Ints] = []
    count = 0
    for cap in (wishes.high, wishes.high // MIDDLE):
        group = whole_below(piece, cap)
        groups = int(group.max()) + 1
        if count < groups < len(piece):
            rungs.append(group)
            count = groups
    return rungs


def _tied(piece: Community, bonds: Flags, group: Ints, coarse: Community) -> Flags:
    """Tell which contacts between groups connect: those with a connecting contact inside."""
    n = len(coarse)
    a, b = group[piece.i[bonds]], group[piece.j[bonds]]
    tied = np.unique(np.minimum(a, b) * n + np.maximum(a, b))
    return np.isin(coarse.i * n + coarse.j, tied)


def can_be_cut(piece: Community, bonds: Flags, wishes: Wishes, name: str) -> bool:
    """Tell whether a partition of a piece is found by cutting trees, or by a short annealing."""
    task = Task.of(piece, bonds, wishes, 0, name, "units")
    if start(task, FIRST_TRIES, 1)[1] > 0:
        return True
    label = _mend(task, bonds, annealed(task, soft_start(task)[0]))
    return wishes.fits(label, piece.households)
