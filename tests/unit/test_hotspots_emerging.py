from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gridmap import InputError, emerging
from gridmap.hotspot_analysis.emerging import PATTERNS, SIDES, classify, cube, mann_kendall
from gridmap.hotspot_analysis.weights import matrix_of, windows
from tests.lattice import lattice, table_of

SQUARE = ["r04c04", "r04c05", "r05c04", "r05c05"]


def history(steps: int = 12, level: int = 6) -> tuple[object, pd.DataFrame]:
    grid = lattice(10, 10)
    months = pd.period_range("2025-01", periods=steps, freq="M")
    return grid, table_of(grid, np.full((100, steps), level), month=months)


def named(pattern: str, trend: float = 0.0) -> tuple[str, str]:
    hot = np.array([[mark == "H" for mark in pattern]])
    cold = np.array([[mark == "C" for mark in pattern]])
    side, number = classify(hot, cold, np.array([trend]))
    return SIDES[side[0]], PATTERNS[number[0]]


@pytest.mark.parametrize(
    ("pattern", "trend", "expected"),
    [
        (".........H", 0.0, ("hot", "new")),
        (".......HHH", 0.0, ("hot", "consecutive")),
        (".HHHHHHHHH", 0.0, ("hot", "persistent")),
        ("HHHHHHHHHH", 2.1, ("hot", "intensifying")),
        ("HHHHHHHHHH", -2.1, ("hot", "diminishing")),
        ("HHHHHHHHH.", 0.0, ("hot", "historical")),
        (".H..H....H", 0.0, ("hot", "sporadic")),
        ("CH.......H", 0.0, ("hot", "oscillating")),
        ("..H.......", 0.0, ("", "none")),
        ("..........", 0.0, ("", "none")),
        (".........C", 0.0, ("cold", "new")),
        ("CCCCCCCCCC", -2.1, ("cold", "intensifying")),
        ("CCCCCCCCCC", 2.1, ("cold", "diminishing")),
        ("HHHHHHHHHC", 0.0, ("cold", "oscillating")),
    ],
)
def test_patterns(pattern: str, trend: float, expected: tuple[str, str]) -> None:
    assert named(pattern, trend) == expected


def test_a_square_that_lights_up_in_the_last_month_is_new() -> None:
    grid, table = history()
    table.loc[(SQUARE, pd.Period("2025-12")), "incidents"] = 60
    found = emerging(table, grid)
    assert found.index.equals(grid.cells.index)
    assert found.loc[SQUARE, "pattern"].tolist() == ["new"] * 4
    assert found.loc[SQUARE, "side"].tolist() == ["hot"] * 4
    assert (found.drop(SQUARE)["side"] != "cold").all()
    assert found.attrs["method"]["hot"]["new"] >= 4


def test_a_square_that_always_burns_is_persistent_or_intensifies() -> None:
    grid, table = history()
    rng = np.random.default_rng(0)
    table["incidents"] = rng.poisson(6, len(table))
    growing = table.copy()
    months = table.index.get_level_values("month").unique()
    for step, month in enumerate(months):
        table.loc[(SQUARE, month), "incidents"] = rng.poisson(40, 4)
        growing.loc[(SQUARE, month), "incidents"] = 25 + 8 * step
    # a level series shows a trend once in twenty
    assert (emerging(table, grid).loc[SQUARE, "pattern"] == "persistent").sum() >= 3
    found = emerging(growing, grid)
    assert (found.loc[SQUARE, "pattern"] == "intensifying").all()
    assert (found.loc[SQUARE, "tau"] > 0.5).all()


def test_a_busy_season_is_no_hotspot() -> None:
    grid, table = history()
    rng = np.random.default_rng(1)
    level = np.tile(np.r_[np.full(9, 6), np.full(3, 30)], 100)
    table["incidents"] = rng.poisson(level)
    assert (emerging(table, grid)["side"] == "").all()


def test_categories_have_their_own_histories() -> None:
    grid = lattice(10, 10)
    months = pd.period_range("2025-01", periods=10, freq="M")
    table = table_of(grid, np.full((100, 2, 10), 6), category=["a", "b"], month=months)
    table.loc[(SQUARE, "b", months[-1]), "incidents"] = 60
    found = emerging(table, grid)
    assert found.index.names == ["code", "category"]
    assert len(found) == 200
    assert (found.xs("a", level="category")["side"] == "").all()
    assert (found.xs("b", level="category").loc[SQUARE, "pattern"] == "new").all()


def test_missing_periods_are_zeros_between_first_and_last() -> None:
    grid, table = history()
    gap = table.drop(index=pd.period_range("2025-04", "2025-06", freq="M"), level="month")
    found = emerging(gap, grid)
    assert found["periods"].unique().tolist() == [12]
    filled = table.copy()
    filled.loc[(slice(None), pd.period_range("2025-04", "2025-06", freq="M")), "incidents"] = 0
    pd.testing.assert_frame_equal(found, emerging(filled, grid))


