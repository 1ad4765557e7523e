"""Worker processes that do not come back."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

import gridmap as gm
from gridmap.partitioning import parallel


def test_a_killed_worker_is_told_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system kills the largest process when memory runs out."""
    left = np.arange(8) * 100.0
    units = gpd.GeoDataFrame(
        {"parent": np.repeat(["101", "102"], 4), "households": 200},
        geometry=shapely.box(left, 0, left + 100, 100),
        crs=4547,
    )
    monkeypatch.setattr(parallel, "_start_worker", lambda: os._exit(9))
    with pytest.raises(gm.PartitionError, match=r"worker process was killed.*workers=1"):
        gm.partition(units, workers=2)


def test_processes_start_by_themselves_only_where_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [parallel.Job(range(10))]  # type: ignore[arg-type]
    many = [parallel.Job(range(parallel.ENOUGH))]  # type: ignore[arg-type]
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert parallel._worthwhile(few) == 1
    assert parallel._worthwhile(many) == 3
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    assert parallel._worthwhile(many) == 1


COMPILED = """
from numba.core import event
from gridmap.partitioning.parallel import warm
with event.install_recorder("numba:compile") as seen:
    warm(lambda stage, done, total: print(stage, done, total))
print(len(seen.buffer), "compiled here")
"""


def _warmed(cache: Path) -> list[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run(
        [sys.executable, "-c", COMPILED],
        env=environment,
        check=True,
        text=True,
        capture_output=True,
    ).stdout.splitlines()


def test_a_second_process_compiles_no_kernel(tmp_path: Path) -> None:
    assert _warmed(tmp_path)[:2] == ["compile 0 1", "compile 1 1"]
    assert _warmed(tmp_path) == ["0 compiled here"]


def test_kernels_compile_where_others_could_write_to_those_on_disk(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert _warmed(tmp_path)[:2] == ["compile 0 1", "compile 1 1"]
    assert not list(tmp_path.rglob("*.nb?"))


@pytest.mark.parametrize("end", [lambda: os._exit(9), lambda: time.sleep(600)])
def test_a_compiling_process_that_dies_or_hangs_is_not_waited_for(end, monkeypatch) -> None:
    monkeypatch.setattr(parallel, "PATIENCE", 0.1)
    met = []
    with parallel._meanwhile(end):
        met.append("here")
    assert met == ["here"]
    assert not multiprocessing.active_children()


def _compile_as_a_worker() -> None:
    with parallel._meanwhile(time.sleep):
        os._exit(7)


def test_a_process_that_may_have_no_children_compiles_alone() -> None:
    fork = multiprocessing.get_context("fork")
    worker = fork.Process(target=_compile_as_a_worker, daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 7
