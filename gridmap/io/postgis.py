"""PostgreSQL with PostGIS: layers, tables and grids, each written in one transaction."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from gridmap._checks import label
from gridmap.errors import InputError
from gridmap.io.address import masked
from gridmap.io.atomic import batched
from gridmap.io.batches import geometry_of
from gridmap.io.excel_write import Batches, Writer
from gridmap.io.source import Source, find_source
from gridmap.io.text import plain_table
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


def names_grid(source: Source) -> bool:
    """Tell whether a name stands for a grid that `write_grid_tables` wrote, and for no table."""
    schema, base = table_of(source)
    with connected(source) as connection:
        kept = exists(connection, (schema, f"{base}_gridmap_metadata"))
        return kept and not exists(connection, (schema, base))


def read_grid_tables(
    source: Source, layers: Sequence[str], tables: Sequence[str], extra: str
) -> dict[str, pd.DataFrame]:
    """Read the parts of a grid that `write_grid_tables` wrote, as they are at one moment.

    The layer `extra` need not be there.
    """
    schema, base = table_of(source)
    names = {part: (schema, f"{base}_{part}") for part in (*layers, *tables)}
    with connected(source) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        hold(connection, list(names.values()), source)
        kept = (schema, f"{base}_{extra}")
        if exists(connection, kept):
            names[extra] = kept
        return {
            part: _read_shaped(connection, name, source)
            if part in (*layers, extra)
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
    parts: Mapping[str, pd.DataFrame | None], url: str, *, overwrite: bool = False
) -> None:
    """Write the parts of a grid as tables that begin with the name in ``?table=``, or none.

    A part that is None must not be there: a table of that name goes.
    """
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
        with batched() as outputs:
            connection = outputs.kept.enter_context(connected(source))
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


def _write(source: Source, frames: Mapping[str, pd.DataFrame | None], overwrite: bool) -> None:
    schema, table = table_of(source)
    with batched() as outputs:
        connection = outputs.kept.enter_context(connected(source))
        for ending, frame in frames.items():
            name = (schema, f"{table}{ending}")
            _make_room(connection, name, overwrite)
            if frame is not None:
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
    kinds = {
        str(c): _shape_type(gpd.GeoSeries(frame[c])) if c == shape else _column_type(frame[c])
        for c in frame
    }
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


def _shape_type(shapes: gpd.GeoSeries) -> str:
    kinds = set(shapes.geom_type.dropna())
    return f"geometry({kinds.pop() if len(kinds) == 1 else 'Geometry'}, {_epsg(shapes.crs)})"


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
