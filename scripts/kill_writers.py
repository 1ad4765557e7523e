"""Kill every command that writes, at random moments: the old file or the new one, never half.

Each command runs in a fork of one warm process, writes over an old file, and is killed (SIGKILL),
ended (SIGTERM, SIGINT), starved of room (a limit on the size of files, a small disk where one can
be mounted) or shut out of its folder. Afterwards the file must be the old one or the new one to
the byte, the exit code as documented, and, where code could run, nothing may be left beside it
but what `partition --by` goes on with. Of several outputs all are the old ones or all the new.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import pkgutil
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import geopandas as gpd

import gridmap as package
from gridmap.cli import main as gridmap

WAYS = ("kill", "term", "int", "size", "disk", "closed")
_SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
_CODES = {"kill": {-9, 0, 1}, "term": {130, 0, 1}, "int": {130, 0, 1}}
_TOO_EARLY = -signal.SIGTERM  # before the command has begun, as when an interpreter starts
_SMALL, _LARGE = 1 << 14, 1 << 26  # bytes of disks that are mounted
_ROOM = 3_000  # bytes of a file where room is short
_WORK = ".gridmap-districts/"
_ALONE = ("districts", "weeks")  # folders, which hold nothing when a command begins


def main() -> int:
    """Kill as often as asked, and print what was found; end with 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = harness(Path(name), options.kills, options.seed)
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(found.items())))
    return int(any(kind.startswith("BAD") for kind in found))


def harness(folder: Path, kills: int, seed: int) -> Counter[str]:
    """Kill writers in a folder, and count what was found; what is wrong begins with BAD."""
    dice = random.Random(seed)
    _warm()
    city = folder / "city"
    _run(["example", str(city), "--size", "tiny"])
    _run(["partition", f"{city}/jurisdictions.gpkg", "--households", f"{city}/buildings.gpkg",
          "-o", f"{city}/grid.gpkg"])  # fmt: skip
    jobs = commands(city)
    fresh = folder / "fresh"
    fresh.mkdir()
    whole, took = {}, {}
    for name, command in jobs.items():
        start = time.monotonic()
        (fresh / name).mkdir()
        _run([*command, "-o", str(fresh / name / name)], fresh / name)
        took[name] = time.monotonic() - start
        whole[name] = _content(fresh / name)
    found: Counter[str] = Counter()
    print(f"{len(jobs)} commands are ready", file=sys.stderr, flush=True)
    for number in range(kills):
        way = WAYS[number % len(WAYS)]
        name = dice.choice(sorted(jobs))
        out = folder / f"run-{number}"
        with _place(out, way) as ready:
            if not ready:
                way = "kill"
            verdict = _once(jobs[name], out / name, way, dice.random() * took[name], whole[name])
        found[f"{way}: {verdict}" if not verdict.startswith("BAD") else verdict] += 1
        if verdict.startswith("BAD"):
            print(name, way, verdict, file=sys.stderr)
    return found


