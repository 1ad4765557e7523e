"""Laws of proof, validation and repair over random coverages and random damage."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gridmap.coverage.defect_table import findings
from gridmap.coverage.prove import prove
from gridmap.coverage.repair import repair
from gridmap.coverage.validate import validate
from tests.damage import Quilt, quilt

LAWS = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # shrinking geometry takes longer than reading it
    suppress_health_check=[HealthCheck.too_slow],
)
PLANE = "EPSG:4547"


@st.composite
def quilts(draw: st.DrawFn) -> Quilt:
    """Draw a clean coverage of 9 to 30 cells."""
    columns, rows = draw(st.integers(3, 6)), draw(st.integers(3, 5))
    side = draw(st.sampled_from([1, 2, 5]))
    lakes = draw(st.integers(0, 1))
    return quilt(columns, rows, side=side, seed=draw(st.integers(0, 10**6)), lakes=lakes, block=3)


def cells_of(shapes: np.ndarray) -> gpd.GeoDataFrame:
    """Return shapes as cells with households."""
    households = 300 + 7 * np.arange(len(shapes))
    return gpd.GeoDataFrame({"households": households}, geometry=list(shapes), crs=PLANE)


def any_cell(data: st.DataObject, whole: Quilt) -> int:
    """Draw one of the cells."""
    return data.draw(st.integers(0, len(whole.cells) - 1))


@LAWS
@given(quilts(), st.data())
def test_any_partition_is_exact_also_after_cells_are_merged(whole: Quilt, data: st.DataObject):
    group = np.array(data.draw(st.lists(st.integers(0, 3), min_size=30, max_size=30)))
    cells = whole.cells
    group = group[: len(cells)]
    merged = [shapely.coverage_union_all(cells[group == g]) for g in np.unique(group)]
    assert prove(np.array(merged), whole.boundary).verdict == "exact"
    assert len(validate(cells_of(cells), whole.boundary)) == 0


@LAWS
@given(quilts(), st.sampled_from(["degrees", "mercator", "rounded", "affine", "single"]))
def test_a_transform_vertex_by_vertex_keeps_it_exact(whole: Quilt, name: str):
    change = {
        "degrees": pyproj.Transformer.from_crs(4547, 4490, always_xy=True).transform,
        "mercator": pyproj.Transformer.from_crs(4547, 3857, always_xy=True).transform,
        "rounded": lambda x, y: (np.round(x, 2), np.round(y, 2)),
        "affine": lambda x, y: (0.3 * x - 1.7 * y, 1.1 * x + 0.9 * y),
        "single": lambda x, y: (x.astype(np.float32), y.astype(np.float32)),
    }[name]
    cells = shapely.transform(whole.cells, change, interleaved=False)
    boundary = shapely.transform(whole.boundary, change, interleaved=False)
    assert prove(cells, boundary).verdict == "exact"


@LAWS
@given(quilts(), st.data())
def test_a_missing_cell_is_found_with_its_area(whole: Quilt, data: st.DataObject):
    k = any_cell(data, whole)
    found = validate(cells_of(np.delete(whole.cells, k)), whole.boundary)
    assert found["kind"].tolist() == ["gap"]
    assert found["area_m2"].iloc[0] == pytest.approx(whole.cells[k].area, rel=1e-6)


@LAWS
@given(quilts(), st.data())
def test_a_cell_that_stands_twice_is_found_with_its_area(whole: Quilt, data: st.DataObject):
    k = any_cell(data, whole)
    found = validate(cells_of(np.append(whole.cells, whole.cells[k])), whole.boundary)
    assert found[["kind", "qualifier"]].to_numpy().tolist() == [["overlap", "duplicate"]]
    assert found["cells"].iloc[0] == (k, len(whole.cells))
    assert found["area_m2"].iloc[0] == pytest.approx(whole.cells[k].area, rel=1e-6)


@LAWS
@given(quilts(), st.data(), st.floats(1e-6, 5.0), st.floats(0, 6.28))
def test_a_moved_or_shrunk_cell_is_found_with_all_areas(
    whole: Quilt, data: st.DataObject, by: float, angle: float
):
    k = any_cell(data, whole)
    cells = whole.cells
    if data.draw(st.booleans()):
        cells[k] = shapely.transform(
            cells[k], lambda xy: xy + by * np.array([np.cos(angle), np.sin(angle)])
        )
    else:
        centre = shapely.get_coordinates(shapely.centroid(cells[k]))
        cells[k] = shapely.transform(cells[k], lambda xy: centre + (xy - centre) * (1 - by / 50))
    found = validate(cells_of(cells), whole.boundary)
    sums = found.groupby("kind")["area_m2"].sum()
    origin = np.array([500_000.0, 3_430_000.0])
    near = shapely.transform(cells, lambda xy: xy - origin)
    outline = shapely.transform(whole.boundary, lambda xy: xy - origin)
    union = shapely.union_all(near)
    slack = 1e-6 * near[k].length * 1e-3
    for kind, expected in (
        ("gap", shapely.difference(outline, union).area),
        ("outside", shapely.difference(union, outline).area),
        ("overlap", shapely.area(near).sum() - union.area),
    ):
        assert sums.get(kind, 0.0) == pytest.approx(expected, rel=1e-6, abs=slack)
    assert found.attrs["verdict"] == "failed"


@LAWS
@given(quilts(), st.data(), st.floats(-3, 3), st.floats(-3, 3))
def test_a_moved_vertex_is_never_overlooked(
    whole: Quilt, data: st.DataObject, east: float, north: float
):
    k = any_cell(data, whole)
    cells = whole.cells
    xy = shapely.get_coordinates(cells[k])
    at = data.draw(st.integers(1, len(xy) - 2))
    before = xy[at].copy()
    xy[at] += [east, north]
    cells[k] = shapely.Polygon(xy)
    proof = prove(cells, whole.boundary)
    if (xy[at] == before).all():
        assert proof.verdict == "exact"
        return
    assert proof.verdict in ("failed", "exact_with_t_junctions")
    if proof.verdict == "failed":
        assert len(findings(validate(cells_of(cells), whole.boundary)))


@LAWS
@given(quilts(), st.data(), st.integers(1, 4))
def test_repair_of_any_damage_is_exact_and_conserves_households(
    whole: Quilt, data: st.DataObject, harms: int
):
    cells = list(whole.cells)
    for _ in range(harms):
        k = data.draw(st.integers(0, len(cells) - 1))
        harm = data.draw(st.sampled_from(["delete", "copy", "shift", "shrink", "vertex", "nest"]))
        shape = cells[k]
        x, y = data.draw(st.floats(-4, 4)), data.draw(st.floats(-4, 4))
        if harm == "delete" and len(cells) > 2:
            del cells[k]
        elif harm == "copy":
            cells.append(shape)
        elif harm == "shift":
            cells[k] = shapely.transform(shape, lambda xy, x=x, y=y: xy + np.array([x, y]))
        elif harm == "shrink" and not shape.buffer(-abs(x) / 2).is_empty:
            cells[k] = shape.buffer(-abs(x) / 2)
        elif harm == "vertex":
            xy = shapely.get_coordinates(shapely.get_exterior_ring(shapely.get_geometry(shape, 0)))
            xy[1] += [x, y]
            cells[k] = shapely.Polygon(xy)
        elif harm == "nest":
            cells.append(shape.representative_point().buffer(1 + abs(x)))
    frame = cells_of(np.array(cells, dtype=object))
    mended, log = repair(frame, whole.boundary)
    assert log.attrs["verdict"] == "exact"
    assert len(findings(validate(mended, whole.boundary))) == 0
    assert len(validate(mended, log.attrs["boundary"]).query("kind != 'multipart'")) == 0
    assert mended["households"].sum() == frame["households"].sum()


@LAWS
@given(quilts(), st.data())
def test_repair_leaves_alone_what_does_not_touch_the_damage(whole: Quilt, data: st.DataObject):
    k = any_cell(data, whole)
    cells = whole.cells
    hurt = shapely.union_all([cells[k], cells[k].buffer(3)])
    cells[k] = cells[k].buffer(data.draw(st.floats(-2, 2)), quad_segs=2)
    frame = cells_of(cells)
    mended, log = repair(frame, whole.boundary)
    away = ~shapely.intersects(cells, hurt)
    assert not set(log["cell"]) & set(np.flatnonzero(away))
    assert shapely.equals_identical(mended.geometry.to_numpy()[away], cells[away]).all()


@LAWS
@given(quilts(), st.randoms(use_true_random=False))
def test_ids_and_hashes_do_not_depend_on_the_order(whole: Quilt, random):
    cells = cells_of(whole.cells).iloc[1:-1]
    cells["code"] = [f"c{k}" for k in cells.index]
    order = list(range(len(cells)))
    random.shuffle(order)
    one = validate(cells, whole.boundary, code="code")
    other = validate(cells.iloc[order], whole.boundary, code="code")
    assert set(one["id"]) == set(other["id"])
    assert one.attrs["proof"]["coverage_hash"] == other.attrs["proof"]["coverage_hash"]
