"""Changes by hand: split a cell, merge cells, move a unit; each returns a new proved Grid."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import shapely

from gridmap.codes import DEFAULT_SCHEME, cell_name, number_cells, sequence_of
from gridmap.contiguity import graph
from gridmap.errors import InputError
from gridmap.grid.changes import with_retired
from gridmap.grid.grid import Grid, check_grid
from gridmap.language import Lang

NEW = "\0"
"""Begins the names of cells that have no code yet."""


def rebuilt(
    grid: Grid,
    label: pd.Series,
    touched: Sequence[str],
    approve: str,
    on: str,
    lang: Lang,
    *,
    retire: str = "",
    origin: Mapping[str, str] | None = None,
) -> Grid:
    """Make a grid in which the touched cells consist of other units.

    Parameters
    ----------
    grid : Grid
        The grid to change.
    label : Series
        For each unit its cell; names that begin with `NEW` stand for cells to be made.
    touched : sequence of str
        The cells that change; all others keep every coordinate.
    approve : str
        Why cells outside the band are accepted; refused without a reason.
    on : str
        Day from which the change holds.
    lang : {"zh", "en"}
        Language of new names.
    retire : str
        Why codes are retired; without a reason no cell may vanish.
    origin : mapping, optional
        For each new cell the one it comes from.
    """
    units, old = grid.units, grid.cells
    like = {code: code for code in touched if code in old.index} | dict(origin or {})
    made = _dissolved(units, label, like, old, may_vanish=bool(retire))
    gone = [code for code in touched if code in old.index and code not in made.index]
    codes = _new_codes(grid, made)
    label = label.map(lambda code: codes.get(code, code))
    made = made.rename(index=codes)
    _rename_new(made, list(codes.values()), grid, lang)
    if on:
        old, made = _dated(old, ""), _dated(made, "")
        made.loc[list(codes.values()), "valid_from"] = on
    exceptions = _exceptions(grid, made, [*touched, *codes.values()], approve)
    cells = pd.concat([old.drop(index=[c for c in touched if c in old.index]), made]).sort_index()
    return Grid(
        cells,
        grid.boundary,
        grid.levels,
        jurisdictions=grid.jurisdictions,
        units=units.assign(code=label),
        exceptions=exceptions,
        retired=with_retired(grid, gone, on, retire),
        parameters=grid.parameters,
    )


def _dissolved(
    units: gpd.GeoDataFrame,
    label: pd.Series,
    like: Mapping[str, str],
    old: gpd.GeoDataFrame,
    *,
    may_vanish: bool,
) -> gpd.GeoDataFrame:
    """Dissolve the units of the touched cells, each of which must be one piece."""
    members = units.groupby(label).indices
    empty = [code for code in like if code not in members]
    if empty and not may_vanish:
        raise InputError("Cell {empty} would be empty; merge it instead.", empty=empty[0])
    codes = [code for code in like if code in members]
    shapes, homes = units.geometry.to_numpy(), units["households"].to_numpy()
    for code in codes:
        pieces = shapely.get_num_geometries(old.geometry[like[code]])
        if nx.number_connected_components(graph(shapes[members[code]])) > pieces:
            raise InputError(
                "Cell {like} would be in several pieces; choose other units.", like=like[code]
            )
    table = pd.DataFrame(old.drop(columns="geometry").loc[[like[code] for code in codes]])
    table["households"] = [int(homes[members[code]].sum()) for code in codes]
    geometry = [shapely.coverage_union_all(shapes[members[code]]) for code in codes]
    index = pd.Index(codes, name="code")
    return gpd.GeoDataFrame(table.set_axis(index), geometry=geometry, crs=old.crs)


def _new_codes(grid: Grid, made: gpd.GeoDataFrame) -> dict[str, str]:
    """Give new cells codes that were never given, in reading order."""
    point = shapely.get_coordinates(shapely.point_on_surface(made.geometry.to_numpy()))
    kept = {k: code for k, code in enumerate(made.index) if not code.startswith(NEW)}
    used = [*grid.cells.index, *grid.retired["code"]]
    codes = number_cells(
        made["parent"].tolist(),
        point[:, 0],
        point[:, 1],
        made.area.to_numpy(),
        scheme=str(grid.parameters.get("scheme", DEFAULT_SCHEME)),
        kept=kept,
        used=used,
    )
    return {old: new for old, new in zip(made.index, codes, strict=True) if old != new}


def _rename_new(made: gpd.GeoDataFrame, fresh: Sequence[str], grid: Grid, lang: Lang) -> None:
    """Name new cells after their jurisdiction and number; the frame is our own."""
    for code in fresh:
        parent = str(made.at[code, "parent"])
        owner = str(made.at[code, grid.levels[-1]]) if grid.levels else parent
        made.loc[code, "name"] = cell_name(owner, sequence_of(code, parent), lang)


def _dated(cells: gpd.GeoDataFrame, day: str) -> gpd.GeoDataFrame:
    """Return cells with a column ``valid_from``."""
    return cells if "valid_from" in cells else cells.assign(valid_from=day)


def _exceptions(
    grid: Grid, made: gpd.GeoDataFrame, touched: Sequence[str], approve: str
) -> pd.DataFrame:
    """Drop what was said of the touched cells, and record those now outside the band."""
    low, high = grid.band
    homes = made.loc[made["kind"] == "residential", "households"]
    outside = homes[(homes < low) | (homes > high)]
    before = grid.cells["households"].reindex(outside.index)
    new = outside[before.to_numpy() != outside.to_numpy()]
    if len(new) and not approve:
        raise InputError(
            "Cell {index} would have {new} {new:household|households}, outside "
            '{low}-{high}. Choose other units, or approve it with a reason: `approve="…"`.',
            index=new.index[0],
            new=new.iloc[0],
            low=low,
            high=high,
        )
    kept = grid.exceptions[~grid.exceptions["code"].isin([*touched, *made.index])]
    rows: list[dict[str, Any]] = [
        {
            "parent": str(made.at[code, "parent"]),
            "code": code,
            "households": int(count),
            "reason": approve,
            "certificate": "",
            "options": "",
            "approved": True,
        }
        for code, count in outside.items()
    ]
    if not rows:
        return kept
    frame = pd.DataFrame(rows)
    return frame if kept.empty else pd.concat([kept, frame], ignore_index=True)


def move(
    grid: Grid, unit: Hashable, to: str, *, approve: str = "", on: str = "", lang: Lang = "zh"
) -> Grid:
    """Move a unit from its cell to a neighbouring cell of the same jurisdiction.

    Parameters
    ----------
    grid : Grid
        The grid to change; it stays as it is.
    unit : label
        Index label of the unit in ``grid.units``.
    to : str
        Code of the cell that gets it.
    approve : str
        Why a cell outside the band is accepted; without a reason it is refused.
    on : str
        Day from which the change holds, as 2026-07-01: new cells bear it in the column
        ``valid_from``, retired codes in ``valid_to``.
    lang : {"zh", "en"}
        Language of new names.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        When the unit or cell is not there, the cells are of two jurisdictions, a cell would be
        empty or in two pieces, or would leave the band without `approve`.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "A2"]},
    ...     geometry=shapely.box([0, 4], 0, [4, 8], 4), crs=4547)
    >>> units = gpd.GeoDataFrame({"code": ["A1", "A1", "A2"], "households": [300, 100, 400]},
    ...     geometry=shapely.box([0, 3, 4], 0, [3, 4, 8], 4), crs=4547)
    >>> cells["geometry"] = [units.geometry[:2].union_all("coverage"), units.geometry[2]]
    >>> grid = Grid(cells, units.union_all("coverage"), units=units.assign(parent=""))
    >>> move(grid, 1, "A2").cells["households"].to_dict()
    {'A1': 300, 'A2': 500}
    """
    check_grid("grid", grid)
    units = grid.units
    if unit not in units.index:
        raise InputError("The grid has no unit {unit!r}; see `grid.units`.", unit=unit)
    _check_codes(grid, [to])
    source = str(units.at[unit, "code"])
    if source == to:
        raise InputError("Unit {unit!r} is in cell {to} already.", unit=unit, to=to)
    _check_one_parent(grid, [source, to])
    label = units["code"].astype(object)
    label[unit] = to
    return rebuilt(grid, label, [source, to], approve, on, lang)


def merge(
    grid: Grid, codes: Iterable[str], *, approve: str = "", on: str = "", lang: Lang = "zh"
) -> Grid:
    """Merge neighbouring cells of one jurisdiction into one.

    The cell with most households keeps its code; the others' codes are retired for good.

    Parameters
    ----------
    grid, approve, on, lang
        As for `move`.
    codes : iterable of str
        Two cells or more.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        As for `move`.
    """
    chosen = list(dict.fromkeys(codes))
    _check_codes(grid, chosen)
    if len(chosen) < 2:
        raise InputError(
            "`codes` names {chosen} {chosen:cell|cells}; give two or more to merge.",
            chosen=len(chosen),
        )
    _check_one_parent(grid, chosen)
    survivor = grid.cells.loc[chosen].sort_values("households", kind="stable").index[-1]
    label = grid.units["code"].astype(object)
    label[label.isin(chosen)] = survivor
    return rebuilt(grid, label, chosen, approve, on, lang, retire=f"merged into {survivor}")


def split(
    grid: Grid,
    code: str,
    parts: Sequence[Iterable[Hashable]],
    *,
    approve: str = "",
    on: str = "",
    lang: Lang = "zh",
) -> Grid:
    """Split a cell by taking groups of its units out of it.

    What keeps most households keeps the code; the others get codes that were never given.

    Parameters
    ----------
    grid, approve, on, lang
        As for `move`.
    code : str
        The cell to split.
    parts : sequence of groups of unit labels
        Each group becomes a cell; the units that no group names stay together.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        As for `move`, and when a group names a unit of another cell or names one twice.
    """
    _check_codes(grid, [code])
    units = grid.units
    part = pd.Series(0, index=units.index[units["code"] == code])
    for number, group in enumerate(parts, start=1):
        for unit in group:
            if unit not in part.index:
                raise InputError(
                    "Unit {unit!r} is not in cell {code}; see `grid.units`.", unit=unit, code=code
                )
            if part[unit]:
                raise InputError("Unit {unit!r} stands in two groups of `parts`.", unit=unit)
            part[unit] = number
    if part.nunique() < 2:
        raise InputError("`parts` leaves cell {code} whole; name some of its units.", code=code)
    weight = units["households"].groupby(part).sum()
    stays = int(weight.idxmax())
    label = units["code"].astype(object)
    fresh = {number: f"{NEW}{number}" for number in weight.index if number != stays}
    label[part.index] = part.map({**fresh, stays: code})
    origin = dict.fromkeys(fresh.values(), code)
    return rebuilt(grid, label, [code, *origin], approve, on, lang, origin=origin)


def _check_codes(grid: Grid, codes: Sequence[str]) -> None:
    check_grid("grid", grid)
    unknown = [code for code in codes if code not in grid.cells.index]
    if unknown:
        raise InputError("The grid has no cell {unknown!r}; see `grid.cells`.", unknown=unknown[0])


def _check_one_parent(grid: Grid, codes: Sequence[str]) -> None:
    parents = grid.cells.loc[list(codes), "parent"].unique()
    if len(parents) > 1:
        raise InputError(
            "Cells {codes} lie in {parents} {parents:jurisdiction|jurisdictions} "
            "({parents_2}), and no cell may cross one.",
            codes=[*codes],
            parents=len(parents),
            parents_2=[*parents],
        )


def with_numbers(
    grid: Grid,
    wanted: Mapping[str, int] | pd.Series,
    *,
    approve: str = "",
    on: str = "",
    lang: Lang = "zh",
) -> Grid:
    """Give jurisdictions exactly as many residential cells as are wanted.

    Where there are too few, the cell with most households is split in two, as evenly as its units
    allow; where there are too many, the smallest cell joins its smallest neighbour. Other cells
    keep their coordinates, and surviving cells their codes.

    Parameters
    ----------
    grid : Grid
        A grid that knows its units.
    wanted : mapping or Series
        Number of cells by code of the jurisdiction; those not named stay as they are.
    approve : str
        Why cells outside the band are accepted; without a reason they are refused.
    on : str
        Day from which the change holds; see `gridmap.operations.move`.
    lang : {"zh", "en"}
        Language of new names.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        When a jurisdiction is not there, has fewer units than cells are wanted, or a cell would
        leave the band without `approve`.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> units = gpd.GeoDataFrame({"code": "7001", "parent": "7", "households": [200, 150, 250]},
    ...     geometry=shapely.box([0, 5, 9], 0, [5, 9, 12], 5), crs=4547)
    >>> cells = gpd.GeoDataFrame({"code": ["7001"], "households": [600], "parent": "7"},
    ...     geometry=[units.union_all("coverage")], crs=4547)
    >>> grid = Grid(cells, units.union_all("coverage"), units=units)
    >>> with_numbers(grid, {"7": 2}, approve="试点").cells["households"].tolist()
    [350, 250]
    """
    target = {str(parent): int(number) for parent, number in dict(wanted).items()}
    unknown = [parent for parent in target if parent not in grid.jurisdictions.index]
    if unknown:
        raise InputError(
            "`wanted` names {unknown!r}, which is no jurisdiction of the grid.", unknown=unknown[0]
        )
    units = grid.units
    label = units["code"].astype(object).copy()
    origin: dict[str, str] = {}
    touched: list[str] = []
    homes = grid.cells[grid.cells["kind"] == "residential"]
    owner = pd.Series(label.map(homes["parent"]).to_numpy())
    by_parent = owner.groupby(owner).indices
    for parent, number in target.items():
        rows = by_parent.get(parent, np.empty(0, dtype=np.int64))
        own = _Cells(units, rows, label.to_numpy(dtype=object)[rows], str(parent))
        own.adjust(number)
        changed = own.changed()
        label.iloc[rows] = own.label
        touched += changed
        origin |= {code: own.source[code] for code in own.source}
    if not touched:
        return grid
    return rebuilt(grid, label, touched, approve, on, lang, retire="merged", origin=origin)


class _Cells:
    """The residential cells of one jurisdiction, as labels of its units."""

    def __init__(self, units: Any, rows: Any, label: Any, parent: str) -> None:
        part = units.iloc[rows]
        self.parent = parent
        self.weight = part["households"].to_numpy(dtype=float)
        self.graph = graph(part.geometry.to_numpy())
        self.label, self.before = label.copy(), label.copy()
        self.source: dict[str, str] = {}

    def changed(self) -> list[str]:
        """List the old codes whose units are others now."""
        moved = self.label != self.before
        codes = dict.fromkeys([*self.before[moved], *self.label[moved]])
        return [code for code in codes if not code.startswith(NEW)]

    def adjust(self, number: int) -> None:
        """Split or merge until there are `number` cells."""
        if not 1 <= number <= len(self.label):
            raise InputError(
                "`wanted` asks for {number} {number:cell|cells} in {parent}, which has "
                "{label} {label:unit|units}. Give at least 1 and at most one a unit.",
                number=number,
                parent=self.parent,
                label=len(self.label),
            )
        while len(set(self.label)) < number:
            self._split_largest()
        while len(set(self.label)) > number:
            self._merge_smallest()

    def _totals(self) -> dict[str, float]:
        names, place = np.unique(self.label.astype(str), return_inverse=True)
        return dict(zip(names, np.bincount(place, weights=self.weight).tolist(), strict=True))

    def _split_largest(self) -> None:
        names, sizes = np.unique(self.label.astype(str), return_counts=True)
        totals = self._totals()
        code = max(names[sizes > 1], key=lambda name: (totals[name], name))
        half = _half(self.graph.subgraph(np.flatnonzero(self.label == code)), self.weight)
        fresh = f"{NEW}{self.parent}{NEW}{len(self.source)}"
        self.source[fresh] = self.source.get(code, str(code))
        self.label[list(half)] = fresh

    def _merge_smallest(self) -> None:
        totals = self._totals()
        for code in sorted(totals, key=lambda name: (totals[name], name)):
            members = np.flatnonzero(self.label == code)
            near = {self.label[n] for m in members for n in self.graph[m]} - {code}
            if near:
                other = min(near, key=lambda cell: (totals[cell], cell))
                keeper, gone = sorted((code, other), key=lambda cell: (-totals[cell], cell))
                self.label[self.label == gone] = keeper
                return
        raise InputError(
            "The cells of {parent} do not touch each other, so that none can be merged.",
            parent=self.parent,
        )


def _half(cell: nx.Graph, weight: Any) -> set[int]:
    """Return the lighter side of the most even cut that leaves both sides connected.

    Breadth-first trees from every unit are tried; cutting one edge of a tree leaves two parts.
    """
    total = float(sum(weight[node] for node in cell))
    best: tuple[float, list[int]] | None = None
    for root in sorted(cell):
        tree = nx.bfs_tree(cell, root)
        below: dict[int, float] = {}
        for node in reversed(list(nx.topological_sort(tree))):
            below[node] = float(weight[node]) + sum(below[child] for child in tree[node])
            uneven = abs(total - 2 * below[node])
            if node != root and (best is None or uneven < best[0]):
                best = (uneven, [node, *nx.descendants(tree, node)])
    assert best is not None, "a cell of two units has a cut"
    side = set(best[1])
    heavy = sum(weight[node] for node in side) > total / 2
    return set(cell) - side if heavy else side
