"""Coverages from the test suites and issue threads of other projects, with what is known of them.

The cases lie beside the project. Where one has no boundary, it is the filled union of its cells.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gridmap.coverage.validate import validate

pytestmark = pytest.mark.real

# Cases in longitude and latitude whose expected areas were computed on coordinates of the size of
# 100 degrees: defects of 1e-15 to 1e-19 square degrees, narrower than a few times the distance of
# neighbouring doubles there. Ours are computed from exact differences and agree with the areas of
# the leftover chains that the same file states.
ROUNDED_BY_THE_SOURCE = {
    "mapshaper-ex9_FranklinTwoPrecinctsDetail": "overlap 1.0562e-15 by the chain, not 1.0564e-15",
    "mapshaper-ex22_three_ia_precincts": "overlaps of 1e-19 around one vertex, lumped together",
    "mapshaper-ex23_three_ca_precincts": "overlap 1.6869e-16 by the chain, not 1.4824e-16",
}


@pytest.fixture(scope="module")
def cases(reference: Path) -> list[dict[str, Any]]:
    """Return all cases that can be parsed."""
    text = (reference / "coverage_cases.json").read_text(encoding="utf-8")
    return [case for case in json.loads(text)["cases"] if not case.get("unparseable")]


def checked(case: dict[str, Any]) -> gpd.GeoDataFrame:
    """Validate the cells of a case, its units taken for metres."""
    cells = gpd.GeoSeries(shapely.from_wkt(case["wkt"]), crs=4547)
    boundary = shapely.from_wkt(case["boundary"]) if "boundary" in case else "outline"
    return validate(cells, boundary)


def pair_areas(overlaps: gpd.GeoDataFrame) -> Counter[tuple[int, ...]]:
    """Return what each two cells share, whoever else covers it too."""
    areas: Counter[tuple[int, ...]] = Counter()
    for cells, area in zip(overlaps["cells"], overlaps["area_m2"], strict=True):
        for pair in combinations(sorted(cells), 2):
            areas[pair] += area
    return areas


def test_there_are_enough_cases_and_few_differences(cases: list[dict[str, Any]]):
    assert len(cases) >= 70
    assert len(ROUNDED_BY_THE_SOURCE) <= 5
    assert {case["id"] for case in cases} >= ROUNDED_BY_THE_SOURCE.keys()


def test_every_listed_overlap_is_reported_with_its_area(cases: list[dict[str, Any]]):
    for case in cases:
        found = checked(case)
        rows = found[found["kind"] == "overlap"]
        areas = pair_areas(rows)
        if case["id"] in ROUNDED_BY_THE_SOURCE:
            continue
        listed = {tuple(o["pair"]): o["area"] for o in case["expected"].get("overlaps", [])}
        for pair, area in listed.items():
            assert areas.get(pair) == pytest.approx(area, rel=1e-6), (case["id"], pair)
        if "overlaps" in case["expected"]:
            assert set(areas) == set(listed), case["id"]


def test_every_listed_gap_is_reported_with_its_area(cases: list[dict[str, Any]]):
    for case in cases:
        found = checked(case)
        if case["id"] in ROUNDED_BY_THE_SOURCE:
            continue
        if "uncovered_area" in case["expected"]:  # of the boundary, at the rim too
            sums = found.groupby("kind")["area_m2"].sum()
            for kind, key in (("gap", "uncovered_area"), ("outside", "outside_area")):
                assert sums.get(kind, 0) == pytest.approx(case["expected"][key], rel=1e-6)
            continue
        gaps = np.sort(found.loc[found["kind"] == "gap", "area_m2"])
        for gap in case["expected"].get("gaps", []):
            assert np.isclose(gaps, gap["area"], rtol=1e-6, atol=0).any(), (case["id"], gap)


def test_every_t_junction_is_reported(cases: list[dict[str, Any]]):
    for case in cases:
        if case["expected"].get("t_junction"):
            assert (checked(case)["kind"] == "t-junction").any(), case["id"]


def test_every_invalid_polygon_is_named(cases: list[dict[str, Any]]):
    for case in cases:
        found = checked(case)
        rings = [cells[0] for cells in found.loc[found["kind"] == "ring-invalid", "cells"]]
        assert rings == case["expected"].get("invalid_polygons", []), case["id"]


def test_valid_coverages_without_gaps_are_proved(cases: list[dict[str, Any]]):
    for case in cases:
        expected = case["expected"]
        clean = expected["verdict"] == "valid" and not expected.get("gaps")
        empty = any("EMPTY" in cell for cell in case["wkt"])
        if clean and not empty and "invalid_polygons" not in expected:
            assert checked(case).attrs["verdict"] in ("exact", "exact_with_t_junctions"), case["id"]
