"""Commands with several outputs: all of them appear, or none, whatever comes between."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gridmap.cli import COMMANDS, main
from gridmap.cli._shell import Output
from gridmap.io import atomic
from gridmap.io.gridfile import read_grid


def run(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words] + ["--lang", "en"])


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    assert run("example", folder, "--size", "tiny").exit_code == 0
    made = run("partition", folder / "jurisdictions.gpkg", "--households",
               folder / "buildings.gpkg", "-o", folder / "grid.gpkg")  # fmt: skip
    assert made.exit_code == 0, made.output
    return folder


JOBS = {
    "partition": "{city}/jurisdictions.gpkg --households {city}/buildings.gpkg -o {out}/a.gpkg "
    "--micro {out}/b.gpkg --report {out}/c.html --edit {out}/d.html",
    "apply": "{grid} --approve {code}=kept -o {out}/a.gpkg --save {out}/b.json --map {out}/c.html",
    "validate": "{grid} --defects {out}/a.gpkg --map {out}/b.html --junit {out}/c.xml "
    "--sarif {out}/d.sarif --code-quality {out}/e.json --badge {out}/f.json",
    "repair": "{city}/jurisdictions.gpkg --boundary outline -o {out}/a.shp --log {out}/b.csv "
    "--map {out}/c.html",
    "hotspots": "{grid} {city}/incidents.csv --by month -o {out}/a.xlsx --emerging {out}/b.csv",
    "compare": "{grid} {grid} -o {out}/a.xlsx --map {out}/b.html",
    "example": "{out} --size tiny",
}
"""Every command with several outputs, with all of them."""


def line(job: str, city: Path, out: Path) -> list[str]:
    grid = city / "grid.gpkg"
    code = read_grid(grid).cells.index[0]
    return [job, *(word.format(city=city, out=out, grid=grid, code=code)
                   for word in JOBS[job].split())]  # fmt: skip


def test_every_command_with_several_outputs_is_tried() -> None:
    several = set()
    for name in COMMANDS:
        command = main.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        written = [p for p in command.params if isinstance(p.type, Output)]
        if len(written) > 1:
            several.add(name)
    assert several | {"example"} == set(JOBS)


def stumbling(real: Callable[..., Any], at: int, how: BaseException) -> Callable[..., Any]:
    """Return a function that fails when it is called for a certain time."""
    calls = iter(range(1, 1000))

    def call(*args: Any) -> Any:
        if next(calls) == at:
            raise how
        return real(*args)

    return call


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["_flush", "_install"])
@pytest.mark.parametrize("job", JOBS)
def test_a_later_output_that_fails_takes_the_others_back(
    job: str, step: str, city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = line(job, city, tmp_path)
    real = getattr(atomic, step)

    def fails(at: int, how: BaseException, code: int, *more: str) -> None:
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        monkeypatch.setattr(atomic, step, stumbling(real, at, how))
        done = run(*words, *more)
        monkeypatch.setattr(atomic, step, real)
        assert done.exit_code == code, done.output
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    fails(2, FULL, 2)
    assert run(*words).exit_code == 0
    files = list(tmp_path.iterdir())
    for path in tmp_path.glob("*.[hcjx]*"):
        path.write_bytes(b"old")
    fails(len(files), KeyboardInterrupt(), 130, "--overwrite")


def test_streams_and_files_of_one_batch_come_together(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def write() -> None:
        with atomic.together():
            for path in ("-", tmp_path / "a.csv"):
                with atomic.replacing(path) as part:
                    part.write_text("1\n")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert capfd.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_a_part_of_a_shapefile_that_is_there_is_kept(city: Path, tmp_path: Path) -> None:
    (tmp_path / "a.dbf").write_text("a table of somebody")
    words = ["repair", city / "jurisdictions.gpkg", "--boundary", "outline"]
    done = run(*words, "-o", tmp_path / "a.shp")
    assert done.exit_code == 2
    assert "a.dbf` exists already" in done.output
    assert [p.name for p in tmp_path.iterdir()] == ["a.dbf"]
    assert (tmp_path / "a.dbf").read_text() == "a table of somebody"
