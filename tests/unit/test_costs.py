"""What a file may cost is told before memory is gone: packed columns, claims, members twice."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely

from gridmap.errors import InputError
from gridmap.io import limits, read_layer, read_table
from gridmap.io.batches import ParquetFile, marked
from gridmap.io.excel_write import write_geopackage
from gridmap.io.inputs import read_incidents
from gridmap.io.inspect import look
from gridmap.io.open_incidents import open_incidents

GIGABYTE = 1 << 30


def repeated(value: Any, n: int) -> pa.Array:
    """Return a column of one value, which Parquet keeps in a few bytes."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


def write_packed(path: Path, rows: int, groups: int = 1, **columns: Any) -> None:
    """Write Parquet of a few values over and over, as no schema of Arrow says."""
    table = pa.table({"经度": repeated(114.3, rows), "纬度": repeated(30.5, rows), **columns})
    table = table.set_column(0, "经度", table["经度"].cast(pa.float64()))
    table = table.set_column(1, "纬度", table["纬度"].cast(pa.float64()))
    with pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=False) as file:
        for _ in range(groups):
            file.write_table(table, row_group_size=rows)


@pytest.fixture(scope="module")
def fifty_million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write fifty million records into about a megabyte."""
    path = tmp_path_factory.mktemp("packed") / "in.parquet"
    words = {"案件编号": "A1", "上报时间": "2024-05-01 08:00:00", "问题大类": "市容环境"}
    columns = {name: repeated(word, 1_000_000) for name, word in words.items()}
    write_packed(path, 1_000_000, 50, **columns)
    assert path.stat().st_size < 2e6
    return path


_CHILD = """
import sys
from pathlib import Path
from gridmap.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
status = Path("/proc/self/status").read_text()  # ru_maxrss begins with the size of the parent
peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
print(code, int(peak) * 1024, file=sys.stderr)
"""


def run(*arguments: object) -> tuple[int, int, str]:
    """Run a command in a process of its own; return its exit code, peak of memory and output."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, "--lang", "en", *map(str, arguments)],
        capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (16 * GIGABYTE, 16 * GIGABYTE)),
    )  # fmt: skip
    *said, last = done.stderr.strip().splitlines()
    code, peak = map(int, last.split())
    return code, peak, done.stdout + "\n".join(said)


def test_fifty_million_packed_records_are_looked_into(fifty_million: Path) -> None:
    code, peak, said = run("info", fifty_million)
    assert code == 0 and peak < GIGABYTE
    assert "50,000,000 rows" in said and "Looked at the first 262,144 of" in said


def test_fifty_million_packed_records_are_counted_a_part_at_a_time(
    fifty_million: Path, grid: Any, tmp_path: Path
) -> None:
    import gridmap as gm

    gm.write_grid(grid, tmp_path / "grid.gpkg")
    out = tmp_path / "counts.csv"
    code, peak, said = run("assign", tmp_path / "grid.gpkg", fifty_million, "--counts", "-o", out)
    assert code == 1 and peak < GIGABYTE  # none lies in the grid
    assert "read 50,000,000 = " in said


@pytest.mark.parametrize("command", ["hotspots", "briefing", "indicators", "clusters"])
def test_what_needs_them_all_at_once_refuses_and_names_what_streams(
    command: str, fifty_million: Path, grid: Any, tmp_path: Path
) -> None:
    import gridmap as gm

    gm.write_grid(grid, tmp_path / "grid.gpkg")
    out = tmp_path / ("out.html" if command == "briefing" else "out.gpkg")
    out = out.with_suffix(".csv") if command == "indicators" else out
    code, peak, said = run(command, tmp_path / "grid.gpkg", fifty_million, "-o", out)
    assert code == 2 and peak < GIGABYTE and not out.exists()
    assert "MB of memory" in said and "--counts -o counts.csv" in said


def _wide(path: Path) -> None:
    write_packed(path, 200_000, note=repeated("x" * 1_000_000, 200_000))


def _huge(path: Path) -> None:
    write_packed(path, 3_000, note=repeated("x" * 50_000_000, 3_000))


