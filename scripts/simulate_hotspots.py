"""Ask by simulation how often each way of reading a map cries wolf, and what it misses.

python scripts/simulate_hotspots.py [--quick] [-o docs/pages/hotspots-simulation.md]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import gridmap as gm
from gridmap.hotspot_analysis import multiple_testing, significance
from gridmap.hotspot_analysis.getis_ord import gi_star
from gridmap.hotspot_analysis.hotspots import LEAST_EXPECTED, LEAST_EXPECTED_COLD, score
from gridmap.hotspot_analysis.weights import Windows, matrix_of, windows

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]
Method = Callable[[Counts], Flags]

HEAD = """# What the hotspots find, and what they invent

Made by `scripts/simulate_hotspots.py`; nothing here is typed in by hand.

The cells are those of the made-up city (`example_city(seed=0, size="town")`, {cells} cells with
households, {low}–{high} households each). Incidents are drawn by chance from the households, {maps}
maps a row. With **identical risk everywhere** there is nothing to find: every hot cell is a false
alarm. With **planted** hotspots, {areas} random cells and all their neighbours have {times} times
the risk; an area is *found* when one of its cells is hot, and a hot cell is *false* when it neither
lies in a planted area nor shares a line with one.

- **default**: what `gridmap.hotspots` does: Gi* on standardised rates, p corrected for skew, false
  discovery rate 10 %.
- **normal p**: the same without the correction for skew.
- **raw counts, BH**: Gi* on counts, false discovery rate 10 %.
- **raw counts, z > 1.96**: Gi* on counts, each cell judged alone.
- **heatmap**: kernel density of the incidents (250 m) at the cells, red above mean + 2 standard
  deviations.
- **count map**: cells with counts above mean + 2 standard deviations.
"""

VARIANTS_HEAD = """
## Two precautions of the default, and what happens without them

Pearson III, matched to the skew of a window's sum, gives the p of hot spots. It ends at −2/skew:
below that it leaves nothing to chance. A strong hotspot skews the whole map, so on the **cold
side** the default works out how sums of random draws are distributed instead. And a few **odd
cells**, as twenty flats above a market, may have rates so far out that no window stands out any
more; on such a map, known by window sums more skewed than an exponential distribution, rates are
cut at 4 standard deviations, and the caveats count the cells.

{mean} incidents a cell, {maps} maps a column, hot and cold cells counted together. Left: planted
areas that were found; right: called cells that lie in no planted area nor beside one.

- **no cut**: the default with `curb=None`.
- **Pearson III on both sides**: `p="pearson", curb=None`, the formulas alone.
"""


def main() -> int:
    """Simulate and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="few maps, to see that it runs")
    parser.add_argument("-o", "--output", type=Path, help="write the page to a file as well")
    arguments = parser.parse_args()
    maps = 40 if arguments.quick else 1000
    town = _Town()
    rng = np.random.default_rng(2026)
    areas, times = 5, (2, 3)
    low, high = int(town.households.min()), int(town.households.max())
    facts = {"cells": f"{len(town.households):,}", "low": low, "high": high, "maps": f"{maps:,}"}
    parts = [HEAD.format(**facts, areas=areas, times=" or ".join(map(str, times)))]
    for mean in (4, 20):
        parts.append(f"\n## {mean} incidents a cell\n")
        parts.append(_table(town, rng, maps, mean, areas, times))
    parts.append(VARIANTS_HEAD.format(mean=20, maps=f"{maps:,}"))
    parts.append(_variants(town, rng, maps, 20))
    text = "\n".join(parts)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    return 0


class _Town:
    """Households, windows and places of the made-up city's cells that have households."""

    def __init__(self) -> None:
        city = gm.example_city(seed=0, size="town")
        units = gm.subdivide(
            city.jurisdictions,
            city.buildings,
            barriers=city.barriers,
            dedicated=city.dedicated,
            levels=["district", "street", "community"],
            code="code",
        )
        grid = gm.partition(units, households=(300, 600), seed=0)
        all_households = grid.cells["households"].to_numpy(float)
        keep = np.flatnonzero(all_households > 0)
        matrix = matrix_of(grid.contiguity, grid.cells.index)
        self.households = all_households[keep]
        self.within: Windows = windows(matrix[keep][:, keep])
        centres = grid.cells.geometry.iloc[keep].representative_point()
        x, y = centres.x.to_numpy(), centres.y.to_numpy()
        squares = np.subtract.outer(x, x) ** 2 + np.subtract.outer(y, y) ** 2
        self.kernel = np.exp(-squares / (2 * 250.0**2))

    def methods(self) -> dict[str, Method]:
        """Give each way of calling cells hot, on counts with a column a map."""
        return {
            "**default**": lambda counts: self.called(counts)[0],
            "normal p": lambda counts: self.called(counts, p="normal")[0],
            "raw counts, BH": self._raw_bh,
            "raw counts, z > 1.96": lambda counts: (
                gi_star(counts.astype(float), self.within) > 1.96
            ),
            "heatmap": lambda counts: _outstanding(self.kernel @ counts),
            "count map": lambda counts: _outstanding(counts),
        }

    def called(self, counts: Counts, **options: Any) -> tuple[Flags, Flags]:
        """Give the hot and the cold cells by Gi* of standardised rates."""
        found = score(counts, self.households, self.within, **options)
        q = multiple_testing.benjamini_hochberg(found.p, found.window_expected >= LEAST_EXPECTED)
        enough = found.window_expected >= LEAST_EXPECTED_COLD
        return (q <= 0.1) & (found.z > 0), (q <= 0.1) & (found.z < 0) & enough

    def _raw_bh(self, counts: Counts) -> Flags:
        z = gi_star(counts.astype(float), self.within)
        return np.asarray(
            (multiple_testing.benjamini_hochberg(significance.normal_p(z)) <= 0.1) & (z > 0)
        )


