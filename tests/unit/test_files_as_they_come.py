"""Files that were misread silently, or refused with a cure that could not help."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import json
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from click.testing import CliRunner
from openpyxl.worksheet.cell_range import CellRange

import gridmap as gm
from gridmap.cli import main
from gridmap.crs.datum import positions_to
from gridmap.errors import InputError
from gridmap.io import read_layer, read_table, write_grid
from gridmap.io.columns import aliases, is_additive, meaning, understand
from gridmap.io.declared import declaring
from gridmap.io.encodings import choose_encoding
from gridmap.io.inputs import read_cells, read_households, read_incidents
from gridmap.io.inspect import look
from gridmap.io.open_incidents import open_incidents
from gridmap.io.point_text import find_point_column, parse_points
from gridmap.io.source import find_source
from gridmap.privacy import personal_columns
from gridmap.vocabulary import fold


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [*map(str, arguments), "--lang", "en"])


@pytest.fixture(scope="module")
def wuhan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a grid file of one cell near Wuhan, in EPSG:4547."""
    cell = shapely.box(430_000, 3_370_000, 470_000, 3_400_000)
    cells = gpd.GeoDataFrame({"code": ["a"], "households": [400]}, geometry=[cell], crs=4547)
    path = tmp_path_factory.mktemp("wuhan") / "grid.gpkg"
    write_grid(gm.adopt(cells, cell, code="code"), path)
    return path


def merged(path: Path, *, suffix: str = "") -> None:
    """Write buildings whose households stand in cells merged over their units."""
    book = openpyxl.Workbook()
    rows = [["楼栋", "单元", "户数", "小区"], ["1", "1", f"36{suffix}" if suffix else 36, "福苑"],
            ["1", "2", None, None], ["1", "3", None, None], ["2", "1", 20, "锦园"]]  # fmt: skip
    for row in rows:
        book.active.append(row)
    book.active.merge_cells("C2:C4")
    book.active.merge_cells("D2:D4")
    book.save(path)


@pytest.mark.parametrize("suffix", ["", "户"])
def test_a_count_in_merged_cells_is_counted_once(tmp_path: Path, suffix: str) -> None:
    merged(tmp_path / "a.xlsx", suffix=suffix)
    frame, known = understand(read_table(tmp_path / "a.xlsx"), "building")
    assert frame["households"].sum() == 56
    assert frame["compound"].tolist() == ["福苑"] * 3 + ["锦园"]
    assert any("counted once" in str(note) for note in known.notes)


@pytest.mark.parametrize(
    "heading", ["楼栋数", "單元數", "车位数", "Total households", "No. of flats", "Units"]
)
def test_whatever_adds_up_is_counted_once(heading: str) -> None:
    assert is_additive(heading)


@pytest.mark.parametrize("heading", ["层数", "系数", "天数", "平均岁数", "House number", "unit no"])
def test_what_does_not_add_up_stands_in_every_row(heading: str) -> None:
    assert not is_additive(heading)


@pytest.mark.parametrize(
    "text", ["40.7128 N, 74.0060 W", "74.0060W 40.7128N", "N 40.7128 W 74.0060"]
)
def test_letters_of_the_compass_tell_a_point_without_degree_signs(text: str) -> None:
    column = find_point_column([("location", [text])])
    assert column is not None
    found = parse_points(pa.array([text]), column)
    assert (found.x.tolist(), found.y.tolist()) == ([-74.006], [40.7128])


@pytest.mark.parametrize(
    ("x", "y"),
    [("longitud", "latitud"), ("Longitudine", "Latitudine"), ("Längengrad", "Breitengrad"),
     ("TM2_X", "TM2_Y"), ("TWD97橫座標", "TWD97縱座標")],
)  # fmt: skip
def test_coordinates_have_names_in_other_languages(x: str, y: str) -> None:
    known = aliases("incident")
    assert (meaning(x, known), meaning(y, known)) in (("lng", "lat"), ("x", "y"))


def test_what_a_merged_cell_hides_is_left_out_and_told(tmp_path: Path) -> None:
    """WPS keeps the values beneath, of which nobody sees any."""
    book = openpyxl.Workbook()
    rows = [["楼栋", "户数", "小区"], ["1", 36, "福苑"], ["2", 36, "福苑"], ["3", 99, "旧名"],
            ["4", 20, "锦园"]]  # fmt: skip
    for row in rows:
        book.active.append(row)
    for block in ("B2:B4", "C2:C4"):  # not by `merge_cells`, which empties them
        book.active.merged_cells.ranges.add(CellRange(block))
    book.save(tmp_path / "a.xlsx")
    frame, known = understand(read_table(tmp_path / "a.xlsx"), "building")
    assert frame["households"].tolist() == [36, 0, 0, 20]
    assert frame["compound"].tolist() == ["福苑"] * 3 + ["锦园"]
    told = [str(note) for note in known.notes]
    assert "Left out: 4 values that merged cells hide." in told


def test_streamed_and_whole_sheets_agree_on_merged_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    rows = [["编号", "类别", "经度", "纬度"], ["1", "违停", 114.3, 30.6], ["2", None, 114.4, 30.7]]
    for row in rows:
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.save(tmp_path / "a.xlsx")
    whole = read_incidents(tmp_path / "a.xlsx")[0]["category"].tolist()
    (batch,) = open_incidents(tmp_path / "a.xlsx").file.batches()
    assert whole == batch.table.column("类别").to_pylist() == ["违停", "违停"]


def geojson(path: Path, times: list[str]) -> Path:
    features = [
        {"type": "Feature", "properties": {"time": time},
         "geometry": {"type": "Point", "coordinates": [114.3, 30.6]}}
        for time in times
    ]  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".geojson"])
