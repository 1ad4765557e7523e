"""Pages that load nothing: every asset inside, every other address refused, the browser warned."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import mimetypes
import posixpath
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from gridmap.errors import GridmapError, InputError
from gridmap.html import part
from gridmap.io.atomic import replacing
from gridmap.language import Message
from gridmap.maps.basemap import Tiles

if TYPE_CHECKING:
    import folium

ASSETS = "assets.html"
GLYPHS = "glyphicons/fonts/glyphicons-halflings-regular.woff2"


class DamagedAsset(GridmapError):
    """A shipped asset is not what its manifest says."""


def assets() -> Traversable:
    """Return the folder of assets."""
    return files("gridmap.maps").joinpath("assets")


def asset(name: str) -> str:
    """Read one of gridmap's own assets; scripts and styles without comments, which weigh 15 kB."""
    text = assets().joinpath(name).read_text(encoding="utf-8")
    if not name.endswith((".js", ".css")):
        return text
    text = re.sub(r"(?ms)^\s*(?://[^\n]*|/\*.*?\*/\s*?)\n", "", text)
    return re.sub(r"(?m)^[ \t]+", "", text)


def module_of(*names: str) -> str:
    """Return scripts of gridmap's own as one module without imports and exports."""
    text = re.sub(r"(?m)^import .*$\n", "", "".join(map(asset, names)))
    return re.sub(r"(?m)^export (?=class|function)", "", text)


@functools.cache
def manifest() -> dict[str, Any]:
    """Read which npm package, version, licence and SHA-256 each vendored file has.

    Its answers say what folium, its plugins and geopandas ask the network for, and which file
    stands for it; none for what a page names and does not use.
    """
    listed: dict[str, Any] = json.loads(asset("vendor/manifest.json"))
    return listed


def answer(url: str) -> str | None:
    """Name the vendored file that stands for a URL: "" for none needed, None when unknown."""
    answers: dict[str, str] = manifest()["answers"]
    for pattern, name in answers.items():
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
        path = posixpath.join(folder, re.split("[?#]", target)[0])
        return f"url({_data_uri(posixpath.normpath(path))})"

    return re.sub(r"url\(([^)]+)\)", inside, text).replace("</", "<\\/")


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


SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
LINK = re.compile(r"<link\b([^>]*?)/?>", re.IGNORECASE)
ADDRESS = re.compile(r"(?:https?:)?//[^\s\"'`<>\\)]+", re.IGNORECASE)
LOADING = re.compile(
    r"<(?:img|iframe|audio|video|source|object|embed|input|image|use)\b[^>]*?"
    r"(?:src|href|data|srcset)\s*=\s*[\"']?((?:https?:)?//[^\s\"'>]+)",
    re.IGNORECASE,
)
CSS_LOADING = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\s\"')]+)", re.IGNORECASE)
ANCHOR = re.compile(r"<a\b[^>]*>", re.IGNORECASE)
HARMLESS = re.compile(r"https?://(?:www\.)?w3\.org/", re.IGNORECASE)


def save_offline(map: folium.Map, path: str | Path, *, overwrite: bool = False) -> Path:
    """Save any folium map as one file that opens without a network.

    Every script and style sheet is put inside from files shipped with gridmap. A Content Security
    Policy makes the browser itself refuse the network.

    Parameters
    ----------
    map
        A folium map, whoever made it.
    path
        The HTML file to write.
    overwrite
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        When the map would load something that is not shipped, tiles for instance.
    """
    _refuse_plugins(map.get_root())
    return write_page(offline(map.get_root().render()), path, overwrite=overwrite)


def _refuse_plugins(element: Any) -> None:
    """Refuse by name a part of the map whose scripts are not shipped."""
    for kind in ("default_js", "default_css"):
        for _, url in getattr(element, kind, ()):
            if answer(url) is None:
                name = type(element).__name__
                raise InputError(
                    "The map has a {name}, whose {url} is not shipped with gridmap, so the page "
                    "would not open offline. Leave the {name} out.",
                    name=name,
                    url=url,
                )
    for child in element._children.values():
        _refuse_plugins(child)


