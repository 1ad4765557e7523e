"""gridmap validate and repair: outputs, and every line of the exit-code table."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner, Result

import gridmap
from gridmap.cli import main
from gridmap.io.gridfile import write_grid_dataset

QUARTERS = shapely.box([0, 5, 0, 5], [0, 0, 5, 5], [5, 10, 5, 10], [5, 5, 10, 10])


def run(*arguments: object) -> Result:
    """Run the command line and return what it said."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with cells in several states, and their boundary."""
    cells = gpd.GeoDataFrame(
        {"code": list("abcd"), "households": [310, 400, 500, 590]},
        geometry=list(QUARTERS),
        crs=4547,
    )
    filled = gpd.GeoDataFrame(geometry=[shapely.coverage_union_all(QUARTERS)], crs=4547)
    moved = cells.copy()
    xy = shapely.get_coordinates(QUARTERS[0])
    xy[(xy == [5, 5]).all(axis=1)] -= [0.001, 0]
    moved.loc[0, "geometry"] = shapely.Polygon(xy)
    crossed = cells.copy()
    crossed.loc[0, "geometry"] = shapely.Polygon([(0, 0), (5, 5), (5, 0), (0, 5)])
    for name, frame in {
        "whole": cells,
        "boundary": filled,
        "box": gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 10, 10)], crs=4547),
        "deleted": cells.iloc[:3],
        "moved": moved,
        "crossed": crossed,
        "elsewhere": filled.to_crs(4326),
    }.items():
        frame.to_file(tmp_path / f"{name}.gpkg")
    return tmp_path


@pytest.mark.parametrize(
    ("cells", "options", "code", "verdict"),
    [
        ("whole", ["--boundary", "boundary.gpkg"], 0, "exact"),
        ("whole", ["--boundary", "box.gpkg"], 0, "exact_with_t_junctions"),
        ("whole", ["--boundary", "outline"], 0, "exact"),
        ("moved", ["--boundary", "boundary.gpkg", "--tolerance", "0.01"], 0, "within_tolerance"),
        ("moved", ["--boundary", "boundary.gpkg", "--tolerance", "0.0001"], 1, "failed"),
        ("moved", ["--boundary", "boundary.gpkg"], 1, "failed"),
        ("deleted", ["--boundary", "boundary.gpkg"], 1, "failed"),
        ("crossed", ["--boundary", "boundary.gpkg"], 1, "failed"),
        ("whole", ["--boundary", "boundary.gpkg", "--max", "550"], 1, "failed"),
        ("whole", [], 2, "unprovable"),
        ("whole", ["--boundary", "elsewhere.gpkg"], 2, "unprovable"),
        ("moved", ["--boundary", "boundary.gpkg", "--fail-on", "overlap"], 0, "failed"),
        ("moved", ["--boundary", "boundary.gpkg", "--fail-on", "gap,overlap"], 1, "failed"),
        ("whole", ["--boundary", "box.gpkg", "--fail-on", "t-junction"], 1,
         "exact_with_t_junctions"),
    ],
)  # fmt: skip
def test_the_exit_code_table(files: Path, cells, options, code, verdict):
    options = [files / o if str(o).endswith(".gpkg") else o for o in options]
    done = run("validate", files / f"{cells}.gpkg", *options, "--json")
    assert done.exit_code == code, done.output
    record = json.loads(done.stdout)
    assert record["schema"] == "gridmap.validate/1"
    assert record["verdict"] == verdict


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["missing.gpkg", "--boundary", "outline"], "missing.gpkg"),
        (["whole.gpkg", "--boundary", "missing.gpkg"], "missing.gpkg"),
        (["whole.gpkg", "--boundary", "outline", "--code", "nix"], "nix"),
        (["whole.gpkg", "--boundary", "outline", "--fail-on", "nix"], "不是缺陷类型"),
        (["whole.gpkg", "--boundary", "outline", "--defects", "whole.gpkg"], "请换一个名字"),
        (["whole.gpkg", "--boundary", "outline", "--defects", "moved.gpkg"], "--overwrite"),
        (["whole.gpkg", "--boundary", "outline", "--min", "700", "--max", "600"], "户数下限 700"),
    ],
)
def test_unusable_input_is_one_line_and_exit_code_two(files: Path, arguments, expected):
    paths = [files / a if str(a).endswith(".gpkg") else a for a in arguments]
    done = run("validate", *paths)
    assert done.exit_code == 2
    assert expected in done.stderr
    assert "Traceback" not in done.output


