"""Measure what people wait for at the size of a city: CPU, wall and memory of each command.

A city of 266,687 buildings is invented once; then every command runs in a process of its own, as
at the shell, and the peers likewise: `geopandas.sjoin` of the same incidents, and
`geopandas.sjoin_nearest` of points outside the grid, reading and writing included.

    python scripts/bench/scale.py --folder city     # kept, and used again
    python scripts/bench/scale.py --quick                # a town
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# numba would take coverage.py here for another
sys.path[0] = str(ROOT)

OUTSIDE = 50_000  # points outside the grid
BEYOND = 5_000.0  # metres around the grid among which they lie


class Spent(NamedTuple):
    """What a process took, the processes it started included; MB of the largest of them."""

    cpu: float
    wall: float
    megabytes: float


def run(*command: str | Path) -> Spent:
    """Run a command to its end; 0 and 1 are answers."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(map(str, command))} ended with {child.returncode}")
    wall = time.perf_counter() - start
    return Spent(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def gridmap(*arguments: str | Path) -> Spent:
    """Run a command of gridmap."""
    return run("-m", "gridmap", "--quiet", *arguments)


def measured(folder: Path, size: str) -> dict[str, Spent]:
    """Run every stage, and tell each on the standard error as it ends."""
    grid, cases, out = folder / "grid.gpkg", folder / "incidents.csv", folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Spent] = {}

    def stage(name: str, spent: Spent) -> None:
        found[name] = spent
        print(f"{name}: {spent.cpu:.1f} CPU s, {spent.megabytes:,.0f} MB", file=sys.stderr)

    if not cases.exists():
        stage("example", gridmap("example", folder, "--size", size))
    if not grid.exists():
        layers = {name: folder / f"{name}.gpkg" for name in ("barriers", "dedicated")}
        flags = [part for name, path in layers.items() for part in (f"--{name}", path)]
        stage(
            "subdivide + partition",
            gridmap("partition", folder / "jurisdictions.gpkg", "--households",
                    folder / "buildings.gpkg", *flags, "-o", grid),
        )  # fmt: skip
    stage("import geopandas", run("-c", "import geopandas"))
    stage("validate", gridmap("validate", grid))
    again = ("--overwrite", "-o")
    stage("assign, CSV to CSV", gridmap("assign", grid, cases, *again, out / "placed.csv"))
    stage("geopandas.sjoin, CSV to CSV", run(__file__, "--peer", "sjoin", "--folder", folder))
    stage("hotspots", gridmap("hotspots", grid, cases, *again, out / "spots.csv"))
    roster = ("--staff", folder / "staff.xlsx")
    stage(
        "briefing with a roster", gridmap("briefing", grid, cases, *roster, *again, out / "b.html")
    )
    for name in ("gridmap", "sjoin_nearest"):
        told = f"{OUTSIDE:,} points outside: {name}"
        stage(told, run(__file__, "--peer", f"outside {name}", "--folder", folder))
    stage("the same without placing them", run(__file__, "--peer", "outside", "--folder", folder))
    return found


def peer(name: str, folder: Path) -> None:
    """Do one job in this process: what others do in place of a command, or points outside."""
    import geopandas as gpd
    import numpy as np
    import pandas as pd

    if name == "sjoin":
        cells = gpd.read_file(folder / "grid.gpkg", layer="cells")
        cases = pd.read_csv(folder / "incidents.csv", dtype=str)
        x, y = (pd.to_numeric(cases[axis], errors="coerce") for axis in _axes(cases))
        points = gpd.GeoDataFrame(cases, geometry=gpd.points_from_xy(x, y), crs=cells.crs)
        placed = gpd.sjoin(points, cells[["code", "geometry"]], how="left", predicate="intersects")
        placed[~placed.index.duplicated()].drop(columns="geometry").to_csv(folder / "out/peer.csv")
        return
    import gridmap as gm

    grid = gm.read_grid(folder / "grid.gpkg")
    west, south, _, north = grid.cells.total_bounds
    rng = np.random.default_rng(0)
    x = rng.uniform(west - BEYOND, west, OUTSIDE)
    y = rng.uniform(south, north, OUTSIDE)
    points = gpd.GeoSeries(gpd.points_from_xy(x, y), crs=grid.crs)
    if name == "outside gridmap":
        gm.assign(points, grid)
    elif name == "outside sjoin_nearest":
        gpd.sjoin_nearest(
            gpd.GeoDataFrame(geometry=points), grid.cells[["geometry"]], distance_col="distance_m"
        )


def _axes(cases: object) -> tuple[str, str]:
    columns = list(getattr(cases, "columns", ()))
    return ("X坐标", "Y坐标") if "X坐标" in columns else ("x", "y")


def table(found: dict[str, Spent]) -> str:
    """Return the measurements as a table."""
    lines = ["| stage | CPU s | wall s | peak MB |", "| --- | ---: | ---: | ---: |"]
    for name, (cpu, wall, megabytes) in found.items():
        lines.append(f"| {name} | {cpu:.1f} | {wall:.1f} | {megabytes:,.0f} |")
    floor = found["the same without placing them"].cpu
    ours, theirs = (
        max(found[f"{OUTSIDE:,} points outside: {name}"].cpu - floor, 0.01)
        for name in ("gridmap", "sjoin_nearest")
    )
    lines += ["", f"Points outside, the rest left away: {theirs / ours:.0f}× `sjoin_nearest`."]
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the town instead of the city")
    parser.add_argument("--folder", type=Path, help="where the city is, or will be")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    if options.peer:
        peer(options.peer, options.folder)
        return
    with tempfile.TemporaryDirectory() as made:
        found = measured(options.folder or Path(made), "town" if options.quick else "city")
    text = table(found)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
