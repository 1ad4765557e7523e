"""Ask by simulation how often each question cries wolf, what it finds, and what it misses.

python scripts/simulate_hotspots.py                 run what is missing, write the page
python scripts/simulate_hotspots.py --minutes 10 --sizes 30,400 --questions cells,neighbourhoods

python scripts/simulate_hotspots.py --beyond 3      three times the maps where alarms were too many

Every combination of exposure, mean, size and dispersion is drawn until it has the maps asked for,
all sizes in step; what was drawn before is kept in docs/pages/simulations/hotspots.json (or what
`--kept` names), so that a run may be stopped and taken up again. The same maps come out in whatever
slices they are drawn, and all questions are asked of the same maps.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from gridmap.hotspot_analysis import significance
from gridmap.hotspot_analysis.clusters import LEVEL, MOST_CELLS, NEAREST_SHAPED, Plan, Search
from gridmap.hotspot_analysis.emerging import Baseline, cube
from gridmap.hotspot_analysis.hotspots import LEAST_EXPECTED, LEAST_EXPECTED_COLD, Base, score
from gridmap.hotspot_analysis.weights import Windows, windows
from gridmap.hotspot_analysis.zones import Zones, zones

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Called = NDArray[np.int8]
Key = tuple[str, str]
Sums = dict[str, float]
Answers = Iterator[tuple[str, Sums]]

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs/pages/simulations/hotspots.json"
PAGE = ROOT / "docs/pages/hotspots-simulation.md"
QUESTIONS = ("cells", "neighbourhoods", "clusters")
SIDES = ("hot", "cold")
SIZES = {30: (6, 5), 400: (20, 20), 2500: (50, 50), 10_000: (100, 100)}
# maps of each combination, by size
MAPS = {30: 100, 400: 100, 2500: 30, 10_000: 10}
MEANS = ("0.1", "1.0", "5.0", "20.0")
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
# what is planted: columns and rows of its cells, times the risk, mean
PLANTS = {
    "one cell × 4, mean 4": ([(0, 0)], 4.0, 4.0),
    "one cell × 2, mean 20": ([(0, 0)], 2.0, 20.0),
    "3 × 3 cells × 2, mean 5": ([*product(range(3), range(3))], 2.0, 5.0),
    "5 × 5 cells × 1.6, mean 5": ([*product(range(5), range(5))], 1.6, 5.0),
    "row of 6 cells × 2.5, mean 5": ([*product(range(6), range(1))], 2.5, 5.0),
    "corner of 7 cells × 2.5, mean 5": (
        [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (0, 3)], 2.5, 5.0,
    ),
}  # fmt: skip
PLANTED_SIZES, PLANTED_MAPS = (400, 2500), 100
# shapes of zones that clusters are looked for in, where risk is planted
FLEXIBLE = "clusters, flexible"
# what is to be reached on these maps: by which question, which figure, how much
WANTED = {
    ("one cell × 4, mean 4", "cells"): ("found", 0.65),
    ("one cell × 2, mean 20", "cells"): ("found", 0.30),
    ("3 × 3 cells × 2, mean 5", "clusters"): ("jaccard", 0.70),
}
MOST_OUTSIDE = 0.10
# with fewer maps of one combination a single alarm would be too many
FEW_MAPS = 10
CUBE_SIZE, CUBE_STEPS, CUBE_MEANS = 400, 12, ("1.0", "5.0")
BASELINES: dict[Baseline, str] = {
    "step": "each step's own level", "whole": "the whole time", "previous": "the steps before",
}  # fmt: skip
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

    @cached_property
    def zones(self) -> Zones:
        """Make round zones."""
        return self.zoned(0)

    @cached_property
    def shaped(self) -> Zones:
        """Make zones of all connected shapes as well."""
        return self.zoned(NEAREST_SHAPED)

    def zoned(self, shaped: int) -> Zones:
        """Make the zones as `clusters` does."""
        total = self.exposure.sum()
        few = np.sort(self.exposure)[-9:].sum() if len(self.x) <= 90 else 0.0
        return zones(
            self.x, self.y, self.exposure, self.near.indptr.astype(np.int64),
            self.near.indices.astype(np.int64), largest=min(max(0.1 * total, few), total / 2),
            most=MOST_CELLS, shaped=shaped,
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


@cache
def even(size: int) -> Map:
    """Make the lattice that risk is planted on."""
    return Map(*lattice(size), np.full(size, 450.0))


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


def alone_and_around(counts: Counts, there: Map) -> dict[str, Called]:
    """Call cells by their own counts, and with their neighbours: 1 above, −1 below."""
    found = score(counts[:, None], there.exposure, there.within())
    alone = np.zeros(len(counts), np.int8)
    for side in (True, False):
        p = np.where(found.above == side, found.cell_p, 1.0)
        alone[(significance.benjamini_hochberg(p) <= LEVEL)[:, 0]] = 1 if side else -1
    tested = (found.window_expected >= LEAST_EXPECTED) & ~found.constant
    q = significance.benjamini_hochberg(found.p, tested)
    hot = (q <= LEVEL) & (found.z > 0)
    cold = (q <= LEVEL) & (found.z < 0) & (found.window_expected >= LEAST_EXPECTED_COLD)
    return {"cells": alone, "neighbourhoods": (hot.astype(np.int8) - cold.astype(np.int8))[:, 0]}


def clusters(counts: Counts, there: Map, seed: int, zoned: Zones | None = None) -> Called:
    """Call the members of clusters."""
    plan = Plan(
        "latest", "exposure", "period", "circular", SIDES, 0.1, None, REPLICATES, None, seed,
        hurried=True,
    )  # fmt: skip
    base = Base(there.exposure, "households")
    found = Search(counts[:, None], base, zoned or there.zones, None, plan).run(lambda *_: None)
    called = np.zeros(len(counts), np.int8)
    for row in found.rows:
        if row["p"] <= LEVEL:
            called[row["members"]] = 1 if row["side"] == "hot" else -1
    return called


def answers(questions: Iterable[str], counts: Counts, there: Map, seed: int) -> dict[str, Called]:
    """Ask questions of one map."""
    called = {}
    if {"cells", "neighbourhoods"} & {*questions}:
        called = alone_and_around(counts, there)
    if "clusters" in questions:
        called["clusters"] = clusters(counts, there, seed)
    if FLEXIBLE in questions:
        called[FLEXIBLE] = clusters(counts, there, seed, there.shaped)
    return {question: called[question] for question in questions}


def emerging(counts: Counts, there: Map) -> dict[str, Called]:
    """Call cells at any step of a cube, under each baseline."""
    called = {}
    for baseline in BASELINES:
        found = cube(counts, there.exposure, there.within(), baseline=baseline)
        hit = (found.q <= LEVEL) & found.tested
        cold = hit & (found.z < 0) & (found.window_expected >= LEAST_EXPECTED_COLD)
        called[baseline] = (hit & (found.z > 0)).astype(np.int8) - cold.astype(np.int8)
    return called


def drawn(mean: Floats, k: float | None, rng: np.random.Generator) -> Counts:
    """Draw counts, Poisson or negative binomial."""
    return rng.poisson(mean if k is None else mean * rng.gamma(k, 1.0 / k, mean.shape))


def rng_of(*key: object) -> np.random.Generator:
    """Make the generator of one map, the same in every run."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def told(called: Called) -> Sums:
    """Tell which alarms there are."""
    return {"hot": int((called > 0).any()), "cold": int((called < 0).any())}


