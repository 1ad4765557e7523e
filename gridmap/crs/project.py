"""Between coordinate reference systems, and which one to measure in.

Transforms that PROJ would only guess ("ballpark") are refused. WGS 84 and CGCS2000 are realisations
of the same frame, decimetres apart, and are taken as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from pyproj.enums import TransformDirection
from pyproj.exceptions import CRSError as ProjCRSError
from pyproj.exceptions import ProjError

from gridmap._arrays import Bools, Floats, Geometries, geometries
from gridmap._checks import label
from gridmap.errors import CRSError, InputError

if TYPE_CHECKING:
    import geopandas as gpd

    from gridmap._arrays import Frame, Reference


Layer = TypeVar("Layer", "gpd.GeoDataFrame", "gpd.GeoSeries")
Move = Callable[[Floats, Floats], tuple[Floats, Floats]]

_ONE_FRAME = ("World Geodetic System 1984", "China 2000", "China Geodetic Coordinate System 2000")
_NEEDS_PARAMETERS = ("Xian 1980", "Beijing 1954", "New Beijing")


def metric_crs(where: Frame | Sequence[float]) -> pyproj.CRS:
    """Choose the projected CRS in which to measure a place.

    In China the 3° CGCS2000 Gauss–Krüger zone without zone number (EPSG:4534 to 4554), elsewhere
    the UTM zone of WGS 84; the zone is that of the middle of the bounds.

    Parameters
    ----------
    where : GeoDataFrame, GeoSeries or (west, south, east, north)
        Geometries with a CRS, or bounds in degrees.

    Returns
    -------
    pyproj.CRS

    Raises
    ------
    CRSError
        When the geometries have no CRS.
    InputError
        When there is nothing to measure, or the bounds are no degrees.

    Examples
    --------
    >>> metric_crs((113.5, 34.6, 113.8, 34.9)).to_epsg()  # Zhengzhou
    4547
    >>> metric_crs((-71.2, 42.3, -71.0, 42.4)).to_epsg()  # Boston
    32619
    """
    west, south, east, north = _bounds_in_degrees(where)
    lng, lat = (west + east) / 2, (south + north) / 2
    if bool(in_shift_area(lng, lat)):
        return pyproj.CRS.from_epsg(4534 + round(lng / 3) - 25)
    zone = min(int((lng + 180) // 6) + 1, 60)
    return pyproj.CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)


def parse_crs(text: Any, *, name: str = "crs") -> pyproj.CRS:
    """Return the CRS that a text, number or CRS names.

    Raises
    ------
    CRSError
        When nothing is known by that name.
    """
    try:
        return pyproj.CRS.from_user_input(int(text) if str(text).isdigit() else text)
    except (ProjCRSError, OverflowError) as error:
        raise CRSError(
            "`{name}` is {text!r}, which names no CRS. Write EPSG:4547, WKT or a PROJ string.",
            name=name,
            text=text,
        ) from error


def mover(source: Any, target: Any) -> Move:
    """Return a function that moves arrays of (x, y) from one CRS to another.

    The order is always east, north, or longitude, latitude, whatever the CRS says of itself.

    Raises
    ------
    CRSError
        When only a guess would be possible: then parameters are needed.
    """
    return _mover(parse_crs(source), parse_crs(target))


@lru_cache(maxsize=64)
def transformer(source: Any, target: Any) -> pyproj.Transformer:
    """Return what moves places, east first, from one CRS to another; making one is slow.

    Raises
    ------
    CRSError
        When nothing leads there, as from a system of one site, or from a damaged definition.
    """
    try:
        return pyproj.Transformer.from_crs(source, target, always_xy=True)
    except ProjError as error:
        raise CRSError(
            "{crs} cannot be transformed to {crs_2} ({reason}). Declare the CRS that the "
            "coordinates are in: `--crs EPSG:4547`.",
            crs=label(pyproj.CRS(source)),
            crs_2=label(pyproj.CRS(target)),
            reason=" ".join(str(error).split()).rstrip("."),
        ) from error


def reproject(frame: Layer, target: Reference | None) -> Layer:
    """Move a frame or series of geometries to another CRS, vertex by vertex.

    Unlike ``to_crs``, a guessed (ballpark) transform is refused, and WGS 84 and CGCS2000 are one.

    Parameters
    ----------
    frame : GeoDataFrame or GeoSeries
        Geometries with a CRS.
    target : CRS
        As `pyproj.CRS.from_user_input` takes it.

    Returns
    -------
    GeoDataFrame or GeoSeries
        A new one on the same index.
    """
    target = parse_crs(target)
    if frame.crs is None:
        raise CRSError("`frame` has no CRS, so it cannot be moved. Declare it: `--crs EPSG:4547`.")
    if frame.crs == target:
        return frame.copy()
    return replace_geometry(frame, moved(frame.geometry, mover(frame.crs, target)), target)


def moved(shapes: object, move: Move) -> Geometries:
    """Return a column of geometries with each vertex moved."""

    def both(xy: Floats) -> Floats:
        return np.column_stack(move(xy[:, 0], xy[:, 1]))

    return geometries(shapely.transform(geometries(shapes), both))


def replace_geometry(frame: Layer, geometry: Geometries, crs: Any) -> Layer:
    """Return a copy of a frame or series with other geometries in another CRS."""
    import geopandas as gpd

    name = frame.geometry.name
    fresh = gpd.GeoSeries(geometry, index=frame.index, crs=crs, name=name)
    if isinstance(frame, gpd.GeoSeries):
        return fresh
    return frame.set_geometry(fresh).set_crs(crs, allow_override=True)


@lru_cache(maxsize=64)
def _mover(source: pyproj.CRS, target: pyproj.CRS) -> Move:
    if source == target:
        return lambda x, y: (np.array(x, float), np.array(y, float))
    if _frame(source) == _frame(target):
        return _chain(_inside(source), _inside(target, inverse=True))
    _refuse_without_parameters(source, target)
    world = pyproj.CRS.from_epsg(4326)
    return _chain(_to_world(source, world), _to_world(target, world, inverse=True))


def _chain(first: Move, then: Move) -> Move:
    return lambda x, y: then(*first(x, y))


def _inside(crs: pyproj.CRS, *, inverse: bool = False) -> Move:
    """Return the step from a CRS to the degrees of its own datum."""
    degrees = crs.geodetic_crs
    if crs.is_geographic or degrees is None:
        return lambda x, y: (np.asarray(x, float), np.asarray(y, float))
    return _step(transformer(crs, degrees), inverse)


def _to_world(crs: pyproj.CRS, world: pyproj.CRS, *, inverse: bool = False) -> Move:
    """Return the step from a CRS to WGS 84 degrees."""
    if _frame(crs) == _frame(world):
        return _inside(crs, inverse=inverse)
    try:
        exact = pyproj.Transformer.from_crs(crs, world, always_xy=True, allow_ballpark=False)
    except ProjError as error:
        raise _no_parameters(crs) from error
    return _step(exact, inverse)


def _step(transformer: pyproj.Transformer, inverse: bool) -> Move:
    direction = TransformDirection.INVERSE if inverse else TransformDirection.FORWARD

    def move(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        east, north = transformer.transform(x, y, direction=direction)
        return np.asarray(east, float), np.asarray(north, float)

    return move


def _frame(crs: pyproj.CRS) -> str:
    """Return the name of a CRS's geodetic frame; one name for WGS 84 and CGCS2000."""
    if crs.is_bound:
        return crs.to_wkt()
    datum = crs.datum.name if crs.datum is not None else crs.name
    return _ONE_FRAME[0] if datum.startswith(_ONE_FRAME) else datum


