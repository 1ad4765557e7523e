"""Text as it is delivered: encodings, separators, full-width digits."""

from __future__ import annotations

import re
import unicodedata
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gridmap._arrays import Floats
from gridmap._checks import DASHES, is_nothing, named_rows, simplified
from gridmap.crs.project import parse_degrees
from gridmap.errors import InputError
from gridmap.language import Message

SEPARATORS = (",", "\t", ";", "|")
_BRACKETED = re.compile(r"[(\[【{<].*?[)\]】}>]")
_NOISE = re.compile(r"[\s*＊:：_\-/\\·.,，。、'\"#]+")
_SIGNS = str.maketrans("−–٫", "--.")
_THOUSANDS = r"(?<=\d),(?=\d{3}(?!\d))"
_ONE_COMMA = r"[-+]?\d+,\d+"
_ONE_GROUP = r"[-+]?\d{1,3},\d{3}"
_GROUPS = r"[-+]?\d{1,3}(?:,\d{3})+(?:,\d{3}|\.\d*)"


def guess_separator(text: str) -> str:
    """Return the separator that cuts the first lines most evenly; a comma when none does.

    Examples
    --------
    >>> guess_separator("名称;户数\\n一号楼;12\\n")
    ';'
    """
    lines = [line for line in text.splitlines()[:60] if line.strip()]
    best, most = ",", 0
    for separator in SEPARATORS:
        counts = [sum(p.count(separator) for p in line.split('"')[::2]) for line in lines]
        usual = max(set(counts), key=counts.count) if counts else 0
        agreeing = counts.count(usual) if usual else 0
        if agreeing > most:
            best, most = separator, agreeing
    return best


def fold(text: object) -> str:
    """Reduce a heading or word to what matters: no width, case, blanks, units, script, decoration.

    Examples
    --------
    >>> fold(" ＊总户数（户） "), fold("Building_ID"), fold("X座標"), fold("總戶數")
    ('总户数', 'buildingid', 'x坐标', '总户数')
    """
    plain = unicodedata.normalize("NFKC", str(text)).lower()
    if not plain.isascii():
        plain = plain.translate(simplified()).replace("座标", "坐标")
    return _NOISE.sub("", _BRACKETED.sub("", plain)) or _NOISE.sub("", plain)


_COUNT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
_UNITS = re.compile(r"(?:户|戶|人|个|households?|dwellings?)$")


def parse_number(value: object) -> float | None:
    """Read a number that people typed, or None.

    Full-width digits, blanks within, thousands separators and a counting word are understood.

    Examples
    --------
    >>> parse_number("3 60户"), parse_number("１，２３４"), parse_number("约300")
    (360.0, 1234.0, None)
    """
    if isinstance(value, (bool, np.bool_)):  # true is no count
        return None
    if isinstance(value, (int, float)):
        return None if value != value else float(value)
    text = unicodedata.normalize("NFKC", str(value)).lower()
    text = _UNITS.sub("", "".join(text.split()))
    text = re.sub(r"(?<=\d)[,'，](?=\d{3}(?!\d))", "", text)
    return float(text) if _COUNT.fullmatch(text) else None


def counts(values: pd.Series, heading: str, notes: list[Message]) -> pd.Series:
    """Read whole numbers of 0 or more; a dash is 0, and all else is refused by its row.

    Parameters
    ----------
    values : Series
        As they came.
    heading : str
        What to call the column.
    notes : list
        Gets a line for dashes and mended text.

    Returns
    -------
    Series of int64

    Raises
    ------
    InputError
        Naming the first rows that are no counts.
    """
    plain = values.dtype.kind in "iuf"
    dash = pd.Series(False, index=values.index)
    if not plain:
        dash = values.map(lambda value: str(value).strip() in DASHES).astype(bool)
    numbers_read = values if plain else values.map(parse_number)
    read = pd.to_numeric(numbers_read, errors="coerce").astype(float).mask(dash, 0.0)
    bad = ~(np.isfinite(read) & (read >= 0) & (np.floor(read) == read) & (read < 2**53))
    if bad.any():
        raise InputError(
            "Column {heading!r} must hold whole numbers, but {bad:,} {bad:row does|rows "
            "do} not: {values}. Mend them in the file; write 0 where nobody lives.",
            heading=heading,
            bad=int(bad.sum()),
            values=named_rows(values[bad]),
        )
    if dash.any():
        n, rows = int(dash.sum()), [str(p + 1) for p in np.flatnonzero(dash)[:5]]
        notes.append(
            Message(
                "{n:,} {n:dash|dashes} in {heading} {n:counts|count} as 0 (row {rows} and on).",
                n=n,
                heading=heading,
                rows=rows,
            )
        )
    if not plain:
        _note_mended(values, read, dash, heading, notes)
    return read.astype(np.int64)


def numbers(values: pd.Series, heading: str, notes: list[Message]) -> pd.Series:
    """Read numbers; what is none becomes NaN and is counted in the notes."""
    if values.dtype.kind in "iuf":
        return values.astype(float)
    read = pd.Series(number_array(values), index=values.index)
    rest = read.isna() & ~values.map(is_nothing).astype(bool)
    if rest.any():
        told = Message("{n:,} {n:row|rows} of {heading} {n:is no number|are no numbers}: {rows}.")
        bad = values[rest]
        notes.append(told(n=len(bad), heading=heading, rows=named_rows(bad)))
    return read


