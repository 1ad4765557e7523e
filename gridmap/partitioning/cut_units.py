"""Cut units along drawn lines: every neighbour gets the vertex in which a cut ends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, geometries, positions
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, places_in
from gridmap.partitioning.change_file import Cut

SNAP = 0.05
"""Metres from a corner within which a cut ends in the corner."""


def cut_units(grid: Grid, cuts: Sequence[Cut]) -> Grid:
    """Cut units of a grid, and count the households of their parts by the buildings.

    Parameters
    ----------
    grid : Grid
        A grid that keeps its buildings, unless the units are without households.
    cuts : sequence of Cut
        One line a unit, in the CRS of the grid.

    Returns
    -------
    Grid
        The same cells with more units, called ``unit.1``, ``unit.2``: those left of the line first.

    Raises
    ------
    InputError
        When a unit is not there, a line does not part it or runs through a building, or its
        households cannot be counted.
    """
    if not cuts:
        return grid
    state = _State(grid)
    for cut in cuts:
        state.cut(cut)
    return state.grid()


def faces(polygon: shapely.Geometry, line: Floats) -> tuple[list[shapely.Polygon], int, Ends]:
    """Part a polygon along a line.

    Parameters
    ----------
    polygon : Polygon or MultiPolygon
    line : ndarray, shape (n, 2)

    Returns
    -------
    tuple
        The parts, those left of the line first; how many are left of it; and the vertices in which
        cuts end, by the edges of the polygon they lie on. One part where the line misses.

    Examples
    --------
    >>> parts, left, ends = faces(shapely.box(0, 0, 4, 2), np.array([[1.0, -1], [1, 3]]))
    >>> [part.area for part in parts], left
    ([2.0, 6.0], 1)
    """
    rings = [
        shapely.get_coordinates(ring) for ring in shapely.get_rings(shapely.get_parts(polygon))
    ]
    met, ends = _crossings(rings, line)
    split = [_with_vertices(ring, ends) for ring in rings]
    chains = [chain for chain in _chains(line, met) if _runs_inside(polygon, chain)]
    linework = [*map(shapely.LineString, split), *map(shapely.LineString, chains)]
    edges = [shapely.LineString(pair) for one in linework for pair in _segments(one)]
    found = [
        face
        for face in shapely.get_parts(shapely.polygonize(edges))
        if shapely.contains_properly(polygon, shapely.point_on_surface(face))
    ]
    ahead = {(*a, *b) for chain in chains for a, b in pairwise(chain)}
    oriented = [shapely.orient_polygons(face) for face in found]
    left = [any((*a, *b) in ahead for a, b in _directed(face)) for face in oriented]
    order = sorted(range(len(oriented)), key=lambda k: (not left[k], *oriented[k].bounds))
    return [oriented[k] for k in order], sum(left), ends


Ends = dict[tuple[float, ...], list[tuple[float, float]]]


def _segments(line: shapely.LineString) -> Iterator[Floats]:
    xy = shapely.get_coordinates(line)
    for k in range(len(xy) - 1):
        yield xy[k : k + 2]


def _directed(face: shapely.Polygon) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    for ring in shapely.get_rings(face):
        xy = [tuple(point) for point in shapely.get_coordinates(ring).tolist()]
        yield from pairwise(xy)


def _crossings(
    rings: Sequence[Floats], line: Floats
) -> tuple[list[tuple[float, tuple[float, float]]], Ends]:
    """Return where a line meets the edges of rings, by its course, and the vertices that needs."""
    met: list[tuple[float, tuple[float, float]]] = []
    ends: Ends = {}
    for ring in rings:
        a, b = ring[:-1], ring[1:]
        swap = (a[:, 0] > b[:, 0]) | ((a[:, 0] == b[:, 0]) & (a[:, 1] > b[:, 1]))
        low, high = np.where(swap[:, None], b, a), np.where(swap[:, None], a, b)
        edge = high - low
        long = np.hypot(edge[:, 0], edge[:, 1])
        for k in range(len(line) - 1):
            step, away = line[k + 1] - line[k], low - line[k]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                turn = step[0] * edge[:, 1] - step[1] * edge[:, 0]
                along = (away[:, 0] * edge[:, 1] - away[:, 1] * edge[:, 0]) / turn
                place = (away[:, 0] * step[1] - away[:, 1] * step[0]) / turn
            near = SNAP / np.maximum(long, SNAP)
            hit = (along >= 0) & (along <= 1) & (place >= -near) & (place <= 1 + near)
            for at in np.flatnonzero(hit):
                start, end = tuple(low[at].tolist()), tuple(high[at].tolist())
                if place[at] * long[at] <= SNAP:
                    point = start
                elif (1 - place[at]) * long[at] <= SNAP:
                    point = end
                else:
                    point = tuple((low[at] + place[at] * edge[at]).tolist())
                    ends.setdefault((*start, *end), []).append(point)
                met.append((k + float(along[at]), point))
    return sorted(met), ends


def _chains(
    line: Floats, met: Sequence[tuple[float, tuple[float, float]]]
) -> list[list[tuple[float, float]]]:
    """Return the course of a line between each two places where it meets the rings."""
    chains = []
    for (from_, start), (to, end) in pairwise(met):
        if start == end:
            continue
        inner = range(int(np.floor(from_)) + 1, int(np.ceil(to)))
        between = [tuple(line[k].tolist()) for k in inner if from_ < k < to]
        chains.append([start, *(point for point in between if point not in (start, end)), end])
    return chains


def _runs_inside(polygon: shapely.Geometry, chain: list[tuple[float, float]]) -> bool:
    """Tell whether a course lies inside a polygon."""
    middle = shapely.line_interpolate_point(shapely.LineString(chain), 0.5, normalized=True)
    return bool(shapely.contains_properly(polygon, middle))


def _with_vertices(ring: Floats, ends: Ends) -> Floats:
    """Return a ring with vertices put into its edges."""
    if not ends:
        return ring
    result: list[tuple[float, ...]] = []
    points = [tuple(point) for point in ring.tolist()]
    for a, b in pairwise(points):
        result.append(a)
        low, high = min(a, b), max(a, b)
        new = sorted(set(ends.get((*low, *high), [])), key=lambda p: math.dist(low[:2], p))
        result += new if a == low else new[::-1]
    return np.array([*result, points[-1]])


class _State:
    """A grid while its units are cut."""

    def __init__(self, grid: Grid) -> None:
        self.old = grid
        self.units = grid.units
        self.units.index = pd.Index([str(unit) for unit in self.units.index], dtype=object)
        self.cells = grid.cells
        self.areas = grid.jurisdictions
        self.boundary = gpd.GeoSeries([grid.boundary], crs=grid.crs)
        self.buildings = grid.buildings

    def cut(self, cut: Cut) -> None:
        """Cut one unit."""
        if cut.unit not in self.units.index:
            raise InputError("The grid has no unit {unit}; see `units` of the grid.", unit=cut.unit)
        line = np.array(cut.line, dtype=np.float64)
        if not np.isfinite(line).all() or not shapely.LineString(line).is_simple:
            raise InputError(
                "The line through unit {unit} crosses itself; draw it anew.", unit=cut.unit
            )
        parts, _, ends = faces(self.units.geometry[cut.unit], line)
        if len(parts) < 2:
            raise InputError(
                "The line misses unit {unit}: it must run through it from side to side.",
                unit=cut.unit,
            )
        homes = self._households(cut.unit, parts, line)
        [at] = positions(self.units.index, [cut.unit]).tolist()
        row = self.units.iloc[[at] * len(parts)].set_geometry(parts)
        row.index = pd.Index([f"{cut.unit}.{k + 1}" for k in range(len(parts))], dtype=object)
        rest = self.units.drop(index=cut.unit)
        for frame in (rest, self.cells, self.areas, self.boundary):
            _insert(frame, ends)
        self.units = pd.concat([rest.iloc[:at], row.assign(households=homes), rest.iloc[at:]])
        _insert(self.units, ends)

    def _households(self, unit: str, parts: Sequence[shapely.Polygon], line: Floats) -> list[int]:
        """Count the households of each part by the buildings in it."""
        whole = int(self.units["households"].loc[unit])
        if whole == 0:
            return [0] * len(parts)
        if self.buildings is None:
            raise InputError(
                "Unit {unit} has {whole:,} {whole:household|households}, and the grid keeps no "
                "buildings to count those of its parts by. Split along unit borders, or make the "
                "grid anew with its buildings.",
                unit=unit,
                whole=whole,
            )
        shape = self.units.geometry[unit]
        rows = self.buildings.iloc[self.buildings.sindex.query(shape, predicate="intersects")]
        rows = rows[shapely.intersects_xy(shape, places_in(self.old, rows))]
        solid = rows[rows.geometry.intersection(shapely.LineString(line)).length > 0]
        if len(solid):
            name = solid["name"].iloc[0] if "name" in solid else solid.index[0]
            raise InputError(
                "In unit {unit} the line runs through the building {name}; lead it round.",
                unit=unit,
                name=name,
            )
        inner = geometries(shapely.points(places_in(self.old, rows)))
        part = np.array([int(np.argmin(shapely.distance(list(parts), p))) for p in inner], int)
        homes = np.bincount(part, rows["households"], len(parts)).astype(int)
        if int(homes.sum()) != whole:
            raise InputError(
                "Unit {unit} has {whole:,} {whole:household|households}, but the buildings in it "
                "{homes:,}. Make the grid anew with the buildings that it counts.",
                unit=unit,
                whole=whole,
                homes=int(homes.sum()),
            )
        return [int(count) for count in homes]

    def grid(self) -> Grid:
        """Return the grid with its units cut; it is proved again."""
        old = self.old
        return Grid(
            self.cells,
            self.boundary.iloc[0],
            old.levels,
            jurisdictions=self.areas,
            units=self.units,
            exceptions=old.exceptions,
            retired=old.retired,
            parameters=old.parameters,
            buildings=old.buildings,
        )


def _insert(frame: gpd.GeoDataFrame | gpd.GeoSeries, ends: Ends) -> None:
    """Put vertices into the edges of a frame's own polygons that have such edges."""
    shapes = np.asarray(frame.geometry.to_numpy(), dtype=object).copy()
    tree = shapely.STRtree(shapes)
    edges = [shapely.LineString([edge[:2], edge[2:]]) for edge in ends]
    for at in sorted(set(tree.query(edges, predicate=None)[1].tolist())) if edges else []:
        shapes[at] = _rebuilt(shapes[at], ends)
    fresh = gpd.GeoSeries(shapes, index=frame.index, crs=frame.crs)
    if isinstance(frame, gpd.GeoSeries):
        frame.iloc[:] = fresh
    else:
        frame[frame.geometry.name] = fresh


def _rebuilt(shape: shapely.Geometry, ends: Ends) -> shapely.Geometry:
    polygons = []
    for part in shapely.get_parts(shape):
        rings = [_with_vertices(shapely.get_coordinates(r), ends) for r in shapely.get_rings(part)]
        polygons.append(shapely.Polygon(rings[0], rings[1:]))
    return polygons[0] if isinstance(shape, shapely.Polygon) else shapely.MultiPolygon(polygons)
