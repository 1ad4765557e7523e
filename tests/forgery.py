"""Sound grid files of many kinds, and forged ones: shares no code with the auditor's script."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

import gridmap
from gridmap import Grid
from tests.coverages import mosaic

METRIC, DEGREES, FEET, ZONED, WEB = 4547, 4490, 2232, 4526, 3857
ORIGINS = {
    METRIC: (500_000.0, 4_000_000.0),
    DEGREES: (114.0, 36.0),
    FEET: (3_140_000.0, 1_690_000.0),
    ZONED: (38_461_844.0, 3_900_000.0),
    WEB: (12_690_000.0, 4_300_000.0),
}


def placed(shapes: Any, crs: int, scale: float = 10.0) -> Any:
    """Return shapes of small whole coordinates somewhere in a CRS, vertex by vertex."""
    east, north = ORIGINS[crs]
    size = scale * 1e-5 if crs == DEGREES else scale
    return shapely.transform(shapes, lambda xy: xy * size + (east, north))


def frame(shapes: Any, crs: int = METRIC, **columns: Any) -> gpd.GeoDataFrame:
    """Return cells with codes and households."""
    count = len(shapes)
    table = {"code": [f"C{k:05d}" for k in range(count)], "households": 300 + np.arange(count) % 9}
    return gpd.GeoDataFrame({**table, **columns}, geometry=list(shapes), crs=crs)


def outline(shapes: Any) -> Any:
    """Return the union of a coverage."""
    return shapely.coverage_union_all(np.asarray(shapes, dtype=object))


def squares(columns: int, rows: int) -> Any:
    """Return unit squares, row after row."""
    y, x = np.divmod(np.arange(columns * rows), columns)
    return shapely.box(x, y, x + 1, y + 1)


# ------------------------------------------------------------------------------------- sound ones


def adopted(seed: int) -> Grid:
    """Return a random mosaic, adopted without parents; with lakes, islands and enclaves."""
    crs = list(ORIGINS)[seed % 5]
    cells = placed(mosaic(seed, cells=3 + seed % 17), crs)
    return gridmap.adopt(frame(cells, crs), outline(cells), code="code")


def levelled(seed: int) -> Grid:
    """Return a random mosaic whose cells belong to jurisdictions on two levels."""
    crs = list(ORIGINS)[seed % 5]
    cells = placed(mosaic(seed, cells=12), crs)
    rng = np.random.default_rng(seed)
    community = rng.integers(0, 4, len(cells))
    table = frame(cells, crs, street=[f"街{c // 2}" for c in community],
                  community=[f"社区{c}" for c in community])  # fmt: skip
    return gridmap.adopt(table, outline(cells), code="code", levels=["street", "community"])


def ringed(seed: int) -> Grid:
    """Return a cell around a cell around a lake, beside islands that touch in a point."""
    crs = list(ORIGINS)[seed % 5]
    box, size = shapely.box, 10 + seed
    island = shapely.MultiPolygon([box(90, 0, 91, 1), box(91, 1, 92, 2)])
    shapes = placed(
        np.array([
            shapely.difference(box(0, 0, size, size), box(2, 2, 8, 8)),
            shapely.difference(box(2, 2, 8, 8), box(3, 3, 4, 4)),
            island,
            box(1000, 1, 1001, 2),
        ], dtype=object), crs)  # fmt: skip
    return gridmap.adopt(frame(shapes, crs), shapely.union_all(shapes), code="code")


def lonely(seed: int) -> Grid:
    """Return one cell alone, drawn either way round and starting anywhere."""
    crs = list(ORIGINS)[seed % 5]
    ring = np.array([(0, 0), (4, 1), (7, 0), (6, 5), (3, 3), (1, 6)], dtype=float)[
        :: 1 - 2 * (seed % 2)
    ]
    ring = np.roll(ring, seed, axis=0)
    again = np.repeat(ring[:1], seed % 3, axis=0)  # the first corner stands there again and again
    shape = placed(shapely.Polygon(np.concatenate([ring, again])), crs)
    return gridmap.adopt(frame([shape], crs), shape, code="code")


def described(seed: int) -> Grid:
    """Return cells with columns of every type that a file may bring."""
    cells = placed(squares(2, 2), METRIC)
    rng = np.random.default_rng(seed)
    days = pd.to_datetime(pd.Series(rng.integers(0, 2**40, 4) * 10**6, dtype="datetime64[ns]"))
    extra = {
        "名称": ['甲,"乙"', "a\nb", "", " x "],
        "none": [None, "x", None, "y"],
        "share": rng.random(4) * 10.0 ** rng.integers(-9, 20, 4),
        "gap": [1.5, np.nan, -0.0, 1e300],
        "small": rng.random(4).astype("f4") * np.float32(10.0 ** rng.integers(-6, 12)),
        "flag": [True, False, True, True],
        "few": np.arange(4, dtype="i1"),
        "maybe": pd.array([1, None, 3, 4], dtype="Int64"),
        "when": days.dt.floor("ms").to_numpy(),
        "day": days.dt.floor("D").to_numpy(),
        "kinds": pd.Categorical(["x", "y", "x", "z"]),
        "list": [[1, "x"], [2.5], [], [None]],
        "pair": [(1, 2), (3,), (), (4, "y")],
        "mixed": [1, "x", 2.5, None],
        "yes": [True, None, False, None],
        "fid": [7, 7, 3, 1],
        "Geom": ["a", "b", None, "d"],
    }
    names = list(extra)
    chosen = [name for name in names if rng.random() < 0.5] or names
    return gridmap.adopt(
        frame(cells, METRIC, **{name: extra[name] for name in chosen}),
        outline(cells), code="code", levels=[c for c in chosen if c == "kinds"],
    )  # fmt: skip


def many(seed: int) -> Grid:
    """Return 10,000 cells for every twentieth seed, else a few hundred."""
    side = 100 if seed % 20 == 0 else 5 + seed
    cells = placed(squares(side, side), METRIC)
    return gridmap.adopt(frame(cells), outline(cells), code="code")


def partitioned(seed: int) -> Grid:
    """Return a partition of squares, and of every other a successor that keeps its codes."""
    rng = np.random.default_rng(seed)
    shapes = placed(squares(6, 4), METRIC)
    units = gpd.GeoDataFrame(
        {"parent": np.repeat(["A", "B"], 12), "households": rng.integers(60, 120, 24)},
        geometry=shapes, crs=METRIC,
    )  # fmt: skip
    first = gridmap.partition(units, seed=seed)
    if seed % 2 == 0:
        return first
    units.loc[0, "households"] += 50
    return gridmap.partition(units, keep=first, seed=seed)


def recorded(seed: int) -> Grid:
    """Return a successor with retired codes, an exception, and the buildings that were counted."""
    rng = np.random.default_rng(seed)
    shapes = placed(squares(6, 4), METRIC)
    units = gpd.GeoDataFrame(
        {"parent": np.repeat(["A", "B"], 12), "households": rng.integers(60, 120, 24),
         "name": [None, "楼"] * 12},
        geometry=shapes, crs=METRIC,
    )  # fmt: skip
    first = gridmap.partition(units, seed=seed)
    units.loc[:11, "households"] = 20
    grid = gridmap.partition(units, keep=first, seed=seed)
    points = units.assign(geometry=units.representative_point())[["households", "name", "geometry"]]
    return grid.with_buildings(points)


SOUND: dict[str, Callable[[int], Grid]] = {
    f.__name__: f
    for f in (adopted, levelled, ringed, lonely, described, many, partitioned, recorded)
}


# ------------------------------------------------------------------------------------ forged ones


def written(
    path: Path,
    cells: Any,
    boundary: Any = None,
    parents: Any = None,
    parent: Any = None,
    codes: Any = None,
) -> Path:
    """Write a grid file that nobody proved, with all its hashes as they should be."""
    cells_here = placed(squares(2, 1), METRIC)
    sound = gridmap.adopt(frame(cells_here), outline(cells_here), code="code")
    grid = object.__new__(Grid)
    grid.__dict__.update(sound.__dict__)
    grid.__dict__.pop("content_hash", None)
    shapes = np.array([*placed(np.array(cells, dtype=object), METRIC)], dtype=object)
    rim = shapely.union_all(shapes) if boundary is None else placed(boundary, METRIC)
    areas = [rim] if parents is None else list(placed(np.array(parents, dtype=object), METRIC))
    names = [f"P{k}" for k in range(len(areas))]
    table = {
        "name": "x", "kind": "residential", "households": 400, "area_m2": shapely.area(shapes),
        "parent": ["P0"] * len(shapes) if parent is None else [f"P{k}" for k in parent],
    }  # fmt: skip
    index = pd.Index([f"C{k}" for k in range(len(shapes))] if codes is None else codes, name="code")
    grid._cells = gpd.GeoDataFrame(table, index=index, geometry=shapes, crs=METRIC)
    grid._boundary = rim
    grid._jurisdictions = gpd.GeoDataFrame(
        index=pd.Index(names, name="parent"), geometry=areas, crs=METRIC
    )
    proof = gridmap.prove(shapes, np.array([rim], dtype=object))
    grid._proof = replace(proof, verdict="exact", leftover=0, invalid=0)
    gridmap.write_grid(grid, path, overwrite=True)
    return path


def polygon(*rings: Any) -> Any:
    """Return a polygon of rings, whatever they are."""
    return shapely.Polygon(rings[0], list(rings[1:]))


def ring(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    """Return the corners of a box."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


