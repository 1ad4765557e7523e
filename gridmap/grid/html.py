"""A small drawing of cells beside the facts about them, for Jupyter."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import geopandas as gpd
import shapely

FILLS = {"residential": "#dfe7ec", "dedicated": "#f3e3c3", "vacant": "#f7f7f5"}


def card(
    cells: gpd.GeoDataFrame,
    fills: Sequence[str],
    facts: Mapping[str, str],
    legend: Mapping[str, str] | None = None,
) -> str:
    """Return HTML of cells in their colours beside facts; `legend` colours facts by name."""
    legend = legend or {}
    rows = "".join(
        f"<tr><th style='text-align:left'>{_swatch(legend.get(key))}{html.escape(key)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for key, value in facts.items()
    )
    return (
        "<div style='display:flex;gap:24px;align-items:center'>"
        f"{thumbnail(cells, fills)}<table>{rows}</table></div>"
    )


def thumbnail(cells: gpd.GeoDataFrame, fills: Sequence[str], side: int = 260) -> str:
    """Return an SVG of a coverage, at most `side` pixels wide and high."""
    x0, y0, x1, y1 = cells.total_bounds
    scale = side / max(x1 - x0, y1 - y0)
    shapes = shapely.coverage_simplify(cells.geometry.to_numpy(), 0.7 / scale)
    paths = "".join(
        f"<path d='{_path(shape, x0, y1, scale)}' fill='{fill}'/>"
        for shape, fill in zip(shapes, fills, strict=True)
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


def _swatch(fill: str | None) -> str:
    """Return a small square in a colour of the drawing."""
    if fill is None:
        return ""
    return (
        f"<span style='display:inline-block;width:.8em;height:.8em;margin-right:.5em;"
        f"border:1px solid #607d8b;background:{fill}'></span>"
    )
