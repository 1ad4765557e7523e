"""What a beginner hands in by mistake is answered in one line with its cure."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import pytest

import gridmap as gm
from gridmap._checks import at_the_door
from gridmap.partitioning.partition import partition as unwrapped
from tests.lattice import lattice

MISTAKES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "assign swapped": (lambda o: gm.assign(o.grid, o.points), "`grid` is a GeoSeries, .* Swap"),
    "assign a path": (lambda o: gm.assign(o.points, "grid.gpkg"), r"not a Grid\. .*read_grid"),
    "assign cells": (lambda o: gm.assign(o.points, o.cells), r"not a Grid\. .*adopt"),
    "tally swapped": (lambda o: gm.tally(o.grid, o.placed), "`grid` is a DataFrame, .* Swap"),
    "tally a path": (lambda o: gm.tally("placed.csv", o.grid), r"`placed` is a str; give Data"),
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
    "indicators": (lambda o: gm.indicators(o.grid), "`incidents` is a Grid; give DataFrame"),
    "duplicates": (lambda o: gm.duplicates(o.grid), "`incidents` is a Grid; give DataFrame"),
}

MISTAKES |= {
    "briefing swapped": (lambda o: gm.briefing(o.cells, o.grid), "`grid` is a GeoDataFrame, .* Sw"),
    "plans in a list": (lambda o: gm.plans([o.grid]), r"`grids` is a list; give Mapping\[str, Gr"),
    "plans of numbers": (lambda o: gm.plans({"a": 1}), r"`grids` is a dict; give Mapping\[str, Gr"),
    "a list of words": (lambda o: gm.near_repeat(o.cases, metres=["far"]), "`metres` is a list"),
    "a word for metres": (lambda o: gm.assign(o.points, o.grid, max_distance="far"), "give float"),
    "no language": (lambda o: gm.funnel(o.cases, lang=None), "`lang` is None; choose one of"),
    "no day": (lambda o: gm.funnel(o.cases, until="soon"), "`until` is 'soon'; give a day, as"),
    "a frame for a word": (lambda o: gm.tally(o.placed, o.grid, level=o.table), "`level` is 'inc"),
    "a frame for a band": (
        lambda o: gm.partition(o.units, o.table),
        "`households` is 'inc.*; give two",
    ),
    "cells for defects": (lambda o: gm.defect_map(o.cells, o.cells), "`defects` has no column 'wi"),
    "a table for spots": (
        lambda o: gm.figure(o.grid, spots=o.table),
        "`spots` has no column 'bin'",
    ),
    "a path for cells": (
        lambda o: gm.Grid("cells.gpkg", o.grid.boundary),
        "`cells` is a str; give",
    ),
    "a path for streets": (
        lambda o: gm.patrol(o.grid, "s.gpkg"),
        r"`streets` is a str; .*read_lay",
    ),
}


def test_the_door_leaves_bugs_their_traceback(given: SimpleNamespace) -> None:
    def broken(grid: gm.Grid, metres: float) -> None:
        raise AttributeError("a bug")

    with pytest.raises(AttributeError, match="a bug"):
        at_the_door(broken)(given.grid, 3.0)
    with pytest.raises(TypeError, match="missing 1 required"):
        gm.partition()


def test_verbs_of_the_face_are_pickled_and_keep_their_names() -> None:
    assert pickle.loads(pickle.dumps(gm.partition)) is gm.partition
    assert inspect.signature(gm.partition) == inspect.signature(unwrapped)


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
        cases=gm.example_city(0, "tiny").incidents,
        placed=placed,
        table=gm.tally(placed, grid),
    )


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_cure(given: SimpleNamespace, mistake: str) -> None:
    call, cure = MISTAKES[mistake]
    with pytest.raises(gm.InputError, match=cure) as told:
        call(given)
    assert "\n" not in str(told.value)
