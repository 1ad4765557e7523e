"""What is asked of the search: the band, the effort, and the pieces that a community falls into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gridmap._arrays import Bools, Dice, Ints
from gridmap._checks import Progress, silent
from gridmap.partitioning.community import Community, dice_of, in_order
from gridmap.partitioning.energy import Network, Rules

Quality = Literal["fast", "default", "best"]
SHAPE, BORDER, EXCESS = 1.0, 0.35, 20.0
FULL = 16.0  # the weight of balance when nothing is wished more
BALANCE = 0.5  # the knee of the front between balance and compactness
ROADS = 0.9  # how much cheaper a border on a barrier is


@dataclass(frozen=True)
class Effort:
    """How hard the search tries: annealing sweeps, starts, trees drawn, trees at most.

    In a small part more starts share the sweeps and the trees.
    """

    sweeps: int
    starts: int
    trees: int
    tries: int
    shares: int = 1

    def shared(self) -> Effort:
        """Return the effort for a small part, in which a start is soon as good as it gets."""
        return Effort(
            self.sweeps // self.shares,
            self.starts * self.shares,
            max(FEW, self.trees // self.shares),
            self.tries,
        )


FEW = 2  # trees that a start draws at least
EFFORTS: dict[Quality, Effort] = {
    "fast": Effort(sweeps=400, starts=1, trees=6, tries=600),
    "default": Effort(sweeps=1600, starts=1, trees=6, tries=1200, shares=4),
    "best": Effort(sweeps=6400, starts=2, trees=24, tries=6000, shares=4),
}


@dataclass(frozen=True)
class Wishes:
    """What is asked of every community."""

    low: int
    high: int
    target: float
    seed: int
    effort: Effort
    discount: float = 0.0
    balance: float = FULL * BALANCE
    no_holes: bool = False
    progress: Progress = silent

    def within(self, low: int, high: int, target: float) -> Wishes:
        """Return the same wishes for another band."""
        return replace(self, low=low, high=high, target=target)

    def possible(self, households: int) -> bool:
        """Tell whether some number of cells within the band holds so many households."""
        return households > 0 and -(-households // self.high) <= households // self.low

    def cells(self, households: int) -> int:
        """Return how many cells come nearest to the target within the band."""
        most = max(1, households // self.low)
        least = max(1, -(-households // self.high))
        return int(min(max(round(households / self.target), least), max(most, least)))

    def narrowed(self, households: int, cells: int) -> Wishes:
        """Return the band that is left when so many households fall into a number of cells."""
        others = cells - 1
        return replace(
            self,
            low=max(self.low, households - others * self.high),
            high=min(self.high, households - others * self.low),
        )

    def fits(self, label: Ints, households: Ints) -> bool:
        """Tell whether every cell lies within the band."""
        total = np.bincount(label, households)
        return bool(((total >= self.low) & (total <= self.high)).all())


@dataclass(frozen=True)
class Task:
    """One part to be cut, its kernels' arrays, and its dice."""

    piece: Community
    net: Network
    rules: Rules
    wishes: Wishes
    cells: int
    dice: Dice

    @classmethod
    def of(cls, piece: Community, bonds: Bools, wishes: Wishes, cells: int, *names: object) -> Task:
        """Prepare a part; its dice depend on its name alone."""
        count = cells or wishes.cells(piece.total)
        rules = rules_for(piece, wishes, count)
        net = piece.network(bonds, scale_of(piece, count), wishes.discount)
        return cls(piece, net, rules, wishes, cells, dice_of(wishes.seed, piece.key, *names))


def rules_for(piece: Community, wishes: Wishes, cells: int, price: float = 0.0) -> Rules:
    """Return the rules of the kernels for a part that is cut into so many cells."""
    return Rules(
        low=wishes.low,
        high=wishes.high,
        target=max(piece.total, 1) / cells,
        load_target=max(float(piece.load.sum()), 1e-9) / cells,
        shape=SHAPE,
        border=BORDER,
        balance=wishes.balance,
        excess=EXCESS,
        price=price,
    )


def scale_of(piece: Community, cells: int) -> float:
    """Return the perimeter-like length of the mean cell, the unit of border costs."""
    return float(np.sqrt(4.0 * np.pi * piece.area.sum() / cells))


