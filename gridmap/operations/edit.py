"""Changes by hand: split a cell, merge cells, move a unit; each returns a new proved Grid."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import pandas as pd

from gridmap.errors import InputError
from gridmap.grid.check import check_grid
from gridmap.grid.grid import Grid
from gridmap.organisation.rebuild import NEW, rebuilt


def move(
    grid: Grid, unit: Hashable, to: str, *, approve: str = "", on: str = "", lang: str = "zh"
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
        raise InputError(f"The grid has no unit {unit!r}; see `grid.units`.")
    _check_codes(grid, [to])
    source = str(units.at[unit, "code"])
    if source == to:
        raise InputError(f"Unit {unit!r} is in cell {to} already.")
    _check_one_parent(grid, [source, to])
    label = units["code"].astype(object)
    label[unit] = to
    return rebuilt(grid, label, [source, to], approve, on, lang)


def merge(
    grid: Grid, codes: Iterable[str], *, approve: str = "", on: str = "", lang: str = "zh"
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
        raise InputError(f"`codes` names {len(chosen)} cell; give two or more to merge.")
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
    lang: str = "zh",
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
                raise InputError(f"Unit {unit!r} is not in cell {code}; see `grid.units`.")
            if part[unit]:
                raise InputError(f"Unit {unit!r} stands in two groups of `parts`.")
            part[unit] = number
    if part.nunique() < 2:
        raise InputError(f"`parts` leaves cell {code} whole; name some of its units.")
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
        raise InputError(f"The grid has no cell {unknown[0]!r}; see `grid.cells`.")


def _check_one_parent(grid: Grid, codes: Sequence[str]) -> None:
    parents = grid.cells.loc[list(codes), "parent"].unique()
    if len(parents) > 1:
        raise InputError(
            f"Cells {', '.join(codes)} lie in {len(parents)} jurisdictions "
            f"({', '.join(map(str, parents))}), and no cell may cross one."
        )
