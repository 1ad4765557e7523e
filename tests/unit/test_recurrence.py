from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gridmap import InputError
from gridmap.incidents.recurrence import recheck, recurrence
from gridmap.incidents.space_time import during
from gridmap.intervals import wilson


def cases(rows: list[tuple[str, str, str | None]], **more: object) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["code", "time", "closed"])
    frame["time"] = pd.to_datetime(frame["time"], format="mixed")
    frame["closed"] = pd.to_datetime(frame["closed"], format="mixed")
    return frame.assign(category="waste", subcategory="heap").assign(**more)


def test_only_mature_closures_count() -> None:
    frame = cases(
        [
            ("A", "2026-01-01", "2026-01-02"),
            ("A", "2026-01-20", "2026-01-21"),  # follows the first
            ("A", "2026-02-01", "2026-02-10"),  # follows the second; not mature on 03-01
            ("B", "2026-03-01", None),
        ]
    )
    found = recurrence(frame)
    assert found["follows"].tolist()[1:3] == [0, 1] and found["follows"].isna().sum() == 2
    assert found["mature"].tolist() == [True, True, False, False]
    assert found["recurred"].tolist() == [True, True, False, False]
    method = found.attrs["method"]
    assert (method["mature"], method["recurred"], method["closed"]) == (2, 2, 3)
    later = recurrence(frame, until="2026-06-01")
    assert later["mature"].tolist() == [True, True, True, False]
    assert later.attrs["method"]["share"] == pytest.approx(2 / 3)
    json.dumps(later.attrs["method"], allow_nan=False)


def test_thirty_days_and_not_a_moment_more() -> None:
    rows = [("A", "2026-01-01", "2026-01-02"), ("A", "2026-02-01", None)]
    assert recurrence(cases(rows))["follows"].tolist()[1] == 0
    rows[1] = ("A", "2026-02-01 00:01", None)
    assert recurrence(cases(rows))["follows"].isna().all()
    # a report made before the closure does not follow it
    rows[1] = ("A", "2026-01-01 12:00", None)
    assert recurrence(cases(rows))["follows"].isna().all()


def test_the_place_counts_when_both_are_located() -> None:
    rows = [("A", "2026-01-01", "2026-01-02"), ("A", "2026-01-10", None)]
    near = cases(rows, x=[0.0, 40.0], y=[0.0, 30.0])
    far = cases(rows, x=[0.0, 40.0], y=[0.0, 31.0])
    half = cases(rows, x=[0.0, np.nan], y=[0.0, np.nan])
    other_half = cases(rows, x=[np.nan, 0.0], y=[np.nan, 0.0])
    assert recurrence(near).loc[1, "distance_m"] == 50
    assert recurrence(far)["follows"].isna().all()
    assert recurrence(half)["follows"].tolist()[1] == 0
    assert recurrence(other_half)["follows"].tolist()[1] == 0
    assert np.isnan(recurrence(half).loc[1, "distance_m"])


def test_cell_and_kind_must_agree_and_the_latest_closure_is_followed() -> None:
    frame = cases(
        [
            ("A", "2026-01-01", "2026-01-02"),
            ("A", "2026-01-02", "2026-01-05"),
            ("B", "2026-01-06", "2026-01-07"),
            ("A", "2026-01-10", None),
        ]
    )
    assert recurrence(frame)["follows"].tolist()[3] == 1
    other = frame.assign(subcategory=["heap", "ads", "heap", "heap"])
    assert recurrence(other)["follows"].tolist()[3] == 0
    assert recurrence(other, same=[])["follows"].tolist()[3] == 1


