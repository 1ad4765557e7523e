"""What a briefing says in words: each sentence is made from the figures."""

from __future__ import annotations

from typing import Any

from gridmap.briefings.charts import change_text, fact, percent
from gridmap.language import Lang, level_title, pick

Figures = dict[str, Any]


def conclusion(found: Figures, lang: Lang) -> list[tuple[str, str]]:
    """Say the main findings, as pieces of text with a tone: "", "strong", "good" or "bad"."""
    say = _chinese if lang == "zh" else _english
    return [piece for piece in say(found) if piece[0]]


def _chinese(found: Figures) -> list[tuple[str, str]]:
    cells, all_of = found["cells"], found["incidents"]
    return [
        ("全域 ", ""),
        (fact(cells["cells"]), "strong"),
        (f" 个网格恰好铺满 {fact(cells['jurisdictions'])} 个辖区，", ""),
        ("无空白、无交叉", "good"),
        *_band_chinese(cells),
        ("。本期 ", ""),
        (fact(all_of["count"]), "strong"),
        (" 件", ""),
        (
            f"，较上期 {change_text(all_of, 'zh')}" if all_of["change"] is not None else "",
            "",
        ),
        *_spots_chinese(found),
        *_place_chinese(found),
        *_staff_chinese(found),
    ]


def _band_chinese(cells: Figures) -> list[tuple[str, str]]:
    if not cells["households"]:
        return []
    missed = cells["residential"] - cells["in_band"]
    rest = f"，另 {fact(missed)} 个超出户数区间（已登记原因 {fact(cells['certified'])} 个）"
    return [
        ("；居民网格户数达标 ", ""),
        (f"{fact(cells['in_band'])}/{fact(cells['residential'])}", "strong"),
        (rest if missed else "", ""),
    ]


def _spots_chinese(found: Figures) -> list[tuple[str, str]]:
    spots = found["hotspots"]
    if not found["cells"]["households"]:
        return [("；没有户数，未检验热点。", "")]
    if not spots["hot"]:
        return [("，没有超出偶然的热点网格。" if found["incidents"]["count"] else "。", "")]
    return [
        ("；", ""),
        (fact(spots["hot"]), "strong"),
        (f" 个热点网格（占 {percent(spots['hot'] / found['cells']['cells'])}）承载 ", ""),
        (percent(spots["share"]), "strong"),
        (" 的事件。", ""),
    ]


def _place_chinese(found: Figures) -> list[tuple[str, str]]:
    first = _leading(found)
    if first is None:
        return []
    return [
        (first["name"], "strong"),
        (
            f"事件率最高：每百户 {first['rate']:.2f} 件"
            f"（95% 区间 {first['low']:.2f}–{first['high']:.2f}，"
            f"全域 {found['incidents']['rate']:.2f}）。",
            "",
        ),
    ]


def _staff_chinese(found: Figures) -> list[tuple[str, str]]:
    staffing = found["staffing"]
    if not staffing or not staffing["without_leader"]:
        return []
    return [(fact(staffing["without_leader"]), "bad"), (" 个网格未配网格长。", "")]


def _english(found: Figures) -> list[tuple[str, str]]:
    cells, all_of = found["cells"], found["incidents"]
    change = all_of["change"]
    return [
        (fact(cells["cells"]), "strong"),
        (
            f" {_many(cells['cells'], 'cell tiles', 'cells tile')} {fact(cells['jurisdictions'])} "
            f"{_many(cells['jurisdictions'], 'jurisdiction')} exactly: ",
            "",
        ),
        ("no gaps, no overlaps", "good"),
        *_band_english(cells),
        (". ", ""),
        (fact(all_of["count"]), "strong"),
        (f" {_many(all_of['count'], 'incident')}", ""),
        (
            f", {change_text(all_of, 'en')} on the period before" if change is not None else "",
            "",
        ),
        *_spots_english(found),
        *_place_english(found),
        *_staff_english(found),
    ]


def _band_english(cells: Figures) -> list[tuple[str, str]]:
    if not cells["households"]:
        return []
    missed = cells["residential"] - cells["in_band"]
    do, recorded = _many(missed, "does", "do"), fact(cells["certified"])
    rest = f", {fact(missed)} {do} not ({recorded} with a recorded reason)"
    return [
        ("; ", ""),
        (f"{fact(cells['in_band'])} of {fact(cells['residential'])}", "strong"),
        (
            f" residential {_many(cells['residential'], 'cell')} "
            f"{_many(cells['in_band'], 'keeps', 'keep')} the band",
            "",
        ),
        (rest if missed else "", ""),
    ]


