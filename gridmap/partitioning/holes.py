"""Cells that enclose others, and how they are opened."""

from __future__ import annotations

import networkx as nx
import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.community import Community, Flags
from gridmap.partitioning.labels import neighbouring_cells

OUTSIDE = -1


def outer_units(community: Community) -> Flags:
    """Tell which units lie at the rim: their contacts do not add up to their perimeter."""
    n = len(community)
    inner = np.bincount(community.i, community.length, n)
    inner += np.bincount(community.j, community.length, n)
    return np.asarray(community.perimeter - inner > community.shortest)


def enclosing_cells(community: Community, label: Ints) -> dict[int, set[int]]:
    """Return the cells that enclose others, with those that they enclose.

    Examples
    --------
    >>> from gridmap.partitioning.prepare import check_units, communities
    >>> import geopandas as gpd, shapely
    >>> x, y = (v.ravel() for v in np.meshgrid(range(3), range(3)))
    >>> square = gpd.GeoDataFrame({"parent": ["A"] * 9, "households": 1},
    ...     geometry=shapely.box(x, y, x + 1, y + 1), crs=4547)
    >>> town = next(communities(check_units(square)))
    >>> enclosing_cells(town, np.array([0, 0, 0, 0, 1, 0, 0, 0, 0]))
    {0: {1}}
    """
    graph = nx.Graph()
    graph.add_nodes_from([OUTSIDE, *np.unique(label).tolist()])
    any_contact = np.ones(len(community.i), bool)
    graph.add_edges_from(neighbouring_cells(community, any_contact, label).tolist())
    rim = np.unique(label[outer_units(community)])
    graph.add_edges_from((OUTSIDE, int(cell)) for cell in rim)
    found = {}
    for cell in sorted(set(nx.articulation_points(graph)) - {OUTSIDE}):
        rest = graph.subgraph(graph.nodes - {cell})
        reached = nx.node_connected_component(rest, OUTSIDE)
        inside = set(rest.nodes) - reached
        if inside:
            found[cell] = inside
    return found
