"""Draw the pictures of the gallery by running its pages; needs Chromium and playwright."""

from __future__ import annotations

import io
import os
import re
import tempfile
from pathlib import Path

from briefing_picture import few_colours, taken
from PIL import Image

PAGES = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
WIDTH = 1200


def main() -> None:
    """Run the gallery of each language, and keep what it draws."""
    for language in ("zh", "pages"):
        images = PAGES / language / "images/gallery"
        images.mkdir(parents=True, exist_ok=True)
        text = (PAGES / language / "gallery.md").read_text(encoding="utf-8")
        wanted = set(re.findall(r"images/gallery/(\w+)\.png", text))
        with tempfile.TemporaryDirectory() as folder:
            before = Path.cwd()
            os.chdir(folder)
            names: dict[str, object] = {}
            for block in BLOCK.findall(text):
                exec(block, names)
            os.chdir(before)
            for name in sorted(wanted):
                keep(picture(Path(folder) / name), images / f"{name}.png")


def picture(made: Path) -> Image.Image:
    """Return the figure that was drawn, or the first screen of the page."""
    figure = made.with_suffix(".png")
    return Image.open(io.BytesIO(
        figure.read_bytes() if figure.exists() else taken(made.with_suffix(".html"))
    ))  # fmt: skip


def keep(image: Image.Image, path: Path) -> None:
    """Save a picture small enough for a page."""
    height = round(image.height * WIDTH / image.width)
    few_colours(image.convert("RGB").resize((WIDTH, height))).save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main()
