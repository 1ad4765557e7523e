"""The inputs of the main job, read, understood and checked: what the commands hand on.

Each reader returns the frame and how it was understood, whose sentences are to be printed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shapely

from gridmap.crs import check_datum, from_datum, positions_from
from gridmap.dates import DateOrder
from gridmap.errors import CRSError, InputError
from gridmap.io.columns import Understanding, understand
from gridmap.io.coordinates import coordinate_pair, declared_datum, fill_places, true_crs
from gridmap.io.source import BROKEN_PARQUET, Source, find_source, unreadable
from gridmap.io.tables import read_table
from gridmap.io.vector import read_layer
from gridmap.language import Message

Spec = str | os.PathLike[str]

_AREAS = (3, 6)
_LINES = (1, 2, 3, 5, 6)


def read_jurisdictions(
    spec: Spec, *, crs: Any = None, code: str | None = None, levels: Sequence[str] = ()
) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read the areas that no cell may cross.

    Parameters
    ----------
    spec : str or path
        A layer of polygons.
    crs : CRS, optional
        For a file that does not say its own.
    code : str, optional
        The column of the areas' own codes; found by its heading when not given.
    levels : sequence of str
        Columns of the hierarchy, which must be there.

    Returns
    -------
    tuple of GeoDataFrame and Understanding
        Columns as in the file, and ``code`` (text) beside them where one was understood.
    """
    frame = _polygons(read_layer(spec, crs=crs), "jurisdictions")
    for level in levels:
        _check_column(frame, level, "jurisdictions")
    named, known = understand(frame, "jurisdiction", choose={"code": code})
    if "code" in named:
        frame = frame.assign(code=named["code"].to_numpy())
    if "cells" in named and "cells" not in frame:
        frame = frame.assign(cells=named["cells"].to_numpy())
    frame.attrs = {}
    return frame, known


def read_households(
    spec: Spec,
    *,
    crs: Any = None,
    count: str | None = None,
    x: str | None = None,
    y: str | None = None,
    datum: str | None = None,
) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read buildings, compounds or addresses with their households.

    Parameters
    ----------
    spec : str or path
        A layer of points or polygons, or a table with coordinates.
    crs : CRS, optional
        For a file that does not say its own.
    count, x, y : str, optional
        Columns; found by their headings when not given.
    datum : str, optional
        Of the coordinates: ``wgs84``, ``cgcs2000``, ``gcj02``, ``bd09`` or ``EPSG:n``.

    Returns
    -------
    tuple of GeoDataFrame and Understanding
        Canonical columns, among them ``households`` (int64), in a true CRS.

    Raises
    ------
    InputError
        When there is no column of households, one is no count, or a place is no number.
    """
    frame, known = _placed(spec, "building", crs, {"households": count, "x": x, "y": y}, datum)
    _need_households(frame, frame.columns, spec)
    return frame, known


def read_units(
    spec: Spec, *, crs: Any = None, count: str | None = None
) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read indivisible polygons with their households.

    Parameters
    ----------
    spec : str or path
        A layer of polygons.
    crs : CRS, optional
        For a file that does not say its own.
    count : str, optional
        The column of households; found by its heading when not given.

    Returns
    -------
    tuple of GeoDataFrame and Understanding
        Columns as in the file, with ``households`` (int64).
    """
    frame = _polygons(read_layer(spec, crs=crs), "units")
    named, known = understand(frame, "building", choose={"households": count})
    _need_households(named, frame.columns, spec)
    frame = frame.assign(households=named["households"].to_numpy())
    frame.attrs = {}
    return frame, known


def read_barriers(spec: Spec, *, crs: Any = None) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read streets, rivers and railways: lines, or polygons of water.

    Returns
    -------
    tuple of GeoDataFrame and Understanding
        Canonical columns ``kind`` and ``name`` where there are such.
    """
    frame = read_layer(spec, crs=crs)
    kinds = shapely.get_type_id(frame.geometry.to_numpy())
    _refuse_rows(~np.isin(kinds, _LINES), "barriers", Message("no line and no polygon"))
    return understand(frame, "barrier")


def read_dedicated(spec: Spec, *, crs: Any = None) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read dedicated areas, such as schools, markets and parks.

    Returns
    -------
    tuple of GeoDataFrame and Understanding
        Canonical columns ``name`` and ``use`` where there are such.
    """
    return understand(_polygons(read_layer(spec, crs=crs), "dedicated"), "dedicated")


