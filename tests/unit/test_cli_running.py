"""`gridmap indicators`, `compare`, `staff` and `patrol`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from click.testing import CliRunner

from gridmap import Grid
from gridmap.cli import main
from gridmap.io import write_grid, write_layer, write_table


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, town: Any, grid: Grid) -> Path:
    """Write a grid, its incidents, streets and roster."""
    folder = tmp_path_factory.mktemp("running")
    write_grid(grid, folder / "grid.gpkg")
    write_table(town.incidents.drop(columns=["lng", "lat", "datum"]), folder / "incidents.csv")
    write_layer(town.barriers, folder / "streets.gpkg")
    write_table(town.staff, folder / "staff.xlsx")
    return folder


def run(*arguments: object, lang: str = "en") -> tuple[int, str, str]:
    """Run a command: exit code, stdout, stderr."""
    found = CliRunner().invoke(main, ["--lang", lang, *map(str, arguments)])
    return found.exit_code, found.stdout, found.stderr


def within_grid(town: Any, grid: Grid) -> pd.DataFrame:
    """Give the incidents of the town that lie within the boundary of the grid."""
    return town.incidents[town.incidents.intersects(grid.boundary)]


def test_indicators_are_told_with_formula_and_interval(files: Path, town: Any, grid: Grid) -> None:
    code, out, _ = run("indicators", files / "grid.gpkg", files / "incidents.csv")
    # of the 980 cases, the 971 inside the grid are counted
    within = within_grid(town, grid)
    closed = int((within["status"] == "结案").sum())
    assert code == 0 and len(within) == 971 < len(town.incidents)
    assert f"{closed:,}/{len(within):,}" in out.splitlines()[0]
    assert "closure rate = closed / (due for closing - deferred)" in out and "[" in out


def test_indicators_by_level_add_up_to_the_whole(files: Path, town: Any, grid: Grid) -> None:
    where = (files / "grid.gpkg", files / "incidents.csv")
    _, out, _ = run("indicators", *where, "--level", "street", "--json")
    document = json.loads(out)
    assert document["schema"] == "gridmap.indicators/1"
    rows = [row for row in document["indicators"] if row["indicator"] == "acceptance"]
    assert (
        sum(row["denominator"] for row in rows) == document["cases"] == len(within_grid(town, grid))
    )
    assert {row["street"] for row in rows} >= set(town.jurisdictions["street"])


def test_ranking_is_written(files: Path, tmp_path: Path) -> None:
    where = (files / "grid.gpkg", files / "incidents.csv")
    out = tmp_path / "rank.xlsx"
    code, text, _ = run("indicators", *where, "--level", "street", "--rank", "-o", out, lang="zh")
    assert code == 0 and text.startswith("1  ")
    assert {"名次", "上报偏少"} <= set(pd.read_excel(out, engine="openpyxl").columns)
    code, _, err = run("indicators", *where, "--rank")
    assert code == 2 and "--level" in err


def test_indicators_refuse_a_level_that_is_not_there(files: Path) -> None:
    where = (files / "grid.gpkg", files / "incidents.csv")
    code, _, err = run("indicators", *where, "--level", "galaxy")
    assert code == 2 and "'galaxy'" in err


def test_a_grid_compared_with_itself(files: Path, grid: Grid, tmp_path: Path) -> None:
    pair = (files / "grid.gpkg", files / "grid.gpkg")
    code, out, _ = run("compare", *pair, "--json")
    document = json.loads(out)
    assert code == 0 and document["cells"]["unchanged"] == len(grid)
    assert document["households_moved"] == 0 and document["kept_share"] == 1
    for name in ("moves.gpkg", "moves.csv"):
        assert run("compare", *pair, "-o", tmp_path / name)[0] == 0
    assert set(gpd.read_file(tmp_path / "moves.gpkg")["status"]) == {"unchanged"}
    assert run("compare", *pair, "--map", tmp_path / "moves.html")[0] == 0
    assert "<html" in (tmp_path / "moves.html").read_text("utf-8")[:200].lower()
    code, _, err = run("compare", *pair, "-o", tmp_path / "moves.csv")
    assert code == 2 and "--overwrite" in err


def test_an_old_grid_in_another_crs_is_refused(files: Path, grid: Grid, tmp_path: Path) -> None:
    cells = grid.cells.set_crs(4546, allow_override=True)
    areas = grid.jurisdictions.set_crs(4546, allow_override=True)
    moved = Grid(cells, grid.boundary, grid.levels, jurisdictions=areas)
    write_grid(moved, tmp_path / "old.gpkg")
    code, _, err = run("compare", tmp_path / "old.gpkg", files / "grid.gpkg")
    assert code == 2 and "EPSG:4546" in err and "EPSG:4547" in err


def test_staff_names_the_cells_without_leader(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.csv"
    code, text, _ = run("staff", files / "grid.gpkg", files / "staff.xlsx", "-o", out)
    assert code == 0 and "workers" in text
    table = pd.read_csv(out, dtype={"code": str})
    # the roster names communities, so no cell is said to want a leader
    document = json.loads(run("staff", files / "grid.gpkg", files / "staff.xlsx", "--json")[1])
    assert document["without_leader"] == []
    roster = pd.DataFrame({"code": table["code"], "role": "leader"})
    own = roster[roster["code"] != table["code"].iloc[0]].assign(post="p")
    write_table(own, tmp_path / "own.csv")
    document = json.loads(run("staff", files / "grid.gpkg", tmp_path / "own.csv", "--json")[1])
    assert document["without_leader"] == [table["code"].iloc[0]]
    code, text, _ = run("staff", files / "grid.gpkg", files / "staff.xlsx", "--level", "street")
    assert code == 0 and len(text.splitlines()) == 1 + table["street"].nunique()


def test_a_roster_of_another_grid_is_refused(files: Path, tmp_path: Path) -> None:
    roster = pd.DataFrame({"code": ["nowhere"], "role": ["leader"], "post": ["p"]})
    write_table(roster, tmp_path / "staff.csv")
    code, _, err = run("staff", files / "grid.gpkg", tmp_path / "staff.csv")
    assert code == 2 and "nowhere" in err
    read, refusal = err.strip().splitlines()
    assert read.startswith("Read: 1 row") and "nowhere" in refusal


def test_patrol_writes_a_round_for_each_cell(files: Path, grid: Grid, tmp_path: Path) -> None:
    out = tmp_path / "rounds.gpkg"
    code, text, _ = run("patrol", files / "grid.gpkg", files / "streets.gpkg", "-o", out)
    assert code == 0 and "Rounds of" in text
    rounds = gpd.read_file(out)
    assert len(rounds) == len(grid)
    document = json.loads(
        run("patrol", files / "grid.gpkg", files / "streets.gpkg", "-o", tmp_path / "r.csv",
            "--json")[1]
    )  # fmt: skip
    assert document["rounds_km"] == pytest.approx(rounds["length_m"].sum() / 1000, abs=1e-3)
    code, _, err = run("patrol", files / "grid.gpkg", files / "streets.gpkg", "-o", out)
    assert code == 2 and "--overwrite" in err


@pytest.mark.filterwarnings("default::gridmap.errors.UnassignedWarning")
def test_a_ranking_of_silence_is_written(files: Path, tmp_path: Path) -> None:
    table = pd.read_csv(files / "incidents.csv", dtype=str).assign(x="1", y="1")
    write_table(table, tmp_path / "far.csv")
    out = tmp_path / "rank.xlsx"
    where = ("indicators", files / "grid.gpkg", tmp_path / "far.csv", "--level", "street", "--rank")
    code, text, err = run(*where, "-o", out)
    assert "None of the 980 incidents lies in the grid" in err
    # nothing lies in the grid: 1, deliberately, and the ranking is written all the same
    assert code == 1 and "nan" not in text.lower() and "<NA>" not in text
    assert pd.read_excel(out, engine="openpyxl")["rank"].isna().all()
