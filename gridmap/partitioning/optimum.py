"""The best partition of a small part, proved: every cell is listed, and prices choose among them.

Sets of units are bit masks. A cell costs what its energy says and half of its border, so a
partition costs the sum of its cells, and the best one is the cheapest set of cells that covers each
unit once: the set partitioning problem of districting (Garfinkel and Nemhauser 1970). Its linear
relaxation, solved by column generation, gives each unit a price; a cell that costs more than its
units are worth has a reduced cost, and the reduced costs of a partition are what it costs above the
bound. So only cells of small reduced cost can be in the best partition, and among those few every
partition is seen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gridmap._arrays import Floats, Ints
from gridmap.partitioning.energy import Network, Rules, compiled, energy, inlined, mixed

UNITS = 62  # most units of a part: a set is one whole number with a sign
CELLS = 200_000
SETS = 8 * CELLS  # most sets that are looked at on the way, those under the minimum included
STEPS = 4_000_000  # most cells that are tried to be the next one
EACH = 12  # cells of each first unit that enter the linear program at once
ROUNDS = 60  # linear programs at most
UNCOVERED = 1e3  # what a unit costs that no cell covers: more than any cell
SURE = 1e-6  # what a reduced cost may be under 0 for the tolerance of the linear program
GAPS = (0.003, 0.03, 0.3, 3.0)  # above the bound, in which partitions are looked for, in turn
JITTER = 1e-10  # what tells partitions of equal cost apart, the same everywhere


class Cells(NamedTuple):
    """Cells by their first unit: mask, cost, and where those of a unit begin."""

    units: Ints
    cost: Floats
    first: Ints


@inlined
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
    set_of, barred_at, homes = np.empty((3, n * n + 1), np.int64)
    load, area, perimeter, border = np.empty((4, n * n + 1))
    count = looked = 0
    for root in range(n):
        first[root] = count
        depth = 0
        if net.households[root] <= rules.high:
            depth = 1
            set_of[0], barred_at[0], homes[0] = 1 << root, (1 << root) - 1, net.households[root]
            load[0], area[0] = net.load[root], net.area[root]
            perimeter[0], border[0] = _added(net, 0, root)
        while depth > 0:
            depth -= 1
            units, barred, total = set_of[depth], barred_at[depth], homes[depth]
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
            more = _reach(near, units) & ~barred
            for u in range(n):
                if more >> u & 1 and total + net.households[u] <= rules.high:
                    longer, dearer = _added(net, units, u)
                    set_of[depth], barred_at[depth] = units | 1 << u, barred
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
    found = cells.cost - each
    for c in range(len(found)):
        units, u = cells.units[c], 0
        while units:
            if units & 1:
                found[c] -= price[u]
            units >>= 1
            u += 1
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


def _prices(cells: Cells, count: int) -> tuple[Floats, float] | None:
    """Return what each unit and each cell is worth in the linear program; None without a cover.

    Cells enter the program when their reduced cost is negative, until there are none.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csc_array

    n = len(cells.first) - 1
    inside = _cheapest(cells, cells.cost, np.inf)
    wanted = np.append(np.ones(n), count)
    for _ in range(ROUNDS):
        units = cells.units[inside]
        covers = units[None, :] >> np.arange(n)[:, None] & 1
        rows = np.vstack([covers, np.ones(len(units))])
        solved = linprog(
            np.concatenate([cells.cost[inside], np.full(n, UNCOVERED)]),
            A_eq=csc_array(np.hstack([rows, np.eye(n + 1, n)])),
            b_eq=wanted,
            bounds=(0, None),
            method="highs-ds",
        )
        if solved.status != 0:  # too few cells to choose so many from
            return None
        price = solved.eqlin.marginals
        fresh = _cheapest(cells, _reduced(cells, price[:n], price[n]), -SURE)
        if len(fresh) == 0:
            return None if solved.x[len(units) :].sum() > SURE else (price[:n], float(price[n]))
        inside = np.union1d(inside, fresh)
    return None


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
                    chosen[:] = taken
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
