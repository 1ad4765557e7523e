"""A grid as planners file it: a workbook with one sheet per level, or a table of its cells."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._checks import check_choice, label
from gridmap.crs.datum import check_datum, to_datum
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.io.atomic import replacing
from gridmap.io.columns import aliases, meaning
from gridmap.io.excel_write import write_workbook
from gridmap.io.tables import sheet_of, with_codes_as_text, write_table
from gridmap.io.text import plain_table
from gridmap.io.vector import write_layer
from gridmap.language import Lang
from gridmap.privacy import (
    SHARED,
    Audience,
    hashed,
    local_key,
    personal_columns,
    refuse_personal,
    suppress,
)

_OWN = ("code", "name", "kind", "households", "area_m2", "parent")
_GIVEN = ("land_use", "management_level", "post", "valid_from", "valid_to")
_SHEETS = {"cells": "网格", "exceptions": "例外", "retired": "停用编码"}
_LEVELS = {"district": "区县", "street": "街道", "community": "社区", "village": "村"}
_KINDS = {"residential": "居住网格", "dedicated": "专属网格", "vacant": "无人居住"}


def chinese_headings(columns: Iterable[str]) -> dict[str, str]:
    """Return the Chinese headings under which columns are filed.

    Examples
    --------
    >>> chinese_headings(["code", "households", "mine"])
    {'code': '网格编码', 'households': '户数'}
    """
    known = _headings()
    return {column: known[column] for column in columns if column in known}


def sheets_of(
    grid: Grid,
    *,
    columns: Collection[str] = (),
    lang: Lang = "zh",
    audience: Audience = "internal",
) -> dict[str, pd.DataFrame]:
    """Return the sheets of a grid's workbook: each level, the cells, exceptions, retired codes.

    Parameters
    ----------
    grid : Grid
        What to file.
    columns : collection of str
        More columns of the cells, besides code, name, kind, households, area, parent and levels.
    lang : str
        Language of headings and sheet names.
    audience : str
        For ``public`` the counts of households from 1 to 4 are left blank.

    Returns
    -------
    dict of str to DataFrame

    Raises
    ------
    InputError
        When a column asked for is not there or looks personal.
    """
    check_choice("audience", audience, ("internal", "public"))
    grid = grid.in_language(lang)
    sheets: dict[str, pd.DataFrame] = {
        level: grid.at(level).reset_index(drop=True) for level in grid.levels
    }
    sheets["cells"] = _cells(grid, columns)
    exceptions = grid.exceptions.drop(columns="said", errors="ignore")
    sheets |= {"exceptions": exceptions, "retired": grid.retired}
    return {
        _sheet_name(name, lang): _filed(plain_table(frame), lang, audience)
        for name, frame in sheets.items()
        if len(frame) or name == "cells"
    }


def export_grid(
    grid: Grid,
    path: str | os.PathLike[str],
    *,
    columns: Collection[str] = (),
    lang: Lang = "zh",
    audience: Audience = "internal",
    overwrite: bool = False,
) -> None:
    """Write a grid for the files: .xlsx with one sheet per level, or .csv with the cells.

    Parameters
    ----------
    grid : Grid
        What to file.
    path : path
        A file that ends in .xlsx, .csv or .parquet.
    columns, lang, audience
        As in `sheets_of`.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        When a column looks personal, or the file cannot be written.
    """
    sheets = sheets_of(grid, columns=columns, lang=lang, audience=audience)
    path = Path(path)
    if path.suffix.lower() != ".xlsx":
        write_table(sheets[_sheet_name("cells", lang)], path, overwrite=overwrite)
        return
    with replacing(path, overwrite=overwrite) as temporary:
        write_workbook(
            {name: sheet_of(with_codes_as_text(table)) for name, table in sheets.items()}, temporary
        )


def export_cells(
    grid: Grid,
    path: str | os.PathLike[str],
    *,
    datum: str | None = None,
    codes: Collection[str] | None = None,
    columns: Collection[str] = (),
    lang: Lang = "zh",
    audience: Audience = "internal",
    overwrite: bool = False,
) -> str:
    """Write the cells with their geometry, for another program or a map on a phone.

    Parameters
    ----------
    grid : Grid
        What to write.
    path : path
        A file that ends in .gpkg, .geojson, .shp, .fgb, .kml or .parquet; in .xlsx or .csv the
        cells come with the longitude and latitude of a point inside each.
    datum : str, optional
        What the coordinates are to be in: ``wgs84``, ``cgcs2000``, ``gcj02``, ``bd09`` or
        ``EPSG:n``; the CRS of the grid when not given, and ``wgs84`` for GeoJSON and tables.
    codes : collection of str, optional
        Only these cells.
    columns, lang, audience
        As in `sheets_of`; layers keep their English headings.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    str
        What the coordinates are in.
    """
    suffix = Path(path).suffix.lower()
    flat = suffix in (".xlsx", ".csv")
    if datum is None and (flat or suffix in (".geojson", ".kml")):
        datum = "wgs84"
    table = _cells(grid, columns)
    if audience == "public":
        table = table.assign(households=suppress(table["households"]))
    kept = np.ones(len(table), bool) if codes is None else table["code"].isin(codes).to_numpy()
    table, polygons = table[kept], grid.cells.geometry.to_numpy()[kept]
    shapes = gpd.GeoSeries(polygons, index=table.index, crs=grid.crs)
    if flat:
        shapes = shapes.representative_point()
    moved = shapes if datum is None else to_datum(shapes, datum)
    if flat:
        table = table.assign(lng=moved.x.round(7), lat=moved.y.round(7))
        headings = chinese_headings(table.columns) if lang == "zh" else None
        write_table(table, path, overwrite=overwrite, headings=headings)
    else:
        write_layer(gpd.GeoDataFrame(table, geometry=moved), path, overwrite=overwrite)
    return label(grid.crs) if datum is None else check_datum(datum)


def share(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    columns: Collection[str],
    *,
    counts: Collection[str] = (),
    hashed_columns: Collection[str] = (),
    key: str | os.PathLike[str] | None = None,
    lang: Lang = "zh",
    audience: Audience = "internal",
    overwrite: bool = False,
) -> int:
    """Write a table that leaves the house: only the columns on the list, none that looks personal.

    Parameters
    ----------
    frame : DataFrame
        What to write.
    path : path
        As for `write_table`.
    columns : collection of str
        The allow-list.
    counts : collection of str
        Columns of counts, in which 1 to 4 are left blank for ``public``.
    hashed_columns : collection of str
        Columns of ids that are replaced by keyed hashes before anything else is asked of them.
    key : path, optional
        File of the secret key; made when it is not there.
    lang, audience, overwrite
        As in `export_grid`.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    InputError
        When a column on the list is not there or looks personal.
    """
    table = plain_table(frame)
    missing = [c for c in (*columns, *counts, *hashed_columns) if c not in table]
    if missing:
        raise InputError(
            "The table has no column {missing}; it has {columns}.",
            missing=[*missing],
            columns=[*table.columns],
        )
    table = table[[column for column in table.columns if column in columns]]
    if hashed_columns:
        if key is None:
            raise InputError("`hashed_columns` needs a key. Name its file: `--key FILE`.")
        secret = local_key(key)
        fresh = {c: hashed(table[c], secret) for c in hashed_columns if c in table}
        table = table.assign(**fresh)
    plain = table.drop(columns=list(hashed_columns), errors="ignore")
    refuse_personal(plain, name="table", to=str(path))
    if audience == "public":
        blurred = [column for column in counts if column in table]
        table = table.assign(**{column: suppress(table[column]) for column in blurred})
    headings = chinese_headings(table.columns) if lang == "zh" else None
    write_table(table, path, overwrite=overwrite, headings=headings)
    return len(table)


def _cells(grid: Grid, columns: Collection[str]) -> pd.DataFrame:
    cells = _understood(plain_table(grid.cells))
    given = [column for column in _GIVEN if column in cells and cells[column].notna().any()]
    wanted = [*_OWN, *(level for level in grid.levels if level not in _OWN), *given, *columns]
    missing = [column for column in wanted if column not in cells]
    if missing:
        raise InputError(
            "`columns` names {missing}, which the cells lack; they have {columns}.",
            missing=[*missing],
            columns=[*cells.columns],
        )
    chosen = cells[list(dict.fromkeys(wanted))]
    suspects = {c: why for c, why in personal_columns(chosen).items() if c in columns}
    if suspects:
        refuse_personal(chosen[list(suspects)], name="cells", to=SHARED)
    return chosen


def _understood(cells: pd.DataFrame) -> pd.DataFrame:
    """Give the columns that cells bear in standards their canonical names, as far as given."""
    known = aliases("cell")
    named: dict[str, str] = {}
    for column in map(str, cells.columns):
        field = {"since": "valid_from"}.get(meaning(column, known), meaning(column, known))
        if field in _GIVEN and field not in cells and field not in named.values():
            named[column] = field
    return cells.rename(columns=named)


def _filed(table: pd.DataFrame, lang: Lang, audience: Audience) -> pd.DataFrame:
    if "households" in table and audience == "public":
        table = table.assign(households=suppress(table["households"]))
    if "area_m2" in table:
        table = table.assign(area_m2=table["area_m2"].round(1))
    if lang == "en":
        return table
    if "kind" in table:
        table = table.assign(kind=table["kind"].map(lambda kind: _KINDS.get(kind, kind)))
    return table.rename(columns=chinese_headings(table.columns))


def _sheet_name(name: str, lang: Lang) -> str:
    return name if lang == "en" else _SHEETS.get(name, _LEVELS.get(name, name))


@lru_cache(maxsize=1)
def _headings() -> dict[str, str]:
    text = files("gridmap").joinpath("tables/headings.csv").read_text("utf-8")
    return {row["field"]: row["zh"] for row in csv.DictReader(text.splitlines())}
