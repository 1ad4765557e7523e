"""Walk a stranger's path on each Python and time it: clone, demo, own files, proof, page.

python scripts/release/stranger.py 3.11 3.12 3.13

Each walk has a fresh clone, an empty home and an environment of its own; half of it is in Chinese,
half in English. Prints a table with the seconds of each step.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ("PIP_", "LANG", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")
OWN_FILES = """
import csv, geopandas as gpd
town = gpd.read_file('city/jurisdictions.gpkg')[['code', 'community', 'geometry']]
town.to_file('社区.shp', encoding='GB18030')
homes = gpd.read_file('city/buildings.gpkg')
count = next(name for name in homes if name in ('households', '户数'))
places = homes.geometry.representative_point()
with open('楼栋.csv', 'w', encoding='GB18030', newline='') as file:
    out = csv.writer(file)
    out.writerow(['楼栋', '户数', 'X坐标', 'Y坐标'])
    rows = zip(homes[count], places.x, places.y)
    out.writerows([f'{k}号楼', n, round(x, 3), round(y, 3)] for k, (n, x, y) in enumerate(rows, 1))
print(town.crs.to_string())
"""
STEPS = {
    "clone": "git clone -q {root} gridmap && cd gridmap",
    "environment and demo": "{python} scripts/demo",
    "own files": 'gridmap example city --size tiny && python -c "$OWN_FILES"',
    "look": "gridmap info 楼栋.csv && gridmap info 社区.shp",
    "grid": "gridmap partition 社区.shp --households 楼栋.csv --datum EPSG:4547 --code code "
    "--level community -o 网格.gpkg",
    "proof": "gridmap validate 网格.gpkg && {python} scripts/verify_grid.py 网格.gpkg",
    "page": "gridmap briefing 网格.gpkg city/incidents.csv -o 简报.html",
    "page in English": "gridmap --lang en briefing 网格.gpkg city/incidents.csv -o week.html",
}


def main(versions: list[str]) -> None:
    """Walk on each version; print the table."""
    walks = {version: dict(walk(version)) for version in versions}
    print("| step | " + " | ".join(f"Python {v}" for v in versions) + " |")
    print("| --- |" + " ---: |" * len(versions))
    for step in STEPS:
        print(f"| {step} | " + " | ".join(f"{walks[v][step]:.0f} s" for v in versions) + " |")
    print("| **all** | " + " | ".join(f"{sum(walks[v].values()):.0f} s" for v in versions) + " |")


def walk(version: str) -> Iterator[tuple[str, float]]:
    """Yield each step and its seconds; stop at the first that fails."""
    python = interpreter(version)
    with tempfile.TemporaryDirectory() as home:
        environment = {k: v for k, v in os.environ.items() if k.startswith(KEPT)}
        path = f"{home}/gridmap/.venv/bin:{Path(python).parent}:/usr/local/bin:/usr/bin:/bin"
        environment |= {"HOME": home, "PATH": path, "OWN_FILES": OWN_FILES}
        for step, line in STEPS.items():
            started = time.monotonic()
            here = home if step == "clone" else f"{home}/gridmap"
            done = subprocess.run(
                ["bash", "-c", line.format(root=ROOT, python=python)],
                cwd=here,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                sys.exit(f"Python {version}, {step}: {done.stdout}{done.stderr}")
            yield step, time.monotonic() - started


def interpreter(version: str) -> str:
    """Return the path of a Python, asking pyenv where PATH has none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [str(path / "bin/python") for path in sorted(pyenv.glob(f"{version}.*"))]
    for found in [*named, shutil.which(f"python{version}")]:
        if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
            return found
    sys.exit(f"Python {version} is not here.")


if __name__ == "__main__":
    main(sys.argv[1:] or ["3.11", "3.12", "3.13"])
