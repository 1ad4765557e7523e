"""Pieces of a patch given to cells: overlaps, gaps, and parts that were cut off."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.coverage.edges import Geometries, Index, directed_edges, reverse

FREE = -1


@dataclass(frozen=True)
class Rules:
    """Who gets what.

    Attributes
    ----------
    rank : ndarray of float or None
        The covering cell of the highest rank gets an overlap; without ranks the one with the
        longest border to it.
    absorb : bool
        A cell inside another one is absorbed; else it is punched out of the other.
    new_cell_area : float
        Gaps of at least this area become new cells.
    """

    rank: NDArray[np.float64] | None
    absorb: bool
    new_cell_area: float

    def stretched(self, factor: float) -> Rules:
        """Return rules with areas as they are where eastings are stretched."""
        return replace(self, new_cell_area=self.new_cell_area * factor)


def shared_out(
    pieces: Geometries, cover: list[list[int]], local: Geometries, cells: Index, rules: Rules
) -> Index:
    """Give every piece to a cell; numbers from the count of cells on are new cells."""
    border = _borders(pieces)
    area = shapely.area(pieces)
    owner = np.array([c[0] if len(c) == 1 else FREE for c in cover], dtype=np.int64)
    order = [int(k) for k in np.argsort(-area, kind="stable") if owner[k] == FREE]
    nested = _nested(cover, owner, len(local))
    for k in order:
        if len(cover[k]) > 1:
            owner[k] = _winner(cover[k], border[k], owner, nested, local, cells, rules)
    created = 0
    for k in order:
        if not cover[k] and area[k] >= rules.new_cell_area:
            owner[k] = len(local) + created
            created += 1
    _grow(owner, border, [k for k in order if owner[k] == FREE])
    _reunite(owner, border, area, local)
    return owner


def _borders(pieces: Geometries) -> list[dict[int, float]]:
    """Return the length of the common border of each piece with each other one."""
    edges, owner = directed_edges(pieces)
    at: dict[tuple[float, ...], int] = {}
    for edge, k in zip(edges.tolist(), owner.tolist(), strict=True):
        at[tuple(edge)] = k
    border: list[dict[int, float]] = [{} for _ in pieces]
    length = np.hypot(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1])
    for edge, k, size in zip(reverse(edges).tolist(), owner.tolist(), length.tolist(), strict=True):
        other = at.get(tuple(edge))
        if other is not None and other != k:
            border[k][other] = border[k].get(other, 0.0) + size
    return border


def _nested(cover: list[list[int]], owner: Index, cells: int) -> set[int]:
    """Return the cells that have no piece of their own: they lie inside others."""
    return set(range(cells)) - set(owner[owner != FREE].tolist())


def _winner(
    covering: list[int],
    border: dict[int, float],
    owner: Index,
    nested: set[int],
    local: Geometries,
    cells: Index,
    rules: Rules,
) -> int:
    """Choose which of the covering cells gets an overlap."""
    inner = [c for c in covering if c in nested]
    outer = [c for c in covering if c not in nested]
    kept = outer if rules.absorb else inner
    choice = kept if inner and outer else covering
    if rules.rank is not None:
        return max(choice, key=lambda c: (rules.rank[cells[c]], -c))  # type: ignore[index]
    if inner and not outer:  # duplicates: the first stays
        return min(choice, key=lambda c: (-shapely.area(local[c]), c))
    length: Counter[int] = Counter()
    for piece, size in border.items():
        if owner[piece] in choice:
            length[int(owner[piece])] += size  # type: ignore[assignment]
    return max(choice, key=lambda c: (length[c], -c))


def _grow(owner: Index, border: list[dict[int, float]], left: list[int]) -> None:
    """Give gaps to the neighbour of the longest border, from the edges inwards."""
    while left:
        later = []
        for k in left:
            length: Counter[int] = Counter()
            for piece, size in border[k].items():
                if owner[piece] != FREE:
                    length[int(owner[piece])] += size  # type: ignore[assignment]
            if length:
                owner[k] = max(length, key=lambda c: (length[c], -c))
            else:
                later.append(k)
        if len(later) == len(left):
            return
        left = later


def _reunite(
    owner: Index, border: list[dict[int, float]], area: NDArray[np.float64], local: Geometries
) -> None:
    """Give parts that were cut off from a cell to the neighbour of the longest border."""
    for cell in range(len(local)):
        if shapely.get_num_geometries(local[cell]) > 1:
            continue
        parts = _parts(np.flatnonzero(owner == cell).tolist(), border)
        parts.sort(key=lambda p: -float(area[p].sum()))
        for part in parts[1:]:
            length: Counter[int] = Counter()
            for k in part:
                for piece, size in border[k].items():
                    if owner[piece] not in (cell, FREE):
                        length[int(owner[piece])] += size  # type: ignore[assignment]
            if length:
                owner[part] = max(length, key=lambda c: (length[c], -c))


def _parts(members: list[int], border: list[dict[int, float]]) -> list[list[int]]:
    """Return the connected parts of a set of pieces."""
    left, parts = set(members), []
    while left:
        stack, part = [left.pop()], []
        while stack:
            k = stack.pop()
            part.append(k)
            near = [n for n in border[k] if n in left]
            left.difference_update(near)
            stack.extend(near)
        parts.append(sorted(part))
    return parts


def heir_of(k: int, cells: Index, cover: list[list[int]], owner: Index) -> int:
    """Return the cell that got most pieces of a cell that vanished."""
    got = Counter(
        int(owner[p]) for p, c in enumerate(cover) if k in c and owner[p] not in (FREE, k)
    )
    heirs = [c for c, _ in got.most_common() if c < len(cells)]
    return int(cells[heirs[0]]) if heirs else FREE
