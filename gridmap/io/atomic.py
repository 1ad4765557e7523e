"""Write a file whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gridmap.errors import InputError, reason_of


@contextmanager
def replacing(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends well.

    Parameters
    ----------
    path : path
        The file to make. Its folder must exist.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    Path
        A path of the same name in a temporary folder beside `path`.

    Raises
    ------
    InputError
        When the file exists, or its folder is missing or cannot be written; when a grid file
        would give way to something else, as its units and retired codes would be lost.
    """
    path = Path(path)
    check_writable(path, overwrite=overwrite)
    try:
        folder = tempfile.TemporaryDirectory(dir=path.parent, prefix=".gridmap-")
    except OSError as error:
        raise InputError(
            "`{parent}` cannot be written ({error}). Choose another folder.",
            parent=path.parent,
            error=reason_of(error),
        ) from error
    with folder as name:
        temporary = Path(name) / path.name
        try:
            yield temporary
            _flush(temporary)
            if _holds_grid(path) and not _holds_grid(temporary):
                raise InputError(
                    "`{path}` holds a grid with its units and retired codes, which are never "
                    "written over. Choose another name.",
                    path=path,
                )
            os.replace(temporary, path)
        except OSError as error:
            raise InputError(
                "`{path}` could not be written ({error}). Nothing was changed; free some "
                "space or choose another folder.",
                path=path,
                error=reason_of(error),
            ) from error


def check_writable(path: str | Path, *, overwrite: bool = False) -> None:
    """Refuse an output that exists or has no folder to lie in, before any work is done."""
    path = Path(path)
    if path.is_dir():
        raise InputError("`{path}` is a folder. Name a file in it.", path=path)
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
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())
