"""Measure proof, validation and repair of coverages against shapely and a plain overlay.

Times are CPU seconds (`time.process_time`); every ratio is between two runs of this same process.
Compiled kernels are warmed up first: the compilation is cached on disk and paid once a machine.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

# in place of this folder, where this very file would pass for the package `coverage`
sys.path[0] = str(Path(__file__).resolve().parents[2])

from gridmap.coverage.prove import prove
from gridmap.coverage.repair import repair
from gridmap.coverage.validate import validate
from tests.damage import Broken, damaged, jittered, quilt

ROUNDS = 3


def main() -> None:
    """Run the measurements and print them as markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("-o", "--output", type=Path, help="write the tables to a file as well")
    chosen = parser.parse_args()
    sizes = [1_000, 4_000] if chosen.quick else [1_000, 10_000, 100_000, 1_000_000]
    importlib.import_module("gridmap.coverage.kernels")  # as in a session that has used them
    warm = quilt(60, 60)
    prove(warm.cells, warm.boundary, warm.parents, warm.parent_of)
    moved = sizes[0 if chosen.quick else 1]
    text = "\n\n".join([clean(sizes), dirty(moved), defects(), mending(sizes[1]), cleaning()])
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n", encoding="utf-8")


def cpu(work: Callable[[], Any], rounds: int = 1) -> tuple[float, Any]:
    """Return the least CPU seconds of a few runs, and the result."""
    best, result = np.inf, None
    for _ in range(rounds):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


def naive(cells: np.ndarray, boundary: shapely.Geometry) -> tuple[Any, Any, Any]:
    """Overlay everything with everything; return overlaps by pairs, gaps and outside."""
    i, j = shapely.STRtree(cells).query(cells, predicate="intersects")
    once = i < j
    overlaps = shapely.intersection(cells[i[once]], cells[j[once]])
    union = shapely.union_all(cells)
    return overlaps, shapely.difference(boundary, union), shapely.difference(union, boundary)


