"""Changes by hand: move a unit, merge cells, split a cell; each is a change that `apply` makes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from gridmap.contiguity import graph
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, check_cells
from gridmap.language import Lang
from gridmap.partitioning.apply import apply, assess
from gridmap.partitioning.change_file import FRESH, Changes


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
    units = grid.units
    if unit not in units.index:
        raise InputError("The grid has no unit {unit!r}; see `units` of the grid.", unit=unit)
    check_cells(grid, [to])
    source = str(units.at[unit, "code"])
    if source == to:
        raise InputError("Unit {unit!r} is in cell {to} already.", unit=unit, to=to)
    _check_one_parent(grid, [source, to])
    if (units["code"] == source).sum() == 1:
        raise InputError("Cell {source} would be empty; merge it instead.", source=source)
    label = units["code"].astype(object).where(units.index != unit, to)
    return _ended(grid, label, approve, on, lang)


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
    check_cells(grid, chosen)
    if len(chosen) < 2:
        raise InputError(
            "`codes` names {chosen} {chosen:cell|cells}; give two or more to merge.",
            chosen=len(chosen),
        )
    _check_one_parent(grid, chosen)
    survivor = grid.cells.loc[chosen].sort_values("households", kind="stable").index[-1]
    label = grid.units["code"].astype(object)
    label[label.isin(chosen)] = survivor
    return _ended(grid, label, approve, on, lang)


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
    check_cells(grid, [code])
    units = grid.units
    parts_of = dict.fromkeys(units.index[units["code"] == code], 0)
    for number, group in enumerate(parts, start=1):
        for unit in group:
            if unit not in parts_of:
                raise InputError(
                    "Unit {unit!r} is not in cell {code}; see `units` of the grid.",
                    unit=unit,
                    code=code,
                )
            if parts_of[unit]:
                raise InputError("Unit {unit!r} stands in two groups of `parts`.", unit=unit)
            parts_of[unit] = number
    part = pd.Series(parts_of)
    if part.nunique() < 2:
        raise InputError("`parts` leaves cell {code} whole; name some of its units.", code=code)
    weight = units["households"].groupby(part).sum()
    stays = int(weight.index[int(weight.argmax())])
    label = units["code"].astype(object)
    fresh = {number: f"{FRESH}{number}" for number in weight.index if number != stays}
    label[part.index] = part.map({**fresh, stays: code})
    return _ended(grid, label, approve, on, lang)


def _ended(grid: Grid, label: pd.Series, approve: str, on: str, lang: Lang) -> Grid:
    """Apply the change after which units are in other cells; one reason excuses the band of all."""
    table = assess(grid, label.to_numpy(dtype=object))
    for code in table.index[table["faults"].str.contains("pieces")]:
        like = table.at[code, "like"]
        raise InputError("Cell {like} would be in several pieces; choose other units.", like=like)
    before = grid.units["code"].astype(object)
    moved = label[label.to_numpy() != before.to_numpy()]
    touched = sorted({*moved, *before[moved.index]})
    return apply(
        grid,
        Changes(
            moves={str(unit): str(code) for unit, code in moved.items()},
            approve=dict.fromkeys(touched, approve) if approve else {},
        ),
        on=on,
        lang=lang,
    )


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
        Day from which the change holds; see `gridmap.move`.
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
    homes = grid.cells[grid.cells["kind"] == "residential"]
    owner = pd.Series(label.map(homes["parent"]).to_numpy())
    by_parent = owner.groupby(owner).indices
    for parent, number in target.items():
        rows = by_parent.get(parent, np.empty(0, dtype=np.int64))
        own = _Cells(units, rows, label.to_numpy(dtype=object)[rows], str(parent))
        own.adjust(number)
        label.iloc[rows] = own.label
    if label.equals(units["code"].astype(object)):
        return grid
    return _ended(grid, label, approve, on, lang)


class _Cells:
    """The residential cells of one jurisdiction, as labels of its units."""

    def __init__(self, units: Any, rows: Any, label: Any, parent: str) -> None:
        part = units.iloc[rows]
        self.parent = parent
        self.weight = part["households"].to_numpy(dtype=float)
        self.graph = graph(part.geometry.to_numpy())
        self.label = label.copy()
        self.made = 0

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
        self.made += 1
        self.label[list(half)] = f"{FRESH}{self.parent}:{self.made}"

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


def _half(cell: nx.Graph[int], weight: Any) -> set[int]:
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