def test_all_zeros_no_base_and_short_histories_have_answers() -> None:
    grid, table = history()
    nothing = emerging(table.assign(incidents=0), grid)
    assert (nothing["gate"] == "too few").all() and (nothing["pattern"] == "none").all()
    assert nothing.notna().all(axis=None)
    bare = lattice(3, 3, [0] + [400] * 8)
    months = pd.period_range("2025-01", periods=3, freq="M")
    found = emerging(table_of(bare, np.full((9, 3), 9), month=months), bare)
    assert found["gate"].tolist()[0] == "no base"
    assert any("不足 10 期" in line for line in found.attrs["method"]["caveats"]["zh"])
    json.dumps(found.attrs["method"], allow_nan=False)


def test_tables_without_history_are_refused() -> None:
    grid, table = history()
    with pytest.raises(InputError, match="has no periods"):
        emerging(table_of(grid, np.ones(100)), grid)
    with pytest.raises(InputError, match="1 period"):
        emerging(table.xs(pd.Period("2025-01"), level="month", drop_level=False), grid)
    with pytest.raises(InputError, match="`back` is -1"):
        emerging(table, grid, back=-1)


def test_the_cube_joins_steps_as_their_sum() -> None:
    grid = lattice(6, 6)
    counts = np.random.default_rng(0).poisson(8, (36, 5))
    within = windows(matrix_of(grid.contiguity, grid.cells.index))
    base = np.full(36, 400.0)
    alone, joined = cube(counts, base, within, back=0), cube(counts, base, within, back=1)
    np.testing.assert_allclose(joined.z[:, 0], alone.z[:, 0])
    assert (joined.ratio == alone.ratio).all()
    assert joined.ratio.mean() == pytest.approx(1.0, abs=0.05)
    expected = alone.window_expected[:, 1:] + alone.window_expected[:, :-1]
    np.testing.assert_allclose(joined.window_expected[:, 1:], expected)
    # by chance alone the joined score keeps its spread
    many = np.random.default_rng(1).poisson(8, (36, 2000))
    assert cube(many, base, within, back=1).z.std() == pytest.approx(1.0, abs=0.03)


def test_mann_kendall_counts_pairs() -> None:
    series = np.random.default_rng(0).integers(0, 4, (20, 9)).astype(float)
    i, j = np.triu_indices(9, 1)
    assert mann_kendall(series).s.tolist() == np.sign(series[:, j] - series[:, i]).sum(1).tolist()
    assert mann_kendall(series[:, :1]).z.tolist() == [0.0] * 20
    assert mann_kendall(series[:0]).z.tolist() == []


def test_histories_without_households_or_differences_have_answers() -> None:
    months = pd.period_range("2026-01", periods=4, freq="M")
    for households, level, gate in ((0, 9, "no base"), (400, 20, "constant"), (400, 0, "too few")):
        grid = lattice(4, 4, households)
        found = emerging(table_of(grid, np.full((16, 4), level), month=months), grid)
        assert (found["gate"] == gate).all() and (found["side"] == "").all()
        assert found.notna().all(axis=None)


def test_the_slope_is_what_the_ratio_gains_a_period() -> None:
    months = pd.period_range("2026-01", periods=8, freq="M")
    grid = lattice(6, 6)
    counts = np.full((36, 8), 100)
    counts[:18] += 10 * np.arange(8)
    counts[18:] -= 10 * np.arange(8)
    found = emerging(table_of(grid, counts, month=months), grid)
    assert found["slope"].iloc[0] == pytest.approx(0.1)
    assert found["slope"].iloc[-1] == pytest.approx(-0.1)


@pytest.mark.parametrize("back", [-1, 1.5, "all"])
def test_back_is_a_whole_number(back: object) -> None:
    months = pd.period_range("2026-01", periods=2, freq="M")
    grid = lattice(2, 2)
    with pytest.raises(InputError, match="`back`"):
        emerging(table_of(grid, np.ones(8), month=months), grid, back=back)  # type: ignore[arg-type]


def test_what_grows_everywhere_is_hot_only_against_the_time_before() -> None:
    grid = lattice(8, 8)
    months = pd.period_range("2025-01", periods=12, freq="M", name="month")
    level = np.where(np.arange(12) < 11, 8.0, 16.0)
    counts = np.random.default_rng(2).poisson(np.tile(level, (64, 1)))
    table = table_of(grid, counts, month=months)
    step, whole, previous = (
        (emerging(table, grid, back=0, baseline=baseline)["side"] == "hot").mean()
        for baseline in ("step", "whole", "previous")
    )
    assert step <= 0.05 and whole > 0.6 and previous > 0.6


def test_a_level_made_by_a_few_huge_cells_is_no_alarm() -> None:
    """Scores against the steps before are as wide as they say, over 60 cubes without risk."""
    rng = np.random.default_rng(5)
    grid = lattice(10, 10)
    within = windows(matrix_of(grid.contiguity, grid.cells.index))
    last = []
    for _ in range(60):
        exposure = np.full(100, 1.0)
        exposure[rng.choice(100, 2, replace=False)] = 100.0
        mean = np.repeat(exposure[:, None], 8, axis=1) / exposure.mean() * 8
        counts = rng.poisson(mean * rng.gamma(0.5, 2.0, mean.shape))
        found = cube(counts, exposure, within, baseline="previous")
        small = (within.members @ exposure) < 10
        last.append(np.mean(found.z[small, 1:]))
    # a level that is off moves all cells alike: their mean would scatter by far more than this
    assert np.std(last) < 0.25
    assert abs(np.mean(last)) < 0.1
