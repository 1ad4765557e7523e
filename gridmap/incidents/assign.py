"""Assignment: every incident gets exactly one cell, or a plain reason why not."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._arrays import Floats
from gridmap._checks import coordinates_of, label
from gridmap.crs.datum import check_datum, datum_alarm, likely_cause, positions_from
from gridmap.crs.project import mover
from gridmap.errors import CRSError, InputError, UnassignedWarning
from gridmap.grid.locator import Locator, Placement
from gridmap.io.text import number_array
from gridmap.language import Lang, Message

if TYPE_CHECKING:
    import dask.dataframe as dd

    from gridmap.grid.grid import Grid

STATUSES = ("outside", "inside", "boundary", "rim", "invalid")
RESULT_COLUMNS = ("code", "status", "nearest_code", "distance_m")
DATUM_OF = {"EPSG:4326": "wgs84", "OGC:CRS84": "wgs84", "EPSG:4490": "cgcs2000"}
SUSPICIOUS = 0.01  # share outside from which to ask whether another datum would fit
_SAMPLE = 20_000  # positions asked


@overload
def assign(
    points: pd.DataFrame | gpd.GeoSeries,
    grid: Grid,
    *,
    max_distance: float | None = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> pd.DataFrame: ...
@overload
def assign(
    points: dd.DataFrame,
    grid: Grid,
    *,
    max_distance: float | None = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> dd.DataFrame: ...
def assign(
    points: pd.DataFrame | gpd.GeoSeries | dd.DataFrame,
    grid: Grid,
    *,
    max_distance: float | None = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> pd.DataFrame | dd.DataFrame:
    """Give every incident exactly one cell.

    A point belongs to the cell that contains p + (δ, δ²) in the grid's CRS: from a shared edge
    it goes east, from a horizontal one north, whatever the order of the cells. On the outer
    border where that step leads outside, it goes to the touching cell, the lowest code if there
    are several.

    Parameters
    ----------
    points : GeoSeries, GeoDataFrame or DataFrame
        The incidents: points, or columns of coordinates. A Dask frame comes back as one.
    grid : Grid
        The cells.
    max_distance : float, optional
        How far from the grid, in metres, a point outside is still given its nearest cell;
        any distance by default.
    datum : str, optional
        What the coordinates are in: ``wgs84``, ``cgcs2000``, ``gcj02``, ``bd09`` or ``EPSG:n``.
        Without it, the CRS of the points; that of the grid for columns of coordinates.
    x, y : str, optional
        Columns of the coordinates; by default the geometry, or columns named x and y.

    Returns
    -------
    DataFrame
        On the index of the points: ``code``; ``status``, one of inside, boundary (a shared
        edge), rim (the outer border), outside or invalid (no finite position); ``nearest_code``
        and ``distance_m`` for points outside; then the incidents' own columns. An own column of
        one of these names becomes ``incident_<name>``.

    Raises
    ------
    InputError
        When a column is missing or a geometry is no point.
    CRSError
        When points have no CRS and no datum is declared.

    Warns
    -----
    UnassignedWarning
        When many points lie outside and would not under another datum.

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> import gridmap as gm
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> grid = gm.adopt(cells, cells.union_all("coverage"), code="id")
    >>> assign(gpd.GeoSeries.from_xy([1, 5, 10, 13], [1, 2, 2, 1], crs=4547), grid)
      code    status nearest_code  distance_m
    0    a    inside          NaN         NaN
    1    b  boundary          NaN         NaN
    2    b       rim          NaN         NaN
    3  NaN   outside            b         3.0
    """
    if max_distance is not None and not max_distance >= 0:
        raise InputError(
            "`max_distance` is {max_distance}; give metres from 0.", max_distance=max_distance
        )
    if hasattr(points, "map_partitions"):
        return _assign_partitions(points, grid.locator, max_distance, datum, x, y)
    where, placement = place(points, grid.locator, max_distance, datum, x, y)
    _warn(where, placement, grid)
    return labelled(placement, grid.locator.names, points)


def _warn(where: Positions, placement: Placement, grid: Grid) -> None:
    placed = int(np.count_nonzero(placement.cell))
    if len(where.x) - placed <= SUSPICIOUS * len(where.x):
        return
    if placed == 0:
        if len(where.x):
            told = nowhere(where.given_x, where.given_y, where.datum, len(where.x), grid)
            warnings.warn(UnassignedWarning(told, all_lost=True), stacklevel=3)
        return
    lost = where.given - placed
    doubt = alarm_of(where.given_x, where.given_y, where.datum, lost, len(where.x), grid)
    if doubt is not None:
        warnings.warn(UnassignedWarning(doubt.message()), stacklevel=3)


def _assign_partitions(
    frame: Any,
    where: Locator,
    max_distance: float | None,
    datum: str | None,
    x: str | None,
    y: str | None,
) -> dd.DataFrame:
    """Assign a Dask frame, partition by partition.

    The index travels once, as a task of the graph: a worker that dies takes nothing along that
    the scheduler cannot send again.
    """
    from dask.delayed import delayed

    _ = where.index
    work = partial(_assign_partition, max_distance=max_distance, datum=datum, x=x, y=y)
    empty = work(frame._meta_nonempty.iloc[:0], where)
    shared = delayed(where, pure=True, traverse=False)
    lazy: dd.DataFrame = frame.map_partitions(work, shared, meta=empty, enforce_metadata=False)
    return lazy


def _assign_partition(
    points: Any,
    where: Locator,
    *,
    max_distance: float | None,
    datum: str | None,
    x: str | None,
    y: str | None,
) -> pd.DataFrame:
    """Assign with no more of the grid than its locator, and no warning."""
    return labelled(place(points, where, max_distance, datum, x, y)[1], where.names, points)


def in_cells(incidents: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Return what `assign` says of incidents; one without a position lies in the cell of its code.

    Parameters
    ----------
    incidents : DataFrame
        With positions, as for `assign`, or the ``code`` of a cell, or some with either;
        ``attrs["datum"]`` says what the positions are in.
    grid : Grid
        The cells.
    """
    if has_positions(incidents) or "code" not in incidents:
        placed = assign(incidents, grid, datum=incidents.attrs.get("datum"))
        own = placed.get("incident_code")
    else:
        own, blank = incidents["code"], {"nearest_code": None, "distance_m": np.nan}
        taken = {f"incident_{name}": incidents[name] for name in ("status", *blank)
                 if name in incidents}  # fmt: skip
        placed = incidents.assign(**taken, **blank, code=None, status="invalid")
    if own is None:
        return placed
    named = own.astype("string").str.strip().astype(object)
    told = (placed["status"] == "invalid") & named.isin(grid.cells.index)
    code = placed["code"].astype(object).where(~told, named)
    return placed.assign(code=code, status=placed["status"].astype(object).where(~told, "inside"))


