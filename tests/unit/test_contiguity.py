from __future__ import annotations

import numpy as np
import pytest
import shapely

from gridmap.contiguity import _equal_neighbours as equal_neighbours
from gridmap.contiguity import contacts, graph, shared_edges


def board(n: int) -> np.ndarray:
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    return shapely.box(x.ravel(), y.ravel(), x.ravel() + 1.0, y.ravel() + 1.0)


def test_a_board_has_rook_contacts_of_length_one() -> None:
    found = contacts(board(4))
    assert len(found) == 2 * 4 * 3
    assert (found.length == 1.0).all()
    assert set(zip((found.j - found.i).tolist(), strict=True)) == {(1,), (4,)}


def test_corners_are_no_contact() -> None:
    squares = shapely.box([0, 1], [0, 1], [1, 2], [1, 2])
    assert len(contacts(squares)) == 0


def test_an_unmatched_vertex_is_no_contact() -> None:
    left, right = shapely.box(0, 0, 1, 2), shapely.box(1, 0, 2, 1)
    assert len(contacts([left, right])) == 0


def test_holes_and_parts_count() -> None:
    inner = shapely.box(1, 1, 2, 2)
    frame = shapely.difference(shapely.box(0, 0, 3, 3), inner)
    found = contacts([frame, inner])
    assert found.length.tolist() == [4.0]
    pair = shapely.MultiPolygon([shapely.box(-1, 0, 0, 3), shapely.box(3, 0, 4, 3)])
    assert contacts([pair, shapely.box(0, 0, 3, 3)]).length.tolist() == [6.0]


def test_negative_zero_is_zero() -> None:
    left = shapely.box(-1, 0, -0.0, 1)
    assert contacts([left, shapely.box(0.0, 0, 1, 1)]).length.tolist() == [1.0]


def test_short_contacts_make_no_edge_but_keep_their_length() -> None:
    low = shapely.Polygon([(-90, 0), (1, 0), (1, 0.4), (1, 90), (-90, 90)])
    high = shapely.Polygon([(1, 0), (90, -90), (90, 90), (1, 0.4)])
    found = contacts([low, high])
    assert found.length.tolist() == [0.4]
    assert not found.neighbours.any()
    network = graph([low, high], ["a", "b"])
    assert network.number_of_edges() == 0
    assert network.nodes["a"]["short"] == network.nodes["b"]["short"] == 0.4


@pytest.mark.parametrize("side", [0.001, 0.4, 3.0])
def test_neighbours_of_any_size_are_neighbours(side: float) -> None:
    """A board in degrees or of squares under half a metre is as connected as one of blocks."""
    small = shapely.transform(board(4), lambda xy: xy * side)
    network = graph(small)
    assert network.number_of_edges() == 2 * 4 * 3


def test_shared_edges_sum_to_contacts() -> None:
    left = shapely.Polygon([(0, 0), (2, 0), (1, 1), (2, 2), (0, 2)])
    right = shapely.Polygon([(2, 0), (4, 0), (4, 2), (2, 2), (1, 1)])
    edges = shared_edges([left, right])
    assert edges.i.tolist() == [0, 0] and edges.j.tolist() == [1, 1]
    assert np.isclose(edges.length.sum(), contacts([left, right]).length[0])
    assert sorted(map(tuple, edges.midpoints.tolist())) == [(1.5, 0.5), (1.5, 1.5)]


def test_graph_names_its_nodes_and_refuses_too_few() -> None:
    network = graph(board(2), list("abcd"))
    assert sorted(network.edges) == [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    with pytest.raises(ValueError, match="2 names for 4 polygons"):
        graph(board(2), ["a", "b"])


def test_nothing_has_no_contacts() -> None:
    assert len(contacts(np.array([], dtype=object))) == 0
    assert graph([]).number_of_nodes() == 0


def test_equal_hashes_of_different_segments_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "gridmap.contiguity._hash", lambda ends: np.zeros(len(ends), dtype=np.uint64)
    )
    ends = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 1, 1], [5, 5, 6, 6.0]])
    order, equal = equal_neighbours(ends)
    assert equal.sum() == 1
    assert sorted(order[np.r_[equal, False] | np.r_[False, equal]].tolist()) == [0, 2]
