"""Count what the auditor's script and `gridmap validate` say of sound grid files and forged ones.

    python scripts/forge_grids.py [--share 1.0]

Ends with 1 when a single sound file is refused or a single forged one passes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import gridmap  # noqa: E402
from gridmap.cli import main as cli  # noqa: E402
from scripts import verify_grid  # noqa: E402
from tests import forgery  # noqa: E402

SEEDS = 32
"""Sound files of each family."""
BASES = 5
"""Sound files that each statement is tried on."""


T_JUNCTION = "a vertex on an unbroken side"
"""What `gridmap validate` tells as a note, and the script as a finding."""


def said(path: Path) -> tuple[int, int]:
    """Return the exit codes of the auditor's script and of `gridmap validate`."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        script = verify_grid.main([str(path)])
    return script, CliRunner().invoke(cli, ["validate", str(path)]).exit_code


def as_they_should(name: str, script: int, validated: int) -> bool:
    """Tell whether a forged file was refused by both."""
    refused = validated in (1, 2) or (name == T_JUNCTION and validated == 0)
    return refused and script == (2 if name.startswith("unreadable") else 1)


def sound(folder: Path, share: float) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the family and the exit codes of each sound file."""
    for name, make in forgery.SOUND.items():
        for seed in range(max(1, round(SEEDS * share))):
            path = folder / f"{name}{seed}.gpkg"
            gridmap.write_grid(make(seed), path)
            yield name, said(path)
            path.unlink()


def forged(folder: Path, share: float) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the kind and the exit codes of each forged file."""
    path = folder / "forged.gpkg"
    for name, parts in forgery.GEOMETRIES.items():
        yield name, said(forgery.written(path, **parts))
    for seed in range(max(1, round(BASES * share))):
        base = folder / f"base{seed}.gpkg"
        gridmap.write_grid(forgery.levelled(5 * seed), base)
        for name, statements in forgery.STATEMENTS.items():
            yield name, said(forgery.edited(base, path, *statements))
        for name, change in forgery.BLOBS.items():
            blob = change(forgery.blob_of(base))
            yield "unreadable: " + name, said(forgery.with_blob(base, path, blob))
        for name, statements in forgery.BYTES.items():
            yield "unreadable: " + name, said(forgery.edited(base, path, *statements))


def main() -> int:
    """Print how many files of each kind were judged how."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the full count")
    share = parser.parse_args().share
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        good = list(sound(Path(folder), share))
        bad = list(forged(Path(folder), share))
    wrong += [(name, codes) for name, codes in good if codes != (0, 0)]
    wrong += [(name, codes) for name, codes in bad if not as_they_should(name, *codes)]
    kinds = len({name for name, _ in bad})
    print(f"sound files: {len(good)}, of which proved {Counter(c for _, c in good)[0, 0]} by both")
    print(
        f"forged files: {len(bad)} of {kinds} kinds, exit codes {dict(Counter(c for _, c in bad))}"
    )
    for name, codes in wrong:
        print(f"  wrong: {name} ends with {codes}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
