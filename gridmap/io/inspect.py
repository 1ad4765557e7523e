"""Look into a source before reading it: layers, CRS, columns, and what seems wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from gridmap._checks import label
from gridmap.coverage.prove import check_finite
from gridmap.crs.datum import DatumAlarm, datum_alarm, positions_from
from gridmap.errors import CRSError, InputError
from gridmap.io.batches import ROWS, FileOfPoints, ParquetFile, geometry_of, layer_info, shapes_of
from gridmap.io.batches import Layer as Streamed
from gridmap.io.columns import TABLES, Understanding, aliases, meaning, understand
from gridmap.io.coordinates import axis_suspicions, crs_suspicions, service_suspicions, undeclared
from gridmap.io.declared import declared
from gridmap.io.excel import read_sheet, sheet_names
from gridmap.io.inputs import as_incidents, has_geometry, with_places
from gridmap.io.integrity import check_file, list_layers
from gridmap.io.limits import is_bomb, is_too_much, packed_size, parquet_size
from gridmap.io.source import (
    BROKEN_PARQUET,
    GDAL_FAILURES,
    OFFLINE,
    Source,
    find_source,
    quiet,
    telling,
)
from gridmap.io.tables import read_table
from gridmap.io.text import as_text
from gridmap.io.vector import choose_layer, layer_size, read_attributes, read_shapes, settled
from gridmap.language import Lang, Message
from gridmap.privacy import personal_columns

Spec = str | os.PathLike[str]

_SHAPED = (".fgb", ".shp")  # never tables alone
_OF_LINES = ("barrier",)  # the only table whose rows are lines
_OF_POINTS = ("building", "incident")
_OF_AREAS = ("jurisdiction", "building", "cell")


@dataclass(frozen=True)
class Column:
    """One column: its type, how it would be understood, and why it looks personal, if it does."""

    name: str
    kind: str
    field: str = ""
    personal: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer, sheet or table of a source, seen from outside.

    Attributes
    ----------
    name : str
        Its name.
    geometry : str
        The type of its geometries, empty for a plain table.
    features : int
        How many it says it has.
    crs : str
        Short name of the CRS, empty when there is none.
    extent : tuple of float or None
        West, south, east, north.
    encoding : str
        Of the attributes, where it had to be found out.
    reads_as : str
        The kind of table it is most like.
    columns : list of Column
        In the order of the file.
    suspicions : list of Message
        What seems wrong.
    reading : Understanding or None
        How the commands read it: rows, encoding, columns, date order, time zone, datum.
    refused : bool
        Whether the commands that place incidents would refuse it as it is, for a reason that is
        among the suspicions.
    """

    name: str
    geometry: str
    features: int
    crs: str
    extent: tuple[float, ...] | None
    encoding: str = ""
    reads_as: str = ""
    columns: list[Column] = field(default_factory=list)
    suspicions: list[Message] = field(default_factory=list)
    reading: Understanding | None = None
    refused: bool = False

    def as_dict(self, lang: Lang = "zh") -> dict[str, Any]:
        """Return the layer as plain data, suspicions in one language."""
        record = {**vars(self), "columns": [vars(column) for column in self.columns]}
        record["suspicions"] = [note.text(lang) for note in self.suspicions]
        record["reading"] = {} if self.reading is None else self.reading.as_dict(lang=lang)
        return record


def look(spec: Spec, **where: Any) -> list[Layer]:
    """Look into a file, an archive or a database table.

    Parameters
    ----------
    spec : str or path
        As for `gridmap.io.read_layer` and `gridmap.io.read_table`.
    **where
        What is known of incidents: x, y, datum, date_order, as for `read_incidents`.

    Returns
    -------
    list of Layer

    Raises
    ------
    InputError
        When it is not there or cannot be read.
    """
    source = find_source(spec)
    if source.kind == "vector":
        return _look_gdal(source, where)
    if source.kind == "sheet" and source.layer is None:
        sheets = [replace(source, layer=name) for name in sheet_names(source)]
        return [_look_table(sheet, read_sheet(sheet), where) for sheet in sheets]
    if source.kind in ("csv", "sheet", "records"):
        frame = read_table(spec, places=True, keep_broken=True, empty=True)
        return [_look_table(source, frame, where)]
    return [_look_whole(source, spec, where)]


