from __future__ import annotations

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from gridmap import InputError, hotspots
from gridmap.hotspot_analysis.getis_ord import gi_star, skewness
from gridmap.hotspot_analysis.weights import matrix_of, windows
from tests.lattice import lattice, table_of

SQUARE = ["r04c04", "r04c05", "r05c04", "r05c05"]


def planted(level: int = 5, high: int = 25) -> pd.Series:
    grid = lattice(10, 10)
    counts = pd.Series(level, index=grid.cells.index)
    counts[SQUARE] = high
    return counts


def test_a_planted_hotspot_is_found_and_nothing_else_called_cold() -> None:
    grid = lattice(10, 10)
    found = hotspots(table_of(grid, planted()), grid)
    assert set(found.index[found["bin"] >= 2]) == set(SQUARE)
    assert (found["bin"] >= 0).all()
    assert found["n"].unique().tolist() == [100]
    assert found.loc["r04c04", "window"] == 5
    assert found.loc["r00c00", "window"] == 3
    assert found["window_expected"].min() > 5


def test_no_value_is_missing_and_the_method_is_json() -> None:
    grid = lattice(5, 5, [0] + [400] * 24)
    months = pd.period_range("2026-01", periods=3, freq="M")
    counts = np.random.default_rng(0).poisson(4, 75)
    found = hotspots(table_of(grid, counts, month=months), grid)
    assert found.notna().all(axis=None)
    assert list(found) == [
        "incidents", "exposure", "expected", "cell_p", "cell_q", "cell_bin",
        "n", "window", "window_incidents", "window_expected",
        "z", "p", "q", "bin", "gate", "caveat",
    ]  # fmt: skip
    method = json.loads(json.dumps(found.attrs["method"], allow_nan=False))
    assert method["period"] == ["2026-01", "2026-03"]
    assert method["maps"] == 3
    assert (method["cells"], method["no_base"]) == (25, 1)
    assert "2026-01 至 2026-03" in method["sentence"]["zh"]
    assert "households" in method["sentence"]["en"]


def test_maps_are_scored_in_one_call_as_if_alone() -> None:
    grid = lattice(6, 6)
    rng = np.random.default_rng(1)
    counts = rng.poisson(9, (36, 4))
    together = hotspots(table_of(grid, counts, category=list("abcd")), grid)
    for number, category in enumerate("abcd"):
        alone = hotspots(table_of(grid, counts[:, number]), grid)
        mine = together.xs(category, level="category")
        pd.testing.assert_frame_equal(mine, alone, check_freq=False)


def test_the_rows_may_come_in_any_order() -> None:
    grid = lattice(6, 6)
    table = table_of(grid, np.random.default_rng(1).poisson(9, (36, 2)), category=list("ab"))
    shuffled = table.sample(frac=1, random_state=2)
    found = hotspots(shuffled, grid)
    assert found.index.equals(shuffled.index)
    pd.testing.assert_frame_equal(found.loc[table.index], hotspots(table, grid))


def test_the_family_may_be_the_whole_table() -> None:
    grid = lattice(10, 10)
    counts = np.column_stack([planted(), np.random.default_rng(0).poisson(5, (100, 9))])
    table = table_of(grid, counts, category=list("abcdefghij"))
    each = hotspots(table, grid)
    whole = hotspots(table, grid, family="table")
    assert (whole["p"] == each["p"]).all()
    assert whole.xs("a", level="category")["q"].min() > each.xs("a", level="category")["q"].min()


def test_all_zeros_are_too_few() -> None:
    grid = lattice(4, 4)
    found = hotspots(table_of(grid, [0] * 16), grid)
    assert (found["gate"] == "too few").all()
    assert (found["bin"] == 0).all() and (found["q"] == 1).all() and (found["z"] == 0).all()


