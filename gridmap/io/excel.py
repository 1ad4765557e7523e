"""Read workbooks, old (.xls), new (.xlsx) and open (.ods): one reader for whole and streamed input.

A sheet is a stream of rows. Merged headings are filled in, merged values repeated down the records
but for counts, which would be counted again; notes above, totals and blank rows are left out and
told; what cannot be read whole is refused.
"""

from __future__ import annotations

import datetime
import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from gridmap.errors import InputError
from gridmap.io.columns import is_additive, places_among
from gridmap.io.header import Headings, find_headings, is_blank, is_total, known_headings
from gridmap.io.limits import check_workbook
from gridmap.io.source import Source, telling
from gridmap.io.text import fold, parse_number
from gridmap.language import Message

Row = list[Any]

_KNOWN = 2  # headings by which a table is told from a cover sheet
_HEAD = 60  # rows among which headings are looked for
_CODE = 10**11  # whole numbers from here on are codes
_SUBTOTAL = ("小计", "subtotal")
_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*ref=\"([A-Z]+[0-9]+:[A-Z]+[0-9]+)\"")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, ElementTree.ParseError, struct.error, re.error, KeyError,
    ValueError, TypeError, AttributeError, IndexError, AssertionError, EOFError, OSError,
    RuntimeError, ArithmeticError,
)  # fmt: skip


