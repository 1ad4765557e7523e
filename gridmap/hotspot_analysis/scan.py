"""The scan statistic on arrays: which zone, in which weeks, holds more than chance puts there?

Kulldorff (1997): every zone is scored by the log likelihood ratio of one rate inside and another
outside against one rate everywhere, and the largest score is held against those of maps drawn
under no risk. Sums are of whole numbers, also where dispersion has scaled the counts, so that they
do not depend on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import overload

import numpy as np
from scipy import sparse

from gridmap._arrays import Bools, Floats, Ints, Ints16, Ints32
from gridmap.coverage.kernels import compiled
from gridmap.hotspot_analysis.zones import Zones

# expectations that limits are looked up for
_STEPS = 4096
# scores below it are not looked for
_LEAST = 1.0
# pilot draws, and the share of the smallest pilot maximum from which draws look for scores
_PILOT, _CAUTION = 6, 0.75
# numbers that are added or compared at a time by an unrolled loop of vector instructions
_LANES = 32
# zones that score so much less than another are as good as impossible beside it
_BESIDE = 7.0
# what is thought of a place beforehand: it is a zone, or one with ragged edges, of whose cells some
# stay out and beside which some join in; a row each: how likely, the share of either
_EDGES = np.array([[3.0, 0.0, 0.0], [1.0, 0.1, 0.02], [1.0, 0.25, 0.05], [1.0, 0.4, 0.1]])
_ROUNDS = 6
# risks inside and outside that differ by less do not tell cells apart
_APART = 1.02
_NEVER, _FAR_BELOW = 2**31 - 1, -(2**20)


@dataclass(frozen=True)
class Found:
    """Hold the best span of every zone: its score, steps from and up to, and sums."""

    score: Floats
    start: Ints
    stop: Ints
    inside: Floats
    expected: Floats


@dataclass(frozen=True)
class Look:
    """Hold what is looked at: zones, spans of up to `longest` steps, and one side.

    ``latest`` keeps the spans that reach the last step; ``side`` is 1 for more than expected,
    −1 for less. ``expected`` has a row a cell and a column a step, in units of ``unit``.
    """

    zones: Zones
    expected: Floats
    longest: int
    latest: bool
    side: int
    unit: float

    def scan(self, scored: Ints32) -> Found:
        """Find the best span of every zone on one map.

        Parameters
        ----------
        scored
            A row a cell, a column a step, in units of `unit`.
        """
        counts, expected = _cumulated(scored), _cumulated(self.expected)
        total = float(scored.sum())
        score, start, stop, inside, behind = _best(
            *self.zones, self.zones.rows, counts, expected, total, self.longest, self.latest,
            self.side,
        )  # fmt: skip
        unit = self.unit
        return Found(score / unit, start, stop, inside / unit, behind / unit)

    def belonging(self, found: Found, zone: int, scored: Ints32) -> tuple[Ints, Floats]:
        """List the cells in and about a zone, and how likely each belongs to the place found.

        A place is thought to be a zone that meets this one and scores nearly as much, or such a
        zone with ragged edges. Beforehand all sizes are equally likely, round zones as likely as
        all others; the counts tell which zones, and how ragged, are likely now, and each of them
        which cells it holds.

        Parameters
        ----------
        found, scored
            What `scan` gave, and what it was given.
        zone
            The number of a zone.
        """
        forest = self.zones
        inside = np.zeros(len(self.expected), bool)
        inside[forest.members(zone)] = True
        near = np.flatnonzero(found.score >= found.score[zone] - _BESIDE)
        near, start, held = _meeting(forest.cell, forest.parent, forest.node, near, inside)
        cells, column = np.unique(held, return_inverse=True)
        holds = sparse.csr_array((np.ones(len(held)), column, start), shape=(len(near), len(cells)))
        span = slice(int(found.start[zone]), int(found.stop[zone]))
        seen = scored[cells, span].sum(axis=1) / self.unit
        hoped = self.expected[cells, span].sum(axis=1) / self.unit
        total = float(self.expected.sum()) / self.unit
        before = forest.likely()[near]
        share = np.asarray(holds.T @ _shares(found.score[near] + before))
        return cells.astype(np.int64), _belonging(
            holds, before, share, seen, hoped, total, self.side
        )

    def listener(self) -> Callable[[Ints32], float]:
        """Make a function that gives the largest score of one map after the other.

        After a few maps only scores near the largest are looked for, which is what makes a
        thousand maps quick; where a map has none there, it is looked through once more. Maps are
        as for `scan`, with the total of `expected` each.
        """
        total = float(self.expected.sum())
        lowest = max(float(self.expected.min()), 1e-9 * total)
        shape = (self.zones.rows, self.longest, self.latest, self.side)
        expected = _cumulated(self.expected)
        kernel = _largest_latest if self.latest else _largest
        seen: list[float] = []

        def limits(least: float) -> tuple[float, Ints32]:
            table = _limits(*self.zones, *shape, expected, least * self.unit, lowest, total)
            wide = _widened(table, self.longest, _NEVER) if self.latest else table
            return least * self.unit, wide

        low = limits(_LEAST)
        tables = [low]

        def largest(draw: Ints32) -> float:
            if len(seen) == _PILOT:
                tables[:] = [limits(max(_LEAST, _CAUTION * min(seen))), low]
            counts = self._laid_out(draw)
            found = 0.0
            for least, table in tables:
                found = kernel(*self.zones, *shape, counts, expected, table, total)
                if found >= least:  # below it another may score more
                    break
            seen.append(found / self.unit)
            return seen[-1]

        return largest

    def _laid_out(self, draw: Ints32) -> Ints32:
        counts = _cumulated(draw * np.int32(self.side))
        if not self.latest:
            return _widened(counts, counts.shape[1] + self.longest, _FAR_BELOW)
        # the last step alone, the last two, …
        before = counts[:, counts.shape[1] - 1 - self.longest : -1]
        return _widened(counts[:, -1:] - before[:, ::-1], self.longest, 0)


def _belonging(
    holds: sparse.csr_array,
    before: Floats,
    share: Floats,
    seen: Floats,
    hoped: Floats,
    total: float,
    side: int,
) -> Floats:
    """Weigh zones, and how ragged they are, by the counts of the cells; give each cell's share."""
    often, out, joined = _EDGES.T[:, :, None]
    for _ in range(_ROUNDS):
        inner = max(float(share @ seen) / float(share @ hoped), 1e-9)
        outer = (total - float(share @ seen)) / max(total - float(share @ hoped), 1e-300)
        outer = max(outer, 1e-9)
        inner = max(inner, outer * _APART) if side > 0 else min(inner, outer / _APART)
        speaks = seen * np.log(inner / outer) - (inner - outer) * hoped
        speaks = np.exp(np.clip(speaks, -40.0, 40.0))
        within, beside = (1.0 - out) * speaks + out, joined * speaks + 1.0 - joined
        alone = np.log(beside).sum(axis=1) + np.log(often[:, 0])
        likely = _shares(holds @ np.log(within / beside).T + alone + before[:, None])
        held = (holds.T @ likely).T
        kept, grown = held * (1.0 - out) / within, (likely.sum(axis=0)[:, None] - held) / beside
        share = ((kept + grown * joined) * speaks).sum(axis=0)
    return np.asarray(share)


