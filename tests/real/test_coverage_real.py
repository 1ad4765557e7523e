"""Messy official layers: validated, repaired, and proved."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from gridmap.coverage.prove import prove
from gridmap.coverage.repair import repair
from gridmap.coverage.report import describe, sentence
from gridmap.coverage.validate import validate

pytestmark = pytest.mark.real


def enclaves(cells: gpd.GeoDataFrame, least: float) -> gpd.GeoSeries:
    """Return the holes of the union above an area: what an official would declare."""
    union = shapely.union_all(cells.geometry.to_numpy())
    rings = [r for part in shapely.get_parts(union) for r in part.interiors]
    holes = shapely.polygons(rings)
    return gpd.GeoSeries(holes[shapely.area(holes) > least], crs=cells.crs)


@pytest.mark.parametrize(
    ("name", "gaps", "overlap"),
    [
        ("denver_precincts_2020", 32, 12.97),
        ("cambridge_neighborhoods", 9, 11.71),
        ("cambridge_address_blocks", 51, 254.14),
        ("taipei_villages", 73, 11.52),
    ],
)
def test_known_defects_are_found_and_mended(shared: Path, name: str, gaps: int, overlap: float):
    cells = gpd.read_parquet(shared / f"{name}.parquet")
    found = validate(cells, "outline", lang="en")
    assert found.attrs["verdict"] == "failed"
    assert (found["kind"] == "gap").sum() >= gaps
    area = found.loc[found["kind"] == "overlap", "area_m2"].sum()
    assert area == pytest.approx(overlap, rel=5e-3)
    assert "derived" in describe(found, "en")
    mended, log = repair(cells, "outline")
    assert log.attrs["verdict"] == "exact"
    after = validate(mended, "outline")
    assert after.attrs["verdict"] == "exact", describe(after, "en")
    assert set(log["change"]) <= {"rebuilt", "new", "vertex-added"}
    assert len(log) < 0.25 * len(cells) or len(cells) < 20


def test_declared_enclaves_of_denver_stay_open(shared: Path):
    cells = gpd.read_parquet(shared / "denver_precincts_2020.parquet")
    declared = enclaves(cells, 100.0)
    found = validate(cells, "outline", exclude=declared)
    assert found.loc[found["kind"] == "gap", "area_m2"].max() < 100
    mended, log = repair(cells, "outline", exclude=declared)
    assert "new" not in set(log["change"])
    after = validate(mended, "outline", exclude=declared)
    assert after.attrs["verdict"] == "exact"
    lakes = shapely.intersects(mended.union_all(), declared.representative_point().to_numpy())
    assert not lakes.any()


@pytest.mark.parametrize("name", ["taipei_atoms", "hsinchu_atoms", "cambridge_blocks_2020"])
def test_clean_official_coverages_are_exact(shared: Path, name: str):
    cells = gpd.read_parquet(shared / f"{name}.parquet")
    found = validate(cells, "outline")
    assert found.attrs["verdict"] == "exact", sentence(found, "en")


def test_every_level_of_taipei_nests(shared: Path):
    atoms = gpd.read_parquet(shared / "taipei_atoms.parquet")
    for level in ("stat1", "stat2", "district_code"):
        groups = atoms.groupby(level, sort=True).indices
        areas = [shapely.coverage_union_all(atoms.geometry.to_numpy()[r]) for r in groups.values()]
        parents = gpd.GeoSeries(areas, index=list(groups), crs=atoms.crs)
        boundary = shapely.coverage_union_all(parents.to_numpy())
        proof = prove(atoms, boundary, parents, list(atoms[level]))
        assert proof.verdict == "exact"
        assert {p.verdict for p in proof.parents} == {"exact"}


@pytest.mark.parametrize(
    ("layer", "against"),
    [
        ("Cambridge neighbourhoods", "simplified by 0.1 m"),
        ("Cambridge neighbourhoods", "sent to another CRS and back"),
        ("Denver precincts 2020", "simplified by 1 m"),
        ("Chicago precincts", "its outline"),
    ],
)
def test_defects_add_up_and_repair_moves_no_more(
    shared: Path, monkeypatch: pytest.MonkeyPatch, layer: str, against: str
):
    """All cases of all layers are tried by `scripts/real_coverages.py`."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))
    import real_coverages

    case = next(c for c in real_coverages.cases(shared, layer) if c.against == against)
    row, broken = real_coverages.tried(case)
    assert not broken
    assert row["after repair"] == "exact"
