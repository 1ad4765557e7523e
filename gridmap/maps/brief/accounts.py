"""Accounts of a briefing: cells, proof, records, hotspots and staff in plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy.special import gammaincinv

from gridmap.briefings.period import Window
from gridmap.maps.brief.course import change, number, times_of

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid
    from gridmap.operations.staffing import Staffing

TOP_HOTSPOTS = 12


def poisson(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact (Garwood 1936) interval of a count.

    Examples
    --------
    >>> low, high = poisson(10)
    >>> round(low, 2), round(high, 2)
    (4.8, 18.39)
    """
    tail = (1 - confidence) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low, float(gammaincinv(count + 1, 1 - tail))


def cells_account(grid: Grid) -> dict[str, Any]:
    """Count cells, households and how the band was kept."""
    low, high = grid.band
    cells = grid.cells
    homes = cells.loc[cells["kind"] == "residential", "households"]
    listed = set(grid.exceptions["code"].dropna().astype(str))
    outside = homes[(homes < low) | (homes > high)]
    return {
        "cells": len(cells),
        "jurisdictions": len(grid.jurisdictions),
        "residential": len(homes),
        "dedicated": len(cells) - len(homes),
        "households": int(cells["households"].sum()),
        "area_km2": float(cells["area_m2"].sum() / 1e6),
        "low": low,
        "high": high,
        "in_band": int(homes.between(low, high).sum()),
        "below": int((homes < low).sum()),
        "above": int((homes > high).sum()),
        "certified": int(outside.index.isin(listed).sum()),
        "smallest": _extreme(homes, homes.idxmin() if len(homes) else None),
        "largest": _extreme(homes, homes.idxmax() if len(homes) else None),
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
    low, high = poisson(count)
    earlier = None if before is None else int(before["code"].notna().sum())
    per = 100 / homes if homes else float("nan")
    return {
        "count": count,
        "before": earlier,
        "change": change(count, earlier),
        "rate": count * per if homes else None,
        "rate_low": low * per if homes else None,
        "rate_high": high * per if homes else None,
        "per_day": count / shown.days if shown else None,
    }


def hotspot_account(spots: pd.DataFrame, grid: Grid) -> dict[str, Any]:
    """Count hot and cold cells, the share of incidents in hot ones, and name the strongest."""
    total = int(spots["incidents"].sum())
    hot = spots[spots["bin"] > 0]
    names = grid.cells["name"].reindex(hot.index).astype(str)
    best = hot.assign(name=names).sort_values("z", ascending=False, kind="stable")
    codes = grid.cells.index
    return {
        "hot": len(hot),
        "cold": int((spots["bin"] < 0).sum()),
        "tested": int((spots["gate"].astype(str) == "").sum()),
        "incidents": int(hot["incidents"].sum()),
        "share": float(hot["incidents"].sum() / total) if total else None,
        "top": [
            {
                "code": code,
                "index": int(codes.get_loc(code)),
                "name": row["name"],
                "incidents": int(row["incidents"]),
                "expected": float(row["expected"]),
                "households": int(row["exposure"]),
                "z": float(row["z"]),
                "q": float(row["q"]),
            }
            for code, row in best.head(TOP_HOTSPOTS).iterrows()
        ],
    }


def posted_of(staff: pd.DataFrame | None, grid: Grid) -> Staffing | None:
    """Match a roster to the cells."""
    if staff is None:
        return None
    from gridmap.operations.staffing import staffing

    return staffing(staff, grid)


def staffing_account(posted: Staffing) -> dict[str, Any]:
    """Count posts by role, per cell, and the cells without a leader or without anybody."""
    from gridmap.organisation.roster import roles

    row = posted.ratios().iloc[0]
    distinct = posted.postings.drop_duplicates("post")["role"].value_counts()
    cells = posted.cells
    empty = cells.index[cells["status"] == "unstaffed"]
    return {
        "posts": int(distinct.sum()),
        "roles": [
            {"zh": roles()[role]["zh"], "en": roles()[role]["en"], "posts": int(count)}
            for role, count in distinct.items()
        ],
        "workers": int(row["workers"]),
        "per_cell": float(row["workers_per_cell"]),
        "households_per_worker": number(row["households_per_worker"]),
        "without_leader": int(row["without_leader"]),
        "unstaffed": len(empty),
        "overcharged": int(row["overcharged"]),
        "limit": float(posted.limit),
    }
