"""The ledger: how far each case came and who settled it, in the words of the city's own tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from gridmap._checks import check_table
from gridmap.errors import InputError
from gridmap.incidents.space_time import wall_times
from gridmap.incidents.vocabulary import levels, levels_of, shipped_rows, stages, statuses

Lang = Literal["zh", "en"]
PUBLIC = ("随手拍", "12345热线", "12345", "公众举报", "市民投诉", "热线", "citizen", "hotline")

_OF_STAGE = ("accepted", "required", "deferred", "closed", "on_time", "self_handled", "escalated")

COUNTS = {
    "reported": ("上报", "reported"),
    "accepted": ("立案", "accepted"),
    "required": ("应结案", "due for closing"),
    "deferred": ("缓办", "deferred"),
    "closed": ("结案", "closed"),
    "on_time": ("按期结案", "closed on time"),
    "reworked": ("返工", "reworked"),
    "self_handled": ("自行处理", "handled by the cell itself"),
    "escalated": ("提级处理", "passed up a level"),
    "public": ("公众举报", "reported by the public"),
}


def count_cases(
    incidents: pd.DataFrame, *, until: Any = None, public: Sequence[str] = PUBLIC
) -> pd.DataFrame:
    """Tell for each case which counts it belongs to, as 0 and 1, NaN where unknown.

    Parameters
    ----------
    incidents : DataFrame
        A row a case, with ``status``; behind `assign`, whose own ``status`` tells the place, it
        is ``incident_status``.
    until : date, optional
        What was due after it need not be closed yet.
    public : sequence of str
        Sources that are citizens.

    Returns
    -------
    DataFrame
        A column a count of `COUNTS`.

    Warns
    -----
    UserWarning
        When a status or level is in words that are not known: what hangs on it is unknown.
    """
    stage = stages(_status_of(incidents))
    order = stage.map({name: row["order"] for name, row in statuses().items()}).astype(float)
    accepted = order >= 2
    closed = stage == "closed"
    due = _times(incidents, "due")
    done = _times(incidents, "closed")
    late = due > pd.Timestamp(until) if until is not None else pd.Series(False, incidents.index)
    level = levels_of(incidents["handling_level"]) if "handling_level" in incidents else None
    table = {
        "reported": pd.Series(1.0, incidents.index),
        "accepted": accepted,
        "required": accepted & (closed | ~late),
        "deferred": stage == "deferred",
        "closed": closed,
        "on_time": (closed & (done <= due)).where(due.notna() & (done.notna() | ~closed)),
        "reworked": incidents["reworked"].astype(float) > 0 if "reworked" in incidents else None,
        "self_handled": None if level is None else (accepted & (level == 1)).where(level.notna()),
        "escalated": None if level is None else (accepted & (level > 1)).where(level.notna()),
        "public": incidents["source"].isin(public) if "source" in incidents else None,
    }
    counts = pd.DataFrame(
        {k: np.nan if v is None else v.astype(float) for k, v in table.items()},
        index=incidents.index,
    )
    counts[list(_OF_STAGE)] = counts[list(_OF_STAGE)].where(stage.notna(), np.nan)
    return counts


def funnel(
    incidents: pd.DataFrame, *, of: Literal["status", "handling_level"] = "status",
    lang: Lang = "zh",
) -> pd.DataFrame:  # fmt: skip
    """Count how many cases came how far, or were settled how high.

    Parameters
    ----------
    incidents : DataFrame
        A row a case; what `assign` returned will do.
    of : {"status", "handling_level"}
        Stages that were reached (each includes the later ones), or levels that settled. A case
        whose status is not known was reported; one whose level is not known is in no level.
    lang : {"zh", "en"}
        Language of the names.

    Returns
    -------
    DataFrame
        In order: name, cases, share.

    Examples
    --------
    >>> cases = pd.DataFrame({"handling_level": ["网格"] * 24588 + ["区"] * 135})
    >>> found = funnel(cases, of="handling_level", lang="en")
    >>> found.loc[found["cases"] > 0, ["name", "cases", "share"]].round(4).values.tolist()
    [['cell', 24588, 0.9945], ['district', 135, 0.0055]]
    """
    if of == "status":
        rows = {s: r for s, r in statuses().items() if s not in ("rejected", "deferred")}
        places = {name: row["order"] for name, row in statuses().items()}
        reached = stages(_status_of(incidents)).map(places).astype(float).fillna(1)
        cases = [int((reached >= row["order"]).sum()) for row in rows.values()]
    else:
        if of not in incidents:
            raise InputError(f"`incidents` has no column `{of}`.")
        rows = {str(row["order"]): row for row in levels().values()}
        settled = levels_of(incidents["handling_level"])
        cases = [int((settled == row["order"]).sum()) for row in rows.values()]
    index = pd.Index([row["order"] for row in rows.values()], name="order")
    table = pd.DataFrame({"name": [row[lang] for row in rows.values()], "cases": cases}, index)
    return table.assign(share=table["cases"] / max(len(incidents), 1))


def usual_levels(
    incidents: pd.DataFrame, table: pd.DataFrame | None = None, *, by: str = "subcategory"
) -> pd.Series:
    """Tell which level usually settles each case, by its category.

    Parameters
    ----------
    incidents : DataFrame
        A row a case, with the column `by`.
    table : DataFrame, optional
        Columns `by` and ``level``; the shipped ``tables/handling_levels.csv`` when not given.
    by : str
        Column of both.

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
    rows = pd.DataFrame(shipped_rows("handling_levels.csv")) if table is None else table
    for name, frame, columns in (("incidents", incidents, [by]), ("table", rows, [by, "level"])):
        lacking = [column for column in columns if column not in frame]
        if lacking:
            raise InputError(f"`{name}` has no column `{lacking[0]}`.")
    order = levels_of(rows["level"]).set_axis(rows[by])
    return incidents[by].map(order[~order.index.duplicated()].to_dict()).astype("Int64")


def _status_of(incidents: pd.DataFrame) -> pd.Series:
    """Take the stage of each case; `assign` needs ``status`` for itself and moves it aside."""
    check_table("incidents", incidents)
    if "incident_status" in incidents:
        return incidents["incident_status"]
    if "status" not in incidents:
        raise InputError("`incidents` has no column `status`; name the one that tells the stage.")
    if "nearest_code" in incidents and isinstance(incidents["status"].dtype, pd.CategoricalDtype):
        raise InputError(
            "`incidents` comes from `assign`, whose `status` tells where a case lies, and had none "
            "of its own. Name the column that tells the stage `status`, and assign again."
        )
    return incidents["status"]


def _times(incidents: pd.DataFrame, column: str) -> pd.Series:
    if column not in incidents:
        return pd.Series(pd.NaT, incidents.index, dtype="datetime64[us]")
    return wall_times(incidents[column])