@pytest.mark.parametrize(
    ("times", "means"),
    [
        (["2024-01-05T08:00:00+01:00", "2024-07-05T08:00:00+02:00"], [8, 8]),
        (["2024-01-05T08:00:00+08:00", "2024-07-05T09:00:00+08:00"], [8, 9]),
        (["2024-01-05T08:00:00Z", "2024-07-05T09:00:00Z"], [8, 9]),
        (["2024-01-05T08:00:00+00:00", "2024-07-05T09:00:00+00:00"], [8, 9]),
        (["2024-01-05T08:00:00+00:00", "2024-07-05T09:00:00+08:00"], None),
        (["2024-01-05T08:00:00Z", "2024-07-05T09:00:00"], None),
    ],
)
def test_one_rule_for_time_zones(
    tmp_path: Path, suffix: str, times: list[str], means: list[int] | None
) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        pd.DataFrame({"time": times, "lng": 114.3, "lat": 30.6}).to_csv(path, index=False)
    else:
        geojson(path, times)
    if means is None:
        with pytest.raises(InputError, match="time_zone="):
            read_incidents(path)
    else:
        frame, known = read_incidents(path)
        assert frame["time"].dt.hour.tolist() == means
        utc = times[0].endswith(("Z", "+00:00"))
        assert any("UTC" in str(note) for note in known.notes) == utc
    with declaring(time_zone="Asia/Shanghai"):
        hours = read_incidents(path)[0]["time"].dt.hour.tolist()
    told = [pd.Timestamp(time) for time in times]
    assert hours == [t.tz_convert("Asia/Shanghai").hour if t.tzinfo else t.hour for t in told]


@pytest.mark.parametrize("zone", ["", "UTC", "+08:00"])
@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson"])
def test_a_stream_of_a_layer_keeps_the_zone_that_its_times_name(
    wuhan: Path, tmp_path: Path, suffix: str, zone: str
) -> None:
    times = pd.date_range("2026-01-01 08:00", periods=3, freq="7h", unit="ms", tz=zone or None)
    points = gpd.points_from_xy([440_000] * 3, [3_380_000] * 3)
    given, placed = tmp_path / f"a{suffix}", tmp_path / "placed.parquet"
    gpd.GeoDataFrame({"time": times}, geometry=points, crs=4547).to_file(given)
    told = json.loads(run("assign", wuhan, given, "-o", placed, "--json").stdout)["reading"]
    seen = json.loads(run("info", given, "--json").stdout)["layers"][0]["reading"]
    assert told[-1]["time_zone"] == seen["time_zone"] == (zone or "as written")
    assert sorted(pq.read_table(placed)["time"].to_pandas()) == list(times)


