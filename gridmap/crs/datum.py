"""From the datum that positions were delivered in to the true one, and back.

The shifts of Chinese map services, GCJ-02 and BD-09, are own code from the published
polynomial-and-sine form. A shift is a smooth function of the position, so its inverse is found by
fixed-point iteration: each step shrinks the error about a thousandfold. Positions outside
`shift_area` come back as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from gridmap._arrays import Bools, Floats
from gridmap._checks import as_seen, label
from gridmap.crs.project import Layer, in_shift_area, moved, mover, parse_crs, replace_geometry
from gridmap.errors import CRSError, InputError
from gridmap.language import Message

if TYPE_CHECKING:
    from gridmap._arrays import Reference


Pair = tuple[Floats, Floats]

DATUMS = ("wgs84", "cgcs2000", "gcj02", "bd09")

_KRASSOVSKY_A = 6378245.0
_KRASSOVSKY_E2 = 0.00669342162296594323
_BAIDU_TURN = np.pi * 3000.0 / 180.0
_BLOCK = 1 << 15  # positions shifted at once: temporaries stay in the cache
_STEPS = 12
_ENOUGH = 1e-12  # degrees: a ten-millionth of a metre
_TRIED = 20_000  # positions tried
_FOOT = 0.3048
_MANY = 20  # positions outside, below which nothing is concluded


def wgs84_to_gcj02(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Shift WGS 84 degrees to GCJ-02, the datum of Amap and WeChat.

    Parameters
    ----------
    lng, lat : array-like
        Degrees.

    Returns
    -------
    tuple of ndarray
        Shifted longitude and latitude.

    Examples
    --------
    >>> lng, lat = wgs84_to_gcj02(116.404, 39.915)
    >>> print(f"{lng:.8f} {lat:.8f}")
    116.41024450 39.91640428
    """
    return _in_blocks(lambda x, y: _where_shifted(x, y, *_gcj02(x, y)), lng, lat)


