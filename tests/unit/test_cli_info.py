"""gridmap info, export and account at the command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pyproj
import pytest
import shapely
from click.testing import CliRunner, Result
from pyarrow import parquet as pq

import gridmap as gm
from gridmap import Grid
from gridmap.cli import main
from gridmap.crs.datum import positions_to
from gridmap.io import read_layer, write_grid, write_layer, write_table
from gridmap.io.inspect import look
from tests.dirt import office_rows, write_bare_shapefile, write_text, write_xls, write_xlsx

X, Y = np.array([460_100.0, 460_200.0]), np.array([3_380_100.0, 3_380_200.0])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def suspicions(spec: object) -> str:
    return " ".join(en for layer in look(str(spec)) for en in map(str, layer.suspicions))


def areas(crs: Any = 4547, size: float = 100.0) -> gpd.GeoDataFrame:
    shapes = shapely.box([460_000, 460_000 + size], 3_380_000, [460_000 + size, 461_000], 3_381_000)
    return gpd.GeoDataFrame({"社区": ["福民", "锦园"], "户数": [3, 4]}, geometry=shapes, crs=crs)


def test_a_layer_is_described(tmp_path: Path) -> None:
    write_layer(areas().assign(姓名="某"), tmp_path / "a.gpkg")
    result = run("info", tmp_path / "a.gpkg")
    assert result.exit_code == 0
    assert "a：2 行，面，EPSG:4547，范围 [460000, 3380000, 461000, 3381000]，像是" in result.stdout
    assert "户数  整数        → households" in result.stdout
    assert "疑似个人信息（列名）" in result.stdout
    english = run("--lang", "en", "info", tmp_path / "a.gpkg")
    assert "2 rows, Polygon, EPSG:4547, extent [460000, 3380000, 461000, 3381000]" in english.stdout
    assert "looks personal (heading)" in english.stdout


def test_json_is_one_document(tmp_path: Path) -> None:
    write_layer(areas(), tmp_path / "a.gpkg")
    document = json.loads(run("info", tmp_path / "a.gpkg", "--json").stdout)
    assert document["schema"] == "gridmap.info/1"
    layer = document["layers"][0]
    assert layer["features"] == 2
    assert layer["reads_as"] in ("jurisdiction", "building", "cell")
    assert [c["name"] for c in layer["columns"]] == ["社区", "户数"]


@pytest.mark.parametrize("suffix", [".geojson", ".fgb", ".parquet", ".shp", ".kml", ".gpkg"])
def test_every_format_is_looked_into(tmp_path: Path, suffix: str) -> None:
    write_layer(areas().to_crs(4326), tmp_path / f"a{suffix}")
    layers = look(tmp_path / f"a{suffix}")
    assert layers[0].features == 2
    assert layers[0].crs in ("EPSG:4326", "OGC:CRS84")


def test_a_grid_file_shows_all_its_layers(grid: Grid, tmp_path: Path) -> None:
    write_grid(grid, tmp_path / "g.gpkg")
    assert [layer.name for layer in look(tmp_path / "g.gpkg")][:2] == ["cells", "jurisdictions"]
    assert [layer.name for layer in look(f"{tmp_path}/g.gpkg:units")] == ["units"]


def test_tables_are_described_with_their_dirt(tmp_path: Path) -> None:
    table = pd.DataFrame({"compound": ["福苑"], "households": [3], "lng": [113.6], "lat": [34.7]})
    write_xls(office_rows(table), tmp_path / "台账.xls")
    write_text(office_rows(table), tmp_path / "台账.csv", encoding="gb18030")
    for name in ("台账.xls", "台账.csv"):
        layer = look(tmp_path / name)[0]
        assert layer.reads_as == "building"
        assert layer.features == 1
        assert layer.extent == (113.6, 34.7, 113.6, 34.7)
        assert "are taken as WGS 84; declare" in suspicions(tmp_path / name)
    assert look(tmp_path / "台账.csv")[0].encoding == "gb18030"


def test_every_sheet_is_looked_into(tmp_path: Path) -> None:
    sheets = {
        "楼栋": [["小区名称", "户数"], ["a", 3]],
        "人员": [["网格编码", "姓名", "岗位"], ["b", "c", "d"]],
    }
    write_xlsx(sheets, tmp_path / "a.xlsx")
    assert [(x.name, x.reads_as) for x in look(tmp_path / "a.xlsx")] == [
        ("楼栋", "building"),
        ("人员", "staff"),
    ]
    assert [x.name for x in look(f"{tmp_path}/a.xlsx:人员")] == ["人员"]


def test_missing_crs_and_encoding_are_suspected(tmp_path: Path) -> None:
    write_bare_shapefile(areas(), tmp_path / "a.shp")
    (tmp_path / "a.prj").unlink()
    text = suspicions(tmp_path / "a.shp")
    assert "No CRS" in text
    assert "gb18030" in text.lower()


def test_degrees_in_a_projected_crs_are_suspected(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.box(113, 34, 114, 35)], crs=4547)
    write_layer(frame, tmp_path / "a.gpkg")
    assert "look like degrees" in suspicions(tmp_path / "a.gpkg")


def test_metres_in_degrees_are_suspected(tmp_path: Path) -> None:
    write_layer(areas(crs=4326), tmp_path / "a.gpkg")
    assert "which are no degrees" in suspicions(tmp_path / "a.gpkg")


@pytest.mark.parametrize("crs", [4326, 4547])
def test_exchanged_axes_are_suspected(tmp_path: Path, crs: int) -> None:
    frame = areas().to_crs(crs)
    swapped = shapely.transform(frame.geometry.to_numpy(), lambda xy: xy[:, ::-1])
    write_layer(frame.set_geometry(gpd.GeoSeries(swapped, crs=crs)), tmp_path / "a.gpkg")
    assert "axes seem exchanged" in suspicions(tmp_path / "a.gpkg")


def test_zone_numbers_are_suspected(tmp_path: Path) -> None:
    frame = areas()
    moved = shapely.transform(frame.geometry.to_numpy(), lambda xy: xy + np.array([3.8e7, 0]))
    write_layer(frame.set_geometry(gpd.GeoSeries(moved, crs=4547)), tmp_path / "a.gpkg")
    text = suspicions(tmp_path / "a.gpkg")
    assert "zone 38; declare a CRS with zone number, as EPSG:4526" in text
    write_layer(areas().to_crs(4526), tmp_path / "b.gpkg")
    assert suspicions(tmp_path / "b.gpkg") == ""


def test_old_datums_and_map_services_are_suspected(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"来源": ["高德"]}, geometry=[shapely.Point(114, 34)], crs=4610)
    write_layer(frame, tmp_path / "a.gpkg")
    text = suspicions(tmp_path / "a.gpkg")
    assert "without parameters" in text
    assert "perhaps gcj02" in text


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_a_mistaken_datum_is_named_against_the_jurisdictions(tmp_path: Path, datum: str) -> None:
    random = np.random.default_rng(0)
    x, y = random.uniform(460_000, 461_000, 500), random.uniform(3_380_000, 3_381_000, 500)
    lng, lat = positions_to(x, y, datum, 4547)
    write_table(pd.DataFrame({"经度": lng, "纬度": lat}), tmp_path / "p.csv")
    write_layer(areas(), tmp_path / "a.gpkg")
    result = run("info", tmp_path / "p.csv", "--against", tmp_path / "a.gpkg", "--json")
    assert json.loads(result.stdout)["datum_alarm"]["fits"] == datum
    declared = run("info", tmp_path / "p.csv", "--against", tmp_path / "a.gpkg", "--datum", datum)
    assert "落在辖区外" not in declared.stdout


@pytest.mark.parametrize("how", ["two columns", "one column", "a layer"])
def test_how_many_positions_lie_in_the_jurisdictions_is_told(tmp_path: Path, how: str) -> None:
    """Whatever the columns are called, and when no other datum would fit, too."""
    x = np.array([460_500.0, 460_600.0, 560_000.0, np.nan])
    table = pd.DataFrame({"east": x, "north": np.full(4, 3_380_500.0)})
    table["pos"] = [f"{a},{b}" if a == a else "" for a, b in table.to_numpy()]
    write_layer(areas(), tmp_path / "a.gpkg")
    write_table(table, tmp_path / "p.csv")
    named = {"two columns": "--x east --y north", "one column": "--x pos", "a layer": ""}[how]
    file = tmp_path / "p.csv"
    if how == "a layer":
        file = tmp_path / "p.gpkg"
        points = gpd.points_from_xy(table["east"][:3], table["north"][:3], crs=4547)
        write_layer(gpd.GeoDataFrame(geometry=points), file)
    words = ["info", file, *named.split(), "--against", tmp_path / "a.gpkg"]
    assert "3 个位置中有 2 个落在" in run(*words).stdout
    told = json.loads(run(*words, "--json").stdout)
    assert told["against"] == {"file": str(tmp_path / "a.gpkg"), "inside": 2, "known": 3}
    assert told["datum_alarm"] is None


def test_what_is_not_there_is_exit_2(tmp_path: Path) -> None:
    result = run("info", tmp_path / "none.gpkg")
    assert result.exit_code == 2
    assert "找不到" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    (tmp_path / "a.gpkg").write_bytes(b"nonsense")
    assert run("info", tmp_path / "a.gpkg").exit_code == 2


def test_export_and_account(grid: Grid, town: Any, tmp_path: Path) -> None:
    write_grid(grid, tmp_path / "g.gpkg")
    write_layer(town.buildings, tmp_path / "b.gpkg")
    assert run("export", tmp_path / "g.gpkg", "-o", tmp_path / "g.xlsx").exit_code == 0
    assert (tmp_path / "g.xlsx").exists()
    result = run(
        "account", tmp_path / "g.gpkg", tmp_path / "b.gpkg", "-o", tmp_path / "o.csv", "--json"
    )
    document = json.loads(result.stdout)
    assert document["schema"] == "gridmap.account/1"
    assert result.exit_code == (0 if document["complete"] else 1)
    assert document["buildings"] == len(town.buildings)
    assert (tmp_path / "o.csv").exists()
    lost = town.buildings.iloc[:3].translate(1e6)
    far = gpd.GeoDataFrame({"households": [1, 2, 3]}, geometry=lost.to_numpy(), crs=lost.crs)
    write_layer(far, tmp_path / "far.gpkg")
    result = run("--lang", "en", "account", tmp_path / "g.gpkg", tmp_path / "far.gpkg")
    assert result.exit_code == 1
    assert "3 (6 households) lie in no cell" in result.stdout


def test_places_without_end_are_no_extent(tmp_path: Path) -> None:
    rows = [["x", "y"], ["inf", "3"], ["1", "4"], ["2", "-inf"]]
    write_text(rows, tmp_path / "a.csv", encoding="utf-8")
    document = json.loads(run("info", tmp_path / "a.csv", "--json").stdout)
    assert document["layers"][0]["extent"] == [1.0, 3.0, 2.0, 4.0]
    nowhere = gpd.GeoDataFrame({"a": [1, 2]}, geometry=[None, None], crs=4547)
    nowhere.to_parquet(tmp_path / "b.parquet")
    document = json.loads(run("info", tmp_path / "b.parquet", "--json").stdout)
    assert document["layers"][0]["extent"] is None


def test_areas_are_no_incidents_and_places_with_households_are_buildings(tmp_path: Path) -> None:
    homes = gpd.GeoDataFrame(
        {"id": ["B1"], "households": [3]}, geometry=gpd.points_from_xy([1], [2]), crs=4547
    )
    layers = {"jurisdiction": areas()[["geometry"]].assign(code=["a", "b"]), "building": homes,
              "incident": homes.drop(columns="households")}  # fmt: skip
    for meant, layer in layers.items():
        write_layer(layer, tmp_path / f"{meant}.gpkg")
        assert look(tmp_path / f"{meant}.gpkg")[0].reads_as == meant


def test_parameters_are_declared_for_a_local_crs_that_has_none(tmp_path: Path) -> None:
    local = pyproj.CRS('LOCAL_CS["site",UNIT["metre",1]]')
    write_layer(areas(local), tmp_path / "site.gpkg")
    assert "site" in suspicions(tmp_path / "site.gpkg")
    told = "+proj=tmerc +lon_0=114 +x_0=500000 +ellps=krass"
    for bare in ("EPSG:4547", told):  # what lies elsewhere is never moved silently
        assert read_layer(tmp_path / "site.gpkg", crs=bare).crs == local
    placed = read_layer(tmp_path / "site.gpkg", crs=f"{told} +towgs84=15.8,-154.4,-82.3")
    assert gm.metric_crs(placed).to_epsg() == 4547


def test_lines_read_as_barriers_only(tmp_path: Path) -> None:
    lines = gpd.GeoDataFrame(
        {"kind": ["river", "street"]},
        geometry=shapely.linestrings([[[0, 0], [1, 1]], [[0, 1], [1, 0]]]),
        crs=4547,
    )
    write_layer(lines, tmp_path / "lines.gpkg")
    lines.to_parquet(tmp_path / "lines.parquet")
    for name in ("lines.gpkg", "lines.parquet"):
        (layer,) = look(tmp_path / name)
        assert layer.reads_as == "barrier"
        assert [column.field for column in layer.columns] == ["kind"]


def verdicts(grid: Grid, spec: Path) -> tuple[int, int]:
    """Return how info and assign end on a file."""
    write_grid(grid, spec.parent / "grid-of-all.gpkg", overwrite=True)
    out = spec.parent / "placed.csv"
    placed = run("assign", spec.parent / "grid-of-all.gpkg", spec, "-o", out, "--overwrite")
    return run("info", spec).exit_code, placed.exit_code


def points_in(grid: Grid) -> gpd.GeoDataFrame:
    places = grid.cells.geometry.representative_point().reset_index(drop=True)
    return gpd.GeoDataFrame({"note": [f"n{at}" for at in range(len(places))]}, geometry=places)


def test_a_cut_mif_is_refused_by_all(grid: Grid, tmp_path: Path) -> None:
    points_in(grid).to_file(tmp_path / "p.mif", driver="MapInfo File", FORMAT="MIF")
    assert verdicts(grid, tmp_path / "p.mif") == (0, 0)
    values = (tmp_path / "p.mid").read_bytes()
    (tmp_path / "p.mid").write_bytes(values[: len(values) // 2])
    assert verdicts(grid, tmp_path / "p.mif") == (2, 2)


def test_a_tab_with_lost_shapes_is_refused_by_all(grid: Grid, tmp_path: Path) -> None:
    points_in(grid).to_file(tmp_path / "p.tab", driver="MapInfo File")
    assert verdicts(grid, tmp_path / "p.tab") == (0, 0)
    places = bytearray((tmp_path / "p.id").read_bytes())
    places[8:12] = b"\xff\xff\xff\x7f"
    (tmp_path / "p.id").write_bytes(bytes(places))
    assert verdicts(grid, tmp_path / "p.tab") == (2, 2)


def test_a_plain_table_in_a_geopackage_is_read_by_all(grid: Grid, tmp_path: Path) -> None:
    points = points_in(grid)
    table = pd.DataFrame({"x": points.geometry.x, "y": points.geometry.y, "note": points["note"]})
    pyogrio.write_dataframe(table, tmp_path / "p.gpkg", layer="t")
    assert verdicts(grid, tmp_path / "p.gpkg") == (0, 0)
    with closing(sqlite3.connect(tmp_path / "p.gpkg")) as database:
        database.execute("PRAGMA writable_schema=ON")
        database.execute("UPDATE t SET note = NULL WHERE rowid = 2")
        made = ('"note" TEXT', '"note" TEXT NOT NULL')
        database.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", made)
        database.commit()
    assert verdicts(grid, tmp_path / "p.gpkg") == (2, 2)


@pytest.mark.parametrize("crs", [None, 4547])
def test_bytes_that_are_no_shape_are_refused_by_all(
    grid: Grid, tmp_path: Path, crs: int | None
) -> None:
    lone = points_in(grid).set_crs(4547).to_crs(4326).set_crs(None, allow_override=True)
    points = lone if crs is None else points_in(grid).set_crs(crs)
    points.to_parquet(tmp_path / "p.parquet")
    assert verdicts(grid, tmp_path / "p.parquet") == (0, 0)
    table = pq.read_table(tmp_path / "p.parquet")
    shapes = table.column("geometry").to_pylist()
    shapes[1] = shapes[1][:9]
    broken = table.set_column(1, "geometry", pa.array(shapes, pa.binary()))
    pq.write_table(broken, tmp_path / "p.parquet")
    assert verdicts(grid, tmp_path / "p.parquet") == (2, 2)


def test_a_wild_corner_is_refused_as_validate_does(tmp_path: Path) -> None:
    wild = shapely.Polygon([(460_000, 3_380_000), (4.5e160, 3_380_000), (460_000, 3_381_000)])
    frame = gpd.GeoDataFrame({"code": ["1"]}, geometry=[wild], crs=4547)
    frame.to_file(tmp_path / "a.fgb")
    assert run("validate", tmp_path / "a.fgb").exit_code == 2
    assert run("info", tmp_path / "a.fgb").exit_code == 2


def test_an_empty_layer_keeps_its_type_and_times_have_no_unit(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(
        {"time": pd.to_datetime(["2026-01-01 10:00"])}, geometry=[shapely.Point(0, 0)], crs=4547
    )
    for name, rows in (("none", frame.iloc[:0]), ("one", frame)):
        pyogrio.write_dataframe(rows, tmp_path / f"{name}.gpkg", geometry_type="Point")
        (layer,) = look(tmp_path / f"{name}.gpkg")
        assert layer.geometry == "Point"
        assert [column.kind for column in layer.columns] == ["datetime"]


def test_points_without_a_crs_are_named_by_their_column(grid: Grid, tmp_path: Path) -> None:
    lone = points_in(grid).set_crs(4547).to_crs(4326).set_crs(None, allow_override=True)
    lone.to_parquet(tmp_path / "p.parquet")
    write_grid(grid, tmp_path / "g.gpkg")
    placed = run("assign", tmp_path / "g.gpkg", tmp_path / "p.parquet", "-o", tmp_path / "o.csv")
    assert placed.exit_code == 0
    assert "geometry" in placed.stderr and "None" not in placed.stderr


def test_a_file_without_any_layer_is_refused(grid: Grid, tmp_path: Path) -> None:
    head = '<FeatureCollection xmlns="http://www.opengis.net/gml"></FeatureCollection>'
    (tmp_path / "p.gml").write_text(head, encoding="utf-8")
    assert verdicts(grid, tmp_path / "p.gml") == (2, 2)


def test_what_is_told_is_short_and_true(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "x": [500_000.0, 1e200], "y": [3e6, 3e6]})
    table.to_csv(tmp_path / "wild.csv", index=False)
    assert (
        "extent [500000, 3000000, 1e+200, 3000000]"
        in run("info", tmp_path / "wild.csv", "--lang", "en").stdout
    )
    water = gpd.GeoDataFrame(
        {"name": ["湖"], "type": ["water"]}, geometry=[shapely.box(0, 0, 9, 9)], crs=4547
    )
    water.to_file(tmp_path / "water.gpkg")
    assert "reads as" not in run("info", tmp_path / "water.gpkg", "--lang", "en").stdout


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>',
        "<html><table><tr><td>1</td></tr></table></html>",
    ],
)
def test_markup_in_place_of_a_workbook_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xls").write_text(text)
    said = run("info", tmp_path / "a.xls", "--lang", "en").stderr
    assert "web page or XML, as Excel 2003 saves it" in said and "save it as .xlsx" in said
