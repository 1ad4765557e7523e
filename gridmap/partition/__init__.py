"""Units, feasibility and the search for cells: the rooms behind `partition`."""

from __future__ import annotations

from typing import Any

# bound at once: a function and its module share a name, and the function must win
from gridmap.partition.feasibility import feasibility, what_if
from gridmap.partition.partition import partition

__all__ = ["attach", "feasibility", "partition", "subdivide", "what_if"]


def __getattr__(name: str) -> Any:
    """Load what makes units when it is asked for."""
    if name not in {"attach", "subdivide"}:
        raise AttributeError(f"module 'gridmap.partition' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"gridmap.partition.{name}"), name)
    globals()[name] = value
    return value
