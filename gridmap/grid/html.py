"""A small drawing of cells beside the facts about them, for Jupyter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import geopandas as gpd
import shapely
from markupsafe import Markup

from gridmap._arrays import geometries
from gridmap.html import part

TEMPLATE = "grid_card.html"
FILLS = {"residential": "#dfe7ec", "dedicated": "#f3e3c3", "vacant": "#f7f7f5"}


def card(
    cells: gpd.GeoDataFrame,
    fills: Sequence[str],
    facts: Mapping[str, str],
    legend: Mapping[str, str] | None = None,
) -> str:
    """Return HTML of cells in their colours beside facts; `legend` colours facts by name."""
    legend = legend or {}
    rows = [(key, value, legend.get(key)) for key, value in facts.items()]
    return str(part(TEMPLATE, "card", thumbnail(cells, fills), rows))


def thumbnail(
    cells: gpd.GeoDataFrame,
    fills: Sequence[str],
    side: int = 260,
    marks: Mapping[str, str] | None = None,
) -> Markup:
    """Return an SVG of a coverage, at most `side` pixels wide and high; `marks` number cells."""
    x0, y0, x1, y1 = cells.total_bounds
    scale = side / max(x1 - x0, y1 - y0)
    shapes = shapely.coverage_simplify(cells.geometry.to_numpy(), 0.7 / scale)
    paths = [_path(shape, x0, y1, scale) for shape in shapes]
    drawn = list(zip(paths, fills, strict=True))
    inside = shapely.point_on_surface(geometries(cells.geometry.reindex(list(marks or {}))))
    dots = [
        ((point.x - x0) * scale, (y1 - point.y) * scale, text)
        for point, text in zip(inside, (marks or {}).values(), strict=True)
    ]
    return part(TEMPLATE, "thumbnail", drawn, (x1 - x0) * scale, (y1 - y0) * scale, dots)


def _path(shape: shapely.Geometry, x0: float, y1: float, scale: float) -> str:
    lines = [
        (shapely.get_coordinates(ring) - (x0, y1)) * (scale, -scale)
        for ring in shapely.get_rings(shape)
    ]
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) + "Z" for line in lines)
