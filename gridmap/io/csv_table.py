"""Read delimited text in any encoding and with any separator, in bulk."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gridmap.errors import InputError
from gridmap.io.batches import FOOT, MANY
from gridmap.io.csvbulk import BLANK, NUMBER, SAMPLE, Bulk, find_start, read_in_bulk
from gridmap.io.header import MENTIONS_TOTAL, Headings, is_blank, is_total
from gridmap.io.records import note_left_out
from gridmap.io.source import Source
from gridmap.io.text import check_encoding, guess_encoding, guess_separator

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
        raise InputError(f"`{source.name}` has headings but no records. Check the file.")
    frame = _typed(table).to_pandas()
    note_left_out(frame, read.headings, left_out)
    if read.encoding != "utf-8":
        zh, en = f"文本编码：{read.encoding}。", f"Text encoding: {read.encoding}."
        frame.attrs["notes"] = [(zh, en), *frame.attrs["notes"]]
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
        raise InputError(f"`{name}` is no text (it has zero bytes). Ask for the file again.")
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
            f"`{name}` is not {encoding} text throughout ({error}). Tell its encoding, or save it "
            "again as UTF-8."
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
                f"`{name}`: record {number} has {len(row)} values for {width} columns. "
                "Quote values that hold the separator."
            )
        if width > 1 and any(_swallowed(text, separator, width) for text in row):
            raise InputError(
                f"`{name}`: a quotation mark in record {number} swallows the next ones. Remove it."
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
