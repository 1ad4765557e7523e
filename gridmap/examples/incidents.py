"""Six months of made-up incidents, with the hotspots that were planted among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from gridmap._arrays import Floats, Ints, geometries
from gridmap.crs.datum import wgs84_to_gcj02
from gridmap.examples.streets import Houses

CRS = 4547
START, DAYS = pd.Timestamp("2026-01-01"), 181
PER_HOUSEHOLD = 0.04
SNAPSHOT = "随手拍"
SOURCES = ["网格员巡查", "12345热线", SNAPSHOT, "视频监控", "部门转办"]
SOURCE_SHARES = [0.58, 0.17, 0.12, 0.08, 0.05]
LEVELS = ["网格", "社区", "街道", "区"]
LEVEL_HOURS = np.array([6.0, 30.0, 80.0, 200.0])
LEVEL_DUE_HOURS = np.array([24, 72, 168, 480])
STATUSES = ["上报", "立案", "派遣", "处置", "核查", "结案"]
HOURS = np.array([1, 1, 1, 1, 1, 2, 4, 9, 14, 15, 13, 9, 6, 8, 12, 13, 12, 11, 10, 9, 7, 5, 3, 2])


@dataclass(frozen=True)
class _Draft:
    """Incidents as arrays before they are told as a table: place, time in days, kind, source."""

    x: Floats
    y: Floats
    day: Floats
    kind: Ints
    source: Ints

    def __add__(self, other: _Draft) -> _Draft:
        names = ("x", "y", "day", "kind", "source")
        return _Draft(*(np.r_[getattr(self, n), getattr(other, n)] for n in names))


@cache
def dictionary() -> pd.DataFrame:
    """Read the shipped table of categories with the level that handles each."""
    with files("gridmap").joinpath("tables", "handling_levels.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def report(
    houses: Houses, corners: Floats, city: shapely.Geometry, rng: np.random.Generator
) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Draw the incidents of the city and return them with the truth about the hotspots.

    `corners` are points where two communities meet; some incidents lie exactly on them, some lie
    outside the city, and some are told twice.
    """
    background = _background(houses, int(PER_HOUSEHOLD * houses.households.sum()), rng)
    truth = _choose_places(houses, city, rng)
    planted = [_plant(place, rng) for place in truth.itertuples() if place.incidents]
    draft = sum(planted, background)
    draft += _elsewhere(corners[rng.permutation(len(corners))[: _few(draft, 0.01)]], rng)
    draft += _elsewhere(_outside(city, _few(draft, 0.005), rng), rng)
    draft += _told_twice(draft, _few(draft, 0.02), rng)
    return _table(draft, rng), truth


def _few(draft: _Draft, share: float) -> int:
    return max(4, int(share * len(draft.x)))


def _kinds(count: int, rng: np.random.Generator) -> Ints:
    weight = dictionary()["weight"].to_numpy(dtype=float)
    return rng.choice(len(weight), size=count, p=weight / weight.sum())


def _sources(count: int, rng: np.random.Generator) -> Ints:
    return rng.choice(len(SOURCES), size=count, p=SOURCE_SHARES)


def _background(houses: Houses, count: int, rng: np.random.Generator) -> _Draft:
    """Draw incidents in proportion to households, around the buildings."""
    chance = houses.households / houses.households.sum()
    where = rng.choice(len(chance), size=count, p=chance)
    x, y = houses.x[where] + rng.normal(0, 9, count), houses.y[where] + rng.normal(0, 9, count)
    day = rng.uniform(0, DAYS, count)
    return _Draft(x, y, day, _kinds(count, rng), _sources(count, rng))


def _elsewhere(xy: Floats, rng: np.random.Generator) -> _Draft:
    count = len(xy)
    day = rng.uniform(0, DAYS, count)
    return _Draft(xy[:, 0], xy[:, 1], day, _kinds(count, rng), _sources(count, rng))


