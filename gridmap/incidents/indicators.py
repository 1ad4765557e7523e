"""Indicators: named formulas with their denominators shown, and intervals that tell noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import pdtr

from gridmap.errors import InputError
from gridmap.incidents.cases import COUNTS, count_cases
from gridmap.incidents.space_time import wall_times
from gridmap.intervals import wilson
from gridmap.language import Lang


@dataclass(frozen=True)
class Formula:
    """A named share of two counts, each a sum of counts written as in ``required - deferred``.

    Attributes
    ----------
    key : str
        Short name, as ``closure``.
    zh, en : str
        Name in both languages.
    numerator, denominator : str
        Counts of `COUNTS` joined by + and -.
    """

    key: str
    zh: str
    en: str
    numerator: str
    denominator: str

    def text(self, lang: Lang = "zh") -> str:
        """Write the formula out in words.

        Examples
        --------
        >>> FORMULAS[0].text("en")
        'closure rate = closed / (due for closing - deferred)'
        """
        upper, lower = (
            f"({_worded(sum_, lang)})" if " " in sum_ else _worded(sum_, lang)
            for sum_ in (self.numerator, self.denominator)
        )
        return f"{self.zh if lang == 'zh' else self.en} = {upper} / {lower}"


FORMULAS = (
    Formula("closure", "结案率", "closure rate", "closed", "required - deferred"),
    Formula("on_time", "按期结案率", "on-time closure rate", "on_time", "required - deferred"),
    Formula("acceptance", "立案率", "acceptance rate", "accepted", "reported"),
    Formula("rework", "返工率", "rework rate", "reworked", "closed"),
    Formula("self_handled", "自行处理率", "self-handling rate", "self_handled", "accepted"),
    Formula("escalated", "提级处理率", "escalation rate", "escalated", "accepted"),
    Formula("public", "公众举报占比", "share reported by the public", "public", "reported"),
)


def indicators(
    incidents: pd.DataFrame,
    *,
    by: str | Sequence[str] = (),
    until: date | str | None = None,
    formulas: Iterable[Formula] = FORMULAS,
    confidence: float = 0.95,
    lang: Lang = "zh",
) -> pd.DataFrame:
    """Compute closure rates and the like, each over the cases of which the answer is known.

    Parameters
    ----------
    incidents : DataFrame
        A row a case, with ``status`` and, as far as known, ``closed``, ``due``, ``source``,
        ``handling_level`` and ``reworked``; what `assign` returned will do.
    by : str or sequence of str
        Columns to compute by, as a level or ``month`` (of ``time``). What has no value in them
        makes a group of its own.
    until : date, optional
        Last day of the account: what was due by then should be closed. By default all of it should.
    formulas : iterable of Formula
        Replace or extend `FORMULAS` to use a city's own denominators.
    confidence : float
        Of the Wilson intervals.
    lang : {"zh", "en"}
        Language of the names.

    Returns
    -------
    DataFrame
        A row an indicator (and group): name, numerator, denominator, rate, low, high, unknown,
        formula. A case counts in the numerator only if it does in the denominator. **Unknown** are
        the cases that may belong to the denominator and whose answer is not known; they are in
        neither. Where nothing is known the rate is NaN.

    Raises
    ------
    InputError
        When a column is missing.

    Examples
    --------
    >>> cases = pd.DataFrame({"status": ["结案", "结案", "处置", None], "street": list("ABBB")})
    >>> indicators(cases).loc["closure", ["numerator", "denominator", "unknown"]].tolist()
    [2, 3, 1]
    """
    counts = count_cases(incidents, until=until)
    groups = [by] if isinstance(by, str) else list(by)
    if not groups:
        whole = [pd.Series(0, incidents.index, name="all")]
        return _rated(counts, whole, formulas, confidence, lang).droplevel(0)
    keys = [_group(incidents, column) for column in groups]
    return _rated(counts, keys, formulas, confidence, lang)


def rates(
    counts: pd.DataFrame,
    formulas: Iterable[Formula] = FORMULAS,
    confidence: float = 0.95,
    lang: Lang = "zh",
) -> pd.DataFrame:
    """Compute indicators from counts that somebody else made, a row of `COUNTS` a group.

    Parameters
    ----------
    counts : DataFrame
        Columns of `COUNTS`, as far as known; a missing one makes its indicators NaN.
    formulas, confidence, lang
        As for `indicators`.

    Returns
    -------
    DataFrame
        As for `indicators`; the last level of the index is the indicator's key.

    Raises
    ------
    InputError
        When a numerator exceeds its denominator: they are not of the same cases.

    Examples
    --------
    >>> account = pd.DataFrame({"closed": [70086], "required": [71219], "deferred": [0]})
    >>> round(float(rates(account).loc[(0, "closure"), "rate"]) * 100, 2)
    98.41
    """
    formulas = list(formulas)
    for formula in formulas:
        over = _evaluated(formula.numerator, counts) > _evaluated(formula.denominator, counts)
        if over.any():
            raise InputError(
                "`counts` has more in {numerator} than in {denominator} for {index!r}, so "
                "that they are not of the same cases. Count both among the cases reported in "
                "the period.",
                numerator=formula.numerator,
                denominator=formula.denominator,
                index=counts.index[int(over.argmax())],
            )
    keys = [counts.index.get_level_values(k) for k in range(counts.index.nlevels)]
    named = [pd.Series(key, counts.index, name=key.name) for key in keys]
    return _rated(counts, named, formulas, confidence, lang)


def _rated(
    counts: pd.DataFrame,
    keys: list[pd.Series],
    formulas: Iterable[Formula],
    confidence: float,
    lang: Lang,
) -> pd.DataFrame:
    """Add up what is known, case by case, and divide."""
    tables = {}
    for formula in formulas:
        hits, trials = (
            _evaluated(part, counts) for part in (formula.numerator, formula.denominator)
        )
        known = hits.notna() & trials.notna()
        each = pd.DataFrame(
            {
                "numerator": hits.clip(upper=trials).where(known, 0),
                "denominator": trials.where(known, 0),
                "unknown": (~known & (trials != 0)) * trials.fillna(1),
            }
        )
        sums = each.groupby(keys, dropna=False, observed=True).sum().astype(np.int64)
        low, high = wilson(sums["numerator"], sums["denominator"], confidence)
        tables[formula.key] = pd.DataFrame(
            {
                "name": formula.zh if lang == "zh" else formula.en,
                "numerator": sums["numerator"],
                "denominator": sums["denominator"],
                "rate": sums["numerator"] / sums["denominator"].where(sums["denominator"] > 0),
                "low": low,
                "high": high,
                "unknown": sums["unknown"],
                "formula": formula.text(lang),
            },
            index=sums.index,
        )
    table = pd.concat(tables, names=["indicator"])
    moved = table.reorder_levels([*range(1, table.index.nlevels), 0])
    return moved.sort_index(level=list(range(table.index.nlevels - 1)), sort_remaining=False)


def ranking(
    incidents: pd.DataFrame,
    households: pd.Series,
    *,
    formula: Formula = FORMULAS[0],
    until: date | str | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Rank areas in a way that does not reward silence.

    Areas are ordered by the lower end of the Wilson interval, so that three closed out of three do
    not beat ninety-eight out of a hundred. An area that reports far fewer cases than its households
    let expect is *silent*: it is listed without a rank.

    Parameters
    ----------
    incidents : DataFrame
        The cases of the month, with ``status`` and the column that `households` is indexed by.
    households : Series
        Households by area; its index is named after the column of `incidents`.
    formula : Formula
        What to rank by.
    until, confidence
        As for `indicators`.

    Returns
    -------
    DataFrame
        On the index of `households`, best first: reported, expected, numerator, denominator, rate,
        low, high, unknown, silent, rank.

    Raises
    ------
    InputError
        When a column is missing.

    Examples
    --------
    >>> cases = pd.DataFrame({"street": ["A"] * 100 + ["B"] * 3, "status": ["结案"] * 103})
    >>> homes = pd.Series({"A": 5000, "B": 5000}).rename_axis("street")
    >>> ranking(cases, homes)[["reported", "rate", "silent", "rank"]].values.tolist()
    [[100, 1.0, False, 1], [3, 1.0, True, <NA>]]
    """
    level = str(households.index.name)
    counts = count_cases(incidents, until=until)
    area = _group(incidents, level)
    table = _rated(counts, [area], [formula], confidence, "zh").droplevel("indicator")
    table = table[["numerator", "denominator", "rate", "low", "high", "unknown"]]
    table = table.reindex(households.index)
    whole = ["numerator", "denominator", "unknown"]
    table[whole] = table[whole].fillna(0).astype(np.int64)
    reported = area.value_counts().reindex(households.index, fill_value=0)
    expected = reported.sum() * households / households.sum()
    silent = (pdtr(reported, expected) < 0.01) & (reported < expected / 2)
    table.insert(0, "reported", reported.astype(np.int64))
    table.insert(1, "expected", expected.round(1))
    table["silent"] = silent
    table["rank"] = table["low"].where(~silent).rank(ascending=False, method="min").astype("Int64")
    return table.sort_values(["rank", "reported"], na_position="last", kind="stable")


