"""A newcomer's first hour: a fresh clone, an empty home, the README word by word."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, commands

ASKED = os.environ.get("GRIDMAP_REQUIRE_ALL") == "1" or os.environ.get("GRIDMAP_FRESH") == "1"
KEPT = ("PIP_", "LANG", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")
PEERS = ("scripts/bench/", "pip install --group")


def script(page: Path, *, again: bool = False) -> str:
    """Return what a reader types, from the clone on; the peers are measured only once."""
    lines = ["set -eux"]
    for kind, text in blocks(page):
        if kind == "python":
            lines.append(f"python -c {shlex.quote(text)}")
            continue
        for line, _ in commands(text):
            clone = line.startswith("git clone")
            if clone or (again and any(part in line for part in PEERS)):
                lines += ["cd gridmap"] * clone
                continue
            lines.append(line + (" --overwrite" if again and " -o " in line else ""))
            if line == "scripts/demo":
                lines.append("git status --porcelain > ../changed.txt")
                lines.append("source .venv/bin/activate")
    return "\n".join(lines)


@pytest.mark.skipif(not ASKED, reason="installs from the package index; set GRIDMAP_FRESH=1")
def test_the_readme_works_in_a_fresh_clone(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    clone = next(line for _, text in blocks(ROOT / "README.md") for line, _ in commands(text))
    assert clone == "git clone <this repository> gridmap && cd gridmap"
    typed = clone.replace("<this repository>", shlex.quote(str(ROOT)))
    assert _type(typed, home).returncode == 0

    first = _type(script(ROOT / "README.md"), home)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Installing" in first.stdout
    assert "no gaps, no overlaps" in first.stdout
    for section in ("Coverage", "Partition", "Incidents", "Hotspots", "Maps", "Files", "Start"):
        assert f"\n## {section}" in first.stdout
    assert (home / "gridmap/demo/briefing.html").stat().st_size > 100_000
    assert (home / "gridmap/briefing.html").stat().st_size > 100_000
    assert (home / "changed.txt").read_text() == ""

    shutil.rmtree(home / "gridmap/city")
    second = _type(script(ROOT / "README.zh.md", again=True), home)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Installing" not in second.stdout


def _type(lines: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run lines in a shell that has a home, git and Python, and nothing else."""
    base = getattr(sys, "_base_executable", sys.executable)
    environment = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    environment |= {"HOME": str(home), "PATH": f"{Path(base).parent}:/usr/local/bin:/usr/bin:/bin"}
    return subprocess.run(
        ["bash", "-c", lines],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
