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
    return CliRunner().invoke(main, ["map", str(folder / "grid.gpkg"), "-o", str(out), *options])


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
