"""Parquet and Feather as Arrow tables, and which of their columns holds geometries."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import shapely

from gridmap.io.source import (
    BROKEN_PARQUET,
    Source,
    unreadable,
)

_SAMPLE = 20  # values by which bytes are known as shapes


def is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def wkb_column(schema: pa.Schema, first: Any) -> str | None:
    """Return the column of bytes that are shapes, though no metadata say so.

    Parameters
    ----------
    schema : Schema
    first : callable
        Returns the first values of a column by its name.
    """
    for column in schema:
        if not is_binary(column.type):
            continue
        values = [value for value in first(column.name).to_pylist() if value is not None]
        shapes = shapely.from_wkb(values, on_invalid="ignore") if values else np.array([])
        if len(shapes) and not shapely.is_missing(shapes).any():
            return str(column.name)
    return None


def arrow_table(source: Source) -> pa.Table:
    """Read Parquet or Feather whole, as Arrow.

    Raises
    ------
    InputError
        When it is damaged.
    """
    place = source.path if source.member is None else io.BytesIO(source.read_bytes())
    try:
        if source.kind == "parquet":
            return pq.read_table(place)
        if source.suffix == ".arrows":
            with pa.OSFile(str(source.path)) as file, pa.ipc.open_stream(file) as stream:
                return stream.read_all()
        return pyarrow.feather.read_table(place, memory_map=False)
    except BROKEN_PARQUET as error:
        raise unreadable(source.name, error) from error


def has_shapes(source: Source) -> bool:
    """Tell whether Parquet or Feather holds geometries, declared or not."""
    if source.kind == "arrow":
        return shape_column(arrow_table(source)) is not None
    place = source.path if source.member is None else io.BytesIO(source.read_bytes())
    try:
        with pq.ParquetFile(place) as file:
            schema = file.schema_arrow
            if b"geo" in (schema.metadata or {}):
                return True
            return wkb_column(schema, lambda name: _head(file, name)) is not None
    except BROKEN_PARQUET as error:
        raise unreadable(source.name, error) from error


def shape_column(table: pa.Table) -> str | None:
    """Return the column of geometries of a table: as the metadata say, or known by its bytes."""
    geo = (table.schema.metadata or {}).get(b"geo")
    if geo is not None:
        return str(json.loads(geo)["primary_column"])
    return wkb_column(table.schema, lambda name: table.column(name).slice(0, _SAMPLE))


def _head(file: pq.ParquetFile, name: str) -> Any:
    batch = next(file.iter_batches(_SAMPLE, columns=[name]), None)
    return pa.array([]) if batch is None else batch.column(0)
