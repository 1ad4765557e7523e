"""Repairs on a lattice that slants, in any CRS, held against the law by rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import shapely

import gridmap as gm
from gridmap._arrays import Floats
from tests import repairs

HOMES = {
    4547: (1.0, 500_000.0, 4_000_000.0),
    4490: (2.0**-17, 114.0, 36.0),
    2232: (4.0, 3_140_000.0, 1_690_000.0),
    4526: (2.0, 38_461_844.0, 3_900_000.0),
    3857: (8.0, 12_690_000.0, 4_300_000.0),
}
"""Unit and origin of the lattice; all its corners are doubles once it is turned by 3 : 4."""


@pytest.mark.parametrize("crs", HOMES)
def test_what_lay_in_one_cell_stays_there(crs: int):
    size, east, north = HOMES[crs]

    def turned(xy: Floats) -> Floats:
        x, y = xy.T
        return np.column_stack([(3 * x - 4 * y) * size + east, (4 * x + 3 * y) * size + north])

    for seed in range(12):
        case, squares, inside = repairs.lattice_case(seed + crs)
        cells = case.cells.set_crs(crs, allow_override=True)
        cells = cells.set_geometry(shapely.transform(cells.geometry.to_numpy(), turned), crs=crs)
        mended, _ = gm.repair(cells, shapely.transform(case.boundary, turned))
        held = [
            [[_back(point, size, east, north) for point in ring] for ring in rings]
            for rings in map(repairs.exact_rings, mended.geometry)
        ]
        for x, y in sorted(inside):
            spot = Fraction(4 * x + 1, 4), Fraction(4 * y + 2, 4)
            mine = [k for k, own in enumerate(squares) if (x, y) in own]
            of = [mended.index[k] for k, rings in enumerate(held) if repairs.parity(spot, rings)]
            assert len(of) == 1 and (len(mine) != 1 or of == mine), (seed, x, y)
        total = sum((repairs.doubled(ring) for rings in held for ring in rings), Fraction(0))
        assert abs(float(total) / 2 - len(inside)) < 1e-6 * len(inside)


def _back(
    point: tuple[Fraction, Fraction], size: float, east: float, north: float
) -> tuple[Fraction, Fraction]:
    """Return where a point lies on the lattice, without rounding."""
    x, y = (
        (p - Fraction(home)) / Fraction(size) / 25
        for p, home in zip(point, (east, north), strict=True)
    )
    return 3 * x + 4 * y, 3 * y - 4 * x
