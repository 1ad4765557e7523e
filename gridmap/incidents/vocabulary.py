"""The words of cities for how far a case came and who handled it, from tables."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from gridmap.errors import InputError

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
