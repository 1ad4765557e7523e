"""Append records to a layer that exists, all of them or none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely
from shapely.geometry import mapping

from gridmap._checks import check_same_crs
from gridmap.errors import InputError
from gridmap.io.atomic import replacing
from gridmap.io.source import find_source, unreadable
from gridmap.io.vector import choose_layer, read_layer


def append_layer(frame: gpd.GeoDataFrame, spec: str | os.PathLike[str]) -> int:
    """Append features to a layer of a GeoPackage, record by record, without rewriting the rest.

    The file is copied, appended to, and put in the place of the old one, so that it is never half
    appended to.

    Parameters
    ----------
    frame : GeoDataFrame
        Features in the CRS of the layer, with its columns; those it lacks are left empty.
    spec : str or path
        A GeoPackage, or ``file:layer``.

    Returns
    -------
    int
        How many features the layer has now.

    Raises
    ------
    InputError
        When the frame has columns that the layer lacks, or a value does not fit.
    CRSError
        When the CRSs differ.
    """
    source = find_source(spec)
    if source.suffix != ".gpkg" or source.member is not None:
        raise InputError("`{spec}` is no GeoPackage; only to one can be appended.", spec=spec)
    layer = choose_layer(source)
    check_same_crs("frame", frame, "layer", read_layer(f"{source.path}:{layer}"))
    with replacing(source.path, overwrite=True) as temporary:
        shutil.copyfile(source.path, temporary)
        return _append(frame, temporary, layer, str(spec))


def _append(frame: gpd.GeoDataFrame, path: Path, layer: str, name: str) -> int:
    import fiona
    from fiona.errors import FionaError

    columns = [column for column in frame.columns if column != frame.geometry.name]
    try:
        with fiona.open(path, "a", layer=layer) as opened:
            known = opened.schema["properties"]
            unknown = [str(column) for column in columns if column not in known]
            if unknown:
                raise InputError(
                    "Layer {layer!r} of `{name}` has no column {unknown}; it has {known}.",
                    layer=layer,
                    name=name,
                    unknown=[*unknown],
                    known=[*known],
                )
            records = _records(frame, columns, list(known))
            _check_values(records, {field: str(kind) for field, kind in known.items()})
            opened.writerecords(records)
            return len(opened)
    except (FionaError, ValueError, TypeError, OSError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise unreadable(name, error) from error


def _records(frame: gpd.GeoDataFrame, columns: list[Any], known: list[str]) -> list[dict[str, Any]]:
    rows = frame[columns].astype(object).to_dict("records")
    shapes = frame.geometry.to_numpy()
    return [
        {
            "type": "Feature",
            "geometry": None if shapely.is_missing(shape) else mapping(shape),
            "properties": {field: _value(row.get(field)) for field in known},
        }
        for row, shape in zip(rows, shapes, strict=True)
    ]


def _check_values(records: list[dict[str, Any]], kinds: dict[str, str]) -> None:
    """Refuse values that the layer's columns would bend to fit."""
    wanted: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,)}
    for number, record in enumerate(records, start=1):
        for column, value in record["properties"].items():
            types = wanted.get(kinds[column].split(":")[0].rstrip("3264"))
            if value is not None and types is not None and not isinstance(value, types):
                raise InputError(
                    "`frame` has {value!r} in column {column!r} of row {number}, where the layer "
                    "keeps {kinds}. Convert the column.",
                    value=value,
                    column=column,
                    number=number,
                    kinds=kinds[column],
                )


def _value(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value
