"""Persons are kept out of what is shared."""

from __future__ import annotations

import re
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gridmap as gm
from gridmap.briefings.briefing import OVERLAPS
from gridmap.errors import InputError
from gridmap.privacy import (
    SMALL,
    hashed,
    local_key,
    personal_columns,
    refuse_personal,
    suppress,
    withheld,
)

ROOT = Path(__file__).resolve().parents[2]
PERSONAL = [
    "身份证", "身份证号码", "证件号码", "手机", "手机号", "联系电话", "电话", "姓名", "居民姓名",
    "举报人", "户主", "业主", "网格长", "网格员", "联系人", "出生日期", "微信号", "phone", "Mobile",
    "e-mail", "first_name", "id_card", "Passport", "姓　名", "owner_name", "Owner", "contact",
    "Contact Person", "公民身份号码", "来电人", "来电号码", "上报人", "经办人", "采集员姓名",
    "监督员", "市民", "家庭住址", "微信昵称", "独居老人", "车牌号", "社保卡号", "user_name",
    "complainant",
]  # fmt: skip
HARMLESS = [
    "户数", "居民总户数", "网格名称", "小区名称", "code", "name", "cell_name", "常住人口", "面积",
    "地址", "网格员人数", "业主数", "electricity", "category", "email_count", "老人数", "上报时间",
    "处置部门", "ownership", "contact_length", "reported_at", "residents_count", "受理渠道",
    "居民户数",
]  # fmt: skip


@pytest.mark.parametrize("heading", PERSONAL)
def test_personal_headings_are_seen(heading: str) -> None:
    assert personal_columns(pd.DataFrame({heading: ["x"]})) == {heading: "heading"}


@pytest.mark.parametrize("heading", HARMLESS)
def test_harmless_headings_pass(heading: str) -> None:
    assert personal_columns(pd.DataFrame({heading: ["x"]})) == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("11010519491231002X", "identity number"),
        ("证号：440524188001010014转".replace("1880", "1980"), "identity number"),
        ("13812345678", "mobile number"),
        (13812345678, "mobile number"),
        ("请致电 138-1234-5678 联系", "mobile number"),
        ("+86 13812345678", "mobile number"),
        ("１３８１２３４５６７８", "mobile number"),
        ("请回电13812345678.", "mobile number"),
        ("tel.13812345678,谢谢", "mobile number"),
        ("138.1234.5678", "mobile number"),
        ("身份证110105 19491231 002X", "identity number"),
        ("家里电话0371-65501234", "telephone number"),
        ("（010）6550 1234，晚上打", "telephone number"),
        ("回复 someone@example.org", "e-mail address"),
        ("市民王女士反映占道经营", "name of a person"),
    ],
)
def test_personal_values_are_seen(value: object, reason: str) -> None:
    frame = pd.DataFrame({"备注": pd.Series([value, None])})
    assert personal_columns(frame) == {"备注": reason}


@pytest.mark.parametrize(
    "values",
    [
        ["110105001001002", "110105001001003"],
        ["202403051234567890"],
        ["A13812345678901"],
        [461234.13812345678],
        ["2024-03-05 13:45:12"],
        ["0371-65500000"[:4]],
        ["一位女士反映", "某先生来电", "女士公厕堵塞"],
        ["010-2024-03-05", "S0371-1"],
        [13812345],
    ],
)
def test_codes_times_and_coordinates_pass(values: list[object]) -> None:
    assert personal_columns(pd.DataFrame({"x": values})) == {}


def test_one_phone_in_a_hundred_thousand_texts_is_seen() -> None:
    texts = ["占道经营"] * 50_001 + ["电话13812345678"] + ["占道经营"] * 50_000
    frame = pd.DataFrame({"描述": texts})
    assert personal_columns(frame, thorough=True) == {"描述": "mobile number"}
    with pytest.raises(InputError, match="描述"):
        refuse_personal(frame)


