"""Grids filed as workbooks and tables, with nobody in them."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

from gridmap import Grid
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.io import read_table, write_table
from gridmap.io.export import chinese_headings, export_grid, share, sheets_of


def test_one_sheet_a_level_with_chinese_headings(grid: Grid, tmp_path: Path) -> None:
    export_grid(grid, tmp_path / "g.xlsx")
    book = openpyxl.load_workbook(tmp_path / "g.xlsx")
    assert book.sheetnames[:4] == ["区县", "街道", "社区", "网格"]
    cells = pd.read_excel(
        tmp_path / "g.xlsx", sheet_name="网格", dtype={"网格编码": str}, engine="openpyxl"
    )
    assert cells["网格编码"].tolist() == grid.cells.index.tolist()
    assert cells["户数"].sum() == grid.cells["households"].sum()
    assert set(cells["网格类型"]) <= {"居住网格", "专属网格"}
    communities = pd.read_excel(tmp_path / "g.xlsx", sheet_name="社区", engine="openpyxl")
    assert communities["户数"].sum() == grid.cells["households"].sum()
    assert communities["网格数"].sum() == len(grid)


def test_english_and_csv(grid: Grid, tmp_path: Path) -> None:
    assert list(sheets_of(grid, lang="en"))[:4] == ["district", "street", "community", "cells"]
    export_grid(grid, tmp_path / "g.csv")
    assert (tmp_path / "g.csv").read_bytes().startswith('\ufeff"网格编码"'.encode())
    table = read_table(tmp_path / "g.csv")
    assert len(table) == len(grid)
    with pytest.raises(InputError, match="exists already"):
        export_grid(grid, tmp_path / "g.csv")


def test_the_same_grid_gives_the_same_workbook(grid: Grid, tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        export_grid(grid, tmp_path / name)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_small_counts_are_blank_for_the_public(grid: Grid) -> None:
    cells = grid.cells.assign(households=[3, 0, *[400] * (len(grid) - 2)])
    small = Grid(cells, grid.boundary, grid.levels, jurisdictions=grid.jurisdictions)
    shown = sheets_of(small, lang="en", audience="public")["cells"]["households"]
    assert shown.isna().tolist()[:3] == [True, False, False]
    assert sheets_of(small, lang="en")["cells"]["households"].tolist()[0] == 3


def test_persons_never_get_out(grid: Grid, tmp_path: Path) -> None:
    named = Grid(grid.cells.assign(网格长="某某", 备注="13812345678"), grid.boundary, grid.levels,
                 jurisdictions=grid.jurisdictions)  # fmt: skip
    for sheet in sheets_of(named).values():
        assert not {"网格长", "备注"} & set(sheet.columns)
    for column in ("网格长", "备注"):
        with pytest.raises(InputError, match=f"look personal: {column}"):
            export_grid(named, tmp_path / "g.xlsx", columns=[column])
    with pytest.raises(InputError, match="which the cells lack"):
        export_grid(grid, tmp_path / "g.xlsx", columns=["leader"])
    assert list(tmp_path.iterdir()) == []


def test_shared_tables_take_the_list_only(tmp_path: Path) -> None:
    table = pd.DataFrame({"code": ["a", "b"], "incidents": [3, 12], "姓名": ["某", "某"]})
    share(table, tmp_path / "a.csv", ["code", "incidents"], counts=["incidents"],
                       audience="public")  # fmt: skip
    back = read_table(tmp_path / "a.csv")
    assert list(back.columns) == ["网格编码", "事件数"]
    assert back["事件数"].isna().tolist() == [True, False]
    with pytest.raises(InputError, match="姓名"):
        share(table, tmp_path / "b.csv", ["code", "姓名"])
    assert not (tmp_path / "b.csv").exists()
    with pytest.raises(InputError, match="no column phone; it has code"):
        share(table, tmp_path / "b.csv", ["phone"])


def test_ids_are_hashed_with_the_key(tmp_path: Path) -> None:
    table = pd.DataFrame({"reporter": ["13812345678", "13912345678", "13812345678"]})
    with pytest.raises(InputError, match="reporter"):
        share(table, tmp_path / "a.csv", ["reporter"])
    with pytest.raises(InputError, match="needs a key"):
        share(table, tmp_path / "a.csv", ["reporter"], hashed_columns=["reporter"])
    key = tmp_path / "key"
    share(table, tmp_path / "a.csv", ["reporter"], hashed_columns=["reporter"], key=key)
    ids = read_table(tmp_path / "a.csv")["reporter"].astype(str).tolist()
    assert ids[0] == ids[2] != ids[1]
    assert [len(i) for i in ids] == [16] * 3


def test_a_table_is_shared_from_the_command_line(tmp_path: Path) -> None:
    table = pd.DataFrame({"code": ["a", "b"], "incidents": [3, 12], "手机": ["x", "y"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["share", str(tmp_path / "t.csv"), "-o", str(tmp_path / "o.csv")]
    run = CliRunner().invoke
    result = run(
        main, [*arguments, "--column", "code", "--column", "incidents", "--count", "incidents"]
    )
    assert result.exit_code == 0, result.output
    assert read_table(tmp_path / "o.csv")["事件数"].isna().tolist() == [True, False]
    refused = run(main, [*arguments, "--column", "手机", "--overwrite"])
    assert refused.exit_code == 2
    assert "手机" in refused.stderr
    assert run(main, [*arguments, "--column", "code", "--hash", "code"]).exit_code == 2


def test_headings_are_those_that_are_understood_again() -> None:
    from gridmap.io.columns import aliases
    from gridmap.io.text import fold

    for field in ("code", "name", "kind", "households", "area_m2", "parent", "street", "community"):
        heading = chinese_headings([field])[field]
        assert aliases("cell")[fold(heading)].field == field


def test_columns_to_share_are_named_as_in_the_file_or_as_understood(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"小区名称": ["福苑"], "总户数（户）": [36], "身份证": ["110105194912310021"]}
    )
    write_table(table, tmp_path / "a.csv")
    out, key = tmp_path / "s.csv", tmp_path / "key"
    command = ["--lang", "en", "share", str(tmp_path / "a.csv"), "-o", str(out), "--overwrite"]
    for name in ("households", "总户数（户）", "总户数"):
        result = CliRunner().invoke(main, [*command, "--column", name, "--column", "compound"])
        assert result.exit_code == 0, result.stderr
        assert list(read_table(out).columns) == ["小区名称", "总户数（户）"]
    refused = CliRunner().invoke(main, [*command, "--column", "cells"])
    assert refused.exit_code == 2
    assert "`cells` is no column; the table has 小区名称" in refused.stderr
    personal = CliRunner().invoke(main, [*command, "--column", "身份证"])
    assert "身份证 (heading)" in personal.stderr
    hashed = [*command, "--column", "身份证", "--hash", "身份证", "--key", str(key)]
    assert CliRunner().invoke(main, hashed).exit_code == 0
    assert "110105194912310021" not in out.read_text("utf-8-sig")
