"""Points written into one column: WKT, WKB in hexadecimal, GeoJSON, "lng,lat", "(lat, lng)"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from gridmap._arrays import Floats, Objects
from gridmap._checks import coordinates_of
from gridmap.crs.project import parse_degrees
from gridmap.errors import InputError
from gridmap.io.text import fold

Form = Literal["wkt", "wkb", "geojson", "pair", "angles", "named"]
PointOrder = Literal["lnglat", "latlng"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WKT = r"(?i)^\s*(?:SRID=(\d+);)?\s*((?:MULTI)?POINT\s*(?:Z|M|ZM)?\s*(?:\(|EMPTY).*)$"
_WKB_TYPE = "(?:01[0-9A-Fa-f]{2}0[037Bb]00[0-9A-Fa-f]0|00[0-9A-Fa-f]0000[037Bb][0-9A-Fa-f]{2})"
_WKB = rf"^\s*(?:\\\\?x|0x)?({_WKB_TYPE}[0-9A-Fa-f]{{32,}})\s*$"
_GEOJSON = r"(?s)^\s*\{.*['\"]coordinates['\"].*\}\s*$"
_LAT = rf"(?is)(?:lat(?:itude)?|纬度|緯度|北纬|北緯|\bN)['\"]?\s*[:=：]?\s*['\"]?(?P<lat>{_NUMBER})"
_LNG = (
    r"(?is)(?:l(?:on|ng)(?:g|gitude)?|经度|經度|东经|東經|\bE)['\"]?\s*[:=：]?\s*['\"]?"
    rf"(?P<lng>{_NUMBER})"
)
_PAIR = (
    rf"(?s)^(?:.*\n|geo:)?\s*(?P<open>[\(\[]?)\s*(?P<a>{_NUMBER})\s*[°º]?\s*[NnEe]?"
    rf"\s*(?:[,，、;；|/]\s*|\s+)(?P<b>{_NUMBER})\s*[°º]?\s*[NnEe]?\s*[\)\]]?\s*$"
)
_ARC = r"\d{1,3}(?:\.\d+)?\s*[°º度]\s*(?:[\d.]+\s*['′’分]\s*)?(?:[\d.]+\s*(?:\"|″|”|''|′′|秒)\s*)?"
_ANGLE = rf"(?:[NSEWnsew东西南北東经纬經緯]+度?[:：]?\s*{_ARC}|{_ARC}[NSEWnsew]?)"
_ANGLES = rf"^\s*[\(\[]?\s*(?P<a>{_ANGLE})[\s,，、;；/]*(?P<b>{_ANGLE})\s*[\)\]]?\s*$"
_NORTHINGS = re.compile("[NSns南北纬緯]")
_EASTINGS = re.compile("[EWew东西東经經]")
_FORMS: dict[Form, str] = {"wkt": _WKT, "wkb": _WKB, "geojson": _GEOJSON, "pair": _PAIR,
                           "angles": _ANGLES, "named": _LAT}  # fmt: skip
_LATLNG = ("latlng", "latlon", "latlong", "latitudelongitude", "纬经", "纬度经度")
_LNGLAT = ("lnglat", "lonlat", "longlat", "longitudelatitude", "经度纬度", "lngandlat")
_ENOUGH = 0.8  # share of a sample that must have the form
_SHAPED = re.compile(r"(?i)\s*(SRID=\d+;)?\s*(MULTI)?(LINESTRING|POLYGON)|0[01]0[2356]0{6}")


class PointColumn(NamedTuple):
    """A column that holds points, how they are written, and which number comes first."""

    name: str
    form: Form
    order: PointOrder | None


class Points(NamedTuple):
    """Positions read from texts, NaN where there is none, and the SRID that they name."""

    x: Floats
    y: Floats
    srid: int | None


def find_point_column(columns: Iterable[tuple[str, Sequence[object]]]) -> PointColumn | None:
    """Return the first column of a sample that holds points as text.

    Parameters
    ----------
    columns : iterable of (name, values)
        The first values of each column; those that are no text are passed over.

    Examples
    --------
    >>> find_point_column([("id", ["1"]), ("location", ["114.3,30.6", "114.4,30.5"])])
    PointColumn(name='location', form='pair', order='lnglat')
    >>> find_point_column([("Location", ["(42.37, -71.11)", "(42.36, -71.10)"])])
    PointColumn(name='Location', form='pair', order='latlng')
    """
    for name, values in columns:
        texts = [v for v in values if isinstance(v, str) and v.strip()]
        form = _form(texts)
        if form is not None:
            order = _order(texts, name) if form == "pair" else None
            order = _order_of_angles(texts, name) if form == "angles" else order
            return PointColumn(name, form, order)
    return None


def holds_shapes(values: Sequence[object]) -> bool:
    """Tell whether a column holds lines or areas as text, which are no places of incidents."""
    texts = [v for v in values if isinstance(v, str) and v.strip()]
    return bool(texts) and sum(bool(_SHAPED.match(t)) for t in texts) > len(texts) / 2


def parse_points(values: pa.Array, column: PointColumn) -> Points:
    """Read the points of a column of text; what is none becomes NaN.

    Raises
    ------
    InputError
        When the order of two numbers cannot be told, or a shape is no point.

    Examples
    --------
    >>> column = PointColumn("geom", "wkt", None)
    >>> parse_points(pa.array(["SRID=4326;POINT(114.3 30.6)", None]), column)
    Points(x=array([114.3,   nan]), y=array([30.6,  nan]), srid=4326)
    """
    text = pc.cast(values, pa.large_string())
    if column.form in ("pair", "angles", "named"):
        return _pairs(text, column)
    if column.form == "wkt":
        found = pc.extract_regex(text, _WKT.replace("(\\d+)", "(?P<srid>\\d+)").replace(
            "((?:MULTI)", "(?P<body>(?:MULTI)"))  # fmt: skip
        shapes = shapely.from_wkt(_objects(pc.struct_field(found, "body")), on_invalid="ignore")
        named = pc.struct_field(found, "srid").drop_null().unique().to_pylist()
        srids = {int(srid) for srid in named if srid}
    elif column.form == "wkb":
        found = pc.extract_regex(text, _WKB.replace(f"({_WKB_TYPE}", f"(?P<hex>{_WKB_TYPE}"))
        shapes = shapely.from_wkb(_objects(pc.struct_field(found, "hex")), on_invalid="ignore")
        srids = {int(srid) for srid in np.unique(shapely.get_srid(shapes)) if srid > 0}
    else:
        text = pc.if_else(pc.match_substring(text, "'coordinates'"),
                          pc.replace_substring(text, "'", '"'), text)  # fmt: skip
        shapes = shapely.from_geojson(_objects(text), on_invalid="ignore")
        srids = set()
    if len(srids) > 1:
        raise InputError(
            "Column {column!r} mixes points of SRID {srids}. Bring them to one in the file.",
            column=column.name,
            srids=[*sorted(srids)],
        )
    x, y = coordinates_of(shapes, column.name)
    return Points(x, y, srids.pop() if srids else None)


def _form(texts: Sequence[str]) -> Form | None:
    if not texts:
        return None
    for form, pattern in _FORMS.items():
        matcher = re.compile(pattern)
        found = [text for text in texts if matcher.search(text)]
        if form == "named":
            found = [text for text in found if re.search(_LNG, text)]
        decimal = form != "pair" or sum(text.count(".") >= 2 for text in found) > len(found) / 2
        if decimal and len(found) >= _ENOUGH * len(texts):
            return form
    return None


def _order(texts: Sequence[str], name: str) -> PointOrder | None:
    """Return which number comes first: by what can only be a longitude, the heading, brackets."""
    pairs = [found for text in texts if (found := re.search(_PAIR, text))]
    a = [abs(float(found["a"])) for found in pairs]
    b = [abs(float(found["b"])) for found in pairs]
    if max(a) > 360 or max(b) > 360:
        return "lnglat"  # x and y of a projection
    if max(a) > 90 or max(b) > 90:
        return "lnglat" if max(b) <= 90 else "latlng" if max(a) <= 90 else None
    heading = fold(name)
    for order, words in zip(get_args(PointOrder), (_LNGLAT, _LATLNG), strict=True):
        if any(word in heading for word in words):
            return order  # type: ignore[no-any-return]
    return "latlng" if all(found["open"] for found in pairs) else None


def _order_of_angles(texts: Sequence[str], name: str) -> PointOrder | None:
    """Return which of two angles comes first: by its letter, else as of two numbers."""
    pairs = [found for text in texts if (found := re.match(_ANGLES, text))]
    if all(_NORTHINGS.search(pair["a"]) for pair in pairs):
        return "latlng"
    if all(_EASTINGS.search(pair["a"]) for pair in pairs):
        return "lnglat"
    plain = [f"{_angle(pair['a'])},{_angle(pair['b'])}" for pair in pairs]
    return _order(plain, name)


def _angle(text: str | None) -> float:
    plain = re.sub("[经纬經緯]度?|[:：]", "", text or "").replace("東", "东")
    angle = parse_degrees(plain)
    return np.nan if angle is None else angle


def _pairs(text: pa.Array, column: PointColumn) -> Points:
    if column.form == "named":
        lng, lat = (
            _floats(pc.struct_field(pc.extract_regex(text, pattern), name))
            for name, pattern in (("lng", _LNG), ("lat", _LAT))
        )
        return Points(lng, lat, None)
    if column.order is None:
        raise InputError(
            "Column {column!r} holds two numbers a row, and nothing tells which is the "
            "longitude. Say it: `--point-order lnglat` or `--point-order latlng`.",
            column=column.name,
        )
    found = pc.extract_regex(text, _ANGLES if column.form == "angles" else _PAIR)
    if column.form == "angles":
        a, b = (np.array([*map(_angle, pc.struct_field(found, s).to_pylist())]) for s in "ab")
    else:
        a, b = (_floats(pc.struct_field(found, side)) for side in "ab")
    return Points(a, b, None) if column.order == "lnglat" else Points(b, a, None)


def _floats(text: pa.Array) -> Floats:
    plain = pc.if_else(pc.equal(text, pa.scalar("", pa.large_string())), None, text)
    return np.array(pc.cast(plain, pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))


def _objects(text: pa.Array) -> Objects:
    return np.asarray(text.to_numpy(zero_copy_only=False), dtype=object)
