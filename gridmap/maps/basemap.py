"""Basemaps: tiles in a notebook, an image in a file, under cells that follow their datum."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import shapely

from gridmap._arrays import Floats
from gridmap._checks import check_choice
from gridmap.crs.datum import positions_from, positions_to
from gridmap.errors import InputError, reason_of
from gridmap.language import tr
from gridmap.maps.scene import Scene

# What the parts of a WMTS address are called in the tiles that Leaflet asks for.
WMTS = {"tilematrix": "{z}", "tilerow": "{y}", "tilecol": "{x}"}
FILLED = {"request": "GetTile", "version": "1.0.0", "style": "default", "format": "image/png"}
LEAFLET = {"z", "x", "y", "-y", "s", "r"}
GEOGRAPHIC = {"c", "4326", "4490", "crs84", "worldcrs84quad", "inspirecrs84quad"}
SERVERS = {"tianditu.gov.cn": "01234567", "autonavi.com": "1234", "gtimg.com": "0123"}
SHIFTED = ("autonavi.com", "amap.com", "gtimg.com", "google.cn")
OWN_GRID = ("bdimg.com", "baidu.com")


@dataclass(frozen=True)
class Tiles:
    """Where a notebook's tiles come from.

    Attributes
    ----------
    url : str
        The address with ``{z}``, ``{x}``, ``{y}`` and perhaps ``{s}``, as Leaflet fills it.
    servers : str
        What ``{s}`` stands for, a letter or digit each.
    """

    url: str
    servers: str

    @property
    def origin(self) -> str:
        """Scheme and host as the page writes them."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def origins(self) -> list[str]:
        """Scheme and host of each server, which a page may be allowed to ask."""
        if "{s}" not in self.origin:
            return [self.origin]
        return [self.origin.replace("{s}", server) for server in self.servers]

    @property
    def host(self) -> str:
        """The host to credit."""
        return self.origins[0].split("//")[1].split("@")[-1]


def tiles_at(address: str, datum: str) -> Tiles:
    """Understand the address of tiles.

    Parameters
    ----------
    address
        An XYZ template; a WMTS template with ``{TileMatrix}``, ``{TileRow}`` and ``{TileCol}``; or
        a WMTS service with its query, whose missing parts are filled in.
    datum
        Datum declared for the tiles.

    Raises
    ------
    InputError
        When the address names no tiles, leaves a place open, or its tiles lie in no Web Mercator.

    Examples
    --------
    >>> tiles_at("https://host/{TileMatrixSet}/{z}/{x}/{y}", "wgs84")
    Traceback (most recent call last):
    gridmap.errors.InputError: `basemap` leaves {TileMatrixSet} open. Put its value there.
    >>> tiles_at("https://host/wmts?layer=a&tilematrixset=w&service=WMTS", "wgs84").url
    'https://host/wmts?layer=a&tilematrixset=w&service=WMTS&request=GetTile&version=1.0.0\
&style=default&format=image/png&tilematrix={z}&tilerow={y}&tilecol={x}'
    """
    url = re.sub(
        r"\{(tilematrix|tilerow|tilecol)\}", lambda part: WMTS[part[1].lower()], address, flags=re.I
    )
    url = _queried(url)
    missing = [key for key in ("z", "x", "y") if not re.search(rf"\{{-?{key}\}}", url)]
    if missing:
        raise InputError(
            "`basemap` has no {{{missing}}}. Give XYZ tiles as "
            "https://host/{{z}}/{{x}}/{{y}}.png, or WMTS with {{TileMatrix}}, {{TileRow}} "
            "and {{TileCol}}.",
            missing=missing[0],
        )
    for place in re.findall(r"\{([^{}]*)\}", url):
        if place not in LEAFLET:
            raise InputError("`basemap` leaves {{{place}}} open. Put its value there.", place=place)
    _check_host(url, datum)
    return Tiles(url, next((k for host, k in SERVERS.items() if host in url), "abc"))


