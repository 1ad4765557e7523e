"""The documentation: built in both languages without a warning, and read without a server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

CONFIGS = {"": "mkdocs.zh.yml", "en": "mkdocs.yml"}
LOADED = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:)?//')


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Build both languages, strictly."""
    pytest.importorskip("mkdocs", reason="needs the Python package mkdocs")
    folder = tmp_path_factory.mktemp("site")
    for place, config in CONFIGS.items():
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q"]
        done = subprocess.run(
            [*command, "-f", str(ROOT / "docs" / config), "-d", str(folder / place)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_stands_in_both_languages(site):
    english = {path.relative_to(site / "en") for path in (site / "en").rglob("*.html")}
    chinese = {path.relative_to(site) for path in site.rglob("*.html")}
    assert {path for path in chinese if path.parts[0] != "en"} == english
    assert "断网" in (site / "index.html").read_text("utf-8")
    assert 'lang="zh"' in (site / "cli.html").read_text("utf-8")


def test_no_page_loads_anything_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = LOADED.search(page.read_text("utf-8"))
        assert not loaded, f"{page}: {loaded}"


def test_every_page_is_written_in_both_languages():
    chinese, english = (
        {path.relative_to(ROOT / "docs" / name) for path in (ROOT / "docs" / name).rglob("*.md")}
        for name in ("zh", "pages")
    )
    assert chinese == english


@pytest.mark.parametrize(
    "page", ["measurements", "hotspots-simulation", "partition-real", "coverage-real"]
)
def test_measured_tables_are_the_same_in_both_languages(page, site):
    def figures(place):
        text = (site / place / f"{page}.html").read_text("utf-8")
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in text.split("<tr>")]
        return [[cell for cell in row if re.fullmatch(r"[\d.,%×]+", cell)] for row in rows if row]

    assert figures("en") and figures("") == figures("en")
    assert "{{ " not in (site / f"{page}.html").read_text("utf-8")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("page", "word", "found"),
    [
        ("index.html", "空白", "defects.html"),
        ("how-to/qgis.html", "巡查", "how-to/run.html"),
        ("en/index.html", "overlap", "en/glossary.html"),
        ("en/jobs/audit.html", "shapefile", "en/jobs/old-shapefile.html"),
    ],
)
def test_search_works_from_files(page, word, found, site, chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1300, "height": 850})
        context.set_offline(True)
        view = context.new_page()
        view.goto((site / page).as_uri())
        other = view.get_attribute(".gridmap-language", "href")
        assert (site / page).parent.joinpath(other).resolve().exists()
        view.focus(".md-search__input")
        view.fill(".md-search__input", word)
        view.keyboard.press("Space")
        view.wait_for_selector(".md-search-result__link")
        hrefs = [one.get_attribute("href") for one in view.query_selector_all(
            ".md-search-result__link")]  # fmt: skip
        browser.close()
    assert any(found in href for href in hrefs), hrefs
