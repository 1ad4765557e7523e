"""The base of a comparison: which cells have enough of the denominator to take part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gridmap.hotspots.stack import exposure_of

if TYPE_CHECKING:
    from gridmap.grid import Grid

GATES = ["", "no base", "too few", "constant", "small base"]
NO_BASE, TOO_FEW, CONSTANT, SMALL_BASE = 1, 2, 3, 4
# of the median: a market with one flat has no rate of problems per household worth comparing,
# and a single such cell would stretch the spread until nothing else stood out
SMALL = 0.05


@dataclass(frozen=True)
class Base:
    """Hold the denominator of every cell and the gate of those that cannot take part.

    A cell has "no base" when its exposure is 0 or unknown, and a "small base" below a twentieth
    of the median of the others.
    """

    values: NDArray[np.float64]
    name: str | None
    gate: NDArray[np.int8]

    @property
    def keep(self) -> NDArray[np.int64]:
        """Give the rows of the cells that take part."""
        return np.flatnonzero(self.gate == 0)

    def left_out(self, counts: NDArray[np.int64]) -> dict[str, Any]:
        """Count the cells that take no part, and the incidents in them.

        Parameters
        ----------
        counts
            A row a cell.
        """
        none, small = self.gate == NO_BASE, self.gate == SMALL_BASE
        return {
            "no_base": int(none.sum()),
            "incidents_no_base": int(counts[none].sum()),
            "small_base": int(small.sum()),
            "incidents_small_base": int(counts[small].sum()),
            "small": SMALL,
        }


def base_of(grid: Grid, exposure: str | pd.Series | None) -> Base:
    """Take the denominator of every cell and gate those without enough of it.

    Parameters
    ----------
    grid, exposure
        As for :func:`gridmap.hotspots.stack.exposure_of`, which raises what is to be raised.
    """
    values, name = exposure_of(grid, exposure)
    some = values > 0
    least = SMALL * float(np.median(values[some])) if some.any() else 0.0
    gate = np.where(~some, NO_BASE, np.where(values < least, SMALL_BASE, 0))
    return Base(values, name, gate.astype(np.int8))
