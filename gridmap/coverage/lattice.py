"""Local coordinates of a patch, in which new nodes can be written without loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.edges import Geometries
from gridmap.coverage.patches import shift


@dataclass(frozen=True)
class Frame:
    """Local coordinates in which the doubles of the input are one square lattice.

    New nodes are rounded to the lattice, so that they can be written in the coordinates of the
    input, and old ones stay bit for bit. All numbers are powers of two or multiples of them.
    """

    origin: NDArray[np.float64]
    stretch: float
    lattice: float

    def to(self, geometries: Geometries) -> Geometries:
        """Return geometries in the frame."""
        near = shift(geometries, np.tile(-self.origin, (len(geometries), 1)))
        return _scaled(near, self.stretch)

    def back(self, geometries: Geometries) -> Geometries:
        """Return geometries in the coordinates of the input."""
        near = _scaled(geometries, 1 / self.stretch)
        return shift(near, np.tile(self.origin, (len(near), 1)))


def frame_of(cells: Geometries, faces: Geometries, origin: NDArray[np.float64]) -> Frame:
    """Return the frame of a patch: its lattice is the spacing of the doubles on either axis."""
    xy = np.abs(shapely.get_coordinates(np.concatenate([cells, faces])))
    extent = float(np.abs(shapely.get_coordinates(faces) - origin).max(initial=1e-9))
    smallest = [float(axis[axis > 0].min(initial=np.inf)) for axis in xy.T]
    finest = 2.0 ** (np.ceil(np.log2(extent)) - 50)
    step_x, step_y = (
        max(2.0 ** np.floor(np.log2(np.spacing(min(value, 1e300)))), finest) for value in smallest
    )
    return Frame(origin, float(step_y / step_x), float(step_y))


def _scaled(geometries: Geometries, stretch: float) -> Geometries:
    """Return geometries with eastings scaled."""
    if stretch == 1.0:
        return geometries
    out = geometries.copy()
    xy = shapely.get_coordinates(out) * np.array([stretch, 1.0])
    return np.asarray(shapely.set_coordinates(out, xy), dtype=object)
