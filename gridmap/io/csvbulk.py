"""Read delimited text in bulk: each block is looked at once, on its way to Arrow."""

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
import pyarrow as pa
from pyarrow import csv as pacsv

from gridmap.errors import InputError
from gridmap.io.header import Headings, find_headings
from gridmap.io.source import unreadable
from gridmap.io.text import guess_separator

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
        raise InputError(f"`{name}` is blank. Ask for the file again.")
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
