"""Text as it is delivered: encodings, separators, full-width digits."""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import Any

import numpy as np
import pandas as pd

from gridmap._checks import DASHES, is_nothing, named_rows
from gridmap.crs.project import parse_degrees
from gridmap.errors import InputError
from gridmap.language import Message

_ONE_COMMA = r"[-+]?\d+,\d+"


_ONE_GROUP = r"[-+]?\d{1,3},\d{3}"


_GROUPS = r"[-+]?\d{1,3}(?:,\d{3})+(?:,\d{3}|\.\d*)"


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


SEPARATORS = (",", "\t", ";", "|")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BRACKETED = re.compile(r"[(\[【{<].*?[)\]】}>]")
_NOISE = re.compile(r"[\s*＊:：_\-/\\·.,，。、'\"#]+")


def guess_encoding(data: bytes, *, cut: bool = False, name: str = "file") -> str:
    """Tell in which encoding a text is: its mark, else UTF-8, else GB18030.

    Parameters
    ----------
    data : bytes
        The text or its beginning.
    cut : bool
        Whether `data` may end within a character.
    name : str
        What to call the text in an error.

    Returns
    -------
    str
        ``utf-8-sig``, ``utf-16``, ``utf-8`` or ``gb18030``.

    Raises
    ------
    InputError
        When it is none of them.

    Examples
    --------
    >>> guess_encoding("户数".encode("gbk"))
    'gb18030'
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    failure: UnicodeDecodeError | None = None
    for encoding in ("utf-8", "gb18030"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
        except UnicodeDecodeError as error:
            failure = error
            continue
        return encoding
    at = failure.start if failure is not None else 0
    raise InputError(
        "`{name}` is neither UTF-8 nor GB18030 text (byte {at:,} fits neither). Save "
        "it again as UTF-8, or tell the encoding.",
        name=name,
        at=at,
    )


def check_encoding(name: str) -> str:
    """Return the name of an encoding of texts; refuse one that is not known.

    Examples
    --------
    >>> check_encoding("GBK")
    'GBK'
    """
    try:
        "".encode(name)
    except LookupError as error:
        raise InputError(
            "`encoding` is {name!r}, which is not known. Use utf-8, gb18030, utf-16 or big5.",
            name=name,
        ) from error
    return name


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
        counts = [_outside_quotes(line, separator) for line in lines]
        usual = max(set(counts), key=counts.count) if counts else 0
        agreeing = counts.count(usual) if usual else 0
        if agreeing > most:
            best, most = separator, agreeing
    return best


def fold(text: object) -> str:
    """Reduce a heading to what matters: no width, case, spaces, units or decoration.

    Examples
    --------
    >>> fold(" ＊总户数（户） "), fold("Building_ID")
    ('总户数', 'buildingid')
    """
    plain = unicodedata.normalize("NFKC", str(text)).lower()
    return _NOISE.sub("", _BRACKETED.sub("", plain)) or _NOISE.sub("", plain)


def _outside_quotes(line: str, separator: str) -> int:
    return sum(part.count(separator) for part in line.split('"')[::2])


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
    if isinstance(value, (int, float)):
        return None if value != value else float(value)
    text = unicodedata.normalize("NFKC", str(value)).lower()
    text = _UNITS.sub("", "".join(text.split()))
    text = re.sub(r"(?<=\d)[,'，](?=\d{3}(?!\d))", "", text)
    return float(text) if _COUNT.fullmatch(text) else None


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
    read = pd.to_numeric(values, errors="coerce").astype(float)
    rest = read.isna() & ~values.isna()
    if rest.any():
        text = decimal_points(values[rest].astype("str").str.strip())
        read = read.mask(rest, text.map(parse_number).astype(float))
        rest = read.isna() & ~values.isna()
        read = read.mask(rest, values[rest].map(parse_degrees).astype(float))
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
