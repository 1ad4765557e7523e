"""Simulated annealing of cells on a graph: units move, pockets follow, pairs are swapped.

The energy is the sum over cells of 1 - PP (Polsby-Popper), of imbalance and of what lies outside
the band, plus the cost of the border and the price of households that leave their old cell. Energy
is looked at before contiguity, which is dear; a move that would break a cell takes along the pieces
that it would strand.
"""

from __future__ import annotations

import math

import numpy as np

from gridmap.partition.dice import below, uniform
from gridmap.partition.kernels import Dice, Floats, Ints, Network, Rules, compiled

POCKET = 8  # most units that move together
PIECES = 16  # most pieces that a unit may hold together
SWAP = 0.5  # how often a move that the band blocks is tried as a swap
FOLLOW = 0.9  # above this draw a rejected unit is tried with its pocket
STEPS_OF_HEAT = 200


@compiled
def energy(households: float, load: float, area: float, perimeter: float, rules: Rules) -> float:
    """Return what one cell costs."""
    off = (load - rules.load_target) / rules.load_target
    cost = rules.shape * (1.0 - 4.0 * math.pi * area / (perimeter * perimeter))
    cost += rules.balance * off * off
    if households < rules.low:
        cost += rules.excess * ((rules.low - households) / rules.target + 0.2)
    elif households > rules.high:
        cost += rules.excess * ((households - rules.high) / rules.target + 0.2)
    return cost


@compiled
def sums(net: Network, label: Ints, cells: int) -> Floats:
    """Return households, load, area, perimeter and units of each cell, a row a cell."""
    total = np.zeros((cells, 5))
    for u in range(len(label)):
        c = label[u]
        total[c, 0] += net.households[u]
        total[c, 1] += net.load[u]
        total[c, 2] += net.area[u]
        total[c, 3] += net.perimeter[u]
        total[c, 4] += 1.0
        for e in range(net.start[u], net.start[u + 1]):
            if label[net.neighbour[e]] == c:
                total[c, 3] -= net.length[e]
    return total


@compiled
def _stranded(
    net: Network, label: Ints, u: int, limit: int, seen: Ints, stamp: int, queue: Ints, moved: Ints
) -> int:
    """Collect a unit with the pieces it would strand, all but the heaviest; 0 if too many."""
    moved[0] = u
    seen[u] = stamp
    home = label[u]
    first = np.empty(PIECES + 1, np.int64)
    weight = np.empty(PIECES, np.int64)
    pieces = 0
    tail = 0
    for e in range(net.start[u], net.bond[u]):
        v = net.neighbour[e]
        if label[v] != home or seen[v] == stamp:
            continue
        if pieces >= PIECES:
            return 0
        first[pieces] = tail
        head = tail
        queue[tail] = v
        tail += 1
        seen[v] = stamp
        heavy = 0
        while head < tail:
            x = queue[head]
            head += 1
            heavy += 1000 * net.households[x] + 1
            for f in range(net.start[x], net.bond[x]):
                y = net.neighbour[f]
                if label[y] == home and seen[y] != stamp:
                    seen[y] = stamp
                    queue[tail] = y
                    tail += 1
        weight[pieces] = heavy
        pieces += 1
        if pieces == 1 and _all_seen(net, label, u, home, seen, stamp):
            return 1
    first[pieces] = tail
    heaviest = 0
    for p in range(1, pieces):
        if weight[p] > weight[heaviest]:
            heaviest = p
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


@compiled
def _all_seen(net: Network, label: Ints, u: int, home: int, seen: Ints, stamp: int) -> bool:
    """Tell whether every neighbour of a unit within its cell was reached."""
    for e in range(net.start[u], net.bond[u]):
        v = net.neighbour[e]
        if label[v] == home and seen[v] != stamp:
            return False
    return True


@compiled
def _change(
    net: Network,
    label: Ints,
    home: Ints,
    moved: Ints,
    count: int,
    here: int,
    there: int,
    marked: Ints,
    stamp: int,
) -> tuple[float, float, float, float, float, float, float]:
    """Weigh moving units from one cell to another.

    Returns households, load and area that move, how the two perimeters and the border's cost
    change, and the households that leave their old cell less those that come back to it.
    """
    for i in range(count):
        marked[moved[i]] = stamp
    households = 0.0
    load = 0.0
    area = 0.0
    rim = 0.0
    kept = 0.0
    left = 0.0
    met = 0.0
    border = 0.0
    strayed = 0.0
    for i in range(count):
        u = moved[i]
        households += net.households[u]
        load += net.load[u]
        area += net.area[u]
        rim += net.perimeter[u]
        if home[u] == here:
            strayed += net.households[u]
        elif home[u] == there:
            strayed -= net.households[u]
        for e in range(net.start[u], net.start[u + 1]):
            v = net.neighbour[e]
            c = label[v]
            if c == here:
                if count > 1 and marked[v] == stamp:
                    kept += 0.5 * net.length[e]
                else:
                    left += net.length[e]
                    border += net.cost[e]
            elif c == there:
                met += net.length[e]
                border -= net.cost[e]
    return (
        households,
        load,
        area,
        2.0 * (kept + left) - rim,
        rim - 2.0 * (kept + met),
        border,
        strayed,
    )


@compiled
def _walk(net: Network, label: Ints, v: int, here: int, there: int, moved: int, dice: Dice) -> int:
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


