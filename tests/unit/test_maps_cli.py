"""The map command with a picture under the cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import gridmap as gm
from gridmap.cli import main
from gridmap.io import write_grid


@pytest.fixture(scope="module")
def folder(grid: gm.Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a grid and a picture."""
    from PIL import Image

    made = tmp_path_factory.mktemp("basemap")
    write_grid(grid, made / "grid.gpkg")
    Image.new("RGB", (40, 40), (20, 60, 200)).save(made / "ground.jpg")
    return made


def run(folder: Path, out: Path, *options: str) -> Result:
    command = ["--lang", "en", "map", str(folder / "grid.gpkg"), "-o", str(out), *options]
    return CliRunner().invoke(main, command)


def test_an_image_is_put_into_the_page(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.html"
    picture = str(folder / "ground.jpg")
    done = run(folder, out, "--basemap", picture, "--basemap-bounds", "113.5,30.5,113.7,30.7")
    assert done.exit_code == 0, done.output
    assert "data:image/jpeg;base64," in out.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--basemap", "https://tile.example.org/{z}/{x}/{y}.png"], "basemap=FILE"),
        (["--basemap", "none.png", "--basemap-bounds", "1,2,3"], "Give four numbers"),
        (["--basemap", "none.png", "--basemap-bounds", "113.5,30.5,113.7,30.7"], "cannot be read"),
    ],
)
def test_what_cannot_be_put_into_the_page_is_refused(
    folder: Path, tmp_path: Path, options: list[str], complaint: str
) -> None:
    done = run(folder, tmp_path / "map.html", *options)
    assert done.exit_code == 2
    assert complaint in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_figure_takes_no_basemap(folder: Path, tmp_path: Path) -> None:
    done = run(folder, tmp_path / "map.png", "--basemap", str(folder / "ground.jpg"))
    assert done.exit_code == 2 and "--basemap is for pages" in done.output


def test_a_moved_picture_moves_the_cells_and_says_so(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.html"
    picture = ["--basemap", str(folder / "ground.jpg"), "--basemap-bounds", "113.5,30.5,113.7,30.7"]
    done = run(folder, out, *picture, "--basemap-datum", "gcj02")
    assert done.exit_code == 0, done.output
    assert "cells moved to the GCJ-02 basemap" in out.read_text("utf-8")


def test_what_moved_is_shown_over_a_picture(folder: Path, tmp_path: Path) -> None:
    grid, out = str(folder / "grid.gpkg"), tmp_path / "moved.html"
    picture = ["--basemap", str(folder / "ground.jpg"), "--basemap-bounds", "113.5,30.5,113.7,30.7"]
    bare = CliRunner().invoke(main, ["--lang", "en", "compare", grid, grid, *picture])
    assert bare.exit_code == 2 and "--basemap is for the page" in bare.output
    done = CliRunner().invoke(main, ["compare", grid, grid, "--map", str(out), *picture])
    assert done.exit_code == 0, done.output
    assert "data:image/jpeg;base64," in out.read_text("utf-8")


@pytest.mark.parametrize("name", ["map.zzz", "map", "map.html.bak"])
def test_a_page_is_not_written_under_another_ending(
    folder: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    done = run(folder, out)
    assert done.exit_code == 2 and "Name it .html" in done.output
    missing = str(tmp_path / "none.csv")  # told before anything is read
    command = ["--lang", "en", "briefing", str(folder / "grid.gpkg"), missing, "-o", str(out)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2 and "Name it .html" in done.output
    assert list(tmp_path.iterdir()) == []
