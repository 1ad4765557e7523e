"""Made-up names that sound like a Chinese city."""

from __future__ import annotations

from itertools import product

import numpy as np

# fmt: off
DISTRICTS = ["云川", "锦屏", "望江", "南浦", "清和", "北苑", "东篱", "龙泉湖", "西陵原", "临河"]
STREET_FIRST = "文宣昌崇景柳槐荷枫棠桂松竹兰梧"
STREET_SECOND = "华德庆阳苑塘桥泉坊溪林堂岗浦园"
COMMUNITY_FIRST = "东西福永和兴安康裕祥瑞嘉锦丰盛仁义德惠善春晨曙朝望龙凤鹤云月星金银玉宝石清碧翠绿"
COMMUNITY_SECOND = "福宁泰平顺乐居民庆华苑园里坊桥湖河溪泉塘庄屯岭岗湾浦港门台亭井厂校站场林"
ROAD_FIRST = "文建解人和中新东西南北长永安康平昌盛华民工农商学科创青柏杨柳槐桐枫樟松"
ROAD_SECOND = "化设民政谐华风宁乐泰兴德仁义礼信忠孝林园湖山水泉河溪塘桥岭岗阳光明辉"
COMPOUND_FIRST = ["锦绣", "阳光", "翠竹", "丽景", "和谐", "金桂", "书香", "碧水", "紫荆", "枫林",
                  "春晖", "梧桐", "御景", "怡和", "华庭", "兰亭", "明珠", "橡树", "望湖", "听涛"]
COMPOUND_SECOND = ["花园", "家园", "小区", "苑", "新村", "公寓", "名邸", "雅居", "里", "华府"]
# fmt: on
DEDICATED = {
    "school": ("学校", ["第一小学", "第二小学", "实验小学", "第三中学", "外国语学校", "职业学校"]),
    "market": ("市场", ["农贸市场", "建材市场", "小商品市场", "花鸟市场"]),
    "park": ("公园", ["人民公园", "湿地公园", "体育公园", "儿童公园", "植物园"]),
    "hospital": ("医院", ["人民医院", "中医院", "妇幼保健院"]),
    "industry": ("园区", ["工业园", "科技园", "物流园"]),
}


def _unique(first: list[str] | str, second: list[str] | str, count: int, ends: list[str],
            rng: np.random.Generator) -> list[str]:  # fmt: skip
    """Draw `count` names, each once, taking another ending when the pairs are used up."""
    pairs = [a + b for a, b in product(first, second) if a != b]
    names: list[str] = []
    for end in ends:
        names += [pairs[k] + end for k in rng.permutation(len(pairs))]
        if len(names) >= count:
            break
    return names[:count]


def districts(count: int) -> list[str]:
    """Name districts."""
    return [f"{name}区" for name in DISTRICTS[:count]]


def streets(count: int, rng: np.random.Generator) -> list[str]:
    """Name streets (the offices, not the roads)."""
    return _unique(STREET_FIRST, STREET_SECOND, count, ["街道", "镇"], rng)


def communities(count: int, rng: np.random.Generator) -> list[str]:
    """Name communities."""
    return _unique(COMMUNITY_FIRST, COMMUNITY_SECOND, count, ["社区", "新社区"], rng)


def compounds(count: int, rng: np.random.Generator) -> list[str]:
    """Name compounds."""
    ends = ["", "一期", "二期", "三期", "东区", "西区", "南区", "北区", *"甲乙丙丁戊己庚辛壬癸"]
    ends += [f"{k}期" for k in range(4, 80)]
    return _unique(COMPOUND_FIRST, COMPOUND_SECOND, count, ends, rng)


def roads(arterial: np.ndarray, rng: np.random.Generator) -> list[str]:
    """Name roads: an avenue where `arterial`, else a road, street or lane."""
    avenues = iter(_unique(ROAD_FIRST, ROAD_SECOND, int(arterial.sum()), ["大道", "大街"], rng))
    ends = ["路", "街", "巷", "东路", "西路", "南街", "北街", "一巷", "二巷", "三巷", "支路"]
    ends += [f"{k}{word}" for word in ("弄", "条", "胡同") for k in "一二三四五六七八九"]
    lesser = _unique(ROAD_FIRST, ROAD_SECOND, int((~arterial).sum()), ends, rng)
    if arterial.sum() + len(lesser) < 1500:
        lesser = [name[:2] + str(rng.choice(["路", "街", "巷"])) for name in lesser]
    plain = iter(lesser)
    return [next(avenues) if wide else next(plain) for wide in arterial]
