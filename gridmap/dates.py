"""Dates and times as people and programs write them; one order of day and month for a column."""

from __future__ import annotations

import calendar
import re
from contextlib import suppress
from functools import reduce
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gridmap._checks import check_choice, is_nothing, named_rows
from gridmap.errors import InputError
from gridmap.language import Message

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.datetime64("NaT", "us")

_DATE = (
    r"(?P<a>\d{4}|\d{1,2})\s*(?P<mark>[-/.年])\s*(?P<b>\d{1,2})\s*[-/.月]\s*"
    r"(?P<c>\d{4}|\d{1,2})\s*[日号]?"
)
_CLOCK = (
    r"(?:\s*,?\s*\(?(?:(?:星期|周|礼拜)[一二三四五六日天])?\)?\s*T?\s*"
    r"(?P<half>上午|凌晨|早上|中午|下午|晚上|[AaPp]\.?[Mm]\.?)?\s*"
    r"(?P<hour>\d{1,2})\s*[:时点]\s*"
    r"(?:(?P<minute>\d{1,2})\s*(?:[:分]\s*(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?\s*秒?"
    r"|分)?)?\s*(?P<late>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[-+]\d{2}(?::?\d{2})?)?)?"
)
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTH = r"(?P<month>[A-Za-z]{3})[a-z]*\.?"
_SPELT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:[A-Za-z]+,\s*)?(?P<day>\d{{1,2}})[-/ .]?{_MONTH}[-/ .,]*(?P<year>\d{{4}}|\d\d)"
        r"(?P<clock>(?:\s.*)?)",
        rf"(?:[A-Za-z]+,?\s+)?{_MONTH}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})"
        r"(?P<clock>.*)",
        rf"[A-Za-z]{{3}}\s+{_MONTH}\s+(?P<day>\d{{1,2}})\s+(?P<clock>[\d:]+)\s+(?:[A-Z]+\s+)?"
        r"(?P<year>\d{4})",
    )
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)[T ]+(\d\d):?(\d\d):?(\d\d)?(.*)")
_ODD = r"^[A-Za-z]|^\d{1,2}[-/ .]?[A-Za-z]|^\d{8}[T ]"
_NOON = ("中午", "下午", "晚上", "pm")
_HALVES = (*_NOON, "上午", "凌晨", "早上", "am")


class Written(NamedTuple):
    """The parts of dates as they stand in the text, -1 for what is not there, and their clocks."""

    a: Ints
    b: Ints
    c: Ints
    named: Bools  # the year, by 年
    dotted: Bools
    clock: npt.NDArray[np.timedelta64]
    latin: Bools  # AM or PM
    world: Bools  # Z, UTC or GMT

    def at(self, rows: Any) -> Written:
        """Return the parts of some rows."""
        return Written(*(part[rows] for part in self))


def take_apart(text: pa.LargeStringArray) -> tuple[Written, Bools]:
    """Return the parts of the dates, and which texts are written as one.

    Days repeat, and so do clocks: what is left and right of the first blank is looked at once for
    each distinct text; only what this leaves is looked at row by row.
    """
    split = pc.split_pattern(_joined(text, _large(" ")), " ", max_splits=1)
    dates, clocks = (_distinct(pc.list_element(split, side)) for side in (0, 1))
    days = _whole_days(pc.extract_regex(dates[0], f"^{_DATE}$"))
    times, told = _times(pc.extract_regex(clocks[0], rf"^{_CLOCK}\s*$"))
    parts: list[Any] = [*(part[dates[1]] for part in days), *(part[clocks[1]] for part in times)]
    found = (parts[0] >= 0) & told[clocks[1]]
    rest = np.flatnonzero(~found)
    if len(rest):
        form = pc.extract_regex(text.take(pa.array(rest)), f"^{_DATE}{_CLOCK}$")
        times, told = _times(form)
        found[rest] = told
        for part, again in zip(parts, (*_whole_days(form), *times), strict=True):
            part[rest] = again
    return Written(*parts), found


