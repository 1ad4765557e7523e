"""Cut one part into cells: exactly where it is tiny, along trees and by annealing elsewhere."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np

from gridmap.partitioning.arrays import Ints, Rules
from gridmap.partitioning.community import Community, Flags
from gridmap.partitioning.labels import neighbouring_cells
from gridmap.partitioning.problem import Task

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


HOT, COLD = 0.3, 0.02
FIRST_TRIES = 60  # trees before certificates are asked
SOFT_TRIES = 3
USUAL = 200  # units up to which a part is small: it gets all its tries, and more starts
LARGE = 4_000  # units above which no single tree can be cut, so cells are mended one by one
COUNTED = 20_000  # units times cells up to which trees are cut into a given number


def cut_and_anneal(task: Task, tries: int) -> Ints:
    """Return the best division of a tiny part, or anneal the best cut of spanning spanning_tree.

    All cells lie within the band wherever such a division was found.
    """
    from gridmap.partitioning import energy

    proved = _best(task)
    if proved is not None:
        return proved
    if len(task.piece) <= USUAL:
        effort = task.wishes.effort.shared()
        task = replace(task, wishes=replace(task.wishes, effort=effort))
    best: tuple[bool, float, Ints] | None = None
    for _ in range(task.wishes.effort.starts):
        label, parts = start(task, tries)
        if parts == 0:
            label, parts = soft_start(task)
        label = annealed(task, label)
        total = energy.sums(task.net, label, parts)
        home = np.full(len(label), -1, np.int64)
        cost = energy.total_energy(task.net, label, total, task.rules, home, np.empty(parts))
        misfit = not task.wishes.fits(label, task.piece.households)
        if best is None or (misfit, cost / parts) < best[:2]:
            best = misfit, cost / parts, label
    assert best is not None  # there is at least one start
    return best[2]


def _best(task: Task) -> Ints | None:
    """Return the best division of a tiny part; None where there is none, or it is not proved.

    It has the wanted number of cells, or the possible one that comes nearest to the target. Where
    holes are unwanted it has none if that is possible.
    """
    from gridmap.partitioning import exact

    total = task.piece.total
    most = min(len(task.piece), total // task.wishes.low)
    if len(task.piece) > exact.UNITS or most < 1:
        return None
    wanted = task.cells or task.wishes.cells(total)
    open_ = sum(1 << int(u) for u in np.flatnonzero(outer_units(task.piece)))
    for rim in (open_, -1) if task.wishes.no_holes else (-1,):
        sure, cost, label = exact.least(task.net, task.rules, most, rim)
        possible = np.flatnonzero(cost < exact.NEVER)
        if sure and len(possible):
            best = min(possible, key=lambda k: (abs(int(k) - wanted), cost[k] / k))
            return np.asarray(label[best])
    return None


def start(task: Task, tries: int, enough: int | None = None) -> tuple[Ints, int]:
    """Draw trees until enough were cut, or until one can be; return the best cut.

    A large part is tried with fewer trees: the chance that a tree of it can be cut is small.
    """
    from gridmap.partitioning import spanning_tree

    best, label, parts = spanning_tree.NEVER, np.empty(0, np.int64), 0
    if len(task.piece) > LARGE:
        return label, parts
    wanted = task.wishes.effort.trees if enough is None else enough
    tries = max(wanted, min(tries, tries * USUAL // len(task.piece)))
    cells = task.cells if task.cells * len(task.piece) <= COUNTED else 0
    tree = 0
    while tree < wanted or (parts == 0 and tree < tries):
        contact, order = spanning_tree.draw(task.net, task.dice, tree % 3)
        cut, count, cost = spanning_tree.cut(task.net, contact, order, task.rules, cells, False)
        if count and cost < best:
            best, label, parts = cost, cut, count
        tree += 1
    return label, parts


def soft_start(task: Task) -> tuple[Ints, int]:
    """Cut a tree as near to the band as it allows; the whole part where it allows nothing."""
    from gridmap.partitioning import spanning_tree

    best, label, parts = spanning_tree.NEVER, np.zeros(len(task.piece), np.int64), 1
    for tree in range(SOFT_TRIES if len(task.piece) <= LARGE else 1):
        contact, order = spanning_tree.draw(task.net, task.dice, tree % 3)
        cut, count, cost = spanning_tree.cut(task.net, contact, order, task.rules, 0, True)
        if count and cost < best:
            best, label, parts = cost, cut, count
    return label, parts


def annealed(
    task: Task,
    label: Ints,
    rules: Rules | None = None,
    hot: float = HOT,
    cold: float = COLD,
    share: int = 1,
) -> Ints:
    """Anneal a copy of labels, by the task's rules or by others, for a share of the sweeps."""
    from gridmap.partitioning import annealing as anneal

    label = label.copy()
    home = np.full(len(label), -1, np.int64)
    wishes = task.wishes
    steps = wishes.effort.sweeps * len(label) // share
    cells = int(label.max()) + 1
    rules = rules or task.rules
    anneal.anneal(task.net, label, cells, rules, home, task.dice, hot, cold, steps, wishes.progress)
    return label


def region_task(task: Task, bonds: Flags, members: Ints, cells: int, attempt: int) -> Task:
    """Return the task of cutting some units of a part anew."""
    inside = np.zeros(len(task.piece), bool)
    inside[members] = True
    inner = bonds[inside[task.piece.i] & inside[task.piece.j]]
    region = task.piece.subset(members)
    return Task.of(region, inner, task.wishes, cells, "region", attempt, *members)


def cut_region(task: Task, bonds: Flags, members: Ints) -> Ints | None:
    """Cut some units anew, all within the band; None when no tree could be cut so."""
    part = region_task(task, bonds, members, 0, 0)
    if not task.wishes.possible(part.piece.total):
        return None
    label, parts = start(part, FIRST_TRIES)
    if parts == 0:
        return None
    label = annealed(part, label)
    return label if task.wishes.fits(label, part.piece.households) else None
