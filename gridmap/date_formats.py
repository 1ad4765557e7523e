"""The ways in which people and programs write dates and clocks, taken apart into figures."""

from __future__ import annotations

import calendar
import re
from contextlib import suppress
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gridmap._arrays import Array, Bools, Ints, Objects

Times = npt.NDArray[np.datetime64]
NEVER = np.datetime64("NaT", "us")

_DATE = (
    r"(?P<era>(?:中华)?民国)?\s*(?P<a>\d{1,4})\s*(?P<mark>[-/.年])\s*(?P<b>\d{1,2})\s*[-/.月]\s*"
    r"(?P<c>\d{4}|\d{1,2})\s*[日号]?"
)
_HALF = r"上午|凌晨|早上|早晨|清晨|中午|下午|午后|傍晚|晚上|[AaPp]\.?[Mm]\.?"
_CLOCK = (
    rf"(?:\s*,?\s*T?\s*(?P<half>{_HALF})?\s*"
    r"(?P<hour>\d{1,2})\s*[:时点]\s*"
    r"(?:(?P<minute>\d{1,2})\s*(?:[:分]\s*(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?\s*秒?"
    rf"|分)?)?\s*(?P<late>{_HALF})?\s*(?P<zone>Z|UTC|GMT|[-+]\d{{2}}(?::?\d{{2}})?)?)?"
)
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTH = r"(?P<month>[A-Za-z]{3})[a-z]*\.?"
_SPELT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:[A-Za-z]+,\s*)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[-/ .]?{_MONTH}[-/ .,]*"
        r"(?P<year>\d{4}|\d\d)(?P<clock>(?:\s.*)?)",
        rf"(?:[A-Za-z]+,?\s+)?{_MONTH}\s*(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})"
        r"(?P<clock>.*)",
        rf"{_MONTH}\s+(?P<day>\d{{1,2}})\s+(?P<clock>[\d:]+(?:\s+(?:UTC|GMT|[-+]\d{{4}}))?)\s+(?:C[SD]T\s+)?"
        r"(?P<year>\d{4})",
    )
)
_COMPACT = re.compile(
    r"(1\d\d|\d{4})(\d\d)(\d\d)[T ]+(\d\d|\d(?=:)):?(\d\d):?(\d\d)?(.*)"
)  # a year of three figures is one of the Republic
PADDED_DAY = r"^0[5-9]\d{5}$"  # 0990105, which as a number would lose what tells its years
_PADDED = re.compile(r"0([5-9]\d)(\d\d)(\d\d)(?:[T ]*(\d\d):?(\d\d):?(\d\d)?)?")
_WEEK = re.compile(r"(\d{4})-?W(\d\d)(?:-?0?([1-7]))?")  # an offset of one figure got its nought
_MONTH_ONLY = re.compile(r"((?:(?:中华)?民国)?\d{2,4})(?:[-/.]|年)(\d{1,2})月?")
_MONTH_FIRST = re.compile(r"(\d{1,2})[-/.](\d{4})")
_ODD = (
    r"^[A-Za-z]|^\d{1,2}[-/ .]?[A-Za-z]|^\d{7,8}[T ]|[〇零○一二三四五六七八九十百]{2,}\s*年"
    r"|^0\d\d(?:\d{4}|[-/.年])"
    r"|^['‘’`]|[元廿卅半刻년\[\x{200b}-\x{200f}\x{2010}-\x{2015}\x{2212}\x{202a}-\x{202e}\x{feff}()]"
    r"|\d,? [MTWFSmtwfs][A-Za-z]{2}|[-+]\d:\d\d$| C[SD]T$"
    r"|星期|周|礼拜|北京时间|오전|오후|GMT|UTC[-+]|\dt\d|\dz$|\d \d\d?\.\d\d|\d月\s?-"
    r"|\d [-+]\d{4} [A-Z]|\d[.。]$|^\d{4} \d|^\d{4}-?W\d"
    r"|^(?:民国|中华民国)?\d{2,4}年\d{1,2}月$|^\d{4}[-/.]\d{1,2}$|^\d{1,2}[-/.]\d{4}$"
)
_WEEKDAY = "(?:Mon|Tue|Tues|Wed|Wednes|Thu|Thur|Thurs|Fri|Sat|Satur|Sun)(?:day)?"
WEEKDAYS = {name: day for day, both in enumerate(("一 mon", "二 tue", "三 wed", "四 thu", "五 fri",
            "六 sat", "日 sun")) for name in both.split()} | {"天": 6}  # fmt: skip
