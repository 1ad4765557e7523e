"""The inputs of the main job, read, understood and checked: what the commands hand on.

Each reader returns the frame and how it was understood, whose sentences are to be printed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from gridmap._arrays import Floats
from gridmap._checks import check_column, coordinates_of, label
from gridmap.crs.datum import check_datum, from_datum, positions_from
from gridmap.dates import DateOrder
from gridmap.errors import CRSError, InputError
from gridmap.io.batches import has_shapes
from gridmap.io.columns import Understanding, called, understand
from gridmap.io.coordinates import declared_datum, fill_places, find_places, note_filled, true_crs
from gridmap.io.declared import declared
from gridmap.io.integrity import list_layers
from gridmap.io.point_text import PointOrder, parse_points
from gridmap.io.source import Source, find_source
from gridmap.io.tables import read_table
from gridmap.io.text import number_array, parse_number
from gridmap.io.vector import choose_layer, read_layer
from gridmap.language import Message

Spec = str | os.PathLike[str]

_TRIED = 200  # values by which a column of points is known
_AREAS = (3, 6)
_LINES = (1, 2, 3, 5, 6)
_WITH_TABLES = (".gpkg", ".sqlite", ".gdb")  # formats in which a layer may be a plain table


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
        check_column("jurisdictions", called(level, frame.columns), frame.columns)
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
    choose = {"households": count, "x": x, "y": y}
    frame, known = _placed(spec, crs, choose, datum)
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
        Columns as in the file, with ``households`` (int64); the rows are called by the units' own
        ids where a column has them.
    """
    frame = _polygons(read_layer(spec, crs=crs), "units")
    named, known = understand(frame, "building", choose={"households": count})
    _need_households(named, frame.columns, spec)
    frame = frame.assign(households=named["households"].to_numpy())
    ids = named.get("building_id", pd.Series(dtype=str))
    if len(ids) and ids.is_unique and (ids.fillna("").str.strip() != "").all():
        frame.index = pd.Index(ids.astype("str"))
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
    if "households" in frame:
        frame = frame.assign(households=counts_as_typed(frame["households"]))
    frame.attrs = {}
    return frame, known


def counts_as_typed(values: pd.Series) -> pd.Series:
    """Read counts with a counting word, as 534户; leave a column with other text as it is."""
    if values.dtype.kind in "iufb":
        return values
    there = values.notna()
    read = values[there].map(parse_number)
    whole = read.map(lambda n: not pd.isna(n) and n >= 0 and float(n).is_integer())
    if not whole.all() or not there.any():
        return values
    return read.astype("int64" if there.all() else "Int64").reindex(values.index)


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
    time_zone: str | None = None,
    encoding: str | None = None,
    point_order: PointOrder | None = None,
    need_places: bool = True,
    codes: bool = False,
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
        Columns; found by their headings when not given. `x` alone is a column of points as text.
    date_order : str, optional
        ``dmy``, ``mdy``, ``ymd`` or ``roc``, for dates that do not tell.
    time_zone : str, optional
        In which to count times that name a zone.
    encoding : str, optional
        Of a text, when it is mistaken.
    point_order : str, optional
        ``lnglat`` or ``latlng``, of two numbers in one column.
    need_places : bool
        Whether a table without coordinates is refused, and one in which none can be read.
    codes : bool
        Whether a column ``code`` of cells will do instead.
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
    told = crs or crs_named(datum)
    frame = layer_or_table(
        spec, told, encoding=encoding, places=True, keep_broken=True, need_crs=False, empty=True
    )
    return as_incidents(
        frame, spec, crs=crs, datum=datum, x=x, y=y, time=time, category=category,
        date_order=date_order, time_zone=time_zone, point_order=point_order,
        need_places=need_places, codes=codes, strict=need_places, to=to,
    )  # fmt: skip


