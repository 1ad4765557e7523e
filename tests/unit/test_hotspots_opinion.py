from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gridmap import hotspots
from gridmap.hotspot_analysis.getis_ord import overall
from gridmap.hotspot_analysis.local_moran import local_moran, second_opinion
from gridmap.hotspot_analysis.weights import matrix_of
from tests.lattice import lattice, table_of


def test_the_inside_of_a_hotspot_and_a_lonely_cell_are_told_apart() -> None:
    grid = lattice(12, 12)
    counts = pd.Series(np.random.default_rng(0).poisson(10, 144), index=grid.cells.index)
    inside = [f"r{r:02}c{c:02}" for r in range(3, 7) for c in range(3, 7)]
    counts[inside] = 30
    counts["r05c05"] = 3  # a quiet cell in the middle of it
    found = second_opinion(table_of(grid, counts), grid)
    assert found.loc["r05c05", "quadrant"] == "low-high"
    assert found.loc["r04c04", "quadrant"] == "high-high"
    assert set(found.index[found["quadrant"] == "high-high"]) <= set(inside)
    assert found.notna().all(axis=None)
    method = json.loads(json.dumps(found.attrs["method"], allow_nan=False))
    assert method["found"]["low-high"] >= 1 and "局部 Moran" in method["sentence"]["zh"]


def test_gates_are_those_of_hotspots() -> None:
    grid = lattice(6, 6, [0, 1] + [400] * 34)
    rng = np.random.default_rng(0)
    for level in (0, 1, 20):
        table = table_of(grid, rng.poisson(level, 36) if level else np.zeros(36))
        own, first = second_opinion(table, grid), hotspots(table, grid)
        assert own["gate"].astype(str).tolist() == first["gate"].astype(str).tolist()
    nowhere = lattice(2, 2, 0)
    assert (second_opinion(table_of(nowhere, [1] * 4), nowhere)["gate"] == "no base").all()
    alone = lattice(1, 1)
    assert second_opinion(table_of(alone, [70]), alone)["quadrant"].tolist() == [""]


def test_skew_of_the_neighbours_matches_a_simulation() -> None:
    rng = np.random.default_rng(0)
    grid = lattice(5, 5)
    values = rng.poisson(0.4, 25).astype(float)
    own = local_moran(values, matrix_of(grid.contiguity, grid.cells.index))
    others = np.delete(values, 12)
    sums = np.array([rng.permutation(others)[:4].sum() for _ in range(40_000)])
    z = (sums - sums.mean()) / sums.std()
    side = np.sign(values[12] - values.mean())
    assert own.skew[12] == pytest.approx(side * (z**3).mean(), abs=0.05)


def test_global_statistics_have_answers_for_odd_maps() -> None:
    grid = lattice(3, 3)
    matrix = matrix_of(grid.contiguity, grid.cells.index)
    for values in (np.zeros(9), np.full(9, 7.0)):
        assert overall(values, matrix).moran_z == 0
    few = hotspots(table_of(grid, np.arange(9) * 9), grid).attrs["method"]
    assert few["moran"] == pytest.approx(overall(np.arange(9.0), matrix).moran, abs=0.2)
    months = pd.period_range("2026-01", periods=2, freq="M")
    assert (
        hotspots(table_of(grid, np.ones(18), month=months), grid).attrs["method"]["moran"] is None
    )
