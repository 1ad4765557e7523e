"""Measure the partition against its peers: same units, same run, CPU time, ratios.

    python scripts/bench/partition.py --quick
    python scripts/bench/partition.py -o partition.md

The generated city and, where GRIDMAP_SHARED has it, real Taipei by villages, statistical areas and
districts. Peers are those of the dependency group `bench`.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.util
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = sys.path.pop(0)  # numba looks for a module `coverage`, and must not find the one here
import geopandas as gpd
import numba  # noqa: F401
import numpy as np
import pandas as pd
import shapely

sys.path.append(HERE)
from partition_peers import PEERS, exact

import gridmap as gm
from gridmap.partition import anneal, energy
from gridmap.partition.community import Community, dice_of
from gridmap.partition.exhaust import connected
from gridmap.partition.kernels import warm
from gridmap.partition.matching import match
from gridmap.partition.repair import Old, keep
from gridmap.partition.solve import Outcome, solve
from gridmap.partition.survey import check_units, communities
from gridmap.partition.task import EFFORTS, Task, Wishes

LOW, HIGH = 300, 600
SHARED = (
    Path(os.environ.get("GRIDMAP_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
)
WISHES = Wishes(LOW, HIGH, 450.0, 0, EFFORTS["default"])


def main() -> None:
    """Print every table, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    warm()
    parts: dict[str, Callable[[bool], str]] = {
        "stages": stages,
        "peers": peers,
        "small": small,
        "certificates": certificates,
        "optimum": optimum,
        "large": large,
        "stability": stability,
    }
    chosen = options.only.split(",") if options.only else list(parts)
    text = []
    for name in chosen:
        text.append(f"### {name.capitalize()}\n\n{parts[name](options.quick)}\n")
        print(text[-1], flush=True)
    if options.output:
        options.output.write_text("\n".join(text), encoding="utf-8")


