"""Columns as they come: letters of the compass, headings that name their datum, joined signs."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from gridmap.errors import InputError
from gridmap.io.inputs import read_incidents
from gridmap.io.open_incidents import open_incidents

LETTERED = [("114.305E", "30.592N"), ("E114.305", "N30.592"), ("E 114.305", "N 30.592"),
            ("114.305 e", "30.592 n"), ("东经114.305", "北纬30.592"),
            ("114.305东经", "30.592北纬")]  # fmt: skip
HEADINGS = [("经度", "纬度"), ("lng", "lat"), ("東經", "北緯"), ("Longitude", "Latitude")]
NAMED = {
    "wgs84": [("WGS84经度", "WGS84纬度"), ("x_wgs84", "y_wgs84"), ("lon_wgs84", "lat_wgs84"),
              ("WGS84_LNG", "WGS84_LAT"), ("经度(WGS84)", "纬度(WGS84)")],
    "gcj02": [("lng_gcj02", "lat_gcj02"), ("腾讯经度", "腾讯纬度"), ("经度GCJ02", "纬度GCJ02"),
              ("gcj02_lon", "gcj02_lat"), ("经度（高德）", "纬度（高德）"),
              ("X坐标(火星坐标系)", "Y坐标(火星坐标系)"), ("lng[GCJ-02]", "lat[GCJ-02]")],
    "bd09": [("lng_bd09", "lat_bd09"), ("BD09_LON", "BD09_LAT"), ("经度(bd09)", "纬度(bd09)"),
             ("经度【百度地图】", "纬度【百度地图】")],
}  # fmt: skip


@pytest.mark.parametrize(("values", "heads"), [*product(LETTERED, HEADINGS)])
def test_degrees_with_a_letter_of_the_compass_are_read(
    values: tuple[str, str], heads: tuple[str, str], tmp_path: Path
) -> None:
    """Twenty-four files, streamed and whole."""
    pd.DataFrame({"编号": ["a"], heads[1]: [values[1]], heads[0]: [values[0]]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    whole, _ = read_incidents(tmp_path / "a.csv")
    assert whole[["x", "y"]].to_numpy().tolist() == [[114.305, 30.592]]
    opened = open_incidents(tmp_path / "a.csv")
    assert (opened.x, opened.y) == heads


@pytest.mark.parametrize(("datum", "heads"), [(d, h) for d in NAMED for h in NAMED[d]])
def test_headings_that_name_a_datum_declare_it(
    datum: str, heads: tuple[str, str], tmp_path: Path
) -> None:
    pd.DataFrame({"编号": ["a"], heads[0]: [114.305], heads[1]: [30.592]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    whole, known = read_incidents(tmp_path / "a.csv")
    assert whole[["x", "y"]].to_numpy().tolist() == [[114.305, 30.592]]
    assert known.stated["datum"] == whole.attrs["datum"] == datum


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1255", "בור בכביש"), ("cp1258", "đèn đuong"), ("cp949", "도로")]
)
def test_no_letter_of_a_table_is_lost_behind_a_sign_that_could_join_it(
    encoding: str, text: str, tmp_path: Path
) -> None:
    """In some encodings a letter waits for what may join it, and the last of a value was lost."""
    points = gpd.points_from_xy([114.3], [30.5])
    gpd.GeoDataFrame({"descr": ["x" * 30]}, geometry=points, crs=4326).to_file(tmp_path / "a.shp")
    table = tmp_path / "a.dbf"
    raw = text.encode(encoding).ljust(30)
    data = bytearray(table.read_bytes().replace(b"x" * 30, raw))
    data[29] = 0
    table.write_bytes(bytes(data))
    (tmp_path / "a.cpg").write_text(encoding)
    assert read_incidents(tmp_path / "a.shp")[0]["descr"].tolist() == [text]


@pytest.mark.parametrize(
    "text",
    ["불법 주정차 신고", "도로 파손", "쓰레기 무단투기", "하수구 막힘", "현장 확인 후 처리"],
)
def test_korean_that_is_not_declared_is_asked_for(text: str, tmp_path: Path) -> None:
    line = f"id,description,lng,lat\n1,{text},114.3,30.5\n"
    (tmp_path / "a.csv").write_bytes(line.encode("euc_kr"))
    with pytest.raises(InputError, match="cp949") as asked:
        read_incidents(tmp_path / "a.csv")
    assert "encoding=" in str(asked.value)
    found, _ = read_incidents(tmp_path / "a.csv", encoding="cp949")
    assert text in found.to_numpy().ravel().tolist()
