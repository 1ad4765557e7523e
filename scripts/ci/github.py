"""What the GitHub Action runs: validate, then annotate the features; standard library only.

Reads GRIDMAP_CELLS, GRIDMAP_BOUNDARY, GRIDMAP_OPTIONS, GRIDMAP_SARIF and GRIDMAP_BADGE, and ends
with the exit code of `gridmap validate`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
PROPERTY_ESCAPES = {**ESCAPES, ":": "%3A", ",": "%2C"}


def main() -> int:
    """Validate, annotate, and tell the workflow the verdict."""
    log = Path(os.environ.get("GRIDMAP_SARIF") or "gridmap.sarif")
    done = subprocess.run(command(log), capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        answer = {"message": done.stderr.strip() or done.stdout.strip()}
    verdict = answer.get("verdict", "error")
    sentence = _sentence(answer)
    if verdict == "error":
        print(f"::error title=gridmap::{_escaped(sentence, ESCAPES)}")
    else:
        for line in workflow_commands(json.loads(log.read_text(encoding="utf-8"))):
            print(line)
    print(sentence)
    _append("GITHUB_OUTPUT", f"verdict={verdict}")
    mark = {0: "✅", 1: "❌"}.get(done.returncode, "⚠️")
    _append("GITHUB_STEP_SUMMARY", f"{mark} `{os.environ['GRIDMAP_CELLS']}`: {sentence}")
    return done.returncode


def command(log: Path) -> list[str]:
    """Return what to run, from the inputs of the action."""
    boundary = os.environ.get("GRIDMAP_BOUNDARY", "")
    badge = os.environ.get("GRIDMAP_BADGE", "")
    return [
        *(sys.executable, "-m", "gridmap", "--quiet", "validate", os.environ["GRIDMAP_CELLS"]),
        *(["--boundary", boundary] if boundary else []),
        *shlex.split(os.environ.get("GRIDMAP_OPTIONS", "")),
        *("--sarif", str(log), *(["--badge", badge] if badge else []), "--overwrite", "--json"),
    ]


def workflow_commands(log: dict) -> Iterator[str]:
    """Yield one annotation for each place of each result of a SARIF log."""
    for result in log["runs"][0]["results"]:
        kind = "notice" if result["level"] == "note" else "error"
        for location in result["locations"]:
            place = location["physicalLocation"]
            facts = {
                "file": place["artifactLocation"]["uri"],
                "line": place["region"]["startLine"],
                "endLine": place["region"]["endLine"],
                "title": f"gridmap {result['ruleId']}",
            }
            listed = ",".join(f"{k}={_escaped(str(v), PROPERTY_ESCAPES)}" for k, v in facts.items())
            yield f"::{kind} {listed}::{_escaped(result['message']['text'], ESCAPES)}"


def _sentence(answer: dict) -> str:
    told = answer.get("sentence") or answer.get("message") or answer.get("error") or ""
    if isinstance(told, dict):
        told = told.get(os.environ.get("GRIDMAP_LANG", "zh")) or next(iter(told.values()))
    return str(told)


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(letter, letter) for letter in text)


def _append(variable: str, line: str) -> None:
    """Add a line to a file that the workflow names, where it runs in one."""
    if os.environ.get(variable):
        with Path(os.environ[variable]).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