def test_untyped_days_of_1904(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    for row in [["上报时间", "户数"], [43834, 1], [43835, 2]]:
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    frame, _ = understand(read_table(tmp_path / "a.xlsx"), "incident")
    assert frame["time"].tolist() == [pd.Timestamp(2024, 1, 5), pd.Timestamp(2024, 1, 6)]


TRADITIONAL = {
    "編號": "incident_id", "日期": "time", "經度": "lng", "緯度": "lat", "類別": "category",
    "X坐標": "x", "Y坐標": "y", "Y座標": "y", "發生時間": "time", "案件狀態": "status",
    "Created Date": "time", "created_date": "time", "Complaint Type": "category",
    "unique_key": "incident_id", "坐标_x": "x", "座標Y": "y", "投影X": "x", "gpsx": "lng",
    "事发经度": "lng", "Y緯度": "lat",
}  # fmt: skip


@pytest.mark.parametrize("heading", TRADITIONAL)
def test_headings_in_both_scripts_and_of_portals(heading: str) -> None:
    table = pd.DataFrame({heading: ["1"]})
    assert understand(table, "incident", convert=False)[1].columns == {
        TRADITIONAL[heading]: heading
    }


def test_a_counting_word_is_understood_in_a_layer(tmp_path: Path) -> None:
    cells = gpd.GeoDataFrame(
        {"網格編碼": ["a", "b"], "總戶數": ["534户", "310戶"]},
        geometry=shapely.box([0, 10], 0, [10, 20], 10), crs=4547,
    )  # fmt: skip
    cells.to_file(tmp_path / "cells.gpkg")
    frame, _ = read_cells(tmp_path / "cells.gpkg")
    assert frame["households"].tolist() == [534, 310]
    assert frame["code"].tolist() == ["a", "b"]
    assert read_households(tmp_path / "cells.gpkg")[0]["households"].tolist() == [534, 310]


def minutes(value: float) -> float:
    return int(value) * 100 + (value % 1) * 60


X, Y = np.array([450_000.0, 451_000.0]), np.array([3_384_000.0, 3_385_000.0])
LNG, LAT = (
    gm.to_datum(gpd.GeoSeries.from_xy(X, Y, crs=4547), "wgs84").get_coordinates().T.to_numpy()
)
ASTRAY = {
    "--datum EPSG:4526": (X + 38e6, Y),
    "northing and easting are exchanged": (Y, X),
    "degrees and minutes": (np.vectorize(minutes)(LNG), np.vectorize(minutes)(LAT)),
    "divide by 1,000,000": (LNG * 1e6, LAT * 1e6),
    "lack their minus sign": (-LNG, LAT),
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("cause", ASTRAY)
def test_the_likely_cause_is_named_when_nothing_lies_in_the_grid(
    cause: str, wuhan: Path, tmp_path: Path
) -> None:
    x, y = ASTRAY[cause]
    pd.DataFrame({"x": x, "y": y, "time": "2024-01-05"}).to_csv(tmp_path / "a.csv", index=False)
    for command in (["assign"], ["hotspots"]):
        out = tmp_path / f"{command[0]}.csv"
        done = run(*command, wuhan, tmp_path / "a.csv", "-o", out)
        assert done.exit_code == 1, done.output
        assert cause in done.stderr.replace("\n", " "), (cause, done.stderr)


@pytest.mark.parametrize("datum", ["EPSG:4547", "wgs84", "gcj02"])
def test_points_beside_the_grid_are_told_no_cause(datum: str, wuhan: Path, tmp_path: Path) -> None:
    west, south, east, _ = gm.read_grid(wuhan).boundary.bounds
    x, y = np.array([west - (east - west) / 8]), np.array([south])
    if datum != "EPSG:4547":
        x, y = positions_to(x, y, datum, 4547)
    pd.DataFrame({"x": x, "y": y}).to_csv(tmp_path / "a.csv", index=False)
    out = ["-o", tmp_path / "o.csv", "--datum", datum]
    done = run("assign", wuhan, tmp_path / "a.csv", *out)
    assert done.exit_code == 1
    assert "in the grid: check the columns of the coordinates, and --datum." in done.stderr


def test_the_cure_for_a_zone_in_front_works(wuhan: Path, tmp_path: Path) -> None:
    pd.DataFrame({"x": X + 38e6, "y": Y}).to_csv(tmp_path / "a.csv", index=False)
    cure = ["--datum", "EPSG:4526"]
    done = run("assign", wuhan, tmp_path / "a.csv", "-o", tmp_path / "o.csv", *cure)
    assert done.exit_code == 0, done.output


def test_an_empty_layer_does_not_hide_the_others(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(1, 1)], crs=4547)
    pyogrio.write_dataframe(points, tmp_path / "a.gpkg", layer="full")
    pyogrio.write_dataframe(points.iloc[:0], tmp_path / "a.gpkg", layer="empty", append=True)
    assert {layer.name: layer.features for layer in look(tmp_path / "a.gpkg")} == {
        "full": 1,
        "empty": 0,
    }
    assert len(read_incidents(tmp_path / "a.gpkg")[0]) == 1


def test_points_without_any_column_are_assigned(wuhan: Path, tmp_path: Path) -> None:
    inside = gm.read_grid(wuhan).cells.geometry.representative_point()
    points = gpd.GeoDataFrame(geometry=inside.to_crs(4326).to_list(), crs=4326)
    points.to_file(tmp_path / "a.gpx", driver="GPX", layer="waypoints")
    done = run("assign", wuhan, tmp_path / "a.gpx", "-o", tmp_path / "o.csv")
    assert done.exit_code == 0, done.output
    assert pd.read_csv(tmp_path / "o.csv", dtype=str)["code"].tolist() == inside.index.tolist()


NOTHING = pd.DataFrame({"incident_id": [], "time": [], "x": [], "y": []}, dtype="str")


def no_incidents(folder: Path, ending: str) -> Path:
    """Write a file that has headings only."""
    path = folder / f"none.{ending}"
    match ending:
        case "csv":
            NOTHING.to_csv(path, index=False)
        case "xlsx":
            NOTHING.to_excel(path, index=False)
        case "parquet":
            NOTHING.to_parquet(path)
        case _:
            gpd.GeoDataFrame(NOTHING, geometry=[], crs=4547).to_file(path, layer="none")
    return path


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet", "gpkg"])
def test_headings_only_are_a_quiet_week(wuhan: Path, tmp_path: Path, ending: str) -> None:
    empty, grid = no_incidents(tmp_path, ending), wuhan
    outputs = {
        "assign": "out.csv", "hotspots": "out.xlsx", "clusters": "out.xlsx",
        "briefing": "out.html", "map": "out.html",
    }  # fmt: skip
    assert run("info", empty).exit_code == 0
    for command, name in outputs.items():
        given = ["--incidents", empty] if command == "map" else [empty]
        made = run(command, grid, *given, "-o", tmp_path / f"{command}-{name}")
        assert made.exit_code == 0, made.stderr
        assert (tmp_path / f"{command}-{name}").exists()
    assert "read 0 = inside 0" in run("assign", grid, empty, "-o", tmp_path / "b.csv").stdout


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_headings_only_are_no_households(tmp_path: Path, ending: str) -> None:
    with pytest.raises(InputError, match="headings but no records"):
        read_households(no_incidents(tmp_path, ending))


@pytest.mark.parametrize("stated", ["missing", "wrong", "none"])
def test_metres_said_to_be_degrees_are_judged_alike_at_every_door(
    grid: gm.Grid, tmp_path: Path, stated: str
) -> None:
    """By the specification of GeoParquet a CRS that is not named is longitude and latitude."""
    write_grid(grid, tmp_path / "g.gpkg")
    places = shapely.point_on_surface(grid.cells.geometry.to_numpy())
    points = gpd.GeoDataFrame({"id": range(len(places))}, geometry=places, crs=4326)
    points.to_parquet(path := tmp_path / "a.parquet")
    table = pq.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    if stated == "missing":
        del geo["columns"]["geometry"]["crs"]
    elif stated == "none":
        geo["columns"]["geometry"]["crs"] = None
    pq.write_table(table.replace_schema_metadata({b"geo": json.dumps(geo)}), path)
    told = run("info", path).stdout
    assert "EPSG:4547" in told and "--datum" in told
    for command in ("assign", "hotspots", "clusters"):
        out = tmp_path / f"{command}.csv"
        refused = run(command, tmp_path / "g.gpkg", path, "-o", out)
        assert refused.exit_code == 2 and "`--datum EPSG:4547`" in refused.stderr
        said = refused.stderr.strip().splitlines()[-1].removeprefix("gridmap: ")
        assert said in told
        mended = run(command, tmp_path / "g.gpkg", path, "-o", out, "--datum", grid.crs.to_string())
        assert mended.exit_code == 0, mended.stderr


def test_one_wild_point_does_not_make_a_layer_no_degrees(tmp_path: Path) -> None:
    places = gpd.points_from_xy([113.6] * 200 + [5e5], [30.6] * 200 + [3e6])
    gpd.GeoDataFrame({"a": range(201)}, geometry=places, crs=4326).to_file(tmp_path / "a.geojson")
    assert len(read_incidents(tmp_path / "a.geojson")[0]) == 201
    exchanged = gpd.GeoDataFrame(geometry=gpd.points_from_xy([30.6] * 9, [113.6] * 9), crs=4326)
    exchanged.to_file(tmp_path / "b.geojson")
    for read in (read_incidents, open_incidents):
        with pytest.raises(InputError, match="axes seem exchanged"):
            read(tmp_path / "b.geojson")


def test_a_note_beside_the_data_is_not_asked_about(tmp_path: Path) -> None:
    table = "id,lng,lat\n1,113.6,30.58\n"
    notes = ["Data of 2024, as it came.", "说明：\n截至2024年", "", "One, two.\nThree, four, five."]
    for number, note in enumerate(notes):
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data/cases.csv", table)
            archive.writestr("data/ReadMe.txt", note.encode("gb18030"))
        assert find_source(path).member == "data/cases.csv"
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", table)
        archive.writestr("b.txt", table)
    with pytest.raises(InputError, match="must lead to one readable file"):
        find_source(tmp_path / "two.zip")


def test_degrees_a_little_beyond_are_degrees(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame(
        {"a": [1, 2]}, geometry=gpd.points_from_xy([180.003, 179.9], [0, 1]), crs=4326
    )
    points.to_file(tmp_path / "a.geojson")
    assert len(read_incidents(tmp_path / "a.geojson")[0]) == 2


def test_what_stands_twice_in_a_sheet_is_refused_by_both_doors(tmp_path: Path) -> None:
    path, twice = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    pd.DataFrame({"lng": [114.3, 114.4], "lat": [30.6, 30.7]}).to_excel(path, index=False)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(twice, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'r="B3"', b'r="A3"'))
    for read in (look, read_table, lambda p: list(open_incidents(p).file.batches())):
        with pytest.raises(InputError, match="twice"):
            read(twice)


def test_zero_bytes_are_refused_by_both_doors(tmp_path: Path) -> None:
    text = "id,lng,lat\n" + "1,114.3,30.6\n" * 120
    data = bytearray(text.encode())
    data[800:900] = b"\0" * 100
    (tmp_path / "a.csv").write_bytes(data)
    for read in (look, read_table, lambda p: list(open_incidents(p).file.batches())):
        with pytest.raises(InputError, match="zero bytes"):
            read(tmp_path / "a.csv")


def test_every_reading_is_stated(wuhan: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"時間": ["113/01/05"] * 2, "x": X, "y": Y})
    table.to_csv(tmp_path / "a.csv", index=False, encoding="big5")
    done = run("assign", wuhan, tmp_path / "a.csv", "-o", tmp_path / "o.csv", "--json")
    reading = json.loads(done.stdout)["reading"][0]
    assert reading["encoding"] == "big5"
    done = run("indicators", wuhan, tmp_path / "a.csv", "--json")
    reading = json.loads(done.stdout)["reading"][0]
    assert (reading["rows"], reading["encoding"], reading["date_order"]) == (2, "big5", "roc")
    assert reading["time_zone"] == "as written"
    (layer,) = look(tmp_path / "a.csv")
    assert layer.reading is not None
    assert {
        k: layer.reading.stated[k] for k in ("rows", "encoding", "date_order", "time_zone")
    } == {k: reading[k] for k in ("rows", "encoding", "date_order", "time_zone")}


