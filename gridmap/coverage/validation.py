"""Every defect that keeps cells from tiling their boundary, as a frame to map."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_band, check_choice, label
from gridmap.coverage import attributes
from gridmap.coverage.attributes import Remark
from gridmap.coverage.chain import Geometries, Index, Rings, directed_edges, residual, rings_of
from gridmap.coverage.junctions import split
from gridmap.coverage.measure import in_metres
from gridmap.coverage.nesting import nesting_faults
from gridmap.coverage.overlay import (
    MISSING_CELL,
    Explanation,
    Faults,
    explain,
    faults_of,
    joined,
    resolution,
)
from gridmap.coverage.patches import areal_parts, made_valid
from gridmap.coverage.proof import (
    Proof,
    Verdict,
    boundary_of,
    invalid_among,
    match_parents,
    polygons_of,
    prove,
)
from gridmap.coverage.wording import KINDS, NOTES, Lang, pick
from gridmap.errors import InputError

TYPES = {
    "id": "str",
    "kind": "str",
    "qualifier": "str",
    "cells": "object",
    "area_m2": "float64",
    "width_m": "float64",
    "neighbours": "object",
    "note": "str",
}


@dataclass(frozen=True)
class Subject:
    """What is validated: the cells, their names, and what they should fill."""

    cells: Any
    polygons: Geometries
    rings: Rings
    names: list[Any]
    crs: Any
    outline: shapely.Geometry | None
    exclude: Geometries
    lang: Lang


def validate(
    cells: gpd.GeoDataFrame | gpd.GeoSeries,
    boundary: Any,
    *,
    parents: Any = None,
    parent_column: str | None = None,
    exclude: Any = None,
    tolerance: float = 0.0,
    households: tuple[int, int] | None = None,
    code: str | None = None,
    count: str | None = None,
    accepted: Iterable[str] = (),
    exceptions: Iterable[Any] = (),
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
    households : (int, int), optional
        Least and most households of a residential cell.
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
        When a column is missing or a geometry is no polygon.

    Examples
    --------
    >>> squares = gpd.GeoSeries(shapely.box([0, 6], 0, [5, 10], 5), crs=4547)
    >>> validate(squares, shapely.box(0, 0, 10, 5))[["kind", "area_m2"]]
      kind  area_m2
    0  gap      5.0
    """
    check_choice("lang", lang, ("zh", "en"))
    if not tolerance >= 0:
        raise InputError(f"`tolerance` is {tolerance}; give a width in metres, 0 or more.")
    notes: list[str] = []
    remarks = _crs_remarks(cells, boundary, parents, lang)
    subject = _subject(cells, boundary, exclude, code, lang, notes)
    if any(r.kind == "crs-mismatch" for r in remarks):
        proof = prove(subject.polygons, None)
        return _frame(subject, joined([]), remarks, proof, notes, tolerance, set(accepted))
    names, areas, parent_of = _parents_of(cells, subject, parents, parent_column)
    proof = prove(subject.polygons, subject.outline, areas, parent_of)
    invalid = invalid_among(subject.polygons, subject.rings)
    remarks += attributes.geometry_remarks(subject.polygons, invalid, lang)
    remarks += _table_remarks(cells, subject, code, count, households, set(exceptions))
    faults, rest, declared = _geometry_faults(subject, proof, invalid, remarks, set(accepted))
    if areas is not None and parent_of is not None:
        _, _, place = match_parents(subject.polygons, _named(areas, names), parent_of)
        remarks += attributes.parent_remarks(parent_of, place, subject.polygons, lang)
        gaps = faults.geometry[np.isin(faults.kind, ["gap", "excluded-gap"])]
        if any(p.verdict == "failed" for p in proof.parents):
            nested, _ = nesting_faults(subject.polygons, polygons_of("parents", areas), place, gaps)
            faults = joined([faults, nested])
    proof = _after_declared(proof, rest, declared)
    return _frame(subject, faults, remarks, proof, notes, tolerance, set(accepted))


def outline_of(cells: Any, exclude: Any = None) -> shapely.Geometry:
    """Derive a boundary: the outer rings of the union of cells, filled, without some areas.

    Examples
    --------
    >>> ring = shapely.difference(shapely.box(0, 0, 3, 3), shapely.box(1, 1, 2, 2))
    >>> outline_of([ring]).area
    9.0
    """
    polygons = polygons_of("cells", cells)
    sound = made_valid(polygons[~(shapely.is_missing(polygons) | shapely.is_empty(polygons))])
    if len(sound) == 0:
        raise InputError("`cells` are empty, so no outline can be derived. Hand in a boundary.")
    exact = len(sound) == len(polygons) and shapely.coverage_is_valid(sound)
    union = shapely.coverage_union_all(sound) if exact else shapely.union_all(sound)
    parts, _ = areal_parts(np.array([union], dtype=object))
    rings, part = shapely.get_rings(parts, return_index=True)
    inner = np.flatnonzero(part[1:] == part[:-1]) + 1
    if exclude is not None and len(inner):
        declared = _inside(shapely.polygons(rings[inner]), polygons_of("exclude", exclude))
        inner = inner[declared]
    else:
        inner = inner[:0]
    shells = [
        shapely.Polygon(shell.exterior, list(rings[inner[part[inner] == k]]))
        for k, shell in enumerate(parts)
    ]
    return shells[0] if len(shells) == 1 else shapely.union_all(shells)


