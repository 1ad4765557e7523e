"""The front between balance, compactness and border on streets, as a table and a picture.

python scripts/bench/partition_front.py docs/pages/images/balance.svg
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

HERE = sys.path.pop(0)  # numba looks for a module `coverage`, and must not find the one here
import numba  # noqa: F401

sys.path += [HERE, str(Path(HERE).resolve().parents[1])]
import matplotlib.pyplot as plt
import numpy as np
from partition_cases import SHARED, WISHES, city, table, taipei

from gridmap.partitioning import energy
from gridmap.partitioning.parallel import warm
from gridmap.partitioning.prepare import check_units, communities
from gridmap.partitioning.problem import BALANCE, FULL, ROADS
from gridmap.partitioning.solve import solve
from scripts.real_cities import blocks, cambridge

STEPS = (0.0, 0.125, 0.25, BALANCE, 0.75, 1.0)


def front(name: str, units: object) -> list[dict[str, object]]:
    """Solve a case with each wish for balance."""
    towns = list(communities(check_units(units)))
    rows: list[dict[str, object]] = []
    for step in STEPS:
        wishes = WISHES.__class__(**{**WISHES.__dict__, "balance": FULL * step, "discount": ROADS})
        clock = time.process_time()
        outcomes = [solve(town, wishes) for town in towns]
        spent = time.process_time() - clock
        homes, compact, cut, road = [], [], 0.0, 0.0
        for town, outcome in zip(towns, outcomes, strict=True):
            total = energy.sums(town.network(town.bonds(), 1.0, 0.0), outcome.label, outcome.cells)
            homes.append(np.delete(total[:, 0], list(outcome.reasons)))
            compact.append(4 * np.pi * total[:, 2] / total[:, 3] ** 2)
            border = outcome.label[town.i] != outcome.label[town.j]
            cut += float(town.length[border].sum())
            road += float(town.road[border].sum())
        households = np.concatenate(homes)
        rows.append(
            {
                "case": name,
                "balance": step,
                "CV": f"{households.std() / households.mean():.3f}",
                "within 12 %": f"{np.mean(abs(households - 450) <= 54):.0%}",
                "compactness": f"{np.concatenate(compact).mean():.3f}",
                "on streets": f"{road / cut:.0%}" if road else "",
                "border, km": f"{cut / 1000:,.0f}",
                "CPU s": f"{spent:.1f}",
            }
        )
    return rows


def picture(rows: list[dict[str, object]], path: Path) -> None:
    """Draw compactness over evenness, a line a case, the default marked."""
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    for name in dict.fromkeys(str(row["case"]) for row in rows):
        mine = [row for row in rows if row["case"] == name]
        x = [float(str(row["CV"])) for row in mine]
        y = [float(str(row["compactness"])) for row in mine]
        (line,) = axis.plot(x, y, marker=".", label=name)
        at = [row["balance"] for row in mine].index(BALANCE)
        axis.plot(x[at], y[at], "o", color=line.get_color(), ms=9)
    axis.invert_xaxis()
    axis.set_xlabel("spread of households (coefficient of variation), more even to the right")
    axis.set_ylabel("mean compactness")
    axis.legend(title="large dot: the default")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print the table and draw the picture."""
    warm()
    rows = front("made-up town", city(True)[0])
    rows += front("made-up city", city(False)[0])
    for by in ("villages", "areas"):
        units = taipei(by)
        if units is not None:
            rows += front(f"Taipei by {by}", units)
    if (SHARED / "cambridge_parcels.parquet").is_file():
        places = cambridge(SHARED, "neighborhoods")
        units = blocks(SHARED, places, code="code", levels=["neighborhood"])
        rows += front("Cambridge by neighborhoods", units)
    print(table(rows))
    picture(rows, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