def _queried(url: str) -> str:
    """Complete the query of a WMTS service, which need not name what every tile needs."""
    query = {key.lower(): value for key, value in parse_qsl(urlsplit(url).query, True)}
    if query.get("service", "").lower() != "wmts":
        return url
    lacking = [key for key in ("layer", "tilematrixset") if not query.get(key)]
    if lacking:
        raise InputError(
            "`basemap` is a WMTS that names no {lacking}. Add {lacking_2}, as its "
            "capabilities list them.",
            lacking=" and no ".join(lacking),
            lacking_2="".join(f"&{key}=..." for key in lacking),
        )
    if query.get("request", "GetTile").lower() != "gettile":
        raise InputError(
            "`basemap` asks a WMTS for {request}. Write request=GetTile, or leave it out.",
            request=query["request"],
        )
    if query["tilematrixset"].lower().removeprefix("epsg:") in GEOGRAPHIC:
        raise InputError(_not_mercator(f"tilematrixset={query['tilematrixset']}"))
    filled = FILLED | WMTS
    if "tianditu" in url:
        filled["format"] = "tiles"
    if query["tilematrixset"].lower().startswith("epsg:"):  # GeoServer names a matrix by its set
        filled["tilematrix"] = query["tilematrixset"] + ":{z}"
    return url + "".join(f"&{key}={value}" for key, value in filled.items() if key not in query)


def _check_host(url: str, datum: str) -> None:
    """Refuse tiles that could only be shown in the wrong place."""
    host = urlsplit(url).netloc.replace("{s}", "")
    if host.endswith(OWN_GRID):
        raise InputError(
            "`basemap`: tiles of {host} lie on a grid of their own, so cells cannot be "
            "laid over them. Take XYZ or WMTS tiles in Web Mercator, or an image.",
            host=host,
        )
    if host.endswith(SHIFTED) and datum != "gcj02":
        raise InputError(
            "`basemap`: tiles of {host} are in GCJ-02. Add basemap_datum='gcj02'.", host=host
        )
    geographic = re.search(r"/(?:vec|cva|img|cia|ter|cta)_c/|[?&]T=\w+_c(?:&|$)", url)
    if geographic and "tianditu" in host:
        raise InputError(_not_mercator(geographic[0].strip("/?&")))


def _not_mercator(found: str) -> str:
    return (
        f"`basemap`: {found} names tiles in degrees, but maps are drawn in Web Mercator. Take the "
        "set in EPSG:3857 (of Tianditu the one ending in _w)."
    )


Datum = Literal["wgs84", "gcj02", "bd09"]
DATUMS = {"wgs84": "WGS 84", "gcj02": "GCJ-02", "bd09": "BD-09"}
Bounds = tuple[float, float, float, float]
Moving = Callable[[Floats], Floats]
SEEN_THROUGH = 0.62  # opacity of cells over tiles
OVER_IMAGE = 0.7  # and over an image
LARGEST = 12_000_000  # bytes of an image
KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


def laid(
    scene: Scene, basemap: str | Path | None, bounds: Bounds | None, datum: Datum
) -> tuple[Scene, Tiles | None]:
    """Lay a scene over its basemap; return it with the tiles, if tiles they are.

    Raises
    ------
    InputError
        When an image has no bounds, tiles have some, or either cannot be used.
    """
    if basemap is None:
        if bounds is not None:
            raise InputError("`basemap_bounds` needs `basemap`. Name the image, or leave both out.")
        return scene, None
    if not is_address(basemap):
        return over_image(scene, Path(basemap), bounds, datum), None
    if bounds is not None:
        raise InputError(
            "`basemap` is an address, which has no `basemap_bounds`. Leave them out, or "
            "hand in an image file."
        )
    return over_basemap(scene, datum), tiles_at(str(basemap), datum)


def is_address(basemap: str | Path) -> bool:
    """Tell the address of tiles from the path of an image."""
    return "//" in str(basemap) and isinstance(basemap, str) and not Path(basemap).exists()


def over_image(scene: Scene, path: Path, bounds: Bounds | None, datum: Datum) -> Scene:
    """Return a scene with an image under its cells, embedded, so that it can be saved.

    Parameters
    ----------
    scene
        What lies over the image.
    path
        A PNG or JPEG file drawn in Web Mercator, as exports of web maps are. It is shown in
        grey, as its colours would pass for those of a class.
    bounds
        Its west, south, east and north in degrees.
    datum
        Datum of the image; the cells are moved to lie over it.

    Raises
    ------
    InputError
        When the file is no such image, or the bounds are not those of these cells.
    """
    scene = over_basemap(scene, datum)
    west, south, east, north = _corners(bounds)
    if not shapely.box(west, south, east, north).intersects(shapely.box(*_extent(scene))):
        raise InputError(
            "`basemap_bounds` {bounds} do not touch the cells. Give west, south, east, "
            "north in degrees.",
            bounds=bounds,
        )
    ground = {
        "src": _data_uri(path),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
        "opacity": OVER_IMAGE,
    }
    extras = {key: value for key, value in scene.extras.items() if key != "opacity"}
    return replace(scene, extras={**extras, "ground": ground})


