"""The public partition: units in, a proved Grid out, and every shortfall named."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap.contiguity import contacts
from gridmap.errors import CRSError, InputError


def town(side: int = 8, parents: int = 2, seed: int = 0, most: int = 120) -> gpd.GeoDataFrame:
    """Return squares with households, in vertical strips of jurisdictions."""
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    rng = np.random.default_rng(seed)
    return gpd.GeoDataFrame(
        {
            "parent": [f"{1 + p:03d}" for p in x.ravel() * parents // side],
            "households": rng.integers(0, most, side * side),
        },
        geometry=shapely.box(*(100.0 * v.ravel() for v in (x, y, x + 1, y + 1))),
        crs=4547,
    )


def row(*households: int, **columns: object) -> gpd.GeoDataFrame:
    """Return squares in a row, each with its households."""
    x = 100.0 * np.arange(len(households))
    return gpd.GeoDataFrame(
        {"parent": "001", "households": households, **columns},
        geometry=shapely.box(x, 0, x + 100, 100),
        crs=4547,
    )


def test_every_cell_is_connected_in_its_jurisdiction_and_in_the_band() -> None:
    units = town()
    grid = gm.partition(units, seed=0)
    assert grid.proof.verdict == "exact"
    assert grid.cells["households"].between(300, 600).all()
    assert grid.cells["households"].sum() == units["households"].sum()
    assert (grid.cells.geometry.geom_type == "Polygon").all()
    assert (grid.units["code"].str[:3] == grid.units["parent"]).all()
    assert grid.exceptions.empty


def test_the_same_seed_gives_the_same_grid_on_any_number_of_workers() -> None:
    units = town(16, 2)
    first = gm.partition(units, seed=3)
    assert gm.partition(units, seed=3, workers=2).content_hash == first.content_hash
    assert gm.partition(units, seed=4).content_hash != first.content_hash


@pytest.mark.parametrize("scale", [0.04, 0.004, 0.001])
def test_a_small_town_is_as_connected_as_a_large_one(scale: float) -> None:
    """Units 4 m, 40 cm and 10 cm wide: what is a neighbour depends on how wide units are."""
    units = town(most=90)
    units.geometry = shapely.transform(units.geometry.to_numpy(), lambda xy: xy * scale)
    grid = gm.partition(units, seed=0, quality="fast", no_holes=True)
    assert grid.cells["households"].between(300, 600).all()
    assert grid.exceptions.empty
    assert gm.feasibility(units)["possible"].eq("yes").all()


def test_a_community_alone_is_cut_as_in_the_batch() -> None:
    units = town(10, 2)
    both = gm.partition(units).cells
    alone = gm.partition(units[units["parent"] == "002"]).cells
    together = both[both["parent"] == "002"]
    assert list(alone.index) == list(together.index)
    assert alone.geometry.geom_equals(together.geometry).all()


def test_a_giant_becomes_an_exception_and_the_rest_is_cut() -> None:
    units = row(100, 250, 900, 40, 400, 350)
    grid = gm.partition(units, lang="en")
    exception = grid.exceptions.set_index("certificate").loc["unit-over-max"]
    assert exception["households"] == 900
    assert "Unit 2 alone has 900 households" in exception["reason"]
    assert "split unit 2" in exception["options"]
    why = grid.why(exception["code"])["exception"]
    assert why["options"] == exception["options"].split("\n")
    assert sorted(grid.cells["households"]) == [350, 350, 440, 900]


def test_each_exception_shows_how_to_split_its_own_unit_and_all_of_them() -> None:
    places = shapely.box(100 * np.arange(5), 0, 100 * np.arange(1, 6), 100)
    units = gpd.GeoDataFrame(
        {"parent": "A", "name": [*"abcde"], "households": [400, 700, 400, 900, 400]},
        geometry=places, crs=4547,
    )  # fmt: skip
    rows = gm.partition(units, lang="en").exceptions.set_index("households")["options"]
    for homes, own, other in ((700, "b", "d"), (900, "d", "b")):
        said = rows[homes].split("\n")
        assert said[0].startswith(f"split unit {own} into 2 parts")
        assert said[0].endswith("(helps part: 1 part is left)")
        assert said[1].endswith("unit b into 2 parts, unit d into 2 parts")
        assert not any(option.startswith(f"split unit {other} ") for option in said)


def test_a_pocket_joins_the_giant_that_cuts_it_off() -> None:
    grid = gm.partition(row(100, 900, 400))
    assert sorted(grid.cells["households"]) == [400, 1000]


@pytest.mark.parametrize(
    ("households", "band", "certificate"),
    [
        ((100, 150), (300, 600), "too-few"),
        ((250, 300), (300, 500), "arithmetic"),
        ((700,), (300, 600), "unit-over-max"),
        ((200, 450, 150), (300, 600), "cut-unit"),
    ],
)
def test_each_impossible_community_is_named_with_its_reason(
    households: tuple[int, ...], band: tuple[int, int], certificate: str
) -> None:
    units = row(*households)
    grid = gm.partition(units, band, lang="en")
    assert set(grid.exceptions["certificate"]) == {certificate}
    assert grid.exceptions["options"].str.len().gt(0).all()
    table = gm.feasibility(units, band, lang="en")
    assert table.loc["001", "possible"] == "no"
    assert table.loc["001", "certificate"] == certificate


def test_a_unit_that_fits_into_no_cell_is_named() -> None:
    triangle = [
        shapely.from_wkt(f"POLYGON (({ring}))")
        for ring in (
            "0 0, 0 100, 100 100, 100 0, 0 0",
            "100 0, 100 100, 200 100, 200 0, 100 0",
            "0 100, 0 200, 200 200, 200 100, 100 100, 0 100",
        )
    ]
    units = gpd.GeoDataFrame(
        {"parent": "001", "households": [280, 450, 450]}, geometry=triangle, crs=4547
    )
    table = gm.feasibility(units, lang="en")
    assert table["certificate"].tolist() == ["no-cell-contains"]
    assert "unit 0 (280 households; its neighbours have 450, 450)" in table["reason"].iloc[0]


def test_reasons_come_in_both_languages_and_call_units_by_name() -> None:
    units = row(200, 450, 150, name=["", "Tower", ""])
    assert "咽喉" in gm.feasibility(units)["reason"].iloc[0]
    assert (
        "Unit Tower is a bottleneck: 450 + stranded"
        in (gm.feasibility(units, lang="en")["reason"].iloc[0])
    )


def test_dedicated_areas_are_cells_of_their_own() -> None:
    units = row(
        200,
        0,
        0,
        200,
        300,
        kind=["residential", "dedicated", "dedicated", *["residential"] * 2],
        name=["", "School", "School", "", ""],
    )
    grid = gm.partition(units)
    dedicated = grid.cells[grid.cells["kind"] == "dedicated"]
    assert list(dedicated["name"]) == ["School"]
    assert dedicated.area.sum() == 20_000
    assert grid.exceptions.empty  # the 200 beyond the school joined the nearest cell with room
    apart = gm.partition(units, exclaves="own")
    assert set(apart.exceptions["certificate"]) == {"too-few"}


def test_a_hard_barrier_is_kept_where_it_can_be() -> None:
    side = [0, 0, 1, 1]
    kept = gm.partition(row(200, 250, 150, 350, side=side))
    assert sorted(kept.cells["households"]) == [450, 500]
    assert "crossed" not in kept.parameters
    crossed = gm.partition(row(100, 150, 150, 350, side=side))
    assert crossed.cells["households"].between(300, 600).all()
    assert crossed.parameters["crossed"] == ["001"]


def test_the_wanted_number_of_cells_is_made() -> None:
    units = town(8, 2, seed=1)
    total = units.groupby("parent")["households"].sum()
    wanted = (total // 400).rename("wanted")
    grid = gm.partition(units, cells=wanted)
    assert (grid.cells.groupby("parent").size() == wanted).all()
    assert grid.cells["households"].between(300, 600).all()
    column = units.assign(wanted=units["parent"].map(wanted))
    assert gm.partition(column, cells="wanted").content_hash == grid.content_hash
    assert "cells_missed" not in grid.parameters
    many = gm.partition(units, cells=pd.Series({"001": 99}))
    assert many.parameters["cells_missed"]["001"].items() >= {"wanted": 99, "proved": True}.items()
    assert many.cells["households"].between(300, 600).all()


def test_workload_is_balanced_when_it_is_given() -> None:
    units = town(12, 1, seed=2)
    units["work"] = units["households"] * np.where(units.geometry.centroid.x < 600, 3, 1)
    even = gm.partition(units, weight="work")
    plain = gm.partition(units)
    spread = [g.units.groupby("code")["work"].sum().std() for g in (even, plain)]
    assert spread[0] < spread[1]
    assert even.cells["households"].between(300, 600).all()


def test_contacts_of_two_cells_are_lines() -> None:
    grid = gm.partition(town())
    assert contacts(grid.cells.geometry.to_numpy()).length.min() >= 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"households": [1, -2, 3]}, r"'households' is negative in 1 of 3 rows \(1\)"),
        ({"households": [1, None, 3]}, "missing or not finite"),
        ({"households": ["1", "many", "3"]}, "holds 'many' where a count belongs"),
        ({"households": [1.5, 2, 3]}, "fractional"),
    ],
)
def test_bad_households_are_refused(change: dict[str, list[object]], message: str) -> None:
    units = row(1, 2, 3)
    for column, values in change.items():
        units[column] = pd.Series(values)
    with pytest.raises(InputError, match=message):
        gm.partition(units)


def test_units_that_cannot_be_used_are_refused() -> None:
    units = row(300, 300)
    with pytest.raises(CRSError, match="`units` has no CRS"):
        gm.partition(units.set_crs(None, allow_override=True))
    with pytest.raises(CRSError, match="in degrees"):
        gm.partition(units.set_crs(4326, allow_override=True))
    with pytest.raises(InputError, match="lacks parent"):
        gm.partition(units.drop(columns="parent"))
    with pytest.raises(InputError, match="is empty"):
        gm.partition(units.iloc[:0])
    with pytest.raises(InputError, match="no polygons, first unit 0"):
        gm.partition(units.set_geometry(units.geometry.centroid))


def test_options_that_cannot_be_used_are_refused() -> None:
    units = row(300, 300)
    with pytest.raises(InputError, match="min 600 over max 300"):
        gm.partition(units, (600, 300))
    with pytest.raises(InputError, match="`target` is 700"):
        gm.partition(units, target=700)
    with pytest.raises(InputError, match="`quality` is 'great'"):
        gm.partition(units, quality="great")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`weight` names the column 'work'"):
        gm.partition(units, weight="work")
    with pytest.raises(InputError, match="whole numbers from 1"):
        gm.partition(units, cells=pd.Series({"001": 0}))
    with pytest.raises(InputError, match="`road_preference` is 2"):
        gm.partition(units, road_preference=2)


def test_progress_is_told_to_the_end() -> None:
    heard: list[tuple[str, int, int]] = []
    gm.partition(town(), progress=lambda *news: heard.append(news))
    assert ("solve", 0, 2) in heard
    assert heard[-1] == ("solve", 2, 2)


def test_bands_are_compared_without_solving() -> None:
    table = gm.what_if(row(200, 350), [(300, 500), (300, 600)])
    assert table["impossible"].tolist() == [1, 0]
    assert table["households"].tolist() == [550, 0]


def test_no_cell_encloses_another_when_that_is_unwanted() -> None:
    units = town(12, 1, seed=5)
    grid = gm.partition(units, no_holes=True)
    assert (grid.cells.geometry.count_interior_rings() == 0).all()
    assert grid.cells["households"].between(300, 600).all()


def test_a_cell_that_must_enclose_another_is_named() -> None:
    inner = [(100, 100), (150, 100), (200, 100), (200, 200), (150, 200), (100, 200)]
    ring = shapely.Polygon([(0, 0), (300, 0), (300, 300), (0, 300)], [inner])
    units = gpd.GeoDataFrame(
        {"parent": "001", "households": [400, 200, 250]},
        geometry=[ring, shapely.box(100, 100, 150, 200), shapely.box(150, 100, 200, 200)],
        crs=4547,
    )
    grid = gm.partition(units, no_holes=True)
    assert grid.parameters["enclosing"] == [grid.locate(50, 50)]
    assert "enclosing" not in gm.partition(units).parameters


def test_borders_follow_given_barriers() -> None:
    units = town(16, 1, seed=6)
    streets = gpd.GeoDataFrame(
        geometry=[shapely.LineString([(x, 0), (x, 1600)]) for x in (300, 700, 1100)], crs=4547
    )
    along = []
    for preference in (0.0, 0.9):
        grid = gm.partition(units, barriers=streets, road_preference=preference)
        inner = shapely.union_all(grid.cells.geometry.boundary).difference(grid.boundary.boundary)
        along.append(streets.geometry.intersection(inner).length.sum())
    assert along[1] > along[0]


@pytest.mark.parametrize(
    "band", [("a", "b"), (300,), "ab", 5, (np.nan, 600), (300, np.inf), (0, 5), (300.5, 600)]
)
def test_a_band_that_is_none_is_refused(band: object) -> None:
    units = row(300, 400)
    with pytest.raises(InputError, match="give two whole numbers from 1"):
        gm.partition(units, band)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="give two whole numbers from 1"):
        gm.what_if(units, [band])  # type: ignore[list-item]


def test_no_band_is_the_usual_one_but_none_to_compare() -> None:
    units = row(300, 400)
    assert gm.partition(units, None).content_hash == gm.partition(units, (300, 600)).content_hash
    with pytest.raises(InputError, match="give two whole numbers from 1"):
        gm.what_if(units, [None])  # type: ignore[list-item]


@pytest.mark.parametrize("bands", [[], None, 5, "300-600"])
def test_bands_to_compare_are_one_or_more(bands: object) -> None:
    with pytest.raises(InputError, match=r"`bands` is .*; give one or more"):
        gm.what_if(row(300, 400), bands)  # type: ignore[arg-type]
    assert len(gm.what_if(row(300, 400), [np.array([300, 600]), (300.0, 500.0)])) == 2
