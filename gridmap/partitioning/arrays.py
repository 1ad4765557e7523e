"""What the compiled kernels share: their arrays and their dice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gridmap._arrays import Dice, Floats, Ints
from gridmap.coverage.kernels import compiled as compiled

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


class Network(NamedTuple):
    """One community or component as arrays; a unit is its position.

    Unit `u` has its contacts at `start[u]:start[u + 1]`; those that connect come first, up to
    `bond[u]`. The others (too short, or across a hard barrier) only count in perimeters.
    """

    start: Ints
    bond: Ints
    neighbour: Ints
    length: Floats
    cost: Floats
    households: Ints
    load: Floats
    area: Floats
    perimeter: Floats
    x: Floats
    y: Floats


class Rules(NamedTuple):
    """The band, the target and what each wish weighs in the energy."""

    low: int
    high: int
    target: float
    load_target: float
    shape: float
    border: float
    balance: float
    excess: float
    price: float


_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_SCALE = 1.0 / 9007199254740992.0


@compiled
def uniform(dice: Dice) -> float:
    """Return a number in [0, 1) and advance the dice (Steele, Lea and Flood 2014)."""
    dice[0] = dice[0] + _STEP
    z = dice[0]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    z = z ^ (z >> _S31)
    return float(z >> _S11) * _SCALE


@compiled
def below(dice: Dice, n: int) -> int:
    """Return a whole number in 0 … n - 1."""
    return int(uniform(dice) * n)


@compiled
def _root(root: Ints, u: int) -> int:
    """Follow a unit to the root of its part, halving the way."""
    while root[u] != u:
        root[u] = root[root[u]]
        u = root[u]
    return u


@compiled
def connected_parts(count: int, i: Ints, j: Ints) -> Ints:
    """Number the connected part of each of `count` units, tied in pairs, by its first unit.

    Small graphs are met by the thousand, and SciPy takes some sixty times as long for each.
    """
    root = np.arange(count)
    for k in range(len(i)):
        a, b = _root(root, i[k]), _root(root, j[k])
        if a != b:  # the first unit of a part is its root
            root[max(a, b)] = min(a, b)
    part = np.empty(count, np.int64)
    found = 0
    for u in range(count):
        at = _root(root, u)
        if at == u:
            part[u] = found
            found += 1
        else:
            part[u] = part[at]
    return part