def read_cells(
    spec: Spec,
    *,
    crs: Any = None,
    code: str | None = None,
    count: str | None = None,
    need_crs: bool = False,
) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read cells that somebody drew; defects stay in, to be found.

    Parameters
    ----------
    spec : str or path
        A layer.
    crs : CRS, optional
        For a file that does not say its own.
    code, count : str, optional
        Columns; found by their headings when not given.
    need_crs : bool
        Whether a layer without a CRS is refused.

    Returns
    -------
    tuple of GeoDataFrame and Understanding
        Columns as in the file; ``code`` and ``households`` beside them where understood.
    """
    frame = read_layer(spec, crs=crs, need_crs=need_crs)
    named, known = understand(
        frame, "cell", choose={"code": code, "households": count}, convert=False
    )
    for column in ("code", "households"):
        if column in named and column not in frame:
            frame = frame.assign(**{column: named[column].to_numpy()})
    frame.attrs = {}
    return frame, known


def read_incidents(
    spec: Spec,
    *,
    crs: Any = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
    time: str | None = None,
    category: str | None = None,
    date_order: DateOrder | None = None,
    need_places: bool = True,
    to: Any = None,
) -> tuple[pd.DataFrame, Understanding]:
    """Read incidents, without building a point for each.

    Parameters
    ----------
    spec : str or path
        A table with coordinates, or a layer of points.
    crs : CRS, optional
        Of projected coordinates in a table, or of a layer that does not say its own.
    datum : str, optional
        Of the coordinates; degrees without one are taken as WGS 84, and a note says so.
    x, y, time, category : str, optional
        Columns; found by their headings when not given.
    date_order : str, optional
        ``dmy``, ``mdy`` or ``ymd``, for dates that do not tell.
    need_places : bool
        Whether a table without coordinates is refused, and one in which none can be read.
    to : CRS, optional
        That of the grid. Rows without a place of their own then get one from columns whose
        headings name their datum, such as 高德经度 and 高德纬度.

    Returns
    -------
    tuple of DataFrame and Understanding
        Canonical columns; a table has float columns ``x`` and ``y`` as delivered, and
        ``attrs["datum"]`` names what they are in (None: the CRS of the grid). Hand it on as
        ``assign(frame, grid, datum=frame.attrs["datum"])``.
    """
    choose = {"x": x, "y": y, "time": time, "category": category}
    frame = layer_or_table(spec, crs)
    frame, known = understand(frame, "incident", choose=choose, date_order=date_order)
    if isinstance(frame, gpd.GeoDataFrame) and x is None:
        shapes = frame.geometry.to_numpy()
        if need_places and (shapely.is_missing(shapes) | shapely.is_empty(shapes)).all():
            _refuse_unplaced(spec, len(frame), "points")
        frame.attrs["datum"] = None if datum is None else check_datum(datum)
        return frame, known
    if isinstance(frame, gpd.GeoDataFrame):
        frame = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    pair = coordinate_pair(frame, known, spec, needed=need_places, named=x is not None)
    if pair is None:
        return frame, known
    frame = frame.rename(columns={pair.x: "x", pair.y: "y"})
    declared = declared_datum(frame, datum or pair.datum, crs, known, spec)
    if to is not None:
        frame = fill_places(frame, known, declared, to)
    if need_places and not np.isfinite(frame[["x", "y"]].to_numpy(float)).all(axis=1).any():
        _refuse_unplaced(spec, len(frame), f"{known.columns[pair.x]} and {known.columns[pair.y]}")
    frame.attrs["datum"] = declared
    return frame, known


def read_staff(spec: Spec) -> tuple[pd.DataFrame, Understanding]:
    """Read the roster: who answers for which cell, in which role.

    Returns
    -------
    tuple of DataFrame and Understanding
        Canonical columns; data of persons stay in the frame and are named in
        ``Understanding.personal``.
    """
    return understand(read_table(spec), "staff")


def read_points(
    spec: Spec,
    *,
    crs: Any = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> gpd.GeoDataFrame:
    """Read points from a layer or from a table with coordinates, in a true CRS.

    Parameters
    ----------
    spec : str or path
        As for `read_incidents`.
    crs : CRS, optional
        Of projected coordinates.
    datum : str, optional
        Of the coordinates.
    x, y : str, optional
        Columns; found by their headings when not given.

    Returns
    -------
    GeoDataFrame
        Canonical columns of incidents. A row without a place has an empty geometry.
    """
    frame, known = _placed(spec, "incident", crs, {"x": x, "y": y}, datum, strict=False)
    frame.attrs["notes"] = known.notes
    return frame


def _placed(
    spec: Spec,
    table: str,
    crs: Any,
    choose: dict[str, str | None],
    datum: str | None,
    *,
    strict: bool = True,
) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read a layer, or a table whose coordinates become points."""
    frame, known = understand(layer_or_table(spec, crs), table, choose=choose)
    if isinstance(frame, gpd.GeoDataFrame):
        if datum is not None:
            frame = from_datum(frame, datum, crs=true_crs(datum, crs))
        return frame, known
    pair = coordinate_pair(frame, known, spec, needed=True, named=choose.get("x") is not None)
    assert pair is not None
    frame = frame.rename(columns={pair.x: "x", pair.y: "y"})
    lost = ~np.isfinite(frame[["x", "y"]].to_numpy(float)).all(axis=1)
    if strict:
        _refuse_rows(lost, str(spec), Message("no coordinates"))
    declared = declared_datum(frame, datum or pair.datum, crs, known, spec)
    if declared is None:
        raise CRSError(
            "`{spec}` has projected coordinates but no CRS. Declare it: `--crs "
            "EPSG:4547`, or `--datum EPSG:4547`.",
            spec=spec,
        )
    target = true_crs(declared, crs)
    east, north = positions_from(frame["x"], frame["y"], declared, target)
    points = gpd.GeoSeries(shapely.points(east, north), index=frame.index, crs=target)
    return gpd.GeoDataFrame(frame, geometry=points), known


