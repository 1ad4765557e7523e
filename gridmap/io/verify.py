"""A grid file or a dataset by district, held against what it says of itself: hashes, outlines."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from gridmap._arrays import Floats, Geometries, geometries, hand_back, uncollected
from gridmap._checks import Each, Progress, defined, here, silent
from gridmap.coverage.prove import prove
from gridmap.errors import CoverageError, InputError
from gridmap.grid.grid import Grid, content_of
from gridmap.io.gridfile import (
    EXTRA,
    LAYERS,
    METADATA,
    MICRO,
    PARTS,
    TABLES,
    WHOLE,
    check_columns,
    facts_of,
    grid_of,
    is_by_district,
    layer_of,
    read_districts,
    read_part,
    read_parts,
)
from gridmap.io.integrity import list_layers, opened
from gridmap.io.record import RECORD, record_faults, record_of
from gridmap.io.source import Source
from gridmap.language import Message


@uncollected
def read_file_parts(source: Source) -> dict[str, pd.DataFrame]:
    """Read what is there of a grid file, whatever it holds; buildings only to be hashed."""
    there = {name for name, _ in list_layers(source)}
    return {
        name: read_part(source, name, name == EXTRA) for name in (*PARTS, EXTRA) if name in there
    }


@uncollected
def file_faults(parts: Mapping[str, pd.DataFrame], name: str) -> list[Message]:
    """Tell what in a grid's parts is not as its hashes say, or not as its cells are.

    Parameters
    ----------
    parts : mapping of str to DataFrame
        As `parts_of` makes them; whether the cells tile their boundary is not asked here.
    name : str
        What to call their source in an error.
    """
    facts = facts_of(parts[METADATA], name)
    faults = [
        Message("the file has no part {part}", part=part) for part in PARTS if part not in parts
    ]
    if faults:
        return faults
    check_columns(parts, facts, name)
    layers = {part: layer_of(parts, part, facts, name) for part in LAYERS}
    cells, areas = layers["cells"].set_index("code"), layers["jurisdictions"].set_index("parent")
    if facts.get("content_hash") != content_of(str(facts.get("crs")), cells, areas):
        faults.append(Message("the content hash in the file is not that of its content"))
    if facts.get(RECORD, record := record_of(parts, facts)) != record:
        said = Message("the record hash in the file is not that of its {rest}")
        faults.append(said(rest=BEYOND_CONTENT))
    if cells.index.hasnans or not cells.index.is_unique:
        return faults
    rest = parts["exceptions"], parts["retired"]
    layers["units"].attrs.clear()  # copied by every step otherwise
    return faults + record_faults(cells, layers["units"], *rest)


BEYOND_CONTENT = Message("units, buildings, exceptions, retired codes and parameters")
"""What the record hash vouches for, beside the content hash."""


def unrecorded(parts: Mapping[str, pd.DataFrame]) -> bool:
    """Tell whether a grid was written before grids had a record hash."""
    return RECORD not in set(parts[METADATA]["key"])


@dataclass(frozen=True)
class Proved:
    """What was found in a dataset by district; `split` cells hold micro-cells."""

    districts: int
    cells: int
    edges: int
    content_hash: str
    found: dict[str, Message]
    micro: int = 0
    split: int = 0


def prove_districts(
    path: str | os.PathLike[str], progress: Progress = silent, each: Each = here
) -> Proved:
    """Prove a dataset by district, holding one district at a time.

    Each part is proved when it is read. That its outline is that of the district, which is a cell
    of the whole, joins the proofs: the cells of all parts tile the boundary of the whole. Where
    there are micro-cells, those of a cell are proved to fill just that cell.

    Returns
    -------
    Proved
        Findings in words by district, none when all is proved.
    """
    content, parts = _parts(Path(path))
    below = _parts(Path(path, MICRO))[1] if is_by_district(Path(path, MICRO)) else {}
    found = {key: Message("only its micro-cells are there") for key in sorted({*below} - {*parts})}
    for name in (WHOLE, f"{MICRO}/{WHOLE}")[: 2 if below else 1]:
        for fault in file_faults(read_parts(Path(path, name), whole=True), name)[:1]:
            found[name] = fault
    hand_back()
    owner: dict[str, str] = {}
    total: Counter[str] = Counter()
    calls = [(key, part, below.get(key)) for key, part in parts.items()]
    progress("prove", 0, len(parts))
    answers = []
    for answer in each(prove_part, calls):
        answers.append(answer)
        progress("prove", len(answers), len(parts))
    for key, facts, codes, said in sorted(answers, key=lambda answer: str(answer[0])):
        total.update(facts)
        twice = [code for code in codes if owner.setdefault(code, key) != key]
        if twice:
            said = Message("its code {code} stands in another district", code=twice[0])
        if said is not None:
            found[key] = said
    return Proved(
        len(parts), total["cells"], total["edges"], _content(content, parts, below), found,
        total["micro"], total["split"],
    )  # fmt: skip


def _content(whole: str, parts: Mapping[str, Part], below: Mapping[str, Part]) -> str:
    """Return a hash over the content hashes of all grids of a dataset."""
    lines = [whole, *(f"{key}\t{part.content_hash}" for key, part in parts.items())]
    lines += [f"{MICRO}/{key}\t{part.content_hash}" for key, part in sorted(below.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Part(NamedTuple):
    """A district of a dataset: where its grid is, and what the whole says of it."""

    place: Path
    outline: Geometries
    content_hash: str


def _parts(folder: Path) -> tuple[str, dict[str, Part]]:
    """Read the content hash of a dataset's districts, and what is said of each."""
    whole, places = read_districts(folder)
    told: Any = whole.parameters["parts"]
    shapes = whole.cells.geometry
    return whole.content_hash, {
        key: Part(place, geometries(shapes.loc[[key]]), str(told[key]["content_hash"]))
        for key, place in places.items()
    }


