"""Run every benchmark against its peers and write the page of measurements.

The peers come with the dependency group `bench`. `--quick` takes minutes instead of an hour.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs/pages/measurements.md"
ROOMS = {
    "coverage": "Coverage: the proof and the defects",
    "partition": "Partition",
    "units": "Units",
    "assign": "Incidents",
    "hotspots": "Hotspots",
    "maps": "Maps",
    "io": "Files",
}
PREFACE = """# Measurements

The tables are the output of the scripts in `scripts/bench`, put together room by room; a room that
was not run again keeps its section as it stands. Machine: {machine}. Times are CPU seconds; read
them as ratios against the peer beside them, measured in the same run. One room alone:
`python scripts/bench/coverage.py`.
"""


def main() -> None:
    """Run the rooms asked for, and replace their sections of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    sections = _sections()
    for room in chosen.rooms or ROOMS:
        print(f"== {ROOMS[room]}", flush=True)
        part = HERE / f".{room}.md"
        command = [sys.executable, str(HERE / f"{room}.py"), "-o", str(part)]
        subprocess.run(command + ["--quick"] * chosen.quick, check=True)
        sections[ROOMS[room]] = part.read_text(encoding="utf-8").strip()
        part.unlink()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    body = "\n\n".join(
        f"## {title}\n\n{sections[title]}" for title in ROOMS.values() if title in sections
    )
    PAGE.write_text(PREFACE.format(machine=machine) + "\n" + body + "\n", encoding="utf-8")


def _sections() -> dict[str, str]:
    """Return the sections that the page has already."""
    if not PAGE.exists():
        return {}
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}


if __name__ == "__main__":
    main()
