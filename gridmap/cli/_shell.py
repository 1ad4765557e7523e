"""What every command shares: options, errors, exit codes, progress and JSON."""

from __future__ import annotations

import atexit
import gc
import gettext
import json
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from inspect import cleandoc
from itertools import product
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from click.shell_completion import CompletionItem

from gridmap._checks import Progress, jsonable, silent
from gridmap.errors import GridmapError, InputError, UnassignedWarning, reason_of
from gridmap.language import LOCALE, Lang, Message, compile_catalogues, speak, speaking, tr

BUG, INTERRUPTED, UNUSABLE = 70, 130, 2
Described = TypeVar("Described", bound=click.Command)


class Shell:
    """Where a command says things, and in which language."""

    def __init__(self) -> None:
        self.lang: Lang = "en" if os.environ.get("GRIDMAP_LANG") == "en" else "zh"
        self.quiet = False
        self.json = False
        self._bar: Any = None
        self._stage = ""
        self._warned: set[str] = set()
        self.nothing_placed = False
        self.readings: list[dict[str, Any]] = []

    def answer(self, text: str) -> None:
        """Print what was asked for, to stdout."""
        click.echo(safe(text))

    def say(self, text: Message | str) -> None:
        """Print news, to stderr."""
        if not self.quiet:
            self._finish()
            click.echo(safe(str(text)), err=True)

    def warn(self, message: Warning | Message | str, *_: Any, **__: Any) -> None:
        """Print a warning once, as a line of news without the place in the code that raised it."""
        line = " ".join(str(message).split())
        self.nothing_placed |= getattr(message, "all_lost", False)
        if line not in self._warned:
            self._warned.add(line)
            self.say(line)

    def emit_json(self, document: dict[str, Any]) -> None:
        """Print one JSON document, to stdout, with how each input was read."""
        if self.readings:
            document = document | {"reading": self.readings}
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, default=jsonable)
        click.echo(safe(text))

    def progress(self) -> Progress:
        """Return a progress callback: a bar on a terminal, nothing elsewhere."""
        if os.environ.get("GRIDMAP_PROGRESS") == "lines":  # for a program that shows it itself
            return _progress_line
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


def safe(text: str) -> str:
    """Return a text without secrets of databases: all output goes through here."""
    address = sys.modules.get("gridmap.io.address")
    if "://" not in text and (address is None or not address.has_secrets()):
        return text
    from gridmap.io.address import masked

    return masked(text)


def _progress_line(stage: str, done: int, total: int) -> None:
    click.echo(f"progress\t{stage}\t{done}\t{total}", err=True)


class Commands(click.Group):
    """A group whose errors are one line with an exit code of their own."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help with its words looked up."""
        click.Group.format_help(translated(self), ctx, formatter)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; end with 0, 1, 2, 70 or 130."""
        shell = Shell()
        _end_alike()
        _spare_memory()
        group: Callable[..., Any] = super().main

        def run(*args: Any, **kwargs: Any) -> Any:  # also looks for secrets, which may take long
            _learn_secrets(kwargs.get("args") or (args[0] if args else None) or sys.argv)
            return group(*args, **kwargs)

        alone = kwargs.pop("standalone_mode", True)
        kwargs |= {"obj": shell, "standalone_mode": False}
        with _spoken(shell):
            return _ended(shell, run, *args, **kwargs) if alone else run(*args, **kwargs)


def _learn_secrets(words: Iterable[str]) -> None:
    """Take note of the secrets in the addresses of a command line."""
    words = [str(word) for word in words if any(sign in str(word) for sign in ("://", "@", "="))]
    if words:
        from gridmap.io.address import learn

        learn(words)


INTERRUPTION = Message("Interrupted; nothing was half-written.")


def _ended(shell: Shell, run: Callable[..., Any], *args: Any, **kwargs: Any) -> NoReturn:
    """Run a command and end with its exit code, whatever it meets with one line."""
    try:
        with warnings.catch_warnings(), _undeclared():
            warnings.showwarning = shell.warn
            warnings.simplefilter("always", UnassignedWarning)  # the exit code hangs on it
            code = run(*args, **kwargs)
    except GridmapError as error:
        fail(shell, error)
    except click.ClickException as error:
        _usage(shell, error)
    except (KeyboardInterrupt, click.Abort):
        fail(shell, INTERRUPTION, INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except MemoryError:
        fail(shell, Message("Out of memory. Use a machine with more, or a smaller extent."))
    except OSError as error:
        name = error.filename or Message("a file")
        cannot = Message("`{name}` cannot be used ({reason}). Check it.")
        fail(shell, cannot(name=name, reason=reason_of(error)))
    except Exception as error:
        root: BaseException = error
        while root.__cause__ is not None:  # compiled code that Ctrl-C passes names each function
            root = root.__cause__
        if isinstance(root, KeyboardInterrupt):
            fail(shell, INTERRUPTION, INTERRUPTED)
        click.echo(safe(traceback.format_exc()), err=True)
        fail(shell, Message("This is a bug; please report the lines above."), BUG)
    sys.exit(code if isinstance(code, int) and code else int(shell.nothing_placed))


@contextmanager
def _spoken(shell: Shell) -> Iterator[None]:
    """Speak the language of the shell; click looks its own sentences up by gettext's rules."""
    compile_catalogues()
    gettext.bindtextdomain("click", str(LOCALE))
    gettext.textdomain("click")
    before = os.environ.get("LANGUAGE")
    with speaking(shell.lang, at_shell=True):
        os.environ["LANGUAGE"] = shell.lang
        try:
            yield
        finally:
            gettext.textdomain("messages")
            os.environ.pop("LANGUAGE")
            os.environ.update({} if before is None else {"LANGUAGE": before})


