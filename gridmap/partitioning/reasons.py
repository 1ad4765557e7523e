"""Findings as sentences that a planner can act on, with the options they leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from gridmap.partitioning.certificates import (
    ARITHMETIC,
    CUT_UNIT,
    EXHAUSTED,
    HELD,
    NO_CELL,
    TOO_FEW,
    UNIT_OVER_MAX,
    UNKNOWN,
    Finding,
)

Lang = Literal["zh", "en"]
Name = Callable[[int], str]
PART = "part"  # a part of a community with too few households


def reason(finding: Finding, low: int, high: int, name: Name, lang: Lang = "zh") -> str:
    """Return why a part cannot be cut, as one sentence; `name` calls a unit by its position.

    The fact ``all``, the households of the community, tells a part from the whole.
    """
    facts = _named(finding.facts, name, lang) | {"min": low, "max": high}
    few = finding.kind == TOO_FEW and facts["households"] < facts.get("all", 0)
    return _REASONS[PART if few else finding.kind][lang].format(**facts)


def options(finding: Finding, low: int, high: int, name: Name, lang: Lang = "zh") -> list[str]:
    """Return what would help, the plainest first."""
    facts = _named(finding.facts, name, lang) | {"min": low, "max": high}
    facts |= _bands(finding, low, high)
    chosen = [key for key in _OPTIONS_OF[finding.kind] if key != "widen" or "wide" in facts]
    return [_OPTIONS[key][lang].format(**facts) for key in chosen]


def _named(facts: Mapping[str, Any], name: Name, lang: Lang) -> dict[str, Any]:
    """Return the facts with units called by name and lists written out."""
    text = dict(facts)
    if "unit" in text:
        text["unit"] = name(int(text["unit"]))
    for key in ("pockets", "neighbours"):
        if key in text:
            text[key] = (" + " if key == "pockets" else ", ").join(map(str, text[key]))
    return text


def _bands(finding: Finding, low: int, high: int) -> dict[str, Any]:
    """Return the nearest band under which the finding would vanish, where it is known."""
    facts = finding.facts
    if finding.kind == TOO_FEW and facts["households"] > 0:
        return {"wide": (facts["households"], high)}
    if finding.kind == UNIT_OVER_MAX:
        return {"wide": (low, facts["households"])}
    if finding.kind == CUT_UNIT:
        return {"wide": (low, facts["total"])}
    if finding.kind == ARITHMETIC:
        total = facts["households"]
        most, least = total // low, -(-total // high)
        wider = [(low, -(-total // most)), (total // least, high)]
        return {"wide": min(wider, key=lambda band: abs(band[0] - low) + abs(band[1] - high))}
    return {}


_REASONS: dict[str, dict[Lang, str]] = {
    TOO_FEW: {
        "zh": "只有 {households} 户，不足 {min} 户，无法成为一个网格。",
        "en": "Only {households} households, fewer than {min}: too few for one cell.",
    },
    PART: {
        "zh": "与其余部分不相连的一块只有 {households} 户（全社区 {all} 户），"
        "不足 {min} 户，无法成为一个网格。",
        "en": "A part cut off from the rest has only {households} of the {all} households, fewer "
        "than {min}: too few for one cell.",
    },
    ARITHMETIC: {
        "zh": "{households} 户无法分成每个 {min}–{max} 户的网格：任何个数都凑不成。",
        "en": "No number of cells of {min}-{max} households adds up to {households}.",
    },
    UNIT_OVER_MAX: {
        "zh": "单元 {unit} 自身有 {households} 户，超过 {max} 户，且不可再分。",
        "en": "Unit {unit} alone has {households} households, over {max}, and is never split.",
    },
    CUT_UNIT: {
        "zh": "单元 {unit} 是咽喉：{households} + 被隔断的 {pockets} = {total} 户，超过 {max} 户。",
        "en": "Unit {unit} is a bottleneck: {households} + stranded {pockets} = {total} "
        "households, over {max}.",
    },
    NO_CELL: {
        "zh": "没有任何合格网格能包含单元 {unit}（{households} 户；相邻单元 {neighbours} 户）。",
        "en": "No valid cell can contain unit {unit} ({households} households; its neighbours "
        "have {neighbours}).",
    },
    EXHAUSTED: {
        "zh": "已穷举 {households} 户的全部划分：没有一种使网格都连通且在 {min}–{max} 户内。",
        "en": "Every partition of its {households} households was tried: none has all cells "
        "connected and within {min}-{max}.",
    },
    HELD: {
        "zh": "按要求维持原网格（锁定，或变动户数超过上限），未调整到范围内。",
        "en": "Left as it was on request: locked, or more households would move than the limit.",
    },
    UNKNOWN: {
        "zh": "未找到合格划分，也未能证明不存在：原因未知（{households} 户）。",
        "en": "No valid partition of its {households} households was found, nor proved "
        "impossible: unknown.",
    },
}

_OPTIONS: dict[str, dict[Lang, str]] = {
    "widen": {
        "zh": "把户数范围放宽到 {wide[0]}–{wide[1]} 户",
        "en": "widen the band to {wide[0]}-{wide[1]}",
    },
    "split": {"zh": "拆分单元 {unit}", "en": "split unit {unit}"},
    "finer": {"zh": "提供更细的单元或户数点位", "en": "give finer units, or household points"},
    "join": {"zh": "与相邻社区合并", "en": "join the community with a neighbour"},
    "approve": {"zh": "作为例外核准", "en": "mark it as an approved exception"},
    "release": {"zh": "解除锁定或提高变动上限", "en": "unlock it, or raise the limit"},
    "effort": {
        "zh": '用 quality="best" 或另一个 seed 再算',
        "en": 'search longer: quality="best", or another seed',
    },
}

_OPTIONS_OF: dict[str, tuple[str, ...]] = {
    TOO_FEW: ("join", "widen", "approve"),
    ARITHMETIC: ("widen", "join", "approve"),
    UNIT_OVER_MAX: ("split", "widen", "approve"),
    CUT_UNIT: ("split", "widen", "approve"),
    NO_CELL: ("split", "finer", "approve"),
    EXHAUSTED: ("finer", "join", "approve"),
    HELD: ("release", "approve"),
    UNKNOWN: ("effort", "finer", "approve"),
}
