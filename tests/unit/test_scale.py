"""Arrow functions for other engines give the same cells."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import gridmap as gm
from gridmap.grid.locator import Locator
from gridmap.incidents.dask import locate_arrow, register_duckdb, register_sedonadb
from tests.coverages import awkward_points, frame, mosaic, moved


@pytest.fixture(scope="module")
def mosaic_grid() -> gm.Grid:
    """Return a grid of random cells."""
    table = frame(moved(mosaic(4), 50.0, 500_000.0, 3_400_000.0))
    return gm.adopt(table, table.union_all("coverage"), code="code")


@pytest.fixture(scope="module")
def points(mosaic_grid: gm.Grid) -> pd.DataFrame:
    """Return awkward points with what `assign` makes of them."""
    x, y = awkward_points(mosaic_grid.cells.geometry.to_numpy(), 1, 5000)
    x[0] = np.nan
    return gm.assign(pd.DataFrame({"x": x, "y": y}), mosaic_grid)


def _codes(values: list[str | None]) -> list[str]:
    return ["" if value is None else value for value in values]


def test_the_arrow_function_is_pure_and_travels(mosaic_grid: gm.Grid, points: pd.DataFrame) -> None:
    """Pickled and back, it still answers the same; nulls are outside."""
    function = pickle.loads(pickle.dumps(locate_arrow(mosaic_grid)))
    cell = function(pa.array(points["x"]), pa.chunked_array([points["y"]]))
    assert cell.type == pa.int32()
    wanted = mosaic_grid.cells.index.get_indexer(points["code"]) + 1
    assert np.array_equal(cell.to_numpy(), wanted)
    assert function(pa.array([None], pa.float64()), pa.array([1])).to_pylist() == [0]


def test_a_locator_travels(mosaic_grid: gm.Grid, points: pd.DataFrame) -> None:
    """Pickled it keeps index, codes and CRS, and measures the same."""
    here = mosaic_grid.locator
    there = pickle.loads(pickle.dumps(here))
    assert isinstance(there, Locator)
    x, y = points["x"].to_numpy(), points["y"].to_numpy()
    for mine, its in zip(here.place(x, y, 500.0), there.place(x, y, 500.0), strict=True):
        assert np.array_equal(mine, its, equal_nan=mine.dtype == float)


@pytest.mark.peers("duckdb")
def test_duckdb_agrees(mosaic_grid: gm.Grid, points: pd.DataFrame) -> None:
    """As a function in SQL."""
    import duckdb

    with duckdb.connect() as connection:
        register_duckdb(connection, mosaic_grid)
        connection.register("p", pa.table({"x": points["x"], "y": points["y"]}))
        found = connection.sql("select grid_cell(x, y) as code from p").fetchall()
    assert _codes([row[0] for row in found]) == points["code"].astype(object).fillna("").tolist()


@pytest.mark.peers("sedonadb")
def test_sedonadb_agrees(mosaic_grid: gm.Grid, points: pd.DataFrame) -> None:
    """As a function in SQL."""
    import sedonadb

    connection = sedonadb.connect()
    register_sedonadb(connection, mosaic_grid)
    connection.create_data_frame(pa.table({"x": points["x"], "y": points["y"]})).to_view("p")
    found = pa.table(connection.sql("select grid_cell(x, y) as code from p"))
    codes = found.column("code").to_pylist()
    assert _codes(codes) == points["code"].astype(object).fillna("").tolist()
