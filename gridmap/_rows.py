"""Rows of a column named in a sentence, and values that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Lang = Literal["zh", "en"]

DASHES = {"-", "--", "/", "\\", "无", "没有", "—", "——"}
_NOTHING = {"", "none", "null", "nan", "n/a", "nat"}
_SHOWN = 5  # rows named in a message
_LONG = 60  # characters of a value in a message


def is_nothing(value: Any) -> bool:
    """Tell whether a value, or a dash in its place, says that there is none."""
    return value is None or value != value or str(value).strip().lower() in _NOTHING | DASHES


def named_rows(values: pd.Series, most: int = _SHOWN, *, lang: Lang = "en") -> str:
    """Name the first of some rows, counted from 1, with what stands there."""
    row = "第 {} 行 {}" if lang == "zh" else "row {} {}"
    shown = [row.format(_place(at), _brief(value)) for at, value in values.head(most).items()]
    joined = "、".join(shown) if lang == "zh" else ", ".join(shown)
    return joined + (" …" if len(values) > most > 1 else "")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _place(label: Any) -> Any:
    return label + 1 if isinstance(label, int) else label
