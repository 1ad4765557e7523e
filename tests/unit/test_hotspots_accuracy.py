from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gridmap import InputError, accuracy
from gridmap.hotspot_analysis.accuracy import METHODS, captured
from tests.lattice import lattice, table_of


def series(seed: int = 0) -> tuple[object, pd.DataFrame]:
    """Risk trebled in a square of a thinly settled half, with a densely settled other half."""
    households = np.where(np.arange(400) % 20 < 10, 300, 1200)
    grid = lattice(20, 20, households)
    risk = np.ones(400)
    risk[[210, 211, 230, 231, 212, 232]] = 4.0
    rate = households * risk / 100
    months = pd.period_range("2024-01", periods=24, freq="M")
    counts = np.random.default_rng(seed).poisson(rate[:, None] / 6, (400, 24))
    return grid, table_of(grid, counts, month=months)


def test_pai_and_pei_by_hand() -> None:
    score = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    size = np.array([1.0, 2.0, 1.0, 1.0, 5.0])
    hits = np.array([2.0, 8.0, 0.0, 0.0, 10.0])
    got = captured(score, size, hits, np.array([0.1, 0.2, 0.3, 0.5, 1.0]))
    assert got.tolist() == [2.0, 6.0, 10.0, 10.0, 20.0]


def test_ties_come_in_together() -> None:
    hits = np.array([4.0, 0.0, 0.0, 0.0])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        got = captured(np.zeros(4), np.ones(4), hits[order], np.array([0.25]))
        assert got.tolist() == [1.0]


def test_hotspots_find_risk_and_counts_find_people() -> None:
    grid, table = series()
    by_area = accuracy(table, grid, hold_out=6, shares=[0.015])
    by_homes = accuracy(table, grid, hold_out=6, shares=[0.015], of="households")
    assert list(by_area.index.get_level_values("method").unique()) == METHODS
    assert (by_area["pei"] <= 1 + 1e-12).all()
    assert by_homes.loc[("hotspots", 0.015), "pai"] > 2.5
    assert (
        by_homes.loc[("hotspots", 0.015), "pai"]
        > by_homes.loc[("exposure per area", 0.015), "pai"] * 2
    )
    flagged = by_area.attrs["method"]["flagged_share"]["None"]
    assert 0 < flagged < 0.05 and ("count", flagged) in by_area.index


def test_everything_catches_everything() -> None:
    grid, table = series()
    found = accuracy(table, grid, shares=[1.0])
    whole = found.xs(1.0, level="share")
    assert whole["hit_rate"].tolist() == pytest.approx([1.0] * 5)
    assert whole["pai"].tolist() == pytest.approx([1.0] * 5)


def test_held_out_periods_do_not_leak() -> None:
    grid, table = series()
    altered = table.copy()
    last = table.index.get_level_values("month") == pd.Period("2025-12")
    altered.loc[last, "incidents"] = table.loc[last, "incidents"].to_numpy()[::-1]
    one, two = (accuracy(part, grid, hold_out=1).attrs["method"] for part in (table, altered))
    assert one["flagged_share"] == two["flagged_share"]
    assert one["trained"] == ["2024-01", "2025-11"] and one["held_out"] == ["2025-12", "2025-12"]


def test_categories_are_compared_apart() -> None:
    grid, table = series()
    two = pd.concat({"a": table, "b": table}, names=["category"]).reorder_levels([1, 0, 2])
    found = accuracy(two, grid, shares=[0.05])
    assert found.index.names == ["category", "method", "share"]
    pd.testing.assert_frame_equal(found.loc["a"], found.loc["b"])
    json.dumps(found.attrs["method"], allow_nan=False)
    assert "检验" in found.attrs["method"]["sentence"]["zh"]


def test_what_cannot_be_compared_is_refused() -> None:
    grid, table = series()
    with pytest.raises(InputError, match="`hold_out` is 24"):
        accuracy(table, grid, hold_out=24)
    with pytest.raises(InputError, match="above 0 and up to 1"):
        accuracy(table, grid, shares=[5])
    early = table.index.get_level_values("month") < pd.Period("2025-12")
    late = table.assign(incidents=np.where(early, 0, table["incidents"]))
    with pytest.raises(InputError, match="no incidents in the periods before"):
        accuracy(late, grid)
    with pytest.raises(InputError, match="has no periods"):
        accuracy(table_of(grid, np.ones(400)), grid)
