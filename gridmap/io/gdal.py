"""GDAL kept in hand: its warnings heard, its failures named, its clock stopped."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from gridmap.errors import InputError

FIXED_DATE = "2000-01-01T00:00:00.000Z"  # no clock in a file: same content, same bytes

GDAL_FAILURES = (
    DataSourceError,
    DataLayerError,
    FeatureError,
    FieldError,
    GeometryError,
    pa.ArrowException,
    shapely.errors.ShapelyError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RuntimeError,
    SystemError,  # a binding stumbles over a message that is no text
)


def write_gdal(
    frame: gpd.GeoDataFrame | pd.DataFrame, path: Path, driver: str, layer: str, **options: Any
) -> None:
    """Write a layer through GDAL, the same bytes for the same content."""
    if driver == "GeoJSON":
        options.setdefault("COORDINATE_PRECISION", "15")
        options.setdefault("RFC7946", "NO")
    if driver == "FlatGeobuf":
        options.setdefault("SPATIAL_INDEX", "NO")  # it would change the order of the features
    try:
        with fixed_date(), quiet():
            pyogrio.write_dataframe(frame, path, driver=driver, layer=layer, **options)
    except (DataSourceError, DataLayerError, FeatureError, FieldError, GeometryError) as error:
        raise InputError(f"`{path.name}` could not be written: {error}. Check the disk.") from error


@contextmanager
def fixed_date() -> Iterator[None]:
    """Keep the clock out of what GDAL writes meanwhile, and its flushes to the disk."""
    wanted = {"OGR_CURRENT_DATE": FIXED_DATE, "OGR_SQLITE_SYNCHRONOUS": "OFF"}
    before = {name: pyogrio.get_gdal_config_option(name) for name in wanted}
    pyogrio.set_gdal_config_options(wanted)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Hear GDAL's warnings instead of printing them, also those that are no text."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda _: None  # bindings cannot decode some messages about damage
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            yield heard
    finally:
        sys.unraisablehook = before
