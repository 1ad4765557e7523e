"""A small drawing of the cells, for Jupyter."""

from __future__ import annotations

import geopandas as gpd
import shapely

FILLS = {"residential": "#dfe7ec", "dedicated": "#f3e3c3"}


def thumbnail(cells: gpd.GeoDataFrame, side: int = 260) -> str:
    """Return an SVG of the cells, at most `side` pixels wide and high, coloured by kind."""
    x0, y0, x1, y1 = cells.total_bounds
    scale = side / max(x1 - x0, y1 - y0)
    shapes = shapely.coverage_simplify(cells.geometry.to_numpy(), 0.7 / scale)
    paths = "".join(
        f"<path d='{_path(shape, x0, y1, scale)}' fill='{FILLS[kind]}'/>"
        for shape, kind in zip(shapes, cells["kind"], strict=True)
    )
    width, height = (x1 - x0) * scale, (y1 - y0) * scale
    return (
        f"<svg width='{width:.0f}' height='{height:.0f}' role='img' aria-label='the cells' "
        f"viewBox='-1 -1 {width + 2:.1f} {height + 2:.1f}' stroke='#607d8b' stroke-width='.4'>"
        f"{paths}</svg>"
    )


def _path(shape: shapely.Geometry, x0: float, y1: float, scale: float) -> str:
    lines = [
        (shapely.get_coordinates(ring) - (x0, y1)) * (scale, -scale)
        for ring in shapely.get_rings(shape)
    ]
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) + "Z" for line in lines)
