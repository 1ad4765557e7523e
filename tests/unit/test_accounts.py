"""The accounts of five cities, each run on a made-up city of the same shape."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

import gridmap as gm
from gridmap.examples import shaped_city
from gridmap.incidents.cases import funnel
from gridmap.incidents.indicators import indicators, ranking
from gridmap.incidents.recurrence import duplicates, recheck, recurrence
from gridmap.operations.households import account, workload
from gridmap.operations.patrol import patrol_hours, street_posts
from gridmap.operations.rollout import rollout
from gridmap.operations.staffing import staffing
from gridmap.partitioning.edit import with_numbers

LEVELS = ["district", "street", "community"]
OWN = {"暴露垃圾", "非法小广告", "道路不洁", "共享单车乱停放"}
PASSED_UP = {"井盖破损", "路面破损", "线杆倾斜", "违规户外广告牌", "占道经营"}


def cases(total: int, closed: int, codes: list[str], seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Make cases in random cells, of which so many are closed."""
    rng = np.random.default_rng(seed)
    status = np.where(np.arange(total) < closed, "结案", "处置")
    return pd.DataFrame({"code": rng.choice(codes, total), "status": status, **columns})


def exact_shares(total: int, weight: pd.Series, most: pd.Series) -> pd.Series:
    """Share a number out one by one, to whom has most weight a share and room for another."""
    shares = pd.Series(1, index=weight.index)
    for _ in range(total - len(shares)):
        shares[(weight / shares).where(shares < most).idxmax()] += 1
    return shares


class TestJingbalu:
    """Three levels of cells; 71,219 problems, 70,086 closed; who settles what."""

    def test_roll_up_agrees_at_each_level(self, grid: gm.Grid) -> None:
        for level in LEVELS:
            table = grid.at(level)
            assert table["cells"].sum() == len(grid)
            assert table["households"].sum() == grid.cells["households"].sum()
        placed = cases(71_219, 70_086, list(grid.cells.index))
        for level in LEVELS:
            assert gm.tally(placed, grid, level=level)["incidents"].sum() == 71_219

    def test_closure_rates_are_those_published(self, grid: gm.Grid) -> None:
        # The account closes more other problems than it finds (3,180 of 3,147), so that old ones
        # must be among them: the two rates cannot be told from one table.
        codes = list(grid.cells.index)
        for found, closed, percent in ((71_219, 70_086, 98.41), (68_072, 66_906, 98.29)):
            table = indicators(cases(found, closed, codes))
            assert round(table.loc["closure", "rate"] * 100, 2) == percent

    def test_cells_settle_the_small_things_and_pass_up_the_rest(self, town: Any) -> None:
        levels = town.incidents.groupby("subcategory")["handling_level"].agg(lambda s: s.mode()[0])
        assert all(levels[kind] == "网格" for kind in OWN & set(levels.index))
        assert all(levels[kind] != "网格" for kind in PASSED_UP & set(levels.index))
        assert set(levels.index) >= OWN and len(PASSED_UP & set(levels.index)) >= 3


class TestJianzhong:
    """1+X+Y, the patrol's day, and problems reported twice."""

    def test_cells_without_leader_are_found(self, town: Any, grid: gm.Grid) -> None:
        codes = list(grid.cells.index)
        dealt = [codes[k % len(codes)] for k in range(len(town.staff))]
        found = staffing(town.staff.assign(code=dealt).sort_values("role"), grid)
        assert (found.cells["leaders"] + found.cells["x"] + found.cells["y"]).sum() == len(
            found.postings
        )
        vacant = found.cells.index[0]
        left = found.postings[found.postings["code"] != vacant].drop(columns="level")
        again = staffing(left, grid)
        assert again.cells.loc[vacant, "status"] == "unstaffed"

    def test_a_day_of_patrol_covers_all_hours(self, town: Any, grid: gm.Grid) -> None:
        found = patrol_hours(town.incidents, grid)
        inside = len(town.incidents) - found.attrs["outside"]
        assert found.to_numpy().sum() == inside
        assert (found.sum() > 0).all()

    def test_double_reports_are_linked_and_counted_once(self, town: Any) -> None:
        found = duplicates(
            town.incidents, metres=25, hours=24, same=["subcategory"], across_sources=True
        )
        linked = found["duplicate_of"].notna()
        assert linked.sum() >= 0.01 * len(town.incidents)
        original = town.incidents.loc[found.loc[linked, "duplicate_of"], "source"].to_numpy()
        assert (original != town.incidents.loc[linked, "source"].to_numpy()).all()


@pytest.fixture(scope="module")
def panjin() -> dict[str, Any]:
    """Make 56 towns with 516 villages, and cut them into 2,880 cells, so many in each village."""
    city = shaped_city(4, 56, 516, seed=0, households=600)
    areas = city.jurisdictions.assign(city="云川市")
    units = gm.subdivide(
        areas, city.buildings, barriers=city.barriers, levels=["city", *LEVELS], code="code"
    )
    villages = units.groupby("parent")["households"]
    wanted = exact_shares(2880, villages.sum().clip(lower=1), villages.size())
    drawn = gm.partition(units, households=(60, 240), cells=wanted, seed=0, quality="fast")
    grid = with_numbers(drawn, wanted, approve="按村组数设置")
    return {"city": city, "grid": grid, "wanted": wanted}


