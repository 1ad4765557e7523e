"""Snap rounding against its definition in fractions, and faces against those of GEOS."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.units import noding
from gridmap.units.snap_rounding import determinant, faces, noded

MANY = settings(max_examples=200, deadline=None, derandomize=True)
HALF = Fraction(1, 2)
Place = tuple[int, int]
Edge = tuple[Place, Place]


def rounded(x: Fraction) -> int:
    return (x + HALF).__floor__()


def crossing(one: Edge, other: Edge) -> Place | None:
    """Return the pixel of the one place that two segments have in common, if they cross."""
    (ax, ay), (bx, by) = one
    (cx, cy), (dx, dy) = other
    turn = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
    if turn == 0:
        return None
    t = Fraction((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx), turn)
    u = Fraction((cx - ax) * (by - ay) - (cy - ay) * (bx - ax), turn)
    if not (0 <= t <= 1 and 0 <= u <= 1):
        return None
    return rounded(ax + t * (bx - ax)), rounded(ay + t * (by - ay))


def entered(segment: Edge, pixel: Place) -> tuple[Fraction, bool] | None:
    """Return how far along a segment comes into a pixel, at that place or just after it.

    The pixel has its left and its lower rim.
    """
    low, high, open_low, open_high = Fraction(0), Fraction(1), False, False
    for start, end, middle in zip(*segment, pixel, strict=True):
        step = end - start
        left, right = middle - HALF - start, middle + HALF - start
        if step == 0:
            if not left <= 0 < right:
                return None
            continue
        near, far = Fraction(left) / step, Fraction(right) / step
        open_near, open_far = False, True
        if step < 0:
            near, far, open_near, open_far = far, near, True, False
        low, open_low = max((low, open_low), (near, open_near))
        if (far, not open_far) < (high, not open_high):
            high, open_high = far, open_far
    meets = low < high or (low == high and not open_low and not open_high)
    return (low, open_low) if meets else None


def by_definition(segments: list[Edge]) -> set[Edge]:
    """Return the edges of the snap rounding of segments: every pair, every pixel."""
    hot = {place for segment in segments for place in segment}
    hot |= {place for pair in combinations(segments, 2) if (place := crossing(*pair))}
    result = set()
    for segment in segments:
        met = [(t, pixel) for pixel in hot if (t := entered(segment, pixel)) is not None]
        for (_, one), (_, other) in pairwise(sorted(met)):
            result.add((min(one, other), max(one, other)))
    return result


def drawn(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return lines with ends on whole numbers, some of them rings."""
    ends = rng.integers(0, size, (int(rng.integers(1, 14)), int(rng.integers(2, 5)), 2))
    boxes = np.sort(rng.integers(0, size, (int(rng.integers(0, 4)), 2, 2)), axis=1).reshape(-1, 4)
    lines = [*shapely.linestrings(ends.astype(float)), *shapely.boundary(shapely.box(*boxes.T))]
    return np.array([line for line in lines if line.length], dtype=object)


def segments_of(lines: np.ndarray) -> list[Edge]:
    """Return the segments of lines."""
    return [
        ((int(a), int(b)), (int(c), int(d)))
        for line in lines
        for (a, b), (c, d) in pairwise(line.coords)
        if (a, b) != (c, d)
    ]


def rounded_faces(lines: np.ndarray, step: float) -> np.ndarray:
    return faces(*noded(lines, step), step)


def as_set(shapes: object) -> list[bytes]:
    return sorted(shapely.to_wkb(shapely.normalize(np.asarray(shapes, dtype=object))).tolist())