_A, _B = shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10)
_LONG = polygon([(0, 0), (10, 0), (20, 0), (20, 10), (10, 10), (0, 10)])
_OVER = shapely.MultiPolygon([_A, shapely.box(5, 0, 15, 10)])
_IN = shapely.MultiPolygon([_A, shapely.box(2, 2, 4, 4)])
_STAR = polygon([(0, 0), (12, 5), (20, 10), (20, 0), (12, 5), (0, 10)])
_SPIKE = polygon([(0, 0), (10, 0), (10, 5), (14, 5), (10, 5), (10, 10), (0, 10)])
_TWICE = polygon([*ring(0, 0, 10, 10)] * 2)
_BOW = polygon([(0, 0), (10, 10), (10, 0), (0, 8)])
_LENSES = polygon([(0, 0), (5, 5), (10, 0), (10, 10), (5, 5), (0, 10)])
_CROSSED = [(5, 5), (15, 2), (15, 8)]  # leaves the shell through two of its sides
_DIAMOND = [(5, 0), (10, 5), (5, 10), (0, 5)]

GEOMETRIES: dict[str, dict[str, Any]] = {
    "a hole outside its shell": {
        "cells": [polygon(ring(0, 0, 10, 10), ring(10, 0, 20, 10)), _B, _B], "boundary": _LONG},
    "a hole far from its shell": {
        "cells": [polygon(ring(0, 0, 10, 10), ring(30, 0, 40, 10)), shapely.box(30, 0, 40, 10)],
        "boundary": _A},
    "a ring that crosses itself at a vertex": {"cells": [_STAR], "boundary": _STAR},
    "a ring that touches itself": {"cells": [_LENSES], "boundary": _LENSES},
    "a bow": {"cells": [_BOW], "boundary": _BOW},
    "a spike": {"cells": [_SPIKE], "boundary": _SPIKE},
    "a ring walked twice": {"cells": [_TWICE], "boundary": _TWICE},
    "a boundary of parts that overlap": {
        "cells": [_A, shapely.box(5, 0, 15, 10)], "boundary": _OVER},
    "a boundary with a part inside another": {
        "cells": [_A, shapely.box(2, 2, 4, 4)], "boundary": _IN},
    "the same part twice": {
        "cells": [_A, _A], "boundary": shapely.MultiPolygon([_A, _A])},
    "a jurisdiction of parts that overlap": {
        "cells": [_A, shapely.box(5, 0, 15, 10)], "parents": [_OVER], "boundary": _OVER},
    "a cell of parts that overlap": {"cells": [_OVER], "boundary": _OVER},
    "a part inside another": {"cells": [_IN], "boundary": _IN},
    "a part inside the island of another": {
        "cells": [shapely.MultiPolygon([polygon(ring(0, 0, 10, 10), ring(2, 2, 8, 8)),
                                        shapely.box(1, 1, 9, 9)])],
        "boundary": shapely.MultiPolygon([polygon(ring(0, 0, 10, 10), ring(2, 2, 8, 8)),
                                          shapely.box(1, 1, 9, 9)])},
    "a hole equal to its shell": {
        "cells": [_A, polygon(ring(0, 0, 10, 10), ring(0, 0, 10, 10))], "boundary": _A},
    "holes that overlap": {
        "cells": [polygon(ring(0, 0, 10, 10), ring(1, 1, 6, 6), ring(3, 3, 8, 8)),
                  shapely.box(1, 1, 6, 6), shapely.box(3, 3, 8, 8)], "boundary": _A},
    "a hole in a hole": {
        "cells": [polygon(ring(0, 0, 10, 10), ring(1, 1, 9, 9), ring(3, 3, 6, 6)),
                  shapely.box(1, 1, 9, 9), shapely.box(3, 3, 6, 6)], "boundary": _A},
    "the same hole twice": {
        "cells": [polygon(ring(0, 0, 10, 10), ring(1, 1, 9, 9), ring(1, 1, 9, 9)),
                  shapely.box(1, 1, 9, 9), shapely.box(1, 1, 9, 9)], "boundary": _A},
    "a hole that crosses its shell": {
        "cells": [polygon(ring(0, 0, 10, 10), _CROSSED), polygon(_CROSSED)], "boundary": _A},
    "a hole that crosses its shell at vertices": {
        "cells": [polygon([(0, 0), (10, 0), (10, 4), (10, 6), (10, 10), (0, 10)],
                          [(5, 5), (10, 4), (15, 5), (10, 6)]),
                  polygon([(5, 5), (10, 4), (15, 5), (10, 6)])],
        "boundary": polygon([(0, 0), (10, 0), (10, 4), (10, 6), (10, 10), (0, 10)])},
    "a hole that cuts the cell into pieces": {
        "cells": [polygon(ring(0, 0, 10, 10), _DIAMOND), polygon(_DIAMOND)], "boundary": _A},
    "a shell inside its hole": {
        "cells": [polygon(ring(3, 3, 6, 6), ring(0, 0, 10, 10)), _A], "boundary":
        shapely.box(3, 3, 6, 6)},
    "an empty cell": {"cells": [_A, shapely.Polygon()], "boundary": _A},
    "a cell without area": {
        "cells": [_A, polygon([(2, 2), (4, 4), (6, 6)])], "boundary": _A},
    "two cells on one place": {"cells": [_A, _A], "boundary": _A},
    "a gap": {"cells": [_A], "boundary": _LONG},
    "a sliver of two ulps": {
        "cells": [_A, polygon([(10, 0), (20, 0), (20, 10), (10 + 1e-11, 10)])],
        "boundary": _LONG},
    "an overlap": {"cells": [_A, shapely.box(9, 0, 20, 10)], "boundary": _LONG},
    "a cell outside": {"cells": [_A, _B], "boundary": _A},
    "a vertex on an unbroken side": {
        "cells": [_A, polygon([(10, 0), (20, 0), (20, 10), (10, 10), (10, 5)])],
        "boundary": _LONG},
    "a lake only in the boundary": {
        "cells": [_A], "boundary": polygon(ring(0, 0, 10, 10), ring(2, 2, 4, 4))},
    "a lake only in the cells": {
        "cells": [polygon(ring(0, 0, 10, 10), ring(2, 2, 4, 4))], "boundary": _A},
    "a cell in another jurisdiction": {
        "cells": [_A, _B], "boundary": _LONG, "parents": [_A, _B], "parent": [0, 0]},
    "cells swapped between jurisdictions": {
        "cells": [_A, _B], "boundary": _LONG, "parents": [_A, _B], "parent": [1, 0]},
    "a jurisdiction without cells": {
        "cells": [_A, _B], "boundary": _LONG, "parents": [_LONG, shapely.box(40, 0, 50, 10)]},
    "jurisdictions short of the boundary": {
        "cells": [_A, _B], "boundary": _LONG, "parents": [_A], "parent": [0, 0]},
    "codes that differ in a blank": {
        "cells": [_A, _B], "boundary": _LONG, "codes": ["A", "A "]},
    "a code twice": {"cells": [_A, _B], "boundary": _LONG, "codes": ["A", "A"]},
    "codes that differ in what cannot be seen": {
        "cells": [_A, _B], "boundary": _LONG, "codes": ["A", "A\u200b"]},
    "codes of one letter composed two ways": {
        "cells": [_A, _B], "boundary": _LONG, "codes": ["\u00e9", "e\u0301"]},
    "a code that cannot be seen": {"cells": [_A, _B], "boundary": _LONG, "codes": ["A", "\u200b"]},
    "a code of blanks": {"cells": [_A, _B], "boundary": _LONG, "codes": ["A", "  "]},
}  # fmt: skip
"""Files of which every hash is right, and the geometry or a code is not."""