def test_the_index_agrees_with_brute_force() -> None:
    rng = np.random.default_rng(4)
    n = 300
    opened = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.uniform(0, 120, n), unit="D")
    place = np.where(rng.random((2, n)) < 0.1, np.nan, rng.uniform(0, 300, (2, n)))
    frame = pd.DataFrame(
        {
            "code": rng.choice(["A", "B"], n),
            "time": opened,
            "closed": opened + pd.to_timedelta(rng.uniform(0, 9, n), unit="D"),
            "category": "waste",
            "subcategory": rng.choice(["heap", "ads"], n),
            "x": place[0],
            "y": place[1],
        }
    )
    frame.loc[rng.choice(n, 40, replace=False), "closed"] = pd.NaT
    found = recurrence(frame)["follows"].to_numpy()
    opened_at, closed_at = frame["time"].to_numpy(), frame["closed"].to_numpy()
    kind = (frame["code"] + frame["subcategory"]).to_numpy()
    for report in range(n):
        gap = opened_at[report] - closed_at
        apart = np.hypot(*(place - place[:, [report]]))
        fits = (gap > np.timedelta64(0)) & (gap <= np.timedelta64(30, "D"))
        fits &= (kind == kind[report]) & ~(apart > 50)
        if fits.any():
            assert found[report] == np.argmax(
                np.where(fits, closed_at, np.datetime64("1970-01-01"))
            )
        else:
            assert np.isnan(found[report])
    assert np.isfinite(found).sum() > 20


def test_odd_rows_are_left_out_and_told() -> None:
    frame = cases(
        [
            ("A", "2026-01-05", "2026-01-02"),  # closed before it was reported
            ("A", None, "2026-01-02"),
            (None, "2026-01-06", None),
            ("A", "2026-01-07", None),
        ]
    )
    found = recurrence(frame)
    assert found["follows"].isna().all()
    assert found.attrs["method"]["closed_before_reported"] == 1
    assert found.attrs["method"]["share"] is None
    empty = recurrence(cases([]))
    assert empty.empty and empty.attrs["method"]["until"] is None


def test_recheck_lists_the_frequent_and_the_repeated() -> None:
    rows = [("A", f"2026-01-{day:02}", f"2026-01-{day:02} 12:00") for day in (1, 5, 9)]
    rows += [("B", f"2026-01-{day:02}", None) for day in range(1, 7)]
    rows += [("C", "2026-01-01", "2026-01-02"), ("A", "2026-04-01", None)]
    frame = cases(rows)
    listed = recheck(frame, recurrence(frame))
    assert listed.index.get_level_values("code").tolist() == ["A", "B"]
    assert listed["repeated"].tolist() == [True, False]
    assert listed["frequent"].tolist() == [False, True]
    assert listed["share"].tolist()[0] == pytest.approx(2 / 3)
    assert np.isnan(listed["share"].tolist()[1])
    with pytest.raises(InputError, match="does not belong"):
        recheck(frame, recurrence(frame.iloc[:3]))


def test_wilson_interval_of_the_reference() -> None:
    low, high = wilson([70086, 66], [71219, 71])
    assert (low[0], high[0]) == pytest.approx((0.983145932846, 0.984984495366), abs=1e-10)
    assert (low[1], high[1]) == pytest.approx((0.845509868862, 0.96954639756), abs=1e-10)


def test_days_are_kept_whole() -> None:
    frame = cases([("A", "2026-01-01", None), ("A", "2026-01-02 23:59", None), ("A", None, None)])
    assert len(during(frame)) == 3
    assert len(during(frame, since="2026-01-01", until="2026-01-02")) == 2
    assert len(during(frame, since="2026-01-02")) == 1
    with pytest.raises(InputError, match="Swap them"):
        during(frame, since="2026-01-03", until="2026-01-01")
    with pytest.raises(InputError, match="give a day"):
        during(frame, since="soon")


def test_bad_input_is_refused() -> None:
    frame = cases([("A", "2026-01-01", "2026-01-02")])
    with pytest.raises(InputError, match="no column `code`"):
        recurrence(frame.drop(columns="code"))
    with pytest.raises(InputError, match="no column `closed`"):
        recurrence(frame.drop(columns="closed"))
    with pytest.raises(InputError, match="`days` is 0"):
        recurrence(frame, days=0)
    with pytest.raises(InputError, match="no date"):
        recurrence(frame, until="soon")
