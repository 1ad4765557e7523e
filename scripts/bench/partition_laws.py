"""Against exact solvers: certificates, the least cost of small parts, wanted numbers of cells."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from partition_cases import HIGH, LOW, WISHES, city, components, news, table, taipei
from partition_exact import NEVER, exact, least_costs

from gridmap.partitioning import energy, search
from gridmap.partitioning.certificates import certify, settle
from gridmap.partitioning.problem import Community, Task
from gridmap.partitioning.solve import solve


def random_town(rng: np.random.Generator, most: int = 13) -> Community:
    """Draw a small connected graph with households of all sizes."""
    n = int(rng.integers(3, most + 1))
    pairs = {(int(rng.integers(max(0, v - 4), v)), v) for v in range(1, n)}
    for _ in range(int(rng.integers(0, n))):
        a, b = sorted(rng.choice(n, 2, replace=False).tolist())
        if b - a < 6:
            pairs.add((a, b))
    kind = rng.random(n)
    households = np.where(
        kind < 0.15, 0, np.where(kind < 0.8, rng.integers(1, 300, n), rng.integers(300, 601, n))
    )
    i, j = (np.array(side, np.int64) for side in zip(*sorted(pairs), strict=True))
    ones = np.ones(n)
    return Community(
        "r", np.arange(n), households, households.astype(float), 100 * ones, 40 * ones,
        10.0 * np.arange(n), 0 * ones, np.arange(n), np.array([""] * n, object), i, j,
        np.full(len(i), 10.0), np.zeros(len(i)), np.zeros(len(i), bool),
    )  # fmt: skip


VERDICTS = (
    "instances",
    "possible",
    "solved",
    "impossible",
    "certified",
    "false certificates",
    "missed",
    "unknown",
)


def certificates(quick: bool) -> str:
    """Count false certificates and missed partitions against an exact solver."""
    rng = np.random.default_rng(0)
    counts = dict.fromkeys(VERDICTS, 0)
    clock = 0.0
    for _ in range(200 if quick else 3000):
        town = random_town(rng)
        verdict, _ = exact(town, LOW, HIGH)
        start = time.process_time()
        outcome = solve(town, WISHES)
        clock += time.process_time() - start
        unknown = any(not finding.certified for finding in outcome.reasons.values())
        counts["instances"] += 1
        counts["possible"] += verdict == "optimal"
        counts["solved"] += not outcome.reasons
        counts["impossible"] += verdict == "impossible"
        counts["certified"] += bool(outcome.reasons) and not unknown
        counts["false certificates"] += (
            bool(outcome.reasons) and not unknown and verdict == "optimal"
        )
        counts["missed"] += bool(outcome.reasons) and verdict == "optimal"
        counts["unknown"] += unknown
    return table([counts | {"CPU s": round(clock, 1)}])


def least(quick: bool) -> str:
    """Compare the search with the proven least cost on small parts of several cities."""
    rows = []
    for name, towns in _places(4 if quick else 60).items():
        for what in ("border", "own"):
            rows.append(_reached(name, towns, what))
            news(str(rows[-1]))
    return table(rows)


def _places(count: int) -> dict[str, list[Community]]:
    """Return small parts that can be cut: of the generated city, of Taipei, of random squares."""
    pools = {"generated city": [t for t in components(city(True)[0]) if len(t) >= 40]}
    villages = taipei("villages")
    if villages is not None:
        pools["Taipei"] = [t for t in components(villages) if len(t) >= 20]
    pools["random squares"] = [squares(seed) for seed in range(20)]
    places = {}
    for seed, (name, pool) in enumerate(pools.items()):
        rng = np.random.default_rng(seed)
        drawn: list[Community] = []
        while len(drawn) < count:
            town = _bit(pool[int(rng.integers(len(pool)))], rng)
            if town is not None and exact_costs(town)[WISHES.cells(town.total)] < NEVER:
                drawn.append(town)
        places[name] = drawn
    return places


def squares(seed: int, side: int = 8) -> Community:
    """Return a square of unequal squares with households of all sizes."""
    rng = np.random.default_rng(seed)
    number = np.arange(side * side).reshape(side, side)
    i = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    j = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    length = rng.uniform(20, 80, len(i))
    rim = np.bincount(np.concatenate([i, j]), np.tile(length, 2))
    households = rng.integers(0, 160, side * side)
    return Community(
        f"squares {seed}", number.ravel(), households, households.astype(float),
        rng.uniform(1500, 4000, side * side), rim + rng.uniform(0, 60, side * side),
        50.0 * (number.ravel() % side), 50.0 * (number.ravel() // side), number.ravel(),
        np.array([""] * side * side, object), i, j, length, 0 * length, np.zeros(len(i), bool),
    )  # fmt: skip


def _bit(town: Community, rng: np.random.Generator) -> Community | None:
    """Return the units nearest to one of a town that hold a few cells' worth of households."""
    middle = int(rng.integers(len(town)))
    far = np.hypot(town.x - town.x[middle], town.y - town.y[middle])
    near = town.subset(np.sort(np.argsort(far, kind="stable")[: int(rng.integers(12, 21))]))
    part = near.parts(near.bonds())
    bit = near.subset(np.flatnonzero(part == np.bincount(part).argmax()))
    big = 2 * LOW <= bit.total <= 4 * HIGH and WISHES.cells(bit.total) > 1
    return bit if big and len(bit) >= 12 and bit.households.max() <= HIGH else None


