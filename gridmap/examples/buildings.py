"""Land use and buildings of the made-up city: heavy-tailed household counts in rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.examples.streets import Blocks, Floats, Integers

HIGHRISE, WALKUP, VILLAGE, MIXED, INDUSTRY, PARK = range(6)
SHARES = [0.22, 0.28, 0.16, 0.14, 0.11, 0.09]
LOT_M2 = [5000.0, 1900.0, 380.0, 4200.0, 12000.0, 60000.0]
SETBACK_M = 5.0


@dataclass(frozen=True)
class Houses:
    """Buildings as arrays: place, households, floors, and the block each stands in."""

    x: Floats
    y: Floats
    households: Integers
    floors: Integers
    block: Integers


def land_use(blocks: Blocks, rng: np.random.Generator) -> Integers:
    """Draw what each block is used for."""
    return rng.choice(6, size=len(blocks.polygons), p=SHARES)


def build(blocks: Blocks, use: Integers, rng: np.random.Generator) -> Houses:
    """Put buildings on the blocks, in rows that face south, and fill them with households."""
    density = 1.25 - 0.5 * remoteness(blocks)
    plots = shapely.buffer(blocks.polygons, -SETBACK_M, quad_segs=1)
    shapely.prepare(plots)
    places = [
        _rows(plot, LOT_M2[kind] / dense, rng)
        for plot, kind, dense in zip(plots, use, density, strict=True)
    ]
    xy = np.round(np.concatenate(places), 2)
    block = np.repeat(np.arange(len(plots)), [len(place) for place in places])
    households = _households(use[block], rng)
    stands = (households > 0) | (rng.random(len(block)) < 0.5)
    (x, y), block, households = xy[stands].T, block[stands], households[stands]
    return Houses(x, y, households, _floors(use[block], households, rng), block)


def remoteness(blocks: Blocks) -> Floats:
    """Return 0 in the city's centre and about 1 at its rim."""
    xy = shapely.get_coordinates(shapely.centroid(blocks.polygons))
    away = np.hypot(*(xy - np.median(xy, axis=0)).T)
    share: Floats = away / away.max()
    return share


def _rows(plot: shapely.Geometry, lot_m2: float, rng: np.random.Generator) -> Floats:
    """Return jittered grid points inside a plot, one a lot."""
    if plot.is_empty:
        return np.empty((0, 2))
    xmin, ymin, xmax, ymax = plot.bounds
    step = np.sqrt(lot_m2)
    x, y = np.meshgrid(
        np.arange(xmin + rng.uniform(0.2, 0.8) * step, xmax, step),
        np.arange(ymin + rng.uniform(0.2, 0.8) * step, ymax, step),
    )
    x = x.ravel() + rng.normal(0, 0.15 * step, x.size)
    y = y.ravel() + rng.normal(0, 0.10 * step, y.size)
    inside = shapely.contains_xy(plot, x, y)
    places: Floats = np.c_[x[inside], y[inside]]
    return places


def _households(use: NDArray[np.integer], rng: np.random.Generator) -> Integers:
    """Draw household counts: log-normal, wide in towers and mixed blocks, few at work places."""
    n = len(use)
    middle = np.array([80.0, 26.0, 4.0, 14.0, 8.0, 2.0])[use]
    spread = np.array([0.45, 0.40, 0.70, 1.10, 1.20, 0.60])[use]
    low = np.array([20, 6, 1, 0, 0, 0])[use]
    high = np.array([420, 90, 30, 220, 60, 5])[use]
    lived_in = rng.random(n) < np.array([1.0, 1.0, 1.0, 0.9, 0.12, 0.3])[use]
    drawn = np.clip(middle * np.exp(spread * rng.normal(size=n)), low, high)
    return np.where(lived_in, np.floor(drawn), 0).astype(np.int64)


def _floors(use: NDArray[np.integer], households: Integers, rng: np.random.Generator) -> Integers:
    """Derive floors from households and land use."""
    per_floor = np.array([4, 4, 2, 4, 6, 2])[use]
    least = np.array([11, 5, 1, 2, 1, 1])[use]
    floors: Integers = np.maximum(-(-households // per_floor), least + rng.integers(0, 2, len(use)))
    return floors