def clean(sizes: list[int]) -> str:
    """Compare the proof of clean coverages with its peers."""
    lines = [
        "Clean coverages of cells with 48 vertices, with lakes; CPU seconds, in a session that "
        "has used the\ncompiled kernels before (a fresh process proves fewer than a million edges "
        "without them, which saves\ntheir loading).",
        "",
        "| cells | proof | with parents | `coverage_is_valid` | ratio | naive overlay | ratio "
        "| memory |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for size in sizes:
        side = round(size**0.5)
        whole = quilt(side, side, lakes=3)
        cells = whole.cells
        rounds = ROUNDS if size <= 100_000 else 1
        proof, found = cpu(partial(prove, cells, whole.boundary), rounds)
        assert found.verdict == "exact"
        parents = "–"
        if size <= 100_000:
            areas, parent_of = whole.parents, whole.parent_of
            nested, found = cpu(partial(prove, cells, whole.boundary, areas, parent_of))
            assert found.verdict == "exact"
            parents = f"{nested:.3f}"
        valid, _ = cpu(partial(shapely.coverage_is_valid, cells), rounds)
        plain, ratio = "–", "–"
        if size <= 100_000:
            seconds, _ = cpu(partial(naive, cells, whole.boundary))
            plain, ratio = f"{seconds:.2f}", f"{seconds / proof:.0f}×"
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        lines.append(
            f"| {len(cells):,} | {proof:.3f} | {parents} | {valid:.3f} | {valid / proof:.1f}× "
            f"| {plain} | {ratio} | {memory:.1f} GB |"
        )
    lines += ["", "Memory is the peak of the whole process so far, input and peers included."]
    return "\n".join(lines)


def dirty(size: int) -> str:
    """Compare validation of dirty coverages with a plain overlay that gives the same areas.

    Ground in three cells is in three of the overlay's pairs and in one of our overlaps: the pairs
    are brought together, beside the clock, before areas are compared.
    """
    side = round(size**0.5)
    whole = quilt(side, side, lakes=3)
    lines = [
        f"Every vertex of some of {len(whole.cells):,} cells moved by up to 2 cm. The last column "
        "compares the areas of gaps, of ground in several cells and of ground outside.",
        "",
        "| cells moved | validate | naive overlay | ratio | defects | greatest difference |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for share in (0.1, 1.0):
        cells = jittered(whole.cells, share)
        series = gpd.GeoSeries(cells, crs=4547)
        ours, found = cpu(partial(validate, series, whole.boundary))
        plain, shapes = cpu(partial(naive, cells, whole.boundary))
        areas = [shapely.union_all(shapes[0]).area, *map(shapely.area, shapes[1:])]
        sums = found.groupby("kind")["area_m2"].sum()
        off = max(
            abs(sums[kind] - area) / area
            for kind, area in zip(("overlap", "gap", "outside"), areas, strict=True)
        )
        lines.append(
            f"| {share:.0%} | {ours:.2f} | {plain:.2f} | {ours / plain:.2f} | {len(found):,} "
            f"| {off:.1e} |"
        )
    return "\n".join(lines)


def defects() -> str:
    """Count how many injected defects are found, and what is found besides."""
    whole = quilt(90, 112, lakes=3)
    broken = damaged(whole, each=4)
    series = gpd.GeoSeries(broken.cells, crs=4547)
    seconds, found = cpu(partial(validate, series, whole.boundary))
    recalled, wrong = _recall(broken, found)
    valid, _ = cpu(lambda: shapely.coverage_invalid_edges(broken.cells))
    plain, _ = cpu(lambda: naive(shapely.make_valid(broken.cells), whole.boundary))
    return "\n".join(
        [
            f"{len(broken.truth)} injected defects of every kind, from 1e-9 m², in "
            f"{len(broken.cells):,} cells.",
            "",
            "| recall | areas to 1e-6 | false alarms | validate | naive overlay "
            "| `coverage_invalid_edges` |",
            "|--:|--:|--:|--:|--:|--:|",
            f"| {recalled} of {len(broken.truth)} | all of those | {wrong} | {seconds:.2f} "
            f"| {plain:.2f} | {valid:.2f} |",
        ]
    )


def _recall(broken: Broken, found: gpd.GeoDataFrame) -> tuple[int, int]:
    """Return how many defects were found as they are, and how many rows lie elsewhere."""
    shapes = found.geometry.to_numpy()
    tree = shapely.STRtree(shapes)
    recalled = 0
    for damage in broken.truth:
        rows = found.iloc[tree.query(damage.zone, predicate="intersects")]
        if damage.kind:
            rows = rows[rows["kind"] == damage.kind]
        if damage.area:
            rows = rows[(rows["area_m2"] - damage.area).abs() <= 1e-6 * damage.area]
        recalled += len(rows) > 0
    zones = shapely.union_all([damage.zone for damage in broken.truth])
    return recalled, int((~shapely.within(shapes, zones)).sum())


def mending(size: int) -> str:
    """Measure the repair of injected damage."""
    side = round(size**0.5)
    whole = quilt(max(side, 24), max(side, 112), lakes=3)
    broken = damaged(whole, each=4)
    households = 300 + np.arange(len(broken.cells)) % 300
    cells = gpd.GeoDataFrame({"households": households}, geometry=broken.cells, crs=4547)
    seconds, (mended, log) = cpu(lambda: repair(cells, whole.boundary))
    lost = int(cells["households"].sum() - mended["households"].sum())
    return "\n".join(
        [
            f"Repair of {len(broken.truth)} defects in {len(cells):,} cells.",
            "",
            "| verdict after | cells changed | households lost | CPU seconds |",
            "|---|--:|--:|--:|",
            f"| {log.attrs['verdict']} | {len(log):,} | {lost} | {seconds:.2f} |",
        ]
    )


def cleaning(count: int = 300) -> str:
    """Compare the repair of slivers along long borders with `shapely.coverage_clean`."""
    whole = quilt(20, 20)
    boundary, *cells = map(_finer, [whole.boundary, *whole.cells])
    cells = np.array(cells)
    random = np.random.default_rng(3)
    for k in random.integers(0, len(cells), count):
        xy = shapely.get_coordinates(cells[k])
        xy[random.integers(1, len(xy) - 1)] += random.uniform(-0.05, 0.05, 2)
        cells[k] = shapely.Polygon(xy)
    frame = gpd.GeoDataFrame(geometry=cells, crs=4547)
    ours, (mended, _) = cpu(partial(repair, frame, boundary))
    peer, cleaned = cpu(partial(shapely.coverage_clean, cells, gap_width=0.2))
    after = [_told(polygons, boundary) for polygons in (mended.geometry.to_numpy(), cleaned)]
    return "\n".join(
        [
            f"{count} vertices of {len(cells)} cells with "
            f"{shapely.get_num_coordinates(cells).sum():,} vertices moved by up to 5 cm.",
            "",
            "| | CPU seconds | ratio | verdict after | area moved (m²) |",
            "|---|--:|--:|---|--:|",
            f"| `repair` | {ours:.2f} | {ours / peer:.1f} | {after[0]} "
            f"| {_moved(cells, mended.geometry.to_numpy()):.3f} |",
            f"| `coverage_clean` | {peer:.2f} | 1 | {after[1]} | {_moved(cells, cleaned):.3f} |",
        ]
    )


def _finer(polygon: shapely.Polygon, times: int = 4) -> shapely.Polygon:
    """Put a vertex into the middle of each side, a few times over: the same from both sides."""
    xy = shapely.get_coordinates(polygon.exterior)
    for _ in range(times):
        middle = (xy[:-1] + xy[1:]) / 2
        xy = np.concatenate([np.stack([xy[:-1], middle], axis=1).reshape(-1, 2), xy[-1:]])
    return shapely.Polygon(xy)


def _told(polygons: np.ndarray, boundary: shapely.Geometry) -> str:
    """Return the verdict of the proof, in the words of the page."""
    return prove(polygons, boundary).verdict.replace("_", " ")


def _moved(before: np.ndarray, after: np.ndarray) -> float:
    """Return the area by which cells differ."""
    return float(shapely.area(shapely.symmetric_difference(before, after)).sum())


if __name__ == "__main__":
    main()
