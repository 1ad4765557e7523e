"""The zones that a scan looks at: sets of cells grown from every cell over the contiguity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from gridmap._arrays import Bools, Floats, Ints, Ints16, Ints32, Words
from gridmap.coverage.kernels import compiled

# every size up to this one is looked at, beyond it sizes grow by a fifth
_EACH_SIZE = 16
_GROWTH = 1.2
_MOST_SHAPED = 12
# on a large map, zones beyond some size are grown from every fourth cell: they are nearly alike
_THINNED_FROM, _THINNED_TO, _ALL_UP_TO = 1000, 4, 50


class Zones(NamedTuple):
    """Hold zones as a forest: a node adds one cell to the cells of its parent node.

    ``number`` is the zone that a node completes, −1 where it is only on the way to one; ``row``
    is where its sums are kept while its children are made; ``node`` leads from zones back.
    """

    cell: Ints32
    parent: Ints32
    row: Ints16
    number: Ints32
    node: Ints32

    @property
    def rows(self) -> int:
        """Count the rows of sums that are in use at a time."""
        return int(self.row.max()) + 1 if len(self.row) else 1

    def members(self, zone: int) -> Ints:
        """List the cells of a zone, the one it was grown from last."""
        cells, node = [], int(self.node[zone])
        while node >= 0:
            cells.append(int(self.cell[node]))
            node = int(self.parent[node])
        return np.array(cells, np.int64)

    def likely(self) -> Floats:
        """Tell how likely each zone is beforehand, as a logarithm: all sizes equally, shaped zones
        together as likely as round ones of their sizes.
        """
        size = _sizes(self.parent)[self.node]
        shaped = self.row[self.node] > 0
        before = -np.log(size)
        if shaped.any():
            alike = ~shaped & (size <= size[shaped].max())
            before[shaped] += np.log(alike.sum() / shaped.sum())
        return np.asarray(before)


def zones(
    x: Floats,
    y: Floats,
    exposure: Floats,
    starts: Ints,
    neighbours: Ints,
    *,
    largest: float,
    most: int,
    shaped: int = 0,
) -> Zones:
    """Grow zones from every cell: the nearest cells first, each touching those before it.

    Parameters
    ----------
    x, y, exposure
        One number a cell.
    starts, neighbours
        Contiguity as rows of a sparse matrix. An empty one grows plain circles.
    largest
        Exposure that no zone of two cells or more goes beyond.
    most
        Cells in the largest zone.
    shaped
        All connected zones among so many nearest cells are looked at as well (Tango and
        Takahashi 2005); 0 for none.
    """
    place = np.column_stack([x, y])
    if len(neighbours):
        near, first = _grown(x, y, exposure, starts, neighbours, largest, most)
    else:
        near, first = _circles(place, exposure, largest, most)
    chains = _chains(near, first)
    if shaped < 3:
        return chains
    _, near_by = cKDTree(place).query(place, k=min(shaped, _MOST_SHAPED, len(x)))
    cell, parent, row = _shapes(
        np.asarray(near_by, dtype=np.int32), exposure, largest, starts, neighbours
    )
    offset = np.int32(len(chains.cell))
    return _numbered(
        np.concatenate([chains.cell, cell]),
        np.concatenate([chains.parent, np.where(parent >= 0, parent + offset, -1)]),
        np.concatenate([chains.row, row]),
        np.concatenate([chains.number >= 0, np.ones(len(cell), bool)]),
    )


def _circles(place: Floats, exposure: Floats, largest: float, most: int) -> tuple[Ints32, Ints]:
    """List for every cell those nearest to it, up to the largest exposure, row after row."""
    _, found = cKDTree(place).query(place, k=np.arange(1, min(most, len(place)) + 1))
    near = np.array(found)
    # where two cells share a place, each is the first of its own circle
    for cell in np.flatnonzero(near[:, 0] != np.arange(len(place))):
        near[cell] = [cell, *(other for other in near[cell] if other != cell)][: near.shape[1]]
    kept = np.cumsum(exposure[near], axis=1) <= largest
    kept[:, 0] = True
    first = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return near[kept].astype(np.int32), first.astype(np.int64)


@compiled
def _before(d: Floats, c: Ints, i: int, j: int) -> bool:
    return bool(d[i] < d[j] or (d[i] == d[j] and c[i] < c[j]))


@compiled
def _push(d: Floats, c: Ints, size: int) -> None:
    child = size
    while child > 0 and _before(d, c, child, (child - 1) // 2):
        up = (child - 1) // 2
        d[child], d[up] = d[up], d[child]
        c[child], c[up] = c[up], c[child]
        child = up


@compiled
def _sink(d: Floats, c: Ints, size: int) -> None:
    at = 0
    while 2 * at + 1 < size:
        low = 2 * at + 1
        if low + 1 < size and _before(d, c, low + 1, low):
            low += 1
        if not _before(d, c, low, at):
            return
        d[at], d[low] = d[low], d[at]
        c[at], c[low] = c[low], c[at]
        at = low


@compiled
def _grown(
    x: Floats,
    y: Floats,
    exposure: Floats,
    starts: Ints,
    neighbours: Ints,
    largest: float,
    most: int,
) -> tuple[Ints32, Ints]:
    """List for every cell the cells grown around it, itself first, row after row."""
    n = len(x)
    near = np.empty(n * min(most, n), np.int32)
    first = np.zeros(n + 1, np.int64)
    seen = np.full(n, -1, np.int64)
    distance, queue = np.empty(n), np.empty(n, np.int64)
    at = 0
    for centre in range(n):
        whole = n <= _THINNED_FROM or centre % _THINNED_TO == 0
        reach = most if whole else min(most, _ALL_UP_TO)
        waiting, inside, grown = 1, 0.0, 0
        distance[0], queue[0] = 0.0, centre
        seen[centre] = centre
        while waiting > 0 and grown < reach:
            cell = queue[0]
            if grown > 0 and inside + exposure[cell] > largest:
                break
            inside += exposure[cell]
            near[at] = cell
            at += 1
            grown += 1
            waiting -= 1
            distance[0], queue[0] = distance[waiting], queue[waiting]
            _sink(distance, queue, waiting)
            for other in neighbours[starts[cell] : starts[cell + 1]]:
                if seen[other] != centre:
                    seen[other] = centre
                    distance[waiting] = (x[other] - x[centre]) ** 2 + (y[other] - y[centre]) ** 2
                    queue[waiting] = other
                    _push(distance, queue, waiting)
                    waiting += 1
        first[centre + 1] = at
    return near[:at].copy(), first


def _chains(near: Ints32, first: Ints) -> Zones:
    """Make a zone of each row's first cell, first two, three … cells; far out not of every one."""
    place = np.arange(len(near)) - np.repeat(first[:-1], np.diff(first))
    each = _EACH_SIZE if len(first) > _THINNED_FROM else len(near)
    sizes = list(range(1, each + 1))
    while sizes[-1] < len(near):
        sizes.append(int(np.ceil(sizes[-1] * _GROWTH)))
    ends = np.isin(place + 1, sizes)
    ends[first[1:] - 1] = True
    parent = np.where(place > 0, np.arange(len(near)) - 1, -1).astype(np.int32)
    return _numbered(near, parent, np.zeros(len(near), np.int16), ends)


