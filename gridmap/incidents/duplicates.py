"""Duplicates: one problem reported twice, by a citizen and a patrol, say. Linked, not deleted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rtree.index import Index

from gridmap.errors import InputError
from gridmap.incidents.space_time import check_above_zero, in_metres, in_seconds, kinds
from gridmap.language import Message

HOUR = 3_600.0


def duplicates(
    incidents: pd.DataFrame,
    *,
    metres: float = 30.0,
    hours: float = 24.0,
    same: Sequence[str] = ("category",),
    across_sources: bool = False,
) -> pd.DataFrame:
    """Link reports that tell of a problem already reported nearby and shortly before.

    A report is a **duplicate** of the nearest **original** of its kind within `metres` and
    `hours`; an original is a report that is no duplicate itself. So every duplicate is close to
    its original, and chains do not grow. Reports of one moment count in the order of the frame.

    Parameters
    ----------
    incidents
        Reports with ``time`` and positions in metres (geometry, or ``x`` and ``y``).
    metres, hours
        How near and how soon.
    same
        Columns that must agree.
    across_sources
        Whether only reports of different ``source`` are linked (双报告).

    Returns
    -------
    DataFrame
        On the index of `incidents`: ``duplicate_of`` (label of the original, missing for
        originals), ``distance_m``, ``hours`` and ``reports`` (how many reports tell of the same
        problem). ``attrs["method"]`` counts what was linked and what could not be compared.

    Raises
    ------
    InputError
        If a column or all positions are missing, or a limit is not above 0.
    CRSError
        If the geometry is not in metres.

    Examples
    --------
    >>> reports = pd.DataFrame({
    ...     "time": pd.to_datetime(["2026-03-01 08:00", "2026-03-01 09:00", "2026-03-04 09:00"]),
    ...     "x": [0.0, 6.0, 6.0], "y": [0.0, 8.0, 8.0], "category": "waste"})
    >>> duplicates(reports)[["duplicate_of", "distance_m", "hours", "reports"]]
       duplicate_of  distance_m  hours  reports
    0           NaN         NaN    NaN        2
    1           0.0        10.0    1.0        2
    2           NaN         NaN    NaN        1
    """
    check_above_zero("metres", metres)
    check_above_zero("hours", hours)
    x, y = in_metres(incidents)
    seconds = in_seconds(incidents, "time")
    kind = kinds(incidents, same)
    if across_sources and "source" not in incidents:
        raise InputError("`across_sources` needs a column `source`, which `incidents` lacks.")
    source = kinds(incidents, ["source"]) if across_sources else None
    usable = np.isfinite(x) & np.isfinite(seconds)
    original = _link(x, y, seconds, kind, source, usable, metres, hours * HOUR)
    return _result(incidents, original, x, y, seconds, usable, (metres, hours, list(same)))


def _link(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seconds: NDArray[np.float64],
    kind: NDArray[np.int64],
    source: NDArray[np.int64] | None,
    usable: NDArray[np.bool_],
    metres: float,
    span: float,
) -> NDArray[np.int64]:
    """Find the original of each report, −1 for none, going through the reports in time.

    Originals enter the index when they are reported and leave it when they are too old.
    """
    order = np.flatnonzero(usable)
    order = order[np.argsort(seconds[order], kind="stable")]
    found = np.full(len(x), -1, np.int64)
    index, open_ = Index(), deque[int]()
    for report in order.tolist():
        px, py = float(x[report]), float(y[report])
        while open_ and seconds[report] - seconds[open_[0]] > span:
            old = open_.popleft()
            index.delete(old, (x[old], y[old], x[old], y[old]))
        best, nearest = -1, metres
        box = (px - metres, py - metres, px + metres, py + metres)
        for other in sorted(index.intersection(box)):
            if kind[other] != kind[report]:
                continue
            if source is not None and source[other] == source[report]:
                continue
            apart = float(np.hypot(px - x[other], py - y[other]))
            if apart < nearest or (apart == nearest and best < 0):
                best, nearest = other, apart
        found[report] = best
        if best < 0:
            index.insert(report, (px, py, px, py))
            open_.append(report)
    return found


def _result(
    incidents: pd.DataFrame,
    original: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    seconds: NDArray[np.float64],
    usable: NDArray[np.bool_],
    limits: tuple[float, float, list[str]],
) -> pd.DataFrame:
    linked = original >= 0
    root = np.where(linked, original, np.arange(len(original)))
    result = pd.DataFrame(
        {
            "duplicate_of": labels_at(incidents.index, original),
            "distance_m": np.where(linked, np.hypot(x - x[root], y - y[root]), np.nan),
            "hours": np.where(linked, (seconds - seconds[root]) / HOUR, np.nan),
            "reports": np.bincount(root, minlength=len(root))[root],
        },
        index=incidents.index,
    )
    metres, hours, same = limits
    count, problems = int(linked.sum()), int((~linked & usable).sum())
    unusable = int((~usable).sum())
    result.attrs["method"] = {
        "metres": float(metres),
        "hours": float(hours),
        "same": same,
        "reports": len(result),
        "duplicates": count,
        "problems": problems,
        "unusable": unusable,
        "sentence": Message(
            "{count:,} of {result:,} {result:report|reports} {count:repeats|repeat} "
            "another (within {metres:g} m and {hours:g} h, same kind): {problems:,} "
            "{problems:problem|problems}; {unusable:,} without time or position not compared.",
            count=count,
            result=len(result),
            metres=metres,
            hours=hours,
            problems=problems,
            unusable=unusable,
        ).both(),
    }
    return result


def labels_at(index: pd.Index, positions: NDArray[np.int64]) -> pd.Series | pd.Index[Any]:
    """Take labels by position; −1 is missing."""
    return index.to_series().reset_index(drop=True).reindex(positions).array
