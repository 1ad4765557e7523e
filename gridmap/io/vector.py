"""Layers of geometries in bulk; GDAL kept in hand: warnings heard, failures named."""

from __future__ import annotations

import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj.exceptions import CRSError as UntoldError

from gridmap._arrays import Floats, attributes
from gridmap._checks import check_sound, is_sound, label
from gridmap.crs.project import lacks_parameters, parse_crs
from gridmap.errors import CRSError, InputError
from gridmap.io.atomic import replacing
from gridmap.io.batches import (
    arrow_table,
    flat_columns,
    geometry_crs,
    layer_info,
    shape_column,
    stated_geometry,
)
from gridmap.io.declared import declared
from gridmap.io.integrity import check_table, check_text, list_layers
from gridmap.io.limits import check_held, is_bomb, packed_size
from gridmap.io.shapefile import dbf_encoding, short_names, whole_names
from gridmap.io.source import (
    BROKEN_PARQUET,
    GDAL_FAILURES,
    Source,
    find_source,
    fixed_date,
    known_suffix,
    names_database,
    quiet,
    telling,
)
from gridmap.io.text import as_text
from gridmap.language import Message

METADATA_TABLE = "gridmap_metadata"

_KML = ("tessellate", "extrude", "visibility")  # how to draw, in every file
_GDAL_READS = ("utf", "gb", "big5", "cp", "iso8859", "koi8")
_GDAL_CUTS = ("cp1255", "cp1258", "big5hkscs")  # signs join letters, and the last one is lost
SPARSE = (".kml", ".kmz", ".gpx", ".dxf")  # formats whose files have columns without any value
_OWN_ZONES = (".geojson", ".json", ".geojsonl", ".geojsons", ".topojson", ".csv", ".gml")
_UNCHECKED = ("FlatGeobuf",)  # drivers whose columns are as damaged as the file
_SHAPE, _FIELD = 50, 16  # bytes that a shape and a value take in memory, about


def read_layer(
    spec: str | os.PathLike[str],
    *,
    crs: Any = None,
    encoding: str | None = None,
    need_crs: bool = True,
    empty: bool = False,
) -> gpd.GeoDataFrame:
    """Read one layer of geometries from whatever it came in.

    Parameters
    ----------
    spec : str or path
        A file, ``file:layer``, an archive or a database URL; see `find_source`.
    crs : CRS, optional
        For files that do not say their own.
    encoding : str, optional
        Of the attributes of a Shapefile; found out when not given.
    need_crs : bool
        Whether a layer without CRS is refused.
    empty : bool
        Whether a layer without a feature is taken as it is, not refused.

    Returns
    -------
    GeoDataFrame
        All features in the order of the file, heights dropped. ``attrs["notes"]`` lists what the
        reader should know, in either language.

    Raises
    ------
    InputError
        When the file is not there, unreadable, damaged or empty, or has several layers.
    CRSError
        When there is no CRS, or the coordinates are plainly not in it.
    """
    source = find_source(spec)
    frame = read_shapes(source, encoding or declared().encoding)
    return settled(frame, source.name, crs, need_crs, empty)


def read_shapes(source: Source, encoding: str | None) -> gpd.GeoDataFrame:
    """Read a layer in whatever CRS and dimensions it has; see `settled`."""
    if source.kind == "database":
        from gridmap.io.postgis import read_postgis

        frame = read_postgis(source)
    elif source.kind in ("csv", "sheet", "records"):
        raise InputError(
            "`{source}` is a table, not a layer of geometries. Give a GeoPackage, "
            "Shapefile, GeoJSON or GeoParquet.",
            source=source.name,
        )
    else:
        held = source.kind in ("parquet", "arrow")
        frame = _read_arrow(source) if held else _read_gdal(source, encoding)
    check_text(frame, source.name)
    return frame


def settled(
    frame: gpd.GeoDataFrame, name: str, crs: Any, need_crs: bool = True, empty: bool = False
) -> gpd.GeoDataFrame:
    """Return a layer that was read in two dimensions and in a CRS, as `read_layer` does."""
    if len(frame) == 0 and not empty:
        raise InputError(
            "`{source}` has no features. Check the layer, or export it again.", source=name
        )
    return _with_crs(_flat(frame, name), name, crs, need_crs)


