"""The problem that a search solves: a community of units, its pieces, the band, the effort."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from dataclasses import replace as replace_in
from typing import Literal

import numpy as np

from gridmap._arrays import Array, Bools, Dice, Floats, Ints, in_order, summed
from gridmap._checks import Progress, silent
from gridmap.contiguity import SHORTEST
from gridmap.partitioning.energy import Network, Rules, connected_parts


@dataclass(frozen=True)
class Community:
    """Units of one jurisdiction, or of a part of it, with the contacts between them.

    `place` is where each unit stands in the table it came from. Contacts `i`, `j` have a `length`,
    of which `road` lies on a barrier; `hard` ones cross a river, a railway or a motorway; those
    under `shortest` connect nothing, but those `linked` do. `block` and `path` are the place of a
    unit in the split trees of its blocks.
    """

    key: str
    place: Ints
    households: Ints
    load: Floats
    area: Floats
    perimeter: Floats
    x: Floats
    y: Floats
    block: Ints
    path: Array
    i: Ints
    j: Ints
    length: Floats
    road: Floats
    hard: Bools
    shortest: float = SHORTEST
    linked: Bools | None = None

    def __len__(self) -> int:
        """Return the number of units."""
        return len(self.households)

    @property
    def total(self) -> int:
        """Households of all units."""
        return int(self.households.sum())

    def bonds(self, *, hard: bool = False) -> Bools:
        """Tell which contacts connect; with `hard` also those across hard barriers."""
        long = self.length >= self.shortest
        if self.linked is not None:
            long |= self.linked
        return long if hard else long & ~self.hard

    def parts(self, bonds: Bools) -> Ints:
        """Return for each unit the number of its connected part, in the order of first units."""
        return connected_parts(len(self), self.i[bonds], self.j[bonds])

    def subset(self, members: Ints) -> Community:
        """Return the community of some units only, in the given order."""
        at = np.full(len(self), -1, np.int64)
        at[members] = np.arange(len(members))
        inner = (at[self.i] >= 0) & (at[self.j] >= 0)
        columns = ("place", "households", "load", "area", "perimeter", "x", "y", "block", "path")
        return Community(
            self.key,
            **{name: getattr(self, name)[members] for name in columns},
            i=at[self.i[inner]],
            j=at[self.j[inner]],
            length=self.length[inner],
            road=self.road[inner],
            hard=self.hard[inner],
            shortest=self.shortest,
            linked=None if self.linked is None else self.linked[inner],
        )

    def contract(self, group: Ints) -> Community:
        """Merge the units of each group (numbered in order) into one."""
        n = int(group.max()) + 1
        first = np.full(n, len(self), np.int64)
        np.minimum.at(first, group, np.arange(len(self)))
        area = summed(group, self.area, n)
        a, b = group[self.i], group[self.j]
        across = a != b
        inner = summed(a[~across], self.length[~across], n)
        low, high = np.minimum(a, b)[across], np.maximum(a, b)[across]
        pair, back = np.unique(
            (low * n + high) * 2 + self.hard[across].astype(np.int64), return_inverse=True
        )
        return Community(
            self.key,
            place=self.place[first],
            households=summed(group, self.households, n).astype(np.int64),
            load=summed(group, self.load, n),
            area=area,
            perimeter=summed(group, self.perimeter, n) - 2.0 * inner,
            x=summed(group, self.x * self.area, n) / area,
            y=summed(group, self.y * self.area, n) / area,
            block=self.block[first],
            path=self.path[first],
            i=pair // 2 // n,
            j=pair // 2 % n,
            length=summed(back, self.length[across], len(pair)),
            road=summed(back, self.road[across], len(pair)),
            hard=(pair % 2).astype(bool),
            shortest=self.shortest,
            linked=None
            if self.linked is None
            else summed(back, self.linked[across], len(pair)) > 0,
        )

    def network(self, bonds: Bools, scale: float, discount: float) -> Network:
        """Return the arrays of the kernels: border costs in units of `scale`, less on roads."""
        n = len(self)
        cost = (self.length - discount * self.road) / scale
        owner = np.concatenate([self.i, self.j])
        other = np.concatenate([self.j, self.i])
        loose = np.concatenate([~bonds, ~bonds])
        order = np.lexsort((other, loose, owner))
        start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))])
        tied = np.bincount(owner[~loose], minlength=n)
        return Network(
            start=start.astype(np.int64),
            bond=(start[:-1] + tied).astype(np.int64),
            neighbour=other[order].astype(np.int64),
            length=np.concatenate([self.length] * 2)[order],
            cost=np.concatenate([cost] * 2)[order],
            households=self.households.astype(np.int64),
            load=self.load.astype(np.float64),
            area=self.area.astype(np.float64),
            perimeter=self.perimeter.astype(np.float64),
            x=self.x.astype(np.float64),
            y=self.y.astype(np.float64),
        )


def dice_of(seed: int, *names: object) -> Dice:
    """Return the dice of one piece of work: they depend on its name, not on its neighbours."""
    text = "\x1f".join(map(str, (seed, *names)))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def whole_below(community: Community, cap: int) -> Ints:
    """Group the units whose piece of a block, whole, holds at most `cap` households.

    A piece is the part of a block under one node of its split tree; the largest pieces within the
    cap are taken. Groups are connected: a piece that is not falls apart.
    """
    depth = np.array([len(path) for path in community.path], np.int64)
    owner = community.block.copy()
    piece = np.arange(len(community)) + int(owner.max(initial=0)) + 1
    done = np.zeros(len(community), bool)
    for level in range(int(depth.max(initial=0)) + 1):
        names = [f"{b}/{p[:level]}" for b, p in zip(owner, community.path, strict=True)]
        _, group = np.unique(names, return_inverse=True)
        fits = np.bincount(group, community.households)[group] <= cap
        now = fits & ~done
        first = np.full(int(group.max()) + 1, len(community), np.int64)
        np.minimum.at(first, group, np.arange(len(community)))
        piece[now] = first[group[now]]
        done |= now
    together = piece[community.i] == piece[community.j]
    return community.parts(community.bonds() & together)


def bad_cells(label: Ints, households: Ints, low: int, high: int) -> Ints:
    """Return the cells outside the band."""
    total = np.bincount(label, households)
    return np.flatnonzero(((total < low) | (total > high)) & (np.bincount(label) > 0))


def neighbouring_cells(community: Community, bonds: Bools, label: Ints) -> Ints:
    """Return the pairs of cells that touch, both ways round."""
    a, b = label[community.i[bonds]], label[community.j[bonds]]
    n = int(label.max(initial=0)) + 1
    pair = np.unique((a * n + b)[a != b])
    pairs = np.column_stack([pair // n, pair % n])
    return np.concatenate([pairs, pairs[:, ::-1]])


def rings(pairs: Ints, cell: int, count: int) -> Ints:
    """Return a cell with all cells at most so many steps away.

    Examples
    --------
    >>> rings(np.array([[0, 1], [1, 0], [1, 2], [2, 1]]), 0, 1).tolist()
    [0, 1]
    """
    region = np.array([cell])
    for _ in range(count):
        region = np.union1d(region, pairs[np.isin(pairs[:, 0], region), 1])
    return region


def replace(label: Ints, members: Ints, part: Ints) -> Ints:
    """Return labels with those of some units given anew; cells elsewhere keep their order.

    Examples
    --------
    >>> replace(np.array([0, 0, 1, 1, 2]), np.array([2, 3]), np.array([0, 1])).tolist()
    [0, 0, 1, 2, 3]
    """
    fresh = label.copy()
    fresh[members] = int(label.max()) + 1 + part
    return in_order(fresh)


def set_in(label: Ints, members: Ints, part: Ints) -> Ints:
    """Return labels with those of a region given anew; its cells keep the names they had."""
    start = in_order(label[members])
    names = label[members][np.unique(start, return_index=True)[1]]
    spare = int(label.max()) + 1 + np.arange(int(part.max()) + 1)
    fresh = label.copy()
    fresh[members] = np.concatenate([names, spare])[part]
    return fresh


Quality = Literal["fast", "default", "best"]
SHAPE, BORDER, EXCESS = 1.0, 0.1, 20.0
FULL = 4.05  # the weight of balance when nothing is wished more
BALANCE = 0.5  # the knee of the front between balance and compactness
ROADS = 0.9  # the preference for borders on barriers when nothing is wished
SOUGHT = 2.4  # of its cost, what a border on a barrier saves at full preference: it is sought then


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
    "default": Effort(sweeps=2000, starts=1, trees=6, tries=1200, shares=4),
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
        return replace_in(self, low=low, high=high, target=target)

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
        return replace_in(
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
        net = piece.network(bonds, scale_of(piece, count), SOUGHT * wishes.discount)
        return cls(piece, net, rules, wishes, cells, dice_of(wishes.seed, piece.key, *names))


def rules_for(piece: Community, wishes: Wishes, cells: int, price: float = 0.0) -> Rules:
    """Return the rules of the kernels for a part that is cut into so many cells."""
    return Rules(
        low=wishes.low,
        high=wishes.high,
        target=max(piece.total, 1) / cells,
        load_target=max(float(piece.load.sum()), 1e-9) * wishes.target / max(piece.total, 1),
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
    return [replace_in(piece, members=whole.members[piece.members]) for piece in found]


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
