"""On the made-up city the planted hotspots are found, and dense housing is not taken for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gridmap as gm


@pytest.fixture(scope="module", params=[0])
def city(request: pytest.FixtureRequest) -> Any:
    town = gm.example_city(seed=request.param, size="town")
    units = gm.subdivide(
        town.jurisdictions,
        town.buildings,
        barriers=town.barriers,
        dedicated=town.dedicated,
        levels=["district", "street", "community"],
        code="code",
    )
    grid = gm.partition(units, households=(300, 600), seed=0)
    return town, grid, gm.assign(town.incidents, grid)


def touched(grid: Any, area: Any) -> pd.Index:
    shared = grid.cells.geometry.intersection(area).area
    return grid.cells.index[shared > 0.3 * grid.cells.geometry.area]


def found_in(town: Any, grid: Any, spots: pd.DataFrame, kind: str) -> float:
    """Give the share of planted areas of a kind with a hot cell of their own subcategory."""
    chosen = town.truth[town.truth["kind"] == kind]
    hits = []
    for row in chosen.itertuples():
        own = spots["bin"].xs(row.subcategory, level="subcategory")
        hits.append(bool((own.loc[touched(grid, row.geometry)] > 0).any()))
    return float(np.mean(hits))


def test_planted_hotspots_are_found_and_decoys_are_not(city: Any) -> None:
    town, grid, placed = city
    spots = gm.hotspots(gm.tally(placed, grid, by="subcategory"), grid)
    assert found_in(town, grid, spots, "hotspot") == 1.0
    assert found_in(town, grid, spots, "decoy") == 0.0
    assert (spots["bin"] >= 0).all()


def test_most_are_found_in_all_incidents_and_the_rest_is_quiet(city: Any) -> None:
    town, grid, placed = city
    spots = gm.hotspots(gm.tally(placed, grid), grid)
    planted = town.truth[town.truth["kind"] == "hotspot"]
    hot = spots.index[spots["bin"] > 0]
    near = grid.cells.geometry.intersects(planted.geometry.union_all())
    assert near[hot].mean() >= 0.9
    found = [hot.isin(touched(grid, area)).any() for area in planted.geometry]
    assert np.mean(found) >= 0.8


def test_what_began_late_is_found_in_its_own_weeks(city: Any) -> None:
    town, grid, placed = city
    late = town.truth[town.truth["since"] > town.incidents["time"].min() + pd.Timedelta(days=60)]
    recent = placed[placed["time"] >= late["since"].min()]
    spots = gm.hotspots(gm.tally(recent, grid), grid)
    for area in late.geometry:
        assert (spots.loc[touched(grid, area), "bin"] > 0).any()
    decoys = town.truth.loc[town.truth["kind"] == "decoy", "geometry"]
    assert all((spots.loc[touched(grid, area), "bin"] <= 0).all() for area in decoys)


def test_a_town_too_small_for_its_hotspots_says_so(town: Any, grid: Any) -> None:
    placed = gm.assign(town.incidents, grid)
    whole = gm.hotspots(gm.tally(placed, grid), grid).attrs["method"]
    assert "weaker hotspots may go unseen" in " ".join(whole["caveats"]["en"])
    kinds = gm.hotspots(gm.tally(placed, grid, by="subcategory"), grid).attrs["method"]
    assert "可合并类别或延长期间" in " ".join(kinds["caveats"]["zh"])


def test_what_began_lately_is_not_persistent(city: Any) -> None:
    town, grid, placed = city
    late = town.truth[town.truth["since"] > town.incidents["time"].min() + pd.Timedelta(days=60)]
    own = placed[placed["subcategory"].isin(late["subcategory"])]
    whole, found = (gm.emerging(gm.tally(some, grid, by="month"), grid) for some in (placed, own))
    for area in late.geometry:
        assert set(whole.loc[touched(grid, area), "pattern"]) & {"new", "consecutive", "sporadic"}
        near = grid.cells.index[grid.cells.geometry.intersects(area)]
        patterns = set(found.loc[near, "pattern"].astype(str))
        assert patterns & {"new", "consecutive", "sporadic"}
        assert not patterns & {"persistent", "intensifying", "historical"}
