"""Changes by hand keep every promise of the Grid."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap import Grid
from gridmap.errors import InputError
from gridmap.operations.rollout import rollout
from gridmap.partitioning.edit import merge, move, split, with_numbers

CRS = 4547
SIDE = 6  # units a side; two communities of 3 columns each, three cells of two rows in each


def squares(households: int = 75) -> gpd.GeoDataFrame:
    """Lay units in a square, with the cell and community of each."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    parent = np.where(x < SIDE // 2, "101", "102")
    row = (SIDE - 1 - y) // 2 + 1
    return gpd.GeoDataFrame(
        {
            "parent": parent,
            "community": np.where(x < SIDE // 2, "东福社区", "西福社区"),
            "households": households,
            "code": [f"{p}{r:03d}" for p, r in zip(parent, row, strict=True)],
        },
        geometry=shapely.box(x * 100, y * 100, x * 100 + 100, y * 100 + 100),
        crs=CRS,
    )


def make_plan() -> Grid:
    """Make a grid of six cells of six units, 450 households each."""
    units = squares()
    shape = units.groupby("code").geometry.agg(lambda g: shapely.coverage_union_all(g.values))
    table = units.groupby("code").agg(parent=("parent", "first"), households=("households", "sum"))
    cells = gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shape, crs=CRS))
    areas = units.dissolve("parent", method="coverage")[["community", "geometry"]]
    return Grid(
        cells,
        shapely.coverage_union_all(units.geometry.values),
        ["community"],
        jurisdictions=areas,
        units=units,
        parameters={"min": 300, "max": 600},
    )


@pytest.fixture
def plan() -> Grid:
    """Return the plan that each test starts from."""
    return make_plan()


def unit_at(grid: Grid, x: int, y: int) -> int:
    """Return the label of the unit in a column and row."""
    units = grid.units
    return int(units.index[units.contains(shapely.Point(x * 100 + 50, y * 100 + 50))][0])


def same_shapes(old: Grid, new: Grid, codes: list[str]) -> bool:
    """Tell whether cells kept every coordinate."""
    pair = (grid.cells.geometry[codes].values for grid in (old, new))
    return bool(shapely.equals_identical(*pair).all())


def test_a_moved_unit_changes_two_cells_only(plan: Grid) -> None:
    changed = move(plan, unit_at(plan, 0, 3), "101001")
    assert changed.cells["households"].to_dict() == {
        "101001": 525, "101002": 375, "101003": 450, "102001": 450, "102002": 450, "102003": 450,
    }  # fmt: skip
    assert same_shapes(plan, changed, ["101003", "102001", "102002", "102003"])
    assert changed.proof.verdict == "exact"
    assert plan.cells["households"].eq(450).all(), "the old grid stays"
    assert changed.units.loc[unit_at(plan, 0, 3), "code"] == "101001"


def test_moves_that_break_a_promise_are_refused(plan: Grid) -> None:
    with pytest.raises(InputError, match="several pieces"):
        move(plan, unit_at(plan, 0, 0), "101001")
    with pytest.raises(InputError, match="lie in 2 jurisdictions"):
        move(plan, unit_at(plan, 2, 3), "102001")
    with pytest.raises(InputError, match="no unit 999"):
        move(plan, 999, "101001")
    with pytest.raises(InputError, match="no cell '7'"):
        move(plan, 0, "7")
    with pytest.raises(InputError, match="in cell 101003 already"):
        move(plan, 0, "101003")


def test_leaving_the_band_needs_a_reason(plan: Grid) -> None:
    with pytest.raises(InputError, match="900 households, outside 300-600"):
        merge(plan, ["101001", "101002"])
    merged = merge(plan, ["101001", "101002"], approve="同一小区")
    row = merged.exceptions.iloc[0]
    assert (row["code"], row["households"], row["reason"]) == ("101002", 900, "同一小区")
    assert row["approved"]


def test_a_merged_code_is_retired_and_never_comes_back(plan: Grid) -> None:
    merged = merge(plan, ["101001", "101002"], approve="试点", on="2026-07-01")
    assert merged.retired[["code", "valid_to"]].values.tolist() == [["101001", "2026-07-01"]]
    upper = [unit_at(plan, x, y) for x in range(3) for y in (4, 5)]
    again = split(merged, "101002", [upper], on="2026-08-01")
    assert again.cells["valid_from"].value_counts().to_dict() == {"": 5, "2026-08-01": 1}
    assert set(again.cells.index) == {"101002", "101003", "101004", "102001", "102002", "102003"}
    third = merge(again, ["101002", "101004"], approve="试点", on="2026-09-01")
    ends = third.retired.set_index("code")["valid_to"].to_dict()
    assert ends == {"101001": "2026-07-01", "101002": "2026-09-01"}
    assert set(third.retired["valid_from"]) == {""}, "they stood from the beginning"
    assert again.exceptions.empty, "both are in the band again"
    assert again.cells.loc["101004", "name"] == "东福社区第四网格"


def test_split_gives_the_larger_part_the_code(plan: Grid) -> None:
    few = [unit_at(plan, 0, 5), unit_at(plan, 0, 4)]
    found = split(plan, "101001", [few], approve="河流分隔")
    assert found.cells.loc["101001", "households"] == 300
    assert found.cells.loc["101004", "households"] == 150
    assert found.exceptions["code"].tolist() == ["101004"]
    assert len(found) == len(plan) + 1


