"""The words on maps and pages, in Chinese and English."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Literal

Lang = Literal["zh", "en"]

ROOM = {
    "zh": {
        "map": "地图",
        "themes": "专题",
        "borders": "辖区界",
        "labels": "标注",
        "density": "密度热力",
        "marks": "缺陷",
        "old": "原网格界",
        "zoomIn": "放大",
        "zoomOut": "缩小",
        "whole": "全图",
        "wholeTitle": "回到全图",
        "pngTitle": "导出 PNG 图片（可贴入 PPT）",
        "print": "打印",
        "printTitle": "打印或存为 PDF（A4 横向一页）",
        "time": "时段",
        "wholeTime": "全部时段",
        "play": "播放",
        "search": "搜索编码、名称或辖区",
        "nothing": "没有找到",
        "code": "网格编码",
    },
    "en": {
        "map": "Map",
        "themes": "Themes",
        "borders": "Borders",
        "labels": "Names",
        "density": "Density",
        "marks": "Defects",
        "old": "Old cells",
        "zoomIn": "Zoom in",
        "zoomOut": "Zoom out",
        "whole": "All",
        "wholeTitle": "Show the whole map",
        "pngTitle": "Save a PNG picture for slides",
        "print": "Print",
        "printTitle": "Print, or save as PDF (one A4 page, landscape)",
        "time": "Period",
        "wholeTime": "Whole time",
        "play": "Play",
        "search": "Code, name or area",
        "nothing": "Nothing found",
        "code": "Code",
    },
}

LEVEL_TITLES = {
    "district": ("区", "District"),
    "street": ("街道", "Street"),
    "community": ("社区", "Community"),
    "town": ("镇", "Town"),
    "village": ("村", "Village"),
    "county": ("县", "County"),
    "city": ("市", "City"),
    "neighborhood": ("街区", "Neighborhood"),
    "neighbourhood": ("街区", "Neighbourhood"),
    "ward": ("选区", "Ward"),
    "parent": ("辖区", "Jurisdiction"),
}


def pick(lang: Lang, zh: str, en: str) -> str:
    """Return the text in one language."""
    return zh if lang == "zh" else en


def level_title(level: str, lang: Lang) -> str:
    """Name a column of the hierarchy for readers."""
    zh, en = LEVEL_TITLES.get(level.lower(), (level, level))
    return pick(lang, zh, en)


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
