"""Random spanning trees, and the exact cut of a tree into parts within the band.

A tree is cut by dynamic programming over the households of the part that is still open at each
unit (Ito, Zhou and Nishizeki 2012): a partition of the tree within the band is found whenever one
exists, with as many parts as cost least, or with a wanted number of them.
"""

from __future__ import annotations

import math

import numpy as np

from gridmap._arrays import Dice, Floats, Ints
from gridmap.partitioning.energy import Network, Rules, bare, below, compiled, uniform

NEVER = 1e18
SHORT = 50.0  # what a part under the band costs where that is allowed
CUT = 0.3  # how much a cut edge weighs against the balance of parts


@compiled
def _push(key: Floats, item: Ints, size: int, k: float, v: int) -> int:
    """Put an item on the heap; return the new size."""
    i = size
    key[i] = k
    item[i] = v
    while i > 0:
        above = (i - 1) >> 1
        if key[above] <= key[i]:
            break
        key[above], key[i] = key[i], key[above]
        item[above], item[i] = item[i], item[above]
        i = above
    return size + 1


@compiled
def _pop(key: Floats, item: Ints, size: int) -> tuple[float, int, int]:
    """Take the least item from the heap; return key, item and the new size."""
    k, v = key[0], item[0]
    size -= 1
    key[0] = key[size]
    item[0] = item[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and key[child + 1] < key[child]:
            child += 1
        if key[i] <= key[child]:
            break
        key[i], key[child] = key[child], key[i]
        item[i], item[child] = item[child], item[i]
        i = child
    return k, v, size


@compiled
def draw(net: Network, dice: Dice, mode: int) -> tuple[Ints, Ints]:
    """Draw a spanning tree; return for each unit the contact to its parent, and the order.

    `mode` 0 prefers long contacts, 1 is a random minimum spanning tree, 2 a noisy tree of shortest
    paths. The root's contact is -1; parents come before their children in the order.
    """
    n = len(net.households)
    contact = np.full(n, -2, np.int64)
    order = np.empty(n, np.int64)
    key = np.empty(len(net.neighbour) + 1)
    item = np.empty(len(net.neighbour) + 1, np.int64)
    root = below(dice, n)
    count = 0
    key[0], item[0], size = 0.0, -1, 1
    while size > 0:
        k, j, size = _pop(key, item, size)
        u = root if j < 0 else net.neighbour[j]
        if contact[u] != -2:
            continue
        contact[u] = j
        order[count] = u
        count += 1
        for e in range(net.start[u], net.bond[u]):
            v = net.neighbour[e]
            if contact[v] != -2:
                continue
            if mode == 0:
                w = uniform(dice) / (1e-3 + net.length[e])
            elif mode == 1:
                w = uniform(dice)
            else:
                far = math.hypot(net.x[u] - net.x[v], net.y[u] - net.y[v])
                w = k + far * (0.5 + uniform(dice))
            size = _push(key, item, size, w, e)
    return contact, order[:count]


@compiled
def _parents(net: Network, contact: Ints, order: Ints) -> Ints:
    """Return for each place in the order the place of its parent."""
    place = np.empty(len(contact), np.int64)
    for i in range(len(order)):
        place[order[i]] = i
    # a contact lies among its owner's, so the owner is found by its range
    parent = np.full(len(order), -1, np.int64)
    for i in range(len(order)):
        u = order[i]
        for e in range(net.start[u], net.start[u + 1]):
            v = net.neighbour[e]
            c = contact[v]
            if c == e and i < place[v]:
                parent[place[v]] = i
    return parent


@compiled
def _widths(net: Network, order: Ints, parent: Ints, rules: Rules, cells: int) -> tuple[Ints, Ints]:
    """Return the most households of the open part and the most closed parts below each place."""
    m = len(order)
    below_ = np.empty(m, np.int64)
    for i in range(m):
        below_[i] = net.households[order[i]]
    for i in range(m - 1, 0, -1):
        below_[parent[i]] += below_[i]
    heavy = np.empty(m, np.int64)
    many = np.zeros(m, np.int64)
    for i in range(m):
        heavy[i] = min(rules.high, below_[i])
        if cells > 0:
            many[i] = min(cells, below_[i] // rules.low)
    return heavy, many


@compiled
def _close(
    table: Floats,
    width: int,
    many: int,
    rules: Rules,
    cells: int,
    soft: bool,
    cost: Floats,
    at: Ints,
) -> None:
    """Close the open part below a place: the best cost for each number of closed parts."""
    for c in range(len(cost)):
        cost[c] = NEVER
        at[c] = -1
    for c in range(many + 1):
        for w in range(width):
            t = table[c * width + w]
            if t >= NEVER:
                continue
            d = (w - rules.target) / rules.target
            if w >= rules.low:
                t += d * d
            elif soft:
                t += SHORT * (1.0 + (rules.low - w) / rules.target)
            else:
                continue
            q = c + 1 if cells > 0 else 0
            if q < len(cost) and t < cost[q]:
                cost[q] = t
                at[q] = c * width + w


@compiled
def cut(
    net: Network, contact: Ints, order: Ints, rules: Rules, cells: int, soft: bool
) -> tuple[Ints, int, float]:
    """Cut a tree into parts within the band at least cost; return labels, parts and cost.

    With `cells` over 0 there are exactly so many parts. With `soft` a part may stay under the
    band, dearly. The cost is `NEVER` when the tree has no such partition.
    """
    m = len(order)
    label = np.zeros(len(contact), np.int64)
    parent = _parents(net, contact, order)
    heavy, many = _widths(net, order, parent, rules, cells)
    size, largest = (heavy + 1) * (many + 1), np.int64(0)
    offset = np.zeros(m + 1, np.int64)
    choice_at = np.zeros(m + 1, np.int64)
    for i in range(m):
        offset[i + 1] = offset[i] + size[i]
        choice_at[i + 1] = choice_at[i] + (size[parent[i]] if i > 0 else 0)
        largest = max(largest, size[i])
    table = np.full(offset[m], NEVER)
    choice = np.empty(choice_at[m], np.int32)
    shut = np.empty((m, cells + 2 if cells > 0 else 1))
    shut_at = np.empty(shut.shape, np.int64)
    for i in range(m):
        h = net.households[order[i]]
        if h <= rules.high or soft:
            table[offset[i] + min(h, rules.high)] = 0.0
    fresh, reached = np.empty(largest), np.empty(largest, np.int64)
    for i in range(m - 1, -1, -1):
        mine = table[offset[i] : offset[i + 1]]
        _close(mine, heavy[i] + 1, many[i], rules, cells, soft, shut[i], shut_at[i])
        if i == 0:
            break
        p = parent[i]
        theirs = table[offset[p] : offset[p + 1]]
        told = choice[choice_at[i] : choice_at[i + 1]]
        edge = CUT * rules.border * net.cost[contact[order[i]]]
        _merge(
            theirs,
            heavy[p] + 1,
            many[p],
            mine,
            heavy[i] + 1,
            many[i],
            shut[i],
            edge,
            told,
            fresh,
            reached,
        )
    best = 0
    if cells > 0:
        best = cells
    if shut[0, best] >= NEVER:
        return label, 0, NEVER
    parts = _trace(order, parent, heavy, choice, choice_at, shut_at, best, label)
    return label, parts, shut[0, best]


@bare
def _merge(
    theirs: Floats,
    their_width: int,
    their_many: int,
    mine: Floats,
    width: int,
    many: int,
    shut: Floats,
    edge: float,
    told: Ints,
    fresh: Floats,
    reached: Ints,
) -> None:
    """Hang a child under its parent, its open part closed or joined to the parent's."""
    size = their_width * (their_many + 1)
    for s in range(size):
        fresh[s] = NEVER
        told[s] = 0
    found = 0
    for s in range(width * (many + 1)):
        if mine[s] < NEVER:
            reached[found] = s
            found += 1
    for c in range(their_many + 1):
        row = c * their_width
        for w in range(their_width):
            t = theirs[row + w]
            if t >= NEVER:
                continue
            for q in range(min(len(shut), their_many - c + 1)):
                to = row + q * their_width + w
                cost = t + shut[q] + edge
                if shut[q] < NEVER and cost < fresh[to]:
                    fresh[to] = cost
                    told[to] = -1 - q
            for r in range(found):
                a = reached[r] // width if many > 0 else 0
                b = reached[r] - a * width
                if w + b >= their_width or c + a > their_many:
                    continue
                to = row + a * their_width + w + b
                cost = t + mine[reached[r]]
                if cost < fresh[to]:
                    fresh[to] = cost
                    told[to] = reached[r]
    for s in range(size):
        theirs[s] = fresh[s]


@compiled
def _trace(
    order: Ints,
    parent: Ints,
    heavy: Ints,
    choice: Ints,
    choice_at: Ints,
    shut_at: Ints,
    best: int,
    label: Ints,
) -> int:
    """Follow the choices down from the root and label the parts; return how many there are.

    Children were hung in decreasing order, so they are taken off in increasing order.
    """
    m = len(order)
    state = np.empty(m, np.int64)
    part = np.zeros(m, np.int64)
    state[0] = shut_at[0, best]
    parts = 1
    for i in range(1, m):
        p = parent[i]
        width = heavy[p] + 1
        told = choice[choice_at[i] + state[p]]
        if told < 0:
            q = -1 - told
            part[i] = parts
            parts += 1
            state[i] = shut_at[i, q]
            state[p] -= q * width
        else:
            own = heavy[i] + 1
            part[i] = part[p]
            state[i] = told
            state[p] -= (told // own) * width + told % own
    for i in range(m):
        label[order[i]] = part[i]
    return parts
