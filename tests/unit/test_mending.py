"""The repair: exact afterwards, and nothing else touched."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import affinity

from gridmap.coverage.prove import dissolved, prove
from gridmap.coverage.repair import repair
from gridmap.coverage.report import describe
from gridmap.coverage.validate import validate
from gridmap.errors import CoverageError, CRSError, InputError
from tests import repairs
from tests.damage import damaged, jittered, quilt

QUARTERS = shapely.box([0, 5, 0, 5], [0, 0, 5, 5], [5, 10, 5, 10], [5, 5, 10, 10])
FILLED = shapely.coverage_union_all(QUARTERS)


def frame(shapes: Any, **columns: Any) -> gpd.GeoDataFrame:
    """Return shapes as cells in metres."""
    columns = columns or {"households": [300 + 10 * k for k in range(len(shapes))]}
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=4547)


def test_all_damage_is_mended_and_all_else_stays_bit_for_bit():
    whole = quilt(24, 112, lakes=3)
    broken = damaged(whole, each=4)
    cells = frame(broken.cells)
    mended, log = repair(cells, whole.boundary)
    assert log.attrs["verdict"] == "exact"
    assert prove(mended, whole.boundary).verdict == "exact"
    assert mended["households"].sum() == cells["households"].sum()
    zones = shapely.union_all([damage.zone for damage in broken.truth])
    touched = set(log["cell"])
    away = ~shapely.intersects(broken.cells, zones)
    assert not touched & set(np.flatnonzero(away))
    same = [k for k in cells.index if k not in touched]
    assert shapely.equals_identical(
        mended.geometry.loc[same].to_numpy(), cells.geometry.loc[same].to_numpy()
    ).all()


def test_what_is_exact_is_not_touched():
    whole = quilt(5, 4, lakes=1)
    mended, log = repair(frame(whole.cells), whole.boundary)
    assert len(log) == 0
    assert shapely.equals_identical(mended.geometry.to_numpy(), whole.cells).all()


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_dirty_data_is_mended(share: float):
    whole = quilt(8, 7, lakes=1)
    mended, log = repair(frame(jittered(whole.cells, share)), whole.boundary)
    assert prove(mended, log.attrs["boundary"]).verdict == "exact"
    assert log.attrs["beside_m"] < 1e-8
    assert validate(mended, whole.boundary).attrs["verdict"].startswith("exact")
    assert len(mended) == len(whole.cells)
    moved = shapely.symmetric_difference(mended.geometry.to_numpy(), whole.cells)
    assert shapely.area(moved).max() < 0.08 * shapely.length(whole.cells).max()


def test_a_vertex_moved_by_a_millimetre_changes_one_cell():
    xy = shapely.get_coordinates(QUARTERS[0])
    xy[(xy == [5, 5]).all(axis=1)] += [0.001, 0]
    mended, log = repair(frame([shapely.Polygon(xy), *QUARTERS[1:]]), FILLED)
    assert log["cell"].tolist() == [0]
    assert log["change"].tolist() == ["rebuilt"]
    assert mended.geometry[0].area == 25
    assert log["area_before_m2"].tolist() == pytest.approx([25.0025])


@pytest.mark.parametrize(
    ("policy", "areas"),
    [
        ({"policy": "longest-border"}, [30, 20]),
        ({"policy": "fewest-households"}, [25, 25]),
        ({"policy": "priority", "priority": "rank"}, [30, 20]),
    ],
)
def test_overlaps_go_by_policy(policy, areas):
    # equal borders: the first cell gets the overlap unless something else decides
    pair = [shapely.box(0, 0, 6, 5), shapely.box(5, 0, 10, 5)]
    outline = shapely.Polygon([(0, 0), (5, 0), (6, 0), (10, 0), (10, 5), (6, 5), (5, 5), (0, 5)])
    cells = frame(pair, households=[300, 600], rank=[2, 1])
    mended, _ = repair(cells, outline, **policy)
    assert mended.area.tolist() == areas
    assert mended["households"].tolist() == [300, 600]


@pytest.mark.parametrize(
    ("nested", "areas"), [("punch", [24, 25, 25, 25, 1]), ("absorb", [25] * 4)]
)
def test_nested_cells_by_choice(nested, areas):
    cells = frame([*QUARTERS, shapely.box(1, 1, 2, 2)])
    mended, log = repair(cells, FILLED, nested=nested)
    assert mended.area.tolist() == areas
    assert mended["households"].sum() == cells["households"].sum()
    if nested == "absorb":
        assert log.set_index("cell")["change"].to_dict() == {0: "rebuilt", 4: "absorbed"}
        assert mended["households"].iloc[0] == 300 + 340


def test_nested_cells_can_be_refused():
    with pytest.raises(CoverageError, match="lie one inside the other") as caught:
        repair(frame([*QUARTERS, shapely.box(1, 1, 2, 2)]), FILLED, nested="refuse")
    assert caught.value.defects["qualifier"].tolist() == ["nested"]


def test_of_identical_cells_the_first_stays_with_the_households_of_both():
    mended, log = repair(frame([*QUARTERS, QUARTERS[2]]), FILLED)
    assert mended["households"].tolist() == [300, 310, 320 + 340, 330]
    assert "absorbed" in log["change"].tolist()


def test_a_big_gap_becomes_a_new_cell_and_a_small_one_does_not():
    cells = frame(QUARTERS[:3], code=["a", "b", "c"], households=[300, 400, 500])
    mended, log = repair(cells, FILLED, code="code")
    assert mended["code"].tolist() == ["a", "b", "c", "new-1"]
    assert mended["households"].tolist() == [300, 400, 500, 0]
    assert log["change"].tolist() == ["new"]
    small, _ = repair(cells, FILLED, new_cell=1.5)
    assert len(small) == 3
    assert sorted(small.area) == [25, 25, 50]


@pytest.mark.parametrize(
    ("codes", "fresh"), [(["a", "b", "new-1"], "new-2"), ([7, 8, 12], 13), ([1.0, 2.0, 9.0], 10.0)]
)
def test_new_cells_get_codes_in_the_manner_of_the_others(codes, fresh):
    mended, log = repair(frame(QUARTERS[:3], code=codes), FILLED)
    assert mended["code"].tolist() == [*codes, fresh]
    assert len(log) == 1


def test_rings_are_repaired_and_vertices_are_added():
    bow = shapely.Polygon([(0, 0), (5, 0), (5, 5), (4, 4), (4, 4.5), (4.5, 4), (0, 5)])
    mended, log = repair(frame([bow, *QUARTERS[1:]]), FILLED)
    assert log["change"].tolist()[0] in ("ring-repaired", "rebuilt")
    assert prove(mended, FILLED).verdict == "exact"
    halves = frame([shapely.box(0, 0, 10, 5), QUARTERS[2], QUARTERS[3]])
    joined, log = repair(halves, shapely.coverage_union_all(QUARTERS))
    assert log["change"].tolist() == ["vertex-added"]
    assert prove(joined, FILLED).verdict == "exact"
    assert joined.area.tolist() == halves.area.tolist()


def test_empty_rows_are_dropped_and_said():
    shapes = [*QUARTERS, None, shapely.Polygon(), shapely.box(90, 90, 91, 91)]
    mended, log = repair(frame(shapes, households=[300] * 4 + [0] * 3), FILLED)
    assert len(mended) == 4
    assert log["change"].tolist() == ["dropped"] * 3


def test_households_without_a_place_are_not_lost():
    with pytest.raises(CoverageError, match="Cell 4 has 350 households but no geometry") as caught:
        repair(frame([*QUARTERS, None], households=[300] * 4 + [350]), FILLED)
    assert caught.value.defects["cells"].tolist() == [(4,)]
    assert "1 empty geometry" in describe(caught.value.defects, "en")


def test_lakes_stay_open():
    lake = shapely.box(2, 2, 3, 3)
    cells = frame([QUARTERS[0] - shapely.box(2, 2, 3, 3.001), *QUARTERS[1:]])
    mended, _ = repair(cells, FILLED, exclude=frame([lake]))
    assert prove(mended, FILLED - lake).verdict == "exact"


def test_outlines_can_be_derived():
    mended, log = repair(frame([shapely.box(0, 0, 4.99, 5), *QUARTERS[1:]]), "outline")
    assert prove(mended, shapely.union_all(mended.geometry.to_numpy())).verdict == "exact"
    assert log.attrs["verdict"] in ("exact", "exact_with_t_junctions")


def test_a_result_that_is_not_exact_is_not_returned(monkeypatch: pytest.MonkeyPatch):
    from gridmap.coverage import repair as bench

    monkeypatch.setattr(bench, "ROUNDS", 0)
    with pytest.raises(CoverageError, match="could not be mended exactly") as caught:
        repair(frame(QUARTERS[1:]), FILLED)
    assert caught.value.defects["kind"].tolist() == ["gap"]


@pytest.mark.parametrize(
    ("boundary", "shapes", "areas"),
    [
        (
            shapely.box(0, 0, 1000, 500),
            [
                shapely.Polygon([(0, 0), (500, -0.01), (500, 499.99), (0, 500)]),
                shapely.Polygon([(500, -0.01), (1000, 0), (1000, 500), (500, 499.99)]),
            ],
            [250_000, 250_000],
        ),
        (shapely.box(0, 0, 10, 10), [shapely.box(0, 3, 4, 5), shapely.box(0, 0, 10, 10)], [8, 92]),
        (
            shapely.box(0, 0, 10, 10),
            [shapely.box(0, 0, 10, 7), shapely.box(0, 0, 10, 10)],
            [70, 30],
        ),
        (
            shapely.box(0, 0, 10, 10),
            [shapely.box(0, 0, 10, 3), shapely.box(0, 0, 10, 10)],
            [30, 70],
        ),
    ],
)
def test_rim_nodes_go_onto_the_side_of_the_boundary(boundary, shapes, areas):
    mended, log = repair(frame(shapes), boundary)
    assert mended.area.tolist() == pytest.approx(areas, abs=3)
    assert prove(mended, log.attrs["boundary"]).verdict == "exact"
    assert log.attrs["boundary"].equals(boundary)
    assert validate(mended, boundary).attrs["verdict"] == "exact_with_t_junctions"


def test_the_town_against_its_own_jurisdictions_keeps_its_ground(town, grid):
    mended, log = repair(grid.cells, town.jurisdictions.to_crs(grid.crs))
    moved = shapely.symmetric_difference(
        mended.geometry.to_numpy(), grid.cells.geometry.reindex(mended.index).to_numpy()
    )
    assert shapely.area(moved).sum() < 0.01
    assert log.attrs["changed_hands_m2"] < 0.01


@pytest.mark.parametrize("angle", [0, 30, 45, 211])
def test_a_cell_over_two_others_is_mended_however_the_plan_is_turned(angle):
    plan = [shapely.box(0, 0, 5, 10), shapely.box(5, 0, 10, 10), shapely.box(4, 4, 6, 6)]
    turned = [affinity.rotate(shape, angle, origin=(0, 0)) for shape in plan]
    boundary = affinity.rotate(shapely.box(0, 0, 10, 10), angle, origin=(0, 0))
    mended, _ = repair(frame(turned), boundary)
    assert mended.area.sum() == pytest.approx(100)
    assert mended.area.min() == pytest.approx(4)


def test_ground_of_one_cell_alone_is_never_given_away(monkeypatch: pytest.MonkeyPatch):
    from gridmap.coverage import repair as room

    def generous(polygons, patches, rules):
        built = honest(polygons, patches, rules)
        out = built.polygons.copy()
        out[0] = shapely.union_all([out[0], shapely.box(5, 0, 5.5, 5)])
        out[1] = shapely.difference(out[1], shapely.box(5, 0, 5.5, 5))
        built.polygons = out
        return built

    honest = room.rebuild
    monkeypatch.setattr(room, "rebuild", generous)
    broken = [QUARTERS[0], shapely.box(5.1, 0, 10, 5), *QUARTERS[2:]]
    with pytest.raises(CoverageError, match=r"lies in cell 1 alone .* at 5\.\d+ 2\.") as caught:
        repair(frame(broken), FILLED)
    assert caught.value.defects["kind"].tolist() == ["ground-moved"]
    assert caught.value.defects["area_m2"].tolist() == pytest.approx([2.0])


@pytest.mark.parametrize("crs", [4547, 2232, 4326])
def test_the_log_tells_square_metres(crs):
    size = {4547: 500.0, 2232: 500 * 3937 / 1200, 4326: 0.005}[crs]
    cells = frame([shapely.box(0, 0, size, size), shapely.box(1.1 * size, 0, 2 * size, size)])
    _, log = repair(cells.set_crs(crs, allow_override=True), shapely.box(0, 0, 2 * size, size))
    metres = {4547: 500.0, 2232: 500.0, 4326: 555.0}[crs]
    changed = log.set_index("change").loc[["rebuilt"], "area_before_m2"].max()
    assert changed == pytest.approx(metres**2, rel=0.01)
    assert log.attrs["filled_m2"] == pytest.approx(0.1 * metres**2, rel=0.01)
    assert log.attrs["filled_wide_m2"] == log.attrs["filled_m2"]
    assert log.attrs["changed_hands_m2"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("crs", [4547, 2232, 4326])
def test_what_is_filled_is_a_lake_perhaps_when_it_is_wider_than_a_metre(crs):
    """A slit of half a metre is none, whatever its length and the units of the coordinates."""
    unit = {4547: 1.0, 2232: 3937 / 1200, 4326: 0.01 / 1110}[crs]
    half, length = 0.25 * unit, 900 * unit
    slit = [shapely.box(0, 0, length - half, length), shapely.box(length, 0, 2 * length, length)]
    cells = frame(slit).set_crs(crs, allow_override=True)
    whole = shapely.box(0, 0, 2 * length, length)
    assert repair(cells, whole)[1].attrs["filled_wide_m2"] == 0
    lake = shapely.box(9 * unit, 9 * unit, 29 * unit, 29 * unit)
    cells.loc[1, "geometry"] = cells.geometry[1].difference(
        shapely.affinity.translate(lake, length)
    )
    found = repair(cells, whole)[1].attrs
    assert found["filled_wide_m2"] == pytest.approx(400.0, rel=0.02)
    assert found["filled_m2"] == pytest.approx(625.0, rel=0.02)


@pytest.mark.parametrize("seed", range(1, 400, 2))
def test_random_plans_are_repaired_by_the_law(seed: int):
    case = repairs.random_case(seed)
    mended, _ = repair(case.cells, case.boundary)
    assert repairs.judged(case, mended) == ""


@pytest.mark.parametrize("seed", range(200))
def test_plans_on_a_lattice_are_repaired_by_the_law_exactly(seed: int):
    case, squares, inside = repairs.lattice_case(seed)
    mended, _ = repair(case.cells, case.boundary)
    assert repairs.judged_exactly(squares, inside, mended) == ""


def rounded_apart(seed: int) -> gpd.GeoDataFrame:
    """Return a turned lattice in which cells round the same corners differently."""
    rng = np.random.default_rng(seed)
    side = int(rng.integers(2, 7))
    at = np.arange(side)[:, None].repeat(side, axis=1)
    squares = shapely.box(at.ravel(), at.T.ravel(), at.ravel() + 1, at.T.ravel() + 1)
    turned = affinity.rotate(shapely.geometrycollections(squares), float(rng.uniform(0, 90)))
    scaled = affinity.scale(turned, 100, 100, origin=(0, 0))
    shapes = np.array(affinity.translate(scaled, 2375.02, 3.9e6 * (seed % 2)).geoms)

    def last_digits(xy: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        step = rng.integers(-1, 2, xy.shape) * (rng.random(xy.shape) < 0.4) * np.spacing(xy)
        return np.vstack([(xy + step)[:-1], (xy + step)[:1]])

    return frame([shapely.transform(shape, last_digits) for shape in shapes])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("outline", ["outline", "rows"])
def test_cells_that_round_corners_differently_are_mended(seed: int, outline: str):
    cells = rounded_apart(seed)
    mended, log = repair(cells, "outline" if outline == "outline" else cells.geometry)
    assert log.attrs["verdict"] == "exact"
    assert mended.area.to_numpy() == pytest.approx(cells.area.to_numpy())
    assert log.attrs["moved_m"] < 1e-6


@pytest.mark.parametrize("seed", [25, 375, 400])
def test_an_outline_of_such_cells_loses_none_of_them(seed: int):
    """GEOS drops whole polygons from a union in each of these."""
    some = [rounded_apart(seed + k) for k in range(25)]
    areas = [shapely.area(dissolved(cells.geometry.to_numpy())) for cells in some]
    assert areas == pytest.approx([cells.area.sum() for cells in some])


def test_the_judges_see_what_is_wrong():
    case, squares, inside = repairs.lattice_case(3)
    mended, _ = repair(case.cells, case.boundary)
    worse = mended.copy()
    corner = shapely.box(0, 0, 1, 1)
    worse.geometry = [shapely.difference(shape, corner) for shape in mended.geometry]
    assert "lies in 0 cells" in repairs.judged_exactly(squares, inside, worse)
    assert "do not" in repairs.judged(case, worse)
    swapped = mended.set_index(mended.index[::-1])
    assert repairs.judged_exactly(squares, inside, swapped)


def test_a_ring_that_touches_itself_becomes_parts_and_stays_so():
    hourglass = shapely.Polygon([(0, 0), (4, 0), (2, 2), (4, 4), (0, 4), (2, 2)])
    sides = [shapely.Polygon([(0, 0), (2, 2), (0, 4)]), shapely.Polygon([(4, 0), (4, 4), (2, 2)])]
    mended, log = repair(frame([hourglass, *sides]), shapely.box(0, 0, 4, 4))
    assert mended.geometry.is_valid.all()
    assert log["change"].tolist() == ["ring-repaired"]
    assert prove(mended, shapely.box(0, 0, 4, 4)).verdict == "exact"


def test_input_is_checked_at_the_door():
    bow = shapely.Polygon([(0, 0), (5, 5), (5, 0), (0, 5)])
    with pytest.raises(InputError, match=r"`boundary` is no area: Self-intersection at 2\.5 2\.5"):
        repair(frame(QUARTERS), bow)
    with pytest.raises(InputError, match="nothing says what the cells should fill"):
        repair(frame(QUARTERS), None)
    with pytest.raises(CRSError, match="Transform one"):
        repair(frame(QUARTERS), gpd.GeoSeries([FILLED], crs=4326))
    with pytest.raises(InputError, match="names no column"):
        repair(frame(QUARTERS), FILLED, policy="priority")
    with pytest.raises(InputError, match="have no households"):
        repair(frame(QUARTERS, code=list("abcd")), FILLED, policy="fewest-households")
    with pytest.raises(InputError, match="choose one of"):
        repair(frame(QUARTERS), FILLED, policy="largest")  # type: ignore[arg-type]
