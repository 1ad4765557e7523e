"""Plain workbooks: calamine and openpyxl read the same; the rest is left to openpyxl."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.io import excel, plain_sheets
from gridmap.io.source import find_source

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**14), 10**14),
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8),
    st.dates(datetime.date(1901, 1, 1), datetime.date(2100, 1, 1)).map(
        lambda day: datetime.datetime(day.year, day.month, day.day)
    ),
    st.datetimes(datetime.datetime(1901, 1, 1), datetime.datetime(2100, 1, 1)).map(
        lambda time: time.replace(microsecond=0)
    ),
)


def book(rows: list[list[Any]], merges: tuple[str, ...] = ()) -> bytes:
    """Return a workbook of one sheet; text that begins like a formula stays text."""
    made = openpyxl.Workbook()
    for at, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = made.active.cell(at, column, value)
            if isinstance(value, str):
                cell.data_type = "s"
    for merge in merges:
        made.active.merge_cells(merge)
    data = io.BytesIO()
    made.save(data)
    return data.getvalue()


def replaced(data: bytes, member: str, old: str, new: str) -> bytes:
    """Return a workbook with another text in one of its parts."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            text = before.read(name)
            if name == member:
                assert old.encode() in text
                text = text.replace(old.encode(), new.encode())
            after.writestr(name, text)
    return made.getvalue()


def cells(sheets: list[Any]) -> list[dict[tuple[int, int], Any]]:
    """Return the values that are not blank, by row and column."""
    return [
        {
            (number, column): value.strip() if isinstance(value, str) else value
            for number, row in sheet.rows()
            for column, value in enumerate(row)
            if not excel.is_blank(value)
        }
        for sheet in sheets
    ]


def by_openpyxl(data: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the sheets as openpyxl reads them."""
    (folder / "a.xlsx").write_bytes(data)
    with monkeypatch.context() as patch:
        patch.setattr(plain_sheets, "plain_sheets", lambda data: None)
        return excel.open_sheets(find_source(folder / "a.xlsx"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(VALUES, max_size=5), min_size=1, max_size=6))
def test_both_readers_agree(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    data = book(rows)
    found = plain_sheets.plain_sheets(data)
    assert found is not None
    slow = by_openpyxl(data, tmp_path_factory.mktemp("a"), pytest.MonkeyPatch())
    assert cells(found) == cells(slow)
    types = [{at: type(v) is bool for at, v in sheet.items()} for sheet in cells(found)]
    assert types == [{at: type(v) is bool for at, v in sheet.items()} for sheet in cells(slow)]


def test_merged_cells_are_known_and_hidden_sheets_left_out() -> None:
    made = openpyxl.Workbook()
    made.active.append(["a", "b"])
    made.active.append([1, 2])
    made.active.merge_cells("A2:A3")
    made.create_sheet("hidden").sheet_state = "hidden"
    data = io.BytesIO()
    made.save(data)
    (sheet,) = plain_sheets.plain_sheets(data.getvalue()) or []
    assert sheet.merges == ["A2:A3"]
    assert list(sheet.rows()) == [(0, ["a", "b"]), (1, [1, 2])]
    assert list(sheet.rows()) == list(sheet.rows())


def test_a_table_in_the_middle_of_a_sheet_stays_where_it_is() -> None:
    (sheet,) = plain_sheets.plain_sheets(book([[], [], [None, None, "a"], [], [None, 1]])) or []
    assert list(sheet.rows()) == [(2, [None, None, "a"]), (4, [None, 1, None])]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<c r="B2" t="n"><v>4</v>', '<c r="B2" t="n"><f>2+2</f><v>4</v>'),
        ('<c r="B2" t="n"><v>4</v>', '<c r="B2" t="e"><v>#N/A</v>'),
        ('<c r="B2" t="n"><v>4</v>', '<c r="B2" t="d"><v>2024-01-05</v>'),
        ('r="B2"', 'r="A2"'),
        ('r="B2"', 'r="B1"'),
        ('r="B2"', 'r="XFD1048576"'),
        ('<row r="2">', '<row r="1">'),
        ('<row r="2">', "<row>"),
        ('<c r="B2"', "<c"),
        ('<c r="B2"', '<c t="n" r="B2"'),
        ("<v>4</v>", "<v>9901010010010010012</v>"),
        ("<sheetData>", "<!-- from elsewhere --><sheetData>"),
        ("</sheetData>", ""),
    ],
)
def test_what_is_not_plain_is_left_to_openpyxl(old: str, new: str) -> None:
    data = book([["a", "b"], [3, 4]])
    assert plain_sheets.plain_sheets(data) is not None
    assert plain_sheets.plain_sheets(replaced(data, "xl/worksheets/sheet1.xml", old, new)) is None


def test_a_far_cell_is_left_to_openpyxl() -> None:
    sheet, far = "xl/worksheets/sheet1.xml", '<row r="9999999"><c r="XFD9999999"'
    data = replaced(book([["a"], [1], [2]]), sheet, '<row r="3"><c r="A3"', far)
    assert plain_sheets.plain_sheets(data) is None


def test_days_of_1904_and_times_of_day_are_left_to_openpyxl() -> None:
    made = openpyxl.Workbook()
    made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    made.active.append([1])
    data = io.BytesIO()
    made.save(data)
    assert plain_sheets.plain_sheets(data.getvalue()) is None
    assert plain_sheets.plain_sheets(book([[datetime.time(8, 30)]])) is None
    assert plain_sheets.plain_sheets(book([[datetime.timedelta(hours=30)]])) is None
