"""The week that runs by itself: figures as a script of its own has them, all or nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner, Result

from gridmap.briefings.weekly import _capital, _named, uninterrupted
from gridmap.cli import main
from gridmap.grid.grid import Grid
from gridmap.io import write_grid

CONFIG = """
grid = "grid.gpkg"
incidents = ["cases-*.csv"]
staff = "roster.csv"
output = "weeks"
lang = "en"
"""
COLUMNS = ["案件编号", "上报时间", "结案时间", "处置截止时间", "问题大类", "问题来源", "处置状态",
           "处置层级", "处置部门", "满意度", "X坐标", "Y坐标"]  # fmt: skip


def town(side: int = 6) -> Grid:
    """Make a square town of two streets."""
    left, low = (a.ravel() * 100.0 for a in np.meshgrid(np.arange(side), np.arange(side)))
    parent = np.where(left < side * 50, "101", "102")
    cells = gpd.GeoDataFrame(
        {"code": [f"{p}{k:03d}" for k, p in enumerate(parent)], "parent": parent,
         "households": 450},
        geometry=shapely.box(left, low, left + 100, low + 100), crs=4547,
    )  # fmt: skip
    areas = cells.dissolve("parent", method="coverage")[["geometry"]]
    areas["street"] = ["东街", "西街"]
    outline = shapely.coverage_union_all(cells.geometry.values)
    return Grid(cells, outline, ["street"], jurisdictions=areas)


def cases(until: str, seed: int = 3) -> pd.DataFrame:
    """Make the export of all cases reported until a day, as it knows them then."""
    rng = np.random.default_rng(seed)
    count = 2400
    time_ = pd.Timestamp("2026-02-02") + pd.to_timedelta(rng.uniform(0, 119, count), "D")
    hours = pd.to_timedelta(rng.exponential(60, count), "h")
    due = time_ + pd.to_timedelta(rng.choice([24, 72, 168], count), "h")
    frame = pd.DataFrame(
        {
            "案件编号": [f"A{k:05d}" for k in range(count)],
            "上报时间": time_.floor("s"),
            "结案时间": (time_ + hours).floor("s"),
            "处置截止时间": due.floor("s"),
            "问题大类": rng.choice(["市容环境", "街面秩序"], count),
            "问题来源": rng.choice(["网格员巡查", "随手拍", "未知"], count),
            "处置层级": rng.choice(["网格", "街道"], count),
            "处置部门": rng.choice(["城管局", "住建局"], count),
            "满意度": rng.choice(["满意", "不满意", ""], count),
            "X坐标": rng.uniform(-20, 600, count).round(2),
            "Y坐标": rng.uniform(0, 600, count).round(2),
        }
    )
    end = pd.Timestamp(until) + pd.Timedelta(days=1)
    known = frame[frame["上报时间"] < end].copy()
    open_ = known["结案时间"] >= end
    known.loc[open_, "结案时间"] = pd.NaT
    known["处置状态"] = np.where(open_, "处置中", "已结案")
    return known[COLUMNS]


def by_hand(files: list[pd.DataFrame], monday: str) -> dict[str, Any]:
    """Compute the figures with pandas alone, from the files and the squares of the town."""
    table = pd.concat(files).drop_duplicates("案件编号", keep="last")
    table = table[(table["X坐标"] >= 0)]
    start = pd.Timestamp(monday)
    end = start + pd.Timedelta(days=7)
    when = table["上报时间"]
    known = table[when < end]
    now = known[known["上报时间"] >= start]
    before = known[
        (known["上报时间"] >= start - pd.Timedelta(days=7)) & (known["上报时间"] < start)
    ]
    closed = now["处置状态"] == "已结案"
    required = closed | (now["处置截止时间"] < end)
    late = (known["处置状态"] == "处置中") & (known["处置截止时间"] < end)
    sources = now["问题来源"] != "未知"
    weeks = [start - pd.Timedelta(days=7 * k) for k in range(12, -1, -1)]
    street = np.where(now["X坐标"] < 300, "东街", "西街")
    return {
        "count": len(now),
        "before": len(before),
        "series": [int(((when >= w) & (when < w + pd.Timedelta(days=7))).sum()) for w in weeks],
        "areas": pd.Series(street).value_counts().to_dict(),
        "categories": now["问题大类"].value_counts().to_dict(),
        "closure": [int(closed.sum()), int(required.sum())],
        "public": [
            int((now["问题来源"] == "随手拍").sum()),
            int(sources.sum()),
            int((~sources).sum()),
        ],
        "overdue": known.loc[late, "处置部门"].value_counts().to_dict(),
    }


SUNDAYS = ("2026-05-10", "2026-05-17", "2026-05-24")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an office that has its three weeks."""
    folder = opened(tmp_path_factory.mktemp("office"))
    for number, sunday in enumerate(SUNDAYS):
        cases(sunday).to_csv(folder / f"cases-{number}.csv", index=False)
    assert run(folder).exit_code == 0
    return folder


