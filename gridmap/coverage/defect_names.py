"""The words for verdicts and defects, in Chinese and in English."""

from __future__ import annotations

from typing import Literal

Lang = Literal["zh", "en"]

KINDS: dict[str, tuple[str, str, str]] = {
    "gap": ("空白", "gap", "gaps"),
    "overlap": ("重叠", "overlap", "overlaps"),
    "outside": ("超出边界", "area outside the boundary", "areas outside the boundary"),
    "t-junction": ("顶点未对齐", "unmatched vertex", "unmatched vertices"),
    "ring-invalid": ("图形自相交", "invalid ring", "invalid rings"),
    "geom-empty": ("图形为空", "empty geometry", "empty geometries"),
    "multipart": ("多块网格", "cell in several parts", "cells in several parts"),
    "duplicate-vertex": ("重复顶点", "cell with repeated vertices", "cells with repeated vertices"),
    "crosses-parent": ("跨越上级", "area across a parent", "areas across a parent"),
    "parent-gap": ("上级内空白", "gap in a parent", "gaps in parents"),
    "excluded-gap": ("已声明空白", "declared gap", "declared gaps"),
    "code-duplicate": ("编码重复", "repeated code", "repeated codes"),
    "code-missing": ("编码缺失", "missing code", "missing codes"),
    "parent-unknown": ("上级不存在", "unknown parent", "unknown parents"),
    "crs-missing": ("缺少坐标系", "missing CRS", "missing CRSs"),
    "crs-mismatch": ("坐标系不一致", "CRS mismatch", "CRS mismatches"),
    "crs-geographic": ("经纬度坐标", "geographic CRS", "geographic CRSs"),
    "extent-disjoint": ("范围不相交", "disjoint extent", "disjoint extents"),
    "households-out-of-range": (
        "户数超出范围",
        "cell outside the household band",
        "cells outside the household band",
    ),
}
"""Each kind of defect: in Chinese, and in English for one and for several."""

NOTES = frozenset({"t-junction", "duplicate-vertex", "multipart", "excluded-gap", "crs-geographic"})
"""Kinds that are worth knowing but do not make a coverage fail."""

QUALIFIERS = {
    "hole": ("内部", "inside"),
    "edge": ("边缘", "at the rim"),
    "missing-cell": ("整格缺失", "a whole cell missing"),
    "partial": ("部分", "partial"),
    "nested": ("嵌套", "nested"),
    "duplicate": ("重复", "duplicate"),
    "sliver": ("细缝", "sliver"),
    "sub-resolution": ("低于坐标精度", "below the resolution of the coordinates"),
    "accepted": ("已接受", "accepted"),
    "recorded": ("已登记例外", "recorded exception"),
}

REASONS = {
    "Self-intersection": "自相交",
    "Ring Self-intersection": "环自相交",
    "Hole lies outside shell": "洞在外环之外",
    "Holes are nested": "洞相互嵌套",
    "Interior is disconnected": "内部不连通",
    "Nested shells": "外环相互嵌套",
    "Duplicate Rings": "环重复",
    "Too few points in geometry component": "顶点不足",
    "Invalid Coordinate": "坐标无效",
}
"""What GEOS says of a ring, in Chinese."""


def pick(lang: Lang, zh: str, en: str) -> str:
    """Return the text in one of the two languages."""
    return zh if lang == "zh" else en


def reason_in(lang: Lang, reason: str) -> str:
    """Return what GEOS says of an invalid ring.

    Examples
    --------
    >>> reason_in("zh", "Self-intersection[2 3]")
    '自相交[2 3]'
    """
    words, bracket, place = reason.partition("[")
    return pick(lang, REASONS.get(words, words), words) + bracket + place


def name_of(kind: str, lang: Lang, count: int = 1) -> str:
    """Return the name of a kind of defect."""
    zh, one, many = KINDS[kind]
    return pick(lang, zh, one if count == 1 else many)


def qualified(qualifier: str, lang: Lang) -> str:
    """Return the words of qualifiers joined by commas."""
    words = [pick(lang, *QUALIFIERS[q]) for q in qualifier.split(",") if q]
    return pick(lang, "、", ", ").join(words)


def square_metres(area: float) -> str:
    """Return an area with as many digits as it has to say.

    Examples
    --------
    >>> square_metres(90000), square_metres(2.5e-9), square_metres(3.19e10)
    ('90,000.0 m²', '2.5e-09 m²', '31,900.0 km²')
    """
    if area >= 1e7:
        return f"{area / 1e6:,.1f} km²"
    return f"{area:,.1f} m²" if area >= 0.05 or area == 0 else f"{area:.2g} m²"
