"""Checks that several rooms make at their doors."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from gridmap.errors import CRSError, InputError

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a string option that is not one of its choices."""
    choices = tuple(choices)
    if value not in choices:
        raise InputError(f"`{name}` is {value!r}; choose one of {', '.join(map(repr, choices))}.")


def check_band(band: tuple[int, int]) -> tuple[int, int]:
    """Return the household band as two integers, 0 < min <= max."""
    try:
        low, high = (_whole(bound) for bound in band)
    except (TypeError, ValueError):
        low = high = 0
    if min(low, high) < 1:
        raise InputError(f"`households` is {band!r}; give two whole numbers from 1, as (300, 600).")
    if low > high:
        raise InputError(f"`households` has min {low} over max {high}; give (min, max).")
    return low, high


def _whole(number: Any) -> int:
    """Return a whole number as an integer, anything else as 0."""
    if not isinstance(number, numbers.Real) or not math.isfinite(number):
        return 0
    return int(float(number)) if float(number).is_integer() else 0


def check_table(name: str, table: object) -> None:
    """Refuse what is no table, a path for instance."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise InputError(
            f"`{name}` is a {type(table).__name__}; give a DataFrame, such as "
            "`gridmap.io.read_table(path)`."
        )


def check_layer(name: str, layer: object) -> None:
    """Refuse what is no layer, a path or a table without geometry for instance."""
    import geopandas as gpd

    if not isinstance(layer, gpd.GeoDataFrame):
        raise InputError(
            f"`{name}` is a {type(layer).__name__} without geometries; give a GeoDataFrame, such "
            "as `gridmap.io.read_layer(path)`."
        )


def check_crs(name: str, frame: gpd.GeoDataFrame | gpd.GeoSeries) -> Any:
    """Return the CRS of a frame, or refuse one that has none."""
    if frame.crs is None:
        raise CRSError(
            f"`{name}` has no CRS, so its coordinates mean nothing. "
            f"Declare it: `{name}.set_crs(4547)`, or `--crs EPSG:4547`."
        )
    return frame.crs


def check_same_crs(name: str, frame: Any, other_name: str, other: Any) -> None:
    """Refuse two frames in different CRSs."""
    if check_crs(name, frame) != check_crs(other_name, other):
        raise CRSError(
            f"`{name}` is in {label(frame.crs)} but `{other_name}` in {label(other.crs)}. "
            f"Transform one: `{other_name}.to_crs({name}.crs)`."
        )


def label(crs: Any) -> str:
    """Return a short name of a CRS, as EPSG:4547."""
    authority = crs.to_authority() if crs is not None else None
    return ":".join(authority) if authority else (crs.name if crs is not None else "none")


Lang = Literal["zh", "en"]

DASHES = {"-", "--", "/", "\\", "无", "没有", "—", "——"}
_NOTHING = {"", "none", "null", "nan", "n/a", "nat"}
_SHOWN = 5  # rows named in a message
_LONG = 60  # characters of a value in a message


def is_nothing(value: Any) -> bool:
    """Tell whether a value, or a dash in its place, says that there is none."""
    return value is None or value != value or str(value).strip().lower() in _NOTHING | DASHES


def named_rows(values: pd.Series, most: int = _SHOWN, *, lang: Lang = "en") -> str:
    """Name the first of some rows, counted from 1, with what stands there."""
    row = "第 {} 行 {}" if lang == "zh" else "row {} {}"
    shown = [row.format(_place(at), _brief(value)) for at, value in values.head(most).items()]
    joined = "、".join(shown) if lang == "zh" else ", ".join(shown)
    return joined + (" …" if len(values) > most > 1 else "")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _place(label: Any) -> Any:
    return label + 1 if isinstance(label, int) else label


Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all (0 when unknown)."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
