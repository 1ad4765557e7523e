"""Write a file whole or not at all, never through a link, with the mode it should have."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gridmap.errors import InputError

_YOUNG = 60.0
"""Seconds for which a folder may be made and not locked yet."""
STDOUT = ("-", "/dev/stdout", "/dev/fd/1")
"""Names of the standard output."""


class Batch(NamedTuple):
    """Outputs that appear together, whole in temporary places until all of them are.

    Attributes
    ----------
    folders : ExitStack
        Keeps the temporary folders.
    kept : ExitStack
        Transactions of databases, which end once the files have come to their places.
    files : list of tuple
        Each finished file, its place, and whether what is there may be replaced.
    """

    folders: ExitStack
    kept: ExitStack
    files: list[tuple[Path, Path, bool]]


_batch: ContextVar[Batch | None] = ContextVar("batch", default=None)


@contextmanager
def together() -> Iterator[None]:
    """Let all outputs that the block writes appear when it ends well, or none of them."""
    with batched() as batch:
        before = _batch.set(batch)
        try:
            yield
        finally:
            _batch.reset(before)


@contextmanager
def batched() -> Iterator[Batch]:
    """Yield what an output appears together with: what `together` holds, else itself alone."""
    if (batch := _batch.get()) is not None:
        yield batch
        return
    with ExitStack() as folders, ExitStack() as undone:
        with ExitStack() as kept:
            yield (batch := Batch(folders, kept, []))
            for part, path, _ in batch.files:
                if is_stream(path):
                    _pour(part, path)
            with uninterrupted():
                for part, path, overwrite in batch.files:
                    if not is_stream(path):
                        undo = _undoing(part, path)
                        _install(part, path, overwrite)
                        undone.callback(undo)
        undone.pop_all()


@contextmanager
def replacing(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends well.

    The mode is that of the file replaced, or what the umask leaves of 0666. Other files that the
    block makes beside the temporary one, as the parts of a Shapefile, come along first. A FIFO and
    the standard output (``-``) get the content once it is whole. Within `together` all wait for
    its end.

    Parameters
    ----------
    path : path
        The file to make. Its folder must exist.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    Path
        A path of the same name in a temporary folder beside `path`, which is removed.

    Raises
    ------
    InputError
        When the file exists, is a link or a device, or its folder is missing or cannot be
        written; when a grid file would give way to something else, as its units and retired codes
        would be lost.
    """
    path = Path(path)
    check_writable(path, overwrite=overwrite)
    stream = is_stream(path)
    with batched() as batch:
        try:
            made = batch.folders.enter_context(scratch(None if stream else path.parent))
        except OSError as error:
            raise InputError(
                "`{parent}` cannot be written ({strerror}). Choose another folder.",
                parent=path.parent,
                strerror=error.strerror,
            ) from error
        name = f"{path.name.lstrip('-') or 'stdout'}.csv" if stream else path.name
        temporary = Path(made, name)
        with _writing(path):
            yield temporary
            if _holds_grid(path) and not _holds_grid(temporary):
                raise InputError(
                    "`{path}` holds a grid with its units and retired codes, which are never "
                    "written over. Choose another name.",
                    path=path,
                )
            for part in sorted(temporary.parent.iterdir(), key=lambda p: (p == temporary, p.name)):
                place = path if part == temporary else path.parent / part.name
                if not stream:
                    os.chmod(part, _mode(place, part.parent))
                    _flush(part)
                batch.files.append((part, place, overwrite))


