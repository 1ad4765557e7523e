"""Write a file whole or not at all, never through a link, with the mode it should have."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gridmap.errors import InputError

STDOUT = ("-", "/dev/stdout", "/dev/fd/1")
"""Names of the standard output."""


@contextmanager
def replacing(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends well.

    The mode is that of the file replaced, or what the umask leaves of 0666. Other files that the
    block makes beside the temporary one, as the parts of a Shapefile, come along first. A FIFO and
    the standard output (``-``) get the content once it is whole.

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
    if is_stream(path):
        with tempfile.TemporaryDirectory(prefix="gridmap-") as name:
            temporary = Path(name, f"{path.name.lstrip('-') or 'stdout'}.csv")
            yield temporary
            _pour(temporary, path)
        return
    try:
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".gridmap-")
    except OSError as error:
        raise InputError(
            "`{parent}` cannot be written ({strerror}). Choose another folder.",
            parent=path.parent,
            strerror=error.strerror,
        ) from error
    with folder as name:
        temporary = Path(name) / path.name
        try:
            yield temporary
            if _holds_grid(path) and not _holds_grid(temporary):
                raise InputError(
                    "`{path}` holds a grid with its units and retired codes, which are never "
                    "written over. Choose another name.",
                    path=path,
                )
            made = sorted(Path(name).iterdir(), key=lambda part: (part == temporary, part.name))
            for part in made:
                _install(part, path.parent / part.name, overwrite or part != temporary)
        except OSError as error:
            raise InputError(
                "`{path}` could not be written ({strerror}). Nothing was changed; free some "
                "space or choose another folder.",
                path=path,
                strerror=error.strerror or error,
            ) from error


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
    """Put a finished file in its place, at once, with the mode of the one it replaces."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError("`{path}` is a link or a device, which is never replaced.", path=path)
    os.chmod(part, _mode(path, part.parent))
    _flush(part)
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
