"""Columns of dates and times: one order of day and month, and one time zone, for all rows."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta, timezone, tzinfo
from functools import reduce
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gridmap._arrays import Bools, Floats, Ints
from gridmap._checks import check_choice, is_nothing, named_rows
from gridmap.date_formats import (
    NAMED_DAY,
    NEVER,
    NO_ZONE,
    PADDED_DAY,
    WEEKDAYS,
    Times,
    Written,
    calendar_date,
    respelt,
    take_apart,
    with_century,
)
from gridmap.errors import InputError
from gridmap.language import Message

NO_TIMES = Message("No times were recognised in `incidents`; name the column: `--time COLUMN`.")
UNREAD_TIMES = Message(
    "No value in the column of times can be read as one. Write them as 2024-01-05 08:05, or name "
    "another column: `--time COLUMN`."
)
FREQUENCY = {"day": "D", "week": "W-SUN", "month": "M"}  # what pandas calls our steps of time
DateOrder = Literal["dmy", "mdy", "ymd", "roc"]
_EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119
_EPOCHS = ((9e8, 4.2e9, 1e6), (9e11, 4.2e12, 1e3), (9e14, 4.2e15, 1.0),
           (9e17, 4.2e18, 1e-3))  # fmt: skip  # seconds to nanoseconds
_DAY_ZERO = np.datetime64("1899-12-30", "us")
_YEAR_ONE = 1911  # before the first year of the Republic
_REPUBLIC = (100, 200)  # years that can only be counted so
_EITHER = 59  # years of two digits from here on may be counted so: 1970 and later
_PLAUSIBLE = (1900, 2100)  # years that a report may be of
_LATER = 1462  # days by which workbooks of 1904 begin later
_MEANING = {"dmy": Message("day/month/year"), "mdy": Message("month/day/year"),
            "ymd": Message("year/month/day"),
            "roc": Message("year of the Republic (113 is 2024)/month/day")}  # fmt: skip


def day_of(name: str, value: Any) -> pd.Timestamp:
    """Return the start of the day that an argument names, or refuse what names none."""
    try:
        day = pd.Timestamp(value)
        known = not pd.isna(day)
    except ValueError:
        known = False
    if not known:
        raise InputError(
            "`{name}` is {value!r}; give a day, as 2026-03-01.", name=name, value=value
        )
    return day.normalize()


def moments(
    values: pd.Series,
    heading: str,
    notes: list[Message],
    *,
    order: DateOrder | None = None,
    zone: str | None = None,
    first_day: int = 1900,
) -> pd.Series:
    """Read times as written on the clock; what is none becomes NaT and is named in the notes.

    Year first needs no guess; years of three digits, or after 民国, are those of the Republic, and
    so are the others of their column. Where the year stands last, or has two digits, one order
    holds for the whole column: the one under which every value is a date. When several are and the
    values differ, month first goes with AM and PM, day first with dots; else the column is refused.
    Numbers are days of a spreadsheet, written dates (20260131, 1150131, 20260131150203) or seconds
    and milliseconds since 1970.

    One rule for time zones: clocks stay as written when all rows are of one zone, or of the two of
    a place whose clocks change; a column of several zones, or of which some rows name none, is
    refused until `zone` says in which to count. Times in UTC are kept so, which a note says.

    Parameters
    ----------
    values : Series
        As they came.
    heading : str
        What to call the column.
    notes : list
        Gets a line for what was assumed, and for rows that are no times.
    order : str, optional
        ``dmy``, ``mdy``, ``ymd`` or ``roc``, when the values do not tell.
    zone : str, optional
        To bring all times to, as ``Asia/Shanghai`` or ``+08:00``; that of rows that name none.
    first_day : int
        1904 for the days of a workbook that counts from that year.

    Returns
    -------
    Series of datetime64
        On the same index, without a zone; ``attrs`` has ``order`` and ``zone`` where they matter.

    Raises
    ------
    InputError
        When days and months could be exchanged, are mixed, or clocks of two zones are.

    Examples
    --------
    >>> notes = []
    >>> moments(pd.Series(["01/31/2026 03:02 PM", "02/01/2026 11:00 AM"]), "time", notes).tolist()
    [Timestamp('2026-01-31 15:02:00'), Timestamp('2026-02-01 11:00:00')]
    >>> moments(pd.Series(["民國113年1月5日", "99/12/31"]), "日期", notes).tolist()
    [Timestamp('2024-01-05 00:00:00'), Timestamp('2010-12-31 00:00:00')]
    """
    if order is not None:
        check_choice("date_order", order, get_args(DateOrder))
    column = _Column(heading, notes, order, None if zone is None else named_zone(zone), first_day)
    if values.dtype.kind == "M":
        return _typed(values, column)
    if values.dtype.kind in "iuf":
        read = _of_numbers(values.to_numpy(np.float64, na_value=np.nan), column)
    else:
        read = _of_texts(values, column)
    times = pd.Series(read, index=values.index)
    _tell_other_calendars(times, values, column)
    unread = times.isna() & ~values.isna()
    if unread.any():
        unread &= ~values.map(is_nothing).astype(bool)
    if unread.any():
        told = Message("{n:,} {n:row|rows} of {heading} {n:is no time|are no times}: {rows}.")
        bad = values[unread]
        notes.append(told(n=len(bad), heading=heading, rows=named_rows(bad)))
    times.attrs = dict(column.facts.items())
    return times


def _tell_other_calendars(times: pd.Series, values: pd.Series, column: _Column) -> None:
    """Tell of years that no report is of: those of another calendar, or mistyped."""
    year = times.dt.year
    odd = values[(year < _PLAUSIBLE[0]) | (year > _PLAUSIBLE[1])]
    if len(odd):
        told = Message(
            "Beware: {n:,} {n:row|rows} of {heading} {n:is|are} of a year before {first} or after "
            "{last}: {rows}. Mend the year, or bring it from the other calendar to this one."
        )
        column.tell(
            told(n=len(odd), first=_PLAUSIBLE[0], last=_PLAUSIBLE[1], rows=named_rows(odd, 2))
        )


@dataclass(frozen=True)
class _Column:
    """What is known of a column of times, and where to tell what was assumed."""

    heading: str
    notes: list[Message]
    order: DateOrder | None
    zone: tzinfo | None
    first_day: int
    facts: dict[str, str] = field(default_factory=dict)

    def tell(self, message: Message) -> None:
        self.notes.append(message(heading=self.heading))


def named_zone(name: str) -> tzinfo:
    """Return a time zone by its name in the IANA table, or by its offset.

    Examples
    --------
    >>> named_zone("Asia/Taipei").key, str(named_zone("UTC+8"))
    ('Asia/Taipei', 'UTC+08:00')
    """
    fixed = re.fullmatch(r"(?:UTC|GMT)?([-+])(\d{1,2})(?::?(\d{2}))?", name.strip())
    if fixed is not None:
        minutes = int(fixed[2]) * 60 + int(fixed[3] or 0)
        return timezone(timedelta(minutes=-minutes if fixed[1] == "-" else minutes))
    try:
        return ZoneInfo(name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            "`time_zone` is {name!r}, which is not known. Use a name as Asia/Shanghai, or "
            "an offset as +08:00.",
            name=name,
        ) from error


def _typed(values: pd.Series, column: _Column) -> pd.Series:
    """Return times that came with a type; what is in UTC, or of a zone, is told."""
    told = values.dt.tz
    if told is None:
        return values
    if column.zone is not None:
        column.facts["zone"] = str(column.zone)
        local: pd.Series = values.dt.tz_convert(column.zone).dt.tz_localize(None)
        return local
    if str(told) in ("UTC", "Etc/UTC", "GMT", "+00:00"):
        _utc(column)
    else:
        column.facts["zone"] = str(told).removeprefix("UTC")
    times: pd.Series = values.dt.tz_localize(None)
    times.attrs = dict(column.facts.items())
    return times


def _of_texts(values: pd.Series, column: _Column) -> Times:
    if values.dtype == object:  # a mixture; a spreadsheet's own times print as ISO 8601
        values = values.map(lambda value: None if is_nothing(value) else str(value))
    text = pa.chunked_array(pa.array(values.astype("str").array, pa.large_string()))
    with suppress(pa.ArrowInvalid):
        return np.array(pc.cast(text, pa.timestamp("us")).to_numpy(), dtype="datetime64[us]")
    if not pc.any(pc.match_substring_regex(text, PADDED_DAY)).as_py():
        with suppress(pa.ArrowInvalid):
            return _of_numbers(pc.cast(text, pa.float64()).to_numpy(), column)
    text = pc.utf8_trim_whitespace(pc.utf8_normalize(text, "NFKC")).combine_chunks()
    parts, found = take_apart(plain := respelt(text))
    read = _of_numbers(_as_floats(plain, ~found), column)
    if found.any():
        written, rows = parts.at(found), values[found]
        clocks = _days(written, rows, column) + written.clock
        _tell_other_weekdays(clocks, text.filter(pa.array(found)), rows, column)
        read[found] = _in_one_zone(clocks, written.offset, rows, column)
    return read


def _tell_other_weekdays(
    clocks: Times, text: pa.LargeStringArray, rows: pd.Series, column: _Column
) -> None:
    """Tell of dates beside a weekday that is not theirs: one of the two is mistyped."""
    at = np.flatnonzero(pc.match_substring_regex(text, NAMED_DAY).fill_null(False))
    at = at[~np.isnat(clocks[at])]
    if not len(at):
        return
    names = text.take(pa.array(at)).to_pandas().str.extract(NAMED_DAY).bfill(axis=1)[0]
    day = (clocks[at].astype("M8[D]").astype(np.int64) + 3) % 7  # 1970 began on a Thursday
    said = names.str.lower().map(WEEKDAYS).to_numpy()
    odd = rows.iloc[at[day != said]]
    if len(odd):
        told = Message(
            "Beware: {n:,} {n:row|rows} of {heading} {n:names|name} a weekday that the date is "
            "not: {rows}. The date is taken."
        )
        column.tell(told(n=len(odd), rows=named_rows(odd, 2)))


def _in_one_zone(clocks: Times, offset: Ints, rows: pd.Series, column: _Column) -> Times:
    """Return clocks of one zone, or refuse a column of several."""
    named = offset != NO_ZONE
    if not named.any():
        return clocks
    if column.zone is not None:
        column.facts["zone"] = str(column.zone)
        world = clocks - np.where(named, offset, 0).astype("m8[m]")
        return np.where(named, _at(world, column.zone), clocks)
    zones = np.unique(offset[named])
    if not named.all() and (len(zones) > 1 or zones[0] == 0):
        raise InputError(
            "Column {heading!r} mixes times that name their zone ({rows}) with local ones "
            "({rows_2}). Say in which zone to count: `--time-zone Asia/Shanghai`.",
            heading=column.heading,
            rows=named_rows(rows[named], 1),
            rows_2=named_rows(rows[~named], 1),
        )
    if len(zones) > 2 or zones[-1] - zones[0] > 60:
        shown = [named_rows(rows[offset == zone], 1) for zone in zones[[0, -1]]]
        raise InputError(
            "Column {heading!r} has times of several zones ({shown}). Say in which to "
            "count: `--time-zone Asia/Shanghai`.",
            heading=column.heading,
            shown=shown,
        )
    if len(zones) == 1 and zones[0] == 0:
        _utc(column)
        return clocks
    written = " / ".join(_offset_text(int(zone)) for zone in zones)
    column.facts["zone"] = written
    if len(zones) > 1 or not named.all():
        column.tell(Message("{heading} is in clocks of {zones}, kept so.", zones=written))
    return clocks


def _offset_text(minutes: int) -> str:
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _at(world: Times, zone: tzinfo) -> Times:
    """Return moments of Greenwich as the clocks of a zone."""
    moved = pd.Series(world).dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    return np.array(moved.to_numpy(), dtype="datetime64[us]")


def _utc(column: _Column) -> None:
    column.facts["zone"] = "UTC"
    column.tell(
        Message(
            "{heading} is in UTC and kept so; bring it to your zone, as `--time-zone "
            "Asia/Shanghai`, before counting by hour or day."
        )
    )


def _days(written: Written, rows: pd.Series, column: _Column) -> Times:
    """Return the dates; where the year is not plainly first, in the one order of the column."""
    a, b, c = written.a, written.b, written.c
    republic = written.era | ((a >= _REPUBLIC[0]) & (a <= _REPUBLIC[1]))
    if column.order == "roc" or republic.any():
        republic |= (a <= _REPUBLIC[1]) & (c < 1000)
        sure = rows[republic]
        if len(sure):
            column.facts["order"] = "roc"
            told = Message("{heading} read with years of the Republic, as {row}.")
            column.tell(told(row=named_rows(sure, 1)))
        a = np.where(republic, a + _YEAR_ONE, a)
    first = (a >= 1000) | (written.named & ((a < _EITHER) | (column.order == "ymd")))
    days = calendar_date(with_century(a), b, c)
    days[(a >= 1000) & (c >= 1000)] = NEVER
    if first.all():
        return days
    rest = ~first
    readings = _readings(a[rest], b[rest], c[rest], written.named[rest])
    rows = rows[rest]
    chosen = column.order or _order(readings, rows, column.heading, _custom(written.at(rest)))
    days[rest] = readings[chosen]
    sure = rows[~np.isnat(readings[chosen])]
    if len(sure):
        column.facts["order"] = chosen
        told = Message("{heading} read as {order}, as {row}.")
        column.tell(told(order=_MEANING[chosen], row=named_rows(sure, 1)))
    return days


def _custom(written: Written) -> DateOrder | None:
    """Return the order that a way of writing brings: dots and a full year, or AM and PM."""
    if bool((written.dotted & (written.c >= 1000)).all()):
        return "dmy"
    return "mdy" if written.latin.any() else None


def _readings(a: Ints, b: Ints, c: Ints, named: Bools) -> dict[DateOrder, Times]:
    """Return the dates under each order, NaT where there is no such date."""
    year = np.where(named, 0, with_century(c))
    short = np.where(c >= 1000, 0, c)
    republic = np.where((a >= _EITHER) & (a < 100), a + _YEAR_ONE, 0)
    return {
        "dmy": calendar_date(year, b, a),
        "mdy": calendar_date(year, a, b),
        "ymd": calendar_date(with_century(a), b, short),
        "roc": calendar_date(republic, b, short),
    }


def _order(
    readings: dict[DateOrder, Times], rows: pd.Series, heading: str, custom: DateOrder | None
) -> DateOrder:
    """Return the order under which every value that is a date at all is one."""
    known = {name: ~np.isnat(dates) for name, dates in readings.items()}
    readable = np.logical_or.reduce(list(known.values()))
    fitting = [name for name, dates in known.items() if dates[readable].all()]
    if not fitting:
        only = {name: known[name] & (sum(known.values()) == 1) for name in readings}
        shown = [
            Message("{order} ({rows})", order=_MEANING[name], rows=named_rows(rows[at], 1))
            for name, at in only.items()
            if at.any()
        ]
        raise InputError(
            "Column {heading!r} mixes dates in different orders: {shown}. Write them one "
            "way in the file, the year first.",
            heading=heading,
            shown=[*shown],
        )
    dates = [readings[name][readable] for name in fitting]
    differ = np.logical_or.reduce([dates[0] != other for other in dates])
    if not differ.any():
        return fitting[0]
    if custom in fitting:
        return custom
    way = Message("{meaning} (`--date-order {order}`)")
    could = reduce(lambda one, other: Message("{one} or {other}", one=one, other=other),
                   [way(meaning=_MEANING[name], order=name) for name in fitting])  # fmt: skip
    raise InputError(
        "Column {heading!r} has dates that could be {could}, and no value tells "
        "which: {rows}. Say which, or write the year first, with four digits.",
        heading=heading,
        could=could,
        rows=named_rows(rows[readable][differ], 1),
    )


def _as_floats(text: pa.Array, wanted: Bools) -> Floats:
    """Return the numbers among some of the texts, NaN elsewhere."""
    values = np.full(len(text), np.nan)
    at = np.flatnonzero(wanted)
    if len(at):
        rest = text.take(pa.array(at)).to_pandas()
        values[at] = pd.to_numeric(rest, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return values


def _of_numbers(number: Floats, column: _Column) -> Times:
    """Read spreadsheet days, dates written in digits, and time since 1970."""
    read = np.full(len(number), NEVER)
    later = _LATER if column.first_day == 1904 else 0
    days = (number + later >= _EXCEL_DAYS[0]) & (number + later <= _EXCEL_DAYS[1])
    seconds = np.round((number[days] + later) * 86400).astype(np.int64)
    read[days] = _DAY_ZERO + seconds.astype("m8[s]")
    republic = _of_republic(number, column.order == "roc")
    if (~np.isnat(republic)).any():
        read = np.where(np.isnat(republic), read, republic)
        number = np.where(np.isnat(republic), number, np.nan)
        column.facts["order"] = "roc"
        column.tell(Message("{heading} read with years of the Republic."))
    at = (number >= 190_001) & (number < 300_000) & (np.floor(number) == number)  # 202401
    read[at] = _in_figures(number[at].astype(np.int64) * 100 + 1, 1)
    for size in (1, 10**4, 10**6):  # date, with hour and minute, with seconds
        at = (
            (number >= 19_000_101 * size)
            & (number < 30_000_000 * size)
            & (np.floor(number) == number)
        )
        read[at] = _in_figures(number[at].astype(np.int64), size)
    epoch = np.zeros(len(number), bool)
    for low, high, unit in _EPOCHS:
        at = (number >= low) & (number < high)
        read[at] = np.round(number[at] * unit).astype(np.int64).astype("M8[us]")
        epoch |= at
    if epoch.any() and column.zone is not None:
        column.facts["zone"] = str(column.zone)
        read[epoch] = _at(read[epoch], column.zone)
    elif epoch.any():
        _utc(column)
    return read


def _of_republic(number: Floats, told: bool) -> Times:
    """Read 1130105, 11301051430 and 1130105143000, and 990105 beside them; NaT elsewhere.

    With seconds they are as long as milliseconds since 1970, of which one in three hundred could
    be read so: all of a column must be.
    """
    read = np.full(len(number), NEVER)
    whole = np.floor(number) == number
    for size in (1, 10**4, 10**6):
        at = whole & (number >= 1_000_101 * size) & (number < 2_001_232 * size)
        dates = _in_figures(number[at].astype(np.int64) + _YEAR_ONE * 10_000 * size, size)
        if size == 1 or not np.isnat(dates).any():
            read[at] = dates
    if told or (~np.isnat(read)).any():
        at = whole & (number >= 10_101) & (number < 1_000_000)
        read[at] = _in_figures(number[at].astype(np.int64) + _YEAR_ONE * 10_000, 1)
    return read


def _in_figures(number: Ints, size: int) -> Times:
    """Read 20260131, 202601311502 and 20260131150203."""
    day, clock = np.divmod(number, size)
    clock = clock * 100 if size == 10**4 else clock
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    ok = (hour < 24) & (minute < 60) & (second < 60)
    micros = ((hour * 60 + minute) * 60 + second) * 1_000_000
    days = calendar_date(day // 10_000, day // 100 % 100, day % 100)
    return np.where(ok, days + micros.astype("m8[us]"), NEVER)