def _content(folder: Path) -> dict[str, bytes]:
    """Return every file in a folder, but not what `partition --by` goes on with."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(_WORK)}


def _warm() -> None:
    """Import once what every fork would import."""
    for module in pkgutil.walk_packages(package.__path__, "gridmap."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("openpyxl", "fiona", "folium", "jinja2", "scipy.stats", "pyarrow.csv"):
        importlib.import_module(name)


def commands(city: Path) -> dict[str, list[str]]:
    """Return the commands that write, by the name of what they write."""
    grid, incidents = f"{city}/grid.gpkg", f"{city}/incidents.csv"
    assign = ["assign", grid, incidents]
    spots = ["hotspots", grid, incidents]
    repair = ["repair", _broken(city), "--boundary", f"{grid}:boundary", "--code", "code"]
    cut = ["partition", f"{city}/jurisdictions.gpkg", "--households", f"{city}/buildings.gpkg"]
    return {
        "cut.gpkg": [*cut, "--edit", "edit.html", "--micro", "micro.gpkg"],
        "districts": [*cut, "--by", "street", "--workers", "1"],
        "mended.shp": [*repair, "--log", "log.csv"],
        "mended.gpkg": [*repair, "--log", "log.csv", "--map", "mended.html"],
        "atlas.pdf": ["atlas", grid], "grid.shp": ["export", grid],
        "weeks": ["weekly", "--grid", grid, "--incidents", incidents, "--day", "2026-05-06"],
        "placed.csv": assign, "placed.xlsx": assign, "placed.parquet": assign,
        "placed.gpkg": assign, "spots.xlsx": spots, "spots.csv": spots, "spots.gpkg": spots,
        "spots.geojson": spots, "map.html": ["map", grid], "briefing.html": ["briefing", grid,
                                                                             incidents],
        "grid.xlsx": ["export", grid], "grid.csv": ["export", grid],
        "shared.csv": ["share", incidents, "--column", "问题大类"],
        "account.xlsx": ["account", grid, f"{city}/buildings.gpkg"],
        "staff.csv": ["staff", grid, f"{city}/staff.xlsx"],
        "rates.xlsx": ["indicators", grid, incidents],
    }  # fmt: skip


def _broken(city: Path) -> str:
    """Write the cells of the grid, some of them pushed aside."""
    cells = gpd.read_file(city / "grid.gpkg", layer="cells")
    cells.loc[::9, "geometry"] = cells.geometry[::9].translate(3.0, 1.0)
    cells.to_file(city / "broken.gpkg")
    return f"{city}/broken.gpkg"


@contextlib.contextmanager
def _place(out: Path, way: str) -> Iterator[bool]:
    """Make the folder to write into; tell whether it is what the way needs."""
    out.mkdir()
    sizes = {"disk": _SMALL, "closed": _LARGE} if os.getuid() == 0 else {"disk": _SMALL}
    if way not in sizes:
        yield True
        shutil.rmtree(out, ignore_errors=True)
        return
    mount = ["mount", "-t", "tmpfs", "-o", f"size={sizes[way]}", "tmpfs", str(out)]
    ready = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield ready
    finally:
        if ready:
            subprocess.run(["umount", str(out)], check=True)


def _shut(folder: Path, *, shut: bool) -> None:
    """Let nobody write into a folder, or anybody again; only a mount keeps root out."""
    if os.getuid() == 0:
        mode = "ro" if shut else "rw"
        subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)
    else:
        folder.chmod(0o500 if shut else 0o700)


def _once(command: list[str], target: Path, way: str, delay: float, whole: dict[str, bytes]) -> str:
    """Run a command over old files and disturb it; return what was found."""
    old = {name: content[: len(content) // 2] for name, content in whole.items()
           if not name.endswith(".gpkg") and target.name not in _ALONE}  # fmt: skip
    if way == "disk" and sum(map(len, old.values())) > _SMALL // 2:
        old = {}
    for name, content in old.items():
        (target.parent / name).write_bytes(content)
    if way == "closed":
        _shut(target.parent, shut=True)
    said = target.parent.with_suffix(".said")
    over = [] if command[0] == "weekly" else ["--overwrite"]
    words = [*command, "-o", str(target), *over, "--quiet"]
    child = _start(words, way, said, target.parent)
    if way in _SIGNALS:
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, _SIGNALS[way])
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if way == "closed":
        _shut(target.parent, shut=False)
    now = _content(target.parent)
    known = {name: content for name, content in now.items() if name in whole}
    if known not in (old, whole):
        return "BAD: half a file"
    early = code == _TOO_EARLY and way == "term" and known == old
    if code not in _CODES.get(way, {2, 0, 1}) and not early:
        print(said.read_text(), file=sys.stderr)
        return f"BAD: exit code {code}"
    left = sorted(now.keys() - whole.keys())
    if left and way != "kill":
        return f"BAD: left {left[0]}"
    return "new" if known == whole else "old"


def _start(
    arguments: list[str], way: str, said: str | Path = os.devnull, folder: Path | None = None
) -> int:
    """Run a command in a fork, in a folder, its stderr into a file; return its process."""
    child = os.fork()
    if child:
        return child
    os.chdir(folder or ".")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell ignores it
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(null, stream)
    os.dup2(os.open(said, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    if way == "size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, _ROOM))
    code = 70
    try:
        gridmap(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def _run(arguments: list[str], folder: Path | None = None) -> None:
    child = _start([*arguments, "--quiet"], "", folder=folder)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, 1):
        raise SystemExit(f"{arguments} ends with {code}")


if __name__ == "__main__":
    sys.exit(main())
