"""`gridmap hotspots`: from files to a table, a workbook or a layer."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import gridmap as gm
from gridmap.cli import main
from gridmap.io import write_grid
from tests.lattice import lattice

SQUARE = ["r04c04", "r04c05", "r05c04", "r05c05"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a lattice and its incidents, with a hotspot of one category in the middle."""
    path = tmp_path_factory.mktemp("hotspots")
    write_grid(lattice(10, 10), path / "grid.gpkg")
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1000, (2, 2000))
    x[:200], y[:200] = rng.uniform(400, 600, (2, 200))
    x[-5:] = 5000
    kind = np.where(np.arange(2000) < 200, "市容环境", rng.choice(["市容环境", "街面秩序"], 2000))
    time = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.uniform(0, 89, 2000), unit="D")
    table = pd.DataFrame({"上报时间": time, "问题大类": kind, "X坐标": x, "Y坐标": y})
    table.to_csv(path / "incidents.csv", index=False, encoding="utf-8-sig")
    return path


def run(folder: Path, *options: str) -> Result:
    arguments = [str(folder / "grid.gpkg"), str(folder / "incidents.csv"), "--datum", "EPSG:4547"]
    return CliRunner().invoke(main, ["hotspots", *arguments, *options])


def test_a_table_with_chinese_headings(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "spots.csv"
    found = run(folder, "-o", str(out))
    assert found.exit_code == 0, found.output
    assert "100 个网格、1,995 件。单格" in found.stdout and "连片" in found.stdout
    assert "归格 1,995 + 辖区外 5" in found.stderr
    table = pd.read_csv(out)
    assert set(table.loc[table["冷热等级"] >= 2, "网格编码"]) == set(SQUARE)
    again = run(folder, "-o", str(out))
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    assert run(folder, "-o", str(out), "--overwrite", "--quiet").stderr == ""


def test_clusters_as_a_layer_and_as_a_table(folder: Path, tmp_path: Path) -> None:
    shapes, table = tmp_path / "clusters.gpkg", tmp_path / "clusters.csv"
    common = ["clusters", str(folder / "grid.gpkg"), str(folder / "incidents.csv")]
    common += ["--datum", "EPSG:4547"]
    options = ["--replicates", "99", "--shape", "flexible"]
    found = CliRunner().invoke(main, ["--lang", "en", *common, *options, "-o", str(shapes)])
    assert found.exit_code == 0, found.output
    assert "1 high cluster among 1,995 incidents" in found.stdout
    layer = gpd.read_file(shapes)
    assert layer["members"].str.split().map(set).tolist() == [set(SQUARE)]
    options += ["--by", "month", "--side", "both", "-o", str(table), "--json"]
    found = CliRunner().invoke(main, ["--lang", "en", *common, *options])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["clusters"]["when"] == "latest"
    assert {"since", "until", "risk_low"} <= set(pd.read_csv(table))


def test_a_layer_by_category_and_month_with_histories(folder: Path, tmp_path: Path) -> None:
    out, history = tmp_path / "spots.gpkg", tmp_path / "history.xlsx"
    options = ["-o", str(out), "--by", "month", "--category", "问题大类", "--lang", "en"]
    found = run(folder, *options, "--emerging", str(history), "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert document["schema"] == "gridmap.hotspots/1"
    assert document["hotspots"]["maps"] == 6 and document["outside"] == 5
    assert document["emerging"]["periods"] == 3
    layer = gpd.read_file(out)
    assert len(layer) == 600 and layer.crs.to_epsg() == 4547
    hot = layer[layer["bin"] > 0]
    assert (hot["category"] == "市容环境").mean() > 0.8
    assert set(layer["month"]) == {"2026-01", "2026-02", "2026-03"}
    histories = pd.read_excel(history, engine="openpyxl")
    assert len(histories) == 200 and "hot" in set(histories["side"])


@pytest.mark.parametrize("heading", ["问题大类", "上报人"])
def test_categories_that_tell_of_persons_are_refused(
    folder: Path, tmp_path: Path, heading: str
) -> None:
    table = pd.read_csv(folder / "incidents.csv").rename(columns={"问题大类": heading})
    if heading == "问题大类":
        table.loc[1500, heading] = "噪音，致电13800000000"
    table.to_csv(tmp_path / "persons.csv", index=False)
    arguments = [str(folder / "grid.gpkg"), str(tmp_path / "persons.csv"), "--datum", "EPSG:4547"]
    options = ["-o", str(tmp_path / "spots.csv"), "--category", heading, "--lang", "en"]
    found = CliRunner().invoke(main, ["hotspots", *arguments, *options])
    assert found.exit_code == 2 and "look personal" in found.stderr
    assert not (tmp_path / "spots.csv").exists()


def test_quarters_are_periods(folder: Path, tmp_path: Path) -> None:
    found = run(folder, "-o", str(tmp_path / "spots.csv"), "--by", "quarter")
    assert found.exit_code == 0, found.output
    assert set(pd.read_csv(tmp_path / "spots.csv")["季度"]) == {"2026Q1"}
    odd = run(folder, "-o", str(tmp_path / "b.csv"), "--by", "fortnight")
    assert odd.exit_code == 2 and "fortnight" in odd.stderr


def test_corrections_may_be_stricter(folder: Path, tmp_path: Path) -> None:
    said = {}
    for correction in ("bh", "holm"):
        options = ["-o", str(tmp_path / f"{correction}.csv"), "--correction", correction, "--json"]
        said[correction] = json.loads(run(folder, *options).stdout)["hotspots"]
    assert sum(said["holm"]["hot"]) <= sum(said["bh"]["hot"])
    assert "总体误报概率（Holm）" in said["holm"]["sentence"]["zh"]


def test_days_are_cut_and_counts_may_be_raw(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "spots.parquet"
    options = ["-o", str(out), "--since", "2026-02-01", "--until", "2026-02-28", "--json"]
    found = run(folder, *options, "--exposure", "none", "--p", "normal")
    document = json.loads(found.stdout)
    assert 500 < document["read"] < 700 and document["rows"] == 2000
    assert document["hotspots"]["exposure"] is None
    assert pd.read_parquet(out)["incidents"].sum() == document["hotspots"]["incidents"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--exposure", "shops"], "网格没有这一列"),
        (["--since", "2026-03-01", "--until", "2026-02-01"], "请对调"),
        (["--since", "soon"], "请写日期"),
        (
            ["--since", "2031-01-01"],
            "所选日期内没有事件；全部事件的日期为 2026-01-01 至 2026-03-30",
        ),
        (["--exposure", "parent"], "不是数量"),
        (["--exposure", "name"], "不是数量"),
        (["--until", ""], "请写日期"),
        (["--emerging", "x.csv"], "需要 --by"),
        (["--time", "nix", "--by", "month"], "nix"),
    ],
)
def test_what_cannot_be_done_says_why(
    folder: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    found = run(folder, "-o", str(tmp_path / "spots.csv"), *options)
    assert found.exit_code == 2 and message in found.stderr
    assert not (tmp_path / "spots.csv").exists()


def test_times_that_nobody_can_read_are_told_or_refused(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "incidents.csv").astype({"上报时间": object})
    table.loc[table.index[:7], "上报时间"] = "不详"
    table.to_csv(tmp_path / "some.csv", index=False)
    where = [str(folder / "grid.gpkg"), str(tmp_path / "some.csv"), "--datum", "EPSG:4547"]
    asked = ["--by", "month", "-o", str(tmp_path / "spots.csv")]
    some = CliRunner().invoke(main, ["hotspots", *where, *asked])
    assert some.exit_code == 0 and "7 件无可读时间，不计入任何一期。" in some.stderr
    assert "UnassignedWarning" not in some.stderr
    table.assign(上报时间="不详").to_csv(tmp_path / "some.csv", index=False)
    none = CliRunner().invoke(main, ["hotspots", *where, *asked, "--overwrite"])
    assert none.exit_code == 2 and "都没有可读的时间" in none.stderr


def test_histories_that_fail_leave_no_half_output(folder: Path, tmp_path: Path) -> None:
    options = ["-o", str(tmp_path / "a.csv"), "--emerging", str(tmp_path / "b.csv")]
    found = run(folder, *options, "--by", "month", "--until", "2026-01-31")
    assert found.exit_code == 2 and "看不出变化" in found.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("always::gridmap.errors.UnassignedWarning")
@pytest.mark.parametrize(
    ("lang", "said"), [("zh", "坐标"), ("en", "northing and easting are exchanged")]
)
def test_a_warning_is_a_line_of_news(folder: Path, tmp_path: Path, lang: str, said: str) -> None:
    swapped = ["--x", "Y坐标", "--y", "X坐标", "-o", str(tmp_path / "a.csv"), "--lang", lang]
    table = pd.read_csv(folder / "incidents.csv").assign(Y坐标=lambda t: t["Y坐标"] + 2000)
    table.to_csv(tmp_path / "moved.csv", index=False)
    grid = gpd.read_file(folder / "grid.gpkg", layer="cells").translate(0, 2000)
    cells = gpd.GeoDataFrame({"code": range(len(grid))}, geometry=grid)
    cells["code"] = cells["code"].astype(str)
    write_grid(gm.adopt(cells, cells.union_all("coverage"), code="code"), tmp_path / "grid.gpkg")
    where = [str(tmp_path / "grid.gpkg"), str(tmp_path / "moved.csv"), "--datum", "EPSG:4547"]
    found = CliRunner().invoke(main, ["hotspots", *where, *swapped, "--exposure", "none"])
    assert found.exit_code == 1, found.output  # nothing lies in the grid
    assert said in found.stderr
    assert "UnassignedWarning" not in found.stderr and ".py:" not in found.stderr


@pytest.mark.filterwarnings("ignore")
def test_silenced_warnings_change_no_exit_code(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "incidents.csv").assign(X坐标=lambda t: t["X坐标"] + 38e6)
    table.to_csv(tmp_path / "far.csv", index=False)
    where = [str(folder / "grid.gpkg"), str(tmp_path / "far.csv"), "--exposure", "none"]
    found = CliRunner().invoke(main, ["hotspots", *where, "-o", str(tmp_path / "a.csv")])
    assert found.exit_code == 1, found.output


def test_other_lines_are_drawn_and_told(tmp_path: Path) -> None:
    city = gm.example_city(seed=0, size="tiny")
    units = gm.subdivide(city.jurisdictions, city.buildings, barriers=city.barriers)
    gm.write_grid(gm.partition(units, quality="fast"), tmp_path / "grid.gpkg")
    city.incidents[["x", "y"]].to_csv(tmp_path / "i.csv")
    out = tmp_path / "out.parquet"
    asked = [str(tmp_path / "grid.gpkg"), str(tmp_path / "i.csv"), "-o", str(out)]
    found = CliRunner().invoke(main, ["--lang", "en", "hotspots", *asked, "--robustness", "2"])
    assert found.exit_code == 0, found.output
    assert "of 2 ways to draw the cells" in found.stdout
    assert f"cells of {len(units)} units" in found.stdout
    assert pd.read_parquet(out)["ways"].between(0, 1).all()
    found = CliRunner().invoke(
        main,
        ["--lang", "en", "hotspots", *asked, "--overwrite", "--robustness", "2", "--by", "week"],
    )
    assert found.exit_code == 2 and "for one map" in found.stderr
