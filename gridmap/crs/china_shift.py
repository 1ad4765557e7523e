"""The shifts of Chinese map services, GCJ-02 and BD-09, on arrays of degrees.

Own code from the published polynomial-and-sine form. The shift is a smooth function of the
position, so its inverse is found by fixed-point iteration: each step shrinks the error about a
thousandfold.
Positions outside `china.shift_area` come back as they are.

The polygon inside which Chinese map services shift coordinates.

Drawn by hand at about 1:10,000,000, generous along the land border and at sea, closer where
somebody lives just outside: Hong Kong, Macau, Taiwan, Kinmen and Matsu are not in it. It says where
the shift applies; it says nothing about where a border runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import shapely

from gridmap._arrays import Bools, Floats

_SHELL = """
73.2 39.4, 73.6 38.2, 74.5 37.0, 75.8 35.7, 77.5 35.2, 78.0 34.5, 78.3 33.0, 78.2 32.3,
78.4 31.2, 79.3 30.7, 81.0 29.9, 82.0 30.0, 83.8 28.7, 85.8 27.7, 87.9 27.6, 88.6 27.9,
88.85 27.1, 89.2 27.3, 89.6 27.9, 90.8 27.7, 91.5 27.4, 92.0 26.7, 93.7 26.7, 95.2 26.6,
96.4 27.1, 97.4 27.7, 98.2 27.3, 98.4 26.0, 97.3 24.8, 97.4 23.7, 98.4 23.7, 98.7 22.9,
99.0 21.9, 100.0 21.2, 101.1 21.0, 101.9 21.0, 102.0 22.1, 103.0 22.2, 104.0 22.3,
104.9 22.6, 105.5 23.0, 106.5 22.5, 106.5 21.8, 107.3 21.4, 108.0 21.3, 108.2 20.0,
108.2 18.6, 108.9 17.9, 110.2 17.9, 111.5 19.3, 112.2 21.2, 114.0 21.7, 115.0 22.2,
116.8 22.7, 117.8 23.4, 118.13 24.2, 118.18 24.4, 118.212 24.46, 118.26 24.5, 118.3 24.53,
118.39 24.545, 118.47 24.53, 118.56 24.45, 119.0 24.6, 119.6 24.8, 120.0 25.3, 119.88 25.8,
119.8 26.05, 119.86 26.25, 119.98 26.28, 120.3 26.42, 121.2 27.1, 122.5 28.4, 123.3 30.2,
123.3 31.2, 122.5 32.5, 121.6 34.2, 121.0 35.2, 121.8 36.3, 123.0 36.8, 123.0 37.7,
122.6 38.6, 123.6 38.9, 124.2 39.6, 124.45 40.0, 125.1 40.4, 126.1 40.9, 127.0 41.4,
128.3 41.25, 128.4 41.9, 129.3 42.0, 129.95 42.5, 130.3 42.6, 130.6 42.25, 130.85 42.4,
130.7 42.75, 131.3 42.8, 131.5 43.5, 131.4 44.6, 131.9 44.95, 133.1 44.9, 133.7 45.8,
134.4 47.2, 135.0 47.8, 135.3 48.5, 134.5 48.6, 132.5 48.1, 131.2 48.0, 130.9 49.0,
129.6 49.7, 128.0 49.9, 127.65 50.3, 127.5 51.0, 127.1 51.6, 126.4 52.8, 125.2 53.4,
123.6 53.8, 121.0 53.6, 119.8 52.9, 120.0 52.4, 120.3 52.0, 119.6 51.3, 118.9 50.4,
117.7 49.8, 116.6 50.1, 115.2 48.2, 115.4 47.5, 116.5 47.6, 117.4 47.4, 118.5 47.7,
119.4 47.2, 118.2 46.9, 117.3 46.6, 116.4 46.6, 115.5 45.7, 114.6 45.6, 113.6 45.0, 111.8 45.4,
111.0 44.4, 111.5 43.8, 110.2 43.0, 107.4 42.7, 105.0 41.9, 101.9 42.9, 100.0 43.0,
96.5 43.1, 95.5 44.6, 93.5 45.3, 91.2 45.5, 91.3 46.8, 90.2 48.1, 88.7 48.7, 87.9 49.5,
86.5 49.4, 85.2 48.5, 85.2 47.4, 82.9 47.5, 82.0 45.7, 81.8 45.5, 79.7 45.2, 80.1 44.1,
80.2 43.2, 79.9 42.3, 78.0 41.5, 76.7 41.3, 75.5 40.9, 74.6 40.7, 73.5 40.0, 73.2 39.4
"""

_HONG_KONG = """
113.86 22.425, 113.9 22.445, 113.945 22.478, 113.99 22.497, 114.03 22.503, 114.055 22.503,
114.068 22.516, 114.083 22.518, 114.09 22.53, 114.114 22.533, 114.13 22.54, 114.15 22.541,
114.16 22.556, 114.17 22.56, 114.185 22.555, 114.22 22.555, 114.232 22.548, 114.26 22.56,
114.35 22.565, 114.44 22.565, 114.47 22.45, 114.51 22.4, 114.51 22.14, 113.85 22.14,
113.85 22.2, 113.83 22.25, 113.86 22.425
"""

_MACAU = """
113.53 22.195, 113.538 22.2125, 113.549 22.2165, 113.56 22.214, 113.6 22.214, 113.62 22.1,
113.552 22.1, 113.546 22.118, 113.548 22.15, 113.533 22.18, 113.53 22.195
"""


@cache
def shift_area() -> shapely.Polygon:
    """Return the polygon, in degrees (lng, lat), inside which GCJ-02 and BD-09 are shifted.

    Returns
    -------
    shapely.Polygon
        Mainland China with Hainan; Hong Kong and Macau are holes, Taiwan lies outside.

    Examples
    --------
    >>> in_shift_area([116.4, 114.17, 121.5], [39.9, 22.3, 25.0])  # Beijing, Hong Kong, Taipei
    array([ True, False, False])
    """
    area = shapely.Polygon(_ring(_SHELL), [_ring(_HONG_KONG), _ring(_MACAU)])
    shapely.prepare(area)
    return area


def in_shift_area(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Bools:
    """Tell for each position, in degrees, whether map services shift it.

    Parameters
    ----------
    lng, lat : array-like
        WGS 84 degrees; NaN is outside.

    Returns
    -------
    ndarray of bool
    """
    inside = shapely.contains_xy(shift_area(), np.asarray(lng, float), np.asarray(lat, float))
    return np.asarray(inside, dtype=np.bool_)


def _ring(text: str) -> Floats:
    return np.array([pair.split() for pair in text.split(",")], dtype=np.float64)


Pair = tuple[Floats, Floats]

_KRASSOVSKY_A = 6378245.0
_KRASSOVSKY_E2 = 0.00669342162296594323
_BAIDU_TURN = np.pi * 3000.0 / 180.0
_BLOCK = 1 << 15  # positions shifted at once: temporaries stay in the cache
_STEPS = 12
_ENOUGH = 1e-12  # degrees: a ten-millionth of a metre


def wgs84_to_gcj02(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Shift WGS 84 degrees to GCJ-02, the datum of Amap and WeChat.

    Parameters
    ----------
    lng, lat : array-like
        Degrees.

    Returns
    -------
    tuple of ndarray
        Shifted longitude and latitude.

    Examples
    --------
    >>> lng, lat = wgs84_to_gcj02(116.404, 39.915)
    >>> print(f"{lng:.8f} {lat:.8f}")
    116.41024450 39.91640428
    """
    return _in_blocks(lambda x, y: _where_shifted(x, y, *_gcj02(x, y)), lng, lat)


