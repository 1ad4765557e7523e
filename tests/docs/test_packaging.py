"""What is shipped: wheel and sdist build, install in a clean environment, and work."""

from __future__ import annotations

import gettext
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from gridmap._version import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
ASKED = os.environ.get("GRIDMAP_REQUIRE_ALL") == "1" or os.environ.get("GRIDMAP_FRESH") == "1"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the release, which must come out the same twice and pass twine and the like."""
    folder = tmp_path_factory.mktemp("dist")
    release = [sys.executable, str(ROOT / "scripts/release/build.py"), str(folder)]
    done = subprocess.run(release, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


needs_index = pytest.mark.skipif(
    not ASKED, reason="installs from the package index; set GRIDMAP_FRESH=1"
)


@needs_index
def test_the_wheel_holds_everything_the_package_needs(wheel):
    shipped = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "gridmap"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    needed = {re.sub(r"\.po$", ".mo", name) for name in tracked.stdout.split()}  # compiled
    assert not needed - shipped
    for name in shipped:
        if name.endswith(".mo"):  # which tell a time, that of the build when nothing else is said
            with zipfile.ZipFile(wheel).open(name) as compiled:
                told = gettext.GNUTranslations(compiled).info()
            assert told["pot-creation-date"].startswith("2020-01-01"), name
    assert any("licenses/LICENSE" in name for name in shipped)
    assert any("licenses/" in name and name.endswith("leaflet.txt") for name in shipped)


@needs_index
def test_the_sums_are_those_of_the_files(wheel):
    rows = (wheel.parent / "SHA256SUMS").read_text().splitlines()
    assert len(rows) == 3
    for row in rows:
        digest, name = row.split()
        assert hashlib.sha256((wheel.parent / name).read_bytes()).hexdigest() == digest


def test_the_version_is_the_same_everywhere():
    texts = {
        "CITATION.cff": rf"^version: {re.escape(__version__)}$",
        "scripts/release/recipe.yaml": rf'^  version: "{re.escape(__version__)}"$',
        "scripts/qgis/gridmap_processing/metadata.txt": rf"^version={re.escape(__version__)}$",
    }
    for name, pattern in texts.items():
        assert re.search(pattern, (ROOT / name).read_text("utf-8"), re.MULTILINE), name


def test_the_recipe_needs_what_the_wheel_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = yaml.safe_load((ROOT / "scripts/release/recipe.yaml").read_text("utf-8"))
    wanted = [text.replace(">=", " >=") for text in project["dependencies"]]
    run = [text.replace("matplotlib-base", "matplotlib") for text in recipe["requirements"]["run"]]
    assert run == [f"python {project['requires-python']}", *wanted]
    assert recipe["build"]["python"]["entry_points"] == ["gridmap = gridmap.cli:main"]


def test_the_recipe_is_one_to_rattler_build():
    from rattler_build import Stage0Recipe

    recipe = Stage0Recipe.from_file(str(ROOT / "scripts/release/recipe.yaml"))
    (variant,) = recipe.render()
    rendered = variant.recipe.to_dict()
    assert rendered["package"] == {"name": "gridmap-gis", "version": __version__}
    assert rendered["build"]["noarch"] == "python"


def test_the_citation_names_what_a_reader_needs():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= set(citation)
    assert citation["title"] in (ROOT / "docs/pages/cite.md").read_text("utf-8")


@needs_index
def test_the_wheel_works_in_a_clean_environment(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)
    for arguments in (
        "example city --size tiny",
        "partition city/jurisdictions.gpkg --households city/buildings.gpkg --code code -o g.gpkg",
        "validate g.gpkg",
        "briefing g.gpkg city/incidents.csv -o b.html",
    ):
        command = [python, "-m", "gridmap", *arguments.split()]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "b.html").stat().st_size > 100_000
