"""Slivers: pieces too small or too narrow to stand alone join the neighbour they touch most."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridmap.contiguity import Contacts, pair_up
from gridmap.units.noding import Floats, Ints

AREA = 200.0
"""Square metres under which a block is a sliver."""
WIDTH = 6.0
"""Metres of mean width, 2A/P, under which a block is a sliver."""


def absorb(
    area: Floats,
    perimeter: Floats,
    contacts: Contacts,
    *,
    rank: Ints | None = None,
    small: Floats | float = AREA,
    narrow: Floats | float = WIDTH,
    fixed: np.typing.NDArray[np.bool_] | None = None,
) -> Ints:
    """Join slivers with a neighbour until none is left that has one.

    Parameters
    ----------
    area, perimeter : ndarray of float
        Of each piece.
    contacts : Contacts
        Pairs that may be joined, such as those inside one jurisdiction.
    rank : ndarray of int, optional
        Of each contact: a sliver joins the neighbour of highest rank, and among those the one
        with the longest common border.
    small, narrow : float or ndarray of float
        A piece is a sliver under this area, or under this mean width.
    fixed : ndarray of bool, optional
        Pieces that are never a sliver themselves, whatever their size.

    Returns
    -------
    ndarray of int
        Group of each piece, numbered by the first piece of the group.

    Examples
    --------
    >>> touch = Contacts(np.array([0, 1]), np.array([1, 2]), np.array([9.0, 20.0]))
    >>> absorb(np.array([900.0, 50.0, 900.0]), np.array([120.0, 60.0, 120.0]), touch)
    array([0, 1, 1])
    """
    n = len(area)
    rank = np.zeros(len(contacts), dtype=np.int64) if rank is None else rank
    small, narrow = np.broadcast_to(small, n).copy(), np.broadcast_to(narrow, n).copy()
    if fixed is not None:
        small[fixed], narrow[fixed] = 0.0, 0.0
    group = np.arange(n)
    now = _Pieces(area, perimeter, small, narrow, contacts, rank)
    while True:
        sliver = (now.area < now.small) | (2 * now.area < now.narrow * now.perimeter)
        chosen = _choose(now, sliver)
        if not len(chosen[0]):
            return _first_of(group)
        step = _components(len(now.area), *chosen)
        group = step[group]
        now = now.joined(step)


class _Pieces:
    """Pieces as they are joined: sizes, thresholds and the contacts that are left."""

    def __init__(
        self,
        area: Floats,
        perimeter: Floats,
        small: Floats,
        narrow: Floats,
        contacts: Contacts,
        rank: Ints,
    ) -> None:
        self.area, self.perimeter = area, perimeter
        self.small, self.narrow = small, narrow
        self.contacts, self.rank = contacts, rank

    def joined(self, group: Ints) -> _Pieces:
        """Return the pieces after joining: a group has the thresholds of its largest member."""
        n = int(group.max()) + 1
        i, j = group[self.contacts.i], group[self.contacts.j]
        inner = i == j
        lost = _sums(i[inner], self.contacts.length[inner], n)
        contacts = pair_up(i[~inner], j[~inner], self.contacts.length[~inner], n)
        rank = _highest(i[~inner], j[~inner], self.rank[~inner], contacts, n)
        largest = np.empty(n, dtype=np.int64)
        order = np.argsort(self.area, kind="stable")
        largest[group[order]] = order
        return _Pieces(
            _sums(group, self.area, n),
            _sums(group, self.perimeter, n) - 2 * lost,
            self.small[largest],
            self.narrow[largest],
            contacts,
            rank,
        )


def _sums(group: Ints, values: Floats, n: int) -> Floats:
    """Return the sum of the values of each group."""
    return np.asarray(np.bincount(group, weights=values, minlength=n), dtype=np.float64)


def _highest(i: Ints, j: Ints, rank: Ints, contacts: Contacts, n: int) -> Ints:
    """Return the highest rank among the contacts that became one."""
    key = np.minimum(i, j) * np.int64(n) + np.maximum(i, j)
    place = np.searchsorted(contacts.i * np.int64(n) + contacts.j, key)
    result = np.full(len(contacts), np.iinfo(np.int64).min, dtype=np.int64)
    np.maximum.at(result, place, rank)
    return result


def _choose(now: _Pieces, sliver: np.typing.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return each sliver that has a neighbour, and the neighbour it joins."""
    i, j = now.contacts.i, now.contacts.j
    source, target = np.r_[i, j], np.r_[j, i]
    length, rank = np.tile(now.contacts.length, 2), np.tile(now.rank, 2)
    own = sliver[source]
    source, target, length, rank = source[own], target[own], length[own], rank[own]
    order = np.lexsort((target, -length, -rank, source))
    source, target = source[order], target[order]
    first = np.r_[True, source[1:] != source[:-1]] if len(source) else np.zeros(0, dtype=bool)
    return source[first], target[first]


def _components(n: int, i: Ints, j: Ints) -> Ints:
    """Return the connected component of each of `n` nodes."""
    links = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _first_of(group: Ints) -> Ints:
    """Renumber groups by their first member."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64)