def test_a_map_that_one_cell_alone_varies_is_not_called_the_same_everywhere() -> None:
    grid = lattice(10, 10)
    counts = pd.Series(1, index=grid.cells.index)
    counts["r04c04"] = 8
    method = hotspots(table_of(grid, counts), grid).attrs["method"]
    assert "1 above chance and 0 below" in method["sentence"]["en"]
    assert "(Gi*, p corrected for skew): none tested. " in method["sentence"]["en"]
    said = " ".join(method["caveats"]["en"])
    assert "1 cell with a rate more than 4 standard deviations out" in said
    assert "1 map with the same value in every cell, odd ones aside" in said


def test_none_is_said_in_words() -> None:
    grid = lattice(10, 10)
    few = hotspots(table_of(grid, pd.Series(6, grid.cells.index)), grid).attrs["method"]
    assert "): none above or below chance. " in few["sentence"]["en"]
    assert "): none tested. " in few["sentence"]["en"]
    nobody = lattice(3, 3, 0)
    none = hotspots(table_of(nobody, pd.Series(0, nobody.cells.index)), nobody).attrs["method"]
    assert none["sentence"]["en"].count("none tested") == 2
    assert none["sentence"]["zh"].count("均未检验") == 2


def test_a_constant_rate_has_no_hotspots() -> None:
    households = np.arange(300, 460, 10)
    grid = lattice(4, 4, households)
    found = hotspots(table_of(grid, households // 10), grid)
    assert (found["gate"] == "constant").all()
    assert (found["z"] == 0).all() and (found["p"] == 1).all()
    assert "各格相同" in " ".join(found.attrs["method"]["caveats"]["zh"])


def test_one_cell() -> None:
    grid = lattice(1, 1)
    found = hotspots(table_of(grid, [80]), grid)
    row = found.iloc[0]
    assert (row["z"], row["p"], row["q"], row["bin"]) == (0, 1, 1, 0)
    assert (row["gate"], row["caveat"]) == ("constant", "island")


def test_a_window_of_all_cells_says_nothing() -> None:
    grid = lattice(1, 2)
    found = hotspots(table_of(grid, [10, 90]), grid)
    assert found["z"].tolist() == [0, 0] and found["bin"].tolist() == [0, 0]


def test_no_base_anywhere() -> None:
    grid = lattice(3, 3, 0)
    found = hotspots(table_of(grid, [5] * 9), grid)
    assert (found["gate"] == "no base").all()
    assert found.notna().all(axis=None)
    assert found.attrs["method"]["incidents_no_base"] == 45


def test_cells_without_base_leave_the_windows_of_others() -> None:
    households = np.full(100, 400)
    households[44] = 0
    grid = lattice(10, 10, households)
    found = hotspots(table_of(grid, planted()), grid)
    assert found.loc["r04c04", "gate"] == "no base"
    assert found.loc["r04c05", "window"] == 4
    assert found["n"].iloc[0] == 99


@pytest.mark.parametrize(
    ("cells", "most"), [(36, [120]), (36, [60, 60]), (36, [30]), (12, [50]), (400, [1000])]
)
def test_a_cell_that_holds_everything_is_called(cells: int, most: list[int]) -> None:
    grid = lattice(4, cells // 4, np.full(cells, 400))
    counts = np.zeros(cells, np.int64)
    counts[5 : 5 + len(most)] = most
    found = hotspots(table_of(grid, counts), grid)
    assert np.flatnonzero(found["cell_bin"] > 0).tolist() == [*range(5, 5 + len(most))]
    assert not (found["cell_bin"] < 0).any()


def test_a_cell_with_hardly_any_base_hides_nothing() -> None:
    households = np.full(100, 400)
    households[9] = 1  # a market with one flat
    counts = planted()
    counts["r00c09"] = 60
    grid = lattice(10, 10, households)
    found = hotspots(table_of(grid, counts), grid)
    assert set(SQUARE) <= set(found.index[found["bin"] >= 2])
    facts = found.attrs["method"]
    assert facts["curbed"] >= 1
    assert any("偏离超过 4 个标准差" in line for line in facts["caveats"]["zh"])
    hidden = hotspots(table_of(grid, counts), grid, curb=None)
    assert not (hidden.loc[SQUARE, "bin"] > 0).any()
    assert hidden.attrs["method"]["curbed"] == 0


def test_ordinary_maps_are_not_curbed() -> None:
    grid = lattice(20, 20)
    counts = np.random.default_rng(5).poisson(20, 400)
    counts[[210, 211, 212, 230, 231, 232]] += 25
    own, plain = (hotspots(table_of(grid, counts), grid, curb=at) for at in (4.0, None))
    assert own.attrs["method"]["curbed"] == 0 and own["z"].equals(plain["z"])


def test_cold_spots_are_those_of_permutations_where_hot_ones_skew_the_map() -> None:
    grid = lattice(20, 20)
    rng = np.random.default_rng(4)
    risk = np.full((20, 20), 1.0)
    risk[2:6, 2:6], risk[10:16, 10:16] = 6.0, 0.2
    table = table_of(grid, rng.poisson(30 * risk.ravel()))
    found = hotspots(table, grid)
    drawn = hotspots(table, grid, p="permutation", permutations=49_999)
    cold = found["bin"] < 0
    assert 20 <= cold.sum() <= 40
    assert abs(int(cold.sum()) - int((drawn["bin"] < 0).sum())) <= 2
    low = found["z"] < -1
    np.testing.assert_allclose(found.loc[low, "p"], drawn.loc[low, "p"], rtol=0.35, atol=0.004)


@pytest.mark.parametrize("correction", ["bh", "by", "holm", "bonferroni"])
def test_corrections_are_stricter_one_after_the_other(correction: str) -> None:
    grid = lattice(10, 10)
    table = table_of(grid, planted())
    found = hotspots(table, grid, correction=correction)  # type: ignore[arg-type]
    first = hotspots(table, grid)
    assert (found["q"] >= first["q"] - 1e-15).all() and (found["p"] == first["p"]).all()
    assert found.attrs["method"]["correction"] == correction
    name = {"bh": "BH", "by": "BY"}.get(correction, correction.title())
    assert f"（{name}）控制在 10% 以内" in found.attrs["method"]["sentence"]["zh"]


def test_islands_are_judged_alone_and_marked() -> None:
    households = np.full(25, 400)
    households[[1, 5]] = 0  # both neighbours of the corner
    grid = lattice(5, 5, households)
    found = hotspots(table_of(grid, [60] + [8] * 24), grid)
    assert found.loc["r00c00", "caveat"] == "island"
    assert found.loc["r00c00", "window"] == 1
    assert found.attrs["method"]["islands"] == 1


def test_too_few_are_not_tested_nor_counted_in_the_family() -> None:
    households = np.r_[np.full(50, 40), np.full(50, 400)]
    grid = lattice(10, 10, households)
    counts = np.r_[np.zeros(50), np.full(50, 9)].astype(int)
    counts[77] = 60
    found = hotspots(table_of(grid, counts), grid)
    few = found["gate"] == "too few"
    assert 30 < few.sum() < 50
    assert (found.loc[few, "q"] == 1).all()
    tested = found.loc[~few]
    rank = tested["p"].rank(method="max")
    smallest = tested["p"].idxmin()
    assert tested.loc[smallest, "q"] <= tested.loc[smallest, "p"] * len(tested) / rank[smallest]


def test_cold_needs_thirty_expected() -> None:
    rng = np.random.default_rng(3)
    few, many = np.full(100, 4), np.full(100, 40)
    quiet = [44, 45, 54, 55, 34, 43]
    for level, cold in ((few, False), (many, True)):
        counts = rng.poisson(level)
        counts[quiet] = 0
        found = hotspots(table_of(lattice(10, 10), counts), lattice(10, 10))
        assert (found["bin"] < 0).any() == cold
    assert (found["caveat"] == "").all()


def test_one_strong_hotspot_does_not_make_its_surroundings_cold() -> None:
    grid = lattice(20, 20)
    counts = np.random.default_rng(5).poisson(20, 400)
    counts[[210, 211, 230, 231]] += 80
    found = hotspots(table_of(grid, counts), grid)
    assert (found["bin"] > 0).sum() >= 4
    assert (found["bin"] >= 0).all()


def test_raw_counts_follow_households_and_rates_do_not() -> None:
    households = np.full(400, 300)
    dense = [r * 20 + c for r in range(8, 12) for c in range(8, 12)]
    households[dense] = 1500
    grid = lattice(20, 20, households)
    counts = np.random.default_rng(7).poisson(households / 50)
    raw = hotspots(table_of(grid, counts), grid, exposure=None)
    honest = hotspots(table_of(grid, counts), grid)
    assert (raw["bin"].iloc[dense] > 0).mean() > 0.5
    assert (honest["bin"] == 0).all()
    assert "raw counts" in raw.attrs["method"]["sentence"]["en"]
    assert any("not risk" in line for line in raw.attrs["method"]["caveats"]["en"])


def test_permutation_agrees_with_skew_and_repeats_by_seed() -> None:
    grid = lattice(10, 10)
    table = table_of(grid, np.random.default_rng(0).poisson(8, 100))
    once = hotspots(table, grid, p="permutation", seed=1)
    again = hotspots(table, grid, p="permutation", seed=1)
    skew = hotspots(table, grid)
    assert once["p"].equals(again["p"])
    np.testing.assert_allclose(once["z"], skew["z"], rtol=1e-9, atol=1e-12)
    hot = skew["z"] > 0.5
    np.testing.assert_allclose(once.loc[hot, "p"], skew.loc[hot, "p"], atol=0.12)


def test_other_weights() -> None:
    grid = lattice(6, 6)
    table = table_of(grid, np.random.default_rng(0).poisson(8, 36))
    own = hotspots(table, grid)
    matrix = matrix_of(grid.contiguity, grid.cells.index)
    same = hotspots(table, grid, weights=matrix)
    graph = hotspots(table, grid, weights=nx.Graph(grid.contiguity.edges))
    assert (own["z"] == same["z"]).all() and (own["z"] == graph["z"]).all()
    assert own.attrs["method"]["weights"] == "contiguity"
    assert same.attrs["method"]["weights"] == "given"
    halved = hotspots(table, grid, weights=sparse.csr_array(matrix * 0.5))
    assert (halved["window_expected"] == own["window_expected"]).all()
    assert not np.allclose(halved["z"], own["z"])
    with pytest.raises(InputError, match="36 cells"):
        hotspots(table, grid, weights=sparse.eye_array(3))
    with pytest.raises(InputError, match="negative"):
        hotspots(table, grid, weights=sparse.csr_array(-matrix))
    with pytest.raises(InputError, match="weights of 0 and 1"):
        hotspots(table, grid, weights=sparse.csr_array(matrix * 0.5), p="permutation")


def test_unknown_options_are_refused() -> None:
    grid = lattice(2, 2)
    table = table_of(grid, [1, 2, 3, 4])
    with pytest.raises(InputError, match="`p` is 'exact'"):
        hotspots(table, grid, p="exact")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`family`"):
        hotspots(table, grid, family="all")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`correction`"):
        hotspots(table, grid, correction="none")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`curb` is 0"):
        hotspots(table, grid, curb=0)
    with pytest.raises(InputError, match="99 or more"):
        hotspots(table, grid, p="permutation", permutations=9)
    large = lattice(23, 23)
    with pytest.raises(InputError, match="529 cells"):
        hotspots(table_of(large, [1] * 529), large, p="permutation")


def test_a_category_never_seen_is_a_map_of_zeros() -> None:
    grid = lattice(3, 3)
    kinds = pd.CategoricalIndex(["seen", "unseen"], categories=["seen", "unseen"])
    table = table_of(grid, [[30, 0]] * 9, category=kinds)
    found = hotspots(table, grid)
    assert (found.xs("unseen", level="category")["gate"] == "too few").all()
    missing = table_of(grid, [[30, 1]] * 9, category=["seen", np.nan])
    assert len(hotspots(missing, grid)) == 18


def test_an_empty_table_gives_an_empty_frame() -> None:
    grid = lattice(2, 2)
    assert hotspots(table_of(grid, [1, 2, 3, 4]).iloc[:0], grid).empty


def test_many_maps_are_scored_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    grid = lattice(5, 5)
    table = table_of(grid, np.random.default_rng(0).poisson(9, (25, 7)), category=list("abcdefg"))
    whole = hotspots(table, grid)
    monkeypatch.setattr(importlib.import_module("gridmap.hotspot_analysis.hotspots"), "_BATCH", 50)
    pd.testing.assert_frame_equal(hotspots(table, grid), whole)


def test_the_matrix_of_a_frozen_graph_is_made_once() -> None:
    grid = lattice(3, 3)
    codes = grid.cells.index
    assert matrix_of(grid.contiguity, codes) is matrix_of(grid.contiguity, codes)
    loose = nx.Graph(grid.contiguity.edges)
    first = matrix_of(loose, codes)
    loose.remove_edge(*next(iter(loose.edges)))
    assert matrix_of(loose, codes).nnz == first.nnz - 2


def test_skewness_matches_a_simulation() -> None:
    rng = np.random.default_rng(0)
    values = rng.poisson(0.3, 60).astype(float)
    matrix = np.zeros((60, 60))
    matrix[0, 1:6] = [1.0, 1.0, 0.5, 2.0, 1.0]
    star = windows(sparse.csr_array(matrix))
    draws = np.array([rng.permutation(values) for _ in range(40_000)])
    sums = draws @ star.matrix.toarray()[0]
    z = (sums - sums.mean()) / sums.std()
    assert skewness(values, star)[0] == pytest.approx((z**3).mean(), abs=0.05)
    exact = (values @ star.matrix.toarray()[0] - sums.mean()) / sums.std()
    assert gi_star(values, star)[0] == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.nan, "has gaps"), (np.inf, "has gaps"), (1e300, "Mend the count"), (-1, "0 or more"),
        ("many", "does not hold numbers"), (0.5, "fractions"),
    ],
)  # fmt: skip
def test_counts_that_are_none_are_refused(values: object, message: str) -> None:
    grid = lattice(2, 2)
    with pytest.raises(InputError, match=message):
        hotspots(table_of(grid, [values, 1, 2, 3]), grid)