def _shares(likely: Floats) -> Floats:
    """Turn log likelihoods into shares of 1."""
    shares = np.exp(likely - likely.max())
    return np.asarray(shares / shares.sum())


@compiled
def _meeting(
    cell: Ints32, parent: Ints32, node: Ints32, near: Ints, inside: Bools
) -> tuple[Ints, Ints, Ints32]:
    """Keep those of some zones that meet a place; list their cells, row after row."""
    kept, rows = np.zeros(len(near), np.bool_), np.zeros(len(near), np.int64)
    for place, zone in enumerate(near):
        at = node[zone]
        while at >= 0:
            kept[place] |= inside[cell[at]]
            rows[place] += 1
            at = parent[at]
    near = near[kept]
    start = np.zeros(len(near) + 1, np.int64)
    start[1:] = np.cumsum(rows[kept])
    held = np.empty(start[-1], np.int32)
    for place, zone in enumerate(near):
        at, to = node[zone], start[place]
        while at >= 0:
            held[to] = cell[at]
            at, to = parent[at], to + 1
    return near, start, held


@overload
def _cumulated(table: Ints32) -> Ints32: ...
@overload
def _cumulated(table: Floats) -> Floats: ...
def _cumulated(table: Ints32 | Floats) -> Ints32 | Floats:
    """Sum up each row to each step, starting with nothing."""
    sums = np.zeros((table.shape[0], table.shape[1] + 1), table.dtype)
    np.cumsum(table, axis=1, out=sums[:, 1:])
    return sums


