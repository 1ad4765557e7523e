"""What looks wrong about positions: axes, CRS, datum."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gridmap._checks import label
from gridmap.crs import in_shift_area, mover
from gridmap.errors import CRSError
from gridmap.io.text import fold
from gridmap.io.vector import are_degrees

Note = tuple[str, str]

_SAMPLE = 2000
_SERVICES = {
    "gcj02": ("高德", "腾讯", "微信", "火星", "gcj", "amap"),
    "bd09": ("百度", "baidu", "bd09"),
}


def crs_suspicions(crs: Any, extent: tuple[float, ...] | None, shaped: bool) -> list[Note]:
    if not shaped:
        return []
    if extent is None:
        return [("图层没有要素。", "The layer has no features.")]
    if crs is None:
        return [
            ("没有坐标系；请用 --crs 声明。", "No CRS; declare it with --crs."),
            *axis_suspicions(extent, None),
        ]
    found = []
    if crs.is_projected and are_degrees(extent):
        found.append(
            (
                f"坐标系是投影坐标 {label(crs)}，坐标却像经纬度。",
                f"The CRS {label(crs)} is projected, but the coordinates look like degrees.",
            )
        )
    if crs.is_geographic and not are_degrees(extent):
        found.append(
            (
                f"坐标系是经纬度 {label(crs)}，坐标却超出范围。",
                f"The CRS {label(crs)} is in degrees, but the coordinates are not.",
            )
        )
    return found + axis_suspicions(extent, crs) + _needs_parameters(crs)


def axis_suspicions(extent: tuple[float, ...], crs: Any) -> list[Note]:
    """Suspect exchanged axes, and eastings with a zone number in front."""
    west, south, east, north = extent
    exchanged = (
        "纵横坐标（或经纬度）可能写反。",
        "The axes seem exchanged (northing or latitude first).",
    )
    if west >= 3 and east <= 54 and south >= 73 and north <= 136:
        return [exchanged]
    metric = crs is None or crs.is_projected
    if metric and west >= 1.5e6 and east <= 6.5e6 and south >= 1e5 and north <= 9e5:
        return [exchanged]
    if metric and west >= 2.4e7 and east <= 4.6e7 and (crs is None or _central(crs) < 1e6):
        zone = int(west // 1e6)
        return [
            (
                f"横坐标带有带号 {zone}；请声明带号坐标系，如 EPSG:{4513 + zone - 25}。",
                f"Eastings begin with zone {zone}; declare a CRS with zone number, "
                f"as EPSG:{4513 + zone - 25}.",
            )
        ]
    return []


def _central(crs: Any) -> float:
    """Return the false easting of a projected CRS."""
    operation = crs.coordinate_operation
    parameters = operation.params if operation is not None else []
    return next((float(p.value) for p in parameters if p.name == "False easting"), 0.0)


def _needs_parameters(crs: Any) -> list[Note]:
    try:
        mover(crs, 4326)
    except CRSError:
        return [
            (
                f"{label(crs)} 不能无参数地转换到 CGCS2000/WGS84。",
                f"{label(crs)} cannot be transformed to CGCS2000 or WGS 84 without parameters.",
            )
        ]
    return []


def undeclared(extent: tuple[float, ...]) -> list[Note]:
    west, south, east, north = extent
    if not are_degrees(extent) or not in_shift_area((west + east) / 2, (south + north) / 2):
        return []
    return [
        (
            "经纬度未注明坐标系：来自高德、微信的是 gcj02，百度的是 bd09，请用 --datum 声明。",
            "The datum of these degrees is not stated: Amap and WeChat deliver gcj02, Baidu bd09; "
            "declare it with --datum.",
        )
    ]


def service_suspicions(sample: pd.DataFrame) -> list[Note]:
    """Suspect a datum where a heading or a value names a map service."""
    words = {fold(column) for column in sample.columns}
    for position in range(sample.shape[1]):
        values = sample.iloc[:_SAMPLE, position]
        if values.dtype.kind not in "iufbM" and values.nunique() <= 20:
            words.update(fold(value) for value in values.dropna().unique())
    found = {
        datum: next((name for name in names if any(name in word for word in words)), "")
        for datum, names in _SERVICES.items()
    }
    return [
        (f"数据提到“{name}”，坐标可能是 {datum}。", f"It mentions {name}: perhaps {datum}.")
        for datum, name in found.items()
        if name
    ]
