"""Cells on the bench: rings resolved, vertices added, patches built anew until all cancels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.edges import Geometries, Index, directed_edges, rings_of
from gridmap.coverage.fingerprint import ring_sums
from gridmap.coverage.patches import areal_parts, find_patches
from gridmap.coverage.prove import invalid_among, remainder
from gridmap.coverage.rebuild import rebuild
from gridmap.coverage.sharing import Rules
from gridmap.coverage.snapping import with_vertices
from gridmap.coverage.t_junctions import Split, split

ROUNDS = 4


@dataclass
class Work:
    """Cells on the bench, with what happened to each row."""

    polygons: Geometries
    changes: dict[int, str]
    absorbed: dict[int, int]
    created: list[shapely.Geometry]


def mend(polygons: Geometries, outline: shapely.Geometry, rules: Rules) -> Work:
    """Repair until the proof holds, or a few rounds have not been enough."""
    before = polygons.copy()
    work = Work(polygons, {}, {}, [])
    _repair_rings(work)
    rim = rings_of(np.array([outline], dtype=object))
    for _ in range(ROUNDS):
        everything = _all(work)
        _, owner, left = remainder(rings_of(everything), rim)
        parts = split(left)
        if len(left):
            _insert(work, parts, left.edges, owner[left.members[left.runs[:-1]]])
        if len(parts.left) == 0:
            break
        everything = _all(work)
        _, owner, left = remainder(rings_of(everything), rim)
        parts = split(left)
        owners = owner[left.members[np.isin(left.source, parts.piece_of[parts.left.members])]]
        patches = find_patches(everything, parts.left, owners, np.empty(0, dtype=np.int64))
        built = rebuild(everything, patches, rules)
        _take(work, everything, built.polygons, patches.cells)
        work.created += built.created
        work.absorbed.update({k: v for k, v in built.absorbed.items() if k < len(work.polygons)})
    rows = np.array(sorted(work.changes), dtype=np.int64)
    rows = np.delete(rows, invalid_among(before[rows]))
    for k in rows[_same_edges(before[rows], work.polygons[rows])].tolist():
        work.polygons[k] = before[k]  # a vertex came and went
        del work.changes[k]
    return work


def _all(work: Work) -> Geometries:
    return np.concatenate([work.polygons, np.array([*work.created, None], dtype=object)[:-1]])


def _take(work: Work, before: Geometries, after: Geometries, cells: Index) -> None:
    """Keep the rebuilt cells, and note which rows changed."""
    count = len(work.polygons)
    same = _same_edges(before[cells], after[cells])
    for k, unchanged in zip(cells.tolist(), same.tolist(), strict=True):
        if k >= count:
            work.created[k - count] = after[k]
        elif not unchanged:
            work.polygons[k] = after[k]
            work.changes[k] = "rebuilt"


def _same_edges(before: Geometries, after: Geometries) -> NDArray[np.bool_]:
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
        parts, _ = areal_parts(np.array([shapely.make_valid(shape)], dtype=object))
        work.polygons[k] = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
        work.changes[k] = "ring-repaired"


def _insert(work: Work, parts: Split, sides: NDArray[np.float64], owner: Index) -> None:
    """Add the vertices that neighbours have exactly on a side."""
    count = len(work.polygons)
    for cell in np.unique(owner[owner >= 0]).tolist():
        extra = extra_vertices(parts, sides, owner == cell)
        if not extra:
            continue
        if cell >= count:
            work.created[cell - count] = with_vertices(work.created[cell - count], extra)
        else:
            work.polygons[cell] = with_vertices(work.polygons[cell], extra)
            work.changes.setdefault(cell, "vertex-added")


def extra_vertices(
    parts: Split, sides: NDArray[np.float64], mine: NDArray[np.bool_]
) -> dict[tuple[float, ...], NDArray[np.float64]]:
    """Return, for each of some sides, the T-junctions on it in order."""
    rows = parts.junctions
    rows = rows[mine[parts.edge[rows]]]
    extra = {}
    for edge in np.unique(parts.edge[rows]):
        on = parts.vertices[rows[parts.edge[rows] == edge]]
        along = np.abs(on - sides[edge, :2]).sum(axis=1)
        extra[tuple(sides[edge].tolist())] = on[np.argsort(along)]
    return extra
