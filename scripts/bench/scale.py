"""Measure what people wait for at the size of a city: CPU, wall and memory of each command.

A town and a city of 266,687 buildings are invented once; then every command runs in a process of
its own, as at the shell, and the peers likewise: `geopandas.sjoin` of the same incidents, and
`geopandas.sjoin_nearest` of points outside the grid, reading and writing included.

    python scripts/bench/scale.py --folder places   # kept, and used again
    python scripts/bench/scale.py --quick           # the town alone
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# numba would take coverage.py here for another
sys.path[0] = str(ROOT)

OUTSIDE = 50_000  # points outside the grid
BEYOND = 5_000.0  # metres around the grid among which they lie
HEADINGS = {"town": "Small town", "city": "Large city"}
FOREWORD = """Each command in a process of its own, as at the shell: start, reading and writing
included. CPU seconds of all its processes, also as a multiple of a process that only imports
geopandas, run just before, which tells how busy the machine was; memory is the peak of the largest
process."""
FAR = 100_000  # cells to which is extrapolated
PARTITION = "subdivide + partition"
NOTHING = "the same without placing them"
EXTRAPOLATED = (
    PARTITION, "validate", "assign, CSV to CSV", "hotspots", "briefing with a roster",
)  # fmt: skip


Found = dict[str, dict[str, float]]


class Spent(NamedTuple):
    """What a process took, the processes it started included; MB of the largest of them.

    ``floor`` is what an import of geopandas took just before, by which a busy machine shows.
    """

    cpu: float
    wall: float
    megabytes: float
    floor: float = 1.0


def run(*command: str | Path) -> Spent:
    """Run a command to its end; 0 and 1 are answers."""
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are read as an installation has them
    child = subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(map(str, command))} ended with {child.returncode}")
    wall = time.perf_counter() - start
    return Spent(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


class Kept:
    """What stages took, kept in a file, so that a run that is ended goes on.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: Found = json.loads(path.read_text()) if path.exists() else {}

    def stage(self, name: str, start: Callable[[], Spent]) -> None:
        """Run a stage that was not measured, and tell it on the standard error."""
        if name not in self.found:
            spent = start()
            self.found[name] = {"cpu": spent.cpu, "wall": spent.wall, "megabytes": spent.megabytes}
            self.path.write_text(json.dumps(self.found))
            print(f"{self.path.stem}: {name}: {self.found[name]}", file=sys.stderr, flush=True)


def gridmap(*arguments: str | Path) -> Spent:
    """Run a command of gridmap."""
    return run("-m", "gridmap", "--quiet", *arguments)


def measured(folder: Path, size: str) -> dict[str, Spent]:
    """Run every stage, each after an import of geopandas, and tell it on the standard error."""
    grid, cases, out = folder / "grid.gpkg", folder / "incidents.csv", folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Spent] = {}

    def stage(name: str, start: Callable[..., Spent], *arguments: str | Path) -> None:
        floor = run("-c", "import geopandas").cpu
        found[name] = spent = start(*arguments)._replace(floor=floor)
        print(f"{name}: {spent.cpu:.1f} CPU s, {spent.megabytes:,.0f} MB", file=sys.stderr)

    if not cases.exists():
        stage("example", gridmap, "example", folder, "--size", size)
    if not grid.exists():
        layers = {name: folder / f"{name}.gpkg" for name in ("barriers", "dedicated")}
        flags = [part for name, path in layers.items() for part in (f"--{name}", path)]
        given = (folder / "jurisdictions.gpkg", "--households", folder / "buildings.gpkg")
        stage(PARTITION, gridmap, "partition", *given, *flags, "-o", grid)
    again = ("--overwrite", "-o")
    peers = (__file__, "--folder", folder, "--peer")
    roster = ("--staff", folder / "staff.xlsx")
    stage("validate", gridmap, "validate", grid)
    stage("assign, CSV to CSV", gridmap, "assign", grid, cases, *again, out / "placed.csv")
    stage("geopandas.sjoin, CSV to CSV", run, *peers, "sjoin")
    stage("hotspots", gridmap, "hotspots", grid, cases, *again, out / "spots.csv")
    stage("briefing with a roster", gridmap, "briefing", grid, cases, *roster, *again,
          out / "b.html")  # fmt: skip
    for name in ("gridmap", "sjoin_nearest"):
        stage(f"{OUTSIDE:,} points outside: {name}", run, *peers, f"outside {name}")
    stage(NOTHING, run, *peers, "outside")
    return found


def peer(name: str, folder: Path) -> None:
    """Do one job in this process: what others do in place of a command, or points outside."""
    import geopandas as gpd
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

    grid = gm.read_grid(folder / "grid.gpkg", whole=False)
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


def table(size: str, cells: int, found: dict[str, Spent]) -> str:
    """Return the measurements of one size as a table."""
    lines = [
        f"### {HEADINGS[size]}",
        "",
        f"{cells:,} cells.",
        "",
        "| stage | CPU s | × import geopandas | wall s | peak MB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, (cpu, wall, megabytes, floor) in found.items():
        lines.append(f"| {name} | {cpu:.1f} | {cpu / floor:.1f} | {wall:.1f} | {megabytes:,.0f} |")
    ours, theirs = (
        max(found[f"{OUTSIDE:,} points outside: {name}"].cpu - found[NOTHING].cpu, 0.01)
        for name in ("gridmap", "sjoin_nearest")
    )
    lines += ["", f"Points outside, the rest left away: {theirs / ours:.1f}× `sjoin_nearest`."]
    return "\n".join(lines)


def beyond(cells: list[int], found: list[dict[str, Spent]]) -> str:
    """Return what a straight line through two sizes comes to at ten times the larger."""
    lines = [
        "### Extrapolated",
        "",
        f"{FAR:,} cells, not measured: a straight line through the two sizes above, in CPU seconds "
        "and in memory, while incidents and buildings grow with the cells.",
        "",
        "| stage | CPU s | peak MB |",
        "| --- | ---: | ---: |",
    ]
    for name in (name for name in EXTRAPOLATED if all(name in run for run in found)):
        far = [
            np.polyval(np.polyfit(cells, [getattr(run[name], what) for run in found], 1), FAR)
            for what in ("cpu", "megabytes")
        ]
        lines.append(f"| {name} | {far[0]:,.0f} | {far[1]:,.0f} |")
    return "\n".join(lines)


def count(folder: Path) -> int:
    """Return how many cells a grid file has."""
    with closing(sqlite3.connect(folder / "grid.gpkg")) as file:
        return int(file.execute("SELECT count(*) FROM cells").fetchone()[0])


def main() -> None:
    """Print the tables, and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the town alone")
    parser.add_argument("--folder", type=Path, help="where the places are, or will be")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    if options.peer:
        peer(options.peer, options.folder)
        return
    with tempfile.TemporaryDirectory() as made:
        home = options.folder or Path(made)
        sizes = ["town"] if options.quick else ["town", "city"]
        found = [measured(home / size, size) for size in sizes]
        cells = [count(home / size) for size in sizes]
    parts = [FOREWORD]
    parts += [table(*row) for row in zip(sizes, cells, found, strict=True)]
    if len(sizes) > 1:
        parts.append(beyond(cells, found))
    text = "\n\n".join(parts)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
