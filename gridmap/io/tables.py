"""Read and write tables without geometry."""

from __future__ import annotations

import io
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from gridmap.errors import InputError
from gridmap.io.atomic import replacing
from gridmap.io.csv_table import read_csv
from gridmap.io.excel import read_sheet
from gridmap.io.integrity import check_text
from gridmap.io.source import (
    BROKEN_PARQUET,
    Source,
    find_source,
    known_suffix,
    names_database,
    unreadable,
)
from gridmap.io.text import plain_table

WRITABLE = (".csv", ".xlsx", ".parquet", ".json")
_SHEET_ROWS = 1_048_575


def read_table(
    spec: str | os.PathLike[str], *, encoding: str | None = None, separator: str | None = None
) -> pd.DataFrame:
    """Read one table from whatever it came in.

    Parameters
    ----------
    spec : str or path
        CSV, XLSX, XLS, Parquet, a database URL with ``?table=``, or a layer (its attributes);
        ``file:sheet`` names a sheet.
    encoding, separator : str, optional
        Of a CSV; found out when not given.

    Returns
    -------
    DataFrame
        All records in order, under the headings of the file. ``attrs["notes"]`` lists what was
        left out or assumed, as messages.

    Raises
    ------
    InputError
        When the file is not there, unreadable, damaged, empty or ambiguous.
    """
    source = find_source(spec)
    if source.kind == "csv":
        return read_csv(source, encoding=encoding, separator=separator)
    if source.kind == "sheet":
        return read_sheet(source)
    if source.kind == "parquet":
        return _read_parquet(source)
    if source.kind == "database":
        from gridmap.io.postgis import read_database_table

        return read_database_table(source)
    from gridmap.io.vector import read_attributes

    return read_attributes(source)


def write_table(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    headings: dict[str, str] | None = None,
    sheet: str = "Sheet1",
) -> None:
    """Write one table; the extension tells the format.

    Parameters
    ----------
    frame : DataFrame
        What to write; a named index becomes a column, geometries are left out.
    path : path
        A file that ends in .csv (with byte-order mark, so that Excel reads it), .xlsx, .parquet
        or .json (one object a record); or a database URL with ``?table=``.
    overwrite : bool
        Whether an existing file may be replaced.
    headings : dict, optional
        New names of columns, as Chinese headings.
    sheet : str
        Name of the sheet in a workbook.

    Raises
    ------
    InputError
        When the format is unknown, the file exists, or it cannot be written.
    """
    if names_database(path):
        from gridmap.io.postgis_write import write_database_table

        write_database_table(frame, os.fspath(path), overwrite=overwrite)
        return
    path = Path(path)
    suffix = known_suffix(path, WRITABLE)
    table = plain_table(frame)
    if headings:
        table = table.rename(columns={k: v for k, v in headings.items() if k in table})
    with replacing(path, overwrite=overwrite) as temporary:
        if suffix == ".csv":
            _write_csv(table, temporary)
        elif suffix == ".xlsx":
            write_workbook({sheet: table}, temporary)
        elif suffix == ".parquet":
            table.to_parquet(temporary, compression="zstd", index=False)
        else:
            table.to_json(temporary, orient="records", force_ascii=False, date_format="iso")


def write_workbook(sheets: dict[str, pd.DataFrame], path: Path) -> None:
    """Write sheets with bold headings, fixed first row and fitting widths; no clock inside."""
    import datetime

    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.writer.excel import ExcelWriter

    book = Workbook()
    book.remove(book.active)
    fixed = datetime.datetime(2000, 1, 1)
    book.properties.created = book.properties.modified = fixed
    for name, table in sheets.items():
        if len(table) > _SHEET_ROWS:
            raise InputError(
                "{table:,} {table:row does|rows do} not fit into a sheet. Write .csv or "
                ".parquet instead.",
                table=len(table),
            )
        sheet = book.create_sheet(_sheet_name(name))
        sheet.append([str(column) for column in table.columns])
        for row in _cells(table):
            sheet.append([_literal(sheet, value) for value in row])
        for position, column in enumerate(table.columns, start=1):
            heading = sheet.cell(1, position)
            heading.font = Font(bold=True)
            sheet.column_dimensions[heading.column_letter].width = _width(column, table)
        sheet.freeze_panes = "A2"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:  # closed on a full disk too
        ExcelWriter(book, archive).save()
    path.write_bytes(_without_clock(buffer.getvalue(), fixed))


def _without_clock(data: bytes, fixed: Any) -> bytes:
    """Rewrite a workbook's archive with one fixed date, so that the bytes repeat."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                stamp = fixed.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, content)
            new.writestr(
                zipfile.ZipInfo(name, fixed.timetuple()[:6]), content, zipfile.ZIP_DEFLATED
            )
    return result.getvalue()


def _cells(table: pd.DataFrame) -> Any:
    """Yield rows of values that a spreadsheet takes: no formula is ever written."""
    for row in table.itertuples(index=False, name=None):
        yield [_cell(value) for value in row]


def _literal(sheet: Any, value: Any) -> Any:
    """Keep text that begins like a formula from becoming one."""
    if not isinstance(value, str) or not value.startswith("="):
        return value
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=value)
    cell.data_type = "s"
    return cell


def _cell(value: Any) -> Any:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.tz_localize(None).to_pydatetime() if value.tzinfo else value.to_pydatetime()
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, str):
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        return ILLEGAL_CHARACTERS_RE.sub("", value)[:32767]
    return value


def _width(column: object, table: pd.DataFrame) -> float:
    texts = [str(column), *map(str, table[column].head(200))]
    return min(60.0, 2 + max(sum(2 if ord(c) > 255 else 1 for c in text) for text in texts))


def _sheet_name(name: str) -> str:
    return "".join("_" if c in r"[]:*?/\'" else c for c in str(name))[:31] or "Sheet"


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write with a byte-order mark, through Arrow."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        pacsv.write_csv(arrow, file, pacsv.WriteOptions(quoting_style="needed"))


def _read_parquet(source: Source) -> pd.DataFrame:
    place = source.path if source.member is None else io.BytesIO(source.read_bytes())
    try:
        table = pq.read_table(place)
        if "geometry" in table.column_names and pa.types.is_binary(
            table.schema.field("geometry").type
        ):
            table = table.drop_columns(["geometry"])
        frame = table.to_pandas()
    except BROKEN_PARQUET as error:
        raise unreadable(source.name, error) from error
    if not len(frame):
        raise InputError("`{source}` has no records. Check the file.", source=source.name)
    check_text(frame, source.name)
    return frame