def test_the_sentence_in_both_languages(files: Path):
    given = ("validate", files / "whole.gpkg", "--boundary", files / "boundary.gpkg")
    assert run(*given).stdout == "无空白、无交叉：4 个网格恰好铺满边界\n"
    english = run("--lang", "en", *given).stdout
    assert english == "no gaps, no overlaps: 4 cells tile the boundary exactly\n"
    broken = run(
        "validate", files / "deleted.gpkg", "--boundary", files / "box.gpkg", "--lang", "en"
    )
    assert broken.stdout.splitlines()[0] == "1 gap (25.0 m²)"
    assert "beside a, b, c" in broken.stdout


def test_defects_tests_and_map_are_written(files: Path):
    out = {name: files / name for name in ("d.gpkg", "d.geojson", "t.xml", "m.html")}
    given = ("validate", files / "deleted.gpkg", "--boundary", files / "boundary.gpkg")
    done = run(*given, "--defects", out["d.gpkg"], "--junit", out["t.xml"], "--map", out["m.html"])
    assert done.exit_code == 1, done.output
    layer = gpd.read_file(out["d.gpkg"])
    assert layer["kind"].tolist() == ["gap"]
    assert layer.area.tolist() == [25.0]
    assert layer["neighbours"].tolist() == ["a;b;c"]
    assert ElementTree.parse(out["t.xml"]).getroot().attrib["failures"] == "2"
    page = out["m.html"].read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert "</html>" in page
    assert run(*given, "--defects", out["d.geojson"]).exit_code == 1
    assert len(gpd.read_file(out["d.geojson"])) == 1
    assert run(*given, "--defects", out["d.gpkg"]).exit_code == 2


def test_a_declared_lake_and_an_accepted_gap_pass(files: Path):
    given = ("validate", files / "deleted.gpkg", "--boundary", files / "boundary.gpkg")
    gpd.GeoDataFrame(geometry=[QUARTERS[3]], crs=4547).to_file(files / "lake.gpkg")
    assert run(*given, "--exclude", files / "lake.gpkg").exit_code == 0
    name = json.loads(run(*given, "--json").stdout)["defects"][0]["id"]
    assert run(*given, "--accept", name).exit_code == 0
    other = run(*given, "--accept", "gap-00000000", "--lang", "en")
    assert other.exit_code == 1
    assert "`--accept gap-00000000`: nothing found has this id." in other.stderr


def test_a_grid_file_needs_nothing_else(grid, tmp_path: Path):
    import gridmap

    path = tmp_path / "grid.gpkg"
    gridmap.write_grid(grid, path)
    done = run("validate", path, "--lang", "en")
    assert done.exit_code == 0, done.output
    assert f"{len(grid)} cells tile {len(grid.jurisdictions)} jurisdictions exactly" in done.stdout


def test_repair_writes_cells_log_and_map(files: Path):
    out, log, page = files / "mended.gpkg", files / "log.csv", files / "m.html"
    given = ("repair", files / "moved.gpkg", "--boundary", files / "boundary.gpkg")
    done = run(*given, "-o", out, "--log", log, "--map", page, "--code", "code", "--lang", "en")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "mended 1 of 4 cells (rebuilt 1)",
        "0.0 m² changed hands, 0.0025 m² filled; no vertex was moved",
    ]
    assert run("validate", out, "--boundary", files / "boundary.gpkg").exit_code == 0
    assert len(log.read_text(encoding="utf-8-sig").splitlines()) == 2
    assert "Cells before" in page.read_text(encoding="utf-8")
    assert run(*given, "-o", out).exit_code == 2