def _numbered(
    cell: Ints32,
    parent: Ints32,
    row: Ints16,
    complete: Bools,
) -> Zones:
    """Number the zones of a forest, each set of cells once, wherever it was grown from."""
    words = np.random.default_rng(0).integers(0, 2**64, int(cell.max()) + 1, dtype=np.uint64)
    at = np.flatnonzero(complete)
    _, once = np.unique(_sums(cell, parent, words)[at], return_index=True)
    node = at[np.sort(once)].astype(np.int32)
    number = np.full(len(cell), -1, np.int32)
    number[node] = np.arange(len(node), dtype=np.int32)
    return Zones(cell, parent, row, number, node)


@compiled
def _sums(cell: Ints32, parent: Ints32, words: Words) -> Words:
    sums = np.empty(len(cell), np.uint64)
    for node in range(len(cell)):
        sums[node] = words[cell[node]]
        if parent[node] >= 0:
            sums[node] += sums[parent[node]]
    return sums


@compiled
def _sizes(parent: Ints32) -> Ints:
    """Count the cells of every node and those before it."""
    size = np.ones(len(parent), np.int64)
    for node in range(len(parent)):
        if parent[node] >= 0:
            size[node] += size[parent[node]]
    return size


@compiled
def _shapes(
    near: Ints32,
    exposure: Floats,
    largest: float,
    starts: Ints,
    neighbours: Ints,
) -> tuple[Ints32, Ints32, Ints16]:
    """Grow all connected sets of each cell's nearest that hold it, every set once, depth first.

    A set grows by a cell that it touches; a cell passed over is not taken up further down.
    """
    n, size = near.shape
    cell, parent, row = (
        np.empty(n * 64, np.int32),
        np.empty(n * 64, np.int32),
        np.empty(n * 64, np.int16),
    )
    links, out, edge = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    node, following, inside = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size)
    at = 0
    for centre in range(n):
        own = near[centre]
        if at + (1 << size) > len(cell):
            more = 2 * len(cell) + (1 << size)
            cell, parent, row = _longer(cell, more), _longer(parent, more), _longer(row, more)
        for i in range(size):
            links[i] = 0
            for other in neighbours[starts[own[i]] : starts[own[i] + 1]]:
                for j in range(size):
                    if own[j] == other:
                        links[i] |= 1 << j
        cell[at], parent[at], row[at] = own[0], -1, 0
        out[0], edge[0], node[0], following[0], inside[0] = 1, links[0], at, 0, exposure[own[0]]
        at += 1
        depth = 0
        while depth >= 0:
            j = following[depth]
            while j < size and not (edge[depth] & ~out[depth]) >> j & 1:
                j += 1
            if j == size:
                depth -= 1
                continue
            following[depth] = j + 1
            out[depth] |= 1 << j
            if inside[depth] + exposure[own[j]] > largest:
                continue
            cell[at], parent[at], row[at] = own[j], node[depth], depth + 1
            if depth + 1 < size:
                inside[depth + 1] = inside[depth] + exposure[own[j]]
                out[depth + 1] = out[depth]
                edge[depth + 1] = edge[depth] | links[j]
                node[depth + 1], following[depth + 1] = at, 0
                depth += 1
            at += 1
    return cell[:at].copy(), parent[:at].copy(), row[:at].copy()


@compiled
def _longer(array: Ints32, size: int) -> Ints32:
    grown = np.empty(size, array.dtype)
    grown[: len(array)] = array
    return grown
