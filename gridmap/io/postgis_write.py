"""Write layers, tables, grids and streams to PostgreSQL with PostGIS, each in one transaction."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import shapely

from gridmap._checks import label
from gridmap.errors import InputError
from gridmap.io.batches import geometry_of
from gridmap.io.database import ROW, connected, exists, table_of
from gridmap.io.source import Source, find_source
from gridmap.io.text import plain_table
from gridmap.io.writers import Batches, Writer

_NAME_BYTES = 63
_TYPES = {"i": "bigint", "u": "bigint", "f": "double precision", "b": "boolean", "M": "timestamp"}


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


def incident_writer(url: str, *, overwrite: bool = False) -> Writer:
    """Return what writes batches of incidents, with their points, as one table in one transaction.

    Parameters
    ----------
    url : str
        A database with ``?table=``.
    overwrite : bool
        Whether an existing table may be replaced.
    """
    source = find_source(url)

    def write(batches: Batches, schema: pa.Schema, _: Any, crs: Any) -> None:
        geometry, code = geometry_of(schema), _epsg(crs)
        kinds = {
            field.name: f"geometry(Geometry, {code})"
            if field.name == geometry
            else _arrow_type(field.type)
            for field in schema
        }
        with connected(source) as connection:
            name = table_of(source)
            _make_room(connection, name, overwrite)
            rows = (row for batch in batches for row in _rows(batch, geometry, code))
            _fill(connection, name, kinds, rows, geometry)

    return write


def check_free(url: str, *, overwrite: bool = False, endings: Iterable[str] = ("",)) -> None:
    """Refuse a database that cannot be reached, or a table that exists, before any work is done."""
    source = find_source(url)
    schema, table = table_of(source)
    with connected(source) as connection:
        for ending in endings:
            if not overwrite and exists(connection, (schema, table + ending)):
                raise _taken((schema, table + ending))


def _write(source: Source, frames: Mapping[str, pd.DataFrame], overwrite: bool) -> None:
    schema, table = table_of(source)
    with connected(source) as connection:
        for ending, frame in frames.items():
            name = (schema, f"{table}{ending}")
            _make_room(connection, name, overwrite)
            _create(connection, name, frame)


def _make_room(connection: Any, name: tuple[str, str], overwrite: bool) -> None:
    """Drop a table that is to be replaced; others see it until the transaction ends."""
    if not exists(connection, name):
        return
    if not overwrite:
        raise _taken(name)
    sql = importlib.import_module("psycopg.sql")
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(*name)))


def _taken(name: tuple[str, str]) -> InputError:
    return InputError(
        "Table {name} exists already. Add --overwrite, or choose another name.", name=".".join(name)
    )


def _create(connection: Any, name: tuple[str, str], frame: pd.DataFrame) -> None:
    shape = getattr(frame, "_geometry_column_name", None)
    kinds = {str(c): _shape_type(frame) if c == shape else _column_type(frame[c]) for c in frame}
    columns = [_values(frame, c, c == shape) for c in frame]
    _fill(connection, name, kinds, zip(*columns, strict=True), shape)


def _fill(
    connection: Any,
    name: tuple[str, str],
    kinds: Mapping[str, str],
    rows: Iterable[tuple[Any, ...]],
    shape: str | None,
) -> None:
    """Make a table, copy rows into it in order, and index its geometries."""
    sql = importlib.import_module("psycopg.sql")
    long = [column for column in kinds if len(column.encode()) > _NAME_BYTES]
    if long:
        raise InputError(
            "A database keeps names of {name_bytes} {name_bytes:byte|bytes}; {long} would "
            "be cut. Rename the columns.",
            name_bytes=_NAME_BYTES,
            long=[*long],
        )
    if shape is not None:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    definition = [sql.SQL("{} bigint PRIMARY KEY").format(sql.Identifier(ROW))]
    definition += [
        sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL(kind)) for c, kind in kinds.items()
    ]
    table = sql.Identifier(*name)
    connection.execute(
        sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(definition))
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy,
    ):
        for number, row in enumerate(rows):
            copy.write_row((number, *row))
    if shape is not None:
        index = sql.SQL("CREATE INDEX ON {} USING gist ({})")
        connection.execute(index.format(table, sql.Identifier(shape)))


def _shape_type(frame: gpd.GeoDataFrame) -> str:
    kinds = set(frame.geometry.geom_type.dropna())
    return f"geometry({kinds.pop() if len(kinds) == 1 else 'Geometry'}, {_epsg(frame.crs)})"


def _epsg(crs: Any) -> int:
    code = crs.to_epsg() if crs is not None else None
    if code is None:
        raise InputError(
            "A database keeps only CRSs with an EPSG code, not {crs}. Transform the layer first.",
            crs=label(crs),
        )
    return int(code)


def _arrow_type(kind: pa.DataType) -> str:
    """Return the type of a column for values of an Arrow type; text for what has none."""
    for tells, name in (
        (pa.types.is_integer, "bigint"),
        (pa.types.is_floating, "double precision"),
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_date, "date"),
    ):
        if tells(kind):
            return "timestamptz" if name == "timestamp" and kind.tz else name
    return "text"


def _rows(batch: pa.RecordBatch, geometry: str | None, code: int) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a batch as Python values, geometries as hexadecimal EWKB."""
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == geometry:
            columns.append(_ewkb(shapely.from_wkb(column.to_numpy(zero_copy_only=False)), code))
        elif _arrow_type(column.type) == "text" and not pa.types.is_string(column.type):
            columns.append([None if v is None else str(v) for v in column.to_pylist()])
        else:
            columns.append(column.to_pylist())
    return zip(*columns, strict=True)


def _ewkb(geometry: Any, code: int) -> list[Any]:
    return list(shapely.to_wkb(shapely.set_srid(geometry, code), hex=True, include_srid=True))


def _column_type(values: pd.Series) -> str:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return "timestamptz"
    return _TYPES.get(getattr(values.dtype, "kind", "O"), "text")


def _values(frame: pd.DataFrame, column: Any, shape: bool) -> list[Any]:
    """Return a column as Python values, None for nothing, geometries as hexadecimal EWKB."""
    if shape:
        return _ewkb(frame.geometry.to_numpy(), _epsg(frame.crs))
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