def table(rows: list[dict[str, object]]) -> str:
    """Write rows as a markdown table."""
    heads = list(rows[0])
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(str(row.get(head, "")) for head in heads) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def plain(units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return units without blocks and sides, so that all solve the same problem."""
    return units.drop(columns=["block", "path", "side"], errors="ignore")


@functools.cache
def city(quick: bool) -> tuple[gpd.GeoDataFrame, list[dict[str, object]]]:
    """Return the units of the generated city and what it took to make them."""
    clock = time.process_time()
    made = gm.example_city(seed=0, size="town" if quick else "city")
    first = time.process_time()
    units = gm.subdivide(
        made.jurisdictions,
        made.buildings,
        barriers=made.barriers,
        dedicated=made.dedicated,
        levels=["district", "street", "community"],
        code="code",
    )
    second = time.process_time()
    return units, [
        {"stage": f"invent {len(made.buildings):,} buildings", "CPU s": round(first - clock, 1)},
        {"stage": f"subdivide to {len(units):,} units", "CPU s": round(second - first, 1)},
    ]


def taipei(by: str) -> gpd.GeoDataFrame | None:
    """Return Taipei's statistical atoms within villages, areas or districts."""
    path = SHARED / "taipei_atoms.parquet"
    if not path.is_file():
        return None
    atoms = gpd.read_parquet(path).to_crs(3826)
    if by == "villages":
        areas = gpd.read_parquet(SHARED / "taipei_villages.parquet").to_crs(3826)
        i, j = areas.sindex.query(atoms.geometry, predicate="intersects")
        shared = shapely.area(
            shapely.intersection(atoms.geometry.to_numpy()[i], areas.geometry.to_numpy()[j])
        )
        best = pd.DataFrame({"i": i, "j": j, "area": shared}).sort_values(["i", "area"])
        best = best.groupby("i")["j"].last()
        atoms["parent"] = areas["village_key"].to_numpy()[best.to_numpy()]
    else:
        atoms["parent"] = atoms[{"areas": "stat2", "districts": "district_code"}[by]].astype(str)
    return atoms[["parent", "households", "geometry"]]


def measured(towns: list[Community], labels: list[np.ndarray]) -> dict[str, float]:
    """Return validity, compactness and border of divisions."""
    valid, compact, cut, cells = 0, [], 0.0, 0
    for town, label in zip(towns, labels, strict=True):
        valid += is_valid(town, label)
        count = int(label.max()) + 1
        total = energy.sums(town.network(town.bonds(), 1.0, 0.0), label, count)
        compact.append(4 * np.pi * total[:, 2] / total[:, 3] ** 2)
        cut += town.length[label[town.i] != label[town.j]].sum()
        cells += count
    return {
        "valid": valid,
        "cells": cells,
        "PP": float(np.concatenate(compact).mean()) if compact else float("nan"),
        "m a cell": cut / max(cells, 1),
    }


def is_valid(town: Community, label: np.ndarray) -> bool:
    """Tell whether all cells are connected and in the band."""
    total = np.bincount(label, town.households)
    ties = town.bonds()
    return bool(
        ((total >= LOW) & (total <= HIGH)).all() and connected(label, town.i[ties], town.j[ties])
    )


def components(units: gpd.GeoDataFrame) -> list[Community]:
    """Return the connected parts of all communities that are more than one cell."""
    found = []
    for town in communities(check_units(plain(units))):
        part = town.parts(town.bonds())
        for number in range(int(part.max()) + 1):
            piece = town.subset(np.flatnonzero(part == number))
            if piece.total > HIGH and int(piece.households.max()) <= HIGH:
                found.append(dataclasses.replace(piece, key=f"{town.key}/{number}"))
    return found


def stages(quick: bool) -> str:
    """Time the whole way from buildings to a proved grid, and its memory."""
    units, rows = city(quick)
    clock = time.process_time()
    grid = gm.partition(units, lang="en")
    rows.append(
        {
            "stage": f"partition to {len(grid):,} proved cells",
            "CPU s": round(time.process_time() - clock, 1),
        }
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    homes = grid.cells[grid.cells["kind"] == "residential"]
    compact = 4 * np.pi * homes.geometry.area / homes.geometry.length**2
    certain = grid.exceptions["certificate"].value_counts().to_dict()
    return (
        f"{table(rows)}\n\n{int(homes['households'].between(LOW, HIGH).sum()):,} of "
        f"{len(homes):,} cells in the band, mean PP {compact.mean():.3f}, "
        f"exceptions {certain}; peak {peak:,.0f} MB."
    )


def peers(quick: bool) -> str:
    """Compare with METIS on every component that is not one cell and holds no giant."""
    rows = []
    cases = {"generated city": city(quick)[0]}
    for by in () if quick else ("villages", "areas", "districts"):
        units = taipei(by)
        if units is not None:
            cases[f"Taipei by {by}"] = units
    for name, units in cases.items():
        rows += _against_metis(name, components(units))
    return table(rows)


def _against_metis(name: str, towns: list[Community]) -> list[dict[str, object]]:
    """Solve components with ours and METIS, and compare those that both solve."""
    clock = time.process_time()
    outcomes = [solve(town, WISHES) for town in towns]
    ours = time.process_time() - clock
    certified = sum(
        bool(outcome.reasons) and all(f.certified for f in outcome.reasons.values())
        for outcome in outcomes
    )
    labels = {"gridmap": [outcome.label for outcome in outcomes]}
    cost = {"gridmap": ours}
    if importlib.util.find_spec("pymetis"):
        clock = time.process_time()
        labels["METIS"] = [
            PEERS["METIS"][0](town, outcome.cells, LOW, HIGH, 0)
            for town, outcome in zip(towns, outcomes, strict=True)
        ]
        cost["METIS"] = time.process_time() - clock
    both = [
        at
        for at, town in enumerate(towns)
        if all(is_valid(town, found[at]) for found in labels.values())
    ]
    rows = []
    for who, found in labels.items():
        whole = measured(towns, found)
        common = measured([towns[at] for at in both], [found[at] for at in both])
        rows.append(
            {
                "case": name,
                "who": who,
                "components": len(towns),
                "valid": whole["valid"],
                "certified impossible": certified if who == "gridmap" else "",
                "cells": whole["cells"],
                "PP": f"{whole['PP']:.3f}",
                "PP where both": f"{common['PP']:.3f}",
                "border a cell, m": f"{common['m a cell']:.1f}",
                "CPU s": f"{cost[who]:.2f}",
                "x METIS": f"{cost[who] / cost['METIS']:.1f}" if "METIS" in cost else "",
            }
        )
    return rows


def small(quick: bool) -> str:
    """Compare with all peers on twenty components, and on a large one."""
    least, most, count = (40, 80, 3) if quick else (64, 145, 20)
    towns = [t for t in components(city(True)[0]) if least <= len(t) <= most][:count]
    one = round_the_middle(city(True)[0], 300 if quick else 2_123)
    many = f"{len(towns)} communities of {min(map(len, towns))}-{max(map(len, towns))} units"
    return table(
        _against_all(many, towns, list(PEERS))
        + _against_all(f"1 of {len(one):,} units", [one], ["METIS", "ReCom annealed"])
    )


def round_the_middle(units: gpd.GeoDataFrame, count: int) -> Community:
    """Return about so many units next to the middle of a city as one community."""
    homes = units[units["kind"] == "residential"].reset_index(drop=True)
    (town,) = communities(check_units(plain(homes.assign(parent="one"))))
    far = np.hypot(town.x - town.x.mean(), town.y - town.y.mean())
    near = town.subset(np.sort(np.argsort(far, kind="stable")[:count]))
    part = near.parts(near.bonds())
    return near.subset(np.flatnonzero(part == np.bincount(part).argmax()))


def _against_all(case: str, towns: list[Community], peers: list[str]) -> list[dict[str, object]]:
    """Solve communities with ours and peers that are given our number of cells."""
    clock = time.process_time()
    labels = {"gridmap": [solve(town, WISHES).label for town in towns]}
    cost = {"gridmap": time.process_time() - clock}
    for name in peers:
        peer, module, most = PEERS[name]
        if importlib.util.find_spec(module) is None:
            continue
        clock, found = time.process_time(), []
        for town, ours in zip(towns[:most], labels["gridmap"], strict=False):
            try:
                found.append(peer(town, int(ours.max()) + 1, LOW, HIGH, 0))
            except (RuntimeError, ValueError):  # how GerryChain says that it found no cut
                found.append(np.zeros(len(town), np.int64))
        labels[name], cost[name] = found, time.process_time() - clock
    rows: list[dict[str, object]] = []
    for name, found in labels.items():
        got = measured(towns[: len(found)], found)
        each = cost[name] / len(found)
        rows.append(
            {
                "case": case,
                "who": name,
                "valid communities": f"{got['valid']} / {len(found)}",
                "cells valid": f"{100 * np.mean(in_band(towns, found)):.1f} %",
                "cells": got["cells"],
                "PP": f"{got['PP']:.3f}",
                "border a cell, m": f"{got['m a cell']:.1f}",
                "CPU ms a community": f"{1000 * each:.0f}",
                "x gridmap": f"{each / (cost['gridmap'] / len(towns)):.1f}",
            }
        )
    return rows


def in_band(towns: list[Community], labels: list[np.ndarray]) -> list[bool]:
    """Tell of every cell whether it is in the band and connected."""
    good = []
    for town, label in zip(towns, labels, strict=False):
        ties = town.bonds()
        total = np.bincount(label, town.households)
        whole = town.parts(ties & (label[town.i] == label[town.j]))
        pieces = np.bincount(label[np.unique(whole, return_index=True)[1]])
        good += ((total >= LOW) & (total <= HIGH) & (pieces == 1)).tolist()
    return good


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


def optimum(quick: bool) -> str:
    """Compare the cut found by annealing with the proven least cut on tiny instances."""
    rng = np.random.default_rng(5)
    reached, proven, clock, reference = 0, 0, 0.0, 0.0
    sizes = []
    pool = [t for t in components(city(True)[0]) if len(t) >= 40]
    while proven < (2 if quick else 40):
        town = _neighbourhood(pool[int(rng.integers(len(pool)))], rng)
        if town is None:
            continue
        cells = WISHES.cells(town.total)
        start = time.process_time()
        verdict, least = exact(town, LOW, HIGH, cells)
        reference += time.process_time() - start
        if verdict != "optimal" or least is None:
            continue
        start = time.process_time()
        found = _least_cut(town, cells)
        clock += time.process_time() - start
        proven += 1
        sizes.append(len(town))
        reached += found <= least + 1e-6
    return (
        f"{reached} of {proven} instances of {min(sizes)}-{max(sizes)} units reach the proven "
        f"least border; {clock:.1f} s against {reference:.1f} s of exact search."
    )


def _neighbourhood(town: Community, rng: np.random.Generator) -> Community | None:
    """Return a connected bit of a community with a few cells' worth of households."""
    size = int(rng.integers(12, 21))
    chosen = [int(rng.integers(len(town)))]
    ties = town.bonds()
    near = {(int(a), int(b)) for a, b in zip(town.i[ties], town.j[ties], strict=True)}
    near |= {(b, a) for a, b in near}
    for unit in chosen:
        chosen += [b for a, b in sorted(near) if a == unit and b not in chosen][
            : size - len(chosen)
        ]
        if len(chosen) >= size:
            break
    piece = town.subset(np.array(sorted(chosen)))
    return piece if 2 * LOW <= piece.total <= 4 * HIGH and piece.households.max() <= HIGH else None


def _least_cut(town: Community, cells: int) -> float:
    """Anneal the border alone, from a few starts, with a fixed number of cells."""
    from gridmap.partition import trees

    best = np.inf
    for start in range(6):
        task = Task.of(town, town.bonds(), WISHES, cells, "cut", start)
        rules = task.rules._replace(shape=0.0, balance=0.0, border=1.0)
        dice = dice_of(start, "cut")
        for tree in range(60):
            contact, order = trees.draw(task.net, dice, tree % 3)
            label, parts, _ = trees.cut(task.net, contact, order, rules, cells, False)
            if parts:
                break
        else:
            continue
        home = np.full(len(town), -1, np.int64)
        anneal.anneal(task.net, label, parts, rules, home, dice, 0.3, 0.01, 3000 * len(town))
        total = np.bincount(label, town.households)
        if ((total >= LOW) & (total <= HIGH)).all():
            best = min(best, float(town.length[label[town.i] != label[town.j]].sum()))
    return best


def large(quick: bool) -> str:
    """Cut one community that is a lattice of 100,000 units, with the fast preset."""
    wide, high = (50, 50) if quick else (316, 317)
    x, y = (30.0 * side.ravel() for side in np.meshgrid(np.arange(wide), np.arange(high)))
    units = gpd.GeoDataFrame(
        {
            "parent": "one",
            "households": np.random.default_rng(0).integers(0, 60, len(x)),
        },
        geometry=shapely.box(x, y, x + 30, y + 30),
        crs=4547,
    )
    clock = time.process_time()
    cells = gm.partition(units, quality="fast", lang="en").cells
    spent = time.process_time() - clock
    compact = 4 * np.pi * cells.geometry.area / cells.geometry.length**2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"One community of {len(units):,} units: {len(cells):,} cells, "
        f"{int(cells['households'].between(LOW, HIGH).sum()):,} of them in the band, "
        f"mean PP {compact.mean():.3f}, {spent:.0f} s of CPU, peak {peak:,.0f} MB."
    )


def stability(quick: bool) -> str:
    """Let 5 % of the units change and count who moves."""
    cases = {"generated city": city(quick)[0]}
    for by in () if quick else ("villages", "districts"):
        units = taipei(by)
        if units is not None:
            cases[f"Taipei by {by}"] = units
    return table([_changed(name, units) for name, units in cases.items()])


def _changed(name: str, units: gpd.GeoDataFrame) -> dict[str, object]:
    """Solve, change, keep; count households moved, cells unchanged, cells outside the band."""
    rng = np.random.default_rng(4)
    moved = households = cells = same = outside = idle = 0
    clock = 0.0
    for town in communities(check_units(units)):
        old = solve(town, WISHES)
        draw = rng.random(len(town))
        factor = np.where(draw < 0.03, 2.2, np.where(draw < 0.05, 0.1, 1.0))
        counts = np.round(town.households * factor).astype(np.int64)
        new_town = dataclasses.replace(town, households=counts, load=counts.astype(float))
        start = time.process_time()
        new = keep(new_town, WISHES, Old(old.label, np.empty(0, np.int64)))
        clock += time.process_time() - start
        back = _heirs(new, old, counts)
        moved += int(counts[back != old.label].sum())
        households += int(counts.sum())
        cells += old.cells
        same += sum(
            bool((back[old.label == c] == c).all() and (old.label[back == c] == c).all())
            for c in range(old.cells)
        )
        outside += sum(not f.certified for f in new.reasons.values())
        still = keep(town, WISHES, Old(old.label, np.empty(0, np.int64)))
        idle += int((_heirs(still, old, town.households) != old.label).sum())
    return {
        "case": name,
        "cells": cells,
        "households moved": f"{moved / households:.2%}",
        "cells unchanged": f"{same / cells:.1%}",
        "outside the band unexplained": outside,
        "units moved without change": idle,
        "CPU s": round(clock, 2),
    }


def _heirs(new: Outcome, old: Outcome, households: np.ndarray) -> np.ndarray:
    """Return the old cell that the new cell of each unit continues, -1 for none."""
    heirs = match(new.label, old.label, households)
    return np.array([heirs.get(int(cell), -1) for cell in new.label])


if __name__ == "__main__":
    main()
