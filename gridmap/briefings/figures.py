"""Every figure of a briefing, computed from the data and returned as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from gridmap._checks import check_choice, label
from gridmap.briefings.period import FREQUENCY, By, Window
from gridmap.briefings.period import window as window_of
from gridmap.errors import InputError
from gridmap.grid.check import check_grid
from gridmap.language import Lang
from gridmap.maps.brief.accounts import (
    account,
    cells_account,
    hotspot_account,
    posted_of,
    proof_account,
    staffing_account,
    totals,
)
from gridmap.maps.brief.course import (
    closing,
    handling,
    progress,
    shares,
    times_of,
    trend,
    unknown_words,
)
from gridmap.maps.brief.ranking import ranked_level, ranking
from gridmap.maps.heat import with_places

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid
    from gridmap.operations.staffing import Staffing


def figures(
    grid: Grid,
    incidents: pd.DataFrame,
    *,
    staff: pd.DataFrame | None = None,
    since: Any = None,
    until: Any = None,
    by: By = "week",
    level: str | None = None,
    lang: Lang = "zh",
) -> dict[str, Any]:
    """Compute all that a briefing says.

    Parameters
    ----------
    grid
        A proved grid.
    incidents
        Points, or what `assign` gave; with ``time`` as far as known.
    staff
        A roster with columns ``code`` and ``role``.
    since, until
        First and last day; all the time there is when not given.
    by
        Steps of the trend: "day", "week" or "month".
    level
        Level that is ranked; by default the streets, or the finest level with few places.
    lang
        Language of names that come from shipped tables.

    Returns
    -------
    dict
        JSON-able: ``period, cells, proof, account, incidents, hotspots, ranking, trend,
        categories, sources, handling, indicators, unknown_words, staffing``.
    """
    check_choice("by", by, FREQUENCY)
    check_grid("grid", grid)
    return computed(grid, incidents, staff, since, until, by, level, lang)[0]


def computed(
    grid: Grid,
    incidents: pd.DataFrame,
    staff: pd.DataFrame | None,
    since: Any,
    until: Any,
    by: By,
    level: str | None,
    lang: Lang,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, Staffing | None]:
    """Return the figures, the hotspots by cell, the period's incidents in cells, the staffing."""
    placed, shown, period, before = period_of(incidents, grid, since, until)
    now = period[period["code"].notna()]
    spots = spots_of(now, grid)
    level = level or ranked_level(grid)
    posted = posted_of(staff, grid)
    found = {
        "period": _period(shown),
        "cells": cells_account(grid),
        "proof": proof_account(grid),
        "account": account(placed, period),
        "incidents": totals(now, before, grid, shown),
        "hotspots": hotspot_account(spots, grid),
        "ranking": ranking(now, before, grid, spots, level, shown, by, posted),
        "trend": trend(placed, shown, by),
        "categories": shares(now, before, "category"),
        "sources": shares(now, before, "source"),
        "handling": handling(now, lang),
        "progress": progress(now, lang),
        "indicators": closing(now, shown, lang),
        "unknown_words": unknown_words(now),
        "staffing": None if posted is None else staffing_account(posted),
        "crs": label(grid.crs),
        "fingerprint": grid.content_hash[:12],
    }
    return found, spots, now, posted


def period_of(
    incidents: pd.DataFrame, grid: Grid, since: Any, until: Any
) -> tuple[pd.DataFrame, Window | None, pd.DataFrame, pd.DataFrame | None]:
    """Assign incidents and cut out a period: all, the window, those within, those before."""
    placed = with_places(incidents, grid)
    if "time" in placed:  # read once, as a part of the column could be understood otherwise
        placed = placed.assign(time=times_of(placed))
    shown = _window(placed, since, until)
    now, before = _split(placed, shown)
    return placed, shown, now, before


def _window(placed: pd.DataFrame, since: Any, until: Any) -> Window | None:
    if "time" in placed:
        return window_of(times_of(placed), since, until)
    if since is not None or until is not None:
        raise InputError("`incidents` has no column `time`, so no period can be cut out.")
    return None


def _split(placed: pd.DataFrame, shown: Window | None) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the incidents of the period and, where the data cover it, of the one before."""
    if shown is None:
        return placed, None
    time = times_of(placed)
    before = placed[shown.held_before(time)] if shown.before else None
    return placed[shown.holds(time)], before


def spots_of(now: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Find the hotspots of the period."""
    from gridmap.hotspot_analysis.hotspots import hotspots
    from gridmap.incidents.tally import tally

    return hotspots(tally(now, grid), grid)


def _period(shown: Window | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    days = {"since": shown.since, "until": shown.until}
    if shown.before:
        days |= {"before_since": shown.before[0], "before_until": shown.before[1]}
    return {key: str(day.date()) for key, day in days.items()} | {"days": shown.days}
