"""Exact solvers written apart from the package: integer programming, and every subset of units."""

from __future__ import annotations

import numba
import numpy as np
from partition_cases import HIGH, LOW
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from gridmap.partitioning.certificates import Masks, bits, whole_masks
from gridmap.partitioning.energy import Network, Rules
from gridmap.partitioning.problem import Community, Task

NEVER = 1e18


def every_cell(masks: Masks, most: int) -> list[int] | None:
    """List all connected sets of units within the band; None when there are too many."""
    found: set[int] = set()
    for unit in range(len(masks.unit)):
        later = masks.all & ~((1 << unit) - 1)
        stack, seen = [1 << unit], {1 << unit}
        while stack:
            cell = stack.pop()
            weight = masks.weigh(cell)
            if weight >= masks.low:
                found.add(cell)
            for other in bits(masks.reach(cell) & later):
                fresh = cell | 1 << other
                if weight + masks.households[other] <= masks.high and fresh not in seen:
                    seen.add(fresh)
                    stack.append(fresh)
            if len(found) + len(stack) > most:
                return None
    return sorted(found)


def exact(
    town: Community, low: int, high: int, cells: int = 0, most: int = 20_000, seconds: int = 60
) -> tuple[str, float | None]:
    """Return "optimal" with the least border, "impossible", or "unknown": HiGHS, set partition."""
    ties = town.bonds()
    masks = whole_masks(town.households, town.i[ties], town.j[ties], low, high)
    columns = every_cell(masks, most)
    if columns is None:
        return "unknown", None
    if not columns:
        return "impossible", None
    rows = [list(bits(cell)) for cell in columns]
    index = np.concatenate([np.asarray(r) for r in rows])
    owner = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    cover = csr_array((np.ones(len(index)), (index, owner)), shape=(len(town), len(rows)))
    constraints = [LinearConstraint(cover, 1, 1)]
    if cells:
        constraints.append(LinearConstraint(np.ones((1, len(rows))), cells, cells))
    inside = np.zeros((len(rows), len(town)), bool)
    inside[owner, index] = True
    cut = np.array([town.length[row[town.i] ^ row[town.j]].sum() for row in inside]) / 2
    solved = milp(
        cut,
        constraints=constraints,
        bounds=Bounds(0, 1),
        integrality=np.ones(len(rows)),
        options={"time_limit": seconds},
    )
    if solved.status == 0:
        return "optimal", float(solved.fun)
    return ("impossible" if solved.status == 2 else "unknown"), None


def least_costs(town: Community, task: Task, most: int) -> np.ndarray:
    """Return the least cost of a division into 0 ... `most` cells, over every subset of units."""
    near = np.zeros(len(town), np.int64)
    for a, b in zip(town.i[town.bonds()], town.j[town.bonds()], strict=True):
        near[a] |= 1 << b
        near[b] |= 1 << a
    weight, own = _every_cost(task.net, task.rules, near)
    return _cover(weight, own, most)


@numba.njit
def _every_cost(net: Network, rules: Rules, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the households of every subset, and its cost as a cell, or NEVER."""
    n = len(near)
    weight = np.zeros(1 << n, np.int64)
    own = np.full(1 << n, NEVER)
    for s in range(1, 1 << n):
        load = area = perimeter = border = 0.0
        for u in range(n):
            if s >> u & 1:
                weight[s] += net.households[u]
        if weight[s] < LOW or weight[s] > HIGH or not _hangs_together(near, s):
            continue
        for u in range(n):
            if not s >> u & 1:
                continue
            load, area = load + net.load[u], area + net.area[u]
            perimeter += net.perimeter[u]
            for e in range(net.start[u], net.start[u + 1]):
                if s >> net.neighbour[e] & 1:
                    perimeter -= net.length[e]
                else:
                    border += net.cost[e]
        off = (load - rules.load_target) / rules.load_target
        uneven = off**2 + (0.12**2 if abs(off) > 0.12 else 0.0)
        compact = 4 * np.pi * area / perimeter**2
        own[s] = rules.shape * (1 - compact) + rules.balance * uneven
        own[s] += rules.border * border / 2
    return weight, own


@numba.njit
def _hangs_together(near: np.ndarray, units: int) -> bool:
    """Tell whether a subset is connected."""
    reached = units & -units
    while True:
        more = reached
        for u in range(len(near)):
            if reached >> u & 1:
                more |= near[u] & units
        if more == reached:
            return reached == units
        reached = more


@numba.njit
def _cover(weight: np.ndarray, own: np.ndarray, most: int) -> np.ndarray:
    """Cover all units: the first that is left takes every subset of the others with it."""
    size = len(own)
    least = np.full((most + 1, size), NEVER)
    least[0, size - 1] = 0.0
    for k in range(most):
        for left in range(1, size):
            if least[k, left] >= NEVER:
                continue
            first = left & -left
            others = left ^ first
            part = others
            while True:
                rest = others ^ part
                if own[part | first] < NEVER and weight[rest] <= (most - k - 1) * HIGH:
                    cost = least[k, left] + own[part | first]
                    least[k + 1, rest] = min(least[k + 1, rest], cost)
                if part == 0:
                    break
                part = (part - 1) & others
    return least[:, 0]
