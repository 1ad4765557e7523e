"""What other libraries hand in as a layer: anything with a geo interface, or Arrow geometry."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from gridmap.errors import InputError

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

OURS = {"DataFrame", "Series", "ndarray", "ExtensionArray", "Geometry"}
"""Kinds that verbs know already; named, so that nothing need be imported to tell."""

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def takes_layers(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a verb take foreign layers for the arguments named.

    Parameters
    ----------
    *names : str
        Arguments that are frames with geometries. What is a frame, a series, a geometry or None
        passes as it is.

    Returns
    -------
    callable
        A decorator that keeps the verb's signature.
    """

    def decorate(verb: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(verb)

        @functools.wraps(verb)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            if not any(map(_foreign, [*args, *kwargs.values()])):
                return verb(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            for name in names:
                given = bound.arguments.get(name)
                if "grid" in signature.parameters and type(given).__name__ == "Grid":
                    continue  # in the wrong place: the verb says so
                if _foreign(given):
                    bound.arguments[name] = as_layer(name, given)
            return verb(*bound.args, **bound.kwargs)

        return called

    return decorate


def as_layer(name: str, data: object) -> gpd.GeoDataFrame | pd.DataFrame:
    """Return a foreign layer as a frame.

    Parameters
    ----------
    name : str
        What the argument is called.
    data : object
        With ``to_geopandas``, ``__arrow_c_stream__`` or ``__geo_interface__``, or a GeoJSON
        mapping. A table of Arrow without geometry becomes a plain frame.

    Returns
    -------
    GeoDataFrame or DataFrame
        In the CRS that the data say; without one where they say none.

    Examples
    --------
    >>> square = {"type": "Polygon", "coordinates": [[(0, 0), (1, 0), (1, 1), (0, 0)]]}
    >>> as_layer("cells", square).area.tolist()
    [0.5]
    """
    if callable(ready := getattr(data, "to_geopandas", None)):
        frame: gpd.GeoDataFrame | pd.DataFrame = ready()  # of a Grid, say
        return frame
    if hasattr(data, "__arrow_c_stream__"):
        return _of_arrow(data)
    return _of_features(name, data)


def known_layer(name: str, data: T) -> T | gpd.GeoDataFrame | pd.DataFrame:
    """Return a foreign layer as a frame, anything else as it is."""
    return as_layer(name, data) if _foreign(data) else data


def _foreign(data: object) -> bool:
    """Tell whether an argument is a layer of another library."""
    if isinstance(data, Mapping):
        return "type" in data
    if {kind.__name__ for kind in type(data).__mro__} & OURS:
        return False
    marks = ("to_geopandas", "__arrow_c_stream__", "__geo_interface__")
    return any(hasattr(data, mark) for mark in marks)


def _of_arrow(data: object) -> gpd.GeoDataFrame | pd.DataFrame:
    import geopandas as gpd
    import pyarrow as pa

    table = pa.table(data)
    spoken = [(field.metadata or {}).get(b"ARROW:extension:name", b"") for field in table.schema]
    if any(name.startswith(b"geoarrow") for name in spoken) or any(
        str(getattr(kind, "extension_name", "")).startswith("geoarrow")
        for kind in table.schema.types
    ):
        return gpd.GeoDataFrame.from_arrow(table)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _of_features(name: str, data: object) -> gpd.GeoDataFrame:
    import geopandas as gpd

    told = data if isinstance(data, Mapping) else getattr(data, "__geo_interface__", {})
    kind = told.get("type")
    if kind == "FeatureCollection":
        features = told.get("features", [])
    else:
        features = [told if kind == "Feature" else {"properties": {}, "geometry": told}]
    crs = getattr(data, "crs", None) or told.get("crs", {}).get("properties", {}).get("name")
    try:
        return gpd.GeoDataFrame.from_features(features, crs=crs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "`{name}` is no layer of features: {error}. Give a GeoDataFrame, GeoJSON, or Arrow "
            "with a geometry column.",
            name=name,
            error=repr(error),
        ) from error
