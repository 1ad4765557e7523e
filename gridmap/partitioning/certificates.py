"""Why a connected part cannot be cut into cells within the band: the ladder of certificates.

Each certificate is sound: it is given only when no partition exists. The rungs are tried from the
plainest to the dearest; where none speaks, nothing is claimed.

Exhaustive search on small graphs: is there any partition within the band at all?

Sets of units are bit masks. Units without households only carry connection, so they are taken out
and what they joined is made adjacent: whatever is impossible then is impossible before, as sums of
possible household counts are possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridmap._arrays import Bools, Ints, components

POSSIBLE = "possible"
IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class Masks:
    """Units as bits: their position in the table, households and neighbours.

    With `crumbs` a set without households may be left over: its units were taken out.
    """

    unit: list[int]
    households: list[int]
    near: list[int]
    low: int
    high: int
    crumbs: bool = True

    @property
    def all(self) -> int:
        """Every unit."""
        return (1 << len(self.unit)) - 1

    def weigh(self, units: int) -> int:
        """Return the households of a set."""
        return sum(self.households[u] for u in bits(units))

    def reach(self, units: int) -> int:
        """Return the neighbours of a set, without the set."""
        found = 0
        for u in bits(units):
            found |= self.near[u]
        return found & ~units

    def parts(self, units: int) -> Iterator[int]:
        """Yield the connected parts of a set."""
        while units:
            part = wave = units & -units
            while wave:
                found = 0
                for u in bits(wave):
                    found |= self.near[u]
                wave = found & units & ~part
                part |= wave
            yield part
            units &= ~part

    def sound(self, households: int) -> bool:
        """Tell whether cells within the band can hold so many households, or there are none."""
        if households < self.low:
            return self.crumbs and households == 0
        return -(-households // self.high) <= households // self.low

    def rest_is_sound(self, units: int) -> bool:
        """Tell whether each connected part of a set could be cut by its households alone."""
        return all(self.sound(self.weigh(part)) for part in self.parts(units))


def bits(units: int) -> Iterator[int]:
    """Yield the positions in a mask."""
    while units:
        bit = units & -units
        yield bit.bit_length() - 1
        units ^= bit


def whole_masks(households: Ints, i: Ints, j: Ints, low: int, high: int) -> Masks:
    """Return all units as masks, those without households too."""
    near = [0] * len(households)
    for a, b in zip(i.tolist(), j.tolist(), strict=True):
        near[a] |= 1 << b
        near[b] |= 1 << a
    return Masks(list(range(len(near))), households.tolist(), near, low, high, crumbs=False)


def masks_of(households: Ints, i: Ints, j: Ints, low: int, high: int) -> Masks:
    """Return the units with households as masks, adjacent across those without."""
    whole = whole_masks(households, i, j, low, high)
    near = whole.near
    empty = sum(1 << u for u in np.flatnonzero(households == 0).tolist())
    for cluster in list(whole.parts(empty)):
        rim = whole.reach(cluster)
        for u in bits(rim):
            near[u] |= rim & ~(1 << u)
    unit = np.flatnonzero(households > 0).tolist()
    place = {u: p for p, u in enumerate(unit)}
    kept = [sum(1 << place[v] for v in bits(near[u]) if v in place) for u in unit]
    return Masks(unit, [int(households[u]) for u in unit], kept, low, high)


class Fuel:
    """Steps that a search may still take."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def burn(self) -> bool:
        """Take a step; tell whether there was one left."""
        self.steps -= 1
        return self.steps >= 0


def cells_with(
    masks: Masks, inside: int, unit: int, fuel: Fuel, *, any_rest: bool = False
) -> Iterator[int]:
    """Yield every valid cell within a set that contains a unit.

    A cell is valid when it is connected and within the band, and what it leaves could still be cut
    by its households alone. Yields 0 and stops when the fuel is spent before all were seen.
    """
    start = 1 << unit
    seen = {start}
    stack = [start]
    while stack:
        if not fuel.burn():
            yield 0
            return
        cell = stack.pop()
        weight = masks.weigh(cell)
        if weight >= masks.low and (any_rest or masks.rest_is_sound(inside & ~cell)):
            yield cell
        near = sorted(
            (masks.households[u], 1 << u)
            for u in bits(masks.reach(cell) & inside)
            if weight + masks.households[u] <= masks.high
        )
        for _, bit in near:
            if cell | bit not in seen:
                seen.add(cell | bit)
                stack.append(cell | bit)


@dataclass
class Search:
    """A search for a partition, with what it has learnt and the steps it may still take."""

    masks: Masks
    fuel: Fuel
    dead: set[int] = field(default_factory=set)

    @property
    def spent(self) -> bool:
        """Whether the search gave up before it saw everything."""
        return self.fuel.steps < 0

    def cut(self, inside: int) -> list[int] | None:
        """Return cells that fill a connected set, or None when there are none (or it is spent)."""
        if inside in self.dead:
            return None
        if self.masks.low <= self.masks.weigh(inside) <= self.masks.high:
            return [inside]
        pivot = min(bits(inside), key=lambda u: (self.masks.near[u] & inside).bit_count())
        for cell in cells_with(self.masks, inside, pivot, self.fuel):
            if cell == 0:
                return None
            found = [cell]
            for part in self.masks.parts(inside & ~cell):
                more = self.cut(part)
                if more is None:
                    break
                found += more
            else:
                return found
            if self.spent:
                return None
        self.dead.add(inside)
        return None


