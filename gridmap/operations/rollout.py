"""Levels below and parts of a grid: micro-cells inside its cells, jurisdictions for a roll-out."""

from __future__ import annotations

import re
from collections.abc import Iterable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap.codes import (
    DEFAULT_SCHEME,
    FIELD,
    code_pattern,
    joint,
    numbers_undivided,
    reading_order,
    write_code,
)
from gridmap.dates import day_of
from gridmap.errors import InputError
from gridmap.grid.grid import Grid, check_level
from gridmap.operations.staffing import places_called


def rollout(grid: Grid, areas: Iterable[str], *, level: str | None = None) -> Grid:
    """Take chosen jurisdictions out of a grid as a proved grid of their own.

    Parameters
    ----------
    grid : Grid
        The whole plan.
    areas : iterable of str
        Codes of jurisdictions, or names at `level`.
    level : str, optional
        A level of the grid.

    Returns
    -------
    Grid
        Its boundary is the union of the chosen jurisdictions.

    Raises
    ------
    InputError
        When an area or the level is not there, or none is chosen.
    """
    places = grid.jurisdictions
    if level is not None:
        check_level(level, grid.levels)
    names = places.index if level is None else places[level]
    chosen = list(dict.fromkeys(areas))
    unknown = [area for area in chosen if area not in set(names)]
    if unknown or not chosen:
        if unknown:
            raise InputError(
                "`areas` names {unknown!r}, which the grid does not have.", unknown=unknown[0]
            )
        raise InputError("`areas` is empty; name at least one.")
    kept = places[np.asarray(names.isin(chosen))]
    cells, units = grid.cells, grid.units
    codes = cells.index[cells["parent"].isin(kept.index)]
    return Grid(
        cells.loc[codes],
        shapely.coverage_union_all(kept.geometry.to_numpy()),
        grid.levels,
        jurisdictions=kept,
        units=units[units["code"].isin(codes)],
        exceptions=grid.exceptions[grid.exceptions["parent"].isin(kept.index)],
        retired=grid.retired,
        parameters=grid.parameters,
    )


def part_of(grid: Grid, of: str) -> Grid:
    """Take one area out of a grid as a proved grid of its own.

    Parameters
    ----------
    grid : Grid
        The whole plan.
    of : str
        Code or name of a jurisdiction, name of an area of a coarser level, or the digits that its
        jurisdictions have in common.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        When there is no such area, or it is a single cell.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A1", "B1"], "parent": ["A", "B"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> areas = cells.set_index("parent")[["geometry"]]
    >>> grid = Grid(cells, cells.union_all("coverage"), jurisdictions=areas)
    >>> list(part_of(grid, "B").cells.index)
    ['B1']
    """
    found = places_called(of, grid)
    found = [place for place in found if place[0] != "cell"] or found
    if not found:
        raise InputError(
            "The grid has no area {of!r}. Give the code or name of a jurisdiction, or the name at "
            "a level: {levels}.",
            of=of,
            levels=[*grid.levels] or ["–"],
        )
    if len(found) > 1:
        raise InputError(
            "Several places of the grid are called {of!r}; give the code of the one that is "
            "meant: {codes}.",
            of=of,
            codes=[code for _, code in found],
        )
    level, code = found[0]
    if level == "cell":
        raise InputError(
            "{of!r} is a single cell. Give the area it lies in, as {parent!r}.",
            of=of,
            parent=str(grid.cells.at[code, "parent"]),
        )
    return rollout(grid, [code], level=None if level == "parent" else level)


def codes_on(grid: Grid, day: str) -> pd.DataFrame:
    """List the codes that were valid on a day: those of cells, and those retired since.

    Parameters
    ----------
    grid : Grid
        A grid whose changes bear their days.
    day : str
        As 2026-03-01; a code retired on that day is valid no more.

    Returns
    -------
    DataFrame
        code, valid_from, valid_to and state: "cell", "retired" since, or "unknown" where a code was
        retired on a day that is not recorded. A code without a first day was always valid.

    Raises
    ------
    InputError
        When the day is none.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A2"], "valid_from": ["2026-03-01"]},
    ...     geometry=shapely.box([0], 0, 5, 5), crs=4547)
    >>> old = pd.DataFrame({"code": ["A1"], "valid_from": [""], "valid_to": ["2026-03-01"],
    ...     "reason": ["merged"]})
    >>> grid = Grid(cells, cells.geometry[0], retired=old)
    >>> codes_on(grid, "2026-02-01")["code"].tolist(), codes_on(grid, "2026-03-01")["code"].tolist()
    (['A1'], ['A2'])
    """
    asked = day_of("day", day)
    cells = grid.cells
    first = cells["valid_from"] if "valid_from" in cells else pd.Series("", cells.index)
    live = pd.DataFrame({"code": cells.index, "valid_from": first.to_numpy(), "valid_to": ""})
    table = pd.concat(
        [live.assign(state="cell"), grid.retired[[*live]].assign(state="retired")],
        ignore_index=True,
    )
    start = pd.to_datetime(table["valid_from"], errors="coerce")
    end = pd.to_datetime(table["valid_to"], errors="coerce")
    table["state"] = table["state"].mask((table["state"] == "retired") & end.isna(), "unknown")
    valid = (start.isna() | (start <= asked)) & (end.isna() | (end > asked))
    return table[valid].reset_index(drop=True)


