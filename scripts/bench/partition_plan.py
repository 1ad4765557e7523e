"""The whole way to a proved grid, one huge community, and an old grid that is kept."""

from __future__ import annotations

import dataclasses
import resource
import time

import geopandas as gpd
import numpy as np
import shapely
from partition_cases import HIGH, LOW, WISHES, city, table, taipei

import gridmap as gm
from gridmap.partitioning.prepare import check_units, communities
from gridmap.partitioning.rebalance import Old, keep, match
from gridmap.partitioning.solve import Outcome, solve


def stages(quick: bool) -> str:
    """Time the whole way from buildings to a proved grid, and its memory."""
    units, rows = city(quick)
    clock = time.process_time()
    grid = gm.partition(units, lang="en", workers=1)  # all of it in this process, to be counted
    rows.append(
        {
            "stage": f"partition to {len(grid):,} proved cells",
            "CPU s": round(time.process_time() - clock, 1),
        }
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    homes = grid.cells[grid.cells["kind"] == "residential"]
    compact = 4 * np.pi * homes.geometry.area / homes.geometry.length**2
    certain = grid.exceptions["certificate"].value_counts().to_dict()
    return (
        f"{table(rows)}\n\n{int(homes['households'].between(LOW, HIGH).sum()):,} of "
        f"{len(homes):,} cells in the band, mean PP {compact.mean():.3f}, "
        f"exceptions {certain}; peak {peak:,.0f} MB."
    )


def large(quick: bool) -> str:
    """Cut one community that is a lattice of 100,000 units, with the fast preset."""
    wide, high = (50, 50) if quick else (316, 317)
    x, y = (30.0 * side.ravel() for side in np.meshgrid(np.arange(wide), np.arange(high)))
    units = gpd.GeoDataFrame(
        {
            "parent": "one",
            "households": np.random.default_rng(0).integers(0, 60, len(x)),
        },
        geometry=shapely.box(x, y, x + 30, y + 30),
        crs=4547,
    )
    clock = time.process_time()
    cells = gm.partition(units, quality="fast", lang="en", workers=1).cells
    spent = time.process_time() - clock
    compact = 4 * np.pi * cells.geometry.area / cells.geometry.length**2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"One community of {len(units):,} units: {len(cells):,} cells, "
        f"{int(cells['households'].between(LOW, HIGH).sum()):,} of them in the band, "
        f"mean PP {compact.mean():.3f}, {spent:.0f} s of CPU, peak {peak:,.0f} MB."
    )


def stability(quick: bool) -> str:
    """Let 5 % of the units change and count who moves."""
    cases = {"generated city": city(quick)[0]}
    for by in () if quick else ("villages", "districts"):
        units = taipei(by)
        if units is not None:
            cases[f"Taipei by {by}"] = units
    return table([_changed(name, units) for name, units in cases.items()])


def _changed(name: str, units: gpd.GeoDataFrame) -> dict[str, object]:
    """Solve, change, keep; count households moved, cells unchanged, cells outside the band."""
    rng = np.random.default_rng(4)
    moved = households = cells = same = outside = idle = 0
    clock = 0.0
    for town in communities(check_units(units)):
        old = solve(town, WISHES)
        draw = rng.random(len(town))
        factor = np.where(draw < 0.03, 2.2, np.where(draw < 0.05, 0.1, 1.0))
        counts = np.round(town.households * factor).astype(np.int64)
        new_town = dataclasses.replace(town, households=counts, load=counts.astype(float))
        start = time.process_time()
        new = keep(new_town, WISHES, Old(old.label, np.empty(0, np.int64)))
        clock += time.process_time() - start
        back = _heirs(new, old, counts)
        moved += int(counts[back != old.label].sum())
        households += int(counts.sum())
        cells += old.cells
        same += sum(
            bool((back[old.label == c] == c).all() and (old.label[back == c] == c).all())
            for c in range(old.cells)
        )
        outside += sum(not f.certified for f in new.reasons.values())
        still = keep(town, WISHES, Old(old.label, np.empty(0, np.int64)))
        idle += int((_heirs(still, old, town.households) != old.label).sum())
    return {
        "case": name,
        "cells": cells,
        "households moved": f"{moved / households:.2%}",
        "cells unchanged": f"{same / cells:.1%}",
        "outside the band unexplained": outside,
        "units moved without change": idle,
        "CPU s": round(clock, 2),
    }


def _heirs(new: Outcome, old: Outcome, households: np.ndarray) -> np.ndarray:
    """Return the old cell that the new cell of each unit continues, -1 for none."""
    heirs = match(new.label, old.label, households)
    return np.array([heirs.get(int(cell), -1) for cell in new.label])
