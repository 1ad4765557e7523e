"""Jurisdictions: their codes and levels, and their outlines made to tile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Geometries, Ints, attributes, valid_polygons
from gridmap._checks import check_column, named
from gridmap.errors import CoverageError, InputError
from gridmap.grid.grid import OWN
from gridmap.language import Message
from gridmap.units.households import as_text, check_frame, check_polygons, moved, working_crs
from gridmap.units.tiling import Mend, overlap_shares, tile

if TYPE_CHECKING:
    import geopandas as gpd

LEVELS = ("district", "street", "community")
"""Columns that are taken for levels when none are named."""
RESERVED = OWN | {"block", "path", "side"}
"""Columns of units and cells, which no level may be called."""
TOO_MUCH = 0.05
"""Share of the smaller jurisdiction from which an overlap is a contradiction, not a sliver."""


@dataclass(frozen=True)
class Jurisdictions:
    """Jurisdictions in a metric CRS, as given and as a coverage.

    Attributes
    ----------
    codes : list of str
        The code of each.
    levels : tuple of str
        Columns of the hierarchy, coarse to fine.
    table : DataFrame
        The level columns, one row each.
    given : ndarray of Polygon or MultiPolygon
        The outlines as they came, in the metric CRS.
    pieces : ndarray of Polygon
        A coverage of connected pieces on the lattice.
    owner : ndarray of int
        Position of the jurisdiction of each piece.
    crs : CRS
        In metres.
    repaired, notes : list
        What was mended, and what the planner should know.
    """

    codes: list[str]
    levels: tuple[str, ...]
    table: pd.DataFrame
    given: Geometries
    pieces: Geometries
    owner: Ints
    crs: Any
    repaired: list[dict[str, Any]]
    notes: list[Message]


def read_jurisdictions(
    frame: gpd.GeoDataFrame,
    *,
    levels: Sequence[str] | None = None,
    code: str | None = None,
    repair: bool = True,
    crs: Any = None,
    within: shapely.Geometry | None = None,
) -> Jurisdictions:
    """Check jurisdictions and make them tile exactly, within their outline where it is known.

    Raises
    ------
    InputError
        When codes or levels are missing or repeat, or an outline is no polygon.
    CoverageError
        When outlines leave slivers or overlap and `repair` is off, or overlap so far that only
        the planner can tell which is right; ``.defects`` shows where.
    """
    check_frame("jurisdictions", frame)
    codes, table = hierarchy(frame, levels, code)
    crs, notes = working_crs("jurisdictions", frame, crs)
    geometry, _ = moved("jurisdictions", frame, crs)
    check_polygons("jurisdictions", geometry, codes)
    given, mended = valid_polygons(geometry)
    tiling = tile(given, within)
    _refuse(codes, crs, tiling.mends, overlap_shares(tiling, given), mended, repair)
    gone = np.setdiff1d(np.arange(len(codes)), tiling.owner)
    if len(gone):
        raise InputError(
            "`jurisdictions` has no area left in {codes} once overlaps are settled. Drop "
            "what repeats.",
            codes=named(codes, np.isin(range(len(codes)), gone)),
        )
    holes = [mend for mend in tiling.mends if mend.kind == "hole"]
    if holes:
        notes.append(_about_holes(holes))
    repaired: list[dict[str, Any]] = [
        {
            "kind": "ring-invalid",
            "among": [codes[k]],
            "reason": shapely.is_valid_reason(geometry[k]),
        }
        for k in mended.tolist()
    ]
    repaired += [described(mend, codes) for mend in tiling.mends if mend.kind != "hole"]
    return Jurisdictions(
        codes,
        tuple(table.columns),
        table,
        given,
        tiling.polygons,
        tiling.owner,
        crs,
        repaired,
        notes,
    )


def hierarchy(
    frame: gpd.GeoDataFrame, levels: Sequence[str] | None, code: str | None
) -> tuple[list[str], pd.DataFrame]:
    """Return the code of each jurisdiction and its level columns, coarse to fine.

    The finest level names each jurisdiction: where none does, their codes are a level as well.
    """
    levels = [levels] if isinstance(levels, str) else levels
    for column in [*(levels or ()), *([code] if code else [])]:
        check_column("jurisdictions", column, attributes(frame))
    if taken := sorted(RESERVED.intersection(levels or ())):
        raise InputError(
            "`levels` names {taken!r}, a column that units and cells have themselves. "
            "Rename it: `jurisdictions.rename(columns={{{taken!r}: 'community'}})`.",
            taken=taken[0],
        )
    chosen = list(levels) if levels else [c for c in LEVELS if c in frame.columns]
    code = code or ("code" if "code" in frame.columns else None)
    table = pd.DataFrame({c: as_text(frame[c]) for c in chosen})
    own = as_text(frame[code]) if code else [str(label) for label in frame.index]
    if not chosen or (code and table.duplicated().any()):  # no level tells them apart
        free = LEVELS[-1] if LEVELS[-1] not in frame else "jurisdiction"
        table[code if code and code not in RESERVED else free] = own
    codes = own if code else _codes_from(table)
    _check_codes(codes, code or table.columns[-1])
    for column in map(str, table.columns):
        empty = (table[column] == "").to_numpy()
        if empty.any():
            raise InputError(
                "`jurisdictions` column {column!r} is missing in {codes}. Fill it in, or "
                "leave the level out.",
                column=column,
                codes=named(codes, empty),
            )
    return codes, table


def _codes_from(table: pd.DataFrame) -> list[str]:
    """Return the finest names where they are unique, else names with all their levels."""
    finest = table.iloc[:, -1]
    if finest.is_unique:
        return list(finest)
    return ["/".join(row) for row in table.itertuples(index=False)]


def _check_codes(codes: list[str], column: str) -> None:
    """Refuse codes that are empty or repeat."""
    if "" in codes:
        raise InputError(
            "`jurisdictions` column {column!r} is missing in {named}. Give every "
            "jurisdiction a code.",
            column=column,
            named=named(range(len(codes)), np.array(codes) == ""),
        )
    twice = [c for c, times in Counter(codes).items() if times > 1]
    if twice:
        listed = ", ".join(map(repr, twice[:3])) + (", …" if len(twice) > 3 else "")
        raise InputError(
            "`jurisdictions` repeats {listed} in column {column!r}. Unite the rows with "
            "`jurisdictions.dissolve({column!r})`, or name a unique column: "
            "`--code`.",
            listed=listed,
            column=column,
        )


def _refuse(
    codes: list[str],
    crs: Any,
    mends: list[Mend],
    shares: dict[tuple[int, int], float],
    mended: Ints,
    repair: bool,
) -> None:
    """Raise when the outlines contradict each other, or need repair that is not wanted."""
    worst = max(shares, key=lambda pair: shares[pair], default=None)
    if worst is not None and shares[worst] > TOO_MUCH:
        a, b = worst
        raise CoverageError(
            "`jurisdictions` {codes!r} and {codes_2!r} share {shares:.0%} of the smaller "
            "one, which is no sliver. Cut the one out of the other, or drop one.",
            codes=codes[a],
            codes_2=codes[b],
            shares=shares[worst],
            defects=defects(mends, codes, crs),
        )
    slivers = [mend for mend in mends if mend.kind != "hole"]
    if repair or not (slivers or len(mended)):
        return
    if len(mended):
        raise InputError(
            "`jurisdictions` has rings that cross themselves in {codes}. Mend them with "
            "`shapely.make_valid`, or leave `repair` on.",
            codes=named(codes, np.isin(range(len(codes)), mended)),
        )
    raise CoverageError(
        "`jurisdictions` leave slivers and overlaps: {slivers} ({slivers_2:,.1f} m²). "
        "Repair them with `gridmap repair`, or leave `repair` on.",
        slivers=len(slivers),
        slivers_2=sum(mend.area for mend in slivers),
        defects=defects(mends, codes, crs),
    )


def defects(mends: list[Mend], codes: Sequence[str], crs: Any) -> gpd.GeoDataFrame:
    """Return the places that do not tile as a frame to map."""
    import geopandas as gpd

    rows = [mend for mend in mends if mend.kind != "hole"]
    return gpd.GeoDataFrame(
        {
            "id": np.arange(1, len(rows) + 1),
            "kind": [mend.kind for mend in rows],
            "qualifier": ["sliver" for _ in rows],
            "cells": [tuple(codes[k] for k in mend.members) for mend in rows],
            "area_m2": [mend.area for mend in rows],
            "width_m": [mend.width for mend in rows],
        },
        geometry=[mend.geometry for mend in rows],
        crs=crs,
    )


def described(mend: Mend, codes: Sequence[str]) -> dict[str, Any]:
    """Return a mended place as plain facts."""
    x, y = mend.geometry.representative_point().coords[0]
    return {
        "kind": mend.kind,
        "among": [codes[k] for k in mend.members],
        "given_to": codes[mend.given_to],
        "area_m2": round(mend.area, 6),
        "width_m": round(mend.width, 6),
        "x": round(x, 3),
        "y": round(y, 3),
    }


def _about_holes(holes: list[Mend]) -> Message:
    """Say which holes between the jurisdictions stay open."""
    area = sum(hole.area for hole in holes)
    return Message(
        "Holes between the jurisdictions, left open as lakes or enclaves: {holes} "
        "({area:,.0f} m²).",
        holes=len(holes),
        area=area,
    )


SLIVER = 1.0
"""Square metres up to which an overlap of two areas is not worth a word."""
NAMES = ("name", "名称", "use", "用途")
"""Columns that may name an area, in this order."""


@dataclass(frozen=True)
class Areas:
    """Named polygons in the metric CRS.

    Attributes
    ----------
    polygons : ndarray of Polygon or MultiPolygon
        Valid.
    names : list of str
        What each is called; "" where nothing tells.
    notes : list
        What the planner should know.
    """

    polygons: Geometries
    names: list[str]
    notes: list[Message]


def read_areas(name: str, frame: gpd.GeoDataFrame | None, crs: Any) -> Areas:
    """Bring named polygons into the metric CRS.

    Raises
    ------
    InputError
        When a geometry is missing or no polygon.
    """
    if frame is None or (hasattr(frame, "geometry") and len(frame) == 0):
        return Areas(np.empty(0, dtype=object), [], [])
    check_frame(name, frame)
    geometry, notes = moved(name, frame, crs)
    check_polygons(name, geometry, list(frame.index))
    column = next((c for c in NAMES if c in frame.columns), None)
    polygons = valid_polygons(geometry)[0]
    values = frame[column] if column else [""] * len(frame)
    names = ["" if value is None or value != value else str(value) for value in values]
    return Areas(polygons, names, [*notes, *_about_overlaps(name, polygons, names)])


def _about_overlaps(name: str, polygons: Geometries, names: list[str]) -> list[Message]:
    """Say which areas overlap; the first of them has the common ground."""
    a, b = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    a, b = a[a < b], b[a < b]
    deep = shapely.area(shapely.intersection(polygons[a], polygons[b])) > SLIVER
    if not deep.any():
        return []
    first, second = int(a[deep][0]), int(b[deep][0])
    called = f"{names[first] or first}, {names[second] or second}"
    return [
        Message(
            "Areas of `{name}` that overlap: {deep:,} {deep:pair|pairs} (first: "
            "{called}); common ground belongs to the one that comes first.",
            name=name,
            deep=int(deep.sum()),
            called=called,
        )
    ]
