"""Findings as sentences that a planner can act on, with the options they leave.

What would help a community that cannot be cut is tried before it is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np

from gridmap._arrays import Ints
from gridmap._checks import Bands
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
from gridmap.partitioning.prepare import Caller, communities
from gridmap.partitioning.problem import EFFORTS, Community, Wishes, bonds_of, pieces_of
from gridmap.partitioning.search import can_be_cut
from gridmap.partitioning.solve import linked, unlinked

LEAVES = "leaves"  # a unit whose every cell leaves what cannot be cut


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
        facts["near"] = [name(unit) for unit in facts["near"]] or [Message("none")]
        facts["neighbours"] = facts["neighbours"] or [0]
    if "pockets" in facts:
        facts["pockets"] = " + ".join(map(str, facts["pockets"]))
    said = _REASONS[kind](**facts)
    at = finding.facts.get("unit", finding.facts.get("at"))
    if at is not None and (kind in _PARTS.values() or "unit" in facts):
        said = name.placed(said, int(at))
    if "apart" in facts and kind != UNIT_OVER_MAX:
        giants = [name(unit) for unit in facts["apart"]]
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
        for key in {"to", "partner"} & facts.keys():
            facts[key] = name.jurisdiction(facts[key])
        if "each" in facts:
            facts["each"] = [_INTO(unit=name(unit), parts=parts) for unit, parts in facts["each"]]
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
        "Unit {unit} alone has {households:,} {households:household|households}, over {max:,}, "
        "and is never split."
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
    "split-all": Message(
        "split all of these, the parts touching each other and what the unit touched: {each}"
    ),
    "attach": Message("let fragments join the nearest cell (exclaves: attach)"),
    "hand": Message("hand the part at unit {at} over to {to} (`gridmap apply --hand`)"),
    "widen": Message("widen the band to {low:,}-{high:,}"),
    "join": Message(
        "join the community with {partner} ({households:,} {households:household|households} "
        "together)"
    ),
    "release": Message("unlock it, or raise the limit"),
    "approve": Message("mark it as an approved exception"),
}
_INTO = Message("unit {unit} into {parts} {parts:part|parts}")
_HELPS_PART = Message("{option} (helps part: {left} {left:part is|parts are} left)")


NEIGHBOURS = 4  # communities that are tried as partners
LARGEST = 1_500  # units above which nothing is tried
STRETCH = 2  # how far a band is widened at most


class Remedy(NamedTuple):
    """What was tried and helped; `left` of the parts that failed still do."""

    kind: str
    facts: dict[str, Any]
    left: int = 0

    def concerns(self, finding: Finding) -> bool:
        """Whether it mends what was found: all, or the unit that is named."""
        return self.left == 0 or self.facts.get("unit") in (None, finding.facts.get("unit"))


def failing(community: Community, wishes: Wishes) -> int:
    """Count the parts of a community for which no division was found.

    The fragments count as linked or as on their own, whichever leaves fewer.
    """
    if len(community) > LARGEST:
        return len(community)
    wishes = replace(wishes, effort=EFFORTS["fast"])
    ways = [community] if community.linked is None else [community, unlinked(community)]
    return min(_failing(way, wishes) for way in ways)


def _failing(community: Community, wishes: Wishes) -> int:
    failed = 0
    for piece in pieces_of(community, bonds_of(community, wishes), wishes):
        total = piece.community.total
        if total == 0:
            continue
        if piece.giant >= 0 or not wishes.possible(total):
            failed += 1
        elif total > wishes.high:
            failed += not can_be_cut(piece.community, piece.bonds, wishes, piece.name)
    return failed


def remedies(
    units: gpd.GeoDataFrame,
    community: Community,
    wishes: Wishes,
    findings: Sequence[Finding],
    bands: Bands,
) -> list[Remedy]:
    """Return what was tried and helped a community with findings, the plainest first.

    Parameters
    ----------
    units : GeoDataFrame
        All units, as checked, in which the neighbours are found.
    community : Community
        With its fragments linked, if they were.
    wishes : Wishes
        Its band.
    findings : sequence of Finding
        Why it could not be cut; units are positions in the community.
    bands : Bands
        Those of its neighbours.
    """
    before = failing(community, wishes)
    if len(community) > LARGEST or community.total == 0:
        return []
    if before == 0:
        return [Remedy("release", {})] if any(f.kind == HELD for f in findings) else []
    found = [*_splits(community, wishes, findings, before)]
    found += _attaching(units, community, wishes)
    found += _handing(units, community, wishes, findings, bands)
    found += _widened(community, wishes)
    if {"attach", "hand"}.isdisjoint(remedy.kind for remedy in found):  # no mere fragment
        found += _joined(units, community, wishes, bands)
    return found


MOST_PARTS = 1_000
"""Of a unit; a count that asks for more is a slip, and splitting no cure for it."""


def _splits(
    community: Community, wishes: Wishes, findings: Sequence[Finding], before: int
) -> Iterator[Remedy]:
    """Try to split each unit that a finding names, and all of them where no one is enough."""
    named = dict.fromkeys(int(f.facts["unit"]) for f in findings if "unit" in f.facts)
    least, each, whole = before, [], community
    for unit in named:
        homes = int(community.households[unit])
        parts = max(2, -(-homes // wishes.high))
        if not parts <= min(homes, MOST_PARTS):
            continue
        left = failing(_split(community, unit, parts), wishes)
        if left < before:
            yield Remedy("split", {"unit": unit, "parts": parts, "most": -(-homes // parts)}, left)
            if left == 0:
                return
        least = min(least, left)
        each.append((unit, parts))
        whole = _split(whole, unit, parts)
    if len(each) > 1 and (left := failing(whole, wishes)) < least:
        yield Remedy("split-all", {"each": each}, left)


def _split(community: Community, unit: int, parts: int) -> Community:
    """Return a community with a unit in even parts that touch each other and its neighbours."""
    n, more = len(community), parts - 1
    homes = int(community.households[unit])
    of = np.concatenate([np.arange(n), np.full(more, unit)])
    rest = {name: getattr(community, name)[of].copy() for name in _OF_UNITS}
    share = np.array([homes // parts + (k < homes % parts) for k in range(parts)])
    same = np.flatnonzero(of == unit)
    rest["households"][same] = share
    rest["load"] = rest["households"].astype(float)
    for name in ("area", "perimeter"):
        rest[name][same] = rest[name][same] / parts
    touch = np.flatnonzero((community.i == unit) | (community.j == unit))
    pairs = [(a, b) for k, a in enumerate(same) for b in same[k + 1 :]]
    i, j = [community.i], [community.j]
    contact = np.concatenate([np.arange(len(community.i)), np.tile(touch, more)])
    for new in range(n, n + more):
        i.append(np.where(community.i[touch] == unit, new, community.i[touch]))
        j.append(np.where(community.j[touch] == unit, new, community.j[touch]))
    inner = np.array(pairs, np.int64).reshape(-1, 2)
    long = np.full(len(inner), max(10.0, community.shortest))
    contacts = {name: getattr(community, name)[contact] for name in ("length", "road", "hard")}
    some = None if community.linked is None else community.linked[contact]
    return replace(
        community,
        **rest,
        i=np.concatenate([*i, inner[:, 0]]),
        j=np.concatenate([*j, inner[:, 1]]),
        length=np.concatenate([contacts["length"], long]),
        road=np.concatenate([contacts["road"], 0 * long]),
        hard=np.concatenate([contacts["hard"], np.zeros(len(inner), bool)]),
        linked=None if some is None else np.concatenate([some, np.zeros(len(inner), bool)]),
    )


_OF_UNITS = ("place", "households", "load", "area", "perimeter", "x", "y", "block", "path")


def _widened(community: Community, wishes: Wishes) -> list[Remedy]:
    """Return the nearest wider band under which a division was found: a higher, or a lower end."""

    def least(works: Callable[[int], bool], near: int, far: int) -> int | None:
        if not works(far):
            return None
        while abs(far - near) > 1:
            middle = (near + far) // 2
            near, far = (near, middle) if works(middle) else (middle, far)
        return far

    high = least(
        lambda h: failing(community, replace(wishes, high=h)) == 0,
        wishes.high,
        STRETCH * wishes.high,
    )
    low = least(
        lambda h: failing(community, replace(wishes, low=h)) == 0,
        wishes.low,
        max(1, wishes.low // STRETCH),
    )
    bands = [] if high is None else [(wishes.low, high)]
    bands += [] if low is None else [(low, wishes.high)]
    bands.sort(key=lambda band: wishes.low - band[0] + band[1] - wishes.high)
    return [Remedy("widen", {"low": low, "high": high}) for low, high in bands[:1]]


def _attaching(units: gpd.GeoDataFrame, community: Community, wishes: Wishes) -> Iterator[Remedy]:
    """Try to let fragments join what is nearest."""
    if community.linked is None:
        shapes = units.geometry.to_numpy()[community.place]
        joined = linked(community, shapes, wishes.low, wishes.high, "attach")
        if joined.linked is not None and failing(joined, wishes) == 0:
            yield Remedy("attach", {})


def _handing(
    units: gpd.GeoDataFrame,
    community: Community,
    wishes: Wishes,
    findings: Sequence[Finding],
    bands: Bands,
) -> Iterator[Remedy]:
    """Try to hand each fragment over to a community around it."""
    part = unlinked(community)
    part_of = part.parts(part.bonds(hard=True))
    few = [f for f in findings if f.kind == TOO_FEW and "at" in f.facts]
    for finding in few:
        members = np.flatnonzero(part_of == part_of[int(finding.facts["at"])])
        if len(members) == len(community):
            continue
        rest = np.setdiff1d(np.arange(len(community)), members)
        if failing(community.subset(rest), wishes) > 0:
            continue
        for name in _neighbours(units, community.place[members], community.key):
            taken = _together(units, community.place[members], name)
            if failing(taken, _for(wishes, bands.of(name))) == 0:
                yield Remedy("hand", {"at": int(finding.facts["at"]), "to": name})
                break


def _for(wishes: Wishes, band: tuple[int, int]) -> Wishes:
    """Return wishes for the band of another community."""
    if band == (wishes.low, wishes.high):
        return wishes
    return wishes.within(*band, sum(band) / 2)


def _joined(
    units: gpd.GeoDataFrame, community: Community, wishes: Wishes, bands: Bands
) -> Iterator[Remedy]:
    """Try to join the community with each neighbour of its band; the first that helps is enough."""
    for name in _neighbours(units, community.place, community.key):
        if bands.of(name) != (wishes.low, wishes.high):
            continue
        whole = _together(units, community.place, name)
        if len(whole) <= LARGEST and failing(whole, wishes) == 0:
            yield Remedy("join", {"partner": name, "households": whole.total})
            return


def _neighbours(units: gpd.GeoDataFrame, rows: Ints, key: str) -> list[str]:
    """Return the communities that touch some units in most places, those first."""
    found = units.sindex.query(units.geometry.to_numpy()[rows], predicate="intersects")[1]
    near = units.iloc[found]
    near = near[(near["parent"] != key) & (near["kind"] != "dedicated")]
    return [str(name) for name in near["parent"].value_counts(sort=True).index[:NEIGHBOURS]]


def _together(units: gpd.GeoDataFrame, rows: Ints, name: str) -> Community:
    """Return a community with some more units as one."""
    theirs = np.flatnonzero((units["parent"] == name).to_numpy())
    both = units.iloc[np.union1d(rows, theirs)].assign(parent=name)
    (whole,) = communities(both.reset_index(drop=True))
    return whole