def _widened(table: Ints32, width: int, filling: int) -> Ints32:
    """Fill rows up to a width that is summed and compared without a remainder."""
    wide = width if width < _LANES // 2 else -(-width // _LANES) * _LANES
    whole = np.full((len(table), wide), filling, np.int32)
    whole[:, : table.shape[1]] = table
    return whole


@compiled
def ratio(inside: float, expected: float, total: float) -> float:
    """Score a zone: the log likelihood ratio of two rates against one.

    Parameters
    ----------
    inside, expected
        Incidents in the zone, and what one rate everywhere puts there.
    total
        Incidents in all.
    """
    score = 0.0
    if expected <= 0.0 or expected >= total:
        return score
    if inside > 0.0:
        score += inside * np.log(inside / expected)
    if total > inside:
        score += (total - inside) * np.log((total - inside) / (total - expected))
    return score


@compiled
def _table(lowest: float, total: float, least: float, side: int) -> Floats:
    """Give, on a geometric grid of expectations, the count from which on the score is `least`."""
    counts = np.empty(_STEPS + 2)
    span = np.log(total / lowest)
    away = 0.0
    for step in range(_STEPS + 2):
        expected = lowest * np.exp(span * min(step, _STEPS - 1) / _STEPS)
        most = total if side > 0 else 0.0
        if ratio(most, expected, total) < least:
            counts[step] = total + 1.0 if side > 0 else -1.0
            continue
        # the limit is about as far away as that before, or farther
        near, far, pace = expected, most, 0.5
        at = expected + side * away
        while 0.0 < at < total and side * (far - at) > 0.0:
            if ratio(at, expected, total) >= least:
                far = at
                break
            near, at, pace = at, at + side * pace, 2.0 * pace
        # scores of whole counts are asked for; below the limit is the safe side
        while abs(far - near) > 0.25:
            middle = (near + far) / 2.0
            if ratio(middle, expected, total) < least:
                near = middle
            else:
                far = middle
        counts[step], away = near, side * (near - expected)
    return counts


@compiled
def _limits(
    cell: Ints32,
    parent: Ints32,
    row: Ints16,
    number: Ints32,
    node: Ints32,
    rows: int,
    longest: int,
    latest: bool,
    side: int,
    expected: Floats,
    least: float,
    lowest: float,
    total: float,
) -> Ints32:
    """Give, by zone and length, a count that a span must reach to score `least`, times `side`."""
    steps = expected.shape[1] - 1
    table = _table(lowest, total, least, side)
    scale = _STEPS / np.log(total / lowest) if total > lowest else 0.0
    limits = np.empty((len(node), longest), np.int32)
    buffer = np.zeros((rows + 1, steps + 1))
    for at in range(len(cell)):
        source = rows if parent[at] < 0 else row[parent[at]]
        sums = buffer[row[at]]
        for step in range(steps + 1):
            sums[step] = buffer[source, step] + expected[cell[at], step]
        if number[at] < 0:
            continue
        for length in range(1, longest + 1):
            bound = sums[steps] - sums[steps - length]
            for first in range(0 if not latest else steps - length, steps - length):
                inside = sums[first + length] - sums[first]
                bound = min(bound, inside) if side > 0 else max(bound, inside)
            place = int(np.log(max(bound, lowest) / lowest) * scale)
            # the grid point on the safe side, so that nothing that scores is passed over
            if side > 0:
                limits[number[at], length - 1] = np.int32(np.ceil(table[min(place, _STEPS)]))
            else:
                limits[number[at], length - 1] = -np.int32(np.floor(table[min(place, _STEPS) + 1]))
    return limits


@compiled
def _scored(
    cell: Ints32,
    parent: Ints32,
    at: int,
    expected: Floats,
    first: int,
    stop: int,
    inside: float,
    total: float,
    side: int,
) -> float:
    """Score one span of the zone that a node completes; 0 on the other side."""
    behind = 0.0
    while at >= 0:
        behind += expected[cell[at], stop] - expected[cell[at], first]
        at = parent[at]
    return ratio(inside, behind, total) if side * (inside - behind) > 0.0 else 0.0


