"""A drawing of one cell among its neighbours, as SVG."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely

from gridmap.briefings.bounds import Bound
from gridmap.language import Lang, pick

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

WIDTH, HEIGHT = 520, 460
MARGIN = 0.34  # of the cell's size, around it
FONT = "Noto Sans CJK SC,Microsoft YaHei,PingFang SC,sans-serif"


class Frame:
    """How coordinates become pixels."""

    def __init__(self, shape: shapely.Geometry) -> None:
        west, south, east, north = shape.bounds
        wide, high = (east - west) * (1 + 2 * MARGIN), (north - south) * (1 + 2 * MARGIN)
        self.scale = min(WIDTH / wide, HEIGHT / high)
        self.x0 = (west + east) / 2 - WIDTH / self.scale / 2
        self.y1 = (south + north) / 2 + HEIGHT / self.scale / 2

    @property
    def box(self) -> shapely.Geometry:
        """The ground that is drawn."""
        return shapely.box(
            self.x0, self.y1 - HEIGHT / self.scale, self.x0 + WIDTH / self.scale, self.y1
        )

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a place."""
        return (x - self.x0) * self.scale, (self.y1 - y) * self.scale

    def path(self, shape: shapely.Geometry) -> str:
        """Return the path of lines or polygons."""
        lines = shapely.get_parts(
            shapely.boundary(shape) if shape.geom_type.endswith("Polygon") else shape
        )
        return "".join(self._line(shapely.get_coordinates(line)) for line in lines)

    def _line(self, xy: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> str:
        return "M" + "L".join("{:.1f} {:.1f}".format(*self.at(x, y)) for x, y in xy)


def portrait(
    grid: Grid, code: str, bounds: list[Bound], barriers: gpd.GeoDataFrame | None, lang: Lang
) -> str:
    """Draw a cell, its neighbours, the barriers near it and the names of its bounds."""
    cells = grid.cells
    shape = cells.geometry[code]
    frame = Frame(shape)
    near = cells[cells.geometry.intersects(frame.box)]
    drawn = [
        f'<path d="{frame.path(other)}" fill="{"#e9eef1" if key != code else "#f6dcb2"}" '
        'stroke="#fff" stroke-width="1.5" fill-rule="evenodd"/>'
        for key, other in zip(near.index, near.geometry, strict=True)
    ]
    drawn += [] if barriers is None else _lines(barriers, frame)
    drawn.append(
        f'<path d="{frame.path(shape)}" fill="none" stroke="#8e1b1b" stroke-width="3" '
        'stroke-linejoin="round"/>'
    )
    taken = [(WIDTH - 170.0, HEIGHT - 34.0, float(WIDTH), float(HEIGHT))]  # the scale bar
    x, y = frame.at(*shapely.get_coordinates(shape.representative_point())[0])
    drawn += _text(str(cells.loc[code, "name"]), x, y, 15, "700", taken)
    for bound in bounds:
        if bound.name and bound.kind == "barrier":
            drawn += _text(bound.name, *_beside(bound, frame), 13, "600", taken)
    for key, other in zip(near.index, near.geometry, strict=True):
        inside = shapely.intersection(other, frame.box)
        if key != code and inside.area > 0.02 * frame.box.area:
            place = shapely.get_coordinates(inside.representative_point())[0]
            drawn += _text(str(near.loc[key, "name"]), *frame.at(*place), 11, "400", taken)
    drawn.append(_scale(grid, frame))
    label = html.escape(pick(lang, f"{code} 位置图", f"Map of {code}"))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        + "".join(drawn)
        + "</svg>"
    )


def _lines(barriers: gpd.GeoDataFrame, frame: Frame) -> list[str]:
    """Draw barriers: water blue, railways dashed, streets grey."""
    near = barriers[barriers.geometry.intersects(frame.box)]
    kinds = near["kind"].astype(str) if "kind" in near else [""] * len(near)
    looks = {
        "river": 'stroke="#5b9bc8" stroke-width="5"',
        "railway": 'stroke="#4a4a4a" stroke-width="2.5" stroke-dasharray="7 4"',
        "arterial": 'stroke="#b0a68f" stroke-width="4"',
    }
    plain = 'stroke="#c4bda9" stroke-width="2"'
    return [
        f'<path d="{frame.path(shapely.intersection(line, frame.box))}" fill="none" '
        f'stroke-linecap="round" {looks.get(kind, plain)}/>'
        for line, kind in zip(near.geometry, kinds, strict=True)
    ]


def _beside(bound: Bound, frame: Frame) -> tuple[float, float]:
    """Place a name a little outside its side."""
    x, y = frame.at(bound.x, bound.y)
    away = {"east": (34, 0), "west": (-34, 0), "north": (0, -16), "south": (0, 20)}
    dx, dy = away[bound.side]
    return min(max(x + dx, 40), WIDTH - 40), min(max(y + dy, 14), HEIGHT - 12)


def _text(
    text: str,
    x: float,
    y: float,
    size: int,
    weight: str,
    taken: list[tuple[float, float, float, float]],
) -> list[str]:
    """Write a name unless it would cover another."""
    half = sum(size if ord(sign) > 255 else size * 0.58 for sign in text) / 2 + 3
    x = min(max(x, half), WIDTH - half)
    box = (x - half, y - size * 0.8, x + half, y + size * 0.8)
    if any(a < box[2] and c > box[0] and b < box[3] and d > box[1] for a, b, c, d in taken):
        return []
    taken.append(box)
    return [
        f'<text x="{x:.1f}" y="{y + size * 0.36:.1f}" text-anchor="middle" font-size="{size}" '
        f'font-weight="{weight}" font-family="{FONT}" fill="#1b262c" stroke="#fff" '
        f'stroke-width="3.5" stroke-linejoin="round" paint-order="stroke">'
        f"{html.escape(text)}</text>"
    ]


def _scale(grid: Grid, frame: Frame) -> str:
    if not grid.crs.is_projected:
        return ""
    unit = grid.crs.axis_info[0].unit_conversion_factor
    most = WIDTH / frame.scale * unit / 4
    power = 10 ** np.floor(np.log10(most))
    length = max(k * power for k in (1, 2, 5) if k * power <= most)
    long = length / unit * frame.scale
    right, y = WIDTH - 14, HEIGHT - 14
    return (
        f'<path d="M{right - long:.1f} {y - 5}v5h{long:.1f}v-5" fill="none" stroke="#1b262c" '
        f'stroke-width="1.6"/><text x="{right - long / 2:.1f}" y="{y - 5}" text-anchor="middle" '
        f'font-size="11" font-family="{FONT}" fill="#1b262c" stroke="#fff" stroke-width="3" '
        f'paint-order="stroke">{length:g} m</text>'
    )