def _refuse_without_parameters(*systems: pyproj.CRS) -> None:
    for crs in systems:
        if not crs.is_bound and _frame(crs).startswith(_NEEDS_PARAMETERS):
            raise _no_parameters(crs)


def lacks_parameters(crs: pyproj.CRS) -> bool:
    """Tell whether a CRS says nothing of where on the earth its coordinates are."""
    try:
        mover(crs, 4326)
    except CRSError:
        return True
    return False


def _no_parameters(crs: pyproj.CRS) -> CRSError:
    return CRSError(
        "{crs} ({crs_2}) cannot be transformed without parameters: a guess would be "
        "off by tens of metres. Give a PROJ string with +towgs84=… (`--crs`), or have the data "
        "office transform the file to CGCS2000.",
        crs=label(crs),
        crs_2=_frame(crs),
    )


def _bounds_in_degrees(where: Any) -> tuple[float, float, float, float]:
    if hasattr(where, "total_bounds"):
        if where.crs is None:
            raise CRSError("`where` has no CRS. Declare it: `where.set_crs(4326)`.")
        west, south, east, north = (float(v) for v in where.total_bounds)
        if np.isfinite([west, south, east, north]).all():
            x, y = mover(where.crs, 4326)(np.array([west, east]), np.array([south, north]))
            west, east, south, north = float(x[0]), float(x[1]), float(y[0]), float(y[1])
    else:
        west, south, east, north = (float(v) for v in where)
    if not np.isfinite([west, south, east, north]).all():
        raise InputError("`where` is empty, so no CRS can be chosen. Give at least one geometry.")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InputError(
            "`where` spans {west:g}, {south:g}, {east:g}, {north:g}, which are no "
            "degrees. Give (west, south, east, north) in longitude and latitude.",
            west=west,
            south=south,
            east=east,
            north=north,
        )
    return west, south, east, north


