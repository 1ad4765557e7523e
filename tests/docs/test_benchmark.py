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
