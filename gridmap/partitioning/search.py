"""Search one connected part: trees, annealing, certificates, every partition, in this order.

A small part is cut as well as can be, others along trees and by annealing; a division is brought to
a wanted number of cells by splitting and merging cells, and shifted then.
"""

from __future__ import annotations

from dataclasses import replace as replace_in

import networkx as nx
import numpy as np

from gridmap._arrays import Bools, Ints, in_order
from gridmap.partitioning.certificates import Finding, certify, settle
from gridmap.partitioning.energy import Rules
from gridmap.partitioning.problem import (
    Community,
    Task,
    Wishes,
    bad_cells,
    neighbouring_cells,
    replace,
    rings,
    whole_below,
)

RINGS = (0, 1, 2, 9)  # of neighbours that are cut anew too; the last takes the whole part
TRIES = 8  # cuts of each
ROUNDS = 16  # of annealing, each taken back where it closes a ring of cells


def opened(task: Task, bonds: Bools, label: Ints) -> Ints:
    """Cut cells that enclose others anew together with those, where holes are unwanted."""
    found = enclosing_cells(task.piece, label) if task.wishes.no_holes else {}
    while found:
        fresh = _fewer(task, bonds, label, found)
        if fresh is None:
            break
        label = fresh
        found = enclosing_cells(task.piece, label)
    return label


def _fewer(task: Task, bonds: Bools, label: Ints, found: dict[int, set[int]]) -> Ints | None:
    """Return labels with fewer cells that enclose others; None when none are found."""
    pairs = neighbouring_cells(task.piece, bonds, label)
    for ring in RINGS:
        for cell, inside in found.items():
            cells = np.union1d(rings(pairs, cell, ring), [*inside])
            members = np.flatnonzero(np.isin(label, cells))
            for attempt in range(TRIES):
                part = region_task(task, bonds, members, task.cells and len(cells), attempt)
                cut = _cut_open(part)
                if cut is None:
                    continue
                fresh = replace(label, members, cut)
                if len(enclosing_cells(task.piece, fresh)) < len(found):
                    return fresh
    return None


def _cut_open(part: Task) -> Ints | None:
    """Cut a tree so that no cell encloses another, and anneal as long as that stays so."""
    label, parts = start(part, FIRST_TRIES, 1)
    if parts == 0 or enclosing_cells(part.piece, label):
        return None
    for done in range(ROUNDS):
        hot, cold = (HOT * (COLD / HOT) ** (at / ROUNDS) for at in (done, done + 1))
        trial = annealed(part, label, None, hot, cold, ROUNDS)
        fits = part.wishes.fits(trial, part.piece.households)
        if fits and not enclosing_cells(part.piece, trial):
            label = trial
    return label


WARM, COOL = 0.06, 0.01  # to straighten borders
STRAIGHT = 0.9  # discount of borders on barriers while they are straightened
MIDDLE = 4  # the middle rung of the ladder holds pieces up to a quarter of the band's maximum


def search(
    piece: Community, bonds: Bools, wishes: Wishes, name: str, known: Finding | None = None
) -> tuple[Ints, Finding | None]:
    """Cut a connected part without giants; return labels, and why they are not all in the band.

    Blocks stay whole where that works; they are split only in a part that needs it. `known` is a
    certificate that speaks already.
    """
    for rung, group in enumerate(_coarse(piece, wishes) if known is None else []):
        coarse = piece.contract(group)
        ties = _tied(piece, bonds, group, coarse)
        task = Task.of(coarse, ties, wishes, 0, name, rung)
        label = cut_and_anneal(task, FIRST_TRIES)
        if wishes.fits(label, coarse.households):
            label = opened(task, ties, label)
            if not (wishes.no_holes and enclosing_cells(coarse, label)):
                return _straightened(piece, bonds, wishes, name, in_order(label[group])), None
    return _finest(piece, bonds, wishes, name, known)


