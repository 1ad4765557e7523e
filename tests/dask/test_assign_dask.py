"""Assignment on a Dask cluster of two processes: complete and identical, whoever dies."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner
from pyarrow import parquet as pq

import gridmap as gm
from gridmap.cli import main
from tests.coverages import frame, mosaic, moved

pytestmark = [
    pytest.mark.dask,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PARTS = 12


@pytest.fixture(scope="module")
def mosaic_grid() -> gm.Grid:
    """Return a grid of random cells."""
    table = frame(moved(mosaic(4), 50.0, 500_000.0, 3_400_000.0))
    return gm.adopt(table, table.union_all("coverage"), code="code")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder of Parquet with points inside, on the lattice, outside and invalid."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("incidents")
    for part in range(PARTS):
        lattice = rng.integers(-2, 62, (2, 4000)) * 50.0
        table = pd.DataFrame(
            {
                "incident_id": [f"{part}-{k}" for k in range(4000)],
                "x": 500_000 + lattice[0],
                "y": 3_400_000 + lattice[1],
                "status": "结案",
            }
        )
        table.loc[::500, "x"] = np.nan
        table.to_parquet(path / f"part{part:02d}.parquet", index=False)
    return path


def _expected(folder: Path, grid: gm.Grid) -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]
    return gm.assign(pd.concat(parts, ignore_index=True), grid)


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose texts are plain objects, as engines differ in their types of text."""
    table = table.reset_index(drop=True)
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name].dtype)]
    plain = {name: table[name].astype(object) for name in texts}
    return table.assign(**{name: v.where(v.notna(), None) for name, v in plain.items()})


def test_a_dask_frame_comes_back_as_one(cluster: Any, folder: Path, mosaic_grid: gm.Grid) -> None:
    """Lazy, on the same partitions, with the same answers."""
    import dask.dataframe as dd

    frame = dd.read_parquet(folder, split_row_groups=False, aggregate_files=False)
    placed = gm.assign(frame, mosaic_grid)
    assert placed.npartitions == frame.npartitions == PARTS
    assert list(placed.columns)[:4] == ["code", "status", "nearest_code", "distance_m"]
    found = _as_text(placed.compute())
    pd.testing.assert_frame_equal(found, _as_text(_expected(folder, mosaic_grid)))


def test_one_worker_is_killed_in_the_middle(
    cluster: Any, folder: Path, mosaic_grid: gm.Grid, tmp_path: Path
) -> None:
    """The result is complete and identical, no row twice."""
    import dask.dataframe as dd

    victim = min(info["pid"] for info in cluster.run(_identity).values())
    marker = tmp_path / "killed"
    frame = dd.read_parquet(folder, split_row_groups=False, aggregate_files=False)
    slow = frame.map_partitions(_kill_once, victim, str(marker), meta=frame._meta)
    found = gm.assign(slow, mosaic_grid).compute()
    assert marker.exists()
    alive = {info["pid"] for info in cluster.run(_identity).values()}
    assert victim not in alive
    assert found["incident_id"].is_unique
    pd.testing.assert_frame_equal(_as_text(found), _as_text(_expected(folder, mosaic_grid)))


