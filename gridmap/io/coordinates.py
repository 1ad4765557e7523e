"""Columns of coordinates: which pair, in which datum, and a second pair for rows without."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gridmap._checks import label
from gridmap.crs import check_datum, in_shift_area, mover, parse_crs, positions_from, positions_to
from gridmap.errors import CRSError, InputError
from gridmap.io.columns import Understanding
from gridmap.io.text import fold
from gridmap.io.vector import are_degrees
from gridmap.language import Message

Spec = str | os.PathLike[str]


class Pair(NamedTuple):
    """Two columns of coordinates, and the datum that their headings name."""

    x: str
    y: str
    datum: str | None = None


_SHAPE = re.compile(  # WKT, or WKB in hexadecimal
    r"(SRID=\d+;)?\s*(MULTI)?(POINT|LINESTRING|POLYGON)\s*(Z|M|ZM)?\s*\(|0[01]0[0-9A-Fa-f]{20,}$",
    re.IGNORECASE,
)
_SAMPLE = 50_000  # places by which degrees are known
_PLAIN = (Pair("lng", "lat"), Pair("x", "y"))
_NAMED = (Pair("gcj02_lng", "gcj02_lat", "gcj02"), Pair("bd09_lng", "bd09_lat", "bd09"))


def coordinate_pair(
    frame: pd.DataFrame, known: Understanding, spec: Spec, *, needed: bool, named: bool = False
) -> Pair | None:
    """Return the two columns of coordinates, x first; `named` says that the user named x and y.

    Raises
    ------
    InputError
        When there are two pairs, or none although one is needed.
    """
    if named and {"x", "y"} <= set(frame.columns):
        return _PLAIN[1]
    for kind in (_PLAIN, _NAMED):
        found = [pair for pair in kind if {pair.x, pair.y} <= set(known.columns)]
        if len(found) == 1:
            return found[0]
        if found:
            a, b = (f"{known.columns[pair.x]} and {known.columns[pair.y]}" for pair in found)
            first = found[0]
            raise InputError(
                "`{spec}` has coordinates in {a}, and in {b}. Say which: `--x {columns} --y "
                "{columns_2}`.",
                spec=spec,
                a=a,
                b=b,
                columns=known.columns[first.x],
                columns_2=known.columns[first.y],
            )
    if needed:
        _refuse_shapes(frame, spec)
        own = [known.columns.get(str(column), str(column)) for column in frame.columns]
        raise InputError(
            "`{spec}` has no coordinates among {own}. Name the columns: `--x COLUMN --y COLUMN`.",
            spec=spec,
            own=[*own],
        )
    return None


def _refuse_shapes(frame: pd.DataFrame, spec: Spec) -> None:
    """Name a column that holds shapes as text."""
    for column in frame.columns:
        first = str(frame[column].dropna().iloc[:1].squeeze())
        if _SHAPE.match(first):
            raise InputError(
                "`{spec}` has shapes as text in column {column!r}. Make a layer of it: in "
                "QGIS Add Delimited Text Layer, then export it as GeoPackage.",
                spec=spec,
                column=column,
            )


def declared_datum(
    frame: pd.DataFrame, datum: str | None, crs: Any, known: Understanding, spec: Spec
) -> str | None:
    """Return the datum of the columns x and y, None when it is that of the grid.

    Degrees without a declared datum are taken as WGS 84, which a note says.

    Raises
    ------
    InputError
        When longitude and latitude are plainly exchanged.
    """
    if datum is not None:
        return check_datum(datum)
    if crs is not None:
        return label(parse_crs(crs))
    places = frame[["x", "y"]].iloc[:: max(1, len(frame) // _SAMPLE)].to_numpy(float)
    places = places[np.isfinite(places).all(axis=1)]
    if not len(places):
        return None
    low, high = np.quantile(places, [0.01, 0.99], axis=0)
    if are_degrees((*low, *high)):
        known.notes.append(
            Message(
                "Longitudes and latitudes are taken as WGS 84; declare --datum gcj02 for Amap "
                "or WeChat, bd09 for Baidu."
            )
        )
        return "wgs84"
    if are_degrees((low[1], low[0], high[1], high[0])):
        raise InputError(
            "`{spec}` seems to have longitude and latitude exchanged: latitudes reach "
            "{high:g}. Name them: `--x COLUMN --y COLUMN`.",
            spec=spec,
            high=high[1],
        )
    return None


def fill_places(
    frame: pd.DataFrame, known: Understanding, declared: str | None, crs: Any
) -> pd.DataFrame:
    """Give rows without x and y a place from columns whose headings name their datum.

    Parameters
    ----------
    frame : DataFrame
        With float columns ``x`` and ``y``.
    known : Understanding
        Gets a note for the rows that were filled.
    declared : str or None
        The datum of x and y; None when they are in `crs`.
    crs : CRS
        That of the grid.

    Returns
    -------
    DataFrame
    """
    x, y = frame["x"].to_numpy(float, copy=True), frame["y"].to_numpy(float, copy=True)
    for pair in _NAMED:
        if not {pair.x, pair.y} <= set(frame.columns):
            continue
        lng, lat = frame[pair.x].to_numpy(float), frame[pair.y].to_numpy(float)
        lost = ~(np.isfinite(x) & np.isfinite(y)) & np.isfinite(lng) & np.isfinite(lat)
        if not lost.any():
            continue
        assert pair.datum is not None
        place = positions_from(lng[lost], lat[lost], pair.datum, crs)
        if declared is not None:
            place = positions_to(*place, declared, crs)
        x[lost], y[lost] = place
        heading, count = known.columns[pair.x], int(lost.sum())
        known.notes.append(
            Message(
                "{count:,} {count:row has|rows have} a place only in {heading}; converted "
                "from {datum}.",
                count=count,
                heading=heading,
                datum=pair.datum,
            )
        )
    return frame.assign(x=x, y=y)


def true_crs(datum: str, crs: Any) -> Any:
    """Return the CRS to keep positions in: the one given, that of the datum, or WGS 84."""
    key = check_datum(datum)
    if crs is not None:
        return parse_crs(crs)
    return parse_crs(key if key.startswith("EPSG:") else 4326)


_POSITIONS_ASKED = 2000
_SERVICES = {
    "gcj02": ("高德", "腾讯", "微信", "火星", "gcj", "amap"),
    "bd09": ("百度", "baidu", "bd09"),
}


def crs_suspicions(crs: Any, extent: tuple[float, ...] | None, shaped: bool) -> list[Message]:
    if not shaped:
        return []
    if extent is None:
        return [Message("The layer has no features.")]
    if crs is None:
        return [
            Message("No CRS; declare it with --crs."),
            *axis_suspicions(extent, None),
        ]
    found = []
    if crs.is_projected and are_degrees(extent):
        found.append(
            Message(
                "The CRS {crs} is projected, but the coordinates look like degrees.", crs=label(crs)
            )
        )
    if crs.is_geographic and not are_degrees(extent):
        found.append(
            Message("The CRS {crs} is in degrees, but the coordinates are not.", crs=label(crs))
        )
    return found + axis_suspicions(extent, crs) + _needs_parameters(crs)


def axis_suspicions(extent: tuple[float, ...], crs: Any) -> list[Message]:
    """Suspect exchanged axes, and eastings with a zone number in front."""
    west, south, east, north = extent
    exchanged = Message("The axes seem exchanged (northing or latitude first).")
    if west >= 3 and east <= 54 and south >= 73 and north <= 136:
        return [exchanged]
    metric = crs is None or crs.is_projected
    if metric and west >= 1.5e6 and east <= 6.5e6 and south >= 1e5 and north <= 9e5:
        return [exchanged]
    if metric and west >= 2.4e7 and east <= 4.6e7 and (crs is None or _central(crs) < 1e6):
        zone = int(west // 1e6)
        return [
            Message(
                "Eastings begin with zone {zone}; declare a CRS with zone number, as "
                "EPSG:{zone_2}.",
                zone=zone,
                zone_2=4513 + zone - 25,
            )
        ]
    return []


def _central(crs: Any) -> float:
    """Return the false easting of a projected CRS."""
    operation = crs.coordinate_operation
    parameters = operation.params if operation is not None else []
    return next((float(p.value) for p in parameters if p.name == "False easting"), 0.0)


def _needs_parameters(crs: Any) -> list[Message]:
    try:
        mover(crs, 4326)
    except CRSError:
        return [
            Message(
                "{crs} cannot be transformed to CGCS2000 or WGS 84 without parameters.",
                crs=label(crs),
            )
        ]
    return []


def undeclared(extent: tuple[float, ...]) -> list[Message]:
    west, south, east, north = extent
    if not are_degrees(extent) or not in_shift_area((west + east) / 2, (south + north) / 2):
        return []
    return [
        Message(
            "The datum of these degrees is not stated: Amap and WeChat deliver gcj02, "
            "Baidu bd09; declare it with --datum."
        )
    ]


def service_suspicions(sample: pd.DataFrame) -> list[Message]:
    """Suspect a datum where a heading or a value names a map service."""
    words = {fold(column) for column in sample.columns}
    for position in range(sample.shape[1]):
        values = sample.iloc[:_POSITIONS_ASKED, position]
        if values.dtype.kind not in "iufbM" and values.nunique() <= 20:
            words.update(fold(value) for value in values.dropna().unique())
    found = {
        datum: next((name for name in names if any(name in word for word in words)), "")
        for datum, names in _SERVICES.items()
    }
    return [
        Message("It mentions {name}: perhaps {datum}.", name=name, datum=datum)
        for datum, name in found.items()
        if name
    ]
