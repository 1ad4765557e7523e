"""The forms in which dates and clocks are written, taken apart in bulk."""

from __future__ import annotations

import calendar
import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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
    days = _days(pc.extract_regex(dates[0], f"^{_DATE}$"))
    times, told = _times(pc.extract_regex(clocks[0], rf"^{_CLOCK}\s*$"))
    parts: list[Any] = [*(part[dates[1]] for part in days), *(part[clocks[1]] for part in times)]
    found = (parts[0] >= 0) & told[clocks[1]]
    rest = np.flatnonzero(~found)
    if len(rest):
        form = pc.extract_regex(text.take(pa.array(rest)), f"^{_DATE}{_CLOCK}$")
        times, told = _times(form)
        found[rest] = told
        for part, again in zip(parts, (*_days(form), *times), strict=True):
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


def _days(form: pa.StructArray) -> tuple[Ints, Ints, Ints, Bools, Bools]:
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
