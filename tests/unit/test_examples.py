"""Laws of the made-up city."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pandas.testing import assert_frame_equal

import gridmap as gm
from gridmap.errors import InputError

SEEDS = range(8)


@pytest.fixture(scope="module", params=SEEDS)
def city(request: pytest.FixtureRequest) -> Any:
    """Return tiny cities of several seeds."""
    return gm.example_city(seed=request.param, size="tiny")


def households_in(city: Any) -> pd.Series:
    """Count households by community from the buildings."""
    joined = gpd.sjoin(city.buildings, city.jurisdictions, predicate="within")
    return joined.groupby("code")["households"].sum()


def segments(geometries: Any) -> set[tuple[Any, ...]]:
    """List the straight pieces of lines or outlines, in one direction each."""
    lines = shapely.get_parts(shapely.boundary(geometries))
    if shapely.get_type_id(np.asarray(geometries)).max(initial=0) in (1, 5):
        lines = shapely.get_parts(geometries)
    xy, line = shapely.get_coordinates(lines, return_index=True)
    joined = line[1:] == line[:-1]
    pairs = zip(map(tuple, xy[:-1][joined]), map(tuple, xy[1:][joined]), strict=True)
    return {tuple(sorted(pair)) for pair in pairs}


def test_the_same_seed_gives_the_same_city() -> None:
    first, second = (gm.example_city(seed=3, size="tiny") for _ in range(2))
    for name, frame in vars(first).items():
        assert_frame_equal(pd.DataFrame(frame), pd.DataFrame(vars(second)[name]))
    assert not first.buildings.equals(gm.example_city(seed=4, size="tiny").buildings)


def test_a_change_of_one_city_leaves_the_next_untouched() -> None:
    first = gm.example_city(seed=3, size="tiny")
    first.buildings.loc[0, "households"] = 99_999
    assert gm.example_city(seed=3, size="tiny").buildings.loc[0, "households"] != 99_999


def test_jurisdictions_are_an_exact_coverage_with_unique_codes(city: Any) -> None:
    frame = city.jurisdictions
    assert frame.crs.to_epsg() == 4547
    assert shapely.coverage_is_valid(frame.geometry.values)
    assert frame.geometry.is_valid.all()
    assert frame["code"].str.fullmatch(r"\d{12}").all() and frame["code"].is_unique
    assert frame["community"].is_unique
    proof = gm.prove(frame, shapely.coverage_union_all(frame.geometry.values))
    assert proof.verdict == "exact"


def test_levels_nest(city: Any) -> None:
    frame = city.jurisdictions
    assert frame["district"].nunique() == 2
    assert (frame.groupby("street")["district"].nunique() == 1).all()
    assert (frame.groupby(frame["code"].str[:6])["district"].nunique() == 1).all()
    assert (frame.groupby(frame["code"].str[:9])["street"].nunique() == 1).all()


def test_every_household_lives_in_one_community(city: Any) -> None:
    joined = gpd.sjoin(city.buildings, city.jurisdictions, predicate="within")
    assert len(joined) == len(city.buildings) and joined.index.is_unique
    assert city.buildings["building_id"].is_unique


def test_the_awkward_cases_are_there(city: Any) -> None:
    frame, households = city.jurisdictions, households_in(city)
    parts = shapely.get_parts(frame.geometry.values)
    assert (shapely.get_num_interior_rings(parts) > 0).any(), "a lake"
    assert (frame.geometry.count_geometries() > 1).any(), "two parts"
    assert (households < 300).sum() >= 1, "too few households"
    assert (city.buildings["households"] > 600).sum() == 1, "a tower"
    hull = shapely.area(shapely.convex_hull(frame.geometry.values))
    assert (frame.area / hull < 0.85).any(), "not convex"


def test_households_have_a_heavy_tail() -> None:
    counts = gm.example_city(size="town").buildings["households"]
    lived_in = counts[counts > 0]
    assert lived_in.mean() > 1.8 * lived_in.median()
    assert lived_in.quantile(0.99) > 8 * lived_in.median()


def test_borders_inside_the_city_run_along_barriers(city: Any) -> None:
    outline = segments([shapely.coverage_union_all(city.jurisdictions.geometry.values)])
    inner = segments(city.jurisdictions.geometry.values) - outline
    assert inner <= segments(city.barriers.geometry.values)
    assert set(city.barriers["kind"]) == {"arterial", "street", "river", "railway"}


def test_dedicated_areas_lie_inside_one_community_each(city: Any) -> None:
    pairs = gpd.sjoin(city.dedicated, city.jurisdictions, predicate="covered_by")
    assert len(pairs) == len(city.dedicated) >= 4
    assert {"学校", "公园"} <= set(city.dedicated["use"])


def test_incidents_tell_a_consistent_story(city: Any) -> None:
    table = city.incidents
    assert table["incident_id"].is_unique and table["time"].is_monotonic_increasing
    assert table["time"].between("2026-01-01", "2026-07-01", inclusive="left").all()
    done = table["status"] == "结案"
    assert (table.loc[done, "closed"] > table.loc[done, "time"]).all()
    assert table.loc[~done, "closed"].isna().all() and (~done).any()
    assert (table["due"] > table["time"]).all()
    assert set(table["handling_level"]) <= {"网格", "社区", "街道", "区"}


def test_some_incidents_lie_outside_and_some_on_shared_corners(city: Any) -> None:
    touched = shapely.STRtree(city.jurisdictions.geometry.values).query(
        city.incidents.geometry.values, predicate="intersects"
    )[0]
    times = np.bincount(touched, minlength=len(city.incidents))
    assert (times == 0).sum() >= 4
    assert (times > 1).sum() >= 4


def test_snapshots_come_in_gcj02(city: Any) -> None:
    table = city.incidents
    sent = table["datum"] == "gcj02"
    assert (table.loc[sent, "source"] == "随手拍").all() and sent.any()
    assert table.loc[~sent, ["lng", "lat"]].isna().all(axis=None)
    true = table.geometry[sent].reset_index(drop=True)
    phones = gpd.GeoSeries.from_xy(
        table.loc[sent, "lng"].to_numpy(), table.loc[sent, "lat"].to_numpy()
    )
    assert gm.from_datum(phones, "gcj02", crs=4547).distance(true).max() < 0.01
    assert phones.set_crs(4326).to_crs(4547).distance(true).min() > 100


def test_hotspots_are_hotter_than_decoys_per_household() -> None:
    city = gm.example_city(size="town")
    truth = city.truth
    disc, _ = city.incidents.sindex.query(truth.geometry.values, predicate="contains")
    rate = np.bincount(disc, minlength=len(truth)) / truth["households"]
    hot, decoy = truth["kind"] == "hotspot", truth["kind"] == "decoy"
    assert rate[hot].min() > 1.5 * rate[decoy].max()
    assert truth.loc[decoy, "households"].min() > truth.loc[hot, "households"].mean()


def test_posts_have_roles_and_no_persons(city: Any) -> None:
    staff = city.staff
    assert staff["post"].is_unique
    assert set(staff["role"]) == {"leader", "assistant", "patrol", "department", "volunteer"}
    assert set(staff.loc[staff["role"] == "leader", "code"]) == set(city.jurisdictions["code"])
    assert not {"name", "phone"} & set(staff.columns)


def test_the_town_has_about_sixty_communities() -> None:
    city = gm.example_city()
    assert 50 <= len(city.jurisdictions) <= 70
    assert "communities" in repr(city)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InputError, match="`size` is 'huge'"):
        gm.example_city(size="huge")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`seed` is -1"):
        gm.example_city(seed=-1)
