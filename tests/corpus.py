"""Small files in every encoding, date form, shape of coordinates and format, made by code.

Nothing here uses gridmap: the bytes are made by hand, the standard library, GDAL or Arrow, and what
must come out stands beside them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.json
import pyarrow.parquet as pq
import pyogrio
import shapely

WORDS = {
    "simplified": ("类别", ["违规停车", "路灯损坏", "占道经营", "垃圾堆放", "小区噪音"]),
    "traditional": ("類別", ["違規停車", "路燈損壞", "占道經營", "垃圾堆放", "社區噪音"]),
    "western": ("catégorie", ["São João", "Conceição", "Größe", "señal", "façade"]),
    "central": ("ulica", ["Łódź", "Świętokrzyska", "Kraków", "Gdańsk", "żółty"]),
    "russian": ("улица", ["Ленина", "Хабаровск", "площадь", "дорога", "мусор"]),
    "greek": ("οδός", ["Αθήνα", "πλατεία", "δρόμος", "φανάρι", "θόρυβος"]),
    "turkish": ("cadde", ["Şişli", "Beyoğlu", "Kadıköy", "Çankaya", "Ümraniye"]),
    "japanese": ("しゅるい", ["とうきょう", "さくら通り", "ごみ", "まち", "みち"]),
    "korean": ("종류", ["서울", "강남구", "불법주차", "가로등", "쓰레기"]),
}
ENCODINGS = {
    "utf-8": "simplified", "utf-8-sig": "simplified", "utf-16": "simplified",
    "utf-16-le": "simplified", "utf-16-be": "traditional", "gbk": "simplified",
    "gb18030": "traditional", "gb2312": "simplified", "big5": "traditional",
    "cp950": "traditional", "big5hkscs": "traditional", "cp1252": "western",
    "iso8859-1": "western", "mac_roman": "western", "cp1250": "central", "cp1251": "russian",
    "koi8-r": "russian", "cp1253": "greek", "cp1254": "turkish", "cp932": "japanese",
    "euc_jp": "japanese", "euc_kr": "korean",
}  # fmt: skip
WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig")
"""Encodings that no dBASE table is in."""

POINTS = [(114.30, 30.60), (114.31, 30.61), (114.32, 30.62), (114.33, 30.63), (114.34, 30.64)]


def csv_in(encoding: str, path: Path) -> list[str]:
    """Write a table of incidents in an encoding, and return its words."""
    heading, words = WORDS[ENCODINGS[encoding]]
    lines = [f"id,{heading},lng,lat,status"]
    lines += [
        f"0{n},{w},{x},{y},closed" for n, (w, (x, y)) in enumerate(zip(words, POINTS, strict=True))
    ]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return words


def dbf_in(encoding: str, path: Path, *, declared: str | None = None) -> list[str]:
    """Write a dBASE table in an encoding, with a .cpg beside it where it is to be declared."""
    _, words = WORDS[ENCODINGS[encoding]]
    fields = [("id", 4), ("category", 40), ("lng", 8), ("lat", 8), ("status", 8)]
    size = 1 + sum(length for _, length in fields)
    head = struct.pack("<BBBBIHH20x", 3, 124, 1, 5, len(words), 33 + 32 * len(fields), size)
    for name, length in fields:
        head += struct.pack("<11sc4xBB14x", name.encode(), b"C", length, 0)
    rows = b"".join(
        b" "
        + f"0{n}".encode().ljust(4)
        + word.encode(encoding).ljust(40)
        + f"{x:<8}{y:<8}{'closed':<8}".encode()
        for n, (word, (x, y)) in enumerate(zip(words, POINTS, strict=True))
    )
    path.write_bytes(head + b"\r" + rows + b"\x1a")
    if declared is not None:
        path.with_suffix(".cpg").write_text(declared)
    return words


class DateForm(NamedTuple):
    """One way of writing a time, as a column has it, and what it means."""

    texts: list[str]
    means: list[datetime]
    order: str | None = None


def _same(texts: str, *means: tuple[int, ...], order: str | None = None) -> DateForm:
    return DateForm(texts.split("|"), [datetime(*mean) for mean in means], order)


_A, _B = (2024, 1, 5), (2024, 11, 30)
_C, _D = (2024, 1, 5, 8, 5), (2024, 11, 30, 18, 30)
_E, _F = (2024, 1, 5, 8, 5, 7), (2024, 11, 30, 18, 30, 59)
DATE_FORMS = [
    _same("2024-01-05|2024-11-30", _A, _B),
    _same("2024/1/5|2024/11/30", _A, _B),
    _same("2024.1.5|2024.11.30", _A, _B),
    _same("20240105|20241130", _A, _B),
    _same("2024年1月5日|2024年11月30日", _A, _B),
    _same("2024年01月05号|2024年11月30号", _A, _B),
    _same("２０２４年１月５日|２０２４年１１月３０日", _A, _B),
    _same("二〇二四年一月五日|二〇二四年十一月三十日", _A, _B),
    _same("二零二四年一月五日|二零二四年十一月三十日", _A, _B),
    _same("2024-01|2024-11", (2024, 1, 1), (2024, 11, 1)),
    _same("2024/01|2024/11", (2024, 1, 1), (2024, 11, 1)),
    _same("2024年1月|2024年11月", (2024, 1, 1), (2024, 11, 1)),
    _same("113/01/05|113/11/30", _A, _B),
    _same("113-01-05|113-11-30", _A, _B),
    _same("113.1.5|113.11.30", _A, _B),
    _same("1130105|1131130", _A, _B),
    _same("民國113年1月5日|民國113年11月30日", _A, _B),
    _same("民国113年1月5日|民国113年11月30日", _A, _B),
    _same("中華民國113年01月05日|中華民國113年11月30日", _A, _B),
    _same("113年1月5日|113年11月30日", _A, _B),
    _same("99/01/05|113/11/30", (2010, 1, 5), _B),
    _same("99/01/05|98/11/30", (2010, 1, 5), (2009, 11, 30), order="roc"),
    _same("113/01/05 08:05|113/11/30 18:30", _C, _D),
    _same("民國113年1月5日 上午8時5分|民國113年11月30日 下午6時30分", _C, _D),
    _same("2024-01-05 08:05|2024-11-30 18:30", _C, _D),
    _same("2024/1/5 8:05|2024/11/30 18:30", _C, _D),
    _same("2024-01-05T08:05:07|2024-11-30T18:30:59", _E, _F),
    _same("2024-01-05 08:05:07.000|2024-11-30 18:30:59.000", _E, _F),
    _same("20240105080507|20241130183059", _E, _F),
    _same("20240105 080507|20241130 183059", _E, _F),
    _same("2024年1月5日 8时5分7秒|2024年11月30日 18时30分59秒", _E, _F),
    _same("2024年1月5日 上午08:05:07|2024年11月30日 下午06:30:59", _E, _F),
    _same("2024-01-05T08:05:07+08:00|2024-11-30T18:30:59+08:00", _E, _F),
    _same("2024-01-05T08:05:07Z|2024-11-30T18:30:59Z", _E, _F),
    _same("2024-01-05T08:05:07+00:00|2024-11-30T18:30:59+00:00", _E, _F),
    _same("01/05/2024 08:05:07 AM|11/30/2024 06:30:59 PM", _E, _F),
    _same("05/01/2024|30/11/2024", _A, _B),
    _same("01/05/2024|11/30/2024", _A, _B),
    _same("05.01.2024|30.11.2024", _A, _B),
    _same("05.01.24|30.11.24", _A, _B, order="dmy"),
    _same("Jan 5, 2024|Nov 30, 2024", _A, _B),
    _same("5 January 2024|30 November 2024", _A, _B),
    _same("05-Jan-2024|30-Nov-2024", _A, _B),
    _same("Fri Jan 05 08:05:07 CST 2024|Sat Nov 30 18:30:59 CST 2024", _E, _F),
    _same("45296|45626", _A, _B),
    _same("1704441907|1732991459", _E, _F),
    _same("1704441907000|1732991459000", _E, _F),
]


class Shape(NamedTuple):
    """A way of writing places: the columns of a table, and what declares them."""

    columns: dict[str, list[str]]
    options: dict[str, str]


def _each(write: Callable[[float, float], str]) -> list[str]:
    return [write(x, y) for x, y in POINTS]


def _dms(value: float) -> str:
    degrees, rest = divmod(round(value * 3600), 3600)
    return f"{degrees}°{rest // 60:02d}′{rest % 60:02d}″"


def _wkb(srid: int | None = None) -> list[str]:
    shapes = shapely.points(POINTS)
    if srid is not None:
        shapes = shapely.set_srid(shapes, srid)
    return list(shapely.to_wkb(shapes, hex=True, include_srid=srid is not None))


SHAPES = {
    "columns": Shape({"lng": _each(lambda x, y: f"{x}"), "lat": _each(lambda x, y: f"{y}")}, {}),
    "traditional": Shape(
        {"經度": _each(lambda x, y: f"{x}"), "緯度": _each(lambda x, y: f"{y}")}, {}
    ),
    "degrees": Shape(
        {"经度": _each(lambda x, y: _dms(x)), "纬度": _each(lambda x, y: _dms(y))}, {}
    ),
    "commas": Shape(
        {"lng": _each(lambda x, y: f"{x:.4f}".replace(".", ",")),
         "lat": _each(lambda x, y: f"{y:.4f}".replace(".", ","))}, {}
    ),
    "wkt": Shape({"the_geom": _each(lambda x, y: f"POINT ({x} {y})")}, {}),
    "wkt-tight": Shape({"geom": _each(lambda x, y: f"POINT({x} {y})")}, {}),
    "ewkt": Shape({"geom": _each(lambda x, y: f"SRID=4326;POINT({x} {y})")}, {}),
    "wkb": Shape({"wkb_geometry": _wkb()}, {}),
    "ewkb": Shape({"geom": _wkb(4326)}, {}),
    "geojson": Shape(
        {"geometry": _each(lambda x, y: json.dumps({"type": "Point", "coordinates": [x, y]}))}, {}
    ),
    "lng,lat": Shape({"location": _each(lambda x, y: f"{x},{y}")}, {}),
    "(lat, lng)": Shape({"Location": _each(lambda x, y: f"({y}, {x})")}, {}),
    "lat;lng": Shape({"坐标": _each(lambda x, y: f"{y};{x}")}, {}),
}  # fmt: skip


def table_of_shape(shape: Shape) -> pd.DataFrame:
    """Return incidents whose places are written in one way."""
    words = WORDS["simplified"][1]
    ids = [f"0{n}" for n in range(5)]
    return pd.DataFrame({"id": ids, "类别": words, **shape.columns, "status": "closed"})


def table_of_dates(form: DateForm) -> pd.DataFrame:
    """Return cases whose times are written in one way."""
    rows = len(form.texts)
    places = {"lng": [x for x, _ in POINTS[:rows]], "lat": [y for _, y in POINTS[:rows]]}
    return pd.DataFrame({"id": ["01", "02"], "上报时间": form.texts, **places, "status": "closed"})


def _layer() -> gpd.GeoDataFrame:
    words = WORDS["simplified"][1]
    frame = pd.DataFrame({"id": [f"0{n}" for n in range(5)], "category": words})
    frame = frame.assign(status="closed")
    return gpd.GeoDataFrame(frame, geometry=shapely.points(POINTS), crs=4326)


def _through_gdal(driver: str, **options: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        pyogrio.write_dataframe(_layer(), path, driver=driver, **options)

    return write


def _text(separator: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _flat().to_csv(path, sep=separator, index=False)

    return write


def _flat() -> pd.DataFrame:
    frame = pd.DataFrame(_layer().drop(columns="geometry"))
    return frame.assign(lng=[x for x, _ in POINTS], lat=[y for _, y in POINTS])


def _workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [list(_flat()), *_flat().itertuples(index=False)]:
        book.active.append(list(row))
    book.save(path)


def _gpx(path: Path) -> None:
    points = "".join(
        f'<wpt lat="{y}" lon="{x}"><name>{w}</name></wpt>'
        for (x, y), w in zip(POINTS, WORDS["simplified"][1], strict=True)
    )
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><gpx version="1.1" creator="hand" '
        f'xmlns="http://www.topografix.com/GPX/1/1">{points}</gpx>', "utf-8",
    )  # fmt: skip


def _topojson(path: Path) -> None:
    shapes = [
        {
            "type": "Point",
            "coordinates": list(point),
            "properties": {"id": f"0{n}", "category": w, "status": "closed"},
        }
        for n, (point, w) in enumerate(zip(POINTS, WORDS["simplified"][1], strict=True))
    ]
    collection = {"type": "GeometryCollection", "geometries": shapes}
    document = {"type": "Topology", "arcs": [], "objects": {"incidents": collection}}
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def _records(path: Path) -> None:
    path.write_text(_flat().to_json(orient="records", force_ascii=False), "utf-8")


def _lines(path: Path) -> None:
    path.write_text(_flat().to_json(orient="records", lines=True, force_ascii=False), "utf-8")


def _wkb_parquet(path: Path) -> None:
    table = pa.Table.from_pandas(pd.DataFrame(_layer().drop(columns="geometry")))
    shapes = pa.array(shapely.to_wkb(shapely.points(POINTS)), pa.binary())
    pq.write_table(table.append_column("geometry", shapes), path)


def _geoarrow(path: Path) -> None:
    _layer().to_parquet(path, geometry_encoding="geoarrow")


def _feather(path: Path) -> None:
    pyarrow.feather.write_feather(_flat(), str(path))


FORMATS: dict[str, Callable[[Path], None]] = {
    "incidents.csv": _text(","),
    "incidents.tsv": _text("\t"),
    "incidents.txt": _text(";"),
    "incidents.xlsx": _workbook,
    "incidents.ods": lambda path: pyogrio.write_dataframe(_flat(), path, driver="ODS"),
    "incidents.parquet": lambda path: _flat().to_parquet(path),
    "incidents.geoparquet": lambda path: _layer().to_parquet(path),
    "wkb.parquet": _wkb_parquet,
    "geoarrow.parquet": _geoarrow,
    "incidents.feather": _feather,
    "incidents.geojson": _through_gdal("GeoJSON"),
    "incidents.geojsonl": _through_gdal("GeoJSONSeq"),
    "incidents.geojsons": _through_gdal("GeoJSONSeq", RS="YES"),
    "incidents.topojson": _topojson,
    "incidents.gpkg": _through_gdal("GPKG"),
    "incidents.sqlite": _through_gdal("SQLite"),
    "incidents.shp": _through_gdal("ESRI Shapefile", encoding="UTF-8"),
    "incidents.fgb": _through_gdal("FlatGeobuf", SPATIAL_INDEX="NO"),
    "incidents.gml": _through_gdal("GML"),
    "incidents.kml": _through_gdal("LIBKML"),
    "incidents.tab": _through_gdal("MapInfo File", encoding="UTF-8"),
    "incidents.mif": _through_gdal("MapInfo File", FORMAT="MIF", encoding="UTF-8"),
    "incidents.gpx": _gpx,
    "records.json": _records,
    "records.ndjson": _lines,
    "records.jsonl": _lines,
    "no-ending": _text(","),
    "layer-no-ending": lambda path: (
        _through_gdal("FlatGeobuf", SPATIAL_INDEX="NO")(path.with_suffix(".fgb"))
        or path.with_suffix(".fgb").rename(path)
    ),
}


def formats(folder: Path) -> Iterator[Path]:
    """Write the same five incidents in every format."""
    for name, write in FORMATS.items():
        path = folder / name
        write(path)
        yield path


Corrupt = Callable[[bytes, np.random.Generator], bytes]


def flip(data: bytes, random: np.random.Generator) -> bytes:
    """Change a few bytes."""
    spoilt = bytearray(data)
    for place in random.integers(0, len(data), random.integers(1, 9)):
        spoilt[place] = int(random.integers(0, 256))
    return bytes(spoilt)


def flip_head(data: bytes, random: np.random.Generator) -> bytes:
    """Change a few bytes near the beginning, where the structure is told."""
    size = min(len(data), 400)
    return flip(data[:size], random) + data[size:]


def cut(data: bytes, random: np.random.Generator) -> bytes:
    """Lose the end."""
    return data[: random.integers(0, len(data))]


def lose(data: bytes, random: np.random.Generator) -> bytes:
    """Lose a piece within."""
    a, b = np.sort(random.integers(0, len(data), 2))
    return data[:a] + data[b:]


def blank(data: bytes, random: np.random.Generator) -> bytes:
    """Have a piece overwritten with zeros, as a bad disk does."""
    start = int(random.integers(0, len(data)))
    size = int(random.integers(1, 2000))
    return data[:start] + b"\0" * len(data[start : start + size]) + data[start + size :]


def double(data: bytes, random: np.random.Generator) -> bytes:
    """Have a piece twice."""
    a, b = np.sort(random.integers(0, len(data), 2))
    return data[:b] + data[a:]


CORRUPTIONS: tuple[Corrupt, ...] = (flip, flip_head, cut, lose, blank, double)
