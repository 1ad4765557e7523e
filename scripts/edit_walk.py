"""Walk at random through the edits of the page's own engine, and hold each step against `apply`.

    python scripts/edit_walk.py GRID.gpkg [--steps 2000] [--seed 0]

After every edit the households, pieces and band of the page must be those that Python finds by
itself (networkx over the units, no code of `apply`), and the page must call good exactly what
`apply` accepts.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import playwright

from gridmap.contiguity import contacts, shortest_contact
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.io.gridfile import read_grid
from gridmap.maps.edit import plan_data
from gridmap.partitioning.apply import apply

ROOT = Path(__file__).resolve().parent.parent


def steps_of(grid: Grid, seed: int, steps: int) -> list[dict[str, Any]]:
    """Let node walk, and return what it prints after each edit."""
    node = shutil.which("node") or str(Path(playwright.__file__).parent / "driver/node")
    with tempfile.TemporaryDirectory() as folder:
        plan, engine = Path(folder) / "plan.json", Path(folder) / "engine.mjs"
        plan.write_text(json.dumps(plan_data(grid)), encoding="utf-8")
        assets = files("gridmap.maps").joinpath("assets")
        parts = [
            assets.joinpath(name).read_text("utf-8") for name in ("varints.js", "edit_engine.js")
        ]
        engine.write_text(re.sub(r"(?m)^import .*\n", "", "".join(parts)), encoding="utf-8")
        walk = [node, str(ROOT / "tests/edit_walk.mjs"), engine, plan, str(seed), str(steps)]
        run = subprocess.run(walk, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return [json.loads(line) for line in run.stdout.splitlines()]


def contact_graph(grid: Grid) -> nx.Graph:
    """Return who neighbours whom among the units, one jurisdiction after the other."""
    units = grid.units
    shapes = units.geometry.to_numpy()
    parent = grid.cells["parent"].reindex(units["code"]).to_numpy()
    graph = nx.Graph()
    graph.add_nodes_from(range(len(units)))
    for key in sorted(set(parent)):
        rows = np.flatnonzero(parent == key)
        found = contacts(shapes[rows])
        part = units.geometry.iloc[rows]
        long = found.length >= shortest_contact(part.area.to_numpy(), part.length.to_numpy())
        graph.add_edges_from(zip(rows[found.i[long]], rows[found.j[long]], strict=True))
    return graph


def applied(grid: Grid, changes: dict[str, Any]) -> Grid | None:
    """Return the grid with the changes, None where they are refused."""
    try:
        return apply(grid, changes)
    except InputError:
        return None


def walk(grid: Grid, seed: int, steps: int) -> Counter[str]:
    """Walk, compare every step, and count what was met; a difference raises."""
    graph, units, old = contact_graph(grid), grid.units, grid.cells
    homes = units["households"].to_numpy()
    low, high = grid.band
    met: Counter[str] = Counter()
    for number, step in enumerate(steps_of(grid, seed, steps)):
        label = units["code"].to_numpy(dtype=object).copy()
        place = {str(unit): at for at, unit in enumerate(units.index)}
        for code, labels in step["changes"]["moves"].items():
            label[[place[str(unit)] for unit in labels]] = code
        before = units["code"].to_numpy(dtype=object)
        touched = {*before[label != before], *label[label != before]} & set(label)
        assert touched == set(step["cells"]), (number, touched ^ set(step["cells"]))
        for code, shown in step["cells"].items():
            rows = np.flatnonzero(label == code)
            pieces = nx.number_connected_components(graph.subgraph(rows.tolist()))
            assert (shown["households"], shown["pieces"]) == (homes[rows].sum(), pieces), (
                number,
                code,
            )
            whole = units.geometry.iloc[rows].union_all("coverage")
            assert abs(shown["area"] - whole.area) < 0.001 * whole.area + 1, (number, code)
            assert abs(shown["border"] - whole.length) < 0.002 * whole.length + 1, (number, code)
            kinds = set(old["kind"].reindex(before[rows]))
            bound = old["kind"].get(code, "residential" if "residential" in kinds else "dedicated")
            band = bool(low <= homes[rows].sum() <= high)
            if bound != "residential":
                band = code not in old.index or homes[rows].sum() <= old.at[code, "households"]
            assert shown["inBand"] == band, (number, code)
        made = applied(grid, step["changes"])
        assert (made is not None) == step["good"], (number, step["edit"])
        if made is not None:
            assert int(made.cells["households"].sum()) == int(homes.sum())
            assert made.parameters["change"]["households_moved"] == step["moved"], number
        met["refused" if made is None else "accepted"] += 1
        met[step["edit"]] += 1
    return met


def main() -> None:
    """Walk over a grid file, and say what was met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("grid")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    met = walk(read_grid(given.grid), given.seed, given.steps)
    sys.stdout.write(f"{given.steps} edits, 0 differences: {dict(sorted(met.items()))}\n")


if __name__ == "__main__":
    main()
