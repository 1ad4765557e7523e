"""Bands that differ by area: each jurisdiction is cut, certified and judged by its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.io import read_grid, write_grid
from gridmap.maps.edit import plan_data
from gridmap.maps.qgis import _conditions
from gridmap.maps.themes import households as households_theme
from gridmap.partitioning.report import report
from tests.partition_graphs import can_be_cut, community_of

TOWN, FARM = (300, 600), (60, 120)
LOW = pd.Series({"town": 300, "farm": 60})
HIGH = pd.Series({"town": 600, "farm": 120})


def street(counts: dict[str, list[int]]) -> gpd.GeoDataFrame:
    """Return units of 100 m side by side, those of each community in its own street."""
    rows = [
        (name, homes, shapely.box(100 * k, 100 * at, 100 * k + 100, 100 * at + 100))
        for at, (name, row) in enumerate(counts.items())
        for k, homes in enumerate(row)
    ]
    parent, households, shapes = map(list, zip(*rows, strict=True))
    return gpd.GeoDataFrame({"parent": parent, "households": households}, geometry=shapes, crs=4547)


UNITS = street({"town": [200, 250, 150, 350, 100, 250], "farm": [30, 45, 60, 50, 70, 45]})


def test_each_jurisdiction_is_cut_by_its_own_band_and_judged_by_it(tmp_path: Path) -> None:
    grid = gm.partition(UNITS, (LOW, HIGH), lang="en")
    cells = grid.cells
    assert grid.exceptions.empty
    for parent, band in (("town", TOWN), ("farm", FARM)):
        assert cells.loc[cells["parent"] == parent, "households"].between(*band).all()
    assert cells["households"].sum() == UNITS["households"].sum()
    write_grid(grid, tmp_path / "grid.gpkg")
    back = read_grid(tmp_path / "grid.gpkg")
    assert (back.band, dict(back.bands.own)) == ((60, 600), {"town": TOWN, "farm": FARM})
    assert back.in_band.all()
    assert back.why(cells.index[cells["parent"] == "farm"][0])["band"] == FARM
    made = report(back)
    assert made.as_dict()["in_band"] == len(grid)
    assert (
        "60–120 / 300–600"
        in CliRunner()
        .invoke(
            main,
            ["--lang", "en", "map", str(tmp_path / "grid.gpkg"), "-o", str(tmp_path / "m.html")],
        )
        .output
        + (tmp_path / "m.html").read_text()
    )


def test_equal_bands_are_one_band_for_all_to_the_byte(tmp_path: Path) -> None:
    same = pd.Series({"town": 300, "farm": 300}), pd.Series({"town": 600, "farm": 600})
    files = []
    for name, band in (("one", (300, 600)), ("same", same), ("half", (300, same[1]))):
        grid = gm.partition(UNITS, band)
        assert "bands" not in grid.parameters
        write_grid(grid, tmp_path / f"{name}.gpkg")
        files.append((tmp_path / f"{name}.gpkg").read_bytes())
    assert files[0] == files[1] == files[2]


def test_a_column_of_the_units_is_a_band_too() -> None:
    units = UNITS.assign(least=UNITS["parent"].map(LOW), most=UNITS["parent"].map(HIGH))
    one, other = gm.partition(units, ("least", "most")), gm.partition(UNITS, (LOW, HIGH))
    assert one.content_hash == other.content_hash
    assert one.parameters["bands"] == other.parameters["bands"]


def test_each_alone_is_what_it_is_beside_others_of_another_band() -> None:
    both = gm.partition(UNITS, (LOW, HIGH))
    for parent, band in (("town", TOWN), ("farm", FARM)):
        alone = gm.partition(UNITS[UNITS["parent"] == parent].reset_index(drop=True), band)
        mine = both.cells[both.cells["parent"] == parent]
        assert [*shapely.to_wkb(alone.cells.geometry)] == [*shapely.to_wkb(mine.geometry)]


@pytest.mark.parametrize("seed", range(6))
def test_verdicts_by_area_are_those_of_trying_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = {f"J{k}": rng.integers(0, 220, rng.integers(3, 8)).tolist() for k in range(12)}
    low = {key: int(rng.integers(40, 200)) for key in counts}
    high = {key: int(least * rng.uniform(1.1, 2.2)) for key, least in low.items()}
    units = street(counts)
    band = pd.Series(low), pd.Series(high)
    asked = gm.feasibility(units, band, lang="en")
    grid = gm.partition(units, band, lang="en", quality="fast")
    for key, homes in counts.items():
        town = community_of(homes, [(k, k + 1) for k in range(len(homes) - 1)], key)
        possible = can_be_cut(town, low[key], high[key])
        assert asked["possible"][key] == ("yes" if possible else "no"), key
        mine = grid.cells[grid.cells["parent"] == key]
        assert mine["households"].between(low[key], high[key]).all() == possible
        said = grid.exceptions[grid.exceptions["parent"] == key]
        assert said.empty == possible
        assert set(said["code"]) == set(mine.index[~grid.in_band[mine.index]]) or possible
        for reason in said["reason"]:
            ends = re.findall(r"(?:over|fewer than) (\d+)", reason)
            assert set(ends) <= {str(low[key]), str(high[key])}
            for band in re.findall(r"(\d+)-(\d+)", reason):
                assert band == (str(low[key]), str(high[key]))


def test_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    files = []
    for workers in (1, 2):
        path = tmp_path / f"{workers}.gpkg"
        write_grid(gm.partition(UNITS, (LOW, HIGH), workers=workers), path)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_what_is_kept_is_kept_by_its_own_band() -> None:
    old = gm.partition(UNITS, (LOW, HIGH))
    same = gm.partition(UNITS, keep=old)
    assert same.content_hash == old.content_hash
    assert same.parameters["bands"] == old.parameters["bands"]
    assert same.parameters["change"]["households_moved"] == 0
    grown = UNITS.assign(households=UNITS["households"].where(UNITS.index != 11, 60))
    new = gm.partition(grown, keep=old, lang="en")
    assert new.in_band.all()
    with pytest.raises(InputError, match="min of the band is empty in jurisdiction 'new'"):
        gm.partition(street({"town": [300, 300], "new": [400]}), keep=old)


def test_changes_by_hand_are_judged_by_the_band_of_the_place() -> None:
    grid = gm.partition(UNITS, (LOW, HIGH))
    cells = grid.cells
    first, second = cells.index[cells["parent"] == "farm"][:2]
    units = grid.units
    rim = units.index[(units["code"] == first)].max()
    change: dict[str, Any] = {
        "schema": "gridmap.changes/1", "grid": grid.content_hash, "moves": {second: [int(rim)]}
    }  # fmt: skip
    moved = units["households"][rim]
    after = cells["households"][first] - moved, cells["households"][second] + moved
    good = all(60 <= homes <= 120 for homes in after)
    if good:
        assert gm.apply(grid, change).in_band.all()
    else:
        with pytest.raises(InputError, match=r"60.120"):
            gm.apply(grid, change)
    data = plan_data(grid)
    assert data["bands"] == [list(FARM), list(TOWN)]
    assert "bands" not in plan_data(gm.partition(UNITS))


def test_classes_of_the_map_and_of_qgis_are_thirds_of_each_band() -> None:
    grid = gm.partition(UNITS, (LOW, HIGH), exclaves="own")
    theme = households_theme(grid, "en")
    assert [row.label for row in theme.classes[:2]] == ["below its band", "lower third of its band"]
    for code, of in zip(grid.cells.index, theme.of, strict=True):
        low, high = grid.bands.of(grid.cells.at[code, "parent"])
        share = (grid.cells.at[code, "households"] - low) / (high - low)
        assert of == (0 if share < 0 else 4 if share > 1 else min(3, 1 + int(share * 3)))
    said = _conditions(grid)[0]
    assert """CASE WHEN "parent" IN ('farm') THEN 60 WHEN "parent" IN ('town') THEN 300""" in said


BAD: list[tuple[dict[str, Any], str]] = [
    ({"least": [300, None], "most": [600, 120]}, "min of the band is empty in jurisdiction '002'"),
    ({"least": ["300", "few"], "most": [600, 120]}, "'few' in jurisdiction '002'"),
    ({"least": [300, 200], "most": [600, 120]}, "jurisdiction '002' has min 200 over max 120"),
    ({"least": [300, 60.5], "most": [600, 120]}, "min of the band is 60.5"),
    ({"least": [300, 60]}, "`--max` names 'most', which the jurisdictions lack"),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write a town and a village with their units."""
    areas = gpd.GeoDataFrame(
        {"code": ["001", "002"], "least": [300, 60], "most": [600, 120]},
        geometry=shapely.box(0, [0, 100], 600, [100, 200]),
        crs=4547,
    )
    areas.to_file(tmp_path / "areas.gpkg")
    UNITS[["households", "geometry"]].to_file(tmp_path / "units.gpkg")
    return tmp_path


