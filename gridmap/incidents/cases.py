"""Cases: how far each came and who settled it, as yes, no or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from gridmap._checks import check_choice, check_column
from gridmap.dates import day_of, moments
from gridmap.errors import InputError
from gridmap.incidents.assign import STATUSES
from gridmap.incidents.space_time import wall_times
from gridmap.language import Lang, Message
from gridmap.vocabulary import Kind, Vocabulary, fold, shipped_rows, vocabulary

COUNTS = {
    "reported": Message("reported"),
    "accepted": Message("accepted", context="cases"),
    "required": Message("due for closing"),
    "deferred": Message("deferred"),
    "closed": Message("closed"),
    "on_time": Message("closed on time"),
    "reworked": Message("reworked"),
    "self_handled": Message("handled by the cell itself"),
    "escalated": Message("passed up a level"),
    "public": Message("reported by the public"),
}

_DAY, _TICK = pd.Timedelta(days=1), pd.Timedelta("1us")
_YES = ("1", "1.0", "true", "t", "yes", "y", "是", "有", "返工", "已返工")
_NO = ("0", "0.0", "false", "f", "no", "n", "否", "无", "未返工")


def count_cases(incidents: pd.DataFrame, *, until: date | str | None = None) -> pd.DataFrame:
    """Tell for each case which counts it belongs to: 1 for yes, 0 for no, NaN for unknown.

    A case was **required** to be closed when it was accepted and is closed, or was due by `until`.
    One is **deferred** as long as it is required and not closed: a closed case counts as closed,
    whatever was deferred before. A case closed **on time** was closed by its deadline, or on the
    day of it where deadlines are days; where only closings are days, one on the day of its deadline
    is unknown, as is one closed before it was reported. What was closed after `until` was open on
    that day: see `stages_on`.

    Parameters
    ----------
    incidents : DataFrame
        A row a case, with ``status``; behind `assign`, whose own ``status`` tells the place, it
        is ``incident_status``.
    until : date, optional
        Last day of the account: what is due after it need not be closed yet, and what was closed
        after it was not closed.

    Returns
    -------
    DataFrame
        A column a count of `COUNTS`.

    Warns
    -----
    UserWarning
        When a status, level or source is in words that are not known: what hangs on it is unknown.
    """
    stage = stages_on(incidents, until)
    order = stage.map({name: int(row["order"]) for name, row in statuses().items()})
    known = stage.notna()
    accepted = (order.astype(float) >= 2).astype("boolean").where(known)
    closed = (stage == "closed").astype("boolean").where(known)
    due = whole_day(moments_of(incidents, "due"))
    later = due > last_moment(until) if until is not None else pd.Series(False, incidents.index)
    required = accepted & (closed | ~later)
    table = {
        "reported": pd.Series(True, incidents.index),
        "accepted": accepted,
        "required": required,
        "deferred": required & (stage == "deferred"),
        "closed": closed,
        "on_time": (closed & _in_time(incidents, due)).where(due.notna()),
        "reworked": yes_no(incidents["reworked"]) if "reworked" in incidents else None,
        **_levels_reached(incidents, accepted),
        "public": _public(incidents),
    }
    return pd.DataFrame(
        {
            name: np.nan if answer is None else answer.astype("Float64").astype(float)
            for name, answer in table.items()
        },
        index=incidents.index,
    )


def _in_time(incidents: pd.DataFrame, due: pd.Series) -> pd.Series:
    """Tell whether each case was closed by its deadline; missing where its day alone is known."""
    done = moments_of(incidents, "closed")
    latest = whole_day(done) if (done == done.dt.normalize())[done.notna()].all() else done
    answer = (latest <= due).astype("boolean")
    backwards = latest < moments_of(incidents, "time")  # closed before reported: a slip of writing
    return answer.where(done.notna() & ~backwards & ((latest <= due) | (done > due)))


def stages_on(incidents: pd.DataFrame, day: date | str | None = None) -> pd.Series:
    """Tell the stage of each case, missing where it is not known; of a day, where one is given.

    A case that was closed after the day was open on it, at the furthest step that the columns
    ``dispatched_at``, ``handled_at`` and ``checked_at`` tell by then, and accepted at least. One
    that is closed without a time of its closing counts as closed by the day: nothing tells
    otherwise. The other stages bear no times, and are those of the file.

    Examples
    --------
    >>> cases = pd.DataFrame({"status": ["结案"] * 3,
    ...     "closed": pd.to_datetime(["2026-06-30 23:59", "2026-07-01 00:00", None])})
    >>> stages_on(cases, "2026-06-30").tolist()
    ['closed', 'accepted', 'closed']
    """
    stage = _read("statuses", status_of(incidents))
    if day is None:
        return stage
    end = last_moment(day)
    reached = pd.Series("accepted", incidents.index, dtype=object)
    for name in ("dispatched", "handled", "checked"):
        reached = reached.mask(moments_of(incidents, f"{name}_at") <= end, name)
    return stage.mask((stage == "closed") & (moments_of(incidents, "closed") > end), reached)


def _levels_reached(incidents: pd.DataFrame, accepted: pd.Series) -> dict[str, pd.Series | None]:
    if "handling_level" not in incidents:
        return {"self_handled": None, "escalated": None}
    level = levels_of(incidents["handling_level"])
    own = (level == 1).astype("boolean").where(level.notna())
    return {"self_handled": accepted & own, "escalated": accepted & ~own}


def _public(incidents: pd.DataFrame) -> pd.Series | None:
    """Tell which sources are the public's; a column ``public`` says it outright."""
    if "public" in incidents:
        return yes_no(incidents["public"])
    if "source" not in incidents:
        return None
    rows = vocabulary("sources").entries
    told = {source: float(row["public"] == "1") for source, row in rows.items()}
    return _read("sources", incidents["source"], told).astype("boolean")


