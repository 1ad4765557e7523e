"""What every command shares: options, errors, exit codes, progress and JSON."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import click

from gridmap._checks import Progress, silent
from gridmap.errors import GridmapError, UnassignedWarning
from gridmap.language import chinese

BUG, INTERRUPTED, UNUSABLE = 70, 130, 2


class Shell:
    """Where a command says things, and in which language."""

    def __init__(self) -> None:
        self.lang = "en" if os.environ.get("GRIDMAP_LANG") == "en" else "zh"
        self.quiet = False
        self.json = False
        self._bar: Any = None
        self._stage = ""
        self._warned: set[str] = set()

    def answer(self, text: str) -> None:
        """Print what was asked for, to stdout."""
        click.echo(text)

    def say(self, text: str) -> None:
        """Print news, to stderr."""
        if not self.quiet:
            self._finish()
            click.echo(text, err=True)

    def warn(self, message: Warning | str, *_: Any, **__: Any) -> None:
        """Print a warning once, as a line of news without the place in the code that raised it."""
        line = str(message)
        if line in self._warned:
            return
        self._warned.add(line)
        zh = message.zh if isinstance(message, UnassignedWarning) else chinese(line)
        self.say(" ".join(self.pick(zh, line).split()))

    def emit_json(self, document: dict[str, Any]) -> None:
        """Print one JSON document, to stdout."""
        click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, default=_plain))

    def pick(self, zh: str, en: str) -> str:
        """Return the text in the language asked for."""
        return zh if self.lang == "zh" else en

    def progress(self) -> Progress:
        """Return a progress callback: a bar on a terminal, nothing elsewhere."""
        return silent if self.quiet or not sys.stderr.isatty() else self._advance

    def _advance(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._finish()
            self._stage = stage
            self._bar = click.progressbar(length=max(total, 1), label=stage, file=sys.stderr)
            self._bar.__enter__()
        if self._bar is not None:
            self._bar.length = max(total, 1)
            self._bar.update(done - self._bar.pos)
            if total and done >= total:
                self._finish()

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


class Commands(click.Group):
    """A group whose errors are one line with an exit code of their own."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; end with 0, 1, 2, 70 or 130."""
        shell = Shell()
        _end_alike()
        run: Callable[..., Any] = super().main
        alone = kwargs.pop("standalone_mode", True)
        kwargs |= {"obj": shell, "standalone_mode": False}
        if not alone:
            return run(*args, **kwargs)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = shell.warn
                code = run(*args, **kwargs)
        except GridmapError as error:
            fail(shell, str(error))
        except click.ClickException as error:
            _usage(shell, error)
        except (KeyboardInterrupt, click.Abort):
            fail(shell, "Interrupted; nothing was half-written.", INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(0)
        except MemoryError:
            fail(shell, "Out of memory. Use a machine with more, or a smaller extent.")
        except OSError as error:
            name, reason = error.filename or "a file", error.strerror or error
            fail(shell, f"`{name}` cannot be used ({reason}). Check it.")
        except Exception:
            traceback.print_exc()
            fail(shell, "This is a bug; please report the lines above.", BUG)
        sys.exit(code if isinstance(code, int) else 0)


def _end_alike() -> None:
    """Let SIGTERM end a command as Ctrl-C does, and let neither undo one that is done."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
        atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)


def fail(shell: Shell, message: str, code: int = UNUSABLE) -> NoReturn:
    """Print one line with its cure, and end with an exit code."""
    line = " ".join(message.split())
    line = shell.pick(chinese(line), line)
    if shell.json and code == UNUSABLE:
        shell.emit_json({"schema": "gridmap.error/1", "error": line})
    click.echo(f"gridmap: {line}", err=True)
    sys.exit(code)


def _usage(shell: Shell, error: click.ClickException) -> NoReturn:
    if not shell.json and isinstance(error, click.UsageError) and error.ctx is not None:
        usage, name = error.ctx.get_usage().removeprefix("Usage: "), error.ctx.command_path
        zh, en = f"用法：{usage}\n说明：{name} --help", f"Usage: {usage}\nHelp: {name} --help"
        click.echo(shell.pick(zh, en), err=True)
    fail(shell, error.format_message())


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
        shell = ctx.ensure_object(Shell)
        if value is not None and value is not False:
            setattr(shell, name, value)
        return value

    return callback


lang_option = click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    expose_value=False,
    is_eager=True,
    callback=_set("lang"),
    help="Language of the output (default zh, or what GRIDMAP_LANG says).",
)
quiet_option = click.option(
    "--quiet",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set("quiet"),
    help="No news and no progress on stderr.",
)


def command(**settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command, which also takes the global options behind its own name."""
    context = {"help_option_names": ["-h", "--help"], "show_default": True}

    def declare(function: Callable[..., Any]) -> click.Command:
        declared = lang_option(quiet_option(function))
        decorate: Callable[..., click.Command] = click.command(context_settings=context, **settings)
        return decorate(declared)

    return declare


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json, which also turns errors into JSON."""
    return click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=_set("json"),
        help="One JSON document on stdout.",
    )(function)  # fmt: skip


class Output(click.ParamType):  # type: ignore[type-arg]
    """A file to write, or a table of a database."""

    name = "output"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Keep the URL of a database as it is."""
        from gridmap.io.source import names_database

        return str(value) if names_database(value) else Path(value)


def check_output(output: Path | str, *, overwrite: bool, endings: Iterable[str] = ("",)) -> None:
    """Refuse an output that exists or cannot be written, before any work is done."""
    from gridmap.io.atomic import check_writable

    if isinstance(output, Path):
        check_writable(output, overwrite=overwrite)
        return
    from gridmap.io.postgis_write import check_free

    check_free(output, overwrite=overwrite, endings=endings)


def check_grid_output(output: Path | str, *, overwrite: bool) -> None:
    """Refuse an output that cannot become a grid file, before any work is done."""
    from gridmap.io.grid_tables import PARTS
    from gridmap.io.gridfile import check_name

    check_name(output)
    check_output(output, overwrite=overwrite, endings=[f"_{name}" for name in PARTS])


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace existing output.")
crs_option = click.option(
    "--crs", metavar="EPSG:N", help="CRS of input files that do not say their own."
)


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays into what JSON knows."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
