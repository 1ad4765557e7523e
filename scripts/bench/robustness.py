"""Measure what a hundred ways to draw the cells of the town cost, and what stands in them.

python scripts/bench/robustness.py [--quick] [-o FILE]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import pandas as pd
import shapely

import gridmap as gm

# households in the planted place, in its core, to each incident elsewhere, and times the risk
PLACE, CORE, EACH, TIMES = 2500, 1200, 20, 4.0


def main() -> int:
    """Run and print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few ways, to see that it runs")
    parser.add_argument("-o", "--output", type=Path, help="write the table to a file as well")
    asked = parser.parse_args()
    grids = 5 if asked.quick else 100
    town = gm.example_city(seed=0)
    units = gm.subdivide(town.jurisdictions, town.buildings, barriers=town.barriers)
    homes = units["households"].to_numpy(float)
    centre = shapely.Point(*units.total_bounds.reshape(2, 2).mean(axis=0))
    away = units.representative_point().distance(centre).to_numpy()
    near = np.argsort(away, kind="stable")
    within = np.empty(len(units))
    within[near] = np.cumsum(homes[near])
    inside, lived = within < PLACE, homes > 0
    planted, spent = drawn(units, np.where(inside, TIMES, 1.0), grids, 0)
    noise, again = drawn(units, np.ones(len(units)), grids, 1)
    places = {
        f"planted × {TIMES:g}, the core of {CORE:,} households": planted[lived & (within < CORE)],
        f"planted × {TIMES:g}, all {PLACE:,} households": planted[lived & inside],
        "the rest of that map": planted[lived & ~inside],
        "a map without any risk": noise[lived],
    }
    lines = [
        f"{grids} ways to draw the cells of {len(units):,} units: "
        f"{spent:.0f} and {again:.0f} s of CPU.",
        "",
        "| units | mean share of the ways in which they are hot | hot in nine of ten or more |",
        "| --- | ---: | ---: |",
        *(
            f"| {words} | {share.mean():.1%} | {(share >= 0.9).mean():.1%} |"
            for words, share in places.items()
        ),
    ]
    print("\n".join(lines))
    if asked.output:
        asked.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def drawn(units: Any, times: np.ndarray, grids: int, seed: int) -> tuple[np.ndarray, float]:
    """Draw incidents from the households; give the share of each unit, and the CPU time."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(units["households"].to_numpy(float) * times / EACH)
    at = np.repeat(np.arange(len(units)), counts)
    places = units.representative_point()
    people = pd.DataFrame({"x": places.x.to_numpy()[at], "y": places.y.to_numpy()[at]})
    start = time.process_time()
    share = gm.robustness(people, units, grids=grids)["share"].to_numpy()
    return share, time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
