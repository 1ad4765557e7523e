"""Measure assignment against its peers, on one machine and in one run.

CPU time of one thread, memory growth of the call, and exactness. Run it with nothing else on the
machine; read the figures as ratios.

    python scripts/bench/assign.py --quick
    python scripts/bench/assign.py --full -o assign.md
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", GRIDMAP_CACHE="off")

# numba would take coverage.py here for another
sys.path[0] = str(Path(__file__).resolve().parents[2])

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from scipy.spatial import Voronoi

import gridmap as gm
from gridmap.coverage.point_index import CoverageIndex
from gridmap.errors import UnassignedWarning
from gridmap.incidents.stream import assign_file, count_file
from gridmap.io.batches import ParquetFile
from gridmap.io.csv_stream import Delimited
from gridmap.io.source import find_source

SIDE = 40_000.0
FAR = 5_000.0  # metres around the grid in which points outside lie
WEST, SOUTH = 480_000.0, 3_400_000.0


class Cost(NamedTuple):
    """CPU seconds, megabytes of growth, and what the work returned."""

    cpu: float
    grown: float
    answer: Any


def jagged_city(cells: int, seed: int = 7) -> np.ndarray:
    """Return cells of about 46 vertices each, dense in the middle, that tile a square."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(SIDE / 2, SIDE / 7, (int(cells * 0.6), 2))
    seeds = np.vstack([middle, rng.random((cells - len(middle), 2)) * SIDE])
    seeds = np.clip(seeds, 1, SIDE - 1)
    mirrored = [seeds * (sx, sy) + (ox, oy) for sx, sy, ox, oy in (
        (-1, 1, 0, 0), (1, -1, 0, 0), (-1, 1, 2 * SIDE, 0), (1, -1, 0, 2 * SIDE),
    )]  # fmt: skip
    voronoi = Voronoi(np.vstack([seeds, *mirrored]))
    corners = np.clip(np.round(voronoi.vertices, 3), 0, SIDE) + np.array([WEST, SOUTH])
    lines = [
        _jagged(corners[a], corners[b], rng)
        for (p, q), (a, b) in zip(voronoi.ridge_points, voronoi.ridge_vertices, strict=True)
        if min(p, q) < cells and a >= 0 and b >= 0 and (corners[a] != corners[b]).any()
    ]
    noded = shapely.node(shapely.multilinestrings([shapely.linestrings(line) for line in lines]))
    shapes = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    assert shapely.coverage_is_valid(shapes)
    return np.asarray(shapes)


