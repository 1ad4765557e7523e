"""The shortest closed walk over every edge of a graph (the Chinese postman)."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import combinations, pairwise
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import distance
from gridmap._checks import check_same_crs
from gridmap.errors import InputError
from gridmap.grid.grid import Grid

EXACT = 80
"""Odd nodes up to which the repeated edges are chosen by an exact matching."""


class Ways:
    """Shortest ways through a street graph; made once, asked for many walks.

    Parameters
    ----------
    graph : networkx.MultiGraph
        Streets with ``length``.
    """

    def __init__(self, graph: nx.MultiGraph[Any]) -> None:
        best: dict[Any, dict[Any, tuple[float, Any]]] = {node: {} for node in graph.nodes}
        for u, v, key, data in graph.edges(keys=True, data=True):
            length = float(data["length"])
            if length < best[u].get(v, (np.inf, None))[0]:
                best[u][v] = best[v][u] = (length, key)
        self._near = best
        parts = enumerate(nx.connected_components(graph))
        self._part = {node: number for number, part in parts for node in part}

    def reach(
        self, starts: Iterable[Any], ends: Iterable[Any], *, one: bool = False
    ) -> tuple[dict[Any, float], dict[Any, Any]]:
        """Grow the shortest ways from any start until they have met all ends, or one.

        Returns
        -------
        length, before : dict
            By node that was met: the length of its way, and the node before it (None at a start).
            An end that is missing cannot be reached.
        """
        starts = [node for node in starts if node in self._part]
        parts = {self._part[node] for node in starts}
        wanted = {node for node in ends if self._part.get(node) in parts}
        length: dict[Any, float] = {}
        best: dict[Any, float] = dict.fromkeys(starts, 0.0)
        before: dict[Any, Any] = dict.fromkeys(starts)
        heap = [(0.0, node) for node in sorted(best)]
        while heap and wanted:
            away, node = heappop(heap)
            if node in length:
                continue
            length[node] = away
            if node in wanted:
                wanted = set() if one else wanted - {node}
            for other, (step, _) in self._near[node].items():
                if away + step < best.get(other, np.inf):
                    best[other], before[other] = away + step, node
                    heappush(heap, (away + step, other))
        return length, before

    def steps(self, before: dict[Any, Any], end: Any) -> list[tuple[Any, Any, Any]]:
        """Return the edges of a way to its end, as (u, v, key)."""
        way = [end]
        while before[way[-1]] is not None:
            way.append(before[way[-1]])
        return [(u, v, self._near[u][v][1]) for u, v in pairwise(reversed(way))]


def closed_walk(streets: nx.MultiGraph[Any], ways: Ways | None = None) -> list[Any]:
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
    >>> square: nx.MultiGraph[Any] = nx.MultiGraph()
    >>> for u, v in ["ab", "bc", "cd", "da", "ac"]:
    ...     _ = square.add_edge(u, v, length=1.0)
    >>> len(closed_walk(square))
    6
    """
    walk: nx.MultiGraph[Any] = nx.MultiGraph()
    walk.add_edges_from(streets.edges(keys=True))
    if not walk.number_of_edges():
        return []
    ways = Ways(streets) if ways is None else ways
    for u, v, key in _links(streets, ways):
        walk.add_edge(u, v, of=key)  # one more pass over an edge of the network
    odd = [node for node, degree in walk.degree() if degree % 2]
    distance, way = _between(ways, odd)
    for u, v in _matching(odd, distance):
        steps = [(u, v, None)] if way[u, v] is None else ways.steps(*way[u, v])
        for a, b, key in steps:
            walk.add_edge(a, b, of=key)
    start = min(walk.nodes)
    circuit = nx.eulerian_circuit(walk, source=start, keys=True)
    return [(u, v, walk.edges[u, v, key].get("of", key)) for u, v, key in circuit]


def _links(streets: nx.MultiGraph[Any], ways: Ways) -> list[tuple[Any, Any, Any]]:
    """Join the parts of `streets` by a tree of shortest links through the ways."""
    parts = [frozenset(part) for part in nx.connected_components(streets)]
    links: list[tuple[Any, Any, Any]] = []
    largest: frozenset[Any] = max(parts, key=lambda part: (len(part), min(part)))
    joined = set(largest)
    rest = [part for part in parts if not part <= joined]
    while rest:
        length, before = ways.reach(joined, set().union(*rest), one=True)
        met = [node for part in rest for node in part if node in length]
        if met:
            node = met[0]
            steps = ways.steps(before, node)
        else:
            _, start, node = min(
                (distance(a, b), a, b) for part in rest for b in part for a in joined
            )
            steps = [(start, node, None)]
        links += steps
        joined |= {n for u, v, _ in steps for n in (u, v)}
        joined |= next(part for part in rest if node in part)
        rest = [part for part in rest if not part <= joined]
    return links