def opened(folder: Path) -> Path:
    """Put grid, roster and settings into a folder."""
    grid = town()
    write_grid(grid, folder / "grid.gpkg")
    codes = list(grid.cells.index)
    posts = pd.DataFrame({"网格编码": codes[:30], "角色": "网格长"})
    posts.to_csv(folder / "roster.csv", index=False)
    (folder / "week.toml").write_text(CONFIG, "utf-8")
    return folder


def run(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["weekly", str(folder / "week.toml"), *options])


def test_three_growing_weeks_agree_with_a_script_of_their_own(tmp_path: Path) -> None:
    office, files = opened(tmp_path), []
    for number, sunday in enumerate(SUNDAYS):
        files.append(cases(sunday))
        files[-1].to_csv(office / f"cases-{number}.csv", index=False)
        found = run(office)
        assert found.exit_code == 0, found.output
        monday = str((pd.Timestamp(sunday) - pd.Timedelta(days=6)).date())
        folder = office / "weeks" / f"2026-W{19 + number}"
        told = json.loads((folder / "figures.json").read_text("utf-8"))
        assert told["period"] == {"since": monday, "until": sunday}
        hand = by_hand(files, monday)
        assert told["incidents"]["count"] == hand["count"]
        assert told["incidents"]["before"] == hand["before"]
        assert [week["count"] for week in told["series"]] == hand["series"]
        assert {row["area"]: row["count"] for row in told["areas"]} == hand["areas"]
        assert {row["category"]: row["count"] for row in told["categories"]} == hand["categories"]
        rates = {row["indicator"]: row for row in told["indicators"]}
        closure = rates["closure"]
        assert [closure["numerator"], closure["denominator"]] == hand["closure"]
        public = rates["public"]
        assert [public["numerator"], public["denominator"], public["unknown"]] == hand["public"]
        late = {row["department"]: row["overdue"] for row in told["overdue"]}
        assert {k: v for k, v in late.items() if v} == hand["overdue"]
        assert told["account"]["replaced"] == sum(map(len, files)) - len(files[-1])
        assert told["staffing"]["vacancies"] == 6
    assert sorted(path.name for path in folder.iterdir()) == [
        "briefing.html", "figures.json", "map.html", "workbook.xlsx",
    ]  # fmt: skip
    stamps = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    again = run(office)
    assert again.exit_code == 0 and "unchanged" in again.stderr
    assert stamps == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}
    page = (folder / "briefing.html").read_text("utf-8")
    assert "To recheck" in page or "to recheck" in page
    assert not list((office / "weeks").glob(".gridmap-*"))


def test_a_place_that_wakes_up_raises_the_alarm(office: Path) -> None:
    table = cases("2026-05-24")
    burst = table[table["上报时间"] >= "2026-05-18"].head(40).assign(
        案件编号=[f"B{k}" for k in range(40)], X坐标=450.0, Y坐标=450.0
    )  # fmt: skip
    pd.concat([table, burst]).to_csv(office / "burst.csv", index=False)
    for name, found in (("burst.csv", True), ("cases-2.csv", False)):
        said = run(office, "--incidents", str(office / name), "-o", str(office / "alarm"), "--json")
        assert said.exit_code == 0, said.output
        alarms = json.loads(said.stdout)["alarm"]
        assert bool(alarms) == found
        if found:
            assert "102028" in alarms[0]["members"] and alarms[0]["since"] == "2026-05-18"
            page = next((office / "alarm").rglob("briefing.html")).read_text("utf-8")
            panels = page.split('<div class="more">')[1].split("<footer")[0]
            assert '<td class="left day">2026-05-18</td>' in panels