def _group(incidents: pd.DataFrame, column: str) -> pd.Series:
    if column == "month" and column not in incidents and "time" in incidents:
        months: pd.Series = wall_times(incidents["time"]).dt.to_period("M")
        return months.rename("month")
    if column not in incidents:
        raise InputError(
            "`by` names the column {column!r}, which `incidents` lacks.", column=column
        )
    return incidents[column]


def _terms(expression: str) -> list[tuple[int, str]]:
    """Split ``a - b + c`` into signs and names."""
    words = f"+ {expression}".split()
    terms = list(zip(words[::2], words[1::2], strict=True))
    for sign, name in terms:
        if sign not in "+-" or name not in COUNTS:
            raise InputError(
                "The formula {expression!r} is no sum of {counts} with + and -.",
                expression=expression,
                counts=[*COUNTS],
            )
    return [(1 if sign == "+" else -1, name) for sign, name in terms]


def _evaluated(expression: str, counts: pd.DataFrame) -> pd.Series:
    total = pd.Series(0.0, counts.index)
    for sign, name in _terms(expression):
        total = total + sign * (counts[name].astype(float) if name in counts else np.nan)
    return total


def _worded(expression: str, lang: Lang) -> str:
    terms = ((sign, COUNTS[name].text(lang)) for sign, name in _terms(expression))
    text = " ".join(f"{'-' if sign < 0 else '+'} {name}" for sign, name in terms)
    return text.removeprefix("+ ")
