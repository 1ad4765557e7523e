"""Run every benchmark against its peers; write the page of measurements and what quotes it.

The peers come with the dependency group `bench`. With `--quick` the same tables are made at small
sizes in a few minutes, printed, and not written to the page.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs/pages/measurements.md"
ROOMS = {
    "coverage": "Coverage: the proof and the defects",
    "partition": "Partition",
    "units": "Units",
    "assign": "Incidents",
    "hotspots": "Hotspots",
    "robustness": "Robustness of hotspots",
    "maps": "Maps",
    "largest": "The largest pages",
    "scale": "City",
    "country": "By district",
    "metropolis": "Metropolis",
    "edit": "The page on which cells are redrawn",
    "io": "Files",
    "startup": "Start",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PREFACE = """# Measurements

The tables are the output of the scripts in `scripts/bench`, put together room by room; a room that
was not run again keeps its section as it stands. Machine: {machine}. Times are CPU seconds; read
them as ratios against the peer beside them, measured in the same run. One room alone:
`python scripts/bench/all.py coverage`.
"""


def main() -> None:
    """Run the rooms asked for; print their tables, or put them on the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--quick", action="store_true", help="small sizes; print, write nothing")
    chosen = parser.parse_args()
    if unknown := set(chosen.rooms) - set(ROOMS):
        parser.error(f"there is no room {', '.join(sorted(unknown))}")
    sections = _sections()
    for room in chosen.rooms or ROOMS:
        print(f"\n## {ROOMS[room]}\n", flush=True)
        if room in ("maps", "largest", "edit") and not any(map(shutil.which, BROWSERS)):
            print("Left out: it needs Chromium.")
            continue
        sections[ROOMS[room]] = _run(room, chosen.quick)
    if not chosen.quick:
        _write(sections)
        subprocess.run([sys.executable, str(HERE / "quote.py")], check=True)


def _run(room: str, quick: bool) -> str:
    """Run one room, which prints its tables itself, and return them."""
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "tables.md"
        command = [sys.executable, str(HERE / f"{room}.py"), "-o", str(tables)]
        subprocess.run(command + ["--quick"] * quick, check=True)
        return tables.read_text(encoding="utf-8").strip()


def _sections() -> dict[str, str]:
    """Return the sections that the page has already."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in parts}


def _write(sections: dict[str, str]) -> None:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}"
    parts = [PREFACE.format(machine=machine)]
    parts += [f"## {name}\n\n{sections[name]}\n" for name in ROOMS.values() if name in sections]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
