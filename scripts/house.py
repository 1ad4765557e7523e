"""Measure the house: files, lines, long functions, and how many files a verb enters.

Usage: `python scripts/house.py`; it prints the tables whose figures CONTRIBUTING.md bounds. A file
of Python is entered when one of its functions runs between the call of a public function and its
return; templates and tables are not counted.
"""

from __future__ import annotations

import ast
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import geopandas as gpd
import pandas as pd
import shapely

import gridmap as gm

PACKAGE = Path(gm.__file__).parent
LONG = 40  # lines of a function that a reader takes in at once


def main() -> None:
    """Print the figures of the files and of the verbs."""
    for table in (figures(), entered()):
        rows = [table.columns, ["---"] * table.shape[1], *table.itertuples(index=False)]
        print(*("| " + " | ".join(map(str, row)) + " |" for row in rows), sep="\n", end="\n\n")


def sources() -> list[Path]:
    """Return the files of Python in the package, assets left out."""
    return sorted(PACKAGE.rglob("*.py"))


def functions(path: Path) -> list[tuple[str, int]]:
    """Return the functions of a file, each with its lines, those of the docstring left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            told = ast.get_docstring(node) is not None
            said = (first.end_lineno or 0) - first.lineno + 1 if told else 0
            found.append((node.name, (node.end_lineno or 0) - node.lineno + 1 - said))
    return found


def figures() -> pd.DataFrame:
    """Return the size of the house."""
    paths = sources()
    lines = [len(path.read_text("utf-8").splitlines()) for path in paths]
    sizes = [size for path in paths for _, size in functions(path)]
    over = sum(size > LONG for size in sizes)
    return pd.DataFrame(
        {
            "measure": ["files", "lines", "median file", f"functions over {LONG} lines"],
            "figure": [
                f"{len(paths)}",
                f"{sum(lines):,}",
                f"{statistics.median(lines):.0f}",
                f"{over} of {len(sizes):,} ({over / len(sizes):.1%})",
            ],
        }
    )


def entered() -> pd.DataFrame:
    """Return how many files each verb enters, on the tiny town."""
    return pd.DataFrame(
        [(name, len(files_of(call))) for name, call in verbs().items()], columns=["verb", "files"]
    )


def verbs() -> dict[str, Callable[[], object]]:
    """Return the calls to be traced."""
    town = gm.example_city(seed=0, size="tiny")
    units = gm.subdivide(town.jurisdictions, town.buildings, barriers=town.barriers)
    grid = gm.partition(units, seed=0)
    placed = gm.assign(town.incidents, grid, x="x", y="y", datum="gcj02")
    incidents = town.incidents.assign(code=placed["code"])
    incidents.attrs["datum"] = "gcj02"
    cells, boundary = grid.cells, grid.boundary
    table = gm.tally(incidents, grid)
    square = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 5, 10)], crs=grid.crs)
    file = Path(tempfile.mkdtemp()) / "grid.gpkg"
    gm.write_grid(grid, file)
    return {
        "prove": lambda: gm.prove(cells, boundary),
        "validate": lambda: gm.validate(square, shapely.box(0, 0, 10, 10)),
        "subdivide": lambda: gm.subdivide(
            town.jurisdictions, town.buildings, barriers=town.barriers
        ),
        "partition": lambda: gm.partition(units, seed=0),
        "read_grid": lambda: gm.read_grid(file),
        "hotspots": lambda: gm.hotspots(table, grid),
        "briefing": lambda: gm.briefing(grid, incidents),
    }


def files_of(call: Callable[[], object]) -> set[str]:
    """Return the files of the package whose functions run during a call."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    call()  # once before, so that nothing is loaded while it is traced
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return {
        Path(code.co_filename).relative_to(PACKAGE).as_posix()
        for code in seen
        if code.co_name not in {"<module>", "__getattr__"}
        and str(PACKAGE) in code.co_filename
        and code.co_filename.endswith(".py")
    }


if __name__ == "__main__":
    main()
