"""What a Dask cluster shares out besides the cutting: the same bytes, whoever dies."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.hotspot_analysis.clusters import clusters
from gridmap.incidents.stream import count_districts
from gridmap.io import batches
from gridmap.io.address import on_cluster
from gridmap.io.gridfile import read_districts
from gridmap.zoning import robustness
from tests.unit.test_districts import countryside, dataset, nested, town

__all__ = ["countryside", "dataset", "nested", "town"]

pytestmark = [
    pytest.mark.dask,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def incidents(town: Path, nested: Path) -> Path:
    """Write three files of several row groups: points inside, beside, on corners, and nowhere."""
    grid = gm.read_grid(nested)
    rng = np.random.default_rng(0)
    west, south, east, north = grid.boundary.bounds
    folder = town / "points"
    folder.mkdir()
    for part in range(3):
        xy = rng.uniform((west - 50, south - 50), (east + 50, north + 50), (900, 2))
        xy[::300] = np.nan
        xy[7] = grid.cells.geometry.iloc[part].exterior.coords[0]
        table = pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1]})
        table.to_parquet(folder / f"{part}.parquet", row_group_size=250, index=False)
    return folder


def shared(client: Any, victim: bool = False) -> Callable[..., Iterable[Any]]:
    """Return what calls on the cluster, and kills a worker when the first answer is there."""
    left = [victim]

    def each(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> Iterator[Any]:
        for answer in on_cluster(function, calls, client):
            if left.pop() if left else False:
                os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
            yield answer

    return each


def said(*arguments: object) -> tuple[int, str]:
    """Run a command in English."""
    done = CliRunner().invoke(main, ["--lang", "en", *map(str, arguments)])
    return done.exit_code, done.stdout


def test_a_dataset_is_proved_on_a_cluster_as_here(
    cluster: Any, nested: Path, tmp_path: Path
) -> None:
    address = ("--dask", cluster.scheduler.address)
    assert said("validate", nested, *address) == said("validate", nested)
    assert said("validate", nested, *address)[0] == 0
    shutil.copytree(nested, tmp_path / "grid")
    first, other = list(read_districts(tmp_path / "grid")[1].values())[:2]
    shutil.rmtree(first)
    shutil.copytree(other, first)
    found = said("validate", tmp_path / "grid", *address, "--json")
    assert found[0] == 1
    assert found == said("validate", tmp_path / "grid", "--json")


def test_incidents_are_counted_on_a_cluster_as_here(
    cluster: Any, nested: Path, incidents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table to the last byte, and the accounts; also of micro-cells."""
    monkeypatch.setattr(batches, "PIECE", 500)
    assert len(batches.ParquetFile(incidents).pieces()) == 6
    for grid in (nested, nested / "micro"):
        command = ("assign", grid, incidents, "--counts", "--datum", "EPSG:4547", "-o")
        here = said(*command, tmp_path / "a.csv", "--overwrite")
        there = said(
            *command, tmp_path / "b.csv", "--overwrite", "--dask", cluster.scheduler.address
        )
        assert here == there
        assert here[0] == 0
        assert "read 2,700" in here[1]
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
        counted = pd.read_csv(tmp_path / "a.csv")["incidents"]
        assert counted.gt(0).sum() > len(counted) / 2


def test_a_killed_worker_changes_no_count(
    cluster: Any, nested: Path, incidents: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PIECE", 250)
    source, where = batches.ParquetFile(incidents), {"x": "x", "y": "y", "datum": "EPSG:4547"}
    before = set(cluster.run(os.getpid).values())
    table, accounts = count_districts(source, nested, each=shared(cluster, True), **where)
    expected, known = count_districts(source, nested, **where)
    pd.testing.assert_frame_equal(table, expected)
    assert accounts == known
    cluster.wait_for_workers(2)
    assert before != set(cluster.run(os.getpid).values())


def test_clusters_and_ways_are_the_same_from_a_cluster(cluster: Any, town: Path) -> None:
    """Also where a worker dies between two tasks."""
    city = gm.example_city(seed=0, size="tiny")
    units = gm.subdivide(city.jurisdictions, city.buildings, barriers=city.barriers)
    grid = gm.partition(units, seed=0, quality="fast")
    table = gm.tally(gm.assign(city.incidents, grid), grid, by=["month"])
    options: dict[str, Any] = {"replicates": 99, "side": "both", "when": "any"}
    here = clusters(table, grid, **options)
    there = clusters(table, grid, each=shared(cluster, True), **options)
    assert len(here)
    pd.testing.assert_frame_equal(here, there)
    assert here.attrs == there.attrs
    cluster.wait_for_workers(2)
    ways = robustness(city.incidents, units, grids=5)
    again = robustness(city.incidents, units, grids=5, each=shared(cluster))
    pd.testing.assert_frame_equal(pd.DataFrame(ways), pd.DataFrame(again))
    assert ways.attrs == again.attrs


def test_what_is_not_shared_out_is_refused(nested: Path, incidents: Path, tmp_path: Path) -> None:
    city = gm.example_city(seed=0, size="tiny")
    city.jurisdictions.to_file(tmp_path / "areas.gpkg")
    grid = gm.adopt(city.jurisdictions, city.jurisdictions.union_all("coverage"), code="code")
    gm.write_grid(grid, tmp_path / "grid.gpkg")
    dask, out = ("--dask", "tcp://127.0.0.1:1"), ("-o", tmp_path / "out.csv")
    for command, why in (
        (("validate", tmp_path / "grid.gpkg"), "goes with a dataset by district"),
        (("assign", tmp_path / "grid.gpkg", incidents, "--counts", *out), "a dataset by district"),
        (("hotspots", tmp_path / "grid.gpkg", incidents, *out), "goes with --robustness"),
        (("validate", nested), "No Dask scheduler answers"),
    ):
        done = CliRunner().invoke(main, ["--lang", "en", *map(str, (*command, *dask))])
        assert done.exit_code == 2
        assert why in done.stderr
