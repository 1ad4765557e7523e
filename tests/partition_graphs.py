"""Random graphs with households, and an exact solver for small ones, for the partition's tests."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st

from gridmap.partitioning.problem import Community

LOW, HIGH = 300, 600


def community_of(households: list[int], pairs: list[tuple[int, int]], key: str = "A") -> Community:
    """Return units of equal size with contacts of 10 m."""
    n = len(households)
    i, j = (np.array(side, dtype=np.int64) for side in zip(*sorted(pairs), strict=True))
    ones = np.ones(n)
    return Community(
        key,
        place=np.arange(n),
        households=np.array(households, dtype=np.int64),
        load=np.array(households, dtype=np.float64),
        area=100.0 * ones,
        perimeter=40.0 * ones,
        x=10.0 * np.arange(n),
        y=0.0 * ones,
        block=np.arange(n),
        path=np.array([""] * n, dtype=object),
        i=i,
        j=j,
        length=np.full(len(i), 10.0),
        road=np.zeros(len(i)),
        hard=np.zeros(len(i), bool),
    )


def lattice(side: int, seed: int, most: int = 120) -> Community:
    """Return a square of square units with random households."""
    rng = np.random.default_rng(seed)
    number = np.arange(side * side).reshape(side, side)
    pairs = [*zip(number[:, :-1].flat, number[:, 1:].flat, strict=True)]
    pairs += [*zip(number[:-1].flat, number[1:].flat, strict=True)]
    town = community_of(
        rng.integers(0, most, side * side).tolist(), [(int(a), int(b)) for a, b in pairs]
    )
    town.x[:] = 10.0 * (np.arange(side * side) % side)
    town.y[:] = 10.0 * (np.arange(side * side) // side)
    return town


@st.composite
def small_communities(draw: st.DrawFn, most: int = 9) -> Community:
    """Draw a connected graph of few units, some without households, some near the maximum."""
    n = draw(st.integers(2, most))
    size = st.one_of(st.just(0), st.integers(1, 299), st.integers(300, 600))
    households = draw(st.lists(size, min_size=n, max_size=n))
    pairs = {(draw(st.integers(0, v - 1)), v) for v in range(1, n)}
    extra = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=n))
    pairs |= {(min(a, b), max(a, b)) for a, b in extra if a != b}
    return community_of(households, sorted(pairs))


def can_be_cut(town: Community, low: int = LOW, high: int = HIGH) -> bool:
    """Decide by trying every set of units whether a partition exists."""
    n = len(town)
    near = [0] * n
    for a, b in zip(town.i.tolist(), town.j.tolist(), strict=True):
        near[a] |= 1 << b
        near[b] |= 1 << a

    def valid(cell: int) -> bool:
        total = sum(int(town.households[u]) for u in range(n) if cell >> u & 1)
        if not low <= total <= high:
            return False
        reached, wave = 0, cell & -cell
        while wave:
            reached |= wave
            wave = 0
            for u in range(n):
                if reached >> u & 1:
                    wave |= near[u]
            wave &= cell & ~reached
        return reached == cell

    cells = {cell for cell in range(1, 1 << n) if valid(cell)}

    @cache
    def fills(left: int) -> bool:
        if left == 0:
            return True
        lowest = left & -left
        others = left ^ lowest
        part = others
        while True:
            if (part | lowest) in cells and fills(others ^ part):
                return True
            if part == 0:
                return False
            part = (part - 1) & others

    return fills((1 << n) - 1)
