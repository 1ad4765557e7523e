"""Errors in Chinese: the table holds what is really raised, and a clerk reads no English."""

from __future__ import annotations

import ast
import csv
import os
import re
from importlib.resources import files
from pathlib import Path
from string import Formatter

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

import gridmap
from gridmap.cli import main
from gridmap.language import chinese

HOUSE = Path(gridmap.__file__).parent
ROWS = list(
    csv.DictReader(
        files("gridmap").joinpath("tables", "messages_zh.csv").read_text("utf-8").splitlines()
    )
)
FIELD = "\0"


def _shape(template):
    """Return a template with all its fields alike."""
    parts = Formatter().parse(template)
    return "".join(words + (FIELD if field is not None else "") for words, field, *_ in parts)


def _fields(template):
    return {field for _, field, *_ in Formatter().parse(template) if field is not None}


def _texts(tree):
    """Return the strings of a module, f-strings with all their fields alike."""
    for node in ast.walk(tree):
        text = _text(node)
        if text is not None:
            yield text


def _text(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else FIELD for v in node.values)
    return None


@pytest.fixture(scope="module")
def trees():
    return {path: ast.parse(path.read_text("utf-8")) for path in HOUSE.rglob("*.py")}


def test_each_sentence_is_one_that_the_house_says(trees):
    said = {text for tree in trees.values() for text in _texts(tree)}
    stale = [r["en"] for r in ROWS if r["from"] == "gridmap" and _shape(r["en"]) not in said]
    assert not stale, "reworded in the code, or gone: change the rows too"


def test_the_other_phrases_are_those_of_the_system_and_of_shapely():
    system = {os.strerror(number) for number in range(1, 140)}
    shapes = {kind.name for kind in shapely.GeometryType}
    assert {r["en"] for r in ROWS if r["from"] == "system"} <= system
    assert {r["en"].upper() for r in ROWS if r["from"] == "shapely"} <= shapes
    assert {r["from"] for r in ROWS} == {"gridmap", "click", "system", "shapely"}


def test_nearly_all_errors_of_the_rooms_that_read_have_chinese(trees):
    rooms = {"cli", "coverage", "grid", "io", "partition"}
    known = {_shape(row["en"]) for row in ROWS}
    raised = [
        text
        for path, tree in trees.items()
        if path.relative_to(HOUSE).parts[0] in rooms
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args
        if (text := _text(node.exc.args[0])) is not None
    ]
    assert sum(text in known for text in raised) >= 0.85 * len(raised) > 0


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["en"][:40])
def test_each_sentence_is_found_and_filled(row):
    fields = _fields(row["en"])
    assert _fields(row["zh"]) <= fields
    assert re.search("[\u4e00-\u9fff]", row["zh"])
    values = {field: f"<{field}>" for field in fields}
    assert chinese(row["en"].format(**values)) == row["zh"].format(**values)


