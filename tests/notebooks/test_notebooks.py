"""The notebooks run from top to bottom and still say what they said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MARKS = {"02_taipei": pytest.mark.real, "03_incidents_and_hotspots": pytest.mark.real}


@pytest.mark.notebook
@pytest.mark.parametrize(
    "book",
    [pytest.param(b, id=b.stem, marks=MARKS.get(b.stem, ())) for b in BOOKS],
)
def test_notebook_runs(book, tmp_path, shared, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("GRIDMAP_SHARED", str(shared.parent))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(book, as_version=4)
    before = [_said(cell) for cell in notebook.cells if cell.cell_type == "code"]
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env={**os.environ})
    after = [_said(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert after == before
    assert not [
        o for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"
    ]


def _said(cell) -> str:
    """Return the text of a cell's output; pictures and pages may differ in their bytes.

    A kernel may send one print in two pieces, so the pieces are joined.
    """
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
        if "image/png" not in output.get("data", {}) and output.get("name") != "stderr"
    )


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_a_finding_stands_under_every_picture(book):
    import nbformat

    cells = nbformat.read(book, as_version=4).cells
    pictured = [k for k, cell in enumerate(cells) if cell.cell_type == "code" and _pictured(cell)]
    assert pictured
    for below in (cells[k + 1] for k in pictured):
        assert below.cell_type == "markdown" and not below.source.startswith("#")


def _pictured(cell) -> bool:
    """Tell whether a cell shows a figure, a map or a widget."""
    shown = [output.get("data", {}) for output in cell.outputs]
    return any(
        "image/png" in data
        or any("widget" in kind for kind in data)
        or "<iframe" in data.get("text/html", "")
        for data in shown
    )


def test_the_page_for_redrawing_is_read_without_a_kernel():
    """Whatever shows the saved notebook prefers a widget's state, which would load from afar."""
    import nbformat

    book = nbformat.read(ROOT / "notebooks/04_change.ipynb", as_version=4)
    assert "widgets" not in book.metadata
    shown = [o.data for c in book.cells for o in c.get("outputs", []) if "data" in o]
    widgets = [data for data in shown if any("widget-view" in kind for kind in data)]
    assert len(widgets) == 1 and "<iframe srcdoc" in widgets[0]["text/html"]