def _jagged(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a line from a to b whose middles are displaced, on millimetres."""
    line = np.array([a, b])
    for _ in range(max(0, min(3, int(np.log2(max(np.hypot(*(b - a)) / 8, 1)))))):
        step = np.diff(line, axis=0)
        across = np.column_stack([-step[:, 1], step[:, 0]])
        middle = line[:-1] + step / 2 + across * rng.uniform(-0.15, 0.15, (len(step), 1))
        line = np.insert(line, np.arange(1, len(line)), middle, axis=0)
    return np.round(line, 3)


def scattered(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return random points of the city, as x and y."""
    return rng.random((2, size)) * SIDE + np.array([[WEST], [SOUTH]])


def measure(work: Callable[[], Any], repeat: int = 1) -> Cost:
    """Run work in a child process; return its least CPU time and its growth."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def child() -> None:
        best, answer = np.inf, None
        before = _memory("VmRSS")
        for _ in range(repeat):
            begin = time.process_time()
            answer = work()
            best = min(best, time.process_time() - begin)
        queue.put(Cost(best, _memory("VmHWM") - before, answer))

    process = context.Process(target=child)
    process.start()
    while queue.empty() and process.is_alive():
        process.join(0.05)
    if queue.empty():
        raise SystemExit("A child that was measured died; see above.")
    cost: Cost = queue.get()
    process.join()
    return cost


def _memory(field: str) -> float:
    """Return a figure of this process in megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return float("nan")


def table(heads: list[str], rows: list[list[Any]]) -> str:
    """Return a markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def joins(grid: gm.Grid, sizes: list[int]) -> str:
    """Compare the join itself: which cell is each point in."""
    cells = grid.cells.geometry.to_numpy()
    found = grid.locator
    index = found.index
    rng = np.random.default_rng(1)
    rows = []
    for size in sizes:
        x, y = scattered(rng, size)
        shapes = shapely.points(x, y)
        points = gpd.GeoDataFrame(geometry=shapes, crs=grid.crs)
        frame = pd.DataFrame({"x": x, "y": y})
        repeat = 3 if size <= 1_000_000 else 1
        few = size <= 100_000
        peers: dict[str, Callable[[], Any]] = {
            "gridmap assign, index ready": lambda f=frame: len(gm.assign(f, grid)),
            "gridmap assign, GeoSeries": lambda p=points: len(gm.assign(p.geometry, grid)),
            "gridmap locate": lambda x=x, y=y: int((index.locate(x, y) > 0).sum()),
            "floor: pixel + gather": lambda x=x, y=y: _floor(index, x, y),
            "gridmap assign, nothing ready": lambda f=frame: _cold(grid, f),
            "shapely STRtree": lambda s=shapes: _strtree(cells, s),
            "geopandas.sjoin": lambda p=points: _sjoin(p, grid),
            "geopandas.sjoin, nothing ready": lambda p=points: _cold_sjoin(p, cells),
        }
        if _has("sedonadb"):
            peers["SedonaDB"] = lambda x=x, y=y: _sedona(cells, x, y)
        if _has("duckdb_extensions"):
            peers["DuckDB spatial"] = lambda x=x, y=y: _duckdb(cells, x, y)
        costs = {
            name: measure(work, repeat if name.startswith(("gridmap", "floor")) or few else 1)
            for name, work in peers.items()
        }
        slow = costs["geopandas.sjoin, nothing ready" if few else "geopandas.sjoin"]
        for name, cost in costs.items():
            rows.append([
                f"{size:,}", name, f"{cost.cpu:.4f}", f"{size / cost.cpu / 1e6:.2f}",
                f"{slow.cpu / cost.cpu:.1f}x", f"{cost.grown:.0f}",
                f"{cost.grown / max(slow.grown, 1):.2f}",
            ])  # fmt: skip
    heads = [
        "points",
        "method",
        "CPU s",
        "M points/s",
        "geopandas / it",
        "MB grown",
        "of geopandas",
    ]
    return table(heads, rows)


def outside(grid: gm.Grid, size: int) -> str:
    """Compare the nearest cell of points up to 5 km outside."""
    west, south, east, north = grid.cells.total_bounds
    rng = np.random.default_rng(2)
    x, y = (
        rng.uniform(west - FAR, east + FAR, 9 * size),
        rng.uniform(south - FAR, north + FAR, 9 * size),
    )
    beyond = (x < west) | (x > east) | (y < south) | (y > north)
    shapes = shapely.points(x[beyond][:size], y[beyond][:size])
    points = gpd.GeoDataFrame(geometry=shapes, crs=grid.crs)
    cells = grid.cells[["geometry"]]
    warnings.simplefilter("ignore", UnassignedWarning)
    gm.assign(points.geometry, grid)  # the border is kept with the grid
    peers: dict[str, Callable[[], Any]] = {
        "gridmap assign, GeoSeries": lambda: len(gm.assign(points.geometry, grid)),
        "geopandas.sjoin_nearest": lambda: len(
            gpd.sjoin_nearest(points, cells, distance_col="distance_m")
        ),
    }
    costs = {name: measure(work, 3) for name, work in peers.items()}
    slow = costs["geopandas.sjoin_nearest"].cpu
    rows = [
        [f"{size:,} outside", name, f"{cost.cpu:.3f}", f"{1e6 * cost.cpu / size:.1f}",
         f"{slow / cost.cpu:.1f}x"]
        for name, cost in costs.items()
    ]  # fmt: skip
    return table(["points", "method", "CPU s", "µs a point", "sjoin_nearest / it"], rows)


def _cold(grid: gm.Grid, frame: pd.DataFrame) -> int:
    from gridmap.grid.locator import Locator

    cells = grid.cells
    fresh = Locator(cells.geometry.to_numpy(), cells.index.to_numpy(dtype=object), grid.crs)
    return int((fresh.place(frame["x"].to_numpy(), frame["y"].to_numpy(), 0.0).cell > 0).sum())


def _floor(index: CoverageIndex, x: np.ndarray, y: np.ndarray) -> int:
    raster = index._raster
    total = 0
    for start in range(0, len(x), 1 << 16):
        part = slice(start, start + (1 << 16))
        total += int(raster.cells.take(raster.pixels_of(x[part], y[part]))[0])
    return total


def _strtree(cells: np.ndarray, shapes: np.ndarray) -> int:
    return shapely.STRtree(cells).query(shapes, predicate="within").shape[1]


def _sjoin(points: gpd.GeoDataFrame, grid: gm.Grid) -> int:
    return len(gpd.sjoin(points, grid.cells[["geometry"]], predicate="within"))


def _cold_sjoin(points: gpd.GeoDataFrame, cells: np.ndarray) -> int:
    fresh = gpd.GeoDataFrame(geometry=cells.copy(), crs=points.crs)
    again = gpd.GeoDataFrame(geometry=points.geometry.to_numpy().copy(), crs=points.crs)
    return len(gpd.sjoin(again, fresh, predicate="within"))


def _sedona(cells: np.ndarray, x: np.ndarray, y: np.ndarray) -> int:
    import sedonadb

    connection = sedonadb.connect()
    wkb = pa.table({"c": np.arange(len(cells)), "w": pa.array(shapely.to_wkb(cells))})
    connection.create_data_frame(wkb).to_view("cells")
    connection.create_data_frame(pa.table({"x": x, "y": y})).to_view("points")
    answer = connection.sql(
        "select count(*) as n from (select ST_Point(x, y) as g from points) p join"
        " (select ST_GeomFromWKB(w) as g from cells) c on ST_Contains(c.g, p.g)"
    )
    return int(pa.table(answer)["n"][0].as_py())


def _duckdb(cells: np.ndarray, x: np.ndarray, y: np.ndarray) -> int:
    import duckdb
    from duckdb_extensions import import_extension

    with duckdb.connect(config={"threads": 1}) as connection:
        import_extension("spatial", con=connection)
        connection.load_extension("spatial")
        connection.register("wkb", pa.table({"w": pa.array(shapely.to_wkb(cells))}))
        connection.register("points", pa.table({"x": x, "y": y}))
        connection.execute("create table cells as select ST_GeomFromWKB(w) as g from wkb")
        found = connection.execute(
            "select count(*) from (select ST_Point(x, y) as g from points) p"
            " join cells c on ST_Contains(c.g, p.g)"
        ).fetchone()
    return int(found[0])


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def exactness(cells: np.ndarray, randoms: int, awkward: int) -> str:
    """Count the answers that differ from rational arithmetic."""
    index = CoverageIndex(cells)
    tree = shapely.STRtree(cells)
    rng = np.random.default_rng(5)
    rows = []
    for name, count in (("random", randoms), ("adversarial", awkward)):
        wrong = 0
        for begin in range(0, count, 250_000):
            size = min(250_000, count - begin)
            x, y = scattered(rng, size) if name == "random" else _awkward(index, rng, size)
            wrong += int((index.locate(x, y) != _exactly(index, cells, tree, x, y)).sum())
        rows.append([name, f"{count:,}", wrong])
    return table(["points", "number", "mistakes"], rows)


def _awkward(index: CoverageIndex, rng: np.random.Generator, size: int) -> np.ndarray:
    """Return points on and beside vertices and edges, by one ulp to a millimetre."""
    ends = index._ends[rng.integers(0, len(index._ends), size)]
    along = rng.choice([0, 0.25, 0.5, 1, np.nan], size)
    along = np.where(np.isnan(along), rng.random(size), along)[:, None]
    xy = ends[:, :2] + along * (ends[:, 2:] - ends[:, :2])
    xy += rng.choice([0, 0, 1e-9, 1e-6, 1e-3], (size, 1)) * rng.integers(-1, 2, (size, 2))
    ulp = rng.integers(-1, 2, (size, 2))
    return np.where(ulp == 0, xy, np.nextafter(xy, np.where(ulp > 0, np.inf, -np.inf))).T.copy()


def _exactly(
    index: CoverageIndex, cells: np.ndarray, tree: shapely.STRtree, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Place points by even-odd crossings to the west, in fractions where floats may err."""
    from gridmap.coverage.edges import directed_edges

    point, cell = tree.query(shapely.points(x, y))
    edges, owner = directed_edges(cells)
    starts = np.searchsorted(owner, np.arange(len(cells) + 1))
    result = np.zeros(len(x), dtype=np.int32)
    touching: dict[int, list[int]] = {}
    for begin in range(0, len(point), 20_000):
        p, c = point[begin : begin + 20_000], cell[begin : begin + 20_000]
        count = starts[c + 1] - starts[c]
        pair = np.repeat(np.arange(len(p)), count)
        shift = np.repeat(starts[c] - np.cumsum(count) + count, count)
        ax, ay, bx, by = edges[np.arange(len(pair)) + shift].T
        px, py = x[p][pair], y[p][pair]
        level = np.flatnonzero((np.minimum(ay, by) <= py) & (py <= np.maximum(ay, by)))
        ax, ay, bx, by, px, py, pair = (v[level] for v in (ax, ay, bx, by, px, py, pair))
        crossing = (ay <= py) != (by <= py)
        left, right = (py - ay) * (bx - ax), (px - ax) * (by - ay)
        west = np.where(by > ay, left <= right, left >= right)
        doubt = np.abs(left - right) <= 1e-12 * (np.abs(left) + np.abs(right))
        doubt |= (left == 0) | (right == 0)
        for k in np.flatnonzero(doubt):
            a, b, d, e, u, v = map(Fraction, (ax[k], ay[k], bx[k], by[k], px[k], py[k]))
            if crossing[k]:
                west[k] = a + (v - b) * (d - a) / (e - b) <= u
            on = (d - a) * (v - b) == (e - b) * (u - a)
            if on and min(a, d) <= u <= max(a, d):
                touching.setdefault(int(p[pair[k]]), []).append(int(c[pair[k]]) + 1)
        odd = np.bincount(pair[crossing & west], minlength=len(p)) % 2 == 1
        result[p[odd]] = c[odd] + 1
    for number, owners in touching.items():
        if result[number] == 0:
            result[number] = min(owners)
    return result


def end_to_end(grid: gm.Grid, rows: int, folder: Path) -> str:
    """Compare CSV in, CSV out, all columns kept."""
    rng = np.random.default_rng(2)
    x, y = np.round(scattered(rng, rows), 2)
    source = folder / "incidents.csv"
    pd.DataFrame(
        {
            "id": np.arange(rows),
            "time": pd.date_range("2024-01-01", periods=rows, freq="20s").astype(str),
            "category": rng.choice(["市容环境", "街面秩序", "宣传广告"], rows),
            "x": x,
            "y": y,
        }
    ).to_csv(source, index=False)
    names = ("id", "time", "category", "x", "y")

    def ours() -> int:
        accounts = assign_file(Delimited(find_source(source), names), folder / "ours.csv", grid)
        return accounts.counts["read"]

    def theirs() -> int:
        data = pd.read_csv(source)
        points = gpd.GeoDataFrame(data, geometry=gpd.points_from_xy(data.x, data.y), crs=grid.crs)
        placed = gpd.sjoin(points, grid.cells[["geometry"]], how="left", predicate="within")
        placed.drop(columns="geometry").to_csv(folder / "theirs.csv", index=False)
        return len(placed)

    mine, its = measure(ours), measure(theirs)
    lines = [
        [name, f"{cost.cpu:.2f}", f"{its.cpu / cost.cpu:.1f}x", f"{cost.grown:.0f}"]
        for name, cost in (("gridmap", mine), ("geopandas", its))
    ]
    return f"CSV of {rows:,} rows, in and out:\n\n" + table(
        ["method", "CPU s", "geopandas / it", "MB grown"], lines
    )


def out_of_core(grid: gm.Grid, rows: int, folder: Path) -> str:
    """Count Parquet by cell in a process of its own; all its memory counts."""
    path, grid_file = folder / "incidents.parquet", folder / "grid.gpkg"
    gm.write_grid(grid, grid_file)
    rng = np.random.default_rng(3)
    schema = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("y", pa.float64())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for begin in range(0, rows, 1_000_000):
            x, y = scattered(rng, 1_000_000)
            numbers = np.arange(begin, begin + 1_000_000)
            writer.write_table(pa.table({"id": numbers, "x": x, "y": y}))

    command = [sys.executable, __file__, "--count", str(grid_file), str(path)]
    read, cpu, peak = map(
        float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    )
    path.unlink()
    return f"Parquet of {read:,.0f} rows, counted by cell:\n\n" + table(
        ["CPU s", "M rows/s", "MB of the whole process"],
        [[f"{cpu:.1f}", f"{read / cpu / 1e6:.1f}", f"{peak:.0f}"]],
    )


def count(grid_file: str, path: str) -> None:
    """Count a file and print the rows, CPU seconds and peak megabytes of this process."""
    grid = gm.read_grid(grid_file)
    begin = time.process_time()
    counts, accounts = count_file(ParquetFile(Path(path)), grid)
    assert counts["incidents"].sum() == accounts.counts["read"] - accounts.counts["outside"]
    cpu = time.process_time() - begin
    sys.stdout.write(f"{accounts.counts['read']} {cpu} {_memory('VmHWM')}")


def main() -> None:
    """Run the measurements asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument("--full", action="store_true", help="10M points, 100M rows")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--count", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        count(*options.count)
        return
    cells = 1_000 if options.quick else options.cells
    frame = gpd.GeoDataFrame(geometry=jagged_city(cells), crs=4547)
    frame["code"] = [f"{k:06d}" for k in range(len(frame))]
    grid = gm.adopt(frame, frame.union_all("coverage"), code="code")
    vertices = shapely.get_num_coordinates(grid.cells.geometry.to_numpy()).mean() - 1
    built = measure(lambda: CoverageIndex(grid.cells.geometry.to_numpy()).nbytes)
    parts = [
        f"{len(grid):,} cells of {vertices:.0f} vertices; index built in {built.cpu:.2f} CPU s, "
        f"{built.answer / 1e6:.0f} MB.\n"
    ]
    sizes = [1_000, 10_000, 100_000, 1_000_000]
    sizes = sizes[:2] if options.quick else [*sizes, 10_000_000] if options.full else sizes
    parts.append(joins(grid, sizes))
    parts.append(outside(grid, 5_000 if options.quick else 50_000))
    many = 100_000 if options.quick else 10_000_000 if options.full else 1_000_000
    shapes = grid.cells.geometry.to_numpy()
    parts.append(exactness(shapes, many, min(many, 1_000_000)))
    with tempfile.TemporaryDirectory() as name:
        parts.append(end_to_end(grid, 100_000 if options.quick else 1_000_000, Path(name)))
        rows = 1_000_000 if options.quick else 100_000_000 if options.full else 10_000_000
        parts.append(out_of_core(grid, rows, Path(name)))
    report = "\n".join(parts)
    sys.stdout.write(report)
    if options.output is not None:
        options.output.write_text(report)


if __name__ == "__main__":
    main()
