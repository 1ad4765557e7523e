"""Partition the open data of three cities, print what came out and draw one of them.

Usage: `python scripts/real_cities.py [FOLDER]`; without it, `data` in `GRIDMAP_SHARED` is read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt

import gridmap as gm
from gridmap.partitioning.report import report
from gridmap.units.attach import attach

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("GRIDMAP_SHARED", ROOT.parent / "shared")) / "data"
IMAGES = ROOT / "docs/pages/images"
MASSACHUSETTS, TAIWAN = 26986, 3826


def main() -> None:
    """Print a row a case."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    rows = [make(folder) for make in CASES]
    heads = list(max(rows, key=len))
    for line in (
        heads,
        ["---", *["--:"] * (len(heads) - 1)],
        *(map(one.get, heads) for one in rows),
    ):
        print(f"| {' | '.join('' if part is None else str(part) for part in line)} |")


def villages(folder: Path) -> dict[str, object]:
    """Cut Taipei's statistical areas within its villages."""
    places = gpd.read_parquet(folder / "taipei_villages.parquet")
    units = attach(
        atoms(folder, "taipei"), places, levels=["district", "village"], code="village_key",
        count="households",
    )  # fmt: skip
    return row("Taipei, 456 villages", gm.partition(units))


def districts(folder: Path) -> dict[str, object]:
    """Cut Taipei's statistical areas within its districts."""
    places = gpd.read_parquet(folder / "taipei_villages.parquet").dissolve("district").reset_index()
    units = attach(atoms(folder, "taipei"), places, levels=["district"], count="households")
    return row("Taipei, 12 districts", gm.partition(units))


def hsinchu(folder: Path) -> dict[str, object]:
    """Cut Hsinchu's statistical areas within its districts."""
    areas = atoms(folder, "hsinchu")
    places = areas.dissolve("district_code").reset_index()[["district_code", "geometry"]]
    units = attach(areas, places, levels=["district_code"], count="households")
    return row(f"Hsinchu, {len(places)} districts", gm.partition(units))


def neighborhoods(folder: Path) -> dict[str, object]:
    """Cut Cambridge's blocks and parcels within its neighborhoods."""
    places = cambridge(folder, "neighborhoods")
    units = blocks(folder, places, code="code", levels=["neighborhood"])
    return row("Cambridge, 13 neighborhoods", gm.partition(units))


def response(folder: Path) -> dict[str, object]:
    """Bring Cambridge's police response districts into the band, moving as few as possible.

    Their own borders are the barriers, so that a district which is in the band can stay as it is.
    """
    drawn = cambridge(folder, "police_response_districts")
    drawn = drawn.assign(code=[f"R{n:03}" for n in range(1, len(drawn) + 1)])[["code", "geometry"]]
    city = drawn.union_all()
    mended, _ = gm.repair(drawn, city, code="code")
    city = gpd.GeoDataFrame({"city": ["Cambridge"]}, geometry=[mended.union_all()], crs=drawn.crs)
    held = homes(folder).sjoin(mended, predicate="within").groupby("code")["dwellings"].sum()
    mended["households"] = mended["code"].map(held).fillna(0).astype(int)
    old = gm.adopt(mended, city, code="code", count="households")
    lines = mended.set_geometry(mended.boundary)[["geometry"]].assign(kind="street")
    units = gm.subdivide(city, homes(folder), barriers=lines, count="dwellings", levels=["city"])
    kept = gm.partition(units, keep=old)
    draw(old, kept)
    return row("Cambridge, 117 response districts kept", kept)


def draw(old: gm.Grid, new: gm.Grid) -> None:
    """Draw the districts as they were and as they are, coloured by households."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), constrained_layout=True)
    low, high = new.band
    for axis, grid in zip(axes, (old, new), strict=True):
        households = grid.cells["households"]
        outside = (households < low).astype(int) + 2 * (households > high).astype(int)
        colour = outside.map({0: "#dfe7ec", 1: "#f5c26b", 2: "#a63603"})
        grid.cells.plot(ax=axis, color=colour, edgecolor="#455a64", lw=0.6)
        held = households.between(low, high).sum()
        axis.set_title(f"{len(grid)} cells, {held} of them with {low} to {high} dwellings")
        axis.set_axis_off()
    figure.text(0.01, 0.01, "Yellow: fewer; red: more. Data: City of Cambridge GIS (PDDL).", size=8)
    figure.savefig(IMAGES / "cambridge-kept.png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def row(case: str, grid: gm.Grid) -> dict[str, object]:
    """Return the figures of a grid."""
    found = report(grid)
    facts = found.as_dict()
    change = facts["parameters"].get("change", {})
    on_road = found.cells["road_m"].sum() / found.cells["border_m"].sum()
    return {
        "case": case,
        "units": f"{len(grid.units):,}",
        "households in = out": f"{facts['households_in']:,} = {facts['households_out']:,}",
        "cells": f"{len(grid):,}",
        "in the band": f"{facts['in_band']:,}",
        "named exceptions": len(grid.exceptions),
        "unexplained": len(grid.exceptions.query("certificate == 'unknown'")),
        "mean PP": f"{facts['polsby_popper_mean']:.3f}",
        "on barriers": f"{on_road:.0%}" if on_road else "",
        "unchanged": change.get("unchanged", ""),
        "moved": f"{change['share_moved']:.1%}" if change else "",
    }


def atoms(folder: Path, city: str) -> gpd.GeoDataFrame:
    """Return the statistical areas of a city with their households."""
    return gpd.read_parquet(folder / f"{city}_atoms.parquet").to_crs(TAIWAN)


def cambridge(folder: Path, name: str) -> gpd.GeoDataFrame:
    """Return a layer of Cambridge in metres."""
    return gpd.read_parquet(folder / f"cambridge_{name}.parquet").to_crs(MASSACHUSETTS)


def homes(folder: Path) -> gpd.GeoDataFrame:
    """Return a point a parcel that has dwellings."""
    parcels = cambridge(folder, "parcels")
    parcels = parcels[parcels["dwellings"] > 0]
    return parcels.set_geometry(parcels.geometry.make_valid().representative_point())


def blocks(folder: Path, places: gpd.GeoDataFrame, **named: object) -> gpd.GeoDataFrame:
    """Subdivide places by streets, railway and water, never through a parcel with homes."""
    kinds = {"streets": "street", "rail": "railway", "water": "river"}
    barriers = [
        cambridge(folder, name)[["geometry"]].assign(kind=kind) for name, kind in kinds.items()
    ]
    return gm.subdivide(places, homes(folder), barriers=barriers, count="dwellings", **named)


CASES = (villages, districts, hsinchu, neighborhoods, response)

if __name__ == "__main__":
    main()
