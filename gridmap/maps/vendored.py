"""The JavaScript and CSS that pages are made of, shipped with the package and checked."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import mimetypes
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from gridmap.errors import GridmapError

# What folium and geopandas ask the network for, and the shipped file that answers.
ANSWERS = {
    r"leaflet@1\.\d+\.\d+/dist/leaflet(-src)?\.js": "leaflet/leaflet.js",
    r"leaflet@1\.\d+\.\d+/dist/leaflet\.css": "leaflet/leaflet.css",
    r"jquery[-/@]3\.\d+\.\d+[^\"]*\.js": "jquery/jquery.min.js",
    r"bootstrap@5\.\d+\.\d+/dist/js/bootstrap\.bundle": "bootstrap/js/bootstrap.bundle.min.js",
    r"bootstrap@5\.\d+\.\d+/dist/css/bootstrap\.min\.css": "bootstrap/css/bootstrap.min.css",
    r"bootstrap-glyphicons\.css": "glyphicons/glyphicons.css",
    r"leaflet\.awesome-markers(\.min)?\.js": "awesome-markers/leaflet.awesome-markers.js",
    r"leaflet\.awesome-markers\.css": "awesome-markers/leaflet.awesome-markers.css",
    r"leaflet\.awesome\.rotate(\.min)?\.css": "",  # turned marker icons only; nothing to load
    r"fontawesome-free@6\.\d+\.\d+/css/all\.min\.css": "fontawesome/css/all.min.css",
    r"leaflet[_-]heat(\.min)?\.js": "heat/leaflet-heat.js",
    r"leaflet\.markercluster(-src)?\.js": "markercluster/leaflet.markercluster.js",
    r"MarkerCluster\.css": "markercluster/MarkerCluster.css",
    r"MarkerCluster\.Default\.css": "markercluster/MarkerCluster.Default.css",
    r"Control\.FullScreen(\.min)?\.js": "fullscreen/Control.FullScreen.js",
    r"Control\.FullScreen\.css": "fullscreen/Control.FullScreen.css",
    r"d3/3\.5\.\d+/d3\.min\.js": "d3/d3.min.js",
    r"topojson/1\.6\.\d+/topojson\.min\.js": "topojson/topojson.min.js",
    # the plugins of folium
    r"Control\.MiniMap(\.min)?\.js": "minimap/Control.MiniMap.min.js",
    r"Control\.MiniMap(\.min)?\.css": "minimap/Control.MiniMap.min.css",
    r"leaflet\.draw(-src)?\.js": "draw/leaflet.draw.js",
    r"leaflet\.draw(-src)?\.css": "draw/leaflet.draw.css",
    r"leaflet-search(\.min)?\.js": "search/dist/leaflet-search.min.js",
    r"leaflet-search(\.min)?\.css": "search/dist/leaflet-search.min.css",
    r"L\.Control\.MousePosition(\.min)?\.js": "mouseposition/L.Control.MousePosition.js",
    r"L\.Control\.MousePosition(\.min)?\.css": "mouseposition/L.Control.MousePosition.css",
    r"L\.Control\.Locate(\.min)?\.js": "locate/L.Control.Locate.min.js",
    r"L\.Control\.Locate(\.min)?\.css": "locate/L.Control.Locate.min.css",
    r"leaflet-ant-path(\.min)?\.js": "antpath/leaflet-ant-path.js",
    r"leaflet-beautify-marker-icon(\.min)?\.js": "beautify/leaflet-beautify-marker-icon.js",
    r"leaflet-beautify-marker-icon(\.min)?\.css": "beautify/leaflet-beautify-marker-icon.css",
    r"L\.Map\.Sync(\.min)?\.js": "sync/L.Map.Sync.js",
    r"leaflet\.timedimension(\.min)?\.js": "timedimension/leaflet.timedimension.min.js",
    r"leaflet\.timedimension\.control(\.min)?\.css": (
        "timedimension/leaflet.timedimension.control.min.css"
    ),
    r"iso8601(\.min)?\.js": "iso8601/iso8601.js",
    r"moment\.js/2\.\d+\.\d+/moment(\.min)?\.js": "moment/moment.min.js",
    r"jqueryui/[\d.]+/jquery-ui(\.min)?\.js": "",  # named by TimestampedGeoJson, used by nothing
    r"highlight\.js/[\d.]+/styles/\w+(\.min)?\.css": "",
    r"leaflet\.featuregroup\.subgroup(\.min)?\.js": "subgroup/leaflet.featuregroup.subgroup.js",
    r"leaflet\.groupedlayercontrol(\.min)?\.js": (
        "groupedlayers/leaflet.groupedlayercontrol.min.js"
    ),
    r"leaflet\.groupedlayercontrol(\.min)?\.css": (
        "groupedlayers/leaflet.groupedlayercontrol.min.css"
    ),
}


GLYPHS = "glyphicons/fonts/glyphicons-halflings-regular.woff2"


class DamagedAsset(GridmapError):
    """A shipped asset is not what its manifest says."""


def assets() -> Traversable:
    """Return the folder of assets."""
    return files("gridmap.maps").joinpath("assets")


def asset(name: str) -> str:
    """Read one of gridmap's own assets."""
    return assets().joinpath(name).read_text(encoding="utf-8")


