"""Saved maps in a real browser: no false gaps, time that moves, anybody's folium map offline."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from PIL import Image

import gridmap as gm
from gridmap.coverage.defect_names import KINDS

pytestmark = pytest.mark.browser

ROOM = "gridmap.rooms[0]"
BARE = """() => {
    const room = gridmap.rooms[0];
    document.documentElement.style.background = document.body.style.background = '#ff00ff';
    room.map.getContainer().style.background = '#ff00ff';
    room.root.style.display = 'none';
    document.querySelectorAll('.leaflet-control-container').forEach((e) => e.remove());
    room.layer.show = { borders: false, levels: false, labels: false, marks: false };
    const all = new Uint8Array(room.data.shape.cells);
    room.layer.theme = { classes: [{ color: '#20a040' }], of: all };
    room.layer.draw();
}"""


def gap_pixels(seen: Any, grid: gm.Grid) -> int:
    """Count magenta pixels inside the boundary, a pixel away from it."""
    from PIL import ImageDraw, ImageFilter

    picture = np.asarray(Image.open(io.BytesIO(seen.page.screenshot())).convert("RGB")).astype(int)
    view = seen.run(
        f"""() => {{ const layer = {ROOM}.layer, at = layer._cells.getBoundingClientRect();
            return [layer.view.scale, layer.view.dx + at.left, layer.view.dy + at.top]; }}"""
    )
    move = pyproj.Transformer.from_crs(grid.crs, 3857, always_xy=True).transform

    def pixels(xy: Any) -> Any:
        x, y = move(xy[:, 0], xy[:, 1])
        return np.column_stack([x * view[0] + view[1], view[2] - y * view[0]]) + rim

    rim = 2  # the boundary may leave the window, and is a pixel away there too
    mask = Image.new("L", (picture.shape[1] + 2 * rim, picture.shape[0] + 2 * rim), 0)
    pen = ImageDraw.Draw(mask)
    for part in shapely.get_parts(shapely.transform(grid.boundary, pixels)):
        pen.polygon([tuple(p) for p in part.exterior.coords], fill=255)
        for hole in part.interiors:
            pen.polygon([tuple(p) for p in hole.coords], fill=0)
    inside = np.asarray(mask.filter(ImageFilter.MinFilter(3)))[rim:-rim, rim:-rim] > 0
    assert inside.sum() > 10_000
    green = picture[..., 1] - (picture[..., 0] + picture[..., 2]) / 2
    return int((inside & (green < 20)).sum())


@pytest.mark.parametrize("name", ["grid", "rough"])
def test_no_page_shines_through_between_cells(
    name: str, opened: Callable[..., Any], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    grid = request.getfixturevalue(name)
    path = tmp_path / "map.html"
    gm.coverage_map(grid).save(path)
    seen = opened(path)
    seen.run(BARE)
    corner = shapely.get_coordinates(grid.cells.geometry.iloc[len(grid) // 2])[0]
    lng, lat = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(*corner)
    for step in (0, 0.7, 2, 3.3):
        seen.run(
            f"""([at, step]) => {{
                const map = {ROOM}.map;
                window.base = window.base || map.getZoom();
                map.setView(at, window.base + step, {{animate: false}});
            }}""",
            [[lat, lng], step],
        )
        seen.page.wait_for_timeout(100)
        assert gap_pixels(seen, grid) == 0


def test_a_real_gap_would_be_seen(
    opened: Callable[..., Any], grid: gm.Grid, tmp_path: Path
) -> None:
    broken = grid.cells.drop(grid.cells.index[20]).reset_index()
    path = tmp_path / "map.html"
    gm.defect_map(broken, gm.validate(broken, grid.boundary)).save(path)
    seen = opened(path)
    seen.run(BARE)
    assert gap_pixels(seen, grid) > 100


@pytest.mark.parametrize("zoom", [0, 1.3, 3])
@pytest.mark.parametrize("dense", [1, 2])
def test_a_moved_map_is_the_map_drawn_anew(
    opened: Callable[..., Any], grid: gm.Grid, tmp_path: Path, zoom: float, dense: int
) -> None:
    broken = grid.cells.drop(grid.cells.index[20]).reset_index()
    path = tmp_path / "map.html"
    gm.defect_map(broken, gm.validate(broken, grid.boundary), grid.boundary).save(path)
    gm.coverage_map(grid).save(tmp_path / "whole.html")
    for file in (path, tmp_path / "whole.html"):
        seen = opened(file, device_scale_factor=dense)
        seen.run(f"{ROOM}.map.setZoom({ROOM}.map.getZoom() + {zoom}, {{animate: false}})")
        before = seen.run(f"{ROOM}.layer._cells.toDataURL()")
        for by in ([700, 0], [0, -400], [-371, 253], [350, 350], [-900, 17], [3000, 0]):
            seen.run(f"(by) => {{ {ROOM}.map.panBy(by, {{animate: false}}) }}", by)
            moved, anew = seen.run(
                f"""() => {{
                    const layer = {ROOM}.layer, shot = () => [layer._cells, layer._names]
                        .map((canvas) => canvas.toDataURL());
                    const moved = shot();
                    layer.draw();
                    return [moved, shot()];
                }}"""
            )
            assert moved[0] != before
            assert moved[1] == anew[1]  # the names
            a, b = (pixels(one[0]) for one in (moved, anew))
            assert a.shape == b.shape
            apart = np.abs(a - b).max(axis=2)  # soft edges differ by what was drawn with them
            assert apart.max() <= 80 and (apart > 24).mean() < 1e-4 and (apart > 2).mean() < 1e-3
            before = anew[0]


def pixels(url: str) -> Any:
    """Return the pixels of a picture that stands in an address."""
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def test_the_time_slider_changes_the_classes(
    opened: Callable[..., Any], grid: gm.Grid, placed: Any, tmp_path: Path
) -> None:
    spots = gm.hotspots(gm.tally(placed, grid, by="month"), grid)
    path = tmp_path / "hot.html"
    gm.hotspot_map(grid, spots).save(path)
    seen = opened(path)
    months = sorted(set(spots.index.get_level_values("month").astype(str)))
    for k, month in enumerate(months):
        seen.run(
            "(k) => { const range = document.querySelector('.gm-slider input');"
            " range.value = k; range.dispatchEvent(new Event('input')); }",
            k,
        )
        assert seen.page.locator(".gm-slider output").inner_text() == month
        shown = seen.run(f"Array.from({ROOM}.layer.theme.of)")
        part = spots.xs(pd.Period(month, "M"), level="month").reindex(grid.cells.index)
        hot = part["bin"].to_numpy() + 3
        wanted = np.where(part["gate"].astype(str) == "", hot, 7)
        assert shown == wanted.tolist()
    assert seen.complaints == [] and seen.requests == []


def test_a_defect_is_one_click_away(
    opened: Callable[..., Any], grid: gm.Grid, tmp_path: Path
) -> None:
    broken = grid.cells.drop(grid.cells.index[20]).reset_index()
    path = tmp_path / "defects.html"
    gm.defect_map(broken, gm.validate(broken, grid.boundary), grid.boundary).save(path)
    seen = opened(path)
    before = seen.run(f"{ROOM}.map.getZoom()")
    seen.page.click(".gm-kind >> nth=0")
    assert seen.run(f"{ROOM}.map.getZoom()") > before
    assert "空白" in seen.page.locator(".gm-card").inner_text()


def test_a_map_prints_one_page(opened: Callable[..., Any], grid: gm.Grid, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    gm.coverage_map(grid, lang="en").save(path)
    seen = opened(path)
    sheet = seen.page.pdf(prefer_css_page_size=True, print_background=True)
    assert sheet.count(b"/Type /Page\n") + sheet.count(b"/Type/Page\n") == 1
    assert seen.run(f"{ROOM}.printed.naturalWidth") == 2200


@pytest.mark.parametrize("kind", ["map", "briefing"])
def test_an_embedded_image_shines_through_the_cells(
    kind: str, opened: Callable[..., Any], grid: gm.Grid, town: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), (80, 80, 80)).save(tmp_path / "ground.png")
    west, south, east, north = grid.cells.to_crs(4326).total_bounds
    under = {
        "basemap": tmp_path / "ground.png",
        "basemap_bounds": (west - 0.01, south - 0.01, east + 0.01, north + 0.01),
    }
    inside = grid.cells.representative_point().to_crs(4326).iloc[9]
    path = tmp_path / f"{kind}.html"
    if kind == "map":
        gm.coverage_map(grid, **under).save(path)
    else:
        gm.briefing(grid, town.incidents, **under).save(path)
    seen = opened(path)
    seen.page.wait_for_timeout(300)
    assert seen.requests == [] and seen.complaints == []
    colors = seen.run(
        f"""(at) => {{
            const room = {ROOM}, layer = room.layer, pen = layer._cells.getContext('2d');
            layer.show = {{ borders: false }};
            layer.theme = {{ classes: [{{ color: '#ff0000' }}],
                of: new Uint8Array(room.data.shape.cells) }};
            layer.draw();
            return at.map((one) => {{
                const place = L.CRS.EPSG3857.project(L.latLng(one));
                const x = place.x * layer.view.scale + layer.view.dx;
                const y = layer.view.dy - place.y * layer.view.scale;
                return Array.from(pen.getImageData(x, y, 1, 1).data);
            }});
        }}""",
        [[inside.y, inside.x], [south - 0.0005, west - 0.0005]],
    )
    assert colors[1] == [80, 80, 80, 255]
    red, green, blue, solid = colors[0]
    assert solid == 255 and 180 < red < 220 and 15 < green == blue < 35
    corner = seen.run(
        f"""() => {{ const still = {ROOM}.still(
            80, 80, 1, {{left: 10, right: 10, top: 10, bottom: 10}});
            return Array.from(still.pen.getImageData(3, 3, 1, 1).data); }}"""
    )
    assert corner == [80, 80, 80, 255]


def test_anybodys_folium_map_works_offline(
    opened: Callable[..., Any], grid: gm.Grid, placed: Any, tmp_path: Path
) -> None:
    import folium
    from folium.plugins import Fullscreen, HeatMap, MarkerCluster

    centre = grid.cells.to_crs(4326).union_all().centroid
    at = [centre.y, centre.x]
    shown = folium.Map(location=at, zoom_start=14, tiles=None)
    shown.options["max_zoom"] = 19
    counts = placed["code"].value_counts().reindex(grid.cells.index, fill_value=0)
    gm.CellLayer(grid.cells, counts, title="Incidents", name="cells").add_to(shown)
    folium.Marker(at, popup="Office", icon=folium.Icon(icon="home", prefix="fa")).add_to(shown)
    folium.Marker(at, tooltip="plain").add_to(shown)
    HeatMap([[*at, 1.0]]).add_to(shown)
    MarkerCluster([at, at]).add_to(shown)
    Fullscreen().add_to(shown)
    folium.LayerControl(collapsed=False).add_to(shown)
    seen = opened(gm.save_offline(shown, tmp_path / "any.html"))
    seen.page.wait_for_timeout(300)
    assert seen.requests == []
    assert seen.complaints == []
    assert seen.page.locator("canvas.gm-cells").count() == 1
    assert seen.page.locator(".gm-legend-row").count() == 5
    box = seen.page.locator(".leaflet-control-layers-overlays input").first
    box.uncheck()
    assert seen.page.locator("canvas.gm-cells").count() == 0
    assert seen.page.locator(".gm-legend").count() == 0
    assert seen.run("document.querySelector('.leaflet-marker-icon[src]').naturalWidth") > 0


@pytest.fixture(scope="module")
def housed(grid: gm.Grid, town: Any) -> gm.Grid:
    """Return the tiny grid with its buildings at made-up addresses."""
    numbers = range(1, len(town.buildings) + 1)
    return grid.with_buildings(town.buildings.assign(address=[f"人民路{k}号" for k in numbers]))


def test_compounds_buildings_and_addresses_lead_to_their_cells(
    opened: Callable[..., Any], housed: gm.Grid, town: Any, tmp_path: Path
) -> None:
    gm.coverage_map(housed).save(tmp_path / "map.html")
    seen = opened(tmp_path / "map.html")
    cell = housed.cells.index.get_indexer(gm.assign(town.buildings, housed)["code"])
    row = int(town.buildings["compound"].fillna("").str.len().gt(0).to_numpy().argmax())
    home = town.buildings.iloc[row]
    same = cell[(town.buildings["compound"] == home["compound"]).to_numpy()]
    wanted = {
        home["compound"]: sorted(set(same.tolist())),
        home["name"]: [int(cell[row])],
        f"人民路{row + 1}号": [int(cell[row])],
        f" 人民路 {row + 1}号": [int(cell[row])],
        f"{home['compound']}甲座": sorted(set(same.tolist())),  # the compound of what is not listed
    }
    for text, cells in wanted.items():
        seen.page.fill(".gm-search input", text)
        seen.page.press(".gm-search input", "Enter")
        assert sorted(seen.run(f"{ROOM}.layer.chosen")) == cells, text
    seen.page.fill(".gm-search input", "没有的地方")
    assert seen.page.locator(".gm-search p").inner_text() == "没有找到"
    assert seen.run(f"{ROOM}.layer.chosen") == []
    assert seen.page.locator(".gm-card").is_hidden()
    seen.page.fill(".gm-search input", home["compound"][:2])
    seen.page.press(".gm-search input", "ArrowDown")
    lines = seen.page.locator(".gm-found [role=option]")
    assert lines.nth(1).get_attribute("aria-selected") == "true"
    lines.nth(0).click()
    assert seen.page.input_value(".gm-search input") == home["compound"]
    gm.coverage_map(housed, lang="en").save(tmp_path / "en.html")
    seen = opened(tmp_path / "en.html")
    named = housed.in_language("zh").cells["name"]
    for k in np.flatnonzero(named.str.endswith("网格"))[[0, -1]]:  # as the Chinese page calls it
        seen.page.fill(".gm-search input", named.iloc[k])
        seen.page.press(".gm-search input", "Enter")
        assert seen.run(f"{ROOM}.layer.chosen") == [k]
    assert seen.complaints == [] and seen.requests == []


def test_what_is_left_out_of_the_search_is_told(
    opened: Callable[..., Any], housed: gm.Grid, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("gridmap.maps.scene.PLACE_BYTES", 10)
    gm.coverage_map(housed, lang="en").save(tmp_path / "map.html")
    seen = opened(tmp_path / "map.html")
    seen.page.fill(".gm-search input", "nowhere")
    told = seen.page.locator(".gm-search p").inner_text()
    assert told == "Nothing found Buildings and addresses are too many for this page."


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Map squares that hold a defect of each kind in their middle."""
    kinds = list(KINDS)
    x, y = (200.0 * side for side in np.divmod(np.arange(len(kinds)), 5))
    squares = shapely.box(462e3 + x, 3385e3 + y, 462e3 + x + 200, 3385e3 + y + 200)
    cells = gpd.GeoDataFrame({"code": [f"A{k:02}" for k in range(len(x))]}, geometry=squares)
    told = {"kind": kinds, "width_m": np.nan}
    defects = gpd.GeoDataFrame(told, geometry=shapely.centroid(squares), crs=4547)
    path = tmp_path_factory.mktemp("kinds") / "defects.html"
    gm.defect_map(cells.set_crs(4547), defects, shapely.union_all(squares)).save(path)
    return path