def _spots_english(found: Figures) -> list[tuple[str, str]]:
    spots = found["hotspots"]
    if not found["cells"]["households"]:
        return [("; hotspots not tested, as households are unknown. ", "")]
    if not spots["hot"]:
        return [("; no hotspot above chance. " if found["incidents"]["count"] else ". ", "")]
    return [
        ("; ", ""),
        (fact(spots["hot"]), "strong"),
        (
            f" hotspot {_many(spots['hot'], 'cell')} "
            f"({percent(spots['hot'] / found['cells']['cells'])} of all) "
            f"{_many(spots['hot'], 'bears', 'bear')} ",
            "",
        ),
        (percent(spots["share"]), "strong"),
        (" of them. ", ""),
    ]


def _place_english(found: Figures) -> list[tuple[str, str]]:
    first = _leading(found)
    if first is None:
        return []
    return [
        (first["name"], "strong"),
        (
            f" has the highest rate: {first['rate']:.2f} per 100 households "
            f"(95% interval {first['low']:.2f}–{first['high']:.2f}; "
            f"all {found['incidents']['rate']:.2f}). ",
            "",
        ),
    ]


def _staff_english(found: Figures) -> list[tuple[str, str]]:
    staffing = found["staffing"]
    if not staffing or not staffing["without_leader"]:
        return []
    count = staffing["without_leader"]
    return [(fact(count), "bad"), (f" {_many(count, 'cell lacks', 'cells lack')} a leader.", "")]


def _many(count: int, one: str, many: str = "") -> str:
    """Write a word for one or for many."""
    return one if count == 1 else many or one + "s"


def _leading(found: Figures) -> dict[str, Any] | None:
    """Return the place with the highest rate, if its interval lies above the common rate."""
    rows = found["ranking"]["rows"]
    rated = [row for row in rows if row["rate"] is not None and row["incidents"]]
    if len(rated) < 2 or found["incidents"]["rate"] is None:
        return None
    return rated[0] if rated[0]["low"] > found["incidents"]["rate"] else None


def cards(found: Figures, lang: Lang) -> list[dict[str, str]]:
    """Return the key figures: label, value, unit, line below, tone of that line."""
    cells, all_of = found["cells"], found["incidents"]
    leftover = found["proof"]["leftover"]
    made = [
        _card(
            pick(lang, "网格总数", "Cells"),
            fact(cells["cells"]),
            pick(lang, "个", ""),
            pick(
                lang,
                f"居民 {fact(cells['residential'])} · 专属 {fact(cells['dedicated'])}",
                f"{fact(cells['dedicated'])} of them dedicated",
            ),
        ),
        _card(
            pick(lang, "覆盖证明", "Coverage proof"),
            pick(lang, "恰好", "exact") if found["proof"]["verdict"] == "exact" else "—",
            "",
            pick(
                lang,
                f"{fact(found['proof']['edges'])} 条边相消，剩 {leftover}",
                f"{leftover} of {fact(found['proof']['edges'])} edges left",
            ),
            "good" if found["proof"]["verdict"] == "exact" else "bad",
        ),
        _band_card(found, lang),
        _card(
            pick(lang, "本期事件", "Incidents"),
            fact(all_of["count"]),
            pick(lang, "件", ""),
            _change_line(found, lang),
        ),
        _hot_card(found, lang),
    ]
    return made + _closure_card(found, lang) + _staff_card(found, lang)


def _hot_card(found: Figures, lang: Lang) -> dict[str, str]:
    spots, label = found["hotspots"], pick(lang, "热点网格", "Hotspot cells")
    if not found["cells"]["households"]:
        return _card(label, "–", "", pick(lang, "没有户数，未检验", "not tested, no households"))
    share = percent(spots["share"])
    below = pick(lang, f"承载 {share} 的事件", f"bear {share} of incidents")
    if not spots["hot"]:
        below = pick(lang, "没有超出偶然的聚集", "nothing above chance")
    return _card(label, fact(spots["hot"]), pick(lang, "个", ""), below)


def _band_card(found: Figures, lang: Lang) -> dict[str, str]:
    cells, label = found["cells"], pick(lang, "户数达标", "In the band")
    if not cells["households"]:
        return _card(label, "–", "", pick(lang, "数据没有户数", "households unknown"))
    missed, recorded = fact(cells["residential"] - cells["in_band"]), fact(cells["certified"])
    kept = cells["in_band"] / cells["residential"] if cells["residential"] else None
    below = pick(
        lang, f"超出区间 {missed} 个，已登记 {recorded}", f"{missed} outside, {recorded} recorded"
    )
    return _card(label, percent(kept), "", below)


def _card(label: str, value: str, unit: str, below: str, tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "unit": unit, "below": below, "tone": tone}


