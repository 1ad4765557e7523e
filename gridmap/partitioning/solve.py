"""Solve one community: take it apart, search each piece, and say what is left over."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.certificates import (
    TOO_FEW,
    UNIT_OVER_MAX,
    UNKNOWN,
    Finding,
    by_households,
)
from gridmap.partitioning.community import Community, Flags
from gridmap.partitioning.pieces import Piece, bonds_of, pieces_of, share
from gridmap.partitioning.problem import Wishes
from gridmap.partitioning.search import search, search_into

STEPS = 4  # numbers of cells that are tried before the usual one


@dataclass
class Outcome:
    """The cell of each unit, and for each cell outside the band why it is.

    Units in findings are positions in the community. `crossed` tells whether a cell reaches
    across a hard barrier because the community could not be cut otherwise.
    """

    label: Ints
    reasons: dict[int, Finding] = field(default_factory=dict)
    crossed: bool = False

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return int(self.label.max(initial=-1)) + 1

    def append(self, members: Ints, part: Outcome) -> None:
        """Add the cells of a part, whose units stand at `members`."""
        shift = self.cells
        self.label[members] = part.label + shift
        for cell, finding in part.reasons.items():
            self.reasons[cell + shift] = finding.moved(members)


def solve(community: Community, wishes: Wishes, cells: int = 0) -> Outcome:
    """Cut a community into cells within the band, as far as that is possible.

    Hard barriers are held where that leaves every part possible; a community that cannot be solved
    so is tried again across them.
    """
    outcome = _solve(community, bonds_of(community, wishes), wishes, cells)
    every = community.bonds(hard=True)
    if _failures(outcome) == 0 or not (community.hard & every).any():
        return outcome
    across = _solve(community, every, wishes, cells)
    return across if _failures(across) < _failures(outcome) else outcome


def _failures(outcome: Outcome) -> int:
    """Count the cells outside the band that a wider choice of contacts might mend."""
    return sum(finding.kind != UNIT_OVER_MAX for finding in outcome.reasons.values())


def _solve(community: Community, bonds: Flags, wishes: Wishes, cells: int) -> Outcome:
    """Solve each piece alone."""
    outcome = Outcome(np.full(len(community), -1, np.int64))
    pieces = pieces_of(community, bonds, wishes)
    if cells:  # the largest come last: they can best make up for the others
        pieces.sort(key=lambda piece: piece.community.total)
    for at, piece in enumerate(pieces):
        count = share(pieces[at:], wishes, cells - outcome.cells)[0] if cells else 0
        outcome.append(piece.members, solve_piece(piece, wishes, count))
    outcome.crossed = crosses(community, bonds, outcome.label)
    return outcome


def crosses(community: Community, bonds: Flags, label: Ints) -> bool:
    """Tell whether some cell is connected across a hard barrier."""
    same = label[community.i] == label[community.j]
    return bool((bonds & community.hard & same).any())


def solve_piece(piece: Piece, wishes: Wishes, cells: int = 0) -> Outcome:
    """Keep a piece that is one cell at most, search the others, and give the reasons."""
    total = piece.community.total
    whole = np.zeros(len(piece.members), np.int64)
    if piece.giant >= 0:
        size = int(piece.community.households[piece.giant])
        over = Finding(UNIT_OVER_MAX, {"unit": piece.giant, "households": size})
        return Outcome(whole, {0: over})
    known = by_households(total, wishes.low, wishes.high)
    if known is not None and (known.kind == TOO_FEW or wishes.cells(total) == 1):
        return Outcome(whole, {0: known})
    usual = wishes.cells(total)
    if known is None:
        for count in _counts(cells, usual):
            found = search_into(count, piece.community, piece.bonds, wishes, piece.name)
            if found is not None:
                return Outcome(found)
    if usual == 1:
        return Outcome(whole)
    label, finding = search(piece.community, piece.bonds, wishes, piece.name, known)
    households = np.bincount(label, piece.community.households)
    bad = np.flatnonzero((households < wishes.low) | (households > wishes.high))
    finding = finding or Finding(UNKNOWN, {"households": total})
    return Outcome(label, {int(cell): finding for cell in bad})


def _counts(cells: int, usual: int) -> list[int]:
    """Return the numbers of cells to try: the one wanted, and some on the way to the usual one.

    Examples
    --------
    >>> _counts(5, 3), _counts(2, 3), _counts(3, 3), _counts(0, 3), _counts(90, 10)
    ([5, 4], [2], [3], [], [90, 70, 50, 30])
    """
    if not cells or cells == usual:
        return [cells] if cells else []
    steps = min(abs(cells - usual), STEPS)
    return [usual + (cells - usual) * (steps - step) // steps for step in range(steps)]
