from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from gridmap import InputError, clusters
from gridmap._checks import silent
from gridmap.hotspot_analysis.clusters import LEVEL, Plan, Search, adjusted, risk_interval
from gridmap.hotspot_analysis.hotspots import Base
from gridmap.hotspot_analysis.rates import fit, lower, upper
from gridmap.hotspot_analysis.scan import Chance, Look, gumbel_p
from gridmap.hotspot_analysis.zones import Zones, zones
from tests.lattice import lattice, table_of

NEW_YORK = json.loads(
    (Path(__file__).parents[1] / "reference/new_york_leukaemia.json").read_text(encoding="utf-8")
)
NOBODY = np.zeros(0, np.int64)


def grown(width: int, height: int, shaped: int = 0, largest: float = 0.5) -> Zones:
    near = links(width, height)
    number = np.arange(width * height)
    return zones(
        (number % width).astype(float), (number // width).astype(float), np.ones(len(number)),
        near.indptr.astype(np.int64), near.indices.astype(np.int64),
        largest=largest * len(number), most=len(number), shaped=shaped,
    )  # fmt: skip


def links(width: int, height: int) -> sparse.csr_array:
    number = np.arange(width * height).reshape(height, width)
    pairs = np.vstack([
        np.column_stack([number[:, :-1].ravel(), number[:, 1:].ravel()]),
        np.column_stack([number[:-1].ravel(), number[1:].ravel()]),
    ])  # fmt: skip
    both = np.vstack([pairs, pairs[:, ::-1]])
    size = width * height
    return sparse.csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(size, size))


def plain_score(inside: float, expected: float, total: float, side: int) -> float:
    if side * (inside - expected) <= 0:
        return 0.0
    score = inside * math.log(inside / expected) if inside else 0.0
    rest = total - inside
    return score + (rest * math.log(rest / (total - expected)) if rest else 0.0)


def plain_maximum(
    members: list[list[int]],
    counts: np.ndarray,
    mean: np.ndarray,
    longest: int,
    latest: bool,
    side: int,
) -> float:
    """Score every zone and span, one by one."""
    steps, total = counts.shape[1], float(counts.sum())
    best = 0.0
    for cells in members:
        for first, stop in itertools.combinations(range(steps + 1), 2):
            if stop - first <= longest and (stop == steps or not latest):
                inside = float(counts[cells, first:stop].sum())
                expected = float(mean[cells, first:stop].sum())
                best = max(best, plain_score(inside, expected, total, side))
    return best


def agrees(heard: float, best: float) -> None:
    """Scores below 1 are not looked for."""
    if best >= 1.0:
        assert heard == pytest.approx(best, abs=1e-9)
    else:
        assert heard <= best + 1e-9


