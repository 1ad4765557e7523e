"""Read delimited text in any encoding and with any separator, in bulk."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pacsv

from gridmap.errors import InputError
from gridmap.io.foot import FOOT, MANY
from gridmap.io.heading import MENTIONS_TOTAL, Headings, find_headings, is_blank, is_total
from gridmap.io.records import note_left_out
from gridmap.io.source import Source, unreadable
from gridmap.io.text import guess_encoding, guess_separator

_SAMPLE = 1 << 16
_PIECE = 1 << 18
_BLANK = ["", "NULL", "null", "NaN", "nan", "NA", "None", "#N/A"]
_CODE = r"^[-+]?0[0-9]|^\+|^-?[0-9]{12,}$"  # no quantity, or would not survive as one
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

csv.field_size_limit(1 << 24)


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
    raw = source.read_bytes()
    encoding = encoding or _encoding(raw, source.name)
    if encoding == "utf-8-sig" and not _is_utf8(raw):  # a mark glued before a text of another kind
        raw = raw.removeprefix(codecs.BOM_UTF8)
        encoding = guess_encoding(raw, name=source.name)
    data = _as_utf8(raw, encoding, source.name)
    separator = separator or guess_separator(data[:_SAMPLE].decode(errors="ignore"))
    headings, start = _headings(data, separator, source.name)
    table = _in_bulk(data, start, separator, headings)
    if table is None:
        if encoding == "utf-8":  # perhaps only its beginning was
            encoding = guess_encoding(raw, name=source.name)
            data = _as_utf8(raw, encoding, source.name)
            headings, start = _headings(data, separator, source.name)
        table = _by_row(data, start, separator, headings, source.name)
    table, left_out = _without_totals(table)
    if table.num_rows == 0:
        raise InputError(f"`{source.name}` has headings but no records. Check the file.")
    frame = _typed(table).to_pandas()
    note_left_out(frame, headings, left_out)
    if encoding != "utf-8":
        zh, en = f"文本编码：{encoding}。", f"Text encoding: {encoding}."
        frame.attrs["notes"] = [(zh, en), *frame.attrs["notes"]]
    return frame


def _encoding(data: bytes, name: str) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in data and not wide:
        raise InputError(f"`{name}` is no text (it has zero bytes). Ask for the file again.")
    return guess_encoding(data[:_SAMPLE], cut=len(data) > _SAMPLE, name=name)


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
            f"`{name}` is not {encoding} text throughout ({error}). Tell its encoding, or save it "
            "again as UTF-8."
        ) from error
    if b"\r" in data and b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    return data


def _headings(data: bytes, separator: str, name: str) -> tuple[Headings, int]:
    """Find the headings, and the byte where the records start."""
    head = data[:_SAMPLE].decode(errors="ignore")
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
    start = 0
    for _ in range(ends[headings.body - 1]):
        start = data.find(b"\n", start) + 1 or len(data)
    return headings, start


def _in_bulk(data: bytes, start: int, separator: str, headings: Headings) -> pa.Table | None:
    """Read all records at once; None where lines and records do not correspond.

    Columns of decimals become numbers on the way. Columns of digits do not, as they may be codes.
    """
    names = [str(position) for position in range(len(headings.names))]
    body = pa.py_buffer(data).slice(start)
    text: dict[str, pa.DataType] = dict.fromkeys(names, pa.string())
    decimals = _decimals(data, start, separator, names)
    quoted = data.find(b'"', start) >= 0  # without, every line is a record, blank ones aside
    lines = _lines(data, start) if quoted else 0
    for types in [text | dict.fromkeys(decimals, pa.float64()), text] if decimals else [text]:
        try:
            table = pacsv.read_csv(
                pa.BufferReader(body),
                read_options=pacsv.ReadOptions(column_names=names, block_size=1 << 21),
                parse_options=pacsv.ParseOptions(delimiter=separator),
                convert_options=pacsv.ConvertOptions(
                    column_types=types, null_values=_BLANK, strings_can_be_null=True
                ),
            )
        except (pa.ArrowException, ValueError):
            continue
        if quoted and table.num_rows != lines:
            return None
        return table.rename_columns(headings.names)
    return None


def _lines(data: bytes, start: int) -> int:
    """Count lines, in pieces that stay in the cache."""
    text = np.frombuffer(data, np.uint8)
    ends = sum(
        int(np.count_nonzero(text[at : at + _PIECE] == 10))
        for at in range(start, len(text), _PIECE)
    )
    return ends + (not data.endswith(b"\n"))


def _decimals(data: bytes, start: int, separator: str, names: list[str]) -> list[str]:
    """Return the columns that begin with numbers of which some have a decimal point."""
    head = data[start : start + _SAMPLE].decode(errors="ignore").split("\n")[:-1][:200]
    rows = [line.rstrip("\r").split(separator) for line in head]
    found = []
    for position, name in enumerate(names):
        values = [row[position] for row in rows if position < len(row) and row[position]]
        numbers = all(_NUMBER.fullmatch(value) for value in values)
        if numbers and any("." in value for value in values):
            found.append(name)
    return found


def _by_row(data: bytes, start: int, separator: str, headings: Headings, name: str) -> pa.Table:
    """Read record by record: rows of uneven length, blank lines, line ends within quotes."""
    width = len(headings.names)
    columns: list[list[str | None]] = [[] for _ in range(width)]
    for number, row in _rows(data[start:].decode(), separator, name):
        if not any(text.strip() for text in row):
            continue
        if any(text.strip() for text in row[width:]):
            raise InputError(
                f"`{name}`: record {number} has {len(row)} values for {width} columns. "
                "Quote values that hold the separator."
            )
        if width > 1 and any(_swallowed(text, separator, width) for text in row):
            raise InputError(
                f"`{name}`: a quotation mark in record {number} swallows the next ones. Remove it."
            )
        for column, text in zip(columns, [*row, *[""] * width], strict=False):
            column.append(None if text in _BLANK else text)
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
                f"`{name}`: record {number} cannot be read ({error}). Check its quotation marks."
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