def choose_layer(source: Source) -> str:
    """Return the layer to read: the one asked for, the only one, or that with geometries."""
    layers = list_layers(source)
    names = [name for name, _ in layers]
    if source.layer is not None:
        if source.layer not in names:
            raise InputError(
                "`{source}` has no layer {layer!r}; it has {names}.",
                source=source.path,
                layer=source.layer,
                names=[*names],
            )
        return source.layer
    if METADATA_TABLE in names and "cells" in names:
        return "cells"
    shaped = [name for name, kind in layers if kind is not None]
    if len(shaped) > 1:
        shaped = [name for name in shaped if _has_features(source, name)] or shaped
    if not shaped and len(names) == 1:
        return names[0]
    if len(shaped) != 1:
        found = ", ".join(shaped) if shaped else "no layer with geometries"
        raise InputError(
            "`{source}` has {found}. Name one layer: `{source_2}:layer`.",
            source=source.name,
            found=found,
            source_2=source.path,
        )
    return shaped[0]


def _has_features(source: Source, layer: str) -> bool:
    try:
        with quiet():
            info = pyogrio.read_info(source.gdal_path, layer=layer, force_feature_count=True)
    except GDAL_FAILURES:
        return True  # reading it tells what is wrong
    return int(info["features"]) != 0


def add_note(frame: pd.DataFrame, note: Message) -> None:
    """Append a note for the reader to a frame just made."""
    frame.attrs["notes"] = [*frame.attrs.get("notes", []), note]


def _read_gdal(source: Source, encoding: str | None) -> gpd.GeoDataFrame:
    layer = choose_layer(source)
    check_table(source, layer)
    found = dbf_encoding(source, encoding) if source.suffix in (".shp", ".dbf") else None
    told = telling(source.name, GDAL_FAILURES)
    with told, quiet() as heard, whole_names(source, found) as whole:
        info = layer_info(whole.gdal_path, layer, found)
        expected = info["features"]
        _check_claim(info, source)
        if info["driver"] in _UNCHECKED:
            _check_batches(whole, layer, info)
        frame = _read_whole(whole, layer, found, source.suffix)
    if source.suffix in SPARSE:
        frame = frame.drop(columns=[c for c in frame.columns if frame[c].isna().all() or c in _KML])
    if not isinstance(frame, gpd.GeoDataFrame):
        raise InputError(
            "Layer {layer!r} of `{source}` has no geometries. Name another.",
            layer=layer,
            source=source.name,
        )
    if len(frame) != expected:
        raise InputError(
            "`{source}` says it has {expected:,} {expected:feature|features}, but "
            "{frame:,} can be read. It is damaged; ask for the file again.",
            source=source.name,
            expected=expected,
            frame=len(frame),
        )
    if found is not None:
        frame.attrs["encoding"] = found
        add_note(frame, Message("Attributes read as {found}.", found=found))
    for message in sorted({" ".join(str(w.message).split()) for w in heard})[:5]:
        add_note(frame, Message("GDAL: {message}", message=message))
    return frame


def layer_size(info: dict[str, Any]) -> int:
    """Return the bytes that a layer takes in memory, about."""
    return max(int(info["features"]), 0) * (_SHAPE + _FIELD * len(info["fields"]))


def _check_claim(info: dict[str, Any], source: Source) -> None:
    """Refuse a layer that claims more features than its file holds, for which room is made."""
    packed = source.size if source.member else packed_size(source.path)
    count, size = max(int(info["features"]), 0), layer_size(info)
    if is_bomb(size, packed):
        raise InputError(
            "`{source}` says it has {n:,} {n:feature|features}, far more than its {packed:,.1f} MB "
            "let expect. Ask for the file again if it is damaged; export the layer into a file of "
            "its own if it is a join of others.",
            source=source.name,
            n=count,
            packed=packed / 1e6,
        )
    check_held(size, packed, source.name, streams=source.member is None)


