"""Angles as people write them."""

from __future__ import annotations

import re

_DEGREES = re.compile(
    r"([nsewNSEW东西南北]?)[经纬]?\s*(\d{1,3}(?:\.\d+)?)\s*[°º度d]\s*(?:(\d{1,2}(?:\.\d+)?)\s*['′’分m]\s*)?"
    r"(?:(\d{1,2}(?:\.\d+)?)\s*(?:\"|″|”|''|′′|秒|s)\s*)?([nsewNSEW东西南北]?)[经纬]?"
)


def parse_degrees(value: object) -> float | None:
    """Read an angle written in degrees, minutes and seconds, or None.

    Examples
    --------
    >>> parse_degrees("114°06′18″E"), parse_degrees("南纬30度30分"), parse_degrees("114.1")
    (114.105, -30.5, None)
    """
    found = _DEGREES.fullmatch(str(value).strip())
    if found is None:
        return None
    before, degrees, minutes, seconds, behind = found.groups()
    angle = (float(degrees) * 3600 + float(minutes or 0) * 60 + float(seconds or 0)) / 3600
    return -angle if (before or behind) in tuple("sSwW南西") else angle
