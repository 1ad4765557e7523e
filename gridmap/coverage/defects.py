"""Defects as arrays, and those that the table of cells shows: codes, parents, odd geometries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, Objects
from gridmap._checks import as_seen
from gridmap.coverage.defect_names import reason_in
from gridmap.coverage.edges import Rings, directed_edges, edges_of, residual, reverse, rings_of
from gridmap.coverage.patches import areal_parts, known_vertices, local_origin, made_valid, shift
from gridmap.coverage.prove import metres_per_unit
from gridmap.language import Lang, tr

THIN = 1e-6
"""Share of the squared perimeter below which an area is computed in fractions."""


@dataclass(frozen=True)
class Faults:
    """Defects of geometry, one row each, in units of the coordinates.

    Attributes
    ----------
    kind, qualifier : ndarray of str
    cells : ndarray of int, shape (n, 2 or more)
        The cells that overlap or stick out, -1 where there are no more.
    geometry : ndarray of geometries
    area, width : ndarray of float
        Width is 2 · area / perimeter, which is the width of something long.
    """

    kind: Objects
    qualifier: Objects
    cells: Ints
    geometry: Geometries
    area: Floats
    width: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: Bools | Ints) -> Faults:
        """Return some of the rows."""
        return Faults(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def faults_of(
    kind: str, geometry: Geometries, cells: Ints | None = None, qualifier: str = ""
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
    most = max(f.cells.shape[1] for f in faults)
    faults = [replace(f, cells=widened(f.cells, most)) for f in faults]
    names = Faults.__dataclass_fields__
    return Faults(*(np.concatenate([getattr(f, name) for f in faults]) for name in names))


def widened(cells: Ints, most: int) -> Ints:
    """Return a table of cells with as many columns, -1 in the new ones."""
    more = ((0, 0), (0, most - cells.shape[1]))
    return np.pad(cells, more, constant_values=-1)


def resolution(*bounds: Floats) -> float:
    """Return the width below which doubles of this size cannot tell a shape from a line."""
    finite = [np.abs(b[np.isfinite(b)]).max(initial=0.0) for b in bounds]
    return 4.0 * float(np.spacing(max(finite)))


def precise_areas(polygons: Geometries) -> Floats:
    """Return areas, those of very thin polygons in rational arithmetic, where doubles cancel."""
    area, perimeter = shapely.area(polygons), shapely.length(polygons)
    for k in np.flatnonzero((area > 0) & (area < THIN * perimeter**2)):
        edges, _ = directed_edges(polygons[k : k + 1])
        area[k] = float(sum(cross(edge) for edge in edges.tolist()) / 2)
    return np.asarray(area, dtype=np.float64)


def cross(edge: list[float]) -> Fraction:
    a, b, c, d = map(Fraction, edge)
    return a * d - c * b


def in_metres(geometry: Geometries, area: Floats, width: Floats, crs: Any) -> tuple[Floats, Floats]:
    """Return areas in square metres and widths in metres.

    Feet are converted; degrees are scaled by the curvature of the ellipsoid at each geometry, as
    defects are small. Without a CRS the units are taken for metres.
    """
    if crs is None or not crs.is_geographic:
        unit = metres_per_unit(crs)
        return area * unit**2, width * unit
    east, north = _metres_per_degree(geometry, crs)
    square_metres = area * east * north
    perimeter = _perimeter(geometry, east, north)
    return square_metres, np.divide(
        2 * square_metres, perimeter, out=np.zeros_like(area), where=perimeter > 0
    )


def _metres_per_degree(geometry: Geometries, crs: Any) -> tuple[Floats, Floats]:
    """Return the metres of a degree eastward and northward at each geometry."""
    bounds = shapely.bounds(geometry)
    latitude = np.radians(np.nan_to_num((bounds[:, 1] + bounds[:, 3]) / 2))
    ellipsoid = crs.ellipsoid
    a, b = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
    squared = 1 - (b / a) ** 2
    root = np.sqrt(1 - squared * np.sin(latitude) ** 2)
    north = a * (1 - squared) / root**3
    east = a / root * np.cos(latitude)
    return east * np.pi / 180, north * np.pi / 180


def _perimeter(geometry: Geometries, east: Floats, north: Floats) -> Floats:
    xy, source = shapely.get_coordinates(geometry, return_index=True)
    scaled = xy * np.column_stack([east, north])[source]
    return np.asarray(shapely.length(shapely.set_coordinates(geometry.copy(), scaled)))


class Remark(NamedTuple):
    """One defect of attributes or of a single geometry."""

    kind: str
    qualifier: str
    cells: tuple[int, ...]
    note: str
    geometry: shapely.Geometry | None


def geometry_remarks(polygons: Geometries, rings: Rings, invalid: Ints, lang: Lang) -> list[Remark]:
    """Find missing, empty, invalid, multi-part geometries and repeated vertices."""
    remarks = []
    for k in map(int, invalid):
        shape = polygons[k]
        if shape is None or shape.is_empty:
            text = tr("has no geometry", lang=lang)
            remarks.append(Remark("geom-empty", "", (k,), text, None))
        else:
            reason = shapely.is_valid_reason(shape)
            text = reason_in(lang, reason)
            remarks.append(Remark("ring-invalid", "", (k,), text, _place(reason, shape)))
    parts, of = shapely.get_parts(polygons, return_index=True)
    counts = np.bincount(of[~shapely.is_empty(parts)], minlength=len(polygons))
    for k in map(int, np.flatnonzero(counts > 1)):
        text = tr("in {count} {count:part|parts}", lang=lang, count=int(counts[k]))
        remarks.append(Remark("multipart", "", (k,), text, polygons[k]))
    return remarks + _repeated_vertices(rings, lang)


def _repeated_vertices(rings: Rings, lang: Lang) -> list[Remark]:
    xy = rings.xy
    same = (xy[1:, 0] == xy[:-1, 0]) & (xy[1:, 1] == xy[:-1, 1])
    same[rings.starts[1:-1] - 1] = False  # from one ring to the next
    same = np.flatnonzero(same)
    owner = np.repeat(rings.owner, np.diff(rings.starts))
    remarks = []
    for k in np.unique(owner[same]):
        at = same[owner[same] == k]
        text = tr("{n} repeated {n:vertex|vertices}", lang=lang, n=len(at))
        place = shapely.multipoints(xy[at])
        remarks.append(Remark("duplicate-vertex", "", (int(k),), text, place))
    return remarks


def code_remarks(codes: pd.Series[Any], polygons: Geometries, lang: Lang) -> list[Remark]:
    """Find codes that are missing or stand twice."""
    text = codes.astype("string").map(as_seen, na_action="ignore")
    blank = (text.isna() | (text == "")).to_numpy()
    missing = tr("has no code", lang=lang)
    remarks = [
        Remark("code-missing", "", (int(k),), missing, polygons[k]) for k in np.flatnonzero(blank)
    ]
    places = pd.Series(np.arange(len(text)))[~blank]
    written = text.to_numpy()[~blank]
    twice = text[~blank].duplicated(keep=False).to_numpy()
    for code, rows in places[twice].groupby(written[twice], sort=True):
        if len(rows) > 1:
            note = tr(
                "code {code} stands {rows} {rows:time|times}", lang=lang, code=code, rows=len(rows)
            )
            cells = tuple(map(int, rows))
            shape = shapely.geometrycollections(list(polygons[list(cells)]))
            remarks.append(Remark("code-duplicate", "", cells, note, shape))
    return remarks


def parent_remarks(
    parent_of: list[Any], place: Ints, polygons: Geometries, lang: Lang
) -> list[Remark]:
    """Find cells whose parent is none of the parents."""
    remarks = []
    for k in map(int, np.flatnonzero(place < 0)):
        name = "" if pd.isna(parent_of[k]) else str(parent_of[k])
        note = tr("there is no parent {name!r}", lang=lang, name=name)
        remarks.append(Remark("parent-unknown", "", (k,), note, polygons[k]))
    return remarks


def household_remarks(
    counts: pd.Series[Any],
    kinds: pd.Series[Any] | None,
    band: tuple[Any, Any] | None,
    recorded: np.ndarray[tuple[int], np.dtype[np.bool_]],
    polygons: Geometries,
    lang: Lang,
) -> list[Remark]:
    """Find counts that are none, and residential cells outside the band unless on record.

    A column without any count is none to judge; a dedicated cell may lack its count, and a vacant
    one, of a jurisdiction in which nobody lives, holds none.
    """
    bare = counts.isna().to_numpy(dtype=bool)
    if band is None and bare.all():
        return []
    numbers = pd.to_numeric(counts, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    truths = [isinstance(value, bool | np.bool_) for value in counts]
    numbers = np.where(truths, np.nan, numbers)
    held = np.ones(len(numbers), dtype=bool)
    if kinds is not None:
        named = kinds.astype("string").fillna("residential")
        vacant = (named == "vacant").to_numpy(dtype=bool) & (numbers == 0)
        held = (named != "dedicated").to_numpy(dtype=bool) & ~vacant
    whole = np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers))
    low, high = (np.broadcast_to(end, len(numbers)) for end in band or (0, np.inf))
    inside = whole & (numbers >= low) & (numbers <= high)
    remarks = []
    for k in map(int, np.flatnonzero(np.where(held, ~inside, ~whole & ~bare))):
        if bare[k]:
            note = tr("has no count", lang=lang)
        elif not whole[k]:
            given = repr(_bare(counts.iloc[k])) if np.isnan(numbers[k]) else f"{numbers[k]:.12g}"
            note = tr("{given} is no count", lang=lang, given=given)
        else:
            note = tr(
                "{homes:,} {homes:household|households}, not {low}–{high}",
                lang=lang, homes=_counted(counts.iloc[k]), low=f"{low[k]:g}", high=f"{high[k]:g}",
            )  # fmt: skip
        qualifier = "recorded" if recorded[k] and whole[k] else ""
        remarks.append(Remark("households-out-of-range", qualifier, (k,), note, polygons[k]))
    return remarks


def _counted(value: object) -> int:
    """Return a count as it was written, to the last digit."""
    text = str(_bare(value)).strip()
    return int(text) if text.isdigit() else int(float(text))


def _bare(value: object) -> object:
    """Return a number of NumPy as one of Python, anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _place(reason: str, shape: shapely.Geometry) -> shapely.Geometry:
    """Return the point that GEOS names in its reason, else the shape itself."""
    if "[" not in reason:
        return shape
    x, y = reason[reason.index("[") + 1 : reason.index("]")].split()[:2]
    point = shapely.Point(float(x), float(y))
    return point if np.isfinite([point.x, point.y]).all() else shape


