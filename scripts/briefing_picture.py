"""Take the pictures of the briefing that the READMEs show; needs Chromium and playwright."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import gridmap as gm
from gridmap.language import Lang

IMAGES = Path(__file__).resolve().parent.parent / "docs/pages/images"
TITLES: dict[Lang, tuple[str, str]] = {
    "zh": ("briefing.png", "朝华区城市网格化管理简报（虚构示例）"),
    "en": ("briefing-en.png", "Urban grid briefing (made-up example)"),
}
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
    grid = gm.partition(units, households=(300, 600), seed=0)
    for lang, (name, title) in TITLES.items():
        made = gm.briefing(
            grid,
            town.incidents,
            staff=town.staff,
            title=title,
            since="2026-04-01",
            until="2026-06-29",
            lang=lang,
        )
        with tempfile.TemporaryDirectory() as folder:
            picture = Image.open(io.BytesIO(taken(made.save(Path(folder) / "briefing.html"))))
        few_colours(picture).save(IMAGES / name, optimize=True)


def few_colours(picture: Image.Image) -> Image.Image:
    """Return a picture small enough for a page, whose legends keep their colours."""
    method, plain = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
    return picture.convert("RGB").quantize(256, method, kmeans=3, dither=plain)


def taken(page: Path) -> bytes:
    """Return a screenshot of a page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(viewport=DESK)
        view.set_default_timeout(300_000)  # a busy machine is slow, not broken
        view.goto(page.as_uri())
        view.wait_for_timeout(500)
        shot = view.screenshot()
        browser.close()
    return shot


if __name__ == "__main__":
    main()
