"""One population in every figure: records of the period, inside the grid; dates that are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from gridmap.cli import main
from gridmap.io import write_grid
from tests.lattice import lattice

pytestmark = pytest.mark.filterwarnings("default")  # they are said, not raised


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("population") / "grid.gpkg"
    write_grid(lattice(10, 10), path)
    return str(path)


def cases(days: list[str], inside: list[bool], **columns: Any) -> pd.DataFrame:
    """Make cases on days, inside the lattice or far from it."""
    x = [450.0 if here else 90_000.0 for here in inside]
    return pd.DataFrame({"上报时间": days, "X坐标": x, "Y坐标": 450.0, **columns})


def briefing(grid: str, frame: pd.DataFrame, folder: Path, *options: str) -> dict[str, Any]:
    frame.to_csv(folder / "cases.csv", index=False)
    arguments = [grid, str(folder / "cases.csv"), "-o", str(folder / "page.html"), "--json"]
    found = CliRunner().invoke(main, ["briefing", *arguments, "--overwrite", *options])
    assert found.exit_code == 0, found.output
    return {**json.loads(found.stdout), "news": found.stderr}


def indicators(grid: str, folder: Path, *options: str) -> dict[str, list[Any]]:
    arguments = [grid, str(folder / "cases.csv"), "--json", *options]
    found = CliRunner().invoke(main, ["indicators", *arguments])
    assert found.exit_code == 0, found.output
    names = ("numerator", "denominator", "unknown")
    rows = json.loads(found.stdout)["indicators"]
    return {row["indicator"]: [row[name] for name in names] for row in rows}


def test_a_category_changes_as_the_whole_does(grid: str, tmp_path: Path) -> None:
    days = [f"2026-05-{1 + k % 30:02d}" for k in range(200)]
    days += [f"2026-06-{1 + k % 30:02d}" for k in range(100)]
    inside = [True] * 100 + [False] * 100 + [True] * 100
    frame = cases(days, inside, 问题大类="市容环境")
    period = ["--since", "2026-06-01", "--until", "2026-06-30"]
    told = briefing(grid, frame.assign(上报时间=frame["上报时间"] + " 09:00"), tmp_path, *period)
    whole, (category,) = told["incidents"], told["categories"]
    assert whole["change"] == pytest.approx(category["change"])
    assert (whole["count"], whole["before"]) == (100, category["count"] + whole["before"] - 100)
    assert whole["change_low"] < 0 < whole["change_high"] and whole["chance"]


def test_a_day_of_account_is_the_same_in_every_command(grid: str, tmp_path: Path) -> None:
    frame = cases(
        ["2026-06-10 08:00"] * 59 + ["2026-06-30 08:00"], [True] * 60,
        处置状态=["结案"] * 30 + ["处置"] * 30, 处置截止时间="2026-06-30 17:00",
    )  # fmt: skip
    for due, want in (("2026-06-30 17:00", [30, 60]), ("2026-07-01", [30, 30])):
        told = briefing(grid, frame.assign(处置截止时间=due), tmp_path, "--until", "2026-06-30")
        closure = next(one for one in told["indicators"] if one["key"] == "closure")
        assert [closure["numerator"], closure["denominator"]] == want
        assert indicators(grid, tmp_path, "--until", "2026-06-30")["closure"] == [*want, 0]


def test_what_was_asked_for_is_not_what_the_data_cover(grid: str, tmp_path: Path) -> None:
    days = pd.date_range("2026-05-01", "2026-06-10 23:00", freq="8h").astype(str)
    frame = cases(list(days), [True] * len(days))
    told = briefing(grid, frame, tmp_path, "--since", "2026-06-01", "--until", "2026-06-30")
    assert not told["period"]["covered"] and told["period"]["data_until"] == "2026-06-10"
    assert told["incidents"]["change"] is None
    whole = dict(zip(told["trend"]["labels"], told["trend"]["whole"], strict=True))
    assert whole["2026-06-01"] and not whole["2026-06-15"] and not whole["2026-06-22"]
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "数据只到 2026-06-10" in page and "数据截至 2026-06-30" not in page


def test_a_quiet_end_is_covered_where_pauses_are_usual(grid: str, tmp_path: Path) -> None:
    days = pd.date_range("2026-05-01", "2026-06-28", freq="3D").astype(str)
    frame = cases(list(days), [True] * len(days))
    told = briefing(grid, frame, tmp_path, "--since", "2026-06-01", "--until", "2026-06-29")
    assert told["period"]["covered"] and told["incidents"]["change"] is not None


@pytest.mark.parametrize("heading", ["month", "Creato"])
def test_no_date_is_told_that_is_not_in_the_data(grid: str, tmp_path: Path, heading: str) -> None:
    frame = cases(["2026-06-10"] * 9, [True] * 9).rename(columns={"上报时间": heading})
    told = briefing(grid, frame, tmp_path)
    assert told["period"] is None and told["trend"] is None
    assert "--time" in told["news"]
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "没有识别到时间列" in page and "数据截至" not in page and "0 周均值" not in page
    since = ["briefing", grid, str(tmp_path / "cases.csv"), "-o", str(tmp_path / "x.html")]
    asked = CliRunner().invoke(main, [*since, "--since", "2026-06-01"])
    assert asked.exit_code == 2 and "--time" in asked.stderr
    named = briefing(grid, frame, tmp_path, "--time", heading)
    assert named["period"]["data_until"] == "2026-06-10"


def test_an_unknown_status_is_not_called_open(grid: str, tmp_path: Path) -> None:
    frame = cases(["2026-06-10"] * 4, [True] * 4, 处置状态=["结案", "处置", "飞走了", ""])
    briefing(grid, frame, tmp_path)
    assert indicators(grid, tmp_path)["closure"] == [1, 2, 2]
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "是否结案未知" in page and "未计为结案" not in page


def test_a_short_period_is_seen_among_those_before_it(grid: str, tmp_path: Path) -> None:
    days = pd.date_range("2026-01-05", "2026-05-31 20:00", freq="6h").astype(str)
    frame = cases(list(days), [True] * len(days))
    told = briefing(grid, frame, tmp_path, "--since", "2026-05-25", "--until", "2026-05-31")
    assert len(told["trend"]["counts"]) == 13 and sum(told["trend"]["own"]) == 1
    months = briefing(grid, frame, tmp_path, "--since", "2026-05-01", "--by", "month")
    assert len(months["trend"]["counts"]) == 4, "January is not whole"


def test_what_was_closed_after_the_day_was_open_on_it(grid: str, tmp_path: Path) -> None:
    done = ["2026-06-29 10:00"] * 19 + ["2026-06-30 23:59:59"] + ["2026-07-01 00:00"] * 20
    frame = cases(
        ["2026-06-10 08:00"] * 60, [True] * 60, 处置状态="结案", 处置截止时间="2026-06-30 17:00",
        结案时间=done + [""] * 20, 处置部门="城管局",
    )  # fmt: skip
    later = frame["结案时间"] == "2026-07-01 00:00"
    of_the_day = frame.assign(  # as an export of that evening had it
        处置状态=frame["处置状态"].mask(later, "立案"), 结案时间=frame["结案时间"].mask(later, "")
    )
    until, told, rates = ["--until", "2026-06-30"], [], []
    for table in (frame, of_the_day):
        found = briefing(grid, table, tmp_path, *until)
        told.append([found[key] for key in ("indicators", "progress", "ranking", "incidents")])
        rates.append(indicators(grid, tmp_path, *until))
    assert told[0] == told[1] and rates[0] == rates[1]
    assert rates[0]["closure"] == [40, 60, 0]  # no time of closing: nothing tells otherwise
    assert rates[0]["on_time"] == [19, 40, 20]
    closure = next(one for one in told[0][0] if one["key"] == "closure")
    assert [closure["numerator"], closure["denominator"]] == [40, 60]
    briefing(grid, frame, tmp_path)
    assert indicators(grid, tmp_path)["closure"] == [60, 60, 0]  # no day asked for: all counts
    late = [grid, str(tmp_path / "cases.csv"), "--table", "overdue", "--json", *until]
    rows = json.loads(CliRunner().invoke(main, ["indicators", *late]).stdout)["indicators"]
    assert [(row["open"], row["overdue"]) for row in rows] == [(20, 20)]


def test_cases_of_places_and_of_codes_are_one_population(grid: str, tmp_path: Path) -> None:
    frame = cases(["2026-06-10 08:00"] * 30, [True] * 20 + [False] * 10, 处置状态="结案")
    frame["X坐标"] = frame["X坐标"].astype(object).where(frame.index % 2 == 0, "")
    frame["责任网格"] = ["r03c03"] * 28 + ["nowhere"] * 2
    told = briefing(grid, frame, tmp_path)
    # ten lie where they say; fifteen have no place, of which one names no cell
    assert told["incidents"]["count"] == 10 + 14
    assert (told["account"]["outside"], told["account"]["invalid"]) == (5, 1)
    assert indicators(grid, tmp_path)["closure"] == [24, 24, 0]
    coded = briefing(grid, frame.drop(columns=["X坐标", "Y坐标"]), tmp_path)
    assert coded["incidents"]["count"] == indicators(grid, tmp_path)["closure"][1] == 28
    out = ["-o", str(tmp_path / "hot.csv"), "--json"]
    found = CliRunner().invoke(main, ["hotspots", grid, str(tmp_path / "cases.csv"), *out])
    assert json.loads(found.stdout)["inside"] == 28