def nesting_faults(
    polygons: Geometries, areas: Geometries, place: Ints, gaps: Geometries
) -> tuple[Faults, Ints]:
    """Find what of cells lies outside of their parent, and what parents miss.

    Parameters
    ----------
    polygons, areas : arrays of polygons
        Cells and parents.
    place : ndarray of int
        Position of each cell's parent, -1 where it is not known.
    gaps : array of Polygon
        Areas that no cell covers at all; they are not reported again.

    Returns
    -------
    faults : Faults
        ``crosses-parent`` with the cell, ``parent-gap`` without.
    parent : ndarray of int
        Position of the parent that each fault concerns.
    """
    cells, parents = _suspects(polygons, areas, place)
    crossing, of_crossing = _crossing(polygons, areas, place, cells)
    missing, of_missing = _missing(polygons, areas, place, parents, gaps)
    return joined([crossing, missing]), np.concatenate([of_crossing, of_missing])


def _suspects(polygons: Geometries, areas: Geometries, place: Ints) -> tuple[Ints, Ints]:
    """Return the cells and the parents with edges left over when each parent is proved."""
    edges, owner, _ = edges_of(rings_of(polygons))
    outer, parent, _ = edges_of(rings_of(areas))
    known = place[owner] >= 0
    group = np.concatenate([place[owner][known], parent])
    owner = np.concatenate([owner[known], np.full(len(outer), -1)])
    left = residual(np.concatenate([edges[known], reverse(outer)]), group)
    cells = np.unique(owner[left.members])
    return cells[cells >= 0].astype(np.int64), np.unique(group[left.members])