@settings(deadline=None, max_examples=12)
@example(seed=101, steps=3, latest=False, side=-1, shaped=5)  # all scores below those of the pilot
@given(
    seed=st.integers(0, 10_000), steps=st.sampled_from([1, 3, 14]), latest=st.booleans(),
    side=st.sampled_from([1, -1]), shaped=st.sampled_from([0, 5]),
)  # fmt: skip
def test_the_kernel_agrees_with_scoring_one_by_one(
    seed: int, steps: int, latest: bool, side: int, shaped: int
) -> None:
    rng = np.random.default_rng(seed)
    found = grown(5, 4, shaped)
    mean = rng.uniform(0.2, 6.0, (20, steps))
    maps = [rng.poisson(mean).astype(np.int32) for _ in range(9)]
    members = [found.members(zone).tolist() for zone in range(len(found.node))]
    longest = max(steps // 2, 1)
    for counts in maps:
        scaled = mean * (counts.sum() / mean.sum())
        look = Look(found, scaled, longest, latest, side, 1.0)
        hoped = plain_maximum(members, counts, scaled, longest, latest, side)
        assert look.scan(counts).score.max() == pytest.approx(hoped, abs=1e-9)
        agrees(look.listener()(counts), hoped)
    # one listener for all, past its pilot: maps of one total
    share = (mean / mean.sum()).ravel()
    look = Look(found, share.reshape(mean.shape) * 90, longest, latest, side, 1.0)
    listen = look.listener()
    for _ in range(14):
        counts = rng.multinomial(90, share).reshape(mean.shape).astype(np.int32)
        best = float(look.scan(counts).score.max())
        agrees(listen(counts), best)


def plain_belonging(
    near: list[tuple[set[int], float, float]], counts: np.ndarray, mean: np.ndarray
) -> dict[int, float]:
    """Weigh places one by one: zones, and zones of which cells stay out and beside which some join.

    `near` has the cells of each zone, its log prior and its score.
    """
    cells, total = set().union(*(members for members, _, _ in near)), float(counts.sum())
    weight = [math.exp(before + score) for _, before, score in near]
    share = {
        cell: sum(w for w, (m, _, _) in zip(weight, near, strict=True) if cell in m) / sum(weight)
        for cell in cells
    }
    for _ in range(6):
        seen = sum(share[cell] * counts[cell] for cell in cells)
        hoped = sum(share[cell] * mean[cell] for cell in cells)
        rest = (total - seen) / (total - hoped)
        risk = max(seen / hoped, rest * 1.02)
        # Poisson, but for the factorials, which are the same in both
        within = {c: risk ** counts[c] * math.exp(-risk * mean[c]) for c in cells}
        without = {c: rest ** counts[c] * math.exp(-rest * mean[c]) for c in cells}
        whole, share = 0.0, dict.fromkeys(cells, 0.0)
        for often, out, joined in [(3, 0, 0), (1, 0.1, 0.02), (1, 0.25, 0.05), (1, 0.4, 0.1)]:
            for members, before, _ in near:
                likely, part = often * math.exp(before), {}
                for cell in cells:
                    chance = 1 - out if cell in members else joined
                    both = chance * within[cell], (1 - chance) * without[cell]
                    likely *= sum(both)
                    part[cell] = both[0] / sum(both)
                whole += likely
                for cell in cells:
                    share[cell] += likely * part[cell]
        share = {cell: value / whole for cell, value in share.items()}
    return share


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), shaped=st.sampled_from([0, 5]))
def test_cells_belong_as_often_as_likely_places_hold_them(seed: int, shaped: int) -> None:
    rng = np.random.default_rng(seed)
    found = grown(6, 5, shaped)
    mean = rng.uniform(1.0, 6.0, (30, 1))
    counts = rng.poisson(np.where(np.isin(np.arange(30), [7, 8, 13]), 3.0, 1.0)[:, None] * mean)
    mean *= counts.sum() / mean.sum()
    look = Look(found, mean, 1, True, 1, 1.0)
    seen = look.scan(counts.astype(np.int32))
    zone = int(np.argmax(seen.score))
    cells, belonging = look.belonging(seen, zone, counts.astype(np.int32))
    zones_of = [set(found.members(k).tolist()) for k in range(len(found.node))]
    plain = grown(6, 5)
    round_ones = {frozenset(plain.members(k).tolist()) for k in range(len(plain.node))}
    bent = [members not in round_ones for members in zones_of]
    few = max((len(m) for m, b in zip(zones_of, bent, strict=True) if b), default=0)
    alike = sum(len(m) <= few and not b for m, b in zip(zones_of, bent, strict=True))
    near = []
    for number, (members, odd) in enumerate(zip(zones_of, bent, strict=True)):
        # all sizes are as likely, and shaped zones together as round ones of their sizes
        before = math.log((alike / sum(bent) if odd else 1.0) / len(members))
        if zones_of[zone] & members and seen.score[number] >= seen.score[zone] - 7:
            near.append((members, before, float(seen.score[number])))
    hoped = plain_belonging(near, counts[:, 0], mean[:, 0])
    assert cells.tolist() == sorted(hoped)
    assert belonging == pytest.approx(np.array([hoped[cell] for cell in cells]), abs=1e-9)


@pytest.mark.parametrize(
    ("place", "shape"),
    [("block", "circular"), ("row", "flexible"), ("corner", "flexible"), ("cell", "circular")],
)
def test_members_are_most_of_the_place_and_little_else(place: str, shape: str) -> None:
    """40 maps each: a tenth outside up to two standard errors; the Jaccard index as measured."""
    x, y = np.arange(225) % 15, np.arange(225) // 15
    inside, times = {
        "block": ((abs(x - 7) < 2) & (abs(y - 6) < 2), 2.5),
        "row": ((x > 3) & (x < 9) & (y == 7), 3.0),
        "corner": (((x == 4) & (y > 3) & (y < 8)) | ((y == 4) & (x > 3) & (x < 8)), 3.0),
        "cell": ((x == 7) & (y == 7), 5.0),
    }[place]
    zoned, base = grown(15, 15, 9 if shape == "flexible" else 0, 0.1), Base(np.ones(225), "homes")
    outside, alike, found = [], [], 0
    for number in range(40):
        rng = np.random.default_rng(number)
        counts = rng.poisson(np.where(inside, times, 1.0) * 5.0)[:, None]
        plan = Plan("latest", "exposure", "period", shape, ("hot",), 0.1, None, 39, 0.0, number)
        rows = Search(counts, base, zoned, None, plan).run(silent).rows
        called = np.zeros(225, bool)
        for row in rows:
            if row["p"] <= LEVEL:
                assert not called[row["members"]].any()
                called[row["members"]] = True
        found += bool((called & inside).any())
        outside.append((called & ~inside).sum() / max(called.sum(), 1))
        alike.append((called & inside).sum() / (called | inside).sum())
    assert found >= 34
    assert np.mean(outside) <= 0.1 + 2 * np.std(outside) / math.sqrt(40)
    assert np.mean(alike) >= {"block": 0.85, "row": 0.66, "corner": 0.71, "cell": 0.8}[place]


