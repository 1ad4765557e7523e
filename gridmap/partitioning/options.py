"""Options of the partition: how they are read, and which of them could not be met."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap.errors import InputError
from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.holes import enclosing_cells
from gridmap.partitioning.missed import proved_impossible
from gridmap.partitioning.parallel import Job
from gridmap.partitioning.problem import Wishes
from gridmap.partitioning.solve import Outcome


def wanted_cells(cells: pd.Series | str | None, units: gpd.GeoDataFrame) -> dict[str, int]:
    """Return the number of cells wanted in each jurisdiction that names one."""
    if cells is None:
        return {}
    if isinstance(cells, str):
        if cells not in units:
            raise InputError(f"`cells` names the column {cells!r}, which the units lack.")
        cells = units.groupby("parent")[cells].first()
    wishes = pd.Series(cells)
    numbers = pd.to_numeric(wishes, errors="coerce").dropna()
    rest = wishes[~wishes.index.isin(numbers.index)].dropna()
    if unread := [str(v) for v in rest if str(v).strip()]:
        raise InputError(f"`cells` holds {unread[0]!r}; give whole numbers from 1, or nothing.")
    if (numbers < 1).any() or (numbers % 1 != 0).any():
        raise InputError("`cells` must hold whole numbers from 1, or nothing where any will do.")
    return {str(key): int(number) for key, number in numbers.items()}


def check_approved(approved: Collection[str], units: gpd.GeoDataFrame) -> None:
    """Refuse to approve exceptions of jurisdictions that are not there."""
    known = units["parent"].astype(str).unique()
    for code in sorted(set(approved).difference(known)):
        raise InputError(
            f"`approved` names {code!r}, which is no jurisdiction of the units. Give a code such "
            f"as {known[0]!r}."
        )


def check_day(on: str) -> None:
    """Refuse a day that is none."""
    try:
        date.fromisoformat(on or "2000-01-01")
    except ValueError:
        raise InputError(f"`on` is {on!r}; give a day, as 2026-07-01.") from None


def wanted_target(target: float | None, low: int, high: int) -> float:
    """Return the households wanted in a cell."""
    if target is None:
        return (low + high) / 2
    if not low <= target <= high:
        raise InputError(f"`target` is {target}, outside the band {low}-{high}; choose within it.")
    return float(target)


def discount_of(road_preference: float) -> float:
    """Return the discount for borders on barriers."""
    if not 0 <= road_preference <= 1:
        raise InputError(f"`road_preference` is {road_preference}; give a number from 0 to 1.")
    return float(road_preference)


def unmet(
    jobs: Sequence[Job], outcomes: Sequence[Outcome], wishes: Wishes, label: Ints
) -> dict[str, Any]:
    """Return the wishes that could not be met; nothing where all were.

    ``crossed`` lists the jurisdictions with cells across a hard barrier, ``enclosing`` the numbers
    of the cells around others although holes are unwanted, ``cells_missed`` the cells wanted and
    made in a jurisdiction, and whether the number wanted is proved impossible.
    """
    pairs = list(zip(jobs, outcomes, strict=True))
    found: dict[str, Any] = {
        "crossed": [job.community.key for job, outcome in pairs if outcome.crossed],
        "enclosing": [
            int(label[job.community.place[np.argmax(outcome.label == cell)]])
            for job, outcome in pairs
            if wishes.no_holes
            for cell in enclosing_cells(job.community, outcome.label)
        ],
        "cells_missed": {
            job.community.key: {
                "wanted": job.cells,
                "made": outcome.cells,
                "proved": proved_impossible(job.community, wishes, job.cells),
            }
            for job, outcome in pairs
            if job.cells and job.cells != outcome.cells
        },
    }
    return {wish: places for wish, places in found.items() if places}
