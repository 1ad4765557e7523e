"""The sentences that go with a result, in Chinese and English, made from its figures."""

from __future__ import annotations

from typing import Any

EXPOSURES = {
    None: ("无分母（原始件数）", "no denominator (raw counts)"),
    "households": ("户数", "households"),
    "area_m2": ("面积", "area"),
    "exposure": ("分母", "denominator"),
}

GATES = {
    "": ("", ""),
    "no base": ("无基数", "no base"),
    "no incidents": ("无案件", "no incidents"),
    "too few": ("期望件数不足", "too few expected"),
    "constant": ("各格相同", "all cells alike"),
}

CAVEATS = {
    "": ("", ""),
    "island": ("无相邻网格", "no neighbours"),
    "cold untestable": ("件数不足以判冷点", "too few to call cold"),
}

P_VALUES = {
    "skew": ("经偏度校正", "corrected for skew"),
    "pearson": ("双侧按皮尔逊 III 型分布", "by Pearson III on both sides"),
    "normal": ("按正态近似", "by normal approximation"),
    "permutation": ("由置换检验得出", "by permutation"),
}

CORRECTIONS = {
    "bh": ("错误发现率（BH）", "false discovery rate (Benjamini–Hochberg)"),
    "by": ("错误发现率（BY）", "false discovery rate (Benjamini–Yekutieli)"),
    "holm": ("总体误报概率（Holm）", "chance of any false call (Holm)"),
    "bonferroni": ("总体误报概率（Bonferroni）", "chance of any false call (Bonferroni)"),
}

PATTERNS = {
    "none": ("无", "none"),
    "new": ("新增", "new"),
    "consecutive": ("连续", "consecutive"),
    "intensifying": ("加剧", "intensifying"),
    "persistent": ("持续", "persistent"),
    "diminishing": ("减弱", "diminishing"),
    "sporadic": ("零星", "sporadic"),
    "oscillating": ("反复", "oscillating"),
    "historical": ("历史", "historical"),
}

SIDES = {"": ("", ""), "hot": ("热点", "hot"), "cold": ("冷点", "cold")}

QUADRANTS = {
    "": ("", ""),
    "high-high": ("高高", "high-high"),
    "low-low": ("低低", "low-low"),
    "high-low": ("高低", "high-low"),
    "low-high": ("低高", "low-high"),
}

METHODS = {
    "hotspots": ("热点得分", "hotspot score"),
    "rate": ("平滑率", "smoothed rate"),
    "count": ("原始件数", "plain count"),
    "count per area": ("单位面积件数", "count per area"),
    "exposure per area": ("单位面积分母", "denominator per area"),
}


def exposure_words(name: str | None) -> tuple[str, str]:
    """Name a denominator in Chinese and English."""
    return EXPOSURES.get(name, (str(name), str(name)))


