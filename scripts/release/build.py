"""Build what is released into dist/, twice and to the same bytes, and have it looked at.

Needs the packages build, twine and check-wheel-contents (dependency group `dev`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EPOCH = "1577836800"  # of every file inside; a release differs by its content alone


def main(target: str = "") -> None:
    """Build, compare, check, and write the sums."""
    dist = Path(target) if target else ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    build(dist)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        for made in sorted(dist.iterdir()):
            if made.read_bytes() != (Path(folder) / made.name).read_bytes():
                sys.exit(f"{made.name} is not the same when built again.")
    made = [str(path) for path in sorted(dist.iterdir())]
    _run("-m", "twine", "check", "--strict", *made)
    # the licences of vendored files are meant to stand twice: beside them and in the metadata
    look = ("-m", "check_wheel_contents", "--toplevel", "gridmap", "--ignore", "W002")
    _run(*look, *(path for path in made if path.endswith(".whl")))
    _run(str(ROOT / "scripts/qgis/package.py"), str(dist / "gridmap_processing.zip"))
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(dist.iterdir())
    ]
    (dist / "SHA256SUMS").write_text("".join(sums))
    print("".join(sums), end="")


def build(dist: Path) -> None:
    """Build the sdist, and the wheel from it."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    command = [sys.executable, "-m", "build", "-o", str(dist), str(ROOT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def _run(*arguments: str) -> None:
    if subprocess.run([sys.executable, *arguments], check=False).returncode:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:2])
