"""Measure saved pages against geopandas.explore: bytes, CPU of the browser, and false gaps.

Both pages show the same cells and open without a network (explore's with gridmap's shipped
assets, as it is blank otherwise). CPU is that of the page's main thread until it is ready.
False gaps are pixels inside the boundary, a pixel away from it, through which a magenta page
shines when all cells have one colour and no borders.

    python scripts/bench/maps.py [--quick] [-o FILE]
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

# numba would take coverage.py here for another
sys.path[0] = str(Path(__file__).resolve().parents[2])

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

import gridmap as gm
from scripts.bench.assign import SIDE, SOUTH, WEST, jagged_city

# fmt: off
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
# fmt: on
ZOOMS = (0.0, 0.7, 2.0, 3.3)  # steps in from the whole
BARE = """() => {
    const room = gridmap.rooms[0];
    for (const part of [document.documentElement, document.body, room.map.getContainer()])
        part.style.background = '#ff00ff';
    room.root.style.display = 'none';
    document.querySelectorAll('.leaflet-control-container').forEach((part) => part.remove());
    room.layer.show = { borders: false };
    room.layer.theme = { classes: [{ color: '#20a040' }],
        of: new Uint8Array(room.data.shape.cells) };
    room.layer.draw();
    window.base = room.map.getZoom();
}"""
VIEW = """([at, step]) => {
    const room = gridmap.rooms[0];
    room.map.setView(at, window.base + step, {animate: false});
    const corner = room.layer._cells.getBoundingClientRect();
    return [room.layer.view.scale, room.layer.view.dx + corner.left,
        room.layer.view.dy + corner.top];
}"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Row(NamedTuple):
    """One page: what it weighs, costs and asks for."""

    name: str
    megabytes: float
    cpu: float
    making: float
    requests: int
    complaints: int


def main() -> int:
    """Make the pages, open each several times, and print one table."""
    arguments = _arguments()
    grid = city(1_000 if arguments.quick else 10_000)
    incidents = reports(grid, 10_000 if arguments.quick else 100_000)
    with tempfile.TemporaryDirectory() as name:
        rows = measure(grid, incidents, Path(name), 2 if arguments.quick else 5)
        gaps = false_gaps(grid, Path(name) / "gridmap coverage_map.html")
    text = "\n".join([table(grid, rows), "", gap_table(gaps)])
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("-o", "--output", type=Path, help="write the table to a file as well")
    return parser.parse_args()


def city(cells: int) -> gm.Grid:
    """Return a proved grid of jagged cells in twelve streets."""
    shapes = jagged_city(cells)
    rng = np.random.default_rng(1)
    seeds = np.column_stack([rng.random(12) * SIDE + WEST, rng.random(12) * SIDE + SOUTH])
    middle = shapely.get_coordinates(shapely.centroid(shapes))
    street = np.argmin(((middle[:, None] - seeds) ** 2).sum(axis=2), axis=1)
    frame = gpd.GeoDataFrame(
        {
            "parent": [f"420102{k + 1:03d}" for k in street],
            "households": rng.integers(280, 620, len(shapes)),
        },
        geometry=shapes,
        crs=4547,
    )
    frame["code"] = frame["parent"] + [f"{k:06d}" for k in range(len(shapes))]
    frame["name"] = [f"第{s + 1}街道第{k}网格" for k, s in enumerate(street)]
    places = sorted(set(frame["parent"]))
    outlines = [
        shapely.coverage_union_all(shapes[frame["parent"].to_numpy() == place]) for place in places
    ]
    jurisdictions = gpd.GeoDataFrame(
        {"street": [f"第{int(place[-3:])}街道" for place in places]},
        index=pd.Index(places, name="parent"),
        geometry=outlines,
        crs=4547,
    )
    whole = shapely.coverage_union_all(shapes)
    return gm.Grid(frame, whole, ("street",), jurisdictions=jurisdictions)


def reports(grid: gm.Grid, count: int) -> pd.DataFrame:
    """Draw incidents, half of them around a few places."""
    rng = np.random.default_rng(2)
    place = shapely.get_coordinates(shapely.point_on_surface(grid.cells.geometry.to_numpy()))
    weight = grid.cells["households"].to_numpy().astype(float)
    for k in rng.choice(len(place), 12):
        away = ((place - place[k]) ** 2).sum(axis=1)
        weight *= 1 + 3 * np.exp(-away / 2 / 900**2)
    xy = place[rng.choice(len(place), count, p=weight / weight.sum())]
    day = pd.to_timedelta(rng.uniform(0, 300, count), unit="D")
    words = ["市容环境", "宣传广告", "施工管理", "街面秩序", "突发事件"]
    return pd.DataFrame(
        {
            "x": xy[:, 0],
            "y": xy[:, 1],
            "time": (pd.Timestamp("2026-01-01") + day).floor("s"),
            "category": rng.choice(words, count),
            "status": rng.choice(["结案", "处置"], count, p=[0.96, 0.04]),
            "handling_level": rng.choice(["网格", "社区", "街道"], count, p=[0.7, 0.2, 0.1]),
        }
    )


