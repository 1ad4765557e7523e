"""A small drawing of the cells, for Jupyter."""

from __future__ import annotations

import geopandas as gpd
import shapely


def thumbnail(cells: gpd.GeoDataFrame, side: int = 260) -> str:
    """Return a small SVG of the cells, coloured by kind."""
    x0, y0, x1, y1 = cells.total_bounds
    scale = side / max(x1 - x0, y1 - y0, 1e-9)
    tolerance = 0.7 / scale
    shapes = shapely.coverage_simplify(cells.geometry.to_numpy(), tolerance)
    paths = []
    for shape, kind in zip(shapes, cells["kind"], strict=True):
        rings = shapely.get_rings(shape)
        points = (
            np.round((shapely.get_coordinates(r) - (x0, y1)) * (scale, -scale), 1) for r in rings
        )
        path = "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in p) + "Z" for p in points)
        fill = "#dfe7ec" if kind == "residential" else "#f3e3c3"
        paths.append(f"<path d='{path}' fill='{fill}' stroke='#607d8b' stroke-width='.4'/>")
    width, height = (x1 - x0) * scale, (y1 - y0) * scale
    return (
        f"<svg width='{width:.0f}' height='{height:.0f}' viewBox='-1 -1 {width + 2:.1f} "
        f"{height + 2:.1f}' role='img' aria-label='the cells'>{''.join(paths)}</svg>"
    )
