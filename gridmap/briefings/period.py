"""The time a briefing speaks of, and the time before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from gridmap.errors import InputError
from gridmap.incidents.space_time import check_span

By = Literal["day", "week", "month"]
FREQUENCY = {"day": "D", "week": "W-SUN", "month": "M"}
CENTURY = pd.Timedelta(days=36_525)


@dataclass(frozen=True)
class Window:
    """Days from `since` to `until`, both included, and as many days before them when known."""

    since: pd.Timestamp
    until: pd.Timestamp
    before: tuple[pd.Timestamp, pd.Timestamp] | None

    @property
    def days(self) -> int:
        """How many days the window has."""
        return int((self.until - self.since).days) + 1

    def holds(self, time: pd.Series) -> pd.Series:
        """Tell which times lie in the window."""
        return _between(time, self.since, self.until)

    def held_before(self, time: pd.Series) -> pd.Series:
        """Tell which times lie in the window before; none when there is none."""
        if self.before is None:
            return pd.Series(False, index=time.index)
        return _between(time, *self.before)


def window(time: pd.Series, since: Any = None, until: Any = None) -> Window:
    """Make a window of days; without `since` and `until` it is all the time there is.

    A change is told only against a period before that the data cover whole.

    Raises
    ------
    InputError
        When no time can be read, or a year is mistyped: in the times, or in the days asked for.
    """
    known = time.dropna()
    if known.empty:
        raise InputError("`incidents` have no readable time. Check the column `time`.")
    first, last = known.min().normalize(), known.max().normalize()
    start = _day(since, "since") if since is not None else first
    end = _day(until, "until") if until is not None else last
    if end < start and until is None:
        raise InputError(
            f"No incident is of {start.date()} or later; the last is of {last.date()}. Change "
            "`since`."
        )
    if end < start and since is None:
        raise InputError(
            f"No incident is of {end.date()} or earlier; the first is of {first.date()}. Change "
            "`until`."
        )
    if end < start:
        raise InputError(f"`until` {end.date()} lies before `since` {start.date()}. Swap them.")
    if end - start > CENTURY:
        raise InputError(
            f"The period runs from {start.date()} to {end.date()}, over a hundred years. Mend the "
            "years in `time`, or give the days that are meant (`since`, `until`)."
        )
    length = end - start + pd.Timedelta(days=1)
    earlier = (start - length, start - pd.Timedelta(days=1))
    return Window(start, end, earlier if earlier[0] >= first else None)


def series(time: pd.Series, shown: Window, by: By) -> pd.Series:
    """Count times by day, week or month over the window, empty periods included."""
    told = time[shown.holds(time)].dt.to_period(FREQUENCY[by])
    if len(told):
        check_span(told, by)
    periods = pd.period_range(shown.since, shown.until, freq=FREQUENCY[by])
    counts = told.value_counts()
    return counts.reindex(periods, fill_value=0).astype(int)


def whole_periods(index: pd.PeriodIndex, shown: Window) -> list[bool]:
    """Tell which periods lie whole in the window; the first and last may be cut."""
    return [
        bool(p.start_time >= shown.since and p.end_time.normalize() <= shown.until) for p in index
    ]


def period_label(period: pd.Period, by: By) -> str:
    """Write a period as its first day, or its month."""
    shape = "%Y-%m" if by == "month" else "%Y-%m-%d"
    return str(period.start_time.strftime(shape))


def _between(time: pd.Series, first: pd.Timestamp, last: pd.Timestamp) -> pd.Series:
    return (time >= first) & (time < last + pd.Timedelta(days=1))


def _day(value: Any, name: str) -> pd.Timestamp:
    try:
        day = pd.Timestamp(value)
    except ValueError:
        day = pd.NaT
    if day is pd.NaT:
        raise InputError(f"`{name}` is {value!r}; give a day, as 2026-03-01.")
    return day.normalize()
