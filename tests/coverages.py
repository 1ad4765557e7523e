"""Random exact coverages, and where points lie in them by rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import Delaunay

Floats = npt.NDArray[np.float64]


def mosaic(seed: int, cells: int = 12, points: int = 40, *, side: int = 60) -> npt.NDArray[Any]:
    """Return cells of a random coverage: with holes, notches and cells in several parts.

    Triangles of points on a lattice are joined at random to cells, and a few are left out.
    """
    rng = np.random.default_rng(seed)
    xy = np.unique(rng.integers(0, side, (points, 2)), axis=0).astype(float)
    triangles = xy[Delaunay(xy).simplices]
    shapes = shapely.polygons(triangles)
    shapes = shapes[shapely.area(shapes) > 0]
    owner = rng.integers(-1, cells, len(shapes))
    whole = [shapely.coverage_union_all(shapes[owner == cell]) for cell in range(cells)]
    return np.array([shape for shape in whole if not shape.is_empty], dtype=object)


def moved(cells: npt.NDArray[Any], scale: float, east: float, north: float) -> npt.NDArray[Any]:
    """Return a coverage elsewhere; vertex by vertex, so that it stays one."""
    return np.asarray(shapely.transform(cells, lambda xy: xy * scale + (east, north)))


def frame(cells: npt.NDArray[Any], crs: Any = 4547) -> gpd.GeoDataFrame:
    """Return cells with codes in no order of space."""
    codes = [f"C{(7 * k) % 101:03d}{k:02d}" for k in range(len(cells))]
    return gpd.GeoDataFrame({"code": codes}, geometry=cells, crs=crs)


def awkward_points(cells: npt.NDArray[Any], seed: int, count: int) -> tuple[Floats, Floats]:
    """Return points on and beside vertices and edges, by one ulp to a tenth of the size."""
    rng = np.random.default_rng(seed)
    rings = shapely.get_rings(shapely.get_parts(cells))
    edges = np.concatenate(
        [np.hstack([c[:-1], c[1:]]) for c in (shapely.get_coordinates(r) for r in rings)]
    )
    edge = edges[rng.integers(0, len(edges), count)]
    along = rng.choice([0.0, 0.25, 0.5, 1.0, np.nan], count)
    along = np.where(np.isnan(along), rng.random(count), along)[:, None]
    xy = edge[:, :2] + along * (edge[:, 2:] - edge[:, :2])
    size = np.ptp(edges, axis=0).max()
    step = rng.choice([0.0, 1e-12, 1e-9, 1e-3, 0.1], (count, 1)) * size
    xy += step * rng.integers(-1, 2, (count, 2))
    ulp = rng.integers(-1, 2, (count, 2))
    xy = np.where(ulp == 0, xy, np.nextafter(xy, np.where(ulp > 0, np.inf, -np.inf)))
    return xy[:, 0].copy(), xy[:, 1].copy()


class Exactly:
    """Where a point lies in a coverage, edge by edge in fractions: slow and plain."""

    def __init__(self, cells: npt.NDArray[Any], codes: list[str] | None = None) -> None:
        self._codes = codes or [f"{k:06d}" for k in range(len(cells))]
        self._edges: list[list[tuple[Fraction, ...]]] = []
        for cell in cells:
            rings = map(shapely.get_coordinates, shapely.get_rings(shapely.get_parts(cell)))
            self._edges.append(
                [
                    tuple(map(Fraction, (*a, *b)))
                    for ring in rings
                    for a, b in zip(ring[:-1].tolist(), ring[1:].tolist(), strict=True)
                ]
            )

    def __call__(self, x: float, y: float) -> tuple[int, str]:
        """Return the cell (0 for none) and the status."""
        px, py = Fraction(x), Fraction(y)
        inside, touching, lines = 0, [], []
        for number, edges in enumerate(self._edges, start=1):
            if sum(_passes_west(edge, px, py) for edge in edges) % 2:
                inside = number
            on = [edge for edge in edges if _is_on(edge, px, py)]
            if on:
                touching.append(number)
            lines += [frozenset([edge[:2], edge[2:]]) for edge in on]
        rim = any(lines.count(line) == 1 for line in lines)
        if not touching:
            return inside, "inside" if inside else "outside"
        lowest = min(touching, key=lambda k: self._codes[k - 1])
        return inside or lowest, "rim" if rim else "boundary"


def _passes_west(edge: tuple[Fraction, ...], px: Fraction, py: Fraction) -> bool:
    """Tell whether an edge crosses the line west of (px + δ, py + δ²)."""
    ax, ay, bx, by = edge
    if (ay <= py) == (by <= py):
        return False
    return ax + (py - ay) * (bx - ax) / (by - ay) <= px


def _is_on(edge: tuple[Fraction, ...], px: Fraction, py: Fraction) -> bool:
    ax, ay, bx, by = edge
    return (
        min(ay, by) <= py <= max(ay, by)
        and min(ax, bx) <= px <= max(ax, bx)
        and (bx - ax) * (py - ay) == (by - ay) * (px - ax)
    )
