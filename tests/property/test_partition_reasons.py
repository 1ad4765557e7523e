"""Every verdict, number, name and option of a reason, against a search of every division.

The oracle knows squares on a lattice and sets of them, and shares no code with the package.
`GRIDMAP_INSTANCES=3000` runs the whole count.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import shapely

import gridmap as gm

INSTANCES = int(os.environ.get("GRIDMAP_INSTANCES", "300"))
FOUND = (348, 1760)  # a band over 1,000; a cell whose way leads over a unit without households
BANDS = ((300, 600), (300, 500), (291, 500), (200, 330))

Homes = dict[str, int]
Near = dict[str, set[str]]


class Oracle:
    """A community as names, households and neighbours."""

    def __init__(
        self, homes: Homes, near: Near, places: dict[str, tuple[int, int]] | None = None
    ) -> None:
        self.homes, self.near, self.places = homes, near, places

    def weigh(self, names: frozenset[str]) -> int:
        return sum(self.homes[name] for name in names)

    def parts(self, names: frozenset[str]) -> list[frozenset[str]]:
        left, found = set(names), []
        while left:
            part, wave = set(), {min(left)}
            while wave:
                part |= wave
                wave = {b for a in wave for b in self.near[a]} & left - part
            left -= part
            found.append(frozenset(part))
        return found

    def sets_with(self, name: str, inside: frozenset[str], most: int) -> Iterator[frozenset[str]]:
        """Yield the connected sets with a unit and at most so many households."""
        seen = {frozenset([name])}
        stack = [*seen]
        while stack:
            some = stack.pop()
            if self.weigh(some) > most:
                continue
            yield some
            for more in {b for a in some for b in self.near[a]} & inside - some:
                if (larger := some | {more}) not in seen:
                    seen.add(larger)
                    stack.append(larger)

    def possible(self, low: int, high: int, left: frozenset[str] | None = None) -> bool:
        left = frozenset(self.homes) if left is None else left
        if not left:
            return True
        first = min(left)
        return any(
            self.weigh(cell) >= low and self.possible(low, high, left - cell)
            for cell in self.sets_with(first, left, high)
        )

    def split(self, name: str, parts: int) -> Oracle:
        """Return the community with a unit in even parts that touch each other and what it did."""
        new = [f"{name}/{k}" for k in range(parts)]
        homes = {k: v for k, v in self.homes.items() if k != name}
        each, more = divmod(self.homes[name], parts)
        homes |= {one: each + (k < more) for k, one in enumerate(new)}
        near = {k: v - {name} for k, v in self.near.items() if k != name}
        for one in new:
            near[one] = self.near[name] | set(new) - {one}
            for other in self.near[name]:
                near[other] = near[other] | {one}
        return Oracle(homes, near)


def sound(total: int, low: int, high: int) -> bool:
    return any(low * k <= total <= high * k for k in range(1, total // max(low, 1) + 1))


def instance(seed: int) -> tuple[gpd.GeoDataFrame, dict[str, Oracle], tuple[int, int], Oracle]:
    """Return two connected communities side by side on a lattice, a band, and both as one."""
    rng = np.random.default_rng(seed)
    spots: dict[tuple[int, int], str] = {}
    for parent, x0 in (("A", 0), ("B", 3)):
        count, start = int(rng.integers(2, 8)), (x0 + (2 if parent == "A" else 0), 1)
        mine = {start}
        while len(mine) < count:
            x, y = sorted(mine)[rng.integers(len(mine))]
            dx, dy = [(1, 0), (-1, 0), (0, 1), (0, -1)][rng.integers(4)]
            if x0 <= x + dx < x0 + 3 and 0 <= y + dy < 4:
                mine.add((x + dx, y + dy))
        spots |= dict.fromkeys(sorted(mine), parent)
    kind = rng.random(len(spots))
    homes = np.where(kind < 0.15, 0, rng.integers(20, 330, len(spots)))
    homes = np.where(kind > 0.9, rng.integers(300, 720, len(spots)), homes)
    names = [f"u{k}" for k in range(len(spots))]
    x, y = 100.0 * np.array([*spots]).T
    units = gpd.GeoDataFrame(
        {"parent": [*spots.values()], "households": homes, "name": names},
        geometry=shapely.box(x, y, x + 100, y + 100),
        crs=4547,
    )
    name_at = dict(zip(spots, names, strict=True))
    near = {
        name: {
            name_at[spot]
            for spot in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1))
            if spot in name_at
        }
        for (x, y), name in name_at.items()
    }
    whole = Oracle(dict(zip(names, homes.tolist(), strict=True)), near)
    towns = {}
    for parent in "AB":
        mine = {n for n, p in zip(names, spots.values(), strict=True) if p == parent}
        towns[parent] = Oracle(
            {n: whole.homes[n] for n in mine},
            {n: near[n] & mine for n in mine},
            {n: (100 * x + 50, 100 * y + 50) for (x, y), n in name_at.items()},
        )
    return units, towns, BANDS[seed % len(BANDS)], whole


def number(text: str) -> int:
    return int(text.replace(",", ""))


def reason_holds(said: str, town: Oracle, low: int, high: int) -> bool:
    """Tell whether a sentence is literally true."""
    every, here = frozenset(town.homes), None
    if found := re.fullmatch(r"(.*) Place: x (\d+), y (\d+)\.", said):
        said, at = found[1], (int(found[2]), int(found[3]))
        here = next((n for n, spot in (town.places or {}).items() if spot == at), None)
        unit = re.search(r"[Uu]nit (u\d+)", said.split("set apart")[-1])
        if unit is not None and town.places:
            assert unit[1] == here, said
    if found := re.fullmatch(r"With (.*) set apart, which no cell can hold: (.*)", said):
        giants = {name for name, homes in town.homes.items() if homes > high}
        assert set(re.findall(r"u\d+", found[1])) == giants
        parts = town.parts(every - giants)
        (part,) = [p for p in parts if here in p or len(parts) == 1]
        rest = Oracle({n: town.homes[n] for n in part}, {n: town.near[n] & part for n in part})
        return _in_part(found[2], rest, town.weigh(every), low, high)
    if found := re.fullmatch(r"Only ([\d,]+) households?, fewer than (\d+).*", said):
        return number(found[1]) == town.weigh(every) < number(found[2]) == low
    if found := re.fullmatch(
        r"No number of cells of (\d+)-(\d+) households adds up to (.*)\.", said
    ):
        if "of a part" not in found[3]:
            return number(found[3]) == town.weigh(every) and not sound(number(found[3]), low, high)
        part = re.fullmatch(r"the ([\d,]+) of a part of it, ([\d,]+) in all", found[3])
        assert part is not None
        return not sound(number(part[1]), low, high) and number(part[2]) == town.weigh(every)
    if found := re.fullmatch(r"Unit (u\d+) alone has ([\d,]+) households?, over (\d+).*", said):
        return town.homes[found[1]] == number(found[2]) > number(found[3]) == high
    if found := re.fullmatch(
        r"Unit (u\d+) is a bottleneck: (\d+) \+ stranded ([\d +]+) = (\d+) .* over (\d+)\.",
        said,
    ):
        parts = [town.weigh(p) for p in town.parts(every - {found[1]})]
        pockets = sorted(map(int, found[3].split(" + ")))
        small = sorted(w for w in parts if 0 < w < low)
        total = int(found[2]) + sum(pockets)
        mine = [w for w in pockets if w > 0]
        return (
            town.homes[found[1]] == int(found[2])
            and mine == small
            and total == int(found[4]) > high
        )
    if found := re.fullmatch(
        r"No valid cell can contain unit (u\d+) \(([\d,]+) households?; its neighbours have (.*)\)"
        r": "
        r"no connected units with it hold \d+-\d+\. Next to it: (.*)\.",
        said,
    ):
        none = not any(town.weigh(s) >= low for s in town.sets_with(found[1], every, high))
        near = {name for name in town.near[found[1]] if town.homes[name] > 0}
        return (
            none
            and number(found[2]) == town.homes[found[1]]
            and sorted(map(int, found[3].split(", ")))
            == (sorted(town.homes[n] for n in near) or [0])
            and set(re.findall(r"u\d+", found[4])) == near
        )
    if found := re.fullmatch(
        r"Every cell of .* contains unit (u\d+) \(([\d,]+) households?\) leaves a part over "
        r"that cannot be cut: one of (\d+) leaves (\d+)\.",
        said,
    ):
        shown = False
        for cell in town.sets_with(found[1], every, high):
            if town.weigh(cell) < low:
                continue
            rest = [town.weigh(part) for part in town.parts(every - cell)]
            bad = [w for w in rest if not sound(w, low, high)]
            if not bad:
                return False
            shown |= town.weigh(cell) == int(found[3]) and int(found[4]) in bad
        return shown and number(found[2]) == town.homes[found[1]]
    if found := re.fullmatch(r"Every partition of its ([\d,]+) households? was tried.*", said):
        return number(found[1]) == town.weigh(every) and not town.possible(low, high)
    found = re.fullmatch(
        r"Every partition of the ([\d,]+) households? of a part of it, ([\d,]+) in all.*",
        said,
    )
    return found is not None and number(found[1]) < number(found[2]) == town.weigh(every)


def _in_part(said: str, rest: Oracle, total: int, low: int, high: int) -> bool:
    """Check a sentence about a part by itself; what it says of all is checked here."""
    said_of_all = re.search(r"of it, ([\d,]+) in all|of the ([\d,]+) households?, fewer", said)
    if said_of_all is None:
        return reason_holds(said, rest, low, high)
    assert number(said_of_all[1] or said_of_all[2]) == total
    mine = rest.weigh(frozenset(rest.homes))
    homes = re.search(r"the ([\d,]+)(?: households?)? of a part|has only ([\d,]+) of the", said)
    assert homes is not None and number(homes[1] or homes[2]) == mine
    if said.startswith("Every partition"):
        return not rest.possible(low, high)
    return mine < low if "fewer than" in said else not sound(mine, low, high)


def failing(town: Oracle, low: int, high: int) -> int:
    """Count the units over the band, each with the pockets at it, and other parts never cut."""
    giants = frozenset(name for name, homes in town.homes.items() if homes > high)
    parts = town.parts(frozenset(town.homes) - giants)
    return len(giants) + sum(
        (not giants or town.weigh(part) >= low) and not town.possible(low, high, part)
        for part in parts
    )


def option_holds(said: str, town: Oracle, both: Oracle, low: int, high: int) -> bool:
    """Tell whether an option does what it says: solves all, or leaves so many parts."""
    if said == "mark it as an approved exception":
        return True
    left = 0
    if helps := re.fullmatch(r"(.*) \(helps part: (\d+) parts? (?:is|are) left\)", said):
        said, left = helps[1], int(helps[2])
        assert 0 < left < failing(town, low, high)
    if found := re.fullmatch(r"widen the band to ([\d,]+)-([\d,]+)", said):
        wide = number(found[1]), number(found[2])
        return left == 0 and wide[0] <= low and wide[1] >= high and town.possible(*wide)
    if found := re.match(r"split unit (u\d+) into (\d+) parts of at most ([\d,]+)", said):
        cut = town.split(found[1], int(found[2]))
        most = -(-town.homes[found[1]] // int(found[2]))
        return most == number(found[3]) and failing(cut, low, high) == left
    if found := re.fullmatch(r"split all of these, .* touched: (.*)", said):
        for name, parts in re.findall(r"unit (u\d+) into (\d+) parts", found[1]):
            assert found[1].count(f"unit {name} ") == 1
            town = town.split(name, int(parts))
        return failing(town, low, high) == left
    found = re.fullmatch(r"join the community with [AB] \(([\d,]+) households? together\)", said)
    return (
        found is not None
        and left == 0
        and number(found[1]) == both.weigh(frozenset(both.homes))
        and both.possible(low, high)
    )


def test_every_verdict_and_word_is_true() -> None:
    counts: Counter[str] = Counter()
    for seed in sorted({*range(INSTANCES), *FOUND}):
        units, towns, (low, high), both = instance(seed)
        table = gm.feasibility(units, (low, high), lang="en")
        for parent, town in towns.items():
            row = table.loc[parent]
            truth = "yes" if town.possible(low, high) else "no"
            assert row["possible"] == truth, (seed, parent)
            counts[truth] += 1
            for said in filter(None, row["reason"].split("\n")):
                assert reason_holds(said, town, low, high), (seed, parent, said)
                counts["reasons"] += 1
            for said in filter(None, row["options"].split("\n")):
                counts[said.split()[0] + " " + said.split()[1]] += 1
                assert option_holds(said, town, both, low, high), (seed, parent, said)
                counts["options"] += 1
    print(dict(counts))
    assert min(counts[key] for key in ("yes", "no", "reasons", "options")) > INSTANCES / 4
