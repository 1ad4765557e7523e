"""Open a file of incidents for streaming: what the whole readers understand, batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from gridmap._checks import coordinates_of, label
from gridmap.dates import DateOrder, moments
from gridmap.errors import InputError
from gridmap.io.batches import (
    ROWS,
    Batch,
    FileOfPoints,
    Layer,
    ParquetFile,
    WithoutTotals,
    geometry_of,
    marked,
    shapes_of,
)  # fmt: skip
from gridmap.io.columns import Understanding, stated_times, understand
from gridmap.io.coordinates import Pair, declared_datum, find_places
from gridmap.io.csv_stream import Delimited, open_text
from gridmap.io.declared import declared
from gridmap.io.excel import SheetTable, chosen_tables, text_of
from gridmap.io.inputs import crs_named, datum_of_points, layer_or_table
from gridmap.io.integrity import check_names, check_table
from gridmap.io.point_text import PointColumn, PointOrder, parse_points
from gridmap.io.shapefile import dbf_encoding
from gridmap.io.source import Source, find_source
from gridmap.io.text import number_array, plain_table
from gridmap.io.vector import SPARSE, bounds_of_most, check_degrees, choose_layer
from gridmap.language import Message

_SHEET_ROWS = 1 << 13
_SAMPLE = 8_000  # records by which columns are understood


class Opened(NamedTuple):
    """A file ready to stream, and what its columns mean.

    ``x`` and ``y`` are None where points come as geometry, or as text in the column of ``points``;
    ``datum`` is ``wgs84`` where longitude and latitude were found and nobody declared a datum.
    ``left_out`` tells what was no record; it is whole when the file has been read to its end, as
    is what ``known`` states.
    """

    file: FileOfPoints
    x: str | None
    y: str | None
    datum: str | None
    assumed: bool
    known: Understanding
    left_out: list[Message]
    points: PointColumn | None = None
    others: tuple[Pair, ...] = ()

    def understanding(self, rows: int) -> Understanding:
        """Return how so many rows were read and understood."""
        stated = {"rows": rows, **self.known.stated}
        return replace(self.known, notes=[*self.known.notes, *self.left_out], stated=stated)


def open_incidents(
    spec: str | os.PathLike[str],
    *,
    x: str | None = None,
    y: str | None = None,
    datum: str | None = None,
    encoding: str | None = None,
    date_order: DateOrder | None = None,
    point_order: PointOrder | None = None,
) -> Opened:
    """Open incidents of any size, and find the columns of their coordinates.

    Parameters
    ----------
    spec : str or path
        A CSV, XLSX, Parquet, GeoPackage or other layer, as ``path`` or ``path:layer``, or a
        folder of Parquet; ``-`` is the standard input.
    x, y : str, optional
        Columns of the coordinates, where they cannot be told by their headings; `x` alone is a
        column of points as text.
    datum : str, optional
        What was declared of the coordinates.
    encoding : str, optional
        Of a text; found out when not given.
    date_order : str, optional
        ``dmy``, ``mdy``, ``ymd`` or ``roc``, for dates that do not tell; they stay as they are.
    point_order : str, optional
        ``lnglat`` or ``latlng``, of two numbers in one column.

    Returns
    -------
    Opened

    Raises
    ------
    InputError
        When the file cannot be read, or has no positions.
    """
    if y is not None and x is None:
        raise InputError("Give both --x and --y, or neither.")
    said = declared()
    encoding = encoding or said.encoding
    file, name, left_out, stated = _open(spec, encoding, tuple(filter(None, (x, y))), datum)
    first = next(iter(file.batches()), None)
    table = (
        first.table.slice(0, _SAMPLE)
        if first
        else pa.RecordBatch.from_pylist([], schema=file.schema)
    )
    check_names(table.schema.names, name)
    geometry = geometry_of(file.schema)
    columns = [column for column in table.schema.names if column != geometry]
    sample = {column: table.column(column).to_pylist() for column in columns}
    choose = {"time": said.time} | ({} if y is None else {"x": x, "y": y})
    frame = pd.DataFrame(sample, columns=columns, dtype=object)
    known = understand(frame, "incident", choose=choose, convert=False)[1]
    known = replace(known, stated=stated)
    if "time" in known.columns:
        _state_times(frame[known.columns["time"]], known, date_order)
    if table.num_rows == 0:
        known.notes.append(Message("`{source}` has headings but no records.", source=name))
    if geometry is not None and x is None:
        told, assumed = _of_geometry(file, name, datum, table.column(geometry))
        stated["datum"] = told or ("of the grid" if file.crs is None else label(file.crs))
        return Opened(file, None, None, told, assumed, known, left_out)
    places = find_places(
        known.columns,
        sample,
        name,
        named=(x, y),
        datum=datum,
        order=point_order or said.point_order,  # type: ignore[arg-type]
    )
    if places.points is not None:
        found = parse_points(table.column(places.points.name).cast(pa.string()), places.points)
        east, north = found.x, found.y
        told = datum or (f"EPSG:{found.srid}" if found.srid else None)
        where: tuple[str | None, str | None] = (None, None)
    else:
        assert places.pair is not None
        where, told = (places.pair.x, places.pair.y), datum or places.pair.datum
        east, north = (number_array(table.column(column)) for column in where)
    found_in, _ = declared_datum(east, north, told, None, name)
    assumed = found_in is not None and told is None
    stated["datum"] = found_in or "of the grid"
    return Opened(file, *where, found_in, assumed, known, left_out, places.points, places.others)


def _state_times(given: pd.Series, known: Understanding, order: DateOrder | None) -> None:
    """State how the times of a sample are read; they are passed on as they are written."""
    said = declared()
    try:
        times = moments(
            given.infer_objects(), known.columns["time"], [],
            order=order or said.date_order, zone=said.time_zone,  # type: ignore[arg-type]
        )  # fmt: skip
    except InputError as error:
        if len(given) < _SAMPLE:  # else what follows may tell
            known.notes.append(error.message)
    else:
        known.stated.update(stated_times(times))


def _of_geometry(
    file: FileOfPoints, name: str, datum: str | None, first: pa.Array
) -> tuple[str | None, bool]:
    """Return the datum of points as geometry; without a CRS, degrees are taken as WGS 84.

    Points that are said to be in degrees and are none are refused.
    """
    if datum is not None or (file.crs is not None and not file.crs.is_geographic):
        return datum, False
    x, y = coordinates_of(shapes_of(first, name), name)
    if file.crs is not None:
        check_degrees(name, file.crs, bounds_of_most(np.column_stack([x, y])))
        return None, False
    return datum_of_points(x, y, name)[0], True


def _open(
    spec: str | os.PathLike[str], encoding: str | None, named: tuple[str, ...], datum: str | None
) -> tuple[FileOfPoints, str, list[Message], dict[str, Any]]:
    """Open a file, or a folder of Parquet; return its name, and what is to be told."""
    path = Path(spec)
    if os.fspath(spec) != "-" and path.is_dir() and next(path.rglob("*.parquet"), None) is not None:
        return ParquetFile(path), str(path), [], {"skipped": 0}
    source = find_source(spec)
    if source.kind == "vector" and source.member is None and not _held(source, encoding):
        layer = choose_layer(source)
        check_table(source, layer)
        return Layer(source.gdal_path, layer, source.name), source.name, [], {"skipped": 0}
    if source.kind == "parquet" and source.member is None:
        file = ParquetFile(source.path)
        if file.streams:
            return file, source.name, [], {"skipped": 0}
    if source.kind == "csv":
        text = open_text(source, encoding=encoding)
        records = WithoutTotals(text, _above(text), stated={"encoding": text.encoding})
        return records, source.name, records.notes, records.stated
    if source.kind == "sheet":
        tables, aside = chosen_tables(source, places=True, named=named)
        sheets = Sheets(tables, aside)
        return sheets, source.name, sheets.notes, sheets.stated
    held = Held.of(source, encoding, datum)
    return held, source.name, held.notes, held.stated


def _held(source: Source, encoding: str | None) -> bool:
    """Tell whether a layer must be read whole: attributes to decode, columns without a value."""
    if source.suffix in SPARSE:
        return True
    return source.suffix in (".shp", ".dbf") and (encoding or dbf_encoding(source)) is not None


def _above(text: Delimited) -> list[Message]:
    """Note what stood above the headings."""
    if text.headings is None or not text.headings.above:
        return []
    above = "；".join(text.headings.above)[:120]
    return [Message("Left out above the headings: {above}", above=above)]


@dataclass
class Sheets:
    """Sheets of a workbook with the same headings, row by row, as columns of text.

    Attributes
    ----------
    tables : list of SheetTable
    aside : list of Message
        What was told of other sheets.
    notes : list of Message
        What was left out, once it has been read to its end.
    stated : dict
        How many rows were skipped, likewise.
    """

    tables: list[SheetTable]
    aside: list[Message]
    notes: list[Message] = field(default_factory=list)
    stated: dict[str, Any] = field(default_factory=dict)
    crs: Any = None

    @property
    def schema(self) -> pa.Schema:
        """Text columns, and the name of the sheet where there are several."""
        names = [*self.tables[0].names, *(["sheet"] if len(self.tables) > 1 else [])]
        return pa.schema([(name, pa.string()) for name in names])

    @property
    def size(self) -> int:
        """Not known before the sheets are read."""
        return 0

    @property
    def rows(self) -> int:
        """As `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
        done = 0
        rows = chain.from_iterable(self._rows(table) for table in self.tables)
        while part := list(islice(rows, _SHEET_ROWS)):
            done += len(part)
            columns = [pa.array(column, pa.string()) for column in zip(*part, strict=True)]
            yield Batch(pa.RecordBatch.from_arrays(columns, schema=self.schema), {}, done)
        self.notes[:] = [*self.aside, *self._told()]
        self.stated["skipped"] = sum(len(table.left_out) for table in self.tables)

    def _rows(self, table: SheetTable) -> Iterator[list[str | None]]:
        own: list[str | None] = [table.sheet.name] if len(self.tables) > 1 else []
        for row in table.records():
            yield [None if value is None else text_of(value) for value in row] + own

    def _told(self) -> Iterator[Message]:
        for table in self.tables:
            for row in table.left_out:
                text = " ".join(str(value) for value in row if value is not None)[:120]
                yield Message("Left out, being no record: {text}", text=text)
            yield from table.notes


@dataclass(frozen=True)
class Held:
    """A table in memory that streams as a file does: from a database, an archive, records.

    Attributes
    ----------
    table : RecordBatch
        All records, in order.
    crs : CRS or None
        Of the points, where there are any.
    notes : list of Message
        What was left out or assumed.
    stated : dict
        How it was read.
    """

    table: pa.RecordBatch
    crs: Any
    notes: list[Message] = field(default_factory=list)
    stated: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source, encoding: str | None = None, datum: str | None = None) -> Held:
        """Read a source whole."""
        crs = crs_named(datum)
        frame = layer_or_table(source.text, crs, encoding=encoding, need_crs=False, empty=True)
        geometry = getattr(frame, "_geometry_column_name", None)
        table = pa.Table.from_pandas(plain_table(frame), preserve_index=False)
        if geometry is not None:
            shapes = pa.array(shapely.to_wkb(frame.geometry.to_numpy()), pa.binary())
            bare = not table.num_columns  # which would count no rows
            table = pa.table({geometry: shapes}) if bare else table.append_column(geometry, shapes)
        schema = marked(table.schema.remove_metadata(), geometry)
        columns = [column.combine_chunks() for column in table.columns]
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        stated: dict[str, Any] = {"skipped": frame.attrs.get("skipped", 0)}
        stated |= {k: str(v) for k, v in frame.attrs.items() if k == "encoding"}
        notes = list(frame.attrs.get("notes", []))
        return cls(batch, getattr(frame, "crs", None), notes, stated)

    @property
    def schema(self) -> pa.Schema:
        """The columns, and which of them holds the points."""
        return self.table.schema

    @property
    def size(self) -> int:
        """Rows."""
        return int(self.table.num_rows)

    @property
    def rows(self) -> int:
        """As many records as `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
        for start in range(0, self.size, ROWS):
            batch = self.table.slice(start, ROWS)
            yield Batch(batch, {}, start + batch.num_rows)
