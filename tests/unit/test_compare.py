"""What moved between two grids, and how two grids lie over each other."""

from __future__ import annotations

import base64
import re

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import gridmap as gm
from gridmap import Grid
from gridmap.comparison.compare import compare, crosswalk
from gridmap.errors import CRSError, InputError

CRS = 4547


def strips(edges: list[float], codes: list[str], per_metre: int = 100) -> Grid:
    """Cut a box of 4 m height at `edges` into cells with households by their width."""
    width = np.diff(edges)
    cells = gpd.GeoDataFrame(
        {"code": codes, "households": (width * per_metre).astype(int)},
        geometry=shapely.box(edges[:-1], 0, edges[1:], 4),
        crs=CRS,
    )
    return Grid(cells, shapely.coverage_union_all(cells.geometry.values))


def houses(x: list[float], households: list[int]) -> gpd.GeoDataFrame:
    """Put buildings along the middle of the strips."""
    return gpd.GeoDataFrame(
        {"households": households}, geometry=gpd.points_from_xy(x, [2.0] * len(x)), crs=CRS
    )


def test_a_grid_compared_with_itself_changed_nothing(grid: Grid) -> None:
    found = compare(grid, grid)
    assert found.counts()["unchanged"] == len(grid)
    assert found.households_moved == 0
    assert found.kept_share == 1
    assert found.households == grid.cells["households"].sum()


def test_each_status_is_told() -> None:
    old = strips([0, 3, 6, 9, 12], ["A", "B", "C", "D"])
    new = strips([0, 3, 7, 9, 10.5, 12], ["A", "B", "C", "E", "F"])
    found = compare(old, new)
    status = found.cells["status"].to_dict()
    assert status == {
        "A": "unchanged", "B": "changed", "C": "changed", "E": "born", "F": "born", "D": "retired",
    }  # fmt: skip
    assert found.counts()["born"] == 2
    assert found.cells.loc["D", "counterpart"] == "E"


def test_the_same_ground_under_another_code_is_recoded() -> None:
    found = compare(strips([0, 3, 6], ["A", "B"]), strips([0, 3, 6], ["A", "X"]))
    assert found.cells.loc["X", "status"] == "recoded"
    assert found.cells.loc["X", "counterpart"] == "B"
    assert found.households_moved == 300
    assert found.kept_share == 1


def test_buildings_are_counted_one_by_one() -> None:
    old, new = strips([0, 4, 8], ["A", "B"]), strips([0, 5, 8], ["A", "B"])
    found = compare(old, new, buildings=houses([1.0, 4.5, 6.0], [50, 7, 60]))
    assert found.households_moved == 7
    assert found.buildings_moved == 1
    assert found.households == 117
    assert found.as_dict()["basis"] == "buildings"


def test_ground_that_joins_or_leaves_is_named() -> None:
    found = compare(strips([0, 4, 8], ["A", "B"]), strips([4, 8, 12], ["B", "C"]))
    assert found.cells["status"].to_dict() == {"B": "unchanged", "C": "born", "A": "retired"}
    joined = found.moves[found.moves["before"] == ""]
    assert joined["after"].tolist() == ["C"]


