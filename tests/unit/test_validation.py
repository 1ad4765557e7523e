"""Every kind of defect is found with its area and culprits, and nothing else is."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from gridmap.coverage.defect_names import KINDS, NOTES
from gridmap.coverage.defect_table import findings, outline_of
from gridmap.coverage.validate import validate
from gridmap.errors import InputError
from tests.damage import Broken, damaged, jittered, quilt

BOX = shapely.box(0, 0, 10, 10)
QUARTERS = shapely.box([0, 5, 0, 5], [0, 0, 5, 5], [5, 10, 5, 10], [5, 5, 10, 10])
FILLED = shapely.coverage_union_all(QUARTERS)


def frame(shapes: Any, **columns: Any) -> gpd.GeoDataFrame:
    """Return shapes as cells in metres."""
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=4547)


@pytest.fixture(scope="module")
def broken() -> tuple[Broken, gpd.GeoDataFrame]:
    """Return a damaged quilt and what was found in it."""
    whole = quilt(24, 112, lakes=3)
    harmed = damaged(whole, each=4)
    return harmed, validate(gpd.GeoSeries(harmed.cells, crs=4547), whole.boundary)


def test_every_injected_defect_is_found_with_its_area(broken: Any):
    harmed, found = broken
    assert len(harmed.truth) >= 96
    tree = shapely.STRtree(found.geometry.to_numpy())
    for damage in harmed.truth:
        rows = found.iloc[tree.query(damage.zone, predicate="intersects")]
        assert len(rows), damage.name
        if damage.kind:
            rows = rows[rows["kind"] == damage.kind]
        if damage.culprits:
            rows = rows[[set(damage.culprits) <= set(cells) for cells in rows["cells"]]]
        if damage.area:
            rows = rows[(rows["area_m2"] - damage.area).abs() <= 1e-6 * damage.area]
        assert len(rows), damage.name


def test_nothing_is_reported_where_nothing_was_done(broken: Any):
    harmed, found = broken
    zones = shapely.union_all([damage.zone for damage in harmed.truth])
    assert shapely.within(found.geometry.to_numpy(), zones).all()
    assert found["id"].is_unique
    assert found.attrs["verdict"] == "failed"


@pytest.mark.parametrize(("share", "by"), [(0.1, 0.02), (1.0, 0.02), (1.0, 3.0)])
def test_dirty_data_gives_what_a_plain_overlay_gives(share: float, by: float):
    whole = quilt(9, 8, lakes=1)
    cells = shapely.make_valid(jittered(whole.cells, share, by=by))
    found = validate(gpd.GeoSeries(cells, crs=4547), whole.boundary)
    i, j = shapely.STRtree(cells).query(cells, predicate="intersects")
    common = shapely.intersection(cells[i[i < j]], cells[j[i < j]])
    union = shapely.union_all(cells)
    areas = found.groupby("kind")["area_m2"].sum()
    assert areas["overlap"] == pytest.approx(shapely.union_all(common).area, rel=1e-6)
    assert areas["gap"] == pytest.approx(whole.boundary.difference(union).area, rel=1e-6)
    assert areas["outside"] == pytest.approx(union.difference(whole.boundary).area, rel=1e-6)
    sets = found.loc[found["kind"] == "overlap", "cells"]
    pairs = {pair for cells in sets for pair in combinations(cells, 2)}
    assert len(pairs) == (shapely.area(common) > 1e-9).sum()


@pytest.mark.parametrize(
    ("cells", "kind", "qualifier", "area", "culprits"),
    [
        (QUARTERS[:3], "gap", "missing-cell", 25.0, ()),
        ([*QUARTERS, shapely.box(1, 1, 2, 2)], "overlap", "nested", 1.0, (0, 4)),
        ([*QUARTERS, QUARTERS[1]], "overlap", "duplicate", 25.0, (1, 4)),
        ([*QUARTERS[:3], shapely.box(5, 5, 11, 10)], "outside", "", 5.0, (3,)),
        ([shapely.box(0, 0, 6, 5), *QUARTERS[1:]], "overlap", "partial", 5.0, (0, 1)),
        ([shapely.box(0, 0, 4.9, 5), *QUARTERS[1:]], "gap", "edge", 0.5, ()),
    ],
)
def test_each_kind_with_its_qualifier(cells, kind, qualifier, area, culprits):
    found = findings(validate(frame(cells), FILLED))
    assert found["kind"].tolist() == [kind]
    assert found["qualifier"].tolist() == [qualifier]
    assert found["area_m2"].tolist() == pytest.approx([area])
    assert found["cells"].tolist() == [culprits]


def test_gaps_name_their_neighbours_and_holes_are_holes():
    cells = frame([QUARTERS[0] - shapely.box(2, 2, 3, 2.5), *QUARTERS[1:]], code=list("abcd"))
    found = validate(cells, FILLED, code="code")
    assert found[["kind", "qualifier"]].to_numpy().tolist() == [["gap", "hole"]]
    assert found["neighbours"].tolist() == [("a",)]


def test_geometry_that_is_none_is_named():
    bow = shapely.Polygon([(0, 0), (5, 5), (5, 0), (0, 5)])
    twice = shapely.Polygon([(5, 0), (10, 0), (10, 0), (10, 5), (5, 5)])
    found = validate(frame([bow, twice, None, shapely.Polygon()]), FILLED, lang="en")
    by_kind = dict(found.groupby("kind")["cells"].agg(list))
    assert by_kind["ring-invalid"] == [(0,)]
    assert by_kind["duplicate-vertex"] == [(1,)]
    assert sorted(by_kind["geom-empty"]) == [(2,), (3,)]
    assert found.loc[found["kind"] == "ring-invalid", "geometry"].iloc[0].geom_type == "Point"
    assert found.attrs["verdict"] == "failed"


def test_several_parts_are_a_note():
    parts = shapely.MultiPolygon([QUARTERS[0], QUARTERS[3]])
    found = validate(frame([parts, QUARTERS[1], QUARTERS[2]]), FILLED)
    assert found["kind"].tolist() == ["multipart"]
    assert found.attrs["verdict"] == "exact"


def test_the_table_is_checked():
    cells = frame(
        QUARTERS,
        code=["a", "a", None, " "],
        households=["350", "700", "many", "100"],
        kind=["residential", "residential", "residential", "dedicated"],
    )
    found = validate(cells, FILLED, code="code", households=(300, 600), exceptions=["a"], lang="en")
    assert found["kind"].value_counts().to_dict() == {
        "code-missing": 2,
        "households-out-of-range": 2,
        "code-duplicate": 1,
    }
    assert "700 households, not 300–600" in found["note"].tolist()
    assert "'many' is no count" in found["note"].tolist()
    assert len(findings(found)) == 4  # the 700 are on record


@pytest.mark.parametrize(
    ("given", "notes"),
    [
        (["350", "many", "1", "1"], ["'many' is no count"]),
        ([350, -5, 2.5, 1], ["-5 is no count", "2.5 is no count"]),
        ([350, np.inf, 1, 1], ["inf is no count"]),
        (np.array([350, True, 1, 1], dtype=object), ["True is no count"]),
        ([350, None, 1, None], ["has no count"]),
        ([None, None, None, None], []),
        ([0, 1, 9000, 2], []),
    ],
)
def test_counts_that_are_none_are_found_without_a_band(given, notes):
    kinds = ["residential"] * 3 + ["dedicated"]
    cells = frame(QUARTERS, households=pd.Series(given, dtype=object), kind=kinds)
    found = validate(cells, FILLED, lang="en")
    assert sorted(found["note"]) == sorted(notes)
    assert found.attrs["verdict"] == ("failed" if notes else "exact")


def test_crossing_rings_are_told_in_chinese():
    bow = shapely.Polygon([(0, 0), (5, 5), (5, 0), (0, 5)])
    found = validate(frame([bow]), FILLED)
    assert found["note"][found["kind"] == "ring-invalid"].iloc[0].startswith("自相交[")


def test_a_boundary_that_is_no_area_is_refused():
    bow = shapely.Polygon([(0, 0), (5, 5), (5, 0), (0, 5)])
    with pytest.raises(InputError, match=r"`boundary` is no area: Self-intersection at 2\.5 2\.5"):
        validate(frame([shapely.box(0, 0, 5, 5)]), bow, lang="zh")


def test_what_no_double_can_measure_is_told_by_its_exact_sign():
    """The double nearest to 1/3 lies below the side from (0, 0) to (3, 1): an overlap."""
    point = (1.0, 1 / 3)
    cells = [
        shapely.Polygon([(0, 0), (3, 1), (3, 0)]),
        shapely.Polygon([(0, 0), point, (0, 2)]),
        shapely.Polygon([point, (3, 1), (0, 2)]),
    ]
    found = validate(frame(cells), shapely.Polygon([(0, 0), (3, 0), (3, 1), (0, 2)]))
    assert found["kind"].tolist() == ["overlap"]
    assert found["area_m2"].tolist() == [float((Fraction(1) - 3 * Fraction(1 / 3)) / 2)]


def test_parents_are_checked():
    halves = gpd.GeoDataFrame(
        {"name": ["w", "e"]}, geometry=[*shapely.box([0, 5], 0, [5, 10], 10)], crs=4547
    )
    halves.index = ["w", "e"]
    cells = frame(QUARTERS, parent=["w", "e", "w", "w"])
    found = validate(cells, FILLED, parents=halves)
    assert found["kind"].tolist() == ["crosses-parent", "parent-gap"]
    assert found["area_m2"].tolist() == [25.0, 25.0]
    assert found["cells"].iloc[0] == (3,)
    cells["parent"] = ["w", "e", "w", "x"]
    assert set(validate(cells, FILLED, parents=halves)["kind"]) == {"parent-unknown", "parent-gap"}
    near = validate(cells.drop(columns="parent"), FILLED, parents=halves)
    assert near.attrs["verdict"] == "exact_with_t_junctions"  # the halves lack a vertex each
    with pytest.raises(InputError, match="repeat a name"):
        validate(cells, FILLED, parents=halves.rename(index={"e": "w"}))


def test_a_tolerance_turns_narrow_defects_into_slivers():
    cells = frame([shapely.box(0, 0, 4.999, 5), *QUARTERS[1:]])
    found = validate(cells, FILLED, tolerance=0.01)
    assert found.attrs["verdict"] == "within_tolerance"
    assert findings(found)["qualifier"].tolist() == ["edge,sliver"]
    assert validate(cells, FILLED, tolerance=1e-4).attrs["verdict"] == "failed"
    with pytest.raises(InputError, match="0 or more"):
        validate(cells, FILLED, tolerance=-1)


def test_lakes_are_excused_only_where_declared():
    lake = shapely.box(2, 2, 3, 3)
    cells = frame([QUARTERS[0] - lake, *QUARTERS[1:]])
    assert validate(cells, FILLED - lake).attrs["verdict"] == "exact"
    found = validate(cells, FILLED, exclude=frame([shapely.box(1, 1, 4, 4)]))
    assert found.attrs["verdict"] == "exact"
    assert found["kind"].tolist() == ["excluded-gap"]
    assert found.attrs["proof"]["leftover"] == 0
    half = validate(cells, FILLED, exclude=frame([shapely.box(2, 2, 2.5, 3)]))
    assert half.attrs["verdict"] == "failed"
    assert half.groupby("kind")["area_m2"].sum().to_dict() == {"excluded-gap": 0.5, "gap": 0.5}


def test_accepted_gaps_keep_their_id_and_no_longer_fail():
    cells = frame([QUARTERS[0] - shapely.box(2, 2, 3, 3), *QUARTERS[1:3]])
    first = validate(cells, FILLED)
    assert len(first) == 2
    again = validate(cells, FILLED, accepted=list(first["id"]))
    assert again.attrs["verdict"] == "exact"
    assert set(again["id"]) == set(first["id"])
    fewer = validate(cells.iloc[[0, 1, 2]], FILLED, accepted=[first["id"].iloc[0]])
    assert fewer["id"].tolist()[0] == first["id"].iloc[1]


def test_an_outline_is_derived_and_said_so():
    ring = shapely.box(0, 0, 3, 3) - shapely.box(1, 1, 2, 2)
    found = validate(frame([ring]), "outline", lang="en")
    assert found["kind"].tolist() == ["gap"]
    assert "derived" in found.attrs["notes"][0]
    declared = validate(frame([ring]), "outline", exclude=frame([shapely.box(1, 1, 2, 2)]))
    assert declared.attrs["verdict"] == "exact"
    with pytest.raises(InputError, match="empty"):
        validate(frame([None]), "outline")


def test_crs_defects_make_it_unprovable():
    found = validate(frame(QUARTERS).to_crs(4326), gpd.GeoSeries([FILLED], crs=4547), lang="en")
    assert found.attrs["verdict"] == "unprovable"
    assert "crs-mismatch" in found["kind"].tolist()
    bare = validate(gpd.GeoSeries(QUARTERS), FILLED)
    assert bare["kind"].tolist() == ["crs-missing"]
    assert bare.attrs["verdict"] == "unprovable"
    assert validate(frame(QUARTERS), None).attrs["verdict"] == "unprovable"


def test_degrees_are_measured_in_metres_and_feet_are_converted():
    whole = quilt(4, 4)
    cells = gpd.GeoSeries(whole.cells[1:], crs=4547)
    boundary = gpd.GeoSeries([whole.boundary], crs=4547)
    metres = validate(cells, boundary)["area_m2"].iloc[0]
    degrees = validate(cells.to_crs(4490), boundary.to_crs(4490))
    assert degrees["kind"].tolist() == ["gap", "crs-geographic"]
    # EPSG:4547 is a map of the ellipsoid with a scale of its own: 1 part in 5,000 here
    assert degrees["area_m2"].iloc[0] == pytest.approx(metres, rel=1e-3)
    feet = validate(gpd.GeoSeries(QUARTERS[1:], crs=2232), FILLED)
    assert feet["area_m2"].iloc[0] == pytest.approx(25 * (1200 / 3937) ** 2)


def test_a_boundary_in_another_place_is_one_defect():
    found = validate(frame(QUARTERS), shapely.box(1000, 1000, 1010, 1010))
    assert found["kind"].tolist() == ["extent-disjoint"]
    assert found.attrs["verdict"] == "failed"


def test_no_cells_leave_the_whole_boundary_open():
    found = validate(gpd.GeoSeries([], crs=4547), FILLED)
    assert found["area_m2"].tolist() == [100.0]


def test_heights_are_dropped_and_a_long_ring_is_no_trouble():
    round_ = shapely.Point(0, 0).buffer(100, quad_segs=5000)
    found = validate(gpd.GeoSeries([shapely.force_3d(round_)], crs=4547), round_, lang="en")
    assert found.attrs["verdict"] == "exact"
    assert found.attrs["notes"] == ["heights (Z) were not used"]


def test_the_frame_is_the_same_empty_or_full():
    empty, full = validate(frame(QUARTERS), FILLED), validate(frame(QUARTERS[1:]), FILLED)
    assert list(empty.columns) == list(full.columns)
    assert empty.dtypes.astype(str).tolist() == full.dtypes.astype(str).tolist()
    assert len(empty) == 0


def test_missing_columns_are_named():
    with pytest.raises(InputError, match="`code` names the column 'nix'"):
        validate(frame(QUARTERS), FILLED, code="nix")
    with pytest.raises(InputError, match="`count` names the column 'households'"):
        validate(frame(QUARTERS), FILLED, households=(300, 600))


def test_every_kind_has_its_words():
    assert set(KINDS) >= NOTES
    assert all(words(n=2).text("zh") != words(n=2).text("en") for words in KINDS.values())


def test_a_needle_is_no_declared_hole():
    """The outline covers a crack as thin as doubles can tell, and leaves the lake out."""
    x, y = 3157411.790846142, 1677765.8974993841
    needle = [(x, y), (x, y + 2e-8), (x + 0.0027, y + 1.8)]
    lake = shapely.box(x + 20, y, x + 30, y + 10)
    shell = shapely.box(x - 50, y - 50, x + 50, y + 50).exterior
    cell = shapely.Polygon(shell, [needle, lake.exterior])
    assert outline_of([cell], [lake]).equals(shapely.Polygon(shell, [lake.exterior]))
