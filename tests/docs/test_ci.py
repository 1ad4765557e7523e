"""A repository of boundaries is checked as its example says: pre-commit, GitHub, GitLab."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.docs.blocks import ROOT

EXAMPLE = ROOT / "docs/example-repository"
ASKED = os.environ.get("GRIDMAP_REQUIRE_ALL") == "1" or os.environ.get("GRIDMAP_FRESH") == "1"
INPUT = re.compile(r"\$\{\{ inputs\.([a-z]+) \}\}")
PLACE = re.compile(
    r"^::(error|notice) file=([^,]*),line=(\d+),endLine=(\d+),title=gridmap ([a-z-]+)"
)
BROKEN = {
    "gap": (2, {"112.9461, 28.2133": "112.9459, 28.2134"}, "gap"),
    "overlap": (2, {"112.9433, 28.2128": "112.9431, 28.2130"}, "overlap"),
    "outside": (3, {"112.949, 28.2101": "112.950, 28.2101"}, "outside"),
    "crossed": (
        5,
        {"[112.9461, 28.2133], [112.9465, 28.2158]": "[112.9465, 28.2158], [112.9461, 28.2133]"},
        "ring-invalid",
    ),
    "repeated code": (6, {"XC-06": "XC-05"}, "code-duplicate"),
}
"""Where the example is broken: the cell, what is written over in its line, the kind of defect."""


@pytest.fixture
def repository(tmp_path):
    """Return a copy of the example, under git."""
    folder = tmp_path / "boundaries"
    shutil.copytree(EXAMPLE, folder)
    for line in ("init -q", "add -A"):
        subprocess.run(["git", *line.split()], cwd=folder, check=True)
    return folder


def _break(folder: Path, name: str) -> None:
    cell, changes, _ = BROKEN[name]
    lines = (folder / "cells.geojson").read_text("utf-8").splitlines()
    for old, new in changes.items():
        assert old in lines[cell]
        lines[cell] = lines[cell].replace(old, new)
    (folder / "cells.geojson").write_text("\n".join(lines) + "\n", "utf-8")


def _environment(**more: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "GRIDMAP_LANG": "en", **more}


def _bash(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=_environment(**variables),
        capture_output=True,
        text=True,
        check=False,
    )


def _action(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the step of the action with what the example's workflow hands it."""
    workflow = yaml.safe_load((folder / ".github/workflows/boundaries.yml").read_text("utf-8"))
    given = workflow["jobs"]["validate"]["steps"][-1]["with"]
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    assert set(given) <= set(action["inputs"])
    values = {name: given.get(name, one.get("default")) for name, one in action["inputs"].items()}
    step = action["runs"]["steps"][-1]
    variables = {
        name: INPUT.sub(lambda m: values[m[1]], text) for name, text in step["env"].items()
    }
    variables |= {"GITHUB_ACTION_PATH": str(ROOT), "GITHUB_OUTPUT": str(folder / "output.txt")}
    variables |= {"GITHUB_STEP_SUMMARY": str(folder / "summary.md")}
    return _bash(step["run"], folder, **variables)


def _places(told: str) -> list[tuple[str, ...]]:
    return [match.groups() for match in map(PLACE.match, told.splitlines()) if match]


def test_the_action_passes_what_is_whole(repository):
    done = _action(repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(kind == "error" for kind, *_ in _places(done.stdout))
    assert (repository / "output.txt").read_text() == "verdict=exact\n"
    assert "6 cells tile the boundary exactly" in (repository / "summary.md").read_text("utf-8")
    assert json.loads((repository / "gridmap-badge.json").read_text("utf-8"))["message"] == "proved"


@pytest.mark.parametrize("name", BROKEN)
def test_the_action_annotates_the_feature_that_is_broken(name, repository):
    cell, _, kind = BROKEN[name]
    _break(repository, name)
    done = _action(repository)
    assert done.returncode == 1, done.stdout + done.stderr
    assert ("error", "cells.geojson", str(cell + 1), str(cell + 1), kind) in _places(done.stdout)
    assert (repository / "output.txt").read_text() == "verdict=failed\n"
    log = json.loads((repository / "gridmap.sarif").read_text("utf-8"))
    rules = [rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]]
    for result in log["runs"][0]["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]


def test_the_action_tells_what_cannot_be_read(repository):
    (repository / "cells.geojson").write_text('{"type": "FeatureCollection", "features": [')
    done = _action(repository)
    assert done.returncode == 2
    assert done.stdout.startswith("::error title=gridmap::")
    assert (repository / "output.txt").read_text() == "verdict=error\n"


def test_gitlab_gets_its_reports(repository):
    job = yaml.safe_load((ROOT / "scripts/ci/gitlab.yml").read_text("utf-8"))["gridmap-validate"]
    own = yaml.safe_load((repository / ".gitlab-ci.yml").read_text("utf-8"))["gridmap-validate"]
    install, validate = job["script"]
    assert install.startswith("python -m pip install")
    variables = {**job["variables"], **own["variables"]}
    done = _bash(validate, repository, **variables)
    assert done.returncode == 0, done.stderr
    _break(repository, "gap")
    done = _bash(validate, repository, **variables)
    assert done.returncode == 1, done.stderr
    rows = json.loads((repository / "gridmap-quality.json").read_text("utf-8"))
    gaps = [row["location"] for row in rows if row["check_name"] == "gap"]
    assert {"path": "cells.geojson", "lines": {"begin": 3}} in gaps
    assert len({row["fingerprint"] for row in rows}) == len(rows)
    suite = ElementTree.parse(repository / "gridmap.xml").getroot()
    assert int(suite.get("failures")) == len(suite.findall(".//failure"))
    reports = job["artifacts"]["reports"]
    assert {reports["junit"], reports["codequality"]} <= {p.name for p in repository.iterdir()}


@pytest.mark.parametrize("installed", [True, pytest.param(False, marks=pytest.mark.skipif(
    not ASKED, reason="installs from the package index; set GRIDMAP_FRESH=1"))])  # fmt: skip
def test_pre_commit_stops_a_broken_boundary(installed, repository, tmp_path):
    """Run the hook as published; where it may install nothing, with the gridmap at hand."""
    hooks = tmp_path / "gridmap"
    if installed:
        hooks.mkdir()
        shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
        subprocess.run(["git", "init", "-q"], cwd=hooks, check=True)
        subprocess.run(["git", "add", "-A"], cwd=hooks, check=True)
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *author, "commit", "-qm", "Hooks"], cwd=hooks, check=True)
    else:
        subprocess.run(["git", "clone", "-q", str(ROOT), str(hooks)], check=True)
    head = ["git", "rev-parse", "HEAD"]
    revision = subprocess.run(head, cwd=hooks, check=True, capture_output=True, text=True).stdout
    path = repository / ".pre-commit-config.yaml"
    config = yaml.safe_load(path.read_text("utf-8"))
    config["repos"][0] |= {"repo": str(hooks), "rev": revision.strip()}
    if installed:
        config["repos"][0]["hooks"][0]["language"] = "system"
    path.write_text(yaml.safe_dump(config), "utf-8")
    subprocess.run(["git", "add", "-A"], cwd=repository, check=True)
    run = "python -m pre_commit run --all-files --color=never"
    home = str(tmp_path / "home")
    done = _bash(run, repository, PRE_COMMIT_HOME=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    _break(repository, "overlap")
    done = _bash(run, repository, PRE_COMMIT_HOME=home)
    assert done.returncode == 1
    assert "XC-02" in done.stdout and "overlap" in done.stdout
