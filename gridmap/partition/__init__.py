"""Units, feasibility and the search for cells: the rooms behind `partition`."""

from __future__ import annotations

# bound at once: a function and its module share a name, and the function must win
from gridmap.partition.feasibility import feasibility, what_if
from gridmap.partition.partition import partition
from gridmap.partition.units import attach, subdivide

__all__ = ["attach", "feasibility", "partition", "subdivide", "what_if"]
