"""Read plain sheets: of new workbooks (.xlsx) with calamine, of open ones (.ods) as they stand.

Calamine is many times faster than openpyxl. Plain is a workbook that both understand alike: every
cell stands once, in order, in the row that holds it; no formula, no error, no number beyond exact
floats, no days counted from 1904; and what one takes for a date the other does too. Any other
workbook is left to openpyxl.
"""

from __future__ import annotations

import datetime
import functools
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from python_calamine import CalamineError, CalamineSheet, load_workbook

Row = list[Any]

_HELD = 1 << 27  # bytes of sheets that are held in memory; larger ones are streamed
_STEP = 1 << 20  # bytes of a sheet that are looked through at a time
_SPARSE = 4  # places a cell that calamine may hold, which holds the whole rectangle
_EXACT = 2.0**53
_STRANGE = re.compile(
    rb"<(?:!"  # comments and entities
    rb"|f[ >/]"  # formulas
    rb"|(?:c|row)[>/\t\r\n])"
)
_STRANGE_TEXTS = (
    b' t="e"',  # errors
    b' t="d"',  # dates as text
    b":sheetData",  # every name with a prefix
)
_LONG = re.compile(rb"<v>-?\d{16}")
_NUMBER = re.compile(rb'(?:[^>]*? )?r="(\d+)"')
_COLUMN = re.compile(rb'<c r="([A-Z]{1,3})"')
_MERGE = re.compile(rb'<mergeCell\s[^>]*ref="([A-Z]+[0-9]+:[A-Z]+[0-9]+)"')
_STYLED = re.compile(rb'<c r="[A-Z]+\d+" s="(\d+)"(?: t="n")?><v>')
_TIMED = frozenset({datetime.date, datetime.datetime, datetime.time, datetime.timedelta})
_FROM_1904 = re.compile(rb'date1904="(?!0"|false")')


class PlainSheet(NamedTuple):
    """A visible sheet.

    Attributes
    ----------
    name : str
    rows : callable
        Yields number, from 0, and values of each row that is not blank.
    merges : list of str
        The merged cells, as ``A1:B2``.
    """

    name: str
    rows: Callable[[], Iterator[tuple[int, Row]]]
    merges: list[str]


def plain_sheets(data: bytes) -> list[PlainSheet] | None:
    """Return the visible sheets of a plain workbook, else None.

    Parameters
    ----------
    data : bytes
        The workbook, whose members are within their limits.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _sheets(archive, data)
    except (
        zipfile.BadZipFile, CalamineError, ElementTree.ParseError, expat.ExpatError, KeyError,
        ValueError, OSError, EOFError, RuntimeError,
    ):  # fmt: skip
        return None  # openpyxl will tell what is wrong


def _sheets(archive: zipfile.ZipFile, data: bytes) -> list[PlainSheet] | None:
    names = archive.namelist()
    if len(set(names)) < len(names) or _FROM_1904.search(archive.read("xl/workbook.xml")):
        return None
    members = _members(archive)
    if sum(archive.getinfo(member).file_size for member in members.values()) > _HELD:
        return None
    if "xl/sharedStrings.xml" in names:
        _check_form(archive.read("xl/sharedStrings.xml"))
    book, found = load_workbook(io.BytesIO(data)), []
    for name, member in members.items():
        xml = archive.read(member)
        if not _is_plain(xml):
            return None
        merges = [match.decode() for match in _MERGE.findall(xml)]
        styled = _STYLED.findall(xml)
        del xml
        sheet, styles = book.get_sheet_by_name(name), _styles(archive) if styled else frozenset()
        if sum(int(style) in styles for style in styled) != _dates(sheet):
            return None
        found.append(PlainSheet(name, _reader(sheet), merges))
    return found


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the parts of the archive that hold the visible sheets, by name."""
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    parts = {link.attrib["Id"]: link.attrib for link in links.iter() if "Id" in link.attrib}
    members = {}
    for sheet in ElementTree.fromstring(archive.read("xl/workbook.xml")).iterfind(".//{*}sheet"):
        (key,) = (value for name, value in sheet.attrib.items() if name.endswith("}id"))
        if sheet.get("state", "visible") == "visible" and parts[key]["Type"].endswith("/worksheet"):
            path = PurePosixPath("/xl") / parts[key]["Target"]
            members[sheet.attrib["name"]] = str(path).removeprefix("/")
    return members


