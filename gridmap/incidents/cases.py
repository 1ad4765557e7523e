"""The ledger: how far each case came and who settled it, in the words of the city's own tables."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import pandas as pd

from gridmap._checks import check_table
from gridmap.errors import InputError
from gridmap.incidents.space_time import wall_times

_NAMED = 5  # unknown words that a warning names


@cache
def statuses() -> dict[str, dict[str, Any]]:
    """Return the stages of a case, in order: stage → order, zh, en, words."""
    return {row.pop("stage"): row for row in _shipped("statuses.csv")}


@cache
def levels() -> dict[str, dict[str, Any]]:
    """Return the levels that handle cases, from the cell up: name → order, zh, en, words."""
    return {row["en"]: row for row in _shipped("levels.csv")}


def stages(status: pd.Series) -> pd.Series:
    """Translate statuses as delivered into stages; missing, with a warning, where not known."""
    words = _stage_words()
    unknown = unknown_words(status, words)
    if unknown:
        warnings.warn(
            f"`status` is in words that are not known: {_named(unknown)}. These cases count as "
            "reported only, not as closed. Write such words as 结案 or closed, or "
            "`--statuses FILE`.",
            stacklevel=2,
        )
    return _folded(status).map(words).astype(object)


def levels_of(level: pd.Series) -> pd.Series:
    """Translate handling levels as delivered into their order, from 1; missing where not known."""
    words = _level_words()
    unknown = unknown_words(level, words)
    if unknown:
        warnings.warn(
            f"`handling_level` is in words that are not known: {_named(unknown)}. These cases "
            "count at no level. Write such words as 社区 or community.",
            stacklevel=2,
        )
    return _folded(level).map(words).astype(float)


def unknown_words(given: pd.Series, words: Collection[str]) -> dict[str, int]:
    """Count the words that are not among those known, the commonest first.

    Examples
    --------
    >>> unknown_words(pd.Series(["结案", "飞走了", "飞走了"]), {"结案"})
    {'飞走了': 2}
    """
    strange = given[~_folded(given).isin(list(words))].astype("string").fillna("").str.strip()
    return {str(word): int(count) for word, count in strange.value_counts().items()}


def strange_words(incidents: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the unknown words of statuses and levels: column → word → cases."""
    found = {
        column: unknown_words(incidents[column], words)
        for column, words in (("status", _stage_words()), ("handling_level", _level_words()))
        if column in incidents
    }
    return {column: words for column, words in found.items() if words}


def restated(status: pd.Series, own: pd.DataFrame) -> pd.Series:
    """Replace a city's own words by the stages they stand for.

    Parameters
    ----------
    status : Series
        Statuses as delivered.
    own : DataFrame
        Columns ``word`` and ``stage``; a stage is named by its key or by any word known for it.

    Raises
    ------
    InputError
        When a column is missing, or a stage is none.

    Examples
    --------
    >>> own = pd.DataFrame({"word": ["飞走了"], "stage": ["结案"]})
    >>> restated(pd.Series(["飞走了", "处置"]), own).tolist()
    ['closed', '处置']
    """
    if not {"word", "stage"} <= set(own):
        raise InputError(
            "The table of statuses needs the columns word and stage; it has "
            f"{', '.join(map(str, own.columns))}."
        )
    words = _stage_words()
    wrong = unknown_words(own["stage"], words)
    if wrong:
        raise InputError(
            f"The table of statuses has the stage {next(iter(wrong))!r}, which is none; "
            f"use {', '.join(statuses())}."
        )
    meant = dict(zip(_folded(own["word"]), _folded(own["stage"]).map(words), strict=True))
    stage = _folded(status).map(meant)
    return stage.where(stage.notna(), status)


def _stage_words() -> dict[str, str]:
    return {word: stage for stage, row in statuses().items() for word in row["words"]}


def _level_words() -> dict[str, float]:
    """Return the words for levels; a case that nobody handled yet has none."""
    known = {word: float(row["order"]) for row in levels().values() for word in row["words"]}
    return known | {"": np.nan}


def _folded(given: pd.Series) -> pd.Series:
    return given.astype("string").fillna("").str.strip().str.lower().astype(object)


def _named(unknown: dict[str, int]) -> str:
    named = [f"{word!r} ({count:,})" for word, count in unknown.items()]
    return ", ".join([*named[:_NAMED], *(["…"] if len(named) > _NAMED else [])])


def shipped_rows(name: str) -> list[dict[str, Any]]:
    """Read a table of the package."""
    text = files("gridmap").joinpath("tables", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _shipped(name: str) -> list[dict[str, Any]]:
    rows = shipped_rows(name)
    return [
        {**row, "order": int(row["order"]), "words": row["words"].lower().split("|")}
        for row in rows
    ]


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
