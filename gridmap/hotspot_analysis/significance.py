"""From scores to two-sided p-values, and from many p-values to those that stand (FDR)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import fft, special

from gridmap._arrays import Bools, Complexes, Floats, Ints, Ints8

# below this the Pearson III distribution and the normal one agree to more than 1e-5
_STRAIGHT = 1e-6


def normal_p(z: Floats) -> Floats:
    """Give the two-sided p of a score under the normal distribution.

    Examples
    --------
    >>> normal_p(np.array([0.0, 1.959963984540054])).round(3).tolist()
    [1.0, 0.05]
    """
    p: Floats = 2.0 * special.ndtr(-np.abs(z))
    return p


def upper_tail(z: Floats, skew: Floats) -> Floats:
    """Give the chance of a larger score under Pearson III with mean 0, variance 1 and a skew.

    Rates of few incidents are skewed, and their sums over a window stay so: the normal
    distribution calls too many of them hot.

    Parameters
    ----------
    z, skew
        Scores and the skewness of each under the null, of one shape.

    Examples
    --------
    >>> upper_tail(np.array([3.0, 3.0]), np.array([0.0, 1.0])).round(4).tolist()
    [0.0013, 0.0103]
    """
    z, skew = np.broadcast_arrays(np.asarray(z, float), np.asarray(skew, float))
    upper: Floats = np.array(special.ndtr(-z))
    right, left = skew >= _STRAIGHT, skew <= -_STRAIGHT
    upper[right] = special.gammaincc(*_gamma(z[right], skew[right]))
    upper[left] = special.gammainc(*_gamma(-z[left], -skew[left]))
    return upper


def pearson_p(z: Floats, skew: Floats) -> Floats:
    """Give twice the smaller tail of a score under Pearson III with its skew.

    Parameters
    ----------
    z, skew
        Scores and the skewness of each under the null, of one shape.

    Examples
    --------
    >>> pearson_p(np.array([3.0, -3.0]), np.array([1.0, 1.0])).round(4).tolist()
    [0.0207, 0.0]
    """
    z, skew = np.broadcast_arrays(np.asarray(z, float), np.asarray(skew, float))
    tail = upper_tail(np.abs(z), np.where(z < 0, -skew, skew))
    p: Floats = 2.0 * np.minimum(tail, 1.0 - tail)
    return p


def skewed_p(z: Floats, skew: Floats) -> Floats:
    """Give the two-sided p of a score, corrected for skew on the side that the skew stretches.

    There it is twice the Pearson III tail. On the other side it is the normal p: Pearson III ends
    there at −2/skew, beyond which nothing may lie, and one strong hotspot, which skews
    everything, would make its whole surroundings cold for sure.

    Parameters
    ----------
    z, skew
        Scores and the skewness of each under the null, of one shape.

    Examples
    --------
    >>> skewed_p(np.array([3.0, -3.0]), np.array([1.0, 1.0])).round(4).tolist()
    [0.0207, 0.0027]
    """
    z, skew = np.broadcast_arrays(np.asarray(z, float), np.asarray(skew, float))
    p = normal_p(z)
    stretched = z * skew > 0
    p[stretched] = pearson_p(z[stretched], skew[stretched])
    return p


def permuted_p(
    sums: Floats,
    values: Floats,
    sizes: Ints,
    *,
    permutations: int,
    rng: np.random.Generator,
) -> Floats:
    """Give the two-sided p of window sums against sums of as many cells drawn at random.

    The null is that of Ord and Getis: the window's own cell is drawn as well, so all windows of
    one size share one set of draws. The same draws serve every column.

    Parameters
    ----------
    sums
        Sum of the values in each window, a column a map.
    values
        The values, a column a map.
    sizes
        Cells in each window.
    permutations
        How many draws; no p is below 2 / (permutations + 1).
    rng
        Where chance comes from.
    """
    deepest = int(sizes.max())
    draws = np.argsort(rng.random((permutations, len(values)), dtype=np.float32), axis=1)
    draws = draws[:, :deepest]
    p = np.empty(sums.shape)
    for column in range(values.shape[1]):
        drawn = np.cumsum(values[draws, column], axis=1)
        scale = 1e-9 * max(1.0, float(np.abs(values[:, column]).max()))
        for size in np.unique(sizes):
            null = np.sort(drawn[:, size - 1])
            rows = np.flatnonzero(sizes == size)
            seen = sums[rows, column]
            above = permutations - np.searchsorted(null, seen - scale, side="left")
            below = np.searchsorted(null, seen + scale, side="right")
            p[rows, column] = 2.0 * (np.minimum(above, below) + 1) / (permutations + 1)
    return np.minimum(p, 1.0)


def _gamma(towards: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Give shape and value of the gamma variate with this skewness, from a score towards it."""
    shape = 4.0 / np.square(size)
    return shape, np.maximum(shape + towards * np.sqrt(shape), 0.0)