def as_incidents(
    frame: pd.DataFrame,
    spec: Spec,
    *,
    crs: Any = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
    time: str | None = None,
    category: str | None = None,
    date_order: DateOrder | None = None,
    time_zone: str | None = None,
    point_order: PointOrder | None = None,
    need_places: bool = True,
    codes: bool = False,
    strict: bool = True,
    to: Any = None,
) -> tuple[pd.DataFrame, Understanding]:
    """Understand a table or layer as incidents: `read_incidents` of what has been read already.

    Parameters
    ----------
    frame : DataFrame
        Under the headings of its file.
    spec : str or path
        What to call it.
    strict : bool
        Whether a table is refused in whose columns of coordinates none can be read.

    Returns
    -------
    tuple of DataFrame and Understanding
        As of `read_incidents`, whose other options these are.
    """
    choose = {"time": time or declared().time, "category": category}
    if y is not None:
        choose |= {"x": x, "y": y}
    frame, known = understand(
        frame, "incident", choose=choose, date_order=date_order, time_zone=time_zone
    )
    if isinstance(frame, gpd.GeoDataFrame) and x is None:
        shapes = frame.geometry.to_numpy()
        if strict and len(frame) and (shapely.is_missing(shapes) | shapely.is_empty(shapes)).all():
            _refuse_unplaced(spec, len(frame), "points")
        known.stated["datum"] = datum or ("wgs84" if frame.crs is None else label(frame.crs))
        if frame.crs is None and datum is None:
            frame = _in_degrees(frame, known, spec)
        frame.attrs["datum"] = None if datum is None else check_datum(datum)
        return frame, known
    if isinstance(frame, gpd.GeoDataFrame):
        frame = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    coded = codes and "code" in frame
    placed = with_places(
        frame, known, spec, (x, y), crs=crs, datum=datum, order=point_order, to=to,
        needed=need_places and not coded, strict=strict and not coded,
    )  # fmt: skip
    return (frame, known) if placed is None else (placed, known)


def _in_degrees(frame: gpd.GeoDataFrame, known: Understanding, spec: Spec) -> gpd.GeoDataFrame:
    """Declare points without a CRS to be in WGS 84 when they are degrees, as columns would be."""
    x, y = coordinates_of(shapely.centroid(frame.geometry.to_numpy()), str(spec))
    known.notes.extend(datum_of_points(x, y, spec)[1])
    return frame.set_crs(4326)


def crs_named(datum: str | None) -> str | None:
    """Return the CRS that a declared datum is, where it is one by its number."""
    return datum if datum is not None and datum.upper().startswith("EPSG:") else None


def datum_of_points(x: Floats, y: Floats, spec: Spec) -> tuple[str, list[Message]]:
    """Return the datum of points without a CRS: WGS 84 when they are degrees, else refuse."""
    found, notes = declared_datum(x, y, None, None, spec)
    if found is None:
        raise CRSError(
            "`{spec}` has no CRS, so its coordinates mean nothing. Declare it: `--datum "
            "EPSG:4547`.",
            spec=spec,
        )
    return found, notes


def with_places(
    frame: pd.DataFrame,
    known: Understanding,
    spec: Spec,
    named: tuple[str | None, str | None],
    *,
    crs: Any,
    datum: str | None,
    order: PointOrder | None = None,
    to: Any = None,
    needed: bool = True,
    strict: bool = False,
) -> pd.DataFrame | None:
    """Return a table with float columns x and y, as all commands understand its places.

    Parameters
    ----------
    frame : DataFrame
        As `understand` returned it, with what was understood.
    known : Understanding
        Gets notes, and the datum among what is stated.
    spec : str or path
        What to call the file.
    named : (str, str)
        The columns that the user named.
    crs, datum, order, to
        As of `read_incidents`.
    needed, strict : bool
        Whether a table without coordinates is refused, and one in which none can be read.

    Returns
    -------
    DataFrame or None
        None where there are no coordinates and none are needed.
    """
    own = {known.columns.get(str(column), str(column)): column for column in frame.columns}
    heads = {heading: frame[column].head(_TRIED).tolist() for heading, column in own.items()}
    places = find_places(
        known.columns, heads, spec, named=named, datum=datum,
        order=order or declared().point_order,  # type: ignore[arg-type]
        needed=needed,
    )  # fmt: skip
    if places.points is not None:
        column = pa.array(frame[own[places.points.name]].astype("str").array, pa.string())
        found = parse_points(column, places.points)
        x, y, where = found.x, found.y, places.points.name
        datum = datum or (f"EPSG:{found.srid}" if found.srid else None)
    elif places.pair is not None:
        x, y = (number_array(frame[own[side]]) for side in (places.pair.x, places.pair.y))
        where, datum = f"{places.pair.x} and {places.pair.y}", datum or places.pair.datum
    else:
        return None
    x, y = x.copy(), y.copy()
    for axis in (x, y):
        axis[frame.attrs.get("broken", [])] = np.nan
    found_in, notes = declared_datum(x, y, datum, crs, spec)
    known.notes.extend(notes)
    if to is not None:
        others = [(number_array(frame[own[p.x]]), number_array(frame[own[p.y]]), str(p.datum))
                  for p in places.others if p != places.pair]  # fmt: skip
        x, y, counts = fill_places(x, y, others, found_in, to)
        headings = {p.datum: p.x for p in places.others}
        known.notes.extend(note_filled(headings[name], name, n) for name, n in counts.items())
    if strict and not (np.isfinite(x) & np.isfinite(y)).any():
        _refuse_unplaced(spec, len(frame), where)
    known.stated["datum"] = found_in or "of the grid"
    attrs = frame.attrs
    taken = [own[side] for side in (places.pair or ()) if side in own] if places.pair else []
    frame = frame.drop(columns=[c for c in {*taken, "x", "y"} if c in frame]).assign(x=x, y=y)
    frame.attrs = {**attrs, "datum": found_in}
    return frame


