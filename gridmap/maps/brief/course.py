"""What happened over time, of which kind, and how far it was handled."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gridmap.briefings.period import By, Window, period_label, series, whole_periods
from gridmap.dates import moments
from gridmap.language import Lang

MOST_WORDS = 6
FEW = 5  # below it a rate of change says nothing


def change(now: int, before: int | None) -> float | None:
    """Return the relative change, None when the period before is unknown or nearly empty."""
    return None if before is None or before < FEW else (now - before) / before


def times_of(placed: pd.DataFrame) -> pd.Series:
    """Return the times of incidents as clocks showed them, NaT where unreadable."""
    return moments(placed["time"], "time", [])


def trend(placed: pd.DataFrame, shown: Window | None, by: By) -> dict[str, Any] | None:
    """Count the incidents over time, with a running mean over whole periods."""
    if shown is None:
        return None
    time = times_of(placed)[placed["code"].notna()]
    counts = series(time, shown, by)
    whole = whole_periods(counts.index, shown)
    span = {"day": 7, "week": 4, "month": 3}[by]
    mean = counts.where(whole).rolling(span, min_periods=span).mean()
    done = counts[whole]
    last = [int(value) for value in done.iloc[-2:]]
    return {
        "by": by,
        "labels": [period_label(p, by) for p in counts.index],
        "counts": counts.tolist(),
        "whole": whole,
        "mean": [number(value) for value in mean],
        "span": span,
        "last": last[-1] if last else None,
        "last_label": period_label(done.index[-1], by) if last else None,
        "last_change": change(last[1], last[0]) if len(last) == 2 else None,
    }


def shares(
    now: pd.DataFrame, before: pd.DataFrame | None, column: str
) -> list[dict[str, Any]] | None:
    """Count the commonest words of a column, with their change; the rest in one row."""
    if column not in now:
        return None
    inside = now.loc[now["code"].notna(), column].dropna().astype(str)
    counts = inside.value_counts()
    earlier = None if before is None else before[column].astype(str).value_counts()
    total = int(counts.sum())
    rows = [
        {
            "name": name,
            "count": int(count),
            "share": count / total,
            "change": change(int(count), None if earlier is None else int(earlier.get(name, 0))),
        }
        for name, count in counts.head(MOST_WORDS).items()
    ]
    if len(counts) > MOST_WORDS:
        rest = int(counts.iloc[MOST_WORDS:].sum())
        rows.append({"name": None, "count": rest, "share": rest / total, "change": None})
    return rows


def handling(now: pd.DataFrame, lang: Lang) -> list[dict[str, Any]] | None:
    """Count at which level cases were handled, from the cell up."""
    from gridmap.incidents.cases import funnel

    if "handling_level" not in now or not now["handling_level"].notna().any():
        return None
    table = funnel(now[now["handling_level"].notna()], of="handling_level", lang=lang)
    return [
        {"name": str(row["name"]), "cases": int(row["cases"]), "share": float(row["share"])}
        for _, row in table.iterrows()
    ]


def progress(now: pd.DataFrame, lang: Lang) -> list[dict[str, Any]] | None:
    """Count how far cases came: each stage includes the later ones."""
    from gridmap.incidents.cases import funnel

    cases = cases_of(now)
    if cases is None or cases.empty:
        return None
    table = funnel(cases, of="status", lang=lang)
    return [
        {"name": str(row["name"]), "cases": int(row["cases"]), "share": float(row["share"])}
        for _, row in table.iterrows()
    ]


def closing(now: pd.DataFrame, shown: Window | None, lang: Lang) -> list[dict[str, Any]] | None:
    """Compute closure and its kin, each with formula, counts and Wilson interval."""
    from gridmap.incidents.indicators import indicators

    cases = cases_of(now)
    if cases is None or cases.empty:
        return None
    until = shown.until + pd.Timedelta(days=1) if shown else None
    table = indicators(cases, until=until, lang=lang)
    return [
        {
            "key": key,
            "name": row["name"],
            "numerator": int(row["numerator"]),
            "denominator": int(row["denominator"]),
            "rate": float(row["rate"]),
            "low": float(row["low"]),
            "high": float(row["high"]),
            "formula": row["formula"],
        }
        for key, row in table.iterrows()
        if pd.notna(row["rate"])
    ]


def unknown_words(now: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the words of statuses and handling levels that are not known."""
    from gridmap.incidents.vocabulary import strange_words

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
