"""Open a file of incidents for streaming, however it is encoded and headed."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import shapely

from gridmap.errors import InputError
from gridmap.io.batches import (
    ROWS,
    Batch,
    FileOfPoints,
    Layer,
    ParquetFile,
    Sheet,
    WithoutTotals,
    geometry_of,
    marked,
)
from gridmap.io.columns import aliases, understand
from gridmap.io.csv_stream import Delimited
from gridmap.io.header import Headings, find_headings, is_blank
from gridmap.io.inputs import layer_or_table
from gridmap.io.source import Source, find_source, unreadable
from gridmap.io.text import check_encoding, fold, guess_encoding, guess_separator, plain_table
from gridmap.io.vector import choose_layer
from gridmap.language import Message


@dataclass(frozen=True)
class Held:
    """A table in memory that streams as a file does.

    Attributes
    ----------
    table : RecordBatch
        All records, in order.
    crs : CRS or None
        Of the points, where there are any.
    notes : list of Message
        What was left out or assumed.
    """

    table: pa.RecordBatch
    crs: Any
    notes: list[Message] = field(default_factory=list)

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
        return cls(batch, getattr(frame, "crs", None), list(frame.attrs.get("notes", [])))

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


_HEAD = 1 << 16
_ROWS = 60  # among which headings are looked for
_POSITIONS = ("x", "y", "lng", "lat")
_SAMPLE = 200  # records by which columns are understood


Pair = tuple[str | None, str | None]


class Opened(NamedTuple):
    """A file ready to stream, and what its columns mean.

    ``x`` and ``y`` are None where points come as geometry; ``datum`` is ``wgs84`` where longitude
    and latitude were found and nobody declared a datum. ``notes`` tells what was left out, and is
    whole when the file has been read to its end.
    """

    file: FileOfPoints
    x: str | None
    y: str | None
    datum: str | None
    assumed: bool
    notes: list[Message]


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
    file, name, notes = _open(spec, encoding, (x, y))
    if (x is None) != (y is None):
        raise InputError("Give both --x and --y, or neither.")
    if geometry_of(file.schema) is not None and x is None:
        return Opened(file, None, None, datum, False, notes)
    first = next(iter(file.batches()), None)
    if first is None:
        raise InputError("`{name}` has no records. Check the file.", name=name)
    sample = first.table.slice(0, _SAMPLE).to_pandas()
    if x is not None:
        for column in (x, y):
            if column not in file.schema.names:
                raise InputError(
                    "`{name}` has no column {column!r}; it has {names}.",
                    name=name,
                    column=column,
                    names=[*file.schema.names],
                )
        return Opened(file, x, y, datum, False, notes)
    known = aliases("incident")
    named = [n for n in sample if (a := known.get(fold(n))) and a.field in _POSITIONS]
    found = understand(sample[named], "incident", convert=False)[1].columns
    degrees = "lng" in found and "lat" in found
    metres = "x" in found and "y" in found
    if degrees and (not metres or (datum is not None and not datum.lower().startswith("epsg"))):
        assumed = datum is None
        return Opened(file, found["lng"], found["lat"], datum or "wgs84", assumed, notes)
    if metres:
        return Opened(file, found["x"], found["y"], datum, False, notes)
    raise InputError(
        "`{name}` has no columns of coordinates that are known by their heading; it "
        "has {names}. Name them with --x and --y.",
        name=name,
        names=[*file.schema.names],
    )


def _open(
    spec: str | os.PathLike[str], encoding: str | None, named: Pair
) -> tuple[FileOfPoints, str, list[Message]]:
    """Open a file, or a folder of Parquet; return it with its name and what is to be told."""
    path = Path(spec)
    if path.is_dir() and next(path.rglob("*.parquet"), None) is not None:
        return ParquetFile(path), str(path), []
    source = find_source(spec)
    if source.kind == "vector" and source.member is None:
        return Layer(source.gdal_path, choose_layer(source)), source.name, []
    if source.kind == "parquet" and source.member is None:
        return ParquetFile(source.path), source.name, []
    file: FileOfPoints | None = None
    if source.kind == "csv" and source.member is None:
        file = _delimited(source, encoding)
    elif source.kind == "sheet" and _streams(source):
        file = _sheet(source, named)
    if file is None:
        held = Held.of(source)
        return held, source.name, held.notes
    records = WithoutTotals(file)
    return records, source.name, records.notes


def _streams(source: Source) -> bool:
    """Tell whether a workbook can be read row by row: a new one, under its right name."""
    if source.member is not None or source.suffix not in (".xlsx", ".xlsm"):
        return False
    with source.path.open("rb") as file:
        return file.read(2) == b"PK"


def _delimited(source: Source, encoding: str | None) -> Delimited:
    with source.path.open("rb") as file:
        head = file.read(_HEAD).removeprefix(codecs.BOM_UTF8)
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
    """Look at the whole text, a block at a time: one late character decides, and no mark does."""
    with source.path.open("rb") as file:
        head = file.read(_HEAD)
        cut = len(head) == _HEAD
        head = head.removeprefix(codecs.BOM_UTF8)
        guess = guess_encoding(head, cut=cut, name=source.name)
        if guess != "utf-8":
            return guess
        decoder = codecs.getincrementaldecoder("utf-8")()
        decoder.decode(head)
        while block := file.read(1 << 22):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return "gb18030" if head.isascii() else "utf-8"
    return guess


def _sheet(source: Source, named: Pair) -> Sheet | None:
    """Return the one sheet with places; None when several of one form are to be joined."""
    sheets = _heads(source)
    if source.layer is not None:
        if source.layer not in sheets:
            raise InputError(
                "`{source}` has no sheet {layer!r}; it has {sheets}.",
                source=source.path,
                layer=source.layer,
                sheets=[*sheets],
            )
        sheets = {source.layer: sheets[source.layer]}
    heads = {name: (_headings(source, [row for _, row in rows]), rows)
             for name, rows in sheets.items() if rows}  # fmt: skip
    placed = {name: head for name, head in heads.items() if _has_places(head[0].names, named)}
    found = placed or heads
    if not found:
        raise InputError("`{source}` is blank. Ask for the file again.", source=source.name)
    if len({tuple(headings.names) for headings, _ in found.values()}) > 1:
        raise InputError(
            "`{source}` has several tables: sheets {found}. Name one: `{source_2}:{found_2}`.",
            source=source.name,
            found=[*found],
            source_2=source.path,
            found_2=next(iter(found)),
        )
    if len(found) > 1:
        return None
    name, (headings, rows) = next(iter(found.items()))
    return Sheet(source.path, tuple(headings.names), rows[headings.body - 1][0] + 1, name)


def _heads(source: Source) -> dict[str, list[tuple[int, list[Any]]]]:
    """Return the first rows of each visible sheet that are not blank, with their number."""
    import zipfile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(source.path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise unreadable(source.name, error) from error
    try:
        return {
            str(sheet.title): [
                (at, list(row))
                for at, row in enumerate(sheet.iter_rows(max_row=_ROWS, values_only=True))
                if not all(map(is_blank, row))
            ]
            for sheet in book.worksheets
            if sheet.sheet_state == "visible"
        }
    finally:
        book.close()


def _has_places(names: list[str], named: Pair) -> bool:
    """Tell whether columns of coordinates are among some headings."""
    if named[0] is not None:
        return set(named) <= set(names)
    known = aliases("incident")
    fields = {known[fold(name)].field for name in names if fold(name) in known}
    return {"x", "y"} <= fields or {"lng", "lat"} <= fields


def _headings(source: Source, rows: list[list[str]]) -> Headings:
    if not rows:
        raise InputError("`{source}` is blank. Ask for the file again.", source=source.name)
    return find_headings(rows)
