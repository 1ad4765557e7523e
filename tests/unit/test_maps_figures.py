"""The figures of the briefing: each recomputed from the data in another way."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from scipy.stats import chi2

import gridmap as gm
from gridmap.briefings import charts
from gridmap.briefings.briefing import cards, conclusion
from gridmap.briefings.charts import percent, trend_chart, trend_hint
from gridmap.briefings.figures import computed, hotspot_account
from gridmap.briefings.html import quality, staffing
from gridmap.briefings.period import series, whole_periods, window
from tests.lattice import lattice, table_of

SINCE, UNTIL = "2026-04-01", "2026-06-29"


def figures(
    grid: gm.Grid, incidents: Any, *, staff: Any = None, since: Any = None, until: Any = None
) -> dict[str, Any]:
    """Return the figures of a briefing by week."""
    return computed(grid, incidents, staff, since, until, "week", None, "zh")[0]


@pytest.fixture(scope="module")
def found(grid: gm.Grid, town: Any) -> dict[str, Any]:
    return figures(grid, town.incidents, staff=town.staff, since=SINCE, until=UNTIL)


@pytest.fixture(scope="module")
def now(grid: gm.Grid, town: Any) -> Any:
    """Return the incidents of the period in cells, by plain comparisons."""
    placed = gm.assign(town.incidents, grid)
    day = placed["time"].dt.strftime("%Y-%m-%d")
    return placed[(day >= SINCE) & (day <= UNTIL) & placed["code"].notna()]


def test_it_is_plain_data(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_cells_and_band(found: dict[str, Any], grid: gm.Grid) -> None:
    homes = [c.households for c in grid.cells.itertuples() if c.kind == "residential"]
    assert found["cells"]["cells"] == len(grid)
    assert found["cells"]["in_band"] == sum(300 <= h <= 600 for h in homes)
    assert found["cells"]["below"] + found["cells"]["above"] == sum(
        not 300 <= h <= 600 for h in homes
    )
    assert found["cells"]["dedicated"] == len(grid) - len(homes)
    assert found["cells"]["households"] == grid.cells["households"].sum()
    assert found["proof"]["verdict"] == grid.proof.verdict == "exact"


def test_records_are_accounted_for(found: dict[str, Any], grid: gm.Grid, town: Any) -> None:
    told = found["account"]
    status = gm.assign(town.incidents, grid)["status"].value_counts()
    assert told["read"] == len(town.incidents)
    assert told["read"] == told["assigned"] + told["outside"] + told["invalid"]
    assert told["outside"] == status.get("outside", 0)


def test_counts_rates_and_change(found: dict[str, Any], now: Any, grid: gm.Grid, town: Any) -> None:
    told, homes = found["incidents"], grid.cells["households"].sum()
    assert told["count"] == len(now)
    assert told["rate"] == pytest.approx(100 * len(now) / homes)
    low = chi2.ppf(0.025, 2 * len(now)) / 2 * 100 / homes
    high = chi2.ppf(0.975, 2 * len(now) + 2) / 2 * 100 / homes
    assert (told["rate_low"], told["rate_high"]) == pytest.approx((low, high))
    placed = gm.assign(town.incidents, grid)
    length = pd.Timestamp(UNTIL) - pd.Timestamp(SINCE) + pd.Timedelta(days=1)
    start = pd.Timestamp(SINCE) - length
    before = placed[(placed["time"] >= start) & (placed["time"] < SINCE) & placed["code"].notna()]
    assert told["before"] == len(before)
    assert told["change"] == pytest.approx(len(now) / len(before) - 1)


def test_ranking_by_street(found: dict[str, Any], now: Any, grid: gm.Grid) -> None:
    rows = found["ranking"]["rows"]
    assert found["ranking"]["level"] == "street"
    street = grid.cells["street"]
    assert {row["name"] for row in rows} == set(street)
    for row in rows:
        cells = grid.cells[street == row["name"]]
        count = now["code"].isin(cells.index).sum()
        assert row["incidents"] == count
        assert row["cells"] == len(cells)
        assert row["rate"] == pytest.approx(100 * count / cells["households"].sum())
        assert row["low"] < row["rate"] < row["high"]
        assert sum(row["spark"]) <= count
    rates = [row["rate"] for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert sum(row["incidents"] for row in rows) == found["incidents"]["count"]


def test_closure_of_a_street_has_the_interval_of_wilson(
    found: dict[str, Any], now: Any, grid: gm.Grid
) -> None:
    from gridmap.intervals import wilson

    for row in found["ranking"]["rows"]:
        codes = grid.cells.index[grid.cells["street"] == row["name"]]
        status = now.loc[now["code"].isin(codes), "incident_status"]
        end = pd.Timestamp(UNTIL) + pd.Timedelta(days=1)
        due = now.loc[status.index, "due"] < end
        done = (status == "结案") & ~(now.loc[status.index, "closed"] >= end)
        closed = done.sum()
        required = ((status != "上报") & (done | due)).sum()
        low, high = wilson(closed, required)
        assert row["closure"] == pytest.approx(closed / required)
        assert (row["closure_low"], row["closure_high"]) == pytest.approx((float(low), float(high)))


def test_hotspots_are_those_of_their_room(found: dict[str, Any], now: Any, grid: gm.Grid) -> None:
    spots = gm.hotspots(gm.tally(now, grid), grid)
    hot = spots[spots["bin"] > 0]
    told = found["hotspots"]
    assert told["hot"] == len(hot) and told["cold"] == (spots["bin"] < 0).sum()
    either = spots[(spots["bin"] > 0) | (spots["cell_bin"] > 0)]
    assert told["cells_above"] == (spots["cell_bin"] > 0).sum() and told["either"] == len(either)
    assert told["share"] == pytest.approx(either["incidents"].sum() / len(now))
    assert {one["code"] for one in told["top"]} <= set(either.index)
    for one in told["top"]:
        row = spots.loc[one["code"]]
        tested = ("incidents", "expected", "cell_q")
        if one["asked"] == "neighbourhood":
            tested = ("window_incidents", "window_expected", "q")
        assert (one["incidents"], one["expected"], one["q"]) == tuple(row[[*tested]])


def test_one_cell_that_stands_out_alone_is_told(found: dict[str, Any]) -> None:
    """One cell with 111 incidents against 29 expected is no quiet map (C5)."""
    grid = lattice(10, 10)
    counts = np.random.default_rng(0).poisson(29, 100)
    counts[45] = 111
    spots = gm.hotspots(table_of(grid, counts), grid)
    told = hotspot_account(spots.assign(exposure=400), grid)
    assert told["cells_above"] == 1 and told["top"][0]["incidents"] == 111
    assert told["top"][0]["asked"] == "cell"
    said = "".join(text for text, _ in conclusion({**found, "hotspots": told}, "en"))
    assert "<strong>" not in said and "1 cell stands out alone" in said


def test_trend_by_week(found: dict[str, Any], now: Any) -> None:
    told = found["trend"]
    assert sum(told["counts"]) == len(now)
    for label, count in zip(told["labels"], told["counts"], strict=True):
        monday = pd.Timestamp(label)
        assert monday.day_of_week == 0
        week = (now["time"] >= monday) & (now["time"] < monday + pd.Timedelta(days=7))
        assert count == week.sum()
    assert told["whole"][0] is False  # 1 April 2026 is a Wednesday
    done = [c for c, whole in zip(told["counts"], told["whole"], strict=True) if whole]
    assert told["mean"][told["whole"].index(True) + 3] == pytest.approx(np.mean(done[:4]))
    assert told["last"] == done[-1]


def test_words_levels_and_stages(found: dict[str, Any], now: Any) -> None:
    for key, column in (("categories", "category"), ("sources", "source")):
        assert sum(row["count"] for row in found[key]) == len(now)
        for row in found[key]:
            if row["name"]:
                assert row["count"] == (now[column] == row["name"]).sum()
    for row in found["handling"]:
        assert row["cases"] == (now["handling_level"] == row["name"]).sum()
    stages = [row["cases"] for row in found["progress"]]
    assert stages == sorted(stages, reverse=True) and stages[0] == len(now)


def test_staffing_is_that_of_its_room(found: dict[str, Any], grid: gm.Grid, town: Any) -> None:
    from gridmap.operations.staffing import staffing

    posted = staffing(town.staff, grid).cells
    assert found["staffing"]["without_leader"] == found["staffing"]["covered"] == 0
    assert set(posted["status"]) == {"not covered"}, "the roster names communities"
    assert found["staffing"]["posts"] == len(town.staff)
    leaderless = sum(row.get("leaderless", 0) for row in found["ranking"]["rows"])
    assert leaderless == found["staffing"]["without_leader"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_number_of_the_sentence_is_a_figure(found: dict[str, Any], lang: Any) -> None:
    some = {**found, "hotspots": {**found["hotspots"], "either": 7, "hot": 7, "share": 0.123}}
    said = "".join(text for text, _ in conclusion(some, lang))
    for number in (
        found["cells"]["cells"],
        found["cells"]["jurisdictions"],
        found["cells"]["in_band"],
        found["incidents"]["count"],
        7,
        found["staffing"]["without_leader"],
    ):
        assert f"{number:,}" in said
    assert "12.3%" in said and percent(7 / found["cells"]["cells"]) in said


@pytest.mark.parametrize(
    ("lang", "none", "unknown"),
    [
        ("zh", "无论单格还是连同邻格", "没有户数，未检验热点"),
        ("en", "neither alone nor with", "hotspots not tested"),
    ],
)
def test_no_hotspot_and_no_test_are_two_things(
    found: dict[str, Any], lang: Any, none: str, unknown: str
) -> None:
    cold = {**found, "hotspots": {**found["hotspots"], "either": 0, "share": 0.0}}
    bare = {**cold, "cells": {**found["cells"], "households": 0}}
    quiet = {**cold, "incidents": {**found["incidents"], "count": 0}}
    said = ["".join(text for text, _ in conclusion(one, lang)) for one in (cold, bare, quiet)]
    assert [none in text for text in said] == [True, False, False]
    assert [unknown in text for text in said] == [False, True, False]
    assert "0.0%" not in "".join(said)
    below = {one["label"]: one["below"] for one in cards(bare, lang, False)}
    assert below[{"zh": "户数达标", "en": "In the band"}[lang]] in (
        "数据没有户数",
        "households unknown",
    )


@pytest.mark.parametrize("households", [400, [0] + [400] * 143])
def test_nothing_is_said_to_be_found_where_nothing_was_tested(
    found: dict[str, Any], households: Any
) -> None:
    city = lattice(12, 12, households)
    few = pd.Series(0, city.cells.index)
    few[few.index[[0, 30, 60, 90, 143]]] = 1
    spots = gm.hotspots(table_of(city, few), city)
    account = hotspot_account(spots, city)
    assert (account["either"], account["tested"]) == (0, 0)
    counted = int((city.cells["households"] > 0).sum())
    said = "".join(text for text, _ in conclusion({**found, "hotspots": account}, "en"))
    assert f"No cell is above chance alone (tested: {counted} cells)" in said
    assert "with its neighbours none could be tested." in said
    page = gm.hotspot_map(city, spots, lang="en").get_root().render()
    assert "Neighbourhoods: none tested" in page
    assert "0 hot" not in page
    assert "Neighbourhoods: none hot or cold of 144 tested" in _hotspot_page(6, "en")
    assert "检验的 144 个网格中没有热点或冷点" in _hotspot_page(6, "zh")


def _hotspot_page(each: int, lang: Any) -> str:
    """Return the page of a town with nearly as many incidents in each cell."""
    city = lattice(12, 12)
    counts = pd.Series(each, city.cells.index)
    counts[counts.index[::2]] += 1
    spots = gm.hotspots(table_of(city, counts), city)
    page: str = gm.hotspot_map(city, spots, lang=lang).get_root().render()
    return page


def test_a_briefing_names_no_person_and_holds_no_point(grid: gm.Grid, town: Any) -> None:
    staff = town.staff.assign(姓名="张三丰", 手机="13800001111")
    incidents = town.incidents.assign(举报人="李四光", 联系电话="13900002222")
    made = gm.briefing(grid, incidents, staff=staff)
    for secret in ("张三丰", "13800001111", "李四光", "13900002222"):
        assert secret not in made.html
    for x in town.incidents["x"].head(50):
        assert str(x) not in made.html
    assert not any(code in made.html for code in town.incidents["incident_id"].head(50))


def test_the_public_sees_no_small_count(grid: gm.Grid, town: Any) -> None:
    few = town.incidents.iloc[:16]
    inside = gm.briefing(grid, few, audience="internal").html
    outside = gm.briefing(grid, few, audience="public").html
    assert "少于5" in outside and "少于5" not in inside
    assert "公开资料" in outside and "内部资料" in inside
    assert '"title":"事件","values"' in inside and '"title":"事件","values"' not in outside


def test_the_same_data_give_the_same_page(
    grid: gm.Grid, town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    pages = [gm.briefing(grid, town.incidents, lang="en").html for _ in range(2)]
    assert pages[0] == pages[1]


def test_incidents_without_times_statuses_or_hits(grid: gm.Grid, town: Any) -> None:
    bare = town.incidents[["geometry"]]
    told = figures(grid, bare)
    assert told["period"] is None and told["trend"] is None and told["indicators"] is None
    assert gm.briefing(grid, bare, lang="en").html
    nothing = gm.briefing(grid, town.incidents.iloc[:0].drop(columns="time"))
    assert nothing.figures["incidents"]["count"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "2026-05-01", "until": "2026-04-01"}, "lies before `since`"),
        ({"since": "yesterdayish"}, "`since` is 'yesterdayish'"),
        ({"by": "year"}, "`by` is 'year'"),
        ({"audience": "all"}, "`audience` is 'all'"),
        ({"level": "province"}, "`level` is 'province'"),
        ({"cell": "nope"}, "No cell has the code 'nope'"),
        ({"cell": "nope", "audience": "public"}, "The sheet of a cell is internal"),
        ({"cell": "nope", "basemap": "x.png"}, "a map of its own"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    grid: gm.Grid, town: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(gm.InputError, match=message):
        gm.briefing(grid, town.incidents, **options)


def test_times_with_a_zone_count_by_their_own_clock(grid: gm.Grid, town: Any) -> None:
    zoned = town.incidents.assign(time=town.incidents["time"].dt.tz_localize("Asia/Shanghai"))
    options: dict[str, Any] = {"since": SINCE, "until": UNTIL}
    told, plain = (figures(grid, frame, **options) for frame in (zoned, town.incidents))
    assert told["trend"] == plain["trend"] and told["incidents"] == plain["incidents"]


def test_a_period_before_must_be_whole() -> None:
    time = pd.Series(pd.date_range("2026-01-01", "2026-03-31"))
    assert window(time, "2026-03-01").before == (
        pd.Timestamp("2026-01-29"),
        pd.Timestamp("2026-02-28"),
    )
    assert window(time, "2026-02-01").before is None  # December is not in the data
    shown = window(time, "2026-01-15")
    assert whole_periods(series(time, shown, "month").index, shown) == [False, True, True]


@pytest.mark.parametrize(
    ("last", "until"), [("9999-12-31", None), ("2026-03-31", "9999-12-31")], ids=["time", "until"]
)
def test_a_mistyped_year_is_told_before_anything_is_counted(
    grid: gm.Grid, town: Any, monkeypatch: pytest.MonkeyPatch, last: str, until: str | None
) -> None:
    monkeypatch.delattr(sys.modules[computed.__module__], "spots_of")
    late = town.incidents.head(50).copy()
    late["time"] = late["time"].where(late.index != late.index[-1], pd.Timestamp(last))
    with pytest.raises(
        gm.InputError, match=r"to 9999-12-31, over a hundred years\. Mend the years"
    ):
        figures(grid, late, until=until)


@pytest.mark.parametrize("value", [0, 1, 7, 39, 41, 99, 101, 2740, 123456])
def test_the_axis_reaches_every_column_in_whole_steps(value: int) -> None:
    from gridmap.briefings.charts import nice_top

    top = nice_top(value)
    assert top >= value and top / 4 == int(top / 4) and top <= max(4, 1.7 * value + 4)


def test_a_chart_has_a_column_for_each_period() -> None:
    told = {"labels": ["2026-01", "<b>"], "counts": [3, 4]}
    told |= {"mean": [None, None], "whole": [True, False], "own": [True, False]}
    told |= {"by": "week", "span": 4}
    drawn = trend_chart(told)
    assert drawn.count("<rect") == 2
    assert drawn.count('class="now"') == drawn.count('class="cut"') == 1
    assert trend_hint(told, "en") == "dark: this period; pale: cut short"
    plain = {**told, "mean": [None, 3.5], "whole": [True, True], "own": [True, True]}
    assert trend_hint(plain, "en") == "line: 4-week mean"  # nothing of what is not drawn
    assert "<b>" not in drawn and "&lt;b&gt;" in drawn


def test_times_as_text_are_read_in_one_order(grid: gm.Grid, town: Any) -> None:
    plain = figures(grid, town.incidents, since=SINCE, until=UNTIL)
    text = town.incidents.assign(time=town.incidents["time"].dt.strftime("%d.%m.%Y %H:%M"))
    told = figures(grid, text, since=SINCE, until=UNTIL)
    assert told["trend"] == plain["trend"] and told["incidents"] == plain["incidents"]


def test_one_is_not_many(found: dict[str, Any]) -> None:
    one = {
        **found,
        "cells": {**found["cells"], "cells": 1, "jurisdictions": 1, "residential": 2, "in_band": 1},
        "incidents": {**found["incidents"], "count": 1, "change": None},
        "hotspots": {**found["hotspots"], "either": 1, "cells_above": 1, "hot": 1, "share": 1.0},
        "staffing": {**found["staffing"], "without_leader": 1},
    }
    said = "".join(text for text, _ in conclusion(one, "en"))
    assert said.startswith("1 cell tiles 1 jurisdiction exactly")
    for part in (
        "1 does not (",
        "1 incident; 1 cell stands out alone",
        " with its ",
        "1 cell lacks a leader",
    ):
        assert part in said


def test_a_count_of_one_has_its_singular(grid: gm.Grid, town: Any) -> None:
    """The counts of the list of data quality and of the roster, with what they count."""
    found = figures(grid, town.incidents, staff=town.staff)
    found["cells"] |= {"above": 1, "below": 1}
    found["account"] |= {"read": 1}
    said = re.sub(r"<[^>]+>", " ", quality(found, "en"))
    assert re.search(r" 1 +cell above 600 households", said)
    assert re.search(r" 1 +cell below 300 households", said)
    assert re.search(r" 1 +incident read", said)
    several = re.sub(
        r"<[^>]+>", " ", quality({**found, "cells": {**found["cells"], "bands": 2}}, "en")
    )
    assert re.search(r" 1 +cell above its band", several)
    roster = {**found["staffing"], "covered": True, "without_leader": 1, "overcharged": 2}
    told = re.sub(r"<[^>]+>", " ", staffing({"staffing": roster}, "en"))
    assert re.search(r" 1 +cell without a leader", told)
    assert re.search(r" 2 +cells over \d+ households a worker", told)
    assert f"{roster['workers']:,} in all, volunteers apart" in told


def test_what_stands_out_is_told_without_a_nought(found: dict[str, Any]) -> None:
    def said(alone: int, hot: int) -> str:
        spots = {**found["hotspots"], "either": 2, "cells_above": alone, "hot": hot, "share": 0.5}
        return "".join(text for text, _ in conclusion({**found, "hotspots": spots}, "en"))

    assert "2 cells stand out alone, 3.4% of all cells" in said(2, 0)
    assert "no cell stands out alone, 2 do with their neighbours, 3.4%" in said(0, 2)
    assert "1 cell stands out alone, 2 with their neighbours, together 3.4%" in said(1, 2)


def test_a_page_without_any_incident_draws_no_bars_of_nothing(grid: gm.Grid) -> None:
    nobody = pd.DataFrame({"x": [], "y": [], "time": pd.to_datetime([])})
    page = gm.briefing(grid, nobody, lang="en").html
    assert 'class="interval"' not in page and "No incident on record." in page
    months = gm.hotspots(gm.tally(gm.assign(nobody, grid), grid, by="month"), grid)
    with pytest.raises(gm.InputError, match="no incident was tallied by what splits them"):
        gm.hotspot_map(grid, months)


def test_a_bound_stays_on_one_line(grid: gm.Grid, town: Any) -> None:
    page = gm.briefing(grid, town.incidents, lang="zh").html
    assert "q\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}0.10" in page.split('id="definitions"')[1]


def test_a_trend_says_the_year_of_its_days_once() -> None:
    days = [str(day.date()) for day in pd.date_range("2024-11-04", periods=60, freq="7D")]
    told = {"labels": days, "counts": [1] * 60, "mean": [None] * 60}
    told |= {"whole": [True] * 60, "own": [True] * 60}
    drawn = trend_chart(told)
    years = drawn.split('class="years"')[1]
    assert re.findall(r">(\d{4})<", years) == ["2024", "2025"]
    assert re.findall(r">(\d\d-\d\d)<", drawn)[0] == "11-04"


def test_names_of_other_cells_never_lie_on_the_cell_and_its_neighbours_come_first(
    grid: gm.Grid,
) -> None:
    for code in grid.cells.index[:24]:
        drawn = str(charts.portrait(grid, code, [], None, "en"))
        outline = re.search(r'd="([^"]*)" fill="none" stroke="#8e1b1b"', drawn)[1]
        rings = [np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", ring), float)
                 for ring in outline.split("M")[1:]]  # fmt: skip
        own = shapely.union_all([shapely.Polygon(ring) for ring in rings if len(ring) > 3])
        texts = re.findall(
            r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="middle" font-size="13" '
            r'font-weight="400"[^>]*>([^<]*)<',
            drawn,
        )
        for x, y, text in texts:
            half = sum(13 if ord(sign) > 255 else 13 * 0.58 for sign in text) / 2
            box = shapely.box(float(x) - half, float(y) - 12, float(x) + half, float(y) + 4)
            assert not box.intersects(own.buffer(-1)), (code, text)
