"""Named areas: dedicated ones (school, market, park) and compounds that stay in one piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gridmap.partition.units.noding import Geometries
from gridmap.partition.units.reading import Note, check_frame, check_polygons, moved, valid_polygons

if TYPE_CHECKING:
    import geopandas as gpd

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
    values = frame[column] if column else [""] * len(frame)
    names = ["" if value is None or value != value else str(value) for value in values]
    return Areas(valid_polygons(geometry)[0], names, notes)
