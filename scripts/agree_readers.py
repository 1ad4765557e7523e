"""Read every file of the corpus by every command: each tells the same of it, and the truth.

Where a file is refused, the cure that is printed is followed until it is read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from tests.agreement import cases, disagreements, wuhan


def main() -> int:
    """Compare, and print what differs; end with 1 when anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=1, help="Only every so many of the files.")
    each = parser.parse_args().each
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid, read, bad = wuhan(folder), 0, 0
        for number, case in enumerate(cases(folder)):
            if number % each:
                continue
            read += 1
            for wrong in disagreements(case, grid, folder):
                bad += 1
                print(f"{case.path.relative_to(folder)}: {wrong}", flush=True)
    print(f"{read} files by five commands and the Python face: {bad} disagreements")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