def told_apart(patches: list[Any]) -> bool:
    """Tell whether grey patches differ in at least twenty pixels, each from each."""
    dark = [np.asarray(patch.convert("L")) < 190 for patch in patches]
    return all((a ^ b).sum() >= 20 for k, a in enumerate(dark) for b in dark[:k])


def test_kinds_of_defects_are_told_apart_without_their_colours(
    opened: Callable[..., Any], every_kind: Path
) -> None:
    seen = opened(every_kind)
    seen.run(
        f"""() => {{ for (const kind of {ROOM}.data.marks.kinds) kind.color = '#777';
            {ROOM}.layer.draw(); }}"""
    )
    places = seen.run(
        f"""() => {{ const layer = {ROOM}.layer, at = layer._cells.getBoundingClientRect();
            const {{ scale, dx, dy }} = layer.view;
            return layer.data.marks.xy.map(([x, y]) =>
                [x * scale + dx + at.left, dy - y * scale + at.top]); }}"""
    )
    assert len(places) == len(KINDS)
    screen = Image.open(io.BytesIO(seen.page.screenshot()))
    on_map = [screen.crop((int(x) - 14, int(y) - 14, int(x) + 14, int(y) + 16)) for x, y in places]
    assert told_apart(on_map)
    rows = seen.page.locator(".gm-legend .gm-form")
    assert told_apart([Image.open(io.BytesIO(row.screenshot())) for row in rows.all()])


