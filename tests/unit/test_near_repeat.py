from __future__ import annotations

import importlib
import json

import numpy as np
import pandas as pd
import pytest

from gridmap import InputError
from gridmap.incidents.near_repeat import near_repeat

START = pd.Timestamp("2026-01-01")


def scattered(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = pd.to_timedelta(rng.uniform(0, 100, n), unit="D")
    return pd.DataFrame(
        {"x": rng.uniform(0, 2000, n), "y": rng.uniform(0, 2000, n), "time": START + days}
    )


def test_pairs_are_those_of_brute_force_and_expected_their_mean() -> None:
    frame = scattered(120)
    found = near_repeat(frame, permutations=99)
    i, j = np.triu_indices(120, 1)
    x, y = frame["x"].to_numpy(), frame["y"].to_numpy()
    apart = np.hypot(x[i] - x[j], y[i] - y[j])
    days = (frame["time"] - START).dt.total_seconds().to_numpy() / 86400
    far, long = [0, 100, 200, 400], [0, 7, 14, 28]
    for a in range(3):
        near = (apart > far[a]) & (apart <= far[a + 1])
        shares = []
        for b in range(3):
            gap = np.abs(days[i] - days[j])
            soon = (gap > long[b]) & (gap <= long[b + 1])
            row = found.loc[(far[a + 1], long[b + 1])]
            assert row["pairs"] == (near & soon).sum()
            assert row["expected"] == pytest.approx(near.sum() * soon.mean())
            shares.append(row["p"])
        assert min(shares) > 0.005


def test_followers_are_noticed() -> None:
    frame = scattered(200)
    after = frame.iloc[:60].assign(
        x=lambda f: f["x"] + 20, time=lambda f: f["time"] + pd.Timedelta(days=3)
    )
    found = near_repeat(pd.concat([frame, after]), permutations=199)
    assert found.loc[(100, 7), "ratio"] > 1.8
    assert found.loc[(100, 7), "p"] == pytest.approx(1 / 200)
    assert found.loc[(400, 28), "p"] > 0.01


def test_the_seed_decides() -> None:
    frame = scattered(80)
    once, again = (near_repeat(frame, permutations=99, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)


def test_few_and_odd_reports_have_answers() -> None:
    frame = scattered(3)
    frame.loc[0, "x"] = np.nan
    frame.loc[1, "time"] = pd.NaT
    found = near_repeat(frame, permutations=99)
    assert (found["pairs"] == 0).all() and (found["p"] == 1).all() and found["ratio"].isna().all()
    method = found.attrs["method"]
    assert (method["incidents"], method["unusable"], method["ratio"]) == (1, 2, None)
    json.dumps(method, allow_nan=False)
    told: list[tuple[str, int, int]] = []
    near_repeat(frame, permutations=99, progress=lambda *step: told.append(step))
    assert told[-1] == ("near repeat", 99, 99)


def test_bad_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = scattered(10)
    with pytest.raises(InputError, match="`metres` is \\[200, 100\\]"):
        near_repeat(frame, metres=[200, 100])
    with pytest.raises(InputError, match="`days` is \\[\\]"):
        near_repeat(frame, days=[])
    with pytest.raises(InputError, match="99 or more"):
        near_repeat(frame, permutations=10)
    room = importlib.import_module("gridmap.incidents.near_repeat")
    monkeypatch.setattr(room, "_MOST_PAIRS", 3)
    with pytest.raises(InputError, match="shorter"):
        near_repeat(frame, metres=[5000])