def polygonized(place: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return shapely.get_parts(shapely.polygonize(shapely.linestrings(place[edges].astype(float))))


@MANY
@given(st.integers(0, 10**9), st.sampled_from([4, 7, 20, 100, 10**6, 2**32]))
def test_edges_are_those_of_the_definition(seed: int, size: int) -> None:
    lines = drawn(np.random.default_rng(seed), size)
    if not len(lines):
        return
    place, edges = noded(lines, 1.0)
    found = {(tuple(a), tuple(b)) for a, b in place[edges].tolist()}
    wanted = by_definition(segments_of(lines))
    assert {(min(edge), max(edge)) for edge in found} == wanted


@MANY
@given(st.integers(0, 10**9), st.sampled_from([4, 7, 20, 100, 10**6, 2**32]))
def test_faces_are_those_of_polygonize(seed: int, size: int) -> None:
    lines = drawn(np.random.default_rng(seed), size)
    if not len(lines):
        return
    place, edges = noded(lines, 1.0)
    found = faces(place, edges, 1.0)
    assert shapely.is_valid(found).all()
    assert as_set(found) == as_set(polygonized(place, edges))


@MANY
@given(st.integers(0, 10**9))
def test_faces_are_those_of_geos(seed: int) -> None:
    """To the last bit, but where a crossing is too near a pixel's rim for the doubles of GEOS."""
    rng = np.random.default_rng(seed)
    lines = shapely.linestrings(rng.integers(0, 2**30, (40, 2, 2)) * noding.LATTICE)
    ours, theirs = as_set(rounded_faces(lines, noding.LATTICE)), as_set(noding.faces_of(lines))
    assert len(ours) == len(theirs)
    assert len(set(ours) - set(theirs)) <= 4


def test_holes_go_to_the_smallest_face_around_them_and_islands_touch_at_corners() -> None:
    rings = [shapely.box(*box).exterior for box in (
        (0, 0, 90, 90), (10, 10, 80, 80), (20, 20, 30, 30), (30, 30, 40, 40), (50, 50, 60, 60),
        (80, 80, 85, 85), (52, 52, 54, 54),
    )]  # fmt: skip
    lines = np.array([*rings, *shapely.linestrings([[(55, 55), (57, 55)], [(0, 0), (5, 5)]])])
    found = rounded_faces(lines, 1.0)
    assert as_set(found) == as_set(noding.faces_of(lines))
    assert sorted(shapely.get_num_interior_rings(found).tolist()) == [0, 0, 0, 0, 1, 2, 3]


@pytest.mark.parametrize("lines", [[], [[(0, 0), (9, 9)]], [[(0, 0), (0.1, 0.1)]]])
def test_lines_that_enclose_nothing_have_no_faces(lines: list[list[Place]]) -> None:
    shapes = np.array([shapely.LineString(line) for line in lines], dtype=object)
    assert len(rounded_faces(shapes, 1.0)) == 0


def test_many_lines_go_the_compiled_way_to_the_same_coverage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    box = shapely.box(0, 0, 900, 900)
    lines = np.array([box.exterior, *shapely.linestrings(rng.uniform(-50, 950, (90, 2, 2)))])
    plain = noding.faces_of(lines)
    monkeypatch.setattr(noding, "COMPILED_FROM", 0)
    fast = noding.faces_of(lines)
    assert len(plain) == len(fast) > 900
    assert shapely.coverage_is_valid(fast)
    tree = shapely.STRtree(fast)
    of, near = tree.query(shapely.point_on_surface(plain), predicate="within")
    assert of.tolist() == list(range(len(plain))) and len(set(near.tolist())) == len(fast)
    assert (
        shapely.hausdorff_distance(plain, fast[near]).max() < 64 * noding.LATTICE
    )  # at sharp crossings


@pytest.mark.parametrize("compiled_from", [0, 10**9])
@pytest.mark.parametrize("seed", range(40))
def test_outlines_drawn_twice_have_faces_that_match(
    seed: int, compiled_from: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the villages of Taipei are drawn: a vertex back in its place may turn a face over."""
    rng = np.random.default_rng(seed)
    towns = shapely.voronoi_polygons(shapely.multipoints(rng.uniform(0, 900, (30, 2))))
    noise = noding.LATTICE * rng.choice([0.3, 1.0, 3.0])
    rings = shapely.boundary(shapely.get_parts(towns))
    again = shapely.transform(rings, lambda xy: xy + rng.uniform(-noise, noise, xy.shape))
    monkeypatch.setattr(noding, "COMPILED_FROM", compiled_from)
    found = noding.faces_of(np.concatenate([rings, again]))
    assert shapely.is_valid(found).all() and shapely.coverage_is_valid(found)


@MANY
@given(*[st.integers(-(2**43), 2**43)] * 4)
def test_determinants_are_rounded_once(a: int, b: int, c: int, d: int) -> None:
    assert determinant(a, b, c, d) == float(a * d - b * c)


@pytest.mark.parametrize("way", [1, -1])
def test_determinants_that_nearly_vanish_keep_their_sign(way: int) -> None:
    a, d = 2**43 - 1, 2**43 - 3
    assert determinant(a, 2**43 - 2, 2**43 - 2, d) == float(a * d - (2**43 - 2) ** 2)
    assert determinant(way * a, a, way * a, a) == 0.0
