"""Validate and repair published coverages against four outlines each, and hold both to their laws.

Usage: `python scripts/real_coverages.py [FOLDER] [--only LAYER]`; without a folder, `data` in
`GRIDMAP_SHARED` is read. Ends with 1 when a law is broken. The laws: what is reported adds up to
what a plain overlay finds, the repair is proved exact, and it moves no more than was wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

import gridmap as gm
from gridmap.coverage.defect_table import outline_of
from gridmap.coverage.report import sentence
from gridmap.errors import GridmapError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("GRIDMAP_SHARED", ROOT.parent / "shared")) / "data"
ALBERS = "+proj=aea +lat_1=25 +lat_2=47 +lat_0=0 +lon_0=105 +datum=WGS84 +units=m"
LAYERS = {
    "Chicago precincts": ("chicago_precincts", 4326),
    "Denver precincts 2020": ("denver_precincts_2020", 4326),
    "Cambridge neighbourhoods": ("cambridge_neighborhoods", 26986),
    "China counties": ("china_counties_osm", ALBERS),
}
"""File of each layer, and the CRS that it is sent to and comes back from."""
ENCLAVE = 100.0
"""Square metres above which a hole of a layer is meant."""
RADIUS = 6_378_137.0
SLACK = 1e-6
"""Metres that a border may move, as `repair` states."""


@dataclass(frozen=True)
class Case:
    """Cells and the outline they are held against."""

    layer: str
    against: str
    cells: gpd.GeoDataFrame
    outline: shapely.Geometry


def main() -> int:
    """Print a row a case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--only", choices=LAYERS)
    given = parser.parse_args()
    rows, broken = [], []
    for layer in [given.only] if given.only else LAYERS:
        for case in cases(given.folder, layer):
            row, wrong = tried(case)
            rows.append(row)
            broken += [f"{case.layer}, {case.against}: {reason}" for reason in wrong]
            print(*row.values(), *wrong, sep=" | ", file=sys.stderr, flush=True)
    heads = list(max(rows, key=len))
    print("", *heads, "", sep=" | ")
    print("|---|---" + "|--:" * (len(heads) - 2) + "|")
    for row in rows:
        print("", *(row.get(head, "") for head in heads), "", sep=" | ")
    print(*broken, sep="\n")
    return 1 if broken else 0


def cases(folder: Path, layer: str) -> Iterator[Case]:
    """Hold a layer against its outline, two simplified ones, and itself sent away and back."""
    name, other = LAYERS[layer]
    cells = gpd.read_parquet(folder / f"{name}.parquet")
    cells = cells[["geometry"]].reset_index(drop=True)
    outline = outline_of(cells, enclaves(cells))
    yield Case(layer, "its outline", cells, outline)
    for metres in (0.1, 1.0):
        simple = shapely.make_valid(shapely.simplify(outline, metres / unit(cells.crs)))
        yield Case(layer, f"simplified by {metres:g} m", cells, areal(simple))
    back = cells.to_crs(other).to_crs(cells.crs)
    yield Case(layer, "sent to another CRS and back", back, outline)


def enclaves(cells: gpd.GeoDataFrame) -> gpd.GeoSeries:
    """Return the holes that are too large to be slivers: what an official would declare."""
    union = shapely.union_all(shapely.make_valid(cells.geometry.to_numpy()))
    rings = [ring for part in shapely.get_parts(union) for ring in part.interiors]
    holes = shapely.polygons(np.array(rings, dtype=object))
    return gpd.GeoSeries(holes[areas(holes, cells.crs) > ENCLAVE], crs=cells.crs)