def test_no_ascii_commas_between_chinese():
    mixed = [row["zh"] for row in ROWS if re.search("[\u4e00-\u9fff][,:;!?]", row["zh"])]
    assert [text for text in mixed if "西,南,东,北" not in text] == []


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A desk full of bad files."""
    desk = tmp_path_factory.mktemp("desk")
    cells = gpd.GeoDataFrame(
        {"网格编号": ["A1", "A2"], "户数": [400, 500]},
        geometry=shapely.box([0, 5], 0, [5, 10], 5),
        crs=4547,
    )
    cells.to_file(desk / "cells.gpkg")
    cells.to_crs(4326).to_file(desk / "degrees.gpkg")
    cells.set_crs(4326, allow_override=True).translate(5e5, 4e6).to_file(desk / "wrong.gpkg")
    cells[["geometry"]].to_file(desk / "bare.shp")
    (desk / "bare.prj").unlink()
    cells.iloc[:0].to_file(desk / "none.gpkg")
    gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=4547).to_file(desk / "points.gpkg")
    pd.DataFrame({"网格编号": ["A1"], "户数": ["两百"]}).to_csv(desk / "text.csv", index=False)
    pd.DataFrame({"经度": [34.7], "纬度": [113.6], "户数": [3]}).to_csv(
        desk / "swapped.csv", index=False
    )
    pd.DataFrame({"户数": [3]}).to_csv(desk / "nowhere.csv", index=False)
    (desk / "empty.gpkg").write_bytes(b"")
    (desk / "notes.xyz").write_text("x")
    return desk


BAD = [
    ("validate cell.gpkg", "找不到 `cell.gpkg`。是不是 `cells.gpkg`？"),
    ("validate nofolder/cells.gpkg", "没有文件夹 `nofolder`"),
    ("validate notes.xyz", "不认识 `notes.xyz` 的格式"),
    ("validate empty.gpkg", "是空文件（0 字节）"),
    ("validate none.gpkg", "`none.gpkg` 中没有要素"),
    ("validate bare.shp", "没有坐标系，坐标无从解释"),
    ("validate wrong.gpkg", "不是经纬度。请用 --crs EPSG:4547"),
    ("validate cells.gpkg:nets", "没有图层 'nets'"),
    ("validate cells.gpkg --boundary points.gpkg", "是点，不是面"),
    ("validate cells.gpkg --boundary outline --code 编码", "--code 所指的列 '编码' 不存在"),
    ("validate cells.gpkg --boundary outline --fail-on holes", "不是缺陷类型"),
    ("validate cells.gpkg --defects cells.gpkg", "已存在。要覆盖请加 --overwrite"),
    ("validate cells.gpkg --defects out/d.gpkg", "文件夹 `out` 不存在"),
    ("validate cells.gpkg --crs EPSG:四五四七 --boundary bare.shp", "不是坐标系"),
    ("validate", "缺少参数 'CELLS'"),
    ("validate cells.gpkg --bound x", "没有选项 '--bound'。相近的有 '--boundary'"),
    ("validate cells.gpkg --min 0", "'--min' 的值无效：0 不在范围 x>=1 内"),
    ("validate cells.gpkg --min", "选项 '--min' 后面要有值"),
    ("validate cells.gpkg extra", "多出参数（extra）"),
    ("repair cells.gpkg --boundary outline", "缺少选项 -o / --output"),
    ("repair cells.gpkg -o x.gpkg", "缺少选项 '--boundary'"),
    (
        "repair cells.gpkg --boundary outline -o x.gpkg --policy best",
        "'best' 不在 'longest-border'",
    ),
    ("repair cells.gpkg --boundary degrees.gpkg -o x.gpkg", "请先把其中一个转换过来"),
    ("adopt cells.gpkg --boundary outline -o x.gpkg --min 600 --max 300", "请对调 --min 和 --max"),
    ("adopt cells.gpkg --boundary outline -o x.gpkg --level 街道", "没有层级列 '街道'"),
    ("map cells.gpkg -o x.html", "不是网格成果文件"),
    ("account cells.gpkg nowhere.csv", "没有坐标列，现有列："),
    ("account cells.gpkg swapped.csv", "经纬度似乎颠倒"),
    ("account cells.gpkg text.csv --x 经度 --y 纬度", "没有 '经度' 这一列"),
    ("account cells.gpkg swapped.csv --datum gcj", "--datum 为 'gcj'"),
    ("partition cells.gpkg -o x.gpkg", "请给出 --households 或 --units 之一"),
    ("partition cells.gpkg --households text.csv -o x.gpkg", "两百"),
    ("nonsense", "没有命令 'nonsense'"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=[line for line, _ in BAD])
def test_a_clerk_reads_chinese(desk, monkeypatch, line, said):
    monkeypatch.chdir(desk)
    result = CliRunner().invoke(main, line.split())
    last = result.stderr.splitlines()[-1]
    assert result.exit_code == 2, result.output
    assert last.startswith("gridmap: ") and said in last
    assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", last), "English is left"


def test_what_cannot_be_mended_is_told_in_chinese(desk):
    cells = gpd.GeoDataFrame({"户数": [300, 5]}, geometry=[shapely.box(0, 0, 5, 5), None], crs=4547)
    cells.to_parquet(desk / "lost.parquet")
    place = [str(desk / "lost.parquet"), "--boundary", "outline", "-o", str(desk / "out.gpkg")]
    result = CliRunner().invoke(main, ["repair", *place, "--count", "户数"])
    assert result.exit_code == 1
    assert "网格 1 有 5 户，在边界内却没有图形" in result.stderr


def test_english_stays_english(desk, monkeypatch):
    monkeypatch.chdir(desk)
    result = CliRunner().invoke(main, ["--lang", "en", "validate", "cell.gpkg"])
    assert result.stderr == "gridmap: `cell.gpkg` is not there. Did you mean `cells.gpkg`?\n"
    result = CliRunner().invoke(main, ["--lang", "en", "validate"])
    assert "Usage: " in result.stderr and "Missing argument 'CELLS'." in result.stderr


def test_python_raises_in_english(desk):
    with pytest.raises(gridmap.InputError, match="is not there"):
        gridmap.read_grid(desk / "none")


def test_what_the_table_does_not_know_stays():
    assert chinese("something new.") == "something new."
