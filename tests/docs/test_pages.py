"""Commands and code that the pages show are run as they stand there, but for those in OUTSIDE."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HOW_TO = [
    ROOT / f"docs/pages/how-to/{name}.md"
    for name in ("partition", "prove", "assign", "hotspots", "brief", "change", "run", "files")
]
FENCE = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]+)")
OUTSIDE = ("git clone", ".venv/bin/", "scripts/demo", "scripts/test", "pip install", "eval ")
"""Not run here: test_fresh_clone runs the clone and the demo; nothing runs the benchmarks."""


def _run(page: Path, folder: Path, names: dict[str, object]) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for kind, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            exec(compile(text, str(page), "exec"), names)
            continue
        for line in text.splitlines():
            if line.startswith("$ ") and not line[2:].startswith(OUTSIDE):
                command = shlex.split(line[2:].replace("scripts/verify", f"{ROOT}/scripts/verify"))
                result = subprocess.run(
                    command,
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_readme_runs_word_by_word(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _run(ROOT / name, tmp_path, {})


def test_how_tos_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for page in HOW_TO:
        _run(page, tmp_path, names)


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page):
    dead = [
        link
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not dead


def test_every_public_name_is_explained():
    import gridmap

    reference = (ROOT / "docs/pages/api.md").read_text(encoding="utf-8")
    for name in gridmap.__all__:
        if name != "__version__":
            assert getattr(gridmap, name).__doc__, name
            assert f".{name}\n" in reference, f"{name} is missing in docs/pages/api.md"


def test_the_documentation_builds_without_warnings(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the Python package mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q"]
    result = subprocess.run(
        [*command, "-f", str(ROOT / "docs/mkdocs.yml"), "-d", str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
