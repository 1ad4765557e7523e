"""The command line speaks the language it is asked for, first of all in its help."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gridmap.cli import COMMANDS, main


def said(*arguments, **environment):
    result = CliRunner().invoke(main, [*arguments, "--help"], env=environment)
    assert result.exit_code == 0
    return result.stdout


def test_every_command_has_its_line_in_both_languages():
    english, chinese = " ".join(said("--lang", "en").split()), said("--lang", "zh")
    for about in COMMANDS.values():
        assert about.text("en") in english
        assert about.text("zh") in chinese and about.text("zh") != about.text("en")


@pytest.mark.parametrize(
    ("arguments", "variable", "chinese"),
    [
        ([], "", True),
        ([], "en", False),
        ([], "fr", True),
        (["--lang", "zh"], "en", True),
        (["--lang", "en"], "zh", False),
    ],
)
def test_the_option_goes_before_the_variable(arguments, variable, chinese):
    text = said(*arguments, GRIDMAP_LANG=variable)
    assert ("无空白" in text or "划分" in text) == chinese
    assert ("Mend the defects" in text) != chinese


def test_the_variable_holds_for_answers_too(tmp_path):
    line = ["--quiet", "validate", str(tmp_path / "nothing.gpkg")]
    english = CliRunner().invoke(main, line, env={"GRIDMAP_LANG": "en"})
    assert "is not there" in english.stderr
    chosen = CliRunner().invoke(main, ["--lang", "zh", *line], env={"GRIDMAP_LANG": "en"})
    assert "is not there" not in chosen.stderr
