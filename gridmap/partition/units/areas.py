"""Named areas: dedicated ones (school, market, park) and compounds that stay in one piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from gridmap.units.inputs import Note, check_frame, check_polygons, moved, note, valid_polygons
from gridmap.units.noding import Geometries

if TYPE_CHECKING:
    import geopandas as gpd

SLIVER = 1.0
"""Square metres up to which an overlap of two areas is not worth a word."""
NAMES = ("name", "名称", "use", "用途")
"""Columns that may name an area, in this order."""


@dataclass(frozen=True)
class Areas:
    """Named polygons in the metric CRS.

    Attributes
    ----------
    polygons : ndarray of Polygon or MultiPolygon
        Valid.
    names : list of str
        What each is called; "" where nothing tells.
    notes : list
        What the planner should know.
    """

    polygons: Geometries
    names: list[str]
    notes: list[Note]


def read_areas(name: str, frame: gpd.GeoDataFrame | None, crs: Any) -> Areas:
    """Bring named polygons into the metric CRS.

    Raises
    ------
    InputError
        When a geometry is missing or no polygon.
    """
    if frame is None or (hasattr(frame, "geometry") and len(frame) == 0):
        return Areas(np.empty(0, dtype=object), [], [])
    check_frame(name, frame)
    geometry, notes = moved(name, frame, crs)
    check_polygons(name, geometry, list(frame.index))
    column = next((c for c in NAMES if c in frame.columns), None)
    polygons = valid_polygons(geometry)[0]
    values = frame[column] if column else [""] * len(frame)
    names = ["" if value is None or value != value else str(value) for value in values]
    return Areas(polygons, names, [*notes, *_about_overlaps(name, polygons, names)])


def _about_overlaps(name: str, polygons: Geometries, names: list[str]) -> list[Note]:
    """Say which areas overlap; the first of them has the common ground."""
    a, b = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    a, b = a[a < b], b[a < b]
    deep = shapely.area(shapely.intersection(polygons[a], polygons[b])) > SLIVER
    if not deep.any():
        return []
    first, second = int(a[deep][0]), int(b[deep][0])
    called = f"{names[first] or first}, {names[second] or second}"
    return [
        note(
            f"Areas of `{name}` that overlap: {int(deep.sum()):,} pairs (first: {called}); common "
            f"ground belongs to the one that comes first.",
            f"`{name}` 有 {int(deep.sum()):,} 对区域相互重叠（如 {called}），重叠部分归在前者。",
        )
    ]