def command(folder: Path, *more: Any) -> Any:
    """Run the partition of the town and the village."""
    words = ("--lang", "en", "partition", folder / "areas.gpkg", "--units", folder / "units.gpkg",
             "--code", "code", "-o", folder / "grid.gpkg", *more)  # fmt: skip
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(("columns", "said"), BAD)
def test_bands_that_are_none_are_refused_before_any_work(
    files: Path, columns: dict[str, Any], said: str
) -> None:
    areas = gpd.read_file(files / "areas.gpkg").drop(columns=["least", "most"])
    areas.assign(**columns).to_file(files / "areas.gpkg")
    result = command(files, "--min", "least", "--max", "most")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("Error") or said in result.stderr
    assert not (files / "grid.gpkg").exists()


def test_the_command_reads_columns_and_validate_judges_by_them(files: Path) -> None:
    result = command(files, "--min", "least", "--max", "most", "--report", files / "r.html")
    assert result.exit_code == 0, result.output
    assert "in 60-120 / 300-600" in result.stdout
    grid = files / "grid.gpkg"

    def validate(*more: Any) -> Any:
        words = ["--lang", "en", "validate", str(grid), "--json", *map(str, more)]
        return CliRunner().invoke(main, words)

    assert validate().exit_code == 0
    wide = json.loads(validate("--min", 300, "--max", 600).stdout)
    farms = (read_grid(grid).cells["parent"] == "002").sum()
    assert wide["counts"]["households-out-of-range"] == farms
    table = gpd.read_file(grid, layer="cells")
    low, high = (pd.Series({"001": a, "002": b}) for a, b in ((300, 60), (600, 100)))
    found = gm.validate(
        table, gpd.read_file(grid, layer="jurisdictions"), households=(low, high), lang="en"
    )
    over = table[(table["parent"] == "002") & (table["households"] > 100)]
    assert len(found) == len(over) > 0
    assert found["note"].str.contains("not 60–100").all()


def test_a_worker_is_overcharged_by_the_band_of_the_place() -> None:
    grid = gm.partition(UNITS, (LOW, HIGH))
    cells = grid.cells
    farms = cells.index[cells["parent"] == "farm"]
    towns = cells.index[cells["parent"] == "town"]
    rows = [("a", code) for code in farms[:2]] + [(code, code) for code in [*farms[2:], *towns]]
    roster = pd.DataFrame(rows, columns=["post", "code"]).assign(role="leader")
    found = gm.staffing(roster, grid)
    assert found.limit == "120 / 600"
    over = found.cells.index[found.cells["overcharged"]]
    assert set(over) == set(farms[:2]) and (found.cells.loc[over, "load"] < 600).all()
    assert "more households than 120 / 600" in found.sentence("en")
