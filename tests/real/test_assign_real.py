"""Real incidents on real cells: every record accounted for, in agreement with their labels."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.incidents.stream import count_file
from gridmap.io.batches import ParquetFile

pytestmark = pytest.mark.real

SLIVER = 100.0  # square metres: a hole below is a defect, one above an enclave


@pytest.fixture(scope="module")
def chicago(shared: Path) -> tuple[gm.Grid, pd.DataFrame]:
    """Adopt the precincts after their slivers were repaired; return the log as well."""
    precincts = gpd.read_parquet(shared / "chicago_precincts.parquet")
    whole = [
        shapely.Polygon(
            part.exterior, [r for r in part.interiors if shapely.Polygon(r).area > SLIVER]
        )
        for part in shapely.get_parts(precincts.union_all())
    ]
    mended, log = gm.repair(precincts, shapely.MultiPolygon(whole), code="precinct_id")
    outline = shapely.coverage_union_all(mended.geometry.to_numpy())
    return gm.adopt(mended, outline, code="precinct_id"), log


def test_chicago_assaults_are_all_accounted_for(
    chicago: tuple[gm.Grid, pd.DataFrame], shared: Path
) -> None:
    """Of 148,636 read, 105 lie outside, as the data's own description says."""
    grid, log = chicago
    assert 4 <= log["cell"].nunique() <= 6
    assaults = gpd.read_parquet(shared / "chicago_assaults_2010_2019.parquet")
    placed = gm.assign(assaults, grid)
    counts = placed["status"].value_counts()
    assert len(placed) == 148_636 == counts.sum()
    assert counts["outside"] == 105
    assert counts["invalid"] == 0
    outside = placed["status"] == "outside"
    points = assaults.geometry[outside].to_crs(grid.crs)
    tree = shapely.STRtree(grid.cells.geometry.to_numpy())
    _, distance = tree.query_nearest(points.to_numpy(), return_distance=True, all_matches=False)
    assert placed.loc[outside, "distance_m"].to_numpy() == pytest.approx(distance, abs=1e-6)
    table = gm.tally(placed, grid, by=["location_category", "month"])
    assert table["incidents"].sum() == len(placed) - 105
    assert len(table) == len(grid) * 13 * 120


def test_counting_the_file_gives_the_same(
    chicago: tuple[gm.Grid, pd.DataFrame], shared: Path
) -> None:
    """Streamed from GeoParquet, the counts by precinct are those of the frame."""
    grid, _ = chicago
    path = shared / "chicago_assaults_2010_2019.parquet"
    counts, streamed = count_file(ParquetFile(path), grid)
    placed = gm.assign(gpd.read_parquet(path), grid)
    assert streamed.counts["outside"] == 105
    pd.testing.assert_series_equal(counts["incidents"], gm.tally(placed, grid)["incidents"])


def test_taipei_accidents_on_the_official_atoms(shared: Path, tmp_path: Path) -> None:
    """22,367 read, 17 outside, 334 in another district than their label: roads are borders."""
    atoms = gpd.read_parquet(shared / "taipei_atoms.parquet").to_crs(3826)
    outline = shapely.coverage_union_all(atoms.geometry.to_numpy())
    grid = gm.adopt(atoms, outline, code="atom_id", count="households", levels=["district"])
    gm.write_grid(grid, tmp_path / "atoms.gpkg")
    source = shared / "taipei_accidents_2024.parquet"
    out = tmp_path / "placed.parquet"
    arguments = [
        "assign",
        str(tmp_path / "atoms.gpkg"),
        str(source),
        "-o",
        str(out),
        "--lang",
        "en",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("read 22,367 = inside ")
    assert "+ outside 17 + invalid 0" in result.stdout
    placed = gpd.read_parquet(out)
    accidents = gpd.read_parquet(source)
    assert placed["event_id"].tolist() == accidents["event_id"].tolist()
    own = grid.cells["district"].reindex(placed["code"]).to_numpy()
    inside = placed["code"].notna().to_numpy()
    assert int((own[inside] != placed["district"].to_numpy()[inside]).sum()) == 334
    codes = gm.assign(accidents, grid)["code"]
    assert codes.astype(object).fillna("").tolist() == placed["code"].fillna("").tolist()


def test_accidents_moved_onto_borders_are_placed_once(shared: Path) -> None:
    """Snapped to the nearest vertex, each belongs to exactly one of the cells it touches."""
    atoms = gpd.read_parquet(shared / "taipei_atoms.parquet").to_crs(3826)
    outline = shapely.coverage_union_all(atoms.geometry.to_numpy())
    grid = gm.adopt(atoms, outline, code="atom_id", count="households")
    vertices = np.unique(shapely.get_coordinates(atoms.geometry.to_numpy()), axis=0)
    points = gpd.GeoSeries(shapely.points(vertices[::7]), crs=3826)
    placed = gm.assign(points, grid)
    assert placed["status"].isin(["boundary", "rim"]).all()
    order = np.random.default_rng(0).permutation(len(atoms))
    shuffled = gm.adopt(atoms.iloc[order], outline, code="atom_id", count="households")
    again = gm.assign(points, shuffled)
    assert placed["code"].astype(str).tolist() == again["code"].astype(str).tolist()
    touching = shapely.STRtree(grid.cells.geometry.to_numpy())
    point, cell = touching.query(points.to_numpy(), predicate="intersects")
    pairs = set(zip(point.tolist(), grid.cells.index[cell].tolist(), strict=True))
    assert all((k, code) in pairs for k, code in enumerate(placed["code"]))
