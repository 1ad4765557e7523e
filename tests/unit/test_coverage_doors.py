"""What the coverage room refuses at its door, and that no library's own exception comes out."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

import gridmap as gm
from gridmap.coverage.prove import dissolved
from gridmap.coverage.report import sentence, summary
from gridmap.coverage.snapping import first_misfit, matched
from gridmap.errors import CoverageError, InputError
from tests.coverages import mosaic

BOX = shapely.box(0, 0, 10, 10)


def frame(shapes: Any, **columns: Any) -> gpd.GeoDataFrame:
    """Return shapes as a layer."""
    return gpd.GeoDataFrame(geometry=list(shapes), crs=4547).assign(**columns)


def broken(value: float) -> gpd.GeoDataFrame:
    """Return a layer with a coordinate that is no number."""
    with np.errstate(all="ignore"):
        bad = shapely.from_wkb(
            shapely.to_wkb(BOX).replace(shapely.to_wkb(shapely.Point(10, 10))[-16:],
                                        np.array([value, 10.0]).tobytes())
        )  # fmt: skip
    return frame([BOX, bad], parent="a", households=300)


VERBS = {
    "validate": lambda layer: gm.validate(layer, BOX),
    "validate, boundary": lambda layer: gm.validate(frame([BOX]), layer),
    "validate, outline": lambda layer: gm.validate(layer, "outline"),
    "validate, parents": lambda layer: gm.validate(frame([BOX], parent=["a"]), BOX, parents=layer),
    "validate, exclude": lambda layer: gm.validate(frame([BOX]), BOX, exclude=layer),
    "prove": lambda layer: gm.prove(layer, BOX),
    "prove, boundary": lambda layer: gm.prove(frame([BOX]), layer),
    "repair": lambda layer: gm.repair(layer, BOX),
    "repair, boundary": lambda layer: gm.repair(frame([BOX]), layer),
    "adopt": lambda layer: gm.adopt(layer, BOX),
    "partition": gm.partition,
    "feasibility": gm.feasibility,
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("verb", VERBS)
def test_coordinates_that_are_no_numbers_are_refused(verb: str, value: float):
    with pytest.raises(InputError, match=r"coordinate that is no number at position 1|repeat"):
        VERBS[verb](broken(value))


@pytest.fixture
def throwing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the union of coverages throw at what passed for one, as GEOS does now and then."""

    def throw(*_: object, **__: object) -> None:
        raise shapely.errors.GEOSException("TopologyException: CoverageUnion cannot process")

    monkeypatch.setattr(shapely, "coverage_union_all", throw)


@pytest.mark.usefixtures("throwing")
class TestCornersThatDifferInTheLastDigit:
    """`coverage_is_valid` says yes, and `coverage_union_all` then throws."""

    # the common corner of the two as it was found: 2375.0223287135154 and ...3516
    LEFT = shapely.Polygon([(2300, 100), (2375.0223287135154, 100), (2375, 180), (2300, 180)])
    RIGHT = shapely.Polygon([(2375.0223287135160, 100), (2450, 100), (2450, 180), (2375, 180)])

    def test_there_is_a_union(self):
        pair = np.array([self.LEFT, self.RIGHT])
        assert dissolved(pair).area == pytest.approx(150 * 80)

    def test_there_is_a_verdict(self):
        parcels = frame([self.LEFT, self.RIGHT])
        whole = shapely.box(2300, 100, 2450, 180)
        for cells, boundary in (
            (parcels, "outline"),
            (parcels, parcels),
            (frame([whole]), parcels),
        ):
            assert gm.validate(cells, boundary).attrs["verdict"]
        assert gm.prove(parcels, parcels).verdict
        mended, log = gm.repair(parcels, parcels)
        assert log.attrs["verdict"] == "exact"
        assert len(gm.adopt(mended, log.attrs["boundary"])) == 2

    def test_adopt_answers(self):
        parcels = frame([self.LEFT, self.RIGHT], street="x")
        with pytest.raises(CoverageError, match="do not tile"):
            gm.adopt(parcels, shapely.box(2300, 100, 2460, 180), levels=["street"])


