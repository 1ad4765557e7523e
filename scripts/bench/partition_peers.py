"""Peers of the partition on the arrays of a community, each behind the same small function."""

from __future__ import annotations

import functools
import math
import random
import time
import warnings
from typing import Any

import networkx as nx
import numpy as np
import shapely

from gridmap.partitioning import energy
from gridmap.partitioning.problem import Community, Effort, Task, Wishes, in_order


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
    from gerrychain import Graph

    return _tree_parts(town, Graph.from_networkx(_nodes(town)), cells, low, high, seed)


def _nodes(town: Community) -> nx.Graph:
    """Return the units and the contacts that connect them as a graph."""
    graph = nx.Graph()
    graph.add_nodes_from((u, {"households": int(h)}) for u, h in enumerate(town.households))
    ties = town.bonds()
    graph.add_edges_from(zip(town.i[ties].tolist(), town.j[ties].tolist(), strict=True))
    return graph


def _room(town: Community, cells: int, low: int, high: int) -> float:
    """Return how far a cell may be from the mean, as GerryChain asks for the band."""
    target = town.total / cells
    return max(min(target - low, high - target) / target, 0.01)


def _tree_parts(
    town: Community, graph: object, cells: int, low: int, high: int, seed: int
) -> np.ndarray:
    """Cut a graph of GerryChain with recursive trees."""
    from gerrychain.tree import recursive_tree_part

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = recursive_tree_part(
            graph,
            range(cells),
            town.total / cells,
            "households",
            _room(town, cells, low, high),
            rng=random.Random(seed),
        )
    return in_order(np.array([parts[u] for u in range(len(town))]))


NO_EFFORT = Effort(sweeps=0, starts=0, trees=0, tries=0)
MOST_STEPS = 1_000_000  # the clock ends the chain
SECONDS_A_UNIT = 0.01  # CPU time of ReCom, at least a second: some forty times ours
ATTEMPTS = 200  # trees for two merged cells, before another pair is tried
HOT, COLD = 0.3, 0.02


class Cooling:
    """Accept a step of a chain by its energy and by a heat that falls with the CPU time."""

    def __init__(self, town: Community, cells: int, wishes: Wishes, seed: int) -> None:
        """Prepare the energy of a community's division into cells."""
        self.task = Task.of(town, town.bonds(), wishes, cells)
        self.home = np.full(len(town), -1, np.int64)
        self.dice = random.Random(seed)
        self.seconds = max(1.0, SECONDS_A_UNIT * len(town))
        self.start = time.process_time()
        self.cells = cells
        self.now = self.least = math.inf
        self.best = np.zeros(len(town), np.int64)

    def over(self) -> bool:
        """Tell whether the time is up."""
        return time.process_time() - self.start > self.seconds

    def __call__(self, partition: Any) -> bool:
        """Accept a better division always, a worse one by chance, and remember the best."""
        label = np.empty(len(self.home), np.int64)
        for cell, units in partition.parts.items():
            label[list(units)] = cell
        total = energy.sums(self.task.net, label, self.cells)
        own = np.empty(self.cells)
        cost = energy.total_energy(self.task.net, label, total, self.task.rules, self.home, own)
        spent = min(1.0, (time.process_time() - self.start) / self.seconds)
        heat = HOT * (COLD / HOT) ** spent
        if cost > self.now and self.dice.random() >= math.exp((self.now - cost) / heat):
            return False
        self.now = cost
        if cost < self.least:
            self.least, self.best = cost, label
        return True


def annealed_recom(town: Community, cells: int, low: int, high: int, seed: int) -> np.ndarray:
    """Anneal GerryChain's ReCom on the energy that ours lowers, in at least as much time."""
    from gerrychain import Graph, MarkovChain, Partition
    from gerrychain.constraints import within_percent_of_ideal_population
    from gerrychain.proposals import recom
    from gerrychain.proposals.tree_proposals import MetagraphError
    from gerrychain.tree import bipartition_tree
    from gerrychain.tree.bipartition_tree import PopulationBalanceError
    from gerrychain.updaters import Tally, cut_edges

    graph = Graph.from_networkx(_nodes(town))
    start = _tree_parts(town, graph, cells, low, high, seed)
    updaters = {"households": Tally("households"), "cut_edges": cut_edges}
    first = Partition(graph, dict(enumerate(start.tolist())), updaters)
    room = _room(town, cells, low, high)
    target = town.total / cells
    accept = Cooling(town, cells, Wishes(low, high, target, seed, NO_EFFORT), seed)
    dice = random.Random(seed)
    cut = functools.partial(bipartition_tree, max_attempts=ATTEMPTS, allow_pair_reselection=True)

    def step(now: Partition) -> Partition:
        """Merge two cells and cut them anew; stay where no tree could be cut."""
        try:
            return recom(now, "households", target, room, bipartition_tree_fn=cut, rng=dice)
        except (RuntimeError, PopulationBalanceError, MetagraphError):
            return now

    keep = [within_percent_of_ideal_population(first, room, pop_key="households")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in MarkovChain(step, keep, accept, first, MOST_STEPS):
            if accept.over():
                break
    return in_order(accept.best)


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
    "ReCom annealed": (annealed_recom, "gerrychain", 1000),
    "GeoDa max-p": (geoda_max_p, "pygeoda", 1000),
    "spopt max-p": (spopt_max_p, "spopt", 1),  # half a minute
}
