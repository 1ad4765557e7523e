from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap.zoning import drawings, ways_of, ways_sentence


@pytest.fixture(scope="module")
def units(town: Any) -> Any:
    return gm.subdivide(town.jurisdictions, town.buildings, barriers=town.barriers)


def people_of(units: Any, times: Any, seed: int) -> pd.DataFrame:
    """Draw incidents from the households of units, `times` as many in each."""
    rng = np.random.default_rng(seed)
    homes = units["households"].to_numpy(float)
    counts = rng.poisson(homes * times / 20)
    places = units.geometry.representative_point()
    at = np.repeat(np.arange(len(units)), counts)
    return pd.DataFrame({"x": places.x.to_numpy()[at], "y": places.y.to_numpy()[at]})


def test_what_is_planted_stands_however_the_lines_run(units: Any) -> None:
    places = units.geometry.representative_point()
    middle = shapely.Point(*units.total_bounds.reshape(2, 2).mean(axis=0))
    near = np.argsort(places.distance(middle).to_numpy(), kind="stable")
    homes = units["households"].to_numpy(float)
    inside = near[np.cumsum(homes[near]) < 2500]
    times = np.ones(len(units))
    times[inside] = 4.0
    found = gm.robustness(people_of(units, times, 0), units, grids=6)
    # a unit at the rim may be joined to cells that lie outside for the most part
    core = near[np.cumsum(homes[near]) < 1200]
    lived = core[homes[core] > 0]
    assert found["share"].iloc[lived].mean() >= 0.9
    assert (found["share"] >= found[["cells", "neighbourhoods"]].max(axis=1)).all()
    assert "6 ways" in found.attrs["method"]["sentence"]["en"]


def test_noise_does_not_stand(units: Any) -> None:
    found = gm.robustness(people_of(units, 1.0, 1), units, grids=6)
    assert found["share"].mean() <= 0.1
    assert found.attrs["method"]["standing"] <= 0.1 * len(units)


def test_two_ways_at_least(units: Any) -> None:
    with pytest.raises(gm.InputError, match="2 or more"):
        gm.robustness(people_of(units, 1.0, 1), units, grids=1)


def test_the_short_way_gives_what_the_long_one_does() -> None:
    city = gm.example_city(seed=0, size="tiny")
    units = gm.subdivide(city.jurisdictions, city.buildings, barriers=city.barriers)
    places = units.geometry.representative_point()
    near = np.argsort(places.distance(places.iloc[0]).to_numpy(), kind="stable")
    times = np.ones(len(units))
    times[near[units["households"].to_numpy()[near].cumsum() < 2000]] = 6.0
    incidents = people_of(units, times, 0)
    found = gm.robustness(incidents, units, grids=2, seed=4)
    drawing = drawings(units)
    hot = np.zeros(len(units))
    for seed in (4, 5):
        grid = gm.partition(units, seed=seed, quality="fast")
        code = grid.units["code"].to_numpy()
        same = pd.DataFrame({"code": code, "label": drawing.labels(seed)}).drop_duplicates()
        assert same["code"].is_unique and same["label"].is_unique
        spots = gm.hotspots(gm.tally(gm.assign(incidents, grid), grid), grid)
        hot += ((spots["bin"] > 0) | (spots["cell_bin"] > 0)).reindex(code).to_numpy()
    assert found["share"].tolist() == (hot / 2).tolist()
    method = found.attrs["method"]
    assert method["incidents"] + method["outside"] == len(incidents)
    ways = ways_of(grid, found)
    assert ways.index.equals(grid.cells.index) and ways.between(0, 1).all()
    told = ways_sentence(spots, ways, 2).text("en")
    assert told.startswith("The strongest hotspot") and "of 2 ways to draw the cells" in told


def test_ways_belong_to_the_units_of_the_grid(units: Any, grid: Any) -> None:
    found = gm.robustness(people_of(units, 1.0, 1), units, grids=2)
    with pytest.raises(gm.InputError, match=r"Ask `robustness` with `grid\.units`"):
        ways_of(grid, found.iloc[:3])


def test_a_denominator_is_a_column_of_the_units(units: Any) -> None:
    with pytest.raises(gm.InputError, match="no such column of numbers"):
        gm.robustness(people_of(units, 1.0, 1), units, grids=2, exposure="name")
