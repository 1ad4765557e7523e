"""Layers, tables and grids in PostgreSQL with PostGIS, each written in one transaction."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import label
from gridmap.errors import InputError
from gridmap.io.gridparts import LAYERS, TABLES
from gridmap.io.plain import plain_table
from gridmap.io.source import Source, find_source, without_password

_ROW = "gridmap_row"  # keeps the order of the rows
_WAIT = 10  # seconds for a connection
_TYPES = {"i": "bigint", "u": "bigint", "f": "double precision", "b": "boolean", "M": "timestamp"}


def read_postgis(source: Source) -> gpd.GeoDataFrame:
    """Read a table with geometries, in the order it was written.

    Parameters
    ----------
    source : Source
        A database with ``?table=``; the name of a grid stands for its cells.

    Returns
    -------
    GeoDataFrame

    Raises
    ------
    InputError
        When the database cannot be reached, or has no such table with geometries.
    """
    with _connected(source) as connection:
        name = _existing(connection, source)
        return _read_shaped(connection, name, source)


def read_database_table(source: Source) -> pd.DataFrame:
    """Read a table without its geometries."""
    with _connected(source) as connection:
        name = _existing(connection, source)
        shapes = [column for column, _ in _shapes(connection, name)]
        return _select(connection, name, shapes, as_bytes=False).drop(columns=shapes)


def write_postgis(frame: gpd.GeoDataFrame, url: str, *, overwrite: bool = False) -> None:
    """Write a layer as one table, in one transaction.

    Parameters
    ----------
    frame : GeoDataFrame
        With a CRS that has an EPSG code.
    url : str
        A database with ``?table=``.
    overwrite : bool
        Whether an existing table may be replaced. Until the new one is whole the old one stays.
    """
    if frame.index.name is not None:
        frame = frame.reset_index(drop=frame.index.name in frame.columns)
    _write(find_source(url), {"": frame}, overwrite)


def write_database_table(frame: pd.DataFrame, url: str, *, overwrite: bool = False) -> None:
    """Write a table without geometry, in one transaction."""
    _write(find_source(url), {"": plain_table(frame)}, overwrite)


def write_grid_tables(
    parts: Mapping[str, pd.DataFrame], url: str, *, overwrite: bool = False
) -> None:
    """Write the parts of a grid as tables that begin with the name in ``?table=``, or none."""
    ordered = {f"_{name}": frame for name, frame in parts.items()}
    _write(find_source(url), ordered, overwrite)


def read_grid_tables(source: Source) -> dict[str, pd.DataFrame]:
    """Read the parts of a grid that `write_grid_tables` wrote, as they are at one moment."""
    schema, base = _name(source)
    names = {part: (schema, f"{base}_{part}") for part in (*LAYERS, *TABLES)}
    with _connected(source) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _hold(connection, list(names.values()), source)
        return {
            part: _read_shaped(connection, name, source)
            if part in LAYERS
            else _select(connection, name, [], as_bytes=False)
            for part, name in names.items()
        }


def _psycopg() -> Any:
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise InputError(
            "Databases need the package psycopg. Install it: `pip install gridmap-gis[postgis]`."
        ) from error


@contextmanager
def _connected(source: Source) -> Iterator[Any]:
    """Yield a connection; what was written is kept only when the block ends well."""
    psycopg = _psycopg()
    try:
        with psycopg.connect(source.url, connect_timeout=_WAIT) as connection:
            yield connection
    except psycopg.Error as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(
            f"The database {without_password(source.url or '')} failed: {reason.rstrip('.')}. "
            "Check its address, your rights and the table; nothing was changed."
        ) from error


def _name(source: Source) -> tuple[str, str]:
    """Return schema and table."""
    if not source.layer:
        raise InputError(
            f"`{source.name}` names no table. Add `?table=NAME` or `?table=SCHEMA.NAME`."
        )
    schema, _, table = source.layer.rpartition(".")
    return schema or "public", table


def _exists(connection: Any, name: tuple[str, str]) -> bool:
    query = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    return connection.execute(query, name).fetchone() is not None


def _hold(connection: Any, names: list[tuple[str, str]], source: Source) -> None:
    """Keep others from replacing tables while they are read."""
    sql = importlib.import_module("psycopg.sql")
    listed = sql.SQL(", ").join(sql.Identifier(*name) for name in names)
    try:
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(listed))
    except _psycopg().errors.UndefinedTable as error:
        raise InputError(
            f"`{source.name}` is no grid: {str(error).splitlines()[0]}. "
            "Write one there with `gridmap partition -o`."
        ) from error


def _existing(connection: Any, source: Source) -> tuple[str, str]:
    name = _name(source)
    for candidate in (name, (name[0], f"{name[1]}_cells")):
        if _exists(connection, candidate):
            _hold(connection, [candidate], source)
            return candidate
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
    found = [row[0] for row in connection.execute(query, [name[0]]).fetchall()]
    raise InputError(
        f"`{source.name}` has no table {name[1]!r} in schema {name[0]!r}; "
        f"there {'is ' + ', '.join(found[:20]) if found else 'is none'}."
    )


def _shapes(connection: Any, name: tuple[str, str]) -> list[tuple[str, int]]:
    """Return the columns of geometries with their SRID."""
    query = (
        "SELECT f_geometry_column, srid FROM geometry_columns "
        "WHERE f_table_schema = %s AND f_table_name = %s ORDER BY 1"
    )
    return [(str(column), int(srid)) for column, srid in connection.execute(query, name)]


def _read_shaped(connection: Any, name: tuple[str, str], source: Source) -> gpd.GeoDataFrame:
    shapes = _shapes(connection, name)
    if len(shapes) != 1:
        found = ", ".join(column for column, _ in shapes) or "none"
        raise InputError(
            f"Table {name[1]!r} of `{source.name}` must have one column of geometries, but has "
            f"{found}. Make a view with one."
        )
    column, srid = shapes[0]
    frame = _select(connection, name, [column], as_bytes=True)
    geometry = shapely.from_wkb(frame.pop(column).to_numpy())
    crs = f"EPSG:{srid}" if srid else None
    return gpd.GeoDataFrame(frame, geometry=geometry, crs=crs)


def _select(
    connection: Any, name: tuple[str, str], shapes: list[str], *, as_bytes: bool
) -> pd.DataFrame:
    sql = importlib.import_module("psycopg.sql")
    query = (
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
    )
    columns = [(str(c), str(kind)) for c, kind in connection.execute(query, name).fetchall()]
    wanted = [
        sql.SQL("ST_AsBinary({})").format(sql.Identifier(c))
        if c in shapes and as_bytes
        else sql.SQL("NULL").format()
        if c in shapes
        else sql.Identifier(c)
        for c, _ in columns
    ]
    ordered = sql.SQL(" ORDER BY {}").format(sql.Identifier(_ROW))
    text = sql.SQL("SELECT {} FROM {}{}").format(
        sql.SQL(", ").join(wanted),
        sql.Identifier(*name),
        ordered if any(c == _ROW for c, _ in columns) else sql.SQL(""),
    )
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(text).fetchall()
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    data = {
        c: _typed(list(v), kind) for (c, kind), v in zip(columns, values, strict=True) if c != _ROW
    }
    return pd.DataFrame(data, index=pd.RangeIndex(len(rows)))


def _typed(values: list[Any], kind: str) -> Any:
    if kind in ("bigint", "integer", "smallint") and None not in values:
        return np.array(values, dtype=np.int64)
    if kind in ("bigint", "integer", "smallint", "double precision", "real", "numeric"):
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    if kind == "boolean" and None not in values:
        return np.array(values, dtype=bool)
    if kind.startswith("timestamp") or kind == "date":
        return pd.to_datetime(pd.Series(values, dtype=object)).astype("datetime64[us]")
    if kind in ("text", "character varying", "character"):
        return pd.array(values, dtype="str")
    return pd.Series(values, dtype=object)


def _write(source: Source, frames: Mapping[str, pd.DataFrame], overwrite: bool) -> None:
    schema, table = _name(source)
    with _connected(source) as connection:
        for ending, frame in frames.items():
            name = (schema, f"{table}{ending}")
            if _exists(connection, name):
                if not overwrite:
                    raise InputError(
                        f"Table {'.'.join(name)} exists already. Add --overwrite, or choose "
                        "another name."
                    )
                _run(connection, "DROP TABLE {}", name)
            _create(connection, name, frame)


def _run(connection: Any, text: str, name: tuple[str, str]) -> None:
    sql = importlib.import_module("psycopg.sql")
    connection.execute(sql.SQL(text).format(sql.Identifier(*name)))


def _create(connection: Any, name: tuple[str, str], frame: pd.DataFrame) -> None:
    sql = importlib.import_module("psycopg.sql")
    shape = getattr(frame, "_geometry_column_name", None)
    kinds = {c: _shape_type(frame) if c == shape else _column_type(frame[c]) for c in frame}
    if shape is not None:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    definition = [sql.SQL("{} bigint PRIMARY KEY").format(sql.Identifier(_ROW))]
    definition += [
        sql.SQL("{} {}").format(sql.Identifier(str(c)), sql.SQL(kind)) for c, kind in kinds.items()
    ]
    connection.execute(
        sql.SQL("CREATE TABLE {} ({})").format(
            sql.Identifier(*name), sql.SQL(", ").join(definition)
        )
    )
    columns = [_values(frame, c, c == shape) for c in frame]
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(*name))) as copy,
    ):
        for number, row in enumerate(zip(*columns, strict=True)):
            copy.write_row((number, *row))
    if shape is not None:
        connection.execute(
            sql.SQL("CREATE INDEX ON {} USING gist ({})").format(
                sql.Identifier(*name), sql.Identifier(shape)
            )
        )


def _shape_type(frame: gpd.GeoDataFrame) -> str:
    code = frame.crs.to_epsg() if frame.crs is not None else None
    if code is None:
        raise InputError(
            f"A database keeps only CRSs with an EPSG code, not {label(frame.crs)}. "
            "Transform the layer first."
        )
    kinds = set(frame.geometry.geom_type.dropna())
    return f"geometry({kinds.pop() if len(kinds) == 1 else 'Geometry'}, {code})"


def _column_type(values: pd.Series) -> str:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return "timestamptz"
    return _TYPES.get(getattr(values.dtype, "kind", "O"), "text")


def _values(frame: pd.DataFrame, column: Any, shape: bool) -> list[Any]:
    """Return a column as Python values, None for nothing, geometries as hexadecimal EWKB."""
    if shape:
        geometry = frame.geometry.to_numpy()
        coded = shapely.set_srid(geometry, frame.crs.to_epsg())
        return list(shapely.to_wkb(coded, hex=True, include_srid=True))
    values = frame[column]
    kind = _column_type(values)
    if kind == "double precision":
        return [None if v != v else v for v in values.tolist()]
    nothing = values.isna().tolist()
    as_text = kind == "text"
    return [
        None if missing else str(v) if as_text else v
        for v, missing in zip(values.tolist(), nothing, strict=True)
    ]
