"""The report of a partition as one page without scripts, pictures or network."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Literal

STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;
max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b262c}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #cfd8dc;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.bar{display:inline-block;height:.8rem;background:#607d8b;vertical-align:middle}
"""
WORDS = {
    "title": ("网格划分报告", "Partition report"),
    "facts": ("总览", "Overview"),
    "cells": ("网格", "Cells"),
    "residential": ("居住网格", "Residential cells"),
    "in_band": ("户数在范围内", "In the band"),
    "communities": ("社区", "Communities"),
    "households_in": ("读入户数", "Households in"),
    "households_out": ("归格户数", "Households out"),
    "polsby_popper_mean": ("紧凑度均值（Polsby–Popper）", "Mean compactness (Polsby-Popper)"),
    "internal_boundary_m": ("内部边界（米）", "Internal border (m)"),
    "on_barriers_m": ("其中沿道路等屏障（米）", "of which on barriers (m)"),
    "histogram": ("各网格户数分布", "Households a cell"),
    "exceptions": ("例外", "Exceptions"),
    "none": ("没有例外。", "There are none."),
    "community": ("社区", "Community"),
    "households": ("户数", "Households"),
    "reason": ("原因", "Reason"),
    "options": ("可选办法", "Options"),
    "change": ("与原网格相比", "Compared with the old grid"),
}
FACTS = (
    "cells",
    "residential",
    "in_band",
    "communities",
    "households_in",
    "households_out",
    "polsby_popper_mean",
    "internal_boundary_m",
    "on_barriers_m",
)


def page(document: dict[str, Any], sentence: str, lang: Literal["zh", "en"] = "zh") -> str:
    """Return the document of a report as one HTML page, under its sentence."""
    side = 0 if lang == "zh" else 1

    def word(key: str) -> str:
        return html.escape(WORDS[key][side])

    facts = "".join(_row(word(key), _figure(document[key])) for key in FACTS)
    change = document["parameters"].get("change")
    parts = [
        f"<h1>{word('title')}</h1><p>{html.escape(sentence)}</p>",
        f"<h2>{word('facts')}</h2><table>{facts}</table>",
        f"<h2>{word('histogram')}</h2>{_bars(document['histogram'])}",
        f"<h2>{word('exceptions')}</h2>{_exceptions(document['infeasible'], word)}",
    ]
    if change:
        rows = "".join(_row(html.escape(str(k)), _figure(v)) for k, v in change.items())
        parts.append(f"<h2>{word('change')}</h2><table>{rows}</table>")
    return (
        f'<!doctype html><html lang="{"zh-CN" if side == 0 else "en"}"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{word('title')}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _figure(value: object) -> str:
    """Write a figure as it is read."""
    if isinstance(value, float):
        return f"{value:,.3f}" if value < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else html.escape(str(value))


def _row(head: str, figure: str) -> str:
    """Return a table row of one fact."""
    return f"<tr><th>{head}</th><td class='n'>{figure}</td></tr>"


def _bars(counts: dict[str, int]) -> str:
    """Draw a histogram with one bar a class."""
    most = max(counts.values(), default=0) or 1
    rows = "".join(
        f"<tr><th>{html.escape(str(label))}</th><td class='n'>{count:,}</td>"
        f"<td style='width:70%'><span class='bar' style='width:{100 * count / most:.1f}%'></span>"
        "</td></tr>"
        for label, count in counts.items()
    )
    return f"<table>{rows}</table>"


def _exceptions(rows: list[dict[str, object]], word: Callable[[str], str]) -> str:
    """Return the table of exceptions."""
    if not rows:
        return f"<p>{word('none')}</p>"
    head = "".join(
        f"<th>{word(key)}</th>" for key in ("community", "households", "reason", "options")
    )
    body = "".join(
        f"<tr><td>{html.escape(str(row['community']))}</td>"
        f"<td class='n'>{_figure(row['households'])}</td>"
        f"<td>{html.escape(str(row['reason']))}</td>"
        f"<td>{_listed(row['options'])}</td></tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _listed(options: object) -> str:
    """Return options, one a line."""
    lines = options if isinstance(options, list) else [options]
    return "<br>".join(html.escape(str(line)) for line in lines)
