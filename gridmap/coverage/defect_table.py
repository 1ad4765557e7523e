"""The frame of defects: one row each with a lasting id, the verdict in its `attrs`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gridmap.coverage.checks import Remark
from gridmap.coverage.defect_names import KINDS, NOTES
from gridmap.coverage.geometry_defects import Faults, resolution
from gridmap.coverage.measure import in_metres
from gridmap.coverage.prove import Proof, Verdict
from gridmap.coverage.subject import Subject

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
    accepted: set[str],
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
    names = np.array([*subject.names, None], dtype=object)
    involved = [tuple(names[[c for c in row if c >= 0]]) for row in faults.cells.tolist()]
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


def _qualifiers(faults: Faults, width: NDArray[np.float64], tolerance: float) -> list[str]:
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


def ids_of(faults: Faults, subject: Subject) -> list[str]:
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
