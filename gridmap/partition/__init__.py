"""Units, feasibility and the search for cells: the rooms behind `partition`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridmap.partition.feasibility import feasibility as feasibility
    from gridmap.partition.feasibility import what_if as what_if
    from gridmap.partition.partition import partition as partition
    from gridmap.partition.subdivide import subdivide as subdivide

_HOME = {
    "attach": "attach",
    "feasibility": "feasibility",
    "partition": "partition",
    "subdivide": "subdivide",
    "what_if": "feasibility",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Load a public function from its room."""
    if name not in _HOME:
        raise AttributeError(f"module 'gridmap.partition' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gridmap.partition.{_HOME[name]}"), name)
