#!/usr/bin/env python3
"""Recheck the proof of a grid file with nothing but Python's standard library.

Reads the layers `cells`, `jurisdictions` and `boundary` of a GeoPackage and shows, by cancelling
directed edges, that the cells tile the boundary and that the cells of each jurisdiction tile it.
Coordinates are compared bit for bit. Ends with 0 when proved, 1 when not, 2 when unreadable.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import struct
import sys
from collections import Counter, defaultdict
from fractions import Fraction

PROVED, REFUTED, UNREADABLE = 0, 1, 2
MASK = (1 << 64) - 1
SHOWN = 20


class UnreadableError(Exception):
    """The file is no grid file, or a geometry in it is broken."""


def main(arguments: list[str] | None = None) -> int:
    """Check one file and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", help="a grid file (GeoPackage)")
    path = parser.parse_args(arguments).grid
    try:
        faults, facts = verify(path)
    except (UnreadableError, sqlite3.Error, struct.error, OSError) as error:
        print(f"verify_grid: {path}: {error}", file=sys.stderr)
        return UNREADABLE
    if faults:
        print(f"NOT PROVED: {path}")
        for fault in faults[:SHOWN]:
            print("  " + fault)
        if len(faults) > SHOWN:
            print(f"  ... and {len(faults) - SHOWN} more")
        return REFUTED
    print(f"PROVED: {facts}")
    return PROVED


def verify(path: str) -> tuple[list[str], str]:
    """Return what is wrong with a grid file, and a sentence for when nothing is."""
    with open(path, "rb"):
        pass
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        cells = read(database, "cells", "code", "parent")
        parents = read(database, "jurisdictions", "parent", "parent")
        names = {row[0] for row in database.execute("SELECT table_name FROM gpkg_contents")}
        if not cells or not parents:
            raise UnreadableError("has no cells or no jurisdictions, so nothing can be proved.")
        rim = read(database, "boundary", None, None) if "boundary" in names else []
        recorded = recorded_hash(database) if "gridmap_metadata" in names else None
    finally:
        database.close()
    faults = attribute_faults(cells, parents)
    for name, _, polygon in cells + parents + rim:
        faults += [f"{name}: {fault}" for fault in ring_faults(polygon)]
    faults += nesting_faults(cells, parents)
    outline = rim or parents
    left = leftover(edges(c[2]) for c in cells), leftover(edges(p[2]) for p in outline)
    what = "boundary" if rim else "jurisdictions"
    faults += differences(f"cells against the {what}", left[0], left[1])
    if recorded is not None and recorded != fingerprint([c[2] for c in cells]):
        faults.append("the cells are not those that the file's own proof was made of")
    count = sum(len(edges(c[2])) for c in cells)
    return faults, f"{len(cells):,} cells, {len(parents):,} jurisdictions, {count:,} edges cancel"


def read(
    database: sqlite3.Connection, layer: str, name: str | None, parent: str | None
) -> list[tuple[str, str, list]]:
    """Return name, parent and polygons of each row of a layer."""
    found = database.execute(
        "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)
    ).fetchone()
    if found is None:
        raise UnreadableError(f"has no layer {layer!r}; it is no grid file.")
    columns = [quoted(found[0]), quoted(name) if name else "''", quoted(parent) if parent else "''"]
    rows = database.execute(f"SELECT {', '.join(columns)} FROM {quoted(layer)}")
    result = []
    for number, (blob, label, of) in enumerate(rows):
        text = str(label) if label not in ("", None) else f"{layer} row {number + 1}"
        if blob is None:
            raise UnreadableError(f"{text} has no geometry.")
        result.append((text, "" if of is None else str(of), polygons_of(blob)))
    return result


