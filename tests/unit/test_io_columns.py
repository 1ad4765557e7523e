"""Columns understood by their headings, and what stands in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridmap.errors import InputError
from gridmap.io.columns import TABLES, aliases, headings, understand
from gridmap.io.text import fold

DOMAIN = {
    "building": (
        "小区名称 建筑名称 楼栋号 楼栋 幢 单元 户数 总户数 居民总户数 常住人口 类型 详细地址 "
        "经度 lng 纬度 lat 所属社区 所属网格"
    ),
    "cell": (
        "网格编号 网格编码 网格代码 网格名称 网格类型 所属街道 所属社区 面积 网格长 网格员 "
        "联系电话 上级编码 划分时间"
    ),
    "incident": (
        "案件编号 任务号 工单编号 上报时间 问题来源 问题类型 问题大类 问题小类 问题描述 地址 "
        "X坐标 Y坐标 经度 纬度 责任网格 处置部门 处置状态 处置截止时间 处置结束时间 结案时间"
    ),
}


@pytest.mark.parametrize("table", DOMAIN)
def test_every_heading_of_the_domain_is_known(table: str) -> None:
    known = aliases(table)
    assert [h for h in DOMAIN[table].split() if fold(h) not in known] == []


@pytest.mark.parametrize("table", TABLES)
def test_fields_are_their_own_headings(table: str) -> None:
    frame = pd.DataFrame({alias.field: ["1"] for alias in aliases(table).values()})
    plain = [f for f in frame if aliases(table).get(fold(f))]
    assert all(aliases(table)[fold(f)].field == f for f in plain)


@pytest.mark.parametrize(
    "heading",
    [
        "总户数",
        " 总 户 数 ",
        "总户数（户）",
        "＊总户数",
        "總戶數（戶）".replace("總戶數", "总户数"),
        "总户数:",
    ],
)
def test_headings_are_compared_without_decoration(heading: str) -> None:
    frame, known = understand(pd.DataFrame({heading: [3]}), "building")
    assert frame["households"].tolist() == [3]
    assert known.columns == {"households": heading}


@pytest.mark.parametrize(
    "heading", ["Building_ID", "BUILDING ID", "building-id", "ｂｕｉｌｄｉｎｇ＿ｉｄ"]
)
def test_latin_headings_fold(heading: str) -> None:
    assert "building_id" in understand(pd.DataFrame({heading: ["a"]}), "building")[0]


@pytest.mark.parametrize("cut", ["居民总户", "居民总", "居民总户数"])
def test_headings_cut_by_a_shapefile(cut: str) -> None:
    assert understand(pd.DataFrame({cut: [3]}), "building")[1].columns == {"households": cut}


def test_a_hotline_names_its_columns_so() -> None:
    table = pd.DataFrame({"诉求类型": ["噪音扰民"], "诉求来源": ["随手拍"]})
    known = understand(table, "incident")[1]
    assert known.columns == {"category": "诉求类型", "source": "诉求来源"}


def test_a_cut_that_fits_two_fields_is_left_alone() -> None:
    assert understand(pd.DataFrame({"处置结": ["x"]}), "incident")[1].columns == {
        "closed": "处置结"
    }
    assert understand(pd.DataFrame({"网格名": ["x"]}), "cell")[1].columns == {"name": "网格名"}
    assert understand(pd.DataFrame({"处置": ["x"]}), "incident")[1].columns == {}


def test_two_columns_for_one_field_are_an_error_with_the_candidates() -> None:
    frame = pd.DataFrame({"户数": [3, 4], "居民总户数": [3, 5]})
    with pytest.raises(InputError, match=r"户数, 居民总户数.*count=.户数."):
        understand(frame, "building")
    chosen, known = understand(frame, "building", choose={"households": "居民总户数"})
    assert chosen["households"].tolist() == [3, 5]
    assert chosen["户数"].tolist() == [3, 4]
    assert known.ignored == ("户数",)


def test_two_equal_columns_are_one_and_told() -> None:
    frame, known = understand(pd.DataFrame({"户数": [3], "总户数": [3]}), "building")
    assert frame["households"].tolist() == [3]
    assert any("equal" in en for en in map(str, known.notes))


def test_the_stronger_heading_wins() -> None:
    frame, known = understand(
        pd.DataFrame({"问题类型": ["部件"], "问题大类": ["市容"]}), "incident"
    )
    assert frame["category"].tolist() == ["市容"]
    assert known.columns["category"] == "问题大类"
    only, _ = understand(pd.DataFrame({"问题类型": ["部件"]}), "incident")
    assert only["category"].tolist() == ["部件"]


def test_what_nothing_is_computed_with_may_stand_twice() -> None:
    frame, known = understand(pd.DataFrame({"地址": ["a"], "发生地址": ["b"]}), "incident")
    assert frame["address"].tolist() == ["a"]
    assert any("took 地址" in en for en in map(str, known.notes))


def test_a_chosen_heading_must_be_there() -> None:
    with pytest.raises(InputError, match="no column '人口'; it has 户数"):
        understand(pd.DataFrame({"户数": [3]}), "building", choose={"households": "人口"})


def test_a_column_with_a_field_s_name_steps_aside() -> None:
    frame = pd.DataFrame({"households": [1], "真实户数": [2]})
    result, _ = understand(frame, "building", choose={"households": "真实户数"})
    assert result["households"].tolist() == [2]
    assert result["households_as_given"].tolist() == [1]


def test_frames_keep_index_and_the_argument_is_untouched() -> None:
    frame = pd.DataFrame({"户数": ["3"]}, index=[7])
    result, _ = understand(frame, "building")
    assert result.index.tolist() == [7]
    assert frame.columns.tolist() == ["户数"]


def test_users_add_headings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.csv"
    own.write_text("table,field,rank,headings\nbuilding,households,1,住宅套数|套\n", "gb18030")
    frame = pd.DataFrame({"住宅套数": [3]})
    assert "households" not in understand(frame, "building")[0]
    assert "households" in understand(frame, "building", own=own)[0]
    monkeypatch.setenv("GRIDMAP_ALIASES", str(own))
    assert "households" in understand(frame, "building")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "must have the columns"),
        ("table,field,rank,headings\nhouse,households,1,x\n", "line 2: write table"),
        ("table,field,rank,headings\nbuilding,households,first,x\n", "line 2"),
    ],
)
def test_own_headings_in_another_form_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        aliases("building", tmp_path / "own.csv")
    with pytest.raises(InputError, match="cannot be read"):
        aliases("building", tmp_path / "none.csv")


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(InputError, match="choose one of"):
        understand(pd.DataFrame(), "house")
    assert headings("building", "households")[0] == "户数"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("360", 360),
        ("３６０", 360),
        ("3 60户", 360),
        ("1,234", 1234),
        ("１，２３４ 户", 1234),
        ("12.0", 12),
        (" 7 ", 7),
        ("-", 0),
        ("无", 0),
        (5, 5),
        (5.0, 5),
    ],
)
def test_counts_that_people_type(text: Any, count: int) -> None:
    values = pd.Series([text], dtype=object)
    frame, _ = understand(pd.DataFrame({"户数": values}), "building")
    assert frame["households"].tolist() == [count]
    assert frame["households"].dtype == np.int64


@pytest.mark.parametrize(
    "text", ["约300", "300-400", "12.5", "-3", "三百", "1,23", "", "1e99", None]
)
def test_counts_that_are_none_are_refused_by_row(text: Any) -> None:
    frame = pd.DataFrame({"户数": pd.Series(["1", text], dtype=object)})
    with pytest.raises(InputError, match=r"1 row does not: row 2 .*write 0 where nobody lives"):
        understand(frame, "building")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.5])
def test_numbers_that_are_no_counts_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="must hold whole numbers"):
        understand(pd.DataFrame({"户数": [1.0, value]}), "building")


def test_coordinates_with_decimal_commas() -> None:
    """Three decimals are no thousands where another row has seven."""
    table = pd.DataFrame({"longitude": ["8,1602403", "8,160"], "latitude": ["48,0096925", "k.A."]})
    frame, known = understand(table, "incident")
    assert frame["lng"].tolist() == [8.1602403, 8.16]
    assert frame["lat"].iloc[0] == 48.0096925
    assert list(map(str, known.notes)) == ["1 row of latitude is no number: row 2 'k.A.'."]


def test_mended_counts_are_told() -> None:
    _, known = understand(pd.DataFrame({"户数": ["3 60户", "12", "-"]}), "building")
    text = " ".join(known.sentences("en"))
    assert "'3 60户', read as 360" in text
    assert "1 dash" in text
    assert "读作 360" in " ".join(known.sentences("zh"))


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-05 14:20:30",
        "2024/3/5 14:20:30",
        "2024.03.05 14:20:30",
        "2024年3月5日 14:20:30",
        "2024年3月5日14时20分30秒",
        "2024年3月5日 下午2:20:30",
        "２０２４-０３-０５ １４:２０:３０",
        "2024-03-05T14:20:30",
        "2024-03-05 14:20:30+08:00",
        "45356.597569444",
        "20240305142030",
    ],
)
def test_times_that_people_type(text: str) -> None:
    frame, known = understand(pd.DataFrame({"上报时间": [text]}), "incident")
    assert frame["time"].tolist() == [pd.Timestamp("2024-03-05 14:20:30")]
    assert known.notes == []
    mixed, _ = understand(pd.DataFrame({"上报时间": [text, "2024年1月2日", None]}), "incident")
    assert mixed["time"].tolist()[:2] == [
        pd.Timestamp("2024-03-05 14:20:30"),
        pd.Timestamp("2024-01-02"),
    ]
    assert mixed["time"].isna().tolist() == [False, False, True]


def test_dates_as_numbers() -> None:
    frame, _ = understand(pd.DataFrame({"日期": [20240305, 20241231]}), "incident")
    assert frame["time"].tolist() == [pd.Timestamp("2024-03-05"), pd.Timestamp("2024-12-31")]
    frame, _ = understand(pd.DataFrame({"日期": [45356.5, np.nan]}), "incident")
    assert frame["time"].tolist()[0] == pd.Timestamp("2024-03-05 12:00")


def test_what_is_no_time_is_counted_and_told() -> None:
    frame, known = understand(
        pd.DataFrame({"上报时间": ["昨天", "2024-13-40", "2024-01-01"]}), "incident"
    )
    assert frame["time"].isna().tolist() == [True, True, False]
    assert any("2 rows" in en and "昨天" in en for en in map(str, known.notes))


def test_coordinates_that_are_none_become_nan_and_are_told() -> None:
    frame, known = understand(
        pd.DataFrame({"经度": ["113.6", "１１３.７", "无", "东经"]}), "incident"
    )
    assert frame["lng"].tolist()[:2] == [113.6, 113.7]
    assert frame["lng"].isna().tolist() == [False, False, True, True]
    assert any("1 row" in en and "东经" in en for en in map(str, known.notes))


def test_codes_are_text_without_decimals() -> None:
    for values in ([110105, 110106], [110105.0, 110106.0], ["110105.0", " 110106 "]):
        frame, _ = understand(pd.DataFrame({"网格编码": values}), "cell")
        assert frame["code"].tolist() == ["110105", "110106"]


def test_personal_columns_are_named() -> None:
    frame = pd.DataFrame({"网格编码": ["1"], "姓名": ["某"], "联系电话": ["13800000000"]})
    _, known = understand(frame, "staff")
    assert set(known.personal) == {"姓名", "联系电话"}
    assert "姓名、联系电话" in known.sentences("zh")[-1]
    assert "never reach a map" in known.sentences("en")[-1]
