"""Every figure of a briefing, computed from the data and returned as plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gridmap._arrays import positions
from gridmap._checks import label
from gridmap.briefings.period import By, Window, in_context, period_label, series, whole_periods
from gridmap.briefings.period import window as window_of
from gridmap.dates import FREQUENCY, NO_TIMES, moments
from gridmap.errors import InputError
from gridmap.grid.grid import check_level
from gridmap.intervals import count_change, poisson_interval
from gridmap.language import Lang, Message
from gridmap.maps.heat import with_places
from gridmap.maps.themes import area_keys, counted
from gridmap.operations.staffing import VACANT, roles
from gridmap.privacy import withheld
from gridmap.vocabulary import strange_words

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid
    from gridmap.operations.staffing import Staffing

MOST_WORDS = 6


def change(now: int, before: int | None, scale: float = 1.0) -> dict[str, Any]:
    """Return the relative change with its interval, and whether chance alone may have made it."""
    if before is None:
        return dict.fromkeys(("change", "change_low", "change_high", "chance"))
    found = count_change(now, before, scale=scale)
    high = None if np.isinf(found.high) else found.high
    return {
        "change": found.change, "change_low": found.low, "change_high": high,
        "chance": found.chance,
    }  # fmt: skip


def times_of(placed: pd.DataFrame) -> pd.Series:
    """Return the times of incidents as clocks showed them, NaT where unreadable."""
    return moments(placed["time"], "time", [])


def trend(placed: pd.DataFrame, shown: Window | None, by: By) -> dict[str, Any] | None:
    """Count the incidents over time, with a running mean over whole periods."""
    if shown is None:
        return None
    time = times_of(placed)[placed["code"].notna()]
    context = in_context(time, shown, by)
    counts = series(time, context, by)
    whole = whole_periods(pd.PeriodIndex(counts.index), context)
    span = {"day": 7, "week": 4, "month": 3}[by]
    mean = counts.where(np.array(whole)).rolling(span, min_periods=span).mean()
    done = counts[whole]
    last = [int(value) for value in done.iloc[-2:]]
    return {
        "by": by,
        "labels": [period_label(p, by) for p in counts.index],
        "counts": counts.tolist(),
        "whole": whole,
        "mean": [number(value) for value in mean],
        "own": [bool(p.end_time >= shown.since) for p in counts.index],
        "span": span if mean.notna().any() else 0,
        "last": last[-1] if last else None,
        "last_label": period_label(done.index[-1], by) if last else None,
        "last_change": change(last[1], last[0]) if len(last) == 2 else change(0, None),
    }


def shares(
    now: pd.DataFrame, before: pd.DataFrame | None, column: str
) -> list[dict[str, Any]] | None:
    """Count the commonest words of a column, with their change; the rest in one row."""
    if column not in now:
        return None
    inside = now.loc[now["code"].notna(), column].dropna().astype(str)
    counts = inside.value_counts()
    earlier = None if before is None else before[column].dropna().astype(str).value_counts()
    total = int(counts.sum())
    rows = [
        {
            "name": name,
            "count": int(count),
            "share": count / total,
            **change(int(count), None if earlier is None else int(earlier.get(name, 0))),
        }
        for name, count in counts.head(MOST_WORDS).items()
    ]
    if len(counts) > MOST_WORDS:
        rest, head = int(counts.iloc[MOST_WORDS:].sum()), counts.index[:MOST_WORDS]
        past = None if earlier is None else int(earlier[~earlier.index.isin(head)].sum())
        rows.append({"name": None, "count": rest, "share": rest / total, **change(rest, past)})
    return rows


def handling(now: pd.DataFrame, lang: Lang) -> list[dict[str, Any]] | None:
    """Count at which level cases were handled, from the cell up."""
    from gridmap.incidents.cases import funnel

    if "handling_level" not in now or not now["handling_level"].notna().any():
        return None
    return _steps(funnel(now, of="handling_level", lang=lang))


def progress(now: pd.DataFrame, shown: Window | None, lang: Lang) -> list[dict[str, Any]] | None:
    """Count how far cases came: each stage includes the later ones."""
    from gridmap.incidents.cases import funnel

    cases = cases_of(now)
    if cases is None or cases.empty:
        return None
    return _steps(funnel(cases, of="status", until=shown.asked if shown else None, lang=lang))


def _steps(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a funnel, shares of what is known, and how many are not."""
    rows = [
        {"name": str(row["name"]), "cases": int(row["cases"]), "share": number(row["share"])}
        for _, row in table.iterrows()
    ]
    unknown = int(table.attrs["unknown"])
    return [*rows, {"name": None, "cases": unknown, "share": None}] if unknown else rows