def test_persons_and_words_are_known_in_both_scripts() -> None:
    table = pd.DataFrame({"聯絡人": ["a"], "手機": ["b"], "身分證號": ["c"], "類別": ["d"]})
    assert list(personal_columns(table)) == ["聯絡人", "手機", "身分證號"]
    assert fold("結案") == fold("结案")


def test_a_crs_that_means_nothing_is_damage(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(1, 1)], crs=4326)
    points.to_parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    geo["columns"]["geometry"]["crs"] = {"type": "nonsense"}
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), tmp_path / "b.parquet")
    for read in (read_incidents, lambda path: open_incidents(path).file.crs):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / "b.parquet")


def test_metadata_of_a_column_that_is_not_there_are_damage(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(1, 1)], crs=4326)
    points.to_parquet(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    said = table.schema.metadata[b"geo"].replace(b'"geometry"', b'"geomftry"')
    pq.write_table(table.replace_schema_metadata({"geo": said}), tmp_path / "b.parquet")
    for read in (read_incidents, look, open_incidents):
        with pytest.raises(InputError, match="what it says of its geometry is broken"):
            read(tmp_path / "b.parquet")


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp"])
def test_words_in_kanji_alone_are_asked_about_under_the_encoding_they_are_in(encoding: str) -> None:
    text = "id,分類\n1,東京都\n2,大阪府\n3,京都市\n4,横浜市\n"
    with pytest.raises(InputError, match=f'Say which: `encoding="{encoding}"`'):
        choose_encoding(text.encode(encoding))


@pytest.mark.parametrize(
    "form",
    [
        "经度:{x},纬度:{y}", "緯度：{y}；經度：{x}", "E{x},N{y}", "东经{x}°，北纬{y}°",
        "{{'longitude': '{x}', 'latitude': '{y}'}}", '{{"lat": {y}, "lng": {x}}}',
    ],
)  # fmt: skip
def test_numbers_that_say_what_they_are_are_points_in_either_order(form: str) -> None:
    texts = [form.format(x=x, y=y) for x, y in ((113.6, 30.58), (113.61, 30.59))]
    column = find_point_column([("位置", texts)])
    assert column is not None
    x, y, _ = parse_points(pa.array([*texts, None]), column)
    assert x[:2].tolist() == [113.6, 113.61] and y[:2].tolist() == [30.58, 30.59]
    assert np.isnan(x[2])


def _hex(**how: Any) -> list[str]:
    return list(shapely.to_wkb(shapely.points([(113.6, 30.5, 4), (113.7, 30.6, 4)]), True, **how))


@pytest.mark.parametrize(
    "texts",
    [
        _hex(flavor="iso"), _hex(flavor="extended"), _hex(flavor="iso", byte_order=0),
        _hex(flavor="extended", byte_order=0), [f"0x{text}" for text in _hex()],
        ["geo:30.5,113.6", "geo:30.6,113.7"], ["113.6、30.5", "113.7、30.6"],
        ["N30°30′00″ E113°36′", "N30°36′00.0″ E113°42′"],
        ["113°36′E 30°30′N", "113°42′E 30°36′N"], ["东经113°36′，北纬30°30′"] * 2,
        ["纬度：30°30′ 经度：113°36′"] * 2, ["113度36分,30度30分"] * 2,
        ["{'type': 'Point', 'coordinates': [113.6, 30.5]}"] * 2,
    ],
)  # fmt: skip
def test_points_in_one_column_as_programs_and_people_write_them(texts: list[str]) -> None:
    column = find_point_column([("坐标", texts)])
    assert column is not None
    x, y, _ = parse_points(pa.array(texts), column)
    assert (round(x[0], 9), round(y[0], 9)) == (113.6, 30.5)


METRES = (450_123.4, 3_380_456.1)
ONE_COLUMN = {
    "113.5,30.5,12.3": (113.5, 30.5), "30.5 113.5 12.3m": (113.5, 30.5),
    "geo:30.5,113.5,12": (113.5, 30.5), "POINT Z (113.5 30.5 12)": (113.5, 30.5),
    "POINT(113.5, 30.5)": (113.5, 30.5), "SRID=4326;Point( 113.5 ,30.5 )": (113.5, 30.5),
    '"113.5","30.5"': (113.5, 30.5), "“30.5”，“113.5”": (113.5, 30.5),
    "(x=113.5, y=30.5)": (113.5, 30.5), "Y：30.5　X：113.5": (113.5, 30.5),
    "x=30.5 y=113.5": (113.5, 30.5), '{"x": 113.5, "y": 30.5}': (113.5, 30.5),
    "lng:113.5,lat:30.5": (113.5, 30.5), "纬度:30.5 经度:113.5": (113.5, 30.5),
    "113.5,30.5 蔡甸区": (113.5, 30.5), "30.5，113.5（蔡甸区1号）": (113.5, 30.5),
    "113.5,30.5　蔡甸区": (113.5, 30.5), "１１３．５，３０．５": (113.5, 30.5),
    "450,123.4 3,380,456.1": METRES, "450,123.4; 3,380,456.1": METRES,
    "450,123.4, 3,380,456.1": METRES, "X=450123.4 Y=3380456.1": METRES,
}  # fmt: skip


@pytest.mark.parametrize("text", ONE_COLUMN)
def test_a_position_in_one_column_is_the_same_whole_streamed_and_looked_at(
    tmp_path: Path, text: str
) -> None:
    pd.DataFrame({"位置": [text] * 3}).to_csv(tmp_path / "a.csv", index=False)
    frame, known = read_incidents(tmp_path / "a.csv")
    assert frame[["x", "y"]].round(9).to_numpy().tolist() == [[*ONE_COLUMN[text]]] * 3
    opened = open_incidents(tmp_path / "a.csv")
    (batch,) = opened.file.batches()
    assert opened.points is not None
    streamed = parse_points(batch.table.column(0), opened.points)
    assert (streamed.x.tolist(), streamed.y.tolist()) == (frame["x"].tolist(), frame["y"].tolist())
    (layer,) = look(tmp_path / "a.csv")
    assert layer.reading is not None
    told = [layer.reading.stated["datum"], opened.known.stated["datum"]]
    assert told == [known.stated["datum"]] * 2


def test_positions_written_in_several_ways_are_assigned(wuhan: Path, tmp_path: Path) -> None:
    texts = [text for text in ONE_COLUMN if re.match(r"\W?113\.5.*30\.5", text)]
    assert len(texts) == 4
    pd.DataFrame({"位置": texts}).to_csv(tmp_path / "a.csv", index=False)
    done = run("assign", wuhan, tmp_path / "a.csv", "-o", tmp_path / "o.csv")
    assert "inside 4" in done.stdout, done.output


@pytest.mark.parametrize("text", ["−113.5,−30.5", "−113.5　−30.5"])
def test_a_minus_of_typesetters_is_one(tmp_path: Path, text: str) -> None:
    pd.DataFrame({"位置": [text] * 3}).to_csv(tmp_path / "a.csv", index=False)
    assert read_incidents(tmp_path / "a.csv")[0][["x", "y"]].iloc[0].tolist() == [-113.5, -30.5]


@pytest.mark.parametrize(
    "text",
    [
        "450,123.4,3,380,456.1", "113,5 30,5", "1,113.5,30.5", "113.5,30.5,113.6,30.6",
        "3.5,4.5,5.5", "3.5 4.5 公斤", "113.5,30.5 S", "<gml:pos>30.5 113.5</gml:pos>",
        "https://www.google.com/maps/@30.5,113.5,17z", "https://a.example/?q=30.5,113.5",
    ],
)  # fmt: skip
def test_what_could_be_other_points_or_none_is_refused_with_its_cure(
    tmp_path: Path, text: str
) -> None:
    table = pd.DataFrame({"位置": [text] * 3})
    table.to_csv(tmp_path / "a.csv", index=False)
    for read in (read_incidents, open_incidents):
        with pytest.raises(InputError, match=r"alone for points in one column, as 121\.5,25\.0"):
            read(tmp_path / "a.csv")
        with pytest.raises(InputError, match=r"or write each point as 121\.5,25\.0, the longitude"):
            read(tmp_path / "a.csv", x="位置")
    assert [layer.extent for layer in look(tmp_path / "a.csv")] == [None]
    table.assign(位置="113.5,30.5").to_csv(tmp_path / "a.csv", index=False)
    assert read_incidents(tmp_path / "a.csv", x="位置")[0]["x"].tolist() == [113.5] * 3


@pytest.mark.parametrize(
    "text",
    [
        "3380456.1,450123.4", "X=3380456.1 Y=450123.4", "3,380,456.1 450,123.4",
        "POINT(30.5 113.5)", "POINT(3380456.1 450123.4)",
        '{"type": "Point", "coordinates": [30.5, 113.5]}',
    ],
)  # fmt: skip
def test_the_cure_for_two_numbers_exchanged_in_one_column_helps(
    wuhan: Path, tmp_path: Path, text: str
) -> None:
    pd.DataFrame({"位置": [text] * 3}).to_csv(tmp_path / "a.csv", index=False)
    line = ("assign", wuhan, tmp_path / "a.csv", "-o", tmp_path / "o.csv")
    assert "of points in one column declare the other `--point-order`" in run(*line).stderr
    done = run(*line, "--point-order", "latlng", "--overwrite")
    assert "inside 3" in done.stdout, done.output


@pytest.mark.parametrize(
    ("lng", "lat"),
    [
        ("\xa0113.5\xa0", "30.5\u3000"), ("113 30 00.0", "30 30 00"), ("113:30:00", "30:30:00"),
        ("١١٣.٥", "٣٠.٥"), ("113.5°", "30.5°"), ("E113-30-00", "N30-30-00"),
    ],
)  # fmt: skip
def test_coordinates_mean_the_same_whole_and_streamed(
    wuhan: Path, tmp_path: Path, lng: str, lat: str
) -> None:
    pd.DataFrame({"lng": [lng] * 2, "lat": [lat] * 2}).to_csv(tmp_path / "a.csv", index=False)
    frame = read_incidents(tmp_path / "a.csv")[0]
    assert frame[["x", "y"]].round(9).to_numpy().tolist() == [[113.5, 30.5]] * 2
    done = run("assign", wuhan, tmp_path / "a.csv", "-o", tmp_path / "o.csv")
    assert "inside 2" in done.stdout, done.output


def test_a_cure_for_times_that_cannot_be_read_is_one(wuhan: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"上报时间": ["第3周", "第4周"], "x": X, "y": Y})
    table.to_csv(tmp_path / "a.csv", index=False)
    line = ("briefing", wuhan, tmp_path / "a.csv", "-o", tmp_path / "a.html")
    assert "Write them as 2024-01-05 08:05" in run(*line).stderr
    table.assign(上报时间="2024-01-05 08:05").to_csv(tmp_path / "a.csv", index=False)
    assert run(*line).exit_code == 0


