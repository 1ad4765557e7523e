"""The shortest closed walk over every edge of a graph (the Chinese postman)."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations, pairwise
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

EXACT = 80
"""Odd nodes up to which the repeated edges are chosen by an exact matching."""


class Ways:
    """Shortest ways through a street graph; made once, asked for many walks.

    Parameters
    ----------
    graph : networkx.MultiGraph
        Streets with ``length``.
    """

    def __init__(self, graph: nx.MultiGraph) -> None:
        self.nodes = list(graph.nodes)
        self.number = {node: k for k, node in enumerate(self.nodes)}
        self.key: dict[tuple[Any, Any], Any] = {}
        best: dict[tuple[int, int], float] = {}
        for u, v, key, length in graph.edges(keys=True, data="length"):
            pair = (self.number[u], self.number[v])
            if length < best.get(pair, np.inf):
                best[pair] = best[pair[::-1]] = float(length)
                self.key[u, v] = self.key[v, u] = key
        rows, columns = np.array([*best], dtype=np.int64).reshape(-1, 2).T
        shape = (len(self.nodes), len(self.nodes))
        self._matrix = csr_array((np.array([*best.values()]), (rows, columns)), shape=shape)

    def numbers(self, nodes: list[Any]) -> NDArray[np.int64]:
        """Number nodes; those that the streets lack are left out."""
        known = [self.number[node] for node in nodes if node in self.number]
        return np.array(known, dtype=np.int64)

    def from_each(self, nodes: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Return lengths to all nodes and the node before, a row for each of `nodes`."""
        length, before = dijkstra(
            self._matrix, directed=False, indices=self.numbers(nodes), return_predecessors=True
        )
        return length, before

    def from_any(self, nodes: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Return lengths from the nearest of `nodes` to all nodes, and the node before."""
        length, before, _ = dijkstra(
            self._matrix,
            directed=False,
            indices=self.numbers(nodes),
            return_predecessors=True,
            min_only=True,
        )
        return length, before

    def steps(self, before: NDArray[np.int32], end: Any) -> list[tuple[Any, Any, Any]]:
        """Return the edges of a way to its end, as (u, v, key)."""
        way = [self.number[end]]
        while before[way[-1]] >= 0:
            way.append(int(before[way[-1]]))
        names = [self.nodes[k] for k in reversed(way)]
        return [(u, v, self.key[u, v]) for u, v in pairwise(names)]


def closed_walk(streets: nx.MultiGraph, ways: Ways | None = None) -> list[Any]:
    """Walk every edge at least once and return to the start, repeating as little as can be.

    Where three or five edges meet, a walk must repeat some; which, is a matching of least total
    length between the odd nodes (Edmonds and Johnson 1973). Parts that do not hang together are
    first joined by their shortest links.

    Parameters
    ----------
    streets : networkx.MultiGraph
        The edges to walk, with ``length``.
    ways : Ways, optional
        Of the streets that may be used to get from one part to another, `streets` among them.

    Returns
    -------
    list of (u, v, key)
        The edges in the order of the walk; a key ``None`` is a straight link where there is no way
        at all.

    Examples
    --------
    >>> square = nx.MultiGraph()
    >>> for u, v in ["ab", "bc", "cd", "da", "ac"]:
    ...     _ = square.add_edge(u, v, length=1.0)
    >>> len(closed_walk(square))
    6
    """
    walk = nx.MultiGraph()
    walk.add_edges_from(streets.edges(keys=True))
    if not walk.number_of_edges():
        return []
    ways = Ways(streets) if ways is None else ways
    for u, v, key in _links(streets, ways):
        _add(walk, u, v, key)
    odd = [node for node, degree in walk.degree() if degree % 2]
    distance, way = _between(ways, odd)
    for u, v in _matching(odd, distance):
        steps = [(u, v, None)] if way[u, v] is None else ways.steps(way[u, v], v)
        for a, b, key in steps:
            _add(walk, a, b, key)
    start = min(walk.nodes)
    circuit = nx.eulerian_circuit(walk, source=start, keys=True)
    return [(u, v, walk.edges[u, v, key].get("of", key)) for u, v, key in circuit]


def _add(walk: nx.MultiGraph, u: Hashable, v: Hashable, key: Any) -> None:
    """Add one more pass over an edge of the network."""
    walk.add_edge(u, v, key=("again", walk.number_of_edges()), of=key)


def _links(streets: nx.MultiGraph, ways: Ways) -> list[tuple[Any, Any, Any]]:
    """Join the parts of `streets` by a tree of shortest links through the ways."""
    parts = [frozenset(part) for part in nx.connected_components(streets)]
    links: list[tuple[Any, Any, Any]] = []
    largest: frozenset[Any] = max(parts, key=lambda part: (len(part), min(part)))
    joined = set(largest)
    rest = [part for part in parts if not part <= joined]
    while rest:
        length, before = ways.from_any(sorted(joined))
        near = min((float(length[ways.number[n]]), n) for part in rest for n in part)
        if np.isfinite(near[0]):
            node = near[1]
            steps = ways.steps(before, node)
        else:
            _, start, node = min(
                (_apart(a, b), a, b) for part in rest for b in part for a in joined
            )
            steps = [(start, node, None)]
        links += steps
        joined |= {n for u, v, _ in steps for n in (u, v)}
        joined |= next(part for part in rest if node in part)
        rest = [part for part in rest if not part <= joined]
    return links


def _apart(a: Any, b: Any) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _between(
    ways: Ways, odd: list[Any]
) -> tuple[dict[tuple[Any, Any], float], dict[tuple[Any, Any], Any]]:
    """Return the lengths between odd nodes, and for each pair how to find its way."""
    length: dict[tuple[Any, Any], float] = {}
    way: dict[tuple[Any, Any], Any] = {}
    if not odd:
        return length, way
    found, before = ways.from_each(odd)
    places = ways.numbers(odd)
    for row, u in enumerate(odd):
        for v, away in zip(odd, found[row, places].tolist(), strict=True):
            reached = np.isfinite(away)
            length[u, v] = away if reached else _apart(u, v)
            way[u, v] = before[row] if reached else None
    return length, way


def _matching(odd: list[Any], length: dict[tuple[Any, Any], float]) -> list[tuple[Any, Any]]:
    """Pair the odd nodes: exactly when they are few, else greedily and then by exchanges."""
    if len(odd) <= EXACT:
        graph = nx.Graph()
        graph.add_weighted_edges_from((u, v, length[u, v]) for u, v in combinations(odd, 2))
        return sorted(tuple(sorted(pair)) for pair in nx.min_weight_matching(graph))
    free, pairs = set(odd), []
    for u, v in sorted(combinations(odd, 2), key=lambda pair: (length[pair], pair)):
        if u in free and v in free:
            free -= {u, v}
            pairs.append((u, v))
    return _exchanged(pairs, length)


def _exchanged(
    pairs: list[tuple[Any, Any]], length: dict[tuple[Any, Any], float]
) -> list[tuple[Any, Any]]:
    """Exchange partners between pairs as long as that shortens the whole."""
    better = True
    while better:
        better = False
        for i, j in combinations(range(len(pairs)), 2):
            (a, b), (c, d) = pairs[i], pairs[j]
            now = length[a, b] + length[c, d]
            for first, second in (((a, c), (b, d)), ((a, d), (b, c))):
                if length[first] + length[second] < now - 1e-9:
                    pairs[i], pairs[j] = first, second
                    better = True
                    break
    return pairs
