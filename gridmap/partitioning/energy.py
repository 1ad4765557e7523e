"""What cells are as arrays, and cost: compactness, balance, the band, the border."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gridmap._arrays import Dice, Floats, Ints
from gridmap.coverage.kernels import compiled as compiled
from gridmap.coverage.kernels import inlined as inlined

NEAR = (
    0.12  # share of the target up to which a load is near it; one further off costs as much again
)

Change = tuple[float, float, float, float, float, float, float]


class Network(NamedTuple):
    """One community or component as arrays; a unit is its position.

    Unit `u` has its contacts at `start[u]:start[u + 1]`; those that connect come first, up to
    `bond[u]`. The others (too short, or across a hard barrier) only count in perimeters.
    """

    start: Ints
    bond: Ints
    neighbour: Ints
    length: Floats
    cost: Floats
    households: Ints
    load: Floats
    area: Floats
    perimeter: Floats
    x: Floats
    y: Floats


class Rules(NamedTuple):
    """The band, the target and what each wish weighs in the energy."""

    low: int
    high: int
    target: float
    load_target: float
    shape: float
    border: float
    balance: float
    excess: float
    price: float


_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_SCALE = 1.0 / 9007199254740992.0


@inlined
def mixed(z: int) -> float:
    """Return a number in [0, 1) that depends on every bit of a whole one."""
    w = np.uint64(z)
    w = (w ^ (w >> _S30)) * _MIX_1
    w = (w ^ (w >> _S27)) * _MIX_2
    w = w ^ (w >> _S31)
    return float(w >> _S11) * _SCALE


@inlined
def uniform(dice: Dice) -> float:
    """Return a number in [0, 1) and advance the dice (Steele, Lea and Flood 2014)."""
    dice[0] = dice[0] + _STEP
    return mixed(dice[0])


@inlined
def below(dice: Dice, n: int) -> int:
    """Return a whole number in 0 … n - 1."""
    return int(uniform(dice) * n)


@compiled
def _root(root: Ints, u: int) -> int:
    """Follow a unit to the root of its part, halving the way."""
    while root[u] != u:
        root[u] = root[root[u]]
        u = root[u]
    return u


@compiled
def connected_parts(count: int, i: Ints, j: Ints) -> Ints:
    """Number the connected part of each of `count` units, tied in pairs, by its first unit.

    Small graphs are met by the thousand, and SciPy takes some sixty times as long for each.
    """
    root = np.arange(count)
    for k in range(len(i)):
        a, b = _root(root, i[k]), _root(root, j[k])
        if a != b:  # the first unit of a part is its root
            root[max(a, b)] = min(a, b)
    part = np.empty(count, np.int64)
    found = 0
    for u in range(count):
        at = _root(root, u)
        if at == u:
            part[u] = found
            found += 1
        else:
            part[u] = part[at]
    return part


@inlined
def energy(households: float, load: float, area: float, perimeter: float, rules: Rules) -> float:
    """Return what one cell costs."""
    off = (load - rules.load_target) / rules.load_target
    cost = rules.shape * (1.0 - 4.0 * math.pi * area / (perimeter * perimeter))
    cost += rules.balance * off * off
    if abs(off) > NEAR:
        cost += rules.balance * NEAR * NEAR
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


@inlined
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


@inlined
def change_of_one(net: Network, label: Ints, home: Ints, u: int, here: int, there: int) -> Change:
    """Weigh moving one unit, as `change` does: by far the most frequent question."""
    rim, left, met, border, strayed = net.perimeter[u], 0.0, 0.0, 0.0, 0.0
    if home[u] == here:
        strayed = float(net.households[u])
    elif home[u] == there:
        strayed = -float(net.households[u])
    for e in range(net.start[u], net.start[u + 1]):
        c = label[net.neighbour[e]]
        if c == here:
            left += net.length[e]
            border += net.cost[e]
        elif c == there:
            met += net.length[e]
            border -= net.cost[e]
    return (
        float(net.households[u]),
        net.load[u],
        net.area[u],
        2.0 * left - rim,
        rim - 2.0 * met,
        border,
        strayed,
    )


@inlined
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


@inlined
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