_ARENAS, _MAPPED_FROM, _TRIM_FROM = (-8, 1), (-3, 1 << 22), (-1, 1 << 22)  # as malloc.h has them


def _spare_memory() -> None:
    """Look for circles of garbage seldom, and hand memory back once it is free."""
    gc.set_threshold(50_000)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform == "linux":
        import ctypes

        tune = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc alone has it
        for setting in (_ARENAS, _MAPPED_FROM, _TRIM_FROM):
            if tune is not None:
                tune(*setting)


def _end_alike() -> None:
    """Let SIGTERM end a command as Ctrl-C does, and let neither undo one that is done."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.default_int_handler)
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
        atexit.register(signal.signal, signal.SIGTERM, signal.SIG_IGN)


def fail(shell: Shell, message: object, code: int = UNUSABLE) -> NoReturn:
    """Print one line with its cure, and end with an exit code."""
    line = safe(" ".join(str(message).split()))
    if shell.json and code == UNUSABLE:
        with suppress(OSError):  # it may be the output that is full
            shell.emit_json({"schema": "gridmap.error/1", "error": line})
    click.echo(f"gridmap: {line}", err=True)
    sys.exit(code)


def _usage(shell: Shell, error: click.ClickException) -> NoReturn:
    if not shell.json and isinstance(error, click.UsageError) and error.ctx is not None:
        usage = " ".join(error.ctx.command.collect_usage_pieces(error.ctx))
        name = error.ctx.command_path
        click.echo(
            tr("Usage: {name} {usage}\nHelp: {name} --help", name=name, usage=usage), err=True
        )
    fail(shell, error.format_message())


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
        shell = ctx.ensure_object(Shell)
        if value is not None and value is not False:
            setattr(shell, name, value)
        if name == "lang" and value is not None:
            speak(value)
            os.environ["LANGUAGE"] = value
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


class Command(click.Command):
    """A command that describes itself in the language spoken."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, unless an output cannot be written or is an input as well."""
        _keep_apart(self.params, ctx.params)
        overwrite = ctx.params.get("overwrite", False)
        for parameter in self.params:
            output = ctx.params.get(parameter.name or "")
            unwritten = parameter.name == "output" and ctx.params.get("dry_run")
            if isinstance(parameter.type, Output) and output is not None and not unwritten:
                parameter.type.check(output, overwrite=overwrite)
        return super().invoke(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help with its words looked up."""
        click.Command.format_help(translated(self), ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete options, their help looked up."""
        return click.Command.shell_complete(translated(self), ctx, incomplete)


def _keep_apart(parameters: Iterable[click.Parameter], values: dict[str, Any]) -> None:
    """Refuse an output that is an input as well, or another output, by whatever name."""
    written: list[str] = []
    read: list[str] = []
    for parameter in parameters:
        given = values.get(parameter.name or "")
        names = [os.fspath(one) for one in (given if isinstance(given, (tuple, list)) else [given])
                 if isinstance(one, (str, Path))]  # fmt: skip
        if isinstance(parameter.type, Output):
            written += names
        else:  # a column may be called as a folder is
            option = isinstance(parameter, click.Option)
            read += [name for name in names if not (option and os.path.isdir(name))]
    for number, output in enumerate(written):
        for name in (*written[:number], *read):
            if _same_place(output, name) or (
                name in written and os.path.realpath(name) == os.path.realpath(output)
            ):
                raise InputError(
                    "`{output}` would be written over `{name}`, which this command reads or "
                    "writes too. Choose another name.",
                    output=output,
                    name=name,
                )


_SHAPE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def _same_place(output: str, name: str) -> bool:
    """Tell whether a name (FILE, FILE:LAYER, ARCHIVE/MEMBER) is of the file to be written."""
    if "://" in output or output == "-":
        return output == name != "-"
    made = [Path(output)]
    if made[0].suffix.lower() in _SHAPE_PARTS:
        made = [made[0].with_suffix(part) for part in _SHAPE_PARTS]
    for read in (Path(name), Path(name.rpartition(":")[0] or name)):
        for one, place in product(made, (read, *(p for p in read.parents if p.is_file()))):
            if one.exists() and place.exists() and one.samefile(place):
                return True
    return False


# A line of help that ends within Chinese goes on without a space.
_WITHIN_CHINESE = re.compile("(?<=[\u3001-\u9fff\uff01-\uff60])\n(?=[\u3001-\u9fff\uff01-\uff60])")


def translated(command: Described) -> Described:
    """Return a copy of a command whose own words are in the language spoken."""
    said = copy(command)
    said.help = _WITHIN_CHINESE.sub("", tr(cleandoc(command.help or "")))
    said.params = [copy(parameter) for parameter in command.params]
    said._help_option = None  # click words it anew
    for parameter in said.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = tr(parameter.help)
    return said


def declaring_option(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return the callback of an option that holds for all readers of the command."""

    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
        if value is not None:
            from gridmap.io.declared import declare

            declare(**{name: value})
        return value

    return callback


@contextmanager
def _undeclared() -> Iterator[None]:
    """Forget, at the end of a command, what was declared of its inputs."""
    try:
        yield
    finally:
        declared = sys.modules.get("gridmap.io.declared")
        if declared is not None:
            declared.forget()


encoding_option = click.option(
    "--encoding", metavar="NAME", expose_value=False, callback=declaring_option("encoding"),
    help="Encoding of texts and attributes that do not tell it, as gb18030, big5 or cp1252.",
)  # fmt: skip


def command(
    *, reads: bool = True, **settings: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command, which also takes the global options behind its own name.

    One that reads files of others takes --encoding too.
    """
    context = {"help_option_names": ["-h", "--help"], "show_default": True}

    def declare(function: Callable[..., Any]) -> click.Command:
        declared = lang_option(quiet_option(encoding_option(function) if reads else function))
        return click.command(cls=Command, context_settings=context, **settings)(declared)

    return declare


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json, which also turns errors into JSON."""
    return click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=_set("json"),
        help="One JSON document on stdout.",
    )(function)  # fmt: skip


class Output(click.ParamType):  # type: ignore[type-arg]
    """A file to write, or a table of a database; with `folder` perhaps a folder."""

    name = "output"

    def __init__(self, *, folder: bool = False) -> None:
        self.folder = folder

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Keep the URL of a database as it is; an empty name is none."""
        from gridmap.io.source import names_database

        if not str(value):
            self.fail(tr("the name is empty. Name a file."), param, ctx)
        return str(value) if names_database(value) else Path(value)

    def check(self, output: Path | str, *, overwrite: bool, endings: Iterable[str] = ("",)) -> None:
        """Refuse an output that exists or cannot be written, before any work is done."""
        from gridmap.io.atomic import check_writable

        if isinstance(output, str):
            from gridmap.io.postgis import check_free

            check_free(output, overwrite=overwrite, endings=endings)
        elif not self.folder:
            check_writable(output, overwrite=overwrite)


class GridOutput(Output):
    """A grid file to write, or the tables of one."""

    def check(self, output: Path | str, *, overwrite: bool, endings: Iterable[str] = ()) -> None:
        """Refuse an output that cannot become a grid file, before any work is done."""
        from gridmap.io.gridfile import EXTRA_TABLE, PARTS, check_name

        check_name(output)
        endings = [f"_{name}" for name in (*PARTS, EXTRA_TABLE)]
        super().check(output, overwrite=overwrite, endings=endings)


class FileOutput(Output):
    """A file to write, which is no table of a database."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Refuse the address of a database, which would be taken for the name of a file."""
        from gridmap.io.source import names_database

        if names_database(str(value)):
            self.fail(tr("this command writes a file, not to a database."), param, ctx)
        return Path(super().convert(value, param, ctx))


class PageOutput(FileOutput):
    """A page to write."""

    def check(self, output: Path | str, *, overwrite: bool, endings: Iterable[str] = ()) -> None:
        """Refuse a name that no browser would open as a page, too."""
        from gridmap.maps.offline import check_page

        check_page(output)
        super().check(output, overwrite=overwrite)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace existing output.")
crs_option = click.option(
    "--crs", metavar="EPSG:N", help="CRS of input files that do not say their own."
)
