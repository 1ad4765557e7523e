"""What can go wrong, each with the evidence as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridmap.language import Message

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


class GridmapError(Exception):
    """Base of everything gridmap raises on purpose: one line with its cure.

    Attributes
    ----------
    message : Message
        What `str` puts into words, in English unless another language is spoken.
    """

    def __init__(self, template: str | Message, /, **values: object) -> None:
        message = template if isinstance(template, Message) else Message(template)
        self.message = message(**values) if values else message
        super().__init__(self.message)


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

    def __init__(
        self,
        template: str | Message,
        /,
        *,
        defects: gpd.GeoDataFrame | None = None,
        **values: object,
    ) -> None:
        super().__init__(template, **values)
        self.defects = defects


class PartitionError(GridmapError):
    """No partition could be made.

    Attributes
    ----------
    units : DataFrame or None
        The culprits.
    """

    def __init__(
        self, template: str | Message, /, *, units: pd.DataFrame | None = None, **values: object
    ) -> None:
        super().__init__(template, **values)
        self.units = units


class UnassignedWarning(UserWarning):
    """Some points lie in no cell, or none lies in any.

    Attributes
    ----------
    all_lost : bool
        Whether it is none.
    """

    def __init__(self, message: Message, *, all_lost: bool = False) -> None:
        super().__init__(message)
        self.all_lost = all_lost


class UnknownWordsWarning(UserWarning):
    """Some words are in no vocabulary; what they stand for counts as unknown."""


def reason_of(error: OSError) -> Message | str:
    """Return why a file cannot be used, in words that the catalogue knows where it can."""
    return REASONS.get(error.strerror or "", error.strerror or str(error))


REASONS = {
    reason.template: reason
    for reason in (
        Message("No such file or directory"),
        Message("Permission denied"),
        Message("Is a directory"),
        Message("Not a directory"),
        Message("No space left on device"),
        Message("Read-only file system"),
        Message("File name too long"),
    )
}
"""What the system says of files."""