def _one_list(path: Path) -> None:
    values = pa.ListArray.from_arrays(
        pa.array([0, 80_000_000]), pa.array(np.zeros(80_000_000, "i1"))
    )
    write_packed(path, 1, note=values)


def _zeros(path: Path) -> None:
    many = np.zeros(30_000_000)
    table = pa.table({"经度": many, "纬度": many, "n": many})
    pyarrow.feather.write_feather(table, path, compression="zstd", chunksize=len(many))


def _in_an_archive(path: Path) -> None:
    inner = path.with_suffix(".parquet")
    write_packed(inner, 1_000_000, 40, note=repeated("城市环境", 1_000_000))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, "in.parquet")
    inner.unlink()


def _claims(path: Path) -> None:
    points = gpd.points_from_xy([114.3, 114.4], [30.5, 30.6])
    gpd.GeoDataFrame({"k": ["a", "b"]}, geometry=points, crs=4326).to_file(
        path, driver="FlatGeobuf", SPATIAL_INDEX="NO"
    )
    data = bytearray(path.read_bytes())
    counts = [at for at in range(len(data) - 8) if data[at : at + 8] == struct.pack("<Q", 2)]
    data[counts[0] : counts[0] + 8] = struct.pack("<Q", 1_493_172_229)
    path.write_bytes(bytes(data))


def _joined(path: Path) -> None:
    points = gpd.points_from_xy(np.full(10_000, 114.3), np.full(10_000, 30.5))
    gpd.GeoDataFrame({"k": range(10_000)}, geometry=points, crs=4326).to_file(path, layer="p")
    database = sqlite3.connect(path)
    database.executescript(
        "CREATE TABLE v AS SELECT 1 LIMIT 0; DROP TABLE v;"
        "CREATE VIEW v AS SELECT a.fid * 10000 + b.fid AS fid, a.geom, a.k FROM p a, p b;"
        "UPDATE gpkg_contents SET table_name = 'v', identifier = 'v';"
        "UPDATE gpkg_geometry_columns SET table_name = 'v';"
    )
    database.close()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("wide.parquet", _wide), ("huge.parquet", _huge), ("list.parquet", _one_list),
        ("zeros.feather", _zeros), ("in.zip", _in_an_archive), ("claims.fgb", _claims),
        ("join.gpkg", _joined),
    ],
)  # fmt: skip
def test_a_small_file_that_unpacks_into_gigabytes_is_refused(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / name)
    assert (tmp_path / name).stat().st_size < 2_000_000
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_held() + 2 * GIGABYTE, limit[1]))
    try:
        with pytest.raises(InputError, match=r"would take|expands to|far more than") as refused:
            read_incidents(tmp_path / name, need_places=False)
        assert "\n" not in str(refused.value)
        if not name.endswith(".gpkg"):  # streams, and so may be read
            with pytest.raises(InputError):
                sum(
                    batch.table.num_rows for batch in open_incidents(tmp_path / name).file.batches()
                )
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)


