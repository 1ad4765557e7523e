"""What can be searched on a page: compounds, buildings and addresses, and never a person."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import geopandas as gpd
import pytest
import shapely

import gridmap as gm
from gridmap.maps import scene


def listed(found: dict[str, Any]) -> dict[str, set[int]]:
    """Return the places by their texts, read as the browser reads them."""
    before, out = "", {}
    for coded, at in zip(found["texts"], found["at"], strict=True):
        before = before[: int(coded[0], 36)] + coded[1:]
        out[before] = set(at)
    return out


@pytest.fixture(scope="module")
def known(grid: gm.Grid, town: Any) -> gm.Grid:
    """Return the tiny grid with its buildings, which bear compounds and addresses."""
    numbers = range(1, len(town.buildings) + 1)
    addresses = [f"人民路{k}号 3单元502室" for k in numbers]
    return grid.with_buildings(town.buildings.assign(address=addresses))


def test_each_place_is_in_the_cells_that_hold_its_buildings(known: gm.Grid, town: Any) -> None:
    found = listed(scene.places(known, known.cells.geometry.to_numpy(), "en"))
    placed = gm.assign(town.buildings, known)
    number = known.cells.index.get_indexer(placed["code"])
    wanted = defaultdict(set)
    for compound, cell in zip(town.buildings["compound"].fillna(""), number, strict=True):
        wanted[compound] |= {cell}
    compounds = [name for name in wanted if name]
    assert len(compounds) > 20
    for name in compounds:
        assert found[name] == wanted[name]
    named = set(town.dedicated["name"]) & set(known.cells["name"])
    assert named and named <= set(found)


def test_an_address_ends_at_its_building(known: gm.Grid) -> None:
    found = listed(scene.places(known, known.cells.geometry.to_numpy(), "en"))
    assert "人民路17号" in found
    assert not [text for text in found if "室" in text or "单元" in text]


def test_a_bare_number_is_spelt_out_by_its_compound_or_left_out(grid: gm.Grid) -> None:
    at = grid.cells.representative_point().iloc[:3]
    homes = gpd.GeoDataFrame(
        {"name": ["3号楼", "3号楼", "12"], "compound": ["桃园", "梅园", ""], "households": 1},
        geometry=at.to_numpy(),
        crs=grid.crs,
    )
    found = listed(scene.places(grid.with_buildings(homes), grid.cells.geometry.to_numpy(), "zh"))
    assert (found["桃园3号楼"], found["梅园3号楼"]) == ({0}, {1})
    assert "12" not in found and "3号楼" not in found


def test_a_column_that_holds_a_person_is_not_searched(known: gm.Grid, town: Any) -> None:
    names = town.buildings["name"].astype(object).copy()
    names.iloc[-1] = "王先生家 13812345678"
    grid = known.with_buildings(town.buildings.assign(name=names, 户主="某某"))
    page = gm.coverage_map(grid)._repr_html_()
    assert "13812345678" not in page and "某某" not in page
    compound = town.buildings["compound"].replace("", None).dropna().iloc[0]
    assert compound in listed(scene.places(grid, grid.cells.geometry.to_numpy(), "en"))


def test_a_heavy_page_keeps_compounds_and_says_what_it_leaves_out(
    known: gm.Grid, town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    areas = known.cells.geometry.to_numpy()
    whole = scene.places(known, areas, "en")
    assert "left" not in whole
    monkeypatch.setattr(scene, "PLACE_BYTES", len("".join(whole["texts"])) // 2)
    less = scene.places(known, areas, "en")
    assert "Single buildings are not on this page" in less["left"]
    assert set(town.buildings["compound"].replace("", None).dropna()) <= set(listed(less))
    assert not [text for text in listed(less) if any(sign.isdigit() for sign in text)]
    monkeypatch.setattr(scene, "PLACE_BYTES", 10)
    assert scene.places(known, areas, "zh") == {
        "kinds": ["小区", "楼栋", "地址"], "of": "", "texts": [], "at": [],
        "left": "楼栋和地址太多，未放入本页。",
    }  # fmt: skip


def test_buildings_outside_and_grids_without_any_are_no_matter(grid: gm.Grid) -> None:
    homes = gpd.GeoDataFrame(
        {"name": ["远方大厦"], "households": 1}, geometry=[shapely.Point(0, 0)], crs=grid.crs
    )
    areas = grid.cells.geometry.to_numpy()
    assert scene.places(grid.with_buildings(homes), areas, "en") == scene.places(grid, areas, "en")