def null_maps(design: str, size: int, number: int, missing: dict[Key, list[str]]) -> Answers:
    """Draw one exposure and maps without risk over it; tell the alarms of each question."""
    there = map_of(design, size, rng_of(design, size, number))
    share = there.exposure / there.exposure.mean()
    for (mean, spread), questions in missing.items():
        rng = rng_of(design, size, mean, spread, number)
        counts = drawn(share * float(mean), SPREADS[spread], rng)
        for question, called in answers(questions, counts, there, number).items():
            yield f"null | {question} | {design} | {size} | {mean} | {spread}", told(called)


def null_cubes(design: str, number: int, missing: list[Key]) -> Answers:
    """Draw one exposure and cubes without risk over it; tell the alarms under each baseline."""
    there = map_of(design, CUBE_SIZE, rng_of(design, CUBE_SIZE, number))
    share = np.repeat((there.exposure / there.exposure.mean())[:, None], CUBE_STEPS, axis=1)
    for mean, spread in missing:
        rng = rng_of("cube", design, mean, spread, number)
        counts = drawn(share * float(mean), SPREADS[spread], rng)
        for baseline, called in emerging(counts, there).items():
            yield f"cube | {baseline} | {design} | {mean} | {spread}", told(called)


def planted_map(plant: str, size: int, number: int, questions: list[str]) -> Answers:
    """Draw a map with planted risk and tell how much of it was found."""
    place, times, mean = PLANTS[plant]
    rng = rng_of("planted", plant, size, number)
    there, width = even(size), SIZES[size][0]
    column, row = (int(rng.integers(1, width - max(at))) for at in zip(*place, strict=True))
    inside = np.zeros(size, bool)
    inside[[(row + below) * width + column + beside for beside, below in place]] = True
    counts = drawn(np.where(inside, times, 1.0) * mean, None, rng)
    for question, answer in answers(questions, counts, there, number).items():
        called = answer > 0
        both, either = int((called & inside).sum()), int((called | inside).sum())
        jaccard, false = both / either, int((called & ~inside).sum()) / max(int(called.sum()), 1)
        yield f"planted | {question} | {plant} | {size}", {
            "found": int(both > 0), "jaccard": jaccard, "false": false,
            "jaccard squared": jaccard**2, "false squared": false**2,
        }  # fmt: skip


