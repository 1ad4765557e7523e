"""Ask by simulation how often each question cries wolf, what it finds, and what it misses.

python scripts/simulate_hotspots.py                 run what is missing, write the page
python scripts/simulate_hotspots.py --minutes 10 --sizes 30,400 --questions cells,neighbourhoods

Every combination of exposure, mean, size and dispersion is drawn until it has the maps asked for;
what was drawn before is kept in docs/pages/simulations/hotspots.json, so that a run may be stopped
and taken up again. The same maps come out in whatever slices they are drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gridmap.hotspot_analysis import significance
from gridmap.hotspot_analysis.clusters import LEVEL, MOST_CELLS, Plan, Search
from gridmap.hotspot_analysis.hotspots import (
    LEAST_EXPECTED,
    LEAST_EXPECTED_COLD,
    Base,
    by_own_count,
    score,
)
from gridmap.hotspot_analysis.weights import Windows, windows
from gridmap.hotspot_analysis.zones import Zones, zones

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Called = NDArray[np.int8]

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs/pages/simulations/hotspots.json"
PAGE = ROOT / "docs/pages/hotspots-simulation.md"
QUESTIONS = ("cells", "neighbourhoods", "clusters")
SIDES = ("hot", "cold")
SIZES = {30: (6, 5), 400: (20, 20), 2500: (50, 50), 10_000: (100, 100)}
MEANS = (0.1, 1.0, 5.0, 20.0)
SPREADS: dict[str, float | None] = {"Poisson": None, "k = 2": 2.0, "k = 0.5": 0.5}
DESIGNS = {
    "equal": "all alike",
    "band": "300–600 households",
    "pareto": "Pareto, exponent 1.5",
    "clustered": "log-normal, clustered, σ 1.2",
    "giants": "one cell in a hundred 100 × larger",
    "half empty": "half of the cells without households",
    "half sparse": "one half with a twentieth of the other",
    "sparse corner": "a sixteenth of the map with a fiftieth",
    "Taipei": "households of Taipei's villages",
    "Chicago": "households of Chicago's precincts",
}
REAL = ("Taipei", "Chicago")
# what is planted: cells in the block, times the risk, mean
PLANTS = {
    "one cell × 4, mean 4": (1, 4.0, 4.0),
    "one cell × 2, mean 20": (1, 2.0, 20.0),
    "3 × 3 cells × 2, mean 5": (3, 2.0, 5.0),
}
PLANTED_SIZES = (400, 2500)
REPLICATES = 99


@dataclass(frozen=True)
class Map:
    """Hold cells with a base: where they lie, who touches whom, and their exposure."""

    x: Floats
    y: Floats
    near: sparse.csr_array
    exposure: Floats

    def within(self) -> Windows:
        """Make the windows."""
        return windows(self.near)

    def zones(self) -> Zones:
        """Make the zones as `clusters` does."""
        total = self.exposure.sum()
        few = np.sort(self.exposure)[-9:].sum() if len(self.x) <= 90 else 0.0
        return zones(
            self.x, self.y, self.exposure, self.near.indptr.astype(np.int64),
            self.near.indices.astype(np.int64), largest=min(max(0.1 * total, few), total / 2),
            most=MOST_CELLS,
        )  # fmt: skip


def lattice(size: int) -> tuple[Floats, Floats, sparse.csr_array]:
    """Make a lattice of cells that share sides."""
    width, height = SIZES[size]
    number = np.arange(size)
    x, y = number % width, number // width
    east, north = number[x < width - 1], number[y < height - 1]
    pairs = np.vstack([np.column_stack([east, east + 1]), np.column_stack([north, north + width])])
    both = np.vstack([pairs, pairs[:, ::-1]])
    near = sparse.csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(size, size))
    return x.astype(float), y.astype(float), near


def exposure_of(design: str, size: int, rng: np.random.Generator) -> Floats:
    """Draw the exposure of a lattice."""
    x, y, near = lattice(size)
    width, height = SIZES[size]
    homes = rng.uniform(300, 600, size)
    if design == "equal":
        return np.full(size, 450.0)
    if design == "pareto":
        return 100.0 * (rng.pareto(1.5, size) + 1.0)
    if design == "clustered":
        field, share = rng.normal(size=size), near / near.sum(axis=1)[:, None]
        for _ in range(6):
            field = (field + share @ field) / 2.0
        return np.exp(1.2 * (field - field.mean()) / field.std()) * 450.0
    if design == "giants":
        homes[rng.choice(size, max(1, size // 100), replace=False)] *= 100.0
    if design == "half empty":
        homes[rng.permutation(size)[: size // 2]] = 0.0
    if design == "half sparse":
        homes[x < width / 2] /= 20.0
    if design == "sparse corner":
        homes[(x < width / 4) & (y < height / 4)] /= 50.0
    return homes


def map_of(design: str, size: int, rng: np.random.Generator) -> Map:
    """Make the map of a design, without its empty cells."""
    if design in REAL:
        return real_map(design)
    x, y, near = lattice(size)
    exposure = exposure_of(design, size, rng)
    keep = np.flatnonzero(exposure > 0)
    return Map(x[keep], y[keep], sparse.csr_array(near[keep][:, keep]), exposure[keep])


_REAL: dict[str, Map] = {}


def real_map(design: str) -> Map:
    """Read the exposure of a real city and who touches whom there."""
    if design not in _REAL:
        import geopandas as gpd
        import pandas as pd

        data = Path(os.environ["GRIDMAP_SHARED"]) / "data"
        if design == "Taipei":
            register = pd.read_parquet(data / "taipei_village_register.parquet")
            homes = register.groupby(["district", "village"])["households"].last()
            frame = gpd.read_parquet(data / "taipei_villages.parquet")
            frame = frame.join(homes, on=["district", "village"])
            column = "households"
        else:
            frame, column = gpd.read_parquet(data / "chicago_precincts.parquet"), "households_acs"
        frame = frame[frame[column] > 0].reset_index(drop=True)
        tree = frame.sindex.query(frame.geometry, predicate="intersects")
        left, right = tree[:, tree[0] != tree[1]]
        near = sparse.csr_array((np.ones(len(left)), (left, right)), shape=(len(frame),) * 2)
        places = frame.geometry.representative_point()
        _REAL[design] = Map(
            places.x.to_numpy(), places.y.to_numpy(), near, frame[column].to_numpy(float)
        )
    return _REAL[design]


def cells(counts: Counts, there: Map) -> Called:
    """Call cells by their own counts: 1 above, −1 below."""
    found = by_own_count(counts[:, None], there.exposure)
    called = np.zeros(len(counts), np.int8)
    for side in (True, False):
        p = np.where(found.above == side, found.p, 1.0)
        called[(significance.benjamini_hochberg(p) <= 0.1)[:, 0]] = 1 if side else -1
    return called


def neighbourhoods(counts: Counts, there: Map) -> Called:
    """Call cells with their neighbours."""
    found = score(counts[:, None], there.exposure, there.within())
    tested = (found.window_expected >= LEAST_EXPECTED) & ~found.constant
    q = significance.benjamini_hochberg(found.p, tested)
    hot = (q <= 0.1) & (found.z > 0)
    cold = (q <= 0.1) & (found.z < 0) & (found.window_expected >= LEAST_EXPECTED_COLD)
    return (hot.astype(np.int8) - cold.astype(np.int8))[:, 0]


def clusters(counts: Counts, there: Map, zoned: Zones, seed: int) -> Called:
    """Call the members of clusters."""
    plan = Plan(
        "latest", "exposure", "period", "circular", SIDES, 0.1, None, REPLICATES, None, seed
    )
    base = Base(there.exposure, "households")
    found = Search(counts[:, None], base, zoned, None, plan).run(lambda *_: None)
    called = np.zeros(len(counts), np.int8)
    for row in found.rows:
        if row["p"] <= LEVEL:
            called[row["at"]] = 1 if row["side"] == "hot" else -1
    return called


def answer(question: str, counts: Counts, there: Map, seed: int) -> Called:
    """Ask one question of one map."""
    if question == "cells":
        return cells(counts, there)
    if question == "neighbourhoods":
        return neighbourhoods(counts, there)
    return clusters(counts, there, there.zones(), seed)


def drawn(mean: Floats, k: float | None, rng: np.random.Generator) -> Counts:
    """Draw counts, Poisson or negative binomial."""
    return rng.poisson(mean if k is None else mean * rng.gamma(k, 1.0 / k, len(mean)))


def rng_of(*key: object) -> np.random.Generator:
    """Make the generator of one map, the same in every run."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def null_map(key: tuple[str, str, int, float, str], number: int) -> dict[str, int]:
    """Draw a map without risk and tell which alarms there are."""
    question, design, size, mean, spread = key
    rng = rng_of(design, size, mean, spread, number)
    there = map_of(design, size, rng)
    level = there.exposure / there.exposure.mean() * mean
    called = answer(question, drawn(level, SPREADS[spread], rng), there, number)
    return {"hot": int((called > 0).any()), "cold": int((called < 0).any())}