class Merge(NamedTuple):
    """A block of merged cells, from 0, ends included."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class Sheet:
    """One visible sheet: its rows as often as they are asked for, numbered from 0.

    Attributes
    ----------
    name : str
    rows : callable
        Yields number and values of each row, merged cells as they are stored.
    merges : list of Merge
    first_day : int
        1904 in a workbook that counts days from that year.
    """

    name: str
    rows: Callable[[], Iterator[tuple[int, Row]]]
    merges: list[Merge] = field(default_factory=list)
    first_day: int = 1900


@dataclass
class SheetTable:
    """A sheet as a table: headings, and records below them.

    Attributes
    ----------
    sheet : Sheet
    headings : Headings
    body : int
        Number of the row where the records begin.
    left_out : list of rows
        Totals and signatures that the last pass left out.
    notes : list of Message
        What the last pass left out otherwise.
    """

    sheet: Sheet
    headings: Headings
    body: int
    left_out: list[Row] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """One name a column."""
        return self.headings.names

    def records(self) -> Iterator[Row]:
        """Yield the records in order, each as wide as the headings, blanks as None."""
        self.left_out.clear()
        self.notes.clear()
        width = len(self.names)
        stray, merged = 0, _Repeats(self.sheet.merges, self.names, self.body)
        for number, row in self.sheet.rows():
            if number < self.body:
                continue
            if len(row) > width:
                stray += sum(not is_blank(value) for value in row[width:])
            values = [
                value if (type(value) is str and value.strip()) or not is_blank(value) else None
                for value in row[:width]
            ]
            if values.count(None) == len(values):
                continue
            values += [None] * (width - len(values))
            if is_total(values):
                self.left_out.append(values)
                continue
            yield merged.fill(number, values)
        self.notes += merged.notes()
        if stray:
            told = Message(
                "Left out: {n:,} {n:cell|cells} beside the table on sheet {name!r}.",
                n=stray,
                name=self.sheet.name,
            )
            self.notes.append(told)


class _Repeats:
    """Values of merged cells below their first row: repeated, but counts only once.

    What stands beneath a merged cell, as WPS keeps it, nobody sees: it is left out.
    """

    def __init__(self, merges: Sequence[Merge], names: list[str], body: int) -> None:
        self._by_top: dict[int, list[Merge]] = {}
        for merge in merges:
            if merge.top >= body and merge.left < len(names):
                self._by_top.setdefault(merge.top, []).append(merge)
        self._additive = [is_additive(name) for name in names]
        self._names = names
        self._active: dict[int, tuple[int, Any]] = {}
        self._once: dict[str, tuple[int, Any]] = {}
        self._hidden = 0

    def fill(self, number: int, row: Row) -> Row:
        """Fill a row of records."""
        if not self._by_top and not self._active:
            return row
        for column, (bottom, value) in list(self._active.items()):
            if number > bottom:
                del self._active[column]
            else:
                self._hidden += row[column] is not None
                row[column] = value
        for merge in self._by_top.get(number, ()):
            self._begin(merge, row)
        return row

    def _begin(self, merge: Merge, row: Row) -> None:
        """Take note of what is below and beside the first cell of a block."""
        value = row[merge.left]
        for column in range(merge.left + 1, min(merge.right + 1, len(row))):
            self._hidden += row[column] is not None
            row[column] = None
            self._active[column] = (merge.bottom, None)
        if value is not None and self._additive[merge.left] and merge.bottom > merge.top:
            count, first = self._once.get(self._names[merge.left], (0, value))
            self._once[self._names[merge.left]] = (count + 1, first)
            value = 0
        self._active[merge.left] = (merge.bottom, value)

    def notes(self) -> list[Message]:
        """Tell which counts stood in merged cells, and what these hid."""
        told = [
            Message(
                "{name}: {count:,} merged {count:cell|cells}, each counted once, in its first row "
                "(as {first}); the rows below have 0.",
                name=name,
                count=count,
                first=first,
            )
            for name, (count, first) in self._once.items()
        ]
        if self._hidden:
            hidden = Message("Left out: {n:,} {n:value|values} that merged cells hide.")
            told.append(hidden(n=self._hidden))
        return told


def read_sheet(source: Source, *, places: bool = False) -> pd.DataFrame:
    """Read one table from a workbook.

    A cover sheet, without known headings, is left out. Sheets with the same headings, as one for
    each community, are put below each other with a column ``sheet``; of sheets that differ, one
    must be named.

    Parameters
    ----------
    source : Source
        The workbook; ``source.layer`` names a sheet.
    places : bool
        Whether, of sheets that differ, the only one with coordinates is meant.

    Returns
    -------
    DataFrame
        Every record in order; ``attrs["notes"]`` tells what was left out.

    Raises
    ------
    InputError
        When it cannot be read, has no table, or has several that differ.
    """
    with telling(source.name, _BROKEN):
        tables, aside = chosen_tables(source, places=places)
        frames = {table.sheet.name: _frame(table) for table in tables}
    none = not any(len(frame) for frame in frames.values())
    whole = next(iter(frames.values())) if none or len(frames) == 1 else _together(frames)
    whole.attrs["notes"] = [*whole.attrs.get("notes", []), *aside]
    whole.attrs["first_day"] = tables[0].sheet.first_day
    return whole


def sheet_names(source: Source) -> list[str]:
    """Return the visible sheets that hold a table."""
    names = [table.sheet.name for table in _tables(source)]
    if not names:
        raise InputError("`{source}` has no records. Check the sheet.", source=source.name)
    return names


def chosen_tables(
    source: Source, *, places: bool = False, named: Sequence[str] = ()
) -> tuple[list[SheetTable], list[Message]]:
    """Return the sheets to read, which have the same headings, and what is told of the others.

    Parameters
    ----------
    source : Source
    places : bool
        As of `read_sheet`.
    named : sequence of str
        Columns that the user named; sheets that have them are meant.

    Raises
    ------
    InputError
        When there is no table, or several that differ.
    """
    tables = _tables(source)
    if source.layer is not None:
        found = [table for table in tables if table.sheet.name == source.layer]
        if not found:
            listed = ", ".join(table.sheet.name for table in tables)
            raise InputError(
                "`{source}` has no sheet {layer!r}; it has {listed}.",
                source=source.path,
                layer=source.layer,
                listed=listed,
            )
        return found, []
    if not tables:
        raise InputError("`{source}` has no records. Check the sheet.", source=source.name)
    meant = [t for t in tables if named and set(named) <= set(t.names)]
    known = [t for t in tables if known_headings(t.names) >= _KNOWN]
    chosen = meant or known or tables
    if len({tuple(table.names) for table in chosen}) > 1 and places:
        chosen = [table for table in chosen if places_among(table.names)] or chosen
    if len({tuple(table.names) for table in chosen}) > 1:
        listed = ", ".join(table.sheet.name for table in chosen)
        raise InputError(
            "`{source}` has several tables: sheets {listed}. Name one: `{source_2}:{sheet}`.",
            source=source.name,
            listed=listed,
            source_2=source.path,
            sheet=chosen[0].sheet.name,
        )
    aside = [table.sheet.name for table in tables if table not in chosen]
    if not aside:
        return chosen, []
    note = Message("Sheets left out, without known headings: {aside}.", aside=[*aside])
    return chosen, [note]


def _tables(source: Source) -> list[SheetTable]:
    """Return the visible sheets that are more than blank."""
    with telling(source.name, _BROKEN):
        found = [_table(sheet) for sheet in open_sheets(source)]
    return [table for table in found if table is not None]


def _table(sheet: Sheet) -> SheetTable | None:
    """Find the headings of a sheet; None when it is blank."""
    rows = [(n, row) for n, row in islice(sheet.rows(), _HEAD) if not all(map(is_blank, row))]
    if not rows:
        return None
    numbers = [number for number, _ in rows]
    filled = _headings_filled([row for _, row in rows], numbers, sheet.merges)
    headings = find_headings(filled)
    names = headings.names[: max(map(_width, filled[headings.first : headings.body]), default=0)]
    return SheetTable(
        sheet, Headings(names, headings.first, headings.depth, headings.above),
        numbers[headings.body - 1] + 1,
    )  # fmt: skip


def _width(row: Row) -> int:
    """Return up to which column a row is filled."""
    return max((n for n, value in enumerate(row, start=1) if not is_blank(value)), default=0)


def _headings_filled(rows: list[Row], numbers: list[int], merges: Sequence[Merge]) -> list[Row]:
    """Repeat merged headings over their cells; a title over a whole row is none."""
    place = {number: at for at, number in enumerate(numbers)}
    filled = [list(row) for row in rows]
    for merge in merges:
        at = place.get(merge.top)
        if at is None or merge.left >= len(filled[at]):
            continue
        value, wide = filled[at][merge.left], merge.right - merge.left + 1
        if is_blank(value) or wide >= max(_width(row) for row in filled):
            continue
        for number in range(merge.top, merge.bottom + 1):
            if number in place:
                row = filled[place[number]]
                row += [None] * (merge.right + 1 - len(row))
                row[merge.left : merge.right + 1] = [value] * wide
    return filled


def open_sheets(source: Source) -> list[Sheet]:
    """Open the visible sheets of a workbook.

    Raises
    ------
    InputError
        When it is damaged, or would take more memory than a workbook may.
    """
    with source.opened() as file:
        head = file.read(8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            return _sheets_xls(source.read_bytes())
        return _sheets_xlsx(source)


def _sheets_xlsx(source: Source) -> list[Sheet]:
    from gridmap.io.plain_sheets import plain_sheets

    data = source.read_bytes()
    check_workbook(data, source.name)
    if _is_open(data):
        return _sheets_ods(data)
    if (plain := plain_sheets(data)) is not None:
        return [Sheet(sheet.name, sheet.rows, _blocks(sheet.merges)) for sheet in plain]
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    first_day = 1904 if book.epoch.year == 1904 else 1900
    return [
        Sheet(str(sheet.title), _reader(sheet), _merges(sheet), first_day)
        for sheet in book.worksheets
        if sheet.sheet_state == "visible"
    ]


def _reader(sheet: Any) -> Callable[[], Iterator[tuple[int, Row]]]:
    """Return what yields the rows of a sheet, as they are stored and not as it claims."""
    from openpyxl.worksheet._reader import WorkSheetParser

    def rows() -> Iterator[tuple[int, Row]]:
        book, last = sheet.parent, 0
        with sheet._get_source() as data, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser = WorkSheetParser(
                data, sheet._shared_strings, data_only=True, epoch=book.epoch,
                date_formats=book._date_formats, timedelta_formats=book._timedelta_formats,
            )  # fmt: skip
            for number, cells in parser.parse():
                if number <= last:
                    raise _twice(sheet.title, f"row {number}")
                last = number
                yield number - 1, _row(cells, sheet.title)

    return rows


def _row(cells: list[dict[str, Any]], title: str) -> Row:
    row: Row = []
    for cell in cells:
        column = cell["column"]
        if column <= len(row):
            raise _twice(title, f"a cell of row {cell['row']}")
        row.extend([None] * (column - len(row)))
        row[column - 1] = cell["value"]
    return row


def _twice(title: str, what: str) -> InputError:
    return InputError(
        "Sheet {title!r} is damaged: {what} stands twice or out of order. Open it in "
        "Excel or WPS, look at it, and save it again.",
        title=title,
        what=what,
    )


def _merges(sheet: Any) -> list[Merge]:
    """Return the merged cells, which stand behind the rows."""
    found, tail = list[str](), b""
    with sheet._get_source() as data:
        while block := data.read(1 << 20):
            text = tail + block
            ends = 0
            for match in _MERGE.finditer(text):
                found.append(match[1].decode())
                ends = match.end()
            tail = text[max(ends, len(text) - 200) :]
    return _blocks(found)


def _blocks(ranges: list[str]) -> list[Merge]:
    if not ranges:
        return []
    from openpyxl.utils import range_boundaries

    return [
        Merge(top - 1, bottom - 1, left - 1, right - 1)
        for left, top, right, bottom in map(range_boundaries, ranges)
        if left and top and right and bottom  # whole rows and columns are no blocks
    ]


def _sheets_xls(data: bytes) -> list[Sheet]:
    import xlrd
    from xlrd.biffh import XLRDError
    from xlrd.compdoc import CompDocError

    try:
        book = xlrd.open_workbook(file_contents=data, formatting_info=True, logfile=io.StringIO())
        first_day = 1904 if book.datemode else 1900
        return [
            _sheet_xls(book, sheet, first_day) for sheet in book.sheets() if not sheet.visibility
        ]
    except (XLRDError, CompDocError) as error:
        raise ValueError(str(error)) from error


def _sheet_xls(book: Any, sheet: Any, first_day: int) -> Sheet:
    rows = [[_xls_value(book, cell) for cell in sheet.row(at)] for at in range(sheet.nrows)]
    merges = [Merge(r0, r1 - 1, c0, c1 - 1) for r0, r1, c0, c1 in sheet.merged_cells]
    return Sheet(str(sheet.name), lambda: enumerate(rows), merges, first_day)


def _xls_value(book: Any, cell: Any) -> Any:
    import xlrd

    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return None
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return xlrd.xldate_as_datetime(cell.value, book.datemode)
        except (OverflowError, ValueError):
            return "#VALUE!"
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "#ERROR")
    return cell.value


def _sheets_ods(data: bytes) -> list[Sheet]:
    from gridmap.io.plain_sheets import open_document_sheets

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = open_document_sheets(archive)
    return [Sheet(sheet.name, sheet.rows, _blocks(sheet.merges)) for sheet in found]


def _is_open(data: bytes) -> bool:
    """Tell an open workbook, whatever its name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
    return "content.xml" in names and "xl/workbook.xml" not in names


