"""Rosters are counted at the level they speak of, and nothing is called vacant unasked."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap import Grid
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.io import read_table, write_grid
from gridmap.io.columns import understand
from gridmap.operations.staffing import postings, staffing, who

WORDS = [
    "三级网格长", "一级网格长", "二级网格长", "网格长助理", "社区工作人员", "分包科室人员",
    "群众工作队", "巡防队员", "党员志愿者", "离退休积极分子", "楼栋长", "网格信息员",
    "网格管理员", "专职网格员", "党员街长", "商户街长", "网格巡查员", "网格专员",
    "执法责任人", "包片干部", "网格长", "网格员", "巡查员", "信息员",
]  # fmt: skip


def city(streets: int = 2, communities: int = 2, cells: int = 3) -> Grid:
    """Make streets of communities of cells, all squares, in one district."""
    rows = [(s, c, k) for s in range(streets) for c in range(communities) for k in range(cells)]
    s, c, k = np.array(rows).T
    left, low = k * 10.0, (s * communities + c) * 10.0
    parent = [f"990101{1 + a:03d}{1 + b:03d}" for a, b, _ in rows]
    frame = gpd.GeoDataFrame(
        {"code": [f"{p}{1 + n:03d}" for p, n in zip(parent, k, strict=True)], "parent": parent,
         "households": 450},
        geometry=shapely.box(left, low, left + 10, low + 10), crs=4547,
    )  # fmt: skip
    areas = frame.dissolve("parent", method="coverage")[["geometry"]]
    areas["district"] = "福区"
    areas["street"] = [f"{code[6:9]}街道" for code in areas.index]
    areas["community"] = [f"{code[6:12]}社区" for code in areas.index]
    outline = shapely.coverage_union_all(frame.geometry.values)
    levels = ["district", "street", "community"]
    return Grid(frame, outline, levels, jurisdictions=areas)


GRID = city()
PARENTS = list(GRID.jurisdictions.index)


def roster(*rows: tuple[str, str]) -> pd.DataFrame:
    """Make a roster of code and role."""
    return pd.DataFrame(rows, columns=["code", "role"])


def test_every_word_of_the_accounts_is_a_role() -> None:
    found = staffing(roster(*[(GRID.cells.index[0], word) for word in WORDS]), GRID)
    assert found.problems.empty
    assert set(found.postings["group"]) <= {"1", "X", "Y", "S"}


def test_a_community_is_counted_as_a_community() -> None:
    found = staffing(roster(*[(code, "网格长") for code in PARENTS]), GRID)
    assert found.cells["status"].unique().tolist() == ["not covered"]
    assert found.vacancies.empty
    assert found.ratios()["without_leader"].tolist() == [0]
    assert found.ratios("community")["leaders"].tolist() == [1] * 4
    assert found.ratios("street")["leaders"].tolist() == [2, 2]
    assert found.postings["level"].unique().tolist() == ["parent"]


@given(st.lists(st.sampled_from(PARENTS), min_size=1, max_size=9), st.sampled_from(WORDS))
@settings(deadline=None, max_examples=15)
def test_a_roster_of_communities_invents_no_vacant_cell(codes: list[str], word: str) -> None:
    found = staffing(roster(*[(code, word) for code in codes], (codes[0], "网格长")), GRID)
    assert found.ratios()["without_leader"].iloc[0] == 0
    assert not (found.vacancies["level"] == "cell").any()
    led = found.postings.loc[found.postings["role"] == "leader", "code"]
    assert set(found.vacancies["code"]) == set(PARENTS) - set(led)


def test_cells_are_vacant_where_the_roster_names_cells() -> None:
    first, second = (list(GRID.cells.index[GRID.cells["parent"] == code]) for code in PARENTS[:2])
    found = staffing(roster((first[0], "网格长"), (PARENTS[1], "网格长")), GRID)
    told = found.cells["status"]
    assert told[first].tolist() == ["staffed", "unstaffed", "unstaffed"]
    assert told[second].tolist() == ["not covered"] * 3
    tiers = staffing(roster((first[0], "三级网格长"), *((p, "二级网格长") for p in PARENTS)), GRID)
    assert tiers.ratios()["without_leader"].iloc[0] == len(GRID) - 1


@pytest.mark.parametrize("named", ["990101001", "001街道"])
def test_a_street_is_known_by_its_digits_and_its_name(named: str) -> None:
    assert postings(roster((named, "一级网格长")), GRID)[["code", "level"]].values.tolist() == [
        ["001街道", "street"]
    ]


@pytest.mark.parametrize(
    ("written", "code", "level"),
    [
        ("990101 001 002", PARENTS[1], "parent"),
        ("990101-001-002", PARENTS[1], "parent"),
        ("990101 001 002 003", PARENTS[1] + "003", "cell"),
        (PARENTS[1] + "000", PARENTS[1], "parent"),
        ("990101002000", "002街道", "street"),
        ("990101000000", "福区", "district"),
        (PARENTS[1] + ".0", PARENTS[1], "parent"),
        ("001002", PARENTS[1], "parent"),
        ("1002", PARENTS[1], "parent"),
        ("002001003", PARENTS[2] + "003", "cell"),
        ("福区/001街道/001002社区", PARENTS[1], "parent"),
        ("福区-001街道-001002社区", PARENTS[1], "parent"),
        ("福区 001街道 001002社区", PARENTS[1], "parent"),
        ("福区001街道001002社区", PARENTS[1], "parent"),
        ("001街道＞001002社区", PARENTS[1], "parent"),
        ("福区/002街道", "002街道", "street"),
    ],
)
def test_a_code_in_groups_or_filled_with_noughts_names_one_place(
    written: str, code: str, level: str
) -> None:
    given, _ = understand(roster((written, "网格长")), "staff")
    found = staffing(given, GRID)
    assert found.postings[["code", "level"]].values.tolist() == [[code, level]]
    assert found.problems.empty
    if not written.replace(" ", "").replace("-", "").isdigit() or len(written) < 9:
        return
    two = postings(roster((f"{GRID.cells.index[0]} {written}", "网格长")), GRID)
    assert two["code"].tolist() == [GRID.cells.index[0], code]


def test_codes_that_a_spreadsheet_wrote_as_numbers_stay_whole(tmp_path: Path) -> None:
    """Noughts in front and digits at the end live on; what was cut short is told, not guessed."""
    long = "99010100100200300001"
    rows = [PARENTS[0] + ".0", "001002", "9.90101E+11", long + ".0"]
    (tmp_path / "a.csv").write_text("\n".join(["网格编码", *rows]), encoding="utf-8")
    frame, known = understand(read_table(tmp_path / "a.csv"), "staff")
    assert frame["code"].tolist() == [PARENTS[0], "001002", "9.90101E+11", long]
    assert [note for note in map(str, known.notes) if "as 9.90101E+11. Format" in note]
    cut = roster(("9.90101E+11", "网格长"), (PARENTS[0], "网格长"))
    assert staffing(cut, GRID).problems["value"].tolist() == ["9.90101E+11"]


def test_a_code_without_its_county_is_not_guessed_between_two() -> None:
    other = GRID.jurisdictions.rename(index=lambda code: code.replace("990101", "990102"))
    cells = GRID.cells.rename(index=lambda code: code.replace("990101", "990102"))
    cells["parent"] = cells["parent"].str.replace("990101", "990102")
    both, areas = (
        pd.concat([one, two.set_geometry(two.translate(500))])
        for one, two in ((GRID.cells, cells), (GRID.jurisdictions, other))
    )
    grid = Grid(both, both.union_all("coverage"), GRID.levels, jurisdictions=areas)
    found = staffing(roster(("001002", "网格长"), (PARENTS[0], "网格长")), grid)
    assert found.problems[["problem", "value"]].values.tolist() == [
        ["ambiguous place", "001002 (990101001002 parent, 990102001002 parent)"]
    ]


def test_one_bad_row_never_stops_the_rest() -> None:
    good = GRID.cells.index[0]
    table = roster((good, "网格长"), ("999", "网格员"), (good, "船长"), ("", "网格员"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = staffing(table, GRID)
    (line,) = (str(one.message) for one in told)
    assert "not known: '船长' (1)" in line and "船长,leader" in line
    assert found.problems[["row", "problem", "value"]].values.tolist() == [
        [2, "unknown place", "999"], [3, "unknown role", "船长"], [4, "no place", ""],
    ]  # fmt: skip
    assert found.ratios()["leaders"].tolist() == [1]
    twice = roster((good, "网格长"), (good, "网格长")).assign(post="p")
    assert staffing(twice, GRID).problems["problem"].tolist() == ["named twice"]
    with pytest.raises(InputError, match="no place that the grid has; the first is '999'"):
        staffing(roster(("999", "网格长")), GRID)


def test_who_answers_is_found_at_every_level() -> None:
    cell, parent = GRID.cells.index[0], PARENTS[0]
    table = roster(("001街道", "一级网格长"), (parent, "二级网格长"), (cell, "三级网格长"))
    inside = GRID.cells.geometry.iloc[0].representative_point()
    assert who(GRID, table, inside.x, inside.y)["level"].tolist() == ["cell", "parent", "street"]
    assert who(GRID, table, -99.0, -99.0).empty


def twins() -> Grid:
    """Make a city whose cells are called first to third in every community."""
    cells = GRID.cells.drop(columns="community")
    cells["name"] = ["第一网格", "第二网格", "第三网格"] * 4
    areas = GRID.jurisdictions
    areas["community"] = ["新华社区", "阳光社区"] * 2
    return Grid(cells, GRID.boundary, GRID.levels, jurisdictions=areas)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"cell_name": "第二网格"}, None),
        ({"cell_name": "第二网格", "community": "阳光社区"}, None),
        (
            {"cell_name": "第二网格", "community": "阳光社区", "street": "002街道"},
            "990101002002002",
        ),
        ({"cell_name": "第二网格", "community": PARENTS[1]}, "990101001002002"),
        ({"cell_name": "第二网格", "street": "没有街道"}, None),
        ({"community": "新华社区"}, None),
        ({"community": "新华社区", "street": "001街道"}, "990101001001"),
    ],
)
def test_one_name_of_several_places_is_not_guessed(row: dict[str, str], code: str | None) -> None:
    grid = twins()
    other = {"cell_name": grid.cells.index[0], "role": "网格长"}
    found = staffing(pd.DataFrame([{**row, "role": "网格员"}, other]), grid)
    worker = found.postings[found.postings["role"] == "assistant"]
    assert worker["code"].tolist() == ([] if code is None else [code])
    told = found.problems.to_dict("records")
    assert [one["problem"] for one in told] == ([] if code else ["ambiguous place"])
    if code is None and "cell_name" in row:
        assert "990101001002002" in told[0]["value"] and "第二网格" in told[0]["value"]


def test_nothing_is_said_of_leaders_that_the_roster_does_not_tell() -> None:
    whole = staffing(roster(*[(code, "网格长") for code in PARENTS]), GRID).sentence("en")
    assert "which of them lack a leader the roster does not tell" in whole
    part = [(code, "网格长") for code in GRID.cells.index[:2]] + [(PARENTS[1], "网格员")]
    said = staffing(roster(*part), GRID).sentence("en")
    assert "of the 9 whose leaders the roster tells, 7 have none" in said
    every = staffing(roster(*[(code, "网格长") for code in GRID.cells.index]), GRID)
    assert "0 cells have no leader" in every.sentence("en")


def test_a_kind_of_post_is_not_one_person() -> None:
    rows = roster(
        *[(GRID.cells.index[0], word) for word in ("网格长", "网格员", "网格员", "志愿者")]
    )
    found = staffing(rows.assign(post="第一岗"), GRID)
    assert found.problems.empty
    assert found.ratios()[["leaders", "x", "y"]].iloc[0].tolist() == [1, 2, 1]


def test_chiefs_of_roads_that_no_line_bears_are_named(tmp_path: Path) -> None:
    write_grid(GRID, tmp_path / "grid.gpkg")
    lines = [shapely.LineString([(1, 5), (29, 5)]), shapely.LineString([(5, 1), (5, 39)])]
    streets = gpd.GeoDataFrame({"name": ["人民路", "建设路"]}, geometry=lines, crs=4547)
    streets.to_file(tmp_path / "streets.gpkg")
    roads = ["人民路、 建設路", "没有路", "人民路"]
    chiefs = pd.DataFrame({"角色": ["街长", "河长", "商户街长"], "路段": roads})
    chiefs.to_csv(tmp_path / "roster.csv", index=False)
    files = [str(tmp_path / name) for name in ("grid.gpkg", "streets.gpkg", "roster.csv")]
    found = CliRunner().invoke(main, ["--lang", "en", "streets", *files, "--json"])
    assert found.exit_code == 0, found.output
    assert "Chiefs are named for 没有路, but no line" in found.stderr
    assert json.loads(found.stdout)["by_chief_km"] == pytest.approx(0.066, abs=0.001)
