"""Measure programs on the public benchmark and print one table a room.

    python scripts/bench/score.py FOLDER [PEER ...]
    python scripts/bench/score.py --join TABLES.md [TABLES.md ...] --page PAGE.md [PAGE.md ...]

What was printed, by whatever environments the peers need, is joined and put at the end of pages,
below their last heading. A peer is a module in scripts/bench/peers, or any that Python finds, with
one function a room: coverage, zoning, hotspots, grids. What it has not is left blank.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import shapely

HERE = Path(__file__).resolve().parent
sys.path[:1] = [str(HERE / "peers"), str(HERE.parents[1])]

Row = dict[str, str]


def main(folder: Path, names: list[str]) -> None:
    """Print the table of each room."""
    peers = [importlib.import_module(name) for name in names or ("with_gridmap", "with_shapely")]
    for room, score in ROOMS.items():
        if not (folder / room).is_dir():
            continue
        rows = {peer.__name__: score(folder / room, peer) for peer in peers if hasattr(peer, room)}
        heads = list(next(iter(rows.values()), {}))
        print(f"\n## {room}\n\n| program | {' | '.join(heads)} |")
        print("| --- |" + " --: |" * len(heads))
        for name, row in rows.items():
            print(f"| {name} | {' | '.join(row[head] for head in heads)} |")


def join(printed: list[Path], pages: list[Path]) -> None:
    """Put the rows of several printed tables together, below the last heading of each page."""
    rooms: dict[str, list[str]] = {}
    for path in printed:
        parts = re.split(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        for room, text in zip(parts[::2], parts[1::2], strict=True):
            lines = [line for line in text.splitlines() if line.startswith("|")]
            rooms.setdefault(room, lines[:2]).extend(lines[2:])
    tables = [f"**`{room}`**\n\n" + "\n".join(rooms[room]) for room in ROOMS if room in rooms]
    for page in pages:
        head, heading, rest = page.read_text(encoding="utf-8").rpartition("\n## ")
        title, words = [*rest.split("\n\n"), ""][:2]
        text = "\n\n".join([head + heading + title, words.strip(), *tables])
        page.write_text(text + "\n", encoding="utf-8")


def coverage(folder: Path, peer: ModuleType) -> Row:
    """Count damages that are met by something reported, and clean coverages refused."""
    found = total = alarms = clean = 0
    for path in sorted(folder.glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        boundary = shapely.from_wkt(case["boundary"])
        clean += 1
        alarms += bool(peer.coverage(shapely.from_wkt(case["clean"]), boundary))
        tree = shapely.STRtree(peer.coverage(shapely.from_wkt(case["damaged"]), boundary))
        zones = [shapely.box(*one["zone"]) for one in case["truth"]]
        found += len(set(tree.query(zones, predicate="intersects")[0].tolist()))
        total += len(zones)
    return {"damages found": f"{found} of {total}", "clean refused": f"{alarms} of {clean}"}


def zoning(folder: Path, peer: ModuleType) -> Row:
    """Check each division by itself, and each "impossible" against the truth."""
    tally = {"right": 0, "wrong": 0, "unanswered": 0}
    for path in sorted(folder.glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        answer = peer.zoning({k: v for k, v in case.items() if k not in ("possible", "division")})
        if answer is None:
            tally["unanswered"] += 1
        elif answer == "impossible":
            tally["wrong" if case["possible"] else "right"] += 1
        else:
            tally["right" if valid(case, answer) else "wrong"] += 1
    return {name: str(count) for name, count in tally.items()}


def valid(case: dict[str, Any], answer: list[int]) -> bool:
    """Tell whether a division is connected and within the band."""
    for cell in set(answer):
        units = {u for u, label in enumerate(answer) if label == cell}
        reached, stack = set(), [min(units)]
        while stack:
            unit = stack.pop()
            reached.add(unit)
            for a, b in case["edges"]:
                for here, there in ((a, b), (b, a)):
                    if here == unit and there in units - reached:
                        stack.append(there)
        weight = sum(case["households"][u] for u in units)
        if reached != units or not case["low"] <= weight <= case["high"]:
            return False
    return len(answer) == len(case["households"])


def hotspots(folder: Path, peer: ModuleType) -> Row:
    """Count flat towns with a false alarm, and hot cells that are found."""
    flat = alarms = 0
    hits: dict[str, list[int]] = {"2": [0, 0], "3": [0, 0]}
    for path in sorted(folder.glob("*.csv")):
        table = pd.read_csv(path)
        risk = path.stem.partition("risk")[2]
        called = peer.hotspots(table[["x", "y", "households", "incidents"]])
        hot = table["hot"].to_numpy(bool)
        if risk == "1":
            flat += 1
            alarms += bool(called.any())
        else:
            hits[risk][0] += int((called & hot).sum())
            hits[risk][1] += int(hot.sum())
    row = {"flat towns with an alarm": f"{alarms} of {flat}"}
    for risk, (found, total) in hits.items():
        row[f"cells found, {risk} times the risk"] = f"{found} of {total}"
    return row


def grids(folder: Path, peer: ModuleType) -> Row:
    """Count sound files refused and forged files passed."""
    row = {}
    for name, kind, wrong in (("sound", "sound refused", False), ("forged", "forged passed", True)):
        paths = sorted(folder.glob(f"{name}-*.gpkg"))
        row[kind] = f"{sum(peer.grids(path) is wrong for path in paths)} of {len(paths)}"
    return row


ROOMS: dict[str, Callable[[Path, ModuleType], Row]] = {
    "coverage": coverage, "zoning": zoning, "hotspots": hotspots, "grids": grids,
}  # fmt: skip

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--join":
        cut = sys.argv.index("--page")
        join([*map(Path, sys.argv[2:cut])], [*map(Path, sys.argv[cut + 1 :])])
    else:
        main(Path(sys.argv[1]), sys.argv[2:])
