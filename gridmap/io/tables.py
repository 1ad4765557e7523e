"""Read and write tables without geometry."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.feather

from gridmap.errors import InputError
from gridmap.io.atomic import ending_of, replacing
from gridmap.io.batches import arrow_table, flat_columns, json_text, shape_column
from gridmap.io.csv_table import read_csv
from gridmap.io.declared import declared
from gridmap.io.excel import read_sheet, typed_column
from gridmap.io.excel_write import Sheet, write_workbook
from gridmap.io.integrity import check_text
from gridmap.io.limits import check_held
from gridmap.io.source import (
    BROKEN_PARQUET,
    Source,
    find_source,
    known_suffix,
    names_database,
    telling,
)
from gridmap.io.text import plain_table, warn_formulas
from gridmap.language import Message

WRITABLE = (".csv", ".xlsx", ".parquet", ".json")
_CODES = r"(?i)^(?:code|parent|.*_code|.*_id|.*编码|.*编号)$"
_AS_TABLE = {"csv": 1, "records": 4}  # times its text that a table takes


def read_table(
    spec: str | os.PathLike[str],
    *,
    encoding: str | None = None,
    separator: str | None = None,
    places: bool = False,
    keep_broken: bool = False,
    empty: bool = False,
) -> pd.DataFrame:
    """Read one table from whatever it came in.

    Parameters
    ----------
    spec : str or path
        CSV, XLSX, XLS, ODS, Parquet, Feather, JSON records (an array, or one a line), a database
        URL with ``?table=``, or a layer (its attributes); ``file:sheet`` names a sheet, ``-`` is
        the standard input.
    encoding, separator : str, optional
        Of a text; found out when not given.
    places : bool
        Whether, of sheets that differ, the only one with coordinates is meant.
    keep_broken : bool
        Whether rows of a text that do not fit the headings are kept, and named in
        ``attrs["broken"]``, rather than refused.
    empty : bool
        Whether headings without a record are taken for an empty table, with a note, not refused.

    Returns
    -------
    DataFrame
        All records in order, under the headings of the file. ``attrs["notes"]`` lists what was
        left out or assumed, in either language; ``attrs["encoding"]`` names that of a text.

    Raises
    ------
    InputError
        When the file is not there, unreadable, damaged, empty or ambiguous.
    """
    source = find_source(spec)
    frame = _read(source, encoding or declared().encoding, separator, places, keep_broken)
    if len(frame) == 0:
        note_empty(frame, source.name, empty=empty)
    return frame


def note_empty(frame: pd.DataFrame, name: str, *, empty: bool) -> None:
    """Note on a table that it has no record; refuse it where one is needed."""
    if not empty:
        raise InputError("`{source}` has headings but no records. Check the file.", source=name)
    note = Message("`{source}` has headings but no records.", source=name)
    frame.attrs["notes"] = [*frame.attrs.get("notes", []), note]


def _read(
    source: Source, encoding: str | None, separator: str | None, places: bool, keep_broken: bool
) -> pd.DataFrame:
    if source.kind in ("csv", "records"):
        size, streams = source.size * _AS_TABLE[source.kind], source.kind == "csv"
        check_held(size, source.size, source.name, streams=streams)
    if source.kind == "csv":
        return read_csv(source, encoding=encoding, separator=separator, keep_broken=keep_broken)
    if source.kind == "sheet":
        return read_sheet(source, places=places)
    if source.kind in ("parquet", "arrow"):
        return _read_arrow(source)
    if source.kind == "records":
        return _read_records(source)
    if source.kind == "database":
        from gridmap.io.postgis import read_database_table

        return read_database_table(source)
    from gridmap.io.vector import read_attributes

    return read_attributes(source, encoding=encoding)


def write_table(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    headings: dict[str, str] | None = None,
    sheet: str = "Sheet1",
) -> None:
    """Write one table; the extension tells the format. Codes are text everywhere.

    Parameters
    ----------
    frame : DataFrame
        What to write; a named index becomes a column, geometries are left out.
    path : path
        A file that ends in .csv (with byte-order mark, so that Excel reads it), .xlsx, .parquet
        or .json (one object a record); ``-`` or a FIFO, which get CSV; or a database URL with
        ``?table=``.
    overwrite : bool
        Whether an existing file may be replaced.
    headings : dict, optional
        New names of columns in what people open, .csv and .xlsx, as Chinese headings.
    sheet : str
        Name of the sheet in a workbook.

    Raises
    ------
    InputError
        When the format is unknown, the file exists, or it cannot be written.
    """
    if names_database(path):
        from gridmap.io.postgis import write_database_table

        write_database_table(frame, os.fspath(path), overwrite=overwrite)
        return
    path = Path(path)
    suffix = known_suffix(path, WRITABLE) if ending_of(path) != ".csv" else ".csv"
    table = with_codes_as_text(plain_table(frame))
    if headings and suffix in (".csv", ".xlsx"):
        table = table.rename(columns={k: v for k, v in headings.items() if k in table})
    with replacing(path, overwrite=overwrite) as temporary:
        if suffix == ".csv":
            _write_csv(table, temporary)
        elif suffix == ".xlsx":
            write_workbook({sheet: sheet_of(table)}, temporary)
        elif suffix == ".parquet":
            table.to_parquet(temporary, compression="zstd", index=False)
        else:
            table.to_json(temporary, orient="records", force_ascii=False, date_format="iso")


def sheet_of(table: pd.DataFrame) -> Sheet:
    """Return a table as a sheet to write."""
    names = [str(column) for column in table.columns]
    return Sheet(names, table.itertuples(index=False, name=None))


def with_codes_as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose codes and ids are text, whatever type they came with.

    Examples
    --------
    >>> table = with_codes_as_text(pd.DataFrame({"code": [990101001001001], "n": [3]}))
    >>> table.dtypes.astype(str).tolist()
    ['str', 'int64']
    """
    names = pd.Index([str(column) for column in table.columns])
    coded = np.flatnonzero(names.str.contains(_CODES, regex=True))
    whole = {
        table.columns[at]: table.iloc[:, at].astype("Int64").astype("str")
        for at in coded.tolist()
        if table.dtypes.iloc[at].kind in "iu"
    }
    return table.assign(**{str(name): values for name, values in whole.items()})


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write with a byte-order mark, through Arrow; tell what Excel would take for a formula."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    warn_formulas(arrow)
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf")
        pacsv.write_csv(arrow, file, pacsv.WriteOptions(quoting_style="needed"))


