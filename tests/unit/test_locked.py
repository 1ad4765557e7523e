"""Locked cells keep every coordinate, whatever changes around them."""

from __future__ import annotations

from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap import Grid
from gridmap.errors import InputError
from gridmap.units.locked import Quay

LEVELS = ["district", "street", "community"]


@pytest.fixture(scope="module")
def old(town) -> Grid:
    units = gm.subdivide(town.jurisdictions, town.buildings, barriers=town.barriers, levels=LEVELS)
    return gm.partition(units, quality="fast")


def rebuilt(town, seed: int) -> gpd.GeoDataFrame:
    """Return the buildings of a year later: some gone, some new."""
    rng = np.random.default_rng(seed)
    homes = town.buildings[rng.random(len(town.buildings)) < 0.9]
    new = homes.sample(len(homes) // 10, random_state=seed)
    new = new.set_geometry(new.geometry.translate(*rng.normal(0, 15, 2)))
    return gpd.GeoDataFrame(pd.concat([homes, new], ignore_index=True), crs=homes.crs)


def united(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return jurisdictions of which the first and a neighbour became one, with fewer corners."""
    touching = np.flatnonzero(areas.touches(areas.geometry.iloc[0]))[0]
    whole = shapely.union_all(areas.geometry.iloc[[0, touching]].to_numpy())
    merged = areas.drop(index=areas.index[touching])
    merged.loc[merged.index[0], ["code", "community", "geometry"]] = "320000601", "新社区", whole
    return merged


def locked_units(grid: Grid, codes: list[str]) -> gpd.GeoDataFrame:
    units = grid.units
    return units[units["code"].isin(codes)]


@pytest.mark.parametrize("seed", range(4))
def test_a_locked_cell_keeps_every_coordinate_when_all_around_it_changes(town, old, seed) -> None:
    areas, homes = united(town.jurisdictions), rebuilt(town, seed)
    whole = [code for code, row in old.cells.iterrows() if row["parent"] in set(areas["code"])]
    codes = list(np.random.default_rng(seed).choice(whole, 1 + 2 * seed, replace=False))
    units = gm.subdivide(
        areas, homes, barriers=town.barriers, levels=LEVELS, crs=old.crs,
        locked=locked_units(old, codes),
    )  # fmt: skip
    assert units["households"].sum() == units.attrs["households_in"]
    new = gm.partition(units, quality="fast", keep=old, locked=codes)
    for code in codes:
        assert new.cells.geometry[code].wkb == old.cells.geometry[code].wkb
        assert set(new.units.geometry[new.units["code"] == code].to_wkb()) == set(
            old.units.geometry[old.units["code"] == code].to_wkb()
        )


def test_a_locked_cell_of_an_adopted_grid_stays_too(town, old) -> None:
    cells = old.cells.reset_index()[["code", "households", "geometry"]]
    adopted = gm.adopt(cells, old.boundary, code="code", count="households")
    codes = list(old.cells.index[::7])
    locked = locked_units(adopted, codes)
    units = gm.subdivide(town.jurisdictions, rebuilt(town, 1), levels=LEVELS, locked=locked)
    assert set(locked.geometry.to_wkb()) <= set(units.geometry.to_wkb())


def test_jurisdictions_that_cut_a_locked_cell_are_refused(town, old) -> None:
    areas = town.jurisdictions
    code = old.cells.index[old.cells["parent"] == areas["code"].iloc[0]][0]
    x = old.cells.geometry[code].centroid.x
    low, bottom, high, top = areas.total_bounds
    halves = [shapely.box(low, bottom, x, top), shapely.box(x, bottom, high, top)]
    first = areas.iloc[[0, 0]].copy()
    first["code"] = ["A", "B"]
    first["community"] = ["A", "B"]
    parts = shapely.intersection(first.geometry.to_numpy(), halves)
    first = first.set_geometry(gpd.GeoSeries(parts, index=first.index, crs=areas.crs))
    cut = pd.concat([first, areas.iloc[1:]], ignore_index=True)
    with pytest.raises(InputError, match=f"`locked` cell '{code}' cannot stay: .* lie beyond"):
        gm.subdivide(cut, town.buildings, levels=LEVELS, locked=locked_units(old, [code]))


def test_units_that_do_not_make_up_a_locked_cell_are_refused(town, old) -> None:
    code = old.cells.index[0]
    units = gm.subdivide(town.jurisdictions, rebuilt(town, 2), levels=LEVELS)
    with pytest.raises(InputError, match=f"`locked` cell '{code}' cannot stay: the units"):
        gm.partition(units, quality="fast", keep=old, locked=[code])
    with pytest.raises(InputError, match="none is to be kept"):
        gm.partition(units, locked=[code])


def test_ends_move_to_the_nearer_vertex() -> None:
    fixed = np.array([shapely.box(0, -10, 100, 0)])
    edges = [0.0, 30.0, 45.0, 90.0, 100.0]
    pairs = list(pairwise(edges))
    polygons = np.array([shapely.box(a, 0, b, 20) for a, b in pairs])
    quay = Quay.of(polygons, np.zeros(4, np.int64), fixed)
    assert quay.settle(0.001) is None
    whole = shapely.union_all(quay.polygons[quay.left])
    assert whole.equals(shapely.box(0, 0, 100, 20))
    ring = shapely.get_coordinates(quay.polygons[quay.left])
    assert set(ring[ring[:, 1] == 0][:, 0]) == {0.0, 100.0}
    assert Quay.of(polygons, np.arange(4), fixed).settle(0.001) is not None


def test_units_unite_where_neither_end_leaves_them_whole() -> None:
    fixed = np.array([shapely.box(0, -10, 100, 0)])
    ponds = shapely.box([20, 70], 1, [30, 80], 8)
    polygons = np.r_[shapely.difference(shapely.box([0, 50], 0, [50, 100], 10), ponds), ponds]
    quay = Quay.of(polygons, np.zeros(4, np.int64), fixed)
    assert quay.settle(0.001) is None
    assert quay.left.sum() == 3
    united = quay.polygons[quay.left][0]
    assert united.area == shapely.area(polygons[:2]).sum()
    assert (50.0, 0.0) not in united.exterior.coords
