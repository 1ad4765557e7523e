"""`gridmap example`: files of a made-up city."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from geopandas.testing import assert_geodataframe_equal

import gridmap as gm
from gridmap.cli import main

FILES = {
    "jurisdictions.gpkg",
    "buildings.gpkg",
    "barriers.gpkg",
    "dedicated.gpkg",
    "incidents.csv",
    "staff.xlsx",
}


def write(folder: Path, *options: str) -> tuple[int, str]:
    """Run the command and return its exit code and output."""
    found = CliRunner().invoke(main, [*options, "example", str(folder), "--size", "tiny"])
    return found.exit_code, found.output


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_same_seed_writes_the_same_bytes(tmp_path: Path, lang: str) -> None:
    for name in ("one", "two"):
        code, output = write(tmp_path / name, "--lang", lang)
        assert code == 0, output
    assert {path.name for path in (tmp_path / "one").iterdir()} == FILES
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_files_hold_the_city(tmp_path: Path) -> None:
    write(tmp_path)
    city = gm.example_city(seed=0, size="tiny")
    layer = gpd.read_file(tmp_path / "jurisdictions.gpkg")
    assert layer.crs.to_epsg() == 4547
    written, made = (shapely.get_parts(x.geometry.values) for x in (layer, city.jurisdictions))
    assert shapely.equals_identical(written, made).all()
    table = pd.read_csv(tmp_path / "incidents.csv", dtype={"案件编号": str})
    assert (table["X坐标"] == city.incidents["x"]).all()
    assert table["案件编号"].tolist() == city.incidents["incident_id"].tolist()
    staff = pd.read_excel(tmp_path / "staff.xlsx", dtype=str, engine="openpyxl")
    assert staff["网格编码"].tolist() == city.staff["code"].tolist()


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    assert write(tmp_path)[0] == 0
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    code, output = write(tmp_path)
    assert code == 2 and "--overwrite" in output
    assert before == {name: (tmp_path / name).read_bytes() for name in FILES}


def test_the_answer_tells_the_size(tmp_path: Path) -> None:
    code, output = write(tmp_path, "--lang", "en")
    assert code == 0 and "11 communities" in output


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    code, output = write(tmp_path / "taken")
    assert code == 2 and "taken" in output


def test_the_example_in_the_repository_is_what_the_command_writes(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "data" / "tiny"
    assert write(tmp_path)[0] == 0
    assert {path.name for path in shipped.iterdir()} == FILES
    for name in ("jurisdictions", "buildings", "barriers", "dedicated"):
        here, there = (gpd.read_file(folder / f"{name}.gpkg") for folder in (shipped, tmp_path))
        assert_geodataframe_equal(here, there)
    assert (shipped / "incidents.csv").read_bytes() == (tmp_path / "incidents.csv").read_bytes()
    rosters = [
        pd.read_excel(f / "staff.xlsx", dtype=str, engine="openpyxl") for f in (shipped, tmp_path)
    ]
    pd.testing.assert_frame_equal(*rosters)
