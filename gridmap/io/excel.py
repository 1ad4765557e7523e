"""Read workbooks, old (.xls) and new (.xlsx): merged headings, notes, totals, several sheets."""

from __future__ import annotations

import datetime
import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from gridmap.errors import InputError
from gridmap.io.header import Headings, find_headings, is_blank, is_total, known_headings
from gridmap.io.source import Source, unreadable
from gridmap.io.text import fold, parse_number
from gridmap.language import Message

_CODE = 10**11  # whole numbers from here on are codes
_SUBTOTAL = ("小计", "subtotal")


def frame_of(headings: Headings, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Make records of the rows under the headings; totals and blank rows are left out and noted.

    Parameters
    ----------
    headings : Headings
        What `find_headings` found.
    rows : iterable of rows
        Those of the body, with values as a spreadsheet types them.

    Returns
    -------
    DataFrame
        Numbers as int64 or float64 where a whole column is, else text.
    """
    width = len(headings.names)
    kept: list[list[Any]] = []
    left_out: list[list[Any]] = []
    for row in rows:
        values = [None if is_blank(value) else value for value in [*row, *[None] * width][:width]]
        if all(value is None for value in values):
            continue
        (left_out if is_total(values) else kept).append(values)
    columns = [[row[position] for row in kept] for position in range(width)]
    frame = pd.DataFrame(
        {position: _column(values) for position, values in enumerate(columns)},
        index=pd.RangeIndex(len(kept)),
    )
    frame.columns = pd.Index(headings.names)
    blank = [all(value is None for value in column) for column in columns]
    unnamed = [name.startswith("column_") for name in headings.names]
    frame = frame.loc[:, [not (b and u) for b, u in zip(blank, unnamed, strict=True)]]
    note_left_out(frame, headings, left_out)
    return frame


def note_left_out(
    frame: pd.DataFrame, headings: Headings, left_out: Sequence[Sequence[Any]]
) -> None:
    """Note on a frame what stood above and below its records, and whether totals agree."""
    notes = list(frame.attrs.get("notes", []))
    if headings.above:
        text = "；".join(headings.above)[:120]
        notes.append(Message("Left out above the headings: {text}", text=text))
    for row in left_out:
        text = " ".join(str(value) for value in row if not is_blank(value))[:120]
        notes.append(Message("Left out, being no record: {text}", text=text))
        notes.extend(_disagreements(frame, headings, row))
    frame.attrs["notes"] = notes


def _disagreements(frame: pd.DataFrame, headings: Headings, row: Sequence[Any]) -> list[Message]:
    """Compare a total with the sum of the records above it."""
    texts = [fold(value) for value in row if not is_blank(value)]
    if not texts or texts[0].startswith(_SUBTOTAL):
        return []
    found = []
    for name, value in zip(headings.names, row, strict=False):
        said = parse_number(value)
        if said is None or name not in frame or not isinstance(frame[name], pd.Series):
            continue
        numbers = [parse_number(v) for v in frame[name]]
        known = [number for number in numbers if number is not None]
        total = float(np.sum(known)) if known else said
        if len(known) > len(numbers) / 2 and abs(total - said) > 1e-6 * max(1.0, abs(said)):
            found.append(
                Message(
                    "Beware: the total says {said:,.10g} {name}, the records {total:,.10g}.",
                    said=said,
                    name=name,
                    total=total,
                )
            )
    return found


def _column(values: list[Any]) -> Any:
    """Give a column one type: numbers, times, or text."""
    present = [value for value in values if value is not None]
    if present and all(_is_int(value) for value in present):
        whole = [None if value is None else int(value) for value in values]
        small = all(abs(int(value)) < _CODE for value in present)
        if small and len(present) == len(values):
            return np.array(whole, dtype=np.int64)
        if small:
            return np.array([np.nan if v is None else v for v in whole], dtype=np.float64)
    if present and all(map(_is_number, present)) and not all(map(_is_int, present)):
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    if present and all(isinstance(value, datetime.datetime) for value in present):
        return pd.Series(values, dtype=object).map(_moment)
    return pd.array([None if v is None else _text(v) for v in values], dtype="str")


def _moment(value: Any) -> Any:
    return pd.NaT if value is None else pd.Timestamp(value)


def _is_int(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(int(value)) if _is_int(value) else str(value).strip()


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
                "`{source}` has no sheet {layer!r}; it has {sheets}.",
                source=source.path,
                layer=source.layer,
                sheets=[*sheets],
            )
        sheets = {source.layer: sheets[source.layer]}
    frames = {name: _frame(rows) for name, rows in sheets.items() if rows}
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        raise InputError("`{source}` has no records. Check the sheet.", source=source.name)
    known = {name: f for name, f in frames.items() if known_headings(list(f)) >= _KNOWN}
    tables = known or frames
    whole = next(iter(tables.values())) if len(tables) == 1 else _together(tables, source)
    aside = [name for name in frames if name not in tables]
    if aside:
        note = Message("Sheets left out, without known headings: {sheets}.", sheets=aside)
        whole.attrs["notes"] = [*whole.attrs.get("notes", []), note]
    return whole


def sheet_names(source: Source) -> list[str]:
    """Return the visible sheets that hold records."""
    names = [name for name, rows in read_rows(source).items() if len(_frame(rows))]
    if not names:
        raise InputError("`{source}` has no records. Check the sheet.", source=source.name)
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
            "`{source}` has several tables: sheets {frames}. Name one: `{source_2}:{frames_2}`.",
            source=source.name,
            frames=[*frames],
            source_2=source.path,
            frames_2=next(iter(frames)),
        )
    parts = [frame.assign(sheet=name) for name, frame in frames.items()]
    mixed = [c for c in first.columns if len({str(frame[c].dtype) for frame in parts}) > 1]
    parts = [part.astype(dict.fromkeys(mixed, "object")) for part in parts]
    whole = pd.concat(parts, ignore_index=True)
    notes = [note for frame in frames.values() for note in frame.attrs.get("notes", [])]
    notes.append(Message("{n:,} {n:sheet|sheets} joined: {names}.", n=len(frames), names=[*frames]))
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
