"""Read layers, tables and grids from PostgreSQL with PostGIS."""

from __future__ import annotations

import importlib
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap.errors import InputError
from gridmap.io.database import ROW, connected, existing, hold, table_of
from gridmap.io.grid_tables import LAYERS, TABLES
from gridmap.io.source import Source
from gridmap.language import Message


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
    with connected(source) as connection:
        name = existing(connection, source)
        return _read_shaped(connection, name, source)


def is_shaped(source: Source) -> bool:
    """Tell whether a table has geometries."""
    with connected(source) as connection:
        return bool(_shapes(connection, existing(connection, source)))


def read_database_table(source: Source) -> pd.DataFrame:
    """Read a table without its geometries."""
    with connected(source) as connection:
        name = existing(connection, source)
        shapes = [column for column, _ in _shapes(connection, name)]
        return _select(connection, name, shapes, as_bytes=False).drop(columns=shapes)


def read_grid_tables(source: Source) -> dict[str, pd.DataFrame]:
    """Read the parts of a grid that `write_grid_tables` wrote, as they are at one moment."""
    schema, base = table_of(source)
    names = {part: (schema, f"{base}_{part}") for part in (*LAYERS, *TABLES)}
    with connected(source) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        hold(connection, list(names.values()), source)
        return {
            part: _read_shaped(connection, name, source)
            if part in LAYERS
            else _select(connection, name, [], as_bytes=False)
            for part, name in names.items()
        }


def _shapes(connection: Any, name: tuple[str, str]) -> list[tuple[str, int]]:
    """Return the columns of geometries with their SRID; none where there is no PostGIS."""
    if connection.execute("SELECT to_regclass('geometry_columns')").fetchone()[0] is None:
        return []
    query = (
        "SELECT f_geometry_column, srid FROM geometry_columns "
        "WHERE f_table_schema = %s AND f_table_name = %s ORDER BY 1"
    )
    return [(str(column), int(srid)) for column, srid in connection.execute(query, name)]


def _read_shaped(connection: Any, name: tuple[str, str], source: Source) -> gpd.GeoDataFrame:
    shapes = _shapes(connection, name)
    if len(shapes) != 1:
        found = [column for column, _ in shapes] or Message("none")
        raise InputError(
            "Table {name!r} of `{source}` must have one column of geometries, but has "
            "{found}. Make a view with one.",
            name=name[1],
            source=source.name,
            found=found,
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
    ordered = sql.SQL(" ORDER BY {}").format(sql.Identifier(ROW))
    text = sql.SQL("SELECT {} FROM {}{}").format(
        sql.SQL(", ").join(wanted),
        sql.Identifier(*name),
        ordered if any(c == ROW for c, _ in columns) else sql.SQL(""),
    )
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(text).fetchall()
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    data = {
        c: _typed(list(v), kind) for (c, kind), v in zip(columns, values, strict=True) if c != ROW
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
