"""Open workbooks (.ods) are read as new ones are: values, merged cells, repeated, hidden."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import pytest

from gridmap.errors import InputError
from gridmap.io import read_table
from gridmap.io.inputs import read_incidents
from gridmap.io.open_incidents import open_incidents

_NAMES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
    for short in ("office", "table", "text", "style")
)
Block = tuple[int, int, int, int]  # top, left, rows, columns


def cell(value: Any, more: str = "", tag: str = "table-cell") -> str:
    """Write a cell as LibreOffice does."""
    if value is None:
        return f"<table:{tag}{more}/>"
    if isinstance(value, bool):
        kind = f'office:value-type="boolean" office:boolean-value="{str(value).lower()}"'
    elif isinstance(value, (int, float)):
        kind = f'office:value-type="float" office:value="{value}"'
    elif isinstance(value, datetime.datetime):
        kind = f'office:value-type="date" office:date-value="{value.isoformat()}"'
    else:
        kind = 'office:value-type="string"'
    text = escape(str(value)).replace("  ", ' <text:s text:c="1"/>')
    return f"<table:{tag}{more} {kind}><text:p>{text}</text:p></table:{tag}>"


def sheet(rows: Sequence[Sequence[Any]], blocks: Sequence[Block] = (), name: str = "s",
          style: str = "") -> str:  # fmt: skip
    """Write a table; equal rows of which nothing is merged are written once, as repeated."""
    covered = {(r, c) for top, left, high, wide in blocks for r in range(top, top + high)
               for c in range(left, left + wide)}  # fmt: skip
    spans = {
        (top, left): f' table:number-rows-spanned="{high}" table:number-columns-spanned="{wide}"'
        for top, left, high, wide in blocks
    }
    lines, at = [], 0
    while at < len(rows):
        many = 1
        while _repeats(rows, at, at + many, covered):
            many += 1
        cells = "".join(
            cell(value, spans.get((at, c), ""),
                 "covered-table-cell" if (at, c) in covered and (at, c) not in spans
                 else "table-cell")
            for c, value in enumerate(rows[at])
        )  # fmt: skip
        lines.append(
            f'<table:table-row table:number-rows-repeated="{many}">{cells}'
            '<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        )
        at += many
    blank = "<table:table-cell/>"
    tail = f'<table:table-row table:number-rows-repeated="1048000">{blank}</table:table-row>'
    styled = f' table:style-name="{style}"' if style else ""
    return f'<table:table table:name="{name}"{styled}>{"".join(lines)}{tail}</table:table>'


def _repeats(
    rows: Sequence[Sequence[Any]], first: int, other: int, covered: set[tuple[int, int]]
) -> bool:
    """Tell whether a row is as another, and neither has a merged cell."""
    return other < len(rows) and list(rows[first]) == list(rows[other]) and not any(
        (at, column) in covered for at in (first, other) for column in range(len(rows[first]))
    )  # fmt: skip


def write_ods(path: Path, *sheets: str) -> None:
    """Write an open workbook of these sheets; the style `gone` hides one."""
    hidden = ('<style:style style:name="gone" style:family="table"><style:table-properties '
              'table:display="false"/></style:style>')  # fmt: skip
    text = (f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_NAMES}>'
            f"<office:automatic-styles>{hidden}</office:automatic-styles><office:body>"
            f"<office:spreadsheet>{''.join(sheets)}</office:spreadsheet></office:body>"
            "</office:document-content>")  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", text)


def write_xlsx(path: Path, rows: Sequence[Sequence[Any]], blocks: Sequence[Block]) -> None:
    """Write the same as a new workbook, by openpyxl."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    for top, left, high, wide in blocks:
        book.active.merge_cells(
            start_row=top + 1, start_column=left + 1, end_row=top + high, end_column=left + wide
        )
    book.save(path)


def test_counts_in_merged_cells_are_counted_once(tmp_path: Path) -> None:
    rows = [["楼栋", "单元", "户数"], ["1栋", "1", 36], [None, "2", None], [None, "3", None],
            ["2栋", "1", 20]]  # fmt: skip
    write_ods(tmp_path / "a.ods", sheet(rows, [(1, 0, 3, 1), (1, 2, 3, 1)]))
    frame = read_table(tmp_path / "a.ods")
    assert frame["户数"].tolist() == [36, 0, 0, 20]
    assert frame["楼栋"].tolist() == ["1栋", "1栋", "1栋", "2栋"]
    assert any("each counted once" in str(note) for note in frame.attrs["notes"])


