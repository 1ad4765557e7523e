"""The areas of an explanation are those of rational arithmetic, in any CRS and however small."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

from gridmap.coverage.defect_table import findings
from gridmap.coverage.report import sentence
from gridmap.coverage.validate import validate
from tests import exact_areas, repairs

KINDS = ("gap", "overlap", "outside")


def sums(cells: Any, outline: Any, crs: Any = 4547) -> dict[str, float]:
    """Return the areas that are reported, kind by kind."""
    found = validate(gpd.GeoSeries(list(cells), crs=crs), outline)
    overlaps = found[found["kind"] == "overlap"]
    assert all(len(set(cells)) == len(cells) >= 2 for cells in overlaps["cells"])
    assert overlaps["cells"].is_unique
    total = found.groupby("kind")["area_m2"].sum()
    return {kind: float(total.get(kind, 0.0)) for kind in KINDS}


def convex(rng: np.random.Generator, scale: float) -> Any:
    """Return a convex polygon with corners on a lattice."""
    while True:
        hull = shapely.convex_hull(shapely.multipoints(rng.integers(0, 64, (6, 2)) * scale))
        if hull.geom_type == "Polygon":
            return hull


@pytest.mark.parametrize("seed", range(60))
def test_convex_cells_anywhere(seed: int):
    rng = np.random.default_rng(seed)
    scale = 2.0 ** rng.integers(-6, 6)
    offset = np.round(rng.uniform(-1, 1, 2) * 2.0**22 / scale) * scale
    shapes = [convex(rng, scale) for _ in range(rng.integers(2, 6))]
    cells = list(shapely.transform(np.array(shapes), lambda xy: xy + offset))
    outline = cells.pop()
    wanted = exact_areas.expected(cells, outline)
    found = sums(cells, outline)
    slack = 1e-9 * (64 * scale) ** 2
    for kind in KINDS:
        assert found[kind] == pytest.approx(float(wanted[kind]), rel=1e-9, abs=slack)


@pytest.mark.parametrize("seed", range(60))
def test_cells_on_a_lattice(seed: int):
    case, squares, inside = repairs.lattice_case(seed)
    times = {spot: sum(spot in own for own in squares) for spot in inside}
    found = sums(case.cells.geometry, case.boundary)
    assert found["gap"] == sum(n == 0 for n in times.values())
    assert found["overlap"] == sum(n > 1 for n in times.values())
    assert found["outside"] == 0


@pytest.mark.parametrize("seed", range(40))
def test_a_ring_drawn_twice_with_rounding_noise(seed: int):
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(1e5, 5e6, 2)
    ring = np.array([(0, 0), (99.1, 0), (99.1, 99.2), (0, 99.2)]) + np.array([east, north])
    noise = rng.integers(-2, 3, ring.shape) * np.spacing(ring)
    outline, cell = shapely.Polygon(ring), shapely.Polygon(ring + noise)
    far = shapely.box(-9e5, -9e5, -3e5, -4e5)  # exact, and in the same polygons
    found = validate(
        gpd.GeoSeries([shapely.MultiPolygon([cell, far])], crs=27700),
        shapely.MultiPolygon([outline, far]),
    )
    wanted = exact_areas.expected([cell], outline)
    total = float(wanted["gap"] + wanted["outside"])
    told = findings(found)["area_m2"].sum()
    assert told <= total * (1 + 1e-6) + 1e-12
    assert told >= total * 0.5 - 1e-12
    assert not (found["kind"] == "overlap").any()


def test_the_ring_of_the_report():
    far, e = shapely.box(-900000, 0, 300000, 400000), 5.820766091346741e-11
    a = shapely.Polygon([(341411.1, 449851.1), (341510.3, 449851.1), (341510.3, 449950.3),
                         (341411.1, 449950.3)])  # fmt: skip
    b = shapely.Polygon([(341411.1 + e, 449851.1 - e), (341510.3 - e, 449851.1 + e),
                         (341510.3 + e, 449950.3 - e), (341411.1 - e, 449950.3 + e)])  # fmt: skip
    cells = gpd.GeoSeries([shapely.MultiPolygon([b, far])], crs=27700)
    found = findings(validate(cells, shapely.MultiPolygon([a, far])))
    assert found["area_m2"].sum() == pytest.approx(1.15e-8, rel=0.01)
    assert found["qualifier"].str.contains("sub-resolution").all()
    assert set(found["kind"]) == {"gap", "outside"}


@pytest.mark.parametrize("crs", [4326, 4490, 2232, 4526, 3857])
@pytest.mark.parametrize("seed", range(6))
def test_the_same_defects_in_any_crs(crs: int, seed: int):
    rng = np.random.default_rng(seed)
    places = {4326: (114, 22), 4490: (114, 22), 2232: (-105, 39), 4526: (114, 22), 3857: (114, 1)}
    plane = pyproj.CRS.from_proj4(
        "+proj=tmerc +lon_0={} +lat_0={} +ellps=GRS80".format(*places[crs])
    )
    change = pyproj.Transformer.from_crs(plane, crs, always_xy=True).transform
    shapes = np.array([convex(rng, 10.0) for _ in range(4)])
    wanted = exact_areas.expected(shapes[:3], shapes[3])
    moved = shapely.transform(shapes, change, interleaved=False)
    found = sums(moved[:3], moved[3], crs)
    for kind in KINDS:
        assert found[kind] == pytest.approx(float(wanted[kind]), rel=2e-2, abs=1e-3)


@pytest.mark.parametrize("crs", [4547, 4326])
def test_an_outline_of_the_cells_leaves_nothing_outside(crs: int):
    rng = np.random.default_rng(3)
    size = 1.0 if crs == 4547 else 1e-5
    origin = (5e5, 4e6) if crs == 4547 else (114.05, 22.5)
    turn = np.array([[0.95, -0.31], [0.31, 0.95]])
    cells = []
    for x, y in np.ndindex(6, 6):
        ring = np.array([(0, 0), (103, 0), (103, 103), (0, 103)]) + np.array([100 * x, 100 * y])
        noisy = ring @ turn.T + rng.normal(0, 0.1, ring.shape)
        cells.append(shapely.Polygon(noisy * size + origin))
    cells = gpd.GeoSeries(cells, crs=crs)
    found = validate(cells, "outline", lang="en")
    assert not (found["kind"] == "outside").any()
    assert not findings(found)["qualifier"].str.contains("sub-resolution").any()


def test_ground_in_three_cells_is_one_overlap_of_all_three():
    cells = [shapely.box(0, 0, 6, 4), shapely.box(4, 0, 10, 4), shapely.box(3, 1, 7, 3)]
    found = validate(gpd.GeoSeries(cells, crs=4547), shapely.box(0, 0, 10, 4), lang="en")
    areas = found[found["kind"] == "overlap"].set_index("cells")["area_m2"].to_dict()
    assert areas == {(0, 1): 4.0, (0, 1, 2): 4.0, (0, 2): 2.0, (1, 2): 2.0}
    assert "overlaps of 4 groups of cells in 5 places (12.0 m²)" in sentence(found, "en")


def test_a_cell_that_stands_three_times():
    found = validate(
        gpd.GeoSeries([shapely.box(0, 0, 9, 9)] * 3, crs=4547), shapely.box(0, 0, 9, 9)
    )
    assert found[["kind", "qualifier"]].to_numpy().tolist() == [["overlap", "duplicate"]]
    assert found["cells"].tolist() == [(0, 1, 2)]
    assert found["area_m2"].tolist() == [81.0]


def test_pairs_are_grouped():
    zigzag = [(0, 0)] + [(5 + (-1) ** k * 0.5, k / 10) for k in range(101)] + [(0, 10)]
    cells = gpd.GeoSeries([shapely.Polygon(zigzag), shapely.box(5, 0, 10, 10)], crs=4547)
    found = validate(cells, "outline")
    overlap = found[found["kind"] == "overlap"]
    assert len(overlap) == 1
    assert overlap.geometry.iloc[0].geom_type == "MultiPolygon"
    assert "overlaps of 1 pair of cells in 51 places" in sentence(found, "en")
    assert "1 对网格重叠，共 51 处" in sentence(found, "zh")