def _crossing(
    polygons: Geometries, areas: Geometries, place: Ints, cells: Ints
) -> tuple[Faults, Ints]:
    if len(cells) == 0:
        return joined([]), np.empty(0, dtype=np.int64)
    origin = np.array([local_origin(box) for box in shapely.bounds(polygons[cells])])
    cell = made_valid(shift(polygons[cells], -origin))
    parent = made_valid(shift(areas[place[cells]], -origin))
    parts, source = areal_parts(shapely.difference(cell, parent))
    corners = shapely.get_coordinates(np.concatenate([cell, parent]))
    keep = _real(parts, corners)
    parts, source = parts[keep], source[keep]
    culprits = np.column_stack([cells[source], np.full(len(source), -1)])
    faults = faults_of("crosses-parent", parts, culprits)
    return _moved(faults, shift(parts, origin[source])), place[cells[source]]


def _missing(
    polygons: Geometries, areas: Geometries, place: Ints, parents: Ints, gaps: Geometries
) -> tuple[Faults, Ints]:
    tree = shapely.STRtree(gaps)
    found, of = [joined([])], [np.empty(0, dtype=np.int64)]
    for p in parents:
        origin = local_origin(shapely.bounds(areas[p]))
        own = made_valid(shift(polygons[place == p], -origin))
        near = gaps[tree.query(areas[p], predicate="intersects")]
        blank = shift(near, -origin)
        area = made_valid(shift(areas[p : p + 1], -origin[None, :]))
        rest = shapely.difference(area[0], shapely.union_all(np.concatenate([own, blank])))
        parts, _ = areal_parts(np.array([rest], dtype=object))
        parts = parts[_real(parts, shapely.get_coordinates(np.concatenate([own, blank, area])))]
        faults = faults_of("parent-gap", parts)
        found.append(_moved(faults, shift(parts, origin)))
        of.append(np.full(len(parts), p))
    return joined(found), np.concatenate(of)


def _real(parts: Geometries, corners: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Ints:
    """Return positions of parts that the overlay's rounding cannot have made."""
    faults = faults_of("", parts)
    thin = faults.width < resolution(corners)
    return np.flatnonzero((faults.area > 0) & (~thin | known_vertices(parts, corners)))


def _moved(faults: Faults, geometry: Geometries) -> Faults:
    return Faults(faults.kind, faults.qualifier, faults.cells, geometry, faults.area, faults.width)