def prove_part(
    key: str, part: Part, below: Part | None
) -> tuple[str, dict[str, int], list[str], Message | None]:
    """Prove one district: return its key, its figures, its codes, and what is wrong with it."""
    grid, said = _proved(part)
    if grid is None:
        return key, {}, [], said
    facts = {"cells": len(grid), "edges": grid.proof.edges}
    if below is not None:
        small, wrong = _proved(below)
        if small is not None:
            facts |= {"micro": len(small), "split": len(small.jurisdictions)}
            wrong = wrong or _beside_cells(small, grid)
        if wrong is not None:
            said = said or Message("its micro-cells: {wrong}", wrong=wrong)
    return key, facts, list(grid.cells.index), said


def _proved(part: Part) -> tuple[Grid | None, Message | None]:
    """Return the grid of a part where it is one, and what is wrong with it."""
    try:
        parts = read_parts(part.place, whole=True)
        grid = grid_of(parts, str(part.place), whole=False)
        faults = file_faults(parts, str(part.place))
    except (CoverageError, InputError) as error:
        return None, Message("{error}", error=" ".join(str(error).split()))
    if prove(part.outline, grid.boundary).verdict != "exact":
        return grid, Message("its outline is not that of the district among the others")
    if grid.content_hash != part.content_hash:
        return grid, Message("it was changed since it was made")
    return grid, next(iter(faults), None)


def _beside_cells(small: Grid, grid: Grid) -> Message | None:
    """Tell why the areas that micro-cells fill are not cells of a grid, each the same."""
    areas = small.jurisdictions.geometry
    homes = small.cells.groupby("parent")["households"].sum()
    cells = grid.cells.reindex(areas.index)
    same = shapely.equals_exact(
        shapely.normalize(areas.to_numpy()), shapely.normalize(cells.geometry.to_numpy()), 0.0
    )
    same &= (homes.reindex(areas.index) == cells["households"]).to_numpy(dtype=bool)
    if not same.all():
        return Message("those of {code} do not fill that cell", code=areas.index[~same][0])
    astray = [c for c, cell in small.cells["parent"].items() if not str(c).startswith(cell)]
    if astray:
        return Message("the code {code} does not extend that of its cell", code=astray[0])
    return None


_SHAPES = ("POLYGON", "MULTIPOLYGON", "POINT", "MULTIPOINT", "GEOMETRY")
_LISTS = ("gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys")
_ENVELOPES = np.array([0, 32, 48, 48, 64, -8, -8, -8])
"""Bytes of the envelope by its code, in the head of a shape."""