STATEMENTS: dict[str, tuple[str, ...]] = {
    "codes swapped": (
        "UPDATE cells SET code = 'x' WHERE rowid = 1",
        "UPDATE cells SET code = 'C00000' WHERE rowid = 2",
        "UPDATE cells SET code = 'C00001' WHERE rowid = 1",
    ),
    "geometries swapped": (
        "CREATE TEMP TABLE t AS SELECT geom FROM cells WHERE rowid = 1",
        "UPDATE cells SET geom = (SELECT geom FROM cells WHERE rowid = 2) WHERE rowid = 1",
        "UPDATE cells SET geom = (SELECT geom FROM t) WHERE rowid = 2",
    ),
    "households changed": ("UPDATE cells SET households = households + 1 WHERE rowid = 1",),
    "a name changed": ("UPDATE cells SET name = 'other' WHERE rowid = 1",),
    "a kind changed": ("UPDATE cells SET kind = 'dedicated' WHERE rowid = 1",),
    "an area changed": ("UPDATE cells SET area_m2 = area_m2 * 2 WHERE rowid = 1",),
    "a level changed": ("UPDATE jurisdictions SET street = 'other' WHERE rowid = 1",),
    "a column more": ("ALTER TABLE cells ADD COLUMN leader TEXT",),
    "a code that is missing": ("UPDATE cells SET code = NULL WHERE rowid = 1",),
    "a code twice": ("UPDATE cells SET code = 'C00001' WHERE rowid = 1",),
    "an unknown parent": ("UPDATE cells SET parent = 'x' WHERE rowid = 1",),
    "another parent": (
        "UPDATE cells SET parent = (SELECT parent FROM cells WHERE parent != (SELECT parent FROM "
        "cells WHERE rowid = 1)) WHERE rowid = 1",
    ),
    "a cell gone": ("DELETE FROM cells WHERE rowid = 1",),
    "a cell twice": (
        "INSERT INTO cells (geom, code, name, kind, households, area_m2, parent) "
        "SELECT geom, 'new', name, kind, households, area_m2, parent FROM cells WHERE rowid = 1",
    ),
    "a cell without geometry": ("UPDATE cells SET geom = NULL WHERE rowid = 1",),
    "a jurisdiction gone": ("DELETE FROM jurisdictions WHERE rowid = 1",),
    "a boundary in two rows": ("INSERT INTO boundary (geom) SELECT geom FROM boundary",),
    "a view for a table": (
        "ALTER TABLE cells RENAME TO kept",
        "CREATE VIEW cells AS SELECT * FROM kept",
    ),
    "a view for the list of columns": (
        "ALTER TABLE gpkg_geometry_columns RENAME TO kept",
        "CREATE VIEW gpkg_geometry_columns AS SELECT * FROM kept",
    ),
    "another geometry column": ("ALTER TABLE cells ADD COLUMN shape POLYGON",),
    "another geometry column in use": (
        "ALTER TABLE cells ADD COLUMN shape POLYGON",
        "UPDATE cells SET shape = geom",
        "UPDATE gpkg_geometry_columns SET column_name = 'shape' WHERE table_name = 'cells'",
    ),
    "a geometry that is computed": ("ALTER TABLE cells ADD COLUMN other TEXT AS (name) VIRTUAL",),
    "a layer in another CRS": (
        "UPDATE gpkg_geometry_columns SET srs_id = 4326 WHERE table_name = 'cells'",
    ),
    "all layers in another CRS": ("UPDATE gpkg_geometry_columns SET srs_id = 4326",),
    "another definition of the CRS": (
        "UPDATE gpkg_spatial_ref_sys SET definition = (SELECT definition FROM "
        "gpkg_spatial_ref_sys WHERE srs_id = 4326) WHERE srs_id = 4547",
    ),
    "a CRS renamed": ("UPDATE gridmap_metadata SET value = '\"EPSG:4548\"' WHERE key = 'crs'",),
    "another content hash": (
        "UPDATE gridmap_metadata SET value = '\"" + "0" * 64 + "\"' WHERE key = 'content_hash'",
    ),
    "another proof": (
        "UPDATE gridmap_metadata SET value = replace(value, 'coverage_hash\": \"', "
        "'coverage_hash\": \"0') WHERE key = 'proof'",
    ),
    "a key twice": (
        "INSERT INTO gridmap_metadata (key, value) SELECT key, value FROM gridmap_metadata "
        "WHERE key = 'content_hash'",
    ),
    "a layer in another CRS by the list of contents": (
        "UPDATE gpkg_contents SET srs_id = 4326 WHERE table_name = 'cells'",
    ),
    "a CRS of another organisation": (
        "UPDATE gpkg_spatial_ref_sys SET organization = 'ESRI' WHERE srs_id = 4547",
    ),
    "a CRS of no organisation": (
        "UPDATE gpkg_spatial_ref_sys SET organization = 'NONE', organization_coordsys_id = 0 "
        "WHERE srs_id = 4547",
    ),
    "a CRS that is not called by its number": (
        "UPDATE gridmap_metadata SET value = '\"ESRI:4547\"' WHERE key = 'crs'",
    ),
    "a CRS that is not called at all": (
        "UPDATE gridmap_metadata SET value = '\"\"' WHERE key = 'crs'",
    ),
    "a CRS without a definition": (
        "UPDATE gpkg_spatial_ref_sys SET definition = 'undefined' WHERE srs_id = 4547",
    ),
    "a CRS that begins elsewhere": (
        "UPDATE gpkg_spatial_ref_sys SET definition = replace(definition, 'easting\",500000', "
        "'easting\",500001') WHERE srs_id = 4547",
    ),
    "a CRS in feet": (
        "UPDATE gpkg_spatial_ref_sys SET definition = replace(definition, 'UNIT[\"metre\",1', "
        "'UNIT[\"metre\",0.3048') WHERE srs_id = 4547",
    ),
    "a CRS on another ellipsoid": (
        "UPDATE gpkg_spatial_ref_sys SET definition = replace(definition, "
        "'6378137,298.257222101', '6378245,298.3') WHERE srs_id = 4547",
    ),
    "a CRS of another projection": (
        "UPDATE gpkg_spatial_ref_sys SET definition = replace(definition, 'Transverse_Mercator', "
        "'Mercator_1SP') WHERE srs_id = 4547",
    ),
    "a CRS that counts westwards": (
        "UPDATE gpkg_spatial_ref_sys SET definition = replace(definition, '\"Easting\",EAST', "
        "'\"Easting\",WEST') WHERE srs_id = 4547",
    ),
    "a CRS defined twice": (
        "ALTER TABLE gpkg_spatial_ref_sys ADD COLUMN definition_12_063 TEXT",
        "UPDATE gpkg_spatial_ref_sys SET definition_12_063 = (SELECT definition FROM "
        "gpkg_spatial_ref_sys WHERE srs_id = 4326) WHERE srs_id = 4547",
    ),
    "a count that hides all cells but one": (
        "UPDATE gpkg_ogr_contents SET feature_count = 1 WHERE table_name = 'cells'",
    ),
    "a spatial index that hides a cell": (
        "UPDATE rtree_cells_geom SET minx = 0, maxx = 1, miny = 0, maxy = 1 WHERE id = 1",
    ),
    "a spatial index without a cell": ("DELETE FROM rtree_cells_geom WHERE id = 1",),
    "a spatial index of more than the cells": (
        "INSERT INTO rtree_cells_geom VALUES (99999, 0, 1, 0, 1)",
    ),
    "an envelope elsewhere": (
        "UPDATE cells SET geom = CAST(substr(geom, 1, 8) || zeroblob(32) || substr(geom, 41) "
        "AS BLOB) WHERE rowid = 1",
    ),
    "a cell that is said to be empty": (
        "UPDATE cells SET geom = CAST(substr(geom, 1, 3) || x'13' || substr(geom, 5) AS BLOB) "
        "WHERE rowid = 1",
    ),
    "a layer listed otherwise": (
        "UPDATE gpkg_contents SET data_type = 'attributes' WHERE table_name = 'cells'",
    ),
}
"""What somebody does to a sound file with SQL."""


