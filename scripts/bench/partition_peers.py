"""Peers of the partition on the arrays of a community, each behind the same small function."""

from __future__ import annotations

import random
import warnings

import numpy as np
import shapely
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from gridmap.partition.community import Community, in_order
from gridmap.partition.exhaust import Fuel, Masks, bits, whole_masks


def metis(town: Community, cells: int, low: int, high: int, seed: int) -> np.ndarray:
    """Cut with METIS: contiguous parts, short borders, its band as wide as ours, ten cuts."""
    import pymetis

    net = town.network(town.bonds(), 1.0, 0.0)
    keep = np.concatenate([np.arange(a, b) for a, b in zip(net.start, net.bond, strict=False)])
    starts = np.concatenate([[0], np.cumsum(net.bond - net.start[:-1])])
    options = pymetis.Options(seed=seed, contig=1, ufactor=300, ncuts=10, niter=20)
    _, label = pymetis.part_graph(
        cells,
        pymetis.CSRAdjacency(starts.astype(int), net.neighbour[keep].astype(int)),
        vweights=town.households.astype(int),
        eweights=np.maximum(1, np.round(10 * net.length[keep])).astype(int),
        options=options,
        recursive=False,
    )
    return in_order(np.array(label))


def recursive_trees(town: Community, cells: int, low: int, high: int, seed: int) -> np.ndarray:
    """Cut with GerryChain's recursive trees."""
    import networkx as nx
    from gerrychain import Graph
    from gerrychain.tree import recursive_tree_part

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    graph = nx.Graph()
    graph.add_nodes_from((u, {"households": int(h)}) for u, h in enumerate(town.households))
    ties = town.bonds()
    graph.add_edges_from(zip(town.i[ties].tolist(), town.j[ties].tolist(), strict=True))
    target = town.total / cells
    room = min(target - low, high - target) / target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = recursive_tree_part(
            Graph.from_networkx(graph), range(cells), target, "households", max(room, 0.01)
        )
    return in_order(np.array([parts[u] for u in range(len(town))]))


def geoda_max_p(town: Community, cells: int, low: int, high: int, seed: int) -> np.ndarray:
    """Cut with GeoDa's greedy max-p: a lower bound, no upper one."""
    import geopandas as gpd
    import pygeoda

    frame = gpd.GeoDataFrame(
        {"x": town.x, "y": town.y, "households": town.households},
        geometry=shapely.points(town.x, town.y),
    )
    layer = pygeoda.open(frame)
    weights = _geoda_weights(town, pygeoda)
    found = pygeoda.maxp_greedy(
        weights, layer[["x", "y"]], layer["households"], float(low), random_seed=seed
    )
    return in_order(np.array(found["Clusters"]))


def _geoda_weights(town: Community, pygeoda: object) -> object:
    """Return contiguity weights as GeoDa reads them: from a GAL file."""
    import tempfile
    from pathlib import Path

    near: list[list[int]] = [[] for _ in range(len(town))]
    ties = town.bonds()
    for a, b in zip(town.i[ties].tolist(), town.j[ties].tolist(), strict=True):
        near[a].append(b)
        near[b].append(a)
    lines = [f"0 {len(town)} units id"]
    for unit, others in enumerate(near):
        lines += [f"{unit} {len(others)}", " ".join(map(str, others))]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        path = Path(folder) / "units.gal"
        path.write_text("\n".join(lines) + "\n")
        return pygeoda.read_gal(str(path), [str(u) for u in range(len(town))])  # type: ignore[attr-defined]


def spopt_max_p(town: Community, cells: int, low: int, high: int, seed: int) -> np.ndarray:
    """Cut with spopt's max-p: a lower bound, no upper one."""
    import geopandas as gpd
    from libpysal.weights import W
    from spopt.region import MaxPHeuristic

    np.random.seed(seed)  # noqa: NPY002
    near: dict[int, list[int]] = {u: [] for u in range(len(town))}
    ties = town.bonds()
    for a, b in zip(town.i[ties].tolist(), town.j[ties].tolist(), strict=True):
        near[a].append(b)
        near[b].append(a)
    frame = gpd.GeoDataFrame(
        {"x": town.x, "y": town.y, "households": town.households},
        geometry=shapely.points(town.x, town.y),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MaxPHeuristic(
            frame, W(near, silence_warnings=True), ["x", "y"], "households", low, top_n=2
        )
        model.solve()
    return in_order(np.array(model.labels_))


# function, module, and how many communities it can be asked to cut
PEERS = {
    "METIS": (metis, "pymetis", 1000),
    "GerryChain trees": (recursive_trees, "gerrychain", 1000),
    "GeoDa max-p": (geoda_max_p, "pygeoda", 1000),
    "spopt max-p": (spopt_max_p, "spopt", 2),  # half a minute each
}


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
    town: Community, low: int, high: int, cells: int = 0, most: int = 20_000
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
        options={"time_limit": 60},
    )
    if solved.status == 0:
        return "optimal", float(solved.fun)
    return ("impossible" if solved.status == 2 else "unknown"), None


__all__ = ["PEERS", "Fuel", "every_cell", "exact"]