def test_splits_that_make_no_sense_are_refused(plan: Grid) -> None:
    own = unit_at(plan, 0, 5)
    with pytest.raises(InputError, match="is not in cell 101001"):
        split(plan, "101001", [[unit_at(plan, 5, 0)]])
    with pytest.raises(InputError, match="in two groups"):
        split(plan, "101001", [[own], [own]])
    with pytest.raises(InputError, match="leaves cell 101001 whole"):
        split(plan, "101001", [])
    with pytest.raises(InputError, match="several pieces"):
        split(plan, "101001", [[own, unit_at(plan, 2, 4)]], approve="x")


def test_merging_what_does_not_touch_is_refused(plan: Grid) -> None:
    with pytest.raises(InputError, match="several pieces"):
        merge(plan, ["101001", "101003"], approve="x")
    with pytest.raises(InputError, match="names 1 cell"):
        merge(plan, ["101001"])


def test_emptying_a_cell_is_refused() -> None:
    units = gpd.GeoDataFrame(
        {"parent": "1", "households": [300, 300], "code": ["1001", "1002"]},
        geometry=shapely.box([0, 5], 0, [5, 10], 5),
        crs=CRS,
    )
    cells = units.set_index("code")
    grid = Grid(cells, shapely.coverage_union_all(units.geometry.values), units=units)
    with pytest.raises(InputError, match="would be empty; merge it"):
        move(grid, 1, "1001")


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.integers(0, 35), st.sampled_from(range(1, 4))), max_size=6))
def test_any_chain_of_moves_keeps_households_and_ground(steps: list[tuple[int, int]]) -> None:
    grid = make_plan()
    boundary = grid.proof.boundary_hash
    for unit, row in steps:
        target = f"{grid.units.at[unit, 'parent']}{row:03d}"
        try:
            grid = move(grid, unit, target)
        except InputError:
            continue
        assert grid.cells["households"].sum() == 36 * 75
        assert grid.cells["households"].between(300, 600).all()
        assert grid.proof.boundary_hash == boundary


def test_rollout_is_a_proved_grid_of_its_own(plan: Grid) -> None:
    part = rollout(plan, ["101"])
    assert part.proof.verdict == "exact"
    assert set(part.cells["parent"]) == {"101"} and len(part) == 3
    assert shapely.area(part.boundary) == pytest.approx(shapely.area(plan.boundary) / 2)
    assert len(rollout(plan, ["东福社区", "西福社区"], level="community")) == len(plan)
    assert set(part.units["code"]) == set(part.cells.index)
    with pytest.raises(InputError, match="'nowhere'"):
        rollout(plan, ["nowhere"])
    with pytest.raises(InputError, match="`areas` is empty"):
        rollout(plan, [])
    with pytest.raises(InputError, match="`level` is 'galaxy'"):
        rollout(plan, ["101"], level="galaxy")


def test_merging_across_communities_is_refused(plan: Grid) -> None:
    with pytest.raises(InputError, match="no cell may cross one"):
        merge(plan, ["101001", "102001"], approve="x")


def test_tables_without_exceptions_keep_their_columns(plan: Grid) -> None:
    changed = move(plan, unit_at(plan, 0, 3), "101001")
    pd.testing.assert_index_equal(changed.exceptions.columns, plan.exceptions.columns)
    pd.testing.assert_index_equal(changed.retired.columns, plan.retired.columns)


def test_numbers_are_met_by_splitting_and_merging(plan: Grid) -> None:
    more = with_numbers(plan, {"101": 5}, approve="按村要求")
    assert more.cells.groupby("parent").size().to_dict() == {"101": 5, "102": 3}
    assert {"101001", "101002", "101003"} <= set(more.cells.index)
    assert set(more.exceptions["code"]) == set(
        more.cells.index[~more.cells["households"].between(300, 600)]
    )
    back = with_numbers(more, {"101": 3})
    assert len(back) == 6 and back.exceptions.empty
    assert not set(back.retired["code"]) & set(back.cells.index)
    assert same_shapes(plan, back, ["102001", "102002", "102003"])


@given(number=st.integers(1, 18))
@settings(max_examples=18, deadline=None)
def test_any_possible_number_is_met(number: int) -> None:
    grid = with_numbers(make_plan(), {"101": number}, approve="x")
    assert (grid.cells["parent"] == "101").sum() == number
    assert grid.cells["households"].sum() == 36 * 75
    assert grid.units.groupby("code").size().sum() == 36


def test_wanted_numbers_that_already_hold_change_nothing(plan: Grid) -> None:
    assert with_numbers(plan, {"101": 3, "102": 3}) is plan


def test_impossible_numbers_are_refused(plan: Grid) -> None:
    with pytest.raises(InputError, match="asks for 19 cells in 101, which has 18 units"):
        with_numbers(plan, {"101": 19}, approve="x")
    with pytest.raises(InputError, match="'nowhere', which is no jurisdiction"):
        with_numbers(plan, {"nowhere": 1})
    with pytest.raises(InputError, match="outside 300-600"):
        with_numbers(plan, {"101": 4})
