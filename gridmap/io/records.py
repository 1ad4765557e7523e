"""Rows of an office sheet as a frame of records, with what was left out."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gridmap.io.header import Headings, is_blank, is_total
from gridmap.io.text import fold, parse_number

_CODE = 10**11  # whole numbers from here on are codes
_SUBTOTAL = ("小计", "subtotal")


def frame_of(headings: Headings, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Make records of the rows under the headings; totals and blank rows are left out and noted.

    Parameters
    ----------
    headings : Headings
        What `find_headings` found.
    rows : iterable of rows
        Those of the body, with values as a spreadsheet types them.

    Returns
    -------
    DataFrame
        Numbers as int64 or float64 where a whole column is, else text.
    """
    width = len(headings.names)
    kept: list[list[Any]] = []
    left_out: list[list[Any]] = []
    for row in rows:
        values = [None if is_blank(value) else value for value in [*row, *[None] * width][:width]]
        if all(value is None for value in values):
            continue
        (left_out if is_total(values) else kept).append(values)
    columns = [[row[position] for row in kept] for position in range(width)]
    frame = pd.DataFrame(
        {position: _column(values) for position, values in enumerate(columns)},
        index=pd.RangeIndex(len(kept)),
    )
    frame.columns = pd.Index(headings.names)
    blank = [all(value is None for value in column) for column in columns]
    unnamed = [name.startswith("column_") for name in headings.names]
    frame = frame.loc[:, [not (b and u) for b, u in zip(blank, unnamed, strict=True)]]
    note_left_out(frame, headings, left_out)
    return frame


def note_left_out(
    frame: pd.DataFrame, headings: Headings, left_out: Sequence[Sequence[Any]]
) -> None:
    """Note on a frame what stood above and below its records, and whether totals agree."""
    notes = list(frame.attrs.get("notes", []))
    if headings.above:
        text = "；".join(headings.above)[:120]
        notes.append((f"表头前的说明已略去：{text}", f"Left out above the headings: {text}"))
    for row in left_out:
        text = " ".join(str(value) for value in row if not is_blank(value))[:120]
        notes.append((f"非数据行已略去：{text}", f"Left out, being no record: {text}"))
        notes.extend(_disagreements(frame, headings, row))
    frame.attrs["notes"] = notes


def _disagreements(
    frame: pd.DataFrame, headings: Headings, row: Sequence[Any]
) -> list[tuple[str, str]]:
    """Compare a total with the sum of the records above it."""
    texts = [fold(value) for value in row if not is_blank(value)]
    if not texts or texts[0].startswith(_SUBTOTAL):
        return []
    found = []
    for name, value in zip(headings.names, row, strict=False):
        said = parse_number(value)
        if said is None or name not in frame or not isinstance(frame[name], pd.Series):
            continue
        numbers = [parse_number(v) for v in frame[name]]
        known = [number for number in numbers if number is not None]
        total = float(np.sum(known)) if known else said
        if len(known) > len(numbers) / 2 and abs(total - said) > 1e-6 * max(1.0, abs(said)):
            found.append(
                (
                    f"注意：合计行的“{name}”为 {said:,.10g}，各行之和为 {total:,.10g}。",
                    f"Beware: the total says {said:,.10g} {name}, the records {total:,.10g}.",
                )
            )
    return found


def _column(values: list[Any]) -> Any:
    """Give a column one type: numbers, times, or text."""
    present = [value for value in values if value is not None]
    if present and all(_is_int(value) for value in present):
        whole = [None if value is None else int(value) for value in values]
        small = all(abs(int(value)) < _CODE for value in present)
        if small and len(present) == len(values):
            return np.array(whole, dtype=np.int64)
        if small:
            return np.array([np.nan if v is None else v for v in whole], dtype=np.float64)
    if present and all(map(_is_number, present)) and not all(map(_is_int, present)):
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    if present and all(isinstance(value, datetime.datetime) for value in present):
        return pd.Series(values, dtype=object).map(_moment)
    return pd.array([None if v is None else _text(v) for v in values], dtype="str")


def _moment(value: Any) -> Any:
    return pd.NaT if value is None else pd.Timestamp(value)


def _is_int(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(int(value)) if _is_int(value) else str(value).strip()
