"""Plans damaged at random, and judges of their repair: no code shared with the repair."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

METRIC, DEGREES = 4547, 4490
ORIGIN = {METRIC: np.array([500_000.0, 4_000_000.0]), DEGREES: np.array([114.0, 36.0])}
UNIT = {METRIC: 1.0, DEGREES: 1e-5}
"""What a metre of the plan becomes."""
SLACK = 2e-6
"""Metres that a border may move: a vertex is kept within one micrometre."""
HARMS = (
    "shrunk", "extended", "nested", "nested at the rim", "shifted", "junction", "sliver",
    "missing", "copied", "none",
)  # fmt: skip


@dataclass
class Case:
    """Cells in need of repair, what they should fill, and what was done to them."""

    cells: gpd.GeoDataFrame
    boundary: Any
    harms: tuple[str, ...]


def random_case(seed: int) -> Case:
    """Make a plan of blocks, turn it, lay it on a boundary, and damage some of its cells."""
    rng = np.random.default_rng(seed)
    columns, rows = rng.integers(1, 5, 2)
    x = np.cumsum(np.concatenate([[0], rng.uniform(30, 120, columns)]))
    y = np.cumsum(np.concatenate([[0], rng.uniform(30, 120, rows)]))
    corners = np.stack(np.meshgrid(x, y), axis=-1)
    inner = corners[1:-1, 1:-1]
    inner += rng.uniform(-8, 8, inner.shape)
    crs = [METRIC, DEGREES][seed % 2]
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.8 else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    put = corners @ turn.T * UNIT[crs] + ORIGIN[crs]
    plan = [
        shapely.Polygon([put[j, i], put[j, i + 1], put[j + 1, i + 1], put[j + 1, i]])
        for j in range(rows)
        for i in range(columns)
    ]
    bare = rng.random() < 0.6
    rim = shapely.Polygon([put[0, 0], put[0, -1], put[-1, -1], put[-1, 0]])
    boundary = rim if bare else shapely.coverage_union_all(plan)
    cells = list(plan)
    harms = [harm(cells, rng, UNIT[crs]) for _ in range(rng.integers(1, 4))]
    frame = gpd.GeoDataFrame({"households": [300] * len(cells)}, geometry=cells, crs=crs)
    return Case(frame, boundary, tuple(harms))


def harm(cells: list[Any], rng: np.random.Generator, unit: float) -> str:
    """Damage one of some cells in place; return how."""
    name = str(rng.choice(HARMS))
    k = int(rng.integers(len(cells)))
    shape = cells[k]
    centre = shapely.get_coordinates(shape.centroid)
    size = 10.0 ** rng.uniform(-8, 0.7)
    if name in ("shrunk", "extended"):
        factor = 1 - size / 60 if name == "shrunk" else 1 + size / 60
        cells[k] = shapely.transform(shape, lambda xy: centre + (xy - centre) * factor)
    elif name.startswith("nested"):
        xy = shapely.get_coordinates(shape)
        middle = centre if name == "nested" else (xy[0] + xy[1]) / 2
        share = rng.uniform(0.05, 0.45)
        cells.append(shapely.transform(shape, lambda xy: middle + (xy - centre) * share))
    elif name == "shifted":
        step = rng.normal(size=2)
        cells[k] = shapely.transform(shape, lambda xy: xy + step / np.hypot(*step) * size * unit)
    elif name == "junction":
        xy = shapely.get_coordinates(shape)
        at = int(rng.integers(len(xy) - 1))
        node = xy[at] + rng.uniform(0.1, 0.9) * (xy[at + 1] - xy[at])
        cells[k] = shapely.Polygon(np.insert(xy, at + 1, node, axis=0))
    elif name == "sliver":
        xy = shapely.get_coordinates(shape)
        at = int(rng.integers(len(xy) - 1))
        xy[at] += rng.uniform(-1, 1, 2) * size * unit
        xy[-1] = xy[0]
        cells[k] = shapely.Polygon(xy)
    elif name == "missing" and len(cells) > 2:
        del cells[k]
    elif name == "copied":
        cells.append(shape)
    return name


def near(shapes: Any, crs: Any) -> Any:
    """Return shapes in metres of the plan, from its corner."""
    code = int(crs.to_epsg())
    return shapely.transform(shapes, lambda xy: (xy - ORIGIN[code]) / UNIT[code])


def judged(case: Case, mended: gpd.GeoDataFrame) -> str:
    """Return what is wrong with a repair; nothing when the law holds.

    Cells fill the boundary, do not overlap, and what lay in exactly one cell inside the boundary
    lies in that cell, but for strips as wide as a micrometre or two.
    """
    before = near(case.cells.geometry.to_numpy(), case.cells.crs)
    after = near(mended.geometry.to_numpy(), case.cells.crs)
    rim = near(np.array([case.boundary], dtype=object), case.cells.crs)[0]
    before = shapely.make_valid(before)
    if not shapely.is_valid(after).all():
        return "an invalid cell"
    strip = SLACK * (shapely.length(before).sum() + rim.length)
    if abs(shapely.area(after).sum() - rim.area) > strip:
        return "cells do not add up to the boundary"
    if shapely.union_all(after).symmetric_difference(rim).area > strip:
        return "cells do not fill the boundary"
    places = {name: k for k, name in enumerate(mended.index)}
    for k, name in enumerate(case.cells.index):
        others = shapely.union_all(np.delete(before, k)) if len(before) > 1 else shapely.Polygon()
        alone = shapely.intersection(shapely.difference(before[k], others), rim)
        kept = after[places[name]] if name in places else shapely.Polygon()
        lost = shapely.difference(alone, kept).area
        if lost > SLACK * (alone.length + kept.length + 1):
            return f"cell {name} lost {lost:.3g} m² that lay in it alone"
    return ""


# ------------------------------------------------------- an exact oracle for plans on a lattice

Square = tuple[int, int]


def lattice_case(seed: int) -> tuple[Case, list[set[Square]], set[Square]]:
    """Make cells and a boundary of unit squares; return also the squares of each."""
    rng = np.random.default_rng(seed)
    side = int(rng.integers(3, 7))
    owner = np.zeros((side, side), dtype=int)
    for k in range(int(rng.integers(1, 5))):
        x0, y0 = rng.integers(0, side, 2)
        w, h = rng.integers(1, side, 2)
        owner[x0 : x0 + w, y0 : y0 + h] = k + 1
    squares = [set(map(tuple, np.argwhere(owner == k).tolist())) for k in np.unique(owner)]
    for own in squares:
        if rng.random() < 0.5:
            x0, y0 = rng.integers(0, side, 2)
            own |= {(int(x), int(y)) for x in range(x0, min(x0 + 2, side)) for y in range(y0, side)}
        if rng.random() < 0.4 and len(own) > 2:
            own.discard(sorted(own)[int(rng.integers(len(own)))])
    shapes = [
        shapely.union_all([shapely.box(x, y, x + 1, y + 1) for x, y in own]) for own in squares
    ]
    shapes = [shapely.simplify(shape, 0) for shape in shapes]
    frame = gpd.GeoDataFrame({"households": [300] * len(shapes)}, geometry=shapes, crs=METRIC)
    everything = {(x, y) for x in range(side) for y in range(side)}
    return Case(frame, shapely.box(0, 0, side, side), ("lattice",)), squares, everything


def judged_exactly(
    squares: list[set[Square]], inside: set[Square], mended: gpd.GeoDataFrame
) -> str:
    """Return what is wrong with a repair on a lattice, by rational arithmetic alone."""
    held = [exact_rings(shape) for shape in mended.geometry]
    for x, y in sorted(inside):
        spots = [(Fraction(4 * x + i, 4), Fraction(4 * y + j, 4)) for i, j in ((1, 2), (3, 1))]
        mine = [k for k, own in enumerate(squares) if (x, y) in own]
        for spot in spots:
            of = [mended.index[k] for k, rings in enumerate(held) if parity(spot, rings)]
            if len(of) != 1:
                return f"square {x} {y} lies in {len(of)} cells"
            if len(mine) == 1 and of != mine:
                return f"square {x} {y} went from cell {mine[0]} to {of[0]}"
    total = sum((doubled(ring) for rings in held for ring in rings), Fraction(0))
    return "" if total == 2 * len(inside) else f"cells add up to {float(total / 2)}"


def exact_rings(shape: Any) -> list[list[tuple[Fraction, Fraction]]]:
    """Return the rings of a polygon in fractions, shells against the clock and holes with it."""
    rings = []
    for part in shapely.get_parts(shapely.orient_polygons(shape)):
        rings += [
            [(Fraction(x), Fraction(y)) for x, y in ring.coords]
            for ring in (part.exterior, *part.interiors)
        ]
    return rings


def doubled(ring: list[tuple[Fraction, Fraction]]) -> Fraction:
    """Return twice the signed area of a ring."""
    return sum((a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)), Fraction(0))


def parity(spot: tuple[Fraction, Fraction], rings: list[list[tuple[Fraction, Fraction]]]) -> bool:
    """Tell whether a point lies inside rings, by the number of sides east of it."""
    x, y = spot
    odd = False
    for ring in rings:
        for (ax, ay), (bx, by) in pairwise(ring):
            if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
                odd = not odd
    return odd