_BINS = 1024
# sums that are equal must count as equal, though binning moves them a little
_SLACK = 2.0


def corrected_p(
    z: Floats,
    skew: Floats,
    sizes: Ints | None,
    values: Floats,
    back: int = 0,
) -> Floats:
    """Correct p for skew: by Pearson III where the skew stretches, else by the draws themselves.

    Parameters
    ----------
    z, skew
        Score of each window's sum on each map, and the skewness of the sum.
    sizes
        Cells in each window; None for windows of unequal weights, which get the normal p on the
        side where Pearson III ends.
    values
        What was summed: a column a map.
    back
        How many maps before were added to each.
    """
    p = skewed_p(z, skew)
    if sizes is None:
        return p
    short = z * skew < 0
    for column in range(z.shape[1]):
        mine = short[:, column]
        drawn = values[:, max(column - back, 0) : column + 1]
        p[mine, column] = np.minimum(2.0 * drawn_tails(z[mine, column], sizes[mine], drawn), 1.0)
    return p


def drawn_tails(z: Floats, sizes: Ints, values: Floats) -> Floats:
    """Give the chance that as many values drawn at random score as far out on the same side.

    The distribution of a sum of K draws is the K-th power of the values' own in the Fourier
    domain; that of several maps together is their product. Draws are made with replacement and
    the score takes care of the difference: it was standardised without. A window of more than half
    of all cells is judged by the others.

    Parameters
    ----------
    z, sizes
        Score of each window, and the cells in it.
    values
        All values of a map; a column a map where the same cells of several maps are summed.

    Examples
    --------
    >>> dice = np.arange(1.0, 7.0)
    >>> two = -5.0 / np.sqrt(2.0 * dice.var())
    >>> drawn_tails(np.array([two]), np.array([2]), dice).round(3).tolist()
    [0.028]
    """
    tails = np.ones(len(z))
    columns = np.atleast_2d(values.T).T
    step = float(np.ptp(columns, axis=0).max()) / _BINS if len(columns) else 0.0
    if not len(z) or step <= 0:
        return tails
    most = 2 * sizes > len(columns)
    z, sizes = np.where(most, -z, z), np.where(most, len(columns) - sizes, sizes)
    place = (columns - columns.min(axis=0)) / step
    length = fft.next_fast_len(int(sizes.max()) * _BINS * columns.shape[1] + 1, True)
    spectrum = np.prod([_spectrum(own, length) for own in place.T], axis=0)
    centre, spread = float(place.mean(axis=0).sum()), float(np.sqrt(place.var(axis=0).sum()))
    for count in np.unique(sizes):
        mine = np.flatnonzero(sizes == count)
        below = np.cumsum(np.maximum(fft.irfft(spectrum**count, length), 0.0))
        at = count * centre + z[mine] * spread * np.sqrt(count)
        under = np.clip(np.floor(at + _SLACK), 0, length - 1).astype(np.int64)
        over = np.clip(np.ceil(at - _SLACK), 1, length).astype(np.int64)
        tails[mine] = np.where(z[mine] < 0, below[under], below[-1] - below[over - 1])
    return np.clip(tails, 0.0, 1.0)


def _spectrum(place: Floats, length: int) -> Complexes:
    """Share each value among the two nearest bins, and transform their distribution."""
    low = np.minimum(place.astype(np.int64), _BINS - 1)
    share = place - low
    size = _BINS + 1
    chance = np.bincount(low, 1.0 - share, size) + np.bincount(low + 1, share, size)
    spectrum: Complexes = fft.rfft(chance / len(place), length)
    return spectrum


LEVELS = (0.10, 0.05, 0.01)
Correction = Literal["bh", "by", "holm", "bonferroni"]