def gcj02_to_wgs84(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Take the GCJ-02 shift back, to less than a micrometre."""
    return _in_blocks(lambda x, y: _unshifted(x, y, _gcj02), lng, lat)


def wgs84_to_bd09(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Shift WGS 84 degrees to BD-09, the datum of Baidu."""
    return _in_blocks(lambda x, y: _where_shifted(x, y, *_bd09(x, y)), lng, lat)


def bd09_to_wgs84(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Take the BD-09 shift back, to less than a micrometre."""
    return _in_blocks(lambda x, y: _unshifted(x, y, _bd09), lng, lat)


def gcj02_to_bd09(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Shift GCJ-02 degrees on to BD-09.

    Examples
    --------
    >>> lng, lat = gcj02_to_bd09(116.404, 39.915)
    >>> print(f"{lng:.8f} {lat:.8f}")
    116.41036949 39.92133699
    """
    return _in_blocks(_gcj02_to_bd09, lng, lat)


def bd09_to_gcj02(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Take the second shift of BD-09 back, leaving GCJ-02."""
    return _in_blocks(_bd09_to_gcj02, lng, lat)


def _gcj02_to_bd09(lng: Floats, lat: Floats) -> Pair:
    true = _invert(lng, lat, _gcj02)
    return _where(in_shift_area(*true), _baidu(lng, lat), (lng, lat))


def _bd09_to_gcj02(lng: Floats, lat: Floats) -> Pair:
    true = _invert(lng, lat, _bd09)
    return _where(in_shift_area(*true), _invert(lng, lat, _baidu), (lng, lat))


def _gcj02(lng: Floats, lat: Floats) -> Pair:
    """Return GCJ-02 of WGS 84, wherever it is."""
    x, y = lng - 105.0, lat - 35.0
    turn_x, turn_y = x * np.pi, y * np.pi
    root = np.sqrt(np.abs(x))
    ripple = 20.0 * np.sin(6.0 * turn_x) + 20.0 * np.sin(2.0 * turn_x)
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (ripple + _waves(turn_x, 150.0, 300.0, 30.0)) * (2.0 / 3.0)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (ripple + _waves(turn_y, 160.0, 320.0, 30.0)) * (2.0 / 3.0)
    angle = np.radians(lat)
    w = 1.0 - _KRASSOVSKY_E2 * np.sin(angle) ** 2
    root_w = np.sqrt(w)
    east_radius = _KRASSOVSKY_A / root_w * np.cos(angle)
    north_radius = _KRASSOVSKY_A * (1.0 - _KRASSOVSKY_E2) / (w * root_w)
    return lng + np.degrees(east / east_radius), lat + np.degrees(north / north_radius)


def _waves(turn: Floats, third: float, last: float, length: float) -> Floats:
    return np.asarray(
        20.0 * np.sin(turn)
        + 40.0 * np.sin(turn / 3.0)
        + third * np.sin(turn / 12.0)
        + last * np.sin(turn / length)
    )


def _baidu(lng: Floats, lat: Floats) -> Pair:
    """Return BD-09 of GCJ-02, wherever it is."""
    radius = np.hypot(lng, lat) + 0.00002 * np.sin(lat * _BAIDU_TURN)
    angle = np.arctan2(lat, lng) + 0.000003 * np.cos(lng * _BAIDU_TURN)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def _bd09(lng: Floats, lat: Floats) -> Pair:
    return _baidu(*_gcj02(lng, lat))


def _invert(lng: Floats, lat: Floats, shift: Callable[[Floats, Floats], Pair]) -> Pair:
    """Find the position that `shift` brings to (lng, lat)."""
    x, y = lng.copy(), lat.copy()
    for _ in range(_STEPS):
        shifted_x, shifted_y = shift(x, y)
        error_x, error_y = shifted_x - lng, shifted_y - lat
        x -= error_x
        y -= error_y
        if not np.any((np.abs(error_x) > _ENOUGH) | (np.abs(error_y) > _ENOUGH)):
            break
    return x, y


def _unshifted(lng: Floats, lat: Floats, shift: Callable[[Floats, Floats], Pair]) -> Pair:
    true = _invert(lng, lat, shift)
    return _where(in_shift_area(*true), true, (lng, lat))


def _where_shifted(lng: Floats, lat: Floats, new_lng: Floats, new_lat: Floats) -> Pair:
    return _where(in_shift_area(lng, lat), (new_lng, new_lat), (lng, lat))


def _where(choose: Bools, one: Pair, other: Pair) -> Pair:
    return np.where(choose, one[0], other[0]), np.where(choose, one[1], other[1])


def _in_blocks(
    shift: Callable[[Floats, Floats], Pair], lng: npt.ArrayLike, lat: npt.ArrayLike
) -> Pair:
    x, y = np.broadcast_arrays(np.asarray(lng, np.float64), np.asarray(lat, np.float64))
    shape = x.shape
    x, y = x.ravel(), y.ravel()
    out_x, out_y = np.empty_like(x), np.empty_like(y)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for start in range(0, len(x), _BLOCK):
            part = slice(start, start + _BLOCK)
            out_x[part], out_y[part] = shift(x[part], y[part])
    return out_x.reshape(shape)[()], out_y.reshape(shape)[()]


_UNSHIFT: dict[str, Callable[[npt.ArrayLike, npt.ArrayLike], Pair]] = {
    "gcj02": gcj02_to_wgs84,
    "bd09": bd09_to_wgs84,
}
_SHIFT: dict[str, Callable[[npt.ArrayLike, npt.ArrayLike], Pair]] = {
    "gcj02": wgs84_to_gcj02,
    "bd09": wgs84_to_bd09,
}


def from_datum(points: Layer, datum: str, *, crs: Reference = 4326) -> Layer:
    """Move geometries from the datum they were delivered in to a true CRS.

    Parameters
    ----------
    points : GeoDataFrame or GeoSeries
        Geometries whose coordinates are in `datum`; what CRS they claim is not looked at, except
        that a projected one is refused for ``gcj02`` and ``bd09``, which are degrees.
    datum : str
        ``wgs84``, ``cgcs2000``, ``gcj02`` (Amap, WeChat), ``bd09`` (Baidu) or ``EPSG:n``.
    crs : CRS
        Where to: WGS 84 degrees unless told otherwise.

    Returns
    -------
    GeoDataFrame or GeoSeries
        A new one on the same index, in `crs`.

    Raises
    ------
    InputError
        When the datum is unknown, or the coordinates cannot be in it.
    CRSError
        When the transform would be a guess.

    Examples
    --------
    >>> import geopandas as gpd
    >>> amap = gpd.GeoSeries.from_xy([116.41024449916938], [39.91640428150164])
    >>> print(f'{from_datum(amap, "gcj02").x[0]:.6f}')
    116.404000
    """
    key = check_datum(datum)
    _refuse_projected(points, key)
    there = moved(points.geometry, lambda x, y: positions_from(x, y, key, crs))
    return replace_geometry(points, there, parse_crs(crs))


def to_datum(points: Layer, datum: str) -> Layer:
    """Move geometries from their true CRS to a datum, as for showing them on a web map.

    Parameters
    ----------
    points : GeoDataFrame or GeoSeries
        Geometries with a CRS.
    datum : str
        As for `from_datum`.

    Returns
    -------
    GeoDataFrame or GeoSeries
        A new one on the same index. Shifted coordinates have no CRS, as none describes them.
    """
    key = check_datum(datum)
    if points.crs is None:
        raise CRSError("`points` has no CRS. Declare it: `points.set_crs(4326)`.")
    there = moved(points.geometry, lambda x, y: positions_to(x, y, key, points.crs))
    return replace_geometry(points, there, None if key in _SHIFT else _system(key))


def positions_from(x: npt.ArrayLike, y: npt.ArrayLike, datum: str, crs: Any = 4326) -> Pair:
    """Move arrays of positions from a datum to a CRS; what is not finite becomes NaN."""
    key = check_datum(datum)
    x, y = _finite(x, y)
    if key in _UNSHIFT:
        return mover(4326, crs)(*_UNSHIFT[key](x, y))
    return mover(_system(key), crs)(x, y)


def positions_to(x: npt.ArrayLike, y: npt.ArrayLike, datum: str, crs: Any = 4326) -> Pair:
    """Move arrays of positions from a CRS to a datum."""
    key = check_datum(datum)
    x, y = _finite(x, y)
    if key in _SHIFT:
        return _SHIFT[key](*mover(crs, 4326)(x, y))
    return mover(crs, _system(key))(x, y)


_ALSO = {
    "wgs84": ("wgs1984", "gps", "crs84", "ogc:crs84"),
    "cgcs2000": ("cgcs", "国家2000", "2000国家", "2000国家大地", "国家大地2000", "大地2000",
                 "国家大地", "cgcs2000国家大地", "天地图", "tianditu"),
    "gcj02": ("gcj", "gcj2", "火星", "国测局", "高德", "高德地图", "腾讯", "腾讯地图", "微信",
              "amap", "gaode", "autonavi", "tencent", "mars", "wechat"),
    "bd09": ("bd09ll", "bd9", "bd", "百度", "百度地图", "百度09", "baidu", "baidumap"),
}  # fmt: skip
"""What people call the datums beside their names; Baidu's metres (bd09mc) are none of them."""


def check_datum(datum: str) -> str:
    """Return the datum's canonical name, as gcj02 or EPSG:4547, or refuse it with the names.

    Examples
    --------
    >>> check_datum("百度坐标系"), check_datum("GCJ-02"), check_datum("高德")
    ('bd09', 'gcj02', 'gcj02')

    Raises
    ------
    InputError
        When it is none of the known names and no EPSG code.
    """
    seen = unicodedata.normalize("NFKC", as_seen(datum)).lower()
    key = re.sub(r"[\s_.()-]|(坐标|座标|坐標|座標|经纬度|經緯度)(系|系统)?", "", seen)
    key = key.replace("國測局", "国测局").replace("國家", "国家").replace("地圖", "地图")
    for name, others in _ALSO.items():
        if key in (name, *others):
            return name
    if key.startswith("epsg"):
        return label(parse_crs("EPSG:" + key[4:].lstrip(":").upper(), name="datum"))
    raise InputError(
        "`datum` is {datum!r}; write one of {datums} or EPSG:n, as EPSG:4547.",
        datum=datum,
        datums=[*DATUMS],
    )


@dataclass(frozen=True)
class DatumAlarm:
    """Too many positions lie outside, and another datum would fit better.

    Attributes
    ----------
    declared : str
        The datum that was declared.
    outside : float
        Share of positions outside under the declared datum.
    fits : str
        The datum that fits best; ``swapped`` when x and y seem exchanged.
    outside_then : float
        Share of positions outside under that one.
    """

    declared: str
    outside: float
    fits: str
    outside_then: float

    def message(self) -> Message:
        """Return the alarm as one line with its cure."""
        said = FITS
        if self.fits == "swapped":
            said = SWAPPED
        return said(
            outside=self.outside, declared=self.declared, then=self.outside_then, fits=self.fits
        )


FITS = Message(
    "{outside:.1%} of the points lie outside the jurisdiction as {declared}, but {then:.1%} would "
    "as {fits}. Find out which it is, then declare `--datum {fits}`."
)
EXCHANGE = Message(
    "exchange `--x` and `--y`, or of points in one column declare the other `--point-order`"
)
SWAPPED = Message(
    "{outside:.1%} of the points lie outside the jurisdiction as {declared}, but {then:.1%} with x "
    "and y exchanged: if so, {exchange}.",
    exchange=EXCHANGE,
)


def datum_alarm(
    x: npt.ArrayLike, y: npt.ArrayLike, boundary: Any, crs: Any, *, declared: str = "wgs84"
) -> DatumAlarm | None:
    """Ask whether the share of points outside looks like a mistaken datum.

    Nothing is changed: a datum is declared by people, never guessed.

    Parameters
    ----------
    x, y : array-like
        Positions as delivered.
    boundary : shapely geometry
        The jurisdiction, in `crs`.
    crs : CRS
        Of the boundary.
    declared : str
        The datum that was declared for the positions.

    Returns
    -------
    DatumAlarm or None
        None when few points lie outside, or no other datum would put clearly more inside.
    """
    x, y = _finite(x, y)
    known = np.isfinite(x)
    x, y = x[known], y[known]
    if not len(x):
        return None
    shapely.prepare(boundary)

    def outside(a: Floats, b: Floats, datum: str) -> int:
        return int((~shapely.intersects_xy(boundary, *positions_from(a, b, datum, crs))).sum())

    declared = check_datum(declared)
    now = outside(x, y, declared)
    if now < _MANY and now < len(x) / 2:
        return None
    rivals = _rivals(x, y, declared)
    if not rivals:
        return None
    then, fits = min(
        (outside(*((y, x) if name == "swapped" else (x, y)), datum), name) for name, datum in rivals
    )
    if then > now / 2 or now - then < 0.01 * len(x):
        return None
    return DatumAlarm(declared, now / len(x), fits, then / len(x))


def _rivals(x: Floats, y: Floats, declared: str) -> list[tuple[str, str]]:
    """Return the readings that could be tried: (name, datum)."""
    degrees = bool((np.abs(x) <= 180).all() and (np.abs(y) <= 90).all())
    rivals = [("swapped", declared)]
    if degrees:
        rivals += [(d, d) for d in ("wgs84", "gcj02", "bd09") if d != declared]
    if declared == "cgcs2000":  # the same positions
        rivals = [(name, datum) for name, datum in rivals if name != "wgs84"]
    return rivals


def _system(key: str) -> Any:
    return parse_crs({"wgs84": 4326, "cgcs2000": 4490}.get(key, key))


def _finite(x: npt.ArrayLike, y: npt.ArrayLike) -> Pair:
    x, y = np.array(x, np.float64), np.array(y, np.float64)
    bad = ~(np.isfinite(x) & np.isfinite(y))
    return np.where(bad, np.nan, x), np.where(bad, np.nan, y)


def _refuse_projected(points: Any, key: str) -> None:
    if key in _UNSHIFT and points.crs is not None and points.crs.is_projected:
        raise InputError(
            "`points` is in {crs}, but {key} {key:position is|positions are} degrees. "
            "Hand in the longitudes and latitudes as delivered.",
            crs=label(points.crs),
            key=key,
        )


def likely_cause(
    x: npt.ArrayLike, y: npt.ArrayLike, boundary: Any, crs: Any, *, declared: str = ""
) -> Message | None:
    """Tell why no position lies in the jurisdiction, when one way of writing would put them there.

    Parameters
    ----------
    x, y : array-like
        Positions as delivered.
    boundary : shapely geometry
        The jurisdiction, in `crs`.
    crs : CRS
        Of the boundary.
    declared : str
        What the positions were declared to be in, which is no cure then.

    Returns
    -------
    Message or None
        The cause with its cure; None, too, when they lie about the jurisdiction as declared.

    Examples
    --------
    >>> import shapely
    >>> area = shapely.box(430_000, 3_370_000, 470_000, 3_400_000)
    >>> str(likely_cause([38_440_000.0], [3_380_000.0], area, parse_crs(4547)))
    'eastings begin with the zone 38: declare `datum="EPSG:4526"`'
    """
    east, north = _finite(x, y)
    known = np.isfinite(east) & np.isfinite(north)
    a, b = east[known][:_TRIED], north[known][:_TRIED]
    if not len(a):
        return None
    crs = parse_crs(crs)
    metres, degrees = shapely.bounds(boundary), _in_degrees(boundary, crs)
    zone = int(np.median(a) // 1e6)
    other = int(np.median(b) // 1e6)
    named = f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else "EPSG:n"
    tries: list[tuple[Any, Any, Any, Message]] = [
        (a, b, metres, Message("they are in the CRS of the grid: declare `--datum {named}`")),
        (a, b, degrees, Message("they are degrees: declare `--datum wgs84`")),
        (b, a, metres, Message("northing and easting are exchanged: {exchange}")),
        (b, a, degrees, Message("longitude and latitude are exchanged: {exchange}")),
        (a - zone * 1e6, b, metres, _zoned(zone)),
        (b - other * 1e6, a, metres, _zoned(other, exchanged=True)),
        (_sexagesimal(a, 100), _sexagesimal(b, 100), degrees,
         Message("they are degrees and minutes (11336.13 is 113°36.13′): write decimal degrees")),
        (_sexagesimal(a, 10_000), _sexagesimal(b, 10_000), degrees,
         Message("they are degrees, minutes, seconds (1133608 is 113°36′08″): write degrees")),
        (-a, b, degrees, Message("the longitudes lack their minus sign (71.1 W is -71.1)")),
        (a, -b, degrees, Message("the latitudes lack their minus sign (33.9 S is -33.9)")),
        (a * _FOOT, b * _FOOT, metres,
         Message("they are in feet: declare their CRS, `--datum EPSG:n`")),
    ]  # fmt: skip
    tries += [
        (a / size, b / size, degrees,
         Message("they are degrees times {size:,}: divide by {size:,}", size=size))
        for size in (10**5, 10**6, 10**7)
    ]  # fmt: skip
    found = [i for i, (u, v, bounds, _) in enumerate(tries) if _share_within(u, v, bounds) > 0.5]
    known_as = {named: 0, **dict.fromkeys(("wgs84", "cgcs2000", "gcj02", "bd09"), 1)}.get(declared)
    if not found or known_as in found:
        return None
    return tries[found[0]][3](named=named, exchange=EXCHANGE)


def _zoned(zone: int, *, exchanged: bool = False) -> Message:
    code = f"EPSG:{4513 + zone - 25}" if 25 <= zone <= 45 else "EPSG:n"
    told = Message("eastings begin with the zone {zone}: declare `--datum {code}`")
    if exchanged:
        told = Message(
            "eastings begin with the zone {zone} and stand second: declare `--datum {code}`, and "
            "{exchange}"
        )
    return told(zone=zone, code=code, exchange=EXCHANGE)


def _sexagesimal(values: Floats, unit: int) -> Floats:
    """Read 11336.13 (unit 100) or 1133608 (unit 10,000) as degrees; NaN where minutes exceed 60."""
    degrees, rest = np.divmod(np.abs(values), unit)
    minutes, seconds = (rest, 0.0) if unit == 100 else np.divmod(rest, 100)
    whole = degrees + minutes / 60 + seconds / 3600
    return np.where((minutes < 60) & (degrees > 0), np.sign(values) * whole, np.nan)


def _in_degrees(boundary: Any, crs: Any) -> Any:
    west, south, east, north = shapely.bounds(boundary)
    ring = np.array([(west, south), (east, south), (east, north), (west, north)]).T
    lng, lat = mover(crs, 4326)(*ring)
    return np.array([np.min(lng), np.min(lat), np.max(lng), np.max(lat)])


def _share_within(x: Floats, y: Floats, bounds: Any) -> float:
    """Return the share of positions in a box, half as large again."""
    west, south, east, north = bounds
    wide, high = (east - west) / 4, (north - south) / 4
    with np.errstate(invalid="ignore"):
        inside = (x >= west - wide) & (x <= east + wide) & (y >= south - high) & (y <= north + high)
    return float(np.mean(inside))