def _between(
    ways: Ways, odd: list[Any]
) -> tuple[dict[tuple[Any, Any], float], dict[tuple[Any, Any], Any]]:
    """Return the lengths between odd nodes, and for each pair how to find its way."""
    length: dict[tuple[Any, Any], float] = {}
    way: dict[tuple[Any, Any], Any] = {}
    for row, u in enumerate(odd):
        others = odd[row + 1 :]
        found, before = ways.reach([u], others)
        for v in others:
            length[u, v] = length[v, u] = found[v] if v in found else distance(u, v)
            way[u, v] = way[v, u] = (before, v) if v in found else None
    return length, way


def _matching(odd: list[Any], length: dict[tuple[Any, Any], float]) -> list[tuple[Any, Any]]:
    """Pair the odd nodes: exactly when they are few, else greedily and then by exchanges."""
    if len(odd) <= EXACT:
        graph: nx.Graph[Any] = nx.Graph()
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


SHORTEST = 0.05
"""Metres under which a piece is dust from cutting."""

ON_LINE, ON_BORDER = 1e-6, 0.01
"""Metres within which a piece comes from a street, and belongs to a cell."""

DIGITS = 3


def segments(streets: gpd.GeoDataFrame | gpd.GeoSeries, grid: Grid) -> gpd.GeoDataFrame:
    """Cut streets at their crossings and at the borders of cells.

    Parameters
    ----------
    streets : GeoDataFrame or GeoSeries
        Lines, with ``name`` if they have names.
    grid : Grid
        The cells.

    Returns
    -------
    GeoDataFrame
        A row a piece and cell: ``segment``, ``name``, ``code``, ``length_m``, ``shared`` (the piece
        runs along a border, so that two cells have it) and the line. Streets outside the grid are
        left out.

    Raises
    ------
    InputError
        When there are no lines.
    CRSError
        When streets and grid differ in their CRS.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"]},
    ...     geometry=shapely.box([0, 50], 0, [50, 90], 50), crs=4547)
    >>> grid = Grid(cells, cells.union_all("coverage"))
    >>> road = gpd.GeoDataFrame({"name": ["解放路"]},
    ...     geometry=[shapely.LineString([(10, 20), (90, 20)])], crs=4547)
    >>> segments(road, grid)[["name", "code", "length_m"]].values.tolist()
    [['解放路', 'A1', 40.0], ['解放路', 'A2', 40.0]]
    """
    check_same_crs("streets", streets, "grid", grid.cells)
    lines, names = _lines(streets)
    cells = grid.cells
    polygons = cells.geometry.to_numpy()
    parts, line = _cut(lines, shapely.boundary(polygons))
    middle = shapely.line_interpolate_point(parts, 0.5, normalized=True)
    part, cell = shapely.STRtree(polygons).query(middle, predicate="dwithin", distance=ON_BORDER)
    order = np.lexsort((part, cell))
    part, cell = part[order], cell[order]
    table = pd.DataFrame(
        {
            "segment": part,
            "name": names[line[part]],
            "code": cells.index.to_numpy()[cell],
            "length_m": shapely.length(parts[part]),
            "shared": np.bincount(part, minlength=len(parts))[part] > 1,
        }
    )
    return gpd.GeoDataFrame(table, geometry=parts[part], crs=grid.crs)


def _cut(lines: Any, borders: Any) -> tuple[Any, Any]:
    """Cut lines where they cross each other or a border; return the pieces and their lines."""
    noded = shapely.get_parts(shapely.union_all(np.concatenate([lines, borders])))
    middle = shapely.line_interpolate_point(noded, 0.5, normalized=True)
    piece, line = shapely.STRtree(lines).query_nearest(
        middle, max_distance=ON_LINE, all_matches=False
    )
    long = shapely.length(noded[piece]) > SHORTEST
    return noded[piece[long]], line[long]


def street_graph(pieces: gpd.GeoDataFrame) -> nx.MultiGraph[Any]:
    """Make a graph of pieces: crossings are nodes, keys are segments, with length and line."""
    graph: nx.MultiGraph[Any] = nx.MultiGraph()
    once = pieces.drop_duplicates("segment")
    ends = _ends(once.geometry.to_numpy())
    for (u, v), segment, length, line in zip(
        ends, once["segment"].tolist(), once["length_m"].tolist(), once.geometry, strict=True
    ):
        graph.add_edge(u, v, key=segment, length=length, line=line)
    return graph


def _lines(streets: Any) -> tuple[Any, Any]:
    """Return single lines and their names."""
    shapes = streets.geometry.to_numpy()
    if not len(shapes) or not np.isin(shapely.get_type_id(shapes), (1, 2, 5)).all():
        raise InputError("`streets` holds no lines alone; give a layer of streets.")
    lines, row = shapely.get_parts(shapes, return_index=True)
    named = isinstance(streets, gpd.GeoDataFrame) and "name" in streets
    names = streets["name"].fillna("").astype(str).to_numpy() if named else np.full(len(shapes), "")
    return lines, names.astype(object)[row]


def _ends(lines: Any) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    first = np.round(shapely.get_coordinates(shapely.get_point(lines, 0)), DIGITS)
    last = np.round(shapely.get_coordinates(shapely.get_point(lines, -1)), DIGITS)
    return [(tuple(a), tuple(b)) for a, b in zip(first.tolist(), last.tolist(), strict=True)]