def search_into(
    cells: int, piece: Community, bonds: Bools, wishes: Wishes, name: str
) -> Ints | None:
    """Cut a connected part into a number of cells, all within the band; None if that is not found.

    The number narrows the band: the other cells must have room for what one leaves.
    """
    wishes = wishes.narrowed(piece.total, cells)
    best = None
    for rung, group in enumerate([*_coarse(piece, wishes), np.arange(len(piece))]):
        coarse = piece.contract(group)
        ties = _tied(piece, bonds, group, coarse)
        task = Task.of(coarse, ties, wishes, cells, name, "into", rung)
        found = counted(task, ties, cut_and_anneal(task, FIRST_TRIES))
        if found is None:
            continue
        found = opened(task, ties, found)
        whole = len(coarse) < len(piece)
        best = in_order(found[group])
        best = _straightened(piece, bonds, wishes, name, best) if whole else best
        if not (wishes.no_holes and enclosing_cells(piece, best)):
            break
    return best


def _straightened(piece: Community, bonds: Bools, wishes: Wishes, name: str, label: Ints) -> Ints:
    """Let borders leave the barriers where that makes cells much more compact.

    The cells were made of whole blocks, and stay near to them: a border elsewhere is dear.
    """
    from gridmap.partitioning import annealing as anneal

    cells = int(label.max()) + 1
    if wishes.discount >= 1.0 or cells < 2:
        return label
    near = replace_in(wishes, discount=max(wishes.discount, STRAIGHT))
    task = Task.of(piece, bonds, near, cells, name, "straight")
    found = label.copy()
    home = np.full(len(label), -1, np.int64)
    steps = wishes.effort.sweeps // 4 * len(label)
    anneal.anneal(task.net, found, cells, task.rules, home, task.dice, WARM, COOL, steps)
    if wishes.no_holes and enclosing_cells(piece, found):
        return label
    return in_order(found) if wishes.fits(found, piece.households) else label


def _finest(
    piece: Community, bonds: Bools, wishes: Wishes, name: str, known: Finding | None
) -> tuple[Ints, Finding | None]:
    """Search with single units: trees, mending, certificates, every partition, more trees."""
    task = Task.of(piece, bonds, wishes, 0, name, "units")
    label = cut_and_anneal(task, FIRST_TRIES)
    if known is not None:
        return in_order(label), known
    label = _mend(task, bonds, label)
    if wishes.fits(label, piece.households):
        return in_order(opened(task, bonds, label)), None
    suspects = np.isin(label, bad_cells(label, piece.households, wishes.low, wishes.high))
    i, j = piece.i[bonds], piece.j[bonds]
    known = certify(piece.households, i, j, wishes.low, wishes.high, suspects)
    if known is None:
        known, found = settle(piece.households, i, j, wishes.low, wishes.high)
        if found is not None:
            return in_order(opened(task, bonds, annealed(task, found))), None
    if known is None:
        found = cut_and_anneal(task, wishes.effort.tries)
        if wishes.fits(found, piece.households):
            return in_order(opened(task, bonds, found)), None
    return in_order(label), known


def _mend(task: Task, bonds: Bools, label: Ints) -> Ints:
    """Cut cells outside the band anew together with one to three rings of neighbours."""
    piece, wishes = task.piece, task.wishes
    tried: set[tuple[int, ...]] = set()
    for ring in (1, 2, 3):
        while True:
            pairs = neighbouring_cells(piece, bonds, label)
            for cell in bad_cells(label, piece.households, wishes.low, wishes.high):
                members = np.flatnonzero(np.isin(label, rings(pairs, int(cell), ring)))
                if tuple(members) in tried or len(members) == len(piece):
                    continue
                tried.add(tuple(members))
                part = cut_region(task, bonds, members)
                if part is not None:
                    label = replace(label, members, part)
                    break
            else:
                break
    return label


