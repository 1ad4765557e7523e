"""Random numbers inside kernels: splitmix64, the same on every machine and thread."""

from __future__ import annotations

import numpy as np

from gridmap.partitioning.arrays import Dice, compiled

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
