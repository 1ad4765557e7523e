from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from gridmap import CRSError, InputError, density
from gridmap.hotspot_analysis.density import bin_points, smooth
from tests.lattice import lattice


def direct(x: np.ndarray, y: np.ndarray, at: tuple[float, float], h: float) -> float:
    squares = (x - at[0]) ** 2 + (y - at[1]) ** 2
    return float(np.exp(-squares / (2 * h * h)).sum() / (2 * np.pi * h * h))


def test_the_raster_is_the_direct_sum_to_a_tenth_of_a_percent() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(500, 150, 3000), rng.normal(400, 100, 3000)
    place = {"west": 0.0, "north": 800.0, "pixel": 10.0, "shape": (80, 100)}
    found = smooth(bin_points(x, y, **place), pixel=10.0, bandwidth=50.0)
    inside = (x >= 0) & (x <= 1000) & (y >= 0) & (y <= 800)
    peak = found.max()
    for row, column in [(40, 50), (30, 60), (10, 20), (79, 99), (0, 0)]:
        at = (column * 10 + 5.0, 800 - row * 10 - 5.0)
        assert abs(found[row, column] - direct(x[inside], y[inside], at, 50.0)) < 1e-3 * peak


def test_weights_count_as_repeated_points() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 100, (2, 50))
    weights = rng.integers(1, 4, 50)
    place = {"west": 0.0, "north": 100.0, "pixel": 10.0, "shape": (10, 10)}
    weighted = bin_points(x, y, weights=weights.astype(float), **place)
    repeated = bin_points(np.repeat(x, weights), np.repeat(y, weights), **place)
    np.testing.assert_allclose(weighted, repeated)
    assert weighted.sum() == pytest.approx(weights.sum())


def test_corners_are_kept_and_the_outside_is_not() -> None:
    place = {"west": 0.0, "north": 100.0, "pixel": 10.0, "shape": (10, 10)}
    corners = bin_points(np.array([0.0, 100, 0, 100]), np.array([0.0, 0, 100, 100]), **place)
    assert corners.sum() == pytest.approx(4)
    assert bin_points(np.array([-0.1, 50]), np.array([50, 100.1]), **place).sum() == 0


def test_even_risk_is_one_everywhere_however_many_live_there() -> None:
    households = np.full(400, 200)
    households[:100] = 1000
    grid = lattice(20, 20, households)
    rng = np.random.default_rng(1)
    cell = rng.choice(400, 200_000, p=households / households.sum())
    points = pd.DataFrame(
        {
            "x": (cell % 20 + rng.random(len(cell))) * 100,
            "y": (cell // 20 + rng.random(len(cell))) * 100,
        }
    )
    found = density(points, grid, bandwidth=150)
    assert found.shown.mean() > 0.99
    assert np.abs(found.values[found.shown] - 1).max() < 0.15
    raw = density(points, grid, bandwidth=150, exposure=None)
    assert raw.values.max() / raw.values[raw.shown].mean() > 2
    # what spreads beyond the boundary is not shown
    assert 0.8 < raw.values.sum() * (raw.pixel / 1000) ** 2 / 200_000 < 1


def test_what_is_left_out_is_counted() -> None:
    households = np.full(25, 400)
    households[0] = 0
    grid = lattice(5, 5, households)
    x = [50.0, 250, 250, 999, np.nan] + [310.0] * 200
    y = [50.0, 250, 250, 999, 10] + [320.0] * 200
    found = density(pd.DataFrame({"x": x, "y": y}), grid, bandwidth=100)
    facts = found.method
    assert (facts["incidents"], facts["outside"], facts["incidents_no_base"]) == (202, 2, 1)
    assert not found.shown[-1, 0] and np.isfinite(found.values).all()
    json.dumps(facts, allow_nan=False)


def test_georeference() -> None:
    grid = lattice(5, 10)
    points = gpd.GeoSeries.from_xy([905.0] * 50, [455.0] * 50, crs=4547)
    found = density(points, grid, bandwidth=80, pixel=10)
    assert found.bounds == (0, 0, 1000, 500)
    assert found.transform == (10, 0, 0, 0, -10, 500)
    raw = density(points, grid, bandwidth=80, pixel=10, exposure=None)
    row, column = np.unravel_index(raw.values.argmax(), raw.values.shape)
    assert abs(row - 4) <= 1 and abs(column - 90) <= 1


def test_no_incidents_and_no_households_show_nothing() -> None:
    empty = pd.DataFrame({"x": [], "y": []})
    for grid in (lattice(3, 3), lattice(3, 3, 0)):
        found = density(empty, grid, bandwidth=50)
        assert not found.shown.any() and (found.values == 0).all()


def test_cells_smaller_than_a_pixel_keep_their_households() -> None:
    grid = lattice(5, 5)
    x = np.repeat([50.0, 150, 250, 350, 450], 500)
    points = pd.DataFrame({"x": x, "y": np.tile([50.0, 150, 250, 350, 450], 500)})
    found = density(points, grid, bandwidth=600, pixel=300)
    assert found.values[found.shown].mean() == pytest.approx(1, abs=0.1)


def test_bad_input_is_refused() -> None:
    grid = lattice(2, 2)
    points = pd.DataFrame({"x": [1.0], "y": [1.0]})
    with pytest.raises(InputError, match="`bandwidth` is 0"):
        density(points, grid, bandwidth=0)
    with pytest.raises(InputError, match="at most half"):
        density(points, grid, bandwidth=100, pixel=80)
    with pytest.raises(InputError, match="larger `pixel`"):
        density(points, grid, bandwidth=0.1)
    with pytest.raises(InputError, match="neither geometry nor columns"):
        density(points[["x"]], grid)
    with pytest.raises(CRSError, match="EPSG:4326"):
        density(gpd.GeoSeries.from_xy([1], [1], crs=4326), grid)
