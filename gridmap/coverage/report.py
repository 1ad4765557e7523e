"""A validation in words and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gridmap.coverage.defect_names import KINDS, name_of, qualified, square_metres
from gridmap.coverage.defect_table import findings
from gridmap.language import Lang, Message, joined, tr

if TYPE_CHECKING:
    import geopandas as gpd

SCHEMA = "gridmap.validate/1"
SHOWN = 10


def sentence(defects: gpd.GeoDataFrame, lang: Lang = "zh") -> str:
    """Say in one sentence whether the cells tile their boundary.

    Parameters
    ----------
    defects : GeoDataFrame
        What `validate` returned.
    lang : "zh" or "en", default "zh"

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.coverage.validate import validate
    >>> squares = gpd.GeoSeries(shapely.box([0, 6], 0, [5, 10], 5), crs=4547)
    >>> sentence(validate(squares, shapely.box(0, 0, 10, 5)), lang="en")
    '1 gap (5.0 m²)'
    """
    verdict = defects.attrs["verdict"]
    if verdict == "unprovable":
        return _unprovable(defects, lang)
    if verdict == "failed":
        return summary(defects, lang)
    return _praise(defects, verdict, lang)


def summary(defects: gpd.GeoDataFrame, lang: Lang = "zh") -> str:
    """Count the defects by kind, with their area."""
    return joined(counted(defects), lang)


def counted(defects: gpd.GeoDataFrame) -> list[Message]:
    """Count the defects by kind, with their area: a message each, to stand in others."""
    wrong = findings(defects)
    found = []
    for kind in wrong["kind"].unique():
        rows = wrong[wrong["kind"] == kind]
        places = int(rows.geometry.count_geometries().clip(lower=1).sum())
        facts = {"n": len(rows), "noun": KINDS[kind](n=len(rows)), "places": places}
        said = Message("{n:,} {noun}")
        if kind == "overlap" and places > len(rows):
            said = Message(
                "overlaps of {n:,} {n:pair|pairs} of cells in {places:,} {places:place|places}"
            )
            if (rows["cells"].map(len) > 2).any():
                said = Message(
                    "overlaps of {n:,} {n:group|groups} of cells in {places:,} "
                    "{places:place|places}"
                )
        said = said(**facts)
        if rows["area_m2"].notna().any():
            said = Message("{said} ({size})", said=said, size=square_metres(rows["area_m2"].sum()))
        found.append(said)
    if found:
        return found
    edges = defects.attrs["proof"]["leftover"]
    open_ = Message("{n:,} {n:edge does|edges do} not cancel", n=edges)
    return [open_ if edges else Message("not proved")]


def describe(defects: gpd.GeoDataFrame, lang: Lang = "zh", limit: int = SHOWN) -> str:
    """Return the sentence, the largest defects one a line, and the notes."""
    lines = [sentence(defects, lang)]
    wrong = findings(defects)
    lines += [defect_line(row, lang) for row in wrong.head(limit).itertuples()]
    if len(wrong) > limit:
        lines.append(tr("  ... and {more:,} more", lang=lang, more=len(wrong) - limit))
    aside = defects[~defects.index.isin(wrong.index)]
    for kind, rows in aside.groupby("kind", sort=False):
        noun = name_of(str(kind), lang, len(rows))
        text = tr("note: {rows:,} {noun}", lang=lang, rows=len(rows), noun=noun)
        if str(kind).startswith("crs-"):
            text = tr("note: {note}", lang=lang, note=rows["note"].iloc[0])
        lines.append(text)
    lines += [tr("note: {note}", lang=lang, note=note) for note in defects.attrs["notes"]]
    return "\n".join(lines)


def document(defects: gpd.GeoDataFrame) -> dict[str, Any]:
    """Return a validation as one JSON document (``gridmap.validate/1``).

    Its schema is `schemas/validate.schema.json` in this package.
    """
    counts = {str(kind): int(n) for kind, n in defects["kind"].value_counts(sort=False).items()}
    return {
        "schema": SCHEMA,
        "verdict": defects.attrs["verdict"],
        "sentence": {"zh": sentence(defects, "zh"), "en": sentence(defects, "en")},
        "counts": counts,
        "findings": len(findings(defects)),
        "notes": list(defects.attrs["notes"]),
        "defects": [_record(row) for row in defects.itertuples()],
        "proof": defects.attrs["proof"],
    }


def exportable(defects: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return defects as a layer for a file: lists of cells as text, nothing without a place."""
    frame = defects[~(defects.geometry.isna() | defects.geometry.is_empty)].copy()
    for column in ("cells", "neighbours"):
        frame[column] = [";".join(map(str, names)) for names in frame[column]]
    frame.attrs = {}
    return frame