def held_against(
    spec: Spec, jurisdictions: Spec, *, crs: Any = None, **where: Any
) -> tuple[int, int, DatumAlarm | None]:
    """Count the positions that lie in their jurisdictions, and ask whether their datum is mistaken.

    Parameters
    ----------
    spec : str or path
        Positions: a layer, or a table with coordinates.
    jurisdictions : str or path
        A layer of polygons in which they should lie.
    crs : CRS, optional
        For files that do not say their own.
    **where
        How the positions are read, as of `gridmap.io.read_incidents`.

    Returns
    -------
    inside : int
        Positions that lie in the jurisdictions, as declared.
    known : int
        Positions that could be read.
    alarm : DatumAlarm or None
    """
    import geopandas as gpd
    import shapely

    from gridmap.io.inputs import read_incidents
    from gridmap.io.vector import read_layer

    areas = read_layer(jurisdictions, crs=crs)
    outline = shapely.union_all(shapely.make_valid(areas.geometry.to_numpy()))
    frame, _ = read_incidents(spec, crs=crs, **where)
    if isinstance(frame, gpd.GeoDataFrame):
        centres = shapely.point_on_surface(frame.geometry.to_numpy())
        x, y = shapely.get_x(centres), shapely.get_y(centres)
        geographic = frame.crs is not None and frame.crs.is_geographic
        stated = (where.get("datum") or "wgs84") if geographic else label(frame.crs)
    else:
        x, y = frame["x"].to_numpy(float), frame["y"].to_numpy(float)
        stated = frame.attrs["datum"] or label(areas.crs)
    placed = positions_from(x, y, stated, areas.crs)
    shapely.prepare(outline)
    inside = int(shapely.intersects_xy(outline, *placed).sum())
    alarm = datum_alarm(x, y, outline, areas.crs, declared=stated)
    return inside, int(np.isfinite(placed[0]).sum()), alarm


def _look_gdal(source: Source, where: dict[str, Any]) -> list[Layer]:
    """List the layers by fiona; each is read as the commands read it."""
    import fiona
    from fiona._err import CPLE_BaseError
    from fiona.errors import FionaError

    check_file(source)
    chosen = choose_layer(source) if source.layer or source.suffix in _SHAPED else None
    with (
        telling(source.name, (FionaError, CPLE_BaseError, *GDAL_FAILURES)),
        quiet(),
        fiona.Env(**OFFLINE),
    ):
        names = [chosen] if chosen else fiona.listlayers(source.gdal_path)
    if not names:
        choose_layer(source)  # which refuses it
    alone = len(names) == 1
    return [_looked_at(replace(source, layer=str(name)), alone, where) for name in names]


def _looked_at(source: Source, alone: bool, where: dict[str, Any]) -> Layer:
    """Look at one layer; of several, one that cannot be read does not hide the others."""
    try:
        return _look_layer(source, where)
    except InputError as told:
        if alone:
            raise
        return Layer(str(source.layer), "", 0, "", None, suspicions=[told.message], refused=True)


def _look_layer(source: Source, where: dict[str, Any]) -> Layer:
    """Look at a layer by the reader of the commands, whose verdict is the only one."""
    if not has_geometry(source):
        return _look_table(source, read_attributes(source, encoding=declared().encoding), where)
    if (large := _large_layer(source)) is not None:
        return _look_at_head(source, large, where)
    layer = _look_shapes(source, read_shapes(source, declared().encoding), where)
    return replace(layer, geometry=layer.geometry or str(dict(list_layers(source))[layer.name]))


