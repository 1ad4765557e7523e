"""Defects as marks on a map: their shape, and a ring where that is too small to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap.coverage.defect_names import name_of
from gridmap.language import Lang, pick
from gridmap.maps.payload import web_mercator
from gridmap.maps.scene import Marks

if TYPE_CHECKING:
    import geopandas as gpd

COLORS = {
    "gap": "#c2185b",
    "overlap": "#6a1b9a",
    "outside": "#d84315",
    "t-junction": "#1565c0",
    "crosses-parent": "#00695c",
    "parent-gap": "#ad1457",
    "excluded-gap": "#546e7a",
    "multipart": "#4e342e",
    "households-out-of-range": "#8d6e00",
}
OTHER = "#283593"


def defect_marks(defects: gpd.GeoDataFrame, crs: Any, lang: Lang) -> Marks:
    """Return defects as the browser marks them: kinds with colours and counts, shapes, places."""
    crs = defects.crs if defects.crs is not None else crs
    placed = defects[~(defects.geometry.isna() | defects.geometry.is_empty)]
    shapes = web_mercator(placed.geometry.to_numpy(), crs)
    kinds = pd.Index(pd.unique(defects["kind"]))
    counts = defects["kind"].value_counts()
    middle = shapely.point_on_surface(shapes)
    box = shapely.bounds(shapes)
    size = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]) if len(shapes) else box[:, 0]
    polygons = np.where(np.isin(shapely.get_type_id(shapes), (3, 6)), shapes, shapely.Polygon())
    xy = np.column_stack([shapely.get_x(middle), shapely.get_y(middle), size])
    return Marks(
        shapes=polygons,
        xy=np.round(xy, 1).tolist(),
        of=kinds.get_indexer(placed["kind"]).tolist(),
        kinds=[
            {
                "label": name_of(kind, lang, int(counts[kind])),
                "color": COLORS.get(kind, OTHER),
                "count": int(counts[kind]),
            }
            for kind in kinds
        ],
        texts=[_text(row, lang) for row in placed.itertuples()],
    )


def _text(row: Any, lang: Lang) -> str:
    """Tell one defect: its kind, size and cells."""
    facts = [name_of(str(row.kind), lang)]
    for value, unit in ((getattr(row, "area_m2", np.nan), "m²"), (row_width(row), "m")):
        if pd.notna(value) and value > 0:
            facts.append(f"{value:,.3g} {unit}" if value < 1 else f"{value:,.1f} {unit}")
    cells = getattr(row, "cells", ())
    if isinstance(cells, str):
        cells = [cells] if cells else []
    listed = pick(lang, "、", ", ").join(map(str, list(cells)[:3]))
    return " · ".join([*facts, listed] if listed else facts)


def row_width(row: Any) -> float:
    """Return the width of a defect, NaN where it has none."""
    width = getattr(row, "width_m", np.nan)
    return float(width) if pd.notna(width) else float("nan")
