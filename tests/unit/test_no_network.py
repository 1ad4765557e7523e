"""No command makes a request: their system calls are watched."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

_CALL = re.compile(r"(connect|sendto|sendmsg)\(")  # to bind is to call nobody
_OUTSIDE = ("AF_INET", "AF_INET6")

COMMANDS = {
    "info": ["info", "city/incidents.csv"],
    "partition": ["partition", "city/jurisdictions.gpkg", "--households", "city/buildings.gpkg",
                  "-o", "new.gpkg"],
    "validate": ["validate", "city/grid.gpkg"],
    "assign": ["assign", "city/grid.gpkg", "city/incidents.csv", "-o", "placed.xlsx"],
    "hotspots": ["hotspots", "city/grid.gpkg", "city/incidents.csv", "-o", "spots.csv"],
    "indicators": ["indicators", "city/grid.gpkg", "city/incidents.csv"],
    "map": ["map", "city/grid.gpkg", "-o", "map.html"],
    "briefing": ["briefing", "city/grid.gpkg", "city/incidents.csv", "-o", "page.html"],
    "export": ["export", "city/grid.gpkg", "-o", "grid.xlsx"],
    "staff": ["staff", "city/grid.gpkg", "city/staff.xlsx"],
    "compare": ["compare", "city/grid.gpkg", "city/grid.gpkg"],
    "repair": ["repair", "city/grid.gpkg:cells", "--boundary", "outline", "-o", "mended.gpkg"],
}  # fmt: skip


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a made-up city and its grid."""
    folder = tmp_path_factory.mktemp("network")
    run = [sys.executable, "-m", "gridmap"]
    subprocess.run([*run, "example", "city", "--size", "tiny"], cwd=folder, check=True)
    subprocess.run(
        [*run, "partition", "city/jurisdictions.gpkg", "--households", "city/buildings.gpkg",
         "-o", "city/grid.gpkg"],
        cwd=folder, check=False,
    )  # fmt: skip
    return folder


@pytest.mark.strace
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_calls_nobody(name: str, city: Path) -> None:
    log = city / f"{name}.strace"
    watched = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(log)]
    done = subprocess.run(
        [*watched, sys.executable, "-m", "gridmap", *COMMANDS[name]],
        cwd=city, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    calls = [line for line in log.read_text().splitlines() if _CALL.search(line)]
    assert not [call for call in calls if any(family in call for family in _OUTSIDE)]


@pytest.mark.strace
def test_the_watch_sees_a_call(tmp_path: Path) -> None:
    """A watch that sees nothing would prove nothing."""
    log = tmp_path / "log"
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 1))"
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=network", "-o", str(log), sys.executable,
                    "-c", code], check=True)  # fmt: skip
    assert "AF_INET" in log.read_text()
