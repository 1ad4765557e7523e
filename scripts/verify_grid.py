#!/usr/bin/env python3
"""Recheck the proof of a grid file with nothing but Python's standard library.

Shows, by cancelling directed edges, that the cells of a GeoPackage fill its boundary and each
jurisdiction exactly, that every polygon is one, that codes are unique, and that geometry,
attributes and the numbers of the CRS are those of the content hash in the file, that its units,
buildings, exceptions, retired codes and metadata are those of the record hash, and that the units
of each cell fill it and have its households; the CRS is not looked up in any register. Coordinates
are compared bit for bit. Ends with 0 when proved, 1 when
refuted, 2 when the file cannot be read, 70 on a bug of this script.

Of a dataset by district (a folder of Parquet) the same is shown of each district, one at a time,
and of the districts as cells of the whole; each district's boundary must be its outline there, edge
by edge, so that the cells of all fill the whole. What micro-cells fill must be their cell.

Whoever changes a file and computes its hashes anew is not found out by them; hold the file against
a boundary of your own (--boundary), and the hash that is printed against the one you were given.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import re
import sqlite3
import struct
import sys
import traceback
import unicodedata
import zlib
from collections import Counter, defaultdict
from datetime import UTC, datetime
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

PROVED, REFUTED, UNREADABLE, BUG = 0, 1, 2, 70
MASK = (1 << 64) - 1
SHOWN = 20
BESIDE = 1e-6
"""Metres that a vertex of the cells may lie beside a side of the auditor's own boundary."""
FAR = 1e100
"""Whatever the unit, no place on earth has a coordinate as large."""
SAME = {"OGC:CRS84": "EPSG:4326"}
"""Told apart by the order of axes alone, which a GeoPackage has in one."""
SHAPES = re.compile("GEOMETRY|POINT|CURVE|LINESTRING|SURFACE|POLYGON|MULTI|TIN|TRIANGLE", re.I)
TELLING = ("PROJECTION", "METHOD", "PARAMETER", "EXTENSION")
"""Parts of the definition of a CRS of which the name matters."""
HEADERS = (0, 32, 48, 48, 64)
"""Bytes of the envelope in a GeoPackage geometry, by its code."""

Point = tuple[float, ...]
Ring = list[Point]
Polygon = list[Ring]


class UnreadableError(Exception):
    """The file is no grid file, or something in it cannot be read."""


class Row(NamedTuple):
    """One feature: its attributes by column, its polygons, and whether it is a multipolygon."""

    values: dict[str, Any]
    polygons: list[Polygon]
    multi: bool


class Layer(NamedTuple):
    """The features of one table, the declared type of each column, and its CRS."""

    name: str
    rows: list[Row]
    types: dict[str, str]
    crs: tuple[str, str, str]


def main(arguments: list[str] | None = None) -> int:
    """Check one file and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("grid", help="a grid file (GeoPackage), or a dataset by district (folder)")
    parser.add_argument(
        "--boundary", metavar="FILE", help="your own outline: .gpkg[:layer] or .geojson"
    )
    given = parser.parse_args(arguments)
    try:
        check = verify_districts if Path(given.grid, WHOLE).is_dir() else verify
        faults, facts = check(given.grid, given.boundary)
    except UnicodeDecodeError:  # as SQLite words what it finds in damaged pages
        print(f"verify_grid: {plain(given.grid)}: is a damaged database", file=sys.stderr)
        return UNREADABLE
    except (UnreadableError, sqlite3.Error, OSError, MemoryError, RecursionError) as error:
        print(f"verify_grid: {plain(given.grid)}: {plain(error) or 'too large'}", file=sys.stderr)
        return UNREADABLE
    if faults:
        print(f"NOT PROVED: {plain(given.grid)}")
        listed([plain(fault) for fault in faults])
        return REFUTED
    print(f"PROVED: {facts[0]}")
    for fact in facts[1:]:
        print("  " + fact)
    return PROVED


def listed(lines: list[str]) -> None:
    """Print the first of some lines, and how many more there are."""
    for line in lines[:SHOWN]:
        print("  " + line)
    if len(lines) > SHOWN:
        print(f"  ... and {len(lines) - SHOWN:,} more")


def plain(text: object) -> str:
    """Return text on one line, so that no name in a file can pass for a line of this script."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def verify(path: str, own: str | None = None) -> tuple[list[str], list[str]]:
    """Return what is wrong with a grid file, and what to say when nothing is."""
    faults: list[str] = []
    layers = of_folder(Path(path), faults) if Path(path).is_dir() else of_database(path, faults)
    return judged(layers, faults, own)


class Table(NamedTuple):
    """What the record hash is of: values by column, and the coordinates of each row if any."""

    values: dict[str, list[Any]]
    types: dict[str, str]
    shapes: list[list[Point]] | None


class Layers(NamedTuple):
    """What a grid consists of."""

    cells: Layer
    parents: Layer
    rims: Layer
    units: Layer
    record: dict[str, Table]
    metadata: dict[str, Any]


def of_database(path: str, faults: list[str]) -> Layers:
    """Read a GeoPackage."""
    database = opened(path)
    try:
        check_tables(database, faults)
        cells, parents, rims, units = (
            read(database, name, faults) for name in ("cells", "jurisdictions", "boundary", "units")
        )
        record = {name: table_of(database, name) for name in RECORDED if holds(database, name)}
        try:
            rows = database.execute("SELECT key, value FROM gridmap_metadata").fetchall()
        except sqlite3.OperationalError as error:
            raise UnreadableError(f"has damaged metadata (OperationalError: {error}).") from error
        return Layers(cells, parents, rims, units, record, facts_of(rows, faults))
    finally:
        database.close()


