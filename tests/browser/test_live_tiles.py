"""Tiles in a notebook: which are asked for, and whether the cells lie right over them."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import shapely

import gridmap as gm
from gridmap.crs.datum import positions_from, positions_to

pytestmark = pytest.mark.browser

CELL = 30
ZOOM = 15


@dataclass
class Server:
    """A page and tiles on this machine, and which tiles were asked for."""

    address: str
    page: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve one page, and the same grey tile wherever a tile is asked for."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (256, 256), (200, 200, 200)).save(buffer, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_page = self.path == "/page.html"
            if not is_page and self.path != "/favicon.ico":
                served.asked.append(self.path)
            body = served.page.encode() if is_page else buffer.getvalue()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if is_page else "image/png")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Server(f"http://127.0.0.1:{running.server_port}")
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield served
    running.shutdown()
    running.server_close()


def by_path(url: str) -> tuple[int, int, int]:
    """Read matrix, row and column of a WMTS tile by its path."""
    matrix, row, column = urlsplit(url).path.removesuffix(".png").split("/")[-3:]
    return int(matrix), int(row), int(column)


def by_query(url: str) -> tuple[int, int, int]:
    """Read matrix, row and column of a WMTS tile by its query, which must be whole."""
    query = {key.lower(): value[0] for key, value in parse_qs(urlsplit(url).query).items()}
    assert query["service"] == "WMTS" and query["request"] == "GetTile"
    assert query["layer"] == "vec" and query["tilematrixset"] == "w" and query["tk"] == "k&y"
    return int(query["tilematrix"]), int(query["tilerow"]), int(query["tilecol"])


def by_xyz(url: str) -> tuple[int, int, int]:
    """Read zoom, row and column of an XYZ tile."""
    zoom, column, row = urlsplit(url).path.removesuffix(".png").split("/")[-3:]
    return int(zoom), int(row), int(column)


def mercator_pixels(lng: Any, lat: Any) -> Any:
    """Place degrees among the pixels of the whole world at a zoom."""
    world = 256 * 2**ZOOM
    y = np.arctanh(np.sin(np.radians(lat)))
    return np.column_stack([(lng + 180) / 360 * world, (1 - y / math.pi) / 2 * world])


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/a/default/g/{TileMatrix}/{TileRow}/{TileCol}.png", by_path),
        ("/wmts?service=WMTS&layer=vec&tilematrixset=w&tk=k%26y", by_query),
        ("/{z}/{x}/{y}.png", by_xyz),
    ],
    ids=["wmts-rest", "wmts-kvp", "xyz"],
)
@pytest.mark.parametrize("datum", ["wgs84", "gcj02", "bd09"])
def test_the_right_tiles_lie_under_the_right_cells(
    browser: Any, server: Server, grid: gm.Grid, path: str, read: Any, datum: Any
) -> None:
    shown = gm.coverage_map(grid, basemap=server.address + path, basemap_datum=datum)
    server.page = shown.page(live=True)
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.goto(server.address + "/page.html")
    cell = grid.cells.geometry.iloc[CELL]
    xy = shapely.get_coordinates(cell.exterior)
    lng, lat = positions_from(xy[:, 0], xy[:, 1], grid.crs)
    if datum != "wgs84":
        lng, lat = positions_to(lng, lat, datum)
    there = shapely.Polygon(mercator_pixels(lng, lat)).centroid
    page.evaluate(
        """([at, zoom, cell]) => {
            const room = gridmap.rooms[0], layer = room.layer;
            layer.theme = {classes: [{color: '#ffffff'}, {color: '#ff0000'}],
                of: Uint8Array.from({length: room.data.shape.cells}, (_, k) => k === cell)};
            layer.show = {borders: false};
            room.root.style.display = 'none';
            room.map.setView(at, zoom, {animate: false});
        }""",
        [[float(lat.mean()), float(lng.mean())], ZOOM, CELL],
    )
    page.wait_for_function(
        "() => document.querySelectorAll('.leaflet-tile-loaded').length > 8 &&"
        " !document.querySelector('.leaflet-tile:not(.leaflet-tile-loaded)')"
    )
    page.wait_for_timeout(400)  # tiles fade in
    wanted = (ZOOM, int(there.y // 256), int(there.x // 256))
    asked = {read(url) for url in server.asked}
    assert wanted in asked
    near = [tile for tile in asked if tile[0] == ZOOM]
    assert all(abs(a - b) <= 4 for tile in near for a, b in zip(tile, wanted, strict=True))
    boxes = page.evaluate(
        """() => Array.from(document.querySelectorAll('img.leaflet-tile')).map((tile) => {
            const box = tile.getBoundingClientRect(); return [tile.src, box.left, box.top]; })"""
    )
    left, top = next((x, y) for url, x, y in boxes if read(url) == wanted)
    red = _red(page.screenshot())
    expected = (left + there.x - 256 * wanted[2], top + there.y - 256 * wanted[1])
    assert np.allclose(red, expected, atol=1.5)
    assert complaints == []
    said = page.locator(".gm-credit").text_content()
    assert ("GCJ-02" in said, "BD-09" in said) == (datum == "gcj02", datum == "bd09")
    context.close()


def _red(screenshot: bytes) -> Any:
    """Find the middle of what is red."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB")).astype(int)
    rows, columns = np.nonzero(picture[..., 0] - picture[..., 1] > 100)
    assert len(rows) > 50
    return columns.mean() + 0.5, rows.mean() + 0.5