def edited(whole: Path, to: Path, *statements: str) -> Path:
    """Return a copy of a grid file after some SQL."""
    shutil.copy(whole, to)
    database = sqlite3.connect(to)
    made = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in made:
        database.execute(f'DROP TRIGGER "{name}"')
    database.execute("PRAGMA legacy_alter_table = ON")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return to


def blob_of(path: Path) -> bytes:
    """Return the geometry of the first cell."""
    database = sqlite3.connect(path)
    blob = database.execute("SELECT geom FROM cells WHERE rowid = 1").fetchone()[0]
    database.close()
    return bytes(blob)


def with_blob(whole: Path, to: Path, blob: bytes) -> Path:
    """Return a copy of a grid file with another geometry in its first cell."""
    return edited(whole, to, f"UPDATE cells SET geom = x'{blob.hex()}' WHERE rowid = 1")


def packed(shape: Any, head: bytes = b"GP\0\1" + struct.pack("<i", METRIC)) -> bytes:
    """Return a shape as a GeoPackage stores it."""
    return head + shapely.to_wkb(shape, byte_order=1)


_BOX = struct.pack("<BII", 1, 3, 1)


def _points(*xy: float) -> bytes:
    return struct.pack(f"<I{len(xy)}d", len(xy) // 2, *xy)


HEAD = b"GP\0\1" + struct.pack("<i", METRIC)
BLOBS: dict[str, Callable[[bytes], bytes]] = {
    "two bytes": lambda blob: blob[:2],
    "nothing but a header": lambda blob: blob[:8],
    "a geometry cut short": lambda blob: blob[:-9],
    "bytes behind the end": lambda blob: blob + b"\0",
    "an impossible envelope": lambda blob: blob[:3] + bytes([blob[3] | 0b1110]) + blob[4:],
    "an extended geometry": lambda blob: blob[:3] + bytes([blob[3] | 0b100000]) + blob[4:],
    "another magic": lambda blob: b"XX" + blob[2:],
    "not a number": lambda _: HEAD + _BOX + _points(0, 0, 1, 0, float("nan"), 1, 0, 0),
    "infinity": lambda _: HEAD + _BOX + _points(0, 0, 1, 0, float("inf"), 1, 0, 0),
    "an empty ring": lambda _: HEAD + _BOX + struct.pack("<I", 0),
    "a ring of four thousand million points": lambda _: HEAD + _BOX + b"\xff" * 20,
    "four thousand million rings": lambda _: HEAD + struct.pack("<BII", 1, 3, 2**32 - 1),
    "a line": lambda _: HEAD + shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)])),
    "a collection": lambda _: HEAD + shapely.to_wkb(shapely.GeometryCollection([_A])),
    "another byte order": lambda _: HEAD + b"\x07" + _BOX[1:] + _points(0, 0, 1, 0, 1, 1, 0, 0),
}
"""Geometries that nobody can read."""

