"""The tables whose rows lead to the map: places ranked, hotspots listed."""

from __future__ import annotations

import html
from typing import Any

from gridmap.briefings import charts
from gridmap.briefings.charts import change_text, counted, fact, percent
from gridmap.language import Lang, level_title, pick
from gridmap.privacy import SMALL

Figures = dict[str, Any]
esc = html.escape
SCREEN = ' class="screen"'
PAPER_PLACES, PAPER_ROWS = 12, 17  # rows of the ranking, and of both tables, that a sheet holds


def ranking(found: Figures, lang: Lang, level: int | None, public: bool) -> str:
    """Write the ranking of places: rate with interval, count, change, hotspots, closure, trend."""
    rows = found["ranking"]["rows"]
    most = max((row["high"] for row in rows if row["incidents"] and row["high"]), default=0.0)
    changes = any(row["change"] is not None for row in rows)
    closures = any(row.get("closure") is not None for row in rows)
    posts = any("leaderless" in row for row in rows)
    heads = [
        ("#", ""),
        (level_title(found["ranking"]["level"], lang), "left"),
        (pick(lang, "件/百户", "per 100 hh"), ""),
        (pick(lang, "事件", "Incidents"), ""),
        *([(pick(lang, "较上期", "Change"), "")] if changes else []),
        (pick(lang, "热点格", "Hot"), ""),
        (pick(lang, "超区间", "Off band"), "roomy"),
        *([(pick(lang, "结案率", "Closed"), "")] if closures else []),
        *([(pick(lang, "未配网格长", "No leader"), "optional")] if posts else []),
        (pick(lang, "趋势", "Trend"), "optional"),
    ]
    head = "".join(f'<th class="{name}">{esc(text)}</th>' for text, name in heads)
    body = "".join(
        _place(row, k + 1, found, lang, most, level, public, changes, closures, posts)
        for k, row in enumerate(rows)
    )
    return (
        f'<table style="--rows:{len(rows)}"><thead><tr>{head}</tr></thead>'
        f'<tbody class="places">{body}</tbody></table>'
    )


def _place(
    row: dict[str, Any],
    rank: int,
    found: Figures,
    lang: Lang,
    most: float,
    level: int | None,
    public: bool,
    changes: bool,
    closures: bool,
    posts: bool,
) -> str:
    link = "" if level is None else f' data-level="{level}" data-place="{row["place"]}"'
    small = public and 0 < row["incidents"] < SMALL
    name = row["name"] or pick(lang, "全域", "Whole area")
    rate = "–"
    hint = ""
    if row["rate"] is not None and not small:
        bar = charts.interval_bar(
            row["rate"], row["low"], row["high"], most, found["incidents"]["rate"] or 0.0
        )
        rate = f"{bar}<span>{row['rate']:.2f}</span>"
        hint = f"95%: {row['low']:.2f} – {row['high']:.2f}"
    cells = [
        (str(rank), "quiet", ""),
        (esc(name), "left name", name),
        (rate, "rate", hint),
        (counted(row["incidents"], public, lang), "", ""),
        *([(change_text(row["change"]), "", "")] if changes else []),
        (fact(row["hot"]), "", ""),
        (fact(row["out_of_band"]), "roomy", ""),
        *([_closure(row)] if closures else []),
        *([(fact(row["leaderless"]), "optional", "")] if posts else []),
        ("" if small else charts.spark(row["spark"]), "optional", ""),
    ]
    inner = "".join(
        f'<td class="{name}"' + (f' title="{esc(title)}"' if title else "") + f">{text}</td>"
        for text, name, title in cells
    )
    where = "" if rank <= PAPER_PLACES else SCREEN
    return f"<tr{where}{link}>{inner}</tr>"


def _closure(row: dict[str, Any]) -> tuple[str, str, str]:
    if row.get("closure") is None:
        return "–", "", ""
    interval = f"95%: {percent(row['closure_low'])} – {percent(row['closure_high'])}"
    return percent(row["closure"]), "", interval


def hotspots(found: Figures, lang: Lang, theme: int, public: bool) -> str:
    """List the strongest hotspots with what was expected; a click leads to the map."""
    top = found["hotspots"]["top"]
    if not top:
        text = pick(
            lang, "本期没有超出偶然的热点。", "No cell stands out above chance in this period."
        )
        if not found["cells"]["households"]:
            text = pick(
                lang, "数据没有户数，未检验热点。", "Not tested, as households are unknown."
            )
        return f'<p class="empty">{esc(text)}</p>'
    head = "".join(
        f'<th class="{name}">{esc(text)}</th>'
        for text, name in [
            ("z", ""),
            (pick(lang, "网格", "Cell"), "left"),
            (pick(lang, "事件", "Incidents"), ""),
            (pick(lang, "期望", "Expected"), ""),
            (pick(lang, "户数", "Households"), "optional"),
            ("q", ""),
            ("", "go"),
        ]
    )
    go = pick(lang, "定位", "Show")
    printed = PAPER_ROWS - min(len(found["ranking"]["rows"]), PAPER_PLACES)
    body = "".join(
        f'<tr{"" if k < printed else SCREEN} data-cell="{one["index"]}" data-theme="{theme}">'
        f"<td><b>{one['z']:.1f}</b></td>"
        f'<td class="left name" title="{esc(one["code"])}">{esc(one["name"])}</td>'
        f"<td>{counted(one['incidents'], public, lang)}</td><td>{one['expected']:.1f}</td>"
        f'<td class="optional">{fact(one["households"])}</td><td>{_small(one["q"])}</td>'
        f'<td class="go">{esc(go)}</td></tr>'
        for k, one in enumerate(top)
    )
    return f'<table><thead><tr>{head}</tr></thead><tbody class="cells">{body}</tbody></table>'


def _small(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
