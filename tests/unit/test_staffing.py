"""Rosters matched to cells: 1+X+Y, ratios, who answers, and no persons."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from gridmap import Grid
from gridmap.errors import InputError
from gridmap.operations.households import workload
from gridmap.operations.staffing import postings, roles, staffing, who

CRS = 4547


def row_of_cells(count: int, households: int = 450) -> Grid:
    """Make a row of cells in two communities of one street."""
    left = np.arange(count) * 10.0
    parent = np.where(np.arange(count) < count / 2, "101", "102")
    cells = gpd.GeoDataFrame(
        {"code": [f"{p}{k:03d}" for k, p in enumerate(parent)], "parent": parent,
         "households": households},
        geometry=shapely.box(left, 0, left + 10, 10), crs=CRS,
    )  # fmt: skip
    areas = cells.dissolve("parent", method="coverage")[["geometry"]]
    areas["community"] = ["东福社区", "西福社区"]
    outline = shapely.coverage_union_all(cells.geometry.values)
    return Grid(cells, outline, ["community"], jurisdictions=areas)


def roster(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Make a roster of post, role and code."""
    return pd.DataFrame(rows, columns=["post", "role", "code"])


def test_roles_are_one_x_and_y() -> None:
    assert [row["group"] for row in roles().values()] == ["1", "X", "X", "X", "Y", "S"]


def test_each_status_is_told() -> None:
    grid = row_of_cells(4)
    found = staffing(
        roster(("a", "网格长", "101000"), ("b", "网格长", "101001"), ("c", "leader", "101001"),
               ("d", "楼门长", "102002")),
        grid,
    )  # fmt: skip
    assert found.cells["status"].tolist() == [
        "staffed", "several leaders", "no leader", "unstaffed",
    ]  # fmt: skip
    assert found.cells["overcharged"].tolist() == [False, False, True, True]
    for lang in ("zh", "en"):
        assert "4" in found.sentence(lang)  # type: ignore[arg-type]


def test_a_post_in_two_cells_is_half_in_each() -> None:
    grid = row_of_cells(4)
    found = staffing(roster(("a", "leader", "101000；101001")), grid)
    assert found.cells["workers"].tolist() == [0.5, 0.5, 0, 0]
    assert found.cells["load"].tolist()[:2] == [900, 900]
    assert found.posts.loc["a", ["cells", "households"]].tolist() == [2, 900]
    assert found.ratios()["workers"].tolist() == [1]
    assert staffing(roster(("a", "leader", "101000；101001")), grid, limit=1000).cells[
        "overcharged"
    ].tolist() == [False, False, True, True]


def test_posts_of_a_community_stay_with_it() -> None:
    grid = row_of_cells(6)
    found = postings(roster(*[(f"p{k}", "leader", "101") for k in range(4)]), grid)
    assert found[["code", "level"]].drop_duplicates().values.tolist() == [["101", "parent"]]


def test_ratios_by_level_add_up() -> None:
    grid = row_of_cells(4)
    found = staffing(
        roster(("a", "leader", "101000"), ("b", "patrol", "101000"), ("c", "leader", "102003")),
        grid,
    )
    table = found.ratios("community")
    assert table["cells"].sum() == 4 and table["workers"].sum() == 3
    assert table.loc["东福社区", ["x_per_leader", "without_leader"]].tolist() == [1, 1]
    with pytest.raises(InputError, match="`level` is 'galaxy'"):
        found.ratios("galaxy")


def test_the_example_staff_is_of_communities(town: Any, grid: Grid) -> None:
    found = staffing(town.staff, grid)
    assert set(found.cells["status"]) == {"not covered"} and found.vacancies.empty
    assert found.ratios("community")["leaders"].min() > 0
    assert found.postings["post"].nunique() == len(town.staff)
    inside = grid.cells.geometry.iloc[0].representative_point()
    answer = who(grid, town.staff, inside.x, inside.y)
    assert set(answer["code"]) == {grid.cells["parent"].iloc[0]}
    assert answer["role"].iloc[0] == "leader"
    assert who(grid, town.staff, 0.0, 0.0).empty


