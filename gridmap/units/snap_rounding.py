"""Faces of many lines: noded by snap rounding on a lattice, and traced, in compiled code.

Each endpoint and each crossing, rounded to the lattice, is a hot pixel; a segment is led through
the middle of every hot pixel that it meets (Hobby 1999, Practical segment intersection with finite
precision output). What is left has no crossing, and its faces are walked edge by edge. Signs of
turns are exact: coordinates are whole numbers of steps of the lattice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from gridmap._arrays import Array, Bools, Floats, Geometries, Ints, components
from gridmap.coverage.kernels import compiled, inlined

SHIFT = 22
"""Bits of the halves in which whole numbers under 2⁴⁴ are multiplied."""
_MASK = (1 << SHIFT) - 1
_NUDGE = 2.0**-49  # of a segment: more than the error of a crossing, which may be on a rim


def noded(lines: Geometries, step: float) -> tuple[Ints, Ints]:
    """Return the nodes of lines in steps of the lattice, and the edges between them."""
    xy, line = shapely.get_coordinates(lines, return_index=True)
    at = _packed(np.floor(xy / step + 0.5))
    joined = np.flatnonzero(line[1:] == line[:-1])
    corner = distinct(at)
    ends = np.searchsorted(corner, at)
    edges = _undirected(ends[joined], ends[joined + 1], len(corner))
    if not len(edges):
        return np.empty((0, 2), dtype=np.int64), edges
    segments = _unpacked(corner)[edges].reshape(-1, 4)
    cells = _Cells(segments)
    crossing = crossings(segments, *cells.lists)
    place = distinct(np.r_[corner, _packed(crossing)])
    pixels = _unpacked(place)
    segment, node, along = hits(segments, pixels, cells.of_points(pixels), *cells.lists)
    order = np.lexsort((along, segment))
    segment, node = segment[order], node[order]
    on = segment[1:] == segment[:-1]
    return pixels, _undirected(node[:-1][on], node[1:][on], len(place))


def distinct(values: Array) -> Array:
    """Return the sorted values, each once; sorting is faster than the hashes of `np.unique`."""
    values = np.sort(values)
    return values[np.r_[True, values[1:] != values[:-1]]] if len(values) else values


def _undirected(one: Ints, other: Ints, n: int) -> Ints:
    """Return pairs of different nodes among n, each once, the first before the other."""
    one, other = np.minimum(one, other), np.maximum(one, other)
    key = distinct((one * np.int64(n) + other)[one != other])
    return np.asarray(np.c_[key // n, key % n], dtype=np.int64)


def _packed(at: Ints) -> Array:
    """Return places as one number each, ordered by x and then y."""
    return np.ascontiguousarray(at, dtype=np.float64).view(np.complex128).ravel()


def _unpacked(place: Array) -> Ints:
    """Return x and y of packed places."""
    return place.view(np.float64).reshape(-1, 2).astype(np.int64)


class _Cells:
    """Segments by the cells of a square grid that they pass, or come within a step of."""

    def __init__(self, segments: Ints) -> None:
        low = np.minimum(segments[:, :2], segments[:, 2:]).min(axis=0) - 2
        high = np.maximum(segments[:, :2], segments[:, 2:]).max(axis=0) + 2
        extent = np.abs(segments[:, 2:] - segments[:, :2]).max(axis=1)
        size = max(int(extent.mean()), int((high - low).max()) // 2048, 4)
        columns, rows = ((high - low) // size + 1).tolist()
        self.low, self.size, self.columns = low, size, columns
        grid = low, size, columns
        start = np.zeros(columns * rows + 1, dtype=np.int64)
        by_cell(segments, *grid, start, np.empty(0, dtype=np.int32))
        start = np.r_[0, np.cumsum(start[:-1])]
        member = np.empty(start[-1], dtype=np.int32)
        by_cell(segments, *grid, start.copy(), member)
        self.lists = start, member

    def of_points(self, at: Ints) -> Ints:
        """Return the cell of each point."""
        column, row = ((at - self.low) // self.size).T
        return np.asarray(row * self.columns + column, dtype=np.int64)


@compiled
def by_cell(segments: Ints, low: Ints, size: int, columns: int, start: Ints, member: Array) -> None:
    """Count the segments of each cell in `start`, or where `member` has room write them there."""
    for k in range(len(segments)):
        x0, y0, x1, y1 = segments[k]
        first, last = (min(y0, y1) - 1 - low[1]) // size, (max(y0, y1) + 1 - low[1]) // size
        slope = (x1 - x0) / (y1 - y0) if y1 != y0 else 0.0
        for row in range(first, last + 1):
            left, right = float(min(x0, x1)), float(max(x0, x1))
            if y1 != y0 and last > first:
                one = x0 + slope * (low[1] + row * size - 1 - y0)
                other = x0 + slope * (low[1] + (row + 1) * size + 1 - y0)
                left, right = max(left, min(one, other)), min(right, max(one, other))
            from_ = (np.int64(np.floor(left)) - 3 - low[0]) // size
            to = (np.int64(np.ceil(right)) + 3 - low[0]) // size
            for column in range(max(from_, 0), min(to, columns - 1) + 1):
                cell = row * columns + column
                if len(member):
                    member[start[cell]] = k
                start[cell] += 1


@inlined
def determinant(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Return a·d − b·c of whole numbers under 2⁴⁴, rounded once: its sign is exact."""
    a1, b1, c1, d1 = a >> SHIFT, b >> SHIFT, c >> SHIFT, d >> SHIFT
    a0, b0, c0, d0 = a & _MASK, b & _MASK, c & _MASK, d & _MASK
    low = a0 * d0 - b0 * c0
    middle = a1 * d0 + a0 * d1 - b1 * c0 - b0 * c1 + (low >> SHIFT)
    high = a1 * d1 - b1 * c1 + (middle >> SHIFT)
    rest = ((middle & _MASK) << SHIFT) + (low & _MASK)
    if high < 0 and rest > 0:  # both parts of one sign, or their sum would cancel
        high, rest = high + 1, rest - (np.int64(1) << (2 * SHIFT))
    return float(high) * 2.0 ** (2 * SHIFT) + float(rest)


