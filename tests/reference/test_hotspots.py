"""Agreement with R (spdep, p.adjust, poisson.test) and esda, as recorded in hotspots.json."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import pytest
from scipy import sparse

from gridmap.hotspots import fdr, getis_ord, significance
from gridmap.hotspots.emerging import PATTERNS, SIDES, classify
from gridmap.hotspots.kernel import bin_points, smooth
from gridmap.hotspots.moran import local_moran
from gridmap.hotspots.overall import overall
from gridmap.hotspots.rates import (
    overall_rate,
    poisson_interval,
    smoothed,
    smoothed_locally,
    standardised,
)
from gridmap.hotspots.trend import mann_kendall
from gridmap.hotspots.windows import Windows, windows

TRUTH: dict[str, Any] = json.loads(
    (Path(__file__).parent / "hotspots.json").read_text(encoding="utf-8")
)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def example(name: str) -> Path:
    """Find a file that the libpysal wheel bears, without importing it."""
    spec = importlib.util.find_spec("libpysal")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "examples" / name


def table(name: str) -> pd.DataFrame:
    return pyogrio.read_dataframe(example(name), read_geometry=False)


def neighbours(name: str, ids: list[str]) -> sparse.csr_array:
    """Read a .gal file: after the header, pairs of lines (id and count, neighbours)."""
    words = example(name).read_text().splitlines()[1:]
    place = {code: row for row, code in enumerate(ids)}
    matrix = np.zeros((len(ids), len(ids)))
    for head, line in zip(words[::2], words[1::2], strict=True):
        for other in line.split():
            matrix[place[head.split()[0]], place[other]] = 1.0
    return sparse.csr_array(matrix)


@pytest.fixture(scope="module")
def maps() -> dict[str, tuple[np.ndarray, sparse.csr_array]]:
    columbus = table("columbus/columbus.dbf")
    sids = table("sids2/sids2.dbf")
    stl = pd.read_csv(example("stl/stl_hom.csv"))
    return {
        "columbus": (
            columbus["CRIME"].to_numpy(float),
            neighbours("columbus/columbus.gal", [str(k + 1) for k in range(len(columbus))]),
        ),
        "sids2": (
            1000 * sids["SID74"].to_numpy(float) / sids["BIR74"].to_numpy(float),
            neighbours("sids2/sids2.gal", sids["FIPSNO"].astype(int).astype(str).tolist()),
        ),
        "stl": (
            stl["HR8893"].to_numpy(float),
            neighbours("stl/stl.gal", [str(k + 1) for k in range(len(stl))]),
        ),
    }


@pytest.mark.parametrize("name", ["columbus", "sids2"])
def test_getis_ord_agrees_with_spdep(maps: Any, name: str) -> None:
    truth = TRUTH["local"][name]
    values, matrix = maps[name]
    units = truth["units"]
    assert np.diff(matrix.indptr)[units].tolist() == truth["cardinality"]
    assert matrix.nnz == truth["n_links"]
    np.testing.assert_allclose(values[units], truth["x"], **CLOSE)
    np.testing.assert_allclose(getis_ord.gi(values, matrix)[units], truth["Gi_z"], **CLOSE)

    z = getis_ord.gi_star(values, windows(matrix))
    p = significance.normal_p(z)
    q = fdr.benjamini_hochberg(p)
    np.testing.assert_allclose(z[units], truth["Gi_star_z"], **CLOSE)
    np.testing.assert_allclose(p[units], truth["Gi_star_p_two_sided"], **CLOSE)
    np.testing.assert_allclose(q[units], truth["Gi_star_BH_q"], **CLOSE)
    by = fdr.benjamini_yekutieli(p)
    np.testing.assert_allclose(by[units], truth["Gi_star_BY_q"], **CLOSE)
    assert (np.abs(z) > 1.96).sum() == truth["count_abs_Gi_star_gt_1.96"]
    assert np.flatnonzero((q <= 0.05) & (z > 0)).tolist() == truth["hot_BH_q_le_0.05"]
    assert np.flatnonzero((q <= 0.05) & (z < 0)).tolist() == truth["cold_BH_q_le_0.05"]
    assert fdr.bins(z, q).tolist() == truth["gi_bin_FDR"]


@pytest.mark.parametrize("name", ["columbus", "sids2"])
def test_row_standardised_weights_leave_the_score_alone(maps: Any, name: str) -> None:
    """esda scales the weights but not the variance; the score must not change at all."""
    values, matrix = maps[name]
    star = windows(matrix)
    scaled = sparse.csr_array(star.matrix / star.first)
    own = scaled.diagonal()
    moments = [np.asarray(scaled.power(k).sum(axis=1))[:, None] for k in (1, 2, 3)]
    z = getis_ord.gi_star(values, Windows(scaled, *moments))
    assert own.min() > 0
    np.testing.assert_allclose(z, getis_ord.gi_star(values, star), **CLOSE)


@pytest.mark.parametrize("name", ["columbus", "sids2"])
def test_local_moran_agrees_with_spdep(maps: Any, name: str) -> None:
    truth = TRUTH["local"][name]
    values, matrix = maps[name]
    units = truth["units"]
    row = sparse.csr_array(matrix / matrix.sum(axis=1)[:, None])
    own = local_moran(values, row)
    np.testing.assert_allclose(own.statistic[units], truth["local_moran_Ii"], **CLOSE)
    np.testing.assert_allclose(own.total[units], truth["local_moran_z_total"], **CLOSE)
    conditional = truth["local_moran_z_conditional"]
    np.testing.assert_allclose(own.conditional[units], conditional, **CLOSE)


def test_published_six_points() -> None:
    truth = TRUTH["esda_doc_6points"]
    points, values = np.array(truth["points"], float), np.array(truth["y"])
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    matrix = sparse.csr_array(((distance <= truth["threshold"]) & (distance > 0)).astype(float))
    np.testing.assert_allclose(getis_ord.gi(values, matrix), truth["Gi_z"], **CLOSE)
    z = getis_ord.gi_star(values, windows(matrix))
    np.testing.assert_allclose(z, truth["Gi_star_z"], **CLOSE)
    np.testing.assert_allclose(z, truth["published"]["Gi_star_B"], atol=1e-8)


@pytest.mark.parametrize("name", ["columbus", "stl"])
def test_skew_corrected_tails(maps: Any, name: str) -> None:
    truth = TRUTH["gi_star_pearson3"][name]
    values, matrix = maps[name]
    units = truth["units"]
    star = windows(matrix)
    z, skew = getis_ord.gi_star(values, star), getis_ord.skewness(values, star)
    upper = significance.upper_tail(z, skew)
    np.testing.assert_allclose(z[units], truth["z"], **CLOSE)
    np.testing.assert_allclose(skew[units], truth["skew"], **CLOSE)
    np.testing.assert_allclose(upper[units], truth["upper_p_pearson3"], **CLOSE)
    straight = significance.upper_tail(z, np.zeros_like(z))
    np.testing.assert_allclose(straight[units], truth["upper_p_normal"], **CLOSE)


def test_empirical_bayes_and_standardised_rates_agree_with_spdep() -> None:
    truth = TRUTH["empirical_bayes"]["sids2"]
    sids = table("sids2/sids2.dbf")
    events, base = sids["SID74"].to_numpy(float), sids["BIR74"].to_numpy(float)
    units = truth["units"]
    np.testing.assert_allclose((events / base)[units], truth["raw"], **CLOSE)
    np.testing.assert_allclose(smoothed(events, base)[units], truth["eb_global"], **CLOSE)
    near = windows(neighbours("sids2/sids2.gal", sids["FIPSNO"].astype(int).astype(str).tolist()))
    local = smoothed_locally(events, base, near)
    np.testing.assert_allclose(local[units], truth["local_eb_spdep_EBlocal"], **CLOSE)
    standard = standardised(events, base)
    np.testing.assert_allclose(standard[units], truth["assuncao_reis_z"], **CLOSE)
    expected = overall_rate(events[:, None], base) * base
    np.testing.assert_allclose(expected[units], truth["expected"], **CLOSE)
    relative = 100 * events[units] / expected[units]
    np.testing.assert_allclose(relative, truth["choynowski_relRisk"], **CLOSE)
    matrix = neighbours("sids2/sids2.gal", sids["FIPSNO"].astype(int).astype(str).tolist())
    assert overall(standard, matrix).moran == pytest.approx(truth["EBI_moran_B"], abs=1e-10)
    row = sparse.csr_array(matrix / matrix.sum(axis=1)[:, None])
    assert overall(standard, row).moran == pytest.approx(truth["EBI_moran_W"], abs=1e-10)


def test_empirical_bayes_of_stl_and_of_a_negative_prior() -> None:
    stl = pd.read_csv(example("stl/stl_hom.csv"))
    truth = TRUTH["empirical_bayes"]["stl_HC8893_PO8893"]
    found = smoothed(stl["HC8893"].to_numpy(float), stl["PO8893"].to_numpy(float))
    np.testing.assert_allclose(found[:10], truth["eb_first10"], rtol=1e-10)
    clipped = TRUTH["empirical_bayes"]["negative_prior_variance"]
    found = smoothed(np.array(clipped["n"], float), np.array(clipped["x"], float))
    np.testing.assert_allclose(found, clipped["expected_when_clipped"], **CLOSE)


def test_false_discovery_rates_agree_with_r() -> None:
    truth = TRUTH["fdr"]
    p = np.array(truth["p"])
    np.testing.assert_allclose(fdr.benjamini_hochberg(p), truth["BH"], **CLOSE)
    np.testing.assert_allclose(fdr.benjamini_yekutieli(p), truth["BY"], **CLOSE)


def test_poisson_interval_agrees_with_r() -> None:
    low, high = poisson_interval(np.array([46]))
    np.testing.assert_allclose(
        [low[0], high[0]], TRUTH["intervals"]["poisson_exact95_46"], rtol=1e-9
    )


def test_mann_kendall_agrees_with_r() -> None:
    truth = TRUTH["mann_kendall"]
    own = mann_kendall(np.array([truth["series_with_ties"]]))
    assert own.s[0] == truth["S"]
    assert own.variance[0] == pytest.approx(truth["var"], abs=1e-10)
    assert own.z[0] == pytest.approx(truth["z"], abs=1e-10)
    assert own.tau[0] == pytest.approx(truth["tau_b"], abs=1e-10)
    pairs = len(truth["series_with_ties"]) * (len(truth["series_with_ties"]) - 1) / 2
    assert own.s[0] / pairs == pytest.approx(truth["tau_a"], abs=1e-10)
    assert significance.normal_p(own.z)[0] == pytest.approx(truth["p"], abs=1e-10)


def test_mann_kendall_of_state_incomes_agrees_with_r() -> None:
    truth = TRUTH["mann_kendall"]["us_income_relative_1929_2009"]
    incomes = pd.read_csv(example("us_income/usjoin.csv"))
    years = incomes[[str(year) for year in range(1929, 2010)]].to_numpy(float)
    own = mann_kendall(years / years.mean(axis=0))
    units = truth["units"]
    assert own.s[units].tolist() == truth["S"]
    np.testing.assert_allclose(own.z[units], truth["z"], **CLOSE)
    np.testing.assert_allclose(own.tau[units], truth["tau"], **CLOSE)


@pytest.mark.parametrize("case", TRUTH["ehsa_truth"]["cases"], ids=lambda case: case["class"])
def test_emerging_classes_agree_with_the_published_definitions(case: dict[str, Any]) -> None:
    for mirrored in (False, True):
        marks = np.array([list(case["seq"])])
        hot, cold = marks == "H", marks == "C"
        side, pattern = classify(
            *((cold, hot) if mirrored else (hot, cold)),
            np.array([-case["mk_z"] if mirrored else case["mk_z"]]),
        )
        named = f"{SIDES[side[0]]} {PATTERNS[pattern[0]]}".strip()
        assert named == case["mirror" if mirrored else "class"]


def test_density_agrees_with_the_direct_sum() -> None:
    truth = TRUTH["kde_gaussian_juvenile"]
    points = table("juvenile/juvenile.dbf")
    x, y = points["X"].to_numpy(float), points["Y"].to_numpy(float)
    pixel = 0.5
    west, north = x.min() - 40.25, y.max() + 40.25
    shape = (int((north - y.min() + 40) / pixel), int((x.max() - west + 40) / pixel))
    # pixel centres fall on the points that are asked about
    west, north = np.floor(west) + 0.25, np.ceil(north) - 0.25
    place = {"west": west, "north": north, "pixel": pixel, "shape": shape}
    found = smooth(bin_points(x, y, **place), pixel=pixel, bandwidth=truth["bandwidth"])
    assert found.sum() * pixel**2 == pytest.approx(truth["n"], rel=1e-6)
    peak = found.max() / truth["n"]
    for at, density in zip(truth["query"], truth["density"], strict=True):
        row, column = (north - at[1]) / pixel - 0.5, (at[0] - west) / pixel - 0.5
        assert row == int(row) and column == int(column)
        own = found[int(row), int(column)] / truth["n"]
        assert own == pytest.approx(density, abs=1e-3 * peak)


@pytest.mark.parametrize("name", ["columbus", "sids2"])
def test_global_statistics_agree_with_spdep(maps: Any, name: str) -> None:
    truth = TRUTH["local"][name]["global"]
    values, matrix = maps[name]
    row = sparse.csr_array(matrix / matrix.sum(axis=1)[:, None])
    own = overall(values, row)
    assert own.moran == pytest.approx(truth["moran_I"], abs=1e-10)
    assert own.moran_variance == pytest.approx(truth["V_rand"], abs=1e-10)
    assert own.moran_z == pytest.approx(truth["z_rand"], abs=1e-10)
    assert own.geary == pytest.approx(truth["geary_C"], abs=1e-10)
    assert -1 / (len(values) - 1) == pytest.approx(truth["E"], abs=1e-10)
    binary = overall(values, matrix)
    assert binary.general_g == pytest.approx(truth["general_G"], abs=1e-10)
    assert binary.general_g_z == pytest.approx(truth["general_G_z"], abs=1e-10)