def _inside(polygons: Geometries, areas: Geometries) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which polygons lie in one of some areas, but for what doubles cannot tell."""
    if len(areas) == 0 or len(polygons) == 0:
        return np.zeros(len(polygons), dtype=bool)
    rest = shapely.difference(polygons, shapely.union_all(made_valid(areas)))
    faults = faults_of("", rest)
    fine = 4 * resolution(shapely.get_coordinates(polygons))
    return np.asarray(shapely.is_empty(rest) | (faults.width < fine))


def _subject(
    cells: Any, boundary: Any, exclude: Any, code: str | None, lang: Lang, notes: list[str]
) -> Subject:
    polygons = polygons_of("cells", cells)
    if len(polygons) and shapely.has_z(polygons).any():
        notes.append(pick(lang, "高程（Z）未使用", "heights (Z) were not used"))
    if isinstance(boundary, str):
        check_choice("boundary", boundary, ("outline",))
        outline = outline_of(cells, exclude)
        notes.append(
            pick(
                lang,
                "边界由网格自身的外轮廓推得：外缘缺失的网格无法发现",
                "the boundary was derived from the cells' own outline: "
                "a cell missing at the rim leaves no trace",
            )
        )
    else:
        outline = boundary_of(boundary)
        rows = getattr(boundary, "geometry", None)
        if rows is not None and len(rows) > 1 and not shapely.coverage_is_valid(rows.to_numpy()):
            notes.append(
                pick(
                    lang,
                    "边界图层各部分互不吻合，已合并",
                    "the parts of the boundary layer do not match each other; they were dissolved",
                )
            )
    names = list(range(len(polygons)))
    if code is not None:
        names = list(_column(cells, code, "code"))
    elif hasattr(cells, "index"):
        names = list(cells.index)
    holes = np.empty(0, dtype=object) if exclude is None else polygons_of("exclude", exclude)
    crs = getattr(cells, "crs", None)
    return Subject(cells, polygons, rings_of(polygons), names, crs, outline, holes, lang)


def _column(frame: Any, name: str, argument: str) -> pd.Series[Any]:
    if name not in getattr(frame, "columns", ()):
        has = ", ".join(map(str, getattr(frame, "columns", ()))) or "none"
        raise InputError(
            f"`{argument}` names the column {name!r}, which the cells lack; has {has}."
        )
    return cast("pd.Series[Any]", frame[name])


def _crs_remarks(cells: Any, boundary: Any, parents: Any, lang: Lang) -> list[Remark]:
    remarks = []
    crs = getattr(cells, "crs", None)
    if crs is None and hasattr(cells, "crs"):
        note = pick(
            lang,
            "网格没有坐标系：请用 --crs 或 set_crs 声明",
            "the cells have no CRS: declare it with --crs or set_crs",
        )
        remarks.append(Remark("crs-missing", "", (), note, None))
    for name, other in (("boundary", boundary), ("parents", parents)):
        theirs = getattr(other, "crs", None)
        if crs is not None and theirs is not None and crs != theirs:
            note = pick(
                lang,
                f"网格为 {label(crs)}，{name} 为 {label(theirs)}：请先转换其一",
                f"cells are in {label(crs)}, {name} in {label(theirs)}: transform one of them",
            )
            remarks.append(Remark("crs-mismatch", "", (), note, None))
    if crs is not None and crs.is_geographic:
        note = pick(
            lang,
            f"{label(crs)} 为经纬度：按原坐标证明，按椭球量算",
            f"{label(crs)} is in degrees: proved as given, measured on the ellipsoid",
        )
        remarks.append(Remark("crs-geographic", "", (), note, None))
    return remarks


def _named(areas: Geometries, names: Sequence[Any]) -> gpd.GeoSeries:
    return gpd.GeoSeries(areas, index=pd.Index(list(names)))


def _parents_of(
    cells: Any, subject: Subject, parents: Any, column: str | None
) -> tuple[list[Any], Any, list[Any] | None]:
    """Return the parents' names and areas (a series), and the parent of each cell."""
    if parents is None:
        return [], None, None
    areas = polygons_of("parents", parents)
    columns = getattr(parents, "columns", ())
    column = column or ("parent" if "parent" in getattr(cells, "columns", ()) else None)
    key = next((c for c in (column, "code") if c is not None and c in columns), None)
    names = list(parents[key]) if key else list(getattr(parents, "index", range(len(areas))))
    if len(set(map(str, names))) < len(names):
        raise InputError("`parents` repeat a name; each parent stands once. Dissolve them first.")
    if column is not None:
        parent_of = list(_column(cells, column, "parent_column"))
    else:
        middle = shapely.point_on_surface(subject.polygons)
        cell, parent = shapely.STRtree(areas).query(middle, predicate="intersects")
        home = np.full(len(middle), -1)
        home[cell[::-1]] = parent[::-1]
        parent_of = [names[p] if p >= 0 else None for p in home]
    return names, _named(areas, names), parent_of


