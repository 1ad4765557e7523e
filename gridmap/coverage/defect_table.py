"""The frame of defects: one row each with a lasting id, the verdict in its `attrs`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Bools, Floats, Geometries, geometries
from gridmap._checks import check_choice, label
from gridmap.coverage.defect_names import KINDS, NOTES
from gridmap.coverage.defects import Faults, Remark, faults_of, in_metres, resolution
from gridmap.coverage.edges import Rings, rings_of
from gridmap.coverage.patches import areal_parts, made_valid
from gridmap.coverage.prove import Proof, Verdict, boundary_of, check_area, dissolved, polygons_of
from gridmap.errors import InputError
from gridmap.language import Lang, Message, tr

MISSING_CELL = 0.25
"""Share of the median cell from which a gap is taken for a cell that is missing."""


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


def subject_of(
    cells: Any, boundary: Any, exclude: Any, code: str | None, lang: Lang, notes: list[str]
) -> Subject:
    """Gather what is validated; what is worth knowing about it is added to the notes."""
    polygons = polygons_of("cells", cells)
    if len(polygons) and shapely.has_z(polygons).any():
        notes.append(tr("heights (Z) were not used", lang=lang))
    outline = _outline(cells, boundary, exclude, lang, notes)
    notes += stretch_note(polygons, getattr(cells, "crs", None), lang)
    names = list(range(len(polygons)))
    if code is not None:
        names = list(column_of(cells, code, "code"))
    elif hasattr(cells, "index"):
        names = list(cells.index)
    holes = np.empty(0, dtype=object) if exclude is None else polygons_of("exclude", exclude)
    crs = getattr(cells, "crs", None)
    return Subject(cells, polygons, rings_of(polygons), names, crs, outline, holes, lang)


def _outline(
    cells: Any, boundary: Any, exclude: Any, lang: Lang, notes: list[str]
) -> shapely.Geometry | None:
    """Return what the cells should fill, and note what is known of it."""
    if isinstance(boundary, str):
        check_choice("boundary", boundary, ("outline",))
        notes.append(
            tr(
                "the boundary was derived from the cells' own outline: a cell missing at the "
                "rim leaves no trace",
                lang=lang,
            )
        )
        return outline_of(cells, exclude)
    outline = boundary_of(boundary)
    rows = getattr(boundary, "geometry", None)
    if rows is not None and len(rows) > 1 and not shapely.coverage_is_valid(rows.to_numpy()):
        notes.append(
            tr(
                "the parts of the boundary layer do not match each other; they were dissolved",
                lang=lang,
            )
        )
    if outline is not None:
        check_area(outline)
    return outline


def column_of(frame: Any, name: str, argument: str) -> pd.Series[Any]:
    """Return a column of the cells that an argument names."""
    if name not in getattr(frame, "columns", ()):
        has = [*getattr(frame, "columns", ())] or Message("none")
        raise InputError(
            "`{argument}` names the column {name!r}, which the cells lack; has {has}.",
            argument=argument,
            name=name,
            has=has,
        )
    return cast("pd.Series[Any]", frame[name])


def crs_remarks(cells: Any, boundary: Any, parents: Any, lang: Lang) -> list[Remark]:
    """Find what is wrong or worth knowing about the coordinate systems."""
    remarks = []
    crs = getattr(cells, "crs", None)
    if crs is None and hasattr(cells, "crs"):
        note = tr("the cells have no CRS: declare it with --crs or set_crs", lang=lang)
        remarks.append(Remark("crs-missing", "", (), note, None))
    for name, other in (("boundary", boundary), ("parents", parents)):
        theirs = getattr(other, "crs", None)
        if crs is not None and theirs is not None and crs != theirs:
            note = tr(
                "cells are in {crs}, {name} in {theirs}: transform one of them",
                lang=lang,
                crs=label(crs),
                name=name,
                theirs=label(theirs),
            )
            remarks.append(Remark("crs-mismatch", "", (), note, None))
    if crs is not None and crs.is_geographic:
        note = tr(
            "{crs} is in degrees: proved as given, measured on the ellipsoid",
            lang=lang,
            crs=label(crs),
        )
        remarks.append(Remark("crs-geographic", "", (), note, None))
    return remarks


def stretch_note(polygons: Geometries, crs: Any, lang: Lang) -> list[str]:
    """Say by how much Web Mercator makes areas too large, where that is the CRS."""
    if crs is None or crs.is_geographic or crs.to_epsg() != 3857 or len(polygons) == 0:
        return []
    north = float(np.nanmean(shapely.total_bounds(polygons)[[1, 3]]))
    times = np.cosh(min(abs(north), 1e8) / crs.ellipsoid.semi_major_metre) ** 2
    if not 1.005 < times < 1e6:  # beyond lies nothing that could be measured
        return []
    return [
        tr(
            "EPSG:3857 stretches: areas are {times:.2f} times too large here. Measure in another "
            "CRS, as `gm.metric_crs` finds it",
            lang=lang,
            times=float(times),
        )
    ]


def named(areas: Geometries, names: Sequence[Any]) -> gpd.GeoSeries:
    """Return areas on an index of their names."""
    return gpd.GeoSeries(areas, index=pd.Index(list(names)))


def parents_of(
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
        parent_of = list(column_of(cells, column, "parent_column"))
    else:
        middle = shapely.point_on_surface(subject.polygons)
        cell, parent = shapely.STRtree(areas).query(middle, predicate="intersects")
        home = np.full(len(middle), -1)
        home[cell[::-1]] = parent[::-1]
        parent_of = [names[p] if p >= 0 else None for p in home]
    return names, named(areas, names), parent_of


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


def as_frame(
    subject: Subject,
    faults: Faults,
    remarks: list[Remark],
    proof: Proof,
    notes: list[str],
    tolerance: float,
) -> gpd.GeoDataFrame:
    """Return the defects as a frame, with verdict, proof and notes in `attrs`."""
    frame = _of_faults(subject, faults, tolerance)
    if remarks:
        frame = _with_remarks(frame, remarks, subject)
    rank = {kind: k for k, kind in enumerate(KINDS)}
    order = np.lexsort((frame["id"], -frame["area_m2"].fillna(0), frame["kind"].map(rank)))
    frame = frame.iloc[order].reset_index(drop=True)
    return _with_verdict(frame, proof, notes, tolerance, len(subject.names))


def _of_faults(subject: Subject, faults: Faults, tolerance: float) -> gpd.GeoDataFrame:
    """Return a row for each fault of the geometry."""
    area, width = in_metres(faults.geometry, faults.area, faults.width, subject.crs)
    names = subject.names
    involved = [tuple([names[c] for c in row if c >= 0]) for row in faults.cells.tolist()]
    table = {
        "id": ids_of(faults, subject),
        "kind": list(faults.kind),
        "qualifier": _qualifiers(faults, width, tolerance),
        "cells": involved,
        "area_m2": area,
        "width_m": width,
        "neighbours": _neighbours(subject, faults),
        "note": [""] * len(faults),
    }
    geometry = faults.geometry
    return gpd.GeoDataFrame(table, geometry=geometry, crs=subject.crs).astype(TYPES)


def _qualifiers(faults: Faults, width: Floats, tolerance: float) -> list[str]:
    """Return the qualifier of each fault, with a mark on those too narrow to be meant."""
    fine = resolution(shapely.get_coordinates(faults.geometry))
    thin = np.isin(faults.kind, ["gap", "overlap", "outside", "crosses-parent", "parent-gap"])
    return [
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
        "proof": Told(replace(proof, verdict=verdict).as_dict()),
        "notes": notes,
        "tolerance": tolerance,
    }
    return frame


class Told(dict[str, Any]):
    """What a frame tells of itself and no one changes: pandas copies ``attrs`` at every step."""

    def __deepcopy__(self, memo: object) -> Told:
        return self


def findings(defects: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the defects that make a coverage fail; the others are notes."""
    excused = defects["qualifier"].str.contains("accepted|recorded", regex=True)
    return defects[~defects["kind"].isin(NOTES) & ~excused]