def exact_costs(town: Community, what: str = "own") -> np.ndarray:
    """Return the proven least cost of each number of cells."""
    return least_costs(town, task_of(town, what), town.total // LOW)


def task_of(town: Community, what: str) -> Task:
    """Return the task of a town: its own energy, or its border alone."""
    task = Task.of(town, town.bonds(), WISHES, WISHES.cells(town.total), what)
    alone = task.rules._replace(shape=0.0, balance=0.0)
    return dataclasses.replace(task, rules=alone) if what == "border" else task


def _reached(name: str, towns: list[Community], what: str) -> dict[str, object]:
    """Count how often the search, and annealing alone, reach the proven least cost."""
    clock = time.process_time()
    least = [exact_costs(town, what)[WISHES.cells(town.total)] for town in towns]
    spent = {"exact": time.process_time() - clock}
    hits = {}
    usual = energy.UNITS
    for how, units in (("search", usual), ("annealing", 0)):
        energy.UNITS = units
        clock = time.process_time()
        found = [search.cut_and_anneal(task_of(t, what), search.FIRST_TRIES) for t in towns]
        spent[how] = time.process_time() - clock
        hits[how] = sum(
            _cost(town, task_of(town, what), label) <= best + 1e-9
            for town, label, best in zip(towns, found, least, strict=True)
        )
    energy.UNITS = usual
    sizes = [len(town) for town in towns]
    return {
        "instances": name,
        "number": len(towns),
        "units": f"{min(sizes)}-{max(sizes)}",
        "cost": {"border": "border alone", "own": "compactness, border, balance"}[what],
        "search reaches": f"{hits['search'] / len(towns):.1%}",
        "annealing alone": f"{hits['annealing'] / len(towns):.1%}",
        "CPU ms: search": f"{1000 * spent['search'] / len(towns):.1f}",
        "annealing": f"{1000 * spent['annealing'] / len(towns):.1f}",
        "every subset": f"{1000 * spent['exact'] / len(towns):.0f}",
    }


def _cost(town: Community, task: Task, label: np.ndarray) -> float:
    """Return the cost of a division into the number of cells wanted, NEVER for any other."""
    cells = int(label.max()) + 1
    if cells != task.cells or not WISHES.fits(label, town.households):
        return NEVER
    total = energy.sums(task.net, label, cells)
    home = np.full(len(label), -1, np.int64)
    return energy.total_energy(task.net, label, total, task.rules, home, np.empty(cells))


def wanted(quick: bool) -> str:
    """Ask for every number of cells that arithmetic allows, and prove what is not made."""
    units = taipei("villages")
    towns = components(city(quick)[0] if units is None else units)[:: 30 if quick else 6]
    rows = {k: dict.fromkeys(WANTED, 0) for k in ("fewest", "between", "most")}
    clock = 0.0
    for town in towns:
        least, most = -(-town.total // HIGH), town.total // LOW
        for cells in range(least, most + 1):
            row = rows["most" if cells == most else "fewest" if cells == least else "between"]
            start = time.process_time()
            outcome = solve(town, WISHES, cells)
            clock += time.process_time() - start
            made = outcome.cells == cells and not outcome.reasons
            row["asked"] += 1
            row["made"] += made
            if not made:
                row[_why_not(town, cells)] += 1
    found = [{"cells": name} | row for name, row in rows.items()]
    asked = sum(row["asked"] for row in rows.values())
    return f"{table(found)}\n\n{len(towns)} parts, {1000 * clock / asked:.0f} ms a question."


WANTED = ("asked", "made", "proved impossible", "missed", "open")


def _why_not(town: Community, cells: int) -> str:
    """Tell whether a number of cells is impossible, by the narrowed band or an exact solver."""
    band = WISHES.narrowed(town.total, cells)
    ties = town.i[town.bonds()], town.j[town.bonds()]
    if certify(town.households, *ties, band.low, band.high) is not None:
        return "proved impossible"
    known, _ = settle(town.households, *ties, band.low, band.high)
    if known is not None:
        return "proved impossible"
    verdict, _ = exact(town, band.low, band.high, cells, 10_000, 4)
    return {"impossible": "proved impossible", "optimal": "missed", "unknown": "open"}[verdict]
