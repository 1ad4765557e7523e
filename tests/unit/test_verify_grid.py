"""The auditor's script proves whole grid files, and is fooled by no forgery."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from click.testing import CliRunner

import gridmap
from gridmap.cli import main
from scripts import verify_grid
from tests import forgery

SCRIPT = Path(verify_grid.__file__)
SHARE = range(3)  # of the seeds of scripts/forge_grids.py


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a proved grid with jurisdictions on two levels."""
    path = tmp_path_factory.mktemp("grid") / "grid.gpkg"
    gridmap.write_grid(forgery.levelled(0), path)
    return path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what the script says of a file: exit code and text."""

    def run(path: Path, *options: str) -> tuple[int, str]:
        code = verify_grid.main([str(path), *options])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def run_alone(path: Path, *options: str) -> tuple[int, str]:
    """Run the script on its own, without this project or any package on its path."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(path), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_partitioned_city_is_proved_by_the_script_alone(grid, tmp_path: Path):
    gridmap.write_grid(grid, tmp_path / "city.gpkg")
    code, text = run_alone(tmp_path / "city.gpkg")
    assert code == 0, text
    places = len(grid.jurisdictions)
    assert text.startswith(f"PROVED: {len(grid)} cells fill the boundary and each of {places} ")
    assert grid.content_hash in text


@pytest.mark.parametrize("seed", SHARE)
@pytest.mark.parametrize("family", forgery.SOUND)
def test_sound_files_are_proved(family: str, seed: int, said, tmp_path: Path):
    if family == "many":
        seed += 1  # 10,000 cells are counted by the script
    grid = forgery.SOUND[family](seed)
    gridmap.write_grid(grid, tmp_path / "grid.gpkg")
    code, text = said(tmp_path / "grid.gpkg")
    assert code == 0, text
    assert grid.content_hash in text
    assert gridmap.read_grid(tmp_path / "grid.gpkg").content_hash == grid.content_hash
    assert validated(tmp_path / "grid.gpkg") == 0


@pytest.mark.parametrize("kind", forgery.GEOMETRIES)
def test_forged_geometries_with_the_right_hashes_are_refuted(kind: str, said, tmp_path: Path):
    path = forgery.written(tmp_path / "forged.gpkg", **forgery.GEOMETRIES[kind])
    code, text = said(path)
    assert code == 1, text
    assert "hash" not in text
    assert "proof was made of" not in text
    noted = kind == "a vertex on an unbroken side"  # a T-junction, which is a note
    assert (validated(path) == 0) is noted


def validated(path: Path) -> int:
    """Return the exit code of `gridmap validate`, which shares no code with the script."""
    return CliRunner().invoke(main, ["validate", str(path)]).exit_code


@pytest.mark.parametrize("kind", forgery.STATEMENTS)
def test_files_changed_by_sql_are_refuted(kind: str, whole: Path, said, tmp_path: Path):
    path = forgery.edited(whole, tmp_path / "forged.gpkg", *forgery.STATEMENTS[kind])
    code, text = said(path)
    assert code == 1, text
    assert text.startswith("NOT PROVED")
    assert validated(path) in (1, 2)


