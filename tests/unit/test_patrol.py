"""Rounds walk every street of a cell and little more."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from gridmap import Grid
from gridmap.errors import CRSError, InputError
from gridmap.operations import route as rooms
from gridmap.operations.patrol import patrol, patrol_hours, street_posts
from gridmap.operations.route import Ways, closed_walk, segments, street_graph

CRS = 4547


def length_of(walk: list[Any], graph: nx.MultiGraph) -> float:
    """Measure a walk; links without a way are straight."""
    return sum(
        graph.edges[u, v, key]["length"] if key is not None else float(np.hypot(*np.subtract(u, v)))
        for u, v, key in walk
    )


def least_round(graph: nx.MultiGraph) -> float:
    """Try every pairing of the odd nodes: the length of the shortest closed walk."""
    nodes = list(graph.nodes)
    number = {node: k for k, node in enumerate(nodes)}
    best: dict[tuple[int, int], float] = {}
    for u, v, data in graph.edges(data=True):
        pair = (number[u], number[v])
        best[pair] = min(best.get(pair, np.inf), data["length"])
    rows, columns = zip(*best, strict=True)
    matrix = coo_array((list(best.values()), (rows, columns)), shape=(len(nodes),) * 2)
    away = shortest_path(matrix.tocsr(), directed=False)

    def pairings(odd: list[int]) -> float:
        if not odd:
            return 0.0
        first, rest = odd[0], odd[1:]
        return min(away[first, other] + pairings([n for n in rest if n != other]) for other in rest)

    odd = [number[node] for node, degree in graph.degree() if degree % 2]
    total = sum(data["length"] for *_, data in graph.edges(data=True))
    return float(total + pairings(odd))


@st.composite
def street_graphs(draw: st.DrawFn) -> nx.MultiGraph:
    """Draw a connected graph of points, with parallel streets and dead ends."""
    size = draw(st.integers(2, 7))
    place = draw(
        st.lists(
            st.tuples(st.integers(0, 90), st.integers(0, 90)),
            min_size=size, max_size=size, unique=True,
        )
    )  # fmt: skip
    graph = nx.MultiGraph()
    pairs = [(k, draw(st.integers(0, k - 1))) for k in range(1, size)]
    pairs += draw(
        st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=6)
    )
    for key, (a, b) in enumerate(pairs):
        if a != b:
            u, v = place[a], place[b]
            extra = draw(st.integers(0, 20))
            graph.add_edge(u, v, key=key, length=float(np.hypot(*np.subtract(u, v))) + extra)
    return graph


@given(graph=street_graphs())
@settings(max_examples=60, deadline=None)
def test_a_round_is_closed_complete_and_the_shortest(graph: nx.MultiGraph) -> None:
    walk = closed_walk(graph)
    assert all(a[1] == b[0] for a, b in pairwise([*walk, walk[0]]))
    assert {key for *_, key in walk} == {key for *_, key in graph.edges(keys=True)}
    assert length_of(walk, graph) == pytest.approx(least_round(graph))


@given(graph=street_graphs())
@settings(max_examples=30, deadline=None)
def test_many_crossings_cost_at_most_a_tenth_more(graph: nx.MultiGraph) -> None:
    exact, rooms.EXACT = rooms.EXACT, 0
    try:
        walk = closed_walk(graph)
    finally:
        rooms.EXACT = exact
    assert length_of(walk, graph) <= 1.10 * least_round(graph) + 1e-9


def test_parts_are_joined_by_the_shortest_way() -> None:
    network = nx.MultiGraph()
    for key, (u, v) in enumerate([((0, 0), (1, 0)), ((1, 0), (2, 0)), ((2, 0), (3, 0))]):
        network.add_edge(u, v, key=key, length=1.0)
    own = network.edge_subgraph([((0, 0), (1, 0), 0), ((2, 0), (3, 0), 2)])
    walk = closed_walk(own, Ways(network))
    assert Counter(key for *_, key in walk) == {0: 2, 1: 2, 2: 2}
    apart = closed_walk(own)
    assert sum(key is None for *_, key in apart) == 2


@given(graph=street_graphs())
def test_shortest_ways_are_those_of_networkx(graph: nx.MultiGraph) -> None:
    nodes = sorted(graph)
    ways = Ways(graph)
    for start in nodes[:3]:
        length, before = ways.reach([start], nodes)
        least = nx.single_source_dijkstra_path_length(graph, start, weight="length")
        assert length == pytest.approx(least)
        for end in length:
            steps = ways.steps(before, end)
            assert sum(graph.edges[step]["length"] for step in steps) == pytest.approx(length[end])


def test_a_search_ends_where_its_ends_are() -> None:
    street = nx.MultiGraph()
    for k in range(1000):
        street.add_edge((k, 0), (k + 1, 0), key=k, length=1.0)
    street.add_edge((0, 9), (1, 9), key=1000, length=1.0)
    ways = Ways(street)
    assert len(ways.reach([(500, 0)], [(503, 0), (0, 9)])[0]) <= 8
    assert ways.reach([(500, 0)], [(503, 0), (499, 0)], one=True)[0] == {(500, 0): 0, (499, 0): 1}


def test_no_street_no_walk() -> None:
    assert closed_walk(nx.MultiGraph()) == []


def two_cells() -> Grid:
    """Make two cells side by side, 100 m wide."""
    cells = gpd.GeoDataFrame(
        {"code": ["A1", "A2"], "households": 400},
        geometry=shapely.box([0, 100], 0, [100, 200], 100),
        crs=CRS,
    )
    return Grid(cells, shapely.coverage_union_all(cells.geometry.values))


def lines(*coordinates: list[tuple[float, float]]) -> gpd.GeoDataFrame:
    """Make streets named a, b, c."""
    shapes = [shapely.LineString(c) for c in coordinates]
    return gpd.GeoDataFrame({"name": list("abcdef")[: len(shapes)]}, geometry=shapes, crs=CRS)


def test_streets_are_cut_at_crossings_and_borders() -> None:
    streets = lines([(10, 50), (190, 50)], [(50, 10), (50, 90)], [(100, 0), (100, 100)])
    found = segments(streets, two_cells())
    assert found.groupby("code")["length_m"].sum().to_dict() == {"A1": 270.0, "A2": 190.0}
    shared = found[found["shared"]]
    assert set(shared["name"]) == {"c"}
    assert shared.groupby("segment")["code"].nunique().eq(2).all()
    inside = streets.clip(shapely.box(0, 0, 200, 100)).length.sum()
    assert found.drop_duplicates("segment")["length_m"].sum() == pytest.approx(inside)


def test_a_cell_without_streets_has_an_empty_round() -> None:
    found = patrol(two_cells(), lines([(10, 50), (60, 50)]))
    assert found.loc["A2", ["streets_m", "length_m", "minutes"]].tolist() == [0, 0, 0]
    assert found.loc["A2", "geometry"].is_empty
    assert found.loc["A1", "minutes"] == pytest.approx(100 / (4000 / 60))


def test_every_street_of_every_cell_is_walked(town: Any, grid: Grid) -> None:
    streets = town.barriers[town.barriers["kind"].isin(["street", "arterial"])]
    pieces = segments(streets, grid)
    routes = patrol(grid, streets)
    for code, own in pieces.groupby("code"):
        along = shapely.buffer(routes.geometry[code], 0.01)
        assert shapely.covers(along, own.geometry.values).all()
    assert (routes["length_m"] >= routes["streets_m"] - 1e-6).all()
    assert routes.geometry.length.to_numpy() == pytest.approx(routes["length_m"].to_numpy())
    corners = routes.geometry.get_coordinates().groupby(level=0)
    assert (corners.first() - corners.last()).abs().max(axis=None) < 2e-3  # a node is a mm wide


def test_rounds_of_a_town_are_the_shortest(town: Any, grid: Grid) -> None:
    streets = town.barriers[town.barriers["kind"].isin(["street", "arterial"])]
    routes = patrol(grid, streets)
    checked = 0
    for code, own in segments(streets, grid).groupby("code"):
        graph = street_graph(own)
        odd = sum(degree % 2 for _, degree in graph.degree())
        if nx.is_connected(graph) and odd <= 8:
            assert routes.loc[code, "length_m"] <= 1.10 * least_round(graph)
            checked += 1
    assert checked >= 10


def test_hours_without_patrol_are_seen() -> None:
    log = gpd.GeoDataFrame(
        {"time": pd.to_datetime(["2026-01-01 08:10", "2026-01-02 08:50", "2026-01-02 23:00"])},
        geometry=gpd.points_from_xy([5, 50, 900], [5, 50, 5]),
        crs=CRS,
    )
    found = patrol_hours(log, two_cells())
    assert found.loc["A1", 8] == 2 and found.to_numpy().sum() == 2
    assert found.attrs == {"read": 3, "outside": 1, "never": ["A2"]}
    with pytest.raises(InputError, match="no column `time`"):
        patrol_hours(log.drop(columns="time"), two_cells())


def test_each_street_has_one_responsible_post() -> None:
    streets = lines([(10, 50), (190, 50)], [(100, 0), (100, 100)])
    roster = pd.DataFrame({"post": ["p"], "role": ["leader"], "code": ["A1"]})
    found = street_posts(two_cells(), streets, roster)
    assert not found["segment"].duplicated().any()
    assert found["length_m"].sum() == pytest.approx(280)
    assert found.groupby("code")["post"].first().to_dict() == {"A1": "p", "A2": ""}
    assert found.groupby("code")["length_m"].sum().to_dict() == {"A1": 140.0, "A2": 140.0}


def test_bad_streets_are_named() -> None:
    grid = two_cells()
    with pytest.raises(InputError, match="no lines"):
        patrol(grid, gpd.GeoDataFrame(geometry=gpd.points_from_xy([1], [1]), crs=CRS))
    with pytest.raises(InputError, match="`speed_kmh` is 0"):
        patrol(grid, lines([(0, 0), (1, 1)]), speed_kmh=0)
    with pytest.raises(CRSError, match="EPSG:4546"):
        patrol(grid, lines([(0, 0), (1, 1)]).set_crs(4546, allow_override=True))