def test_a_quiet_week_has_a_page(office: Path) -> None:
    quiet = cases("2026-05-24")
    gone = quiet["上报时间"].between("2026-05-11", "2026-05-17 23:59:59")
    quiet[~gone].to_csv(office / "quiet.csv", index=False)
    found = run(office, "--incidents", str(office / "quiet.csv"), "--day", "2026-05-13",
                "-o", str(office / "quiet"), "--json")  # fmt: skip
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["incidents"]["count"] == 0 and told["covered"]
    assert (office / "quiet" / "2026-W20" / "briefing.html").stat().st_size > 10_000


def test_a_week_that_the_data_do_not_reach_is_a_finding(office: Path) -> None:
    cases("2026-05-24").to_csv(office / "short.csv", index=False)
    found = run(office, "--incidents", str(office / "short.csv"), "--day", "2026-06-03",
                "-o", str(office / "short"), "--json")  # fmt: skip
    assert found.exit_code == 1, found.output
    told = json.loads(found.stdout)
    assert not told["covered"] and told["incidents"]["change"] is None
    assert told["last_record"] == "2026-05-24"


def test_cases_known_by_their_cells_alone_are_counted_there(office: Path) -> None:
    table = cases("2026-05-24")
    column, row = (table[name] // 100 for name in ("X坐标", "Y坐标"))
    inside_ = column.between(0, 5) & row.between(0, 5)
    street = np.where(column < 3, "101", "102")
    number = (row * 6 + column).where(inside_, 0).astype(int)
    codes = pd.Series(street, table.index) + number.astype(str).str.zfill(3)
    told = table.drop(columns=["X坐标", "Y坐标"]).assign(
        网格编码=codes.where(inside_), geometry="路口"
    )
    told.to_csv(office / "coded.csv", index=False)
    table.to_csv(office / "placed.csv", index=False)
    mixed = table.assign(网格编码=told["网格编码"])
    mixed.loc[inside_ & (mixed.index % 2 == 0), ["X坐标", "Y坐标"]] = np.nan
    mixed.to_csv(office / "mixed.csv", index=False)
    figures = []
    for name in ("coded.csv", "placed.csv", "mixed.csv"):
        found = run(
            office, "--incidents", str(office / name), "-o", str(office / name[:5]), "--json"
        )
        assert found.exit_code == 0 and "lies in the grid" not in found.stderr, found.output
        figures.append(json.loads(found.stdout))
        page = (office / name[:5] / "2026-W21" / "briefing.html").read_text("utf-8")
        assert f"<b>{figures[-1]['incidents']['count']:,}</b> incidents" in page
    one, other, both = figures
    for name in ("period", "incidents", "series", "areas", "hotspots", "overdue", "indicators"):
        assert one.get(name) == other.get(name) == both.get(name), name
    assert one["account"]["read"] == len(table)
    assert one["account"]["inside"] == other["account"]["inside"] == inside_.sum()


def test_cases_that_no_column_places_are_refused(office: Path) -> None:
    table = cases("2026-05-24").drop(columns=["X坐标", "Y坐标"]).assign(geometry="路口")
    table.to_csv(office / "nowhere.csv", index=False)
    found = run(office, "--incidents", str(office / "nowhere.csv"), "-o", str(office / "none"))
    assert found.exit_code == 2 and "没有说明案件位置的列" in found.stderr
    assert not (office / "none").exists()


def test_what_is_misspelt_is_told(office: Path) -> None:
    (office / "bad.toml").write_text('gird = "grid.gpkg"\n', "utf-8")
    found = CliRunner().invoke(main, ["--lang", "en", "weekly", str(office / "bad.toml")])
    assert found.exit_code == 2 and "has the key 'gird', which is none; use grid," in found.stderr
    found = run(office, "--incidents", str(office / "nowhere-*.csv"))
    assert found.exit_code == 2 and "nowhere-*.csv" in found.stderr


def test_ctrl_c_leaves_the_old_week(office: Path) -> None:
    folder = office / "weeks" / "2026-W21"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    late = cases("2026-05-24").iloc[::2]
    late.to_csv(office / "cases-9.csv", index=False)
    code = "import sys; from gridmap.cli import main; main(sys.argv[1:])"
    for wait in (2.0, 4.0):
        process = subprocess.Popen(
            [sys.executable, "-c", code, "weekly", str(office / "week.toml")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        if process.wait(60) == 130:
            assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
        assert not list((office / "weeks").glob(".gridmap-*"))
    (office / "cases-9.csv").unlink()


def test_a_signal_between_two_renames_is_answered_after_them() -> None:
    done = []

    def swap() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("both")

    with pytest.raises(KeyboardInterrupt):
        swap()
    assert done == ["both"]


def weeks_of(office: Path, name: str, times: list[str], *options: str, **columns: Any) -> Any:
    """Make the week of a few cases in one cell; return exit code, figures and what was said."""
    plain = {"上报时间": times, "X坐标": 350.0, "Y坐标": 250.0, "处置状态": "结案", **columns}
    frame = pd.DataFrame({"案件编号": [f"A{k}" for k in range(len(times))], **plain})
    frame.to_csv(office / f"{name}.csv", index=False)
    found = run(office, "--incidents", str(office / f"{name}.csv"), "-o", str(office / name),
                "--json", *options)  # fmt: skip
    return found.exit_code, json.loads(found.stdout), found.stderr


def test_days_before_the_first_record_are_not_quiet(office: Path) -> None:
    for name, times, day in (
        ("early", ["2026-01-04 23:59"], "2025-11-01"),
        ("late", ["2026-01-04 23:59"], "2026-01-01"),
        ("none", [], "2026-01-01"),
    ):
        code, told, said = weeks_of(office, name, times, "--day", day)
        assert code == 1 and not told["covered"]
        assert "The records run from 2026" in said if times else "There is no record" in said
        assert [one["count"] for one in told["series"]][:-1] == [None] * 12
        assert told["year_before"] is None and told["patrol"] is None
    assert "Data begin on 2026-01-04, after 2025-12-29" in (
        office / "late" / "2026-W01" / "briefing.html"
    ).read_text("utf-8")
    code, told, _ = weeks_of(office, "none", [])
    assert code == 2 and "--day" in told["error"]


def test_a_week_ends_at_midnight_and_may_straddle_a_year(office: Path) -> None:
    times = ["2025-12-28 23:59:59", "2025-12-29 00:00:00", "2026-01-04 23:59:59", "2026-01-05"]
    code, told, _ = weeks_of(office, "edge", times, "--day", "2026-01-01")
    assert code == 0 and told["incidents"]["count"] == 2
    assert [one["count"] for one in told["series"]][-2:] == [1, 2]
    assert (office / "edge" / "2026-W01").is_dir()


@pytest.mark.filterwarnings("default")  # they are said, not raised
def test_what_is_all_unknown_has_a_page_without_nan(office: Path) -> None:
    times = [f"2026-01-{day:02d} 10:00" for day in range(5, 12)]
    words = {"处置状态": "飞走了", "处置层级": "二级", "问题来源": "外星"}
    code, told, _ = weeks_of(office, "strange", times, **words)
    assert code == 1 and {row["rate"] for row in told["indicators"]} == {None}
    page = (office / "strange" / "2026-W02" / "briefing.html").read_text("utf-8")
    assert "nan%" not in page and "unknown" in page


@pytest.mark.filterwarnings("default")
def test_cases_that_all_lie_elsewhere_are_no_quiet_week(office: Path) -> None:
    code, told, _ = weeks_of(office, "far", ["2026-01-05 10:00"] * 3, X坐标=99_000.0)
    assert code == 2 and "3 起事件没有一起在网格内" in told["error"]


def test_headings_of_panels_begin_with_a_capital_but_for_signs() -> None:
    given = ("median days", "p", "p值", "p90 hours", "Cell", "总数")
    told = ["Median days", "p", "p值", "p90 hours", "Cell", "总数"]
    assert [*map(_capital, given)] == told


def test_panels_call_cells_by_their_names() -> None:
    names = pd.Series({"001": "兴隆社区第一网格", "002": "兴隆社区第二网格"})
    alarm = pd.DataFrame({"cells": [2], "members": ["002 001"]})
    told = _named(alarm, "alarm", names, "zh")
    assert told.iloc[0].tolist() == [2, "兴隆社区第二网格、兴隆社区第一网格"]
    again = _named(pd.DataFrame({"code": ["001"], "reports": [3]}), "recheck", names, "en")
    assert again.iloc[0].tolist() == ["兴隆社区第一网格", 3] and again.columns[0] == "Cell"
