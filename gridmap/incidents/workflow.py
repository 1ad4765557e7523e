"""The closed loop: how long each step of a case takes, what is overdue, and who was called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from gridmap._checks import is_nothing
from gridmap.errors import InputError
from gridmap.incidents.cases import last_moment, moments_of, stages_on, statuses, whole_day
from gridmap.language import Lang, Message

MOMENTS = {
    "time": Message("reported"),
    "accepted_at": Message("accepted", context="cases"),
    "dispatched_at": Message("dispatched"),
    "handled_at": Message("handled"),
    "checked_at": Message("checked"),
    "closed": Message("closed"),
}
"""The columns of times in the order of the process, and what happened then."""

_HOUR_S, _DAY_S = 3600.0, 86400.0
_LONG = 0.9  # the share of cases that a slow one is told against
_SEVERAL = re.compile(r"[;；,，、|/\n]+")


def step_times(
    incidents: pd.DataFrame,
    *,
    by: str | Sequence[str] = (),
    until: date | str | None = None,
    lang: Lang = "zh",
) -> pd.DataFrame:
    """Measure how long each step of the process takes, from reporting to closing.

    A step leads from one column of times to the next that is there, so that a city that keeps no
    time of acceptance still sees the way from reporting to dispatch. The last row is the whole
    way, from reporting to closing.

    Parameters
    ----------
    incidents : DataFrame
        A row a case, with those of the columns of `MOMENTS` that are known.
    by : str or sequence of str
        Columns to measure by, as ``department``.
    until : date, optional
        Last day of the account: what happened after it had not happened yet.
    lang : {"zh", "en"}
        Language of the names.

    Returns
    -------
    DataFrame
        By `by` and ``step``: name, cases (with both moments), backwards (the second is before the
        first: not measured), median_hours and p90_hours; steps that no case has are left out.

    Examples
    --------
    >>> cases = pd.DataFrame({"time": pd.to_datetime(["2026-03-01 08:00"] * 3),
    ...     "closed": pd.to_datetime(["2026-03-01 10:00", "2026-03-01 14:00", None])})
    >>> step_times(cases, lang="en")[["name", "cases", "median_hours"]].values.tolist()
    [['reported → closed', 2, 4.0]]
    """
    groups = _groups(incidents, by)
    at = {name: _happened(incidents, name, until) for name in MOMENTS if name in incidents}
    tables = {
        f"{first}-{second}": _measured(
            (at[second] - at[first]).dt.total_seconds() / _HOUR_S,
            incidents,
            groups,
            f"{MOMENTS[first].text(lang)} → {MOMENTS[second].text(lang)}",
        )
        for first, second in _steps([*at])
    }
    if not tables:
        raise InputError(
            "`incidents` tells no two moments of a case; it needs two of the columns {moments}.",
            moments=[*MOMENTS],
        )
    table = pd.concat(tables, names=["step"])
    if groups:
        table = table.reorder_levels([*groups, "step"]).sort_index(
            level=groups, sort_remaining=False
        )
    else:
        table = table.droplevel(1)
    return table[(table["cases"] > 0) | (table["backwards"] > 0)]


def _groups(incidents: pd.DataFrame, by: str | Sequence[str]) -> list[str]:
    """Return the columns to group by, all of which must be there."""
    groups = [by] if isinstance(by, str) else list(by)
    lacking = [column for column in groups if column not in incidents]
    if lacking:
        raise InputError(
            "`by` names the column {lacking!r}, which `incidents` lacks.", lacking=lacking[0]
        )
    return groups


def _happened(incidents: pd.DataFrame, name: str, until: date | str | None) -> pd.Series:
    """Return a column of times, without those after the last day of the account."""
    times = moments_of(incidents, name)
    return times if until is None else times.where(times <= last_moment(until))


def _steps(names: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of recorded moments that follow each other, and the whole way last."""
    pairs = list(pairwise(names))
    whole = ("time", "closed")
    if set(whole) <= set(names) and whole not in pairs:
        pairs.append(whole)
    return pairs


def _measured(
    hours: pd.Series, incidents: pd.DataFrame, groups: list[str], name: str
) -> pd.DataFrame:
    keys = [incidents[column] for column in groups] or [pd.Series(0, incidents.index)]
    good = hours.where(hours >= 0)
    grouped = good.groupby(keys, dropna=False, observed=True)
    return pd.DataFrame(
        {
            "name": name,
            "cases": grouped.count(),
            "backwards": (hours < 0).groupby(keys, dropna=False, observed=True).sum(),
            "median_hours": grouped.median().round(2),
            "p90_hours": grouped.quantile(_LONG).round(2),
        }
    )


