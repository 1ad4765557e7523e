"""The commands on cases: strange statuses, no readable place, places outside, no such days."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from gridmap.cli import main
from gridmap.io import read_grid, write_grid
from gridmap.maps.maps import from_file
from tests.lattice import lattice

pytestmark = pytest.mark.filterwarnings("default")  # they are said, not raised

CASES = pd.DataFrame(
    {
        "上报时间": pd.date_range("2026-06-20", periods=20, freq="12h").astype(str),
        "处置状态": ["结案"] * 14 + ["处置"] * 3 + ["飞走了"] * 2 + ["结案"],
        "处置层级": ["网格"] * 19 + ["云端"],
        "X坐标": [50.0 + 40 * k for k in range(18)] + [5000.0] * 2,
        "Y坐标": [450.0] * 20,
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cases")
    write_grid(lattice(10, 10), path / "grid.gpkg")
    CASES.to_csv(path / "cases.csv", index=False)
    CASES.assign(X坐标="不详").to_csv(path / "lost.csv", index=False)
    pd.DataFrame({"word": ["飞走了"], "stage": ["结案"]}).to_csv(path / "own.csv", index=False)
    return path


def run(folder: Path, command: str, cases: str, *options: str) -> Result:
    files = [str(folder / "grid.gpkg"), str(folder / cases)]
    return CliRunner().invoke(main, [command, *files, *options])


def test_indicators_live_with_unknown_words(folder: Path) -> None:
    found = run(folder, "indicators", "cases.csv")
    assert found.exit_code == 0, found.output
    assert "处置状态中有不认识的词：'飞走了' (1)" in found.stderr
    assert "飞走了,reported" in found.stderr, "a ready line for --statuses"
    assert "读入 20 件：网格内 18，网格外 2" in found.stderr
    assert "结案率  82.35%" in found.stdout and "14/17  另 1 件未知" in found.stdout
    own = run(folder, "indicators", "cases.csv", "--statuses", str(folder / "own.csv"))
    assert "飞走了" not in own.stderr and "15/18" in own.stdout


def test_a_briefing_lives_with_unknown_words(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    found = run(folder, "briefing", "cases.csv", "-o", str(page), "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["unknown_words"] == {"status": {"飞走了": 1}}
    assert found.stderr.count("'飞走了' (1)") == 1
    written = page.read_text("utf-8")
    assert "件处置状态不认识，是否结案未知" in written and "飞走了" in written
    shown = tmp_path / "public.html"
    assert (
        run(folder, "briefing", "cases.csv", "-o", str(shown), "--audience", "public").exit_code
        == 0
    )
    assert "飞走了" not in shown.read_text("utf-8")
    own = ["-o", str(page), "--overwrite", "--statuses", str(folder / "own.csv"), "--json"]
    told = json.loads(run(folder, "briefing", "cases.csv", *own).stdout)
    assert told["unknown_words"] == {}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("hotspots", ["-o", "out.csv"]),
        ("briefing", ["-o", "out.html"]),
        ("indicators", ["--level", "街道"]),
        ("assign", ["-o", "out.csv"]),
    ],
)
def test_no_readable_place_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(_levelled(folder), command, "lost.csv", *options)
    assert found.exit_code == 2, found.output
    assert "X坐标" in found.stderr.splitlines()[-1] and not list(tmp_path.iterdir())


def test_a_map_of_no_readable_place_is_refused(folder: Path, tmp_path: Path) -> None:
    arguments = [str(folder / "grid.gpkg"), "-o", str(tmp_path / "map.html")]
    found = CliRunner().invoke(main, ["map", *arguments, "--incidents", str(folder / "lost.csv")])
    assert found.exit_code == 2
    assert "20 行都没有可读的坐标" in found.stderr and not list(tmp_path.iterdir())


def test_what_lies_outside_is_in_no_figure(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    found = run(_levelled(folder), "indicators", "cases.csv", "--level", "街道", "-o", str(out))
    assert found.exit_code == 0, found.output
    assert "网格外 2" in found.stderr and "辖区外" not in found.stdout
    table = pd.read_csv(out)
    assert table["街道"].unique().tolist() == ["福苑"]
    assert table.loc[table["指标代号"] == "acceptance", "分母"].tolist() == [17]


def test_days_beyond_the_data_are_told(folder: Path, tmp_path: Path) -> None:
    page = str(tmp_path / "page.html")
    found = run(folder, "briefing", "cases.csv", "-o", page, "--since", "2027-01-01")
    assert found.exit_code == 2
    assert "2027-01-01 起没有事件，最后一件在 2026-06-29" in found.stderr
    found = run(folder, "briefing", "cases.csv", "-o", page, "--until", "2025-01-01")
    assert "截至 2025-01-01 没有事件，最早一件在 2026-06-20" in found.stderr


def test_the_heading_of_q_is_true(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "spots.csv"
    assert (
        run(folder, "hotspots", "cases.csv", "-o", str(out), "--correction", "holm").exit_code == 0
    )
    table = pd.read_csv(out)
    assert "校正后p值" in table and "q值（错误发现率）" not in table
    back = from_file(table, read_grid(folder / "grid.gpkg"))
    assert back is not None and "q" in back and "incidents" in back
    older = from_file(table.rename(columns={"事件数": "案件数"}), read_grid(folder / "grid.gpkg"))
    assert back.equals(older)


def _levelled(folder: Path) -> Path:
    """Return a folder with the same files, whose grid has streets."""
    import shutil

    import gridmap as gm

    path = folder / "levelled"
    if not path.exists():
        path.mkdir()
        plain = read_grid(folder / "grid.gpkg")
        areas = plain.jurisdictions.assign(街道="福苑")
        write_grid(
            gm.Grid(plain.cells, plain.boundary, ("街道",), jurisdictions=areas), path / "grid.gpkg"
        )
        for name in ("cases.csv", "lost.csv"):
            shutil.copy(folder / name, path / name)
    return path


def test_public_pages_of_two_weeks_give_no_small_count_away(folder: Path, tmp_path: Path) -> None:
    """Neither by what a page leaves over of its total, nor by the change from the week before."""
    weeks = [{"路灯": 38, "违停": 36, "井盖": 1}, {"路灯": 20, "违停": 30, "井盖": 9}]
    rows = [
        {"上报时间": f"2026-06-{1 + 7 * week + k % 7:02d}", "类别": word, "X坐标": 50, "Y坐标": 450}
        for week, words in enumerate(weeks)
        for word, count in words.items()
        for k in range(count)
    ]
    pd.DataFrame(rows).to_csv(folder / "two.csv", index=False)
    for words, days in zip(weeks, ("01 07", "08 14"), strict=True):
        since, until = (f"2026-06-{day}" for day in days.split())
        page = tmp_path / f"{since}.html"
        period = ["--since", since, "--until", until, "--audience", "public"]
        found = run(folder, "briefing", "two.csv", "-o", str(page), *period)
        assert found.exit_code == 0, found.output
        written = re.sub(r"<(script|style).*?</\1>", "", page.read_text("utf-8"), flags=re.DOTALL)
        text = re.sub(r"(<[^>]*>|\s)+", " ", written)
        shown = [n for word, n in words.items() if f"{word} {n}" in text]
        assert shown and not 0 < sum(words.values()) - sum(shown) < 5
        assert not re.search(r"(井盖|路灯|违停) \d+ [\d.]+% [+−-]", text), "a change by word"