@compiled
def total_energy(
    net: Network, label: Ints, total: Floats, rules: Rules, home: Ints, own: Floats
) -> float:
    """Fill each cell's energy and return the energy of the whole."""
    whole = 0.0
    for c in range(len(own)):
        own[c] = energy(total[c, 0], total[c, 1], total[c, 2], total[c, 3], rules)
        whole += own[c]
    for u in range(len(label)):
        if home[u] >= 0 and home[u] != label[u]:
            whole += rules.price * net.households[u] / rules.target
        for e in range(net.start[u], net.start[u + 1]):
            if label[net.neighbour[e]] != label[u]:
                whole += 0.5 * rules.border * net.cost[e]
    return whole


@compiled
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
) -> float:
    """Anneal labels in place and leave the best met; return its energy.

    Every cell must be connected at the start, and is at the end; their number stays. `home` is the
    old cell of each unit, -1 for none. Moves since the best state are kept in a journal, so that
    keeping it costs nothing.
    """
    n = len(label)
    total = sums(net, label, cells)
    own = np.empty(cells)
    now = total_energy(net, label, total, rules, home, own)
    least = now
    if cells < 2:
        return least
    seen = np.zeros(n, np.int64)
    marked = np.zeros(n, np.int64)
    stamp = 0
    queue = np.empty(n + 1, np.int64)
    moved = np.empty(POCKET + 1, np.int64)
    back = np.empty(POCKET + 1, np.int64)
    best = label.copy()
    journal = np.empty((2, 4 * n + 2 * POCKET), np.int64)
    written = 0
    full = False
    heat = hot
    fall = math.log(cold / hot)
    every = max(1, steps // STEPS_OF_HEAT)
    for step in range(steps):
        if step % every == 0:
            heat = hot * math.exp(fall * step / steps)
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
        count = 1
        stamp += 1
        d = _change(net, label, home, moved, 1, here, there, marked, stamp)
        allowed = -heat * math.log(uniform(dice) + 1e-300)
        giving, taking, gain = _weigh(total, own, here, there, d, rules)
        swap = False
        if gain > allowed:
            chance = uniform(dice)
            blocked = total[here, 0] - d[0] < rules.low or total[there, 0] + d[0] > rules.high
            if chance < SWAP and blocked:
                stamp += 1
                if _stranded(net, label, u, 1, seen, stamp, queue, moved) != 1:
                    continue
                swap = True
            elif chance <= FOLLOW:
                continue
        if not swap:
            alone = gain > allowed
            stamp += 1
            count = _stranded(net, label, u, POCKET, seen, stamp, queue, moved)
            if count == 0 or count >= total[here, 4] or (alone and count == 1):
                continue
            if count > 1:
                stamp += 1
                d = _change(net, label, home, moved, count, here, there, marked, stamp)
                giving, taking, gain = _weigh(total, own, here, there, d, rules)
            if gain > allowed:
                continue
        for i in range(count):
            label[moved[i]] = there
        returned = 0
        if swap:
            w = _walk(net, label, v, here, there, u, dice)
            if w >= 0:
                stamp += 1
                if _stranded(net, label, w, 1, seen, stamp, queue, back) == 1:
                    stamp += 1
                    r = _change(net, label, home, back, 1, there, here, marked, stamp)
                    d = (
                        d[0] - r[0],
                        d[1] - r[1],
                        d[2] - r[2],
                        d[3] + r[4],
                        d[4] + r[3],
                        d[5] + r[5],
                        d[6] + r[6],
                    )
                    giving, taking, gain = _weigh(total, own, here, there, d, rules)
                    if gain <= allowed:
                        returned = 1
                        label[w] = here
            if returned == 0:
                label[u] = here
                continue
        _settle(total, own, here, there, d, count - returned, giving, taking)
        now += gain
        if not full:
            for i in range(count):
                journal[0, written] = moved[i]
                journal[1, written] = here
                written += 1
            if returned == 1:
                journal[0, written] = back[0]
                journal[1, written] = there
                written += 1
        if now < least - 1e-9:
            least = now
            written = 0
            full = False
        elif not full and written > 4 * n:
            best[:] = label
            _undo(best, journal, written)
            full = True
    if full:
        label[:] = best
    else:
        _undo(label, journal, written)
    return least


@compiled
def _weigh(
    total: Floats,
    own: Floats,
    here: int,
    there: int,
    d: tuple[float, float, float, float, float, float, float],
    rules: Rules,
) -> tuple[float, float, float]:
    """Return the energy of the giving and the taking cell after a move, and the change in all."""
    giving = energy(
        total[here, 0] - d[0],
        total[here, 1] - d[1],
        total[here, 2] - d[2],
        total[here, 3] + d[3],
        rules,
    )
    taking = energy(
        total[there, 0] + d[0],
        total[there, 1] + d[1],
        total[there, 2] + d[2],
        total[there, 3] + d[4],
        rules,
    )
    gain = giving + taking - own[here] - own[there] + rules.border * d[5]
    return giving, taking, gain + rules.price * d[6] / rules.target


@compiled
def _settle(
    total: Floats,
    own: Floats,
    here: int,
    there: int,
    d: tuple[float, float, float, float, float, float, float],
    count: int,
    giving: float,
    taking: float,
) -> None:
    """Book a move in the sums of the two cells."""
    for q in range(3):
        total[here, q] -= d[q]
        total[there, q] += d[q]
    total[here, 3] += d[3]
    total[there, 3] += d[4]
    total[here, 4] -= count
    total[there, 4] += count
    own[here] = giving
    own[there] = taking


@compiled
def _undo(label: Ints, journal: Ints, written: int) -> None:
    """Take back the moves of the journal, the last first."""
    for i in range(written - 1, -1, -1):
        label[journal[0, i]] = journal[1, i]
