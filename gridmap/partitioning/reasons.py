"""Findings as sentences that a planner can act on, with the options they leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gridmap.language import Message
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

Name = Callable[[int], str]
PART = "part"  # a part of a community with too few households


def reason(finding: Finding, low: int, high: int, name: Name) -> Message:
    """Return why a part cannot be cut, as one sentence; `name` calls a unit by its position.

    The fact ``all``, the households of the community, tells a part from the whole.
    """
    facts = _named(finding.facts, name) | {"min": low, "max": high}
    few = finding.kind == TOO_FEW and facts["households"] < facts.get("all", 0)
    return _REASONS[PART if few else finding.kind](**facts)


def options(finding: Finding, low: int, high: int, name: Name) -> list[Message]:
    """Return what would help, the plainest first."""
    facts = _named(finding.facts, name) | {"min": low, "max": high}
    facts |= _bands(finding, low, high)
    chosen = [key for key in _OPTIONS_OF[finding.kind] if key != "widen" or "wide_low" in facts]
    return [_OPTIONS[key](**facts) for key in chosen]


def _named(facts: Mapping[str, Any], name: Name) -> dict[str, Any]:
    """Return the facts with units called by name and sums written out."""
    text = dict(facts)
    if "unit" in text:
        text["unit"] = name(int(text["unit"]))
    if "pockets" in text:
        text["pockets"] = " + ".join(map(str, text["pockets"]))
    return text


def _bands(finding: Finding, low: int, high: int) -> dict[str, Any]:
    """Return the nearest band under which the finding would vanish, where it is known."""
    facts = finding.facts
    if finding.kind == TOO_FEW and facts["households"] > 0:
        return _wide(facts["households"], high)
    if finding.kind == UNIT_OVER_MAX:
        return _wide(low, facts["households"])
    if finding.kind == CUT_UNIT:
        return _wide(low, facts["total"])
    if finding.kind == ARITHMETIC:
        total = facts["households"]
        most, least = total // low, -(-total // high)
        wider = [(low, -(-total // most)), (total // least, high)]
        return _wide(*min(wider, key=lambda band: abs(band[0] - low) + abs(band[1] - high)))
    return {}


def _wide(low: int, high: int) -> dict[str, Any]:
    return {"wide_low": low, "wide_high": high}


_REASONS = {
    TOO_FEW: Message(
        "Only {households} {households:household|households}, fewer than {min}: too few for one "
        "cell."
    ),
    PART: Message(
        "A part cut off from the rest has only {households} of the {all} "
        "{all:household|households}, fewer than {min}: too few for one cell."
    ),
    ARITHMETIC: Message("No number of cells of {min}-{max} households adds up to {households}."),
    UNIT_OVER_MAX: Message(
        "Unit {unit} alone has {households} {households:household|households}, over {max}, and "
        "is never split."
    ),
    CUT_UNIT: Message(
        "Unit {unit} is a bottleneck: {households} + stranded {pockets} = {total} "
        "{total:household|households}, over {max}."
    ),
    NO_CELL: Message(
        "No valid cell can contain unit {unit} ({households} {households:household|households}; "
        "its neighbours have {neighbours})."
    ),
    EXHAUSTED: Message(
        "Every partition of its {households} {households:household|households} was tried: none "
        "has all cells connected and within {min}-{max}."
    ),
    HELD: Message(
        "Left as it was on request: locked, or more households would move than the limit."
    ),
    UNKNOWN: Message(
        "No valid partition of its {households} {households:household|households} was found, "
        "nor proved impossible: unknown."
    ),
}

_OPTIONS = {
    "widen": Message("widen the band to {wide_low}-{wide_high}"),
    "split": Message("split unit {unit}"),
    "finer": Message("give finer units, or household points"),
    "join": Message("join the community with a neighbour"),
    "approve": Message("mark it as an approved exception"),
    "release": Message("unlock it, or raise the limit"),
    "effort": Message('search longer: quality="best", or another seed'),
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
