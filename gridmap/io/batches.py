"""Totals and signatures at the foot of a table that streams: no records, and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import pyproj
import shapely
from pyarrow import parquet

from gridmap._checks import shape_name
from gridmap._types import Floats
from gridmap.errors import InputError
from gridmap.io.header import MENTIONS_TOTAL, is_total
from gridmap.language import Message


def of_shapes(shapes: npt.NDArray[Any], names: Any) -> tuple[Floats, Floats]:
    """Return the coordinates of points, NaN for missing ones; refuse what is no point."""
    kinds = shapely.get_type_id(shapes)
    odd = np.flatnonzero((kinds != shapely.GeometryType.POINT) & (kinds >= 0))
    if len(odd):
        raise InputError(
            "`points` has {odd:,} {odd:geometry|geometries} that are no points, the first "
            "a {geom_type} at {Index!r}. Use `points.representative_point()`.",
            odd=len(odd),
            geom_type=shape_name(shapes[odd[0]].geom_type),
            Index=pd.Index(names).tolist()[odd[0]],
        )
    found = shapely.get_coordinates(shapes)
    if len(found) == len(shapes):
        x, y = np.ascontiguousarray(found.T)
        return x, y
    known = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    xy = np.full((2, len(shapes)), np.nan)
    xy[:, known] = found.T
    return xy[0], xy[1]


ROWS = 1 << 18  # rows of a batch, where the reader can choose


class Batch(NamedTuple):
    """Some records, which of them are broken, and how much of the file is read."""

    table: pa.RecordBatch
    broken: list[int]
    done: int


class FileOfPoints(Protocol):
    """A file that can be read more than once, a batch at a time."""

    @property
    def schema(self) -> pa.Schema:
        """Columns, and what is in them."""

    @property
    def crs(self) -> Any:
        """CRS of the geometry; None when there is none."""

    @property
    def size(self) -> int:
        """What `Batch.done` amounts to at the end."""

    @property
    def rows(self) -> int:
        """About how many records there are."""

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""


FOOT = 30  # rows at the end among which totals are looked for
MANY = 200_000  # rows above which subtotals are looked for at the foot only
_TOLD = 5


@dataclass
class WithoutTotals:
    """A streamed table without its totals and signatures.

    Attributes
    ----------
    file : FileOfPoints
        The table as it is.
    notes : list of Message
        What the last pass left out.
    """

    file: FileOfPoints
    notes: list[Message] = field(default_factory=list)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table."""
        return self.file.schema

    @property
    def crs(self) -> Any:
        """That of the table."""
        return self.file.crs

    @property
    def size(self) -> int:
        """As of the table."""
        return self.file.size

    @property
    def rows(self) -> int:
        """As of the table, its foot included."""
        return self.file.rows

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order, one batch behind the table, so that the last is known."""
        self.notes.clear()
        held: Batch | None = None
        for batch in self.file.batches():
            if held is not None:
                yield self._records(held, last=False)
            held = batch
        if held is not None:
            yield self._records(held, last=True)

    def _records(self, batch: Batch, *, last: bool) -> Batch:
        table = batch.table
        suspects: set[int] = set()
        if self.file.rows <= MANY:
            for column in islice(table.columns, 2):
                found = pc.match_substring_regex(column, MENTIONS_TOTAL).fill_null(False)
                suspects.update(pc.indices_nonzero(found).to_pylist())
        if last:
            suspects.update(range(max(0, table.num_rows - FOOT), table.num_rows))
        rows = {at: [column[at].as_py() for column in table.columns] for at in sorted(suspects)}
        out = [at for at, row in rows.items() if is_total(row)]
        if not out:
            return batch
        self._tell([rows[at] for at in out])
        keep = np.ones(table.num_rows, dtype=bool)
        keep[out] = False
        place = np.cumsum(keep) - 1
        broken = [int(place[at]) for at in batch.broken if keep[at]]
        return Batch(table.filter(pa.array(keep)), broken, batch.done)

    def _tell(self, rows: list[list[str | None]]) -> None:
        for row in rows[: max(0, _TOLD - len(self.notes))]:
            text = " ".join(value for value in row if value)[:120]
            self.notes.append(Message("Left out, being no record: {text}", text=text))


GEOMETRY = b"gridmap:geometry"  # marks the column of points in a schema


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet or GeoParquet file, or a folder of them.

    Attributes
    ----------
    path : Path
        The file or folder.
    columns : tuple of str, optional
        The only columns to read.
    """

    path: Path
    columns: tuple[str, ...] | None = None

    @cached_property
    def _files(self) -> list[Path]:
        return sorted(self.path.rglob("*.parquet")) if self.path.is_dir() else [self.path]

    @cached_property
    def _geo(self) -> dict[str, Any]:
        metadata = parquet.read_schema(self._files[0]).metadata or {}
        geo: dict[str, Any] = json.loads(metadata.get(b"geo", b"{}"))
        if geo and geo["columns"][geo["primary_column"]].get("encoding") != "WKB":
            raise InputError(
                "`{path}` holds its points in no WKB. Write it again with "
                "`to_parquet(geometry_encoding='WKB')`.",
                path=self.path.name,
            )
        return geo

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the first file."""
        schema = parquet.read_schema(self._files[0])
        if self.columns is not None:
            schema = pa.schema([schema.field(name) for name in self.columns])
        plain = pa.schema([field.with_type(_decoded(field.type)) for field in schema])
        return marked(plain, self._geo.get("primary_column"))

    @cached_property
    def crs(self) -> Any:
        """As the GeoParquet metadata say; longitude and latitude when they are silent."""
        if not self._geo:
            return None
        column = self._geo["columns"][self._geo["primary_column"]]
        return pyproj.CRS.from_user_input(column.get("crs") or "OGC:CRS84")

    @cached_property
    def size(self) -> int:
        """Rows."""
        return sum(parquet.read_metadata(file).num_rows for file in self._files)

    @property
    def rows(self) -> int:
        """As many records as `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order, without reading ahead."""
        done = 0
        names = None if self.columns is None else list(self.columns)
        for path in self._files:
            with parquet.ParquetFile(path, pre_buffer=False) as file:
                for table in file.iter_batches(ROWS, columns=names, use_threads=False):
                    done += table.num_rows
                    columns = [_values(table.column(name)) for name in self.schema.names]
                    yield Batch(pa.RecordBatch.from_arrays(columns, schema=self.schema), [], done)


@dataclass(frozen=True)
class Layer:
    """A layer that GDAL reads: GeoPackage, GeoJSON, Shapefile and others.

    Attributes
    ----------
    path : str
        What GDAL opens.
    layer : str, optional
        Its name; the first when not given.
    """

    path: str
    layer: str | None = None

    @cached_property
    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = pyogrio.read_info(self.path, layer=self.layer)
        return info

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns, the geometry last."""
        with pyogrio.open_arrow(self.path, layer=self.layer, use_pyarrow=True) as (meta, reader):
            geometry = meta["geometry_name"] or "wkb_geometry"
            schema = reader.schema.remove_metadata()
        return marked(schema, geometry if geometry in schema.names else None)

    @cached_property
    def crs(self) -> Any:
        """As the layer says."""
        crs = self._info["crs"]
        return None if crs is None else pyproj.CRS.from_user_input(crs)

    @property
    def size(self) -> int:
        """Rows, 0 when the driver does not know."""
        return max(int(self._info["features"]), 0)

    @property
    def rows(self) -> int:
        """As many records as `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
        done = 0
        with pyogrio.open_arrow(
            self.path, layer=self.layer, use_pyarrow=True, batch_size=1 << 16
        ) as (_, reader):
            for table in reader:
                done += table.num_rows
                yield Batch(pa.RecordBatch.from_arrays(table.columns, schema=self.schema), [], done)


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook, row by row; its columns become text, its values stay beside.

    Attributes
    ----------
    path : Path
        The workbook.
    names : tuple of str
        One name a column.
    skip : int
        Rows above the first record.
    sheet : str, optional
        Its name; the first when not given.
    """

    path: Path
    names: tuple[str, ...]
    skip: int = 1
    sheet: str | None = None
    crs: Any = None

    @property
    def schema(self) -> pa.Schema:
        """Text columns."""
        return pa.schema([(name, pa.string()) for name in self.names])

    @cached_property
    def size(self) -> int:
        """Rows as the sheet declares them."""
        return int(next(self._rows(declared=True)))

    @property
    def rows(self) -> int:
        """As many records as `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order; blank rows are no records."""
        done = self.skip
        rows = islice(self._rows(), self.skip, None)
        while part := list(islice(rows, 1 << 13)):
            done += len(part)
            filled = [row for row in part if any(value not in (None, "") for value in row)]
            columns = [
                pa.array([_text(row[at]) for row in filled], type=pa.string())
                for at in range(len(self.names))
            ]
            if filled:
                yield Batch(pa.RecordBatch.from_arrays(columns, schema=self.schema), [], done)

    def _rows(self, *, declared: bool = False) -> Iterator[Any]:
        from openpyxl import load_workbook

        book = load_workbook(self.path, read_only=True, data_only=True)
        try:
            sheet = book[self.sheet] if self.sheet else book.worksheets[0]
            if declared:
                yield int(sheet.max_row or 0)
                return
            width = len(self.names)
            for row in sheet.iter_rows(values_only=True):
                yield [*row[:width], *[None] * (width - len(row))]
        finally:
            book.close()


def marked(schema: pa.Schema, geometry: str | None) -> pa.Schema:
    """Return a schema that says which column holds the points."""
    return schema if geometry is None else schema.with_metadata({GEOMETRY: geometry})


def geometry_of(schema: pa.Schema) -> str | None:
    """Return the column that holds the points."""
    name = (schema.metadata or {}).get(GEOMETRY)
    return None if name is None else str(name.decode())


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _values(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return value.isoformat(sep=" ") if hasattr(value, "hour") else str(value)
