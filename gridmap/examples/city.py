"""The made-up city as a whole: what it holds, how large it is, and how it is put together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.examples import names, people
from gridmap.examples.blocks import Blocks, make_blocks, union_by
from gridmap.examples.buildings import HIGHRISE, WALKUP, Houses, build, land_use
from gridmap.examples.districts import Division, Plan, divide
from gridmap.examples.incidents import CRS, report
from gridmap.examples.streets import RAILWAY, RIVER, SHORE, Floats, Integers, Network, make_network

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
        About 8, 60 or 1,400 communities.

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
            f"{districts} districts, {streets} streets and {communities} communities do not fit: "
            "give 1 to 10 districts, as many streets in each, and three communities a street."
        )
    length = 1000 * float(np.sqrt(communities * households / HOUSEHOLDS_PER_KM2))
    plan = Plan(districts, streets // districts, float(households), communities)
    return _copy_of(Extent(length, 1, plan), seed)


def _copy_of(extent: Extent, seed: int) -> ExampleCity:
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError(f"`seed` is {seed!r}; give a whole number from 0, as 0.")
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
        staff=people.staff(jurisdictions, households, dedicated_areas, chance[4]),
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
    districts = np.array(names.districts(int(division.district.max()) + 1))
    streets = np.array(names.streets(int(division.street.max()) + 1, rng))
    return gpd.GeoDataFrame(
        {
            "code": codes,
            "district": districts[division.district],
            "street": streets[division.street],
            "community": names.communities(count, rng),
        },
        geometry=union_by(blocks.polygons, division.community),
        crs=CRS,
    )


def _rank_within(label: Integers, group: Integers) -> Integers:
    """Number labels from 0 inside each group, in their own order."""
    pairs = pd.DataFrame({"label": label, "group": group})
    rank: Integers = pairs.groupby("group")["label"].rank(method="dense").to_numpy(dtype=np.int64)
    return rank - 1


def _buildings(
    houses: Houses, use: Integers, division: Division, rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """Name compounds and number the buildings in them."""
    estate = np.isin(use, [HIGHRISE, WALKUP])
    estate[list(division.dedicated)] = False
    compound = np.full(len(use), "", dtype=object)
    compound[estate] = names.compounds(int(estate.sum()), rng)
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
    merged = [shapely.line_merge(shapely.multilinestrings(piece)) for piece in pieces]
    rank = network.rank[bounds][order][np.r_[0, np.cumsum(np.bincount(line))[:-1]]]
    arterial = (rank >= 0) & (rank <= network.arterial_rank)
    kind = np.select([rank == RIVER, rank == RAILWAY, arterial],
                     ["river", "railway", "arterial"], "street")  # fmt: skip
    name = np.array(names.roads(arterial, rng), dtype=object)
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
        use, endings = names.DEDICATED[division.dedicated[int(block)]]
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
