"""Tables in every encoding, format and dirt."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridmap.errors import InputError
from gridmap.io import excel, read_table, write_table
from tests.dirt import office_rows, write_text, write_xls, write_xlsx

BUILDINGS = pd.DataFrame(
    {
        "building_id": ["007", "008", "0009"],
        "compound": ["福苑", "锦园，东区", '听涛"公寓"'],
        "households": [36, 48, 12],
        "lng": [113.601, 113.602, 113.603],
        "lat": [34.701, 34.702, 34.703],
    }
)
EXPECTED = ["楼栋编号", "小区名称", "总户数（户）", "经度", "纬度"]


def check_buildings(frame: pd.DataFrame) -> None:
    assert list(frame.columns) == EXPECTED
    assert frame["楼栋编号"].tolist() == ["007", "008", "0009"]
    assert frame["小区名称"].tolist() == BUILDINGS["compound"].tolist()
    assert frame["总户数（户）"].tolist() == [36, 48, 12]
    assert frame["经度"].tolist() == BUILDINGS["lng"].tolist()
    notes = " ".join(zh for zh in (note.text("zh") for note in frame.attrs["notes"]))
    assert "2024年楼栋台账" in notes
    assert "合 计 96" in notes or "合  计 96" in notes
    assert "填表人" in notes


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
def test_delimited_text(tmp_path: Path, encoding: str, separator: str) -> None:
    path = tmp_path / "台账.csv"
    write_text(office_rows(BUILDINGS), path, encoding=encoding, separator=separator)
    check_buildings(read_table(path))


def test_old_workbook(tmp_path: Path) -> None:
    write_xls(office_rows(BUILDINGS), tmp_path / "台账.xls")
    check_buildings(read_table(tmp_path / "台账.xls"))


def test_new_workbook(tmp_path: Path) -> None:
    write_xlsx({"台账": office_rows(BUILDINGS)}, tmp_path / "台账.xlsx", merges=("A1:E1", "A2:E2"))
    check_buildings(read_table(tmp_path / "台账.xlsx"))


def test_archives(tmp_path: Path) -> None:
    path = tmp_path / "台账.csv"
    write_text(office_rows(BUILDINGS), path, encoding="gb18030")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "下发/台账.csv")
        archive.writestr("说明.md", "x")
    check_buildings(read_table(tmp_path / "a.zip"))
    check_buildings(read_table(f"zip://{tmp_path}/a.zip!下发/台账.csv"))


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(
        {
            "编码": ["001", "110105001001002", "a,b"],
            "n": [1, 2, 3],
            "share": [0.1, np.nan, 1e-17],
            "文字": ["一行\n两行", 'quote "x"', "-"],
            "time": pd.to_datetime(["2024-03-01 10:20:30", None, "2024-03-02 00:00:00"]),
        }
    )
    path = tmp_path / f"t{suffix}"
    write_table(frame, path)
    back = read_table(path)
    assert back["编码"].tolist() == frame["编码"].tolist()
    assert back["n"].tolist() == [1, 2, 3]
    assert back["文字"].tolist() == frame["文字"].tolist()
    np.testing.assert_array_equal(back["share"], frame["share"])
    times = pd.to_datetime(back["time"], format="ISO8601")
    assert times[0] == frame["time"][0]
    assert times.isna().tolist() == [False, True, False]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet", ".json"])
def test_the_same_table_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        write_table(BUILDINGS, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_csv_is_for_excel(tmp_path: Path) -> None:
    write_table(BUILDINGS, tmp_path / "a.csv", headings={"households": "户数"})
    data = (tmp_path / "a.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert "户数".encode() in data


def test_a_heading_that_begins_like_a_formula_is_written_as_text(tmp_path: Path) -> None:
    import openpyxl

    write_table(pd.DataFrame({"=1+1": [1], "#N/A": [2]}), tmp_path / "a.xlsx")
    head = next(openpyxl.load_workbook(tmp_path / "a.xlsx").active.iter_rows())
    assert [(cell.value, cell.data_type) for cell in head] == [("=1+1", "s"), ("#N/A", "s")]


def test_a_formula_is_never_written(tmp_path: Path) -> None:
    import openpyxl

    write_table(pd.DataFrame({"a": ["=1+1", "@x"]}), tmp_path / "a.xlsx")
    cells = openpyxl.load_workbook(tmp_path / "a.xlsx").active["A"]
    assert [cell.data_type for cell in cells] == ["s", "s", "s"]
    assert cells[1].value == "=1+1"


def test_headings_in_two_rows(tmp_path: Path) -> None:
    rows = [
        ["小区名称", "位置", None, "户数"],
        [None, "经度", "纬度", None],
        ["福苑", 113.6, 34.7, 36],
    ]
    merges = ("A1:A2", "B1:C1", "D1:D2")
    write_xlsx({"s": rows}, tmp_path / "a.xlsx", merges=merges)
    assert list(read_table(tmp_path / "a.xlsx").columns) == ["小区名称", "经度", "纬度", "户数"]


def test_values_merged_down_the_records_are_repeated(tmp_path: Path) -> None:
    rows = [["小区名称", "户数"], ["福苑", 3], [None, 4], ["锦园", 5]]
    write_xlsx({"s": rows}, tmp_path / "a.xlsx", merges=("A2:A3",))
    assert read_table(tmp_path / "a.xlsx")["小区名称"].tolist() == ["福苑", "福苑", "锦园"]


def test_sheets_of_one_form_are_joined(tmp_path: Path) -> None:
    sheets = {name: [["小区名称", "户数"], [name, 3]] for name in ("一社区", "二社区")}
    write_xlsx({**sheets, "空": []}, tmp_path / "a.xlsx")
    frame = read_table(tmp_path / "a.xlsx")
    assert frame["小区名称"].tolist() == ["一社区", "二社区"]
    assert frame["sheet"].tolist() == ["一社区", "二社区"]
    assert read_table(f"{tmp_path}/a.xlsx:二社区")["户数"].tolist() == [3]


def test_a_cover_sheet_is_left_out_and_told(tmp_path: Path) -> None:
    sheets = {"封面": [["福民街道"], ["楼栋台账"]], "明细": [["小区名称", "户数"], ["福苑", 3]]}
    write_xlsx(sheets, tmp_path / "a.xlsx")
    frame = read_table(tmp_path / "a.xlsx")
    assert frame["户数"].tolist() == [3]
    assert "without known headings: 封面" in str(frame.attrs["notes"][-1])


def test_sheets_that_differ_must_be_named(tmp_path: Path) -> None:
    sheets = {"楼栋": [["小区名称", "户数"], ["a", 3]], "人员": [["姓名", "岗位"], ["b", "c"]]}
    write_xlsx(sheets, tmp_path / "a.xlsx")
    with pytest.raises(InputError, match=r"楼栋, 人员.*Name one"):
        read_table(tmp_path / "a.xlsx")
    with pytest.raises(InputError, match=r"no sheet '无'"):
        read_table(f"{tmp_path}/a.xlsx:无")


def test_a_total_that_disagrees_is_told(tmp_path: Path) -> None:
    rows = office_rows(BUILDINGS)
    rows[-2][2] = 100
    write_text(rows, tmp_path / "a.csv", encoding="utf-8")
    frame = read_table(tmp_path / "a.csv")
    assert any(
        "100" in zh and "96" in zh for zh in (note.text("zh") for note in frame.attrs["notes"])
    )


def test_subtotals_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [["小区名称", "户数"], ["福苑", 3], ["小计", 3], ["锦园", 4], ["小计", 4], ["合计", 7]]
    write_xlsx({"s": rows}, tmp_path / "a.xlsx")
    frame = read_table(tmp_path / "a.xlsx")
    assert frame["户数"].tolist() == [3, 4]
    assert sum("小计" in zh for zh in (note.text("zh") for note in frame.attrs["notes"])) == 2


def test_a_compound_named_like_a_total_is_kept(tmp_path: Path) -> None:
    write_text(
        [["小区名称", "户数"], ["总计路3号", 3], ["合计新村", 4]],
        tmp_path / "a.csv",
        encoding="utf-8",
    )
    assert len(read_table(tmp_path / "a.csv")) == 2


@pytest.mark.parametrize("count", [500, 30_000])
def test_codes_late_in_the_file_stay_text(tmp_path: Path, count: int) -> None:
    codes = [f"{n + 10_000}" for n in range(count)]
    codes[-1] = "00012"
    write_text([["编号", "v"], *([c, "1.5"] for c in codes)], tmp_path / "a.csv", encoding="utf-8")
    frame = read_table(tmp_path / "a.csv")
    assert frame["编号"].tolist() == codes
    assert frame["v"].dtype == float


def test_text_late_among_decimals_is_kept(tmp_path: Path) -> None:
    values = ["1.5"] * 20_000 + ["约2"]
    write_text([["a", "b"], *([v, "x"] for v in values)], tmp_path / "a.csv", encoding="utf-8")
    assert read_table(tmp_path / "a.csv")["a"].tolist() == values


def test_gbk_that_begins_as_ascii(tmp_path: Path) -> None:
    rows = [["id", "note"], *([n, "plain"] for n in range(20_000)), [20_000, "福苑"]]
    write_text(rows, tmp_path / "a.csv", encoding="gbk")
    assert read_table(tmp_path / "a.csv")["note"].iloc[-1] == "福苑"


@pytest.mark.parametrize("count", [3, 30_000])
@pytest.mark.parametrize("ends", ["\r", "\r\n", "\n"])
@pytest.mark.parametrize("heading_end", ["\r", "\r\n", "\n"])
def test_every_kind_of_line_end_keeps_every_record(
    tmp_path: Path, count: int, ends: str, heading_end: str
) -> None:
    text = "code,户数" + heading_end + ends.join(f"a{n},{n}" for n in range(count))
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert read_table(tmp_path / "a.csv")["户数"].tolist() == list(range(count))


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_a_long_text_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    rows = [["小区", "note", "v"], *([f"福苑{n}", "龘𠮷é"[: n % 4], n / 4] for n in range(60_000))]
    write_text(rows, tmp_path / "a.csv", encoding=encoding)
    frame = read_table(tmp_path / "a.csv")
    assert frame["小区"].tolist() == [row[0] for row in rows[1:]]
    assert frame["note"].fillna("").tolist() == [row[1] for row in rows[1:]]
    assert frame["v"].dtype == float


@pytest.mark.parametrize("at", [10, 100_000])
def test_zero_bytes_are_told_wherever_they_are(tmp_path: Path, at: int) -> None:
    data = ("a,b\n" + "x,1.5\n" * 40_000).encode()
    (tmp_path / "a.csv").write_bytes(data[:at] + b"\0" + data[at + 1 :])
    with pytest.raises(InputError, match="zero bytes"):
        read_table(tmp_path / "a.csv")


def test_a_text_cut_within_a_character_is_refused(tmp_path: Path) -> None:
    text = "code,小区\n" + "a,福苑\n" * 60_000
    (tmp_path / "a.csv").write_bytes(text.encode("gb18030")[:-2])
    with pytest.raises(InputError, match="18030"):
        read_table(tmp_path / "a.csv")


def test_line_ends_within_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('问题描述,户数\n"一行\n两行",3\n"x",4\n', encoding="utf-8")
    frame = read_table(tmp_path / "a.csv")
    assert frame["问题描述"].tolist() == ["一行\n两行", "x"]


def test_short_rows_are_filled_and_blank_ones_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\n1,2\n\n,,\n3,4,5,,\n", encoding="utf-8")
    frame = read_table(tmp_path / "a.csv")
    assert frame["a"].tolist() == [1, 3]
    assert frame["c"].isna().tolist() == [True, False]


def bad_files() -> dict[str, tuple[str, bytes, str]]:
    return {
        "empty": ("a.csv", b"", "0 bytes"),
        "blank": ("a.csv", b"\n \n", "is blank"),
        "headings only": ("a.csv", "小区名称,户数\n".encode(), "no records"),
        "binary": ("a.csv", b"\x00\x01" * 99, "no text"),
        "neither encoding": ("a.csv", b"a,b\n\xff\xff,1\n", "neither UTF-8 nor"),
        "too many values": ("a.csv", b"a,b\n1,2\n1,2,3\n", "has 3 values for 2 columns"),
        "swallowing quote": (
            "a.csv",
            b'a,b\n1,"2\n3,4\n5",6\n',
            "swallows|cannot be read|has 3 values",
        ),
        "open quote": ("a.csv", b'a,b\n1,"2\n3,4\n', "cannot be read|swallows"),
        "no zip": ("a.xlsx", b"PK\x03\x04 nonsense", "cannot be read"),
        "no workbook": ("a.xls", b"\xd0\xcf\x11\xe0 nonsense" * 50, "cannot be read"),
        "no parquet": ("a.parquet", b"PAR1 nonsense", "cannot be read"),
        "no archive": ("a.zip", b"nonsense", "cannot be read"),
        "unknown": ("a.docx", b"x", "no known format"),
    }


@pytest.mark.parametrize("name", bad_files())
def test_what_cannot_be_read_is_one_line_with_a_cure(tmp_path: Path, name: str) -> None:
    file, data, message = bad_files()[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_table(tmp_path / file)
    assert "\n" not in str(caught.value)
    assert str(caught.value).rstrip().endswith((".", ")"))


def test_what_is_not_there_is_named_with_a_neighbour(tmp_path: Path) -> None:
    write_table(BUILDINGS, tmp_path / "buildings.csv")
    with pytest.raises(InputError, match=r"not there. Did you mean .*buildings\.csv"):
        read_table(tmp_path / "building.csv")
    with pytest.raises(InputError, match="there is no folder"):
        read_table(tmp_path / "no" / "x.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path)


def test_what_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="may not be read"):
        read_table(path)


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_table(BUILDINGS, path)
    with pytest.raises(InputError, match="exists already"):
        write_table(BUILDINGS, path)
    write_table(BUILDINGS.iloc[:1], path, overwrite=True)
    assert len(read_table(path)) == 1
    with pytest.raises(InputError, match="no known extension"):
        write_table(BUILDINGS, tmp_path / "a.docx")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("fault", [TypeError, AttributeError, AssertionError, KeyError, IndexError])
def test_a_fault_of_our_own_is_not_told_as_a_damaged_file(
    fault: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser may stumble over a file; where our own line does, the traceback is kept."""
    write_table(BUILDINGS, tmp_path / "b.xlsx")
    source = "def _table(sheet):\n    raise fault('a slip')"
    names: dict[str, Any] = {"fault": fault}
    exec(compile(source, excel.__file__, "exec"), names)
    monkeypatch.setattr(excel, "_table", names["_table"])
    with pytest.raises(fault, match="a slip"):
        read_table(tmp_path / "b.xlsx")


def test_a_parser_that_stumbles_is_told_as_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(BUILDINGS, tmp_path / "b.xlsx")

    def stumble(_: object) -> None:
        raise TypeError("no attribute in the XML")

    monkeypatch.setattr(excel, "_table", stumble)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "b.xlsx")