BYTES: dict[str, tuple[str, ...]] = {
    "text that is not UTF-8": ("UPDATE cells SET name = CAST(x'ff41' AS TEXT) WHERE rowid = 1",),
    "text with a NUL": ("UPDATE cells SET name = 'a' || char(0) || 'b' WHERE rowid = 1",),
    "a geometry as text": ("UPDATE cells SET geom = 'GP and more of it' WHERE rowid = 1",),
    "no cells": ("DELETE FROM cells",),
    "no boundary": ("DELETE FROM boundary",),
    "no jurisdictions": ("DELETE FROM jurisdictions",),
    "no layer of cells": ("DROP TABLE cells",),
    "no layer of the boundary": ("DROP TABLE boundary",),
    "no metadata": ("DELETE FROM gridmap_metadata",),
    "metadata that are no JSON": ("UPDATE gridmap_metadata SET value = '{' WHERE key = 'proof'",),
    "metadata that nest without end": (
        f"UPDATE gridmap_metadata SET value = '{'[' * 100_000}' WHERE key = 'proof'",
    ),
    "packed columns that are none": (
        "UPDATE gridmap_metadata SET value = '{\"cells\": [[1]]}' WHERE key = 'packed'",
    ),
    "rows that are none": (
        "UPDATE gridmap_metadata SET value = '{\"cells\": \"xx\"}' WHERE key = 'multi_of_one'",
    ),
    "metadata without the hash": ("DELETE FROM gridmap_metadata WHERE key = 'content_hash'",),
    "a CRS that is not defined": ("DELETE FROM gpkg_spatial_ref_sys WHERE srs_id = 4547",),
    "a layer that is not listed": ("DELETE FROM gpkg_contents WHERE table_name = 'cells'",),
    "no column of geometries": ("DELETE FROM gpkg_geometry_columns WHERE table_name = 'cells'",),
}
"""What makes a file unreadable."""