@contextmanager
def scratch(beside: Path | None) -> Iterator[str]:
    """Yield a temporary folder, locked while it is used; those of killed runs are cleared away.

    One that holds an old folder, moved aside when the run was killed, is kept.
    """
    for left in beside.glob(".gridmap-????????.part") if beside is not None else ():
        with suppress(OSError, ImportError), _lock(left):  # which nobody holds any longer
            aged = time.time() - left.stat().st_mtime > _YOUNG
            if aged and not (left / "old").exists():
                shutil.rmtree(left, ignore_errors=True)
    made = tempfile.TemporaryDirectory(dir=beside, prefix=".gridmap-", suffix=".part")
    with made as name, ExitStack() as held:
        with suppress(OSError, ImportError):  # a file system or a system without locks
            held.enter_context(_lock(Path(name)))
        yield name


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell in one line what kept a file from being written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            "`{path}` could not be written ({strerror}). Nothing was changed; free some "
            "space or choose another folder.",
            path=path,
            strerror=error.strerror or error,
        ) from error


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no signal come between renames: it is answered after them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    old = {one: signal.signal(one, lambda number, _: waiting.append(number))
           for one in (signal.SIGINT, signal.SIGTERM)}  # fmt: skip
    try:
        yield
    finally:
        for one, handler in old.items():
            signal.signal(one, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def check_writable(path: str | Path, *, overwrite: bool = False) -> None:
    """Refuse an output that exists or has no folder to lie in, before any work is done.

    Raises
    ------
    InputError
        When it may not be written, or is a link, a device or a socket.
    """
    path = Path(path)
    if is_stream(path):
        if overwrite:
            raise InputError(
                "`{path}` is written into, never replaced. Leave --overwrite away.", path=path
            )
        return
    if path.is_symlink():
        raise InputError(
            "`{path}` is a link to `{readlink}`, and links are not written through. Name "
            "the file itself.",
            path=path,
            readlink=os.readlink(path),
        )
    if path.is_dir():
        raise InputError("`{path}` is a folder. Name a file in it.", path=path)
    if path.exists() and not path.is_file():
        raise InputError("`{path}` is a device or socket, no file. Choose another name.", path=path)
    if path.exists() and not overwrite:
        raise InputError(
            "`{path}` exists already. Add --overwrite, or choose another name.", path=path
        )
    if not path.parent.is_dir():
        raise InputError("The folder `{parent}` does not exist. Make it first.", parent=path.parent)
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            "`{parent}` may not be written to. Choose another folder.", parent=path.parent
        )


def is_stream(path: str | Path) -> bool:
    """Tell whether an output is the standard output or a FIFO, which takes delimited text."""
    if os.fspath(path) in STDOUT:
        return True
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def output_is_stdout(path: object) -> bool:
    """Tell whether an output is the standard output, so that news go elsewhere."""
    return str(path) in STDOUT


def ending_of(path: str | Path) -> str:
    """Return the ending that tells the format of an output; a stream takes delimited text."""
    return ".csv" if is_stream(path) else Path(path).suffix.lower()


def _pour(whole: Path, path: Path) -> None:
    """Copy a whole file into the standard output or a FIFO."""
    with whole.open("rb") as source:
        if os.fspath(path) in STDOUT:
            sys.stdout.flush()
            shutil.copyfileobj(source, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        with path.open("wb") as target:
            shutil.copyfileobj(source, target)


def _install(part: Path, path: Path, overwrite: bool) -> None:
    """Put a finished file in its place, at once."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError("`{path}` is a link or a device, which is never replaced.", path=path)
    with _writing(path):
        if not overwrite:
            try:
                os.link(part, path)
            except FileExistsError as error:
                raise InputError(
                    "`{path}` exists already. Add --overwrite, or choose another name.", path=path
                ) from error
            except OSError:  # a file system without hard links
                pass
            else:
                return
        os.replace(part, path)


def _undoing(part: Path, path: Path) -> Callable[[], None]:
    """Return what undoes that a finished file takes its place: the old one is kept aside."""
    if not path.is_file():
        return partial(os.unlink, path)
    old = part.with_name(f".old-{part.name}")
    try:
        os.link(path, old)
    except OSError:  # a file system without hard links
        shutil.copy2(path, old)
    return partial(os.replace, old, path)


def _mode(path: Path, folder: Path) -> int:
    """Return the mode of the file to be replaced, else what the umask leaves of 0666."""
    if path.is_file():
        return stat.S_IMODE(path.stat().st_mode)
    probe = folder / ".mode"
    handle = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
        probe.unlink()


def _holds_grid(path: Path) -> bool:
    """Tell whether a file is a grid file."""
    if path.suffix.lower() != ".gpkg" or not path.is_file():
        return False
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'gridmap_metadata'"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as file:
            return bool(file.execute(tables).fetchone()[0])
    except sqlite3.Error:
        return False


def _flush(path: Path) -> None:
    """Bring a file to the disk, so that a power cut after renaming finds it whole."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
