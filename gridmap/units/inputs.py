"""The door of the units room: what comes in is checked, made plane and valid, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_crs, check_layer, label
from gridmap.crs import metric_crs, parse_crs, reproject
from gridmap.errors import CRSError, InputError
from gridmap.language import Message
from gridmap.units.noding import Geometries, Ints

if TYPE_CHECKING:
    import geopandas as gpd


Bools = np.typing.NDArray[np.bool_]


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


def valid_polygons(geometries: Geometries) -> tuple[Geometries, Ints]:
    """Return polygons with valid rings, and the positions of those that had to be mended."""
    wrong = np.flatnonzero(~shapely.is_valid(geometries))
    if not len(wrong):
        return geometries, wrong
    result = geometries.copy()
    result[wrong] = shapely.make_valid(geometries[wrong], method="structure", keep_collapsed=False)
    return result, wrong


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


def whole_numbers(name: str, column: str, values: pd.Series, labels: Sequence[Any]) -> Ints:
    """Return a column of households as whole numbers, or refuse it by name."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        text = [v for v in values if not isinstance(v, (int, float))][:1] or [values.iloc[0]]
        raise InputError(
            "`{name}` column {column!r} holds {text!r} where a number of households "
            "belongs. Make it numbers: `pandas.to_numeric`.",
            name=name,
            column=column,
            text=text[0],
        )
    number = values.to_numpy(dtype=np.float64, na_value=np.nan)
    refusals = (
        (
            ~np.isfinite(number),
            Message("is missing or not finite"),
            Message("Fill it with the count, or 0."),
        ),
        (number < 0, Message("is negative"), Message("Correct the count.")),
        (
            np.isfinite(number) & (number != np.floor(number)),
            Message("is fractional"),
            Message("A band of households needs whole numbers: round them so that the sum stays."),
        ),
    )
    for bad, what, cure in refusals:
        if bad.any():
            raise InputError(
                "`{name}` column {column!r} {what} in {labels}. {cure}",
                name=name,
                column=column,
                what=what,
                labels=named(labels, bad),
                cure=cure,
            )
    return np.asarray(number, dtype=np.int64)


def named(labels: Sequence[Any], chosen: Bools) -> Message:
    """Return how many rows are meant and the labels of the first of them."""
    rows = np.flatnonzero(chosen)
    return Message(
        "{n:,} of {all:,} {all:row|rows} ({first}{more})",
        n=len(rows),
        all=len(chosen),
        first=[str(labels[k]) for k in rows[:3]],
        more=", …" if len(rows) > 3 else "",
    )


def as_text(values: pd.Series) -> list[str]:
    """Return codes as text without blanks at the ends; whole numbers lose their decimal point."""
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return ["" if pd.isna(v) else str(v).strip() for v in values]