def inside(incidents: pd.DataFrame, grid: Grid) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep the incidents that lie in a grid, each with its cell, and account for the others.

    Where there are neither positions nor codes, nothing is known of the places and all incidents
    are kept.

    Parameters
    ----------
    incidents, grid
        As for `in_cells`.

    Returns
    -------
    tuple of DataFrame and dict
        What `in_cells` returns of the incidents inside, and how many were ``read``, are
        ``inside``, ``outside`` or ``unplaced``.
    """
    count = len(incidents)
    if not has_positions(incidents) and "code" not in incidents:
        return incidents, {"read": count, "inside": count, "outside": 0, "unplaced": 0}
    placed = in_cells(incidents, grid)
    kept = placed[placed["code"].notna()]
    outside = int((placed["status"] == "outside").sum())
    lost = count - len(kept) - outside
    return kept, {"read": count, "inside": len(kept), "outside": outside, "unplaced": lost}


def has_positions(incidents: pd.DataFrame) -> bool:
    """Tell whether incidents, if there are any, have positions of their own."""
    if isinstance(incidents, gpd.GeoDataFrame):
        return True
    if not {"x", "y"} <= set(incidents):
        return False
    return incidents.empty or bool(incidents[["x", "y"]].notna().all(axis=1).any())


def grid_positions(incidents: pd.DataFrame, grid: Grid) -> tuple[Floats, Floats]:
    """Return the positions of incidents in the CRS of a grid; what has none is NaN.

    Parameters
    ----------
    incidents : DataFrame
        With a geometry, or columns ``x`` and ``y`` in what ``attrs["datum"]`` says.
    grid : Grid
        The cells.
    """
    if not isinstance(incidents, gpd.GeoDataFrame) and not {"x", "y"} <= set(incidents):
        return np.full(len(incidents), np.nan), np.full(len(incidents), np.nan)
    found = positions(incidents, grid.crs, datum=incidents.attrs.get("datum"))
    return found.x, found.y


def place(
    points: Any,
    where: Locator,
    max_distance: float | None,
    datum: str | None,
    x: str | None,
    y: str | None,
) -> tuple[Positions, Placement]:
    """Return the positions of points, and the cell of each."""
    found = positions(points, where.crs, datum=datum, x=x, y=y)
    return found, where.place(found.x, found.y, max_distance)


def labelled(placement: Placement, names: pd.CategoricalDtype, points: Any) -> pd.DataFrame:
    """Return a placement as a frame on the points' index, before the points' own columns."""
    small = np.int16 if len(names.categories) < 2**15 else np.int32
    cell = np.subtract(placement.cell, 1, dtype=small, casting="unsafe")
    nearest = np.full_like(cell, -1)
    nearest[placement.outside] = placement.nearest - 1
    distance = np.full(len(cell), np.nan)
    distance[placement.outside] = placement.distance
    frame = pd.DataFrame(
        {
            "code": pd.Categorical.from_codes(cell, dtype=names, validate=False),
            "status": pd.Categorical.from_codes(placement.place, pd.Index(STATUSES)),
            "nearest_code": pd.Categorical.from_codes(nearest, dtype=names, validate=False),
            "distance_m": distance,
        },
        index=points.index,
        copy=False,
    )
    own = _own_columns(points)
    return frame if own is None else pd.concat([frame, own], axis=1)


def renamed(
    columns: Iterable[Any], results: Iterable[str] = RESULT_COLUMNS, prefix: str = "incident_"
) -> dict[Any, str]:
    """Return new names for the incidents' columns that the result needs for itself.

    Examples
    --------
    >>> renamed(["status", "x"])
    {'status': 'incident_status'}
    """
    columns, results = list(columns), set(results)
    taken = {*columns, *results}
    names: dict[Any, str] = {}
    for column in columns:
        if column in results:
            name = f"{prefix}{column}"
            while name in taken:
                name = f"{prefix}{name}"
            taken.add(name)
            names[column] = name
    return names


def _own_columns(points: Any) -> pd.DataFrame | None:
    if not isinstance(points, pd.DataFrame):
        return None
    geometry = getattr(points, "_geometry_column_name", None)
    own = pd.DataFrame(points.drop(columns=[geometry] if geometry in points else []))
    return own.rename(columns=renamed(own.columns))


class Positions(NamedTuple):
    """Positions as delivered and in the grid's CRS, and the datum or CRS they came in."""

    given_x: Floats
    given_y: Floats
    x: Floats
    y: Floats
    source: Any

    @property
    def datum(self) -> str:
        """What the positions were declared to be in."""
        if isinstance(self.source, str):
            return self.source
        name = label(self.source)
        return DATUM_OF.get(name, name)

    @property
    def given(self) -> int:
        """How many of the delivered positions are numbers."""
        return int((np.isfinite(self.given_x) & np.isfinite(self.given_y)).sum())


