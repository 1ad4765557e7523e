"""Where streamed incidents go: text, Parquet, GeoPackage or a workbook, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import shapely
from pyarrow import csv as pacsv
from pyarrow import parquet

from gridmap.errors import InputError
from gridmap.io.batches import geometry_of
from gridmap.io.columns import NUMERIC, aliases, meaning
from gridmap.io.excel_write import Sheet, write_workbook
from gridmap.io.point_text import coordinates_of
from gridmap.io.text import warn_formulas

Batches = Iterator[pa.RecordBatch]
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")
_OWN_NUMBERS = ("distance_m", "距离（米）", "point_x", "point_y")


def write_text(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write CSV with a byte-order mark; points as their coordinates."""
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        file.write(_csv(_flat(_empty(schema), schema), True))
        for batch in batches:
            flat = _flat(batch, schema)
            warn_formulas(flat)
            file.write(_csv(flat, False))


def write_parquet(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write Parquet, as GeoParquet where there are points."""
    import json

    geometry = geometry_of(schema)
    metadata = None
    if geometry is not None:
        column = {"encoding": "WKB", "geometry_types": ["Point"]}
        if crs is not None:
            column["crs"] = json.loads(crs.to_json())
        geo = {"version": "1.0.0", "primary_column": geometry, "columns": {geometry: column}}
        metadata = {"geo": json.dumps(geo)}
    schema = schema.with_metadata(metadata)
    with parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(metadata))


def write_geopackage(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write a GeoPackage with the one layer ``incidents``."""
    geometry = geometry_of(schema)
    failure: list[BaseException] = []

    def guarded() -> Batches:
        try:
            for batch in batches:
                yield batch.replace_schema_metadata(None)
        except BaseException as error:  # GDAL swallows it; it is raised again below
            failure.append(error)
            raise

    reader = pa.RecordBatchReader.from_batches(schema.remove_metadata(), guarded())
    try:
        pyogrio.write_arrow(
            reader,
            path,
            layer="incidents",
            driver="GPKG",
            geometry_name=geometry,
            geometry_type="Point" if geometry else None,
            crs=None if crs is None else crs.to_wkt(),
            layer_options={"FID": _free("fid", schema)},
        )
    except (pyogrio.errors.DataSourceError, RuntimeError) as error:
        if failure:
            raise failure[0] from None
        raise InputError(
            "`{path}` could not be written ({error}). Free some space, or write .parquet.",
            path=path.name,
            error=error,
        ) from error
    if failure:
        raise failure[0]


def write_sheet(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write a workbook; text becomes a number in columns that are understood as numbers only."""
    names = _flat(_empty(schema), schema).schema.names
    known = aliases("incident")
    numeric = [meaning(name, known) in NUMERIC or name in _OWN_NUMBERS for name in names]

    def rows() -> Iterator[list[object]]:
        for batch in batches:
            columns = [column.to_pylist() for column in _flat(batch, schema).columns]
            for row in zip(*columns, strict=True):
                yield [_number(v) if n else v for v, n in zip(row, numeric, strict=True)]

    write_workbook({"incidents": Sheet(names, rows())}, path)


Writer = Callable[[Batches, pa.Schema, Path, Any], None]
WRITERS: dict[str, Writer] = {
    ".csv": write_text,
    ".parquet": write_parquet,
    ".gpkg": write_geopackage,
    ".xlsx": write_sheet,
}


def _flat(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the columns as text and numbers, with coordinates in place of points."""
    geometry = geometry_of(schema)
    columns = {n: _as_text(batch.column(n)) for n in schema.names if n != geometry}
    if geometry is not None:
        points = shapely.from_wkb(batch.column(geometry).to_numpy(zero_copy_only=False))
        xy = coordinates_of(points, geometry)
        for axis, values in zip("xy", xy, strict=True):
            while axis in columns:
                axis = f"point_{axis}"
            columns[axis] = pa.array(values, from_pandas=True)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _free(name: str, schema: pa.Schema) -> str:
    """Return a name that no column has, whatever its case."""
    taken = {column.lower() for column in schema.names}
    while name in taken:
        name = f"row_{name}"
    return name


def _as_text(column: pa.Array) -> pa.Array:
    """Return lists, structures and bytes as text, anything else as it is."""
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    return column


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def _csv(batch: Any, header: bool) -> pa.Buffer:
    """Return a batch as text, with quotes only where there is need."""
    for style in ("none", "needed"):
        sink = pa.BufferOutputStream()
        options = pacsv.WriteOptions(
            include_header=header, quoting_style=style, quoting_header=style
        )
        try:
            pacsv.write_csv(batch, sink, options)
        except pa.ArrowInvalid:  # a value holds a comma, a quote or a line break
            continue
        return sink.getvalue()
    raise AssertionError("quoted text can always be written")


def _number(value: object) -> object:
    """Return a text that is plainly a number as one."""
    if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value
