"""The ranking of places: rates with their intervals, never a bare order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gridmap.briefings.period import FREQUENCY, By, Window, whole_periods
from gridmap.errors import InputError
from gridmap.maps.brief.accounts import poisson
from gridmap.maps.brief.course import cases_of, change, number, times_of
from gridmap.maps.themes import area_keys

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid
    from gridmap.operations.staffing import Staffing

MOST_PLACES = 40


def ranked_level(grid: Grid) -> str:
    """Choose what is ranked: streets by name, else the finest level with few places."""
    if not grid.levels:
        return "parent"
    for level in grid.levels:
        if level.lower() in ("street", "街道", "街镇", "镇街", "town", "乡镇"):
            return level
    few = [level for level in grid.levels if 2 <= area_keys(grid, level).nunique() <= MOST_PLACES]
    return few[-1] if few else grid.levels[0]


def place_keys(grid: Grid, level: str) -> pd.Series:
    """Name the place of each cell on the ranked level."""
    if level != "parent" and level not in grid.levels:
        raise InputError(f"`level` is {level!r}; the grid has {', '.join(grid.levels) or 'none'}.")
    return grid.cells["parent"].astype(str) if level == "parent" else area_keys(grid, level)


def counts_of(now: pd.DataFrame, grid: Grid) -> pd.Series:
    """Count incidents per cell, in the order of the cells."""
    return now["code"].value_counts().reindex(grid.cells.index, fill_value=0).astype(int)


def ranking(
    now: pd.DataFrame,
    before: pd.DataFrame | None,
    grid: Grid,
    spots: pd.DataFrame,
    level: str,
    shown: Window | None,
    by: By,
    posted: Staffing | None,
) -> dict[str, Any]:
    """Rank the places of a level by incidents per 100 households, each with its interval."""
    keys = place_keys(grid, level)
    place, names = pd.factorize(keys, sort=True)
    count = len(names)
    low, high = grid.band
    cells = grid.cells

    def summed(values: Any) -> np.ndarray[Any, Any]:
        return np.bincount(place, weights=np.asarray(values, float), minlength=count)

    homes = summed(cells["households"])
    residential = cells["kind"] == "residential"
    incidents = summed(counts_of(now, grid)).astype(int)
    earlier = None if before is None else summed(counts_of(before, grid)).astype(int)
    columns = {
        "cells": summed(np.ones(len(cells))),
        "households": homes,
        "hot": summed(spots["bin"].reindex(cells.index).to_numpy() > 0),
        "out_of_band": summed(residential & ~cells["households"].between(low, high)),
    }
    if posted is not None:
        columns["leaderless"] = summed(posted.cells["leaders"].reindex(cells.index) == 0)
    sparks = place_series(now, pd.Series(place, cells.index), count, shown, by)
    rows: list[dict[str, Any]] = []
    for k in range(count):
        a, b = poisson(int(incidents[k]))
        per = 100 / homes[k] if homes[k] else None
        rows.append(
            {
                "place": k,
                "name": str(names[k]).rsplit("\x1f", 1)[-1],
                "incidents": int(incidents[k]),
                "rate": float(incidents[k] * per) if per else None,
                "low": float(a * per) if per else None,
                "high": float(b * per) if per else None,
                "change": change(int(incidents[k]), None if earlier is None else int(earlier[k])),
                "spark": sparks[k],
                **{key: int(values[k]) for key, values in columns.items()},
            }
        )
    _close_rates(rows, now, pd.Series(place, cells.index), shown)
    rows.sort(key=_order)
    return {"level": level, "rows": rows}


def _order(row: dict[str, Any]) -> tuple[bool, float, int, str]:
    """Put the highest rates first, and places without a rate last, the busiest of them first."""
    known = row["rate"] is not None
    return not known, -row["rate"] if known else 0.0, 0 if known else -row["incidents"], row["name"]


def place_series(
    now: pd.DataFrame, place: pd.Series, count: int, shown: Window | None, by: By
) -> list[list[int]]:
    """Count the incidents of each place over time, whole periods only, for sparklines."""
    if shown is None:
        return [[] for _ in range(count)]
    time = times_of(now)
    periods = pd.period_range(shown.since, shown.until, freq=FREQUENCY[by])
    kept = [p for p, whole in zip(periods, whole_periods(periods, shown), strict=True) if whole]
    where = now["code"].map(place)
    step = pd.PeriodIndex(kept, freq=FREQUENCY[by]) if kept else periods[:0]
    column = step.get_indexer(pd.PeriodIndex(time.dt.to_period(FREQUENCY[by])))
    table = np.zeros((count, len(step)), dtype=int)
    good = where.notna().to_numpy() & (column >= 0)
    np.add.at(table, (where.to_numpy()[good].astype(int), column[good]), 1)
    return [[int(value) for value in row] for row in table]


def _close_rates(
    rows: list[dict[str, Any]], now: pd.DataFrame, place: pd.Series, shown: Window | None
) -> None:
    """Add the closure rate of each place with its Wilson interval, where statuses are known."""
    cases = cases_of(now)
    if cases is None:
        return
    from gridmap.incidents.indicators import FORMULAS, indicators

    cases = cases.assign(place=now["code"].map(place))
    cases = cases[cases["place"].notna()]
    if cases.empty:
        return
    until = shown.until + pd.Timedelta(days=1) if shown else None
    table = indicators(cases, by="place", until=until, formulas=FORMULAS[:1])
    table = table.xs("closure", level="indicator")
    for row in rows:
        if row["place"] in table.index:
            found = table.loc[row["place"]]
            row["closure"] = number(found["rate"])
            row["closure_low"], row["closure_high"] = number(found["low"]), number(found["high"])