@pytest.mark.parametrize(
    ("exposure", "message"),
    [
        (pd.Series(["1"] * 4, ["r00c00", "r00c01", "r01c00", "r01c01"]), "holds no amounts"),
        (pd.Series([1.0] * 4), "knows none of the codes"),
        (pd.Series([1e-300, 1.0], ["r00c00", "r00c01"]), "one unit"),
        ([1, 1, 1, 1], "no such column"),
        ("parent", "holds no amounts"),
    ],
)
def test_exposures_that_are_none_are_refused(exposure: object, message: str) -> None:
    grid = lattice(2, 2)
    with pytest.raises(InputError, match=message):
        hotspots(table_of(grid, [1, 2, 3, 4]), grid, exposure=exposure)  # type: ignore[arg-type]


def test_all_incidents_at_one_point_and_all_households_in_one_cell() -> None:
    grid = lattice(6, 6)
    counts = np.zeros(36)
    counts[14] = 300
    for p in ("skew", "pearson", "normal", "permutation"):
        found = hotspots(table_of(grid, counts), grid, p=p)  # type: ignore[arg-type]
        assert found.notna().all(axis=None) and (found["bin"] >= 0).all()
    alone = lattice(6, 6, np.where(np.arange(36) == 14, 400, 0))
    found = hotspots(table_of(alone, np.full(36, 9)), alone)
    assert (
        found["gate"].value_counts()["no base"] == 35 and found.loc["r02c02", "gate"] != "no base"
    )
