"""Look at a GeoPackage as the SQLite database it is, before GDAL trusts it.

GDAL reads what it can of a damaged database and skips the rest; some damage to the schema makes it
crash. SQLite itself tells.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from gridmap.errors import InputError
from gridmap.io.source import Source, unreadable

_SUFFIXES = (".gpkg", ".sqlite")


def check_schema(source: Source) -> None:
    """Refuse a database whose list of tables is damaged.

    Raises
    ------
    InputError
        When SQLite cannot read it.
    """
    with _opened(source) as database:
        if database is not None:
            database.execute("SELECT count(*), sum(length(sql)) FROM sqlite_master").fetchall()


def check_table(source: Source, table: str) -> None:
    """Refuse a database in which the pages of a table are damaged, so that rows would be missing.

    Raises
    ------
    InputError
        When they are.
    """
    with _opened(source) as database:
        if database is None:
            return
        name = table.replace('"', '""')
        found = database.execute(f'PRAGMA quick_check("{name}")').fetchone()
        if found is not None and found[0] != b"ok":
            reason = found[0].decode(errors="replace").replace("\n", " ")
            raise InputError(
                f"`{source.name}` is a damaged database ({reason[:120]}). Ask for the file again."
            )


@contextmanager
def _opened(source: Source) -> Iterator[sqlite3.Connection | None]:
    """Yield a read-only connection; None where SQLite is not needed or cannot look."""
    if source.suffix not in _SUFFIXES or source.member is not None:
        yield None
        return
    try:
        database = sqlite3.connect(f"file:{quote(str(source.path.absolute()))}?mode=ro", uri=True)
    except sqlite3.OperationalError:  # in a folder where it may make no journal, say
        yield None
        return
    database.text_factory = bytes
    try:
        yield database
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if "unable to open" not in str(error):
            raise unreadable(source.name, error) from error
    finally:
        database.close()