def _neighbours(subject: Subject, faults: Faults) -> list[tuple[Any, ...]]:
    """Return the cells that touch each gap."""
    gap = np.flatnonzero(np.isin(faults.kind, ["gap", "excluded-gap", "parent-gap"]))
    if len(gap) == 0:
        return [()] * len(faults)
    distance = resolution(shapely.get_coordinates(subject.polygons))
    tree = shapely.STRtree(subject.polygons)
    row, cell = tree.query(faults.geometry[gap], predicate="dwithin", distance=distance)
    names = [subject.names[c] for c in cell[np.argsort(row, kind="stable")].tolist()]
    ends = np.cumsum(np.bincount(gap[row], minlength=len(faults))).tolist()
    return [tuple(names[a:b]) for a, b in pairwise([0, *ends])]


def ids_of(faults: Faults, subject: Subject) -> list[str]:
    """Return a name for each fault that stays the same when others come and go."""
    digits = 8 if subject.crs is not None and subject.crs.is_geographic else 3
    boxes = (np.round(shapely.bounds(faults.geometry), digits) + 0.0).tolist()
    names = [*map(str, subject.names)]
    involved = [sorted([names[c] for c in row if c >= 0]) for row in faults.cells.tolist()]
    kinds = ["gap" if kind == "excluded-gap" else kind for kind in faults.kind.tolist()]
    seen: Counter[str] = Counter()
    ids = []
    for name in map(_digest, kinds, involved, boxes):
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids


def _digest(kind: str, cells: Iterable[Any], place: object) -> str:
    text = "|".join([kind, *map(str, cells), str(place)])
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


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
    parts, _ = areal_parts(np.array([dissolved(sound)], dtype=object))
    if len(parts) == 0:
        raise InputError("`cells` have no area, so no outline can be derived. Hand in a boundary.")
    rings, part = shapely.get_rings(parts, return_index=True)
    inner = np.flatnonzero(part[1:] == part[:-1]) + 1
    if exclude is not None and len(inner):
        holes = geometries(shapely.polygons(rings[inner]))
        declared = inside(holes, polygons_of("exclude", exclude))
        inner = inner[declared]
    else:
        inner = inner[:0]
    shells = [
        shapely.Polygon(shell.exterior, list(rings[inner[part[inner] == k]]))
        for k, shell in enumerate(parts)
    ]
    return shells[0] if len(shells) == 1 else shapely.union_all(shells)


def inside(polygons: Geometries, areas: Geometries) -> Bools:
    """Tell which polygons lie in one of some areas, but for what doubles cannot tell.

    A needle that lies elsewhere, thin as it is, is left over whole.
    """
    if len(areas) == 0 or len(polygons) == 0:
        return np.zeros(len(polygons), dtype=bool)
    rest = shapely.difference(polygons, shapely.union_all(made_valid(areas)))
    faults = faults_of("", rest)
    fine = 4 * resolution(shapely.get_coordinates(polygons))
    mostly = 2 * shapely.area(rest) < shapely.area(polygons)
    return np.asarray(shapely.is_empty(rest) | (mostly & (faults.width < fine)))