def texts(values: pd.Series) -> pd.Series:
    """Return codes as text: no blanks around, no decimals that a spreadsheet added."""
    if values.dtype.kind in "iu":
        return values.astype(str).astype("str")
    if values.dtype.kind == "f":
        whole = values.map(lambda v: None if v != v else f"{v:.0f}" if v == int(v) else repr(v))
        return whole.astype("str")
    stripped = values.astype("str").str.strip()
    if not stripped.str.contains(".0", regex=False, na=False).any():
        return stripped
    decimals = stripped.str.fullmatch(r"\d+\.0+", na=False)
    return stripped.mask(decimals, stripped.str.replace(r"\.0+$", "", regex=True))


def _note_mended(
    values: pd.Series, read: pd.Series, dash: pd.Series, heading: str, notes: list[Message]
) -> None:
    mended = ~dash & ~values.astype("str").str.strip().str.fullmatch(r"\d+(\.0*)?", na=False)
    if not mended.any():
        return
    example, value = values[mended].iloc[0], int(read[mended].iloc[0])
    count = int(mended.sum())
    notes.append(
        Message(
            "{count:,} {count:count|counts} in {heading} had text, as {example!r}, read "
            "as {value}.",
            count=count,
            heading=heading,
            example=example,
            value=value,
        )
    )


def number_array(values: pd.Series | pa.Array) -> Floats:
    """Return a column of coordinates as numbers; what is none becomes NaN.

    Text is read as numbers, with full-width digits, thousands separators, decimal commas and
    blanks around them forgiven, or as degrees, minutes and seconds.

    Examples
    --------
    >>> number_array(pd.Series([" 12.5", "１２", "3,384,765", "不详"])).tolist()
    [12.5, 12.0, 3384765.0, nan]
    >>> number_array(pd.Series(["114°06′18″E", "30度30分", "北"])).tolist()
    [114.105, 30.5, nan]
    >>> number_array(pd.Series(["48,0096925", "48,125"])).tolist()
    [48.0096925, 48.125]
    """
    if isinstance(values, pa.Array | pa.ChunkedArray):
        values = _from_arrow(values)
    if isinstance(values, np.ndarray):
        return values
    if values.dtype == np.float64:
        return np.asarray(values)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    read = pd.to_numeric(values, errors="coerce")
    missed = (read.isna() & values.notna()).to_numpy()
    if missed.any():
        text = values[missed].astype(str).map(_plain_figures)
        text = decimal_points(text).str.replace(_THOUSANDS, "", regex=True)
        found = np.array(read, dtype=np.float64)
        found[missed] = pd.to_numeric(text, errors="coerce").to_numpy()
        rest = np.flatnonzero(missed & np.isnan(found))
        angles = values.iloc[rest].astype(str)
        found[rest] = np.array([*map(parse_degrees, angles)], dtype=np.float64)
        return found
    return np.asarray(read.to_numpy(dtype=np.float64, na_value=np.nan))


def _plain_figures(text: str) -> str:
    """Write figures of any script and width as 0 to 9, and leave out what stands around them."""
    plain = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    plain = "".join(str(unicodedata.digit(c, c)) for c in plain) if not plain.isascii() else plain
    return plain.strip(" \t\u200b\u200e\u200f\ufeff°'\"")


def decimal_points(text: pd.Series) -> pd.Series:
    """Write decimal commas as points, where one of the numbers can mean nothing else.

    A comma before other than three digits is no thousands separator, and then none of them is.

    Examples
    --------
    >>> decimal_points(pd.Series(["48,01", "48,125"])).tolist()
    ['48.01', '48.125']
    >>> decimal_points(pd.Series(["48,125", "3,384,765"])).tolist()
    ['48,125', '3,384,765']
    """
    comma = text.str.fullmatch(_ONE_COMMA, na=False)
    if not (comma & ~text.str.fullmatch(_ONE_GROUP, na=False)).any():
        return text
    if text.str.fullmatch(_GROUPS, na=False).any():
        return text
    return text.mask(comma, text.str.replace(",", ".", regex=False))


def _from_arrow(column: pa.Array) -> Floats | pd.Series:
    """Return a column as floats where it holds plain numbers, else as a series."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
        try:
            column = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            texts: pd.Series = column.to_pandas().astype(object)
            return texts
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values = pc.cast(column, pa.float64(), safe=False).fill_null(np.nan)
        return np.array(values.to_numpy(zero_copy_only=False))
    rest: pd.Series = column.to_pandas()
    return rest


def plain_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame without geometry, its named index as columns, collections as text."""
    shaped = [c for c in frame.columns if str(frame[c].dtype) == "geometry"]
    table = pd.DataFrame(frame.drop(columns=shaped))
    if any(name is not None for name in table.index.names):
        table = table.reset_index(drop=all(n in table.columns for n in table.index.names))
    for column in table.columns:
        if table[column].dtype == object or isinstance(table[column].dtype, pd.PeriodDtype):
            table[column] = [as_text(value) for value in table[column]]
    table.attrs = {}
    return table


def as_text(value: Any) -> Any:
    """Return a value that a table can hold: collections and unknown objects become text."""
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(map(str, value))
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


_FORMULA = r"^[=@\t\r]|^[+-](?:[^0-9.]|.*[^0-9.eE,%-])"


def warn_formulas(table: pa.Table | pa.RecordBatch) -> None:
    """Warn of texts in delimited output that Excel would run as formulas.

    Warns
    -----
    FormulaWarning
        Naming the column and a value.
    """
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
            continue
        found = pc.match_substring_regex(column, _FORMULA).fill_null(False)
        if pc.any(found).as_py():
            first = column.filter(found)[0].as_py()
            told = Message(
                "Column {name!r} has texts that Excel would run as formulas, as {first!r}. Open "
                "the file with Data > From Text, or write .xlsx, where they stay text."
            )
            warnings.warn(FormulaWarning(told(name=str(name), first=str(first)[:40])), stacklevel=3)


class FormulaWarning(UserWarning):
    """A text in delimited output begins like a formula."""
