"""The grid file: a GeoPackage that holds a proved grid whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow.parquet as pq
import pyogrio

from gridmap.errors import InputError
from gridmap.grid.grid import Grid, check_grid
from gridmap.io.atomic import check_writable, replacing
from gridmap.io.gdal import GDAL_FAILURES, quiet
from gridmap.io.grid_tables import (
    EXTRA,
    LAYERS,
    METADATA,
    TABLES,
    content_changed,
    grid_of,
    parts_of,
)
from gridmap.io.integrity import check_table, check_text
from gridmap.io.source import BROKEN_PARQUET, Source, find_source, names_database, unreadable
from gridmap.io.vector import list_layers, write_gdal


def write_grid(grid: Grid, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a grid as one GeoPackage: the same grid, the same bytes.

    Layers ``cells``, ``jurisdictions``, ``boundary`` and ``units``; tables ``exceptions``,
    ``retired`` and ``gridmap_metadata`` (parameters, proof and content hash as JSON). Coordinates
    are kept to the last bit. A file also has a layer ``buildings`` where the grid keeps some; a
    database, which others read, has not.

    Parameters
    ----------
    grid : Grid
        What to write.
    path : path
        A file that ends in .gpkg, or a database URL with ``?table=``, before whose name each
        table's is put.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        When the file exists, cannot be written, or is no .gpkg.
    """
    check_grid("grid", grid)
    if names_database(path):
        from gridmap.io.postgis_write import write_grid_tables

        parts = {name: part for name, part in parts_of(grid).items() if name != EXTRA}
        write_grid_tables(parts, os.fspath(path), overwrite=overwrite)
        return
    check_name(path)
    path = Path(path)
    check_writable(path, overwrite=overwrite)
    with replacing(path, overwrite=overwrite) as temporary:
        for name, frame in parts_of(grid).items():
            options = {"geometry_type": _layer_type(frame)} if name in (*LAYERS, EXTRA) else {}
            write_gdal(frame, temporary, "GPKG", name, **options)


def write_grid_dataset(
    grid: Grid, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a grid as a folder of GeoParquet, which other programs read without gridmap.

    The layers and tables of a grid file, a Parquet file each; ``gridmap_metadata`` holds its
    parameters, its proof and the hash of its content.

    Parameters
    ----------
    grid : Grid
        What to write.
    folder : path
        The folder to make; it appears when it is complete.
    overwrite : bool
        Whether an older dataset may be replaced; no other folder ever is.

    Raises
    ------
    InputError
        When the folder exists, or cannot be written.
    """
    check_grid("grid", grid)
    folder = Path(folder)
    if folder.exists() and not (overwrite and _is_dataset(folder)):
        raise InputError(
            "`{path}` exists already. Add --overwrite, or choose another name.", path=folder
        )
    if not folder.parent.is_dir():
        raise InputError(
            "The folder `{parent}` does not exist. Make it first.", parent=folder.parent
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".gridmap-") as name:
        fresh = Path(name, "fresh")
        fresh.mkdir()
        for part, frame in parts_of(grid).items():
            frame.to_parquet(fresh / f"{part}.parquet", compression="zstd", index=False)
        if folder.exists():
            os.replace(folder, Path(name, "old"))
        os.replace(fresh, folder)


def _is_dataset(folder: Path) -> bool:
    return folder.is_dir() and (folder / f"{METADATA}.parquet").is_file()


def _read_dataset(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the parts of a grid that `write_grid_dataset` wrote."""
    parts: dict[str, pd.DataFrame] = {}
    try:
        for file in sorted(folder.glob("*.parquet")):
            shaped = b"geo" in (pq.read_schema(file).metadata or {})
            parts[file.stem] = gpd.read_parquet(file) if shaped else pd.read_parquet(file)
    except BROKEN_PARQUET as error:
        raise unreadable(str(folder), error) from error
    return parts


def check_name(path: str | os.PathLike[str]) -> None:
    """Refuse a file for a grid that is called otherwise than a GeoPackage."""
    if not names_database(path) and Path(path).suffix.lower() != ".gpkg":
        named = Path(path).with_suffix(".gpkg")
        raise InputError("A grid file is a GeoPackage; name it `{named}`.", named=named)


def read_grid(path: str | os.PathLike[str]) -> Grid:
    """Read a grid and prove it again.

    Parameters
    ----------
    path : path
        A grid file, a folder that `write_grid_dataset` made, or a database URL with ``?table=``
        as `write_grid` took it.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        When the file is not there, damaged, or no grid file.
    CoverageError
        When somebody changed the cells so that they do not tile the boundary any more.
    """
    if not names_database(path) and _is_dataset(Path(path)):
        return grid_of(_read_dataset(Path(path)), str(path))
    source = find_source(path)
    if source.kind == "database":
        from gridmap.io.postgis import read_grid_tables

        return grid_of(read_grid_tables(source), source.name)
    if not is_grid_file(source):
        raise InputError(
            "`{source}` is no grid file. Make one with `gridmap partition`, or of "
            "existing cells with `gridmap adopt`.",
            source=source.name,
        )
    present = {name for name, _ in list_layers(source)}
    parts = {
        name: _read_part(source, name) for name in (*LAYERS, *TABLES, EXTRA) if name in present
    }
    return grid_of(parts, source.name)


def has_changed(source: Source) -> bool:
    """Tell whether a grid file's content is not that of the hash it carries."""
    parts = {name: _read_part(source, name) for name in ("cells", "jurisdictions", METADATA)}
    return content_changed(parts, source.name)


def is_grid_file(source: Source) -> bool:
    """Tell whether a source is a GeoPackage that `write_grid` made."""
    if source.kind != "vector" or source.suffix != ".gpkg":
        return False
    return METADATA in {name for name, _ in list_layers(source)}


def _read_part(source: Source, name: str) -> pd.DataFrame:
    check_table(source, name)
    try:
        with quiet():
            expected = pyogrio.read_info(source.gdal_path, layer=name)["features"]
            frame = pyogrio.read_dataframe(
                source.gdal_path, layer=name, use_arrow=name in (*LAYERS, EXTRA)
            )
    except GDAL_FAILURES as error:
        raise unreadable(source.name, error) from error
    if len(frame) != expected or (name in LAYERS and frame.geometry.isna().any()):
        raise InputError(
            "Layer {name!r} of `{source}` is damaged. Write the grid again.",
            name=name,
            source=source.name,
        )
    check_text(frame, source.name)
    return frame


def _layer_type(frame: pd.DataFrame) -> str:
    """Return Polygon, or MultiPolygon for a layer that needs it anywhere."""
    kinds = set(frame.geometry.geom_type)
    if kinds <= {"Point"}:
        return "Point"
    if not kinds <= {"Polygon", "MultiPolygon"}:
        return "Unknown"
    return "Polygon" if kinds <= {"Polygon"} else "MultiPolygon"
