"""Every kind of page, in both languages: axe-core finds nothing, and Tab reaches what acts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gridmap as gm
from tests.browser.pages import every_page

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
KINDS = ("briefing", "cell", "map", "hotspots", "validate", "repair", "compare", "partition",
         "plans", "edit", "weekly")  # fmt: skip
SIZES = {"zh": {"width": 1366, "height": 768}, "en": {"width": 390, "height": 844}}
ACTING = """() => {
    const all = document.querySelectorAll(
        'button, input, select, a[href], summary, [tabindex="0"]');
    const wanted = [...all].filter((e) => e.tabIndex >= 0 && !e.disabled &&
        e.getClientRects().length && getComputedStyle(e).visibility === 'visible');
    window.reached = new Set();
    document.addEventListener('focusin', (event) => window.reached.add(event.target));
    window.wanted = wanted;
    document.activeElement.blur();
    return wanted.length;
}"""
MISSED = """() => window.wanted.filter((e) => !window.reached.has(e))
    .map((e) => e.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script of axe-core, which `npm install --prefix tests/browser` brings."""
    if not AXE.exists():
        pytest.skip("needs axe-core: npm install --no-package-lock --prefix tests/browser")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def pages(
    grid: gm.Grid, town: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Path]]:
    """Write every page of the tiny town in both languages."""
    folder = tmp_path_factory.mktemp("every")
    return {lang: every_page(town, grid, lang, folder / lang) for lang in SIZES}


@pytest.fixture
def page_of(browser: Any, pages: dict[str, dict[str, Path]]) -> Any:
    """Open a kind of page offline, at the size that its language is looked at in."""
    contexts = []

    def opened(lang: str, kind: str) -> Any:
        contexts.append(browser.new_context(viewport=SIZES[lang], offline=True))
        page = contexts[-1].new_page()
        page.goto(pages[lang][kind].as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


def test_no_kind_of_page_is_forgotten(pages: dict[str, dict[str, Path]]) -> None:
    assert all(set(found) == set(KINDS) for found in pages.values())


@pytest.mark.parametrize("lang", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(axe: str, page_of: Callable[..., Any], kind: str, lang: str) -> None:
    page = page_of(lang, kind)
    page.evaluate(f"{axe}; undefined")
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations', 'passes'] })")
    told = [
        (one["impact"], one["id"], one["nodes"][0]["html"][:120]) for one in found["violations"]
    ]
    assert told == []
    assert len(found["passes"]) > 10


def test_axe_would_see_a_fault(axe: str, page_of: Callable[..., Any]) -> None:
    page = page_of("zh", "plans")
    page.evaluate("() => document.documentElement.removeAttribute('lang')")
    page.evaluate(f"{axe}; undefined")
    found = page.evaluate("() => axe.run(document)")
    assert "html-has-lang" in [one["id"] for one in found["violations"]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_tab_key_reaches_what_acts_and_is_never_caught(
    page_of: Callable[..., Any], kind: str
) -> None:
    page = page_of("zh", kind)
    count = page.evaluate(ACTING)
    for _ in range(count + 12):
        page.keyboard.press("Tab")
    assert page.evaluate(MISSED) == []
