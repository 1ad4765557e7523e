"""Read delimited text in any encoding and with any separator, in bulk."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pacsv

from gridmap.errors import InputError
from gridmap.io.batches import FOOT, MANY
from gridmap.io.excel import note_left_out
from gridmap.io.header import MENTIONS_TOTAL, Headings, find_headings, is_blank, is_total
from gridmap.io.source import Source, unreadable
from gridmap.io.text import check_encoding, guess_encoding, guess_separator
from gridmap.language import Message

SAMPLE = 1 << 16
BLANK = ["", "NULL", "null", "NaN", "nan", "NA", "None", "#N/A"]
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

_BLOCK = 1 << 22
_PIECE = 1 << 18  # stays in the cache while its lines are counted
_PLAIN = ("utf-8", "utf-8-sig")

csv.field_size_limit(1 << 24)


class Bulk(NamedTuple):
    """A table below its headings; columns of decimals are numbers, all else is text."""

    table: pa.Table
    headings: Headings


def read_in_bulk(file: BinaryIO, encoding: str, separator: str | None, name: str) -> Bulk | None:
    """Read all records at once.

    Parameters
    ----------
    file : file
        Binary, which can be read from its beginning again.
    encoding : str
        Of the text.
    separator : str or None
        Found out when not given.
    name : str
        What to call the text in an error.

    Returns
    -------
    Bulk or None
        None where lines and records do not correspond, or the text is not throughout what its
        beginning is.

    Raises
    ------
    InputError
        When it is blank, or has no headings.
    """
    with suppress(UnicodeError):
        head = _Passing(file, encoding).head
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
        separator = separator or guess_separator(text)
        headings, start = find_start(head, separator, name)
        if start == len(head):
            return None
        names = [str(position) for position in range(len(headings.names))]
        decimals = _decimals(head[start:].decode(errors="ignore"), separator, names)
        for chosen in [decimals, []] if decimals else [[]]:
            table = _table(_Passing(file, encoding, start), separator, names, chosen)
            if table is not None:
                return Bulk(table.rename_columns(headings.names), headings)
    return None


def find_start(data: bytes, separator: str, name: str) -> tuple[Headings, int]:
    """Find the headings of a text, and the byte where its records start.

    Raises
    ------
    InputError
        When it is blank, or no rows can be told.
    """
    head = data[:SAMPLE].decode(errors="ignore")
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
    rows, ends = [], []
    try:
        for row in reader:
            if any(text.strip() for text in row):
                rows.append(row)
                ends.append(reader.line_num)
            if len(rows) > 60:
                break
    except csv.Error as error:
        raise unreadable(name, error) from error
    if not rows:
        raise InputError("`{name}` is blank. Ask for the file again.", name=name)
    headings = find_headings(rows)
    width = max(map(len, rows[headings.first : headings.body]))
    headings = replace(headings, names=headings.names[:width])
    above = list(islice(io.StringIO(head, newline=""), ends[headings.body - 1]))
    start = len("".join(above).encode())
    if not above[-1].endswith(("\r", "\n")):  # longer than what was looked at
        start = data.find(b"\n", start) + 1 or len(data)
    return headings, start


class _Passing(io.RawIOBase):
    """A text as UTF-8 without mark, from some byte on, which counts its lines as it passes.

    It stops, by a ValueError, at what is no text.
    """

    def __init__(self, file: BinaryIO, encoding: str, start: int = 0) -> None:
        file.seek(0)
        self._file = file
        self._decoder = None if encoding in _PLAIN else codecs.getincrementaldecoder(encoding)()
        self.head = self._next(SAMPLE).removeprefix(codecs.BOM_UTF8)
        self._ahead = self.head[start:]
        self._last = b""
        self._ends = 0
        self.quoted = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        block = self._ahead or self._next(size)
        block, self._ahead = block[:size], block[size:]
        if b"\0" in block:
            raise ValueError("zero bytes")
        self.quoted = self.quoted or b'"' in block
        self._ends += _line_ends(block)
        self._last = block[-1:] or self._last
        return block

    @property
    def lines(self) -> int:
        """How many lines have passed."""
        return self._ends + (self._last not in (b"", b"\n"))

    def _next(self, size: int) -> bytes:
        raw = self._file.read(size)
        if self._decoder is None:
            return raw
        text = self._decoder.decode(raw, final=not raw)
        return text.encode() if text or not raw else self._next(size)


def _line_ends(block: bytes) -> int:
    text = np.frombuffer(block, np.uint8)
    pieces: Iterator[Any] = (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
    return sum(int(np.count_nonzero(piece == 10)) for piece in pieces)


def _table(
    text: _Passing, separator: str, names: list[str], decimals: list[str]
) -> pa.Table | None:
    """Return the records; without quotes, every line is one, blank ones aside."""
    types = dict.fromkeys(names, pa.string()) | dict.fromkeys(decimals, pa.float64())
    try:
        table = pacsv.read_csv(
            pa.PythonFile(text, "r"),
            read_options=pacsv.ReadOptions(column_names=names, block_size=_BLOCK),
            parse_options=pacsv.ParseOptions(delimiter=separator),
            convert_options=pacsv.ConvertOptions(
                column_types=types, null_values=BLANK, strings_can_be_null=True
            ),
        )
    except (pa.ArrowException, ValueError, OSError):
        return None
    return None if text.quoted and table.num_rows != text.lines else table


def _decimals(body: str, separator: str, names: list[str]) -> list[str]:
    """Return the columns that begin with numbers of which some have a decimal point.

    Columns of digits are not among them, as they may be codes.
    """
    rows = [line.rstrip("\r").split(separator) for line in body.split("\n")[:-1][:200]]
    found = []
    for position, name in enumerate(names):
        values = [row[position] for row in rows if position < len(row) and row[position]]
        numbers = all(NUMBER.fullmatch(value) for value in values)
        if numbers and any("." in value for value in values):
            found.append(name)
    return found


_CODE = r"^[-+]?0[0-9]|^\+|^-?[0-9]{12,}$"  # no quantity, or would not survive as one


def read_csv(
    source: Source, *, encoding: str | None = None, separator: str | None = None
) -> pd.DataFrame:
    """Read a delimited file; columns of plain numbers become numbers, all else stays text.

    Codes with leading zeros or 12 digits and more stay text. Notes above the headings and totals
    at the foot are left out and told in ``attrs["notes"]``.

    Parameters
    ----------
    source : Source
        The file.
    encoding, separator : str, optional
        Found out when not given.

    Returns
    -------
    DataFrame
        Every record in order.

    Raises
    ------
    InputError
        When it is no text, or its rows do not fit its headings.
    """
    read = _quickly(source, encoding, separator) or _carefully(source, encoding, separator)
    table, left_out = _without_totals(read.table)
    if table.num_rows == 0:
        raise InputError(
            "`{source}` has headings but no records. Check the file.", source=source.name
        )
    frame = _typed(table).to_pandas()
    note_left_out(frame, read.headings, left_out)
    if read.encoding != "utf-8":
        told = Message("Text encoding: {encoding}.", encoding=read.encoding)
        frame.attrs["notes"] = [told, *frame.attrs["notes"]]
    return frame


class _Read(NamedTuple):
    table: pa.Table
    headings: Headings
    encoding: str


def _quickly(source: Source, encoding: str | None, separator: str | None) -> _Read | None:
    """Read a text that is throughout what its beginning is; None for all others."""
    with source.opened() as file:
        if encoding is not None:
            check_encoding(encoding)
        encoding = encoding or _encoding(file.read(SAMPLE), source.name, cut=True)
        bulk = read_in_bulk(file, encoding, separator, source.name)
    return None if bulk is None else _Read(*bulk, encoding)


def _carefully(source: Source, encoding: str | None, separator: str | None) -> _Read:
    """Look at the whole text, mend it, and read it record by record where need be."""
    raw, name = source.read_bytes(), source.name
    if encoding in (None, "utf-8"):
        encoding = _encoding(raw, name)
    if encoding == "utf-8-sig" and not _is_utf8(raw):  # a mark glued before a text of another kind
        raw = raw.removeprefix(codecs.BOM_UTF8)
        encoding = guess_encoding(raw, name=name)
    data = _as_utf8(raw, encoding, name)
    separator = separator or guess_separator(data[:SAMPLE].decode(errors="ignore"))
    bulk = read_in_bulk(io.BytesIO(data), "utf-8", separator, name)
    if bulk is None:
        headings, start = find_start(data, separator, name)
        bulk = Bulk(_by_row(data, start, separator, headings, name), headings)
    return _Read(*bulk, encoding)


def _encoding(data: bytes, name: str, *, cut: bool = False) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in data and not wide:
        raise InputError(
            "`{name}` is no text (it has zero bytes). Ask for the file again.", name=name
        )
    return guess_encoding(data, cut=cut, name=name)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _as_utf8(data: bytes, encoding: str, name: str) -> bytes:
    """Return the text as UTF-8 with plain line ends, without mark."""
    try:
        if encoding == "utf-8-sig":
            data = data.removeprefix(b"\xef\xbb\xbf")
            data.decode("utf-8")
        elif encoding != "utf-8":
            data = data.decode(encoding).encode()
    except (UnicodeError, LookupError) as error:
        raise InputError(
            "`{name}` is not {encoding} text throughout ({error}). Tell its encoding, or "
            "save it again as UTF-8.",
            name=name,
            encoding=encoding,
            error=error,
        ) from error
    if b"\r" in data and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data


def _by_row(data: bytes, start: int, separator: str, headings: Headings, name: str) -> pa.Table:
    """Read record by record: rows of uneven length, blank lines, line ends within quotes."""
    width = len(headings.names)
    columns: list[list[str | None]] = [[] for _ in range(width)]
    for number, row in _rows(data[start:].decode(), separator, name):
        if not any(text.strip() for text in row):
            continue
        if any(text.strip() for text in row[width:]):
            raise InputError(
                "`{name}`: record {number} has {row} {row:value|values} for {width} "
                "{width:column|columns}. Quote values that hold the separator.",
                name=name,
                number=number,
                row=len(row),
                width=width,
            )
        if width > 1 and any(_swallowed(text, separator, width) for text in row):
            raise InputError(
                "`{name}`: a quotation mark in record {number} swallows the next ones. Remove it.",
                name=name,
                number=number,
            )
        for column, text in zip(columns, [*row, *[""] * width], strict=False):
            column.append(None if text in BLANK else text)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=headings.names)


def _rows(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                "`{name}`: record {number} cannot be read ({error}). Check its quotation marks.",
                name=name,
                number=number,
                error=error,
            ) from error
        yield number, row


def _swallowed(text: str, separator: str, width: int) -> bool:
    """Tell whether a value holds whole records."""
    return "\n" in text and any(line.count(separator) >= width - 1 for line in text.split("\n")[1:])


def _without_totals(table: pa.Table) -> tuple[pa.Table, list[list[str | None]]]:
    """Leave out blank records, subtotals and what stands at the foot."""
    count = table.num_rows
    suspects = set(range(max(0, count - FOOT), count))
    if count <= MANY:
        for column in islice(table.itercolumns(), 2):
            if not pa.types.is_string(column.type):
                continue
            found = pc.match_substring_regex(column, MENTIONS_TOTAL).fill_null(False)
            suspects.update(pc.indices_nonzero(found).to_pylist())
    suspects.update(_blank(table))
    if not suspects:
        return table, []
    rows = sorted(suspects)
    some = table.slice(rows[0]).take([row - rows[0] for row in rows])  # mostly near the end
    columns = [column.to_pylist() for column in some.itercolumns()]
    values = list(zip(*columns, strict=True))
    out = {n: list(v) for n, v in zip(rows, values, strict=True) if _no_record(v)}
    if not out:
        return table, []
    keep = pa.array([True] * count).to_numpy(zero_copy_only=False)
    keep[list(out)] = False
    return table.filter(pa.array(keep)), [row for row in out.values() if any(row)]


def _no_record(row: tuple[str | None, ...]) -> bool:
    return all(map(is_blank, row)) or is_total(row)


def _blank(table: pa.Table) -> list[int]:
    """Return the records without any value."""
    empty = pc.is_null(table.column(0))
    for column in islice(table.itercolumns(), 1, None):
        if not pc.any(empty).as_py():
            return []
        empty = pc.and_(empty, pc.is_null(column))
    return [int(n) for n in pc.indices_nonzero(empty).to_pylist()]


def _typed(table: pa.Table) -> pa.Table:
    """Turn columns of plain numbers into numbers."""
    columns = [_numbers(column) for column in table.itercolumns()]
    return pa.table(columns, names=table.column_names)


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    sample = [text for text in column.slice(0, 200).to_pylist() if text is not None]
    if not sample and column.null_count == len(column):
        return column
    if not all(NUMBER.fullmatch(text) for text in sample):
        return column
    if pc.any(pc.match_substring_regex(column, _CODE)).as_py():
        return column
    for kind in (pa.int64(), pa.float64()):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column
