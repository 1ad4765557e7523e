"""The figures that pages quote are those of the tables of measurements."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def quote():
    sys.path.insert(0, str(ROOT / "scripts/bench"))
    try:
        import quote
    finally:
        sys.path.pop(0)
    return quote


def test_every_quoted_figure_is_the_measured_one(quote):
    for name, text in quote.pages().items():
        said = (ROOT / name).read_text(encoding="utf-8")
        assert said == text, f"{name}: run scripts/bench/quote.py"


def test_another_measurement_would_change_the_pages(quote, monkeypatch):
    figures = dict.fromkeys(quote.measured(), "123.4")
    monkeypatch.setattr(quote, "measured", lambda: figures)
    quoted = {key for phrases in quote.QUOTATIONS.values() for ks in phrases.values() for key in ks}
    assert quoted <= set(figures)
    for name, text in quote.pages().items():
        assert text != (ROOT / name).read_text(encoding="utf-8")


def test_a_page_that_lost_its_phrase_is_named(quote, monkeypatch):
    monkeypatch.setattr(quote, "QUOTATIONS", {"LICENSE": {"{}× faster than light": ("import",)}})
    with pytest.raises(ValueError, match="LICENSE does not say"):
        quote.pages()


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_taipei_is_told_as_its_notebook_tells_it(name):
    book = json.loads((ROOT / "notebooks/02_taipei.ipynb").read_text(encoding="utf-8"))
    text = json.dumps([cell.get("outputs", cell["source"]) for cell in book["cells"]])
    page = (ROOT / name).read_text(encoding="utf-8")
    told = next(line for line in page.splitlines() if "1,048,986" in line)
    figures = set(re.findall(r"\d[\d,]*\d", told.split("(")[0].split("（")[0]))
    assert len(figures) >= 5
    for figure in figures - {"20"}:
        assert figure in text or figure.replace(",", "") in text, figure


def test_quoting_is_done():
    command = [sys.executable, str(ROOT / "scripts/bench/quote.py")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == ""
