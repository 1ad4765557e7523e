"""The kernels of the units room: noding, slivers, tiling, splitting, the tree of cuts."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from gridmap.contiguity import Contacts, contacts
from gridmap.units.noding import (
    LATTICE,
    faces_of,
    first_containing,
    linework,
    merge,
    nearest_or_containing,
    outlines,
    widths,
)
from gridmap.units.split_blocks import Items, Pieces, settle, split
from gridmap.units.tiling import absorb, overlap_shares, tile

SQUARE = shapely.box(0, 0, 100, 100)


def items_of(xy: object, count: object, polygons: object = None) -> Items:
    """Return points in one block, or footprints."""
    points = np.asarray(xy, dtype=float)
    n = len(points)
    corners, item = np.empty((0, 2)), np.empty(0, dtype=np.int64)
    if polygons is not None:
        corners, item = shapely.get_coordinates(polygons, return_index=True)
    zero = np.zeros(n, dtype=np.int64)
    return Items(points, np.asarray(count), zero, corners, item, np.zeros(n, dtype=bool))


def cut(items: Items, cap: int, block: shapely.Geometry = SQUARE) -> Pieces:
    return split(np.array([block]), items, cap, np.array([True]))


def test_culs_de_sac_and_overshoots_leave_no_trace() -> None:
    lines = shapely.linestrings([[(50, -20), (50, 130)], [(0, 30), (40, 30)]])
    faces = faces_of([SQUARE.exterior, *lines])
    assert sorted(shapely.area(faces)) == [5000.0, 5000.0]


def test_noding_lands_on_the_lattice_and_matches() -> None:
    lines = shapely.linestrings([[(-1, 1 / 3), (101, 77.7)], [(1 / 7, -1), (99.9, 101)]])
    faces = faces_of([SQUARE.exterior, *lines])
    xy = shapely.get_coordinates(faces) / LATTICE
    assert (xy == np.round(xy)).all()
    assert shapely.coverage_is_valid(faces)
    assert shapely.area(faces).sum() == 10_000.0


def test_nothing_has_no_faces() -> None:
    assert len(faces_of([])) == 0
    assert first_containing(shapely.points([[0, 0]]), np.array([], dtype=object)).tolist() == [-1]


def test_points_on_a_border_find_the_nearest_face() -> None:
    halves = shapely.box([0, 50], 0, [50, 100], 100)
    points = shapely.points([[50, 10], [20, 10], [200, 10]])
    assert first_containing(points, halves).tolist() == [-1, 0, -1]
    assert nearest_or_containing(points, halves).tolist() == [0, 0, -1]


def test_merging_leaves_out_and_takes_apart() -> None:
    row = shapely.box(range(5), 0, range(1, 6), 1)
    polygons, group = merge(row, np.array([7, 7, -1, 3, 7]))
    assert group.tolist() == [3, 7, 7]
    assert sorted(shapely.area(polygons)) == [1.0, 1.0, 2.0]


def test_rings_of_multipolygons_are_found() -> None:
    both = shapely.MultiPolygon([SQUARE, shapely.box(200, 0, 300, 100)])
    assert len(outlines([both, SQUARE])) == 3


def test_a_chain_of_slivers_ends_at_the_block() -> None:
    strips = shapely.box(0, [0, 1, 2, 3], 100, [1, 2, 3, 60])
    touch = contacts(strips)
    group = absorb(shapely.area(strips), shapely.length(strips), touch)
    assert group.tolist() == [0, 0, 0, 0]


def test_rank_comes_before_length() -> None:
    touch = Contacts(np.array([0, 1]), np.array([1, 2]), np.array([50.0, 5.0]))
    size = np.array([1e4, 90.0, 1e4]), np.array([400.0, 120.0, 400.0])
    assert absorb(*size, touch, rank=np.array([0, 1])).tolist() == [0, 1, 1]
    assert absorb(*size, touch).tolist() == [0, 0, 2]


def test_fixed_and_lonely_slivers_stay() -> None:
    touch = Contacts(np.array([0]), np.array([1]), np.array([50.0]))
    size = np.array([1e4, 90.0, 80.0]), np.array([400.0, 120.0, 40.0])
    fixed = np.array([False, True, False])
    assert absorb(*size, touch, fixed=fixed).tolist() == [0, 1, 2]


def test_a_gap_goes_to_the_longest_border_and_a_lake_stays() -> None:
    left = shapely.box(0, 0, 50, 100)
    right = shapely.Polygon([(50, 0), (100, 0), (100, 100), (50, 100), (50.2, 60), (50.2, 40)])
    lake = shapely.box(60, 40, 90, 60)
    tiling = tile(np.array([left, shapely.difference(right, lake)]))
    kinds = {mend.kind: mend for mend in tiling.mends}
    assert set(kinds) == {"gap", "hole"}
    assert kinds["hole"].given_to == -1 and kinds["hole"].area == 600.0
    assert kinds["gap"].width < 0.3
    assert shapely.area(tiling.polygons).sum() == pytest.approx(10_000 - 600, abs=0.1)


def test_an_overlap_is_measured_against_the_smaller() -> None:
    tiling = tile(shapely.box([0, 40], 0, [50, 60], 100))
    assert overlap_shares(tiling, shapely.box([0, 40], 0, [50, 60], 100)) == {(0, 1): 0.5}
    assert shapely.area(tiling.polygons).sum() == 6000.0


def test_a_block_under_the_cap_stays_whole() -> None:
    pieces = cut(items_of([[20, 50], [80, 50]], [10, 15]), cap=30)
    assert pieces.path.tolist() == [""] and len(pieces.cuts) == 0


def test_a_cut_runs_between_the_points() -> None:
    pieces = cut(items_of([[20, 50], [80, 50]], [20, 25]), cap=30)
    assert pieces.path.tolist() == ["0", "1"]
    assert sorted(shapely.area(pieces.polygons)) == [5000.0, 5000.0]
    assert pieces.of_item.tolist() in ([0, 1], [1, 0])


def test_one_tower_over_the_cap_is_not_cut() -> None:
    pieces = cut(items_of([[50, 50]], [700]), cap=30)
    assert len(pieces.polygons) == 1


def test_points_in_one_place_stay_together() -> None:
    pieces = cut(items_of([[50, 50]] * 4, [20] * 4), cap=30)
    assert len(pieces.polygons) == 1


def test_firm_items_are_never_separated() -> None:
    xy = np.array([[10, 50], [30, 50], [60, 50], [90, 50]])
    loose = items_of(xy[[0, 2]], [40, 40])
    corners, item = xy.astype(float), np.array([0, 0, 1, 1])
    firm = Items(loose.xy, loose.count, loose.piece, corners, item, np.ones(2, dtype=bool))
    pieces = split(np.array([SQUARE]), firm, 30, np.array([True]))
    assert sorted(shapely.area(pieces.polygons)) == pytest.approx([4500.0, 5500.0], rel=1e-12)
    item = np.array([0, 0, 1, 1])
    tangled = Items(loose.xy, loose.count, loose.piece, corners[[0, 2, 1, 3]], item, firm.firm)
    assert len(split(np.array([SQUARE]), tangled, 30, np.array([True])).polygons) == 1


def test_cuts_prefer_the_gap_between_footprints() -> None:
    houses = shapely.box([5, 38, 62], 30, [35, 60, 95], 70)
    xy = shapely.get_coordinates(shapely.centroid(houses))
    pieces = cut(items_of(xy, [20, 20, 20], houses), cap=40)
    assert not shapely.crosses(pieces.cuts[:, None], houses[None, :]).any()


def test_a_bent_block_falls_into_more_than_two_parts() -> None:
    arms = shapely.union_all(
        [shapely.box(0, 0, 100, 20), shapely.box(0, 0, 20, 100), shapely.box(80, 0, 100, 100)]
    )
    xy = [[10, 90], [90, 90], [10, 10], [50, 10], [90, 10]]
    pieces = cut(items_of(xy, [20] * 5), 60, arms)
    assert shapely.area(pieces.polygons).sum() == pytest.approx(arms.area)
    held = shapely.contains_xy(pieces.polygons[pieces.of_item], *np.array(xy).T)
    assert held.all()


def test_a_broken_branch_becomes_branches() -> None:
    row = shapely.box(range(0, 50, 10), 0, range(10, 60, 10), 10)
    block = np.array([4, 4, 4, 4, 9])
    path = np.array(["00", "1", "01", "01", ""], dtype=object)
    block, path = settle(block, path, contacts(row))
    assert block.tolist() == [0, 0, 0, 0, 1]
    assert path.tolist() == ["0", "2", "10", "11", ""]


def test_a_block_in_two_parts_becomes_two() -> None:
    apart = shapely.box([0, 50], 0, [10, 60], 10)
    block, path = settle(
        np.zeros(2, dtype=int), np.array(["0", "1"], dtype=object), contacts(apart)
    )
    assert block.tolist() == [0, 1] and path.tolist() == ["", ""]


def test_many_branches_get_a_character_each() -> None:
    n = 70
    row = shapely.box(np.arange(n) * 10, 0, np.arange(1, n + 1) * 10, 10)
    _, path = settle(np.zeros(n, dtype=int), np.full(n, "", dtype=object), contacts(row))
    assert len(set(path)) == n and set(map(len, path)) == {1}


def test_width_is_twice_area_by_perimeter() -> None:
    assert widths(shapely.box(0, 0, 1000, 4)) == pytest.approx(4, rel=0.01)


def test_linework_has_each_segment_once() -> None:
    x, y = (a.ravel() for a in np.meshgrid(range(3), range(3)))
    board = shapely.box(x, y, x + 1, y + 1)
    lines = linework(board)
    assert shapely.length(lines).sum() == 24.0
    assert len(faces_of(lines)) == 9
    assert len(linework(np.empty(0, dtype=object))) == 0