def funnel(
    incidents: pd.DataFrame, *, of: Literal["status", "handling_level"] = "status",
    until: date | str | None = None, lang: Lang = "zh",
) -> pd.DataFrame:  # fmt: skip
    """Count how many cases came how far, or were settled how high.

    Parameters
    ----------
    incidents : DataFrame
        A row a case; what `assign` returned will do.
    of : {"status", "handling_level"}
        Stages that were reached (each includes the later ones), or levels that settled.
    until : date, optional
        Day of which the stages are told, as for `count_cases`.
    lang : {"zh", "en"}
        Language of the names.

    Returns
    -------
    DataFrame
        In order: name, cases, share of the cases whose stage or level is known;
        ``attrs["unknown"]`` counts the others.

    Examples
    --------
    >>> cases = pd.DataFrame({"handling_level": ["网格"] * 24588 + ["区"] * 135})
    >>> found = funnel(cases, of="handling_level", lang="en")
    >>> found.loc[found["cases"] > 0, ["name", "cases", "share"]].round(4).values.tolist()
    [['cell', 24588, 0.9945], ['district', 135, 0.0055]]
    """
    check_choice("lang", lang, ("zh", "en"))
    if of == "status":
        rows = {s: r for s, r in statuses().items() if s not in ("rejected", "deferred")}
        places = {name: float(row["order"]) for name, row in statuses().items()}
        reached = stages_on(incidents, until).map(places).astype(float)
        cases = [int((reached >= float(row["order"])).sum()) for row in rows.values()]
    else:
        check_column("incidents", of, incidents.columns)
        reached = levels_of(incidents["handling_level"])
        seen = {level: int((reached == int(row["order"])).sum()) for level, row in levels().items()}
        rows = {level: row for level, row in levels().items() if level != "city" or seen[level]}
        cases = [seen[level] for level in rows]
    index = pd.Index([int(row["order"]) for row in rows.values()], name="order")
    table = pd.DataFrame({"name": [row[lang] for row in rows.values()], "cases": cases}, index)
    known = int(reached.notna().sum())
    table["share"] = table["cases"] / (known or np.nan)
    table.attrs["unknown"] = len(incidents) - known
    return table


