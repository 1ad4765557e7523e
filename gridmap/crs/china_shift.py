"""The shifts of Chinese map services, GCJ-02 and BD-09, on arrays of degrees.

Own code from the published polynomial-and-sine form. The shift is a smooth function of the
position, so its inverse is found by fixed-point iteration: each step shrinks the error about a
thousandfold.
Positions outside `china.shift_area` come back as they are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gridmap.crs.china import in_shift_area

Floats = npt.NDArray[np.float64]
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


def _where(choose: npt.NDArray[np.bool_], one: Pair, other: Pair) -> Pair:
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