def _coarse(piece: Community, wishes: Wishes) -> list[Ints]:
    """Return groupings with blocks whole, then their middle pieces; none where nothing is split.

    Whole blocks are too coarse for even loads: they are kept where balance is no wish, or where
    borders are to lie on barriers whatever that costs.
    """
    if not any(piece.path) or (wishes.balance > 0 and wishes.discount < 1.0):
        return []
    rungs: list[Ints] = []
    count = 0
    for cap in (wishes.high, wishes.high // MIDDLE):
        group = whole_below(piece, cap)
        groups = int(group.max()) + 1
        if count < groups < len(piece):
            rungs.append(group)
            count = groups
    return rungs


def _tied(piece: Community, bonds: Bools, group: Ints, coarse: Community) -> Bools:
    """Tell which contacts between groups connect: those with a connecting contact inside."""
    n = len(coarse)
    a, b = group[piece.i[bonds]], group[piece.j[bonds]]
    tied = np.unique(np.minimum(a, b) * n + np.maximum(a, b))
    return np.isin(coarse.i * n + coarse.j, tied)


def can_be_cut(piece: Community, bonds: Bools, wishes: Wishes, name: str) -> bool:
    """Tell whether a partition of a piece is found by cutting trees, or by a short annealing."""
    task = Task.of(piece, bonds, wishes, 0, name, "units")
    if start(task, FIRST_TRIES, 1)[1] > 0:
        return True
    label = _mend(task, bonds, annealed(task, soft_start(task)[0]))
    return wishes.fits(label, piece.households)


OUTSIDE = -1


def outer_units(community: Community) -> Bools:
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
    graph: nx.Graph[int] = nx.Graph()
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
        task = replace_in(task, wishes=replace_in(task.wishes, effort=effort))
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
    from gridmap.partitioning import energy

    total, wishes = task.piece.total, task.wishes
    if len(task.piece) > energy.UNITS or not wishes.possible(total):
        return None
    least, most = -(-total // wishes.high), min(len(task.piece), total // wishes.low)
    wanted = task.cells or wishes.cells(total)
    open_ = sum(1 << int(u) for u in np.flatnonzero(outer_units(task.piece)))
    for rim in (open_, -1) if wishes.no_holes else (-1,):
        cells = energy.every_cell(task.net, task.rules, rim)
        if cells.first[-1] < 0:
            return None
        for counts in _outwards(wanted, least, most):
            found = [(best[0] / k, best[1]) for k in counts if (best := energy.cheapest(cells, k))]
            if found:
                return min(found, key=lambda one: one[0])[1]
    return None


def _outwards(wanted: int, least: int, most: int) -> list[list[int]]:
    """Return the numbers from the least to the most, those equally far from the wanted together.

    Examples
    --------
    >>> _outwards(2, 1, 4), _outwards(9, 1, 2)
    ([[2], [1, 3], [4]], [[2], [1]])
    """
    numbers = range(least, most + 1)
    away = sorted({abs(k - wanted) for k in numbers})
    return [[k for k in numbers if abs(k - wanted) == far] for far in away]


def start(task: Task, tries: int, enough: int | None = None) -> tuple[Ints, int]:
    """Draw trees until enough were cut, or until one can be; return the best cut.

    A large part is tried with fewer trees: the chance that a tree of it can be cut is small.
    """
    if len(task.piece) > LARGE:
        return np.empty(0, np.int64), 0
    wanted = task.wishes.effort.trees if enough is None else enough
    tries = max(wanted, min(tries, tries * USUAL // len(task.piece)))
    cells = task.cells if task.cells * len(task.piece) <= COUNTED else 0
    return best_cut(task, task.rules, cells, wanted, tries)


def soft_start(task: Task) -> tuple[Ints, int]:
    """Cut a tree as near to the band as it allows; the whole part where it allows nothing."""
    trees = SOFT_TRIES if len(task.piece) <= LARGE else 1
    label, parts = best_cut(task, task.rules, 0, trees, soft=True)
    return (label, parts) if parts else (np.zeros(len(task.piece), np.int64), 1)


def best_cut(
    task: Task, rules: Rules, cells: int, trees: int, most: int = 0, *, soft: bool = False
) -> tuple[Ints, int]:
    """Draw so many trees, or up to `most` until one can be cut; return the best cut, its parts.

    There are no parts where no tree can be cut.
    """
    from gridmap.partitioning import spanning_tree

    best, label, parts = spanning_tree.NEVER, np.empty(0, np.int64), 0
    tree = 0
    while tree < trees or (parts == 0 and tree < most):
        contact, order = spanning_tree.draw(task.net, task.dice, tree % 3)
        cut, count, cost = spanning_tree.cut(task.net, contact, order, rules, cells, soft)
        if count and cost < best:
            best, label, parts = cost, cut, count
        tree += 1
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


def region_task(task: Task, bonds: Bools, members: Ints, cells: int, attempt: int) -> Task:
    """Return the task of cutting some units of a part anew."""
    inside = np.zeros(len(task.piece), bool)
    inside[members] = True
    inner = bonds[inside[task.piece.i] & inside[task.piece.j]]
    region = task.piece.subset(members)
    return Task.of(region, inner, task.wishes, cells, "region", attempt, *members)


def cut_region(task: Task, bonds: Bools, members: Ints) -> Ints | None:
    """Cut some units anew, all within the band; None when no tree could be cut so."""
    part = region_task(task, bonds, members, 0, 0)
    if not task.wishes.possible(part.piece.total):
        return None
    label, parts = start(part, FIRST_TRIES)
    if parts == 0:
        return None
    label = annealed(part, label)
    return label if task.wishes.fits(label, part.piece.households) else None


ATTEMPTS = 6
TREES = 9  # trees drawn to split a cell
SHAKEN, CALM = 8.0, 0.1  # hot enough for cells to pass through what lies outside the band
LIGHT = 0.1  # what shape and border weigh while households are shifted


def counted(task: Task, bonds: Bools, label: Ints) -> Ints | None:
    """Return a division into the wanted number of cells, all within the band; None if not found."""
    fits = task.wishes.fits
    if int(label.max()) + 1 == task.cells and fits(label, task.piece.households):
        return label
    shape, border = LIGHT * task.rules.shape, LIGHT * task.rules.border
    rules = task.rules._replace(shape=shape, border=border, balance=0.0)
    for _ in range(ATTEMPTS):
        trial = with_count(task, bonds, label)
        if trial is None:
            return None
        label = annealed(task, trial, rules, SHAKEN, CALM)
        if fits(label, task.piece.households):
            return annealed(task, label)
    return None


def with_count(task: Task, bonds: Bools, label: Ints) -> Ints | None:
    """Split the largest cells, or merge the smallest with a neighbour, until there are enough."""
    while (cells := int(label.max()) + 1) != task.cells:
        total = np.bincount(label, task.piece.households)
        if cells > task.cells:
            pairs = neighbouring_cells(task.piece, bonds, label)
            a, b = pairs[np.argmin(total[pairs].sum(axis=1))]
            label = in_order(np.where(label == a, b, label))
            continue
        halves = (split(task, bonds, label, int(cell)) for cell in np.argsort(-total))
        fresh = next((half for half in halves if half is not None), None)
        if fresh is None:
            return None
        label = fresh
    return label


def split(task: Task, bonds: Bools, label: Ints, cell: int) -> Ints | None:
    """Cut a cell in two parts, as even as a few trees allow; None where it holds no two."""
    members = np.flatnonzero(label == cell)
    inside = label == cell
    inner = bonds[inside[task.piece.i] & inside[task.piece.j]]
    part = Task.of(task.piece.subset(members), inner, task.wishes, 2, "split", *members)
    rules = part.rules._replace(low=1, high=max(part.piece.total, 1))
    half, parts = best_cut(part, rules, 2, TREES)
    if not parts:
        return None
    fresh = label.copy()
    fresh[members[half == 1]] = int(label.max()) + 1
    return fresh


def proved_impossible(community: Community, wishes: Wishes, cells: int) -> bool:
    """Tell whether no division into a number of cells within the band is proved to exist.

    The parts that do not touch each allow so many cells at least and at most. In a community of
    one part the number narrows the band, which certificates or a search of every division then
    show to be impossible. False says only that neither did.
    """
    bonds = community.bonds(hard=True)
    total = np.bincount(community.parts(bonds), community.households).astype(np.int64)
    least = np.maximum(-(-total // wishes.high), 1).sum()
    most = np.maximum(total // wishes.low, 1).sum()
    if not least <= cells <= most:
        return True
    if len(total) > 1:
        return False
    i, j = community.i[bonds], community.j[bonds]
    band = wishes.narrowed(community.total, cells)
    known = certify(community.households, i, j, band.low, band.high)
    if known is None:
        known, _ = settle(community.households, i, j, band.low, band.high)
    return known is not None
