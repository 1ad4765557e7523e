"""Households: how many live where, and what must not be cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap.errors import InputError
from gridmap.language import Message
from gridmap.units.inputs import (
    Bools,
    check_frame,
    moved,
    named,
    usable,
    valid_polygons,
    whole_numbers,
)
from gridmap.units.noding import Floats, Geometries, Ints, first_containing

if TYPE_CHECKING:
    import geopandas as gpd

COUNT = "households"
ID = "building_id"


@dataclass(frozen=True)
class Homes:
    """Places where households live, as arrays.

    Attributes
    ----------
    xy : ndarray of float, shape (n, 2)
        A point inside each.
    count : ndarray of int
        Households of each.
    shapes : ndarray of Polygon or MultiPolygon, or None
        Footprints or parcels, which no border may cut; None for points.
    compound : ndarray of int
        Places of one compound bear the same number; -1 for none.
    labels : list
        What the caller's index calls each.
    notes : list
        What the planner should know.
    load : ndarray of float, or None
        Workload of each.
    """

    xy: Floats
    count: Ints
    shapes: Geometries | None
    compound: Ints
    labels: list[Any]
    notes: list[Message]
    load: Floats | None = None

    def anchored(self, pieces: Geometries, owner: Ints) -> Homes:
        """Return homes whose shapes stand in the jurisdiction that holds most of them."""
        if self.shapes is None:
            return self
        tree = shapely.STRtree(pieces)
        whole = np.zeros(len(self.shapes), dtype=bool)
        whole[tree.query(self.shapes, predicate="covered_by")[0]] = True
        rest = np.flatnonzero(~whole)
        shape, piece = tree.query(self.shapes[rest], predicate="intersects")
        part = shapely.intersection(self.shapes[rest[shape]], pieces[piece])
        area = shapely.area(part)
        most = area >= shapely.area(self.shapes[rest[shape]]) / 2
        order = np.lexsort((-owner[piece], area, shape))
        order = order[most[order]]
        xy = self.xy.copy()
        points = shapely.get_coordinates(shapely.point_on_surface(part[order]))
        xy[rest[shape[order]]] = points  # the largest part is written last
        return replace(self, xy=xy)


def read_homes(
    frame: gpd.GeoDataFrame,
    crs: Any,
    *,
    count: str | None = None,
    compound: str | None = None,
    weight: str | None = None,
) -> Homes:
    """Check households and bring them into a metric CRS.

    Raises
    ------
    InputError
        When counts are missing, negative, fractional or text, geometries are lines, or a row with
        households has no position.
    """
    check_frame("households", frame)
    labels = list(frame.index)
    load = None if weight is None else loads_of("households", frame, weight)
    counts, notes = counts_of("households", frame, count, labels)
    notes += _about_repeats(frame)
    geometry, said = moved("households", frame, crs)
    there = usable(geometry)
    areal = _are_polygons(geometry[there])
    if areal:
        geometry[there] = valid_polygons(geometry[there])[0]
        there &= ~shapely.is_empty(geometry)  # a ring without area
    _refuse_placeless(labels, counts, there)
    geometry = geometry[there]
    return Homes(
        shapely.get_coordinates(shapely.point_on_surface(geometry)),
        counts[there],
        geometry if areal else None,
        _compounds(frame, compound)[there],
        [label for label, ok in zip(labels, there, strict=True) if ok],
        notes + said,
        None if load is None else load[there],
    )


def loads_of(argument: str, frame: gpd.GeoDataFrame, weight: str) -> Floats:
    """Return the workload of each row; a row without any has none."""
    if weight not in frame:
        raise InputError(
            "`weight` names the column {weight!r}, which `{argument}` lack; they have {columns}.",
            weight=weight,
            argument=argument,
            columns=[*map(str, frame.columns)],
        )
    numbers = pd.to_numeric(frame[weight], errors="coerce")
    load: Floats = np.array(numbers.to_numpy(float, na_value=np.nan))
    load[frame[weight].isna().to_numpy()] = 0.0
    bad = ~np.isfinite(load) | (load < 0)
    if bad.any():
        raise InputError(
            "`weight` column {weight!r} holds {value!r}; give numbers from 0.",
            weight=weight,
            value=str(frame[weight].iloc[int(bad.argmax())]),
        )
    return load


def _refuse_placeless(labels: Sequence[Any], counts: Ints, there: Bools) -> None:
    """Refuse households that are nowhere; an empty row without households loses nothing."""
    lost = ~there & (counts > 0)
    if lost.any():
        raise InputError(
            "`households` has no position in {labels} (empty, without area, NaN or "
            "infinite), {counts:,} {counts:household|households} in all. Locate them, or "
            "set their count to 0.",
            labels=named(labels, lost),
            counts=int(counts[lost].sum()),
        )


def counts_of(
    name: str, frame: gpd.GeoDataFrame, count: str | None, labels: Sequence[Any]
) -> tuple[Ints, list[Message]]:
    """Return the households of each row: of the column named, of `households`, or one each."""
    if count is not None and count not in frame.columns:
        raise InputError(
            "`{name}` has no column {count!r}; it has {columns}.",
            name=name,
            count=count,
            columns=[*frame.columns.drop(frame.geometry.name)],
        )
    column = count or (COUNT if COUNT in frame.columns else None)
    if column is not None:
        counts = whole_numbers(name, column, frame[column], labels)
        if not counts.any():
            raise InputError(
                "`{name}` column {column!r} is 0 in all rows, so nobody lives anywhere. Name "
                "the column that holds the households: `count=`, `--count`.",
                name=name,
                column=column,
            )
        return counts, []
    return np.ones(len(frame), dtype=np.int64), [
        Message(
            "`{name}` has no column {count!r}: each row counts as one household.",
            name=name,
            count=COUNT,
        )
    ]


def _about_repeats(frame: gpd.GeoDataFrame) -> list[Message]:
    """Say how many rows repeat an identifier; all of them are counted."""
    repeats = int(frame[ID].duplicated().sum()) if ID in frame.columns else 0
    repeats = repeats or int(frame.index.duplicated().sum())
    if not repeats:
        return []
    return [
        Message(
            "Rows of `households` that repeat an identifier, each counted: {repeats:,}.",
            repeats=repeats,
        )
    ]


def _are_polygons(geometry: Geometries) -> bool:
    """Tell polygons from points; refuse lines and mixtures."""
    dimension = np.unique(shapely.get_dimensions(geometry))
    if len(dimension) > 1 or 1 in dimension:
        raise InputError(
            "`households` mixes points, lines or polygons; give points or polygons only, "
            "such as `households[households.geom_type == 'Point']`."
        )
    return bool(len(dimension)) and int(dimension[0]) == 2


def _compounds(frame: gpd.GeoDataFrame, column: str | None) -> Ints:
    """Number the compounds that a column names."""
    if column is None:
        return np.full(len(frame), -1, dtype=np.int64)
    if column not in frame.columns:
        raise InputError(
            "`whole` names the column {column!r}, which `households` does not have. Give "
            "one of its columns, or a frame of compounds.",
            column=column,
        )
    names = frame[column].fillna("").astype(str).str.strip()
    _, number = np.unique(names.to_numpy(dtype=object).astype(str), return_inverse=True)
    return np.where((names == "").to_numpy(), -1, number).astype(np.int64)


def fill(homes: Homes, pieces: Geometries, share: float) -> bool:
    """Tell whether the shapes of homes cover so large a share of some polygons."""
    if homes.shapes is None:
        return False
    shapes = homes.shapes[first_containing(shapely.points(homes.xy), pieces) >= 0]
    needed = share * float(shapely.area(pieces).sum())
    if float(shapely.area(shapes).sum()) < needed:
        return False
    return float(shapely.area(shapely.union_all(shapes))) >= needed  # overlaps count once
