"""The auditor's script agrees with the library about whole and broken grid files."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify_grid.py"


@pytest.fixture(scope="module")
def whole(grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a proved grid."""
    import gridmap

    path = tmp_path_factory.mktemp("grid") / "grid.gpkg"
    gridmap.write_grid(grid, path)
    return path


def run(path: Path) -> tuple[int, str]:
    """Run the script on its own, without this project on its path."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def edited(whole: Path, to: Path, *statements: str) -> Path:
    """Return a copy of a grid file after some SQL."""
    shutil.copy(whole, to)
    database = sqlite3.connect(to)
    triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        database.execute(f'DROP TRIGGER "{name}"')
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return to


def test_a_proved_grid_passes(whole: Path, grid):
    code, text = run(whole)
    assert code == 0, text
    assert text.startswith(f"PROVED: {len(grid)} cells, {len(grid.jurisdictions)} jurisdictions")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM cells WHERE rowid = 1", "cells against the boundary"),
        ("UPDATE cells SET parent = 'x' WHERE rowid = 1", "there is no jurisdiction 'x'"),
        ("UPDATE cells SET code = (SELECT code FROM cells WHERE rowid = 2)", "stands"),
        ("DELETE FROM jurisdictions WHERE rowid = 1", "there is no jurisdiction"),
    ],
)
def test_broken_grids_are_refuted(whole: Path, tmp_path: Path, statement: str, expected: str):
    code, text = run(edited(whole, tmp_path / "broken.gpkg", statement))
    assert code == 1
    assert expected in text


def test_a_vertex_moved_by_a_millimetre_is_refuted(whole: Path, tmp_path: Path):
    path = edited(whole, tmp_path / "moved.gpkg")
    database = sqlite3.connect(path)
    row, blob = database.execute("SELECT rowid, geom FROM cells LIMIT 1").fetchone()
    data = bytearray(blob)
    at = 8 + (0, 32, 48, 48, 64)[(data[3] >> 1) & 7]
    multi = struct.unpack_from("<I", data, at + 1)[0] == 6
    at += 5 + 4 + (9 if multi else 0) + 4 + 16  # header, counts, first vertex
    struct.pack_into("<d", data, at, struct.unpack_from("<d", data, at)[0] + 0.001)
    database.execute("UPDATE cells SET geom = ? WHERE rowid = ?", (bytes(data), row))
    database.commit()
    database.close()
    code, text = run(path)
    assert code == 1
    assert "edges do not cancel" in text
    assert "not those that the file's own proof was made of" in text


def test_what_is_no_grid_file_is_unreadable(tmp_path: Path):
    (tmp_path / "text.gpkg").write_text("no database", encoding="utf-8")
    sqlite3.connect(tmp_path / "empty.gpkg").close()
    for name in ("text.gpkg", "empty.gpkg", "missing.gpkg"):
        code, text = run(tmp_path / name)
        assert code == 2, text
        assert "Traceback" not in text


def test_nothing_is_proved_without_a_boundary(whole: Path, tmp_path: Path):
    path = edited(whole, tmp_path / "none.gpkg", "DELETE FROM jurisdictions")
    assert run(path)[0] == 2
