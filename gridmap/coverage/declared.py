"""Gaps told apart: holes, bays of the rim, missing cells, and those declared or accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import shapely

from gridmap.coverage.defect_table import ids_of
from gridmap.coverage.edges import Geometries, Index, directed_edges, residual
from gridmap.coverage.geometry_defects import Faults, faults_of, joined, resolution
from gridmap.coverage.outline import inside
from gridmap.coverage.overlay import MISSING_CELL
from gridmap.coverage.patches import areal_parts, made_valid
from gridmap.coverage.prove import Proof, Verdict
from gridmap.coverage.subject import Subject
from gridmap.coverage.t_junctions import split


def qualified(
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
        ids = ids_of(faults, subject)
        yes = np.array([k for k in areal if ids[k] in accepted], dtype=np.int64)
        kind, qualifier = faults.kind.copy(), faults.qualifier.copy()
        kind[yes], qualifier[yes] = "excluded-gap", "accepted"
        faults = replace(faults, kind=kind, qualifier=qualifier)
    return faults, faults.geometry[faults.kind == "excluded-gap"]


def _declare(faults: Faults, gaps: Index, exclude: Geometries) -> Faults:
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
