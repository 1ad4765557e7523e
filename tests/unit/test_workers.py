"""Worker processes that do not come back."""

from __future__ import annotations

import importlib
import os

import geopandas as gpd
import numpy as np
import pytest
import shapely

import gridmap as gm


def test_a_killed_worker_is_told_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system kills the largest process when memory runs out."""
    left = np.arange(8) * 100.0
    units = gpd.GeoDataFrame(
        {"parent": np.repeat(["101", "102"], 4), "households": 200},
        geometry=shapely.box(left, 0, left + 100, 100),
        crs=4547,
    )
    workers = importlib.import_module("gridmap.partitioning.parallel")
    monkeypatch.setattr(workers, "_start_worker", lambda: os._exit(9))
    with pytest.raises(gm.PartitionError, match=r"worker process was killed.*--workers 1"):
        gm.partition(units, workers=2)
