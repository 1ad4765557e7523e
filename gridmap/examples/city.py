"""The made-up city as a whole: what it holds, how large it is, and how it is put together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Ints, geometries
from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.examples.districts import Division, Plan, divide
from gridmap.examples.incidents import CRS, report
from gridmap.examples.streets import (
    HIGHRISE,
    RAILWAY,
    RIVER,
    SHORE,
    WALKUP,
    Blocks,
    Houses,
    Network,
    build,
    land_use,
    make_blocks,
    make_network,
    union_by,
)

# The telephones' own coordinates must not be taken for positions in the grid's CRS.
HEADINGS: dict[str, dict[str, dict[str, str]]] = {
    "zh": {
        "incidents": {"status": "处置状态", "lng": "高德经度", "lat": "高德纬度"},
        "staff": {"title": "岗位说明"},
    },
    "en": {"incidents": {"lng": "gcj02_lng", "lat": "gcj02_lat"}, "staff": {}},
}
"""What the columns of a made-up city are called beside the headings of files."""


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


def street_names(count: int, rng: np.random.Generator) -> list[str]:
    """Name streets (the offices, not the roads)."""
    return _unique(STREET_FIRST, STREET_SECOND, count, ["街道", "镇"], rng)


def community_names(count: int, rng: np.random.Generator) -> list[str]:
    """Name communities."""
    return _unique(
        COMMUNITY_FIRST, COMMUNITY_SECOND, count, ["社区", "新社区", "东社区", "西社区"], rng
    )


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


CELL_HOUSEHOLDS = 450
ROLES = {
    "leader": "网格长",
    "assistant": "网格助理",
    "patrol": "巡查员",
    "department": "部门下沉人员",
    "volunteer": "志愿者",
}
WORKERS = [
    ("assistant", "内勤", 0.45),
    ("patrol", "日常巡查", 0.8),
    ("department", "条线业务", 0.45),
]
DEDICATED_POSTS = [("leader", "专属网格"), ("volunteer", "保安")]
VOLUNTEERS = ["楼门长", "物业人员", "保安", "党员", "退休人员"]


def staff(
    communities: pd.DataFrame,
    households: np.ndarray,
    dedicated: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Make the posts of every community by the 1+X+Y rule.

    Each planned cell has one leader, one or two of the X (assistants, patrol, departments' staff)
    and two to six volunteers; a dedicated area has a leader and a guard of its own. One leader's
    post in forty is vacant and left out.
    """
    rows: list[tuple[str, str, str, str, str, str]] = []
    for place, count, areas in zip(communities.itertuples(), households, dedicated, strict=True):
        planned = max(1, round(count / CELL_HOUSEHOLDS))
        cells = [_posts_of_a_cell(rng) for _ in range(planned)]
        vacant = (rng.random(planned) < 0.025) & (np.arange(planned) > 0)
        cells = [posts[int(empty) :] for posts, empty in zip(cells, vacant, strict=True)]
        posts = [post for cell in [*cells, *[DEDICATED_POSTS] * int(areas)] for post in cell]
        rows += [
            (f"{place.code}-{number:03d}", str(place.code), str(place.community), role,
             f"{place.community}{ROLES[role]}", duty)
            for number, (role, duty) in enumerate(posts, start=1)
        ]  # fmt: skip
    columns = ["post", "code", "community", "role", "title", "duty"]
    return pd.DataFrame(rows, columns=columns)


def _posts_of_a_cell(rng: np.random.Generator) -> list[tuple[str, str]]:
    """Draw the roles and duties of one cell."""
    drawn = rng.random(len(WORKERS)) < [chance for _, _, chance in WORKERS]
    workers = [(role, duty) for (role, duty, _), there in zip(WORKERS, drawn, strict=True) if there]
    duties = rng.choice(VOLUNTEERS, size=int(rng.integers(2, 7)))
    return [("leader", "全面负责"), *workers, *(("volunteer", str(duty)) for duty in duties)]


Size = Literal["tiny", "town", "city"]
ORIGIN = (462_000.0, 3_385_000.0)
COUNTY = 990_100  # GB/T 2260 knows no province 99
HOUSEHOLDS_PER_KM2 = 7800.0  # of the square that the network is drawn in


@dataclass(frozen=True)
class Extent:
    """How large a city is, in metres across, with how many lakes, and how it is divided."""

    length: float
    lakes: int
    plan: Plan


EXTENTS: dict[str, Extent] = {
    "tiny": Extent(1500.0, 1, Plan(2, 2, 1700.0)),
    "town": Extent(4600.0, 2, Plan(2, 4, 2500.0)),
    "city": Extent(24000.0, 12, Plan(10, 11, 3000.0)),
}


