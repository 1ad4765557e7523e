"""Yes, no and unknown: a rate is over what is known, and words are never guessed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.errors import InputError
from gridmap.incidents.cases import count_cases, funnel
from gridmap.incidents.indicators import FORMULAS, indicators, rates
from gridmap.incidents.workflow import department_calls, step_times
from gridmap.intervals import count_change
from gridmap.io import columns
from gridmap.io.columns import understand
from gridmap.privacy import personal_columns
from gridmap.vocabulary import fold, restated, vocabulary

PUBLIC = [
    "居民随手拍",
    "群众随手拍",
    "民心网",
    "民生热线",
    "12345热线",
    "微信公众号",
    "手机APP",
    "12345",
    "随手拍",
]
KINDS = ("roles", "sources", "levels", "statuses", "categories", "satisfaction")


def known(cases: pd.DataFrame, key: str, **options: object) -> list[int]:
    """Return numerator, denominator and unknown of an indicator."""
    found = indicators(cases, **options)  # type: ignore[arg-type]
    return found.loc[key, ["numerator", "denominator", "unknown"]].tolist()


def test_ordinals_are_asked_for_and_not_guessed() -> None:
    level = ["三级网格"] * 90 + ["二级网格"] * 6 + ["一级网格"] * 4
    cases = pd.DataFrame({"status": "结案", "handling_level": level})
    with pytest.warns(UserWarning, match="not known|from the top") as told:
        found = known(cases, "self_handled")
    assert found == [0, 0, 100]
    assert "三级网格, 二级网格, 一级网格" in str(told[0].message)
    assert "三级网格,cell|community|street" in str(told[1].message)
    own = pd.DataFrame(
        {"word": ["一级网格", "二级网格", "三级网格"], "level": ["街道", "社区", "网格"]}
    )
    words = vocabulary("levels", own)
    said = cases.assign(handling_level=restated(cases["handling_level"], words))
    assert known(said, "self_handled") == [90, 100, 0]
    bound = vocabulary("levels", levels=["一级网格", "二级网格"])
    said = cases.assign(handling_level=restated(cases["handling_level"], bound))
    assert known(said, "self_handled") == [90, 100, 0]
    turned = vocabulary("levels", levels=["三级网格", "二级网格"])
    assert turned.read(pd.Series(["一级网格", "三级"])).tolist() == ["cell", "street"]
    unbound = vocabulary("levels", levels=["district", "street", "community"])
    assert unbound.read(pd.Series(level)).isna().all()


def test_a_missing_deadline_is_unknown_and_not_late() -> None:
    due = pd.to_datetime(["2026-06-10"] * 50 + [None] * 50)
    cases = pd.DataFrame({"status": "结案", "due": due, "closed": pd.Timestamp("2026-06-09")})
    assert known(cases, "on_time") == [50, 50, 50]
    assert known(cases, "closure") == [100, 100, 0]


def test_nothing_known_is_unknown() -> None:
    cases = pd.DataFrame({"status": ["结案"] * 3, "source": ["?", None, ""]})
    found = indicators(cases)
    assert np.isnan(found.loc["public", "rate"]) and found.loc["public", "unknown"] == 3
    assert found.loc["self_handled", ["numerator", "denominator", "unknown"]].tolist() == [0, 0, 3]


def test_numerators_are_part_of_their_denominators() -> None:
    cases = pd.DataFrame(
        {
            "status": ["结案"] * 4 + ["缓办"] * 2 + ["处置"],
            "due": pd.to_datetime(["2026-06-10"] * 4 + ["2026-08-01"] * 2 + ["2026-06-15"]),
        }
    )
    assert known(cases, "closure", until="2026-06-30") == [4, 5, 0]
    both = cases.assign(status=["缓办、结案"] * 4 + ["缓办"] * 2 + ["处置"])
    assert known(both, "closure", until="2026-06-30") == [4, 5, 0]
    with pytest.raises(InputError, match="more in closed than in required - deferred"):
        rates(pd.DataFrame({"closed": [3180], "required": [3147], "deferred": [0]}))


def test_a_day_of_account_has_all_its_hours() -> None:
    cases = pd.DataFrame(
        {"status": ["结案"] * 30 + ["处置"] * 30, "due": pd.Timestamp("2026-06-30 17:00")}
    )
    assert known(cases, "closure", until="2026-06-30") == [30, 60, 0]
    assert known(cases, "closure", until="2026-06-29") == [30, 30, 0]
    tomorrow = cases.assign(due=pd.Timestamp("2026-07-01"))
    assert known(tomorrow, "closure", until="2026-06-30") == [30, 30, 0]
    day = cases.assign(due=pd.Timestamp("2026-06-30"), closed=pd.Timestamp("2026-06-30 16:00"))
    assert known(day, "on_time") == [30, 60, 0], "a deadline that is a day ends with it"


@pytest.mark.parametrize("word", PUBLIC)
def test_sources_of_the_accounts_are_the_public(word: str) -> None:
    cases = pd.DataFrame({"status": "结案", "source": [word, "网格员巡查"]})
    assert known(cases, "public") == [1, 2, 0]


def test_words_are_told_apart_and_can_be_added() -> None:
    for kind in KINDS:
        words = [
            fold(word)
            for row in vocabulary(kind).entries.values()  # type: ignore[arg-type]
            for word in row["words"].split("|")
        ]
        assert len(words) == len(set(words)), kind
    cases = pd.DataFrame({"status": ["结案", "搁着"], "source": ["小喇叭", "巡查"]})
    with pytest.warns(UserWarning, match="not known") as told:
        counts = count_cases(cases)
    lines = " ".join(str(one.message) for one in told)
    assert "'搁着' (1)" in lines and "搁着,reported|rejected|accepted" in lines
    assert "'小喇叭' (1)" in lines and "小喇叭,patrol|public" in lines
    assert counts["reported"].sum() == 2 and counts["accepted"].isna().sum() == 1
    pasted = pd.DataFrame({"搁着": ["飞走了"], "deferred": ["closed"]})
    own = vocabulary("statuses", pasted)
    assert own.read(pd.Series(["搁着", "飞走了"])).tolist() == ["deferred", "closed"]
    with pytest.raises(InputError, match="meaning '天上', which is none; use reported"):
        vocabulary("statuses", pd.DataFrame({"word": ["搁着"], "stage": ["天上"]}))


STATUS = st.sampled_from(["结案", "处置", "缓办", "上报", "不予立案", None])
DAY = st.sampled_from([*pd.date_range("2026-06-01", periods=4, freq="10D"), pd.NaT])
CASE = st.fixed_dictionaries(
    {
        "status": STATUS,
        "due": DAY,
        "closed": DAY,
        "handling_level": st.sampled_from(["网格", "微网格", "社区", "街道", None, "三级网格"]),
        "source": st.sampled_from(["随手拍", "网格员巡查", None, "小喇叭"]),
        "reworked": st.sampled_from(["是", "否", None]),
    }
)
CASES = st.lists(CASE, min_size=1, max_size=12)
UNTIL = st.sampled_from([None, "2026-06-11", "2026-06-30"])
SYNONYMS = {"网格": "自行处理", "社区": "社区网格", "街道": "街道联办"}


@pytest.mark.filterwarnings("ignore:.*not known", "ignore:.*counts levels")
class TestLaws:
    @given(CASES, UNTIL)
    @settings(deadline=None, max_examples=25)
    def test_dropping_what_is_unknown_changes_no_rate(self, rows: list, until: str | None) -> None:
        cases = _frame(rows)
        counts = count_cases(cases, until=until)
        for formula in FORMULAS:
            whole = indicators(cases, until=until, formulas=[formula]).iloc[0]
            parts = f"{formula.numerator} - {formula.denominator}".split()
            names = [part for part in parts if part.isidentifier()]
            rest = cases[counts[names].notna().all(axis=1)]
            if rest.empty:
                continue
            again = indicators(rest, until=until, formulas=[formula]).iloc[0]
            assert again["numerator"] == whole["numerator"], formula.key
            assert again["denominator"] == whole["denominator"], formula.key

    @given(CASES, UNTIL)
    @settings(deadline=None, max_examples=25)
    def test_each_numerator_is_in_its_denominator(self, rows: list, until: str | None) -> None:
        found = indicators(_frame(rows), until=until)
        assert (found["numerator"] <= found["denominator"]).all()
        assert (found["denominator"] + found["unknown"] <= len(rows)).all()
        sure = found[found["denominator"] > 0]
        assert sure["rate"].between(0, 1).all() and (sure["low"] <= sure["high"]).all()

    @given(CASES)
    @settings(deadline=None, max_examples=15)
    def test_a_synonym_changes_nothing(self, rows: list) -> None:
        cases = _frame(rows)
        other = cases.assign(handling_level=cases["handling_level"].replace(SYNONYMS))
        assert indicators(other).equals(indicators(cases))
        assert funnel(other, of="handling_level").equals(funnel(cases, of="handling_level"))


def _frame(rows: list) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame.assign(due=pd.to_datetime(frame["due"]), closed=pd.to_datetime(frame["closed"]))


@given(st.integers(0, 400), st.integers(1, 400))
@settings(deadline=None, max_examples=30)
def test_a_change_bears_an_interval_that_holds_it(now: int, before: int) -> None:
    found = count_change(now, before)
    assert found.change is not None
    assert found.low - 1e-9 <= found.change <= found.high + 1e-9
    assert not count_change(3 * before + 40, before).chance


def test_changes_by_chance_are_called_so_nineteen_times_of_twenty() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.poisson(28, (2000, 2)).tolist()
    assert 0.94 < np.mean([count_change(now, before).chance for now, before in pairs]) < 0.99


FORMS = {
    "roles": {
        "leader": "三级网格长|Ⅲ级网格长|網 格 長|专职网格长|街道级网格长|总格长|网格长兼网格员",
        "assistant": "三级网格员|網格員（兼）|网格长助手|綜合網格員",
        "patrol": "治安巡防隊員|网格巡检员",
        "department": "驻格民警|包聯幹部|分包部門人員",
        "volunteer": "黨員志願者|单元楼长|楼栋长兼微网格长",
        "chief": "黨員街長|副河长",
        None: "前网格长|无网格长|网格指导员|村长|一级网格",
    },
    "sources": {
        "public": "微信随手拍|省12345|12345热线转办|市長信箱|群众来电|居民|网上信访|手机ＡＰＰ",
        "patrol": "巡查员上报|網格長巡查|巡防队员发现",
        "video": "ＡＩ视频巡查|高空视频|无人机巡检",
        None: "其他|110|物业上报",
    },
    "levels": {
        "cell": "网格员自行处置|微格|網格層級|网格自行解决",
        "community": "社区处置|村/社区|社區層級",
        "street": "街道办理|乡镇（街道）|鄉鎮街道",
        "district": "區級部門|县区处置",
        None: "一级网格|Ⅱ级|L3|三級網格處置|省|联合|3",
    },
    "statuses": {
        "closed": "結 案|按时结案|超期办结|办结归档|挂账结案|结案（返工）",
        "deferred": "挂起|延期中|未结案（缓办）",
        "accepted": "未结案|超期未办结|尚未办结|not closed|unresolved",
        "dispatched": "未处置|尚未處理",
        "handled": "已处理完毕|核查不通过|待返工",
        "reported": "未立案|立案中",
        "rejected": "不立案|已撤销",
        None: "逾期|退回|部分解决|不属实",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_words_are_known_in_the_forms_that_offices_give_them(kind: str) -> None:
    for meaning, given_words in FORMS[kind].items():
        words = given_words.split("|")
        found = vocabulary(kind).read(pd.Series(words))  # type: ignore[arg-type]
        assert found.where(found.notna(), None).tolist() == [meaning] * len(words), words


def test_a_bound_ordinal_holds_in_all_its_forms() -> None:
    own = pd.DataFrame({"word": ["三级网格"], "meaning": ["网格"]})
    forms = pd.Series(["三级", "3级网格", "Ⅲ级", "第三级网格", "三級網格處置", "Level 3", "L3"])
    assert vocabulary("levels", own).read(forms).tolist() == ["cell"] * len(forms)
    figures = vocabulary("levels", pd.DataFrame({"word": ["3"], "meaning": ["网格"]}))
    read = figures.read(pd.Series([3.0, np.nan]))
    assert read[0] == "cell" and pd.isna(read[1])


@pytest.mark.parametrize(
    ("kind", "word", "meaning"),
    [
        ("levels", "一级网格（街道）", "street"),
        ("levels", "四级网格", None),
        ("levels", "小事", None),
        ("roles", "包片领导", "department"),
        ("roles", "楼道长", "volunteer"),
        ("roles", "社区书记", None),
        ("sources", "社区微信群", "public"),
        ("sources", "来信来访", "public"),
        ("sources", "智慧城管", None),
        ("sources", "非市民热线", None),
        ("roles", "网格长（空缺）", None),
        ("roles", "網格員(待聘)", None),
        ("satisfaction", "非常满意", "satisfied"),
        ("statuses", "返工后结案", None),
        ("statuses", "部分结案", None),
        ("satisfaction", "两次不满意", "unsatisfied"),
        ("satisfaction", "未评价", None),
    ],
)
def test_words_beyond_the_accounts_are_known_or_asked_for(
    kind: str, word: str, meaning: str | None
) -> None:
    assert vocabulary(kind)._meaning(word) == meaning  # type: ignore[arg-type]


def test_a_day_of_closing_is_in_time_only_where_its_whole_day_is() -> None:
    closed = ["2026-06-09", "2026-06-10", "2026-06-11"]
    cases = pd.DataFrame({"status": "结案", "due": "2026-06-10 12:00", "closed": closed})
    assert known(cases, "on_time") == [1, 2, 1]
    assert known(cases.assign(due="2026-06-10"), "on_time") == [2, 3, 0]


def test_a_case_closed_before_it_was_reported_is_not_called_in_time() -> None:
    cases = pd.DataFrame({"status": "结案", "time": "2026-06-09 08:00", "due": "2026-06-10 08:00",
                          "closed": ["2026-06-09 09:00", "2026-05-09 09:00"]})  # fmt: skip
    assert known(cases, "on_time") == [1, 1, 1]


def test_nothing_is_no_department() -> None:
    cases = pd.DataFrame({"joint": ["城管局、公安局", "无", "—", "/", None, "城管局"]})
    assert department_calls(cases, "joint")["cases"].to_dict() == {"城管局": 2, "公安局": 1}


def test_a_call_answered_after_the_day_was_waiting_on_it() -> None:
    cases = pd.DataFrame({"whistled": ["城管局", "城管局"], "time": "2026-06-01 08:00",
                          "answered_at": ["2026-06-01 09:00", "2026-06-02 09:00"]})  # fmt: skip
    told = department_calls(cases, until="2026-06-01").loc["城管局"]
    assert told[["answered", "waiting", "median_hours"]].tolist() == [1, 1, 1.0]
    steps = step_times(cases.rename(columns={"answered_at": "closed"}), until="2026-06-01")
    assert steps["cases"].tolist() == [1]


@pytest.mark.parametrize("alone", [True, False])
def test_the_time_of_acceptance_is_that_of_reporting_only_where_nothing_else_is(
    alone: bool,
) -> None:
    frame = pd.DataFrame({"上报时间": ["2026-06-01 08:00"], "立案时间": ["2026-06-01 09:00"]})
    found, known_ = understand(frame[["立案时间"]] if alone else frame, "incident")
    wanted = {"time": "立案时间"} if alone else {"time": "上报时间", "accepted_at": "立案时间"}
    assert known_.columns == wanted and list(found) == list(wanted)


@pytest.mark.parametrize(
    ("kind", "word", "meant"),
    [
        *(("sources", word, "public") for word in
          ["1999", "1999專線", "1999专线", "網路通報", "网络通报", "311", "Phone"]),
        *(("statuses", word, "closed") for word in ["关单", "關單", "已关单"]),
    ],
)  # fmt: skip
def test_words_of_taiwan_and_of_311(kind: str, word: str, meant: str) -> None:
    assert list(vocabulary(kind).read(pd.Series([word]))) == [meant]


@pytest.mark.parametrize(
    ("kind", "meant", "words"),
    [
        ("roles", "leader", "里长 里長 网格负责人 网格副长"),
        ("roles", "assistant", "里幹事 村幹事 社区专干 网格工作者"),
        ("roles", "patrol", "联防队员 巡守員"),
        ("roles", "department", "网格警务员 网格辅警"),
        ("roles", "volunteer", "鄰長 邻长 志工 義工 環保志工 社區志工 院落长 弄堂长"),
        ("roles", "volunteer", "兼职微网格员 党员中心户 楼管家"),
        ("statuses", "reported", "暂存 呈报"),
        ("statuses", "rejected", "重複案件 重复件"),
        ("statuses", "accepted", "待派工"),
        ("statuses", "dispatched", "已派工 已下发 改派 改分 重新派遣 退单重派 退回重派 申请退单"),
        ("statuses", "handled", "退回重办 退回整改 会办中 協辦中 施工中"),
        ("statuses", None, "退回 已退回 驳回 督办 已移交 併案 完工 预结案"),
        ("sources", "public", "民眾陳情 民眾通報 陳情 網路投訴 信访转办 浙里办 随申办"),
        ("sources", "patrol", "入户走访 走访入户 主動查報 巡查通報"),
        ("sources", "video", "物联网 智能感知 ai抓拍"),
        ("sources", "department", "稽查 上级派单 部门推送 会议交办"),
        ("sources", None, "里长反映 第三方测评 社会治理平台 志愿者上报"),
        ("satisfaction", "neutral", "普通 尚可"),
        ("levels", "community", "里 里级 村里"),
        ("levels", "street", "办事处"),
        ("levels", None, "部门 片区 鄰 委办局"),
    ],
)  # fmt: skip
def test_words_that_offices_write_mean_one_thing_or_are_asked_about(
    kind: str, meant: str | None, words: str
) -> None:
    found = {word: vocabulary(kind)._meaning(word) or None for word in words.split()}  # type: ignore[arg-type]
    assert found == dict.fromkeys(words.split(), meant)


@pytest.mark.parametrize(
    ("table", "field", "headings"),
    [
        ("incident", "incident_id", "事件编号 受理单号 陳情編號"),
        ("incident", "category", "事件大类 事件类型 一级分类"),
        ("incident", "subcategory", "事件小类 二级分类"),
        ("incident", "source", "事件来源 上报渠道 陳情來源"),
        ("incident", "status", "事件状态 工单状态 当前环节 處理情形"),
        ("incident", "department", "承办部门 處理單位 主办单位"),
        ("incident", "time", "事发时间 采集时间 陳情日期"),
        ("incident", "due", "应办结时间 截止处置时间"),
        ("incident", "address", "事发地点 详细位置"),
        ("incident", "code", "归属网格 事发网格"),
        ("incident", "", "处置时限 紧急程度 督办 地图经度 催办次数"),
        ("staff", "code", "所在网格 管辖网格 包保网格"),
        ("staff", "leader", "里長 鄰長 里长姓名"),
        ("staff", "role", "人员角色 网格角色"),
        ("cell", "leader", "里長 鄰長 网格负责人"),
        ("cell", "households", "网格户数 常住户数"),
        ("cell", "parent", "上级网格编码"),
        ("building", "households", "住宅户数 居住户数"),
        ("building", "", "套数 房屋套数"),
        ("building", "address", "門牌 门牌号"),
        ("jurisdiction", "community", "行政村"),
    ],
)
def test_headings_that_offices_write_are_understood(table: str, field: str, headings: str) -> None:
    known_ = columns.aliases(table)
    found = {name: columns.meaning(name, known_) for name in headings.split()}
    assert found == dict.fromkeys(headings.split(), field)


def test_heads_of_villages_are_persons_and_kilometres_are_none() -> None:
    frame = pd.DataFrame(
        {name: ["王五"] for name in ("里長", "鄰長", "村长", "公里长度", "里长数")}
    )
    assert set(personal_columns(frame)) == {"里長", "鄰長", "村长"}


def test_the_cure_for_own_words_helps_in_python() -> None:
    from gridmap.vocabulary import in_known_words, vocabulary

    cases = pd.DataFrame({"handling_level": ["坊长", "网格"]})
    with pytest.warns(UserWarning, match="坊长") as caught:
        vocabulary("levels").warn(cases["handling_level"])
    said = str(caught[0].message)
    assert "`gridmap.vocabulary.in_known_words`" in said and 'levels="FILE"' not in said
    own = pd.DataFrame({"word": ["坊长"], "meaning": ["community"]})
    known = in_known_words(cases, {"levels": own})["handling_level"]
    assert not vocabulary("levels").unknown(known)
