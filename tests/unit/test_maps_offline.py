"""Offline pages: everything inside, everything else refused, nothing half-written."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gridmap as gm
from gridmap.maps import offline as vendored
from gridmap.maps.offline import offline, save_offline

SHIPPED_PLUGINS = [
    "AntPath", "BeautifyIcon", "Draw", "DualMap", "FeatureGroupSubGroup", "Fullscreen",
    "GroupedLayerControl", "HeatMap", "LocateControl", "MarkerCluster", "MiniMap", "MousePosition",
    "Search", "TimestampedGeoJson",
]  # fmt: skip


def page(body: str = "", head: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    from PIL import Image

    Image.new("RGB", (40, 40), (20, 60, 200)).save(tmp_path / "ground.png")
    return tmp_path / "ground.png"


@pytest.mark.parametrize(
    "part",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<script src="//cdn.example.org/x.js"></script>',
        '<link rel="stylesheet" href="http://cdn.example.org/x.css"/>',
        '<img src="https://example.org/a.png">',
        "<img src=https://example.org/a.png>",
        '<iframe src="https://example.org"></iframe>',
        "<style>@import 'https://example.org/a.css';</style>",
        "<style>body{background:url(//example.org/a.png)}</style>",
        '<script>L.tileLayer("https://tile.example.org/{z}/{x}/{y}.png")</script>',
        "<script>fetch('http://example.org/data.json')</script>",
    ],
)
def test_an_unknown_address_is_an_error(part: str) -> None:
    with pytest.raises(gm.InputError, match=r"example\.org.*Remove that layer"):
        offline(page(part))


@pytest.mark.parametrize(
    "part",
    [
        '<a href="https://example.org">source</a>',
        "<script>var s = 'http://www.w3.org/2000/svg';</script>",
        "<script>\n// see https://example.org for more\nvar a = 1;</script>",
        '<script type="application/json">["https://example.org/a.png"]</script>',
    ],
)
def test_what_loads_nothing_is_left_alone(part: str) -> None:
    assert part in offline(page(part))


def test_the_policy_names_each_script_by_its_hash_and_allows_no_network() -> None:
    html = offline(page("<script>var a = 1;</script>"))
    digest = base64.b64encode(hashlib.sha256(b"var a = 1;").digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert f"script-src 'sha256-{digest}';" in policy[1]
    assert "default-src 'none'" in policy[1] and "http" not in policy[1]
    assert html.index("Content-Security-Policy") < html.index("<script")


def test_all_that_folium_asks_for_is_shipped() -> None:
    import folium
    from folium import plugins

    shown = folium.Map(tiles=None)
    asked = [url for _, url in [*shown.default_js, *shown.default_css]]
    for name in SHIPPED_PLUGINS:
        plugin = getattr(plugins, name)
        asked += [url for _, url in [*plugin.default_js, *getattr(plugin, "default_css", [])]]
    assert len(asked) > 35
    for url in asked:
        name = vendored.answer(url)
        assert name is not None, url
        if name:
            text = vendored.script(name) if name.endswith(".js") else vendored.style(name)
            assert len(text) > 100
            assert "</script" not in text.lower() and "<!--" not in text


@pytest.mark.parametrize("name", ["MeasureControl", "Geocoder"])
def test_a_plugin_that_is_not_shipped_is_refused_by_name(name: str, tmp_path: Path) -> None:
    import folium
    from folium import plugins

    shown = folium.Map(tiles=None)
    getattr(plugins, name)().add_to(shown)
    with pytest.raises(
        gm.InputError, match=rf"The map has a {name}, whose .* Leave the {name} out"
    ):
        save_offline(shown, tmp_path / "map.html")
    assert list(tmp_path.iterdir()) == []


def test_every_shipped_file_is_listed_with_its_hash_and_has_a_licence() -> None:
    listed = vendored.manifest()["packages"]
    root = Path(str(vendored.assets()))
    for package, facts in listed.items():
        licence = root.joinpath("licenses", f"{package}.txt").read_text("utf-8")
        assert len(licence) > 300 and facts["version"]
        for name, entry in facts["files"].items():
            content = root.joinpath("vendor", package, name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    shipped = {p for p in root.joinpath("vendor").rglob("*") if p.is_file()}
    named = {root / "vendor" / p / n for p, f in listed.items() for n in f["files"]}
    assert shipped == named | {root / "vendor" / "manifest.json"}


def test_an_altered_asset_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Altered:
        def joinpath(self, _: str) -> Altered:
            return self

        def read_bytes(self) -> bytes:
            return b"alert(1)"

    listed = vendored.manifest()
    vendored.vendored.cache_clear()
    monkeypatch.setattr(vendored, "manifest", lambda: listed)
    monkeypatch.setattr(vendored, "assets", Altered)
    with pytest.raises(vendored.DamagedAsset, match="altered"):
        vendored.vendored("leaflet/leaflet.js")


def test_a_map_with_a_basemap_shows_but_is_not_saved(grid: gm.Grid, tmp_path: Path) -> None:
    tiles = "https://tile.example.org/{z}/{x}/{y}.png"
    shown = gm.coverage_map(grid, basemap=tiles)
    view = shown._repr_html_()
    assert "img-src data: blob: https://tile.example.org" in view
    with pytest.raises(gm.InputError, match=r"tile\.example\.org"):
        shown.save(tmp_path / "map.html")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_or_left_half_written(grid: gm.Grid, tmp_path: Path) -> None:
    shown = gm.coverage_map(grid)
    path = tmp_path / "map.html"
    save_offline(shown, path)
    before = path.read_bytes()
    with pytest.raises(gm.InputError, match="exists already"):
        save_offline(shown, path)
    save_offline(shown, path, overwrite=True)
    assert path.read_bytes() == before
    with pytest.raises(gm.InputError, match="does not exist"):
        save_offline(shown, tmp_path / "nowhere" / "map.html")
    assert [p.name for p in tmp_path.iterdir()] == ["map.html"]


def test_a_notebook_gets_the_page_itself(grid: gm.Grid) -> None:
    view = gm.coverage_map(grid)._repr_html_()
    assert view.startswith("<iframe srcdoc=") and "https://cdn" not in view
    assert "Content-Security-Policy" in view


def test_where_a_notebook_is_not_trusted_a_picture_stands_for_the_map(grid: gm.Grid) -> None:
    """JupyterLab takes frames and style sheets away; what they hide is then seen."""
    broken = grid.cells.drop(grid.cells.index[20]).reset_index()
    found = gm.validate(broken, grid.boundary)
    for shown in (gm.coverage_map(grid), gm.defect_map(broken, found, grid.boundary)):
        view = shown._repr_html_()
        left = re.sub(r"<(iframe|style).*?</\1>", "", view, flags=re.DOTALL)
        (drawing,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', left)
        assert base64.b64decode(drawing).count(b"<path") in (len(grid), len(broken))
        assert "未被信任" in left and "not trusted" in left
        assert re.search(r"<style>\.gm-untrusted { display: none; }</style>", view)
        assert left.lstrip().startswith('<div class="gm-untrusted">')


def test_a_lean_map_carries_no_asset_that_it_does_not_use(grid: gm.Grid) -> None:
    html = gm.coverage_map(grid).page()
    assert "Bootstrap v5" not in html and "Font Awesome" not in html and "jQuery v3" not in html
    assert "Leaflet 1.9.4" in html


def test_names_cannot_end_the_script_that_holds_them(grid: gm.Grid, tmp_path: Path) -> None:
    cells = grid.cells.reset_index()
    cells["name"] = "</script><script>alert(1)</script>"
    evil: Any = gm.Grid(cells, grid.boundary, grid.levels, jurisdictions=grid.jurisdictions)
    html = gm.coverage_map(evil).page()
    assert "alert(1)" in html and "<script>alert(1)" not in html


def test_an_image_lies_under_the_cells_of_a_saved_map(grid: gm.Grid, picture: Path) -> None:
    from PIL import Image

    west, south, east, north = grid.cells.to_crs(4326).total_bounds
    html = gm.coverage_map(grid, basemap=picture, basemap_bounds=(west, south, east, north)).page()
    data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert data is not None
    ground = json.loads(data.group(1))["ground"]
    there = grid.cells.to_crs(3857).total_bounds
    corners = [ground[side] for side in ("west", "south", "east", "north")]
    assert np.allclose(corners, there, atol=1.0)
    assert 0.3 < ground["opacity"] < 1
    kind, content = ground["src"].split(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as embedded:
        assert (embedded.mode, embedded.size) == ("L", (40, 40))


def test_cells_follow_an_image_in_a_shifted_datum(grid: gm.Grid, picture: Path) -> None:
    around = (113.5, 30.5, 113.7, 30.7)
    html = gm.coverage_map(
        grid, basemap=picture, basemap_bounds=around, basemap_datum="gcj02", lang="en"
    ).page()
    assert "cells moved to the GCJ-02 basemap" in html


@pytest.mark.parametrize(
    ("bounds", "complaint"),
    [
        (None, "`basemap_bounds` is missing"),
        ((30.5, 113.5, 30.7, 113.7), "in degrees, in order"),
        ((113.5, 30.7, 113.7, 30.5), "in degrees, in order"),
        ((113.5, 30.5, np.nan, 30.7), "in degrees, in order"),
        ((1.0, 30.0, 2.0, 31.0), "do not touch the cells"),
    ],
)
def test_an_image_needs_its_bounds(
    grid: gm.Grid, picture: Path, bounds: Any, complaint: str
) -> None:
    with pytest.raises(gm.InputError, match=complaint):
        gm.coverage_map(grid, basemap=picture, basemap_bounds=bounds)


def test_a_basemap_that_cannot_be_embedded_is_refused(
    grid: gm.Grid, town: Any, tmp_path: Path
) -> None:
    around = (113.5, 30.5, 113.7, 30.7)
    text = tmp_path / "map.svg"
    text.write_text("<svg/>")
    with pytest.raises(gm.InputError, match="neither PNG nor JPEG"):
        gm.coverage_map(grid, basemap=text, basemap_bounds=around)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    with pytest.raises(gm.InputError, match="is damaged"):
        gm.coverage_map(grid, basemap=broken, basemap_bounds=around)
    with pytest.raises(gm.InputError, match="cannot be read"):
        gm.coverage_map(grid, basemap=tmp_path / "none.png", basemap_bounds=around)
    with pytest.raises(gm.InputError, match="needs `basemap`"):
        gm.coverage_map(grid, basemap_bounds=around)
    tiles = "https://tile.example.org/{z}/{x}/{y}.png"
    with pytest.raises(gm.InputError, match="has no `basemap_bounds`"):
        gm.coverage_map(grid, basemap=tiles, basemap_bounds=around)
    with pytest.raises(gm.InputError, match="A briefing loads nothing"):
        gm.briefing(grid, town.incidents, basemap=tiles)


@pytest.mark.parametrize("name", ["gridmap.js", "room.js", "edit_page.js", "briefing.css"])
def test_own_scripts_and_styles_lose_their_comments_and_nothing_else(name: str) -> None:
    kept, inside = [], False
    for line in vendored.assets().joinpath(name).read_text("utf-8").splitlines():
        words = line.strip()
        starts, ends = words.startswith("/*"), words.endswith("*/")
        if words and not (inside or starts or words.startswith("//")):
            kept.append(line.lstrip())
        inside = (inside or starts) and not ends
    assert [line for line in vendored.asset(name).splitlines() if line] == kept
