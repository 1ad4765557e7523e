"""Time the main verbs, to be held against an earlier run of the same machine.

    python -m pytest scripts/bench/regressions --benchmark-autosave
    python -m pytest scripts/bench/regressions --benchmark-compare

The first keeps the timings in ``.benchmarks``, the second sets the new ones beside them. Not part
of the tests: a timing says nothing on another machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import gridmap as gm
from gridmap.maps.payload import payload, web_mercator
from tests.damage import quilt
from tests.lattice import lattice

SIDE = 100
POINTS = 1_000_000
LEVELS = ["district", "street", "community"]


@pytest.fixture(scope="module", params=["tiny", "town"])
def units(request):
    """Return the units of a made-up city."""
    city = gm.example_city(seed=0, size=request.param)
    return gm.subdivide(
        city.jurisdictions, city.buildings, barriers=city.barriers, levels=LEVELS, code="code"
    )


@pytest.fixture(scope="module")
def squares():
    """Return a grid of ten thousand square cells."""
    return lattice(SIDE, SIDE)


@pytest.fixture(scope="module")
def coverage():
    """Return ten thousand cells with winding borders."""
    return quilt(SIDE, SIDE)


def test_prove(benchmark, coverage):
    proof = benchmark(gm.prove, coverage.cells, coverage.boundary)
    assert proof.verdict == "exact"


def test_partition(benchmark, units):
    grid = benchmark.pedantic(gm.partition, (units,), {"seed": 0}, rounds=3, warmup_rounds=1)
    assert grid.proof.verdict == "exact"


def test_assign(benchmark, squares):
    west, south, east, north = squares.boundary.bounds
    chance = np.random.default_rng(0)
    points = pd.DataFrame(
        {"x": chance.uniform(west, east, POINTS), "y": chance.uniform(south, north, POINTS)}
    )
    placed = benchmark.pedantic(gm.assign, (points, squares), rounds=5, warmup_rounds=1)
    assert (placed["code"].notna()).all()


def test_hotspots(benchmark, squares):
    counts = np.random.default_rng(0).poisson(5.0, len(squares))
    table = pd.DataFrame({"incidents": counts}, index=squares.cells.index)
    found = benchmark(gm.hotspots, table, squares)
    assert len(found) == len(squares)


def test_payload(benchmark, coverage):
    mercator = web_mercator(coverage.cells, 4547)
    assert benchmark(payload, mercator)
