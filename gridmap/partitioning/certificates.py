"""Why a connected part cannot be cut into cells within the band: the ladder of certificates.

Each certificate is sound: it is given only when no partition exists. The rungs are tried from the
plainest to the dearest; where none speaks, nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.community import Flags
from gridmap.partitioning.exhaust import (
    IMPOSSIBLE,
    POSSIBLE,
    Fuel,
    Masks,
    bits,
    cells_with,
    exhaust,
    masks_of,
)

TOO_FEW = "too-few"
ARITHMETIC = "arithmetic"
UNIT_OVER_MAX = "unit-over-max"
CUT_UNIT = "cut-unit"
NO_CELL = "no-cell-contains"
EXHAUSTED = "exhausted"
UNKNOWN = "unknown"
HELD = "held"

SETS_PER_UNIT = 4_000
LARGEST = 1_500
USUAL = 400  # units up to which every one is looked at
SEARCH = 40_000


@dataclass(frozen=True)
class Finding:
    """A reason, and the facts that its sentence needs. Units are positions."""

    kind: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def certified(self) -> bool:
        """Whether it proves that there is no partition."""
        return self.kind not in (UNKNOWN, HELD)

    def moved(self, members: Ints) -> Finding:
        """Return a finding about units of a part as one about the whole that holds them."""
        if "unit" not in self.facts:
            return self
        return Finding(self.kind, self.facts | {"unit": int(members[self.facts["unit"]])})


def by_households(total: int, low: int, high: int) -> Finding | None:
    """Return why so many households can never be cut, whatever the map looks like.

    Examples
    --------
    >>> by_households(550, 300, 500).kind
    'arithmetic'
    """
    if total < low:
        return Finding(TOO_FEW, {"households": total, "min": low})
    if -(-total // high) > total // low:
        return Finding(ARITHMETIC, {"households": total, "min": low, "max": high})
    return None


def certify(
    households: Ints, i: Ints, j: Ints, low: int, high: int, suspects: Flags | None = None
) -> Finding | None:
    """Return the plainest certificate that a connected graph has no partition, if any speaks.

    `suspects` are looked at first, and alone in a large graph: units where a search failed.
    """
    total = int(households.sum())
    found = by_households(total, low, high)
    if found is not None:
        return found
    if int(households.max()) > high:
        unit = int(households.argmax())
        return Finding(UNIT_OVER_MAX, {"unit": unit, "households": int(households[unit])})
    if len(households) > LARGEST:
        return None
    masks = masks_of(households, i, j, low, high)
    first = np.ones(len(households), bool) if suspects is None else suspects
    order = sorted(range(len(masks.unit)), key=lambda u: -masks.households[u])
    chosen = [u for u in order if first[masks.unit[u]]]
    if len(masks.unit) <= USUAL:
        chosen += [u for u in order if not first[masks.unit[u]]]
    elif suspects is None:
        chosen = []
    return cut_unit(masks) or no_cell(masks, chosen)


def cut_unit(masks: Masks) -> Finding | None:
    """Find a unit that must take along the pockets it cuts off, and is over the band with them."""
    for unit in range(len(masks.unit)):
        others = masks.all & ~(1 << unit)
        if masks.near[unit].bit_count() < 2:
            continue
        pockets = [w for w in map(masks.weigh, masks.parts(others)) if w < masks.low]
        total = masks.households[unit] + sum(pockets)
        if pockets and total > masks.high:
            return Finding(
                CUT_UNIT,
                {
                    "unit": masks.unit[unit],
                    "households": masks.households[unit],
                    "pockets": pockets,
                    "total": total,
                },
            )
    return None


def no_cell(masks: Masks, units: list[int], budget: int = SETS_PER_UNIT) -> Finding | None:
    """Find a unit that no valid cell can contain."""
    for unit in units:
        if next(cells_with(masks, masks.all, unit, Fuel(budget)), None) is None:
            return Finding(
                NO_CELL,
                {
                    "unit": masks.unit[unit],
                    "households": masks.households[unit],
                    "neighbours": sorted(masks.households[v] for v in bits(masks.near[unit])),
                },
            )
    return None


def settle(
    households: Ints, i: Ints, j: Ints, low: int, high: int, budget: int = SEARCH
) -> tuple[Finding | None, Ints | None]:
    """Search every partition of a small part: a certificate, or labels, or neither."""
    if np.count_nonzero(households) > LARGEST:
        return None, None
    verdict, label = exhaust(households, i, j, low, high, budget)
    if verdict == IMPOSSIBLE:
        return Finding(EXHAUSTED, {"households": int(households.sum())}), None
    return None, label if verdict == POSSIBLE else None