@dataclass(frozen=True)
class Piece:
    """A connected piece that becomes one cell or more, alone.

    `members` are the positions of its units in the community. `giant` is the position, in the
    piece, of a unit over the band that makes the piece a cell of its own; -1 when there is none.
    """

    name: str
    members: Ints
    community: Community
    bonds: Bools
    giant: int = -1


def pieces_of(community: Community, bonds: Bools, wishes: Wishes) -> list[Piece]:
    """Take a community apart along the contacts that connect, and around its giants."""
    part = community.parts(bonds)
    found: list[Piece] = []
    for number in range(int(part.max(initial=-1)) + 1):
        whole = _piece(community, bonds, np.flatnonzero(part == number), str(number))
        found += _around_giants(whole, wishes)
    return found


def _piece(community: Community, bonds: Bools, members: Ints, name: str, giant: int = -1) -> Piece:
    """Return some units of a community as a piece."""
    inside = np.zeros(len(community), bool)
    inside[members] = True
    inner = inside[community.i] & inside[community.j]
    return Piece(name, members, community.subset(members), bonds[inner], giant)


def _around_giants(whole: Piece, wishes: Wishes) -> list[Piece]:
    """Make each giant a piece of its own, with the pockets that it strands."""
    community = whole.community
    giant = community.households > wishes.high
    if not giant.any():
        return [whole]
    host = _hosts(whole, giant, wishes)
    found = []
    for unit in np.flatnonzero(giant):
        members = np.flatnonzero(host == unit)
        at = int(np.searchsorted(members, unit))
        found.append(_piece(community, whole.bonds, members, f"{whole.name}.{unit}", at))
    free = np.flatnonzero(host < 0)
    rest = _piece(community, whole.bonds, free, whole.name)
    part = rest.community.parts(rest.bonds)
    for number in range(int(part.max(initial=-1)) + 1):
        members = free[part == number]
        found.append(_piece(community, whole.bonds, members, f"{whole.name}.rest{number}"))
    return [_lift(piece, whole.members) for piece in found]


def _hosts(whole: Piece, giant: Bools, wishes: Wishes) -> Ints:
    """Return the giant that each unit belongs to, -1 for none.

    A pocket under the band that giants cut off joins the one with the longest contact.
    """
    community = whole.community
    host = np.where(giant, np.arange(len(community)), -1)
    free = whole.bonds & ~giant[community.i] & ~giant[community.j]
    part = in_order(community.parts(free))
    for number in np.unique(part[~giant]):
        members = part == number
        if community.households[members].sum() >= wishes.low:
            continue
        out = whole.bonds & (members[community.i] ^ members[community.j])
        other = np.where(members[community.i], community.j, community.i)[out]
        host[members] = int(np.argmax(np.bincount(other, community.length[out])))
    return host


def _lift(piece: Piece, members: Ints) -> Piece:
    """Return a piece of a piece as one of the whole community."""
    return Piece(piece.name, members[piece.members], piece.community, piece.bonds, piece.giant)


def bonds_of(community: Community, wishes: Wishes) -> Bools:
    """Return the contacts that connect when hard barriers are held wherever that is possible.

    A part that cannot be cut into cells is joined across the barrier to the part with which it
    shares the longest contact.
    """
    bonds = community.bonds()
    every = community.bonds(hard=True)
    while True:
        part = community.parts(bonds)
        total = np.bincount(part, community.households)
        a, b = part[community.i], part[community.j]
        across = every & (a != b)
        for lone in [p for p in range(len(total)) if not wishes.possible(int(total[p]))]:
            mine = across & ((a == lone) | (b == lone))
            if mine.any():
                other = np.where(a == lone, b, a)
                host = int(np.argmax(np.bincount(other[mine], community.length[mine])))
                bonds = bonds | (mine & (other == host))
                break
        else:
            return bonds


def share(pieces: list[Piece], wishes: Wishes, cells: int) -> list[int]:
    """Share a wanted number of cells among pieces by their households, as their bands allow."""
    total = np.array([piece.community.total for piece in pieces], dtype=np.float64)
    giant = np.array([piece.giant >= 0 for piece in pieces])
    given = np.where(giant, 1, np.maximum(1, np.ceil(total / wishes.high))).astype(np.int64)
    most = np.where(giant, 1, np.maximum(given, total // wishes.low))
    while given.sum() < cells and (given < most).any():
        given[int(np.where(given < most, total / (given + 1), -np.inf).argmax())] += 1
    return [int(k) for k in given]
