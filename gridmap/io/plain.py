"""Frames made plain: geometry left out, indexes as columns, collections as text."""

from __future__ import annotations

from typing import Any

import pandas as pd


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
