"""Small parts are cut as well as can be, and into every number of cells that there is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from gridmap.partitioning import energy, search
from gridmap.partitioning.certificates import connected
from gridmap.partitioning.problem import EFFORTS, Community, Task, Wishes, pieces_of, share
from gridmap.partitioning.solve import solve
from tests.partition_graphs import HIGH, LOW, community_of, lattice, small_communities

WISHES = Wishes(LOW, HIGH, 450.0, 0, EFFORTS["default"])


def cost_of(task: Task, label: np.ndarray) -> float:
    """Return the energy of a division."""
    count = int(label.max()) + 1
    total = energy.sums(task.net, label, count)
    home = np.full(len(label), -1, np.int64)
    return energy.total_energy(task.net, label, total, task.rules, home, np.empty(count))


def every_division(town: Community) -> list[np.ndarray]:
    """Return all divisions into connected cells within the band."""

    @cache
    def parts(left: int) -> list[list[int]]:
        if left == 0:
            return [[]]
        lowest = left & -left
        others, found = left ^ lowest, []
        part = others
        while True:
            if valid(part | lowest):
                found += [[part | lowest, *rest] for rest in parts(others ^ part)]
            if part == 0:
                return found
            part = (part - 1) & others

    @cache
    def valid(cell: int) -> bool:
        label = np.array([cell >> u & 1 for u in range(len(town))])
        inner = (label[town.i] & label[town.j]).astype(bool)
        whole = connected(np.where(label == 1, 0, np.arange(1, len(town) + 1)), town.i[inner],
                          town.j[inner])  # fmt: skip
        return whole and LOW <= int(town.households @ label) <= HIGH

    made = []
    for cells in parts((1 << len(town)) - 1):
        label = np.zeros(len(town), np.int64)
        for number, cell in enumerate(cells):
            label[[u for u in range(len(town)) if cell >> u & 1]] = number
        made.append(label)
    return made


@settings(max_examples=80, deadline=None, derandomize=True)
@given(small_communities(most=7))
def test_the_least_cost_of_every_number_of_cells_is_found(town: Community) -> None:
    task = Task.of(town, town.bonds(), WISHES, 0, "x")
    cells = energy.every_cell(task.net, task.rules, -1)
    best: dict[int, float] = {}
    for division in every_division(town):
        count = int(division.max()) + 1
        best[count] = min(best.get(count, np.inf), cost_of(task, division))
    for count in range(1, len(town) + 1):
        found = energy.cheapest(cells, count)
        assert (found is not None) == (count in best)
        if found is not None:
            cost, label = found
            assert set(label) == set(range(count))
            assert cost_of(task, label) == pytest.approx(best[count])
            assert cost == pytest.approx(best[count])


@pytest.mark.parametrize("seed", range(8))
def test_larger_parts_reach_what_integer_programming_proves(seed: int) -> None:
    town = lattice(5, seed, most=300)
    rng = np.random.default_rng(seed)
    town.length[:] = rng.uniform(5, 15, len(town.length))
    cells = WISHES.cells(town.total)
    task = Task.of(town, town.bonds(), WISHES, cells, "border")
    task = replace(task, rules=task.rules._replace(shape=0.0, balance=0.0))
    found = energy.cheapest(energy.every_cell(task.net, task.rules, -1), cells)
    least = least_border(town, cells)
    assert found is not None
    assert least is not None
    label = found[1]
    assert WISHES.fits(label, town.households)
    assert connected(label, town.i, town.j)
    assert town.length[label[town.i] != label[town.j]].sum() == pytest.approx(least)


@pytest.mark.parametrize(
    ("seed", "cells"), [(0, 7), (1, 7), (4, 9), (6, 7), (9, 8), (10, 8), (13, 8), (15, 8)]
)
def test_a_number_that_the_cheapest_cells_do_not_add_up_to_is_found(seed: int, cells: int) -> None:
    town = lattice(6, seed, most=130)
    task = Task.of(town, town.bonds(), WISHES, cells, "number")
    found = energy.cheapest(energy.every_cell(task.net, task.rules, -1), cells)
    assert found is not None
    cost, label = found
    assert len(set(label)) == cells
    assert WISHES.fits(label, town.households)
    assert connected(label, town.i, town.j)
    assert cost <= cost_of(task, search.annealed(task, label)) + 1e-9


def test_of_partitions_alike_the_same_is_taken_by_whatever_way_it_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = lattice(4, 0, most=200)
    town.households[:] = 100
    task = Task.of(town, town.bonds(), WISHES, 4, "alike")
    cells = energy.every_cell(task.net, task.rules, -1)
    usual = energy.cheapest(cells, 4)
    order = np.random.default_rng(1).permutation(16)  # the programs start from other cells
    turned = np.argsort(order)
    price = energy._prices(cells, 4)
    assert usual is not None
    assert price is not None
    monkeypatch.setattr(
        energy, "_prices", lambda *_: (price[0] + 1e-9 * (order - turned), price[1])
    )
    again = energy.cheapest(cells, 4)
    assert again is not None
    np.testing.assert_array_equal(usual[1], again[1])


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_prices_are_those_of_the_linear_program(seed: int, alike: bool) -> None:
    town = lattice(5, seed, most=200)
    if alike:  # many divisions cost the same, and most steps of the program change nothing
        town.households[:] = 100
    for cells in range(town.total // HIGH, town.total // LOW + 2):
        task = Task.of(town, town.bonds(), WISHES, cells, "prices")
        listed = energy.every_cell(task.net, task.rules, -1)
        covers = (listed.units >> np.arange(len(town))[:, None] & 1).astype(float)
        rows = np.vstack([covers, np.ones(len(listed.units))])
        wanted = np.append(np.ones(len(town)), cells)
        solved = linprog(listed.cost, A_eq=rows, b_eq=wanted)
        found = energy._prices(listed, cells)
        assert (found is not None) == (solved.status == 0)
        if found is not None:
            price = np.append(*found)
            assert (listed.cost - price @ rows).min() > -1e-5
            assert price @ wanted == pytest.approx(solved.fun, abs=1e-4)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(small_communities(most=8))
def test_every_number_of_cells_that_is_possible_is_made(town: Community) -> None:
    possible = {int(label.max()) + 1 for label in every_division(town)}
    for wanted in range(1, len(town) + 1):
        outcome = solve(town, WISHES, wanted)
        assert (outcome.cells == wanted and not outcome.reasons) == (wanted in possible)


def least_border(town: Community, cells: int) -> float | None:
    """Return the least border of a division into cells within the band, by integer programming."""
    near = [0] * len(town)
    for a, b in zip(town.i.tolist(), town.j.tolist(), strict=True):
        near[a] |= 1 << b
        near[b] |= 1 << a
    size = town.households.tolist()
    wave = {1 << u: size[u] for u in range(len(town))}
    columns: dict[int, int] = {}
    while wave:
        columns |= wave
        wave = {c | 1 << v: weight + size[v] for c, weight in wave.items() for v in range(len(town))
                if not c >> v & 1 and near[v] & c and weight + size[v] <= HIGH}  # fmt: skip
    inside = np.array([[c >> u & 1 for u in range(len(town))] for c in sorted(columns)])
    weight = inside @ town.households
    inside = inside[(weight >= LOW) & (weight <= HIGH)]
    if len(inside) == 0:
        return None
    border = np.abs(inside[:, town.i] - inside[:, town.j]) @ town.length / 2
    solved = milp(
        border,
        constraints=[
            LinearConstraint(inside.T, 1, 1),
            LinearConstraint(np.ones(len(inside)), cells, cells),
        ],
        bounds=Bounds(0, 1),
        integrality=np.ones(len(inside)),
    )
    return float(solved.fun) if solved.status == 0 else None


@pytest.mark.parametrize(("units", "share"), [(energy.UNITS, 1.0), (0, 0.9)])
def test_the_proven_least_border_is_reached(
    units: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "UNITS", units)  # with 0, what annealing reaches alone
    rng = np.random.default_rng(0)
    proven = reached = 0
    for seed in range(30):
        wide = lattice(4, seed, most=200)
        town = wide.subset(np.sort(rng.permutation(16)[: 13 + seed % 3]))
        town = town.subset(np.flatnonzero(town.parts(town.bonds()) == 0))
        town.length[:] = rng.uniform(5, 15, len(town.length))
        cells = WISHES.cells(town.total)
        least = least_border(town, cells)
        if least is None:
            continue
        task = Task.of(town, town.bonds(), WISHES, cells, "border")
        rules = task.rules._replace(shape=0.0, balance=0.0)
        label = search.cut_and_anneal(replace(task, rules=rules), search.FIRST_TRIES)
        proven += 1
        reached += town.length[label[town.i] != label[town.j]].sum() <= least + 1e-6
    assert proven >= 20
    assert reached >= share * proven


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_larger_parts_are_cut_into_the_number_wanted(seed: int) -> None:
    town = lattice(8, seed, most=80)
    least, most = -(-town.total // HIGH), town.total // LOW
    for wanted in range(least + 1, most):
        outcome = solve(town, WISHES, wanted)
        assert outcome.cells == wanted
        assert not outcome.reasons
        assert connected(outcome.label, town.i, town.j)


def test_a_number_that_no_band_allows_is_come_near_to() -> None:
    town = lattice(8, 1, most=80)
    most = town.total // LOW
    assert solve(town, WISHES, 10 * most).cells >= most - 1
    assert not solve(town, WISHES, 10 * most).reasons


def test_wanted_cells_are_shared_as_the_bands_of_the_parts_allow() -> None:
    town = community_of([300, 350, 250, 200, 900], [(0, 1), (2, 3)])
    pieces = pieces_of(town, town.bonds(), WISHES)
    assert share(pieces, WISHES, 0) == [2, 1, 1]
    town = community_of([300, 300, 300, 500], [(0, 1), (1, 2)])
    pieces = pieces_of(town, town.bonds(), WISHES)
    assert share(pieces, WISHES, 4) == [3, 1]
    assert share(pieces, WISHES, 9) == [3, 1]
    outcome = solve(town, WISHES, 4)
    assert outcome.cells == 4
    assert not outcome.reasons
