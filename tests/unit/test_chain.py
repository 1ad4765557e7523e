"""Directed edges, what is left of them, and that the compiled kernels agree with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from gridmap.coverage import edges as chain
from gridmap.coverage import edges as fingerprint
from gridmap.coverage import kernels as compiled
from gridmap.coverage import prove as prove_module
from gridmap.coverage.edges import directed_edges, edges_of, residual, reverse, rings_of
from gridmap.coverage.prove import prove_parents
from tests.damage import jittered, quilt


def test_shells_run_counter_clockwise_and_holes_clockwise_whatever_the_input():
    shell = [(0, 0), (0, 9), (9, 9), (9, 0)]
    hole = [(1, 1), (2, 1), (2, 2), (1, 2)]
    for a in (shell, shell[::-1]):
        for b in (hole, hole[::-1]):
            edges, owner = directed_edges(np.array([shapely.Polygon(a, [b])]))
            x0, y0, x1, y1 = edges.T
            assert (x0 * y1 - x1 * y0).sum() / 2 == 80
            assert owner.tolist() == [0] * 8


def test_empty_and_missing_geometries_have_no_edges():
    multi = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)])
    _, owner = directed_edges(np.array([None, shapely.Polygon(), multi, shapely.box(5, 5, 6, 6)]))
    assert np.bincount(owner, minlength=4).tolist() == [0, 0, 8, 4]


def test_zero_length_edges_and_negative_zeros_vanish():
    ring = shapely.Polygon([(-0.0, 0), (1, 0), (1, 0), (1, 1), (0, 1)])
    edges, _ = directed_edges(np.array([ring]))
    assert len(edges) == 4
    assert not np.signbit(edges).any()


def test_what_is_left_is_the_outline():
    whole = quilt(4, 3)
    edges, _ = directed_edges(whole.cells)
    left = residual(edges)
    outline, _ = directed_edges(np.array([whole.boundary]))
    assert {tuple(e) for e in left.edges} == {tuple(e) for e in outline}
    assert len(residual(np.concatenate([edges, reverse(outline)]))) == 0


def test_leftovers_know_how_often_and_from_where():
    edges, _ = directed_edges(shapely.box([0, 0, 0], 0, [1, 1, 1], 1))
    left = residual(edges)
    assert left.count.tolist() == [3, 3, 3, 3]
    assert sorted(left.members) == list(range(12))
    assert np.bincount(left.source).tolist() == [3, 3, 3, 3]


def test_edges_cancel_only_inside_their_group():
    edges, owner = directed_edges(shapely.box([0, 1], 0, [1, 2], 1))
    assert len(residual(edges)) == 6
    assert len(residual(edges, group=owner)) == 8


def test_equal_keys_of_different_edges_are_told_apart(monkeypatch: pytest.MonkeyPatch):
    edges, _ = directed_edges(quilt(3, 3).cells)
    expected = {tuple(e) for e in residual(edges).edges}
    monkeypatch.setattr(chain, "edge_keys", lambda a, b: np.zeros(len(a), dtype=np.uint64))
    assert {tuple(e) for e in residual(edges).edges} == expected
    group = np.arange(len(edges)) % 2
    assert len(residual(edges, group)) > len(expected)


@pytest.mark.parametrize("at_once", [2, 6, chain.AT_ONCE])
def test_edges_pair_off_only_where_nothing_is_left(at_once: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chain, "AT_ONCE", at_once)
    whole = quilt(8, 6, lakes=1)
    several = np.array([*whole.cells, whole.boundary], dtype=object)
    for damage in ("none", "missing", "twice", "bit", "parent", "keys"):
        cells = several.copy()
        owner = np.zeros(len(cells), dtype=np.int64)
        if damage == "missing":
            cells = np.delete(cells, 20)
        elif damage == "twice":
            cells[20] = cells[21]
        elif damage == "bit":
            xy = shapely.get_coordinates(cells[20])
            xy[3, 1] = np.nextafter(xy[3, 1], np.inf)
            cells[20] = shapely.Polygon(xy)
        elif damage == "parent":
            owner[20] = 1
        elif damage == "keys":  # all edges look alike, so nothing may be taken for a pair
            monkeypatch.setattr(chain, "edge_keys", lambda a, b: np.zeros(len(a), dtype=np.uint64))
        rings = rings_of(cells)
        turn = np.where(rings.owner == len(cells) - 1, -rings.turn, rings.turn)
        rings = chain.Rings(rings.xy, rings.starts, owner[rings.owner], turn.astype(np.int8))
        assert chain.pairs_off(rings) == (damage == "none"), damage


@pytest.mark.parametrize("wrong", [None, 0, 7, 17, "exchanged"])
def test_parents_are_proved_alike_a_few_or_all_at_a_time(wrong, monkeypatch: pytest.MonkeyPatch):
    whole = quilt(12, 9, lakes=2)
    cells, of = whole.cells.copy(), np.random.default_rng(3).permutation(len(whole.cells)) % 18
    parents = np.array([shapely.union_all(cells[of == k]) for k in range(18)], dtype=object)
    if wrong == "exchanged":
        of[[np.flatnonzero(of == 3)[0], np.flatnonzero(of == 11)[0]]] = 11, 3
    elif wrong is not None:
        cells[np.flatnonzero(of == wrong)[0]] = shapely.box(-9, -9, -8, -8)
    told = []
    for at_once in (1, 40, 200, chain.AT_ONCE):
        monkeypatch.setattr(prove_module, "AT_ONCE", at_once)
        told.append(prove_parents(cells, rings_of(cells), parents, of))
    assert all(proofs == told[0] for proofs in told)
    bad = {proof.parent for proof in told[0] if proof.verdict != "exact"}
    assert bad == {None: set(), "exchanged": {"3", "11"}}.get(wrong, {str(wrong)})


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_compiled_kernels_agree_with_numpy(share: float):
    whole = quilt(12, 9, lakes=2)
    cells = jittered(whole.cells, share)
    rings = rings_of(cells)
    edges, owner, _ = edges_of(rings)
    words = compiled.vertex_words(rings.xy)
    assert np.array_equal(words, fingerprint.vertex_hashes(rings.xy))
    sums = compiled.ring_sums(rings.xy, words, rings.starts, rings.turn, rings.owner, len(cells))
    assert np.array_equal(sums, fingerprint.ring_sums(edges, owner, len(cells)))
    assert np.array_equal(sums, fingerprint.sums_of(rings, len(cells)))
    left = residual(edges)
    members, runs, net = compiled.uncancelled(edges)
    found = chain._leftover(edges, members, runs, net)
    assert {tuple(e) for e in found.edges} == {tuple(e) for e in left.edges}
    assert sorted(found.members) == sorted(left.members)
    none = np.empty(0, dtype=np.int64)
    count = compiled.leftover_count(rings.xy, words, rings.starts, rings.turn, none)
    assert count == len(left)
    twice, size = compiled.signed_areas(rings.xy, rings.starts)
    assert np.allclose(twice, chain._signed_areas(rings.xy, rings.starts)[0])
    assert (np.abs(twice) <= size * (1 + 1e-12)).all()


def test_surely_simple_rings_are_valid_and_bad_ones_are_looked_at():
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    spike = shapely.Polygon([(0, 0), (4, 0), (4, 2), (4, 5), (4, 2), (0, 2)])
    touch = shapely.Polygon([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)])
    long_ = shapely.Point(0, 0).buffer(10, quad_segs=100)
    xy = shapely.get_coordinates(long_)
    xy[200], xy[210] = xy[210].copy(), xy[200].copy()
    shapes = np.array([shapely.box(0, 0, 1, 1), long_, bow, spike, touch, shapely.Polygon(xy)])
    rings = rings_of(shapes)
    assert compiled.surely_simple(rings.xy, rings.starts).tolist() == [True, True] + [False] * 4
    assert not shapely.is_valid(shapes)[2:].any()
