"""The polygon of the datum shift, held against real counties."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from gridmap.crs.project import in_shift_area, shift_area

pytestmark = pytest.mark.real

ELSEWHERE = ("71", "81", "82")  # Taiwan, Hong Kong, Macau
ISLANDS = ("金门县", "西沙群岛")  # not shifted, or beyond the polygon at sea


def test_mainland_counties_lie_inside_the_others_outside(shared: Path) -> None:
    counties = gpd.read_parquet(shared / "china_counties_osm.parquet")
    middle = shapely.point_on_surface(counties.geometry.to_numpy())
    inside = in_shift_area(shapely.get_x(middle), shapely.get_y(middle))
    away = counties["province_code"].astype(str).isin(ELSEWHERE).to_numpy()
    island = counties["county"].isin(ISLANDS).to_numpy()
    assert inside[~away & ~island].all()
    assert not inside[away].any()
    assert (~away).sum() > 2800


def test_no_county_is_cut_by_more_than_a_rim(shared: Path) -> None:
    counties = gpd.read_parquet(shared / "china_counties_osm.parquet")
    away = counties["province_code"].astype(str).isin(ELSEWHERE)
    mainland = counties[~away & ~counties["county"].isin(ISLANDS)]
    shapes = shapely.make_valid(mainland.geometry.to_numpy())
    outside = shapely.area(shapely.difference(shapes, shift_area())) / shapely.area(shapes)
    assert outside.max() < 0.02
