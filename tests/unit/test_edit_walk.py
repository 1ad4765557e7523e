"""A random walk of edits in the page's own engine says the same as `apply`, every time."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gridmap.grid.grid import Grid

pytestmark = pytest.mark.node
SCRIPT = Path(__file__).parents[2] / "scripts/edit_walk.py"


def test_page_and_apply_agree_on_every_step(grid: Grid) -> None:
    """The script walks 2,000 steps; here a tenth."""
    found = importlib.util.spec_from_file_location("edit_walk", SCRIPT)
    assert found is not None and found.loader is not None
    script: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(script)
    met = script.walk(grid, seed=1, steps=200)
    assert met["accepted"] >= 20 and met["refused"] >= 20
    assert met["merge"] and met["undo"] and met["redo"] and met["brush"] >= 50