@pytest.mark.parametrize("last", ["12户", None])
def test_repair_understands_counts_as_people_type_them(files: Path, last: str | None):
    homes = ["534户", "４００", "3 60戶", "301", last]
    shapes = [*QUARTERS, shapely.box(1, 1, 2, 2)]
    cells = gpd.GeoDataFrame({"户数": homes}, geometry=shapes, crs=4547)
    cells.to_file(files / "typed.gpkg")
    log = files / "log.csv"
    done = run("repair", files / "typed.gpkg", "--boundary", files / "box.gpkg",
               "--dry-run", "--log", log, "--lang", "en")  # fmt: skip
    assert done.exit_code == 0, done.output
    after = pd.read_csv(log)
    assert after.loc[after["cell"] == 0, "households_before"].tolist() == [534]


def test_a_count_that_is_none_is_refused_by_repair(files: Path):
    cells = gpd.GeoDataFrame({"households": ["约300"] * 4}, geometry=list(QUARTERS), crs=4547)
    with pytest.raises(gridmap.InputError, match="holds '约300' where a count belongs"):
        gridmap.repair(cells, shapely.box(0, 0, 10, 10))


def test_a_dry_run_writes_nothing(files: Path):
    before = set(files.iterdir())
    given = ("repair", files / "deleted.gpkg", "--boundary", files / "boundary.gpkg")
    done = run(*given, "--dry-run", "--json", "--code", "code")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["changes"] == {"new": 1}
    assert record["written"] is False
    assert set(files.iterdir()) == before
    assert run(*given).exit_code == 2


