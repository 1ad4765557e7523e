"""What the partition is measured on: the generated city, Taipei, and what a division is worth."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

import gridmap as gm
from gridmap.partitioning import energy
from gridmap.partitioning.certificates import connected
from gridmap.partitioning.prepare import check_units, communities
from gridmap.partitioning.problem import EFFORTS, Community, Wishes

LOW, HIGH = 300, 600
SHARED = (
    Path(os.environ.get("GRIDMAP_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
)
WISHES = Wishes(LOW, HIGH, 450.0, 0, EFFORTS["default"])


def table(rows: list[dict[str, object]]) -> str:
    """Write rows as a markdown table."""
    heads = list(rows[0])
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(str(row.get(head, "")) for head in heads) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def news(text: str) -> None:
    """Say how far a long part is."""
    print(text, file=sys.stderr, flush=True)


def plain(units: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return units without blocks and sides, so that all solve the same problem."""
    return units.drop(columns=["block", "path", "side"], errors="ignore")


@functools.cache
def city(quick: bool) -> tuple[gpd.GeoDataFrame, list[dict[str, object]]]:
    """Return the units of the generated city and what it took to make them."""
    clock = time.process_time()
    made = gm.example_city(seed=0, size="town" if quick else "city")
    first = time.process_time()
    units = gm.subdivide(
        made.jurisdictions,
        made.buildings,
        barriers=made.barriers,
        dedicated=made.dedicated,
        levels=["district", "street", "community"],
        code="code",
    )
    second = time.process_time()
    return units, [
        {"stage": f"invent {len(made.buildings):,} buildings", "CPU s": round(first - clock, 1)},
        {"stage": f"subdivide to {len(units):,} units", "CPU s": round(second - first, 1)},
    ]


def taipei(by: str) -> gpd.GeoDataFrame | None:
    """Return Taipei's statistical atoms within villages, areas or districts."""
    path = SHARED / "taipei_atoms.parquet"
    if not path.is_file():
        return None
    atoms = gpd.read_parquet(path).to_crs(3826)
    if by == "villages":
        areas = gpd.read_parquet(SHARED / "taipei_villages.parquet").to_crs(3826)
        i, j = areas.sindex.query(atoms.geometry, predicate="intersects")
        shared = shapely.area(
            shapely.intersection(atoms.geometry.to_numpy()[i], areas.geometry.to_numpy()[j])
        )
        best = pd.DataFrame({"i": i, "j": j, "area": shared}).sort_values(["i", "area"])
        best = best.groupby("i")["j"].last()
        atoms["parent"] = areas["village_key"].to_numpy()[best.to_numpy()]
    else:
        atoms["parent"] = atoms[{"areas": "stat2", "districts": "district_code"}[by]].astype(str)
    return atoms[["parent", "households", "geometry"]]


def components(units: gpd.GeoDataFrame) -> list[Community]:
    """Return the connected parts of all communities that are more than one cell."""
    found = []
    for town in communities(check_units(plain(units))):
        part = town.parts(town.bonds())
        for number in range(int(part.max()) + 1):
            piece = town.subset(np.flatnonzero(part == number))
            if piece.total > HIGH and int(piece.households.max()) <= HIGH:
                found.append(dataclasses.replace(piece, key=f"{town.key}/{number}"))
    return found


def round_the_middle(units: gpd.GeoDataFrame, count: int) -> Community:
    """Return about so many units next to the middle of a city as one community."""
    kinds = units["kind"].where(units["kind"] == "residential", "other")
    checked = check_units(plain(units.assign(parent=kinds)))
    town = next(town for town in communities(checked) if town.key == "residential")
    far = np.hypot(town.x - town.x.mean(), town.y - town.y.mean())
    near = town.subset(np.sort(np.argsort(far, kind="stable")[:count]))
    part = near.parts(near.bonds())
    return near.subset(np.flatnonzero(part == np.bincount(part).argmax()))


def is_valid(town: Community, label: np.ndarray) -> bool:
    """Tell whether all cells are connected and in the band."""
    total = np.bincount(label, town.households)
    ties = town.bonds()
    return bool(
        ((total >= LOW) & (total <= HIGH)).all() and connected(label, town.i[ties], town.j[ties])
    )


def measured(towns: list[Community], labels: list[np.ndarray]) -> dict[str, float]:
    """Return validity, spread of households, compactness and border of divisions."""
    valid, homes, compact, cut, cells = 0, [], [], 0.0, 0
    for town, label in zip(towns, labels, strict=True):
        valid += is_valid(town, label)
        count = int(label.max()) + 1
        total = energy.sums(town.network(town.bonds(), 1.0, 0.0), label, count)
        homes.append(total[:, 0])
        compact.append(4 * np.pi * total[:, 2] / total[:, 3] ** 2)
        cut += town.length[label[town.i] != label[town.j]].sum()
        cells += count
    households = np.concatenate(homes) if homes else np.ones(1)
    return {
        "valid": valid,
        "cells": cells,
        "CV": float(households.std() / households.mean()),
        "PP": float(np.concatenate(compact).mean()) if compact else float("nan"),
        "m a cell": cut / max(cells, 1),
    }


def in_band(towns: list[Community], labels: list[np.ndarray]) -> list[bool]:
    """Tell of every cell whether it is in the band and connected."""
    good = []
    for town, label in zip(towns, labels, strict=False):
        ties = town.bonds()
        total = np.bincount(label, town.households)
        whole = town.parts(ties & (label[town.i] == label[town.j]))
        pieces = np.bincount(label[np.unique(whole, return_index=True)[1]])
        good += ((total >= LOW) & (total <= HIGH) & (pieces == 1)).tolist()
    return good
