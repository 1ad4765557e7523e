"""Repair plans that were damaged at random, and hold each against the law of repair.

    python scripts/random_repairs.py [--count 20000] [--workers 2] [--minutes M]

Four in five are plans with sides at any angle, half of them in degrees, judged by areas; the fifth
lies on a lattice, judged by rational arithmetic. Ends with 1 when one repair is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import gridmap
from gridmap.errors import CoverageError
from tests import repairs

LATTICE = 5
"""Each fifth case lies on a lattice."""


def tried(seed: int) -> tuple[str, str]:
    """Return `right`, `refused` or `wrong` of one case, and what it was."""
    squares, inside = None, None
    if seed % LATTICE == 0:
        case, squares, inside = repairs.lattice_case(seed)
    else:
        case = repairs.random_case(seed)
    try:
        mended, _ = gridmap.repair(case.cells, case.boundary)
    except CoverageError as error:
        return "refused", f"{', '.join(case.harms)}: {error}"
    except Exception as error:
        return "wrong", f"{', '.join(case.harms)}: {type(error).__name__}: {error}"
    if squares is None or inside is None:
        reason = repairs.judged(case, mended)
    else:
        reason = repairs.judged_exactly(squares, inside, mended)
    return ("wrong", f"{', '.join(case.harms)}: {reason}") if reason else ("right", "")


def main() -> int:
    """Print how many repairs were right, refused and wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after these")
    given = parser.parse_args()
    seeds = range(given.start, given.start + given.count)
    found = []
    end = time.monotonic() + 60 * given.minutes
    with ProcessPoolExecutor(given.workers) as pool:
        for seed, outcome in zip(seeds, pool.map(tried, seeds, chunksize=10), strict=True):
            found.append((seed, outcome))
            if time.monotonic() > end:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    counts = Counter(verdict for _, (verdict, _) in found)
    print(f"{len(found):,} repairs: {counts['right']:,} right, {counts['wrong']:,} wrong, "
          f"{counts['refused']:,} refused ({counts['refused'] / len(found):.2%})")  # fmt: skip
    for seed, (verdict, why) in found:
        if verdict != "right":
            print(f"  {seed} {verdict}: {why}")
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
