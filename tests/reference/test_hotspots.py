"""Agreement with R, esda and others: every value of hotspots.json is held against our own.

The file is walked leaf by leaf. A leaf without a comparison fails, so nothing in it is left out
by oversight, and so does a comparison without a leaf.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import pytest
from scipy import sparse

from gridmap.hotspot_analysis import getis_ord, significance
from gridmap.hotspot_analysis.density import bin_points, smooth
from gridmap.hotspot_analysis.emerging import PATTERNS, SIDES, classify, mann_kendall, sen_slope
from gridmap.hotspot_analysis.getis_ord import overall
from gridmap.hotspot_analysis.hotspots import hotspots
from gridmap.hotspot_analysis.local_moran import local_moran
from gridmap.hotspot_analysis.rates import (
    poisson_interval,
    rates,
    smoothed,
    smoothed_locally,
    standardised,
)
from gridmap.hotspot_analysis.weights import Windows, windows
from gridmap.intervals import wilson
from tests.lattice import lattice, table_of

TRUTH: dict[str, Any] = json.loads(
    (Path(__file__).parent / "hotspots.json").read_text(encoding="utf-8")
)
Place = tuple[str, ...]
Comparison = Callable[[Any, Place], None]
COMPARISONS: dict[str, Comparison] = {}


def leaves(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Walk down to plain values and to lists of plain values."""
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(node, list) and any(isinstance(inner, dict | list) for inner in node[:1]):
        for number, inner in enumerate(node):
            yield from leaves(inner, (*place, str(number)))
    else:
        yield place, node


def matching(place: Place) -> list[str]:
    """Name the comparisons of a leaf; their patterns have a word or * for each step down."""
    return [
        pattern
        for pattern in COMPARISONS
        if len(steps := pattern.split(":")) == len(place)
        and all(fnmatchcase(own, step) for own, step in zip(place, steps, strict=True))
    ]


def of(*patterns: str) -> Callable[[Comparison], Comparison]:
    """Register a comparison for leaves."""

    def register(comparison: Comparison) -> Comparison:
        COMPARISONS.update(dict.fromkeys(patterns, comparison))
        return comparison

    return register


LEAVES = list(leaves(TRUTH))


@pytest.mark.parametrize(("place", "truth"), LEAVES, ids=[":".join(p) for p, _ in LEAVES])
def test_every_value_agrees(place: Place, truth: Any) -> None:
    patterns = matching(place)
    assert len(patterns) == 1, f"{':'.join(place)} has {len(patterns)} comparisons"
    COMPARISONS[patterns[0]](truth, place)


def test_every_comparison_has_a_value() -> None:
    used = {pattern for place, _ in LEAVES for pattern in matching(place)}
    assert used == set(COMPARISONS)
    assert matching(("fdr", "a key nobody compares")) == []


