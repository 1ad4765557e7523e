from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gridmap import InputError, rates
from gridmap.hotspot_analysis.rates import smoothed, standardised
from gridmap.intervals import poisson_interval
from tests.lattice import lattice, table_of


def test_expected_counts_sum_to_the_observed_ones() -> None:
    grid = lattice(4, 4, np.arange(300, 460, 10))
    counts = np.arange(16) * 3
    found = rates(table_of(grid, counts), grid)
    assert found["expected"].sum() == pytest.approx(counts.sum())
    assert (found["ratio_low"] <= found["ratio"]).all()
    assert (found["ratio"] <= found["ratio_high"]).all()
    assert found["rate"].tolist() == pytest.approx(1000 * counts / np.arange(300, 460, 10))
    assert found.index.equals(grid.cells.index)


def test_a_cell_without_households_gets_no_rate_and_is_counted() -> None:
    households = [400] * 8 + [0]
    grid = lattice(3, 3, households)
    found = rates(table_of(grid, [4] * 8 + [7]), grid)
    assert found["gate"].tolist() == [""] * 8 + ["no base"]
    assert found.iloc[:8][["ratio", "rate", "smoothed"]].notna().all(axis=None)
    assert found.iloc[8][["ratio", "rate", "smoothed"]].isna().all()
    assert found.iloc[8]["expected"] == 0
    assert found["expected"].sum() == pytest.approx(32)
    method = found.attrs["method"]
    assert (method["no_base"], method["incidents_no_base"]) == (1, 7)
    assert "1 个网格没有户数，其 7 件不参与比较。" in method["caveats"]["zh"]
    json.dumps(method, allow_nan=False)


def test_each_map_has_its_own_rate() -> None:
    grid = lattice(2, 2)
    found = rates(table_of(grid, [[1, 10]] * 4, category=["road", "waste"]), grid)
    assert found.xs("waste", level="category")["expected"].tolist() == [10.0] * 4
    assert found.xs("road", level="category")["expected"].tolist() == [1.0] * 4


def test_area_counts_per_square_kilometre() -> None:
    grid = lattice(2, 2)
    found = rates(table_of(grid, [1, 2, 3, 4]), grid, exposure="area_m2")
    assert found["rate"].tolist() == pytest.approx([100.0, 200.0, 300.0, 400.0])
    assert "每平方公里" in found.attrs["method"]["sentence"]["zh"]


def test_a_series_by_code_may_be_the_denominator() -> None:
    grid = lattice(2, 2)
    street = pd.Series([100.0, 200.0, 0.0], index=grid.cells.index[:3], name="street_m")
    found = rates(table_of(grid, [1, 2, 3, 4]), grid, exposure=street)
    assert found["gate"].tolist() == ["", "", "no base", "no base"]
    assert found.attrs["method"]["exposure"] == "street_m"


def test_nothing_happened_anywhere() -> None:
    grid = lattice(2, 2)
    found = rates(table_of(grid, [0] * 4), grid)
    assert found["rate"].tolist() == [0.0] * 4
    assert found["gate"].tolist() == ["no incidents"] * 4
    assert found["smoothed"].tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1, 2, 3, -1], "counts -1 incidents"),
        ([1, 2, 3, np.nan], "has gaps"),
        ([1, 2, 3, np.inf], "has gaps"),
        ([1, 2, 3, 0.5], "holds fractions"),
        (["1", "2", "3", "many"], "does not hold numbers"),
    ],
)
def test_broken_counts_are_refused(counts: list[object], message: str) -> None:
    grid = lattice(2, 2)
    with pytest.raises(InputError, match=message):
        rates(table_of(grid, np.array(counts, dtype=object)), grid)


def test_tables_that_do_not_fit_are_refused() -> None:
    grid = lattice(2, 2)
    table = table_of(grid, [1, 2, 3, 4])
    with pytest.raises(InputError, match="no column `incidents`"):
        rates(table.rename(columns={"incidents": "n"}), grid)
    with pytest.raises(InputError, match="'x9', which is no cell"):
        rates(table.rename(index={"r00c00": "x9"}), grid)
    with pytest.raises(InputError, match="lists a cell twice"):
        rates(pd.concat([table, table.iloc[:1]]), grid)
    with pytest.raises(InputError, match="no such column"):
        rates(table, grid, exposure="shops")
    with pytest.raises(InputError, match="holds no amounts"):
        rates(table, grid, exposure="name")
    with pytest.raises(InputError, match="negative in cell r00c00"):
        rates(table, grid, exposure=pd.Series([-1.0, 1, 1, 1], index=grid.cells.index))
    with pytest.raises(InputError, match="lists a code twice"):
        rates(table, grid, exposure=pd.Series([1.0, 1], index=["r00c00", "r00c00"]))
    with pytest.raises(InputError, match="between 0 and 1"):
        rates(table, grid, confidence=95)


def test_missing_cells_count_as_zero_and_are_told() -> None:
    grid = lattice(2, 2)
    found = rates(table_of(grid, [3, 3, 3, 3]).iloc[:2], grid)
    assert found["expected"].tolist() == [1.5, 1.5]
    assert found.attrs["method"]["filled"] == 2


def test_poisson_interval_is_exact() -> None:
    low, high = poisson_interval(np.array([[0, 1], [7, 500]]), 0.9)
    assert low[0, 0] == 0
    assert stats.poisson.sf(6, low[1, 0]) == pytest.approx(0.05)
    assert stats.poisson.cdf(7, high[1, 0]) == pytest.approx(0.05)


def test_equal_rates_are_exactly_alike() -> None:
    base = np.array([100.0, 300.0, 700.0, 900.0, 77.0])
    counts = base * 3
    assert np.ptp(standardised(counts, base)) == 0
    assert smoothed(counts, base).tolist() == pytest.approx([3.0] * 5)


def test_local_smoothing_keeps_a_hot_quarter_hot() -> None:
    grid = lattice(8, 8)
    counts = np.random.default_rng(0).poisson(4, 64)
    quarter = [r * 8 + c for r in range(4) for c in range(4)]
    counts[quarter] = 12
    counts[9] = 0  # by chance, in the middle of it
    table = table_of(grid, counts)
    far, near = (rates(table, grid, smooth=kind) for kind in ("all", "neighbours"))
    assert near["smoothed"].iloc[9] > far["smoothed"].iloc[9]
    assert "邻格" in near.attrs["method"]["sentence"]["zh"]
    bare = lattice(3, 3, [0] + [400] * 8)
    found = rates(table_of(bare, np.zeros(9)), bare, smooth="neighbours")
    assert found["smoothed"].isna().tolist() == [True] + [False] * 8
    with pytest.raises(InputError, match="`smooth` is 'some'"):
        rates(table, grid, smooth="some")  # type: ignore[arg-type]
