"""The base of a comparison: which cells have any of the denominator and so take part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridmap.hotspot_analysis.cube import exposure_of

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

GATES = ["", "no base", "too few", "constant"]
NO_BASE, TOO_FEW, CONSTANT = 1, 2, 3


@dataclass(frozen=True)
class Base:
    """Hold the denominator of every cell, 0 where there is none, and its name."""

    values: NDArray[np.float64]
    name: str | None

    @property
    def keep(self) -> NDArray[np.int64]:
        """Give the rows of the cells that take part."""
        return np.flatnonzero(self.values > 0)

    @property
    def gate(self) -> NDArray[np.int8]:
        """Gate the cells that take no part."""
        return np.where(self.values > 0, 0, NO_BASE).astype(np.int8)

    def left_out(self, counts: NDArray[np.int64]) -> dict[str, Any]:
        """Count the cells that take no part, and the incidents in them.

        Parameters
        ----------
        counts
            A row a cell.
        """
        none = self.values <= 0
        return {"no_base": int(none.sum()), "incidents_no_base": int(counts[none].sum())}


def base_of(grid: Grid, exposure: str | pd.Series | None) -> Base:
    """Take the denominator of every cell.

    Parameters
    ----------
    grid, exposure
        As for :func:`gridmap.hotspot_analysis.cube.exposure_of`, which raises what is to be raised.
    """
    return Base(*exposure_of(grid, exposure))
