"""Areas of convex polygons, of what they share and of what they cover, in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

import shapely

Corner = tuple[Fraction, Fraction]


def corners(shape: Any) -> list[Corner]:
    """Return the corners of a convex polygon against the clock."""
    xy = shapely.get_coordinates(shapely.orient_polygons(shape))[:-1].tolist()
    return [(Fraction(x), Fraction(y)) for x, y in xy]


def common(one: list[Corner], two: list[Corner]) -> list[Corner]:
    """Return what two convex polygons share (Sutherland & Hodgman 1974)."""
    left = one
    for a, b in pairwise([*two, two[0]]):
        here, left = left, []
        for p, q in pairwise([*here, *here[:1]]):
            u, v = turn(a, b, p), turn(a, b, q)
            if u >= 0:
                left.append(p)
            if u * v < 0:
                t = u / (u - v)
                left.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
    return left


def turn(a: Corner, b: Corner, p: Corner) -> Fraction:
    """Return twice the area of a triangle, positive against the clock."""
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def area(ring: list[Corner]) -> Fraction:
    """Return the area of a ring."""
    around = pairwise([*ring, *ring[:1]])
    return sum((a[0] * b[1] - b[0] * a[1] for a, b in around), Fraction(0)) / 2


def covered(shapes: list[list[Corner]]) -> Fraction:
    """Return the area of the union of convex polygons."""
    total = Fraction(0)
    for size in range(1, len(shapes) + 1):
        sign = (-1) ** (size - 1)
        for group in combinations(shapes, size):
            here = group[0]
            for other in group[1:]:
                here = common(here, other) if here else []
            total += sign * area(here)
    return total


def twice(shapes: list[list[Corner]]) -> Fraction:
    """Return the area of the ground that two or more of some convex polygons cover."""
    both = (common(one, two) for one, two in combinations(shapes, 2))
    return covered([ring for ring in both if ring])


def expected(cells: Any, outline: Any) -> dict[str, Fraction]:
    """Return the areas of gaps, overlaps and stick-outs of convex cells in a convex outline."""
    rings, rim = [corners(cell) for cell in cells], corners(outline)
    inside = covered([ring for ring in (common(r, rim) for r in rings) if ring])
    return {
        "gap": area(rim) - inside,
        "overlap": twice(rings),
        "outside": covered(rings) - inside,
    }
