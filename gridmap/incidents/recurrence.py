"""The same problem again: reported twice, or coming back after it was closed (复诊)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray
from rtree.index import Index

from gridmap._arrays import Bools, Floats, Ints
from gridmap.errors import InputError
from gridmap.incidents.cases import last_moment
from gridmap.incidents.space_time import DAY, check_above_zero, in_metres, in_seconds, kinds
from gridmap.intervals import wilson
from gridmap.language import Message
from gridmap.vocabulary import fold, vocabulary


def recurrence(
    placed: pd.DataFrame,
    *,
    days: float = 30.0,
    metres: float = 50.0,
    same: Sequence[str] = ("category", "subcategory"),
    until: date | str | None = None,
) -> pd.DataFrame:
    """Find the reports that follow the closure of the same problem.

    A report **follows** the latest closure of its cell and kind in the `days` before it, within
    `metres` when both are located. A closure is **mature** when the `days` after it had passed by
    `until`: only then is it known whether the problem came back, so only mature closures count.

    Parameters
    ----------
    placed
        What `assign` gives: ``code``, ``time``, ``closed``, the columns of `same`, and positions
        in metres if known (geometry, or ``x`` and ``y``).
    days, metres
        How soon and how near.
    same
        Columns that must agree, beside the cell.
    until
        Last day of the records; by default they end at the last report. What was closed later
        had not been closed.

    Returns
    -------
    DataFrame
        On the index of `placed`: ``follows`` (label of the closed report, or missing), ``days``
        since its closure, ``distance_m`` (missing when one is not located), ``mature`` and
        ``recurred`` (of the report's own closure). ``attrs["method"]`` bears the totals.

    Raises
    ------
    InputError
        If a column is missing or a limit is not above 0.

    Examples
    --------
    >>> placed = pd.DataFrame({"code": "A1", "category": "waste", "subcategory": "heap",
    ...     "time": pd.to_datetime(["2026-03-01", "2026-03-12", "2026-06-01"]),
    ...     "closed": pd.to_datetime(["2026-03-02", "2026-03-13", None])})
    >>> recurrence(placed)[["follows", "days", "mature", "recurred"]]
       follows  days  mature  recurred
    0      NaN   NaN    True      True
    1      0.0  10.0    True     False
    2      NaN   NaN   False     False
    """
    check_above_zero("days", days)
    check_above_zero("metres", metres)
    if "code" not in placed:
        raise InputError("`placed` has no column `code`. Assign first: `assign(incidents, grid)`.")
    x, y = in_metres(placed, needed=False)
    opened, closed = in_seconds(placed, "time"), in_seconds(placed, "closed")
    kind = kinds(placed, ["code", *same])
    known = placed["code"].notna().to_numpy() & np.isfinite(opened)
    end = _end(opened, until)
    valid = known & (closed >= opened) & ((closed <= end) | (until is None))
    follows = _follow(x, y, opened, np.where(valid, closed, np.nan), kind, known, days, metres)
    mature = valid & (closed + days * DAY <= end)
    recurred = np.zeros(len(placed), bool)
    recurred[follows[follows >= 0]] = True
    before = np.where(follows >= 0, follows, 0)
    gap = np.where(follows >= 0, opened - closed[before], np.nan) / DAY
    apart = np.hypot(x - x[before], y - y[before])
    result = pd.DataFrame(
        {
            "follows": labels_at(placed.index, follows),
            "days": gap,
            "distance_m": np.where(follows >= 0, apart, np.nan),
            "mature": mature,
            "recurred": recurred,
        },
        index=placed.index,
    )
    backwards = int((known & (closed < opened)).sum())
    result.attrs["method"] = _method(result, valid, end, days, metres, list(same), backwards)
    return result


def recheck(
    placed: pd.DataFrame,
    again: pd.DataFrame,
    *,
    same: Sequence[str] = ("category", "subcategory"),
    frequent: int = 5,
    repeated: int = 2,
) -> pd.DataFrame:
    """List the problems to go and look at again (复诊): frequent, coming back, or not satisfying.

    Parameters
    ----------
    placed
        As for `recurrence`; with ``satisfaction`` where citizens were asked.
    again
        What `recurrence` gave for it.
    same
        Columns that make a kind, beside the cell.
    frequent
        Reports from which a problem is of high frequency.
    repeated
        Mature closures followed by the same problem, or unsatisfied answers, from which it is to
        be rechecked; 多次不满意 is enough by itself.

    Returns
    -------
    DataFrame
        Indexed by ``code`` and `same`, worst first: ``reports``, ``closed`` (mature closures),
        ``recurred``, ``share`` with its 95 % Wilson interval ``share_low`` and ``share_high``
        (missing without mature closures), ``unsatisfied`` answers of those ``asked``, and whether
        it is ``frequent`` (for supervised handling), ``repeated`` or ``unsatisfying``. Only what is
        one of these.

    Raises
    ------
    InputError
        If the frames do not belong together or a column is missing.

    Examples
    --------
    >>> placed = pd.DataFrame({"code": "A1", "category": "waste", "subcategory": "heap",
    ...     "time": pd.to_datetime(["2026-03-01", "2026-03-12", "2026-03-20", "2026-06-01"]),
    ...     "closed": pd.to_datetime(["2026-03-02", "2026-03-13", "2026-03-21", None])})
    >>> found = recheck(placed, recurrence(placed))
    >>> found.loc[("A1", "waste", "heap"), ["reports", "closed", "recurred"]].tolist()
    [4, 3, 2]
    """
    if not again.index.equals(placed.index) or "recurred" not in again:
        raise InputError("`again` does not belong to `placed`: give `recurrence(placed)`.")
    kinds(placed, ["code", *same])
    keys = [placed[name] for name in ("code", *same)]
    answer, often = _satisfaction(placed)
    counted = pd.DataFrame(
        {
            "reports": 1,
            "closed": again["mature"].astype(int),
            "recurred": (again["recurred"] & again["mature"]).astype(int),
            "asked": answer.notna().astype(int),
            "unsatisfied": (answer == "unsatisfied").astype(int),
            "often": often.astype(int),
        }
    )
    table = counted.groupby(keys, observed=True, dropna=True).sum()
    table["share"] = table["recurred"] / table["closed"].where(table["closed"] > 0)
    table["share_low"], table["share_high"] = wilson(table["recurred"], table["closed"])
    table["frequent"] = table["reports"] >= frequent
    table["repeated"] = table["recurred"] >= repeated
    table["unsatisfying"] = (table["unsatisfied"] >= repeated) | (table.pop("often") > 0)
    listed = table[table["frequent"] | table["repeated"] | table["unsatisfying"]]
    worst = ["recurred", "unsatisfied", "reports"]
    return listed.sort_values(worst, ascending=False, kind="stable")


def _satisfaction(placed: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the answers of citizens, and which of them say that it was not the first time."""
    if "satisfaction" not in placed:
        return pd.Series(None, placed.index, dtype=object), pd.Series(False, placed.index)
    words = vocabulary("satisfaction")
    words.warn(placed["satisfaction"])
    often = placed["satisfaction"].map(fold).str.contains(_OFTEN)
    answer = words.read(placed["satisfaction"])
    return answer, often & (answer == "unsatisfied")


@dataclass
class _Closures:
    """Hold the closures that a new report may still follow: they enter and expire in time."""

    x: Floats
    y: Floats
    kind: Ints
    metres: float
    index: Index = field(default_factory=Index)
    # by kind and in the order of closure: what has no position, and everything
    adrift: dict[int, list[int]] = field(default_factory=dict)
    all: dict[int, list[int]] = field(default_factory=dict)

    def enter(self, closure: int) -> None:
        kind = int(self.kind[closure])
        self.all.setdefault(kind, []).append(closure)
        if np.isnan(self.x[closure]):
            self.adrift.setdefault(kind, []).append(closure)
        else:
            self.index.insert(closure, self._box(closure, 0.0))

    def expire(self, closure: int) -> None:
        kind = int(self.kind[closure])
        self.all[kind].remove(closure)
        if np.isnan(self.x[closure]):
            self.adrift[kind].remove(closure)
        else:
            self.index.delete(closure, self._box(closure, 0.0))

    def candidates(self, report: int) -> list[int]:
        kind = int(self.kind[report])
        if np.isnan(self.x[report]):
            return self.all.get(kind, [])
        near = [
            closure
            for closure in self.index.intersection(self._box(report, self.metres))
            if self.kind[closure] == kind and self._apart(closure, report) <= self.metres
        ]
        return near + self.adrift.get(kind, [])

    def _apart(self, a: int, b: int) -> float:
        return float(np.hypot(self.x[a] - self.x[b], self.y[a] - self.y[b]))

    def _box(self, at: int, by: float) -> tuple[float, float, float, float]:
        x, y = float(self.x[at]), float(self.y[at])
        return (x - by, y - by, x + by, y + by)


def _follow(
    x: Floats,
    y: Floats,
    opened: Floats,
    closed: Floats,
    kind: Ints,
    known: Bools,
    days: float,
    metres: float,
) -> Ints:
    """Find for each report the latest closure it follows, −1 for none, going through time."""
    reports = np.flatnonzero(known)
    reports = reports[np.argsort(opened[reports], kind="stable")]
    ends = np.flatnonzero(np.isfinite(closed))
    ends = ends[np.argsort(closed[ends], kind="stable")]
    follows = np.full(len(x), -1, np.int64)
    closures = _Closures(x, y, kind, metres)
    waiting, current = deque(ends.tolist()), deque[int]()
    for report in reports.tolist():
        now = opened[report]
        while waiting and closed[waiting[0]] < now:
            current.append(waiting.popleft())
            closures.enter(current[-1])
        while current and closed[current[0]] + days * DAY < now:
            closures.expire(current.popleft())
        found = closures.candidates(report)
        if found:
            follows[report] = max(found, key=lambda one: (closed[one], one))
    return follows


def _end(opened: Floats, until: date | str | None) -> float:
    if until is None:
        return float(np.nanmax(opened)) if np.isfinite(opened).any() else -np.inf
    try:
        return float(last_moment(until).timestamp())
    except ValueError as error:
        raise InputError(
            "`until` is {until!r}, which is no date: {error}.", until=until, error=error
        ) from error


_OFTEN = "多次|反复|屡次|连续|重复|再次|[二两三四五六七八九2-9]次|repeated"
_RETURNS = Message(
    "{recurred:,} of {mature:,} {mature:closure|closures} with {days:g} days of "
    "follow-up came back within {days:g} days and {metres:g} m{span}; {unripe:,} more "
    "recent and {backwards:,} closed before reported not counted."
)


def _method(
    result: pd.DataFrame,
    valid: Bools,
    end: float,
    days: float,
    metres: float,
    same: list[str],
    backwards: int,
) -> dict[str, Any]:
    mature = int(result["mature"].sum())
    recurred = int((result["recurred"] & result["mature"]).sum())
    until = str(pd.Timestamp(end, unit="s").date()) if np.isfinite(end) else None
    low, high = (float(bound) for bound in wilson(recurred, mature))
    known = mature > 0
    span = Message(" (95% interval {low:.1f}–{high:.1f}%)", low=100 * low, high=100 * high)
    unripe = int(valid.sum()) - mature
    return {
        "days": float(days),
        "metres": float(metres),
        "same": same,
        "until": until,
        "reports": len(result),
        "closed": int(valid.sum()),
        "mature": mature,
        "recurred": recurred,
        "share": recurred / mature if known else None,
        "share_low": low if known else None,
        "share_high": high if known else None,
        "closed_before_reported": backwards,
        "sentence": _RETURNS(
            recurred=recurred,
            mature=mature,
            days=days,
            metres=metres,
            span=span if known else "",
            unripe=unripe,
            backwards=backwards,
        ).both(),
    }


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
    x: Floats,
    y: Floats,
    seconds: Floats,
    kind: Ints,
    source: Ints | None,
    usable: Bools,
    metres: float,
    span: float,
) -> Ints:
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


_REPEATS = Message(
    "{count:,} of {result:,} {result:report|reports} {count:repeats|repeat} "
    "another (within {metres:g} m and {hours:g} h, same kind): {problems:,} "
    "{problems:problem|problems}; {unusable:,} without time or position not compared."
)


def _result(
    incidents: pd.DataFrame,
    original: Ints,
    x: Floats,
    y: Floats,
    seconds: Floats,
    usable: Bools,
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
    count, problems, unusable = map(np.count_nonzero, (linked, ~linked & usable, ~usable))
    result.attrs["method"] = {
        "metres": float(metres),
        "hours": float(hours),
        "same": same,
        "reports": len(result),
        "duplicates": count,
        "problems": problems,
        "unusable": unusable,
        "sentence": _REPEATS(
            count=count,
            result=len(result),
            metres=metres,
            hours=hours,
            problems=problems,
            unusable=unusable,
        ).both(),
    }
    return result


def labels_at(index: pd.Index, positions: Ints) -> ExtensionArray:
    """Take labels by position; −1 is missing."""
    taken = index.to_series().reset_index(drop=True).reindex(positions)
    values: ExtensionArray = taken.array
    return values
