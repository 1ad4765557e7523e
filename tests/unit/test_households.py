"""No household left out: every building in exactly one cell."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import shapely.affinity

import gridmap as gm
from gridmap.errors import CRSError, InputError
from gridmap.operations.households import account


@pytest.fixture
def squares() -> gm.Grid:
    cells = gpd.GeoDataFrame(
        {"id": ["a", "b"], "households": [3, 4]},
        geometry=shapely.box([0, 5], 0, [5, 10], 5),
        crs=4547,
    )
    boundary = shapely.coverage_union_all(cells.geometry.to_numpy())
    return gm.adopt(cells, boundary, code="id", count="households")


def homes(counts: list[Any], x: list[float], **more: Any) -> gpd.GeoDataFrame:
    points = gpd.points_from_xy(x, [1.0] * len(x))
    return gpd.GeoDataFrame({"households": counts, **more}, geometry=points, crs=4547)


def test_complete(squares: gm.Grid) -> None:
    found = account(homes([1, 2, 4], [1, 2, 6]), squares)
    assert found.complete
    assert found.buildings["code"].tolist() == ["a", "a", "b"]
    assert found.cells["buildings"].tolist() == [2, 1]
    assert "不漏一户" in found.sentence("zh")
    assert found.sentence("en").startswith("Nobody left out: 3 buildings with 7 households")


@pytest.mark.parametrize("nothing", [None, shapely.Point(), shapely.Polygon()])
def test_left_out_buildings_are_listed(squares: gm.Grid, nothing: Any) -> None:
    buildings = homes([1, 2, 4, 9], [1, 2, 6, 99], building_id=list("wxyz"))
    buildings.loc[[3], "geometry"] = nothing
    buildings.index = [10, 20, 30, 40]
    found = account(buildings, squares)
    assert found.left_out["problem"].to_dict() == {40: "nowhere"}
    far = account(homes([1, 2, 4, 9], [1, 2, 6, 99]), squares)
    assert far.left_out["problem"].to_dict() == {3: "outside"}
    assert far.left_out["households"].sum() == 9
    assert not far.complete
    assert "1 栋（9 户）不在任何网格内" in far.sentence("zh")


def test_counts_that_differ_and_repeated_ids_are_listed(squares: gm.Grid) -> None:
    found = account(homes([1, 2, 5], [1, 2, 6], building_id=["x", "x", "y"]), squares)
    assert found.cells["difference"].to_dict() == {"a": 0, "b": 1}
    assert found.repeated["building_id"].tolist() == ["x", "x"]
    assert not found.complete


def test_a_parcel_counts_where_most_of_it_lies_for_partition_account_and_grid() -> None:
    arm = [shapely.box(0, 20, 60, 60), shapely.box(0, 80, 60, 120), shapely.box(0, 60, 20, 80),
           shapely.box(-100, 69, 20, 71)]  # fmt: skip
    body = shapely.union_all(arm)  # whose middle row lies beyond x = 0 for the most part
    assert shapely.point_on_surface(body).x < 0
    other = shapely.affinity.translate(shapely.affinity.scale(body, -1, origin=(0, 0)), 200)
    shapes = [body, other, shapely.box(20, 200, 40, 220), shapely.box(300, 200, 320, 220)]
    parcels = gpd.GeoDataFrame({"households": [7, 9, 301, 302]}, geometry=shapes, crs=4547)
    places = shapely.box([0, 200], 0, [200, 400], 300)
    areas = gpd.GeoDataFrame({"code": ["a", "b"]}, geometry=places, crs=4547)
    grid = gm.partition(gm.subdivide(areas, parcels, code="code"), households=(300, 600), seed=0)
    assert grid.cells["households"].tolist() == [317, 302]
    found = account(parcels, grid)
    assert found.complete and found.buildings["code"].tolist() == ["a-001"] * 3 + ["b-001"]
    kept = grid.with_buildings(parcels).buildings
    assert kept is not None and len(kept) == 4


def test_every_building_counts_once_on_an_edge_or_across_it(squares: gm.Grid) -> None:
    shapes = [shapely.box(4, 1, 6.5, 2), shapely.Point(5, 2), shapely.Point(5, 2)]
    buildings = gpd.GeoDataFrame({"households": [1, 1, 1]}, geometry=shapes, crs=4547)
    found = account(buildings, squares)
    assert found.left_out.empty
    assert found.cells["households_buildings"].sum() == 3


def test_buildings_in_another_crs_are_moved(squares: gm.Grid) -> None:
    found = account(homes([1, 2, 4], [1, 2, 6]).to_crs(4490), squares)
    assert found.complete


@pytest.mark.parametrize(
    ("count", "told"),
    [(np.nan, "missing or not finite"), (-1.0, "negative"), (0.5, "fractional")],
)
def test_what_is_no_count_is_refused(squares: gm.Grid, count: float, told: str) -> None:
    with pytest.raises(InputError, match=rf"is {told} in 1 of 2 rows \(1\)\. Give whole"):
        account(homes([1.0, count], [1, 2]), squares)


def test_missing_columns_and_crs_are_refused(squares: gm.Grid) -> None:
    with pytest.raises(InputError, match="no column 'households'"):
        account(homes([1], [1]).drop(columns="households"), squares)
    with pytest.raises(CRSError, match="has no CRS"):
        account(homes([1], [1]).set_crs(None, allow_override=True), squares)


def test_a_partitioned_town_leaves_nobody_out(town: Any, grid: gm.Grid) -> None:
    found = account(town.buildings, grid)
    inside = found.buildings["problem"] == ""
    assert (
        found.cells["households_buildings"].sum() == found.buildings.loc[inside, "households"].sum()
    )
    assert (found.cells["difference"] == 0).mean() > 0.9
