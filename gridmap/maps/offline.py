"""Pages that load nothing: every asset inside, every other address refused, the browser warned."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from gridmap.errors import InputError
from gridmap.maps import vendored
from gridmap.maps.tiles import Tiles

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


def save_offline(map: Any, path: str | Path, *, overwrite: bool = False) -> Path:
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
            if vendored.answer(url) is None:
                name = type(element).__name__
                raise InputError(
                    f"The map has a {name}, whose {url} is not shipped with gridmap, so the page "
                    f"would not open offline. Leave the {name} out."
                )
    for child in element._children.values():
        _refuse_plugins(child)


def check_page(path: str | Path) -> None:
    """Refuse a name that no browser would open as a page."""
    suffix = Path(path).suffix
    if suffix.lower() not in (".html", ".htm"):
        found = f"ends in `{suffix}`" if suffix else "has no ending"
        raise InputError(f"`{path}` {found}, but a page is written here. Name it .html.")


def write_page(html: str, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a page whole or not at all."""
    check_page(path)
    return write_text(html, path, overwrite=overwrite)


def write_text(text: str, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a text whole or not at all."""
    path = Path(path)
    if path.exists() and not overwrite:
        raise InputError(f"`{path}` exists already. Add overwrite=True (--overwrite) or rename.")
    if not path.parent.is_dir():
        raise InputError(f"The folder `{path.parent}` does not exist. Make it first.")
    try:
        handle, name = tempfile.mkstemp(suffix=".part", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise InputError(
            f"`{path}` cannot be written ({error.strerror}). Choose another."
        ) from error
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
    html = html.replace("\r\n", "\n")
    html = LINK.sub(_link, html)
    html = SCRIPT.sub(lambda found: _script(found, tiles), html)
    _refuse_loading(html)
    return with_policy(html, tiles)


def with_policy(html: str, tiles: Tiles | None = None) -> str:
    """Add a Content Security Policy that allows the scripts inside, by hash, and the tiles."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'"
        for attributes, body in SCRIPT.findall(html)
        if "application/json" not in attributes
    )
    scripts = hashes or "'none'"
    images = " ".join(["data:", "blob:", *(tiles.origins if tiles else ())])
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
        f"img-src {images}; font-src data:; frame-src data:; base-uri 'none'; form-action 'none'"
    )
    meta = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
    return re.sub(r"<head\b[^>]*>", lambda found: found.group(0) + meta, html, count=1)


def _link(found: re.Match[str]) -> str:
    attributes = found.group(1)
    target = _attribute(attributes, "href")
    if not re.match(r"(https?:)?//", target):
        return found.group(0)
    name = vendored.answer(target)
    if name is None:
        raise _unknown(target)
    return f"<style>{vendored.style(name)}</style>" if name else ""


def _script(found: re.Match[str], tiles: Tiles | None) -> str:
    attributes, body = found.groups()
    target = _attribute(attributes, "src")
    if target:
        name = vendored.answer(target)
        if name is None:
            raise _unknown(target)
        return f"<script>{vendored.script(name)}</script>" if name else ""
    if "application/json" not in attributes and "data-gridmap" not in attributes:
        _refuse_addresses(body, tiles)
    return found.group(0)


def _refuse_addresses(body: str, tiles: Tiles | None) -> None:
    """Refuse a script of the map that names an address, other than to click on."""
    for found in ADDRESS.finditer(ANCHOR.sub("", _attributions(_comments(body)))):
        address = found.group(0)
        named = address.startswith("http") or re.match(r"//[\w-]+(\.[\w-]+)+/", address)
        allowed = tiles is not None and address.startswith(tiles.origin + "/")
        if named and not allowed and not HARMLESS.match(address):
            raise _unknown(address)


def _comments(body: str) -> str:
    return re.sub(r"(?m)^\s*//.*$", "", body)


def _attributions(body: str) -> str:
    return re.sub(r"\"attribution\":\s*\"(?:[^\"\\]|\\.)*\"", "", body)


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
        f"The map loads {address[:120]}, which is not shipped with gridmap, so the page would not "
        "open offline. Remove that layer, or embed it as an image."
    )