def _read_arrow(source: Source) -> pd.DataFrame:
    table = arrow_table(source)
    with telling(source.name, BROKEN_PARQUET):
        shape = shape_column(table, source.name)
        plain = table if shape is None else table.drop_columns([shape])
        frame: pd.DataFrame = flat_columns(plain).to_pandas()
    check_text(frame, source.name)
    frame.attrs = {}
    return frame


def _read_records(source: Source) -> pd.DataFrame:
    """Read JSON records: an array of objects, or one object a line; nested values stay JSON."""
    with telling(source.name, (ValueError, RecursionError)):
        records, held = _records(source.read_bytes().decode("utf-8-sig").strip(), source)
    odd = next((n for n, record in enumerate(records, 1) if not isinstance(record, dict)), None)
    if odd is not None:
        raise InputError(
            "`{source}` is no list of records: number {odd} is no object.",
            source=source.name,
            odd=odd,
        )
    names = list(dict.fromkeys(name for record in records for name in record))
    if not records or not names:
        raise InputError("`{source}` has no records. Check the file.", source=source.name)
    columns = {
        name: typed_column([_flat(record.get(name)) for record in records]) for name in names
    }
    frame = pd.DataFrame(columns, index=pd.RangeIndex(len(records)))
    frame.attrs["notes"] = [] if held is None else [Message("Read: the list {held}.", held=held)]
    return frame


def _records(text: str, source: Source) -> tuple[list[Any], str | None]:
    """Return the records of a text, and the name of the list in a document that holds them."""
    if text.startswith("["):
        return json.loads(text), None
    try:
        document = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()], None
    found = {} if source.suffix in (".ndjson", ".jsonl") else _lists(document, "")
    if len(found) > 1:
        raise InputError(
            "`{source}` has several lists of records: {found}. Save one of them as a file.",
            source=source.name,
            found=[*found],
        )
    for name, records in found.items():
        return records, name
    return [document], None


def _lists(document: Any, name: str) -> dict[str, list[Any]]:
    """Return the lists of objects in a document, as services answer with, by their names."""
    if isinstance(document, list) and document and all(isinstance(one, dict) for one in document):
        return {name: document}
    inner = document.items() if isinstance(document, dict) else ()
    return {
        path: records
        for key, value in inner
        for path, records in _lists(value, f"{name}.{key}" if name else key).items()
    }


def _flat(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return json_text(value)
    return None if isinstance(value, str) and not value.strip() else value