NAMED_DAY = (
    r"(?i)(?:星期|[周週]|[礼禮]拜|\()([一二三四五六日天])|(?:^|[^a-z])(mon|tue|wed|thu|fri|sat|sun)"
)
_ADORNED = (  # what stands around a date and tells nothing, and how offsets are written plainly
    (re.compile(r"[\u200b-\u200f\u202a-\u202e\ufeff]"), ""),
    (re.compile(r"^/Date\((\d+)(?:[-+]\d{4})?\)/$"), r"\1"),
    (re.compile(r"\s*\(?北京时间\)?$"), "+08:00"),
    (re.compile(r"([-+]\d\d:?\d\d|Z)\[[A-Za-z_/]+\]$"), r"\1"),
    (re.compile(r"^R\.?O\.?C\.?\s*(?=\d)|^0(?=[5-9]\d[-/.年])"), "民国"),
    (re.compile(r"^(\d\d?)-(\d\d?)月\s*-(\d\d)(?=\s|$)"), r"20\3-\2-\1"),
    (re.compile(r"(?<=\d )(\d\d?)\.(\d\d)(?:\.(?=\d\d))?(?=[\s.\d]|$)"), r"\1:\2:"),
    (re.compile(r"(?<=\d:\d\d):(?=\s|$)"), ""),
    (re.compile(r"(?<=\d)t(?=\d)"), " "),
    (re.compile(r"(?<=\d)z$"), "Z"),
    (re.compile(r"(?<=[点时])半"), "30分"),
    (re.compile(r"(?<=[点时])一刻"), "15分"),
    (re.compile(r"(?<=[点时])三刻"), "45分"),
    (re.compile(r"오전"), "上午"),
    (re.compile(r"오후"), "下午"),
    (re.compile(r"^['‘’`]|^(?:西元|公元)\s*|\s*\([^)]*标准时间\)$|[.。]$"), ""),
    (re.compile(r"([-+]\d\d:?\d\d)\s*\([A-Za-z ]+\)$|\s*\((?:C[SD]T|China[\w ]+)\)$"), r"\1"),
    (re.compile(r"\s*(?:\(?(?:星期|周|礼拜)[一二三四五六日天]\)?|\([一二三四五六日天]\))\s*"), " "),
    (re.compile(rf"(?i)\s*\(?\b{_WEEKDAY}\b[.,]*\)?\s*"), " "),
    (re.compile(r"(?<=[\d ])[\u2010-\u2015\u2212](?=\d)"), "-"),
    (re.compile(r"^(\d{4}) (\d\d?) (\d\d?)(?!\d)"), r"\1-\2-\3"),
    (re.compile(r"(?<=\d)\s*(?:GMT|UTC)(?=[-+]\d)"), " "),
    (re.compile(r"(?<=\d)\s*([-+])(\d(?::\d\d)?)$"), r"\g<1>0\2"),
    (re.compile(r"([-+]\d\d:?\d\d)\s+[A-Z]{2,5}$"), r"\1"),
    (re.compile(r"\s+C[SD]T$"), ""),  # of China or of Chicago: the clock stands as written
    (re.compile(r"年元月"), "年1月"),
    (re.compile(r"元年"), "1年"),
    (re.compile(r"廿"), "二十"),
    (re.compile(r"卅"), "三十"),
)
_FIGURES = {c: str(n) for n, c in enumerate("零一二三四五六七八九")} | {"〇": "0", "○": "0"}
_NUMERAL = re.compile(r"[〇零○一二三四五六七八九十百]+")
_OLD_SIGNS = str.maketrans("時點號國華週禮間後년월일시분초", "时点号国华周礼间后年月日时分秒")
_LATE = ("下午", "午后", "傍晚", "晚上", "pm")
_HALVES = (*_LATE, "中午", "上午", "凌晨", "早上", "早晨", "清晨", "am")
_NOONTIME = 3  # hours after twelve that are still said to be at noon
NO_ZONE = -10_000  # of minutes: none is named


class Written(NamedTuple):
    """The parts of dates as they stand in the text, -1 for what is not there, and their clocks."""

    a: Ints
    b: Ints
    c: Ints
    named: Bools  # the year, by 年
    dotted: Bools
    era: Bools  # the year, by 民国
    clock: npt.NDArray[np.timedelta64]
    latin: Bools  # AM or PM
    offset: Ints  # minutes from Greenwich, where a zone is named

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
    days = _date_parts(pc.extract_regex(dates[0], f"^{_DATE}$"))
    times, told = _times(pc.extract_regex(clocks[0], rf"^{_CLOCK}\s*$"))
    parts: list[Any] = [*(part[dates[1]] for part in days), *(part[clocks[1]] for part in times)]
    found = (parts[0] >= 0) & told[clocks[1]]
    rest = np.flatnonzero(~found)
    if len(rest):
        form = pc.extract_regex(text.take(pa.array(rest)), f"^{_DATE}{_CLOCK}$")
        times, told = _times(form)
        found[rest] = told
        for part, again in zip(parts, (*_date_parts(form), *times), strict=True):
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
    """Write dates with names of months, in Chinese figures, without a day, in digits and signs."""
    if pc.any(pc.match_substring(text, "T")).as_py():
        text = pc.replace_substring_regex(text, r"(\d)T(\d)", r"\1 \2")
    odd = pc.match_substring_regex(text, f"{_ODD}|[時點號國週禮後]").fill_null(False)
    if not pc.any(odd).as_py():
        return text
    distinct = pc.dictionary_encode(text.filter(odd))
    fresh = pa.array([_in_digits(value) for value in distinct.dictionary.to_pylist()],
                     pa.large_string())  # fmt: skip
    return pc.replace_with_mask(text, odd, fresh.take(distinct.indices))