class TestPanjin:
    """City > county > 56 towns > 516 villages > 2,880 cells, 2,340 workers."""

    def test_the_counts_are_exact(self, panjin: dict[str, Any]) -> None:
        grid = panjin["grid"]
        assert grid.levels == ("city", *LEVELS)
        assert [len(grid.at(level)) for level in grid.levels] == [1, 4, 56, 516]
        assert len(grid) == 2880
        assert grid.cells.groupby("parent").size().to_dict() == panjin["wanted"].to_dict()

    def test_no_group_and_no_household_is_left_out(self, panjin: dict[str, Any]) -> None:
        city, grid = panjin["city"], panjin["grid"]
        found = account(city.buildings, grid)
        assert found.cells["households"].sum() == city.buildings["households"].sum()
        assert grid.proof.verdict == "exact"

    def test_cells_below_the_band_are_explained(self, panjin: dict[str, Any]) -> None:
        grid = panjin["grid"]
        low, high = grid.band
        outside = grid.cells.index[~grid.cells["households"].between(low, high)]
        assert set(outside) <= set(grid.exceptions["code"])
        assert grid.exceptions["reason"].str.len().gt(0).all()

    def test_workers_and_funnel(self, panjin: dict[str, Any]) -> None:
        grid = panjin["grid"]
        codes = list(grid.cells.index)
        roster = pd.DataFrame({"code": codes[:2340], "role": "leader"})
        assert round(staffing(roster, grid).ratios()["workers_per_cell"].iloc[0], 2) == 0.81
        table = cases(24_723, 24_723, codes)
        table["handling_level"] = np.where(np.arange(24_723) < 24_588, "自行处理", "联合处置")
        found = funnel(table, of="handling_level")
        assert found["cases"].tolist() == [24_588, 0, 0, 135]
        assert round(found["share"].iloc[0] * 100, 2) == 99.45
        rates = indicators(table)["rate"]
        assert rates["closure"] == 1 and round(rates["self_handled"] * 100, 2) == 99.45

    def test_each_street_has_its_chief(self, town: Any, grid: gm.Grid) -> None:
        roads = town.barriers[town.barriers["kind"].isin(["street", "arterial"])]
        found = street_posts(grid, roads, town.staff)
        assert not found["segment"].duplicated().any()
        assert (found["post"] != "").mean() > 0.9


@pytest.fixture(scope="module")
def micro(grid: gm.Grid) -> dict[str, gm.Grid]:
    """Cut the cells of one street into micro-cells of 160-255 households."""
    street = rollout(grid, [grid.at("street").index[0]], level="street")
    made = gm.partition(
        gm.units_within(street), households=(160, 255), seed=0, scheme="{parent}{sequence:02d}"
    )
    return {"cells": street, "micro": made}


class TestGuancheng:
    """Micro-cells under cells, four levels of handling, rechecks, snapshots, hotspots."""

    def test_micro_cells_extend_their_cells(self, micro: dict[str, gm.Grid]) -> None:
        made = micro["micro"].cells
        assert all(code.startswith(parent) for code, parent in made["parent"].items())
        assert made.index.str.len().unique().tolist() == [17]
        homes = micro["cells"].cells["households"]
        total = made.groupby("parent")["households"].sum()
        assert total.to_dict() == homes[total.index].to_dict()

    def test_micro_cells_are_proved_in_their_cells(self, micro: dict[str, gm.Grid]) -> None:
        made, cells = micro["micro"], micro["cells"].cells
        parents = cells.loc[cells["kind"] == "residential", ["geometry"]]
        found = gm.validate(made.cells, made.boundary, parents=parents, parent_column="parent")
        assert found.empty
        assert {parent.verdict for parent in made.proof.parents} == {"exact"}
        assert len(made.proof.parents) == len(parents)

    def test_what_does_not_fit_is_certified(self, micro: dict[str, gm.Grid]) -> None:
        made = micro["micro"]
        outside = made.cells.index[~made.cells["households"].between(160, 255)]
        assert set(outside) <= set(made.exceptions["code"])

    def test_levels_of_handling(self, grid: gm.Grid) -> None:
        table = cases(439, 406, list(grid.cells.index))
        table["handling_level"] = np.where(np.arange(439) < 55, "区级联动", "微网格")
        assert round(indicators(table).loc["closure", "rate"] * 100, 1) == 92.5
        assert funnel(table, of="handling_level")["cases"].tolist() == [384, 0, 0, 55]
        assert indicators(table).loc["escalated", ["numerator", "denominator"]].tolist() == [
            55,
            439,
        ]

    def test_snapshots_of_citizens_reach_their_cell(self, town: Any, grid: gm.Grid) -> None:
        sent = town.incidents[town.incidents["source"] == "随手拍"]
        phones = sent[["lng", "lat"]].rename(columns={"lng": "x", "lat": "y"})
        by_phone = gm.assign(pd.DataFrame(phones), grid, datum="gcj02")["code"].astype(object)
        truly = gm.assign(sent, grid)
        sure = truly["status"] == "inside"
        assert sure.sum() > 50
        assert (by_phone[sure] == truly.loc[sure, "code"].astype(object)).mean() > 0.99

    def test_problems_that_come_back_are_listed(self, town: Any, grid: gm.Grid) -> None:
        placed = gm.assign(town.incidents, grid)
        again = recurrence(placed, days=30, metres=50)
        listed = recheck(placed, again)
        assert (again["follows"].notna()).any()
        assert (listed["frequent"] | listed["repeated"]).all()

    def test_planted_hotspots_are_found(self, town: Any, grid: gm.Grid) -> None:
        placed = gm.assign(town.incidents, grid)
        spots = gm.hotspots(gm.tally(placed, grid), grid)
        hot = set(spots.index[spots["bin"] > 0])
        truth = town.truth[town.truth["kind"] == "hotspot"]
        cells = gpd.sjoin(grid.cells, truth, predicate="intersects").index
        assert hot <= {code for cell in cells for code in [cell, *grid.contiguity[cell]]}