def calendar_date(year: Ints, month: Ints, day: Ints) -> npt.NDArray[np.datetime64]:
    """Return dates, NaT where the calendar has no such day."""
    ok = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1) & (year <= 9999)
    months = ((np.where(ok, year, 1970) - 1970) * 12 + np.where(ok, month, 1) - 1).astype("M8[M]")
    days = months.astype("M8[D]") + np.where(ok, day - 1, 0)
    ok &= days.astype("M8[M]") == months
    return np.where(ok, days.astype("M8[us]"), NEVER)


def with_century(year: Ints) -> Ints:
    """Complete years of two digits: 69 to 99 are 1969 to 1999."""
    return np.where(year >= 100, year, year + np.where(year < 69, 2000, 1900))


def respelt(text: pa.LargeStringArray) -> pa.LargeStringArray:
    """Write dates with names of months, and compact ones with a clock, in digits and signs."""
    if pc.any(pc.match_substring(text, "T")).as_py():
        text = pc.replace_substring_regex(text, r"(\d)T(\d)", r"\1 \2")
    odd = pc.match_substring_regex(text, _ODD).fill_null(False)
    if not pc.any(odd).as_py():
        return text
    rows = np.flatnonzero(odd.to_numpy(zero_copy_only=False))
    fresh = [_in_digits(value) for value in text.take(pa.array(rows)).to_pylist()]
    return pc.replace_with_mask(text, odd, pa.array(fresh, pa.large_string()))


def _in_digits(text: str) -> str:
    compact = _COMPACT.fullmatch(text)
    if compact is not None:
        year, month, day, hour, minute, second, rest = compact.groups()
        return f"{year}-{month}-{day} {hour}:{minute}:{second or '00'}{rest}"
    for pattern in _SPELT:
        found = pattern.fullmatch(text)
        named = _MONTHS.get(found["month"].lower()) if found else None
        if found and named:
            full = int(with_century(np.array([int(found["year"])]))[0])
            return f"{full}-{named}-{found['day']} {found['clock'].strip()}".strip()
    return text


def _whole_days(form: pa.StructArray) -> tuple[Ints, Ints, Ints, Bools, Bools]:
    a, b, c = (_whole(form, name) for name in "abc")
    mark = _words(form, "mark")
    return a, b, c, mark == "年", mark == "."


def _times(form: pa.StructArray) -> tuple[tuple[npt.NDArray[Any], Bools, Bools], Bools]:
    """Return clocks, which are Latin, which are of Greenwich; and which texts have the form.

    A clock that there is not is NaT; 24:00 is the next midnight.
    """
    hour, minute, second = (_whole(form, name) for name in ("hour", "minute", "second"))
    halves = _joined(pc.struct_field(form, "half"), pc.struct_field(form, "late"))
    half = pc.utf8_lower(pc.replace_substring(halves, ".", "")).to_pandas().to_numpy(object)
    minute, second = np.maximum(minute, 0), np.maximum(second, 0)
    halved, latin = np.isin(half, _HALVES), np.isin(half, ["am", "pm"])
    ok = (minute < 60) & (second < 61) & ~(halved & (hour < 0))
    ok &= np.isin(half, ["", *_HALVES])  # not two halves at once
    ok &= (hour < 24) | ((hour == 24) & (minute == 0) & (second == 0))
    midnight = halved & (hour == 12) & ~np.isin(half, ["中午", "下午", "pm"])
    late = np.isin(half, _NOON) & (hour < 12)
    hour = np.where(late, hour + 12, np.maximum(hour, 0))
    hour = np.where(midnight, np.where(half == "晚上", 24, 0), hour)
    micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + _micros(form)
    clock = np.where(ok, micros.astype("m8[us]"), np.timedelta64("NaT", "us"))
    world = np.isin(_words(form, "zone"), ["Z", "UTC", "GMT"])
    return (clock, latin, world), form.is_valid().to_numpy(zero_copy_only=False)


def _micros(form: pa.StructArray) -> Ints:
    digits = _joined(_large("0."), pc.struct_field(form, "fraction"), _large("0"))
    seconds = pc.cast(digits, pa.float64()).fill_null(0.0).to_numpy()
    micros: Ints = np.round(seconds * 1e6).astype(np.int64)
    return micros


