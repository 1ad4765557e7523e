"""The exact coverage index: which cell of a proved coverage a point belongs to.

A point p belongs to the cell that contains p + (δ, δ²) for every small enough δ > 0: from a
shared edge it goes east, from a horizontal one north. A point on the outer border from which
that step leads outside goes to the touching cell of lowest rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from gridmap._arrays import Array, Bools, Floats, Ints8, Ints32, Rows, as_points
from gridmap.coverage.edges import Sides, orientation, paired_edges

EAST, WEST, STRADDLES = range(3)  # where an edge lies, seen from the pixel's western border

_PIXELS_PER_EDGE = 64
_FEWEST_PIXELS, _MOST_PIXELS = 1 << 14, 1 << 26
_LONGEST_SIDE = 1 << 16
_BAND = 200_000


class Raster(NamedTuple):
    """A raster of cells, with a list of edges for each pixel that an edge enters.

    ``cells`` holds the cell of a pure pixel, or ``~slot`` of a border pixel. The edges of a
    slot are ``entries[starts[slot]:starts[slot + 1]]``, each ``edge << 2 | side``; ``bases``
    holds the cell at the pixel's south-western corner, less the change across each edge that
    straddles its western border and has the corner on its right.
    """

    west: float
    south: float
    pixel: float
    columns: int
    rows: int
    cells: Ints32
    starts: Ints32
    bases: Ints32
    entries: Ints32

    def pixels_of(self, x: Floats, y: Floats) -> Ints32:
        """Return the position of each point's pixel; what lies beyond gets an empty one."""
        scale = 1.0 / self.pixel
        column = (x - self.west) * scale
        row = (y - self.south) * scale
        within = (column >= 0) & (row >= 0) & (column < self.columns) & (row < self.rows)
        if not within.all():  # the first pixel is outside the coverage by construction
            column = np.where(within, column, 0.0)
            row = np.where(within, row, 0.0)
        position = row.astype(np.int32)
        position *= np.int32(self.columns)
        position += column.astype(np.int32)
        return position


class _Frame(NamedTuple):
    west: float
    south: float
    pixel: float
    columns: int
    rows: int
    margin: float