def _large_layer(source: Source) -> Streamed | None:
    """Return a layer that takes more memory than a table may, to be read in parts."""
    with telling(source.name, GDAL_FAILURES), quiet():
        told = layer_info(source.gdal_path, source.layer, "ISO-8859-1")  # which is never refused
    size = layer_size(told)
    packed = source.size or packed_size(source.path)
    large = is_too_much(size, packed) and not is_bomb(size, packed)
    return Streamed(source.gdal_path, source.layer, source.name) if large else None


def _look_table(source: Source, frame: pd.DataFrame, where: dict[str, Any]) -> Layer:
    reads_as, columns = _columns(frame, _kinds(frame))
    name = source.layer or (source.member or source.path.name)
    placed, reading, refusal = _understood(frame, source.text, reads_as, where)
    notes, extent = list(reading.notes), None
    if placed is not None:
        places = placed[["x", "y"]].to_numpy(float, copy=True)
        places[~np.isfinite(places)] = np.nan
        if np.isfinite(places).any(axis=0).all():
            extent = tuple(float(v) for v in (*np.nanmin(places, 0), *np.nanmax(places, 0)))
            notes += axis_suspicions(extent, None) + undeclared(extent)
    notes += [] if refusal is None else [refusal]
    notes += service_suspicions(frame)
    encoding = str(reading.stated.get("encoding", ""))
    return Layer(name, "", len(frame), "", extent, encoding if encoding != "utf-8" else "",
                 reads_as, columns, notes, reading, refusal is not None)  # fmt: skip


def _understood(
    frame: pd.DataFrame, spec: str, reads_as: str, where: dict[str, Any]
) -> tuple[pd.DataFrame | None, Understanding, Message | None]:
    """Understand a table as the commands do: its places, how it is read, why it is refused."""
    known = understand(frame.iloc[:0], reads_as or "incident", convert=False)[1]
    known.stated["rows"] = len(frame)
    try:
        if reads_as == "building":
            read, known = understand(frame, reads_as)
            if _shaped(frame):
                return None, known, None
            return with_places(read, known, spec, (None, None), crs=None, datum=None,
                               needed=False), known, None  # fmt: skip
        if reads_as in ("incident", "") and _may_be_incidents(frame):
            placed, known = as_incidents(frame, spec, need_places=False, **where)
            if reads_as and "x" not in placed and not _shaped(placed):
                as_incidents(frame, spec, **where)  # which tells that there are no places
            return placed if "x" in placed else None, known, None
    except InputError as error:
        return None, known, error.message
    return None, known, None


def _shaped(frame: pd.DataFrame) -> bool:
    """Tell a layer from a table, which may call a column of text its geometry."""
    return getattr(frame, "_geometry_column_name", None) is not None


def _may_be_incidents(frame: pd.DataFrame) -> bool:
    """Tell whether a table or layer has rows that could be placed: lines and areas cannot."""
    if not _shaped(frame):
        return True
    return bool(frame.geometry.geom_type.dropna().str.contains("Point").all())


def _look_whole(source: Source, spec: Spec, where: dict[str, Any]) -> Layer:
    """Look into a database table or a Parquet file by reading it."""

    if (packed := _packed(source)) is not None:
        return _look_at_head(source, packed, where)
    if not has_geometry(source):
        return _look_table(source, read_table(spec, empty=True), where)
    return _look_shapes(source, read_shapes(source, None), where)


def _packed(source: Source) -> ParquetFile | None:
    """Return a Parquet file that takes more memory than a table may, to be read in parts."""
    if source.kind != "parquet" or source.member is not None:
        return None
    with telling(source.name, BROKEN_PARQUET):
        large = is_too_much(parquet_size(source.path)[0], source.size)
    file = ParquetFile(source.path)
    return file if large and file.streams else None


