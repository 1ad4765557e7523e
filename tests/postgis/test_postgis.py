"""Layers, tables and grids in a real PostgreSQL with PostGIS."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

import gridmap
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.io import (
    atomic,
    read_grid,
    read_layer,
    read_table,
    write_grid,
    write_layer,
    write_table,
)
from gridmap.io import postgis as room
from gridmap.io.inputs import read_households, read_incidents
from tests.unit.test_apply import housed

pytestmark = pytest.mark.postgis


@pytest.fixture
def boxes() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"code": ["001", "002"], "户数": [3, 4], "share": [0.1, None], "开放": [True, False]},
        geometry=shapely.box([0.1, 5], 0, [5, 10.3], 5),
        crs=4547,
    )


def test_a_grid_comes_back_byte_for_byte(postgis_url: str, grid: Any, tmp_path: Path) -> None:
    place = f"{postgis_url}?table=plan"
    write_grid(grid, place)
    back = read_grid(place)
    assert back.content_hash == grid.content_hash
    write_grid(grid, tmp_path / "a.gpkg")
    write_grid(back, tmp_path / "b.gpkg")
    digests = {hashlib.sha256((tmp_path / n).read_bytes()).digest() for n in ("a.gpkg", "b.gpkg")}
    assert len(digests) == 1


def test_a_grid_of_the_database_keeps_its_buildings_and_can_be_cut(
    postgis_url: str, tmp_path: Path
) -> None:
    plan = housed()
    place = f"{postgis_url}?table=town"
    beside = plan.buildings.head(3)
    write_layer(beside, f"{postgis_url}?table=town_buildings")
    write_grid(plan, place)
    back = read_grid(place)
    assert back.buildings.equals(plan.buildings)
    line = gpd.GeoSeries([shapely.LineString([(-20, 466), (320, 466)])], crs=plan.crs)
    line.to_file(tmp_path / "line.gpkg")
    reasons = ["--approve", "101001=x", "--approve", "new:split-1=y"]
    cut = ["--split", "101001", "--along", str(tmp_path / "line.gpkg"), "--through", *reasons]
    made = {}
    for name, source in (("database", place), ("file", str(tmp_path / "grid.gpkg"))):
        if name == "file":
            write_grid(plan, source)
        out = tmp_path / f"{name}.gpkg"
        ran = CliRunner().invoke(main, ["apply", source, *cut, "-o", str(out)])
        assert ran.exit_code == 0, ran.output
        made[name] = read_grid(out)
    assert made["database"].content_hash == made["file"].content_hash
    assert made["database"].cells["households"].to_dict() == {
        **plan.cells["households"].to_dict(), "101001": 300, "101004": 150
    }  # fmt: skip
    bare = gridmap.Grid(
        plan.cells, plan.boundary, plan.levels, jurisdictions=plan.jurisdictions, units=plan.units
    )
    with pytest.raises(InputError, match="exists already"):
        write_grid(bare, place)
    write_grid(bare, place, overwrite=True)
    assert read_grid(place).buildings is None, "buildings of a grid that is gone"
    assert len(read_layer(f"{postgis_url}?table=town_buildings")) == 3, "not the grid's own"


def test_a_grid_is_validated_in_place(postgis_url: str, grid: Any) -> None:
    write_grid(grid, f"{postgis_url}?table=inplace")
    cells = read_layer(f"{postgis_url}?table=inplace_cells")
    boundary = read_layer(f"{postgis_url}?table=inplace_boundary")
    assert gridmap.validate(cells, boundary).empty
    assert not gridmap.validate(cells.iloc[1:], boundary).empty
    alone = CliRunner().invoke(main, ["validate", f"{postgis_url}?table=inplace"])
    assert alone.exit_code == 0, "a grid in a database proves itself, as one in a file"
    told = CliRunner().invoke(main, ["validate", f"{postgis_url}?table=nothing"])
    assert told.exit_code == 2
    assert "inplace_gridmap_metadata" in told.stderr, "no word is hidden for being the user's name"


def test_the_command_line_reads_the_database(postgis_url: str, grid: Any) -> None:
    write_grid(grid, f"{postgis_url}?table=shown")
    cells = f"{postgis_url}?table=shown_cells"
    boundary = f"{postgis_url}?table=shown_boundary"
    run = CliRunner().invoke
    assert run(main, ["validate", cells, "--boundary", boundary]).exit_code == 0
    shown = run(main, ["info", cells])
    assert shown.exit_code == 0, shown.output
    assert f"{len(grid):,} 行，面，{grid.crs.to_string()}" in shown.stdout


def test_the_name_of_a_grid_stands_for_its_cells(postgis_url: str, grid: Any) -> None:
    write_grid(grid, f"{postgis_url}?table=byname")
    assert len(read_layer(f"{postgis_url}?table=byname")) == len(grid)


def test_layers_keep_order_types_and_bits(postgis_url: str, boxes: gpd.GeoDataFrame) -> None:
    place = f"{postgis_url}?table=boxes"
    write_layer(boxes, place)
    back = read_layer(place)
    pd.testing.assert_frame_equal(pd.DataFrame(back.drop(columns="geometry")),
                                  pd.DataFrame(boxes.drop(columns="geometry")))  # fmt: skip
    assert back.crs == boxes.crs
    bits = [shapely.to_wkb(frame.geometry.to_numpy()).tolist() for frame in (back, boxes)]
    assert bits[0] == bits[1]


def test_tables_and_inputs_are_read_from_the_database(
    postgis_url: str, boxes: gpd.GeoDataFrame
) -> None:
    write_layer(boxes, f"{postgis_url}?table=homes", overwrite=True)
    frame, _ = read_households(f"{postgis_url}?table=homes")
    assert frame["households"].sum() == 7
    points = boxes.set_geometry(boxes.centroid)
    write_layer(points, f"{postgis_url}?table=cases", overwrite=True)
    incidents, _ = read_incidents(f"{postgis_url}?table=cases")
    assert len(incidents) == 2
    placed = pd.DataFrame({"code": ["a"], "time": pd.to_datetime(["2024-03-01 10:00"])})
    write_table(placed, f"{postgis_url}?table=public.placed")
    pd.testing.assert_frame_equal(
        read_table(f"{postgis_url}?table=placed"), placed.astype({"time": "datetime64[us]"})
    )


def test_nothing_is_overwritten_unasked(postgis_url: str, boxes: gpd.GeoDataFrame) -> None:
    place = f"{postgis_url}?table=mine"
    write_layer(boxes, place)
    with pytest.raises(InputError, match="exists already"):
        write_layer(boxes.iloc[:1], place)
    assert len(read_layer(place)) == 2
    write_layer(boxes.iloc[:1], place, overwrite=True)
    assert len(read_layer(place)) == 1


def test_a_killed_connection_leaves_the_old_table_whole(
    postgis_url: str, grid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    place = f"{postgis_url}?table=victim"
    write_grid(grid, place)
    before = read_grid(place).content_hash
    create, count = room._create, [0]

    def kill_in_the_middle(connection: Any, name: tuple[str, str], frame: Any) -> None:
        create(connection, name, frame)
        count[0] += 1
        if count[0] == 2:
            process = connection.info.backend_pid
            with psycopg.connect(postgis_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [process])

    monkeypatch.setattr(room, "_create", kill_in_the_middle)
    with pytest.raises(InputError, match="nothing was changed"):
        write_grid(grid, place, overwrite=True)
    assert count[0] == 2
    assert read_grid(place).content_hash == before


def test_readers_see_the_old_or_the_new_never_a_mixture(
    postgis_url: str, boxes: gpd.GeoDataFrame
) -> None:
    place = f"{postgis_url}?table=busy"
    write_layer(boxes, place)
    lengths: set[int] = set()

    def read() -> None:
        for _ in range(20):
            lengths.add(len(read_layer(place)))

    reader = threading.Thread(target=read)
    reader.start()
    for size in (1, 2, 1, 2):
        write_layer(boxes.iloc[:size], place, overwrite=True)
    reader.join()
    assert lengths <= {1, 2}


@pytest.mark.parametrize(
    ("query", "message"),
    [("", "names no table"), ("?table=nowhere", "has no table 'nowhere'")],
)
def test_a_missing_table_is_named(postgis_url: str, query: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_layer(postgis_url + query)


def test_a_grid_that_is_not_there_is_named(postgis_url: str) -> None:
    with pytest.raises(InputError, match="is no grid"):
        read_grid(f"{postgis_url}?table=nowhere")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(InputError) as caught:
        read_layer("postgresql://me:topsecret@127.0.0.1:9/db?table=t")
    assert "topsecret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_without_geometry_is_no_layer(postgis_url: str) -> None:
    write_table(pd.DataFrame({"a": [1]}), f"{postgis_url}?table=flat")
    with pytest.raises(InputError, match="one column of geometries"):
        read_layer(f"{postgis_url}?table=flat")
    assert "无几何" in CliRunner().invoke(main, ["info", f"{postgis_url}?table=flat"]).stdout


def test_incidents_with_coordinates_in_columns_are_read(postgis_url: str) -> None:
    place = f"{postgis_url}?table=plain_cases"
    write_table(pd.DataFrame({"经度": [114.1], "纬度": [30.5], "问题大类": ["市容"]}), place)
    frame, known = read_incidents(place)
    assert frame[["x", "y"]].to_numpy().tolist() == [[114.1, 30.5]]
    assert known.columns["category"] == "问题大类"


def test_a_crs_without_code_is_refused(postgis_url: str, boxes: gpd.GeoDataFrame) -> None:
    odd = boxes.set_crs("+proj=tmerc +lon_0=114 +k=0.9 +type=crs", allow_override=True)
    with pytest.raises(InputError, match="EPSG code"):
        write_layer(odd, f"{postgis_url}?table=odd")


@pytest.fixture(scope="module")
def delivered(town: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what the commands start from."""
    folder = tmp_path_factory.mktemp("delivered")
    write_layer(town.jurisdictions, folder / "areas.gpkg")
    write_layer(town.buildings, folder / "homes.gpkg")
    cases = pd.DataFrame(town.incidents.drop(columns=["geometry", "lng", "lat"])).head(200)
    write_table(cases, folder / "cases.csv")
    return folder


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["--lang", "en", *map(str, arguments)])