def changes(path: Path) -> dict[str, str]:
    """Return SQL for each value, row and key of a grid file, by what it forges."""
    database = sqlite3.connect(path)
    made: dict[str, str] = {}
    for name in ("cells", "jurisdictions", "boundary", "units", "buildings", "exceptions",
                 "retired"):  # fmt: skip
        columns = database.execute(f"PRAGMA table_info({name})").fetchall()
        plain = [column[1] for column in columns if not column[5]]
        names = ", ".join(f'"{column}"' for column in plain)
        made[f"{name}: a row gone"] = f"DELETE FROM {name} WHERE fid = 1"
        made[f"{name}: a row twice"] = (
            f"INSERT INTO {name} ({names}) SELECT {names} FROM {name} WHERE fid = 1"
        )
        if name in ("units", "buildings"):
            made[f"{name}: rows in another order"] = f"UPDATE {name} SET fid = -fid"
        made[f"{name}: a column more"] = f"ALTER TABLE {name} ADD COLUMN more TEXT"
        for column in plain:
            here = f'UPDATE {name} SET "{column}" = '
            if column == "geom":
                made[f"{name}: geometry"] = (
                    here + "CAST(substr(geom, 1, length(geom) - 1) || x'42' AS BLOB) WHERE fid = 1"
                )
                continue
            made[f"{name}: {column}"] = (
                f"{here}CASE typeof(\"{column}\") WHEN 'text' THEN \"{column}\" || 'x' "
                f"WHEN 'null' THEN 7 ELSE \"{column}\" + 1 END WHERE fid = 1"
            )
            made[f"{name}: {column} all"] = (
                f"{here}CASE typeof(\"{column}\") WHEN 'text' THEN 'other' ELSE 7 END"
            )
    for key, now in database.execute("SELECT key, value FROM gridmap_metadata").fetchall():
        where = f"WHERE key = '{key}'"
        made[f"metadata: {key} gone"] = f"DELETE FROM gridmap_metadata {where}"
        for value in {"{}", "7", '"x"', "[]"} - {now}:
            made[f"metadata: {key} {value}"] = (
                f"UPDATE gridmap_metadata SET value = '{value}' {where}"
            )
    made["metadata: a wider band"] = (
        "UPDATE gridmap_metadata SET value = replace(value, '600', '900') WHERE key = 'parameters'"
    )
    database.close()
    return made


