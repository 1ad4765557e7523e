"""Laws of the datum shifts over random positions."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gridmap.crs.datum import (
    bd09_to_gcj02,
    bd09_to_wgs84,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    positions_from,
    positions_to,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)
from gridmap.crs.project import in_shift_area, shift_area

METRE = 1 / 111_320  # of a degree
SHIFTS = {
    "gcj02": (wgs84_to_gcj02, gcj02_to_wgs84),
    "bd09": (wgs84_to_bd09, bd09_to_wgs84),
    "gcj02 to bd09": (gcj02_to_bd09, bd09_to_gcj02),
}
lngs = st.floats(73, 136, allow_nan=False)
lats = st.floats(17, 54, allow_nan=False)


def well_inside(lng: float, lat: float) -> bool:
    """Tell whether a position is inside and the shift does not carry it over the border."""
    border = shapely.distance(shift_area().boundary, shapely.Point(lng, lat))
    return bool(in_shift_area(lng, lat)) and border > 0.02


@pytest.mark.parametrize("name", SHIFTS)
@given(lng=lngs, lat=lats)
def test_the_inverse_is_good_to_a_micrometre(name: str, lng: float, lat: float) -> None:
    there, back = SHIFTS[name]
    if well_inside(lng, lat):
        again = back(*there(lng, lat))
        assert abs(again[0] - lng) < 1e-6 * METRE
        assert abs(again[1] - lat) < 1e-6 * METRE


@given(lng=st.floats(-180, 180), lat=st.floats(-90, 90))
def test_shifts_are_small_and_bd09_goes_through_gcj02(lng: float, lat: float) -> None:
    middle = wgs84_to_gcj02(lng, lat)
    assert abs(middle[0] - lng) < 0.02
    assert abs(middle[1] - lat) < 0.02
    if well_inside(lng, lat):
        direct, chained = wgs84_to_bd09(lng, lat), gcj02_to_bd09(*middle)
        assert np.allclose(direct, chained, rtol=0, atol=1e-12)


@given(st.lists(st.tuples(lngs, lats), min_size=1, max_size=20))
def test_arrays_and_scalars_agree(places: list[tuple[float, float]]) -> None:
    lng, lat = map(np.array, zip(*places, strict=True))
    for there, back in SHIFTS.values():
        for shift in (there, back):
            both = shift(lng, lat)
            single = [shift(a, b) for a, b in places]
            assert np.allclose(np.transpose(both), single, rtol=0, atol=1e-12)


@given(lng=lngs, lat=lats, datum=st.sampled_from(["wgs84", "cgcs2000", "gcj02", "bd09"]))
def test_positions_come_back_from_any_datum(lng: float, lat: float, datum: str) -> None:
    if well_inside(lng, lat):
        again = positions_from(*positions_to(lng, lat, datum), datum)
        assert abs(again[0] - lng) < 1e-6 * METRE
        assert abs(again[1] - lat) < 1e-6 * METRE
