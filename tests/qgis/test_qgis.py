"""The QGIS plugin, installed from its zip and driven by qgis_process without a display."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import geopandas as gpd
import pytest
from shapely.affinity import translate

from gridmap.io import read_grid, write_grid

ROOT = Path(__file__).resolve().parent.parent.parent
TINY = ROOT / "data/tiny"
PROCESS = shutil.which("qgis_process.bin") or "qgis_process"  # Debian's wrapper adds a bad option
LEVELS = ("district", "street", "community")
pytestmark = pytest.mark.qgis


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Return a folder with the plugin installed, and the environment of a user's desk."""
    folder = tmp_path_factory.mktemp("qgis")
    archive = folder / "plugin.zip"
    package = [sys.executable, str(ROOT / "scripts/qgis/package.py"), str(archive)]
    subprocess.run(package, check=True)
    first = archive.read_bytes()
    subprocess.run(package, check=True)
    assert archive.read_bytes() == first
    zipfile.ZipFile(archive).extractall(folder / "plugins")
    command = folder / "gridmap"
    line = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m gridmap"
    command.write_text(f'#!/bin/sh\n{line} "$@"\n')
    command.chmod(0o755)
    (folder / "home").mkdir(mode=0o700)
    return folder, {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": str(folder / "home"),
        "QT_QPA_PLATFORM": "offscreen",
        "QGIS_PLUGINPATH": str(folder / "plugins"),
        "GRIDMAP_COMMAND": str(command),
        "GRIDMAP_LANG": "en",
        "PYTHONPATH": "",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture(scope="module")
def ask(desk):
    """Return a function that runs an algorithm and returns its outputs and what it said."""
    folder, environment = desk
    enable = [PROCESS, "plugins", "enable", "gridmap_processing"]
    subprocess.run(enable, env=environment, check=True, capture_output=True)

    def run(name: str, **parameters: object) -> tuple[dict[str, str], str]:
        line = [PROCESS, "run", f"gridmap:{name}", *(f"--{k}={v}" for k, v in parameters.items())]
        done = subprocess.run(
            line, env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        rows = done.stdout.partition("Results\n----------------")[2].splitlines()
        return dict(row.split(":\t", 1) for row in rows if ":\t" in row), said

    return run


def _command_line(*arguments: object) -> tuple[int, dict]:
    line = [sys.executable, "-m", "gridmap", *map(str, arguments), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GRIDMAP_LANG": "en"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def grid_file(grid, desk):
    """Return the grid of the tiny town as a file."""
    path = desk[0] / "grid.gpkg"
    write_grid(grid, path)
    return path


@pytest.fixture(scope="module")
def broken(grid, desk):
    """Return cells of which one was shifted and one is missing, and what they should fill."""
    frame = grid.cells.reset_index()
    frame.loc[10, "geometry"] = translate(frame.geometry[10], 30, 10)
    frame.drop(index=20).to_file(desk[0] / "broken.gpkg")
    boundary = desk[0] / "boundary.gpkg"
    gpd.GeoDataFrame(geometry=[grid.boundary], crs=grid.crs).to_file(boundary)
    return desk[0] / "broken.gpkg", boundary


def test_partition_makes_the_grid_of_the_command_line(ask, desk):
    ours, theirs = desk[0] / "ours.gpkg", desk[0] / "theirs.gpkg"
    layers = {"households": TINY / "buildings.gpkg", "barriers": TINY / "barriers.gpkg"}
    outputs, said = ask(
        "partition",
        JURISDICTIONS=TINY / "jurisdictions.gpkg",
        HOUSEHOLDS=layers["households"],
        BARRIERS=layers["barriers"],
        LEVELS=";".join(LEVELS),
        CODE="code",
        SEED=3,
        OPTIONS="--quality fast",
        GRID=theirs,
    )
    line = ["partition", TINY / "jurisdictions.gpkg", "-o", ours, "--quality", "fast"]
    for name, path in layers.items():
        line += [f"--{name}", path]
    for level in LEVELS:
        line += ["--level", level]
    _, document = _command_line(*line, "--code", "code", "--seed", 3)
    assert theirs.exists(), said
    assert ours.read_bytes() == theirs.read_bytes()
    assert outputs["CELLS"] == str(document["cells"]) == str(len(read_grid(theirs)))


def test_validate_proves_a_grid_file(ask, desk, grid, grid_file):
    outputs, said = ask(
        "validate", CELLS=f"{grid_file}|layername=cells", DEFECTS=desk[0] / "none.gpkg"
    )
    assert outputs["VERDICT"] == "exact", said
    assert outputs["EXIT_CODE"] == outputs["FINDINGS"] == "0"
    assert outputs["SENTENCE"].startswith(f"no gaps, no overlaps: {len(grid)} cells")


def test_validate_finds_what_the_command_line_finds(ask, desk, broken):
    cells, boundary = broken
    defects = desk[0] / "defects.gpkg"
    outputs, said = ask("validate", CELLS=cells, BOUNDARY=boundary, CODE="code", DEFECTS=defects)
    code, document = _command_line("validate", cells, "--boundary", boundary, "--code", "code")
    assert code == 1
    assert outputs["EXIT_CODE"] == "1", said
    assert outputs["FINDINGS"] == str(document["findings"])
    found = gpd.read_file(defects)
    assert sorted(found["id"]) == sorted(one["id"] for one in document["defects"])


def test_repair_mends_what_validate_found(ask, desk, broken):
    cells, boundary = broken
    mended = desk[0] / "mended.gpkg"
    outputs, said = ask("repair", CELLS=cells, BOUNDARY=boundary, CODE="code", REPAIRED=mended)
    assert outputs["REPAIRED"] == str(mended), said
    code, _ = _command_line("validate", mended, "--boundary", boundary)
    assert code == 0


def test_assign_and_hotspots_agree_with_the_command_line(ask, desk, grid_file):
    incidents = TINY / "incidents.csv"
    grid = f"{grid_file}|layername=cells"
    assigned, hot = desk[0] / "assigned.gpkg", desk[0] / "hot.gpkg"
    outputs, said = ask("assign", GRID=grid, INCIDENTS=incidents, ASSIGNED=assigned)
    _, document = _command_line("assign", grid_file, incidents, "-o", desk[0] / "a.gpkg")
    assert f"{document['read']} read = {document['inside']} inside" in outputs["SENTENCE"], said
    ask("hotspots", GRID=grid, INCIDENTS=incidents, HOTSPOTS=hot)
    _command_line("hotspots", grid_file, incidents, "-o", desk[0] / "h.gpkg")
    for theirs, ours in ((assigned, "a.gpkg"), (hot, "h.gpkg")):
        left, right = gpd.read_file(theirs), gpd.read_file(desk[0] / ours)
        assert left.drop(columns="geometry").equals(right.drop(columns="geometry"))


def test_apply_makes_the_grid_of_the_command_line(ask, desk, grid, grid_file):
    folder = desk[0]
    homes = grid.cells["kind"] == "residential"
    a, b = next(
        (a, b)
        for a, b in grid.contiguity.edges
        if homes[a] and homes[b] and grid.cells["parent"][a] == grid.cells["parent"][b]
    )
    changes = folder / "changes.json"
    keeps = max(a, b, key=lambda code: grid.cells["households"][code])
    merge = ["--merge", f"{a},{b}", "--approve", f"{keeps}=for the test"]
    code, document = _command_line(
        "apply", grid_file, *merge, "--save", changes, "-o", folder / "by_options.gpkg"
    )
    assert changes.exists(), document
    theirs, ours = folder / "applied.gpkg", folder / "applied_here.gpkg"
    outputs, said = ask(
        "apply", GRID=f"{grid_file}|layername=cells", CHANGES=changes, NEW=theirs
    )  # fmt: skip
    again, _ = _command_line("apply", grid_file, changes, "-o", ours)
    assert outputs["EXIT_CODE"] == str(again) == str(code), said
    assert outputs["NEW"] == str(theirs)
    assert theirs.read_bytes() == ours.read_bytes()
    assert len(read_grid(theirs)) == len(grid) - 1


def test_changes_of_another_grid_are_refused_and_nothing_written(ask, desk, grid_file):
    changes, target = desk[0] / "foreign.json", desk[0] / "never_applied.gpkg"
    changes.write_text('{"schema": "gridmap.changes/1", "grid": "0", "changes": []}')
    outputs, said = ask(
        "apply", GRID=f"{grid_file}|layername=cells", CHANGES=changes, NEW=target
    )  # fmt: skip
    _, document = _command_line("apply", grid_file, changes, "-o", target)
    assert not outputs and not target.exists()
    assert document["error"] in said.replace("\n", " "), said


def test_cancelling_ends_the_command_and_leaves_nothing(ask, desk):
    """Interrupt qgis_process, which cancels the algorithm, while the command is at work."""
    folder, environment = desk
    inner = shlex.quote(environment["GRIDMAP_COMMAND"])
    wrapper, started = folder / "slow", folder / "started"
    # the shell gives its place to the command, so the number written is the command's own
    wrapper.write_text(f'#!/bin/sh\necho $$ > {shlex.quote(str(started))}\nexec {inner} "$@"\n')
    wrapper.chmod(0o755)
    target = folder / "out" / "cancelled.gpkg"
    target.parent.mkdir()
    town = folder / "town"
    subprocess.run([environment["GRIDMAP_COMMAND"], "example", str(town)], check=True,
                   capture_output=True)  # fmt: skip
    process = subprocess.Popen(
        [PROCESS, "run", "gridmap:partition", f"--JURISDICTIONS={town}/jurisdictions.gpkg",
         f"--HOUSEHOLDS={town}/buildings.gpkg", f"--BARRIERS={town}/barriers.gpkg",
         f"--GRID={target}"],
        env={**environment, "GRIDMAP_COMMAND": str(wrapper)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    limit = time.monotonic() + 120
    while not (started.exists() and started.read_text().strip()) and time.monotonic() < limit:
        time.sleep(0.05)
    worker = int(started.read_text())
    assert process.poll() is None and _alive(worker)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=240)
    assert "nothing was written" in said, said
    assert process.returncode != 0
    assert not _alive(worker)
    assert not list(target.parent.iterdir())


def _alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_an_error_is_told_and_nothing_written(ask, desk, broken):
    target = desk[0] / "never.gpkg"
    outputs, said = ask("assign", GRID=broken[0], INCIDENTS=TINY / "incidents.csv", ASSIGNED=target)
    assert not outputs
    assert not target.exists()
    assert "grid file" in said


def test_without_the_command_the_cure_is_told(desk, ask, grid_file):
    folder, environment = desk
    line = [PROCESS, "run", "gridmap:validate", f"--CELLS={grid_file}|layername=cells"]
    done = subprocess.run(
        [*line, f"--DEFECTS={folder}/x.gpkg"],
        env={**environment, "GRIDMAP_COMMAND": "/nowhere/gridmap", "GRIDMAP_LANG": "zh"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "找不到命令 /nowhere/gridmap" in done.stdout + done.stderr


def test_results_are_styled(desk, grid, grid_file, broken):
    folder, environment = desk
    _command_line("validate", broken[0], "--boundary", broken[1], "--defects", folder / "d.gpkg")
    counted = {}
    for layer, style in ((f"{grid_file}|layername=cells", "cells"), (folder / "d.gpkg", "defects")):
        picture = folder / f"{style}.png"
        look = ["/usr/bin/python3", "-W", "ignore", str(ROOT / "scripts/qgis/look.py")]
        done = subprocess.run(
            [*look, str(layer), style, str(picture)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
        counted[style] = {label: int(count) for label, count in rows}
        assert picture.stat().st_size > 2_000
    assert sum(counted["cells"].values()) == len(grid)
    assert counted["cells"]["other"] == 0
    assert counted["defects"]["gap"] > 0