def _look_at_head(source: Source, file: FileOfPoints, where: dict[str, Any]) -> Layer:
    """Look at the first rows of a file of which a part at a time can be read."""
    from geopandas import GeoDataFrame, GeoSeries

    first = next(islice(file.batches(), 1)).table.slice(0, ROWS)
    frame, shape = first.to_pandas(), geometry_of(file.schema)
    if shape is None:
        layer = _look_table(source, frame, where)
    else:
        frame = frame.drop(columns=shape)
        points = GeoSeries(shapes_of(first.column(shape), source.name), crs=file.crs)
        layer = _look_shapes(source, GeoDataFrame(frame, geometry=points), where)
    told = Message(
        "Looked at the first {n:,} of {rows:,} {rows:row|rows}: all of them would take more memory "
        "than a table may, and only `gridmap assign` reads them, a part at a time.",
        n=first.num_rows,
        rows=file.rows,
    )
    if layer.reading is not None:
        layer.reading.stated["rows"] = file.rows
    return replace(layer, features=file.rows, suspicions=[*layer.suspicions, told])


def _look_shapes(source: Source, frame: Any, where: dict[str, Any]) -> Layer:
    """Look at a layer that has been read."""
    refusal = None
    try:
        frame = settled(frame, source.name, None, need_crs=False, empty=True)
    except CRSError as error:
        refusal = error.message
    if not _may_be_incidents(frame):
        check_finite(source.name, frame.geometry.to_numpy())
    name = source.layer or source.path.stem
    table = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    for column in table.columns[table.dtypes == np.dtype("O")]:
        table[column] = table[column].map(as_text)
    extent = tuple(frame.total_bounds.tolist()) if np.isfinite(frame.total_bounds).all() else None
    kinds = "/".join(sorted(set(frame.geometry.geom_type.dropna())))
    reads_as, columns = _columns(table, _kinds(table), kinds)
    crs = label(frame.crs) if frame.crs is not None else ""
    suspicions = crs_suspicions(frame.crs, extent) if refusal is None else []
    suspicions += service_suspicions(table)
    _, reading, unplaced = _understood(frame, source.text, reads_as, where)
    refusal = refusal or unplaced
    suspicions += [] if refusal is None else [refusal]
    encoding = str(frame.attrs.get("encoding", ""))
    if encoding:
        suspicions.append(Message("Attributes are {encoding} text.", encoding=encoding))
    return Layer(name, kinds, len(frame), crs, extent, encoding, reads_as, columns, suspicions,
                 reading, refusal is not None)  # fmt: skip


def _kinds(frame: pd.DataFrame) -> dict[str, str]:
    kinds = [str(kind).split("64[")[0] for kind in frame.dtypes]  # no unit of a datetime64[ms]
    return {str(c): kind for c, kind in zip(frame.columns, kinds, strict=True)}


def _columns(
    sample: pd.DataFrame, kinds: dict[str, str], shape: str = ""
) -> tuple[str, list[Column]]:
    """Return the kind of table that understands most columns, and each column under it."""
    shapes = {"LineString": _OF_LINES, "Point": _OF_POINTS, "Polygon": _OF_AREAS}
    alike = (of for word, of in shapes.items() if all(word in one for one in shape.split("/")))
    tables = next(alike, TABLES)
    fields = {table: {name: meaning(name, aliases(table)) for name in kinds} for table in tables}
    anyones = {"name", "kind"} if tables is _OF_AREAS else set()  # of lakes and parks as well
    understood = {table: len({*filter(None, f.values())} - anyones) for table, f in fields.items()}
    lived_in = "building" if "households" in fields.get("building", {}).values() else "incident"
    best = max(tables, key=lambda table: (understood[table], table == lived_in))
    if not understood[best]:
        best = ""
    personal = personal_columns(sample)
    listed = [
        Column(name, kind, fields[best][name] if best else "", personal.get(name, ""))
        for name, kind in kinds.items()
    ]
    return best, listed
