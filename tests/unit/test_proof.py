"""The proof: what it accepts, what it refuses, and its names."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gridmap.coverage import edges
from gridmap.coverage.prove import prove
from gridmap.coverage.repair import matched_boundary
from gridmap.errors import CRSError, InputError
from tests.damage import quilt

WHOLE = quilt(6, 5, lakes=1)


@pytest.fixture(params=["numpy", "compiled"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with both kernels."""
    size = 1 if request.param == "compiled" else 10**9
    monkeypatch.setattr(edges, "COMPILED_FROM", size)
    return str(request.param)


def test_a_clean_coverage_is_exact_in_every_parent(engine: str):
    proof = prove(WHOLE.cells, WHOLE.boundary, WHOLE.parents, WHOLE.parent_of)
    assert proof.verdict == "exact"
    assert proof.leftover == proof.invalid == 0
    assert {p.verdict for p in proof.parents} == {"exact"}
    assert sum(p.cells for p in proof.parents) == proof.cells == 29


@pytest.mark.parametrize("change", ["missing", "twice", "moved", "lake", "boundary"])
def test_whatever_is_wrong_is_found(engine: str, change: str):
    cells, boundary = WHOLE.cells, WHOLE.boundary
    if change == "missing":
        cells = cells[1:]
    elif change == "twice":
        cells = np.append(cells, cells[3])
    elif change == "moved":
        xy = shapely.get_coordinates(cells[7])
        xy[5, 0] = np.nextafter(xy[5, 0], 0)
        cells[7] = shapely.Polygon(xy)
    elif change == "lake":
        boundary = shapely.Polygon(boundary.exterior)
    else:
        boundary = boundary.buffer(1e-6)
    proof = prove(cells, boundary)
    assert proof.verdict == "failed"
    assert proof.leftover > 0


def test_a_bow_tie_that_cancels_is_still_no_proof(engine: str):
    bow = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    rest = shapely.difference(shapely.box(-1, -1, 3, 3), shapely.make_valid(bow))
    proof = prove(np.array([bow, rest]), shapely.box(-1, -1, 3, 3))
    assert proof.verdict == "failed"
    assert proof.invalid == 1


def test_a_cell_in_the_wrong_parent_fails_only_the_nesting(engine: str):
    parent_of = WHOLE.parent_of.copy()
    parent_of[0] = 1 - parent_of[0]
    proof = prove(WHOLE.cells, WHOLE.boundary, WHOLE.parents, parent_of)
    assert proof.leftover == 0
    assert proof.verdict == "failed"
    assert [p.verdict for p in proof.parents].count("failed") == 2


def test_a_vertex_on_a_side_is_a_t_junction(engine: str):
    cells = np.array([shapely.box(0, 0, 2, 1), shapely.box(0, 1, 1, 2), shapely.box(1, 1, 2, 2)])
    outline = shapely.box(0, 0, 2, 2)
    assert prove(cells, outline).verdict == "exact_with_t_junctions"
    assert prove(cells, matched_boundary(outline, cells)).verdict == "exact_with_t_junctions"


def test_no_boundary_no_proof(engine: str):
    for nothing in (None, shapely.Polygon(), gpd.GeoSeries([], crs=4547)):
        assert prove(WHOLE.cells, nothing).verdict == "unprovable"


def test_names_depend_on_no_order(engine: str):
    cells = WHOLE.cells
    turned = np.array(
        [shapely.Polygon(np.roll(shapely.get_coordinates(c)[:-1], 5, axis=0)[::-1]) for c in cells]
    )
    one = prove(cells, WHOLE.boundary)
    other = prove(turned[::-1], shapely.normalize(WHOLE.boundary))
    assert one.coverage_hash == other.coverage_hash
    assert one.boundary_hash == other.boundary_hash
    assert prove(cells[1:], WHOLE.boundary).coverage_hash != one.coverage_hash


def test_both_engines_give_the_same_names(monkeypatch: pytest.MonkeyPatch):
    plain = prove(WHOLE.cells, WHOLE.boundary)
    monkeypatch.setattr(edges, "COMPILED_FROM", 1)
    assert prove(WHOLE.cells, WHOLE.boundary) == plain


def test_a_layer_of_several_rows_is_one_boundary():
    frame = gpd.GeoDataFrame(geometry=list(WHOLE.parents), crs=4547)
    assert prove(gpd.GeoSeries(WHOLE.cells, crs=4547), frame).verdict == "exact"


def test_input_is_checked_at_the_door():
    cells = gpd.GeoSeries(WHOLE.cells, crs=4547)
    with pytest.raises(CRSError, match="Transform one"):
        prove(cells, gpd.GeoSeries([WHOLE.boundary], crs=4326))
    with pytest.raises(InputError, match="LineString at position 1"):
        prove(np.array([WHOLE.cells[0], shapely.LineString([(0, 0), (1, 1)])]), WHOLE.boundary)
    with pytest.raises(InputError, match="hand in `parent_of`"):
        prove(cells, WHOLE.boundary, WHOLE.parents)
    with pytest.raises(InputError, match="1 name for 29 cells"):
        prove(cells, WHOLE.boundary, WHOLE.parents, [0])


def test_the_record_is_plain_data():
    record = prove(WHOLE.cells, WHOLE.boundary, WHOLE.parents, WHOLE.parent_of).as_dict()
    assert record["method"] == "directed-edge-cancellation/1"
    assert record["parents"][0] == {"parent": "0", "verdict": "exact", "cells": 24, "leftover": 0}