def build_raster(sides: Sides, pixel: float | None = None) -> tuple[Raster, Sides]:
    """Build the raster of a coverage, by bands of rows.

    Parameters
    ----------
    sides : Sides
        The edges with the cell on each side.
    pixel : float, optional
        Side of a pixel; chosen by the number of edges when not given.

    Returns
    -------
    raster : Raster
    sides : Sides
        The same edges in the order that the raster refers to, neighbours near each other.
    """
    frame = _frame(sides, pixel)
    block = 16 * frame.pixel
    across = int(frame.columns // 16) + 2
    place = ((sides.ay - frame.south) // block).astype(np.int64) * across
    place += ((sides.ax - frame.west) // block).astype(np.int64)
    sides = sides.take(np.argsort(place, kind="stable"))
    cells = np.zeros(frame.columns * frame.rows, dtype=np.int32)
    lowest = _row(sides.ay - frame.margin, frame)
    highest = _row(sides.by + frame.margin, frame)
    starts: list[Ints32] = []
    bases: list[Ints32] = []
    entries: list[Ints32] = []
    slots = used = 0
    for first, last in _bands(lowest, highest, frame.rows):
        edges = np.flatnonzero((lowest < last) & (highest >= first)).astype(np.int32)
        if not len(edges):
            continue
        low = np.maximum(lowest[edges], first)
        which, row = _ranges(low, np.minimum(highest[edges], last - 1) - low + 1)
        edge = edges[which]
        _sweep_corners(sides, frame, edge, row, cells)
        band = cells[first * frame.columns : last * frame.columns].reshape(-1, frame.columns)
        np.cumsum(band, axis=1, out=band)
        start, base, entry = _list_edges(sides, frame, edge, row, cells, slots)
        starts.append(start + np.int32(used))
        bases.append(base)
        entries.append(entry)
        slots += len(base)
        used += len(entry)
    starts.append(np.array([used], dtype=np.int32))
    raster = Raster(
        *frame[:5], cells, np.concatenate(starts), np.concatenate(bases), np.concatenate(entries)
    )
    return raster, sides


def _frame(sides: Sides, pixel: float | None) -> _Frame:
    west, east = min(sides.ax.min(), sides.bx.min()), max(sides.ax.max(), sides.bx.max())
    south, north = sides.ay.min(), sides.by.max()
    width, height = float(east - west), float(north - south)
    if pixel is None:
        wanted = min(max(_PIXELS_PER_EDGE * len(sides.ax), _FEWEST_PIXELS), _MOST_PIXELS)
        pixel = float(np.sqrt(width * height / wanted))
    ulp = float(np.spacing(max(abs(west), abs(east), abs(south), abs(north), width, height)))
    finest = float(np.sqrt(width * height / _MOST_PIXELS))
    pixel = max(pixel, finest, max(width, height) / _LONGEST_SIDE, ulp * 2**14)
    margin = max(1e-9 * pixel, 16 * ulp)
    west, south = float(west) - 2 * pixel, float(south) - 2 * pixel
    columns = int((float(east) - west) / pixel) + 2
    rows = int((float(north) - south) / pixel) + 2
    return _Frame(west, south, pixel, columns, rows, margin)


def _row(y: Floats, frame: _Frame) -> Ints32:
    return _pixel_number((y - frame.south) / frame.pixel, frame.rows)


def _pixel_number(position: Floats, count: int) -> Ints32:
    return np.clip(np.floor(position), 0, count - 1).astype(np.int32)


def _bands(lowest: Ints32, highest: Ints32, rows: int) -> list[tuple[int, int]]:
    """Return bands of rows that hold about as many pieces of edges each."""
    pieces = np.bincount(lowest, minlength=rows + 1) - np.bincount(highest + 1, minlength=rows + 1)
    total = np.cumsum(np.cumsum(pieces)[:rows])
    cuts = np.searchsorted(total, np.arange(_BAND, total[-1], _BAND)) + 1
    edges = np.unique(np.r_[0, cuts, rows])
    return list(pairwise(edges.tolist()))


def _ranges(first: Ints32, count: Ints32) -> tuple[Ints32, Ints32]:
    """Return, for ranges of integers written one after the other, the range and the value."""
    which = np.repeat(np.arange(len(count), dtype=np.int32), count)
    begins = np.cumsum(count) - count
    value = np.arange(len(which), dtype=np.int32) + np.repeat(
        (first - begins).astype(np.int32), count
    )
    return which, value


def _on_right(sides: Sides, edge: Ints32, x: Floats, y: Floats) -> Bools:
    """Tell whether points, moved by (δ, δ²), lie right of the lines of edges."""
    ay, by = sides.ay[edge], sides.by[edge]
    turn = orientation(sides.ax[edge], ay, sides.bx[edge], by, x, y)
    right: Bools = (turn < 0) | ((turn == 0) & (by > ay))
    return right


def _sweep_corners(sides: Sides, frame: _Frame, edge: Ints32, row: Ints32, cells: Ints32) -> None:
    """Add the change across each edge at the first pixel corner of a row that is right of it."""
    y = frame.south + row.astype(np.float64) * frame.pixel
    crossing = np.flatnonzero(
        (sides.ay[edge] <= y) & (y < sides.by[edge]) & (sides.left[edge] != sides.right[edge])
    )
    edge, row, y = edge[crossing], row[crossing], y[crossing]
    ax, ay = sides.ax[edge], sides.ay[edge]
    slope = (sides.bx[edge] - ax) / (sides.by[edge] - ay)
    position = ((y - ay) * slope + ax - frame.west) / frame.pixel
    column = np.ceil(position)
    doubt = max(1e-5, 8 * frame.margin / frame.pixel)
    near = np.flatnonzero(np.abs(position - np.rint(position)) < doubt)
    if len(near):
        corner = np.rint(position[near]) - 1
        for _ in range(3):
            x = frame.west + corner * frame.pixel
            corner += ~_on_right(sides, edge[near], x, y[near])
        column[near] = corner
    inside = np.flatnonzero(column < frame.columns)
    pixel = row[inside] * np.int64(frame.columns) + column[inside].astype(np.int64)
    change = (sides.right[edge] - sides.left[edge])[inside]
    np.add.at(cells, pixel, change)


def _list_edges(
    sides: Sides, frame: _Frame, edge: Ints32, row: Ints32, cells: Ints32, slots: int
) -> tuple[Ints32, Ints32, Ints32]:
    """List the edges of each border pixel of a band, and mark these pixels in `cells`."""
    first, last = _columns(sides, frame, edge, row)
    which, column = _ranges(first, last - first + 1)
    edge, row = edge[which], row[which]
    pixel = row * np.int64(frame.columns) + column
    order = np.argsort(pixel, kind="stable")
    pixel, edge, column, row = pixel[order], edge[order], column[order], row[order]
    new = np.r_[True, pixel[1:] != pixel[:-1]]
    start = np.flatnonzero(new).astype(np.int32)
    base = cells[pixel[start]]
    cells[pixel[start]] = ~np.arange(slots, slots + len(start), dtype=np.int32)
    x = frame.west + column.astype(np.float64) * frame.pixel
    west = np.minimum(sides.ax[edge], sides.bx[edge])
    east = np.maximum(sides.ax[edge], sides.bx[edge])
    straddles = (west <= x) & (x < east)
    side = np.where(straddles, STRADDLES, np.where(east <= x, WEST, EAST)).astype(np.int32)
    found = np.flatnonzero(straddles)
    over = edge[found]
    y = frame.south + row[found].astype(np.float64) * frame.pixel
    right = _on_right(sides, over, x[found], y)
    slot = (np.cumsum(new, dtype=np.int32) - 1)[found[right]]
    over = over[right]
    np.subtract.at(base, slot, sides.right[over] - sides.left[over])
    return start, base, (edge << 2) | side


def _columns(sides: Sides, frame: _Frame, edge: Ints32, row: Ints32) -> tuple[Ints32, Ints32]:
    """Return the first and last column that each edge enters in a row, margins included."""
    ax, ay = sides.ax[edge], sides.ay[edge]
    bx, rise = sides.bx[edge], sides.by[edge] - ay
    bottom = frame.south + row * frame.pixel - frame.margin
    top = bottom + frame.pixel + 2 * frame.margin
    flat = rise <= 4 * frame.margin
    safe = np.where(flat, 1.0, rise)
    enters = ax + np.clip((bottom - ay) / safe, 0.0, 1.0) * (bx - ax)
    leaves = ax + np.clip((top - ay) / safe, 0.0, 1.0) * (bx - ax)
    enters[flat], leaves[flat] = ax[flat], bx[flat]
    margin = 2 * frame.margin
    west = np.minimum(enters, leaves) - margin
    east = np.maximum(enters, leaves) + margin
    first = _pixel_number((west - frame.west) / frame.pixel, frame.columns)
    last = _pixel_number((east - frame.west) / frame.pixel, frame.columns)
    return first, last


OUTSIDE, INSIDE, BOUNDARY, RIM = range(4)

Labels = Sequence[Any] | Array

_CHUNK = 1 << 16  # points whose working arrays stay in the cache of one core
_UNSURE = (3.0 + 16.0 * 2.0**-53) * 2.0**-53  # Shewchuk 1997, bound A of orient2d


class CoverageIndex:
    """Find the cell of any number of points, exactly and in nanoseconds each.

    A raster knows the cell of every pixel that no edge enters. In the other pixels the answer
    is the cell at the pixel's corner plus the change across each local edge on the way from
    there to the point: one orientation test an edge, exact whenever rounding could matter.

    Parameters
    ----------
    polygons : array of Polygon or MultiPolygon
        A proved coverage, such as the cells of a Grid: edge-matched and without overlap.
    labels : sequence, optional
        Codes of the polygons; a point of the outer border that touches several goes to the
        lowest. Without them the order of the polygons decides.
    pixel : float, optional
        Side of a pixel. It changes the speed, never the answer.

    Raises
    ------
    CoverageError
        When two polygons lie on one side of an edge, so that they overlap.

    Examples
    --------
    >>> import shapely
    >>> index = CoverageIndex(shapely.box([0, 5], 0, [5, 10], 5))
    >>> index.locate([1.0, 5.0, 10.0, 11.0], [1.0, 2.0, 2.0, 2.0])
    array([1, 2, 2, 0], dtype=int32)
    """

    def __init__(
        self,
        polygons: npt.ArrayLike,
        labels: Labels | None = None,
        *,
        pixel: float | None = None,
    ) -> None:
        polygons = np.asarray(polygons, dtype=object)
        self._set(paired_edges(polygons), ranks_of(labels, len(polygons)), pixel)

    def _set(self, sides: Sides, ranks: Ints32, pixel: float | None) -> None:
        raster, sides = build_raster(sides, pixel)
        self._adopt(sides, ranks, raster)

    def _adopt(self, sides: Sides, ranks: Ints32, raster: Raster) -> None:
        self._sides, self._ranks, self._raster = sides, ranks, raster
        self._ends = np.column_stack([sides.ax, sides.ay, sides.bx, sides.by])
        self._change = sides.right - sides.left

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Self:
        """Make an index again from what `to_arrays` returned."""
        index = cls.__new__(cls)
        sides = Sides(*(arrays[name] for name in Sides._fields))
        frame = arrays["frame"]
        raster = Raster(
            float(frame[0]), float(frame[1]), float(frame[2]), int(frame[3]), int(frame[4]),
            *(arrays[name] for name in Raster._fields[5:]),
        )  # fmt: skip
        index._adopt(sides, arrays["ranks"], raster)
        return index

    def to_arrays(self) -> dict[str, Array]:
        """Return the whole index as named arrays, to be kept in a file."""
        frame = np.array(self._raster[:5], dtype=np.float64)
        tables = dict(zip(Raster._fields[5:], self._raster[5:], strict=True))
        return {**self._sides._asdict(), **tables, "frame": frame, "ranks": self._ranks}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the edges alone, a tenth of the whole; the raster is built again."""
        return _unpickled, (type(self), self._sides, self._ranks, self._raster.pixel)

    def __len__(self) -> int:
        """Return the number of polygons."""
        return len(self._ranks) - 1

    def __repr__(self) -> str:
        """Tell the size."""
        raster = self._raster
        return (
            f"<CoverageIndex of {len(self):,} cells, {len(self._change):,} edges, "
            f"{raster.columns:,} x {raster.rows:,} pixels>"
        )

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the index holds."""
        arrays = self.to_arrays().values()
        return sum(array.nbytes for array in arrays) + self._ends.nbytes + self._change.nbytes

    def locate(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Ints32:
        """Return the cell of each point: 0 outside, k for the polygon at k - 1.

        Parameters
        ----------
        x, y : float arrays, shape (n,)
            Coordinates in the CRS of the polygons; what is not finite is outside.
        """
        x, y = _as_floats(x), _as_floats(y)
        cell = np.empty(len(x), dtype=np.int32)
        for start in range(0, len(x), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._relate(x[part], y[part], cell[part], None)
        return cell

    def relate(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Ints32, Ints8]:
        """Return the cell of each point as `locate` does, and how the point lies.

        Parameters
        ----------
        x, y : float arrays, shape (n,)
            Coordinates in the CRS of the polygons.

        Returns
        -------
        cell : int32 array, shape (n,)
            0 outside, k for the polygon at k - 1.
        place : int8 array, shape (n,)
            OUTSIDE, INSIDE, BOUNDARY (on an edge of two cells) or RIM (on the outer border).
        """
        x, y = _as_floats(x), _as_floats(y)
        cell = np.empty(len(x), dtype=np.int32)
        place = np.empty(len(x), dtype=np.int8)
        for start in range(0, len(x), _CHUNK):
            part = slice(start, start + _CHUNK)
            self._relate(x[part], y[part], cell[part], place[part])
        return cell, place

    def outer_edges(self) -> tuple[Floats, Ints32]:
        """Return the edges of the outer border, shape (n, 4), and the cell behind each."""
        left, right = self._sides.left, self._sides.right
        outer = np.flatnonzero((left == 0) | (right == 0))
        return self._ends[outer], np.maximum(left, right)[outer]

    def outer_corners(self) -> tuple[Floats, Ints32]:
        """Return vertices of the outer border, shape (n, 2), with cells that end there.

        Such a cell may touch the border in this point alone.
        """
        left, right = self._sides.left, self._sides.right
        inner = np.flatnonzero((left > 0) & (right > 0))
        ends = np.concatenate([self._ends[inner, :2], self._ends[inner, 2:]])
        outer = self.outer_edges()[0].reshape(-1, 2)
        at = np.flatnonzero(_perhaps_among(ends[:, 0], outer[:, 0]))
        at = at[np.isin(as_points(ends[at]), as_points(outer))]
        xy, edge = ends[at], inner[at % len(inner)] if len(inner) else inner
        return np.concatenate([xy, xy]), np.concatenate([left[edge], right[edge]])

    @property
    def ranks(self) -> Ints32:
        """Rank of the label of cell k at position k; the lowest goes first in a tie."""
        return self._ranks

    def _relate(self, x: Floats, y: Floats, cell: Ints32, place: Ints8 | None) -> None:
        """Fill in the cell, and where wanted the place, of one chunk of points."""
        pixels = self._raster.pixels_of(x, y)
        answer = self._raster.cells.take(pixels)
        border = np.flatnonzero(answer < 0)
        touched: tuple[Rows, Ints32] | None = None
        if len(border):
            answer[border], touched = self._across(x, y, border, ~answer[border])
        cell[:] = answer
        if place is not None:
            np.sign(answer, out=place, casting="unsafe")
        if touched is not None and len(touched[0]):
            self._settle(*touched, cell, place)

    def _across(
        self, x: Floats, y: Floats, border: Rows, slot: Ints32
    ) -> tuple[Ints32, tuple[Rows, Ints32]]:
        """Return the cells of points in border pixels, and which edges points lie on."""
        raster = self._raster
        first = raster.starts[slot]
        count = raster.starts[slot + 1] - first
        ends = np.cumsum(count, dtype=np.int32)
        begins = ends - count
        entries = np.arange(ends[-1], dtype=np.int32)
        entries += np.repeat(first - begins, count)
        packed = raster.entries[entries]
        edge, side = packed >> 2, packed & 3
        point = np.repeat(border, count)
        px, py = x[point], y[point]
        ax, ay, bx, by = self._ends.take(edge, axis=0).T
        level = (ay <= py) & (py <= by)
        turn = turn_of(ax, ay, bx, by, px, py, level)
        crossed = np.where(
            level & (py < by),
            (turn <= 0).astype(np.int32) - (side == WEST),
            (side == STRADDLES) & ((py >= by) == (bx < ax)),
        )
        crossed *= self._change[edge]
        on = np.flatnonzero((turn == 0) & level)
        on = on[(np.minimum(ax[on], bx[on]) <= px[on]) & (px[on] <= np.maximum(ax[on], bx[on]))]
        return raster.bases[slot] + np.add.reduceat(crossed, begins), (point[on], edge[on])

    def _settle(
        self,
        point: Rows,
        edge: Ints32,
        cell: Ints32,
        place: Ints8 | None,
    ) -> None:
        """Mark the points that lie on edges; give those of the rim a touching cell."""
        left, right = self._sides.left[edge], self._sides.right[edge]
        if place is not None:
            kind = np.where((left == 0) | (right == 0), RIM, BOUNDARY).astype(np.int8)
            np.maximum.at(place, point, kind)
        homeless = np.flatnonzero(cell[point] == 0)
        if len(homeless):
            owners = np.concatenate([left[homeless], right[homeless]])
            points = np.tile(point[homeless], 2)
            owned = owners > 0
            who, lowest = lowest_ranked(points[owned], owners[owned], self._ranks)
            cell[who] = lowest


def lowest_ranked(point: Rows, cell: Ints32, ranks: Ints32) -> tuple[Rows, Ints32]:
    """Return each point once, with the cell of lowest rank among those it is paired with."""
    order = np.lexsort((ranks[cell], point))
    point = point[order]
    first = np.r_[True, point[1:] != point[:-1]][: len(point)]
    return point[first], cell[order][first]


def ranks_of(labels: Labels | None, count: int) -> Ints32:
    """Return at position k the rank of label k - 1 among all, from 1; 0 at position 0."""
    ranks = np.arange(count + 1, dtype=np.int32)
    if labels is not None and list(labels) != sorted(labels):
        order = np.argsort(np.asarray(labels, dtype=object), kind="stable")
        ranks[order + 1] = np.arange(1, count + 1)
    return ranks


def turn_of(
    ax: Floats, ay: Floats, bx: Floats, by: Floats, px: Floats, py: Floats, needed: Any
) -> Floats:
    """Return a value whose sign is the orientation of a, b, p, exact where needed."""
    plus = (ax - px) * (by - py)
    minus = (ay - py) * (bx - px)
    turn = plus - minus
    unsure = np.abs(turn) <= _UNSURE * (np.abs(plus) + np.abs(minus))
    unsure &= needed
    which = np.flatnonzero(unsure)
    if len(which):
        turn[which] = orientation(ax[which], ay[which], bx[which], by[which], px[which], py[which])
    return turn


def _as_floats(values: npt.ArrayLike) -> Floats:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))


def _perhaps_among(values: Floats, wanted: Floats) -> Bools:
    """Tell which values may be among a few others: all that are, and hardly any more."""
    some = np.zeros(1 << 20, dtype=bool)
    place, sought = (
        (np.ascontiguousarray(xs + 0.0).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        >> np.uint64(44)
        for xs in (values, wanted)
    )
    some[sought] = True
    found: Bools = some[place]
    return found


def _unpickled(
    kind: type[CoverageIndex], sides: Sides, ranks: Ints32, pixel: float
) -> CoverageIndex:
    index = kind.__new__(kind)
    index._set(sides, ranks, pixel)
    return index
