"""A PostgreSQL database as a place: its connection, its tables and their names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gridmap.errors import InputError
from gridmap.io.address import masked
from gridmap.io.source import Source
from gridmap.language import Message

ROW = "gridmap_row"  # keeps the order of the rows
_WAIT = 10  # seconds for a connection


def _psycopg() -> Any:
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise InputError(
            "Databases need the package psycopg. Install it: `pip install gridmap-gis[postgis]`."
        ) from error


@contextmanager
def connected(source: Source) -> Iterator[Any]:
    """Yield a connection; what was written is kept only when the block ends well."""
    psycopg = _psycopg()
    try:
        with psycopg.connect(source.url, connect_timeout=_WAIT) as connection:
            yield connection
    except (psycopg.Error, UnicodeError) as error:  # of an address that is no text
        reason = masked(str(error)).strip().split("\n")[0] or type(error).__name__
        raise InputError(
            "The database {source} failed: {reason}. Check its address, your rights and "
            "the table; nothing was changed.",
            source=source.name,
            reason=reason.rstrip("."),
        ) from None  # whose own text may hold the password


def table_of(source: Source) -> tuple[str, str]:
    """Return schema and table."""
    if not source.layer:
        raise InputError(
            "`{source}` names no table. Add `?table=NAME` or `?table=SCHEMA.NAME`.",
            source=source.name,
        )
    schema, _, table = source.layer.rpartition(".")
    return schema or "public", table


def exists(connection: Any, name: tuple[str, str]) -> bool:
    query = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    return connection.execute(query, name).fetchone() is not None


def hold(connection: Any, names: list[tuple[str, str]], source: Source) -> None:
    """Keep others from replacing tables while they are read."""
    sql = importlib.import_module("psycopg.sql")
    listed = sql.SQL(", ").join(sql.Identifier(*name) for name in names)
    try:
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(listed))
    except _psycopg().errors.UndefinedTable as error:
        raise InputError(
            "`{source}` is no grid: {error}. Write one there with `gridmap partition -o`.",
            source=source.name,
            error=str(error).splitlines()[0],
        ) from error


def existing(connection: Any, source: Source) -> tuple[str, str]:
    name = table_of(source)
    for candidate in (name, (name[0], f"{name[1]}_cells")):
        if exists(connection, candidate):
            hold(connection, [candidate], source)
            return candidate
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
    found = [row[0] for row in connection.execute(query, [name[0]]).fetchall()]
    raise InputError(
        "`{name}` has no table {table!r} in schema {schema!r}; there is {found}.",
        name=source.name,
        table=name[1],
        schema=name[0],
        found=found[:20] or Message("none"),
    )
