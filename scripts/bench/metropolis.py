"""Measure a metropolis from end to end: cut, nested, proved, coded, counted and briefed.

The place is invented, with the counts that Zhengzhou reports: 7,876 cells in communities, cut into
46,817 micro-cells, 11,381 rural cells and 4,744 dedicated ones. Four of its districts are urban
(300-600 households a cell, micro-cells below), six rural (30-100, left whole). Every command runs
in a process of its own, as at the shell; what was measured is kept beside the place.

    python scripts/bench/metropolis.py --folder place   # kept, and used again
    python scripts/bench/metropolis.py --quick          # a small town
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

import gridmap as gm
from gridmap.codes import DEFAULT_SCHEME
from gridmap.examples import HEADINGS, shaped_city
from gridmap.io import write_layer, write_table
from gridmap.operations.rollout import check_codes
from scripts.bench.scale import Found, Kept, gridmap, run

REPORTED = {"in communities": 7_876, "micro": 46_817, "rural": 11_381, "dedicated": 4_744}
SHAPE = (10, 220, 5_270, 1_868)  # districts, streets, communities, households of each
SMALL = (2, 4, 14, 900)
URBAN = 0.4  # of the districts
THIN = 0.107  # of the households that a building would have in town, in the country
BANDS = {"least": (300, 30), "most": (600, 100), "small": (40, None), "large": (90, None)}
LAYERS = ("jurisdictions", "buildings", "barriers", "dedicated")
WORKERS = 2
INVENTED = "invent the place"
LIMITS = (15 * 60, 4_096)  # seconds, MB


def make(folder: Path, shape: tuple[int, int, int, int]) -> None:
    """Write the place: towns and country in one outline, each with a band of its own."""
    districts, streets, communities, households = shape
    town = shaped_city(districts, streets, communities, households=households)
    areas, homes = town.jurisdictions, town.buildings
    names = list(areas["district"].unique())
    rural = areas["district"].isin(names[max(1, round(URBAN * len(names))) :])
    for name, ends in BANDS.items():
        areas[name] = pd.array(rural.map({False: ends[0], True: ends[1]}), dtype="Int64")
    country = areas.loc[rural, ["geometry"]].dissolve().geometry.iloc[0]
    thin = homes.intersects(country)
    homes.loc[thin, "households"] = np.ceil(THIN * homes.loc[thin, "households"]).astype("int64")
    folder.mkdir(parents=True, exist_ok=True)
    for name in LAYERS:
        write_layer(getattr(town, name), folder / f"{name}.gpkg")
    cases = pd.DataFrame(town.incidents.drop(columns="geometry"))
    write_table(cases.rename(columns=HEADINGS["en"]["incidents"]), folder / "incidents.csv")
    write_table(town.staff, folder / "staff.csv")


def measured(folder: Path, shape: tuple[int, int, int, int]) -> Found:
    """Run every stage that was not measured, and tell it on the standard error."""
    kept = Kept(folder.with_name(f"{folder.name}.json"))
    stage = kept.stage
    grid, cases = folder / "grid", folder / "incidents.csv"
    layer = {name: folder / f"{name}.gpkg" for name in LAYERS}
    bands = [f"--{flag}={name}" for flag, name in zip(
        ("min", "max", "micro-min", "micro-max"), BANDS, strict=True)]  # fmt: skip
    stage(INVENTED, lambda: run(__file__, "--make", folder, *map(str, shape)))
    stage("partition --by, with micro-cells", lambda: gridmap(
        "partition", layer["jurisdictions"], "--households", layer["buildings"], "--barriers",
        layer["barriers"], "--dedicated", layer["dedicated"], "--by", "district", *bands,
        "--workers", str(WORKERS), "-o", grid, "--micro", "--overwrite",
    ))  # fmt: skip
    stage("validate, micro-cells included", lambda: gridmap("validate", grid))
    stage("check the codes of both levels", lambda: run(__file__, "--codes", grid))
    for level, name in ((grid, "cells"), (grid / "micro", "micro-cells")):
        stage(f"assign --counts, {name}", lambda level=level: gridmap(
            "assign", level, cases, "--counts", "--overwrite", "-o", folder / "counts.csv",
        ))  # fmt: skip
    stage("briefing with a roster", lambda: gridmap(
        "briefing", grid, cases, "--staff", folder / "staff.csv", "--overwrite",
        "-o", folder / "briefing.html",
    ))  # fmt: skip
    return kept.found


def coded(grid: Path) -> None:
    """Refuse codes that do not follow their scheme, or do not extend those above."""
    for folder, scheme in ((grid, DEFAULT_SCHEME), (grid / "micro", "micro")):
        cells = gm.read_grid(folder, whole=False).cells
        # on the rim of a district the order is that of the cells before the neighbours' corners
        wrong = check_codes(cells, scheme, order=False)
        if len(wrong):
            print(f"{len(wrong):,} codes of {folder} are wrong: {wrong.iloc[0].to_dict()}")
            raise SystemExit(2)


def counts(folder: Path) -> dict[str, int]:
    """Count the cells of each kind, the incidents, and the buildings."""
    areas = gm.io.read_layer(folder / "jurisdictions.gpkg").set_index("code")
    cells = gm.read_grid(folder / "grid", whole=False).cells
    rural = cells["parent"].map(areas["small"]).isna()
    homes = cells["kind"] == "residential"
    kinds = {
        "in communities": int((homes & ~rural).sum()),
        "micro": len(gm.read_grid(folder / "grid" / "micro", whole=False)),
        "rural": int((homes & rural).sum()),
        "dedicated": int((cells["kind"] == "dedicated").sum()),
        "vacant": int((cells["kind"] == "vacant").sum()),
    }
    parts = (folder / "grid").glob("*=*/buildings.parquet")
    return kinds | {"buildings": sum(pq.read_metadata(part).num_rows for part in parts)}


def table(found: Found, kinds: dict[str, int]) -> str:
    """Return what each stage took, and what all of them come to."""
    lines = ["| cells | reported by Zhengzhou | here |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {REPORTED.get(name, 0):,} | {kinds[name]:,} |" for name in kinds
              if name != "buildings"]  # fmt: skip
    lines += ["", f"{kinds['buildings']:,} buildings.", ""]
    lines += ["| stage | CPU s | wall s | peak MB |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {spent['cpu']:,.1f} | {spent['wall']:,.1f} | {spent['megabytes']:,.0f} |"
        for name, spent in found.items()
    ]
    given = [spent for name, spent in found.items() if name != INVENTED]  # as a city has its own
    cpu, wall = (sum(spent[what] for spent in given) for what in ("cpu", "wall"))
    peak = max(spent["megabytes"] for spent in given)
    kept = "within" if wall <= LIMITS[0] and peak <= LIMITS[1] else "beyond"
    lines += [
        f"| all but the inventing | {cpu:,.1f} | {wall:,.1f} | {peak:,.0f} |",
        "",
        f"{WORKERS} processes; memory is that of the largest, CPU that of all together, start and "
        f"compiled kernels included. {wall / 60:.1f} minutes and {peak:,.0f} MB are {kept} the "
        f"{LIMITS[0] // 60} minutes and {LIMITS[1]:,} MB aimed at.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small town")
    parser.add_argument("--folder", type=Path, help="where the place is, or will be")
    parser.add_argument("--make", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--codes", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    if options.make:
        districts, streets, communities, households = map(int, options.make[1:])
        make(Path(options.make[0]), (districts, streets, communities, households))
        return
    if options.codes:
        coded(options.codes)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = (options.folder or Path(made)) / ("town" if options.quick else "metropolis")
        folder.parent.mkdir(parents=True, exist_ok=True)
        found = measured(folder, SMALL if options.quick else SHAPE)
        text = table(found, counts(folder))
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
