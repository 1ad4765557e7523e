"""What people type into cells of a table, read as counts, numbers and codes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gridmap._rows import DASHES, is_nothing, named_rows
from gridmap.crs.angles import parse_degrees
from gridmap.errors import InputError
from gridmap.io.text import parse_number

Note = tuple[str, str]


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
        dash = values.map(lambda value: str(value).strip() in DASHES).astype(bool)
    numbers_read = values if plain else values.map(parse_number)
    read = pd.to_numeric(numbers_read, errors="coerce").astype(float).mask(dash, 0.0)
    bad = ~(np.isfinite(read) & (read >= 0) & (np.floor(read) == read) & (read < 2**53))
    if bad.any():
        raise InputError(
            f"Column {heading!r} must hold whole numbers, but {int(bad.sum()):,} rows do not: "
            f"{named_rows(values[bad])}. Mend them in the file; write 0 where nobody lives."
        )
    if dash.any():
        rows = ", ".join(str(p + 1) for p in np.flatnonzero(dash)[:5])
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
    from gridmap.incidents.points import decimal_points

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
        count, bad = f"{int(rest.sum()):,}", values[rest]
        zh = f"“{heading}”有 {count} 行不是数字：{named_rows(bad, lang='zh')}。"
        notes.append((zh, f"{count} rows of {heading} are no numbers: {named_rows(bad)}."))
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