def positions(
    points: Any, crs: Any, *, datum: str | None = None, x: str | None = None, y: str | None = None
) -> Positions:
    """Return the positions of a frame or series of points.

    Parameters
    ----------
    points : GeoSeries, GeoDataFrame or DataFrame
        Points, or columns of coordinates.
    crs : CRS
        Where to: that of the grid.
    datum : str, optional
        What the coordinates are in, if not in the CRS they claim.
    x, y : str, optional
        Columns of the coordinates; without them the geometry, or columns named x and y.

    Raises
    ------
    InputError
        When a column is missing or a geometry is no point.
    CRSError
        When points have no CRS and no datum is declared.
    """
    if (x is None) != (y is None):
        raise InputError("Give both `x` and `y`, or neither.")
    if datum is not None:
        datum = check_datum(datum)
    if isinstance(points, gpd.GeoSeries | gpd.GeoDataFrame) and x is None:
        a, b = coordinates_of(points.geometry.to_numpy(), "points")
        given = points.crs
        if given is None and datum is None:
            raise CRSError(
                "`points` has no CRS, so its coordinates mean nothing. Declare it: "
                "`points.set_crs(4326)`, or `datum='wgs84'`."
            )
    else:
        a, b = _of_columns(points, x or "x", y or "y")
        given = crs
    if datum is not None:
        return Positions(a, b, *positions_from(a, b, datum, crs), datum)
    if given is crs or given == crs:
        return Positions(a, b, a, b, given)
    return Positions(a, b, *mover(given, crs)(a, b), given)