def _read(path: Path) -> Any:
    """Return a table, or why it is refused."""
    try:
        return read_table(path)
    except InputError as refused:
        return str(refused).replace(path.name, "")


@pytest.mark.parametrize("seed", range(60))
def test_any_sheet_reads_as_the_same_new_workbook_does(seed: int, tmp_path: Path) -> None:
    """Sixty random tables with merged blocks, repeated rows, blanks, dates and long codes."""
    dice = np.random.default_rng(seed)
    size = int(dice.integers(2, 25))
    day = datetime.datetime(2024, 1, 31, 8, 30)
    makers = {
        "楼栋": lambda: f"{dice.integers(1, 9)}栋 <&  b",
        "户数": lambda: int(dice.integers(0, 90)),
        "面积": lambda: float(np.round(dice.random() * 99, 3)),
        "编码": lambda: str(990101001001000 + int(dice.integers(1, 99))),
        "时间": lambda: day + datetime.timedelta(minutes=int(dice.integers(0, 9999))),
    }
    rows: list[list[Any]] = [list(makers)]
    for _ in range(size):
        again = len(rows) > 1 and dice.random() < 0.3
        fresh = [make() if dice.random() < 0.85 else None for make in makers.values()]
        rows.append(list(rows[-1]) if again else fresh)
    blocks: list[Block] = []
    taken = set[tuple[int, int]]()
    for _ in range(int(dice.integers(0, 5))):
        top, left = int(dice.integers(1, size + 1)), int(dice.integers(0, 4))
        high, wide = int(dice.integers(1, size + 2 - top)), int(dice.integers(1, 3))
        places = {(r, c) for r in range(top, top + high) for c in range(left, left + wide)}
        if len(places) > 1 and not places & taken:
            blocks.append((top, left, high, wide))
            taken |= places
            for r, c in places - {(top, left)}:
                rows[r][c] = None
    write_ods(tmp_path / "a.ods", sheet(rows, blocks))
    write_xlsx(tmp_path / "a.xlsx", rows, blocks)
    expected = _read(tmp_path / "a.xlsx")
    found = _read(tmp_path / "a.ods")
    if isinstance(expected, str):  # all blank, say
        assert found == expected
        return
    pd.testing.assert_frame_equal(found, expected)
    assert list(map(str, found.attrs["notes"])) == list(map(str, expected.attrs["notes"]))


def test_hidden_sheets_and_notes_on_cells_are_not_read(tmp_path: Path) -> None:
    rows = [["楼栋", "户数"], ["1栋", 3]]
    text = sheet(rows).replace(
        "<text:p>1栋</text:p>",
        "<office:annotation><text:p>秘密</text:p></office:annotation><text:p>1栋</text:p>",
    )
    write_ods(
        tmp_path / "a.ods", sheet([["楼栋", "户数"], ["9栋", 9]], name="t", style="gone"), text
    )
    assert read_table(tmp_path / "a.ods").to_numpy().tolist() == [["1栋", 3]]


def test_an_open_workbook_under_another_name_is_known(tmp_path: Path) -> None:
    write_ods(tmp_path / "a.xlsx", sheet([["楼栋", "户数"], ["1栋", 3]]))
    assert read_table(tmp_path / "a.xlsx")["户数"].tolist() == [3]


def test_repeated_cells_are_bounded(tmp_path: Path) -> None:
    text = sheet([["楼栋", "户数"], *[["1栋", 3]] * 2])
    bomb = text.replace('rows-repeated="2"', 'rows-repeated="1000000000"')
    assert bomb != text
    write_ods(tmp_path / "a.ods", bomb)
    with pytest.raises(InputError, match="over 16,777,216 cells on one sheet"):
        read_table(tmp_path / "a.ods")


def test_what_gdal_writes_is_read_whole_and_streamed(tmp_path: Path) -> None:
    made = pd.DataFrame({"编号": ["a", "b"], "经度": [114.3, 114.4], "纬度": [30.5, 30.6]})
    pyogrio.write_dataframe(made, tmp_path / "a.ods", driver="ODS")
    whole, _ = read_incidents(tmp_path / "a.ods")
    assert whole[["x", "y"]].to_numpy().tolist() == [[114.3, 30.5], [114.4, 30.6]]
    (batch,) = open_incidents(tmp_path / "a.ods").file.batches()
    assert batch.table.column("经度").to_pylist() == ["114.3", "114.4"]