def exhaust(
    households: Ints, i: Ints, j: Ints, low: int, high: int, budget: int = 20_000
) -> tuple[str, Ints | None]:
    """Try every partition; return "possible" with labels, "impossible", or "unknown".

    Examples
    --------
    >>> line = np.array([0, 1]), np.array([1, 2])
    >>> exhaust(np.array([200, 450, 150]), *line, 300, 600)[0]
    'impossible'
    >>> exhaust(np.array([150, 450, 450]), *line, 300, 600)
    ('possible', array([0, 0, 1]))
    """
    masks = masks_of(households, i, j, low, high)
    verdict, cells = _cut_all(masks, budget)
    if verdict != POSSIBLE:
        return verdict, None
    label = _place_empty(households, masks, cells, i, j)
    if label is None:
        whole = whole_masks(households, i, j, low, high)
        verdict, cells = _cut_all(whole, budget)
        label = _place_empty(households, whole, cells, i, j) if verdict == POSSIBLE else None
    return verdict, label


def _cut_all(masks: Masks, budget: int) -> tuple[str, list[int]]:
    """Cut every connected part; return the verdict and the cells."""
    search = Search(masks, Fuel(budget))
    cells: list[int] = []
    for part in masks.parts(masks.all):
        found = search.cut(part) if masks.sound(masks.weigh(part)) else None
        if found is None:
            return (UNKNOWN if search.spent else IMPOSSIBLE), []
        cells += found
    return POSSIBLE, cells


def _place_empty(households: Ints, masks: Masks, cells: list[int], i: Ints, j: Ints) -> Ints | None:
    """Give units without households to cells; None unless every cell comes out connected."""
    label = np.full(len(households), -1, np.int64)
    for number, cell in enumerate(cells):
        label[[masks.unit[p] for p in bits(cell)]] = number
    while (label < 0).any():
        a, b = label[i], label[j]
        grown = (a >= 0) != (b >= 0)
        if not grown.any():
            return None
        first = int(np.argmax(grown))
        label[i[first]] = label[j[first]] = max(a[first], b[first])
    return label if connected(label, i, j) else None


def connected(label: Ints, i: Ints, j: Ints) -> bool:
    """Tell whether the units of each label hang together."""
    same: Bools = label[i] == label[j]
    parts = components(len(label), i[same], j[same])
    return bool(parts.max(initial=-1) + 1 == len(np.unique(label)))


TOO_FEW = "too-few"
ARITHMETIC = "arithmetic"
UNIT_OVER_MAX = "unit-over-max"
CUT_UNIT = "cut-unit"
NO_CELL = "no-cell-contains"
AT = ("unit", "at")  # facts that are the position of a unit
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
        moved: dict[str, Any] = {
            key: int(members[self.facts[key]]) for key in AT if key in self.facts
        }
        if "near" in self.facts:
            moved["near"] = [int(members[unit]) for unit in self.facts["near"]]
        return Finding(self.kind, self.facts | moved)


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
    households: Ints, i: Ints, j: Ints, low: int, high: int, suspects: Bools | None = None
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
    found = cut_unit(masks) or no_cell(masks, chosen)
    if found is not None and found.kind == NO_CELL:
        unit = found.facts["unit"]
        found.facts.update(_left_over(masks, whole_masks(households, i, j, low, high), unit))
        near = np.unique(np.concatenate([j[i == unit], i[j == unit]]))
        near = near[households[near] > 0]
        found.facts["near"] = near.tolist()
        found.facts["neighbours"] = sorted(households[near].tolist())
    return found


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
    """Find a unit that no valid cell can contain.

    Either no connected units in the band contain it, or all that do leave a part over that cannot
    be cut.
    """
    for unit in units:
        if next(cells_with(masks, masks.all, unit, Fuel(budget)), None) is None:
            facts = {"unit": masks.unit[unit], "households": masks.households[unit]}
            return Finding(NO_CELL, facts)
    return None


def _left_over(masks: Masks, whole: Masks, unit: int) -> dict[str, int]:
    """Return a `cell` in the band with a unit, and the `rest` it leaves uncut; or nothing.

    What joins the cell goes with it: the units without households that it touches.
    """
    found = cells_with(masks, masks.all, masks.unit.index(unit), Fuel(SETS_PER_UNIT), any_rest=True)
    cell = next(found, None)
    if not cell:
        return {}
    taken = sum(1 << masks.unit[u] for u in bits(cell))
    empty = whole.all & ~sum(1 << u for u in masks.unit)
    while more := whole.reach(taken) & empty:
        taken |= more
    rest = map(whole.weigh, whole.parts(whole.all & ~taken))
    return {"cell": masks.weigh(cell), "rest": next(w for w in rest if not masks.sound(w))}


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
