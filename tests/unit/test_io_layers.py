"""Layers of geometries in every format and dirt."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from gridmap.errors import CRSError, InputError
from gridmap.io import read_layer, read_table, write_layer
from gridmap.io.inspect import look
from tests.dirt import write_bare_shapefile, zipped


@pytest.fixture
def areas() -> gpd.GeoDataFrame:
    shapes = shapely.box([0.1, 500.7, 3.3], [0, 0, 600], [500.7, 1000, 9], [500, 500, 700])
    return gpd.GeoDataFrame(
        {
            "code": ["001", "002", "003"],
            "所属社区": ["福民", "东福民", "镕村"],
            "户数": [310, 420, 7],
            "share": [0.1, np.nan, 3.0],
        },
        geometry=shapes,
        crs=4547,
    )


def bits(frame: gpd.GeoDataFrame) -> list[bytes]:
    return shapely.to_wkb(shapely.normalize(frame.geometry.to_numpy())).tolist()


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".parquet", ".shp"])
def test_layers_come_back_whole(areas: gpd.GeoDataFrame, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"社区{suffix}"
    write_layer(areas, path)
    back = read_layer(path)
    assert back["code"].tolist() == areas["code"].tolist()
    assert back["所属社" if suffix == ".shp" else "所属社区"].tolist() == ["福民", "东福民", "镕村"]
    assert back["户数"].tolist() == [310, 420, 7]
    assert back["share"].isna().tolist() == [False, True, False]
    assert back.crs == areas.crs
    assert bits(back) == bits(areas)


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".fgb", ".parquet", ".shp"])
def test_the_same_layer_gives_the_same_bytes(
    areas: gpd.GeoDataFrame, tmp_path: Path, suffix: str
) -> None:
    paths = [tmp_path / name / f"a{suffix}" for name in ("x", "y")]
    for path in paths:
        path.parent.mkdir()
        write_layer(areas, path)
    for part in sorted(p.name for p in paths[0].parent.iterdir()):
        if not part.endswith(".dbf"):  # dBASE keeps the day of writing
            assert (paths[0].parent / part).read_bytes() == (paths[1].parent / part).read_bytes()


def test_kml(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    write_layer(areas.to_crs(4326), tmp_path / "a.kml")
    back = read_layer(tmp_path / "a.kml")
    assert back.crs.to_epsg() == 4326
    assert back["所属社区"].tolist() == areas["所属社区"].tolist()
    assert not back.has_z.any()


def test_file_geodatabase(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    pyogrio.write_dataframe(areas, tmp_path / "a.gdb", driver="OpenFileGDB", layer="社区",
                             TARGET_ARCGIS_VERSION="ARCGIS_PRO_3_2_OR_LATER")  # fmt: skip
    assert read_layer(f"{tmp_path}/a.gdb:社区")["所属社区"].tolist()[1] == "东福民"
    assert len(read_layer(tmp_path / "a.gdb")) == 3


@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
@pytest.mark.parametrize("packed", [False, True])
def test_shapefile_without_cpg(
    areas: gpd.GeoDataFrame, tmp_path: Path, encoding: str, packed: bool
) -> None:
    path = tmp_path / "jd.shp"
    write_bare_shapefile(areas.rename(columns={"所属社区": "社区"}), path, encoding=encoding)
    back = read_layer(zipped(path, tmp_path / "jd.zip") if packed else path)
    assert back["社区"].tolist() == ["福民", "东福民", "镕村"]
    assert back["户数"].tolist() == [310, 420, 7]
    expected = "gb18030" if encoding == "GBK" else "utf-8"
    assert any(expected in en for en in map(str, back.attrs["notes"]))


def test_shapefile_whose_cpg_lies(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = tmp_path / "jd.shp"
    write_bare_shapefile(areas.rename(columns={"所属社区": "社区"}), path)
    path.with_suffix(".cpg").write_text("UTF-8")
    assert read_layer(path)["社区"].tolist() == ["福民", "东福民", "镕村"]


def test_attributes_and_plain_tables_of_a_layer(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    write_layer(areas, tmp_path / "a.gpkg")
    table = read_table(tmp_path / "a.gpkg")
    assert not isinstance(table, gpd.GeoDataFrame)
    assert table["户数"].tolist() == [310, 420, 7]


def test_several_layers_must_be_named(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    for layer in ("社区", "街道"):
        pyogrio.write_dataframe(areas, path, layer=layer)
    with pytest.raises(InputError, match="社区, 街道"):
        read_layer(path)
    with pytest.raises(InputError, match="no layer '区'; it has 社区, 街道"):
        read_layer(f"{path}:区")
    assert len(read_layer(f"{path}:街道")) == 3


def test_heights_are_dropped_and_told(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    high = areas.set_geometry(gpd.GeoSeries(shapely.force_3d(areas.geometry, 5.0), crs=4547))
    write_layer(high, tmp_path / "a.gpkg")
    back = read_layer(tmp_path / "a.gpkg")
    assert bits(back) == bits(areas)
    assert any("heights" in en for en in map(str, back.attrs["notes"]))


def test_measures_are_dropped(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    measured = shapely.from_wkt("POLYGON M((0 0 1, 4 0 2, 4 4 3, 0 0 1))")
    write_layer(areas.set_geometry([measured] * len(areas), crs=areas.crs), tmp_path / "m.gpkg")
    assert not shapely.has_m(read_layer(tmp_path / "m.gpkg").geometry).any()


@pytest.mark.parametrize("name", ["fid", "FID", "geom", "Geom", "GEOMETRY"])
def test_no_column_is_lost_to_those_of_the_format(
    areas: gpd.GeoDataFrame, tmp_path: Path, name: str
) -> None:
    numbers = [7] * len(areas)
    write_layer(areas.assign(**{name: numbers}), tmp_path / "areas.gpkg")
    assert read_layer(tmp_path / "areas.gpkg")[name].tolist() == numbers


@pytest.mark.parametrize("kind", ["float16", "complex128", "timedelta64[s]", "uint64"])
def test_columns_that_no_file_can_hold_are_named(
    areas: gpd.GeoDataFrame, tmp_path: Path, kind: str
) -> None:
    column = np.full(len(areas), np.iinfo(np.int64).max).astype("uint64") + 1
    frame = areas.assign(odd=column if kind == "uint64" else np.zeros(len(areas), dtype=kind))
    with pytest.raises(InputError, match="cannot hold the column 'odd' of type"):
        write_layer(frame, tmp_path / "areas.gpkg")
    both = areas.assign(Odd=1, odd=2)
    with pytest.raises(InputError, match="differ in case alone"):
        write_layer(both, tmp_path / "areas.gpkg")
    assert not (tmp_path / "areas.gpkg").exists()


def test_a_named_index_becomes_a_column(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    frame = areas.drop(columns="code").set_index(pd.Index(["x", "y", "z"], name="code"))
    frame["cells"] = [("a", "b"), (), ("c",)]
    write_layer(frame, tmp_path / "a.gpkg")
    back = read_layer(tmp_path / "a.gpkg")
    assert back["code"].tolist() == ["x", "y", "z"]
    assert back["cells"].tolist() == ["a, b", "", "c"]


def test_a_layer_without_crs_is_refused_with_the_cure(
    areas: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    write_layer(areas.set_crs(None, allow_override=True), tmp_path / "a.shp")
    with pytest.raises(CRSError, match='crs="EPSG:4547"'):
        read_layer(tmp_path / "a.shp")
    assert read_layer(tmp_path / "a.shp", crs="EPSG:4547").crs.to_epsg() == 4547
    assert read_layer(tmp_path / "a.shp", crs=4547).crs.to_epsg() == 4547
    assert read_layer(tmp_path / "a.shp", need_crs=False).crs is None
    with pytest.raises(CRSError, match="names no CRS"):
        read_layer(tmp_path / "a.shp", crs="EPSG:0")


def test_degrees_that_are_none_are_refused(tmp_path: Path) -> None:
    shape = shapely.to_geojson(shapely.box(450_000, 3_380_000, 450_100, 3_380_100))
    feature = {"type": "Feature", "properties": {"a": 1}, "geometry": json.loads(shape)}
    document = {"type": "FeatureCollection", "features": [feature]}
    (tmp_path / "a.geojson").write_text(json.dumps(document))
    with pytest.raises(CRSError, match="which are no degrees"):
        read_layer(tmp_path / "a.geojson")
    assert read_layer(tmp_path / "a.geojson", crs=4547).crs.to_epsg() == 4547


def test_a_stated_crs_is_believed(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    write_layer(areas, tmp_path / "a.gpkg")
    assert read_layer(tmp_path / "a.gpkg", crs=4548).crs.to_epsg() == 4547


def test_empty_layers_and_wild_coordinates_are_refused(
    areas: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    write_layer(areas.iloc[:0], tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="no features"):
        read_layer(tmp_path / "a.gpkg")
    wild = gpd.GeoDataFrame(geometry=[shapely.Point(np.inf, 1), shapely.Point(1, 1)], crs=4547)
    wild.to_parquet(tmp_path / "w.parquet")
    with pytest.raises(InputError, match=r"no numbers in 1 feature \(the first is row 1\)"):
        read_layer(tmp_path / "w.parquet")


def test_a_table_is_no_layer(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is a table, not a layer"):
        read_layer(tmp_path / "a.csv")


def test_a_damaged_geopackage_drops_nothing_silently(
    areas: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "a.gpkg"
    many = pd.concat([areas] * 500, ignore_index=True)
    write_layer(gpd.GeoDataFrame(many, crs=4547), path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError) as caught:
        read_layer(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.gpkg", b"nonsense"),
        ("a.shp", b"nonsense"),
        ("a.geojson", b'{"type": "FeatureCollection", "features": [{'),
        ("a.parquet", b"PAR1"),
        ("a.kml", b"<kml>"),
        ("a.fgb", b"fgb"),
        ("a.gpkg", b""),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_layer(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_nothing_is_half_written(areas: gpd.GeoDataFrame, tmp_path: Path) -> None:
    write_layer(areas, tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="exists already"):
        write_layer(areas, tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="no known extension"):
        write_layer(areas, tmp_path / "a.dwg")
    with pytest.raises(InputError, match="does not exist"):
        write_layer(areas, tmp_path / "no" / "a.gpkg")
    assert [p.name for p in tmp_path.iterdir()] == ["a.gpkg"]


@pytest.mark.parametrize("packed", [False, True])
def test_names_cut_within_a_character_are_mended(tmp_path: Path, packed: bool) -> None:
    """Programs cut 网格编号, twelve bytes of UTF-8, at ten."""
    path = tmp_path / "格.shp"
    frame = gpd.GeoDataFrame({"网格A编": ["一号", "二号"], "户数": [3, 4]},
                             geometry=shapely.box([0, 1], 0, [1, 2], 1), crs=4547)  # fmt: skip
    frame.to_file(path, engine="pyogrio", encoding="UTF-8")
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[32:43] = "网格编号".encode()[:10] + b"\0"
    path.with_suffix(".dbf").write_bytes(table)
    place = zipped(path, tmp_path / "a.zip") if packed else path
    back = read_layer(place)
    assert back.columns.tolist() == ["网格编", "户数", "geometry"]
    assert back["网格编"].tolist() == ["一号", "二号"]
    assert [column.name for column in look(place)[0].columns] == ["网格编", "户数"]
