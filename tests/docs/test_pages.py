"""Commands and code that the pages show are run as they stand there, none left out."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import FENCE, ROOT, blocks, commands, prints

LANGUAGES = {"zh": ROOT / "docs/zh", "en": ROOT / "docs/pages"}
CHAPTERS = ("partition", "prove", "assign", "hotspots", "brief", "change", "run", "files")
TOURS = {
    lang: [*(folder / f"how-to/{name}.md" for name in CHAPTERS), folder / "why.md"]
    for lang, folder in LANGUAGES.items()
}
"""Pages that are read one after the other, in one folder."""
ALONE = [
    folder / f"{name}.md"
    for folder in LANGUAGES.values()
    for name in (
        *(f"jobs/{job}" for job in ("old-shapefile", "by-friday", "new-estate", "audit")),
        "how-to/ci",
        "gallery",
    )
]
"""Pages that need no other."""
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
REAL = {lang: folder / "coverage-real.md" for lang, folder in LANGUAGES.items()}
DATA = ROOT / "data/README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/*.md")]
FRESH = ("git clone", "scripts/demo", ".venv/bin/")
"""Commands of the README that test_fresh_clone runs; the rest is run here and there."""
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]+)")


def _run(page: Path, folder: Path, names: dict[str, object]) -> None:
    """Run every block of a page; a text block is what the code before it prints."""
    said = ""
    for kind, text in blocks(page):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(text, str(page), "exec"), names)
            said = out.getvalue()
        elif kind == "console":
            for line, printed in commands(text):
                if not line.startswith(FRESH):
                    said = _shell(line, folder)
                    assert prints(printed, said), f"{page.name}: {line}\n{said}"
        else:
            assert prints(text, said), f"{page.name}: {text}\n{said}"


def _shell(line: str, folder: Path) -> str:
    """Run one command as the reader would, and return what it answers."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = shlex.split(line.replace("scripts/verify", f"{ROOT}/scripts/verify"), comments=True)
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    expected = 1 if line.endswith("# ends with 1") else 0
    assert result.returncode == expected, f"{line}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_readme_runs_word_by_word(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _run(page, tmp_path, {})


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_tour_runs_from_page_to_page(lang, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for page in TOURS[lang]:
        _run(page, tmp_path, names)


@pytest.mark.parametrize("page", ALONE, ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_a_page_that_stands_alone_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _run(page, tmp_path, {})


def test_the_gallery_is_the_same_in_both_languages():
    def drawn(folder):
        text = (folder / "gallery.md").read_text(encoding="utf-8")
        pictures = re.findall(r"images/gallery/(\w+)\.png", text)
        for name in pictures:
            assert (folder / f"images/gallery/{name}.png").exists()
            assert re.search(rf'"{name}\.(png|html)"', text)
        assert all(block.text.count("\n") <= 10 for block in blocks(folder / "gallery.md"))
        return pictures

    assert drawn(LANGUAGES["zh"]) == drawn(LANGUAGES["en"])


def test_the_tiny_data_are_used_as_their_page_says(tmp_path):
    (tmp_path / "data").symlink_to(ROOT / "data")
    _run(DATA, tmp_path, {})


@pytest.mark.real
@pytest.mark.parametrize("lang", LANGUAGES)
def test_official_layers_are_mended_as_the_page_says(lang, shared, tmp_path):
    import geopandas as gpd

    from tests.real.test_coverage_real import enclaves

    cells = gpd.read_parquet(shared / "denver_precincts_2020.parquet")
    cells.to_file(tmp_path / "denver.gpkg")
    enclaves(cells, 100.0).to_frame("geometry").to_file(tmp_path / "enclaves.gpkg")
    _run(REAL[lang], tmp_path, {})


def test_no_block_is_left_out():
    run = {*READMES, *TOURS["zh"], *TOURS["en"], *ALONE, DATA, *REAL.values()}
    shown = {page: {kind for kind, _ in blocks(page)} - {"bibtex"} for page in PAGES}
    assert {page for page, kinds in shown.items() if kinds} == {*run, CONTRIBUTING}
    for page in run:
        assert {kind for kind, _ in blocks(page)} <= {"console", "python", "text"}, page
    ((_, checks),) = blocks(CONTRIBUTING)
    assert all(line.startswith("scripts/check") for line, _ in commands(checks))
    assert "scripts/check" in (ROOT / ".ci/run").read_text(encoding="utf-8")


WRITTEN = [
    page.relative_to(LANGUAGES["en"])
    for page in sorted(LANGUAGES["en"].rglob("*.md"))
    if page.stem not in {"measurements", "hotspots-simulation", "coverage-real", "partition-real"}
]
"""Pages that are written by hand in both languages; the others hold measured tables."""


@pytest.mark.parametrize("page", WRITTEN, ids=str)
def test_both_languages_have_the_same_sections_options_and_links(page):
    def outline(folder):
        text = (folder / page).read_text(encoding="utf-8")
        prose = FENCE.sub("", text)
        return {
            "sections": [len(depth) for depth in re.findall("^(#+) ", prose, re.MULTILINE)],
            "options": set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--lang"},
            "names": set(re.findall(r"`(gm\.\w+)", text)),
            "links": {link for link in LINK.findall(prose) if link.endswith(".md")},
        }

    assert outline(LANGUAGES["zh"]) == outline(LANGUAGES["en"])


def test_both_readmes_show_the_same_commands():
    def shown(page):
        return [re.sub(r"\s+#.*|<.*?>", "", line) for kind, text in blocks(page)
                if kind == "console" for line, _ in commands(text)]  # fmt: skip

    assert shown(READMES[0]) == shown(READMES[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page):
    folders = [page.parent]
    if page.is_relative_to(LANGUAGES["zh"]):  # pictures without words are the English ones
        folders.append(LANGUAGES["en"] / page.parent.relative_to(LANGUAGES["zh"]))
    dead = [
        link
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not any((folder / link).exists() for folder in folders)
    ]
    assert not dead


def test_what_is_to_be_cited_is_this_version():
    from gridmap import __version__

    page = (ROOT / "docs/pages/cite.md").read_text(encoding="utf-8")
    assert page.count(__version__) == 2


def test_every_public_name_is_explained():
    import gridmap

    english, chinese = (
        re.findall(r"^::: (\S+)$", (folder / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
        for folder in LANGUAGES.values()
    )
    assert english == chinese
    for name in set(gridmap.__all__) - {"__version__"}:
        assert getattr(gridmap, name).__doc__, name
        assert name in {path.rpartition(".")[2] for path in english}, f"{name} is not in api.md"
