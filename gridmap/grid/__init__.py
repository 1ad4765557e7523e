"""The one noun: cells that are proved to tile their boundary."""

from gridmap.grid.adopt import adopt
from gridmap.grid.grid import Grid

__all__ = ["Grid", "adopt"]
