"""Findings as sentences that a planner can act on, with the options they leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gridmap.language import Message
from gridmap.partitioning.arrays import Ints
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
from gridmap.partitioning.community import Community
from gridmap.partitioning.prepare import Caller
from gridmap.partitioning.remedies import Remedy

LEAVES = "leaves"  # a unit whose every cell leaves what cannot be cut
SHOWN = 5


def reason(finding: Finding, low: int, high: int, name: Caller) -> Message:
    """Return why a part cannot be cut, as one sentence; `name` calls a unit by its position.

    The fact ``all``, the households of the community, tells a part from the whole, ``at`` where it
    is.
    """
    facts = finding.facts | {"min": low, "max": high}
    kind = finding.kind
    if kind in _PARTS and facts["households"] < facts.get("all", 0):
        kind = _PARTS[kind]
    if kind == NO_CELL and "cell" in facts:
        kind = LEAVES
    for key in ("unit", "at"):
        if key in facts:
            facts[key] = name(int(facts[key]))
    if "near" in facts:
        facts["near"] = [name(unit) for unit in facts["near"][:SHOWN]] or [Message("none")]
        facts["neighbours"] = facts["neighbours"] or [0]
    if "pockets" in facts:
        facts["pockets"] = " + ".join(map(str, facts["pockets"]))
    said = _REASONS[kind](**facts)
    at = finding.facts.get("unit", finding.facts.get("at"))
    if at is not None and (kind in _PARTS.values() or "unit" in facts):
        said = name.placed(said, int(at))
    if "apart" in facts and kind != UNIT_OVER_MAX:
        giants = [name(unit) for unit in facts["apart"][:SHOWN]]
        said = Message("With {giants} set apart, which no cell can hold: {said}")(
            giants=giants, said=said
        )
    return said


def placed(finding: Finding, community: Community, members: Ints, high: int) -> Finding:
    """Return a finding about some units with where most live, all households, and the giants."""
    at = int(members[np.argmax(community.households[members])])
    giants = np.flatnonzero(community.households > high).tolist()
    more = {"apart": giants} if giants else {}
    return replace(finding, facts={"at": at, **finding.facts, "all": community.total, **more})


def options(found: Sequence[Remedy], name: Caller) -> list[Message]:
    """Return what was tried and helps, the plainest first, and that it can be approved."""
    lines = []
    for remedy in found:
        facts = dict(remedy.facts)
        for key in ("unit", "at"):
            if key in facts:
                facts[key] = name(int(facts[key]))
        said = _OPTIONS[remedy.kind](**facts)
        if remedy.left:
            said = _HELPS_PART(option=said, left=remedy.left)
        lines.append(said)
    return [*lines, _OPTIONS["approve"]]


_REASONS = {
    TOO_FEW: Message(
        "Only {households} {households:household|households}, fewer than {min}: too few for "
        "one cell."
    ),
    "few-part": Message(
        "A part cut off from the rest has only {households} of the {all} "
        "{all:household|households}, fewer than {min}: too few for one cell."
    ),
    ARITHMETIC: Message("No number of cells of {min}-{max} households adds up to {households}."),
    "arithmetic-part": Message(
        "No number of cells of {min}-{max} households adds up to the {households} of a part "
        "of it, {all} in all."
    ),
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
        "its neighbours have {neighbours}): no connected units with it hold {min}-{max}. Next to "
        "it: {near}."
    ),
    LEAVES: Message(
        "Every cell of {min}-{max} households that contains unit {unit} ({households} "
        "{households:household|households}) leaves a part over that cannot be cut: one of {cell} "
        "leaves {rest}."
    ),
    EXHAUSTED: Message(
        "Every partition of its {households} {households:household|households} was tried: none "
        "has all cells connected and within {min}-{max}."
    ),
    "exhausted-part": Message(
        "Every partition of the {households} {households:household|households} of a part "
        "of it, {all} in all, was tried: none has all cells connected and within "
        "{min}-{max}."
    ),
    HELD: Message(
        "Left as it was on request: locked, or more households would move than the limit."
    ),
    UNKNOWN: Message(
        "No valid partition of its {households} {households:household|households} was found, "
        "nor proved impossible: unknown."
    ),
    "unknown-part": Message(
        "No valid partition of the {households} {households:household|households} of a part "
        "of it, {all} in all, was found, nor proved impossible: unknown."
    ),
}
_PARTS = {
    TOO_FEW: "few-part",
    ARITHMETIC: "arithmetic-part",
    EXHAUSTED: "exhausted-part",
    UNKNOWN: "unknown-part",
}

_OPTIONS = {
    "split": Message(
        "split unit {unit} into {parts} {parts:part|parts} of at most {most} "
        "{most:household|households} that touch each other and its neighbours"
    ),
    "attach": Message("let fragments join the nearest cell (exclaves: attach)"),
    "hand": Message("hand the part at unit {at} over to {to}"),
    "widen": Message("widen the band to {low}-{high}"),
    "join": Message(
        "join the community with {partner} ({households} {households:household|households} "
        "together)"
    ),
    "release": Message("unlock it, or raise the limit"),
    "approve": Message("mark it as an approved exception"),
}
_HELPS_PART = Message("{option} (helps part: {left} {left:part is|parts are} left)")
