"""Open a file of incidents for streaming, however it is encoded and headed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import shapely

from gridmap.errors import InputError
from gridmap.incidents.batches import ROWS, Batch, FileOfPoints
from gridmap.incidents.delimited import Delimited
from gridmap.incidents.sources import Layer, ParquetFile, Sheet, geometry_of, marked
from gridmap.io.aliases import aliases
from gridmap.io.columns import understand
from gridmap.io.heading import Headings, find_headings
from gridmap.io.inputs import layer_or_table
from gridmap.io.layers import choose_layer
from gridmap.io.plain import plain_table
from gridmap.io.source import Source, find_source, unreadable
from gridmap.io.text import check_encoding, fold, guess_encoding, guess_separator

_HEAD = 1 << 16
_ROWS = 60  # among which headings are looked for
_POSITIONS = ("x", "y", "lng", "lat")
_SAMPLE = 200  # records by which columns are understood


class Opened(NamedTuple):
    """A file ready to stream, and what its columns mean.

    ``x`` and ``y`` are None where points come as geometry; ``datum`` is ``wgs84`` where longitude
    and latitude were found and nobody declared a datum.
    """

    file: FileOfPoints
    x: str | None
    y: str | None
    datum: str | None
    assumed: bool


@dataclass(frozen=True)
class Held:
    """Incidents that come whole: from a database, an archive or an old workbook."""

    table: pa.RecordBatch
    crs: Any

    @classmethod
    def of(cls, source: Source) -> Held:
        """Read a source whole."""
        frame = layer_or_table(source.text, None)
        geometry = getattr(frame, "_geometry_column_name", None)
        table = pa.Table.from_pandas(plain_table(frame), preserve_index=False)
        if geometry is not None:
            shapes = pa.array(shapely.to_wkb(frame.geometry.to_numpy()), pa.binary())
            table = table.append_column(geometry, shapes)
        schema = marked(table.schema.remove_metadata(), geometry)
        columns = [column.combine_chunks() for column in table.columns]
        batch = pa.RecordBatch.from_arrays(columns, schema=schema)
        return cls(batch, getattr(frame, "crs", None))

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
            yield Batch(batch, [], start + batch.num_rows)


def open_incidents(
    spec: str | os.PathLike[str],
    *,
    x: str | None = None,
    y: str | None = None,
    datum: str | None = None,
    encoding: str | None = None,
) -> Opened:
    """Open incidents of any size, and find the columns of their coordinates.

    Parameters
    ----------
    spec : str or path
        A CSV, XLSX, Parquet, GeoPackage or other layer, as ``path`` or ``path:layer``, or a
        folder of Parquet.
    x, y : str, optional
        Columns of the coordinates, where they cannot be told by their headings.
    datum : str, optional
        What was declared of the coordinates.
    encoding : str, optional
        Of a text; found out when not given.

    Returns
    -------
    Opened

    Raises
    ------
    InputError
        When the file cannot be read, or has no positions.
    """
    file, name = _open(spec, encoding)
    if (x is None) != (y is None):
        raise InputError("Give both --x and --y, or neither.")
    if geometry_of(file.schema) is not None and x is None:
        return Opened(file, None, None, datum, False)
    first = next(iter(file.batches()), None)
    if first is None:
        raise InputError(f"`{name}` has no records. Check the file.")
    sample = first.table.slice(0, _SAMPLE).to_pandas()
    if x is not None:
        for column in (x, y):
            if column not in file.schema.names:
                raise InputError(
                    f"`{name}` has no column {column!r}; it has {', '.join(file.schema.names)}."
                )
        return Opened(file, x, y, datum, False)
    known = aliases("incident")
    named = [n for n in sample if (a := known.get(fold(n))) and a.field in _POSITIONS]
    found = understand(sample[named], "incident", convert=False)[1].columns
    degrees = "lng" in found and "lat" in found
    metres = "x" in found and "y" in found
    if degrees and (not metres or (datum is not None and not datum.lower().startswith("epsg"))):
        assumed = datum is None
        return Opened(file, found["lng"], found["lat"], datum or "wgs84", assumed)
    if metres:
        return Opened(file, found["x"], found["y"], datum, False)
    raise InputError(
        f"`{name}` has no columns of coordinates that are known by their heading; it has "
        f"{', '.join(file.schema.names)}. Name them with --x and --y."
    )


def _open(spec: str | os.PathLike[str], encoding: str | None) -> tuple[FileOfPoints, str]:
    """Open a file, or a folder of Parquet, and return it with its name."""
    path = Path(spec)
    if path.is_dir() and next(path.rglob("*.parquet"), None) is not None:
        return ParquetFile(path), str(path)
    source = find_source(spec)
    return _open_file(source, encoding), source.name


def _open_file(source: Source, encoding: str | None) -> FileOfPoints:
    if source.kind == "vector":
        layer = choose_layer(source)
        return Layer(source.gdal_path, layer)
    if source.member is not None or source.kind == "database" or source.suffix == ".xls":
        return Held.of(source)
    if source.kind == "parquet":
        return ParquetFile(source.path)
    if source.kind == "sheet":
        return _sheet(source)
    return _delimited(source, encoding)


def _delimited(source: Source, encoding: str | None) -> Delimited:
    with source.path.open("rb") as file:
        head = file.read(_HEAD)
    encoding = check_encoding(encoding) if encoding else _encoding(source)
    text = head.decode(encoding, errors="ignore")
    separator = guess_separator(text)
    rows: list[list[str]] = []
    ends: list[int] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for row in islice(reader, _ROWS):
            if any(value.strip() for value in row):
                rows.append(row)
                ends.append(reader.line_num)
    except csv.Error as error:
        raise unreadable(source.name, error) from error
    headings = _headings(source, rows)
    skip = ends[headings.body - 1]
    return Delimited(source.path, tuple(headings.names), skip, encoding, separator)


def _encoding(source: Source) -> str:
    """Look at the whole text, a block at a time: one late character decides."""
    with source.path.open("rb") as file:
        head = file.read(_HEAD)
        guess = guess_encoding(head, cut=len(head) == _HEAD, name=source.name)
        if guess != "utf-8":
            return guess
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")()
        decoder.decode(head)
        while block := file.read(1 << 22):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return "gb18030" if head.isascii() else "utf-8"
    return guess


def _sheet(source: Source) -> Sheet:
    import zipfile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(source.path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise unreadable(source.name, error) from error
    try:
        if source.layer is not None and source.layer not in book.sheetnames:
            raise InputError(
                f"`{source.path}` has no sheet {source.layer!r}; it has "
                f"{', '.join(book.sheetnames)}."
            )
        sheet = book[source.layer] if source.layer else book.worksheets[0]
        rows = [list(row) for row in sheet.iter_rows(max_row=_ROWS, values_only=True)]
    finally:
        book.close()
    filled = [at for at, row in enumerate(rows) if any(v not in (None, "") for v in row)]
    headings = _headings(source, [rows[at] for at in filled])
    skip = filled[headings.body - 1] + 1
    return Sheet(source.path, tuple(headings.names), skip, source.layer)


def _headings(source: Source, rows: list[list[str]]) -> Headings:
    if not rows:
        raise InputError(f"`{source.name}` is blank. Ask for the file again.")
    return find_headings(rows)