def test_all_incidents_in_one_cell_are_a_cluster() -> None:
    grid = lattice(6, 6, np.full(36, 400))
    counts = np.zeros(36, np.int64)
    counts[14] = 120
    found = clusters(table_of(grid, counts), grid, replicates=99)
    assert found["members"].tolist() == [(grid.cells.index[14],)]


@pytest.mark.parametrize("shaped", [0, 6])
def test_zones_are_connected_and_each_there_once(shaped: int) -> None:
    found = grown(6, 5, shaped)
    near = links(6, 5)
    seen = set()
    for zone in range(len(found.node)):
        cells = np.sort(found.members(zone))
        assert len(set(cells)) == len(cells) <= 15
        parts, _ = sparse.csgraph.connected_components(near[cells][:, cells])
        assert parts == 1
        seen.add(tuple(cells))
    assert len(seen) == len(found.node)
    assert {(cell,) for cell in range(30)} <= seen


def test_flexible_zones_are_all_connected_sets_of_the_nearest() -> None:
    found = grown(4, 4, 5, largest=1.0)
    near = links(4, 4).toarray() > 0
    seen = {tuple(sorted(found.members(zone).tolist())) for zone in range(len(found.node))}
    # the nearest of an inner cell are itself and its four neighbours
    five = [5, *np.flatnonzero(near[5])]
    for size in range(1, 6):
        for chosen in itertools.combinations(five, size):
            cells = list(chosen)
            parts = sparse.csgraph.connected_components(near[np.ix_(cells, cells)])[0]
            if 5 in cells and parts == 1:
                assert tuple(sorted(cells)) in seen


@pytest.mark.parametrize("name", ["satscan_half", "satscan_tenth", "flexscan_10"])
def test_published_clusters_of_new_york(name: str) -> None:
    """Zones, counts and likelihood ratios that SaTScan 9.6 and FleXScan 3.1.2 printed."""
    told = NEW_YORK[name]
    people = np.array(NEW_YORK["population"], float)
    cases = np.array(NEW_YORK["cases"], np.int32)[:, None]
    starts = np.cumsum([0, *(len(row) for row in NEW_YORK["neighbours"])])
    near = np.array([n - 1 for row in NEW_YORK["neighbours"] for n in row], np.int64)
    free = "largest" in told
    found = zones(
        np.array(NEW_YORK["x"]), np.array(NEW_YORK["y"]), people,
        np.zeros(282, np.int64) if free else starts.astype(np.int64), NOBODY if free else near,
        largest=people.sum() * told.get("largest", 1.0), most=281 if free else 1,
        shaped=told.get("nearest", 0),
    )  # fmt: skip
    mean = people[:, None] / people.sum() * cases.sum()
    best = Look(found, mean, 1, True, 1, 1.0).scan(cases)
    taken: set[int] = set()
    picked = []
    for zone in np.argsort(-best.score, kind="stable"):
        members = {int(cell) + 1 for cell in found.members(int(zone))}
        if not members & taken:
            taken |= members
            picked.append((members, zone))
        if len(picked) == len(told["clusters"]):
            break
    for (members, zone), row in zip(picked, told["clusters"], strict=True):
        assert members == set(row["members"])
        assert best.inside[zone] == row["cases"]
        assert best.expected[zone] == pytest.approx(row["expected"], abs=0.006)
        assert best.score[zone] == pytest.approx(row["llr"], abs=6e-5)


