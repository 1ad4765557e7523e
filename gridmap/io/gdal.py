"""GDAL as every reader and writer calls it: what it raises, quiet, with no clock."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

# no file sends its reader to the network; the second is what older GDALs call the first
OFFLINE = {"GML_DOWNLOAD_SCHEMA": "NO", "GML_DOWNLOAD_WFS_SCHEMA": "NO"}
pyogrio.set_gdal_config_options(OFFLINE)

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
