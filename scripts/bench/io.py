"""Time the readers against pyarrow and pyogrio alone, and the datum shifts.

Each line is the median of the repeats, in CPU seconds and seconds, with the ratio to the peer in
the same run, turn by turn. The peer reads the same columns into the same types and does the least
that could be called reading: no encoding, headings, totals, notes, personal columns or CRS.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

# numba would take coverage.py here for another
sys.path[0] = str(Path(__file__).resolve().parents[2])

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from pyarrow import csv as pacsv

from gridmap.crs.datum import bd09_to_wgs84, gcj02_to_wgs84, wgs84_to_bd09, wgs84_to_gcj02
from gridmap.io import read_layer, read_table, write_layer
from gridmap.io.inputs import read_incidents

Timing = tuple[float, float]


def main() -> None:
    """Run the bench and print or write its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A fiftieth of the size.")
    parser.add_argument("-o", "--output", type=Path, help="Write the table to a file too.")
    options = parser.parse_args()
    scale = 50 if options.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        rows = [*_readers(Path(folder), scale), *_datums(1_000_000 // scale)]
    lines = [
        "| job | gridmap CPU s | gridmap s | peer | peer CPU s | peer s | CPU ratio | ratio |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _readers(folder: Path, scale: int) -> list[str]:
    text, homes = folder / "incidents.csv", folder / "buildings.gpkg"
    chinese = folder / "gbk.csv"
    rows, buildings = 1_000_000 // scale, 500_000 // scale
    _write_incidents(text, rows)
    chinese.write_bytes(text.read_text("utf-8").encode("gb18030"))
    _write_buildings(homes, buildings)
    plain, timed = partial(_arrow, text, {"上报时间": pa.string()}), partial(_arrow, text)
    bulk = partial(pyogrio.read_dataframe, homes, use_arrow=True)
    jobs = (
        (f"read_table, {rows:,}-row CSV", partial(read_table, text), "pyarrow", plain),
        (f"read_incidents, {rows:,}-row CSV", partial(read_incidents, text), "pyarrow", timed),
        (
            f"read_table, {rows:,}-row GB18030 CSV",
            partial(read_table, chinese),
            "decode + pyarrow",
            partial(_arrow_gbk, chinese, {"上报时间": pa.string()}),
        ),
        (f"read_layer, {buildings:,} polygons", partial(read_layer, homes), "pyogrio, Arrow", bulk),
    )
    return [_line(*job) for job in jobs]


def _datums(count: int) -> list[str]:
    random = np.random.default_rng(0)
    lng, lat = random.uniform(100, 118, count), random.uniform(24, 40, count)
    rows = []
    for name, there, back in (
        ("GCJ-02", wgs84_to_gcj02, gcj02_to_wgs84),
        ("BD-09", wgs84_to_bd09, bd09_to_wgs84),
    ):
        shifted = there(lng, lat)
        again = back(*shifted)
        error = max(np.abs(again[0] - lng).max(), np.abs(again[1] - lat).max()) * 111_320
        jobs = {
            f"to {name}": partial(there, lng, lat),
            f"from {name}, within {error:.0e} m": partial(back, *shifted),
        }
        for label, work in jobs.items():
            ((cpu, wall),) = _timed(work)
            rows.append(f"| {count:,} points {label} | {cpu:.2f} | {wall:.2f} |" + " – |" * 5)
    return rows


def _line(job: str, ours: Callable[[], Any], peer: str, theirs: Callable[[], Any]) -> str:
    (cpu, wall), (peer_cpu, peer_wall) = _timed(ours, theirs)
    return (
        f"| {job} | {cpu:.2f} | {wall:.2f} | {peer} | {peer_cpu:.2f} | {peer_wall:.2f} | "
        f"{cpu / peer_cpu:.2f} | {wall / peer_wall:.2f} |"
    )


def _timed(*works: Callable[[], Any], repeats: int = 7) -> list[Timing]:
    """Return CPU and wall seconds of each work, the median of turns taken after one to warm up."""
    turns: list[list[Timing]] = [[] for _ in works]
    for number in range(repeats + 1):
        for work, taken in zip(works, turns, strict=True):
            start = time.process_time(), time.perf_counter()
            work()
            if number:
                taken.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    return [(median(c for c, _ in taken), median(w for _, w in taken)) for taken in turns]


def _arrow(path: Path, types: dict[str, pa.DataType] | None = None) -> Any:
    """Read the same columns into a frame, as the same types."""
    return pacsv.read_csv(path, convert_options=_kept(types)).to_pandas()


def _arrow_gbk(path: Path, types: dict[str, pa.DataType]) -> Any:
    text = path.read_bytes().decode("gb18030").encode()
    return pacsv.read_csv(io.BytesIO(text), convert_options=_kept(types)).to_pandas()


def _kept(types: dict[str, pa.DataType] | None) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(column_types=types)


def _write_incidents(path: Path, count: int) -> None:
    random = np.random.default_rng(0)
    times = np.datetime64("2024-01-01", "s") + random.integers(0, 15_000_000, count)
    categories = np.array(["市容环境", "宣传广告", "施工管理", "街面秩序", "突发事件"])
    table = pa.table(
        {
            "案件编号": [f"A{n:08d}" for n in range(count)],
            "上报时间": [str(t).replace("T", " ") for t in times],
            "问题大类": categories[random.integers(0, 5, count)],
            "处置状态": np.where(random.random(count) < 0.9, "结案", "处置"),
            "X坐标": np.round(random.uniform(450_000, 470_000, count), 2),
            "Y坐标": np.round(random.uniform(3_380_000, 3_400_000, count), 2),
        }
    )
    pacsv.write_csv(table, path, pacsv.WriteOptions(quoting_style="needed"))


def _write_buildings(path: Path, count: int) -> None:
    random = np.random.default_rng(0)
    x, y = random.uniform(0, 50_000, count), random.uniform(0, 50_000, count)
    shapes = shapely.box(x, y, x + 20, y + 12)
    frame = gpd.GeoDataFrame(
        {
            "building_id": [f"B{n:07d}" for n in range(count)],
            "小区名称": np.array(["福苑", "锦园", "听涛公寓"])[random.integers(0, 3, count)],
            "households": random.integers(0, 120, count),
        },
        geometry=shapes,
        crs=4547,
    )
    write_layer(frame, path)


if __name__ == "__main__":
    main()
