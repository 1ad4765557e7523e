"""Published values of the Chinese datums."""

from __future__ import annotations

import pytest

from gridmap.crs.datum import bd09_to_gcj02, gcj02_to_bd09, gcj02_to_wgs84, wgs84_to_gcj02

# Values that circulate with the public formula (JavaScript and Python ports agree on them).


def test_wgs84_to_gcj02() -> None:
    lng, lat = wgs84_to_gcj02(116.404, 39.915)
    assert lng == pytest.approx(116.41024449916938, abs=1e-13)
    assert lat == pytest.approx(39.91640428150164, abs=1e-13)


def test_gcj02_to_bd09() -> None:
    lng, lat = gcj02_to_bd09(116.404, 39.915)
    assert lng == pytest.approx(116.41036949371029, abs=1e-13)
    assert lat == pytest.approx(39.92133699351021, abs=1e-13)


def test_bd09_to_gcj02() -> None:
    # The published value (112.97124803, 22.91014091) is a one-step inverse, rounded to 1e-8°.
    lng, lat = bd09_to_gcj02(112.9778, 22.915835)
    assert lng == pytest.approx(112.97124803, abs=2e-8)
    assert lat == pytest.approx(22.91014091, abs=2e-8)


def test_inverse_of_the_published_value() -> None:
    lng, lat = gcj02_to_wgs84(116.41024449916938, 39.91640428150164)
    assert lng == pytest.approx(116.404, abs=1e-11)
    assert lat == pytest.approx(39.915, abs=1e-11)