@compiled
def crossings(segments: Ints, start: Ints, member: Array) -> Ints:
    """Return where two segments cross inside both, rounded to a pixel that both meet."""
    found = np.empty((max(len(segments), 16), 2), dtype=np.int64)
    n = 0
    for cell in range(len(start) - 1):
        for p in range(start[cell], start[cell + 1]):
            ax, ay, bx, by = segments[member[p]]
            for q in range(p + 1, start[cell + 1]):
                cx, cy, dx, dy = segments[member[q]]
                # the ends of a segment are ordered by x
                if cx > bx or ax > dx or min(cy, dy) > max(ay, by) or min(ay, by) > max(cy, dy):
                    continue
                c = determinant(bx - ax, by - ay, cx - ax, cy - ay)
                d = determinant(bx - ax, by - ay, dx - ax, dy - ay)
                if not ((c < 0.0 and d > 0.0) or (c > 0.0 and d < 0.0)):
                    continue
                a = determinant(dx - cx, dy - cy, ax - cx, ay - cy)
                b = determinant(dx - cx, dy - cy, bx - cx, by - cy)
                if not ((a < 0.0 and b > 0.0) or (a > 0.0 and b < 0.0)):
                    continue
                if n == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                x, y = a / (a - b) * (bx - ax) + 0.5, a / (a - b) * (by - ay) + 0.5
                nudge = _NUDGE * (bx - ax + abs(by - ay))
                for turn in range(4):
                    east, north = nudge * (1 - turn % 2 * 2), nudge * (1 - turn // 2 * 2)
                    at_x = ax + np.int64(np.floor(x + east))
                    at_y = ay + np.int64(np.floor(y + north))
                    if _meets(ax, ay, bx, by, at_x, at_y) and _meets(cx, cy, dx, dy, at_x, at_y):
                        break
                found[n, 0], found[n, 1] = at_x, at_y
                n += 1
    return found[:n]


@inlined
def _meets(ax: Any, ay: Any, bx: Any, by: Any, x: Any, y: Any) -> bool:
    """Tell whether a segment passes through the square of side 1 around a whole point.

    The square has its lower and its left rim, so that each place is in one of them.
    """
    if x < ax or x > bx or y < min(ay, by) or y > max(ay, by):
        return False
    off = 2.0 * determinant(bx - ax, by - ay, x - ax, y - ay)
    rim = float(bx - ax + abs(by - ay))
    return bool(abs(off) < rim or (off == rim and by < ay))


@compiled
def hits(
    segments: Ints, pixels: Ints, cell: Ints, start: Ints, member: Array
) -> tuple[Ints, Ints, Floats]:
    """Return each segment, pixel that it meets, and how far along it lies."""
    room = 4 * len(segments) + 16
    segment, pixel = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
    along = np.empty(room)
    n = 0
    for k in range(len(pixels)):
        x, y = pixels[k]
        for p in range(start[cell[k]], start[cell[k] + 1]):
            ax, ay, bx, by = segments[member[p]]
            if not _meets(ax, ay, bx, by, x, y):
                continue
            if n == room:
                room *= 2
                segment = np.concatenate((segment, np.empty_like(segment)))
                pixel = np.concatenate((pixel, np.empty_like(pixel)))
                along = np.concatenate((along, np.empty_like(along)))
            segment[n], pixel[n] = member[p], k
            along[n] = float(bx - ax) * float(x - ax) + float(by - ay) * float(y - ay)
            n += 1
    return segment[:n], pixel[:n], along[:n]


def faces(place: Ints, edges: Ints, step: float) -> Geometries:
    """Return the bounded faces of edges that meet at their ends only, each a polygon."""
    edges = edges[without_dangles(edges, len(place))]
    if not len(edges):
        return np.empty(0, dtype=object)
    following = _next(place, edges)
    left, right = np.split(walks(following), 2)
    if (left == right).any():  # bridges, with one face on both sides
        return faces(place, edges[left != right], step)
    return _polygons(place, edges, step, *simple_rings(edges.T.ravel(), following, len(place)))


def _polygons(
    place: Ints, edges: Ints, step: float, node: Ints, ring: Ints, of_walk: Ints
) -> Geometries:
    """Return rings as polygons, each ring inside another's face as a hole of it."""
    xy = place[node] * step
    rings = np.asarray(shapely.linearrings(xy, indices=ring), dtype=object)
    shell = shapely.is_ccw(rings)
    shells, holes = np.flatnonzero(shell), np.flatnonzero(~shell)
    number = np.cumsum(shell) - 1
    polygons = np.asarray(shapely.polygons(rings[shells]), dtype=object)
    shell_of_walk = np.full(int(of_walk.max()) + 1, -1, dtype=np.int64)
    shell_of_walk[of_walk[shells]] = number[shells]
    into = shell_of_walk[of_walk[holes]]
    loose = np.flatnonzero(into < 0)
    if len(loose):
        first = node[np.searchsorted(ring, np.arange(len(rings)))]
        part = components(len(place), edges[:, 0], edges[:, 1])[first]
        into[loose] = _around(rings[holes[loose]], part[holes[loose]], polygons, part[shells])
    holes, into = holes[into >= 0], into[into >= 0]
    order = np.argsort(into, kind="stable")
    holes, into = holes[order], into[order]
    for k in np.unique(into).tolist():
        mine = holes[np.searchsorted(into, k) : np.searchsorted(into, k, side="right")]
        polygons[k] = shapely.polygons(rings[shells[k]], rings[mine])
    return polygons


def _around(rings: Geometries, part: Ints, polygons: Geometries, of_polygon: Ints) -> Ints:
    """Return the smallest polygon of another connected part that each ring lies in, or -1."""
    start = shapely.get_point(rings, 0)
    ring, polygon = shapely.STRtree(polygons).query(start, predicate="within")
    other = part[ring] != of_polygon[polygon]
    ring, polygon = ring[other], polygon[other]
    order = np.lexsort((shapely.area(polygons[polygon]), ring))
    result = np.full(len(rings), -1, dtype=np.int64)
    result[ring[order][::-1]] = polygon[order][::-1]  # the smallest is written last
    return result


@compiled
def without_dangles(edges: Ints, n: int) -> Bools:
    """Tell which edges are left when those with a loose end are taken away again and again."""
    degree, sum_ = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for k in range(len(edges)):
        for end in edges[k]:
            degree[end] += 1
            sum_[end] ^= k
    keep = np.ones(len(edges), dtype=np.bool_)
    for node in range(n):
        at = node
        while degree[at] == 1:
            k = sum_[at]  # the only edge left
            keep[k] = False
            for end in edges[k]:
                degree[end] -= 1
                sum_[end] ^= k
            at = edges[k, 0] + edges[k, 1] - at
    return keep


@inlined
def _after(one: Any, other: Any, place: Any, origin: Any, target: Any) -> bool:
    """Tell whether an edge leaves a node at a larger angle than another."""
    a, b, c, d = origin[one], target[one], origin[other], target[other]
    ax, ay = place[b, 0] - place[a, 0], place[b, 1] - place[a, 1]
    bx, by = place[d, 0] - place[c, 0], place[d, 1] - place[c, 1]
    up, other_up = ay > 0 or (ay == 0 and ax > 0), by > 0 or (by == 0 and bx > 0)
    if up != other_up:
        return bool(other_up)
    return bool(determinant(ax, ay, bx, by) < 0.0)


def _next(place: Ints, edges: Ints) -> Ints:
    """Return for each directed edge the one that follows round the face on its left."""
    origin, target = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    order = np.argsort(origin, kind="stable")
    start = np.searchsorted(origin[order], np.arange(len(place) + 1))
    return successors(place, origin, target, order, start)


@compiled
def successors(place: Ints, origin: Ints, target: Ints, order: Ints, start: Ints) -> Ints:
    """Sort the edges around each node by angle; at its end an edge turns as far left as it can."""
    result = np.empty(len(origin), dtype=np.int64)
    for node in range(len(start) - 1):
        first, last = start[node], start[node + 1]
        for p in range(first + 1, last):
            edge, q = order[p], p
            while q > first and _after(order[q - 1], edge, place, origin, target):
                order[q] = order[q - 1]
                q -= 1
            order[q] = edge
        for p in range(first, last):
            twin = (order[p] + len(origin) // 2) % len(origin)
            result[twin] = order[p - 1] if p > first else order[last - 1]
    return result


@compiled
def walks(following: Ints) -> Ints:
    """Number the closed walks of edges that follow each other."""
    result = np.full(len(following), -1, dtype=np.int64)
    n = 0
    for first in range(len(following)):
        at = first
        while result[at] < 0:
            result[at] = n
            at = following[at]
        n += at == first and result[first] == n
    return result


@compiled
def simple_rings(origin: Ints, following: Ints, n: int) -> tuple[Ints, Ints, Ints]:
    """Return closed rings that pass no node twice: nodes, the ring of each, the walk of each ring.

    A walk that comes to a node again has closed a ring, which is taken out of it.
    """
    node, ring = (
        np.empty(2 * len(origin), dtype=np.int64),
        np.empty(2 * len(origin), dtype=np.int64),
    )
    of_walk = np.empty(len(origin), dtype=np.int64)
    seen, stack = np.zeros(len(origin), dtype=np.bool_), np.empty(len(origin) + 1, dtype=np.int64)
    level = np.full(n, -1, dtype=np.int64)
    rows, rings, number = 0, 0, 0
    for first in range(len(origin)):
        if seen[first]:
            continue
        at, depth = first, 0
        while True:
            here = origin[at]
            if level[here] >= 0:
                bottom = level[here]
                for p in range(bottom, depth):
                    node[rows], ring[rows] = stack[p], rings
                    rows += 1
                    level[stack[p]] = -1
                node[rows], ring[rows] = here, rings
                rows += 1
                of_walk[rings] = number
                rings += 1
                depth = bottom
            if seen[at]:
                break
            level[here] = depth
            stack[depth] = here
            depth += 1
            seen[at] = True
            at = following[at]
        number += 1
    return node[:rows], ring[:rows], of_walk[:rings]
