"""The made-up city as a street office sends it, partitioned and assigned without hand work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import gridmap as gm
from gridmap.cli import main
from gridmap.crs.datum import positions_to
from gridmap.io import read_grid, read_table, write_table
from tests.dirt import office_rows, write_bare_shapefile, write_text, write_xls

UNITS = ["{}", "{}户", " {} ", "{} 户"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def full_width(text: str) -> str:
    return text.translate(str.maketrans("0123456789", "０１２３４５６７８９"))


@pytest.fixture(scope="module")
def delivery(town: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a GBK Shapefile without .cpg, a GBK workbook with notes and totals, a GCJ-02 CSV."""
    folder = tmp_path_factory.mktemp("来件")
    areas = town.jurisdictions.rename(
        columns={"code": "社区编码", "district": "区县", "street": "街道", "community": "社区"}
    )
    write_bare_shapefile(areas, folder / "社区边界.shp")
    _write_buildings(town.buildings, folder / "楼栋台账.xls")
    _write_incidents(town.incidents, town.jurisdictions.crs, folder / "案件.csv")
    return folder


def _write_buildings(buildings: gpd.GeoDataFrame, path: Path) -> None:
    middle = buildings.geometry.centroid
    lng, lat = positions_to(middle.x, middle.y, "gcj02", buildings.crs)
    table = pd.DataFrame(
        {
            "building_id": buildings["building_id"],
            "compound": buildings["compound"],
            "households": buildings["households"],
            "lng": lng,
            "lat": lat,
        }
    )
    rows = office_rows(table)
    for number, row in enumerate(rows[3:-3]):
        row[2] = UNITS[number % 4].format(row[2])
        if number % 7 == 0:
            row[2] = full_width(row[2])
    write_xls(rows, path)


def _write_incidents(incidents: pd.DataFrame, crs: Any, path: Path) -> None:
    x, y = incidents["x"].to_numpy(float), incidents["y"].to_numpy(float)
    lng, lat = positions_to(x, y, "gcj02", crs)
    table = pd.DataFrame(
        {
            "案件编号": incidents["incident_id"],
            "上报时间": incidents["time"].dt.strftime("%Y年%m月%d日 %H:%M"),
            "问题大类": incidents["category"],
            "经度": np.round(lng, 9),
            "纬度": np.round(lat, 9),
        }
    )
    write_text(office_rows(table, total=None), path, encoding="gb18030", separator="\t")


def test_one_command_partitions_and_one_assigns(delivery: Path, town: Any, tmp_path: Path) -> None:
    output = tmp_path / "grid.gpkg"
    result = run(
        "partition", delivery / "社区边界.shp", "--households", delivery / "楼栋台账.xls",
        "--datum", "gcj02", "--level", "区县", "--level", "街道", "--level", "社区",
        "-o", output, "--json",
    )  # fmt: skip
    assert result.exit_code in (0, 1), result.output
    report = json.loads(result.stdout)
    assert report["households_in"] == town.buildings["households"].sum()
    assert report["communities"] == len(town.jurisdictions)
    news = result.stderr
    assert "gb18030" in news
    assert "households ← 总户数（户）" in news
    assert "福民街道2024年楼栋台账" in news
    assert "合  计" in news or "合 计" in news

    grid = read_grid(output)
    assert grid.levels == ("区县", "街道", "社区")
    assert set(grid.cells["社区"]) == set(town.jurisdictions["community"])
    placed = tmp_path / "placed.csv"
    result = run(
        "assign", output, delivery / "案件.csv", "--datum", "gcj02", "-o", placed, "--json"
    )
    assert result.exit_code == 0, result.output
    accounts = json.loads(result.stdout)
    foot = accounts["invalid"]  # rows below the records have no place; they come out all the same
    assert accounts["read"] - foot == len(town.incidents)
    assert foot <= 2
    assert read_table(placed)["案件编号"].isin(town.incidents["incident_id"]).sum() == len(
        town.incidents
    )


def test_places_survive_the_journey(delivery: Path, town: Any) -> None:
    from gridmap.io.inputs import read_households

    frame, _ = read_households(
        delivery / "楼栋台账.xls", datum="gcj02", crs=town.buildings.crs.to_epsg()
    )
    assert frame["households"].tolist() == town.buildings["households"].tolist()
    assert frame["building_id"].tolist() == town.buildings["building_id"].tolist()
    middle = town.buildings.geometry.centroid.reset_index(drop=True)
    assert frame.geometry.distance(middle).max() < 1e-4


def test_a_forgotten_datum_is_noticed(delivery: Path) -> None:
    result = run("info", delivery / "案件.csv", "--against", delivery / "社区边界.shp", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["datum_alarm"]["fits"] == "gcj02"


@pytest.fixture(scope="module")
def english(town: Any, grid: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the town under the English headings that gridmap itself gives."""
    folder = tmp_path_factory.mktemp("english")
    gm.write_grid(grid, folder / "grid.gpkg")
    town.jurisdictions.to_file(folder / "areas.gpkg")
    town.buildings.to_file(folder / "homes.gpkg")
    places = town.incidents.geometry
    cases = town.incidents.drop(columns=["lng", "lat"]).assign(x=places.x, y=places.y)
    write_table(cases, folder / "cases.csv")
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "share grid.gpkg --column 网格编码 --column 户数 --count 户数 -o out.csv",
        "map grid.gpkg --color 户数 -o out.html",
        "atlas grid.gpkg --level 街道 -o out.pdf",
        "export grid.gpkg --column 户数 -o out.xlsx",
        "hotspots grid.gpkg cases.csv --exposure 户数 --category 问题类型 -o out.csv",
        "clusters grid.gpkg cases.csv --exposure 总户数 --replicates 99 -o out.csv",
        "indicators grid.gpkg cases.csv --level 街道 --by 问题来源 -o out.csv",
        "briefing grid.gpkg cases.csv --level 社区 -o out.html",
        "staff grid.gpkg roster.csv --level 街道 -o out.csv",
        "assign grid.gpkg cases.csv --x X坐标 --y Y坐标 -o out.csv",
        "account grid.gpkg homes.gpkg --count 户数 -o out.csv",
        "repair grid.gpkg:cells --boundary grid.gpkg:boundary --code 网格编码 -o out.gpkg",
        "adopt grid.gpkg:cells --boundary grid.gpkg:boundary --level 街道 -o out.gpkg",
        "partition areas.gpkg --households homes.gpkg --count 户数 --level 社区 -o out.gpkg",
    ],
)
def test_a_column_is_named_in_either_language(
    english: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """What Chinese output calls 户数 is `households` of a grid, and may be named so."""
    monkeypatch.chdir(english)
    code = gm.read_grid("grid.gpkg").cells.index[0]
    (english / "roster.csv").write_text(f"网格编码,角色\n{code},网格长\n", encoding="utf-8")
    done = run(*line.split(), "--overwrite")
    assert done.exit_code == 0, done.stderr


def test_only_what_people_open_has_chinese_headings(
    english: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(english)
    for line in ("hotspots grid.gpkg cases.csv", "compare grid.gpkg grid.gpkg",
                 "indicators grid.gpkg cases.csv"):  # fmt: skip
        for ending in (".parquet", ".csv"):
            done = run("--lang", "zh", *line.split(), "-o", f"table{ending}", "--overwrite")
            assert done.exit_code == 0, done.stderr
            names = "".join(read_table(f"table{ending}").columns)
            assert names.isascii() == (ending == ".parquet"), (line, names)