@settings(deadline=None)
@given(
    cut=st.lists(st.integers(1, 19), min_size=1, max_size=5, unique=True), seed=st.integers(0, 9)
)
def test_households_are_neither_lost_nor_made(cut: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = [0.0, *sorted(map(float, cut)), 20.0]
    other = np.unique([0, *rng.integers(1, 20, 3), 20]).astype(float).tolist()
    old = strips(edges, [f"o{k}" for k in range(len(edges) - 1)])
    new = strips(other, [f"n{k}" for k in range(len(other) - 1)])
    found = compare(old, new)
    assert found.households == 2000
    assert found.moves.groupby("before")["households"].sum().to_dict() == pytest.approx(
        old.cells["households"].to_dict()
    )
    assert found.kept_share <= 1 + 1e-9
    assert found.cells["households_after"].sum() == pytest.approx(2000)


def quarters(side: float = 800.0) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Return six square jurisdictions and buildings all over them."""
    x, y = (side * v.ravel() for v in np.meshgrid(np.arange(3), np.arange(2)))
    areas = gpd.GeoDataFrame(
        {"code": [f"{k:03d}" for k in range(6)]},
        geometry=shapely.box(x, y, x + side, y + side),
        crs=CRS,
    )
    rng = np.random.default_rng(1)
    xy = rng.random((400, 2)) * (3 * side, 2 * side)
    homes = rng.integers(1, 30, 400)
    return areas, gpd.GeoDataFrame({"households": homes}, geometry=shapely.points(xy), crs=CRS)


@pytest.mark.parametrize("change", ["merged", "grown", "merged and grown", "fewer"])
def test_keeping_and_comparing_tell_the_same_change(change: str) -> None:
    areas, homes = quarters()
    old = gm.partition(gm.subdivide(areas, homes), quality="fast")
    if "merged" in change:
        areas = areas.assign(code=["000", "000", "002", "003", "004", "004"])
        areas = areas.dissolve("code").reset_index()
    if "grown" in change:
        homes = homes.assign(households=homes["households"] * np.where(homes.index % 5, 1, 3))
    if change == "fewer":
        areas = areas[:5]
    new = gm.partition(gm.subdivide(areas, homes), keep=old, quality="fast")
    told, found = new.parameters["change"], compare(old, new)
    cells = found.counts()
    assert told["households_moved"] == found.households_moved
    assert told["unchanged"] == cells["unchanged"]
    assert told["redrawn"] == cells["changed"]
    assert told["new"] == cells["born"] + cells["recoded"]
    assert told["retired"] == cells["retired"]
    assert (found.households_moved > 0) == (change != "fewer")
    assert told["unchanged"] + told["redrawn"] + told["retired"] == len(old)


def test_ground_is_the_same_with_more_vertices_on_its_border() -> None:
    old = strips([0, 3, 6], ["A", "B"])
    cells = old.cells.reset_index()
    cells.geometry = shapely.segmentize(cells.geometry.to_numpy(), 1.0)
    new = Grid(cells, shapely.coverage_union_all(cells.geometry.values))
    assert compare(old, new).counts()["unchanged"] == 2


def test_a_comparison_shows_itself_in_a_line_and_in_a_drawing() -> None:
    old = strips([0, 3, 6, 9, 12], ["A", "B", "C", "D"])
    found = compare(old, strips([0, 3, 7, 9, 10.5, 12], ["A", "B", "C", "E", "F"]))
    assert repr(found) == (
        "<Comparison: 1 unchanged, 2 changed, 2 born, 1 retired cells; "
        "400 of 1,200 households moved>"
    )
    page = found._repr_html_()
    (drawing,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    picture = base64.b64decode(drawing).decode()
    assert picture.count("<path") == 5
    for fill, drawn in (("#fdb863", 2), ("#80b1d3", 2), ("#dfe7ec", 1)):
        assert picture.count(f'fill="{fill}"') == drawn
        assert f"background:{fill}" in page
    assert 'with another code</th><td style="text-align:left">400<' in page


def test_both_languages_tell_the_same_figures() -> None:
    found = compare(strips([0, 4, 8], ["A", "B"]), strips([0, 5, 8], ["A", "B"]))
    for text in (found.sentence("zh"), found.sentence("en")):
        assert "100" in text and "800" in text


def test_grids_in_two_crs_are_refused() -> None:
    old = strips([0, 4, 8], ["A", "B"])
    moved = gpd.GeoDataFrame(old.cells.reset_index()).set_crs(4546, allow_override=True)
    new = Grid(moved, old.boundary)
    with pytest.raises(CRSError, match=r"EPSG:4547.*EPSG:4546"):
        compare(old, new)


@pytest.mark.parametrize("count", [None, "many", -1, 0.5, np.nan, 2**62])
def test_buildings_without_whole_households_are_refused(count: object) -> None:
    grid = strips([0, 4, 8], ["A", "B"])
    homes = houses([1.0, 5.0], [5, 6]).astype({"households": object})
    homes.loc[0, "households"] = count
    if count is None:
        homes = homes.drop(columns="households")
    for job in (
        lambda: compare(grid, grid, buildings=homes),
        lambda: crosswalk(grid, grid, buildings=homes),
        lambda: grid.with_buildings(homes),
    ):
        with pytest.raises(InputError, match=r"`buildings` .*'households'"):
            job()


def test_households_written_as_text_are_numbers() -> None:
    grid, homes = strips([0, 4, 8], ["A", "B"]), houses([1.0, 5.0], [5, 6])
    told = compare(grid, grid, buildings=homes.astype({"households": str}))
    assert told.households == compare(grid, grid, buildings=homes).households == 11


def test_crosswalk_tells_nesting_from_conflict() -> None:
    police = strips([0, 6, 12], ["P1", "P2"])
    civil = strips([0, 2, 6, 10, 12], ["C1", "C2", "C3", "C4"])
    table = crosswalk(police, civil)
    assert (table["relation"] == "contains").all()
    shifted = crosswalk(police, strips([0, 5, 12], ["C1", "C2"]))
    relation = shifted.set_index(["left", "right"])["relation"].to_dict()
    assert relation == {
        ("P1", "C1"): "contains", ("P1", "C2"): "crosses", ("P2", "C2"): "within",
    }  # fmt: skip


def test_crosswalk_weighs_by_buildings_and_incidents() -> None:
    left, right = strips([0, 4, 8], ["A", "B"]), strips([0, 5, 8], ["C", "D"])
    cases = houses([4.2, 4.4, 7.0], [0, 0, 0]).drop(columns="households")
    table = crosswalk(left, right, buildings=houses([1, 4.5, 6], [50, 7, 60]), incidents=cases)
    pairs = table.set_index(["left", "right"])
    assert pairs["households"].to_dict() == {("A", "C"): 50, ("B", "C"): 7, ("B", "D"): 60}
    assert pairs["incidents"].to_dict() == {("A", "C"): 0, ("B", "C"): 2, ("B", "D"): 1}
    assert pairs["area_m2"].to_dict() == {("A", "C"): 16, ("B", "C"): 4, ("B", "D"): 12}
    assert pairs.groupby("left")["left_share"].sum().to_dict() == pytest.approx({"A": 1, "B": 1})


def test_crosswalk_takes_cells_that_are_no_coverage() -> None:
    left = strips([0, 4, 8], ["A", "B"])
    loose = gpd.GeoDataFrame(
        {"code": ["X", "Y"], "households": [10, 10]},
        geometry=shapely.box([0, 2], 0, [5, 6], 4),
        crs=CRS,
    )
    table = crosswalk(left, loose)
    assert set(table.loc[table["right"] == "", "left"]) == {"B"}
    twice = loose.assign(code="X")
    with pytest.raises(InputError, match="'X' stands twice"):
        crosswalk(left, twice)


def test_a_share_is_all_only_of_all() -> None:
    grid = strips([0, 5996, 5998, 6000], ["A1", "A2", "A3"])
    assert "100.0% stay" in compare(grid, grid).sentence("en")
    fewer = compare(grid, strips([0, 5996, 6000], ["A1", "A2"]))
    assert fewer.households_moved == 200
    assert round(fewer.kept_share, 3) == 1 and "99.9% stay" in fewer.sentence("en")