def layer_or_table(spec: Spec, crs: Any) -> pd.DataFrame:
    """Read a table, or a layer where there are geometries."""
    source = find_source(spec)
    return read_layer(spec, crs=crs) if has_geometry(source) else read_table(spec)


def has_geometry(source: Source) -> bool:
    """Tell whether a source is more than a plain table."""
    if source.kind == "database":
        from gridmap.io.postgis import is_shaped

        return is_shaped(source)
    if source.kind != "parquet":
        return source.kind == "vector"
    place = source.path if source.member is None else io.BytesIO(source.read_bytes())
    try:
        return b"geo" in (pq.read_schema(place).metadata or {})
    except BROKEN_PARQUET as error:
        raise unreadable(source.name, error) from error


def _polygons(frame: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    kinds = shapely.get_type_id(frame.geometry.to_numpy())
    _refuse_rows(~np.isin(kinds, _AREAS), name, Message("no polygon"))
    return frame


def _refuse_rows(bad: Any, name: str, what: Message) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        listed = ", ".join(str(row + 1) for row in rows[:5]) + (" …" if len(rows) > 5 else "")
        raise InputError(
            "`{name}` has {what} in {rows:,} of {bad:,} {bad:row|rows}: {listed}. Mend or "
            "remove them.",
            name=name,
            what=what,
            rows=len(rows),
            bad=len(bad),
            listed=listed,
        )


def _refuse_unplaced(spec: Spec, rows: int, names: str) -> None:
    if rows:
        raise InputError(
            "`{spec}` has no position that can be read in any of its {rows:,} "
            "{rows:row|rows}: see {names}. Name the columns of the coordinates: `--x "
            "COLUMN --y COLUMN`.",
            spec=spec,
            rows=rows,
            names=names,
        )


def _need_households(named: pd.DataFrame, columns: pd.Index, spec: Spec) -> None:
    if "households" not in named:
        raise InputError(
            "`{spec}` has no column of households among {columns}. Name it: `--count COLUMN`.",
            spec=spec,
            columns=[*columns],
        )


def _check_column(frame: pd.DataFrame, column: str, name: str) -> None:
    if column not in frame.columns:
        raise InputError(
            "`{name}` has no column {column!r}; it has {columns}.",
            name=name,
            column=column,
            columns=[*frame.columns],
        )
