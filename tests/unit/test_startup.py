"""What is loaded when nothing is asked for yet: next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "numpy", "pandas", "scipy", "shapely", "pyproj", "geopandas", "fiona", "pyogrio", "pyarrow",
    "rtree", "networkx", "numba", "matplotlib", "mapclassify", "folium", "branca", "openpyxl",
    "xlrd", "python_calamine", "dask", "distributed", "psycopg", "importlib.metadata",
}  # fmt: skip
MAIN = """
from gridmap.cli import main
try:
    main(%r.split())
except SystemExit:
    pass
"""


def loaded(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has after some code."""
    tell = "import json, sys; sys.stderr.write(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", f"{code}\n{tell}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr))


def test_import_loads_no_room():
    ours = {name for name in loaded("import gridmap") if name.startswith("gridmap")}
    assert ours == {"gridmap", "gridmap._version"}


@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "--lang zh --help", "partition --help", "assign --help"]
)
def test_help_loads_nothing_heavy(arguments):
    before = loaded("import click")
    assert not (loaded(MAIN % arguments) - before) & HEAVY


@pytest.mark.parametrize(
    ("name", "unneeded"),
    [
        ("Grid", {"numba", "folium", "matplotlib", "fiona", "dask", "openpyxl"}),
        ("prove", {"numba", "folium", "matplotlib", "fiona", "dask", "openpyxl"}),
        ("assign", {"folium", "matplotlib", "fiona", "dask", "openpyxl"}),
        ("hotspots", {"folium", "matplotlib", "fiona", "dask", "openpyxl"}),
    ],
)
def test_a_name_loads_its_own_room_only(name, unneeded):
    modules = loaded(f"import gridmap; gridmap.{name}")
    assert not modules & unneeded
    assert not modules & {"gridmap.maps", "gridmap.briefings", "gridmap.cli"}
