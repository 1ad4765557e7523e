"""Points written into one column: WKT, WKB in hexadecimal, GeoJSON, "lng,lat", "(lat, lng)"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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

Form = Literal["wkt", "wkb", "geojson", "grouped", "pair", "angles", "named", "axes"]
PointOrder = Literal["lnglat", "latlng"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WKT = (
    r"(?i)^\s*(?:SRID=(?P<srid>\d+);)?\s*"
    r"(?P<body>(?:MULTI)?POINT\s*(?:Z|M|ZM)?\s*(?:\(|EMPTY).*)$"
)
_COMMA = rf"(?i)^(POINT\s*\(\s*{_NUMBER})\s*,\s*({_NUMBER}\s*\)\s*)$"
_WKB_TYPE = "(?:01[0-9A-Fa-f]{2}0[037Bb]00[0-9A-Fa-f]0|00[0-9A-Fa-f]0000[037Bb][0-9A-Fa-f]{2})"
_WKB = rf"^\s*(?:\\\\?x|0x)?(?P<hex>{_WKB_TYPE}[0-9A-Fa-f]{{32,}})\s*$"
_GEOJSON = r"(?s)^\s*\{.*['\"]coordinates['\"].*\}\s*$"
_LAT = rf"(?is)(?:lat(?:itude)?|纬度|緯度|北纬|北緯|\bN)['\"]?\s*[:=]?\s*['\"]?(?P<b>{_NUMBER})"
_LNG = (
    r"(?is)(?:l(?:on|ng)(?:g|gitude)?|经度|經度|东经|東經|\bE)['\"]?\s*[:=]?\s*['\"]?"
    rf"(?P<a>{_NUMBER})"
)
_X, _Y = (rf"(?i)\b{s}['\"]?\s*[:=]\s*['\"]?(?P<{g}>{_NUMBER})" for s, g in ("xa", "yb"))
_BETWEEN = r"\s*(?:[,、;|/]\s*|\s+)"
_A, _B = (rf"['\"“‘]?(?P<{side}>{_NUMBER})\s*°?\s*[NnEe]?['\"”’]?" for side in "ab")
_MORE = rf"(?P<more>{_BETWEEN}{_NUMBER}\s*[m米]?|[\s,;(]*[一-鿿]{{2}}.*)?"  # height, or place
_PAIR = rf"(?s)^(?:.*\n|geo:)?\s*(?P<open>[\(\[]?)\s*{_A}{_BETWEEN}{_B}{_MORE}\s*[\)\]]?\s*$"
_THOUSANDS = r"\d{1,3}(?:,\d{3})+\.\d+"
_GROUPED = (
    rf"^\s*[\(\[]?\s*(?P<a>{_THOUSANDS})(?:[,;|/]?\s+|[;|/])(?P<b>{_THOUSANDS})\s*[\)\]]?\s*$"
)
_ARC = r"\d{1,3}(?:\.\d+)?\s*[°度]\s*(?:[\d.]+\s*['′’分]\s*)?(?:[\d.]+\s*(?:\"|″|”|''|′′|秒)\s*)?"
_LETTERED = r"[NSEWnsew]\s*\d{1,3}\.\d+|\d{1,3}\.\d+\s*[NSEWnsew]"
_ANGLE = rf"(?:[NSEWnsew东西南北東经纬經緯]+度?:?\s*{_ARC}|{_ARC}[NSEWnsew]?|{_LETTERED})"
_ANGLES = rf"^\s*[\(\[]?\s*(?P<a>{_ANGLE})[\s,、;/]*(?P<b>{_ANGLE})\s*[\)\]]?\s*$"
_NORTHINGS = re.compile("[NSns南北纬緯]")
_EASTINGS = re.compile("[EWew东西東经經]")
_FORMS: dict[Form, tuple[str, ...]] = {  # patterns that a text has, all of them
    "wkt": (_WKT,), "wkb": (_WKB,), "geojson": (_GEOJSON,), "grouped": (_GROUPED,),
    "pair": (_PAIR,), "angles": (_ANGLES,), "named": (_LNG, _LAT), "axes": (_X, _Y),
}  # fmt: skip
_SIGNS = (("\u2212", "-"), ("º", "°"))  # which look like another
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
        form, found = _form(_plain(pa.array(texts, pa.large_string())).to_pylist())
        if form is None:
            continue
        order = _order(form, found, name)
        if order is not None or form != "pair" or not any(pair["more"] for pair in found):
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
    text = _plain(pc.cast(values, pa.large_string()))
    if column.form in ("wkt", "wkb", "geojson"):
        x, y, srid = _of_shapes(text, column)
    else:
        (x, y), srid = _pairs(text, column), None
    exchanged = column.order == "latlng" and column.form != "named"
    return Points(y, x, srid) if exchanged else Points(x, y, srid)


def _of_shapes(text: pa.Array, column: PointColumn) -> Points:
    srids: set[int] = set()
    if column.form == "wkt":
        found = pc.extract_regex(text, _WKT)
        body = pc.replace_substring_regex(pc.struct_field(found, "body"), _COMMA, r"\1 \2")
        shapes = shapely.from_wkt(_objects(body), on_invalid="ignore")
        named = pc.struct_field(found, "srid").drop_null().unique().to_pylist()
        srids = {int(srid) for srid in named if srid}
    elif column.form == "wkb":
        found = pc.extract_regex(text, _WKB)
        shapes = shapely.from_wkb(_objects(pc.struct_field(found, "hex")), on_invalid="ignore")
        srids = {int(srid) for srid in np.unique(shapely.get_srid(shapes)) if srid > 0}
    else:
        text = pc.if_else(pc.match_substring(text, "'coordinates'"),
                          pc.replace_substring(text, "'", '"'), text)  # fmt: skip
        shapes = shapely.from_geojson(_objects(text), on_invalid="ignore")
    if len(srids) > 1:
        raise InputError(
            "Column {column!r} mixes points of SRID {srids}. Bring them to one in the file.",
            column=column.name,
            srids=[*sorted(srids)],
        )
    x, y = coordinates_of(shapes, column.name)
    return Points(x, y, srids.pop() if srids else None)


def _plain(text: pa.LargeStringArray) -> pa.LargeStringArray:
    """Write signs and figures of any width as those of a keyboard."""
    if pc.all(pc.string_is_ascii(text)).as_py() is not False:
        return text
    for odd, usual in _SIGNS:
        text = pc.replace_substring(text, odd, usual)
    return pc.utf8_normalize(text, "NFKC")


def _form(texts: Sequence[str]) -> tuple[Form | None, list[dict[str, str]]]:
    """Return the form of most texts, and the parts of those that have it."""
    for form, patterns in _FORMS.items():
        matches = [[re.search(pattern, text, re.ASCII) for pattern in patterns] for text in texts]
        found = [
            {name: part or "" for found in row if found for name, part in found.groupdict().items()}
            for row in matches
            if all(row)
        ]
        decimal = form != "pair" or (
            sum("." in pair["a"] and "." in pair["b"] for pair in found) > len(found) / 2
        )
        if texts and decimal and len(found) >= _ENOUGH * len(texts):
            return form, found
    return None, []


def _order(form: Form, found: Sequence[Mapping[str, str]], name: str) -> PointOrder | None:
    """Return which of two numbers comes first: by letters, values, the heading, brackets."""
    if form not in ("grouped", "pair", "angles", "axes"):
        return None
    if form == "angles" and all(_NORTHINGS.search(pair["a"]) for pair in found):
        return "latlng"
    if form == "angles" and all(_EASTINGS.search(pair["a"]) for pair in found):
        return "lnglat"
    number = _angle if form == "angles" else _number
    a, b = (np.nanmax([abs(number(pair[side])) for pair in found]) for side in "ab")
    if max(a, b) > 360:
        return "lnglat"  # x and y of a projection
    if max(a, b) > 90:
        return "lnglat" if b <= 90 else "latlng" if a <= 90 else None
    heading = fold(name)
    for order, words in zip(get_args(PointOrder), (_LNGLAT, _LATLNG), strict=True):
        if any(word in heading for word in words):
            return order  # type: ignore[no-any-return]
    if form == "axes":
        return "lnglat"
    return "latlng" if all(pair.get("open") for pair in found) else None


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _angle(text: str | None) -> float:
    plain = re.sub("[经纬經緯]度?|[:：]", "", text or "").replace("東", "东")
    angle = parse_degrees(plain)
    return np.nan if angle is None else angle


def _pairs(text: pa.Array, column: PointColumn) -> tuple[Floats, Floats]:
    """Return the first and the second of two numbers, or what they say of themselves."""
    if column.order is None and column.form != "named":
        raise InputError(
            "Column {column!r} holds two numbers a row, and nothing tells which is the "
            "longitude. Say it: `--point-order lnglat` or `--point-order latlng`.",
            column=column.name,
        )
    found = [pc.extract_regex(text, pattern) for pattern in _FORMS[column.form]]
    a, b = pc.struct_field(found[0], "a"), pc.struct_field(found[-1], "b")
    if column.form == "angles":
        first, second = (np.array([*map(_angle, side.to_pylist())]) for side in (a, b))
        return first, second
    return _floats(a), _floats(b)


def _floats(text: pa.Array) -> Floats:
    plain = pc.replace_substring(text, ",", "")
    plain = pc.if_else(pc.equal(plain, pa.scalar("", pa.large_string())), None, plain)
    return np.array(pc.cast(plain, pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))


def _objects(text: pa.Array) -> Objects:
    return np.asarray(text.to_numpy(zero_copy_only=False), dtype=object)
