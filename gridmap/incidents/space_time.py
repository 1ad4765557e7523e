"""Where and when reports were made, as arrays in metres and in seconds, for comparing them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Ints
from gridmap._checks import check_crs, label
from gridmap.dates import NO_TIMES, UNREAD_TIMES, day_of
from gridmap.errors import CRSError, InputError

DAY = 86_400.0
_MOST_PERIODS = 3_000  # eight years of days; beyond it an empty stretch is a typing error


def in_metres(incidents: pd.DataFrame, *, needed: bool = True) -> tuple[Floats, Floats]:
    """Take positions in metres from the geometry or from columns ``x`` and ``y``.

    What has no position comes back as NaN.

    Parameters
    ----------
    incidents
        Reports; a geometry must be in a CRS in metres, and so must the columns be.
    needed
        Whether to refuse reports without any positions; else all of them are NaN.

    Raises
    ------
    CRSError
        If the geometry is not in metres.
    InputError
        If there are no positions and they are needed.
    """
    if isinstance(incidents, gpd.GeoDataFrame):
        crs = check_crs("incidents", incidents)
        if not crs.is_projected or abs(crs.axis_info[0].unit_conversion_factor - 1) > 1e-9:
            raise CRSError(
                "`incidents` is in {crs}, which is not in metres. Transform it: "
                "`incidents.to_crs(metric_crs(incidents))`.",
                crs=label(crs),
            )
        shapes = incidents.geometry.to_numpy()
        x, y = shapely.get_x(shapes), shapely.get_y(shapes)
    elif "x" in incidents and "y" in incidents:
        x, y = (incidents[axis].to_numpy(dtype=float, na_value=np.nan) for axis in "xy")
    elif needed:
        raise InputError("`incidents` has neither geometry nor columns `x` and `y` in metres.")
    else:
        x = y = np.full(len(incidents), np.nan)
    known = np.isfinite(x) & np.isfinite(y)
    _refuse_degrees(x[known], y[known])
    return np.where(known, x, np.nan), np.where(known, y, np.nan)


def in_seconds(incidents: pd.DataFrame, column: str) -> Floats:
    """Take a column of times as seconds since 1970; what cannot be read is NaN.

    Parameters
    ----------
    incidents
        Reports.
    column
        Name of the column.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if column not in incidents:
        raise (
            InputError(NO_TIMES)
            if column == "time"
            else InputError(
                "`incidents` has no column `{column}`. Rename the one that has the time.",
                column=column,
            )
        )
    times = wall_times(incidents[column])
    seconds = times.to_numpy("datetime64[us]").astype(np.int64) / 1e6
    return np.where(times.isna().to_numpy(), np.nan, seconds)


def wall_times(times: pd.Series) -> pd.Series:
    """Take times as the clock on the wall showed them; what cannot be read is missing.

    Parameters
    ----------
    times
        Times, or text that tells them.

    Raises
    ------
    InputError
        If they are of several time zones: their clocks did not show the same.

    Examples
    --------
    >>> told = wall_times(pd.Series(["2026-03-01T08:00:00+08:00", "soon"]))
    >>> str(told[0]), told.isna().tolist()
    ('2026-03-01 08:00:00', [False, True])
    """
    if not pd.api.types.is_datetime64_any_dtype(times.dtype):
        zones = {time.tzinfo for time in times if isinstance(time, dt.datetime) and time == time}
        try:
            times = pd.to_datetime(times, errors="coerce", format="mixed")
        except ValueError:  # only zones that differ cannot be coerced
            zones = {dt.UTC, None}
        if len(zones) > 1:
            raise InputError(
                "`{times}` mixes time zones. Bring all times to one, as by "
                "`pd.to_datetime(times, utc=True).dt.tz_convert('Asia/Shanghai')`.",
                times=times.name,
            )
    return times.dt.tz_localize(None) if times.dt.tz is not None else times


