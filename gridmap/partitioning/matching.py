"""Which new cell continues which old one: most households stay under their code."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from gridmap.partitioning.arrays import Ints


def match(label: Ints, home: Ints, households: Ints) -> dict[int, int]:
    """Match new cells to old ones, one to one, so that most households keep their cell.

    Parameters
    ----------
    label, home : int array
        New and old cell of each unit; -1 in `home` for none.
    households : int array
        Those of each unit. Units without any weigh next to nothing, but something.

    Returns
    -------
    dict of int to int
        The old cell that each new cell continues, where it continues one.

    Examples
    --------
    >>> match(np.array([0, 0, 1, 2]), np.array([7, 7, 8, 8]), np.array([5, 5, 4, 6]))
    {0: 7, 2: 8}
    """
    known = home >= 0
    new, row = np.unique(label[known], return_inverse=True)
    old, column = np.unique(home[known], return_inverse=True)
    shared = np.zeros((len(new), len(old)))
    np.add.at(shared, (row, column), households[known] + 1e-3)
    rows, columns = linear_sum_assignment(-shared)
    return {
        int(new[r]): int(old[c]) for r, c in zip(rows, columns, strict=True) if shared[r, c] > 0
    }
