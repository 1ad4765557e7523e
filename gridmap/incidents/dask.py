"""Assignment on other engines: a Dask cluster, and Arrow functions for DuckDB and SedonaDB."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from gridmap._arrays import Floats
from gridmap.grid.locator import Locator
from gridmap.incidents.assign import Accounts
from gridmap.incidents.stream import Where, accounts_of, pieces_of, place_piece
from gridmap.io.address import GLANCE, cluster, on_cluster
from gridmap.io.batches import FileOfPoints
from gridmap.io.gridfile import read_grid
from gridmap.language import Message

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


def assign_on_cluster(
    source: FileOfPoints,
    target: Path,
    grid: str,
    address: str,
    *,
    where: Where,
    max_distance: float | None = None,
    overwrite: bool = False,
    timeout: float = 10.0,
) -> Accounts:
    """Assign Parquet on a Dask cluster, into a folder of Parquet that appears when complete.

    Columns, their types and values are those that `assign_file` writes.

    Parameters
    ----------
    source : ParquetFile
        A file or folder that every worker can read.
    target : path
        The folder to make; the workers must be able to write beside it.
    grid : str
        As of `read_grid`; every worker reads it.
    address : str
        Of the scheduler, as ``tcp://10.0.0.1:8786``.
    where, max_distance
        As of `assign_file`.
    overwrite : bool
        Whether an existing folder may be replaced.
    timeout : float
        Seconds to wait for the scheduler, and for workers where none is left.

    Returns
    -------
    Accounts

    Raises
    ------
    InputError
        When Dask is missing, the cluster does not answer, or the source is no Parquet.
    """
    pieces = pieces_of(source)
    fresh = target.absolute().with_name(f".gridmap-{target.name}")
    lost = Message(
        "Nothing was written; see that every worker can read the incidents and write beside the "
        "output."
    )
    with cluster(address, lost, timeout=timeout) as client:
        _remove(fresh)
        fresh.mkdir()
        calls = [
            (number, piece, fresh / f"part-{number:06d}.parquet", grid, where, max_distance)
            for number, piece in enumerate(pieces)
        ]
        try:
            seen = list(on_cluster(place_piece, calls, client, timeout))
            _check_whole(fresh, len(pieces), source.rows)
            if target.is_dir() and overwrite:
                shutil.rmtree(target)
            elif overwrite:
                target.unlink(missing_ok=True)
            fresh.rename(target)
        finally:
            _remove(fresh)
    return accounts_of(source, read_grid(grid, whole=False), where, seen)


def _check_whole(folder: Path, parts: int, rows: int) -> None:
    """Raise an OSError where not every part and row is seen from here."""
    for left in folder.glob(".gridmap-*"):  # of workers that died
        shutil.rmtree(left)
    there = sorted(folder.glob("part-*.parquet"))
    count = sum(parquet.read_metadata(path).num_rows for path in there)
    if (len(there), count) != (parts, rows):
        raise OSError(f"{count:,} of {rows:,} rows came back")


def _remove(folder: Path) -> None:
    """Remove a folder into which a worker may still be writing."""
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(GLANCE)


_TRIES = 25


def locate_arrow(
    where: Locator | Grid,
) -> Callable[[pa.Array, pa.Array], pa.Array]:
    """Return a picklable function from Arrow coordinates to cell numbers.

    Cell k is the k-th cell of the grid, 0 is outside: the form that DuckDB takes as a native
    Arrow function and SedonaDB as a scalar one. Null coordinates are outside.

    Parameters
    ----------
    where : Grid or Locator
        The cells.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> import gridmap as gm
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> cell_of = locate_arrow(gm.adopt(cells, cells.union_all("coverage"), code="id"))
    >>> cell_of(pa.array([1.0, 7.0, None]), pa.array([1.0, 1.0, 1.0])).to_pylist()
    [1, 2, 0]
    """
    found = where if isinstance(where, Locator) else where.locator
    return partial(_locate_arrow, found.index)


def register_duckdb(connection: Any, grid: Grid, name: str = "grid_cell") -> None:
    """Make ``grid_cell(x, y)`` known to a DuckDB connection: the code of the cell, or NULL.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where to.
    grid : Grid
        The cells.
    name : str
        What to call the function in SQL.
    """
    from duckdb import sqltypes

    found = grid.locator
    connection.create_function(
        name,
        partial(_code_arrow, found.index, pa.array(found.codes, type=pa.string())),
        [sqltypes.DOUBLE, sqltypes.DOUBLE],
        sqltypes.VARCHAR,
        type="arrow",
        null_handling="special",
    )


def register_sedonadb(connection: Any, grid: Grid, name: str = "grid_cell") -> None:
    """Make ``grid_cell(x, y)`` known to a SedonaDB connection: the code of the cell, or NULL.

    Parameters
    ----------
    connection : SedonaContext
        Where to.
    grid : Grid
        The cells.
    name : str
        What to call the function in SQL.
    """
    from sedonadb import udf

    found = grid.locator
    codes = pa.array(found.codes, type=pa.string())

    def cell_code(x: Any, y: Any) -> pa.Array:
        return _code_arrow(found.index, codes, pa.array(x.to_array()), pa.array(y.to_array()))

    function = udf.arrow_udf(pa.string(), [udf.NUMERIC, udf.NUMERIC], name=name)(cell_code)
    connection.register(function)


def _locate_arrow(index: Any, x: pa.Array, y: pa.Array) -> pa.Array:
    return pa.array(index.locate(_floats(x), _floats(y)))


def _code_arrow(index: Any, codes: pa.Array, x: pa.Array, y: pa.Array) -> pa.Array:
    cell = index.locate(_floats(x), _floats(y))
    return codes.take(pa.array(cell - 1, mask=cell == 0))


def _floats(values: Any) -> Floats:
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    filled = values.cast(pa.float64()).fill_null(np.nan)
    return np.asarray(filled.to_numpy(zero_copy_only=False))