def _distinct(text: pa.Array) -> tuple[pa.LargeStringArray, Ints]:
    """Return the distinct texts, and which of them stands in each row."""
    coded = pc.dictionary_encode(text.fill_null(_large("")))
    return coded.dictionary, coded.indices.to_numpy()


def _whole(form: pa.StructArray, name: str) -> Ints:
    column = pc.struct_field(form, name)
    given = pc.if_else(pc.equal(column, _large("")), _large("-1"), column)
    whole: Ints = pc.cast(given, pa.int64()).fill_null(-1).to_numpy()
    return whole


def _words(form: pa.StructArray, name: str) -> npt.NDArray[np.object_]:
    words: npt.NDArray[np.object_] = pc.struct_field(form, name).to_pandas().to_numpy(object)
    return words


def _joined(*columns: Any) -> pa.Array:
    return pc.binary_join_element_wise(*columns, _large(""))


def _large(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())


DateOrder = Literal["dmy", "mdy", "ymd"]
Times = npt.NDArray[np.datetime64]

_EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119
_EPOCHS = ((9e8, 4.2e9, 1e6), (9e11, 4.2e12, 1e3), (9e14, 4.2e15, 1.0))  # seconds to microseconds
_DAY_ZERO = np.datetime64("1899-12-30", "us")
_MEANING = {"dmy": Message("day/month/year"), "mdy": Message("month/day/year"),
            "ymd": Message("year/month/day")}  # fmt: skip


def moments(
    values: pd.Series, heading: str, notes: list[Message], *, order: DateOrder | None = None
) -> pd.Series:
    """Read times as written on the clock; what is none becomes NaT and is named in the notes.

    Year first needs no guess. Where the year stands last, or has two digits, one order holds for
    the whole column: the one under which every value is a date. When several are and the values
    differ, month first goes with AM and PM, day first with dots; else the column is refused.
    Numbers are days of a spreadsheet, written dates (20260131, 20260131150203) or seconds and
    milliseconds since 1970.

    Parameters
    ----------
    values : Series
        As they came.
    heading : str
        What to call the column.
    notes : list
        Gets a line for what was assumed, and for rows that are no times.
    order : str, optional
        ``dmy``, ``mdy`` or ``ymd``, when the values do not tell.

    Returns
    -------
    Series of datetime64
        On the same index, without a zone.

    Raises
    ------
    InputError
        When days and months could be exchanged, are mixed, or clocks of two zones are.

    Examples
    --------
    >>> notes = []
    >>> moments(pd.Series(["01/31/2026 03:02 PM", "02/01/2026 11:00 AM"]), "time", notes).tolist()
    [Timestamp('2026-01-31 15:02:00'), Timestamp('2026-02-01 11:00:00')]
    """
    if order is not None:
        check_choice("date_order", order, get_args(DateOrder))
    if values.dtype.kind == "M":
        return values if values.dt.tz is None else values.dt.tz_localize(None)
    if values.dtype.kind in "iuf":
        read = _of_numbers(values.to_numpy(np.float64, na_value=np.nan), heading, notes)
    else:
        read = _of_texts(values, heading, notes, order)
    times = pd.Series(read, index=values.index)
    unread = times.isna() & ~values.isna()
    if unread.any():
        unread &= ~values.map(is_nothing).astype(bool)
    if unread.any():
        told = Message("{n:,} {n:row|rows} of {heading} {n:is no time|are no times}: {rows}.")
        bad = values[unread]
        notes.append(told(n=len(bad), heading=heading, rows=named_rows(bad)))
    return times


def _of_texts(
    values: pd.Series, heading: str, notes: list[Message], order: DateOrder | None
) -> Times:
    if values.dtype == object:  # a mixture; a spreadsheet's own times print as ISO 8601
        values = values.map(lambda value: None if is_nothing(value) else str(value))
    text = pa.chunked_array(pa.array(values.astype("str").array, pa.large_string()))
    with suppress(pa.ArrowInvalid):
        return np.array(pc.cast(text, pa.timestamp("us")).to_numpy(), dtype="datetime64[us]")
    with suppress(pa.ArrowInvalid):
        return _of_numbers(pc.cast(text, pa.float64()).to_numpy(), heading, notes)
    text = pc.utf8_trim_whitespace(pc.utf8_normalize(text, "NFKC")).combine_chunks()
    text = respelt(text)
    parts, found = take_apart(text)
    read = _of_numbers(_as_floats(text, ~found), heading, notes)
    if found.any():
        written, rows = parts.at(found), values[found]
        _check_zones(written.world, rows, heading, notes)
        read[found] = _days(written, rows, heading, notes, order) + written.clock
    return read


