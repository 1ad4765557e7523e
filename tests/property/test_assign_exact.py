"""Each point gets the cell that rational arithmetic gives it, on every path."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.coverage import point_tree
from gridmap.coverage.point_index import RIM, CoverageIndex
from gridmap.coverage.point_tree import PolygonTree
from gridmap.grid.locator import Locator
from tests.coverages import Exactly, awkward_points, mosaic, moved

PLACES = ("outside", "inside", "boundary", "rim")
SEEDS = st.integers(0, 10_000)
PLACED = st.sampled_from(
    [(1.0, 0.0, 0.0), (0.1, 500_000.0, 3_400_000.0), (1 / 3, -1e6, 0.1), (1e-5, 116.3, 39.9)]
)


def _agrees(answer: Any, exactly: Exactly, x: Any, y: Any) -> None:
    cell, place = answer
    for k in range(len(x)):
        assert (cell[k], PLACES[place[k]]) == exactly(x[k], y[k]), (x[k], y[k])


@settings(max_examples=12, deadline=None)
@given(SEEDS, PLACED)
def test_the_index_agrees_with_fractions(seed: int, where: tuple[float, float, float]) -> None:
    """Vertices, edges and their neighbours by one ulp upwards: not one mistake."""
    cells = moved(mosaic(seed), *where)
    codes = [f"{(13 * k) % 17:02d}{k}" for k in range(len(cells))]
    x, y = awkward_points(cells, seed, 100)
    exactly = Exactly(cells, codes)
    _agrees(CoverageIndex(cells, codes).relate(x, y), exactly, x, y)
    _agrees(PolygonTree(cells, codes).relate(x, y), exactly, x, y)


@settings(max_examples=15, deadline=None)
@given(SEEDS, PLACED, st.floats(0.3, 90.0))
def test_nothing_changes_the_answers(
    seed: int, where: tuple[float, float, float], pixels: float
) -> None:
    """Neither pixels, nor the order of the cells, nor pickling, nor the path taken."""
    cells = moved(mosaic(seed), *where)
    codes = np.array([f"{(13 * k) % 17:02d}{k}" for k in range(len(cells))], dtype=object)
    x, y = awkward_points(cells, seed, 3000)
    index = CoverageIndex(cells, codes)
    cell, place = index.relate(x, y)
    assert np.array_equal(index.locate(x, y), cell)
    other = CoverageIndex(cells, codes, pixel=pixels * where[0])
    kept = pickle.loads(pickle.dumps(index))
    filed = CoverageIndex.from_arrays(index.to_arrays())
    for again in (other, kept, filed):
        assert all(map(np.array_equal, again.relate(x, y), (cell, place)))
    order = np.random.default_rng(seed).permutation(len(cells))
    shuffled, shuffled_place = CoverageIndex(cells[order], codes[order]).relate(x, y)
    assert np.array_equal(np.r_[0, order + 1][shuffled], cell)
    assert np.array_equal(shuffled_place, place)
    few = PolygonTree(cells, codes).relate(x, y)
    assert all(map(np.array_equal, few, (cell, place)))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_every_point_inside_is_assigned_once(seed: int) -> None:
    """The cell contains or touches its point, and only points outside have none."""
    cells = mosaic(seed)
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-5, 65, (2, 2000)).astype(float)
    cell, place = CoverageIndex(cells).relate(x, y)
    point, hit = shapely.STRtree(cells).query(shapely.points(x, y), predicate="intersects")
    touched = np.bincount(point, minlength=len(x))
    assert np.array_equal(cell > 0, touched > 0)
    assert np.array_equal(place > 0, touched > 0)
    pairs = set(zip(point.tolist(), hit.tolist(), strict=True))
    assert all((k, cell[k] - 1) in pairs for k in np.flatnonzero(cell))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_nearest_cell_is_nearest(seed: int) -> None:
    """The distance is that of the polygons, and a tie goes to the lowest code."""
    cells = mosaic(seed)
    codes = np.array([f"{(13 * k) % 17:02d}{k:02d}" for k in range(len(cells))], dtype=object)
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-30, 90, (2, 300)).astype(float)
    placed = Locator(cells, codes, None).place(x, y)
    indexed = Locator(cells, codes, None)
    _ = indexed.index
    for few, many in zip(placed, indexed.place(x, y), strict=True):
        assert np.array_equal(few, many, equal_nan=few.dtype == float)
    points = shapely.points(x[placed.outside], y[placed.outside])
    distance = shapely.distance(cells[:, None], points[None, :])
    assert placed.distance == pytest.approx(distance.min(axis=0), rel=1e-12)
    for k in range(len(points)):
        tied = np.flatnonzero(distance[:, k] == distance[:, k].min())
        assert codes[placed.nearest[k] - 1] == min(codes[tied])


def test_points_outside_are_not_held_against_every_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round area of ten thousand sides: only points on it are held against them."""
    area = shapely.Point(500_000, 3_400_000).buffer(1000, quad_segs=2500)
    dice = np.random.default_rng(0)
    xy = np.array([500_000, 3_400_000]) + dice.uniform(-1000, 1000, (20_000, 2))
    xy[:4] = shapely.get_coordinates(area)[:4]
    asked = []
    edges = PolygonTree._edges
    monkeypatch.setattr(
        PolygonTree, "_edges", lambda tree, who: asked.append(len(who)) or edges(tree, who)
    )
    cell, place = PolygonTree(np.array([area])).relate(xy[:, 0].copy(), xy[:, 1].copy())
    inside = shapely.contains_xy(area, xy[:, 0], xy[:, 1])
    assert np.array_equal(cell[4:] == 1, inside[4:])
    assert (place[:4] == RIM).all()
    assert sum(asked) == 4


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("reach", [None, 3.0, 0.5])
def test_the_nearest_cell_is_the_same_by_tree_compiled_and_by_every_edge(
    seed: int, reach: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(9), np.arange(9))
    chosen = rng.random(81) < rng.uniform(0.1, 0.9)
    chosen[0] = True
    cells = shapely.box(x.ravel()[chosen], y.ravel()[chosen], x.ravel()[chosen] + 1,
                        y.ravel()[chosen] + 1)  # fmt: skip
    index = CoverageIndex(cells, rng.permutation(len(cells)))
    at = np.r_[rng.integers(-8, 36, (300, 2)) / 2.0, rng.uniform(-4, 13, (300, 2))]
    at = at[index.relate(*at.T)[1] == 0]
    monkeypatch.setattr(point_tree, "compiles", lambda _: False)
    cell, far = point_tree.Border(index).nearest(*at.T, reach)
    monkeypatch.setattr(point_tree, "compiles", lambda _: True)
    compiled = point_tree.Border(index).nearest(*at.T, reach)
    assert (compiled[0] == cell).all()
    np.testing.assert_array_equal(compiled[1], far)
    apart = shapely.distance(shapely.points(at)[:, None], cells[None, :])
    apart = np.where(apart <= (np.inf if reach is None else reach), apart, np.inf)
    least = apart.min(axis=1)
    ranks = np.where(apart == least[:, None], index.ranks[1:][None, :], len(cells) + 1)
    wanted = np.where(np.isfinite(least), ranks.argmin(axis=1) + 1, 0)
    assert (cell == wanted).all() and (cell > 0).sum() > 0
    np.testing.assert_array_equal(far[cell > 0], least[cell > 0])
