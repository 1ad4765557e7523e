"""Time the page on which cells are redrawn, on a city of 120,000 units and more.

    python scripts/bench/edit.py [--side 350] [-o TABLES.md] [--quick]

Headless Chromium: unpacking and first drawing, and one stroke of the brush (press, drag, lift: the
engine's move, the drawing of what changed, the sums, the panel). Strokes far apart set the whole
city before the eye and another cell each time; strokes close by stay within what is in view.
All are processor time of the main thread, everything in it: script, style, layout, painting.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

# numba would take coverage.py here for another
sys.path[0] = str(Path(__file__).resolve().parents[2])

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap import Grid
from gridmap.maps.edit import edit_page

STROKES = """
async ([strokes]) => {
  const editor = globalThis.gridmapEditor, plan = editor.plan, { x, y } = plan.shape;
  const times = [];
  const box = editor.find('ink').getBoundingClientRect();
  for (let k = 0; k < strokes; k++) {
    const unit = Math.floor((k + 0.5) * plan.count / strokes);
    const cell = plan.cellsBeside(unit)[0];
    if (cell === undefined) continue;
    editor.active = cell;
    const { painter } = editor;
    const at = (u) => ({ clientX: box.left + painter.px(x[u]), clientY: box.top + painter.py(y[u]),
      pointerId: 1, button: 0, bubbles: true });
    const ink = editor.find('ink');
    ink.setPointerCapture = () => {};
    const start = performance.now();
    ink.dispatchEvent(new PointerEvent('pointerdown', at(unit)));
    ink.dispatchEvent(new PointerEvent('pointermove', at(unit)));
    ink.dispatchEvent(new PointerEvent('pointerup', at(unit)));
    times.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 5));
  }
  return { times, moved: plan.done.length };
}
"""

EVERYWHERE = "Math.floor((k + 0.5) * plan.count / strokes)"
CLOSE = """
() => {
  const editor = globalThis.gridmapEditor, { painter, plan } = editor;
  editor.visit(plan.cell[Math.floor(plan.count / 2)]);
  const low = [painter.wx(0), painter.wy(painter.height)];
  const high = [painter.wx(painter.width), painter.wy(0)];
  globalThis.inView = [...painter.index.inside(...low, ...high)];
}
"""


def lattice(side: int, cell: int = 4) -> Grid:
    """Return a city of side x side units with bent borders, cells of cell x cell units."""
    rng = np.random.default_rng(0)
    n = side + 1
    gx, gy = np.meshgrid(np.arange(n) * 60.0, np.arange(n) * 60.0)
    inner = np.zeros((n, n), bool)
    inner[1:-1, 1:-1] = True
    gx = gx + np.where(inner, rng.uniform(-12, 12, gx.shape), 0.0).round(2)
    gy = gy + np.where(inner, rng.uniform(-12, 12, gy.shape), 0.0).round(2)
    corner = np.stack([gx, gy], axis=-1)
    r, c = (a.ravel() for a in np.mgrid[0:side, 0:side])
    ring = np.stack(
        [corner[r, c], corner[r, c + 1], corner[r + 1, c + 1], corner[r + 1, c]], axis=1
    )
    middle = (ring + np.roll(ring, -1, axis=1)) / 2
    full = np.stack([ring, middle], axis=2).reshape(len(ring), 8, 2)
    shapes = shapely.polygons(full)
    code = pd.Series((r // cell) * 1000 + c // cell).map("{:07d}".format)
    units = gpd.GeoDataFrame(
        {
            "parent": [
                f"P{a:03d}{b:03d}" for a, b in zip(r // (5 * cell), c // (5 * cell), strict=True)
            ],
            "households": rng.integers(15, 40, len(shapes)),
            "code": code.to_numpy(),
        },
        geometry=shapes,
        crs=4547,
    )
    groups = units.groupby("code")
    cells = gpd.GeoDataFrame(
        groups.agg(parent=("parent", "first"), households=("households", "sum")),
        geometry=[shapely.coverage_union_all(shapes[rows]) for rows in groups.indices.values()],
        crs=4547,
    )
    areas = units.groupby("parent").indices
    places = gpd.GeoDataFrame(
        index=pd.Index(areas, name="parent"),
        geometry=[shapely.coverage_union_all(shapes[rows]) for rows in areas.values()],
        crs=4547,
    )
    outline = shapely.coverage_union_all(shapes)
    return Grid(
        cells, outline, jurisdictions=places, units=units, parameters={"min": 300, "max": 600}
    )


def measured(path: Path, strokes: int) -> dict[str, Any]:
    """Open a page and time it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = chrome.new_page(viewport={"width": 1366, "height": 768})
        meter = page.context.new_cdp_session(page)
        meter.send("Performance.enable", {"timeDomain": "threadTicks"})

        def spent(what: str = "TaskDuration") -> float:
            """Return the milliseconds that the main thread has worked so far."""
            found = meter.send("Performance.getMetrics")["metrics"]
            return 1000 * next(one["value"] for one in found if one["name"] == what)

        def stroked(script: str) -> tuple[float, int]:
            before = spent()
            made = len(page.evaluate(script, [strokes])["times"])
            return (spent() - before) / max(made, 1), made

        page.goto(path.as_uri(), timeout=300_000)
        page.wait_for_function("() => globalThis.gridmapEditor", timeout=300_000)
        first = spent("ScriptDuration")
        opened = spent()
        far, made = stroked(STROKES)
        page.evaluate(CLOSE)
        near, made_near = stroked(STROKES.replace(EVERYWHERE, "globalThis.inView[k]"))
        chrome.close()
    return {"opened": opened, "first": first, "far": far, "near": near, "n": made + made_near}


HEAD = """| page | units | cells | MB | opened, s | first drawing, ms | stroke far apart, ms | \
of first | stroke close by, ms | of first |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
"""


def row(name: str, grid: Grid, of: str | None, strokes: int) -> str:
    """Write a page, time it, and return its row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.html"
        path.write_text(edit_page(grid, of=of, lang="en"), encoding="utf-8")
        size = path.stat().st_size / 1e6
        got = measured(path, strokes)
    cells = grid.cells if of is None else grid.cells[grid.cells["parent"] == of]
    units = int(grid.units["code"].isin(cells.index).sum())
    return (
        f"| {name} | {units:,} | {len(cells):,} | {size:.1f} | {got['opened'] / 1000:.2f} | "
        f"{got['first']:.0f} | {got['far']:.1f} | {got['far'] / got['first']:.2%} | "
        f"{got['near']:.1f} | {got['near'] / got['first']:.2%} |\n"
    )


def main() -> None:
    """Make the city and its pages, and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--side", type=int, default=350)
    parser.add_argument("--strokes", type=int, default=60)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--quick", action="store_true", help="a small city")
    given = parser.parse_args()
    grid = lattice(60 if given.quick else given.side)
    table = HEAD + row("whole city", grid, None, given.strokes)
    table += row("one jurisdiction", grid, str(grid.jurisdictions.index[0]), given.strokes)
    words = "\nMilliseconds of the main thread in headless Chromium, 1366 x 768; means of "
    table += f"{words}{given.strokes} strokes.\n"
    if given.output:
        given.output.write_text(table, encoding="utf-8")
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
