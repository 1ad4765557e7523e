"""Where streamed incidents go: text, Parquet, GeoPackage or a workbook, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from pyarrow import csv as pacsv
from pyarrow import parquet

from gridmap.errors import InputError
from gridmap.io.batches import geometry_of, of_shapes

Batches = Iterator[pa.RecordBatch]
_MOST_ROWS = 1_048_576  # of a sheet
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def write_text(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write CSV with a byte-order mark; points as their coordinates."""
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        file.write(_csv(_flat(_empty(schema), schema), True))
        for batch in batches:
            file.write(_csv(_flat(batch, schema), False))


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
    """Write a workbook; text that is plainly a number becomes one."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("incidents")
    sheet.append(_flat(_empty(schema), schema).schema.names)
    rows = 1
    try:
        for batch in batches:
            rows += batch.num_rows
            if rows > _MOST_ROWS:
                raise InputError(
                    "A sheet holds {most_rows:,} {most_rows:row|rows} and there are more "
                    "incidents. Write .csv or .parquet instead.",
                    most_rows=_MOST_ROWS,
                )
            flat = _flat(batch, schema)
            for row in zip(*(column.to_pylist() for column in flat.columns), strict=True):
                sheet.append([_cell(value) for value in row])
    finally:
        sheet.close()
    book.save(path)


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
        xy = of_shapes(points, np.arange(len(points)))
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


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        if _PLAIN_NUMBER.fullmatch(value):
            return float(value) if "." in value else int(value)
        return _ILLEGAL.sub("", value)
    if isinstance(value, bytes | list | dict):
        return str(value)
    if getattr(value, "tzinfo", None) is not None:
        return value.isoformat()
    return value
