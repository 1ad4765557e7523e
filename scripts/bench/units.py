"""Measure how units are made: CPU time by stage, memory, and the usual recipe beside it.

The recipe is a Voronoi tessellation of the buildings clipped to the blocks with
`geopandas.overlay`: one piece a building, nothing proved,
nothing said of households, slivers or culs-de-sac. Read the figures as ratios.

    python scripts/bench/units.py --quick
    python scripts/bench/units.py -o units.md
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from itertools import pairwise
from pathlib import Path

# numba would take coverage.py here for another
sys.path[0] = str(Path(__file__).resolve().parents[2])

import geopandas as gpd
import shapely

import gridmap as gm


def stages_of(city: gm.ExampleCity) -> tuple[gpd.GeoDataFrame, dict[str, float]]:
    """Return the units of a city and the CPU seconds of each stage."""
    marks: list[tuple[str, float]] = []

    def note(stage: str, done: int, total: int) -> None:
        marks.append((stage if done < total else "end", time.process_time()))

    units = gm.subdivide(
        city.jurisdictions,
        city.buildings,
        barriers=city.barriers,
        dedicated=city.dedicated,
        progress=note,
    )
    return units, {stage: after - before for (stage, before), (_, after) in pairwise(marks)}


def recipe(city: gm.ExampleCity) -> tuple[float, bool]:
    """Return the CPU seconds of clipping a tessellation to the blocks, and whether it matches."""
    start = time.process_time()
    lines = [*city.barriers.geometry, *city.jurisdictions.boundary]
    blocks = gpd.GeoDataFrame(
        geometry=list(shapely.get_parts(shapely.polygonize(
            shapely.get_parts(shapely.union_all(lines))))),
        crs=city.barriers.crs,
    )  # fmt: skip
    points = shapely.multipoints(shapely.get_coordinates(city.buildings.geometry))
    pieces = gpd.GeoDataFrame(
        geometry=list(shapely.get_parts(shapely.voronoi_polygons(points))), crs=blocks.crs
    )
    clipped = gpd.overlay(pieces, blocks, how="intersection", keep_geom_type=False)
    seconds = time.process_time() - start
    areal = clipped[clipped.geom_type.isin(["Polygon", "MultiPolygon"])]
    return seconds, bool(areal.is_valid_coverage())


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the town instead of the city")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    city = gm.example_city(seed=0, size="town" if options.quick else "city")
    units, stages = stages_of(city)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours, (theirs, matches) = sum(stages.values()), recipe(city)
    rows = [
        f"| {len(city.jurisdictions):,} communities, {len(city.buildings):,} buildings | "
        f"{len(units):,} units, {units['block'].nunique():,} blocks |",
        "| --- | --- |",
        *(f"| {stage} | {cpu:.1f} s |" for stage, cpu in stages.items()),
        f"| in all (CPU) | {ours:.1f} s |",
        f"| Voronoi and overlay | {theirs:.1f} s ({theirs / ours:.1f}×), "
        f"{'edge-matched' if matches else 'not edge-matched'} |",
        f"| peak memory | {peak:,.0f} MB |",
        f"| households lost | {city.buildings['households'].sum() - units['households'].sum()} |",
    ]
    table = "\n".join(rows)
    print(table)
    if options.output:
        options.output.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
