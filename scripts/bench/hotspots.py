"""Measure the hotspots against esda and KDEpy, in CPU time of the same run.

python scripts/bench/hotspots.py [--quick] [-o FILE]
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

# numba would take coverage.py here for another
sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import pandas as pd
from scipy import sparse

from gridmap._checks import silent
from gridmap.hotspot_analysis import significance
from gridmap.hotspot_analysis.clusters import MOST_CELLS, Plan, Search
from gridmap.hotspot_analysis.density import bin_points, smooth
from gridmap.hotspot_analysis.emerging import classify, cube, mann_kendall, sen_slope
from gridmap.hotspot_analysis.getis_ord import gi_star
from gridmap.hotspot_analysis.hotspots import LEAST_EXPECTED, Base, score
from gridmap.hotspot_analysis.weights import Windows, windows
from gridmap.hotspot_analysis.zones import zones

Row = tuple[str, float, str]


def main() -> int:
    """Run all benches and print one table."""
    arguments = _arguments()
    quick = arguments.quick
    side = 40 if quick else 100
    rng = np.random.default_rng(0)
    within, weights = _lattice(side)
    households = rng.integers(300, 601, side * side).astype(float)
    counts = rng.poisson(households / 100)
    rows = [
        scans(side, 52, 99 if quick else 999),
        *_scores(counts, households, within, weights, quick),
        *_histories(rng, households, within, 52),
        *_densities(rng, 100_000 if quick else 1_000_000, 300 if quick else 1_000),
    ]
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "esda", "KDEpy"))
    text = "\n".join(
        [
            f"Python {platform.python_version()}, {packages}; CPU time, best of several runs.",
            "",
            "| what | CPU | against |",
            "| --- | ---: | --- |",
            *(f"| {what} | {_duration(seconds)} | {against} |" for what, seconds, against in rows),
        ]
    )
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("-o", "--output", type=Path, help="write the table to a file as well")
    return parser.parse_args()


def cpu(run: Callable[[], Any], least: float = 0.5, most: int = 200) -> float:
    """Return the best CPU time of a call, after one to warm up."""
    run()
    best, spent, times = np.inf, 0.0, 0
    while spent < least and times < most:
        start = time.process_time()
        run()
        taken = time.process_time() - start
        best, spent, times = min(best, taken), spent + taken, times + 1
    return float(best)


def _scores(
    counts: np.ndarray, households: np.ndarray, within: Windows, weights: Any, quick: bool
) -> list[Row]:
    """Score one map with prebuilt weights: ours, and esda's analytic and permuted paths."""
    from esda.getisord import G_Local

    # esda divides by the sum of the values, which for standardised rates is nearly 0
    values = counts / households

    def analytic() -> Any:
        return G_Local(values, weights, transform="B", star=True, permutations=0)

    def permuted() -> Any:
        return G_Local(
            values, weights, transform="B", star=True, permutations=999, seed=0, n_jobs=1
        )

    def plain() -> Any:
        return significance.normal_p(gi_star(values, within))

    def default() -> Any:
        found = score(counts[:, None], households, within)
        q = significance.benjamini_hochberg(found.p, found.window_expected >= LEAST_EXPECTED)
        return significance.bins(found.z, q)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slow = cpu(analytic)
        agreement = np.abs(analytic().Zs - gi_star(values, within)).max()
        slowest = cpu(permuted, least=0.1, most=1 if quick else 2)
    ours, whole = cpu(plain), cpu(default)
    cells = f"{len(counts):,} cells"
    return [
        (f"Gi* and normal p, {cells}", ours, f"**{slow / ours:,.0f}×** esda analytic"),
        (f"the same by esda, analytic, {cells}", slow, f"scores differ by {agreement:.0e}"),
        (
            f"rates, Gi*, skew-corrected p, BH and bins, {cells}",
            whole,
            f"**{slow / whole:,.0f}×** esda analytic, "
            f"**{slowest / whole:,.0f}×** esda with 999 permutations",
        ),
        (f"esda, 999 permutations, warm, {cells}", slowest, ""),
    ]