def check_page(path: str | Path) -> None:
    """Refuse a name that no browser would open as a page."""
    suffix = Path(path).suffix
    if suffix.lower() not in (".html", ".htm"):
        found = Message("ends in `{suffix}`", suffix=suffix) if suffix else Message("has no ending")
        raise InputError(
            "`{path}` {found}, but a page is written here. Name it .html.", path=path, found=found
        )


def write_page(html: str, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a page whole or not at all."""
    check_page(path)
    return write_text(html, path, overwrite=overwrite)


def write_text(text: str, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a text whole or not at all."""
    path = Path(path)
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def offline(html: str, *, tiles: Tiles | None = None) -> str:
    """Put every asset of a page inside it and forbid the rest.

    Parameters
    ----------
    html
        A page, as folium renders it.
    tiles
        Map tiles that may be shown all the same, for a notebook with a network.

    Raises
    ------
    InputError
        When the page names an address that no shipped file stands for.
    """
    html = _steady_names(html)
    html = html.replace("\r\n", "\n")
    html = LINK.sub(_link, html)
    html = SCRIPT.sub(lambda found: _script(found, tiles), html)
    _refuse_loading(html)
    return with_policy(html, tiles)


def _steady_names(html: str) -> str:
    """Number the parts of a map in their order, where folium names them by chance."""
    names = dict.fromkeys(re.findall(r"(?<=_)[0-9a-f]{32}(?![0-9a-f])", html))
    for number, name in enumerate(names, start=1):
        html = html.replace(name, str(number))
    return html


def with_policy(html: str, tiles: Tiles | None = None) -> str:
    """Add a Content Security Policy that allows the scripts inside, by hash, and the tiles."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
        for attributes, body in SCRIPT.findall(html)
        if "application/json" not in attributes
    )
    scripts = hashes or "'none'"
    images = " ".join(["data:", "blob:", *(tiles.origins if tiles else ())])
    meta = str(part(ASSETS, "policy", Markup(scripts), Markup(images)))
    return re.sub(r"<head\b[^>]*>", lambda found: found.group(0) + meta, html, count=1)


def _link(found: re.Match[str]) -> str:
    attributes = found.group(1)
    target = _attribute(attributes, "href")
    if not re.match(r"(https?:)?//", target):
        return found.group(0)
    name = answer(target)
    if name is None:
        raise _unknown(target)
    return str(part(ASSETS, "style", Markup(style(name)))) if name else ""


def _script(found: re.Match[str], tiles: Tiles | None) -> str:
    attributes, body = found.groups()
    target = _attribute(attributes, "src")
    if target:
        name = answer(target)
        if name is None:
            raise _unknown(target)
        return str(part(ASSETS, "script", Markup(script(name)))) if name else ""
    if "application/json" not in attributes and "data-gridmap" not in attributes:
        _refuse_addresses(body, tiles)
    return found.group(0)


def _refuse_addresses(body: str, tiles: Tiles | None) -> None:
    """Refuse a script of the map that names an address, other than to click on."""
    body = re.sub(r"(?m)^\s*//.*$", "", body)  # comments
    body = re.sub(r"\"attribution\":\s*\"(?:[^\"\\]|\\.)*\"", "", body)
    for found in ADDRESS.finditer(ANCHOR.sub("", body)):
        address = found.group(0)
        named = address.startswith("http") or re.match(r"//[\w-]+(\.[\w-]+)+/", address)
        allowed = tiles is not None and address.startswith(tiles.origin + "/")
        if named and not allowed and not HARMLESS.match(address):
            raise _unknown(address)


def _refuse_loading(html: str) -> None:
    bare = SCRIPT.sub("", html)
    for pattern in (LOADING, CSS_LOADING):
        found = pattern.search(bare)
        if found:
            raise _unknown(found.group(1))


def _attribute(attributes: str, name: str) -> str:
    found = re.search(rf"\b{name}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", attributes)
    return next((group for group in found.groups() if group), "") if found else ""


def _unknown(address: str) -> InputError:
    return InputError(
        "The map loads {address}, which is not shipped with gridmap, so the page "
        "would not open offline. Remove that layer, or embed it as an image.",
        address=address[:120],
    )
