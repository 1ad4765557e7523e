"""The grid file: a GeoPackage that holds a proved grid whole."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import shapely

from gridmap._arrays import Bools, Geometries, geometries, hand_back
from gridmap._checks import Bands, definition, jsonable, label
from gridmap.errors import InputError
from gridmap.grid.grid import EXCEPTION_COLUMNS, RETIRED_COLUMNS, Grid, middles
from gridmap.io.atomic import replacing, scratch
from gridmap.io.integrity import check_table, check_text, list_layers
from gridmap.io.record import RECORD, WKB, record_of
from gridmap.io.source import (
    BROKEN_PARQUET,
    GDAL_FAILURES,
    Source,
    find_source,
    names_database,
    quiet,
    telling,
)
from gridmap.io.vector import write_gdal
from gridmap.language import Message


def write_grid(grid: Grid, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a grid as one GeoPackage: the same grid, the same bytes.

    Layers ``cells``, ``jurisdictions``, ``boundary`` and ``units``; tables ``exceptions``,
    ``retired`` and ``gridmap_metadata`` (parameters, proof and content hash as JSON). Coordinates
    are kept to the last bit. Where the grid keeps the buildings its households were counted by,
    they are a layer ``buildings``, in a database a table that ends in ``_grid_buildings``.

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
    if names_database(path):
        from gridmap.io.postgis import write_grid_tables

        parts = parts_of(grid)
        tables = {part: parts[part] for part in PARTS} | {EXTRA_TABLE: parts.get(EXTRA)}
        write_grid_tables(tables, os.fspath(path), overwrite=overwrite)
        return
    check_name(path)
    path = Path(path)
    with replacing(path, overwrite=overwrite) as temporary:
        for name, frame in parts_of(grid).items():
            options: dict[str, Any] = {}
            if name in (*LAYERS, EXTRA):
                quick = {*map(str, frame.dtypes)} <= QUICK
                options = {"geometry_type": _layer_type(frame), "use_arrow": quick}
            write_gdal(frame, temporary, "GPKG", name, **options)


def write_grid_dataset(
    grid: Grid,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    plain: bool = False,
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
    plain : bool
        Whether to write the plainest of Parquet, which the auditor's script reads with Python
        alone: larger, and no quicker.

    Raises
    ------
    InputError
        When the folder exists, or cannot be written.
    """
    folder = Path(folder)
    check_folder(folder, overwrite=overwrite)
    how: dict[str, Any] = PLAIN if plain else {"compression": "zstd"}
    with scratch(folder.parent) as name:
        fresh = Path(name, "fresh")
        fresh.mkdir()
        for part, frame in parts_of(grid).items():
            if plain and part == METADATA:  # in words that the script knows from GeoPackages
                told = {"key": ["crs_definition"], "value": [_json(definition(grid.crs))]}
                frame = pd.concat([frame, pd.DataFrame(told, dtype="str")])
            frame.to_parquet(fresh / f"{part}.parquet", index=False, **how)
        if folder.exists():
            os.replace(folder, Path(name, "old"))
        os.replace(fresh, folder)


PLAIN = {
    "compression": "gzip",
    "compression_level": 1,
    "use_dictionary": False,
    "data_page_version": "1.0",
}
WHOLE = "districts"
"""The part of a dataset by district whose cells are the districts."""
MICRO = "micro"
"""The dataset of micro-cells in a dataset by district."""


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot become a dataset, before any work is done."""
    known = is_dataset(folder) or is_dataset(folder / WHOLE)
    if folder.exists() and not (overwrite and known):
        raise InputError(
            "`{path}` exists already. Add --overwrite, or choose another name.", path=folder
        )
    if not folder.parent.is_dir():
        raise InputError(
            "The folder `{parent}` does not exist. Make it first.", parent=folder.parent
        )


def is_dataset(folder: Path) -> bool:
    """Tell whether a folder is a grid that `write_grid_dataset` made."""
    return folder.is_dir() and (folder / f"{METADATA}.parquet").is_file()


def is_by_district(path: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is a dataset by district."""
    return not names_database(path) and is_dataset(Path(path) / WHOLE)


