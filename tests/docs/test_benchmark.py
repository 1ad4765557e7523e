"""The public benchmark: the same bytes each time, a truth that holds, peers that are measured."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT

BENCH = ROOT / "scripts/bench"
ROOMS = ("coverage", "zoning", "hotspots")
"""Grid files are forged and judged in tests of their own."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Return two folders that hold a small share of the cases, written apart."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder in folders:
        command = [sys.executable, str(BENCH / "corpus.py"), str(folder), "--share", "0.02"]
        command += [part for room in ROOMS for part in ("--only", room)]
        subprocess.run(command, check=True, capture_output=True)
    return folders


def test_the_same_version_is_the_same_bytes(corpus):
    first, second = ((folder / "manifest.json").read_text() for folder in corpus)
    assert first == second
    assert {name.split("/")[0] for name in json.loads(first)["files"]} == set(ROOMS)


def test_a_division_in_the_truth_holds(corpus):
    sys.path.insert(0, str(BENCH))
    try:
        from score import valid
    finally:
        sys.path.pop(0)
    cases = [json.loads(path.read_text()) for path in (corpus[0] / "zoning").glob("*.json")]
    assert any(case["possible"] for case in cases)
    for case in cases:
        if case["possible"]:
            assert valid(case, case["division"])
            assert not valid({**case, "low": 601}, case["division"])


def test_peers_are_measured_and_gridmap_makes_no_mistake(corpus):
    command = [sys.executable, str(BENCH / "score.py"), str(corpus[0])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = [line.split(" | ") for line in done.stdout.splitlines() if "with_gridmap" in line]
    coverage, zoning, hotspots = rows
    assert coverage[1] == "31 of 31" and coverage[2].startswith("0 of ")
    assert zoning[2].strip() == "0" and zoning[3].strip(" |") == "0"
    assert hotspots[1].startswith("0 of ")
    assert "with_shapely" in done.stdout


def test_printed_tables_are_joined_on_the_page(tmp_path):
    table = "\n## {room}\n\n| program | right |\n| --- | --: |\n| {name} | {n} |\n"
    first, second, page = (tmp_path / name for name in ("a.md", "b.md", "page.md"))
    first.write_text(
        table.format(room="zoning", name="one", n=3) + table.format(room="grids", name="one", n=4)
    )
    second.write_text(table.format(room="zoning", name="two", n=5))
    page.write_text("# Title\n\nText.\n\n## Scores\n\nWords.\n\nold\n")
    command = [sys.executable, str(BENCH / "score.py"), "--join", str(first), str(second)]
    for _ in range(2):  # again changes nothing
        subprocess.run([*command, "--page", str(page)], check=True)
        assert page.read_text().split("## Scores")[1].split("\n\n") == [
            "",
            "Words.",
            "**`zoning`**",
            "| program | right |\n| --- | --: |\n| one | 3 |\n| two | 5 |",
            "**`grids`**",
            "| program | right |\n| --- | --: |\n| one | 4 |\n",
        ]
        assert page.read_text().startswith("# Title\n\nText.\n\n## Scores")
