"""The arrays that the rooms hand each other: their types, and what hangs together in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Of any kind, as a column that is only passed on."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Ints16 = npt.NDArray[np.int16]
Ints8 = npt.NDArray[np.int8]
Rows = npt.NDArray[np.intp]
Words = npt.NDArray[np.uint64]
Dice = Words
"""The state of the random numbers of a compiled kernel."""
Bools = npt.NDArray[np.bool_]
Complexes = npt.NDArray[np.complex128]
Objects = npt.NDArray[np.object_]
Geometries = npt.NDArray[np.object_]


def components(count: int, one: Array, other: Array) -> Ints:
    """Number the connected component of each of `count` things, linked in pairs.

    Examples
    --------
    >>> components(4, np.array([0]), np.array([2])).tolist()
    [0, 1, 0, 2]
    """
    from scipy.sparse import coo_array  # a quarter of the time that `validate` takes to start
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)
