"""Anybody's folium map with its plugins, saved as one file and opened without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gridmap as gm

pytestmark = pytest.mark.browser

HERE = [30.0, 114.0]
NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
PLACES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [114.0 + 0.01 * day, 30.0]},
            "properties": {"name": f"place {day}", "time": f"2026-01-0{day + 1}"},
        }
        for day in range(3)
    ],
}


def test_the_plugins_that_are_shipped_work(opened: Callable[..., Any], tmp_path: Path) -> None:
    import folium
    from folium import plugins

    shown = folium.Map(location=HERE, zoom_start=13, tiles=None)
    shown.options["max_zoom"] = 18
    plugins.MiniMap(tile_layer=folium.TileLayer(NOTHING, attr="none")).add_to(shown)
    plugins.Draw(export=True).add_to(shown)
    plugins.MousePosition().add_to(shown)
    plugins.LocateControl().add_to(shown)
    plugins.AntPath([HERE, [30.01, 114.01]]).add_to(shown)
    folium.Marker(HERE, icon=plugins.BeautifyIcon(icon="star", number=3)).add_to(shown)
    places = folium.GeoJson(PLACES).add_to(shown)
    plugins.Search(places, search_label="name", collapsed=False).add_to(shown)
    plugins.TimestampedGeoJson(PLACES, period="P1D", auto_play=False).add_to(shown)
    one, other = (folium.FeatureGroup(name).add_to(shown) for name in ("one", "other"))
    folium.Marker(HERE).add_to(plugins.FeatureGroupSubGroup(one, "part").add_to(shown))
    plugins.GroupedLayerControl({"group": [one, other]}, collapsed=False).add_to(shown)
    seen = opened(gm.save_offline(shown, tmp_path / "plugins.html"))
    for part in (
        ".leaflet-control-minimap",
        ".leaflet-draw-draw-polygon",
        ".leaflet-control-mouseposition",
        ".leaflet-control-locate",
        ".leaflet-ant-path",
        ".beautify-marker",
        ".search-input",
        ".timecontrol-play",
        ".leaflet-control-layers-group",
    ):
        assert seen.page.locator(part).count() >= 1, part
    seen.page.fill("input.search-input", "place 2")
    seen.page.press("input.search-input", "Enter")
    seen.page.click(".timecontrol-forward")
    seen.page.wait_for_timeout(400)
    assert "2026-01-02" in seen.page.locator(".timecontrol-date").inner_text()
    glyphs = """document.fonts.load('14px "Glyphicons Halflings"').then((all) => all.length)"""
    assert seen.run(glyphs) > 0
    assert seen.requests == []
    assert seen.complaints == []


def test_two_maps_move_together(opened: Callable[..., Any], tmp_path: Path) -> None:
    from folium.plugins import DualMap

    both = DualMap(location=HERE, zoom_start=12, tiles=None)
    seen = opened(gm.save_offline(both, tmp_path / "dual.html"))
    names = ["map_1", "map_2"]  # numbered in a saved page, so that its bytes are the same again
    seen.run(f"{names[0]}.setView([31, 115], 12, {{animate: false}}) && 0")
    centre = seen.run(f"[{names[1]}.getCenter().lat, {names[1]}.getCenter().lng]")
    assert centre == pytest.approx([31, 115], abs=1e-3)
    assert seen.requests == [] and seen.complaints == []
