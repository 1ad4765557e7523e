"""Read thousands of damaged files with every reader: each is refused in one line, or read whole.

Each format of the corpus is damaged over and over, in a process of its own, and read whole,
looked into and streamed. Counted are errors that are no refusal, reads of more than 30 seconds,
files that readers disagree about, processes that died, and the peak of memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from gridmap.errors import GridmapError
from gridmap.io import read_table
from gridmap.io.inputs import read_incidents
from gridmap.io.inspect import look
from gridmap.io.open_incidents import open_incidents
from tests.corpus import CORRUPTIONS, FORMATS

SECONDS = 30
PARTS = (".shp", ".dbf", ".shx", ".tab", ".dat", ".map", ".id", ".mif", ".mid", ".gml", ".xsd")


class Hang(Exception):
    """A read took too long."""


def main() -> int:
    """Run the fuzz and print what came of it; end with 1 when anything did that should not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="How many damaged files.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rounds = -(-options.files // (len(FORMATS) * len(CORRUPTIONS)))
    total: Counter[str] = Counter()
    for name in FORMATS:
        found: Any = multiprocessing.get_context("spawn").SimpleQueue()
        process = multiprocessing.get_context("spawn").Process(
            target=_fuzz, args=(name, rounds, options.seed, found)
        )
        process.start()
        counts = Counter({"died": 1}) if not _finished(process, found) else found.get()
        total += counts
        print(f"{name}: {dict(counts)}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"all: {dict(total)}, peak of memory {peak:,.0f} MB")
    bad = sum(total[kind] for kind in ("error", "hang", "disagree", "died"))
    return int(bad > 0 or peak > 1024)


def _finished(process: Any, found: Any) -> bool:
    while process.is_alive() and found.empty():
        process.join(0.2)
    return not found.empty()


def _fuzz(name: str, rounds: int, seed: int, found: Any) -> None:
    """Damage and read one format, and report the counts."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _hang)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        good, bad = Path(folder, "good"), Path(folder, "bad")
        good.mkdir()
        FORMATS[name](good / name)
        for number, corrupt in enumerate(CORRUPTIONS):
            dice = np.random.default_rng([seed, number, *name.encode()])
            for _ in range(rounds):
                shutil.rmtree(bad, ignore_errors=True)
                shutil.copytree(good, bad)
                parts = [p for p in sorted(bad.iterdir()) if p.name == name or p.suffix in PARTS]
                part = parts[int(dice.integers(len(parts)))]
                part.write_bytes(corrupt(part.read_bytes(), dice))
                counts["files"] += 1
                _read(bad / name, counts)
    found.put(counts)


def _hang(*_: Any) -> None:
    raise Hang


def _read(path: Path, counts: Counter[str]) -> None:
    """Read a file every way, and hold the ways against each other."""
    whole = _attempt(lambda: len(read_incidents(path, need_places=False)[0]), counts)
    _attempt(lambda: read_table(path), counts)
    _attempt(lambda: look(path), counts)
    streamed = _attempt(lambda: _streamed(path), counts)
    if whole is not None and streamed is not None and whole != streamed:
        counts["disagree"] += 1
        kept = Path(tempfile.gettempdir(), f"gridmap-fuzz-{counts['disagree']}-{path.name}")
        shutil.copy(path, kept)
        print(f"whole {whole}, streamed {streamed}: {kept}", file=sys.stderr)


def _streamed(path: Path) -> int:
    return sum(batch.table.num_rows for batch in open_incidents(path).file.batches())


def _attempt(read: Callable[[], Any], counts: Counter[str]) -> Any:
    signal.alarm(SECONDS)
    try:
        result = read()
        counts["read"] += 1
        return result
    except GridmapError as error:
        counts["refused"] += 1
        if "\n" in str(error):
            counts["error"] += 1
    except Hang:
        counts["hang"] += 1
    except Exception:
        counts["error"] += 1
        print(traceback.format_exc(), file=sys.stderr)
    finally:
        signal.alarm(0)
    return None


if __name__ == "__main__":
    sys.exit(main())