def _table_remarks(
    cells: Any,
    subject: Subject,
    code: str | None,
    count: str | None,
    households: tuple[int, int] | None,
    exceptions: set[Any],
) -> list[Remark]:
    remarks: list[Remark] = []
    lang, polygons = subject.lang, subject.polygons
    if code is not None or hasattr(cells, "index"):
        codes = pd.Series(subject.names, dtype=object)
        remarks += attributes.code_remarks(codes, polygons, lang)
    if count is not None or households is not None:
        counts = _column(cells, count or "households", "count")
        if households is None:
            return remarks
        known = {str(e) for e in exceptions}
        recorded = np.array([str(name) in known for name in subject.names], dtype=bool)
        kinds = cells.get("kind")
        band = check_band(households)
        remarks += attributes.household_remarks(counts, kinds, band, recorded, polygons, lang)
    return remarks


def _geometry_faults(
    subject: Subject, proof: Proof, invalid: Index, remarks: list[Remark], accepted: set[str]
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
        note = pick(
            subject.lang,
            "网格与边界不在同一处：检查坐标系和文件",
            "cells and boundary lie in different places: check the CRS and the files",
        )
        remarks.append(Remark("extent-disjoint", "", (), note, outline))
        return joined([]), None, nothing
    found: Explanation = explain(subject.polygons, outline, subject.rings, invalid)
    faults, declared = _qualified(subject, found.faults, outline, accepted)
    return faults, found.rest, declared


def _disjoint(polygons: Geometries, outline: shapely.Geometry) -> bool:
    a, b = shapely.total_bounds(polygons), shapely.bounds(outline)
    apart = a[0] > b[2] or b[0] > a[2] or a[1] > b[3] or b[1] > a[3]
    return bool(np.isfinite(a).all() and apart)


def _qualified(
    subject: Subject, faults: Faults, outline: shapely.Geometry, accepted: set[str]
) -> tuple[Faults, Geometries]:
    """Return faults with their qualifiers, declared gaps set apart, and these gaps."""
    gap = np.flatnonzero(faults.kind == "gap")
    qualifier = faults.qualifier.copy()
    median = float(np.median(shapely.area(subject.polygons)))
    edges, _ = directed_edges(np.array([outline], dtype=object))
    rim = shapely.STRtree(shapely.linestrings(edges.reshape(-1, 2, 2)))
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
        ids = _ids(faults, subject)
        yes = np.array([k for k in areal if ids[k] in accepted], dtype=np.int64)
        kind, qualifier = faults.kind.copy(), faults.qualifier.copy()
        kind[yes], qualifier[yes] = "excluded-gap", "accepted"
        faults = replace(faults, kind=kind, qualifier=qualifier)
    return faults, faults.geometry[faults.kind == "excluded-gap"]


def _declare(faults: Faults, gaps: Index, exclude: Geometries) -> Faults:
    """Turn gaps inside declared areas into declared gaps, and split those that reach out."""
    inside = _inside(faults.geometry[gaps], exclude)
    kind = faults.kind.copy()
    kind[gaps[inside]] = "excluded-gap"
    faults = replace(faults, kind=kind)
    across = gaps[~inside]
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


def _after_declared(proof: Proof, rest: Any, declared: Geometries) -> Proof:
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


def _frame(
    subject: Subject,
    faults: Faults,
    remarks: list[Remark],
    proof: Proof,
    notes: list[str],
    tolerance: float,
    accepted: set[str],
) -> gpd.GeoDataFrame:
    """Return the defects as a frame, with verdict, proof and notes in `attrs`."""
    area, width = in_metres(faults.geometry, faults.area, faults.width, subject.crs)
    fine = resolution(shapely.get_coordinates(faults.geometry))
    thin = np.isin(faults.kind, ["gap", "overlap", "outside", "crosses-parent", "parent-gap"])
    qualifier = [
        ",".join(filter(None, [base, mark]))
        for base, mark in zip(
            faults.qualifier,
            np.where(
                thin & (faults.width < fine),
                "sub-resolution",
                np.where(thin & (width <= tolerance), "sliver", ""),
            ),
            strict=True,
        )
    ]
    names = np.array([*subject.names, None], dtype=object)
    involved = [tuple(names[[c for c in row if c >= 0]]) for row in faults.cells.tolist()]
    table = {
        "id": _ids(faults, subject),
        "kind": list(faults.kind),
        "qualifier": qualifier,
        "cells": involved,
        "area_m2": area,
        "width_m": width,
        "neighbours": _neighbours(subject, faults),
        "note": [""] * len(faults),
    }
    geometry = faults.geometry
    frame = gpd.GeoDataFrame(table, geometry=geometry, crs=subject.crs).astype(TYPES)
    if remarks:
        frame = _with_remarks(frame, remarks, subject)
    rank = {kind: k for k, kind in enumerate(KINDS)}
    order = np.lexsort((frame["id"], -frame["area_m2"].fillna(0), frame["kind"].map(rank)))
    frame = frame.iloc[order].reset_index(drop=True)
    return _with_verdict(frame, proof, notes, tolerance, len(subject.names))


def _with_remarks(
    frame: gpd.GeoDataFrame, remarks: list[Remark], subject: Subject
) -> gpd.GeoDataFrame:
    shapes = np.array([r.geometry for r in remarks], dtype=object)
    names = [tuple(subject.names[c] for c in r.cells) for r in remarks]
    table = {
        "id": [_digest(r.kind, n, "") for r, n in zip(remarks, names, strict=True)],
        "kind": [r.kind for r in remarks],
        "qualifier": [r.qualifier for r in remarks],
        "cells": names,
        "area_m2": np.nan,
        "width_m": np.nan,
        "neighbours": [()] * len(remarks),
        "note": [r.note for r in remarks],
    }
    more = gpd.GeoDataFrame(table, geometry=shapes, crs=subject.crs).astype(TYPES)
    if len(frame) == 0:
        return more
    return gpd.GeoDataFrame(pd.concat([frame, more], ignore_index=True), crs=subject.crs)


def _with_verdict(
    frame: gpd.GeoDataFrame, proof: Proof, notes: list[str], tolerance: float, cells: int
) -> gpd.GeoDataFrame:
    wrong = findings(frame)
    verdict: Verdict = "exact"
    if proof.verdict == "unprovable" or frame["kind"].isin(["crs-missing", "crs-mismatch"]).any():
        verdict = "unprovable"
    elif len(wrong) or proof.verdict == "failed":
        narrow = wrong["qualifier"].str.contains("sliver|sub-resolution", regex=True)
        geometric = wrong["width_m"].notna()
        passed = tolerance > 0 and len(wrong) and (narrow & geometric).all()
        verdict = "within_tolerance" if passed else "failed"
    elif proof.verdict == "exact_with_t_junctions" or (frame["kind"] == "t-junction").any():
        verdict = "exact_with_t_junctions"
    frame.attrs = {
        "verdict": verdict,
        "cells": cells,
        "parents": len(proof.parents),
        "proof": replace(proof, verdict=verdict).as_dict(),
        "notes": notes,
        "tolerance": tolerance,
    }
    return frame


def findings(defects: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the defects that make a coverage fail; the others are notes."""
    excused = defects["qualifier"].str.contains("accepted|recorded", regex=True)
    return defects[~defects["kind"].isin(NOTES) & ~excused]


def _neighbours(subject: Subject, faults: Faults) -> list[tuple[Any, ...]]:
    """Return the cells that touch each gap."""
    near: list[list[Any]] = [[] for _ in range(len(faults))]
    gap = np.flatnonzero(np.isin(faults.kind, ["gap", "excluded-gap", "parent-gap"]))
    if len(gap):
        distance = resolution(shapely.get_coordinates(subject.polygons))
        tree = shapely.STRtree(subject.polygons)
        row, cell = tree.query(faults.geometry[gap], predicate="dwithin", distance=distance)
        for r, c in zip(gap[row].tolist(), cell.tolist(), strict=True):
            near[r].append(subject.names[c])
    return [tuple(n) for n in near]


def _ids(faults: Faults, subject: Subject) -> list[str]:
    """Return a name for each fault that stays the same when others come and go."""
    digits = 8 if subject.crs is not None and subject.crs.is_geographic else 3
    boxes = np.round(shapely.bounds(faults.geometry), digits) + 0.0
    seen: Counter[str] = Counter()
    ids = []
    for kind, row, box in zip(faults.kind, faults.cells.tolist(), boxes.tolist(), strict=True):
        base = "gap" if kind == "excluded-gap" else str(kind)
        names = sorted(str(subject.names[c]) for c in row if c >= 0)
        name = _digest(base, names, str(box))
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids


def _digest(kind: str, cells: Iterable[Any], place: str) -> str:
    text = "|".join([kind, *map(str, cells), place])
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