def judged(
    layers: Layers, faults: list[str], own: str | None = None
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the layers of a grid, and what to say when nothing is."""
    cells, parents, rims, units, record, metadata = layers
    for layer in (cells, parents, rims, units):
        if not layer.rows:
            raise UnreadableError(f"has no {layer.name}, so nothing can be proved.")
        for number, row in enumerate(layer.rows):
            faults += [f"{title(layer, number)}: {f}" for f in polygon_faults(row.polygons)]
    faults += crs_faults([cells, parents, rims, units], metadata)
    faults += attribute_faults(cells, parents)
    if len(rims.rows) > 1:
        faults.append(f"the boundary stands in {len(rims.rows)} rows, of which readers take one")
    outline = leftover(edges(rims.rows[0].polygons))
    everything = [edge for row in cells.rows for edge in edges(row.polygons)]
    faults += differences("cells against the boundary", leftover(everything), outline)
    whole = leftover(edge for row in parents.rows for edge in edges(row.polygons))
    faults += differences("jurisdictions against the boundary", whole, outline)
    faults += nesting_faults(cells, parents)
    faults += hash_faults(metadata, cells, parents, rims)
    faults += unit_faults(cells, units)
    faults += code_faults(cells, record)
    said = [f"record hash {metadata[RECORD]}, {RECORDS}" if RECORD in metadata else NO_RECORD]
    if metadata.get(RECORD) not in (None, record_hash(metadata, record)):
        faults.append(
            "the record hash in the file is not that of its units, buildings, exceptions, retired "
            "codes and metadata"
        )
    if own is not None:
        wrong, more = against_own(own, rims)
        faults, said = faults + wrong, said + more
    return faults, said_of(cells, parents, rims, len(everything), metadata, said)


def verify_districts(path: str, own: str | None = None) -> tuple[list[str], list[str]]:
    """Return what is wrong with a dataset by district, and what to say when nothing is."""
    folder, faults = Path(path), list[str]()
    whole = of_folder(folder / WHOLE, faults)
    faults, said = judged(whole, faults, own)
    faults = [f"districts: {fault}" for fault in faults]
    parts = parts_of(whole.metadata)
    outlines = {str(row.values["code"]): row.polygons for row in whole.cells.rows}
    named = {parts[key]["folder"] for key in parts}
    there = {entry.name for entry in folder.iterdir() if not entry.name.startswith(".")}
    below = parts_below(folder, faults)
    known = named | {WHOLE} | ({MICRO} if below else set())
    faults += [f"{name} is not among the districts" for name in sorted(there - known)]
    faults += [f"{key} has micro-cells only" for key in sorted({*below} - {*parts})]
    if {*parts} != {*outlines} or len(named) < len(parts):
        faults.append("the districts are not those that the metadata list")
    seen: set[str | None] = set()
    cells = count = small = split = 0
    sizes: dict[str, int] = {}
    told = [RECORD in whole.metadata]
    for key in sorted({*parts} & {*outlines}):
        part, wrong = judged_part(folder, parts[key], outlines[key], whole)
        if key in below:
            finer, more = judged_part(folder / MICRO, *below[key], whole)
            more += below_faults(finer, part)
            wrong += [f"micro-cells: {fault}" for fault in more]
            small, split = small + len(finer.cells.rows), split + len(finer.parents.rows)
        codes = {name_of(row, "code") for row in part.cells.rows}
        told.append(RECORD in part.metadata)
        wrong += [
            f"code {code} stands in another district too" for code in sorted(map(str, codes & seen))
        ]
        seen |= codes
        sizes[key] = len(part.cells.rows)
        cells, count = cells + len(part.cells.rows), count + sum(1 for _ in part.parents.rows)
        faults += [f"district {key}: {fault}" for fault in wrong]
    facts = [
        f"{cells:,} cells fill {counted(len(parts), 'district')} and each of {count:,} "
        f"jurisdictions exactly; the districts fill the boundary exactly, edge by edge",
        *(
            [f"{small:,} micro-cells fill {split:,} of the cells exactly, each its own"]
            * bool(small)
        ),
        f"content hash {content_of(whole, parts, below)}, of all districts",
        *(fact for fact in said[2:-2] if "record hash" not in fact),
        f"a record hash in each, {RECORDS}" if all(told) else NO_RECORD,
        counted(len(parts), "district"),
        *(f"  {plain(key)}: {counted(sizes[key], 'cell')}" for key in sorted(sizes)[:SHOWN]),
    ]
    if len(sizes) > SHOWN:
        facts.append(f"  ... and {len(sizes) - SHOWN:,} more")
    return faults, facts


def content_of(
    whole: Layers,
    parts: dict[str, dict[str, str]],
    below: dict[str, tuple[dict[str, str], list[Polygon]]],
) -> str:
    """Return a hash over the content hashes of all grids of a dataset."""
    lines = [str(whole.metadata["content_hash"])]
    lines += [f"{key}\t{parts[key]['content_hash']}" for key in sorted(parts)]
    lines += [f"{MICRO}/{key}\t{below[key][0]['content_hash']}" for key in sorted(below)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def judged_part(
    folder: Path, told: dict[str, str], outline: list[Polygon], whole: Layers
) -> tuple[Layers, list[str]]:
    """Return one district of a dataset, and what is wrong with it by itself and in the whole."""
    wrong: list[str] = []
    part = of_folder(folder / told["folder"], wrong)
    wrong, _ = judged(part, wrong)
    mine, theirs = leftover(edges(part.rims.rows[0].polygons)), leftover(edges(outline))
    wrong += differences("its boundary against the outline of the district", mine, theirs)
    if part.rims.crs[:2] != whole.rims.crs[:2]:
        wrong.append("it is in another CRS than the whole")
    if part.metadata["content_hash"] != told["content_hash"]:
        wrong.append("its content hash is not the one that the whole records")
    return part, wrong


def parts_below(folder: Path, faults: list[str]) -> dict[str, tuple[dict[str, str], list[Polygon]]]:
    """Return the districts that have micro-cells, and the outline of these."""
    if not (folder / MICRO).is_dir():
        return {}
    whole = of_folder(folder / MICRO / WHOLE, faults)
    wrong, _ = judged(whole, [])
    parts = parts_of(whole.metadata)
    outlines = {str(row.values["code"]): row.polygons for row in whole.cells.rows}
    there = {entry.name for entry in (folder / MICRO).iterdir() if entry.name[:1] != "."}
    if {*parts} != {*outlines} or there != {WHOLE} | {part["folder"] for part in parts.values()}:
        wrong.append("the districts are not those that the metadata list")
    faults += [f"micro-cells: {fault}" for fault in wrong]
    return {key: (parts[key], outlines[key]) for key in {*parts} & {*outlines}}


def below_faults(finer: Layers, part: Layers) -> list[str]:
    """Hold what micro-cells fill against the cells of a district, and their codes."""
    cells = {name_of(row, "code"): row for row in part.cells.rows}
    faults = []
    for row in finer.parents.rows:
        code = name_of(row, "parent")
        if code not in cells:
            faults.append(f"{code} is no cell of the district")
            continue
        mine, theirs = (leftover(edges(one.polygons)) for one in (row, cells[code]))
        faults += differences(f"those of {code} against that cell", mine, theirs)
    for row in finer.cells.rows:
        code, parent = name_of(row, "code"), name_of(row, "parent")
        if not (code or "").startswith(parent or ""):
            faults.append(f"the code {code} does not extend that of its cell")
    return faults


def parts_of(metadata: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the folder and the content hash of each district, as the whole records them."""
    parameters = metadata.get("parameters")
    parts = parameters.get("parts") if isinstance(parameters, dict) else None
    if not isinstance(parts, dict) or not all(
        isinstance(part, dict)
        and all(isinstance(part.get(name), str) for name in ("folder", "content_hash"))
        and Path(part["folder"]).name == part["folder"]
        for part in parts.values()
    ):
        raise UnreadableError("has damaged metadata: it does not list its districts.")
    return parts


# ------------------------------------------------------------------------------------ the Parquet


PHYSICAL = {0: "BOOLEAN", 2: "INTEGER", 4: "FLOAT", 5: "REAL", 6: "TEXT"}
"""What the types of Parquet are called here; others do not occur in grids."""
NUMBERS = {2: "q", 4: "f", 5: "d"}
RECORD = "record_hash"
EXTRA = "buildings"
"""The one part that a grid may lack."""
RECORDS = (
    "of units, buildings, exceptions, retired codes and metadata; the units of each cell fill it "
    "and have its households"
)
NO_RECORD = (
    "no record hash: whether buildings, exceptions, retired codes and parameters were changed is "
    "unknown; the units of each cell fill it and have its households"
)
RECORDED = ("boundary", "units", "exceptions", "retired", EXTRA)
WHOLE, MICRO = "districts", "micro"
"""The part of a dataset by district whose cells are the districts; its micro-cells."""


def of_folder(folder: Path, faults: list[str]) -> Layers:
    """Read a grid as a folder of plain Parquet."""
    columns, _, _ = parquet(folder / "gridmap_metadata.parquet")
    if not {"key", "value"} <= {*columns}:
        raise UnreadableError("has damaged metadata (no key and value).")
    metadata = facts_of(list(zip(columns["key"], columns["value"], strict=True)), faults)
    definition = metadata.get("crs_definition")
    if not isinstance(definition, str):
        raise UnreadableError("does not define its CRS; it is not of plain Parquet.")
    layers = [
        layer_of(folder / f"{name}.parquet", definition, faults)
        for name in ("cells", "jurisdictions", "boundary", "units")
    ]
    record = {
        name: parquet_table(folder / f"{name}.parquet")
        for name in RECORDED
        if name != EXTRA or (folder / f"{name}.parquet").exists()
    }
    return Layers(layers[0], layers[1], layers[2], layers[3], record, metadata)


def parquet_table(path: Path) -> Table:
    """Return what the record hash is of in a GeoParquet file."""
    columns, types, notes = parquet(path)
    if "geo" not in notes:
        return Table(columns, types, None)
    blobs = columns.pop(json.loads(notes["geo"])["primary_column"])
    return Table(columns, types, [coordinates(blob, 0)[0] if blob else [] for blob in blobs])


def layer_of(path: Path, definition: str, faults: list[str]) -> Layer:
    """Return the rows of a GeoParquet file, and its CRS."""
    columns, types, notes = parquet(path)
    try:
        geo = json.loads(notes["geo"])
        shape = geo["primary_column"]
        crs = geo["columns"][shape]["crs"]
        number = crs.get("id") or {"authority": "NONE", "code": "1"}
        numbers = [float(part["value"]) for part in crs["conversion"]["parameters"]]
        blobs = columns.pop(shape)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UnreadableError(f"has no projected geometries in {path.name}.") from error
    words = re.findall(r'PARAMETER\["[^"]*",\s*([-+0-9.eE]+)', definition)
    told = sorted(n for n in map(float, words) if n not in (0.0, 1.0))  # which may be left out
    if sorted(n for n in numbers if n not in (0.0, 1.0)) != told:
        faults.append(f"{path.stem} is in another CRS than the metadata define")
    if len(geo["columns"]) > 1:
        faults.append(f"{path.stem} has several geometry columns; readers may read another one")
    types.pop(shape)
    rows = []
    for k, blob in enumerate(blobs):
        try:
            polygons, end, multi = ([], 0, False) if blob is None else wkb(blob, 0)
        except (struct.error, IndexError, OverflowError, ValueError, TypeError) as error:
            raise UnreadableError(f"holds a geometry that is cut short ({error}).") from error
        if blob is not None and end != len(blob):
            raise UnreadableError("holds a geometry with bytes behind its end.")
        values = {name: column[k] for name, column in columns.items()}
        rows.append(Row(values, polygons, multi))
    return Layer(
        path.stem, rows, types, (str(number["authority"]), str(number["code"]), definition)
    )


def parquet(path: Path) -> tuple[dict[str, list[Any]], dict[str, str], dict[str, str]]:
    """Return the columns of a plain Parquet file, their types, and the notes at its foot."""
    data = path.read_bytes()
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise UnreadableError(f"has no Parquet file {path.name}.")
    try:
        size = int.from_bytes(data[-8:-4], "little")
        foot, _ = thrift(data, len(data) - 8 - size)
        _, *schema = foot[2]
        kinds = {element[4].decode(): element for element in schema}
        if len(kinds) < len(schema) or any(element.get(5) for element in schema):
            raise UnreadableError(f"has a column twice, or one in parts, in {path.name}.")
        columns: dict[str, list[Any]] = {name: [] for name in kinds}
        for group in foot.get(4, []):
            for chunk in group[1]:
                if 1 in chunk:
                    raise UnreadableError(f"has a column in another file in {path.name}.")
                name = chunk[3][3][0].decode()
                columns[name] += chunk_values(data, chunk[3], kinds[name])
        notes = {note[1].decode(): note[2].decode() for note in foot.get(5, [])}
        types = {name: PHYSICAL[element[1]] for name, element in kinds.items()}
    except (
        AttributeError, KeyError, IndexError, ValueError, TypeError, struct.error, zlib.error
    ) as error:  # fmt: skip
        raise UnreadableError(
            f"has a damaged or not plain Parquet file {path.name} ({type(error).__name__})."
        ) from error
    if any(len(column) != foot[3] for column in columns.values()):
        raise UnreadableError(f"has columns of several lengths in {path.name}.")
    return columns, types, notes


def chunk_values(data: bytes, facts: dict[int, Any], element: dict[int, Any]) -> list[Any]:
    """Return the values of a column in one row group; None where there are none."""
    values: list[Any] = []
    at, optional = facts[9], element.get(3, 0) == 1
    text = element[1] == 6 and element.get(6) == 0
    while len(values) < facts[5]:
        head, at = thrift(data, at)
        page = data[at : at + head[3]]
        at += head[3]
        if head[1] != 0 or head[5][2] != 0 or facts[4] not in (0, 2):
            raise ValueError("not a plain page")
        page = zlib.decompress(page, 31) if facts[4] == 2 else page
        known, start = levels(page, head[5][1]) if optional else ([True] * head[5][1], 0)
        found = iter(plain_values(page[start:], element[1], sum(known)))
        fresh = [next(found) if there else None for there in known]
        values += [text_of(v) if text and v is not None else v for v in fresh]
    return values


def levels(page: bytes, count: int) -> tuple[list[bool], int]:
    """Return which values of a page are there, and where they begin."""
    end = 4 + int.from_bytes(page[:4], "little")
    at, known = 4, list[bool]()
    while at < end and len(known) < count:
        head, at = varint(page, at)
        if head & 1:
            for byte in page[at : at + (head >> 1)]:
                known += [bool(byte >> bit & 1) for bit in range(8)]
            at += head >> 1
        else:
            known += [bool(page[at] & 1)] * (head >> 1)
            at += 1
    if len(known) < count:
        raise ValueError("too few levels")
    return known[:count], end


def plain_values(page: bytes, kind: int, count: int) -> list[Any]:
    """Return values that stand one after the other."""
    if kind == 0:
        return [bool(page[k // 8] >> k % 8 & 1) for k in range(count)]
    if kind != 6:
        return list(struct.unpack_from(f"<{count}{NUMBERS[kind]}", page))
    values, at = [], 0
    for _ in range(count):
        size = int.from_bytes(page[at : at + 4], "little")
        values.append(page[at + 4 : at + 4 + size])
        at += 4 + size
        if at > len(page):
            raise ValueError("cut short")
    return values


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a whole number of as many bytes as it needs, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def thrift(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """Return a structure of Thrift's compact protocol by its numbers, and where it ends."""
    found: dict[int, Any] = {}
    number = 0
    while data[at]:
        kind, step = data[at] & 15, data[at] >> 4
        at += 1
        if step:
            number += step
        else:
            number, at = varint(data, at)
            number = number >> 1 ^ -(number & 1)
        if kind in (1, 2):
            found[number] = kind == 1
        else:
            found[number], at = thrift_value(data, at, kind)
    return found, at + 1


def thrift_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    """Return one value of Thrift's compact protocol, and where it ends."""
    if kind == 3:
        return data[at], at + 1
    if kind in (4, 5, 6):
        value, at = varint(data, at)
        return value >> 1 ^ -(value & 1), at
    if kind == 7:
        return struct.unpack_from("<d", data, at)[0], at + 8
    if kind == 8:
        size, at = varint(data, at)
        return data[at : at + size], at + size
    if kind == 12:
        return thrift(data, at)
    if kind not in (9, 10):
        raise ValueError("a kind that does not occur")
    size, inner = data[at] >> 4, data[at] & 15
    at += 1
    if size == 15:
        size, at = varint(data, at)
    items = []
    for _ in range(size):
        if inner in (1, 2):  # in a list a truth value is a byte
            item, at = data[at] == 1, at + 1
        else:
            item, at = thrift_value(data, at, inner)
        items.append(item)
    return items, at


# ---------------------------------------------------------------------------------- the database


def opened(path: str | Path) -> sqlite3.Connection:
    """Open a database for reading, and refuse one that is damaged."""
    if Path(path).exists() and not Path(path).is_file():
        raise UnreadableError("is no file.")
    with open(path, "rb"):
        pass
    database = sqlite3.connect(Path(path).absolute().as_uri() + "?mode=ro", uri=True)
    try:
        database.text_factory = text_of
        state = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if state != "ok":
            raise UnreadableError(f"is a damaged database: {state}")
    except BaseException:
        database.close()
        raise
    return database


def text_of(data: bytes) -> str:
    """Return text from a database; what is not UTF-8 is none."""
    if b"\0" in data:  # behind which some readers see nothing
        raise UnreadableError(f"holds text with a NUL: {data[:40]!r}.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"holds text that is not UTF-8: {data[:40]!r}.") from error


def check_tables(database: sqlite3.Connection, faults: list[str]) -> None:
    """Refuse views and virtual tables, which may show every reader something else."""
    needed = ["gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys"]
    tables = ["exceptions", "retired", "gridmap_metadata"]
    layers = ["cells", "jurisdictions", "boundary", "units", *tables]
    layers += [EXTRA] * holds(database, EXTRA)
    made = "SELECT type, rootpage FROM sqlite_master WHERE lower(name) = ? AND type != 'index'"
    for name in needed + layers:
        found = database.execute(made, (name,)).fetchall()
        if not found:
            raise UnreadableError(f"has no table {name!r}; it is no grid file.")
        if found[0][0] != "table" or not found[0][1]:
            faults.append(f"{name} is a {found[0][0]} that is computed, not a plain table")
    for name in layers:
        rows = database.execute(
            "SELECT data_type FROM gpkg_contents WHERE lower(table_name) = ?", (name,)
        ).fetchall()
        faults += [
            f"{name} is in CRS {one} by one table of the file and in {other} by another"
            for one, other in database.execute(
                "SELECT c.srs_id, g.srs_id FROM gpkg_contents c JOIN gpkg_geometry_columns g "
                "ON lower(c.table_name) = lower(g.table_name) "
                "WHERE lower(c.table_name) = ? AND c.srs_id IS NOT g.srs_id",
                (name,),
            )
        ]
        if not rows:
            raise UnreadableError(f"does not list the layer {name!r}; it is no grid file.")
        faults += count_faults(database, name)
        kind = "attributes" if name in tables else "features"
        if [row[0] for row in rows] != [kind]:
            faults.append(f"{name} is listed as {', '.join(str(row[0]) for row in rows)}")


def holds(database: sqlite3.Connection, name: str) -> bool:
    """Tell whether there is a table, or what passes for one."""
    made = "SELECT 1 FROM sqlite_master WHERE lower(name) = ? AND type != 'index'"
    return database.execute(made, (name,)).fetchone() is not None


def table_of(database: sqlite3.Connection, name: str) -> Table:
    """Return what the record hash is of in a table."""
    made = database.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    found = database.execute(
        "SELECT column_name FROM gpkg_geometry_columns WHERE lower(table_name) = ?", (name,)
    ).fetchone()
    types = {str(c[1]): str(c[2]).upper() for c in made if not c[5]}
    key = next((quoted(c[1]) for c in made if c[5]), "rowid")
    names = ", ".join(quoted(column) for column in types)
    rows = database.execute(f"SELECT {names} FROM {quoted(name)} ORDER BY {key}").fetchall()
    values = {column: [row[k] for row in rows] for k, column in enumerate(types)}
    if found is None or found[0] not in values:
        return Table(values, types, None)
    return Table(values, types, [points_of(blob) for blob in values.pop(found[0])])


def points_of(blob: object) -> list[Point]:
    """Return the coordinates of a GeoPackage geometry of any kind."""
    if blob is None:
        return []
    if not isinstance(blob, bytes) or len(blob) < 8 or (blob[3] >> 1) & 7 >= len(HEADERS):
        raise UnreadableError("holds a geometry that is no GeoPackage geometry.")
    try:
        return coordinates(blob, 8 + HEADERS[(blob[3] >> 1) & 7])[0]
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise UnreadableError(f"holds a geometry that is cut short ({error}).") from error


def coordinates(blob: bytes, at: int) -> tuple[list[Point], int]:
    """Return the coordinates of well-known binary of any kind as they stand, and where it ends."""
    order = "<" if blob[at] == 1 else ">"
    kind = struct.unpack_from(order + "I", blob, at + 1)[0]
    high = kind // 1000 in (1, 3)
    size = 2 + high + (kind // 1000 in (2, 3))
    at, kind, count, points = at + 5, kind % 1000, 1, list[Point]()
    if kind > 1:
        (count,), at = struct.unpack_from(order + "I", blob, at), at + 4
    if kind > 3:
        for _ in range(count):
            found, at = coordinates(blob, at)
            points += found
        return points, at
    for _ in range(count if kind == 3 else 1):
        steps = count
        if kind == 3:
            (steps,), at = struct.unpack_from(order + "I", blob, at), at + 4
        if steps * size * 8 > len(blob):
            raise ValueError("too few points")
        flat = struct.unpack_from(f"{order}{steps * size}d", blob, at)
        at += 8 * size * steps
        points += [
            (flat[k], flat[k + 1], flat[k + 2] if high else math.nan)
            for k in range(0, len(flat), size)
        ]
    return [point for point in points if point[0] == point[0]] if kind == 1 else points, at


def count_faults(database: sqlite3.Connection, name: str) -> list[str]:
    """Return a fault when the file tells readers of another number of rows than there are."""
    if not database.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'gpkg_ogr_contents'"
    ).fetchone():
        return []
    told = database.execute(
        "SELECT feature_count FROM gpkg_ogr_contents WHERE lower(table_name) = ?", (name,)
    ).fetchall()
    real = database.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0]
    return [
        f"{name} has {real:,} rows but is said to have {count}"
        for (count,) in told
        if count not in (None, real)
    ]


def index_faults(
    database: sqlite3.Connection, name: str, shape: str, boxes: dict[Any, tuple[float, ...]]
) -> list[str]:
    """Return a fault when the spatial index would hide a row from readers."""
    index = f"rtree_{name}_{shape}"
    if not database.execute(
        "SELECT 1 FROM sqlite_master WHERE lower(name) = lower(?)", (index,)
    ).fetchone():
        return []
    try:
        found = database.execute(f"SELECT id, minx, miny, maxx, maxy FROM {quoted(index)}")
        known = {row[0]: row[1:] for row in found}
    except sqlite3.OperationalError as error:
        alone = "no such module" in str(error)  # a Python without trees is no fault of the file
        return [] if alone else [f"the spatial index of {name} cannot be read: {error}"]
    for key, (west, south, east, north) in boxes.items():
        w, s, e, n = known.get(key, (math.inf, math.inf, -math.inf, -math.inf))
        if not (w <= west and s <= south and e >= east and n >= north):
            return [f"{name} row {key}: the spatial index has it elsewhere"]
    return [] if len(known) == len(boxes) else [f"the spatial index of {name} has rows of its own"]


def header_faults(blob: bytes, polygons: list[Polygon]) -> list[str]:
    """Return what the head of a geometry says of it that is not so."""
    code, order = (blob[3] >> 1) & 7, "<" if blob[3] & 1 else ">"
    points = [point for polygon in polygons for ring in polygon for point in ring]
    faults = []
    if bool(blob[3] & 16) == bool(points):
        faults.append("is said to be empty, or not to be")
    if code and points:
        west, east, south, north = struct.unpack_from(order + "4d", blob, 8)
        if (west, south, east, north) != box(points):
            faults.append("is said to lie in another place than it does")
    return faults


def read(database: sqlite3.Connection, name: str, faults: list[str]) -> Layer:
    """Return the rows of a layer in the order that readers see, and its CRS."""
    found = database.execute(
        "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE lower(table_name) = ?",
        (name,),
    ).fetchall()
    if not found:
        raise UnreadableError(f"has no layer {name!r}; it is no grid file.")
    columns = database.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    shapes = [column[1] for column in columns if SHAPES.match(column[2])]
    shape, number = found[0]
    if len(found) > 1 or [str(s).lower() for s in shapes] != [str(shape).lower()]:
        faults.append(f"{name} has several geometry columns; readers may read another one")
    faults += [f"{name}: column {c[1]} is computed" for c in columns if c[6] in (2, 3)]
    if str(shape).lower() not in [str(c[1]).lower() for c in columns]:
        raise UnreadableError(f"has no geometries in {name!r}; it is no grid file.")
    types = {str(c[1]): str(c[2]).upper() for c in columns if c[1] != shape and not c[5]}
    names = ", ".join(quoted(column) for column in [str(shape), *types])
    key = next((quoted(c[1]) for c in columns if c[5]), "rowid")
    rows: list[Row] = []
    boxes = {}
    query = f"SELECT {key}, {names} FROM {quoted(name)} ORDER BY {key}"
    for row, blob, *values in database.execute(query):
        polygons, multi, srs = polygons_of(blob)
        if blob is not None:
            faults += [f"{name} row {row}: {f}" for f in header_faults(blob, polygons)]
        if any(polygons):
            boxes[row] = box([p for polygon in polygons for p in polygon[0]])
        if srs not in (None, number):
            faults.append(f"{name} row {len(rows) + 1}: the geometry is in another CRS ({srs})")
        rows.append(Row(dict(zip(types, values, strict=True)), polygons, multi))
    faults += index_faults(database, name, str(shape), boxes)
    return Layer(name, rows, types, crs_of(database, name, number, faults))


def quoted(name: str) -> str:
    """Return an SQL identifier in quotes."""
    return '"' + str(name).replace('"', '""') + '"'


def crs_of(
    database: sqlite3.Connection, name: str, number: int, faults: list[str]
) -> tuple[str, str, str]:
    """Return organisation, number and definition of a layer's CRS."""
    columns = database.execute("PRAGMA table_xinfo(gpkg_spatial_ref_sys)").fetchall()
    newer = "definition_12_063"  # for what the older form cannot tell
    other = newer if newer in [column[1] for column in columns] else "NULL"
    rows = database.execute(
        f"SELECT organization, organization_coordsys_id, definition, {other} "
        "FROM gpkg_spatial_ref_sys WHERE srs_id = ?",
        (number,),
    ).fetchall()
    if not rows:
        raise UnreadableError(f"does not define the CRS {number} of {name!r}.")
    texts = [str(text) for row in rows for text in row[2:] if text not in (None, "undefined")]
    if len(rows) > 1 or len(texts) > 1:
        faults.append(f"the CRS of {name} is defined more than once")
    return str(rows[0][0]), str(rows[0][1]), [*texts, "undefined"][0]


def facts_of(rows: list[tuple[Any, Any]], faults: list[str]) -> dict[str, Any]:
    """Return the metadata of the file."""
    try:
        facts = {key: json.loads(value) for key, value in rows}
        recorded = facts["content_hash"], facts["proof"]["coverage_hash"], facts["crs"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"has damaged metadata ({type(error).__name__}: {error}).") from error
    if not all(isinstance(text, str) for text in recorded):
        raise UnreadableError("has damaged metadata: a hash is no text.")
    for key in ("packed", "multi_of_one"):
        kind = str if key == "packed" else int
        lists = facts.setdefault(key, {})
        if not isinstance(lists, dict) or not all(
            isinstance(names, list) and all(isinstance(name, kind) for name in names)
            for names in lists.values()
        ):
            raise UnreadableError(f"has damaged metadata ({key}).")
    if len(facts) < len(rows):
        faults.append("a key of the metadata stands twice")
    return facts


# --------------------------------------------------------------------------------- the geometries


def polygons_of(blob: object) -> tuple[list[Polygon], bool, int | None]:
    """Return polygons as lists of rings, whether they are a multipolygon, and the CRS number."""
    if blob is None:
        return [], False, None
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP":
        raise UnreadableError("holds a geometry that is no GeoPackage geometry.")
    code, order = (blob[3] >> 1) & 7, "<" if blob[3] & 1 else ">"
    if code >= len(HEADERS) or blob[3] & 32:
        raise UnreadableError(f"holds a geometry with an impossible header ({blob[3]}).")
    (number,) = struct.unpack_from(order + "i", blob, 4)
    at = 8 + HEADERS[code]
    try:
        polygons, end, multi = wkb(blob, at)
    except (struct.error, IndexError, OverflowError, ValueError) as error:
        raise UnreadableError(f"holds a geometry that is cut short ({error}).") from error
    if end != len(blob):
        raise UnreadableError("holds a geometry with bytes behind its end.")
    return polygons, multi, number


def wkb(blob: bytes, at: int, inner: bool = False) -> tuple[list[Polygon], int, bool]:
    """Return the polygons of well-known binary from a position on, and where it ends."""
    if blob[at] > 1:
        raise UnreadableError("holds a geometry without a byte order.")
    order = "<" if blob[at] == 1 else ">"
    kind, count = struct.unpack_from(order + "II", blob, at + 1)
    at += 9
    if kind % 1000 == 6 and kind < 4000 and not inner:
        polygons: list[Polygon] = []
        for _ in range(count):
            found, at, _ = wkb(blob, at, inner=True)
            polygons += found
        return polygons, at, True
    if kind % 1000 != 3 or kind > 4000:
        raise UnreadableError(f"holds a geometry of type {kind}, not a polygon.")
    size = 2 + (kind // 1000 in (1, 3)) + (kind // 1000 in (2, 3))
    rings = []
    for _ in range(count):
        (points,) = struct.unpack_from(order + "I", blob, at)
        if points == 0 or points * size * 8 > len(blob):
            raise UnreadableError(f"holds a ring of {points:,} points.")
        numbers = struct.unpack_from(f"{order}{points * size}d", blob, at + 4)
        at += 4 + 8 * size * points
        kept = 3 if kind // 1000 == 1 else 2  # measures are dropped by every reader of grids
        rings.append(list(zip(*(numbers[k::size] for k in range(kept)), strict=True)))
        if not all(abs(n) < FAR for point in rings[-1] for n in point[:2]):
            raise UnreadableError("holds a coordinate that is no number, or none of any map.")
    return [rings], at, False


def cleaned(ring: Ring) -> Ring:
    """Return the points of a closed ring, each step a real one, without the last."""
    flat = [(point[0] + 0.0, point[1] + 0.0) for point in ring]  # -0.0 becomes 0.0
    return [b for a, b in pairwise([flat[-2], *flat[:-1]]) if a != b]


def polygon_faults(polygons: list[Polygon]) -> list[str]:
    """Return the first reason why polygons are no area with rings as they should be."""
    polygons = [polygon for polygon in polygons if polygon]
    if not polygons:
        return ["has no area: the geometry is empty"]
    rings, part = [], []
    for number, polygon in enumerate(polygons):
        for ring in polygon:
            if len(ring) < 4 or ring[0][:2] != ring[-1][:2]:
                return ["a ring is not closed"]
            rings.append(cleaned(ring))
            part.append(number)
            if len(rings[-1]) < 3 or not doubled_area([*rings[-1], rings[-1][0]]):
                return [f"a ring has no area at {place(ring[0])}"]
    try:
        touches = meetings(rings)
    except CrossingError as error:
        return [str(error)]
    shells = [k for k in range(len(rings)) if k == 0 or part[k] != part[k - 1]]
    return (
        hole_faults(rings, shells) or part_faults(rings, part, shells) or loop_faults(part, touches)
    )


def place(point: Point) -> str:
    """Return where something is."""
    return f"{point[0]!r} {point[1]!r}"


class CrossingError(Exception):
    """Two sides have points in common that they must not have."""


def meetings(rings: list[Ring]) -> dict[tuple[int, int, Point], list[tuple[Point, Point]]]:
    """Return where different rings touch; a ring that meets itself or crosses another raises."""
    sides = [
        (k, n, ring[n], ring[(n + 1) % len(ring)])
        for k, ring in enumerate(rings)
        for n in range(len(ring))
    ]
    touches: dict[tuple[int, int, Point], list[tuple[Point, Point]]] = {}
    for one, two in near_pairs(sides):
        (r, i, a, b), (s, j, c, d) = sides[one], sides[two]
        if r == s and (abs(i - j) == 1 or abs(i - j) == len(rings[r]) - 1):
            v, p, q = (b, a, d) if b == c else (a, b, c)
            if side(v, p, q) == 0 and ((p > v) == (q > v)):
                raise CrossingError(f"a ring runs back on itself at {place(v)}")
            continue
        common = meeting(a, b, c, d)
        if common is None:
            continue
        if r == s:
            raise CrossingError(f"a ring meets itself at {place(common[0])}")
        if len(common) > 1:
            raise CrossingError(f"two rings run along or across each other at {place(common[0])}")
        touches[min(r, s), max(r, s), common[0]] = []
    for (r, s, point), rays in touches.items():
        rays += [ends_at(rings[r], point), ends_at(rings[s], point)]
        (p, q), (u, v) = rays
        if between(point, p, q, u) != between(point, p, q, v):
            raise CrossingError(f"two rings cross at {place(point)}")
    return touches


def near_pairs(sides: list[tuple[int, int, Point, Point]]) -> Any:
    """Yield pairs of sides whose boxes meet, by a sweep from west to east in bands."""
    low = min(side[2][1] for side in sides)
    height = (max(side[2][1] for side in sides) - low) / max(1, 2 * math.isqrt(len(sides)))
    flat = not (0 < height < math.inf)
    bands: dict[int, list[int]] = defaultdict(list)
    boxes = [
        (min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])) for _, _, a, b in sides
    ]
    for k in sorted(range(len(sides)), key=lambda k: boxes[k][0]):
        west, south, _, north = boxes[k]
        first, last = (0, 0) if flat else (int((y - low) / height) for y in (south, north))
        seen = set()
        for band in range(first, last + 1):
            alive = [j for j in bands[band] if boxes[j][2] >= west]
            for j in alive:
                if j not in seen and boxes[j][1] <= north and boxes[j][3] >= south:
                    seen.add(j)
                    yield j, k
            alive.append(k)
            bands[band] = alive


def meeting(a: Point, b: Point, c: Point, d: Point) -> list[Point] | None:
    """Return what two sides have in common: None, one end that touches, or two for more."""
    turns = side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return [a, b]
    ends = zip((c, d, a, b), turns, ((a, b), (a, b), (c, d), (c, d)), strict=True)
    common = {p for p, zero, (q, r) in ends if zero == 0 and min(q, r) <= p <= max(q, r)}
    return sorted(common) or None


def ends_at(ring: Ring, point: Point) -> tuple[Point, Point]:
    """Return the neighbours of a point on a ring along it."""
    for k, b in enumerate(ring):
        if b == point:
            return ring[k - 1], ring[(k + 1) % len(ring)]
    for k, b in enumerate(ring):
        a = ring[k - 1]
        if side(a, b, point) == 0 and min(a, b) <= point <= max(a, b):
            return a, b
    raise AssertionError(point)


def between(at: Point, p: Point, q: Point, ray: Point) -> bool:
    """Tell whether a ray from a point lies in the sector from p to q, against the clock."""
    turn = side(at, p, q)
    if turn == 0:
        return side(at, p, ray) > 0
    if turn > 0:
        return side(at, p, ray) > 0 and side(at, q, ray) < 0
    return not (side(at, q, ray) > 0 and side(at, p, ray) < 0)


def hole_faults(rings: list[Ring], shells: list[int]) -> list[str]:
    """Return a hole outside its shell, or inside another hole."""
    boxes = [box(ring) for ring in rings]
    for shell, end in pairwise([*shells, len(rings)]):
        holes = range(shell + 1, end)
        for hole in holes:
            if not within(rings[hole], rings[shell]):
                return [f"a hole lies outside its shell at {place(rings[hole][0])}"]
        for one, two in combinations(holes, 2):
            if meet(boxes[one], boxes[two]) and nested(rings[one], rings[two]):
                return [f"a hole lies in another one at {place(rings[one][0])}"]
    return []


def part_faults(rings: list[Ring], part: list[int], shells: list[int]) -> list[str]:
    """Return a part of a multipolygon that lies in another part."""
    boxes = {shell: box(rings[shell]) for shell in shells}
    for one, two in combinations(shells, 2):
        if not meet(boxes[one], boxes[two]):
            continue
        for inner, outer in ((one, two), (two, one)):
            holes = [k for k in range(len(rings)) if part[k] == part[outer] and k != outer]
            if within(rings[inner], rings[outer]) and not any(
                within(rings[inner], rings[hole]) for hole in holes
            ):
                return [f"two parts overlap at {place(rings[inner][0])}"]
    return []


def loop_faults(part: list[int], touches: dict[tuple[int, int, Point], Any]) -> list[str]:
    """Return a place where rings touch so often that they cut a polygon into pieces."""
    leader: dict[object, object] = {}

    def find(node: object) -> object:
        while node in leader:
            node = leader[node]
        return node

    joints = {(ring, point) for r, s, point in touches if part[r] == part[s] for ring in (r, s)}
    for ring, point in sorted(joints):
        one, two = find(ring), find((part[ring], point))
        if one == two:
            return [f"rings that touch cut the area into pieces at {place(point)}"]
        leader[one] = two
    return []


def box(ring: Ring) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a ring."""
    x, y = [p[0] for p in ring], [p[1] for p in ring]
    return min(x), min(y), max(x), max(y)


def meet(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    """Tell whether two boxes have a point in common."""
    return one[0] <= two[2] and two[0] <= one[2] and one[1] <= two[3] and two[1] <= one[3]


def nested(one: Ring, two: Ring) -> bool:
    """Tell whether one of two rings that do not cross lies in the other."""
    return within(one, two) or within(two, one)


def within(inner: Ring, outer: Ring) -> bool:
    """Tell whether a ring lies inside another one that it does not cross."""
    for point in inner:
        if (where := inside(point, outer)) != 0:
            return where > 0
    for share in (Fraction(1, 2), Fraction(1, 3), Fraction(2, 7)):
        for a, b in zip(inner, [*inner[1:], inner[0]], strict=True):
            x, y = (Fraction(p) + share * (Fraction(q) - Fraction(p)) for p, q in zip(a, b))  # noqa: B905
            if (where := inside((x, y), outer)) != 0:  # type: ignore[arg-type]
                return where > 0
    return False


def inside(point: Point, ring: Ring) -> int:
    """Tell whether a point lies inside a ring (1), on it (0) or outside (-1)."""
    odd = False
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        if max(a[1], b[1]) < point[1] or min(a[1], b[1]) > point[1]:
            continue
        turn = side(a, b, point)
        if turn == 0 and min(a[0], b[0]) <= point[0] <= max(a[0], b[0]):
            return 0
        if (a[1] > point[1]) != (b[1] > point[1]) and (b[1] > a[1]) == (turn > 0):
            odd = not odd
    return 1 if odd else -1


def side(a: Point, b: Point, p: Point) -> int:
    """Return on which side of a -> b the point p lies, without rounding."""
    if isinstance(p[0], float):
        left, right = (b[0] - a[0]) * (p[1] - a[1]), (b[1] - a[1]) * (p[0] - a[0])
        size = abs(left) + abs(right)
        if abs(left - right) > 4e-16 * size and 1e-280 < size < 1e300:
            return 1 if left > right else -1
    ax, ay, bx, by, px, py = (Fraction(v) for point in (a, b, p) for v in point)
    value = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    return (value > 0) - (value < 0)


def doubled_area(ring: Ring) -> Fraction | float:
    """Return twice the signed area of a closed ring, exact where doubles might mistake its sign."""
    x0, y0 = ring[0][:2]
    terms = [(a[0] - x0) * (b[1] - y0) - (b[0] - x0) * (a[1] - y0) for a, b in pairwise(ring)]
    total = math.fsum(terms) if all(map(math.isfinite, terms)) else math.nan
    if abs(total) > 1e-9 * sum(map(abs, terms)) > 1e-280:
        return total
    exact = [(Fraction(point[0]), Fraction(point[1])) for point in ring]
    return sum((a[0] * b[1] - b[0] * a[1] for a, b in pairwise(exact)), Fraction(0))


# -------------------------------------------------------------------------------------- the proof


def edges(polygons: list[Polygon]) -> list[tuple[Point, Point]]:
    """Return the directed edges of polygons, the inside on the left."""
    found = []
    for rings in polygons:
        for number, ring in enumerate(rings):
            if len(ring) < 4:
                continue
            walk = cleaned(ring)
            walk = [*walk, *walk[:1]]
            if len(walk) > 2 and (doubled_area(walk) > 0) != (number == 0):
                walk.reverse()
            found += pairwise(walk)
    return found


def leftover(chain: Any) -> Counter[tuple[Point, Point]]:
    """Return the edges of a chain that do not cancel, each with its net count."""
    net: Counter[tuple[Point, Point]] = Counter()
    for a, b in chain:
        if a < b:
            net[a, b] += 1
        else:
            net[b, a] -= 1
    return Counter({edge: count for edge, count in net.items() if count})


def differences(what: str, mine: Counter[Any], theirs: Counter[Any]) -> list[str]:
    """Return a fault when two chains are not the same."""
    rest = {edge for edge in mine.keys() | theirs.keys() if mine[edge] != theirs[edge]}
    if not rest:
        return []
    count = "1 edge does" if len(rest) == 1 else f"{len(rest):,} edges do"
    return [f"{what}: {count} not cancel, the first at {place(min(rest)[0])}"]


def nesting_faults(cells: Layer, parents: Layer) -> list[str]:
    """Return a fault for each jurisdiction that its own cells do not fill."""
    own = defaultdict(list)
    for row in cells.rows:
        own[name_of(row, "parent")] += edges(row.polygons)
    faults = []
    for number, row in enumerate(parents.rows):
        mine, theirs = leftover(own[name_of(row, "parent")]), leftover(edges(row.polygons))
        faults += differences(title(parents, number), mine, theirs)
    return faults


def unit_faults(cells: Layer, units: Layer) -> list[str]:
    """Return where the units of a cell do not fill it, or have other households than it."""
    for layer, column in ((cells, "households"), (units, "households"), (units, "code")):
        if column not in layer.types:
            raise UnreadableError(f"has no column {column!r} in {layer.name!r}.")
    own: dict[str | None, list[Row]] = defaultdict(list)
    for row in units.rows:
        own[name_of(row, "code")].append(row)
    faults = []
    for number, cell in enumerate(cells.rows):
        mine, name = own.pop(name_of(cell, "code"), []), title(cells, number)
        inner = leftover(edge for row in mine for edge in edges(row.polygons))
        faults += differences(f"the units of {name}", inner, leftover(edges(cell.polygons)))
        counts = [row.values["households"] for row in (*mine, cell)]
        if any(not isinstance(n, (int, float)) for n in counts) or sum(counts[:-1]) != counts[-1]:
            faults.append(f"the units of {name} do not have its households")
        places = {name_of(row, "parent") for row in mine if "parent" in units.types}
        if places - {name_of(cell, "parent")}:
            faults.append(f"the units of {name} are not of its jurisdiction")
    return faults + [f"the units name the cell {code}, which is not there" for code in own]


def code_faults(cells: Layer, record: dict[str, Table]) -> list[str]:
    """Return exceptions of cells that are not there, and retired codes that are in use."""
    known = {name_of(row, "code") for row in cells.rows}
    named, gone = (
        {seen(code) for code in record[part].values.get("code", [])} - {None, ""}
        for part in ("exceptions", "retired")
    )
    return [
        f"an exception names the cell {code}, which is not there"
        for code in map(str, named - known)
    ] + [f"the retired code {code} is that of a cell" for code in map(str, gone & known)]


def attribute_faults(cells: Layer, parents: Layer) -> list[str]:
    """Return codes that are missing or stand twice, and unknown parents."""
    faults = []
    for layer, column in ((cells, "code"), (cells, "parent"), (parents, "parent")):
        if column not in layer.types:
            raise UnreadableError(f"has no column {column!r} in {layer.name!r}.")
    for layer, column in ((cells, "code"), (parents, "parent")):
        faults += [
            f"{layer.name} row {number + 1}: {column} {row.values[column]!r} is no text"
            for number, row in enumerate(layer.rows)
            if isinstance(row.values[column], bytes)
        ]
        names = [name_of(row, column) for row in layer.rows]
        for number, name in enumerate(names):
            if name is None or (layer is cells and not name):
                faults.append(f"{layer.name} row {number + 1} has no {column}")
        faults += [
            f"{column} {name} stands {count} times in {layer.name}"
            for name, count in Counter(names).items()
            if count > 1 and name is not None
        ]
    known = {name_of(row, "parent") for row in parents.rows}
    return faults + [
        f"{title(cells, number)}: there is no jurisdiction {row.values['parent']!r}"
        for number, row in enumerate(cells.rows)
        if name_of(row, "parent") not in known
    ]


def name_of(row: Row, column: str) -> str | None:
    """Return a code as it is seen, without blanks around it; None where there is none."""
    return seen(row.values.get(column))


def seen(value: object) -> str | None:
    """Return text as it is seen, without blanks around it; None where there is none."""
    if value is None:
        return None
    letters = unicodedata.normalize("NFC", str(value))
    return "".join(c for c in letters if unicodedata.category(c) not in ("Cc", "Cf")).strip()


def title(layer: Layer, number: int) -> str:
    """Return what to call a row."""
    column = {"cells": "code", "units": "unit"}.get(layer.name, "parent")
    name = name_of(layer.rows[number], column)
    noun = {"cells": "cell", "jurisdictions": "jurisdiction", "units": "unit"}.get(
        layer.name, layer.name
    )
    return f"{noun} {name}" if name else f"{noun} (row {number + 1})"


def crs_faults(layers: list[Layer], metadata: dict[str, Any]) -> list[str]:
    """Return a fault when there is not one CRS, the one that the metadata name."""
    if len({layer.crs for layer in layers}) > 1:
        shown = ", ".join(f"{x.name} in {x.crs[0]}:{x.crs[1]}" for x in layers)
        return [f"the layers are not in one CRS: {shown}"]
    organisation, number, definition = layers[0].crs
    if organisation.upper() == "NONE" and number in ("-1", "0"):
        return ["the layers have no CRS"]
    found = re.search(r'(?:AUTHORITY|ID)\["([^"]+)",\s*"?(\w+)"?\]\s*\]\s*$', definition)
    inner = ":".join(found.groups()) if found else ""
    known = organisation.upper() != "NONE"
    there = f"{organisation}:{number}" if known else inner
    if not re.match(r"[A-Z]+CRS\[|[A-Z]+_?CS\[", definition):
        return [f"the CRS {there} has no definition"]
    stated = metadata["crs"]
    if stated and not re.fullmatch(r"[A-Z]+:\w+", stated):  # a name of its own, not a number
        if there:
            return [f"the CRS has no number here and is called {there} there"]
        stated = there
    for name in (inner or there, stated):
        if SAME.get(name.upper(), name.upper()) != SAME.get(there.upper(), there.upper()):
            return [f"the CRS is called {name or 'nothing'} here and {there or 'nothing'} there"]
    return []


# -------------------------------------------------------------------------------------- the hashes


def hash_faults(metadata: dict[str, Any], cells: Layer, parents: Layer, rims: Layer) -> list[str]:
    """Return a fault for each hash in the file that is not that of its content."""
    faults = []
    proof = metadata["proof"]
    for key, layer in (("coverage_hash", cells), ("boundary_hash", rims)):
        if proof.get(key) != fingerprint([row.polygons for row in layer.rows]):
            faults.append(f"the {layer.name} are not those that the file's own proof was made of")
    try:
        content = content_hash(metadata, cells, parents)
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"has damaged metadata ({error}).") from error
    if metadata["content_hash"] != content:
        faults.append(
            "the content hash in the file is not that of its geometry, attributes and CRS"
        )
    return faults


def record_hash(metadata: dict[str, Any], record: dict[str, Table]) -> str:
    """Return the SHA-256 of all but cells and jurisdictions, which the content hash is of."""
    told = {key: metadata[key] for key in metadata if key not in (RECORD, "crs_definition")}
    digest = hashlib.sha256(json_of(["metadata", told]))
    for name, table in record.items():
        for column in sorted(table.values):
            texts = [recorded(v, table.types[column]) for v in table.values[column]]
            digest.update(json_of([name, column, texts]))
        if table.shapes is not None:
            digest.update(json_of([name, [len(points) for points in table.shapes]]))
            for points in table.shapes:
                flat = [number for point in points for number in point]
                digest.update(struct.pack(f"<{len(flat)}d", *flat))
    return digest.hexdigest()


def json_of(value: object) -> bytes:
    """Return JSON with keys in order."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def recorded(value: object, kind: str) -> str | None:
    """Return a value as text: whole numbers as such, times in UTC to the millisecond."""
    if value is None or value != value:
        return None
    if isinstance(value, bytes):
        raise UnreadableError("holds bytes where text or a number should stand.")
    if isinstance(value, str):
        if kind not in ("DATE", "DATETIME"):
            return value
        try:
            clock = datetime.fromisoformat(value)
        except ValueError:
            return value
        clock = clock if clock.tzinfo is None else clock.astimezone(UTC).replace(tzinfo=None)
        return clock.isoformat(timespec="milliseconds")
    if isinstance(value, float) and value % 1 != 0:
        return repr(value)
    return str(int(value))  # type: ignore[call-overload]


def content_hash(metadata: dict[str, Any], cells: Layer, parents: Layer) -> str:
    """Return the SHA-256 of geometry, codes and attributes, as gridmap defines it."""
    digest = hashlib.sha256(f"{metadata['crs']}\n{crs_words(cells.crs[2])}".encode())
    for layer, key in ((cells, "code"), (parents, "parent")):
        lone = set(metadata["multi_of_one"].get(layer.name, []))
        packed = set(metadata["packed"].get(layer.name, []))
        columns = [key, *(column for column in layer.types if column != key)]
        order = sorted(range(len(layer.rows)), key=lambda k: str(layer.rows[k].values[key]))
        digest.update(layer.name.encode())
        for k in order:
            row = layer.rows[k]
            multi = row.multi and (len(row.polygons) != 1 or k in lone)
            digest.update(canonical(row.polygons, multi))
        texts = {
            column: written(
                [layer.rows[k].values[column] for k in order],
                "JSON" if column in packed else layer.types[column],
            )
            for column in columns
        }
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*texts.values(), strict=True))
        digest.update(file.getvalue().encode())
    return digest.hexdigest()


def crs_words(definition: str) -> str:
    """Return methods, numbers and directions of a definition, without names and registers."""
    bare = re.sub(r"\b(AUTHORITY|ID|BBOX)\[[^][]*\]", "", definition)
    words: list[str] = []
    keyword = ""
    for token in re.findall(r'"[^"]*"|[-+.\w]+', bare):
        if token[0] == '"':
            words += (
                [token] if keyword in ("PROJECTION", "METHOD", "PARAMETER", "EXTENSION") else []
            )
        elif re.fullmatch(r"[-+]?\d[-+.\de]*", token):
            words.append(repr(float(token)))
        else:
            keyword = token.upper()
            words.append(keyword)
    return " ".join(words)


def written(values: list[Any], kind: str) -> list[Any]:
    """Return the values of a column as its text in a table."""
    if kind == "JSON":
        values = [None if value is None else json.loads(value) for value in values]
        return [None if value != value else value for value in values]
    if kind == "BOOLEAN":
        return [None if value is None else bool(value) for value in values]
    if kind == "FLOAT":
        return [short(value) if isinstance(value, float) else value for value in values]
    if kind == "DATETIME":
        return times([None if v is None else str(v).replace("T", " ") for v in values])
    return values


def short(value: float) -> str:
    """Return the fewest digits that tell a number in single precision, as NumPy writes them."""
    for digits in range(1, 10):
        text = f"{value:.{digits - 1}e}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            break
    plainly = value == 0 or 1e-4 <= abs(value) < 1e6 or not math.isfinite(value)
    return repr(float(text)) if plainly else text


def times(texts: list[str | None]) -> list[str | None]:
    """Return times with as many digits as the column needs; days alone where all are midnights."""
    zone = [text[19:].lstrip(".0123456789") if text else "" for text in texts]
    bare = [text[:19] if text else None for text in texts]
    parts = [(text[19 : len(text) - len(z)] if text else "") for text, z in zip(texts, zone)]  # noqa: B905
    fine = any(part.strip(".0") for part in parts)
    if not fine and not any(zone) and all(not t or t.endswith(" 00:00:00") for t in bare):
        return [text[:10] if text else None for text in bare]
    return [
        t and t + (f"{part or '.000':0<4}" if fine else "") + z.replace("Z", "+00:00")
        for t, part, z in zip(bare, parts, zone, strict=True)
    ]


def canonical(polygons: list[Polygon], multi: bool) -> bytes:
    """Return well-known binary with rings and parts in one order, whatever it was."""
    parts = [normalized(polygon) for polygon in polygons]
    parts.sort(key=lambda rings: ranked(rings[0]) if rings else (0, []), reverse=True)
    bodies = [polygon_wkb(part) for part in parts]
    if not multi:
        return bodies[0] if bodies else b""
    flags = max((struct.unpack_from("<I", body, 1)[0] & 0xC0000000 for body in bodies), default=0)
    return struct.pack("<BII", 1, flags | 6, len(bodies)) + b"".join(bodies)


def normalized(polygon: Polygon) -> Polygon:
    """Return rings from their lowest point on, shells with the clock, holes against, in order."""
    rings = []
    for number, ring in enumerate(polygon):
        walk = ring[:-1] or ring
        first = min(range(len(walk)), key=lambda k: walk[k][:2])
        walk = [*walk[first:], *walk[:first]]
        if walk[0][:2] != walk[-1][:2]:
            walk.append(walk[0])
        if (doubled_area(walk) > 0) == (number == 0):
            walk.reverse()
        rings.append(walk)
    return rings[:1] + sorted(rings[1:], key=ranked, reverse=True)


def ranked(ring: Ring) -> tuple[int, list[Point]]:
    """Return what decides the order of rings: how many points, and then where."""
    return len(ring), [point[:2] for point in ring]


def polygon_wkb(rings: Polygon) -> bytes:
    """Return the well-known binary of one polygon."""
    size = len(rings[0][0]) if rings else 2
    out = struct.pack("<BII", 1, 3 | (0x80000000 if size == 3 else 0), len(rings))
    for ring in rings:
        flat = [number for point in ring for number in point]
        out += struct.pack(f"<I{len(flat)}d", len(ring), *flat)
    return out


def fingerprint(shapes: list[list[Polygon]]) -> str:
    """Return the name of a coverage, as gridmap defines it."""
    words: dict[Point, int] = {}
    sums = []
    for polygons in shapes:
        low = high = 0
        for a, b in edges(polygons):
            for point in (a, b):
                if point not in words:
                    x, y = struct.unpack("<QQ", struct.pack("<dd", *point))
                    words[point] = mix(mix(x + 0x9E3779B97F4A7C15) + y * 0xC2B2AE3D27D4EB4F)
            word = mix(words[a] * 0x9E3779B97F4A7C15 + words[b])
            low += word
            high += mix(word ^ 0x165667B19E3779F9)
        sums.append((low & MASK, high & MASK))
    return hashlib.sha256(b"".join(struct.pack(">QQ", *s) for s in sorted(sums))).hexdigest()


def mix(word: int) -> int:
    """Scatter the bits of a word of 64 bits."""
    word &= MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


# ------------------------------------------------------------------- the auditor's own boundary


def against_own(name: str, rims: Layer) -> tuple[list[str], list[str]]:
    """Hold the boundary of the file against the auditor's: the same but for vertices on sides."""
    try:
        polygons, crs = own_boundary(name)
    except (UnreadableError, sqlite3.Error) as error:
        raise UnreadableError(f"cannot be held against {name}: that file {error}") from error
    if crs is not None and [c.upper() for c in crs] != [c.upper() for c in rims.crs[:2]]:
        raise UnreadableError(
            f"is in {':'.join(rims.crs[:2])} but {name} in {':'.join(crs)}; transform that one."
        )
    for polygon in polygons:
        if wrong := polygon_faults([polygon]):
            raise UnreadableError(f"cannot be held against {name}, which is no area: {wrong[0]}")
    unit = unit_of(rims.crs[2])
    if crs is None and unit is not None:
        raise UnreadableError(f"cannot be held against {name}, which names no CRS.")
    mine, theirs = (leftover(edges(shapes)) for shapes in (rims.rows[0].polygons, polygons))
    if any(abs(count) > 1 for count in theirs.values()):
        raise UnreadableError(f"cannot be held against {name}, of which parts overlap.")
    degree = 111_320.0 if unit is None else unit
    fine, coarse, one = without_chains(
        unmatched(mine, theirs), unmatched(theirs, mine), BESIDE / degree
    )
    coarse, fine, two = without_chains(coarse, fine, BESIDE / degree)
    if rest := [*fine, *coarse]:
        count = "1 edge has" if len(rest) == 1 else f"{len(rest):,} edges have"
        return [
            f"boundary against {name}: {count} no match, the first at {place(min(rest)[0])}"
        ], []
    off = one + two
    width = max(off, default=0.0) * degree
    more = f", but for {counted(len(off), 'vertex')} at most {width:.1g} m beside its sides"
    return [], [f"the same area as {plain(name)}{more if off else ''}"]


def unmatched(mine: Counter[Any], theirs: Counter[Any]) -> list[tuple[Point, Point]]:
    """Return the edges of one chain that the other has not."""
    return [e if n > 0 else e[::-1] for e, n in mine.items() if theirs[e] != n]


def without_chains(
    fine: list[tuple[Point, Point]], coarse: list[tuple[Point, Point]], limit: float
) -> tuple[list[Any], list[Any], list[float]]:
    """Drop coarse edges that a chain of fine ones follows, and these; return how far beside."""
    steps = defaultdict(list)
    for a, b in fine:
        steps[a].append(b)
    rest, off = [], []
    for start, end in coarse:
        at, chain, far = start, [], []
        while at != end:
            ways = [b for b in steps[at] if along(start, end, at) < along(start, end, b) <= 1]
            ways = [b for b in ways if beside(start, end, b) <= limit]
            if not ways:
                break
            step = min(ways, key=lambda b: beside(start, end, b))
            far += [beside(start, end, step)] if step != end else []
            chain.append((at, step))
            at = step
        if at == end:
            off += far
            for a, b in chain:
                steps[a].remove(b)
        else:
            rest.append((start, end))
    return [(a, b) for a, ends in steps.items() for b in ends], rest, off


def along(a: Point, b: Point, p: Point) -> float:
    """Return how far along a -> b a point lies, from 0 to 1."""
    if p in (a, b):
        return float(p == b)
    x, y = b[0] - a[0], b[1] - a[1]
    return ((p[0] - a[0]) * x + (p[1] - a[1]) * y) / (x * x + y * y)


def beside(a: Point, b: Point, p: Point) -> float:
    """Return how far beside the line a -> b a point lies."""
    if p in (a, b):
        return 0.0
    x, y = b[0] - a[0], b[1] - a[1]
    cross = Fraction(x) * (Fraction(p[1]) - Fraction(a[1])) - Fraction(y) * (
        Fraction(p[0]) - Fraction(a[0])
    )
    return abs(float(cross)) / math.hypot(x, y)


def own_boundary(name: str) -> tuple[list[Polygon], tuple[str, str] | None]:
    """Return the polygons of an outline of the auditor's own, and its CRS if it tells."""
    if name.lower().endswith((".geojson", ".json")):
        return geojson(name)
    whole = Path(name).exists() or ":" not in name
    path, layer = (name, None) if whole else name.rpartition(":")[::2]
    database = opened(path)
    try:
        found = database.execute(
            "SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns"
        ).fetchall()
        chosen = [row for row in found if layer in (None, row[0])]
        if len(chosen) != 1:
            shown = ", ".join(str(row[0]) for row in found) or "none"
            raise UnreadableError(f"has the layers {shown}; name one as FILE:LAYER.")
        table, column, number = chosen[0]
        crs = crs_of(database, table, number, [])
        rows = database.execute(f"SELECT {quoted(column)} FROM {quoted(table)}").fetchall()
        return [polygon for row in rows for polygon in polygons_of(row[0])[0]], crs[:2]
    finally:
        database.close()


def geojson(name: str) -> tuple[list[Polygon], tuple[str, str] | None]:
    """Return the polygons of a GeoJSON file, and its CRS if it names one."""
    try:
        document = json.loads(Path(name).read_bytes().decode("utf-8-sig"))
        features = document.get("features", [document])
        shapes = [feature.get("geometry", feature) for feature in features]
        nested = [
            [s["coordinates"]] if s["type"] == "Polygon" else s["coordinates"] for s in shapes
        ]
        polygons = [
            [[tuple(map(float, point[:2])) for point in ring] for ring in rings]
            for several in nested
            for rings in several
        ]
        named = document.get("crs", {}).get("properties", {}).get("name", "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"holds no polygons ({type(error).__name__}: {error}).") from error
    if not all(math.isfinite(n) for p in polygons for ring in p for point in ring for n in point):
        raise UnreadableError("holds a coordinate that is no number.")
    found = re.search(r"(EPSG):+(?:[\d.]*:)?(\d+)$", named)
    return polygons, (found[1], found[2]) if found else None


# -------------------------------------------------------------------------------- what is said


def said_of(
    cells: Layer, parents: Layer, rims: Layer, count: int, metadata: dict[str, Any], more: list[str]
) -> list[str]:
    """Return what to say of a grid that is proved: area, holes and jurisdictions."""
    boundary, definition = rims.rows[0].polygons, rims.crs[2]
    number, places = len(cells.rows), len(parents.rows)
    facts = [
        f"{number:,} {'cell fills' if number == 1 else 'cells fill'} the boundary and "
        f"{'its jurisdiction' if places == 1 else f'each of {places:,} jurisdictions'} exactly; "
        f"{count:,} edges cancel",
        f"content hash {metadata['content_hash']}",
        f"CRS {':'.join(rims.crs[:2])} as this file defines it, by numbers that are part of the "
        "hash; not looked up in the register",
        f"area {measured(boundary, definition)} in {':'.join(rims.crs[:2])}, "
        f"{counted(len([p for p in boundary if p]), 'part')}, "
        f"{counted(holes_in(boundary), 'hole')}",
        *more,
    ]
    rings = [ring for polygon in boundary for ring in polygon[1:]]
    rings.sort(key=lambda ring: -abs(float(doubled_area(ring))))
    facts += [
        f"hole of {measured([[ring]], definition)} at {place(ring[0])}" for ring in rings[:SHOWN]
    ]
    if len(rings) > SHOWN:
        facts.append(f"... and {len(rings) - SHOWN:,} more holes")
    own = Counter(name_of(row, "parent") for row in cells.rows)
    facts.append(counted(places, "jurisdiction"))
    for row in parents.rows[:SHOWN]:
        name = name_of(row, "parent")
        facts.append(
            f"  {plain(name) or '(no name)'}: {counted(own[name], 'cell')}, "
            f"{measured(row.polygons, definition)}, {counted(holes_in(row.polygons), 'hole')}"
        )
    if places > SHOWN:
        facts.append(f"  ... and {places - SHOWN:,} more")
    return facts


def counted(number: int, noun: str) -> str:
    """Return how many there are of a noun."""
    many = "vertices" if noun == "vertex" else noun + "s"
    return f"{number:,} {noun if number == 1 else many}"


def holes_in(polygons: list[Polygon]) -> int:
    """Return how many holes polygons have."""
    return sum(max(len(polygon) - 1, 0) for polygon in polygons)


def measured(polygons: list[Polygon], definition: str) -> str:
    """Return the area of polygons in square metres, as a text."""
    unit = unit_of(definition)
    area = 0.0
    for polygon in polygons:
        for number, ring in enumerate(polygon):
            part = curved_area(ring, definition) if unit is None else doubled_area(ring) / 2
            area += abs(float(part)) * (1 if number == 0 else -1)
    area *= 1.0 if unit is None else unit**2
    return f"{area / 1e6:,.3f} km²" if area >= 1e5 else f"{area:,.2f} m²"


def unit_of(definition: str) -> float | None:
    """Return the metres of a unit of a projected CRS; None for degrees."""
    if not re.search(r"\b(PROJCS|PROJCRS|LOCAL_CS|ENGCRS)\[", definition):
        return None
    start = max(definition.rfind("PARAMETER["), definition.find("CS[Cartesian"), 0)
    found = re.search(r'UNIT\["[^"]*",\s*([0-9.eE+-]+)', definition[start:])
    return float(found[1]) if found else 1.0


def curved_area(ring: Ring, definition: str) -> float:
    """Return the area of a ring in degrees on its ellipsoid, by authalic latitude."""
    found = re.search(r'(?:SPHEROID|ELLIPSOID)\["[^"]*",\s*([\d.]+),\s*([\d.]+)', definition)
    a, inverse = (float(found[1]), float(found[2])) if found else (6378137.0, 298.257223563)
    squared = 0.0 if inverse == 0 else (2 - 1 / inverse) / inverse
    e = math.sqrt(squared)

    def zone(latitude: float) -> float:
        """Return the area from the equator to a latitude, for one radian of longitude."""
        s = math.sin(math.radians(latitude))
        if e == 0:
            return a * a * s
        return a * a * (1 - squared) / 2 * (s / (1 - (e * s) ** 2) + math.atanh(e * s) / e)

    return math.fsum(
        math.radians(q[0] - p[0]) * (zone(p[1]) + 4 * zone((p[1] + q[1]) / 2) + zone(q[1])) / 6
        for p, q in pairwise(ring)
    )


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = main()
    except Exception:
        traceback.print_exc()
        code = BUG
    sys.exit(code)
