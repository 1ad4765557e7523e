"""Defects as marks on a map: their shape, and a ring where that is too small to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap.maps.payload import payload, web_mercator
from gridmap.maps.words import Lang, pick

if TYPE_CHECKING:
    import geopandas as gpd

KINDS = {
    "gap": ("空白", "#c2185b"),
    "overlap": ("重叠", "#6a1b9a"),
    "outside": ("越界", "#e65100"),
    "t-junction": ("未对齐顶点", "#1565c0"),
    "crosses-parent": ("跨辖区", "#00695c"),
    "parent-gap": ("辖区空白", "#ad1457"),
    "excluded-gap": ("声明排除处", "#546e7a"),
    "ring-invalid": ("图形无效", "#bf360c"),
    "geom-empty": ("空图形", "#bf360c"),
    "multipart": ("多部件", "#4e342e"),
    "duplicate-vertex": ("重复顶点", "#455a64"),
    "code-duplicate": ("编码重复", "#283593"),
    "code-missing": ("编码缺失", "#283593"),
    "parent-unknown": ("辖区不明", "#283593"),
    "households-out-of-range": ("户数超限", "#8d6e00"),
}


def defect_marks(defects: gpd.GeoDataFrame, crs: Any, lang: Lang) -> dict[str, Any]:
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
    return {
        "kinds": [
            {"label": kind_label(kind, lang), "color": color_of(kind), "count": int(counts[kind])}
            for kind in kinds
        ],
        "of": kinds.get_indexer(placed["kind"]).tolist(),
        "xy": np.round(xy, 1).tolist(),
        "geometry": payload(polygons, quantum=0.01 if len(polygons) < 500 else 0.25),
    }


def kind_label(kind: str, lang: Lang) -> str:
    """Name a kind of defect."""
    return pick(lang, KINDS.get(kind, (kind, ""))[0], kind)


def color_of(kind: str) -> str:
    """Return the colour of a kind of defect."""
    return KINDS.get(kind, ("", "#bf360c"))[1]
