"""Read delimited text whole: in bulk through Arrow, or by the stream where rows are uneven."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pacsv

from gridmap.errors import InputError
from gridmap.io.batches import FOOT, MOST_SEARCHED, is_blank_text
from gridmap.io.csv_stream import SAMPLE, find_start, open_text
from gridmap.io.encodings import choose_encoding, is_shifted, named_encoding
from gridmap.io.excel import note_left_out
from gridmap.io.header import MENTIONS_TOTAL, Headings, is_blank, is_total
from gridmap.io.source import Source
from gridmap.io.text import guess_separator
from gridmap.language import Message

BLANK = ["", "NULL", "null", "NaN", "nan", "NA", "None", "#N/A"]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_CODE = r"^[-+]?0[0-9]|^\+|^-?[0-9]{12,}(?:\.0*)?$|[eE]\+?(?:1[1-9]|2[0-9])$"
"""What is no quantity, or would not survive as one, or did not."""
_BLOCK = 1 << 22
_PIECE = 1 << 18  # stays in the cache while its lines are counted
_PLAIN = ("utf-8", "utf-8-sig")
_NAMED = 3  # broken rows named in a message


class _Read(NamedTuple):
    """A table below its headings; columns of decimals are numbers, all else is text."""

    table: pa.Table
    headings: Headings
    encoding: str
    broken: dict[int, int]


def read_csv(
    source: Source,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    keep_broken: bool = False,
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
    keep_broken : bool
        Whether rows of too many values, or with an open quotation mark, are kept and named in
        ``attrs["broken"]`` rather than refused.

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
    if not keep_broken:
        _refuse_broken(read, source.name)
    table, left_out, kept = _without_totals(read.table, source.size)
    columns = {name: _numbers(table.column(name)) for name in table.column_names}
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    note_left_out(frame, read.headings, left_out)
    frame.attrs["encoding"] = read.encoding
    if read.broken:
        _note_broken(frame, read.broken, kept)
    return frame


def _quickly(source: Source, encoding: str | None, separator: str | None) -> _Read | None:
    """Read a text that is throughout what its beginning is; None for all others."""
    with source.opened() as file, suppress(UnicodeError):
        head = file.read(SAMPLE)
        if encoding is not None:
            encoding = named_encoding(encoding)
        elif b"\0" in head or is_shifted(head) or not head.removeprefix(codecs.BOM_UTF8).isascii():
            encoding = choose_encoding(head, cut=True, name=source.name)
        else:
            encoding = "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"
        head = _Passing(file, encoding).head
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
        separator = separator or guess_separator(text)
        start = find_start(head, separator, source.name)
        if start.byte == len(head):
            return None
        names = [str(position) for position in range(len(start.headings.names))]
        decimals = _decimals(head[start.byte :].decode(errors="ignore"), separator, names)
        for chosen in [decimals, []] if decimals else [[]]:
            table = _table(_Passing(file, encoding, start.byte), separator, names, chosen)
            if table is not None:
                return _Read(
                    table.rename_columns(start.headings.names), start.headings, encoding, {}
                )
    return None


def _carefully(source: Source, encoding: str | None, separator: str | None) -> _Read:
    """Read by the stream, which looks at the whole text and mends what can be mended."""
    text = open_text(source, encoding=encoding, separator=separator)
    assert text.headings is not None
    parts, broken, rows = [], dict[int, int](), 0
    for batch in text.batches():
        broken |= {rows + at: values for at, values in batch.broken.items()}
        rows += batch.table.num_rows
        parts.append(batch.table)
    names = [str(position) for position in range(len(text.names))]
    table = pa.Table.from_batches(parts, text.schema).rename_columns(names)
    columns = [_without_blanks(column) for column in table.itercolumns()]
    return _Read(pa.table(columns, names=list(text.names)), text.headings, text.encoding, broken)


def _without_blanks(column: pa.ChunkedArray) -> pa.ChunkedArray:
    nothing = pc.is_in(column, value_set=pa.array(BLANK, pa.string()))
    return pc.if_else(nothing, pa.scalar(None, pa.string()), column)


def _refuse_broken(read: _Read, name: str) -> None:
    """Refuse rows that hold more than the headings, or an open quotation mark."""
    width = len(read.headings.names)
    for row, values in read.broken.items():
        if values == 0:
            raise InputError(
                "`{name}`: a quotation mark in record {row} swallows the next ones. Check its "
                "quotation marks.",
                name=name,
                row=row + 1,
            )
        if values > width:
            raise InputError(
                "`{name}`: record {row} has {values} {values:value|values} for {width} "
                "{width:column|columns}. Quote values that hold the separator.",
                name=name,
                row=row + 1,
                values=values,
                width=width,
            )


def _note_broken(frame: pd.DataFrame, broken: dict[int, int], kept: Any) -> None:
    """Tell which records are broken, counted as they now stand."""
    place = np.cumsum(kept) - 1
    rows = [int(place[row]) for row in broken if kept[row]]
    if not rows:
        return
    listed = ", ".join(str(row + 1) for row in rows[:_NAMED]) + (" …" if len(rows) > _NAMED else "")
    frame.attrs["broken"] = rows
    frame.attrs["notes"].append(
        Message(
            "{rows:,} {rows:record has|records have} too few or too many values (row "
            "{listed}); they are kept, columns that lack are blank.",
            rows=len(rows),
            listed=listed,
        )
    )


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
        numbers = all(_NUMBER.fullmatch(v) and not re.search(_CODE, v) for v in values)
        if numbers and any("." in value and not value.endswith(".0") for value in values):
            found.append(name)
    return found


def _without_totals(table: pa.Table, size: int) -> tuple[pa.Table, list[list[str | None]], Any]:
    """Leave out blank records, subtotals and what stands at the foot; tell which rows stay."""
    count = table.num_rows
    suspects = set(range(max(0, count - FOOT), count))
    if size <= MOST_SEARCHED:
        for column in islice(table.itercolumns(), 2):
            if not pa.types.is_string(column.type):
                continue
            found = pc.match_substring_regex(column, MENTIONS_TOTAL).fill_null(False)
            suspects.update(pc.indices_nonzero(found).to_pylist())
    keep = np.ones(count, dtype=bool)
    keep[is_blank_text(table)] = False
    left_out = []
    for at in sorted(suspects):
        row = [column[at].as_py() for column in table.itercolumns()]
        if not all(map(is_blank, row)) and is_total(row):
            keep[at] = False
            left_out.append(row)
    return (table if keep.all() else table.filter(pa.array(keep))), left_out, keep


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn a column of plain numbers into numbers."""
    if not pa.types.is_string(column.type):
        return column
    sample = [text for text in column.slice(0, 200).to_pylist() if text is not None]
    if not sample and column.null_count == len(column):
        return column
    if not all(_NUMBER.fullmatch(text) for text in sample):
        return column
    if pc.any(pc.match_substring_regex(column, _CODE)).as_py():
        return column
    for kind in (pa.int64(), pa.float64()):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column
