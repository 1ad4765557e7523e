"""Every defect that keeps cells from tiling their boundary, as a frame to map."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Geometries, Ints, as_points, geometries, segments, uncollected
from gridmap._checks import check_band, check_choice
from gridmap.coverage.arrangement import enclosed
from gridmap.coverage.defect_table import (
    MISSING_CELL,
    Subject,
    as_frame,
    column_of,
    crs_remarks,
    ids_of,
    inside,
    named,
    outline_of,
    parents_of,
    subject_of,
)
from gridmap.coverage.defects import (
    Faults,
    Remark,
    code_remarks,
    cross,
    faults_of,
    geometry_remarks,
    household_remarks,
    joined,
    nesting_faults,
    parent_remarks,
    resolution,
)
from gridmap.coverage.edges import Leftover, Rings, directed_edges, residual, rings_of
from gridmap.coverage.patches import areal_parts, made_valid
from gridmap.coverage.prove import (
    Proof,
    Split,
    Verdict,
    invalid_among,
    match_parents,
    metres_per_unit,
    polygons_of,
    prove,
    remainder,
    split,
)
from gridmap.coverage.snapping import matched_rim
from gridmap.errors import InputError
from gridmap.language import Lang, tr

if TYPE_CHECKING:
    from gridmap._arrays import Outline, Polygons


def qualified(
    subject: Subject, faults: Faults, outline: shapely.Geometry, accepted: set[str]
) -> tuple[Faults, Geometries]:
    """Return faults with their qualifiers, declared gaps set apart, and these gaps."""
    gap = np.flatnonzero(faults.kind == "gap")
    qualifier = faults.qualifier.copy()
    median = float(np.median(shapely.area(subject.polygons)))
    edges, _ = directed_edges(np.array([outline], dtype=object))
    rim = shapely.STRtree(segments(edges))
    near = resolution(shapely.get_coordinates(outline))
    at_rim = np.zeros(len(gap), dtype=bool)
    at_rim[rim.query(faults.geometry[gap], predicate="dwithin", distance=near)[0]] = True
    whole = faults.area[gap] > MISSING_CELL * median
    qualifier[gap] = np.where(whole, "missing-cell", np.where(at_rim, "edge", "hole"))
    faults = replace(faults, qualifier=qualifier)
    areal = gap[shapely.get_type_id(faults.geometry[gap]) == 3]
    if len(subject.exclude):
        faults = _declare(faults, areal, subject.exclude)
        areal = np.flatnonzero((faults.kind == "gap") & (shapely.get_type_id(faults.geometry) == 3))
    if accepted:
        ids = ids_of(faults, subject)
        yes = np.array([k for k in areal if ids[k] in accepted], dtype=np.int64)
        kind, qualifier = faults.kind.copy(), faults.qualifier.copy()
        kind[yes], qualifier[yes] = "excluded-gap", "accepted"
        faults = replace(faults, kind=kind, qualifier=qualifier)
    return faults, faults.geometry[faults.kind == "excluded-gap"]


def _declare(faults: Faults, gaps: Ints, exclude: Geometries) -> Faults:
    """Turn gaps inside declared areas into declared gaps, and split those that reach out."""
    within = inside(faults.geometry[gaps], exclude)
    kind = faults.kind.copy()
    kind[gaps[within]] = "excluded-gap"
    faults = replace(faults, kind=kind)
    across = gaps[~within]
    union = shapely.union_all(made_valid(exclude))
    across = across[shapely.area(shapely.intersection(faults.geometry[across], union)) > 0]
    if len(across) == 0:
        return faults
    pieces = []
    for k in across:
        shape, qualifier = faults.geometry[k], str(faults.qualifier[k])
        for name, part in (
            ("excluded-gap", shapely.intersection(shape, union)),
            ("gap", shapely.difference(shape, union)),
        ):
            parts, _ = areal_parts(np.array([part], dtype=object))
            pieces.append(faults_of(name, parts, qualifier=qualifier))
    return joined([faults.take(np.setdiff1d(np.arange(len(faults)), across)), *pieces])


def after_declared(proof: Proof, rest: Any, declared: Geometries) -> Proof:
    """Return the proof of the boundary less the declared gaps."""
    if rest is None or len(declared) == 0 or proof.verdict == "unprovable":
        return proof
    outer, _ = directed_edges(declared)
    edges = np.concatenate([rest.edges, outer])
    count = np.concatenate([rest.count, np.ones(len(outer), dtype=np.int64)])
    left = split(residual(edges, weight=count)).left
    verdict: Verdict = "failed" if len(left) or proof.invalid else "exact"
    parents = tuple(
        replace(p, verdict=verdict) if p.verdict == "failed" and verdict == "exact" else p
        for p in proof.parents
    )
    return replace(proof, verdict=verdict, leftover=len(left), parents=parents)


@uncollected
def validate(
    cells: gpd.GeoDataFrame | gpd.GeoSeries,
    boundary: Outline | None,
    *,
    parents: Polygons | None = None,
    parent_column: str | None = None,
    exclude: Polygons | None = None,
    tolerance: float = 0.0,
    households: tuple[int | pd.Series, int | pd.Series] | None = None,
    code: str | None = None,
    count: str | None = None,
    accepted: Iterable[str] = (),
    exceptions: Iterable[Hashable] = (),
    lang: Lang = "zh",
) -> gpd.GeoDataFrame:
    """Find what keeps cells from tiling their boundary.

    A **gap** is area of the boundary in no cell, an **overlap** area in two, **outside** area of
    a cell beyond the boundary, a **t-junction** a vertex on an unbroken side of a neighbour. The
    verdict comes from the exact proof; the defects are then looked for only where it failed.

    Parameters
    ----------
    cells : GeoDataFrame or GeoSeries
        What should tile the boundary.
    boundary : geometry, GeoSeries, GeoDataFrame, "outline" or None
        The outline to fill. ``"outline"`` derives it: the outer rings of the union of the cells,
        filled, without `exclude`. Without one nothing can be proved.
    parents : GeoDataFrame or GeoSeries, optional
        Areas that no cell may cross, named by their index or by `parent_column`.
    parent_column : str, optional
        Column of `cells` with the name of the parent; "parent" if there is one. Without it each
        cell belongs to the parent that holds its middle.
    exclude : polygons, optional
        Areas that no cell need cover, as lakes: gaps in them are declared, not defects.
    tolerance : float, default 0
        Width in metres up to which gaps and overlaps are slivers.
    households : (min, max), optional
        Least and most households of a residential cell: numbers, or Series by the code of the
        parent, which `parent_column` names. Counts that are none (text, missing in
        some rows, negative, fractional) are found without it.
    code, count : str, optional
        Columns of the cell's code and households ("households" by default).
    accepted : iterable of str
        Ids of gaps that were looked at and accepted.
    exceptions : iterable
        Codes whose households outside the band are on record.
    lang : "zh" or "en", default "zh"
        Language of the notes.

    Returns
    -------
    GeoDataFrame
        One row a defect, the largest first of its kind; empty when there is none. ``attrs`` holds
        the verdict, the proof and notes; `gridmap.coverage.sentence` puts them into words.

    Raises
    ------
    InputError
        When a column is missing, a geometry is no polygon, or the boundary is no area.

    Examples
    --------
    >>> squares = gpd.GeoSeries(shapely.box([0, 6], 0, [5, 10], 5), crs=4547)
    >>> validate(squares, shapely.box(0, 0, 10, 5))[["kind", "area_m2"]]
      kind  area_m2
    0  gap      5.0
    """
    check_choice("lang", lang, ("zh", "en"))
    if not tolerance >= 0:
        raise InputError(
            "`tolerance` is {tolerance}; give a width in metres, 0 or more.", tolerance=tolerance
        )
    notes: list[str] = []
    if getattr(cells, "attrs", {}).get("unrecorded"):
        notes.append(
            tr(
                "the file has no record hash: whether its units, buildings, exceptions, "
                "retired codes and parameters were changed is unknown",
                lang=lang,
            )
        )
    remarks = crs_remarks(cells, boundary, parents, lang)
    subject = subject_of(cells, boundary, exclude, code, lang, notes)
    if any(r.kind == "crs-mismatch" for r in remarks):
        proof = prove(subject.polygons, None)
        return as_frame(subject, joined([]), remarks, proof, notes, tolerance)
    names, areas, parent_of = parents_of(cells, subject, parents, parent_column)
    _check_parents(names, parent_of)
    proof = prove(subject.polygons, subject.outline, areas, parent_of)
    corners = joined([])
    if proof.verdict == "failed" and not isinstance(boundary, str):
        subject, corners = _with_rim(subject, notes)
        if len(corners):
            proof = prove(subject.polygons, subject.outline, areas, parent_of)
    invalid = invalid_among(subject.polygons, subject.rings)
    remarks += geometry_remarks(subject.polygons, subject.rings, invalid, lang)
    band = _band(households, cells, parent_column or "parent")
    remarks += _table_remarks(cells, subject, code, count, band, set(exceptions))
    faults, rest, declared = _geometry_faults(subject, proof, invalid, remarks, set(accepted))
    if isinstance(boundary, str):
        faults = _without_own_noise(faults)
    if areas is not None and parent_of is not None:
        _, _, place = match_parents(subject.polygons, named(areas, names), parent_of)
        remarks += parent_remarks(parent_of, place, subject.polygons, lang)
        gaps = faults.geometry[np.isin(faults.kind, ["gap", "excluded-gap"])]
        if any(p.verdict == "failed" for p in proof.parents):
            nested, _ = nesting_faults(subject.polygons, polygons_of("parents", areas), place, gaps)
            faults = joined([faults, nested])
    proof = after_declared(proof, rest, declared)
    faults = joined([faults, corners])
    return as_frame(subject, faults, remarks, proof, notes, tolerance)


def _without_own_noise(faults: Faults) -> Faults:
    """Leave out what only the rounding of an outline derived from the cells themselves made.

    Nothing of cells lies outside their own outline, and slits along it are as thin as rounding.
    """
    thin = faults.width < resolution(shapely.get_coordinates(faults.geometry))
    noise = (faults.kind == "outside") | ((faults.kind == "gap") & thin)
    return faults.take(~noise)


def _check_parents(names: list[Any], parent_of: list[Any] | None) -> None:
    """Refuse parents of which no cell knows any, as when two columns are mixed up."""
    if not names or not parent_of or set(map(str, names)) & set(map(str, parent_of)):
        return
    if all(name is None for name in parent_of):
        return
    raise InputError(
        "None of the cells names one of the `parents`: cells say {said!r}, parents are {known!r}. "
        "Name the column of the cells that holds their parent: `--parent-column`.",
        said=str(parent_of[0]),
        known=str(names[0]),
    )


def _with_rim(subject: Subject, notes: list[str]) -> tuple[Subject, Faults]:
    """Add to the outline the corners where cells meet as near to its sides as doubles can lie.

    On a slanting side lies no double at all but its ends, so that a plan that was rotated would
    never fill its boundary. Each such corner is a vertex that does not match.
    """
    fine = resolution(shapely.get_coordinates(subject.polygons))
    if subject.outline is None or not np.isfinite(fine):
        return subject, joined([])
    outline, added, beside = matched_rim(subject.outline, subject.polygons, fine)
    if beside == 0:
        return subject, joined([])
    points = geometries(shapely.points(added))
    corner, cell = shapely.STRtree(subject.polygons).query(points, predicate="intersects")
    culprits = np.full((len(points), 2), -1, dtype=np.int64)
    culprits[corner[::-1], 1] = cell[::-1]
    far = beside * metres_per_unit(subject.crs)
    notes.append(
        tr(
            "the boundary has no vertex at {points:,} {points:corner|corners} of cells, up to "
            "{far:.1g} m beside its sides",
            lang=subject.lang,
            points=len(points),
            far=far,
        )
    )
    return replace(subject, outline=outline), faults_of("t-junction", points, culprits)


def _band(households: Any, cells: Any, parents: str) -> tuple[Any, Any] | None:
    """Return the least and the most households of each cell, or of all."""
    if households is None:
        return None
    if not any(isinstance(end, pd.Series) for end in households):
        return check_band(households)
    mine = column_of(cells, parents, "parent_column").astype(str)
    ends = []
    for end, unbound in zip(households, (0.0, np.inf), strict=True):
        if isinstance(end, pd.Series):  # a cell of no parent is told of as such
            known = end.set_axis(end.index.astype(str))
            ends.append(mine.map(known).fillna(unbound).to_numpy(float))
        else:
            ends.append(np.full(len(mine), float(end)))
    return ends[0], ends[1]


def _table_remarks(
    cells: Any,
    subject: Subject,
    code: str | None,
    count: str | None,
    band: tuple[Any, Any] | None,
    exceptions: set[Any],
) -> list[Remark]:
    lang, polygons = subject.lang, subject.polygons
    faults = getattr(cells, "attrs", {}).get("file_faults", ())  # as its reader found
    remarks = [Remark("content-changed", "", (), fault.text(lang), None) for fault in faults]
    if code is not None or hasattr(cells, "index"):
        codes = pd.Series(subject.names, dtype=object)
        remarks += code_remarks(codes, polygons, lang)
    if count is None and "households" in getattr(cells, "columns", ()):
        count = "households"
    if count is None and band is None:
        return remarks
    counts = column_of(cells, count or "households", "count")
    known = {str(e) for e in exceptions}
    recorded = np.array([str(name) in known for name in subject.names], dtype=bool)
    kinds = cells.get("kind")
    return remarks + household_remarks(counts, kinds, band, recorded, polygons, lang)


def _geometry_faults(
    subject: Subject, proof: Proof, invalid: Ints, remarks: list[Remark], accepted: set[str]
) -> tuple[Faults, Any, Geometries]:
    """Return faults, the edges left over, and the gaps that were declared."""
    nothing = np.empty(0, dtype=object)
    outline = subject.outline
    if proof.verdict == "exact" or len(subject.polygons) == 0:
        if outline is not None and len(subject.polygons) == 0:
            parts = shapely.get_parts(np.array([outline], dtype=object))
            return faults_of("gap", parts, qualifier="missing-cell"), None, nothing
        return joined([]), None, nothing
    if outline is None:
        usable = ~(shapely.is_missing(subject.polygons) | shapely.is_empty(subject.polygons))
        if not usable.any():
            return joined([]), None, nothing
        outline = outline_of(subject.polygons, subject.exclude)
    elif _disjoint(subject.polygons, outline):
        note = tr(
            "cells and boundary lie in different places: check the CRS and the files",
            lang=subject.lang,
        )
        remarks.append(Remark("extent-disjoint", "", (), note, outline))
        return joined([]), None, nothing
    found: Explanation = explain(subject.polygons, outline, subject.rings, invalid)
    faults, declared = qualified(subject, found.faults, outline, accepted)
    return faults, found.rest, declared


def _disjoint(polygons: Geometries, outline: shapely.Geometry) -> bool:
    a, b = shapely.total_bounds(polygons), shapely.bounds(outline)
    apart = a[0] > b[2] or b[0] > a[2] or a[1] > b[3] or b[1] > a[3]
    return bool(np.isfinite(a).all() and apart)


@dataclass(frozen=True)
class Explanation:
    """Why a proof failed.

    Attributes
    ----------
    faults : Faults
        Every defect of geometry.
    rest : Leftover
        Edges left over once T-junctions are set aside.
    """

    faults: Faults
    rest: Leftover


def explain(
    polygons: Geometries, outline: shapely.Geometry, rings: Rings, invalid: Ints
) -> Explanation:
    """Find every gap, overlap, stick-out and T-junction.

    Parameters
    ----------
    polygons : array of polygons
        The cells.
    outline : Polygon or MultiPolygon
        What they should tile.
    rings : Rings
        Rings of the cells.
    invalid : ndarray of int
        Positions of cells whose rings are not valid.
    """
    if len(invalid):
        polygons = polygons.copy()
        polygons[invalid] = made_valid(polygons[invalid])
        rings = rings_of(polygons)
    edges, owner, left = remainder(rings, rings_of(np.array([outline], dtype=object)))
    parts = split(left)
    if len(parts.left) == 0:
        return Explanation(_junctions(parts, left, owner), parts.left)
    piece = parts.piece_of[parts.left.members[parts.left.runs[:-1]]]
    place = left.members[left.runs[piece]]
    sound = np.concatenate(
        [np.delete(edges, left.members, 0), np.delete(parts.pieces, parts.left.members, 0)]
    )
    whose = owner[place]
    found, bare, label = enclosed(parts.left, parts.beside, place, whose, sound, polygons, outline)
    unseen = _unseen(parts.left, whose, bare, label)
    junctions = _unexplained(_junctions(parts, left, owner), found)
    return Explanation(joined([found, unseen, junctions]), parts.left)


def _junctions(parts: Split, left: Leftover, owner: Ints) -> Faults:
    """Return T-junctions as points, with a cell whose side is split and one that splits it."""
    rows = parts.junctions
    points = parts.vertices[rows]
    points, first = np.unique(points, axis=0, return_index=True)
    edge = parts.edge[rows][first]
    side = owner[left.members[left.runs[edge]]]
    culprits = np.column_stack([side, np.full(len(side), -1)])
    # edges with a corner at the point; the first other cell of them splits the side
    corners = as_points(left.edges.reshape(-1, 2))
    order = np.argsort(corners, kind="stable")
    low, high = (
        np.searchsorted(corners[order], as_points(points), way) for way in ("left", "right")
    )
    for row in range(len(points)):
        near = np.unique(order[low[row] : high[row]] // 2)
        cells = {int(c) for k in near for c in owner[left.members[left.runs[k] : left.runs[k + 1]]]}
        culprits[row, 1] = min(cells - {-1, int(side[row])}, default=-1)
    return faults_of("t-junction", geometries(shapely.points(points)), culprits)


def _unexplained(junctions: Faults, found: Faults) -> Faults:
    """Drop vertices on sides that another defect explains already.

    At an overlap or a stick-out all sides are split; at a gap only the side of the boundary is.
    """
    if len(junctions) == 0 or len(found) == 0:
        return junctions
    near = resolution(shapely.get_coordinates(junctions.geometry))
    tree = shapely.STRtree(found.geometry)
    at, fault = tree.query(junctions.geometry, predicate="dwithin", distance=near)
    explained = (found.kind[fault] != "gap") | (junctions.cells[at, 0] < 0)
    keep = np.ones(len(junctions), dtype=bool)
    keep[at[explained]] = False
    return junctions.take(keep)


def _unseen(rest: Leftover, whose: Ints, bare: Ints, label: Ints) -> Faults:
    """Return as lines the groups of leftover edges that enclose nothing, being too thin."""
    rows = []
    for group in np.unique(label[bare]):
        mine = bare[label[bare] == group]
        cells = np.unique(whose[mine])
        rows.append(_sub_resolution(rest.edges[mine], rest.count[mine], cells[cells >= 0]))
    return joined(rows)


def _sub_resolution(edges: Floats, count: Ints, cells: Ints) -> Faults:
    """Return one leftover cluster as a fault whose sign of area tells gap from overlap."""
    # in fractions: doubles cancel to nothing, and the sign is the answer
    crosses = (n * cross(edge) for n, edge in zip(count.tolist(), edges.tolist(), strict=True))
    signed = float(sum(crosses) / 2)
    lines = geometries(shapely.multilinestrings([list(edges.reshape(-1, 2, 2))]))
    kind = "gap" if signed <= 0 else "overlap" if len(cells) > 1 else "outside"
    fault = faults_of(kind, lines)
    culprits = np.full((1, 2), -1, dtype=np.int64)
    if signed > 0:
        culprits[0, : min(2, len(cells))] = cells[:2]
    area = np.array([abs(signed)])
    width = 2 * area / shapely.length(lines)
    return Faults(fault.kind, fault.qualifier, culprits, fault.geometry, area, width)
