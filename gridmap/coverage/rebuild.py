"""Patches built anew: the cells at fault share out the area that the sound ones leave open.

The outline of a patch is taken from the sound neighbours and the boundary vertex by vertex, so
that nothing outside of it changes. Inside, the lines of the cells at fault cut it into faces, and
each face goes to one cell. Whatever the choice, the faces tile the patch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.edges import Geometries, Index, directed_edges, residual, reverse
from gridmap.coverage.lattice import frame_of
from gridmap.coverage.patches import Patches, areal_parts, inner_points, made_valid, open_faces
from gridmap.coverage.sharing import FREE, Rules, heir_of, shared_out
from gridmap.coverage.snapping import keep_corners, keep_outline, without_idle_vertices
from gridmap.coverage.t_junctions import rows_of


@dataclass
class Rebuilt:
    """Cells after their patches were built anew."""

    polygons: Geometries
    created: list[shapely.Geometry] = field(default_factory=list)
    absorbed: dict[int, int] = field(default_factory=dict)


def rebuild(polygons: Geometries, patches: Patches, rules: Rules) -> Rebuilt:
    """Return the cells with every patch shared out anew; sound cells are the same objects."""
    out = Rebuilt(polygons.copy())
    for g in range(len(patches.origin)):
        cells = patches.cells[patches.cell_group == g]
        faces = patches.faces[patches.face_group == g]
        _rebuild_group(out, polygons, cells, faces, patches.origin[g], rules)
    return out


def _rebuild_group(
    out: Rebuilt,
    polygons: Geometries,
    cells: Index,
    faces: Geometries,
    origin: NDArray[np.float64],
    rules: Rules,
) -> None:
    """Share out one group of patches among its cells."""
    frame = frame_of(polygons[cells], faces, origin)
    local, wanted = made_valid(frame.to(polygons[cells])), frame.to(faces)
    pieces, cover = _pieces(local, wanted, frame.lattice)
    owner = shared_out(pieces, cover, local, cells, rules.stretched(frame.stretch))
    owners = np.unique(owner[owner != FREE])
    united = [_united(pieces[owner == k]) for k in owners]
    shapes = np.concatenate([np.empty(0, dtype=object), *united])
    drawn = [local[k] if k < len(cells) else None for k in owners.tolist()]
    shapes = keep_outline(keep_corners(shapes, wanted, frame.lattice), wanted)
    shapes = without_idle_vertices(shapes, drawn)
    left = ~shapely.is_empty(shapes)
    shapes, owners = shapes[left], owners[left]
    shapes = frame.back(shapes)
    for k, cell in enumerate(cells):
        if k not in owners:
            out.polygons[cell] = shapely.Polygon()
            out.absorbed[int(cell)] = heir_of(k, cells, cover, owner)
    for k, shape in zip(owners.tolist(), shapes, strict=True):
        if k < len(cells):
            out.polygons[cells[k]] = shape
        else:
            out.created.append(shape)


def _united(pieces: Geometries) -> Geometries:
    try:
        union = shapely.coverage_union_all(pieces)
        parts, _ = areal_parts(np.array([union], dtype=object))
    except shapely.errors.GEOSException:  # takes some needles for overlaps
        parts = open_faces(pieces, residual(np.empty((0, 4))))
    return parts if len(parts) == 1 else np.array([shapely.multipolygons(parts)], dtype=object)


def _pieces(
    cells: Geometries, wanted: Geometries, lattice: float
) -> tuple[Geometries, list[list[int]]]:
    """Cut the patch along all lines; return the pieces and which cells cover each."""
    lines = shapely.boundary(np.concatenate([cells, wanted]))
    noded = shapely.union_all(lines, grid_size=lattice)
    pieces = shapely.get_parts(shapely.polygonize([noded]))
    point = inner_points(pieces)
    within = np.zeros(len(pieces), dtype=bool)
    within[shapely.STRtree(wanted).query(point, predicate="within")[0]] = True
    side = _sides_of_outline(pieces, wanted)
    inside = np.where(side == 0, within, side > 0)
    pieces, point = pieces[inside], point[inside]
    cover: list[list[int]] = [[] for _ in pieces]
    for p, c in zip(*shapely.STRtree(cells).query(point, predicate="within").tolist(), strict=True):
        cover[p].append(c)
    return np.asarray(pieces, dtype=object), [sorted(c) for c in cover]


def _sides_of_outline(pieces: Geometries, wanted: Geometries) -> Index:
    """Tell from shared edges which pieces lie inside (1) or outside (-1); 0 shares none.

    A point of a needle may round to the wrong side; its edges cannot.
    """
    edges, owner = directed_edges(pieces)
    outline = rows_of(directed_edges(wanted)[0])
    inner, outer = (np.isin(rows_of(e), outline) for e in (edges, reverse(edges)))
    votes = inner.astype(np.float64) - outer
    return np.sign(np.bincount(owner, votes, minlength=len(pieces))).astype(np.int64)
