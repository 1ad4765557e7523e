"""Coordinate systems and datums."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

import gridmap as gm
from gridmap.crs.datum import (
    bd09_to_wgs84,
    check_datum,
    datum_alarm,
    gcj02_to_wgs84,
    positions_from,
    positions_to,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)
from gridmap.crs.project import in_shift_area, metric_crs, mover, parse_crs, reproject, shift_area
from gridmap.errors import CRSError, InputError

INSIDE = {
    "Beijing": (116.4, 39.9),
    "Shenzhen port": (114.06, 22.54),
    "Luohu": (114.12, 22.55),
    "Zhuhai": (113.57, 22.28),
    "Hengqin": (113.52, 22.12),
    "Xiamen": (118.1, 24.48),
    "Kashgar": (75.99, 39.47),
    "Mohe": (122.54, 52.97),
    "Sanya": (109.5, 18.25),
    "Pingtan": (119.79, 25.5),
}
OUTSIDE = {
    "Hong Kong": (114.17, 22.3),
    "Sheung Shui": (114.13, 22.505),
    "Macau": (113.545, 22.195),
    "Taipei": (121.55, 25.05),
    "Kinmen": (118.35, 24.44),
    "Matsu": (119.93, 26.15),
    "Seoul": (126.98, 37.57),
    "Hanoi": (105.85, 21.03),
    "Boston": (-71.06, 42.36),
}


@pytest.mark.parametrize("place", INSIDE)
def test_the_shift_applies_in_mainland_china(place: str) -> None:
    lng, lat = INSIDE[place]
    assert in_shift_area(lng, lat)
    moved = wgs84_to_gcj02(lng, lat)
    assert 50 < np.hypot(moved[0] - lng, moved[1] - lat) * 111_000 < 1200


@pytest.mark.parametrize("place", OUTSIDE)
def test_outside_the_polygon_nothing_moves(place: str) -> None:
    lng, lat = OUTSIDE[place]
    assert not in_shift_area(lng, lat)
    for shift in (wgs84_to_gcj02, gcj02_to_wgs84, wgs84_to_bd09, bd09_to_wgs84):
        assert shift(lng, lat) == (lng, lat)


def test_the_polygon_is_valid_and_has_two_holes() -> None:
    assert shift_area().is_valid
    assert len(shift_area().interiors) == 2


def test_what_is_no_number_stays_none() -> None:
    lng, lat = gcj02_to_wgs84([np.nan, np.inf, 116.4], [39.9, 39.9, np.nan])
    assert not np.isfinite(lng[:2] + lat[:2]).any()
    assert np.isnan(lat[2])


@pytest.mark.parametrize(
    ("lng", "lat", "code"),
    [
        (75.0, 38.5, 4534),
        (113.6, 34.7, 4547),
        (115.4, 34.7, 4547),
        (115.6, 34.7, 4548),
        (116.4, 39.9, 4548),
        (134.5, 48.3, 4554),
        (121.5, 25.0, 32651),
        (114.17, 22.3, 32650),
        (-71.1, 42.4, 32619),
        (151.2, -33.9, 32756),
        (180.0, 10.0, 32660),
    ],
)
def test_metric_crs_is_the_zone_of_the_place(lng: float, lat: float, code: int) -> None:
    crs = metric_crs((lng, lat, lng, lat))
    assert crs.to_epsg() == code
    if code < 5000:
        meridian = next(
            p.value
            for p in crs.coordinate_operation.params
            if p.name == "Longitude of natural origin"
        )
        assert abs(meridian - lng) <= 1.5


def test_metric_crs_takes_geometries_in_any_crs() -> None:
    towns = gpd.GeoSeries.from_xy([113.6, 113.7], [34.7, 34.8], crs=4326)
    assert metric_crs(towns).to_epsg() == 4547
    assert metric_crs(towns.to_crs(3857)).to_epsg() == 4547


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ((500_000, 3_000_000, 500_100, 3_000_100), "are no degrees"),
        ((np.nan,) * 4, "is empty"),
        (gpd.GeoSeries([], crs=4326), "is empty"),
    ],
)
def test_metric_crs_refuses_what_is_no_place(where: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        metric_crs(where)


def test_metric_crs_refuses_geometries_without_crs() -> None:
    with pytest.raises(CRSError, match="has no CRS"):
        metric_crs(gpd.GeoSeries([shapely.Point(113, 34)]))


def test_axes_are_always_east_north() -> None:
    x, y = mover(4490, 4547)(np.array([114.0]), np.array([30.0]))
    assert x[0] == pytest.approx(500_000, abs=1e-6)
    assert 3_300_000 < y[0] < 3_330_000


@pytest.mark.parametrize("code", [4610, 2379, 4214, 2432, 4555])
def test_guessed_transforms_are_refused(code: int) -> None:
    with pytest.raises(CRSError, match="without parameters"):
        mover(code, 4547)
    with pytest.raises(CRSError, match=r"\+towgs84"):
        mover(4326, code)


def test_old_datums_move_within_themselves_and_with_parameters() -> None:
    x, _ = mover(4610, 2383)(np.array([114.0]), np.array([30.0]))
    assert x[0] == pytest.approx(500_000, abs=1e-6)
    bound = "+proj=longlat +ellps=krass +towgs84=15.8,-154.4,-82.3,0,0,0,0 +type=crs"
    there = mover(bound, 4547)(np.array([114.0]), np.array([30.0]))
    back = mover(4547, bound)(*there)
    assert back[0][0] == pytest.approx(114.0, abs=1e-7)
    assert back[1][0] == pytest.approx(30.0, abs=1e-7)


def test_wgs84_and_cgcs2000_are_one_frame() -> None:
    x, y = np.array([113.2, 114.9]), np.array([30.1, 34.2])
    assert np.array_equal(mover(4326, 4547)(x, y), mover(4490, 4547)(x, y))


def test_reproject_agrees_with_proj_and_keeps_the_rest() -> None:
    frame = gpd.GeoDataFrame(
        {"code": ["a", "b"]},
        index=[7, 9],
        geometry=shapely.box([121, 121.5], 24, 122, 25),
        crs=4326,
    )
    ours, theirs = reproject(frame, 3826), frame.to_crs(3826)
    assert ours.index.tolist() == [7, 9]
    assert ours.geom_equals_exact(theirs, 1e-6).all()
    assert reproject(ours, 3826).geometry.equals(ours.geometry)
    with pytest.raises(CRSError, match="has no CRS"):
        reproject(frame.set_crs(None, allow_override=True), 3826)


@pytest.mark.parametrize("text", ["EPSG:999999", "nonsense", "99999999999999999999"])
def test_an_unknown_crs_is_named(text: str) -> None:
    with pytest.raises(CRSError, match="names no CRS"):
        parse_crs(text)


@pytest.mark.parametrize("datum", ["gcj02", "GCJ-02", "bd09", "cgcs2000", "wgs84", "EPSG:4547"])
def test_from_datum_undoes_to_datum(datum: str) -> None:
    true = gpd.GeoSeries.from_xy([114.01, 113.62], [34.7, 34.81], index=[3, 5], crs=4326)
    given = gm.to_datum(true, datum)
    back = gm.from_datum(given, datum)
    assert back.index.tolist() == [3, 5]
    assert back.crs == pyproj.CRS(4326)
    assert np.abs(shapely.get_coordinates(back) - shapely.get_coordinates(true)).max() < 1e-11


def test_shifted_coordinates_claim_no_crs() -> None:
    true = gpd.GeoDataFrame({"n": [1]}, geometry=gpd.points_from_xy([114], [34]), crs=4326)
    assert gm.to_datum(true, "gcj02").crs is None
    assert gm.to_datum(true, "cgcs2000").crs == pyproj.CRS(4490)
    assert gm.to_datum(true, "gcj02")["n"].tolist() == [1]


def test_from_datum_moves_polygons_to_a_projected_crs() -> None:
    true = gpd.GeoSeries([shapely.box(114, 34, 114.01, 34.01)], crs=4326)
    back = gm.from_datum(gm.to_datum(true, "gcj02"), "gcj02", crs=4547)
    assert back.geom_equals_exact(reproject(true, 4547), 1e-6).all()


@pytest.mark.parametrize(
    ("crs", "datum", "message"),
    [
        (4326, "xian80", "write one of"),
        (4326, "EPSG:0", "names no CRS"),
        (4547, "gcj02", "positions are degrees"),
    ],
)
def test_datums_that_cannot_be_are_refused(crs: int, datum: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        gm.from_datum(gpd.GeoSeries.from_xy([114], [34], crs=crs), datum)


def test_to_datum_needs_a_crs() -> None:
    with pytest.raises(CRSError, match="has no CRS"):
        gm.to_datum(gpd.GeoSeries.from_xy([114], [34]), "gcj02")


def town_points(count: int = 2000) -> tuple[shapely.Polygon, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.uniform(460_000, 464_000, count)
    y = random.uniform(3_380_000, 3_384_000, count)
    return shapely.box(460_000, 3_380_000, 464_000, 3_384_000), x, y


@pytest.mark.parametrize("datum", ["gcj02", "bd09", "wgs84"])
@pytest.mark.parametrize("declared", ["gcj02", "bd09", "wgs84"])
def test_the_alarm_names_the_datum_that_fits(datum: str, declared: str) -> None:
    area, x, y = town_points()
    given = positions_to(x, y, datum, 4547)
    alarm = datum_alarm(*given, area, 4547, declared=declared)
    if datum == declared:
        assert alarm is None
        return
    assert alarm is not None
    assert alarm.fits == datum
    assert alarm.outside > 0.05 > alarm.outside_then
    assert f'datum="{datum}"' in alarm.message().text("zh")
    assert f'datum="{datum}"' in alarm.message().text("en")


def test_the_alarm_sees_exchanged_axes() -> None:
    area, x, y = town_points()
    lng, lat = positions_to(x, y, "wgs84", 4547)
    alarm = datum_alarm(lat, lng, area, 4547)
    assert alarm is not None
    assert alarm.fits == "swapped"
    assert "exchanged" in alarm.message().text("en")
    assert "写反" in alarm.message().text("zh")
    metres = datum_alarm(y, x, area, 4547, declared="EPSG:4547")
    assert metres is not None
    assert metres.fits == "swapped"


def test_the_alarm_keeps_still_when_points_are_truly_elsewhere() -> None:
    area, x, y = town_points()
    far = positions_from(*positions_to(x + 300_000, y, "wgs84", 4547), "wgs84")
    assert datum_alarm(*far, area, 4547) is None
    assert datum_alarm([], [], area, 4547) is None
    assert datum_alarm([np.nan], [1.0], area, 4547) is None


@pytest.mark.parametrize("name", ["Foo_Bar", "Gauss_Kruger"])
def test_a_definition_that_leads_nowhere_is_one_line(name: str, tmp_path: Path) -> None:
    """A word of the file is damaged, or the system is that of one site; a map needs the world."""
    told = pyproj.CRS(4547).to_wkt("WKT1_ESRI").replace("Gauss_Kruger", name)
    told = told if name == "Foo_Bar" else 'LOCAL_CS["site",UNIT["metre",1]]'
    cells = gpd.GeoDataFrame({"code": ["A"]}, geometry=[shapely.box(0, 0, 9, 9)], crs=told)
    grid = gm.adopt(cells, shapely.box(0, 0, 9, 9))
    with pytest.raises(gm.GridmapError, match="cannot be transformed"):
        gm.coverage_map(grid)
    if name != "Foo_Bar":
        gm.atlas(grid).save(tmp_path / "atlas.pdf")


@pytest.mark.parametrize(
    ("said", "meant"),
    [(name, datum) for datum, names in {
        "bd09": "百度 BD-09 bd09 BD_09 ＢＤ０９ 百度地图 百度坐标系 百度座標 bd09ll Baidu",
        "gcj02": "高德 GCJ02 gcj-02 GCJ-02坐标系 火星坐标 國測局坐標系 腾讯地图 微信 AMap",
        "wgs84": "WGS-84 wgs1984 WGS84坐标系 GPS",
        "cgcs2000": "国家2000 CGCS-2000 2000国家大地坐标系 國家2000座標系 天地图",
        "EPSG:4547": "EPSG:4547 epsg4547",
    }.items() for name in names.split()],
)  # fmt: skip
def test_a_datum_is_known_by_what_people_call_it(said: str, meant: str) -> None:
    assert check_datum(said) == meant


@pytest.mark.parametrize(
    "said", ["bd09mc", "西安80", "北京54", "web墨卡托", "谷歌", "", "地方坐标系"]
)
def test_a_datum_that_is_another_is_refused_with_the_names(said: str) -> None:
    with pytest.raises(InputError, match="write one of wgs84, cgcs2000, gcj02, bd09 or EPSG"):
        check_datum(said)
