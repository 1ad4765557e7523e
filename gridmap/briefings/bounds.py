"""The four bounds of a cell (四至): what lies to its east, south, west and north."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from gridmap._checks import check_same_crs
from gridmap.errors import InputError

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

SIDES = ("east", "south", "west", "north")
NEAR = 20.0  # metres from a border to the line that names it
ALONG = 0.5  # how much nearer to that line a piece may come over its own length
ENOUGH = 0.3  # share of a side that a barrier must run along to name it
STEP = 5.0  # metres between the places on the border that are asked


class Bound(NamedTuple):
    """What a side of a cell runs along, over which share of it."""

    side: str
    name: str
    kind: str  # "barrier", "cell" or "outside"
    share: float
    x: float
    y: float


def four_bounds(grid: Grid, code: str, barriers: gpd.GeoDataFrame | None = None) -> list[Bound]:
    """Name what bounds a cell on each side.

    Each piece of the border belongs to the side its outward normal points to. A side is named by
    the barrier it runs along longest, if that is at least three tenths of it; else by the cell
    beyond it, or by nothing where the grid ends.

    Parameters
    ----------
    grid
        A proved grid.
    code
        The cell.
    barriers
        Lines with a column ``name``, in the CRS of the grid.

    Returns
    -------
    list of Bound
        East, south, west, north.

    Raises
    ------
    InputError
        When no cell has the code, or barriers have no names.
    """
    if code not in grid.cells.index:
        raise InputError("No cell has the code {code!r}.", code=code)
    shape = shapely.orient_polygons(grid.cells.geometry[code])
    middle, normal, length = _pieces(shape)
    side = _sides(normal)
    names = _barrier_names(middle, normal, barriers, grid)
    beyond = _beyond(middle, normal, grid)
    return [_bound(name, side == k, middle, length, names, beyond) for k, name in enumerate(SIDES)]


Floats = npt.NDArray[np.float64]


def _pieces(shape: shapely.Geometry) -> tuple[Floats, Floats, Floats]:
    """Cut the outer border into short pieces: middle, outward normal, length."""
    parts = shapely.get_parts(shape)
    rings = shapely.segmentize(shapely.get_exterior_ring(parts), STEP)
    middles, normals, lengths = [], [], []
    for ring in rings:
        xy = shapely.get_coordinates(ring)
        step = np.diff(xy, axis=0)
        middles.append((xy[1:] + xy[:-1]) / 2)
        normals.append(np.column_stack([step[:, 1], -step[:, 0]]))
        lengths.append(np.hypot(step[:, 0], step[:, 1]))
    return np.vstack(middles), np.vstack(normals), np.concatenate(lengths)


def _sides(normal: Floats) -> npt.NDArray[np.int64]:
    across = np.abs(normal[:, 0]) >= np.abs(normal[:, 1])
    return np.where(
        across, np.where(normal[:, 0] > 0, 0, 2), np.where(normal[:, 1] > 0, 3, 1)
    ).astype(np.int64)


def _barrier_names(
    middle: Floats, normal: Floats, barriers: gpd.GeoDataFrame | None, grid: Grid
) -> npt.NDArray[np.object_]:
    """Name the barrier that each piece runs along, "" where none is near or it only meets one."""
    names = np.full(len(middle), "", dtype=object)
    if barriers is None or not len(barriers):
        return names
    check_same_crs("grid", grid.cells, "barriers", barriers)
    if "name" not in barriers:
        raise InputError("`barriers` have no column `name`, so they cannot name a bound.")
    named = barriers[barriers["name"].notna() & (barriers["name"].astype(str) != "")]
    tree = shapely.STRtree(named.geometry.to_numpy())
    piece, line = tree.query_nearest(shapely.points(middle), max_distance=NEAR, all_matches=False)
    lines = named.geometry.to_numpy()[line]
    half = np.column_stack([-normal[piece, 1], normal[piece, 0]]) / 2
    start = shapely.distance(shapely.points(middle[piece] - half), lines)
    end = shapely.distance(shapely.points(middle[piece] + half), lines)
    along = np.abs(start - end) <= ALONG * 2 * np.hypot(half[:, 0], half[:, 1])
    names[piece[along]] = named["name"].astype(str).to_numpy()[line[along]]
    return names


def _beyond(middle: Floats, normal: Floats, grid: Grid) -> npt.NDArray[np.object_]:
    """Name the cell just beyond each piece, "" outside the grid."""
    unit = normal / np.maximum(np.hypot(normal[:, 0], normal[:, 1]), 1e-12)[:, None]
    beyond = middle + 0.5 * unit
    cells = grid.cells
    tree = shapely.STRtree(cells.geometry.to_numpy())
    piece, cell = tree.query(shapely.points(beyond), predicate="intersects")
    names = np.full(len(middle), "", dtype=object)
    names[piece] = cells["name"].astype(str).to_numpy()[cell]
    return names


def _bound(
    side: str,
    on: npt.NDArray[np.bool_],
    middle: Floats,
    length: Floats,
    names: npt.NDArray[np.object_],
    beyond: npt.NDArray[np.object_],
) -> Bound:
    total = float(length[on].sum())
    if not total:
        return Bound(side, "", "outside", 0.0, float("nan"), float("nan"))
    for kind, column, least in (("barrier", names, ENOUGH), ("cell", beyond, 0.0)):
        sums = pd.Series(length[on]).groupby(column[on]).sum().drop("", errors="ignore")
        if len(sums) and sums.max() >= least * total:
            name = str(sums.idxmax())
            chosen = on & (column == name)
            x, y = _middle(middle[chosen], length[chosen])
            return Bound(side, name, kind, float(sums.max()) / total, x, y)
    x, y = _middle(middle[on], length[on])
    return Bound(side, "", "outside", 1.0, x, y)


def _middle(points: Floats, weight: Floats) -> tuple[float, float]:
    """Return the piece nearest to the weighted mean."""
    mean = np.average(points, axis=0, weights=weight)
    nearest = points[np.argmin(((points - mean) ** 2).sum(axis=1))]
    return float(nearest[0]), float(nearest[1])


def as_dict(bound: Bound) -> dict[str, Any]:
    """Return a bound as figures."""
    return {"name": bound.name, "kind": bound.kind, "share": bound.share}
