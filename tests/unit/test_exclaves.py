"""Fragments of a community: who takes them in, how that is told, and land where nobody lives."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

import gridmap as gm
from gridmap.errors import InputError
from gridmap.partitioning.report import remarks, report
from gridmap.partitioning.solve import Exclaves

BAND = (300, 600)


def squares(
    places: list[tuple[float, float]], households: list[int], parent: str
) -> gpd.GeoDataFrame:
    """Return squares of 100 m at places counted in squares."""
    x, y = 100 * np.array(places, float).T
    shapes = shapely.box(x, y, x + 100, y + 100)
    return gpd.GeoDataFrame({"parent": parent, "households": households}, geometry=shapes, crs=4547)


def joined(*frames: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return units of several communities."""
    whole = pd.concat(frames, ignore_index=True)
    return gpd.GeoDataFrame(whole, crs=4547)


def block(wide: int, high: int) -> list[tuple[float, float]]:
    """Return the places of a rectangle of squares."""
    return [(x, y) for y in range(high) for x in range(wide)]


MAIN = squares(block(6, 3), [100] * 18, "A")


def test_a_fragment_joins_the_nearest_cell_and_is_told_once_with_its_place() -> None:
    units = joined(MAIN, squares([(9, 0)], [61], "A"), squares([(10, 0)], [400], "B"))
    grid = gm.partition(units, lang="en")
    assert grid.exceptions.empty
    (row,) = grid.parameters["attached"]
    assert (row["households"], row["pieces"], row["around"]) == (61, 2, "B")
    assert shapely.box(900, 0, 1000, 100).contains(shapely.Point(row["x"], row["y"]))
    cell = grid.cells.loc[row["cell"]]
    assert cell["pieces"] == 2
    assert cell.geometry.distance(shapely.box(600, 0, 601, 1)) == 0  # at the eastern rim, nearest
    assert grid.cells.loc[grid.cells["parent"] == "A", "households"].between(*BAND).all()
    (said,) = [str(note) for note in remarks(grid)]
    assert f"{row['cell']}: 61 households, 10,000 m² at" in said


def test_a_fragment_on_its_own_is_an_exception() -> None:
    grid = gm.partition(joined(MAIN, squares([(9, 0)], [61], "A")), exclaves="own", lang="en")
    (code,) = grid.exceptions["code"]
    assert grid.cells.loc[code, "households"] == 61
    assert "pieces" not in grid.cells


def test_room_is_made_where_the_nearest_cell_is_full() -> None:
    units = joined(squares(block(6, 1), [100] * 6, "A"), squares([(8, 0)], [50], "A"))
    grid = gm.partition(units)
    assert grid.exceptions.empty
    assert sorted(grid.cells["households"]) in ([300, 350],)


def test_other_words_are_refused() -> None:
    with pytest.raises(InputError, match="exclaves"):
        gm.partition(MAIN, exclaves="hand over")  # type: ignore[arg-type]


def test_a_sliver_is_never_a_cell() -> None:
    sliver = gpd.GeoDataFrame(
        {"parent": "A", "households": [0]}, geometry=[shapely.box(0, 900, 0.6, 901)], crs=4547
    )
    for how in ("attach", "own"):
        grid = gm.partition(joined(MAIN, sliver), exclaves=how)
        assert grid.cells.area.min() > 10_000
        assert grid.exceptions.empty


def test_land_where_nobody_lives_is_one_line_and_no_exception() -> None:
    empty = [squares([(20 + 3 * k, 0), (21 + 3 * k, 0)], [0, 0], f"E{k:02}") for k in range(40)]
    grid = gm.partition(joined(MAIN, *empty), lang="en")
    assert grid.exceptions.empty
    assert (grid.cells["kind"] == "vacant").sum() == 40
    (said,) = [str(note) for note in remarks(grid)]
    assert said.startswith("Nobody lives in 40 cells of 40 jurisdictions")
    assert report(grid).as_dict()["residential"] == 4
    found = gm.validate(grid.cells, grid.boundary, households=BAND)
    assert "households-out-of-range" not in set(found["kind"])
    held = gm.partition(joined(MAIN, *empty), keep=grid)
    assert held.cells["households"].to_dict() == grid.cells["households"].to_dict()