def _check_batches(source: Source, layer: str, info: dict[str, Any]) -> None:
    """Raise an ArrowException where a layer points beyond its bytes, or a date is none.

    The former kills a reader, and the latter would be read as the first day of 1970.
    """
    kinds = zip(info["fields"], info["dtypes"], strict=True)
    dates = [name for name, kind in kinds if kind == "datetime64[ms]"]
    with pyogrio.open_arrow(
        source.gdal_path, layer=layer, use_pyarrow=True, datetime_as_string=True
    ) as (_, batches):
        for batch in batches:
            batch.validate(full=True)
            for name in dates:
                pc.utf8_slice_codeunits(batch.column(name), 0, 19).cast(pa.timestamp("s"))


def _read_whole(source: Source, layer: str, encoding: str | None, suffix: str) -> Any:
    """Read by columns where GDAL's own reading of the text is right."""
    if encoding is not None:
        return _decoded(source, layer, encoding)
    if suffix not in _OWN_ZONES:
        return pyogrio.read_dataframe(source.gdal_path, layer=layer, use_arrow=True)
    return with_own_clocks(
        pyogrio.read_dataframe(
            source.gdal_path, layer=layer, use_arrow=True, datetime_as_string=True
        ),
        pyogrio.read_info(source.gdal_path, layer=layer),
    )


def _decoded(source: Source, layer: str, encoding: str, **options: Any) -> Any:
    """Read text in any encoding that Python knows, also those that GDAL does not."""
    place = source.gdal_path
    if encoding.replace("-", "").startswith(_GDAL_READS) and encoding not in _GDAL_CUTS:
        return pyogrio.read_dataframe(place, layer=layer, encoding=encoding, **options)
    frame = pyogrio.read_dataframe(place, layer=layer, encoding="ISO-8859-1", **options)

    def decoded(text: Any) -> Any:
        return text.encode("latin-1").decode(encoding) if isinstance(text, str) else text

    for column in frame.columns:
        if isinstance(frame[column].dtype, pd.StringDtype) or frame[column].dtype == object:
            frame[column] = frame[column].map(decoded)
    return frame.rename(columns=decoded)


def with_own_clocks(frame: pd.DataFrame, info: dict[str, Any]) -> pd.DataFrame:
    """Return times that were read as text as times, but where they name their zones.

    GDAL brings several zones to UTC; the text keeps what the file says.
    """
    kinds = dict(zip(info["fields"], info["dtypes"], strict=True))
    for name, kind in kinds.items():
        if not str(kind).startswith("datetime") or name not in frame:
            continue
        local = frame[name].dropna().str.fullmatch(r"\d{4}-\d\d-\d\d([T ][\d:.]+)?")
        if local.all():
            frame[name] = pd.to_datetime(frame[name], format="ISO8601").astype("datetime64[ms]")
    return frame


def _read_arrow(source: Source) -> gpd.GeoDataFrame:
    """Read Parquet or Feather; shapes as bytes need no metadata."""
    table = arrow_table(source)
    with telling(source.name, (*GDAL_FAILURES, *BROKEN_PARQUET)), quiet():
        name = shape_column(table, source.name)
        geo = stated_geometry(table.schema, source.name)
        if geo and not (geo["encoding"] == "WKB" and geo["alone"]):
            flat, kinds = flat_columns(table, keep=name), table.schema.types
            fresh = [c.name for c, kind in zip(flat.schema, kinds, strict=True) if c.type != kind]
            return _stored(source).assign(**{c: flat.column(c).to_pandas() for c in fresh})
        if name is None:
            raise InputError("`{source}` has no geometries. Name another file.", source=source.name)
        frame = flat_columns(table.drop_columns([name])).to_pandas()
        shapes = shapely.from_wkb(table.column(name).to_numpy())
    frame.attrs = {}
    crs = geometry_crs(geo, source.name)
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(shapes, index=frame.index, crs=crs))


def _stored(source: Source) -> gpd.GeoDataFrame:
    place = source.whole()
    return gpd.read_parquet(place) if source.kind == "parquet" else gpd.read_feather(place)


