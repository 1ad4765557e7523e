"""What a community falls into: parts that hard barriers leave, giants, and the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.community import Community, Flags, in_order
from gridmap.partitioning.problem import Wishes


@dataclass(frozen=True)
class Piece:
    """A connected piece that becomes one cell or more, alone.

    `members` are the positions of its units in the community. `giant` is the position, in the
    piece, of a unit over the band that makes the piece a cell of its own; -1 when there is none.
    """

    name: str
    members: Ints
    community: Community
    bonds: Flags
    giant: int = -1


def pieces_of(community: Community, bonds: Flags, wishes: Wishes) -> list[Piece]:
    """Take a community apart along the contacts that connect, and around its giants."""
    part = community.parts(bonds)
    found: list[Piece] = []
    for number in range(int(part.max(initial=-1)) + 1):
        whole = _piece(community, bonds, np.flatnonzero(part == number), str(number))
        found += _around_giants(whole, wishes)
    return found


def _piece(community: Community, bonds: Flags, members: Ints, name: str, giant: int = -1) -> Piece:
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


def _hosts(whole: Piece, giant: Flags, wishes: Wishes) -> Ints:
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


def bonds_of(community: Community, wishes: Wishes) -> Flags:
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