def test_partition_writes_to_the_database(
    postgis_url: str, delivered: Path, tmp_path: Path
) -> None:
    command = ["partition", delivered / "areas.gpkg", "--households", delivered / "homes.gpkg",
               "--level", "community", "--code", "code", "--quality", "fast"]  # fmt: skip
    place = f"{postgis_url}?table=drawn"
    assert run(*command, "-o", tmp_path / "a.gpkg").exit_code == 0
    done = run(*command, "-o", place, "--json")
    assert done.exit_code == 0, done.output
    filed, stored = read_grid(tmp_path / "a.gpkg"), read_grid(place)
    assert stored.content_hash == filed.content_hash and stored.parameters == filed.parameters
    pd.testing.assert_frame_equal(stored.units, filed.units)
    pd.testing.assert_frame_equal(stored.cells, filed.cells)
    again = run(*command, "-o", place)
    assert again.exit_code == 2
    assert again.stderr == (
        "gridmap: Table public.drawn_cells exists already. Add --overwrite, or choose another "
        "name.\n"
    )
    assert run(*command, "-o", place, "--overwrite").exit_code == 0


def test_assign_writes_to_the_database(
    postgis_url: str, delivered: Path, grid: Any, tmp_path: Path
) -> None:
    write_grid(grid, f"{postgis_url}?table=plan2")
    columns = ["--x", "x", "--y", "y"]  # it has degrees as well
    command = ["assign", f"{postgis_url}?table=plan2", delivered / "cases.csv", *columns]
    place = f"{postgis_url}?table=placed2"
    assert run(*command, "-o", place).exit_code == 0
    assert run(*command, "-o", tmp_path / "placed.parquet").exit_code == 0
    stored, filed = read_layer(place), read_table(tmp_path / "placed.parquet")
    assert stored.crs == grid.crs
    pd.testing.assert_series_equal(stored["code"], filed["code"], check_dtype=False)
    assert stored["status"].tolist() == filed["status"].tolist()
    assert stored.columns.drop("geometry").tolist() == filed.columns.tolist()
    refused = run(*command, "-o", place)
    assert (refused.exit_code, "exists already" in refused.stderr) == (2, True)
    again = run("assign", f"{postgis_url}?table=plan2", place, "-o", tmp_path / "again.parquet")
    assert again.exit_code == 0, again.stderr
    placed = read_table(tmp_path / "again.parquet")["code"]
    pd.testing.assert_series_equal(placed, filed["code"])


