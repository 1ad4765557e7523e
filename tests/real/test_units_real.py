"""Units from open data: Cambridge from streets and parcels, Taipei and Hsinchu from atoms."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gridmap.contiguity import shared_edges
from gridmap.coverage.prove import prove
from gridmap.errors import InputError
from gridmap.units.attach import attach
from gridmap.units.subdivide import subdivide

pytestmark = pytest.mark.real

UTM = 32619


def read(shared: Path, name: str) -> gpd.GeoDataFrame:
    return gpd.read_parquet(shared / f"{name}.parquet")


def parcels_of(shared: Path) -> gpd.GeoDataFrame:
    return read(shared, "cambridge_parcels").rename(columns={"dwellings": "households"})


def cambridge(shared: Path, households: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    layers = [read(shared, f"cambridge_{name}") for name in ("streets", "rail", "water")]
    return subdivide(
        read(shared, "cambridge_neighborhoods"), households, barriers=layers, code="code"
    )


def check_tiling(units: gpd.GeoDataFrame) -> None:
    """Fail unless the units tile the union of each parent's units, and those the boundary."""
    outlines = units.dissolve("parent", method="coverage").geometry
    boundary = shapely.coverage_union_all(outlines.to_numpy())
    assert prove(units, boundary, outlines, units["parent"].tolist()).verdict == "exact"


@pytest.fixture(scope="module")
def points(shared: Path) -> gpd.GeoDataFrame:
    parcels = parcels_of(shared)
    parcels = parcels[~parcels.is_empty].to_crs(UTM)
    inner = shapely.point_on_surface(shapely.make_valid(parcels.geometry.to_numpy()))
    return cambridge(shared, parcels.set_geometry(inner, crs=UTM))


@pytest.fixture(scope="module")
def parcels(shared: Path) -> gpd.GeoDataFrame:
    return cambridge(shared, parcels_of(shared))


def test_cambridge_from_points(points: gpd.GeoDataFrame, shared: Path) -> None:
    check_tiling(points)
    facts = points.attrs
    assert facts["households_in"] == points["households"].sum()
    assert 20 <= facts["households_outside"] <= 24
    assert facts["households_in"] + facts["households_outside"] == 42_760
    assert facts["deviation_m"] < 0.02
    kinds = [entry["kind"] for entry in facts["repaired"]]
    assert kinds.count("overlap") >= 1 and kinds.count("gap") >= 2
    assert sum(entry["area_m2"] for entry in facts["repaired"]) < 30.0
    city = read(shared, "cambridge_boundary").to_crs(UTM).geometry.iloc[0]
    assert abs(points.area.sum() - city.area) < 0.001 * city.area


def test_cambridge_borders_between_blocks_are_barriers(
    points: gpd.GeoDataFrame, shared: Path
) -> None:
    assert share_on_barriers(points, shared) > 0.999


def share_on_barriers(units: gpd.GeoDataFrame, shared: Path) -> float:
    """Return the share of the border between blocks that lies within 1 m of a barrier."""
    lines = np.concatenate(
        [
            read(shared, "cambridge_streets").to_crs(UTM).geometry,
            read(shared, "cambridge_rail").to_crs(UTM).geometry,
            read(shared, "cambridge_water").to_crs(UTM).boundary,
        ]
    )
    edges = shared_edges(units.geometry.to_numpy())
    parent, block = units["parent"].to_numpy(), units["block"].to_numpy()
    inner = (parent[edges.i] == parent[edges.j]) & (block[edges.i] != block[edges.j])
    near = np.zeros(len(inner), dtype=bool)
    tree = shapely.STRtree(lines)
    near[tree.query(shapely.points(edges.midpoints), predicate="dwithin", distance=1.0)[0]] = True
    return float(edges.length[inner & near].sum() / edges.length[inner].sum())


def test_cambridge_parcels_with_dwellings_are_not_cut(
    parcels: gpd.GeoDataFrame, shared: Path
) -> None:
    check_tiling(parcels)
    assert parcels["households"].sum() + parcels.attrs["households_outside"] == 42_760
    assert share_on_barriers(parcels, shared) > 0.985
    given = parcels_of(shared).to_crs(UTM)
    shapes = shapely.make_valid(given.geometry.to_numpy(), method="structure")
    unit, parcel = pairs(parcels.geometry.to_numpy(), shapes)
    part = shapely.area(shapely.intersection(shapes[parcel], parcels.geometry.to_numpy()[unit]))
    real = (part > 5.0) & (part > 0.01 * shapely.area(shapes)[parcel])
    homes = given["households"].to_numpy() > 0
    parent = np.unique(parcels["parent"], return_inverse=True)[1][unit[real]]
    seen, times = np.unique(np.c_[parcel[real], parent], axis=0, return_counts=True)
    cut = seen[(times > 1) & homes[seen[:, 0]], 0]
    assert len(cut) <= 1  # one of two parcels stacked on each other


def pairs(units: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Return positions of units and of shapes that meet."""
    return shapely.STRtree(shapes).query(units, predicate="intersects")


def test_cambridge_sides_follow_railway_and_river(points: gpd.GeoDataFrame) -> None:
    per_parent = points.groupby("parent")["side"].nunique()
    assert (per_parent > 1).any()
    assert points.groupby("side")["parent"].nunique().max() == 1


def test_taipei_atoms_go_to_the_village_of_largest_overlap(shared: Path) -> None:
    villages, atoms = read(shared, "taipei_villages"), read(shared, "taipei_atoms")
    units = subdivide(villages, atoms, levels=["district", "village"], code="village_code")
    check_tiling(units)
    facts = units.attrs
    assert len(units) == len(atoms) == 11_490
    assert units["households"].sum() == facts["households_in"] == 1_048_986
    assert units["parent"].nunique() == 456 and facts["levels"] == ["district", "village"]
    shares = [entry["area_share"] for entry in facts["jurisdictions"].values()]
    assert 0.02 < np.median(shares) < 0.06
    assert 17 <= len(facts["repaired"]) <= 150
    assert any("largest overlap" in note["en"] for note in facts["notes"])


def test_taipei_metro_lines_divide_sides(shared: Path) -> None:
    villages, atoms = read(shared, "taipei_villages"), read(shared, "taipei_atoms")
    metro = read(shared, "taipei_mrt_lines").assign(kind="railway")
    units = attach(atoms, villages, barriers=metro, code="village_code")
    assert (units.groupby("parent")["side"].nunique() > 1).sum() > 30


def test_hsinchu_atoms_in_its_districts(shared: Path) -> None:
    atoms = read(shared, "hsinchu_atoms")
    districts = atoms.dissolve("district_code", as_index=False)[["district_code", "geometry"]]
    units = attach(atoms, districts, levels=["district_code"])
    check_tiling(units)
    assert units["households"].sum() == atoms["households"].sum()
    assert units.attrs["repaired"] == [] and units.attrs["deviation_m"] < 1e-6
    same = units.geometry.to_numpy(), atoms.to_crs(units.crs).geometry.to_numpy()
    assert np.isclose(*(shapely.area(x).sum() for x in same), rtol=1e-12)


def test_chicago_precincts_are_diagnosed_not_taken(shared: Path) -> None:
    precincts = read(shared, "chicago_precincts")
    wards = precincts.dissolve("ward", as_index=False)[["ward", "geometry"]]
    with pytest.raises(InputError, match="'households_acs' is fractional in"):
        attach(precincts, wards, count="households_acs")
