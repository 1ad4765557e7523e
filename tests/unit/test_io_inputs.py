"""The inputs of the main job: understood, placed, checked."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from gridmap.crs.datum import positions_to
from gridmap.errors import CRSError, InputError
from gridmap.io import write_layer, write_table
from gridmap.io.inputs import (
    read_barriers,
    read_cells,
    read_dedicated,
    read_households,
    read_incidents,
    read_jurisdictions,
    read_staff,
    read_units,
)

X = np.array([460_100.0, 460_200.0, 460_300.0])
Y = np.array([3_380_100.0, 3_380_200.0, 3_380_300.0])


@pytest.fixture
def areas() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "社区编码": [110105001001, 110105001002],
            "所属社区": ["福民", "锦园"],
            "网格数": ["2", "３"],
        },
        geometry=shapely.box([0, 5], 0, [5, 10], 5),
        crs=4547,
    )


def test_jurisdictions_keep_their_columns_and_get_a_code(
    areas: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    write_layer(areas, tmp_path / "a.gpkg")
    frame, known = read_jurisdictions(tmp_path / "a.gpkg", levels=["所属社区"])
    assert frame["code"].tolist() == ["110105001001", "110105001002"]
    assert frame["cells"].tolist() == [2, 3]
    assert {"社区编码", "所属社区", "网格数"} <= set(frame.columns)
    assert known.columns["code"] == "社区编码"
    named, _ = read_jurisdictions(tmp_path / "a.gpkg", code="所属社区")
    assert named["code"].tolist() == ["福民", "锦园"]
    with pytest.raises(InputError, match="no column '街道'"):
        read_jurisdictions(tmp_path / "a.gpkg", levels=["街道"])


def test_jurisdictions_must_be_areas(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame({"a": [1, 2]}, geometry=gpd.points_from_xy([1, 2], [1, 2]), crs=4547)
    write_layer(points, tmp_path / "a.gpkg")
    for reader in (read_jurisdictions, read_units, read_dedicated):
        with pytest.raises(InputError, match="no polygon in 2 of 2 rows: 1, 2"):
            reader(tmp_path / "a.gpkg")


@pytest.mark.parametrize("datum", ["wgs84", "gcj02", "bd09"])
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_households_from_a_table_in_any_datum(tmp_path: Path, datum: str, suffix: str) -> None:
    lng, lat = positions_to(X, Y, datum, 4547)
    table = pd.DataFrame(
        {"小区名称": list("abc"), "户数": ["3 户", "4", "5"], "经度": lng, "纬度": lat}
    )
    write_table(table, tmp_path / f"a{suffix}")
    frame, known = read_households(tmp_path / f"a{suffix}", datum=datum, crs=4547)
    assert frame["households"].tolist() == [3, 4, 5]
    assert frame["compound"].tolist() == list("abc")
    assert np.abs(frame.geometry.x - X).max() < 1e-5
    assert np.abs(frame.geometry.y - Y).max() < 1e-5
    assert frame.crs.to_epsg() == 4547
    undeclared, known = read_households(tmp_path / f"a{suffix}")
    assert undeclared.crs.to_epsg() == 4326
    assert any('datum="gcj02"' in line for line in known.sentences("en"))
    assert any('datum="gcj02"' in line for line in known.sentences("zh"))


def test_households_with_projected_columns_need_a_crs(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"户数": [1, 2, 3], "X坐标": X, "Y坐标": Y}), tmp_path / "a.csv")
    with pytest.raises(CRSError, match=r"no CRS. Declare it"):
        read_households(tmp_path / "a.csv")
    for options in ({"crs": 4547}, {"datum": "EPSG:4547"}):
        frame, _ = read_households(tmp_path / "a.csv", **options)
        assert frame.geometry.x.tolist() == X.tolist()


def test_households_without_count_or_place_are_refused(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"经度": [114.0], "纬度": [34.0]}), tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"no column of households.*count=.COLUMN."):
        read_households(tmp_path / "a.csv")
    write_table(pd.DataFrame({"户数": [1]}), tmp_path / "b.csv")
    with pytest.raises(InputError, match=r"no coordinates among 户数.*x=.COLUMN."):
        read_households(tmp_path / "b.csv")
    table = pd.DataFrame({"户数": [1, 2], "经度": [114.0, None], "纬度": [34.0, 34.0]})
    write_table(table, tmp_path / "c.csv")
    with pytest.raises(InputError, match="no coordinates in 1 of 2 rows: 2"):
        read_households(tmp_path / "c.csv")
    write_table(pd.DataFrame({"户数": ["很多"], "经度": [1.0], "纬度": [1.0]}), tmp_path / "d.csv")
    with pytest.raises(InputError, match="row 1 '很多'"):
        read_households(tmp_path / "d.csv")


def test_exchanged_degrees_are_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"户数": [1, 2], "经度": [34.1, 34.2], "纬度": [113.6, 113.7]})
    write_table(table, tmp_path / "a.csv")
    with pytest.raises(InputError, match="longitude and latitude exchanged"):
        read_households(tmp_path / "a.csv")
    frame, _ = read_households(tmp_path / "a.csv", x="纬度", y="经度")
    assert frame.geometry.x.tolist() == [113.6, 113.7]


def test_two_pairs_of_coordinates_are_an_error_with_the_candidates(tmp_path: Path) -> None:
    lng, lat = positions_to(X, Y, "wgs84", 4547)
    table = pd.DataFrame(
        {"上报时间": ["2024-01-01"] * 3, "经度": lng, "纬度": lat, "X坐标": X, "Y坐标": Y}
    )
    write_table(table, tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"经度, 纬度, and in X坐标, Y坐标.*x=.经度., y=.纬度."):
        read_incidents(tmp_path / "a.csv")
    frame, _ = read_incidents(tmp_path / "a.csv", x="X坐标", y="Y坐标")
    assert frame["x"].tolist() == X.tolist()
    assert frame.attrs["datum"] is None


def test_incidents_keep_every_row_and_their_datum(tmp_path: Path) -> None:
    lng, lat = positions_to(X, Y, "gcj02", 4547)
    lng[1] = np.nan
    table = pd.DataFrame({"工单编号": [1, 2, 3], "经度": lng, "纬度": lat, "问题大类": list("abc")})
    write_table(table, tmp_path / "a.csv")
    frame, _ = read_incidents(tmp_path / "a.csv", datum="GCJ-02")
    assert frame.attrs["datum"] == "gcj02"
    assert len(frame) == 3
    assert frame["incident_id"].tolist() == ["1", "2", "3"]
    assert frame["category"].tolist() == list("abc")
    assert frame["x"].isna().tolist() == [False, True, False]
    assert read_incidents(tmp_path / "a.csv")[0].attrs["datum"] == "wgs84"
    assert read_incidents(tmp_path / "a.csv", crs=4490)[0].attrs["datum"] == "EPSG:4490"


def test_headings_that_name_a_map_service_declare_the_datum(tmp_path: Path) -> None:
    lng, lat = positions_to(X, Y, "gcj02", 4547)
    write_table(pd.DataFrame({"高德经度": lng, "高德纬度": lat, "n": 1}), tmp_path / "a.csv")
    assert read_incidents(tmp_path / "a.csv")[0].attrs["datum"] == "gcj02"


def test_rows_with_a_place_from_a_map_service_only_are_filled(tmp_path: Path) -> None:
    lng, lat = positions_to(X, Y, "bd09", 4547)
    table = pd.DataFrame({"X坐标": [X[0], None, None], "Y坐标": [Y[0], None, None]})
    table = table.assign(
        百度经度=[None, lng[1], None], 百度纬度=[None, lat[1], None], 工单号=[1, 2, 3]
    )
    write_table(table, tmp_path / "a.csv")
    frame, known = read_incidents(tmp_path / "a.csv", to=4547)
    assert frame["x"].isna().tolist() == [False, False, True]
    assert abs(frame["x"][1] - X[1]) < 1e-5
    assert any("1 row has a place only in 百度经度" in en for en in map(str, known.notes))


def test_incidents_as_a_layer(tmp_path: Path) -> None:
    layer = gpd.GeoDataFrame(
        {"上报时间": ["2024-01-01 10:00"] * 3}, geometry=gpd.points_from_xy(X, Y), crs=4547
    )
    write_layer(layer, tmp_path / "a.gpkg")
    frame, _ = read_incidents(tmp_path / "a.gpkg")
    assert isinstance(frame, gpd.GeoDataFrame)
    assert frame["time"].dtype.kind == "M"
    assert frame.attrs["datum"] is None


def test_incidents_without_places_can_be_wanted(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"责任网格": ["a"], "上报时间": ["2024-01-01"]}), tmp_path / "a.csv")
    with pytest.raises(InputError, match="no coordinates"):
        read_incidents(tmp_path / "a.csv")
    frame, _ = read_incidents(tmp_path / "a.csv", need_places=False)
    assert frame["code"].tolist() == ["a"]


def test_units_barriers_dedicated_and_cells(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    write_layer(areas.assign(户数=["3户", "4"], 类型=["学校", "公园"]), tmp_path / "a.gpkg")
    units, _ = read_units(tmp_path / "a.gpkg")
    assert units["households"].tolist() == [3, 4]
    with pytest.raises(InputError, match='count="COLUMN"'):
        read_units(_bare(areas, tmp_path))
    dedicated, _ = read_dedicated(tmp_path / "a.gpkg")
    assert dedicated["use"].tolist() == ["学校", "公园"]
    barriers, _ = read_barriers(tmp_path / "a.gpkg")
    assert barriers["kind"].tolist() == ["学校", "公园"]
    cells, _ = read_cells(tmp_path / "a.gpkg", code="社区编码", count="户数")
    assert cells["code"].tolist() == [110105001001, 110105001002]
    assert cells["households"].tolist() == [3, 4]


def _bare(areas: gpd.GeoDataFrame, folder: Path) -> Path:
    write_layer(areas, folder / "bare.gpkg")
    return folder / "bare.gpkg"


def test_barriers_must_be_lines_or_areas(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame({"a": [1]}, geometry=gpd.points_from_xy([1], [2]), crs=4547)
    write_layer(points, tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="no line and no polygon"):
        read_barriers(tmp_path / "a.gpkg")


def test_staff_with_persons_named(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"网格编码": ["a"], "角色": ["网格长"], "姓名": ["某"], "手机": ["13812345678"]}
    )
    write_table(table, tmp_path / "a.xlsx")
    frame, known = read_staff(tmp_path / "a.xlsx")
    assert frame[["code", "role"]].to_numpy().tolist() == [["a", "网格长"]]
    assert set(known.personal) == {"姓名", "手机"}


def test_a_community_may_have_no_wish_for_cells(tmp_path: Path) -> None:
    shapes = shapely.box([0, 1], 0, [1, 2], 1)
    areas = gpd.GeoDataFrame({"网格数": [3.0, np.nan]}, geometry=shapes, crs=4547)
    write_layer(areas, tmp_path / "a.gpkg")
    frame, _ = read_jurisdictions(tmp_path / "a.gpkg")
    assert frame["cells"].isna().tolist() == [False, True]


def test_a_blank_in_a_column_of_counts_is_called_empty(tmp_path: Path) -> None:
    table = pd.DataFrame({"楼栋": ["1", "2"], "户数": [None, 30], "经度": 113.6, "纬度": 30.58})
    write_table(table, tmp_path / "a.xlsx")
    with pytest.raises(InputError, match="row 1 empty"):
        read_households(tmp_path / "a.xlsx")
