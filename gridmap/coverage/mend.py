"""Cells mended: rings resolved, corners brought together, patches built anew until all cancels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints
from gridmap.coverage.edges import Leftover, directed_edges, residual, ring_sums, rings_of
from gridmap.coverage.patches import Rules, find_patches, made_valid, rebuild
from gridmap.coverage.prove import Split, invalid_among, remainder, split
from gridmap.coverage.snapping import near_chains, welded, with_vertices

ROUNDS = 4
FACING = 0.9
"""Cosine of the angle to its outward direction at which a side faces another polygon."""


@dataclass
class Work:
    """Cells on the bench, with what happened to each row, and the outline they are to fill.

    Attributes
    ----------
    beside, moved : float
        How far the farthest vertex that was added lies beside its side, and how far the farthest
        corner was moved, in units of the coordinates.
    """

    polygons: Geometries
    outline: shapely.Geometry
    changes: dict[int, str] = field(default_factory=dict)
    absorbed: dict[int, int] = field(default_factory=dict)
    created: list[shapely.Geometry] = field(default_factory=list)
    beside: float = 0.0
    moved: float = 0.0


def mend(polygons: Geometries, outline: shapely.Geometry, rules: Rules, limit: float) -> Work:
    """Repair until the proof holds, or a few rounds have not been enough.

    Parameters
    ----------
    limit : float
        Up to this distance corners are taken for the same, and lie on a side.
    """
    before = polygons.copy()
    work = Work(polygons, outline)
    _repair_rings(work)
    for _ in range(ROUNDS):
        rest = _brought_together(work, limit)
        if len(rest[0].left) == 0:
            break
        parts, owners = rest
        everything = _all(work)
        patches = find_patches(everything, parts.left, owners, np.empty(0, dtype=np.int64))
        built = rebuild(everything, patches, rules)
        _take(work, everything, built.polygons, patches.cells)
        work.created += built.created
        work.absorbed.update({k: v for k, v in built.absorbed.items() if k < len(work.polygons)})
    else:
        _brought_together(work, limit)
    rows = np.array(sorted(work.changes), dtype=np.int64)
    rows = np.delete(rows, invalid_among(before[rows]))
    for k in rows[_same_edges(before[rows], work.polygons[rows])].tolist():
        work.polygons[k] = before[k]  # a vertex came and went
        del work.changes[k]
    return work


def matched(polygons: Geometries, limit: float) -> tuple[Geometries, Ints]:
    """Make polygons match vertex by vertex where they differ by rounding, and say which changed.

    Examples
    --------
    >>> parcels = shapely.box([0, 0, 1], [0, 1, 1], [2, 1, 2], [1, 2, 2])
    >>> _, changed = matched(parcels, 1e-6)  # the long side gets the corner in its middle
    >>> changed.tolist()
    [0]
    """
    work = Work(polygons.copy(), shapely.Polygon())
    _brought_together(work, limit)
    return work.polygons, np.array(sorted(work.changes), dtype=np.int64)


def first_misfit(polygons: Geometries, slit: float) -> tuple[int, int, float] | None:
    """Find two polygons that overlap, or face each other across a slit and share no border.

    A notch between two that share a border elsewhere makes no strangers of them.

    Returns
    -------
    tuple or None
        Both positions and how far they are apart, negative where they overlap.
    """
    edges, owner = directed_edges(polygons)
    left = residual(edges)
    whose = owner[left.members[left.runs[:-1]]]
    a, b = left.edges[:, :2], left.edges[:, 2:]
    middle = (a + b) / 2
    length = np.hypot(*(b - a).T)
    outward = np.column_stack([b[:, 1] - a[:, 1], a[:, 0] - b[:, 0]]) / length[:, None]
    tree = shapely.STRtree(polygons)
    point, other = tree.query(shapely.points(middle), predicate="dwithin", distance=slit)
    foreign = whose[point] != other
    point, other = point[foreign], other[foreign]
    link = shapely.shortest_line(shapely.points(middle[point]), polygons[other])
    gap = shapely.length(link)
    ends = shapely.get_coordinates(link).reshape(-1, 2, 2)
    straight = ((ends[:, 1] - ends[:, 0]) * outward[point]).sum(axis=1)
    facing = np.flatnonzero((gap > 0) & (straight > FACING * gap))
    shared = shapely.intersection(polygons[whose[point[facing]]], polygons[other[facing]])
    wrong = np.union1d(np.flatnonzero(gap == 0), facing[shapely.length(shared) == 0])
    if len(wrong) == 0:
        return None
    k = wrong[np.argmin(gap[wrong])]
    return int(whose[point[k]]), int(other[k]), float(gap[k])


def _brought_together(work: Work, limit: float) -> tuple[Split, Ints]:
    """Add vertices to sides and make close corners one; return what is left, and whose it is."""
    left, owner, parts = _remainder(work)
    if len(left) == 0:
        return parts, owner[:0]
    if _insert(work, parts, left.edges, owner[left.members[left.runs[:-1]]]):
        left, owner, parts = _remainder(work)
    if len(parts.left):
        everything, changed, moved = welded(_all(work), left, owner, limit)
        if len(changed):
            _put(work, everything, changed, "rebuilt")
            work.moved = max(work.moved, moved)
            left, owner, parts = _remainder(work)
        if _follow_chains(work, left, owner, limit):
            left, owner, parts = _remainder(work)
    if len(left) and _insert(work, parts, left.edges, owner[left.members[left.runs[:-1]]]):
        left, owner, parts = _remainder(work)
    mine = np.isin(left.source, parts.piece_of[parts.left.members])
    return parts, owner[left.members[mine]]


def _follow_chains(work: Work, left: Leftover, owner: Ints, limit: float) -> bool:
    """Add vertices where borders run beside each other; tell whether there were any."""
    chains = near_chains(left, owner, limit)
    work.beside = max(work.beside, chains.beside)
    for cell, extra in chains.of_cells.items():
        _put(work, {cell: with_vertices(_all(work)[cell], extra)}, [cell], "vertex-added")
    if chains.of_rim:
        work.outline = with_vertices(work.outline, chains.of_rim)
    return bool(chains.of_cells or chains.of_rim)


def _remainder(work: Work) -> tuple[Leftover, Ints, Split]:
    """Return what is left of the cells against their outline, the owners, and it split."""
    rim = rings_of(np.array([work.outline], dtype=object))
    _, owner, left = remainder(rings_of(_all(work)), rim)
    return left, owner, split(left)


def _put(work: Work, shapes: Any, cells: Iterable[int], change: str) -> None:
    """Put changed cells back in their place."""
    count = len(work.polygons)
    for k in map(int, cells):
        if k >= count:
            work.created[k - count] = shapes[k]
        else:
            work.polygons[k] = shapes[k]
            work.changes.setdefault(k, change)


def _all(work: Work) -> Geometries:
    return np.concatenate([work.polygons, np.array([*work.created, None], dtype=object)[:-1]])


def _take(work: Work, before: Geometries, after: Geometries, cells: Ints) -> None:
    """Keep the rebuilt cells, and note which rows changed."""
    count = len(work.polygons)
    same = _same_edges(before[cells], after[cells])
    for k, unchanged in zip(cells.tolist(), same.tolist(), strict=True):
        if k >= count:
            work.created[k - count] = after[k]
        elif not unchanged:
            work.polygons[k] = after[k]
            work.changes[k] = "rebuilt"


def _same_edges(before: Geometries, after: Geometries) -> Bools:
    """Tell which polygons have the same directed edges, wherever their rings start."""
    old = ring_sums(*directed_edges(before), len(before))
    new = ring_sums(*directed_edges(after), len(after))
    return np.asarray((old == new).all(axis=1))


def _repair_rings(work: Work) -> None:
    """Resolve self-crossings first; what is no area at all becomes empty."""
    for k in invalid_among(work.polygons).tolist():
        shape = work.polygons[k]
        if shape is None or shape.is_empty or not np.isfinite(shape.bounds).all():
            work.polygons[k] = shapely.Polygon()
            work.absorbed[k] = -1
            continue
        work.polygons[k] = made_valid(work.polygons[k : k + 1])[0]
        work.changes[k] = "ring-repaired"


def _insert(work: Work, parts: Split, sides: Floats, owner: Ints) -> bool:
    """Add the vertices that neighbours have exactly on a side; tell whether there were any."""
    found = False
    for cell in np.unique(owner).tolist():
        extra = extra_vertices(parts, sides, owner == cell)
        if not extra:
            continue
        found = True
        if cell < 0:
            work.outline = with_vertices(work.outline, extra)
        else:
            _put(work, {cell: with_vertices(_all(work)[cell], extra)}, [cell], "vertex-added")
    return found


def extra_vertices(parts: Split, sides: Floats, mine: Bools) -> dict[tuple[float, ...], Floats]:
    """Return, for each of some sides, the T-junctions on it in order."""
    rows = parts.junctions
    rows = rows[mine[parts.edge[rows]]]
    extra = {}
    for edge in np.unique(parts.edge[rows]):
        on = parts.vertices[rows[parts.edge[rows] == edge]]
        along = np.abs(on - sides[edge, :2]).sum(axis=1)
        extra[tuple(sides[edge].tolist())] = on[np.argsort(along)]
    return extra
