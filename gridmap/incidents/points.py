"""The positions of incidents, from whatever they came in, as arrays in the grid's CRS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._checks import label
from gridmap._types import Floats
from gridmap.crs import check_datum, datum_alarm, mover, positions_from
from gridmap.crs.project import parse_degrees
from gridmap.errors import CRSError, InputError
from gridmap.io.batches import of_shapes
from gridmap.io.text import decimal_points
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


DATUM_OF = {"EPSG:4326": "wgs84", "OGC:CRS84": "wgs84", "EPSG:4490": "cgcs2000"}
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．－＋，", "0123456789.-+,")
_THOUSANDS = r"(?<=\d),(?=\d{3}(?!\d))"
_DEGREE = "[°º度d]"


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
        a, b = of_shapes(points.geometry.to_numpy(), points.index)
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


def numbers(values: pd.Series) -> Floats:
    """Return a column of coordinates as numbers; what is none becomes NaN.

    Text is read as numbers, with full-width digits, thousands separators, decimal commas and
    blanks around them forgiven, or as degrees, minutes and seconds.

    Examples
    --------
    >>> numbers(pd.Series([" 12.5", "１２", "3,384,765", "不详"])).tolist()
    [12.5, 12.0, 3384765.0, nan]
    >>> numbers(pd.Series(["114°06′18″E", "30度30分", "北"])).tolist()
    [114.105, 30.5, nan]
    >>> numbers(pd.Series(["48,0096925", "48,125"])).tolist()
    [48.0096925, 48.125]
    """
    if values.dtype == np.float64:
        return np.asarray(values)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    read = pd.to_numeric(values, errors="coerce")
    missed = (read.isna() & values.notna()).to_numpy()
    if missed.any():
        text = values[missed].astype(str).str.translate(_FULL_WIDTH).str.strip(" \u3000\t°'\"")
        text = decimal_points(text).str.replace(_THOUSANDS, "", regex=True)
        found = np.array(read, dtype=np.float64)
        found[missed] = pd.to_numeric(text, errors="coerce").to_numpy()
        rest = np.flatnonzero(missed & np.isnan(found))
        angles = values.iloc[rest].astype(str)
        written = angles.str.contains(_DEGREE).to_numpy(bool)
        found[rest[written]] = np.array([*map(parse_degrees, angles[written])], dtype=np.float64)
        return found
    return np.asarray(read.to_numpy(dtype=np.float64, na_value=np.nan))


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
    return numbers(points[x]), numbers(points[y])
