"""Changes as they are asked for at the shell: what to which cell, which two, along what line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import geopandas as gpd
import networkx as nx
import numpy as np
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, geometries
from gridmap.contiguity import contacts
from gridmap.crs.project import reproject
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, check_cells
from gridmap.partitioning.apply import unit_contacts
from gridmap.partitioning.change_file import FRESH, Changes, Cut, ends_twice
from gridmap.partitioning.cut_units import cut_units, faces

ENOUGH = 0.02
"""Share of a unit on the lesser side of a line from which it is cut, where cutting is asked for."""


def requested(
    grid: Grid,
    changes: Changes,
    *,
    moves: Iterable[tuple[str, str]] = (),
    merges: Iterable[Iterable[str]] = (),
    splits: Iterable[tuple[str, gpd.GeoDataFrame]] = (),
    through: bool = False,
    hand: Iterable[tuple[str, str]] = (),
    approve: Mapping[str, str] | None = None,
) -> Changes:
    """Add to changes what was asked for by name.

    Parameters
    ----------
    grid : Grid
        The grid to change.
    changes : Changes
        What is wanted already.
    moves : iterable of (str, str)
        What moves (see `units_called`), and the code of its new cell.
    merges : iterable of codes
        Cells that become one; the one with most households keeps its code.
    splits : iterable of (str, GeoDataFrame)
        A cell, and a layer with the one line along which it is split.
    through : bool
        Whether a split cuts the units that its line crosses; otherwise each goes to the side on
        which its middle lies.
    hand : iterable of (str, str)
        What is handed over (see `units_called`; or the code of a cell), and the code of the
        jurisdiction that gets it. What no move names joins the residential cell of that
        jurisdiction with which it shares most border.
    approve : mapping of str to str, optional
        Reasons by code.

    Returns
    -------
    Changes
    """
    wanted, given = dict(changes.moves), dict(changes.hand)
    cuts = list(changes.cuts)
    for what, code in moves:
        for unit in units_called(grid, what):
            _put(wanted, unit, code)
    for codes in merges:
        for unit, code in _merged(grid, list(codes)):
            _put(wanted, unit, code)
    for number, (code, lines) in enumerate(splits, start=1):
        line = _line_across(grid, code, lines)
        part, cut = _split(grid, code, line, through=through)
        cuts += cut
        for unit in part:
            _put(wanted, unit, f"{FRESH}split-{number}")
    for what, name in hand:
        own = grid.units.index[grid.units["code"] == what]
        units = [str(unit) for unit in own] if len(own) else units_called(grid, what)
        free = [unit for unit in units if unit not in wanted]
        given |= dict.fromkeys(units, name)
        wanted |= dict.fromkeys(free, _receiver(grid, what, free, name)) if free else {}
    reasons = {**changes.approve, **(approve or {})}
    return replace(changes, moves=wanted, hand=given, cuts=tuple(cuts), approve=reasons)


def _receiver(grid: Grid, what: str, handed: list[str], name: str) -> str:
    """Return the residential cell of a jurisdiction with which units share most border."""
    units, cells = grid.units, grid.cells
    theirs = cells.index[(cells["parent"] == name) & (cells["kind"] == "residential")]
    gives = units.index.map(str).isin(handed)
    takes = units["code"].isin(theirs).to_numpy() & ~gives
    rows = np.flatnonzero(gives | takes)
    found = contacts(geometries(units.geometry)[rows])
    across = gives[rows[found.i]] != gives[rows[found.j]]
    taking = np.where(gives[rows[found.i]], found.j, found.i)[across]
    shared: dict[str, float] = {}
    for row, length in zip(rows[taking].tolist(), found.length[across].tolist(), strict=True):
        code = str(units["code"].iloc[row])
        shared[code] = shared.get(code, 0.0) + length
    if name not in grid.jurisdictions.index:
        raise InputError(
            "The grid has no jurisdiction {name!r}; see `jurisdictions` of the grid.", name=name
        )
    if not shared:
        raise InputError(
            "{what} has no border with a residential cell of {name}. Hand it over to a "
            "jurisdiction beside it.",
            what=what,
            name=name,
        )
    return max(sorted(shared), key=lambda code: shared[code])


def units_called(grid: Grid, what: str) -> list[str]:
    """Return the units that a planner means: a unit, a building or compound by name, or x,y.

    Raises
    ------
    InputError
        When nothing, or more than one thing, is called so.
    """
    units = grid.units
    labels = [str(label) for label in units.index]
    if "name" in units:  # by which reasons call a unit, before its label
        rows = np.flatnonzero((units["name"].astype(str) == what).to_numpy())
        if len(rows):
            return [labels[row] for row in rows]
    if what in labels:
        return [what]
    place = _point(what)
    if place is None and grid.buildings is not None and "name" in grid.buildings:
        named = grid.buildings[grid.buildings["name"].astype(str) == what]
        if len(named) > 1:
            raise InputError(
                "Buildings called {what!r}: {n}. Give a point: x,y.", what=what, n=len(named)
            )
        if len(named):
            [place] = shapely.point_on_surface(geometries(named.geometry))
    if place is not None:
        found = units.sindex.query(place, predicate="intersects")
        if not len(found):
            raise InputError(
                "No unit of the grid lies at {what}. Give x,y in {crs}.",
                what=what,
                crs=grid.crs.name,
            )
        return [labels[min(found)]]
    raise InputError(
        "{what!r} is no unit of the grid, nor a building or compound that it names. Give the label "
        "of a unit, or a point: x,y.",
        what=what,
    )


def _point(what: str) -> shapely.Point | None:
    parts = what.split(",")
    try:
        return shapely.Point(*(float(part) for part in parts)) if len(parts) == 2 else None
    except ValueError:
        return None


def _put(wanted: dict[str, str], unit: str, code: str) -> None:
    if wanted.get(unit, code) != code:
        raise ends_twice(unit, wanted[unit], code)
    wanted[unit] = code


def _merged(grid: Grid, codes: list[str]) -> list[tuple[str, str]]:
    check_cells(grid, codes)
    if len(set(codes)) < 2:
        raise InputError("A merger needs two cells or more: `--merge A,B`.")
    survivor = str(grid.cells.loc[codes].sort_values("households", kind="stable").index[-1])
    units = grid.units
    rows = units.index[units["code"].isin(codes) & (units["code"] != survivor)]
    return [(str(unit), survivor) for unit in rows]


def _line_across(grid: Grid, code: str, lines: gpd.GeoDataFrame) -> Floats:
    """Return the one line of a layer that crosses a cell."""
    check_cells(grid, [code])
    shapes = reproject(lines, grid.crs).geometry.to_numpy()
    parts = shapely.get_parts(shapely.force_2d(shapes))
    kinds = shapely.get_type_id(parts)
    whole = shapely.line_merge(shapely.multilinestrings([parts[kinds == 1]])[0])
    cell = grid.cells.geometry[code]
    across = [
        line
        for line in shapely.get_parts(whole)
        if len(faces(cell, shapely.get_coordinates(line))[0]) > 1
    ]
    if len(across) != 1:
        raise InputError(
            "Lines of the layer that cross cell {code}: {n}. Give one, from side to side.",
            code=code,
            n=len(across),
        )
    line: Floats = shapely.get_coordinates(across[0])
    return line


def _split(grid: Grid, code: str, line: Floats, *, through: bool) -> tuple[list[str], list[Cut]]:
    """Return the units, or parts of units, on the lighter side of a line, and the cuts it takes."""
    units = grid.units
    rows = np.flatnonzero((units["code"] == code).to_numpy())
    shapes = units.geometry.to_numpy()[rows]
    homes = units["households"].to_numpy(dtype=np.int64)[rows]
    names = [str(unit) for unit in units.index[rows]]
    left = shapely.contains(left_of(line, shapely.total_bounds(shapes)), shapely.centroid(shapes))
    if through:
        side, cuts = _cut_through(names, shapes, left, line, code)
        return _lighter(grid, code, side, cuts), cuts
    left = _joined(grid, rows, left, homes)
    if left.all() or not left.any():
        raise _missed(code)
    away = left if homes[left].sum() < homes[~left].sum() else ~left
    return [names[at] for at in np.flatnonzero(away)], []


def _lighter(grid: Grid, code: str, away: list[str], cuts: list[Cut]) -> list[str]:
    """Return one side of a cut cell or the other: that with fewer households gets the new code."""
    units = cut_units(grid, cuts).units
    homes = units.loc[units["code"] == code, "households"]
    homes.index = homes.index.map(str)
    rest = homes.index.difference(away, sort=False)
    return away if homes[away].sum() < homes[rest].sum() else rest.tolist()


def _missed(code: str) -> InputError:
    return InputError("The line leaves cell {code} whole. Draw it from side to side.", code=code)


def _cut_through(
    names: list[str],
    shapes: Geometries,
    left: Bools,
    line: Floats,
    code: str,
) -> tuple[list[str], list[Cut]]:
    away: list[str] = []
    cuts: list[Cut] = []
    for name, shape, ahead in zip(names, shapes, left, strict=True):
        parts, count, _ = faces(shape, line)
        size = shapely.area(parts)
        if len(parts) < 2 or min(size[:count].sum(), size[count:].sum()) < ENOUGH * size.sum():
            away += [name] if ahead else []
            continue
        cuts.append(Cut(name, tuple((float(x), float(y)) for x, y in line)))
        away += [f"{name}.{k + 1}" for k in range(count)]
    if not cuts and len(away) in (0, len(names)):
        raise _missed(code)
    return away, cuts


def _joined(grid: Grid, rows: Ints, left: Bools, homes: Ints) -> Bools:
    """Let crumbs that a line leaves on either side go over, so that each side is one piece."""
    i, j = unit_contacts(grid)
    place = {row: at for at, row in enumerate(rows.tolist())}
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(rows)))
    graph.add_edges_from(
        (place[a], place[b])
        for a, b in zip(i.tolist(), j.tolist(), strict=True)
        if a in place and b in place
    )
    for _ in range(4):
        crumbs: list[int] = []
        for side in (left, ~left):
            parts = sorted(
                nx.connected_components(graph.subgraph(np.flatnonzero(side).tolist())),
                key=lambda part: (-homes[list(part)].sum(), -len(part), min(part)),
            )
            crumbs += [at for part in parts[1:] for at in part]
        if not crumbs:
            break
        left = left.copy()
        left[crumbs] = ~left[crumbs]
    return left


def left_of(line: Floats, bounds: Floats) -> shapely.Polygon:
    """Return all that lies left of a line whose ends run on, as far as some bounds matter.

    Examples
    --------
    >>> side = left_of(np.array([[0.0, 0], [0, 9]]), np.array([-5.0, 0, 5, 9]))
    >>> side.contains(shapely.Point(-4, 5)), side.contains(shapely.Point(4, 5))
    (True, False)
    """
    west, south, east, north = bounds
    far = 4 * (east - west + north - south + 1)
    middle = np.array([(west + east) / 2, (south + north) / 2])

    def run(start: Floats, end: Floats) -> Floats:
        step = end - start
        return np.asarray(end + far * step / max(float(np.hypot(*step)), 1e-9))

    tail, head = run(line[1], line[0]), run(line[-2], line[-1])
    begin = np.arctan2(*(head - middle)[::-1])
    turn = (np.arctan2(*(tail - middle)[::-1]) - begin) % (2 * np.pi) or 2 * np.pi
    angle = begin + turn * np.arange(1, 8) / 8
    around = middle + 2 * far * np.column_stack([np.cos(angle), np.sin(angle)])
    return shapely.Polygon(np.vstack([tail, line, head, around]))