def _praise(defects: gpd.GeoDataFrame, verdict: str, lang: Lang) -> str:
    cells, parents = defects.attrs["cells"], defects.attrs["parents"]
    where = Message("the boundary")
    if parents:
        where = Message("{n:,} {n:jurisdiction|jurisdictions}", n=parents)
    facts = {"cells": cells, "where": where, "found": counted(defects)}
    if verdict == "within_tolerance":
        said = Message(
            "within a tolerance of {width:g} m: {cells:,} {cells:cell tiles|cells tile} {where}, "
            "but for {found}"
        )
        return said(width=defects.attrs["tolerance"], **facts).text(lang)
    said = Message("no gaps, no overlaps: {cells:,} {cells:cell tiles|cells tile} {where} exactly")
    if verdict == "exact_with_t_junctions":
        count = int((defects["kind"] == "t-junction").sum())
        facts["junctions"] = KINDS["t-junction"](n=count)
        said = Message(
            "no gaps, no overlaps: {cells:,} {cells:cell tiles|cells tile} {where} exactly "
            "({n:,} {junctions})",
            n=count,
        )
    return said(**facts).text(lang)


def _unprovable(defects: gpd.GeoDataFrame, lang: Lang) -> str:
    crs = defects[defects["kind"].isin(["crs-missing", "crs-mismatch"])]
    if len(crs):
        return tr("cannot be proved: {note}", lang=lang, note=crs["note"].iloc[0])
    return tr("cannot be proved: there is no boundary (--boundary FILE, or outline)", lang=lang)


def defect_line(row: Any, lang: Lang) -> str:
    """Return one defect in one line: id, kind, size, cells and place."""
    parts = [name_of(row.kind, lang)]
    if row.qualifier:
        parts.append(f"[{qualified(row.qualifier, lang)}]")
    if np.isfinite(row.area_m2):
        parts.append(square_metres(row.area_m2))
        width = f"{row.width_m:,.0f}" if row.width_m >= 1000 else f"{row.width_m:.3g}"
        parts.append(tr("{width} m wide", lang=lang, width=width))
    names = row.cells or row.neighbours
    if names:
        word = Message("{n:cell|cells} {listed}") if row.cells else Message("beside {listed}")
        listed = Message("{listed} ..." if len(names) > 6 else "{listed}", listed=list(names[:6]))
        parts.append(word(n=len(names), listed=listed).text(lang))
    if row.note:
        parts.append(row.note)
    if row.geometry is not None and not row.geometry.is_empty:
        x, y = row.geometry.bounds[:2]
        parts.append(f"@ {x:.6g} {y:.7g}" if abs(x) <= 360 else f"@ {x:.1f} {y:.1f}")
    return f"  {row.id}  " + " ".join(parts)


def _record(row: Any) -> dict[str, Any]:
    shape = row.geometry
    empty = shape is None or shape.is_empty
    return {
        "id": row.id,
        "kind": row.kind,
        "qualifier": row.qualifier,
        "cells": [str(c) for c in row.cells],
        "area_m2": _number(row.area_m2),
        "width_m": _number(row.width_m),
        "neighbours": [str(c) for c in row.neighbours],
        "note": row.note,
        "bbox": None if empty else [float(v) for v in shape.bounds],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