def many(count: int, noun: str) -> str:
    """Count a noun in English: 1 cell, 2,340 cells."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


Method = dict[str, Any]
# below it chance leaves little room for a hotspot to stand out in
FEW_CELLS = 100


def rates_method(**facts: Any) -> Method:
    """Describe how rates were made, with the figures that belong to them."""
    zh, en = exposure_words(facts["exposure"])
    square = facts["exposure"] == "area_m2"
    per_zh = "每平方公里" if square else f"每千{'户' if facts['exposure'] == 'households' else zh}"
    per_en = "per km²" if square else f"per 1,000 {en}"
    share = f"{100 * facts['confidence']:g}%"
    local = facts["smooth"] == "neighbours"
    towards = ("向邻格收缩", "towards the neighbours") if local else ("向均值收缩", "towards all")
    sentence = {
        "zh": f"{facts['incidents']:,} 件，分母为{zh}，率按{per_zh}计，"
        f"区间为精确泊松 {share} 置信区间；平滑值（经验贝叶斯，{towards[0]}）仅供展示。",
        "en": f"{many(facts['incidents'], 'incident')} over {en}; rates {per_en} with exact "
        f"Poisson {share} intervals; smoothed values (empirical Bayes, {towards[1]}) are for "
        "display only.",
    }
    return {"statistic": "rate", **facts, "sentence": sentence, "caveats": _base_caveats(facts)}


def hotspots_method(**facts: Any) -> Method:
    """Describe how hotspots were found and what they may not be taken for."""
    caveats = _base_caveats(facts)
    _add(
        caveats,
        facts["too_few"],
        "{n:,} {unit}窗口内期望件数不足 {least:g}，未作判断；可合并类别或延长期间。",
        "{cells} with fewer than {least:g} expected incidents in the window not judged; join "
        "categories or take a longer period.",
        least=facts["least_expected"],
        **_units(facts, facts["too_few"]),
    )
    _add(
        caveats,
        facts["cold_untestable"],
        "{n:,} {unit}窗口内期望件数不足 {least:g}，不判冷点。",
        "{cells} with fewer than {least:g} expected incidents in the window: too few to call cold.",
        least=facts["least_expected_cold"],
        **_units(facts, facts["cold_untestable"]),
    )
    few = facts["compared"] if facts["compared"] < FEW_CELLS else 0
    _add(
        caveats,
        few,
        "仅 {n:,} 个网格参与比较，较弱的热点可能查不出。",
        "Only {cells} compared: weaker hotspots may go unseen.",
    )
    _add(
        caveats,
        facts["islands"],
        "{n:,} 个网格没有相邻网格，只与自身比较。",
        "{cells} without neighbours, alone in the window.",
    )
    _add(
        caveats,
        facts["curbed"],
        "{n:,} {unit}的事件率偏离超过 {curb:g} 个标准差，"
        "按 {curb:g} 个标准差计，以免掩盖其他网格。",
        "{cells} with a rate more than {curb:g} standard deviations out counted as {curb:g}, so as "
        "not to hide the others.",
        curb=facts["curb"] or 0,
        **_units(facts, facts["curbed"]),
    )
    _add(
        caveats,
        facts["constant"],
        "{n:,} 张图各格相同，没有热点可言。",
        "{maps} with the same value in every cell: there is nothing to find.",
    )
    if facts["exposure"] is None:
        caveats["zh"].append("未除以户数：图上多为人多之处，不等于风险高。")
        caveats["en"].append("Without a denominator the map shows where people are, not risk.")
    caveats["zh"].append("上报多不等于发生多；热点说明超出偶然，不说明原因。")
    caveats["en"].append(
        "What is reported is not all that happens; a hotspot is more than chance, not a cause."
    )
    sentence = {"zh": _hotspots_zh(facts), "en": _hotspots_en(facts)}
    return {"statistic": "Gi*", **facts, "sentence": sentence, "caveats": caveats}


def opinion_method(**facts: Any) -> Method:
    """Describe a second opinion and what it found."""
    zh, en = exposure_words(facts["exposure"])
    found_zh = "、".join(f"{QUADRANTS[name][0]} {n:,}" for name, n in facts["found"].items())
    found_en = ", ".join(f"{n:,} {name}" for name, n in facts["found"].items())
    sentence = {
        "zh": f"{_span_zh(facts)}{facts['cells']:,} 个网格的局部 Moran 指数：{found_zh}；"
        f"分母：{zh}；p 值经偏度校正，错误发现率（BH）控制在 10% 以内。",
        "en": f"{_span_en(facts)}local Moran's I of {many(facts['cells'], 'cell')}: {found_en}; "
        f"denominator: {en}; p corrected for skew, false discovery rate within 10%.",
    }
    caveats = _base_caveats(facts)
    return {"statistic": "local Moran", **facts, "sentence": sentence, "caveats": caveats}


def emerging_method(**facts: Any) -> Method:
    """Describe how histories were read, and how many cells have which."""
    caveats = _base_caveats(facts)
    _add(
        caveats,
        facts["too_few"],
        "{n:,} 个网格各期窗口内期望件数均不足 {least:g}，未作判断；可改用更长的周期。",
        "{cells} with fewer than {least:g} expected incidents in the window at every period not "
        "judged; longer periods may help.",
        least=facts["least_expected"],
    )
    _add(
        caveats,
        facts["undated"],
        "{n:,} 件没有时间，未计入。",
        "{incidents} without a time left out.",
    )
    if facts["periods"] < 10:
        caveats["zh"].append(f"仅 {facts['periods']} 期，不足 10 期，分类仅供参考。")
        caveats["en"].append(f"Only {facts['periods']} periods, fewer than 10: provisional.")
    hot, cold = sum(facts["hot"].values()), sum(facts["cold"].values())
    kinds_zh = "、".join(f"{PATTERNS[k][0]} {n}" for k, n in facts["hot"].items() if n)
    kinds_en = ", ".join(f"{n} {k}" for k, n in facts["hot"].items() if n)
    zh, en = exposure_words(facts["exposure"])
    sentence = {
        "zh": f"{_span_zh(facts)}{facts['periods']} 期、{facts['cells']:,} 个网格："
        f"热点 {hot:,} 个{f'（{kinds_zh}）' if hot else ''}，冷点 {cold:,} 个；分母：{zh}；"
        f"各期与当期总体水平相比，连同相邻网格与前 {facts['back']} 期，"
        "错误发现率（BH，全部网格与各期）控制在 10% 以内。",
        "en": f"{_span_en(facts)}{many(facts['cells'], 'cell')} over {facts['periods']} periods: "
        f"{hot:,} hot{f' ({kinds_en})' if hot else ''}, {cold:,} cold; denominator: {en}; each "
        f"period against its own level, with neighbours and {facts['back']} earlier, false "
        "discovery rate over all cells and periods within 10%.",
    }
    return {"statistic": "emerging", **facts, "sentence": sentence, "caveats": caveats}


def density_method(**facts: Any) -> Method:
    """Describe a density and what it leaves out."""
    zh, en = exposure_words(facts["exposure"])
    caveats = _base_caveats(facts)
    _add(
        caveats,
        facts["outside"],
        "{n:,} 件不在任何网格内或无坐标，未计入。",
        "{incidents} in no cell or without a position left out.",
    )
    if facts["exposure"] is None:
        said = (
            "每平方公里件数；图上多为人多之处，不等于风险高",
            "incidents per km²: mostly people",
        )
    else:
        said = (
            f"与按{zh}期望之比（1 为一般水平），核内期望件数不足 "
            f"{facts['least_expected']:g} 处不显示",
            f"ratio to what {en} lets one expect (1 is usual), nothing shown where the kernel "
            f"expects fewer than {facts['least_expected']:g}",
        )
    wide = f"{facts['bandwidth']:g}"
    sentence = {
        "zh": f"{facts['incidents']:,} 件，高斯核带宽 {wide} 米；{said[0]}。",
        "en": f"{many(facts['incidents'], 'incident')}, Gaussian kernel of {wide} m; {said[1]}.",
    }
    return {"statistic": "density", **facts, "sentence": sentence, "caveats": caveats}


def accuracy_method(**facts: Any) -> Method:
    """Describe a test against periods held out, and who won it."""
    caveats = _base_caveats(facts)
    of_zh, of_en = exposure_words(facts["of"])
    best_zh = "；".join(_best_words(key, found, 0) for key, found in facts["best"].items())
    best_en = "; ".join(_best_words(key, found, 1) for key, found in facts["best"].items())
    caveats["zh"].append("PAI 奖励件数密集之处，件数图因此占优；它不衡量风险。")
    caveats["en"].append(
        "PAI rewards dense places, which favours counts; it does not ask for risk."
    )
    sentence = {
        "zh": f"以 {' 至 '.join(facts['trained'])} 排序，用 {' 至 '.join(facts['held_out'])} "
        f"的 {facts['incidents_held_out']:,} 件检验，按{of_zh}占比：{best_zh}。",
        "en": f"Ranked on {' to '.join(facts['trained'])}, held against "
        f"{many(facts['incidents_held_out'], 'incident')} of {' to '.join(facts['held_out'])}, "
        f"by share of {of_en}: {best_en}.",
    }
    return {"statistic": "accuracy", **facts, "sentence": sentence, "caveats": caveats}


def _best_words(key: str, found: Method, language: int) -> str:
    method = METHODS[found["method"]][language]
    share = f"{100 * found['share']:.3g}%"
    figures = f"PAI {found['pai']:.2f}, PEI {found['pei']:.2f}"
    what = "" if key == "None" else f"{key} "
    if language == 0:
        return f"{what}前 {share} 以{method}为最佳（{figures.replace(', ', '，')}）"
    return f"{what}at {share} the {method} does best ({figures})"


def _hotspots_zh(facts: Method) -> str:
    base, _ = exposure_words(facts["exposure"])
    held, _ = CORRECTIONS[facts["correction"]]
    where, unit = f"{facts['cells']:,} 个网格", "个"
    if facts["maps"] > 1:
        where, unit = f"{where}、{facts['maps']:,} 张图", "个格次"
    return (
        f"{_span_zh(facts)}{where}、{facts['incidents']:,} 件中，"
        f"热点 {facts['hot'][0]:,} {unit}（其中 1% 水平 {facts['hot'][2]:,} 个），"
        f"冷点 {facts['cold'][0]:,} 个；分母：{base}；Gi*（含相邻网格），"
        f"p 值{P_VALUES[facts['p']][0]}，{held}控制在 10% 以内。"
    )


def _hotspots_en(facts: Method) -> str:
    _, base = exposure_words(facts["exposure"])
    _, held = CORRECTIONS[facts["correction"]]
    where = many(facts["cells"], "cell")
    if facts["maps"] > 1:
        where += f" on {facts['maps']:,} maps"
    return (
        f"{_span_en(facts)}{many(facts['incidents'], 'incident')} in {where}: "
        f"{facts['hot'][0]:,} hot ({facts['hot'][2]:,} at the 1% level) "
        f"and {facts['cold'][0]:,} cold; denominator: {base}; Gi* of each cell with its "
        f"neighbours, p {P_VALUES[facts['p']][1]}, {held} within 10%."
    )


def _base_caveats(facts: Method) -> dict[str, list[str]]:
    caveats: dict[str, list[str]] = {"zh": [], "en": []}
    base_zh, base_en = exposure_words(facts["exposure"])
    _add(
        caveats,
        facts["no_base"],
        "{n:,} 个网格没有{base_zh}，其 {lost:,} 件不参与比较。",
        "{cells} without {base_en} took no part, with {lost_en}.",
        base_zh=base_zh,
        base_en=base_en,
        lost=facts["incidents_no_base"],
        lost_en=many(facts["incidents_no_base"], "incident"),
    )
    _add(
        caveats,
        facts["filled"],
        "{n:,} {unit}未列出，按 0 件计。",
        "{cells} not listed on a map, counted as 0.",
        **_units(facts, facts["filled"]),
    )
    return caveats


def _units(facts: Method, count: int) -> dict[str, str]:
    """Name what is counted: cells, or cells on maps where there are several."""
    if facts.get("maps", 1) > 1:
        return {"unit": "个格次", "cells": many(count, "cell-map")}
    return {"unit": "个网格", "cells": many(count, "cell")}


def _add(caveats: dict[str, list[str]], count: int, zh: str, en: str, **more: str | float) -> None:
    """Add a caveat about something that occurs."""
    if count:
        caveats["zh"].append(zh.format(n=count, **more))
        more.setdefault("cells", many(count, "cell"))
        more |= {"maps": many(count, "map"), "incidents": many(count, "incident")}
        caveats["en"].append(en.format(n=count, **more))


def _span_zh(facts: Method) -> str:
    span = facts["period"]
    return f"{span[0]} 至 {span[1]}，" if span else ""


def _span_en(facts: Method) -> str:
    span = facts["period"]
    return f"{span[0]} to {span[1]}: " if span else ""
