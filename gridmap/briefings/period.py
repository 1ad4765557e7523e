"""The time a briefing speaks of, and the time before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from gridmap.dates import FREQUENCY, NO_TIMES, UNREAD_TIMES, day_of
from gridmap.errors import InputError
from gridmap.incidents.space_time import check_span

By = Literal["day", "week", "month"]
FEW_STEPS, CONTEXT_STEPS = 2, 12
CENTURY = pd.Timedelta(days=36_525)


@dataclass(frozen=True)
class Window:
    """Days from `since` to `until`, both included, and as many days before them when known.

    `first` and `last` are the days of the first and last record. The window is **covered** when no
    more days follow the last than have been empty between two records before: else the data of its
    end may be missing; and **begun** likewise at its start.
    `asked` is its last day where one was asked for: the day of the account, of which closure is
    told; without it all that the data know counts.
    """

    since: pd.Timestamp
    until: pd.Timestamp
    before: tuple[pd.Timestamp, pd.Timestamp] | None
    last: pd.Timestamp
    covered: bool
    first: pd.Timestamp
    begun: bool
    asked: pd.Timestamp | None = None

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

    A change is told only where the data cover both the period and the one before it.

    Raises
    ------
    InputError
        When no time can be read, or a year is mistyped: in the times, or in the days asked for.
    """
    known = time.dropna()
    if known.empty:
        raise InputError(UNREAD_TIMES if len(time) else NO_TIMES)
    first, last = known.min().normalize(), known.max().normalize()
    start = day_of("since", since) if since is not None else first
    end = day_of("until", until) if until is not None else last
    if end < start and until is None:
        raise InputError(
            "No incident is of {start} or later; the last is of {last}. Change `since`.",
            start=start.date(),
            last=last.date(),
        )
    if end < start and since is None:
        raise InputError(
            "No incident is of {end} or earlier; the first is of {first}. Change `until`.",
            end=end.date(),
            first=first.date(),
        )
    if end < start:
        raise InputError(
            "`until` {end} lies before `since` {start}. Swap them.",
            end=end.date(),
            start=start.date(),
        )
    if end - start > CENTURY:
        raise InputError(
            "The period runs from {start} to {end}, over a hundred years. Mend the years "
            "in `time`, or give the days that are meant (`since`, `until`).",
            start=start.date(),
            end=end.date(),
        )
    length = end - start + pd.Timedelta(days=1)
    earlier = (start - length, start - pd.Timedelta(days=1))
    days = pd.Series(known.dt.normalize().unique()).sort_values()
    pause = max(int(days.diff().dt.days.max()) - 1, 0) if len(days) > 1 else 0  # without a record
    covered, begun = (end - last).days <= pause, (first - start).days <= pause
    before = earlier if covered and earlier[0] >= first else None
    asked = None if until is None else end
    return Window(start, end, before, last, covered, first, begun, asked)


def in_context(time: pd.Series, shown: Window, by: By) -> Window:
    """Widen a window of one or two steps to the steps before it that the data hold."""
    periods = pd.period_range(shown.since, shown.until, freq=FREQUENCY[by])
    if len(periods) > FEW_STEPS or time.dropna().empty:
        return shown
    start = (periods[0] - CONTEXT_STEPS).start_time
    first = time.min().to_period(FREQUENCY[by])
    first = first if time.min().normalize() == first.start_time else first + 1
    return replace(shown, since=min(shown.since, max(start, first.start_time)))


def series(time: pd.Series, shown: Window, by: By) -> pd.Series:
    """Count times by day, week or month over the window, empty periods included."""
    told = time[shown.holds(time)].dt.to_period(FREQUENCY[by])
    if len(told):
        check_span(told, by)
    periods = pd.period_range(shown.since, shown.until, freq=FREQUENCY[by])
    counts = told.value_counts()
    each: pd.Series = counts.reindex(periods, fill_value=0).astype(int)
    return each


def whole_periods(index: pd.PeriodIndex, shown: Window) -> list[bool]:
    """Tell which periods lie whole in the window; the first and last may be cut."""
    end = shown.until if shown.covered else min(shown.until, shown.last)
    return [bool(p.start_time >= shown.since and p.end_time.normalize() <= end) for p in index]


def period_label(period: pd.Period, by: By) -> str:
    """Write a period as its first day, or its month."""
    shape = "%Y-%m" if by == "month" else "%Y-%m-%d"
    return str(period.start_time.strftime(shape))


def _between(time: pd.Series, first: pd.Timestamp, last: pd.Timestamp) -> pd.Series:
    return (time >= first) & (time < last + pd.Timedelta(days=1))
