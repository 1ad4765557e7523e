"""What streams: batches of columns, in order, without the foot of a file; and tables of Arrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather
import pyarrow.parquet as pq
import pyogrio
import pyproj
import shapely

from gridmap._arrays import Geometries
from gridmap._checks import check_sound
from gridmap.errors import InputError
from gridmap.io.header import MENTIONS_TOTAL, is_total
from gridmap.io.limits import arrow_size, check_held, parquet_size, rows_at_once
from gridmap.io.source import BROKEN_PARQUET, GDAL_FAILURES, Source, telling
from gridmap.language import Message

ROWS = 1 << 18  # rows of a batch, where the reader can choose
PIECE = 4_000_000  # rows that are worth a task of their own
FOOT = 30  # rows at the end among which totals are looked for
MOST_SEARCHED = 16_000_000  # bytes of a text above which subtotals are looked for at the foot only
GEOMETRY = b"gridmap:geometry"  # marks the column of points in a schema

_TOLD = 5
_SAMPLE = 20  # values by which bytes are known as shapes
_POINT = {"point", "geoarrow.point"}
_ZONE = r"\d(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?$"  # behind the clock
_CALENDAR = ("0001-01-01", "9999-12-31")


class Batch(NamedTuple):
    """Some records, which of them are broken (with the values they have), and how much is read."""

    table: pa.RecordBatch
    broken: dict[int, int]
    done: int


class FileOfPoints(Protocol):
    """A file that can be read more than once, a batch at a time."""

    @property
    def schema(self) -> pa.Schema:
        """Columns, and what is in them."""

    @property
    def crs(self) -> Any:
        """CRS of the geometry; None when there is none."""

    @property
    def size(self) -> int:
        """What `Batch.done` amounts to at the end."""

    @property
    def rows(self) -> int:
        """About how many records there are."""

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""


@dataclass
class WithoutTotals:
    """A streamed text without its blank records, totals and signatures.

    Attributes
    ----------
    file : FileOfPoints
        The table as it is.
    above : list of Message
        What stood above the headings.
    notes : list of Message
        What the last pass left out.
    stated : dict
        How it was read, and how many rows the last pass skipped.
    """

    file: FileOfPoints
    above: list[Message] = field(default_factory=list)
    notes: list[Message] = field(default_factory=list)
    stated: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table."""
        return self.file.schema

    @property
    def crs(self) -> Any:
        """That of the table."""
        return self.file.crs

    @property
    def size(self) -> int:
        """As of the table."""
        return self.file.size

    @property
    def rows(self) -> int:
        """As of the table, its foot included."""
        return self.file.rows

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order, one batch behind the table, so that the last is known."""
        self.notes[:] = self.above
        self.stated["skipped"] = 0
        held: Batch | None = None
        for batch in self.file.batches():
            if held is not None and batch.table.num_rows < FOOT:
                batch = _joined(held, batch)
            elif held is not None:
                yield self._records(held, last=False)
            held = batch
        if held is not None:
            yield self._records(held, last=True)

    def _records(self, batch: Batch, *, last: bool) -> Batch:
        table = batch.table
        suspects: set[int] = set()
        if self.file.size <= MOST_SEARCHED:
            for column in islice(table.columns, 2):
                found = pc.match_substring_regex(column, MENTIONS_TOTAL).fill_null(False)
                suspects.update(pc.indices_nonzero(found).to_pylist())
        if last:
            suspects.update(range(max(0, table.num_rows - FOOT), table.num_rows))
        rows = {at: [column[at].as_py() for column in table.columns] for at in sorted(suspects)}
        out = [at for at, row in rows.items() if is_total(row)]
        self.stated["skipped"] += len(out)
        self._tell([rows[at] for at in out])
        out += is_blank_text(table)
        if not out:
            return batch
        keep = np.ones(table.num_rows, dtype=bool)
        keep[out] = False
        place = np.cumsum(keep) - 1
        broken = {int(place[at]): values for at, values in batch.broken.items() if keep[at]}
        return Batch(table.filter(pa.array(keep)), broken, batch.done)

    def _tell(self, rows: list[list[str | None]]) -> None:
        for row in rows[: max(0, _TOLD + len(self.above) - len(self.notes))]:
            text = " ".join(value for value in row if value)[:120]
            self.notes.append(Message("Left out, being no record: {text}", text=text))


def is_blank_text(table: pa.Table | pa.RecordBatch) -> list[int]:
    """Return the records of a table of texts in which every value is blank."""
    blank: Any = None
    for column in table.columns:
        if pa.types.is_string(column.type):
            empty = pc.is_in(pc.utf8_trim_whitespace(column), value_set=pa.array(["", None]))
        else:
            empty = pc.is_null(column)
        blank = empty if blank is None else pc.and_(blank, empty)
        if not pc.any(blank).as_py():
            return []
    return [] if blank is None else [int(at) for at in pc.indices_nonzero(blank).to_pylist()]


def _joined(first: Batch, second: Batch) -> Batch:
    table = pa.Table.from_batches([first.table, second.table]).combine_chunks().to_batches()[0]
    rows = first.table.num_rows
    moved = {rows + at: values for at, values in second.broken.items()}
    return Batch(table, first.broken | moved, second.done)


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet or GeoParquet file, or a folder of them.

    Points may be WKB, declared in the metadata or not, or GeoArrow.

    Attributes
    ----------
    path : Path
        The file or folder.
    columns : tuple of str, optional
        The only columns to read.
    groups : tuple of int, optional
        The only row groups to read.
    """

    path: Path
    columns: tuple[str, ...] | None = None
    groups: tuple[int, ...] | None = None

    def pieces(self) -> list[ParquetFile]:
        """Return parts of it, each of a file and some of its row groups, that are the whole."""
        parts: list[tuple[Path, list[int]]] = []
        for path in self._files:
            with telling(self.path.name, BROKEN_PARQUET):
                told = pq.read_metadata(path)
            rows = PIECE
            for group in range(told.num_row_groups):
                rows += told.row_group(group).num_rows
                if rows > PIECE:
                    parts.append((path, []))
                    rows = told.row_group(group).num_rows
                parts[-1][1].append(group)
        return [replace(self, path=path, groups=tuple(groups)) for path, groups in parts]

    @cached_property
    def _files(self) -> list[Path]:
        return sorted(self.path.rglob("*.parquet")) if self.path.is_dir() else [self.path]

    @cached_property
    def _stored(self) -> pa.Schema:
        with telling(self.path.name, BROKEN_PARQUET):
            return pq.read_schema(self._files[0])

    @cached_property
    def _geo(self) -> dict[str, Any]:
        """Return the metadata of the geometry: its name, encoding and CRS."""
        if geo := stated_geometry(self._stored, self.path.name):
            return geo
        with telling(self.path.name, BROKEN_PARQUET):
            name = wkb_column(self._stored, self._first)
        return {} if name is None else {"name": name, "encoding": "WKB", "crs": None}

    def _first(self, name: str) -> pa.Array:
        with pq.ParquetFile(self._files[0]) as file:
            return _head(file, name)

    @property
    def streams(self) -> bool:
        """Whether the points are in a form that can be read a batch at a time."""
        return self._geo.get("encoding", "WKB") in {"WKB", *_POINT}

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the first file."""
        schema = self._stored
        if self.columns is not None:
            schema = pa.schema([schema.field(name) for name in self.columns])
        shape = self._geo.get("name")
        plain = pa.schema(
            [f.with_type(pa.binary() if f.name == shape else _flat_type(f.type)) for f in schema]
        )
        return marked(plain, shape)

    @cached_property
    def crs(self) -> Any:
        """As the GeoParquet metadata say; longitude and latitude when they are silent."""
        return geometry_crs(self._geo, self.path.name)

    @cached_property
    def size(self) -> int:
        """Rows."""
        with telling(self.path.name, BROKEN_PARQUET):
            told = [pq.read_metadata(file) for file in self._files]
        if self.groups is not None:
            return sum(told[0].row_group(group).num_rows for group in self.groups)
        return sum(one.num_rows for one in told)

    @property
    def rows(self) -> int:
        """As many records as `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order, without reading ahead."""
        done = 0
        names = None if self.columns is None else list(self.columns)
        with telling(self.path.name, BROKEN_PARQUET):
            for path in self._files:
                rows = rows_at_once(path, ROWS, self.path.name)
                with pq.ParquetFile(path, pre_buffer=False) as file:
                    chosen = {"row_groups": self.groups, "columns": names}
                    for table in file.iter_batches(rows, use_threads=False, **chosen):
                        done += table.num_rows
                        table.validate(full=True)  # bytes that are no text
                        _check_calendar(table)
                        columns = [self._values(table, name) for name in self.schema.names]
                        yield Batch(
                            pa.RecordBatch.from_arrays(columns, schema=self.schema), {}, done
                        )

    def _values(self, table: pa.RecordBatch, name: str) -> pa.Array:
        column = table.column(name)
        if name == self._geo.get("name"):
            return column.cast(pa.binary()) if is_binary(column.type) else points_as_wkb(column)
        return flat_column(column)


@dataclass(frozen=True)
class Layer:
    """A layer that GDAL reads: GeoPackage, GeoJSON, Shapefile and others.

    Attributes
    ----------
    path : str
        What GDAL opens.
    layer : str, optional
        Its name; the first when not given.
    name : str
        What to call the file in an error.
    """

    path: str
    layer: str | None = None
    name: str = ""

    @cached_property
    def _info(self) -> dict[str, Any]:
        with telling(self.name or self.path, GDAL_FAILURES):
            return layer_info(self.path, self.layer)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns, the geometry last."""
        with self._opened() as (meta, reader):
            geometry = meta["geometry_name"] or "wkb_geometry"
            stored = [f.with_type(getattr(f.type, "storage_type", f.type)) for f in reader.schema]
        timed = {name: pa.timestamp("ms", zone or None) for name, zone in self._zones.items()}
        schema = pa.schema([f.with_type(timed.get(f.name, f.type)) for f in stored])
        return marked(schema, geometry if geometry in schema.names else None)

    @cached_property
    def _zones(self) -> dict[str, str]:
        """The one zone of each column of times, empty where none is named; several stay text.

        GDAL calls all times of a GeoPackage UTC and forgets the zones of a FlatGeobuf; what they
        are as text tells, in a pass over these columns.
        """
        kinds = zip(self._info["fields"], self._info["dtypes"], strict=True)
        names = [str(name) for name, kind in kinds if str(kind) == "datetime64[ms]"]
        zones: dict[str, set[str]] = {name: set() for name in names}
        if names:
            with self._opened(columns=names, read_geometry=False) as (_, reader):
                for table in reader:
                    for name in names:
                        found = pc.extract_regex(table.column(name).drop_null(), _ZONE)
                        zones[name].update(pc.unique(found.field("zone")).to_pylist())
        alone = ((name, *found) for name, found in zones.items() if len(found) == 1)
        return {name: "UTC" if zone == "Z" else zone for name, zone in alone}

    @contextmanager
    def _opened(self, **options: Any) -> Iterator[tuple[dict[str, Any], Any]]:
        options |= {"use_pyarrow": True, "datetime_as_string": True}
        with (
            telling(self.name or self.path, GDAL_FAILURES),
            pyogrio.open_arrow(self.path, layer=self.layer, **options) as opened,
        ):
            yield opened

    @cached_property
    def crs(self) -> Any:
        """As the layer says."""
        crs = self._info["crs"]
        return _crs(crs, self.name or self.path) if crs else None

    @property
    def size(self) -> int:
        """Rows, 0 when the driver does not know."""
        return max(int(self._info["features"]), 0)

    @property
    def rows(self) -> int:
        """As many records as `size`."""
        return self.size

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order; refuse a layer that ends before it said.

        Raises
        ------
        InputError
            When it is damaged.
        """
        done = 0
        with self._opened() as (_, reader):
            for table in reader:
                done += table.num_rows
                table.validate(full=True)
                plain = [getattr(column, "storage", column) for column in table.columns]
                columns = [c.cast(k) for c, k in zip(plain, self.schema.types, strict=True)]
                yield Batch(pa.RecordBatch.from_arrays(columns, schema=self.schema), {}, done)
        if done < self.size:
            raise InputError(
                "`{name}` says it has {size:,} {size:feature|features}, but {done:,} can be "
                "read. It is damaged; ask for the file again.",
                name=self.name or self.path,
                size=self.size,
                done=done,
            )


def layer_info(path: str, layer: str | None, encoding: str | None = None) -> dict[str, Any]:
    """Tell what GDAL knows of a layer; its features are counted only where the file is silent."""
    info: dict[str, Any] = pyogrio.read_info(path, layer=layer, encoding=encoding)
    if info["features"] < 0:
        info = pyogrio.read_info(path, layer=layer, encoding=encoding, force_feature_count=True)
    return info


def stated_geometry(schema: pa.Schema, name: str) -> dict[str, Any]:
    """Return what GeoParquet metadata say of the main geometry, with its name; {} for none."""
    with telling(name, BROKEN_PARQUET):
        geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
    match geo:
        case {"primary_column": str(main), "columns": dict(columns)} if main in schema.names:
            stated, kind = columns.get(main), schema.field(main).type
            if isinstance(stated, dict) and (is_binary(kind) or pa.types.is_nested(kind)):
                return {"name": main, "encoding": "WKB", **stated, "alone": len(columns) == 1}
    if geo == {}:
        return {}
    raise InputError(
        "`{name}` is damaged: what it says of its geometry is broken. Ask for the file again, or "
        "export it again.",
        name=name,
    )


def geometry_crs(geo: dict[str, Any], name: str) -> Any:
    """Return the CRS of a geometry: longitude and latitude where its metadata are silent."""
    if not geo or ("crs" in geo and geo["crs"] is None):
        return None
    return _crs(geo.get("crs") or "OGC:CRS84", name)


def _crs(stated: Any, name: str) -> pyproj.CRS:
    """Return the CRS that a file states; one that means nothing is damage."""
    with telling(name, (pyproj.exceptions.ProjError,)):
        crs = pyproj.CRS.from_user_input(stated)
    check_sound(name, crs)
    return crs


def points_as_wkb(column: pa.Array) -> pa.Array:
    """Return GeoArrow points, interleaved or of separate coordinates, as WKB."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_struct(column.type):
        x, y = (column.field(at).to_numpy(zero_copy_only=False) for at in (0, 1))
    else:
        width = column.type.list_size
        flat = column.values.slice(column.offset * width, len(column) * width)
        x, y = flat.to_numpy(zero_copy_only=False).reshape(len(column), width).T[:2]
    known = np.isfinite(x) & np.isfinite(y)
    known &= np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    shapes: Geometries = np.full(len(column), None, dtype=object)
    shapes[known] = shapely.to_wkb(shapely.points(x[known], y[known]))
    return pa.array(shapes, type=pa.binary())


def marked(schema: pa.Schema, geometry: str | None) -> pa.Schema:
    """Return a schema that says which column holds the points."""
    return schema if geometry is None else schema.with_metadata({GEOMETRY: geometry})


def geometry_of(schema: pa.Schema) -> str | None:
    """Return the column that holds the points."""
    name = (schema.metadata or {}).get(GEOMETRY)
    return None if name is None else str(name.decode())


def _flat_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_nested(kind):
        return pa.string()
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _check_calendar(table: pa.Table | pa.RecordBatch) -> None:
    """Refuse times beyond the calendar, as of damage, or of the "infinity" of a database."""
    for column in table.columns:
        if pa.types.is_timestamp(column.type) and column.type.unit != "ns":
            first, last = np.array(_CALENDAR, f"M8[{column.type.unit}]").astype(np.int64).tolist()
            ends = pc.min_max(column.cast(pa.int64())).as_py()
            if ends["min"] is not None and not first <= ends["min"] <= ends["max"] <= last:
                raise pa.ArrowInvalid("times beyond the calendar")


def flat_column(column: pa.Array | pa.ChunkedArray) -> Any:
    """Return a column without dictionary; lists and structures become JSON."""
    if pa.types.is_nested(column.type):
        return pa.array([v if v is None else json_text(v) for v in column.to_pylist()], pa.string())
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def flat_columns(table: pa.Table, keep: str | None = None) -> pa.Table:
    """Return a table whose lists and structures are JSON; one column stays as it is."""
    for at, column in enumerate(table.schema):
        if pa.types.is_nested(column.type) and column.name != keep:
            table = table.set_column(at, column.name, flat_column(table.column(at)))
    return table


def json_text(value: Any) -> str:
    """Return a list or structure as the text that stands for it in a table."""
    return json.dumps(value, ensure_ascii=False, default=str)


def is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def wkb_column(schema: pa.Schema, first: Any) -> str | None:
    """Return the column of bytes that are shapes, though no metadata say so.

    Parameters
    ----------
    schema : Schema
    first : callable
        Returns the first values of a column by its name.
    """
    for column in schema:
        if not is_binary(column.type):
            continue
        values = [value for value in first(column.name).to_pylist() if value is not None]
        shapes = shapely.from_wkb(values, on_invalid="ignore") if values else np.array([])
        if len(shapes) and not shapely.is_missing(shapes).any():
            return str(column.name)
    return None


def arrow_table(source: Source) -> pa.Table:
    """Read Parquet or Feather whole, as Arrow.

    Raises
    ------
    InputError
        When it is damaged.
    """
    place = source.whole()
    with telling(source.name, BROKEN_PARQUET):
        if source.kind == "parquet":
            size, streams = parquet_size(place)[0], source.member is None
            check_held(size, source.size, source.name, streams=streams)
            return _with_sound_hints(pq.read_table(place))
        if source.member is None:
            check_held(arrow_size(source.path), source.size, source.name, streams=False)
        if source.suffix == ".arrows":
            with pa.OSFile(str(source.path)) as file, pa.ipc.open_stream(file) as stream:
                return stream.read_all()
        return _with_sound_hints(pyarrow.feather.read_table(place, memory_map=False))


def _with_sound_hints(table: pa.Table) -> pa.Table:
    """Leave out what pandas noted of its frame where that is broken: the columns are whole."""
    _check_calendar(table)
    try:
        table.schema.empty_table().to_pandas()
    except BROKEN_PARQUET:
        notes = {k: v for k, v in table.schema.metadata.items() if k != b"pandas"}
        return table.replace_schema_metadata(notes)
    return table


def shapes_of(column: pa.Array, name: str) -> Geometries:
    """Return the shapes of a column of WKB; bytes that are no shape are damage."""
    with telling(name, GDAL_FAILURES):
        shapes: Geometries = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
        return shapes


def has_shapes(source: Source) -> bool:
    """Tell whether Parquet or Feather holds geometries, declared or not."""
    if source.kind == "arrow":
        with telling(source.name, BROKEN_PARQUET):
            return shape_column(arrow_table(source), source.name) is not None
    with telling(source.name, BROKEN_PARQUET), pq.ParquetFile(source.whole()) as file:
        schema = file.schema_arrow
        if stated_geometry(schema, source.name):
            return True
        return wkb_column(schema, lambda name: _head(file, name)) is not None


def shape_column(table: pa.Table, name: str) -> str | None:
    """Return the column of geometries of a table: as the metadata say, or known by its bytes."""
    if geo := stated_geometry(table.schema, name):
        return str(geo["name"])
    return wkb_column(table.schema, lambda name: table.column(name).slice(0, _SAMPLE))


def _head(file: pq.ParquetFile, name: str) -> Any:
    batch = next(file.iter_batches(_SAMPLE, columns=[name]), None)
    return pa.array([]) if batch is None else batch.column(0)