_PROBLEMS = ["code", "problem", "expected"]


def check_codes(
    cells: gpd.GeoDataFrame, scheme: str = DEFAULT_SCHEME, *, order: bool = True
) -> pd.DataFrame:
    """Find codes that do not follow their scheme.

    Parameters
    ----------
    cells : GeoDataFrame
        Cells with ``parent`` and ``code`` (or the code as index).
    scheme : str
        A name of `code_schemes`, or a pattern, as from `code_pattern`.
    order : bool
        Whether the sequence must run in reading order within each parent.

    Returns
    -------
    DataFrame
        A row a finding: code, problem (repeated, form, parent, order; undivided, where 00 does not
        stand for an undivided community in the layout of 20 digits), expected; empty when all
        is well.

    Raises
    ------
    InputError
        When the cells have no parents, or the scheme is neither name nor pattern.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"code": ["A2001", "A1001"], "parent": ["A1", "A1"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> check_codes(cells)[["code", "problem"]].values.tolist()
    [['A2001', 'parent']]
    """
    scheme = code_pattern(scheme)
    whole = numbers_undivided(scheme)
    frame = cells.reset_index() if "code" not in cells else cells
    if "parent" not in frame or "code" not in frame:
        raise InputError("`cells` needs the columns `code` and `parent` to check codes against.")
    codes, parents = frame["code"].astype(str), frame["parent"].astype(str)
    form = _expression(scheme, r"(?P<parent>.+?)-?")
    rows = [(code, "repeated", "") for code in codes[codes.duplicated()].unique()]
    sequence: dict[int, int] = {}
    for position, (code, parent) in enumerate(zip(codes, parents, strict=True)):
        own = re.fullmatch(_expression(scheme, re.escape(parent + joint(parent, scheme))), code)
        if own:
            sequence[position] = int(own["sequence"])
            if whole and (sequence[position] == 0) != (parents.eq(parent).sum() == 1):
                rows.append((code, "undivided", write_code(parent, 0, scheme)))
        else:
            problem = "parent" if re.fullmatch(form, code) else "form"
            rows.append((code, problem, scheme.replace("{parent}", parent + joint(parent, scheme))))
    if order:
        rows += _out_of_order(frame, codes, parents, pd.Series(sequence, dtype="int64"))
    return pd.DataFrame(rows, columns=_PROBLEMS)


def _expression(scheme: str, parent: str) -> str:
    """Turn a pattern into a regular expression."""
    parts, at = [], 0
    for match in FIELD.finditer(scheme):
        parts.append(re.escape(scheme[at : match.start()]))
        width = match[2] or "1"
        parts.append(parent if match[1] == "parent" else rf"(?P<sequence>\d{{{width},}})")
        at = match.end()
    return "".join([*parts, re.escape(scheme[at:])])


def _out_of_order(
    frame: gpd.GeoDataFrame, codes: pd.Series, parents: pd.Series, sequence: pd.Series
) -> list[tuple[str, str, str]]:
    """List codes whose sequence is not that of reading the map."""
    rows = []
    point = shapely.get_coordinates(shapely.point_on_surface(frame.geometry.to_numpy()))
    area = shapely.area(frame.geometry.to_numpy())
    for _, numbers in sequence.groupby(parents.to_numpy()[sequence.index]):
        at = numbers.index.to_numpy()
        read = at[reading_order(point[at, 0], point[at, 1], area[at])]
        wanted = numbers.sort_values(kind="stable").index.to_numpy()
        rows += [
            (codes.iloc[place], "order", codes.iloc[should])
            for place, should in zip(read, wanted, strict=True)
            if place != should
        ]
    return rows
