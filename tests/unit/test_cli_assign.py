"""`gridmap assign`: accounts, formats, alarms, atomic output, exit codes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner, Result

import gridmap as gm
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.io.open_incidents import open_incidents
from tests.dirt import write_text, write_xls, write_xlsx


@pytest.fixture(scope="module")
def grid_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a grid of four square kilometres."""
    cells = gpd.GeoDataFrame(
        {"code": ["a1", "a2", "b1", "b2"]},
        geometry=shapely.box(
            500_000 + 1000 * np.array([0, 1, 0, 1]), 3_400_000 + 1000 * np.array([0, 0, 1, 1]),
            501_000 + 1000 * np.array([0, 1, 0, 1]), 3_401_000 + 1000 * np.array([0, 0, 1, 1]),
        ),
        crs=4547,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("grid") / "grid.gpkg"
    gm.write_grid(gm.adopt(cells, cells.union_all("coverage"), code="code"), path)
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write a Chinese CSV as a platform exports it: GBK, two notes above the headings."""
    rows = [
        "案件台账,,,,",
        "任务号,问题大类,X坐标,Y坐标,处置状态",
        "0001,市容环境,500500,3400500,结案",
        "0002,街面秩序,501000,3400500,结案",
        "0003,街面秩序,500000,3400500,处置",
        "0004,宣传广告,499000,3400500,结案",
        "0005,宣传广告,不详,3400500,结案",
    ]
    path = tmp_path / "案件.csv"
    path.write_bytes("\n".join(rows).encode("gb18030"))
    return path


def run(*arguments: object) -> Result:
    """Run the command line."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def read(path: Path) -> list[dict[str, str]]:
    """Read a CSV as text."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_accounts_are_printed(grid_file: Path, table: Path, tmp_path: Path) -> None:
    """Read is the sum of the rest; the order, columns and leading zeros are kept."""
    out = tmp_path / "out.csv"
    result = run("assign", grid_file, table, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == ("读入 5 = 网格内 1 + 共用边界 1 + 外边界 1 + 辖区外 1 + 坐标无效 1\n")
    assert "坐标无效的记录（第几条）：5" in result.stderr
    rows = read(out)
    assert [row["任务号"] for row in rows] == ["0001", "0002", "0003", "0004", "0005"]
    assert [row["网格编码"] for row in rows] == ["a1", "a2", "a1", "", ""]
    assert [row["归属状态"] for row in rows] == ["inside", "boundary", "rim", "outside", "invalid"]
    assert (rows[3]["最近网格"], rows[3]["距离（米）"]) == ("a1", "1000")


def test_decimal_commas_are_read(grid_file: Path, tmp_path: Path) -> None:
    """A European table: semicolons between the fields, commas in the numbers."""
    table = tmp_path / "europe.csv"
    table.write_text(
        "id;x;y\n1;500500,25;3400500,5\n2;k,A.;3400500\n3;501500,125;3400500\n", encoding="utf-8"
    )
    result = run("assign", grid_file, table, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    rows = read(tmp_path / "out.csv")
    assert [row["归属状态"] for row in rows] == ["inside", "invalid", "inside"]
    assert [row["x"] for row in rows] == ["500500,25", "k,A.", "501500,125"]


def test_a_column_without_a_number_is_refused(grid_file: Path, tmp_path: Path) -> None:
    """Nothing is written when the columns of the coordinates are others."""
    table = tmp_path / "wrong.csv"
    table.write_text("id,x,y\n1,High Street,here\n2,,\n", encoding="utf-8")
    result = run("--lang", "en", "assign", grid_file, table, "-o", tmp_path / "out.csv")
    assert result.exit_code == 2
    assert "None of the 2 incidents has a position" in result.stderr
    assert "'High Street'" in result.stderr
    assert list(tmp_path.glob("out*")) == []


def test_english_and_json(grid_file: Path, table: Path, tmp_path: Path) -> None:
    """The same facts in the other language, and as one document."""
    result = run("assign", grid_file, table, "-o", tmp_path / "a.csv", "--lang", "en")
    assert result.stdout.startswith(
        "read 5 = inside 1 + boundary 1 + rim 1 + outside 1 + invalid 1"
    )
    assert list(read(tmp_path / "a.csv")[0])[-4:] == [
        "code",
        "status",
        "nearest_code",
        "distance_m",
    ]
    result = run("assign", grid_file, table, "-o", tmp_path / "b.csv", "--json", "--quiet")
    document = json.loads(result.stdout)
    assert document["schema"] == "gridmap.assign/1"
    assert document["read"] == 5
    assert document["invalid_rows"] == [5]
    assert document["datum_alarm"] is None


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".gpkg"])
def test_each_format_is_opened_and_written(
    suffix: str, grid_file: Path, table: Path, tmp_path: Path
) -> None:
    """What one run wrote the next one reads, and places alike."""
    first = tmp_path / f"first{suffix}"
    assert run("assign", grid_file, table, "-o", first).exit_code == 0
    result = run("assign", grid_file, first, "-o", tmp_path / "second.csv", "--lang", "en")
    assert result.exit_code == 0, result.output
    assert [row["status"] for row in read(tmp_path / "second.csv")][:2] == ["inside", "boundary"]


def test_counts_by_cell(grid_file: Path, table: Path, tmp_path: Path) -> None:
    """Every cell has a row, zeros included."""
    result = run("assign", grid_file, table, "-o", tmp_path / "n.csv", "--counts")
    assert result.exit_code == 0, result.output
    rows = [(row["网格编码"], row["事件数"]) for row in read(tmp_path / "n.csv")]
    assert rows == [("a1", "2"), ("a2", "1"), ("b1", "0"), ("b2", "0")]


def test_reach_is_limited(grid_file: Path, table: Path, tmp_path: Path) -> None:
    """Beyond --max-distance a point is plainly outside."""
    run("assign", grid_file, table, "-o", tmp_path / "o.csv", "--max-distance", 999)
    assert read(tmp_path / "o.csv")[3]["最近网格"] == ""
    result = run("assign", grid_file, table, "-o", tmp_path / "p.csv", "--max-distance", -1)
    assert result.exit_code == 2


def test_longitudes_are_taken_as_wgs84_aloud(grid_file: Path, tmp_path: Path) -> None:
    """A shifted file is noticed and its likely datum named; declared, all is well."""
    rng = np.random.default_rng(0)
    points = gpd.GeoSeries(
        gpd.points_from_xy(500_010 + 1980 * rng.random(500), 3_400_010 + 1980 * rng.random(500)),
        crs=4547,
    )
    amap = gm.to_datum(points.to_crs(4326), "gcj02")
    path = tmp_path / "amap.csv"
    pd.DataFrame({"经度": amap.x, "纬度": amap.y}).to_csv(path, index=False)
    result = run("assign", grid_file, path, "-o", tmp_path / "a.csv")
    assert result.exit_code == 0, result.output
    assert "按 wgs84 理解" in result.stderr
    assert "--datum gcj02" in result.stderr
    result = run("assign", grid_file, path, "-o", tmp_path / "b.csv", "--datum", "gcj02")
    assert "辖区外 0 " in result.stdout
    assert result.stderr == "读取：编码 utf-8、坐标系 gcj02。\n"


def test_bad_input_is_one_line(grid_file: Path, table: Path, tmp_path: Path) -> None:
    """Exit code 2, the cure, and no output."""
    out = tmp_path / "out.csv"
    bare = tmp_path / "bare.csv"
    bare.write_text("a,b\n1,2\n")
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    cases = [
        ((grid_file, bare), "没有坐标列"),
        ((grid_file, empty), "是空文件"),
        ((grid_file, tmp_path / "gone.csv"), "gone.csv"),
        ((grid_file, table, "--x", "lng", "--y", "lat"), "没有 'lng' 这一列"),
        ((grid_file, table, "--x", "X坐标"), "没有可读的点"),
        ((grid_file, table, "--datum", "venus"), "--datum 为 'venus'"),
        ((grid_file, table, "--encoding", "klingon"), "不认识编码 'klingon'"),
    ]
    for arguments, message in cases:
        result = run("assign", *arguments, "-o", out)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    out.write_text("mine")
    result = run("assign", grid_file, table, "-o", out)
    assert (result.exit_code, out.read_text()) == (2, "mine")
    assert "--overwrite" in result.stderr
    assert run("assign", grid_file, table, "-o", out, "--overwrite").exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_the_encoding_is_told_by_the_whole_text(tmp_path: Path) -> None:
    """One late Chinese character decides; one bad byte in UTF-8 is damage."""
    plain = "id,x,y\n" + "1,500001,3400001\n" * 20_000
    late = tmp_path / "late.csv"
    late.write_bytes((plain + "2街,1,1\n").encode("gb18030"))
    assert open_incidents(late).file.file.encoding == "gb18030"
    bad = tmp_path / "bad.csv"
    bad.write_bytes("编号,x,y\n".encode() + b"1,1,1\n" * 20_000 + b"\xff,1,1\n")
    with pytest.raises(InputError, match="not utf-8 text throughout"):
        open_incidents(bad)


def test_degrees_minutes_and_a_mark_before_gbk_are_read(grid_file: Path, tmp_path: Path) -> None:
    """As tables are read at once, so they are as a stream."""
    rows = ["编号,经度,纬度", "街1,114°00′20″E,30°43′30″N", "街2,114度20秒,30.7251", "街3,114°,北"]
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(rows).encode("gb18030"))
    out = tmp_path / "out.csv"
    result = run("assign", grid_file, path, "-o", out)
    assert result.exit_code == 0, result.output
    written = read(out)
    assert [row["编号"] for row in written] == ["街1", "街2", "街3"]
    assert [row["归属状态"] for row in written] == ["inside", "inside", "invalid"]


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_leaves_no_half_file(
    kill: signal.Signals, grid_file: Path, tmp_path: Path
) -> None:
    """The output is not there, an older one is whole, and a new run starts afresh."""
    source = tmp_path / "large.csv"
    source.write_text("x,y\n" + "500500,3400500\n" * 1_000_000)
    out = tmp_path / "out.csv"
    out.write_text("older")
    command = [
        sys.executable,
        "-m",
        "gridmap",
        "assign",
        str(grid_file),
        str(source),
        "-o",
        str(out),
        "--overwrite",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob(".gridmap-*/out.csv")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, kill)
    _, news = process.communicate(timeout=240)
    assert out.read_text() == "older"
    if kill != signal.SIGKILL:
        assert process.returncode == 130, news
        assert not list(tmp_path.glob(".gridmap-*"))
    result = run("assign", grid_file, source, "-o", out, "--overwrite", "--lang", "en")
    assert "read 1,000,000 = inside 1,000,000" in result.stdout


def test_a_full_disk_is_said(grid_file: Path, tmp_path: Path) -> None:
    """Writing to a device without room ends with one line and nothing half-written."""
    source = tmp_path / "large.csv"
    x, y = 2000 * np.random.default_rng(0).random((2, 80_000))
    pd.DataFrame({"x": 500_000 + x, "y": 3_400_000 + y}).to_csv(source, index=False)
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "from gridmap.cli import main; main(sys.argv[1:])"
    )
    for suffix in (".csv", ".parquet", ".gpkg"):
        out = tmp_path / f"out{suffix}"
        command = [
            sys.executable,
            "-c",
            script,
            "assign",
            str(grid_file),
            str(source),
            "-o",
            str(out),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 2, (suffix, done.stderr)
        assert "gridmap: " in done.stderr
        assert not out.exists()
        assert not list(tmp_path.glob(".gridmap-*"))


def test_a_folder_of_parquet_is_opened(grid_file: Path, tmp_path: Path) -> None:
    """Its parts are one table; a folder without any is refused."""
    (tmp_path / "parts").mkdir()
    for part in range(3):
        table = pd.DataFrame({"x": [500_500.0] * 5, "y": [3_400_500.0] * 5})
        table.to_parquet(tmp_path / "parts" / f"{part}.parquet")
    result = run("assign", grid_file, tmp_path / "parts", "-o", tmp_path / "o.csv", "--lang", "en")
    assert result.stdout.startswith("read 15 = inside 15 ")
    (tmp_path / "bare").mkdir()
    assert run("assign", grid_file, tmp_path / "bare", "-o", tmp_path / "p.csv").exit_code == 2


OFFICE = [
    ["2026年一季度案件台账", None, None],
    ["任务号", "X坐标", "Y坐标"],
    ["0001", 500_500, 3_400_500],
    ["0002", 501_500, 3_400_500],
    ["合计", 2, None],
    ["填表人：某某", None, None],
]
COVER = [["福民街道"], ["案件上报材料"], ["2026年4月"]]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".xls"])
def test_totals_are_no_invalid_incidents(grid_file: Path, tmp_path: Path, suffix: str) -> None:
    path, out = tmp_path / f"案件{suffix}", tmp_path / "out.csv"
    if suffix == ".csv":
        write_text(OFFICE, path, encoding="gb18030")
    elif suffix == ".xls":
        write_xls(OFFICE, path)
    else:
        write_xlsx({"台账": OFFICE}, path)
    result = run("--lang", "en", "assign", grid_file, path, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("read 2 = inside 2 ")
    assert "Left out, being no record: 合计 2" in result.stderr
    assert "Left out, being no record: 填表人：某某" in result.stderr
    assert len(pd.read_csv(out)) == 2


def test_the_sheet_with_places_is_taken(grid_file: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "案件.xlsx", tmp_path / "out.csv"
    write_xlsx({"封面": COVER, "明细": OFFICE}, path)
    assert run("assign", grid_file, path, "-o", out).exit_code == 0
    assert len(pd.read_csv(out)) == 2


def test_sheets_of_one_form_are_all_assigned(grid_file: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "案件.xlsx", tmp_path / "out.csv"
    write_xlsx({"封面": COVER, "一社区": OFFICE, "二社区": OFFICE}, path)
    assert run("assign", grid_file, path, "-o", out).exit_code == 0
    assert pd.read_csv(out)["sheet"].tolist() == ["一社区", "一社区", "二社区", "二社区"]


def test_sheets_of_two_forms_must_be_named(grid_file: Path, tmp_path: Path) -> None:
    other = [["工单编号", "经度", "纬度"], ["1", 114.0, 30.7]]
    path, out = tmp_path / "案件.xlsx", tmp_path / "out.csv"
    write_xlsx({"封面": COVER, "明细": OFFICE, "热线": other}, path)
    result = run("--lang", "en", "assign", grid_file, path, "-o", out)
    assert result.exit_code == 2
    assert "sheets 明细, 热线" in result.stderr
    assert run("assign", grid_file, f"{path}:明细", "-o", out).exit_code == 0


def test_an_output_that_cannot_be_is_refused_before_any_work(
    grid_file: Path, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    there = tmp_path / "there.csv"
    there.write_text("mine")
    for out, message in (
        (tmp_path / "folder", "is a folder"),
        (tmp_path / "none" / "out.csv", "does not exist"),
        (table, "which this command reads"),
        (there, "exists already"),
    ):
        result = run("--lang", "en", "assign", grid_file, table, "-o", out)
        assert result.exit_code == 2
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1
