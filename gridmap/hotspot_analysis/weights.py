"""Windows: which cells are looked at together, as one sparse matrix made once per grid."""

from __future__ import annotations

import weakref
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from gridmap._arrays import Floats, Ints
from gridmap.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

    from gridmap._arrays import SparseArray
    from gridmap.grid.grid import Grid

_MATRICES: weakref.WeakKeyDictionary[nx.Graph[str], tuple[tuple[str, ...], sparse.csr_array]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True)
class Windows:
    """Hold the weights of every window and the sums that moments are made of.

    ``matrix[i, j]`` is the weight of cell j in the window of cell i. ``first``, ``second`` and
    ``third`` are the row sums of the weights and of their squares and cubes, as columns.
    """

    matrix: sparse.csr_array
    first: Floats
    second: Floats
    third: Floats

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def sizes(self) -> Ints:
        """Count the cells in each window."""
        sizes: Ints = np.diff(self.matrix.indptr).astype(np.int64)
        return sizes

    @property
    def equal_sizes(self) -> Ints | None:
        """Count the cells in each window, None where they do not all weigh 1."""
        return self.sizes if (self.matrix.data == 1.0).all() else None

    @cached_property
    def spread(self) -> Floats:
        """Sum the squared deviations of each window's weights from their mean over all cells."""
        return _cleared(self.second - self.first**2 / len(self), self.second)

    @cached_property
    def third_moment(self) -> Floats:
        """Sum the cubed deviations of each window's weights from their mean over all cells."""
        n = len(self)
        moment = self.third - 3.0 * self.first * self.second / n + 2.0 * self.first**3 / n**2
        return _cleared(moment, self.third)

    @cached_property
    def lean(self) -> Floats:
        """Give the skewness of each window's weights; 0 for a window of all cells."""
        scale = np.power(self.spread, 1.5)
        lean: Floats = np.zeros_like(scale)
        return np.divide(self.third_moment, scale, out=lean, where=scale > 0)

    @property
    def members(self) -> sparse.csr_array:
        """Tell who is in each window, every member weighing 1."""
        pattern = self.matrix.copy()
        pattern.data = np.ones_like(pattern.data)
        return pattern


def windows(weights: SparseArray, *, itself: float = 1.0) -> Windows:
    """Put every cell into its own window and sum up the weights.

    Parameters
    ----------
    weights
        Square matrix of weights between different cells; its diagonal is replaced.
    itself
        Weight of a cell in its own window; 0 leaves it out (Gi instead of Gi*).

    Examples
    --------
    >>> pair = sparse.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> windows(pair).sizes.tolist(), windows(pair, itself=0.0).sizes.tolist()
    ([2, 2], [1, 1])
    """
    entries = sparse.coo_array(weights)
    between = (entries.row != entries.col) & (entries.data != 0)
    own = np.arange(entries.shape[0] if itself else 0)
    rows = np.concatenate([entries.row[between], own])
    columns = np.concatenate([entries.col[between], own])
    values = np.concatenate([entries.data[between].astype(float), np.full(len(own), itself)])
    matrix = sparse.csr_array((values, (rows, columns)), shape=entries.shape)
    matrix.sort_indices()
    return Windows(
        matrix,
        *(np.asarray(matrix.power(k).sum(axis=1), dtype=float)[:, None] for k in (1, 2, 3)),
    )


def matrix_of(graph: nx.Graph[str], order: Collection[str]) -> sparse.csr_array:
    """Make the matrix of a graph, rows and columns in the given order of its nodes.

    An edge weighs 1, or its attribute ``weight``. The matrix of a frozen graph is made once and
    kept as long as the graph lives.

    Parameters
    ----------
    graph
        Whose nodes are codes of cells; nodes that are not in `order` are left out.
    order
        Codes of the cells.

    Examples
    --------
    >>> import networkx as nx
    >>> matrix_of(nx.path_graph(3), [2, 1, 0]).toarray().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    import networkx as nx

    key = tuple(order)
    if nx.is_frozen(graph):
        known = _MATRICES.get(graph)
        if known is not None and known[0] == key:
            return known[1]
    matrix = _matrix(graph, key)
    if nx.is_frozen(graph):
        _MATRICES[graph] = (key, matrix)
    return matrix


def contiguous(grid: Grid) -> sparse.csr_array:
    """Make the matrix of the cells that share a line, as `matrix_of` does of their graph."""
    i, j = grid.touching
    ends = (np.concatenate([i, j]), np.concatenate([j, i]))
    return sparse.csr_array((np.ones(2 * len(i)), ends), shape=(len(grid), len(grid)))


def weights_between(weights: nx.Graph[str] | SparseArray | None, grid: Grid) -> sparse.csr_array:
    """Take the weights asked for, or contiguity, as a matrix in the order of the cells.

    Parameters
    ----------
    weights
        Graph on codes, matrix in the order of the cells, or None for contiguity.
    grid
        The cells.

    Raises
    ------
    InputError
        If a matrix does not fit the cells or bears weights that are not finite or below 0.
    """
    if weights is None:
        return contiguous(grid)
    import networkx as nx

    if isinstance(weights, nx.Graph):
        return matrix_of(weights, grid.cells.index)
    matrix = sparse.csr_array(sparse.coo_array(weights).astype(np.float64))
    if matrix.shape != (len(grid), len(grid)):
        raise InputError(
            "`weights` is {shape} × {shape_2}, but the grid has {order} "
            "{order:cell|cells}. Give one row and one column a cell, in the order of "
            "`grid.cells`.",
            shape=matrix.shape[0],
            shape_2=matrix.shape[1],
            order=len(grid),
        )
    if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
        raise InputError(
            "`weights` holds negative or infinite weights. Give finite weights of 0 or more."
        )
    return matrix


def _cleared(moment: Floats, scale: Floats) -> Floats:
    """Clear what is rounding: a window of all cells has no deviation and must not be given one."""
    return np.where(np.abs(moment) <= 1e-12 * scale, 0.0, moment)


def _matrix(graph: nx.Graph[str], order: tuple[str, ...]) -> sparse.csr_array:
    place = {code: row for row, code in enumerate(order)}
    edges = [
        (place[a], place[b], float(weight))
        for a, b, weight in graph.edges(data="weight", default=1.0)
        if a in place and b in place and a != b
    ]
    table = np.array(edges, dtype=float).reshape(-1, 3)
    i, j = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    values = np.concatenate([table[:, 2], table[:, 2]])
    ends = (np.concatenate([i, j]), np.concatenate([j, i]))
    return sparse.csr_array((values, ends), shape=(len(order), len(order)))