def district_folder(by: str, key: str) -> str:
    """Return the name of the folder of a district, as other programs know partitions.

    Examples
    --------
    >>> district_folder("district", "a/b")
    'district=a%2Fb'
    """
    return "=".join(re.sub(r"[^\w .-]", lambda sign: quote(sign[0], ""), t) for t in (by, key))


def read_districts(path: str | os.PathLike[str]) -> tuple[Grid, dict[str, Path]]:
    """Read the districts of a dataset as a grid of their own, and where the grid of each stands.

    Raises
    ------
    InputError
        When a part is missing.
    CoverageError
        When the districts do not tile the boundary.
    """
    folder = Path(path)
    whole = read_grid(folder / WHOLE)
    parts: Any = whole.parameters.get("parts")
    if not isinstance(parts, dict) or {*parts} != {*whole.cells.index}:
        raise InputError("`{name}` has damaged metadata. Write the grid again.", name=str(path))
    places = {key: folder / Path(str(parts[key]["folder"])).name for key in sorted(parts)}
    for key, place in places.items():
        if not is_dataset(place):
            raise InputError(
                "`{path}` lacks district {key!r}: `{place}` is not there. Run the partition again.",
                path=str(path),
                key=key,
                place=place,
            )
    hand_back()
    return whole, places


def _joined(path: str | os.PathLike[str], whole: bool) -> Grid:
    """Read all districts of a dataset as one grid; all is proved again at once."""
    districts, places = read_districts(path)
    parts = [read_grid(place, whole=whole) for place in places.values()]
    first = parts[0]
    kept = [one for part in parts if whole and (one := part.buildings) is not None]
    return Grid(
        _stacked([part.cells for part in parts]),
        districts.boundary,
        first.levels,
        jurisdictions=_stacked([part.jurisdictions for part in parts]),
        units=_stacked([part.units for part in parts], ignore_index=True) if whole else None,
        exceptions=pd.concat([part.exceptions for part in parts], ignore_index=True),
        retired=pd.concat([part.retired for part in parts], ignore_index=True),
        parameters=_parameters_of(parts) | {"by": districts.parameters["by"]},
        buildings=_stacked(kept, ignore_index=True) if len(kept) == len(parts) else None,
    )


def _parameters_of(parts: Sequence[Grid]) -> dict[str, Any]:
    """Return the parameters of grids as those of one: lists joined, the band by jurisdiction."""
    joined: dict[str, Any] = {}
    for part in parts:
        for key, value in part.parameters.items():
            before = joined.setdefault(key, value)
            if before is not value and isinstance(value, (list, dict)):
                joined[key] = before + value if isinstance(value, list) else before | value
    bands = Bands.by_area({key: p.bands.of(key) for p in parts for key in p.jurisdictions.index})
    joined |= {"min": bands.low, "max": bands.high}
    if bands.own:
        asked = {part.parameters.get("target") for part in parts if part.bands.own}
        own = {key: list(band) for key, band in sorted(bands.own.items())}
        joined |= {"bands": own, "target": asked.pop() if len(asked) == 1 else None}
    return joined


def _stacked(frames: list[gpd.GeoDataFrame], **how: Any) -> gpd.GeoDataFrame:
    stacked: gpd.GeoDataFrame = pd.concat(frames, **how)
    return stacked


def read_parts(folder: Path, whole: bool) -> dict[str, pd.DataFrame]:
    """Read the parts of a grid that `write_grid_dataset` wrote, with units where it is whole."""
    parts: dict[str, pd.DataFrame] = {}
    with telling(str(folder), BROKEN_PARQUET):
        for file in sorted(folder.glob("*.parquet")):
            if file.stem in DETAILS and not whole:
                continue
            shaped = b"geo" in (pq.read_schema(file).metadata or {})
            parts[file.stem] = gpd.read_parquet(file) if shaped else pd.read_parquet(file)
    return parts


def check_name(path: str | os.PathLike[str]) -> None:
    """Refuse a file for a grid that is called otherwise than a GeoPackage."""
    if not names_database(path) and Path(path).suffix.lower() != ".gpkg":
        named = Path(path).with_suffix(".gpkg")
        raise InputError("A grid file is a GeoPackage; name it `{named}`.", named=named)


