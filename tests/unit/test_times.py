"""Times in every form, and one order of day and month for a column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from gridmap.cli import main
from gridmap.dates import moments
from gridmap.errors import InputError
from gridmap.io import write_grid
from gridmap.language import Message


def read(*values: Any, order: Any = None) -> tuple[list[Any], list[str]]:
    notes: list[Message] = []
    times = moments(pd.Series(list(values)), "上报时间", notes, order=order)
    return [None if time is pd.NaT else str(time) for time in times], list(map(str, notes))


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31 15:02",
        "2026/1/31 15:02",
        "2026.1.31 15:02:00",
        "2026年1月31日 15时02分",
        "2026年1月31日15时2分0秒",
        "2026年1月31日 星期六 下午3:02",
        "2026-01-31（周六）15:02",
        "26年1月31日 15:02",
        "20260131 15:02:00",
        "20260131T150200",
        "202601311502",
        "20260131150200",
        "2026-01-31T15:02:00.000+08:00",
        "2026-01-31 15:02:00-0500",
        "31 Jan 2026 15:02",
        "31-Jan-26 3:02 PM",
        "January 31, 2026 3:02 p.m.",
        "Sat, 31 Jan 2026 15:02:00",
        "Sat Jan 31 15:02:00 CST 2026",
        "２０２６／１／３１　１５：０２",
        "2026/1/31 3:02 下午",
        "2026年1月31日 午后3:02",
        "20260131 15:02",
        "31-JAN-26 03.02.00.000000 PM",
        "31-1月 -26 03.02.00.000000 下午",
        "31st January 2026 15:02",
        "2026-01-31 15:02 北京时间",
        "2026-01-31T15:02:00+08:00[Asia/Shanghai]",
        "2026-01-31t15:02",
        "\ufeff2026-01-31 15:02\u200b",
        "2026년 1월 31일 오후 3시 2분",
    ],
)
def test_forms_that_need_no_guess(text: str) -> None:
    assert read(text) == (["2026-01-31 15:02:00"], [])
    assert read(text, "昨天")[0] == ["2026-01-31 15:02:00", None]


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (46053.626389, "2026-01-31 15:02:00"),
        ("46053", "2026-01-31 00:00:00"),
        (20260131, "2026-01-31 00:00:00"),
        (20260131150203, "2026-01-31 15:02:03"),
        ("20260131", "2026-01-31 00:00:00"),
        ("2026-W05-6", "2026-01-31 00:00:00"),
        ("2026W05", "2026-01-26 00:00:00"),
        ("2026年1月31日 中午11:30", "2026-01-31 11:30:00"),
        ("2026年1月31日 中午1:30", "2026-01-31 13:30:00"),
        ("2026年1月31日 傍晚6点半", "2026-01-31 18:30:00"),
        ("2026年1月31日 8时三刻", "2026-01-31 08:45:00"),
    ],
)
def test_times_in_figures(value: Any, time: str) -> None:
    assert read(value) == ([time], [])


@pytest.mark.parametrize("value", [1769871723, 1769871723000, "1769871723000", 1769871723000000,
                                   1769871723000000000, "/Date(1769871723000)/"])  # fmt: skip
def test_seconds_since_1970_are_utc_and_told(value: Any) -> None:
    times, notes = read(value)
    assert times == ["2026-01-31 15:02:03"]
    assert "in UTC" in notes[0]


@pytest.mark.parametrize("text", ["R.O.C. 115/01/31", "ROC 115.1.31", "民國115年元月31日"])
def test_years_of_the_republic_by_its_letters(text: str) -> None:
    assert read(text)[0] == ["2026-01-31 00:00:00"]
    assert read("民國元年1月5日")[0] == ["1912-01-05 00:00:00"]


@pytest.mark.parametrize("text", ["2567-01-31", "1402/10/15", "2204-01-05"])
def test_years_of_another_calendar_are_told(text: str) -> None:
    assert f"row 1 '{text}'. Mend the year" in read(text)[1][0]


def test_day_first_when_one_day_is_above_12() -> None:
    times, notes = read("03/02/2026", "31/01/2026 09:05")
    assert times == ["2026-02-03 00:00:00", "2026-01-31 09:05:00"]
    assert notes == ["上报时间 read as day/month/year, as row 1 '03/02/2026'."]


def test_month_first_when_one_second_part_is_above_12() -> None:
    assert read("03/02/2026", "01/31/2026")[0] == ["2026-03-02 00:00:00", "2026-01-31 00:00:00"]


def test_month_first_with_am_and_pm() -> None:
    times, _ = read("03/02/2026 03:02 PM", "04/05/2026 12:02 AM")
    assert times == ["2026-03-02 15:02:00", "2026-04-05 00:02:00"]
    assert read("03/02/2026 3:02 PM", "31/01/2026 1:00 AM")[0][0] == "2026-02-03 15:02:00"


def test_day_first_with_dots() -> None:
    assert read("07.02.2026 8:00", "08.02.2026")[0] == [
        "2026-02-07 08:00:00",
        "2026-02-08 00:00:00",
    ]


def test_both_orders_are_an_error_with_rows() -> None:
    with pytest.raises(InputError, match=r"row 1 '31/01/2026'.*row 3 '01/31/2026'"):
        read("31/01/2026", "02/02/2026", "01/31/2026")


def test_days_and_months_that_could_be_exchanged_are_refused_with_the_cure() -> None:
    with pytest.raises(InputError, match=r"day/month/year .`date_order=.dmy.`.*row 2 '03/04/2026'"):
        read("03/03/2026", "03/04/2026")
    assert read("03/04/2026", order="dmy")[0] == ["2026-04-03 00:00:00"]
    assert read("03/04/2026", order="mdy")[0] == ["2026-03-04 00:00:00"]
    assert read("03/03/2026", "5/5/2026")[0] == ["2026-03-03 00:00:00", "2026-05-05 00:00:00"]
    with pytest.raises(InputError, match="date_order"):
        read("03/04/2026", order="ydm")


def test_years_of_two_digits() -> None:
    assert read("1/31/26")[0] == ["2026-01-31 00:00:00"]
    assert read("31/12/99", "30/11/68", order="dmy")[0] == [
        "1999-12-31 00:00:00",
        "2068-11-30 00:00:00",
    ]
    assert read("26-1-5", order="ymd")[0] == ["2026-01-05 00:00:00"]
    with pytest.raises(InputError, match="year/month/day"):
        read("26-1-31")


def test_a_date_that_is_none_does_not_decide() -> None:
    times, notes = read("45/45/2026", "31/01/2026", "2026-02-30", "2026-01-31 25:00")
    assert times == [None, "2026-01-31 00:00:00", None, None]
    assert "3 rows of 上报时间 are no times: row 1 '45/45/2026', row 3 '2026-02-30'" in notes[1]


@pytest.mark.parametrize(
    ("clock", "time"),
    [
        ("24:00", "2026-02-01 00:00:00"),
        ("晚上12点", "2026-02-01 00:00:00"),
        ("晚上8:30", "2026-01-31 20:30:00"),
        ("中午12:30", "2026-01-31 12:30:00"),
        ("上午12:30", "2026-01-31 00:30:00"),
        ("下午12:30", "2026-01-31 12:30:00"),
        ("12:30 AM", "2026-01-31 00:30:00"),
        ("24:01", None),
        ("10:61", None),
        ("上午 10:00 PM", None),
    ],
)
def test_clocks(clock: str, time: str | None) -> None:
    assert read(f"2026-01-31 {clock}")[0] == [time]


def test_clocks_in_utc_are_told_and_never_mixed() -> None:
    times, notes = read("2026-01-31T15:02:03Z")
    assert times == ["2026-01-31 15:02:03"]
    assert "in UTC" in notes[0]
    with pytest.raises(InputError, match=r"row 1 .*Z'.*row 2 .*\+08:00'"):
        read("2026-01-31T15:02:03Z", "2026-01-31T15:02:03+08:00")


FORMS: dict[str, Callable[[datetime], str]] = {
    "slashes": lambda t: f"{t.year}/{t.month}/{t.day} {t.hour}:{t.minute:02}:{t.second:02}",
    "chinese": lambda t: f"{t.year}年{t.month}月{t.day}日{t.hour}时{t.minute}分{t.second}秒",
    "american": lambda t: t.strftime("%m/%d/%Y %I:%M:%S %p"),
    "british": lambda t: t.strftime("%d/%m/%Y %H:%M:%S"),
    "figures": lambda t: t.strftime("%Y%m%d%H%M%S"),
    "named": lambda t: t.strftime("%d %b %Y %H:%M:%S"),
    "offset": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S+08:00"),
}
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(
    lambda time: time.replace(microsecond=0)
)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(times=st.lists(TIMES, min_size=1, max_size=6))
def test_every_form_is_read_back_or_refused(form: str, times: list[datetime]) -> None:
    try:
        found, _ = read(*map(FORMS[form], times))
    except InputError:
        assert form == "british" and all(time.day <= 12 for time in times)
        return
    same = all(time.day <= 12 for time in times) and form == "british"
    assert same or found == [str(time) for time in times]


def test_the_order_is_told_at_the_command_line(grid: Any, tmp_path: Any) -> None:
    write_grid(grid, tmp_path / "g.gpkg")
    x, y = (float(v) for v in grid.cells.geometry.iloc[0].representative_point().coords[0])
    lines = ["X坐标,Y坐标,上报时间,处置状态", f"{x},{y},03/04/2026,结案"]
    (tmp_path / "c.csv").write_text("\n".join(lines) + "\n")
    command = ["indicators", str(tmp_path / "g.gpkg"), str(tmp_path / "c.csv"), "--json"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "--date-order" in refused.stderr
    told = CliRunner().invoke(main, [*command, "--date-order", "dmy"])
    assert told.exit_code == 0, told.output


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("西元2024年1月5日", "2024-01-05 00:00:00"),
        ("2024年元月5日", "2024-01-05 00:00:00"),
        ("二〇二四年一月廿五日", "2024-01-25 00:00:00"),
        ("2024年1月5日星期五", "2024-01-05 00:00:00"),
        ("2024年1月5日 周五 9:00", "2024-01-05 09:00:00"),
        ("2024-01-05 08:00:00 UTC+8", "2024-01-05 08:00:00"),
        ("2024-01-05 08:00:00 GMT+0800", "2024-01-05 08:00:00"),
        ("2024-01-05 08:00:00 +0800 CST", "2024-01-05 08:00:00"),
        ("Fri Jan 05 2024 08:00:00 GMT+0800 (中国标准时间)", "2024-01-05 08:00:00"),
        ("'2024-01-05", "2024-01-05 00:00:00"),
        ("2024.01.05.", "2024-01-05 00:00:00"),
        ("2024—01—05", "2024-01-05 00:00:00"),
        ("2024 01 05", "2024-01-05 00:00:00"),
        ("202405", "2024-05-01 00:00:00"),
        ("202413", None),
    ],
)
def test_what_stands_around_a_date_is_no_part_of_it(text: str, time: str | None) -> None:
    assert read(text)[0] == [time]


def test_figures_of_the_republic_of_any_length() -> None:
    assert read("990105", "1130105")[0] == ["2010-01-05 00:00:00", "2024-01-05 00:00:00"]
    assert read("990105", order="roc")[0] == ["2010-01-05 00:00:00"]
    assert read("11301051430")[0] == ["2024-01-05 14:30:00"]
    assert read("1130105143000")[0] == ["2024-01-05 14:30:00"]
    epoch = [1_130_105_143_000, 1_130_105_999_000]  # of which one is none of the Republic's
    assert read(*map(str, epoch))[0] == [
        str(datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)) for ms in epoch
    ]


def counted(number: int) -> str:
    """Write a number up to 199 as it is said: 103 is 一百零三, 113 is 一百一十三."""
    figures = "零一二三四五六七八九"
    tens, ones = divmod(number % 100, 10)
    first = "一百" if number >= 100 else ""
    middle = ("" if not first and tens == 1 else figures[tens]) + "十" if tens else ""
    gap = "零" if first and not tens and ones else ""
    return first + gap + middle + (figures[ones] if ones else "")


@settings(deadline=None)
@given(st.datetimes(datetime(2011, 1, 1), datetime(2110, 12, 31, 23, 59)))
def test_years_of_the_republic_in_words_and_in_figures_with_a_clock(day: datetime) -> None:
    year = day.year - 1911
    said = f"民國{counted(year)}年{counted(day.month)}月{counted(day.day)}日"
    assert read(said)[0] == [f"{day:%Y-%m-%d} 00:00:00"]
    assert read(f"{year}{day:%m%d %H%M}")[0] == [f"{day:%Y-%m-%d %H:%M}:00"]


@settings(deadline=None)
@given(st.datetimes(datetime(1961, 1, 1), datetime(2010, 12, 31, 23, 59)))
def test_a_nought_before_a_year_of_the_republic_tells_it(day: datetime) -> None:
    padded = f"0{day.year - 1911}{day:%m%d}"
    assert read(padded)[0] == [f"{day:%Y-%m-%d} 00:00:00"]
    assert read(f"{padded} {day:%H:%M}")[0] == [f"{day:%Y-%m-%d %H:%M}:00"]
    assert read(padded, "1130105")[0][1] == "2024-01-05 00:00:00"
    assert read(f"0{day.year - 1911}/{day:%m/%d}")[0] == [f"{day:%Y-%m-%d} 00:00:00"]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024/5/6（一）", "2024-05-06 00:00:00"),
        ("2024-05-06(周一) 08:30", "2024-05-06 08:30:00"),
        ("2024/05/06 （一） 下午 3:02", "2024-05-06 15:02:00"),
        ("113/05/06（一）", "2024-05-06 00:00:00"),
        ("113/05/06(一) 08:30", "2024-05-06 08:30:00"),
        ("113年5月6日（週一）08:30", "2024-05-06 08:30:00"),
        ("2024-05-06 08:30（一）", "2024-05-06 08:30:00"),
        ("2024-05-06 (Monday) 08:30", "2024-05-06 08:30:00"),
        ("2024-05-06 Mon 08:30", "2024-05-06 08:30:00"),
        ("MON, 2024-05-06 08:30", "2024-05-06 08:30:00"),
        ("2024-05-06 08:00 CST", "2024-05-06 08:00:00"),
        ("2024-05-06 8:00 PM CDT", "2024-05-06 20:00:00"),
        ("May 6, 2024 08:00 CST", "2024-05-06 08:00:00"),
        ("Mon May 6 08:00 CST 2024", "2024-05-06 08:00:00"),
        ("2024−05−06 08:00", "2024-05-06 08:00:00"),
        ("2024-05-06 08:00 EST", None),  # whose clock, when a zone is told, is another
        ("2024-127", None),  # the day of a year, or the number of a case
        ("2024/5/6（二三）", None),
    ],
)
def test_weekdays_and_letters_of_a_zone_stand_beside_a_date(text: str, time: str | None) -> None:
    assert read(text)[0] == [time]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2024-05-06 08:00 +8:00", 8), ("2024-05-06T08:00:00+8:00", 8),
        ("2024-05-06 08:00 GMT+8:00", 8), ("2024-05-06T08:00:00−05:00", -5),
        ("2024-05-06 08:00 −5", -5), ("Mon May 6 08:00 UTC 2024", 0),
        ("2024-05-06（一）08:00 UTC", 0), ("/Date(1714982400000+0800)/", 0),
        ("/Date(1714982400000-0500)/", 0),
    ],
)  # fmt: skip
def test_a_zone_however_written_tells_the_instant(text: str, offset: int) -> None:
    """What the service of Microsoft puts after its milliseconds does not move them."""
    instant = pd.Timestamp("2024-05-06 08:00") - pd.Timedelta(hours=offset)
    assert moments(pd.Series([text]), "上报时间", [], zone="UTC").tolist() == [instant]


@pytest.mark.parametrize("zone", ["JST", "EST", "HKT", "PDT"])
def test_letters_of_a_zone_that_are_not_known_are_no_time(zone: str) -> None:
    for text in (f"Mon May 6 08:00 {zone} 2024", f"2024-05-06 08:00 ({zone})"):
        notes: list[Message] = []
        assert moments(pd.Series([text]), "time", notes).isna().all()
        assert "is no time" in str(notes[0])


@pytest.mark.parametrize("day", range(0, 400, 23))
def test_a_weekday_that_its_date_is_not_is_told(day: int) -> None:
    date = datetime(2023, 12, 1, tzinfo=UTC) + timedelta(day)
    for number, names in enumerate(
        zip(
            "一二三四五六日",
            ["Mon", "Tuesday", "Wed", "Thurs", "FRI", "Saturday", "sun"],
            strict=True,
        )
    ):
        for text in (
            f"{date:%Y-%m-%d} 周{names[0]}",
            f"{date:%Y/%m/%d}({names[0]}) 08:05",
            f"民國{date.year - 1911}年{date.month}月{date.day}日 星期{names[0]}",
            f"{names[1]}, {date.day} {date:%b} {date.year} 08:05:00 +0800",
            f"{names[1]} {date:%b} {date.day} 08:05:00 +0800 {date.year}",
        ):
            notes: list[Message] = []
            read = moments(pd.Series([text]), "time", notes)
            assert read[0].date() == date.date()
            told = any("weekday" in str(note) for note in notes)
            assert told == (number != date.weekday()), text
