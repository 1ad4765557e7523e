"""Corrupted files: an error of one line or a frame with every record, never anything else."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

from gridmap.cli import main
from gridmap.errors import GridmapError
from gridmap.io import read_grid, read_layer, read_table, write_grid, write_layer, write_table
from gridmap.io.columns import understand
from gridmap.io.inputs import read_households, read_incidents
from gridmap.io.inspect import look
from tests.corpus import CORRUPTIONS, Corrupt, blank, flip, flip_head
from tests.dirt import office_rows, write_bare_shapefile, write_text, write_xls, write_xlsx

ROUNDS = int(os.environ.get("GRIDMAP_FUZZ_ROUNDS", "6"))  # corruptions of each kind and file
SECONDS = 20  # for one file of a few kilobytes
ROWS = 40
TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"

TABLE = pd.DataFrame(
    {
        "building_id": [f"{n:03d}" for n in range(ROWS)],
        "compound": ["福苑", "锦园"] * (ROWS // 2),
        "households": range(3, 3 + ROWS),
        "lng": np.linspace(113.6, 113.7, ROWS),
        "lat": np.linspace(34.7, 34.8, ROWS),
    }
)


@contextmanager
def no_hang() -> Iterator[None]:
    """Fail when a read takes too long."""

    def stop(*_: Any) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def layer() -> gpd.GeoDataFrame:
    x = np.arange(ROWS) * 10.0
    named = TABLE.rename(columns={"households": "户数", "compound": "小区", "building_id": "编号"})
    return gpd.GeoDataFrame(named, geometry=shapely.box(x, 0, x + 10, 10), crs=4547)


def _text(encoding: str) -> Callable[[Path], None]:
    return lambda path: write_text(office_rows(TABLE), path, encoding=encoding)


def _archive(inner: str) -> Callable[[Path], None]:
    """Return a writer of an archive around another file, with a folder and a note beside it."""

    def write(path: Path) -> None:
        within = path.parent / "within"
        within.mkdir(exist_ok=True)
        WRITERS[inner](within / inner)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in sorted(within.iterdir()):
                archive.write(part, f"台账/{part.name}")
            archive.writestr("说明.md", "见台账")
        shutil.rmtree(within)

    return write


def _sheets(path: Path) -> None:
    rows = office_rows(TABLE)
    write_xlsx({"一街": rows, "二街": rows}, path, merges=("A1:E1",))


WRITERS: dict[str, Callable[[Path], None]] = {
    "utf8.csv": _text("utf-8"),
    "gbk.csv": _text("gb18030"),
    "a.xlsx": lambda path: write_table(TABLE, path),
    "a.xls": lambda path: write_xls(office_rows(TABLE), path),
    "table.parquet": lambda path: write_table(TABLE, path),
    "layer.parquet": lambda path: write_layer(layer(), path),
    "a.gpkg": lambda path: write_layer(layer(), path),
    "a.geojson": lambda path: write_layer(layer().to_crs(4326), path),
    "a.fgb": lambda path: write_layer(layer(), path),
    "a.kml": lambda path: write_layer(layer().to_crs(4326), path),
    "a.shp": lambda path: write_bare_shapefile(layer(), path),
    "sheets.xlsx": _sheets,
    "csv.zip": _archive("gbk.csv"),
    "xlsx.zip": _archive("a.xlsx"),
    "shp.zip": _archive("a.shp"),
    "geojson.zip": _archive("a.geojson"),
}
SHAPED = (
    "shp.zip",
    "geojson.zip",
    "layer.parquet",
    "a.gpkg",
    "a.geojson",
    "a.fgb",
    "a.kml",
    "a.shp",
)


def attempt(read: Callable[..., Any], *arguments: Any) -> Any:
    """Return what was read, or None when it was refused in one line."""
    message = ""
    with no_hang(), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return read(*arguments)
        except GridmapError as error:
            message = str(error)
    assert "\n" not in message
    assert len(message) > 20
    return None


def spoil(path: Path, corrupt: Corrupt, random: np.random.Generator) -> None:
    """Corrupt a file, for a Shapefile one of its parts."""
    parts = [path]
    if path.suffix == ".shp":
        parts = [path.with_suffix(s) for s in (".shp", ".dbf", ".shx")]
    part = parts[random.integers(0, len(parts))]
    part.write_bytes(corrupt(part.read_bytes(), random))


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", WRITERS)
def test_a_corrupted_file_is_refused_or_read(name: str, corrupt: Corrupt, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    WRITERS[name](good / name)
    original = {part.name: part.read_bytes() for part in good.iterdir()}
    random = np.random.default_rng([len(name), *name.encode(), *corrupt.__name__.encode()])
    for _ in range(ROUNDS):
        for part, data in original.items():
            (good / part).write_bytes(data)
        spoil(good / name, corrupt, random)
        path = good / name
        frame = attempt(read_layer if name in SHAPED else read_table, path)
        for read in (look, read_households, read_incidents):
            attempt(read, path)
        if frame is not None and corrupt in (flip, flip_head, blank) and name not in SHAPED:
            check_nothing_dropped(frame, path)


def check_nothing_dropped(frame: pd.DataFrame, path: Path) -> None:
    """Hold the records against the lines of a text, which can be counted otherwise."""
    if path.suffix != ".csv":
        return
    lines = [line for line in path.read_bytes().replace(b"\r", b"\n").split(b"\n")
             if line.strip(b", \t")]  # fmt: skip
    told = sum(en.startswith("Left out") for en in map(str, frame.attrs["notes"]))
    assert len(frame) + told + 3 >= len(lines) - 1


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda c: c.__name__)
def test_a_corrupted_grid_file_is_refused_or_the_same(
    corrupt: Corrupt, grid: Any, tmp_path: Path
) -> None:
    path = tmp_path / "g.gpkg"
    write_grid(grid, path)
    original = path.read_bytes()
    random = np.random.default_rng([7, *corrupt.__name__.encode()])
    for _ in range(ROUNDS // 2):
        path.write_bytes(corrupt(original, random))
        back = attempt(read_grid, path)
        assert CliRunner().invoke(main, ["validate", str(path)]).exit_code in (0, 1, 2)
        if back is not None:
            assert len(back) == len(grid)
            assert back.boundary.equals(grid.boundary)


@pytest.mark.parametrize("command", ["validate", "staff"])
def test_a_grid_file_without_a_column_is_told(command: str, grid: Any, tmp_path: Path) -> None:
    path, roster = tmp_path / "g.gpkg", tmp_path / "roster.csv"
    roster.write_text("网格编码,角色\n1,网格长\n", encoding="utf-8")
    for table, column in (
        ("jurisdictions", "parent"), ("cells", "households"), ("exceptions", "code"),
        ("retired", "code"), ("gridmap_metadata", "value"), ("units", "code"),
    ):  # fmt: skip
        write_grid(grid, path, overwrite=True)
        with closing(sqlite3.connect(path)) as base, base:
            for (name,) in base.execute(TRIGGERS).fetchall():
                base.execute(f'DROP TRIGGER "{name}"')
            base.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
        ran = CliRunner().invoke(main, [command, str(path), *[str(roster)] * (command == "staff")])
        unread = command == "staff" and table in ("units", "exceptions", "retired")
        assert ran.exit_code in ((0, 1, 2) if unread else (1, 2)), ran.output


def test_a_spoilt_database_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    psycopg = pytest.importorskip("psycopg")

    def refuse(url: str, **_: Any) -> None:  # understood, but nobody is there
        psycopg.conninfo.conninfo_to_dict(url)
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    url = "postgresql://user:secret@127.0.0.1:1/city?table=public.cells&connect_timeout=1"
    random = np.random.default_rng(11)
    signs = [":", "@", "/", "?", "[", "]", "%", "=", "&", "\0", "户", " ", "\n", "99999"]
    for _ in range(ROUNDS * 10):
        text = list(url)
        for place in random.integers(len("postgresql://"), len(url), random.integers(1, 5)):
            text[place] = signs[random.integers(len(signs))]
        spoilt = "".join(text)
        for read in (read_layer, read_table, look, read_households):
            assert attempt(read, spoilt) is None


@pytest.mark.parametrize("kind", ["building", "incident", "cell", "staff", "jurisdiction"])
def test_any_table_is_understood_or_refused(kind: str) -> None:
    random = np.random.default_rng(len(kind))
    pieces = [
        "户数",
        "总户数",
        "经度",
        "网格编码",
        "上报时间",
        "结案时间",
        "x",
        "",
        "𝔘",
        "=1",
        "a b",
        "N/A",
    ]
    values = [
        "3",
        "3 60户",
        "约",
        "2024-01-01",
        "１２",
        "nan",
        "-",
        None,
        4,
        5.5,
        np.inf,
        "\u200b",
        "9" * 400,
    ]
    for _ in range(ROUNDS * 10):
        width, height = random.integers(1, 6), random.integers(1, 6)
        headings = random.choice(np.array(pieces, dtype=object), width)
        data = [
            pd.Series([values[i] for i in random.integers(0, len(values), height)], dtype=object)
            for _ in headings
        ]
        frame = pd.concat(data, axis=1)
        frame.columns = pd.Index(headings)
        result = attempt(understand, frame, kind)
        if result is not None:
            assert len(result[0]) == height