def benjamini_hochberg(p: Floats, tested: Bools | None = None) -> Floats:
    """Turn p-values into q-values, each column a family of its own.

    The q-value of a test is the smallest false discovery rate at which it would be called
    (Benjamini and Hochberg 1995). What was not tested belongs to no family and gets q = 1.

    Parameters
    ----------
    p
        p-values, one column a family; a single family may be one-dimensional.
    tested
        Which of them count as tests; all by default.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.04, 0.04]
    """
    return _step_up(p, tested, np.ones(len(p) + 1))


def benjamini_yekutieli(p: Floats, tested: Bools | None = None) -> Floats:
    """Turn p-values into q-values that hold under any dependence between the tests.

    The price is a factor of about ln(n) (Benjamini and Yekutieli 2001): stricter than is needed
    for the positive dependence of overlapping windows.

    Parameters
    ----------
    p, tested
        As for :func:`benjamini_hochberg`.

    Examples
    --------
    >>> benjamini_yekutieli(np.array([0.01, 0.5])).round(3).tolist()
    [0.03, 0.75]
    """
    harmonic = np.cumsum(1.0 / np.arange(1, len(p) + 1))
    return _step_up(p, tested, np.concatenate([[1.0], harmonic]))


def holm(p: Floats, tested: Bools | None = None) -> Floats:
    """Adjust p-values so that the chance of any false call is held (Holm 1979).

    Parameters
    ----------
    p, tested
        As for :func:`benjamini_hochberg`.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    filled, order, tests = _sorted(p, tested)
    left = np.maximum(tests - np.arange(len(filled))[:, None], 1)
    rising = np.maximum.accumulate(np.where(np.isfinite(filled), filled * left, 0.0), axis=0)
    return _laid_back(np.where(np.isfinite(filled), rising, 1.0), order, p.shape)


def bonferroni(p: Floats, tested: Bools | None = None) -> Floats:
    """Multiply p-values by the number of tests, the plainest and strictest of corrections.

    Parameters
    ----------
    p, tested
        As for :func:`benjamini_hochberg`.

    Examples
    --------
    >>> bonferroni(np.array([0.01, 0.04, 0.5])).tolist()
    [0.03, 0.12, 1.0]
    """
    filled, order, tests = _sorted(p, tested)
    return _laid_back(np.where(np.isfinite(filled), filled * tests, 1.0), order, p.shape)


CORRECTIONS: dict[str, Callable[..., Floats]] = {
    "bh": benjamini_hochberg,
    "by": benjamini_yekutieli,
    "holm": holm,
    "bonferroni": bonferroni,
}


def bins(z: Floats, q: Floats) -> Ints8:
    """Sort scores into bins −3 … 3: cold to hot at q ≤ 0.01, 0.05, 0.10, else 0.

    Parameters
    ----------
    z, q
        Scores, of which only the sign is used, and their q-values.

    Examples
    --------
    >>> bins(np.array([3.0, -4.0, 0.5]), np.array([0.04, 0.001, 0.6])).tolist()
    [2, -3, 0]
    """
    depth = np.zeros(q.shape, np.int8)
    for level in LEVELS:
        depth += q <= level
    return np.where(z < 0, -depth, depth).astype(np.int8)


def _step_up(p: Floats, tested: Bools | None, penalty: Floats) -> Floats:
    """Step up through the sorted p-values; ``penalty[k]`` multiplies a family of k tests."""
    filled, order, tests = _sorted(p, tested)
    factor = tests * penalty[tests] / np.arange(1, len(filled) + 1, dtype=float)[:, None]
    # a family without tests has the factor 0, and 0 · inf is no number
    scaled = filled * np.where(factor > 0, factor, 1.0)
    falling = np.minimum.accumulate(scaled[::-1], axis=0)[::-1]
    return _laid_back(falling, order, p.shape)


def _sorted(p: Floats, tested: Bools | None) -> tuple[Floats, Ints, Ints]:
    """Sort each family, untested ones last as infinite; give the order and the tests of each."""
    columns = np.atleast_2d(p.T).T
    judged = np.ones(columns.shape, bool) if tested is None else tested.reshape(columns.shape)
    filled = np.where(judged, columns, np.inf)
    order = np.argsort(filled, axis=0)
    return np.take_along_axis(filled, order, axis=0), order, judged.sum(axis=0)


def _laid_back(adjusted: Floats, order: Ints, shape: tuple[int, ...]) -> Floats:
    """Put adjusted p-values, at most 1, back in their places."""
    q = np.empty(adjusted.shape)
    np.put_along_axis(q, order, np.minimum(adjusted, 1.0), axis=0)
    return q.reshape(shape)