def _outstanding(values: NDArray[Any]) -> Flags:
    return np.asarray(values > values.mean(axis=0) + 2 * values.std(axis=0))


def _table(
    town: _Town, rng: np.random.Generator, maps: int, mean: int, areas: int, times: tuple[int, ...]
) -> str:
    rate = mean / town.households.mean()
    flat = np.repeat((town.households * rate)[:, None], maps, axis=1)
    nothing = rng.poisson(flat)
    planted = {k: _plant(town, rng, maps, areas, k) for k in times}
    drawn = {k: rng.poisson(flat * risk) for k, (risk, _) in planted.items()}
    head = "| | identical risk: maps with a false alarm | false hot cells a map |"
    rule = "| --- | ---: | ---: |"
    for k in times:
        head += f" risk × {k}: areas found | hot cells that are false |"
        rule += " ---: | ---: |"
    lines = [head, rule]
    for name, method in town.methods().items():
        alarms = method(nothing)
        line = f"| {name} | {alarms.any(axis=0).mean():.1%} | {alarms.sum(axis=0).mean():.2f} |"
        for k in times:
            found, false = _judged(town, method(drawn[k]), planted[k][1])
            line += f" {found:.0%} | {false:.0%} |"
        lines.append(line)
    return "\n".join(lines)


VARIANTS: dict[str, dict[str, Any]] = {
    "**default**": {},
    "no cut": {"curb": None},
    "Pearson III on both sides": {"p": "pearson", "curb": None},
    "normal p": {"p": "normal"},
}
# planted areas, times the risk in them, odd cells with 30 incidents more
SCENES = {
    "one hotspot, × 3": (1, 3.0, 0),
    "five hotspots, × 3": (5, 3.0, 0),
    "five cold spots, × 0.2": (5, 0.2, 0),
    "five hotspots and one odd cell": (5, 3.0, 1),
    "five hotspots and three odd cells": (5, 3.0, 3),
}


def _variants(town: _Town, rng: np.random.Generator, maps: int, mean: int) -> str:
    """Hold the default against the same without its precautions."""
    columns: dict[str, list[str]] = {name: [] for name in VARIANTS}
    flat = town.households[:, None] * mean / town.households.mean()
    for areas, risk, odd in SCENES.values():
        risks, middles = _plant(town, rng, maps, areas, risk)
        counts = rng.poisson(flat * risks)
        smallest = np.argsort(town.households)[:odd]
        counts[smallest] += 30
        for name, options in VARIANTS.items():
            hot, cold = town.called(counts, **options)
            found, _ = _judged(town, hot if risk > 1 else cold, middles)
            _, false = _judged(town, hot | cold, middles, smallest)
            columns[name].append(f"{found:.0%} | {false:.0%}")
    head = "| | " + " | ".join(f"{name}: found | false" for name in SCENES) + " |"
    rule = "| --- |" + " ---: | ---: |" * len(SCENES)
    return "\n".join([head, rule, *(f"| {n} | {' | '.join(c)} |" for n, c in columns.items())])


def _plant(
    town: _Town, rng: np.random.Generator, maps: int, areas: int, times: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Raise the risk around random cells; give the risk and the cells in the middle."""
    n = len(town.households)
    middles = np.argsort(rng.random((n, maps)), axis=0)[:areas]
    marks = np.zeros((n, maps))
    marks[middles, np.arange(maps)] = 1.0
    inside = town.within.members @ marks > 0
    return np.where(inside, float(times), 1.0), middles


def _judged(
    town: _Town, hot: Flags, middles: NDArray[np.int64], odd: NDArray[np.int64] | None = None
) -> tuple[float, float]:
    """Give the share of planted areas with a hot cell, and of hot cells near no planted area."""
    members: sparse.csr_array = town.within.members
    touched = (members @ hot.astype(float)) > 0
    found = touched[middles, np.arange(hot.shape[1])].mean()
    marks = np.zeros(hot.shape)
    marks[middles, np.arange(hot.shape[1])] = 1.0
    if odd is not None:
        marks[odd] = 1.0
    near = members @ (members @ marks) > 0
    return float(found), float((hot & ~near).sum() / max(hot.sum(), 1))


if __name__ == "__main__":
    sys.exit(main())
