"""The number of cells a jurisdiction is to have: split the largest, merge the smallest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from gridmap.contiguity import graph
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.organisation.rebuild import NEW, rebuilt


def with_numbers(
    grid: Grid,
    wanted: Mapping[str, int] | pd.Series,
    *,
    approve: str = "",
    on: str = "",
    lang: str = "zh",
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
        raise InputError(f"`wanted` names {unknown[0]!r}, which is no jurisdiction of the grid.")
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
                f"`wanted` asks for {number} cells in {self.parent}, which has {len(self.label)} "
                "units. Give at least 1 and at most one a unit."
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
            f"The cells of {self.parent} do not touch each other, so that none can be merged."
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
