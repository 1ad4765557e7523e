"""Addresses of map tiles, XYZ or WMTS, as a notebook may show them under the cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from gridmap.errors import InputError

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
            f"`basemap` has no {{{missing[0]}}}. Give XYZ tiles as https://host/{{z}}/{{x}}/{{y}}"
            ".png, or WMTS with {TileMatrix}, {TileRow} and {TileCol}."
        )
    for place in re.findall(r"\{([^{}]*)\}", url):
        if place not in LEAFLET:
            raise InputError(f"`basemap` leaves {{{place}}} open. Put its value there.")
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
            f"`basemap` is a WMTS that names no {' and no '.join(lacking)}. Add "
            f"{''.join(f'&{key}=...' for key in lacking)}, as its capabilities list them."
        )
    if query.get("request", "GetTile").lower() != "gettile":
        raise InputError(
            f"`basemap` asks a WMTS for {query['request']}. Write request=GetTile, or leave it out."
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
            f"`basemap`: tiles of {host} lie on a grid of their own, so cells cannot be laid over "
            "them. Take XYZ or WMTS tiles in Web Mercator, or an image."
        )
    if host.endswith(SHIFTED) and datum != "gcj02":
        raise InputError(f"`basemap`: tiles of {host} are in GCJ-02. Add basemap_datum='gcj02'.")
    geographic = re.search(r"/(?:vec|cva|img|cia|ter|cta)_c/|[?&]T=\w+_c(?:&|$)", url)
    if geographic and "tianditu" in host:
        raise InputError(_not_mercator(geographic[0].strip("/?&")))


def _not_mercator(found: str) -> str:
    return (
        f"`basemap`: {found} names tiles in degrees, but maps are drawn in Web Mercator. Take the "
        "set in EPSG:3857 (of Tianditu the one ending in _w)."
    )
