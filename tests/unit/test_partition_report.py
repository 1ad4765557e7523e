"""The report of a partition: every figure is one that can be counted again."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

import gridmap as gm
from gridmap.partitioning.report import report, wish_costs
from tests.lattice import lattice
from tests.unit.test_partition import row, town


def test_figures_can_be_counted_again() -> None:
    units = town(12, 3)
    units["block"] = units.index // 40
    grid = gm.partition(units)
    made = report(grid)
    document = made.as_dict()
    assert document["schema"] == "gridmap.partition/1"
    assert document["cells"] == document["residential"] == len(grid)
    assert sum(document["histogram"].values()) == len(grid)
    assert document["households_out"] == units["households"].sum()
    inner = grid.cells.geometry.length.sum() - grid.jurisdictions.geometry.length.sum()
    assert document["internal_boundary_m"] == pytest.approx(inner / 2, abs=0.01)
    assert 0 < document["on_barriers_m"] < document["internal_boundary_m"]
    assert made.communities["verdict"].tolist() == ["solved"] * 3
    assert made.communities["cells"].sum() == len(grid)


@pytest.mark.parametrize("latitude", [0, 25, 52])
def test_lengths_and_shapes_of_a_grid_in_degrees_are_those_of_the_ground(latitude: int) -> None:
    """Two squares on the ground beside each other, and two one above the other."""
    geod = pyproj.Geod(ellps="GRS80")
    east = geod.fwd(120, latitude, 90, 100)[0] - 120
    north = geod.fwd(120, latitude, 0, 100)[1] - latitude
    x, y = 120 + east * np.array([0, 1, 0, 1]), latitude + north * np.array([0, 0, 1, 1])
    squares = shapely.box(x, y, x + east, y + north)
    for a, b in (squares[[0, 1]], squares[[0, 2]]):
        cells = gpd.GeoDataFrame(
            {"code": ["A1", "A2"], "area": "A", "households": 350}, geometry=[a, b], crs=4490
        )
        grid = gm.adopt(cells, cells.union_all("coverage"), code="code", levels=["area"])
        document = report(grid).as_dict()
        border = geod.geometry_length(shapely.intersection(a, b))
        assert border == pytest.approx(100, rel=1e-3)
        assert document["internal_boundary_m"] == pytest.approx(border, abs=0.002)
        assert document["polsby_popper_mean"] == pytest.approx(np.pi / 4, rel=1e-3)


def test_jurisdictions_are_called_by_name_and_code_wherever_people_read() -> None:
    """A jurisdiction without a name of its own is called by its code."""
    units = row(100, 300, 300, parent=["A", "B", "B"], community=["Hill", "Riverside", "Riverside"])
    units.attrs["levels"] = ["community"]
    grid = gm.partition(units, cells=pd.Series({"B": 7}), lang="en")
    said = "join the community with Riverside (B) (700 households together)"
    assert said in grid.exceptions["options"].iloc[0].split("\n")
    assert said in gm.feasibility(units, lang="en").loc["A", "options"].split("\n")
    assert grid.exceptions["parent"].tolist() == ["A"]
    page, chinese = report(grid).html("en"), report(grid).html("zh")
    assert said in page and "Riverside (B): 2 for 7" in page
    assert chinese.count("Riverside（B）") == 2
    for bare in (units.drop(columns="community"), units.assign(community=units["parent"])):
        (options,) = gm.partition(bare, lang="en").exceptions["options"]
        assert "join the community with B (700" in options


def test_verdicts_tell_approved_from_certified() -> None:
    units = row(100, 150)
    assert report(gm.partition(units)).communities["verdict"].tolist() == ["certified"]
    approved = gm.partition(units, approved=["001"])
    assert report(approved).communities["verdict"].tolist() == ["approved"]
    assert approved.exceptions["approved"].tolist() == [True]
    kept = gm.partition(units, keep=approved)
    assert kept.exceptions["approved"].tolist() == [True]


def test_the_page_speaks_both_languages_and_escapes_names() -> None:
    grid = gm.partition(row(100, 900, name=["", "<b>Tower</b>"]), lang="en")
    page = report(grid).html("en")
    assert "Unit &lt;b&gt;Tower&lt;/b&gt; alone has 900 households" in page
    assert "Partition report" in page
    assert "网格划分报告" in report(grid).html("zh")


def test_what_a_wish_costs_is_what_the_cut_without_it_is() -> None:
    units = town(12, 3)
    units["block"] = units.index // 40
    grid = gm.partition(units, seed=3)
    made, even, road = wish_costs(grid, units, seed=3)
    assert [made["cut"], even["cut"], road["cut"]] == [
        "made", "without_balance", "without_road_preference",
    ]  # fmt: skip
    without = report(gm.partition(units, seed=3, balance=0)).as_dict()
    assert even["cv"] == without["loads"]["cv"] > made["cv"]
    assert even["polsby_popper_mean"] == without["polsby_popper_mean"]
    assert road["on_barriers"] < made["on_barriers"]
    page = report(grid, wishes=[made, even, road]).html("en")
    assert "without balance" in page and "What the wishes cost" not in report(grid).html("en")
    lone = gm.partition(units.drop(columns="block"), balance=0)
    assert [one["cut"] for one in wish_costs(lone, units.drop(columns="block"))] == ["made"]


def test_counts_whose_sum_doubles_cannot_hold_are_refused_and_none_wraps_around():
    units = row(2**40, 200)
    assert gm.feasibility(units)["households"].tolist() == [2**40 + 200]
    for count in (2**63 - 1, 2**62, 1e300):
        homes = units.assign(households=[count, 200])
        with pytest.raises(gm.InputError, match="column 'households' is too large in 1 of 2 rows"):
            gm.feasibility(homes)
        with pytest.raises(gm.InputError, match="column 'households' is too large in 1 of 2 rows"):
            gm.subdivide(units.dissolve(), homes.set_geometry(homes.centroid))


def test_a_parent_of_blanks_is_no_jurisdiction():
    units = row(300, 300).assign(parent=["A", " "])
    with pytest.raises(gm.InputError, match="`parent` is missing in 1 unit, first in unit 1"):
        gm.feasibility(units)


def test_the_upper_end_of_the_band_is_no_bar_outside_it() -> None:
    """A bar is red where all its cells are outside the band, and the others hold none of these."""
    page = report(gm.partition(row(600, 620))).html("en")
    bars = re.findall(r'<div( class="off")?>(\d+)<i', page)
    assert bars == [("", "1"), (' class="off"', "1")]


def test_bars_are_as_fine_as_the_band_and_numbers_leave_the_map_free() -> None:
    fine = row(*[35, 45] * 30, *[150] * 41)
    page = report(gm.partition(fine, households=(40, 110))).html("en")
    bars = re.findall(r"<div( class=\"off\")?>(\d*)<i.*?</div>", page)
    labels = re.findall(r"<span>(\d+)\+?</span>", page)
    off = [int(low) for low, (out, count) in zip(labels, bars, strict=True) if out and count]
    assert off and not any(40 <= low < 110 for low in off)
    assert 'class="mark"' not in page and 'class="number"' not in page


def test_cells_without_households_have_no_spread() -> None:
    made = report(lattice(4, 4, 0))
    assert made.spread() == [] and json.dumps(made.as_dict(), allow_nan=False)
    assert "nan" not in re.sub(r"<style.*</style>", "", made.html("en"), flags=re.DOTALL)
    assert "None on record." in made.html("en")
    assert "Whole area" in report(lattice(4, 4, 400)).html("en")


def test_nothing_is_said_of_barriers_where_none_are_known() -> None:
    shown = r"<tr><th>of which on barriers \(m\)</th><td class=\"n\">(.*?)</td>"
    units = town(12, 3)
    assert re.findall(shown, report(gm.partition(units)).html("en")) == ["–"]
    units["block"] = units.index // 40
    assert re.findall(shown, report(gm.partition(units)).html("en")) != ["–"]


def test_a_long_tail_of_the_histogram_is_told_by_its_last_bar() -> None:
    grid = gm.partition(row(*[310] * 4, 5000))
    page = report(grid).html("en")
    bars = re.findall(r"<span>([\d,]+\+?)</span>", page)
    assert 2 < len(bars) <= 13 and bars[0] == "300" and bars[-1].endswith("+")
    counts = re.findall(r'<div(?: class="off")?>(\d*)<i style', page)
    assert sum(int(n) for n in counts if n) == len(grid)


def test_exceptions_lead_to_the_page_to_redraw_them_where_there_is_one() -> None:
    grid = gm.partition(row(100, 900))
    code = grid.exceptions["code"].iloc[0]
    assert "<a " not in report(grid).html("en")
    page = report(grid).html("en", edit="javascript:alert(1)//方案 1.html")
    links = re.findall(r'href="([^"]*)"', page)
    assert f"javascript%3Aalert%281%29//{quote('方案')}%201.html#{code}" in links
    assert all("javascript:" not in link for link in links)
