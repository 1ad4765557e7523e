"""Columns of times: one zone for all of them, and deadlines to the end of their day."""

from __future__ import annotations

import pandas as pd
import pytest

from gridmap.errors import InputError
from gridmap.incidents.cases import count_cases
from gridmap.incidents.workflow import step_times
from gridmap.io.columns import understand


def test_a_deadline_without_an_hour_ends_with_its_day_beside_others_that_have_one() -> None:
    due = ["2026-06-20", "2026-06-20 17:00:00", "2026-06-20 24:00"]
    given = pd.DataFrame({"状态": "结案", "截止时间": due, "结案时间": "2026-06-20 18:00:00"})
    cases, _ = understand(given, "incident")
    assert count_cases(cases)["on_time"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("due", ["2026-06-30 24:00", "2026年6月30日24时", "2026-06-30"])
def test_a_deadline_at_the_end_of_the_last_day_is_in_the_account(due: str) -> None:
    given = pd.DataFrame({"状态": ["结案", "处置"], "截止时间": due})
    cases, _ = understand(given, "incident")
    assert count_cases(cases, until="2026-06-30")["required"].tolist() == [1, 1]
    assert count_cases(cases, until="2026-06-29")["required"].tolist() == [1, 0]


def test_every_moment_of_a_case_is_read_in_one_zone_and_order() -> None:
    given = pd.DataFrame(
        {"上报时间": ["2026-06-05T02:00:00Z"], "派遣时间": ["2026-06-05T03:00:00Z"],
         "结案时间": ["2026-06-05 13:00"]}
    )  # fmt: skip
    cases, _ = understand(given, "incident", time_zone="Asia/Shanghai")
    hours = step_times(cases, lang="en").set_index("name")["median_hours"]
    assert hours.to_dict() == {
        "reported → dispatched": 1, "dispatched → closed": 2, "reported → closed": 3,
    }  # fmt: skip
    with pytest.raises(InputError, match="'上报时间' is in UTC and '结案时间' is not"):
        understand(given, "incident")
    days = given.assign(结案时间="2026-06-05")
    understand(days, "incident")
    republic = pd.DataFrame({"日期": ["99/01/05"], "派遣时间": ["99/01/06"]})
    cases, _ = understand(republic, "incident", date_order="roc")
    assert cases["dispatched_at"].tolist() == [pd.Timestamp("2010-01-06")]
