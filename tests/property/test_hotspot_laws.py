"""Laws of the statistics, over random counts on random graphs."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import sparse, stats

from gridmap.hotspot_analysis import significance
from gridmap.hotspot_analysis.accuracy import captured
from gridmap.hotspot_analysis.density import bin_points, smooth
from gridmap.hotspot_analysis.emerging import classify, cube, mann_kendall
from gridmap.hotspot_analysis.getis_ord import gi_star, moments, skewness
from gridmap.hotspot_analysis.hotspots import score
from gridmap.hotspot_analysis.rates import smoothed, standardised
from gridmap.hotspot_analysis.significance import drawn_tails
from gridmap.hotspot_analysis.weights import Windows, windows

Floats = NDArray[np.float64]


@st.composite
def stacks(draw: st.DrawFn) -> tuple[NDArray[np.int64], Floats, Windows]:
    """Draw counts of cells on maps, an exposure, and windows of a random symmetric graph."""
    n, maps = draw(st.integers(1, 14)), draw(st.integers(1, 3))
    counts = draw(hnp.arrays(np.int64, (n, maps), elements=st.integers(0, 40)))
    exposure = draw(hnp.arrays(np.float64, n, elements=st.integers(1, 900).map(float)))
    links = draw(hnp.arrays(np.bool_, (n, n)))
    return counts, exposure, windows(sparse.csr_array((links | links.T).astype(float)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stacks())
def test_scores_are_always_numbers_and_p_a_chance(drawn: object) -> None:
    counts, exposure, within = drawn  # type: ignore[misc]
    for p in ("skew", "pearson", "normal"):
        found = score(counts, exposure, within, p=p)
        for part in (found.z, found.p, found.expected, found.window_expected):
            assert np.isfinite(part).all() and part.shape == counts.shape
        assert ((found.p >= 0) & (found.p <= 1)).all()
        # one rate for all: a few cells that stand out do not raise it
        rate = found.expected / exposure[:, None]
        np.testing.assert_allclose(rate, np.broadcast_to(rate[0], rate.shape), rtol=1e-9)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stacks(), st.randoms(use_true_random=False))
def test_the_order_of_cells_does_not_matter(drawn: object, random: object) -> None:
    counts, exposure, within = drawn  # type: ignore[misc]
    order = list(range(len(counts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = windows(within.matrix[order][:, order])
    here = score(counts, exposure, within)
    there = score(counts[order], exposure[order], moved)
    np.testing.assert_allclose(there.z, here.z[order], atol=1e-8)


@given(stacks(), st.floats(0.1, 9), st.floats(-5, 5))
def test_scores_know_neither_scale_nor_origin(drawn: object, scale: float, origin: float) -> None:
    counts, _, within = drawn  # type: ignore[misc]
    values = counts.astype(float)
    here, there = gi_star(values, within), gi_star(values * scale + origin, within)
    np.testing.assert_allclose(there, here, atol=1e-6)
    np.testing.assert_allclose(gi_star(-values, within), -here, atol=1e-8)
    joined = moments(values, within)
    np.testing.assert_allclose(joined.z, here, atol=1e-8)
    np.testing.assert_allclose(joined.skew, skewness(values, within), atol=1e-6)


@given(stacks())
def test_moments_are_those_of_all_placings(drawn: object) -> None:
    """The mean over all cells a value may be placed in is 0 for every window."""
    counts, _, within = drawn  # type: ignore[misc]
    values = counts[:6, :1].astype(float)
    n = len(values)
    small = windows(within.matrix[:n][:, :n])
    surplus = [moments(np.roll(values, k, axis=0), small).surplus[:, 0] for k in range(n)]
    np.testing.assert_allclose(np.mean(surplus, axis=0), 0.0, atol=1e-9)


@given(stacks())
def test_smoothed_rates_lie_between_the_rate_and_the_mean(drawn: object) -> None:
    counts, exposure, _ = drawn  # type: ignore[misc]
    rate = counts / exposure[:, None]
    overall = counts.sum(axis=0) / exposure.sum()
    own = smoothed(counts, exposure)
    slack = 1e-12
    assert (own >= np.minimum(rate, overall) - slack).all()
    assert (own <= np.maximum(rate, overall) + slack).all()
    assert (np.sign(standardised(counts, exposure)) * (rate - overall) >= -slack).all()


chances = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1))


@given(chances)
def test_q_values_are_those_of_scipy_and_keep_the_order(p: Floats) -> None:
    q = significance.benjamini_hochberg(p)
    np.testing.assert_allclose(q, stats.false_discovery_control(p), atol=1e-12)
    assert (q >= p - 1e-15).all()
    assert (np.diff(q[np.argsort(p)]) >= -1e-15).all()
    by = significance.benjamini_yekutieli(p)
    np.testing.assert_allclose(by, stats.false_discovery_control(p, method="by"), atol=1e-12)


@given(chances, st.data())
def test_what_is_not_tested_is_in_no_family(p: Floats, data: st.DataObject) -> None:
    tested = data.draw(hnp.arrays(np.bool_, p.shape))
    q = significance.benjamini_hochberg(p, tested)
    assert (q[~tested] == 1).all()
    if tested.any():
        np.testing.assert_allclose(
            q[tested], significance.benjamini_hochberg(p[tested]), atol=1e-12
        )


@given(
    hnp.arrays(np.float64, 8, elements=st.floats(-30, 30)),
    hnp.arrays(np.float64, 8, elements=st.floats(-6, 6)),
)
def test_skew_asks_for_more_evidence_where_it_stretches(z: Floats, skew: Floats) -> None:
    p, normal = significance.skewed_p(z, skew), significance.normal_p(z)
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p, significance.skewed_p(-z, -skew), atol=1e-15)
    up = significance.upper_tail(z, skew)
    np.testing.assert_allclose(up + significance.upper_tail(-z, -skew), 1.0, atol=1e-9)
    stretched = z * skew > 0
    both = 2 * np.minimum(up, significance.upper_tail(-z, -skew))
    np.testing.assert_allclose(p[stretched], both[stretched], atol=1e-9)
    np.testing.assert_allclose(significance.pearson_p(z, skew), both, atol=1e-9)
    assert (p[stretched & (np.abs(z) > 2)] >= normal[stretched & (np.abs(z) > 2)] - 1e-12).all()
    np.testing.assert_array_equal(p[~stretched], normal[~stretched])


@given(
    hnp.arrays(np.float64, 5, elements=st.integers(0, 9).map(float)).filter(
        lambda x: np.ptp(x) > 0
    ),
    st.integers(1, 2),
)
def test_tails_of_drawn_sums_are_those_of_all_draws(values: Floats, count: int) -> None:
    sums = np.array([sum(draw) for draw in itertools.product(values, repeat=count)])
    z = (np.unique(sums) - sums.mean()) / sums.std()
    own = drawn_tails(z, np.full(len(z), count), values)
    sides = [
        (sums <= s) if score < 0 else (sums >= s)
        for s, score in zip(np.unique(sums), z, strict=True)
    ]
    np.testing.assert_allclose(own, np.mean(sides, axis=1), atol=1e-6)


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 12)),
        elements=st.integers(0, 5).map(float),
    )
)
def test_trends_turn_with_time_and_ignore_scale(series: Floats) -> None:
    own, back = mann_kendall(series), mann_kendall(series[:, ::-1])
    assert (own.s == -back.s).all()
    assert np.isfinite(own.z).all() and (np.abs(own.tau) <= 1 + 1e-12).all()
    np.testing.assert_allclose(mann_kendall(np.exp(series)).z, own.z)


@settings(max_examples=50)
@given(stacks(), st.integers(0, 2))
def test_cubes_are_numbers_whatever_happens(drawn: object, back: int) -> None:
    counts, exposure, within = drawn  # type: ignore[misc]
    found = cube(counts, exposure, within, back=back)
    assert np.isfinite(found.z).all() and (found.q[~found.tested] == 1).all()
    hit = found.q < 0.5
    side, pattern = classify(hit & (found.z > 0), hit & (found.z < 0), found.z[:, 0])
    assert ((side > 0) == (pattern > 0)).all()


@given(
    hnp.arrays(np.float64, (2, 20), elements=st.floats(0, 100)),
    st.floats(2, 30),
)
def test_no_weight_is_lost_or_made(points: Floats, bandwidth: float) -> None:
    reach = 8 * bandwidth
    pixel = 1.0 if bandwidth < 8 else bandwidth / 8
    side = int(np.ceil((100 + 2 * reach) / pixel))
    place = {"west": -reach, "north": 100 + reach, "pixel": pixel, "shape": (side, side)}
    binned = bin_points(*points, **place)
    np.testing.assert_allclose(binned.sum(), 20)
    density = smooth(binned, pixel=pixel, bandwidth=bandwidth)
    assert (density >= 0).all()
    np.testing.assert_allclose(density.sum() * pixel**2, 20, rtol=1e-4)


@given(
    hnp.arrays(np.float64, 9, elements=st.integers(0, 3).map(float)),
    hnp.arrays(np.float64, 9, elements=st.integers(1, 9).map(float)),
    hnp.arrays(np.float64, 9, elements=st.integers(0, 9).map(float)),
)
def test_nothing_beats_the_ranking_by_hits_per_size(
    score_: Floats, size: Floats, hits: Floats
) -> None:
    shares = np.linspace(0, 1, 11)
    own, best = captured(score_, size, hits, shares), captured(hits / size, size, hits, shares)
    assert (own <= best + 1e-9).all()
    assert (np.diff(own) >= -1e-9).all()
    assert own[-1] == hits.sum()
