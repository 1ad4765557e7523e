"""Measure the partition against its peers: same units, same run, CPU time, ratios.

    python scripts/bench/partition.py --quick
    python scripts/bench/partition.py -o partition.md

The generated city and, where GRIDMAP_SHARED has it, real Taipei by villages, statistical areas and
districts. Peers are those of the dependency group `bench`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

HERE = sys.path.pop(0)  # numba looks for a module `coverage`, and must not find the one here
import numba  # noqa: F401

sys.path.append(HERE)
from partition_cases import news
from partition_compare import peers, small
from partition_laws import certificates, least, wanted
from partition_plan import large, stability, stages

from gridmap.partitioning.parallel import warm

PARTS: dict[str, Callable[[bool], str]] = {
    "large": large,  # first: what it reports is the peak of the process so far
    "stages": stages,
    "peers": peers,
    "small": small,
    "certificates": certificates,
    "optimum": least,
    "wanted": wanted,
    "stability": stability,
}
PREFACE = """All at full size, each table in one run. METIS with contiguity, `ufactor` 300 and the
best of ten cuts. *Valid* is every cell connected and in 300–600. Components with a single cell or a
unit over 600 are left out for all. *Optimum* holds small parts against the least cost of all
divisions, *Wanted* asks for every number of cells that arithmetic allows, in every sixth village of
Taipei. `balance` is at its default where a row says nothing else; *CV* is the spread of households.
"""


def main() -> None:
    """Print every table, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", default="", help=f"of {', '.join(PARTS)}; separated by commas")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    warm()
    text = [PREFACE]
    for name in options.only.split(",") if options.only else PARTS:
        news(f"{name} ...")
        text.append(f"### {name.capitalize()}\n\n{PARTS[name](options.quick)}\n")
        print(text[-1], flush=True)
    if options.output:
        options.output.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