def rewritten(whole: Path, to: Path, **parts: Callable[[Any], Any]) -> Path:
    """Return a copy of a grid file with other parts, and the record hash that goes with them."""
    grid = gridmap.read_grid(whole)
    kept = {f"_{name}": change(getattr(grid, name)) for name, change in parts.items()}
    grid.__dict__.update(kept)
    gridmap.write_grid(grid, to, overwrite=True)
    return to


def _first(frame: Any, **values: Any) -> Any:
    """Return a frame with other values in its first row."""
    frame = frame.copy()
    for column, value in values.items():
        frame.loc[frame.index[0], column] = value
    return frame


CONSISTENT: dict[str, dict[str, Callable[[Any], Any]]] = {
    "a unit in another cell": {"units": lambda u: _first(u, code=u["code"].iloc[-1])},
    "a unit of no cell": {"units": lambda u: _first(u, code="other")},
    "a unit of another jurisdiction": {"units": lambda u: _first(u, parent="B")},
    "households of a unit": {"units": lambda u: _first(u, households=7)},
    "a unit gone": {"units": lambda u: u.iloc[1:]},
    "a unit twice": {"units": lambda u: u.iloc[[0, *range(len(u))]]},
    "an empty unit more": {"units": lambda u: u.iloc[[0, *range(len(u))]].assign(
        households=[0, *u["households"]])},
    "a unit turned": {"units": lambda u: u.set_geometry(u.geometry.affine_transform(
        [0, -1, 1, 0, 0, 0]))},
    "a unit that moved": {"units": lambda u: _first(u, geometry=shapely.transform(
        u.geometry.iloc[0], lambda xy: xy + 1e-9))},
    "an exception for a cell that is not": {"exceptions": lambda e: _first(e, code="other")},
    "a cell's code retired": {"retired": lambda r: _first(r, code="A-001")},
}  # fmt: skip
"""What somebody changes who computes the record hash anew: a part, and how."""
