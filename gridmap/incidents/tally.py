"""Counts of incidents by cell and by whatever else: dense, sorted, zeros included."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gridmap._arrays import positions
from gridmap.errors import InputError, UnassignedWarning
from gridmap.grid.grid import check_level
from gridmap.incidents.space_time import check_span, wall_times
from gridmap.language import Message

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

_MOST_ROWS = 100_000_000
_PERIODS = {"day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}


def tally(
    placed: pd.DataFrame,
    grid: Grid,
    *,
    by: str | Sequence[str] = (),
    level: str | None = None,
) -> pd.DataFrame:
    """Count incidents by cell, every cell and every combination included.

    Parameters
    ----------
    placed : DataFrame
        What `assign` returned: the column ``code``, and those named in `by`.
    grid : Grid
        The cells.
    by : str or sequence of str
        Columns to count by as well. ``day``, ``week``, ``month``, ``quarter`` and ``year`` are
        periods of the column ``time``, without holes from the first to the last. Missing text
        counts as "".
    level : str, optional
        A level of the grid to roll up to; by cell when not given.

    Returns
    -------
    DataFrame
        One column, ``incidents``, indexed by ``code`` (or the level) and `by`, sorted; its
        ``attrs`` hold how many incidents were read, counted, and why others were not.

    Raises
    ------
    InputError
        When a column or level is missing, when the times run over thousands of periods that are
        nearly all empty, or when the table would be too large.

    Warns
    -----
    UnassignedWarning
        When incidents in a cell have no time, and so are in no period.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> import gridmap as gm
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = gm.adopt(cells, cells.union_all("coverage"), code="id")
    >>> placed = pd.DataFrame({"code": ["b", "b", None], "category": ["waste", "road", "road"]})
    >>> tally(placed, grid, by="category").reset_index()
      code category  incidents
    0    a     road          0
    1    a    waste          0
    2    b     road          1
    3    b    waste          1
    """
    by = [by] if isinstance(by, str) else list(by or ())
    _check_columns(placed, by)
    axes = [_areas(placed, grid, level), *(_axis(placed, column) for column in by)]
    in_cell = axes[0][0] >= 0
    counted = np.logical_and.reduce([number >= 0 for number, _ in axes])
    shape = tuple(len(labels) for _, labels in axes)
    if math.prod(shape) > _MOST_ROWS:
        raise InputError(
            "A dense table by {value} would have {prod:,} {prod:row|rows}. Count by fewer "
            "columns, or by a longer period.",
            value=["code", *by],
            prod=math.prod(shape),
        )
    flat = np.ravel_multi_index(tuple(number[counted] for number, _ in axes), shape)
    counts = np.bincount(flat, minlength=math.prod(shape)).astype(np.int64)
    labels = [labels for _, labels in axes]
    index = labels[0] if len(labels) == 1 else pd.MultiIndex.from_product(labels)
    table = pd.DataFrame({"incidents": counts}, index=index)
    undated = int(in_cell.sum() - counted.sum())
    table.attrs.update(
        read=len(placed), counted=int(counted.sum()), unassigned=int((~in_cell).sum()),
        undated=undated,
    )  # fmt: skip
    if undated:
        untimed = Message(
            "{n:,} {n:incident has|incidents have} no time and {n:is|are} counted in no period. "
            "See `.attrs['undated']`."
        )
        warnings.warn(UnassignedWarning(untimed(n=undated)), stacklevel=3)
    return table


def _check_columns(placed: pd.DataFrame, by: list[str]) -> None:
    for column in ("code", *by):
        source = "time" if column in _PERIODS and column not in placed else column
        if source not in placed:
            raise InputError(
                "`by` needs the column {source!r}, which `placed` lacks; it has {columns}.",
                source=source,
                columns=[*placed.columns],
            )


def _areas(
    placed: pd.DataFrame, grid: Grid, level: str | None
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], pd.Index]:
    """Return the number of each incident's area, -1 for none, and the areas in order."""
    cells = grid.cells
    codes = cells.index.sort_values()
    code = placed["code"]
    if isinstance(code.dtype, pd.CategoricalDtype):
        known = codes.get_indexer(code.cat.categories)
        number = np.append(known, -1)[code.cat.codes.to_numpy()]
        lacking = code.cat.categories[known < 0]
        lacking = (
            lacking.intersection(pd.Index(code.dropna().unique())) if len(lacking) else lacking
        )
    else:
        number = positions(codes, code)
        lacking = pd.Index(code[(number < 0) & code.notna().to_numpy()].unique())
    if len(lacking):
        raise InputError(
            "`placed` has the code {lacking!r}, which is no cell of `grid`; assign with "
            "the same grid.",
            lacking=lacking[0],
        )
    if level is None:
        return number.astype(np.int64), pd.Index(codes, name="code")
    check_level(level, grid.levels)
    area_of, areas = pd.factorize(cells[level].reindex(codes), sort=True)
    return np.append(area_of, -1)[number].astype(np.int64), pd.Index(areas, name=level)


def _axis(
    placed: pd.DataFrame, column: str
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], pd.Index]:
    """Return the number of each incident's value in a column, and the values in order."""
    if column in _PERIODS and column not in placed:
        periods = wall_times(placed["time"]).dt.to_period(_PERIODS[column])
        first, last = periods.min(), periods.max()
        if pd.isna(first):
            values: pd.Index = pd.PeriodIndex([], freq=_PERIODS[column], name=column)
        else:
            check_span(periods, column)
            values = pd.period_range(first, last, name=column)
        return values.get_indexer(pd.PeriodIndex(periods)).astype(np.int64), values
    series = placed[column]
    if not pd.api.types.is_numeric_dtype(series.dtype) and series.isna().any():
        series = series.astype(object).where(series.notna(), "")
    number, values = pd.factorize(series, sort=True)
    return number.astype(np.int64), pd.Index(values, name=column)
