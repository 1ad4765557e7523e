"""The grid file: whole, exact, the same bytes, and proved again."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from gridmap import CoverageError, Grid
from gridmap.errors import InputError
from gridmap.io import read_grid, read_layer, read_table, write_grid, write_layer
from gridmap.io.gridfile import write_grid_dataset
from gridmap.io.vector import write_gdal


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def rich() -> Grid:
    """Return a grid with two levels, a lake, exceptions, retired codes and odd coordinates."""
    x = np.array([0.1, 100 / 3, 70.7, 100.1])
    shapes = [
        shapely.box(x[i], j * 33.3, x[i + 1], (j + 1) * 33.3) for i in range(3) for j in range(3)
    ]
    shapes[4] = shapely.difference(shapes[4], shapely.box(45, 45, 50, 50))
    parents = ["a"] * 3 + ["b"] * 6
    cells = gpd.GeoDataFrame(
        {
            "code": [f"{p}{n:02d}" for n, p in enumerate(parents)],
            "name": [f"第{n}网格" for n in range(9)],
            "kind": ["residential"] * 8 + ["dedicated"],
            "households": [310 + n for n in range(8)] + [0],
            "parent": parents,
            "district": "D",
            "community": parents,
            "note": ["x", None] + [""] * 7,
        },
        geometry=shapes,
        crs=4547,
    )
    geometry = np.array(shapes)
    jurisdictions = gpd.GeoDataFrame(
        {"district": ["D", "D"], "community": ["a", "b"]},
        index=["a", "b"],
        geometry=[
            shapely.coverage_union_all(geometry[:3]),
            shapely.coverage_union_all(geometry[3:]),
        ],
        crs=4547,
    )
    exceptions = pd.DataFrame(
        {
            "parent": ["a"],
            "code": ["a00"],
            "households": [12],
            "reason": ["太少"],
            "certificate": [{"kind": "sum", "low": 1}],
            "options": [["合并", "批准"]],
            "approved": [True],
        }
    )
    retired = pd.DataFrame({"code": ["a09"], "valid_to": ["2024-01-01"], "reason": ["merged"]})
    return Grid(
        cells,
        shapely.coverage_union_all(geometry),
        ("district", "community"),
        jurisdictions=jurisdictions,
        exceptions=exceptions,
        retired=retired,
        parameters={"min": 300, "max": 600, "seed": 7, "quality": "default", "keep": None},
    )


def test_a_grid_comes_back_whole(rich: Grid, tmp_path: Path) -> None:
    write_grid(rich, tmp_path / "g.gpkg")
    back = read_grid(tmp_path / "g.gpkg")
    assert back.content_hash == rich.content_hash
    assert back.levels == rich.levels
    assert back.parameters == rich.parameters
    assert back.proof.as_dict() == rich.proof.as_dict()
    assert back.crs == rich.crs
    pd.testing.assert_frame_equal(back.exceptions, rich.exceptions, check_dtype=False)
    pd.testing.assert_frame_equal(back.retired, rich.retired, check_dtype=False)
    pd.testing.assert_frame_equal(
        pd.DataFrame(back.cells.drop(columns="geometry")),
        pd.DataFrame(rich.cells.drop(columns="geometry")),
    )
    assert back.boundary.geom_type == rich.boundary.geom_type
    assert back.jurisdictions.geom_type.tolist() == rich.jurisdictions.geom_type.tolist()


def test_coordinates_are_kept_to_the_last_bit(rich: Grid, tmp_path: Path) -> None:
    write_grid(rich, tmp_path / "g.gpkg")
    back = read_grid(tmp_path / "g.gpkg")
    for name in ("cells", "jurisdictions", "units"):
        ours, theirs = (getattr(g, name).geometry.to_numpy() for g in (rich, back))
        assert shapely.to_wkb(ours).tolist() == shapely.to_wkb(theirs).tolist()
    assert shapely.to_wkb(back.boundary) == shapely.to_wkb(rich.boundary)


def test_a_partitioned_grid_keeps_its_units(grid: Grid, tmp_path: Path) -> None:
    write_grid(grid, tmp_path / "g.gpkg")
    back = read_grid(tmp_path / "g.gpkg")
    assert back.content_hash == grid.content_hash
    columns = grid.units.columns.drop("geometry")
    assert back.units.columns.drop("geometry").equals(columns)
    assert back.units.index.equals(grid.units.index)
    assert back.units.attrs == grid.units.attrs
    for column in columns:
        assert back.units[column].tolist() == grid.units[column].tolist()
    assert back.why(back.cells.index[0]) == grid.why(grid.cells.index[0])


def test_units_and_buildings_are_read_when_they_are_asked_for(
    grid: Grid, rich: Grid, tmp_path: Path
) -> None:
    for name, one in {"plain": grid, "rich": rich}.items():
        write_grid(one, tmp_path / f"{name}.gpkg")
        write_grid_dataset(one, tmp_path / name)
        for path in (tmp_path / f"{name}.gpkg", tmp_path / name):
            thin = read_grid(path, whole=False)
            assert thin.content_hash == one.content_hash
            named = thin.named()
            assert thin.units.equals(read_grid(path).units)
            assert (thin.buildings is None) == (one.buildings is None)
            for part, known in zip(named, read_grid(path).named(), strict=True):
                assert 0 < len(part) < len(one.units)
                assert part["name"].tolist() == known["name"].tolist()
                assert part[["x", "y"]].to_numpy().tolist() == known[["x", "y"]].to_numpy().tolist()


def test_the_same_grid_gives_the_same_bytes(grid: Grid, rich: Grid, tmp_path: Path) -> None:
    for name, each in (("town", grid), ("rich", rich)):
        paths = [tmp_path / f"{name}{n}.gpkg" for n in range(3)]
        write_grid(each, paths[0])
        write_grid(each, paths[1])
        write_grid(read_grid(paths[0]), paths[2])
        assert len({digest(path) for path in paths}) == 1


def test_the_bytes_do_not_depend_on_the_clock_or_the_process(rich: Grid, tmp_path: Path) -> None:
    write_grid(rich, tmp_path / "a.gpkg")
    program = (
        "from gridmap.io import read_grid, write_grid; import sys;"
        "write_grid(read_grid(sys.argv[1]), sys.argv[2])"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.gpkg"), str(tmp_path / "b.gpkg")],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "3", "TZ": "Asia/Tokyo"},
    )
    assert digest(tmp_path / "a.gpkg") == digest(tmp_path / "b.gpkg")


def test_others_can_read_it(rich: Grid, tmp_path: Path) -> None:
    path = tmp_path / "g.gpkg"
    write_grid(rich, path)
    layers = dict(pyogrio.list_layers(path).tolist())
    assert list(layers) == [
        "cells", "jurisdictions", "boundary", "units", "exceptions", "retired", "gridmap_metadata",
    ]  # fmt: skip
    assert read_layer(path).shape[0] == 9
    assert len(read_layer(f"{path}:jurisdictions")) == 2
    assert read_table(f"{path}:retired")["code"].tolist() == ["a09"]
    with sqlite3.connect(path) as database:
        facts = dict(database.execute("SELECT key, value FROM gridmap_metadata"))
        integrity = database.execute("PRAGMA integrity_check").fetchone()
    database.close()
    assert json.loads(facts["proof"])["verdict"] == "exact"
    assert json.loads(facts["content_hash"]) == rich.content_hash
    assert json.loads(facts["levels"]) == ["district", "community"]
    assert integrity == ("ok",)


def test_jurisdictions_of_several_parts_keep_their_type(tmp_path: Path) -> None:
    shapes = shapely.box([0, 20, 5], 0, [5, 25, 10], 5)
    cells = gpd.GeoDataFrame(
        {"code": ["a1", "a2", "b1"], "parent": ["a", "a", "b"]}, geometry=shapes, crs=4547
    )
    parts = [shapely.MultiPolygon([shapes[0], shapes[1]]), shapes[2]]
    areas = gpd.GeoDataFrame(index=["a", "b"], geometry=parts, crs=4547)
    whole = shapely.coverage_union_all(shapes)
    made = Grid(cells, whole, jurisdictions=areas)
    write_grid(made, tmp_path / "g.gpkg")
    back = read_grid(tmp_path / "g.gpkg")
    assert back.jurisdictions.geom_type.tolist() == ["MultiPolygon", "Polygon"]
    single = Grid(cells.iloc[2:], shapely.MultiPolygon([shapes[2]]))
    write_grid(single, tmp_path / "h.gpkg")
    assert read_grid(tmp_path / "h.gpkg").boundary.geom_type == "MultiPolygon"


@pytest.mark.parametrize("change", ["moved", "deleted"])
def test_a_grid_that_somebody_spoilt_is_not_trusted(
    rich: Grid, tmp_path: Path, change: str
) -> None:
    path = tmp_path / "g.gpkg"
    write_grid(rich, path)
    cells = read_layer(path)
    if change == "moved":
        shape = shapely.transform(cells.geometry[0], lambda xy: xy + 0.001)
        cells = cells.set_geometry([shape, *cells.geometry[1:]], crs=4547)
    else:
        cells = cells.iloc[1:]
    pyogrio.write_dataframe(cells, path, layer="cells")
    with pytest.raises(CoverageError) as caught:
        read_grid(path)
    assert len(caught.value.defects)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM gridmap_metadata", "schema None"),
        ("UPDATE gridmap_metadata SET value = 'x' WHERE key = 'levels'", "damaged metadata"),
        ("UPDATE gridmap_metadata SET value = '3' WHERE key = 'parameters'", "damaged metadata"),
        ("UPDATE gridmap_metadata SET value = '\"gridmap.grid/9\"' WHERE key = 'schema'", "Update"),
        ("ALTER TABLE cells RENAME COLUMN households TO h", "no column households"),
        ("DELETE FROM gpkg_geometry_columns WHERE table_name = 'cells'", "damaged"),
        ("ALTER TABLE cells RENAME COLUMN geom TO shape", "damaged"),
    ],
)
def test_damaged_metadata_is_one_line(
    rich: Grid, tmp_path: Path, statement: str, message: str
) -> None:
    path = tmp_path / "g.gpkg"
    write_grid(rich, path)
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()
    with pytest.raises(InputError, match=message) as caught:
        read_grid(path)
    assert "\n" not in str(caught.value)


def test_a_grid_gives_way_to_a_grid_only(rich: Grid, tmp_path: Path) -> None:
    """Mending the cells onto their own file would lose units and retired codes."""
    path = tmp_path / "网格.gpkg"
    write_grid(rich, path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="holds a grid with its units and retired codes"):
        write_layer(rich.cells, path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    write_grid(rich, path, overwrite=True)
    assert path.read_bytes() == before


def test_what_is_no_grid_file_is_told(rich: Grid, tmp_path: Path) -> None:
    write_layer(rich.cells, tmp_path / "cells.gpkg")
    with pytest.raises(InputError, match=r"is no grid file.*gridmap adopt"):
        read_grid(tmp_path / "cells.gpkg")
    with pytest.raises(InputError, match="not there"):
        read_grid(tmp_path / "none.gpkg")
    with pytest.raises(InputError, match=r"name it .*g\.gpkg"):
        write_grid(rich, tmp_path / "g.shp")
    write_grid(rich, tmp_path / "g.gpkg")
    before = digest(tmp_path / "g.gpkg")
    with pytest.raises(InputError, match="exists already"):
        write_grid(rich, tmp_path / "g.gpkg")
    assert digest(tmp_path / "g.gpkg") == before
    write_grid(rich, tmp_path / "g.gpkg", overwrite=True)
    assert digest(tmp_path / "g.gpkg") == before


def test_a_dataset_of_geoparquet_is_read_by_others_and_is_the_same_grid(
    grid: Any, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    write_grid_dataset(grid, tmp_path / "set")
    cells = gpd.read_parquet(tmp_path / "set/cells.parquet")
    assert cells["code"].tolist() == grid.cells.index.tolist()
    assert cells.crs == grid.crs
    query = f"SELECT sum(households) FROM read_parquet('{tmp_path}/set/cells.parquet')"
    assert duckdb.sql(query).fetchall()[0][0] == int(grid.cells["households"].sum())
    assert read_grid(tmp_path / "set").content_hash == grid.content_hash
    with pytest.raises(InputError, match="exists already"):
        write_grid_dataset(grid, tmp_path / "set")
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="exists already"):
        write_grid_dataset(grid, tmp_path / "other", overwrite=True)
    write_grid_dataset(grid, tmp_path / "set", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "set"]


def test_gdal_writes_the_same_by_arrow(tmp_path: Path) -> None:
    """Row by row and byte by byte: odd texts, numbers that are none, shapes of every kind."""
    n = 40
    rng = np.random.default_rng(0)
    frame = gpd.GeoDataFrame(
        {
            "fid": np.arange(n)[::-1] * 10**15,
            "geom": pd.array(["x", None, "", "\"'\\\n\u2028"] * (n // 4), dtype="str"),
            "share": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "limit": np.where(rng.random(n) < 0.3, np.inf, 1e-320),
        },
        geometry=shapely.box(rng.random(n), 0, 2, 2),
        crs=4547,
    )
    polygons = frame.geometry.to_numpy()
    points = shapely.force_3d(shapely.centroid(polygons), 3.0)
    many = np.where(np.arange(n) % 2, polygons, shapely.multipolygons(polygons.reshape(-1, 1)))
    mixed = np.where(np.arange(n) % 3, points, None)
    for kind, shapes in (("Polygon", polygons), ("MultiPolygon", many), ("Unknown", mixed)):
        dumps = []
        for quick in (False, True):
            path = tmp_path / f"{kind}-{quick}.gpkg"
            kept = frame.set_geometry(gpd.GeoSeries(shapes, crs=4547))
            write_gdal(kept, path, "GPKG", "units", geometry_type=kind, use_arrow=quick)
            with closing(sqlite3.connect(path)) as file:
                dumps.append([*file.iterdump()])
        assert dumps[0] == dumps[1] and len(dumps[0]) > n