def tried(case: Case) -> tuple[dict[str, str], list[str]]:
    """Validate and repair; return the figures, and the laws that were broken."""
    start = time.process_time()
    found = gm.validate(case.cells, case.outline, lang="en")
    seconds = time.process_time() - start
    kinds = ("gap", "overlap", "outside")
    reported = {kind: found.loc[found["kind"] == kind, "area_m2"].sum() for kind in kinds}
    real = dict(zip(kinds, overlaid(case), strict=True))
    noise = resolution(case)
    wrong = [
        f"{kind}: {reported[kind]:.6g} m² reported, {real[kind]:.6g} m² overlaid"
        for kind in kinds
        if abs(reported[kind] - real[kind]) > noise + 1e-6 * real[kind]
    ]
    row = {
        "layer": case.layer,
        "against": case.against,
        "cells": f"{len(case.cells):,}",
        "places": f"{len(found):,}",
        **{f"{kind} (m²)": figure(reported[kind]) for kind in kinds},
        "overlay (m²)": figure(sum(real.values())),
        "validate (s)": f"{seconds:.1f}",
    }
    start = time.process_time()
    try:
        mended, log = gm.repair(case.cells, case.outline, lang="en")
    except GridmapError as error:
        return row | {"after repair": "refused"}, [*wrong, f"refused: {error}"]
    seconds = time.process_time() - start
    hands, filled = log.attrs["changed_hands_m2"], log.attrs["filled_m2"]
    left = gm.validate(mended, log.attrs["boundary"], lang="en")
    if left.attrs["verdict"] != "exact":
        wrong.append(f"after the repair: {sentence(left, 'en')}")
    moved = exchanged(case, mended)
    strip = noise + SLACK * length(case, log)
    if moved > sum(real.values()) + strip:
        wrong.append(f"{moved:.6g} m² moved, {sum(real.values()):.6g} m² were wrong")
    if hands > real["overlap"] + strip or filled > real["gap"] + strip:
        wrong.append(f"log: {hands:.6g} m² changed hands, {filled:.6g} m² filled")
    return row | {
        "after repair": left.attrs["verdict"],
        "cells changed": f"{len(log):,}",
        "moved (m²)": figure(moved),
        "farthest vertex (m)": figure(max(log.attrs["moved_m"], log.attrs["beside_m"])),
        "repair (s)": f"{seconds:.1f}",
    }, wrong


def overlaid(case: Case) -> tuple[float, float, float]:
    """Return the area in no cell, in several, and outside the boundary, by a plain overlay."""
    cells = shapely.make_valid(case.cells.geometry.to_numpy())
    i, j = shapely.STRtree(cells).query(cells, predicate="intersects")
    once = i < j
    shared = shapely.union_all(shapely.intersection(cells[i[once]], cells[j[once]]))
    union = shapely.union_all(cells)
    shapes = (case.outline.difference(union), shared, union.difference(case.outline))
    gap, overlap, outside = (areas(shapely.get_parts(s), case.cells.crs).sum() for s in shapes)
    return float(gap), float(overlap), float(outside)


def exchanged(case: Case, mended: gpd.GeoDataFrame) -> float:
    """Return the area by which cells differ before and after."""
    old = case.cells.geometry.reindex(mended.index).to_numpy()
    new = mended.geometry.to_numpy()
    old = np.where(shapely.is_missing(old), shapely.Polygon(), old)
    rows = np.flatnonzero(~shapely.equals_exact(old, new, 0.0))
    between = shapely.symmetric_difference(shapely.make_valid(old[rows]), new[rows])
    return float(areas(shapely.get_parts(between), case.cells.crs).sum())


def areas(shapes: Any, crs: Any) -> Any:
    """Return areas in m²; those in degrees by the middle radii of the ellipsoid, as they are small.

    The scale is taken at each shape, and shares no code with the tool's.
    """
    if not crs.is_geographic:
        return shapely.area(shapes) * unit(crs) ** 2
    flat = 1 / crs.ellipsoid.inverse_flattening
    square = flat * (2 - flat)
    bounds = shapely.bounds(shapes)
    latitude = np.radians(np.nan_to_num((bounds[:, 1] + bounds[:, 3]) / 2))
    root = 1 - square * np.sin(latitude) ** 2
    east = RADIUS / np.sqrt(root) * np.cos(latitude)
    north = RADIUS * (1 - square) / root**1.5
    return shapely.area(shapes) * np.radians(1) ** 2 * east * north


def unit(crs: Any) -> float:
    """Return the metres of a unit, of a degree along the equator."""
    factor = float(crs.axis_info[0].unit_conversion_factor)
    return RADIUS * factor if crs.is_geographic else factor


def resolution(case: Case) -> float:
    """Return the area in m² that doubles cannot tell: all borders, as wide as a rounding."""
    top = np.abs(case.cells.total_bounds).max()
    return float(
        4 * np.spacing(top) * shapely.length(case.cells.geometry).sum() * unit(case.cells.crs) ** 2
    )


def length(case: Case, log: pd.DataFrame) -> float:
    """Return the metres of border of the cells that were changed, and of the outline."""
    changed = shapely.length(case.cells.geometry.reindex(log["cell"])).sum()
    return float((changed + case.outline.length) * unit(case.cells.crs))


def areal(shape: shapely.Geometry) -> shapely.Geometry:
    """Return the polygons of a geometry as one."""
    parts = shapely.get_parts(shape)
    return shapely.union_all(parts[shapely.get_type_id(parts) == 3])


def figure(value: float) -> str:
    """Return a figure as a table shows it."""
    if value == 0:
        return "0"
    return f"{value:,.2f}" if value >= 0.01 else f"{value:.1e}"


if __name__ == "__main__":
    sys.exit(main())