def _corners(bounds: Bounds | None) -> Bounds:
    """Return bounds in EPSG:3857."""
    if bounds is None:
        raise InputError(
            "`basemap` is an image, and `basemap_bounds` is missing. Give its west, "
            "south, east and north in degrees."
        )
    sane = len(bounds) == 4 and all(map(math.isfinite, bounds))
    if not sane or not (
        -180 <= bounds[0] < bounds[2] <= 180 and -85 <= bounds[1] < bounds[3] <= 85
    ):
        raise InputError(
            "`basemap_bounds` is {bounds}. Give west, south, east, north in degrees, in order.",
            bounds=bounds,
        )
    x, y = positions_from(np.array(bounds[::2]), np.array(bounds[1::2]), "EPSG:4326", crs=3857)
    return float(x[0]), float(y[0]), float(x[1]), float(y[1])


def _extent(scene: Scene) -> Floats:
    extent: Floats = shapely.total_bounds(scene.shapes)
    return extent


def _data_uri(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            "`basemap` {path} cannot be read ({error}). Check its name.",
            path=path,
            error=reason_of(error),
        ) from error
    kind = next((kind for sign, kind in KINDS.items() if content.startswith(sign)), None)
    if kind is None:
        raise InputError(
            "`basemap` {path} is neither PNG nor JPEG. Save it as one of these.", path=path
        )
    if len(content) > LARGEST:
        raise InputError(
            "`basemap` {path} has {content:.0f} MB, more than a page should carry. Make "
            "it smaller than {largest:.0f} MB.",
            path=path,
            content=len(content) / 1000000.0,
            largest=LARGEST / 1000000.0,
        )
    return f"data:image/{kind};base64,{base64.b64encode(_grey(path, content, kind)).decode()}"


def _grey(path: Path, content: bytes, kind: str) -> bytes:
    """Take the colours out, which would tint the classes, and all that is not the picture."""
    from PIL import Image

    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content)) as picture:
            clear = kind == "png" and picture.has_transparency_data
            grey = picture.convert("RGBA").convert("LA") if clear else picture.convert("L")
        grey.save(buffer, kind)
    except OSError as error:
        raise InputError(
            "`basemap` {path} is damaged ({error}). Save it again.", path=path, error=error
        ) from error
    return buffer.getvalue()


def over_basemap(scene: Scene, datum: Datum) -> Scene:
    """Return a scene that lies right over tiles in a datum, and says that it was moved.

    GCJ-02 and BD-09 tiles show everything some hundred metres off. The cells are moved by the
    same offset, vertex by vertex, for display only.

    Raises
    ------
    InputError
        When the datum is unknown.
    """
    check_choice("basemap_datum", datum, DATUMS)
    extras = {**scene.extras, "opacity": SEEN_THROUGH}
    if datum == "wgs84":
        return replace(scene, extras=extras)

    def moved(xy: Floats) -> Floats:
        lng, lat = positions_from(xy[:, 0], xy[:, 1], "EPSG:3857")
        return np.column_stack(
            positions_from(*positions_to(lng, lat, datum), "EPSG:4326", crs=3857)
        )

    if "heat" in extras:
        extras["heat"] = _moved_image(extras["heat"], moved)
    note = tr("cells moved to the {datums} basemap", lang=scene.lang, datums=DATUMS[datum])
    return replace(
        scene,
        shapes=shapely.transform(scene.shapes, moved),
        levels=[{**level, "xy": _moved_places(level["xy"], moved)} for level in scene.levels],
        old=scene.old and replace(scene.old, shapes=shapely.transform(scene.old.shapes, moved)),
        marks=scene.marks
        and replace(
            scene.marks,
            shapes=shapely.transform(scene.marks.shapes, moved),
            xy=_moved_places(scene.marks.xy, moved),
        ),
        extras=extras,
        credit=" ｜ ".join(filter(None, [scene.credit, note])),
    )


def _moved_places(places: list[list[float]], moved: Moving) -> list[list[float]]:
    """Move the first two numbers of each place."""
    if not places:
        return []
    there = moved(np.array([place[:2] for place in places], float)).round(1).tolist()
    return [[*xy, *place[2:]] for xy, place in zip(there, places, strict=True)]


def _moved_image(image: dict[str, Any], moved: Moving) -> dict[str, Any]:
    corners = np.array([[image["west"], image["south"]], [image["east"], image["north"]]])
    (west, south), (east, north) = moved(corners)
    return {**image, "west": west, "south": south, "east": east, "north": north}
