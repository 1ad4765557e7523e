"""What can go wrong, each with the evidence as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


class GridmapError(Exception):
    """Base of everything gridmap raises on purpose: one line with its cure."""


class InputError(GridmapError, ValueError):
    """The data handed in is not what was needed."""


class CRSError(InputError):
    """A coordinate reference system is missing, or two differ."""


class CoverageError(GridmapError, ValueError):
    """The cells do not tile their boundary.

    Attributes
    ----------
    defects : GeoDataFrame or None
        What `validate` found, ready to be mapped.
    """

    def __init__(self, message: str, defects: gpd.GeoDataFrame | None = None) -> None:
        super().__init__(message)
        self.defects = defects


class PartitionError(GridmapError):
    """No partition could be made.

    Attributes
    ----------
    units : DataFrame or None
        The culprits.
    """

    def __init__(self, message: str, units: pd.DataFrame | None = None) -> None:
        super().__init__(message)
        self.units = units


class UnassignedWarning(UserWarning):
    """Some points lie in no cell; ``zh`` tells it in Chinese."""

    def __init__(self, message: str, zh: str = "") -> None:
        super().__init__(message)
        self.zh = zh or message
