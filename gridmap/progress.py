"""How long work reports its progress: a callable that the caller hands in."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all (0 when unknown)."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
