"""The shell of the commands: help without imports, one-line errors, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from gridmap.cli import COMMANDS, main
from gridmap.cli._shell import Commands, FileOutput, Output, command, json_option
from gridmap.errors import InputError


def _group(action):
    group = Commands("gridmap")

    @command(name="go")
    @json_option
    @click.pass_context
    def go(ctx, as_json):
        action(ctx)

    group.add_command(go)
    return group


def _raise(error):
    def action(_):
        raise error

    return action


def _caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            InputError("The grid has no cell {code!r}; see `cells` of the grid.", code="C1"),
            2,
            "gridmap: 网格文件中没有编码为 'C1' 的网格",
        ),
        (KeyboardInterrupt(), 130, "已中断"),
        (_caused(SystemError("a kernel returned"), KeyboardInterrupt()), 130, "已中断"),
        (
            _caused(
                SystemError("a kernel"), _caused(SystemError("its loader"), KeyboardInterrupt())
            ),
            130,
            "已中断",
        ),
        (_caused(SystemError("a kernel"), ValueError("no interruption")), 70, "程序出错"),
        (PermissionError(13, "Permission denied", "x.gpkg"), 2, "`x.gpkg` 无法使用（没有权限）"),
        (ZeroDivisionError("oops"), 70, "程序出错"),
        (MemoryError(), 2, "内存不足"),
    ],
)
def test_errors_end_with_their_code(error, code, said):
    result = CliRunner().invoke(_group(_raise(error)), ["go"])
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stdout == ""


def test_findings_end_with_one():
    result = CliRunner().invoke(_group(lambda ctx: ctx.exit(1)), ["go"])
    assert result.exit_code == 1


def test_errors_are_json_when_json_was_asked_for():
    result = CliRunner().invoke(
        _group(_raise(InputError("no CRS"))), ["go", "--lang", "en", "--json"]
    )
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {"schema": "gridmap.error/1", "error": "no CRS"}


def test_bad_usage_is_two():
    assert CliRunner().invoke(main, ["nonsense"]).exit_code == 2


def test_help_names_every_command_and_imports_no_frames():
    code = (
        "import sys\nfrom gridmap.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'pandas', 'numpy', 'shapely'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    for arguments, usage in (
        ([name, "--help"], "用法"),
        (["--lang", "en", name, "--help"], "Usage"),
        (["--lang", "en", name, "--lang", "zh", "--help"], "用法"),
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert usage in result.output


def _outputs():
    for name in COMMANDS:
        made = main.get_command(click.Context(main), name)
        for option in made.params:
            if isinstance(option.type, (Output, FileOutput)):
                yield name, option.opts[-1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_and_no_default_is_blank(name):
    made = main.get_command(click.Context(main), name)
    options = [one for one in made.params if isinstance(one, click.Option)]
    assert [one.opts for one in options if not one.help] == []
    assert '[default: ""]' not in " ".join(made.get_help(click.Context(made)).split())


@pytest.mark.parametrize("other", ["itself", "hard link", "another way", "a layer", "a link"])
@pytest.mark.parametrize(("name", "option"), list(_outputs()))
def test_no_output_takes_the_place_of_an_input(name, option, other, tmp_path):
    """Whatever command writes, and by whatever name the same file is read."""
    out = tmp_path / "data.gpkg"
    out.write_bytes(b"what was there")
    read = {
        "itself": out,
        "hard link": tmp_path / "hard.gpkg",
        "another way": tmp_path / "." / ".." / tmp_path.name / "data.gpkg",
        "a layer": f"{out}:cells",
        "a link": tmp_path / "link.gpkg",
    }[other]
    (tmp_path / "hard.gpkg").hardlink_to(out)
    (tmp_path / "link.gpkg").symlink_to(out)
    made = main.get_command(click.Context(main), name)
    words = [str(read) for one in made.params if isinstance(one, click.Argument)]
    for one in made.params:
        if isinstance(one, click.Option) and one.required and option not in one.opts:
            words += [one.opts[-1], str(read if "output" not in one.opts else tmp_path / "x.gpkg")]
    found = CliRunner().invoke(main, [name, *words, option, str(out), "--lang", "en"])
    assert found.exit_code == 2 and "would be written over" in found.stderr, found.output
    assert len(found.stderr.splitlines()) == 1
    assert out.read_bytes() == b"what was there"


def test_a_column_may_be_called_as_a_folder_and_two_outputs_may_not_be_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "street").mkdir()
    found = CliRunner().invoke(main, ["export", "no.gpkg", "-o", "street", "--level", "street"])
    assert "street" not in found.stderr.replace("no.gpkg", "")
    words = ["validate", "no.gpkg", "--map", "a.html", "--junit", "./a.html", "--lang", "en"]
    assert "would be written over" in CliRunner().invoke(main, words).stderr


def test_an_interruption_while_addresses_are_looked_at_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gridmap.cli._shell._learn_secrets", interrupted)
    done = CliRunner().invoke(main, ["info", "postgresql://ann:a@host/db?table=t"])
    assert done.exit_code == 130
    assert "已中断" in done.stderr and len(done.stderr.splitlines()) == 1
