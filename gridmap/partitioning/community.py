"""One community as arrays: its units, their contacts, and how they are taken apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from gridmap._arrays import Array, Bools, Dice, Floats, Ints
from gridmap.contiguity import SHORTEST
from gridmap.partitioning.energy import Network, connected_parts


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


def summed(group: Ints, values: Array, n: int) -> Floats:
    """Return the sum of the values of each group 0 … n - 1."""
    return np.bincount(group, values, n).astype(np.float64)


def in_order(label: Array) -> Ints:
    """Number labels afresh in the order in which they first appear.

    Examples
    --------
    >>> in_order(np.array([7, 3, 7, 0]))
    array([0, 1, 0, 2])
    """
    _, first, back = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[back]


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
