"""Write the public benchmark: coverages, grid files, zoning and hotspots, each with its truth.

    python scripts/bench/corpus.py FOLDER [--share 0.1] [--only ROOM]...

The same version writes the same bytes, which `manifest.json` lists; docs/pages/benchmark.md tells
what is in it. No truth is worked out by the programs that are measured.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import shapely

sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests import forgery
from tests.damage import damaged, quilt

VERSION = "1"
COVERAGES, ZONES, TOWNS, FILES = 10, 200, 60, 10
LOW, HIGH = 300, 600


def main(target: Path, share: float = 1.0, only: Sequence[str] = ()) -> dict[str, Any]:
    """Write every room, or only some, and the manifest; return the manifest."""
    rooms = {"coverage": coverages, "zoning": zones, "hotspots": towns, "grids": grids}
    for name, write in rooms.items():
        if only and name not in only:
            continue
        (target / name).mkdir(parents=True, exist_ok=True)
        write(target / name, share)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    sums = {
        path.relative_to(target).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "manifest.json"
    }
    manifest = {"schema": "gridmap.benchmark/1", "version": VERSION, "share": share, "files": sums}
    write_json(target / "manifest.json", manifest)
    return manifest


def some(count: int, share: float) -> range:
    """Return the numbers of a share of the cases, at least one."""
    return range(max(1, round(count * share)))


def write_json(path: Path, content: Any) -> None:
    """Write JSON with the same bytes each time."""
    path.write_text(json.dumps(content, indent=None, sort_keys=True) + "\n", encoding="utf-8")


def coverages(folder: Path, share: float) -> None:
    """Write clean coverages and damaged ones; the truth has the zone and the area of each harm."""
    for seed in some(COVERAGES, share):
        whole = quilt(32, 32, seed=seed, lakes=2)
        broken = damaged(whole, each=1, seed=seed + 1)
        case = {
            "boundary": whole.boundary.wkt,
            "clean": [cell.wkt for cell in whole.cells],
            "damaged": [cell.wkt for cell in broken.cells],
            "truth": [
                {"kind": one.kind, "name": one.name, "area": one.area, "zone": one.zone.bounds}
                for one in broken.truth
            ],
        }
        write_json(folder / f"{seed:03}.json", case)


def zones(folder: Path, share: float) -> None:
    """Write small zoning problems, each divided or proved impossible by trying everything."""
    for seed in some(ZONES, share):
        random = np.random.default_rng(seed)
        places = patch(random, int(random.integers(5, 13)))
        homes = [int(h) for h in random.integers(20, 520, len(places))]
        edges = [
            (a, b)
            for a, b in itertools.combinations(range(len(places)), 2)
            if abs(places[a][0] - places[b][0]) + abs(places[a][1] - places[b][1]) == 1
        ]
        answer = divided(homes, edges)
        case = {"places": places, "households": homes, "edges": edges, "low": LOW, "high": HIGH}
        write_json(folder / f"{seed:03}.json", {**case, "possible": answer is not None,
                                                "division": answer})  # fmt: skip


def patch(random: np.random.Generator, count: int) -> list[tuple[int, int]]:
    """Return unit squares that hang together by their sides."""
    places = [(0, 0)]
    while len(places) < count:
        x, y = places[random.integers(len(places))]
        step = ((1, 0), (-1, 0), (0, 1), (0, -1))[random.integers(4)]
        if (fresh := (x + step[0], y + step[1])) not in places:
            places.append(fresh)
    return places


def divided(homes: list[int], edges: list[tuple[int, int]]) -> list[int] | None:
    """Return one division into connected cells within the band, None when there is none."""
    near: list[set[int]] = [set() for _ in homes]
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)

    def solve(free: frozenset[int]) -> list[frozenset[int]] | None:
        if not free:
            return []
        for cell in grown(min(free), free):
            if (rest := solve(free - cell)) is not None:
                return [cell, *rest]
        return None

    def grown(first: int, free: frozenset[int]) -> Iterator[frozenset[int]]:
        """Yield every connected set around a unit that is within the band."""
        seen, stack = {frozenset([first])}, [frozenset([first])]
        while stack:
            cell = stack.pop()
            weight = sum(homes[u] for u in cell)
            if weight > HIGH:
                continue
            if weight >= LOW:
                yield cell
            for unit in sorted(set().union(*(near[u] for u in cell)) & (free - cell)):
                if (more := cell | {unit}) not in seen:
                    seen.add(more)
                    stack.append(more)

    cells = solve(frozenset(range(len(homes))))
    if cells is None:
        return None
    return [next(k for k, cell in enumerate(cells) if u in cell) for u in range(len(homes))]


def towns(folder: Path, share: float) -> None:
    """Write towns of 400 cells with Poisson counts: a third flat, the rest with one hot place."""
    side = 20
    y, x = np.divmod(np.arange(side * side), side)
    for seed in some(TOWNS, share):
        random = np.random.default_rng(seed)
        homes = np.round(random.lognormal(6, 0.5, side * side)).astype(int)
        ratio = (1.0, 2.0, 3.0)[seed % 3]
        middle = random.integers(3, side - 3, 2)
        hot = (abs(x - middle[0]) <= 1) & (abs(y - middle[1]) <= 1) & (ratio > 1)
        mean = 8 * homes / homes.mean() * np.where(hot, ratio, 1.0)
        counts = random.poisson(mean)
        rows = zip(x, y, homes, counts, hot, strict=True)
        lines = ["x,y,households,incidents,hot", *(",".join(str(int(v)) for v in r) for r in rows)]
        path = folder / f"{seed:03}-risk{ratio:g}.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def grids(folder: Path, share: float) -> None:
    """Write grid files that are sound and such that were forged; the name says which."""
    import gridmap

    for seed in some(FILES, share):
        base = folder / f"sound-{seed:03}.gpkg"
        gridmap.write_grid(forgery.levelled(seed), base)
        for name, statements in list(forgery.STATEMENTS.items()):
            forged = folder / f"forged-{seed:03}-{name.replace(' ', '-').replace('/', '-')}.gpkg"
            if concern(base, statements):
                forgery.edited(base, forged, *statements)
    for name, parts in forgery.GEOMETRIES.items():
        plain = name.replace(" ", "-").replace("/", "-")
        forgery.written(folder / f"forged-{plain}.gpkg", **parts)


def concern(path: Path, statements: Sequence[str]) -> bool:
    """Tell whether statements speak of the CRS of this grid, if of any; another's is no forgery."""
    with closing(sqlite3.connect(path)) as database:
        used = {row[0] for row in database.execute("SELECT srs_id FROM gpkg_contents")}
    named = re.findall(r"WHERE srs_id = (\d+)", " ".join(statements))
    return all(int(number) in used for number in named)


def polygons(texts: list[str]) -> np.ndarray:
    """Return geometries from the texts of a case, to the last bit."""
    return shapely.from_wkt(np.array(texts, dtype=object))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="share of the cases")
    parser.add_argument("--only", action="append", default=[], metavar="ROOM")
    chosen = parser.parse_args()
    print(len(main(chosen.folder, chosen.share, chosen.only)["files"]), "files in", chosen.folder)
