"""What a user said of the texts to be read: it holds for every reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Declared:
    """What a user said of the texts to be read; None is found out.

    Attributes
    ----------
    encoding : str or None
    date_order : str or None
        ``dmy``, ``mdy``, ``ymd`` or ``roc``.
    time_zone : str or None
        In which to count, as ``Asia/Shanghai``.
    point_order : str or None
        ``lnglat`` or ``latlng``, of two numbers in one column.
    time : str or None
        Column of the time.
    """

    encoding: str | None = None
    date_order: str | None = None
    time_zone: str | None = None
    point_order: str | None = None
    time: str | None = None


_NOTHING_SAID = Declared()
_declared: ContextVar[Declared] = ContextVar("declared", default=_NOTHING_SAID)


def declared() -> Declared:
    """Return what holds for all readers now."""
    return _declared.get()


def declare(**said: str | None) -> None:
    """Let a declaration hold for all readers from here on; None says nothing."""
    _declared.set(replace(_declared.get(), **{k: v for k, v in said.items() if v is not None}))


def forget() -> None:
    """Let nothing declared hold any longer."""
    _declared.set(_NOTHING_SAID)


@contextmanager
def declaring(**said: str | None) -> Iterator[None]:
    """Let a declaration hold for all readers within the block.

    Examples
    --------
    >>> with declaring(encoding="big5"):
    ...     declared().encoding
    'big5'
    """
    token = _declared.set(_declared.get())
    try:
        declare(**said)
        yield
    finally:
        _declared.reset(token)