@pytest.mark.parametrize(
    "text",
    [
        "电话138-1234-5678", "请回电１３８１２３４５６７８．", "证号110105 19491231 002X",
        "家里0371-65501234", "（０１０）65501234", "王女士", "a@b.org",
    ],
)  # fmt: skip
def test_one_person_among_many_texts_is_seen(text: str) -> None:
    frame = pd.DataFrame({"描述": ["占道经营"] * 30_000 + [text] + ["占道经营"] * 30_000})
    assert list(personal_columns(frame, thorough=True)) == ["描述"]


def test_a_few_long_numbers_among_many_are_no_phones() -> None:
    numbers = pd.DataFrame({"id": [str(10_000_000_000 + 7 * n) for n in range(10_000)]})
    numbers.loc[5, "id"] = "13812345678"
    assert personal_columns(numbers, thorough=True) == {}


def test_a_personal_table_is_refused_by_column() -> None:
    with pytest.raises(InputError, match=r"`staff` has columns that look personal: 手机"):
        refuse_personal(pd.DataFrame({"手机": ["x"], "code": [1]}), name="staff")
    refuse_personal(pd.DataFrame({"code": [1]}))


def _solved(counts: dict[tuple[str, ...], int], pages: list[set[tuple[str, ...]]]) -> list[Any]:
    """Attack: return the small counts that the shown ones of all pages leave no choice about.

    Every shown count and the total is an equation between the counts of the finest level; a count
    is found out where the equations have one solution for it.
    """
    finest = [path for path in counts if len(path) == 2]
    parts = {path: [leaf[: len(path)] == path for leaf in finest] for path in counts}
    shown = [parts[path] for page in pages for path in page] + [[True] * len(finest)]
    told = np.array(shown, dtype=float)
    small = [path for path in counts if 0 < counts[path] < 5]
    rank = np.linalg.matrix_rank(told)
    return [p for p in small if np.linalg.matrix_rank(np.vstack([told, parts[p]])) == rank]


@pytest.mark.parametrize("seed", range(40))
def test_no_small_count_is_found_by_subtraction_over_two_levels_and_two_weeks(seed: int) -> None:
    dice = np.random.default_rng(seed)
    for _ in range(2):  # weeks, whose pages have no number in common
        paths = [(f"s{k // 4}", f"c{k}") for k in range(16)]
        finest = dict(zip(paths, dice.negative_binomial(1, 0.1, 16).tolist(), strict=True))
        streets = {(s,): sum(n for p, n in finest.items() if p[0] == s) for s, _ in paths}
        pages = []
        for page in (streets, finest):
            back = withheld([*page.values()], [*page])
            assert all(hidden for n, hidden in zip(page.values(), back, strict=True) if 0 < n < 5)
            shown = zip(page, back, strict=True)
            pages.append({path for path, hidden in shown if not hidden})
        assert _solved(streets | finest, pages) == []


def test_the_attack_finds_what_is_not_protected() -> None:
    counts = {("s",): 30, ("s", "a"): 12, ("s", "b"): 15, ("s", "c"): 3}
    assert _solved(counts, [{("s", "a"), ("s", "b")}]) == [("s", "c")]
    assert withheld([12, 15, 3], [("s", "a"), ("s", "b"), ("s", "c")]).tolist() == [1, 0, 1]


def _pages_of(days: list[dict[Any, int]]) -> tuple[dict[Any, int], set[Any]]:
    """Return the counts of a window of days, and which of them a public page shows."""
    counts = {path: sum(day[path] for day in days) for path in days[0]}
    back = withheld([*counts.values()], [*counts])
    return counts, {path for path, hidden in zip(counts, back, strict=True) if not hidden}


def _found_out(windows: list[list[dict[Any, int]]]) -> int:
    """Attack: count small counts that are the difference of a window and one that holds it."""
    found = 0
    for one in windows:
        for other in windows:
            if len(one) < len(other) and all(any(day is d for d in other) for day in one):
                (a, shown_a), (b, shown_b) = _pages_of(one), _pages_of(other)
                found += sum(0 < b[path] - a[path] < 5 for path in shown_a & shown_b)
    return found


