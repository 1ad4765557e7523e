"""Orientation of a point to a line, exact for any doubles."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from gridmap._arrays import Bools, Floats, Ints8

# Shewchuk (1997), Adaptive precision floating-point arithmetic: the bound of the plain determinant.
_PLAIN_BOUND = (3.0 + 16.0 * 2.0**-53) * 2.0**-53
_SPLITTER = 2.0**27 + 1.0
_TINY, _HUGE = 1e-280, 1e280


def orientation(ax: Any, ay: Any, bx: Any, by: Any, px: Any, py: Any) -> Ints8:
    """Return on which side of the line a → b each point p lies, without any rounding.

    A floating-point determinant decides the clear cases, an exact product of doubles the close
    ones, and fractions what is left.

    Parameters
    ----------
    ax, ay, bx, by, px, py : array_like of float
        Coordinates, broadcast against each other.

    Returns
    -------
    ndarray of int8
        1 where p lies left of the line, -1 right of it, 0 on it.

    Examples
    --------
    >>> orientation(0, 0, 1, 1, [0, 1, 0.5], [1, 0, 0.5]).tolist()
    [1, -1, 0]
    """
    given = (np.asarray(v, dtype=np.float64) for v in (ax, ay, bx, by, px, py))
    arrays = np.broadcast_arrays(*given)
    flat = [a.ravel() for a in arrays]
    with np.errstate(over="ignore", invalid="ignore"):
        sign, unsure = _plain(*flat)
        close = np.flatnonzero(unsure)
        if len(close):
            sign[close], open_ = _by_products(*(v[close] for v in flat))
            for k in close[open_]:
                sign[k] = _by_fractions(*(float(v[k]) for v in flat))
    return sign.reshape(arrays[0].shape)


def _plain(
    ax: Floats, ay: Floats, bx: Floats, by: Floats, px: Floats, py: Floats
) -> tuple[Ints8, Bools]:
    """Return the signs of rounded determinants, and where the rounding may decide them."""
    left = (bx - ax) * (py - ay)
    right = (by - ay) * (px - ax)
    determinant = left - right
    size = np.abs(left) + np.abs(right)
    unsure = ~(np.abs(determinant) > _PLAIN_BOUND * size + _TINY)
    return np.sign(np.where(unsure, 0.0, determinant)).astype(np.int8), unsure


def _by_products(
    ax: Floats, ay: Floats, bx: Floats, by: Floats, px: Floats, py: Floats
) -> tuple[Ints8, Bools]:
    """Return signs from exact products, and where even they cannot tell."""
    factors, tails = zip(
        *(_difference(p, q) for p, q in ((bx, ax), (py, ay), (by, ay), (px, ax))), strict=True
    )
    exact = ~np.any([t != 0 for t in tails], axis=0)
    left, left_tail = _product(factors[0], factors[1])
    right, right_tail = _product(factors[2], factors[3])
    high, rest = _difference(left, right)
    low, dust = _difference(left_tail, right_tail)
    total, error = _difference(high, -low)
    slack = np.abs(error) + np.abs(dust) + np.abs(rest)
    sizes = np.abs([f for f in factors if f.size] + [left, right])
    in_range = np.all((sizes == 0) | ((sizes > _TINY) & (sizes < _HUGE)), axis=0)
    sure = exact & in_range & ((np.abs(total) > 2 * slack) | ((total == 0) & (slack == 0)))
    return np.sign(np.where(sure, total, 0.0)).astype(np.int8), ~sure


def _difference(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Return p - q rounded, and what the rounding lost (Knuth's two-sum)."""
    d = p - q
    back = d - p
    return d, (p - (d - back)) - (q + back)


def _product(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Return p · q rounded, and what the rounding lost (Dekker's two-product)."""
    product = p * q
    p_high, p_low = _split(p)
    q_high, q_low = _split(q)
    return product, ((p_high * q_high - product) + p_high * q_low + p_low * q_high) + p_low * q_low


def _split(p: Floats) -> tuple[Floats, Floats]:
    """Return the upper and the lower half of the bits of p."""
    scaled = _SPLITTER * p
    high = scaled - (scaled - p)
    return high, p - high


def _by_fractions(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> int:
    """Return the sign in rational arithmetic."""
    x, y = Fraction(ax), Fraction(ay)
    value = (Fraction(bx) - x) * (Fraction(py) - y) - (Fraction(by) - y) * (Fraction(px) - x)
    return (value > 0) - (value < 0)