def test_names_keep_off_the_marks_of_defects(opened: Callable[..., Any], every_kind: Path) -> None:
    seen = opened(every_kind)
    written = seen.run(
        f"""() => {{
            const said = [], write = CanvasRenderingContext2D.prototype.fillText;
            CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {{
                said.push(text); write.call(this, text, ...at); }};
            const {{ layer }} = {ROOM}, told = [];
            for (const marks of [true, false]) {{
                said.length = 0; layer.show.marks = marks; layer.draw(); told.push(said.length); }}
            return told; }}"""
    )
    assert written == [0, len(KINDS)]


def test_a_name_too_wide_for_a_phone_is_broken_into_lines(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    name = "某某自治区某某市某某高新技术产业开发区（含托管范围）"
    east, north = np.divmod(np.arange(16), 4)
    cells = gpd.GeoDataFrame(
        {"code": [f"c{k:02}" for k in range(16)], "parent": "p", "households": 400},
        geometry=shapely.box(east, north, east + 1, north + 1), crs=4547,
    )  # fmt: skip
    cells.geometry = cells.geometry.affine_transform([100, 0, 0, 100, 500_000, 3_300_000])
    outline = cells.union_all("coverage")
    place = gpd.GeoDataFrame({"district": [name]}, geometry=[outline], index=["p"], crs=4547)
    grid = gm.Grid(cells, outline, ("district",), jurisdictions=place)
    gm.coverage_map(grid).save(tmp_path / "map.html")
    seen = opened(tmp_path / "map.html", {"width": 390, "height": 844})
    drawn = seen.run(
        f"""() => {{
            const layer = {ROOM}.layer, pen = layer._names.getContext('2d'), found = [];
            const real = pen.fillText.bind(pen);
            pen.fillText = (text, x, y) => {{
                found.push([text, pen.measureText(text).width]);
                real(text, x, y);
            }};
            layer.draw();
            return found;
        }}"""
    )
    lines = [(text, width) for text, width in drawn if text in name]
    assert "".join(text for text, _ in lines) == name
    assert len(lines) > 1 and max(width for _, width in lines) <= 390 / 2


@pytest.mark.parametrize("phone", [False, True])
def test_a_card_is_closed_by_its_button_and_by_the_keyboard(
    opened: Callable[..., Any], grid: gm.Grid, tmp_path: Path, phone: bool
) -> None:
    """A card of a cell or of a defect, with the mark on the cell; the legend comes back."""
    broken = grid.cells.drop(grid.cells.index[20]).reset_index()
    found = gm.validate(broken, grid.boundary)
    gm.defect_map(broken, found, grid.boundary, "en").save(tmp_path / "map.html")
    seen = opened(tmp_path / "map.html", {"width": 390, "height": 844} if phone else None)
    card = seen.page.locator(".gm-card")

    def search() -> None:
        seen.page.fill(".gm-search input", grid.cells.index[3])
        seen.page.press(".gm-search input", "Enter")

    def closed() -> bool:
        marked = seen.run(f"{ROOM}.layer.chosen.length")
        return card.is_hidden() and not marked and seen.page.is_visible(".gm-legend")

    for show in (search, lambda: seen.page.click(".gm-kind")):
        show()
        show()  # under the first card
        assert card.is_visible()
        seen.page.get_by_role("button", name="Close").click()
        assert closed()
        show()
        assert card.is_visible()
        seen.page.keyboard.press("Escape")
        assert closed()
    search()
    seen.page.fill(".gm-search input", grid.cells.index[3])
    seen.page.keyboard.press("Escape")
    assert card.is_visible() and seen.page.locator(".gm-found").is_hidden(), "the list folds first"


def test_the_card_of_a_cell_says_nothing_twice(
    opened: Callable[..., Any], grid: gm.Grid, tmp_path: Path
) -> None:
    """Where all cells are of one class, the legend says so, and the card of a cell need not."""
    cells = grid.cells.reset_index()
    gm.defect_map(cells, gm.validate(cells, grid.boundary), grid.boundary, "en").save(
        tmp_path / "map.html"
    )
    seen = opened(tmp_path / "map.html")
    seen.page.fill(".gm-search input", grid.cells.index[3])
    seen.page.press(".gm-search input", "Enter")
    assert seen.page.inner_text(".gm-card").strip() == grid.cells.index[3]
    assert not seen.page.locator(".gm-legend-marks").is_visible(), "no rule above no defects"