@functools.cache
def manifest() -> dict[str, Any]:
    """Read which npm package, version, licence and SHA-256 each vendored file has."""
    listed: dict[str, Any] = json.loads(asset("vendor/manifest.json"))
    return listed


def answer(url: str) -> str | None:
    """Name the vendored file that stands for a URL: "" for none needed, None when unknown."""
    for pattern, name in ANSWERS.items():
        if re.search(pattern, url):
            return name
    return None


@functools.cache
def vendored(name: str) -> bytes:
    """Read a vendored file and check it against the manifest.

    Raises
    ------
    DamagedAsset
        When its SHA-256 is not the one recorded.
    """
    package, _, path = name.partition("/")
    content = assets().joinpath("vendor").joinpath(name).read_bytes()
    recorded = manifest()["packages"][package]["files"][path]["sha256"]
    if hashlib.sha256(content).hexdigest() != recorded:
        raise DamagedAsset(f"The shipped file {name} was altered. Install gridmap again.")
    return content


def script(name: str) -> str:
    """Return a vendored script, safe inside a script element."""
    text = vendored(name).decode("utf-8").replace("\r\n", "\n")
    text = re.sub(r"//[#@] sourceMappingURL=\S+", "", text)
    if name == "leaflet/leaflet.js":
        text += _default_icons()
    return safe_script(text)


def safe_script(text: str) -> str:
    """Escape what would end a script element, in strings and patterns alike."""
    text = re.sub(r"</(script)", r"<\\/\1", text, flags=re.IGNORECASE)
    text = re.sub(r"<(s)(cript)", r"<\\x73\2", text, flags=re.IGNORECASE)
    return text.replace("<!--", r"<\x21--")


def style(name: str) -> str:
    """Return a vendored style sheet with its pictures and fonts inside."""
    text = vendored(name).decode("utf-8").replace("\r\n", "\n")
    text = re.sub(r"/\*# sourceMappingURL=.*?\*/", "", text)
    text = re.sub(r",\s*url\([^)]+\.ttf\)\s*format\([^)]+\)", "", text)
    folder = name.rsplit("/", 1)[0]

    def inside(found: re.Match[str]) -> str:
        target = found.group(1).strip("'\"")
        if target.startswith(("data:", "#")):
            return found.group(0)
        if (
            "glyphicons-halflings-regular" in target and "//" in target
        ):  # one form of five is enough
            return f"url({_data_uri(GLYPHS) if target.endswith('.woff') else 'data:,'})"
        return f"url({_data_uri(_joined(folder, re.split('[?#]', target)[0]))})"

    return re.sub(r"url\(([^)]+)\)", inside, text).replace("</", "<\\/")


def _joined(folder: str, target: str) -> str:
    parts = folder.split("/")
    for part in target.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _data_uri(name: str) -> str:
    kind = mimetypes.guess_type(name)[0] or "font/woff2"
    return f"data:{kind};base64,{base64.b64encode(vendored(name)).decode()}"


def _default_icons() -> str:
    """Hand Leaflet its marker pictures, which it would look for beside the page."""
    pictures = {
        option: _data_uri(f"leaflet/images/{picture}")
        for option, picture in [
            ("iconUrl", "marker-icon.png"),
            ("iconRetinaUrl", "marker-icon-2x.png"),
            ("shadowUrl", "marker-shadow.png"),
        ]
    }
    return (
        "\nL.Icon.Default.imagePath='';"
        f"L.Icon.Default.mergeOptions({json.dumps(pictures, separators=(',', ':'))});"
    )