def _held() -> int:
    """Return the bytes of addresses that this process has by now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@pytest.mark.parametrize("seed", range(40))
def test_the_size_told_is_that_in_memory(seed: int, tmp_path: Path) -> None:
    """Forty random tables: what is told is between half and three times what Arrow takes."""
    dice = np.random.default_rng(seed)
    rows = int(dice.integers(20_000, 90_000))
    few = np.array(["市容", "宣传广告" * int(dice.integers(1, 40)), "施"])
    table = pa.table(
        {
            "x": dice.random(rows),
            "n": dice.integers(0, 4, rows).astype(np.int32),
            "kind": few[dice.integers(0, 3, rows)],
            "id": [f"A{k:08d}" for k in range(rows)],
            "same": ["2024-05-01 08:00:00"] * rows,
        }
    )
    groups, packing = int(dice.integers(1_000, rows)), str(dice.choice(["zstd", "snappy", "none"]))
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=groups, compression=packing)
    told, widest = limits.parquet_size(tmp_path / "a.parquet")
    assert 0.5 * table.nbytes <= told <= 3 * table.nbytes
    assert widest >= max(map(len, (str(word).encode() for word in few)))
    assert len(read_table(tmp_path / "a.parquet")) == rows
    batches = [batch.table for batch in ParquetFile(tmp_path / "a.parquet").batches()]
    assert pa.Table.from_batches(batches).to_pydict() == table.to_pydict()


def test_too_little_memory_is_told_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"x": np.arange(1e5), "y": np.arange(1e5)}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"x": np.arange(1e5), "y": np.arange(1e5)}).to_csv(tmp_path / "a.csv")
    monkeypatch.setattr(limits, "_free", lambda: 1_000_000)
    for name in ("a.parquet", "a.csv"):
        with pytest.raises(InputError, match="MB of memory"):
            read_table(tmp_path / name)
        assert open_incidents(tmp_path / name).file.rows >= 0


@pytest.mark.parametrize(
    ("first", "second"),
    [("a.csv", "a.csv"), ("a.csv", "A.CSV"), ("dir/a.csv", "dir/a.csv"), ("b.txt", "b.txt")],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_told(first: str, second: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(first, "x,y\n114.3,30.5\n")
        archive.writestr(second, "x,y\n114.4,30.6\n")
    for read in (read_table, look, open_incidents, read_incidents):
        with pytest.raises(InputError, match="more than once"):
            read(tmp_path / "a.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_part_or_a_sheet_that_stands_twice_is_told(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"k": [3]}, geometry=[shapely.Point(0, 0)], crs=4547)
    frame.to_file(tmp_path / "a.shp")
    pd.DataFrame({"x": [1.0], "y": [2.0]}).to_excel(tmp_path / "a.xlsx", index=False)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in ("a.shp", "a.shx", "a.dbf", "a.prj", "a.dbf"):
            archive.write(tmp_path / part, part)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "a") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", archive.read("xl/worksheets/sheet1.xml"))
    with pytest.raises(InputError, match=r"'a\.dbf' more than once"):
        read_layer(tmp_path / "a.zip")
    with pytest.raises(InputError, match=r"sheet1\.xml' more than once"):
        read_table(tmp_path / "a.xlsx")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_gdal_takes_for_a_failure_is_an_interrupt(
    sent: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came while GDAL called back for the next batch, and ended as a full disk would."""

    def failing(*_: Any, **__: Any) -> None:
        try:
            os.kill(os.getpid(), sent)
        except KeyboardInterrupt:
            raise pyogrio.errors.DataSourceError("no more batches") from None

    monkeypatch.setattr(pyogrio, "write_arrow", failing)
    before = signal.signal(sent, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_geopackage(iter(()), pa.schema([("a", pa.string())]), tmp_path / "a.gpkg", None)
        assert signal.getsignal(sent) is signal.default_int_handler
    finally:
        signal.signal(sent, before)
    monkeypatch.setattr(pyogrio, "write_arrow", lambda *_, **__: _raise("disk full"))
    with pytest.raises(InputError, match="disk full"):
        write_geopackage(iter(()), pa.schema([("a", pa.string())]), tmp_path / "a.gpkg", None)


def test_a_geopackage_of_incidents_has_no_clock_inside(tmp_path: Path) -> None:
    """The same batches, a second apart, are the same bytes."""
    shape = shapely.to_wkb(shapely.Point(1.0, 2.0))
    schema = marked(pa.schema([("a", pa.string()), ("geom", pa.binary())]), "geom")
    for name in ("one", "two"):
        batch = pa.RecordBatch.from_arrays([pa.array(["x"]), pa.array([shape])], schema=schema)
        path = tmp_path / name / "a.gpkg"
        path.parent.mkdir()
        write_geopackage(iter([batch]), schema, path, pyproj.CRS(4547))
        time.sleep(1.1)
    one, two = ((tmp_path / name / "a.gpkg").read_bytes() for name in ("one", "two"))
    assert one == two


def _raise(why: str) -> None:
    raise pyogrio.errors.DataSourceError(why)
