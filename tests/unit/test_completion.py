"""Bash, zsh and fish complete commands and options."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ENTRY = [sys.executable, "-c", "from gridmap.cli import main; main(prog_name='gridmap')"]


def asked(**environment):
    done = subprocess.run(
        ENTRY, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_told_how_to_complete(shell):
    assert "_GRIDMAP_COMPLETE" in asked(_GRIDMAP_COMPLETE=f"{shell}_source")


@pytest.mark.parametrize(
    ("typed", "position", "found"),
    [("gridmap par", "1", "partition"), ("gridmap validate --fa", "2", "--fail-on")],
)
def test_commands_and_options_are_completed(typed, position, found):
    answer = asked(_GRIDMAP_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=position)
    assert answer.split() == [f"plain,{found}"]


@pytest.mark.parametrize(("lang", "about"), [("zh", "划分"), ("en", "Cut jurisdictions")])
def test_what_is_completed_is_told_in_the_language_asked_for(lang, about):
    typed = {"COMP_WORDS": "gridmap par", "COMP_CWORD": "par", "GRIDMAP_LANG": lang}
    assert about in asked(_GRIDMAP_COMPLETE="fish_complete", **typed)
    typed = {"COMP_WORDS": "gridmap repair --dry", "COMP_CWORD": "--dry", "GRIDMAP_LANG": lang}
    said = {"zh": "只说明会改什么", "en": "Say what would change"}[lang]
    assert said in asked(_GRIDMAP_COMPLETE="fish_complete", **typed)