def test_pages_of_overlapping_days_give_small_counts_away_as_is_told() -> None:
    """The limit that page, command and SECURITY tell is a real one."""
    dice = np.random.default_rng(0)
    paths = [(f"s{k // 4}", f"c{k}") for k in range(16)]
    found = 0
    for _ in range(60):
        days = [dict(zip(paths, dice.poisson(2, 16).tolist(), strict=True)) for _ in range(15)]
        found += _found_out([days[:7], days[:8]])
    assert found > 100
    security = (ROOT / "SECURITY.md").read_text("utf-8")
    assert "Pages of days that overlap" in " ".join(security.split())


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_public_page_tells_that_overlapping_days_are_not_protected(
    grid: Any, town: Any, lang: Any
) -> None:
    said = OVERLAPS(least=SMALL).text(lang)
    public = gm.briefing(grid, town.incidents, audience="public", lang=lang).html
    assert said in public
    assert said not in gm.briefing(grid, town.incidents, lang=lang).html


class _Tables(HTMLParser):
    """Gather the rows of all tables of a page, each cell as text."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Begin a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_data(self, data: str) -> None:
        """Take the text of a cell."""
        if self._cell is not None:
            self._cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th") and self._cell is not None:
            self.rows[-1].append("".join(self._cell).strip())
            self._cell = None


@pytest.mark.parametrize("seed", range(12))
def test_no_table_of_a_public_page_tells_of_few_cases(grid: Any, town: Any, seed: int) -> None:
    """Twelve draws of cases: no count of 1 to 4, and no share of which the rest is as few."""
    dice = np.random.default_rng(seed)
    some = town.incidents.sample(int(dice.integers(20, 400)), random_state=seed)
    tables = _Tables()
    tables.feed(gm.briefing(grid, some, audience="public", lang="en").html)
    counted = shares = 0
    for row in tables.rows:
        for cell in row[1:]:
            if pair := re.fullmatch(r"([\d,]+) / ([\d,]+)", cell):
                part, whole = (int(n.replace(",", "")) for n in pair.groups())
                assert not 0 < part < SMALL and not 0 < whole - part < SMALL, row
                shares += 1
        if len(row) in (3, 4) and re.fullmatch(r"[\d,]+", row[1]):  # a word, its count and share
            assert not 0 < int(row[1].replace(",", "")) < SMALL, row
            counted += 1
    assert counted + shares > 0


def test_lines_of_places_are_not_drawn_for_the_public(grid: Any, town: Any) -> None:
    """A line tells every week's count of a place to who knows the sum."""
    inside, outside = (
        gm.briefing(grid, town.incidents, audience=audience, lang="en").html.count(">Trend<")
        for audience in ("internal", "public")
    )
    assert inside == outside + 1


def test_small_counts_are_blanked_zero_is_not() -> None:
    shown = suppress(pd.Series([0, 1, 4, 5, 99], index=list("abcde")))
    assert shown.isna().tolist() == [False, True, True, False, False]
    assert shown.index.tolist() == list("abcde")


def test_hashes_depend_on_the_key_only(tmp_path: Path) -> None:
    key = local_key(tmp_path / "key")
    assert local_key(tmp_path / "key") == key
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    ids = [f"{n}" for n in range(2000)]
    first = hashed(ids, key)
    assert first == hashed(ids, key)
    assert len(set(first)) == 2000
    assert personal_columns(pd.DataFrame({"id": first}), thorough=True) == {}
    assert not set(first) & set(hashed(ids, local_key(tmp_path / "other")))
    with pytest.raises(InputError, match="fewer than 16 bytes"):
        hashed(ids, b"short")


def test_a_spoilt_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    with pytest.raises(InputError, match="holds no key"):
        local_key(tmp_path / "key")
    with pytest.raises(InputError, match="cannot be used"):
        local_key(tmp_path / "no" / "key")


@pytest.mark.parametrize(
    "text", ["138\u30000000\u30000000", "138\u00a00000\u00a00000", "138﹣0000﹣0000", "a﹫b.com"]
)
def test_a_thorough_look_sees_what_other_blanks_and_signs_hide(text: str) -> None:
    frame = pd.DataFrame({"描述": ["占道"] * 20 + [f"致电{text}"]})
    assert "描述" in personal_columns(frame, thorough=True)