def test_the_command_writes_a_folder(
    cluster: Any, folder: Path, mosaic_grid: gm.Grid, tmp_path: Path
) -> None:
    """The accounts are those of the plain run; the folder appears when it is complete."""
    gm.write_grid(mosaic_grid, tmp_path / "grid.gpkg")
    address = cluster.scheduler.address
    arguments = ["assign", str(tmp_path / "grid.gpkg"), str(folder), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--dask", address, "--lang", "en"])
    assert result.exit_code == 0, result.output
    expected = _expected(folder, mosaic_grid)
    counts = expected["status"].value_counts()
    assert result.stdout.startswith(f"read {len(expected):,} = inside {counts['inside']:,} ")
    assert result.stdout.strip().endswith(f"invalid {counts['invalid']:,}")
    parts = sorted((tmp_path / "out").glob("*.parquet"))
    found = pd.concat([pd.read_parquet(path) for path in parts], ignore_index=True)
    pd.testing.assert_frame_equal(
        _as_text(found)[["incident_id", "code", "status"]],
        _as_text(expected)[["incident_id", "code", "status"]],
    )
    again = CliRunner().invoke(main, [*arguments, "--dask", address])
    assert again.exit_code == 2
    assert not list(tmp_path.glob(".gridmap-*"))


def test_a_cluster_writes_what_a_plain_run_writes(
    cluster: Any, mosaic_grid: gm.Grid, tmp_path: Path
) -> None:
    """Same columns in the same order, same types, same values, whatever the way."""
    rng = np.random.default_rng(1)
    many = pd.array(rng.integers(0, 9, 3000), dtype="Int64")
    many[::7] = pd.NA
    table = pa.table(
        {
            "code": [f"own {k}" for k in range(3000)],
            "number": pa.array(many),
            "money": pa.array([Decimal(k).scaleb(-2) for k in range(3000)], pa.decimal128(9, 2)),
            "when": pa.array(range(3000), pa.timestamp("us")),
            "kind": pa.array(["a", "b", None] * 1000).dictionary_encode(),
            "x": (500_000 + rng.uniform(-300, 3300, 3000)).astype(str),
            "y": 3_400_000 + rng.uniform(-300, 3300, 3000),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=1000)
    gm.write_grid(mosaic_grid, tmp_path / "grid.gpkg")
    command = ["assign", str(tmp_path / "grid.gpkg"), str(tmp_path / "in.parquet"), "-o"]
    plain = CliRunner().invoke(main, [*command, str(tmp_path / "out.parquet")])
    spread = CliRunner().invoke(
        main, [*command, str(tmp_path / "out"), "--dask", cluster.scheduler.address]
    )
    assert plain.exit_code == spread.exit_code == 0, spread.output
    assert plain.stdout == spread.stdout
    one, other = pq.read_table(tmp_path / "out.parquet"), pq.read_table(tmp_path / "out")
    assert one.schema.equals(other.schema)
    assert one.equals(other)


def test_what_a_cluster_cannot_do_is_said(tmp_path: Path, mosaic_grid: gm.Grid) -> None:
    """No scheduler, no Parquet: one line."""
    gm.write_grid(mosaic_grid, tmp_path / "grid.gpkg")
    (tmp_path / "in.csv").write_text("x,y\n1,1\n")
    pd.DataFrame({"x": [1.0], "y": [1.0]}).to_parquet(tmp_path / "in.parquet")
    dask = ["-o", str(tmp_path / "out"), "--dask=tcp://127.0.0.1:1", "--datum=EPSG:4547"]
    for name, why in (("in.csv", "reads Parquet only"), ("in.parquet", "No Dask scheduler")):
        command = ["assign", str(tmp_path / "grid.gpkg"), str(tmp_path / name), *dask]
        done = CliRunner().invoke(main, ["--lang", "en", *command])
        assert done.exit_code == 2
        assert why in done.stderr
    assert not (tmp_path / "out").exists()


def test_points_and_pairs_go_to_a_cluster_too(
    cluster: Any, mosaic_grid: gm.Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points as geometry, in pieces; invalid ones are told by the number of their row."""
    monkeypatch.setattr("gridmap.io.batches.PIECE", 100)
    rng = np.random.default_rng(3)
    x, y = 500_000 + 3300 * rng.random(500), 3_400_000 + 3300 * rng.random(500)
    x[[7, 333]] = np.nan
    points = gpd.GeoDataFrame({"k": range(500)}, geometry=gpd.GeoSeries.from_xy(x, y, crs=4547))
    points.to_parquet(tmp_path / "in.parquet", row_group_size=100)
    gm.write_grid(mosaic_grid, tmp_path / "grid.gpkg")
    command = ["--lang", "en", "assign", str(tmp_path / "grid.gpkg"), str(tmp_path / "in.parquet")]
    plain = CliRunner().invoke(main, [*command, "-o", str(tmp_path / "out.parquet")])
    out = ["-o", str(tmp_path / "out"), "--dask", cluster.scheduler.address]
    spread = CliRunner().invoke(main, [*command, *out])
    assert plain.exit_code == spread.exit_code == 0, spread.output
    assert (plain.stdout, plain.stderr) == (spread.stdout, spread.stderr)
    assert "8, 334" in plain.stderr
    assert len(list((tmp_path / "out").iterdir())) == 5
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(tmp_path / "out"))


@pytest.mark.peers("dask_geopandas")
def test_a_dask_geopandas_frame_is_taken(cluster: Any, mosaic_grid: gm.Grid) -> None:
    """Points instead of columns."""
    import dask_geopandas

    rng = np.random.default_rng(3)
    x, y = 500_000 + 3000 * rng.random(500), 3_400_000 + 3000 * rng.random(500)
    points = gpd.GeoDataFrame({"k": range(500)}, geometry=shapely.points(x, y), crs=4547)
    placed = gm.assign(dask_geopandas.from_geopandas(points, npartitions=3), mosaic_grid)
    pd.testing.assert_frame_equal(
        _as_text(placed.compute()), _as_text(gm.assign(points, mosaic_grid))
    )


def _identity() -> dict[str, int]:
    return {"pid": os.getpid()}


def _kill_once(part: pd.DataFrame, victim: int, marker: str) -> pd.DataFrame:
    """Let the victim die at its first partition, once."""
    if os.getpid() == victim and not Path(marker).exists():
        Path(marker).write_text("")
        os.kill(victim, signal.SIGKILL)
    return part
