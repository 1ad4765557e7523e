"""Measure the largest pages: a hundred thousand cells, a million incidents, and a real city.

A pan moves the map by half its size, to each side at each of four zooms, and the worst is told; a
search is the first key, when the list is made, and the worst of those after it. CPU of the page's
main thread, best of several openings. The real city is Taipei, where its open data lie beside
(`GRIDMAP_SHARED`); its statistical areas are found by their codes.

    python scripts/bench/largest.py [--quick] [-o FILE] [--pages FOLDER]

Pages that lie in FOLDER already are driven as they are, others are made and left there, so that a
change of the scripts can be measured again without making a million incidents again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

# numba would take coverage.py here for another
sys.path[0] = str(Path(__file__).resolve().parents[2])

import geopandas as gpd

import gridmap as gm
from scripts.bench.maps import BROWSERS, FLAGS, city, reports

SIDES = ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))
WAIT = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
PAN = """(by) => {
    const map = gridmap.rooms[0].map, size = map.getSize();
    map.panBy([Math.round(by[0] * size.x), Math.round(by[1] * size.y)], { animate: false });
}"""
HELD = """() => {
    const { shape, themes, places } = gridmap.rooms[0].data;
    const steps = themes.map((theme) => theme.steps).find(Boolean);
    const total = steps ? steps.totals.reduce((a, b) => a + b, 0) : 0;
    return { cells: shape.cells, 'incidents in steps': total, places: places.texts.length };
}"""
LIMITS = {"MB": 12.0, "first picture, s": 2.0, "worst pan, ms": 50.0}


def main() -> int:
    """Make the pages, drive each, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("-o", "--output", type=Path, help="write the table to a file as well")
    parser.add_argument("--pages", type=Path, help="where pages are kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        text = large_table(largest(arguments.pages or Path(name), arguments.quick))
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    return 0


def largest(folder: Path, quick: bool) -> list[dict[str, Any]]:
    """Make the largest pages, and that of a real city where its data lie beside; drive each."""
    made = {"briefing": made_up, "coverage_map": made_up}
    real = Path(os.environ.get("GRIDMAP_SHARED", "")) / "data"
    if (real / "taipei_atoms.parquet").exists() and not quick:
        made["coverage_map of Taipei"] = lambda _: (real_city(real), None)
    rows = []
    for name, make in made.items():
        file = folder / f"{name}.html"
        if not file.exists():
            grid, incidents = make(quick)
            if name == "briefing":
                gm.briefing(grid, incidents).save(file)
            else:
                gm.coverage_map(grid, incidents=incidents).save(file)
        rows.append({"page": name, "MB": file.stat().st_size / 1e6} | driven(file, 3))
    return rows


@cache
def made_up(quick: bool) -> tuple[gm.Grid, Any]:
    """Return the largest made-up city and its incidents."""
    grid = city(3_000 if quick else 100_000)
    return grid, reports(grid, 30_000 if quick else 1_000_000)


def real_city(folder: Path) -> gm.Grid:
    """Cut Taipei within its villages; its statistical areas are found by their codes."""
    from gridmap.units.attach import attach
    from scripts.real_cities import atoms

    areas = atoms(folder, "taipei")
    places = gpd.read_parquet(folder / "taipei_villages.parquet")
    units = attach(
        areas, places, levels=["district", "village"], code="village_key", count="households"
    )
    return gm.partition(units).with_buildings(areas.rename(columns={"atom_id": "compound"}))


def driven(file: Path, repeats: int) -> dict[str, Any]:
    """Open a page several times, pan it and search in it; return the best of the worst."""
    from playwright.sync_api import sync_playwright

    found: list[dict[str, float]] = []
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for _ in range(repeats):
            page = browser.new_page(viewport={"width": 1366, "height": 768}, offline=True)
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(file.as_uri(), timeout=180_000)
            page.evaluate(WAIT)
            first = busy(session)
            pans = [spent(page, session, pan) for pan in panned(page)]
            keys = [spent(page, session, key) for key in typed(page)]
            held = page.evaluate(HELD)
            found.append({
                "first picture, s": first, "worst pan, ms": max(pans) * 1000,
                "median pan, ms": statistics.median(pans) * 1000,
                "first key, ms": keys[0] * 1000, "worst key, ms": max(keys[1:]) * 1000,
            })  # fmt: skip
            page.close()
        browser.close()
    return held | {name: min(one[name] for one in found) for name in found[0]}


def busy(session: Any) -> float:
    """Return the seconds that the page's main thread has worked."""
    told = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in told if one["name"] == "TaskDuration")


def spent(page: Any, session: Any, act: Callable[[], object]) -> float:
    """Return the seconds that the page's main thread works for an act, its picture included."""
    page.evaluate(WAIT)
    before = busy(session)
    act()
    page.evaluate(WAIT)
    return busy(session) - before


def panned(page: Any) -> Iterator[Callable[[], object]]:
    """Move the map to each side at several zooms."""
    for zoom in range(4):
        step = "gridmap.rooms[0].map.setZoom(window.first + k, {animate: false})"
        page.evaluate("(k) => { window.first = window.first || gridmap.rooms[0].map.getZoom(); "
                      f"{step}; }}", zoom)  # fmt: skip
        for side in SIDES:
            yield partial(page.evaluate, PAN, side)


def typed(page: Any) -> Iterator[Callable[[], object]]:
    """Type the code of a cell into the search, key by key."""
    page.focus(".gm-search input")
    code = page.evaluate("gridmap.rooms[0].data.code[gridmap.rooms[0].data.code.length >> 1]")
    for sign in code:
        yield partial(page.keyboard.type, sign)
    assert page.locator(".gm-found [role=option]").count(), "the search found nothing"


def large_table(rows: list[dict[str, Any]]) -> str:
    """Write what the largest pages cost, and whether each keeps within its limits."""
    heads = list(rows[0])
    lines = ["| " + " | ".join([*heads, "within"]) + " |"]
    lines.append("| " + " | ".join(["---", *["---:"] * (len(heads) - 1), "---"]) + " |")
    for row in rows:
        kept = all(row[name] <= limit for name, limit in LIMITS.items())
        texts = [_figure(head, row[head]) for head in heads]
        lines.append("| " + " | ".join([*texts, "yes" if kept else "no"]) + " |")
    limits = ", ".join(f"{name} {limit:g}" for name, limit in LIMITS.items())
    return "\n".join(["The largest pages. Limits: " + limits + ".", "", *lines])


def _figure(head: str, value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:.2f}" if head in ("MB", "first picture, s") else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