def _histories(
    rng: np.random.Generator, households: np.ndarray, within: Windows, steps: int
) -> list[Row]:
    counts = rng.poisson(np.repeat(households[:, None] / 100, steps, axis=1))

    def run() -> Any:
        found = cube(counts, households, within)
        hit = found.tested & (found.q <= 0.1)
        trend = mann_kendall(found.ratio)
        sen_slope(found.ratio)
        return classify(hit & (found.z > 0), hit & (found.z < 0), trend.z)

    return [
        (f"emerging classes and slopes, {len(households):,} cells × {steps} periods", cpu(run), "")
    ]


def scans(side: int, steps: int, replicates: int) -> Row:
    """Scan a cube without risk for what is alive in its last step, replicates and all."""
    rng = np.random.default_rng(0)
    line = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(side, side))
    one = sparse.eye_array(side)
    near = sparse.csr_array(sparse.kron(line, one) + sparse.kron(one, line))
    x, y = np.meshgrid(np.arange(side, dtype=float), np.arange(side, dtype=float))
    households = rng.integers(300, 601, side * side).astype(float)
    counts = rng.poisson(np.repeat(households[:, None] / 450, steps, axis=1))
    weeks = pd.period_range("2024-01-01", periods=steps, freq="W-SUN")
    plan = Plan(
        "latest", "exposure", "period", "circular", ("hot",), 0.1, None, replicates, None, 0
    )

    def run(plan: Plan) -> None:
        zoned = zones(
            x.ravel(), y.ravel(), households, near.indptr.astype(np.int64),
            near.indices.astype(np.int64), largest=0.1 * households.sum(), most=MOST_CELLS,
        )  # fmt: skip
        Search(counts, Base(households, "households"), zoned, weeks, plan).run(silent)

    run(replace(plan, replicates=19))
    start = time.process_time()
    run(plan)
    spent = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    what = f"scan, {side * side:,} cells × {steps} periods, {replicates:,} replicates"
    return (what, spent, f"at most {peak:.1f} GB in the process")


def _densities(rng: np.random.Generator, count: int, side: int) -> list[Row]:
    """Spread points in clusters over a raster; check pixels against the direct sum."""
    from KDEpy import FFTKDE

    extent, h = 10_000.0, 100.0
    pixel = extent / side
    centres, spread = rng.uniform(1000, 9000, (40, 2)), rng.uniform(80, 600, 40)
    label = rng.integers(0, 40, count)
    points = centres[label] + rng.normal(size=(count, 2)) * spread[label, None]
    points = np.clip(points, 0, extent - 1e-6)
    x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    place = {"west": 0.0, "north": extent, "pixel": pixel, "shape": (side, side)}

    def ours() -> Any:
        return smooth(bin_points(x, y, **place), pixel=pixel, bandwidth=h)

    axis = (np.arange(-8, side + 8) + 0.5) * pixel
    nodes = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)

    def theirs() -> Any:
        return FFTKDE(kernel="gaussian", bw=h).fit(points).evaluate(nodes)

    fast, slow = cpu(ours), cpu(theirs, least=0.1, most=3)
    density = ours()
    other = theirs().reshape(len(axis), -1)[8:-8, 8:-8].T[::-1] * count
    rows, columns = rng.integers(0, side, (2, 60))
    at = np.column_stack([(columns + 0.5) * pixel, extent - (rows + 0.5) * pixel])
    direct = np.array([np.exp(-np.square(points - q).sum(1) / (2 * h * h)).sum() for q in at]) / (
        2 * np.pi * h * h
    )
    error = np.abs(density[rows, columns] - direct).max() / direct.max()
    theirs_error = np.abs(other[rows, columns] - direct).max() / direct.max()
    size = f"{count:,} points on {side:,}²"
    return [
        (f"density, {size}", fast, f"**{slow / fast:.1f}×** KDEpy; error {error:.3%} of the peak"),
        (f"KDEpy FFTKDE, {size}", slow, f"error {theirs_error:.3%} of the peak"),
    ]


def _lattice(side: int) -> tuple[Windows, Any]:
    """Make the rook contiguity of a square lattice, for us and for esda."""
    from libpysal.weights import W

    line = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(side, side))
    one = sparse.eye_array(side)
    matrix = sparse.csr_array(sparse.kron(line, one) + sparse.kron(one, line))
    rows = {k: matrix.indices[a:b].tolist() for k, (a, b) in enumerate(_spans(matrix))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return windows(matrix), W(rows, silence_warnings=True)


def _spans(matrix: sparse.csr_array) -> list[tuple[int, int]]:
    return list(zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True))


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