ROWS = "id,类别,lng,lat\n01,违停,113.5,30.5\n02,占道,113.5,30.6\n03,路灯,113.6,30.6\n"
WORDS_OF_ROWS = ["违停", "占道", "路灯"]


@pytest.mark.parametrize(
    "data",
    [
        ROWS.replace("\n02", "\r02").encode(), ROWS.replace("\n", "\r\r\n").encode(),
        ROWS.replace("\n", "\r\n", 2).replace("\n03", "\r03").encode(), f"{ROWS}\x1a".encode(),
        b"\xef\xbb\xbf\xef\xbb\xbf" + ROWS.encode(), ROWS.encode("utf-32"),
    ],
    ids=["one CR", "CR CR LF", "all line ends", "the sign of DOS", "two marks", "utf-32"],
)  # fmt: skip
def test_a_text_is_the_same_whole_and_streamed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    frame, known = read_incidents(tmp_path / "a.csv")
    opened = open_incidents(tmp_path / "a.csv")
    (batch,) = opened.file.batches()
    assert frame["category"].tolist() == batch.table.column(1).to_pylist() == WORDS_OF_ROWS
    assert known.columns == opened.known.columns
    assert frame["incident_id"].astype(int).tolist() == [1, 2, 3]


def test_a_text_put_together_of_two_encodings_is_refused(tmp_path: Path) -> None:
    head, row = ROWS.split("\n", 1)
    (tmp_path / "a.csv").write_bytes(f"{head}\n".encode("gbk") + row.encode("gbk") + row.encode())
    for read in (read_incidents, look, open_incidents):
        with pytest.raises(InputError, match=r"has lines in UTF-8, as '01 违停 113"):
            read(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["idna", "undefined", "punycode", "unicode_escape", "hex"])
