"""The positions of incidents, from whatever they came in, as arrays in the grid's CRS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._arrays import Floats
from gridmap._checks import label
from gridmap.crs import check_datum, datum_alarm, likely_cause, mover, positions_from
from gridmap.errors import CRSError, InputError
from gridmap.io.point_text import coordinates_of
from gridmap.io.text import number_array
from gridmap.language import Message

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


_SAMPLE = 20_000  # positions asked whether another datum would fit
SUSPICIOUS = 0.01  # share outside from which to ask


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


DATUM_OF = {"EPSG:4326": "wgs84", "OGC:CRS84": "wgs84", "EPSG:4490": "cgcs2000"}


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
