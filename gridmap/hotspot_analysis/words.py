"""The words for gates, caveats, patterns and denominators, in Chinese and English."""

from __future__ import annotations

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
