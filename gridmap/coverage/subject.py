"""What is validated: cells, their names, their parents, and the outline they should fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_choice, label
from gridmap.coverage.checks import Remark
from gridmap.coverage.defect_names import Lang, pick
from gridmap.coverage.edges import Geometries, Rings, rings_of
from gridmap.coverage.given import boundary_of, check_area, polygons_of
from gridmap.coverage.outline import outline_of
from gridmap.errors import InputError


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
        notes.append(pick(lang, "高程（Z）未使用", "heights (Z) were not used"))
    outline = _outline(cells, boundary, exclude, lang, notes)
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
            pick(
                lang,
                "边界由网格自身的外轮廓推得：外缘缺失的网格无法发现",
                "the boundary was derived from the cells' own outline: "
                "a cell missing at the rim leaves no trace",
            )
        )
        return outline_of(cells, exclude)
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
    if outline is not None:
        check_area(outline)
    return outline


def column_of(frame: Any, name: str, argument: str) -> pd.Series[Any]:
    """Return a column of the cells that an argument names."""
    if name not in getattr(frame, "columns", ()):
        has = ", ".join(map(str, getattr(frame, "columns", ()))) or "none"
        raise InputError(
            f"`{argument}` names the column {name!r}, which the cells lack; has {has}."
        )
    return cast("pd.Series[Any]", frame[name])


def crs_remarks(cells: Any, boundary: Any, parents: Any, lang: Lang) -> list[Remark]:
    """Find what is wrong or worth knowing about the coordinate systems."""
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
