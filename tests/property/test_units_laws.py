"""Laws of the units: they tile, they count everybody once, and they cut no building."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridmap.contiguity import Contacts, contacts
from gridmap.coverage.prove import prove
from gridmap.units.attach import attach
from gridmap.units.subdivide import subdivide
from gridmap.units.tiling import absorb, tile

SIDE = 300.0
CRS = 4547
CHECKS = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def town_of(rng: np.random.Generator, n: int, messy: bool) -> gpd.GeoDataFrame:
    """Return `n` communities: Voronoi cells of a square, perhaps a little shrunk or swollen."""
    points = shapely.multipoints(rng.uniform(0, SIDE, (n, 2)))
    square = shapely.box(0, 0, SIDE, SIDE)
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=square))
    cells = shapely.intersection(cells, square)
    if messy:
        cells = shapely.buffer(cells, rng.uniform(-0.05, 0.05, n), join_style="mitre")
    codes = [f"C{k}" for k in range(n)]
    return gpd.GeoDataFrame({"community": codes}, geometry=cells, crs=CRS)


def streets_of(rng: np.random.Generator, n: int) -> gpd.GeoDataFrame:
    """Return random straight streets, some ending nowhere, some leaving the town."""
    ends = rng.uniform(-100, SIDE + 100, (n, 2, 2))
    kind = rng.choice(["street", "railway", "river"], n)
    return gpd.GeoDataFrame({"kind": kind}, geometry=shapely.linestrings(ends), crs=CRS)


def footprints_of(rng: np.random.Generator, n: int) -> gpd.GeoDataFrame:
    """Return houses that do not overlap, some of them outside the town."""
    x, y = rng.uniform(-20, SIDE + 20, (2, n))
    boxes = shapely.box(x, y, x + rng.uniform(4, 25, n), y + rng.uniform(4, 25, n))
    free = [k for k in range(n) if not shapely.intersects(boxes[k], boxes[:k]).any()]
    counts = rng.integers(0, 40, len(free))
    return gpd.GeoDataFrame({"households": counts}, geometry=boxes[free], crs=CRS)


def points_of(rng: np.random.Generator, n: int) -> gpd.GeoDataFrame:
    """Return homes on a coarse lattice, so that some lie on borders and some on each other."""
    xy = rng.integers(-1, 31, (n, 2)) * 10.0
    return gpd.GeoDataFrame(
        {"households": rng.integers(0, 40, n)}, geometry=shapely.points(xy), crs=CRS
    )


def check_laws(units: gpd.GeoDataFrame, homes: gpd.GeoDataFrame, town: gpd.GeoDataFrame) -> None:
    """Fail unless the units tile what they should and count everybody once."""
    outlines = units.dissolve("parent", method="coverage").geometry
    boundary = shapely.coverage_union_all(outlines.to_numpy())
    assert prove(units, boundary, outlines, units["parent"].tolist()).verdict == "exact"
    given = shapely.union_all(town.geometry.to_numpy())
    moved = shapely.area(shapely.symmetric_difference(boundary, given))
    assert moved < 0.2 * town.length.sum()  # the town may be torn by 0.1 m
    assert set(units["parent"]) == set(town["community"])
    counted = units["households"].sum()
    assert counted == units.attrs["households_in"]
    assert counted + units.attrs["households_outside"] == homes["households"].sum()
    outside = homes.loc[units.attrs["outside"]]
    assert outside["households"].sum() == units.attrs["households_outside"]
    assert (shapely.get_type_id(units.geometry) == shapely.GeometryType.POLYGON).all()
    check_branches(units)


def connected(n: int, key: np.ndarray, touch: Contacts) -> bool:
    """Tell whether the units of each key are connected among themselves."""
    same = touch.neighbours & (key[touch.i] == key[touch.j])
    i, j = touch.i[same], touch.j[same]
    parts, _ = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)))
    return bool(parts == len(np.unique(key)))


def check_branches(units: gpd.GeoDataFrame) -> None:
    """Fail unless every branch of every block is connected, and every leaf is one unit."""
    touch = contacts(units.geometry.to_numpy())
    assert not units.duplicated(["block", "path"]).any()
    for depth in range(int(units["path"].str.len().max()) + 1):
        branch = units["block"].astype(str) + "/" + units["path"].str[:depth]
        _, key = np.unique(branch, return_inverse=True)
        assert connected(len(units), key, touch)


@CHECKS
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 14), st.booleans())
def test_points_are_counted_once_and_units_tile(
    seed: int, communities: int, streets: int, messy: bool
) -> None:
    rng = np.random.default_rng(seed)
    town = town_of(rng, communities, messy)
    homes = points_of(rng, 60)
    units = subdivide(town, homes, barriers=streets_of(rng, streets) if streets else None)
    check_laws(units, homes, town)


@CHECKS
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 8))
def test_no_building_is_cut_that_need_not_be(seed: int, communities: int, streets: int) -> None:
    rng = np.random.default_rng(seed)
    town = town_of(rng, communities, messy=False)
    homes = footprints_of(rng, 80)
    units = subdivide(town, homes, barriers=streets_of(rng, streets) if streets else None, cap=20)
    check_laws(units, homes, town)
    whole = homes[homes["households"] > 0]
    inside = whole.sjoin(town, predicate="covered_by")
    parts = gpd.overlay(
        inside[["geometry", "community"]].reset_index(), units, keep_geom_type=False
    )
    parts = parts[parts.area > 0.1]
    assert not parts.duplicated("index").any()


@CHECKS
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(0, 6))
def test_compounds_and_dedicated_areas_stay_whole(
    seed: int, communities: int, streets: int
) -> None:
    rng = np.random.default_rng(seed)
    town = town_of(rng, communities, messy=False)
    homes = points_of(rng, 60)
    areas = gpd.GeoDataFrame(
        {"name": ["market", "garden"]},
        geometry=shapely.box([30, 160], [40, 120], [110, 260], [100, 210]),
        crs=CRS,
    )
    units = subdivide(
        town,
        homes,
        barriers=streets_of(rng, streets) if streets else None,
        dedicated=areas[:1],
        whole=areas[1:],
        cap=10,
    )
    check_laws(units, homes, town)
    for name, kind in (("market", "dedicated"), ("garden", "residential")):
        named = units[units["name"] == name]
        assert set(named["kind"]) == {kind}
        assert named["parent"].is_unique or named.area.min() > 0
        assert (named["path"] == "").all()
    market = units[units["kind"] == "dedicated"].union_all()
    assert shapely.area(areas.geometry[0]) - shapely.area(market & areas.geometry[0]) < 600.0
    assert shapely.area(market - areas.geometry[0]) < 6.0 * 280.0 + 200.0  # slivers around it


@CHECKS
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(20, 60))
def test_given_units_are_matched_and_lose_nobody(seed: int, communities: int, atoms: int) -> None:
    rng = np.random.default_rng(seed)
    town = town_of(rng, communities, messy=True)
    units = town_of(rng, atoms, messy=bool(rng.integers(2)))
    units["households"] = rng.integers(0, 200, atoms)
    result = attach(units.drop(columns="community"), town)
    outlines = result.dissolve("parent", method="coverage").geometry
    boundary = shapely.coverage_union_all(outlines.to_numpy())
    assert prove(result, boundary, outlines, result["parent"].tolist()).verdict == "exact"
    counted = result["households"].sum() + result.attrs["households_outside"]
    assert counted == units["households"].sum()


@CHECKS
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_tiling_leaves_neither_overlap_nor_sliver(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    cells = town_of(rng, n, messy=True).geometry.to_numpy()
    tiling = tile(cells)
    assert shapely.coverage_is_valid(tiling.polygons)
    assert all(mend.given_to >= 0 for mend in tiling.mends if mend.kind != "hole")
    total = shapely.area(shapely.union_all(cells))
    closed = sum(mend.area for mend in tiling.mends if mend.kind == "gap")
    assert abs(shapely.area(tiling.polygons).sum() - total - closed) < 1.0


@CHECKS
@given(st.integers(0, 10**6), st.integers(2, 40))
def test_absorbing_leaves_no_sliver_with_a_neighbour(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    cells = town_of(rng, n, messy=False).geometry.to_numpy()
    cells = tile(cells).polygons
    touch = contacts(cells)
    group = absorb(shapely.area(cells), shapely.length(cells), touch, small=4000.0, narrow=20.0)
    joined = [shapely.coverage_union_all(cells[group == k]) for k in np.unique(group)]
    small = (shapely.area(joined) < 4000.0) | (
        2 * shapely.area(joined) < 20 * shapely.length(joined)
    )
    assert len(joined) == 1 or not small.any()
    assert all(piece.geom_type == "Polygon" for piece in joined)