def usual_levels(incidents: pd.DataFrame, table: pd.DataFrame | None = None) -> pd.Series:
    """Tell which level usually settles each case, by its category.

    Parameters
    ----------
    incidents : DataFrame
        A row a case, with ``subcategory``.
    table : DataFrame, optional
        Columns ``subcategory`` and ``level``; ``tables/handling_levels.csv`` when not given.

    Returns
    -------
    Series
        Order of the level, from 1, on the index of `incidents`; missing for categories that the
        table does not know.

    Examples
    --------
    >>> cases = pd.DataFrame({"subcategory": ["暴露垃圾", "井盖破损", "外星人"]})
    >>> usual_levels(cases).tolist()
    [1, 3, <NA>]
    """
    by = "subcategory"
    rows = pd.DataFrame(shipped_rows("handling_levels.csv")) if table is None else table
    check_column("incidents", by, incidents.columns)
    check_column("table", by, rows.columns)
    check_column("table", "level", rows.columns)
    order = levels_of(rows["level"]).set_axis(rows[by])
    return incidents[by].map(order[~order.index.duplicated()].to_dict()).astype("Int64")


def statuses() -> dict[str, dict[str, str]]:
    """Return the stages of a case, in order: stage → order, zh, en, words."""
    return dict(vocabulary("statuses").entries)


def levels() -> dict[str, dict[str, str]]:
    """Return the levels that handle cases, from the cell up: level → order, zh, en, words."""
    return dict(vocabulary("levels").entries)


def levels_of(level: pd.Series) -> pd.Series:
    """Translate handling levels as delivered into their order, from 1; missing where not known."""
    return _read("levels", level, {k: float(row["order"]) for k, row in levels().items()})


def yes_no(given: pd.Series) -> pd.Series:
    """Read answers as true, false or missing; a number above 0 is a yes.

    Examples
    --------
    >>> yes_no(pd.Series(["是", "0", "?", None])).tolist()
    [True, False, <NA>, <NA>]
    """
    text = given.map(fold)
    number = pd.to_numeric(text, errors="coerce")
    yes = text.isin(_YES) | (number > 0)
    return yes.astype("boolean").where(yes | text.isin(_NO) | (number == 0))


def status_of(incidents: pd.DataFrame) -> pd.Series:
    """Take the stage of each case; `assign` needs ``status`` for itself and moves it aside."""
    name = "incident_status" if "incident_status" in incidents else "status"
    if name not in incidents:
        raise InputError(
            "No column of `incidents` tells the stage of a case. Rename the one that does to "
            "`status`."
        )
    status = incidents[name]
    if "nearest_code" in incidents and len(status) and status.isin(STATUSES).all():
        raise InputError(
            "No column of `incidents` tells the stage of a case. Rename the one that does to "
            "`status`; the `status` that `assign` adds tells where a case lies."
        )
    return status


def own_columns(placed: pd.DataFrame) -> pd.DataFrame:
    """Return incidents without what `assign` says of their places, their own status back in it."""
    if "nearest_code" not in placed:
        return placed
    away = ["status", "nearest_code", "distance_m"]
    named = {f"incident_{name}": name for name in away if f"incident_{name}" in placed}
    return pd.DataFrame(placed).drop(columns=away).rename(columns=named)


def moments_of(incidents: pd.DataFrame, column: str) -> pd.Series:
    """Return a column of times as clocks showed them, NaT where there is none."""
    if column not in incidents:
        return pd.Series(pd.NaT, incidents.index, dtype="datetime64[us]")
    if incidents[column].dtype == object or incidents[column].dtype == "str":
        return moments(incidents[column], column, [])
    return wall_times(incidents[column])


def last_moment(day: date | str) -> pd.Timestamp:
    """Return the end of a day: what is due or reported on it is in the account."""
    return day_of("until", day) + _DAY - _TICK


def whole_day(due: pd.Series) -> pd.Series:
    """Let deadlines that are days end with the day: those that tell no hour."""
    return due.mask(due == due.dt.normalize(), due + _DAY - _TICK)


def _read(kind: Kind, given: pd.Series, told: Mapping[str, float] | None = None) -> pd.Series:
    known: Vocabulary = vocabulary(kind)
    known.warn(given)
    return known.read(given, told)
