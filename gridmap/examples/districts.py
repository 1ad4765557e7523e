"""Communities, streets and districts of the made-up city, with the awkward cases planted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import heappop, heappush

import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gridmap._arrays import Floats, Ints, summed
from gridmap.codes import reading_order
from gridmap.examples.streets import (
    HIGHRISE,
    INDUSTRY,
    MIXED,
    PARK,
    VILLAGE,
    WALKUP,
    Blocks,
    Contacts,
    Houses,
)


def grow(
    contacts: Contacts,
    weight: Floats,
    centre: Floats,
    target: float,
    rng: np.random.Generator,
    *,
    noise: float = 0.6,
) -> Ints:
    """Label things so that each label is one connected region of about `target` weight.

    Regions grow from corner to corner, each to a size of its own, and do not cross river or
    railway; the crumbs left between them join a neighbour.
    """
    near = contacts.matrix(len(weight), across=False)
    reach = float(np.sqrt(np.ptp(centre, axis=0).prod() / len(weight)))
    order = np.argsort(centre @ [0.6, 1.0] + rng.normal(0, reach, len(weight)), kind="stable")
    label = np.full(len(weight), -1)
    regions = 0
    for seed in order:
        if label[seed] < 0:
            size = target * np.clip(np.exp(rng.normal(0, 0.4)), 0.45, 1.9)
            _flood(int(seed), regions, float(size), near, label, weight, centre, noise, rng)
            regions += 1
    return _join_crumbs(label, contacts, weight, target)


def _flood(
    seed: int,
    region: int,
    size: float,
    near: csr_array,
    label: Ints,
    weight: Floats,
    centre: Floats,
    noise: float,
    rng: np.random.Generator,
) -> None:
    """Give unlabelled things around `seed` to `region` until it weighs `size`."""
    total, queue, seen = 0.0, [(0.0, seed)], {seed}
    while queue and total < size:
        _, here = heappop(queue)
        label[here] = region
        total += float(weight[here])
        for other in near.indices[near.indptr[here] : near.indptr[here + 1]].tolist():
            if label[other] < 0 and other not in seen:
                seen.add(other)
                away = float(np.hypot(*(centre[other] - centre[seed])))
                heappush(queue, (away * float(np.exp(rng.normal(0, noise))), other))


def _join_crumbs(label: Ints, contacts: Contacts, weight: Floats, target: float) -> Ints:
    """Join regions under a third of the target to the neighbour they share most border with."""
    soft = np.where(contacts.hard > 0.5 * contacts.length, 1e-3, 1.0) * contacts.length
    while True:
        total = np.bincount(label, weights=weight)
        used = np.bincount(label) > 0
        i, j = label[contacts.i], label[contacts.j]
        apart = i != j
        touched = np.zeros(len(total), bool)
        touched[i[apart]] = touched[j[apart]] = True
        small = np.flatnonzero(used & touched & (total < target / 3))
        if not len(small):
            return np.unique(label, return_inverse=True)[1]
        crumb = small[np.argmin(total[small])]
        border = apart & ((i == crumb) | (j == crumb))
        other = np.where(i == crumb, j, i)[border]
        pull = np.bincount(other, weights=soft[border], minlength=len(total))
        label[label == crumb] = int(np.argmax(pull / (1 + total / target)))


def is_connected(near: csr_array, members: Ints) -> bool:
    """Tell whether the members hang together."""
    if not len(members):
        return False
    parts, _ = connected_components(near[members][:, members], directed=False)
    return bool(parts == 1)


def share_out(contacts: Contacts, weight: Floats, centre: Floats, parts: int) -> Ints:
    """Label things so that exactly `parts` regions of like weight cover them.

    Seeds lie far from each other; the lightest region that can still grow takes its nearest free
    neighbour, across river or railway only when nothing else is left.
    """
    graph = contacts.matrix(len(weight))
    hard = {
        (int(i), int(j))
        for i, j, h, length in zip(
            contacts.i, contacts.j, contacts.hard, contacts.length, strict=True
        )
        if h > 0.5 * length
    }
    settled = np.flatnonzero(weight > 0.2 * np.median(weight))  # no region begins on empty land
    seeds = [int(settled[k]) for k in _far_apart(centre[settled], min(parts, len(settled)))]
    label = np.full(len(weight), -1)
    fronts: list[list[tuple[float, int]]] = [[(0.0, seed)] for seed in seeds]
    lightest = [(0.0, region) for region in range(len(seeds))]
    while lightest:
        total, region = heappop(lightest)
        while fronts[region] and label[fronts[region][0][1]] >= 0:
            heappop(fronts[region])
        if not fronts[region]:
            continue
        _, here = heappop(fronts[region])
        label[here] = region
        # empty land counts a little, or one region takes it all
        heappush(lightest, (total + max(float(weight[here]), 1e-6), region))
        for other in graph.indices[graph.indptr[here] : graph.indptr[here + 1]].tolist():
            if label[other] < 0:
                away = float(np.hypot(*(centre[other] - centre[seeds[region]])))
                detour = 3.0 if (min(here, other), max(here, other)) in hard else 1.0
                heappush(fronts[region], (away * detour, other))
    return label


def _far_apart(centre: Floats, count: int) -> list[int]:
    """Choose `count` things far from each other, the first farthest from the middle."""
    away = np.hypot(*(centre - centre.mean(0)).T)
    chosen = [int(np.argmax(away))]
    nearest = np.hypot(*(centre - centre[chosen[0]]).T)
    while len(chosen) < count:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.hypot(*(centre - centre[chosen[-1]]).T))
    return chosen


SMALL, TOWER, EXCLAVE = 220, 660, 420
USES = {
    PARK: ["park"],
    INDUSTRY: ["industry"],
    MIXED: ["market", "hospital", "market"],
    WALKUP: ["school"],
    VILLAGE: ["school"],
}
KEPT_HOUSEHOLDS = {"park": 0.0, "school": 0.0, "hospital": 0.0, "market": 0.1, "industry": 1.0}


@dataclass(frozen=True)
class Plan:
    """How many districts, streets in each, and communities: a number, or 0 for those that
    households of `community_households` each make.
    """

    districts: int
    streets_each: int
    community_households: float
    communities: int = 0


@dataclass(frozen=True)
class Division:
    """Which community, street and district each block is in, and which blocks are dedicated.

    `community` is by block; `street` and `district` are by community; `dedicated` maps a block to
    its use. Communities are numbered in reading order within their street.
    """

    community: Ints
    street: Ints
    district: Ints
    dedicated: dict[int, str]


def divide(
    blocks: Blocks, use: Ints, houses: Houses, plan: Plan, rng: np.random.Generator
) -> tuple[Division, Houses]:
    """Cut the city into districts, streets and communities, and plant the awkward cases.

    There is a community with a lake, one under 300 households, one in two parts, and a tower
    over 600; the houses come back with the households that this took.
    """
    centre = shapely.get_coordinates(shapely.centroid(blocks.polygons))
    near = blocks.contacts.matrix(len(use), across=False)
    community = _communities(blocks, households_of(houses, len(use)), centre, plan, rng)
    if plan.communities == 0 or community.max() + 1 < plan.communities:
        community, houses = _plant_small(community, near, blocks, houses)
    community = _plant_exclave(community, near, blocks, households_of(houses, len(use)))
    houses, tower = _plant_tower(houses, use)
    dedicated = _dedicate(community, near, use, houses, tower, rng)
    houses = _empty(houses, dedicated, len(use))
    street, district = _upper_levels(community, blocks, centre, plan)
    return _in_reading_order(community, street, district, blocks, dedicated), houses


def households_of(houses: Houses, blocks: int) -> Floats:
    """Add up the households of each block."""
    return summed(houses.block, houses.households.astype(np.float64), blocks)


def _communities(
    blocks: Blocks, households: Floats, centre: Floats, plan: Plan, rng: np.random.Generator
) -> Ints:
    """Grow communities; the blocks around one lake stay together.

    Of a wanted number one is left for the small community that is planted later.
    """
    leader = np.arange(len(centre))
    for lake in range(int(blocks.by_lake.max()) + 1):
        shore = np.flatnonzero(blocks.by_lake == lake)
        leader[shore] = shore.min(initial=len(centre))
    _, group = np.unique(leader, return_inverse=True)
    size = np.bincount(group)
    middle = np.c_[np.bincount(group, centre[:, 0]), np.bincount(group, centre[:, 1])]
    weight = summed(group, households)
    contacts = blocks.contacts.merged(group)
    middle /= size[:, None]
    if plan.communities:
        return share_out(contacts, weight, middle, plan.communities - 1)[group]
    return grow(contacts, weight, middle, plan.community_households, rng)[group]


def _movable(
    community: Ints, near: csr_array, blocks: Blocks, households: Floats, wish: float
) -> Ints:
    """List blocks of about `wish` households that can leave without tearing or starving it."""
    total = np.bincount(community, weights=households)
    free = (blocks.by_lake < 0) & (households > 0) & (total[community] - households > 700)
    closest = np.argsort(np.where(free, np.abs(households - wish), np.inf), kind="stable")
    able = [b for b in closest[:200] if free[b] and is_connected(near, _others(community, b))]
    return np.array(able, dtype=np.int64)


def _others(community: Ints, block: int) -> Ints:
    members = np.flatnonzero(community == community[block])
    others: Ints = members[members != block]
    return others


def _plant_small(
    community: Ints, near: csr_array, blocks: Blocks, houses: Houses
) -> tuple[Ints, Houses]:
    """Make one block a community of its own, with about 220 households."""
    households = households_of(houses, len(community))
    movable = _movable(community, near, blocks, households, SMALL)
    if not len(movable):
        return community, houses
    block = int(movable[0])
    community = community.copy()
    community[block] = community.max() + 1
    here = houses.block == block
    scaled = np.ceil(houses.households * (SMALL / households[block])).astype(np.int64)
    too_far = not 150 <= households[block] <= 285
    counts = np.where(here & too_far, scaled, houses.households)
    return community, replace(houses, households=counts)


def _plant_exclave(community: Ints, near: csr_array, blocks: Blocks, households: Floats) -> Ints:
    """Give a block to a community that lies near but does not touch it."""
    centre = shapely.get_coordinates(shapely.centroid(blocks.polygons))
    sizes = np.bincount(community)
    for block in _movable(community, near, blocks, households, EXCLAVE):
        away = shapely.distance(blocks.polygons, blocks.polygons[block])
        touching = np.unique(community[away <= 0])
        nearby = np.argsort(np.hypot(*(centre - centre[block]).T), kind="stable")
        for other in community[nearby]:
            if other not in touching and sizes[other] > 2:
                moved = community.copy()
                moved[block] = other
                return moved
    return community


def _plant_tower(houses: Houses, use: Ints) -> tuple[Houses, int]:
    """Fill the largest tower with more households than a cell may have."""
    score = np.where(use[houses.block] == HIGHRISE, houses.households, -1)
    tower = int(np.argmax(score))
    counts, floors = houses.households.copy(), houses.floors.copy()
    counts[tower], floors[tower] = TOWER, 34
    return replace(houses, households=counts, floors=floors), int(houses.block[tower])


def _dedicate(
    community: Ints, near: csr_array, use: Ints, houses: Houses, tower: int,
    rng: np.random.Generator,
) -> dict[int, str]:  # fmt: skip
    """Set blocks aside for schools, markets, parks, hospitals and industry.

    What is left of each community stays connected and keeps more than 700 households.
    """
    households = households_of(houses, len(use))
    total = np.bincount(community, weights=households)
    taken = np.zeros(len(use), bool)
    wanted = max(5, int(0.9 * (community.max() + 1)))
    rank = {PARK: 0, MIXED: 1, WALKUP: 1, INDUSTRY: 2, VILLAGE: 2}
    order = sorted(rng.permutation(len(use)).tolist(), key=lambda b: rank.get(int(use[b]), 9))
    dedicated: dict[int, str] = {}
    per_use = dict.fromkeys(USES, 0)
    for block in order:
        kind = int(use[block])
        if len(dedicated) == wanted or kind not in USES:
            break
        rest = _others(community, block)
        rest = rest[~taken[rest]]
        enough = total[community[block]] - households[block] > 700
        if per_use[kind] > wanted // 4 or block == tower or not enough:
            continue
        if is_connected(near, rest):
            names = USES[kind]
            dedicated[block] = names[per_use[kind] % len(names)]
            per_use[kind] += 1
            taken[block] = True
            total[community[block]] -= households[block]
    return dedicated


def _empty(houses: Houses, dedicated: dict[int, str], blocks: int) -> Houses:
    """Take the households out of dedicated blocks, as far as their use asks."""
    share = np.ones(blocks)
    for block, use in dedicated.items():
        share[block] = KEPT_HOUSEHOLDS[use]
    kept = np.floor(houses.households * share[houses.block]).astype(np.int64)
    return replace(houses, households=kept)


def _upper_levels(community: Ints, blocks: Blocks, centre: Floats, plan: Plan) -> tuple[Ints, Ints]:
    """Share communities out to districts, and those of each district to streets."""
    contacts = blocks.contacts.merged(community)
    area = np.bincount(community, weights=shapely.area(blocks.polygons))
    size = np.bincount(community)
    middle = np.c_[np.bincount(community, centre[:, 0]), np.bincount(community, centre[:, 1])]
    middle = middle / size[:, None]
    ones = np.ones(len(area))
    district = share_out(contacts, ones, middle, plan.districts)
    street = np.full(len(area), -1)
    for number in range(plan.districts):
        members = np.flatnonzero(district == number)
        local = np.full(len(area), -1)
        local[members] = np.arange(len(members))
        both = (local[contacts.i] >= 0) & (local[contacts.j] >= 0)
        within = type(contacts)(
            local[contacts.i[both]], local[contacts.j[both]],
            contacts.length[both], contacts.hard[both],
        )  # fmt: skip
        part = share_out(within, ones[members], middle[members], plan.streets_each)
        street[members] = number * plan.streets_each + np.maximum(part, 0)
    return street, district


def _in_reading_order(
    community: Ints, street: Ints, district: Ints, blocks: Blocks,
    dedicated: dict[int, str],
) -> Division:  # fmt: skip
    """Number districts, streets within them and communities within those as one reads a map."""
    xy = shapely.get_coordinates(shapely.centroid(blocks.polygons))
    weight = shapely.area(blocks.polygons)

    def ranks(label: Ints) -> Ints:
        area = summed(label, weight)
        x = np.bincount(label, weights=weight * xy[:, 0]) / area
        y = np.bincount(label, weights=weight * xy[:, 1]) / area
        return np.argsort(reading_order(x, y, area))

    of_district = ranks(district[community])[district]
    of_street = ranks(street[community])[street]
    order = np.lexsort((ranks(community), of_street, of_district))
    place = np.argsort(order)
    _, dense = np.unique(of_district * len(order) + of_street, return_inverse=True)
    return Division(place[community], dense[order], of_district[order], dedicated)