class TestUnits:
    """What `partition` and `feasibility` ask of units, from Python as from the command line."""

    def test_corners_of_neighbours_are_added(self):
        shapes = shapely.box([0, 0, 50], [0, 100, 100], [100, 50, 100], [100, 200, 200])
        units = frame(shapes, parent="X", households=[200, 150, 150])
        assert gm.feasibility(units)["possible"].tolist() == ["yes"]
        assert len(gm.partition(units)) == 1

    def test_a_gap_of_one_ulp_is_closed(self):
        shapes = shapely.box([0, np.nextafter(100, 101)], 0, [100, 200], 100)
        units = frame(shapes, parent="X", households=[200, 200])
        assert gm.partition(units).cells["households"].tolist() == [400]

    @pytest.mark.parametrize("gap", [1e-3, 0.01, 0.9])
    def test_a_gap_that_nobody_means_is_refused(self, gap: float):
        units = frame(shapely.box([0, 100 + gap], 0, [100, 200], 100), parent="X", households=200)
        for verb in (gm.partition, gm.feasibility):
            with pytest.raises(InputError, match="m apart without touching"):
                verb(units)

    def test_a_notch_between_neighbours_makes_no_strangers_of_them(self):
        left = shapely.Polygon([(0, 0), (100, 0), (100, 50), (99.999, 100), (0, 100)])
        units = frame([left, shapely.box(100, 0, 200, 100)], parent="X", households=200)
        assert gm.partition(units).cells["households"].tolist() == [400]

    def test_overlaps_are_refused(self):
        units = frame(shapely.box([0, 90], 0, [100, 200], 100), parent="X", households=200)
        with pytest.raises(InputError, match=r"(0 and 1|1 and 0) overlap"):
            gm.partition(units)

    def test_units_apart_and_units_that_touch_in_a_point_are_welcome(self):
        shapes = shapely.box([0, 100, 300], [0, 100, 0], [100, 200, 400], [100, 200, 100])
        units = frame(shapes, parent=list("ABC"), households=400)
        assert len(gm.partition(units)) == 3

    def test_a_missing_parent_is_named(self):
        units = frame(shapely.box([0, 100], 0, [100, 200], 100), households=300)
        with pytest.raises(InputError, match="`parent` is missing in 1 unit, first in unit 0"):
            gm.partition(units.assign(parent=[None, "A"]))

    @pytest.mark.parametrize("seed", range(20))
    def test_coverages_fit_as_they_are(self, seed: int):
        cells = shapely.transform(mosaic(seed), lambda xy: xy * 10 + (5e5, 4e6))
        same, changed = matched(cells, 1e-6)
        assert len(changed) == 0
        assert shapely.equals_identical(same, cells).all()
        assert first_misfit(cells, 1.0) is None


class TestSmallThings:
    """Words and notes that were wrong."""

    def test_a_hole_that_touches_its_shell_repeats_no_vertex(self):
        hole = [(0, 0), (4, 2), (2, 4)]
        cells = frame([shapely.Polygon(BOX.exterior.coords[1:], [hole]), shapely.Polygon(hole)])
        touching = shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [hole])
        cells.loc[0, "geometry"] = touching
        assert gm.validate(cells, BOX)["kind"].tolist() == []

    def test_an_empty_part_is_no_part(self):
        cells = frame([shapely.MultiPolygon([BOX, shapely.Polygon()])])
        assert len(gm.validate(cells, BOX)) == 0

    def test_a_hole_equal_to_its_shell_is_one_finding(self):
        far = shapely.box(20, 0, 30, 10)
        nothing = shapely.Polygon(far.exterior, [far.exterior])
        assert gm.validate(frame([BOX, nothing]), BOX)["kind"].tolist() == ["ring-invalid"]

    def test_an_empty_boundary_is_none(self):
        for empty in (shapely.GeometryCollection(), shapely.Polygon()):
            assert gm.validate(frame([BOX]), empty).attrs["verdict"] == "unprovable"

    def test_parents_that_no_cell_knows_are_refused(self):
        cells = frame([BOX], parent=["x"])
        with pytest.raises(InputError, match="cells say 'x', parents are 'A'"):
            gm.validate(cells, BOX, parents=frame([BOX], code=["A"]))

    @pytest.mark.parametrize(
        ("count", "note"),
        [
            (150.5, "150.5 is no count"),
            (1, "1 household, not 300–600"),
            (2**63 - 1, "9,223,372,036,854,775,807 households, not 300–600"),
        ],
    )
    def test_counts_are_told_as_they_are(self, count, note):
        cells = frame([BOX], households=[count])
        found = gm.validate(cells, BOX, households=(300, 600), lang="en")
        assert found["note"].tolist() == [note]

    def test_counts_beyond_counting_are_refused_by_the_grid(self):
        with pytest.raises(InputError, match="is too large in 1 of 1 row "):
            gm.adopt(frame([BOX], households=[2**63 - 1]), BOX)

    def test_a_message_is_in_one_language(self):
        from gridmap.language import speaking

        with pytest.raises(CoverageError) as caught:
            gm.adopt(frame([shapely.box(0, 0, 9, 10)]), BOX)
        assert "1 gap (10.0 m²)" in str(caught.value)
        with speaking("zh"):
            assert "1 处空白（10.0 m²）" in str(caught.value)
        assert sentence(caught.value.defects, "en") == summary(caught.value.defects, "en")
