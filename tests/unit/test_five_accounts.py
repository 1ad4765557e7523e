"""The five accounts in their own words: from one table of cases and one roster, at the shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

from gridmap.cli import main
from gridmap.grid.grid import Grid
from gridmap.io import write_grid

PLACES = {"京八路": 40, "建中街": 12, "陈家镇": 2880, "管城": 30, "李沧试点": 12}
ACCOUNTS = [
    # account, place, cases, closed, of which at the first level, words of the two levels
    ("京八路 全部", "京八路", 71_219, 70_086, 66_906, ("三级网格", "一级网格")),
    ("京八路 城市管理", "京八路", 68_072, 66_906, 60_000, ("三级网格", "二级网格")),
    ("陈家镇", "陈家镇", 24_723, 24_723, 24_588, ("自行处理", "联合处置")),
    ("管城", "管城", 439, 406, 384, ("微网格", "区级联动")),
]
PUBLIC = ["居民随手拍", "群众随手拍", "民心网", "民生热线", "12345热线", "微信公众号", "手机APP"]
ROSTER = {
    "建中街": ["网格长", "网格长助理", "分包科室人员", "巡防队员", "党员志愿者", "楼栋长", "保安",
              "物业人员", "离退休积极分子", "群众工作队", "社区工作人员", "执法责任人"],
    "陈家镇": ["网格管理员"] * 2340,
    "李沧试点": ["网格长"] * 8 + ["专职网格员"] * 24 + ["网格信息员"] * 73,
    "管城": ["一级网格长", "二级网格长", "三级网格长", "网格专员", "网格巡查员", "包片干部",
             "党员街长", "商户街长"],
}  # fmt: skip


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a grid whose levels bear the cities' ordinals, one table of cases and one roster."""
    folder = tmp_path_factory.mktemp("accounts")
    names = [place for place, count in PLACES.items() for _ in range(count)]
    left = np.arange(len(names)) * 10.0
    parent = [f"99010{1 + list(PLACES).index(name)}001001" for name in names]
    cells = gpd.GeoDataFrame(
        {"code": [f"{p}{k:04d}" for k, p in enumerate(parent)], "parent": parent,
         "households": 450},
        geometry=shapely.box(left, 0, left + 10, 10), crs=4547,
    )  # fmt: skip
    areas = cells.dissolve("parent", method="coverage")[["geometry"]]
    areas["一级网格"], areas["二级网格"] = list(PLACES), [f"{name}社区" for name in PLACES]
    outline = shapely.coverage_union_all(cells.geometry.values)
    grid = Grid(cells, outline, ["一级网格", "二级网格"], jurisdictions=areas)
    write_grid(grid, folder / "grid.gpkg")
    codes = {name: rows.index for name, rows in grid.cells.groupby("一级网格")}
    _cases(codes).to_csv(folder / "cases.csv", index=False)
    _roster(codes).to_csv(folder / "roster.csv", index=False)
    return folder


def _cases(codes: dict[str, pd.Index]) -> pd.DataFrame:
    tables = []
    for name, place, total, closed, first, words in ACCOUNTS:
        k = np.arange(total)
        tables.append(
            pd.DataFrame(
                {
                    "台账": name,
                    "责任网格": codes[place][k % len(codes[place])],
                    "处置状态": np.where(k < closed, "已结案", "处置中"),
                    "处置层级": np.where(k < first, *words),
                    "问题来源": np.where(k % 4, "网格员巡查", np.array(PUBLIC)[k % len(PUBLIC)]),
                }
            )
        )
    return pd.concat(tables)


def _roster(codes: dict[str, pd.Index]) -> pd.DataFrame:
    return pd.concat(
        pd.DataFrame({"网格编码": codes[place][np.arange(len(roles)) % len(codes[place])],
                      "角色": roles})
        for place, roles in ROSTER.items()
    )  # fmt: skip


def run(office: Path, command: str, table: str, *options: str) -> tuple[dict[str, Any], str]:
    files = [str(office / "grid.gpkg"), str(office / table)]
    found = CliRunner().invoke(main, [command, *files, *options, "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout), found.stderr


def test_the_rates_are_those_of_the_newspapers(office: Path) -> None:
    told, news = run(office, "indicators", "cases.csv", "--by", "台账")
    rates = {(row["台账"], row["indicator"]): row for row in told["indicators"]}
    assert "不认识" not in news
    for key, percent in {
        ("京八路 全部", "closure"): 98.41,
        ("京八路 城市管理", "closure"): 98.29,
        ("陈家镇", "self_handled"): 99.45,
        ("陈家镇", "closure"): 100.0,
        ("管城", "closure"): 92.48,
        ("管城", "escalated"): 12.53,
        ("管城", "self_handled"): 87.47,
    }.items():
        assert round(100 * rates[key]["rate"], 2) == percent, key
        assert rates[key]["unknown"] == 0
    assert round(100 * rates["管城", "closure"]["rate"], 1) == 92.5
    assert rates["管城", "escalated"]["numerator"] == 55
    assert rates["陈家镇", "self_handled"]["numerator"] == 24_588
    assert rates["京八路 全部", "self_handled"]["numerator"] == 66_906
    assert rates["京八路 全部", "public"]["numerator"] == len(range(0, 71_219, 4))


def test_the_ratios_are_those_of_the_newspapers(office: Path) -> None:
    told, news = run(office, "staff", "roster.csv", "--level", "一级网格")
    assert "不认识" not in news and told["problems"] == []
    ratios = {row["一级网格"]: row for row in told["ratios"]}
    assert round(ratios["陈家镇"]["workers_per_cell"], 2) == 0.81
    pilot = ratios["李沧试点"]
    assert (round(pilot["x_per_leader"], 1), round(pilot["y_per_leader"], 1)) == (3.0, 9.1)
    assert (pilot["leaders"], pilot["x"], pilot["y"]) == (8, 24, 73)
    inner = ratios["建中街"]
    assert (inner["leaders"], inner["x"], inner["y"]) == (1, 6, 5)
    assert ratios["京八路"]["workers"] == 0


@pytest.mark.filterwarnings("default")  # they are said, not raised
def test_ordinals_are_unknown_where_the_grid_does_not_bind_them(office: Path) -> None:
    cases = pd.read_csv(office / "cases.csv", dtype=str)
    cases[cases["台账"].str.startswith("京八路")].to_csv(office / "ordinals.csv", index=False)
    plain = gpd.GeoDataFrame(
        {"code": cases["责任网格"].unique()[:1]}, geometry=[shapely.box(0, 0, 9, 9)], crs=4547
    )
    write_grid(Grid(plain, plain.geometry[0]), office / "plain.gpkg", overwrite=True)
    (office / "levels.csv").write_text(
        "word,meaning\n三级网格,网格\n一级网格,街道\n二级网格,社区\n"
    )
    files = [str(office / "plain.gpkg"), str(office / "ordinals.csv")]
    asked = CliRunner().invoke(main, ["indicators", *files])
    assert asked.exit_code == 0, asked.output
    assert "序数" in asked.stderr and "三级网格,cell|community|street" in asked.stderr
    assert "自行处理率  未知" in asked.stdout and "  0.00%" not in asked.stdout
    levels = ["--levels", str(office / "levels.csv")]
    known = CliRunner().invoke(main, ["indicators", *files, *levels])
    assert "自行处理率  未知" not in known.stdout and "序数" not in known.stderr
