"""Indicators agree with the figures that cities published, and tell noise from merit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.errors import InputError
from gridmap.incidents.indicators import FORMULAS, Formula, indicators, ranking, rates, wilson

PUBLISHED = [
    ("Jingbalu, all problems", "closure", 70086, 71219, 98.41),
    ("Jingbalu, city management", "closure", 66906, 68072, 98.29),
    ("Panjin, handled by the cell", "self_handled", 24588, 24723, 99.45),
    ("Guancheng, closed", "closure", 406, 439, 92.5),
]
PARTS = {"closure": ("closed", "required"), "self_handled": ("self_handled", "accepted")}


@pytest.mark.parametrize(("place", "key", "hits", "trials", "percent"), PUBLISHED)
def test_published_figures(place: str, key: str, hits: int, trials: int, percent: float) -> None:
    upper, lower = PARTS[key]
    found = rates(pd.DataFrame({upper: [hits], lower: [trials], "deferred": [0]}))
    row = found.loc[(0, key)]
    digits = len(str(percent).split(".")[1])
    assert round(row["rate"] * 100, digits) == percent, place
    assert row["low"] < row["rate"] < row["high"]


def test_wilson_agrees_with_a_published_example() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    assert low == pytest.approx([0.2553, 0.0624, 0.0000, 0.0061], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
def test_wilson_contains_the_share_and_stays_in_bounds(n: int, share: float) -> None:
    k = round(share * n)
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    wider = wilson(k, n, 0.99)
    assert wider[0] <= low and wider[1] >= high


def test_nothing_tried_is_unknown() -> None:
    low, high = wilson(0, 0)
    assert np.isnan(low) and np.isnan(high)
    found = rates(pd.DataFrame({"closed": [0], "required": [0], "deferred": [0]}))
    assert np.isnan(found.loc[(0, "closure"), "rate"])


def test_a_third_of_perfect_cells_show_all_closed_by_chance() -> None:
    rng = np.random.default_rng(0)
    closed = rng.binomial(71, 0.984, 4000)
    assert 0.25 < (closed == 71).mean() < 0.40
    low, _ = wilson(closed, 71)
    assert low.max() < 0.984, "no cell of 71 cases can be told from the city"


def test_formulas_are_shown_and_can_be_replaced() -> None:
    cases = pd.DataFrame({"status": ["结案", "缓办", "上报"]})
    assert FORMULAS[0].text() == "结案率 = 结案 / (应结案 - 缓办)"
    left = Formula("open", "未结率", "open rate", "accepted - closed", "accepted")
    assert left.text("en") == "open rate = (accepted - closed) / accepted"
    own = Formula("closure", "结案率", "closure rate", "closed", "reported")
    assert indicators(cases, formulas=[own]).loc["closure", "denominator"] == 3
    assert indicators(cases).loc["closure", "denominator"] == 1
    with pytest.raises(InputError, match="'closed / reported' is no sum"):
        indicators(cases, formulas=[Formula("x", "x", "x", "closed / reported", "reported")])


def test_groups_add_up_to_the_whole(town: object) -> None:
    incidents = town.incidents  # type: ignore[attr-defined]
    whole = indicators(incidents)
    parts = indicators(incidents, by=["handling_level", "month"])
    for key in ("closure", "on_time", "public"):
        sums = parts.xs(key, level="indicator")[["numerator", "denominator"]].sum()
        assert sums.tolist() == whole.loc[key, ["numerator", "denominator"]].tolist()
    assert whole.loc["rework", "rate"] is not None and np.isnan(whole.loc["rework", "rate"])
    with pytest.raises(InputError, match="'nowhere'"):
        indicators(incidents, by="nowhere")


def test_ranking_does_not_reward_silence() -> None:
    loud = ["结案"] * 97 + ["处置"] * 3
    cases = pd.DataFrame(
        {
            "street": ["Loud"] * 100 + ["Quiet"] * 2 + ["Fair"] * 50,
            "status": loud + ["结案"] * 2 + ["结案"] * 50,
        }
    )
    homes = pd.Series({"Loud": 5000, "Quiet": 5000, "Fair": 3000, "Mute": 4000})
    found = ranking(cases, homes.rename_axis("street"))
    assert found["silent"].to_dict() == {"Fair": False, "Loud": False, "Quiet": True, "Mute": True}
    assert found["rank"].dropna().to_dict() == {"Fair": 1, "Loud": 2}
    assert found.loc["Mute", "reported"] == 0


def test_ranking_of_a_few_cases_ranks_below_many() -> None:
    cases = pd.DataFrame(
        {"street": ["Few"] * 3 + ["Many"] * 100, "status": ["结案"] * 102 + ["处置"]}
    )
    homes = pd.Series({"Few": 100, "Many": 3000}).rename_axis("street")
    assert ranking(cases, homes)["rank"].to_dict() == {"Many": 1, "Few": 2}
