"""The raster under the coverage index: pure pixels, and the edges of all others."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridmap.coverage.predicates import orientation
from gridmap.coverage.sides import Sides

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

EAST, WEST, STRADDLES = range(3)  # where an edge lies, seen from the pixel's western border

_PIXELS_PER_EDGE = 64
_FEWEST_PIXELS, _MOST_PIXELS = 1 << 14, 1 << 26
_LONGEST_SIDE = 1 << 16
_BAND = 1 << 20  # entries of a row band, to bound the memory of building


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
    cells: Ints
    starts: Ints
    bases: Ints
    entries: Ints

    def pixels_of(self, x: Floats, y: Floats) -> Ints:
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
    starts: list[Ints] = []
    bases: list[Ints] = []
    entries: list[Ints] = []
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


def _row(y: Floats, frame: _Frame) -> Ints:
    return _pixel_number((y - frame.south) / frame.pixel, frame.rows)


def _pixel_number(position: Floats, count: int) -> Ints:
    return np.clip(np.floor(position), 0, count - 1).astype(np.int32)


def _bands(lowest: Ints, highest: Ints, rows: int) -> list[tuple[int, int]]:
    """Return bands of rows that hold about as many pieces of edges each."""
    pieces = np.bincount(lowest, minlength=rows + 1) - np.bincount(highest + 1, minlength=rows + 1)
    total = np.cumsum(np.cumsum(pieces)[:rows])
    cuts = np.searchsorted(total, np.arange(_BAND, total[-1], _BAND)) + 1
    edges = np.unique(np.r_[0, cuts, rows])
    return list(pairwise(edges.tolist()))


def _ranges(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Return, for ranges of integers written one after the other, the range and the value."""
    which = np.repeat(np.arange(len(count), dtype=np.int32), count)
    begins = np.cumsum(count) - count
    value = np.arange(len(which), dtype=np.int32) + np.repeat(
        (first - begins).astype(np.int32), count
    )
    return which, value


def _on_right(sides: Sides, edge: Ints, x: Floats, y: Floats) -> Bools:
    """Tell whether points, moved by (δ, δ²), lie right of the lines of edges."""
    ay, by = sides.ay[edge], sides.by[edge]
    turn = orientation(sides.ax[edge], ay, sides.bx[edge], by, x, y)
    right: Bools = (turn < 0) | ((turn == 0) & (by > ay))
    return right


def _sweep_corners(sides: Sides, frame: _Frame, edge: Ints, row: Ints, cells: Ints) -> None:
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
    sides: Sides, frame: _Frame, edge: Ints, row: Ints, cells: Ints, slots: int
) -> tuple[Ints, Ints, Ints]:
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


def _columns(sides: Sides, frame: _Frame, edge: Ints, row: Ints) -> tuple[Ints, Ints]:
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
