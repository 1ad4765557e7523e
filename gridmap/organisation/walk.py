"""The shortest closed walk over every edge of a graph (the Chinese postman)."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import combinations, pairwise
from typing import Any

import networkx as nx

EXACT = 80
"""Odd nodes up to which the repeated edges are chosen by an exact matching."""


def closed_walk(streets: nx.MultiGraph, network: nx.MultiGraph | None = None) -> list[Any]:
    """Walk every edge at least once and return to the start, repeating as little as can be.

    Where three or five edges meet, a walk must repeat some; which, is a matching of least total
    length between the odd nodes (Edmonds and Johnson 1973). Parts that do not hang together are
    first joined by their shortest links.

    Parameters
    ----------
    streets : networkx.MultiGraph
        The edges to walk, with ``length``.
    network : networkx.MultiGraph, optional
        Edges that may be used to get from one part to another; contains `streets`.

    Returns
    -------
    list of (u, v, key)
        The edges in the order of the walk; keys of `network`, or ``None`` for a straight link
        where there is no way at all.

    Examples
    --------
    >>> square = nx.MultiGraph()
    >>> for u, v in ["ab", "bc", "cd", "da", "ac"]:
    ...     _ = square.add_edge(u, v, length=1.0)
    >>> len(closed_walk(square))
    6
    """
    ways = streets if network is None else network
    walk = nx.MultiGraph()
    walk.add_edges_from(streets.edges(keys=True))
    if not walk.number_of_edges():
        return []
    for u, v, key in _links(streets, ways):
        _add(walk, u, v, key)
    odd = [node for node, degree in walk.degree() if degree % 2]
    distance, path = _between(ways, odd)
    for u, v in _matching(odd, distance):
        for a, b, key in path[u, v]:
            _add(walk, a, b, key)
    start = min(walk.nodes)
    circuit = nx.eulerian_circuit(walk, source=start, keys=True)
    return [(u, v, walk.edges[u, v, key].get("of", key)) for u, v, key in circuit]


def _add(walk: nx.MultiGraph, u: Hashable, v: Hashable, key: Any) -> None:
    """Add one more pass over an edge of the network."""
    walk.add_edge(u, v, key=("again", walk.number_of_edges()), of=key)


def _links(streets: nx.MultiGraph, ways: nx.MultiGraph) -> list[tuple[Any, Any, Any]]:
    """Join the parts of `streets` by a tree of shortest links through the network."""
    parts = [frozenset(part) for part in nx.connected_components(streets)]
    links: list[tuple[Any, Any, Any]] = []
    largest: frozenset[Any] = max(parts, key=lambda part: (len(part), min(part)))
    joined = set(largest)
    rest = [part for part in parts if not part <= joined]
    while rest:
        lengths, paths = nx.multi_source_dijkstra(ways, joined, weight=_shortest)
        near = [(lengths[n], n) for part in rest for n in part if n in lengths]
        if near:
            _, node = min(near)
            steps = _edges_of(ways, paths[node])
        else:
            straight = [
                ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2, a, b)
                for part in rest for b in part for a in joined
            ]  # fmt: skip
            _, start, node = min(straight)
            steps = [(start, node, None)]
        links += steps
        joined |= {n for u, v, _ in steps for n in (u, v)}
        joined |= next(part for part in rest if node in part)
        rest = [part for part in rest if node not in part and not part <= joined]
    return links


def _shortest(u: Any, v: Any, parallel: dict[Any, dict[str, Any]]) -> float:
    return min(float(data["length"]) for data in parallel.values())


def _edges_of(ways: nx.MultiGraph, path: list[Any]) -> list[tuple[Any, Any, Any]]:
    """Return the shortest of the parallel edges for each step of a path."""
    steps = []
    for u, v in pairwise(path):
        key = min(ways[u][v], key=lambda k: (ways[u][v][k]["length"], str(k)))
        steps.append((u, v, key))
    return steps


def _between(
    ways: nx.MultiGraph, odd: list[Any]
) -> tuple[dict[tuple[Any, Any], float], dict[tuple[Any, Any], list[tuple[Any, Any, Any]]]]:
    """Return lengths and edges of the shortest ways between odd nodes."""
    length: dict[tuple[Any, Any], float] = {}
    steps: dict[tuple[Any, Any], list[tuple[Any, Any, Any]]] = {}
    wanted = set(odd)
    for u in odd:
        if u in ways:
            found, paths = nx.single_source_dijkstra(ways, u, weight=_shortest)
        else:
            found, paths = {u: 0.0}, {u: [u]}
        for v in wanted:
            if v in found:
                length[u, v] = found[v]
                steps[u, v] = _edges_of(ways, paths[v])
            else:
                length[u, v] = float(((u[0] - v[0]) ** 2 + (u[1] - v[1]) ** 2) ** 0.5)
                steps[u, v] = [(u, v, None)]
    return length, steps


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
