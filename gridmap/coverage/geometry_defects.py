"""Defects of geometry in arrays, with area and width as exact as they must be."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.edges import Geometries, Index, directed_edges

THIN = 1e-6
"""Share of the squared perimeter below which an area is computed in fractions."""


@dataclass(frozen=True)
class Faults:
    """Defects of geometry, one row each, in units of the coordinates.

    Attributes
    ----------
    kind, qualifier : ndarray of str
    cells : ndarray of int, shape (n, 2)
        The cells that overlap or stick out, -1 where there is none.
    geometry : ndarray of geometries
    area, width : ndarray of float
        Width is 2 · area / perimeter, which is the width of something long.
    """

    kind: NDArray[np.object_]
    qualifier: NDArray[np.object_]
    cells: Index
    geometry: Geometries
    area: NDArray[np.float64]
    width: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: NDArray[np.bool_] | Index) -> Faults:
        """Return some of the rows."""
        return Faults(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def faults_of(
    kind: str, geometry: Geometries, cells: Index | None = None, qualifier: str = ""
) -> Faults:
    """Return one fault a geometry."""
    count = len(geometry)
    area = precise_areas(geometry)
    perimeter = shapely.length(geometry)
    width = np.divide(2 * area, perimeter, out=np.zeros(count), where=perimeter > 0)
    cells = np.full((count, 2), -1) if cells is None else cells.reshape(count, 2)
    return Faults(
        np.full(count, kind, dtype=object),
        np.full(count, qualifier, dtype=object),
        cells.astype(np.int64),
        geometry,
        area,
        width,
    )


def joined(faults: list[Faults]) -> Faults:
    """Return all rows of several tables."""
    if not faults:
        return faults_of("gap", np.empty(0, dtype=object))
    names = Faults.__dataclass_fields__
    return Faults(*(np.concatenate([getattr(f, name) for f in faults]) for name in names))


def resolution(*bounds: NDArray[np.float64]) -> float:
    """Return the width below which doubles of this size cannot tell a shape from a line."""
    finite = [np.abs(b[np.isfinite(b)]).max(initial=0.0) for b in bounds]
    return 4.0 * float(np.spacing(max(finite)))


def precise_areas(polygons: Geometries) -> NDArray[np.float64]:
    """Return areas, those of very thin polygons in rational arithmetic, where doubles cancel."""
    area, perimeter = shapely.area(polygons), shapely.length(polygons)
    for k in np.flatnonzero((area > 0) & (area < THIN * perimeter**2)):
        edges, _ = directed_edges(polygons[k : k + 1])
        area[k] = float(sum(cross(edge) for edge in edges.tolist()) / 2)
    return np.asarray(area, dtype=np.float64)


def cross(edge: list[float]) -> Fraction:
    a, b, c, d = map(Fraction, edge)
    return a * d - c * b