@dataclass(frozen=True)
class ExampleCity:
    """A city that does not exist, in EPSG:4547.

    Attributes
    ----------
    jurisdictions : GeoDataFrame
        One row a community: code (12 digits), district, street, community. An exact coverage.
    buildings : GeoDataFrame
        Points: building_id, name, households, floors, compound (empty outside compounds).
    barriers : GeoDataFrame
        Lines: kind (arterial, street, river, railway), name. They run along the blocks' borders.
    dedicated : GeoDataFrame
        Blocks that are schools, markets, parks, hospitals or industry: name, use.
    incidents : GeoDataFrame
        Six months of points; the citizens' snapshots also bear lng, lat in GCJ-02 (`datum`).
    staff : DataFrame
        Posts (no persons) by community: post, code, community, role, title, duty.
    truth : GeoDataFrame
        Discs where incidents were planted (hotspot), or where only many people live (decoy).
    """

    jurisdictions: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    barriers: gpd.GeoDataFrame
    dedicated: gpd.GeoDataFrame
    incidents: gpd.GeoDataFrame
    staff: pd.DataFrame
    truth: gpd.GeoDataFrame

    def __repr__(self) -> str:
        """Name the city's size in a line."""
        return (
            f"<ExampleCity of {len(self.jurisdictions)} communities, "
            f"{len(self.buildings):,} buildings, {self.buildings['households'].sum():,} "
            f"households, {len(self.incidents):,} incidents>"
        )


def example_city(seed: int = 0, size: Size = "town") -> ExampleCity:
    """Make up a believable city.

    Districts hold streets, streets hold communities. One community lies round a lake, one has
    fewer than 300 households, one is in two parts, and one tower alone holds more than 600.

    Parameters
    ----------
    seed : int
        The same seed gives the same city.
    size : {"tiny", "town", "city"}
        About 10, 60 or 1,400 communities.

    Returns
    -------
    ExampleCity

    Raises
    ------
    InputError
        When the size is none of these, or the seed is no whole number from 0.

    Examples
    --------
    >>> city = example_city(seed=0, size="tiny")
    >>> city.jurisdictions.columns.tolist()
    ['code', 'district', 'street', 'community', 'geometry']
    >>> bool((city.buildings["households"] > 600).any())
    True
    """
    check_choice("size", size, get_args(Size))
    return _copy_of(EXTENTS[size], seed)


