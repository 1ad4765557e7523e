"""Coordinates: which columns hold them, in which datum, and what looks wrong about them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gridmap._arrays import Floats
from gridmap._checks import label
from gridmap.crs.datum import EXCHANGE, check_datum, positions_from, positions_to
from gridmap.crs.project import in_shift_area, lacks_parameters, parse_crs  # fmt: skip
from gridmap.errors import InputError
from gridmap.io.columns import called
from gridmap.io.point_text import PointColumn, PointOrder, find_point_column, holds_shapes
from gridmap.io.text import fold
from gridmap.io.vector import are_degrees
from gridmap.language import Message

Spec = str | os.PathLike[str]
UNDECLARED = Message(
    "Longitudes and latitudes are taken as WGS 84; declare `--datum gcj02` for Amap or WeChat, "
    "bd09 for Baidu."
)


class Pair(NamedTuple):
    """Two columns of coordinates, and the datum that their headings name."""

    x: str
    y: str
    datum: str | None = None


class Places(NamedTuple):
    """Which columns hold the positions: a pair, or one column of points as text.

    ``others`` are pairs whose headings name a datum, for rows that lack the first.
    """

    pair: Pair | None
    points: PointColumn | None
    others: tuple[Pair, ...] = ()


_SAMPLE = 8_000  # places by which degrees are known, fewer than the smallest batch
_VALUE = re.compile(r"[-+]?\d+(\.\d+)?(_\d+)?")  # a heading that is none
_TRIED = 200  # values by which a column of points is known
_SHOWN = 60  # letters of a text that is no point
_SEEN = 2000  # values in which the name of a map service is looked for
_DEGREES, _METRES = Pair("lng", "lat"), Pair("x", "y")
_NAMED = (Pair("gcj02_lng", "gcj02_lat", "gcj02"), Pair("bd09_lng", "bd09_lat", "bd09"))
_SERVICES = {
    "gcj02": ("高德", "腾讯", "微信", "火星", "gcj", "amap"),
    "bd09": ("百度", "baidu", "bd09"),
}


def find_places(
    headings: Mapping[str, str],
    sample: Mapping[str, Sequence[object]],
    spec: Spec,
    *,
    named: tuple[str | None, str | None] = (None, None),
    datum: str | None = None,
    order: PointOrder | None = None,
    needed: bool = True,
) -> Places:
    """Find the columns that hold the positions of incidents, as all commands do.

    Parameters
    ----------
    headings : mapping of field to heading
        How the columns were understood.
    sample : mapping of heading to values
        Every column, with its first values.
    spec : str or path
        What to call the file in an error.
    named : (str, str)
        The columns that the user named; the first alone is one of points as text.
    datum : str, optional
        What the user declared; of degrees and metres side by side it says which is meant.
    order : str, optional
        ``lnglat`` or ``latlng``, of two numbers in one column.
    needed : bool
        Whether a file without places is refused.

    Returns
    -------
    Places
        Of headings; both empty where there are none.

    Raises
    ------
    InputError
        When there are none although needed, or several.
    """
    others = tuple(
        Pair(headings[pair.x], headings[pair.y], pair.datum)
        for pair in _NAMED
        if {pair.x, pair.y} <= set(headings)
    )
    if named[0] is not None:
        named = (called(named[0], [*sample]), named[1] and called(named[1], [*sample]))
        _check_named(named, sample, spec)
        if named[1] is not None:
            return Places(Pair(named[0], named[1]), None, others)
        sample = {named[0]: sample[named[0]]}
    else:
        found = [pair for pair in (_DEGREES, _METRES) if {pair.x, pair.y} <= set(headings)]
        if len(found) == 2 and datum is not None:
            found = [_METRES if _is_projected(datum) else _DEGREES]
        plain = [Pair(headings[pair.x], headings[pair.y]) for pair in found]
        for pairs in (plain, list(others)):
            if pairs:
                return Places(_only(pairs, spec), None, others)
    points = find_point_column((name, values[:_TRIED]) for name, values in sample.items())
    if points is not None:
        return Places(None, points._replace(order=order or points.order), others)
    if named[0] is not None:
        raise InputError(
            "Column {name!r} holds no points that can be read, as {value!r}. Name two columns, "
            "`--x COLUMN --y COLUMN`, or write each point as 121.5,25.0, the longitude first.",
            name=named[0],
            value=str(next(filter(None, sample[named[0]]), ""))[:_SHOWN],
        )
    if needed:
        _refuse(sample, spec)
    return Places(None, None)


def _only(pairs: Sequence[Pair], spec: Spec) -> Pair:
    """Return the one pair of columns; of several the user must say which."""
    if len(pairs) > 1:
        a, b = ([pair.x, pair.y] for pair in pairs)
        raise InputError(
            "`{spec}` has coordinates in {a}, and in {b}. Say which: `--x {x} --y {y}`.",
            spec=spec,
            a=a,
            b=b,
            x=pairs[0].x,
            y=pairs[0].y,
        )
    return pairs[0]


def _check_named(
    named: tuple[str | None, str | None], sample: Mapping[str, Sequence[object]], spec: Spec
) -> None:
    for name in named:
        if name is not None and name not in sample:
            raise InputError(
                "`{spec}` has no column {name!r}; it has {sample}. Name the columns of the "
                "coordinates with --x and --y.",
                spec=spec,
                name=name,
                sample=[*sample],
            )


def _is_projected(datum: str) -> bool:
    key = check_datum(datum)
    return key.startswith("EPSG:") and not parse_crs(key).is_geographic


def _refuse(sample: Mapping[str, Sequence[object]], spec: Spec) -> None:
    shaped = next((name for name, values in sample.items() if holds_shapes(values[:_TRIED])), None)
    if shaped is not None:
        raise InputError(
            "`{spec}` has lines or areas as text in column {shaped!r}, which are no "
            "points. Make a layer of it: in QGIS Add Delimited Text Layer, then export it "
            "as GeoPackage.",
            spec=spec,
            shaped=shaped,
        )
    if sum(bool(_VALUE.fullmatch(name)) for name in sample) > 1:
        raise InputError(
            "`{spec}` has no headings: where they should stand it has {sample}. Put a row of "
            "headings above the records, as id,lng,lat.",
            spec=spec,
            sample=[*sample],
        )
    raise InputError(
        "`{spec}` has no coordinates among {sample}. Name the columns: `--x COLUMN "
        "--y COLUMN`, or `--x COLUMN` alone for points in one column, as 121.5,25.0.",
        spec=spec,
        sample=[*sample],
    )


def declared_datum(
    x: Floats, y: Floats, datum: str | None, crs: Any, spec: Spec
) -> tuple[str | None, list[Message]]:
    """Return the datum of columns of coordinates, None when it is that of the grid.

    Degrees without a declared datum are taken as WGS 84, which a note says. The first rows tell
    what degrees are, whether a file streams or is read whole.

    Raises
    ------
    InputError
        When longitude and latitude are plainly exchanged.
    """
    if datum is not None:
        return check_datum(datum), []
    if crs is not None:
        return label(parse_crs(crs)), []
    places = np.column_stack([x[:_SAMPLE], y[:_SAMPLE]])
    places = places[np.isfinite(places).all(axis=1)]
    if not len(places):
        return None, []
    low, high = np.quantile(places, [0.01, 0.99], axis=0)
    if are_degrees((*low, *high)):
        return "wgs84", [UNDECLARED]
    if are_degrees((low[1], low[0], high[1], high[0])):
        raise InputError(
            "`{spec}` seems to have longitude and latitude exchanged: latitudes reach "
            "{high:g}; {exchange}.",
            exchange=EXCHANGE,
            spec=spec,
            high=high[1],
        )
    return None, []


def fill_places(
    x: Floats,
    y: Floats,
    others: Sequence[tuple[Floats, Floats, str]],
    declared: str | None,
    crs: Any,
) -> tuple[Floats, Floats, dict[str, int]]:
    """Give rows without x and y a place from columns whose headings name their datum.

    Parameters
    ----------
    x, y : float arrays
        As delivered, NaN where there is none.
    others : sequence of (x, y, datum)
        More positions of the same rows.
    declared : str or None
        The datum of x and y; None when they are in `crs`.
    crs : CRS
        That of the grid.

    Returns
    -------
    x, y : float arrays
    counts : dict of str to int
        How many rows were filled from each datum.
    """
    x, y, counts = x.copy(), y.copy(), dict[str, int]()
    for lng, lat, datum in others:
        lost = ~(np.isfinite(x) & np.isfinite(y)) & np.isfinite(lng) & np.isfinite(lat)
        if not lost.any():
            continue
        place = positions_from(lng[lost], lat[lost], datum, crs)
        if declared is not None:
            place = positions_to(*place, declared, crs)
        x[lost], y[lost] = place
        counts[datum] = int(lost.sum())
    return x, y, counts


def note_filled(heading: str, datum: str, count: int) -> Message:
    """Tell how many rows have their place only in columns of another datum."""
    return Message(
        "{count:,} {count:row has|rows have} a place only in {heading}; converted from {datum}.",
        count=count,
        heading=heading,
        datum=datum,
    )


def true_crs(datum: str, crs: Any) -> Any:
    """Return the CRS to keep positions in: the one given, that of the datum, or WGS 84."""
    key = check_datum(datum)
    if crs is not None:
        return parse_crs(crs)
    return parse_crs(key if key.startswith("EPSG:") else 4326)


def crs_suspicions(crs: Any, extent: tuple[float, ...] | None) -> list[Message]:
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
    if lacks_parameters(crs):
        found.append(
            Message(
                "{crs} cannot be transformed to CGCS2000 or WGS 84 without parameters.",
                crs=label(crs),
            )
        )
    return found + axis_suspicions(extent, crs)


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


def undeclared(extent: tuple[float, ...]) -> list[Message]:
    west, south, east, north = extent
    if not are_degrees(extent) or not in_shift_area((west + east) / 2, (south + north) / 2):
        return []
    return [UNDECLARED]


def service_suspicions(sample: pd.DataFrame) -> list[Message]:
    """Suspect a datum where a heading or a value names a map service."""
    words = {fold(column) for column in sample.columns}
    for position in range(sample.shape[1]):
        values = sample.iloc[:_SEEN, position]
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
