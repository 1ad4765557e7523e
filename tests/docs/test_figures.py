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


@pytest.mark.parametrize("name", ["01", "03", "04"])
def test_what_a_notebook_counts_in_words_is_what_it_printed(name):
    """Every "N of M" under a picture stands in an output: as printed, or both numbers."""
    (path,) = (ROOT / "notebooks").glob(f"{name}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    printed = json.dumps([cell["outputs"] for cell in cells if cell["cell_type"] == "code"])
    words = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    for told in re.findall(r"(\d[\d,]*) of (?:the )?(\d(?:[\d,]*\d)?)", words):
        for figure in told:
            assert re.search(rf"(?<![\d,.]){figure}(?![\d,.]*\d)", printed), f"{told}: {figure}"