def test_published_p_values_of_new_york() -> None:
    """999 maps each: the Monte Carlo errors of two runs add."""
    people = np.array(NEW_YORK["population"], float)
    found = zones(
        np.array(NEW_YORK["x"]), np.array(NEW_YORK["y"]), people, np.zeros(282, np.int64), NOBODY,
        largest=people.sum() / 2, most=281,
    )  # fmt: skip
    mean = people[:, None] / people.sum() * 552
    draws = Chance(mean, 0.0).draws(np.random.default_rng(0), 552)
    listen = Look(found, mean, 1, True, 1, 1.0).listener()
    maxima = np.array([listen(next(draws).astype(np.int32)) for _ in range(999)])
    for row in NEW_YORK["satscan_half"]["clusters"]:
        p = (1 + (maxima >= row["llr"]).sum()) / 1000
        assert abs(p - row["p"]) <= 4 * math.sqrt(2 * row["p"] * (1 - row["p"]) / 999) + 0.002
    assert gumbel_p(np.array(14.083511), maxima) == pytest.approx(0.00015, rel=0.8)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(0, 60), mean=st.floats(0.01, 60), dispersion=st.sampled_from([0, 0.1, 0.5, 2])
)
def test_exact_tails_are_those_of_scipy(count: int, mean: float, dispersion: float) -> None:
    k = 1 / dispersion if dispersion else 0
    law = stats.nbinom(k, k / (k + mean)) if dispersion else stats.poisson(mean)
    assert upper(np.array([count]), np.array([mean]), dispersion)[0] == pytest.approx(
        law.sf(count - 1), rel=1e-8, abs=1e-300
    )
    assert lower(np.array([count]), np.array([mean]), dispersion)[0] == pytest.approx(
        law.cdf(count), rel=1e-8, abs=1e-300
    )


@pytest.mark.parametrize("k", [0.5, 2.0, None])
def test_dispersion_is_found_and_not_taken_in_by_a_hotspot(k: float | None) -> None:
    rng = np.random.default_rng(1)
    base = rng.uniform(300, 600, 2500)
    mean = base / 90
    counts = rng.poisson(mean if k is None else mean * rng.gamma(k, 1 / k, 2500))
    plain = fit(counts, base)
    assert plain.rate == pytest.approx(1 / 90, rel=0.08)
    assert plain.dispersion == pytest.approx(0 if k is None else 1 / k, rel=0.12, abs=0.01)
    assert plain.low <= (0 if k is None else 1 / k) <= plain.high + 1e-9
    counts[:20] += 200
    assert fit(counts, base).dispersion < plain.dispersion + 0.15


@settings(deadline=None, max_examples=20)
@given(inside=st.integers(0, 40), expected=st.floats(0.5, 30))
def test_interval_of_the_risk_is_that_of_clopper_and_pearson(inside: int, expected: float) -> None:
    total = 80.0
    low, high = risk_interval(float(inside), expected, total)
    if inside:
        odds = low * expected / (total - expected)
        assert stats.binom.sf(inside - 1, 80, odds / (1 + odds)) == pytest.approx(0.025, rel=1e-6)
    odds = high * expected / (total - expected)
    assert stats.binom.cdf(inside, 80, odds / (1 + odds)) == pytest.approx(0.025, rel=1e-6)


def test_draws_have_the_mean_and_the_variance_they_should() -> None:
    rng = np.random.default_rng(0)
    mean = np.array([[0.3, 2.0], [8.0, 0.0001]])
    for dispersion in (0.0, 0.5, 2.0):
        draws = Chance(mean, dispersion).draws(rng, 10)
        many = np.array([next(draws) for _ in range(6000)])
        assert many.mean(axis=0) == pytest.approx(mean, rel=0.12, abs=0.01)
        if dispersion:
            wide = mean + dispersion * mean**2
            assert many.var(axis=0) == pytest.approx(wide, rel=0.25, abs=0.01)


def planted(times: float = 2.0, seed: int = 0) -> tuple[object, pd.DataFrame, set[str]]:
    grid = lattice(20, 20, np.full(400, 400))
    risk = np.ones(400)
    block = [20 * row + column for row in (8, 9, 10) for column in (11, 12, 13)]
    risk[block] = times
    counts = np.random.default_rng(seed).poisson(6 * risk)
    return grid, table_of(grid, counts), set(grid.cells.index[block])


def test_a_planted_block_is_found_with_its_risk() -> None:
    grid, table, block = planted(2.5)
    found = clusters(table, grid, replicates=99)
    first = found.iloc[0]
    members = set(first["members"])
    assert len(members & block) / len(members | block) > 0.7
    assert first["p"] <= 0.01
    assert first["risk_low"] < 2.5 < first["risk_high"]
    assert first["cells"] == len(first["zone"])
    assert first["incidents"] == table.loc[list(first["zone"]), "incidents"].sum()
    assert "1 high cluster" in found.attrs["method"]["sentence"]["en"]
    json.dumps(found.attrs["method"], default=str)