@compiled
def _largest_latest(
    cell: Ints32,
    parent: Ints32,
    row: Ints16,
    number: Ints32,
    node: Ints32,
    rows: int,
    longest: int,
    latest: bool,
    side: int,
    counts: Ints32,
    expected: Floats,
    limits: Ints32,
    total: float,
) -> float:
    """Give the largest score of a map over spans up to the last step, as `_largest` does.

    `counts` hold, times `side`, the sums of the last step, the last two, and so on.
    """
    width, steps = counts.shape[1], expected.shape[1] - 1
    sums = np.zeros((rows + 1, width), np.int32)
    largest = 0.0
    for at in range(len(cell)):
        own, to = np.uint64(cell[at]), np.uint64(row[at])
        source = np.uint64(rows if parent[at] < 0 else row[parent[at]])
        for length in range(width):
            sums[to, length] = sums[source, length] + counts[own, length]
        if number[at] < 0:
            continue
        zone, reached = np.uint64(number[at]), np.int32(0)
        for length in range(width):
            reached |= np.int32(sums[to, length] >= limits[zone, length])
        if reached == 0:
            continue
        for length in range(longest):
            if sums[to, length] >= limits[zone, length]:
                inside = float(side * sums[to, length])
                found = _scored(
                    cell, parent, at, expected, steps - 1 - length, steps, inside, total, side
                )
                largest = max(largest, found)
    return largest


@compiled
def _largest(
    cell: Ints32,
    parent: Ints32,
    row: Ints16,
    number: Ints32,
    node: Ints32,
    rows: int,
    longest: int,
    latest: bool,
    side: int,
    counts: Ints32,
    expected: Floats,
    limits: Ints32,
    total: float,
) -> float:
    """Give the largest score of a map; 0 where nothing reaches the limits.

    `counts` hold, times `side`, sums up to each step and a filling far below. The sums of many
    spans are compared with their limits at a time; what reaches them is scored.
    """
    steps = expected.shape[1] - 1
    wide = counts.shape[1] - longest
    sums = np.zeros((rows + 1, counts.shape[1]), np.int32)
    largest = 0.0
    for at in range(len(cell)):
        own, to = np.uint64(cell[at]), np.uint64(row[at])
        source = np.uint64(rows if parent[at] < 0 else row[parent[at]])
        for step in range(counts.shape[1]):
            sums[to, step] = sums[source, step] + counts[own, step]
        if number[at] < 0:
            continue
        zone = np.uint64(number[at])
        for length in range(1, longest + 1):
            bound, reached = limits[zone, length - 1], np.int32(0)
            for first in range(wide):
                reached |= np.int32(sums[to, first + length] - sums[to, first] >= bound)
            if reached == 0:
                continue
            for first in range(steps - length + 1):
                inside = side * (sums[to, first + length] - sums[to, first])
                if side * inside >= bound:
                    found = _scored(
                        cell, parent, at, expected, first, first + length, inside, total, side
                    )
                    largest = max(largest, found)
    return largest


@compiled
def _best(
    cell: Ints32,
    parent: Ints32,
    row: Ints16,
    number: Ints32,
    node: Ints32,
    rows: int,
    counts: Ints32,
    expected: Floats,
    total: float,
    longest: int,
    latest: bool,
    side: int,
) -> tuple[Floats, Ints, Ints, Floats, Floats]:
    """Give the best span of every zone; score 0 where none is on the side asked for."""
    steps = counts.shape[1] - 1
    zones = len(node)
    score, inside_of, behind_of = np.zeros(zones), np.zeros(zones), np.zeros(zones)
    start, stop = np.zeros(zones, np.int64), np.zeros(zones, np.int64)
    seen, hoped = np.zeros((rows + 1, steps + 1), np.int32), np.zeros((rows + 1, steps + 1))
    for at in range(len(cell)):
        source, to, zone = rows if parent[at] < 0 else row[parent[at]], row[at], number[at]
        for step in range(steps + 1):
            seen[to, step] = seen[source, step] + counts[cell[at], step]
            hoped[to, step] = hoped[source, step] + expected[cell[at], step]
        if zone < 0:
            continue
        for length in range(1, longest + 1):
            for first in range(steps - length if latest else 0, steps - length + 1):
                inside = float(seen[to, first + length] - seen[to, first])
                behind = hoped[to, first + length] - hoped[to, first]
                away = side * (inside - behind)
                # the score is below this square, which is cheaper
                if away <= 0.0 or away * away * total < score[zone] * behind * (total - behind):
                    continue
                found = ratio(inside, behind, total)
                if found > score[zone]:
                    score[zone], start[zone], stop[zone] = found, first, first + length
                    inside_of[zone], behind_of[zone] = inside, behind
    return score, start, stop, inside_of, behind_of