def _frame(table: SheetTable) -> pd.DataFrame:
    """Return the records of a sheet: numbers where a whole column is, else text."""
    kept = list(table.records())
    width = len(table.names)
    columns = [[row[position] for row in kept] for position in range(width)]
    frame = pd.DataFrame(
        {position: typed_column(values) for position, values in enumerate(columns)},
        index=pd.RangeIndex(len(kept)),
    )
    frame.columns = pd.Index(table.names)
    blank = [all(value is None for value in column) for column in columns]
    unnamed = [name.startswith("column_") for name in table.names]
    frame = frame.loc[:, [not (b and u) for b, u in zip(blank, unnamed, strict=True)]]
    note_left_out(frame, table.headings, table.left_out)
    frame.attrs["notes"] += table.notes
    return frame


def _together(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Put sheets of the same headings below each other."""
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    first = next(iter(frames.values()))
    parts = [frame.assign(sheet=name) for name, frame in frames.items()]
    shared = set[str](first.columns).intersection(*(frame.columns for frame in frames.values()))
    mixed = [c for c in shared if len({str(frame[c].dtype) for frame in parts}) > 1]
    parts = [part.astype(dict.fromkeys(mixed, "object")) for part in parts]
    whole = pd.concat(parts, ignore_index=True)
    notes = [note for frame in frames.values() for note in frame.attrs.get("notes", [])]
    names = "、".join(frames)
    notes.append(
        Message("{frames} {frames:sheet|sheets} joined: {names}.", frames=len(frames), names=names)
    )
    whole.attrs["notes"] = notes
    whole.attrs["skipped"] = sum(frame.attrs.get("skipped", 0) for frame in frames.values())
    return whole


def note_left_out(frame: pd.DataFrame, headings: Headings, left_out: Iterable[Row]) -> None:
    """Note on a frame what stood above and below its records, and whether totals agree."""
    notes, skipped = list(frame.attrs.get("notes", [])), 0
    if headings.above:
        text = "；".join(headings.above)[:120]
        notes.append(Message("Left out above the headings: {text}", text=text))
    for row in left_out:
        text = " ".join(str(value) for value in row if not is_blank(value))[:120]
        notes.append(Message("Left out, being no record: {text}", text=text))
        notes.extend(_disagreements(frame, headings, row))
        skipped += 1
    frame.attrs["notes"] = notes
    frame.attrs["skipped"] = skipped


def _disagreements(frame: pd.DataFrame, headings: Headings, row: Row) -> list[Message]:
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


def typed_column(values: list[Any]) -> Any:
    """Give a column one type: numbers, times, or text."""
    present = [value for value in values if value is not None]
    if present and all(_is_int(value) for value in present):
        whole = [None if value is None else int(value) for value in values]
        small = all(abs(int(value)) < _CODE for value in present)
        if small and len(present) == len(values):
            return np.array(whole, dtype=np.int64)
        if small:
            return np.array([np.nan if v is None else v for v in whole], dtype=np.float64)
    if (
        present
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present)
        and not all(map(_is_int, present))
    ):
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    if present and all(isinstance(value, datetime.datetime) for value in present):
        return pd.Series(values, dtype=object).map(pd.Timestamp, na_action="ignore")
    texts = [v.strip() if type(v) is str else None if v is None else text_of(v) for v in values]
    return pd.array(texts, dtype="str")


def text_of(value: Any) -> str:
    """Return a value of a sheet as the text that stands for it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(int(value)) if _is_int(value) else str(value).strip()


def _is_int(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
