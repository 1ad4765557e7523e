"""Units that move together: what a unit would strand, and who may come back for it."""

from __future__ import annotations

import numpy as np

from gridmap.partitioning.arrays import Dice, Ints, Network, compiled
from gridmap.partitioning.dice import below

PIECES = 16  # most pieces that a unit may hold together


@compiled
def stranded(
    net: Network, label: Ints, u: int, limit: int, seen: Ints, stamp: int, queue: Ints, moved: Ints
) -> int:
    """Collect a unit with the pieces it would strand, all but the heaviest; 0 if too many."""
    moved[0] = u
    seen[u] = stamp
    home = label[u]
    first = np.empty(PIECES + 1, np.int64)
    weight = np.empty(PIECES, np.int64)
    pieces = 0
    tail = 0
    for e in range(net.start[u], net.bond[u]):
        v = net.neighbour[e]
        if label[v] != home or seen[v] == stamp:
            continue
        if pieces >= PIECES:
            return 0
        first[pieces] = tail
        head = tail
        queue[tail] = v
        tail += 1
        seen[v] = stamp
        heavy = 0
        while head < tail:
            x = queue[head]
            head += 1
            heavy += 1000 * net.households[x] + 1
            for f in range(net.start[x], net.bond[x]):
                y = net.neighbour[f]
                if label[y] == home and seen[y] != stamp:
                    seen[y] = stamp
                    queue[tail] = y
                    tail += 1
        weight[pieces] = heavy
        pieces += 1
        if pieces == 1 and _all_seen(net, label, u, home, seen, stamp):
            return 1
    first[pieces] = tail
    heaviest = 0
    for p in range(1, pieces):
        if weight[p] > weight[heaviest]:
            heaviest = p
    count = 1
    for p in range(pieces):
        if p == heaviest:
            continue
        for q in range(first[p], first[p + 1]):
            if count >= limit:
                return 0
            moved[count] = queue[q]
            count += 1
    return count


@compiled
def _all_seen(net: Network, label: Ints, u: int, home: int, seen: Ints, stamp: int) -> bool:
    """Tell whether every neighbour of a unit within its cell was reached."""
    for e in range(net.start[u], net.bond[u]):
        v = net.neighbour[e]
        if label[v] == home and seen[v] != stamp:
            return False
    return True


@compiled
def walk(net: Network, label: Ints, v: int, here: int, there: int, moved: int, dice: Dice) -> int:
    """Walk inside the receiving cell to a unit that touches the giving one; -1 if none is met."""
    at = v
    for _ in range(6):
        bonds = net.bond[at] - net.start[at]
        w = net.neighbour[net.start[at] + below(dice, bonds)]
        if label[w] == there and w != moved:
            at = w
        for e in range(net.start[at], net.bond[at]):
            if label[net.neighbour[e]] == here:
                return at
    return -1
