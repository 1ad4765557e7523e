"""Hashes of vertices, edges and whole coverages that do not depend on their order.

The fingerprint of a coverage is the SHA-256 of the sorted 128-bit sums that its polygons give, each
the sum over its directed edges. It does not change when cells are reordered or rings start
elsewhere, and it does when a coordinate changes by one bit. It guards against accident; against
forgery the proof itself is there to be checked again.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

# splitmix64 (Steele, Lea & Flood 2014)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_X, _Y = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_LANE = np.uint64(0x165667B19E3779F9)


def bits(values: NDArray[np.float64]) -> Words:
    """Return the bits of doubles as whole numbers."""
    return np.ascontiguousarray(values).view(np.uint64)


def mix(words: Words) -> Words:
    """Scatter the bits of each word."""
    z = (words ^ (words >> np.uint64(30))) * _M1
    z = (z ^ (z >> np.uint64(27))) * _M2
    return z ^ (z >> np.uint64(31))


def vertex_hashes(xy: NDArray[np.float64]) -> Words:
    """Return one word a vertex, from the bits of its coordinates."""
    x, y = bits(xy[:, 0]), bits(xy[:, 1])
    return mix(mix(x + _X) + y * _Y)


def edge_keys(start: Words, end: Words) -> Words:
    """Return one word an edge that does not depend on its direction."""
    return start + end


def ring_sums(edges: NDArray[np.float64], owner: NDArray[np.int64], polygons: int) -> Words:
    """Return two words a polygon: sums over its directed edges."""
    word = mix(vertex_hashes(edges[:, :2]) * _X + vertex_hashes(edges[:, 2:]))
    sums = np.zeros((polygons, 2), dtype=np.uint64)
    if len(edges):
        heads = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
        sums[owner[heads], 0] = np.add.reduceat(word, heads)
        sums[owner[heads], 1] = np.add.reduceat(mix(word ^ _LANE), heads)
    return sums


def fingerprint(sums: Words) -> str:
    """Return one name for a set of polygons, whatever their order."""
    order = np.lexsort((sums[:, 1], sums[:, 0]))
    return hashlib.sha256(sums[order].astype(">u8").tobytes()).hexdigest()