def quoted(name: str) -> str:
    """Return an SQL identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'


def polygons_of(blob: bytes) -> list[list[list[tuple[float, float]]]]:
    """Return the polygons of a GeoPackage geometry as lists of rings."""
    if blob[:2] != b"GP":
        raise UnreadableError("holds a geometry that is no GeoPackage geometry.")
    envelope = (0, 32, 48, 48, 64)[(blob[3] >> 1) & 7]
    polygons, _ = wkb(blob, 8 + envelope)
    return polygons


def wkb(blob: bytes, at: int) -> tuple[list, int]:
    """Return the polygons of well-known binary from a position on, and where it ends."""
    order = "<" if blob[at] == 1 else ">"
    (kind,) = struct.unpack_from(order + "I", blob, at + 1)
    at += 5
    size = 2 + (kind // 1000 in (1, 3)) + (kind // 1000 in (2, 3))
    (count,) = struct.unpack_from(order + "I", blob, at)
    at += 4
    if kind % 1000 == 6:
        polygons = []
        for _ in range(count):
            inner, at = wkb(blob, at)
            polygons += inner
        return polygons, at
    if kind % 1000 != 3:
        raise UnreadableError(f"holds a geometry of type {kind}, not a polygon.")
    rings = []
    for _ in range(count):
        (points,) = struct.unpack_from(order + "I", blob, at)
        at += 4
        numbers = struct.unpack_from(f"{order}{points * size}d", blob, at)
        at += 8 * size * points
        flat = [number + 0.0 for number in numbers]  # -0.0 becomes 0.0
        rings.append(list(zip(flat[::size], flat[1::size], strict=True)))
    return [rings], at


def edges(polygons: list) -> list[tuple]:
    """Return the directed edges of polygons, the inside on the left."""
    found = []
    for rings in polygons:
        for number, ring in enumerate(rings):
            walk = ring if (doubled_area(ring) > 0) == (number == 0) else ring[::-1]
            found += [(a, b) for a, b in zip(walk, walk[1:]) if a != b]  # noqa: B905, RUF007
    return found


def doubled_area(ring: list) -> Fraction | float:
    """Return twice the signed area of a ring; exact where doubles might have the wrong sign."""
    x0, y0 = ring[0]
    terms = [
        (ax - x0) * (by - y0) - (bx - x0) * (ay - y0)
        for (ax, ay), (bx, by) in zip(ring, ring[1:])  # noqa: B905, RUF007
    ]
    total = sum(terms)
    if abs(total) > 1e-9 * sum(map(abs, terms)):
        return total
    exact = [(Fraction(x), Fraction(y)) for x, y in ring]
    return sum(
        (ax * by - bx * ay for (ax, ay), (bx, by) in zip(exact, exact[1:])),  # noqa: B905, RUF007
        Fraction(0),
    )


def leftover(chains: object) -> Counter:
    """Return the edges of chains that do not cancel, each with its net count."""
    net: Counter = Counter()
    for chain in chains:  # type: ignore[attr-defined]
        for a, b in chain:
            if a < b:
                net[a, b] += 1
            else:
                net[b, a] -= 1
    return Counter({edge: count for edge, count in net.items() if count})


def differences(what: str, mine: Counter, theirs: Counter) -> list[str]:
    """Return a fault when two chains are not the same."""
    rest = {edge for edge in mine.keys() | theirs.keys() if mine[edge] != theirs[edge]}
    if not rest:
        return []
    (x, y), _ = min(rest)
    return [f"{what}: {len(rest):,} edges do not cancel, the first at {x!r} {y!r}"]


def nesting_faults(cells: list, parents: list) -> list[str]:
    """Return a fault for each jurisdiction that its own cells do not tile."""
    own = defaultdict(list)
    for _, parent, polygon in cells:
        own[parent].append(polygon)
    faults = []
    for name, _, polygon in parents:
        mine = leftover(edges(p) for p in own[name])
        faults += differences(f"jurisdiction {name}", mine, leftover([edges(polygon)]))
    return faults


def attribute_faults(cells: list, parents: list) -> list[str]:
    """Return repeated codes and unknown parents."""
    known = {name for name, _, _ in parents}
    counts = Counter(name for name, _, _ in cells)
    faults = [f"code {name} stands {count} times" for name, count in counts.items() if count > 1]
    return faults + [
        f"{name}: there is no jurisdiction {of!r}" for name, of, _ in cells if of not in known
    ]


def ring_faults(polygons: list) -> list[str]:
    """Return a fault for each ring that is open or crosses or touches itself along the way."""
    faults = []
    for rings in polygons:
        for ring in rings:
            if len(ring) < 4 or ring[0] != ring[-1]:
                faults.append("a ring is not closed")
            elif (place := crossing(ring)) is not None:
                faults.append(f"a ring crosses itself near {place[0]!r} {place[1]!r}")
    return faults


def crossing(ring: list) -> tuple[float, float] | None:
    """Return a place where two sides of a ring cross, by a sweep from west to east."""
    sides = [(a, b) for a, b in zip(ring, ring[1:]) if a != b]  # noqa: B905, RUF007
    order = sorted(range(len(sides)), key=lambda k: min(sides[k][0][0], sides[k][1][0]))
    active: list[int] = []
    for k in order:
        (ax, ay), (bx, by) = sides[k]
        west, south, north = min(ax, bx), min(ay, by), max(ay, by)
        active = [j for j in active if max(sides[j][0][0], sides[j][1][0]) >= west]
        for j in active:
            span = sides[j][0][1], sides[j][1][1]
            if max(span) >= south and min(span) <= north and cross(sides[j], sides[k]):
                return sides[k][0]
        active.append(k)
    return None


def cross(one: tuple, two: tuple) -> bool:
    """Tell whether two sides have a point in common that is no common end."""
    (a, b), (c, d) = one, two
    sides = side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    shared = {a, b} & {c, d}
    touching = [
        p
        for p, zero, (q, r) in zip((c, d, a, b), sides, (one, one, two, two), strict=True)
        if zero == 0 and min(q, r) <= p <= max(q, r)
    ]
    return any(p not in shared for p in touching)


def side(a: tuple, b: tuple, p: tuple) -> int:
    """Return on which side of a -> b the point p lies, without rounding."""
    left, right = (b[0] - a[0]) * (p[1] - a[1]), (b[1] - a[1]) * (p[0] - a[0])
    if abs(left - right) > 4e-16 * (abs(left) + abs(right)):
        return 1 if left > right else -1
    ax, ay, bx, by, px, py = (Fraction(v) for point in (a, b, p) for v in point)
    value = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    return (value > 0) - (value < 0)


def recorded_hash(database: sqlite3.Connection) -> str | None:
    """Return the coverage hash of the proof that the file carries."""
    row = database.execute("SELECT value FROM gridmap_metadata WHERE key = 'proof'").fetchone()
    try:
        return json.loads(row[0])["coverage_hash"] if row else None
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"has damaged metadata ({error}).") from error


def fingerprint(cells: list) -> str:
    """Return the name of a coverage, as gridmap computes it."""
    words: dict = {}
    sums = []
    for polygons in cells:
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


if __name__ == "__main__":
    sys.exit(main())
