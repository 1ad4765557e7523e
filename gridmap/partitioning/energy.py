"""What cells are as arrays, and cost: compactness, balance, the band, the border; the least of it.

Of a small part the best partition is proved: all cells are listed, and fitted together. Sets of
units are bit masks. A cell costs what its energy says and half of its border, so a partition costs
the sum of its cells. The first unit that is not yet covered must be in the next cell, so each
partition is met once; of all ways to cover the same units only the best is kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gridmap._arrays import Dice, Floats, Ints
from gridmap.coverage.kernels import compiled as compiled
from gridmap.coverage.kernels import inlined as inlined

FAR = 0.2  # from here on, as a share of the target, a load is simply far off: its cost levels out

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
def uniform(dice: Dice) -> float:
    """Return a number in [0, 1) and advance the dice (Steele, Lea and Flood 2014)."""
    dice[0] = dice[0] + _STEP
    z = dice[0]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    z = z ^ (z >> _S31)
    return float(z >> _S11) * _SCALE


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


UNITS = 20  # most units of a part: tables have a place for each set of them
CELLS = 40_000
WAYS = 40_000
STEPS = 2_000_000
NEVER = 1e18
UNSOUND = -2  # marks what can never be covered


class Cells(NamedTuple):
    """Cells by their first unit: mask, households, cost, and where those of a unit begin."""

    units: Ints
    households: Ints
    cost: Floats
    first: Ints


class Ways(NamedTuple):
    """Ways to cover all but some units: what is left, its households, and what was spent.

    `last` is the cell that came last and `before` the way before it; `at` is the way that leaves a
    set.
    """

    left: Ints
    households: Ints
    spent: Floats
    last: Ints
    before: Ints
    at: Ints


@compiled
def _weight(net: Network, units: int) -> int:
    """Return the households of a set."""
    total = 0
    for u in range(len(net.households)):
        if units >> u & 1:
            total += net.households[u]
    return total


@compiled
def _reach(near: Ints, units: int) -> int:
    """Return the neighbours of a set, without the set."""
    found = 0
    for u in range(len(near)):
        if units >> u & 1:
            found |= near[u]
    return found & ~units


@compiled
def _neighbours(net: Network, ends: Ints) -> Ints:
    """Return the neighbours of each unit as a mask: those of its contacts up to an end."""
    near = np.zeros(len(ends), np.int64)
    for u in range(len(ends)):
        for e in range(net.start[u], ends[u]):
            near[u] |= 1 << net.neighbour[e]
    return near


@compiled
def _encloses(touch: Ints, cell: int, rim: int) -> bool:
    """Tell whether some unit is cut off from the rim by a cell."""
    others = ((1 << len(touch)) - 1) & ~cell
    part = wave = others & rim
    while wave:
        wave = _reach(touch, wave) & others & ~part
        part |= wave
    return part != others


@compiled
def _cost(net: Network, rules: Rules, cell: int, households: int) -> float:
    """Return the energy of a cell and half of its border's cost."""
    load, area, perimeter, border = 0.0, 0.0, 0.0, 0.0
    for u in range(len(net.households)):
        if not cell >> u & 1:
            continue
        load += net.load[u]
        area += net.area[u]
        perimeter += net.perimeter[u]
        for e in range(net.start[u], net.start[u + 1]):
            if cell >> net.neighbour[e] & 1:
                perimeter -= net.length[e]
            else:
                border += net.cost[e]
    return energy(float(households), load, area, perimeter, rules) + 0.5 * rules.border * border


@compiled
def _cells(net: Network, rules: Rules, near: Ints, rim: int) -> Cells:
    """List the connected sets within the band that do not cut others off from the rim.

    The last `first` is -1 when there are too many.
    """
    n = len(near)
    touch = _neighbours(net, net.start[1:])
    cell = np.empty(CELLS, np.int64)
    weight = np.empty(CELLS, np.int64)
    cost = np.empty(CELLS)
    first = np.full(n + 1, -1, np.int64)
    stack = np.empty((3, n * n + 1), np.int64)
    count = listed = 0
    for root in range(n):
        first[root] = count
        stack[0, 0], stack[1, 0] = 1 << root, (1 << root) - 1
        stack[2, 0] = net.households[root]
        depth = 1 if net.households[root] <= rules.high else 0
        while depth > 0:
            depth -= 1
            units, barred, total = stack[0, depth], stack[1, depth], stack[2, depth]
            listed += 1
            if count == CELLS or listed > 4 * CELLS:
                return Cells(cell, weight, cost, first)
            if total >= rules.low and not _encloses(touch, units, rim):
                cell[count], weight[count] = units, total
                cost[count] = _cost(net, rules, units, total)
                count += 1
            more = _reach(near, units) & ~barred
            for u in range(n):
                if more >> u & 1 and total + net.households[u] <= rules.high:
                    stack[0, depth], stack[1, depth] = units | 1 << u, barred
                    stack[2, depth] = total + net.households[u]
                    depth += 1
                    barred |= 1 << u
    first[n] = count
    return Cells(cell, weight, cost, first)


