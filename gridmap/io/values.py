"""What people type into cells of a table, read as counts, numbers, times and codes."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import pandas as pd

from gridmap.errors import InputError
from gridmap.io.text import parse_number

Note = tuple[str, str]

_SHOWN = 5
_NOTHING = {"", "none", "null", "nan", "n/a", "nat"}
_NOBODY = {"-", "--", "/", "\\", "无", "没有", "—", "——"}
_DATE = re.compile(r"(\d{4})\s*[年./-]\s*(\d{1,2})\s*[月./-]\s*(\d{1,2})\s*日?\s*T?(.*)")
_CLOCK = re.compile(
    r"(上午|下午|晚上)?\s*(\d{1,2})\s*[时點点:]\s*(\d{1,2})?\s*[分:]?\s*(\d{1,2})?(?:\.\d+)?\s*秒?"
)
_EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119
_DAY_ZERO = pd.Timestamp("1899-12-30")


def counts(values: pd.Series, heading: str, notes: list[Note]) -> pd.Series:
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
        dash = values.map(lambda value: str(value).strip() in _NOBODY).astype(bool)
    numbers_read = values if plain else values.map(parse_number)
    read = pd.to_numeric(numbers_read, errors="coerce").astype(float).mask(dash, 0.0)
    bad = ~(np.isfinite(read) & (read >= 0) & (np.floor(read) == read) & (read < 2**53))
    if bad.any():
        raise InputError(
            f"Column {heading!r} must hold whole numbers, but {int(bad.sum()):,} rows do not: "
            f"{_rows(values[bad])}. Mend them in the file; write 0 where nobody lives."
        )
    if dash.any():
        rows = ", ".join(str(p + 1) for p in np.flatnonzero(dash)[:_SHOWN])
        notes.append(
            (
                f"“{heading}”有 {int(dash.sum()):,} 行为“-”或“无”，按 0 计（第 {rows} 行等）。",
                f"{int(dash.sum()):,} dashes in {heading} count as 0 (row {rows} and on).",
            )
        )
    if not plain:
        _note_mended(values, read, dash, heading, notes)
    return read.astype(np.int64)


def numbers(values: pd.Series, heading: str, notes: list[Note]) -> pd.Series:
    """Read numbers; what is none becomes NaN and is counted in the notes."""
    if values.dtype.kind in "iuf":
        return values.astype(float)
    read = pd.to_numeric(values, errors="coerce").astype(float)
    rest = read.isna() & ~values.isna()
    if rest.any():
        read = read.mask(rest, values[rest].map(parse_number).astype(float))
        rest = read.isna() & ~values.map(_is_nothing).astype(bool)
    if rest.any():
        notes.append(
            (
                f"“{heading}”有 {int(rest.sum()):,} 行不是数字：{_rows(values[rest])}。",
                f"{int(rest.sum()):,} rows of {heading} are no numbers: {_rows(values[rest])}.",
            )
        )
    return read


def moments(values: pd.Series, heading: str, notes: list[Note]) -> pd.Series:
    """Read times as written on the clock; what is none becomes NaT and is counted in the notes."""
    read = _moments(values)
    if read.dt.tz is not None:
        read = read.dt.tz_localize(None)
    unread = read.isna() & ~values.isna()
    if unread.any():
        unread &= ~values.map(_is_nothing).astype(bool)
    if unread.any():
        notes.append(
            (
                f"“{heading}”有 {int(unread.sum()):,} 行不是时间：{_rows(values[unread])}。",
                f"{int(unread.sum()):,} rows of {heading} are no times: {_rows(values[unread])}.",
            )
        )
    return read


def texts(values: pd.Series) -> pd.Series:
    """Return codes as text: no blanks around, no decimals that a spreadsheet added."""
    if values.dtype.kind in "iu":
        return values.astype(str).astype("str")
    if values.dtype.kind == "f":
        whole = values.map(lambda v: None if v != v else f"{v:.0f}" if v == int(v) else repr(v))
        return whole.astype("str")
    stripped = values.astype("str").str.strip()
    decimals = stripped.str.fullmatch(r"\d+\.0+", na=False)
    return stripped.mask(decimals, stripped.str.replace(r"\.0+$", "", regex=True))


def _moments(values: pd.Series) -> pd.Series:
    if values.dtype.kind == "M":
        return values
    if values.dtype.kind in "iuf":
        return _from_numbers(values)
    if values.dtype == object:  # a mixture; a spreadsheet's own times print as ISO 8601
        values = values.map(lambda value: None if _is_nothing(value) else str(value)).astype("str")
    try:
        return pd.to_datetime(values, format="ISO8601")
    except (ValueError, TypeError, OverflowError):
        return _one_by_one(values)


def _from_numbers(values: pd.Series) -> pd.Series:
    """Read days since 1900, as spreadsheets count, or dates written as 20240305."""
    number = values.astype(float)
    days = number.where(number.between(*_EXCEL_DAYS))
    read = _DAY_ZERO + pd.to_timedelta((days * 86400).round(), unit="s")
    written = number.between(19_000_101, 29_991_231)
    if written.any():
        text = number.where(written).map(lambda v: "" if v != v else f"{v:.0f}")
        read = read.where(~written, pd.to_datetime(text, format="%Y%m%d", errors="coerce"))
    return pd.Series(read, index=values.index).astype("datetime64[us]")


def _one_by_one(values: pd.Series) -> pd.Series:
    unique = {value: _moment(value) for value in values.dropna().unique()}
    return values.map(unique).astype("datetime64[us]")


def _moment(value: Any) -> Any:
    text = unicodedata.normalize("NFKC", str(value)).strip()
    date = _DATE.fullmatch(text)
    if date is None:
        return _other(text)
    clock = _CLOCK.fullmatch(date[4].strip().split("+")[0].removesuffix("Z").strip() or "0:0")
    if clock is None:
        return pd.NaT
    hour = int(clock[2]) + (12 if clock[1] in ("下午", "晚上") and int(clock[2]) < 12 else 0)
    try:
        return pd.Timestamp(
            int(date[1]), int(date[2]), int(date[3]), hour, int(clock[3] or 0), int(clock[4] or 0)
        )
    except ValueError:
        return pd.NaT


def _other(text: str) -> Any:
    if re.fullmatch(r"(?:19|20)\d{12}", text):
        return pd.to_datetime(text, format="%Y%m%d%H%M%S", errors="coerce")
    number = parse_number(text)
    if number is not None:
        return _from_numbers(pd.Series([number])).iloc[0]
    return pd.NaT


def _is_nothing(value: Any) -> bool:
    return value is None or value != value or str(value).strip().lower() in _NOTHING | _NOBODY


def _rows(values: pd.Series) -> str:
    """Name the first of some rows, counted from 1, with what stands there."""
    shown = [f"row {_place(label)} {value!r}" for label, value in values.head(_SHOWN).items()]
    return ", ".join(shown) + (" …" if len(values) > _SHOWN else "")


def _place(label: Any) -> Any:
    return label + 1 if isinstance(label, int) else label


def _note_mended(
    values: pd.Series, read: pd.Series, dash: pd.Series, heading: str, notes: list[Note]
) -> None:
    mended = ~dash & ~values.astype("str").str.strip().str.fullmatch(r"\d+(\.0*)?", na=False)
    if not mended.any():
        return
    example, value = values[mended].iloc[0], int(read[mended].iloc[0])
    count = int(mended.sum())
    notes.append(
        (
            f"“{heading}”有 {count:,} 行是带文字的数，如 {example!r} 读作 {value}。",
            f"{count:,} counts in {heading} had text, as {example!r}, read as {value}.",
        )
    )
