"""Write workbooks and streams: text stays text, nothing becomes a formula, no clock inside."""

from __future__ import annotations

import datetime
import re
import shutil
import signal
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyogrio
import shapely
from pyarrow import csv as pacsv
from pyarrow import parquet

from gridmap._checks import coordinates_of
from gridmap.errors import InputError
from gridmap.io.batches import geometry_of
from gridmap.io.columns import NUMERIC, aliases, meaning
from gridmap.io.source import fixed_date
from gridmap.io.text import warn_formulas

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet


Value = object
Row = Sequence[Value]

MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
MOST_CHARACTERS = 32_767
_EXACT = 10**15  # whole numbers from here on lose digits in a spreadsheet
_FIRST_DAY = datetime.datetime(1900, 3, 1)  # spreadsheets disagree about days before
_MEASURED = 200  # rows by which the widths of columns are fitted
_CLOCK = datetime.datetime(2000, 1, 1)
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Sheet(NamedTuple):
    """One sheet to write: its headings, and its rows in order."""

    names: Sequence[str]
    rows: Iterable[Row]


def write_workbook(sheets: Mapping[str, Sheet], path: Path) -> None:
    """Write sheets with bold headings, a fixed first row and fitting widths, row by row.

    A text that begins with ``=`` stays the text that it is; whole numbers of 16 digits and more
    become text, as a spreadsheet would change them.

    Parameters
    ----------
    sheets : mapping of str to Sheet
    path : path
        Where to; made atomic by the caller.

    Raises
    ------
    InputError
        When a sheet cannot hold the rows, the columns or a text.

    Examples
    --------
    >>> import tempfile, openpyxl
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cases.xlsx")
    ...     write_workbook({"cases": Sheet(["code", "text"], [["0420", "=1+1"]])}, path)
    ...     row = list(openpyxl.load_workbook(path)["cases"].iter_rows(min_row=2))[0]
    >>> [(cell.value, cell.data_type) for cell in row]
    [('0420', 's'), ('=1+1', 's')]
    """
    from openpyxl import Workbook
    from openpyxl.writer.excel import ExcelWriter

    book = Workbook(write_only=True)
    book.properties.created = book.properties.modified = _CLOCK
    for name, sheet in sheets.items():
        called = "".join("_" if c in r"[]:*?/\'" else c for c in str(name))[:31] or "Sheet"
        page = book.create_sheet(called)
        try:
            _fill(page, sheet)
        finally:
            page.close()
    with _Undated(path, "w", zipfile.ZIP_DEFLATED) as archive:
        ExcelWriter(book, archive).write_data()