def _change_line(found: Figures, lang: Lang) -> str:
    all_of, trend = found["incidents"], found["trend"]
    if all_of["change"] is not None:
        share = change_text(all_of, lang, short=True)
        return pick(
            lang,
            f"较上期 {fact(all_of['before'])} 件 {share}",
            f"{share} on {fact(all_of['before'])} before",
        )
    if trend and trend["last_change"]["change"] is not None:
        share = change_text(trend["last_change"], lang, short=True)
        step = {"day": ("末日", "last day"), "week": ("末周", "last week")}
        zh, en = step.get(trend["by"], ("末月", "last month"))
        return pick(
            lang,
            f"{zh} {fact(trend['last'])} 件，环比 {share}",
            f"{en} {fact(trend['last'])}, {share}",
        )
    if all_of["rate"] is None:
        return ""
    return pick(lang, f"每百户 {all_of['rate']:.2f} 件", f"{all_of['rate']:.2f} per 100 households")


def _closure_card(found: Figures, lang: Lang) -> list[dict[str, str]]:
    for one in found["indicators"] or ():
        if one["key"] == "closure" and one["rate"] is not None:
            below = pick(lang, "95% 区间 ", "95% interval ")
            below += f"{percent(one['low'])[:-1]}–{percent(one['high'])}"
            return [_card(_title(one["name"], lang), percent(one["rate"]), "", below)]
    return []


def _title(name: str, lang: Lang) -> str:
    return name if lang == "zh" else name[:1].upper() + name[1:]


def _staff_card(found: Figures, lang: Lang) -> list[dict[str, str]]:
    staffing = found["staffing"]
    if not staffing:
        return []
    below = pick(
        lang,
        f"专职 {fact(staffing['workers'])}，每格 {staffing['per_cell']:.2f}",
        f"{fact(staffing['workers'])} workers, {staffing['per_cell']:.2f} a cell",
    )
    missing = staffing["without_leader"]
    label = pick(lang, "未配网格长", "No leader")
    if not staffing["covered"]:
        return [_card(label, "–", "", pick(lang, "名册未具体到网格", "roster names no cells"))]
    return [_card(label, fact(missing), pick(lang, "格", "cells"), below)]


def brief(lang: Lang) -> str:
    """Say in one line what the first screen cannot be read without."""
    return pick(
        lang,
        "事件率 = 本期事件数 ÷ 户数 × 100，排名附 95% 泊松区间；"
        "热点 = Getis–Ord Gi*，经错误发现率校正，q ≤ 0.10；密度仅作示意。",
        "Rate: incidents / households x 100, ranked with 95% Poisson intervals. "
        "Hotspot: Getis-Ord Gi*, false discovery rate q ≤ 0.10. Density is for orientation.",
    )


def definitions(found: Figures, lang: Lang) -> list[str]:
    """Say how each figure is computed, and what it does not mean."""
    low, high = found["cells"]["low"], found["cells"]["high"]
    level = level_title(found["ranking"]["level"], lang)
    formulas = [one["formula"] for one in found["indicators"] or ()]
    join, end = pick(lang, "；", "; "), pick(lang, "。", ".")
    return [
        pick(
            lang,
            f"户数达标：居民网格 {low}–{high} 户；专属网格不计。超出区间的网格须登记原因。",
            f"Band: residential cells of {low}-{high} households; dedicated cells are exempt.",
        ),
        pick(
            lang,
            "覆盖证明：全部网格的有向边与边界相消，用坐标相等判断，不用容差。",
            "Coverage proof: the directed edges of all cells cancel against the boundary, "
            "by equality of coordinates, without a tolerance.",
        ),
        pick(
            lang,
            f"事件率：本期网格内事件数 ÷ 户数 × 100；{level}排名附 95% 泊松区间，"
            "区间相交的先后无意义。",
            f"Rate: incidents of the period in cells / households x 100; the {level.lower()} "
            "ranking bears 95% Poisson intervals; order within overlapping ones means nothing.",
        ),
        pick(
            lang,
            "热点：Getis–Ord Gi*（标准化率、邻接含自身、偏度校正、FDR 校正），q ≤ 0.10；"
            "它说明聚集超出偶然，不说明原因，也不评价人员。",
            "Hotspots: Getis-Ord Gi* on standardised rates, contiguity and self, corrected for "
            "skew and for the false discovery rate, q ≤ 0.10. They tell more than chance, not why.",
        ),
        *([pick(lang, "指标：", "Indicators: ") + join.join(formulas) + end] if formulas else []),
        pick(
            lang,
            "密度热力为核密度图像，仅作示意；页面不含事件点位。显示坐标经取整，证明在原始坐标上完成。",
            "Density is a kernel image for orientation; the page holds no incident points. Shown "
            "coordinates are rounded; the proof was made on the original ones.",
        ),
        pick(
            lang,
            "本文件自包含，可离线打开，不发出任何网络请求。",
            "This file is self-contained and sends no network request.",
        ),
    ]
