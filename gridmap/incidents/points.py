"""The positions of incidents, from whatever they came in, as arrays in the grid's CRS."""

from __future__ import annotations

from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from gridmap._checks import label
from gridmap.crs import check_datum, mover, positions_from
from gridmap.crs.angles import parse_degrees
from gridmap.errors import CRSError, InputError

Floats = npt.NDArray[np.float64]

DATUM_OF = {"EPSG:4326": "wgs84", "OGC:CRS84": "wgs84", "EPSG:4490": "cgcs2000"}
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．－＋，", "0123456789.-+,")
_THOUSANDS = r"(?<=\d),(?=\d{3}(?!\d))"
_ONE_COMMA = r"[-+]?\d+,\d+"
_ONE_GROUP = r"[-+]?\d{1,3},\d{3}"
_DEGREE = "[°º度d]"
_GROUPS = r"[-+]?\d{1,3}(?:,\d{3})+(?:,\d{3}|\.\d*)"


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


def decimal_points(text: pd.Series) -> pd.Series:
    """Write decimal commas as points, where one of the numbers can mean nothing else.

    A comma before other than three digits is no thousands separator, and then none of them is.

    Examples
    --------
    >>> decimal_points(pd.Series(["48,01", "48,125"])).tolist()
    ['48.01', '48.125']
    >>> decimal_points(pd.Series(["48,125", "3,384,765"])).tolist()
    ['48,125', '3,384,765']
    """
    comma = text.str.fullmatch(_ONE_COMMA, na=False)
    if not (comma & ~text.str.fullmatch(_ONE_GROUP, na=False)).any():
        return text
    if text.str.fullmatch(_GROUPS, na=False).any():
        return text
    return text.mask(comma, text.str.replace(",", ".", regex=False))


def _of_columns(points: Any, x: str, y: str) -> tuple[Floats, Floats]:
    if not isinstance(points, pd.DataFrame):
        raise InputError(
            f"`points` is a {type(points).__name__}; hand in a GeoSeries, or a frame with "
            "columns of coordinates."
        )
    for name, column in (("x", x), ("y", y)):
        if column not in points:
            raise InputError(
                f"`{name}` names the column {column!r}, which `points` lacks; "
                f"it has {', '.join(map(str, points.columns)) or 'none'}."
            )
    return numbers(points[x]), numbers(points[y])


def of_shapes(shapes: npt.NDArray[Any], names: Any) -> tuple[Floats, Floats]:
    """Return the coordinates of points, NaN for missing ones; refuse what is no point."""
    kinds = shapely.get_type_id(shapes)
    odd = np.flatnonzero((kinds != shapely.GeometryType.POINT) & (kinds >= 0))
    if len(odd):
        raise InputError(
            f"`points` has {len(odd):,} geometries that are no points, the first a "
            f"{shapes[odd[0]].geom_type} at {pd.Index(names).tolist()[odd[0]]!r}. Use "
            "`points.representative_point()`."
        )
    found = shapely.get_coordinates(shapes)
    if len(found) == len(shapes):
        x, y = np.ascontiguousarray(found.T)
        return x, y
    known = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    xy = np.full((2, len(shapes)), np.nan)
    xy[:, known] = found.T
    return xy[0], xy[1]