def gcj02_to_wgs84(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Take the GCJ-02 shift back, to less than a micrometre."""
    return _in_blocks(lambda x, y: _unshifted(x, y, _gcj02), lng, lat)


def wgs84_to_bd09(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Shift WGS 84 degrees to BD-09, the datum of Baidu."""
    return _in_blocks(lambda x, y: _where_shifted(x, y, *_bd09(x, y)), lng, lat)


def bd09_to_wgs84(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Take the BD-09 shift back, to less than a micrometre."""
    return _in_blocks(lambda x, y: _unshifted(x, y, _bd09), lng, lat)


def gcj02_to_bd09(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Shift GCJ-02 degrees on to BD-09.

    Examples
    --------
    >>> lng, lat = gcj02_to_bd09(116.404, 39.915)
    >>> print(f"{lng:.8f} {lat:.8f}")
    116.41036949 39.92133699
    """
    return _in_blocks(_gcj02_to_bd09, lng, lat)


def bd09_to_gcj02(lng: npt.ArrayLike, lat: npt.ArrayLike) -> Pair:
    """Take the second shift of BD-09 back, leaving GCJ-02."""
    return _in_blocks(_bd09_to_gcj02, lng, lat)


def _gcj02_to_bd09(lng: Floats, lat: Floats) -> Pair:
    true = _invert(lng, lat, _gcj02)
    return _where(in_shift_area(*true), _baidu(lng, lat), (lng, lat))


def _bd09_to_gcj02(lng: Floats, lat: Floats) -> Pair:
    true = _invert(lng, lat, _bd09)
    return _where(in_shift_area(*true), _invert(lng, lat, _baidu), (lng, lat))


def _gcj02(lng: Floats, lat: Floats) -> Pair:
    """Return GCJ-02 of WGS 84, wherever it is."""
    x, y = lng - 105.0, lat - 35.0
    turn_x, turn_y = x * np.pi, y * np.pi
    root = np.sqrt(np.abs(x))
    ripple = 20.0 * np.sin(6.0 * turn_x) + 20.0 * np.sin(2.0 * turn_x)
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (ripple + _waves(turn_x, 150.0, 300.0, 30.0)) * (2.0 / 3.0)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (ripple + _waves(turn_y, 160.0, 320.0, 30.0)) * (2.0 / 3.0)
    angle = np.radians(lat)
    w = 1.0 - _KRASSOVSKY_E2 * np.sin(angle) ** 2
    root_w = np.sqrt(w)
    east_radius = _KRASSOVSKY_A / root_w * np.cos(angle)
    north_radius = _KRASSOVSKY_A * (1.0 - _KRASSOVSKY_E2) / (w * root_w)
    return lng + np.degrees(east / east_radius), lat + np.degrees(north / north_radius)


def _waves(turn: Floats, third: float, last: float, length: float) -> Floats:
    return np.asarray(
        20.0 * np.sin(turn)
        + 40.0 * np.sin(turn / 3.0)
        + third * np.sin(turn / 12.0)
        + last * np.sin(turn / length)
    )


def _baidu(lng: Floats, lat: Floats) -> Pair:
    """Return BD-09 of GCJ-02, wherever it is."""
    radius = np.hypot(lng, lat) + 0.00002 * np.sin(lat * _BAIDU_TURN)
    angle = np.arctan2(lat, lng) + 0.000003 * np.cos(lng * _BAIDU_TURN)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def _bd09(lng: Floats, lat: Floats) -> Pair:
    return _baidu(*_gcj02(lng, lat))


def _invert(lng: Floats, lat: Floats, shift: Callable[[Floats, Floats], Pair]) -> Pair:
    """Find the position that `shift` brings to (lng, lat)."""
    x, y = lng.copy(), lat.copy()
    for _ in range(_STEPS):
        shifted_x, shifted_y = shift(x, y)
        error_x, error_y = shifted_x - lng, shifted_y - lat
        x -= error_x
        y -= error_y
        if not np.any((np.abs(error_x) > _ENOUGH) | (np.abs(error_y) > _ENOUGH)):
            break
    return x, y


def _unshifted(lng: Floats, lat: Floats, shift: Callable[[Floats, Floats], Pair]) -> Pair:
    true = _invert(lng, lat, shift)
    return _where(in_shift_area(*true), true, (lng, lat))


def _where_shifted(lng: Floats, lat: Floats, new_lng: Floats, new_lat: Floats) -> Pair:
    return _where(in_shift_area(lng, lat), (new_lng, new_lat), (lng, lat))


def _where(choose: Bools, one: Pair, other: Pair) -> Pair:
    return np.where(choose, one[0], other[0]), np.where(choose, one[1], other[1])


def _in_blocks(
    shift: Callable[[Floats, Floats], Pair], lng: npt.ArrayLike, lat: npt.ArrayLike
) -> Pair:
    x, y = np.broadcast_arrays(np.asarray(lng, np.float64), np.asarray(lat, np.float64))
    shape = x.shape
    x, y = x.ravel(), y.ravel()
    out_x, out_y = np.empty_like(x), np.empty_like(y)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for start in range(0, len(x), _BLOCK):
            part = slice(start, start + _BLOCK)
            out_x[part], out_y[part] = shift(x[part], y[part])
    return out_x.reshape(shape)[()], out_y.reshape(shape)[()]