def close(own: Any, truth: Any, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(own, truth, rtol=tolerance, atol=tolerance)


# Data: the files that the libpysal wheel bears


def example(name: str) -> Path:
    """Find a file of the wheel without importing it."""
    spec = importlib.util.find_spec("libpysal")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "examples" / name


@cache
def table(name: str) -> pd.DataFrame:
    path = example(name)
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pyogrio.read_dataframe(path, read_geometry=False)


def neighbours(name: str, ids: list[str]) -> sparse.csr_array:
    """Read a .gal file: after the header, pairs of lines (id and count, neighbours)."""
    words = example(name).read_text().splitlines()[1:]
    place = {code: row for row, code in enumerate(ids)}
    matrix = np.zeros((len(ids), len(ids)))
    for head, line in zip(words[::2], words[1::2], strict=True):
        for other in line.split():
            matrix[place[head.split()[0]], place[other]] = 1.0
    return sparse.csr_array(matrix)


VARIABLES = {"columbus": "CRIME", "sids2": "1000*SID74/BIR74"}


@cache
def example_map(name: str) -> tuple[np.ndarray, sparse.csr_array]:
    if name == "columbus":
        frame = table("columbus/columbus.dbf")
        ids = [str(k + 1) for k in range(len(frame))]
        return frame["CRIME"].to_numpy(float), neighbours("columbus/columbus.gal", ids)
    if name == "sids2":
        frame = table("sids2/sids2.dbf")
        ids = frame["FIPSNO"].astype(int).astype(str).tolist()
        values = 1000 * frame["SID74"].to_numpy(float) / frame["BIR74"].to_numpy(float)
        return values, neighbours("sids2/sids2.gal", ids)
    frame = table("stl/stl_hom.csv")
    ids = [str(k + 1) for k in range(len(frame))]
    return frame["HR8893"].to_numpy(float), neighbours("stl/stl.gal", ids)


# What is told rather than computed


@of("_meta:*", "_meta:*:*", "*:sources", "*:*:sources", "*:note", "local:*:known_bad_peer:note",
    "empirical_bayes:sids2:local_eb_note")  # fmt: skip
def told(truth: Any, _: Place) -> None:
    """Say where the values come from."""
    lines = truth if isinstance(truth, list) else [truth]
    assert lines and all(isinstance(line, str) and line for line in lines)


@of("*:*:max_abs_diff:*", "mann_kendall:*:max_abs_diff_own_R_z")
def sources_agree(truth: Any, _: Place) -> None:
    """The sources differ from each other by less than what we are held to."""
    assert 0 <= truth < 1e-10


@of("esda_doc_6points:points:*", "esda_doc_6points:y", "esda_doc_6points:threshold", "fdr:p",
    "mann_kendall:series_with_ties", "kde_gaussian_juvenile:bandwidth",
    "kde_gaussian_juvenile:query:*", "empirical_bayes:negative_prior_variance:n",
    "empirical_bayes:negative_prior_variance:x", "ehsa_truth:cases:*:mk_z")  # fmt: skip
def given(truth: Any, _: Place) -> None:
    """Put in, for the values beside it to come out."""
    assert np.isfinite(np.asarray(truth, float)).all()


# Local statistics


@of("local:*:variable")
def variable(truth: Any, place: Place) -> None:
    assert VARIABLES[place[1]] == truth


@of("local:*:n")
def length(truth: Any, place: Place) -> None:
    assert len(example_map(place[1])[0]) == truth


@of("local:*:units", "gi_star_pearson3:*:units")
def units(truth: Any, place: Place) -> None:
    assert len(set(truth)) == len(truth)
    assert min(truth) >= 0 and max(truth) < len(example_map(place[1])[0])


@of("local:*:x")
def values(truth: Any, place: Place) -> None:
    close(example_map(place[1])[0][TRUTH["local"][place[1]]["units"]], truth)


@of("local:*:cardinality")
def cardinality(truth: Any, place: Place) -> None:
    matrix = example_map(place[1])[1]
    assert np.diff(matrix.indptr)[TRUTH["local"][place[1]]["units"]].tolist() == truth


@of("local:*:n_links")
def links(truth: Any, place: Place) -> None:
    assert example_map(place[1])[1].nnz == truth


@cache
def local(name: str) -> dict[str, np.ndarray]:
    """Compute the local statistics of a map."""
    values, matrix = example_map(name)
    row = sparse.csr_array(matrix / matrix.sum(axis=1)[:, None])
    moran = local_moran(values, row)
    z = getis_ord.gi_star(values, windows(matrix))
    p = significance.normal_p(z)
    return {
        "Gi_z": getis_ord.gi(values, matrix),
        "Gi_star_z": z,
        "Gi_star_p_two_sided": p,
        "Gi_star_BH_q": significance.benjamini_hochberg(p),
        "Gi_star_BY_q": significance.benjamini_yekutieli(p),
        "local_moran_Ii": moran.statistic,
        "local_moran_z_total": moran.total,
        "local_moran_z_conditional": moran.conditional,
    }


@of("local:*:Gi_z", "local:*:Gi_star_z", "local:*:Gi_star_p_two_sided", "local:*:Gi_star_BH_q",
    "local:*:Gi_star_BY_q", "local:*:local_moran_*")  # fmt: skip
def local_statistic(truth: Any, place: Place) -> None:
    close(local(place[1])[place[2]][TRUTH["local"][place[1]]["units"]], truth)


@of("local:*:count_abs_Gi_star_gt_1.96")
def count_of_large_scores(truth: Any, place: Place) -> None:
    assert (np.abs(local(place[1])["Gi_star_z"]) > 1.96).sum() == truth


@of("local:*:hot_BH_q_le_0.05", "local:*:cold_BH_q_le_0.05")
def called(truth: Any, place: Place) -> None:
    own = local(place[1])
    side = 1 if place[2].startswith("hot") else -1
    hit = (own["Gi_star_BH_q"] <= 0.05) & (side * own["Gi_star_z"] > 0)
    assert np.flatnonzero(hit).tolist() == truth


@of("local:*:gi_bin_FDR")
def binned(truth: Any, place: Place) -> None:
    own = local(place[1])
    assert significance.bins(own["Gi_star_z"], own["Gi_star_BH_q"]).tolist() == truth


@of("local:*:known_bad_peer:esda_default_transform_R_Gi_star_Zs")
def known_bad_scores(truth: Any, place: Place) -> None:
    """esda scales the weights but not the variance; our score must not change at all."""
    values, matrix = example_map(place[1])
    star = windows(matrix)
    scaled = sparse.csr_array(star.matrix / star.first)
    sums = [np.asarray(scaled.power(k).sum(axis=1))[:, None] for k in (1, 2, 3)]
    z = getis_ord.gi_star(values, Windows(scaled, *sums))
    close(z, local(place[1])["Gi_star_z"])
    assert np.abs(z[TRUTH["local"][place[1]]["units"]] - truth).max() > 0.1


@of("local:*:global:*")
def global_statistic(truth: Any, place: Place) -> None:
    values, matrix = example_map(place[1])
    row = overall(values, sparse.csr_array(matrix / matrix.sum(axis=1)[:, None]))
    binary = overall(values, matrix)
    own = {
        "moran_I": row.moran,
        "E": -1 / (len(values) - 1),
        "V_rand": row.moran_variance,
        "z_rand": row.moran_z,
        "geary_C": row.geary,
        "general_G": binary.general_g,
        "general_G_z": binary.general_g_z,
    }
    close(own[place[3]], truth)


@of("esda_doc_6points:Gi_z", "esda_doc_6points:Gi_star_z", "esda_doc_6points:published:Gi_B",
    "esda_doc_6points:published:Gi_star_B")  # fmt: skip
def six_points(truth: Any, place: Place) -> None:
    case = TRUTH["esda_doc_6points"]
    points, y = np.array(case["points"], float), np.array(case["y"])
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    matrix = sparse.csr_array(((distance <= case["threshold"]) & (distance > 0)).astype(float))
    star = "star" in place[-1]
    own = getis_ord.gi_star(y, windows(matrix)) if star else getis_ord.gi(y, matrix)
    # what is printed in the documentation has eight decimals
    close(own, truth, 1e-8 if place[1] == "published" else 1e-10)


@of("gi_star_pearson3:*:z", "gi_star_pearson3:*:skew", "gi_star_pearson3:*:upper_p_pearson3",
    "gi_star_pearson3:*:upper_p_normal")  # fmt: skip
def skewed_tail(truth: Any, place: Place) -> None:
    values, matrix = example_map(place[1])
    star = windows(matrix)
    z, skew = getis_ord.gi_star(values, star), getis_ord.skewness(values, star)
    own = {
        "z": z,
        "skew": skew,
        "upper_p_pearson3": significance.upper_tail(z, skew),
        "upper_p_normal": significance.upper_tail(z, np.zeros_like(z)),
    }
    close(own[place[2]][TRUTH["gi_star_pearson3"][place[1]]["units"]], truth)


@of("gi_star_pearson3:*:upper_p_montecarlo_400k")
def drawn_tail(truth: Any, place: Place) -> None:
    values, matrix = example_map(place[1])
    star, chosen = windows(matrix), TRUTH["gi_star_pearson3"][place[1]]["units"]
    draws = 40_000
    own = significance.permuted_p(
        (star.matrix @ values)[:, None], values[:, None], star.sizes, permutations=draws,
        rng=np.random.default_rng(0),
    )[chosen, 0]  # fmt: skip
    smaller = np.minimum(truth, 1 - np.array(truth))
    error = np.sqrt(smaller * (1 - smaller) * (1 / draws + 1 / 400_000)) + 1 / draws
    assert (np.abs(own / 2 - smaller) < 5 * error).all()


# Rates


@cache
def sids() -> tuple[np.ndarray, np.ndarray, pd.DataFrame, Any]:
    """Take births for households and deaths for incidents: rates, and the hotspots' account."""
    frame = table("sids2/sids2.dbf")
    events, base = frame["SID74"].to_numpy(float), frame["BIR74"].to_numpy(float)
    grid = lattice(10, 10, base)
    counts = table_of(grid, events)
    matrix = example_map("sids2")[1]
    row = sparse.csr_array(matrix / matrix.sum(axis=1)[:, None])
    spots = {
        letter: hotspots(counts, grid, weights=weights, curb=None).attrs["method"]
        for letter, weights in (("B", matrix), ("W", row))
    }
    return events, base, rates(counts, grid), spots


@of("empirical_bayes:sids2:events", "empirical_bayes:sids2:base")
def columns(truth: Any, _: Place) -> None:
    assert truth in table("sids2/sids2.dbf")


@of("empirical_bayes:sids2:units")
def units_of_rates(truth: Any, _: Place) -> None:
    assert truth == TRUTH["local"]["sids2"]["units"]


@of("empirical_bayes:sids2:raw", "empirical_bayes:sids2:eb_global",
    "empirical_bayes:sids2:expected", "empirical_bayes:sids2:choynowski_relRisk",
    "empirical_bayes:sids2:assuncao_reis_z",
    "empirical_bayes:sids2:local_eb_spdep_EBlocal")  # fmt: skip
def rate(truth: Any, place: Place) -> None:
    events, base, frame, _ = sids()
    own = {
        "raw": frame["rate"].to_numpy() / 1000,
        "eb_global": frame["smoothed"].to_numpy() / 1000,
        "expected": frame["expected"].to_numpy(),
        "choynowski_relRisk": 100 * frame["ratio"].to_numpy(),
        "assuncao_reis_z": standardised(events, base),
        "local_eb_spdep_EBlocal": smoothed_locally(events, base, windows(example_map("sids2")[1])),
    }
    close(own[place[2]][TRUTH["empirical_bayes"]["sids2"]["units"]], truth)


@of("empirical_bayes:sids2:a", "empirical_bayes:sids2:b")
def prior(truth: Any, place: Place) -> None:
    """Solve the smoothed rates for the prior they were pulled by: b, and a by the pull."""
    events, base, *_ = sids()
    mean = events.sum() / base.sum()
    pull = (smoothed(events, base) - mean) / (events / base - mean)
    variance = pull / (1 - pull) * mean / base
    np.testing.assert_allclose(variance if place[2] == "a" else mean, truth, rtol=1e-9)


@of("empirical_bayes:sids2:EBI_moran_*")
def moran_of_rates(truth: Any, place: Place) -> None:
    close(sids()[3][place[2][-1]]["moran"], truth)


@of("empirical_bayes:stl_HC8893_PO8893:eb_first10")
def rates_of_saint_louis(truth: Any, _: Place) -> None:
    stl = table("stl/stl_hom.csv")
    own = smoothed(stl["HC8893"].to_numpy(float), stl["PO8893"].to_numpy(float))
    np.testing.assert_allclose(own[:10], truth, rtol=1e-10)


@of("empirical_bayes:negative_prior_variance:expected_when_clipped",
    "empirical_bayes:negative_prior_variance:esda_unclipped_bug")  # fmt: skip
def clipped(truth: Any, place: Place) -> None:
    case = TRUTH["empirical_bayes"]["negative_prior_variance"]
    own = smoothed(np.array(case["n"], float), np.array(case["x"], float))
    if place[2] == "esda_unclipped_bug":
        assert np.abs(own - truth).max() > 1e-4
    else:
        close(own, truth)


# Many tests, trends, intervals


@of("fdr:BH", "fdr:BY", "fdr:bonf", "fdr:holm")
def corrected(truth: Any, place: Place) -> None:
    name = {"BH": "bh", "BY": "by", "bonf": "bonferroni", "holm": "holm"}[place[1]]
    p = np.array(TRUTH["fdr"]["p"])
    close(significance.CORRECTIONS[name](p), truth)
    order = np.random.default_rng(0).permutation(len(p))
    close(significance.CORRECTIONS[name](p[order]), np.array(truth)[order])


@of("fdr:own_mask_check:*")
def rejected(truth: Any, place: Place) -> None:
    """The q-values reject what Benjamini and Hochberg's rule itself rejects."""
    p, level = np.array(TRUTH["fdr"]["p"]), float(place[2])
    below = np.flatnonzero(p <= level * np.arange(1, len(p) + 1) / len(p))
    rule = p <= (p[below[-1]] if len(below) else -1.0)
    assert [bool((rule == (significance.benjamini_hochberg(p) <= level)).all())] == truth


@of("mann_kendall:S", "mann_kendall:z", "mann_kendall:var", "mann_kendall:tau_a",
    "mann_kendall:tau_b", "mann_kendall:p", "mann_kendall:sen_slope",
    "mann_kendall:pymannkendall_z", "mann_kendall:R_cor.test:*")  # fmt: skip
def trend(truth: Any, place: Place) -> None:
    series = np.array([TRUTH["mann_kendall"]["series_with_ties"]])
    found, count = mann_kendall(series), series.shape[1]
    own = {
        "S": found.s[0],
        "z": found.z[0],
        "pymannkendall_z": found.z[0],
        "var": found.variance[0],
        "tau_a": found.s[0] / (count * (count - 1) / 2),
        "tau_b": found.tau[0],
        "p": significance.normal_p(found.z)[0],
        "sen_slope": sen_slope(series)[0],
    }
    close(own[place[-1]], truth)


@of("mann_kendall:us_income_relative_1929_2009:units",
    "mann_kendall:us_income_relative_1929_2009:name",
    "mann_kendall:us_income_relative_1929_2009:S",
    "mann_kendall:us_income_relative_1929_2009:z",
    "mann_kendall:us_income_relative_1929_2009:tau")  # fmt: skip
def trend_of_incomes(truth: Any, place: Place) -> None:
    incomes = table("us_income/usjoin.csv")
    years = incomes[[str(year) for year in range(1929, 2010)]].to_numpy(float)
    found = mann_kendall(years / years.mean(axis=0))
    chosen = TRUTH["mann_kendall"]["us_income_relative_1929_2009"]["units"]
    own = {
        "units": np.arange(len(incomes)),
        "name": incomes["Name"].to_numpy(),
        "S": found.s,
        "z": found.z,
        "tau": found.tau,
    }[place[2]][chosen]
    if place[2] in ("z", "tau"):
        close(own, truth)
    else:
        assert own.tolist() == truth


@of("intervals:closure_*_wilson95", "intervals:poisson_exact95_46")
def interval(truth: Any, place: Place) -> None:
    if place[1].startswith("closure"):
        hits, _, trials = place[1].split("_")[1:4]
        own = wilson(int(hits), int(trials))
    else:
        own = poisson_interval(np.array([46]))
    # printed by R with ten digits
    np.testing.assert_allclose(np.ravel(own), truth, rtol=1e-9)


@of("ehsa_truth:cases:*:seq")
def history(truth: Any, _: Place) -> None:
    assert set(truth) <= set("HC.")


@of("ehsa_truth:cases:*:class", "ehsa_truth:cases:*:mirror", "ehsa_truth:cases:*:expected")
def emerging_class(truth: Any, place: Place) -> None:
    case = TRUTH["ehsa_truth"]["cases"][int(place[2])]
    marks = np.array([list(case["seq"])])
    hot, cold, growth = marks == "H", marks == "C", np.array([case["mk_z"]])
    mirrored = place[3] == "mirror"
    side, pattern = classify(cold, hot, -growth) if mirrored else classify(hot, cold, growth)
    named = f"{SIDES[side[0]]} {PATTERNS[pattern[0]]}".strip()
    assert truth == (named.split()[-1] if place[3] == "expected" else named)


# Density


@cache
def juvenile() -> tuple[np.ndarray, float, float, float, int]:
    """Smooth the points on a raster whose pixel centres are the points that are asked about."""
    points = table("juvenile/juvenile.dbf")
    x, y = points["X"].to_numpy(float), points["Y"].to_numpy(float)
    pixel = 0.5
    west, north = np.floor(x.min() - 40.25) + 0.25, np.ceil(y.max() + 40.25) - 0.25
    shape = (int((north - y.min() + 40) / pixel), int((x.max() - west + 40) / pixel))
    place = {"west": west, "north": north, "pixel": pixel, "shape": shape}
    bandwidth = TRUTH["kde_gaussian_juvenile"]["bandwidth"]
    binned = bin_points(x, y, **place)
    return smooth(binned, pixel=pixel, bandwidth=bandwidth), west, north, pixel, len(points)


@of("kde_gaussian_juvenile:n")
def points(truth: Any, _: Place) -> None:
    assert juvenile()[-1] == truth


@of("kde_gaussian_juvenile:density", "kde_gaussian_juvenile:R_dnorm")
def density(truth: Any, _: Place) -> None:
    raster, west, north, pixel, count = juvenile()
    for at, expected in zip(TRUTH["kde_gaussian_juvenile"]["query"], truth, strict=True):
        row, column = (north - at[1]) / pixel - 0.5, (at[0] - west) / pixel - 0.5
        assert row == int(row) and column == int(column)
        # a raster is no exact sum: 0.1 % of the peak
        own = raster[int(row), int(column)] / count
        assert own == pytest.approx(expected, abs=1e-3 * raster.max() / count)


@of("kde_gaussian_juvenile:integral_1")
def integral(truth: Any, _: Place) -> None:
    raster, _, _, pixel, count = juvenile()
    assert truth is True and raster.sum() * pixel**2 == pytest.approx(count, rel=1e-6)