def test_codecs_that_are_of_no_text_are_no_encodings(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text(ROWS)
    done = run("info", tmp_path / "a.csv", "--encoding", name)
    assert done.exit_code == 2
    assert "which is not known" in done.stderr


def test_japanese_by_shifts_and_korean_beyond_the_standard(tmp_path: Path) -> None:
    text = "id,しゅるい,lng,lat\n1,とうきょう,113.5,30.5\n"
    assert choose_encoding(text.encode("iso2022_jp")) == "iso2022_jp"
    (tmp_path / "a.csv").write_bytes(text.encode("iso2022_jp"))
    assert read_table(tmp_path / "a.csv").iloc[0, 1] == "とうきょう"
    with pytest.raises(InputError, match='encoding="cp949"'):
        choose_encoding("id,종류\n1,똠방각하\n2,서울\n3,쓰레기\n".encode("cp949"))


def test_printed_signs_alone_offer_the_encoding_they_are_in() -> None:
    with pytest.raises(InputError, match=r"cp1252 \('1 “abc”'\)"):
        choose_encoding("id,text\n1,“abc”\n2,it’s\n3,b–c\n".encode("cp1252"))


def test_chinese_that_is_utf_8_by_accident_is_chinese_and_letters_stay_letters():
    for text in ("违停", "停水", "违停,停水"):
        data = f"id,category\n1,{text}\n".encode("gbk")
        assert data.decode() and choose_encoding(data) == "gb18030"
    for text in ("São João", "Ñuñoa", "Αθήνα", "Мира", "ß", "m²", "×", "עברית", "违停"):
        assert choose_encoding(f"id,category\n1,{text}\n".encode()) == "utf-8"


def test_a_table_without_headings_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROWS.split("\n", 1)[1])
    with pytest.raises(InputError, match="has no headings"):
        read_incidents(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("id,类别,lng,lat\n" + (tmp_path / "a.csv").read_text())
    assert len(read_incidents(tmp_path / "a.csv")[0]) == 3


RECORDS = [{"id": f"0{n}", "lng": 113.5, "lat": 30.5 + n / 10} for n in range(3)]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "document", [{"status": 200, "data": RECORDS}, {"result": {"records": RECORDS, "n": 3}}]
)
def test_the_answer_of_a_service_is_read_by_its_list(
    tmp_path: Path, document: dict[str, Any], indent: int | None
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document, indent=indent))
    frame, known = read_incidents(tmp_path / "a.json")
    assert frame["y"].tolist() == [30.5, 30.6, 30.7]
    assert any("Read: the list" in str(note) for note in known.notes)
    assert sum(b.table.num_rows for b in open_incidents(tmp_path / "a.json").file.batches()) == 3
    (tmp_path / "a.json").write_text(json.dumps(document | {"others": RECORDS}))
    with pytest.raises(InputError, match="several lists of records"):
        read_incidents(tmp_path / "a.json")


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("shaped", [True, False])
def test_lists_and_structures_are_told_as_json_by_every_command(
    wuhan: Path, tmp_path: Path, suffix: str, shaped: bool
) -> None:
    nested = pa.array([[{"a": 1}], None, []])
    table = pa.table({"lng": [113.5] * 3, "lat": [30.5] * 3, "tags": nested})
    if shaped:
        points = gpd.GeoSeries.from_xy([113.5] * 3, [30.5] * 3, crs=4326)
        made = points.to_frame("geometry").to_arrow(index=False, geometry_encoding="WKB")
        table = pa.table(made).append_column("tags", nested)
        column = {"encoding": "WKB", "geometry_types": ["Point"]}
        geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}
        table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path)
    else:
        pyarrow.feather.write_feather(table, str(path))
    assert read_incidents(path)[0]["tags"].tolist()[::2] == ['[{"a": 1}]', "[]"]
    assert run("info", path).exit_code == 0
    done = run("assign", wuhan, path, "-o", tmp_path / "o.csv")
    assert "inside 3" in done.stdout, done.output
    assert pd.read_csv(tmp_path / "o.csv")["tags"].iloc[0] == '[{"a": 1}]'


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_a_layer_without_crs_is_read_alike_by_every_command(wuhan: Path, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"Layer": ["a"] * 2}, geometry=shapely.points([[113.5, 30.5]] * 2))
    frame.to_file(tmp_path / "a.dxf", driver="DXF")
    for command, out in (("assign", "o.csv"), ("hotspots", "s.csv")):
        done = run(command, wuhan, tmp_path / "a.dxf", "-o", tmp_path / out)
        assert done.exit_code == 0, done.output
    for ending in ("geojson", "gpkg", "fgb"):
        empty = frame.iloc[:0].set_crs(4326)
        empty.to_file(tmp_path / f"none.{ending}")
        line = ("hotspots", wuhan, tmp_path / f"none.{ending}", "-o", tmp_path / f"{ending}.csv")
        assert run(*line).exit_code == 0


