"""Measure what it costs to start: imports and `--help`, in whole processes beside their peers.

Each round runs every command once, one after the other, and the figures are medians over the
rounds of the CPU seconds of the whole process, so that a busy machine slows all alike.

    python scripts/bench/startup.py [--quick] [-o FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = "import gridmap as gm; [getattr(gm, name) for name in gm.__all__]"
COMMANDS = {
    "`python -c pass`": ["-c", "pass"],
    "`import geopandas`": ["-c", "import geopandas"],
    "`import gridmap`": ["-c", "import gridmap"],
    "`import gridmap`, every public name used": ["-c", EVERYTHING],
    "`import click`": ["-c", "import click"],
    "`gridmap --help`": ["-m", "gridmap", "--help"],
    "`gridmap partition --help`": ["-m", "gridmap", "partition", "--help"],
}
AGAINST = {
    "`import gridmap`": "`import geopandas`",
    "`import gridmap`, every public name used": "`import geopandas`",
    "`gridmap --help`": "`import click`",
    "`gridmap partition --help`": "`import click`",
}


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three rounds in place of 15")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    rounds = 3 if options.quick else 15
    for arguments in COMMANDS.values():
        cpu(arguments)  # the first run writes byte code
    spent = {what: [] for what in COMMANDS}
    for _ in range(rounds):
        for what, arguments in COMMANDS.items():
            spent[what].append(cpu(arguments))
    text = table({what: median(seconds) for what, seconds in spent.items()}, rounds)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


def cpu(arguments: list[str]) -> float:
    """Return the CPU seconds of one Python process, its start and end included."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(spent: dict[str, float], rounds: int) -> str:
    """Write the medians beside their peers."""
    lines = [
        f"Whole processes, medians of {rounds} rounds.",
        "",
        "| what | CPU s | peer | of the peer | beyond the peer |",
        "| --- | ---: | --- | ---: | ---: |",
    ]
    for what, seconds in spent.items():
        row = f"| {what} | {seconds:.3f} |"
        if peer := AGAINST.get(what):
            row += f" {peer} | {seconds / spent[peer]:.2f}× | {seconds - spent[peer]:+.3f} s |"
        else:
            row += " | | |"
        lines.append(row)
    return "\n".join(lines)


if __name__ == "__main__":
    main()
