"""Measure the way by district: a country that no memory holds.

The country is the invented city again and again, apart from each other: its districts share
borders within a city. Each command runs in a process of its own; memory is the peak of the largest
process. What was measured is kept beside the places, so that a run that is ended goes on.

    python scripts/bench/country.py --folder places   # kept, and used again
    python scripts/bench/country.py --cities 1        # one city alone
    python scripts/bench/country.py --quick           # towns in place of cities
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from math import log
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

import geopandas as gpd
import numpy as np
import pyarrow as pa
import shapely
from pyarrow import parquet as pq

from scripts.bench.scale import Found, Kept, gridmap

APART = 40_000.0  # metres from one city to the next
CITIES = (1, 10, 30)
INCIDENTS = (1_000_000, 10_000_000, 100_000_000)
DRAWN = 10_000_000  # incidents in a file; of more, a folder holds the same again and again
FAR = 1_000_000  # cells to which is extrapolated
WORKERS = 2
LAYERS = ("jurisdictions", "buildings", "barriers", "dedicated")
T = TypeVar("T")


def apart(function: Callable[..., T], *given: object) -> T:
    """Call in a process of its own, so that this one stays small: a child begins with its size."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def country(city: Path, folder: Path, copies: int) -> None:
    """Write a city as many times as asked, in spatial order, with bounding boxes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in LAYERS:
        path = folder / f"{name}.parquet"
        if path.exists():
            continue
        frame = gpd.read_file(city / f"{name}.gpkg", use_arrow=True)
        frame = frame.iloc[np.argsort(frame.hilbert_distance(), kind="stable")]
        first = copied(frame, name, 0).schema
        geo = json.loads(first.metadata[b"geo"])
        geo["columns"]["geometry"]["bbox"][2] += APART * (copies - 1)
        schema = first.with_metadata({b"geo": json.dumps(geo)})
        fresh = path.with_suffix(".part")
        with pq.ParquetWriter(fresh, schema) as file:
            for k in range(copies):
                file.write_table(copied(frame, name, k).cast(schema), row_group_size=10_000)
        fresh.rename(path)


def copied(frame: gpd.GeoDataFrame, name: str, k: int) -> pa.Table:
    """Return one layer of the city number `k`, as GeoParquet holds it."""
    far = np.array([APART * k, 0.0])
    moved = shapely.transform(frame.geometry.to_numpy(), lambda xy: xy + far)
    part = frame.set_geometry(gpd.GeoSeries(moved, index=frame.index, crs=frame.crs))
    if name == "jurisdictions":
        part = part.assign(
            code=[f"{k:03d}{code}" for code in part["code"]],
            area=[f"{k:03d}{district}" for district in part["district"]],
        )
    file = io.BytesIO()
    part.to_parquet(file, index=False, write_covering_bbox=True)
    return pq.read_table(file)


def incidents(folder: Path, count: int) -> Path:
    """Write incidents near the buildings of a country, all cities mixed."""
    path = folder / f"incidents-{count}.parquet"
    if path.exists():
        return path
    if count > DRAWN:
        path.mkdir()
        for part in range(count // DRAWN):
            os.link(incidents(folder, DRAWN), path / f"part-{part:03d}.parquet")
        return path
    homes = pq.read_table(folder / "buildings.parquet", columns=["geometry"])["geometry"]
    xy = shapely.get_coordinates(shapely.from_wkb(homes.to_numpy()))
    rng = np.random.default_rng(0)
    schema = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("y", pa.float64())])
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, count, 1_000_000):
            size = min(1_000_000, count - start)
            at = xy[rng.integers(0, len(xy), size)] + rng.normal(0, 30, (size, 2))
            file.write_table(pa.table([np.arange(start, start + size), *at.T], schema=schema))
    return path


def measured(folder: Path) -> Found:
    """Run the commands of one country, but those that were measured."""
    kept = Kept(folder.with_name(f"{folder.name}.json"))
    stage = kept.stage
    grid = folder / "grid"
    layer = {name: folder / f"{name}.parquet" for name in LAYERS}
    stage("partition --by", lambda: gridmap(
        "partition", layer["jurisdictions"], "--households", layer["buildings"], "--barriers",
        layer["barriers"], "--dedicated", layer["dedicated"], "--by", "area", "-o", grid,
        "--workers", str(WORKERS), "--code", "code",
    ))  # fmt: skip
    stage("validate", lambda: gridmap("validate", grid))
    for count in INCIDENTS:
        stage(f"assign --counts, {count:,}", lambda count=count: gridmap(
            "assign", grid, apart(incidents, folder, count), "--counts", "--overwrite", "--datum",
            "EPSG:4547", "-o", folder / "counts.csv",
        ))  # fmt: skip
    whole = pq.read_table(grid / "districts/gridmap_metadata.parquet").to_pydict()
    facts = dict(zip(whole["key"], whole["value"], strict=True))
    parts = json.loads(facts["parameters"])["parts"]
    kept.found["size"] = {
        "cells": sum(part["cells"] for part in parts.values()),
        "districts": len(parts),
        "buildings": pq.read_metadata(layer["buildings"]).num_rows,
    }
    return kept.found


def table(found: list[Found]) -> str:
    """Return what each country took, how it grows, and what that comes to beyond."""
    lines = [
        "| cells | buildings | districts | stage | CPU s | wall s | peak MB |",
        "| ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for run in found:
        size = run["size"]
        start = f"| {size['cells']:,} | {size['buildings']:,} | {size['districts']:,} |"
        lines += [
            f"{start} {name} | {spent['cpu']:,.1f} | {spent['wall']:,.1f} | "
            f"{spent['megabytes']:,.0f} |"
            for name, spent in run.items()
            if name != "size"
        ]
    lines += [
        "",
        f"{WORKERS} processes; memory is that of the largest, CPU that of all together, start and "
        f"compiled kernels included. Beyond {DRAWN:,} incidents a folder holds the same again.",
    ]
    if len(found) < 2:
        return "\n".join([*lines, "", straight(found[0])])
    small, large = found[0], found[-1]
    ratio = large["size"]["cells"] / small["size"]["cells"]
    grows = {
        name: log(large[name]["cpu"] / small[name]["cpu"]) / log(ratio)
        for name in ("partition --by", "validate")
    }
    peaks = [f"{run['partition --by']['megabytes'] / small['partition --by']['megabytes']:.2f}"
             for run in found[1:]]  # fmt: skip
    cells = [f"{run['size']['cells'] / small['size']['cells']:.0f}" for run in found[1:]]
    before, after = found[-2:]
    more = after["validate"]["megabytes"] - before["validate"]["megabytes"]
    each = more / (after["size"]["districts"] - before["size"]["districts"])
    return "\n".join(
        [
            *lines,
            "",
            f"CPU grows with the power {grows['partition --by']:.2f} of the cells (validate "
            f"{grows['validate']:.2f}). The peak of a process is {' and '.join(peaks)} times as "
            f"high at {' and '.join(cells)} times the cells: what grows are the outlines of the "
            f"districts, which are proved together, with {each:.1f} MB for each further one "
            "(`validate`).",
            "",
            straight(large),
        ]
    )


def straight(run: dict[str, dict[str, float]]) -> str:
    """Return how memory grows with incidents, and what a straight line to many cells comes to."""
    cells = run["size"]["cells"]
    few, many = (run[f"assign --counts, {count:,}"] for count in (INCIDENTS[0], INCIDENTS[-1]))
    text = (
        f"{INCIDENTS[-1] // INCIDENTS[0]:,} times the incidents took "
        f"{many['megabytes'] / few['megabytes']:.2f} times the memory."
    )
    if cells >= FAR:
        return text
    return (
        f"{text} Not measured, but extrapolated by a straight line: {FAR:,} cells take "
        f"{run['partition --by']['cpu'] * FAR / cells:,.0f} CPU s to cut."
    )


def main() -> None:
    """Print the tables, and write them if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="towns in place of cities")
    parser.add_argument("--folder", type=Path, help="where the places are, or will be")
    parser.add_argument("--cities", type=int, nargs="+", default=CITIES, metavar="N")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        home = options.folder or Path(made)
        size = "town" if options.quick else "city"
        city = home / size
        if not city.exists():
            home.mkdir(parents=True, exist_ok=True)
            gridmap("example", city, "--size", size)
        found = []
        for copies in options.cities:
            folder = home / f"country-{copies}"
            apart(country, city, folder, copies)
            found.append(measured(folder))
    text = table(found)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
