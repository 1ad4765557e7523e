"""gridmap partition: from files to a proved grid file, with a report and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.cli._shell import Shell
from gridmap.partitioning.requests import units_called


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write a street of two communities, its buildings and its unit polygons."""
    areas = gpd.GeoDataFrame(
        {"code": ["001", "002"], "community": ["East", "West"]},
        geometry=shapely.box([0, 400], 0, [400, 700], 100),
        crs=4547,
    )
    x = 50.0 + 100.0 * shapely.get_x(shapely.points([[k, 0] for k in range(7)]))
    counts = [200, 250, 150, 350, 280, 270, 100]
    homes = gpd.GeoDataFrame(
        {"households": counts}, geometry=gpd.points_from_xy(x, [50.0] * 7, crs=4547)
    )
    units = gpd.GeoDataFrame(
        {"households": counts}, geometry=shapely.box(x - 50, 0, x + 50, 100), crs=4547
    )
    for name, frame in (("areas", areas), ("homes", homes), ("units", units)):
        frame.to_file(tmp_path / f"{name}.gpkg")
    return tmp_path


def run(folder: Path, *arguments: Any) -> Any:
    """Run a command inside a folder; exit code, stdout and stderr."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def partition(folder: Path, *more: Any, units: bool = True) -> Any:
    """Run the partition of the street."""
    given = ("--units", folder / "units.gpkg") if units else ("--households", folder / "homes.gpkg")
    start = ("--lang", "en", "partition", folder / "areas.gpkg", *given, "--level", "community")
    return run(folder, *start, "--code", "code", "-o", folder / "grid.gpkg", *more)


@pytest.mark.parametrize(("column", "wanted"), [("k", [3, None]), ("cells", [3, 2])])
def test_communities_get_the_cells_that_they_want(
    files: Path, column: str, wanted: list[int | None]
) -> None:
    areas = gpd.read_file(files / "areas.gpkg")
    areas.assign(**{column: wanted}).to_file(files / "areas.gpkg")
    result = partition(files, "--cells", column, "--min", 100)
    assert result.exit_code == 0, result.output
    parents = gm.read_grid(files / "grid.gpkg").cells["parent"].tolist()
    assert parents.count("001") == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [([3, 2.5], "whole numbers from 1"), (["3", "two"], "'two'"), (None, "community")],
)
def test_wants_that_are_no_numbers_of_cells_are_named(files: Path, values: Any, said: str) -> None:
    areas = gpd.read_file(files / "areas.gpkg")
    (areas if values is None else areas.assign(k=values)).to_file(files / "areas.gpkg")
    result = partition(files, "--cells", "k")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (files / "grid.gpkg").exists()


def test_ctrl_c_inside_one_huge_community_ends_soon_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = (100.0 * side.ravel() for side in np.meshgrid(np.arange(90), np.arange(90)))
    units = gpd.GeoDataFrame({"households": 20}, geometry=shapely.box(x, y, x + 100, y + 100),
                             index=range(len(x)), crs=4547)  # fmt: skip
    units.to_file(tmp_path / "units.gpkg")
    area = gpd.GeoDataFrame(
        {"code": ["001"], "community": ["East"]}, geometry=[shapely.box(0, 0, 9000, 9000)], crs=4547
    )
    area.to_file(tmp_path / "areas.gpkg")
    told: list[tuple[str, int, int]] = []

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "anneal" and all(before != "anneal" for before, _, _ in told):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        told.append((stage, done, total))

    monkeypatch.setattr(Shell, "progress", lambda _: interrupt)
    result = partition(tmp_path, "--quality", "best")
    assert result.exit_code == 130, result.stderr
    assert "nothing was half-written" in result.stderr
    stage, done, total = told[-1]
    assert stage == "anneal"
    assert done < total // 10
    assert {path.name for path in tmp_path.iterdir()} == {"units.gpkg", "areas.gpkg"}


def test_units_are_called_by_their_own_ids(files: Path) -> None:
    """Also where the ids are numbers, which are no row then; ids that repeat are none."""
    units = gpd.read_file(files / "units.gpkg")
    units.loc[3, "households"] = 900
    for ids, said in (
        ([f"A{k}" for k in range(7)], "Unit A3 alone"),
        (list(range(3, 10)), "Unit 6 alone"),
        (["A"] * 7, "Unit 3 alone"),
    ):
        units.assign(地块编号=ids).to_file(files / "units.gpkg")
        done = partition(files, "--overwrite")
        assert said in done.stdout, (done.stdout, done.stderr)
    units.assign(地块编号=list(range(3, 10))).to_file(files / "units.gpkg")
    partition(files, "--overwrite")
    grid = gm.read_grid(files / "grid.gpkg")
    assert units_called(grid, "6") == ["3"] and units_called(grid, "0") == ["0"]


def test_blanks_around_a_code_do_not_make_another(files: Path) -> None:
    areas = gpd.read_file(files / "areas.gpkg")
    areas.assign(code=["A", " A"]).to_file(files / "areas.gpkg")
    result = partition(files)
    assert result.exit_code == 2
    assert "repeats 'A'" in result.stderr


def test_a_grid_file_and_a_report_are_written(files: Path) -> None:
    result = partition(files, "--report", files / "r.json")
    assert result.exit_code == 0, result.output
    assert "no gaps, no overlaps: 4 cells tile 2 jurisdictions exactly" in result.stdout
    assert "households: in = out: 1,600 = 1,600" in result.stdout
    grid = gm.read_grid(files / "grid.gpkg")
    assert grid.proof.verdict == "exact"
    assert sorted(grid.cells["households"]) == [280, 370, 450, 500]
    report = json.loads((files / "r.json").read_text("utf-8"))
    (files / "pages").mkdir()
    pages = ["--report", files / "pages" / "r.html", "--edit", files / "plan.html", "--overwrite"]
    partition(files, *pages)
    assert 'href="../plan.html#' in (files / "pages" / "r.html").read_text("utf-8")
    assert "gridmapEditor" in (files / "plan.html").read_text("utf-8")
    assert report["schema"] == "gridmap.partition/1"
    assert (report["cells"], report["in_band"], report["communities"]) == (4, 3, 2)
    assert report["households_in"] == report["households_out"] == 1600
    assert {row["community"] for row in report["infeasible"]} == {"002"}
    assert all(row["options"] for row in report["infeasible"])
    assert report["timings"].keys() == {"read", "subdivide", "partition", "write"}
    assert "timings" not in grid.parameters


def test_many_exceptions_are_printed_in_part(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridmap.cli.partition.MOST_LINES", 0)
    result = partition(files)
    assert "1 more: table exceptions of the grid file" in result.stdout
    assert "West" not in result.stdout


def test_strict_ends_with_one_on_any_exception(files: Path) -> None:
    assert partition(files, "--strict").exit_code == 1


def test_households_as_points_are_cut_to_units(files: Path) -> None:
    result = partition(files, "--json", units=False)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["households_in"] == report["households_out"] == 1600
    assert report["unexplained"] == 0


def test_a_page_is_written_that_needs_no_network(files: Path) -> None:
    partition(files, "--report", files / "r.html")
    page = (files / "r.html").read_text("utf-8")
    assert "Partition report" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_keep_tells_what_moved(files: Path) -> None:
    assert partition(files).exit_code == 0
    again = run(
        files, "partition", files / "areas.gpkg", "--units", files / "units.gpkg", "--level",
        "community", "--code", "code", "--keep", files / "grid.gpkg", "-o", files / "new.gpkg",
        "--seed", 5,
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    assert "4 个未变，0 个调整，0 个新设，0 个撤销；0 户变动" in again.stdout
    old, new = (gm.read_grid(files / f"{name}.gpkg") for name in ("grid", "new"))
    assert old.content_hash == new.content_hash


def test_keep_works_in_the_crs_of_the_old_grid(files: Path) -> None:
    assert partition(files).exit_code == 0
    for name in ("areas", "units"):
        gpd.read_file(files / f"{name}.gpkg").to_crs(4548).to_file(files / f"{name}.gpkg")
    (files / "grid.gpkg").rename(files / "old.gpkg")
    again = partition(files, "--keep", files / "old.gpkg", "--seed", 5)
    assert again.exit_code == 0, again.output
    assert "transformed vertex by vertex to EPSG:4547" in again.stderr
    assert "4 unchanged, 0 redrawn, 0 new, 0 retired; 0 households moved" in again.stdout
    assert gm.read_grid(files / "grid.gpkg").crs == 4547


def test_a_grid_in_degrees_is_not_kept_and_the_cure_is_told(files: Path) -> None:
    cells = gpd.read_file(files / "units.gpkg").to_crs(4326)
    gm.write_grid(gm.adopt(cells, cells.union_all("coverage")), files / "old.gpkg")
    result = partition(files, "--keep", files / "old.gpkg")
    assert result.exit_code == 2 and "ogr2ogr -t_srs" in result.stderr
    assert not (files / "grid.gpkg").exists()


def test_the_same_files_give_the_same_bytes(files: Path) -> None:
    partition(files)
    first = (files / "grid.gpkg").read_bytes()
    partition(files, "--overwrite", "--workers", 2)
    assert (files / "grid.gpkg").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--min", 600, "--max", 300), "min 600 over max 300"),
        (("--target", 700), "`target` is 700"),
        (("--count", "flats"), "flats"),
        (("--weight", "work"), "`weight` names the column 'work'"),
        (("--keep", "nowhere.gpkg"), "nowhere.gpkg"),
        (("--households", "more.gpkg"), "one of them"),
    ],
)
def test_bad_input_is_one_line_and_two(
    files: Path, arguments: tuple[Any, ...], message: str
) -> None:
    result = partition(files, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (files / "grid.gpkg").exists()


def test_nothing_is_overwritten_unasked(files: Path) -> None:
    (files / "grid.gpkg").write_text("mine")
    result = partition(files)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert (files / "grid.gpkg").read_text() == "mine"


@pytest.mark.parametrize("command", ["partition", "adopt"])
def test_a_grid_under_another_name_is_refused_before_any_reading(
    command: str, tmp_path: Path
) -> None:
    rest = ["--households", "b.csv"] if command == "partition" else ["--boundary", "outline"]
    told = ["--lang", "en", command, "not there.gpkg", *rest, "-o", str(tmp_path / "x.txt")]
    result = CliRunner().invoke(main, told)
    assert result.exit_code == 2
    assert "A grid file is a GeoPackage; name it" in result.stderr


@pytest.mark.parametrize(
    ("kill", "workers"), [(signal.SIGTERM, "1"), (signal.SIGTERM, "2"), (signal.SIGINT, "2")]
)
def test_a_partition_ends_alike_on_ctrl_c_and_on_request(
    kill: signal.Signals, workers: str, tmp_path: Path
) -> None:
    x, y = (100.0 * side.ravel() for side in np.meshgrid(np.arange(60), np.arange(60)))
    units = gpd.GeoDataFrame({"households": 20}, geometry=shapely.box(x, y, x + 100, y + 100),
                             index=range(len(x)), crs=4547)  # fmt: skip
    units.to_file(tmp_path / "units.gpkg")
    halves = shapely.box([0, 3000], 0, [3000, 6000], 6000)
    gpd.GeoDataFrame({"code": ["001", "002"]}, geometry=halves, crs=4547).to_file(
        tmp_path / "areas.gpkg"
    )
    told = f"partition areas.gpkg --units units.gpkg --quality best -o g.gpkg --workers {workers}"
    process = subprocess.Popen(
        [sys.executable, "-m", "gridmap", "--lang", "en", *told.split()],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "Read" in process.stderr.readline()
    assert "Read" in process.stderr.readline()
    assert "used as given" in process.stderr.readline()
    time.sleep(1)
    process.send_signal(kill)
    _, news = process.communicate(timeout=240)
    assert process.returncode == 130, news
    assert "Traceback" not in news
    assert {path.name for path in tmp_path.iterdir()} == {"units.gpkg", "areas.gpkg"}


def nested(files: Path, *more: Any) -> tuple[Any, gm.Grid, gm.Grid]:
    """Cut the street into cells and micro-cells in one run."""
    result = partition(files, "--micro", files / "micro.gpkg", "--overwrite", *more)
    assert result.exit_code == 0, result.output
    return result, gm.read_grid(files / "grid.gpkg"), gm.read_grid(files / "micro.gpkg")


def test_micro_cells_nest_in_the_cells_of_the_same_run(files: Path) -> None:
    result, grid, micro = nested(files, "--micro-min", 100, "--micro-max", 300)
    assert "micro-cells: 7 in 4 cells, no gaps, no overlaps; in 100-300: 6 / 7" in result.stdout
    assert "one unit with more households, which is never split: 1" in result.stdout
    assert micro.proof.verdict == "exact"
    assert all(code.startswith(parent) for code, parent in micro.cells["parent"].items())
    inside = micro.cells.groupby("parent")
    assert inside["households"].sum().to_dict() == grid.cells["households"].to_dict()
    for code, shapes in micro.cells.geometry.groupby(micro.cells["parent"]):
        assert shapely.coverage_union_all(shapes.to_numpy()).equals(grid.cells.geometry[code])


def test_micro_cells_take_the_band_of_their_jurisdiction(files: Path) -> None:
    areas = gpd.read_file(files / "areas.gpkg").assign(least=[100, 250], most=[300, 400])
    areas.to_file(files / "areas.gpkg")
    _, grid, micro = nested(files, "--micro-min", "least", "--micro-max", "most")
    east = grid.cells.index[grid.cells["parent"] == "001"]
    bands = {code: micro.bands.of(code) for code in grid.cells.index}
    assert bands == {code: (100, 300) if code in east else (250, 400) for code in bands}
    refused = partition(files, "--micro", files / "x.gpkg", "--micro-max", "none", "--overwrite")
    assert refused.exit_code == 2 and "`--micro-max` names 'none'" in refused.stderr
    again = partition(files, "--micro", files / "micro.gpkg", "-o", files / "other.gpkg")
    assert again.exit_code == 2 and not (files / "other.gpkg").exists()


def test_what_would_help_is_tried_for_so_many(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridmap.partitioning.partition.TRIED", 1)
    result = partition(files, "--min", 700, "--max", 710, "--report", files / "r.json")
    assert "not tried for the last 1 jurisdiction with exceptions" in result.stderr
    rows = json.loads((files / "r.json").read_text("utf-8"))["infeasible"]
    number = {row["community"]: len(row["options"]) for row in rows}
    assert number["001"] > 1 and number["002"] == 1
