"""Files as offices send them, written by the tests themselves."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import openpyxl
import pandas as pd
import xlwt

HEADINGS = {
    "building_id": "楼栋编号",
    "compound": "小区名称",
    "households": "总户数（户）",
    "lng": "经度",
    "lat": "纬度",
}
NOTES = ("福民街道2024年楼栋台账", "填表单位：福民街道办事处")


def office_rows(table: pd.DataFrame, *, total: str | None = "households") -> list[list[Any]]:
    """Return rows with notes above, Chinese headings, a blank row, a total and a signature."""
    width = len(table.columns)
    rows: list[list[Any]] = [[note, *[None] * (width - 1)] for note in NOTES]
    rows.append([HEADINGS.get(column, column) for column in table.columns])
    rows += table.astype(object).where(table.notna(), None).to_numpy().tolist()
    rows.append([None] * width)
    if total is not None:
        foot: list[Any] = [None] * width
        foot[0] = "合  计"
        foot[list(table.columns).index(total)] = int(table[total].sum())
        rows.append(foot)
    rows.append(["填表人：某某", *[None] * (width - 1)])
    return rows


def write_xls(rows: list[list[Any]], path: Path, *, sheet: str = "台账") -> None:
    """Write an old workbook in GBK, its first row merged."""
    book = xlwt.Workbook(encoding="gbk")
    page = book.add_sheet(sheet)
    for number, row in enumerate(rows):
        for position, value in enumerate(row):
            if number == 0:
                continue
            if value is not None:
                page.write(number, position, value)
    page.write_merge(0, 0, 0, len(rows[0]) - 1, rows[0][0])
    book.save(str(path))


def write_xlsx(
    sheets: dict[str, list[list[Any]]], path: Path, merges: tuple[str, ...] = ()
) -> None:
    """Write a workbook; merges apply to every sheet."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
        for area in merges:
            page.merge_cells(area)
    book.save(path)


def write_text(rows: list[list[Any]], path: Path, *, encoding: str, separator: str = ",") -> None:
    """Write delimited text, quoting what must be."""

    def cell(value: Any) -> str:
        text = "" if value is None else str(value)
        return '"' + text.replace('"', '""') + '"' if separator in text or '"' in text else text

    lines = [separator.join(map(cell, row)) for row in rows]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))


def write_bare_shapefile(frame: gpd.GeoDataFrame, path: Path, *, encoding: str = "GBK") -> None:
    """Write a Shapefile without .cpg and without a language mark in its table."""
    frame.to_file(path, engine="pyogrio", encoding=encoding)
    path.with_suffix(".cpg").unlink(missing_ok=True)
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = 0
    path.with_suffix(".dbf").write_bytes(table)


def zipped(path: Path, archive: Path) -> Path:
    """Pack a file and its siblings of the same name."""
    with zipfile.ZipFile(archive, "w") as packed:
        for part in sorted(path.parent.glob(path.stem + ".*")):
            if part != archive:
                packed.write(part, f"数据/{part.name}")
    return archive