def read_grid(path: str | os.PathLike[str], *, whole: bool = True) -> Grid:
    """Read a grid and prove it again.

    Parameters
    ----------
    path : path
        A grid file, a folder that `write_grid_dataset` made, a dataset by district (which is read
        whole: see `gridmap.io.verify` where it is larger than memory), or a database URL with
        ``?table=`` as `write_grid` took it.
    whole : bool
        Whether units and buildings are read at once, most of a file; else when they are asked for.

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
    if is_by_district(path):
        return _joined(path, whole)
    if not names_database(path) and is_dataset(Path(path)):
        grid = grid_of(read_parts(Path(path), whole), str(path), whole=whole)
        return grid if whole else _thin(grid, path)
    source = find_source(path)
    if source.kind == "database":
        return grid_of(parts_in_database(source, whole), source.name, whole=whole)
    if not is_grid_file(source):
        raise InputError(
            "`{source}` is no grid file. Make one with `gridmap partition`, or of "
            "existing cells with `gridmap adopt`.",
            source=source.name,
        )
    wanted = {name for name, _ in list_layers(source)} - (frozenset() if whole else DETAILS)
    parts = {name: read_part(source, name) for name in (*PARTS, EXTRA) if name in wanted}
    grid = grid_of(parts, source.name, whole=whole)
    return grid if whole else _thin(grid, path, source)


def parts_in_database(source: Source, whole: bool = True) -> dict[str, pd.DataFrame]:
    """Return the parts of a grid that stands in a database."""
    from gridmap.io.postgis import read_grid_tables

    parts = read_grid_tables(source, LAYERS, TABLES, EXTRA_TABLE)
    kept = parts.pop(EXTRA_TABLE, None)
    return parts | {EXTRA: kept} if whole and kept is not None else parts


def _thin(grid: Grid, path: str | os.PathLike[str], source: Source | None = None) -> Grid:
    """Let a grid read its units and buildings when they are asked for."""
    grid._unread = _Details(os.fspath(path), source, grid.proof.coverage_hash)
    return grid


@dataclass(frozen=True)
class _Details:
    """Units and buildings, still where a grid was read from; the source is that of a file."""

    path: str
    source: Source | None
    coverage: str

    def whole(self) -> tuple[gpd.GeoDataFrame | None, gpd.GeoDataFrame | None]:
        """Read both, of the same grid."""
        grid = read_grid(self.path)
        if grid.proof.coverage_hash != self.coverage:
            raise InputError("`{path}` was changed while it was read. Start again.", path=self.path)
        return grid.units, grid.buildings

    def named(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Read some columns of both, where one of them is not blank."""
        source = self.source
        packed = (
            {} if source is None else facts_of(read_part(source, METADATA), self.path)["packed"]
        )
        if source is None or any({*columns} & {*packed.get(part, [])} for part in DETAILS):
            yield from read_grid(self.path).named()
            return
        there = {name for name, _ in list_layers(source)}
        for part in ("units", EXTRA):
            if part in there and (frame := _read_named(source, part, columns)) is not None:
                yield frame


def _read_named(source: Source, name: str, columns: Sequence[str]) -> pd.DataFrame | None:
    """Read some columns where one is not blank, and a place on each; None without columns."""
    check_table(source, name)
    with telling(source.name, GDAL_FAILURES), quiet():
        told = pyogrio.read_info(source.gdal_path, layer=name)
        kinds = dict(zip(told["fields"], told["dtypes"], strict=True))
        shown = [column for column in columns if column in kinds]
        if not shown:
            return None
        filled = {True: "\"{}\" <> ''", False: '"{}" IS NOT NULL'}
        where = " OR ".join(filled[kinds[column] == "object"].format(column) for column in shown)
        parts = [pd.DataFrame(columns=[*shown, "x", "y"])]
        flags = {"columns": shown, "where": where, "use_pyarrow": True}
        with pyogrio.open_arrow(source.gdal_path, layer=name, **flags) as (about, reader):
            geometry = about["geometry_name"] or "wkb_geometry"
            for batch in reader:
                shapes = batch.column(geometry).to_numpy(zero_copy_only=False)
                x, y = middles(shapely.from_wkb(shapes))
                parts.append(batch.select(shown).to_pandas().assign(x=x, y=y))
    frame = pd.concat(parts[1:] or parts, ignore_index=True)
    check_text(frame, source.name)
    return frame


