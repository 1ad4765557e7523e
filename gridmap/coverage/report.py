"""A validation in words and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gridmap.coverage.defect_names import Lang, name_of, pick, qualified, square_metres
from gridmap.coverage.defect_table import findings

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
    wrong = findings(defects)
    texts = []
    for kind in wrong["kind"].unique():
        rows = wrong[wrong["kind"] == kind]
        area = rows["area_m2"].sum()
        size = f" ({square_metres(area)})" if rows["area_m2"].notna().any() else ""
        count = len(rows)
        noun = name_of(kind, lang, count)
        zh_size = size.replace(" (", "（").replace(")", "）")
        texts.append(pick(lang, f"{count:,} 处{noun}{zh_size}", f"{count:,} {noun}{size}"))
    if not texts:
        edges = defects.attrs["proof"]["leftover"]
        if edges == 0:
            return pick(lang, "未能证明", "not proved")
        return pick(lang, f"{edges:,} 条边未能抵消", f"{edges:,} edges do not cancel")
    return pick(lang, "、", ", ").join(texts)


def describe(defects: gpd.GeoDataFrame, lang: Lang = "zh", limit: int = SHOWN) -> str:
    """Return the sentence, the largest defects one a line, and the notes."""
    lines = [sentence(defects, lang)]
    wrong = findings(defects)
    lines += [defect_line(row, lang) for row in wrong.head(limit).itertuples()]
    if len(wrong) > limit:
        more = len(wrong) - limit
        lines.append(pick(lang, f"  …另有 {more:,} 处", f"  ... and {more:,} more"))
    aside = defects[~defects.index.isin(wrong.index)]
    for kind, rows in aside.groupby("kind", sort=False):
        noun = name_of(str(kind), lang, len(rows))
        text = pick(lang, f"附注：{len(rows):,} 处{noun}", f"note: {len(rows):,} {noun}")
        if str(kind).startswith("crs-"):
            text = pick(lang, "附注：", "note: ") + rows["note"].iloc[0]
        lines.append(text)
    lines += [pick(lang, f"附注：{note}", f"note: {note}") for note in defects.attrs["notes"]]
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
    zh_where = f"{parents:,} 个社区" if parents else "边界"
    en_where = (
        f"{parents:,} communities" if parents > 1 else "1 community" if parents else "the boundary"
    )
    noun = "cell tiles" if cells == 1 else "cells tile"
    if verdict == "within_tolerance":
        width = defects.attrs["tolerance"]
        return pick(
            lang,
            f"在 {width:g} 米容差内：{cells:,} 个网格铺满{zh_where}，{summary(defects, lang)}",
            f"within a tolerance of {width:g} m: {cells:,} {noun} {en_where}, "
            f"but for {summary(defects, lang)}",
        )
    zh = f"无空白、无交叉：{cells:,} 个网格恰好铺满 {zh_where}".replace(" 边界", "边界")
    en = f"no gaps, no overlaps: {cells:,} {noun} {en_where} exactly"
    if verdict == "exact_with_t_junctions":
        count = int((defects["kind"] == "t-junction").sum())
        zh += f"（{count:,} 处顶点未对齐）"
        en += f" ({count:,} {name_of('t-junction', 'en', count)})"
    return pick(lang, zh, en)


def _unprovable(defects: gpd.GeoDataFrame, lang: Lang) -> str:
    crs = defects[defects["kind"].isin(["crs-missing", "crs-mismatch"])]
    if len(crs):
        return pick(lang, "无法证明：", "cannot be proved: ") + str(crs["note"].iloc[0])
    return pick(
        lang,
        "无法证明：没有边界（--boundary 文件，或 outline）",
        "cannot be proved: there is no boundary (--boundary FILE, or outline)",
    )


def defect_line(row: Any, lang: Lang) -> str:
    """Return one defect in one line: id, kind, size, cells and place."""
    parts = [name_of(row.kind, lang)]
    if row.qualifier:
        parts.append(f"[{qualified(row.qualifier, lang)}]")
    if np.isfinite(row.area_m2):
        parts.append(square_metres(row.area_m2))
        width = f"{row.width_m:,.0f}" if row.width_m >= 1000 else f"{row.width_m:.3g}"
        parts.append(pick(lang, f"宽 {width} 米", f"{width} m wide"))
    names = row.cells or row.neighbours
    if names:
        word = pick(lang, "网格", "cell" if len(names) == 1 else "cells")
        if not row.cells:
            word = pick(lang, "相邻", "beside")
        listed = pick(lang, "、", ", ").join(map(str, names[:6]))
        parts.append(f"{word} {listed}" + pick(lang, " 等", " ...") * (len(names) > 6))
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
