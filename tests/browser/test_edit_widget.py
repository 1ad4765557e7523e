"""The page for redrawing cells inside a running JupyterLab: drawn by mouse, applied in Python."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridmap.grid.grid import Grid
from gridmap.io.gridfile import write_grid

pytestmark = [pytest.mark.browser, pytest.mark.jupyter]

NOTEBOOK = [
    "import gridmap as gm\ngrid = gm.read_grid('grid.gpkg')\nplan = gm.edit(grid, lang='en')\nplan",
    "import json\nfrom pathlib import Path\n"
    "made = plan.apply()\n"
    "Path('answer.json').write_text(json.dumps({'verdict': made.proof.verdict, "
    "'households': made.cells['households'].to_dict(), 'moves': plan.changes['moves']}))",
]


@pytest.fixture
def lab(grid: Grid, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Start JupyterLab on a folder with a grid and a notebook."""
    import nbformat

    write_grid(grid, tmp_path / "grid.gpkg")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in NOTEBOOK])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, tmp_path / "plan.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    home = tmp_path / "home"
    home.mkdir()
    places = {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "IPYTHONDIR": str(home)}
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *settings],
            env={**os.environ, **places},
            stdout=log,
            stderr=log,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait(address, server)
            yield address, tmp_path
        finally:
            server.terminate()
            server.wait(30)


def _wait(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers."""
    for _ in range(300):
        assert server.poll() is None, "JupyterLab ended"
        try:
            with urllib.request.urlopen(f"{address}/api", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("JupyterLab does not answer")


def test_what_is_drawn_in_jupyterlab_is_applied_in_python(
    browser: Any, lab: Any, grid: Grid
) -> None:
    address, folder = lab
    page = browser.new_page(viewport={"width": 1366, "height": 900})
    try:
        page.goto(f"{address}/lab/tree/plan.ipynb", timeout=120_000)
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=180_000)
        page.get_by_text("| Idle").wait_for(timeout=180_000)  # a cell run before that is not run
        page.locator(".jp-Notebook .jp-CodeCell").first.click()
        page.keyboard.press("Shift+Enter")
        page.locator(".gm-edit canvas").first.wait_for(timeout=180_000)
        page.wait_for_function("() => document.querySelector('.gm-edit').gridmapEditor")
        page.evaluate("document.querySelector('.gm-edit').scrollIntoView()")
        page.wait_for_timeout(1000)
        move = page.evaluate(FIND)
        for unit in (move["inside"], move["unit"]):
            page.mouse.click(*page.evaluate(SPOT, unit))
        assert page.evaluate(f"{EDITOR}.plan.difference().touched") == 2
        page.wait_for_timeout(2000)  # until the kernel has heard of it
        page.locator(".jp-Notebook .jp-CodeCell").nth(1).click()
        page.keyboard.press("Shift+Enter")
        answer = folder / "answer.json"
        for _ in range(240):
            if answer.exists() and answer.read_text():
                break
            time.sleep(0.5)
        found = json.loads(answer.read_text())
        shown = page.evaluate(
            f"() => Object.fromEntries({EDITOR}.plan.cells.map((c) => [c.code, c.homes]))"
        )
        assert found["verdict"] == "exact" and found["households"] == shown
        assert sum(map(len, found["moves"].values())) == 1
        changed = {c for c in shown if shown[c] != int(grid.cells.at[c, "households"])}
        assert len(changed) == 2
    finally:
        page.close()


EDITOR = "document.querySelector('.gm-edit').gridmapEditor"
SPOT = f"""(unit) => {{
  const editor = {EDITOR}, box = editor.find('ink').getBoundingClientRect();
  const {{ x, y }} = editor.plan.shape;
  return [box.left + editor.painter.px(x[unit]), box.top + editor.painter.py(y[unit])];
}}"""
FIND = f"""() => {{
  const editor = {EDITOR}, plan = editor.plan, {{ x, y }} = plan.shape;
  const clear = (unit) => plan.unitAt(x[unit], y[unit]) === unit;
  for (let unit = 0; unit < plan.count; unit++) {{
    if (!clear(unit) || plan.dedicated(plan.cell[unit])) continue;
    for (const cell of plan.cellsBeside(unit)) {{
      const hint = plan.hint(unit, cell);
      const easy = hint.good && !hint.pocket.length && !hint.empties && hint.households > 0;
      if (hint.refused || !easy || plan.dedicated(cell)) continue;
      const inside = [...plan.cells[cell].units].find(clear);
      if (inside !== undefined) return {{ unit, inside }};
    }}
  }}
}}"""
