"""The accounts of an assignment: what was read, and what became of each record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

Lang = Literal["zh", "en"]

NAMED = 20  # invalid records that are named
_WORDS = {
    "read": ("读入", "read"),
    "inside": ("网格内", "inside"),
    "boundary": ("共用边界", "boundary"),
    "rim": ("外边界", "rim"),
    "outside": ("辖区外", "outside"),
    "invalid": ("坐标无效", "invalid"),
}


@dataclass
class Accounts:
    """What became of every row: read is the sum of the rest.

    Attributes
    ----------
    counts : dict of str to int
        read, inside, boundary, rim, outside, invalid.
    invalid_rows : list of int
        The first invalid records by number, counted from 1.
    broken : int
        How many of the invalid rows had too few or too many fields.
    alarm : DatumAlarm or None
        Whether another datum would fit better.

    Examples
    --------
    >>> status = pd.Series(["inside", "outside", "outside"])
    >>> Accounts(accounts(status)).sentences("en")
    ['read 3 = inside 1 + boundary 0 + rim 0 + outside 2 + invalid 0']
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_WORDS, 0))
    invalid_rows: list[int] = field(default_factory=list)
    broken: int = 0
    alarm: Any = None

    def sentences(self, lang: Lang = "zh") -> list[str]:
        """Return the accounts, and what should be looked at, a line each."""
        at = 0 if lang == "zh" else 1
        parts = [f"{_WORDS[name][at]} {count:,}" for name, count in self.counts.items()]
        lines = [f"{parts[0]} = {' + '.join(parts[1:])}"]
        if self.invalid_rows:
            rows = ", ".join(f"{row:,}" for row in self.invalid_rows)
            more = "…" if self.counts["invalid"] > len(self.invalid_rows) else ""
            zh = f"坐标无效的记录（第几条）：{rows}{more}"
            en = f"Invalid records, by number: {rows}{more}"
            if self.broken:
                zh += f"；其中 {self.broken:,} 条列数不对，原文已保留"
                en += f"; {self.broken:,} of the invalid have a wrong number of fields, kept as is"
            lines.append(zh if at == 0 else en)
        if self.alarm is not None:
            lines.append(self.alarm.sentence(lang))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the accounts as JSON knows them."""
        alarm = None if self.alarm is None else vars(self.alarm)
        return {
            **self.counts,
            "broken": self.broken,
            "invalid_rows": self.invalid_rows,
            "datum_alarm": alarm,
        }


def accounts(status: pd.Series) -> dict[str, int]:
    """Count what was read, and what became of it: read is the sum of the rest.

    Examples
    --------
    >>> accounts(pd.Series(["inside", "outside", "inside"]))["inside"]
    2
    """
    counts = status.value_counts()
    order = ("inside", "boundary", "rim", "outside", "invalid")
    return {"read": len(status), **{name: int(counts.get(name, 0)) for name in order}}
