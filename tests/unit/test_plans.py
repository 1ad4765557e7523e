"""Alternatives side by side: each figure is what another way of counting finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.io.gridfile import write_grid
from gridmap.maps.maps import CHANGED, SHORT, plans_page
from tests.lattice import lattice


@pytest.fixture(scope="module")
def others(grid: Grid, town: Any) -> dict[str, Grid]:
    """Return a plan, the same cut anew, and the plan with two cells merged."""
    a, b = next(
        (a, b)
        for a, b in sorted(grid.contiguity.edges)
        if grid.cells.at[a, "parent"] == grid.cells.at[b, "parent"]
        and set(grid.cells.loc[[a, b], "kind"]) == {"residential"}
    )
    merged = gm.merge(grid, [a, b], approve="x")
    fresh = gm.partition(grid.units.drop(columns="code"), seed=5, quality="fast")
    return {"now": grid, "anew": fresh, "merged": merged}


def test_figures_agree_with_a_count_by_hand(others: dict[str, Grid]) -> None:
    table = gm.plans(others)
    assert list(table.loc[""].index) == list(others)
    for name, grid in others.items():
        homes = grid.cells.loc[grid.cells["kind"] == "residential"]
        row = table.loc[("", name)]
        assert row["cells"] == len(homes)
        assert row["in_band"] == sum(300 <= n <= 600 for n in homes["households"])
        assert row["households"] == grid.cells["households"].sum()
        assert row["spread"] == pytest.approx(
            np.std(homes["households"]) / homes["households"].mean()
        )
        shape = [4 * np.pi * g.area / g.length**2 for g in homes.geometry]
        assert row["compactness"] == pytest.approx(np.mean(shape))
        inner = sum(
            data["length"]
            for a, b, data in grid.contiguity.edges(data=True)
            if grid.cells.at[a, "parent"] == grid.cells.at[b, "parent"]
        )
        assert row["border_m"] == pytest.approx(inner, rel=0.01)
        assert 0 < row["on_streets"] < 1
        parts = table.drop("", level="area").xs(name, level="plan")
        for figure in ("cells", "in_band", "households", "border_m", "moved"):
            assert parts[figure].sum() == pytest.approx(row[figure])
    codes = [others[name].units["code"].astype(str).to_numpy() for name in ("now", "merged")]
    weight = others["now"].units["households"].to_numpy()
    assert table.at[("", "merged"), "moved"] == weight[codes[0] != codes[1]].sum() > 0
    assert table.at[("", "now"), "moved"] == 0
    against = gm.plans({"now": others["now"]}, present=others["merged"])
    assert against.at[("", "now"), "moved"] > 0


def test_units_without_blocks_say_nothing_of_streets(grid: Grid) -> None:
    bare = Grid(grid.cells, grid.boundary, grid.levels, jurisdictions=grid.jurisdictions)
    assert np.isnan(gm.plans({"a": bare}).at[("", "a"), "on_streets"])
    with pytest.raises(InputError, match="at least one"):
        gm.plans({})


def test_the_command_writes_page_workbook_and_json(others: dict[str, Grid], tmp_path: Path) -> None:
    paths = []
    for name, grid in others.items():
        paths.append(str(tmp_path / f"{name}.gpkg"))
        write_grid(grid, paths[-1])
    page, book = tmp_path / "plans.html", tmp_path / "plans.xlsx"
    for out in (page, book):
        ran = CliRunner().invoke(main, ["--lang", "zh", "plans", *paths, "-o", str(out)])
        assert ran.exit_code == 0, ran.output
        assert len(ran.stdout.splitlines()) == 3
    text = page.read_text("utf-8")
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert all(name in text for name in others) and "并列" in text
    table = pd.read_excel(book, engine="openpyxl")
    assert len(table) == 3 * (1 + len(others["now"].jurisdictions))
    ran = CliRunner().invoke(main, ["plans", *paths, "--json"])
    document = json.loads(ran.stdout)
    assert document["schema"] == "gridmap.plans/1" and len(document["plans"]) == len(table)
    twice = CliRunner().invoke(main, ["plans", paths[0], paths[0]])
    assert twice.exit_code == 2


def test_the_page_lists_what_differs_and_rings_what_changed(others: dict[str, Grid]) -> None:
    pair = {name: others[name] for name in ("now", "merged")}
    page = plans_page(gm.plans(pair), pair, present=("now", pair["now"]), lang="en")
    pictures = page.split("<figure>")[1:]
    rings = [picture.split("</figure>")[0].count(CHANGED) for picture in pictures]
    assert rings == [0, 1]
    same = dict.fromkeys(("now", "again"), pair["now"])
    alone = plans_page(gm.plans(same), same, present=("now", pair["now"]), lang="en")
    assert "Another cell than" in page and "Another cell than" not in alone
    table = gm.plans(pair)
    differ = [
        code
        for code in table.index.get_level_values("area").unique()
        if code and table.loc[code].round(3).drop_duplicates().shape[0] > 1
    ]
    communities = len(pair["now"].jurisdictions)
    assert 0 < len(differ) < communities
    listed = re.findall(r"<small>(\d+)</small>", page)
    assert listed == differ
    assert f"{communities - len(differ):,} jurisdictions are alike in all plans" in page


def test_of_two_figures_that_read_alike_none_is_the_best(others: dict[str, Grid]) -> None:
    pair = {name: others[name] for name in ("now", "merged")}
    page = plans_page(gm.plans(pair), pair, present=("now", pair["now"]), lang="en")
    rows = re.findall(r"<tr><td>[^<]*</td>(.*?)</tr>", page)
    for row in rows:
        texts = re.findall(r"<td[^>]*>([^<]*)</td>", row)
        if len(set(texts)) == 1:
            assert 'class="best"' not in row
    assert any('class="best"' in row for row in rows)


def test_cells_outside_the_band_are_ringed_however_small() -> None:
    homes = np.where(np.arange(900) % 300, 400, 700)
    grid = lattice(30, 30, homes)
    pair = {"now": grid, "again": grid}
    page = plans_page(gm.plans(pair), pair, present=("now", grid), lang="en")
    for picture in page.split("<figure>")[1:]:
        assert picture.split("</figure>")[0].count(f'stroke="{SHORT}"') == 3