class _Undated(zipfile.ZipFile):
    """An archive whose members all bear one date, so that the bytes repeat."""

    def write(self, filename: str, arcname: str | None = None, *_: object) -> None:  # type: ignore[override]
        with open(filename, "rb") as source, self.open(self._info(arcname or filename), "w") as to:
            shutil.copyfileobj(source, to)

    def writestr(self, name: object, data: bytes | str, *_: object) -> None:  # type: ignore[override]
        content = data.encode() if isinstance(data, str) else data
        if name == "docProps/core.xml":
            content = _STAMP.sub(_CLOCK.strftime("%Y-%m-%dT%H:%M:%SZ").encode(), content)
        with self.open(self._info(str(name)), "w") as to:
            to.write(content)

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(name, _CLOCK.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        return info


def _fill(sheet: Worksheet, content: Sheet) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    if len(content.names) > MOST_COLUMNS:
        raise InputError(
            "{names:,} {names:column does|columns do} not fit into a sheet of "
            "{most_columns:,}. Write .csv or .parquet instead.",
            names=len(content.names),
            most_columns=MOST_COLUMNS,
        )
    rows = iter(content.rows)
    first = list(islice(rows, _MEASURED))
    sheet.freeze_panes = "A2"
    for position, name in enumerate(content.names):
        letter = get_column_letter(position + 1)
        sheet.column_dimensions[letter].width = _width([name, *(row[position] for row in first)])
    headings = [WriteOnlyCell(sheet, value=str(name)) for name in content.names]
    for heading in headings:
        heading.data_type, heading.font = "s", Font(bold=True)
    sheet.append(headings)
    for number, row in enumerate(chain(first, rows), start=2):
        if number > MOST_ROWS:
            raise InputError(
                "A sheet holds {most_rows:,} {most_rows:row|rows}, and there are more. Write "
                ".csv or .parquet instead.",
                most_rows=MOST_ROWS,
            )
        sheet.append(list(_cells(sheet, row, number)))


def _cells(sheet: Worksheet, row: Row, number: int) -> Iterator[object]:
    for value in row:
        value = _plain(value)
        if isinstance(value, str):
            if len(value) > MOST_CHARACTERS:
                raise InputError(
                    "Row {number:,} holds a text of {value:,} {value:character|characters}; a "
                    "cell holds {most_characters:,}. Write .csv or .parquet instead.",
                    number=number,
                    value=len(value),
                    most_characters=MOST_CHARACTERS,
                )
            value = _literal(sheet, _ILLEGAL.sub("", value))
        yield value


def _literal(sheet: Worksheet, text: str) -> object:
    """Keep a text that begins like a formula, or reads like an error, from becoming one."""
    if not text.startswith(("=", "#")):
        return text
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    return cell


def _plain(value: Value) -> Value:
    """Return what a cell holds: numbers, texts and times that a spreadsheet keeps as they are."""
    if hasattr(value, "to_pydatetime"):
        value = None if value != value else value.to_pydatetime()
    elif hasattr(value, "item"):
        value = value.item()
    if value is None or type(value).__name__ == "NAType" or value != value:
        return None
    if isinstance(value, datetime.datetime):
        kept = value.tzinfo is None and value >= _FIRST_DAY
        return value if kept else value.isoformat(sep=" ")
    if isinstance(value, bool | str | datetime.date | datetime.time):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else str(value)
    if isinstance(value, float):
        return value if abs(value) != float("inf") else str(value)
    return str(value)


def _width(values: Sequence[Value]) -> float:
    texts = ["" if value is None else str(value) for value in values]
    return min(60.0, 2 + max(sum(2 if ord(c) > 255 else 1 for c in text) for text in texts))


Batches = Iterator[pa.RecordBatch]
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?")
_OWN_NUMBERS = ("distance_m", "距离（米）", "point_x", "point_y")


def write_text(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write CSV with a byte-order mark; points as their coordinates."""
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        file.write(_csv(_flat(_empty(schema), schema), True))
        for batch in batches:
            flat = _flat(batch, schema)
            warn_formulas(flat)
            file.write(_csv(flat, False))


def write_parquet(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write Parquet, as GeoParquet where there are points."""
    import json

    geometry = geometry_of(schema)
    metadata = None
    if geometry is not None:
        column = {"encoding": "WKB", "geometry_types": ["Point"]}
        if crs is not None:
            column["crs"] = json.loads(crs.to_json())
        geo = {"version": "1.0.0", "primary_column": geometry, "columns": {geometry: column}}
        metadata = {"geo": json.dumps(geo)}
    schema = schema.with_metadata(metadata)
    with parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(metadata))


def write_geopackage(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write a GeoPackage with the one layer ``incidents``."""
    geometry = geometry_of(schema)
    failure: list[BaseException] = []

    def guarded() -> Batches:
        try:
            for batch in batches:
                yield batch.replace_schema_metadata(None)
        except BaseException as error:  # GDAL swallows it; it is raised again below
            failure.append(error)
            raise

    reader = pa.RecordBatchReader.from_batches(schema.remove_metadata(), guarded())
    try:
        with _noting_interrupts(failure), fixed_date():
            pyogrio.write_arrow(
                reader,
                path,
                layer="incidents",
                driver="GPKG",
                geometry_name=geometry,
                geometry_type="Point" if geometry else None,
                crs=None if crs is None else crs.to_wkt(),
                layer_options={"FID": _free("fid", schema)},
            )
    except (pyogrio.errors.DataSourceError, RuntimeError) as error:
        if failure:
            raise failure[0] from None
        raise InputError(
            "`{path}` could not be written ({error}). Free some space, or write .parquet.",
            path=path.name,
            error=error,
        ) from error
    if failure:
        raise failure[0]


@contextmanager
def _noting_interrupts(failure: list[BaseException]) -> Iterator[None]:
    """Note an interrupt that comes while GDAL runs, which takes it for a failure of its own."""
    main = threading.current_thread() is threading.main_thread()
    ways = [way for way in (signal.SIGINT, signal.SIGTERM)
            if main and signal.getsignal(way) is signal.default_int_handler]  # fmt: skip

    def noted(number: int, frame: Any) -> None:
        failure.append(KeyboardInterrupt())
        raise failure[-1]

    for way in ways:
        signal.signal(way, noted)
    try:
        yield
    finally:
        for way in ways:
            signal.signal(way, signal.default_int_handler)


def write_sheet(batches: Batches, schema: pa.Schema, path: Path, crs: Any) -> None:
    """Write a workbook; text becomes a number in columns that are understood as numbers only."""
    names = _flat(_empty(schema), schema).schema.names
    known = aliases("incident")
    numeric = [meaning(name, known) in NUMERIC or name in _OWN_NUMBERS for name in names]

    def rows() -> Iterator[list[object]]:
        for batch in batches:
            columns = [column.to_pylist() for column in _flat(batch, schema).columns]
            for row in zip(*columns, strict=True):
                yield [_number(v) if n else v for v, n in zip(row, numeric, strict=True)]

    write_workbook({"incidents": Sheet(names, rows())}, path)


Writer = Callable[[Batches, pa.Schema, Path, Any], None]
WRITERS: dict[str, Writer] = {
    ".csv": write_text,
    ".parquet": write_parquet,
    ".gpkg": write_geopackage,
    ".xlsx": write_sheet,
}


def _flat(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the columns as text and numbers, with coordinates in place of points."""
    geometry = geometry_of(schema)
    columns = {n: _as_text(batch.column(n)) for n in schema.names if n != geometry}
    if geometry is not None:
        points = shapely.from_wkb(batch.column(geometry).to_numpy(zero_copy_only=False))
        xy = coordinates_of(points, geometry)
        for axis, values in zip("xy", xy, strict=True):
            while axis in columns:
                axis = f"point_{axis}"
            columns[axis] = pa.array(values, from_pandas=True)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _free(name: str, schema: pa.Schema) -> str:
    """Return a name that no column has, whatever its case."""
    taken = {column.lower() for column in schema.names}
    while name in taken:
        name = f"row_{name}"
    return name


def _as_text(column: pa.Array) -> pa.Array:
    """Return lists, structures and bytes as text, anything else as it is."""
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    return column


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def _csv(batch: Any, header: bool) -> pa.Buffer:
    """Return a batch as text, with quotes only where there is need."""
    for style in ("none", "needed"):
        sink = pa.BufferOutputStream()
        options = pacsv.WriteOptions(
            include_header=header, quoting_style=style, quoting_header=style
        )
        try:
            pacsv.write_csv(batch, sink, options)
        except pa.ArrowInvalid:  # a value holds a comma, a quote or a line break
            continue
        return sink.getvalue()
    raise AssertionError("quoted text can always be written")


def _number(value: object) -> object:
    """Return a text that is plainly a number as one."""
    if isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value
