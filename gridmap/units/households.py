"""Households and what else the caller hands in: how many live where, and what must not be cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, attributes, valid_polygons
from gridmap._checks import (
    as_numbers,
    check_column,
    check_crs,
    check_layer,
    label,
    named,
    whole_counts,
)
from gridmap.crs.project import metric_crs, parse_crs, reproject
from gridmap.errors import CRSError, InputError
from gridmap.grid.grid import anchored
from gridmap.language import Message
from gridmap.units.noding import first_containing

if TYPE_CHECKING:
    import geopandas as gpd


def check_frame(name: str, frame: Any) -> None:
    """Refuse what is no frame with geometries, or an empty one, or one without a CRS."""
    if not hasattr(frame, "geometry"):
        check_layer(name, frame)
    check_crs(name, frame)
    if len(frame) == 0:
        raise InputError("`{name}` is empty; give at least one row.", name=name)


def working_crs(
    name: str, frame: gpd.GeoDataFrame, wanted: Any = None
) -> tuple[Any, list[Message]]:
    """Choose the metric CRS to work in: the one wanted, or that of the frame if it is metric."""
    crs = frame.crs
    if wanted is not None and not _in_metres(wanted := parse_crs(wanted)):
        raise CRSError(
            "`crs` is {wanted}, which does not measure in metres, as units do. Give a "
            "projected one; a grid to keep is adopted from cells in one: "
            "`cells.to_crs(gm.metric_crs(cells))`, `ogr2ogr -t_srs EPSG:n`.",
            wanted=label(wanted),
        )
    metric = wanted or (crs if _in_metres(crs) else metric_crs(frame.geometry))
    if metric == crs:
        return crs, []
    return metric, [
        Message(
            "`{name}` came in {crs} and was transformed vertex by vertex to {metric}.",
            name=name,
            crs=label(crs),
            metric=label(metric),
        )
    ]


def _in_metres(crs: Any) -> bool:
    """Tell whether coordinates of a CRS are metres."""
    return bool(
        crs.is_projected and all(axis.unit_conversion_factor == 1.0 for axis in crs.axis_info[:2])
    )


def moved(name: str, frame: gpd.GeoDataFrame, crs: Any) -> tuple[Geometries, list[Message]]:
    """Return the plane geometries of a frame in a CRS, and say so if they had to be moved."""
    notes = []
    geometry = frame.geometry
    if geometry.crs != crs:
        geometry = reproject(geometry, crs)
        notes = [
            Message(
                "`{name}` came in {crs} and was transformed to {crs_2}.",
                name=name,
                crs=label(frame.crs),
                crs_2=label(crs),
            )
        ]
    plain = np.asarray(shapely.force_2d(geometry.to_numpy()), dtype=object)
    return plain, notes


def usable(geometries: Geometries) -> Bools:
    """Tell which geometries are there, not empty, and have finite coordinates only."""
    xy, row = shapely.get_coordinates(geometries, return_index=True)
    result = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    result[row[~np.isfinite(xy).all(axis=1)]] = False
    return np.asarray(result, dtype=bool)


def check_polygons(name: str, geometries: Geometries, labels: Sequence[Any]) -> None:
    """Refuse geometries that are missing, empty, not finite, or no polygons."""
    bad = ~usable(geometries)
    if bad.any():
        raise InputError(
            "`{name}` has no usable geometry in {labels} (missing, empty or not finite). "
            "Mend or drop: `{name}[~{name}.is_empty & {name}.notna()]`.",
            name=name,
            labels=named(labels, bad),
        )
    kind = shapely.get_type_id(geometries)
    other = (kind != shapely.GeometryType.POLYGON) & (kind != shapely.GeometryType.MULTIPOLYGON)
    if other.any():
        raise InputError(
            "`{name}` has geometries that are no polygons in {labels}. Give areas, or "
            "build them with shapely.polygonize.",
            name=name,
            labels=named(labels, other),
        )


def as_text(values: pd.Series) -> list[str]:
    """Return codes as text without blanks at the ends; whole numbers lose their decimal point."""
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return ["" if pd.isna(v) else str(v).strip() for v in values]


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
        shapes = self.shapes
        return self if shapes is None else replace(self, xy=anchored(shapes, pieces, owner))


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
    counts, notes = counts_of("households", frame, count)
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
    numbers = as_numbers(frame[weight])
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


def counts_of(name: str, frame: gpd.GeoDataFrame, count: str | None) -> tuple[Ints, list[Message]]:
    """Return the households of each row: of the column named, of `households`, or one each."""
    if count is not None:
        check_column(name, count, attributes(frame))
    column = count or (COUNT if COUNT in frame.columns else None)
    if column is not None:
        counts = whole_counts(name, frame, column)
        if not counts.any():
            raise InputError(
                "`{name}` column {column!r} is 0 in all rows, so nobody lives anywhere. Name "
                "the column that holds the households: `--count`.",
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
