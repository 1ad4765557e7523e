"""Every defect that keeps cells from tiling their boundary, as a frame to map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_band, check_choice
from gridmap.coverage import checks
from gridmap.coverage.checks import Remark
from gridmap.coverage.declared import after_declared, qualified
from gridmap.coverage.defect_names import Lang, pick
from gridmap.coverage.defect_table import as_frame
from gridmap.coverage.edges import Geometries, Index
from gridmap.coverage.geometry_defects import Faults, faults_of, joined
from gridmap.coverage.given import match_parents, polygons_of
from gridmap.coverage.nesting import nesting_faults
from gridmap.coverage.outline import outline_of
from gridmap.coverage.overlay import Explanation, explain
from gridmap.coverage.prove import Proof, invalid_among, prove
from gridmap.coverage.subject import Subject, column_of, crs_remarks, named, parents_of, subject_of
from gridmap.errors import InputError


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
        Least and most households of a residential cell. Counts that are none (text, missing in
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
        raise InputError(f"`tolerance` is {tolerance}; give a width in metres, 0 or more.")
    notes: list[str] = []
    remarks = crs_remarks(cells, boundary, parents, lang)
    subject = subject_of(cells, boundary, exclude, code, lang, notes)
    if any(r.kind == "crs-mismatch" for r in remarks):
        proof = prove(subject.polygons, None)
        return as_frame(subject, joined([]), remarks, proof, notes, tolerance, set(accepted))
    names, areas, parent_of = parents_of(cells, subject, parents, parent_column)
    proof = prove(subject.polygons, subject.outline, areas, parent_of)
    invalid = invalid_among(subject.polygons, subject.rings)
    remarks += checks.geometry_remarks(subject.polygons, invalid, lang)
    remarks += _table_remarks(cells, subject, code, count, households, set(exceptions))
    faults, rest, declared = _geometry_faults(subject, proof, invalid, remarks, set(accepted))
    if areas is not None and parent_of is not None:
        _, _, place = match_parents(subject.polygons, named(areas, names), parent_of)
        remarks += checks.parent_remarks(parent_of, place, subject.polygons, lang)
        gaps = faults.geometry[np.isin(faults.kind, ["gap", "excluded-gap"])]
        if any(p.verdict == "failed" for p in proof.parents):
            nested, _ = nesting_faults(subject.polygons, polygons_of("parents", areas), place, gaps)
            faults = joined([faults, nested])
    proof = after_declared(proof, rest, declared)
    return as_frame(subject, faults, remarks, proof, notes, tolerance, set(accepted))


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
        remarks += checks.code_remarks(codes, polygons, lang)
    if count is None and "households" in getattr(cells, "columns", ()):
        count = "households"
    if count is None and households is None:
        return remarks
    counts = column_of(cells, count or "households", "count")
    known = {str(e) for e in exceptions}
    recorded = np.array([str(name) in known for name in subject.names], dtype=bool)
    band = None if households is None else check_band(households)
    kinds = cells.get("kind")
    return remarks + checks.household_remarks(counts, kinds, band, recorded, polygons, lang)


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
    faults, declared = qualified(subject, found.faults, outline, accepted)
    return faults, found.rest, declared


def _disjoint(polygons: Geometries, outline: shapely.Geometry) -> bool:
    a, b = shapely.total_bounds(polygons), shapely.bounds(outline)
    apart = a[0] > b[2] or b[0] > a[2] or a[1] > b[3] or b[1] > a[3]
    return bool(np.isfinite(a).all() and apart)
