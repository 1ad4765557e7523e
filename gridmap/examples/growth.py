"""Growing of contiguous regions over a contact graph: communities, streets, districts."""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from gridmap.examples.blocks import Contacts
from gridmap.examples.streets import Floats, Integers


def grow(
    contacts: Contacts,
    weight: Floats,
    centre: Floats,
    target: float,
    rng: np.random.Generator,
    *,
    noise: float = 0.6,
) -> Integers:
    """Label things so that each label is one connected region of about `target` weight.

    Regions grow from corner to corner, each to a size of its own, and do not cross river or
    railway; the crumbs left between them join a neighbour.
    """
    near = contacts.matrix(len(weight), across=False)
    reach = float(np.sqrt(np.ptp(centre, axis=0).prod() / len(weight)))
    order = np.argsort(centre @ [0.6, 1.0] + rng.normal(0, reach, len(weight)), kind="stable")
    label = np.full(len(weight), -1)
    regions = 0
    for seed in order:
        if label[seed] < 0:
            size = target * np.clip(np.exp(rng.normal(0, 0.4)), 0.45, 1.9)
            _flood(int(seed), regions, float(size), near, label, weight, centre, noise, rng)
            regions += 1
    return _join_crumbs(label, contacts, weight, target)


def _flood(
    seed: int,
    region: int,
    size: float,
    near: csr_array,
    label: Integers,
    weight: Floats,
    centre: Floats,
    noise: float,
    rng: np.random.Generator,
) -> None:
    """Give unlabelled things around `seed` to `region` until it weighs `size`."""
    total, queue, seen = 0.0, [(0.0, seed)], {seed}
    while queue and total < size:
        _, here = heappop(queue)
        label[here] = region
        total += float(weight[here])
        for other in near.indices[near.indptr[here] : near.indptr[here + 1]].tolist():
            if label[other] < 0 and other not in seen:
                seen.add(other)
                away = float(np.hypot(*(centre[other] - centre[seed])))
                heappush(queue, (away * float(np.exp(rng.normal(0, noise))), other))


def _join_crumbs(label: Integers, contacts: Contacts, weight: Floats, target: float) -> Integers:
    """Join regions under a third of the target to the neighbour they share most border with."""
    soft = np.where(contacts.hard > 0.5 * contacts.length, 1e-3, 1.0) * contacts.length
    while True:
        total = np.bincount(label, weights=weight)
        used = np.bincount(label) > 0
        i, j = label[contacts.i], label[contacts.j]
        apart = i != j
        touched = np.zeros(len(total), bool)
        touched[i[apart]] = touched[j[apart]] = True
        small = np.flatnonzero(used & touched & (total < target / 3))
        if not len(small):
            return np.unique(label, return_inverse=True)[1]
        crumb = small[np.argmin(total[small])]
        border = apart & ((i == crumb) | (j == crumb))
        other = np.where(i == crumb, j, i)[border]
        pull = np.bincount(other, weights=soft[border], minlength=len(total))
        label[label == crumb] = int(np.argmax(pull / (1 + total / target)))


def is_connected(near: csr_array, members: Integers) -> bool:
    """Tell whether the members hang together."""
    if not len(members):
        return False
    parts, _ = connected_components(near[members][:, members], directed=False)
    return bool(parts == 1)


def share_out(contacts: Contacts, weight: Floats, centre: Floats, parts: int) -> Integers:
    """Label things so that exactly `parts` regions of like weight cover them.

    Seeds lie far from each other; the lightest region that can still grow takes its nearest free
    neighbour, across river or railway only when nothing else is left.
    """
    graph = contacts.matrix(len(weight))
    hard = {
        (int(i), int(j))
        for i, j, h, length in zip(
            contacts.i, contacts.j, contacts.hard, contacts.length, strict=True
        )
        if h > 0.5 * length
    }
    settled = np.flatnonzero(weight > 0.2 * np.median(weight))  # no region begins on empty land
    seeds = [int(settled[k]) for k in _far_apart(centre[settled], min(parts, len(settled)))]
    label = np.full(len(weight), -1)
    fronts: list[list[tuple[float, int]]] = [[(0.0, seed)] for seed in seeds]
    lightest = [(0.0, region) for region in range(len(seeds))]
    while lightest:
        total, region = heappop(lightest)
        while fronts[region] and label[fronts[region][0][1]] >= 0:
            heappop(fronts[region])
        if not fronts[region]:
            continue
        _, here = heappop(fronts[region])
        label[here] = region
        # empty land counts a little, or one region takes it all
        heappush(lightest, (total + max(float(weight[here]), 1e-6), region))
        for other in graph.indices[graph.indptr[here] : graph.indptr[here + 1]].tolist():
            if label[other] < 0:
                away = float(np.hypot(*(centre[other] - centre[seeds[region]])))
                detour = 3.0 if (min(here, other), max(here, other)) in hard else 1.0
                heappush(fronts[region], (away * detour, other))
    return label


def _far_apart(centre: Floats, count: int) -> list[int]:
    """Choose `count` things far from each other, the first farthest from the middle."""
    away = np.hypot(*(centre - centre.mean(0)).T)
    chosen = [int(np.argmax(away))]
    nearest = np.hypot(*(centre - centre[chosen[0]]).T)
    while len(chosen) < count:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.hypot(*(centre - centre[chosen[-1]]).T))
    return chosen
