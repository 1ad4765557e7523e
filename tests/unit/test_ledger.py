"""The ledger: stages, levels and counts of cases."""

from __future__ import annotations

import pandas as pd
import pytest

import gridmap as gm
from gridmap.errors import InputError
from gridmap.incidents.cases import count_cases, funnel, levels, levels_of, statuses, usual_levels
from gridmap.vocabulary import vocabulary


def test_stages_come_in_the_order_of_the_process() -> None:
    order = sorted(statuses(), key=lambda stage: int(statuses()[stage]["order"]))
    process = [s for s in order if s not in ("rejected", "deferred")]
    assert process == ["reported", "accepted", "dispatched", "handled", "checked", "closed"]
    assert [int(row["order"]) for row in levels().values()] == [1, 2, 3, 4, 5]


def test_statuses_are_understood_as_cities_write_them() -> None:
    known = vocabulary("statuses")
    given = pd.Series(["已结案", " 办结 ", "Closed", "处置中", "挂账", "缓办、结案"])
    assert known.read(given).tolist() == [
        "closed", "closed", "closed", "handled", "deferred", "closed",
    ]  # fmt: skip
    hotline = pd.Series(["已登记", "待派单", "已转办", "办理中", "待回访", "已归档", "已撤单"])
    order = ["reported", "accepted", "dispatched", "handled", "checked", "closed", "rejected"]
    assert known.read(hotline).tolist() == order


def test_an_unknown_status_is_told_and_is_unknown() -> None:
    cases = pd.DataFrame({"status": ["结案", "处置", "飞走了", "飞走了", None]})
    with pytest.warns(UserWarning, match=r"not known: '飞走了' \(2\)\. .*飞走了,reported"):
        counts = count_cases(cases).sum()
    assert counts["reported"] == 5
    assert counts["accepted"] == counts["required"] == 2
    assert counts["closed"] == 1
    with pytest.warns(UserWarning, match="not known"):
        found = funnel(cases)
    assert found["cases"].tolist() == [2, 2, 2, 2, 1, 1]
    assert found["share"].iloc[0] == 1 and found.attrs["unknown"] == 3
    with pytest.warns(UserWarning, match="not known"):
        groups = gm.indicators(cases.assign(street=list("AABBB")), by="street")
    assert groups.loc[("A", "closure"), "rate"] == 0.5
    assert pd.isna(groups.loc[("B", "closure"), "rate"])
    assert groups.loc[("B", "closure"), "unknown"] == 3
    with pytest.raises(InputError, match="tells the stage of a case"):
        count_cases(pd.DataFrame({"x": [1]}))


def test_an_unknown_level_is_told_and_one_not_handled_yet_is_none() -> None:
    cases = pd.DataFrame({"status": "结案", "handling_level": ["云端", "网格", None]})
    with pytest.warns(UserWarning, match=r"not known: '云端' \(1\)\."):
        assert count_cases(cases)["self_handled"].sum() == 1
    with pytest.warns(UserWarning, match="count as unknown"):
        assert funnel(cases, of="handling_level")["cases"].tolist() == [1, 0, 0, 0]
    assert count_cases(cases[1:])["escalated"].sum() == 0


def test_what_is_not_due_yet_need_not_be_closed() -> None:
    cases = pd.DataFrame(
        {
            "status": ["结案", "处置", "处置", "缓办", "上报", "不予立案"],
            "due": pd.to_datetime(["2026-03-09", "2026-01-05", "2026-03-01"] + ["2026-01-09"] * 3),
            "closed": pd.to_datetime(["2026-01-02", None, None, None, None, None]),
        }
    )
    counts = count_cases(cases, until="2026-01-31").sum()
    assert counts["reported"] == 6
    assert counts["accepted"] == 4
    assert counts["required"] == 3  # closed already, due and open, deferred
    assert counts["deferred"] == 1
    assert counts["closed"] == counts["on_time"] == 1


def test_unknown_columns_are_unknown_not_zero() -> None:
    counts = count_cases(pd.DataFrame({"status": ["结案"]}))
    assert counts[["reworked", "self_handled", "escalated", "public"]].isna().all(axis=None)


def test_usual_levels_come_from_a_table_that_can_be_replaced(town: object) -> None:
    incidents = town.incidents  # type: ignore[attr-defined]
    usual = usual_levels(incidents)
    taken = levels_of(incidents["handling_level"])
    assert (taken >= usual).all(), "cases are passed up, never down"
    assert 0.01 < (taken > usual).mean() < 0.10
    own = pd.DataFrame({"subcategory": ["暴露垃圾"], "level": ["区"]})
    assert usual_levels(incidents, own).dropna().eq(4).all()
    with pytest.raises(InputError, match="`table` has no column 'level'"):
        usual_levels(incidents, own.drop(columns="level"))


def test_the_funnel_narrows(town: object) -> None:
    incidents = town.incidents  # type: ignore[attr-defined]
    found = funnel(incidents)
    assert found["cases"].iloc[0] == len(incidents)
    assert found["cases"].is_monotonic_decreasing
    assert found["cases"].iloc[-1] == (incidents["status"] == "结案").sum()
    settled = funnel(incidents, of="handling_level", lang="en")
    assert settled["cases"].sum() == len(incidents)
    assert settled["share"].sum() == pytest.approx(1)
    with pytest.raises(InputError, match="no column 'handling_level'"):
        funnel(incidents.drop(columns="handling_level"), of="handling_level")


def test_what_assign_returns_is_understood(town: object, grid: object) -> None:
    placed = gm.assign(town.incidents, grid)  # type: ignore[attr-defined]
    own = town.incidents  # type: ignore[attr-defined]
    assert funnel(placed).equals(funnel(own))
    assert gm.indicators(placed).equals(gm.indicators(own))
    bare = gm.assign(own[["geometry"]], grid)
    for question in (funnel, gm.indicators):
        with pytest.raises(InputError, match="tells the stage of a case"):
            question(bare)
        with pytest.raises(InputError, match="tells the stage of a case"):
            question(own[["geometry"]])