def closing(now: pd.DataFrame, shown: Window | None, lang: Lang) -> list[dict[str, Any]] | None:
    """Compute closure and its kin, each with formula, counts and Wilson interval."""
    from gridmap.incidents.indicators import indicators

    cases = cases_of(now)
    if cases is None or cases.empty:
        return None
    table = indicators(cases, until=shown.asked if shown else None, lang=lang)
    return [
        {
            "key": key,
            "name": row["name"],
            "numerator": int(row["numerator"]),
            "denominator": int(row["denominator"]),
            "rate": number(row["rate"]),
            "low": number(row["low"]),
            "high": number(row["high"]),
            "unknown": int(row["unknown"]),
            "formula": row["formula"],
        }
        for key, row in table.iterrows()
        if pd.notna(row["rate"]) or 0 < row["unknown"] < len(cases)
    ]


def unknown_words(now: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the words of statuses and handling levels that are not known."""
    cases = cases_of(now)
    return strange_words(now.drop(columns="status") if cases is None else cases)


def cases_of(now: pd.DataFrame) -> pd.DataFrame | None:
    """Return incidents with their own status back in ``status``, None when they have none."""
    if "incident_status" not in now:
        return None
    return pd.DataFrame(now).drop(columns="status").rename(columns={"incident_status": "status"})


def number(value: Any) -> float | None:
    """Return a float, None for no number."""
    return None if pd.isna(value) else float(value)


TOP_HOTSPOTS = 12


def cells_account(grid: Grid) -> dict[str, Any]:
    """Count cells, households and how the band was kept."""
    cells = grid.cells
    homes = cells.loc[cells["kind"] == "residential", "households"]
    listed = set(grid.exceptions["code"].dropna().astype(str))
    low, high = grid.bands.ends(cells.loc[homes.index, "parent"])
    outside = homes[(homes < low) | (homes > high)]
    return {
        "cells": len(cells),
        "jurisdictions": len(grid.jurisdictions),
        "residential": len(homes),
        "dedicated": int((cells["kind"] == "dedicated").sum()),
        "households": int(cells["households"].sum()),
        "area_km2": float(cells["area_m2"].sum() / 1e6),
        "low": grid.band[0],
        "high": grid.band[1],
        "band": grid.bands.printed,
        "bands": len(set(grid.bands.own.values())) or 1,
        "in_band": int(homes.between(low, high).sum()),
        "below": int((homes < low).sum()),
        "above": int((homes > high).sum()),
        "certified": int(outside.index.isin(listed).sum()),
        "smallest": _extreme(homes, str(homes.idxmin()) if len(homes) else None),
        "largest": _extreme(homes, str(homes.idxmax()) if len(homes) else None),
    }


def _extreme(homes: pd.Series, code: str | None) -> dict[str, Any] | None:
    return None if code is None else {"code": code, "households": int(homes[code])}


def proof_account(grid: Grid) -> dict[str, Any]:
    """Return the verdict of the grid's own proof."""
    proof = grid.proof
    return {
        "verdict": proof.verdict,
        "edges": int(proof.edges),
        "leftover": int(proof.leftover),
        "coverage_hash": proof.coverage_hash,
    }


def account(placed: pd.DataFrame, now: pd.DataFrame) -> dict[str, int]:
    """Account for every record read: assigned, outside, unusable, and in which period."""
    status = placed["status"].astype(str)
    read = len(placed)
    outside, invalid = int((status == "outside").sum()), int((status == "invalid").sum())
    untimed = int(times_of(placed).isna().sum()) if "time" in placed else 0
    return {
        "read": read,
        "assigned": read - outside - invalid,
        "outside": outside,
        "invalid": invalid,
        "on_edges": int((status == "boundary").sum()),
        "untimed": untimed,
        "in_period": len(now),
    }


def totals(
    now: pd.DataFrame, before: pd.DataFrame | None, grid: Grid, shown: Window | None
) -> dict[str, Any]:
    """Count the incidents of the period in cells, per household, and against the period before."""
    count = int(now["code"].notna().sum())
    homes = int(grid.cells["households"].sum())
    low, high = map(float, poisson_interval(count))
    earlier = None if before is None else len(before)
    per = 100 / homes if homes else float("nan")
    return {
        "count": count,
        "before": earlier,
        **change(count, earlier),
        "rate": count * per if homes else None,
        "rate_low": low * per if homes else None,
        "rate_high": high * per if homes else None,
        "per_day": count / shown.days if shown else None,
    }


def hotspot_account(spots: pd.DataFrame, grid: Grid) -> dict[str, Any]:
    """Count what stands out, alone or with its neighbours, and name the strongest.

    A row of ``top`` bears the numbers that were tested: the cell's own, or those of the window.
    """
    total = int(spots["incidents"].sum())
    hot, above = spots["bin"] > 0, spots["cell_bin"] > 0
    bearing = int(spots.loc[hot | above, "incidents"].sum())
    return {
        "hot": int(hot.sum()),
        "cold": int((spots["bin"] < 0).sum()),
        "cells_above": int(above.sum()),
        "cells_below": int((spots["cell_bin"] < 0).sum()),
        "either": int((hot | above).sum()),
        "counted": int((spots["gate"] != "no base").sum()),
        "tested": int((spots["gate"] == "").sum()),
        "incidents": bearing,
        "share": bearing / total if total else None,
        "top": _strongest(spots[hot | above], grid),
    }


def _strongest(spots: pd.DataFrame, grid: Grid) -> list[dict[str, Any]]:
    """List the cells that stand out, surest first, each by the question that it answers best."""
    alone = (spots["cell_bin"] > 0) & (spots["cell_q"] <= spots["q"].where(spots["bin"] > 0, 1.0))
    tested = pd.DataFrame(
        {
            "alone": alone,
            "incidents": spots["incidents"].where(alone, spots["window_incidents"]),
            "expected": spots["expected"].where(alone, spots["window_expected"]),
            "q": spots["cell_q"].where(alone, spots["q"]),
            "z": spots["z"],
        }
    )
    first = tested.sort_values(["q", "z"], ascending=[True, False], kind="stable").head(
        TOP_HOTSPOTS
    )
    places = positions(grid.cells.index, first.index).tolist()
    exposed = spots["exposure"].loc[first.index]
    return [
        {
            "code": code,
            "index": at,
            "name": str(grid.cells.at[code, "name"]),
            "asked": "cell" if row["alone"] else "neighbourhood",
            "incidents": int(row["incidents"]),
            "expected": float(row["expected"]),
            "households": int(homes),
            "z": float(row["z"]),
            "q": float(row["q"]),
        }
        for (code, row), at, homes in zip(first.iterrows(), places, exposed, strict=True)
    ]


def posted_of(staff: pd.DataFrame | None, grid: Grid) -> Staffing | None:
    """Match a roster to the cells."""
    if staff is None:
        return None
    from gridmap.operations.staffing import staffing

    return staffing(staff, grid)


def staffing_account(posted: Staffing) -> dict[str, Any]:
    """Count posts by role, per cell, and the cells without a leader or without anybody."""
    unknown = Message("unknown role").both()
    named: dict[str, Any] = {**roles(), "": unknown}
    row = posted.ratios().iloc[0]
    distinct = posted.postings.drop_duplicates("post")["role"].value_counts()
    cells = posted.cells
    empty = cells.index[cells["status"] == "unstaffed"]
    return {
        "posts": int(distinct.sum()),
        "roles": [
            {"zh": named[str(role)]["zh"], "en": named[str(role)]["en"], "posts": int(count)}
            for role, count in distinct.items()
        ],
        "workers": int(row["workers"]),
        "per_cell": float(row["workers_per_cell"]),
        "households_per_worker": number(row["households_per_worker"]),
        "without_leader": int(row["without_leader"]),
        "covered": int((cells["status"] != "not covered").sum()),
        "unstaffed": len(empty),
        "overcharged": int(row["overcharged"]),
        "limit": posted.limit,
    }


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
    if level == "parent":
        return grid.cells["parent"].astype(str)
    check_level(level, grid.levels)
    return area_keys(grid, level)


def ranking(
    placed: pd.DataFrame,
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
    cells = grid.cells

    def summed(values: Any) -> np.ndarray[Any, Any]:
        return np.bincount(place, weights=np.asarray(values, float), minlength=count)

    homes = summed(cells["households"])
    residential = cells["kind"] == "residential"
    incidents = summed(counted(now, grid)).astype(int)
    earlier = None if before is None else summed(counted(before, grid)).astype(int)
    outside = residential & ~grid.in_band
    columns = {
        "cells": summed(np.ones(len(cells))),
        "households": homes,
        "hot": summed(spots["bin"].reindex(cells.index).to_numpy() > 0),
        "out_of_band": summed(outside),
    }
    if posted is not None:
        told = posted.cells["status"].reindex(cells.index)
        if (told != "not covered").any():
            columns["leaderless"] = summed(told.isin(VACANT))
    sparks = place_series(placed, pd.Series(place, cells.index), count, shown, by)
    back = withheld(incidents.tolist(), [tuple(str(name).split("\x1f")) for name in names])
    rows: list[dict[str, Any]] = [
        {
            "place": k,
            "name": str(names[k]).rsplit("\x1f", 1)[-1],
            "incidents": int(incidents[k]),
            "withheld": bool(back[k]),
            **_rate_of(int(incidents[k]), float(homes[k])),
            **change(int(incidents[k]), None if earlier is None else int(earlier[k])),
            "spark": sparks[k],
            **{key: int(values[k]) for key, values in columns.items()},
        }
        for k in range(count)
    ]
    _close_rates(rows, now, pd.Series(place, cells.index), shown)
    rows.sort(key=_order)
    return {"level": level, "rows": rows}


def _rate_of(incidents: int, homes: float) -> dict[str, float | None]:
    """Return incidents per 100 households with their interval; None where nobody lives."""
    if not homes:
        return dict.fromkeys(("rate", "low", "high"))
    low, high = map(float, poisson_interval(incidents))
    per = 100 / homes
    return {"rate": incidents * per, "low": low * per, "high": high * per}


def _order(row: dict[str, Any]) -> tuple[bool, float, int, str]:
    """Put the highest rates first, and places without a rate last, the busiest of them first."""
    known = row["rate"] is not None
    return not known, -row["rate"] if known else 0.0, 0 if known else -row["incidents"], row["name"]


def place_series(
    placed: pd.DataFrame, place: pd.Series, count: int, shown: Window | None, by: By
) -> list[list[int]]:
    """Count the incidents of each place over the time of the trend, whole periods only."""
    if shown is None:
        return [[] for _ in range(count)]
    now = placed[placed["code"].notna()]
    time = times_of(now)
    shown = in_context(time, shown, by)
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
    asked = shown.asked if shown else None
    table = indicators(cases, by="place", until=asked, formulas=FORMULAS[:1])
    table = table.droplevel("indicator")
    for row in rows:
        if row["place"] in table.index:
            found = table.loc[row["place"]]
            row["closure"] = number(found["rate"])
            row["closed"], row["closable"] = int(found["numerator"]), int(found["denominator"])
            row["closure_low"], row["closure_high"] = number(found["low"]), number(found["high"])


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
        "ranking": ranking(placed, now, before, grid, spots, level, shown, by, posted),
        "trend": trend(placed, shown, by),
        "categories": shares(now, before, "category"),
        "sources": shares(now, before, "source"),
        "handling": handling(now, lang),
        "progress": progress(now, shown, lang),
        "indicators": closing(now, shown, lang),
        "unknown_words": unknown_words(now),
        "staffing": None if posted is None else staffing_account(posted),
        "crs": label(grid.crs),
        "fingerprint": grid.content_hash[:12],
    }
    drawn = [name for name in ("code", "time", "x", "y") if name in now]  # a map needs no more
    return found, spots, now[drawn], posted


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
    if placed.empty:
        return None
    if "time" in placed:
        return window_of(times_of(placed), since, until)
    if since is not None or until is not None:
        raise InputError(NO_TIMES)
    return None


def _split(placed: pd.DataFrame, shown: Window | None) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the incidents of the period and, where the data cover both, those before in cells."""
    if shown is None:
        return placed, None
    time = times_of(placed)
    before = placed[shown.held_before(time) & placed["code"].notna()] if shown.before else None
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
    days |= {
        "data_since": max(shown.since, shown.first),
        "data_until": min(shown.until, shown.last),
    }
    told = {key: str(day.date()) for key, day in days.items()}
    return told | {"days": shown.days, "covered": shown.covered, "begun": shown.begun}
