"""Errors in Chinese: an English sentence is found in a table by its words and said anew."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from string import Formatter


def chinese(message: str) -> str:
    """Return an error in Chinese, or as it is where the table does not know it.

    The rooms raise in English, for programmers; `tables/messages_zh.csv` has the same sentences for
    the street office. What stands in a field may be a sentence of the table as well.

    Examples
    --------
    >>> chinese("`a.gpkg` is not there. Check the path.")
    '找不到 `a.gpkg`。请检查路径。'
    """
    for pattern, zh in _catalogue():
        if found := pattern.fullmatch(message):
            return zh.format(**{name: chinese(value) for name, value in found.groupdict().items()})
    return message


@cache
def _catalogue() -> list[tuple[re.Pattern[str], str]]:
    """Return the sentences, those with the most words of their own first."""
    table = files("gridmap").joinpath("tables", "messages_zh.csv").read_text("utf-8")
    rows = [(row["en"], row["zh"]) for row in csv.DictReader(table.splitlines())]
    rows.sort(key=lambda row: -sum(len(words) for words, *_ in Formatter().parse(row[0])))
    return [(_pattern(en), zh) for en, zh in rows]


def _pattern(template: str) -> re.Pattern[str]:
    """Turn `{field}` into a group; a field that comes again must hold the same."""
    text, seen = "", set()
    for words, field, *_ in Formatter().parse(template):
        text += re.escape(words)
        if field is not None:
            text += f"(?P={field})" if field in seen else f"(?P<{field}>.*?)"
            seen.add(field)
    return re.compile(text, re.DOTALL)
