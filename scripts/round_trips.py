"""Draw cells of a grid over as a desktop GIS does, at random, and bring each drawing home.

    python scripts/round_trips.py GRID.gpkg [--count 200] [--seed 0]

Splits at any angle, merges and borders reshaped with slivers, one to four at once, in nine dresses
(MultiPolygon, other CRS, Z, extra columns, no code ...). Ends with 1 when one is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gridmap.errors import CoverageError, InputError
from gridmap.grid.redrawn import come_home
from gridmap.io.gridfile import read_grid
from tests.redrawing import drawn_over, promises


def main() -> int:
    """Print how many drawings came home, were refused, or came home wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("grid")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    old = read_grid(given.grid)
    found: Counter[str] = Counter()
    for number in range(given.count):
        edits, dress, drawn = drawn_over(old, np.random.default_rng([given.seed, number]))
        try:
            promises(old, come_home(drawn, old).grid)
            outcome, why = "home", ""
        except (InputError, CoverageError) as error:
            outcome, why = "refused", str(error)
        except Exception as error:
            outcome, why = "wrong", f"{type(error).__name__}: {error}"
        found[outcome] += 1
        if why:
            print(f"{number} ({', '.join(edits)}; {dress}): {outcome}: {why}", file=sys.stderr)
    print(", ".join(f"{number} {outcome}" for outcome, number in sorted(found.items())))
    return 1 if found["wrong"] or not found["home"] else 0


if __name__ == "__main__":
    sys.exit(main())
