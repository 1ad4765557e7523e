"""Hotspot tables as they come back from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

HEADINGS = {
    "网格编码": "code",
    "案件数": "incidents",
    "Gi*得分": "z",
    "p值": "p",
    "q值（错误发现率）": "q",
    "校正后p值": "q",
    "冷热等级": "bin",
    "未判断原因": "gate",
    "问题类型": "category",
    "日期": "day",
    "周": "week",
    "月份": "month",
}
SPLITS = ("category", "day", "week", "month")


def from_file(table: pd.DataFrame, grid: Grid) -> pd.DataFrame | None:
    """Return a table with the index that `hotspots` gives, None when it is no such table.

    Examples
    --------
    >>> from_file(pd.DataFrame({"x": [1]}), None) is None
    True
    """
    table = pd.DataFrame(table).rename(columns=HEADINGS)
    if not {"code", "bin"} <= set(table):
        return None
    table = table.assign(code=table["code"].astype(str))
    numbers = [name for name in ("incidents", "z", "p", "q", "bin") if name in table]
    table[numbers] = table[numbers].apply(pd.to_numeric)
    known = table[table["code"].isin(grid.cells.index)]
    splits = [name for name in SPLITS if name in table]
    return known.set_index(["code", *splits])
