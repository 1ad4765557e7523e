"""Take the picture of the briefing that the README shows; needs Chromium and playwright."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import gridmap as gm

PICTURE = Path(__file__).resolve().parent.parent / "docs/pages/images/briefing.png"
DESK = {"width": 1600, "height": 1000}


def main() -> None:
    """Brief on a quarter of the example city, open the page, and keep its first screen."""
    town = gm.example_city(seed=0, size="town")
    units = gm.subdivide(
        town.jurisdictions,
        town.buildings,
        barriers=town.barriers,
        dedicated=town.dedicated,
        levels=["district", "street", "community"],
        code="code",
    )
    made = gm.briefing(
        gm.partition(units, households=(300, 600), seed=0),
        town.incidents,
        staff=town.staff,
        title="朝华区城市网格化管理简报（虚构示例）",
        since="2026-04-01",
        until="2026-06-29",
    )
    with tempfile.TemporaryDirectory() as folder:
        picture = Image.open(io.BytesIO(taken(made.save(Path(folder) / "briefing.html"))))
    picture.convert("RGB").quantize(128).save(PICTURE, optimize=True)


def taken(page: Path) -> bytes:
    """Return a screenshot of a page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(viewport=DESK)
        view.goto(page.as_uri())
        view.wait_for_timeout(500)
        shot = view.screenshot()
        browser.close()
    return shot


if __name__ == "__main__":
    main()