@compiled
def _sound(net: Network, rules: Rules, near: Ints, units: int) -> bool:
    """Tell whether each connected part of a set could be cut by its households alone."""
    while units:
        part = units & -units
        wave = part
        while wave:
            wave = _reach(near, part) & units
            part |= wave
        total = _weight(net, part)
        if total < rules.low or -(-total // rules.high) > total // rules.low:
            return False
        units &= ~part
    return True


@compiled
def _start(net: Network) -> Ways:
    """Return the one way that covers nothing."""
    n = len(net.households)
    ways = Ways(
        np.empty(WAYS, np.int64),
        np.empty(WAYS, np.int64),
        np.empty(WAYS),
        np.empty(WAYS, np.int64),
        np.empty(WAYS, np.int64),
        np.full(1 << n, -1, np.int32),
    )
    ways.left[0] = (1 << n) - 1
    ways.households[0] = _weight(net, ways.left[0])
    ways.spent[0] = 0.0
    return ways


@compiled
def _lowest(units: int) -> int:
    """Return the first unit of a set."""
    u = 0
    while not units >> u & 1:
        u += 1
    return u


@compiled
def _cover(
    net: Network, rules: Rules, near: Ints, cells: Cells, ways: Ways, way: int, done: int, end: int
) -> tuple[int, int]:
    """Add each cell that fits to a way; return the end of the ways and the best last cell.

    Ways from `done` on have one cell more. The last cell is -1 where none covers what is left; the
    end is -1 when there is no room for more ways.
    """
    left = ways.left[way]
    root = _lowest(left)
    best = -1
    for c in range(cells.first[root], cells.first[root + 1]):
        if cells.units[c] & ~left:
            continue
        rest = left ^ cells.units[c]
        if rest == 0:
            best = c
            continue
        at = ways.at[rest]
        if at == -1 and not _sound(net, rules, near, rest):
            at = ways.at[rest] = UNSOUND
        if at == UNSOUND:
            continue
        spent = ways.spent[way] + cells.cost[c]
        if at < done:
            if end == WAYS:
                return -1, best
            at = ways.at[rest] = end
            ways.left[at] = rest
            ways.spent[at] = NEVER
            end += 1
        if spent < ways.spent[at]:
            ways.spent[at], ways.last[at], ways.before[at] = spent, c, way
    return end, best


@compiled
def least(net: Network, rules: Rules, most: int, rim: int = -1) -> tuple[bool, Floats, Ints]:
    """Return the least cost and the labels of a partition into 0 ... `most` cells within the band.

    No cell cuts a unit off from those of the mask `rim`; -1, all units, lets cells enclose others.
    The cost is `NEVER` where there is no such partition. The first value tells whether the search
    saw everything; nothing else is to be believed if not.
    """
    near = _neighbours(net, net.bond)
    cells = _cells(net, rules, near, rim)
    cost = np.full(most + 1, NEVER)
    label = np.full((most + 1, len(near)), -1, np.int64)
    if cells.first[-1] < 0:
        return False, cost, label
    ways = _start(net)
    begin, end, steps = 0, 1, 0
    for count in range(1, most + 1):
        done = end
        for way in range(begin, done):
            root = _lowest(ways.left[way])
            steps += cells.first[root + 1] - cells.first[root]
            end, last = _cover(net, rules, near, cells, ways, way, done, end)
            if end < 0 or steps > STEPS:
                return False, cost, label
            if last >= 0 and ways.spent[way] + cells.cost[last] < cost[count]:
                cost[count] = ways.spent[way] + cells.cost[last]
                _trace(cells, ways, way, last, count, label[count])
        begin = done
    return True, cost, label


@compiled
def _trace(cells: Cells, ways: Ways, way: int, last: int, count: int, label: Ints) -> None:
    """Label the cells of a way and the last one."""
    c = last
    for number in range(count - 1, -1, -1):
        for u in range(len(label)):
            if cells.units[c] >> u & 1:
                label[u] = number
        c, way = ways.last[way], ways.before[way]
