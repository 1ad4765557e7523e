"""A street's own part of a grid: proved, in any format, in the datum of a phone's map."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner, Result

from gridmap.cli import main
from gridmap.crs.datum import positions_to
from gridmap.grid.grid import Grid
from gridmap.io import read_grid, write_grid

ROOT = Path(__file__).resolve().parent.parent.parent
EAST, NORTH = 38_500_000.0 - 38_000_000, 3_840_000.0


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a grid of two streets near Zhengzhou, with columns of the standards."""
    left = EAST + np.arange(8) * 100.0
    parent = [f"41010100{1 + (k > 3)}00{1 + k // 2 % 2}" for k in range(8)]
    cells = gpd.GeoDataFrame(
        {"code": [f"{p}{k:03d}" for k, p in enumerate(parent)], "parent": parent,
         "households": 450, "用地性质": ["居住", "商业"] * 4, "责任单位": "网格化中心"},
        geometry=shapely.box(left, NORTH, left + 100, NORTH + 100), crs=4546,
    )  # fmt: skip
    areas = cells.dissolve("parent", method="coverage")[["geometry"]]
    areas["street"] = ["东街", "东街", "西街", "西街"]
    areas["community"] = [f"{k}社区" for k in range(4)]
    outline = shapely.coverage_union_all(cells.geometry.values)
    grid = Grid(cells, outline, ["street", "community"], jurisdictions=areas)
    file = tmp_path_factory.mktemp("export") / "grid.gpkg"
    write_grid(grid, file)
    return file


def run(path: Path, *options: object) -> Result:
    arguments = ["--lang", "en", "export", str(path), *map(str, options)]
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("of", ["东街", "410101001", "410101001001", "1社区"])
def test_a_part_is_a_grid_that_proves_itself(path: Path, tmp_path: Path, of: str) -> None:
    out = tmp_path / "part.gpkg"
    found = run(path, "--of", of, "-o", out)
    assert found.exit_code == 0, found.output
    part = read_grid(out)
    assert len(part) == (4 if of in ("东街", "410101001") else 2)
    assert part.proof.verdict == "exact"
    script = [sys.executable, str(ROOT / "scripts" / "verify_grid.py"), str(out)]
    assert subprocess.run(script, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("ending", ["geojson", "shp", "fgb", "parquet", "gpkg"])
def test_cells_are_moved_to_the_datum_of_a_phone(path: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"cells.{ending}"
    found = run(path, "--of", "西街", "--datum", "gcj02", "-o", out)
    assert found.exit_code == 0, found.output
    assert "gcj02" in found.stderr
    read = gpd.read_parquet if ending == "parquet" else gpd.read_file
    corner = shapely.get_coordinates(read(out).geometry.iloc[0])
    whole = read_grid(path).cells
    own = shapely.get_coordinates(whole.geometry[whole["street"] == "西街"].iloc[0])
    moved = np.column_stack(positions_to(own[:, 0], own[:, 1], "gcj02", 4546))
    near = [min(np.hypot(*(moved - point).T)) for point in corner]
    assert max(near) < 1e-6
    plain = np.column_stack(positions_to(own[:, 0], own[:, 1], "wgs84", 4546))
    assert min(np.hypot(*(plain - corner[0]).T)) > 1e-3, "hundreds of metres away"


def test_columns_of_the_standards_are_written_when_given(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.csv"
    assert run(path, "-o", out).exit_code == 0
    table = pd.read_csv(out)
    assert table["land_use"].tolist() == ["居住", "商业"] * 4
    assert set(table["post"]) == {"网格化中心"} and "management_level" not in table
    told = tmp_path / "places.xlsx"
    assert run(path, "--datum", "gcj02", "-o", told).exit_code == 0
    assert {"lng", "lat"} <= set(pd.read_excel(told, engine="openpyxl"))


def test_a_cell_or_an_unknown_area_is_refused(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.gpkg"
    found = run(path, "--of", "南街", "-o", out)
    assert found.exit_code == 2 and "has no area '南街'" in found.stderr
    found = run(path, "--of", "410101001001000", "-o", out)
    assert found.exit_code == 2 and "single cell" in found.stderr
    found = run(path, "--datum", "venus", "-o", out)
    assert found.exit_code == 2 and not out.exists()


def test_a_grid_is_read_as_of_a_day(tmp_path: Path) -> None:
    day = ["2025-01-01", "2026-03-01", ""]
    cells = gpd.GeoDataFrame(
        {"code": ["101001", "101003", "101004"], "parent": "101", "households": 450,
         "valid_from": day},
        geometry=shapely.box([0, 100, 200], 0, [100, 200, 300], 100), crs=4547,
    )  # fmt: skip
    retired = pd.DataFrame(
        {"code": ["101002", "101009"], "valid_from": "2025-01-01", "valid_to": ["2026-03-01", ""],
         "reason": "merged"}
    )  # fmt: skip
    write_grid(Grid(cells, cells.union_all("coverage"), retired=retired), tmp_path / "g.gpkg")
    for asked, codes, gone in (
        ("2026-02-28", ["101001", "101004"], True),
        ("2026-03-01", ["101001", "101003", "101004"], False),
        ("2024-12-31", ["101004"], False),
    ):
        out = tmp_path / f"{asked}.geojson"
        found = run(tmp_path / "g.gpkg", "--on", asked, "-o", out)
        assert found.exit_code == 0, found.output
        assert gpd.read_file(out)["code"].tolist() == codes
        assert ("101002" in found.stderr) == gone
        assert ("101009" in found.stderr) == (asked > "2025")
        assert "redrawn since under its code" in found.stderr
    table = tmp_path / "codes.csv"
    assert run(tmp_path / "g.gpkg", "--on", "2026-02-28", "-o", table).exit_code == 0
    states = pd.read_csv(table, dtype=str).set_index("code")["state"].to_dict()
    assert states == {"101001": "cell", "101004": "cell", "101002": "retired", "101009": "unknown"}
    young = gpd.GeoDataFrame(cells.assign(valid_from="2026-03-01"), crs=4547)
    write_grid(Grid(young, cells.union_all("coverage")), tmp_path / "young.gpkg")
    none = run(tmp_path / "young.gpkg", "--on", "2020-01-01", "-o", tmp_path / "x.gpkg")
    assert none.exit_code == 2 and not (tmp_path / "x.gpkg").exists()


def test_a_name_of_several_areas_is_told_with_their_codes(path: Path, tmp_path: Path) -> None:
    grid = read_grid(path)
    areas = grid.jurisdictions
    areas["community"] = "新华社区"
    cells = grid.cells.drop(columns="community")
    twins = Grid(cells, grid.boundary, grid.levels, jurisdictions=areas)
    write_grid(twins, tmp_path / "twins.gpkg")
    found = run(tmp_path / "twins.gpkg", "--of", "新华社区", "-o", tmp_path / "part.gpkg")
    assert (
        found.exit_code == 2
        and "called '新华社区'" in found.stderr
        and "410101002002" in found.stderr
    )