def _styles(archive: zipfile.ZipFile) -> frozenset[int]:
    """Return the styles that show a number as a date or a time."""
    if "xl/styles.xml" not in archive.namelist():
        return frozenset()
    from openpyxl.styles.stylesheet import Stylesheet

    tree: Any = ElementTree.fromstring(archive.read("xl/styles.xml"))
    try:
        kept = vars(Stylesheet.from_tree(tree))
    except TypeError as error:  # so openpyxl meets attributes of other names
        raise ValueError("damaged styles") from error
    return frozenset(kept["date_formats"]) | frozenset(kept["timedelta_formats"])


def _check_form(xml: bytes) -> None:
    """Raise where XML is not well formed or brings entities of its own."""
    if b"<!" in xml:
        raise ValueError("entities")
    expat.ParserCreate().Parse(xml, True)


def _is_plain(xml: bytes) -> bool:
    """Tell whether the cells of a sheet are as both readers take them."""
    if _STRANGE.search(xml) or any(text in xml for text in _STRANGE_TEXTS) or _LONG.search(xml):
        return False
    _check_form(xml)
    rows, cells, widest, first, last = 0, 0, 0, 0, 0
    widths: dict[tuple[bytes, ...], int] = {}
    for row in _rows(xml):
        number = _NUMBER.match(row)
        if number is None or int(number[1]) <= last:
            return False
        # cells of another row keep a digit, and are missed in the count below
        letters = tuple(_COLUMN.findall(row.replace(number[1] + b'"', b'"')))
        if letters not in widths:
            widths[letters] = _width(letters)
        if widths[letters] < 0:
            return False
        last, rows, cells = int(number[1]), rows + 1, cells + len(letters)
        first, widest = first or last, max(widest, widths[letters])
    told = xml.count(b"<row ") == rows and xml.count(b"<c ") == cells
    return told and (last - first + 1) * widest <= _SPARSE * cells + _STEP


def _rows(xml: bytes) -> Iterator[bytes]:
    """Yield each row without its opening, from a part of the sheet at a time."""
    start = xml.find(b"<row ")
    while start >= 0:
        end = xml.find(b"<row ", start + _STEP)
        yield from xml[start : end if end >= 0 else len(xml)].split(b"<row ")[1:]
        start = end


def _width(letters: tuple[bytes, ...]) -> int:
    """Return the last of the columns of a row, -1 where they do not ascend."""
    last = 0
    for name in letters:
        column = functools.reduce(lambda number, letter: 26 * number + letter - 64, name, 0)
        if column <= last:
            return -1
        last = column
    return last


def _dates(sheet: CalamineSheet) -> int:
    """Count the dates that calamine sees; -1 where it sees a time of day or a span."""
    count = 0
    for row in sheet.iter_rows():
        if _TIMED.isdisjoint(map(type, row)):
            continue
        for value in row:
            if isinstance(value, datetime.date):
                count += 1
                if value.year <= 1900:  # its 29 February is read in two ways
                    return -1
            elif isinstance(value, (datetime.time, datetime.timedelta)):
                return -1
    return count


def _reader(sheet: CalamineSheet) -> Callable[[], Iterator[tuple[int, Row]]]:
    def rows() -> Iterator[tuple[int, Row]]:
        beside = [None] * (sheet.start or (0, 0))[1]
        for number, row in enumerate(sheet.iter_rows()):
            if row.count("") < len(row):
                yield (
                    number,
                    beside
                    + [(value or None) if type(value) is str else _value(value) for value in row],
                )

    return rows