def _choose_places(
    houses: Houses, city: shapely.Geometry, rng: np.random.Generator
) -> gpd.GeoDataFrame:
    """Choose discs for hotspots, and household-dense discs that are none.

    A hotspot has three to six times its share of incidents; the last one begins six weeks before
    the end. A decoy only has many households, and so many incidents, at the common rate.
    """
    radius = float(np.clip(np.sqrt(shapely.area(city)) / 16, 110, 260))
    tree = shapely.STRtree(geometries(shapely.points(houses.x, houses.y)))
    lived_in = np.flatnonzero(houses.households)
    chance = houses.households[lived_in] / houses.households.sum()
    tries = rng.choice(lived_in, size=min(400, len(lived_in)), replace=False, p=chance)
    centres = shapely.points(houses.x[tries], houses.y[tries])
    disc, building = tree.query(centres, predicate="dwithin", distance=radius)
    inside = np.bincount(disc, weights=houses.households[building], minlength=len(tries))
    count = int(np.clip(shapely.area(city) / 2.5e6, 2, 12))
    typical = np.argsort(np.abs(inside - np.median(inside)), kind="stable")
    hot = _apart(centres, typical, 3 * radius, [], count)
    dense = _apart(centres, np.argsort(-inside, kind="stable"), 3 * radius, hot, count)
    chosen = np.array(hot + dense)
    kinds = dictionary().sort_values("weight", ascending=False, kind="stable").index[: 2 * count]
    rate = np.r_[rng.uniform(3, 6, len(hot)), np.ones(len(dense))]
    since = np.where(np.arange(len(chosen)) == len(hot) - 1, DAYS - 42, 0)
    share = (DAYS - since) / DAYS
    extra = np.round((rate - 1) * PER_HOUSEHOLD * inside[chosen] * np.maximum(share, 0.6))
    kind = np.resize(kinds.to_numpy(), len(chosen))
    return gpd.GeoDataFrame(
        {
            "kind": ["hotspot"] * len(hot) + ["decoy"] * len(dense),
            "category": dictionary()["category"].to_numpy()[kind],
            "subcategory": dictionary()["subcategory"].to_numpy()[kind],
            "since": START + pd.to_timedelta(since, unit="D"),
            "until": START + pd.Timedelta(days=DAYS),
            "radius_m": radius,
            "households": inside[chosen].astype(np.int64),
            "incidents": extra.astype(np.int64),
        },
        geometry=shapely.buffer(centres[chosen], radius),
        crs=CRS,
    )


def _apart(
    points: np.ndarray, order: Ints, distance: float, taken: list[int], count: int
) -> list[int]:
    """Take `count` points in the given order that keep their distance from all chosen ones."""
    chosen: list[int] = []
    for candidate in order.tolist():
        if len(chosen) == count:
            break
        others = points[taken + chosen]
        if not len(others) or shapely.distance(others, points[candidate]).min() > distance:
            chosen.append(candidate)
    return chosen