def is_grid_file(source: Source) -> bool:
    """Tell whether a source is a GeoPackage that `write_grid` made."""
    if source.kind != "vector" or source.suffix != ".gpkg":
        return False
    return METADATA in {name for name, _ in list_layers(source)}


def read_part(source: Source, name: str, packed: bool = False) -> pd.DataFrame:
    """Read one layer or table of a grid file, whole or not at all, with shapes packed if asked."""
    rows = check_table(source, name)
    with telling(source.name, GDAL_FAILURES), quiet():
        told = pyogrio.read_info(source.gdal_path, layer=name)["features"]
        flags = {"use_arrow": name in (*LAYERS, EXTRA), "read_geometry": not packed}
        frame: pd.DataFrame = pyogrio.read_dataframe(source.gdal_path, layer=name, **flags)
        if packed:
            about, table = pyogrio.read_arrow(source.gdal_path, layer=name, columns=[])
            frame[WKB] = table.column(about["geometry_name"] or "wkb_geometry").to_numpy()
    drawn = isinstance(frame, gpd.GeoDataFrame) and not shapely.is_missing(frame.geometry).any()
    if not len(frame) == told == (told if rows is None else rows) or (name in LAYERS and not drawn):
        raise _damaged(name, source.name)
    check_text(frame, source.name)
    return frame


def _damaged(layer: str, source: str) -> InputError:
    return InputError(
        "Layer {name!r} of `{source}` is damaged. Write the grid again.", name=layer, source=source
    )


def _layer_type(frame: pd.DataFrame) -> str:
    """Return Polygon, or MultiPolygon for a layer that needs it anywhere."""
    kinds = set(frame.geometry.geom_type)
    if kinds <= {"Point"}:
        return "Point"
    if not kinds <= {"Polygon", "MultiPolygon"}:
        return "Unknown"
    return "Polygon" if kinds <= {"Polygon"} else "MultiPolygon"


SCHEMA = "gridmap.grid/1"
LAYERS = ("cells", "jurisdictions", "boundary", "units")
EXTRA = "buildings"
EXTRA_TABLE = "grid_buildings"
"""Its name in a database, where a table of buildings often stands beside the grid already."""
DETAILS = frozenset({"units", EXTRA})
TABLES = ("exceptions", "retired", "gridmap_metadata")
PARTS = (*LAYERS, *TABLES)
METADATA = "gridmap_metadata"
QUICK = {"geometry", "str", "int64", "float64"}  # columns that GDAL writes alike by Arrow, faster


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
    lone = {name: np.flatnonzero(_of_one_part(geometries(raw[name].geometry))) for name in LAYERS}
    facts = {
        "schema": SCHEMA,
        "crs": label(grid.crs),
        "levels": list(grid.levels),
        "parameters": grid.parameters,
        "proof": grid.proof.as_dict(),
        "content_hash": grid.content_hash,
        "unit_facts": grid.units.attrs,
        "packed": packed,
        "multi_of_one": {name: rows for name, rows in lone.items() if len(rows)},
    }
    facts[RECORD] = record_of(parts, json.loads(_json(facts)))
    keys = list(facts)
    values = [_json(facts[key]) for key in keys]
    parts[METADATA] = pd.DataFrame({"key": keys, "value": values}, dtype="str")
    return parts


