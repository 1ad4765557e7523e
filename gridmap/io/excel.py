"""Read workbooks, old (.xls) and new (.xlsx): merged headings, notes, totals, several sheets."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pandas as pd

from gridmap.errors import InputError
from gridmap.io.header import find_headings, is_blank, known_headings
from gridmap.io.records import frame_of
from gridmap.io.source import Source, unreadable

Rows = list[list[Any]]
Merge = tuple[int, int, int, int]  # first row, last row, first column, last column

_KNOWN = 2  # headings by which a table is told from a cover sheet
_HEADER_ROWS = 40  # merged cells matter among the headings only
_MOST_CELLS = 50_000_000
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    ElementTree.ParseError,
    struct.error,
    re.error,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    AssertionError,
    EOFError,
    OSError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    MemoryError,
    ArithmeticError,
)


def read_sheet(source: Source) -> pd.DataFrame:
    """Read one table from a workbook.

    A cover sheet, without known headings, is left out. Sheets with the same headings, as one for
    each community, are put below each other with a column ``sheet``; of sheets that differ, one
    must be named.

    Parameters
    ----------
    source : Source
        The workbook; ``source.layer`` names a sheet.

    Returns
    -------
    DataFrame
        Every record in order; ``attrs["notes"]`` tells what was left out.

    Raises
    ------
    InputError
        When it cannot be read, has no table, or has several that differ.
    """
    sheets = read_rows(source)
    if source.layer is not None:
        if source.layer not in sheets:
            raise InputError(
                f"`{source.path}` has no sheet {source.layer!r}; it has {', '.join(sheets)}."
            )
        sheets = {source.layer: sheets[source.layer]}
    frames = {name: _frame(rows) for name, rows in sheets.items() if rows}
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        raise InputError(f"`{source.name}` has no records. Check the sheet.")
    known = {name: f for name, f in frames.items() if known_headings(list(f)) >= _KNOWN}
    tables = known or frames
    whole = next(iter(tables.values())) if len(tables) == 1 else _together(tables, source)
    aside = [name for name in frames if name not in tables]
    if aside:
        zh, en = "、".join(aside), ", ".join(aside)
        note = (f"未读取的工作表：{zh}。", f"Sheets left out, without known headings: {en}.")
        whole.attrs["notes"] = [*whole.attrs.get("notes", []), note]
    return whole


def sheet_names(source: Source) -> list[str]:
    """Return the visible sheets that hold records."""
    names = [name for name, rows in read_rows(source).items() if len(_frame(rows))]
    if not names:
        raise InputError(f"`{source.name}` has no records. Check the sheet.")
    return names


def read_rows(source: Source) -> dict[str, Rows]:
    """Return the rows of every visible sheet, merged headings filled in."""
    data = source.read_bytes()
    read = _rows_xls if data.startswith(b"\xd0\xcf\x11\xe0") else _rows_xlsx
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _guarded(read, data)
    except _BROKEN as error:
        raise unreadable(source.name, error) from error


def _guarded(read: Callable[[bytes], dict[str, Rows]], data: bytes) -> dict[str, Rows]:
    if read is _rows_xlsx:
        return read(data)
    import xlrd

    try:
        return read(data)
    except (xlrd.XLRDError, xlrd.compdoc.CompDocError) as error:
        raise ValueError(str(error)) from error


def _frame(rows: Rows) -> pd.DataFrame:
    rows = [row for row in rows if not all(map(is_blank, row))]
    if not rows:
        return pd.DataFrame()
    headings = find_headings(rows)
    return frame_of(headings, rows[headings.body :])


def _together(frames: dict[str, pd.DataFrame], source: Source) -> pd.DataFrame:
    """Put sheets of the same headings below each other."""
    first = next(iter(frames.values()))
    if any(list(frame.columns) != list(first.columns) for frame in frames.values()):
        raise InputError(
            f"`{source.name}` has several tables: sheets {', '.join(frames)}. "
            f"Name one: `{source.path}:{next(iter(frames))}`."
        )
    parts = [frame.assign(sheet=name) for name, frame in frames.items()]
    mixed = [c for c in first.columns if len({str(frame[c].dtype) for frame in parts}) > 1]
    parts = [part.astype(dict.fromkeys(mixed, "object")) for part in parts]
    whole = pd.concat(parts, ignore_index=True)
    notes = [note for frame in frames.values() for note in frame.attrs.get("notes", [])]
    names = "、".join(frames)
    notes.append(
        (f"合并读取 {len(frames)} 个工作表：{names}。", f"{len(frames)} sheets joined: {names}.")
    )
    whole.attrs["notes"] = notes
    return whole


def _rows_xlsx(data: bytes) -> dict[str, Rows]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    found = {}
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            continue
        if sheet.max_row * sheet.max_column > _MOST_CELLS:
            raise ValueError(f"sheet {sheet.title!r} claims {sheet.max_row:,} rows")
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
        merges = [
            (m.min_row - 1, m.max_row - 1, m.min_col - 1, m.max_col - 1)
            for m in sheet.merged_cells.ranges
        ]
        found[str(sheet.title)] = _filled(rows, merges)
    return found


def _rows_xls(data: bytes) -> dict[str, Rows]:
    import xlrd

    book = xlrd.open_workbook(file_contents=data, formatting_info=True, logfile=io.StringIO())
    found = {}
    for sheet in book.sheets():
        if sheet.visibility:
            continue
        rows = [
            [_xls_value(book, cell) for cell in sheet.row(number)] for number in range(sheet.nrows)
        ]
        merges = [(r0, r1 - 1, c0, c1 - 1) for r0, r1, c0, c1 in sheet.merged_cells]
        found[str(sheet.name)] = _filled(rows, merges)
    return found


def _xls_value(book: Any, cell: Any) -> Any:
    import xlrd

    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return None
    if cell.ctype == xlrd.XL_CELL_DATE:
        return xlrd.xldate_as_datetime(cell.value, book.datemode)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "#ERROR")
    return cell.value


def _filled(rows: Rows, merges: list[Merge]) -> Rows:
    """Repeat merged values over their cells: along the headings, and down the records."""
    for top, bottom, left, right in merges:
        if top >= len(rows) or left >= len(rows[top]):
            continue
        value = rows[top][left]
        whole_row = right - left + 1 >= len(rows[top])  # a title over everything
        if whole_row or (top >= _HEADER_ROWS and right > left):
            continue
        for row in rows[top : bottom + 1]:
            row[left : right + 1] = [value] * len(row[left : right + 1])
    return rows