def planted_map(key: tuple[str, str, int], number: int) -> dict[str, float]:
    """Draw a map with planted risk and tell how much of it was found."""
    question, plant, size = key
    side, times, mean = PLANTS[plant]
    rng = rng_of("planted", plant, size, number)
    x, y, near = lattice(size)
    width = SIZES[size][0]
    column, row = rng.integers(1, width - 3, 2)
    inside = (x >= column) & (x < column + side) & (y >= row) & (y < row + side)
    there = Map(x, y, near, np.full(size, 450.0))
    counts = drawn(np.where(inside, times, 1.0) * mean, None, rng)
    called = answer(question, counts, there, number) > 0
    both, either = int((called & inside).sum()), int((called | inside).sum())
    return {
        "found": int(both > 0), "jaccard": both / either,
        "false": int((called & ~inside).sum()) / max(int(called.sum()), 1),
    }  # fmt: skip


def wanted(arguments: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    """List the combinations asked for, each as the words of its key."""
    for question in arguments.questions:
        for size in arguments.sizes:
            if size in PLANTED_SIZES:
                for plant in PLANTS:
                    yield "planted", question, plant, str(size)
            for design in DESIGNS:
                if design in REAL and size != 400:
                    continue  # real cities have the size they have
                for mean in MEANS:
                    for spread in SPREADS:
                        yield "null", question, design, str(size), str(mean), spread


def run(arguments: argparse.Namespace) -> None:
    """Draw what is missing until the time is up."""
    until = time.monotonic() + 60 * arguments.minutes
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    keys = [*wanted(arguments)]
    saved = time.monotonic()
    for target in range(arguments.step, arguments.maps + arguments.step, arguments.step):
        for words in keys:
            name = " | ".join(words)
            sums = kept.setdefault(name, {"maps": 0})
            while sums["maps"] < min(target, arguments.maps) and time.monotonic() < until:
                if words[0] == "null":
                    question, design, size, mean, spread = words[1:]
                    one = null_map((question, design, int(size), float(mean), spread), sums["maps"])
                else:
                    one = planted_map((words[1], words[2], int(words[3])), sums["maps"])
                sums["maps"] += 1
                for what, value in one.items():
                    sums[what] = sums.get(what, 0) + value
            if time.monotonic() > saved + 20:
                saved = keep(kept)
        keep(kept)


def keep(kept: dict[str, dict[str, float]]) -> float:
    """Write down what was drawn so far; give the time."""
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    some = {name: sums for name, sums in kept.items() if sums["maps"]}
    KEPT.write_text(json.dumps(some, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    return time.monotonic()


HEAD = """# What each question finds, and what it invents

Made by `scripts/simulate_hotspots.py`; nothing here is typed in by hand. Which question to ask is
told in [Which question to ask](how-to/hotspots.md).

Maps are drawn **without any risk**: every alarm is a false one. Exposure is distributed in ten
ways; counts are Poisson, or vary more than that (negative binomial). *Cells* are exact tests of
each cell's own count, *neighbourhoods* Gi*, *clusters* the scan statistic ({replicates}
replicates).
Each promises a false alarm in no more than one map in ten; hot and cold are counted apart. "Most"
is the worst of the combinations in a row; a mark ✗ says that it is above 10 % by more than two
standard errors **of the maps that were drawn for it** (with n maps, 2 √(0.09 / n)). With so many
combinations a few lie beyond two standard errors by chance alone.

{drawn}
"""


def page() -> str:
    """Write the page from what was drawn."""
    kept = {
        tuple(name.split(" | ")): sums
        for name, sums in json.loads(KEPT.read_text()).items() if sums["maps"]
    }  # fmt: skip
    maps = sum(sums["maps"] for sums in kept.values())
    missing = []
    for question in QUESTIONS:
        for size in SIZES:
            some = [
                v["maps"]
                for k, v in kept.items()
                if k[:2] == ("null", question) and k[3] == str(size)
            ]
            every = len(MEANS) * len(SPREADS) * (len(DESIGNS) - (0 if size == 400 else len(REAL)))
            told = f"{len(some)} of {every} combinations"
            told += f", {min(some)}–{max(some)} maps each" if some else ""
            missing.append(f"| {question} | {size:,} | {told} |")
    head = HEAD.format(replicates=REPLICATES, drawn=f"{maps:,} maps were drawn in all:")
    parts = [head + "\n| question | cells | drawn |\n| --- | ---: | --- |\n" + "\n".join(missing)]
    parts += [null_table(question, kept) for question in QUESTIONS]
    parts.append(power_table(kept))
    return "\n".join(parts) + "\n"


def null_table(question: str, kept: dict[tuple[str, ...], dict[str, float]]) -> str:
    """Tell the alarms of one question by design and by dispersion."""
    rows = [
        f"\n## False alarms: {question}\n",
        "| exposure | counts | hot, mean | hot, most | cold, mean | cold, most | maps |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for design, words in DESIGNS.items():
        for spread in SPREADS:
            some = [v for k, v in kept.items()
                    if k[:3] == ("null", question, design) and k[5] == spread]  # fmt: skip
            if not some:
                continue
            told = []
            for side in SIDES:
                mean = sum(v[side] for v in some) / sum(v["maps"] for v in some)
                worst = max(some, key=lambda v: v[side] / v["maps"])
                share = worst[side] / worst["maps"]
                mark = " ✗" if share > 0.1 + 2 * np.sqrt(0.09 / worst["maps"]) else ""
                told.append(f"{mean:.1%} | {share:.0%} of {worst['maps']}{mark}")
            rows.append(
                f"| {words} | {spread} | {' | '.join(told)} | {sum(v['maps'] for v in some):,} |"
            )
    return "\n".join(rows)


def power_table(kept: dict[tuple[str, ...], dict[str, float]]) -> str:
    """Tell what of planted risk was found."""
    rows = [
        "\n## What is found\n",
        "One planted place on a lattice of equal cells, Poisson counts. *Found* is the share of "
        "maps in which any of its cells was called, *Jaccard* the mean of cells called and planted "
        "over cells called or planted, *outside* the mean share of called cells that are not "
        "planted (none where nothing is called). "
        "(A neighbourhood is called for its window, so cells beside the place are called "
        "rightly.)\n",
        "| planted | cells | question | found | Jaccard | outside | maps |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for plant in PLANTS:
        for size in PLANTED_SIZES:
            for question in QUESTIONS:
                v = kept.get(("planted", question, plant, str(size)))
                if v:
                    rows.append(
                        f"| {plant} | {size:,} | {question} | {v['found'] / v['maps']:.0%} | "
                        f"{v['jaccard'] / v['maps']:.2f} | {v['false'] / v['maps']:.0%} | "
                        f"{v['maps']:,} |"
                    )
    return "\n".join(rows)


def main() -> int:
    """Run and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--maps", type=int, default=200, help="maps of each combination")
    parser.add_argument("--step", type=int, default=10, help="maps at a time, all in turn")
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--sizes", type=lambda s: [int(n) for n in s.split(",")], default=[*SIZES])
    parser.add_argument("--questions", type=lambda s: s.split(","), default=[*QUESTIONS])
    parser.add_argument("--page-only", action="store_true")
    arguments = parser.parse_args()
    if not arguments.page_only:
        run(arguments)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
