"""What cells are as arrays, and cost: compactness, balance, the band, the border; the least of it.

Of a small part the best partition is proved: every cell is listed, and prices choose among them.
Sets of units are bit masks. A cell costs what its energy says and half of its border, so a
partition costs the sum of its cells, and the best one is the cheapest set of cells that covers each
unit once: the set partitioning problem of districting (Garfinkel and Nemhauser 1970). Its linear
relaxation, solved by column generation, gives each unit a price; a cell that costs more than its
units are worth has a reduced cost, and the reduced costs of a partition are what it costs above the
bound. So only cells of small reduced cost can be in the best partition, and among those few every
partition is seen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gridmap._arrays import Bools, Dice, Floats, Ints
from gridmap.coverage.kernels import bare as bare
from gridmap.coverage.kernels import compiled as compiled
from gridmap.coverage.kernels import inlined as inlined
from gridmap.coverage.kernels import mix

NEAR = 0.12  # up to this share of the target a load is near; just beyond it costs twice as much

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
_S11 = np.uint64(11)
_SCALE = 1.0 / 9007199254740992.0


@inlined
def mixed(z: int) -> float:
    """Return a number in [0, 1) that depends on every bit of a whole one."""
    return float(mix(np.uint64(z)) >> _S11) * _SCALE


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
        left += net.length[e] if c == here else 0.0
        met += net.length[e] if c == there else 0.0
        border += net.cost[e] if c == here else 0.0
        border -= net.cost[e] if c == there else 0.0
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


UNITS = 62  # most units of a part: a set is one whole number with a sign
CELLS = 200_000
SETS = 8 * CELLS  # most sets that are looked at on the way, those under the minimum included
STEPS = 4_000_000  # most cells that are tried to be the next one
EACH = 12  # cells of each first unit that enter the linear program at once
ROUNDS = 60  # times that cells enter the program at most
PIVOTS = 10_000  # its steps each time at most
TRIFLE = 1e-8  # by how much what is to be covered differs from one
MISSING = 1e-5  # what may be missing for the trifles
UNCOVERED = 1e3  # what a unit costs that no cell covers, or a cell that is missing
SURE = 1e-6  # what a reduced cost may be under 0 for the tolerance of the linear program
GAPS = (0.003, 0.03, 0.3, 3.0)  # above the bound, in which partitions are looked for, in turn
JITTER = 1e-10  # what tells partitions of equal cost apart, the same everywhere


_BIT = np.argmax((1 << np.arange(UNITS)) % 67 == np.arange(67)[:, None], axis=1)


class Cells(NamedTuple):
    """Cells by their first unit: mask, cost, and where those of a unit begin."""

    units: Ints
    cost: Floats
    first: Ints


@inlined
def _lowest(units: int) -> int:
    """Return the first unit of a set: a power of two has a remainder of its own by 67."""
    return int(_BIT[(units & -units) % 67])


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
    part = left = others & rim
    while left:
        u = _lowest(left)
        more = touch[u] & others & ~part
        part |= more
        left ^= 1 << u | more
    return part != others


@inlined
def _added(net: Network, units: int, u: int) -> tuple[float, float]:
    """Return by how much a unit changes the perimeter of a set, and what its border costs."""
    perimeter, border = net.perimeter[u], 0.0
    for e in range(net.start[u], net.start[u + 1]):
        if units >> net.neighbour[e] & 1:
            perimeter -= 2.0 * net.length[e]
            border -= net.cost[e]
        else:
            border += net.cost[e]
    return perimeter, border


@compiled
def every_cell(net: Network, rules: Rules, rim: int) -> Cells:
    """List the connected sets within the band that do not cut others off from the rim.

    Each set is met once: it grows from its first unit, and what was passed over stays out. The
    last `first` is -1 when there are too many.
    """
    n = len(net.households)
    near, touch = _neighbours(net, net.bond), _neighbours(net, net.start[1:])
    cell, cost = np.empty(CELLS, np.int64), np.empty(CELLS)
    first = np.full(n + 1, -1, np.int64)
    set_of, barred_at, reach, homes = np.empty((4, n * n + 1), np.int64)
    load, area, perimeter, border = np.empty((4, n * n + 1))
    count = looked = 0
    for root in range(n):
        first[root] = count
        depth = 0
        if net.households[root] <= rules.high:
            depth = 1
            set_of[0], barred_at[0], reach[0] = 1 << root, (1 << root) - 1, near[root]
            homes[0] = net.households[root]
            load[0], area[0] = net.load[root], net.area[root]
            perimeter[0], border[0] = _added(net, 0, root)
        while depth > 0:
            depth -= 1
            units, barred, around = set_of[depth], barred_at[depth], reach[depth]
            total = homes[depth]
            its_load, its_area = load[depth], area[depth]
            its_perimeter, its_border = perimeter[depth], border[depth]
            looked += 1
            if count == CELLS or looked > SETS:
                return Cells(cell, cost, first)
            if total >= rules.low and (rim < 0 or not _encloses(touch, units, rim)):
                own = energy(float(total), its_load, its_area, its_perimeter, rules)
                cell[count] = units
                cost[count] = own + 0.5 * rules.border * its_border + JITTER * mixed(units)
                count += 1
            more = around & ~units & ~barred
            while more:
                u = _lowest(more)
                more &= more - 1
                if total + net.households[u] <= rules.high:
                    longer, dearer = _added(net, units, u)
                    set_of[depth], barred_at[depth] = units | 1 << u, barred
                    reach[depth] = around | near[u]
                    homes[depth] = total + net.households[u]
                    load[depth], area[depth] = its_load + net.load[u], its_area + net.area[u]
                    perimeter[depth] = its_perimeter + longer
                    border[depth] = its_border + dearer
                    depth += 1
                    barred |= 1 << u
    first[n] = count
    return Cells(cell[:count], cost[:count], first)


@compiled
def _reduced(cells: Cells, price: Floats, each: float) -> Floats:
    """Return what each cell costs above the prices of its units and of one cell."""
    bytes_ = (len(price) + 7) // 8
    worth = np.zeros((bytes_, 256))  # of every byte of a mask
    for u in range(len(price)):
        bit = 1 << u % 8
        for low in range(bit):
            for high in range(0, 256, 2 * bit):
                worth[u // 8, high + bit + low] += price[u]
    found = np.empty(len(cells.cost))
    for c in range(len(found)):
        units, above = cells.units[c], cells.cost[c] - each
        for k in range(bytes_):
            above -= worth[k, units >> 8 * k & 255]
        found[c] = above
    return found


@compiled
def _cheapest(cells: Cells, reduced: Floats, below: float) -> Ints:
    """Return the few cells of each first unit with the least reduced cost under a limit."""
    n = len(cells.first) - 1
    found, count = np.empty(n * EACH, np.int64), 0
    for root in range(n):
        begin = count
        for c in range(cells.first[root], cells.first[root + 1]):
            if reduced[c] >= below or (
                count == begin + EACH and reduced[c] >= reduced[found[count - 1]]
            ):
                continue
            if count < begin + EACH:
                count += 1
            at = count - 1
            while at > begin and reduced[found[at - 1]] > reduced[c]:
                found[at] = found[at - 1]
                at -= 1
            found[at] = c
    return found[:count]


class Basis(NamedTuple):
    """Where the linear program stands: the inverse of its basis, and what follows from that.

    A row is a unit, the last one the number of cells. `amount` is how much of a row's cell is
    taken, or how much is `missing` where the row has none yet.
    """

    inverse: Floats
    amount: Floats
    missing: Bools
    price: Floats


@compiled
def _enter(basis: Basis, units: int, above: float) -> bool:
    """Take a cell into the basis instead of what it uses up first; False if that is nothing."""
    inverse, amount, rows = basis.inverse, basis.amount, len(basis.amount)
    column = inverse[:, -1].copy()
    while units:
        u = _lowest(units)
        for row in range(rows):
            column[row] += inverse[row, u]
        units &= units - 1
    leaves, least = -1, np.inf
    for row in range(rows):
        if column[row] > SURE and amount[row] < least * column[row]:
            leaves, least = row, amount[row] / column[row]
    if leaves < 0:
        return False
    for k in range(rows):
        inverse[leaves, k] /= column[leaves]
        basis.price[k] += above * inverse[leaves, k]
    for row in range(rows):
        if row != leaves and column[row] != 0.0:
            for k in range(rows):
                inverse[row, k] -= column[row] * inverse[leaves, k]
            amount[row] = max(0.0, amount[row] - column[row] * least)
    amount[leaves], basis.missing[leaves] = least, False
    return True


@compiled
def _priced(cells: Cells, count: int) -> tuple[Floats, float]:
    """Solve the linear program by the simplex method; return the prices and how much is missing.

    Cells enter when their reduced cost is negative, the few of each first unit with the least
    before all others, until there are none. What is to be covered differs by a trifle from one, as
    otherwise many steps would change nothing but the basis (Charnes 1952).
    """
    n = len(cells.first) - 1
    price = np.full(n + 1, UNCOVERED)
    basis = Basis(np.eye(n + 1), np.ones(n + 1), np.ones(n + 1, np.bool_), price)
    basis.amount[n] = count
    for row in range(n + 1):
        basis.amount[row] += TRIFLE * mixed(row)
    inside, entered = _cheapest(cells, cells.cost, np.inf), np.zeros(len(cells.cost), np.bool_)
    for c in inside:
        entered[c] = True
    for _ in range(ROUNDS):
        few = Cells(cells.units[inside], cells.cost[inside], cells.first)
        for step in range(PIVOTS + 1 if len(inside) else 0):
            reduced = _reduced(few, basis.price[:n], basis.price[n])
            best = np.argmin(reduced)
            if reduced[best] >= -SURE:
                break
            if step == PIVOTS or not _enter(basis, few.units[best], reduced[best]):
                return basis.price, np.inf
        fresh = _cheapest(cells, _reduced(cells, basis.price[:n], basis.price[n]), -SURE)
        if len(fresh) == 0:
            return basis.price, basis.amount[basis.missing].sum()
        for c in fresh:
            entered[c] = True
        inside = np.flatnonzero(entered)
    return basis.price, np.inf


def _prices(cells: Cells, count: int) -> tuple[Floats, float] | None:
    """Return what each unit and each cell is worth in the linear program; None without a cover."""
    price, missing = _priced(cells, count)
    return None if missing > MISSING else (price[:-1], float(price[-1]))


@compiled
def _fitted(cells: Cells, reduced: Floats, count: int, gap: float) -> tuple[bool, Ints]:
    """Return the cells of the cheapest cover that costs at most a gap above the bound.

    The first unit that is not yet covered is in the next cell, so each cover is met once. The first
    value is False when the steps did not suffice; without a cover the cells are -1.
    """
    n = len(cells.first) - 1
    under = min(0.0, reduced.min()) if len(reduced) else 0.0
    best, chosen = gap, np.full(count, -1, np.int64)
    taken, spent = np.empty(count, np.int64), np.zeros(count + 1)
    at, left = np.empty(count, np.int64), np.empty(count + 1, np.int64)
    left[0] = (1 << n) - 1
    depth, steps = 0, 0
    at[0] = cells.first[0]
    while depth >= 0:
        root = 0
        while not left[depth] >> root & 1:
            root += 1
        found = False
        while at[depth] < cells.first[root + 1]:
            c = at[depth]
            at[depth] += 1
            steps += 1
            total = spent[depth] + reduced[c]
            if total + (count - depth - 1) * under > best:  # those that follow cost more
                at[depth] = cells.first[root + 1]
                break
            if cells.units[c] & ~left[depth]:
                continue
            rest = left[depth] ^ cells.units[c]
            if (rest == 0) != (depth + 1 == count):
                continue
            taken[depth] = c
            if rest == 0:
                if total <= best:
                    best = total
                    for k in range(count):
                        chosen[k] = taken[k]
                continue
            found = True
            spent[depth + 1], left[depth + 1] = total, rest
            break
        if steps > STEPS:
            return False, chosen
        if not found:
            depth -= 1
            continue
        depth += 1
        root = 0
        while not left[depth] >> root & 1:
            root += 1
        at[depth] = cells.first[root]
    return True, chosen


def _near(cells: Cells, reduced: Floats, gap: float) -> tuple[Cells, Floats]:
    """Return the cells of a reduced cost up to a gap, those of each first unit in its order."""
    root = np.repeat(np.arange(len(cells.first) - 1), np.diff(cells.first))
    kept = np.flatnonzero(reduced <= gap)
    kept = kept[np.lexsort((reduced[kept], root[kept]))]
    first = np.searchsorted(root[kept], np.arange(len(cells.first)))
    return Cells(cells.units[kept], cells.cost[kept], first), reduced[kept]


def cheapest(cells: Cells, count: int) -> tuple[float, Ints] | None:
    """Return the least cost and the labels of a partition into so many of the cells.

    None where there is no such partition, or the best one is not proved within the steps.

    Parameters
    ----------
    cells : Cells
        Every cell that may be used, from `every_cell`.
    count : int
        How many cells.
    """
    prices = _prices(cells, count)
    if prices is None:
        return None
    reduced = _reduced(cells, *prices)
    for gap in GAPS:
        near, above = _near(cells, reduced, gap)
        sure, chosen = _fitted(near, above, count, gap)
        if not sure:
            return None
        if chosen[0] >= 0:
            units = near.units[chosen]
            label = np.argmax(units[:, None] >> np.arange(len(cells.first) - 1) & 1, axis=0)
            return float(near.cost[chosen].sum()), label
    return None
