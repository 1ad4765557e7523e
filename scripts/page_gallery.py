"""Take every kind of page, of three towns, in both languages, on a phone, two screens and paper.

Usage: `python scripts/page_gallery.py FOLDER [tiny] [town] [taipei]`. The pictures are for looking
at one by one; where the first town is made up, its contact sheets go into the documentation. Taipei
is read from `data` in `GRIDMAP_SHARED`. Needs Chromium, playwright and pdftoppm.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import pandas as pd
from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import gridmap as gm  # noqa: E402
from gridmap.units.attach import attach  # noqa: E402
from scripts.real_cities import FOLDER, atoms  # noqa: E402
from tests.browser.pages import every_page  # noqa: E402

SIZES = {"phone": (390, 844), "laptop": (1366, 768), "desk": (1920, 1080)}
SHEETS = {"zh": "docs/zh/images/pages.png", "en": "docs/pages/images/pages.png"}
WIDE, HIGH, COLUMNS = 400, 225, 4
MOST = 8  # screens and sheets of one page
LEVELS = ["district", "street", "community"]


def main() -> None:
    """Write pages and pictures into the folder, and contact sheets into the documentation."""
    folder, towns = Path(sys.argv[1]), sys.argv[2:] or ["tiny", "town"]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in towns:
            town, grid = taipei() if name == "taipei" else made_up(name)
            for lang in ("zh", "en"):
                here = folder / name / lang
                sheet = next(iter(grid.cells[grid.levels[-2]]))
                here.mkdir(parents=True, exist_ok=True)
                gm.street_sheet(grid, sheet, lang=lang).savefig(here / "sheet-laptop.png", dpi=110)
                for kind, file in every_page(town, grid, lang, here).items():
                    for size, shot in shots(browser, file):
                        shot.save(here / f"{kind}-{size}.png")
        browser.close()
    for lang, sheet in SHEETS.items() if towns[0] != "taipei" else ():
        contact_sheet(sorted((folder / towns[0] / lang).glob("*-laptop.png")), ROOT / sheet)


def made_up(name: str) -> tuple[Any, gm.Grid]:
    """Return a made-up town and its grid."""
    town = gm.example_city(seed=0, size=name)
    return town, grid_of(town)


def taipei() -> tuple[Any, gm.Grid]:
    """Return Taipei's villages cut into cells, with the accidents of a year."""
    areas = atoms(FOLDER, "taipei")
    places = gpd.read_parquet(FOLDER / "taipei_villages.parquet")
    units = attach(
        areas, places, levels=["district", "village"], code="village_key", count="households"
    )
    accidents = gpd.read_parquet(FOLDER / "taipei_accidents_2024.parquet").to_crs(areas.crs)
    accidents = accidents[["time", "category", "geometry"]].assign(
        x=accidents.geometry.x, y=accidents.geometry.y, time=accidents["time"].dt.tz_localize(None)
    )
    grid = gm.partition(units)
    staff = pd.DataFrame({"code": grid.cells.index[::3], "role": "leader"})
    lines = gpd.read_parquet(FOLDER / "taipei_mrt_lines.parquet").to_crs(areas.crs)
    town = SimpleNamespace(
        buildings=areas.rename(columns={"atom_id": "compound"}), incidents=accidents, staff=staff,
        barriers=lines.rename(columns={"route": "name"}).assign(kind="railway"),
    )  # fmt: skip
    return town, grid


def grid_of(town: Any) -> gm.Grid:
    """Partition a town."""
    units = gm.subdivide(
        town.jurisdictions, town.buildings, barriers=town.barriers, dedicated=town.dedicated,
        levels=LEVELS, code="code",
    )  # fmt: skip
    return gm.partition(units, households=(300, 600), seed=0)


def shots(browser: Any, file: Path) -> Iterator[tuple[str, Image.Image]]:
    """Take a page at each size, screen by screen, and its first sheets of paper."""
    for size, (width, height) in SIZES.items():
        view = browser.new_page(viewport={"width": width, "height": height})
        view.set_default_timeout(300_000)  # a busy machine is slow, not broken
        view.goto(file.as_uri())
        view.wait_for_timeout(300)
        yield size, Image.open(io.BytesIO(view.screenshot())).convert("RGB")
        long = view.evaluate("document.documentElement.scrollHeight")
        for k in range(1, min(MOST, -(-long // height))):
            view.evaluate(f"window.scrollTo(0, {k * height})")
            view.wait_for_timeout(60)
            yield f"{size}-{k + 1}", Image.open(io.BytesIO(view.screenshot())).convert("RGB")
        if size == "laptop":
            paper = view.pdf(prefer_css_page_size=True, print_background=True)
            yield from sheets(paper)
        view.close()


def sheets(paper: bytes) -> Iterator[tuple[str, Image.Image]]:
    """Draw the first sheets of a PDF."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["pdftoppm", "-r", "80", "-l", str(MOST), "-png", "-", f"{folder}/sheet"]
        subprocess.run(command, input=paper, check=True)
        for k, path in enumerate(sorted(Path(folder).iterdir())):
            yield f"paper-{k + 1}" if k else "paper", Image.open(path).convert("RGB")


def contact_sheet(pictures: list[Path], path: Path) -> None:
    """Put small pictures of the pages onto one, for the documentation."""
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (WIDE + 8), rows * (HIGH + 8)), "#c9d0d4")
    for k, picture in enumerate(pictures):
        whole = Image.open(picture).convert("RGB")
        small = ImageOps.pad(whole, (WIDE, HIGH), Image.Resampling.LANCZOS, color="white")
        sheet.paste(small, (k % COLUMNS * (WIDE + 8) + 4, k // COLUMNS * (HIGH + 8) + 4))
    sheet.quantize(256).save(path, optimize=True)
    print(path, f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