def test_what_cannot_be_mended_is_a_finding(files: Path):
    cells = gpd.GeoDataFrame(
        {"households": [300] * 5}, geometry=[*QUARTERS, shapely.box(1, 1, 2, 2)], crs=4547
    )
    cells.to_file(files / "nested.gpkg")
    out = files / "out.gpkg"
    done = run(
        "repair", files / "nested.gpkg", "--boundary", files / "boundary.gpkg",
        "-o", out, "--nested", "refuse", "--lang", "en",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "1 overlap" in done.stdout
    assert not out.exists()


def test_households_without_a_place_are_a_finding_too(files: Path):
    cells = gpd.GeoDataFrame({"households": [300] * 5}, geometry=[*QUARTERS, None], crs=4547)
    cells.to_file(files / "lost.gpkg")
    out = files / "out.gpkg"
    done = run("repair", files / "lost.gpkg", "--boundary", files / "boundary.gpkg", "-o", out,
               "--lang", "en")  # fmt: skip
    assert done.exit_code == 1
    assert "1 empty geometry" in done.stdout
    assert not out.exists()


def test_cells_are_adopted_with_a_code_for_the_new_one_and_round_a_lake(files: Path):
    grid = files / "adopted.gpkg"
    given = ("adopt", files / "deleted.gpkg", "--boundary", files / "boundary.gpkg", "-o", grid)
    assert run(*given, "--repair").exit_code == 0
    assert "new-1" in gpd.read_file(grid, layer="cells")["code"].tolist()
    gone = next(q for q in QUARTERS if not q.within(_united(files / "deleted.gpkg")))
    gpd.GeoDataFrame(geometry=[gone], crs=4547).to_file(files / "lake.gpkg")
    done = run(*given, "--exclude", files / "lake.gpkg", "--overwrite")
    assert done.exit_code == 0, done.output
    assert len(gpd.read_file(grid, layer="cells")) == 3


def test_adopted_cells_are_held_against_the_band_when_their_households_are_known(files: Path):
    """Without counts the households are unknown, which is no finding."""
    grid = files / "adopted.gpkg"
    given = ("adopt", files / "whole.gpkg", "--boundary", "outline", "-o", grid, "--overwrite")
    gpd.read_file(files / "whole.gpkg").drop(columns="households").to_file(files / "bare.gpkg")
    assert run("adopt", files / "bare.gpkg", *given[2:]).exit_code == 0
    done = run("validate", grid)
    assert done.exit_code == 0, done.output
    assert "户数" not in done.stdout
    assert run(*given, "--count", "households", "--max", "500").exit_code == 0
    done = run("validate", grid)
    assert done.exit_code == 1
    assert "1 " in done.stdout and "户数" in done.stdout


def _united(path: Path) -> shapely.Geometry:
    return gpd.read_file(path).union_all()


def test_cells_are_named_by_their_chinese_codes(files: Path) -> None:
    """A Shapefile from the street office: 网格编号, cut by nobody, needs no --code."""
    cells = gpd.read_file(files / "moved.gpkg").rename(columns={"code": "网格编号"})
    cells["网格编号"] = ["A01", "A02", "A03", "A04"]
    cells.to_file(files / "cells.shp", encoding="gbk")
    options = ["--boundary", files / "boundary.gpkg", "--json"]
    found = json.loads(run("validate", files / "cells.shp", *options).stdout)
    named = {name for defect in found["defects"] for name in defect["cells"]}
    assert named and named <= {"A01", "A02", "A03", "A04"}
    cells["另编"] = list("wxyz")
    cells.to_file(files / "own.gpkg")
    found = json.loads(run("validate", files / "own.gpkg", *options, "--code", "另编").stdout)
    assert {name for defect in found["defects"] for name in defect["cells"]} <= set("wxyz")


def test_a_boundary_that_is_no_area_is_bad_input(files: Path) -> None:
    """One line and exit code 2; nothing was proved, so nothing failed."""
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    for name, shapes in (("bow", [bow]), ("bows", [bow, shapely.box(5, 0, 20, 10)])):
        gpd.GeoDataFrame(geometry=shapes, crs=4547).to_file(files / f"{name}.gpkg")
        found = run("validate", files / "whole.gpkg", "--boundary", files / f"{name}.gpkg")
        assert found.exit_code == 2 and found.stdout == ""
        assert "边界本身无效：自相交" in found.stderr


def test_a_grid_file_that_somebody_changed_fails(tmp_path: Path) -> None:
    """The cells still tile their boundary; the households are not those that were recorded."""
    from tests import forgery

    gridmap.write_grid(forgery.levelled(0), tmp_path / "grid.gpkg")
    assert run("validate", tmp_path / "grid.gpkg").exit_code == 0
    statement = "UPDATE cells SET households = households + 1 WHERE rowid = 1"
    changed = forgery.edited(tmp_path / "grid.gpkg", tmp_path / "changed.gpkg", statement)
    found = run("validate", changed, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["counts"]["content-changed"] == 2  # by hash and by units


@pytest.mark.parametrize("part", ["cells", "jurisdictions"])
def test_a_grid_without_its_cells_cannot_be_proved(part: str, tmp_path: Path) -> None:
    """Whether it is a file or a folder of GeoParquet, a sentence says what is missing."""
    from tests import forgery

    write_grid_dataset(forgery.levelled(0), tmp_path / "grid")
    (tmp_path / "grid" / f"{part}.parquet").unlink()
    gridmap.write_grid(forgery.levelled(0), tmp_path / "grid.gpkg")
    statement = f"DELETE FROM gpkg_contents WHERE table_name = '{part}'"
    unlisted = forgery.edited(tmp_path / "grid.gpkg", tmp_path / "unlisted.gpkg", statement)
    for path in (tmp_path / "grid", unlisted):
        found = run("validate", path, "--lang", "en")
        assert found.exit_code == 2 and found.stdout == ""
        assert f"is no grid file: it lacks {part}" in found.stderr


def test_web_mercator_gets_a_note() -> None:
    """Areas at 38 degrees north are 1.6 times too large."""
    cells = gpd.GeoDataFrame(geometry=[shapely.box(0, 4.58e6, 100, 4.5801e6)], crs=3857)
    found = gridmap.validate(cells, cells.geometry.iloc[0], lang="en")
    assert found.attrs["notes"][0].startswith("EPSG:3857 stretches: areas are 1.61 times")


@pytest.mark.parametrize("command", ["adopt", "repair"])
def test_whoever_measures_in_web_mercator_is_told_that_it_stretches(
    command: str, tmp_path: Path
) -> None:
    corner = np.array([0, 1000.0])
    shapes = shapely.box(12_690_000 + corner, 4_580_000, 12_691_000 + corner, 4_581_000)
    cells = gpd.GeoDataFrame({"code": ["A", "B"], "households": 400}, geometry=shapes, crs=3857)
    cells.to_file(tmp_path / "cells.gpkg")
    line = [command, str(tmp_path / "cells.gpkg"), "--boundary", "outline", "-o"]
    ran = CliRunner().invoke(main, ["--lang", "en", *line, str(tmp_path / "out.gpkg")])
    assert ran.exit_code == 0 and "areas are 1.61 times too large" in ran.stderr, ran.output
