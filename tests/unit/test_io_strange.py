"""Strange files: read rightly, or refused in one line that names the cure."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.io import read_layer, write_grid, write_layer, write_table
from gridmap.io.atomic import replacing
from gridmap.io.inputs import read_households, read_incidents
from gridmap.io.inspect import look
from gridmap.io.open_incidents import open_incidents
from tests.dirt import write_text, write_xls, write_xlsx

ROWS = [["小区名称", "户数", "经度", "纬度"], ["福苑", 36, 114.1, 30.5], ["锦园", 48, 114.2, 30.6]]
POINTS = [[114.1, 30.5], [114.2, 30.6]]


def places(path: Path | str) -> list[list[float]]:
    """Return where households are read, after looking into the file as `info` does."""
    assert look(path)
    frame, _ = read_households(path)
    assert frame["households"].tolist() == [36, 48]
    found: list[list[float]] = shapely.get_coordinates(frame.geometry.to_numpy()).tolist()
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.xls", "a.xlsx"])
def test_a_text_is_a_text_whatever_its_name(tmp_path: Path, name: str, encoding: str) -> None:
    write_text(ROWS, tmp_path / "text", encoding=encoding, separator="\t")
    shutil.move(tmp_path / "text", tmp_path / name)
    if encoding == "utf-16" and name.startswith("a.xls"):
        return
    assert places(tmp_path / name) == POINTS


@pytest.mark.parametrize("name", ["a.xls", "a.xlsx", "a.csv"])
def test_a_workbook_is_a_workbook_whatever_its_name(tmp_path: Path, name: str, grid: Any) -> None:
    write_grid(grid, tmp_path / "g.gpkg")
    for write in (write_xls, lambda rows, path: write_xlsx({"a": rows}, path)):
        write([["x"], *ROWS], tmp_path / "book.xls")
        shutil.move(tmp_path / "book.xls", tmp_path / name)
        assert places(tmp_path / name) == POINTS
        command = ["assign", tmp_path / "g.gpkg", tmp_path / name, "-o", tmp_path / "o.csv"]
        done = CliRunner().invoke(main, [*map(str, command), "--overwrite"])
        assert done.exit_code == 1, done.stderr  # read, and both outside


def test_a_mark_before_another_encoding(tmp_path: Path) -> None:
    write_text(ROWS, tmp_path / "a.csv", encoding="gb18030")
    data = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + data)
    assert places(tmp_path / "a.csv") == POINTS


@pytest.mark.parametrize(
    ("lng", "lat"),
    [
        (["114,1", "114,2"], ["30,5", "30,6"]),
        (["114°06′00″E", "E114°12′"], ["30°30′00″N", "30°36′N"]),
        (["东经114度6分0秒", "114度12分"], ["北纬30度30分0秒", "30度36分"]),
        (["１１４.１", "114.2 "], ["30.5", " 30.6"]),
    ],
)
def test_coordinates_that_people_type(tmp_path: Path, lng: list[str], lat: list[str]) -> None:
    frame = pd.DataFrame({"户数": [36, 48], "经度": lng, "纬度": lat})
    frame.to_csv(tmp_path / "a.csv", sep=";", index=False)
    np.testing.assert_allclose(places(tmp_path / "a.csv"), POINTS)
    assert look(tmp_path / "a.csv")[0].extent is not None


def test_headings_with_breaks_and_blanks(tmp_path: Path) -> None:
    text = '"小区\n名称"," 总 户\n数 ",经度,纬度\n福苑,36,114.1,30.5\n锦园,48,114.2,30.6\n'
    (tmp_path / "a.csv").write_text(text)
    assert places(tmp_path / "a.csv") == POINTS


def test_a_heading_that_stands_twice_is_settled_by_the_user(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("户数,户数,经度,纬度\n1,36,114.1,30.5\n2,48,114.2,30.6\n")
    with pytest.raises(InputError, match="户数, 户数_2, which differ"):
        read_households(tmp_path / "a.csv")
    frame, _ = read_households(tmp_path / "a.csv", count="户数_2")
    assert frame["households"].tolist() == [36, 48]


@pytest.mark.parametrize(
    ("name", "content", "cure"),
    [
        ("a.csv", b"", "is empty .0 bytes.. Ask"),
        ("a.csv", b"\n \n", "is blank. Ask"),
        ("a.csv", "小区名称,户数\n".encode(), "headings but no records"),
        ("a.csv", '小区名称,户数\n"福苑,3\n锦园,4\n'.encode(), "quotation marks"),
        ("a.csv", b"a,b\n1\0,2\n", "zero bytes"),
        ("a.xls", b"<html><body><table></table></body></html>", "web page.*save it as .xlsx"),
        ("a.ods", b"PK\x03\x04", "cannot be read"),
        ("a.dwg", b"AC1032", "Export it as a Shapefile or GeoPackage"),
        ("a.csv", "户数,geometry\n3,\"POLYGON((1 2,3 4,1 4,1 2))\"\n".encode(),
         "lines or areas as text in column 'geometry'"),
        ("a.csv", "户数,经度,纬度\n3,30.5,114.1\n".encode(), "exchanged"),
        ("a.csv", "户数,经度,纬度\n3,不详,不详\n".encode(), "no coordinates in 1 of 1 row"),
        ("a.json", b'[{"a": 1}]', "no coordinates among a"),
        ("a.geojson", b'{"type": "FeatureCollection", "features": []}', "no features"),
        ("a.geojson", json.dumps({"type": "FeatureCollection", "features": [None, {
            "type": "Feature", "properties": {}, "geometry": {"type": "Point",
            "coordinates": [114, 30]}}]}).encode(), "feature that is null .number 1"),
        ("a.geojson", json.dumps({"type": "Feature", "properties": {}, "geometry": {
            "type": "Point", "coordinates": [460000, 3380000]}}).encode(), "no degrees. Declare"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_cure(
    tmp_path: Path, name: str, content: bytes, cure: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=cure) as refused:
        read_households(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_parts_of_a_shapefile_that_are_missing_are_named(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"户数": [3]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4547)
    for part in (".dbf", ".shx", ".prj"):
        write_layer(frame, tmp_path / "地块.shp", overwrite=True)
        (tmp_path / f"地块{part}").unlink()
        parts = sorted(tmp_path.glob("地块.*"))
        with zipfile.ZipFile(tmp_path / "地块.zip", "w") as archive:
            for path in parts:
                archive.write(path, path.name)
        for name in ("地块.shp", "地块.zip"):
            if part == ".prj":
                said = " ".join(map(str, look(tmp_path / name)[0].suspicions))
                assert "No CRS" in said
                continue
            for read in (read_layer, look, open_incidents, read_incidents):
                with pytest.raises(InputError, match=rf"came without its {part}. Ask for all"):
                    read(tmp_path / name)


def test_layers_of_any_name_are_found_or_listed(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"户数": [3]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4547)
    for name in ("网格 一", "b c"):
        frame.to_file(tmp_path / "a.gpkg", layer=name)
    assert len(read_layer(f"{tmp_path}/a.gpkg:网格 一")) == 1
    for read in (read_layer, look):
        with pytest.raises(InputError, match=r"no layer '网格一'; it has 网格 一, b c\.$"):
            read(f"{tmp_path}/a.gpkg:网格一")


def test_an_archive_with_inner_folders_and_names_in_gbk(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"户数": [3]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4547)
    write_layer(frame, tmp_path / "AAAA.shp")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in tmp_path.glob("AAAA.*"):
            archive.write(part, f"BBBB/{part.name}")
    data = (tmp_path / "a.zip").read_bytes()
    for ascii_name, name in ((b"AAAA", "地块"), (b"BBBB", "下发")):
        data = data.replace(ascii_name, name.encode("gbk"))
    (tmp_path / "a.zip").write_bytes(data)
    assert read_layer(tmp_path / "a.zip")["户数"].tolist() == [3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs limits on the size of files")
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".gpkg", ".geojson", ".shp"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, suffix: str) -> None:
    import resource
    import signal

    path = tmp_path / f"a{suffix}"
    table = suffix in (".csv", ".xlsx", ".parquet")
    random = np.random.default_rng(0)
    frame = gpd.GeoDataFrame(
        {"v": random.random(20_000)},
        geometry=gpd.points_from_xy(*random.random((2, 20_000))),
        crs=4547,
    )
    write: Any = write_table if table else write_layer
    write(frame.head(3), path)
    before = path.read_bytes()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, old[1]))
    try:
        with pytest.raises(InputError, match="could not be written") as refused:
            write(frame, path, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path, overwrite=True) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_output_needs_a_folder_and_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    for out, message in (("a.csv", "is a folder"), ("no/a.csv", "does not exist")):
        with pytest.raises(InputError, match=message):
            write_table(pd.DataFrame({"a": [1]}), tmp_path / out)
