"""Chicago: aggravated assaults 2010–2019 by precinct and month, last year held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap.coverage.repair import matched_boundary
from gridmap.hotspot_analysis.getis_ord import gi_star, relieved
from gridmap.hotspot_analysis.rates import standardised
from gridmap.hotspot_analysis.significance import benjamini_hochberg, bins, permuted_p
from gridmap.hotspot_analysis.weights import matrix_of, windows

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def chicago(shared: Path) -> Any:
    """Mend the five precincts that do not fit, and keep the enclaves that are not the city."""
    precincts = gpd.read_parquet(shared / "chicago_precincts.parquet")
    precincts["households"] = precincts["households_acs"].round().astype(int)
    precincts = precincts.rename(columns={"precinct_id": "code"})
    outline = shapely.MultiPolygon(
        [
            shapely.Polygon(part.exterior, [r for r in part.interiors if _square_metres(r) > 1e4])
            for part in precincts.geometry.union_all().geoms
        ]
    )
    cells, _ = gm.repair(precincts, outline, code="code", count="households")
    boundary = matched_boundary(outline, cells)
    grid = gm.Grid(cells[["code", "households", "geometry"]], boundary)
    assaults = gpd.read_parquet(shared / "chicago_assaults_2010_2019.parquet")
    return grid, assaults, gm.tally(gm.assign(assaults, grid), grid, by="month")


def _square_metres(ring: shapely.LinearRing) -> float:
    return float(shapely.Polygon(ring).area)


def test_every_assault_is_counted_once_or_outside(chicago: Any) -> None:
    grid, assaults, table = chicago
    assert len(assaults) == 148_636
    assert table["incidents"].sum() == 148_531
    assert table.index.get_level_values("month").nunique() == 120
    assert len(table) == 120 * len(grid)


def test_ten_years_show_hotspots_that_last(chicago: Any) -> None:
    grid, _, table = chicago
    whole = table.groupby(level="code").sum()
    found = gm.hotspots(whole, grid)
    hot = found["bin"] >= 1
    assert 100 < hot.sum() < 400
    rates = gm.rates(whole, grid)
    assert rates.loc[hot, "incidents"].sum() / rates.loc[hot, "expected"].sum() > 2.5
    assert found.notna().all(axis=None)
    halves = [
        gm.hotspots(table[part].groupby(level="code").sum(), grid)["z"]
        for part in (_years(table) < 2015, _years(table) >= 2015)
    ]
    assert np.corrcoef(*halves)[0, 1] > 0.9


def test_hot_and_cold_spots_are_those_of_random_draws(chicago: Any) -> None:
    """Pearson III on both sides would call sixty per cent of the city cold, normal p none."""
    grid, _, table = chicago
    whole = table.groupby(level="code").sum().reindex(grid.cells.index)
    counts, households = whole.to_numpy(), grid.cells["households"].to_numpy(float)
    within = windows(matrix_of(grid.contiguity, grid.cells.index))
    values = relieved(standardised(counts, households), within)
    drawn = permuted_p(
        within.matrix @ values, values, within.sizes, permutations=4_999,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    z = gi_star(values, within)
    depth = bins(z, benjamini_hochberg(drawn))
    own = gm.hotspots(whole, grid)["bin"]
    assert (own > 0).sum() == pytest.approx((depth > 0).sum(), rel=0.1)
    assert (own < 0).sum() == pytest.approx((depth < 0).sum(), rel=0.1)
    plain = gm.hotspots(whole, grid, p="pearson", curb=None)["bin"]
    assert (
        (plain < 0).sum()
        > 2 * (own < 0).sum()
        > 20 * (gm.hotspots(whole, grid, p="normal")["bin"] < 0).sum()
    )


def test_months_are_held_to_the_same_rate_of_errors(chicago: Any) -> None:
    grid, _, table = chicago
    found = gm.hotspots(table, grid)
    assert found.attrs["method"]["maps"] == 120
    # dealt out anew among the households, the same months show next to nothing
    rng = np.random.default_rng(0)
    share = grid.cells["households"] / grid.cells["households"].sum()
    totals = table["incidents"].groupby(level="month").sum()
    dealt = np.column_stack([rng.multinomial(n, share) for n in totals])
    codes = pd.MultiIndex.from_product([grid.cells.index, totals.index])
    nothing = gm.hotspots(pd.DataFrame({"incidents": dealt.ravel()}, index=codes), grid)
    assert (nothing["bin"] != 0).groupby(level="month").any().mean() <= 0.10
    assert (found["bin"] > 0).sum() > 20 * max((nothing["bin"] > 0).sum(), 1)


def test_histories_by_quarter_name_persistent_hotspots(chicago: Any) -> None:
    grid, _, table = chicago
    months = table.index.get_level_values("month")
    quarter = months.asfreq("Q").rename("quarter")
    quarters = table.groupby([table.index.get_level_values("code"), quarter]).sum()
    found = gm.emerging(quarters, grid)
    facts = found.attrs["method"]
    assert facts["periods"] == 40
    assert facts["hot"]["persistent"] + facts["hot"]["intensifying"] >= 20
    called = {side: int((found["side"] == side).sum()) for side in ("hot", "cold")}
    # with as many incidents each quarter, but no place riskier than another, none is called
    share = grid.cells["households"] / grid.cells["households"].sum()
    totals = quarters["incidents"].groupby(level="quarter").sum()
    codes = pd.MultiIndex.from_product([grid.cells.index, totals.index])
    rng = np.random.default_rng(0)
    alarms = []
    for shape in (None, 2.0, 0.5) * 2:  # of the gamma by which the rates of places vary
        mean = np.outer(share, totals)
        mean = mean if shape is None else mean * rng.gamma(shape, 1 / shape, mean.shape)
        nothing = gm.emerging(
            pd.DataFrame({"incidents": rng.poisson(mean).ravel()}, index=codes), grid
        )
        alarms.append((nothing["side"] != "").sum())
    assert not any(alarms)
    assert min(called.values()) > 100


def test_hotspots_predict_the_year_held_out(chicago: Any) -> None:
    grid, _, table = chicago
    found = gm.accuracy(table, grid, hold_out=12, shares=[0.05], of="households")
    pai = found["pai"].xs(0.05, level="share")
    assert pai["hotspots"] > 3.5 and pai["hotspots"] > pai["count"]
    assert pai["exposure per area"] < 1  # where most live there are fewest assaults a household
    assert (found["pei"] <= 1).all()


def test_the_density_leaves_no_points(chicago: Any) -> None:
    grid, assaults, _ = chicago
    found = gm.density(assaults.to_crs(grid.crs), grid, bandwidth=400, pixel=100)
    assert found.method["outside"] == 105
    weights = found.values[found.shown]
    assert 0.3 < np.median(weights) < 1 and weights.max() > 4


def _years(table: pd.DataFrame) -> Any:
    return table.index.get_level_values("month").year
