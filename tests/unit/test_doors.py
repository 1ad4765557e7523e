"""What a beginner hands in by mistake is answered in one line with its cure."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import pytest

import gridmap as gm
from tests.lattice import lattice

MISTAKES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "assign swapped": (lambda o: gm.assign(o.grid, o.points), "`grid` is a GeoSeries, .* Swap"),
    "assign a path": (lambda o: gm.assign(o.points, "grid.gpkg"), r"not a Grid\. .*read_grid"),
    "assign cells": (lambda o: gm.assign(o.points, o.cells), r"not a Grid\. .*adopt"),
    "tally swapped": (lambda o: gm.tally(o.grid, o.placed), "`grid` is a DataFrame, .* Swap"),
    "tally a path": (lambda o: gm.tally("placed.csv", o.grid), r"`placed` is a str; give a Data"),
    "hotspots swapped": (lambda o: gm.hotspots(o.grid, o.table), "`grid` is a DataFrame, .* Swap"),
    "density swapped": (lambda o: gm.density(o.grid, o.points), "`grid` is a GeoSeries, .* Swap"),
    "compare cells": (lambda o: gm.compare(o.cells, o.cells), "`old` is a GeoDataFrame, not a G"),
    "compare with cells": (lambda o: gm.compare(o.grid, o.cells), "`new` is a GeoDataFrame, not"),
    "partition a path": (lambda o: gm.partition("units.gpkg"), "`units` is a str without geom"),
    "one number": (lambda o: gm.partition(o.units, 400), r"`households` is 400; give two whole"),
    "feasibility": (lambda o: gm.feasibility("units.gpkg"), "`units` is a str without geometries"),
    "adopt a path": (lambda o: gm.adopt("cells.gpkg", "x"), "`cells` is a str without geometries"),
    "validate": (lambda o: gm.validate("cells.gpkg", None), "`cells` is a str without geometries"),
    "prove": (lambda o: gm.prove("cells.gpkg", None), "`cells` is a str without geometries"),
    "staffing swapped": (lambda o: gm.staffing(o.grid, o.placed), "`grid` is a DataFrame, .* Sw"),
    "who swapped": (lambda o: gm.who(o.placed, o.grid, 1, 1), "`grid` is a DataFrame, .* Swap"),
    "workload": (lambda o: gm.workload(o.cells), "`grid` is a GeoDataFrame, not a Grid"),
    "patrol": (lambda o: gm.patrol(o.cells, o.cells), "`grid` is a GeoDataFrame, not a Grid"),
    "merge": (lambda o: gm.merge(o.cells, ["a", "b"]), "`grid` is a GeoDataFrame, not a Grid"),
    "rollout": (lambda o: gm.rollout(o.cells, ["a"]), "`grid` is a GeoDataFrame, not a Grid"),
    "write": (lambda o: gm.write_grid(o.cells, "x.gpkg"), "`grid` is a GeoDataFrame, not a Grid"),
    "indicators": (lambda o: gm.indicators(o.grid), "`incidents` is a Grid; give a DataFrame"),
    "duplicates": (lambda o: gm.duplicates(o.grid), "`incidents` is a Grid; give a DataFrame"),
}


@pytest.fixture(scope="module")
def given() -> SimpleNamespace:
    grid = lattice(3, 3)
    points = gpd.GeoSeries.from_xy([50.0], [50.0], crs=grid.crs)
    placed = gm.assign(points, grid)
    return SimpleNamespace(
        grid=grid,
        cells=grid.cells,
        units=grid.cells.assign(parent="A"),
        points=points,
        placed=placed,
        table=gm.tally(placed, grid),
    )


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_cure(given: SimpleNamespace, mistake: str) -> None:
    call, cure = MISTAKES[mistake]
    with pytest.raises(gm.InputError, match=cure) as told:
        call(given)
    assert "\n" not in str(told.value)
