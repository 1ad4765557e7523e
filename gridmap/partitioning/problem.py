"""What is asked of the search: the band, the effort, and one part made ready for the kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gridmap._checks import Progress, silent
from gridmap.partitioning.arrays import Dice, Ints, Network, Rules
from gridmap.partitioning.community import Community, Flags, dice_of

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
    def of(cls, piece: Community, bonds: Flags, wishes: Wishes, cells: int, *names: object) -> Task:
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
