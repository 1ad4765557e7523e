"""What a grid file says beyond its proof, held to itself: one hash, and sums of the units."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap.coverage.edges import rings_of
from gridmap.coverage.prove import check_finite, invalid_among, prove_parents
from gridmap.language import Message

RECORD = "record_hash"
BESIDE = frozenset({RECORD, "crs_definition"})
"""Metadata that the record hash is not of: itself, and what goes with plain Parquet only."""


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
    shape = frame.geometry.name if isinstance(frame, gpd.GeoDataFrame) else None
    for column in sorted(str(name) for name in frame.columns if name != shape):
        yield _text([name, column, _texts(frame[column])])
    if shape is not None:
        geometry = frame[shape].to_numpy()
        yield _text([name, shapely.get_num_coordinates(geometry).tolist()])
        xyz = shapely.get_coordinates(geometry, include_z=True)
        yield np.where(np.isnan(xyz), np.nan, xyz).astype("<f8").tobytes()


def _text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def _texts(column: pd.Series[Any]) -> list[str | None]:
    """Return values as texts that are the same in whatever type a file keeps them."""
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype(object).where(column.notna(), None).tolist()
    if column.dtype == np.int64:
        return list(map(str, column.tolist()))
    return [_value(value) for value in column.tolist()]


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