def test_a_web_page_by_any_name_is_told(tmp_path: Path) -> None:
    for name in ("a.csv", "a.xls", "a.xlsx", "a.dat"):
        (tmp_path / name).write_text("<!DOCTYPE html><html>a,b\n1,2</html>")
        with pytest.raises(InputError, match="is a web page or XML"):
            read_table(tmp_path / name)


def test_two_columns_of_one_name_are_refused_by_every_reader(tmp_path: Path) -> None:
    """A dBASE table whose second heading was damaged into the first."""
    points = gpd.GeoDataFrame({"aa": ["1"], "bb": ["2"]}, geometry=[shapely.Point(1, 1)], crs=4326)
    points.to_file(tmp_path / "a.shp")
    table = (tmp_path / "a.dbf").read_bytes()
    (tmp_path / "a.dbf").write_bytes(table.replace(b"bb\0", b"aa\0", 1))
    for read in (read_incidents, open_incidents):
        with pytest.raises(InputError, match="2 columns named 'aa'"):
            read(tmp_path / "a.shp")


def test_columns_that_point_beyond_their_bytes_are_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GDAL hands on what a damaged FlatGeobuf says; to make a frame of it would kill the reader."""
    points = gpd.GeoDataFrame({"a": ["x"]}, geometry=[shapely.Point(1, 1)], crs=4326)
    points.to_file(tmp_path / "a.fgb")
    coded = pa.DictionaryArray.from_arrays(pa.array([9]), pa.array(["x"]), safe=False)
    opened = contextlib.nullcontext(({}, [pa.RecordBatch.from_arrays([coded], ["a"])]))
    monkeypatch.setattr("gridmap.io.vector.pyogrio.open_arrow", lambda *_, **__: opened)
    with pytest.raises(InputError, match="cannot be read"):
        read_incidents(tmp_path / "a.fgb")


@pytest.mark.parametrize("how", ["gzip", "bz2", "lzma"])
def test_a_packed_file_is_read_as_what_is_in_it(how: str, tmp_path: Path) -> None:
    """By `info`, `assign` and every reader alike, whatever it is called, in parts as well."""
    module = importlib.import_module(how)
    text = "经度,纬度,户数\n" + "".join(f"{k},{k % 7},{k}\n" for k in range(999))
    data = text.encode("gb18030")
    (tmp_path / "a.csv").write_bytes(data)
    packed = module.compress(data[:5000]) + module.compress(data[5000:])
    ending = {"gzip": ".gz", "bz2": ".bz2", "lzma": ".xz"}[how]
    for name in (f"a.csv{ending}", "b.csv", f"c{ending}"):
        (tmp_path / name).write_bytes(packed)
        pd.testing.assert_frame_equal(read_table(tmp_path / name), read_table(tmp_path / "a.csv"))
        assert "999" in run("info", tmp_path / name).stdout
    (tmp_path / f"cut.csv{ending}").write_bytes(packed[:-9])
    with pytest.raises(InputError, match=rf"cut.csv{ending}` cannot be read"):
        read_table(tmp_path / f"cut.csv{ending}")
    (tmp_path / f"bomb.csv{ending}").write_bytes(module.compress(b"0" * (140 << 20)))
    with pytest.raises(InputError, match="expands to 13"):
        read_table(tmp_path / f"bomb.csv{ending}")


def test_a_packed_grid_is_a_grid_and_a_packed_archive_is_not_read(grid, tmp_path: Path) -> None:
    write_grid(grid, tmp_path / "g.gpkg")
    (tmp_path / "g.gpkg.gz").write_bytes(gzip.compress((tmp_path / "g.gpkg").read_bytes(), 1))
    assert gm.read_grid(tmp_path / "g.gpkg.gz").content_hash == grid.content_hash
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "g.gpkg")
    with pytest.raises(InputError, match=r"t.tar.gz` cannot be read, being .tar. Unpack"):
        read_table(tmp_path / "t.tar.gz")


@pytest.mark.parametrize("ending", ["parquet", "geojson", "gpkg", "xlsx", "csv", "shp"])
@pytest.mark.parametrize("truth", [True, False])
def test_a_truth_value_is_no_count(ending: str, truth: bool, tmp_path: Path) -> None:
    """Whether the column is of truth values, or one stands among counts."""
    boxes = shapely.box([0, 10], 0, [10, 20], 10)
    for number, values in enumerate(([truth, True], [300, truth])):
        if ending in ("gpkg", "shp") and number:
            continue  # their columns are of one type
        path = tmp_path / f"{number}.{ending}"
        plain = pd.DataFrame(
            {
                "小区": ["a", "b"],
                "经度": [114.1, 114.2],
                "纬度": [30.1, 30.2],
                "户数": pd.Series(values, dtype=object),
            }
        )
        if not number:
            plain["户数"] = plain["户数"].astype(bool)
        if ending in ("xlsx", "csv"):
            getattr(plain, f"to_{'excel' if ending == 'xlsx' else ending}")(path, index=False)
        elif ending == "parquet":
            if number:
                continue
            gpd.GeoDataFrame(plain, geometry=boxes, crs=4547).to_parquet(path)
        else:
            gpd.GeoDataFrame(plain, geometry=boxes, crs=4547).to_file(path, engine="pyogrio")
        with pytest.raises(InputError, match="must hold whole numbers"):
            read_households(path)


def test_a_truth_value_is_no_count_in_frames_either() -> None:
    cells = gpd.GeoDataFrame(
        {"code": ["A", "B"], "households": [300, True]},
        geometry=shapely.box([0, 10], 0, [10, 20], 10), crs=4547,
    )  # fmt: skip
    for values in ([300, True], [True, False], [np.True_, 7]):
        frame = cells.assign(households=values)
        for door in (
            lambda frame=frame: gm.adopt(frame, cells.union_all(), code="code"),
            lambda frame=frame: gm.partition(frame.assign(parent="A")),
            lambda frame=frame: gm.repair(frame, cells.union_all()),
        ):
            with pytest.raises(InputError, match="holds True where a count belongs"):
                door()


def test_a_codepage_that_is_not_that_of_the_bytes_is_not_obeyed(tmp_path: Path) -> None:
    """UTF-8 by accident is next to impossible, whatever the .cpg says."""
    points = gpd.GeoDataFrame({"类别": ["违规停车"]}, geometry=[shapely.Point(1, 2)], crs=4547)
    for said in ("GBK", "Big5", "ISO-8859-1", "ANSI 936"):
        points.to_file(tmp_path / "a.shp", encoding="utf-8")
        (tmp_path / "a.cpg").write_text(said)
        assert read_layer(str(tmp_path / "a.shp"))["类别"].tolist() == ["违规停车"]


def test_chinese_with_a_broken_byte_is_called_damaged_chinese(tmp_path: Path) -> None:
    text = "id,类别\n1,违规停车\n2,路灯损坏\n".encode("gb18030") + b"3,\x80\n"
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(InputError, match="Chinese in GB 18030, but damaged at 1 place, the first"):
        read_table(str(tmp_path / "a.csv"))


def _parquet(path: Path, **notes: object) -> Path:
    """Write three points as GeoParquet with these notes in place of its own; None takes one out."""
    points = gpd.GeoDataFrame({"id": [1, 2, 3]}, geometry=shapely.points([1, 2, 3], 2), crs=4547)
    points.to_parquet(path)
    table = pq.read_table(path)
    told = {key.decode(): json.loads(value) for key, value in table.schema.metadata.items()} | notes
    texts = {
        k: v if isinstance(v, bytes) else json.dumps(v) for k, v in told.items() if v is not None
    }
    pq.write_table(table.replace_schema_metadata(texts), path)
    return path


def _verdicts(path: Path) -> tuple[int, int]:
    """Return how `info` and `assign` end on a file of points."""
    grid = gm.Grid(
        gpd.GeoDataFrame({"code": ["A"]}, geometry=[shapely.box(0, 0, 5, 5)], crs=4547),
        shapely.box(0, 0, 5, 5),
    )
    write_grid(grid, path.parent / "grid.gpkg", overwrite=True)
    out = str(path.parent / "out.csv")
    said = CliRunner().invoke(main, ["info", str(path)])
    done = ["assign", str(path.parent / "grid.gpkg"), str(path), "-o", out, "--overwrite"]
    return said.exit_code, CliRunner().invoke(main, done).exit_code


@pytest.mark.parametrize(
    "pandas",
    [b"{broken", b"\xff", {"index_columns": 5}, {"index_columns": ["gone"], "columns": []}],
)
def test_what_pandas_notes_of_its_frame_is_no_reason_to_refuse_the_columns(
    tmp_path: Path, pandas: object
) -> None:
    path = _parquet(tmp_path / "a.parquet", pandas=pandas)
    assert _verdicts(path) == (0, 0)
    assert read_layer(str(path))["id"].tolist() == [1, 2, 3]


def test_broken_notes_of_a_geometry_are_told_at_both_doors(tmp_path: Path) -> None:
    sound = json.loads(pq.read_schema(_parquet(tmp_path / "a.parquet")).metadata[b"geo"])
    column = sound["columns"]["geometry"]
    for geo in (
        [], b"{broken", b"\xff", {**sound, "primary_column": "gone"}, {**sound, "columns": None},
        {"columns": sound["columns"]}, {**sound, "primary_column": "id", "columns": {"id": column}},
        {**sound, "columns": {"geometry": {**column, "crs": {"x": 1}}}},
    ):  # fmt: skip
        assert _verdicts(_parquet(tmp_path / "a.parquet", geo=geo)) == (2, 2), geo
    for lacking in ("encoding", "geometry_types", "bbox"):
        less = {**sound, "columns": {"geometry": {k: v for k, v in column.items() if k != lacking}}}
        path = _parquet(tmp_path / "a.parquet", geo=less)
        assert _verdicts(path) == (0, 0)
        assert read_layer(str(path)).crs == 4547


def test_times_beyond_the_calendar_are_damage_at_both_doors(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet")
    table = pq.read_table(path)
    for unit, value in (("us", 2**62), ("ms", -(2**60)), ("s", 2**50)):
        times = pa.array([value, None, 0], pa.timestamp(unit))
        pq.write_table(table.append_column("time", times), path)
        assert _verdicts(path) == (2, 2)
    times = pa.array([0, None, 86_400], pa.timestamp("s"))
    pq.write_table(table.append_column("time", times), path)
    assert _verdicts(path) == (0, 0)


@pytest.mark.parametrize("damage", [b"2\x8024-01-0", b"2024-41-0"])
def test_a_damaged_date_is_told_at_both_doors(tmp_path: Path, damage: bytes) -> None:
    """It used to be read as the first day of 1970 where the file is read in parts."""
    points = gpd.GeoDataFrame(
        {"time": pd.date_range("2024-01-01", periods=3)},
        geometry=shapely.points([1, 2, 3], 2), crs=4547,
    )  # fmt: skip
    points.to_file(tmp_path / "a.fgb")
    assert _verdicts(tmp_path / "a.fgb") == (0, 0)
    data = (tmp_path / "a.fgb").read_bytes()
    assert data.count(b"2024-01-0") == 3
    (tmp_path / "a.fgb").write_bytes(data.replace(b"2024-01-0", damage[:9], 1))
    assert _verdicts(tmp_path / "a.fgb") == (2, 2)


def test_areas_are_called_what_areas_can_be(tmp_path: Path) -> None:
    areas = gpd.GeoDataFrame(
        {"code": ["990101001001"], "street": ["甲街道"], "community": ["乙社区"]},
        geometry=[shapely.box(0, 0, 5, 5)], crs=4547,
    )  # fmt: skip
    areas.to_file(tmp_path / "a.gpkg")
    assert [layer.reads_as for layer in look(tmp_path / "a.gpkg")] == ["jurisdiction"]