def measure(grid: gm.Grid, incidents: pd.DataFrame, folder: Path, repeats: int) -> list[Row]:
    """Make each page and open it in Chromium, offline."""
    from playwright.sync_api import sync_playwright

    pages = {
        "gridmap briefing": lambda path: gm.briefing(grid, incidents).save(path),
        "gridmap coverage_map": lambda path: gm.coverage_map(grid, incidents=incidents).save(path),
        "geopandas.explore": lambda path: explored(grid, incidents, path),
    }
    rows = []
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for name, make in pages.items():
            file = folder / f"{name}.html"
            start = time.process_time()
            size = make(file) or file
            making = time.process_time() - start
            opened = [visit(browser, file) for _ in range(repeats)]
            bytes_ = size if isinstance(size, int) else file.stat().st_size
            cpu = min(one[0] for one in opened)
            rows.append(Row(name, bytes_ / 1e6, cpu, making, opened[0][1], opened[0][2]))
        browser.close()
    return rows


def explored(grid: gm.Grid, incidents: pd.DataFrame, path: Path) -> int:
    """Save what geopandas draws of the same cells and counts; return its own size."""
    counts = gm.tally(gm.assign(incidents, grid), grid)["incidents"]
    frame = grid.cells.assign(incidents=counts)[["name", "households", "incidents", "geometry"]]
    shown = frame.explore(column="incidents", scheme="quantiles", k=5, tiles=None)
    own = len(shown.get_root().render().encode())
    gm.save_offline(shown, path)
    return own


def visit(browser: Any, file: Path) -> tuple[float, int, int]:
    """Open a page; return main-thread seconds until it is ready, requests and complaints."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(file.as_uri(), timeout=180_000)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    context.close()
    outside = sum(not url.startswith(("data:", "blob:", "file:")) for url in asked)
    return metrics["TaskDuration"], outside, len(complaints)


def false_gaps(grid: gm.Grid, file: Path) -> list[tuple[float, int, int]]:
    """Return for several zooms how many pixels lie inside the boundary, and how many shine."""
    from playwright.sync_api import sync_playwright

    corner = shapely.get_coordinates(grid.cells.geometry.iloc[len(grid) // 2])[0]
    lng, lat = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(*corner)
    found = []
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1366, "height": 768}, offline=True)
        page.goto(file.as_uri())
        page.evaluate(BARE)
        for step in ZOOMS:
            view = page.evaluate(VIEW, [[lat, lng], step])
            page.wait_for_timeout(300)
            found.append((step, *shining(grid.boundary, grid.crs, view, page.screenshot())))
        browser.close()
    return found


def shining(boundary: Any, crs: Any, view: list[float], shot: bytes) -> tuple[int, int]:
    """Count the pixels inside a boundary, and those of them that are not of the cells' colour."""
    from PIL import Image, ImageDraw, ImageFilter

    picture = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
    mask = Image.new("L", (picture.shape[1], picture.shape[0]), 0)
    pen = ImageDraw.Draw(mask)
    move = pyproj.Transformer.from_crs(crs, 3857, always_xy=True).transform
    for part in shapely.get_parts(boundary):
        for k, ring in enumerate([part.exterior, *part.interiors]):
            x, y = move(*shapely.get_coordinates(ring).T)
            pixels = np.column_stack([x * view[0] + view[1], view[2] - y * view[0]])
            pen.polygon(list(map(tuple, pixels)), fill=0 if k else 255)
    inside = np.asarray(mask.filter(ImageFilter.MinFilter(3))) > 0
    green = picture[..., 1] - (picture[..., 0] + picture[..., 2]) / 2
    return int(inside.sum()), int((inside & (green < 20)).sum())


def gap_table(gaps: list[tuple[float, int, int]]) -> str:
    """Write what shone through at each zoom."""
    lines = ["| zoomed in by | pixels inside | false gap pixels |", "| ---: | ---: | ---: |"]
    return "\n".join(lines + [f"| {step} | {inside:,} | {gap} |" for step, inside, gap in gaps])


def table(grid: gm.Grid, rows: list[Row]) -> str:
    """Write the figures with their ratios to the last row."""
    vertices = shapely.get_num_coordinates(grid.cells.geometry.to_numpy()).mean()
    base = rows[-1]
    lines = [
        f"{len(grid):,} cells of {vertices:.0f} vertices; CPU of the main thread, best of several.",
        "",
        "| page | MB | smaller | CPU s | less | made in s | requests | complaints |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.name} | {row.megabytes:.2f} | {base.megabytes / row.megabytes:.1f}× | "
        f"{row.cpu:.2f} | {base.cpu / row.cpu:.1f}× | {row.making:.1f} | {row.requests} | "
        f"{row.complaints} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
