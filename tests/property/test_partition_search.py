"""Laws of the search on graphs without geometry."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.partitioning import annealing, energy, spanning_tree
from gridmap.partitioning.certificates import (
    IMPOSSIBLE,
    POSSIBLE,
    UNIT_OVER_MAX,
    UNKNOWN,
    certify,
    connected,
    exhaust,
    settle,
)
from gridmap.partitioning.energy import Rules, connected_parts
from gridmap.partitioning.problem import EFFORTS, Community, Task, Wishes, dice_of, whole_below
from gridmap.partitioning.search import enclosing_cells
from gridmap.partitioning.solve import solve
from tests.partition_graphs import HIGH, LOW, can_be_cut, community_of, lattice, small_communities

WISHES = Wishes(LOW, HIGH, 450.0, 0, EFFORTS["fast"])
MANY = settings(max_examples=150, deadline=None, derandomize=True)


def in_band(label: np.ndarray, town: Community) -> bool:
    total = np.bincount(label, town.households)
    return bool(((total >= LOW) & (total <= HIGH)).all())


def rules(target: float = 450.0) -> Rules:
    return Rules(LOW, HIGH, target, target, 1.0, 0.7, 0.05, 20.0, 0.0)


@MANY
@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(
    st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40))))  # fmt: skip
def test_parts_are_those_of_networkx_numbered_by_their_first_unit(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    count, ties = drawn
    graph = nx.Graph(ties)
    graph.add_nodes_from(range(count))
    i, j = np.array(ties, np.int64).reshape(-1, 2).T
    expected = np.empty(count, np.int64)
    for number, part in enumerate(sorted(nx.connected_components(graph), key=min)):
        expected[list(part)] = number
    assert connected_parts(count, i, j).tolist() == expected.tolist()


def best_cut_of_tree(town: Community, contact: np.ndarray, order: np.ndarray, cells: int) -> float:
    """Try every set of cut edges of a tree."""
    net = town.network(town.bonds(), 100.0, 0.0)
    owner = np.repeat(np.arange(len(town)), np.diff(net.start))
    edges = [(int(owner[contact[u]]), int(u)) for u in order[1:]]
    price = [spanning_tree.CUT * 0.7 * net.cost[contact[u]] for u in order[1:]]
    best = spanning_tree.NEVER
    for kept in product((True, False), repeat=len(edges)):
        tie = np.array([edge for edge, keep in zip(edges, kept, strict=True) if keep], np.int64)
        part = (
            community_of([0] * len(town), [tuple(pair) for pair in tie.reshape(-1, 2)])
            if len(tie)
            else None
        )
        label = part.parts(part.bonds()) if part is not None else np.arange(len(town))
        if not in_band(label, town) or (cells and label.max() + 1 != cells):
            continue
        total = np.bincount(label, town.households)
        cost = sum(((w - 450.0) / 450.0) ** 2 for w in total)
        cost += sum(p for p, keep in zip(price, kept, strict=True) if not keep)
        best = min(best, cost)
    return best


@MANY
@given(small_communities(most=8), st.integers(0, 2), st.integers(0, 3))
def test_a_tree_is_cut_at_least_cost(town: Community, mode: int, cells: int) -> None:
    net = town.network(town.bonds(), 100.0, 0.0)
    contact, order = spanning_tree.draw(net, dice_of(1, mode), mode)
    assert sorted(order) == list(range(len(town)))
    label, parts, cost = spanning_tree.cut(net, contact, order, rules(), cells, False)
    best = best_cut_of_tree(town, contact, order, cells)
    assert cost == pytest.approx(best)
    if parts:
        assert in_band(label, town)
        assert connected(label, town.i, town.j)
        assert parts == label.max() + 1


@MANY
@given(st.integers(0, 10**6), st.integers(5, 9))
def test_annealing_keeps_cells_connected_and_tells_its_energy(seed: int, side: int) -> None:
    town = lattice(side, seed)
    task = Task.of(town, town.bonds(), WISHES, 0, seed)
    contact, order = spanning_tree.draw(task.net, task.dice, 2)
    label, parts, _ = spanning_tree.cut(task.net, contact, order, task.rules, 0, True)
    home = np.full(len(town), -1, np.int64)
    own = np.empty(parts)
    first = energy.total_energy(
        task.net, label, energy.sums(task.net, label, parts), task.rules, home, own
    )
    least = annealing.anneal(task.net, label, parts, task.rules, home, task.dice, 0.3, 0.02, 20_000)
    total = energy.sums(task.net, label, parts)
    assert least <= first + 1e-9
    assert least == pytest.approx(
        energy.total_energy(task.net, label, total, task.rules, home, own), abs=1e-6
    )
    assert connected(label, town.i, town.j)
    assert set(label) == set(range(parts))


@pytest.mark.parametrize("chunk", [1, 7, 1000, 10**9])
def test_annealing_in_chunks_gives_the_same_labels(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = lattice(12, 1)
    start = solve(town, WISHES).label
    found, told = [], []
    for at_once in (10**9, 0):
        monkeypatch.setattr(annealing, "AT_ONCE", at_once)
        monkeypatch.setattr(annealing, "CHUNK", chunk)
        task = Task.of(town, town.bonds(), WISHES, 0, "chunks")
        label, home = start.copy(), np.full(len(town), -1, np.int64)
        least = annealing.anneal(
            task.net, label, int(label.max()) + 1, task.rules, home, task.dice, 0.3, 0.02, 3_000,
            lambda stage, done, total: told.append((stage, done, total)),
        )  # fmt: skip
        found.append((least, label.tolist(), task.dice.tolist()))
    assert found[0] == found[1]
    assert told[-1] == ("anneal", 3_000, 3_000)
    assert len(told) == -(-3_000 // chunk)


@MANY
@given(st.integers(0, 10**6), st.floats(0.0, 50.0))
def test_a_price_keeps_households_where_they_were(seed: int, price: float) -> None:
    town = lattice(7, seed)
    outcome = solve(town, WISHES)
    home = outcome.label
    task = Task.of(town, town.bonds(), WISHES, 0, seed)
    dear = task.rules._replace(price=1e6)
    label = home.copy()
    annealing.anneal(task.net, label, outcome.cells, dear, home, task.dice, 0.05, 0.01, 5_000)
    assert (label == home).all()
    free = task.rules._replace(price=price)
    annealing.anneal(task.net, label, outcome.cells, free, home, task.dice, 0.05, 0.01, 5_000)
    assert connected(label, town.i, town.j)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(small_communities())
def test_no_false_certificate_and_no_missed_partition(town: Community) -> None:
    outcome = solve(town, WISHES)
    assert connected(outcome.label, town.i, town.j)
    total = np.bincount(outcome.label, town.households)
    outside = {int(cell) for cell in np.flatnonzero((total < LOW) | (total > HIGH))}
    assert outside == set(outcome.reasons)
    assert can_be_cut(town) == (not outside)
    assert all(finding.kind != UNKNOWN for finding in outcome.reasons.values())


@settings(max_examples=300, deadline=None, derandomize=True)
@given(small_communities())
def test_certificates_and_exhaustion_agree_with_every_set(town: Community) -> None:
    possible = can_be_cut(town)
    finding = certify(town.households, town.i, town.j, LOW, HIGH)
    assert not (possible and finding is not None)
    verdict, label = exhaust(town.households, town.i, town.j, LOW, HIGH)
    assert verdict == (POSSIBLE if possible else IMPOSSIBLE)
    if label is not None:
        assert in_band(label, town)
        assert connected(label, town.i, town.j)


def test_a_search_without_fuel_claims_nothing() -> None:
    town = lattice(6, 3)
    assert exhaust(town.households, town.i, town.j, LOW, HIGH, budget=3) == ("unknown", None)
    assert settle(town.households, town.i, town.j, LOW, HIGH, budget=3) == (None, None)


@pytest.mark.parametrize("seed", [2, 3, 10, 14])
@pytest.mark.parametrize("cells", [0, 10])
def test_the_two_gates_of_a_valley_fall_to_two_cells(seed: int, cells: int) -> None:
    town = lattice(12, seed, most=60)
    x, y = town.x / 10, town.y / 10
    rim = (x == 0) | (y == 0) | (x == 11) | (y == 11)
    wall = rim & ~((x == 11) & (y >= 6) & (y < 8))
    inner = np.bincount(town.i, town.length, len(town)) + np.bincount(
        town.j, town.length, len(town)
    )
    town.perimeter[wall] = inner[wall]
    outcome = solve(town, replace(WISHES, no_holes=True), cells)
    assert not enclosing_cells(town, outcome.label)
    assert in_band(outcome.label, town)
    assert outcome.cells == cells or not cells


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(4, 14))
def test_giants_do_not_spoil_the_rest(seed: int, side: int) -> None:
    town = lattice(side, seed)
    town.households[seed % len(town)] = 900
    outcome = solve(town, WISHES)
    assert connected(outcome.label, town.i, town.j)
    giants = [c for c, f in outcome.reasons.items() if f.kind == UNIT_OVER_MAX]
    assert len(giants) == 1
    assert outcome.label[seed % len(town)] == giants[0]
    total = np.bincount(outcome.label, town.households)
    others = np.delete(total, list(outcome.reasons))
    assert ((others >= LOW) & (others <= HIGH)).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 600))
def test_whole_pieces_are_connected_within_the_cap_and_as_large_as_can_be(
    seed: int, cap: int
) -> None:
    rng = np.random.default_rng(seed)
    paths = ["00", "01", "1", "", "0", "10", "11"]
    blocks = [0, 0, 0, 1, 2, 2, 2]
    town = community_of(rng.integers(0, 300, 7).tolist(), list(pairwise(range(7))))
    town.block[:] = blocks
    town.path[:] = paths
    group = whole_below(town, cap)
    assert connected(group, town.i, town.j)
    total = np.bincount(group, town.households)
    sizes = np.bincount(group)
    assert ((total <= cap) | (sizes == 1)).all()
    for block in (0, 2):
        members = town.block == block
        if town.households[members].sum() <= cap:
            assert len(set(group[members])) == 1