def _flat(frame: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """Drop heights, and refuse coordinates that are not finite."""
    geometry = frame.geometry.to_numpy()
    high = shapely.has_z(geometry)
    if high.any() or shapely.has_m(geometry).any():
        geometry = shapely.force_2d(geometry)
        notes = frame.attrs.get("notes", [])
        frame = frame.set_geometry(gpd.GeoSeries(geometry, index=frame.index, crs=frame.crs))
        frame.attrs["notes"] = notes
    if high.any():
        add_note(frame, Message("{high:,} {high:height|heights} dropped.", high=high.sum()))
    if _all_finite(geometry):
        return frame
    xy, owner = shapely.get_coordinates(geometry, return_index=True)
    bad = np.unique(owner[~np.isfinite(xy).all(axis=1)])
    raise InputError(
        "`{source}` has coordinates that are no numbers in {bad:,} "
        "{bad:feature|features} (the first is row {bad_2}). Mend or remove them.",
        source=name,
        bad=len(bad),
        bad_2=bad[0] + 1,
    )


def _all_finite(geometry: Any) -> bool:
    """Tell whether every coordinate is a number; for lines and areas their length tells."""
    with np.errstate(over="ignore", invalid="ignore"):
        length = shapely.length(geometry)
    mixed = (shapely.get_type_id(geometry) == shapely.GeometryType.GEOMETRYCOLLECTION).any()
    if not mixed and bool(np.isfinite(length).all() and (length > 0).all()):
        return True
    return bool(np.isfinite(shapely.get_coordinates(geometry)).all())


def _with_crs(frame: gpd.GeoDataFrame, name: str, crs: Any, need_crs: bool) -> gpd.GeoDataFrame:
    """Declare the CRS where the file is silent, or plainly wrong."""
    stated = frame.crs
    sound = stated is None or is_sound(stated)
    bounds = _bounds(frame)
    believable = stated is None or not stated.is_geographic or _near_degrees(bounds)
    placed = crs is None or not parse_crs(crs).is_bound  # or its parameters are for this one
    if stated is not None and believable and sound and (placed or not lacks_parameters(stated)):
        return frame
    if crs is not None:
        return frame.set_crs(parse_crs(crs), allow_override=True)
    if stated is not None:
        check_sound(name, stated)
    if not believable:
        check_degrees(name, stated, bounds)
    if need_crs:
        raise CRSError(
            "`{source}` has no CRS, so its coordinates mean nothing. Declare it: `--crs "
            "EPSG:4547`.",
            source=name,
        )
    return frame


def are_degrees(bounds: Any) -> bool:
    """Tell whether bounds could be longitude and latitude."""
    west, south, east, north = (float(v) for v in bounds)
    return west >= -180.001 and east <= 180.001 and south >= -90.001 and north <= 90.001


def check_degrees(name: str, stated: Any, bounds: Any) -> None:
    """Refuse coordinates that are said to be in degrees, and are none."""
    if _near_degrees(bounds):
        return
    west, south, east, north = (float(v) for v in bounds)
    cure = Message("Declare what they are in: `--crs EPSG:4547`, of incidents `--datum EPSG:4547`.")
    if are_degrees((south, west, north, east)):
        cure = Message("The axes seem exchanged (latitude first): exchange them in the file.")
    raise CRSError(
        "`{source}` says {stated}, but its coordinates run from {west:g}, {south:g} to {east:g}, "
        "{north:g}, which are no degrees. {cure}",
        source=name, stated=label(stated), west=west, south=south, east=east, north=north,
        cure=cure,
    )  # fmt: skip


def bounds_of_most(places: Floats) -> Floats:
    """Return between what most points lie: one or two that are wild are told one by one."""
    places = places[np.isfinite(places).all(axis=1)]
    return np.quantile(places, [0.01, 0.99], axis=0).ravel() if len(places) else np.zeros(4)


def _bounds(frame: gpd.GeoDataFrame) -> Floats:
    """Return the bounds of a layer; of points, those of most."""
    shapes = frame.geometry.to_numpy()
    if (shapely.get_type_id(shapes) <= 0).all():
        return bounds_of_most(shapely.get_coordinates(shapes))
    return np.nan_to_num(frame.total_bounds)


def _near_degrees(bounds: Any) -> bool:
    """Tell whether coordinates could be degrees, as across the date line or where are none."""
    west, south, east, north = (float(v) for v in bounds)
    return west >= -360 and east <= 360 and south >= -90.1 and north <= 90.1


def read_attributes(source: Source, *, encoding: str | None = None) -> pd.DataFrame:
    """Read the attributes of a layer, or a plain table within a GeoPackage."""
    layer = choose_layer(source)
    check_table(source, layer)
    found = dbf_encoding(source, encoding) if source.suffix in (".shp", ".dbf") else None
    with telling(source.name, GDAL_FAILURES), quiet(), whole_names(source, found) as whole:
        _check_claim(pyogrio.read_info(whole.gdal_path, layer=layer, encoding=found), source)
        if found is not None:
            frame = _decoded(whole, layer, found, read_geometry=False)
        else:
            frame = pyogrio.read_dataframe(whole.gdal_path, layer=layer, read_geometry=False)
    check_text(frame, source.name)
    if found is not None:
        frame.attrs["encoding"] = found
    return pd.DataFrame(frame)


def write_gdal(
    frame: gpd.GeoDataFrame | pd.DataFrame, path: Path, driver: str, layer: str, **options: Any
) -> None:
    """Write a layer through GDAL, the same bytes for the same content."""
    if driver == "GeoJSON":
        options.setdefault("COORDINATE_PRECISION", "15")
        options.setdefault("RFC7946", "NO")
    if driver == "FlatGeobuf":
        options.setdefault("SPATIAL_INDEX", "NO")  # it would change the order of the features
    if driver == "GPKG":
        options = {**_free_names(frame), **options}
    check_columns(frame, path.name, driver)
    if isinstance(frame, gpd.GeoDataFrame) and shapely.has_m(frame.geometry.to_numpy()).any():
        frame = frame.set_geometry(shapely.force_2d(frame.geometry.to_numpy()), crs=frame.crs)
    try:
        with fixed_date(), quiet():
            _write_whole(frame, path, driver=driver, layer=layer, **options)
    except UntoldError as error:
        raise InputError(
            "`{path}` cannot hold the CRS {crs!r}, for which files have no words. Transform to one "
            "with a number first, EPSG:4547 for instance.",
            path=path.name,
            crs=label(getattr(frame, "crs", None)),
        ) from error
    except (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError) as error:
        raise InputError(
            "`{path}` could not be written: {error}. Check the disk.", path=path.name, error=error
        ) from error


def _write_whole(
    frame: gpd.GeoDataFrame | pd.DataFrame, path: Path, *, driver: str, **options: Any
) -> None:
    """Let GDAL write, which does not tell when a disk is full, and refuse what is cut off."""
    if driver not in ("GPKG", "ESRI Shapefile"):
        whole = io.BytesIO()
        pyogrio.write_dataframe(frame, whole, driver=driver, **options)
        path.write_bytes(whole.getbuffer())
        return
    pyogrio.write_dataframe(frame, path, driver=driver, **options)
    parts = [path] if driver == "GPKG" else sorted(path.parent.iterdir())
    if cut := next((part for part in parts if not _is_whole(part, frame)), None):
        raise DataSourceError(f"{cut.name} is cut off")


def _is_whole(part: Path, frame: pd.DataFrame) -> bool:
    """Tell whether a part of a Shapefile is as long as its head says, or GDAL came to an end."""
    if part.suffix == ".gpkg":
        with closing(sqlite3.connect(part)) as file:
            indexed = file.execute("SELECT count(*) FROM gpkg_extensions").fetchone()[0]
        return indexed > 0 or not isinstance(frame, gpd.GeoDataFrame)
    data = part.read_bytes()
    if part.suffix in (".shp", ".shx"):
        return len(data) == 2 * int.from_bytes(data[24:28], "big") > 0
    if part.suffix == ".dbf":
        head, row = (int.from_bytes(data[at : at + 2], "little") for at in (8, 10))
        return len(data) >= head + len(frame) * row > 0
    return len(data) > 0


def _free_names(frame: pd.DataFrame) -> dict[str, str]:
    """Return names for the numbers and the shapes of rows where a column has the usual ones.

    GDAL takes a column `fid` for the numbers and loses it.
    """
    taken = {str(column).lower() for column in frame.columns}
    free = {}
    for option, name in (("FID", "fid"), ("GEOMETRY_NAME", "geom")):
        if name in taken:
            while name in taken:
                name = f"row_{name}"
            free[option] = name
    return free


def check_columns(frame: pd.DataFrame, name: str, driver: str) -> None:
    """Refuse columns that no file can hold: of strange types, or told apart by case alone."""
    seen: dict[str, str] = {}
    shape = frame.geometry.name if isinstance(frame, gpd.GeoDataFrame) else None
    for column in (str(column) for column in frame.columns if column != shape):
        other = seen.setdefault(column.lower() if driver == "GPKG" else column, column)
        if other != column:
            raise InputError(
                "`{name}` cannot hold the columns {other!r} and {column!r}, which differ in case "
                "alone. Rename one.",
                name=name,
                other=other,
                column=column,
            )
        kind = getattr(frame[column], "dtype", None)
        if isinstance(kind, np.dtype) and (
            kind.kind in "cm"
            or kind == np.float16
            or (kind == np.uint64 and frame[column].max() > np.iinfo(np.int64).max)
        ):
            raise InputError(
                "`{name}` cannot hold the column {column!r} of type {kind}. Turn it into text or "
                "plain numbers first.",
                name=name,
                column=column,
                kind=str(kind),
            )


_DRIVERS = {
    ".gpkg": "GPKG",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
    ".shp": "ESRI Shapefile",
    ".kml": "LIBKML",
}
WRITABLE = (*_DRIVERS, ".parquet", ".geoparquet")


def write_layer(
    frame: gpd.GeoDataFrame,
    path: str | os.PathLike[str],
    *,
    layer: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write one layer of geometries; the extension tells the format.

    Parameters
    ----------
    frame : GeoDataFrame
        What to write; a named index becomes a column.
    path : path
        A file that ends in .gpkg, .geojson, .fgb, .shp, .kml or .parquet, or a database URL
        with ``?table=``.
    layer : str, optional
        Name of the layer; that of the file when not given.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        When the format is unknown, the file exists, or it cannot be written.
    """
    if names_database(path):
        from gridmap.io.postgis import write_postgis

        write_postgis(frame, os.fspath(path), overwrite=overwrite)
        return
    path = Path(path)
    suffix = known_suffix(path, WRITABLE)
    frame = _plain(frame)
    if suffix == ".shp":
        _write_shapefile(frame, path, overwrite)
        return
    with replacing(path, overwrite=overwrite) as temporary:
        if suffix in (".parquet", ".geoparquet"):
            frame.to_parquet(temporary, compression="zstd", index=False)
        else:
            write_gdal(frame, temporary, _DRIVERS[suffix], layer or path.stem)


def _plain(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a frame of plain columns: a named index as a column, tuples and dicts as text."""
    if frame.index.name is not None or frame.index.nlevels > 1:
        taken = set(frame.columns)
        frame = frame.reset_index(drop=all(name in taken for name in frame.index.names))
    else:
        frame = frame.reset_index(drop=True)
    frame = frame.copy()
    frame.attrs = {}
    for column in attributes(frame):
        if frame[column].dtype == object:
            frame[column] = [as_text(value) for value in frame[column]]
    return frame


def _write_shapefile(frame: gpd.GeoDataFrame, path: Path, overwrite: bool) -> None:
    """Write the parts of a Shapefile, the .shp last."""
    frame = frame.rename(columns=short_names(attributes(frame)))
    with replacing(path, overwrite=overwrite) as temporary:
        write_gdal(frame, temporary, "ESRI Shapefile", path.stem, encoding="UTF-8")