def _value(value: Any) -> Any:
    """Return a value as openpyxl has it: whole numbers as such, days with their midnight."""
    kind = type(value)
    if kind is str:
        return value or None
    if kind is float and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if kind is datetime.date:
        return datetime.datetime(value.year, value.month, value.day)
    return value


_ODS = {
    short: f"{{urn:oasis:names:tc:opendocument:xmlns:{short}:1.0}}"
    for short in ("office", "table", "text", "style")
}
_MOST_CELLS = 1 << 24  # that a sheet may have once repeated cells are written out


def open_document_sheets(archive: zipfile.ZipFile) -> list[PlainSheet]:
    """Return the visible sheets of an open workbook (.ods), values as other workbooks have them."""
    hidden, found = set[str](), []
    with archive.open("content.xml") as file:
        for _, element in ElementTree.iterparse(file):
            if element.tag == _ODS["style"] + "style":
                shown = element.find(f"{_ODS['style']}table-properties[@{_ODS['table']}display]")
                if shown is not None and shown.get(_ODS["table"] + "display") == "false":
                    hidden.add(element.get(_ODS["style"] + "name", ""))
            elif element.tag == _ODS["table"] + "table":
                if element.get(_ODS["table"] + "style-name") not in hidden:
                    found.append(_open_sheet(element))
                element.clear()
    return found


def _open_sheet(table: ElementTree.Element) -> PlainSheet:
    """Read a sheet: blank rows and cells are counted, the others written out."""
    from openpyxl.utils import get_column_letter

    rows, merges, number, cells = list[tuple[int, Row]](), list[str](), 0, 0
    for element in table.iter(_ODS["table"] + "table-row"):
        row: Row = []
        width = 0
        for cell in element:
            if not cell.tag.endswith("table-cell"):
                continue
            value = _open_value(cell)
            times = min(_times(cell, "number-columns-repeated"), _MOST_CELLS)
            if value is not None:
                row += [None] * (width - len(row)) + [value] * times
            wide, high = (_times(cell, f"number-{way}-spanned") for way in ("columns", "rows"))
            if wide > 1 or high > 1:
                first, last = get_column_letter(width + 1), get_column_letter(width + wide)
                merges.append(f"{first}{number + 1}:{last}{number + high}")
            width += times
        times = _times(element, "number-rows-repeated")
        if row:
            cells += len(row) * times
            if cells > _MOST_CELLS:
                raise ValueError(f"over {_MOST_CELLS:,} cells on one sheet")
            rows += [(number + at, list(row)) for at in range(times)]
        number += times
    return PlainSheet(table.get(_ODS["table"] + "name", ""), lambda: iter(rows), merges)


def _times(element: ElementTree.Element, name: str) -> int:
    return int(element.get(_ODS["table"] + name, "1"))


def _open_value(cell: ElementTree.Element) -> Any:
    """Return the value of a cell: number, time, truth or text."""
    kind = cell.get(_ODS["office"] + "value-type")
    told = cell.get(_ODS["office"] + "value")
    day = cell.get(_ODS["office"] + "date-value")
    if kind in ("float", "percentage", "currency") and told is not None:
        return int(told) if told.lstrip("-").isdigit() else float(told)
    if kind == "date" and day is not None:
        return datetime.datetime.fromisoformat(day)
    if kind == "boolean":
        return cell.get(_ODS["office"] + "boolean-value") == "true"
    lines = [_open_text(line) for line in cell.findall(_ODS["text"] + "p")]
    text = "\n".join(lines) if lines else cell.get(_ODS["office"] + "string-value", "")
    return text or None


def _open_text(element: ElementTree.Element) -> str:
    """Return the text of a paragraph, its blanks, tabs and line breaks written out."""
    text = element.text or ""
    for child in element:
        tag = child.tag.removeprefix(_ODS["text"])
        if tag == "s":
            text += " " * int(child.get(_ODS["text"] + "c", "1"))
        elif tag in ("tab", "line-break"):
            text += "\t" if tag == "tab" else "\n"
        elif child.tag.startswith(_ODS["text"]):  # no annotation
            text += _open_text(child)
        text += child.tail or ""
    return text
