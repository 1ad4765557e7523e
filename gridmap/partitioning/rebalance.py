"""Bring an old division of a community into the band, and change as little as that takes.

Cells outside the band are mended where they are, together with one to three rings of neighbours:
first with as many cells as before, then with one more or one fewer. A larger region is touched
only where a smaller one does not do. Each household that leaves its old cell has a price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from gridmap._arrays import Bools, Ints, in_order
from gridmap.partitioning.certificates import HELD, UNKNOWN, Finding
from gridmap.partitioning.energy import Rules
from gridmap.partitioning.problem import (
    Community,
    Piece,
    Task,
    Wishes,
    bad_cells,
    bonds_of,
    neighbouring_cells,
    pieces_of,
    rings,
    set_in,
    share,
)
from gridmap.partitioning.search import TREES, best_cut
from gridmap.partitioning.solve import Outcome, crosses, solve_piece


def match(label: Ints, home: Ints, households: Ints) -> dict[int, int]:
    """Match new cells to old ones, one to one, so that most households keep their cell.

    Parameters
    ----------
    label, home : int array
        New and old cell of each unit; -1 in `home` for none.
    households : int array
        Those of each unit. Units without any weigh next to nothing, but something.

    Returns
    -------
    dict of int to int
        The old cell that each new cell continues, where it continues one.

    Examples
    --------
    >>> match(np.array([0, 0, 1, 2]), np.array([7, 7, 8, 8]), np.array([5, 5, 4, 6]))
    {0: 7, 2: 8}
    """
    known = home >= 0
    new, row = np.unique(label[known], return_inverse=True)
    old, column = np.unique(home[known], return_inverse=True)
    shared = np.zeros((len(new), len(old)))
    np.add.at(shared, (row, column), households[known] + 1e-3)
    rows, columns = linear_sum_assignment(-shared)
    return {
        int(new[r]): int(old[c]) for r, c in zip(rows, columns, strict=True) if shared[r, c] > 0
    }


RINGS = (1, 2, 3)


def counted(region: Region, label: Ints, cells: int) -> Ints:
    """Split or merge cells until there are so many, as far as the band lets that be done.

    The largest cell that its neighbours can make up for is split, the smallest that they have room
    for is merged.
    """
    while (made := len(np.unique(label))) != cells:
        if made < cells:
            fresh = _recut(region, label, -1, lambda part, start, cell: part.splits(start, cell))
        else:
            fresh = _recut(region, label, 1, lambda part, start, cell: part.merges(start, cell))
        if fresh is None:
            break
        label = fresh
    return label


def _recut(
    region: Region,
    label: Ints,
    sign: int,
    trials: Callable[[Region, Ints, int], Iterator[tuple[Ints, Ints]]],
) -> Ints | None:
    """Change the number of cells in the smallest region in which the band allows it."""
    town = region.piece.community
    total = np.bincount(label, town.households)
    pairs = neighbouring_cells(town, region.piece.bonds, label)
    order = [c for c in np.argsort(sign * total, kind="stable") if (label == c).any()]
    for ring in RINGS:
        for cell in order:
            cells = region.free(label, rings(pairs, int(cell), ring))
            if cell not in cells or not _room(total[cells], region, -sign):
                continue
            members = np.flatnonzero(np.isin(label, cells))
            part, start = region.part(members), in_order(label[members])
            number = int(start[label[members] == cell][0])
            found = part.best(trials(part, start, number), 1)
            if found is not None:
                return set_in(label, members, found)
    return None


def _room(total: Ints, region: Region, more: int) -> bool:
    """Tell whether the households of some cells fit into one cell more, or fewer."""
    cells = len(total) + more
    low, high = region.wishes.low, region.wishes.high
    return bool(cells * low <= total.sum() <= cells * high)


PRICE = 3.0  # what moving a cell's worth of households costs, in the energy of cells
MILD = 0.05  # the most that balance weighs where little is to change
WARM, COOL = 0.3, 0.01
SWEEPS = 400
ATTEMPTS = 3


@dataclass(frozen=True)
class Old:
    """The old cell of each unit (-1 for none), cells that must not change, and the price."""

    home: Ints
    locked: Ints
    price: float = PRICE
    unchanged: bool = False


def keep(community: Community, wishes: Wishes, old: Old, cells: int = 0) -> Outcome:
    """Return the old division of a community, changed as little as the band demands.

    With a number of `cells` wanted, cells are then split or merged until there are so many.
    Where nothing changed in the data, nothing changes in the cells. Labels are numbered afresh;
    which old cell each continues is for the caller to match.
    """
    every = community.bonds(hard=True)
    within = (old.home[community.i] == old.home[community.j]) & (old.home[community.i] >= 0)
    bonds = bonds_of(community, wishes) | (every & within)
    outcome = Outcome(np.full(len(community), -1, np.int64))
    pieces = pieces_of(community, bonds, wishes)
    for piece, count in zip(pieces, share(pieces, wishes, cells), strict=True):
        home = old.home[piece.members]
        outcome.append(piece.members, _keep_piece(piece, wishes, old, home, cells and count))
    outcome.crossed = crosses(community, bonds, outcome.label)
    return outcome


def _keep_piece(piece: Piece, wishes: Wishes, old: Old, home: Ints, cells: int) -> Outcome:
    """Repair one piece, and solve it anew only where that leaves fewer cells outside the band."""
    if piece.giant >= 0:
        return solve_piece(piece, wishes)
    region = Region(piece, wishes, old.price, home, np.isin(home, old.locked))
    label = adopted(piece, home, wishes)
    if not old.unchanged:
        label = region.repaired(label)
    bad = region.bad(label)
    if len(bad) == 0:
        return Outcome(in_order(counted(region, label, cells) if cells else label))
    fresh = solve_piece(piece, wishes)
    if len(fresh.reasons) < len(bad) and not old.unchanged and not region.locked.any():
        return Outcome(region.settled(fresh.label), fresh.reasons)
    label = in_order(label)
    known = next(iter(fresh.reasons.values()), None)
    if known is None:
        held = old.unchanged or bool(region.locked.any())
        known = Finding(HELD if held else UNKNOWN, {"households": piece.community.total})
    return Outcome(label, {int(cell): known for cell in region.bad(label)})


def adopted(piece: Piece, home: Ints, wishes: Wishes) -> Ints:
    """Return the old cells as connected labels; fragments and new land join a neighbour."""
    town = piece.community
    same = piece.bonds & (home[town.i] == home[town.j]) & (home[town.i] >= 0)
    label = town.parts(same)
    size = np.bincount(label, town.households) + 1e-6 * np.bincount(label)
    main = np.zeros(len(size), bool)
    for cell in np.unique(home[home >= 0]):
        parts = np.unique(label[home == cell])
        main[parts[np.argmax(size[parts])]] = True
    while not main[label].all() and main.any():
        label, main = _join_one(piece, label, main, wishes)
    return label


def _join_one(piece: Piece, label: Ints, main: Bools, wishes: Wishes) -> tuple[Ints, Bools]:
    """Join the smallest fragment to a neighbouring cell that has room, or let it be a cell."""
    town = piece.community
    total = np.bincount(label, town.households, len(main))
    loose = [int(c) for c in np.unique(label[~main[label]])]
    cell = min(loose, key=lambda c: (total[c], c))
    touch = piece.bonds & ((label[town.i] == cell) ^ (label[town.j] == cell))
    other = np.where(label[town.i] == cell, label[town.j], label[town.i])[touch]
    shared = np.bincount(other, town.length[touch], len(main))
    room = total + total[cell] <= wishes.high
    choice = np.where(shared > 0, shared + 1e9 * room + 1e12 * main, -1.0)
    if total[cell] >= wishes.low or choice.max() < 0:
        main = main.copy()
        main[cell] = True
        return label, main
    return np.where(label == cell, int(choice.argmax()), label), main


@dataclass(frozen=True)
class Region:
    """A connected piece with its old cells, ready to be repaired."""

    piece: Piece
    wishes: Wishes
    price: float
    home: Ints
    locked: Bools

    def bad(self, label: Ints) -> Ints:
        """Return the cells outside the band."""
        town = self.piece.community
        return bad_cells(label, town.households, self.wishes.low, self.wishes.high)

    def repaired(self, label: Ints) -> Ints:
        """Mend every cell outside the band that can be mended, the smallest change first."""
        tried: set[bytes] = set()
        for ring in RINGS:
            while True:
                pairs = neighbouring_cells(self.piece.community, self.piece.bonds, label)
                for cell in self.bad(label):
                    cells = self.free(label, rings(pairs, int(cell), ring))
                    members = np.flatnonzero(np.isin(label, cells))
                    key = members.tobytes() + label[members].tobytes()
                    if key in tried:
                        continue
                    tried.add(key)
                    better = self._mended(label, members)
                    if better is not None:
                        label = better
                        break
                else:
                    break
        return label

    def free(self, label: Ints, cells: Ints) -> Ints:
        """Return the cells that may change."""
        return np.setdiff1d(cells, label[self.locked])

    def _mended(self, label: Ints, members: Ints) -> Ints | None:
        """Cut a region anew near its old cells; None when no fewer cells are outside the band."""
        if len(members) == 0:
            return None
        part = self.part(members)
        start = in_order(label[members])
        found = part.best(part.trials(start), len(part.bad(start)))
        return None if found is None else set_in(label, members, found)

    def best(self, trials: Iterator[tuple[Ints, Ints]], before: int) -> Ints | None:
        """Anneal starts; return the one with fewest cells outside the band, then least moved."""
        best: tuple[int, float, Ints] | None = None
        for attempt, (trial, home) in enumerate(trials):
            found = self.annealed(trial, home, attempt)
            score = len(self.bad(found)), self.moved(found, home)
            if score[0] < before and (best is None or score < best[:2]):
                best = (*score, found)
        return None if best is None else best[2]

    def splits(self, start: Ints, cell: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield a start with a cell split, as often as it is tried."""
        split = self.split(start, cell)
        if split is not None:
            yield from [(split, start)] * ATTEMPTS

    def merges(self, start: Ints, cell: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield starts with a cell merged with each neighbour, and the old cells."""
        for host in self.hosts(start, cell):
            merged = np.where(start == cell, host, start)
            yield in_order(merged), _renamed(start, merged)

    def part(self, members: Ints) -> Region:
        """Return the region of some units."""
        town = self.piece.community
        inside = np.zeros(len(town), bool)
        inside[members] = True
        inner = self.piece.bonds[inside[town.i] & inside[town.j]]
        name = f"{self.piece.name}.{members[0]}.{len(members)}"
        piece = Piece(name, members, town.subset(members), inner)
        return replace(self, piece=piece, home=self.home[members], locked=self.locked[members])

    def trials(self, start: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Yield starts with as many cells as before, one more, one fewer, and their old cells."""
        for _ in range(ATTEMPTS):
            yield start, start
        total = np.bincount(start, self.piece.community.households)
        over = int(total.argmax())
        if total[over] > self.wishes.high:
            yield from self.splits(start, over)
        under = int(total.argmin())
        if total[under] < self.wishes.low:
            yield from self.merges(start, under)

    def hosts(self, start: Ints, cell: int) -> list[int]:
        """Return the neighbours of a cell, the longest contact first."""
        town = self.piece.community
        touch = self.piece.bonds & ((start[town.i] == cell) ^ (start[town.j] == cell))
        other = np.where(start[town.i] == cell, start[town.j], start[town.i])[touch]
        shared = np.bincount(other, town.length[touch])
        return [int(c) for c in np.argsort(-shared, kind="stable") if shared[c] > 0]

    def split(self, start: Ints, cell: int) -> Ints | None:
        """Cut a cell in two along a tree; the larger part keeps its number."""
        members = np.flatnonzero(start == cell)
        if len(members) < 2:
            return None
        part = self.part(members)
        town = part.piece.community
        task = Task.of(town, part.piece.bonds, self.wishes, 2, part.piece.name, "split")
        cut, parts = best_cut(task, task.rules._replace(low=1), 2, TREES)
        if not parts:
            return None
        small = int(np.bincount(cut, town.households).argmin())
        split = start.copy()
        split[members[cut == small]] = int(start.max()) + 1
        return split

    def annealed(self, start: Ints, home: Ints, attempt: int) -> Ints:
        """Anneal a start with a price on households that leave their old cell."""
        from gridmap.partitioning import annealing

        cells = int(start.max()) + 1
        town = self.piece.community
        task = Task.of(town, self.piece.bonds, self.wishes, cells, self.piece.name, attempt)
        balance = min(task.rules.balance, MILD)
        rules: Rules = task.rules._replace(price=self.price, balance=balance)
        label = start.copy()
        steps = SWEEPS * len(label)
        annealing.anneal(task.net, label, cells, rules, home, task.dice, WARM, COOL, steps)
        return label

    def moved(self, label: Ints, home: Ints) -> float:
        """Return the households that are not in their old cell."""
        return float(self.piece.community.households[label != home].sum())

    def settled(self, label: Ints) -> Ints:
        """Anneal a fresh division towards the old cells that its cells continue."""

        label = in_order(label)
        town = self.piece.community
        heirs = match(label, self.home, town.households)
        new = {old: cell for cell, old in heirs.items()}
        home = np.array([new.get(int(cell), -1) for cell in self.home], np.int64)
        found = self.annealed(label, home, 0)
        return found if len(self.bad(found)) <= len(self.bad(label)) else label


def _renamed(start: Ints, merged: Ints) -> Ints:
    """Return the old cells under the numbers that they have after a merger; -1 for the lost."""
    names = np.full(int(start.max()) + 1, -1, np.int64)
    names[merged] = in_order(merged)
    return names[start]
