"""Solve one community: take it apart, search each piece, link fragments, tell what is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import shapely

from gridmap._arrays import Bools, Geometries, Ints, in_order
from gridmap._checks import Bands
from gridmap.partitioning.certificates import (
    TOO_FEW,
    UNIT_OVER_MAX,
    UNKNOWN,
    Finding,
    by_households,
)
from gridmap.partitioning.problem import Community, Piece, Wishes, bonds_of, pieces_of, share
from gridmap.partitioning.search import search, search_into

STEPS = 4  # numbers of cells that are tried before the usual one


@dataclass
class Outcome:
    """The cell of each unit, and for each cell outside the band why it is.

    Units in findings are positions in the community. `crossed` tells whether a cell reaches
    across a hard barrier because the community could not be cut otherwise.
    """

    label: Ints
    reasons: dict[int, Finding] = field(default_factory=dict)
    crossed: bool = False

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return int(self.label.max(initial=-1)) + 1

    def append(self, members: Ints, part: Outcome) -> None:
        """Add the cells of a part, whose units stand at `members`."""
        shift = self.cells
        self.label[members] = part.label + shift
        for cell, finding in part.reasons.items():
            self.reasons[cell + shift] = finding.moved(members)


def solve(community: Community, wishes: Wishes, cells: int = 0) -> Outcome:
    """Cut a community into cells within the band, as far as that is possible.

    Hard barriers are held where that leaves every part possible; a community that cannot be solved
    so is tried again across them.
    """
    outcome = _solve(community, bonds_of(community, wishes), wishes, cells)
    every = community.bonds(hard=True)
    if _failures(outcome) == 0 or not (community.hard & every).any():
        return outcome
    across = _solve(community, every, wishes, cells)
    return across if _failures(across) < _failures(outcome) else outcome


def _failures(outcome: Outcome) -> int:
    """Count the cells outside the band that a wider choice of contacts might mend."""
    return sum(finding.kind != UNIT_OVER_MAX for finding in outcome.reasons.values())


def _solve(community: Community, bonds: Bools, wishes: Wishes, cells: int) -> Outcome:
    """Solve each piece alone."""
    outcome = Outcome(np.full(len(community), -1, np.int64))
    pieces = pieces_of(community, bonds, wishes)
    if cells:  # the largest come last: they can best make up for the others
        pieces.sort(key=lambda piece: piece.community.total)
    for at, piece in enumerate(pieces):
        count = share(pieces[at:], wishes, cells - outcome.cells)[0] if cells else 0
        outcome.append(piece.members, solve_piece(piece, wishes, count))
    outcome.crossed = crosses(community, bonds, outcome.label)
    return outcome


def crosses(community: Community, bonds: Bools, label: Ints) -> bool:
    """Tell whether some cell is connected across a hard barrier."""
    same = label[community.i] == label[community.j]
    return bool((bonds & community.hard & same).any())


def solve_piece(piece: Piece, wishes: Wishes, cells: int = 0) -> Outcome:
    """Keep a piece that is one cell at most, search the others, and give the reasons."""
    total = piece.community.total
    whole = np.zeros(len(piece.members), np.int64)
    if piece.giant >= 0:
        size = int(piece.community.households[piece.giant])
        over = Finding(UNIT_OVER_MAX, {"unit": piece.giant, "households": size})
        return Outcome(whole, {0: over})
    known = by_households(total, wishes.low, wishes.high)
    if known is not None and (known.kind == TOO_FEW or wishes.cells(total) == 1):
        return Outcome(whole, {0: known})
    usual = wishes.cells(total)
    if known is None:
        for count in _counts(cells, usual):
            found = search_into(count, piece.community, piece.bonds, wishes, piece.name)
            if found is not None:
                return Outcome(found)
    if usual == 1:
        return Outcome(whole)
    label, finding = search(piece.community, piece.bonds, wishes, piece.name, known)
    households = np.bincount(label, piece.community.households)
    bad = np.flatnonzero((households < wishes.low) | (households > wishes.high))
    finding = finding or Finding(UNKNOWN, {"households": total})
    return Outcome(label, {int(cell): finding for cell in bad})


def _counts(cells: int, usual: int) -> list[int]:
    """Return the numbers of cells to try: the one wanted, and some on the way to the usual one.

    Examples
    --------
    >>> _counts(5, 3), _counts(2, 3), _counts(3, 3), _counts(0, 3), _counts(90, 10)
    ([5, 4], [2], [3], [], [90, 70, 50, 30])
    """
    if not cells or cells == usual:
        return [cells] if cells else []
    steps = min(abs(cells - usual), STEPS)
    return [usual + (cells - usual) * (steps - step) // steps for step in range(steps)]


Exclaves = Literal["attach", "own"]
NEIGHBOURS = 3  # parts that an islet is linked to where most are islets
SLIVER = 200.0  # square metres under which land without households is never a cell


def linked(
    community: Community, shapes: Geometries, low: int, high: int, how: Exclaves
) -> Community:
    """Return a community whose fragments are linked to the nearest unit of another part.

    A fragment is a part that nothing touches with fewer households than a cell needs. Those with
    the fewest are linked first, until each part has enough or all are one. With "own" only slivers
    without households are. A link has no length, so cells are no more compact for it.

    Parameters
    ----------
    community : Community
        With the contacts between its units.
    shapes : array of Polygon
        Its units.
    low, high : int
        The band; fragments are linked to units over it only where there are no others.
    how : {"attach", "own"}
        What is linked.
    """
    part = community.parts(community.bonds(hard=True))
    links = _archipelago(community, shapes, part, low) if how == "attach" else []
    while (at := _fragment(community, part, low, how)) is not None:
        mine = part == at
        links.append(_nearest(shapes, mine, _hosts(community, part, at, low, high)))
        part = in_order(np.where(mine, part[links[-1][1]], part))
    if not links:
        return community
    links = sorted({(min(a, b), max(a, b)) for a, b in links})
    i, j = (np.array(side, np.int64) for side in zip(*links, strict=True))
    nothing, new = np.zeros(len(links)), np.ones(len(links), bool)
    return replace(
        community,
        i=np.concatenate([community.i, i]),
        j=np.concatenate([community.j, j]),
        length=np.concatenate([community.length, nothing]),
        road=np.concatenate([community.road, nothing]),
        hard=np.concatenate([community.hard, ~new]),
        linked=np.concatenate([np.zeros(len(community.i), bool), new]),
    )


def linked_all(
    units: gpd.GeoDataFrame,
    communities: Iterable[Community],
    bands: Bands,
    how: Exclaves = "attach",
) -> Iterator[Community]:
    """Yield communities of a table of units with their fragments linked."""
    shapes = units.geometry.to_numpy()
    for town in communities:
        yield linked(town, shapes[town.place], *bands.of(town.key), how)


def _archipelago(
    community: Community, shapes: Geometries, part: Ints, low: int
) -> list[tuple[int, int]]:
    """Return links of each fragment to the nearest parts, where most live in fragments."""
    small = (np.bincount(part, community.households) < low)[part]
    if 2 * community.households[small].sum() <= community.total:
        return []
    links = []
    for at in np.unique(part[small]):
        others = part != at
        for _ in range(NEIGHBOURS):
            if not others.any():
                break
            links.append(_nearest(shapes, part == at, others))
            others = others & (part != part[links[-1][1]])
    return links


def _fragment(community: Community, part: Ints, low: int, how: Exclaves) -> int | None:
    """Return the part with the fewest households that is to be linked; None when none is."""
    total = np.bincount(part, community.households)
    area = np.bincount(part, community.area)
    small = total < low if how == "attach" else (total == 0) & (area < SLIVER)
    if len(total) == 1 or not small.any():
        return None
    return int(np.lexsort((area, total, ~small))[0])


def _hosts(community: Community, part: Ints, at: int, low: int, high: int) -> Bools:
    """Return the units that a fragment may be linked to: those of parts with room for it.

    A part has room when both fit into one cell, or when it has cells to shift households between;
    failing that, when the sum can be cut by arithmetic.
    """
    total = np.bincount(part, community.households)
    both = total + total[at]
    sound = -(-both // high) <= both // low
    free = community.households <= high
    for room in ((both <= high) | (sound & (total >= 2 * low)), sound, total >= 0):
        hosts = room[part] & free & (part != at)
        if hosts.any():
            return np.asarray(hosts)
    return np.asarray(part != at)


def _nearest(shapes: Geometries, mine: Bools, others: Bools) -> tuple[int, int]:
    """Return the pair of units, one of each side, that lie nearest to each other."""
    tree = shapely.STRtree(shapes[others])
    pairs, distance = tree.query_nearest(shapes[mine], return_distance=True, all_matches=True)
    a, b = np.flatnonzero(mine)[pairs[0]], np.flatnonzero(others)[pairs[1]]
    first = int(np.lexsort((b, a, distance))[0])
    return int(a[first]), int(b[first])


def unlinked(community: Community) -> Community:
    """Return a community as it touches, without links."""
    if community.linked is None:
        return community
    kept = ~community.linked
    columns = ("i", "j", "length", "road", "hard")
    return replace(
        community, linked=None, **{name: getattr(community, name)[kept] for name in columns}
    )


def attached(
    units: gpd.GeoDataFrame,
    label: Ints,
    communities: Sequence[Community],
    outcomes: Sequence[Outcome],
) -> list[dict[str, Any]]:
    """Return a row for each fragment that is in a cell with other land.

    A row has the number of the ``cell``, how many ``pieces`` that has, and of the fragment the
    ``parent``, ``households``, ``area_m2``, ``x`` and ``y`` of a point in it, and the ``around``,
    the jurisdiction with which it shares its longest border ("" where there is none).
    """
    rows = []
    for community, outcome in zip(communities, outcomes, strict=True):
        if community.total == 0:
            continue
        for cell, pieces, members in _pieces(community, outcome.label):
            place = community.place[members]
            inside = shapely.coverage_union_all(units.geometry.to_numpy()[place])
            point = shapely.point_on_surface(inside)
            rows.append(
                {
                    "parent": community.key,
                    "cell": int(label[community.place[np.argmax(outcome.label == cell)]]),
                    "pieces": pieces,
                    "households": int(community.households[members].sum()),
                    "area_m2": round(float(community.area[members].sum()), 1),
                    "x": round(float(point.x), 1),
                    "y": round(float(point.y), 1),
                    "around": _around(units, community.key, inside),
                }
            )
    return rows


def _pieces(community: Community, label: Ints) -> Iterator[tuple[int, int, Ints]]:
    """Yield the cells in several pieces: how many, and the units of each but the largest."""
    if community.linked is None:
        return
    touch = unlinked(community)
    part = touch.parts(touch.bonds(hard=True) & (label[touch.i] == label[touch.j]))
    for cell in np.unique(label):
        pieces = [np.flatnonzero(part == number) for number in np.unique(part[label == cell])]
        main = max(pieces, key=lambda piece: (community.households[piece].sum(), len(piece)))
        for piece in pieces:
            if piece is not main:
                yield int(cell), len(pieces), piece


def _around(units: gpd.GeoDataFrame, parent: str, fragment: shapely.Geometry) -> str:
    """Return the jurisdiction that shares the longest border with a fragment."""
    near = units.iloc[units.sindex.query(fragment, predicate="intersects")]
    near = near[near["parent"] != parent]
    if near.empty:
        return ""
    shared = shapely.length(
        shapely.intersection(near.geometry.to_numpy(), shapely.boundary(fragment))
    )
    sums = near["parent"].to_frame().assign(shared=shared).groupby("parent")["shared"].sum()
    return str(sums.idxmax()) if sums.max() > 0 else ""
