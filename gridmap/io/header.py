"""Find the headings of an office table: below notes, over two rows, above totals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gridmap.io.columns import TABLES, aliases
from gridmap.io.text import fold

Row = Sequence[Any]

_DEEP = 40  # rows among which headings are looked for
_TOTAL = re.compile(
    r"^(合计|总计|共计|总和|汇总|小计|总数|全部合计|total|totals|grandtotal|sum|subtotal)$"
)
_CODE = re.compile(r"[\d.,-]+", re.ASCII)
MENTIONS_TOTAL = r"(?i)合\s*计|总\s*计|共\s*计|小\s*计|汇总|total"
_FOOTNOTE = re.compile(
    r"^(注|备注|说明|填表|制表|填报|审核|统计|联系|单位|日期|note|notes|source|prepared)"
)
_UNSEEN = "\ufeff\u200b"  # marks that stand where texts were put together
_NUMBER = re.compile(r"^[-+]?[\d,.]+%?$")


@dataclass(frozen=True)
class Headings:
    """Where the headings stand and what they say.

    Attributes
    ----------
    names : list of str
        One unique name a column.
    first : int
        Row of the (upper) headings.
    depth : int
        How many rows they take.
    above : list of str
        The notes above, as text.
    """

    names: list[str]
    first: int
    depth: int
    above: list[str] = field(default_factory=list)

    @property
    def body(self) -> int:
        """Row where the records begin."""
        return self.first + self.depth


def find_headings(rows: Sequence[Row]) -> Headings:
    """Find the headings among the first rows of a table.

    The row with most known headings is taken; without any, the first row that is filled as widely
    as the table and holds words only.

    Parameters
    ----------
    rows : sequence of rows
        At least the first rows, blanks as None or "".

    Returns
    -------
    Headings

    Examples
    --------
    >>> find_headings([["2024年楼栋台账", None], ["小区名称", "户数"], ["福苑", 36]]).names
    ['小区名称', '户数']
    """
    rows = list(rows[:_DEEP])
    width = max((len(row) for row in rows), default=0)
    first = _best_row(rows, width)
    depth, names = 1, _texts(rows[first], width) if rows else []
    if first + 1 < len(rows) and _is_second(rows[first], rows[first + 1], width):
        depth, names = 2, _joined(names, _texts(rows[first + 1], width))
    above = [" ".join(t for t in _texts(row, width) if t) for row in rows[:first]]
    return Headings(_unique(names), first, depth, [text for text in above if text])


def is_total(row: Row) -> bool:
    """Tell whether a row is a sum or a note at the foot, not a record."""
    texts = list[str]()
    for value in row:
        if value is not None and not is_blank(value):
            texts.append(str(value).strip())
            if len(texts) == 3:
                break
    if not texts:
        return False
    if any(not _CODE.fullmatch(text) and _TOTAL.match(fold(text)) for text in texts[:2]):
        return True
    return len(texts) <= 2 and bool(_FOOTNOTE.match(fold(texts[0]))) and not _is_number(texts[-1])


def known_headings(names: Row) -> int:
    """Count the headings that mean something in some kind of table."""
    return sum(1 for value in names if isinstance(value, str) and fold(value) in _known())


def is_blank(value: Any) -> bool:
    """Tell whether a value of a table cell is nothing."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or value != value


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(name for table in TABLES for name in aliases(table))


def _best_row(rows: list[Row], width: int) -> int:
    hits = [known_headings(row) for row in rows]
    if max(hits, default=0) >= 2:
        return hits.index(max(hits))
    for number, row in enumerate(rows):
        texts = [value for value in row if not is_blank(value)]
        if texts and len(texts) >= max(1, 0.6 * width) and not any(map(_is_number, texts)):
            return number
    return 0


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_NUMBER.match(value.strip()))
    return isinstance(value, (int, float))


def _is_second(upper: Row, lower: Row, width: int) -> bool:
    """Tell whether a row continues the headings above it, as under a merged group."""
    above, below = _texts(upper, width), _texts(lower, width)
    if not any(below) or any(_is_number(value) for value in lower if not is_blank(value)):
        return False
    repeated = any(a == b and a for a, b in zip(above, below, strict=True))
    filled = [name for name in above if name]
    gaps = any(not a and b for a, b in zip(above, below, strict=True))
    gaps = gaps or len(set(filled)) < len(filled)
    return (gaps or repeated) and known_headings(lower) >= 1


def _joined(above: list[str], below: list[str]) -> list[str]:
    names = [b or a for a, b in zip(above, below, strict=True)]
    return [
        f"{a}{b}" if names.count(n) > 1 and a and b and a != b else n
        for a, b, n in zip(above, below, names, strict=True)
    ]


def _texts(row: Row, width: int) -> list[str]:
    padded = [*row, *[None] * (width - len(row))]
    return [
        "" if is_blank(value) else " ".join(str(value).split()).strip(_UNSEEN) for value in padded
    ]


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    result = []
    for position, name in enumerate(names, start=1):
        name = name or f"column_{position}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result