@pytest.fixture(scope="module")
def successor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a grid with all parts: retired codes, an exception, buildings."""
    path = tmp_path_factory.mktemp("grid") / "grid.gpkg"
    gridmap.write_grid(forgery.recorded(0), path)
    return path


def test_whatever_is_changed_both_find_it(successor: Path, said, tmp_path: Path):
    """Every column, row and key: by the script and by `gridmap validate`, which share no code."""
    for what, statement in forgery.changes(successor).items():
        forged = forgery.edited(successor, tmp_path / "forged.gpkg", statement)
        assert said(forged)[0] in (1, 2), what
        assert CliRunner().invoke(main, ["validate", str(forged)]).exit_code in (1, 2), what


@pytest.mark.parametrize("kind", forgery.CONSISTENT)
def test_with_the_record_hash_anew_units_must_still_be_those_of_cells(
    kind: str, successor: Path, said, tmp_path: Path
):
    path = forgery.rewritten(successor, tmp_path / "forged.gpkg", **forgery.CONSISTENT[kind])
    assert said(path)[0] == 1
    assert CliRunner().invoke(main, ["validate", str(path)]).exit_code == 1


def test_without_a_record_hash_it_is_said_what_is_unknown(successor: Path, said, tmp_path: Path):
    statement = "DELETE FROM gridmap_metadata WHERE key = 'record_hash'"
    count = "UPDATE gpkg_ogr_contents SET feature_count = NULL"
    older = forgery.edited(successor, tmp_path / "older.gpkg", statement, count)
    code, text = said(older)
    assert code == 0 and "no record hash" in text
    found = CliRunner().invoke(main, ["validate", str(older), "--lang", "en"])
    assert found.exit_code == 0 and "no record hash" in found.stdout


@pytest.mark.parametrize("kind", forgery.BLOBS)
def test_broken_geometries_are_unreadable(kind: str, whole: Path, said, tmp_path: Path):
    blob = forgery.BLOBS[kind](forgery.blob_of(whole))
    path = forgery.with_blob(whole, tmp_path / "broken.gpkg", blob)
    code, text = said(path)
    assert code == 2, text
    assert "holds a" in text
    assert validated(path) in (1, 2)


@pytest.mark.parametrize("kind", forgery.BYTES)
def test_broken_files_are_unreadable(kind: str, whole: Path, said, tmp_path: Path):
    code, text = said(forgery.edited(whole, tmp_path / "broken.gpkg", *forgery.BYTES[kind]))
    assert code == 2, text


def test_content_that_was_changed_is_told_by_its_hash(whole: Path, said, tmp_path: Path):
    statement = "UPDATE cells SET households = households + 1 WHERE rowid = 1"
    code, text = said(forgery.edited(whole, tmp_path / "changed.gpkg", statement))
    assert code == 1
    assert text.splitlines()[1:] == [
        "  the content hash in the file is not that of its geometry, attributes and CRS",
        "  the units of cell C00000 do not have its households",
    ]


@pytest.mark.parametrize(
    ("crs", "east"),
    [
        ("+proj=tmerc +lon_0=113.3 +k=1 +x_0=500000 +ellps=krass", 5e5),
        ("+proj=tmerc +lon_0=113.3 +x_0=5e5 +ellps=krass +towgs84=15.8,-154.4,-82.3", 5e5),
        ("+proj=tmerc +lon_0=3 +pm=paris +ellps=clrk80", 1e3),
        ("+proj=longlat +R=6371000", 113),
        ("EPSG:8857", 8e6),  # not to be told in the older form
        ("ESRI:102067", -6e5),  # has a number of EPSG, too
        ("EPSG:7405", 5e5),  # with heights
        ("OGC:CRS84", 113),
    ],
)
def test_files_in_any_crs_are_proved(crs: str, east: float, said, tmp_path: Path):
    shapes = shapely.box([east, east + 1], 10, [east + 1, east + 2], 11)
    grid = gridmap.adopt(forgery.frame(shapes, crs), forgery.outline(shapes), code="code")
    gridmap.write_grid(grid, tmp_path / "grid.gpkg")
    code, text = said(tmp_path / "grid.gpkg")
    assert code == 0 and grid.content_hash in text, text
    assert gridmap.read_grid(tmp_path / "grid.gpkg").content_hash == grid.content_hash
    degrees = pyproj.CRS(crs).is_geographic
    assert ("km²" in text) == degrees and (degrees or "area 2.00 m² in" in text), text


def test_a_crs_without_a_number_is_not_given_one(said, tmp_path: Path):
    shapes = shapely.box([0, 1], 0, [1, 2], 1)
    crs = "+proj=tmerc +lon_0=113.3 +x_0=500000 +ellps=krass"
    grid = gridmap.adopt(forgery.frame(shapes, crs), forgery.outline(shapes), code="code")
    gridmap.write_grid(grid, tmp_path / "grid.gpkg")
    assert said(tmp_path / "grid.gpkg")[0] == 0
    path = forgery.edited(
        tmp_path / "grid.gpkg", tmp_path / "forged.gpkg",
        "UPDATE gpkg_spatial_ref_sys SET organization = 'EPSG', organization_coordsys_id = 4548 "
        "WHERE organization = 'NONE' AND srs_id > 0",
    )  # fmt: skip
    assert said(path)[0] == 1


def test_crs_without_names_are_told_apart_by_their_numbers():
    shapes = shapely.box([0, 1], 0, [1, 2], 1)
    hashes = {
        gridmap.adopt(
            forgery.frame(shapes, f"+proj=tmerc +lon_0={lon} +x_0={east} +ellps={ellipsoid}"),
            forgery.outline(shapes), code="code",
        ).content_hash
        for lon in (111, 113.3) for east in (0, 1) for ellipsoid in ("krass", "GRS80")
    }  # fmt: skip
    assert len(hashes) == 8


def test_a_crs_that_no_file_can_hold_is_refused_in_one_sentence(tmp_path: Path):
    shapes = shapely.box([0, 1], 0, [1, 2], 1)
    grid = gridmap.adopt(
        forgery.frame(shapes, "+proj=eqearth +lon_0=110"), forgery.outline(shapes), code="code"
    )
    with pytest.raises(gridmap.InputError, match="cannot hold the CRS"):
        gridmap.write_grid(grid, tmp_path / "grid.gpkg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [k for k in forgery.BYTES if "metadata" in k or "none" in k])
def test_gridmap_refuses_damaged_metadata_as_well(kind: str, whole: Path, tmp_path: Path):
    path = forgery.edited(whole, tmp_path / "broken.gpkg", *forgery.BYTES[kind])
    with pytest.raises(gridmap.InputError):
        gridmap.read_grid(path)


def test_no_flipped_byte_is_a_bug_or_a_proof(whole: Path, said, tmp_path: Path):
    rng, data = np.random.default_rng(0), whole.read_bytes()
    content = gridmap.read_grid(whole).content_hash
    for _ in range(150):
        spoiled = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 9)):
            spoiled[at] = rng.integers(0, 256)
        (tmp_path / "spoiled.gpkg").write_bytes(spoiled)
        code, text = said(tmp_path / "spoiled.gpkg")
        assert code in (0, 1, 2), text
        assert code != 0 or content in text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_pipe_does_not_keep_the_auditor_waiting(said, tmp_path: Path):
    os.mkfifo(tmp_path / "grid.gpkg")
    code, text = said(tmp_path / "grid.gpkg")
    assert code == 2
    assert "is no file" in text


def test_what_is_no_grid_file_is_unreadable(whole: Path, said, tmp_path: Path):
    (tmp_path / "text.gpkg").write_text("no database", encoding="utf-8")
    (tmp_path / "empty.gpkg").write_bytes(b"")
    data = whole.read_bytes()
    (tmp_path / "half.gpkg").write_bytes(data[: len(data) // 2])
    for name in ("text.gpkg", "empty.gpkg", "half.gpkg", "missing.gpkg", "."):
        code, text = said(tmp_path / name)
        assert code == 2, text
        code, text = run_alone(tmp_path / name)
        assert code == 2, text
        assert "Traceback" not in text


@pytest.mark.parametrize(
    "name", ["a%20b.gpkg", "grid.gpkg#v2.gpkg", "grid.gpkg?x.gpkg", "格 网.gpkg"]
)
def test_the_file_that_was_named_is_checked(name: str, whole: Path, said, tmp_path: Path):
    for sound in ("a b.gpkg", "grid.gpkg"):
        shutil.copy(whole, tmp_path / sound)
    forgery.edited(whole, tmp_path / name, "DELETE FROM cells WHERE rowid = 1")
    assert said(tmp_path / name)[0] == 1
    shutil.copy(whole, tmp_path / name)
    assert said(tmp_path / name)[0] == 0


def test_no_name_in_a_file_passes_for_a_line_of_the_script(whole: Path, said, tmp_path: Path):
    name = "x\nPROVED: everything\x1b[2K"
    path = forgery.edited(whole, tmp_path / "odd.gpkg", f"UPDATE cells SET code = '{name}'")
    code, text = said(path)
    assert code == 1
    assert not any(line.startswith("PROVED") for line in text.splitlines())
    assert "\x1b" not in text


def test_area_holes_and_jurisdictions_are_printed(said, tmp_path: Path):
    lake = shapely.box(20, 20, 40, 50)
    cell = shapely.difference(shapely.box(0, 0, 100, 100), lake)
    grid = gridmap.adopt(forgery.frame([cell]), cell, code="code")
    gridmap.write_grid(grid, tmp_path / "grid.gpkg")
    code, text = said(tmp_path / "grid.gpkg")
    assert code == 0
    assert "area 9,400.00 m² in EPSG:4547, 1 part, 1 hole\n" in text
    assert "hole of 600.00 m²" in text
    assert "1 jurisdiction\n" in text


@pytest.mark.parametrize("crs", forgery.ORIGINS)
def test_areas_are_square_metres_in_any_crs(crs: int, said, tmp_path: Path):
    cell = forgery.placed(shapely.box(0, 0, 100, 100), crs)
    grid = gridmap.adopt(forgery.frame([cell], crs), cell, code="code")
    gridmap.write_grid(grid, tmp_path / "grid.gpkg")
    number, unit = re.search(r"area ([\d.,]+) (k?m²)", said(tmp_path / "grid.gpkg")[1]).groups()
    printed = float(number.replace(",", "")) * (1e6 if unit == "km²" else 1)
    area = grid.cells["area_m2"].iloc[0]  # by geodesics, where in degrees
    assert printed == pytest.approx(area, rel=2e-3)


class TestOwnBoundary:
    """The auditor's own outline, given with --boundary."""

    @pytest.fixture
    def lake(self, tmp_path: Path) -> tuple[Path, Any, Any]:
        """Return the file of a grid with a lake, its outline, and the same without the lake."""
        whole = forgery.placed(shapely.box(0, 0, 4, 4), forgery.METRIC)
        cells = forgery.placed(forgery.squares(4, 4), forgery.METRIC)
        cells = np.delete(cells, 5)
        grid = gridmap.adopt(forgery.frame(cells), forgery.outline(cells), code="code")
        gridmap.write_grid(grid, tmp_path / "grid.gpkg")
        return tmp_path / "grid.gpkg", forgery.outline(cells), whole

    def test_a_lake_cut_into_both_is_refuted(self, lake, said, tmp_path: Path):
        path, _, whole = lake
        gpd.GeoSeries([whole], crs=4547).to_file(tmp_path / "own.gpkg")
        assert said(path)[0] == 0
        code, text = said(path, "--boundary", str(tmp_path / "own.gpkg"))
        assert code == 1
        assert "4 edges have no match" in text

    @pytest.mark.parametrize("name", ["own.gpkg", "own.geojson"])
    def test_vertices_on_its_sides_are_no_difference(self, name: str, lake, said, tmp_path: Path):
        path, outline, _ = lake
        gpd.GeoSeries([shapely.simplify(outline, 0)], crs=4547).to_file(tmp_path / name)
        code, text = said(path, "--boundary", str(tmp_path / name))
        assert code == 0, text
        assert "the same area as" in text

    @pytest.mark.parametrize(("far", "expected"), [(4e-10, 0), (2e-6, 1)])
    def test_a_micrometre_beside_a_side_is_told(
        self, far: float, expected: int, said, tmp_path: Path
    ):
        left = shapely.Polygon([(0, 0), (5, -far), (5, 5), (0, 5)])
        right = shapely.Polygon([(5, -far), (10, 0), (10, 5), (5, 5)])
        grid = gridmap.adopt(
            forgery.frame([left, right]), forgery.outline([left, right]), code="code"
        )
        gridmap.write_grid(grid, tmp_path / "grid.gpkg")
        gpd.GeoSeries([shapely.box(0, 0, 10, 5)], crs=4547).to_file(tmp_path / "own.gpkg")
        code, text = said(tmp_path / "grid.gpkg", "--boundary", str(tmp_path / "own.gpkg"))
        assert code == expected
        assert expected or "2 vertices at most 4e-10 m beside its sides" in text

    def test_what_cannot_be_held_against_it_is_said(self, lake, said, tmp_path: Path):
        path, outline, _ = lake
        gpd.GeoSeries([outline], crs=4548).to_file(tmp_path / "other.gpkg")
        bare = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
        (tmp_path / "bare.geojson").write_text(json.dumps(bare), encoding="utf-8")
        (tmp_path / "none.geojson").write_text("[1]", encoding="utf-8")
        bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 3)])
        gpd.GeoSeries([bow], crs=4547).to_file(tmp_path / "bow.gpkg")
        for name, reason in {
            "other.gpkg": "transform that one",
            "bare.geojson": "names no CRS",
            "none.geojson": "holds no polygons",
            "bow.gpkg": "which is no area: a ring meets itself",
            "missing.gpkg": "No such file",
        }.items():
            code, text = said(path, "--boundary", str(tmp_path / name))
            assert code == 2
            assert reason in text