def test_isolated_units_without_households_do_not_make_a_community_impossible() -> None:
    units = joined(MAIN, squares([(9, 0), (11, 5)], [0, 0], "A"))
    assert gm.feasibility(units)["possible"].tolist() == ["yes"]
    assert gm.partition(units).exceptions.empty


@pytest.mark.parametrize("how", ["attach", "own"])
def test_nothing_is_missing_in_a_jurisdiction_where_nobody_lives(how: Exclaves) -> None:
    parts = [(20, 0), (24, 0)]
    units = joined(MAIN, squares(parts, [0, 0], "E"), squares([(30, 0)], [0], "F"))
    assert gm.partition(units, exclaves=how).exceptions.empty


def test_no_fragment_is_a_reason_to_join_whole_communities() -> None:
    units = joined(MAIN, squares([(9, 0)], [61], "A"), squares([(10, 0)], [400], "B"))
    (options,) = gm.partition(units, exclaves="own", lang="en").exceptions["options"]
    assert "let fragments join" in options
    assert "over to B" in options
    assert "join the community" not in options


@pytest.mark.parametrize("how", ["attach", "own"])
def test_a_plan_in_feet_is_that_in_metres(how: Exclaves) -> None:
    feet = 1 / pyproj.CRS(2232).axis_info[0].unit_conversion_factor
    sliver = gpd.GeoDataFrame(
        {"parent": "A", "households": 0},
        geometry=[shapely.box(0, 900, 12, 912)],
        crs=4547,
        index=[0],
    )
    metres = joined(MAIN, sliver, squares([(9, 0)], [61], "A"))
    scaled = metres.scale(feet, feet, origin=(0, 0)).set_crs(2232, allow_override=True)
    plans = []
    for units in (metres, metres.set_geometry(scaled)):
        grid = gm.partition(units, exclaves=how)
        areas = [row["area_m2"] for row in grid.parameters["attached"]]
        plans.append([len(grid), *areas, report(grid).as_dict()["internal_boundary_m"]])
    assert 144.0 in plans[0]
    assert plans[1] == pytest.approx(plans[0])


def test_isolated_units_without_households_are_no_reason() -> None:
    units = joined(squares([(0, 0), (1, 0), (9, 9)], [290, 320, 0], "A"))
    found = gm.feasibility(units, (300, 600), lang="en").loc["A"]
    assert found["possible"] == "no"
    assert found["certificate"].split("\n") == ["no-cell-contains"]


@pytest.mark.parametrize("seed", range(3))
def test_every_community_in_several_parts_is_in_the_band_or_certified(seed: int) -> None:
    rng = np.random.default_rng(seed)
    towns = []
    for k in range(12):
        count = int(rng.integers(1, 4))
        places = [*block(6, 4), *[(8 + 2 * p, int(rng.integers(4))) for p in range(count)]]
        places = [(x, y + 6 * k) for x, y in places]
        homes = [*rng.integers(20, 140, 24).tolist(), *rng.integers(0, 200, count).tolist()]
        towns.append(squares(places, homes, f"{k:02}"))
    grid = gm.partition(joined(*towns))
    assert not (grid.exceptions["certificate"] == "unknown").any()
    assert grid.cells["households"].between(*BAND).all()


def test_three_hundred_islets_are_told_in_one_screen() -> None:
    rng = np.random.default_rng(0)
    spot = rng.choice(1600, 300, replace=False)
    names = rng.choice(list("PQRST"), 300)
    homes = rng.integers(0, 200, 300)
    towns = [
        squares(
            [(10 * (s % 40), 10 * (s // 40)) for s in spot[names == name]],
            homes[names == name].tolist(),
            name,
        )
        for name in "PQRST"
    ]
    grid = gm.partition(joined(*towns), quality="fast", lang="en")
    assert grid.exceptions.empty
    assert grid.cells["households"].between(*BAND).all()
    assert int(grid.cells["households"].sum()) == int(homes.sum())
    (said,) = [str(note) for note in remarks(grid)]
    assert len(said) < 700