def shaped_city(
    districts: int, streets: int, communities: int, *, seed: int = 0, households: int = 1000
) -> ExampleCity:
    """Make up a city with given numbers of districts, streets and communities.

    Parameters
    ----------
    districts : int
        From 1 to 10.
    streets : int
        In all; a multiple of the districts.
    communities : int
        In all; at least three a street.
    seed : int
        The same seed gives the same city.
    households : int
        About how many live in a community.

    Returns
    -------
    ExampleCity

    Raises
    ------
    InputError
        When the numbers do not fit each other.

    Examples
    --------
    >>> city = shaped_city(2, 4, 20)
    >>> city.jurisdictions[["district", "street", "community"]].nunique().tolist()
    [2, 4, 20]
    """
    if not 1 <= districts <= 10 or streets % districts or communities < 3 * streets:
        raise InputError(
            "{districts} {districts:district|districts}, {streets} "
            "{streets:street|streets} and {communities} {communities:community "
            "does|communities do} not fit: give 1 to 10 districts, as many streets in "
            "each, and three communities a street.",
            districts=districts,
            streets=streets,
            communities=communities,
        )
    length = 1000 * float(np.sqrt(communities * households / HOUSEHOLDS_PER_KM2))
    plan = Plan(districts, streets // districts, float(households), communities)
    return _copy_of(Extent(length, 1, plan), seed)


def _copy_of(extent: Extent, seed: int) -> ExampleCity:
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError("`seed` is {seed!r}; give a whole number from 0, as 0.", seed=seed)
    made = _make(int(seed), extent)
    return ExampleCity(**{name: frame.copy() for name, frame in vars(made).items()})


@lru_cache(maxsize=2)
def _make(seed: int, extent: Extent) -> ExampleCity:
    chance = [np.random.default_rng([seed, stage]) for stage in range(6)]
    network = make_network(extent.length, extent.lakes, ORIGIN, chance[0])
    blocks = make_blocks(network, chance[1])
    use = land_use(blocks, chance[2])
    houses = build(blocks, use, chance[2])
    division, houses = divide(blocks, use, houses, extent.plan, chance[3])
    jurisdictions = _jurisdictions(blocks, division, chance[4])
    households = np.bincount(division.community[houses.block], weights=houses.households)
    own = division.community[list(division.dedicated)]
    dedicated_areas = np.bincount(own, minlength=len(jurisdictions))
    corners = _corners(blocks, division)
    incidents, truth = report(houses, corners, blocks.outline, chance[5])
    return ExampleCity(
        jurisdictions=jurisdictions,
        buildings=_buildings(houses, use, division, chance[4]),
        barriers=_barriers(network, blocks, chance[4]),
        dedicated=_dedicated(blocks, division, jurisdictions),
        incidents=incidents,
        staff=staff(jurisdictions, households, dedicated_areas, chance[4]),
        truth=truth,
    )


def _jurisdictions(
    blocks: Blocks, division: Division, rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """Dissolve blocks into communities, and give all levels their codes and names."""
    count = len(division.street)
    within_district = _rank_within(division.street, division.district)
    within_street = _rank_within(np.arange(count), division.street)
    codes = [
        f"{COUNTY + d + 1:06d}{s + 1:03d}{c + 1:03d}"
        for d, s, c in zip(division.district, within_district, within_street, strict=True)
    ]
    districts = np.array([f"{name}区" for name in DISTRICTS[: int(division.district.max()) + 1]])
    streets = np.array(street_names(int(division.street.max()) + 1, rng))
    return gpd.GeoDataFrame(
        {
            "code": codes,
            "district": districts[division.district],
            "street": streets[division.street],
            "community": community_names(count, rng),
        },
        geometry=union_by(blocks.polygons, division.community),
        crs=CRS,
    )


def _rank_within(label: Ints, group: Ints) -> Ints:
    """Number labels from 0 inside each group, in their own order."""
    pairs = pd.DataFrame({"label": label, "group": group})
    rank: Ints = pairs.groupby("group")["label"].rank(method="dense").to_numpy(dtype=np.int64)
    return rank - 1


def _buildings(
    houses: Houses, use: Ints, division: Division, rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """Name compounds and number the buildings in them."""
    estate = np.isin(use, [HIGHRISE, WALKUP])
    estate[list(division.dedicated)] = False
    compound = np.full(len(use), "", dtype=object)
    compound[estate] = compounds(int(estate.sum()), rng)
    order = np.argsort(houses.block, kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = _rank_within(np.arange(len(order)), houses.block[order]) + 1
    of = compound[houses.block]
    return gpd.GeoDataFrame(
        {
            "building_id": [f"B{k:07d}" for k in range(1, len(of) + 1)],
            "name": [f"{c}{k}号楼" if c else f"{k}号" for c, k in zip(of, number, strict=True)],
            "households": houses.households,
            "floors": houses.floors,
            "compound": of.astype(str),
        },
        geometry=shapely.points(houses.x, houses.y),
        crs=CRS,
    )


def _barriers(network: Network, blocks: Blocks, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Join the edges that bound blocks into named roads, the river and the railway."""
    left, right = blocks.edge_blocks.T
    bounds = (np.maximum(left, right) >= 0) & (left != right) & (network.rank != SHORE)
    _, line = np.unique(network.line[bounds], return_inverse=True)
    order = np.argsort(line, kind="stable")
    pieces = np.split(network.edges[bounds][order], np.cumsum(np.bincount(line))[:-1])
    merged = geometries([shapely.line_merge(shapely.multilinestrings(p)) for p in pieces])
    rank = network.rank[bounds][order][np.r_[0, np.cumsum(np.bincount(line))[:-1]]]
    arterial = (rank >= 0) & (rank <= network.arterial_rank)
    kind = np.select([rank == RIVER, rank == RAILWAY, arterial],
                     ["river", "railway", "arterial"], "street")  # fmt: skip
    name = np.array(roads(arterial, rng), dtype=object)
    name[kind == "river"], name[kind == "railway"] = "云水河", "望川铁路"
    frame = gpd.GeoDataFrame({"kind": kind, "name": name.astype(str)}, geometry=merged, crs=CRS)
    return frame.explode(ignore_index=True)


def _dedicated(
    blocks: Blocks, division: Division, jurisdictions: gpd.GeoDataFrame
) -> gpd.GeoDataFrame:
    """Name the dedicated blocks after their community."""
    chosen = np.array(sorted(division.dedicated), dtype=np.int64)
    place = jurisdictions["community"].str.removesuffix("社区").to_numpy()
    rows = []
    for number, block in enumerate(chosen):
        use, endings = DEDICATED[division.dedicated[int(block)]]
        rows.append((f"{place[division.community[block]]}{endings[number % len(endings)]}", use))
    frame = pd.DataFrame(rows, columns=["name", "use"])
    return gpd.GeoDataFrame(frame, geometry=blocks.polygons[chosen], crs=CRS)


def _corners(blocks: Blocks, division: Division) -> Floats:
    """Find the points where blocks of different communities touch, as exact coordinates."""
    xy, block = shapely.get_coordinates(blocks.polygons, return_index=True)
    points, where = np.unique(xy, axis=0, return_inverse=True)
    pairs = np.unique(np.c_[where.ravel(), division.community[block]], axis=0)
    met = np.bincount(pairs[:, 0], minlength=len(points)) > 1
    corners: Floats = points[met]
    return corners
