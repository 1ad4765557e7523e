"""Defects that stand in the table of cells: codes, parents, households, odd geometries."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely

from gridmap.coverage.defect_names import Lang, pick, reason_in
from gridmap.coverage.edges import Geometries, Index


class Remark(NamedTuple):
    """One defect of attributes or of a single geometry."""

    kind: str
    qualifier: str
    cells: tuple[int, ...]
    note: str
    geometry: shapely.Geometry | None


def geometry_remarks(polygons: Geometries, invalid: Index, lang: Lang) -> list[Remark]:
    """Find missing, empty, invalid, multi-part geometries and repeated vertices."""
    remarks = []
    for k in map(int, invalid):
        shape = polygons[k]
        if shape is None or shape.is_empty:
            text = pick(lang, "没有几何图形", "has no geometry")
            remarks.append(Remark("geom-empty", "", (k,), text, None))
        else:
            reason = shapely.is_valid_reason(shape)
            text = reason_in(lang, reason)
            remarks.append(Remark("ring-invalid", "", (k,), text, _place(reason, shape)))
    many = np.flatnonzero(shapely.get_num_geometries(polygons) > 1)
    for k in map(int, many):
        count = int(shapely.get_num_geometries(polygons[k]))
        text = pick(lang, f"分为 {count} 块", f"in {count} parts")
        remarks.append(Remark("multipart", "", (k,), text, polygons[k]))
    return remarks + _repeated_vertices(polygons, lang)


def _repeated_vertices(polygons: Geometries, lang: Lang) -> list[Remark]:
    xy, owner = shapely.get_coordinates(polygons, return_index=True)
    same = np.flatnonzero((xy[1:] == xy[:-1]).all(axis=1) & (owner[1:] == owner[:-1]))
    remarks = []
    for k in np.unique(owner[same]):
        at = same[owner[same] == k]
        text = pick(lang, f"{len(at)} 个重复顶点", f"{len(at)} repeated vertices")
        place = shapely.multipoints(xy[at])
        remarks.append(Remark("duplicate-vertex", "", (int(k),), text, place))
    return remarks


def code_remarks(codes: pd.Series[Any], polygons: Geometries, lang: Lang) -> list[Remark]:
    """Find codes that are missing or stand twice."""
    text = codes.astype("string").str.strip()
    blank = (text.isna() | (text == "")).to_numpy()
    missing = pick(lang, "没有编码", "has no code")
    remarks = [
        Remark("code-missing", "", (int(k),), missing, polygons[k]) for k in np.flatnonzero(blank)
    ]
    places = pd.Series(np.arange(len(text)))[~blank]
    for code, rows in places.groupby(text.to_numpy()[~blank], sort=True):
        if len(rows) > 1:
            note = pick(
                lang, f"编码 {code} 出现 {len(rows)} 次", f"code {code} stands {len(rows)} times"
            )
            cells = tuple(map(int, rows))
            shape = shapely.geometrycollections(list(polygons[list(cells)]))
            remarks.append(Remark("code-duplicate", "", cells, note, shape))
    return remarks


def parent_remarks(
    parent_of: list[Any], place: Index, polygons: Geometries, lang: Lang
) -> list[Remark]:
    """Find cells whose parent is none of the parents."""
    remarks = []
    for k in map(int, np.flatnonzero(place < 0)):
        name = "" if pd.isna(parent_of[k]) else str(parent_of[k])
        note = pick(lang, f"没有上级 {name!r}", f"there is no parent {name!r}")
        remarks.append(Remark("parent-unknown", "", (k,), note, polygons[k]))
    return remarks


def household_remarks(
    counts: pd.Series[Any],
    kinds: pd.Series[Any] | None,
    band: tuple[int, int] | None,
    recorded: np.ndarray[tuple[int], np.dtype[np.bool_]],
    polygons: Geometries,
    lang: Lang,
) -> list[Remark]:
    """Find counts that are none, and residential cells outside the band unless on record.

    A column without any count is none to judge; a dedicated cell may lack its count.
    """
    bare = counts.isna().to_numpy(dtype=bool)
    if band is None and bare.all():
        return []
    numbers = pd.to_numeric(counts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    held = np.ones(len(numbers), dtype=bool)
    if kinds is not None:
        held = (kinds.astype("string").fillna("residential") != "dedicated").to_numpy(dtype=bool)
    whole = np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers))
    low, high = (0, np.inf) if band is None else band
    inside = whole & (numbers >= low) & (numbers <= high)
    remarks = []
    for k in map(int, np.flatnonzero(np.where(held, ~inside, ~whole & ~bare))):
        homes = f"{numbers[k]:,.0f}"
        zh, en = f"{homes} 户，不在 {low}–{high} 之间", f"{homes} households, not {low}–{high}"
        if bare[k]:
            zh, en = "没有户数", "has no count"
        elif not whole[k]:
            given = repr(counts.iloc[k]) if np.isnan(numbers[k]) else f"{numbers[k]:.12g}"
            zh, en = f"户数 {given} 不是非负整数", f"{given} is no count"
        qualifier = "recorded" if recorded[k] and whole[k] else ""
        note = pick(lang, zh, en)
        remarks.append(Remark("households-out-of-range", qualifier, (k,), note, polygons[k]))
    return remarks


def _place(reason: str, shape: shapely.Geometry) -> shapely.Geometry:
    """Return the point that GEOS names in its reason, else the shape itself."""
    if "[" not in reason:
        return shape
    x, y = reason[reason.index("[") + 1 : reason.index("]")].split()[:2]
    point = shapely.Point(float(x), float(y))
    return point if np.isfinite([point.x, point.y]).all() else shape