def test_same_seed_same_answer_and_cold_apart_from_hot() -> None:
    grid, table, block = planted(0.1)
    one = clusters(table, grid, replicates=99, side="both", seed=3)
    two = clusters(table, grid, replicates=99, side="both", seed=3)
    pd.testing.assert_frame_equal(one, two)
    assert one["side"].tolist()[0] == "cold"
    assert len(set(one.loc[1, "members"]) & block) >= 7
    assert clusters(table, grid, replicates=99).empty


def in_time(kind: str, seed: int = 1) -> tuple[object, pd.DataFrame, set[str]]:
    grid = lattice(12, 12, np.full(144, 400))
    weeks = pd.period_range("2025-01-06", periods=20, freq="W-SUN", name="week")
    mean = np.full((144, 20), 1.0)
    block = [40, 41, 52, 53]
    span = {"new": slice(17, 20), "over": slice(5, 9), "always": slice(0, 20)}[kind]
    mean[block, span] = 5.0
    counts = np.random.default_rng(seed).poisson(mean)
    return grid, table_of(grid, counts, week=weeks), set(grid.cells.index[block])


def test_what_is_alive_and_what_is_over() -> None:
    grid, table, block = in_time("new")
    found = clusters(table, grid, replicates=99, shape="flexible")
    assert block <= set(found.loc[1, "members"]) | block
    assert len(set(found.loc[1, "members"]) & block) >= 3
    assert str(found.loc[1, "since"]) >= str(table.index.levels[1][15])
    assert found.loc[1, "until"] == table.index.levels[1][-1]
    grid, table, block = in_time("over")
    assert clusters(table, grid, replicates=99).empty
    past = clusters(table, grid, replicates=99, when="any")
    assert len(set(past.loc[1, "members"]) & block) >= 3
    assert past.loc[1, "until"] == table.index.levels[1][8]


def test_history_asks_for_change_and_needs_no_denominator() -> None:
    grid, table, _ = in_time("always")
    assert not clusters(table, grid, replicates=99).empty
    called = 0
    for seed in range(1, 13):
        grid, table, block = in_time("always", seed)
        found = clusters(table, grid, baseline="history", replicates=99)
        called += bool(len(found) and found["p"].min() <= 0.05)
        # what has always been busy is no change
        assert not any(set(members) & block for members in found["members"])
    # of twelve towns without change more than two are called at 5 % once in fifty times
    assert called <= 2
    grid, table, block = in_time("new")
    found = clusters(table, grid, exposure=None, replicates=99)
    assert found.attrs["method"]["baseline"] == "history"
    assert len(set(found.loc[1, "members"]) & block) >= 3


def test_weekdays_and_trend_are_followed() -> None:
    days = pd.period_range("2025-01-06", periods=70, freq="D")
    level = np.where(days.day_of_week >= 5, 30.0, 10.0) * np.exp(0.01 * np.arange(70))
    for adjust in ("weekday and trend", "period"):
        assert adjusted(level, days, adjust) == pytest.approx(level / level.sum(), rel=1e-6)
    assert adjusted(level, days, "none") == pytest.approx(np.full(70, 1 / 70))


def test_nothing_is_said_of_too_few() -> None:
    grid = lattice(5, 5, np.full(25, 400))
    counts = np.zeros(25, int)
    counts[3] = 4
    found = clusters(table_of(grid, counts), grid, replicates=99)
    assert found.empty
    assert "not judged" in " ".join(found.attrs["method"]["caveats"]["en"])


def test_refusals() -> None:
    grid, table, _ = planted()
    for options, said in [
        ({"largest": 0.7}, "largest"),
        ({"longest": 0}, "longest"),
        ({"replicates": 5}, "replicates"),
        ({"dispersion": -1.0}, "dispersion"),
        ({"baseline": "history"}, "no periods"),
        ({"side": "warm"}, "side"),
    ]:
        with pytest.raises(InputError, match=said):
            clusters(table, grid, **options)


def test_hurry_changes_no_answer() -> None:
    rng, zoned = np.random.default_rng(8), grown(8, 8, largest=0.2)
    base = Base(np.full(64, 400.0), "households")
    for number in range(12):
        counts = rng.poisson(np.where(np.arange(64) == 9, 4.0 + number, 4.0))[:, None]
        plan = Plan("latest", "exposure", "period", "circular", ("hot", "cold"), 0.1, None, 99,
                    None, number)  # fmt: skip
        slow = Search(counts, base, zoned, None, plan).run(silent)
        quick = Search(counts, base, zoned, None, replace(plan, hurried=True)).run(silent)
        told = [
            [(row["side"], row["members"].tolist()) for row in found.rows if row["p"] <= LEVEL]
            for found in (slow, quick)
        ]
        assert told[0] == told[1]
