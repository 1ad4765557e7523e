"""A real browser without a network, and pages opened in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 180_000  # ms
DESK = {"width": 1366, "height": 768}


@dataclass
class Opened:
    """A page, what it asked for, and what it complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def run(self, script: str, argument: Any = None) -> Any:
        """Evaluate JavaScript on the page."""
        return self.page.evaluate(script, argument)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    """Start headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        new_context = running.new_context

        def patient(**options: Any) -> Any:
            """Open a context in which a busy machine is slow, not broken."""
            context = new_context(**options)
            context.set_default_timeout(PATIENCE)
            return context

        running.new_context = patient  # type: ignore[method-assign]
        yield running
        running.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Open files in a context that is offline, and watch what they do."""
    contexts = []

    def open_file(path: Path, size: dict[str, int] | None = None, **options: Any) -> Opened:
        context = browser.new_context(viewport=size or DESK, offline=True, **options)
        contexts.append(context)
        result = Opened(context.new_page())
        result.page.on("console", lambda said: _note(result, said))
        result.page.on("pageerror", lambda error: result.complaints.append(str(error)))
        result.page.on("request", lambda asked: _asked(result, asked.url))
        result.page.goto(path.as_uri())
        result.page.wait_for_function("() => window.L")
        return result

    yield open_file
    for context in contexts:
        context.close()


def _note(result: Opened, said: Any) -> None:
    if said.type in ("error", "warning"):
        result.complaints.append(said.text)


def _asked(result: Opened, url: str) -> None:
    if not url.startswith(("data:", "blob:", "file:")):
        result.requests.append(url)


@pytest.fixture(scope="session")
def busy(grid: gm.Grid, town: Any) -> Any:
    """Return the incidents of the tiny town, with many more around one cell."""
    placed = gm.assign(town.incidents, grid)
    middle = grid.cells.index[20]
    around = [middle, *grid.contiguity[middle]]
    again = town.incidents[placed["code"].isin(around).to_numpy()]
    return pd.concat([town.incidents, *[again] * 5], ignore_index=True)


@pytest.fixture(scope="session")
def placed(grid: gm.Grid, busy: Any) -> Any:
    """Return those incidents, assigned."""
    return gm.assign(busy, grid)


@pytest.fixture(scope="session")
def briefing_files(
    grid: gm.Grid, busy: Any, town: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Write the briefing of the tiny town in both languages."""
    folder = tmp_path_factory.mktemp("pages")
    files = {}
    for lang in ("zh", "en"):
        made = gm.briefing(grid, busy, staff=town.staff, lang=lang)
        files[lang] = made.save(folder / f"briefing-{lang}.html")
    return files


@pytest.fixture(scope="session")
def briefing_file(briefing_files: dict[str, Path]) -> Path:
    """Return the briefing in Chinese."""
    return briefing_files["zh"]


@pytest.fixture(scope="session")
def rough() -> gm.Grid:
    """Return a grid of 144 jagged cells of 40 vertices, some sharing only corners."""
    steps = np.arange(0, 2400, 200)
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    boxes = shapely.segmentize(shapely.box(x, y, x + 200, y + 200), 20)

    def shaken(xy: Any) -> Any:
        seed = 12.9898 * xy[:, 0] + 78.233 * xy[:, 1]
        return xy + np.column_stack([7 * np.sin(seed), 7 * np.cos(1.7 * seed)]) + (462e3, 3385e3)

    import geopandas as gpd

    cells = gpd.GeoDataFrame(
        {"code": [f"R{k:03}" for k in range(len(x))], "households": 300 + (x + y) // 16},
        geometry=shapely.transform(boxes, shaken),
        crs=4547,
    )
    return gm.adopt(cells, cells.union_all("coverage"), code="code")
