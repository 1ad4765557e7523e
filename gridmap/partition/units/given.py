"""Given units, such as census areas: their counts, and their polygons as an exact coverage."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from gridmap.errors import CoverageError, InputError
from gridmap.units.households import counts_of
from gridmap.units.inputs import Note, check_frame, check_polygons, moved, note, valid_polygons
from gridmap.units.jurisdictions import TOO_MUCH, defects
from gridmap.units.noding import Geometries, Ints
from gridmap.units.tiling import Mend, Tiling, overlap_shares, tile, tiles

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class Given:
    """Given units as an exact coverage of connected polygons.

    Attributes
    ----------
    polygons : ndarray of Polygon
        Parts of units.
    row : ndarray of int
        Row of the unit of each part.
    households : ndarray of int
        Those of the unit on its largest part, 0 on the others.
    labels : list
        What the caller's index calls each row.
    mends : list of Mend
        What was repaired.
    notes : list
        What the planner should know.
    """

    polygons: Geometries
    row: Ints
    households: Ints
    labels: list[Any]
    mends: list[Mend]
    notes: list[Note]


def read_units(units: gpd.GeoDataFrame, crs: Any, count: str | None, repair: bool) -> Given:
    """Check given units and make them an exact coverage of connected polygons."""
    check_frame("units", units)
    labels = list(units.index)
    counts, notes = counts_of("units", units, count, labels)
    geometry, said = moved("units", units, crs)
    check_polygons("units", geometry, labels)
    valid, _ = valid_polygons(geometry)
    if tiles(valid):
        polygons, row = shapely.get_parts(valid, return_index=True)
        mends: list[Mend] = []
    else:
        tiling = tile(valid)
        _refuse_overlaps(tiling, valid, labels, crs)
        polygons, row, mends = tiling.polygons, tiling.owner, tiling.mends
    slivers = [mend for mend in mends if mend.given_to >= 0]
    if slivers and not repair:
        raise CoverageError(
            f"`units` leave slivers and overlaps: {len(slivers)} "
            f"({sum(mend.area for mend in slivers):,.1f} m²). Repair them with `gridmap repair`, "
            f"or leave `repair` on.",
            defects(mends, [str(label) for label in labels], crs),
        )
    largest = _largest_parts(polygons, row, len(units))
    lost = np.flatnonzero((largest < 0) & (counts > 0))
    if len(lost):
        raise InputError(
            f"`units` has {labels[lost[0]]!r} wholly inside other units, so its "
            f"{counts[lost[0]]:,} households have no area of their own. Merge units that repeat."
        )
    households = np.zeros(len(polygons), dtype=np.int64)
    households[largest[largest >= 0]] = counts[largest >= 0]
    notes = [*notes, *said, *_about_parts(len(polygons) - len(np.unique(row)))]
    return Given(np.asarray(polygons, dtype=object), row, households, labels, mends, notes)


def _refuse_overlaps(tiling: Tiling, given: Geometries, labels: list[Any], crs: Any) -> None:
    """Refuse units that share more ground than slivers: households are counted there twice."""
    shares = overlap_shares(tiling, given)
    pairs = sorted((p for p in shares if shares[p] > TOO_MUCH), key=lambda p: (-shares[p], p))
    if not pairs:
        return
    where = ", ".join(f"{labels[a]!r} and {labels[b]!r} {shares[a, b]:.0%}" for a, b in pairs[:3])
    deep = [m for m in tiling.mends if not set(pairs).isdisjoint(combinations(m.members, 2))]
    x, y = max(deep, key=lambda mend: mend.area).geometry.representative_point().coords[0]
    raise CoverageError(
        f"`units` overlap in {len(pairs):,} {'pair' if len(pairs) == 1 else 'pairs'} by more than "
        f"{TOO_MUCH:.0%} of the smaller one ({where}{', …' if len(pairs) > 3 else ''}; "
        f"{sum(mend.area for mend in deep):,.0f} m² in all, most at {x:.1f}, {y:.1f}). "
        f"Merge those that repeat, or mend them with `gridmap repair`; give "
        f"buildings as households: `subdivide`, `--households`.",
        defects(deep, [str(label) for label in labels], crs),
    )


def _largest_parts(polygons: Geometries, row: Ints, n: int) -> Ints:
    """Return the largest part of each of `n` units, -1 where none is left."""
    order = np.lexsort((-np.arange(len(row)), shapely.area(polygons), row))
    result = np.full(n, -1, dtype=np.int64)
    result[row[order]] = order
    return result


def _about_parts(parted: int) -> list[Note]:
    """Say how many further parts units have."""
    if not parted:
        return []
    return [
        note(
            f"Unconnected parts of units, now units without households beside the largest part: "
            f"{parted}.",
            f"有 {parted} 个不相连的单元部分单列为零户单元；户数计在最大部分。",
        )
    ]
