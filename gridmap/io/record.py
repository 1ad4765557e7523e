"""What a grid file says beyond its proof, held to itself: one hash, and sums of the units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from pyarrow import compute as pc

from gridmap._arrays import Floats, Objects
from gridmap.coverage.edges import rings_of
from gridmap.coverage.prove import check_finite, invalid_among, prove_parents
from gridmap.language import Message

RECORD = "record_hash"
BESIDE = frozenset({RECORD, "crs_definition"})
"""Metadata that the record hash is not of: itself, and what goes with plain Parquet only."""
LARGE = pa.large_string()
ESCAPED = bytes([*range(32), ord("\\")])
"""What JSON does not write as it is, beside quotation marks."""
AT_ONCE = 50_000
"""Shapes whose coordinates are held at once."""
WKB = 0
"""The column of shapes that were left as bytes; those of a file have text for a name."""
POINT = b"\1\1\0\0\0"
"""How a point in two dimensions begins in WKB."""


def record_of(parts: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all that a grid file holds, its cells by their content hash.

    Parameters
    ----------
    parts : mapping of str to DataFrame
        Layers and tables as they stand in a file; a column that holds nothing may have any type.
    facts : mapping
        The metadata.
    """
    digest = hashlib.sha256()
    told = {key: value for key, value in facts.items() if key not in BESIDE}
    digest.update(_text(["metadata", told]))
    for name in ("boundary", "units", "exceptions", "retired", "buildings"):
        if name in parts:
            for piece in _pieces(name, parts[name]):
                digest.update(piece)
    return digest.hexdigest()


def _pieces(name: str, frame: pd.DataFrame) -> Iterator[bytes]:
    """Yield the columns of a layer by name, and its coordinates as they follow each other."""
    shape = frame.geometry.name if isinstance(frame, gpd.GeoDataFrame) else WKB
    for column in sorted(str(column) for column in frame.columns if column != shape):
        yield _text([name, column])[:-1] + b", " + _texts(frame[column]) + b"]"
    if shape not in frame:
        return
    shapes = frame[shape].to_numpy()
    points = _plain_points(shapes) if shape == WKB else None
    if points is not None:
        yield _text([name, [1] * len(points)])
        yield np.insert(points, 2, np.nan, axis=1).tobytes()
        return
    geometry = shapely.from_wkb(shapes) if shape == WKB else shapes
    yield _text([name, shapely.get_num_coordinates(geometry).tolist()])
    for start in range(0, len(geometry), AT_ONCE):
        xyz = shapely.get_coordinates(geometry[start : start + AT_ONCE], include_z=True)
        xyz[np.isnan(xyz)] = np.nan
        yield xyz.astype("<f8", copy=False).tobytes()


def _plain_points(shapes: Objects) -> Floats | None:
    """Return the coordinates of points in WKB, which need not be made for it; None of others."""
    if {len(shape or b"") for shape in shapes} != {len(POINT) + 16}:
        return None
    table = np.frombuffer(b"".join(shapes), np.uint8).reshape(len(shapes), -1)
    xy = table[:, len(POINT) :].copy().view("<f8")
    plain = (table[:, : len(POINT)] == np.frombuffer(POINT, np.uint8)).all()
    return xy if plain and not np.isnan(xy).any() else None


def _text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def _texts(column: pd.Series[Any]) -> bytes:
    """Return values as a list of texts, the same in whatever type a file keeps them."""
    if not (isinstance(column.dtype, pd.StringDtype) or column.dtype == np.int64):
        return _text([_value(value) for value in column.tolist()])
    texts = pc.cast(pa.array(column), LARGE)
    mark, gap, comma = (pa.scalar(sign, LARGE) for sign in ('"', "", ", "))
    quoted = pc.fill_null(pc.binary_join_element_wise(mark, texts, mark, gap), "null")
    quoted = pa.chunked_array(getattr(quoted, "chunks", [quoted]), LARGE).combine_chunks()
    row = pa.LargeListArray.from_arrays([0, len(quoted)], quoted)
    told: bytes = pc.binary_join(row, comma)[0].as_buffer().to_pybytes()
    marks = 2 * (len(texts) - texts.null_count)
    if told.count(b'"') > marks or len(told.translate(None, ESCAPED)) < len(told):
        return _text(texts.to_pylist())
    return b"[" + told + b"]"


def _value(value: Any) -> str | None:
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        clock = value if value.tzinfo is None else value.tz_convert("UTC").tz_localize(None)
        return clock.isoformat(timespec="milliseconds")
    if isinstance(value, str) or not isinstance(value, (bool, int, float)):
        return str(value)
    return str(int(value)) if value % 1 == 0 else repr(float(value))


def record_faults(
    cells: gpd.GeoDataFrame,
    units: gpd.GeoDataFrame,
    exceptions: pd.DataFrame,
    retired: pd.DataFrame,
) -> list[Message]:
    """Tell where units, exceptions and retired codes are not those of the cells.

    Parameters
    ----------
    cells : GeoDataFrame
        Indexed by code.
    units : GeoDataFrame
        Those of each cell, by their column ``code``, must fill it edge by edge, and have its
        households and its jurisdiction.
    exceptions, retired : DataFrame
        The former name cells that are there, the latter none.
    """
    known, owner = {*cells.index}, units["code"].astype(str).astype(object)
    named = {*owner}
    astray: list[tuple[Message, Iterable[str]]] = [
        (Message("an exception names the cell {code}, which is not there"),
         sorted(_codes(exceptions) - known)),
        (Message("the retired code {code} is that of a cell"), sorted(_codes(retired) & known)),
        (Message("the units name the cell {code}, which is not there"), sorted(named - known)),
        (Message("cell {code} has no units"), sorted(known - named)),
    ]  # fmt: skip
    if named == known:
        polygons = units.geometry.to_numpy()
        rings = rings_of(polygons)
        check_finite("units", polygons, rings.xy)
        proofs = prove_parents(units.geometry, rings, cells.geometry, owner.tolist())
        homes = units["households"].groupby(owner.to_numpy()).sum().reindex(cells.index)
        place = cells["parent"].reindex(owner).to_numpy()
        own = units["parent"].astype(str).to_numpy() if "parent" in units else place
        astray += [
            (Message("a unit of cell {code} is no sound polygon"),
             owner.iloc[invalid_among(polygons, rings)]),
            (Message("the units of cell {code} do not fill it"),
             [part.parent for part in proofs if part.verdict != "exact"]),
            (Message("the units of cell {code} do not have its households"),
             cells.index[homes != cells["households"]]),
            (Message("the units of cell {code} are not of its jurisdiction"), owner[own != place]),
        ]  # fmt: skip
    return [said(code=code) for said, codes in astray for code in list(codes)[:1]]


def _codes(table: pd.DataFrame) -> set[str]:
    """Return the codes that a table names, where it has any."""
    return {*table["code"].dropna().astype(str)} - {""} if "code" in table else set()