def grid_of(parts: Mapping[str, pd.DataFrame], name: str, *, whole: bool = True) -> Grid:
    """Rebuild a grid from its parts; the proof is made again.

    Parameters
    ----------
    parts : mapping of str to DataFrame
        As `parts_of` makes them.
    name : str
        What to call their source in an error.
    whole : bool
        Whether it gets its units and buildings, too.

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
    needed = [part for part in PARTS if whole or part not in DETAILS]
    check_parts(parts, needed, name)
    facts = facts_of(parts[METADATA], name)
    layers = {part: layer_of(parts, part, facts, name) for part in needed if part in LAYERS}
    tables = {
        part: pd.DataFrame(_unpacked(parts[part], part, facts, name))
        for part in needed
        if part not in LAYERS
    }
    buildings = layer_of(parts, EXTRA, facts, name) if whole and EXTRA in parts else None
    check_columns({**layers, **tables}, facts, name)
    return Grid(
        layers["cells"].set_index("code"),
        layers["boundary"].geometry.iloc[0],
        tuple(facts["levels"]),
        jurisdictions=layers["jurisdictions"].set_index("parent"),
        units=_units(layers["units"], facts) if whole else None,
        exceptions=tables["exceptions"],
        retired=tables["retired"],
        parameters=facts["parameters"],
        buildings=buildings,
    )


def check_parts(parts: Mapping[str, pd.DataFrame], needed: Sequence[str], name: str) -> None:
    """Refuse a grid that lacks parts."""
    missing = [part for part in needed if part not in parts]
    if missing:
        raise InputError(
            "`{name}` is no grid file: it lacks {missing}. Make one of plain cells with "
            "`gridmap adopt`.",
            name=name,
            missing=missing,
        )


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
        if all(isinstance(v, (bool, np.bool_)) for v in values) and values:
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
    return frame.assign(**fresh)


def layer_of(
    parts: Mapping[str, pd.DataFrame], part: str, facts: Mapping[str, Any], name: str
) -> gpd.GeoDataFrame:
    frame = _unpacked(parts[part], part, facts, name)
    if not isinstance(frame, gpd.GeoDataFrame):
        raise _damaged(part, name)
    if part == EXTRA:
        return frame
    geometry = _demoted(frame.geometry.to_numpy(), facts["multi_of_one"].get(part, []))
    return frame.set_geometry(gpd.GeoSeries(geometry, index=frame.index, crs=frame.crs))


def _of_one_part(geometry: Geometries) -> Bools:
    """Tell which shapes are a MultiPolygon of one part."""
    multi = shapely.get_type_id(geometry) == shapely.GeometryType.MULTIPOLYGON
    return np.asarray(multi & (shapely.get_num_geometries(geometry) == 1))


def _demoted(geometry: Geometries, lone: list[int]) -> Geometries:
    """Undo the promotion of polygons in a layer of multipolygons."""
    one = _of_one_part(geometry)
    one[[row for row in lone if row < len(one)]] = False
    result = geometry.copy()
    result[one] = shapely.get_geometry(geometry[one], 0)
    return result


def facts_of(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return what the metadata of a grid say, or refuse those that are damaged."""
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
    kinds = (("levels", list), ("parameters", dict), ("unit_facts", dict))
    damaged = [key for key, kind in kinds if not isinstance(facts.get(key), kind)]
    lists = (("packed", str), ("multi_of_one", int))
    damaged += [key for key, item in lists if not _are_lists(facts.get(key), item)]
    if damaged:
        raise InputError(
            "`{name}` has damaged metadata ({key}). Write the grid again.",
            name=name,
            key=damaged[0],
        )
    return facts


def _are_lists(value: Any, kind: type) -> bool:
    """Tell whether a value of the metadata is a list of one kind for each layer."""
    return isinstance(value, dict) and all(
        isinstance(items, list) and all(isinstance(item, kind) for item in items)
        for items in value.values()
    )


def check_columns(frames: Mapping[str, pd.DataFrame], facts: Mapping[str, Any], name: str) -> None:
    needed = {
        "cells": {"code", "parent", "kind", "households", *facts["levels"]},
        "jurisdictions": {"parent", *facts["levels"]},
        "units": {"code", "households"},
        "boundary": set[str](),
        "exceptions": {*EXCEPTION_COLUMNS},
        "retired": {*RETIRED_COLUMNS},
    }
    for part, columns in needed.items():
        if part not in frames:
            continue
        lacking = sorted(columns - set(frames[part].columns))
        if lacking or (part in LAYERS and len(frames[part]) == 0):
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
    return None if value is pd.NA or value is pd.NaT else jsonable(value)


def _parsed(text: Any, name: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            "`{name}` has damaged metadata. Write the grid again.", name=name
        ) from error