def _check_zones(world: Bools, rows: pd.Series, heading: str, notes: list[Message]) -> None:
    """Keep the clocks as they are written, unless some are of Greenwich and others are not."""
    if not world.any():
        return
    if not world.all():
        raise InputError(
            "Column {heading!r} mixes clocks in UTC ({rows}) with local ones ({rows_2}). "
            "Bring them to one zone in the file.",
            heading=heading,
            rows=named_rows(rows[world], 1),
            rows_2=named_rows(rows[~world], 1),
        )
    notes.append(_utc(heading))


def _utc(heading: str) -> Message:
    return Message(
        "{heading} is in UTC and kept so; add the hours of your zone before counting "
        "by hour or day.",
        heading=heading,
    )


def _days(
    written: Written, rows: pd.Series, heading: str, notes: list[Message], order: DateOrder | None
) -> Times:
    """Return the dates; where the year is not plainly first, in the one order of the column."""
    a, b, c = written.a, written.b, written.c
    first = (a >= 1000) | written.named
    days = calendar_date(with_century(a), b, c)
    days[(a >= 1000) & (c >= 1000)] = NEVER
    if first.all():
        return days
    rest = ~first
    readings = _readings(a[rest], b[rest], c[rest])
    rows = rows[rest]
    chosen = order or _order(readings, rows, heading, _custom(written.at(rest)))
    days[rest] = readings[chosen]
    sure = rows[~np.isnat(readings[chosen])]
    if len(sure):
        told = Message("{heading} read as {order}, as {row}.")
        notes.append(told(heading=heading, order=_MEANING[chosen], row=named_rows(sure, 1)))
    return days


def _custom(written: Written) -> DateOrder | None:
    """Return the order that a way of writing brings: dots and a full year, or AM and PM."""
    if bool((written.dotted & (written.c >= 1000)).all()):
        return "dmy"
    return "mdy" if written.latin.any() else None


def _readings(a: Ints, b: Ints, c: Ints) -> dict[DateOrder, Times]:
    """Return the dates under each order, NaT where there is no such date."""
    year = with_century(c)
    as_first = calendar_date(with_century(a), b, np.where(c >= 1000, 0, c))
    return {"dmy": calendar_date(year, b, a), "mdy": calendar_date(year, a, b), "ymd": as_first}


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
    could = reduce(lambda one, other: Message("{one} or {other}", one=one, other=other),
                   [_MEANING[name] for name in fitting])  # fmt: skip
    raise InputError(
        "Column {heading!r} has dates that could be {could}, and no value tells "
        "which: {rows}. Say it: `--date-order {fitting}`, or write the year first, "
        "with four digits.",
        heading=heading,
        could=could,
        rows=named_rows(rows[readable][differ], 1),
        fitting=fitting[0],
    )


def _as_floats(text: pa.Array, wanted: Bools) -> npt.NDArray[np.float64]:
    """Return the numbers among some of the texts, NaN elsewhere."""
    values = np.full(len(text), np.nan)
    at = np.flatnonzero(wanted)
    if len(at):
        rest = text.take(pa.array(at)).to_pandas()
        values[at] = pd.to_numeric(rest, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return values


def _of_numbers(number: npt.NDArray[np.float64], heading: str, notes: list[Message]) -> Times:
    """Read spreadsheet days, dates written in digits, and time since 1970."""
    read = np.full(len(number), NEVER)
    days = (number >= _EXCEL_DAYS[0]) & (number <= _EXCEL_DAYS[1])
    seconds = np.round(number[days] * 86400).astype(np.int64)
    read[days] = _DAY_ZERO + seconds.astype("m8[s]")
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
    if epoch.any():
        notes.append(_utc(heading))
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
