"""How well units fit their jurisdictions: the proof that they tile, and how far outlines moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from gridmap.coverage.prove import prove
from gridmap.errors import CoverageError
from gridmap.units.noding import Floats, Geometries, Ints


def tiled_outlines(polygons: Geometries, owner: Ints, n: int) -> Geometries:
    """Return the union of the polygons of each of `n` owners; empty where there are none."""
    order = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[order], np.arange(n + 1))
    unions = [
        shapely.coverage_union_all(polygons[order[starts[k] : starts[k + 1]]]) for k in range(n)
    ]
    return np.array(unions, dtype=object)


def check_tiling(polygons: Geometries, owner: Ints, codes: Sequence[str]) -> Geometries:
    """Prove that polygons tile each owner exactly, and return the outlines that they tile.

    Raises
    ------
    CoverageError
        When they do not, which would be an error of ours: nothing is handed on unproved.
    """
    tiled = tiled_outlines(polygons, owner, len(codes))
    used = np.unique(owner)
    import geopandas as gpd

    parents = gpd.GeoSeries(tiled[used], index=[codes[k] for k in used.tolist()])
    boundary = shapely.coverage_union_all(tiled[used])
    proof = prove(polygons, boundary, parents, [codes[k] for k in owner.tolist()])
    if proof.verdict != "exact":
        wrong = [parent.parent for parent in proof.parents if parent.verdict != "exact"]
        raise CoverageError(
            f"The units do not tile {', '.join(wrong[:3]) or 'the boundary'} exactly "
            f"({proof.leftover} edges are left over). Please report this with the input."
        )
    return tiled


def outline_shifts(given: Geometries, tiled: Geometries) -> Floats:
    """Return how far apart each given outline and the tiled one lie at most, in metres.

    Both ways: from every vertex of one to the nearest point of the other.
    """
    shifts = np.zeros(len(given))
    for one, other in ((given, tiled), (tiled, given)):
        lines = shapely.boundary(other)
        shapely.prepare(lines)
        xy, row = shapely.get_coordinates(shapely.boundary(one), return_index=True)
        apart = shapely.distance(shapely.points(xy), lines[row])
        np.maximum.at(shifts, row, np.nan_to_num(apart))
    return shifts


def difference_shares(given: Geometries, tiled: Geometries) -> Floats:
    """Return the area in one outline but not the other, as a share of the given area."""
    apart = shapely.area(shapely.symmetric_difference(given, tiled, grid_size=2.0**-10))
    return np.asarray(apart / np.maximum(shapely.area(given), 1e-9), dtype=np.float64)


def as_plain(value: Any) -> Any:
    """Return a label as what JSON knows."""
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (int, float, str)) else str(value)