def drawings(asked: argparse.Namespace, kept: dict[str, Sums]) -> Iterator[Answers]:
    """Give what is still to be drawn, an exposure at a time, all sizes in step."""
    if asked.cubes:
        yield from cubes_of(asked.maps, kept)
        return
    most = max(MAPS.values())
    for part in range(asked.beyond * most):
        for size in asked.sizes:
            if size in PLANTED_SIZES:
                for number in numbers(part, most, asked.maps or PLANTED_MAPS):
                    yield from planted_of(size, number, asked.questions, kept)
            wanted = MAPS[size] if asked.maps is None else asked.maps
            for number in numbers(part, most, 0 if asked.planted else wanted, asked.beyond):
                if number >= wanted:
                    yield again(size, number, asked.questions, kept)
                else:
                    yield from nulls_of(size, number, asked.questions, kept)


def numbers(part: int, parts: int, maps: int, times: int = 1) -> range:
    """Give the numbers of the maps of one part, so that all parts together have them all."""
    if part >= times * parts:
        return range(0)
    return range(part * maps // parts, (part + 1) * maps // parts)


def lacks(name: str, number: int, kept: dict[str, Sums]) -> bool:
    """Tell whether the map with this number is still to be drawn."""
    return kept.get(name, {"maps": 0})["maps"] <= number


def cubes_of(maps: int | None, kept: dict[str, Sums]) -> Iterator[Answers]:
    """Give the cubes that are still to be drawn."""
    for number, design in product(range(maps or MAPS[CUBE_SIZE]), DESIGNS):
        cubes = [key for key in product(CUBE_MEANS, SPREADS)
                 if lacks(f"cube | step | {design} | {' | '.join(key)}", number, kept)]  # fmt: skip
        yield null_cubes(design, number, cubes)


def planted_of(
    size: int, number: int, questions: list[str], kept: dict[str, Sums]
) -> Iterator[Answers]:
    """Give the maps with planted risk that are still to be drawn."""
    if "clusters" in questions and size == PLANTED_SIZES[0]:
        questions = [*questions, FLEXIBLE]
    for plant in PLANTS:
        some = [q for q in questions if lacks(f"planted | {q} | {plant} | {size}", number, kept)]
        yield planted_map(plant, size, number, some)


def nulls_of(
    size: int, number: int, questions: list[str], kept: dict[str, Sums]
) -> Iterator[Answers]:
    """Give the maps without risk that are still to be drawn."""
    for design in DESIGNS:
        if design in REAL and size != 400:
            continue  # real cities have the size they have
        missing = {}
        for key in product(MEANS, SPREADS):
            end = f"{design} | {size} | {' | '.join(key)}"
            some = [q for q in questions if lacks(f"null | {q} | {end}", number, kept)]
            if some:
                missing[key] = some
        yield null_maps(design, size, number, missing)


def again(size: int, number: int, questions: list[str], kept: dict[str, Sums]) -> Answers:
    """Draw one more map of each combination that had too many alarms."""
    for name, sums in [*kept.items()]:
        kind, question, design, *rest = name.split(" | ")
        if kind != "null" or question not in questions or int(rest[0]) != size:
            continue
        if not lacks(name, number, kept) or sums["maps"] < number:
            continue
        first = sums.get("first", 0) or any(above(sums[side], sums["maps"]) for side in SIDES)
        sums["first"] = int(first)
        if first:
            yield from null_maps(design, size, number, {(rest[1], rest[2]): [question]})


def run(asked: argparse.Namespace) -> None:
    """Draw what is missing until the time is up."""
    until = time.monotonic() + 60 * asked.minutes
    kept = json.loads(asked.kept.read_text()) if asked.kept.exists() else {}
    saved = time.monotonic()
    for answers_of in drawings(asked, kept):
        for name, one in answers_of:
            sums = kept.setdefault(name, {"maps": 0})
            for what, value in {"maps": 1, **one}.items():
                sums[what] = sums.get(what, 0) + value
        if time.monotonic() > saved + 20:
            saved = keep(kept, asked.kept)
        if time.monotonic() > until:
            break
    keep(kept, asked.kept)


def keep(kept: dict[str, Sums], to: Path) -> float:
    """Write down what was drawn so far; give the time."""
    to.parent.mkdir(parents=True, exist_ok=True)
    some = {name: sums for name, sums in kept.items() if sums["maps"]}
    to.write_text(json.dumps(some, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    return time.monotonic()


HEAD = """# What each question finds, and what it invents

Made by `scripts/simulate_hotspots.py`; nothing here is typed in by hand. Which question to ask is
told in [Which question to ask](how-to/hotspots.md).

Maps are drawn **without any risk**: every alarm is a false one. Exposure is distributed in ten
ways; counts are Poisson, or vary more than that (negative binomial). *Cells* are exact tests of
each cell's own count, *neighbourhoods* Gi*, *clusters* the scan statistic ({replicates}
replicates). All three are asked of the same maps. Each promises a false alarm in no more than one
map in ten; hot and cold are counted apart. "Mean" takes the combinations of a row together,
"most" is the worst of those with at least {few} maps. A mark ✗ says that a share is above 10 % by
more than two standard errors **of the maps that were drawn for it** (with n maps, 2 √(0.09 / n));
single combinations of fewer maps are not judged. With so many combinations a few lie beyond two
standard errors by chance alone: *by chance* is how many would, on each side, if every share were
exactly 10 %.

{drawn}
"""
Kept = dict[tuple[str, ...], Sums]


def page() -> str:
    """Write the page from what was drawn."""
    kept = {tuple(name.split(" | ")): sums for name, sums in json.loads(KEPT.read_text()).items()}
    nulls = [key for key in kept if key[0] == "null"]
    asked = {size: sum(1 for key in nulls if key[3] == str(size)) for size in SIZES}
    head = HEAD.format(
        replicates=REPLICATES,
        few=FEW_MAPS,
        drawn=f"{sum(kept[key]['maps'] for key in nulls):,} answers were had, of "
        f"{sum(asked.values()):,} combinations of question, exposure, mean, size and dispersion:",
    )
    parts = [head, drawn_table(kept)]
    for question in QUESTIONS:
        parts.append(f"\n## False alarms: {question}\n")
        parts.append(null_table(kept, ("null", question), 5))
    parts.append(power_table(kept))
    if any(key[0] == "cube" for key in kept):
        parts.append(
            "\n## False alarms in time\n\n`gm.emerging`: "
            f"cubes of {CUBE_SIZE} cells (the real cities have theirs) and {CUBE_STEPS} periods, "
            f"with {' and '.join(CUBE_MEANS)} incidents a cell and period. An alarm is any cell "
            "called at any period."
        )
        for baseline, words in BASELINES.items():
            parts.append(f'\nAgainst {words} (`baseline="{baseline}"`):\n')
            parts.append(null_table(kept, ("cube", baseline), 4))
    return "\n".join(parts) + "\n"


def above(alarms: float, maps: float) -> bool:
    """Tell whether so many alarms are above one in ten by more than two standard errors."""
    return bool(alarms / maps > 0.1 + 2 * np.sqrt(0.09 / maps))


def beyond(maps: int) -> float:
    """Give the chance that so many maps are above when each alarms with a chance of one in ten."""
    alarms = np.arange(maps + 1)
    over = 0.1 + 2 * np.sqrt(0.09 / maps)
    return float(stats.binom.pmf(alarms, maps, 0.1)[alarms / maps > over].sum())


def drawn_table(kept: Kept) -> str:
    """Tell what was drawn, and in how many combinations alarms are too many."""
    rows = ["| question | cells | combinations drawn | maps of each | alarms in all, hot | cold | "
            "combinations above, hot | cold | by chance |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for question in QUESTIONS:
        for size in SIZES:
            some = [v for k, v in kept.items()
                    if k[:2] == ("null", question) and k[3] == str(size)]  # fmt: skip
            every = len(MEANS) * len(SPREADS) * (len(DESIGNS) - (0 if size == 400 else len(REAL)))
            if not some:
                rows.append(f"| {question} | {size:,} | 0 of {every} | | | | | | |")
                continue
            maps = [int(v["maps"]) for v in some]
            least, most = min(maps), max(maps)
            shares = " | ".join(f"{sum(v[side] for v in some) / sum(maps):.1%}" for side in SIDES)
            many = " | ".join(
                str(sum(above(v[side], v["maps"]) for v in some)) if least >= FEW_MAPS else "–"
                for side in SIDES
            )
            chance = f"{sum(map(beyond, maps)):.1f}" if least >= FEW_MAPS else "–"
            each = f"{least}" if least == most else f"{least}–{most}"
            rows.append(
                f"| {question} | {size:,} | {len(some)} of {every} | {each} | {shares} | {many} | "
                f"{chance} |"
            )
    return "\n".join(rows)


def null_table(kept: Kept, start: tuple[str, str], spread_at: int) -> str:
    """Tell the alarms of one question by design and by dispersion."""
    rows = [
        "| exposure | counts | hot, mean | hot, most | cold, mean | cold, most | maps |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for design, words in DESIGNS.items():
        for spread in SPREADS:
            some = [v for k, v in kept.items()
                    if k[:3] == (*start, design) and k[spread_at] == spread]  # fmt: skip
            if not some:
                continue
            told = []
            for side in SIDES:
                drawn = sum(v["maps"] for v in some)
                alarms = sum(v[side] for v in some)
                mean, many = alarms / drawn, " ✗" * above(alarms, drawn)
                enough = [v for v in some if v["maps"] >= FEW_MAPS] or some
                marked = any(above(v[side], v["maps"]) for v in enough if v["maps"] >= FEW_MAPS)
                worst = max(enough, key=lambda v: v[side] / v["maps"])
                share = worst[side] / worst["maps"]
                told.append(f"{mean:.1%}{many} | {share:.0%} of {worst['maps']}{' ✗' * marked}")
            rows.append(
                f"| {words} | {spread} | {' | '.join(told)} | {sum(v['maps'] for v in some):,} |"
            )
    return "\n".join(rows)


def power_table(kept: Kept) -> str:
    """Tell what of planted risk was found."""
    rows = [
        "\n## What is found\n",
        "One planted place on a lattice of equal cells, Poisson counts. *Found* is the share of "
        "maps in which any of its cells was called, *Jaccard* the mean of cells called and planted "
        "over cells called or planted, *outside* the mean share of called cells that are not "
        "planted (none where nothing is called), with their standard errors. "
        "(A neighbourhood is called for its window, so cells beside the place are called "
        "rightly.) *Wanted* is what the question for such a place is to reach, with at most "
        f"{MOST_OUTSIDE:.0%} outside.\n",
        "| planted | cells | question | found | Jaccard | outside | maps | wanted |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for plant, size, question in product(PLANTS, PLANTED_SIZES, (*QUESTIONS, FLEXIBLE)):
        v = kept.get(("planted", question, plant, str(size)))
        if v:
            maps = v["maps"]
            rows.append(
                f"| {plant} | {size:,} | {question} | {v['found'] / maps:.0%} | "
                f"{v['jaccard'] / maps:.2f} ± {error(v, 'jaccard'):.2f} | "
                f"{v['false'] / maps:.0%} ± {error(v, 'false'):.0%} | {maps:,} | "
                f"{wanted(plant, question, v)} |"
            )
    return "\n".join(rows)


def wanted(plant: str, question: str, sums: Sums) -> str:
    """Tell what is to be reached, and whether it is."""
    if (plant, question) not in WANTED:
        return ""
    what, least = WANTED[plant, question]
    short = least - sums[what] / sums["maps"]
    outside = sums["false"] / sums["maps"] - MOST_OUTSIDE
    figure = f"{least:.0%} found" if what == "found" else f"Jaccard {least:.2f}"
    if max(short, outside) <= 0:
        return f"{figure}: reached"
    missed = short > 2 * error(sums, what) or outside > 2 * error(sums, "false")
    return f"{figure}: {'missed ✗' if missed else 'not decided'}"


def error(sums: Sums, what: str) -> float:
    """Give the standard error of a mean; the squares of what is 0 or 1 are itself."""
    mean = sums[what] / sums["maps"]
    squares = sums.get(f"{what} squared", sums[what]) / sums["maps"]
    return float(np.sqrt(max(squares - mean**2, 0.0) / sums["maps"]))


def main() -> int:
    """Run and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--maps", type=int, help="of each combination; by default fewer large ones")
    parser.add_argument("--beyond", type=int, default=1, metavar="TIMES",
                        help="draw so many times the maps where alarms were too many")  # fmt: skip
    parser.add_argument("--kept", type=Path, default=KEPT, help="where what was drawn is kept")
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--sizes", type=lambda s: [int(n) for n in s.split(",")], default=[*SIZES])
    parser.add_argument("--questions", type=lambda s: s.split(","), default=[*QUESTIONS])
    parser.add_argument("--cubes", action="store_true", help="ask `emerging` instead")
    parser.add_argument("--planted", action="store_true", help="only maps with planted risk")
    parser.add_argument("--page-only", action="store_true")
    arguments = parser.parse_args()
    if not arguments.page_only:
        run(arguments)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
