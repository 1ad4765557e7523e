"""Write layers of geometries: the same bytes for the same content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import geopandas as gpd

from gridmap.io.atomic import check_writable, replacing
from gridmap.io.shapefile import short_names
from gridmap.io.source import known_suffix, names_database
from gridmap.io.text import as_text
from gridmap.io.vector import write_gdal

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
        from gridmap.io.postgis_write import write_postgis

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
    for column in frame.columns.drop(frame.geometry.name):
        if frame[column].dtype == object:
            frame[column] = [as_text(value) for value in frame[column]]
    return frame


def _write_shapefile(frame: gpd.GeoDataFrame, path: Path, overwrite: bool) -> None:
    """Write the parts of a Shapefile, the .shp last."""
    check_writable(path, overwrite=overwrite)
    frame = frame.rename(columns=short_names(frame.columns.drop(frame.geometry.name)))
    with replacing(path, overwrite=overwrite) as temporary:
        write_gdal(frame, temporary, "ESRI Shapefile", path.stem, encoding="UTF-8")
        for part in sorted(temporary.parent.iterdir()):
            if part != temporary:
                shutil.move(part, path.with_suffix(part.suffix))