@dataclass(frozen=True)
class Chance:
    """Hold what maps without risk are drawn from.

    ``mean`` has a row a cell and a column a step; counts are Poisson, or negative binomial with
    the ``dispersion`` 1/k. ``shuffled`` holds the cell and the step of every incident where steps
    are dealt out anew among them instead.
    """

    mean: Floats
    dispersion: float
    shuffled: tuple[Ints, Ints] | None = None

    @property
    def weight(self) -> Floats:
        """Give what an incident weighs, so that sums of weights vary like Poisson numbers."""
        weight: Floats = 1.0 / (1.0 + self.dispersion * self.mean)
        return weight

    def scored(self, counts: Ints, unit: float, total: float | None = None) -> Ints32:
        """Turn counts into whole numbers of units, scaled to a total where one is given.

        Parameters
        ----------
        counts
            Incidents, a row a cell and a column a step.
        unit
            How many units one is.
        total
            Sum of the weights to be reached.
        """
        if self.dispersion <= 0:
            return counts.astype(np.int32)
        weighed = self.weight * counts
        scale = unit if total is None else unit * total / max(float(weighed.sum()), 1e-300)
        return np.rint(weighed * scale).astype(np.int32)

    def draws(self, rng: np.random.Generator, incidents: int) -> Iterator[Ints]:
        """Draw maps without end.

        Parameters
        ----------
        rng
            Where chance comes from.
        incidents
            On each map, unless counts vary more than Poisson.
        """
        if self.shuffled is not None:
            cell, step = self.shuffled
            while True:
                yield self._counted(cell * self.mean.shape[1] + rng.permutation(step))
        mean = self.mean.ravel()
        if self.dispersion <= 0:
            share = mean / mean.sum()
            if incidents > 4 * len(mean):
                while True:
                    yield rng.multinomial(incidents, share).reshape(self.mean.shape)
            keep, other = _alias(share)
            while True:
                yield self._counted(_placed(rng, keep, other, incidents))
        # a negative binomial is a Poisson number of bursts of logarithmic size (Quenouille 1949)
        size = 1.0 / self.dispersion
        bursts = size * np.log1p(mean / size)
        keep, other = _alias(bursts / bursts.sum())
        again = mean / (mean + size)
        while True:
            at = _placed(rng, keep, other, int(rng.poisson(bursts.sum())))
            yield self._counted(at, rng.logseries(np.maximum(again[at], 1e-12)))

    def _counted(self, at: Ints, times: Ints | None = None) -> Ints:
        counts = np.bincount(at, times, minlength=self.mean.size)
        return counts.astype(np.int64).reshape(self.mean.shape)


def _placed(rng: np.random.Generator, keep: Floats, other: Ints, incidents: int) -> Ints:
    at = rng.integers(0, len(keep), incidents)
    return np.where(rng.random(incidents) < keep[at], at, other[at])


@compiled
def _alias(share: Floats) -> tuple[Floats, Ints]:
    """Prepare draws in constant time: each bin keeps a draw or hands it on (Vose 1991)."""
    n = len(share)
    keep, other = share * n, np.arange(n)
    small, large = np.empty(n, np.int64), np.empty(n, np.int64)
    s, g = 0, 0
    for i in range(n):
        if keep[i] < 1.0:
            small[s] = i
            s += 1
        else:
            large[g] = i
            g += 1
    while s > 0 and g > 0:
        s -= 1
        few, many = small[s], large[g - 1]
        other[few] = many
        keep[many] -= 1.0 - keep[few]
        if keep[many] < 1.0:
            g -= 1
            small[s] = many
            s += 1
    for i in range(s):
        keep[small[i]] = 1.0
    for i in range(g):
        keep[large[i]] = 1.0
    return keep, other


def gumbel_p(score: Floats, maxima: Floats) -> Floats:
    """Give the chance of a larger maximum, by the extreme-value distribution of those drawn.

    Finer than ranks where a score is beyond all maxima (Abrams, Kulldorff and Kleinman 2010).

    Parameters
    ----------
    score
        Scores to be judged.
    maxima
        Largest scores of maps drawn under no risk.
    """
    scale = max(float(maxima.std()) * np.sqrt(6.0) / np.pi, 1e-12)
    mode = float(maxima.mean()) - np.euler_gamma * scale
    p: Floats = -np.expm1(-np.exp(-(score - mode) / scale))
    return p