def _in_digits(text: str) -> str:
    text = text.translate(_OLD_SIGNS)
    for adornment, plain in _ADORNED:
        text = adornment.sub(plain, text)
    text = text.strip()
    if "年" in text:
        text = _NUMERAL.sub(lambda found: _arabic(found[0]), text)
    month, first = _MONTH_ONLY.fullmatch(text), _MONTH_FIRST.fullmatch(text)
    if month is not None:
        return f"{month[1]}年{month[2]}月1日"
    if first is not None:
        return f"{first[2]}-{first[1]}-1"
    week = _WEEK.fullmatch(text)
    if week is not None:
        with suppress(ValueError):
            return str(date.fromisocalendar(int(week[1]), int(week[2]), int(week[3] or 1)))
    padded, compact = _PADDED.fullmatch(text), _COMPACT.fullmatch(text)
    if padded is not None:
        year, mm, dd, hour, minute, second = padded.groups()
        clock = f" {hour}:{minute}:{second or '00'}" if hour else ""
        return f"民国{year}年{mm}月{dd}日{clock}"
    if compact is not None:
        year, mm, dd, hour, minute, second, rest = compact.groups()
        return f"{year}-{mm}-{dd} {hour}:{minute}:{second or '00'}{rest}"
    for pattern in _SPELT:
        found = pattern.fullmatch(text)
        named = _MONTHS.get(found["month"].lower()) if found else None
        if found and named:
            full = int(with_century(np.array([int(found["year"])]))[0])
            return f"{full}-{named}-{found['day']} {found['clock'].strip()}".strip()
    return text


def _arabic(numeral: str) -> str:
    """Write a numeral of a date in digits: 二〇二四 is 2024, 三十一 is 31.

    Examples
    --------
    >>> [_arabic(text) for text in ("二〇二四", "十", "十二", "三十一", "一百零三", "一百一十")]
    ['2024', '10', '12', '31', '103', '110']
    """
    hundreds, hundred, rest = numeral.partition("百")
    if hundred:
        return str(100 * int(_arabic(hundreds or "一")) + int(_arabic(rest.lstrip("零〇○")) or 0))
    if "十" not in numeral:
        return "".join(_FIGURES[figure] for figure in numeral)
    tens, _, ones = numeral.partition("十")
    return (_FIGURES[tens] if tens else "1") + (_FIGURES[ones] if ones else "0")


def _date_parts(form: pa.StructArray) -> tuple[Ints, Ints, Ints, Bools, Bools, Bools]:
    a, b, c = (_whole(form, name) for name in "abc")
    mark = _words(form, "mark")
    era = np.char.str_len(_words(form, "era").astype(str)) > 1
    return a, b, c, mark == "年", mark == ".", era & (a >= 0)


def _offsets(zones: Objects) -> Ints:
    """Return the minutes from Greenwich that texts name, as +08:00, +08 and Z."""
    offsets = np.full(len(zones), NO_ZONE, dtype=np.int64)
    for zone in {zone for zone in zones if isinstance(zone, str) and zone}:
        digits = re.sub(r"\D", "", zone).ljust(4, "0")
        minutes = int(digits[:2]) * 60 + int(digits[2:4])
        offsets[zones == zone] = -minutes if zone.startswith("-") else minutes
    return offsets


def _times(form: pa.StructArray) -> tuple[tuple[Array, Bools, Ints], Bools]:
    """Return clocks, which are Latin, their offsets; and which texts have the form.

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
    midnight = halved & (hour == 12) & ~np.isin(half, ["中午", "下午", "午后", "pm"])
    late = (np.isin(half, _LATE) & (hour < 12)) | ((half == "中午") & (hour <= _NOONTIME))
    hour = np.where(late, hour + 12, np.maximum(hour, 0))
    hour = np.where(midnight, np.where(half == "晚上", 24, 0), hour)
    micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + _micros(form)
    clock = np.where(ok, micros.astype("m8[us]"), np.timedelta64("NaT", "us"))
    return (clock, latin, _offsets(_words(form, "zone"))), form.is_valid().to_numpy(
        zero_copy_only=False
    )


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


def _words(form: pa.StructArray, name: str) -> Objects:
    words: Objects = pc.struct_field(form, name).to_pandas().to_numpy(object)
    return words


def _joined(*columns: Any) -> pa.Array:
    return pc.binary_join_element_wise(*columns, _large(""))


def _large(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())