@pytest.fixture(scope="module")
def licang() -> dict[str, Any]:
    """Make 121 communities and their grid."""
    city = shaped_city(1, 6, 121, seed=1, households=900)
    units = gm.subdivide(
        city.jurisdictions, city.buildings, barriers=city.barriers, levels=LEVELS, code="code"
    )
    grid = gm.partition(units, households=(300, 600), seed=0, quality="fast")
    return {"city": city, "grid": grid}


class TestLicang:
    """300-600 households, leaders by difficulty, 12 pilots of 121 communities, ranking."""

    def test_the_band_is_kept_wherever_it_can_be(self, licang: dict[str, Any]) -> None:
        cells, exceptions = licang["grid"].cells, licang["grid"].exceptions
        outside = cells.index[~cells["households"].between(300, 600)]
        assert set(outside) == set(exceptions["code"])

    def test_twelve_pilots_then_all(self, licang: dict[str, Any]) -> None:
        grid = licang["grid"]
        assert len(grid.jurisdictions) == 121
        pilots = list(grid.jurisdictions.index[:12])
        first = rollout(grid, pilots)
        assert len(first.jurisdictions) == 12 and first.proof.verdict == "exact"
        assert gm.validate(first.cells, first.boundary).empty
        assert set(first.cells.index) <= set(grid.cells.index)

    def test_leaders_by_difficulty(self, licang: dict[str, Any]) -> None:
        grid, city = licang["grid"], licang["city"]
        counts = gm.tally(gm.assign(city.incidents, grid), grid)
        plain = workload(grid)
        weighted = workload(grid, counts, weights={"households": 1, "incidents": 1})
        assert weighted.attrs["spread"]["cv"] > 0
        assert plain["load"].mean() == pytest.approx(1) == weighted["load"].mean()
        assert (plain["load"].rank() != weighted["load"].rank()).any()

    def test_ratios_are_those_published(self, licang: dict[str, Any]) -> None:
        pilot = rollout(licang["grid"], list(licang["grid"].jurisdictions.index[:12]))
        codes = list(pilot.cells.index)
        people = ["leader"] * 8 + ["staff"] * 24 + ["informant"] * 73
        roster = pd.DataFrame(
            {"role": people, "code": [codes[k % len(codes)] for k in range(len(people))]}
        )
        row = staffing(roster, pilot).ratios().iloc[0]
        assert (round(row["x_per_leader"], 1), round(row["y_per_leader"], 1)) == (3.0, 9.1)

    def test_streets_are_ranked_each_month(self, licang: dict[str, Any]) -> None:
        grid, city = licang["grid"], licang["city"]
        placed = gm.assign(city.incidents, grid)
        table = city.incidents.assign(
            street=placed["code"].astype(object).map(grid.cells["street"].to_dict())
        )
        homes = grid.cells.groupby("street")["households"].sum()
        for _, month in table.dropna(subset="street").groupby(table["time"].dt.month):
            found = ranking(month, homes)
            assert set(found.index) == set(homes.index)
            assert found["rank"].dropna().is_monotonic_increasing
            assert found["reported"].sum() == len(month)

    def test_components_and_events_are_told_apart(self, licang: dict[str, Any]) -> None:
        from gridmap.examples.incidents import dictionary

        kinds = dictionary().set_index("subcategory")["kind"]
        table = licang["city"].incidents.assign(kind=lambda t: t["subcategory"].map(kinds))
        assert set(table["kind"]) == {"部件", "事件"}
        parts = indicators(table, by="kind").xs("acceptance", level="indicator")
        assert parts["denominator"].sum() == len(table)
