"""What cells cost: compactness, balance, the band and the border, and how a move changes that."""

from __future__ import annotations

import math

import numpy as np

from gridmap.partitioning.arrays import Floats, Ints, Network, Rules, compiled

FAR = 0.2  # from here on, as a share of the target, a load is simply far off: its cost levels out

Change = tuple[float, float, float, float, float, float, float]


@compiled
def energy(households: float, load: float, area: float, perimeter: float, rules: Rules) -> float:
    """Return what one cell costs."""
    off = (load - rules.load_target) / rules.load_target
    cost = rules.shape * (1.0 - 4.0 * math.pi * area / (perimeter * perimeter))
    cost += rules.balance * off * off / (1.0 + off * off / (FAR * FAR))
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
def change(
    net: Network,
    label: Ints,
    home: Ints,
    moved: Ints,
    count: int,
    here: int,
    there: int,
    marked: Ints,
    stamp: int,
) -> Change:
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
def weigh(
    total: Floats,
    own: Floats,
    here: int,
    there: int,
    d: Change,
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
def settle(
    total: Floats,
    own: Floats,
    here: int,
    there: int,
    d: Change,
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
