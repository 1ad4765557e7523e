"""Solve one community: take it apart, split late, search each part, and say what is left over."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gridmap.partition.certificates import TOO_FEW, UNIT_OVER_MAX, UNKNOWN, Finding, by_households
from gridmap.partition.community import Community, Flags, in_order
from gridmap.partition.kernels import Ints
from gridmap.partition.search import Wishes, search


@dataclass
class Outcome:
    """The cell of each unit, and for each cell outside the band why it is.

    Units in findings are positions in the community. `crossed` tells whether cells reach across a
    hard barrier because the community could not be cut otherwise.
    """

    label: Ints
    reasons: dict[int, Finding] = field(default_factory=dict)
    crossed: bool = False

    def append(self, members: Ints, part: Outcome) -> None:
        """Add the cells of a part, whose units stand at `members`."""
        shift = int(self.label.max(initial=-1)) + 1
        self.label[members] = part.label + shift
        for cell, finding in part.reasons.items():
            self.reasons[cell + shift] = moved(finding, members)


def moved(finding: Finding, members: Ints) -> Finding:
    """Return a finding about units of a part as one about the whole."""
    if "unit" not in finding.facts:
        return finding
    return Finding(finding.kind, finding.facts | {"unit": int(members[finding.facts["unit"]])})


def solve(community: Community, wishes: Wishes, cells: int = 0) -> Outcome:
    """Cut a community into cells within the band, as far as that is possible.

    Hard barriers are held where that leaves every part possible; a community that cannot be solved
    so is tried again across them.
    """
    outcome = _solve(community, *_parts(community, wishes), wishes, cells)
    if _failures(outcome) == 0 or not (community.hard & community.bonds(hard=True)).any():
        return outcome
    every = community.bonds(hard=True)
    across = _solve(community, community.parts(every), every, wishes, cells)
    return across if _failures(across) < _failures(outcome) else outcome


def _failures(outcome: Outcome) -> int:
    """Count the cells outside the band that a wider choice of contacts might mend."""
    return sum(finding.kind != UNIT_OVER_MAX for finding in outcome.reasons.values())


def _solve(community: Community, part: Ints, bonds: Flags, wishes: Wishes, cells: int) -> Outcome:
    """Solve each connected part alone."""
    outcome = Outcome(np.full(len(community), -1, np.int64))
    share = _share(community, part, wishes, cells)
    for number in range(int(part.max(initial=-1)) + 1):
        members = np.flatnonzero(part == number)
        inner = bonds[(part[community.i] == number) & (part[community.j] == number)]
        piece = community.subset(members)
        outcome.append(members, _solve_part(piece, inner, wishes, f"{number}", share[number]))
    outcome.crossed = bool((bonds & community.hard).any())
    return outcome


def _share(community: Community, part: Ints, wishes: Wishes, cells: int) -> list[int]:
    """Share a wanted number of cells among the parts, by their households; 0 where none is."""
    total = np.bincount(part, community.households)
    if not cells:
        return [0] * len(total)
    share = np.array([wishes.cells(int(h)) for h in total])
    while share.sum() != cells:
        up = share.sum() < cells
        room = total / np.maximum(share + (1 if up else 0), 1)
        open_ = share > (0 if up else 1)
        if not open_.any():
            break
        room = np.where(open_, room, -np.inf if up else np.inf)
        share[int(room.argmax() if up else room.argmin())] += 1 if up else -1
    return [int(k) for k in share]


def _parts(community: Community, wishes: Wishes) -> tuple[Ints, Flags]:
    """Return connected parts that can be solved alone, and the contacts that connect.

    Hard barriers part the community. A part that cannot be cut into cells is joined across the
    barrier to the part with which it shares the longest contact.
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
            return part, bonds


def _solve_part(piece: Community, bonds: Flags, wishes: Wishes, name: str, cells: int) -> Outcome:
    """Solve a connected part: giants become cells of their own, the rest is searched."""
    giant = piece.households > wishes.high
    if not giant.any():
        return _one_or_many(piece, bonds, wishes, name, cells)
    host, rest = _around_giants(piece, bonds, wishes, giant)
    outcome = Outcome(np.full(len(piece), -1, np.int64))
    for unit in np.flatnonzero(giant):
        members = np.flatnonzero(host == unit)
        at = int(np.searchsorted(members, unit))
        finding = Finding(UNIT_OVER_MAX, {"unit": at, "households": int(piece.households[unit])})
        outcome.append(members, Outcome(np.zeros(len(members), np.int64), {0: finding}))
    for number in range(int(rest.max(initial=-1)) + 1):
        members = np.flatnonzero(rest == number)
        inner = bonds[(rest[piece.i] == number) & (rest[piece.j] == number)]
        part = piece.subset(members)
        outcome.append(members, _one_or_many(part, inner, wishes, f"{name}.{number}", 0))
    return outcome


def _around_giants(
    piece: Community, bonds: Flags, wishes: Wishes, giant: Flags
) -> tuple[Ints, Ints]:
    """Return the giant that each unit is joined to, and the parts of the others (-1: none).

    A pocket that only giants connect to the rest joins the one with the longest contact when it
    is under the band.
    """
    host = np.where(giant, np.arange(len(piece)), -1)
    free = bonds & ~giant[piece.i] & ~giant[piece.j]
    part = np.where(giant, -1, piece.parts(free))
    for number in np.unique(part[part >= 0]):
        members = part == number
        if piece.households[members].sum() >= wishes.low:
            continue
        out = bonds & (members[piece.i] ^ members[piece.j])
        other = np.where(members[piece.i], piece.j, piece.i)[out]
        host[members] = int(np.argmax(np.bincount(other, piece.length[out])))
    rest = np.full(len(piece), -1, np.int64)
    rest[host < 0] = in_order(part[host < 0])
    return host, rest


def _one_or_many(piece: Community, bonds: Flags, wishes: Wishes, name: str, cells: int) -> Outcome:
    """Keep a part that is one cell at most, search the others, and give the reasons."""
    finding = by_households(piece.total, wishes.low, wishes.high, cells)
    one = wishes.cells(piece.total) if cells == 0 else cells
    if one <= 1:
        reasons = {0: finding} if finding and finding.kind == TOO_FEW else {}
        if not wishes.low <= piece.total <= wishes.high and not reasons:
            reasons = {0: finding or Finding(UNKNOWN, {"households": piece.total})}
        return Outcome(np.zeros(len(piece), np.int64), reasons)
    label, finding = search(piece, bonds, wishes, name, cells, finding)
    households = np.bincount(label, piece.households)
    bad = np.flatnonzero((households < wishes.low) | (households > wishes.high))
    finding = finding or Finding(UNKNOWN, {"households": piece.total})
    return Outcome(label, {int(cell): finding for cell in bad})
