"""Worker processes that do not come back."""

from __future__ import annotations

import os

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
