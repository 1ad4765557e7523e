"""A Grid as plain layers and tables, and back: what a grid file and a database hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import label
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, content_of
from gridmap.language import Message

SCHEMA = "gridmap.grid/1"
LAYERS = ("cells", "jurisdictions", "boundary", "units")
EXTRA = "buildings"
TABLES = ("exceptions", "retired", "gridmap_metadata")
PARTS = (*LAYERS, *TABLES)
METADATA = "gridmap_metadata"


def parts_of(grid: Grid) -> dict[str, pd.DataFrame]:
    """Return the layers and tables of a grid, the metadata last, and the buildings if it has any.

    Parameters
    ----------
    grid : Grid

    Returns
    -------
    dict of str to DataFrame
        GeoDataFrames of polygons for `LAYERS`, frames for `TABLES`; no value is a list or a dict.
    """
    outline = gpd.GeoDataFrame({"name": ["boundary"]}, geometry=[grid.boundary], crs=grid.crs)
    raw: dict[str, pd.DataFrame] = {
        "cells": grid.cells.reset_index(),
        "jurisdictions": grid.jurisdictions.reset_index(),
        "boundary": outline,
        "units": _unit_rows(grid.units),
        "exceptions": grid.exceptions,
        "retired": grid.retired,
    }
    if grid.buildings is not None:
        raw[EXTRA] = grid.buildings
    packed: dict[str, list[str]] = {}
    parts = {name: _packed(frame, name, packed) for name, frame in raw.items()}
    lone = {name: _lone_multis(raw[name]) for name in LAYERS}
    facts = {
        "schema": SCHEMA,
        "crs": label(grid.crs),
        "levels": list(grid.levels),
        "parameters": grid.parameters,
        "proof": grid.proof.as_dict(),
        "content_hash": grid.content_hash,
        "unit_facts": grid.units.attrs,
        "packed": packed,
        "multi_of_one": {name: rows for name, rows in lone.items() if rows},
    }
    keys = list(facts)
    values = [_json(facts[key]) for key in keys]
    parts[METADATA] = pd.DataFrame({"key": keys, "value": values}, dtype="str")
    return parts


def grid_of(parts: Mapping[str, pd.DataFrame], name: str) -> Grid:
    """Rebuild a grid from its parts; the proof is made again.

    Parameters
    ----------
    parts : mapping of str to DataFrame
        As `parts_of` makes them.
    name : str
        What to call their source in an error.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        When a part is missing or damaged.
    CoverageError
        When the cells do not tile the boundary any more.
    """
    missing = [part for part in PARTS if part not in parts]
    if missing:
        raise InputError(
            "`{name}` is no grid file: it lacks {missing}. Make one of plain cells with "
            "`gridmap adopt`.",
            name=name,
            missing=[*missing],
        )
    facts = _facts(parts[METADATA], name)
    frames = {part: _unpacked(parts[part], part, facts, name) for part in PARTS}
    buildings = _unpacked(parts[EXTRA], EXTRA, facts, name) if EXTRA in parts else None
    _check_columns(frames, facts, name)
    return Grid(
        frames["cells"].set_index("code"),
        frames["boundary"].geometry.iloc[0],
        tuple(facts["levels"]),
        jurisdictions=frames["jurisdictions"].set_index("parent"),
        units=_units(frames["units"], facts),
        exceptions=frames["exceptions"],
        retired=frames["retired"],
        parameters=facts["parameters"],
        buildings=buildings,
    )


def content_changed(parts: Mapping[str, pd.DataFrame], name: str) -> bool:
    """Tell whether cells and jurisdictions are not those that the recorded content hash is of."""
    facts = _facts(parts[METADATA], name)
    keys = {"cells": "code", "jurisdictions": "parent"}
    frames = [_unpacked(parts[part], part, facts, name).set_index(keys[part]) for part in keys]
    return bool(facts.get("content_hash") != content_of(str(facts.get("crs")), *frames))


def _unit_rows(units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    plain = isinstance(units.index, pd.RangeIndex) and units.index.equals(pd.RangeIndex(len(units)))
    if plain or "unit" in units:
        return units.reset_index(drop=True)
    return units.rename_axis("unit").reset_index()


def _units(units: gpd.GeoDataFrame, facts: Mapping[str, Any]) -> gpd.GeoDataFrame:
    frame = units.set_index("unit") if "unit" in units else units.rename_axis("unit")
    frame.attrs = dict(facts["unit_facts"])
    if "notes" in frame.attrs:
        frame.attrs["notes"] = [Message.of(note) for note in frame.attrs["notes"]]
    return frame


def _packed(frame: pd.DataFrame, name: str, packed: dict[str, list[str]]) -> pd.DataFrame:
    """Write lists and dicts as JSON text, and remember where."""
    fresh: dict[str, Any] = {}
    for column in frame.columns:
        if frame[column].dtype != object:
            continue
        values = list(frame[column])
        if any(isinstance(v, (list, tuple, dict, set, frozenset)) for v in values):
            packed.setdefault(name, []).append(str(column))
            fresh[column] = pd.array([_json(v) for v in values], dtype="str")
        elif all(isinstance(v, (bool, np.bool_)) for v in values) and values:
            fresh[column] = np.array(values, dtype=bool)
        elif any(not (v is None or v is pd.NA or isinstance(v, (str, float))) for v in values):
            packed.setdefault(name, []).append(str(column))
            fresh[column] = pd.array([_json(v) for v in values], dtype="str")
        else:
            fresh[column] = frame[column].astype("str")
    result = frame.assign(**fresh)
    result.attrs = {}
    return result


def _unpacked(frame: pd.DataFrame, part: str, facts: Mapping[str, Any], name: str) -> pd.DataFrame:
    fresh: dict[str, Any] = {}
    for column in facts["packed"].get(part, []):
        if column in frame:
            values = [_parsed(text, name) for text in frame[column]]
            fresh[column] = pd.Series(values, index=frame.index, dtype=object)
    frame = frame.assign(**fresh)
    if part == EXTRA:
        return frame
    if part not in LAYERS:
        return pd.DataFrame(frame)
    geometry = _demoted(frame.geometry.to_numpy(), facts["multi_of_one"].get(part, []))
    return frame.set_geometry(gpd.GeoSeries(geometry, index=frame.index, crs=frame.crs))


def _lone_multis(frame: gpd.GeoDataFrame) -> list[int]:
    """Return the rows that are a MultiPolygon of one part."""
    geometry = frame.geometry.to_numpy()
    alone = (shapely.get_type_id(geometry) == 6) & (shapely.get_num_geometries(geometry) == 1)
    return [int(row) for row in np.flatnonzero(alone)]


def _demoted(geometry: Any, lone: list[int]) -> Any:
    """Undo the promotion of polygons in a layer of multipolygons."""
    one = (shapely.get_type_id(geometry) == 6) & (shapely.get_num_geometries(geometry) == 1)
    one[[row for row in lone if row < len(one)]] = False
    result = geometry.copy()
    result[one] = shapely.get_geometry(geometry[one], 0)
    return result


def _facts(table: pd.DataFrame, name: str) -> dict[str, Any]:
    if not {"key", "value"} <= set(table.columns):
        raise InputError("`{name}` has damaged metadata. Write the grid again.", name=name)
    facts = {str(k): _parsed(v, name) for k, v in zip(table["key"], table["value"], strict=True)}
    if facts.get("schema") != SCHEMA:
        raise InputError(
            "`{name}` is a grid of schema {schema!r}; this gridmap reads {schema_2}. "
            "Update gridmap.",
            name=name,
            schema=facts.get("schema"),
            schema_2=SCHEMA,
        )
    for key, kind in (("levels", list), ("parameters", dict), ("unit_facts", dict)):
        if not isinstance(facts.get(key), kind):
            raise InputError(
                "`{name}` has damaged metadata ({key}). Write the grid again.", name=name, key=key
            )
    for key in ("packed", "multi_of_one"):
        if not isinstance(facts.get(key), dict):
            raise InputError(
                "`{name}` has damaged metadata ({key}). Write the grid again.", name=name, key=key
            )
    return facts


def _check_columns(frames: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], name: str) -> None:
    needed = {
        "cells": {"code", "parent", "kind", "households", *facts["levels"]},
        "jurisdictions": {"parent", *facts["levels"]},
        "units": {"code", "households"},
        "boundary": set[str](),
    }
    for part, columns in needed.items():
        lacking = sorted(columns - set(frames[part].columns))
        if lacking or len(frames[part]) == 0:
            what = Message("no features")
            if lacking:
                what = Message("no column {columns}", columns=lacking)
            raise InputError(
                "Layer {part!r} of `{name}` has {what}. Write the grid again.",
                part=part,
                name=name,
                what=what,
            )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_jsonable)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Message):
        return value.plain()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return None if value is pd.NA or value is pd.NaT else str(value)


def _parsed(text: Any, name: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise InputError(
            "`{name}` has damaged metadata. Write the grid again.", name=name
        ) from error
