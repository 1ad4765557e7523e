"""A tally as a stack of maps: one array with a row a cell and a column a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gridmap._arrays import Array, Bools, Floats, Ints
from gridmap.errors import InputError

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

PERIODS = ("day", "week", "month", "quarter", "year")
_WIDEST = 1e12  # between the smallest and the largest exposure
_MOST = 2.0**53  # beyond it a count is no longer exact


@dataclass(frozen=True)
class Stack:
    """Hold the counts of a tally, and where each of its rows stands in them.

    A **map** is one combination of what the tally was split by: a category in a month, say.
    ``counts`` has a row a cell of the grid and a column a map; a cell and map that the tally does
    not list is a count of 0, and ``filled`` tells how many such there were.
    """

    counts: Ints
    row: Ints
    column: Ints
    maps: pd.Index
    filled: int

    def flat(self, values: Array) -> Array:
        """Lay values of cells and maps out on the rows of the tally."""
        laid: Array = np.broadcast_to(values, self.counts.shape)[self.row, self.column]
        return laid

    def spread(self, values: Array, keep: Ints, missing: Any) -> Array:
        """Lay values of the cells `keep` out on the rows of the tally, `missing` on the others."""
        whole = np.empty(self.counts.shape, values.dtype)
        whole[:] = missing
        whole[keep] = values
        return self.flat(whole)

    @property
    def period_level(self) -> int | None:
        """Tell which level of `maps` is time, None when there is none."""
        for number in range(self.maps.nlevels):
            values = self.maps.get_level_values(number)
            if isinstance(values, pd.PeriodIndex | pd.DatetimeIndex):
                return number
        names = list(self.maps.names)
        return next((names.index(name) for name in PERIODS if name in names), None)

    def span(self) -> list[str] | None:
        """Name the first and the last period, None without time."""
        level = self.period_level
        if level is None or not len(self.maps):
            return None
        values = self.maps.get_level_values(level)
        return [str(values.min()), str(values.max())]


def stack(table: pd.DataFrame, grid: Grid) -> Stack:
    """Read a tally into a stack of maps.

    Parameters
    ----------
    table
        What `tally` gives: index ``code`` or (``code``, …), column ``incidents``.
    grid
        Whose cells the codes are.

    Raises
    ------
    InputError
        If a code is not of this grid, a row is doubled, or a count is negative, broken or missing.
    """
    if "incidents" not in table:
        raise InputError(
            "`table` has no column `incidents`. Count first: `tally(assign(points, grid), grid)`."
        )
    counts = _counts(table["incidents"])
    index = table.index
    row = grid.cells.index.get_indexer(index.get_level_values(0))
    if (row < 0).any():
        code = index.get_level_values(0)[row < 0][0]
        raise InputError(
            "`table` counts for the code {code!r}, which is no cell of `grid`. Tally and "
            "grid must belong together: tally again with this grid.",
            code=code,
        )
    column, maps = _maps(index)
    # an empty tally is still one map, on which nothing was reported
    width = max(len(maps), 1)
    dense = np.zeros((len(grid.cells), width), np.int64)
    listed = np.zeros(dense.shape, bool)
    listed[row, column] = True
    missing = int(dense.size - listed.sum())
    if dense.size - missing < len(row):
        raise InputError(
            "`table` lists a cell twice for one map. Sum first: `table.groupby(level=…).sum()`."
        )
    dense[row, column] = counts
    return Stack(dense, row.astype(np.int64), column, maps, missing)


def _meant(cells: pd.DataFrame, exposure: str | pd.Series) -> tuple[str, pd.Series]:
    """Return the name and the values of the denominator, in the order of the cells."""
    if isinstance(exposure, pd.Series):
        if not exposure.index.is_unique:
            raise InputError("`exposure` lists a code twice. Give each cell one number.")
        if not exposure.index.isin(cells.index).any():
            raise InputError("`exposure` knows none of the codes of `grid`. Index it by code.")
        return str(exposure.name or "exposure"), exposure.reindex(cells.index)
    if not isinstance(exposure, str) or exposure not in cells.columns:
        raise InputError(
            "`exposure` is {exposure!r}, but `cells` of the grid has no such column. Use "
            "'households', 'area_m2', another column of them, or numbers by code.",
            exposure=exposure,
        )
    return exposure, cells[exposure]


def exposure_of(grid: Grid, exposure: str | pd.Series | None) -> tuple[Floats, str | None]:
    """Take the denominator of every cell, and its name.

    What is missing or not above 0 comes back as 0: a cell without exposure is never given a
    guessed one.

    Parameters
    ----------
    grid
        Whose cells are asked.
    exposure
        A column of `grid.cells`, a Series by code, or None for no denominator (1 a cell).

    Raises
    ------
    InputError
        If there is no such column, or it is not of numbers, or a number is negative.
    """
    if exposure is None:
        return np.ones(len(grid.cells)), None
    cells = grid.cells
    name, values = _meant(cells, exposure)
    if not pd.api.types.is_numeric_dtype(values.dtype):
        # a code of digits only is a name, not an amount
        raise InputError(
            "`exposure` {name!r} holds no amounts. Name a column of numbers, as 'households'.",
            name=name,
        )
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    if (numbers < 0).any():
        code = cells.index[int(np.argmax(numbers < 0))]
        raise InputError(
            "`exposure` {name!r} is negative in cell {code}. Give 0 or more.", name=name, code=code
        )
    numbers = np.where(np.isfinite(numbers), numbers, 0.0)
    some = numbers[numbers > 0]
    if len(some) and some.max() > _WIDEST * some.min():
        raise InputError(
            "`exposure` {name!r} runs from {some:g} to {some_2:g}. Bring it to one unit.",
            name=name,
            some=some.min(),
            some_2=some.max(),
        )
    return numbers, name


def by_period(maps: Stack) -> tuple[dict[Any, Ints], pd.Index, int]:
    """Sort the maps into one array of cells × periods for each category (or the like).

    Periods missing between the first and the last are columns of zeros.

    Parameters
    ----------
    maps
        A tally by one period, and anything else.

    Returns
    -------
    dict, Index, int
        The arrays by category (None when there is none), the periods, and how many incidents had
        no time.

    Raises
    ------
    InputError
        If there are no periods, or fewer than two.
    """
    level = maps.period_level
    if level is None:
        raise InputError(
            "`table` has no periods. Tally by one: `tally(placed, grid, by=['week'])`."
        )
    when = maps.maps.get_level_values(level)
    dated: Bools = np.asarray(when.notna())
    undated = int(maps.counts[:, ~dated].sum())
    periods = _all_periods(when[dated])
    if len(periods) < 2:
        raise InputError(
            "`table` has {periods} period(s), which is no history. Give at least two.",
            periods=len(periods),
        )
    step = periods.get_indexer(when)
    if not isinstance(maps.maps, pd.MultiIndex):
        others = np.zeros(len(when), np.int64)
        names: list[Any] = [None]
    else:
        others, rest = pd.factorize(maps.maps.droplevel(level), sort=True, use_na_sentinel=False)
        names = list(rest)
    cubes = {}
    for number, name in enumerate(names):
        counts = np.zeros((len(maps.counts), len(periods)), np.int64)
        mine = (others == number) & dated
        counts[:, step[mine]] = maps.counts[:, mine]
        cubes[name] = counts
    return cubes, periods, undated


def _counts(column: pd.Series) -> Ints:
    try:
        numbers = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(
            "`table` column `incidents` does not hold numbers: {error}.", error=error
        ) from error
    if not np.isfinite(numbers).all():
        raise InputError(
            "`table` column `incidents` has gaps. A cell without incidents counts 0: `fillna(0)`."
        )
    if (numbers < 0).any():
        raise InputError(
            "`table` counts {numbers:g} incidents in a cell. Counts are 0 or more.",
            numbers=numbers.min(),
        )
    if len(numbers) and numbers.max() > _MOST:
        raise InputError(
            "`table` counts {numbers:g} incidents in a cell. Mend the count.", numbers=numbers.max()
        )
    whole: Ints = numbers.astype(np.int64)
    if (whole != numbers).any():
        raise InputError(
            "`table` column `incidents` holds fractions. Incidents are counted in whole numbers."
        )
    return whole


def _maps(index: pd.Index) -> tuple[Ints, pd.Index]:
    """Number the maps of the rows, in sorted order, and list them."""
    if not isinstance(index, pd.MultiIndex):
        return np.zeros(len(index), np.int64), pd.Index([""], name="map")
    rest = index.droplevel(0)
    number, maps = pd.factorize(rest, sort=True)
    if (number < 0).any():
        # a missing category is a map of its own, after the others
        number = np.where(number < 0, len(maps), number)
        maps = maps.append(pd.Index([np.nan], name=rest.name))
    maps = maps.set_names(rest.names) if isinstance(maps, pd.MultiIndex) else maps.rename(rest.name)
    return number.astype(np.int64), maps


def _all_periods(seen: pd.Index) -> pd.Index:
    if isinstance(seen, pd.PeriodIndex) and len(seen):
        return pd.period_range(seen.min(), seen.max(), freq=seen.freq)
    return seen.unique().sort_values()