def _of_columns(points: Any, x: str, y: str) -> tuple[Floats, Floats]:
    if not isinstance(points, pd.DataFrame):
        raise InputError(
            "`points` is a {type}; hand in a GeoSeries, or a frame with columns of coordinates.",
            type=type(points).__name__,
        )
    for name, column in (("x", x), ("y", y)):
        if column not in points:
            raise InputError(
                "`{name}` names the column {column!r}, which `points` lacks; it has {columns}.",
                name=name,
                column=column,
                columns=[*points.columns] or Message("none"),
            )
    return number_array(points[x]), number_array(points[y])


def alarm_of(x: Any, y: Any, datum: str, lost: int, read: int, grid: Grid) -> Any:
    """Return a DatumAlarm when so many points lie outside that their datum is doubtful.

    Parameters
    ----------
    x, y : float arrays
        Positions as delivered, or a sample of them.
    datum : str
        What they were declared to be in.
    lost, read : int
        How many positions are in no cell, of how many.
    grid : Grid
        The cells.
    """
    if lost <= SUSPICIOUS * read:
        return None
    step = max(1, len(x) // _SAMPLE)
    try:
        return datum_alarm(x[::step], y[::step], grid.boundary, grid.crs, declared=datum)
    except InputError:  # a CRS without a number cannot be declared, nor doubted
        return None


def nowhere(x: Any, y: Any, datum: str, read: int, grid: Grid) -> Message:
    """Say that none of the incidents lies in the grid, with the likely cause.

    Parameters
    ----------
    x, y : float arrays
        Positions as delivered, or a sample of them.
    datum : str
        What they were declared to be in.
    read : int
        How many there are.
    grid : Grid
        The cells.
    """
    cause = likely_cause(x, y, grid.boundary, grid.crs, declared=datum)
    told = Message("None of the {n:,} {n:incident|incidents} lies in the grid: {cause}.")
    cure = Message("check the columns of the coordinates, and --datum")
    return told(n=read, cause=cause or cure)


NAMED = 20  # invalid records that are named
_WORDS = {
    "read": Message("read"),
    "inside": Message("inside", context="accounts"),
    "boundary": Message("boundary"),
    "rim": Message("rim"),
    "outside": Message("outside"),
    "invalid": Message("invalid"),
}


@dataclass
class Accounts:
    """What became of every row: read is the sum of the rest.

    Attributes
    ----------
    counts : dict of str to int
        read, inside, boundary, rim, outside, invalid.
    invalid_rows : list of int
        The first invalid records by number, counted from 1.
    broken : int
        How many of the invalid rows had too few or too many fields.
    alarm : DatumAlarm or None
        Whether another datum would fit better.
    nowhere : Message or None
        That none of them lies in the grid, and why.

    Examples
    --------
    >>> Accounts({"read": 3, "inside": 1, "outside": 2}).sentences("en")
    ['read 3 = inside 1 + outside 2']
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_WORDS, 0))
    invalid_rows: list[int] = field(default_factory=list)
    broken: int = 0
    alarm: Any = None
    nowhere: Message | None = None

    def sentences(self, lang: Lang = "zh") -> list[str]:
        """Return the accounts, and what should be looked at, a line each."""
        parts = [f"{_WORDS[name].text(lang)} {n:,}" for name, n in self.counts.items()]
        lines = [f"{parts[0]} = {' + '.join(parts[1:])}"]
        if self.invalid_rows:
            rows = [f"{row:,}" for row in self.invalid_rows]
            more = "…" if self.counts["invalid"] > len(self.invalid_rows) else ""
            said = Message("Invalid records, by number: {rows}{more}")
            if self.broken:
                said = Message(
                    "Invalid records, by number: {rows}{more}; {n:,} of the invalid "
                    "{n:has|have} a wrong number of fields, kept as is"
                )
            lines.append(said(rows=rows, more=more, n=self.broken).text(lang))
        if self.alarm is not None:
            lines.append(self.alarm.message().text(lang))
        if self.nowhere is not None:
            lines.append(self.nowhere.text(lang))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the accounts as JSON knows them."""
        alarm = None if self.alarm is None else vars(self.alarm)
        return {
            **self.counts,
            "broken": self.broken,
            "invalid_rows": self.invalid_rows,
            "datum_alarm": alarm,
            "nowhere": None if self.nowhere is None else self.nowhere.both(),
        }
