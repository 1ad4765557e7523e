"""Simulated annealing of cells on a graph: units move, pockets follow, pairs are swapped.

The energy is the sum over cells of 1 - PP (Polsby-Popper), of imbalance and of what lies outside
the band, plus the cost of the border and the price of households that leave their old cell. Energy
is looked at before contiguity, which is dear; a move that would break a cell takes along the pieces
that it would strand.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gridmap._arrays import Dice, Floats, Ints
from gridmap._checks import Progress, silent
from gridmap.partitioning.energy import (
    Change,
    Network,
    Rules,
    bare,
    below,
    change,
    change_of_one,
    compiled,
    inlined,
    settle,
    sums,
    total_energy,
    uniform,
    weigh,
)

PIECES = 16  # most pieces that a unit may hold together


class State(NamedTuple):
    """Labels, what each cell sums to and costs, and the scratch of the moves."""

    label: Ints
    home: Ints
    total: Floats
    own: Floats
    seen: Ints
    marked: Ints
    stamp: Ints
    queue: Ints
    first: Ints
    moved: Ints
    back: Ints


@inlined
def stranded(net: Network, state: State, u: int, moved: Ints) -> int:
    """Collect a unit with the pieces it would strand, all but the heaviest; 0 if too many.

    There are too many where `moved` would have no place left.
    Its neighbours in the cell carry the stamp with a minus until they are met. Mostly they touch
    each other; where they do not, the cell is walked through until all are met.
    """
    label, seen, queue = state.label, state.seen, state.queue
    state.stamp[0] += 1
    stamp = state.stamp[0]
    moved[0] = u
    seen[u] = stamp
    missing = 0
    for e in range(net.start[u], net.bond[u]):
        v = net.neighbour[e]
        if label[v] == label[u]:
            seen[v] = -stamp
            if missing == 0:
                queue[0] = v
            missing += 1
    if missing <= 1:
        return 1
    seen[queue[0]] = stamp
    missing -= 1
    head, tail = 0, 1
    while head < tail and missing > 0:
        x = queue[head]
        head += 1
        for e in range(net.start[x], net.bond[x]):
            y = net.neighbour[e]
            if seen[y] == -stamp:
                seen[y] = stamp
                queue[tail] = y
                tail += 1
                missing -= 1
    if missing == 0:
        return 1
    state.first[0] = 0
    tail, weight, missing = _flood(net, state, label[u], state.first[0], tail, missing)
    if missing == 0:
        return 1
    limit = len(moved) - 1
    return 0 if limit == 1 else _all_but_heaviest(net, state, u, limit, moved, tail, weight)


@inlined
def _flood(
    net: Network, state: State, home: int, head: int, tail: int, missing: int
) -> tuple[int, int, int]:
    """Walk through a piece of a cell; return the queue's end, the weight, and what is missing.

    The walk begins at the units in the queue, and may end once no marked neighbour is missing.
    """
    label, seen, queue, stamp = state.label, state.seen, state.queue, state.stamp[0]
    weight = 0
    while head < tail and missing > 0:
        x = queue[head]
        head += 1
        weight += 1000 * net.households[x] + 1
        for e in range(net.start[x], net.bond[x]):
            y = net.neighbour[e]
            if label[y] == home and seen[y] != stamp:
                if seen[y] == -stamp:
                    missing -= 1
                seen[y] = stamp
                queue[tail] = y
                tail += 1
    return tail, weight, missing


@inlined
def _all_but_heaviest(
    net: Network, state: State, u: int, limit: int, moved: Ints, tail: int, weight: int
) -> int:
    """Walk through the other pieces that a unit would strand; collect all but the heaviest."""
    seen, queue, first, stamp = state.seen, state.queue, state.first, state.stamp[0]
    home, every = state.label[u], len(state.label)
    heaviest, heavy, pieces = 0, weight, 1
    for e in range(net.start[u], net.bond[u]):
        v = net.neighbour[e]
        if seen[v] != -stamp:
            continue
        if pieces >= PIECES:
            return 0
        first[pieces] = tail
        queue[tail] = v
        seen[v] = stamp
        tail, weight, _ = _flood(net, state, home, tail, tail + 1, every)
        if weight > heavy:
            heaviest, heavy = pieces, weight
        pieces += 1
    first[pieces] = tail
    count = 1
    for p in range(pieces):
        if p == heaviest:
            continue
        for q in range(first[p], first[p + 1]):
            if count >= limit:
                return 0
            moved[count] = queue[q]
            count += 1
    return count


@inlined
def walk(net: Network, label: Ints, v: int, here: int, there: int, moved: int, dice: Dice) -> int:
    """Walk inside the receiving cell to a unit that touches the giving one; -1 if none is met."""
    at = v
    for _ in range(6):
        bonds = net.bond[at] - net.start[at]
        w = net.neighbour[net.start[at] + below(dice, bonds)]
        if label[w] == there and w != moved:
            at = w
        for e in range(net.start[at], net.bond[at]):
            if label[net.neighbour[e]] == here:
                return at
    return -1


POCKET = 8  # most units that move together
SWAP = 0.5  # how often a move that the band blocks is tried as a swap
FOLLOW = 0.9  # above this draw a rejected unit is tried with its pocket
STEPS_OF_HEAT = 200
CHUNK = 500_000  # steps after which Python is heard where there are many
AT_ONCE = 8 * CHUNK  # steps that take a second or so


@inlined
def _follow(
    net: Network, rules: Rules, state: State, u: int, v: int, d: Change, gain: float, allowed: float
) -> tuple[float, int, int]:
    """Move a unit to the cell of its neighbour, together with the pocket that it would strand.

    Returns the change of energy, how many units moved and how many came back; no units when the
    move was refused.
    """
    label, here, there = state.label, state.label[u], state.label[v]
    alone = gain > allowed
    count = stranded(net, state, u, state.moved)
    if count == 0 or count >= state.total[here, 4] or (alone and count == 1):
        return 0.0, 0, 0
    if count > 1:
        state.stamp[0] += 1
        mark = state.stamp[0]
        d = change(net, label, state.home, state.moved, count, here, there, state.marked, mark)
    giving, taking, gain = weigh(state.total, state.own, here, there, d, rules)
    if gain > allowed:
        return 0.0, 0, 0
    for i in range(count):
        label[state.moved[i]] = there
    settle(state.total, state.own, here, there, d, count, giving, taking)
    return gain, count, 0


@inlined
def _swap(
    net: Network,
    rules: Rules,
    state: State,
    u: int,
    v: int,
    d: Change,
    allowed: float,
    dice: Dice,
) -> tuple[float, int, int]:
    """Try to exchange a unit for one of the cell that takes it; returns as `_follow` does."""
    label, here, there = state.label, state.label[u], state.label[v]
    if stranded(net, state, u, state.back) != 1:
        return 0.0, 0, 0
    label[u] = there
    w = walk(net, label, v, here, there, u, dice)
    if w >= 0 and stranded(net, state, w, state.back) == 1:
        r = change_of_one(net, label, state.home, w, there, here)
        both = (
            d[0] - r[0],
            d[1] - r[1],
            d[2] - r[2],
            d[3] + r[4],
            d[4] + r[3],
            d[5] + r[5],
            d[6] + r[6],
        )
        giving, taking, gain = weigh(state.total, state.own, here, there, both, rules)
        if gain <= allowed:
            label[w] = here
            settle(state.total, state.own, here, there, both, 0, giving, taking)
            return gain, 1, 1
    label[u] = here
    return 0.0, 0, 0


class Course(NamedTuple):
    """An annealing under way: its state, the best labels met, and the moves made since.

    `energies` are those of now and of the best, and the heat; `journal` has how many moves are
    written, and whether it was filled, so that `best` holds the best labels themselves.
    """

    state: State
    best: Ints
    moves: Ints
    energies: Floats
    journal: Ints


@compiled
def begin(net: Network, label: Ints, home: Ints, cells: int, rules: Rules, hot: float) -> Course:
    """Return an annealing that has not taken a step; it changes the labels in place."""
    n = len(label)
    state = State(
        label,
        home,
        sums(net, label, cells),
        np.empty(cells),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros(1, np.int64),
        np.empty(n + 1, np.int64),
        np.empty(PIECES + 1, np.int64),
        np.empty(POCKET + 1, np.int64),
        np.empty(2, np.int64),
    )
    now = total_energy(net, label, state.total, rules, home, state.own)
    moves = np.empty((2, 4 * n + 2 * POCKET), np.int64)
    return Course(state, label.copy(), moves, np.array([now, now, hot]), np.zeros(2, np.int64))


@bare
def run(
    net: Network,
    rules: Rules,
    course: Course,
    dice: Dice,
    hot: float,
    cold: float,
    steps: int,
    first: int,
    last: int,
) -> None:
    """Take the steps from `first` up to `last` of all `steps`."""
    state, n = course.state, len(course.best)
    label, total, own, moved = state.label, state.total, state.own, state.moved
    now, least, heat = course.energies[0], course.energies[1], course.energies[2]
    written, full = course.journal[0], course.journal[1] > 0
    fall = math.log(cold / hot)
    every = max(1, steps // STEPS_OF_HEAT)
    cooler = -(-first // every) * every
    for step in range(first, last):
        if step == cooler:
            heat = hot * math.exp(fall * step / steps)
            cooler += every
        u = below(dice, n)
        bonds = net.bond[u] - net.start[u]
        here = label[u]
        if bonds == 0 or total[here, 4] <= 1.0:
            continue
        v = net.neighbour[net.start[u] + below(dice, bonds)]
        there = label[v]
        if there == here:
            continue
        moved[0] = u
        d = change_of_one(net, label, state.home, u, here, there)
        allowed = -heat * math.log(uniform(dice) + 1e-300)
        _, _, gain = weigh(total, own, here, there, d, rules)
        chance = uniform(dice) if gain > allowed else 1.0
        blocked = total[here, 0] - d[0] < rules.low or total[there, 0] + d[0] > rules.high
        if chance < SWAP and blocked:
            gain, count, returned = _swap(net, rules, state, u, v, d, allowed, dice)
        elif chance > FOLLOW:
            gain, count, returned = _follow(net, rules, state, u, v, d, gain, allowed)
        else:
            continue
        if count == 0:
            continue
        now += gain
        if not full:
            written = _note(course.moves, written, moved, count, here)
            written = _note(course.moves, written, state.back, returned, there)
        if now < least - 1e-9:
            least = now
            written = 0
            full = False
        elif not full and written > 4 * n:
            for i in range(n):
                course.best[i] = label[i]
            _undo(course.best, course.moves, written)
            full = True
    course.energies[0], course.energies[1], course.energies[2] = now, least, heat
    course.journal[0], course.journal[1] = written, int(full)


@compiled
def finish(course: Course) -> float:
    """Go back to the best labels met; return their energy."""
    if course.journal[1] > 0:
        for u in range(len(course.best)):
            course.state.label[u] = course.best[u]
    else:
        _undo(course.state.label, course.moves, course.journal[0])
    return float(course.energies[1])


@compiled
def _at_once(
    net: Network,
    label: Ints,
    cells: int,
    rules: Rules,
    home: Ints,
    dice: Dice,
    hot: float,
    cold: float,
    steps: int,
) -> float:
    """Take all steps in one kernel, which is faster where the arrays are small."""
    course = begin(net, label, home, cells, rules, hot)
    if cells > 1:
        run(net, rules, course, dice, hot, cold, steps, 0, steps)
    return finish(course)


def anneal(
    net: Network,
    label: Ints,
    cells: int,
    rules: Rules,
    home: Ints,
    dice: Dice,
    hot: float,
    cold: float,
    steps: int,
    progress: Progress = silent,
) -> float:
    """Anneal labels in place and leave the best met; return its energy.

    Every cell must be connected at the start, and is at the end; their number stays. `home` is the
    old cell of each unit, -1 for none. Moves since the best state are kept in a journal, so that
    keeping it costs nothing; a journal that is full is turned into a copy of that state. Where
    there are many steps they are taken in chunks, between which progress is told and Ctrl-C is
    heard; the labels do not depend on the chunks.
    """
    if steps <= AT_ONCE or cells < 2:
        return _at_once(net, label, cells, rules, home, dice, hot, cold, steps)
    course = begin(net, label, home, cells, rules, hot)
    for first in range(0, steps, CHUNK):
        last = min(first + CHUNK, steps)
        run(net, rules, course, dice, hot, cold, steps, first, last)
        progress("anneal", last, steps)
    return finish(course)


@inlined
def _note(journal: Ints, written: int, units: Ints, count: int, cell: int) -> int:
    """Write down the cell that units came from; return how much is written."""
    for i in range(count):
        journal[0, written] = units[i]
        journal[1, written] = cell
        written += 1
    return written


@bare
def _undo(label: Ints, journal: Ints, written: int) -> None:
    """Take back the moves of the journal, the last first."""
    for i in range(written - 1, -1, -1):
        label[journal[0, i]] = journal[1, i]