def test_a_connection_killed_while_assigning_leaves_the_old_table_whole(
    postgis_url: str, delivered: Path, grid: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    write_grid(grid, tmp_path / "g.gpkg")
    columns = ["--x", "x", "--y", "y"]
    command = ["assign", tmp_path / "g.gpkg", delivered / "cases.csv", *columns, "-o"]
    place = f"{postgis_url}?table=victim2"
    write_table(pd.DataFrame({"old": [1, 2]}), place)
    rows = room._rows

    def kill_in_the_middle(*arguments: Any) -> Any:
        for number, row in enumerate(rows(*arguments)):
            if number == 50:
                with psycopg.connect(postgis_url, autocommit=True) as other:
                    other.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    )
            yield row

    monkeypatch.setattr(room, "_rows", kill_in_the_middle)
    result = run(*command, place, "--overwrite")
    assert result.exit_code == 2, result.output
    assert "nothing was changed" in result.stderr
    assert read_table(place)["old"].tolist() == [1, 2]


def test_names_that_a_database_would_cut_are_refused(postgis_url: str) -> None:
    long = "处置部门意见" * 4
    with pytest.raises(InputError, match="would be cut"):
        write_table(pd.DataFrame({long: [1]}), f"{postgis_url}?table=long")


def test_a_password_is_never_in_a_document(tmp_path: Path) -> None:
    result = run(
        "assign", "g.gpkg", "c.csv", "-o", "postgresql://me:topsecret@127.0.0.1:9/d?table=t"
    )
    assert result.exit_code == 2
    assert "topsecret" not in result.output


def test_a_table_and_a_file_of_one_command_come_together(
    postgis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    place, path = f"{postgis_url}?table=together", tmp_path / "a.csv"
    frame = pd.DataFrame({"a": [1]})

    def write(between: str = "") -> None:
        with atomic.together():
            write_table(frame, place)
            write_table(frame, path)
            if between:
                with psycopg.connect(postgis_url, autocommit=True) as other:
                    other.execute(between)

    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND state = 'idle in transaction'"
    )
    with pytest.raises(InputError, match="nothing was changed"):
        write(kill)
    with monkeypatch.context() as patched:
        patched.setattr(atomic, "_install", lambda *_: path.mkdir(exist_ok=False) or path.open("w"))
        with pytest.raises(IsADirectoryError):
            write()
    path.rmdir()
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="has no table"):
        read_table(place)
    write()
    assert list(read_table(place)["a"]) == list(read_table(path)["a"]) == [1]