def _plant(place: object, rng: np.random.Generator) -> _Draft:
    """Draw the incidents that a hotspot has above its share."""
    count, radius = int(place.incidents), float(place.radius_m)  # type: ignore[attr-defined]
    centre = place.geometry.centroid  # type: ignore[attr-defined]
    away = radius * np.sqrt(rng.uniform(0, 1, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    first = (place.since - START).days  # type: ignore[attr-defined]
    table = dictionary()
    own = int(table.index[table["subcategory"] == place.subcategory][0])  # type: ignore[attr-defined]
    kind = np.where(rng.random(count) < 0.7, own, _kinds(count, rng))
    x, y = centre.x + away * np.cos(angle), centre.y + away * np.sin(angle)
    return _Draft(x, y, rng.uniform(first, DAYS, count), kind, _sources(count, rng))


def _outside(city: shapely.Geometry, count: int, rng: np.random.Generator) -> Floats:
    """Draw points up to 800 m outside the city, or in its lakes."""
    border = geometries([shapely.boundary(city)])
    on = shapely.line_interpolate_point(border, rng.uniform(0, 1, 30 * count), normalized=True)
    xy = shapely.get_coordinates(on) + rng.normal(0, 300, (30 * count, 2))
    shapely.prepare(city)
    outside: Floats = xy[~shapely.intersects_xy(city, *xy.T)][:count]
    return outside


def _told_twice(draft: _Draft, count: int, rng: np.random.Generator) -> _Draft:
    """Report some incidents again: a few metres off, within hours, from another source."""
    again = rng.choice(len(draft.x), size=count, replace=False)
    return _Draft(
        draft.x[again] + rng.normal(0, 4, count),
        draft.y[again] + rng.normal(0, 4, count),
        np.minimum(draft.day[again] + rng.uniform(0.01, 0.4, count), DAYS - 0.01),
        draft.kind[again],
        (draft.source[again] + rng.integers(1, len(SOURCES), count)) % len(SOURCES),
    )


def _moments(day: Floats, rng: np.random.Generator) -> pd.DatetimeIndex:
    """Turn days into times with the rhythm of a day."""
    hour = rng.choice(24, size=len(day), p=HOURS / HOURS.sum())
    second = np.floor(day) * 86400 + hour * 3600 + rng.integers(0, 3600, len(day))
    return pd.DatetimeIndex(START + pd.to_timedelta(second.astype(np.int64), unit="s"))


def _table(draft: _Draft, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """Tell the draft as a table in order of time."""
    time = _moments(draft.day, rng)
    order = np.argsort(time, kind="stable")
    time, kind, source = time[order], draft.kind[order], draft.source[order]
    # coordinates of shared corners are given to the centimetre and must stay as they are
    x, y = np.round(draft.x[order], 2), np.round(draft.y[order], 2)
    level = _levels(kind, rng)
    hours = LEVEL_HOURS[level] * np.exp(rng.normal(-0.3, 0.8, len(x)))
    closed = time + pd.to_timedelta((hours * 3600).astype(np.int64), unit="s")
    open_still = (rng.random(len(x)) < 0.016) | (closed >= START + pd.Timedelta(days=DAYS))
    status = np.where(open_still, rng.choice(5, size=len(x), p=[0.1, 0.2, 0.2, 0.4, 0.1]), 5)
    words = dictionary()
    table = pd.DataFrame(
        {
            "incident_id": [f"A{when:%y%m%d}{k:07d}" for k, when in enumerate(time, start=1)],
            "time": time.as_unit("s"),
            "closed": pd.DatetimeIndex(closed.where(~open_still)).as_unit("s"),
            "due": (time + pd.to_timedelta(LEVEL_DUE_HOURS[level], unit="h")).as_unit("s"),
            "category": words["category"].to_numpy()[kind],
            "subcategory": words["subcategory"].to_numpy()[kind],
            "source": np.array(SOURCES)[source],
            "status": np.array(STATUSES)[status],
            "handling_level": np.array(LEVELS)[level],
            "x": x,
            "y": y,
        }
    )
    table = table.assign(**_snapshot_columns(x, y, source == SOURCES.index(SNAPSHOT)))
    return gpd.GeoDataFrame(table, geometry=shapely.points(x, y), crs=CRS)


def _levels(kind: Ints, rng: np.random.Generator) -> Ints:
    """Take the level of each kind from the dictionary; one in twenty goes one level up."""
    level = dictionary()["level"].map(LEVELS.index).to_numpy()[kind]
    raised: Ints = np.minimum(level + (rng.random(len(kind)) < 0.05), len(LEVELS) - 1)
    return raised


def _snapshot_columns(x: Floats, y: Floats, sent: np.ndarray) -> dict[str, Floats]:
    """Give the citizens' snapshots the coordinates their telephones sent, in GCJ-02."""
    to_degrees = Transformer.from_crs(CRS, 4490, always_xy=True)
    lng, lat = np.full(len(x), np.nan), np.full(len(x), np.nan)
    lng[sent], lat[sent] = wgs84_to_gcj02(*to_degrees.transform(x[sent], y[sent]))
    datum = np.where(sent, "gcj02", "")
    return {"lng": np.round(lng, 8), "lat": np.round(lat, 8), "datum": datum}