def container_faults(source: Source, parts: Mapping[str, Any]) -> list[Message]:
    """Tell where other programs see other shapes, cells or places than the parts that were read.

    They trust a list of layers, a definition of the CRS, a spatial index and the head of each
    shape, of which no proof speaks.
    """
    with opened(source) as database:
        if database is None:
            return []
        database.text_factory, database.row_factory = str, sqlite3.Row
        views = database.execute("SELECT name FROM sqlite_master WHERE type = 'view'")
        seen = {row["name"] for row in views} & {*LAYERS, EXTRA, *TABLES, *_LISTS}
        faults = [
            Message("other programs see {part} by a view", part=part) for part in sorted(seen)
        ]
        for part, frame in parts.items():
            if isinstance(frame, gpd.GeoDataFrame):
                faults += _layer_faults(database, part, frame)
        return faults


def _layer_faults(
    database: sqlite3.Connection, part: str, frame: gpd.GeoDataFrame
) -> Iterator[Message]:
    listed = database.execute(
        "SELECT column_name, g.srs_id = c.srs_id AS agreed, s.* FROM gpkg_geometry_columns g "
        "JOIN gpkg_contents c USING (table_name) JOIN gpkg_spatial_ref_sys s ON s.srs_id = "
        "g.srs_id WHERE table_name = ?", (part,)).fetchall()  # fmt: skip
    columns = database.execute("SELECT name, type FROM pragma_table_info(?)", (part,))
    shaped = [column["name"] for column in columns if column["type"].upper() in _SHAPES]
    if [row["column_name"] for row in listed] != shaped or len(shaped) != 1:
        yield Message("other programs may read other shapes of {part}, by its columns", part=part)
        return
    if not listed[0]["agreed"] or not _is_said(listed[0], frame.crs):
        yield Message("other programs place {part} elsewhere, by its CRS", part=part)
    blob = f"ifnull(CAST(\"{shaped[0]}\" AS BLOB), x'')"
    many = database.cursor()
    many.row_factory = None
    rows = many.execute(
        f'SELECT rowid, length({blob}), substr({blob}, 1, 40) FROM "{part}" ORDER BY rowid'
    ).fetchall()
    boxes = frame.bounds.to_numpy()
    if not _are_heads(rows, frame.geometry.to_numpy(), boxes):
        yield Message("the heads of shapes in {part} tell of others", part=part)
    try:
        index = many.execute(
            f'SELECT id, minx, miny, maxx, maxy FROM "rtree_{part}_{shaped[0]}" ORDER BY id'
        )
    except sqlite3.OperationalError:  # no index, or a Python that knows none
        return
    kept = np.array(index.fetchall()).reshape(-1, 5)
    hides = [row[0] for row in rows] != kept[:, 0].tolist()
    if hides or (kept[:, 1:3] > boxes[:, :2]).any() or (kept[:, 3:] < boxes[:, 2:]).any():
        yield Message("the spatial index of {part} is not of its shapes", part=part)


def _is_said(row: sqlite3.Row, crs: Any) -> bool:
    """Tell whether each form of a CRS in a file says what its layer was read in."""
    told = {row["definition"], dict(row).get("definition_12_063")} - {None, "undefined"}
    number = row["organization_coordsys_id"]
    if not told or number in (0, -1):
        return False
    if row["organization"].upper() != "NONE":
        told.add(f"{row['organization']}:{number}")
    try:
        return {defined(pyproj.CRS(form)) for form in told} == {defined(crs)}
    except pyproj.exceptions.CRSError:
        return False


def _are_heads(rows: list[tuple[int, int, bytes]], shapes: Geometries, boxes: Floats) -> bool:
    """Tell whether the heads of shapes tell of them: envelopes, lengths, none of them empty."""
    heads = b"".join(start.ljust(40, b"\0") for _, _, start in rows)
    head = np.frombuffer(heads, np.uint8).reshape(-1, 40)
    flags, told = head[:, 3], head[:, 8:].copy()
    little = (flags & 1 == 1)[:, None]
    envelope = np.where(little, told.view("<f8"), told.view(">f8"))
    length = 8 + _ENVELOPES[(flags >> 1) & 7]
    whole = np.array([len(wkb or b"") for wkb in shapely.to_wkb(shapes)]) + length
    same = (np.array([size for _, size, _ in rows]) == whole) & (flags & 48 == 0)
    same &= (length == 8) | (envelope == boxes[:, [0, 2, 1, 3]]).all(axis=1)
    return bool((same | shapely.is_empty(shapes)).all())
