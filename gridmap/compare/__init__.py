"""Two grids beside each other: what moved, and how cells of one lie in cells of the other."""

from __future__ import annotations

from gridmap.compare.changes import Comparison, compare
from gridmap.compare.crosswalk import crosswalk

__all__ = ["Comparison", "compare", "crosswalk"]