def read_staff(spec: Spec) -> tuple[pd.DataFrame, Understanding]:
    """Read the roster: who answers for which cell, in which role.

    Returns
    -------
    tuple of DataFrame and Understanding
        Canonical columns; data of persons stay in the frame and are named in
        ``Understanding.personal``.
    """
    return understand(read_table(spec), "staff")


def _placed(
    spec: Spec, crs: Any, choose: dict[str, str | None], datum: str | None
) -> tuple[gpd.GeoDataFrame, Understanding]:
    """Read a layer, or a table whose coordinates become points."""
    named = (choose.get("x"), choose.get("y"))
    chosen = choose if named[1] is not None else {k: v for k, v in choose.items() if k != "x"}
    frame, known = understand(layer_or_table(spec, crs), "building", choose=chosen)
    if isinstance(frame, gpd.GeoDataFrame):
        if datum is not None:
            frame = from_datum(frame, datum, crs=true_crs(datum, crs))
        known.stated["datum"] = datum or label(frame.crs)
        return frame, known
    placed = with_places(frame, known, spec, named, crs=crs, datum=datum, needed=True)
    assert placed is not None
    lost = ~np.isfinite(placed[["x", "y"]].to_numpy(float)).all(axis=1)
    _refuse_rows(lost, str(spec), Message("no coordinates"))
    declared_in = placed.attrs["datum"]
    if declared_in is None:
        raise CRSError(
            "`{spec}` has projected coordinates but no CRS. Declare it: `--crs "
            "EPSG:4547`, or `--datum EPSG:4547`.",
            spec=spec,
        )
    target = true_crs(declared_in, crs)
    east, north = positions_from(placed["x"], placed["y"], declared_in, target)
    points = gpd.GeoSeries(shapely.points(east, north), index=placed.index, crs=target)
    return gpd.GeoDataFrame(placed, geometry=points), known


def layer_or_table(
    spec: Spec,
    crs: Any,
    *,
    encoding: str | None = None,
    places: bool = False,
    keep_broken: bool = False,
    need_crs: bool = True,
    empty: bool = False,
) -> pd.DataFrame:
    """Read a table, or a layer where there are geometries."""
    source = find_source(spec)
    if has_geometry(source):
        return read_layer(spec, crs=crs, encoding=encoding, need_crs=need_crs, empty=empty)
    return read_table(spec, encoding=encoding, places=places, keep_broken=keep_broken, empty=empty)


def has_geometry(source: Source) -> bool:
    """Tell whether a source is more than a plain table."""
    if source.kind == "database":
        from gridmap.io.postgis import is_shaped

        return is_shaped(source)
    if source.kind in ("parquet", "arrow"):
        return has_shapes(source)
    if source.kind != "vector" or source.suffix == ".dbf":
        return False
    if source.suffix not in _WITH_TABLES:
        return True
    return dict(list_layers(source))[choose_layer(source)] is not None


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
