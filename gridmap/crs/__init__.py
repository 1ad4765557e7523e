"""Coordinate reference systems: where to measure, and from which datum positions come."""

from __future__ import annotations

from gridmap.crs.datum import (
    DATUMS,
    DatumAlarm,
    bd09_to_gcj02,
    bd09_to_wgs84,
    check_datum,
    datum_alarm,
    from_datum,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    likely_cause,
    positions_from,
    positions_to,
    to_datum,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)
from gridmap.crs.project import (
    in_shift_area,
    lacks_parameters,
    metric_crs,
    mover,
    parse_crs,
    reproject,
    shift_area,
)

__all__ = [
    "DATUMS",
    "DatumAlarm",
    "bd09_to_gcj02",
    "bd09_to_wgs84",
    "check_datum",
    "datum_alarm",
    "from_datum",
    "gcj02_to_bd09",
    "gcj02_to_wgs84",
    "in_shift_area",
    "lacks_parameters",
    "likely_cause",
    "metric_crs",
    "mover",
    "parse_crs",
    "positions_from",
    "positions_to",
    "reproject",
    "shift_area",
    "to_datum",
    "wgs84_to_bd09",
    "wgs84_to_gcj02",
]