def test_names_and_telephones_go_nowhere() -> None:
    grid = row_of_cells(2)
    table = roster(("a", "leader", "101000")).assign(name="某某", phone="13800000000")
    found = staffing(table, grid)
    for frame in (found.cells, found.posts, found.postings):
        text = frame.to_csv()
        assert "某某" not in text and "13800000000" not in text


def test_a_role_in_the_post_column_is_no_name() -> None:
    grid = row_of_cells(2)
    table = roster(("网格长", "网格长", "101000"), ("网格长", "网格长", "102001"))
    assert postings(table, grid)["post"].tolist() == ["#1", "#2"]


def test_rosters_name_places_as_street_offices_do() -> None:
    """Without codes the names are looked up; a column of posts may hold the roles."""
    grid = row_of_cells(4)
    named = pd.DataFrame({"cell_name": [grid.cells["name"].iloc[2]], "post": ["网格长"]})
    assert postings(named, grid)[["role", "code"]].values.tolist() == [["leader", "102002"]]
    by_place = pd.DataFrame({"community": ["东福社区"] * 2, "post": ["a", "b"], "role": "网格长"})
    assert postings(by_place, grid)["code"].tolist() == ["101", "101"]
    strange = staffing(by_place.assign(community=["东福社区", "南福社区"]), grid)
    assert strange.problems["value"].tolist() == ["南福社区"]


def test_bad_rosters_are_named() -> None:
    grid = row_of_cells(2)
    bad = [
        (roster(("a", "leader", "999")), "no place that the grid has; the first is '999'"),
        (roster(("a", "leader", "101000")).drop(columns="role"), "no column 'role'"),
        (roster(("a", "leader", "101000")).drop(columns="code"), "no column 'code'"),
    ]
    for table, message in bad:
        with pytest.raises(InputError, match=message):
            staffing(table, grid)


def test_panjin_and_licang_ratios() -> None:
    grid = row_of_cells(2880)
    posts = [(f"w{k}", "leader", grid.cells.index[k]) for k in range(2340)]
    table = staffing(roster(*posts), grid).ratios()
    assert round(table["workers_per_cell"].iloc[0], 2) == 0.81
    pilot = row_of_cells(8)
    people = [("leader", 8), ("assistant", 24), ("volunteer", 73)]
    posts = [(f"{role}{k}", role, pilot.cells.index[k % 8]) for role, n in people for k in range(n)]
    row = staffing(roster(*posts), pilot).ratios().iloc[0]
    assert (round(row["x_per_leader"], 1), round(row["y_per_leader"], 1)) == (3.0, 9.1)


def test_workload_of_equal_cells_is_one_whatever_the_weights() -> None:
    grid = row_of_cells(4)
    table = pd.DataFrame({"incidents": 7, "shops": 0}, index=grid.cells.index)
    found = workload(grid, table, weights={"households": 1, "incidents": 3, "shops": 2})
    assert found["load"].tolist() == pytest.approx([1.0] * 4)
    assert found.attrs["spread"]["cv"] == pytest.approx(0)
    assert found["share"].sum() == pytest.approx(1)


def test_workload_refuses_what_it_cannot_weigh() -> None:
    grid = row_of_cells(2)
    negative = pd.DataFrame({"incidents": [-1, 2]}, index=grid.cells.index)
    for options, message in (
        ({"weights": {"shops": 1}}, "names 'shops'"),
        ({"weights": {"households": -1}}, "from 0"),
        ({"measures": negative, "weights": {"incidents": 1}}, "negative incidents"),
    ):
        with pytest.raises(InputError, match=message):
            workload(grid, **options)  # type: ignore[arg-type]
