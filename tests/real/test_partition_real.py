"""The partition on open data: every community valid, or the reason named."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

import gridmap as gm
from gridmap.partitioning.report import Report, report
from gridmap.units.attach import attach

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def taipei(shared: Path) -> gpd.GeoDataFrame:
    """Return Taipei's atoms within its villages."""
    atoms = gpd.read_parquet(shared / "taipei_atoms.parquet").to_crs(3826)
    villages = gpd.read_parquet(shared / "taipei_villages.parquet")
    return attach(
        atoms[["atom_id", "households", "geometry"]],
        villages,
        levels=["district", "village"],
        code="village_key",
        count="households",
    )


@pytest.fixture(scope="module")
def villages(taipei: gpd.GeoDataFrame) -> gm.Grid:
    """Return the grid of Taipei by villages."""
    return gm.partition(taipei, lang="en")


def test_every_village_is_valid_or_its_giant_is_named(
    taipei: gpd.GeoDataFrame, villages: gm.Grid
) -> None:
    assert villages.proof.verdict == "exact"
    assert villages.cells["households"].sum() == taipei["households"].sum() == 1_048_986
    spoilt = set(villages.exceptions["parent"])
    giants = set(taipei.loc[taipei["households"] > 600, "parent"])
    assert spoilt == giants
    assert len(villages.jurisdictions) - len(spoilt) == 440
    assert not set(villages.exceptions["certificate"]) & {"unknown", "held"}
    good = villages.cells[~villages.cells.index.isin(villages.exceptions["code"])]
    assert good["households"].between(300, 600).all()
    assert (villages.cells.geometry.geom_type == "Polygon").all()


def _compactness(grid: gm.Grid) -> float:
    shapes = grid.cells.geometry
    return float((4 * np.pi * shapes.area / shapes.length**2).mean())


def test_taipei_is_balanced_and_compact(villages: gm.Grid) -> None:
    named = villages.cells.index.isin(villages.exceptions["code"])
    loads = villages.cells["households"][~named]
    assert loads.std(ddof=0) / loads.mean() <= 0.12
    assert loads.between(450 * 0.88, 450 * 1.12).mean() >= 0.7
    assert _compactness(villages) >= 0.6305


def test_taipei_is_as_compact_as_ever_where_balance_is_no_wish(taipei: gpd.GeoDataFrame) -> None:
    assert _compactness(gm.partition(taipei, balance=0)) > 0.645


def test_no_change_no_change_and_a_small_change_stays_small(
    taipei: gpd.GeoDataFrame, villages: gm.Grid
) -> None:
    same = gm.partition(taipei, keep=villages, seed=3)
    assert same.content_hash == villages.content_hash
    draw = np.random.default_rng(4).random(len(taipei))
    factor = np.where(draw < 0.03, 2.2, np.where(draw < 0.05, 0.1, 1.0))
    changed = taipei.copy()
    changed["households"] = np.round(taipei["households"] * factor).astype(int)
    change = gm.partition(changed, keep=villages).parameters["change"]
    assert change["share_moved"] <= 0.035
    assert change["unchanged"] >= 0.8 * len(villages)


def test_statistical_areas_are_all_explained(taipei: gpd.GeoDataFrame, shared: Path) -> None:
    atoms = gpd.read_parquet(shared / "taipei_atoms.parquet").to_crs(3826)
    table = gm.feasibility(atoms.assign(parent=atoms["stat2"]), lang="en")
    assert table["possible"].value_counts().to_dict() == {"yes": 866, "no": 41}


def test_precincts_of_chicago_are_diagnosed_by_name(shared: Path) -> None:
    precincts = gpd.read_parquet(shared / "chicago_precincts.parquet").to_crs(26971)
    column = next(c for c in precincts.columns if "household" in c.lower())
    units = precincts.assign(parent="Chicago", households=precincts[column])
    with pytest.raises(gm.InputError, match="fractional"):
        gm.partition(units)
    whole = units.assign(households=units["households"].round())
    with pytest.raises(gm.InputError, match="overlap"):
        gm.what_if(whole, [(300, 600)])
    city = whole.geometry.buffer(1).union_all().buffer(-1)
    town = gpd.GeoDataFrame({"code": ["Chicago"]}, geometry=[city], crs=units.crs)
    mended = attach(whole.drop(columns="parent"), town, code="code", count="households")
    table = gm.what_if(mended, [(300, 600)])
    assert table["giants"].iloc[0] > 500


def test_cambridge_follows_its_streets(shared: Path) -> None:
    def read(name: str) -> gpd.GeoDataFrame:
        return gpd.read_parquet(shared / f"cambridge_{name}.parquet").to_crs(26986)

    parcels = read("parcels")
    homes = parcels[parcels["dwellings"] > 0].copy()
    homes["geometry"] = homes.geometry.make_valid().representative_point()
    barriers = [
        read("streets")[["geometry"]].assign(kind="street"),
        read("rail")[["geometry"]].assign(kind="railway"),
        read("water")[["geometry"]].assign(kind="river"),
    ]
    units = gm.subdivide(
        read("neighborhoods"), homes, barriers=barriers, count="dwellings",
        code="code", levels=["neighborhood"],
    )  # fmt: skip
    found = _on_streets(gm.partition(units, lang="en", balance=0), 0.9)
    found = _on_streets(gm.partition(units, lang="en"), 0.87)
    assert found.as_dict()["households_in"] == found.as_dict()["households_out"]


def _on_streets(grid: gm.Grid, share: float) -> Report:
    assert grid.exceptions["certificate"].tolist() == ["too-few"]
    assert grid.exceptions["households"].tolist() == [261]
    found = report(grid)
    assert found.cells["road_m"].sum() / found.cells["border_m"].sum() > share
    return found


def test_response_districts_are_brought_into_the_band(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))
    import real_cities

    monkeypatch.setattr(real_cities, "IMAGES", tmp_path)
    found = real_cities.response(shared)
    assert found["in the band"] == found["cells"]
    assert (found["named exceptions"], found["unexplained"]) == (0, 0)
    assert found["households in = out"] == "42,738 = 42,738"
    assert int(str(found["unchanged"])) > 0
    assert (tmp_path / "cambridge-kept.png").stat().st_size > 10_000