def kinds(incidents: pd.DataFrame, same: Sequence[str]) -> Ints:
    """Number the combinations of columns; reports of one number are of one kind.

    Parameters
    ----------
    incidents
        Reports.
    same
        Columns; a missing value is a value like others.

    Raises
    ------
    InputError
        If a column is missing.
    """
    missing = [name for name in same if name not in incidents]
    if missing:
        raise InputError(
            "`same` names {missing!r}, but `incidents` has no such column. Name columns "
            "that make two reports the same kind.",
            missing=missing[0],
        )
    if not same:
        return np.zeros(len(incidents), np.int64)
    groups = incidents.groupby(list(same), dropna=False, sort=True, observed=True)
    return np.asarray(groups.ngroup(), dtype=np.int64)


def during(
    incidents: pd.DataFrame, since: str | None = None, until: str | None = None
) -> pd.DataFrame:
    """Keep the reports from one day to another, both days included.

    Parameters
    ----------
    incidents
        Reports with ``time``; those without a readable time are dropped when a day is given.
    since, until
        Days; None leaves that end open.

    Raises
    ------
    InputError
        If a day cannot be read, nothing has a time, or none of the reports is of these days.

    Examples
    --------
    >>> reports = pd.DataFrame({"time": pd.to_datetime(["2026-03-01 23:00", "2026-03-02 00:00"])})
    >>> len(during(reports, until="2026-03-01"))
    1
    """
    if since is None and until is None:
        return incidents
    seconds = in_seconds(incidents, "time")
    first = -np.inf if since is None else day_of("since", since).timestamp()
    end = np.inf if until is None else day_of("until", until).timestamp() + DAY
    if first >= end:
        raise InputError(
            "`since` {since} lies after `until` {until}. Swap them.", since=since, until=until
        )
    shown = incidents[(seconds >= first) & (seconds < end)]
    if len(incidents) and not len(shown):
        _refuse_empty_days(seconds)
    return shown


def check_span(periods: pd.Series, unit: str) -> None:
    """Refuse times that run over thousands of periods, nearly all empty: a year is mistyped.

    Examples
    --------
    >>> check_span(pd.Series(pd.PeriodIndex(["2026-01", "9999-12"], freq="M")), "month")
    Traceback (most recent call last):
    gridmap.errors.InputError: `time` runs from 2026-01 to 9999-12: 95,688 periods by month, of \
which 2 hold anything. Mend the years, or keep the days that are meant (`since`, `until`).
    """
    first, last = periods.min(), periods.max()
    many = last.ordinal - first.ordinal + 1
    filled = periods.nunique()
    if many > _MOST_PERIODS and filled < many / 10:
        raise InputError(
            "`time` runs from {first} to {last}: {many:,} {many:period|periods} by "
            "{unit}, of which {filled:,} hold anything. Mend the years, or keep the days "
            "that are meant (`--since`, `--until`).",
            first=first,
            last=last,
            many=many,
            unit=unit,
            filled=filled,
        )


def check_above_zero(name: str, value: float) -> float:
    """Refuse a length or span that is not above 0."""
    if not (np.isfinite(value) and value > 0):
        raise InputError("`{name}` is {value}; give a number above 0.", name=name, value=value)
    return float(value)


def _refuse_empty_days(seconds: Floats) -> None:
    """Tell which days there are, where none was asked for."""
    known = seconds[np.isfinite(seconds)]
    if not len(known):
        raise InputError(UNREAD_TIMES if len(seconds) else NO_TIMES)
    first, last = (pd.Timestamp(moment, unit="s").date() for moment in (known.min(), known.max()))
    raise InputError(
        "No incident is of the days asked for; they run from {first} to {last}. "
        "Change `since` or `until`.",
        first=first,
        last=last,
    )


def _refuse_degrees(x: Floats, y: Floats) -> None:
    """Refuse a whole town within five metres of the origin: these are degrees."""
    if len(x) < 2:
        return
    small = np.abs(x).max() <= 180 and np.abs(y).max() <= 90
    spread = max(float(np.ptp(x)), float(np.ptp(y)))
    if small and 0 < spread < 5 and not (x == np.round(x)).all():
        raise InputError(
            "`incidents` columns `x` and `y` look like degrees ({x:.4f}, {y:.4f}). Give "
            "metres: a GeoDataFrame `.to_crs(grid.crs)`.",
            x=x[0],
            y=y[0],
        )