_DEGREES = re.compile(
    r"([nsewNSEW东西南北]?)[经纬]?\s*(\d{1,3}(?:\.\d+)?)\s*[°º度d]\s*(?:(\d{1,2}(?:\.\d+)?)\s*['′’分m]\s*)?"
    r"(?:(\d{1,2}(?:\.\d+)?)\s*(?:\"|″|”|''|′′|秒|s)\s*)?([nsewNSEW东西南北]?)[经纬]?"
)


_BARE_DEGREES = re.compile(
    r"([nsewNSEW]?)\s*(\d{1,3})([ :-])([0-5]?\d)\3([0-5]?\d(?:\.\d+)?)\s*([nsewNSEW]?)"
)
_LETTERED = re.compile(
    r"(?:([nsewNSEW东西南北][经纬]?)\s*)?(\d{1,3}\.\d+)\s*(?(1)|([nsewNSEW东西南北][经纬]?))"
)


def parse_degrees(value: object) -> float | None:
    """Read an angle written in degrees, minutes and seconds, or None.

    Examples
    --------
    >>> parse_degrees("114°06′18″E"), parse_degrees("南纬30度30分"), parse_degrees("114.1")
    (114.105, -30.5, None)
    >>> parse_degrees("114:06:18"), parse_degrees("30 30 00.0 S"), parse_degrees("114 61 00")
    (114.105, -30.5, None)
    >>> parse_degrees("114.3E"), parse_degrees("S 30.5"), parse_degrees("E114.3E")
    (114.3, -30.5, None)
    """
    text = str(value).strip()
    if (lettered := _LETTERED.fullmatch(text)) is not None:
        text = f"{lettered[1] or ''}{lettered[2]}°{lettered[3] or ''}"
    if (bare := _BARE_DEGREES.fullmatch(text)) is not None:
        text = f"{bare[1]}{bare[2]}°{bare[4]}'{bare[5]}\"{bare[6]}"
    found = _DEGREES.fullmatch(text)
    if found is None:
        return None
    before, degrees, minutes, seconds, behind = found.groups()
    angle = (float(degrees) * 3600 + float(minutes or 0) * 60 + float(seconds or 0)) / 3600
    return -angle if (before or behind) in tuple("sSwW南西") else angle


@cache
def shift_area() -> shapely.Polygon:
    """Return the polygon, in degrees (lng, lat), inside which GCJ-02 and BD-09 are shifted.

    Drawn by hand at about 1:10,000,000, generous along the land border and at sea, closer where
    somebody lives just outside: Hong Kong, Macau, Taiwan, Kinmen and Matsu are not in it. It says
    where the shift applies; it says nothing about where a border runs.

    Returns
    -------
    shapely.Polygon
        Mainland China with Hainan; Hong Kong and Macau are holes, Taiwan lies outside.

    Examples
    --------
    >>> in_shift_area([116.4, 114.17, 121.5], [39.9, 22.3, 25.0])  # Beijing, Hong Kong, Taipei
    array([ True, False, False])
    """
    area = shapely.from_wkt(files("gridmap.crs").joinpath("shift_area.wkt").read_text("ascii"))
    assert isinstance(area, shapely.Polygon)
    shapely.prepare(area)
    return area


def in_shift_area(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Bools:
    """Tell for each position, in degrees, whether map services shift it.

    Parameters
    ----------
    lng, lat : array-like
        WGS 84 degrees; NaN is outside.

    Returns
    -------
    ndarray of bool
    """
    inside = shapely.contains_xy(shift_area(), np.asarray(lng, float), np.asarray(lat, float))
    return np.asarray(inside, dtype=np.bool_)