def overdue(
    incidents: pd.DataFrame, on: date | str, *, by: str | Sequence[str] = "department"
) -> pd.DataFrame:
    """Count the open cases whose deadline has passed, and by how many days.

    Parameters
    ----------
    incidents : DataFrame
        A row a case, with ``status``, ``due`` and the columns of `by`.
    on : date
        The day of the account: a deadline on it has passed at its end, and what was closed after
        it was open.
    by : str or sequence of str
        Columns to count by, as ``department``; an empty sequence makes one row.

    Returns
    -------
    DataFrame
        By `by`, the most overdue first: open, deferred (set apart), overdue, median_days and
        longest_days of what is overdue, and unknown (open without a deadline, or of a status that
        is not known).

    Examples
    --------
    >>> cases = pd.DataFrame({"status": ["处置", "处置", "结案"], "department": "城管局",
    ...     "due": pd.to_datetime(["2026-03-01", None, "2026-03-01"])})
    >>> overdue(cases, "2026-03-08")[["open", "overdue", "longest_days", "unknown"]].values.tolist()
    [[2.0, 1.0, 7.0, 1.0]]
    """
    stage = stages_on(incidents, on)
    groups = _groups(incidents, by)
    due = whole_day(moments_of(incidents, "due"))
    order = stage.map({name: int(row["order"]) for name, row in statuses().items()})
    open_ = (order >= 2) & ~stage.isin(["closed", "deferred"])
    late = open_ & (due <= last_moment(on))
    days = ((last_moment(on) - due).dt.total_seconds() / _DAY_S).apply(np.floor).where(late)
    table = pd.DataFrame(
        {
            "open": open_,
            "deferred": stage == "deferred",
            "overdue": late,
            "unknown": stage.isna() | (open_ & due.isna()),
        }
    )
    keys = [incidents[column] for column in groups] or [pd.Series("all", incidents.index)]
    sums = table.groupby(keys, dropna=False, observed=True).sum().astype(np.int64)
    grouped = days.groupby(keys, dropna=False, observed=True)
    sums.insert(3, "median_days", grouped.median())
    sums.insert(4, "longest_days", grouped.max())
    return sums.sort_values(["overdue", "open"], ascending=False, kind="stable")


def department_calls(
    incidents: pd.DataFrame,
    column: Literal["whistled", "joint"] = "whistled",
    *,
    until: date | str | None = None,
) -> pd.DataFrame:
    """Count by department what streets called it for (吹哨), or what it handled jointly (联动).

    Parameters
    ----------
    incidents : DataFrame
        With the column: names of departments, several parted by 、 or ;. With ``whistled_at`` and
        ``answered_at`` the time to the answer (报到) is measured.
    column : {"whistled", "joint"}
        Calls of streets to departments, or departments that joined in.
    until : date, optional
        Last day of the account: a call answered after it was waiting.

    Returns
    -------
    DataFrame
        By ``department``, the most called first: cases, and for calls also answered, waiting
        and median_hours to the answer, as far as the times are known.

    Examples
    --------
    >>> cases = pd.DataFrame({"whistled": ["城管局、公安局", "城管局", None]})
    >>> department_calls(cases)["cases"].to_dict()
    {'城管局': 2, '公安局': 1}
    """
    if column not in incidents:
        raise InputError(
            "`incidents` has no column `{column}`, which names the departments.", column=column
        )
    names = incidents[column].astype("string").fillna("").str.split(_SEVERAL, regex=True)
    each = pd.DataFrame({"department": names})
    timed = column == "whistled" and "answered_at" in incidents
    if timed:
        answered = _happened(incidents, "answered_at", until)
        called = moments_of(incidents, "whistled_at" if "whistled_at" in incidents else "time")
        hours = (answered - called).dt.total_seconds() / _HOUR_S
        each = each.assign(answered=answered.notna(), hours=hours.where(hours >= 0))
    each = each.explode("department")
    each["department"] = each["department"].str.strip()
    grouped = each[~each["department"].map(is_nothing)].groupby("department", sort=True)
    table = pd.DataFrame({"cases": grouped.size()})
    if timed:
        table["answered"] = grouped["answered"].sum().astype(np.int64)
        table["waiting"] = table["cases"] - table["answered"]
        table["median_hours"] = grouped["hours"].median().round(2)
    return table.sort_values("cases", ascending=False, kind="stable")
